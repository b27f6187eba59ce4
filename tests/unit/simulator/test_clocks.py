# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's own clock, and what it tells late: counts after lists, and versions after both."""

from __future__ import annotations

import json

import pytest

START = "2025-06-15T15:06:40.000Z"
D1 = {"ProductKey": "p1", "DeviceName": "d-1"}
PAGE = {"CurrentPage": "1", "PageSize": "10"}


def times(value):
    """All times of an answer, by name."""
    if isinstance(value, list):
        return [pair for item in value for pair in times(item)]
    if not isinstance(value, dict):
        return []
    own = [(name, item) for name, item in value.items() if name.startswith("Utc")]
    return [*own, *(pair for item in value.values() for pair in times(item))]


@pytest.mark.parametrize(
    ("offset", "start", "end"),
    [
        (0, START, "2025-06-15T15:06:48.000Z"),
        (-10800, "2025-06-15T12:06:40.000Z", "2025-06-15T12:06:48.000Z"),
        (90.5, "2025-06-15T15:08:10.500Z", "2025-06-15T15:08:18.500Z"),
    ],
)
def test_all_times_are_those_of_the_services_clock(make_caller, offset, start, end):
    caller = make_caller({"clock_offset": offset})
    caller.time.now += 60
    stamp = {"Timestamp": caller.timestamp(offset)}
    reply = caller.reply("QueryOTAJob", JobId="1001", **stamp)
    assert reply.date == caller.time.wall() + offset
    job = json.loads(reply.body)["Data"]
    assert (job["UtcCreate"], job["UtcStartTime"], job["UtcEndTime"], job["UtcModified"]) == (start, start, end, end)
    tasks = caller.call("ListOTATaskByJob", JobId="1001", **stamp)
    assert times(tasks) == [("UtcCreate", start), ("UtcModified", end)] * 5
    jobs = caller.call("ListOTAJobByDevice", FirmwareId="f1", **D1, **PAGE, **stamp)
    assert sorted(times(jobs)) == [
        ("UtcCreate", start),
        ("UtcEndTime", end),
        ("UtcModified", end),
        ("UtcStartTime", start),
    ]


def test_timestamps_are_checked_by_the_services_clock(make_caller):
    caller = make_caller({"clock_offset": -3600})
    refused = caller.reply("QueryOTAJob", JobId="1001")
    assert json.loads(refused.body)["Code"] == "InvalidTimeStamp.Expired"
    assert refused.date == caller.time.wall() - 3600
    assert caller.call("QueryOTAJob", JobId="1001", Timestamp=caller.timestamp(-3600))["Success"] is True


def test_a_schedule_is_told_by_the_services_clock(make_caller):
    job = {"job_id": "1", "firmware_id": "f1", "devices": ["d"], "scheduled_after": 600, "schedule_ends_after": 7200}
    caller = make_caller({"clock_offset": 60, "jobs": [job]})
    assert times(caller.call("QueryOTAJob", JobId="1")) == [
        ("UtcScheduleTime", "2025-06-15T15:17:40.000Z"),
        ("UtcScheduleFinishTime", "2025-06-15T17:07:40.000Z"),
        ("UtcCreate", "2025-06-15T15:07:40.000Z"),
        ("UtcModified", "2025-06-15T15:07:40.000Z"),
    ]
    assert caller.call("ListOTATaskByJob", JobId="1")["Total"] == 0
    caller.at(600)
    assert times(caller.call("ListOTATaskByJob", JobId="1")) == [
        ("UtcCreate", "2025-06-15T15:17:40.000Z"),
        ("UtcModified", "2025-06-15T15:17:40.000Z"),
    ]


def shown(caller, **params):
    answer = caller.call("ListOTATaskByJob", JobId="1001", **params)
    return answer["Total"], answer["PageCount"], len(answer["Data"]["SimpleOTATaskInfo"])


def test_counts_lag_behind_lists(make_caller):
    caller = make_caller({"counts_lag": 5, "qps": 0})
    assert shown(caller) == (0, 0, 5)
    caller.at(4.9)
    assert shown(caller) == (0, 0, 5)
    caller.at(5)
    assert shown(caller) == (5, 1, 5)
    caller.at(12.9)
    assert shown(caller, TaskStatus="SUCCEEDED") == (0, 0, 5)
    assert shown(caller, TaskStatus="IN_PROGRESS") == (5, 1, 0)
    assert shown(caller, TaskStatus="SUCCEEDED", DeviceNames__1="d-2") == (0, 0, 1)
    caller.at(13)
    assert shown(caller, TaskStatus="SUCCEEDED") == (5, 1, 5)
    assert shown(caller, TaskStatus="IN_PROGRESS") == (0, 0, 0)
    assert shown(caller, TaskStatus="SUCCEEDED", DeviceNames__1="d-2") == (1, 1, 1)


def version(caller):
    rows = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    return [(row["ModuleName"], row["ModuleVersion"]) for row in rows]


def test_versions_lag_behind_what_the_device_reports(make_caller):
    caller = make_caller({"versions_lag": 20})
    caller.at(27.9)
    assert version(caller) == [("default", "1.0")]
    assert shown(caller, TaskStatus="SUCCEEDED") == (5, 1, 5)
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["on_target"] == [f"d-{number}" for number in range(1, 6)]
    caller.at(28)
    assert version(caller) == [("default", "2.0")]


def test_each_lag_is_one_of_its_own(make_caller):
    caller = make_caller({"counts_lag": 5, "versions_lag": 10})
    found = []
    for moment in (8, 13, 18):
        caller.at(moment)
        found.append((shown(caller, TaskStatus="SUCCEEDED")[::2], version(caller)[0][1]))
    assert found == [((0, 5), "1.0"), ((5, 5), "1.0"), ((5, 5), "2.0")]


def test_a_replacement_is_known_at_once_however_late_versions_are(make_caller):
    devices = [{"name": "d-1", "product_key": "p1", "replaced_after": 60, "replaced_versions": {"default": "9"}}]
    caller = make_caller({"versions_lag": 30, "devices": devices})
    caller.at(60)
    assert version(caller) == [("default", "9")]
