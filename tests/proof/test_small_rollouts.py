# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All small rollouts, judged a second time by a few lines that know the documentation only."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import JOB_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.tests.unit.verdicts import plain, settled

from .laws import CANCELED, FAILED, OTHERS, PROVED, UNPROVED, WAITING, WRONG, rollout


def least(of, number, percent):
    """The stricter of two bounds."""
    bounds = [number] if number is not None else []
    return min([*bounds, *([percent * of // 100] if percent is not None else [])], default=None)


def nobody_counts(fleet, job_status, policy):
    """Which verdicts are right where no device counts."""
    if not policy.allow_empty or CANCELED in fleet or job_status == "CANCELED":  # there were tasks, or would have been
        return {"inconclusive"}
    return {"passed"} if job_status == "COMPLETED" else {"pending"}


def oracle(fleet, job_status, policy):
    """What the documentation says of the rollout once nobody else is to be expected, and which verdicts are right.

    Written from the descriptions of the options, for whole numbers of percent.
    """
    count = fleet.count
    lies = count(WRONG) if policy.verify_versions else 0
    unread = count(UNPROVED) if policy.verify_versions else 0
    good = count(PROVED) + count(WRONG) + count(UNPROVED) - lies - unread
    bad = count(FAILED) + lies + (0 if policy.ignore_canceled else count(CANCELED))
    waiting = sum(map(count, WAITING)) + unread
    devices_ = good + bad + waiting
    finished = job_status in ("COMPLETED", "CANCELED")
    if not devices_:
        return nobody_counts(fleet, job_status, policy)
    may_fail = least(good + bad, policy.max_failed, policy.max_failed_percent)
    if may_fail is None and policy.min_succeeded_percent is None:
        may_fail = 0
    may_wait = least(devices_, policy.max_pending, policy.max_pending_percent) or 0
    if policy.min_succeeded_percent is None:
        needed = devices_ - (least(devices_, policy.max_failed, policy.max_failed_percent) or 0) - may_wait
    else:
        needed = -(-policy.min_succeeded_percent * devices_ // 100)
    needed = max(needed, 1)
    sampled = good + bad >= min(policy.min_executed, devices_)
    too_few = devices_ + (count(CANCELED) if policy.ignore_canceled else 0) < (policy.min_devices or 0)
    if may_fail is not None and bad > may_fail and sampled:
        return {"failed"}
    if good + waiting < needed or (too_few and finished):
        return {"failed"}
    if job_status == "PLANNED":
        return {"pending" if policy.allow_empty else "inconclusive"}  # it has not begun, whatever its tasks say
    if good >= needed and waiting <= may_wait and (may_fail is None or bad <= may_fail) and not too_few:
        # Whether a batch that is not finished, and in which nothing is unfinished, may pass, is left open here.
        return {"passed"} if finished or waiting else {"passed", "pending"}
    return {"pending"}


GRID = [
    {},
    {"ignore_canceled": True},
    {"allow_empty": True, "ignore_canceled": True},
    {"min_devices": 3},
    {"min_devices": 3, "ignore_canceled": True},
    {"min_succeeded_percent": 0},
    {"min_succeeded_percent": 50},
    {"min_succeeded_percent": 75, "ignore_canceled": True},
    {"max_failed": 0},
    {"max_failed": 1},
    {"max_failed": 2, "min_executed": 3},
    {"max_failed_percent": 25},
    {"max_failed_percent": 50, "min_executed": 3, "ignore_canceled": True},
    {"max_pending": 1},
    {"max_pending": 2, "max_pending_percent": 50},
    {"max_pending_percent": 25, "max_failed_percent": 25},
    {"max_pending": 1, "max_failed": 1},
    {"max_pending": 3, "max_failed": 0, "min_executed": 2},
    {"max_pending": 2, "max_failed": 2, "min_succeeded_percent": 50},
    {"max_pending": 3, "max_failed_percent": 33, "min_executed": 3, "min_succeeded_percent": 25},
    {"max_pending": 4, "max_failed": 4, "min_succeeded_percent": 0},
]


def name_of(options):
    return " ".join(f"{name}={value}" for name, value in options.items()) or "default"


@cache
def small(fleet, job_status):
    """The same rollout is judged by each policy."""
    return rollout(fleet, job_status)


def judge_all(choices, most, policy):
    """Each of the rollouts of up to ``most`` devices that are judged otherwise than they should be."""
    for number in range(most + 1):
        for fleet in combinations_with_replacement(choices, number):
            for job_status in JOB_STATUSES:
                verdict = settled(small(fleet, job_status), policy)
                expected = oracle(fleet, job_status, policy)
                if verdict.verdict not in expected:
                    yield job_status, fleet, verdict.verdict, expected
                if verdict.final is not (verdict.verdict != "pending"):
                    yield job_status, fleet, verdict


@pytest.mark.parametrize("options", GRID, ids=name_of)
def test_all_rollouts_of_up_to_four_devices(options):
    """In any of the documented states, with the task's state for proof."""
    choices = [PROVED, *OTHERS]
    assert list(judge_all(choices, 4, plain(**options))) == []


@pytest.mark.parametrize("options", GRID, ids=name_of)
def test_all_rollouts_of_up_to_three_devices_with_versions(options):
    """One unfinished state stands for all four, which the test above has told to be the same."""
    choices = [PROVED, WRONG, UNPROVED, FAILED, CANCELED, WAITING[1]]
    assert list(judge_all(choices, 3, Policy(start_grace=0.0, **options))) == []
