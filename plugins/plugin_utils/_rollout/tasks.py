# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of its tasks decides about a device: the latest of each batch, then the worst of all batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...module_utils._queries.jobs import TaskFacts
from .batches import Relation, task_key
from .devices import Device, Kept, Memory, State, task_device, task_identity, to_text, vanished
from .policy import Policy
from .snapshot import JobSnapshot, Snapshot
from .times import parse_time

#: What tells devices of a rollout apart: product, name or what stands for it, and the IotId of one that was replaced.
Identity = tuple[str, str, str]

_WORST_FIRST: tuple[State, ...] = ("failed", "pending", "succeeded", "canceled")


def job_devices(snapshot: Snapshot, policy: Policy, memory: Memory) -> dict[str, dict[Identity, Device]]:
    """The devices of each batch, each by the task that decides there."""
    replaced = _replaced_devices(snapshot.jobs)
    return {job.job_id: _devices_of(job, replaced, snapshot, policy, memory) for job in snapshot.jobs}


def rollout_devices(
    by_job: Mapping[str, Mapping[Identity, Device]], relations: Iterable[Relation]
) -> dict[Identity, Device]:
    """The devices of all batches: each by its worst task, but by the later of two stages of a chain."""
    stages = [(relation.earlier.job_id, relation.later.job_id) for relation in relations if relation.is_chain]
    worst: dict[Identity, Device] = {}
    for job_id, devices in by_job.items():
        later = [by_job[after] for before, after in stages if before == job_id]
        for identity, device in devices.items():
            if any(identity in others for others in later):
                continue
            known = worst.get(identity)
            worst[identity] = device if known is None else worst_device((known, device))
    return worst


def worst_device(devices: Iterable[Device]) -> Device:
    """The device that decides where nothing else does; equal ones in an order of their own, not in that of rows."""
    return min(devices, key=_severity)


def _severity(device: Device) -> tuple[int, tuple[str, ...]]:
    return _WORST_FIRST.index(device.state), (str(device.class_name), *sort_key(device))


def sort_key(device: Device) -> tuple[str, ...]:
    """The order of devices in results: by name."""
    parts = (device.device_name, device.product_key, device.task_id, device.job_id, device.task_status, device.detail)
    return tuple(str(part or "") for part in parts)


# --- One batch -------------------------------------------------------------------------------------------------------


def _devices_of(
    job: JobSnapshot,
    replaced: Mapping[tuple[str, str], str],
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
) -> dict[Identity, Device]:
    groups: dict[Identity, list[TaskFacts]] = {}
    for number, task in enumerate(job.tasks):
        groups.setdefault(_identity_of(task, job, number, replaced), []).append(task)
    devices = {}
    for identity, tasks in groups.items():
        found = [task_device(task, job, snapshot, policy, memory) for task in _latest_tasks(tasks)]
        device = found[0] if len(found) == 1 else worst_device(found)
        devices[identity] = vanished(device, "another device has its name now") if identity[2] else device
    if job.all_listed:
        devices.update(_vanished_devices(job, devices, policy, memory))
    return devices


def _identity_of(task: TaskFacts, job: JobSnapshot, number: int, replaced: Mapping[tuple[str, str], str]) -> Identity:
    product, name = task_key(task, job)
    if not name:
        return product, f"\t{task.get('task_id') or number}", ""
    iot_id = to_text(task.get("iot_id")) or ""
    is_earlier = iot_id and replaced.get((product, name), iot_id) != iot_id
    return product, name, iot_id if is_earlier else ""


def _latest_tasks(tasks: Sequence[TaskFacts]) -> Sequence[TaskFacts]:
    """The latest of the tasks of a device; all of them where it is not told which is later."""
    if len(tasks) == 1:
        return tasks
    times = [(parse_time(task.get("utc_create")), parse_time(task.get("utc_modified"))) for task in tasks]
    if any(created is None for created, _modified in times):
        return tasks
    newest = max(created or 0.0 for created, _modified in times)
    last = [(task, modified) for task, (created, modified) in zip(tasks, times) if created == newest]
    if any(modified is None for _task, modified in last):
        return [task for task, _modified in last]
    latest = max(modified or 0.0 for _task, modified in last)
    return [task for task, modified in last if modified == latest]


def _replaced_devices(jobs: Sequence[JobSnapshot]) -> dict[tuple[str, str], str]:
    """The IotId of today for each name that stands for several devices, as far as their tasks tell which is later."""
    first: dict[tuple[str, str], str] = {}
    several: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for job in jobs:
        for task in job.tasks:
            iot_id, key = to_text(task.get("iot_id")), task_key(task, job)
            if iot_id and key[1] and first.setdefault(key, iot_id) != iot_id:
                several[key] = []
    if several:
        for job in jobs:
            for task in job.tasks:
                key, created = task_key(task, job), parse_time(task.get("utc_create"))
                if key in several and task.get("iot_id") and created is not None:
                    several[key].append((created, str(task["iot_id"])))
    return {key: max(found)[1] for key, found in several.items() if found}


def _vanished_devices(
    job: JobSnapshot, devices: Mapping[Identity, Device], policy: Policy, memory: Memory
) -> Iterator[tuple[Identity, Device]]:
    """The devices that had a task in a batch and have none there any more."""
    listed = {task_identity(task) for task in job.tasks}
    for task_id, (product, name, status, iot_id) in memory.tasks.get(job.job_id, {}).items():
        identity: Identity = (product, name or f"\t{task_id}", "")
        known = devices.get(identity)
        if task_id in listed or (status == "CANCELED" and policy.ignore_canceled):
            continue
        if known is not None and (not iot_id or not known.iot_id or iot_id == known.iot_id):
            continue
        identity = identity if known is None else (*identity[:2], iot_id)
        device = Device(product or None, name or None, "pending", "vanished", job.job_id, task_id, status)
        yield identity, vanished(device._replace(iot_id=iot_id or None), "its task is gone")


def missing_tasks(job: JobSnapshot, known: Kept) -> int:
    """How many of the tasks that earlier polls have seen are no longer listed."""
    if not known or not job.all_listed:
        return 0
    return len(known.keys() - {task_identity(task) for task in job.tasks})


def listed_tasks(job: JobSnapshot) -> dict[str, list[str]]:
    """The tasks of a batch, as later polls need them to miss one."""
    return {
        task_identity(task): [*task_key(task, job), str(task.get("task_status")), to_text(task.get("iot_id")) or ""]
        for task in job.tasks
    }
