# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a batch and how its devices ended: which queries to run, and what their results say together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypedDict, cast

from .._api.facts import count_by, no_facts
from .._api.operations import (
    FINISHED_JOB_STATUSES,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    MAX_DEVICE_NAMES,
    MAX_ROWS,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
    TASK_STATUSES,
)
from .._client.client import Client
from .._client.paging import LISTING_ATTEMPTS, Listing
from .._text import MAX_TEXT, printable, printable_facts

#: The options that say which batch is meant, and the fact that each is compared with.
EXPECTATIONS: Mapping[str, str] = MappingProxyType(
    {
        "expected_product_key": "product_key",
        "expected_firmware_id": "firmware_id",
        "expected_version": "dest_version",
        "expected_job_type": "job_type",
    }
)

FailureClass = Literal["upgrade", "download", "verify", "flash", "timeout", "wrong_version", "other"]


class JobFacts(TypedDict, total=False):
    """The facts about a batch that are judged, of all those that the API returns."""

    job_id: str
    found: bool
    finished: bool
    job_status: str | None
    job_type: str | None
    name: str | None
    job_desc: str | None
    product_key: str | None
    firmware_id: str | None
    src_versions: list[str]
    dest_version: str | None
    selection_type: str | None
    maximum_per_minute: int | None
    timeout_in_minutes: int | None
    retry_count: int | None
    retry_interval: int | None
    need_push: bool | None
    utc_create: str | None
    utc_start_time: str | None
    utc_end_time: str | None
    utc_schedule_time: str | None
    utc_schedule_finish_time: str | None


class TaskFacts(TypedDict, total=False):
    """The facts about a task that are judged, of all those that the API returns, and what its texts mean."""

    task_id: str | None
    job_id: str | None
    task_status: str | None
    product_key: str | None
    device_name: str | None
    iot_id: str | None
    src_version: str | None
    dest_version: str | None
    progress: str | None
    task_desc: str | None
    utc_create: str | None
    utc_modified: str | None
    progress_percent: float | None
    failure_class: FailureClass | None


#: What the vendors document as descriptions of a failed task, compared as a whole and without regard to letter case.
#: All other words are a device's own, in any language, so that nothing can be concluded from them.
FAILURE_TEXTS: Mapping[str, FailureClass] = MappingProxyType(
    {"report version is not conform": "wrong_version", "timeout": "timeout"}
)

#: The step codes by which a device reports a failure. Their meaning is documented, but not where a task has them.
STEP_CODES: Mapping[str, FailureClass] = MappingProxyType(
    {"-1": "upgrade", "-2": "download", "-3": "verify", "-4": "flash"}
)

#: A step code in other words; not a part of a number, a date or a name.
_STEP_CODE = r"(?<![\w.-])-[1-4](?!\.?\w)"


def parse_percent(text: str | None) -> float | None:
    """A progress such as ``50.00`` as a number; ``None`` where it is none, or negative, as a device's step code is."""
    number = _number(text)
    return number if number is not None and number >= 0 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except (TypeError, ValueError):  # the service may send anything
        return None
    return number if math.isfinite(number) else None


def classify_failure(status: str | None, description: str | None, progress: str | None) -> FailureClass | None:
    """Why a task failed: the documented text, else a step code in its description, else one in place of its progress,
    else ``other``. ``None`` where it has not failed.
    """
    if status != "FAILED":
        return None
    words = description[:MAX_TEXT] if isinstance(description, str) else ""
    documented = FAILURE_TEXTS.get(words.strip().casefold())
    if documented:
        return documented
    codes = set(re.findall(_STEP_CODE, words)) or {_step_of(progress)}
    return STEP_CODES.get(codes.pop(), "other") if len(codes) == 1 else "other"


def _step_of(progress: str | None) -> str:
    """A progress such as ``-2.00`` as a step code; empty where it is no whole number."""
    number = _number(progress)
    return f"{number:.0f}" if number is not None and number.is_integer() else ""


def read_job(client: Client, job_id: str) -> JobFacts:
    """The facts about a batch, whether it was ``found``, and whether it is ``finished``.

    :raises OtaError: no usable response.
    """
    facts = client.get(QUERY_OTA_JOB, job_id=job_id)
    job = facts or {**no_facts(QUERY_OTA_JOB), "job_id": job_id}
    finished = job["job_status"] in FINISHED_JOB_STATUSES
    return cast(JobFacts, {**job, "found": facts is not None, "finished": finished})


def read_module(client: Client, firmware_id: str) -> str | None:
    """The module that a package is for; ``None`` if the package is not known or names none.

    :raises OtaError: no usable response.
    """
    facts = client.get(QUERY_OTA_FIRMWARE, firmware_id=firmware_id)
    return named_module(facts) if facts else None


def named_module(facts: Mapping[str, Any]) -> str | None:
    """The module that a package or an open task names."""
    name = facts["module_name"]
    return name.strip() or None if isinstance(name, str) else None


class TaskQuery(NamedTuple):
    """One of ``total`` queries about a batch: its tasks in one state, those of named devices, or numbers alone."""

    job_id: str
    total: int
    status: str | None = None
    device_names: tuple[str, ...] | None = None
    counts_only: bool = False


def plan_queries(
    job_id: str, statuses: Sequence[str] | None, device_names: Sequence[str] | None, counts_only: bool
) -> list[TaskQuery]:
    """The queries to run, one for each state and block of devices; a state or a device named twice counts once.

    States are in the order of a task's life and must be read one after another: a task that moves on meanwhile is then
    read twice, which is noticed, and never missed.
    """
    blocks: list[tuple[str, ...] | None] = [None]
    if device_names is not None:
        names = list(dict.fromkeys(device_names))
        blocks = [tuple(names[start : start + MAX_DEVICE_NAMES]) for start in range(0, len(names), MAX_DEVICE_NAMES)]
    states = [None] if statuses is None else [status for status in TASK_STATUSES if status in statuses]
    pairs = [(state, block) for state in states for block in blocks]
    return [TaskQuery(job_id, len(pairs), state, block, counts_only) for state, block in pairs]


class TaskListing(NamedTuple):
    """What one query returned. ``announced`` is the number of tasks by the service, ``counts`` are its numbers by
    state if they were queried, and ``problem`` says why the listing is incomplete.
    """

    query: TaskQuery
    found: bool
    tasks: list[TaskFacts]
    announced: int | None
    problem: str | None
    counts: Mapping[str, int | None] | None = None


def run_query(client: Client, options: Mapping[str, Any], query: TaskQuery) -> TaskListing:
    """Read numbers or tasks: the one where the other is not to be had.

    :raises OtaError: no usable response.
    """
    if query.counts_only:
        counted = _count_by_status(client, query)
        if not counted.problem or not counted.found or (counted.announced or 0) > MAX_ROWS:
            return counted
    operation = LIST_OTA_TASK_BY_JOB if query.device_names is None else LIST_OTA_TASK_BY_NAMES
    listing = client.listing(operation, job_id=query.job_id, task_status=query.status, device_names=query.device_names)
    if listing is None:
        return _unknown_job(query)
    tasks = interpret_tasks(listing.rows)
    if listing.at_row_limit and query.status is None and not query.counts_only:
        counted = _count_by_status(client, query)
        if counted.found:
            return counted._replace(tasks=tasks, problem=_TOO_MANY)
    problem = listing.problem or (_TOO_MANY if listing.at_row_limit else None) or _result_problem(query, listing)
    return TaskListing(query, True, tasks, listing.announced, problem)


def interpret_tasks(rows: list[dict[str, Any]]) -> list[TaskFacts]:
    """The tasks with what their texts mean: the progress as a number, and the class of a failure.

    The rows themselves, because there may be many.
    """
    for row in rows:
        row.update(_meaning_of(row))
    return cast("list[TaskFacts]", rows)


def _meaning_of(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "progress_percent": parse_percent(row["progress"]),
        "failure_class": classify_failure(row["task_status"], row["task_desc"], row["progress"]),
    }


_TOO_MANY = f"at most {MAX_ROWS:,} tasks can be listed"


def _unknown_job(query: TaskQuery) -> TaskListing:
    return TaskListing(query, False, [], None, "the service does not know the batch")


def _result_problem(query: TaskQuery, listing: Listing) -> str | None:
    """Why the rows may not be what the query is about."""
    if listing.announced is None and query.device_names is None:
        return "the service does not say how many tasks there are"
    names = printable_facts(query.device_names)
    for task in listing.rows:
        if query.status not in (None, task["task_status"]):
            return f"the service returned a task that is not {query.status}, although only those were requested"
        if names and task["device_name"] not in names:
            return "the service returned a task of a device that was not requested"
    return None


def _count_by_status(client: Client, query: TaskQuery) -> TaskListing:
    """The service's own numbers: of all tasks, and of those in each state, which must add up.

    Whether they follow the filter is not documented. While tasks move they may not add up for a moment.
    """
    for _attempt in range(LISTING_ATTEMPTS):
        *pages, whole = (
            client.first_page(LIST_OTA_TASK_BY_JOB, job_id=query.job_id, task_status=status)
            for status in (*TASK_STATUSES, None)
        )
        if whole is None:
            return _unknown_job(query)
        counts = {status: announced_total(page, status) for status, page in zip(TASK_STATUSES, pages)}
        announced = announced_total(whole, None)
        if announced is not None and None not in counts.values() and announced == sum(filter(None, counts.values())):
            return TaskListing(query, True, [], announced, None, counts)
    problem = "the service's numbers of tasks by state do not add up to its total"
    return TaskListing(query, True, [], announced, problem, dict.fromkeys(TASK_STATUSES))


def announced_total(page: Listing | None, status: str | None, size: int = 1) -> int | None:
    """How many rows a first page of ``size`` rows announces; ``None`` unless its own rows agree."""
    if page is None or page.announced is None or page.number not in (None, 1):
        return None
    if len(page.rows) != min(size, page.announced):
        return None
    return None if any(status not in (None, row["task_status"]) for row in page.rows) else page.announced


# --- Results ---------------------------------------------------------------------------------------------------------


def merge_listings(listings: list[TaskListing]) -> dict[str, Any]:
    """The result of all queries; it is complete only if none is missing."""
    tasks = _merge_tasks(listings)
    by_status = _merge_counts(listings, tasks)
    problems = _merged_problems(listings, tasks, by_status)
    announced = [listing.announced for listing in listings if listing.announced is not None]
    named = dict.fromkeys(name for listing in listings for name in listing.query.device_names or ())
    with_task = {task["device_name"] for task in tasks}
    counted = bool(listings) and listings[0].counts is not None
    return {
        "tasks": [] if listings and listings[0].query.counts_only else tasks,
        "missing": [name for name in named if printable(name) not in with_task],
        "found": any(listing.found for listing in listings) if listings else None,
        "by_status": by_status,
        "counted_by": "total" if counted else "listing",
        "total": sum(announced) if listings and len(announced) == len(listings) else None,
        "read": len(tasks),
        "complete": not problems,
        "problems": problems,
    }


def _merge_tasks(listings: Sequence[TaskListing]) -> list[TaskFacts]:
    """All tasks, each once; the last that was read counts."""
    rows = [task for listing in listings for task in listing.tasks]
    return list({task["task_id"] or number: task for number, task in enumerate(rows)}.values())


def _merge_counts(listings: Sequence[TaskListing], tasks: Sequence[TaskFacts]) -> dict[str, int | None]:
    """The tasks by state, by the service's numbers where these were queried; ``None`` for a state that was not."""
    if listings and listings[0].counts is not None:
        return dict(listings[0].counts)
    queried = {listing.query.status for listing in listings if listing.found}
    counted = count_by(tasks, "task_status", TASK_STATUSES)
    return {
        status: number if number or None in queried or status in queried else None for status, number in counted.items()
    }


def _merged_problems(
    listings: Sequence[TaskListing], tasks: Sequence[TaskFacts], by_status: Mapping[str, int | None]
) -> list[str]:
    """Why the result is incomplete."""
    problems = [listing.problem for listing in listings if listing.problem]
    if len(tasks) < sum(len(listing.tasks) for listing in listings) and not problems:
        problems.append("a task was read twice, because it changed meanwhile")
    if set(by_status) - set(TASK_STATUSES):
        problems.append("a task is in a state that is not documented")
    if not listings or len(listings) < listings[0].query.total:
        problems.append("some of the requested tasks could not be read")
    return list(dict.fromkeys(problems))
