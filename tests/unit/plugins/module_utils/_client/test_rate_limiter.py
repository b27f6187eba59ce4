# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import threading
import time

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import (
    FLOOR,
    MARGIN,
    OutOfTimeError,
    Pacer,
    Rate,
    StoppedError,
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
    assert pacer.wait("a") - 60.0 == pytest.approx(STEP)


@given(
    st.sampled_from([0.5, 1, 3, 10, 40]),
    st.lists(st.floats(0, 0.3), min_size=1, max_size=60),
)
def test_no_second_ever_holds_more_than_the_quota(max_qps, delays):
    """``delays`` are how late the clock lets each sleeper wake up, and how long nothing is asked."""
    clock = Clock()
    late = itertools.chain(delays, itertools.repeat(0.0))
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
    pacer.slow_down("a", pacer.wait("a"))
    assert pacer.wait("a") == pytest.approx(0.2, rel=0.1)
    assert pacer.wait("b") == pytest.approx(0.2, rel=0.1)
    assert pacer.wait("b") == pytest.approx(0.3, rel=0.1)


def test_a_pause_that_is_asked_for_holds_the_operation_back():
    _clock, pacer = paced()
    pacer.wait("a")
    pacer.hold("a", 7.0)
    pacer.hold("a", 1.0)
    assert pacer.wait("a") == 7.0
    assert pacer.wait("b") == 7.0  # nobody waited for this one


def test_without_a_limit_a_pause_counts_all_the_same():
    _clock, pacer = paced(0)
    pacer.wait("a")
    pacer.hold("a", 7.0)
    pacer.hold("a", 1.0)
    assert [pacer.wait("a"), pacer.wait("a")] == [7.0, 7.0]


@pytest.mark.parametrize("max_qps", [0.1, 0.5, 1, 2.5, 10, 100])
def test_halving_lasts_for_some_requests_at_any_rate(max_qps):
    rate = Rate(max_qps)
    rate.halve(sent=0, now=0.0)
    assert rate.at(2 / max_qps) < 0.8 * max_qps
    assert rate.at(20 / min(max_qps, 5)) == max_qps


def test_a_slot_comes_nearer_as_the_rate_climbs():
    _clock, pacer = paced()
    sent = pacer.wait("a")
    for number in range(40):
        pacer.slow_down("a", sent + (number + 1) * 1e-9)
    assert 1 / pacer.wait("a") > 10 * FLOOR


def test_who_asks_again_does_not_wait_beyond_the_deadline():
    clock, pacer = paced(0.1)
    pacer.wait("a")
    with pytest.raises(OutOfTimeError):
        pacer.wait_again("a", 10.1)
    assert clock.elapsed == 0
    assert pacer.wait_again("a", 10.3) == pytest.approx(10.2)


def test_who_asks_again_does_not_wait_for_others_beyond_the_deadline():
    pacer = Pacer(0.001)
    pacer.wait("a")

    def wait():
        with pytest.raises(StoppedError):
            pacer.wait("a")

    other = threading.Thread(target=wait)
    other.start()
    while not pacer._lane("a").turn.locked():
        time.sleep(0.001)
    began = time.monotonic()
    with pytest.raises(OutOfTimeError):
        pacer.wait_again("a", pacer.now() + 0.05)
    assert time.monotonic() - began < 30
    pacer.stop()
    other.join(30)


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
        with pytest.raises(StoppedError):
            pause()
        ended.append(pause)

    pauses = [lambda: pacer.wait("a"), lambda: pacer.wait("a"), lambda: pacer.sleep(600)]
    threads = [threading.Thread(target=wait, args=(pause,)) for pause in pauses]
    for thread in threads:
        thread.start()
    while not pacer._lane("a").turn.locked():
        time.sleep(0.001)
    time.sleep(0.05)
    assert not ended
    pacer.stop()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 3


def test_what_was_stopped_goes_on_after_a_start():
    _clock, pacer = paced()
    pacer.stop()
    for pause in (lambda: pacer.wait("a"), lambda: pacer.sleep(1)):
        with pytest.raises(StoppedError):
            pause()
    pacer.start()
    pacer.wait("a")
