# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices that a rollout must reach: of which product each is, and how one without a task counts. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...module_utils._queries.devices import DeviceKey, DeviceReport
from .batches import Relation, task_key
from .devices import UNKNOWN_DEVICE, Device, fallen_back, unproved, vanished
from .policy import ExpectedDevice, Policy
from .snapshot import JobSnapshot, Memory, Snapshot
from .versions import is_target, module_of, proof_key, reported_version, sources_of


def expected_keys(jobs: Sequence[JobSnapshot], policy: Policy) -> list[DeviceKey]:
    """The expected devices, each once, in the order in which they are given."""
    products = _products_of(jobs)
    default = policy.expected_product_key or (products[0] if len(products) == 1 else "")
    keys = ((device.product_key or default, device.device_name) for device in policy.expected_devices or ())
    return list(dict.fromkeys(keys))


def _products_of(jobs: Sequence[JobSnapshot]) -> list[str]:
    """The products of the batches, by their own word and by that of their tasks."""
    products = {job.product_key for job in jobs}
    products.update(task_key(task, job)[0] for job in jobs for task in job.tasks)
    return sorted(products - {""})


def ambiguous_devices(jobs: Sequence[JobSnapshot], policy: Policy) -> list[ExpectedDevice]:
    """The expected devices that are given by a name alone, although the batches are for several products."""
    if policy.expected_devices is None or policy.expected_product_key or len(_products_of(jobs)) < 2:
        return []
    return [device for device in policy.expected_devices or () if device.product_key is None]


def foreign_devices(jobs: Sequence[JobSnapshot], policy: Policy) -> list[ExpectedDevice]:
    """The expected devices of products that no batch is for."""
    products = _products_of(jobs) if policy.expected_devices is not None else []
    if not products or not all(job.product_key for job in jobs):
        return []
    return [device for device in policy.expected_devices or () if device.product_key not in (None, *products)]


def device_without_task(
    key: DeviceKey,
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
    relations: Sequence[Relation],
    no_more_tasks: bool,
) -> Device:
    """An expected device without a task: it may be on the new version already, or get a task later.

    It has failed only if it is known to be on another version, or unknown to the service, and no task will appear.
    """
    device = Device(key[0] or None, key[1], "pending", "no_task")
    report, earlier = (snapshot.versions or {}).get(key), snapshot.earlier.get(key)
    if report is not None:
        return _by_report(device, report, snapshot, policy, memory, relations, no_more_tasks)
    if earlier is None or earlier.read_at <= memory.proved_since:
        return device
    proved = _by_report(device, earlier, snapshot, policy, memory, relations, no_more_tasks)
    return proved if proved.verified else device


def _by_report(
    device: Device,
    report: DeviceReport,
    snapshot: Snapshot,
    policy: Policy,
    memory: Memory,
    relations: Sequence[Relation],
    no_more_tasks: bool,
) -> Device:
    """An expected device without a task, by what it reports."""
    key = device.key
    if report.failure is not None:
        return device._replace(class_name="unproved", detail=report.failure)
    if not report.found:
        return _unknown_device(device, memory, no_more_tasks)
    device = device._replace(iot_id=report.iot_id)
    jobs = _last_stages(key, snapshot.jobs, relations)
    versions = [_proving_version(report, job, policy) for job in jobs]
    device = device._replace(version=next(iter(versions), None))
    on_target = [version is not None and _is_on_target(version, job, policy) for version, job in zip(versions, jobs)]
    if jobs and all(on_target):
        return device._replace(state="succeeded", class_name="already_on_target", verified=True)
    reached = {module_of(job, policy) for job, proved in zip(jobs, on_target) if proved}
    for job, version in zip(jobs, versions):
        moment = memory.on_target.get(proof_key(key, report, job, policy))
        if moment is not None and version is not None and module_of(job, policy) not in reached:
            return fallen_back(device._replace(version=version), job.target, moment)
    if any(on_target) or None in versions or not jobs:
        unclear = next((job for job in jobs if module_of(job, policy) is None), None)
        return unproved(device, report, unclear or jobs[0], policy) if jobs else device._replace(class_name="unproved")
    if key in snapshot.busy:
        device = device._replace(class_name="busy", busy_with=snapshot.busy[key])
    return device._replace(state="failed") if no_more_tasks else device


def accounts_for(device: Device, job: JobSnapshot, snapshot: Snapshot, policy: Policy, memory: Memory) -> bool:
    """Whether a device explains that a batch has no task for it: it is on the version of that very batch.

    A device that has had a task explains nothing: it may be what another batch made of it.
    """
    reports = snapshot.versions or {}
    report = reports.get(device.key, snapshot.earlier.get(device.key) if device.verified else None)
    if device.job_id is not None or job.product_key not in ("", device.key[0]) or report is None:
        return False
    version = _proving_version(report, job, policy)
    return version is not None and _is_on_target(version, job, policy) and device.key not in memory.last_states


def _proving_version(report: DeviceReport, job: JobSnapshot, policy: Policy) -> str | None:
    """What a device without a task reports for the module of a batch, if that is known."""
    return reported_version(report, job, (), policy) if module_of(job, policy) else None


def _is_on_target(version: str, job: JobSnapshot, policy: Policy) -> bool:
    return is_target(version, job.target, sources_of(None, job), policy.version_match)


def _unknown_device(device: Device, memory: Memory, no_more_tasks: bool) -> Device:
    """An expected device that the service does not know: deleted if it ever had a task, else never there."""
    status = memory.last_states.get(device.key)
    if status is not None:
        return vanished(device._replace(task_status=status), UNKNOWN_DEVICE)
    return device._replace(state="failed" if no_more_tasks else "pending")


def _last_stages(key: DeviceKey, jobs: Sequence[JobSnapshot], relations: Sequence[Relation]) -> list[JobSnapshot]:
    """The batches of the device's product without those that are stages on the way to another one."""
    earlier = {relation.earlier.job_id for relation in relations if relation.is_chain}
    last = [job for job in jobs if job.product_key in ("", key[0]) and job.job_id not in earlier]
    return sorted(last, key=lambda job: job.job_id)
