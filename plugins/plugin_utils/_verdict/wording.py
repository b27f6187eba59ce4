# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Words of verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .policy import Policy
from .state import Entry, Standing

#: A reason names up to so many devices.
MAX_NAMES = 10


def _proof(standing: Standing, policy: Policy) -> str:
    sentence = f"{_of(standing.succeeded, standing)} succeeded"
    if policy.verify_versions:
        sentence += " and reported the new version"
    if standing.failed:
        sentence += f", {standing.failed} failed{by_class(standing, 'failed')}"
    if standing.pending:
        sentence += f", {standing.pending} pending{by_class(standing, 'pending')}"
    if standing.canceled:
        sentence += f", {standing.canceled} canceled and not counted"
    return sentence if standing.failed + standing.pending + standing.canceled == 0 else f"{sentence}, as is allowed"


def _failed(standing: Standing) -> str:
    return f"{_of(standing.failed, standing)} failed{by_class(standing, 'failed')}"


def _of(number: int, standing: Standing) -> str:
    return f"{number} of {_count(standing.total, 'device')}"


def by_class(standing: Standing, state: str) -> str:
    """How many devices in a state are in which class, in brackets after a blank; empty without any."""
    parts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in standing.classes[state].items())
    return f" ({parts})" if parts else ""


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def names(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The names of the first few devices, each as far as it can be shown."""
    return tuple(printable(str(entry["device_name"] or entry["task_id"]))[:100] for entry in entries[:MAX_NAMES])


def printable(text: str) -> str:
    """``text`` on one line, without what could pretend to be another line or colour it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _short(text: Any) -> str:
    return f'"{str(text)[:100]}"'


def duration(seconds: float) -> str:
    """A time span for people, such as ``12 min 30 s``."""
    whole = max(0, round(seconds))
    hours = whole // 3600 if whole >= 7200 else 0
    minutes, left = (whole - 3600 * hours) // 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
