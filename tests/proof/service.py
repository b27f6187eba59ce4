# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two who ask the service for a gate: one in place of the whole client, and the client itself, by bytes."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Callable
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from ansible_collections.iotfleet.ota.plugins.module_utils._api import operations
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import no_facts
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._api.schema import Field, Kind, Operation
from ansible_collections.iotfleet.ota.plugins.module_utils._client.calls import Caller
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing, listing_problem
from ansible_collections.iotfleet.ota.plugins.module_utils._client.parallel import MAX_FAILED
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response

from .answers import Answers
from .clocks import EPOCH, Log, Time
from .errors import an_error
from .questions import Row
from .rollouts import Rollout

PAGE = 100
#: What no key of these worlds may ask, because it decides nothing.
DENIED = ("BatchGetDeviceState",)


class StandIn:
    """Answers in place of a client, without a byte."""

    last_failure: OtaError | None = None

    def __init__(self, rollout: Rollout, time: Time, log: Log, shuffled: bool = False) -> None:
        self.answers = Answers(rollout, time, log, shuffled)
        self.time = time

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of the machine's."""
        told = self.answers.questions.offset
        return told[1] if told and told[0] == self.answers.log.run else None

    def get(self, operation: Operation, **arguments: Any) -> Row | None:
        """The facts about one object."""
        if operation.action == "QueryOTAFirmware":
            package = self.answers.package(operation.action, arguments["firmware_id"])
            return package and {**no_facts(operation), **package}
        return self.answers.job(operation.action, arguments["job_id"])

    def page(self, operation: Operation, number: int, size: int, **arguments: Any) -> Listing | None:
        """One page of a list."""
        page = self.answers.page(operation.action, arguments, number, size)
        if page is None:
            return None
        pages = None if page.announced is None else -(-page.announced // size)
        return Listing([dict(row) for row in page.rows], page.announced, number, pages)

    def first_page(self, operation: Operation, size: int = 1, **arguments: Any) -> Listing | None:
        """The first rows of a list."""
        return self.page(operation, 1, size, **arguments)

    def listing(self, operation: Operation, attempts: int = 3, **arguments: Any) -> Listing | None:
        """A whole list, and what is wrong with it."""
        if operation.action in DENIED:
            raise an_error("NoPermission", affects_all=True)
        if "job_id" not in arguments:
            rows = self.answers.device_rows(operation.action, arguments)
            return None if rows is None else Listing(rows, len(rows), 1, 1)
        page, number = self.answers.page(operation.action, arguments, 1, PAGE), 1
        found: list[Row] = []
        while page is not None:  # a page at a time, between which the world goes on
            found += [dict(row) for row in page.rows]
            if number * PAGE >= page.real:
                break
            number += 1
            page = self.answers.page(operation.action, arguments, number, PAGE)
        if page is None:
            return None
        pages = None if page.announced is None else max(1, -(-page.announced // PAGE))
        whole = Listing(found, page.announced, number, pages)
        problem = listing_problem(operation, whole, number, found)
        if problem and attempts > 1:
            self.time.sleep(0.25)
            return self.listing(operation, attempts - 1, **arguments)
        return whole._replace(problem=problem)

    def rows(self, operation: Operation, **arguments: Any) -> list[Row] | None:
        """All rows of a list."""
        listing = self.listing(operation, **arguments)
        return listing.rows if listing else None

    def map(
        self, query: Callable[[Any], Any], items: Sequence[Any], sequential: bool = False
    ) -> tuple[list[Any], OtaError | None]:
        """One question about many, one after the other."""
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


# --- By bytes --------------------------------------------------------------------------------------------------------

OPERATIONS: Mapping[str, Operation] = {
    operation.action: operation for operation in vars(operations).values() if isinstance(operation, Operation)
}
#: Errors of the way to the service, which come without an answer.
WITHOUT_ANSWER = ("timeout", "certificate")
ABSENT = {
    "QueryOTAJob": "iot.firmware.InvalidOTAJobId",
    "ListOTATaskByJob": "iot.firmware.InvalidOTAJobId",
    "QueryOTAFirmware": "iot.firmware.FirmwareNotFound",
    "ListOTAModuleVersionsByDevice": "iot.device.NotExistedDevice",
    "ListOTAUnfinishedTaskByDevice": "iot.device.NotExistedDevice",
}


class OneByOne(Client):
    """The real client, which asks one question after the other, so that a run can be repeated."""

    def map(self, query: Any, items: Any, sequential: bool = False) -> Any:
        return super().map(query, items, sequential=True)


def note_errors(caller: Caller, answers: Answers) -> None:
    """Let the look that goes on know which of its calls failed."""
    call = caller.call

    def noted(operation: Operation, arguments: Any, read: Any) -> Any:
        try:
            return call(operation, arguments, read)
        except OtaError as error:
            look = answers.questions.look
            if operation.action in DENIED:
                raise
            if look and not operation.is_not_found(error.code) and not look.refused:
                look.errors.append(f"{operation.action} {error.code}")
            raise

    caller.call = noted  # type: ignore[method-assign]


class Wire:
    """A transport without sockets: what is sent is answered from the world, in one of the dialects."""

    def __init__(self, answers: Answers, dialect: str, kind: str, rng: random.Random) -> None:
        self.answers = answers
        self.lower = dialect == "tuya"
        self.xml = kind == "xml"
        self.rng = rng

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        """Answer a request; what takes longer than ``timeout`` hangs."""
        query = dict(parse_qsl(url.partition("?")[2], keep_blank_values=True, strict_parsing=True))
        action = query.get("Action") or {name.lower(): text for name, text in headers.items()}["x-acs-action"]
        content: dict[str, Any] | str
        try:
            status, content = 200, self._content(OPERATIONS[action], query)
        except OtaError as error:
            if error.code in WITHOUT_ANSWER:
                raise
            status, content = _refusal(error)
        body = content if isinstance(content, str) else self._written(action, content)
        now = EPOCH + self.answers.time.now
        return Response(status, {"date": formatdate(now, usegmt=True)}, body.encode())

    def cancel(self) -> None:
        """Nobody waits here."""

    def renew_connections(self) -> None:
        """There are none."""

    def _content(self, operation: Operation, query: Mapping[str, str]) -> dict[str, Any]:
        """What an answer holds, by its names on the wire."""
        arguments = {ours: query[wire] for ours, wire in operation.parameters.items() if wire in query}
        base: dict[str, Any] = {"RequestId": "R-1", "Success": True}
        if operation.action in DENIED:
            raise an_error("NoPermission", affects_all=True)
        if operation.action in ("QueryOTAJob", "QueryOTAFirmware"):
            ask, name = (
                (self.answers.job, "job_id")
                if operation.action == "QueryOTAJob"
                else (self.answers.package, "firmware_id")
            )
            facts = ask(operation.action, arguments[name])
            return {**base, operation.data: _on_wire(operation.fields, facts)} if facts else _absent(operation)
        if "job_id" in arguments:
            number, size = int(arguments.get("page", 1)), int(arguments.get("page_size", PAGE))
            page = self.answers.page(operation.action, arguments, number, size)
            if page is None:
                return _absent(operation)
            paging = {"Total": page.announced, "CurrentPage": number, "PageSize": size}
            paging["PageCount"] = None if page.announced is None else -(-page.announced // size)
            rows = list(page.rows)
        else:
            found = self.answers.device_rows(operation.action, arguments)
            if found is None:
                return _absent(operation)
            paging, rows = {"Total": len(found), "CurrentPage": 1, "PageSize": 200, "PageCount": 1}, found
        listed = {operation.wrapper: [_on_wire(operation.fields, row) for row in rows]}
        told = {name: value for name, value in paging.items() if value is not None}
        return {**base, **told, "Data": listed}

    def _written(self, action: str, content: dict[str, Any]) -> str:
        if self.xml:
            root = "Error" if "Success" not in content else f"{action}Response"
            return f"<?xml version='1.0' encoding='UTF-8'?><{root}>{''.join(_xml(content))}</{root}>"
        mixed = action == "ListOTAModuleVersionsByDevice" and self.rng.random() < 0.5
        return json.dumps(_lowered(content, mixed) if self.lower or mixed else content)


def _refusal(error: OtaError) -> tuple[int, dict[str, Any] | str]:
    """An error as an answer."""
    if error.code == "html_response":
        return 200, "<html><body>Welcome</body></html>"
    if error.code == "wrong_response":
        return 200, {"RequestId": "R-1", "Success": True, "Data": {"JobId": "another", "FirmwareId": "another"}}
    if error.code.startswith("iot."):
        return 200, {"RequestId": "R-1", "Success": False, "Code": error.code, "ErrorMessage": error.detail or "忙"}
    status = {"ServiceUnavailable": 503, "InvalidParameter": 400}.get(error.code, 403)
    return status, {
        "RequestId": "R-1",
        "HostId": "iot.example.com",
        "Code": error.code,
        "Message": error.detail or "no",
    }


def _absent(operation: Operation) -> dict[str, Any]:
    return {"RequestId": "R-1", "Success": False, "Code": ABSENT[operation.action], "ErrorMessage": "不存在"}


def _on_wire(fields: Sequence[Field], facts: Row) -> dict[str, Any]:
    """Facts by their names on the wire; what is not known is missing."""
    found: dict[str, Any] = {}
    for field in fields:
        value = facts.get(field.name)
        if value is None or value == []:
            continue
        found[field.wire] = {field.wrapper: value} if field.kind is Kind.TEXTS else value
    return found


def _lowered(value: Any, some: bool) -> Any:
    """All names with a small first letter, or, as in one sample, only some."""
    if isinstance(value, list):
        return [_lowered(item, some) for item in value]
    if not isinstance(value, dict):
        return value
    kept = ("Data", "SimpleOTAModuleInfo", "PageSize") if some else ()
    return {name if name in kept else name[:1].lower() + name[1:]: _lowered(item, some) for name, item in value.items()}


def _xml(content: Mapping[str, Any]) -> Iterator[str]:
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                inner = "".join(_xml(item))
            else:
                inner = escape(str(item).lower() if isinstance(item, bool) else str(item))
            yield f"<{name}>{inner}</{name}>"


def asking(rollout: Rollout, time: Time, log: Log, shuffled: bool = False) -> StandIn | OneByOne:
    """Who asks for the gate in this rollout."""
    if rollout.wire is None:
        return StandIn(rollout, time, log, shuffled)
    dialect, kind = rollout.wire
    rng = random.Random(rollout.seed)
    answers, nonces = Answers(rollout, time, log, shuffled, logs=False), itertools.count()
    service = ServiceConfig(PLATFORMS[dialect], "https://iot.example.com/", "cn-shanghai", None, kind, retries=2)
    client = OneByOne(
        service,
        RefreshableCredentials.of_key(Credentials("key", "secret")),
        Wire(answers, dialect, kind, rng),  # type: ignore[arg-type]
        RateLimiter(0, time.steady, time.sleep),
        lambda line: None,
        wall=time.wall,
        jitter=rng.random,
        nonce=lambda: next(nonces),
    )
    note_errors(client._caller, answers)
    return client
