# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import math
import threading
import time
from dataclasses import replace

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import (
    MIN_RATE_FRACTION,
    SPACING_MARGIN,
    AdaptiveRate,
    DeadlineExceededError,
    RateLimiter,
    full_rate,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock
from hypothesis import given
from hypothesis import strategies as st

from .conversations import LeapingClock

STEP = SPACING_MARGIN / 10

A, B = (replace(QUERY_OTA_JOB, action=action) for action in "AB")


def limited(max_qps=10):
    clock = Clock()
    return clock, RateLimiter(max_qps, clock.monotonic, clock.sleep)


def moments(max_qps, operations):
    """When each of ``operations`` may go out."""
    _clock, limiter = limited(max_qps)
    return [limiter.wait_for_slot(operation) for operation in operations]


# --- The full rate ---------------------------------------------------------------------------------------------------


def test_requests_are_spaced_evenly():
    assert moments(10, [A] * 4) == pytest.approx([0, STEP, 2 * STEP, 3 * STEP])


def test_operations_have_quotas_of_their_own():
    assert moments(10, [A, B, A, B]) == pytest.approx([0, 0, STEP, STEP])


def test_zero_is_no_limit():
    assert moments(0, [A] * 100) == [0] * 100
    assert full_rate(QUERY_OTA_FIRMWARE, 0) == math.inf


@pytest.mark.parametrize(
    ("operation", "quota"),
    [
        (QUERY_OTA_JOB, 10),
        (QUERY_OTA_FIRMWARE, 20),
        (LIST_OTA_MODULE_VERSIONS_BY_DEVICE, 10),
        (replace(QUERY_OTA_JOB, quota=5), 5),
        (replace(QUERY_OTA_JOB, quota=50), 50),
    ],
)
@pytest.mark.parametrize("max_qps", [10, 2.5, 0.1, 40])
def test_rate_of_an_operation_is_in_proportion_to_its_quota(operation, quota, max_qps):
    step = SPACING_MARGIN * 10 / (max_qps * quota)
    assert moments(max_qps, [operation] * 4) == pytest.approx([0, step, 2 * step, 3 * step])
    assert full_rate(operation, max_qps) == pytest.approx(max_qps * quota / 10)


def test_operations_of_one_action_share_its_quota():
    assert moments(10, [LIST_OTA_TASK_BY_JOB, LIST_OTA_TASK_BY_NAMES]) == pytest.approx([0, STEP])


def test_idle_time_is_not_made_up_for():
    clock, limiter = limited()
    limiter.wait_for_slot(A)
    clock.elapsed = 60.0
    limiter.wait_for_slot(A)
    assert limiter.wait_for_slot(A) - 60.0 == pytest.approx(STEP)


@given(
    st.sampled_from([0.5, 1, 3, 10, 40, 50]),
    st.lists(st.floats(0, 0.3), min_size=1, max_size=60),
)
def test_quota_is_kept_in_every_second(max_qps, delays):
    """``delays`` are how late the clock lets each sleeper wake up, and how long nothing is asked."""
    clock = Clock()
    late = itertools.chain(delays, itertools.repeat(0.0))
    limiter = RateLimiter(max_qps, clock.monotonic, lambda seconds: clock.sleep(seconds + next(late) / 10))
    sent = []
    for delay in delays:
        sent.append(limiter.wait_for_slot(A))
        clock.elapsed += delay
    for position, first in enumerate(sent):
        assert sum(first <= moment < first + 1 for moment in sent[position:]) <= max(max_qps, 1)


def test_late_wakeups_do_not_add_up():
    clock = Clock()
    limiter = RateLimiter(10, clock.monotonic, lambda seconds: clock.sleep(seconds + 0.005))
    sent = [limiter.wait_for_slot(A) for _number in range(601)]
    assert sent[-1] == pytest.approx(600 * STEP, abs=0.01)


# --- Throttling ------------------------------------------------------------------------------------------------------


def test_throttling_halves_the_rate():
    rate = AdaptiveRate(10)
    rate.halve_rate(sent=0.9, now=1.0)
    assert rate.rate_at(1.0) == 5


def test_requests_in_flight_halve_the_rate_once():
    rate = AdaptiveRate(10)
    for _number in range(5):
        rate.halve_rate(sent=0.9, now=1.0)
    assert rate.rate_at(1.0) == 5
    rate.halve_rate(sent=1.01, now=1.02)
    assert rate.rate_at(1.02) == pytest.approx(2.5, rel=0.1)


def test_rate_climbs_back():
    rate = AdaptiveRate(10)
    rate.halve_rate(sent=0, now=0.0)
    climb = [rate.rate_at(tenths / 10) for tenths in range(100)]
    assert climb == sorted(climb)
    assert climb[0] == 5
    assert climb[-1] == 10


def test_rate_stays_near_the_refused_one_after_a_second_halving():
    rate = AdaptiveRate(10)
    rate.halve_rate(sent=0, now=0.0)
    rate.halve_rate(sent=0.1, now=0.1)
    top = rate._top
    assert 5 < top < 6
    near = [moment / 10 for moment in range(1, 100) if abs(rate.rate_at(moment / 10) - top) < top / 10]
    assert max(near) - min(near) > 1.2
    assert rate.rate_at(6.0) == 10


def test_rate_has_a_lower_bound():
    rate = AdaptiveRate(10)
    for number in range(50):
        rate.halve_rate(sent=number / 1000, now=number / 1000)
    assert rate.rate_at(0.05) == 10 * MIN_RATE_FRACTION
    assert rate.rate_at(20.0) == 10


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), max_size=40), st.floats(0.001, 10000))
def test_rate_stays_within_its_bounds(steps, full):
    rate, now = AdaptiveRate(full), 0.0
    for pause, under_way in steps:
        now += pause
        rate.halve_rate(sent=now - under_way, now=now)
        for later in (0, 0.1, 1, 10, 100):
            assert full * MIN_RATE_FRACTION <= rate.rate_at(now + later) <= full


def test_throttling_slows_the_operation_down():
    _clock, limiter = limited()
    limiter.slow_down(A, limiter.wait_for_slot(A))
    assert limiter.wait_for_slot(A) == pytest.approx(0.2, rel=0.1)
    assert limiter.wait_for_slot(B) == pytest.approx(0.2, rel=0.1)
    assert limiter.wait_for_slot(B) == pytest.approx(0.3, rel=0.1)


def test_requested_pause_holds_the_operation_back():
    _clock, limiter = limited()
    limiter.wait_for_slot(A)
    limiter.hold_back(A, 7.0)
    limiter.hold_back(A, 1.0)
    assert limiter.wait_for_slot(A) == 7.0
    assert limiter.wait_for_slot(B) == 7.0  # nobody waited for this one


def test_requested_pause_counts_without_a_limit_too():
    _clock, limiter = limited(0)
    limiter.wait_for_slot(A)
    limiter.hold_back(A, 7.0)
    limiter.hold_back(A, 1.0)
    assert [limiter.wait_for_slot(A), limiter.wait_for_slot(A)] == [7.0, 7.0]


@pytest.mark.parametrize("max_qps", [0.1, 0.5, 1, 2.5, 10, 100])
def test_halving_lasts_for_some_requests_at_any_rate(max_qps):
    rate = AdaptiveRate(max_qps)
    rate.halve_rate(sent=0, now=0.0)
    assert rate.rate_at(2 / max_qps) < 0.8 * max_qps
    assert rate.rate_at(20 / min(max_qps, 5)) == max_qps


def test_slot_comes_nearer_as_the_rate_climbs():
    _clock, limiter = limited()
    sent = limiter.wait_for_slot(A)
    for number in range(40):
        limiter.slow_down(A, sent + (number + 1) * 1e-9)
    assert 1 / limiter.wait_for_slot(A) > 10 * MIN_RATE_FRACTION


def test_retry_does_not_wait_beyond_the_deadline():
    clock, limiter = limited(0.1)
    limiter.wait_for_slot(A)
    with pytest.raises(DeadlineExceededError):
        limiter.wait_for_retry(A, 10.1)
    assert clock.elapsed == 0
    assert limiter.wait_for_retry(A, 10.3) == pytest.approx(10.2)


def test_retry_does_not_wait_for_others_beyond_the_deadline():
    limiter = RateLimiter(0.001)
    limiter.wait_for_slot(A)

    def wait():
        with pytest.raises(CanceledError):
            limiter.wait_for_slot(A)

    other = threading.Thread(target=wait)
    other.start()
    while not limiter._limiter_of(A).turn.locked():
        time.sleep(0.001)
    with pytest.raises(DeadlineExceededError):  # the other waits for a slot that is a quarter of an hour away
        limiter.wait_for_retry(A, limiter.now() + 0.05)
    assert other.is_alive()
    limiter.stop()
    other.join(30)


# --- Threads ---------------------------------------------------------------------------------------------------------


def test_threads_share_one_rate():
    clock = LeapingClock()
    limiter = RateLimiter(10, clock.monotonic, clock.sleep)
    sent = []
    threads = [threading.Thread(target=lambda: sent.append(limiter.wait_for_slot(A))) for _number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sent) == pytest.approx([number * STEP for number in range(20)])


def test_stop_ends_all_waiting():
    limiter = RateLimiter(0.001)
    limiter.wait_for_slot(A)
    ended = []

    def wait(pause):
        with pytest.raises(CanceledError):
            pause()
        ended.append(pause)

    pauses = [lambda: limiter.wait_for_slot(A), lambda: limiter.wait_for_slot(A), lambda: limiter.sleep(600)]
    threads = [threading.Thread(target=wait, args=(pause,)) for pause in pauses]
    for thread in threads:
        thread.start()
    while not limiter._limiter_of(A).turn.locked():
        time.sleep(0.001)
    limiter.stop()
    for thread in threads:
        thread.join(30)
    assert len(ended) == 3


def test_start_lets_requests_out_again():
    _clock, limiter = limited()
    limiter.stop()
    for pause in (lambda: limiter.wait_for_slot(A), lambda: limiter.sleep(1)):
        with pytest.raises(CanceledError):
            pause()
    limiter.start()
    limiter.wait_for_slot(A)
