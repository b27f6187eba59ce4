# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events for listeners: one for each change that a poll shows, and none without a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Union

from ...module_utils._api.operations import TASK_STATUSES
from .._report.labels import batch_labels
from .._rollout.snapshot import JobSnapshot
from .._rollout.times import format_time
from .._verdict.case import VerdictName
from .._verdict.history import few_counts
from .gate import Poll


class BatchEvent(TypedDict, total=False):
    """A batch was polled for the first time, or has changed."""

    type: Literal["batch"]
    job_id: str
    label: str
    found: bool
    finished: bool
    job_status: str | None
    job_type: str | None
    product_key: str | None
    firmware_id: str | None
    dest_version: str | None
    total: int
    by_status: dict[str, int]
    previous: str | None
    seconds: float
    time: str


class VerdictEvent(TypedDict, total=False):
    """The rollout was judged for the first time, or its verdict has changed."""

    type: Literal["verdict"]
    job_ids: list[str]
    title: str
    verdict: VerdictName
    final: bool
    reason: str
    reasons: list[dict[str, Any]]
    counts: dict[str, int]
    by_class: dict[str, dict[str, int]]
    limits: list[dict[str, Any]]
    msg: str
    failure: dict[str, Any] | None
    previous: VerdictName | None
    seconds: float
    time: str


Event = Union[BatchEvent, VerdictEvent]

#: The code of the reason of a poll that is not believed.
INCOMPLETE = "incomplete"


class ChangeDetector:
    """Finds what each poll of the batches ``job_ids`` changed, or of those that a search finds if there are none."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._job_ids = list(job_ids)
        self._jobs: dict[str, BatchEvent] = {}
        self._verdict: VerdictEvent | None = None

    def events(self, poll: Poll) -> list[Event]:
        """The events of ``poll``: first of the batches, then of the verdict, each with all that is known of it."""
        time = format_time(poll.snapshot.now)
        events: list[Event] = []
        labels = batch_labels(poll.snapshot.jobs)
        for job in poll.snapshot.jobs if _is_believed(poll) else ():
            batch, before = _batch_event(job, labels[job.job_id]), self._jobs.get(job.job_id)
            if batch != before:
                status = before["job_status"] if before else None
                events.append({**batch, "previous": status, "seconds": poll.seconds, "time": time})
                self._jobs[job.job_id] = batch
        job_ids = self._job_ids or [job.job_id for job in poll.snapshot.jobs]
        verdict, earlier = _verdict_event(poll, job_ids), self._verdict
        if earlier is None or _compared_part(verdict) != _compared_part(earlier):
            previous = earlier["verdict"] if earlier else None
            events.append({**verdict, "previous": previous, "seconds": poll.seconds, "time": time})
            self._verdict = verdict
        return events


def _is_believed(poll: Poll) -> bool:
    """Whether the poll shows how the batches are, and the judge believed it."""
    snapshot = poll.snapshot
    return snapshot.fresh and snapshot.error is None and poll.verdict.reasons[0].code != INCOMPLETE


def _batch_event(job: JobSnapshot, label: str) -> BatchEvent:
    facts = job.facts or {}
    return {
        "type": "batch",
        "job_id": job.job_id,
        "label": label,
        "found": job.facts is not None,
        "finished": job.finished,
        "job_status": facts.get("job_status"),
        "job_type": facts.get("job_type"),
        "product_key": facts.get("product_key"),
        "firmware_id": facts.get("firmware_id"),
        "dest_version": facts.get("dest_version"),
        "total": job.total,
        "by_status": few_counts({**dict.fromkeys(TASK_STATUSES, 0), **job.counts}),
    }


def _verdict_event(poll: Poll, job_ids: Sequence[str]) -> VerdictEvent:
    result, error = poll.verdict.to_result(), poll.snapshot.error
    return {
        "type": "verdict",
        "job_ids": list(job_ids),
        "title": poll.title,
        "verdict": poll.verdict.verdict,
        "final": poll.verdict.final,
        "reason": poll.verdict.reasons[0].code,
        "reasons": result["reasons"],
        "counts": result["counts"],
        "by_class": result["by_class"],
        "limits": result["limits"],
        "msg": poll.msg,
        "failure": error.failure() if error else None,
    }


def _compared_part(verdict: VerdictEvent) -> dict[str, Any]:
    """The part of an event that makes a change: no texts, which hold times and numbers of polls, not how many versions
    were read, and no numbers that are not believed.
    """
    codes = {reason["code"] for reason in verdict["reasons"]}
    compared: dict[str, Any] = {"verdict": verdict["verdict"], "final": verdict["final"], "codes": codes}
    if verdict["reason"] == INCOMPLETE:
        return compared
    counts = {name: number for name, number in verdict["counts"].items() if name != "verified"}
    return {**compared, "by_class": verdict["by_class"], "counts": counts}
