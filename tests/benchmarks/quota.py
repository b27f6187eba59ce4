# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quota: how close one process, and four that share it, come to what it allows."""

from __future__ import annotations

from collections.abc import Iterator

from .common import (
    PRODUCT_KEY,
    REPETITIONS,
    Figure,
    Finished,
    finish_module,
    fleet,
    listed,
    median,
    service,
    start_module,
    waiting,
)

LOOKUPS, QUOTA = 600, 10
IDEAL = LOOKUPS / QUOTA


def _share(processes: int) -> tuple[list[Finished], dict[str, object]]:
    names = fleet(LOOKUPS)
    with service(waiting(LOOKUPS), "--qps", str(QUOTA)) as running:
        started = [
            start_module(
                "ota_unfinished_tasks_info",
                {"endpoint": running.url, "product_key": PRODUCT_KEY, "device_names": names[number::processes]},
            )
            for number in range(processes)
        ]
        return [finish_module(*process) for process in started], running.stats()


def figures() -> Iterator[Figure]:
    """One process alone, then four at once."""
    for processes, who, target in ((1, "one process", 1.03), (4, "4 processes at once", 1.10)):
        seconds, throttled, failed = [], [], 0
        for _repetition in range(REPETITIONS):
            ended, stats = _share(processes)
            seconds.append(max(process.seconds for process in ended))
            throttled.append(stats["throttled"])
            failed += LOOKUPS - sum(process.answer["summary"]["found"] for process in ended)
        assert not failed, f"{failed} failed lookups"
        yield Figure(
            f"{LOOKUPS} lookups at a quota of {QUOTA} a second, {who}",
            f"the ideal {IDEAL:.0f} s",
            median(seconds) / IDEAL,
            target,
            f"{listed(seconds, 1)} s, the whole processes; throttled responses: {', '.join(map(str, throttled))};"
            " failed lookups: none",
        )
