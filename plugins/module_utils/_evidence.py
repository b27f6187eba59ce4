# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""How the devices of a batch ended: which questions tell it, and what their answers say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._client import MAX_ROWS, Client, Listing
from ansible_collections.iotfleet.ota.plugins.module_utils._facts import failure_class, percent, tally
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import (
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    MAX_DEVICE_NAMES,
    TASK_STATUSES,
)


class Question(NamedTuple):
    """One of ``of`` questions about a batch: for its tasks in one state, of some devices, or for numbers alone."""

    job_id: str
    of: int
    status: str | None = None
    names: tuple[str, ...] | None = None
    counts_only: bool = False


def questions(
    job_id: str, statuses: Sequence[str] | None, names: Sequence[str] | None, counts_only: bool
) -> list[Question]:
    """What to ask. A state or a device that is named twice is asked for once."""
    blocks: list[tuple[str, ...] | None] = [None]
    if names is not None:
        once = list(dict.fromkeys(names))
        blocks = [tuple(once[start : start + MAX_DEVICE_NAMES]) for start in range(0, len(once), MAX_DEVICE_NAMES)]
    states: list[str | None] = [None] if statuses is None else list(dict.fromkeys(statuses))
    asked = [(state, block) for state in states for block in blocks]
    return [Question(job_id, len(asked), state, block, counts_only) for state, block in asked]


class Evidence(NamedTuple):
    """What the answer to one question says. ``counts`` are the service's own numbers, if they were asked for."""

    question: Question
    found: bool
    tasks: list[dict[str, Any]]
    announced: int | None
    problem: str | None
    counts: Mapping[str, int] | None = None


def ask(client: Client, options: Mapping[str, Any], question: Question) -> Evidence:
    """Ask for numbers or tasks; for the one where the other cannot be had.

    :raises OtaError: no usable answer.
    """
    if question.counts_only:
        counted = _count(client, question)
        if counted is not None:
            return counted
    operation = LIST_OTA_TASK_BY_JOB if question.names is None else LIST_OTA_TASK_BY_NAMES
    listing = client.listing(
        operation, job_id=question.job_id, task_status=question.status, device_names=question.names
    )
    if listing is None:
        return Evidence(question, False, [], None, "the service does not know the batch")
    if len(listing.rows) >= MAX_ROWS and not (question.status or question.names):
        counted = _count(client, question)
        if counted is not None and counted.counts is not None:
            return counted._replace(tasks=_tasks(listing), problem=listing.problem)
    return Evidence(question, True, _tasks(listing), listing.announced, listing.problem or _stray(question, listing))


def _tasks(listing: Listing) -> list[dict[str, Any]]:
    for task in listing.rows:
        task["progress_percent"] = percent(task["progress"])
        task["failure_class"] = failure_class(task["task_status"], task["task_desc"])
    return listing.rows


def _stray(question: Question, listing: Listing) -> str | None:
    """What shows that the service did not keep to the question."""
    for task in listing.rows:
        if question.status not in (None, task["task_status"]):
            return f"a task that is {task['task_status']} came although those that are {question.status} were asked for"
        if question.names and task["device_name"] not in question.names:
            return f"a task of {task['device_name']} came, which was not asked for"
    return None


def _count(client: Client, question: Question) -> Evidence | None:
    """The service's own numbers, or ``None`` where they do not add up: whether they follow the filter is unknown."""
    listings, failure = client.many(
        lambda status: client.peek(LIST_OTA_TASK_BY_JOB, job_id=question.job_id, task_status=status),
        [None, *TASK_STATUSES],
    )
    if failure:
        raise failure
    if listings[0] is None:
        return Evidence(question, False, [], None, "the service does not know the batch")
    totals = [listing.announced if listing else None for listing in listings]
    whole, *parts = (-1 if total is None else total for total in totals)
    in_order = all(
        listing is not None and {task["task_status"] for task in listing.rows} <= {status}
        for status, listing in zip(TASK_STATUSES, listings[1:])
    )
    if min(whole, *parts) < 0 or whole != sum(parts) or not in_order:
        return None
    return Evidence(question, True, [], whole, None, dict(zip(TASK_STATUSES, parts)))


def merge(entries: list[Evidence]) -> dict[str, Any]:
    """What all answers say together; only those to all questions can be complete."""
    rows = [task for entry in entries for task in entry.tasks]
    problems = [entry.problem for entry in entries if entry.problem]
    by_id = {task["task_id"] or number: task for number, task in enumerate(rows)}
    tasks = list(by_id.values())
    if len(tasks) < len(rows) and not problems:
        problems.append("a task came in two answers, because it changed meanwhile")
    if not entries or len(entries) < entries[0].question.of:
        problems.append("not everything that was asked for could be read")
    announced = [entry.announced for entry in entries if entry.announced is not None]
    numbers = entries[0].counts if entries else None
    return {
        "tasks": [] if entries and entries[0].question.counts_only else tasks,
        "found": any(entry.found for entry in entries) if entries else None,
        "counts": _counts(entries, tasks) if numbers is None else dict(numbers),
        "counted_by": "listing" if numbers is None else "total",
        "announced": sum(announced) if entries and len(announced) == len(entries) else None,
        "read": len(tasks),
        "complete": not problems,
        "problems": list(dict.fromkeys(problems)),
    }


def _counts(entries: list[Evidence], tasks: list[dict[str, Any]]) -> dict[str, int | None]:
    """The tasks by state; ``None`` for each state that was not asked for."""
    asked = {entry.question.status for entry in entries if entry.found}
    counted = tally(tasks, "task_status", TASK_STATUSES)
    return {
        status: number if number or None in asked or status in asked else None for status, number in counted.items()
    }
