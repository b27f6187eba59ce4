# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Policies, and rollouts that make sense, as the laws need them."""

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import JOB_STATUSES, TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import read_policy
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    UNFINISHED,
    batch,
    course,
    poll,
    task,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

often = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)

ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="ask again later")
VERDICTS = ("passed", "failed", "pending", "timed_out", "inconclusive")

#: From worst to best. Not to know is better than to know that it failed, and to wait is better than to have given up,
#: because what is pending may still pass. Which of the two that gave up is worse, nobody needs to know.
RANK = {"failed": 0, "timed_out": 1, "inconclusive": 1, "pending": 2, "passed": 3}


# --- Policies --------------------------------------------------------------------------------------------------------

percents = st.sampled_from([0, 1, 5, 10, 25, 33.3, 50, 66.7, 90, 99.9, 100])
numbers_of_devices = st.integers(0, 4)


def maybe(strategy):
    return st.none() | strategy


@st.composite
def policies(draw, **fixed):
    """A policy that can be used."""
    options = {
        "min_devices": draw(maybe(st.integers(1, 5))),
        "min_succeeded_percent": draw(maybe(percents)),
        "max_failed": draw(maybe(numbers_of_devices)),
        "max_failed_percent": draw(maybe(percents)),
        "min_executed": draw(st.sampled_from([1, 1, 1, 2, 3, 50])),
        "max_pending": draw(maybe(numbers_of_devices)),
        "max_pending_percent": draw(maybe(percents)),
        "ignore_canceled": draw(st.booleans()),
        "verify_versions": draw(st.booleans()),
        "confirmations": draw(st.integers(1, 3)),
        "start_grace": draw(st.sampled_from([0.0, 120.0])),
        **{name: draw(value) if isinstance(value, st.SearchStrategy) else value for name, value in fixed.items()},
    }
    if options.get("expected_devices"):
        options["min_devices"] = None
    return read_policy(options)


# --- Rollouts that make sense ----------------------------------------------------------------------------------------

#: A device's task, and its version once that is read: what a device can be.
PROVED, WRONG, UNPROVED = ("SUCCEEDED", NEW), ("SUCCEEDED", OLD), ("SUCCEEDED", None)
OTHERS = [(status, OLD) for status in TASK_STATUSES if status != "SUCCEEDED"]
FAILED, CANCELED = ("FAILED", OLD), ("CANCELED", OLD)
WAITING = [(status, OLD) for status in UNFINISHED]
DEVICES = [PROVED, WRONG, UNPROVED, *OTHERS]

#: Good devices are frequent, so that rollouts pass frequently enough.
devices = st.sampled_from([*[PROVED] * 8, *DEVICES])
fleets = st.lists(devices, max_size=8)
job_statuses = st.sampled_from(JOB_STATUSES)


def reported(version):
    """What a device reports that has one module; ``None`` if it reports none."""
    return DeviceReport({"default": version} if version else {})


def rollout(fleet, job_status, now=NOW):
    """One look at a batch of these devices, each named by its position."""
    names = [f"d{number}" for number in range(len(fleet))]
    tasks_ = [task(name, status) for name, (status, _version) in zip(names, fleet)]
    versions = {(PRODUCT, name): reported(version) for name, (_status, version) in zip(names, fleet)}
    return poll(batch(*tasks_, status=job_status), now=now, versions=versions)


def outcome(facts, policy):
    """The verdict once the same was seen often enough, and for long enough that no more tasks are to be expected."""
    looks = [facts._replace(now=facts.now + 150 * number) for number in range(policy.confirmations + 1)]
    return course(policy, *looks)[-1]


def rank(facts, policy):
    return RANK[outcome(facts, policy).verdict]
