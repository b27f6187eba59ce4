# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout in results of the modules, as the filter gets it. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from ...module_utils._queries.devices import DeviceKey, DeviceReport, device_key
from ...module_utils._queries.jobs import JobFacts
from ...module_utils._validation import invalid_option
from .snapshot import JobSnapshot, Snapshot
from .times import MAX_TIME


def snapshot_from_results(results: Any) -> Snapshot:
    """The snapshot in results of the modules: ``jobs``, ``tasks``, and perhaps ``versions`` and ``now``.

    The module of a batch is known only if its facts hold one, as those that the gate returns do.

    :raises OtaError: they are not such results.
    """
    try:
        jobs, listings = _as_list(results["jobs"]), _as_list(results["tasks"])
        if len(jobs) != len(listings):
            raise ValueError
        pairs = list(zip(jobs, listings))
        problems = [problem for job, listing in pairs if job["found"] for problem in _missing_tasks(job, listing)]
        now = float(results.get("now") or time.time())
        if not 0 <= now < MAX_TIME:
            raise ValueError
        return Snapshot(
            now=now,
            jobs=tuple(_job_snapshot(job, listing) for job, listing in pairs),
            versions=_reports(results.get("versions")),
            problems=tuple(problems),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise invalid_option(
            "the input is not a set of results of this collection's modules",
            "give jobs, as many complete results of ota_job_tasks_info as tasks, and the devices of"
            " ota_module_versions_info as versions",
        ) from None


def _missing_tasks(facts: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    """Why a result does not hold all tasks of the batch."""
    yield from result["problems"]
    if not result["problems"] and None in result["by_status"].values():
        yield f"the tasks of batch {facts['job_id']} were not read in all states"
    if result.get("missing") or any(task.get("job_id") not in (None, facts["job_id"]) for task in result["tasks"]):
        yield f"the tasks are not those of batch {facts['job_id']}, or not all of them"


def _as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list(value)


def _job_snapshot(facts: Mapping[str, Any], result: Mapping[str, Any]) -> JobSnapshot:
    counts = {status: int(number or 0) for status, number in result["by_status"].items()}
    all_listed = result["counted_by"] == "listing"
    total = len(result["tasks"]) if all_listed else int(result["total"] or 0)
    return JobSnapshot(
        str(facts["job_id"]),
        cast(JobFacts, facts) if facts["found"] else None,
        counts,
        total,
        result["tasks"],
        all_listed,
        facts.get("module_name"),
    )


def _reports(devices: Any) -> dict[DeviceKey, DeviceReport] | None:
    if devices is None:
        return None
    return {
        device_key(device): DeviceReport(dict(device["versions"]), device["found"], device.get("iot_id"))
        for device in devices
    }
