# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The courses a device may take in a batch: from a course and its timing keys to a fixed timeline.

All times are seconds on the rollout clock. The texts of ``desc`` (TaskDesc on the wire) are made up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

FOREVER = float("inf")
UNFINISHED = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
FINISHED = ("SUCCEEDED", "FAILED", "CANCELED")

STEP_TEXTS = {
    -1: "upgrade failed",
    -2: "download failed",
    -3: "verification failed",
    -4: "flashing failed",
}
_STEP_PROGRESS = {-1: 60.0, -2: 30.0, -3: 90.0, -4: 95.0}

COURSES = (
    "succeeds",
    "fails",
    "offline",
    "silent",
    "stalls",
    "times_out",
    "falls_back",
    "already_on_target",
    "needs_confirmation",
    "busy",
    "canceled",
    "reports_wrong_version",
)

_PACE = ("notified_after", "started_after", "finished_after", "jitter")
COURSE_KEYS: Mapping[str, tuple[str, ...]] = {
    "succeeds": _PACE,
    "fails": (*_PACE, "step", "desc"),
    "offline": (*_PACE, "online_after"),
    "silent": _PACE,
    "stalls": (*_PACE, "stalls_at"),
    "times_out": (*_PACE, "timed_out_after", "stalls_at", "desc"),
    "falls_back": (*_PACE, "fell_back_after"),
    "already_on_target": (),
    "needs_confirmation": (*_PACE, "confirmed_after"),
    "busy": ("busy_with", "desc"),
    "canceled": (*_PACE, "canceled_after", "desc"),
    "reports_wrong_version": (*_PACE, "version", "status", "desc"),
}


class Course(NamedTuple):
    """One course and the keys given with it."""

    name: str
    options: Mapping[str, Any]


class Step(NamedTuple):
    """From ``at`` on the task has this status, progress (percent) and description."""

    at: float
    status: str
    progress: float
    desc: str


class Report(NamedTuple):
    """From ``at`` on the device reports this version of the module."""

    at: float
    version: str


class Batch(NamedTuple):
    """What a course must know about its batch."""

    job_id: str
    src_version: str
    dest_version: str
    created: float  # when the task comes into being
    released: float  # when it may be pushed: schedule and rate limit
    timeout: float  # seconds; 0 = none
    retries: int
    retry_interval: float  # seconds
    chance: bytes  # 16 bytes, fixed by seed, job and device
    busy_with: str


class Plan(NamedTuple):
    """The whole life of one task: its steps in order of time, and the versions the device reports."""

    steps: tuple[Step, ...]
    reports: tuple[Report, ...]


class _Pace(NamedTuple):
    notified: float
    started: float
    finished: float


def chance_of(seed: int, job_id: str, device: str) -> bytes:
    """Sixteen bytes of luck, the same for the same seed, batch and device on every machine."""
    return hashlib.blake2b(f"{seed}\0{job_id}\0{device}".encode(), digest_size=16).digest()


def _pace(batch: Batch, options: Mapping[str, Any], begin: float | None = None) -> _Pace:
    """Jittered times of push, first progress and end; they never run backwards."""
    jitter = options.get("jitter", 0.1)
    base = batch.released if begin is None else begin
    times: list[float] = []
    for index, (key, default) in enumerate((("notified_after", 1), ("started_after", 2), ("finished_after", 8))):
        luck = int.from_bytes(batch.chance[index * 4 : index * 4 + 4], "big") / 0xFFFFFFFF * 2 - 1
        moment = base + options.get(key, default) * (1 + jitter * luck)
        times.append(max(moment, times[-1]) if times else moment)
    return _Pace(*times)


def _opening(batch: Batch, pace: _Pace) -> list[Step]:
    """Queued, notified, and in progress from nothing."""
    return [
        Step(batch.created, "QUEUED", 0.0, ""),
        Step(pace.notified, "NOTIFIED", 0.0, ""),
        Step(pace.started, "IN_PROGRESS", 0.0, ""),
    ]


def _plan(steps: list[Step], *reports: Report) -> Plan:
    return Plan(tuple(steps), reports)


def _succeeds(batch: Batch, options: Mapping[str, Any]) -> Plan:
    pace = _pace(batch, options)
    steps = [*_opening(batch, pace), Step(pace.finished, "SUCCEEDED", 100.0, "")]
    return _plan(steps, Report(pace.finished, batch.dest_version))


def _fails(batch: Batch, options: Mapping[str, Any]) -> Plan:
    """Automatic retries are invisible: the task stays in progress until the last attempt has failed."""
    pace = _pace(batch, options)
    step = options.get("step", -1)
    desc = options.get("desc", f"{step}: {STEP_TEXTS[step]}")
    attempt = pace.finished - pace.started
    end = pace.finished + batch.retries * (batch.retry_interval + attempt)
    return _plan([*_opening(batch, pace), Step(end, "FAILED", _STEP_PROGRESS[step], desc)])


def _offline(batch: Batch, options: Mapping[str, Any]) -> Plan:
    if "online_after" not in options:
        return _plan([Step(batch.created, "QUEUED", 0.0, "")])
    return _succeeds(batch._replace(released=batch.released + options["online_after"]), options)


def _silent(batch: Batch, options: Mapping[str, Any]) -> Plan:
    return _plan(_opening(batch, _pace(batch, options))[:2])


def _stalls(batch: Batch, options: Mapping[str, Any]) -> Plan:
    queued, notified, started = _opening(batch, _pace(batch, options))
    return _plan([queued, notified, started._replace(progress=float(options.get("stalls_at", 40)))])


def _times_out(batch: Batch, options: Mapping[str, Any]) -> Plan:
    """The time-out counts from the first progress report."""
    stalled = _stalls(batch, options)
    wait = options.get("timed_out_after", batch.timeout or 10)
    last = stalled.steps[-1]
    desc = options.get("desc", "timeout: the device did not finish in time")
    return Plan((*stalled.steps, Step(last.at + wait, "FAILED", last.progress, desc)), ())


def _falls_back(batch: Batch, options: Mapping[str, Any]) -> Plan:
    plan = _succeeds(batch, options)
    back = plan.reports[0].at + options.get("fell_back_after", 5)
    return Plan(plan.steps, (*plan.reports, Report(back, batch.src_version)))


def _already_on_target(batch: Batch, options: Mapping[str, Any]) -> Plan:
    return Plan((), ())


def _needs_confirmation(batch: Batch, options: Mapping[str, Any]) -> Plan:
    waiting = Step(batch.created, "CONFIRM", 0.0, "")
    if "confirmed_after" not in options:
        return _plan([waiting])
    confirmed = batch.released + options["confirmed_after"]
    plan = _succeeds(batch._replace(created=confirmed, released=confirmed), options)
    return Plan((waiting, *plan.steps), plan.reports)


def _busy(batch: Batch, options: Mapping[str, Any]) -> Plan:
    desc = options.get("desc", f"the device is being upgraded by another batch: {batch.busy_with}")
    return _plan([Step(batch.created, "FAILED", 0.0, desc)])


def _canceled(batch: Batch, options: Mapping[str, Any]) -> Plan:
    pace = _pace(batch, options)
    at = batch.released + options["canceled_after"] if "canceled_after" in options else pace.finished
    before = [step for step in _opening(batch, pace) if step.at < at] or _opening(batch, pace)[:1]
    return _plan([*before, Step(at, "CANCELED", 0.0, options.get("desc", "canceled by the user"))])


def _reports_wrong_version(batch: Batch, options: Mapping[str, Any]) -> Plan:
    pace = _pace(batch, options)
    version = options.get("version", f"{batch.dest_version}-wrong")
    status = options.get("status", "FAILED")
    text = f"version mismatch: the device reported {version} instead of {batch.dest_version}"
    desc = options.get("desc", text if status == "FAILED" else "")
    return _plan([*_opening(batch, pace), Step(pace.finished, status, 100.0, desc)], Report(pace.finished, version))


_PLANNERS: Mapping[str, Callable[[Batch, Mapping[str, Any]], Plan]] = {
    "succeeds": _succeeds,
    "fails": _fails,
    "offline": _offline,
    "silent": _silent,
    "stalls": _stalls,
    "times_out": _times_out,
    "falls_back": _falls_back,
    "already_on_target": _already_on_target,
    "needs_confirmation": _needs_confirmation,
    "busy": _busy,
    "canceled": _canceled,
    "reports_wrong_version": _reports_wrong_version,
}


def plan_task(course: Course, batch: Batch) -> Plan:
    """The timeline of one device in one batch."""
    return _PLANNERS[course.name](batch, course.options)


def cut_short(plan: Plan, at: float, dynamic: bool) -> Plan:
    """Cancel the batch at ``at``: unfinished tasks end; in a dynamic batch those already pushed go on."""
    before = tuple(step for step in plan.steps if step.at <= at)
    if not before:
        return Plan((), ())
    status = before[-1].status
    if status in FINISHED or (dynamic and status not in ("CONFIRM", "QUEUED")):
        return plan
    end = Step(at, "CANCELED", progress_at(plan.steps, len(before) - 1, at), "canceled with its batch")
    return Plan((*before, end), tuple(report for report in plan.reports if report.at <= at))


def progress_at(steps: tuple[Step, ...], index: int, t: float) -> float:
    """Percent done at ``t`` within step ``index``: it climbs evenly towards the next step's."""
    step = steps[index]
    if step.status != "IN_PROGRESS" or index + 1 >= len(steps):
        return step.progress
    following = steps[index + 1]
    if following.at <= step.at:
        return step.progress
    share = min(1.0, (t - step.at) / (following.at - step.at))
    return step.progress + (following.progress - step.progress) * share
