# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timeline of a task, what can end it early, and how it looks at one moment.

All times are seconds on the rollout clock.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

FOREVER = float("inf")
UNFINISHED = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
FINISHED = ("SUCCEEDED", "FAILED", "CANCELED")
_PROGRESS_STEP = 5.0  # percent; devices report progress in such steps


class Step(NamedTuple):
    """From ``at`` on the task has this status, progress (percent) and description."""

    at: float
    status: str
    progress: float
    desc: str


class Report(NamedTuple):
    """From ``at`` on the device reports this version of the module."""

    at: float
    version: str


class Plan(NamedTuple):
    """The whole life of one task: its steps in order of time, and the versions the device reports."""

    steps: tuple[Step, ...]
    reports: tuple[Report, ...]


def place_at(times: Sequence[float], t: float) -> int:
    """The index of the last of the ascending ``times`` that is not after ``t``."""
    return bisect.bisect_right(times, t) - 1


def version_at(reports: Sequence[Report], t: float) -> str:
    """The version that the last report up to ``t`` tells; before all of them the first one's."""
    version = reports[0].version
    for report in reports:
        if report.at > t:
            break
        version = report.version
    return version


def progress_at(steps: Sequence[Step], place: int, t: float) -> float:
    """Percent done at ``t`` within the step at ``place``: it climbs evenly towards the next step's."""
    step = steps[place]
    if step.status != "IN_PROGRESS" or place + 1 >= len(steps):
        return step.progress
    following = steps[place + 1]
    if following.at <= step.at or following.progress <= step.progress:
        return step.progress
    share = min(1.0, (t - step.at) / (following.at - step.at))
    return step.progress + (following.progress - step.progress) * share


def shown_at(steps: Sequence[Step], place: int, t: float) -> Step:
    """The step at ``place`` as it looks at ``t``: with the last progress that was reported, and since when."""
    step = steps[place]
    if step.status != "IN_PROGRESS":
        return step
    exact = progress_at(steps, place, t)
    reported = exact - exact % _PROGRESS_STEP
    if reported <= step.progress:
        return step
    following = steps[place + 1]
    share = (reported - step.progress) / (following.progress - step.progress)
    return step._replace(at=step.at + share * (following.at - step.at), progress=reported)


def cut_short(plan: Plan, at: float, dynamic: bool) -> Plan:
    """Cancel the batch at ``at``: unfinished tasks end; in a dynamic batch those already pushed go on."""
    before = tuple(step for step in plan.steps if step.at <= at)
    if not before:
        return Plan((), ())
    status = before[-1].status
    if status in FINISHED:
        return _without_retries(plan, len(before))
    if dynamic and status not in ("CONFIRM", "QUEUED"):
        return plan
    end = Step(at, "CANCELED", progress_at(plan.steps, len(before) - 1, at), "canceled with its batch")
    return Plan((*before, end), tuple(report for report in plan.reports if report.at <= at))


def _without_retries(plan: Plan, count: int) -> Plan:
    """The first ``count`` steps, and what the device reports because of them."""
    until = plan.steps[count].at if count < len(plan.steps) else FOREVER
    return Plan(plan.steps[:count], tuple(report for report in plan.reports if report.at < until))


def frozen(plan: Plan, at: float) -> Plan:
    """The device is gone from ``at`` on: nothing of it changes any more."""
    before = tuple(step for step in plan.steps if step.at < at)
    last = (shown_at(plan.steps, len(before) - 1, at),) if before else ()
    kept = before[:-1] if last and last[0].at == before[-1].at else before
    return Plan((*kept, *last), plan.reports)


def until(plan: Plan, t: float) -> Plan:
    """What the plan holds up to ``t``, as if nothing followed."""
    return Plan(
        tuple(step for step in plan.steps if step.at <= t), tuple(report for report in plan.reports if report.at <= t)
    )


def restarted(plan: Plan, again: Plan) -> Plan:
    """The task is upgraded again: it begins anew where ``again`` begins."""
    begin = again.steps[0].at
    before = tuple(step for step in plan.steps if step.at < begin)
    return Plan((*before, *again.steps), again.reports)
