# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events for listeners: one for each change that a poll shows, and none without a change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...module_utils._api.operations import TASK_STATUSES
from .._verdict.snapshot import JobSnapshot, format_time
from .gate import Poll

Event = dict[str, Any]
#: The code of the reason of a poll that is not believed.
INCOMPLETE = "incomplete"


class ChangeDetector:
    """Finds what each poll of the batches ``job_ids`` changed."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._job_ids = list(job_ids)
        self._jobs: dict[str, Event] = {}
        self._verdict: Event | None = None

    def events(self, poll: Poll) -> list[Event]:
        """The events of ``poll``: first of the batches, then of the verdict, each with all that is known of it."""
        when = {"seconds": poll.seconds, "time": format_time(poll.snapshot.now)}
        events: list[Event] = []
        for job in poll.snapshot.jobs if _is_believed(poll) else ():
            fields, before = _job_event(job), self._jobs.get(job.job_id)
            if fields != before:
                events.append({**fields, "previous": before and before["job_status"], **when})
                self._jobs[job.job_id] = fields
        fields, before = _verdict_event(poll), self._verdict
        if before is None or _compared_part(fields) != _compared_part(before):
            previous = before and before["verdict"]
            events.append({**fields, "job_ids": list(self._job_ids), "previous": previous, **when})
            self._verdict = fields
        return events


def _is_believed(poll: Poll) -> bool:
    """Whether the poll shows how the batches are, and the judge believed it."""
    snapshot = poll.snapshot
    return snapshot.fresh and snapshot.error is None and poll.verdict.reasons[0].code != INCOMPLETE


def _job_event(job: JobSnapshot) -> Event:
    facts = job.facts or {}
    return {
        "type": "batch",
        "job_id": job.job_id,
        "found": job.facts is not None,
        "finished": job.finished,
        **{name: facts.get(name) for name in ("job_status", "job_type", "product_key", "firmware_id", "dest_version")},
        "total": job.total,
        "by_status": {**dict.fromkeys(TASK_STATUSES, 0), **job.counts},
    }


def _verdict_event(poll: Poll) -> Event:
    result, error = poll.verdict.to_result(), poll.snapshot.error
    return {
        "type": "verdict",
        **{name: result[name] for name in ("verdict", "final", "reasons", "counts", "by_class")},
        "reason": result["reasons"][0]["code"],
        "msg": poll.msg,
        "failure": error.failure() if error else None,
    }


def _compared_part(verdict: Event) -> Event:
    """The part of an event that makes a change: no texts, which hold times and numbers of polls, not how many versions
    were read, and no numbers that are not believed.
    """
    codes = {reason["code"] for reason in verdict["reasons"]}
    compared = {"verdict": verdict["verdict"], "final": verdict["final"], "codes": codes}
    if verdict["reason"] == INCOMPLETE:
        return compared
    counts = {name: number for name, number in verdict["counts"].items() if name != "verified"}
    return {**compared, "by_class": verdict["by_class"], "counts": counts}
