# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Details and states of many devices, in both dialects and formats."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from ota_sim.lives import device_secret, iot_id

DAY = 86_400
LISTED = [
    {"name": "new", "product_key": "p1", "state": "UNACTIVE", "state_before": 60},
    {"name": "off", "product_key": "p1", "state": "DISABLE", "state_before": 60, "last_online_before": 7200},
    {"name": "mute", "product_key": "p1", "versions": {"ble": "7"}},
]
ENTRIES = [
    {"prefix": "d-", "count": 3, "jitter": 0},
    {"name": "far", "course": "offline"},
    {"name": "late", "course": "offline", "online_after": 30},
    {"name": "new", "course": "offline"},
]
RAW = {
    "devices": LISTED,
    "jobs": [{"job_id": "1001", "firmware_id": "f1", "devices": ENTRIES}],
    "access_keys": [{"id": "all", "secret": "s1"}, {"id": "few", "secret": "s2", "denied_actions": []}],
}


def named(*names, parameter="DeviceName"):
    return {f"{parameter}__{number}": name for number, name in enumerate(names, 1)}


def lowered(value):
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: lowered(item) for name, item in value.items()}
    return [lowered(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def caller(make_caller):
    return make_caller(RAW)


DETAIL = {
    "DeviceName": "d-1",
    "DeviceSecret": device_secret(("p1", "d-1")),
    "FirmwareVersion": "1.0",
    "GmtActive": "2025-05-17 00:06:40",
    "GmtCreate": "2025-05-16 23:06:40",
    "IotId": iot_id(("p1", "d-1")),
    "Nickname": "",
    "NodeType": 0,
    "ProductKey": "p1",
    "ProductName": "Lamp <&>",
    "Region": "cn-shanghai",
    "Status": "ONLINE",
    "UtcActive": "2025-05-16T16:06:40.000Z",
    "UtcCreate": "2025-05-16T15:06:40.000Z",
}


def details(caller, *names):
    answer = caller.call("BatchQueryDeviceDetail", ProductKey="p1", **named(*names))
    return {row["DeviceName"]: row for row in answer["Data"]["Data"]}


def test_details_in_the_order_of_the_names_and_without_unknown_ones(caller):
    answer = caller.call("BatchQueryDeviceDetail", ProductKey="p1", **named("far", "nobody", "d-1", "far"))
    del answer["RequestId"]
    far = {**DETAIL, "DeviceName": "far", "DeviceSecret": device_secret(("p1", "far")), "Status": "OFFLINE"}
    assert answer == {"Success": True, "Data": {"Data": [{**far, "IotId": iot_id(("p1", "far"))}, DETAIL]}}
    none = caller.call("BatchQueryDeviceDetail", ProductKey="p1", **named("nobody"))
    assert (none["Success"], none["Data"]) == (True, {"Data": []})


def test_details_on_tuya_and_as_xml(make_caller):
    caller = make_caller({**RAW, "dialect": "tuya"})
    answer = caller.call("BatchQueryDeviceDetail", ProductKey="p1", **named("d-1"))
    assert answer["data"] == lowered({"Data": [DETAIL]})
    xml = ElementTree.fromstring(
        caller.reply("BatchQueryDeviceDetail", ProductKey="p1", Format="XML", **named("d-1", "d-2")).body
    )
    assert [node.findtext("deviceName") for node in xml.findall("data/data")] == ["d-1", "d-2"]
    assert xml.findtext("data/data/nodeType") == "0"


def test_the_version_is_that_of_the_default_module_and_absent_where_none_was_reported(make_caller):
    caller = make_caller({**RAW, "versions_lag": 5})
    versions = [{name: row.get("FirmwareVersion") for name, row in details(caller, "d-1", "mute", "new").items()}]
    caller.at(10)
    versions.append({"d-1": details(caller, "d-1")["d-1"]["FirmwareVersion"]})
    caller.at(14)
    versions.append({"d-1": details(caller, "d-1")["d-1"]["FirmwareVersion"]})
    assert versions == [{"d-1": "1.0", "mute": None, "new": None}, {"d-1": "1.0"}, {"d-1": "2.0"}]


def test_a_device_that_was_never_active_tells_neither_versions_nor_when_it_was(caller):
    row = details(caller, "new")["new"]
    assert not {"FirmwareVersion", "GmtActive", "UtcActive"} & set(row)
    assert row["Status"] == "UNACTIVE"
    page = {"CurrentPage": "1", "PageSize": "10"}
    answer = caller.call("ListOTAModuleVersionsByDevice", ProductKey="p1", DeviceName="new", **page)
    assert (answer["Total"], answer["Data"]) == (0, {"SimpleOTAModuleInfo": []})


def test_each_device_has_a_secret_of_its_own(caller):
    secrets = [row["DeviceSecret"] for row in details(caller, "d-1", "d-2", "new").values()]
    assert len(set(secrets)) == 3
    assert all(len(secret) == 32 and secret.isalnum() for secret in secrets)
    assert device_secret(("p1", "d-1"), 1) not in secrets


STATE = {
    "DeviceName": "d-1",
    "IotId": iot_id(("p1", "d-1")),
    "Status": "ONLINE",
    "Timestamp": (1_750_000_000 - DAY) * 1000,
    "LastOnlineTime": "2025-06-14 23:06:40",
    "AsAddress": "192.0.2.1",
}


def states(caller, *names):
    answer = caller.call("BatchGetDeviceState", ProductKey="p1", **named(*names))
    rows = answer["DeviceStatusList"]["DeviceStatus"]
    return [
        (row["DeviceName"], row["Status"], row["Timestamp"] / 1000 - 1_750_000_000, row.get("LastOnlineTime"))
        for row in rows
    ]


def test_states_follow_from_courses_or_are_what_the_scenario_says(caller):
    names = ("d-1", "far", "late", "new", "off", "nobody")
    before = [
        ("d-1", "ONLINE", -DAY, "2025-06-14 23:06:40"),
        ("far", "OFFLINE", -DAY, "2025-06-14 22:06:40"),
        ("late", "OFFLINE", -DAY, "2025-06-14 22:06:40"),
        ("new", "UNACTIVE", -60, None),
        ("off", "DISABLE", -60, "2025-06-15 21:06:40"),
    ]
    assert states(caller, *names) == before
    caller.at(30)
    assert states(caller, *names) == [*before[:2], ("late", "ONLINE", 30, "2025-06-15 23:07:10"), *before[3:]]


def test_states_by_iot_id_win_over_names_and_unknown_ones_are_left_out(caller):
    by_id = named(iot_id(("p1", "d-1")), "nobody", parameter="IotId")
    answer = caller.call("BatchGetDeviceState", ProductKey="no", **named("d-2"), **by_id)
    del answer["RequestId"]
    assert answer == {"Success": True, "DeviceStatusList": {"DeviceStatus": [STATE]}}


def test_states_on_tuya_and_as_xml(make_caller):
    caller = make_caller({**RAW, "dialect": "tuya"})
    answer = caller.call("BatchGetDeviceState", ProductKey="p1", **named("d-1"))
    assert answer["deviceStatusList"] == lowered({"DeviceStatus": [STATE]})
    xml = ElementTree.fromstring(
        caller.reply("BatchGetDeviceState", ProductKey="p1", Format="XML", **named("d-1", "far")).body
    )
    found = xml.findall("deviceStatusList/deviceStatus")
    assert [node.findtext("status") for node in found] == ["ONLINE", "OFFLINE"]


def test_a_device_may_be_away_in_a_later_turn_only(make_caller):
    again = [{"after": 60, "course": "offline", "online_after": 40}]
    entry = {"name": "d", "course": "fails", "again": again}
    caller = make_caller({"jobs": [{"job_id": "1", "firmware_id": "f1", "devices": [entry]}]})
    seen = []
    for t in (59, 60, 100):
        caller.at(t)
        seen.append(states(caller, "d"))
    assert seen == [
        [("d", "ONLINE", -DAY, "2025-06-14 23:06:40")],
        [("d", "OFFLINE", 60, "2025-06-14 23:06:40")],
        [("d", "ONLINE", 100, "2025-06-15 23:08:20")],
    ]


def test_a_replacement_comes_online_when_it_begins(make_caller):
    gone = {"name": "x", "product_key": "p1", "state": "OFFLINE", "deleted_after": 10, "replaced_after": 20}
    caller = make_caller({"devices": [gone], "jobs": []})
    seen = []
    for t in (9, 10, 20):
        caller.at(t)
        seen.append([row[1:3] for row in states(caller, "x")])
    assert seen == [[("OFFLINE", -DAY)], [], [("ONLINE", 20)]]
    assert details(caller, "x")["x"]["UtcCreate"] == "2025-06-15T15:07:00.000Z"


@pytest.mark.parametrize(
    ("action", "params", "code"),
    [
        ("BatchQueryDeviceDetail", named("d"), "MissingProductKey"),
        ("BatchQueryDeviceDetail", {"ProductKey": "p1"}, "MissingDeviceName"),
        ("BatchQueryDeviceDetail", {"ProductKey": "p9", **named("d")}, "iot.prod.NotExistedProduct"),
        ("BatchQueryDeviceDetail", {"ProductKey": "p1", **named(*"d" * 100)}, None),
        ("BatchQueryDeviceDetail", {"ProductKey": "p1", **named(*"d" * 101)}, "iot.firmware.ParameterSizeExceedMax"),
        ("BatchGetDeviceState", {}, "MissingProductKey"),
        ("BatchGetDeviceState", {"ProductKey": "p1"}, "MissingDeviceName"),
        ("BatchGetDeviceState", {"ProductKey": "p9", **named("d")}, "iot.prod.NotExistedProduct"),
        ("BatchGetDeviceState", {"ProductKey": "p1", **named(*"d" * 50)}, None),
        ("BatchGetDeviceState", {"ProductKey": "p1", **named(*"d" * 51)}, "iot.firmware.ParameterSizeExceedMax"),
        ("BatchGetDeviceState", named(*"d" * 51, parameter="IotId"), "iot.firmware.ParameterSizeExceedMax"),
    ],
)
def test_refusals(caller, action, params, code):
    assert caller.call(action, **params).get("Code") == code


@pytest.mark.parametrize("action", ["BatchQueryDeviceDetail", "BatchGetDeviceState"])
def test_both_can_be_denied_and_fail_as_others_do(make_caller, action):
    keys = [{"id": "few", "secret": "s2", "denied_actions": [action]}, {"id": "all", "secret": "s1"}]
    caller = make_caller({**RAW, "access_keys": keys})
    assert caller.call(action, ProductKey="p1", **named("d-1"))["Code"] == "NoPermission"
    caller.key_id, caller.secret = "all", "s1"
    caller.fault("system_busy", device_name="d-2", product_key="p1")
    busy = [caller.call(action, ProductKey="p1", **named(*names)).get("Code") for names in (("d-1",), ("d-1", "d-2"))]
    assert busy == [None, "iot.firmware.SystemBusy"]
    caller.time.now += 1
    caller.fault("missing_data")
    assert sorted(caller.call(action, ProductKey="p1", **named("d-1"))) == ["RequestId", "Success"]


def test_a_fault_finds_a_device_in_a_list_of_iot_ids(caller):
    caller.fault("system_busy", device_name="d-2")
    by_id = named(iot_id(("p1", "d-1")), iot_id(("p1", "d-2")), parameter="IotId")
    assert caller.call("BatchGetDeviceState", **by_id)["Code"] == "iot.firmware.SystemBusy"
