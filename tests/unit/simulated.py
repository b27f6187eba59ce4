# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated service behind the real client, without sockets, on a clock that passes only when somebody sleeps."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig as Connection
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock as GateClock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate, Poll
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE, GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import read_policy

from .fakes import DATA, Clock

FILES = DATA.parents[2] / "roles" / "simulator" / "files"
if str(FILES) not in sys.path:
    sys.path.insert(0, str(FILES))

from ota_sim import checks, faults, scenario, service  # noqa: E402

#: What the network does instead of an answer.
NO_ANSWER = (
    "reset_before",
    "reset_middle",
    "hang",
    "endless_body",
    "trickle",
    "endless_continue",
    "cut_chunks",
    "bad_status_line",
    "bad_header",
)


class Rollout:
    """A simulated service, and gates on it. What they show is in ``lines``, what they warn of in ``warnings``.

    The clock of the machine that runs a gate is ``ahead`` of the service's, in seconds, and may be set meanwhile. A
    service that is not ``dated`` does not tell its time.
    """

    def __init__(
        self,
        world: Mapping[str, Any],
        platform: str = "alibaba",
        response_format: str = "json",
        signature_method: str | None = None,
    ) -> None:
        self.clock = Clock()
        self.platform, self.response_format = platform, response_format
        self.signature_method = signature_method or PLATFORMS[platform].signature_methods[0]
        clocks = service.Clocks(self.clock.wall, self.clock.monotonic)
        parsed = scenario.parse({"dialect": platform, "qps": 0, **world})
        self.service = service.Service(parsed, service.Settings(clocks=clocks))
        self.keys: Any = None
        self.actions: list[str] = []
        self.lines: list[str] = []
        self.moods: list[str] = []
        self.warnings: list[str] = []
        self.ahead = 0.0
        self.dated = True

    def wall(self) -> float:
        """The time of the machine that runs the gate."""
        return self.clock.wall() + self.ahead

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        """Answer a request as a transport does."""
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
        request = checks.Request(method, query, [], {name.lower(): value for name, value in headers.items()})
        self.actions.append(checks.action_of(request))
        reply = self.service.handle(request)
        self.clock.elapsed += min(reply.delay, timeout)
        fault = reply.fault.name if reply.fault else ""
        if fault in NO_ANSWER or reply.delay > timeout:
            self.clock.elapsed += timeout if fault == "hang" else 0.0
            raise OtaError("the connection broke", code="connection_broken", hint="ask again", retry=Retry.LATER)
        date = {"date": formatdate(reply.date, usegmt=True)} if self.dated else {}
        headers = {**date, **reply.headers}
        return Response(reply.status, {name.lower(): value for name, value in headers.items()}, reply.body)

    def cancel(self) -> None:
        """Nobody waits here."""

    def renew_connections(self) -> None:
        """There are none."""

    def fault(self, name: str, **keys: Any) -> None:
        """Let the service misbehave from now on; without a name no more."""
        rules = [{"fault": name, **keys}] if name else []
        self.service.faults.replace(faults.parse_rules({"faults": rules}))

    def client(self) -> Client:
        """The real client."""
        key = self.service.scenario.access_keys[0]
        connection = Connection(
            PLATFORMS[self.platform],
            "https://iot.example.com/",
            response_format=self.response_format,
            signature_method=self.signature_method,
        )
        pacer = RateLimiter(0, self.clock.monotonic, self.clock.sleep)
        bare = RefreshableCredentials.of_key(Credentials(key.id, key.secret, key.security_token or None))
        keys = self.keys or bare
        return Client(connection, keys, self, pacer, self.warnings.append, wall=self.wall)

    def gate(self, *job_ids: str, run: Any = None, listen: Any = None, **options: Any) -> dict[str, Any]:
        """Run a gate to its end."""
        return self._gate(job_ids, run, options).run(listen)

    def polls(self, *job_ids: str, **options: Any) -> Iterator[Poll]:
        """The polls of a gate, each taken when its turn comes."""
        return self._gate(job_ids, None, options).polls()

    def _gate(self, job_ids: Sequence[str], run: Any, options: dict[str, Any]) -> Gate:
        given = {name: options.pop(name) for name in GateOptions._fields if name in options}
        assert options.keys() <= GATE.keys(), f"not all are options: {', '.join(options)}"
        clock = GateClock(self.wall, self.clock.monotonic, self.clock.sleep, lambda: 0.5)
        request = GateOptions(job_ids, read_policy(options), **{"max_qps": 0.0, **given})
        at_once = run or (lambda work, timeout, meanwhile: work())
        return Gate(self.client(), request, self.show, self.warnings.append, clock, at_once)

    def show(self, line: str, mood: str = "", /) -> None:
        """Remember a line, and how it is meant."""
        self.lines.append(line)
        self.moods.append(mood)


def batch(*devices: Any, job_id: str = "1", **fields: Any) -> dict[str, Any]:
    """A world with one batch from version 1.0 to 2.0."""
    firmware = {"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}
    return {"firmwares": [firmware], "jobs": [{"job_id": job_id, "firmware_id": "f1", "devices": [*devices], **fields}]}
