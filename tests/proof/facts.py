# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service tells about a world at a moment, in the client's words: the facts of batches, tasks and devices."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import no_facts
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)

from .clocks import EPOCH
from .rollouts import Rollout
from .worlds import UNFINISHED, Batch, Device, Task

#: What the service says where it cannot tell a version.
WORDS_OF_SERVICE = "the shadow of the device is broken"


@lru_cache(4096)
def utc(moment: float) -> str:
    """A moment as the service writes it."""
    return datetime.fromtimestamp(EPOCH + moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Facts:
    """The facts of a rollout's world."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.known: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.untold = rollout.trouble.get("untold")

    def batch(self, batch: Batch, now: float) -> dict[str, Any]:
        """A batch at a moment."""
        if batch.job_id not in self.jobs:
            self.jobs[batch.job_id] = self._lasting(batch)
        t = now - self.world.lags.job
        facts = {**self.jobs[batch.job_id], "job_status": batch.status.at(t)}
        if "end" in self.world.tells:
            facts["utc_start_time"] = utc(batch.started) if batch.started <= t and batch.stays != "PLANNED" else None
            facts["utc_end_time"] = utc(batch.ended) if batch.ended <= t else None
        return facts

    def _lasting(self, batch: Batch) -> dict[str, Any]:
        package, told = batch.package, batch.told
        facts = {
            **NO_JOB,
            "job_id": batch.job_id,
            "job_type": batch.job_type,
            "product_key": package.product,
            "firmware_id": package.firmware_id,
            "dest_version": package.dest,
            "selection_type": "DYNAMIC" if batch.dynamic else "STATIC",
            "utc_create": utc(batch.created),
        }
        for name in ("maximum_per_minute", "retry_count", "retry_interval", "timeout_in_minutes", "need_push"):
            facts[name] = told.get(name)
        facts["need_confirm"] = told.get("need_confirm")
        facts["src_versions"] = [package.source] if told.get("src_versions") else []
        facts["utc_schedule_time"] = None if batch.schedule is None else utc(batch.schedule)
        if batch.schedule is not None and "finish" in told:
            facts["utc_schedule_finish_time"] = utc(batch.schedule + float(str(told["finish"])))
        if self.untold:
            facts[self.untold["fact"]] = None
        return facts

    def task(self, job_id: str, task: Task, now: float, counted: bool = False) -> dict[str, Any]:
        """A task at a moment."""
        if task.task_id not in self.known:
            self.known[task.task_id] = self._lasting_task(job_id, task)
        t = now - (self.world.lags.counts if counted else self.world.lags.rows)
        step = task.course.at(t)
        facts = {**self.known[task.task_id]}
        facts["task_status"] = step.status
        facts["progress"] = step.progress
        facts["task_desc"] = step.desc
        if task.told_modified:
            facts["utc_modified"] = utc(max(task.created, task.course.since(t)))
        return facts

    def _lasting_task(self, job_id: str, task: Task) -> dict[str, Any]:
        batch = self.world.batch(job_id)
        assert batch
        tells = self.world.tells
        return {
            **NO_TASK,
            "task_id": task.task_id,
            "job_id": job_id,
            "product_key": task.device.product,
            "device_name": task.device.name,
            "iot_id": task.iot_id if "iot" in tells else None,
            "firmware_id": batch.package.firmware_id,
            "src_version": task.source if "sources" in tells else None,
            "dest_version": batch.package.dest,
            "utc_create": utc(task.created) if task.told_create else None,
        }

    def open_tasks(self, device: Device, now: float, module_name: str | None = None) -> list[dict[str, Any]]:
        """The unfinished tasks of a device, of any batch."""
        rows = []
        for batch in self.world.batches:
            if module_name not in (None, batch.package.module):
                continue
            for task in self.world.shown(batch, now):
                row = self.task(batch.job_id, task, now)
                if task.device is device and row["task_status"] in UNFINISHED:
                    shared = {name: row[name] for name in NO_OPEN_TASK if name in row}
                    module = batch.package.module if "module" in self.world.tells else None
                    rows.append({**NO_OPEN_TASK, **shared, "module_name": module})
        return rows

    def versions(self, device: Device, now: float) -> list[dict[str, Any]]:
        """The versions that a device reports."""
        t = now - self.world.lags.versions
        common = {
            **NO_VERSION,
            "product_key": device.product,
            "device_name": device.name,
            "iot_id": device.iot.at(t) if "iot" in self.world.tells else None,
        }
        reported = ((module, line.at(t)) for module, line in device.versions.items())
        return [
            {**common, "module_name": module, "module_version": version}
            for module, version in reported
            if version is not None
        ]


NO_JOB = no_facts(QUERY_OTA_JOB)
NO_TASK = no_facts(LIST_OTA_TASK_BY_JOB)
NO_OPEN_TASK = no_facts(LIST_OTA_UNFINISHED_TASK_BY_DEVICE)
NO_VERSION = no_facts(LIST_OTA_MODULE_VERSIONS_BY_DEVICE)
