# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_module_versions_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success

from .conftest import hold_failure, hold_success

ASKED = {"product_key": "k"}


def modules(*versions, total=None, number=1):
    rows = [{"ModuleName": name, "ModuleVersion": version} for name, version in versions]
    total = len(rows) if total is None else total
    return success(Data={"SimpleOTAModuleInfo": rows}, Total=total, PageCount=-(-total // 200), CurrentPage=number)


def test_devices_are_returned_in_order(ask):
    answers = [
        modules(("default", "2.0"), ("ble", "1.1")),
        refused("iot.device.NotExistedDevice"),
        modules(),
        modules(("default", "1.0")),
    ]
    names = ["客厅", "*", "a b", "d"]
    result, requests = ask(ota_module_versions_info, {**ASKED, "device_names": names}, *answers)
    assert [request.params["DeviceName"] for request in requests] == names
    assert (requests[0].params["Action"], requests[0].params["PageSize"]) == ("ListOTAModuleVersionsByDevice", "200")
    assert [(entry["device_name"], entry["found"], entry["versions"]) for entry in result["devices"]] == [
        ("客厅", True, {"default": "2.0", "ble": "1.1"}),
        ("*", False, {}),
        ("a b", True, {}),
        ("d", True, {"default": "1.0"}),
    ]
    assert [module["device_name"] for module in result["modules"]] == ["客厅", "客厅", "d"]
    assert result["summary"] == {
        "total": 3,
        "devices": 4,
        "found": 3,
        "reporting": 2,
        "by_version": {"default": {"2.0": 1, "1.0": 1}, "ble": {"1.1": 1}},
    }
    hold_success(ota_module_versions_info, result)


def test_one_module_of_devices_by_id(ask):
    options = {"iot_ids": ["1", "2"], "module_name": "ble"}
    answers = [modules(("default", "2.0"), ("ble", "1.1")), modules(("default", "2.0"))]
    result, requests = ask(ota_module_versions_info, options, *answers)
    assert [request.params["IotId"] for request in requests] == ["1", "2"]
    assert [entry["versions"] for entry in result["devices"]] == [{"ble": "1.1"}, {}]
    assert (result["summary"]["reporting"], result["summary"]["total"]) == (1, 1)
    hold_success(ota_module_versions_info, result)


def test_version_of_another_device_is_an_error(ask):
    answer = success(
        Data={"SimpleOTAModuleInfo": [{"ModuleName": "default", "ModuleVersion": "2.0", "DeviceName": "a"}]},
        Total=1,
        PageCount=1,
        CurrentPage=1,
    )
    result, _requests = ask(ota_module_versions_info, {**ASKED, "device_names": ["a", "b"]}, *[answer] * 3)
    assert result["failure"]["code"] == "wrong_response"
    assert [entry["device_name"] for entry in result["devices"]] == ["a"]


def test_a_module_without_a_name_is_no_version(ask):
    result, _requests = ask(ota_module_versions_info, {**ASKED, "device_name": "d"}, modules((None, "1")))
    assert (result["devices"][0]["versions"], result["summary"]["by_version"], result["summary"]["total"]) == (
        {},
        {},
        1,
    )


def test_all_pages(ask):
    first = modules(*((f"m{n}", "1") for n in range(200)), total=201)
    result, requests = ask(
        ota_module_versions_info, {**ASKED, "device_name": "d"}, first, modules(("last", "1"), total=201, number=2)
    )
    assert [request.params["CurrentPage"] for request in requests] == ["1", "2"]
    assert len(result["devices"][0]["versions"]) == 201


def test_a_short_list_is_an_error(ask):
    result, _requests = ask(
        ota_module_versions_info, {**ASKED, "device_name": "d"}, *[modules(("default", "1"), total=2)] * 3
    )
    assert result["failure"]["code"] == "incomplete_listing"
    hold_failure(ota_module_versions_info, result)


def test_only_summary(ask):
    options = {**ASKED, "device_name": "d", "only_summary": True}
    result, _requests = ask(ota_module_versions_info, options, modules(("default", "1")))
    assert result["summary"]["by_version"] == {"default": {"1": 1}}
    hold_success(ota_module_versions_info, result, left_out=("modules", "devices"))


def test_failure_keeps_what_was_read(ask):
    answers = [modules(("default", "1")), refused("NoPermission", "not you", 403)]
    result, _requests = ask(ota_module_versions_info, {**ASKED, "device_names": ["a", "b"]}, *answers)
    assert [entry["device_name"] for entry in result["devices"]] == ["a"]
    assert result["msg"].endswith(" 1 of 2 inputs were read.")
    hold_failure(ota_module_versions_info, result)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "no device is named"),
        ({"product_key": "k", "device_names": []}, "device_names is empty"),
        ({"iot_ids": ["1"], "module_name": " "}, "module_name is blank"),
        ({"iot_ids": ["1"], "product_key": "k"}, "either by iot_ids, or by product_key"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_module_versions_info, options)
    assert words in result["msg"]
    hold_failure(ota_module_versions_info, result)
