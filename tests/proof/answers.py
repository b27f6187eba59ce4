# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service answers, from the world as it is, bent by what goes wrong in this rollout."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry

from .clocks import FOREVER, Log, Look, Time
from .facts import WORDS_OF_SERVICE, Facts
from .rollouts import Rollout
from .worlds import Task

STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED")
JOB_STATUSES = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")

VERSIONS = "ListOTAModuleVersionsByDevice"
UNFINISHED_TASKS = "ListOTAUnfinishedTaskByDevice"
#: Where an error is about one device or package, unless any other question would meet it as well.
ABOUT_ONE = (VERSIONS, UNFINISHED_TASKS, "QueryOTAFirmware")
#: Errors of the way to the service, which tell nothing of it, not even its time.
UNHEARD = ("timeout", "certificate", "html_response")
ABOUT_ALL = (*UNHEARD, "InvalidAccessKeyId.Inactive")

Row = dict[str, Any]


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
        self.slow = self.trouble.get("slow", {}).get("seconds", 0.0)
        self.shuffled = shuffled
        self.logs = logs
        self.look: Look | None = None
        self.offset: tuple[int, float] | None = None  # in which run the service's time was told, and what it was then
        self.flaps = False
        self.flapped = False  # whether the last look without an error was shown something wrong
        self.shown: dict[tuple[str, float, bool], list[Row]] = {}
        self.packages = {batch.package.firmware_id: batch.package for batch in rollout.world.batches}

    # Answers; each raises an OtaError where there is none

    def job(self, action: str, job_id: str) -> Row | None:
        """The facts about a batch."""
        self._ask(action)
        batch = self.world.batch(job_id)
        if batch is None or self._troubled("no_job"):
            return None
        facts = self.facts.batch(batch, self.time.now)
        if "untold" in self.trouble:
            self._bend("untold")
        word = self._troubled("undocumented")
        if word and word["job"]:
            facts["job_status"] = word["word"]
        elif self.flaps and self.trouble["flap"]["job"]:
            facts["job_status"] = JOB_STATUSES[int(self._chance("flap", f"{job_id} {len(self.log.looks)}") * 4)]
        return facts

    def package(self, action: str, firmware_id: str) -> Row | None:
        """The facts about a package."""
        self._ask(action, "package")
        package = self.packages[firmware_id]
        if package.answer == "denied":
            self._fail(an_error("NoPermission", affects_all=True), action, "package")
        if package.answer == "unknown":
            return None
        module = package.module if package.answer == "tells" else None
        told = {"product_key": package.product, "dest_version": package.dest}
        return {"firmware_id": firmware_id, "module_name": module, **told}

    def page(self, action: str, arguments: Mapping[str, Any], number: int, size: int) -> Page | None:
        """One page of the tasks of a batch, maybe of those in one state or of some devices."""
        self._ask(action)
        if self._troubled("no_list"):
            return None
        status, names = arguments.get("task_status"), arguments.get("device_names")
        rows = self._rows(arguments["job_id"], counted=bool(status) and size == 1)
        kept = [row for row in rows if row["task_status"] == status] if status else rows
        kept = [row for row in kept if row["device_name"] in names] if names else kept
        unfiltered = self._troubled("unfiltered")
        if unfiltered and unfiltered["whole"]:
            kept = rows
        shift = 1 if number > 1 and self._troubled("shift") else 0
        found = kept[max(0, (number - 1) * size - shift) : number * size - shift]
        return Page(found, self._announced(len(rows) if unfiltered else len(kept)), len(kept))

    def device_rows(self, action: str, arguments: Mapping[str, Any]) -> list[Row] | None:
        """The open tasks of a device, or its versions."""
        self._ask(action, arguments["device_name"])
        device = self.world.device((arguments["product_key"], arguments["device_name"]))
        if device is None or device.iot.at(self.time.now - self.world.lags.versions) is None:
            return None
        if action == UNFINISHED_TASKS:
            return self.facts.open_tasks(device, self.time.now, arguments.get("module_name"))
        rows = self.facts.versions(device, self.time.now)
        if not device.unreadable:
            assert self.look
            self.look.reports.add(device.key)
            return rows[::-1] if self.shuffled else rows
        self._bend("unreadable")
        if device.unreadable in UNREADABLE_ERRORS:
            self._fail(UNREADABLE_ERRORS[device.unreadable](), action, device.name)
        if device.unreadable == "nothing":
            return []
        if device.unreadable == "other":
            return [{**row, "module_name": "another"} for row in rows[:1]]
        return [{**row, "module_version": None} for row in rows]

    # What goes wrong

    def _ask(self, action: str, about: str = "all") -> None:
        """Note a question; it fails for some, and that may be ``about`` one device or package alone."""
        known = self.look
        self.look = self.log.ask(action, self.time.now)
        if self.look is not known:
            self._begin(known)
        if self.slow:
            self.time.sleep(self.slow)
            self.look.moments.append(self.time.now)
        if self._troubled("hang"):
            self.look.errors.append("hang")
            self.time.sleep(FOREVER)
        error = self._error(action)
        if error is None or error.code not in UNHEARD:
            self.look.heard = True
            self.offset = self.log.run, self.time.offset()
        if error:
            self._fail(error, action, about if self._is_alone(error, action) else "all")

    def _is_alone(self, error: OtaError, action: str) -> bool:
        """Whether an error is about one device or package alone."""
        if action not in ABOUT_ONE or error.code in ABOUT_ALL or (action == VERSIONS and error.affects_all):
            return False
        # By bytes, what is about another object holds no tasks at all: it speaks against the endpoint.
        return not (action == UNFINISHED_TASKS and error.code == "wrong_response" and self.rollout.wire)

    def _fail(self, error: OtaError, action: str, about: str = "all") -> None:
        assert self.look
        self.look.raised.add(error.code)
        if about != "all":
            self.look.refused.append(about)
        elif self.logs:
            self.look.errors.append(f"{action} {error.code}")
        raise error.with_context(action=action, attempts=1)

    def _begin(self, before: Look | None) -> None:
        """A look begins, and maybe one that is shown something wrong."""
        self.shown = {}
        if before and not (before.errors or before.refused):
            self.flapped = self.flaps
        detail = self.trouble.get("flap")
        self.flaps = False
        if detail and not self.flapped and self._chance("flap", str(len(self.log.looks))) < detail["often"]:
            self.flaps = True
            self._bend("flap")

    def _bend(self, name: str) -> None:
        if self.look:
            self.look.bent.add(name)

    def _error(self, action: str) -> OtaError | None:
        detail = self._troubled("errors", note=False)
        if detail and detail["action"] in ("", action):
            return ERRORS[detail["kind"]]()
        if self._troubled("revoked", note=False):
            return an_error("InvalidAccessKeyId.Inactive", affects_all=True)
        detail = self._troubled("denied", note=False)
        if detail and detail["action"] == action:
            return an_error("NoPermission", affects_all=True)
        return None

    def _troubled(self, name: str, note: bool = True) -> dict[str, Any] | None:
        """What is known of this trouble while it lasts."""
        detail: dict[str, Any] | None = self.trouble.get(name)
        if not detail or not detail["at"] <= self.time.now < detail["until"]:
            return None
        if note:
            self._bend(name)
        return detail

    def _chance(self, name: str, what: str) -> float:
        return random.Random(f"{self.trouble[name]['seed']} {what}").random()

    # Tasks

    def _rows(self, job_id: str, counted: bool = False) -> list[Row]:
        """The tasks of a batch as the service shows them at this moment."""
        moment = (job_id, self.time.now, counted)
        if moment not in self.shown:
            self.shown[moment] = self._read(job_id, counted)
        return self.shown[moment]

    def _read(self, job_id: str, counted: bool) -> list[Row]:
        batch = self.world.batch(job_id)
        assert batch
        tasks = self.world.shown(batch, self.time.now, counted)
        if self._troubled("hidden"):
            tasks = [task for task in tasks if not self.rollout.hides(task.task_id)]
        rows = [self._row(batch.job_id, task, counted) for task in tasks]
        if self._troubled("shrinks"):
            rows = rows[:-1]
        if self._troubled("repeated", note=len(rows) > 1) and len(rows) > 1:
            rows[-1] = rows[0]
        if self.shuffled:
            random.Random(f"{self.rollout.seed} {self.time.now}").shuffle(rows)
        return rows

    def _row(self, job_id: str, task: Task, counted: bool) -> Row:
        row = self.facts.task(job_id, task, self.time.now, counted)
        if self.flaps and not self.trouble["flap"]["job"]:
            look = f"{task.task_id} {len(self.log.looks)}"
            if self._chance("flap", look) < self.trouble["flap"]["share"]:
                row = {**row, "task_status": STATUSES[int(self._chance("flap", f"{look} state") * len(STATUSES))]}
        for name in ("undocumented", "nameless"):
            detail = self._troubled(name, note=False)
            if detail and not detail.get("job") and self._chance(name, task.task_id) < detail["share"]:
                self._bend(name)
                row = {**row, **({"device_name": None} if name == "nameless" else {"task_status": detail["word"]})}
        return row

    def _announced(self, number: int) -> int | None:
        if self._troubled("no_total"):
            return None
        short = self._troubled("short")
        return max(0, number + short["by"]) if short else number


def an_error(code: str, retry: Retry = Retry.NEVER, affects_all: bool = False, detail: str | None = None) -> OtaError:
    """An error as the client raises it."""
    cause = f"it was refused with {code}" + (f": {detail}" if detail else "")
    status = {"ServiceUnavailable": 503, "InvalidParameter": 400, "timeout": None, "certificate": None}.get(
        code, 403 if affects_all else 200
    )
    return OtaError(
        cause, code=code, hint="try", retry=retry, affects_all=affects_all, detail=detail, http_status=status
    )


ERRORS: dict[str, Callable[[], OtaError]] = {
    "busy": lambda: an_error("ServiceUnavailable", Retry.LATER),
    "firmware busy": lambda: an_error("iot.firmware.SystemBusy", Retry.LATER),
    "net": lambda: an_error("timeout", Retry.LATER),
    "swapped": lambda: an_error("wrong_response", Retry.ONCE),
    "page": lambda: an_error("html_response"),
    "tls": lambda: an_error("certificate", affects_all=True),
}
UNREADABLE_ERRORS: dict[str, Callable[[], OtaError]] = {
    "refused": lambda: an_error("InvalidParameter", detail=WORDS_OF_SERVICE),
    "busy": lambda: an_error("iot.system.SystemException", Retry.LATER, detail=WORDS_OF_SERVICE),
}
