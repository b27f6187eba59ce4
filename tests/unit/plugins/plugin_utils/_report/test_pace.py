# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.pace import HORIZON, WINDOW, Pace
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import assess
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, numbers, plain, poll


def rollout_of(**counts):
    return assess(poll(numbers(**counts)), plain(), Memory(), False)


def pace_of(*finished, every=60.0):
    pace = Pace()
    for number, devices in enumerate(finished):
        pace.add_poll(NOW + number * every, rollout_of(SUCCEEDED=devices, IN_PROGRESS=1))
    return pace


def test_what_is_left_ends_at_the_rate_of_this_run():
    assert pace_of(0, 50, 100).end(rollout_of(SUCCEEDED=100, IN_PROGRESS=25), 0.0) == NOW + 120 + 30


def test_devices_that_wait_for_something_else_are_not_foreseen():
    pace = pace_of(0, 100)
    assert pace.end(rollout_of(SUCCEEDED=100, IN_PROGRESS=10, QUEUED=900), 0.0) == NOW + 60 + 6
    assert pace.end(rollout_of(SUCCEEDED=100, QUEUED=900), 0.0) is None


def test_nobody_is_done_before_the_rate_limit_lets_the_last_one_begin():
    rollout = rollout_of(SUCCEEDED=100, IN_PROGRESS=10)
    assert pace_of(0, 100).end(rollout, NOW + 500) == NOW + 500


@pytest.mark.parametrize("finished", [(), (5,), (5, 5), (5, 4)])
def test_without_progress_nothing_is_foreseen(finished):
    assert pace_of(*finished).end(rollout_of(SUCCEEDED=5, IN_PROGRESS=9), 0.0) is None


def test_what_is_too_far_away_is_not_foreseen():
    assert pace_of(0, 1).end(rollout_of(SUCCEEDED=1, IN_PROGRESS=int(HORIZON // 60)), 0.0) is not None
    assert pace_of(0, 1).end(rollout_of(SUCCEEDED=1, IN_PROGRESS=int(HORIZON // 60) + 1), 0.0) is None


def test_the_rate_is_that_of_the_last_minutes():
    slow, fast = [0] * 5, [100, 200, 300]
    pace = pace_of(*slow, *fast, every=WINDOW / 2)
    assert pace.end(rollout_of(SUCCEEDED=300, IN_PROGRESS=100), 0.0) == NOW + 7 * WINDOW / 2 + WINDOW / 2
