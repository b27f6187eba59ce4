# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.events import ChangeDetector
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OFFLINE = {"name": "d-3", "course": "offline"}
COUNTS = ("total", "succeeded", "verified", "failed", "pending", "executed", "canceled", "ignored")
KNOWN = {"min_devices": 5, "wait_interval": 2}


def listen(rollout, *job_ids, **options):
    """The events of all polls of a gate."""
    changes = ChangeDetector(job_ids)
    return [event for poll in rollout.polls(*job_ids, **options) for event in changes.events(poll)]


def limit(**facts):
    return {"of": None, "share": None, "kept": True, "decided": False, **facts}


LIMITS = (
    {"name": "max_failed", "allowed": 0, "measured": 0, "of": 0},
    {"name": "max_pending", "allowed": 0, "measured": 1, "of": 1, "share": 100.0, "kept": False},
    {"name": "min_devices", "allowed": 1, "measured": 1},
    {"name": "wait_timeout", "allowed": 3600.0, "measured": 0.0},
    {"name": "max_consecutive_errors", "allowed": 5, "measured": 0},
)


def outline(events):
    """What matters of each: how the batch is and its tasks, or the verdict and why."""
    return [
        (event["job_status"], {name: number for name, number in event["by_status"].items() if number})
        if event["type"] == "batch"
        else (event["verdict"], event["reason"])
        for event in events
    ]


def test_a_rollout_that_passes_is_reported_once():
    events = listen(Rollout(batch(FIVE)), "1", **KNOWN)
    assert outline(events) == [
        ("IN_PROGRESS", {"QUEUED": 5}),
        ("pending", "unfinished"),
        ("IN_PROGRESS", {"IN_PROGRESS": 5}),
        ("pending", "unfinished"),
        ("COMPLETED", {"SUCCEEDED": 5}),
        ("pending", "confirming"),
        ("passed", "proved"),
    ]
    assert [event["seconds"] for event in events] == [0.0, 0.0, 2.0, 2.0, 8.0, 8.0, 10.0]
    assert [event["previous"] for event in events if event["type"] == "batch"] == [None, "IN_PROGRESS", "IN_PROGRESS"]
    verdicts = [event for event in events if event["type"] == "verdict"]
    assert [event["previous"] for event in verdicts] == [None, "pending", "pending", "pending"]
    assert [event["final"] for event in verdicts] == [False, False, False, True]


def test_an_event_tells_few_of_the_states_apart_that_a_service_invents():
    poll = next(iter(Rollout(batch(FIVE)).polls("1", **KNOWN)))
    job = poll.snapshot.jobs[0]._replace(counts={"QUEUED": 5, **{f"STATE_{number}": 1 for number in range(100)}})
    poll = poll._replace(snapshot=poll.snapshot._replace(jobs=(job,)))
    assert ChangeDetector(["1"]).events(poll)[0]["by_status"] == {
        **dict.fromkeys(TASK_STATUSES, 0),
        "QUEUED": 5,
        **{f"STATE_{number}": 1 for number in range(20)},
        "OTHER": 80,
    }


def test_an_event_says_all_that_is_known():
    first, second, *_others, last = listen(Rollout(batch({"name": "客厅", "jitter": 0})), "1", min_devices=1)
    assert first == {
        "type": "batch",
        "job_id": "1",
        "label": "f1 2.0",
        "found": True,
        "finished": False,
        "job_status": "IN_PROGRESS",
        "previous": None,
        "job_type": "UPGRADE_FIRMWARE",
        "product_key": "k1",
        "firmware_id": "f1",
        "dest_version": "2.0",
        "total": 1,
        "by_status": {**dict.fromkeys(TASK_STATUSES, 0), "QUEUED": 1},
        "seconds": 0.0,
        "time": "2024-11-19T09:47:43Z",
    }
    reason = {
        "code": "unfinished",
        "message": "1 of 1 device is unfinished (1 queued)",
        "count": 1,
        "devices": ["客厅"],
    }
    assert second == {
        "type": "verdict",
        "job_ids": ["1"],
        "title": "f1 2.0",
        "verdict": "pending",
        "previous": None,
        "final": False,
        "reason": "unfinished",
        "reasons": [reason],
        "counts": {
            "total": 1,
            "succeeded": 0,
            "verified": 0,
            "failed": 0,
            "pending": 1,
            "executed": 0,
            "canceled": 0,
            "ignored": 0,
        },
        "by_class": {"failed": {}, "pending": {"offline": 1}},
        "limits": [limit(**each) for each in LIMITS],
        "msg": "f1 2.0 PENDING after 0 s: 1 of 1 device is unfinished (1 queued).",
        "failure": None,
        "seconds": 0.0,
        "time": "2024-11-19T09:47:43Z",
    }
    assert (last["verdict"], last["counts"]["verified"]) == ("passed", 1)
    assert last["msg"].startswith("f1 2.0 PASSED after 30 s: 1 of 1 device succeeded and reported the new version.")


def test_the_last_event_says_what_the_gate_returns():
    world = batch(FIVE, {"name": "d-2", "course": "fails", "step": -2}, OFFLINE)
    result = Rollout(world).gate("1", wait_interval=2)
    last = listen(Rollout(world), "1", wait_interval=2)[-1]
    kept = ("verdict", "final", "reasons", "counts", "by_class", "limits", "msg", "title")
    assert {name: last[name] for name in kept} == {name: result[name] for name in kept}
    assert last["verdict"] == "failed"


def test_time_alone_is_no_event():
    soaking = listen(Rollout(batch(FIVE)), "1", soak=600, **KNOWN)
    assert outline(soaking)[-4:] == [
        ("COMPLETED", {"SUCCEEDED": 5}),
        ("pending", "confirming"),
        ("pending", "soaking"),
        ("passed", "proved"),
    ]
    late = listen(Rollout(batch(OFFLINE)), "1", wait_timeout=7200)
    assert outline(late) == [("IN_PROGRESS", {"QUEUED": 1}), ("pending", "unfinished"), ("timed_out", "deadline")]


def test_each_batch_has_its_own_events():
    world = batch({"name": "d-1", "course": "offline"})
    world["jobs"] += [{"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d-2", "jitter": 0}]}]
    events = listen(Rollout(world), "2", "1", wait_interval=2, wait_timeout=60)
    batches = [(event["job_id"], event["job_status"]) for event in events if event["type"] == "batch"]
    assert batches == [("2", "IN_PROGRESS"), ("1", "IN_PROGRESS"), ("2", "IN_PROGRESS"), ("2", "COMPLETED")]
    assert {tuple(event["job_ids"]) for event in events if event["type"] == "verdict"} == {("2", "1")}


def test_an_outage_is_reported_when_it_begins_and_when_it_ends():
    rollout = Rollout(batch(OFFLINE))
    changes = ChangeDetector(["1"])
    polls = rollout.polls("1", wait_timeout=7200, max_consecutive_errors=1000)

    def events(number):
        return [event for _poll in range(number) for event in changes.events(next(polls))]

    assert outline(events(3)) == [("IN_PROGRESS", {"QUEUED": 1}), ("pending", "unfinished")]
    rollout.fault("http_error")
    (outage,) = events(30)
    assert (outage["verdict"], outage["reason"], outage["final"]) == ("pending", "error", False)
    assert outage["failure"]["code"] == "ServiceUnavailable"
    assert outage["counts"]["total"] == 1  # what is known from before
    rollout.fault("")
    (over,) = events(3)
    assert (over["verdict"], over["reason"], over["failure"]) == ("pending", "unfinished", None)


def test_an_outage_at_the_start_says_nothing_of_batches():
    rollout = Rollout(batch(FIVE))
    rollout.fault("http_error", times=6)
    events = listen(rollout, "1", **KNOWN)
    assert outline(events)[0] == ("pending", "error")
    assert (events[1]["type"], events[1]["previous"]) == ("batch", None)
    assert outline(events)[-1] == ("passed", "proved")


def test_an_incomplete_poll_emits_no_event_of_a_batch():
    rollout = Rollout(batch({"prefix": "d-", "count": 101, "jitter": 0}))
    rollout.fault("pages_short")
    events = listen(rollout, "1", wait_interval=15)
    assert outline(events) == [("inconclusive", "incomplete")] * 2
    assert [event["final"] for event in events] == [False, True]


def test_an_unknown_batch_is_reported_as_such():
    events = listen(Rollout(batch(FIVE)), "7", wait_interval=30)
    assert outline(events) == [(None, {}), ("pending", "starting"), *[("inconclusive", "unknown_job")] * 2]
    assert (events[0]["found"], events[0]["finished"], events[0]["total"]) == (False, False, 0)
    assert [event["final"] for event in events[1:]] == [False, False, True]


@pytest.mark.parametrize("course", ["fails", "offline"])
def test_events_stay_small(course):
    world = batch({"prefix": "device-with-quite-a-long-name-", "count": 1000, "course": course})
    events = listen(Rollout(world), "1", wait_timeout=120)
    assert max(len(json.dumps(event)) for event in events) < 8000
    assert max(len(reason["devices"]) for event in events[1:2] + events[-1:] for reason in event["reasons"]) == 10
