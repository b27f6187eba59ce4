# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet: a pure function of a scenario and the seconds on the rollout clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from typing import NamedTuple

from .courses import Batch, Course, chance_of, online_from, plan_task
from .lives import DeviceKey, Life, Lives
from .model import Firmware, Job, Scenario
from .rollouts import JobView, Rollout, TaskView
from .timelines import FOREVER, frozen, version_at


class _Turn(NamedTuple):
    """A device's turn in a batch: at its beginning, or again; ``late`` are the seconds that the rate limit costs."""

    begin: float
    rollout: Rollout
    name: str
    course: Course
    late: float = 0
    same_task: bool = False


class World:
    """All products, devices, packages and batches of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.products = {product.product_key: product for product in scenario.products}
        self.firmwares = {firmware.firmware_id: firmware for firmware in scenario.firmwares}
        self._lives = Lives(scenario.devices)
        self._tasks_of: dict[DeviceKey, list[tuple[Rollout, int]]] = {}
        jobs = [*scenario.jobs, *_foreign_jobs(scenario, self.firmwares)]
        ordered = sorted(jobs, key=lambda job: -job.created_before)
        self._rollouts = {job.job_id: Rollout(job, self.firmwares[job.firmware_id]) for job in ordered}
        self._homes = {job.job_id: _homes(jobs, job, self.firmwares) for job in jobs if _has_busy(job)}
        for turn in sorted(self._turns(), key=lambda turn: turn.begin):
            self._take(turn)
        self._lives.settle()

    # Questions

    def job_at(self, job_id: str, t: float) -> JobView | None:
        """The batch, or None if there is no such one."""
        rollout = self._rollouts.get(job_id)
        return rollout.view(t) if rollout else None

    def jobs_at(self, t: float) -> list[JobView]:
        """All batches, oldest first."""
        return [rollout.view(t) for rollout in self._rollouts.values()]

    def tasks_at(self, job_id: str, t: float) -> list[TaskView]:
        """All tasks of a batch that exist at ``t``."""
        return self.task_page_at(job_id, t)[1]

    def task_page_at(
        self, job_id: str, t: float, statuses: Collection[str] = (), offset: int = 0, count: int | None = None
    ) -> tuple[int, list[TaskView]]:
        """How many tasks have one of the statuses (all if none is given), and one page of them."""
        rollout = self._rollouts[job_id]
        tasks = rollout.tasks_at(t, statuses)
        page = tasks[offset:] if count is None else tasks[offset : offset + count]
        return len(tasks), [rollout.task_view(task, t) for task in page]

    def tasks_of_names_at(self, job_id: str, t: float, names: Collection[str]) -> list[TaskView]:
        """The tasks of the named devices in a batch; devices without one are left out."""
        rollout = self._rollouts[job_id]
        return [rollout.task_view(task, t) for task in rollout.tasks_of_at(names, t)]

    def device_tasks_at(self, key: DeviceKey, t: float) -> list[TaskView]:
        """All tasks of the device that bears the name at ``t``, newest first."""
        return [rollout.task_view(rollout.tasks[number], t) for rollout, number in self._device_rows(key, t)]

    def device_jobs_at(self, key: DeviceKey, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package in which the device has a task, newest first."""
        found = {rollout.job.job_id for rollout, _number in self._device_rows(key, t)}
        return [view for view in self.firmware_jobs_at(firmware_id, t) if view.job.job_id in found]

    def firmware_jobs_at(self, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package, newest first."""
        rows = [rollout for rollout in self._rollouts.values() if rollout.job.firmware_id == firmware_id]
        return [rollout.view(t) for rollout in reversed(rows)]

    def versions_at(self, device: str, t: float, product_key: str | None = None, lag: float = 0) -> dict[str, str]:
        """The version that each module of the device reported ``lag`` seconds before ``t``.

        Without a product it is the first device of that name. A device that does not exist at ``t`` has no modules.
        """
        key = (self._lives.product_of(device) or "") if product_key is None else product_key, device
        if not self._lives.knows(key):
            raise KeyError(key)
        life = self._lives.at(key, t)
        return life.versions_at(t - lag) if life else {}

    def has_device(self, key: DeviceKey, t: float | None = None) -> bool:
        """Whether the product has a device of that name at ``t``; without a time, whether it ever has one."""
        return self._lives.knows(key) if t is None else self._lives.at(key, t) is not None

    def life_at(self, key: DeviceKey, t: float) -> Life | None:
        """The device that bears the name at ``t``."""
        return self._lives.at(key, t)

    def iot_id_at(self, key: DeviceKey, t: float) -> str | None:
        """The IotId of the device that bears the name at ``t``."""
        life = self._lives.at(key, t)
        return life.iot_id if life else None

    def device_of(self, iot_id: str, t: float | None = None) -> DeviceKey | None:
        """The device with this IotId, if it exists at ``t``; without a time, if it ever does."""
        life = self._by_iot_id.get(iot_id)
        return life.key if life and (t is None or life.exists_at(t)) else None

    def on_target_at(self, job_id: str, t: float) -> list[str]:
        """The truth: the targeted devices that really run the batch's version at ``t``, with or without a task."""
        rollout = self._rollouts[job_id]
        firmware = rollout.firmware
        found = []
        for name, _course in rollout.job.devices:
            life = self._lives.at((firmware.product_key, name), t)
            if life and life.versions_at(t).get(firmware.module_name) == firmware.dest_version:
                found.append(name)
        return found

    @property
    def job_ids(self) -> list[str]:
        """All batches, oldest first."""
        return list(self._rollouts)

    @cached_property
    def _by_iot_id(self) -> dict[str, Life]:
        return {life.iot_id: life for life in self._lives}

    def _device_rows(self, key: DeviceKey, t: float) -> list[tuple[Rollout, int]]:
        """The tasks that the device has at ``t``, newest first."""
        life = self._lives.at(key, t)
        found = []
        for rollout, number in reversed(self._tasks_of.get(key, ())):
            task = rollout.tasks[number]
            if task.life is life and task.is_listed_at(t):
                found.append((rollout, number))
        return found

    # Building

    def _turns(self) -> Iterator[_Turn]:
        for rollout in self._rollouts.values():
            begin = rollout.tasks_from
            limit = rollout.job.maximum_per_minute if rollout.job.need_push else None
            for place, (name, course) in enumerate(rollout.job.devices):
                yield _Turn(begin, rollout, name, course, place // limit * 60 if limit else 0)
                for again in course.again:
                    yield _Turn(begin + again.after, rollout, name, again.course, same_task=again.same_task)

    def _take(self, turn: _Turn) -> None:
        rollout, firmware = turn.rollout, turn.rollout.firmware
        life = self._lives.enrolled_at((firmware.product_key, turn.name), turn.begin)
        if life is None:
            return
        done = turn.course.name == "already_on_target"
        life.starts_with({firmware.module_name: firmware.dest_version if done else firmware.src_version})
        reports = life.reports[firmware.module_name]
        src = version_at(reports, turn.begin)
        batch = self._batch(turn, src)
        life.meets(turn.begin, online_from(turn.course, batch))
        if done or src == firmware.dest_version:
            return
        plan = plan_task(turn.course, batch)
        plan = frozen(plan, life.end) if life.end < FOREVER else plan
        plan = rollout.cut_short(plan, life)
        if not plan.steps:
            return
        if not (turn.same_task and rollout.restart(life, plan)):
            rollout.add(life, src, plan, turn.course.options.get("listed_after", 0))
            self._tasks_of.setdefault(life.key, []).append((rollout, len(rollout.tasks) - 1))
        if plan.reports:
            reports.extend(plan.reports)
            reports.sort(key=lambda report: report.at)

    def _batch(self, turn: _Turn, src: str) -> Batch:
        """What the course of the device must know."""
        rollout, job = turn.rollout, turn.rollout.job
        return Batch(
            job_id=job.job_id,
            src_version=src,
            dest_version=rollout.firmware.dest_version,
            created=turn.begin,
            released=max(rollout.start, turn.begin) + turn.late,
            timeout=(job.timeout_in_minutes or 0) * 60,
            retries=job.retry_count or 0,
            retry_interval=(job.retry_interval or 0) * 60,
            retries_visible=job.retries_visible,
            pushed=job.need_push,
            need_confirm=job.need_confirm,
            confirmed_after=job.confirmed_after,
            chance=chance_of(self.scenario.seed, job.job_id, turn.name),
            busy_with=turn.course.options.get("busy_with", self._homes.get(job.job_id, {}).get(turn.name, "")),
        )


def _courses(course: Course) -> Iterator[Course]:
    """A course and all that follow it."""
    yield course
    yield from (again.course for again in course.again)


def _has_busy(job: Job) -> bool:
    return any(each.name == "busy" for _name, course in job.devices for each in _courses(course))


def _homes(jobs: Collection[Job], job: Job, firmwares: dict[str, Firmware]) -> dict[str, str]:
    """For each device, the first other batch for the same module that really has it."""
    firmware = firmwares[job.firmware_id]
    homes: dict[str, str] = {}
    for other in jobs:
        theirs = firmwares[other.firmware_id]
        same = (theirs.product_key, theirs.module_name) == (firmware.product_key, firmware.module_name)
        if other.job_id != job.job_id and same:
            for name, course in other.devices:
                if course.name not in ("busy", "already_on_target"):
                    homes.setdefault(name, other.job_id)
    return homes


def _foreign_jobs(scenario: Scenario, firmwares: dict[str, Firmware]) -> Iterator[Job]:
    """A batch of its own for busy devices that no other batch of the scenario has."""
    for job in scenario.jobs:
        busy = [(name, each) for name, course in job.devices for each in _courses(course) if each.name == "busy"]
        if not busy:
            continue
        homes = _homes(scenario.jobs, job, firmwares)
        alone = {name: Course("silent", {}) for name, c in busy if name not in homes and "busy_with" not in c.options}
        if alone:
            yield Job(f"{job.job_id}9", job.firmware_id, tuple(alone.items()), created_before=job.created_before + 60)
