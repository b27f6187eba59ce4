# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.schedule import estimate_schedule
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, batch, plain, poll

LATER = NOW + 600
RATED = {"maximum_per_minute": 2, "utc_start_time": format_time(NOW)}


def open_batch(**facts):
    """An unfinished batch of four devices."""
    return batch("QQQQ", **{"status": "IN_PROGRESS", **facts})


@pytest.mark.parametrize(
    ("facts", "clocks", "all_notified", "retries"),
    [
        pytest.param({}, None, NOW, 0.0, id="none"),
        pytest.param({"utc_schedule_time": format_time(NOW - 1)}, None, NOW, 0.0, id="started"),
        pytest.param(
            {"utc_schedule_time": format_time(LATER)}, f"starts at {format_time(LATER)}", LATER, 0.0, id="planned"
        ),
        pytest.param(
            RATED,
            f"rate limit 2 devices a minute, last device notified at {format_time(NOW + 120)}",
            NOW + 120,
            0.0,
            id="rate limit",
        ),
        pytest.param({**RATED, "utc_start_time": format_time(NOW - 120)}, None, NOW, 0.0, id="all are notified"),
        pytest.param(
            {"maximum_per_minute": 1},
            f"rate limit 1 device a minute, last device notified at {format_time(NOW + 240)}",
            NOW + 240,
            0.0,
            id="rate limit without a start",
        ),
        pytest.param(
            {"maximum_per_minute": 2, "utc_schedule_time": format_time(LATER)},
            f"starts at {format_time(LATER)}, rate limit 2 devices a minute, last device notified at"
            f" {format_time(LATER + 120)}",
            LATER + 120,
            0.0,
            id="rate limit from the schedule on",
        ),
        pytest.param({"timeout_in_minutes": 3}, "per-device time-out 3 min", NOW, 180.0, id="time-out"),
        pytest.param(
            {"timeout_in_minutes": 1, "retry_count": 1, "retry_interval": 61},
            "per-device time-out 1 min, 1 retry after 61 min",
            NOW,
            62 * 60.0,
            id="one retry",
        ),
        pytest.param(
            {"retry_count": 2, "retry_interval": 5},
            "2 retries after 5 min",
            NOW,
            600.0,
            id="retries without a time-out",
        ),
        pytest.param(
            {"utc_schedule_finish_time": format_time(LATER)},
            f"scheduled to end at {format_time(LATER)}",
            NOW,
            0.0,
            id="end",
        ),
        pytest.param({"utc_schedule_finish_time": format_time(NOW)}, None, NOW, 0.0, id="end that is over"),
        pytest.param({"utc_schedule_finish_time": "soon"}, None, NOW, 0.0, id="end that is no time"),
        pytest.param(
            {
                "utc_schedule_time": format_time(NOW + 60),
                "utc_schedule_finish_time": format_time(LATER),
                "timeout_in_minutes": 2,
            },
            f"starts at {format_time(NOW + 60)}, per-device time-out 2 min, scheduled to end at {format_time(LATER)}",
            NOW + 60,
            120.0,
            id="in the order in which they come",
        ),
        pytest.param({"maximum_per_minute": "x", "timeout_in_minutes": -1}, None, NOW, 0.0, id="no numbers"),
    ],
)
def test_clocks_of_a_batch(facts, clocks, all_notified, retries):
    schedule = estimate_schedule(poll(open_batch(**facts)), plain(), NOW)
    assert schedule == (all_notified, retries, [f"batch j1: {clocks}"] if clocks else [])


def test_clocks_of_the_policy_come_last():
    schedule = estimate_schedule(poll(open_batch(timeout_in_minutes=3)), plain(start_grace=90, soak=60), NOW)
    assert schedule.sentences == ["batch j1: per-device time-out 3 min", "start grace 1 min 30 s", "soak 1 min"]


def test_a_finished_batch_sets_no_clock():
    finished = batch("SSSS", **RATED, timeout_in_minutes=3, retry_count=2, retry_interval=5)
    assert estimate_schedule(poll(finished), plain(), NOW) == (NOW, 0.0, [])


def test_the_slowest_batch_decides():
    jobs = [open_batch(**RATED), open_batch(job_id="j2", utc_schedule_time=format_time(LATER), timeout_in_minutes=1)]
    schedule = estimate_schedule(poll(*jobs), plain(), NOW)
    assert (schedule.all_notified, schedule.retries) == (LATER, 60.0)
    assert [sentence.partition(":")[0] for sentence in schedule.sentences] == ["batch j1", "batch j2"]


def test_an_unknown_batch_sets_no_clock():
    assert estimate_schedule(poll(batch(known=False)), plain(), NOW) == (NOW, 0.0, [])


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
def test_times_of_the_service_are_told_by_the_clock_of_the_machine(ahead):
    times = {"utc_schedule_time": NOW + 600, "utc_schedule_finish_time": NOW + 1200, "utc_start_time": NOW}
    facts = {name: format_time(moment + ahead) for name, moment in times.items()}
    snapshot = poll(open_batch(maximum_per_minute=4, **facts), clock_offset=ahead)
    schedule = estimate_schedule(snapshot, plain(), NOW)
    assert schedule.all_notified == NOW + 600
    assert schedule.sentences == [
        f"batch j1: starts at {format_time(NOW + 600)}, rate limit 4 devices a minute, last device notified at"
        f" {format_time(NOW + 60)}, scheduled to end at {format_time(NOW + 1200)}"
    ]
