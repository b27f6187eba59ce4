# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the looks at a rollout say to somebody who listens: an event for each change, and none without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...module_utils._api.operations import TASK_STATUSES
from .._verdict.snapshot import Batch, utc
from .._verdict.verdict import as_facts
from .gate import Look

Event = dict[str, Any]


#: The code of the reason why a look is not believed.
INCOMPLETE = "incomplete"


class Changes:
    """Finds what each look at the batches ``job_ids`` has changed, compared with those before it."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self._job_ids = list(job_ids)
        self._batches: dict[str, Event] = {}
        self._verdict: Event | None = None

    def of(self, look: Look) -> list[Event]:
        """The events of ``look``: first of the batches, then of the verdict, each with all that is known of it."""
        when = {"seconds": look.seconds, "time": utc(look.facts.now)}
        events: list[Event] = []
        for batch in look.facts.batches if _is_whole(look) else ():
            fields, before = _batch(batch), self._batches.get(batch.job_id)
            if fields != before:
                events.append({**fields, "previous": before and before["job_status"], **when})
                self._batches[batch.job_id] = fields
        fields, before = _verdict(look), self._verdict
        if before is None or _gist(fields) != _gist(before):
            previous = before and before["verdict"]
            events.append({**fields, "job_ids": list(self._job_ids), "previous": previous, **when})
            self._verdict = fields
        return events


def _is_whole(look: Look) -> bool:
    """Whether the look tells how the batches are, and the judge believed it."""
    facts = look.facts
    return facts.fresh and facts.error is None and look.verdict.reasons[0].code != INCOMPLETE


def _batch(batch: Batch) -> Event:
    job = batch.job or {}
    return {
        "type": "batch",
        "job_id": batch.job_id,
        "found": batch.job is not None,
        "finished": batch.finished,
        **{name: job.get(name) for name in ("job_status", "job_type", "product_key", "firmware_id", "dest_version")},
        "total": batch.total,
        "by_status": {**dict.fromkeys(TASK_STATUSES, 0), **batch.counts},
    }


def _verdict(look: Look) -> Event:
    facts, error = as_facts(look.verdict), look.facts.error
    return {
        "type": "verdict",
        **{name: facts[name] for name in ("verdict", "final", "reasons", "denominator", "counts", "classes")},
        "reason": facts["reasons"][0]["code"],
        "msg": look.msg,
        "failure": error.failure() if error else None,
    }


def _gist(verdict: Event) -> Event:
    """What makes a change: no words, in which times and numbers of looks pass, nor whether versions were read, and no
    numbers that are not believed.
    """
    codes = {reason["code"] for reason in verdict["reasons"]}
    gist = {"verdict": verdict["verdict"], "final": verdict["final"], "codes": codes}
    if verdict["reason"] == INCOMPLETE:
        return gist
    counts = {name: number for name, number in verdict["counts"].items() if name != "verified"}
    return {**gist, "denominator": verdict["denominator"], "classes": verdict["classes"], "counts": counts}
