# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bounds in a result, with what was measured, and how they stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._verdict.bounds import Limit
from .reading import count_of, mapping_of, number_of, rows_of, text_of

#: The bounds by what they are about.
GROUPS: Mapping[str, str] = {
    "max_failed": "failed",
    "max_failed_percent": "failed",
    "max_pending": "pending",
    "max_pending_percent": "pending",
    "min_succeeded_percent": "succeeded",
    "min_devices": "devices",
    "wait_timeout": "time",
    "max_consecutive_errors": "errors",
}
#: From this part of what is allowed on, a bound counts as nearly reached.
NEAR = 0.8


def read_limits(result: Mapping[str, Any]) -> list[Limit]:
    """The bounds in a result, the one that decided first."""
    limits = [
        Limit(
            text_of(row.get("name")),
            number_of(row.get("allowed")),
            number_of(row.get("measured")),
            None if row.get("of") is None else count_of(row.get("of")),
            bool(row.get("kept", True)),
            bool(row.get("decided")),
        )
        for row in rows_of(result.get("limits"))
    ]
    known = [limit for limit in limits if limit.name in GROUPS]
    return sorted(known, key=lambda limit: not limit.decided)


def least_finished(result: Mapping[str, Any]) -> int:
    """From how many finished devices on failures decide."""
    return count_of(mapping_of(result.get("policy")).get("min_executed"))


def measured_of(limit: Limit) -> float:
    """What was measured, in the unit of what is allowed."""
    return 100 * limit.measured / limit.of if limit.is_share and limit.of else limit.measured


def level_of(limit: Limit, min_executed: int = 1) -> str:
    """How a bound stands: ``broken``, ``near``, ``kept``, or ``open`` where nothing is decided or measured."""
    if limit.decided:
        return "broken"
    group = GROUPS[limit.name]
    if limit.of == 0:
        return "open"
    if not limit.kept:
        counts = group != "failed" or (limit.of or 0) >= min_executed
        return "broken" if group in ("failed", "errors") and counts else "open"
    is_most = limit.name.startswith("max_")
    is_near = is_most and limit.allowed and measured_of(limit) >= NEAR * limit.allowed
    return "near" if is_near else "kept"


def level_words(limit: Limit, level: str) -> str:
    """How a bound stands, for people."""
    if limit.decided:
        return "Decided the verdict"
    if limit.of == 0:
        return "No device finished" if GROUPS[limit.name] == "failed" else "No device counted"
    if GROUPS[limit.name] == "time":
        return "Within the limit" if limit.kept else "Time is over"
    words = {"broken": "Over the limit", "near": "Within the limit, but near", "kept": "Within the limit"}
    if limit.name.startswith("min_"):
        words = {"kept": "Reached"}
    return words.get(level, "Not reached yet" if limit.name.startswith("min_") else "Over the limit so far")
