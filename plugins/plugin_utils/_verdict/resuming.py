# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time between two runs, by the service's clock as far as that is known, and a history moved by it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .._rollout.snapshot import Snapshot
from .history import OPTIONAL_TIMES, History

#: The service sends its time in whole seconds, so the time between two polls may seem longer by this much.
CLOCK_RESOLUTION = 2.0


def gap_since(history: Mapping[str, Any], now: float, service_now: float | None) -> float:
    """How many seconds ago the last poll of ``history`` was, at ``now`` by this machine and ``service_now``.

    The service's clock decides, in favour of less. Where it is not known, the machines' clocks are all that there is.
    """
    then = history["service_time"]
    gap = now - history["last_poll"] if then is None or service_now is None else service_now - then - CLOCK_RESOLUTION
    return float(max(0.0, gap))


def service_time_at(snapshot: Snapshot, history: History) -> float | None:
    """The service's time of this poll; where that is not known, the last one and what has passed since then."""
    if snapshot.service_now is not None or history.service_time is None:
        return snapshot.service_now
    return history.service_time + max(0.0, snapshot.now - history.last_poll)


def anchor_start(history: Mapping[str, Any], now: float, service_now: float | None) -> dict[str, Any]:
    """The history with its start where the service's clock says it was, in favour of later.

    Each run counts the pause before it in favour of less. Many of them must not put off the deadline.
    """
    started, began = history["started"], history["service_started"]
    if began is None or service_now is None:
        return dict(history)
    anchored = max(0.0, min(started, now - (service_now - began - CLOCK_RESOLUTION)))
    growth = anchored if history["last_growth"] == started else history["last_growth"]
    return {**history, "started": anchored, "last_growth": growth}


def service_start_of(snapshot: Snapshot, history: History) -> float | None:
    """When the rollout's time began by the service's clock, as soon as that is known."""
    if history.service_started is not None or snapshot.service_now is None:
        return history.service_started
    return max(0.0, snapshot.service_now - (snapshot.now - history.started))


def move_history(history: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The history with all times of this machine later by ``seconds``."""

    def moved(moment: float) -> float:
        return max(0.0, moment + seconds)

    times = ["started", "last_poll", "candidate_since", "last_growth"]
    times += [name for name in OPTIONAL_TIMES if history[name] is not None]
    return {
        **history,
        **{name: moved(history[name]) for name in times},
        **_move_devices(history, seconds, math.inf),
    }


def anchor_devices(
    history: Mapping[str, Any], earlier: Mapping[str, Any], now: float, service_now: float | None
) -> dict[str, Any]:
    """The history with the times of tasks and devices in the ``earlier`` one where the service's clock says they were.

    A pause counts in favour of less. So a report would seem later from run to run, and prove what came after it.
    """
    then = earlier["service_time"]
    if then is None or service_now is None:
        return dict(history)
    return {**history, **_move_devices(earlier, then - earlier["last_poll"] + now - service_now, history["last_poll"])}


def _move_devices(history: Mapping[str, Any], seconds: float, latest: float) -> dict[str, Any]:
    """The times of tasks and devices, later by ``seconds``, but not later than the ``latest``."""

    def moved(moment: float) -> float:
        return max(0.0, min(latest, moment + seconds))

    return {
        "task_changes": {task: [state, moved(since)] for task, (state, since) in history["task_changes"].items()},
        "on_target": {proof: moved(moment) for proof, moment in history["on_target"].items()},
        "reports": [{**group, "read_at": moved(group["read_at"])} for group in history["reports"]],
    }
