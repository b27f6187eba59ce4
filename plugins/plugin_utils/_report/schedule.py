# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a rollout can end at the earliest, by the clocks that its batches set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot, Snapshot, all_notified_at, positive_int
from .._rollout.times import format_time
from .._verdict.wording import count_things, format_duration
from .labels import batch_labels


class Schedule(NamedTuple):
    """The clocks of a rollout. ``all_notified`` is when its last device is notified, in seconds since 1970;
    ``retries`` is how long the retries of a device take, in seconds; ``sentences`` say both for people.
    """

    all_notified: float
    retries: float
    sentences: list[str]


def estimate_schedule(snapshot: Snapshot, policy: Policy, now: float) -> Schedule:
    """The schedule of the unfinished batches, as far as they give one."""
    unfinished = [job for job in snapshot.jobs if not job.finished]
    schedules = [_job_schedule(job, snapshot, now) for job in unfinished]
    sentences = _merged(zip(batch_labels(unfinished).values(), schedules))
    for name, seconds in (("start grace", policy.start_grace), ("soak", policy.soak)):
        if seconds:
            sentences.append(f"{name} {format_duration(seconds)}")
    all_notified = max([now, *(schedule.all_notified for schedule in schedules)])
    return Schedule(all_notified, max([0.0, *(schedule.retries for schedule in schedules)]), sentences)


def _job_schedule(job: JobSnapshot, snapshot: Snapshot, now: float) -> Schedule:
    facts, clocks = job.facts or {}, []
    starts = snapshot.job_time(job, "utc_schedule_time") or now
    if starts > now:
        clocks.append(f"starts at {format_time(starts)}")
    rate = positive_int(facts.get("maximum_per_minute"))
    notified = all_notified_at(job, snapshot.clock_offset)
    if notified is None:
        notified = max(now, starts) + positive_int(job.total) * 60.0 / rate if rate else now
    if notified > now:
        limited = f"rate limit {count_things(rate, 'device')} a minute"
        clocks.append(f"{limited}, last device notified at {format_time(notified)}")
    limit = positive_int(facts.get("timeout_in_minutes"))
    retries, interval = positive_int(facts.get("retry_count")), positive_int(facts.get("retry_interval"))
    if limit:
        clocks.append(f"per-device time-out {format_duration(limit * 60)}")
    if retries:
        word = "retry" if retries == 1 else "retries"
        clocks.append(f"{retries} {word} after {format_duration(interval * 60)}")
    ends = snapshot.job_time(job, "utc_schedule_finish_time")
    if ends is not None and ends > now:
        clocks.append(f"scheduled to end at {format_time(ends)}")
    return Schedule(max(starts, notified), 60.0 * (limit + retries * interval), [", ".join(clocks)] if clocks else [])


def _merged(schedules: Iterable[tuple[str, Schedule]]) -> list[str]:
    """One sentence for all batches with the same clocks."""
    labels: dict[str, list[str]] = {}
    for label, schedule in schedules:
        for sentence in schedule.sentences:
            labels.setdefault(sentence, []).append(label)
    return [
        f"{names[0] if len(names) == 1 else str(len(names)) + ' batches'}: {sentence}"
        for sentence, names in labels.items()
    ]
