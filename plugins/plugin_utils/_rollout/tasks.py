# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of its tasks decides about a device: the latest of each batch, then the worst of all batches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import JobFacts, TaskFacts
from .batches import Relation, task_key
from .devices import Device, State, task_device, task_identity, vanished
from .policy import Policy
from .snapshot import JobSnapshot, Kept, Memory, Snapshot, to_text
from .times import parse_time
from .versions import is_source, is_target, proof_key, reported_version, sources_of, with_job_sources

#: What tells devices of a rollout apart: product, name or what stands for it, and the IotId of one that was replaced.
Identity = tuple[str, str, str]

_WORST_FIRST: tuple[State, ...] = ("failed", "pending", "succeeded", "canceled")


def job_devices(snapshot: Snapshot, policy: Policy, memory: Memory) -> dict[str, dict[Identity, Device]]:
    """The devices of each batch, each by the task that decides there."""
    today = _devices_of_today(snapshot, memory)
    return {job.job_id: _devices_of(job, today, snapshot, policy, memory) for job in snapshot.jobs}


def by_last_stage(
    by_job: Mapping[str, Mapping[Identity, Device]], relations: Iterable[Relation], policy: Policy
) -> dict[str, dict[Identity, Device]]:
    """The same devices, each by the later of two stages of a chain where it is in both."""
    stages: dict[str, list[JobSnapshot]] = {}
    for relation in relations:
        if relation.is_chain:
            stages.setdefault(relation.earlier.job_id, []).append(relation.later)
    decided: dict[str, dict[Identity, Device]] = {}

    def decide(job_id: str) -> dict[Identity, Device]:
        if job_id not in decided:
            after = stages.get(job_id, ())
            later = rollout_devices([decide(job.job_id) for job in after])
            targets = [job.target for job in after if job.target is not None]
            decided[job_id] = {
                identity: _last_stage(device, later.get(identity, device), targets, policy)
                for identity, device in by_job[job_id].items()
            }
        return decided[job_id]

    return {job_id: decide(job_id) for job_id in by_job}


def _last_stage(earlier: Device, later: Device, targets: Sequence[str], policy: Policy) -> Device:
    """The later of two stages, unless it never came: then the earlier one counts too, lest its failure be hidden."""
    has_vanished = later.class_name == "vanished"
    if not has_vanished and later.state != "canceled":
        return later
    version = earlier.version
    if version is not None and any(is_source(version, (target,), policy.version_match) for target in targets):
        return later
    return earlier if has_vanished and policy.ignore_vanished else worst_device((earlier, later))


def rollout_devices(
    batches: Iterable[Mapping[Identity, Device]], ignore_vanished: bool = False
) -> dict[Identity, Device]:
    """The devices of several batches, each by its worst task, which need not be one that has vanished."""
    several = list(batches)
    if len(several) == 1:
        return dict(several[0])
    found: dict[Identity, list[Device]] = {}
    for devices in several:
        for identity, device in devices.items():
            found.setdefault(identity, []).append(device)
    if ignore_vanished:
        found = {identity: _still_there(devices) or devices for identity, devices in found.items()}
    return {identity: worst_device(devices) for identity, devices in found.items()}


def _still_there(devices: Sequence[Device]) -> list[Device]:
    return [device for device in devices if device.class_name != "vanished"]


def worst_device(devices: Iterable[Device]) -> Device:
    """The device that decides where nothing else does; equal ones in an order of their own, not in that of rows."""
    return min(devices, key=_severity)


def _severity(device: Device) -> tuple[int, bool, bool, tuple[str, ...]]:
    is_gone = device.class_name == "vanished"  # which may not count at all, so it hides none that is waited for
    # What proves one task must not hide that another one is not proved yet.
    return _WORST_FIRST.index(device.state), is_gone, device.verified, (str(device.class_name), *sort_key(device))


def sort_key(device: Device) -> tuple[str, ...]:
    """The order of devices in results: by name. The rest tells tasks apart that have no ID."""
    names = (device.device_name, device.product_key, device.task_id, device.job_id, device.iot_id)
    facts = (device.task_status, device.detail, device.since, device.progress_percent)
    return tuple(str(part or "") for part in (*names, *facts))


def in_order(devices: Iterable[Device]) -> list[Device]:
    """The devices by their :func:`sort_key`, of which most differ in its beginning."""
    by_name: dict[tuple[str, str], list[Device]] = {}
    for device in devices:
        by_name.setdefault((device.device_name or "", device.product_key or ""), []).append(device)
    return [
        device
        for name in sorted(by_name)
        for device in (sorted(by_name[name], key=sort_key) if len(by_name[name]) > 1 else by_name[name])
    ]


# --- One batch -------------------------------------------------------------------------------------------------------


def _devices_of(
    job: JobSnapshot,
    today: Mapping[DeviceKey, str],
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
) -> dict[Identity, Device]:
    groups: dict[Identity, list[TaskFacts]] = {}
    for number, task in enumerate(job.tasks):
        groups.setdefault(_identity_of(task, job, number, today), []).append(task)
    devices = {}
    for identity, tasks in groups.items():
        counted = [task for task in tasks if task.get("task_status") != "CANCELED"] if policy.ignore_canceled else tasks
        found = [task_device(task, job, snapshot, policy, memory) for task in _latest_tasks(counted or tasks)]
        device = found[0] if len(found) == 1 else worst_device(found)
        devices[identity] = vanished(device, "another device has its name now") if identity[2] else device
    if job.all_listed:
        devices.update(list(_vanished_devices(job, devices, groups, today, policy, memory)))
    return devices


def _identity_of(task: TaskFacts, job: JobSnapshot, number: int, today: Mapping[DeviceKey, str]) -> Identity:
    product, name = task_key(task, job)
    if not name:
        return product, f"\t{task.get('task_id') or f'{job.job_id} {number}'}", ""
    return product, name, _earlier_iot_id((product, name), to_text(task.get("iot_id")) or "", today)


def _earlier_iot_id(key: DeviceKey, iot_id: str, today: Mapping[DeviceKey, str]) -> str:
    """The IotId of a device if another one has its name now, or else none."""
    return iot_id if iot_id and today.get(key, iot_id) != iot_id else ""


def _latest_tasks(tasks: Sequence[TaskFacts]) -> Sequence[TaskFacts]:
    """The latest of the tasks of a device; all of them where it is not known which is later."""
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


def _devices_of_today(snapshot: Snapshot, memory: Memory) -> dict[DeviceKey, str]:
    """The IotId of today for each name that stands for several devices, by what it reports or else by its tasks."""
    first: dict[DeviceKey, str] = {}
    several: dict[DeviceKey, list[tuple[float, str]]] = {}
    for key, iot_id, _created in _iot_ids(snapshot.jobs, memory):
        if first.setdefault(key, iot_id) != iot_id:
            several[key] = []
    for key, iot_id, created in _iot_ids(snapshot.jobs, memory) if several else ():
        if key in several:
            moment = parse_time(created)
            several[key].append((-1.0 if moment is None else moment, iot_id))
    today = {key: max(found)[1] for key, found in several.items() if min(found)[0] >= 0}
    reports = {key: (snapshot.versions or {}).get(key) for key in several}
    return {**today, **{key: report.iot_id for key, report in reports.items() if report and report.iot_id}}


def _iot_ids(jobs: Sequence[JobSnapshot], memory: Memory) -> Iterator[tuple[DeviceKey, str, Any]]:
    """The device, its IotId and the time of creation of all tasks that tell these, also of those that are gone."""
    for job in jobs:
        for task in job.tasks:
            iot_id, key = to_text(task.get("iot_id")), task_key(task, job)
            if iot_id and key[1]:
                yield key, iot_id, task.get("utc_create")
        for product, name, _status, iot_id, created in memory.tasks.get(job.job_id, {}).values():
            if iot_id and name:
                yield (product, name), iot_id, created


def _vanished_devices(
    job: JobSnapshot,
    devices: Mapping[Identity, Device],
    groups: Mapping[Identity, Sequence[TaskFacts]],
    today: Mapping[DeviceKey, str],
    policy: Policy,
    memory: Memory,
) -> Iterator[tuple[Identity, Device]]:
    """The devices whose task that decides in a batch is there no more; ``groups`` are the tasks that are."""
    kept = memory.tasks.get(job.job_id, {})
    gone = kept.keys() - {task_identity(task) for task in job.tasks}
    for task_id in sorted(gone, key=lambda task_id: (kept[task_id][-1], task_id)):  # the latest one comes last
        product, name, status, iot_id, created = kept[task_id]
        identity: Identity = (product, name or f"\t{task_id}", _earlier_iot_id((product, name), iot_id, today))
        known = devices.get(identity)
        is_same = known is not None and (not iot_id or not known.iot_id or iot_id == known.iot_id)
        is_left_out = status == "CANCELED" and policy.ignore_canceled
        if known is not None and not is_same:
            identity = (*identity[:2], iot_id)
        elif known and (is_left_out or not _outranks(parse_time(created), groups.get(identity, ()), known)):
            continue
        device = Device(product or None, name or None, "canceled", None, job.job_id, task_id, status)
        device = device._replace(iot_id=iot_id or None)
        yield identity, device if is_left_out else vanished(device, "its task is gone")


def _outranks(created: float | None, tasks: Sequence[TaskFacts], known: Device) -> bool:
    """Whether a task that is gone decides, and not those that are left: the latest, or else the worst."""
    if known.class_name == "vanished":
        return False
    times = [parse_time(task.get("utc_create")) for task in tasks]
    latest = max(time or 0.0 for time in times)
    if created is None or None in times or created == latest:
        return known.state != "failed"
    return created > latest


def missing_tasks(job: JobSnapshot, known: Kept) -> int:
    """How many of the tasks that earlier polls have seen are no longer listed."""
    if not known or not job.all_listed:
        return 0
    return len(known.keys() - {task_identity(task) for task in job.tasks})


def proofs(snapshot: Snapshot, policy: Policy) -> dict[str, float]:
    """The devices that report the version of a batch now, as later polls need them to notice one that falls back."""
    found = {}
    for job in with_all_sources(snapshot, policy).jobs if snapshot.versions else ():
        sources = _sources_by_device(job)
        for key, report in (snapshot.versions or {}).items():
            replaced = with_job_sources(sources.get(key, ()), job)
            version = reported_version(report, job, replaced, policy)
            if job.product_key not in ("", key[0]) or version is None:
                continue
            if is_target(version, job.target, replaced, policy.version_match):
                found[proof_key(key, report, job, policy)] = snapshot.now
    return found


def with_all_sources(snapshot: Snapshot, policy: Policy) -> Snapshot:
    """The same snapshot, each batch with all versions that it replaces by its own word or by that of its tasks.

    They matter where the new version may fit an old one, too.
    """
    if policy.version_match == "exact":
        return snapshot
    jobs = []
    for job in snapshot.jobs:
        sources = {source for task in (None, *job.tasks) for source in sources_of(task, job)}
        facts = cast(JobFacts, {**job.facts, "src_versions": sorted(sources)}) if job.facts else None
        jobs.append(job._replace(facts=facts))
    return snapshot._replace(jobs=tuple(jobs))


def _sources_by_device(job: JobSnapshot) -> Mapping[DeviceKey, set[str]]:
    """The versions that the tasks of each device replace."""
    sources: dict[DeviceKey, set[str]] = {}
    for task in job.tasks:
        sources.setdefault(task_key(task, job), set()).update(sources_of(task, job))
    return sources


def listed_tasks(job: JobSnapshot) -> dict[str, list[str]]:
    """The tasks of a batch, as later polls need them to miss one."""
    return {
        task_identity(task): [
            *task_key(task, job),
            str(task.get("task_status")),
            *(to_text(task.get(name)) or "" for name in ("iot_id", "utc_create")),
        ]
        for task in job.tasks
    }
