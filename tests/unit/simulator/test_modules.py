# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules and packages: whole answers, in both dialects and formats, and the one answer whose casing is mixed."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from ota_sim.lives import iot_id

FIRMWARES = [
    {"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"},
    {
        "firmware_id": "f2",
        "product_key": "p1",
        "name": "radio",
        "module_name": "ble",
        "src_version": "6",
        "dest_version": "7",
        "files": ["boot.bin", "app.bin"],
    },
]
JOBS = [
    {"job_id": "1001", "firmware_id": "f1", "devices": [{"name": "d-1", "jitter": 0}]},
    {"job_id": "1002", "firmware_id": "f2", "devices": [{"name": "d-1", "course": "stalls", "jitter": 0}]},
]
DEVICES = [{"name": "d-1", "product_key": "p1", "versions": {"default": "1.0", "mcu": "0.1"}}]
RAW = {"firmwares": FIRMWARES, "jobs": JOBS, "devices": DEVICES, "qps": 0}
D1 = {"ProductKey": "p1", "DeviceName": "d-1"}
PAGE = {"CurrentPage": "1", "PageSize": "10"}
IOT_ID = iot_id(("p1", "d-1"))
LINK = "https://ota-packages.simulator.example/ota/"


@pytest.fixture
def caller(make_caller):
    return make_caller(RAW)


def without_id(answer):
    """An answer without its RequestId, which is another one each time."""
    (name,) = [name for name in answer if name.lower() == "requestid"]
    return {key: value for key, value in answer.items() if key != name}


def module(name, version):
    return {"ProductKey": "p1", "DeviceName": "d-1", "IotId": IOT_ID, "ModuleName": name, "ModuleVersion": version}


def listed(*modules):
    return {
        "Success": True,
        "Total": 3,
        "PageCount": 1,
        "PageSize": 10,
        "CurrentPage": 1,
        "Data": {"SimpleOTAModuleInfo": [module(*each) for each in modules]},
    }


def test_a_device_reports_a_version_of_each_module(caller):
    before = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)
    assert without_id(before) == listed(("ble", "6"), ("default", "1.0"), ("mcu", "0.1"))
    caller.at(8)
    after = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)
    assert without_id(after) == listed(("ble", "6"), ("default", "2.0"), ("mcu", "0.1"))


def test_each_batch_is_of_the_module_of_its_package(caller):
    caller.at(5)
    answer = without_id(caller.call("ListOTAUnfinishedTaskByDevice", **D1))
    ids = [row.pop("TaskId") for row in answer["Data"]["SimpleOTATaskInfo"]]
    assert len(set(ids)) == 2
    common = {
        "ProductKey": "p1",
        "ProductName": "Lamp <&>",
        "DeviceName": "d-1",
        "IotId": IOT_ID,
        "TaskStatus": "IN_PROGRESS",
        "UtcCreate": "2025-06-15T15:06:40.000Z",
    }
    radio = {
        "JobId": "1002",
        "FirmwareId": "f2",
        "ModuleName": "ble",
        "SrcVersion": "6",
        "DestVersion": "7",
        "UtcModified": "2025-06-15T15:06:42.000Z",
    }
    main = {
        "JobId": "1001",
        "FirmwareId": "f1",
        "ModuleName": "default",
        "SrcVersion": "1.0",
        "DestVersion": "2.0",
        "UtcModified": "2025-06-15T15:06:45.000Z",
    }
    assert answer == {
        "Success": True,
        "Data": {"SimpleOTATaskInfo": [{**common, **radio}, {**common, **main}]},
    }
    one = caller.call("ListOTAUnfinishedTaskByDevice", **D1, ModuleName="ble")["Data"]["SimpleOTATaskInfo"]
    assert [row["JobId"] for row in one] == ["1002"]


def test_a_module_that_succeeds_leaves_the_others_alone(caller):
    caller.at(20)
    truth = caller.control("GET", "truth")[1]["jobs"]
    assert [truth[job_id]["on_target"] for job_id in ("1001", "1002")] == [["d-1"], []]


PACKAGE = {
    "FirmwareId": "f1",
    "FirmwareName": "f1",
    "FirmwareDesc": "f1, simulated",
    "FirmwareSize": 1048576,
    "SignMethod": "MD5",
    "ModuleName": "default",
    "ProductKey": "p1",
    "ProductName": "Lamp <&>",
    "SrcVersion": "1.0",
    "DestVersion": "2.0",
    "Status": 1,
    "Type": 0,
    "VerifyProgress": 100,
    "UtcCreate": "2025-06-08T15:06:40.000Z",
    "UtcModified": "2025-06-08T15:06:40.000Z",
}
RADIO = {
    **PACKAGE,
    "FirmwareId": "f2",
    "FirmwareName": "radio",
    "FirmwareDesc": "radio, simulated",
    "ModuleName": "ble",
    "SrcVersion": "6",
    "DestVersion": "7",
}


def is_signed(url):
    return url.startswith(LINK) and "&OSSAccessKeyId=STS.simulated&Signature=" in url and "?Expires=" in url


def test_a_package_tells_its_module_and_a_signed_link(caller):
    answer = without_id(caller.call("QueryOTAFirmware", FirmwareId="f1"))
    info = answer["FirmwareInfo"]
    assert is_signed(info.pop("FirmwareUrl"))
    assert len(info.pop("FirmwareSign")) == 32
    assert answer == {"Success": True, "FirmwareInfo": PACKAGE}


def test_a_package_of_several_files_has_a_signed_link_for_each(caller):
    answer = without_id(caller.call("QueryOTAFirmware", FirmwareId="f2"))
    files = answer["FirmwareInfo"].pop("MultiFiles")
    assert [(file["Name"], file["Size"], is_signed(file["Url"])) for file in files] == [
        ("boot.bin", 65536, True),
        ("app.bin", 65536, True),
    ]
    assert [sorted(file) for file in files] == [["FileMd5", "Name", "SignValue", "Size", "Url"]] * 2
    links = {file["Url"] for file in files} | {answer["FirmwareInfo"].pop("FirmwareUrl")}
    assert len(links) == 3
    del answer["FirmwareInfo"]["FirmwareSign"]
    assert answer == {"Success": True, "FirmwareInfo": RADIO}


def test_a_package_on_tuya(make_caller):
    caller = make_caller({**RAW, "dialect": "tuya"})
    answer = without_id(caller.call("QueryOTAFirmware", FirmwareId="f2"))
    info = answer["firmwareInfo"]
    assert is_signed(info.pop("firmwareUrl"))
    del info["firmwareSign"]
    expected = {name[0].lower() + name[1:]: value for name, value in RADIO.items()}
    assert answer == {"code": "", "success": True, "firmwareInfo": expected}


@pytest.mark.parametrize("dialect", ["alibaba", "tuya"])
def test_a_package_as_xml(make_caller, dialect):
    caller = make_caller({**RAW, "dialect": dialect})
    root = ElementTree.fromstring(caller.reply("QueryOTAFirmware", FirmwareId="f1", Format="XML").body)
    lower = dialect == "tuya"
    (info,) = root.findall("firmwareInfo" if lower else "FirmwareInfo")
    texts = {node.tag: node.text for node in info}
    assert is_signed(texts.pop("firmwareUrl" if lower else "FirmwareUrl"))
    del texts["firmwareSign" if lower else "FirmwareSign"]
    assert root.tag == "QueryOTAFirmwareResponse"
    assert texts == {name[0].lower() + name[1:] if lower else name: str(value) for name, value in PACKAGE.items()}


@pytest.mark.parametrize("dialect", ["alibaba", "tuya"])
def test_an_unknown_package(make_caller, dialect):
    caller = make_caller({**RAW, "dialect": dialect})
    reply = caller.reply("QueryOTAFirmware", FirmwareId="f9")
    names = ("Success", "Code", "ErrorMessage")
    success, code, message = (name[0].lower() + name[1:] if dialect == "tuya" else name for name in names)
    assert reply.status == 200
    assert without_id(json.loads(reply.body)) == {
        success: False,
        code: "iot.firmware.FirmwareNotFound",
        message: "the firmware does not exist",
    }


# Mixed casing


def test_the_casing_of_versions_may_be_mixed(make_caller):
    caller = make_caller({**RAW, "mixed_casing": True})
    expected = listed(("ble", "6"), ("default", "1.0"), ("mcu", "0.1"))
    del expected["Success"]
    answer = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)
    assert answer.pop("requestId")
    assert answer == {"success": True, "code": "", "errorMessage": None, **expected}


def test_a_refusal_is_in_mixed_casing_too(make_caller):
    caller = make_caller({**RAW, "mixed_casing": True})
    answer = caller.call("ListOTAModuleVersionsByDevice", ProductKey="p1", DeviceName="d-9", **PAGE)
    assert answer.pop("requestId")
    assert answer == {
        "success": False,
        "code": "iot.device.NotExistedDevice",
        "errorMessage": "the device does not exist",
    }
    assert sorted(caller.call("ListOTAModuleVersionsByDevice")) == [
        "Code",
        "HostId",
        "Message",
        "Recommend",
        "RequestId",
    ]


def test_mixed_casing_as_xml(make_caller):
    caller = make_caller({**RAW, "mixed_casing": True})
    body = caller.reply("ListOTAModuleVersionsByDevice", Format="XML", **D1, **PAGE).body
    pages = ["Total", "PageCount", "PageSize", "CurrentPage", "Data"]
    tags = [node.tag for node in ElementTree.fromstring(body)]
    assert sorted(tags) == sorted(["requestId", "success", "code", "errorMessage", *pages])
    assert b"<code></code><errorMessage></errorMessage>" in body


def test_only_that_one_operation_mixes_cases(make_caller):
    caller = make_caller({**RAW, "mixed_casing": True})
    for action, params in (("QueryOTAJob", {"JobId": "1001"}), ("ListOTATaskByJob", {"JobId": "1001"})):
        assert {"RequestId", "Success", "Data"} <= set(caller.call(action, **params))
