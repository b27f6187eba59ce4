# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.bounds import (
    bar_of,
    bound_sentence,
    compared_words,
    first_state,
    limit_view,
    measured_words,
    set_limits,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.limits import GROUPS
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit

FAILED = Limit("max_failed_percent", 2.0, 60, 1700, False, True)
TIME = Limit("wait_timeout", 1800.0, 420.0, None, True)


def test_without_bounds_those_of_the_policy_are_said():
    result = {"policy": {"max_failed": 1, "max_pending": None, "wait_timeout": 1800.0, "soak": 5.0}}
    assert [(limit.name, limit.allowed) for limit in set_limits(result)] == [("max_failed", 1), ("wait_timeout", 1800)]
    assert set_limits({**result, "limits": [FAILED.to_result()]}) == [FAILED]


@pytest.mark.parametrize(
    ("name", "allowed", "text"),
    [
        ("max_failed", 1, "At most 1 of the devices may fail, from 50 finished on"),
        ("max_failed", 0, "None of the devices may fail, from 50 finished on"),
        ("max_failed_percent", 2.0, "At most 2 % of the finished devices may fail, from 50 finished on"),
        ("max_pending", 1000, "At most 1,000 of the devices may be unfinished at the end"),
        ("max_pending_percent", 2.5, "At most 2.5 % of the devices may be unfinished at the end"),
        ("min_succeeded_percent", 95.0, "At least 95 % of the devices must succeed"),
        ("min_devices", 1, "At least 1 device must have a task"),
        ("wait_timeout", 1800.0, "The rollout must be settled within 30 min"),
        ("max_consecutive_errors", 5, "At most 5 polls in a row may fail"),
    ],
)
def test_what_is_allowed_in_words(name, allowed, text):
    assert bound_sentence(Limit(name, allowed, 0, None, True), 50) == text


def test_a_bound_that_holds_from_the_start_does_not_say_so():
    assert bound_sentence(Limit("max_failed", 1, 0, None, True)) == "At most 1 of the devices may fail"
    assert len({bound_sentence(Limit(name, 2, 0, None, True)) for name in GROUPS}) == len(GROUPS)


@pytest.mark.parametrize(
    ("limit", "measured", "compared"),
    [
        (FAILED, "60 of 1,700 finished devices, 3.5 %", "3.5 % of finished devices, limit 2 %"),
        (Limit("max_failed", 1, 1, 1, True), "1 of 1 finished device, 100 %", "1, limit 1"),
        (Limit("max_pending_percent", 10, 1, 2000, True), "1 of 2,000 devices, 0.1 %", "0.1 % of devices, limit 10 %"),
        (Limit("min_devices", 10, 12, None, True), "12 devices", "12, at least 10"),
        (TIME, "7 min", "7 min, limit 30 min"),
        (Limit("max_consecutive_errors", 5, 1, None, True), "1 poll", "1, limit 5"),
        (Limit("min_succeeded_percent", 95.0, 1, 4, False), "1 of 4 devices, 25 %", "25 % of devices, at least 95 %"),
    ],
)
def test_what_was_measured_in_words(limit, measured, compared):
    assert (measured_words(limit), compared_words(limit)) == (measured, compared)


@pytest.mark.parametrize(
    ("limit", "width", "mark"),
    [
        (Limit("max_failed", 4, 2, 12, True), 40.0, 80.0),
        (Limit("max_failed", 0, 3, 12, False), 80.0, 0.0),
        (Limit("max_failed", 0, 0, 12, True), 0.0, 0.0),
        (Limit("max_failed_percent", 2.0, 4, 100, False), 80.0, 40.0),
        (Limit("max_failed_percent", 90.0, 4, 100, True), 4.0, 90.0),
        (Limit("min_succeeded_percent", 95.0, 50, 100, False), 50.0, 95.0),
        (TIME, 23.33, 100.0),
    ],
)
def test_bars_show_the_limit_as_well(limit, width, mark):
    assert bar_of(limit) == {"width": width, "mark": mark}


def test_a_bound_as_a_page_shows_it():
    assert limit_view(FAILED, 50) == {
        "name": "max_failed_percent",
        "group": "failed",
        "text": "At most 2 % of the finished devices may fail, from 50 finished on",
        "number": "60",
        "measured": "60 of 1,700 finished devices, 3.5 %",
        "compared": "3.5 % of finished devices, limit 2 %",
        "level": "broken",
        "level_words": "Decided the verdict",
        "decided": True,
        "width": 80.0,
        "mark": 45.33,
    }


@pytest.mark.parametrize(
    ("verdict", "limit", "concerned", "state"),
    [
        ("failed", None, None, "failed"),
        ("timed_out", None, None, "pending"),
        ("pending", None, None, "pending"),
        ("timed_out", FAILED, "failed", "failed"),
        ("timed_out", TIME, None, "failed"),
        ("failed", FAILED, "pending", "pending"),
    ],
)
def test_which_devices_come_first(verdict, limit, concerned, state):
    assert first_state(verdict, limit, concerned) == state
