# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device by one of its tasks: its state, why, and whether its version proves it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Union

from ...module_utils._api.operations import UNFINISHED_TASK_STATUSES
from ...module_utils._queries.devices import DeviceKey, DeviceReport
from ...module_utils._queries.jobs import FailureClass, TaskFacts
from ...module_utils._queries.states import DeviceState
from .policy import Policy
from .snapshot import JobSnapshot, Kept, Memory, Snapshot, all_notified_at, positive_int, to_text
from .times import MAX_TIME, format_time
from .versions import is_source, is_target, module_of, proof_key, reported_version, sources_of, with_job_sources

#: A notified device is silent, and one that installs is stalled, after this many seconds without a change.
STALLED_AFTER = 600.0

#: How far the times of the service may seem to lie ahead of this machine's, in seconds: it tells its own in whole ones.
CLOCK_ERROR = 1.0

#: Why a device has vanished that was deleted.
UNKNOWN_DEVICE = "the service does not know the device"

State = Literal["succeeded", "failed", "pending", "canceled"]
DeviceClass = Union[
    FailureClass,
    Literal["busy", "canceled", "fell_back", "no_task", "already_on_target"],
    Literal["planned", "awaiting_confirmation", "rate_limited", "waits_for_device"],
    Literal["offline", "never_activated", "disabled", "online_not_pushed"],
    Literal["notified", "silent", "in_progress", "stalled", "retrying"],
    Literal["awaiting_version", "unproved", "vanished", "unknown"],
]


class Device(NamedTuple):
    """One device that counts, by the task that decides: its state, its class, and what is known of it.

    ``since`` is when its task last changed, in seconds since 1970. Without a task, the fields of a task are ``None``.
    """

    product_key: str | None
    device_name: str | None
    state: State
    class_name: DeviceClass | None
    job_id: str | None = None
    task_id: str | None = None
    task_status: str | None = None
    progress_percent: float | None = None
    version: str | None = None
    detail: str | None = None
    busy_with: str | None = None
    since: float | None = None
    idle_seconds: float | None = None
    iot_id: str | None = None
    created: float | None = None
    verified: bool = False

    @property
    def key(self) -> DeviceKey:
        """What identifies the device."""
        return self.product_key or "", self.device_name or ""

    @property
    def may_be_busy(self) -> bool:
        """Whether another batch may explain its state."""
        return self.class_name == "no_task" or (self.state == "failed" and self.class_name == "other")

    def to_result(self) -> dict[str, Any]:
        """The device as the gate returns it."""
        return {
            "product_key": self.product_key,
            "device_name": self.device_name,
            "job_id": self.job_id,
            "state": self.state,
            "class": self.class_name,
            "verified": self.verified,
            "task_status": self.task_status,
            "progress_percent": self.progress_percent,
            "version": self.version,
            "detail": self.detail,
            "busy_with": self.busy_with,
            "since": None if self.since is None else format_time(self.since),
            "idle_seconds": self.idle_seconds,
        }


def task_device(task: TaskFacts, job: JobSnapshot, snapshot: Snapshot, policy: Policy, memory: Memory) -> Device:
    """The device of a task, as far as this task says."""
    since = _unchanged_since(task, snapshot, memory.task_changes)
    state, class_name = _task_state(task, job, snapshot, since, policy)
    device = Device(
        product_key=to_text(task.get("product_key")) or job.product_key or None,
        device_name=to_text(task.get("device_name")),
        state=state,
        class_name=class_name,
        job_id=job.job_id,
        task_id=to_text(task.get("task_id")),
        task_status=task.get("task_status"),
        progress_percent=task.get("progress_percent"),
        detail=to_text(task.get("task_desc")),
        since=since,
        idle_seconds=round(snapshot.now - since, 1),
        iot_id=to_text(task.get("iot_id")),
        created=snapshot.local_time(task.get("utc_create")),
    )
    device = _with_report(device, task, job, snapshot, policy, memory)
    if device.class_name in _LATE_CLASSES and device.key in snapshot.states:
        return _with_online_state(device, snapshot.states[device.key], snapshot.clock_offset)
    if device.state == "failed" and device.key in snapshot.busy:
        device = device._replace(class_name="busy", busy_with=snapshot.busy[device.key])
    return device


def _with_report(
    device: Device, task: TaskFacts, job: JobSnapshot, snapshot: Snapshot, policy: Policy, memory: Memory
) -> Device:
    """The same device with what it reports: whether it still exists, and whether its task has really succeeded."""
    report = (snapshot.versions or {}).get(device.key)
    if report is None:
        return _with_earlier_proof(device, task, job, snapshot, policy, memory)
    sources = sources_of(task, job)
    if not report.found and device.state == "pending":
        return vanished(device, UNKNOWN_DEVICE)
    device = device._replace(version=reported_version(report, job, with_job_sources(sources, job), policy))
    if device.state != "succeeded" or not policy.verify_versions:
        return device
    return prove_device(device, report, job, sources, snapshot, policy, memory)


def _with_earlier_proof(
    device: Device, task: TaskFacts, job: JobSnapshot, snapshot: Snapshot, policy: Policy, memory: Memory
) -> Device:
    """The same device, proved if it has reported the new version since its task succeeded, before this poll.

    What else it reported then says nothing: it may report the new version by now.
    """
    report = snapshot.earlier.get(device.key)
    if report is None or device.state != "succeeded" or not policy.verify_versions:
        return device
    if is_outdated(report, device.since) or report.read_at <= memory.proved_since or is_another(report, device.iot_id):
        return device
    sources = with_job_sources(sources_of(task, job), job)
    version = reported_version(report, job, sources, policy)
    if version is None or not is_target(version, job.target, sources, policy.version_match):
        return device
    return device._replace(version=version, verified=True)


def is_outdated(report: DeviceReport, since: float | None) -> bool:
    """Whether a report is older than the task that it is to prove, which is as it is ``since`` then."""
    return report.read_at + CLOCK_ERROR < (since or 0.0)


def is_another(report: DeviceReport, iot_id: str | None) -> bool:
    """Whether a report is about another device than a task with this ``iot_id``, which has its name now."""
    return bool(report.iot_id and iot_id and report.iot_id != iot_id)


def prove_device(
    device: Device,
    report: DeviceReport,
    job: JobSnapshot,
    sources: Sequence[str],
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
) -> Device:
    """A device whose task succeeded, by what it ``report``\\ s now."""
    if not report.found:
        return vanished(device, UNKNOWN_DEVICE)
    if is_another(report, device.iot_id):
        return vanished(device, "another device has its name now")
    if device.version is None:
        return unproved(device, report, job, policy)
    if is_target(device.version, job.target, with_job_sources(sources, job), policy.version_match):
        return device._replace(verified=True)
    if module_of(job, policy) is None and _has_other_target(job, snapshot):
        return unproved(device, report, job, policy)
    proved = memory.on_target.get(proof_key(device.key, report, job, policy))
    if proved is not None and proved >= (device.created or 0.0):  # an earlier one proves an earlier task
        return fallen_back(device, job.target, proved)
    may_be_late = not sources or is_source(device.version, sources, policy.version_match)
    if may_be_late and snapshot.now < (device.since or 0.0) + policy.version_grace:
        return device._replace(state="pending", class_name="awaiting_version")
    return device._replace(
        state="failed", class_name="wrong_version", detail=f"reports {device.version}, not {job.target}"
    )


def _has_other_target(job: JobSnapshot, snapshot: Snapshot) -> bool:
    """Whether another batch brings the product to another version, which may be a later stage of the same module."""
    return any(other.target != job.target and other.product_key == job.product_key for other in snapshot.jobs)


def unproved(device: Device, report: DeviceReport, job: JobSnapshot, policy: Policy) -> Device:
    """A device that may be on the new version, with what is in the way of knowing it."""
    why = report.failure
    if why is None and module_of(job, policy) is None and report.versions:
        why = f"it is not known which of its modules batch {job.job_id} is for"
    return device._replace(state="pending", class_name="unproved", detail=why)


def vanished(device: Device, why: str) -> Device:
    """A device that can no longer be read."""
    return device._replace(state="pending", class_name="vanished", detail=f"{why}, last seen {device.task_status}")


def fallen_back(device: Device, target: str | None, proved: float) -> Device:
    """A device that was on the ``target`` and no longer is."""
    detail = f"fell back from {target} to {device.version} after {format_time(proved)}"
    return device._replace(state="failed", class_name="fell_back", detail=detail)


# --- States ----------------------------------------------------------------------------------------------------------


def _task_state(
    task: TaskFacts, job: JobSnapshot, snapshot: Snapshot, since: float, policy: Policy
) -> tuple[State, DeviceClass | None]:
    status = task.get("task_status")
    if status == "SUCCEEDED":
        return "succeeded", None
    if status == "FAILED":
        if snapshot.now < since + retry_window(task, job):
            return "pending", "retrying"
        return "failed", task.get("failure_class") or "other"
    if status == "CANCELED":
        return ("canceled", None) if policy.ignore_canceled else ("failed", "canceled")
    class_name = waiting_for(str(status), job, snapshot)
    if snapshot.now - since >= STALLED_AFTER:
        class_name = _STALLED.get(class_name, class_name)
    return "pending", class_name


def retry_window(task: TaskFacts, job: JobSnapshot) -> float:
    """For how many seconds after a failure the service may still try again.

    Time-outs are never tried again, by the vendor's guide to updates. How many tries are left is not to be had, and in
    which state a task is between two tries is not documented.
    """
    facts = job.facts or {}
    if job.finished or not positive_int(facts.get("retry_count")) or task.get("failure_class") == "timeout":
        return 0.0
    return 60.0 * positive_int(facts.get("retry_interval"))


_WAITING_FOR: Mapping[str, DeviceClass] = {
    "CONFIRM": "awaiting_confirmation",
    "NOTIFIED": "notified",
    "IN_PROGRESS": "in_progress",
}
_STALLED: Mapping[DeviceClass, DeviceClass] = {"notified": "silent", "in_progress": "stalled"}


def waiting_for(status: str, job: JobSnapshot, snapshot: Snapshot) -> DeviceClass:
    """The class of an unfinished task. Why one is queued the service does not say; ``offline`` is the last guess."""
    if status != "QUEUED":
        return _WAITING_FOR.get(status, "unknown")
    planned = snapshot.job_time(job, "utc_schedule_time")
    if job.planned or (planned is not None and planned > snapshot.now):
        return "planned"
    if (job.facts or {}).get("need_push") is False:
        return "waits_for_device"
    notified = all_notified_at(job, snapshot.clock_offset)
    return "rate_limited" if notified is not None and snapshot.now < notified else "offline"


#: Devices with an unfinished task that moves less than it should, which may be because they are not online.
_LATE_CLASSES = ("offline", "silent", "stalled")
_CLASS_BY_STATE: Mapping[str, DeviceClass] = {
    "OFFLINE": "offline",
    "UNACTIVE": "never_activated",
    "DISABLE": "disabled",
    "ONLINE": "online_not_pushed",
}
#: The classes of devices whose state is worth asking for.
LATE_CLASSES = (*_LATE_CLASSES, *_CLASS_BY_STATE.values())
_WORDS_BY_STATE = {"OFFLINE": "offline", "UNACTIVE": "never activated", "DISABLE": "disabled", "ONLINE": "online"}


def _with_online_state(device: Device, known: DeviceState, clock_offset: float | None) -> Device:
    """An unfinished device with its state by the service, which decides why a task is queued."""
    words = _WORDS_BY_STATE.get(known.state or "")
    if words is None:
        return device
    if known.since is not None and known.since < MAX_TIME:
        words += f" since {format_time(max(0.0, known.since - (clock_offset or 0.0)))}"
    class_name = _CLASS_BY_STATE[known.state or ""] if device.class_name == "offline" else device.class_name
    return device._replace(class_name=class_name, detail=device.detail or words)


# --- Changes ---------------------------------------------------------------------------------------------------------


def _unchanged_since(task: TaskFacts, snapshot: Snapshot, changes: Kept) -> float:
    """When a task last changed: by the service, or where that does not say so, by the polls that saw it change."""
    known, since = changes.get(task_identity(task), (None, -1.0))
    modified = snapshot.local_time(task.get("utc_modified"))
    if known != _fingerprint(task):
        return snapshot.now if modified is None or modified <= since else min(snapshot.now, modified)
    if task.get("task_status") == "FAILED":  # tried again between two polls, it looks the same but for its time
        since = max(since, modified or 0.0)
    return float(min(snapshot.now, since))


def task_identity(task: TaskFacts) -> str:
    """What identifies a task."""
    return str(task.get("task_id") or f"{task.get('job_id')} {task.get('product_key')} {task.get('device_name')}")


def _fingerprint(task: TaskFacts) -> str:
    """What changes when a task moves. That one has succeeded again since the last poll only its time tells."""
    state = f"{task.get('task_status')} {task.get('progress')}"
    modified = task.get("utc_modified") if task.get("task_status") == "SUCCEEDED" else None
    return f"{state} {modified}" if modified else state


def task_changes(snapshot: Snapshot, changes: Kept) -> dict[str, list[Any]]:
    """When each task whose time counts last changed, as the next poll needs it."""
    kept = {}
    for job in snapshot.jobs:
        for task in job.tasks:
            since = _unchanged_since(task, snapshot, changes)
            if _time_counts(task, job, since, snapshot):
                kept[task_identity(task)] = [_fingerprint(task), since]
    return kept


def _time_counts(task: TaskFacts, job: JobSnapshot, since: float, snapshot: Snapshot) -> bool:
    """Whether it matters since when the task is as it is: it waits, may be tried again, or may be proved late.

    Since when a task has succeeded need not be kept if the service says so itself.
    """
    status = task.get("task_status")
    if status in UNFINISHED_TASK_STATUSES:
        return True
    if status == "FAILED":
        return retry_window(task, job) > 0
    modified = snapshot.local_time(task.get("utc_modified"))
    return status == "SUCCEEDED" and since != modified
