# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the operations that write make of a batch: another batch, which differs from a moment on."""

from __future__ import annotations

import copy
from collections.abc import Collection

from .rollouts import Rollout, Task
from .timelines import Plan, Report, Step, place_at, progress_at

_WAITING = ("CONFIRM", "QUEUED")  # the device has heard nothing yet


def cancel_tasks(rollout: Rollout, t: float, statuses: Collection[str]) -> Rollout:
    """The batch in which the tasks with one of the statuses at ``t`` are canceled then."""
    return _changed(rollout, [_canceled(rollout, task, t, statuses) for task in rollout.tasks])


def cancel_schedule(rollout: Rollout, t: float) -> Rollout:
    """The batch that is canceled at ``t``, before its schedule: with the tasks that there are and those to come."""
    return _changed(rollout, [_canceled(rollout, _gone(task, t), t, _WAITING) for task in rollout.tasks], t)


def cancel_strategy(rollout: Rollout, t: float) -> Rollout:
    """The dynamic batch that gets no more tasks from ``t`` on; those that there are go on."""
    return _changed(rollout, [_gone(task, t) for task in rollout.tasks], t)


def _changed(rollout: Rollout, tasks: list[Task], canceled: float | None = None) -> Rollout:
    for before, after in zip(rollout.tasks, tasks):
        lost = _lost_reports(before, after)
        if lost:
            before.life.forget(rollout.firmware.module_name, lost)
    twin = copy.copy(rollout)
    twin.tasks = tasks
    twin.canceled = rollout.canceled if canceled is None else canceled
    twin.settle(interrupted=canceled is not None)
    return twin


def _lost_reports(before: Task, after: Task) -> list[Report]:
    if after.gone != before.gone:
        return list(before.plan.reports)
    return [report for report in before.plan.reports if report not in after.plan.reports]


def _gone(task: Task, t: float) -> Task:
    """A task that comes into being later never does."""
    return task._replace(gone=t) if task.times[0] > t else task


def _canceled(rollout: Rollout, task: Task, t: float, statuses: Collection[str]) -> Task:
    place = place_at(task.times, t)
    if place < 0 or task.gone <= t or task.plan.steps[place].status not in statuses:
        return task
    hears = task.plan.steps[place].status in _WAITING or rollout.job.canceled_devices_stop
    before = task.plan.steps[: place + 1]
    end = Step(t, "CANCELED", progress_at(task.plan.steps, place, t), "canceled")
    reports = tuple(report for report in task.plan.reports if report.at <= t or not hears)
    plan = Plan((*before, end), reports)
    return task._replace(plan=plan, times=tuple(step.at for step in plan.steps))
