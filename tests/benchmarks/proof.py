# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a rollout that is done: how many requests it takes, and how close it comes to what the quota allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .common import Figure, at_once, listed, median
from .gates import SKIPPED, done, run_gate, version_0_2_0

DEVICES, QUOTA = 10_000, 10
#: Each device takes a request of its own: this many times the quota, and as short pauses, keep that within minutes.
DEVICE_SPEED = 4
DETAILED_DEVICES = 100
TARGETS = {"device": (1.05, 0.55), "details": (1.5, 0.02)}


class Proved(NamedTuple):
    """What a gate took: its seconds, requests and throttled responses."""

    seconds: float
    requests: int
    throttled: int


def _prove(speed: float, source: str) -> Proved:
    options = {"max_qps": QUOTA * speed, "wait_interval": 15 / speed, "versions": {"source": source}}
    with done(DEVICES, "--qps", str(QUOTA * speed)) as running:
        judged, stats = run_gate(running.url, DEVICES, **options), running.stats()
    return Proved(judged.seconds, stats["total"], stats["throttled"])


def _requests_of_earlier() -> int | None:
    """How many requests version 0.2.0 sends; without a quota, because they are always the same."""
    with version_0_2_0() as tree:
        if tree is None:
            return None
        with done(DEVICES) as running:
            run_gate(running.url, DEVICES, tree, max_qps=0, wait_interval=0.5)
            return int(running.stats()["total"])


def figures() -> Iterator[Figure]:
    """The time at the quota, then the requests."""
    proved = {
        "device": at_once(lambda: _prove(DEVICE_SPEED, "device")),
        "details": at_once(lambda: _prove(1, "details")),
    }
    ideals = {"device": DEVICES / QUOTA / DEVICE_SPEED, "details": DEVICES / DETAILED_DEVICES / (QUOTA / 2)}
    words = {"device": "by device", "details": "from the devices' details"}
    for source, runs in proved.items():
        seconds = [run.seconds for run in runs]
        yield Figure(
            f"whole gate, {DEVICES:,} devices that are done, versions {words[source]}, at the quota",
            f"the ideal {ideals[source]:.0f} s",
            median(seconds) / ideals[source],
            TARGETS[source][0],
            f"{listed(seconds, 1)} s, the whole processes;"
            f" throttled responses: {', '.join(str(run.throttled) for run in runs)}",
        )
    earlier = _requests_of_earlier()
    if earlier is None:
        print(SKIPPED)
        return
    for source, runs in proved.items():
        requests = [run.requests for run in runs]
        yield Figure(
            f"requests for the whole proof of {DEVICES:,} devices, versions {words[source]}",
            "version 0.2.0",
            median(requests) / earlier,
            TARGETS[source][1],
            f"{listed(requests, 0)} requests; version 0.2.0 {earlier}",
        )
