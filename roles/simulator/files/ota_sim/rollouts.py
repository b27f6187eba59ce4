# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A batch with the timelines of all its tasks, and what it looks like at one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple

from .listings import Change, Listing
from .lives import Life
from .model import Firmware, Job
from .timelines import FINISHED, FOREVER, Plan, cut_short, place_at, restarted, shown_at


class JobView(NamedTuple):
    """A batch at one moment; times are seconds on the rollout clock, None where it did not happen (yet)."""

    job: Job
    firmware: Firmware
    status: str
    created: float
    modified: float
    started: float | None
    ended: float | None


class TaskView(NamedTuple):
    """One device's task in one batch at one moment."""

    job: Job
    firmware: Firmware
    number: int
    task_id: str
    life: Life
    src_version: str
    status: str
    progress: float
    desc: str
    created: float
    modified: float

    @property
    def device(self) -> str:
        """The device's name."""
        return self.life.key[1]

    @property
    def iot_id(self) -> str:
        """The device's IotId."""
        return self.life.iot_id


class Task(NamedTuple):
    """One task; it is ``listed`` from some time on, until it is ``gone`` with its device."""

    number: int
    life: Life
    src_version: str
    plan: Plan
    times: tuple[float, ...]
    listed: float
    gone: float

    def is_listed_at(self, t: float) -> bool:
        """Whether lists show it."""
        return self.listed <= t < self.gone

    def changes(self) -> list[Change]:
        """What lists show of it, from when on."""
        if self.listed >= self.gone:
            return []
        shown = [(max(step.at, self.listed), step.status) for step in self.plan.steps if step.at < self.gone]
        return shown if self.gone == FOREVER else [*shown, (self.gone, "")]


class Rollout:
    """A batch and its tasks, in the order in which they came into being."""

    def __init__(self, job: Job, firmware: Firmware, zero: float | None = 0.0) -> None:
        """The batch's own clock is at zero at ``zero`` on the rollout clock; without one it stands at zero for ever."""
        self.job = job
        self.firmware = firmware
        self.stands = zero is None
        self.created = (zero or 0.0) + job.created
        self.start = self._reached(self.created + (job.scheduled_after or 0))
        self.tasks_from = self._reached((self.created if job.tasks_before_schedule else self.start) + job.tasks_after)
        self.canceled = FOREVER if job.canceled_after is None else self._reached(self.created + job.canceled_after)
        self.tasks: list[Task] = []
        self._numbers: dict[str, list[int]] = {}
        self.completed = FOREVER
        self._interrupted = False  # whether the cancel ended what would have gone on
        self._number = int.from_bytes(hashlib.blake2b(job.job_id.encode(), digest_size=8).digest(), "big") % 10**11

    def _reached(self, at: float) -> float:
        """When it will be ``at``: never on a clock that stands."""
        return FOREVER if self.stands and at > 0 else at

    def cut_short(self, plan: Plan, life: Life) -> Plan:
        """What the cancel of the batch leaves of a plan."""
        if self.canceled == FOREVER:
            return plan
        left = cut_short(plan, self.canceled, self.job.dynamic)
        gone_before = not life.tasks_stay and life.end <= self.canceled
        self._interrupted = self._interrupted or (left != plan and not gone_before)
        return left

    def add(self, life: Life, src_version: str, plan: Plan, listed_after: float) -> None:
        """Give the device one more task, which lists show so many seconds after it came into being."""
        times = tuple(step.at for step in plan.steps)
        listed = self._reached(times[0] + listed_after)
        gone = FOREVER if life.tasks_stay else life.end
        self._numbers.setdefault(life.key[1], []).append(len(self.tasks))
        self.tasks.append(Task(len(self.tasks), life, src_version, plan, times, listed, gone))

    def restart(self, life: Life, again: Plan) -> bool:
        """Upgrade the device's latest task again; false if it has none."""
        numbers = [number for number in self._numbers.get(life.key[1], ()) if self.tasks[number].life is life]
        if not numbers:
            return False
        task = self.tasks[numbers[-1]]
        plan = restarted(task.plan, again)
        self.tasks[task.number] = task._replace(plan=plan, times=tuple(step.at for step in plan.steps))
        return True

    def settle(self, interrupted: bool = False) -> None:
        """Prepare the list, now that all tasks are there; ``interrupted`` if a cancel ended what would have gone on."""
        self._interrupted = self._interrupted or interrupted
        self._listed = self.tasks
        if self.job.newest_tasks_first:
            self._listed = sorted(self.tasks, key=lambda task: -task.times[0])
        self._listing = Listing(task.changes() for task in self._listed)
        self.completed = self._completion()

    def _completion(self) -> float:
        """When no task is unfinished any more, nor one to come; never for a dynamic batch."""
        if self.job.dynamic:
            return FOREVER
        quiet = max(self.start, self.tasks_from, self.canceled if self._interrupted else -FOREVER)
        for task in self.tasks:
            last = task.plan.steps[-1]
            quiet = max(quiet, min(last.at if last.status in FINISHED else FOREVER, task.gone))
        return quiet

    def status_at(self, t: float) -> str:
        """PLANNED, IN_PROGRESS, COMPLETED or CANCELED."""
        if self.canceled <= min(t, self.completed):
            return "CANCELED"
        if t < self.start:
            return "PLANNED"
        return "COMPLETED" if t >= self.completed else "IN_PROGRESS"

    def view(self, t: float) -> JobView:
        """The batch as it is at ``t``."""
        status = self.status_at(t)
        ended = {"COMPLETED": self.completed, "CANCELED": self.canceled}.get(status)
        started = self.start if t >= self.start and self.start < self.canceled else None
        modified = max(moment for moment in (self.created, started, ended) if moment is not None)
        return JobView(self.job, self.firmware, status, self.created, modified, started, ended)

    def task_view(self, task: Task, t: float) -> TaskView:
        """One of its tasks as it is at ``t``."""
        step = shown_at(task.plan.steps, place_at(task.times, t), t)
        return TaskView(
            self.job,
            self.firmware,
            task.number,
            f"{self._number:011d}{task.number:07d}",
            task.life,
            task.src_version,
            step.status,
            step.progress,
            step.desc,
            task.times[0],
            step.at,
        )

    def count_at(self, t: float, statuses: Collection[str] = ()) -> int:
        """How many tasks of these statuses (all if none is given) a list shows."""
        return self._listing.count(t, statuses)

    def page_at(self, t: float, statuses: Collection[str], offset: int, count: int) -> list[Task]:
        """One page of the tasks of these statuses (all if none is given), in the order of the list."""
        return [self._listed[place] for place in self._listing.page(t, statuses, offset, count)]

    def tasks_of_at(self, names: Collection[str], t: float) -> list[Task]:
        """The tasks that a list of these devices shows, in their order."""
        numbers = [number for name in dict.fromkeys(names) for number in self._numbers.get(name, ())]
        shown = [self.tasks[number] for number in numbers]
        return [task for task in shown if task.is_listed_at(t)]
