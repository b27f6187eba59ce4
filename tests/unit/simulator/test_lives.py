# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices that are deleted or replaced, and devices of two products that bear the same name: what the service tells."""

from __future__ import annotations

import pytest
from ota_sim import scenario
from ota_sim.lives import iot_id
from ota_sim.world import World

D1 = {"ProductKey": "p1", "DeviceName": "d-1"}
D2 = {"ProductKey": "p1", "DeviceName": "d-2"}
PAGE = {"CurrentPage": "1", "PageSize": "10"}
FIRMWARES = [{"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"}]
JOBS = [
    {
        "job_id": "1001",
        "firmware_id": "f1",
        "devices": [{"name": "d-1", "jitter": 0}, {"name": "d-2", "course": "stalls", "jitter": 0}],
    }
]


@pytest.fixture
def fleet(make_caller):
    """A fleet in which d-2 stalls at 40 % from 2 s on, and ends as told."""

    def make(**end):
        devices = [{"name": "d-2", "product_key": "p1", **end}]
        return make_caller({"firmwares": FIRMWARES, "jobs": JOBS, "devices": devices, "qps": 0})

    return make


def listed(caller, **params):
    answer = caller.call("ListOTATaskByJob", JobId="1001", **params)
    return answer["Total"], [(row["DeviceName"], row["TaskStatus"]) for row in answer["Data"]["SimpleOTATaskInfo"]]


def code(caller, action, **params):
    return caller.call(action, **params).get("Code")


def versions(caller, **device):
    rows = caller.call("ListOTAModuleVersionsByDevice", **device, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    return {row["ModuleName"]: row["ModuleVersion"] for row in rows}


def iot_id_of(caller, **device):
    rows = caller.call("ListOTAModuleVersionsByDevice", **device, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    return {row["IotId"] for row in rows}


BOTH = [("d-1", "SUCCEEDED"), ("d-2", "IN_PROGRESS")]


def test_the_tasks_of_a_deleted_device_vanish_from_lists_and_counts(fleet):
    caller = fleet(deleted_after=20)
    caller.at(19)
    assert listed(caller) == (2, BOTH)
    assert listed(caller, TaskStatus="IN_PROGRESS") == (1, BOTH[1:])
    assert caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"] == "IN_PROGRESS"
    caller.at(20)
    assert listed(caller) == (1, BOTH[:1])
    assert listed(caller, TaskStatus="IN_PROGRESS") == (0, [])
    assert listed(caller, DeviceNames__1="d-2", DeviceNames__2="d-1") == (1, BOTH[:1])
    assert caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"] == "COMPLETED"


def test_the_batch_of_a_deleted_device_ends_with_it(fleet):
    caller = fleet(deleted_after=20)
    caller.at(30)
    data = caller.call("QueryOTAJob", JobId="1001")["Data"]
    assert (data["JobStatus"], data["UtcEndTime"]) == ("COMPLETED", "2025-06-15T15:07:00.000Z")


@pytest.mark.parametrize("stay", [False, True])
def test_a_deleted_device_is_unknown(fleet, stay):
    caller = fleet(deleted_after=20, tasks_stay=stay)
    (known,) = iot_id_of(caller, **D2)
    caller.at(20)
    for action, more in (
        ("ListOTAModuleVersionsByDevice", PAGE),
        ("ListOTAUnfinishedTaskByDevice", {}),
        ("ListOTAJobByDevice", {"FirmwareId": "f1", **PAGE}),
    ):
        assert code(caller, action, **D2, **more) == "iot.device.NotExistedDevice"
        assert code(caller, action, **D1, **more) is None
    assert code(caller, "ListOTAUnfinishedTaskByDevice", IotId=known) == "iot.device.InvalidIoTId"
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["on_target"] == ["d-1"]


def test_tasks_may_stay_as_they_were(fleet):
    caller = fleet(deleted_after=20, tasks_stay=True)
    caller.at(1000)
    assert listed(caller) == (2, BOTH)
    assert listed(caller, TaskStatus="IN_PROGRESS") == (1, BOTH[1:])
    assert caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"] == "IN_PROGRESS"


def test_a_task_that_stays_keeps_its_last_progress():
    devices = [{"name": "d", "product_key": "p1", "deleted_after": 5.2, "tasks_stay": True}]
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": [{"name": "d", "jitter": 0}]}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    shown = [built.tasks_at("1", t)[0] for t in (5.1, 5.2, 1000)]
    assert [(task.status, task.progress, task.modified) for task in shown] == [("IN_PROGRESS", 50, 5)] * 3
    assert built.versions_at("d", 1000) == {}
    assert built.on_target_at("1", 1000) == []


def test_what_would_happen_at_the_moment_of_the_end_does_not():
    devices = [{"name": "d", "product_key": "p1", "deleted_after": 8, "tasks_stay": True}]
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": [{"name": "d", "jitter": 0}]}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [(task.status, task.progress) for task in built.tasks_at("1", 100)] == [("IN_PROGRESS", 100)]


def test_a_batch_that_ended_with_a_device_is_not_canceled_later():
    devices = [{"name": "e", "product_key": "p1", "deleted_after": 10}]
    entries = [{"name": "d", "jitter": 0}, {"name": "e", "course": "stalls"}]
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": entries, "canceled_after": 30}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [built.job_at("1", t).status for t in (9, 10, 30)] == ["IN_PROGRESS", "COMPLETED", "COMPLETED"]


def test_a_replacement_is_upgraded_in_a_task_of_its_own():
    devices = [{"name": "d", "product_key": "p1", "replaced_after": 20, "tasks_stay": True}]
    entry = {"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60, "same_task": True, "jitter": 0}]}
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": [entry]}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [(task.iot_id, task.status) for task in built.tasks_at("1", 70)] == [
        (iot_id(("p1", "d")), "FAILED"),
        (iot_id(("p1", "d"), 1), "SUCCEEDED"),
    ]


def test_a_device_that_is_deleted_before_the_batch_has_no_task():
    devices = [{"name": "d", "product_key": "p1", "deleted_after": 5}]
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": ["d", "e"], "tasks_after": 5}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [task.device for task in built.tasks_at("1", 5)] == ["e"]


def test_a_replacement_is_another_device_with_versions_of_its_own(fleet):
    caller = fleet(replaced_after=20, replaced_versions={"default": "9.0", "ble": "1"})
    (before,) = iot_id_of(caller, **D2)
    caller.at(20)
    (after,) = iot_id_of(caller, **D2)
    assert before == iot_id(("p1", "d-2"))
    assert after != before
    assert versions(caller, **D2) == {"default": "9.0", "ble": "1"}
    assert versions(caller, IotId=after) == {"default": "9.0", "ble": "1"}
    assert code(caller, "ListOTAUnfinishedTaskByDevice", IotId=before) == "iot.device.InvalidIoTId"
    assert caller.call("ListOTAUnfinishedTaskByDevice", **D2)["Data"] == {"SimpleOTATaskInfo": []}
    assert caller.call("ListOTAJobByDevice", FirmwareId="f1", **D2, **PAGE)["Total"] == 0
    assert listed(caller) == (1, BOTH[:1])


def test_the_task_of_a_replaced_device_that_stays_names_the_earlier_one(fleet):
    caller = fleet(replaced_after=20, tasks_stay=True)
    caller.at(20)
    rows = caller.call("ListOTATaskByJob", JobId="1001", DeviceNames__1="d-2")["Data"]["SimpleOTATaskInfo"]
    assert [(row["IotId"], row["TaskStatus"]) for row in rows] == [(iot_id(("p1", "d-2")), "IN_PROGRESS")]
    assert iot_id_of(caller, **D2) == {iot_id(("p1", "d-2"), 1)}
    assert caller.call("ListOTAUnfinishedTaskByDevice", **D2)["Data"] == {"SimpleOTATaskInfo": []}


def test_a_device_may_be_away_before_it_is_replaced(fleet):
    caller = fleet(deleted_after=20, replaced_after=30)
    for moment, known in ((19.9, True), (20, False), (29.9, False), (30, True)):
        caller.at(moment)
        assert (code(caller, "ListOTAUnfinishedTaskByDevice", **D2) is None) is known
    assert versions(caller, **D2) == {"default": "1.0"}  # as the first one began


def test_a_replacement_begins_as_the_first_one_did():
    devices = [{"name": "d", "product_key": "p1", "versions": {"default": "0.9", "ble": "3"}, "replaced_after": 20}]
    jobs = [{"job_id": "1", "firmware_id": "f1", "devices": [{"name": "d", "jitter": 0}]}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [built.versions_at("d", t) for t in (19, 20)] == [
        {"default": "2.0", "ble": "3"},
        {"default": "0.9", "ble": "3"},
    ]
    assert [built.on_target_at("1", t) for t in (19, 20)] == [["d"], []]


def test_a_later_batch_finds_the_replacement():
    devices = [{"name": "d", "product_key": "p1", "versions": {"default": "0.9"}, "replaced_after": 20}]
    jobs = [
        {"job_id": "1", "firmware_id": "f1", "devices": [{"name": "d", "course": "fails", "jitter": 0}]},
        {"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d", "jitter": 0}], "tasks_after": 60},
    ]
    built = World(scenario.parse({"firmwares": FIRMWARES, "jobs": jobs, "devices": devices}))
    assert [(task.job.job_id, task.src_version) for task in built.device_tasks_at(("p1", "d"), 70)] == [("2", "0.9")]
    assert built.tasks_at("2", 70)[0].iot_id == iot_id(("p1", "d"), 1)
    assert built.tasks_at("1", 70) == []
    assert built.versions_at("d", 70) == {"default": "2.0"}


def test_an_iot_id_leads_to_a_device_while_it_exists():
    devices = [{"name": "d", "product_key": "p1", "replaced_after": 20}]
    built = World(scenario.parse({"firmwares": FIRMWARES, "devices": devices}))
    first, second = iot_id(("p1", "d")), iot_id(("p1", "d"), 1)
    assert [built.device_of(first, t) for t in (None, 0, 20)] == [("p1", "d"), ("p1", "d"), None]
    assert [built.device_of(second, t) for t in (None, 0, 20)] == [("p1", "d"), None, ("p1", "d")]
    assert [built.iot_id_at(("p1", "d"), t) for t in (0, 20)] == [first, second]
    assert [built.has_device(("p1", "d"), t) for t in (None, 0, 20)] == [True, True, True]
    assert [built.has_device(("p1", "e"), t) for t in (None, 0)] == [False, False]


# Two products

TWINS = {
    "firmwares": [
        {"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"},
        {"firmware_id": "f2", "product_key": "p2", "src_version": "5", "dest_version": "6"},
    ],
    "devices": [{"name": "gw", "product_key": "p2", "deleted_after": 50}],
    "jobs": [
        {"job_id": "1001", "firmware_id": "f1", "devices": [{"name": "gw", "jitter": 0}]},
        {"job_id": "1002", "firmware_id": "f2", "devices": [{"name": "gw", "course": "stalls", "jitter": 0}]},
    ],
    "products": [{"product_key": "p1"}, {"product_key": "p2"}],
    "qps": 0,
}
GW1 = {"ProductKey": "p1", "DeviceName": "gw"}
GW2 = {"ProductKey": "p2", "DeviceName": "gw"}


def test_equal_names_in_two_products_are_two_devices(make_caller):
    caller = make_caller(TWINS)
    caller.at(20)
    assert (versions(caller, **GW1), versions(caller, **GW2)) == ({"default": "2.0"}, {"default": "5"})
    (first,), (second,) = iot_id_of(caller, **GW1), iot_id_of(caller, **GW2)
    assert first != second
    assert (versions(caller, IotId=first), versions(caller, IotId=second)) == ({"default": "2.0"}, {"default": "5"})
    for device, job_id, own in ((GW1, "1001", first), (GW2, "1002", second)):
        rows = caller.call("ListOTATaskByJob", JobId=job_id)["Data"]["SimpleOTATaskInfo"]
        assert [(row["ProductKey"], row["IotId"]) for row in rows] == [(device["ProductKey"], own)]
    unfinished = [
        [row["JobId"] for row in caller.call("ListOTAUnfinishedTaskByDevice", **gw)["Data"]["SimpleOTATaskInfo"]]
        for gw in (GW1, GW2)
    ]
    assert unfinished == [[], ["1002"]]
    jobs = [caller.call("ListOTAJobByDevice", FirmwareId="f1", **gw, **PAGE)["Total"] for gw in (GW1, GW2)]
    assert jobs == [1, 0]
    truth = caller.control("GET", "truth")[1]["jobs"]
    assert [truth[job_id]["on_target"] for job_id in ("1001", "1002")] == [["gw"], []]


def test_one_of_two_devices_of_equal_name_is_deleted(make_caller):
    caller = make_caller(TWINS)
    caller.at(50)
    assert code(caller, "ListOTAUnfinishedTaskByDevice", **GW2) == "iot.device.NotExistedDevice"
    assert code(caller, "ListOTAUnfinishedTaskByDevice", **GW1) is None
    assert caller.call("ListOTATaskByJob", JobId="1001")["Total"] == 1
    assert caller.call("ListOTATaskByJob", JobId="1002")["Total"] == 0


def test_busy_is_a_matter_of_one_product_and_module():
    raw = {
        "firmwares": [
            *TWINS["firmwares"],
            {"firmware_id": "f3", "product_key": "p1", "module_name": "ble", "dest_version": "3"},
        ],
        "jobs": [
            {"job_id": "1", "firmware_id": "f1", "devices": [{"name": "gw", "course": "busy"}]},
            {"job_id": "2", "firmware_id": "f2", "devices": ["gw"]},
            {"job_id": "3", "firmware_id": "f3", "devices": ["gw"]},
        ],
    }
    built = World(scenario.parse(raw))
    assert built.job_ids == ["19", "1", "2", "3"]
    assert built.tasks_at("1", 5)[0].desc.endswith("another batch: 19")
