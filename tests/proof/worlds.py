# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true in a rollout: devices, packages, batches and tasks, and when they change.

All times are seconds of one clock, the service's, which begins when the first batch is created.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

V = TypeVar("V")
#: The product and the name of a device.
Key = tuple[str, str]

EVER = float("inf")
#: Long before anything happens.
LONG_AGO = -1e8
UNFINISHED = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
FINISHED_BATCH = ("COMPLETED", "CANCELED")


class Line(Generic[V]):
    """A value that changes at certain moments; before the first of them it is that of the first."""

    __slots__ = ("moments", "values")

    def __init__(self, changes: Iterable[tuple[float, V]]) -> None:
        ordered = sorted(changes, key=lambda change: change[0])
        self.moments = [moment for moment, _value in ordered]
        self.values = [value for _moment, value in ordered]

    def at(self, t: float) -> V:
        """The value at a moment."""
        return self.values[max(0, bisect_right(self.moments, t) - 1)]

    def since(self, t: float) -> float:
        """Since when it has had the value of a moment."""
        return self.moments[max(0, bisect_right(self.moments, t) - 1)]


class Step(NamedTuple):
    """What a task is like for a while; ``cause`` is the class of its failure by the documented texts and codes."""

    status: str
    progress: str = "0"
    desc: str | None = None
    cause: str | None = None


class Package(NamedTuple):
    """A package: what it is for, and whether the service tells its module, is silent, denies it or forgot it.

    ``reported`` is what devices report that run it: its version, or another form of that.
    """

    firmware_id: str
    product: str
    module: str
    source: str
    dest: str
    reported: str
    answer: str = "tells"


class Device:
    """A device of a product: which device has its name when, and the version of each module.

    ``unreadable`` is how the service fails to tell its versions, if it does.
    """

    __slots__ = ("iot", "name", "product", "unreadable", "versions")

    def __init__(self, product: str, name: str) -> None:
        self.product = product
        self.name = name
        self.iot: Line[str | None] = Line([(LONG_AGO, f"iot-{product}-{name}")])
        self.versions: dict[str, Line[str | None]] = {}
        self.unreadable = ""

    @property
    def key(self) -> Key:
        """What identifies it today."""
        return self.product, self.name

    def __repr__(self) -> str:
        reports = {module: list(zip(line.moments, line.values)) for module, line in self.versions.items()}
        return f"Device({self.product}/{self.name}, {reports}, {list(zip(self.iot.moments, self.iot.values))})"


class Task:
    """A task of a device, from when it is ``created`` until it is ``gone``."""

    __slots__ = ("course", "created", "device", "gone", "iot_id", "source", "task_id", "told_create", "told_modified")

    def __init__(self, task_id: str, device: Device, created: float, course: Line[Step], source: str) -> None:
        self.task_id = task_id
        self.device = device
        self.created = created
        self.course = course
        self.source = source
        self.iot_id: str = device.iot.at(created) or device.iot.values[0] or ""
        self.gone = EVER
        self.told_create = True
        self.told_modified = True

    def __repr__(self) -> str:
        steps = [(round(moment, 1), step.status) for moment, step in zip(self.course.moments, self.course.values)]
        gone = "" if self.gone == EVER else f", gone {self.gone:.1f}"
        return f"Task({self.task_id}, {self.device.name}, {steps}{gone})"


class Batch:
    """A batch of tasks. What is ``told`` of it are the facts that the service adds to those that all batches have."""

    __slots__ = (
        *("created", "dynamic", "ended", "job_id", "job_type", "package", "schedule", "started", "status", "stays"),
        *("tasks", "times", "told"),
    )

    def __init__(self, job_id: str, package: Package) -> None:
        self.job_id = job_id
        self.package = package
        self.job_type = "UPGRADE_FIRMWARE"
        self.dynamic = False
        self.created = 0.0
        self.schedule: float | None = None
        self.started: float = 0.0
        self.ended = EVER
        self.stays = ""  # a state that it keeps for ever, whatever its tasks do
        self.status: Line[str] = Line([(0.0, "IN_PROGRESS")])
        self.tasks: list[Task] = []
        self.told: dict[str, object] = {}
        self.times = "both"

    def __repr__(self) -> str:
        states = [(round(moment, 1), status) for moment, status in zip(self.status.moments, self.status.values)]
        return f"Batch({self.job_id}, {self.package}, {states}, {self.told}, {self.tasks})"

    @property
    def retries(self) -> int:
        """How often the service tries again."""
        return int(str(self.told.get("retry_count") or 0))

    @property
    def retry_seconds(self) -> float:
        """How long it waits before."""
        return 60.0 * int(str(self.told.get("retry_interval") or 0))


class Lags(NamedTuple):
    """How many seconds each kind of answer is behind what is true."""

    job: float = 0.0
    rows: float = 0.0
    counts: float = 0.0
    versions: float = 0.0


class World(NamedTuple):
    """All that is true. ``tells`` are facts that the service tells beside the usual: ``iot``, ``sources``, ``end``
    and ``module`` of open tasks.
    """

    known: Mapping[Key, Device]
    batches: Sequence[Batch]
    lags: Lags
    tells: frozenset[str]

    @property
    def devices(self) -> list[Device]:
        """All devices that ever have a name."""
        return list(self.known.values())

    def device(self, key: Key) -> Device | None:
        """The device of a product and a name."""
        return self.known.get(key)

    def batch(self, job_id: str) -> Batch | None:
        """The batch of an ID."""
        return next((batch for batch in self.batches if batch.job_id == job_id), None)

    def shown(self, batch: Batch, t: float, counted: bool = False) -> list[Task]:
        """The tasks of a batch that the service shows at a moment."""
        seen = t - (self.lags.counts if counted else self.lags.rows)
        return [task for task in batch.tasks if task.created <= seen < task.gone]

    def changes(self) -> list[float]:
        """All moments at which an answer of the service changes."""
        moments: set[float] = set()
        lags = self.lags
        for batch in self.batches:
            moments.update(moment + lags.job for moment in batch.status.moments)
            for task in batch.tasks:
                steps = (task.created, task.gone, *task.course.moments)
                moments.update(moment + lags.rows for moment in steps if moment < EVER)
        for device in self.devices:
            for line in (device.iot, *device.versions.values()):
                moments.update(moment + lags.versions for moment in line.moments)
        return sorted(moments)


def settle(batch: Batch, canceled_at: float = EVER) -> None:
    """Give a batch its states, from what its tasks do."""
    begin = batch.started
    states = [(batch.created, "PLANNED")] if begin > batch.created else []
    states.append((begin, "IN_PROGRESS"))
    if batch.stays == "PLANNED":
        states = [(batch.created, "PLANNED")]
    elif canceled_at < EVER:
        batch.ended = canceled_at
        states = [*(state for state in states if state[0] < canceled_at), (canceled_at, "CANCELED")]
    elif not batch.dynamic and not batch.stays:
        batch.ended = max([begin, *(_over(task) for task in batch.tasks)])
        if batch.ended < EVER:
            states.append((batch.ended, "COMPLETED"))
    batch.status = Line(states)


def _over(task: Task) -> float:
    """When a task stops to keep its batch open."""
    last = EVER if task.course.values[-1].status in UNFINISHED else max(task.created, task.course.moments[-1])
    return min(last, task.gone)
