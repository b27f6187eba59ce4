# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a poll has learned, what earlier ones have, and what is missing; also from results of the modules. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, cast

from ...module_utils._api.operations import FINISHED_JOB_STATUSES, JOB_STATUSES, TASK_STATUSES
from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import DeviceKey, DeviceReport
from ...module_utils._queries.jobs import EXPECTATIONS, JobFacts, TaskFacts
from ...module_utils._queries.states import DeviceState
from ...module_utils._validation import invalid_option
from .policy import Policy
from .times import MAX_TIME, parse_time


class JobSnapshot(NamedTuple):
    """One batch at one time.

    ``facts`` is ``None`` if the service does not know the batch. ``counts`` are its tasks by state, ``total`` is how
    many it has. ``tasks`` are those that were read: all of them if they are ``all_listed``, or all of the expected
    devices if they are ``of_expected``. ``module_name`` is the module that its package is for, ``None`` if that is not
    known.
    """

    job_id: str
    facts: JobFacts | None
    counts: Mapping[str, int]
    total: int
    tasks: Sequence[TaskFacts] = ()
    all_listed: bool = True
    module_name: str | None = None
    of_expected: bool = False

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
        return to_text((self.facts or {}).get("dest_version"))


class Unfound(NamedTuple):
    """Why a search has found no batch, as the code of a reason and its message."""

    code: str
    message: str


class Snapshot(NamedTuple):
    """What one poll has learned.

    ``now`` is in seconds since 1970 by this machine, and ``clock_offset`` is how far the service's clock is ahead of
    it. ``versions`` are the reports of the devices that were read; it is ``None`` if none were. ``earlier`` are reports
    from before this poll, each with its time: they can prove success, and say nothing else. ``states`` say whether late
    devices are online. ``busy`` are the other batches for which devices have unfinished tasks. ``problems`` say why the
    poll is incomplete. ``unfound`` says why a search has found no batch; there are no ``jobs`` then. After an
    ``error``, which is ``permanent`` if no further poll can succeed, and whenever it is not ``fresh``, the rest is that
    of an earlier poll.
    """

    now: float
    jobs: tuple[JobSnapshot, ...] = ()
    versions: Mapping[DeviceKey, DeviceReport] | None = None
    earlier: Mapping[DeviceKey, DeviceReport] = {}
    states: Mapping[DeviceKey, DeviceState] = {}
    busy: Mapping[DeviceKey, str] = {}
    problems: tuple[str, ...] = ()
    unfound: Unfound | None = None
    error: OtaError | None = None
    permanent: bool = False
    fresh: bool = True
    clock_offset: float | None = None

    @property
    def finished(self) -> bool:
        """Whether there are batches and all of them are finished."""
        return bool(self.jobs) and all(job.finished for job in self.jobs)

    @property
    def shows_batches(self) -> bool:
        """Whether it shows how batches are."""
        return self.error is None and bool(self.jobs)

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

    def failed(self, now: float, clock_offset: float | None, error: OtaError) -> Snapshot:
        """The same at ``now``, when a poll has failed."""
        return self._replace(now=now, clock_offset=clock_offset, error=error, fresh=False)

    def expired(self, now: float) -> Snapshot:
        """The same at ``now``, when there is no time for another poll."""
        return self._replace(now=now, fresh=False, error=None)


#: A value for each batch, task or device, as a file can keep it.
Kept = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Memory:
    """What earlier polls have learned of tasks and devices; times are in seconds since 1970.

    ``task_changes`` say when each task whose time counts last changed: by its ID, its fingerprint and the time.
    ``tasks`` are all that were listed, by batch and ID: product, device, state, IotId and creation. ``on_target`` are
    the devices that have reported the version of a batch: by :func:`.versions.proof_key`, the time. No report that
    was read until ``proved_since`` proves anything.
    """

    task_changes: Kept = field(default_factory=dict)
    tasks: Mapping[str, Kept] = field(default_factory=dict)
    on_target: Mapping[str, float] = field(default_factory=dict)
    proved_since: float = 0.0

    @cached_property
    def last_states(self) -> Mapping[DeviceKey, str]:
        """In which state a task of each device was seen last."""
        states: dict[DeviceKey, str] = {}
        for kept in self.tasks.values():
            for product_key, device_name, status, _iot_id, _created in kept.values():
                key = (product_key, device_name)
                states[key] = min(status, states.get(key, status))
        return states


def local_time(text: Any, clock_offset: float | None) -> float | None:
    """A time from the API by the clock of this machine, which the service's is ahead of by ``clock_offset``."""
    moment = parse_time(text)
    return None if moment is None else max(0.0, moment - (clock_offset or 0.0))


def all_notified_at(job: JobSnapshot, clock_offset: float | None) -> float | None:
    """When the last device is notified at the batch's rate limit, in seconds since 1970; ``None`` without one."""
    facts = job.facts or {}
    rate, start = positive_int(facts.get("maximum_per_minute")), local_time(facts.get("utc_start_time"), clock_offset)
    return start + positive_int(job.total) * 60.0 / rate if rate and start is not None else None


def to_text(value: Any) -> str | None:
    """A fact of an undocumented type is kept as it came, but what is compared and sorted here must be text."""
    return value if value is None or isinstance(value, str) else str(value)


def positive_int(value: Any) -> int:
    """A positive integer from the API, capped; 0 if it is not one."""
    return min(value, 10**9) if isinstance(value, int) and value > 0 else 0


def snapshot_problems(snapshot: Snapshot, policy: Policy) -> Iterator[str]:
    """What contradicts itself or is missing, one sentence each."""
    for job in snapshot.jobs:
        for status, number in job.counts.items():
            if number and status not in TASK_STATUSES:
                yield f"a task of batch {job.job_id} is in the state {str(status)[:40]}, which is not documented"
        if not all(task.get("device_name") for task in job.tasks):
            yield f"a task of batch {job.job_id} names no device, so it may be the latest task of any device"
        if job.all_listed and not job.of_expected and len(job.tasks) < job.total:
            yield f"batch {job.job_id} has {job.total:,} tasks, and {len(job.tasks):,} were read"
        if sum(job.counts.values()) > job.total:
            yield f"batch {job.job_id} has {job.total:,} tasks, but its counts by state add up to more"
        if job.facts is not None:
            yield from _job_problems(job.job_id, job.facts, policy)
            if len(snapshot.jobs) > 1 and not job.product_key and not job.total and _has_bare_names(policy):
                yield f"batch {job.job_id} has no product_key and no task, so it may be for another product"


def _has_bare_names(policy: Policy) -> bool:
    """Whether devices are expected by a name that could be in several products."""
    return any(device.product_key is None for device in policy.expected_devices or ())


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


# --- From results ----------------------------------------------------------------------------------------------------


def snapshot_from_results(results: Any) -> Snapshot:
    """The snapshot in results of the modules: ``jobs``, ``tasks``, and perhaps ``versions`` and ``now``.

    The module of a batch is known only if its facts hold one, as those that the gate returns do.

    :raises OtaError: they are not such results.
    """
    try:
        jobs, listings = _as_list(results["jobs"]), _as_list(results["tasks"])
        if len(jobs) != len(listings):
            raise ValueError
        pairs = list(zip(jobs, listings))
        problems = [problem for job, listing in pairs if job["found"] for problem in _missing_tasks(job, listing)]
        now = float(results.get("now") or time.time())
        if not 0 <= now < MAX_TIME:
            raise ValueError
        return Snapshot(
            now=now,
            jobs=tuple(_job_snapshot(job, listing) for job, listing in pairs),
            versions=_reports(results.get("versions")),
            problems=tuple(problems),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise invalid_option(
            "the input is not a set of results of this collection's modules",
            "give jobs, as many complete results of ota_job_tasks_info as tasks, and the devices of"
            " ota_module_versions_info as versions",
        ) from None


def _missing_tasks(facts: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Why a result does not hold all tasks of the batch."""
    yield from result["problems"]
    if not result["problems"] and None in result["by_status"].values():
        yield f"the tasks of batch {facts['job_id']} were not read in all states"
    if result.get("missing") or any(task.get("job_id") not in (None, facts["job_id"]) for task in result["tasks"]):
        yield f"the tasks are not those of batch {facts['job_id']}, or not all of them"


def _as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list(value)


def _job_snapshot(facts: Mapping[str, Any], result: Mapping[str, Any]) -> JobSnapshot:
    counts = {status: int(number or 0) for status, number in result["by_status"].items()}
    all_listed = result["counted_by"] == "listing"
    total = len(result["tasks"]) if all_listed else int(result["total"] or 0)
    return JobSnapshot(
        str(facts["job_id"]),
        cast(JobFacts, facts) if facts["found"] else None,
        counts,
        total,
        result["tasks"],
        all_listed,
        to_text(facts.get("module_name")),
    )


def _reports(devices: Any) -> dict[DeviceKey, DeviceReport] | None:
    if devices is None:
        return None
    return {
        (to_text(device["product_key"]) or "", to_text(device["device_name"]) or ""): _report(device)
        for device in devices
    }


def _report(device: Mapping[str, Any]) -> DeviceReport:
    versions = {str(name): to_text(version) for name, version in dict(device["versions"]).items()}
    return DeviceReport(versions, bool(device["found"]), to_text(device.get("iot_id")))
