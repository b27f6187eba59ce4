# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two ways to answer a gate: in memory in place of the whole client, and through the client as bytes."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any, Callable
from urllib.parse import parse_qsl

from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import no_facts
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
    Operation,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing, listing_problem
from ansible_collections.iotfleet.ota.plugins.module_utils._client.parallel import MAX_FAILED
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response

from .simulator import DEFAULT_ID, DEFAULT_SECRET, Clocks, Service, Settings, checks, faults, wire
from .worlds import Rollout

EPOCH = 1_772_359_200.0  # 2026-03-01T10:00:00Z
STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED")
PAGE = 100
FOREVER = 1e9


class Hung(Exception):
    """Time has run out for the work that is under way; the real thing would hang on."""


class Time:
    """The one clock of a rollout. ``end`` is when the work under way is given up."""

    def __init__(self, begins: float) -> None:
        self.now = begins
        self.end = FOREVER
        self.ahead = 0.0  # how far the wall clock of the gate's machine is before the service's
        self.leap = (FOREVER, 0.0)  # when somebody sets it, and by how much

    def steady(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now + self.ahead + (self.leap[1] if self.now >= self.leap[0] else 0.0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > self.end:
            raise Hung

    def run(self, work: Callable[[], Any], timeout: float, meanwhile: Callable[[], object]) -> Any:
        """Like that of the helpers: what the work returns, unless it takes too long."""
        self.end = self.now + timeout
        try:
            return work()
        except Hung:
            self.now = self.end
            raise TimeoutError from None
        finally:
            self.end = FOREVER
            meanwhile()


class Log:
    """What was asked when. A look begins with the question for the first batch's state."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.looks: list[list[float]] = []
        self.requests: list[int] = []  # those before the proof
        self.surveying = False

    def begin(self) -> None:
        self.looks.append([])
        self.requests.append(0)

    def asked(self) -> None:
        if not self.looks:
            self.begin()
        self.looks[-1].append(self.time.now)
        self.requests[-1] += self.surveying


# --- In memory -------------------------------------------------------------------------------------------------------


class StandIn:
    """Answers in place of a client, from the world as it is, bent by what goes wrong in this rollout."""

    last_failure = None

    def __init__(self, rollout: Rollout, time: Time, log: Log) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.trouble = rollout.trouble
        self.time = time
        self.log = log
        self.slow = self.trouble.get("slow", {}).get("seconds", 0.0)
        self.flapped = False  # whether the last look without an error was shown something wrong
        self.flaps = False
        self.failed = False
        self.drawn: dict[tuple[str, str, float], bool] = {}
        self.seconds: dict[float, str] = {}
        self.bends = bool({"flap", "undocumented", "nameless"} & set(self.trouble))
        self.moment: tuple[str, float, int] | None = None
        self.shown: list[dict[str, Any]] = []

    def begin(self) -> None:
        """A look begins, and maybe one that is shown something wrong."""
        if not self.failed:
            self.flapped = self.flaps
        detail = self.trouble.get("flap")
        self.failed = self.flaps = False
        if detail and not self.flapped:
            self.flaps = self._chance("flap", str(len(self.log.looks))) < detail["often"]

    # What the gate calls

    def get(self, operation: Operation, **arguments: Any) -> dict[str, Any] | None:
        assert operation is QUERY_OTA_JOB
        self._ask(operation)
        job_id = arguments["job_id"]
        if self._troubled("no_job"):
            return None
        return self._job(job_id)

    def first_page(self, operation: Operation, size: int = 1, **arguments: Any) -> Listing | None:
        assert operation is LIST_OTA_TASK_BY_JOB
        self._ask(operation)
        if self._troubled("no_list"):
            return None
        rows = self._rows(arguments["job_id"])
        status = arguments.get("task_status")
        kept = [row for row in rows if row["task_status"] == status] if status else rows
        unfiltered = self._troubled("unfiltered")
        if unfiltered and unfiltered["whole"]:
            kept = rows
        total = self._announced(len(rows) if unfiltered else len(kept))
        return Listing([dict(row) for row in kept[:size]], total, 1, None if total is None else -(-total // size))

    def listing(self, operation: Operation, attempts: int = 3, **arguments: Any) -> Listing | None:
        assert operation is LIST_OTA_TASK_BY_JOB
        rows: list[dict[str, Any]] = []
        for number in itertools.count(1):  # a page at a time, between which the world goes on
            self._ask(operation)
            if self._troubled("no_list"):
                return None
            shown = self._rows(arguments["job_id"])
            rows += shown[(number - 1) * PAGE : number * PAGE]
            if number * PAGE >= len(shown):
                break
        total = self._announced(len(shown))
        pages = None if total is None else -(-total // PAGE)
        page = Listing([dict(row) for row in rows], total, number, pages)
        problem = listing_problem(operation, page, number, rows)
        if problem and attempts > 1:
            self.time.sleep(0.25)
            return self.listing(operation, attempts - 1, **arguments)
        return page._replace(problem=problem)

    def rows(self, operation: Operation, **arguments: Any) -> list[dict[str, Any]] | None:
        self._ask(operation)
        key = arguments["product_key"], arguments["device_name"]
        if not self.world.has_device(key):
            return None
        if operation is LIST_OTA_UNFINISHED_TASK_BY_DEVICE:
            tasks = self.world.device_tasks_at(key, self.time.now)
            return [{"job_id": task.job.job_id} for task in tasks if task.status in STATUSES[:4]]
        assert operation is LIST_OTA_MODULE_VERSIONS_BY_DEVICE
        return self._versions(key)

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
        self.log.asked()
        if self.slow:
            self.time.sleep(self.slow)
        if self._troubled("hang"):
            self.time.sleep(FOREVER)
        error = self._error(operation.action)
        if error:
            self.failed = True
            raise error.with_context(action=operation.action, attempts=1)

    def _error(self, action: str) -> OtaError | None:
        detail = self._troubled("errors")
        if detail and detail["action"] in ("", action):
            return _ERRORS[detail["kind"]]()
        if self._troubled("revoked"):
            return _error("InvalidAccessKeyId.Inactive", affects_all=True)
        if self._troubled("denied", action=action):
            return _error("NoPermission", affects_all=True)
        return None

    def _troubled(self, name: str, **match: Any) -> dict[str, Any] | None:
        """What is known of this trouble while it lasts."""
        detail = self.trouble.get(name)
        if not detail or not detail["at"] <= self.time.now < detail["until"]:
            return None
        return detail if all(detail[key] == value for key, value in match.items()) else None

    def _chance(self, name: str, what: str) -> float:
        return random.Random(f"{self.trouble[name]['seed']} {what}").random()

    def _hit(self, name: str, what: str, share: float) -> bool:
        """Whether one of many is among those that are met; always the same answer for the same one."""
        key = (name, what, share)
        if key not in self.drawn:
            self.drawn[key] = self._chance(name, what) < share
        return self.drawn[key]

    def _met(self, name: str, what: str) -> dict[str, Any] | None:
        detail = self._troubled(name)
        return detail if detail and self._hit(name, what, detail["share"]) else None

    # The facts

    def _utc(self, moment: float | None) -> str | None:
        if moment is None:
            return None
        if moment not in self.seconds:
            self.seconds[moment] = wire.utc(EPOCH + moment)
        return self.seconds[moment]

    def _job(self, job_id: str) -> dict[str, Any] | None:
        view = self.world.job_at(job_id, self.time.now)
        if view is None:
            return None
        job, firmware, begin = view.job, view.firmware, -view.job.created_before
        facts = {
            **_NO_JOB,
            "job_id": job_id,
            "job_status": view.status,
            "job_type": job.job_type.replace("VERFIY", "VERIFY"),
            "product_key": firmware.product_key,
            "firmware_id": firmware.firmware_id,
            "dest_version": firmware.dest_version,
            "selection_type": job.selection_type,
            "timeout_in_minutes": job.timeout_in_minutes,
            "retry_count": job.retry_count,
            "retry_interval": job.retry_interval,
        }
        if "sparse" not in self.trouble:  # one of the platforms does not tell these
            facts["maximum_per_minute"] = job.maximum_per_minute
            facts["utc_start_time"] = self._utc(view.started)
            facts["utc_end_time"] = self._utc(view.ended)
            facts["utc_schedule_time"] = None if job.scheduled_after is None else self._utc(begin + job.scheduled_after)
        if "untold" in self.trouble:
            facts[random.Random(self.trouble["untold"]["seed"]).choice(_TOLD)] = None
        word = self._troubled("undocumented")
        if word and word["job"]:
            facts["job_status"] = word["word"]
        elif self.flaps and self.trouble["flap"]["job"]:
            others = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")
            facts["job_status"] = others[int(self._chance("flap", f"{job_id} {len(self.log.looks)}") * 4)]
        return facts

    def _rows(self, job_id: str) -> list[dict[str, Any]]:
        """The tasks of a batch as the service shows them at this moment."""
        moment = (job_id, self.time.now, len(self.log.looks))
        if moment != self.moment:
            self.moment, self.shown = moment, self._read(job_id)
        return self.shown

    def _read(self, job_id: str) -> list[dict[str, Any]]:
        now, late, vanish = self.time.now, self.trouble.get("late"), self._troubled("vanish")
        rows = []
        for task in self.world.tasks_at(job_id, now):
            if late and now < task.created + late["delay"] and self._hit("late", task.task_id, late["share"]):
                continue
            if vanish and self._hit("vanish", task.task_id, vanish["share"]):
                continue
            rows.append(self._row(task))
        repeated = self._troubled("repeated")
        if repeated and len(rows) > 1:
            rows[-1] = rows[0]
        return rows

    def _row(self, task: Any) -> dict[str, Any]:
        row = {
            **_NO_TASK,
            "task_id": task.task_id,
            "job_id": task.job.job_id,
            "task_status": task.status,
            "progress": str(task.progress),
            "task_desc": task.desc or None,
            "product_key": task.firmware.product_key,
            "device_name": task.device,
            "utc_modified": self._utc(task.modified),
        }
        if self.bends:
            self._bend(row)
        return row

    def _bend(self, row: dict[str, Any]) -> None:
        identity = row["task_id"]
        if self.flaps and not self.trouble["flap"]["job"]:
            look = f"{identity} {len(self.log.looks)}"
            if self._chance("flap", look) < self.trouble["flap"]["share"]:
                row["task_status"] = STATUSES[int(self._chance("flap", f"{look} state") * len(STATUSES))]
        word = self._met("undocumented", identity)
        if word and not word["job"]:
            row["task_status"] = word["word"]
        if self._met("nameless", identity):
            row["device_name"] = None

    def _announced(self, number: int) -> int | None:
        if self._troubled("no_total"):
            return None
        short = self._troubled("short")
        return max(0, number + short["by"]) if short else number

    def _versions(self, key: tuple[str, str]) -> list[dict[str, Any]] | None:
        rows = [
            {"module_name": module, "module_version": version}
            for module, version in self.world.versions_at(key[1], self.time.now, key[0]).items()
        ]
        detail = self._met("unreadable", key[1])
        if not detail:
            return rows
        if detail["how"] == "refused":
            raise _error("InvalidParameter")
        empty = [{"module_name": row["module_name"], "module_version": None} for row in rows]
        other = [{"module_name": "other", "module_version": row["module_version"]} for row in rows]
        return {"nothing": [], "unknown": None, "other": other}.get(detail["how"], empty)


_NO_JOB = no_facts(QUERY_OTA_JOB)
_NO_TASK = no_facts(LIST_OTA_TASK_BY_JOB)
_TOLD = ("product_key", "firmware_id", "dest_version", "job_type", "selection_type")


def _error(code: str, retry: Retry = Retry.NEVER, affects_all: bool = False) -> OtaError:
    return OtaError(f"it was refused with {code}", code=code, hint="try", retry=retry, affects_all=affects_all)


_ERRORS: dict[str, Callable[[], OtaError]] = {
    "busy": lambda: _error("ServiceUnavailable", Retry.LATER),
    "net": lambda: _error("timeout", Retry.LATER),
    "swapped": lambda: _error("wrong_response", Retry.ONCE),
    "page": lambda: _error("html_response"),
    "tls": lambda: _error("certificate", affects_all=True),
}


# --- As bytes --------------------------------------------------------------------------------------------------------


class OneByOne(Client):
    """The real client, which asks one question after the other, so that a run can be repeated."""

    def map(self, query: Any, items: Any, sequential: bool = False) -> Any:
        return super().map(query, items, sequential=True)


class Wire:
    """A transport without sockets: what is sent goes to the simulated service, and what it says comes back."""

    def __init__(self, rollout: Rollout, time: Time, log: Log) -> None:
        self.service = Service(
            rollout.world.scenario, Settings(clocks=Clocks(wall=lambda: EPOCH + time.now, steady=time.steady))
        )
        self.service.world = rollout.world
        self.service.rollout.set(time.now)
        self.service.epoch = EPOCH
        self.plan = list(rollout.faults)
        self.time = time
        self.log = log

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        self.log.asked()
        while self.plan and self.plan[0][0] <= self.time.now:
            self.service.faults.replace(faults.parse_rules({"faults": self.plan.pop(0)[1]}))
        query = parse_qsl(url.partition("?")[2], keep_blank_values=True, strict_parsing=True)
        reply = self.service.handle(
            checks.Request(method, query, (), {name.lower(): headers[name] for name in headers})
        )
        fault = reply.fault.name if reply.fault else ""
        if fault in ("hang", "trickle") or reply.delay > timeout:
            self.time.sleep(timeout)
            raise _error("timeout", Retry.LATER)
        self.time.sleep(reply.delay)
        if fault in _BROKEN:
            raise _error(_BROKEN[fault], Retry.NEVER if fault == "endless_body" else Retry.LATER)
        answered = {**reply.headers, "date": formatdate(reply.date, usegmt=True)}
        return Response(reply.status, {name.lower(): value for name, value in answered.items()}, reply.body)

    def cancel(self) -> None:
        """Nobody waits here."""


_BROKEN = {
    "reset_before": "connection_broken",
    "reset_middle": "connection_broken",
    "wrong_content_length": "connection_broken",
    "endless_body": "endless_response",
}


def client(rollout: Rollout, time: Time, log: Log) -> StandIn | OneByOne:
    """Who answers the gate in this rollout."""
    if rollout.wire is None:
        return StandIn(rollout, time, log)
    dialect, kind = rollout.wire
    rng = random.Random(rollout.seed)
    service = ServiceConfig(PLATFORMS[dialect], "https://iot.example.com/", "cn-shanghai", None, kind, retries=2)
    nonces = itertools.count()
    return OneByOne(
        service,
        RefreshableCredentials.of_key(Credentials(DEFAULT_ID, DEFAULT_SECRET)),
        Wire(rollout, time, log),
        RateLimiter(0, time.steady, time.sleep),
        lambda line: None,
        wall=time.wall,
        jitter=rng.random,
        nonce=lambda: next(nonces),
    )


def tally(rollout: Rollout) -> Counter[str]:
    """What this rollout counts under in the statistics."""
    words = [*(f"trouble {name}" for name in rollout.trouble), *(f"course {name}" for name in rollout.courses)]
    words += [f"fault {rule['fault']}" for _moment, rules in rollout.faults for rule in rules]
    words.append("as bytes" if rollout.wire else "in memory")
    words.append("waits" if rollout.wait else "looks once, again and again")
    return Counter(set(words))
