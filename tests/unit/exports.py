# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results of the gate, as the tests of the reports need them: made by the judge, not by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.limits import TimeLimits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.result import build_result
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot, Snapshot
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NOW,
    batch,
    course,
    plain,
    poll,
    report,
    task,
)


def gated(
    *jobs: JobSnapshot, after: float = 0.0, facts: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The result of a gate that polls once, and once more ``after`` seconds; ``facts`` are what else it reads."""
    snapshots = [poll(*jobs, now=NOW + seconds, **(facts or {})) for seconds in sorted({0.0, after})]
    return gated_by(snapshots, plain(**{"confirmations": 1, **options}))


def gated_by(snapshots: Sequence[Snapshot], policy: Policy) -> dict[str, Any]:
    """The result of a gate that learned this."""
    verdict = course(policy, *snapshots)[-1]
    options = GateOptions([job.job_id for job in snapshots[-1].jobs], policy)
    limits = TimeLimits(options, Clock(wall=lambda: snapshots[0].now, steady=lambda: 0.0))
    return json.loads(json.dumps(build_result(snapshots[-1], verdict, options, limits, None)))


def shown() -> dict[str, Any]:
    """The result whose reports the documentation shows: one device fell back, two failed, one is unfinished."""
    lamps = [f"lamp-{number:02}" for number in range(1, 41)]
    facts = {"dest_version": "2.4.1", "src_version": "2.3.0"}
    failed = {"task_desc": "-2: sha256 mismatch", "failure_class": "download", "progress_percent": 30.0}
    others = {"lamp-27": ("FAILED", failed), "lamp-31": ("FAILED", failed), "lamp-38": ("QUEUED", {})}
    tasks = [
        task(name, status, utc_modified="2026-03-01T09:58:12Z", **more)
        for name in lamps
        for status, more in [others.get(name, ("SUCCEEDED", {}))]
    ]
    berlin = batch(*tasks[:20], job_id="183415776190000201", job_desc="Berlin", **facts)
    cologne = batch(*tasks[20:], job_id="183415776190000202", job_desc="Köln", status="IN_PROGRESS", **facts)
    versions = report("2.4.1", *(name for name in lamps if name not in others))
    later = {**versions, **report("2.3.0", "lamp-03")}
    polls = [
        poll(berlin, cologne, versions=versions),
        poll(berlin, cologne, versions=later, now=NOW + 750),
    ]
    return gated_by(
        polls, plain(verify_versions=True, confirmations=1, max_failed_percent=6, max_pending_percent=5, soak=1800)
    )


def failing(number: int, text: str | None = None, **facts: Any) -> list[dict[str, Any]]:
    """The tasks of devices f001, f002 and so on, which failed."""
    return [task(f"f{n:03}", "FAILED", task_desc=text, failure_class="download", **facts) for n in range(1, number + 1)]


def waiting(number: int, status: str = "QUEUED") -> list[dict[str, Any]]:
    """The tasks of devices q001, q002 and so on, which are unfinished."""
    return [task(f"q{n:03}", status) for n in range(1, number + 1)]


def fine(number: int) -> list[dict[str, Any]]:
    """The tasks of devices s0001, s0002 and so on, which succeeded."""
    return [task(f"s{n:04}") for n in range(1, number + 1)]
