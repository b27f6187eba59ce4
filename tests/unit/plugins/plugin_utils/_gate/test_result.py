# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.result import MAX_ENTRIES, Timeline, build_result
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, PRODUCT, batch, numbers, plain, poll, task

EARLIER = {"seconds": 1.0, "succeeded": 0, "failed": 0, "pending": 4}


def result_of(snapshot, error=None, **options):
    """The result of a gate after one poll that was taken at its start."""
    policy = plain(**options)
    return build_result(snapshot, judge(snapshot, policy), GateOptions(["j1"], policy, "mcu"), NOW, error)


def add_polls(timeline, *batches):
    """Add a poll every 15 s, beginning with the start."""
    for number, content in enumerate(batches):
        snapshot = poll(content, now=NOW + 15 * number)
        timeline.add_poll(snapshot, judge(snapshot, plain()))
    return timeline.entries


# --- Timeline --------------------------------------------------------------------------------------------------------


def test_only_a_change_of_numbers_adds_an_entry():
    entries = add_polls(Timeline(None, NOW), batch("QQ"), batch("NQ"), batch("SQ"), batch("SQ"), batch("SF"))
    assert entries == [
        {"seconds": 0.0, "succeeded": 0, "failed": 0, "pending": 2},
        {"seconds": 30.0, "succeeded": 1, "failed": 0, "pending": 1},
        {"seconds": 60.0, "succeeded": 1, "failed": 1, "pending": 0},
    ]


def test_the_last_poll_always_adds_an_entry():
    timeline = Timeline(None, NOW)
    for _number in range(2):
        timeline.add_poll(poll(batch("S")), judge(poll(batch("S")), plain()), last=True)
    assert [entry["succeeded"] for entry in timeline.entries] == [1, 1]


def test_the_timeline_of_an_earlier_run_goes_on():
    assert add_polls(Timeline([EARLIER], NOW - 60), batch("SQQQ")) == [
        EARLIER,
        {"seconds": 60.0, "succeeded": 1, "failed": 0, "pending": 3},
    ]


@pytest.mark.parametrize(
    "previous", [None, "x", {}, [None], ["x"], [{}], [{**EARLIER, "failed": "x"}], [{"seconds": 1}]]
)
def test_what_is_no_timeline_is_ignored(previous):
    assert Timeline(previous, NOW).entries == []


def test_a_long_timeline_gets_coarser_and_keeps_both_ends():
    timeline = Timeline([{**EARLIER, "seconds": float(number)} for number in range(MAX_ENTRIES)], NOW)
    entries = add_polls(timeline, batch("S"))
    assert len(entries) == MAX_ENTRIES // 2 + 1
    assert [entry["seconds"] for entry in entries[:3]] == [0.0, 2.0, 4.0]
    assert entries[-1] == {"seconds": 0.0, "succeeded": 1, "failed": 0, "pending": 0}


# --- Result ----------------------------------------------------------------------------------------------------------


def test_times_are_text_and_elapsed_time_is_a_number():
    result = result_of(poll(batch("Q", status="IN_PROGRESS"), now=NOW + 12.34), wait_timeout=600)
    assert {name: result[name] for name in ("started", "ended", "deadline", "elapsed_seconds", "polls")} == {
        "started": "2026-03-01T10:00:00Z",
        "ended": "2026-03-01T10:00:12Z",
        "deadline": "2026-03-01T10:10:00Z",
        "elapsed_seconds": 12.3,
        "polls": 1,
    }


def test_the_policy_is_returned_as_it_is_given():
    policy = result_of(poll(batch("S")), max_failed=3)["policy"]
    assert (policy["max_failed"], policy["versions"]) == (3, {"verify": False, "module_name": "mcu"})
    assert not {"scope", "verify_versions"} & set(policy)


def test_devices_are_returned_by_state():
    result = result_of(poll(batch("SFQ", status="IN_PROGRESS")), max_failed=1)
    names = {kind: [device["device_name"] for device in result[kind]] for kind in result if kind.endswith("devices")}
    assert names == {"failed_devices": ["d2"], "pending_devices": ["d3"], "devices": ["d1", "d2", "d3"]}
    assert result["failed_devices"][0] == {
        "product_key": PRODUCT,
        "device_name": "d2",
        "job_id": "j1",
        "state": "failed",
        "class": "other",
        "task_status": "FAILED",
        "progress_percent": None,
        "version": None,
        "detail": None,
        "busy_with": None,
        "since": "2026-03-01T10:00:00Z",
        "idle_seconds": 0.0,
    }


def test_the_longest_idle_pending_device_comes_first():
    tasks = [task("d1", "QUEUED", utc_modified="2026-03-01T09:59:00Z"), task("d2", "QUEUED")]
    tasks.append(task("d3", "QUEUED", utc_modified="2026-03-01T09:00:00Z"))
    result = result_of(poll(batch(*tasks, status="IN_PROGRESS")))
    assert [device["device_name"] for device in result["pending_devices"]] == ["d3", "d1", "d2"]


@pytest.mark.parametrize(("count", "returned"), [(MAX_ENTRIES, MAX_ENTRIES), (MAX_ENTRIES + 1, 0)])
def test_all_devices_are_returned_only_of_a_small_rollout(count, returned):
    result = result_of(poll(batch(*(task(f"d{number}", "FAILED") for number in range(count)))))
    assert (len(result["devices"]), len(result["failed_devices"])) == (returned, MAX_ENTRIES)


def test_devices_that_were_only_counted_are_not_returned():
    result = result_of(poll(numbers(SUCCEEDED=5000)))
    assert (result["counts"]["total"], result["devices"]) == (5000, [])


def test_an_unknown_batch_is_returned_as_such():
    assert result_of(poll(batch(known=False)))["jobs"] == [{"job_id": "j1", "found": False, "finished": False}]


def test_the_last_error_is_returned_as_failure():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later")
    assert result_of(poll(batch("S")), error)["failure"] == error.failure()
    assert "failure" not in result_of(poll(batch("S")))


def test_what_only_the_filter_needs_is_not_returned():
    assert "needs" not in result_of(poll(batch("S")))
