# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service without its sockets: one request in, one reply out."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, NamedTuple

from . import checks, faults, wire
from .model import Scenario
from .operations import NOT_TUYA, OPERATIONS, WRITES
from .parameters import numbered
from .problems import ApiError, InputError, invalid
from .rows import Look
from .world import World

HOST_ID = "iot.simulator.example"
# The one operation whose sample mixes cases on the vendor's page.
_MIXED_CASING = "ListOTAModuleVersionsByDevice"


class Clocks(NamedTuple):
    """Where time comes from: ``wall`` in seconds since 1970, ``steady`` never runs backwards."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Settings:
    """What the command line says beside the scenario."""

    time_scale: float = 1
    window: float = 15 * 60  # seconds
    latency: float = 0  # seconds
    clocks: Clocks = field(default_factory=Clocks)


@dataclass
class Reply:
    """One answer; ``date`` is in seconds since 1970, ``delay`` in seconds, ``fault`` spoils its delivery."""

    status: int
    body: bytes
    date: float
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    fault: faults.Rule | None = None


class RolloutClock:
    """Seconds on the rollout clock: elapsed time times the scale, plus pushes."""

    def __init__(self, scale: float, steady: Callable[[], float]) -> None:
        self._scale = scale
        self._steady = steady
        self._zero = steady()
        self._pushed = 0.0

    def now(self) -> float:
        """The current moment."""
        return (self._steady() - self._zero) * self._scale + self._pushed

    def advance(self, seconds: float) -> None:
        """Push the clock; it never runs backwards."""
        if seconds < 0:
            raise InputError("The clock never runs backwards; advance it by 0 seconds or more.")
        self._pushed += seconds

    def set(self, moment: float) -> None:
        """Push the clock to a moment that lies ahead."""
        now = self.now()
        if moment < now:
            raise InputError(f"The clock never runs backwards; it is at {now:.3f}, so set it to that or later.")
        self._pushed += moment - now


def _format_of(request: checks.Request, dialect: str) -> str:
    """The format asked for; by default XML on Alibaba's RPC style, else JSON."""
    if request.acs3 and dialect == "alibaba":
        return "xml" if "xml" in request.headers.get("accept", "") else "json"
    return dict(request.pairs).get("Format", "").lower() or ("json" if dialect == "tuya" else "xml")


def _error_answer(error: ApiError) -> dict[str, Any]:
    if error.business:
        return {"Success": False, "Code": error.code, "ErrorMessage": error.message}
    link = f"https://{HOST_ID}/troubleshoot?q={error.code}"
    return {"HostId": HOST_ID, "Code": error.code, "Message": error.message, "Recommend": link}


class Service:
    """The simulated API. Safe to use from several threads."""

    def __init__(self, scenario: Scenario, settings: Settings | None = None) -> None:
        self.scenario = scenario
        self.settings = settings or Settings()
        self.clocks = self.settings.clocks
        self.begun: dict[str, float] = {}  # seconds on the rollout clock, by batch
        self.world = World(scenario)
        self.rollout = RolloutClock(self.settings.time_scale, self.clocks.steady)
        self.epoch = self.wall()
        self.keys = {key.id: key for key in scenario.access_keys}
        self.nonces = checks.Nonces()
        self.quota = checks.Quota(scenario.qps)
        self.stats = checks.Stats()
        self.faults = faults.Faults()
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def wall(self) -> float:
        """Seconds since 1970 on the service's own clock."""
        return self.clocks.wall() + self.scenario.clock_offset

    def connected(self) -> None:
        """Count a TCP connection."""
        with self.lock:
            self.stats.connections += 1

    def handle(self, request: checks.Request) -> Reply:
        """Answer one request to the API."""
        action = checks.action_of(request)
        call = self._call(action, request)
        with self.lock:
            self.stats.arrived(action, self.clocks.steady())
            beside = self.faults.beside(call)
        now = self.wall() + sum(rule.get("seconds", 0) for rule in beside)
        fault, headers = None, {}
        try:
            self._authenticate(request, now)
            with self.lock:
                fault = self.faults.strike(call)
            if fault and fault.refuses:
                if fault.carries_out:
                    self._answer(action, request, fault)
                faults.refuse(fault)
            status, answer, root = 200, self._answer(action, request, fault), f"{action}Response"
        except ApiError as error:
            status, answer, headers = error.status, _error_answer(error), error.headers
            root = f"{action}Response" if error.business else "Error"
        reply = self._reply(request, status, answer, root, fault)
        reply.headers.update(headers)
        reply.date = now
        reply.fault = fault
        reply.delay = self.settings.latency + sum(rule.get("ms", 0) / 1000 for rule in beside)
        return reply

    def _call(self, action: str, request: checks.Request) -> faults.Call:
        """What the call names: devices by their names or their IotIds."""
        params = dict(request.pairs)
        product_key = params.get("ProductKey", "")
        names = [params.get("DeviceName", ""), *numbered(params, "DeviceName"), *numbered(params, "DeviceNames")]
        for iot_id in (params.get("IotId", ""), *numbered(params, "IotId")):
            key = self.world.device_of(iot_id) if iot_id else None
            if key:
                product_key = key[0]
                names.append(key[1])
        return faults.Call(action, product_key, tuple(names))

    def _counted(self, error: ApiError) -> ApiError:
        with self.lock:
            self.stats.refused(error.code)
        return error

    def _authenticate(self, request: checks.Request, now: float) -> None:
        """Refuse who may not call at all, in the service's order."""
        try:
            claim = checks.read_claim(request, self.scenario.dialect, self.scenario.require_version)
            key = checks.check_key(claim, self.keys)
            checks.check_time(claim, now, self.settings.window)
            checks.check_signature(request, claim, key.secret)
            with self.lock:
                self.nonces.use(key.id, claim.nonce, self.clocks.steady())
        except ApiError as error:
            raise self._counted(error) from None
        if claim.action in key.denied_actions or (key.read_only and claim.action in WRITES):
            raise ApiError("NoPermission", "You are not authorized to do this action.", 403)

    def _admit(self, action: str, request: checks.Request) -> None:
        """Refuse what is not offered, or asked too often."""
        if action not in OPERATIONS or (self.scenario.dialect == "tuya" and action in NOT_TUYA):
            raise ApiError("InvalidApi.NotFound", "Specified api is not found, please check your url.", 404)
        if _format_of(request, self.scenario.dialect) not in wire.CONTENT_TYPES:
            raise invalid("Format")
        try:
            with self.lock:
                self.quota.take(action, self.clocks.steady())
        except ApiError as error:
            raise self._counted(error) from None

    def _answer(self, action: str, request: checks.Request, fault: faults.Rule | None) -> dict[str, Any]:
        self._admit(action, request)
        params = dict(request.pairs)
        instance = self.scenario.instance_id
        if instance and params.get("IotInstanceId") != instance:
            raise ApiError("iot.system.InstanceNotFound", "the instance does not exist", business=True)
        tuya = self.scenario.dialect == "tuya"
        now = self.rollout.now()
        look = Look(
            self._world(params.get("JobId", ""), now),
            now,
            self.epoch,
            tuya,
            fault.name if fault else "",
            self.scenario.counts_lag,
            self.scenario.versions_lag,
            self.scenario.cancel_lag,
            fault is None or fault.carries_out,
        )
        answer = faults.spoil(fault, OPERATIONS[action](look, params))
        if action in WRITES and look.carried_out:
            with self.lock:
                self.stats.changes[action] += 1
        return {"Code": "", **answer} if tuya else answer

    def _world(self, job_id: str, now: float) -> World:
        """The world; the batch begins if it waits for a request that names it."""
        with self.lock:
            if self.scenario.waits and job_id not in self.begun and job_id in self.world.job_ids:
                self.begun[job_id] = now
                self.world = World(self.scenario, self.begun)
            return self.world

    def _reply(
        self, request: checks.Request, status: int, answer: Mapping[str, Any], root: str, fault: faults.Rule | None
    ) -> Reply:
        dialect = self.scenario.dialect
        kind = _format_of(request, dialect)
        if kind not in wire.CONTENT_TYPES:
            kind = "json" if dialect == "tuya" else "xml"
        name = fault.name if fault else ""
        if name == "wrong_format":
            kind = "json" if kind == "xml" else "xml"
        request_id = str(uuid.uuid4()).upper()
        whole = {"RequestId": request_id, **answer}
        if self.scenario.mixed_casing and root == f"{_MIXED_CASING}Response":
            whole = wire.mixed_case(whole)
        body = wire.encode(whole, kind, root, dialect)
        headers = {"Content-Type": wire.CONTENT_TYPES[kind], "x-acs-request-id": request_id}
        if name == "html" and fault:
            status, body = (
                fault.get("status", 502),
                b"<html><head><title>Bad Gateway</title></head><body>Sorry.</body></html>",
            )
            headers["Content-Type"] = "text/html"
        elif name == "redirect" and fault:
            status, body, headers["Location"] = fault.get("status", 302), b"", fault.get("location", "/")
        elif name == "empty_body":
            body = b""
        elif name == "cut_body":
            body = wire.cut_off(body)
        elif name == "packed_bomb":
            body, headers["Content-Encoding"] = wire.packed_bomb(body), "gzip"
        elif name == "packed" and fault:
            coding = fault.get("coding", "gzip")
            body = wire.packed(body, coding)
            headers.update({} if fault.get("unnamed", False) else {"Content-Encoding": coding})
        return Reply(status, body, 0, headers)
