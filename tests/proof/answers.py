# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service answers, from the world as it is, bent by what goes wrong in this rollout."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .clocks import Log, Time
from .errors import UNREADABLE_ERRORS, an_error
from .facts import Facts
from .questions import UNFINISHED_TASKS, Questions, Row
from .rollouts import Rollout
from .worlds import Task

STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED")
JOB_STATUSES = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")


class Page(NamedTuple):
    """Rows of a list, how many the service says there are, and how many there really are at this moment."""

    rows: Sequence[Row]
    announced: int | None
    real: int


class Answers:
    """Answers questions. ``logs`` is off where whoever asks says itself what failed in the end."""

    def __init__(self, rollout: Rollout, time: Time, log: Log, shuffled: bool = False, logs: bool = True) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.trouble = rollout.trouble
        self.time = time
        self.log = log
        self.facts = Facts(rollout)
        self.shuffled = shuffled
        self.questions = Questions(rollout, time, log, logs)
        self.packages = {batch.package.firmware_id: batch.package for batch in rollout.world.batches}

    # Answers; each raises an OtaError where there is none

    def job(self, action: str, job_id: str) -> Row | None:
        """The facts about a batch."""
        self.questions.ask(action)
        batch = self.world.batch(job_id)
        if batch is None or self.questions.troubled("no_job"):
            return None
        facts = self.facts.batch(batch, self.time.now)
        if "untold" in self.trouble:
            self.questions.bend("untold")
        word = self.questions.troubled("undocumented")
        if word and word["job"]:
            facts["job_status"] = word["word"]
        elif self.questions.flaps and self.trouble["flap"]["job"]:
            chance = self.questions.chance("flap", f"{job_id} {len(self.log.looks)}")
            facts["job_status"] = JOB_STATUSES[int(chance * len(JOB_STATUSES))]
        return facts

    def package(self, action: str, firmware_id: str) -> Row | None:
        """The facts about a package."""
        self.questions.ask(action, "package")
        package = self.packages[firmware_id]
        if package.answer == "denied":
            self.questions.fail(an_error("NoPermission", affects_all=True), action, "package")
        if package.answer == "unknown":
            return None
        module = package.module if package.answer == "tells" else None
        told = {"product_key": package.product, "dest_version": package.dest}
        return {"firmware_id": firmware_id, "module_name": module, **told}

    def page(self, action: str, arguments: Mapping[str, Any], number: int, size: int) -> Page | None:
        """One page of the tasks of a batch, maybe of those in one state or of some devices."""
        self.questions.ask(action)
        if self.questions.troubled("no_list"):
            return None
        status, names = arguments.get("task_status"), arguments.get("device_names")
        rows = self._rows(arguments["job_id"], counted=bool(status) and size == 1)
        kept = [row for row in rows if row["task_status"] == status] if status else rows
        kept = [row for row in kept if row["device_name"] in names] if names else kept
        unfiltered = self.questions.troubled("unfiltered")
        if unfiltered and unfiltered["whole"]:
            kept = rows
        shift = 1 if number > 1 and self.questions.troubled("shift") else 0
        found = kept[max(0, (number - 1) * size - shift) : number * size - shift]
        return Page(found, self._announced(len(rows) if unfiltered else len(kept)), len(kept))

    def device_rows(self, action: str, arguments: Mapping[str, Any]) -> list[Row] | None:
        """The open tasks of a device, or its versions."""
        key = arguments["product_key"], arguments["device_name"]
        self.questions.ask(action, arguments["device_name"])
        device = self.world.device(key)
        is_known = device is not None and device.iot.at(self.time.now - self.world.lags.versions) is not None
        if action == UNFINISHED_TASKS:
            return self.facts.open_tasks(device, self.time.now, arguments.get("module_name")) if is_known else None
        if is_known and device.unreadable in UNREADABLE_ERRORS:
            self.questions.bend("unreadable")
            self.questions.fail(UNREADABLE_ERRORS[device.unreadable](), action, device.name)
        self.questions.look.readings.append((key, self.time.now))
        if not is_known:
            return None
        rows = self.facts.versions(device, self.time.now)
        if not device.unreadable:
            return rows[::-1] if self.shuffled else rows
        self.questions.bend("unreadable")
        if device.unreadable == "nothing":
            return []
        if device.unreadable == "other":
            return [{**row, "module_name": "another"} for row in rows[:1]]
        return [{**row, "module_version": None} for row in rows]

    # Tasks

    def _rows(self, job_id: str, counted: bool = False) -> list[Row]:
        """The tasks of a batch as the service shows them at this moment."""
        moment = (job_id, self.time.now, counted)
        if moment not in self.questions.shown:
            self.questions.shown[moment] = self._read(job_id, counted)
        return self.questions.shown[moment]

    def _read(self, job_id: str, counted: bool) -> list[Row]:
        batch = self.world.batch(job_id)
        assert batch
        tasks = self.world.shown(batch, self.time.now, counted)
        if self.questions.troubled("hidden"):
            tasks = [task for task in tasks if not self.rollout.hides(task.task_id)]
        rows = [self._row(batch.job_id, task, counted) for task in tasks]
        if self.questions.troubled("shrinks"):
            rows = rows[:-1]
        if self.questions.troubled("repeated", note=len(rows) > 1) and len(rows) > 1:
            rows[-1] = rows[0]
        if self.shuffled:
            random.Random(f"{self.rollout.seed} {self.time.now}").shuffle(rows)
        return rows

    def _row(self, job_id: str, task: Task, counted: bool) -> Row:
        row = self.facts.task(job_id, task, self.time.now, counted)
        if self.questions.flaps and not self.trouble["flap"]["job"]:
            look = f"{task.task_id} {len(self.log.looks)}"
            if self.questions.chance("flap", look) < self.trouble["flap"]["share"]:
                chance = self.questions.chance("flap", f"{look} state")
                row = {**row, "task_status": STATUSES[int(chance * len(STATUSES))]}
        for name in ("undocumented", "nameless"):
            detail = self.questions.troubled(name, note=False)
            if detail and not detail.get("job") and self.questions.chance(name, task.task_id) < detail["share"]:
                self.questions.bend(name)
                row = {**row, **({"device_name": None} if name == "nameless" else {"task_status": detail["word"]})}
        return row

    def _announced(self, number: int) -> int | None:
        if self.questions.troubled("no_total"):
            return None
        short = self.questions.troubled("short")
        return max(0, number + short["by"]) if short else number
