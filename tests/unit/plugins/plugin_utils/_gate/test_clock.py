# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.clock import Clock


def test_the_time_goes_on_with_the_steady_clock():
    steady = iter([5.0, 5.0, 12.5])
    clock = Clock(wall=lambda: 1000.0, steady=lambda: next(steady))
    assert [clock.now(), clock.now()] == [1000.0, 1007.5]


def test_a_wall_clock_that_is_set_back_moves_nothing():
    wall = iter([1000.0, 1.0])
    clock = Clock(wall=lambda: next(wall), steady=lambda: 5.0)
    assert [clock.now(), clock.now()] == [1000.0, 1000.0]


@pytest.mark.parametrize(
    ("offset", "wall", "ahead"),
    [
        pytest.param(None, 1000.0, None, id="not known"),
        pytest.param(30.0, 1007.5, 30.0, id="nobody sets the clock"),
        pytest.param(30.0, 4607.5, 3630.0, id="set forward"),
        pytest.param(30.0, 947.5, -30.0, id="set back"),
    ],
)
def test_what_is_ahead_of_the_wall_is_told_as_ahead_of_the_gate(offset, wall, ahead):
    walls, steady = iter([1000.0, wall]), iter([5.0, 12.5])
    assert Clock(wall=lambda: next(walls), steady=lambda: next(steady)).from_wall(offset) == ahead
