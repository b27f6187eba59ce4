# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a batch is and how its devices ended: which questions tell it, and what their answers say together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._api.facts import no_facts, tally
from .._api.operations import (
    FINISHED_JOB_STATUSES,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    MAX_DEVICE_NAMES,
    MAX_ROWS,
    QUERY_OTA_JOB,
    TASK_STATUSES,
)
from .._client.client import Client
from .._client.paging import LISTING_ATTEMPTS, Listing

#: The class of a failure by the service's description of the task: the step code that a device reports, else words.
#: The vendors document the codes -1 to -4, but neither that a description holds one nor any text, so all of this is a
#: guess, and what nothing fits is ``other``.
FAILURE_CLASSES = (
    ("upgrade", r"(?<![\w.-])-1(?!\.?\w)"),
    ("download", r"(?<![\w.-])-2(?!\.?\w)"),
    ("verify", r"(?<![\w.-])-3(?!\.?\w)"),
    ("flash", r"(?<![\w.-])-4(?!\.?\w)"),
    ("superseded", r"supersed|overw?rit|another (?:batch|job|task|update|upgrade)|覆盖"),
    ("timeout", r"time[ -]?out|timed out|超时"),
    ("download", r"download|下载"),
    ("verify", r"verif|checksum|digest|md5|sha256|校验"),
    ("flash", r"flash|burn|烧"),
    ("wrong_version", r"version|版本"),
)


def percent(text: str | None) -> float | None:
    """A progress such as ``50.00`` as a number; ``None`` where it is none, or negative, as a device's step code is."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def failure_class(status: str | None, description: str | None) -> str | None:
    """Why a task failed, as a class of ``FAILURE_CLASSES`` or ``other``; ``None`` where it has not."""
    if status != "FAILED":
        return None
    found = (name for name, pattern in FAILURE_CLASSES if re.search(pattern, description or "", re.IGNORECASE))
    return next(found, "other")


def read_job(client: Client, job_id: str) -> dict[str, Any]:
    """The facts about a batch, whether it was ``found``, and whether it is ``finished``.

    :raises OtaError: no usable answer.
    """
    facts = client.get(QUERY_OTA_JOB, job_id=job_id)
    job = facts or {**no_facts(QUERY_OTA_JOB), "job_id": job_id}
    return {**job, "found": facts is not None, "finished": job["job_status"] in FINISHED_JOB_STATUSES}


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
    """What to ask. A state or a device that is named twice is asked for once.

    The states come in the order in which a task goes through them, and are to be asked for in turn: a task that moves
    on meanwhile then comes twice, which is noticed, and is not missed.
    """
    blocks: list[tuple[str, ...] | None] = [None]
    if names is not None:
        once = list(dict.fromkeys(names))
        blocks = [tuple(once[start : start + MAX_DEVICE_NAMES]) for start in range(0, len(once), MAX_DEVICE_NAMES)]
    states = [None] if statuses is None else [status for status in TASK_STATUSES if status in statuses]
    asked = [(state, block) for state in states for block in blocks]
    return [Question(job_id, len(asked), state, block, counts_only) for state, block in asked]


class Evidence(NamedTuple):
    """What the answer to one question says. ``counts`` are the service's own numbers, if they were asked for."""

    question: Question
    found: bool
    tasks: list[dict[str, Any]]
    announced: int | None
    problem: str | None
    counts: Mapping[str, int | None] | None = None


def ask(client: Client, options: Mapping[str, Any], question: Question) -> Evidence:
    """Ask for numbers or tasks; for the one where the other cannot be had.

    :raises OtaError: no usable answer.
    """
    if question.counts_only:
        counted = _count(client, question)
        if not counted.problem or not counted.found or (counted.announced or 0) > MAX_ROWS:
            return counted
    operation = LIST_OTA_TASK_BY_JOB if question.names is None else LIST_OTA_TASK_BY_NAMES
    listing = client.listing(
        operation, job_id=question.job_id, task_status=question.status, device_names=question.names
    )
    if listing is None:
        return _unknown(question)
    tasks = listing.rows
    explain(tasks)
    if listing.at_bound and question.status is None and not question.counts_only:
        counted = _count(client, question)
        if counted.found:
            return counted._replace(tasks=tasks, problem=_TOO_MANY)
    problem = listing.problem or (_TOO_MANY if listing.at_bound else None) or _doubt(question, listing)
    return Evidence(question, True, tasks, listing.announced, problem)


def explain(tasks: list[dict[str, Any]]) -> None:
    """Add to each task what its texts mean: the progress as a number, and the class of a failure."""
    for task in tasks:
        task["progress_percent"] = percent(task["progress"])
        task["failure_class"] = failure_class(task["task_status"], task["task_desc"])


_TOO_MANY = f"no more than {MAX_ROWS} tasks can be listed"


def _unknown(question: Question) -> Evidence:
    return Evidence(question, False, [], None, "the service does not know the batch")


def _doubt(question: Question, listing: Listing) -> str | None:
    """What shows that the rows are not what was asked for, or keeps one from knowing it."""
    if listing.announced is None and question.names is None:
        return "the service does not say how many tasks there are"
    for task in listing.rows:
        if question.status not in (None, task["task_status"]):
            return f"a task came that is not {question.status}, although those were asked for"
        if question.names and task["device_name"] not in question.names:
            return "a task came of a device that was not asked for"
    return None


def _count(client: Client, question: Question) -> Evidence:
    """The service's own numbers: of all tasks, and of those in each state, which must add up.

    Whether they follow the filter is not documented. While tasks change they may not add up for a moment.
    """
    for _attempt in range(LISTING_ATTEMPTS):
        *parts, whole = (
            client.peek(LIST_OTA_TASK_BY_JOB, job_id=question.job_id, task_status=status)
            for status in (*TASK_STATUSES, None)
        )
        if whole is None:
            return _unknown(question)
        counts = {status: total_of(part, status) for status, part in zip(TASK_STATUSES, parts)}
        announced = total_of(whole, None)
        if announced is not None and None not in counts.values() and announced == sum(filter(None, counts.values())):
            return Evidence(question, True, [], announced, None, counts)
    problem = "the service's numbers of the tasks in each state and of all do not add up"
    return Evidence(question, True, [], announced, problem, dict.fromkeys(TASK_STATUSES))


def total_of(listing: Listing | None, status: str | None, size: int = 1) -> int | None:
    """How many rows a first page of ``size`` rows announces; ``None`` unless the page itself bears that out."""
    if listing is None or listing.announced is None or listing.number not in (None, 1):
        return None
    if len(listing.rows) != min(size, listing.announced):
        return None
    return None if any(status not in (None, row["task_status"]) for row in listing.rows) else listing.announced


def merge(entries: list[Evidence]) -> dict[str, Any]:
    """What all answers say together; only those to all questions can be complete."""
    rows = [task for entry in entries for task in entry.tasks]
    tasks = list({task["task_id"] or number: task for number, task in enumerate(rows)}.values())
    numbers = entries[0].counts if entries else None
    counts = _counts(entries, tasks) if numbers is None else dict(numbers)
    announced = [entry.announced for entry in entries if entry.announced is not None]
    named = dict.fromkeys(name for entry in entries for name in entry.question.names or ())
    told = {task["device_name"] for task in tasks}
    problems = [entry.problem for entry in entries if entry.problem]
    if len(tasks) < len(rows) and not problems:
        problems.append("a task came in two answers, because it changed meanwhile")
    if set(counts) - set(TASK_STATUSES):
        problems.append("a task is in a state that is not documented")
    if not entries or len(entries) < entries[0].question.of:
        problems.append("not everything that was asked for could be read")
    return {
        "tasks": [] if entries and entries[0].question.counts_only else tasks,
        "missing": [name for name in named if name not in told],
        "found": any(entry.found for entry in entries) if entries else None,
        "counts": counts,
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


#: What a batch can be expected to be, by the names of its facts.
EXPECTATIONS = ("product_key", "firmware_id", "dest_version", "job_type")
