# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a cancel, as facts and in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .._api.operations import CANCEL_OTA_STRATEGY_BY_JOB, TASK_STATUSES, UNFINISHED_TASK_STATUSES
from .cancellation import Cancellation
from .counts import add_up, sum_known

#: What a person has to know who cancels: a device learns of it by no message.
NOT_TOLD = "No device is told of a cancel: one that has been notified may still install the update."

_SUMS = ("to_cancel", "canceled", "remaining", "too_late")


def cancel_result(batches: Sequence[Cancellation], check_mode: bool) -> dict[str, Any]:
    """The result of a task."""
    jobs = [_job_entry(batch, check_mode) for batch in batches]
    summary = {"total": len(jobs), "changed": sum(job["changed"] for job in jobs)}
    sums = {name: sum_known([job[name] for job in jobs]) for name in _SUMS}
    return {
        "changed": any(job["changed"] for job in jobs),
        "msg": _sentence(jobs, sums, check_mode),
        "warnings": [f"{batch.job_id}: {text}" for batch in batches for text in _warnings(batch, check_mode)],
        "jobs": jobs,
        "summary": {**summary, **sums},
    }


def _job_entry(batch: Cancellation, check_mode: bool) -> dict[str, Any]:
    counts = batch.counts_after if batch.outcomes else batch.counts_before
    others = [status for status in UNFINISHED_TASK_STATUSES if status not in batch.scope.statuses]
    return {
        "job_id": batch.job_id,
        "product_key": batch.job["product_key"],
        "dest_version": batch.job["dest_version"],
        "selection_type": batch.job["selection_type"],
        "status_before": batch.status_before,
        "status_after": batch.status_after,
        "counts_before": {status: batch.counts_before[status] for status in TASK_STATUSES},
        "counts_after": {status: batch.counts_after[status] for status in TASK_STATUSES},
        "to_cancel": batch.to_cancel,
        "canceled": _canceled(batch, check_mode),
        "remaining": batch.open_now,
        "too_late": add_up(counts, others),
        "strategy_canceled": batch.may_have_called(CANCEL_OTA_STRATEGY_BY_JOB.action)
        and batch.status_before != "CANCELED" == batch.status_after,
        "operations": list(batch.operations),
        "changed": bool(batch.operations) if check_mode else batch.changed,
        "notes": list(_notes(batch, check_mode)),
        "failure": batch.failure.failure() if batch.failure else None,
    }


def _canceled(batch: Cancellation, check_mode: bool) -> int | None:
    if check_mode:
        return None
    unknown = None if batch.has_written else 0
    return unknown if batch.canceled is None else batch.canceled


def _notes(batch: Cancellation, check_mode: bool) -> Iterator[str]:
    """What to know about a batch, with what its people may not expect last."""
    if batch.operations:
        yield NOT_TOLD
    yield from _warnings(batch, check_mode)


def _warnings(batch: Cancellation, check_mode: bool) -> Iterator[str]:
    job, tasks = batch.job, add_up(batch.counts_before, TASK_STATUSES)
    if job["selection_type"] == "DYNAMIC" and not job["finished"] and not batch.scope.cancels_strategy:
        yield "The batch is dynamic and its strategy was not chosen: devices that match it later get the update."
    if batch.status_before == "PLANNED" and not batch.scope.is_scheduled:
        yield "The batch waits for its schedule and scheduled tasks were not chosen: it starts by itself."
    elif tasks == 0 and not job["finished"] and not batch.scope.is_scheduled:
        yield "The batch has no task yet: tasks that appear later are not canceled."
    if not check_mode and batch.outcomes and batch.scope.is_scheduled and batch.status_after == "PLANNED":
        yield "The batch still waits for its schedule: whether its scheduled tasks are canceled cannot be seen."


def _sentence(jobs: Sequence[dict[str, Any]], sums: dict[str, int | None], check_mode: bool) -> str:
    batches = _count(len(jobs), "batch", "es")
    go = "goes" if sums["too_late"] == 1 else "go"
    goes_on = f"; {_count(sums['too_late'], 'task')} in other states {go} on" if sums["too_late"] else ""
    if not any(job["operations"] for job in jobs):
        if not jobs or sums["to_cancel"] is None:
            return "Nothing was canceled."
        return f"There is nothing to cancel in {batches}{goes_on}."
    verb, number = ("Would cancel", sums["to_cancel"]) if check_mode else ("Canceled", sums["canceled"])
    wholes = sum(_is_whole(job, check_mode) for job in jobs)
    left = "" if check_mode or any(job["failure"] for job in jobs) else _left(sums)  # a failure says it itself
    whole = f", and {_count(wholes, 'batch', 'es')} as a whole" if wholes else ""
    less = number is not None and sums["to_cancel"] is not None and number < sums["to_cancel"]
    tasks = f"{number:,} of {_count(sums['to_cancel'], 'task')}" if less else _count(number, "task")
    return f"{verb} {tasks} of {batches}{whole}{left}{goes_on}."


def _left(sums: dict[str, int | None]) -> str:
    """The tasks that may still be canceled, where nobody waits for it."""
    if not sums["remaining"] or sums["canceled"] is None:
        return ""
    return f"; {sums['remaining']:,} {'is' if sums['remaining'] == 1 else 'are'} still open"


def _is_whole(job: dict[str, Any], check_mode: bool) -> bool:
    """Whether a strategy or a schedule is canceled."""
    if check_mode:
        return CANCEL_OTA_STRATEGY_BY_JOB.action in job["operations"]
    return bool(job["operations"]) and job["status_before"] != "CANCELED" == job["status_after"]


def _count(number: int | None, thing: str, plural: str = "s") -> str:
    if number is None:
        return f"an unknown number of {thing}{plural}"
    return f"{number:,} {thing}{'' if number == 1 else plural}"
