# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lines say that people watch while a gate runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._rollout.devices import State
from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot
from .._rollout.state import JobCounts, RolloutState
from .._rollout.times import format_clock, format_time
from .._verdict.bounds import Limit
from .._verdict.verdict import Verdict
from .._verdict.wording import allowed_words, class_parts, share_words, versions_words
from .columns import COLUMNS, GAP, INDENT, pack, shorten, width
from .labels import batch_labels

#: Maximum width of a title beside other parts, and of the label of a batch beside others.
MAX_TITLE = 32
MAX_BATCH = 24
#: Width of the bar without its brackets.
BAR = 14
#: What stands between two batches.
DOT = " \N{MIDDLE DOT} "


class Progress(NamedTuple):
    """Where a rollout is. What changes with the clock alone, or with each version that is read, is not here."""

    percent: int
    counts: tuple[str, ...]
    reason: str
    devices: tuple[str, ...]
    at_limit: bool


def progress_of(verdict: Verdict) -> Progress:
    """Where the rollout is."""
    rollout, reason = verdict.rollout, verdict.reasons[0]
    says = {"unfinished": "", "soaking": "healthy, and soaking"}.get(reason.code, reason.message)
    percent = 100 * rollout.executed // rollout.total if rollout.total else 0
    # Before the end, the reason says that there is no task, and perhaps why.
    none = "no task" if verdict.final else ""
    done = f"{rollout.executed:,}/{rollout.total:,} done" if rollout.total else none
    limit = failed_limit(verdict)
    return Progress(
        percent,
        (f"{percent} %", done, _failed_part(rollout, limit)),
        "" if verdict.final else says,
        _devices_parts(rollout),
        limit is not None and not limit.kept,
    )


def failed_limit(verdict: Verdict) -> Limit | None:
    """The bound for failed devices that comes first; ``None`` without one."""
    return next((limit for limit in verdict.limits if limit.name.startswith("max_failed")), None)


def _failed_part(rollout: RolloutState, limit: Limit | None) -> str:
    failed = f"{rollout.failed:,} failed"
    if rollout.failed and (limit is None or limit.is_share):
        failed += f" {share_words(limit or Limit('', 100, rollout.failed, rollout.executed, True))}"
    return f"{failed} (limit {allowed_words(limit)})" if limit else failed


def _devices_parts(rollout: RolloutState) -> tuple[str, ...]:
    """What unfinished devices wait for, and why others failed."""
    words: tuple[tuple[str, State], ...] = (("waiting", "pending"), ("failed", "failed"))
    reasons = {word: class_parts(rollout, state) for word, state in words}
    return tuple(f"{word}: {', '.join(parts)}" for word, parts in reasons.items() if parts)


def versions_part(rollout: RolloutState, policy: Policy, reports: int) -> str:
    """How many of the versions that prove success have been read; empty if none proves it."""
    read = rollout.verified if rollout.all_listed else min(reports, rollout.succeeded)
    if not policy.verify_versions or not rollout.succeeded:
        return ""
    return versions_words(read, rollout.succeeded)


def eta_part(end: float | None, now: float, deadline: float) -> str:
    """When the rollout may end; empty if nobody knows."""
    if end is None:
        return ""
    day, clock = format_time(end)[:10], format_clock(end)[:5]
    moment = clock if day == format_time(now)[:10] else f"{day} {clock}"
    return f"ETA {moment}, after the deadline" if end > deadline else f"ETA {moment}"


def status_lines(
    now: float, title: str, counts: Sequence[str], others: Sequence[str], percent: int | None = None
) -> list[str]:
    """The line of a rollout, and as many more as the ``others`` need. With ``percent``, it has a bar."""
    clock = format_clock(now)
    counts, others = [part for part in counts if part], [part for part in others if part]
    room = COLUMNS - width(GAP.join([clock, "", *counts]))
    head = [clock, shorten(title, min(MAX_TITLE, room)), *counts]
    if percent is not None and width(GAP.join(head)) + len(GAP) + BAR + 2 <= COLUMNS:
        head.insert(2, _bar(percent))
    return pack([GAP.join(head), *others])


def _bar(percent: int) -> str:
    done = BAR * percent // 100
    return f"[{'#' * done}{'.' * (BAR - done)}]"


# --- Batches ---------------------------------------------------------------------------------------------------------


def batches_line(rollout: RolloutState, policy: Policy, jobs: Sequence[JobSnapshot]) -> str:
    """How far each of several batches is, on one line: first those in which more failed than may, with a mark."""
    if len(jobs) < 2:
        return ""
    labels = batch_labels(jobs)
    counted = [(job, rollout.by_job[job.job_id]) for job in jobs if job.job_id in rollout.by_job]
    ranked = sorted(counted, key=lambda one: (not _fails(one[1], policy), -failed_share(one[1])))
    parts = [_batch_part(shorten(labels[job.job_id], MAX_BATCH), job, counts, policy) for job, counts in ranked]
    for shown in range(len(parts), 0, -1):
        more = [f"+ {len(parts) - shown} more"] if shown < len(parts) else []
        line = f"{INDENT}{DOT.join([*parts[:shown], *more])}"
        if width(line) <= COLUMNS:
            return line
    return ""


def failed_share(counts: JobCounts) -> float:
    """Which part of a batch's devices failed."""
    return counts.failed / counts.devices if counts.devices else 0.0


def _fails(counts: JobCounts, policy: Policy) -> bool:
    """Whether the batch would be blocked alone."""
    return counts.failed > (policy.failed_allowed(counts.succeeded + counts.failed) or 0)


def _batch_part(label: str, job: JobSnapshot, counts: JobCounts, policy: Policy) -> str:
    if not counts.devices:
        return f"{label} {'unknown' if job.facts is None else 'canceled' if job.canceled else 'no task'}"
    part = f"{label} {100 * (counts.succeeded + counts.failed) // counts.devices} %"
    if counts.failed:
        part += f", {counts.failed:,} failed"
    return f"! {part}" if _fails(counts, policy) else part
