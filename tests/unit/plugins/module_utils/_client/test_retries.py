# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.retries import RetryPlan, backoff, requested_pause
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry


def failure(retry, code="Odd", **more):
    return OtaError("no", code=code, hint="h", retry=retry, **more)


def plan(timeout=30.0, retries=2):
    return RetryPlan(timeout, retries, 100.0, lambda: 1.0)


@pytest.mark.parametrize(
    ("attempt", "pause"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (10**6, 8.0)]
)
def test_backoff_doubles_up_to_its_bound(attempt, pause):
    assert backoff(attempt, 8.0, lambda: 1.0) == pause


def test_backoff_is_random():
    assert backoff(3, 8.0, lambda: 0.25) == 0.5


@pytest.mark.parametrize(("asked", "pause"), [(None, 0.0), (0.0, 0.0), (7.5, 7.5), (61.0, 60.0)])
def test_requested_pause_is_bounded(asked, pause):
    assert requested_pause(failure(Retry.LATER, retry_after=asked)) == pause


def test_no_pause_before_a_newly_signed_attempt():
    assert plan(retries=0).pause_after(failure(Retry.ONCE), 1) == 0.0


def test_newly_signed_attempt_is_made_once_per_code():
    attempts = plan()
    pauses = [attempts.pause_after(failure(Retry.ONCE, code), 1) for code in ("A", "B", "A")]
    assert pauses == [0.0, 0.0, math.inf]


def test_retries_are_counted():
    attempts = plan(retries=2)
    assert [attempts.pause_after(failure(Retry.LATER), number) for number in (1, 2, 3)] == [0.5, 1.0, math.inf]


def test_no_attempt_follows_a_final_refusal():
    assert plan().pause_after(failure(Retry.NEVER), 1) == math.inf


def test_throttled_attempts_are_not_counted():
    attempts = plan(retries=1)
    assert [attempts.pause_after(failure(Retry.SLOWER), number) for number in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 2.0]


def test_throttling_without_retries_is_final():
    assert plan(retries=0).pause_after(failure(Retry.SLOWER), 1) == math.inf


def test_longer_requested_pause_wins():
    assert plan().pause_after(failure(Retry.LATER, retry_after=9.0), 1) == 9.0
    assert plan().pause_after(failure(Retry.LATER, retry_after=0.1), 1) == 0.5


def test_attempt_gets_half_of_the_time_and_the_last_one_all():
    attempts = plan(timeout=30.0, retries=1)
    assert attempts.time_limit(100.0) == 15.0
    attempts.pause_after(failure(Retry.LATER), 1)
    assert attempts.time_limit(110.0) == 20.0


@pytest.mark.parametrize(("timeout", "last_start"), [(30.0, 129.5), (10.0, 109.5), (1.0, 100.95)])
def test_last_start_leaves_time_for_an_attempt(timeout, last_start):
    assert plan(timeout=timeout).last_start == pytest.approx(last_start)


def test_attempt_that_is_cut_short_reports_the_latest_refusal():
    calls = plan(timeout=30.0)
    refusals = [failure(Retry.SLOWER, "Throttling.User", http_status=429, attempts=number) for number in (1, 2)]
    for refusal in refusals:
        assert calls.telling_failure(refusal, 15.0) is refusal
    for code in ("timeout", "connect_timeout"):
        told = calls.telling_failure(failure(Retry.LATER, code, attempts=3), 7.0)
        assert (told.code, told.http_status, told.attempts, told.retry) == ("Throttling.User", 429, 3, Retry.SLOWER)


@pytest.mark.parametrize(
    ("later", "limit"),
    [
        (failure(Retry.LATER, "timeout"), 7.5),
        (failure(Retry.LATER, "connection_broken"), 1.0),
        (failure(Retry.LATER, "http_503", http_status=503), 1.0),
    ],
)
def test_other_failures_are_reported_themselves(later, limit):
    calls = plan(timeout=30.0)
    calls.telling_failure(failure(Retry.SLOWER, "Throttling.User", http_status=429), 15.0)
    assert calls.telling_failure(later, limit) is later


def test_attempt_that_is_cut_short_is_reported_where_there_was_no_response():
    calls, silence = plan(timeout=30.0), failure(Retry.LATER, "timeout")
    calls.telling_failure(failure(Retry.LATER, "connection_broken"), 15.0)
    assert calls.telling_failure(silence, 1.0) is silence
