# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tiles: how many devices are in which state, and how the bounds for them stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._result.limits import least_finished, read_limits
from .._result.reading import count_of, mapping_of
from .._result.words import versions_read
from .._rollout.devices import State
from .bounds import limit_view
from .words import share_text, width_of

#: What the devices in each state are called, in the order of a chart from its top.
STATES: Mapping[str, str] = {"pending": "Unfinished", "succeeded": "Succeeded", "failed": "Failed"}
_NAMES: Mapping[str, str] = {**STATES, "devices": "With a task", "time": "Time", "errors": "Failed polls in a row"}
_ORDER = ("failed", "pending", "succeeded", "devices", "time", "errors")
_PASSED_ORDER = ("succeeded", "failed", "pending", "devices", "time", "errors")


def tiles(result: Mapping[str, Any], first: State) -> list[dict[str, Any]]:
    """The tiles, first the one with the bound that decided, and then those with another that is not kept."""
    counts = mapping_of(result.get("counts"))
    least = least_finished(result)
    bounds = [limit_view(limit, least) for limit in read_limits(result)]
    order = _PASSED_ORDER if result.get("verdict") == "passed" else _ORDER
    made = [_tile(group, counts, [bound for bound in bounds if bound["group"] == group]) for group in order]
    shown = [tile for tile in made if tile["group"] in STATES or _matters(tile)]
    for tile in shown:
        if tile["group"] == "succeeded":
            tile["note"] = versions_read(result)
    decides = any(tile["decided"] for tile in shown) or result.get("verdict") == "passed"
    return sorted(shown, key=lambda tile: (not tile["decided"], not tile["broken"], decides or tile["group"] != first))


def _tile(group: str, counts: Mapping[str, Any], bounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total, number = count_of(counts.get("total")), count_of(counts.get(group))
    is_state = group in STATES
    return {
        "group": group,
        "name": _NAMES[group],
        "number": f"{number:,}" if is_state else bounds[0]["number"] if bounds else "",
        "share": f"{share_text(number, total)} of {total:,}" if is_state and total else "",
        "note": "",
        "limits": list(bounds),
        "decided": any(bound["decided"] for bound in bounds),
        "broken": any(bound["level"] == "broken" for bound in bounds),
    }


def _matters(tile: Mapping[str, Any]) -> bool:
    """Whether a tile that is about no state says anything: failed polls do if there are any."""
    return bool(tile["limits"]) and (tile["group"] != "errors" or tile["decided"] or tile["limits"][0]["width"] > 0)


def stacked_bar(counts: Mapping[str, Any], total: int) -> list[dict[str, Any]]:
    """How the devices in each state share one bar, from its left: failed ones are first."""
    numbers = [(state, count_of(counts.get(state))) for state in ("failed", "succeeded", "pending")]
    return [
        {"state": state, "name": STATES[state], "count": f"{number:,}", "width": width_of(number, total)}
        for state, number in numbers
        if number
    ]
