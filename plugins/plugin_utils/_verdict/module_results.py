# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what the modules have answered to what a verdict needs, for playbooks that loop themselves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import Key, device_key
from .snapshot import YEAR_9999, Batch, Facts


def read_facts(known: Any, module_name: str) -> Facts:
    """The facts in what the modules have answered: ``jobs``, ``tasks``, and perhaps ``versions`` and ``now``.

    :raises OtaError: it is not what they answer.
    """
    try:
        jobs, answers = _list(known["jobs"]), _list(known["tasks"])
        if len(jobs) != len(answers):
            raise ValueError
        pairs = list(zip(jobs, answers))
        problems = [problem for job, answer in pairs if job["found"] for problem in _partial(job, answer)]
        now = float(known.get("now") or time.time())
        if not 0 <= now < YEAR_9999:
            raise ValueError
        return Facts(
            now=now,
            batches=tuple(_batch(job, answer) for job, answer in pairs),
            versions=_versions(known.get("versions"), module_name),
            problems=tuple(problems),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise OtaError(
            "this is not what the modules answer",
            code="invalid_option",
            hint="give jobs, as many whole answers of ota_job_tasks_info as tasks, and devices of"
            " ota_module_versions_info as versions",
        ) from None


def _partial(job: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """Why an answer is not about all tasks of the batch."""
    yield from answer["problems"]
    if not answer["problems"] and None in answer["counts"].values():
        yield f"the tasks of batch {job['job_id']} were not asked for in all states"
    if answer.get("missing") or any(task.get("job_id") not in (None, job["job_id"]) for task in answer["tasks"]):
        yield f"the tasks are not those of batch {job['job_id']}, or not all of them"


def _list(value: Any) -> list[Any]:
    return [value] if isinstance(value, Mapping) else list(value)


def _batch(job: Mapping[str, Any], answer: Mapping[str, Any]) -> Batch:
    counts = {status: int(number or 0) for status, number in answer["counts"].items()}
    whole = answer["counted_by"] == "listing"
    total = len(answer["tasks"]) if whole else int(answer["announced"] or 0)
    return Batch(str(job["job_id"]), job if job["found"] else None, counts, total, answer["tasks"], whole)


def _versions(devices: Any, module_name: str) -> dict[Key, str | None] | None:
    if devices is None:
        return None
    return {device_key(device): device["versions"].get(module_name) if device["found"] else "" for device in devices}
