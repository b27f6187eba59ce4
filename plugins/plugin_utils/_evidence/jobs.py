# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a batch and of its tasks: at most nine requests for a batch of any size, unless all are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...module_utils._api.facts import count_by
from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB, MAX_ROWS, TASK_STATUSES
from ...module_utils._client.client import Client
from ...module_utils._client.paging import LISTING_ATTEMPTS, listing_problem
from ...module_utils._queries.jobs import (
    JobFacts,
    announced_total,
    interpret_tasks,
    plan_queries,
    read_job,
    run_query,
)
from .._rollout.policy import ExpectedDevice
from .._rollout.snapshot import JobSnapshot

#: Tasks that one request returns.
PAGE_SIZE = LIST_OTA_TASK_BY_JOB.page_size
#: List the tasks of a batch up to this many: nine requests, with its state and its first page.
MAX_LISTED = 7 * PAGE_SIZE
#: From the end of a task's life to its start: a task that moves on while others are counted is then missed, which
#: shows, and never counted twice.
_FINAL_FIRST = ("SUCCEEDED", "FAILED", "CANCELED", *TASK_STATUSES[3::-1])


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


def _names_all(job: JobSnapshot) -> bool:
    """Whether each task names its device: a list that does not is no use, and the next one may."""
    return all(task.get("device_name") for task in job.tasks)


class TaskLists:
    """Reads all tasks of batches that are too large for that at each poll: once for the same numbers.

    Of a batch that is too large to be listed, it reads the tasks of the ``expected`` devices, by their names.
    """

    def __init__(self, client: Client, expected: Sequence[ExpectedDevice] | None = None) -> None:
        self._client = client
        self._expected = expected
        self._latest: dict[str, JobSnapshot] = {}

    def read(self, job: JobSnapshot) -> Observation:
        """All tasks of ``job``, as it was polled. A complete list is taken again as long as no number has changed.

        :raises OtaError: no usable response.
        """
        known = self._latest.get(job.job_id)
        if known and not job.all_listed and (known.counts, known.total) == (job.counts, job.total):
            return Observation(known._replace(facts=job.facts))
        if self.needs_names(job):
            listed = self._read_expected(job)
        else:
            listed = read_tasks(self._client, job.job_id, job.facts, job.total)
        if not listed.problem and listed.job.counts == job.counts and _names_all(listed.job):
            self._latest[job.job_id] = listed.job
        return listed

    def needs_names(self, job: JobSnapshot) -> bool:
        """Whether the tasks of the expected devices are all that can be read, by queries that run in parallel."""
        return self._expected is not None and job.total > MAX_ROWS

    def _read_expected(self, job: JobSnapshot) -> Observation:
        names = [device.device_name for device in self._expected or () if device.product_key in (None, job.product_key)]
        queries = plan_queries(job.job_id, None, names, counts_only=False)
        listings, failure = self._client.map(lambda query: run_query(self._client, {}, query), queries)
        if failure:
            raise failure
        tasks = [task for listing in listings for task in listing.tasks]
        problem = next((listing.problem for listing in listings if listing.problem), None)
        return Observation(
            job._replace(tasks=tasks, all_listed=True, of_expected=True),
            problem and f"the tasks of the expected devices in batch {job.job_id} are incomplete: {problem}",
        )
