# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import RolloutState, assess, keeps_bounds
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import (
    Limit,
    deciding_limit,
    device_limits,
    limits_of,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import new_history
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    ERROR,
    NOW,
    again,
    batch,
    course,
    numbers,
    plain,
    poll,
    settled,
)
from hypothesis import given
from hypothesis import strategies as st

OPEN = batch("SSFQ", status="IN_PROGRESS")
LATE = batch("SSQ", status="IN_PROGRESS")


def rollout_of(letters):
    return assess(poll(batch(letters, status="IN_PROGRESS")), plain(), Memory(), False)


def limits(letters, **options):
    return {limit.name: limit for limit in device_limits(rollout_of(letters), plain(**options))}


# --- What each bound measures ----------------------------------------------------------------------------------------


def test_without_any_bound_none_may_fail_and_none_may_be_unfinished():
    assert limits("SSFQ") == {
        "max_failed": Limit("max_failed", 0, 1, 3, False),
        "max_pending": Limit("max_pending", 0, 1, 4, False),
    }


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        ({"max_failed": 1}, Limit("max_failed", 1, 1, 3, True)),
        ({"max_failed_percent": 30}, Limit("max_failed_percent", 30, 1, 3, False)),
        ({"max_failed_percent": 34}, Limit("max_failed_percent", 34, 1, 3, True)),
        ({"max_pending": 1}, Limit("max_pending", 1, 1, 4, True)),
        ({"max_pending_percent": 24.9}, Limit("max_pending_percent", 24.9, 1, 4, False)),
        ({"min_succeeded_percent": 50}, Limit("min_succeeded_percent", 50, 2, 4, True)),
        ({"min_succeeded_percent": 50.1}, Limit("min_succeeded_percent", 50.1, 2, 4, False)),
        ({"min_devices": 4}, Limit("min_devices", 4, 4, None, True)),
        ({"min_devices": 5}, Limit("min_devices", 5, 4, None, False)),
    ],
)
def test_a_bound_has_the_unit_of_its_option(options, limit):
    assert limits("SSFQ", **options)[limit.name] == limit


def test_with_a_bound_for_success_alone_any_may_fail():
    assert limits("SSFQ", min_succeeded_percent=50).keys() == {"max_pending", "min_succeeded_percent"}


def test_of_two_bounds_for_the_same_the_tighter_one_comes_first():
    assert list(limits("SSFQ", max_failed=5, max_failed_percent=10)) == [
        "max_failed_percent",
        "max_failed",
        "max_pending",
    ]
    assert next(iter(limits("SSFQ", max_failed=0, max_failed_percent=50))) == "max_failed"


def test_the_last_device_must_succeed_even_if_all_may_fail():
    limit = limits("FFF", max_failed=3)["min_succeeded_percent"]
    assert (limit.allowed, limit.measured, limit.of, limit.kept) == (33.4, 0, 3, False)
    assert "min_succeeded_percent" not in limits("SFF", max_failed=3)


def test_time_and_errors_have_no_base():
    history = {**new_history(NOW), "errors": 2, "incomplete": 3}
    *_devices, time, errors = limits_of(rollout_of("S"), plain(wait_timeout=60), history, NOW + 59.9)
    assert time == Limit("wait_timeout", 60, 59.9, None, True)
    assert errors == Limit("max_consecutive_errors", 5, 3, None, True)
    assert (time.share, errors.share) == (None, None)
    late = limits_of(rollout_of("S"), plain(wait_timeout=60, max_consecutive_errors=2), history, NOW + 60)
    assert [limit.kept for limit in late[-2:]] == [False, False]


def test_a_bound_as_a_result():
    assert Limit("max_failed_percent", 2, 60, 1700, False, True).to_result() == {
        "name": "max_failed_percent",
        "allowed": 2,
        "measured": 60,
        "of": 1700,
        "share": 3.5,
        "kept": False,
        "decided": True,
    }
    assert Limit("max_pending", 0, 0, 0, True).share is None


# --- What decided ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "code", "name"),
    [
        (settled(poll(batch("SSF")), plain()), "too_many_failures", "max_failed"),
        (settled(poll(batch("SSF")), plain(max_failed_percent=2)), "too_many_failures", "max_failed_percent"),
        (
            settled(poll(batch("SSF")), plain(max_failed=9, max_failed_percent=2)),
            "too_many_failures",
            "max_failed_percent",
        ),
        (settled(poll(batch("SSF")), plain(min_succeeded_percent=90)), "success_out_of_reach", "min_succeeded_percent"),
        (settled(poll(batch("FF")), plain(max_failed=2)), "success_out_of_reach", "min_succeeded_percent"),
        (settled(poll(batch("SS")), plain(min_devices=3)), "too_few_devices", "min_devices"),
        (settled(poll(batch("SC", status="CANCELED")), plain()), "batch_canceled", "max_failed"),
        (course(plain(wait_timeout=60), *again(poll(LATE), 2, 60))[-1], "deadline", "max_pending"),
        (course(plain(wait_timeout=60, soak=600), *again(poll(batch("SS")), 5, 15))[-1], "deadline", "wait_timeout"),
        (
            course(plain(max_consecutive_errors=1), *again(poll(error=ERROR, fresh=False), 2))[-1],
            "too_many_errors",
            "max_consecutive_errors",
        ),
    ],
)
def test_the_bound_that_decided_comes_first(verdict, code, name):
    assert (verdict.final, verdict.reasons[0].code) == (True, code)
    assert [limit.name for limit in verdict.limits if limit.decided] == [name]
    assert (verdict.limits[0].name, verdict.limits[0].kept) == (name, False)
    assert verdict.decided_by == verdict.limits[0]
    assert verdict.to_result()["limits"][0]["decided"] is True


@pytest.mark.parametrize(
    "verdict",
    [
        settled(poll(batch("SS")), plain()),
        settled(poll(batch("SS", dest_version="9")), plain(expected_version="2.0.0")),
        course(plain(), poll(batch("SSF")))[0],  # not confirmed yet
    ],
)
def test_where_no_number_decided_none_is_marked(verdict):
    assert verdict.decided_by is None
    assert not any(limit.decided for limit in verdict.limits)


def test_a_timed_out_rollout_is_blocked_by_what_was_not_kept():
    """Not by failures that are within the limits."""
    verdict = course(plain(wait_timeout=60, max_failed_percent=50), *again(poll(OPEN), 2, 60))[-1]
    assert [(limit.name, limit.kept) for limit in verdict.limits][:2] == [
        ("max_pending", False),
        ("max_failed_percent", True),
    ]


# --- The judge's own word ---------------------------------------------------------------------------------------------

COUNTS = st.integers(0, 12)
PERCENT = st.none() | st.floats(0, 100) | st.sampled_from((0, 2, 33.3, 50, 100))
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max_failed": COUNTS,
        "max_failed_percent": PERCENT,
        "max_pending": COUNTS,
        "max_pending_percent": PERCENT,
        "min_succeeded_percent": PERCENT,
    },
)


def state(succeeded, failed, pending, unread, are_devices, canceled):
    """A rollout of so many devices, ``unread`` of the pending ones without a task and unread."""
    unread = min(unread, pending)
    return RolloutState(
        succeeded=succeeded,
        verified=0,
        failed=failed,
        pending=pending,
        canceled=canceled,
        ignored=0,
        by_class={"failed": {}, "pending": {}},
        by_status={},
        by_job={},
        devices=(),
        relations=(),
        all_listed=are_devices,
        counts_are_devices=are_devices,
        unproved=(),
        unread_expected=[("p", str(number)) for number in range(unread)],
    )


STATES = st.builds(state, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans(), COUNTS)


@given(STATES, OPTIONS, st.none() | st.integers(1, 30), st.none() | st.integers(1, 30))
def test_all_bounds_are_kept_exactly_if_the_judge_says_so(rollout, options, min_devices, expected):
    policy = plain(**options, min_devices=min_devices if expected is None else None)
    if expected is not None:
        policy = policy._replace(expected_devices=tuple(ExpectedDevice(None, str(n)) for n in range(expected)))
    assert all(limit.kept for limit in device_limits(rollout, policy)) is keeps_bounds(rollout, policy)


LETTERS = st.text("SFCQNI", max_size=8)


@given(
    LETTERS, st.sampled_from(("COMPLETED", "IN_PROGRESS", "CANCELED")), OPTIONS, st.integers(1, 4), st.integers(0, 3)
)
def test_what_decided_is_what_the_reason_is_about(letters, status, options, min_executed, times):
    policy = plain(**options, min_executed=min_executed, wait_timeout=40)
    verdict = course(policy, *again(poll(batch(letters, status=status)), times + 1))[-1]
    code, limit = verdict.reasons[0].code, verdict.decided_by
    about = ("too_many_failures", "success_out_of_reach", "too_few_devices", "batch_canceled", "deadline")
    assert (limit is not None) is (verdict.final and code in about)
    if limit:
        assert (limit.kept, verdict.verdict) == (False, "timed_out" if code == "deadline" else "failed")
        assert limit == deciding_limit(verdict.limits, code)
    if verdict.verdict == "passed":
        assert all(one.kept for one in verdict.limits if one.name != "wait_timeout")


@given(COUNTS, COUNTS, COUNTS, OPTIONS)
def test_bounds_are_measured_where_tasks_are_only_counted(succeeded, failed, pending, options):
    job = numbers(SUCCEEDED=succeeded, FAILED=failed, QUEUED=pending)
    rollout = assess(poll(job), plain(), Memory(), False)
    for limit in device_limits(rollout, plain(**options)):
        assert 0 <= limit.measured <= (limit.of if limit.of is not None else limit.measured)
        assert limit.share is None or 0 <= limit.share <= 100
