# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_preflight_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success

DEVICE = {"product_key": "k", "device_names": ["a", "b"]}
CANARY = "canary7Xq2"
STATE = success(DeviceStatusList={"DeviceStatus": [{"DeviceName": "a", "Status": "ONLINE"}]})
DETAIL = success(Data={"Data": [{"DeviceName": "a", "DeviceSecret": CANARY, "FirmwareVersion": "2.0"}]})


def test_first_device_is_queried(ask):
    answers = [
        success(Data={"SimpleOTATaskInfo": []}),
        success(Data={"SimpleOTAModuleInfo": []}, Total=0),
        STATE,
        DETAIL,
    ]
    result, requests = ask(ota_preflight_info, DEVICE, *answers)
    named = [request.params.get("DeviceName") or request.params["DeviceName.1"] for request in requests]
    assert (named, {request.params["ProductKey"] for request in requests}) == (["a"] * 4, {"k"})
    assert requests[1].params["PageSize"] == "1"
    assert (result["ok"], result["clock_offset"]) == (True, None)
    assert CANARY not in str(result)
    hold_success(ota_preflight_info, result)


def test_a_failed_check_fails_nothing(ask):
    answers = [refused("NoPermission", "not you", 403, Date="Tue, 19 Nov 2024 09:47:43 GMT")]
    answers += [success(Data={"SimpleOTAModuleInfo": []}, Total=0), STATE, DETAIL]
    result, _requests = ask(ota_preflight_info, DEVICE, *[answer._replace(headers=lower(answer)) for answer in answers])
    assert result["ok"] is False
    assert [check["code"] for check in result["checks"] if check["ok"] is False] == ["clock_off", "NoPermission"]
    assert result["clock_offset"] < -1e6
    hold_success(ota_preflight_info, result)


def test_ways_to_read_versions(ask):
    answers = [success(Data={"SimpleOTATaskInfo": []}), success(Data={"SimpleOTAModuleInfo": []}, Total=0), STATE]
    names = [f"d-{number}" for number in range(250)]
    options = {**DEVICE, "device_names": ["a", *names], "max_qps": 10000}
    result, _requests = ask(ota_preflight_info, options, *answers, refused("NoPermission", "not you", 403))
    assert result["ok"] is True
    assert result["version_sources"] == [
        {
            "source": "device",
            "operation": "ListOTAModuleVersionsByDevice",
            "permission": "iot:ListOTAModuleVersionsByDevice",
            "allowed": True,
            "shows_module": None,
            "requests": 251,
            "seconds": 0.0,
        },
        {
            "source": "details",
            "operation": "BatchQueryDeviceDetail",
            "permission": "iot:BatchQueryDeviceDetail",
            "allowed": False,
            "shows_module": None,
            "requests": 3,
            "seconds": 0.0,
        },
    ]
    hold_success(ota_preflight_info, result)


def lower(answer):
    return {name.lower(): value for name, value in answer.headers.items()}


def test_no_instance_is_sent_to_tuya(ask):
    options = {**DEVICE, "platform": "tuya", "iot_instance_id": "iot-1"}
    result, requests = ask(ota_preflight_info, options, refused("InvalidAccessKeyId.NotFound", "", 404))
    assert "IotInstanceId" not in requests[0].params
    by_name = {check["name"]: check for check in result["checks"]}
    assert by_name["iot_instance"]["message"] == (
        "no iot_instance_id is sent, which is right for an instance without an ID"
    )
    assert by_name["access_key"]["ok"] is False
    hold_success(ota_preflight_info, result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "neither job_id nor product_key with device_names is given; give job_id to check a batch"),
        ({"product_key": "k"}, "neither job_id nor product_key with device_names is given"),
        ({"device_names": ["a"]}, "neither job_id nor product_key with device_names is given"),
        ({"expected_product_key": "k", "device_names": ["a"]}, "neither job_id nor product_key with device_names is"),
        ({"job_id": " "}, "job_id is blank"),
        ({"product_key": "k", "device_names": []}, "device_names is empty"),
        ({"job_id": "1", "endpoint": "http://iot.example.com"}, "endpoint is plain http to iot.example.com"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_preflight_info, options)
    assert words in result["msg"]
    assert (result["checks"], result["version_sources"], result["ok"]) == ([], [], False)
    hold_failure(ota_preflight_info, result)


def test_a_key_that_is_missing(ask):
    result, _requests = ask(ota_preflight_info, {**DEVICE, "access_key_secret": ""})
    assert result["failure"]["code"] == "missing_credentials"
    hold_failure(ota_preflight_info, result)
