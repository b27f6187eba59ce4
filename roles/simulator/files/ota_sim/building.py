# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a scenario to its devices and batches, with the timelines of all tasks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from .courses import Batch, Course, chance_of, online_from, plan_task
from .lives import DeviceKey, Lives
from .model import Firmware, Job, Scenario
from .rollouts import Rollout
from .timelines import FOREVER, frozen, until, version_at


class _Turn(NamedTuple):
    """A device's turn in a batch: at its beginning, or again; ``late`` are the seconds that the rate limit costs."""

    begin: float
    rollout: Rollout
    name: str
    course: Course
    late: float = 0
    same_task: bool = False


class Builder:
    """Takes the turns of all devices in order of time, because each depends on what came before it."""

    def __init__(self, scenario: Scenario, firmwares: dict[str, Firmware], begun: Mapping[str, float]) -> None:
        self._seed = scenario.seed
        jobs = [*scenario.jobs, *_foreign_jobs(scenario, firmwares)]
        ordered = sorted(jobs, key=lambda job: job.created)
        self._homes = {job.job_id: _homes(jobs, job, firmwares) for job in jobs if _has_busy(job)}
        self.lives = Lives(scenario.devices)
        zeros = {job.job_id: begun.get(job.job_id) if scenario.waits else 0.0 for job in jobs}
        self.rollouts = {job.job_id: Rollout(job, firmwares[job.firmware_id], zeros[job.job_id]) for job in ordered}
        self.tasks_of: dict[DeviceKey, list[tuple[Rollout, int]]] = {}
        for turn in sorted(self._turns(), key=lambda turn: turn.begin):
            if not turn.rollout.stands or turn.begin <= 0:
                self._take(turn)
        self.lives.settle()
        for rollout in self.rollouts.values():
            rollout.settle()

    def _turns(self) -> Iterator[_Turn]:
        for rollout in self.rollouts.values():
            begin = rollout.tasks_from
            limit = rollout.job.maximum_per_minute if rollout.job.need_push else None
            for place, (name, course) in enumerate(rollout.job.devices):
                yield _Turn(begin, rollout, name, course, place // limit * 60 if limit else 0)
                for again in course.again:
                    yield _Turn(begin + again.after, rollout, name, again.course, same_task=again.same_task)

    def _take(self, turn: _Turn) -> None:
        rollout, firmware = turn.rollout, turn.rollout.firmware
        life = self.lives.enrolled_at((firmware.product_key, turn.name), turn.begin)
        if life is None:
            return
        done = turn.course.name == "already_on_target"
        life.starts_with({firmware.module_name: firmware.dest_version if done else firmware.src_version})
        reports = life.reports[firmware.module_name]
        src = version_at(reports, turn.begin)
        batch = self._batch(turn, src)
        online = online_from(turn.course, batch)
        life.meets(turn.begin, FOREVER if rollout.stands and online > 0 else online)
        if done or src == firmware.dest_version:
            return
        plan = plan_task(turn.course, batch)
        plan = frozen(plan, life.end) if life.end < FOREVER else plan
        plan = rollout.cut_short(until(plan, 0) if rollout.stands else plan, life)
        if not plan.steps:
            return
        if not (turn.same_task and rollout.restart(life, plan)):
            rollout.add(life, src, plan, turn.course.options.get("listed_after", 0))
            self.tasks_of.setdefault(life.key, []).append((rollout, len(rollout.tasks) - 1))
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
            chance=chance_of(self._seed, job.job_id, turn.name),
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
            yield Job(f"{job.job_id}9", job.firmware_id, tuple(alone.items()), created_before=60 - job.created)
