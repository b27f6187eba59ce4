# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Since when and until when a rollout is gated, over all runs that continue each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._verdict.history import anchor_start, gap_since, move_history, new_history
from .clock import Clock
from .options import GateOptions

#: The pause between two polls varies by up to this fraction, so that gates that started together drift apart.
JITTER = 0.1
#: Start no poll with less time left, in seconds.
MIN_POLL = 0.5


class TimeLimits:
    """When the rollout's time began, and when it is over, in seconds since 1970 by this machine.

    ``history`` is what earlier polls have learned. ``deadline`` is when the rollout must be settled, and ``end`` is
    when the last request of this run must have ended.
    """

    def __init__(self, options: GateOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._began = clock.now()
        self._earlier = options.history  # until it is known how long ago it ended
        earlier = options.history or new_history(self._began)
        self._start_at(move_history(earlier, self._began - earlier["last_poll"]))

    def _start_at(self, history: Mapping[str, Any]) -> None:
        self.history = history
        timeout = self._options.policy.wait_timeout
        self.started = float(history["started"])
        self.deadline = self.started + timeout
        # A single poll may come after the deadline of the runs before it.
        self.end = self.deadline if self._options.wait else self._began + timeout

    def resume(self, clock_offset: float | None, learned: bool) -> None:
        """Count the time since the earlier run, once it is known.

        The service's clock, which is ahead by ``clock_offset``, says it best. Once this run has ``learned`` anything
        without being told that time, the clocks of the machines must do.
        """
        earlier = self._earlier
        if earlier is None or (clock_offset is None and not learned):
            return
        now = self._clock.now()
        service_now = None if clock_offset is None else now + clock_offset
        pause = gap_since(earlier, now, service_now) - (now - self._began)
        self._earlier = None
        self._start_at(anchor_start(move_history(self.history, -max(0.0, pause)), now, service_now))

    def left(self) -> float:
        """Seconds until the end."""
        return self.end - self._clock.now()

    def expiry(self) -> float:
        """The time after the deadline."""
        return max(self._clock.now(), self.deadline)

    def next_pause(self, last_poll: float) -> float:
        """Seconds until the next poll, after one that took ``last_poll``."""
        pause = self._options.wait_interval * (1 - JITTER + 2 * JITTER * self._clock.jitter())
        left = self.deadline - self._clock.now()
        reserve = MIN_POLL + 2 * last_poll
        return max(MIN_POLL, min(pause, left - reserve, left / 2))  # half, so that a last change can be confirmed
