# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import read_service
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import (
    EVENT_SOURCE,
    GATE,
    GateOptions,
    read_gate_options,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import new_history

NUMBER = "is the number 7, and YAML may have changed what was written; write it in quotes"
HISTORY = {**new_history(1_772_359_200.0), "job_ids": ["1"]}


def read(**given):
    return read_by(GATE, given)


def read_by(spec, given):
    options = validate_options(spec, {"job_ids": ["1"], **given}, lambda secrets: None)
    return read_gate_options({"wait": True, "previous": None, **options}, read_service(options))


def test_defaults_are_those_of_the_policy():
    assert read() == GateOptions(job_ids=["1"], policy=Policy(scope="alibaba https://iot.cn-shanghai.aliyuncs.com/ -"))


def test_defaults_of_the_event_source_outlive_an_outage():
    assert read_by(EVENT_SOURCE, {}).policy == read().policy._replace(max_consecutive_errors=1000)


def test_batch_that_is_named_twice_counts_once():
    assert read(job_ids=["2", " 1 ", "2"]).job_ids == ["2", "1"]


def test_another_instance_is_another_scope():
    assert read(iot_instance_id="iot-1").policy.scope == "alibaba https://iot.cn-shanghai.aliyuncs.com/ iot-1"


def test_versions_say_what_proves_success():
    versions = {"verify": False, "module_name": " mcu ", "match": "prefix", "grace": 30}
    policy = read(versions=versions).policy
    assert (policy.verify_versions, policy.module_name) == (False, "mcu")
    assert (policy.version_match, policy.version_grace) == ("prefix", 30.0)


def test_some_versions_options_leave_the_others_as_they_are():
    assert read(versions={"grace": 0}).policy == read().policy._replace(version_grace=0.0)


def test_expected_devices_are_names_or_belong_to_a_product():
    devices = ["d-1", {"product_key": "k1", "device_name": " d-2 "}, "d-1"]
    assert read(expected_devices=devices).policy.expected_devices == (
        ExpectedDevice(None, "d-1"),
        ExpectedDevice("k1", "d-2"),
    )


@pytest.mark.parametrize("name", ["ignore_canceled", "ignore_vanished", "allow_empty"])
def test_what_does_not_count_is_chosen(name):
    assert getattr(read(**{name: True}).policy, name) is True


def test_a_title_is_taken_as_it_is():
    assert [read(title=title).title for title in ("Lamp 2.4.1", "", None)] == ["Lamp 2.4.1", "", ""]


@pytest.mark.parametrize("previous", [HISTORY, {"verdict": "pending", "history": HISTORY}])
def test_previous_run_continues(previous):
    options = read(previous=previous)
    assert (options.history, options.previous) == (HISTORY, previous)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"job_ids": []}, "job_ids is empty; name at least one in job_ids, or skip the task when there is none"),
        ({"job_ids": ["1", " "]}, "entry 2 of job_ids is blank; check the variable it comes from"),
        (
            {"versions": {"module_name": " "}},
            "versions.module_name is blank; check the variable it comes from",
        ),
        ({"versions": {"grace": 86401}}, "versions.grace is 86401.0; it must be between 0 and 86400"),
        ({"expected_devices": ["d-1", 7]}, f"entry 2 of expected_devices {NUMBER}"),
        ({"versions": {"module_name": 7}}, f"versions.module_name {NUMBER}"),
        (
            {"expected_devices": [{"device_name": "d-1"}]},
            "entry 1 of expected_devices is not a device; give a name, or product_key and device_name",
        ),
        ({"wait_interval": 0.4}, "wait_interval is 0.4; it must be between 0.5 and 86400"),
        ({"wait_interval": 86401}, "wait_interval is 86401.0; it must be between 0.5 and 86400"),
        ({"max_failed": -1}, "max_failed is -1; it must be between 0 and 1000000"),
        (
            {"job_ids": ["2"], "previous": HISTORY},
            "previous is about batch 1; give the result of an earlier run for the same job_ids, or leave it out",
        ),
    ],
)
def test_invalid_option_is_refused(given, sentence):
    with pytest.raises(OtaError) as error:
        read(**given)
    assert f"{error.value.cause}; {error.value.hint}" == sentence
    assert error.value.code == "invalid_option"


@pytest.mark.parametrize("seconds", [0.5, 86400])
def test_bounds_of_wait_interval_are_inclusive(seconds):
    assert read(wait_interval=seconds).wait_interval == seconds
