# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices of a rollout: the state of each by its task and its version, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Union

from ...module_utils._api.operations import UNFINISHED_TASK_STATUSES
from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import FailureClass, TaskFacts
from .policy import Policy
from .snapshot import JobSnapshot, Snapshot, all_notified_at, format_time, parse_time

#: A notified device is silent, and one that installs is stalled, after this many seconds without a change.
STALLED_AFTER = 600.0

State = Literal["succeeded", "failed", "pending", "canceled"]
DeviceClass = Union[
    FailureClass,
    Literal["busy", "canceled", "no_task", "already_on_target"],
    Literal["planned", "awaiting_confirmation", "rate_limited", "offline", "notified", "silent", "in_progress"],
    Literal["stalled", "unproved", "unknown"],
]

#: When each unfinished task last changed: by its ID, its fingerprint and seconds since 1970.
TaskChanges = Mapping[str, Sequence[Any]]


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

    @property
    def key(self) -> DeviceKey:
        """What identifies the device."""
        return self.product_key or "", self.device_name or ""

    @property
    def may_be_busy(self) -> bool:
        """Whether another batch may explain its state."""
        return self.class_name in ("no_task", "superseded") or (self.state == "failed" and self.class_name == "other")

    def to_result(self) -> dict[str, Any]:
        """The device as the gate returns it."""
        return {
            "product_key": self.product_key,
            "device_name": self.device_name,
            "job_id": self.job_id,
            "state": self.state,
            "class": self.class_name,
            "task_status": self.task_status,
            "progress_percent": self.progress_percent,
            "version": self.version,
            "detail": self.detail,
            "busy_with": self.busy_with,
            "since": None if self.since is None else format_time(self.since),
            "idle_seconds": self.idle_seconds,
        }


def device_without_task(name: str, snapshot: Snapshot, policy: Policy, no_more_tasks: bool) -> Device:
    """An expected device without a task: it may be on the new version already, or get a task later.

    It has failed only if it is known to be on another version, or unknown to the service, and no task will appear.
    """
    products, targets = (_texts_of(snapshot.jobs, fact) for fact in ("product_key", "dest_version"))
    product = policy.expected_product_key or (next(iter(products)) if len(products) == 1 else None)
    device = Device(product, name, "pending", "no_task")
    if snapshot.versions is None or device.key not in snapshot.versions:
        return device
    version = snapshot.versions[device.key]
    device = device._replace(version=version or None)
    if version is None or len(targets) != 1:
        return device._replace(class_name="unproved")
    if version in targets:
        return device._replace(state="succeeded", class_name="already_on_target")
    if device.key in snapshot.busy:
        device = device._replace(class_name="busy", busy_with=snapshot.busy[device.key])
    return device._replace(state="failed") if no_more_tasks else device


def _texts_of(jobs: Sequence[JobSnapshot], fact: str) -> set[str]:
    texts = (_to_text((job.facts or {}).get(fact)) for job in jobs)
    return {text for text in texts if text is not None}


def task_device(task: TaskFacts, job: JobSnapshot, snapshot: Snapshot, policy: Policy, changes: TaskChanges) -> Device:
    """The device of a task, as far as this task says."""
    since = _unchanged_since(task, snapshot.now, changes)
    facts = job.facts or {}
    state, class_name = _task_state(task, job, snapshot.now, since, policy)
    device = Device(
        product_key=_to_text(task.get("product_key") or facts.get("product_key")),
        device_name=_to_text(task.get("device_name")),
        state=state,
        class_name=class_name,
        job_id=job.job_id,
        task_id=_to_text(task.get("task_id")),
        task_status=task.get("task_status"),
        progress_percent=task.get("progress_percent"),
        detail=_to_text(task.get("task_desc")),
        since=since,
        idle_seconds=round(snapshot.now - since, 1),
    )
    if device.state == "succeeded" and snapshot.versions is not None and policy.verify_versions:
        device = _with_version(device, snapshot.versions.get(device.key) or None, facts.get("dest_version"))
    if device.state == "failed" and device.key in snapshot.busy:
        device = device._replace(class_name="busy", busy_with=snapshot.busy[device.key])
    return device


def _with_version(device: Device, version: str | None, target: str | None) -> Device:
    """A device whose task succeeded, with the version that it reports."""
    device = device._replace(version=version)
    if version is None:
        return device._replace(state="pending", class_name="unproved")
    return device if version == target else device._replace(state="failed", class_name="wrong_version")


def _to_text(value: Any) -> str | None:
    """A fact of an undocumented type is kept as it came, but what is compared and sorted here must be text."""
    return value if value is None or isinstance(value, str) else str(value)


def _task_state(
    task: TaskFacts, job: JobSnapshot, now: float, since: float, policy: Policy
) -> tuple[State, DeviceClass | None]:
    status = task.get("task_status")
    if status == "SUCCEEDED":
        return "succeeded", None
    if status == "FAILED":
        return "failed", task.get("failure_class") or "other"
    if status == "CANCELED":
        return ("canceled", None) if policy.ignore_canceled else ("failed", "canceled")
    class_name = waiting_for(str(status), job, now)
    if now - since >= STALLED_AFTER:
        class_name = _STALLED.get(class_name, class_name)
    return "pending", class_name


_WAITING_FOR: Mapping[str, DeviceClass] = {
    "CONFIRM": "awaiting_confirmation",
    "NOTIFIED": "notified",
    "IN_PROGRESS": "in_progress",
}
_STALLED: Mapping[DeviceClass, DeviceClass] = {"notified": "silent", "in_progress": "stalled"}


def waiting_for(status: str, job: JobSnapshot, now: float) -> DeviceClass:
    """The class of an unfinished task. The service does not say why one is queued, so it is one of three guesses."""
    if status != "QUEUED":
        return _WAITING_FOR.get(status, "unknown")
    facts = job.facts or {}
    planned = parse_time(facts.get("utc_schedule_time"))
    if facts.get("job_status") == "PLANNED" or (planned is not None and planned > now):
        return "planned"
    notified = all_notified_at(job)
    return "rate_limited" if notified is not None and now < notified else "offline"


# --- Changes ---------------------------------------------------------------------------------------------------------


def _unchanged_since(task: TaskFacts, now: float, changes: TaskChanges) -> float:
    """When a task last changed: by the service when first seen, then by the polls that saw it change."""
    identity, fingerprint = task_fingerprint(task)
    if identity not in changes:
        return min(now, parse_time(task.get("utc_modified")) or now)
    known, since = changes[identity]
    return min(now, since) if known == fingerprint else now


def task_fingerprint(task: TaskFacts) -> tuple[str, str]:
    """What identifies a task, and what changes when it moves."""
    identity = task.get("task_id") or f"{task.get('job_id')} {task.get('product_key')} {task.get('device_name')}"
    return str(identity), f"{task.get('task_status')} {task.get('progress')}"


def unfinished_since(snapshot: Snapshot, changes: TaskChanges) -> dict[str, list[Any]]:
    """When each unfinished task last changed, as the next poll needs it."""
    kept = {}
    for job in snapshot.jobs:
        for task in job.tasks:
            if task.get("task_status") in UNFINISHED_TASK_STATUSES:
                identity, fingerprint = task_fingerprint(task)
                kept[identity] = [fingerprint, _unchanged_since(task, snapshot.now, changes)]
    return kept
