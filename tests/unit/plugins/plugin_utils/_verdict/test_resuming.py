# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run makes of the time since the run before it."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import new_history, read_history
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.kept_reports import pack_names
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.resuming import (
    anchor_devices,
    anchor_start,
    gap_since,
    move_history,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, NOW, PRODUCT

GROUP = {
    "product_key": PRODUCT,
    "module_name": "default",
    "version": NEW,
    "read_at": NOW - 60,
    "devices": pack_names(["d1"])[0],
}


def left_at(service_time, last_poll=NOW):
    return {**new_history(last_poll), "service_time": service_time}


@pytest.mark.parametrize(
    ("service_time", "now", "service_now", "expected"),
    [
        pytest.param(NOW, NOW + 50, NOW + 92, 90, id="the service decides"),
        pytest.param(NOW, NOW + 500, NOW + 92, 90, id="whatever our clock says"),
        pytest.param(NOW, NOW - 500, NOW + 92, 90, id="even if it was set back"),
        pytest.param(NOW, NOW + 50, NOW + 2, 0, id="as long as its times may differ"),
        pytest.param(NOW, NOW + 50, NOW - 9, 0, id="a service that was set back"),
        pytest.param(None, NOW + 50, NOW + 92, 50, id="it was not known then"),
        pytest.param(NOW, NOW + 50, None, 50, id="it is not known now"),
        pytest.param(None, NOW - 50, None, 0, id="our clock was set back"),
    ],
)
def test_gap_between_two_runs(service_time, now, service_now, expected):
    gap = gap_since(left_at(service_time), now, service_now)
    assert (gap, type(gap)) == (expected, float)


@pytest.mark.parametrize(
    ("service_started", "service_now", "expected"),
    [
        pytest.param(None, NOW + 500, NOW, id="it was not known then"),
        pytest.param(NOW, None, NOW, id="it is not known now"),
        pytest.param(NOW, NOW + 102, NOW, id="as long ago as it seems"),
        pytest.param(NOW, NOW + 101, NOW, id="never later than it seems"),
        pytest.param(NOW, NOW + 103, NOW - 1, id="longer ago"),
        pytest.param(NOW - 7, NOW + 103, NOW - 8, id="longer ago, by a clock of its own"),
        pytest.param(0.0, 2 * NOW, 0.0, id="never before 1970"),
    ],
)
def test_start_is_where_the_clock_of_the_service_says(service_started, service_now, expected):
    """At 100 s after the start by the clock of this machine."""
    history = {**new_history(NOW), "service_started": service_started}
    anchored = anchor_start(history, NOW + 100, service_now)
    assert anchored == {**history, "started": expected, "last_growth": expected}
    grown = {**history, "last_growth": NOW + 5}
    assert anchor_start(grown, NOW + 100, service_now) == {**grown, "started": expected}


@pytest.mark.parametrize(
    ("service_time", "service_now", "expected"),
    [
        pytest.param(None, NOW + 500, 10, id="it was not known then"),
        pytest.param(NOW, None, 10, id="it is not known now"),
        pytest.param(NOW, NOW + 92, -2, id="as old as the service says"),
        pytest.param(NOW + 0.5, NOW + 91.5, -1, id="as exactly as clocks are known"),
        pytest.param(NOW, NOW + 70, 10, id="never later than the run that has read it"),
        pytest.param(3 * NOW, 5 * NOW, -NOW, id="never before 1970"),
    ],
)
def test_tasks_and_devices_are_as_old_as_the_clock_of_the_service_says(service_time, service_now, expected):
    """At the end of a run, 80 s ago if a pause counts in favour of less; the machine's clock is 90 s ahead."""
    known = {
        "task_changes": {"t": ["QUEUED None", NOW]},
        "on_target": {"p": NOW},
        "reports": [{**GROUP, "read_at": NOW}],
    }
    earlier = {**left_at(service_time), **known}
    history = {**move_history(earlier, 10.0), "polls": 4}
    assert anchor_devices(history, earlier, NOW + 90, service_now) == {
        **history,
        "task_changes": {"t": ["QUEUED None", NOW + expected]},
        "on_target": {"p": NOW + expected},
        "reports": [{**GROUP, "read_at": NOW + expected}],
    }


def test_moved_history_has_all_times_later():
    known = {"task_changes": {"t": ["QUEUED None", NOW - 9]}, "on_target": {"p": NOW - 5}, "reports": [GROUP]}
    history = {**new_history(NOW), **known, "candidate_since": NOW + 3, "service_time": NOW + 7, "polls": 4}
    assert move_history(history, 60.0) == {
        **history,
        **dict.fromkeys(("started", "last_poll", "last_growth"), NOW + 60),
        "candidate_since": NOW + 63,
        "task_changes": {"t": ["QUEUED None", NOW + 51]},
        "on_target": {"p": NOW + 55},
        "reports": [{**GROUP, "read_at": NOW}],
    }
    assert move_history(history, -60.0)["candidate_since"] == NOW - 57


def test_moved_history_has_no_time_before_1970():
    history = {**new_history(5.0), "task_changes": {"t": ["QUEUED None", 5.0]}, "on_target": {"p": 5.0}}
    history["reports"] = [{**GROUP, "read_at": 5.0}]
    for seconds in (-5.0, -6.0):
        moved = move_history(history, seconds)
        assert [moved["started"], moved["task_changes"]["t"][1], moved["on_target"]["p"]] == [0.0, 0.0, 0.0]
        assert moved["reports"][0]["read_at"] == 0.0
        assert read_history(moved, ["j1"]) == moved
