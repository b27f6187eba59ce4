# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the operations about batches, tasks, packages and versions answer, in both dialects and formats."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

DEVICES = [{"name": "busy*灯", "course": "stalls", "jitter": 0}, {"prefix": "d-", "count": 4, "jitter": 0}]
JOBS = [
    {
        "job_id": "1001",
        "firmware_id": "f1",
        "devices": DEVICES,
        "maximum_per_minute": 1000,
        "timeout_in_minutes": 5,
        "retry_count": 1,
        "retry_interval": 60,
        "tags": {"a": "<b>"},
        "description": "x & y",
        "scheduled_after": 0,
        "schedule_ends_after": 3600,
    },
    {"job_id": "900", "firmware_id": "f1", "created_before": 86400, "devices": [{"name": "d-1", "course": "fails"}]},
    {
        "job_id": "1002",
        "firmware_id": "f2",
        "selection_type": "DYNAMIC",
        "group_id": "g1",
        "gray_percent": "50.00",
        "devices": [],
    },
]
FIRMWARES = [
    {"firmware_id": "f1", "product_key": "p1", "name": "one", "src_version": "1.0", "dest_version": "2.0"},
    {"firmware_id": "f2", "product_key": "p1", "module_name": "ble", "dest_version": "7"},
]
RAW = {"jobs": JOBS, "firmwares": FIRMWARES, "devices": [{"name": "spare", "product_key": "p1"}], "qps": 0}
D1 = {"ProductKey": "p1", "DeviceName": "d-1"}
PAGE = {"CurrentPage": "1", "PageSize": "10"}


@pytest.fixture
def caller(make_caller):
    return make_caller(RAW)


def test_query_ota_job(caller):
    caller.at(5)
    data = caller.call("QueryOTAJob", JobId="1001")["Data"]
    times = {name: data.pop(name) for name in list(data) if name.startswith("Utc")}
    assert data == {
        "JobId": "1001",
        "FirmwareId": "f1",
        "ProductKey": "p1",
        "Name": "one",
        "JobStatus": "IN_PROGRESS",
        "JobType": "UPGRADE_FIRMWARE",
        "SelectionType": "STATIC",
        "TargetSelection": "SPECIFIC",
        "SrcVersions": {"SrcVersion": ["1.0"]},
        "DestVersion": "2.0",
        "JobDesc": "x & y",
        "DownloadProtocol": "HTTPS",
        "NeedConfirm": False,
        "NeedPush": True,
        "OverwriteMode": 1,
        "MultiModuleMode": False,
        "MaximumPerMinute": 1000,
        "TimeoutInMinutes": 5,
        "RetryCount": 1,
        "RetryInterval": 60,
        "Tags": {"OtaTagDTO": [{"Key": "a", "Value": "<b>"}]},
    }
    assert sorted(times) == ["UtcCreate", "UtcModified", "UtcScheduleFinishTime", "UtcScheduleTime", "UtcStartTime"]
    assert times["UtcCreate"] == "2025-06-15T15:06:40.000Z"


def test_conditional_fields(caller):
    dynamic = caller.call("QueryOTAJob", JobId="1002")["Data"]
    assert (dynamic["DynamicMode"], dynamic["TargetSelection"], dynamic["GrayPercent"]) == (1, "ALL", "50.00")
    assert (dynamic["GroupId"], dynamic["GroupName"]) == ("g1", "")
    absent = {"UtcEndTime", "UtcScheduleTime", "TimeoutInMinutes", "RetryCount", "JobDesc", "Tags"}
    assert not absent & set(dynamic)
    assert "UtcEndTime" in caller.call("QueryOTAJob", JobId="900")["Data"]


def test_tuya_leaves_out_what_its_pages_leave_out(make_caller):
    caller = make_caller({**RAW, "dialect": "tuya"})
    answer = caller.call("QueryOTAJob", JobId="1001")
    assert {"srcVersions", "tags", "maximumPerMinute", "utcStartTime"}.isdisjoint(answer["data"])
    assert answer["data"]["jobId"] == "1001"
    assert answer["requestId"]
    refused = caller.call("QueryOTAJob", JobId="1")
    assert (refused["success"], refused["code"]) == (False, "iot.firmware.InvalidOTAJobId")
    assert "errorMessage" in refused
    assert sorted(caller.call("Unknown")) == ["code", "hostId", "message", "recommend", "requestId"]
    tasks = caller.call("ListOTAUnfinishedTaskByDevice", **D1)["data"]["simpleOTATaskInfo"]
    assert tasks[0]["moduleName"] == "default"
    xml = ElementTree.fromstring(caller.reply("QueryOTAJob", JobId="1001", Format="XML").body)
    assert (xml.tag, xml.findtext("data/jobId"), xml.findtext("code")) == ("QueryOTAJobResponse", "1001", "")


def test_xml(caller):
    caller.at(5)
    answer = ElementTree.fromstring(caller.reply("ListOTATaskByJob", JobId="1001", Format="XML").body)
    names = [node.text for node in answer.findall("Data/SimpleOTATaskInfo/DeviceName")]
    assert names == ["d-1", "d-2", "d-3", "d-4", "busy*灯"]
    assert answer.findtext("Data/SimpleOTATaskInfo/ProductName") == "Lamp <&>"
    assert answer.findtext("Success") == "true"
    one = caller.reply("ListOTATaskByJob", JobId="1001", TaskStatus="SUCCEEDED", Format="XML").body
    assert b"<Data></Data>" in one
    job = ElementTree.fromstring(caller.reply("QueryOTAJob", JobId="1001", Format="XML").body)
    assert job.findtext("Data/SrcVersions/SrcVersion") == "1.0"
    assert job.findtext("Data/Tags/OtaTagDTO/Value") == "<b>"


def test_list_ota_job_by_device(caller):
    caller.at(5)
    answer = caller.call("ListOTAJobByDevice", FirmwareId="f1", **D1, **PAGE)
    jobs = answer.pop("Data")["SimpleOTAJobInfo"]
    del answer["RequestId"]
    assert answer == {"Success": True, "Total": 2, "PageCount": 1, "PageSize": 10, "CurrentPage": 1}
    assert [(job["JobId"], job["JobStatus"]) for job in jobs] == [("1001", "IN_PROGRESS"), ("900", "COMPLETED")]
    assert "DestVersion" not in jobs[0]
    none = caller.call("ListOTAJobByDevice", FirmwareId="f1", ProductKey="p1", DeviceName="spare", **PAGE)
    assert (none["Total"], none["PageCount"], none["Data"]) == (0, 0, {"SimpleOTAJobInfo": []})


def test_list_ota_job_by_firmware(caller):
    answer = caller.call("ListOTAJobByFirmware", FirmwareId="f1", CurrentPage="2", PageSize="1")
    assert (answer["Total"], answer["PageCount"]) == (2, 2)
    assert [job["JobId"] for job in answer["Data"]["SimpleOTAJobInfo"]] == ["900"]


def test_list_ota_firmware(make_caller):
    newer = {"firmware_id": "f3", "product_key": "p1", "dest_version": "2.0", "created_before": 60, "status": 2}
    caller = make_caller({**RAW, "firmwares": [*FIRMWARES, newer]})
    answer = caller.call("ListOTAFirmware", ProductKey="p1", CurrentPage="2", PageSize="2")
    assert (answer["Total"], answer["PageCount"], answer["CurrentPage"]) == (3, 2, 2)
    assert [row["FirmwareId"] for row in answer["FirmwareInfo"]["SimpleFirmwareInfo"]] == ["f2"]
    rows = caller.call("ListOTAFirmware", DestVersion="2.0", **PAGE)["FirmwareInfo"]["SimpleFirmwareInfo"]
    assert [(row["FirmwareId"], row["Status"], row["UtcCreate"]) for row in rows] == [
        ("f3", 2, "2025-06-15T15:05:40.000Z"),
        ("f1", 1, "2025-06-08T15:06:40.000Z"),
    ]
    assert {"VerifyProgress", "MultiFiles"}.isdisjoint(rows[0])
    assert "Signature=" in rows[0]["FirmwareUrl"]
    none = caller.call("ListOTAFirmware", ProductKey="p1", DestVersion="2", **PAGE)
    assert (none["Total"], none["FirmwareInfo"]) == (0, {"SimpleFirmwareInfo": []})
    assert caller.call("ListOTAFirmware", ProductKey="p9", **PAGE)["Code"] == "iot.prod.NotExistedProduct"


def test_a_batch_is_not_known_before_it_is_created(make_caller):
    later = {"job_id": "77", "firmware_id": "f1", "created_after": 10, "devices": [{"name": "d-1", "jitter": 0}]}
    caller = make_caller({**RAW, "jobs": [later]})
    caller.at(9.9)
    assert caller.call("QueryOTAJob", JobId="77")["Code"] == "iot.firmware.InvalidOTAJobId"
    assert caller.call("ListOTATaskByJob", JobId="77")["Code"] == "iot.firmware.InvalidOTAJobId"
    assert caller.call("ListOTAJobByFirmware", FirmwareId="f1", **PAGE)["Total"] == 0
    caller.at(10)
    assert caller.call("QueryOTAJob", JobId="77")["Data"]["UtcCreate"] == "2025-06-15T15:06:50.000Z"
    assert caller.call("ListOTAJobByFirmware", FirmwareId="f1", **PAGE)["Total"] == 1
    caller.at(18)
    assert caller.call("QueryOTAJob", JobId="77")["Data"]["JobStatus"] == "COMPLETED"


def unfinished(caller, **params):
    answer = caller.call("ListOTAUnfinishedTaskByDevice", **params)
    assert "Total" not in answer
    return [task["TaskStatus"] for task in answer["Data"]["SimpleOTATaskInfo"]]


def test_list_ota_unfinished_task_by_device(caller):
    caller.at(5)
    assert unfinished(caller, **D1) == ["IN_PROGRESS"]
    assert unfinished(caller, **D1, ModuleName="") == ["IN_PROGRESS"]
    assert unfinished(caller, **D1, ModuleName="ble") == []
    assert unfinished(caller, **D1, TaskStatus="QUEUED") == []
    assert unfinished(caller, **D1, TaskStatusList__1="QUEUED", TaskStatusList__2="IN_PROGRESS") == ["IN_PROGRESS"]
    caller.at(20)
    assert unfinished(caller, **D1) == []
    assert (
        caller.call("ListOTAUnfinishedTaskByDevice", **D1, TaskStatus="SUCCEEDED")["Code"]
        == "iot.firmware.InvalidTaskStatus"
    )


def test_iot_id_wins_over_names(caller):
    tasks = caller.call("ListOTAUnfinishedTaskByDevice", ProductKey="p1", DeviceName="busy*灯")["Data"][
        "SimpleOTATaskInfo"
    ]
    assert unfinished(caller, IotId=tasks[0]["IotId"], ProductKey="no", DeviceName="no") == ["QUEUED"]


def test_list_ota_task_by_job(caller):
    caller.at(9)
    answer = caller.call("ListOTATaskByJob", JobId="1001", CurrentPage="2", PageSize="3")
    assert (answer["Total"], answer["PageCount"], answer["CurrentPage"]) == (5, 2, 2)
    done, stalled = answer["Data"]["SimpleOTATaskInfo"]
    assert (done["TaskStatus"], done["Progress"], done["Timeout"]) == ("SUCCEEDED", "100.00", "5")
    assert (stalled["TaskStatus"], stalled["Progress"]) == ("IN_PROGRESS", "40.00")
    assert "TaskDesc" not in done
    counted = caller.call("ListOTATaskByJob", JobId="1001", TaskStatus="SUCCEEDED", PageSize="1", CurrentPage="1")
    assert (counted["Total"], len(counted["Data"]["SimpleOTATaskInfo"])) == (4, 1)
    failed = caller.call("ListOTATaskByJob", JobId="900")["Data"]["SimpleOTATaskInfo"][0]
    assert failed["TaskDesc"] == "-1: upgrade failed"


@pytest.mark.parametrize(("step", "progress"), [(-1, "-1"), (-2, "-2"), (-3, "-3"), (-4, "-4")])
def test_a_step_code_may_stand_in_progress(make_caller, step, progress):
    entry = {"name": "d-1", "course": "fails", "step": step, "step_in_progress": True, "desc": "no luck"}
    caller = make_caller({"jobs": [{"job_id": "1", "firmware_id": "f1", "devices": [entry]}]})
    caller.at(20)
    (row,) = caller.call("ListOTATaskByJob", JobId="1")["Data"]["SimpleOTATaskInfo"]
    assert (row["TaskStatus"], row["Progress"], row["TaskDesc"]) == ("FAILED", progress, "no luck")


def test_named_devices_switch_paging_off(caller):
    names = {"DeviceNames__1": "busy*灯", "DeviceNames__2": "nobody", "DeviceNames__10": "d-2"}
    answer = caller.call("ListOTATaskByJob", JobId="1001", PageSize="0", **names)
    assert [task["DeviceName"] for task in answer["Data"]["SimpleOTATaskInfo"]] == ["busy*灯", "d-2"]
    assert answer["Total"] == 2
    many = {f"DeviceNames__{number}": "d" for number in range(1, 52)}
    assert caller.call("ListOTATaskByJob", JobId="1001", **many)["Code"] == "iot.firmware.ParameterSizeExceedMax"


def test_module_versions(caller):
    rows = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    assert [(row["ModuleName"], row["ModuleVersion"]) for row in rows] == [("default", "1.0")]
    caller.at(9)
    rows = caller.call("ListOTAModuleVersionsByDevice", IotId=rows[0]["IotId"], **PAGE)["Data"]["SimpleOTAModuleInfo"]
    assert [(row["DeviceName"], row["ModuleVersion"]) for row in rows] == [("d-1", "2.0")]


def test_firmware_has_a_signed_url(caller):
    info = caller.call("QueryOTAFirmware", FirmwareId="f2")["FirmwareInfo"]
    assert (info["DestVersion"], info["ModuleName"]) == ("7", "ble")
    assert "Signature=" in info["FirmwareUrl"]


@pytest.mark.parametrize(
    ("action", "params", "code"),
    [
        ("QueryOTAJob", {}, "MissingJobId"),
        ("QueryOTAJob", {"JobId": ""}, "iot.firmware.NullOTAJobId"),
        ("ListOTATaskByJob", {"JobId": ""}, "iot.firmware.NullOTAJobId"),
        ("QueryOTAFirmware", {"FirmwareId": ""}, "iot.firmware.NullFirmwareId"),
        ("ListOTAUnfinishedTaskByDevice", {**D1, "ProductKey": ""}, "iot.prod.NullProductKey"),
        ("ListOTAUnfinishedTaskByDevice", {**D1, "DeviceName": ""}, "iot.device.NullDeviceName"),
        ("ListOTAJobByDevice", {**D1, **PAGE}, "MissingFirmwareId"),
        ("ListOTAJobByDevice", {"FirmwareId": "f1", "DeviceName": "d-1", **PAGE}, "MissingProductKey"),
        ("ListOTAJobByDevice", {"FirmwareId": "f1", **D1, "PageSize": "10"}, "MissingCurrentPage"),
        ("ListOTAJobByDevice", {"FirmwareId": "f9", **D1, **PAGE}, "iot.firmware.FirmwareNotFound"),
        (
            "ListOTAJobByDevice",
            {"FirmwareId": "f1", **D1, "CurrentPage": "1", "PageSize": "101"},
            "iot.common.InvalidPageParams",
        ),
        (
            "ListOTAJobByDevice",
            {"FirmwareId": "f1", **D1, "CurrentPage": "0", "PageSize": "9"},
            "iot.common.InvalidPageParams",
        ),
        (
            "ListOTAJobByFirmware",
            {"FirmwareId": "f1", "CurrentPage": "x", "PageSize": "9"},
            "iot.common.InvalidPageParams",
        ),
        (
            "ListOTAJobByFirmware",
            {"FirmwareId": "f1", "CurrentPage": "1", "PageSize": "201"},
            "iot.common.InvalidPageParams",
        ),
        ("ListOTAJobByFirmware", {"FirmwareId": "f1", "CurrentPage": "1", "PageSize": "200"}, None),
        ("ListOTAUnfinishedTaskByDevice", {}, "MissingProductKey"),
        ("ListOTAUnfinishedTaskByDevice", {"ProductKey": "p1"}, "MissingDeviceName"),
        ("ListOTAUnfinishedTaskByDevice", {"ProductKey": "p9", "DeviceName": "d-1"}, "iot.prod.NotExistedProduct"),
        ("ListOTAUnfinishedTaskByDevice", {"ProductKey": "p1", "DeviceName": "d-9"}, "iot.device.NotExistedDevice"),
        ("ListOTAUnfinishedTaskByDevice", {"IotId": "x"}, "iot.device.InvalidIoTId"),
        ("ListOTATaskByJob", {"JobId": "1"}, "iot.firmware.InvalidOTAJobId"),
        ("ListOTATaskByJob", {"JobId": "1001", "TaskStatus": "DONE"}, "iot.firmware.InvalidTaskStatus"),
        ("ListOTATaskByJob", {"JobId": "1001", "PageSize": "100", "CurrentPage": "1000"}, None),
        (
            "ListOTATaskByJob",
            {"JobId": "1001", "PageSize": "100", "CurrentPage": "1001"},
            "iot.common.InvalidPageParams",
        ),
        ("QueryOTAFirmware", {"FirmwareId": "f9"}, "iot.firmware.FirmwareNotFound"),
        ("ListOTAModuleVersionsByDevice", D1, "MissingCurrentPage"),
    ],
)
def test_refusals(caller, action, params, code):
    reply = caller.reply(action, **params)
    answer = json.loads(reply.body)
    assert answer.get("Code") == code
    if code is None:
        assert answer["Success"] is True
    elif code.startswith("iot."):
        assert (reply.status, answer["Success"]) == (200, False)
        assert answer["ErrorMessage"]
    else:
        assert reply.status == 400
        assert "Success" not in answer
