# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers the gate in place of a client, from the world as it is, bent by what goes wrong in this rollout."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Callable

from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import no_facts
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import Operation
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing, listing_problem
from ansible_collections.iotfleet.ota.plugins.module_utils._client.parallel import MAX_FAILED
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry

from .clocks import FOREVER, Log, Look, Time
from .facts import WORDS_OF_SERVICE, Facts
from .rollouts import Rollout
from .worlds import Task

PAGE = 100


class StandIn:
    """Answers in place of a client."""

    last_failure: OtaError | None = None

    def __init__(self, rollout: Rollout, time: Time, log: Log, shuffled: bool = False) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.trouble = rollout.trouble
        self.time = time
        self.log = log
        self.facts = Facts(rollout)
        self.slow = self.trouble.get("slow", {}).get("seconds", 0.0)
        self.shuffled = shuffled
        self.look: Look | None = None
        self.flaps = False
        self.flapped = False  # whether the last look without an error was shown something wrong
        self.rows_of: dict[tuple[str, float, bool], list[dict[str, Any]]] = {}

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of the machine's."""
        return self.time.offset() if self.look else None

    # What the gate calls

    def get(self, operation: Operation, **arguments: Any) -> dict[str, Any] | None:
        self._ask(operation)
        if operation.action == "QueryOTAFirmware":
            return self._package(operation, arguments["firmware_id"])
        batch = self.world.batch(arguments["job_id"])
        if batch is None or self._troubled("no_job"):
            return None
        facts = self.facts.batch(batch, self.time.now)
        word = self._troubled("undocumented")
        if word and word["job"]:
            facts["job_status"] = word["word"]
        elif self.flaps and self.trouble["flap"]["job"]:
            others = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")
            facts["job_status"] = others[int(self._chance("flap", f"{batch.job_id} {len(self.log.looks)}") * 4)]
        return facts

    def first_page(self, operation: Operation, size: int = 1, **arguments: Any) -> Listing | None:
        self._ask(operation)
        if self._troubled("no_list"):
            return None
        status = arguments.get("task_status")
        rows = self._rows(arguments["job_id"], counted=bool(status) and size == 1)
        kept = [row for row in rows if row["task_status"] == status] if status else rows
        unfiltered = self._troubled("unfiltered")
        if unfiltered and unfiltered["whole"]:
            kept = rows
        total = self._announced(len(rows) if unfiltered else len(kept))
        return Listing([dict(row) for row in kept[:size]], total, 1, None if total is None else -(-total // size))

    def listing(self, operation: Operation, attempts: int = 3, **arguments: Any) -> Listing | None:
        if "job_id" not in arguments:
            rows = self._device_rows(operation, arguments)
            return None if rows is None else Listing(rows, len(rows), 1, 1)
        found: list[dict[str, Any]] = []
        number, shown = 0, [{}] * PAGE
        while number * PAGE < len(shown) or number == 0:  # a page at a time, between which the world goes on
            self._ask(operation)
            if self._troubled("no_list"):
                return None
            shown = self._kept(arguments)
            shift = 1 if number and self._troubled("shift") else 0
            found += shown[max(0, number * PAGE - shift) : (number + 1) * PAGE - shift]
            number += 1
        total = self._announced(len(shown))
        page = Listing([dict(row) for row in found], total, number, None if total is None else max(1, -(-total // PAGE)))
        problem = listing_problem(operation, page, number, found)
        if problem and attempts > 1:
            self.time.sleep(0.25)
            return self.listing(operation, attempts - 1, **arguments)
        return page._replace(problem=problem)

    def rows(self, operation: Operation, **arguments: Any) -> list[dict[str, Any]] | None:
        listing = self.listing(operation, **arguments)
        return listing.rows if listing else None

    def map(
        self, query: Callable[[Any], Any], items: Sequence[Any], sequential: bool = False
    ) -> tuple[list[Any], OtaError | None]:
        answers, failures = [], []
        for item in items:
            try:
                answers.append(query(item))
            except OtaError as error:
                failures.append(error)
                if error.affects_all or len(failures) >= MAX_FAILED:
                    break
        return answers, min(failures, key=lambda error: not error.affects_all, default=None)

    def cancel(self) -> None:
        """Nobody waits here."""

    # What goes wrong

    def _ask(self, operation: Operation) -> None:
        known = self.look
        self.look = self.log.ask(operation.action, self.time.now)
        if self.look is not known:
            self._begin(known)
        if self.slow:
            self.time.sleep(self.slow)
            self.look.moments.append(self.time.now)
        if self._troubled("hang"):
            self.look.errors.append("hang")
            self.time.sleep(FOREVER)
        error = self._error(operation.action)
        if error:
            self._fail(error, operation)

    def _fail(self, error: OtaError, operation: Operation, about: str = "all") -> None:
        assert self.look
        if about == "all":
            self.look.errors.append(f"{operation.action} {error.code}")
        else:
            self.look.refused.append(about)
        raise error.with_context(action=operation.action, attempts=1)

    def _begin(self, before: Look | None) -> None:
        """A look begins, and maybe one that is shown something wrong."""
        self.rows_of = {}
        if before and not before.errors:
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

    # Answers

    def _package(self, operation: Operation, firmware_id: str) -> dict[str, Any] | None:
        answer = next(
            batch.package for batch in self.world.batches if batch.package.firmware_id == firmware_id
        )
        if answer.answer == "denied":
            self._fail(an_error("NoPermission", affects_all=True), operation, "package")
        if answer.answer == "unknown":
            return None
        told = answer.answer == "tells"
        return {
            **no_facts(operation),
            "firmware_id": firmware_id,
            "module_name": answer.module if told else None,
            "product_key": answer.product,
            "dest_version": answer.dest,
        }

    def _kept(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        rows, status = self._rows(arguments["job_id"]), arguments.get("task_status")
        names = arguments.get("device_names")
        rows = [row for row in rows if row["task_status"] == status] if status else rows
        return [row for row in rows if row["device_name"] in names] if names else rows

    def _rows(self, job_id: str, counted: bool = False) -> list[dict[str, Any]]:
        """The tasks of a batch as the service shows them at this moment."""
        moment = (job_id, self.time.now, counted)
        if moment not in self.rows_of:
            self.rows_of[moment] = self._read(job_id, counted)
        return self.rows_of[moment]

    def _read(self, job_id: str, counted: bool) -> list[dict[str, Any]]:
        batch = self.world.batch(job_id)
        assert batch
        tasks = self.world.shown(batch, self.time.now, counted)
        hidden = self._troubled("hidden")
        if hidden:
            tasks = [task for task in tasks if self._chance("hidden", task.task_id) >= hidden["share"]]
        rows = [self._row(batch.job_id, task, counted) for task in tasks]
        if self._troubled("shrinks", note=len(rows) > 1):
            rows = rows[:-1]
        if self._troubled("repeated", note=len(rows) > 1) and len(rows) > 1:
            rows[-1] = rows[0]
        if self.shuffled:
            random.Random(f"{self.rollout.seed} {self.time.now}").shuffle(rows)
        return rows

    def _row(self, job_id: str, task: Task, counted: bool) -> dict[str, Any]:
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

    def _device_rows(self, operation: Operation, arguments: dict[str, Any]) -> list[dict[str, Any]] | None:
        self._ask(operation)
        device = self.world.device((arguments["product_key"], arguments["device_name"]))
        if device is None or device.iot.at(self.time.now - self.world.lags.versions) is None:
            return None
        if operation.action == "ListOTAUnfinishedTaskByDevice":
            return self.facts.open_tasks(device, self.time.now, arguments.get("module_name"))
        rows = self.facts.versions(device, self.time.now)
        if device.unreadable:
            self._bend("unreadable")
            if device.unreadable == "refused":
                self._fail(an_error("InvalidParameter", detail=WORDS_OF_SERVICE), operation, device.name)
            if device.unreadable == "busy":
                self._fail(an_error("iot.system.SystemException", Retry.LATER, detail=WORDS_OF_SERVICE), operation, device.name)
            if device.unreadable == "nothing":
                return []
            name = {"other": "module_name", "blank": "module_version"}[device.unreadable]
            rows = [{**row, name: {"other": "another", "blank": None}[device.unreadable]} for row in rows]
        if self.shuffled:
            rows.reverse()
        return rows


STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED")


def an_error(
    code: str, retry: Retry = Retry.NEVER, affects_all: bool = False, detail: str | None = None
) -> OtaError:
    """An error as the client raises it."""
    cause = f"it was refused with {code}" + (f": {detail}" if detail else "")
    return OtaError(cause, code=code, hint="try", retry=retry, affects_all=affects_all, detail=detail)


ERRORS: dict[str, Callable[[], OtaError]] = {
    "busy": lambda: an_error("ServiceUnavailable", Retry.LATER),
    "net": lambda: an_error("timeout", Retry.LATER),
    "swapped": lambda: an_error("wrong_response", Retry.ONCE),
    "page": lambda: an_error("html_response"),
    "tls": lambda: an_error("certificate", affects_all=True),
}
