# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Big fleets: what a whole gate costs a device, and what a poll costs while few of many devices move."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import create_client, read_service
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.gate import Gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE, read_gate_options

from tests.e2e.conftest import Simulator

from .common import REPETITIONS, Figure, alternate, median, service
from .gates import done, gate_options, run_gate

SIZES = (1_000, 10_000, 100_000)
LEAST = 100
FLEET, PARTS, POLLS, INTERVAL = 100_000, 100, 10, 15.0
POLL_REQUESTS, ROWS = 9, 100
VERSIONS = ("ListOTAModuleVersionsByDevice", "BatchQueryDeviceDetail")


def _cpu_per_device(source: str, repetitions: int) -> list[float]:
    """Milliseconds of a gate's CPU a device, less what a gate of few devices takes."""

    def run(size: int) -> float:
        with done(size) as running:
            return run_gate(running.url, size, max_qps=0, wait_interval=0.5, versions={"source": source}).cpu_seconds

    measures = [functools.partial(run, size) for size in (LEAST, *SIZES)]
    least, *columns = (median(column) for column in alternate(*measures, repetitions=repetitions))
    return [(cpu - least) / (size - LEAST) * 1000 for size, cpu in zip(SIZES, columns)]


class LeapingClock(Clock):
    """Leaps over each pause, and lets the service's rollout leap with it."""

    def __init__(self, running: Simulator) -> None:
        self._running, self._leapt = running, 0.0
        super().__init__(
            lambda: time.time() + self._leapt, lambda: time.monotonic() + self._leapt, self._leap, lambda: 0.5
        )

    def _leap(self, seconds: float) -> None:
        self._leapt += seconds
        self._running.control("clock", {"advance": seconds})


def _polls() -> list[tuple[int, int, int]]:
    """For each poll and the pause before it: how many devices moved, its requests without and for versions."""
    fleet = [{"prefix": "lamp-", "count": FLEET, "spread": PARTS * INTERVAL}]
    found: list[tuple[int, int, int]] = []
    with service(fleet) as running:
        options = validate_options(
            GATE,
            gate_options(running.url, max_qps=0, wait_interval=INTERVAL, versions={"source": "details"}),
            lambda _secrets: None,
        )
        connection = read_service(options)
        client = create_client(connection, options, lambda _secrets: None, print)
        silent: Any = lambda _line, _mood="": None  # noqa: E731
        gate = Gate(client, read_gate_options(options, connection), silent, silent, LeapingClock(running))
        succeeded = 0
        for number, poll in enumerate(gate.polls()):
            requests = running.stats()["requests"]
            versions = sum(requests.pop(action, 0) for action in VERSIONS)
            now = poll.snapshot.jobs[0].counts["SUCCEEDED"]
            if number:
                found.append((now - succeeded, sum(requests.values()), versions))
            succeeded = now
            running.control("stats", {"reset": True})
            if number == POLLS:
                return found
    raise AssertionError("not reached")


def figures() -> Iterator[Figure]:
    """CPU by size, then requests by what moves."""
    cpu = {source: _cpu_per_device(source, count) for source, count in (("details", REPETITIONS), ("device", 1))}
    for source, words in (("details", "from the devices' details"), ("device", "by device")):
        each = cpu[source]
        yield Figure(
            f"{' → '.join(f'{size:,}' for size in SIZES)} devices that are done, CPU of a whole gate, versions {words}",
            "linear growth",
            max(each[1:]) / each[0],
            1.2,
            f"{', '.join(f'{value:.3f}' for value in each)} ms of CPU a device",
        )
    polls = [poll for _repetition in range(REPETITIONS) for poll in _polls()]
    moved, others, proof = zip(*polls)
    yield Figure(
        f"a poll of a batch of {FLEET:,} devices of which 1 % moves between two polls, requests without the proof",
        f"{POLL_REQUESTS}, and one for each {ROWS} devices that move",
        median([count / (POLL_REQUESTS + number / ROWS) for number, count in zip(moved, others)]),
        1.0,
        f"{len(polls)} polls: {min(moved)} to {max(moved)} devices move, {min(others)} to {max(others)} requests;"
        f" {min(proof)} to {max(proof)} more read the versions from the devices' details",
    )
