# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts to judge: tasks, batches and polls in as few words as a test needs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceKey, DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot, Snapshot
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import Verdict, judge

NOW = 1_772_359_200.0  # 2026-03-01T10:00:00Z
PRODUCT = "a19mzPZ0001"
OLD, NEW = "1.0.0", "2.0.0"
#: What tasks replace, which devices do not report unless a test says so.
SOURCE = "0.9.0"
UNFINISHED = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
ERROR = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later")

#: The letters of ``batch("SSFQ")``.
LETTERS = {
    "S": "SUCCEEDED",
    "F": "FAILED",
    "C": "CANCELED",
    "Q": "QUEUED",
    "N": "NOTIFIED",
    "I": "IN_PROGRESS",
    "A": "CONFIRM",
}


def plain(**options: Any) -> Policy:
    """A policy that waits for nothing but confirmation, and takes the tasks' states as proof."""
    if options.get("expected_devices") is not None:
        options["expected_devices"] = devices_named(*options["expected_devices"])
    return Policy(**{"start_grace": 0.0, "verify_versions": False, **options})


def devices_named(*devices: str | tuple[str | None, str]) -> tuple[ExpectedDevice, ...]:
    """Devices that must be reached, each by its name or by its product and name."""
    return tuple(
        ExpectedDevice(None, device) if isinstance(device, str) else ExpectedDevice(*device) for device in devices
    )


def task(name: str, status: Any = "SUCCEEDED", **facts: Any) -> dict[str, Any]:
    """The task of one device."""
    return {
        "task_id": f"t-{name}",
        "product_key": PRODUCT,
        "device_name": name,
        "task_status": status,
        "progress": None,
        "progress_percent": None,
        "task_desc": None,
        "src_version": SOURCE,
        "failure_class": "other" if status == "FAILED" else None,
        "utc_modified": None,
        **facts,
    }


def batch(
    *tasks: Mapping[str, Any] | str,
    job_id: str = "j1",
    status: Any = "COMPLETED",
    counts: Mapping[str, int] | None = None,
    total: int | None = None,
    all_listed: bool = True,
    known: bool = True,
    module_name: str | None = "default",
    **facts: Any,
) -> JobSnapshot:
    """A batch of the ``tasks``; a text is one letter for each, whose devices are d1, d2 and so on."""
    listed: list[Any] = []
    for item in tasks:
        letters = item if isinstance(item, str) else ""
        listed.extend(task(f"d{number}", LETTERS[letter]) for number, letter in enumerate(letters, 1))
        if not isinstance(item, str):
            listed.append(item)
    job = {
        "job_id": job_id,
        "job_status": status,
        "job_type": "UPGRADE_FIRMWARE",
        "product_key": PRODUCT,
        "firmware_id": "f1",
        "dest_version": NEW,
        "selection_type": "STATIC",
        "utc_end_time": None,
        **facts,
    }
    if counts is None:
        counts = dict(Counter(item["task_status"] for item in listed))
    return JobSnapshot(
        job_id,
        job if known else None,
        counts,
        sum(counts.values()) if total is None else total,
        listed,
        all_listed,
        module_name if known else None,
    )


def numbers(total: int | None = None, **counts: int) -> JobSnapshot:
    """A batch of which only numbers are known; states in progress are ``status="IN_PROGRESS"``."""
    status = "IN_PROGRESS" if any(counts.get(state) for state in UNFINISHED) else "COMPLETED"
    return batch(status=status, counts=counts, total=total, all_listed=False)


def poll(*batches: JobSnapshot, now: float = NOW, **facts: Any) -> Snapshot:
    """One poll of the ``batches``."""
    return Snapshot(now, tuple(batches), **facts)


def report(version: str | None, *names: str, **facts: Any) -> dict[DeviceKey, DeviceReport]:
    """What devices report as the version of the default module; an empty one if the service does not know them."""
    known = DeviceReport({"default": version} if version else {}, found=version != "", **facts)
    return dict.fromkeys(((PRODUCT, name) for name in names), known)


#: The field of a snapshot that holds the evidence that a verdict needs.
FIELDS = {"tasks": "jobs", "versions": "versions"}


def judged(snapshot: Snapshot, policy: Policy, history: Mapping[str, Any] | None = None, **evidence: Any) -> Verdict:
    """The verdict on one poll, with the ``evidence`` once it is needed, as ``versions`` or ``tasks``."""
    verdict = judge(snapshot, policy, history)
    for _time in FIELDS:
        if verdict.needs in evidence:
            snapshot = snapshot._replace(**{FIELDS[verdict.needs]: evidence[verdict.needs]})
            verdict = judge(snapshot, policy, history)
    return verdict


def course(
    policy: Policy, *polls: Snapshot, history: Mapping[str, Any] | None = None, **evidence: Any
) -> list[Verdict]:
    """The verdicts on one poll after the other, each of which knows the earlier ones from a file."""
    verdicts = []
    for snapshot in polls:
        verdicts.append(judged(snapshot, policy, history, **evidence))
        history = json.loads(json.dumps(verdicts[-1].history))
    return verdicts


def again(snapshot: Snapshot, times: int, every: float = 15.0) -> list[Snapshot]:
    """``times`` polls that learn the same."""
    return [snapshot._replace(now=snapshot.now + number * every) for number in range(times)]


def settled(snapshot: Snapshot, policy: Policy, **evidence: Any) -> Verdict:
    """The verdict once enough polls have learned the same."""
    return course(policy, *again(snapshot, policy.confirmations), **evidence)[-1]


def codes(verdict: Verdict) -> list[str]:
    """The reasons' words."""
    return [reason.code for reason in verdict.reasons]


def decided(verdict: Verdict) -> tuple[str, bool, str]:
    """What was decided, whether for good, and the deciding reason's word."""
    return verdict.verdict, verdict.final, verdict.reasons[0].code
