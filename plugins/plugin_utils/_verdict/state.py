# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a rollout: which devices count, and how many are in which state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...module_utils._api.operations import TASK_STATUSES, UNFINISHED_TASK_STATUSES
from ...module_utils._queries.devices import DeviceKey
from .devices import Device, State, TaskChanges, device_without_task, task_device, waiting_for
from .policy import Policy
from .snapshot import JobSnapshot, Snapshot


class RolloutState(NamedTuple):
    """How many devices are in which state.

    ``devices`` are those that were read: all that count if they are ``all_listed``. ``counts_are_devices`` is off where
    only numbers are known and devices are expected by name, or may have tasks in several batches.
    ``unproved_expected`` counts the pending devices without a task whose version was not read yet; they may be on the
    new version. ``versions_needed`` are the devices whose version is proof.
    """

    succeeded: int
    verified: int
    failed: int
    pending: int
    canceled: int
    unproved_expected: int
    by_class: Mapping[str, Mapping[str, int]]
    by_status: Mapping[str, int]
    devices: Sequence[Device]
    all_listed: bool
    counts_are_devices: bool
    versions_needed: Sequence[DeviceKey]

    @property
    def total(self) -> int:
        """How many devices count."""
        return self.succeeded + self.failed + self.pending

    @property
    def executed(self) -> int:
        """How many have finished: succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def possibly_succeeded(self) -> int:
        """How many pending devices may have succeeded already."""
        return self.unproved_expected + self.by_class["pending"].get("unproved", 0)

    def devices_in(self, state: State) -> list[Device]:
        """The devices in one state."""
        return [device for device in self.devices if device.state == state]


def assess(snapshot: Snapshot, policy: Policy, changes: TaskChanges, no_more_tasks: bool) -> RolloutState:
    """The state of the rollout; ``no_more_tasks`` says that none will appear any more."""
    by_status = dict.fromkeys(TASK_STATUSES, 0)
    for job in snapshot.jobs:
        for status, number in job.counts.items():
            by_status[status] = by_status.get(status, 0) + number
    tasks = [task_device(task, job, snapshot, policy, changes) for job in snapshot.jobs for task in job.tasks]
    if all(job.all_listed for job in snapshot.jobs):
        devices = _by_device(tasks, snapshot, policy, no_more_tasks)
        unread = [device.key for device in devices if _is_unread(device, snapshot)]
        proof = [device.key for device in tasks if _needs_proof(device, policy)]
        return _count_devices(devices, by_status, len(unread), sorted({*proof, *unread}))
    devices = _by_device(tasks, snapshot, policy._replace(expected_devices=None), no_more_tasks)
    return _count_tasks(snapshot.jobs, snapshot.now, policy, by_status, devices)


def _is_unread(device: Device, snapshot: Snapshot) -> bool:
    """Whether it is an expected device without a task whose version was not read yet."""
    waits = device.class_name == "no_task" and device.state == "pending"
    return waits and device.key not in (snapshot.versions or {})


def _needs_proof(device: Device, policy: Policy) -> bool:
    """Whether the version of the device must prove that its task succeeded."""
    counts = policy.expected_devices is None or device.device_name in policy.expected_devices
    return policy.verify_versions and device.task_status == "SUCCEEDED" and counts


def _count_devices(
    devices: list[Device],
    by_status: Mapping[str, int],
    unproved_expected: int,
    versions_needed: Sequence[DeviceKey],
) -> RolloutState:
    states = Counter(device.state for device in devices)
    return RolloutState(
        succeeded=states["succeeded"],
        verified=sum(device.state == "succeeded" and device.version is not None for device in devices),
        failed=states["failed"],
        pending=states["pending"],
        canceled=states["canceled"],
        unproved_expected=unproved_expected,
        by_class={
            state: _by_frequency(Counter(str(device.class_name) for device in devices if device.state == state))
            for state in ("failed", "pending")
        },
        by_status=by_status,
        devices=devices,
        all_listed=True,
        counts_are_devices=True,
        versions_needed=versions_needed,
    )


def _count_tasks(
    jobs: Sequence[JobSnapshot], now: float, policy: Policy, by_status: Mapping[str, int], devices: list[Device]
) -> RolloutState:
    """From numbers alone: each task counts as a device, and one that is in no state is moving between two."""
    failed = Counter({"canceled": 0 if policy.ignore_canceled else by_status["CANCELED"]})
    known = Counter(str(device.class_name) for device in devices if device.task_status == "FAILED")
    failed.update(known)
    failed["not_read"] = max(0, by_status["FAILED"] - sum(known.values()))
    pending: Counter[str] = Counter()
    for job in jobs:
        for status in UNFINISHED_TASK_STATUSES:
            pending[waiting_for(status, job, now)] += job.counts.get(status, 0)
        pending["moving"] += max(0, job.total - sum(job.counts.values()))
    return RolloutState(
        succeeded=by_status["SUCCEEDED"],
        verified=0,
        failed=by_status["FAILED"] + (0 if policy.ignore_canceled else by_status["CANCELED"]),
        pending=sum(pending.values()),
        canceled=by_status["CANCELED"] if policy.ignore_canceled else 0,
        unproved_expected=0,
        by_class={"failed": _by_frequency(failed), "pending": _by_frequency(pending)},
        by_status=by_status,
        devices=devices,
        all_listed=False,
        counts_are_devices=policy.expected_devices is None and len(jobs) == 1,
        versions_needed=(),
    )


def _by_frequency(numbers: Counter[str]) -> dict[str, int]:
    """Most frequent first, equal numbers by name, so that the order of devices does not show."""
    return {name: number for name, number in sorted(numbers.items(), key=lambda item: (-item[1], item[0])) if number}


# --- Devices ---------------------------------------------------------------------------------------------------------

_WORST_FIRST = ("failed", "pending", "succeeded", "canceled")


def _by_device(tasks: Iterable[Device], snapshot: Snapshot, policy: Policy, no_more_tasks: bool) -> list[Device]:
    """The devices that count, each by the worst of its tasks, in the order of their names."""
    worst: dict[tuple[str | int, str | None], Device] = {}
    by_name = policy.expected_devices is not None
    for number, device in enumerate(tasks):
        key = (device.device_name or device.task_id or number, "" if by_name else device.product_key)
        if key not in worst or _severity(device) < _severity(worst[key]):
            worst[key] = device
    if policy.expected_devices is not None:
        expected = {(name, ""): name for name in policy.expected_devices}
        worst = {
            key: worst.get(key) or device_without_task(name, snapshot, policy, no_more_tasks)
            for key, name in expected.items()
        }
    return sorted(worst.values(), key=_sort_key)


def _sort_key(device: Device) -> tuple[str, ...]:
    parts = (device.device_name, device.product_key, device.task_id, device.job_id, device.task_status, device.detail)
    return tuple(str(part or "") for part in parts)


def _severity(device: Device) -> tuple[int, str, str]:
    return _WORST_FIRST.index(device.state), str(device.class_name), str(device.task_id)


def keeps_bounds(rollout: RolloutState, policy: Policy) -> bool:
    """Whether the bounds are kept if every version that was not read yet proves success."""
    surplus = 0  # where only numbers are known, this many of them may be about devices that are not expected
    if policy.expected_devices is not None and not rollout.counts_are_devices:
        surplus = max(0, rollout.total - len(policy.expected_devices))
    if rollout.total < (policy.min_devices or 0):
        return False
    if rollout.succeeded + rollout.unproved_expected + surplus < policy.succeeded_needed(rollout.total):
        return False
    if rollout.pending - rollout.unproved_expected > policy.pending_allowed(rollout.total) + surplus:
        return False
    failed_allowed = policy.failed_allowed(rollout.executed + rollout.unproved_expected)
    return failed_allowed is None or rollout.failed <= failed_allowed + surplus
