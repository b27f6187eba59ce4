# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from datetime import date

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import argspec
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.modules import (
    ota_device_jobs_info,
    ota_job_info,
    ota_job_tasks_info,
    ota_module_versions_info,
    ota_preflight_info,
    ota_unfinished_tasks_info,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE
from ansible_collections.iotfleet.ota.tests.unit.fakes import run_module

OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


def test_secret_options_are_not_logged():
    marked = {name for name, spec in argspec.CREDENTIALS.items() if spec.get("no_log")}
    assert marked == {"access_key_secret", "security_token"}


@pytest.mark.parametrize("proxy", [None, "", "http://proxy:1", "http://[::1"])
def test_proxy_without_a_password(proxy):
    assert argspec.proxy_passwords(proxy) == set()


def test_proxy_passwords_are_masked_encoded_and_decoded(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:from%2Fenvironment@proxy:1")
    assert argspec.proxy_passwords("http://user:p%40ss@proxy:1") == {
        "p%40ss",
        "p@ss",
        "from%2Fenvironment",
        "from/environment",
    }


def test_proxy_password_is_masked_where_an_option_is_refused():
    options = {**OPTIONS, "proxy": "http://user:proxy-password@proxy:1", "region": "proxy-password", "endpoint": ""}
    result = run_module(ota_job_info.main, options)
    assert result["msg"].startswith('No request was sent: the service is not offered in region "********"; ')
    secrets = set()
    with pytest.raises(OtaError):
        argspec.validate_options({}, {"proxy": "http://user:proxy-password@proxy:1", "retries": "some"}, secrets.update)
    assert secrets == {"http://user:proxy-password@proxy:1", "proxy-password"}


# --- Options of plugins that are no modules --------------------------------------------------------------------------


def test_options_are_validated_like_those_of_a_module(monkeypatch):
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    secrets = set()
    given = {"job_id": "1", "max_failed": "2", "access_key_secret": "canary-secret"}
    options = argspec.validate_options(GATE, given, secrets.update)
    assert (options["job_ids"], options["max_failed"], options["platform"]) == (["1"], 2, "tuya")
    assert secrets == {"canary-secret"}


def test_options_that_ansible_refuses_are_reported_in_one_sentence():
    given = {"jobid": "1", "max_failed": "canary-secret", "access_key_secret": "canary-secret"}
    secrets = set()
    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, given, secrets.update)
    said = str(caught.value)
    assert re.match(
        r"No request was sent: argument 'max_failed' is of type \S.* and we were unable to convert to int: ", said
    )
    assert "; unsupported options: jobid. Supported parameters include: " in said
    assert said.endswith("; see the documentation of the options.")
    assert "canary" not in said
    assert secrets == {"canary-secret"}


@pytest.mark.parametrize("name", [*argspec.CONNECTION, *argspec.CREDENTIALS])
def test_empty_text_is_not_given(name, monkeypatch):
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    plain = argspec.validate_options(GATE, {"job_ids": ["1"]}, lambda secrets: None)
    assert argspec.validate_options(GATE, {"job_ids": ["1"], name: ""}, lambda secrets: None) == plain
    result = run_module(ota_job_info.main, {**OPTIONS, "job_id": " ", name: ""})
    assert "entry 1 of job_ids is blank" in result["msg"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"max_failed": "2%"}, "max_failed is 2%; give a number."),
        ({"max_failed": "1.5"}, "max_failed is 1.5; give a whole number."),
        ({"max_failed": ""}, 'max_failed is ""; give a number.'),
        ({"soak": "1h"}, "soak is 1h; give a number."),
        ({"soak": ["1"]}, "soak is ['1']; give a number."),
        ({"timeout": "soon"}, "timeout is soon; give a number."),
        ({"versions": {"grace": "x"}}, "versions.grace is x; give a number."),
        ({"max_failed": "{{ 7*7 }}"}, "max_failed is { { 7*7 }}; give a number."),
    ],
)
def test_text_that_is_no_number_is_quoted(given, sentence):
    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, {"job_ids": ["1"], **given}, lambda secrets: None)
    assert str(caught.value) == f"No request was sent: {sentence}"


def test_types_of_ansible_are_not_named():
    class TaggedText(str):
        pass

    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, {"job_ids": ["1"], "allow_empty": TaggedText("x")}, lambda secrets: None)
    assert "Tagged" not in str(caught.value)


def test_secret_that_is_given_as_a_number_too_is_not_shown():
    given = {"job_ids": ["1"], "max_failed": "canary-secret", "access_key_secret": "canary-secret"}
    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, given, lambda secrets: None)
    assert "canary" not in str(caught.value)


# --- Numbers in place of text ----------------------------------------------------------------------------------------

QUOTES = "and YAML may have changed what was written; write it in quotes."
DEVICE = {"product_key": "k", "device_name": "d"}
UNQUOTED = [
    (ota_job_info, {"job_id": 183415776190000002}, "job_id is the number 183415776190000002"),
    (ota_job_info, {"job_ids": ["1", 2]}, "entry 2 of job_ids is the number 2"),
    (ota_job_info, {"job_ids": 7}, "job_ids is the number 7"),
    (ota_job_info, {"job_ids": ["1"], "iot_instance_id": 1e3}, "iot_instance_id is the number 1000.0"),
    (ota_job_tasks_info, {"job_id": 7}, "job_id is the number 7"),
    (ota_job_tasks_info, {"job_id": "1", "device_names": ["d", 7]}, "entry 2 of device_names is the number 7"),
    (ota_unfinished_tasks_info, {**DEVICE, "module_name": True}, "module_name is the boolean true"),
    (ota_unfinished_tasks_info, {"iot_ids": [1.0]}, "entry 1 of iot_ids is the number 1.0"),
    (ota_module_versions_info, {**DEVICE, "device_name": [7]}, "entry 1 of device_name is the number 7"),
    (ota_module_versions_info, {**DEVICE, "product_key": 7}, "product_key is the number 7"),
    (ota_device_jobs_info, {**DEVICE, "firmware_id": 145}, "firmware_id is the number 145"),
    (ota_preflight_info, {"job_id": 7}, "job_id is the number 7"),
    (ota_preflight_info, {"job_id": "1", "expected_version": 2.10}, "expected_version is the number 2.1"),
    (ota_preflight_info, {"job_id": "1", "expected_firmware_id": 7}, "expected_firmware_id is the number 7"),
    (ota_preflight_info, {"job_id": "1", "expected_product_key": 7}, "expected_product_key is the number 7"),
    (ota_preflight_info, {**DEVICE, "device_names": [False]}, "entry 1 of device_names is the boolean false"),
]


@pytest.mark.parametrize(("module", "given", "sentence"), UNQUOTED)
def test_modules_refuse_a_number_in_place_of_text(module, given, sentence):
    options = {name: value for name, value in OPTIONS.items() if name != "job_id"}
    result = run_module(module.main, {**options, **given})
    assert result["failed"]
    assert result["msg"] == f"No request was sent: {sentence}, {QUOTES}"
    assert result["failure"]["code"] == "invalid_option"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"job_id": 7}, "job_id is the number 7"),
        ({"job_id": [date(2024, 1, 1)]}, "entry 1 of job_id is the date 2024-01-01"),
        ({"job_ids": ["1"], "expected_version": date(2024, 1, 1)}, "expected_version is the date 2024-01-01"),
        ({"job_ids": [183415776190000002]}, "entry 1 of job_ids is the number 183415776190000002"),
        ({"job_ids": ["1"], "expected_version": 2.10}, "expected_version is the number 2.1"),
        ({"job_ids": ["1"], "expected_firmware_id": 145}, "expected_firmware_id is the number 145"),
        ({"job_ids": ["1"], "expected_product_key": 7}, "expected_product_key is the number 7"),
        ({"job_ids": ["1"], "versions": {"module_name": 7}}, "versions.module_name is the number 7"),
        ({"job_ids": ["1"], "max_failed": "x", "expected_version": 2.1}, "expected_version is the number 2.1"),
    ],
)
def test_gate_refuses_a_number_in_place_of_text(given, sentence):
    secrets = set()
    with pytest.raises(OtaError) as caught:
        argspec.validate_options(GATE, {**given, "access_key_secret": "canary-secret"}, secrets.update)
    assert str(caught.value) == f"No request was sent: {sentence}, {QUOTES}"
    assert secrets == {"canary-secret"}


def test_options_that_may_be_numbers_are_accepted():
    given = {"job_ids": "7,8", "max_failed": 2, "versions": {"verify": False}, "mode": "report", "timeout": 3}
    options = argspec.validate_options(GATE, given, lambda secrets: None)
    assert (options["job_ids"], options["max_failed"], options["versions"]["verify"]) == (["7", "8"], 2, False)


def test_secret_that_is_a_number_is_not_shown():
    secrets = set()
    given = {"job_ids": ["1"], "access_key_secret": 12345678}
    assert argspec.validate_options(GATE, given, secrets.update)["access_key_secret"] == "12345678"
    assert secrets == {"12345678"}
