# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one poll has learned of a rollout, and its problems. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._api.operations import FINISHED_JOB_STATUSES, JOB_STATUSES, TASK_STATUSES
from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import DeviceKey, DeviceReport
from ...module_utils._queries.jobs import EXPECTATIONS, JobFacts, TaskFacts
from .policy import Policy
from .times import parse_time


class JobSnapshot(NamedTuple):
    """One batch at one time.

    ``facts`` is ``None`` if the service does not know the batch. ``counts`` are its tasks by state, ``total`` is how
    many it has. ``tasks`` are those that were read: all of them if they are ``all_listed``. ``module_name`` is the
    module that its package is for, ``None`` if that is not known.
    """

    job_id: str
    facts: JobFacts | None
    counts: Mapping[str, int]
    total: int
    tasks: Sequence[TaskFacts] = ()
    all_listed: bool = True
    module_name: str | None = None

    @property
    def finished(self) -> bool:
        """Whether its tasks no longer change."""
        return self.facts is not None and self.facts.get("job_status") in FINISHED_JOB_STATUSES

    @property
    def planned(self) -> bool:
        """Whether it has not begun."""
        return self.facts is not None and self.facts.get("job_status") == "PLANNED"

    @property
    def canceled(self) -> bool:
        """Whether it was canceled."""
        return self.facts is not None and self.facts.get("job_status") == "CANCELED"

    @property
    def dynamic(self) -> bool:
        """Whether it goes on matching new devices and never ends."""
        return self.facts is not None and self.facts.get("selection_type") == "DYNAMIC"

    @property
    def product_key(self) -> str:
        """The product of its devices, empty if that is not known."""
        return str((self.facts or {}).get("product_key") or "")

    @property
    def target(self) -> str | None:
        """The version that it brings."""
        version = (self.facts or {}).get("dest_version")
        return None if version is None else str(version)


class Snapshot(NamedTuple):
    """What one poll has learned.

    ``now`` is in seconds since 1970 by this machine, and ``clock_offset`` is how far the service's clock is ahead of
    it. ``versions`` are the reports of the devices that were read; it is ``None`` if none were. ``busy`` are the other
    batches for which devices have unfinished tasks. ``problems`` say why the poll is incomplete. After an ``error``,
    which is ``permanent`` if no further poll can succeed, and whenever it is not ``fresh``, the rest is that of an
    earlier poll.
    """

    now: float
    jobs: tuple[JobSnapshot, ...] = ()
    versions: Mapping[DeviceKey, DeviceReport] | None = None
    busy: Mapping[DeviceKey, str] = {}
    problems: tuple[str, ...] = ()
    error: OtaError | None = None
    permanent: bool = False
    fresh: bool = True
    clock_offset: float | None = None

    @property
    def finished(self) -> bool:
        """Whether there are batches and all of them are finished."""
        return bool(self.jobs) and all(job.finished for job in self.jobs)

    @property
    def service_now(self) -> float | None:
        """The same moment by the service's clock, as far as that is known."""
        return None if self.clock_offset is None else self.now + self.clock_offset

    def local_time(self, text: Any) -> float | None:
        """A time from the API in seconds since 1970 by this machine; ``None`` if it is not one."""
        return local_time(text, self.clock_offset)

    def job_time(self, job: JobSnapshot, fact: str) -> float | None:
        """The time in one of a batch's facts, in seconds since 1970 by this machine."""
        return self.local_time((job.facts or {}).get(fact))

    def expired(self, now: float) -> Snapshot:
        """The same at ``now``, when there is no time for another poll."""
        return self._replace(now=now, fresh=False, error=None)


def local_time(text: Any, clock_offset: float | None) -> float | None:
    """A time from the API by the clock of this machine, which the service's is ahead of by ``clock_offset``."""
    moment = parse_time(text)
    return None if moment is None else moment - (clock_offset or 0.0)


def all_notified_at(job: JobSnapshot, clock_offset: float | None) -> float | None:
    """When the last device is notified at the batch's rate limit, in seconds since 1970; ``None`` without one."""
    facts = job.facts or {}
    rate, start = positive_int(facts.get("maximum_per_minute")), local_time(facts.get("utc_start_time"), clock_offset)
    return start + positive_int(job.total) * 60.0 / rate if rate and start is not None else None


def positive_int(value: Any) -> int:
    """A positive integer from the API, capped; 0 if it is not one."""
    return min(value, 10**9) if isinstance(value, int) and value > 0 else 0


def snapshot_problems(snapshot: Snapshot, policy: Policy) -> Iterator[str]:
    """What contradicts itself or is missing, one sentence each."""
    for job in snapshot.jobs:
        for status, number in job.counts.items():
            if number and status not in TASK_STATUSES:
                yield f"a task of batch {job.job_id} is in the state {str(status)[:40]}, which is not documented"
        if policy.expected_devices is not None and not all(task.get("device_name") for task in job.tasks):
            yield f"a task of batch {job.job_id} names no device, and may belong to an expected one"
        if job.all_listed and len(job.tasks) < job.total:
            yield f"batch {job.job_id} has {job.total} tasks, and {len(job.tasks)} were read"
        if sum(job.counts.values()) > job.total:
            yield f"batch {job.job_id} has {job.total} tasks, but its counts by state add up to more"
        if job.facts is not None:
            yield from _job_problems(job.job_id, job.facts, policy)


def _job_problems(job_id: str, facts: JobFacts, policy: Policy) -> Iterator[str]:
    status = facts.get("job_status")
    if not status:
        yield f"batch {job_id} has no state"
    elif status not in JOB_STATUSES:
        yield f"batch {job_id} is in the state {str(status)[:40]}, which is not documented"
    for option, name in EXPECTATIONS.items():
        if getattr(policy, option) is not None and facts.get(name) is None:
            yield f"batch {job_id} has no {name}, so it may not be the expected one"
    if (policy.verify_versions or policy.expected_devices is not None) and facts.get("dest_version") is None:
        yield f"batch {job_id} has no dest_version, so versions cannot be verified"
