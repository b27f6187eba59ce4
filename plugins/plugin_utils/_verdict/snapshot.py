# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one poll has learned of a rollout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from ...module_utils._api.operations import FINISHED_JOB_STATUSES, JOB_STATUSES, TASK_STATUSES
from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import Key
from ...module_utils._queries.jobs import EXPECTATIONS
from .policy import Policy


class Batch(NamedTuple):
    """What was learned of one batch.

    ``job`` are its facts, ``None`` if the service does not know it. ``counts`` are its tasks by state, ``total`` is how
    many there are. ``tasks`` are those that were read, all of them if it is ``whole``.
    """

    job_id: str
    job: Mapping[str, Any] | None
    counts: Mapping[str, int]
    total: int
    tasks: Sequence[Mapping[str, Any]] = ()
    whole: bool = True

    @property
    def finished(self) -> bool:
        """Whether no task will change any more."""
        return self.job is not None and self.job.get("job_status") in FINISHED_JOB_STATUSES

    @property
    def dynamic(self) -> bool:
        """Whether it takes up further devices for ever."""
        return self.job is not None and self.job.get("selection_type") == "DYNAMIC"


class Facts(NamedTuple):
    """What one look has learned.

    ``now`` is in seconds since 1970. ``versions`` are those that devices report for the module in question, ``None``
    for a device that reports none and empty for one that the service does not know; the whole is ``None`` if they were
    not read. ``busy`` are the other batches for which devices have open tasks. ``problems`` say why the look is not
    whole. After an ``error``, which is ``permanent`` if no further look can succeed, or if they are not ``fresh``, they
    are those of an earlier look.
    """

    now: float
    batches: tuple[Batch, ...] = ()
    versions: Mapping[Key, str | None] | None = None
    busy: Mapping[Key, str] = {}
    problems: tuple[str, ...] = ()
    error: OtaError | None = None
    permanent: bool = False
    fresh: bool = True

    @property
    def finished(self) -> bool:
        """Whether there are batches, and all of them are."""
        return bool(self.batches) and all(batch.finished for batch in self.batches)


def pushed_by(batch: Batch) -> float | None:
    """When all devices will have been told at the batch's rate, in seconds since 1970; ``None`` without a rate."""
    job = batch.job or {}
    rate, start = natural(job.get("maximum_per_minute")), moment(job.get("utc_start_time"))
    return start + natural(batch.total) * 60.0 / rate if rate and start is not None else None


def natural(value: Any) -> int:
    """A number of the service as far as it can be one; 0 where it is none."""
    return min(value, 10**9) if isinstance(value, int) and value > 0 else 0


def doubts(facts: Facts, policy: Policy) -> Iterator[str]:
    """What keeps one from believing the facts, a sentence each."""
    for batch in facts.batches:
        for status, number in batch.counts.items():
            if number and status not in TASK_STATUSES:
                yield f"a task of batch {batch.job_id} is in the state {str(status)[:40]}, which is not documented"
        if policy.expected_devices is not None and not all(task.get("device_name") for task in batch.tasks):
            yield f"a task of batch {batch.job_id} does not tell its device, which may be one that is expected"
        if batch.whole and len(batch.tasks) < batch.total:
            yield f"batch {batch.job_id} has {batch.total} tasks, and {len(batch.tasks)} were read"
        if sum(batch.counts.values()) > batch.total:
            yield f"batch {batch.job_id} has {batch.total} tasks and more in its states"
        if batch.job is not None:
            yield from _doubts_about(batch.job_id, batch.job, policy)


def _doubts_about(job_id: str, job: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    if job.get("job_status") not in JOB_STATUSES:
        state = str(job["job_status"])[:40] if job.get("job_status") else None
        yield f"batch {job_id} " + (f"is in the state {state}, which is not documented" if state else "tells no state")
    for name in EXPECTATIONS:
        if getattr(policy, name) is not None and job.get(name) is None:
            yield f"batch {job_id} does not tell its {name}, so that it may be another than was meant"
    if (policy.verify_versions or policy.expected_devices is not None) and job.get("dest_version") is None:
        yield f"batch {job_id} does not tell its dest_version, so that no version can be verified"


def moment(text: Any) -> float | None:
    """A time of the service in seconds since 1970; ``None`` where it is none. One vendor prints a stray blank."""
    return _moment(text) if isinstance(text, str) else None


@lru_cache(10_000)  # each look brings the same times
def _moment(text: str) -> float | None:
    try:
        words = "".join(text.split()) if "T" in text else text.strip()
        time = datetime.fromisoformat(words.replace("Z", "+00:00"))
        seconds = (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < YEAR_9999 else None


#: Times beyond this are none.
YEAR_9999 = 253_000_000_000.0


def utc(seconds: float) -> str:
    """A time in seconds since 1970 as text."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
