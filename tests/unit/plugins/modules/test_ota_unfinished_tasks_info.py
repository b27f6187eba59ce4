# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_unfinished_tasks_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, sample, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success


def tasks(*statuses):
    rows = [{"TaskId": str(number), "TaskStatus": status} for number, status in enumerate(statuses)]
    return success(Data={"SimpleOTATaskInfo": rows})


def test_the_vendors_sample(ask):
    options = {"platform": "tuya", "product_key": "k1h9drZ****", "device_name": "device_actived"}
    answer = response(sample("tuya_ListOTAUnfinishedTaskByDevice.json"))
    result, requests = ask(ota_unfinished_tasks_info, options, answer)
    assert requests[0].params["DeviceName"] == "device_actived"
    assert "TaskStatusList.1" not in requests[0].params
    assert result["tasks"][0]["task_id"] == "183371207782747****"
    assert result["devices"] == [
        {"product_key": "k1h9drZ****", "device_name": "device_actived", "iot_id": None, "found": True, "unfinished": 1}
    ]
    assert result["summary"] == {
        "total": 1,
        "by_status": {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 1, "IN_PROGRESS": 0},
        "devices": 1,
        "found": 1,
        "idle": 0,
    }
    hold_success(ota_unfinished_tasks_info, result)


def test_devices_are_returned_in_order(ask):
    options = {"iot_ids": ["1", "2", "3"], "module_name": "ble", "task_statuses": ["QUEUED", "CONFIRM"]}
    answers = [tasks("QUEUED", "CONFIRM"), refused("iot.device.InvalidIoTId"), tasks()]
    result, requests = ask(ota_unfinished_tasks_info, options, *answers)
    assert [request.params["IotId"] for request in requests] == ["1", "2", "3"]
    assert requests[0].params["ModuleName"] == "ble"
    assert requests[0].params["TaskStatusList.2"] == "CONFIRM"
    assert "ProductKey" not in requests[0].params
    assert [(entry["iot_id"], entry["found"], entry["unfinished"]) for entry in result["devices"]] == [
        ("1", True, 2),
        ("2", False, 0),
        ("3", True, 0),
    ]
    assert result["summary"] == {
        "total": 2,
        "by_status": {"CONFIRM": 1, "QUEUED": 1, "NOTIFIED": 0, "IN_PROGRESS": 0},
        "devices": 3,
        "found": 2,
        "idle": 1,
    }
    hold_success(ota_unfinished_tasks_info, result)


def test_task_without_a_device_belongs_to_the_queried_one(ask):
    result, _requests = ask(ota_unfinished_tasks_info, {"product_key": "k", "device_name": "a"}, tasks("QUEUED"))
    (task,) = result["tasks"]
    assert (task["product_key"], task["device_name"], task["iot_id"]) == ("k", "a", None)


def test_failure_keeps_what_was_read(ask):
    answers = [tasks("QUEUED"), refused("SignatureDoesNotMatch", "canary", 400)]
    options = {"product_key": "k", "device_names": ["a", "b", "c"]}
    result, _requests = ask(ota_unfinished_tasks_info, options, *answers)
    assert "check that access_key_secret" in result["msg"]
    assert [entry["device_name"] for entry in result["devices"]] == ["a"]
    assert result["summary"]["total"] == 1
    hold_failure(ota_unfinished_tasks_info, result)


def test_only_summary(ask):
    options = {"product_key": "k", "device_names": ["a", "b"]}
    whole, _requests = ask(ota_unfinished_tasks_info, options, tasks("QUEUED"), tasks())
    result, _requests = ask(ota_unfinished_tasks_info, {**options, "only_summary": True}, tasks("QUEUED"), tasks())
    assert result["summary"] == whole["summary"]
    hold_success(ota_unfinished_tasks_info, result, left_out=("tasks", "devices"))


def test_only_summary_after_a_failure(ask):
    answers = [tasks("QUEUED"), refused("NoPermission", "not you", 403)]
    options = {"product_key": "k", "device_names": ["a", "b"], "only_summary": True}
    result, _requests = ask(ota_unfinished_tasks_info, options, *answers)
    assert result["summary"]["devices"] == 1
    assert result["msg"].endswith(" 1 of 2 inputs were read.")
    hold_failure(ota_unfinished_tasks_info, result, left_out=("tasks", "devices"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no device is named; give product_key and device_names, or iot_ids"),
        ({"product_key": "k"}, "product_key is given without device_names"),
        ({"device_names": ["a"]}, "device_names is given without product_key"),
        ({"product_key": "k", "device_names": []}, "device_names is empty"),
        ({"iot_ids": []}, "iot_ids is empty"),
        ({"iot_ids": ["1"], "product_key": "k"}, "either by iot_ids, or by product_key"),
        ({"iot_ids": ["1"], "task_statuses": []}, "task_statuses is empty"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_unfinished_tasks_info, options)
    assert words in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
    hold_failure(ota_unfinished_tasks_info, result)


def test_a_bad_status_is_refused_with_the_good_ones(ask):
    result, _requests = ask(ota_unfinished_tasks_info, {"iot_ids": ["1"], "task_statuses": ["SUCCEEDED"]})
    assert "CONFIRM, QUEUED, NOTIFIED, IN_PROGRESS" in result["msg"]
    assert "SUCCEEDED" in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
