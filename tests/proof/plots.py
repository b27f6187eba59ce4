# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which batches there are, of which packages, and which devices they meet."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from .courses import ODD, SETTLED, Course, Life, cancel_open, live, no_task, push_again
from .worlds import EVER, LONG_AGO, Batch, Device, Lags, Line, Package, Step, Task, World, settle

ODD_NAMES = ("客厅", "*", "lamp 1", "a&b=c", "D-1", "d-1", "%2F", "é", "'q'", "<x>", "0", "null")
MODULES = ("default", "mcu", "ble", "模块")
PLOTS = {
    "one batch": 540,
    "devices of their own": 90,
    "the same devices": 70,
    "other modules": 90,
    "a chain": 80,
    "a conflict": 60,
    "two products": 80,
}
#: Version texts of three stages, and one step of builds that only look alike.
VERSIONS = ("1.0", "2.0", "3.0")
BUILDS = ("2.0.0+4", "2.0.0+5", "2.0.0+6")


class Plot(NamedTuple):
    """A world with what its makers know of it."""

    name: str
    world: World
    kinds: set[str]
    pace: float


class Draft:
    """A world in the making."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self.rng = rng
        self.name = name
        self.kinds = {name}
        self.devices: dict[tuple[str, str], Device] = {}
        self.batches: list[Batch] = []
        self.pace = rng.choice((5.0, 30.0, 30.0, 120.0))
        self.mood = rng.choices(("healthy", "few", "random"), (45, 42, 13))[0]
        self.versions = BUILDS if rng.random() < 0.04 else VERSIONS

    def device(self, product: str, name: str) -> Device:
        """The device of a name, the same one each time."""
        return self.devices.setdefault((product, name), Device(product, name))

    def chance(self, share: float) -> bool:
        """Whether something of a certain share is so."""
        return self.rng.random() < share


def draw(rng: random.Random, name: str | None = None) -> Plot:
    """A world, of a certain plot or of any."""
    draft = Draft(rng, name or rng.choices(list(PLOTS), list(PLOTS.values()))[0])
    packages = _packages(draft)
    names = _names(draft)
    free: dict[tuple[str, str], float] = {}  # when each device is done with what it got so far
    for number, package in enumerate(packages):
        batch = _batch(draft, number, package)
        share = names if draft.name != "devices of their own" else [f"{each} of {number}" for each in names]
        if draft.name not in ("one batch", "devices of their own") and draft.chance(0.4):
            share = rng.sample(names, rng.randint(1, len(names)))
        _fill(draft, batch, share, free)
        _finish(draft, batch)
    for device in draft.devices.values():
        _add_decoys(draft, device, packages)
    return Plot(draft.name, _world(draft), draft.kinds, draft.pace)


def crowd(rng: random.Random) -> Plot:
    """One batch of hundreds of devices, or of more than can be listed in a poll."""
    draft = Draft(rng, "a crowd")
    number = rng.choice((rng.randint(101, 130), rng.randint(101, 130), rng.randint(705, 730)))
    draft.kinds = {"a crowd", "counted" if number > 700 else "pages"}
    (package,) = _packages(draft)
    batch = _batch(draft, 0, package)
    moment = batch.started + rng.uniform(0, draft.pace)
    done = Line([(batch.started, Step("QUEUED")), (moment, Step("SUCCEEDED", "100.00", ""))])
    source, target = (
        Line[Any]([(LONG_AGO, package.source)]),
        Line[Any]([(LONG_AGO, package.source), (moment, package.reported)]),
    )
    odd = {"healthy": 0, "few": rng.randint(1, 3), "random": rng.randint(1, 9)}[draft.mood]
    for place in range(number):
        device = draft.device(package.product, f"p-{place:03}")
        if place < odd:
            live(rng.choice(ODD), Life(rng, device, batch, batch.started, draft.pace))
        else:
            device.versions[package.module] = target
            batch.tasks.append(Task(f"{batch.job_id}-p{place:03}", device, batch.started, done, package.source))
    for device in draft.devices.values():
        device.versions.setdefault(package.module, source)
    settle(batch)
    draft.batches.append(batch)
    return Plot("a crowd", _world(draft), draft.kinds, draft.pace)


def _world(draft: Draft) -> World:
    rng, tells = draft.rng, {"iot", "sources", "end", "module"}
    for name, share in (("iot", 0.25), ("sources", 0.12), ("end", 0.12), ("module", 0.3)):
        if rng.random() < share:
            tells.discard(name)
    lags = Lags()
    if draft.chance(0.15):
        draft.kinds.add("lags")
        lags = Lags(*(rng.choice((0.0, 2.0, rng.uniform(0, 25))) for _kind in range(4)))
        if draft.chance(0.5):  # numbers behind lists, versions behind both
            rows, counts, versions = sorted(lags[1:])
            lags = Lags(lags.job, rows, counts, versions)
    return World(draft.devices, draft.batches, lags, frozenset(tells))


def unsettle(rng: random.Random, plot: Plot) -> None:
    """Let one of the tasks that have succeeded begin once more, where no other batch waits for its device."""
    batches = plot.world.batches
    ended = [batch for batch in batches if batch.status.values[-1] == "COMPLETED" and not batch.stays]
    last = [batch for batch in ended if plot.name != "a chain" or batch is batches[-1]]
    tasks = [(batch, task) for batch in last for task in batch.tasks if task.course.values[-1].status == "SUCCEEDED"]
    if tasks:
        batch, task = rng.choice(tasks)
        push_again(rng, batch, task, plot.pace)
        settle(batch)
        plot.kinds.add("pushed again")


# --- Packages --------------------------------------------------------------------------------------------------------


def _packages(draft: Draft) -> list[Package]:
    rng, plot = draft.rng, draft.name
    module = rng.choice(("default", "default", *MODULES))
    one, two, three = draft.versions
    first = Package("f0", "k1", module, one, two, two)
    if plot in ("one batch", "a crowd"):
        found = [first]
    elif plot in ("devices of their own", "the same devices"):
        alike = draft.chance(0.7) or plot == "the same devices"
        found = [first] * rng.choice((2, 2, 3)) if alike else [first, first._replace(firmware_id="f1", dest=three)]
    elif plot == "other modules":
        others = rng.sample([name for name in MODULES if name != module], rng.choice((1, 1, 2)))
        dest = rng.choice((two, three))
        more = [first._replace(firmware_id=f"f{number}", module=name) for number, name in enumerate(others, 1)]
        found = [first, *(package._replace(dest=dest) for package in more)]
    elif plot == "a chain":
        found = [first, first._replace(firmware_id="f1", source=two, dest=three)]
        if draft.chance(0.3):
            found.append(first._replace(firmware_id="f2", source=three, dest="4.0"))
    elif plot == "a conflict":
        back = draft.chance(0.4)  # and there again: each is the other's later stage
        found = [first, first._replace(firmware_id="f1", source=two if back else one, dest=one if back else three)]
    else:
        dest = rng.choice((two, two, three))
        found = [first, first._replace(firmware_id="f1", product="k2", dest=dest)]
    answers = {}
    for package in found:
        answers[package.firmware_id] = rng.choices(("tells", "silent", "denied", "unknown"), (85, 6, 5, 4))[0]
    for word in set(answers.values()) - {"tells"}:
        draft.kinds.add(f"package {word}")
    plain = plot in ("a chain", "a conflict") or draft.chance(0.9)
    form = "{}" if plain else rng.choice(("v{}", "{}+7", "{}+7", "{}-7", "{}.7"))
    if form != "{}":
        draft.kinds.add("versions in another form")
    return [
        package._replace(answer=answers[package.firmware_id], reported=form.format(package.dest)) for package in found
    ]


def _add_decoys(draft: Draft, device: Device, packages: Sequence[Package]) -> None:
    """Other modules of a device, often with the version that another module is to have."""
    own = [package for package in packages if package.product == device.product]
    for package in own:
        device.versions.setdefault(package.module, Line([(LONG_AGO, package.source)]))
    texts = [*{package.dest for package in own}, *draft.versions[:2]]
    for module in draft.rng.sample(MODULES, draft.rng.choice((0, 1, 1, 2, 4))):
        if module not in device.versions:
            draft.kinds.add("several modules")
            device.versions[module] = Line([(LONG_AGO, draft.rng.choice(texts))])


# --- Batches ---------------------------------------------------------------------------------------------------------


def _names(draft: Draft) -> list[str]:
    names = [f"d-{number}" for number in range(1, 9)]
    pool = [*ODD_NAMES[:4], *names] if draft.chance(0.3) else names
    return draft.rng.sample(pool, draft.rng.randint(1, 7))


def _batch(draft: Draft, number: int, package: Package) -> Batch:
    rng = draft.rng
    batch = Batch(f"18300{number}", package)
    if draft.chance(0.1):
        batch.job_type = "VERIFY_FIRMWARE"
    if draft.chance(0.2) and draft.name != "a crowd":
        batch.created = -rng.choice((30.0, 300.0, 3600.0))
    batch.started = batch.created
    if draft.name == "a crowd":
        pass
    elif draft.chance(0.07):
        batch.dynamic = True
        draft.kinds.add("dynamic")
    elif draft.chance(0.12):
        _plan(draft, batch)
    batch.told = _told(draft)
    batch.times = rng.choices(("both", "none", "some", "modified"), (80, 6, 8, 6))[0]
    return batch


def _plan(draft: Draft, batch: Batch) -> None:
    """Let a batch begin later, or never; its schedule may be told or not, and may be over."""
    rng = draft.rng
    draft.kinds.add("planned")
    batch.started = max(0.0, batch.created) + rng.choice((rng.uniform(0, 200), rng.uniform(0, 60)))
    batch.schedule = batch.started if draft.chance(0.8) else None
    if draft.chance(0.25):
        batch.stays = "PLANNED"
        if draft.chance(0.4):
            batch.schedule = batch.started - rng.choice((30.0, 3600.0))


def _told(draft: Draft) -> dict[str, object]:
    rng = draft.rng
    chances: dict[str, tuple[float, object]] = {
        "maximum_per_minute": (0.1, rng.randint(1, 20)),
        "retry_count": (0.3, rng.choice((0, 1, 2))),
        "retry_interval": (0.3, rng.choice((0, 1, 1, 2))),
        "timeout_in_minutes": (0.1, rng.randint(1, 3)),
        "need_push": (0.25, rng.random() < 0.5),
        "need_confirm": (0.1, rng.random() < 0.5),
        "src_versions": (0.3, True),
        "finish": (0.05, rng.uniform(0, 300)),
    }
    told = {name: value for name, (chance, value) in chances.items() if rng.random() < chance}
    if "retry_count" in told and "retry_interval" not in told:
        told["retry_interval"] = 1
    return told


def _fill(draft: Draft, batch: Batch, names: Sequence[str], free: dict[tuple[str, str], float]) -> None:
    """The tasks of a batch."""
    rng = draft.rng
    if draft.chance(0.03):
        draft.kinds.add("empty batch")
        batch.stays = batch.stays or rng.choice(("", "IN_PROGRESS"))
        for name in names:
            live(no_task, Life(rng, draft.device(batch.package.product, name), batch, 0.0, draft.pace))
        return
    late = rng.choice((0.0, 0.0, 0.0, 0.0, rng.uniform(0, 30), rng.uniform(0, 110)))
    spread = rng.choice((0.0, 0.0, 0.0, 20.0, 90.0))
    odd = {"healthy": 0, "few": rng.randint(1, 2), "random": len(names)}[draft.mood]
    strange = set(rng.sample(list(names), min(odd, len(names))))
    queued = batch.started > batch.created and draft.chance(0.4)  # with tasks before the schedule
    for name in names:
        key = batch.package.product, name
        course: Course = rng.choice(ODD if name in strange else SETTLED)
        course = no_task if batch.stays == "PLANNED" else course
        created = batch.started + late + rng.uniform(0, spread)
        if draft.name == "a chain" and key in free:
            created = max(created, free[key] + rng.uniform(0, draft.pace))
        life = Life(rng, draft.device(*key), batch, created, draft.pace)
        live(course, life)
        draft.kinds.add(course.__name__)
        free[key] = max([created, *(task.course.moments[-1] for task in life.tasks)])
        for task in life.tasks[:1]:
            if queued:
                task.created = batch.created
                task.course = Line([(batch.created, Step("QUEUED")), *zip(task.course.moments, task.course.values)])
    for task in batch.tasks:
        task.told_create = batch.times == "both" or (batch.times == "some" and rng.random() < 0.5)
        task.told_modified = batch.times != "none"


def _finish(draft: Draft, batch: Batch) -> None:
    canceled_at = EVER
    if draft.chance(0.08) and batch.stays != "PLANNED":
        canceled_at = batch.started + draft.rng.uniform(0, 200)
        cancel_open(batch, canceled_at, draft.rng.choice((0.0, 0.0, 0.5)), draft.rng)
        draft.kinds.add("batch canceled")
    settle(batch, canceled_at)
    draft.batches.append(batch)
