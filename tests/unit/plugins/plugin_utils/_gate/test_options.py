# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import read_service
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import Search
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


FIND = {"product_key": "k1", "dest_version": "2.0"}
FOUND = {"search": Search("k1", "2.0")._asdict(), "job_ids": ["7"], "why": "found batch 7"}


def find(**given):
    return {"job_ids": None, "find": {**FIND, **given}}


def test_what_is_searched_is_what_is_expected():
    options = read(**find(module_name=" mcu ", tags={"stage": " 客厅 "}, created_after="2026-03-01", which="all"))
    expected = ("k1", "2.0", "mcu", "UPGRADE_FIRMWARE", {"stage": "客厅"}, "2026-03-01", "all")
    assert options.search == Search(*expected)
    assert options.job_ids == []
    policy = options.policy
    assert (policy.expected_product_key, policy.expected_version, policy.module_name) == ("k1", "2.0", "mcu")
    assert policy.expected_job_type == "UPGRADE_FIRMWARE"


def test_the_same_may_be_expected_in_words():
    options = read(**find(), expected_version="2.0", expected_product_key="k1", versions={"module_name": "mcu"})
    assert (options.search, options.policy.module_name) == (Search("k1", "2.0"), "mcu")


@pytest.mark.parametrize(
    ("found", "job_ids"), [(FOUND, ["7"]), (json.loads(json.dumps(FOUND)), ["7"]), ({}, [])], ids=str
)
def test_batches_that_an_earlier_run_found_stay_the_same(found, job_ids):
    options = read(**find(), previous={**HISTORY, "job_ids": job_ids, "found": found})
    assert options.job_ids == job_ids
    assert options.history["found"] == found


@pytest.mark.parametrize(
    ("job_ids", "found"),
    [
        pytest.param(["1"], {}, id="batches that were given"),
        pytest.param(["7"], {**FOUND, "search": Search("k1", "3.0")._asdict()}, id="batches of another search"),
        pytest.param([], {**FOUND, "search": Search("k1", "3.0")._asdict()}, id="batches that were never read"),
    ],
)
def test_run_about_other_batches_does_not_continue(job_ids, found):
    about = found.get("job_ids", job_ids)[0]
    with pytest.raises(OtaError) as error:
        read(**find(), previous={**HISTORY, "job_ids": job_ids, "found": found})
    assert str(error.value.cause) == f"previous is about batch {about}"
    assert error.value.hint == "give the result of an earlier run for the same find, or leave it out"


def test_batches_that_an_earlier_run_found_and_never_read_are_those_that_are_given():
    previous = {**HISTORY, "job_ids": [], "found": FOUND}
    assert read(job_ids=["7"], previous=previous).job_ids == ["7"]
    with pytest.raises(OtaError, match="previous is about batch 7; give the result of an earlier run for the same job"):
        read(job_ids=["8"], previous=previous)


@pytest.mark.parametrize("found", [[], {"job_ids": ["7"]}, {**FOUND, "job_ids": []}, {**FOUND, "why": 7}], ids=str)
def test_what_is_no_finding_is_refused(found):
    with pytest.raises(OtaError, match="previous is not the result of an earlier run"):
        read(**find(), previous={**HISTORY, "found": found})


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"job_ids": None}, "neither job_ids nor find is given; name the batches, or say which to find"),
        ({"find": FIND}, "job_ids and find are both given; leave one of them out"),
        (find(dest_version=2.1), f"find.dest_version {NUMBER.replace('7', '2.1')}"),
        (find(product_key=" "), "find.product_key is blank; check the variable it comes from"),
        (find(tags={"stage": 7}), f"find.tags.stage {NUMBER}"),
        (
            find(created_after="yesterday"),
            "find.created_after is yesterday; give a time in ISO 8601, such as 2026-03-01T10:12:44Z",
        ),
        (
            {**find(), "expected_version": "3.0"},
            "expected_version is 3.0, but find is about 2.0; give the same, or leave it out",
        ),
        (
            {**find(module_name="mcu"), "versions": {"module_name": "ble"}},
            "versions.module_name is ble, but find is about mcu; give the same, or leave it out",
        ),
        (
            {**find(tags={"a": "b"}), "platform": "tuya", "endpoint": "https://si-1.tuyacloud.com:8686"},
            "find.tags is given, but tuya documents no tags of batches; leave it out, and use created_after, or give"
            " job_ids",
        ),
    ],
)
def test_search_that_cannot_be_made_is_refused(given, sentence):
    with pytest.raises(OtaError) as error:
        read(**given)
    assert f"{error.value.cause}; {error.value.hint}" == sentence
    assert error.value.code == "invalid_option"


@pytest.mark.parametrize("seconds", [0.5, 86400])
def test_bounds_of_wait_interval_are_inclusive(seconds):
    assert read(wait_interval=seconds).wait_interval == seconds
