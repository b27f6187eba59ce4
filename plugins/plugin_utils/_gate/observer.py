# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a poll reads: at most nine requests for a batch of any size, and the proof only when it decides.

As long as the module of a batch is not known, its package or a few of its open tasks are asked as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, TypeVar

from ...module_utils._api.error_codes import GENERAL_TOPICS, FailureTopic, failure_topic
from ...module_utils._api.facts import count_by
from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB, MAX_ROWS, TASK_STATUSES, UNFINISHED_TASK_STATUSES
from ...module_utils._client.client import Client
from ...module_utils._client.paging import LISTING_ATTEMPTS, listing_problem
from ...module_utils._errors import OtaError, Retry
from ...module_utils._queries.devices import DeviceKey, DeviceReport, competing_job, module_of_job, read_report
from ...module_utils._queries.jobs import JobFacts, announced_total, interpret_tasks, read_job, read_module
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot, Snapshot
from .clock import Clock

Q = TypeVar("Q")
T = TypeVar("T")

#: Tasks that one request returns.
PAGE_SIZE = LIST_OTA_TASK_BY_JOB.page_size
#: List the tasks of a batch up to this many: nine requests, with its state and its first page.
MAX_LISTED = 7 * PAGE_SIZE
#: Ask the open tasks of at most this many devices for the module of a batch: some devices may be gone.
MAX_ASKED = 3
#: Blame the service, and not the devices, for this many failures in a row.
MAX_FAILED = 10
#: Blame it for this many if no device at all can be read.
MIN_FAILED = 3
#: From the end of a task's life to its start: a task that moves on while others are counted is then missed, which
#: shows, and never counted twice.
_FINAL_FIRST = ("SUCCEEDED", "FAILED", "CANCELED", *TASK_STATUSES[3::-1])


class Reading(NamedTuple):
    """How many of how many devices have been read."""

    done: int
    total: int


class Observer:
    """Reads what a gate judges."""

    def __init__(self, client: Client, job_ids: Sequence[str], needs_modules: bool, clock: Clock) -> None:
        self._keys_read: list[DeviceKey] = []
        self._keys_to_read = 0
        self._client = client
        self._job_ids = job_ids
        self._modules = JobModules(client) if needs_modules else None
        self._clock = clock

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of the gate's, in seconds, as far as that is known."""
        return self._clock.from_wall(self._client.clock_offset)

    @property
    def reading(self) -> Reading | None:
        """How many versions have been read, while they are read."""
        return Reading(len(self._keys_read), self._keys_to_read) if self._keys_to_read else None

    def observe_jobs(self) -> Snapshot:
        """The state of the batches.

        :raises OtaError: no usable response.
        """
        return self._snapshot_of(self._read_each(lambda job_id: observe_job(self._client, job_id), self._job_ids))

    def read_all_tasks(self, jobs: Sequence[JobSnapshot]) -> Snapshot:
        """The same ``jobs`` with all of their tasks.

        :raises OtaError: no usable response.
        """
        return self._snapshot_of([read_tasks(self._client, job.job_id, job.facts, job.total) for job in jobs])

    def read_versions(self, snapshot: Snapshot, keys: Sequence[DeviceKey]) -> Snapshot:
        """The same ``snapshot`` with what the devices report. One that cannot be read does not speak for the others.

        :raises OtaError: no usable response.
        """
        self._keys_read, self._keys_to_read = [], len(keys)
        failures: list[OtaError] = []
        try:
            reports = self._read_each(lambda key: self._read_report(key, failures), keys)
        finally:
            self._keys_to_read = 0
        return snapshot._replace(
            versions={**(snapshot.versions or {}), **dict(zip(keys, reports))},
            now=self._clock.now(),
            clock_offset=self.clock_offset,
        )

    def explain(self, snapshot: Snapshot, unread: Sequence[DeviceKey], suspects: Sequence[DeviceKey]) -> Snapshot:
        """The same ``snapshot`` with the versions of more devices and the other batches that keep ``suspects`` busy,
        as far as these can be read.
        """
        if unread:
            with contextlib.suppress(OtaError):  # nothing is decided by these versions
                snapshot = self.read_versions(snapshot, unread)._replace(now=snapshot.now)
        found, _failure = self._client.map(lambda key: (key, competing_job(self._client, key, self._job_ids)), suspects)
        return snapshot._replace(busy={key: job_id for key, job_id in found if job_id})

    def _read_report(self, key: DeviceKey, failures: list[OtaError]) -> DeviceReport:
        try:
            report = read_report(self._client, key)
        except OtaError as error:
            failures.append(error)
            if self._is_general(error, failures):
                raise
            return DeviceReport(failure=str(error).rstrip("."))
        self._keys_read.append(key)  # a number would lose counts, because several threads read at the same time
        failures.clear()
        return report

    def _is_general(self, error: OtaError, failures: Sequence[OtaError]) -> bool:
        """Whether the other devices would meet the same, by the ``error`` and by all ``failures`` in a row."""
        if error.affects_all or sum(map(_may_pass, failures)) >= MAX_FAILED:
            return True
        if len(failures) < self._keys_to_read:
            return False
        return len(failures) >= MIN_FAILED or failure_topic(error.code, error.http_status) is not FailureTopic.OTHER

    def _read_each(self, query: Callable[[Q], T], items: Sequence[Q]) -> list[T]:
        results, failure = self._client.map(query, items)
        if failure:
            raise failure
        return results

    def _snapshot_of(self, observations: Sequence[Observation]) -> Snapshot:
        problems = tuple(observation.problem for observation in observations if observation.problem)
        jobs = tuple(self._with_module(observation.job) for observation in observations)
        return Snapshot(self._clock.now(), jobs, problems=problems, clock_offset=self.clock_offset)

    def _with_module(self, job: JobSnapshot) -> JobSnapshot:
        return job._replace(module_name=self._modules.module_of(job)) if self._modules else job


def _may_pass(error: OtaError) -> bool:
    """Whether it is a failure of the moment, and not one of the device."""
    return error.retry is not Retry.NEVER or failure_topic(error.code, error.http_status) is not FailureTopic.OTHER


class Observation(NamedTuple):
    """A batch, and why what was read of it is incomplete."""

    job: JobSnapshot
    problem: str | None = None


def observe_job(client: Client, job_id: str) -> Observation:
    """The state of a batch and of its tasks, as far as a poll needs them.

    :raises OtaError: no usable response.
    """
    facts = read_job(client, job_id)
    if not facts["found"]:
        return Observation(JobSnapshot(job_id, None, {}, 0))
    first = client.first_page(LIST_OTA_TASK_BY_JOB, size=PAGE_SIZE, job_id=job_id)
    if first is None:
        return Observation(JobSnapshot(job_id, facts, {}, 0), f"the service knows batch {job_id} but not its tasks")
    if first.announced is None:
        return Observation(
            JobSnapshot(job_id, facts, {}, 0), f"the service does not say how many tasks batch {job_id} has"
        )
    if first.announced > MAX_LISTED:
        return _count_by_status(client, job_id, facts, first.announced)
    if first.announced > PAGE_SIZE:
        return read_tasks(client, job_id, facts, attempts=1)
    return _fully_listed(
        job_id, facts, first.rows, first.announced, listing_problem(LIST_OTA_TASK_BY_JOB, first, 1, first.rows)
    )


def _count_by_status(client: Client, job_id: str, facts: JobFacts, total: int) -> Observation:
    """How many tasks are in each state, by the service's own numbers, with some of those that did not succeed."""
    counts: dict[str, int] = {}
    tasks: list[dict[str, Any]] = []
    for status in _FINAL_FIRST:
        size = 1 if status == "SUCCEEDED" else PAGE_SIZE
        page = client.first_page(LIST_OTA_TASK_BY_JOB, size=size, job_id=job_id, task_status=status)
        number = announced_total(page, status, size)
        if page is None or number is None:  # it does not follow the requested state
            return read_tasks(client, job_id, facts, total, attempts=1)
        counts[status] = number
        if status != "SUCCEEDED":
            tasks += page.rows
    if sum(counts.values()) > total:  # tasks may have been added meanwhile
        again = client.first_page(LIST_OTA_TASK_BY_JOB, job_id=job_id)
        total = max(total, (again and again.announced) or 0)
    return Observation(JobSnapshot(job_id, facts, counts, total, interpret_tasks(tasks), all_listed=False))


def read_tasks(
    client: Client, job_id: str, facts: JobFacts | None, total: int = 0, attempts: int = LISTING_ATTEMPTS
) -> Observation:
    """All tasks of a batch.

    :raises OtaError: no usable response.
    """
    if total > MAX_ROWS:
        return Observation(JobSnapshot(job_id, facts, {}, total, all_listed=False))
    listing = client.listing(LIST_OTA_TASK_BY_JOB, attempts=attempts, job_id=job_id)
    if listing is None:
        return Observation(JobSnapshot(job_id, facts, {}, 0), f"the service knows batch {job_id} but not its tasks")
    problem = listing.problem or ("no total is announced" if listing.announced is None else None)
    return _fully_listed(job_id, facts, listing.rows, listing.announced or len(listing.rows), problem)


def _fully_listed(
    job_id: str, facts: JobFacts | None, rows: list[dict[str, Any]], total: int, problem: str | None
) -> Observation:
    job = JobSnapshot(job_id, facts, count_by(rows, "task_status", TASK_STATUSES), total, interpret_tasks(rows))
    return Observation(job, problem and f"the task list of batch {job_id} is incomplete: {problem}")


# --- Modules ----------------------------------------------------------------------------------------------------------


class JobModules:
    """Learns which module each batch is for, once.

    No fact of a batch says it, but its package does, and so do its open tasks. Where neither may be read, the rollout
    is read all the same.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_package: dict[str, str | None] = {}
        self._by_job: dict[str, str] = {}
        self._may_read_tasks = True

    def module_of(self, job: JobSnapshot) -> str | None:
        """The module of a batch, ``None`` as long as nothing shows it.

        :raises OtaError: nothing can be read at all, or what shows the module cannot be read at this moment.
        """
        if job.facts is None:
            return None
        if job.job_id not in self._by_job:
            module_name = self._learn(job)
            if module_name is None:
                return None
            self._by_job[job.job_id] = module_name
        return self._by_job[job.job_id]

    def _learn(self, job: JobSnapshot) -> str | None:
        failure = None
        for read in (self._module_of_package, self._module_of_tasks):
            try:
                module_name = read(job)
            except OtaError as error:
                _raise_if_general(error)
                failure = error
            else:
                if module_name is not None:
                    return module_name
        if failure is not None:  # no verdict on an assumption in place of what the next poll may read
            raise failure
        return None

    def _module_of_package(self, job: JobSnapshot) -> str | None:
        """:raises OtaError: it cannot be read at this moment."""
        firmware_id = (job.facts or {}).get("firmware_id")
        if not isinstance(firmware_id, str) or not firmware_id:
            return None
        if firmware_id not in self._by_package:
            try:
                self._by_package[firmware_id] = read_module(self._client, firmware_id)
            except OtaError as error:
                if error.retry is not Retry.NEVER:
                    raise
                _raise_if_general(error)
                self._by_package[firmware_id] = None
        return self._by_package[firmware_id]

    def _module_of_tasks(self, job: JobSnapshot) -> str | None:
        """:raises OtaError: they cannot be read at this moment."""
        unfinished = {task_key(task, job) for task in job.tasks if task.get("task_status") in UNFINISHED_TASK_STATUSES}
        named = sorted(key for key in unfinished if all(key))
        for key in named[:MAX_ASKED] if self._may_read_tasks else ():
            try:
                module_name = module_of_job(self._client, key, job.job_id)
            except OtaError as error:
                if error.retry is not Retry.NEVER:
                    raise
                _raise_if_general(error)
                self._may_read_tasks = failure_topic(error.code, error.http_status) is not FailureTopic.PERMISSION
                module_name = None
            if module_name is not None or not self._may_read_tasks:
                return module_name
        return None


def _raise_if_general(error: OtaError) -> None:
    """:raises OtaError: the ``error`` is about more than this question."""
    if failure_topic(error.code, error.http_status) in GENERAL_TOPICS:
        raise error
