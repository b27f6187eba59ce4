# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time of a gate: its limits over all runs that continue each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from .._evidence.clock import Clock
from .._verdict.history import new_history
from .._verdict.resuming import anchor_devices, anchor_start, gap_since, move_history
from .options import GateOptions

T = TypeVar("T")

#: The pause between two polls varies by up to this fraction, so that gates that started together drift apart.
JITTER = 0.1
#: Start no poll with less time left, in seconds.
MIN_POLL = 0.5
#: Read versions in one poll for as long as this many pauses between polls, or this many times what else it reads takes.
PAUSES_OF_PROOF = 4
TIMES_OF_PROOF = 10


class TimeLimits:
    """When the rollout's time began, and when it is over, in seconds since 1970 by this machine.

    ``history`` is what earlier polls have learned. ``deadline`` is when the rollout must be settled, and ``end`` is
    when the last request of this run must have ended. This run ``began`` then.
    """

    def __init__(self, options: GateOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self.began = clock.now()
        self._earlier = options.history  # until it is known how long ago it ended
        earlier = options.history or new_history(self.began)
        self._start_at(move_history(earlier, self.began - earlier["last_poll"]))

    def _start_at(self, history: Mapping[str, Any]) -> None:
        self.history = history
        timeout = self._options.policy.wait_timeout
        self.started = float(history["started"])
        self.deadline = self.started + timeout
        # A single poll may come after the deadline of the runs before it.
        self.end = self.deadline if self._options.wait else self.began + timeout

    @property
    def resumed(self) -> bool:
        """Whether it is known how long ago the earlier run was, if there was one."""
        return self._earlier is None

    def resume(self, clock_offset: float | None, learned: bool) -> None:
        """Count the time since the earlier run, once it is known.

        The service's clock, which is ahead by ``clock_offset``, says it best. Once this run has ``learned`` anything
        without learning that time, the clocks of the machines must do.
        """
        earlier = self._earlier
        if earlier is None or (clock_offset is None and not learned):
            return
        now = self._clock.now()
        service_now = None if clock_offset is None else now + clock_offset
        pause = gap_since(earlier, now, service_now) - (now - self.began)
        self._earlier = None
        moved = anchor_start(move_history(self.history, -max(0.0, pause)), now, service_now)
        self._start_at(anchor_devices(moved, earlier, now, service_now))

    def left(self) -> float:
        """Seconds until the end."""
        return self.end - self._clock.now()

    def expiry(self) -> float:
        """The time after the deadline."""
        return max(self._clock.now(), self.deadline)

    def proof_end(self, began: float) -> float:
        """When a poll that ``began`` then must go on with what it could read of versions, which may take hours.

        A poll of many reads so long that what else it reads does not count.
        """
        if not self._options.wait:
            return self.began + self._options.look_timeout
        now = self._clock.now()
        return now + max(PAUSES_OF_PROOF * self._options.wait_interval, TIMES_OF_PROOF * (now - began))

    def next_pause(self, last_poll: float) -> float:
        """Seconds until the next poll, after one that took ``last_poll``."""
        pause = self._options.wait_interval * (1 - JITTER + 2 * JITTER * self._clock.jitter())
        left = self.deadline - self._clock.now()
        reserve = MIN_POLL + 2 * last_poll
        return max(MIN_POLL, min(pause, left - reserve, left / 2))  # half, so that a last change can be confirmed


#: Runs work with a time limit in seconds, and calls the last argument about once a second meanwhile.
Run = Callable[[Callable[[], Any], float, Callable[[], object]], Any]


class TimedRunner:
    """Runs work until the end of a run, and cancels it then. ``meanwhile`` is called about once a second."""

    def __init__(
        self, limits: TimeLimits, run: Run, meanwhile: Callable[[], object], cancel: Callable[[], object]
    ) -> None:
        self._limits = limits
        self._run = run
        self._meanwhile = meanwhile
        self._cancel = cancel

    def __call__(self, read: Callable[[], T]) -> T:
        """What ``read`` finds.

        :raises TimeoutError: the time is over.
        """
        try:
            left = self._limits.left()
            if left <= 0:
                raise TimeoutError
            found: T = self._run(read, left, self._meanwhile)
        except TimeoutError:
            self._cancel()
            raise
        return found
