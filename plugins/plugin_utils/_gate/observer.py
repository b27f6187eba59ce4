# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look at a rollout asks: at most nine requests for a batch of any size, and the proof only when it decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...module_utils._api.facts import tally
from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB, MAX_ROWS, TASK_STATUSES
from ...module_utils._client.client import Client
from ...module_utils._client.paging import LISTING_ATTEMPTS, listing_problem
from ...module_utils._queries.jobs import explain, read_job, total_of
from .._verdict.snapshot import Batch

#: So many tasks come with one request.
PAGE = LIST_OTA_TASK_BY_JOB.page_size


#: So many tasks are listed whole: with the state of the batch and its first page that makes nine requests.
LISTED = 7 * PAGE


#: From the end of a task's life to its beginning, so that one that moves on while others are counted is missed in
#: between, which shows, and never counted twice.
_ENDS_FIRST = ("SUCCEEDED", "FAILED", "CANCELED", *TASK_STATUSES[3::-1])


class Survey(NamedTuple):
    """A batch, and why what is known of it is not whole."""

    batch: Batch
    problem: str | None = None


def survey(client: Client, job_id: str) -> Survey:
    """Where a batch is.

    :raises OtaError: no usable answer.
    """
    job = read_job(client, job_id)
    if not job["found"]:
        return Survey(Batch(job_id, None, {}, 0))
    first = client.peek(LIST_OTA_TASK_BY_JOB, size=PAGE, job_id=job_id)
    if first is None:
        return Survey(Batch(job_id, job, {}, 0), f"the service knows batch {job_id} but not its tasks")
    if first.announced is None:
        return Survey(Batch(job_id, job, {}, 0), f"the service does not say how many tasks batch {job_id} has")
    if first.announced > LISTED:
        return _count(client, job_id, job, first.announced)
    if first.announced > PAGE:
        return read_tasks(client, job_id, job, attempts=1)
    return _whole(job_id, job, first.rows, first.announced, listing_problem(LIST_OTA_TASK_BY_JOB, first, 1, first.rows))


def _count(client: Client, job_id: str, job: Mapping[str, Any], total: int) -> Survey:
    """How many tasks are in each state, by the service's own numbers, with some of those that are not well."""
    counts: dict[str, int] = {}
    tasks: list[dict[str, Any]] = []
    for status in _ENDS_FIRST:
        size = 1 if status == "SUCCEEDED" else PAGE
        page = client.peek(LIST_OTA_TASK_BY_JOB, size=size, job_id=job_id, task_status=status)
        number = total_of(page, status, size)
        if page is None or number is None:  # it does not follow the state that was asked for, and tells nothing
            return read_tasks(client, job_id, job, total, attempts=1)
        counts[status] = number
        if status != "SUCCEEDED":
            tasks += page.rows
    if sum(counts.values()) > total:  # tasks may have been added meanwhile
        again = client.peek(LIST_OTA_TASK_BY_JOB, job_id=job_id)
        total = max(total, (again and again.announced) or 0)
    explain(tasks)
    return Survey(Batch(job_id, job, counts, total, tasks, whole=False))


def read_tasks(
    client: Client, job_id: str, job: Mapping[str, Any] | None, total: int = 0, attempts: int = LISTING_ATTEMPTS
) -> Survey:
    """All tasks of a batch.

    :raises OtaError: no usable answer.
    """
    if total > MAX_ROWS:
        return Survey(Batch(job_id, job, {}, total, whole=False))
    listing = client.listing(LIST_OTA_TASK_BY_JOB, attempts=attempts, job_id=job_id)
    if listing is None:
        return Survey(Batch(job_id, job, {}, 0), f"the service knows batch {job_id} but not its tasks")
    problem = listing.problem or ("no total is announced" if listing.announced is None else None)
    return _whole(job_id, job, listing.rows, listing.announced or len(listing.rows), problem)


def _whole(
    job_id: str, job: Mapping[str, Any] | None, rows: list[dict[str, Any]], total: int, problem: str | None
) -> Survey:
    explain(rows)
    batch = Batch(job_id, job, tally(rows, "task_status", TASK_STATUSES), total, rows)
    return Survey(batch, problem and f"the list of the tasks of batch {job_id} is not whole: {problem}")
