# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of the gate, as the tests of the reports need them: made by the judge, not by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.limits import TimeLimits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.result import build_result
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot, Snapshot
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, course, plain, poll, task


def gated(
    *jobs: JobSnapshot, after: float = 0.0, facts: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The result of a gate that polls once, and once more ``after`` seconds; ``facts`` are what else it reads."""
    policy = plain(**{"confirmations": 1, **options})
    snapshots: list[Snapshot] = [poll(*jobs, now=NOW + seconds, **(facts or {})) for seconds in sorted({0.0, after})]
    verdict = course(policy, *snapshots)[-1]
    limits = TimeLimits(GateOptions(["j1"], policy), Clock(wall=lambda: NOW, steady=lambda: 0.0))
    result = build_result(snapshots[-1], verdict, GateOptions(["j1"], policy), limits, None)
    return json.loads(json.dumps(result))


def failing(number: int, text: str | None = None, **facts: Any) -> list[dict[str, Any]]:
    """The tasks of devices f001, f002 and so on, which failed."""
    return [task(f"f{n:03}", "FAILED", task_desc=text, failure_class="download", **facts) for n in range(1, number + 1)]


def waiting(number: int, status: str = "QUEUED") -> list[dict[str, Any]]:
    """The tasks of devices q001, q002 and so on, which are unfinished."""
    return [task(f"q{n:03}", status) for n in range(1, number + 1)]


def fine(number: int) -> list[dict[str, Any]]:
    """The tasks of devices s0001, s0002 and so on, which succeeded."""
    return [task(f"s{n:04}") for n in range(1, number + 1)]
