# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_firmware_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success

LINK = "https://oss.example.com/ota/firmware/canary.bin"
PACKAGE = {
    "FirmwareId": "145",
    "FirmwareName": "客厅 lamp",
    "FirmwareDesc": "OTA functions updated",
    "FirmwareSign": "93230c3bde425a9d7984a594ac55ea1e",
    "SignMethod": "MD5",
    "FirmwareSize": 1421,
    "FirmwareUrl": f"{LINK}?Expires=1&OSSAccessKeyId=canary&Signature=canary%3D",
    "ProductKey": "a19mzPZ0001",
    "ProductName": "Lamp",
    "ModuleName": "default",
    "SrcVersion": "1.0.0",
    "DestVersion": "2.0.0",
    "Status": 1,
    "Type": 0,
    "UtcCreate": "2019-12-28T02:43:10.000Z",
    "UtcModified": "2019-12-28T02:43:10.000Z",
}
FILE = {"Name": "part1", "Size": 2, "FileMd5": "d0", "SignValue": "d1", "Url": LINK}
FACTS = {
    "firmware_id": "145",
    "found": True,
    "verified": True,
    "firmware_name": "客厅 lamp",
    "firmware_desc": "OTA functions updated",
    "firmware_sign": "93230c3bde425a9d7984a594ac55ea1e",
    "sign_method": "MD5",
    "firmware_size": 1421,
    "product_key": "a19mzPZ0001",
    "product_name": "Lamp",
    "module_name": "default",
    "src_version": "1.0.0",
    "dest_version": "2.0.0",
    "status": 1,
    "type": 0,
    "verify_progress": None,
    "udi": None,
    "multi_files": [],
    "utc_create": "2019-12-28T02:43:10.000Z",
    "utc_modified": "2019-12-28T02:43:10.000Z",
}


def lower(content):
    """The same as Tuya writes it."""
    if isinstance(content, dict):
        return {name[:1].lower() + name[1:]: lower(item) for name, item in content.items()}
    return [lower(item) for item in content] if isinstance(content, list) else content


def page(number, packages, total, page_count):
    return success(FirmwareInfo={"SimpleFirmwareInfo": packages}, Total=total, PageCount=page_count, CurrentPage=number)


def numbered(*numbers, **fields):
    return [{**PACKAGE, "FirmwareId": str(number), **fields} for number in numbers]


def test_packages_of_a_product_on_all_pages_and_for_one_module(ask):
    answers = [
        page(1, numbered(*range(99)) + numbered(99, ModuleName=" mcu "), 101, 2),
        page(2, numbered(100, Status=2), 101, 2),
    ]
    options = {"product_key": " a19mzPZ0001 ", "dest_version": "2.0.0", "module_name": "default"}
    result, requests = ask(ota_firmware_info, options, *answers)
    assert [request.params["Action"] for request in requests] == ["ListOTAFirmware"] * 2
    sent = [request.params[name] for request in requests for name in ("ProductKey", "DestVersion", "CurrentPage")]
    assert sent == ["a19mzPZ0001", "2.0.0", "1", "a19mzPZ0001", "2.0.0", "2"]
    assert "ModuleName" not in requests[0].params
    assert result["firmwares"][0] == {**FACTS, "firmware_id": "0"}
    assert [firmware["firmware_id"] for firmware in result["firmwares"][-2:]] == ["98", "100"]
    assert result["summary"] == {"total": 100, "found": 100, "verified": 99}
    hold_success(ota_firmware_info, result)


@pytest.mark.parametrize("platform", ["alibaba", "tuya"])
def test_packages_by_their_ids_in_order(ask, platform):
    package = {**PACKAGE, "VerifyProgress": 50, "Status": 2, "Udi": "{}", "MultiFiles": [FILE, FILE], "New": LINK}
    write = lower if platform == "tuya" else dict
    answers = [
        response(json.dumps(write({"RequestId": "R", "Success": True, "FirmwareInfo": package}))),
        refused("iot.firmware.FirmwareNotFound"),
        success(FirmwareInfo={**PACKAGE, "FirmwareId": "146", "Status": -1}),
        success(FirmwareInfo={"FirmwareId": "147"}),
    ]
    options = {"firmware_ids": [" 145 ", "9", "146", "147"], "platform": platform}
    result, requests = ask(ota_firmware_info, options, *answers)
    assert [request.params["FirmwareId"] for request in requests] == ["145", "9", "146", "147"]
    first, unknown, exempt, silent = result["firmwares"]
    files = [{"name": "part1", "size": 2, "file_md5": "d0", "sign_value": "d1"}] * 2
    changed = {"verified": False, "status": 2, "verify_progress": 50, "udi": "{}", "multi_files": files}
    assert first == {**FACTS, **changed}
    nothing = {**dict.fromkeys(FACTS), "multi_files": []}
    assert unknown == {**nothing, "firmware_id": "9", "found": False}
    assert (exempt["status"], exempt["verified"]) == (-1, True)
    assert silent == {**nothing, "firmware_id": "147", "found": True}
    assert result["summary"] == {"total": 4, "found": 3, "verified": 1}
    hold_success(ota_firmware_info, result)


@pytest.mark.parametrize("count", [1, 2])
def test_xml(ask, count):
    fields = "".join(f"<{name}>{value}</{name}>".replace("&", "&amp;") for name, value in PACKAGE.items())
    files = "".join(f"<{name}>{value}</{name}>" for name, value in FILE.items())
    body = f"<FirmwareInfo>{fields}{f'<MultiFiles>{files}</MultiFiles>' * count}</FirmwareInfo>"
    answer = response(f"<QueryOTAFirmwareResponse><Success>true</Success>{body}</QueryOTAFirmwareResponse>")
    result, _requests = ask(ota_firmware_info, {"firmware_id": "145", "response_format": "xml"}, answer)
    files = [{"name": "part1", "size": 2, "file_md5": "d0", "sign_value": "d1"}] * count
    assert result["firmwares"] == [{**FACTS, "multi_files": files}]
    hold_success(ota_firmware_info, result)


@pytest.mark.parametrize(("status", "verified"), [(0, False), (3, False), (7, False), ("1", True), (None, None)])
def test_verified(ask, status, verified):
    answer = success(FirmwareInfo={**PACKAGE, "Status": status})
    result, _requests = ask(ota_firmware_info, {"firmware_id": "145"}, answer)
    assert result["firmwares"][0]["verified"] is verified


def test_failure_keeps_what_was_read_and_shows_no_link(ask):
    answers = [success(FirmwareInfo=PACKAGE), refused("iot.system.IllegalRequest", PACKAGE["FirmwareUrl"])]
    result, _requests = ask(ota_firmware_info, {"firmware_ids": ["145", "146"]}, *answers)
    assert result["failure"]["code"] == "iot.system.IllegalRequest"
    assert [firmware["firmware_id"] for firmware in result["firmwares"]] == ["145"]
    assert "Signature=" not in json.dumps(result)
    hold_failure(ota_firmware_info, result)


def test_unknown_product(ask):
    result, _requests = ask(ota_firmware_info, {"product_key": "k"}, refused("iot.prod.NotExistedProduct"))
    assert result["failure"]["code"] == "iot.prod.NotExistedProduct"
    assert "check product_key" in result["msg"]
    hold_failure(ota_firmware_info, result)


def test_only_summary(ask):
    result, requests = ask(ota_firmware_info, {"only_summary": True}, page(1, [PACKAGE], 1, 1))
    assert {"ProductKey", "DestVersion"}.isdisjoint(requests[0].params)
    assert result["summary"] == {"total": 1, "found": 1, "verified": 1}
    hold_success(ota_firmware_info, result, left_out=("firmwares",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"firmware_ids": []}, "firmware_ids is empty"),
        ({"firmware_ids": ["a", " "]}, "entry 2 of firmware_ids is blank"),
        ({"firmware_ids": ["a"], "dest_version": "2"}, "firmware_ids is given together with dest_version"),
        ({"product_key": ""}, "product_key is blank"),
        ({"module_name": " "}, "module_name is blank"),
        ({"dest_version": 2.1}, "dest_version is the number 2.1"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_firmware_info, options)
    assert words in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
    hold_failure(ota_firmware_info, result)
