# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

from ...module_utils._errors import OtaError
from ...module_utils._text import truncate
from .._report.labels import batch_labels
from .._report.message import to_do
from .._rollout.devices import Device, is_another
from .._rollout.policy import VERSION_FIELDS, ExpectedDevice
from .._rollout.snapshot import JobSnapshot, Snapshot
from .._rollout.times import format_time
from .._verdict.kept_reports import pack_reports
from .._verdict.verdict import Verdict
from .limits import TimeLimits
from .options import GateOptions

#: Return at most this many devices of each kind, and this many entries of the timeline.
MAX_ENTRIES = 1000

#: Bytes of JSON that the devices, and the facts of the batches, take at most, so that programs can read the report.
DEVICE_BYTES = 3 << 20
JOB_BYTES = 512 << 10
#: Cut the texts of devices to the first of these lengths that suffices; no documented text is longer than the second.
TEXT_LENGTHS = (4096, 1024, 256, 64)

TimelineEntry = dict[str, Union[int, float, bool]]


class Timeline:
    """How the numbers changed: an entry for each poll that changed any, and for the last poll.

    The first of several polls that failed has an entry with an ``error`` and the numbers before it, and so has the
    first poll after them.

    ``previous`` is the timeline of an earlier run, which continues; anything else is ignored.
    """

    def __init__(self, previous: Any, started: float) -> None:
        self.started = started
        entries = previous if isinstance(previous, list) else []
        self.entries: list[TimelineEntry] = [entry for entry in entries if _is_timeline_entry(entry)]

    def add_poll(self, snapshot: Snapshot, verdict: Verdict, failed: bool = False, last: bool = False) -> None:
        """Add a poll, which may have ``failed``."""
        rollout = verdict.rollout
        numbers = {"succeeded": rollout.succeeded, "failed": rollout.failed, "pending": rollout.pending}
        found: TimelineEntry = {**numbers, "error": True} if failed else {**numbers}
        before = {name: value for name, value in self.entries[-1].items() if name != "seconds"} if self.entries else {}
        if found != before or last:
            self._append({"seconds": round(snapshot.now - self.started, 1), **found})
        if len(self.entries) > MAX_ENTRIES:  # the longer, the coarser
            self.entries = [*self.entries[:-1:2], self.entries[-1]]

    def _append(self, entry: TimelineEntry) -> None:
        """Add what a poll found, once also where it is the last poll as well."""
        if self.entries[-1:] != [entry]:
            self.entries.append(entry)


def _is_timeline_entry(entry: Any) -> bool:
    names = ("seconds", "succeeded", "failed", "pending")
    return isinstance(entry, Mapping) and all(isinstance(entry.get(name), (int, float)) for name in names)


def build_result(
    snapshot: Snapshot, verdict: Verdict, options: GateOptions, limits: TimeLimits, error: OtaError | None
) -> dict[str, Any]:
    """The result of the action but for its timeline and notes; ``error`` is why the last poll failed."""
    started = limits.started
    rollout = verdict.rollout
    pending = sorted(rollout.devices_in("pending"), key=lambda device: -(device.idle_seconds or 0.0))
    everything = rollout.devices if rollout.all_listed and len(rollout.devices) <= MAX_ENTRIES else ()
    notes: list[str] = []
    devices = {
        "failed_devices": _device_results(rollout.devices_in("failed")),
        "pending_devices": _device_results(pending),
        "devices": _device_results(everything),
    }
    _cut_texts([device for group in devices.values() for device in group], notes)
    judged = verdict.to_result()
    del judged["needs"]
    by_job = judged.pop("by_job")
    if not verdict.final and not judged["history"]["reports"]:  # else no run goes on, or this one took none over
        known = ((device, snapshot.earlier.get(device.key)) for device in rollout.devices)
        replaced = {device.key for device, report in known if report and is_another(report, device.iot_id)}
        judged["history"]["reports"] = pack_reports(
            snapshot.earlier, snapshot.jobs, options.policy, limits.began, replaced
        )
    return {
        **judged,
        "jobs": _job_results(snapshot.jobs, by_job, notes),
        **devices,
        "notes": notes,
        "started": format_time(started),
        "ended": format_time(snapshot.now),
        "deadline": format_time(started + options.policy.wait_timeout),
        "elapsed_seconds": round(snapshot.now - started, 1),
        "polls": verdict.history["polls"],
        "policy": _policy_result(options),
        "to_do": to_do(verdict, snapshot.jobs),
        "found_by": _found_result(verdict.history["found"]),
        **({"failure": error.failure()} if error else {}),
    }


def _policy_result(options: GateOptions) -> dict[str, Any]:
    """The options that decided, as they are given."""
    policy = {name: value for name, value in options.policy._asdict().items() if name != "scope"}
    versions = {name: policy.pop(field) for name, field in VERSION_FIELDS.items()}
    versions["source"] = options.source.name
    if policy["expected_devices"] is not None:
        policy["expected_devices"] = [_expected_result(device) for device in options.policy.expected_devices or ()]
    return {**policy, "versions": versions}


def _found_result(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Which batches were found, by what and why; ``None`` where they were given, or none was found."""
    return {**found["search"], "job_ids": found["job_ids"], "why": found["why"]} if found else None


def _expected_result(device: ExpectedDevice) -> str | dict[str, str | None]:
    """An expected device as it was given."""
    return device.device_name if device.product_key is None else device._asdict()


def _job_results(
    jobs: Sequence[JobSnapshot], by_job: Mapping[str, Mapping[str, int]], notes: list[str]
) -> list[dict[str, Any]]:
    room, labels = _Room(JOB_BYTES // max(1, len(jobs))), batch_labels(jobs)
    results = []
    for job in jobs:
        facts = dict(job.facts) if job.facts else {"job_id": job.job_id, "found": False, "finished": False}
        kept = room.copy_of(facts)
        if kept != facts:
            notes.append(f"the service says too much of batch {job.job_id}, so that a part of its facts is left out")
        own = {"job_id": job.job_id, "label": labels[job.job_id], "module_name": job.module_name}
        results.append({**kept, **own, "counts": by_job.get(job.job_id)})
    return results


class _Room:
    """Copies values as far as their JSON takes no more than ``size`` bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._left = 0

    def copy_of(self, value: Any) -> Any:
        """A copy, from which what comes too late is missing."""
        self._left = self._size
        return self._copy(value)

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._copy(item) for name, item in value.items() if self._take(name, item)}
        if isinstance(value, (list, tuple)):
            return [self._copy(item) for item in value if self._take(item)]
        return value

    def _take(self, *values: Any) -> bool:
        """Whether there is room for ``values``, of which those in containers are asked for later."""
        size = sum(2 if isinstance(value, (Mapping, list, tuple)) else _json_size(value) for value in values)
        fits = size <= self._left
        self._left -= size if fits else 0
        return fits


def _json_size(value: Any) -> int:
    """How many bytes a scalar takes in an indented file, about."""
    return len(json.dumps(value)) + 30


def _device_results(devices: Sequence[Device]) -> list[dict[str, Any]]:
    return [device.to_result() for device in devices[:MAX_ENTRIES]]


def _cut_texts(devices: list[dict[str, Any]], notes: list[str]) -> None:
    """Cut the texts of ``devices`` where they are too long together, and note that."""
    fixed = sum(_json_size(value) for device in devices for value in device.values() if not isinstance(value, str))
    limit = next(
        (limit for limit in TEXT_LENGTHS if fixed + sum(_sizes(devices, limit)) <= DEVICE_BYTES), TEXT_LENGTHS[-1]
    )
    longer = [(device, name) for device in devices for name, value in device.items() if len(_text(value)) > limit]
    for device, name in longer:
        device[name] = truncate(device[name], limit)
    if longer:
        notes.append(f"texts of devices are cut to {limit} characters, because they are too long together")


def _sizes(devices: list[dict[str, Any]], limit: int) -> Iterator[int]:
    """The bytes of each text that is cut to ``limit`` characters."""
    return (_json_size(value[:limit]) for device in devices for value in device.values() if isinstance(value, str))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
