# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.clock import Clock


def test_the_time_goes_on_with_the_steady_clock():
    steady = iter([5.0, 5.0, 12.5])
    clock = Clock(wall=lambda: 1000.0, steady=lambda: next(steady))
    assert [clock.now(), clock.now()] == [1000.0, 1007.5]


def test_a_wall_clock_that_is_set_back_moves_nothing():
    wall = iter([1000.0, 1.0])
    clock = Clock(wall=lambda: next(wall), steady=lambda: 5.0)
    assert [clock.now(), clock.now()] == [1000.0, 1000.0]
