# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""How fast the service may be asked, by all threads of a task and by other tasks that share its quota."""

from __future__ import annotations

import math
import threading
import time
from typing import Callable

#: A second's worth of requests takes a little longer than a second, because some take longer on their way than others.
MARGIN = 1.02
#: A thread that wakes up less than so many seconds late, half of that margin, does not delay the next request too.
SLACK = 0.01
#: Throttling never slows down to less than this part of the full rate.
FLOOR = 1 / 64
#: How steep the way back to the full rate is: this part of it, per second cubed.
CLIMB = 0.06
#: Shorter waits, in seconds, are not worth one.
TICK = 1e-4


class Stopped(Exception):
    """Nobody waits for the answer any more."""


class Pacer:
    """Spaces the requests of each operation evenly, slows down when told so, and recovers. Safe to use from threads.

    ``max_qps`` is the full rate in requests a second; 0 means that there is no limit. ``clock`` is monotonic, in
    seconds. ``sleep`` takes seconds; a test can hand in its own, which :meth:`stop` then does not cut short.
    """

    def __init__(
        self,
        max_qps: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._full = max_qps or math.inf
        self._clock = clock
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._lanes: dict[str, _Lane] = {}

    def wait(self, operation: str) -> float:
        """Return when the next request of ``operation`` may go out; the answer is the time.

        :raises Stopped: it is not to go out any more.
        """
        lane = self._lane(operation)
        # Only one thread waits for a slot, and the others for their turn. Slots that were given away in advance would
        # keep the old rate alive after the service has asked for a lower one.
        with lane.turn:
            self._go_on()
            now = self._clock()
            while lane.slot(now) - now > TICK:
                self.sleep(lane.slot(now) - now)
                now = self._clock()
            lane.take(now)
        return now

    def throttled(self, operation: str, sent: float, pause: float = 0.0) -> None:
        """Slow down, because the request of ``operation`` that :meth:`wait` let out at ``sent`` was refused as one too
        many, and send none at all for ``pause`` seconds, if the service asks for that.
        """
        self._lane(operation).slow_down(sent, self._clock(), pause)

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``.

        :raises Stopped: there is nothing more to wait for.
        """
        self._sleep(seconds)
        self._go_on()

    def stop(self) -> None:
        """End all waiting, now and until :meth:`start`."""
        self._stopped.set()

    def start(self) -> None:
        """Let requests out again."""
        self._stopped.clear()

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def _lane(self, operation: str) -> _Lane:
        return self._lanes.setdefault(operation, _Lane(self._full))


class _Lane:
    """The requests of one operation, which has a quota of its own."""

    def __init__(self, full: float) -> None:
        self.turn = threading.Lock()
        self._rate = Rate(full)
        self._guard = threading.Lock()
        self._last = -math.inf
        self._held_until = -math.inf

    def slot(self, now: float) -> float:
        """When the next request may go out, at the rate of ``now``."""
        return max(self._last + MARGIN / self._rate.at(now), self._held_until)

    def take(self, now: float) -> None:
        """A request goes out."""
        slot = self.slot(now)
        self._last = slot if now - slot < SLACK else now

    def slow_down(self, sent: float, now: float, pause: float) -> None:
        with self._guard:
            self._rate.halve(sent, now)
            self._held_until = max(self._held_until, now + pause)


class Rate:
    """A rate that halves when told so and climbs back by itself, in requests a second.

    The way back is the cubic curve of TCP's congestion control (RFC 9438): fast at first, flat around the rate that
    was too much, and then ever faster. So those who share a quota stay close to their share most of the time, and take
    over soon what another leaves.
    """

    def __init__(self, full: float) -> None:
        self._full = full
        self._top = full
        self._halved = -math.inf

    def at(self, now: float) -> float:
        """The rate at ``now``."""
        if self._halved == -math.inf:
            return self._full
        climb = CLIMB * self._full
        half_time = (self._top / 2 / climb) ** (1 / 3)
        rate = self._top + climb * (now - self._halved - half_time) ** 3
        return min(self._full, max(self._full * FLOOR, rate))

    def halve(self, sent: float, now: float) -> None:
        """Halve the rate at ``now``, unless that has been done since the refused request was ``sent``."""
        if sent > self._halved and self._full < math.inf:
            self._top, self._halved = self.at(now), now
