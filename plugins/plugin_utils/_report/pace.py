# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a rollout may end, by how fast it has moved so far. Pure but for what it remembers."""

from __future__ import annotations

from collections import deque

from .._rollout.state import RolloutState

#: Measure the rate over this many seconds.
WINDOW = 600.0
#: The classes of unfinished devices that move by themselves. The others wait for something that nobody can foresee.
MOVING = ("in_progress", "notified", "rate_limited", "moving", "retrying")
#: Foresee nothing that is farther away, in seconds.
HORIZON = 31 * 86400.0


class Pace:
    """How fast devices finish in this run."""

    def __init__(self) -> None:
        self._polls: deque[tuple[float, int]] = deque()

    def add_poll(self, now: float, rollout: RolloutState) -> None:
        """Remember how many devices had finished ``now``."""
        self._polls.append((now, rollout.executed))
        while len(self._polls) > 2 and self._polls[1][0] <= now - WINDOW:
            self._polls.popleft()

    def end(self, rollout: RolloutState, all_notified: float) -> float | None:
        """When the last device that moves will have finished; ``None`` where that cannot be foreseen.

        It is not before the batches' rate limits let the last device be notified, which is at ``all_notified``.
        """
        if len(self._polls) < 2:
            return None
        (began, before), (now, finished) = self._polls[0], self._polls[-1]
        left = sum(rollout.by_class["pending"].get(name, 0) for name in MOVING)
        if not left or finished <= before or now <= began:
            return None
        end = max(now + left * (now - began) / (finished - before), all_notified)
        return end if end <= now + HORIZON else None
