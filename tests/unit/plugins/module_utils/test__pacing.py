# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._pacing import (
    FLOOR,
    MARGIN,
    Pacer,
    Rate,
    Stopped,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock
from hypothesis import given
from hypothesis import strategies as st

STEP = MARGIN / 10


def paced(max_qps=10):
    clock = Clock()
    return clock, Pacer(max_qps, clock.monotonic, clock.sleep)


def moments(max_qps, operations):
    """When each of ``operations`` may go out."""
    _clock, pacer = paced(max_qps)
    return [pacer.wait(operation) for operation in operations]


# --- The full rate ---------------------------------------------------------------------------------------------------


def test_requests_are_spaced_evenly():
    assert moments(10, ["a"] * 4) == pytest.approx([0, STEP, 2 * STEP, 3 * STEP])


def test_each_operation_has_its_own_quota():
    assert moments(10, ["a", "b", "a", "b"]) == pytest.approx([0, 0, STEP, STEP])


def test_zero_means_no_limit():
    assert moments(0, ["a"] * 100) == [0] * 100


def test_time_that_has_passed_is_not_made_up_for():
    clock, pacer = paced()
    pacer.wait("a")
    clock.elapsed = 60.0
    pacer.wait("a")
    pacer.wait("a")
    assert clock.slept == pytest.approx([STEP])


@given(
    st.sampled_from([0.5, 1, 3, 10, 40]),
    st.lists(st.floats(0, 0.3), min_size=1, max_size=60),
)
def test_no_second_ever_holds_more_than_the_quota(max_qps, delays):
    """``delays`` are how late the clock lets each sleeper wake up, and how long nothing is asked."""
    clock = Clock()
    late = iter([*delays, *[0.0] * 200])
    pacer = Pacer(max_qps, clock.monotonic, lambda seconds: clock.sleep(seconds + next(late) / 10))
    sent = []
    for delay in delays:
        sent.append(pacer.wait("a"))
        clock.elapsed += delay
    for position, first in enumerate(sent):
        assert sum(first <= moment < first + 1 for moment in sent[position:]) <= max(max_qps, 1)


def test_waking_up_late_does_not_add_up():
    clock = Clock()
    pacer = Pacer(10, clock.monotonic, lambda seconds: clock.sleep(seconds + 0.005))
    sent = [pacer.wait("a") for _number in range(601)]
    assert sent[-1] == pytest.approx(600 * STEP, abs=0.01)


# --- Throttling ------------------------------------------------------------------------------------------------------


def test_throttling_halves_the_rate():
    rate = Rate(10)
    rate.halve(sent=0.9, now=1.0)
    assert rate.at(1.0) == 5


def test_requests_under_way_halve_it_once():
    rate = Rate(10)
    for _number in range(5):
        rate.halve(sent=0.9, now=1.0)
    assert rate.at(1.0) == 5
    rate.halve(sent=1.01, now=1.02)
    assert rate.at(1.02) == pytest.approx(2.5, rel=0.1)


def test_the_rate_climbs_back():
    rate = Rate(10)
    rate.halve(sent=0, now=0.0)
    climb = [rate.at(tenths / 10) for tenths in range(100)]
    assert climb == sorted(climb)
    assert climb[0] == 5
    assert climb[-1] == 10


def test_after_a_second_halving_it_stays_near_what_was_too_much():
    rate = Rate(10)
    rate.halve(sent=0, now=0.0)
    rate.halve(sent=0.1, now=0.1)
    top = rate._top
    assert 5 < top < 6
    near = [moment / 10 for moment in range(1, 100) if abs(rate.at(moment / 10) - top) < top / 10]
    assert max(near) - min(near) > 1.2
    assert rate.at(6.0) == 10


def test_the_rate_never_falls_to_nothing():
    rate = Rate(10)
    for number in range(50):
        rate.halve(sent=number / 1000, now=number / 1000)
    assert rate.at(0.05) == 10 * FLOOR
    assert rate.at(20.0) == 10


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=40), st.floats(0.001, 10000))
def test_the_rate_stays_within_its_bounds(steps, full):
    rate, now = Rate(full), 0.0
    for pause, under_way in steps:
        now += pause
        rate.halve(sent=now - under_way, now=now)
        for later in (0, 0.1, 1, 10, 100):
            assert full * FLOOR <= rate.at(now + later) <= full


def test_throttling_slows_the_operation_down():
    _clock, pacer = paced()
    sent = pacer.wait("a")
    pacer.throttled("a", sent)
    assert pacer.wait("a") == pytest.approx(0.2, rel=0.1)
    assert pacer.wait("b") == pytest.approx(0.2, rel=0.1)
    assert pacer.wait("b") == pytest.approx(0.3, rel=0.1)


def test_a_pause_that_is_asked_for_holds_the_operation_back():
    _clock, pacer = paced()
    pacer.throttled("a", pacer.wait("a"), pause=7.0)
    assert pacer.wait("a") == 7.0
    assert pacer.wait("b") == 7.0  # nobody waited for this one


def test_without_a_limit_a_pause_counts_all_the_same():
    _clock, pacer = paced(0)
    pacer.throttled("a", pacer.wait("a"), pause=7.0)
    assert [pacer.wait("a"), pacer.wait("a")] == [7.0, 7.0]


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_threads_share_one_rate():
    pacer = Pacer(50)
    sent = []
    threads = [threading.Thread(target=lambda: sent.append(pacer.wait("a"))) for _number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.sort()
    assert all(later - earlier > 0.005 for earlier, later in zip(sent, sent[1:]))
    assert sent[-1] - sent[0] > 19 / 50


def test_stopping_ends_all_waiting():
    pacer = Pacer(0.001)
    pacer.wait("a")
    ended = []

    def wait(pause):
        with pytest.raises(Stopped):
            pause()
        ended.append(pause)

    pauses = [lambda: pacer.wait("a"), lambda: pacer.wait("a"), lambda: pacer.sleep(600)]
    threads = [threading.Thread(target=wait, args=(pause,)) for pause in pauses]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    pacer.stop()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 3
    assert time.monotonic() - began < 30


def test_what_was_stopped_goes_on_after_a_start():
    _clock, pacer = paced()
    pacer.stop()
    for pause in (lambda: pacer.wait("a"), lambda: pacer.sleep(1)):
        with pytest.raises(Stopped):
            pause()
    pacer.start()
    pacer.wait("a")
