# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cancels a batch: its tasks by state, its schedule, its strategy; and faults before and after the effect."""

from __future__ import annotations

import pytest

COURSES = ("succeeds", "offline", "silent", "stalls")
FIRMWARE = {"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"}
ALREADY = "iot.firmware.JobAlreadyCanceled"


def world(*courses, **fields):
    devices = [{"name": f"d-{course}", "course": course, "jitter": 0} for course in courses or COURSES]
    top = {name: fields.pop(name) for name in ("cancel_lag", "access_keys", "dialect") if name in fields}
    job = {"job_id": "1001", "firmware_id": "f1", "devices": devices, **fields}
    other = {"job_id": "1002", "firmware_id": "f1", "devices": [{"name": "o-1", "course": "offline"}]}
    return {"firmwares": [FIRMWARE], "jobs": [job, other], **top}


def states(caller, job_id="1001"):
    rows = caller.call("ListOTATaskByJob", JobId=job_id, PageSize="100")["Data"]["SimpleOTATaskInfo"]
    return {row["DeviceName"].removeprefix("d-"): row["TaskStatus"] for row in rows}


def job_status(caller):
    return caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"]


def cancel(caller, *states, **flags):
    named = {f"Cancel{state}Task": "true" for state in states}
    return caller.call("CancelOTATaskByJob", JobId="1001", **named, **flags)


@pytest.mark.parametrize(
    ("named", "canceled"),
    [
        (("Queued",), {"offline"}),
        (("Notified",), {"silent"}),
        (("InProgress",), {"succeeds", "stalls"}),
        (("Queued", "Notified", "InProgress"), {*COURSES}),
    ],
)
def test_only_tasks_in_named_states_are_canceled(make_caller, named, canceled):
    caller = make_caller(world())
    caller.at(5)
    before = states(caller)
    assert cancel(caller, *named)["Success"] is True
    after = states(caller)
    assert {name for name, status in after.items() if status == "CANCELED"} == canceled
    assert all(after[name] == before[name] for name in set(before) - canceled)
    assert states(caller, "1002") == {"o-1": "QUEUED"}


@pytest.mark.parametrize(
    ("flags", "canceled"),
    [
        ({"CancelQueuedTask": "true"}, True),
        ({"CancelQueuedTask": "true", "CancelUnconfirmedTask": "false"}, False),
        ({"CancelQueuedTask": "false", "CancelNotifiedTask": "true"}, False),
        ({"CancelUnconfirmedTask": "true"}, True),
    ],
)
def test_unconfirmed_tasks_go_with_the_queued_unless_something_is_said(make_caller, flags, canceled):
    caller = make_caller(world("needs_confirmation"))
    assert caller.call("CancelOTATaskByJob", JobId="1001", **flags)["Success"] is True
    assert (states(caller)["needs_confirmation"] == "CANCELED") is canceled


@pytest.mark.parametrize(("stop", "on_target"), [(False, ["d-succeeds"]), (True, [])])
def test_device_in_flight_goes_on_unless_it_hears_of_the_cancel(make_caller, stop, on_target):
    caller = make_caller(world(canceled_devices_stop=stop))
    caller.at(5)
    cancel(caller, "InProgress", "Queued", "Notified")
    caller.at(60)
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["on_target"] == on_target
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["canceled"] == 4
    assert job_status(caller) == "COMPLETED"


def test_device_that_was_not_pushed_never_gets_the_update(make_caller):
    caller = make_caller(world("succeeds"))
    cancel(caller, "Queued")
    caller.at(60)
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["on_target"] == []


def test_list_of_a_device_agrees_with_that_of_the_batch(make_caller):
    caller = make_caller(world())
    cancel(caller, "Queued")
    device = {"ProductKey": "p1", "DeviceName": "d-offline"}
    assert caller.call("ListOTAUnfinishedTaskByDevice", **device)["Data"]["SimpleOTATaskInfo"] == []


@pytest.mark.parametrize("early", [False, True])
def test_scheduled_batch_is_canceled_as_a_whole(make_caller, early):
    caller = make_caller(world(scheduled_after=100, tasks_before_schedule=early))
    assert cancel(caller, "Scheduled")["Success"] is True
    assert job_status(caller) == "CANCELED"
    caller.at(200)
    assert {*states(caller).values()} == ({"CANCELED"} if early else set())
    assert cancel(caller, "Scheduled")["Code"] == ALREADY
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["on_target"] == []


def test_batch_that_waits_for_its_schedule_starts_if_nothing_scheduled_is_canceled(make_caller):
    caller = make_caller(world(scheduled_after=100))
    cancel(caller, "Queued", "Notified", "InProgress")
    caller.at(103)
    assert "CANCELED" not in states(caller).values()


def test_strategy_ends_a_dynamic_batch_and_leaves_its_tasks(make_caller):
    raw = world("offline", selection_type="DYNAMIC")
    raw["jobs"][0]["devices"][0]["again"] = [{"after": 50, "course": "offline"}]
    caller = make_caller(raw)
    assert caller.call("CancelOTAStrategyByJob", JobId="1001")["Success"] is True
    assert (job_status(caller), states(caller)) == ("CANCELED", {"offline": "QUEUED"})
    caller.at(100)
    assert len(caller.call("ListOTATaskByJob", JobId="1001")["Data"]["SimpleOTATaskInfo"]) == 1
    assert caller.call("CancelOTAStrategyByJob", JobId="1001")["Code"] == ALREADY
    assert cancel(caller, "Queued")["Success"] is True
    assert states(caller) == {"offline": "CANCELED"}


def test_effect_can_come_later(make_caller):
    caller = make_caller(world("offline", cancel_lag=5))
    cancel(caller, "Queued")
    assert states(caller)["offline"] == "QUEUED"
    caller.at(5)
    assert states(caller)["offline"] == "CANCELED"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "iot.firmware.CancelOptionIsMandatory"),
        ({"CancelQueuedTask": "false"}, "iot.firmware.CancelOptionIsMandatory"),
        ({"CancelQueuedTask": "yes"}, "InvalidCancelQueuedTask"),
        ({"CancelScheduledTask": "true"}, "iot.firmware.JobHasNoScheduleTime"),
        ({"JobId": "7", "CancelQueuedTask": "true"}, "iot.firmware.InvalidOTAJobId"),
        ({"JobId": None, "CancelQueuedTask": "true"}, "MissingJobId"),
    ],
)
def test_what_is_refused_cancels_nothing(make_caller, params, code):
    caller = make_caller(world())
    assert caller.call("CancelOTATaskByJob", **{"JobId": "1001", **params})["Code"] == code
    assert caller.call("CancelOTAStrategyByJob", JobId="1001")["Code"] == "iot.firmware.NotDynamicJob"
    assert "CANCELED" not in states(caller).values()
    assert caller.control("GET", "stats")[1]["changes"] == {}


def test_tuya_cancels_less(make_caller):
    caller = make_caller(world(dialect="tuya"))
    caller.at(5)
    assert cancel(caller, "InProgress", "Scheduled")["code"] == "iot.firmware.CancelOptionIsMandatory"
    assert cancel(caller, "Queued", "InProgress")["success"] is True
    rows = caller.call("ListOTATaskByJob", JobId="1001", PageSize="100")["data"]["simpleOTATaskInfo"]
    assert [row["taskStatus"] for row in rows].count("CANCELED") == 1
    assert caller.call("CancelOTAStrategyByJob", JobId="1001")["code"] == "InvalidApi.NotFound"


def test_key_that_may_only_read(make_caller):
    caller = make_caller(world(access_keys=[{"id": "reader", "secret": "s", "read_only": True}]))
    for action in ("CancelOTATaskByJob", "CancelOTAStrategyByJob"):
        assert caller.call(action, JobId="1001", CancelQueuedTask="true")["Code"] == "NoPermission"
    assert states(caller)["offline"] == "QUEUED"


def test_quota_of_the_cancel_of_tasks_is_half(make_caller):
    caller = make_caller(world())
    codes = [cancel(caller, "Queued").get("Code") for _number in range(6)]
    assert codes == [*[None] * 5, "Throttling.User"]


@pytest.mark.parametrize(
    "fault", ["http_error", "system_busy", "throttling", "reset_before", "hang", "html", "cut_body"]
)
@pytest.mark.parametrize("carried_out", [None, True, False])
def test_faults_strike_before_or_after_the_effect(make_caller, fault, carried_out):
    caller = make_caller(world())
    caller.fault(fault, action="CancelOTATaskByJob", **({} if carried_out is None else {"carried_out": carried_out}))
    caller.reply("CancelOTATaskByJob", JobId="1001", CancelQueuedTask="true")
    usual = fault not in ("http_error", "system_busy", "throttling")
    has_effect = usual if carried_out is None else carried_out
    assert (states(caller)["offline"] == "CANCELED") is has_effect
    assert caller.control("GET", "stats")[1]["changes"] == ({"CancelOTATaskByJob": 1} if has_effect else {})


def test_what_was_canceled_long_ago_is_no_news(make_caller):
    caller = make_caller({**world("succeeds"), "counts_lag": 3})
    caller.at(2)
    cancel(caller, "Queued", "Notified", "InProgress")
    listed = {"JobId": "1001", "TaskStatus": "CANCELED"}
    answer = caller.call("ListOTATaskByJob", **listed)
    assert (answer["Total"], len(answer["Data"]["SimpleOTATaskInfo"])) == (0, 1)
    caller.at(6)
    assert caller.call("ListOTATaskByJob", **listed)["Total"] == 1
