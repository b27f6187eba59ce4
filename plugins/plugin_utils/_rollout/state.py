# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a rollout: which devices count, and how many are in which state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...module_utils._api.operations import MAX_ROWS, TASK_STATUSES, UNFINISHED_TASK_STATUSES
from ...module_utils._queries.devices import DeviceKey
from .batches import Relation, relate_batches
from .devices import LATE_CLASSES, Device, State, waiting_for
from .expected import device_without_task, expected_keys
from .policy import Policy
from .snapshot import JobSnapshot, Memory, Snapshot
from .tasks import Identity, by_last_stage, in_order, job_devices, rollout_devices, with_all_sources


class JobCounts(NamedTuple):
    """How many devices of one batch are in which state."""

    devices: int
    succeeded: int
    failed: int
    pending: int
    canceled: int


class RolloutState(NamedTuple):
    """How many devices are in which state.

    ``devices`` are those that were read: all that count if they are ``all_listed``. ``counts_are_devices`` is off where
    only numbers are known and devices are expected by name, or may have several tasks. ``canceled`` devices do not
    count, nor do ``ignored`` ones, which have vanished. ``unproved`` are the devices whose task succeeded while nothing
    that they report proves it yet, the latest to succeed last. ``unread_expected`` are the unfinished devices without a
    task whose version was not read yet; they may be on the new version. ``by_job`` are the numbers of each batch.
    """

    succeeded: int
    verified: int
    failed: int
    pending: int
    canceled: int
    ignored: int
    by_class: Mapping[str, Mapping[str, int]]
    by_status: Mapping[str, int]
    by_job: Mapping[str, JobCounts]
    devices: Sequence[Device]
    relations: Sequence[Relation]
    all_listed: bool
    counts_are_devices: bool
    unproved: Sequence[DeviceKey]
    unread_expected: Sequence[DeviceKey]

    @property
    def unproved_expected(self) -> int:
        """How many devices without a task may be on the new version."""
        return len(self.unread_expected)

    @property
    def versions_needed(self) -> list[DeviceKey]:
        """The devices whose versions would be proof."""
        return list(dict.fromkeys([*self.unproved, *self.unread_expected]))

    @property
    def late_devices(self) -> list[DeviceKey]:
        """The devices whose task moves less than it should."""
        return list(dict.fromkeys(device.key for device in self.devices if device.class_name in LATE_CLASSES))

    @property
    def total(self) -> int:
        """How many devices count."""
        return self.succeeded + self.failed + self.pending

    @property
    def accounted(self) -> int:
        """How many devices had a task, also those that do not count, or are proved without one."""
        return self.total + self.canceled + self.ignored

    @property
    def executed(self) -> int:
        """How many have finished: succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def possibly_succeeded(self) -> int:
        """How many unfinished devices may have succeeded already."""
        late = ("unproved", "awaiting_version")
        return self.unproved_expected + sum(self.by_class["pending"].get(name, 0) for name in late)

    def devices_in(self, state: State) -> list[Device]:
        """The devices in one state."""
        return [device for device in self.devices if device.state == state]


def assess(snapshot: Snapshot, policy: Policy, memory: Memory, no_more_tasks: bool) -> RolloutState:
    """The state of the rollout; ``no_more_tasks`` says that none will appear any more."""
    by_status = dict.fromkeys(TASK_STATUSES, 0)
    for job in snapshot.jobs:
        for status, number in job.counts.items():
            by_status[status] = by_status.get(status, 0) + number
    relations = relate_batches(snapshot.jobs, policy)
    snapshot = with_all_sources(snapshot, policy)
    by_job = by_last_stage(job_devices(snapshot, policy, memory), relations, policy)
    found = rollout_devices(by_job.values(), policy.ignore_vanished)
    if not all(job.all_listed for job in snapshot.jobs):
        return _count_tasks(snapshot, policy, by_status, by_job, list(found.values()))
    if policy.expected_devices is None:
        devices = list(found.values())
    else:
        devices = _expected_devices(found, snapshot, policy, memory, relations, no_more_tasks)
    return _count_devices(in_order(devices), by_status, by_job, relations, snapshot, policy)


def _expected_devices(
    found: Mapping[Identity, Device],
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
    relations: Sequence[Relation],
    no_more_tasks: bool,
) -> list[Device]:
    """The expected devices. One that was replaced counts as it is today."""
    devices = []
    for key in expected_keys(snapshot.jobs, policy):
        device, report = found.get((*key, "")), (snapshot.versions or {}).get(key)
        if device is None or (device.class_name == "vanished" and report is not None and report.found):
            device = device_without_task(key, snapshot, policy, memory, relations, no_more_tasks)
        devices.append(device)
    return devices


def _count_devices(
    devices: list[Device],
    by_status: Mapping[str, int],
    by_job: Mapping[str, Mapping[Identity, Device]],
    relations: Sequence[Relation],
    snapshot: Snapshot,
    policy: Policy,
) -> RolloutState:
    unread = {device.key for device in devices if _is_unread(device, snapshot, policy)}
    counted = [device for device in devices if device.key in unread or not _is_ignored(device, policy)]
    expected = None if policy.expected_devices is None else {(*device.key, "") for device in counted}
    states = Counter(device.state for device in counted)
    lacks_proof = [
        device
        for device in counted
        if policy.verify_versions and device.task_status == "SUCCEEDED" and not device.verified
    ]
    return RolloutState(
        succeeded=states["succeeded"],
        verified=sum(device.state == "succeeded" and device.verified for device in counted),
        failed=states["failed"],
        pending=states["pending"],
        canceled=states["canceled"],
        ignored=len(devices) - len(counted),
        by_class={
            state: _by_frequency(Counter(str(device.class_name) for device in counted if device.state == state))
            for state in ("failed", "pending")
        },
        by_status=by_status,
        by_job={job_id: _job_counts(_counted_in(listed, expected, policy)) for job_id, listed in by_job.items()},
        devices=counted,
        relations=relations,
        all_listed=True,
        counts_are_devices=True,
        unproved=_oldest_first(lacks_proof),
        unread_expected=sorted(unread),
    )


def _oldest_first(devices: Iterable[Device]) -> list[DeviceKey]:
    """Each device once, by when it succeeded."""
    by_time = sorted(devices, key=lambda device: (device.since or 0.0, device.key))
    return list(dict.fromkeys(device.key for device in by_time))


def _is_unread(device: Device, snapshot: Snapshot, policy: Policy) -> bool:
    """Whether it is an expected device without a task of today whose version was not read yet."""
    waits = device.class_name in ("no_task", "vanished") and device.state == "pending"
    return waits and policy.expected_devices is not None and device.key not in (snapshot.versions or {})


def _is_ignored(device: Device, policy: Policy) -> bool:
    return policy.ignore_vanished and device.class_name == "vanished"


def _counted_in(
    devices: Mapping[Identity, Device], expected: Container[Identity] | None, policy: Policy
) -> Iterable[Device]:
    """The devices of a batch that count."""
    named = (device for identity, device in devices.items() if expected is None or identity in expected)
    return [device for device in named if not _is_ignored(device, policy)]


def _job_counts(devices: Iterable[Device]) -> JobCounts:
    states = Counter(device.state for device in devices)
    return JobCounts(sum(states.values()), states["succeeded"], states["failed"], states["pending"], states["canceled"])


def _count_tasks(
    snapshot: Snapshot,
    policy: Policy,
    by_status: Mapping[str, int],
    by_job: Mapping[str, Mapping[Identity, Device]],
    devices: list[Device],
) -> RolloutState:
    """From numbers alone: each task counts as a device, and one that is in no state is moving between two."""
    failed = Counter({"canceled": 0 if policy.ignore_canceled else by_status["CANCELED"]})
    known = Counter(str(device.class_name) for device in devices if device.task_status == "FAILED")
    failed.update(known)
    failed["not_read"] = max(0, by_status["FAILED"] - sum(known.values()))
    pending: Counter[str] = Counter()
    for job in snapshot.jobs:
        for status in UNFINISHED_TASK_STATUSES:
            pending[waiting_for(status, job, snapshot)] += job.counts.get(status, 0)
        pending["moving"] += _moving(job)
    return RolloutState(
        succeeded=by_status["SUCCEEDED"],
        verified=0,
        failed=by_status["FAILED"] + (0 if policy.ignore_canceled else by_status["CANCELED"]),
        pending=sum(pending.values()),
        canceled=by_status["CANCELED"] if policy.ignore_canceled else 0,
        ignored=0,
        by_class={"failed": _by_frequency(failed), "pending": _by_frequency(pending)},
        by_status=by_status,
        by_job={
            job.job_id: _job_counts(by_job[job.job_id].values()) if job.all_listed else _task_counts(job, policy)
            for job in snapshot.jobs
        },
        devices=in_order(devices),
        relations=(),
        all_listed=False,
        # Tasks that cannot be listed are all that there is.
        counts_are_devices=policy.expected_devices is None
        and len(snapshot.jobs) == 1
        and snapshot.jobs[0].total > MAX_ROWS,
        unproved=(),
        unread_expected=(),
    )


def _moving(job: JobSnapshot) -> int:
    return max(0, job.total - sum(job.counts.values()))


def _task_counts(job: JobSnapshot, policy: Policy) -> JobCounts:
    canceled = job.counts.get("CANCELED", 0)
    failed = job.counts.get("FAILED", 0) + (0 if policy.ignore_canceled else canceled)
    pending = sum(job.counts.get(status, 0) for status in UNFINISHED_TASK_STATUSES) + _moving(job)
    return JobCounts(
        job.total, job.counts.get("SUCCEEDED", 0), failed, pending, canceled if policy.ignore_canceled else 0
    )


def _by_frequency(numbers: Counter[str]) -> dict[str, int]:
    """Most frequent first, equal numbers by name, so that the order of devices does not show."""
    return {name: number for name, number in sorted(numbers.items(), key=lambda item: (-item[1], item[0])) if number}


def keeps_bounds(rollout: RolloutState, policy: Policy) -> bool:
    """Whether the bounds are kept if every version that was not read yet proves success."""
    surplus = 0  # where only numbers are known, this many of them may be about devices that are not expected
    if policy.expected_devices is not None and not rollout.counts_are_devices:
        surplus = max(0, rollout.total - len(policy.expected_devices))
    if rollout.accounted < (policy.min_devices or 0):
        return False
    if rollout.succeeded + rollout.unproved_expected + surplus < policy.succeeded_needed(rollout.total):
        return False
    if rollout.pending - rollout.unproved_expected > policy.pending_allowed(rollout.total) + surplus:
        return False
    failed_allowed = policy.failed_allowed(rollout.executed + rollout.unproved_expected)
    return failed_allowed is None or rollout.failed <= failed_allowed + surplus
