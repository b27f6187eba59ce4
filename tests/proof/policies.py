# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is demanded of a rollout: the options of the gate."""

from __future__ import annotations

import random
from typing import Any

from .plots import Plot
from .worlds import World

NOBODY = "nobody knows me"


def with_tasks(world: World) -> list[tuple[str, str]]:
    """All devices, by product and name, that ever have a task."""
    return sorted({task.device.key for batch in world.batches for task in batch.tasks})


def _always(rng: random.Random, interval: float) -> dict[str, Any]:
    """The options that are always given."""
    return {
        "wait_timeout": round(interval * rng.uniform(2.0, 16.0), 1),
        "start_grace": rng.choice((0, 30, 30, 60, 120)),
        "confirmations": rng.choice((1, 2, 2, 2, 3)),
        "max_consecutive_errors": rng.choice((0, 1, 3, 5)),
        "verify_versions": rng.random() < 0.85,
        "version_grace": rng.choice((0, 10, 20, 60, 120)),
        "ignore_canceled": rng.random() < 0.12,
        "ignore_vanished": rng.random() < 0.2,
        "allow_empty": rng.random() < 0.1,
    }


def _sometimes(rng: random.Random) -> dict[str, tuple[float, Any]]:
    """How often each of the other options is given, and what it is then."""
    return {
        "soak": (0.2, rng.uniform(1, 100)),
        "max_failed": (0.22, rng.choice((0, 1, 1, 2, 5))),
        "max_failed_percent": (0.13, rng.choice((0, 5, 10, 33.3, 50, 100))),
        "max_pending": (0.2, rng.choice((0, 1, 1, 2, 5))),
        "max_pending_percent": (0.1, rng.choice((0, 10, 20, 33.3, 50, 100))),
        "min_succeeded_percent": (0.12, rng.choice((0, 1, 33.3, 50, 66.7, 90, 99.9, 100))),
        "min_executed": (0.15, rng.randint(1, 12)),
        "version_match": (0.12, rng.choice(("ignore_build", "prefix"))),
        "module_name": (0.2, None),
    }


def draw(rng: random.Random, plot: Plot, interval: float) -> dict[str, Any]:
    """The options for a world; a name that is not there has its default."""
    world = plot.world
    total = len(with_tasks(world))
    options, chances = _always(rng, interval), _sometimes(rng)
    if "versions in another form" in plot.kinds and rng.random() < 0.7:
        options["version_match"] = rng.choice(("ignore_build", "ignore_build", "prefix"))
    if "a chain" in plot.kinds or "dynamic" in plot.kinds:
        options["wait_timeout"] = round(interval * rng.uniform(6.0, 16.0), 1)
    options.update({name: value for name, (chance, value) in chances.items() if rng.random() < chance})
    if "module_name" in options:
        options["module_name"] = _module(rng, world)
    chance = rng.random()
    if chance < 0.33 or (chance < 0.85 and "dynamic" in plot.kinds):
        options["expected_devices"] = _expected(rng, plot)
    elif (chance < 0.5 or (options["ignore_canceled"] and chance < 0.8)) and total:
        options["min_devices"] = max(1, total + rng.choice((-2, -1, 0, 0, 0, 1)))
    if rng.random() < 0.25:
        options.update(_expectations(rng, world))
    return {name: value for name, value in options.items() if value not in ([], None)}


def _module(rng: random.Random, world: World) -> str:
    """The module that somebody expects: mostly that of the first batch."""
    return rng.choices((world.batches[0].package.module, rng.choice(("default", "ble", "gone"))), (75, 25))[0]


def _expected(rng: random.Random, plot: Plot) -> list[Any]:
    """The devices, by name or also by product; now and then without some, or with one that nobody knows."""
    devices = [device.key for device in plot.world.devices]
    rng.shuffle(devices)
    if rng.random() < 0.12:
        devices = devices[: rng.randint(1, len(devices))]
    mapped = rng.random() < (0.75 if plot.name == "two products" else 0.3)
    found: list[Any] = [{"product_key": product, "device_name": name} for product, name in devices] if mapped else []
    found = found or [name for _product, name in devices]
    if mapped and rng.random() < 0.1:  # some of them in the short form
        found[0] = devices[0][1]
    if rng.random() < 0.06:
        found.append({"product_key": devices[0][0], "device_name": NOBODY} if mapped else NOBODY)
    if rng.random() < 0.04:
        found.append({"product_key": "k9", "device_name": devices[0][1]})
    return found


def _expectations(rng: random.Random, world: World) -> dict[str, str]:
    """What the batches are expected to be, mostly what the first of them is."""
    batch = world.batches[0]
    right = {
        "expected_version": batch.package.dest,
        "expected_firmware_id": f" {batch.package.firmware_id}",
        "expected_job_type": batch.job_type if rng.random() < 0.5 else batch.job_type.lower(),
        "expected_product_key": batch.package.product,
    }
    wrong = {
        "expected_product_key": "K1",
        "expected_firmware_id": "f2",
        "expected_version": f"{batch.package.dest}.0",
        "expected_job_type": "VERIFY_FIRMWARE",
    }
    names = rng.sample(list(right), rng.randint(1, 3))
    chosen = {name: right[name] for name in names}
    if rng.random() < 0.25:
        chosen[names[0]] = wrong[names[0]]
    return chosen
