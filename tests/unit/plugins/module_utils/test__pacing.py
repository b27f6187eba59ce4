# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._pacing import Pacer
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock


def moments(max_qps, operations):
    """When each of ``operations`` may go out."""
    clock = Clock()
    pacer = Pacer(max_qps, clock.monotonic, clock.sleep)
    times = []
    for operation in operations:
        pacer.wait(operation)
        times.append(clock.monotonic())
    return times


def test_requests_are_spaced_evenly():
    assert moments(10, ["a"] * 4) == pytest.approx([0, 0.1, 0.2, 0.3])


def test_each_operation_has_its_own_quota():
    assert moments(10, ["a", "b", "a", "b"]) == pytest.approx([0, 0, 0.1, 0.1])


def test_zero_means_no_limit():
    assert moments(0, ["a"] * 100) == [0] * 100


def test_time_that_has_passed_is_not_made_up_for():
    clock = Clock()
    pacer = Pacer(10, clock.monotonic, clock.sleep)
    pacer.wait("a")
    clock.elapsed = 60.0
    pacer.wait("a")
    pacer.wait("a")
    assert clock.slept == pytest.approx([0.1])
