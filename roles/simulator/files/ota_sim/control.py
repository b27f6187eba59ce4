# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unsigned control calls below ``/_sim/``."""

from __future__ import annotations

import json
import math
from typing import Any

from . import faults, wire
from .problems import InputError
from .service import Reply, Service


class Control:
    """Clock, faults, statistics and truth of one service."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def handle(self, method: str, path: str, body: bytes) -> Reply:
        """Answer one call below ``/_sim/``."""
        name = path.split("?", 1)[0][len("/_sim/") :]
        calls = {
            ("GET", "health"): self._health,
            ("GET", "stats"): self._stats,
            ("POST", "stats"): self._reset_stats,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._push_clock,
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._set_faults,
            ("GET", "truth"): self._truth,
            ("POST", "stop"): self._stop,
        }
        call = calls.get((method, name))
        try:
            if call is None:
                known = ", ".join(f"{verb} /_sim/{word}" for verb, word in calls)
                return self._reply(404, {"error": f"There is no such control call; known are {known}."})
            return self._reply(200, call(_parsed(body)))
        except InputError as error:
            return self._reply(400, {"error": str(error)})

    def refuse_page(self) -> Reply:
        """The answer to a page in a browser, whose site is not this machine."""
        text = "This is for programs on this machine: call it by 127.0.0.1 or localhost, and not from a web page."
        return self._reply(403, {"error": text})

    def _reply(self, status: int, answer: dict[str, Any]) -> Reply:
        return Reply(
            status, wire.to_json(answer), self.service.clocks.wall(), {"Content-Type": wire.CONTENT_TYPES["json"]}
        )

    def _health(self, _body: Any) -> dict[str, Any]:
        return {"status": "ready", "dialect": self.service.scenario.dialect}

    def _stats(self, _body: Any) -> dict[str, Any]:
        service = self.service
        with service.lock:
            stats = service.stats
            highest = {name: count for name, count in stats.highest.items() if name}
            return {
                "requests": dict(stats.requests),
                "changes": dict(stats.changes),
                "total": sum(stats.requests.values()),
                "rejected_signatures": stats.rejected_signatures,
                "repeated_nonces": stats.repeated_nonces,
                "throttled": stats.throttled,
                "highest_rate": {"overall": stats.highest[""], "actions": highest},
                "faults": dict(service.faults.injected),
                "connections": stats.connections,
            }

    def _reset_stats(self, body: Any) -> dict[str, Any]:
        if body != {"reset": True}:
            raise InputError('Send {"reset": true} to clear the statistics.')
        with self.service.lock:
            self.service.stats.reset()
            self.service.faults.injected.clear()
        return {"reset": True}

    def _clock(self, _body: Any) -> dict[str, Any]:
        return {"now": self.service.rollout.now()}

    def _push_clock(self, body: Any) -> dict[str, Any]:
        number = next(iter(body.values()), None) if isinstance(body, dict) and len(body) == 1 else None
        good = isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
        if not good or not set(body) <= {"advance", "set"}:
            raise InputError('Send {"advance": seconds} or {"set": seconds}.')
        with self.service.lock:
            if "set" in body:
                self.service.rollout.set(body["set"])
            else:
                self.service.rollout.advance(body["advance"])
            return {"now": self.service.rollout.now()}

    def _list_faults(self, _body: Any) -> dict[str, Any]:
        with self.service.lock:
            return {"faults": self.service.faults.listed()}

    def _set_faults(self, body: Any) -> dict[str, Any]:
        rules = faults.parse_rules(body)
        with self.service.lock:
            self.service.faults.replace(rules)
            return {"faults": self.service.faults.listed()}

    def _truth(self, _body: Any) -> dict[str, Any]:
        now = self.service.rollout.now()
        world = self.service.world
        jobs = {
            view.job.job_id: {
                "status": view.status,
                "dest_version": view.firmware.dest_version,
                "targeted": len(view.job.devices),
                "on_target": world.on_target_at(view.job.job_id, now),
                "canceled": world.task_count_at(view.job.job_id, now, ("CANCELED",)),
            }
            for view in world.jobs_at(now)
        }
        return {"now": now, "jobs": jobs}

    def _stop(self, _body: Any) -> dict[str, Any]:
        self.service.stopped.set()
        return {"status": "stopping"}


def _parsed(body: bytes) -> Any:
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter if it is nested deep
        raise InputError("The body is not valid JSON; correct it and send it again.") from error
