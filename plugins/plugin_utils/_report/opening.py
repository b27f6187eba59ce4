# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said when a gate starts: what it gates, by which bounds and clocks, and what will not go well. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot
from .._rollout.times import format_clock
from .._verdict.bounds import Limit
from .._verdict.verdict import Verdict
from .._verdict.wording import allowed_words, count_things, format_duration
from .columns import GAP, INDENT, pack, shorten
from .labels import batch_label, batch_labels
from .lines import DOT
from .schedule import Schedule

#: Say that this machine's clock is off by more than this, in seconds.
MAX_CLOCK_OFFSET = 60.0
#: Maximum width of the label of a batch before its ID.
MAX_NAME = 40


def opening_lines(now: float, title: str, verdict: Verdict, policy: Policy, jobs: Sequence[JobSnapshot]) -> list[str]:
    """What is gated, by which bounds. The IDs of the batches are here and in no other line."""
    number = f"{len(jobs)} batches"
    batches = [number] if len(jobs) > 1 and title != number else []
    devices = [count_things(verdict.rollout.total, "device")] if verdict.rollout.total else []
    what = ", ".join([*batches, *devices, "times are in UTC"])
    ids = [_with_id(label, job_id) for job_id, label in batch_labels(jobs).items()]
    if len(jobs) == 1 and title == batch_label(jobs[0]):
        ids = [] if title.endswith(jobs[0].job_id) else [f"batch {jobs[0].job_id}"]
    bounds = [words for limit in verdict.limits if (words := limit_words(limit, policy))]
    return [
        *pack([f"{format_clock(now)}{GAP}{title}: {what}"]),
        *(pack([INDENT + ids[0], *ids[1:]], DOT) if ids else ()),
        *(pack([f"{INDENT}limits: {bounds[0]}", *bounds[1:]], DOT) if bounds else ()),
    ]


def _with_id(label: str, job_id: str) -> str:
    return label if label.endswith(job_id) else f"{shorten(label, MAX_NAME)} {job_id}"


def limit_words(limit: Limit, policy: Policy) -> str:
    """What a bound for devices asks for; empty for any other."""
    some = allowed_words(limit) if limit.allowed else "none"
    since = f", from {policy.min_executed:,} finished devices on" if policy.min_executed > 1 else ""
    return {
        "max_failed": f"{some} may fail (max_failed{since})",
        "max_failed_percent": f"{some} may fail (max_failed_percent{since})",
        "max_pending": f"{some} may be unfinished (max_pending)",
        "max_pending_percent": f"{some} may be unfinished (max_pending_percent)",
        "min_succeeded_percent": f"at least {some} must succeed (min_succeeded_percent)",
        "min_devices": f"at least {some} must have a task (min_devices)",
    }.get(limit.name, "")


def clock_note(offset: float | None) -> str | None:
    """That the clock of this machine is ``offset`` seconds off, on which nothing depends; ``None`` if it is right."""
    if offset is None or abs(offset) <= MAX_CLOCK_OFFSET:
        return None
    direction = "behind" if offset > 0 else "ahead of"
    return f"the clock of this machine is {format_duration(abs(offset))} {direction} the service's"


def time_warning(schedule: Schedule, proof: float, now: float, started: float, policy: Policy) -> str | None:
    """That the rollout will not be settled in time; ``None`` if it may be. The ``proof`` takes so many seconds."""
    earliest = max(now + proof, schedule.all_notified)
    earliest += max(policy.soak, proof) if policy.soak else 0.0
    what = "cannot be settled before the deadline: it takes at least"
    if earliest <= started + policy.wait_timeout:
        earliest += schedule.retries
        what = "may miss the deadline: if devices time out, it takes at least"
    if earliest <= started + policy.wait_timeout:
        return None
    least, given = format_duration(earliest - started), format_duration(policy.wait_timeout)
    return f"{what} {least}, but wait_timeout is {given}"
