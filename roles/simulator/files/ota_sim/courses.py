# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The courses a device may take in a batch: from a course and its timing keys to a fixed timeline.

All times are seconds on the rollout clock. Of the texts of ``desc`` (TaskDesc on the wire) only two are the vendor's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .timelines import FOREVER, Plan, Report, Step

STEP_TEXTS = {
    -1: "upgrade failed",
    -2: "download failed",
    -3: "verification failed",
    -4: "flashing failed",
}
_STEP_PROGRESS = {-1: 60.0, -2: 30.0, -3: 90.0, -4: 95.0}
_TIMEOUT = "timeout"
_WRONG_VERSION = "report version is not conform"

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

_PACE = ("notified_after", "started_after", "finished_after", "jitter", "spread", "listed_after")
_SUCCESS = (*_PACE, "reported_after")
COURSE_KEYS: Mapping[str, tuple[str, ...]] = {
    "succeeds": _SUCCESS,
    "fails": (*_SUCCESS, "step", "desc", "step_in_progress", "failed_attempts"),
    "offline": (*_SUCCESS, "online_after"),
    "silent": _PACE,
    "stalls": (*_PACE, "stalls_at"),
    "times_out": (*_PACE, "timed_out_after", "stalls_at", "desc"),
    "falls_back": (*_SUCCESS, "fell_back_after"),
    "already_on_target": (),
    "needs_confirmation": (*_SUCCESS, "confirmed_after"),
    "busy": ("busy_with", "desc", "listed_after"),
    "canceled": (*_PACE, "canceled_after", "desc"),
    "reports_wrong_version": (*_PACE, "version", "status", "desc"),
}


class Again(NamedTuple):
    """The device is upgraded again, so many seconds after the batch's tasks appeared."""

    after: float
    same_task: bool
    course: Course


class Course(NamedTuple):
    """One course and the keys given with it; ``again`` holds what follows it in the same batch, in order of time."""

    name: str
    options: Mapping[str, Any]
    again: tuple[Again, ...] = ()


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
    retries_visible: bool
    pushed: bool
    need_confirm: bool
    confirmed_after: float | None  # seconds since it was released
    chance: bytes  # 16 bytes, fixed by seed, job and device
    busy_with: str


class _Pace(NamedTuple):
    notified: float
    started: float
    finished: float


def chance_of(seed: int, job_id: str, device: str) -> bytes:
    """Sixteen bytes of luck, the same for the same seed, batch and device on every machine."""
    return hashlib.blake2b(f"{seed}\0{job_id}\0{device}".encode(), digest_size=16).digest()


def _pace(batch: Batch, options: Mapping[str, Any]) -> _Pace:
    """Jittered times of push, first progress and end; they never run backwards."""
    jitter = options.get("jitter", 0.1)
    times: list[float] = []
    for index, (key, default) in enumerate((("notified_after", 1), ("started_after", 2), ("finished_after", 8))):
        luck = int.from_bytes(batch.chance[index * 4 : index * 4 + 4], "big") / 0xFFFFFFFF * 2 - 1
        moment = batch.released + options.get(key, default) * (1 + jitter * luck)
        times.append(max(moment, times[-1]) if times else moment)
    return _Pace(*times)


def _spread(course: Course, batch: Batch) -> Batch:
    """The batch as a device sees it whose turn comes some time within the spread."""
    luck = int.from_bytes(batch.chance[12:], "big") / 0xFFFFFFFF
    return batch._replace(released=batch.released + course.options.get("spread", 0) * luck)


def _opening(batch: Batch, pace: _Pace) -> list[Step]:
    """Queued, notified unless the device must ask by itself, and in progress from nothing."""
    notified = [Step(pace.notified, "NOTIFIED", 0.0, "")] if batch.pushed else []
    return [Step(batch.created, "QUEUED", 0.0, ""), *notified, Step(pace.started, "IN_PROGRESS", 0.0, "")]


def _plan(steps: list[Step], *reports: Report) -> Plan:
    return Plan(tuple(steps), reports)


def _success(batch: Batch, options: Mapping[str, Any], before: list[Step], end: float) -> Plan:
    """It ends well; the device reports the new version then, or some time later."""
    report = Report(end + options.get("reported_after", 0), batch.dest_version)
    return _plan([*before, Step(end, "SUCCEEDED", 100.0, "")], report)


def _succeeds(batch: Batch, options: Mapping[str, Any]) -> Plan:
    pace = _pace(batch, options)
    return _success(batch, options, _opening(batch, pace), pace.finished)


def _fails(batch: Batch, options: Mapping[str, Any]) -> Plan:
    """Attempts fail until one succeeds or none is left; between visible ones the task is FAILED."""
    failures = min(options.get("failed_attempts", batch.retries + 1), batch.retries + 1)
    count = min(failures, batch.retries) + 1
    steps: list[Step] = []
    end = 0.0
    for number, (opening, end) in enumerate(_attempts(batch, options, count), 1):
        steps += opening
        if number <= failures and (batch.retries_visible or number == count):
            steps.append(_failure(options, end))
    return _success(batch, options, steps, end) if count > failures else _plan(steps)


def _attempts(batch: Batch, options: Mapping[str, Any], count: int) -> list[tuple[list[Step], float]]:
    """The steps before the end of each attempt, and that end; an invisible retry has no steps of its own."""
    pace = _pace(batch, options)
    first = _opening(batch, pace)
    if not batch.retries_visible:
        wait = batch.retry_interval + pace.finished - pace.started
        return [(first if number == 0 else [], pace.finished + number * wait) for number in range(count)]
    wait = batch.retry_interval + pace.finished - batch.released
    again = [Step(batch.released, "QUEUED", 0.0, ""), *first[1:]]
    found = [(first, pace.finished)]
    for number in range(1, count):
        opening = [step._replace(at=step.at + number * wait) for step in again]
        found.append((opening, pace.finished + number * wait))
    return found


def _failure(options: Mapping[str, Any], at: float) -> Step:
    step = options.get("step", -1)
    if options.get("step_in_progress", False):
        return Step(at, "FAILED", float(step), options.get("desc", STEP_TEXTS[step]))
    return Step(at, "FAILED", _STEP_PROGRESS[step], options.get("desc", f"{step}: {STEP_TEXTS[step]}"))


def _offline(batch: Batch, options: Mapping[str, Any]) -> Plan:
    if "online_after" not in options:
        return _plan([Step(batch.created, "QUEUED", 0.0, "")])
    return _succeeds(batch._replace(released=batch.released + options["online_after"]), options)


def _silent(batch: Batch, options: Mapping[str, Any]) -> Plan:
    return _plan(_opening(batch, _pace(batch, options))[:-1])


def _stalls(batch: Batch, options: Mapping[str, Any]) -> Plan:
    *before, started = _opening(batch, _pace(batch, options))
    return _plan([*before, started._replace(progress=float(options.get("stalls_at", 40)))])


def _times_out(batch: Batch, options: Mapping[str, Any]) -> Plan:
    """The time-out counts from the first progress report."""
    stalled = _stalls(batch, options)
    wait = options.get("timed_out_after", batch.timeout or 10)
    last = stalled.steps[-1]
    desc = options.get("desc", _TIMEOUT)
    return Plan((*stalled.steps, Step(last.at + wait, "FAILED", last.progress, desc)), ())


def _falls_back(batch: Batch, options: Mapping[str, Any]) -> Plan:
    plan = _succeeds(batch, options)
    back = plan.reports[0].at + options.get("fell_back_after", 5)
    return Plan(plan.steps, (*plan.reports, Report(back, batch.src_version)))


def _already_on_target(batch: Batch, options: Mapping[str, Any]) -> Plan:
    return Plan((), ())


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
    desc = options.get("desc", _WRONG_VERSION if status == "FAILED" else "")
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
    "needs_confirmation": _succeeds,
    "busy": _busy,
    "canceled": _canceled,
    "reports_wrong_version": _reports_wrong_version,
}


def _waits(course: Course, batch: Batch) -> bool:
    """Whether the task begins as CONFIRM."""
    alone = course.name in ("busy", "already_on_target")
    return course.name == "needs_confirmation" or (batch.need_confirm and not alone)


def _confirmed(course: Course, batch: Batch) -> float:
    """When a task that waits for it is confirmed."""
    wait = course.options.get("confirmed_after", batch.confirmed_after)
    return FOREVER if wait is None else batch.released + float(wait)


def plan_task(course: Course, batch: Batch) -> Plan:
    """The timeline of one device in one batch."""
    planner = _PLANNERS[course.name]
    batch = _spread(course, batch)
    if not _waits(course, batch):
        return planner(batch, course.options)
    waiting = Step(batch.created, "CONFIRM", 0.0, "")
    confirmed = _confirmed(course, batch)
    if confirmed == FOREVER:
        return _plan([waiting])
    plan = planner(batch._replace(created=confirmed, released=confirmed), course.options)
    return Plan((waiting, *plan.steps), plan.reports)


def online_from(course: Course, batch: Batch) -> float:
    """From when on a device is online: always, or some time after its task may be pushed."""
    if course.name != "offline":
        return -FOREVER
    batch = _spread(course, batch)
    released = _confirmed(course, batch) if _waits(course, batch) else batch.released
    return released + float(course.options.get("online_after", FOREVER))
