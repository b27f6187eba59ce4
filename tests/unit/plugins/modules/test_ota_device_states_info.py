# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_device_states_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success

from .conftest import hold_failure, hold_success

ASKED = {"product_key": "k"}
SINCE = {"Timestamp": 1557062301656, "LastOnlineTime": "2019-05-05 21:18:21"}


def states(*rows):
    names = ("DeviceName", "Status", "IotId")
    listed = [{**dict(zip(names, row)), "AsAddress": "192.0.2.1"} for row in rows]
    return success(DeviceStatusList={"DeviceStatus": [{**row, **SINCE} for row in listed]})


def test_devices_are_returned_in_order(ask):
    answer = states(("d", "OFFLINE", "i4"), ("客厅", "ONLINE", "i1"))
    names = ["客厅", "*", "d", "客厅"]
    result, requests = ask(ota_device_states_info, {**ASKED, "device_names": names}, answer)
    assert [request.params["Action"] for request in requests] == ["BatchGetDeviceState"]
    first = {
        "product_key": "k",
        "device_name": "客厅",
        "iot_id": "i1",
        "found": True,
        "state": "ONLINE",
        "since": 1557062301.656,
        "last_online": "2019-05-05 21:18:21",
    }
    unknown = {"product_key": "k", "device_name": "*", **dict.fromkeys(("iot_id", "state", "since", "last_online"))}
    assert result["devices"] == [
        first,
        {**unknown, "found": False},
        {**first, "device_name": "d", "iot_id": "i4", "state": "OFFLINE"},
        first,
    ]
    by_state = {"ONLINE": 2, "OFFLINE": 1, "UNACTIVE": 0, "DISABLE": 0}
    assert result["summary"] == {"total": 4, "found": 3, "by_state": by_state}
    assert "192.0.2.1" not in str(result)
    hold_success(ota_device_states_info, result)


def test_devices_by_id(ask):
    answer = states(("a", "RESTING", "1"), ("b", None, "2"))
    result, requests = ask(ota_device_states_info, {"iot_ids": ["1", "2", "3"]}, answer)
    assert [requests[0].params[f"IotId.{number}"] for number in (1, 2, 3)] == ["1", "2", "3"]
    told = [(entry["device_name"], entry["iot_id"], entry["found"], entry["state"]) for entry in result["devices"]]
    assert told == [("a", "1", True, "RESTING"), ("b", "2", True, None), (None, "3", False, None)]
    assert result["summary"]["by_state"] == {
        **dict.fromkeys(("ONLINE", "OFFLINE", "UNACTIVE", "DISABLE"), 0),
        "RESTING": 1,
        "null": 1,
    }
    hold_success(ota_device_states_info, result)


def test_each_50_devices_are_a_request(ask):
    names = [f"d-{number}" for number in range(120)]
    blocks = [names[:50], names[50:100], names[100:]]
    answers = [states(*((name, "ONLINE") for name in block)) for block in blocks]
    result, requests = ask(ota_device_states_info, {**ASKED, "device_names": names}, *answers)
    assert len(requests) == 3
    assert [entry["device_name"] for entry in result["devices"]] == names
    assert result["summary"]["by_state"]["ONLINE"] == 120


def test_only_summary(ask):
    options = {**ASKED, "device_name": "d", "only_summary": True}
    result, _requests = ask(ota_device_states_info, options, states(("d", "ONLINE")))
    assert result["summary"]["found"] == 1
    hold_success(ota_device_states_info, result, left_out=("devices",))


def test_failure_keeps_what_was_read(ask):
    names = [f"d-{number}" for number in range(60)]
    answers = [states(("d-3", "ONLINE")), refused("NoPermission", "not you", 403)]
    result, _requests = ask(ota_device_states_info, {**ASKED, "device_names": names}, *answers)
    assert [entry["device_name"] for entry in result["devices"]] == names[:50]
    assert (result["summary"]["total"], result["summary"]["found"]) == (50, 1)
    hold_failure(ota_device_states_info, result)


def test_state_of_another_device_is_an_error(ask):
    answer = states(("a", "ONLINE"), ("c", "ONLINE"))
    result, _requests = ask(ota_device_states_info, {**ASKED, "device_names": ["a", "b"]}, *[answer] * 2)
    assert (result["failure"]["code"], result["devices"]) == ("wrong_response", [])
    hold_failure(ota_device_states_info, result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no device is named"),
        ({"product_key": "k", "device_names": []}, "device_names is empty"),
        ({"iot_ids": ["1"], "product_key": "k"}, "either by iot_ids, or by product_key"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_device_states_info, options)
    assert words in result["msg"]
    hold_failure(ota_device_states_info, result)
