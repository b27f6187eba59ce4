# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches that are stopped, on the simulated service."""

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.cancel import cancel_batches
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.report import NOT_TOLD, cancel_result
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.scope import CancelRequest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

TASKS, STRATEGY = "CancelOTATaskByJob", "CancelOTAStrategyByJob"
DEFAULT = ("queued", "notified", "unconfirmed")
FLEET = ("d-1", {"name": "d-2", "course": "offline"}, {"name": "d-3", "course": "silent"})


def world(*devices, at=5, **fields):
    rollout = Rollout(batch(*(devices or FLEET), **fields))
    rollout.service.rollout.set(at)
    return rollout


def cancel(rollout, *job_ids, states=DEFAULT, check_mode=False, **fields):
    """What the module returns, and its failure."""
    rollout.actions.clear()
    batches = []
    request = CancelRequest(states, **fields)
    failure = cancel_batches(rollout.client(), job_ids or ("1",), request, check_mode, batches)
    return cancel_result(batches, check_mode), failure


def counts(**known):
    return {
        **dict.fromkeys(("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED"), 0),
        **known,
    }


def test_what_has_not_begun_is_canceled():
    rollout = world()
    result, failure = cancel(rollout)
    (job,) = result["jobs"]
    assert failure is None
    assert result["msg"] == "Canceled 2 tasks of 1 batch; 1 task in other states goes on."
    assert (result["changed"], result["warnings"]) == (True, [])
    assert job["counts_before"] == counts(QUEUED=1, NOTIFIED=1, IN_PROGRESS=1)
    assert job["counts_after"] == counts(IN_PROGRESS=1, CANCELED=2)
    assert (job["to_cancel"], job["canceled"], job["remaining"], job["too_late"]) == (2, 2, 0, 1)
    assert (job["operations"], job["notes"], job["failure"]) == ([TASKS], [NOT_TOLD], None)
    assert rollout.actions[:9] == ["QueryOTAJob", *["ListOTATaskByJob"] * 8]
    assert result["summary"] == {
        "total": 1,
        "changed": 1,
        "to_cancel": 2,
        "canceled": 2,
        "remaining": 0,
        "too_late": 1,
    }


def test_second_cancel_changes_nothing():
    rollout = world()
    cancel(rollout)
    result, failure = cancel(rollout)
    assert (failure, result["changed"]) == (None, False)
    assert result["msg"] == "There is nothing to cancel in 1 batch; 1 task in other states goes on."
    assert result["jobs"][0]["operations"] == []
    assert TASKS not in rollout.actions


def test_check_mode_counts_and_calls_nothing():
    rollout = world()
    result, failure = cancel(rollout, check_mode=True)
    assert failure is None
    assert result["msg"] == "Would cancel 2 tasks of 1 batch; 1 task in other states goes on."
    assert (result["changed"], result["jobs"][0]["operations"], result["jobs"][0]["canceled"]) == (True, [TASKS], None)
    assert {*rollout.actions} == {"QueryOTAJob", "ListOTATaskByJob"}


@pytest.mark.parametrize(
    ("expected", "message", "code"),
    [
        ({"expected_version": "3.0"}, "batch 1 has the dest_version 2.0; expected 3.0", "wrong_job"),
        ({"expected_product_key": "k9"}, "batch 1 has the product_key k1; expected k9", "wrong_job"),
        ({"expected_firmware_id": "f9"}, "batch 1 has the firmware_id f1; expected f9", "wrong_job"),
        (
            {"expected_job_type": "VERIFY_FIRMWARE"},
            "batch 1 has the job_type UPGRADE_FIRMWARE; expected VERIFY_FIRMWARE",
            "wrong_job",
        ),
        ({"expected_module_name": "mcu"}, "batch 1 has the module_name default; expected mcu", "wrong_job"),
    ],
)
def test_other_batch_than_the_one_that_is_meant(expected, message, code):
    rollout = world()
    with pytest.raises(OtaError) as error:
        cancel(rollout, expected=expected)
    assert (str(error.value.cause), error.value.code) == (message, code)
    assert TASKS not in rollout.actions


def test_fact_that_cannot_be_compared():
    rollout = world()
    rollout.fault("missing_data", action="QueryOTAFirmware")
    with pytest.raises(OtaError) as error:
        cancel(rollout, expected={"expected_module_name": "default"})
    assert (error.value.cause, error.value.code) == ("the module_name of batch 1 is not known", "incomplete")


def test_unknown_batch_keeps_all_others_from_being_canceled():
    rollout = world()
    with pytest.raises(OtaError) as error:
        cancel(rollout, "1", "7")
    assert (error.value.cause, error.value.code) == ("the service does not know batch 7", "unknown_job")
    assert TASKS not in rollout.actions


@pytest.mark.parametrize(
    "fault", ["reset_before", "hang", "http_error", "html", "cut_body", "system_busy", "nonce_used"]
)
def test_request_that_was_carried_out_is_not_repeated(fault):
    rollout = world()
    rollout.fault(fault, action=TASKS, carried_out=True)
    result, failure = cancel(rollout)
    assert (failure, result["changed"], result["summary"]["canceled"]) == (None, True, 2)
    assert rollout.actions.count(TASKS) == 1


@pytest.mark.parametrize(
    "fault", ["reset_before", "hang", "http_error", "html", "cut_body", "system_busy", "nonce_used"]
)
def test_request_that_was_not_carried_out_is_repeated_once_the_state_shows_it(fault):
    rollout = world()
    rollout.fault(fault, action=TASKS, carried_out=False, times=1)
    result, failure = cancel(rollout)
    assert (failure, result["changed"], result["summary"]["canceled"]) == (None, True, 2)
    first, second = (place for place, action in enumerate(rollout.actions) if action == TASKS)
    assert {*rollout.actions[first + 1 : second]} == {"ListOTATaskByJob"}


def test_outcome_that_stays_unknown():
    rollout = world()
    rollout.fault("reset_before", action=TASKS, carried_out=False)
    result, failure = cancel(rollout)
    assert failure.code == "unknown_outcome"
    assert str(failure) == (
        "CancelOTATaskByJob failed: the request may have been carried out, although the connection broke; look at the"
        " state of what it changes before sending it again."
    )
    assert (result["changed"], rollout.actions.count(TASKS)) == (False, 3)
    assert result["jobs"][0]["failure"]["code"] == "unknown_outcome"


def test_outcome_is_unknown_where_the_state_cannot_be_read():
    rollout = world()
    rollout.service.faults.rules = []
    send, broken = rollout.send, []

    def break_after_the_cancel(method, url, timeout, headers):
        if broken:
            raise OtaError("nothing responds", code="connection_refused", hint="wait")
        if TASKS in str(headers):
            broken.append(url)
            raise OtaError("nothing responds", code="connection_broken", hint="wait")
        return send(method, url, timeout, headers)

    rollout.send = break_after_the_cancel
    result, failure = cancel(rollout)
    assert (failure.code, len(broken)) == ("unknown_outcome", 1)
    assert (result["changed"], result["summary"]["canceled"]) == (True, None)
    assert result["msg"] == "Canceled an unknown number of tasks of 1 batch."


def test_throttled_request_is_repeated_at_once():
    rollout = world()
    rollout.fault("throttling", action=TASKS, times=2)
    result, failure = cancel(rollout)
    assert (failure, result["changed"]) == (None, True)
    assert rollout.actions.count(TASKS) == 3
    assert result["jobs"][0]["operations"] == [TASKS]


def test_denied_cancel_changes_nothing():
    rollout = world()
    rollout.fault("no_permission", action=TASKS)
    result, failure = cancel(rollout)
    assert (failure.code, result["changed"], rollout.actions.count(TASKS)) == ("NoPermission", False, 1)
    assert result["msg"] == "Canceled 0 of 2 tasks of 1 batch; 1 task in other states goes on."


def test_batch_that_is_canceled_already_is_no_failure():
    rollout = world(*FLEET, canceled_after=4)
    rollout.fault("business_error", code="iot.firmware.JobAlreadyCanceled", action=TASKS)
    result, failure = cancel(rollout, states=("in_progress",))
    assert (failure, result["changed"]) == (None, False)


def test_what_is_left_is_a_failure():
    rollout = world()
    rollout.fault("early_hints", action=TASKS, carried_out=False)
    result, failure = cancel(rollout, wait_timeout=10.0)
    assert str(failure.sentence("x")) == (
        "x: batch 1 still has 2 tasks in the states to cancel after 10 s; run the task again, or look at the batch in"
        " the console."
    )
    assert (failure.code, result["changed"]) == ("not_canceled", False)


def test_nobody_waits_with_a_timeout_of_zero():
    rollout = world()
    rollout.fault("early_hints", action=TASKS, carried_out=False)
    before = rollout.clock.elapsed
    result, failure = cancel(rollout, wait_timeout=0.0)
    assert (failure, result["changed"], result["summary"]["remaining"]) == (None, True, 2)
    assert result["msg"] == ("Canceled 0 of 2 tasks of 1 batch; 2 are still open; 1 task in other states goes on.")
    assert rollout.clock.elapsed == before


def test_slow_cancel_is_waited_for():
    rollout = Rollout({**batch(*FLEET), "cancel_lag": 20})
    rollout.service.rollout.set(5)
    result, failure = cancel(rollout)
    assert (failure, result["changed"], result["summary"]["canceled"]) == (None, True, 2)
    assert rollout.actions.count(TASKS) == 1


def test_strategy_is_canceled_before_the_tasks():
    rollout = world(selection_type="DYNAMIC")
    result, failure = cancel(rollout, strategy=True)
    (job,) = result["jobs"]
    assert (failure, job["operations"], job["strategy_canceled"]) == (None, [STRATEGY, TASKS], True)
    assert (job["status_before"], job["status_after"]) == ("IN_PROGRESS", "CANCELED")
    assert result["msg"] == "Canceled 2 tasks of 1 batch, and 1 batch as a whole; 1 task in other states goes on."
    again, failure = cancel(rollout, strategy=True)
    assert (failure, again["changed"], again["jobs"][0]["operations"]) == (None, False, [])


def test_strategy_that_is_denied_does_not_keep_tasks_from_being_canceled():
    rollout = world(selection_type="DYNAMIC")
    rollout.fault("no_permission", action=STRATEGY)
    result, failure = cancel(rollout, strategy=True)
    assert (failure.code, failure.action) == ("NoPermission", STRATEGY)
    assert (result["changed"], result["summary"]["canceled"]) == (True, 2)


def test_strategy_without_effect_is_a_failure():
    rollout = world(selection_type="DYNAMIC")
    rollout.fault("early_hints", action=STRATEGY, carried_out=False)
    _result, failure = cancel(rollout, strategy=True, states=(), wait_timeout=5.0)
    assert failure.cause == "batch 1 is IN_PROGRESS 5 s after the request to cancel its strategy"


@pytest.mark.parametrize("wait_timeout", [0.0, 5.0])
@pytest.mark.parametrize("code", ["iot.firmware.NotDynamicJob", "iot.firmware.JobAlreadyCanceled"])
def test_dynamic_batch_whose_strategy_is_not_canceled_is_a_failure(code, wait_timeout):
    rollout = world(selection_type="DYNAMIC")
    rollout.fault("business_error", action=STRATEGY, code=code)
    result, failure = cancel(rollout, strategy=True, states=(), wait_timeout=wait_timeout)
    assert (failure.code, result["changed"]) == ("not_canceled", False)
    assert failure.cause == f"batch 1 is IN_PROGRESS {wait_timeout:g} s after the request to cancel its strategy"


def test_strategy_of_which_nothing_is_known_does_not_pass_for_the_tasks():
    rollout = world(selection_type="DYNAMIC")
    rollout.fault("http_error", action=STRATEGY, status=500)
    result, failure = cancel(rollout, strategy=True)
    assert (failure.code, failure.action) == ("unknown_outcome", STRATEGY)
    assert (result["summary"]["canceled"], result["summary"]["remaining"]) == (2, 0)


@pytest.mark.parametrize("wait_timeout", [0.0, 5.0])
def test_refusal_of_what_is_still_there_is_a_failure(wait_timeout):
    rollout = world()
    rollout.fault("business_error", action=TASKS, code="iot.firmware.JobAlreadyCanceled")
    result, failure = cancel(rollout, wait_timeout=wait_timeout)
    assert (failure.code, result["changed"]) == ("not_canceled", False)
    assert failure.cause == f"batch 1 still has 2 tasks in the states to cancel after {wait_timeout:g} s"


def test_refusal_of_what_was_canceled_at_that_moment_is_a_change():
    rollout = world()
    rollout.fault("business_error", action=TASKS, code="iot.firmware.JobAlreadyCanceled", carried_out=True)
    result, failure = cancel(rollout)
    assert (failure, result["changed"], result["summary"]["canceled"]) == (None, True, 2)


def test_fewer_canceled_tasks_than_before_are_no_number():
    rollout = world(*FLEET, {"name": "d-4", "course": "canceled", "canceled_after": 1})
    send = rollout.send

    def forget(method, url, timeout, headers):
        response = send(method, url, timeout, headers)
        if TASKS not in rollout.actions or "TaskStatus=CANCELED" not in url:
            return response
        content = {**json.loads(response.body), "Data": {}, "Total": 0, "PageCount": 0}
        return response._replace(body=json.dumps(content).encode())

    rollout.send = forget
    result, failure = cancel(rollout)
    assert (failure, result["changed"], result["summary"]["canceled"]) == (None, True, None)
    assert result["msg"].startswith("Canceled an unknown number of tasks of 1 batch;")


def test_static_batch_has_no_strategy():
    rollout = world()
    result, failure = cancel(rollout, strategy=True)
    assert (failure, result["jobs"][0]["operations"]) == (None, [TASKS])


def test_dynamic_batch_goes_on_without_its_strategy():
    result, _failure = cancel(world(selection_type="DYNAMIC"))
    assert result["warnings"] == [
        "1: The batch is dynamic and its strategy was not chosen: devices that match it later get the update."
    ]


def test_scheduled_batch_starts_unless_that_is_canceled():
    rollout = world(scheduled_after=600)
    result, failure = cancel(rollout)
    assert (failure, result["changed"]) == (None, False)
    assert result["warnings"] == [
        "1: The batch waits for its schedule and scheduled tasks were not chosen: it starts by itself."
    ]
    result, failure = cancel(rollout, states=("scheduled",))
    assert (failure, result["changed"], result["jobs"][0]["status_after"]) == (None, True, "CANCELED")
    result, failure = cancel(rollout, states=("scheduled",))
    assert (failure, result["changed"]) == (None, False)


def test_scheduled_tasks_of_a_batch_that_has_started_are_ignored():
    rollout = world(scheduled_after=1)
    result, failure = cancel(rollout, states=("scheduled",))
    assert (failure, result["changed"], TASKS in rollout.actions) == (None, False, False)


def test_batch_without_tasks():
    result, failure = cancel(world(tasks_after=60))
    assert (failure, result["changed"]) == (None, False)
    assert result["warnings"] == ["1: The batch has no task yet: tasks that appear later are not canceled."]


def fleet_of(number):
    one = batch(*FLEET)
    jobs = [{**one["jobs"][0], "job_id": str(place + 1)} for place in range(number)]
    names = [[{**device, "name": f"{device['name']}-{place}"} for device in FLEET[1:]] for place in range(number)]
    rollout = Rollout({**one, "jobs": [{**job, "devices": devices} for job, devices in zip(jobs, names)]})
    rollout.service.rollout.set(5)
    return rollout


def test_failure_in_the_middle_loses_nothing():
    rollout = fleet_of(3)
    rollout.fault("no_permission", action=TASKS, times=1, skip=1)
    result, failure = cancel(rollout, "1", "2", "3")
    assert failure.code == "NoPermission"
    assert [job["canceled"] for job in result["jobs"]] == [2, 0, 2]
    assert [job["failure"] is None for job in result["jobs"]] == [True, False, True]
    assert result["changed"] is True


def test_all_batches_are_canceled_before_one_is_waited_for():
    rollout = fleet_of(3)
    rollout.service.scenario = rollout.service.scenario.__class__(
        **{**vars(rollout.service.scenario), "cancel_lag": 30.0}
    )
    _result, failure = cancel(rollout, "1", "2", "3")
    assert failure is None
    last = max(place for place, action in enumerate(rollout.actions) if action == TASKS)
    assert last == 3 + 3 * 8 + 2


def test_no_more_batches_are_touched_after_several_failures():
    rollout = fleet_of(7)
    rollout.fault("no_permission", action=TASKS)
    result, _failure = cancel(rollout, *"1234567")
    assert rollout.actions.count(TASKS) == 5
    assert result["jobs"][6]["failure"]["message"] == "batch 7 was left alone, because 5 others failed before"


def test_batch_that_is_named_twice_is_canceled_once():
    rollout = world()
    result, _failure = cancel(rollout, "1", "1")
    assert (len(result["jobs"]), rollout.actions.count(TASKS)) == (1, 1)
