# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a seed to a rollout: a world, what is demanded of it, who looks at it when, and what goes wrong on the way.

The gate knows what the service tells, and no more. So that each wrong verdict is the gate's own mistake, a rollout
keeps to these rules; the oracle knows none of them:

1. A list is less than ``start_grace`` behind what is true, and so is each task behind the one before, unless its batch
   has none yet; or the policy names or counts the devices.
2. The same where rows hide from before the first look on, or from before they are first shown.
3. What is shown wrong is shown so in one look, never in two that follow each other, and ``confirmations`` is above 1.
4. Where rows hide, there is one batch, because a device may be seen in another, and the policy allows no empty batch
   and no canceled tasks, and no late devices beside expected ones.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from . import plots, policies
from .worlds import Task, World

#: What can go wrong between the world and the gate, and how often it does in 1,000 rollouts.
TROUBLES = {
    "errors": 100,
    "revoked": 15,
    "denied": 25,
    "flap": 70,
    "hidden": 40,
    "unfiltered": 20,
    "short": 35,
    "shift": 25,
    "repeated": 20,
    "shrinks": 25,
    "no_total": 12,
    "undocumented": 30,
    "no_job": 35,
    "no_list": 12,
    "untold": 15,
    "nameless": 12,
    "slow": 50,
    "hang": 15,
    "one unreadable": 60,
    "all unreadable": 20,
}
ACTIONS = (
    *("QueryOTAJob", "ListOTATaskByJob", "ListOTAModuleVersionsByDevice", "ListOTAUnfinishedTaskByDevice"),
    "QueryOTAFirmware",
)
#: How the service fails to tell a version.
UNREADABLE = ("refused", "refused", "busy", "nothing", "other", "blank")


class Machine(NamedTuple):
    """Where a run of the gate takes place: how far its clock is before the service's, and when that is set by how
    much; ``waits`` is whether this run looks until the end.
    """

    ahead: float
    leap_at: float
    leap: float
    waits: bool


class Rollout(NamedTuple):
    """A rollout, all of it made from ``seed``. ``machines`` are those of the runs, the last one for all that follow."""

    seed: int
    world: World
    kinds: set[str]
    options: dict[str, Any]
    job_ids: list[str]
    begins: float
    interval: float
    machines: list[Machine]
    trouble: dict[str, Any]
    wire: tuple[str, str] | None

    @property
    def waits(self) -> bool:
        """Whether there is one run, which waits."""
        return self.machines[0].waits

    @property
    def expected(self) -> list[tuple[str | None, str]] | None:
        """The devices by product, where it is named, and name."""
        if "expected_devices" not in self.options:
            return None
        entries = self.options["expected_devices"]
        return [
            (None, entry) if isinstance(entry, str) else (entry["product_key"], entry["device_name"])
            for entry in entries
        ]

    def hides(self, task_id: str) -> bool:
        """Whether a task is among those that hide while rows do."""
        detail = self.trouble["hidden"]
        return random.Random(f"{detail['seed']} {task_id}").random() < float(detail["share"])


def make(seed: int) -> Rollout:
    """The rollout of a seed."""
    rng = random.Random(seed)
    wire = rng.choice((("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json"))) if rng.random() < 0.03 else None
    plot = plots.crowd(rng) if rng.random() < 0.012 else plots.draw(rng)
    more = random.Random(f"{seed} more")  # of its own, so that it changes no other choice
    if more.random() < 0.06:
        plots.unsettle(more, plot)
    interval = rng.choice((5.0, 10.0, 15.0, 15.0, 30.0, 40.0))
    options = policies.draw(rng, plot, interval)
    begins = rng.choice((0.0, 0.0, 0.0, rng.uniform(0, 60), rng.uniform(60, 400)))
    job_ids = [batch.job_id for batch in plot.world.batches]
    rng.shuffle(job_ids)
    machines = _machines(rng, begins, options["wait_timeout"])
    trouble: dict[str, Any] = {name: {} for name, often in TROUBLES.items() if rng.random() * 1000 < often}
    if rng.random() < 0.3:
        trouble = {}
    if wire and rng.random() < 0.15:
        trouble["no_job"] = {}
    rollout = Rollout(seed, plot.world, plot.kinds, options, job_ids, begins, interval, machines, trouble, wire)
    for name in trouble:
        trouble[name] = _detail(name, rng, rollout)
    if "a crowd" in plot.kinds and more.random() < 0.3:  # so that the time does not suffice to read all versions
        trouble["slow"] = {"seconds": more.choice((0.05, 0.1, 0.3))}
    options["look_timeout"] = more.choice((120.0, 120.0, 10.0, 2.0))
    _set_unreadable(rng, rollout)
    return _be_fair(rng, rollout)


def _machines(rng: random.Random, begins: float, length: float) -> list[Machine]:
    """Clocks that are right, a little off or hours off; those of several machines differ."""

    def ahead() -> float:
        return rng.choice((0.0, 0.0, 0.0, rng.uniform(-50, 50), rng.choice((-10800.0, -100.0, -70.0, 90.0, 7200.0))))

    def machine(waits: bool) -> Machine:
        leaps = rng.random() < 0.04
        at = begins + rng.uniform(0, length) if leaps else float("inf")
        return Machine(ahead(), at, rng.choice((-7200.0, -60.0, -20.0, 20.0, 90.0, 7200.0)) if leaps else 0.0, waits)

    if rng.random() < 0.8:
        return [machine(True)]
    if rng.random() < 0.4:
        return [machine(False)]
    found = [machine(False) for _number in range(rng.randint(2, 5))]
    return [*found, machine(rng.random() < 0.3)]


# --- Trouble ---------------------------------------------------------------------------------------------------------


def _detail(name: str, rng: random.Random, rollout: Rollout) -> dict[str, Any]:
    """When trouble comes, and whom it meets; the looks at it draw from a seed of their own."""
    length = rollout.options["wait_timeout"]
    at = rollout.begins + rng.choice((-10.0, rng.uniform(0, length), rng.uniform(0, length)))
    until = at + rng.choice((rng.uniform(0, length / 2), rng.uniform(0, 3 * rollout.interval), 1e9))
    detail = {"at": at, "until": until, "share": rng.choice((0.1, 0.5, 1.0)), "seed": rng.getrandbits(32)}
    if name in ("shift", "repeated", "shrinks"):  # in one look alone, as lists that move show them
        detail["until"] = at + 1.2 * rollout.interval
    if name == "flap":
        rollout.options["confirmations"] = max(2, rollout.options["confirmations"])
        detail["often"] = rng.choice((0.1, 0.3, 1.0))
        detail["job"] = rng.random() < 0.4
    detail.update(_choices(name, rng))
    return detail


def _choices(name: str, rng: random.Random) -> dict[str, Any]:
    if name == "errors":
        kind = rng.choice(("busy", "busy", "firmware busy", "net", "swapped", "page", "tls"))
        return {"kind": kind, "action": rng.choice((*ACTIONS, "", ""))}
    if name == "denied":
        return {"action": rng.choice(ACTIONS)}
    if name == "undocumented":
        return {"word": rng.choice(("PAUSED", "SUCCESS", "SUCCESSFUL", "", None)), "job": rng.random() < 0.3}
    if name == "short":
        return {"by": rng.choice((-3, -1, 1, 2, 100_000))}
    if name == "slow":
        return {"seconds": rng.choice((0.05, 0.3, 1.0, 4.0))}
    if name == "untold":
        return {"fact": rng.choice(("product_key", "firmware_id", "dest_version", "job_type", "selection_type"))}
    return {"whole": rng.random() < 0.5, "how": rng.choice(UNREADABLE)}


def _set_unreadable(rng: random.Random, rollout: Rollout) -> None:
    """Which devices have versions that cannot be read, for good."""
    devices = list(rollout.world.devices)
    one, every = rollout.trouble.get("one unreadable"), rollout.trouble.get("all unreadable")
    for device in devices if every else [rng.choice(devices)] if one and devices else []:
        device.unreadable = (every or one or {})["how"]


def _be_fair(rng: random.Random, rollout: Rollout) -> Rollout:
    """Keep to the rules: whom the gate cannot know of, the policy names or counts."""
    options, trouble, world = rollout.options, rollout.trouble, rollout.world
    grace = options["start_grace"]
    if world.lags.rows >= max(1.0, grace):
        world = world._replace(lags=world.lags._replace(rows=min(world.lags.rows, grace * 0.9)))
        rollout = rollout._replace(world=world)
    if len(world.batches) > 1:
        trouble.pop("hidden", None)
    if "hidden" in trouble:
        options["allow_empty"] = options["ignore_canceled"] = options["ignore_vanished"] = False
        if "expected_devices" in options:
            options.pop("max_pending", None)
            options.pop("max_pending_percent", None)
    hides = "hidden" in trouble and trouble["hidden"]["at"] <= rollout.begins
    if "expected_devices" in options or not (hides or _has_gap(rollout)):
        return rollout
    devices = policies.with_tasks(world)
    if not devices:
        return rollout
    if rng.random() < 0.5:
        options.pop("min_devices", None)
        options["expected_devices"] = [{"product_key": product, "device_name": name} for product, name in devices]
        if "hidden" in trouble:
            options.pop("max_pending", None)
            options.pop("max_pending_percent", None)
    else:
        options["min_devices"] = max(len(devices), options.get("min_devices", 0))
    return rollout


def _has_gap(rollout: Rollout) -> bool:
    """Whether a task appears so long after the others that nobody waits for it."""
    grace = rollout.options["start_grace"]
    appear = sorted((_appears(rollout, task), batch.job_id) for batch in rollout.world.batches for task in batch.tasks)
    last, begun = rollout.begins, {job_id for moment, job_id in appear if moment <= rollout.begins}
    for moment, job_id in appear:
        if moment <= rollout.begins:
            continue
        if moment - last >= grace and job_id in begun:
            return True
        last = moment
        begun.add(job_id)
    return False


def _appears(rollout: Rollout, task: Task) -> float:
    """When a task is first shown: one that hides then is shown when it no longer does."""
    moment, hidden = task.created + rollout.world.lags.rows, rollout.trouble.get("hidden")
    hides = hidden is not None and hidden["at"] <= moment < hidden["until"] and rollout.hides(task.task_id)
    return float(hidden["until"]) if hidden and hides else moment
