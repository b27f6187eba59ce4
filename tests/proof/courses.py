# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What single devices do with an update: their tasks, and the versions they report."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Callable

from .worlds import EVER, LONG_AGO, UNFINISHED, Batch, Device, Line, Step, Task

#: What a failed task may say, and the class that this is by the documented texts and step codes. The last of each is
#: what it says in place of the progress.
FAILURES: Sequence[tuple[str | None, str, str]] = (
    ("-1", "0", "upgrade"),
    ("-2: no connection", "30.00", "download"),
    ("-3", "100.00", "verify"),
    ("-4: bad block", "100.00", "flash"),
    ("report version is not conform", "0.00", "wrong_version"),
    (None, "-2", "download"),
    ("", "-3", "verify"),
    ("sha256 mismatch", "100", "other"),
    ("cannot download", "0", "other"),
    ("the version is too old", "0", "other"),
    ("overwritten by another job", "0", "other"),
    (None, "50.00", "other"),
)
TIMEOUT = Step("FAILED", "40", "timeout", "timeout")
SUCCEEDED = Step("SUCCEEDED", "100.00", "")


class Life:
    """How long things take on a device that gets a task, and what becomes of its versions."""

    def __init__(self, rng: random.Random, device: Device, batch: Batch, created: float, pace: float) -> None:
        self.rng = rng
        self.device = device
        self.batch = batch
        self.created = created
        self.pace = pace
        self.changes: list[tuple[float, str | None]] = []
        self.tasks: list[Task] = []
        known = device.versions.get(batch.package.module)
        self.source = (known and known.at(created)) or batch.package.source
        self.target = batch.package.reported

    def some(self, least: float = 0.0, most: float = 2.0) -> float:
        """A time in the order of the pace."""
        return self.rng.uniform(least, most) * self.pace

    def begun(self, created: float | None = None) -> tuple[list[tuple[float, Step]], float]:
        """The steps of a task until it is about to end, and when that is."""
        start = self.created if created is None else created
        lasts = self.some(0.2, 1.0)
        steps = [(start, Step("QUEUED")), (start + lasts * 0.1, Step("NOTIFIED"))]
        return [*steps, (start + lasts * 0.2, Step("IN_PROGRESS", "10"))], start + lasts

    def add(self, steps: Sequence[tuple[float, Step]], created: float | None = None) -> Task:
        """A task with these steps."""
        start = self.created if created is None else created
        number = len(self.batch.tasks) + len(self.tasks)
        task = Task(f"{self.batch.job_id}-{number:03}", self.device, start, Line(steps), self.source)
        self.tasks.append(task)
        return task

    def failure(self) -> Step:
        """How a task fails, timeouts apart."""
        desc, progress, cause = self.rng.choice(FAILURES)
        return Step("FAILED", progress, desc, cause)


def succeeds(life: Life) -> None:
    steps, end = life.begun()
    life.changes.append((end - life.rng.choice((0.0, life.some(0, 0.1))), life.target))
    life.add([*steps, (end, SUCCEEDED)])


def succeeds_offline(life: Life) -> None:
    """It is reached late."""
    steps, end = life.begun(life.created + life.some())
    life.changes.append((end, life.target))
    life.add([(life.created, Step("QUEUED")), *steps[1:], (end, SUCCEEDED)])


def succeeds_confirmed(life: Life) -> None:
    steps, end = life.begun(life.created + life.some())
    life.changes.append((end, life.target))
    life.add([(life.created, Step("CONFIRM")), *steps, (end, SUCCEEDED)])


def succeeds_at_once(life: Life) -> None:
    """It succeeded long before anybody looks."""
    life.changes.append((life.created, life.target))
    life.add([(life.created, SUCCEEDED)])


def reports_late(life: Life) -> None:
    """It reports the new version only after its task succeeded, or never."""
    steps, end = life.begun()
    life.changes.append((end + life.rng.choice((5.0, 15.0, 50.0, 130.0, EVER)), life.target))
    life.add([*steps, (end, SUCCEEDED)])


def falls_back(life: Life) -> None:
    steps, end = life.begun()
    back = end + life.rng.choice((0.0, life.some(), life.some(2, 6)))
    life.changes += [(end - 1.0, life.target), (back, life.source)]
    if life.rng.random() < 0.2:
        life.changes.append((back + life.some(0, 4), life.target))
    life.add([*steps, (end, SUCCEEDED)])


def retried(life: Life) -> None:
    """It fails, visibly, and is tried again within the interval for that; mostly it succeeds then."""
    retries, interval = life.batch.retries, life.batch.retry_seconds
    steps, end = life.begun()
    for _number in range(life.rng.randint(1, max(1, retries))):
        again = end + life.rng.uniform(0.2, 1.0) * (interval or life.pace)
        more, after = life.begun(again)
        steps = [*steps, (end, life.failure()), *more]
        end = after
    if life.rng.random() < 0.7:
        life.changes.append((end, life.target))
        life.add([*steps, (end, SUCCEEDED)])
    else:
        life.add([*steps, (end, life.failure())])


def fails(life: Life) -> None:
    steps, end = life.begun()
    life.add([*steps, (end, life.failure())])


def times_out(life: Life) -> None:
    """No time-out is retried."""
    steps, end = life.begun()
    life.add([*steps, (end, TIMEOUT)])


def fails_at_once(life: Life) -> None:
    """As one does that another batch keeps busy."""
    life.add([(life.created, life.failure())])


def never_reached(life: Life) -> None:
    life.add([(life.created, Step("QUEUED"))])


def never_confirmed(life: Life) -> None:
    life.add([(life.created, Step("CONFIRM"))])


def silent(life: Life) -> None:
    steps, _end = life.begun()
    life.add(steps[:2])


def stalls(life: Life) -> None:
    steps, _end = life.begun()
    life.add(steps)


def canceled(life: Life) -> None:
    steps, end = life.begun()
    life.add([*steps[: life.rng.randint(1, 3)], (end, Step("CANCELED", "0", life.rng.choice(("", None, "canceled"))))])


def wrong_version(life: Life) -> None:
    """It succeeded, and reports a version that is neither the old nor the new one, or none, or what looks like it."""
    steps, end = life.begun()
    others = (f"{life.target}.1", f"{life.target[:-1]}", "0.9", f" {life.target}x", f"x{life.target}", None)
    life.changes.append((end, life.rng.choice(others)))
    life.add([*steps, (end, SUCCEEDED)])


def new_but_failed(life: Life) -> None:
    """Its task failed, and it is on the new version all the same."""
    steps, end = life.begun()
    life.changes.append((end + life.some(), life.target))
    life.add([*steps, (end, TIMEOUT)])


def matched_twice(life: Life) -> None:
    """Several tasks in one batch, as a dynamic one makes them; the last one decides."""
    created, ends = life.created, []
    for _number in range(life.rng.choice((1, 1, 1, 2, 4))):
        steps, end = life.begun(created)
        first = life.rng.choice((life.failure(), TIMEOUT, SUCCEEDED, Step("CANCELED", "0", "")))
        life.add([*steps, (end, first)], created)
        ends.append(end)
        created = end + life.some(0.1, 1)
    steps, end = life.begun(created)
    last = life.rng.choice((SUCCEEDED, SUCCEEDED, SUCCEEDED, life.failure(), steps[-1][1]))
    life.add([*steps, (end, last)], created)
    if last is SUCCEEDED or life.tasks[0].course.values[-1] is SUCCEEDED:
        life.changes.append((ends[0] if life.rng.random() < 0.3 else end, life.target))


def upgraded_again(life: Life) -> None:
    """The same task, started again by somebody after it had failed or was canceled."""
    steps, end = life.begun()
    first = life.rng.choice((life.failure(), TIMEOUT, Step("CANCELED", "0", "")))
    more, after = life.begun(end + life.some())
    life.changes.append((after, life.target))
    life.add([*steps, (end, first), *more, (after, SUCCEEDED)])


def deleted(life: Life) -> None:
    """The device is deleted; its tasks go, at once or later, or stay."""
    life.rng.choice((succeeds, stalls, never_reached, fails))(life)
    moment = life.created + life.some(0, 3)
    _change_identity(life, (moment, None))
    _forget(life, moment)


def replaced(life: Life) -> None:
    """Another device has its name now, on a version of its own."""
    life.rng.choice((succeeds, succeeds, stalls, never_reached, fails))(life)
    moment = life.created + life.some(0, 3)
    last = life.device.iot.values[-1] or life.device.iot.values[0]
    _change_identity(life, (moment, None), (moment + life.some(0, 0.5), f"{last}-new"))
    life.changes.append((moment, life.rng.choice((life.source, life.source, life.target))))
    _forget(life, moment)


def replaced_and_updated(life: Life) -> None:
    """Another device has its name now, and gets a task of its own in the same batch."""
    steps, end = life.begun()
    last = life.rng.choice((SUCCEEDED, life.failure(), Step("CANCELED", "0", "")))
    life.add([*steps, (end, last)])
    moment = end + life.some(0, 1)
    last = life.device.iot.values[-1] or life.device.iot.values[0]
    _change_identity(life, (moment, f"{last}-new"))
    more, after = life.begun(moment + life.some(0.1, 0.5))
    life.add([*more, (after, SUCCEEDED)], more[0][0])
    life.changes += [(end, life.target), (moment, life.source), (after, life.target)]


def vanishes(life: Life) -> None:
    """Its tasks vanish; nobody says why."""
    life.rng.choice((succeeds, stalls, fails))(life)
    _forget(life, life.created + life.some(0, 3), 0.0)


def _change_identity(life: Life, *changes: tuple[float, str | None]) -> None:
    """Another device has the name from a moment on, or none; what happens to the name in other batches stays."""
    line = life.device.iot
    life.device.iot = Line([*zip(line.moments, line.values), *changes])


def _forget(life: Life, moment: float, stay: float = 0.4) -> None:
    if life.rng.random() < stay:
        return
    gone = moment + life.rng.choice((0.0, 0.0, life.some()))
    for task in life.tasks:
        task.gone = max(gone, task.created)


def no_task(life: Life) -> None:
    """It gets none, and stays on the version it has."""


def already_there(life: Life) -> None:
    """It gets no task, because it has been on the new version for ever."""
    life.changes.append((LONG_AGO + 1.0, life.target))


Course = Callable[[Life], None]


SETTLED: Sequence[Course] = (
    *([succeeds] * 5),
    succeeds_offline,
    succeeds_confirmed,
    succeeds_at_once,
    already_there,
)
ODD: Sequence[Course] = (
    *(reports_late, reports_late, falls_back, falls_back, falls_back, retried, retried, fails, fails, times_out),
    *(fails_at_once, never_reached, never_confirmed, silent, stalls, canceled, canceled, wrong_version, wrong_version),
    *(new_but_failed, matched_twice, matched_twice, upgraded_again, deleted, deleted, replaced, vanishes, no_task),
    replaced_and_updated,
)


def live(course: Course, life: Life) -> None:
    """Let a device do something, and add its tasks to the batch and its versions to the device."""
    course(life)
    life.batch.tasks += life.tasks
    module = life.batch.package.module
    before = life.device.versions.get(module)
    changes: list[tuple[float, str | None]] = (
        [(LONG_AGO, life.source)] if before is None else list(zip(before.moments, before.values))
    )
    life.device.versions[module] = Line([*changes, *(change for change in life.changes if change[0] < EVER)])


def push_again(rng: random.Random, batch: Batch, task: Task, pace: float) -> None:
    """Let a task that has succeeded begin once more, as where somebody pushes the update again; it succeeds again.

    Until then its device is on the new version, or back on the old one, and maybe for longer.
    """
    course, module = task.course, batch.package.module
    begins = course.moments[-1] + rng.uniform(0, 3) * pace
    ends = begins + rng.uniform(0.2, 1) * pace
    steps = [(begins, Step("QUEUED")), (begins + 0.5 * (ends - begins), Step("IN_PROGRESS", "10")), (ends, SUCCEEDED)]
    task.course = Line([*zip(course.moments, course.values), *steps])
    line = task.device.versions[module]
    changes = [change for change in zip(line.moments, line.values) if not begins <= change[0] <= ends]
    if rng.random() < 0.6:
        changes += [(begins, task.source)]
        changes += [(ends + rng.choice((0.0, 0.0, 10.0, 50.0)), batch.package.reported)] if rng.random() < 0.8 else []
    task.device.versions[module] = Line(changes)


def cancel_open(batch: Batch, moment: float, spared: float, rng: random.Random) -> None:
    """Cancel what is unfinished at a moment, but for a share of it that goes on."""
    for task in batch.tasks:
        if task.created >= moment:
            continue
        if task.course.at(moment).status in UNFINISHED and rng.random() >= spared:
            kept = [(at, step) for at, step in zip(task.course.moments, task.course.values) if at < moment]
            task.course = Line([*kept, (moment, Step("CANCELED", "0", ""))])
    batch.tasks = [task for task in batch.tasks if task.created < moment]
