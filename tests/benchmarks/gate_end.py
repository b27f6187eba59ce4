# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a rollout: how soon after the last success the gate lets it pass.

All times and rates are those of a rollout that goes :data:`SPEED` times as fast as ten minutes at the service's quota:
of the devices, of the quota and of the gate.
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
import urllib.request
from collections.abc import Iterator

from tests.e2e.conftest import SIMULATOR, Simulator

from .common import JOB_ID, Figure, alternate, listed, median, scenario, service
from .gates import SKIPPED, done, run_gate, version_0_2_0

sys.path.insert(0, str(SIMULATOR.parent))
from ota_sim.scenario import parse
from ota_sim.world import World

SPEED, DEVICES, MINUTES = 10, 5_000, 10
QUOTA = 10 * SPEED
PACE = {"max_qps": QUOTA, "wait_interval": 5 / SPEED, "start_grace": 120 / SPEED, "versions": {"grace": 120 / SPEED}}
COURSE = {
    "prefix": "lamp-",
    "count": DEVICES,
    "spread": MINUTES * 60 / SPEED,
    "notified_after": 1 / SPEED,
    "started_after": 2 / SPEED,
    "finished_after": 8 / SPEED,
}


def clock(running: Simulator) -> float:
    """The time on the rollout's clock."""
    with urllib.request.urlopen(f"{running.url}/_sim/clock") as answer:
        return float(json.load(answer)["now"])


def last_success() -> float:
    """When the last device succeeds, in seconds on the rollout's clock."""
    world = World(parse(scenario([COURSE])))
    early, late = 0.0, 3600.0
    while late - early > 0.001:
        middle = (early + late) / 2
        everything = world.task_count_at(JOB_ID, middle, ("SUCCEEDED",)) == DEVICES
        early, late = (early, middle) if everything else (middle, late)
    return late


def _wait(last: float) -> float:
    """Seconds from the last success to the verdict, as if nothing went faster."""
    with service([COURSE], "--qps", str(QUOTA)) as running:
        zero = time.time() - clock(running)
        return (run_gate(running.url, DEVICES, **PACE).ended - zero - last) * SPEED


def _wait_of_earlier(tree: pathlib.Path) -> float:
    """The same of a gate that reads nothing before, from its start after the last success."""
    with done(DEVICES, "--qps", str(QUOTA)) as running:
        began = time.time()
        return (run_gate(running.url, DEVICES, tree, **PACE).ended - began) * SPEED


def figures() -> Iterator[Figure]:
    """The gate against the one that read versions at the end only."""
    with version_0_2_0() as tree:
        if tree is None:
            print(SKIPPED)
            return
        last = last_success()
        ours, earlier = alternate(lambda: _wait(last), lambda: _wait_of_earlier(tree))
    yield Figure(
        f"from the last success to ``passed``, {DEVICES:,} devices that succeed over {MINUTES} minutes",
        "version 0.2.0",
        median(earlier) / median(ours),
        50,
        f"{listed(ours, 1)} s on the rollout's clock; version 0.2.0 {listed(earlier, 1)} s",
        at_least=True,
    )
