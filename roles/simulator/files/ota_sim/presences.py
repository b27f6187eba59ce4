# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a device is online, since when, and when it last was.

All times are seconds on the rollout clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

STATES = ("ONLINE", "OFFLINE", "UNACTIVE", "DISABLE")
_DAY = 86_400.0
_HOUR = 3_600.0


class Presence(NamedTuple):
    """The state of a device since some time; ``last_online`` is when it last came online, None for never."""

    state: str
    since: float
    last_online: float | None


class Told(NamedTuple):
    """What a scenario says of a device's presence; without a ``state`` it follows from its courses."""

    state: str | None = None
    state_before: float = _DAY
    last_online_before: float | None = None

    def presence(self, default: str = "ONLINE") -> Presence:
        """The presence that the device begins with; by default it was online for an hour before it left."""
        state = self.state or default
        since = -self.state_before
        if state == "UNACTIVE":
            return Presence(state, since, None)
        if self.last_online_before is not None:
            return Presence(state, since, -self.last_online_before)
        return Presence(state, since, since if state == "ONLINE" else since - _HOUR)


SILENT = Told()
_BEGINS = {state: (SILENT.presence(state),) for state in ("ONLINE", "OFFLINE")}


def begins(told: Told, away: bool) -> tuple[Presence, ...]:
    """The presence that a device has before anything happens; those without words of their own share one."""
    state = "OFFLINE" if away else "ONLINE"
    return _BEGINS[state] if told is SILENT else (told.presence(state),)


def goes_on(presences: tuple[Presence, ...], begin: float, online: float) -> tuple[Presence, ...]:
    """What follows from a turn that begins for a device which comes ``online`` then, if it is not online already."""
    last = presences[-1]
    away = online > begin
    if away and last.state == "ONLINE":
        presences += (Presence("OFFLINE", begin, last.last_online),)
    comes = max(begin, online)
    if presences[-1].state == "OFFLINE" and comes < float("inf"):
        presences += (Presence("ONLINE", comes, comes),)
    return presences


def presence_at(presences: Sequence[Presence], t: float) -> Presence:
    """The presence at ``t``; before all of them the first one."""
    found = presences[0]
    for presence in presences:
        if presence.since <= t:
            found = presence
    return found
