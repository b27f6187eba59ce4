# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet: a pure function of a scenario and the seconds on the rollout clock."""

from __future__ import annotations

import base64
import bisect
import hashlib
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import NamedTuple

from .courses import FINISHED, FOREVER, Batch, Course, Plan, Report, chance_of, cut_short, plan_task, progress_at
from .scenario import Device, Firmware, Job, Scenario

DeviceKey = tuple[str, str]  # product key, device name
_PROGRESS_STEP = 5.0  # percent; devices report progress in such steps


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
    device: str
    src_version: str
    status: str
    progress: float
    desc: str
    created: float
    modified: float


class _Task(NamedTuple):
    number: int
    device: str
    src_version: str
    plan: Plan
    times: tuple[float, ...]


class _Rollout:
    """A batch with the timelines of all its tasks."""

    def __init__(self, job: Job, firmware: Firmware) -> None:
        self.job = job
        self.firmware = firmware
        self.created = -job.created_before
        self.start = self.created + (job.scheduled_after or 0)
        self.tasks_from = self.created + job.tasks_after
        self.canceled = FOREVER if job.canceled_after is None else self.created + job.canceled_after
        self.tasks: list[_Task] = []
        self.places: dict[str, int] = {}
        self.number = int.from_bytes(hashlib.blake2b(job.job_id.encode(), digest_size=8).digest(), "big") % 10**11

    def add(self, device: str, src_version: str, plan: Plan) -> None:
        times = tuple(step.at for step in plan.steps)
        self.places[device] = len(self.tasks)
        self.tasks.append(_Task(len(self.tasks), device, src_version, plan, times))

    @cached_property
    def completed(self) -> float:
        """When no task is unfinished any more; never for a dynamic batch."""
        if self.job.dynamic:
            return FOREVER
        quiet = max(self.start, self.tasks_from)
        for task in self.tasks:
            last = task.plan.steps[-1]
            if last.status not in FINISHED:
                return FOREVER
            quiet = max(quiet, last.at)
        return quiet

    def status_at(self, t: float) -> str:
        if self.canceled <= min(t, self.completed):
            return "CANCELED"
        if t < self.start:
            return "PLANNED"
        return "COMPLETED" if t >= self.completed else "IN_PROGRESS"

    def view(self, t: float) -> JobView:
        status = self.status_at(t)
        ended = {"COMPLETED": self.completed, "CANCELED": self.canceled}.get(status)
        started = self.start if t >= self.start and self.start < self.canceled else None
        modified = max(moment for moment in (self.created, started, ended) if moment is not None)
        return JobView(self.job, self.firmware, status, self.created, modified, started, ended)

    def task_view(self, task: _Task, t: float) -> TaskView:
        place = bisect.bisect_right(task.times, t) - 1
        steps = task.plan.steps
        step = steps[place]
        progress, modified = step.progress, step.at
        if step.status == "IN_PROGRESS":
            exact = progress_at(steps, place, t)
            progress = exact - exact % _PROGRESS_STEP if exact != step.progress else exact
            if progress > step.progress:
                following = steps[place + 1]
                share = (progress - step.progress) / (following.progress - step.progress)
                modified = step.at + share * (following.at - step.at)
        task_id = f"{self.number:011d}{task.number:07d}"
        return TaskView(
            self.job,
            self.firmware,
            task.number,
            task_id,
            task.device,
            task.src_version,
            step.status,
            progress,
            step.desc,
            task.times[0],
            modified,
        )

    def there_at(self, t: float) -> bool:
        return t >= self.tasks_from


def _status_at(task: _Task, t: float) -> str:
    return task.plan.steps[bisect.bisect_right(task.times, t) - 1].status


class World:
    """All products, devices, packages and batches of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.products = {product.product_key: product for product in scenario.products}
        self.firmwares = {firmware.firmware_id: firmware for firmware in scenario.firmwares}
        self._versions: dict[DeviceKey, dict[str, list[Report]]] = {}
        self._rollouts: dict[str, _Rollout] = {}
        self._tasks_of: dict[DeviceKey, list[tuple[_Rollout, _Task]]] = {}
        for device in scenario.devices:
            self._add_device(device)
        jobs = [*scenario.jobs, *_foreign_jobs(scenario, self.firmwares)]
        for job in sorted(jobs, key=lambda job: -job.created_before):
            self._add_job(job, jobs)

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
        if not rollout.there_at(t):
            return 0, []
        tasks = rollout.tasks
        if statuses:
            tasks = [task for task in tasks if _status_at(task, t) in statuses]
        page = tasks[offset:] if count is None else tasks[offset : offset + count]
        return len(tasks), [rollout.task_view(task, t) for task in page]

    def tasks_of_names_at(self, job_id: str, t: float, names: Collection[str]) -> list[TaskView]:
        """The tasks of the named devices in a batch; devices without one are left out."""
        rollout = self._rollouts[job_id]
        if not rollout.there_at(t):
            return []
        places = [rollout.places[name] for name in dict.fromkeys(names) if name in rollout.places]
        return [rollout.task_view(rollout.tasks[place], t) for place in places]

    def device_tasks_at(self, key: DeviceKey, t: float) -> list[TaskView]:
        """All tasks of one device that exist at ``t``, newest batch first."""
        rows = self._tasks_of.get(key, [])
        return [rollout.task_view(task, t) for rollout, task in reversed(rows) if rollout.there_at(t)]

    def device_jobs_at(self, key: DeviceKey, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package in which the device has a task, newest first."""
        rows = self._tasks_of.get(key, [])
        return [
            rollout.view(t)
            for rollout, _task in reversed(rows)
            if rollout.job.firmware_id == firmware_id and rollout.there_at(t)
        ]

    def firmware_jobs_at(self, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package, newest first."""
        rows = [rollout for rollout in self._rollouts.values() if rollout.job.firmware_id == firmware_id]
        return [rollout.view(t) for rollout in reversed(rows)]

    def versions_at(self, device: str, t: float, product_key: str | None = None) -> dict[str, str]:
        """The version each module of the device really reports; without a product the first device of that name."""
        if product_key is None:
            product_key = next((key[0] for key in self._versions if key[1] == device), "")
        return {module: _version_at(reports, t) for module, reports in self._versions[(product_key, device)].items()}

    def has_device(self, key: DeviceKey) -> bool:
        """Whether the product has a device of that name."""
        return key in self._versions

    def on_target_at(self, job_id: str, t: float) -> list[str]:
        """The truth: the targeted devices that really run the batch's version at ``t``, with or without a task."""
        rollout = self._rollouts[job_id]
        firmware = rollout.firmware
        found = []
        for name, _course in rollout.job.devices:
            reports = self._versions[(firmware.product_key, name)].get(firmware.module_name)
            if reports and _version_at(reports, t) == firmware.dest_version:
                found.append(name)
        return found

    @property
    def job_ids(self) -> list[str]:
        """All batches, oldest first."""
        return list(self._rollouts)

    def device_of(self, device_id: str) -> DeviceKey | None:
        """The device with this IotId."""
        return self._by_iot_id.get(device_id)

    @cached_property
    def _by_iot_id(self) -> dict[str, DeviceKey]:
        return {iot_id(key): key for key in self._versions}

    # Building

    def _add_device(self, device: Device) -> None:
        reports = {module: [Report(-FOREVER, version)] for module, version in device.versions.items()}
        self._versions[(device.product_key, device.name)] = reports

    def _add_job(self, job: Job, jobs: Collection[Job]) -> None:
        firmware = self.firmwares[job.firmware_id]
        rollout = self._rollouts[job.job_id] = _Rollout(job, firmware)
        others = _homes(jobs, job, self.firmwares) if any(c.name == "busy" for _n, c in job.devices) else {}
        for place, (name, course) in enumerate(job.devices):
            reports = self._reports(firmware, name, course)
            src = _version_at(reports, rollout.tasks_from)
            if course.name == "already_on_target" or src == firmware.dest_version:
                continue
            batch = _batch(
                rollout, place, name, src, self.scenario.seed, course.options.get("busy_with", others.get(name, ""))
            )
            plan = plan_task(course, batch)
            if rollout.canceled < FOREVER:
                plan = cut_short(plan, rollout.canceled, job.dynamic)
            if plan.steps:
                rollout.add(name, src, plan)
                reports.extend(plan.reports)
                reports.sort(key=lambda report: report.at)
                self._tasks_of.setdefault((firmware.product_key, name), []).append((rollout, rollout.tasks[-1]))

    def _reports(self, firmware: Firmware, name: str, course: Course) -> list[Report]:
        """The device's reported versions of the package's module; a new device starts on the source version."""
        first = firmware.dest_version if course.name == "already_on_target" else firmware.src_version
        modules = self._versions.setdefault((firmware.product_key, name), {})
        return modules.setdefault(firmware.module_name, [Report(-FOREVER, first)])


def iot_id(key: DeviceKey) -> str:
    """A made-up, stable IotId of a device."""
    digest = hashlib.blake2b("\0".join(key).encode(), digest_size=18).digest()
    return base64.b64encode(digest, altchars=b"ab").decode("ascii") + "000000"


def _version_at(reports: list[Report], t: float) -> str:
    version = reports[0].version
    for report in reports:
        if report.at > t:
            break
        version = report.version
    return version


def _batch(rollout: _Rollout, place: int, name: str, src: str, seed: int, busy_with: str) -> Batch:
    """What the course of the device at ``place`` must know; the rate limit pushes so many devices a minute."""
    job = rollout.job
    late = place // job.maximum_per_minute * 60 if job.maximum_per_minute else 0
    return Batch(
        job_id=job.job_id,
        src_version=src,
        dest_version=rollout.firmware.dest_version,
        created=rollout.tasks_from,
        released=max(rollout.start, rollout.tasks_from) + late,
        timeout=(job.timeout_in_minutes or 0) * 60,
        retries=job.retry_count or 0,
        retry_interval=(job.retry_interval or 0) * 60,
        chance=chance_of(seed, job.job_id, name),
        busy_with=busy_with,
    )


def _homes(jobs: Collection[Job], job: Job, firmwares: dict[str, Firmware]) -> dict[str, str]:
    """For each device, the first other batch of the same product that really has it."""
    product = firmwares[job.firmware_id].product_key
    homes: dict[str, str] = {}
    for other in jobs:
        if other.job_id != job.job_id and firmwares[other.firmware_id].product_key == product:
            for name, course in other.devices:
                if course.name not in ("busy", "already_on_target"):
                    homes.setdefault(name, other.job_id)
    return homes


def _foreign_jobs(scenario: Scenario, firmwares: dict[str, Firmware]) -> Iterator[Job]:
    """A batch of its own for busy devices that no other batch of the scenario has."""
    for job in scenario.jobs:
        busy = [(name, course) for name, course in job.devices if course.name == "busy"]
        if not busy:
            continue
        homes = _homes(scenario.jobs, job, firmwares)
        alone = tuple(
            (name, Course("silent", {})) for name, c in busy if name not in homes and "busy_with" not in c.options
        )
        if alone:
            yield Job(f"{job.job_id}9", job.firmware_id, alone, created_before=job.created_before + 60)
