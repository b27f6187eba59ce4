# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

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


#: Below this full rate, in requests a second, the way back takes longer in proportion: some ten requests at any rate.
SLOW = 5.0


#: A slot that lies further ahead is looked at again after so many seconds, because the rate has changed by then.
GLANCE = 0.25


#: Shorter waits, in seconds, are not worth one.
TICK = 1e-4


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


class OutOfTimeError(Exception):
    """There is no slot before the deadline."""


class Pacer:
    """Spaces the requests of each operation evenly, slows down when told so, and recovers. Safe to use from threads.

    ``max_qps`` is the full rate in requests a second; 0 means that there is no limit. ``now`` is a monotonic clock, in
    seconds. ``sleep`` takes seconds; a test can hand in its own, which :meth:`stop` then does not cut short.
    """

    def __init__(
        self,
        max_qps: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.now = now
        self._full = max_qps or math.inf
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._lanes: dict[str, _Lane] = {}

    def wait(self, operation: str) -> float:
        """Return when a new request of ``operation`` may go out; the answer is the time.

        :raises StoppedError: it is not to go out any more.
        """
        # One new request at a time competes with those that are asked again, so that these have not long to wait.
        with self._lane(operation).gate:
            return self.wait_again(operation, math.inf)

    def wait_again(self, operation: str, deadline: float) -> float:
        """Return when a request of ``operation`` that was refused may go out again; the answer is the time.

        :raises StoppedError: it is not to go out any more.
        :raises OutOfTimeError: it cannot go out before the ``deadline``, a time of :attr:`now`.
        """
        lane = self._lane(operation)
        # Only one thread waits for a slot, and the others for their turn. Slots that were given away in advance would
        # keep the old rate alive after the service has asked for a lower one.
        if not lane.turn.acquire(timeout=min(max(0.0, deadline - self.now()), threading.TIMEOUT_MAX)):
            raise OutOfTimeError
        try:
            self._go_on()
            now = self.now()
            while lane.slot(now) - now > TICK:
                if lane.slot(now) >= deadline:
                    raise OutOfTimeError
                self.sleep(min(GLANCE, lane.slot(now) - now))
                now = self.now()
            lane.take(now)
        finally:
            lane.turn.release()
        return now

    def slow_down(self, operation: str, sent: float) -> None:
        """Halve the rate: the request of ``operation`` that went out at ``sent`` was refused as one too many."""
        self._lane(operation).slow_down(sent, self.now())

    def hold(self, operation: str, pause: float) -> None:
        """Let no request of ``operation`` out for ``pause`` seconds."""
        self._lane(operation).hold(self.now() + pause)

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``.

        :raises StoppedError: there is nothing more to wait for.
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
            raise StoppedError

    def _lane(self, operation: str) -> _Lane:
        return self._lanes.setdefault(operation, _Lane(self._full))


class _Lane:
    """The requests of one operation, which has a quota of its own."""

    def __init__(self, full: float) -> None:
        self.gate = threading.Lock()
        self.turn = threading.Lock()
        self._guard = threading.Lock()
        self._rate = Rate(full)
        self._last = -math.inf
        self._held_until = -math.inf

    def slot(self, now: float) -> float:
        """When the next request may go out, at the rate of ``now``."""
        return max(self._last + MARGIN / self._rate.at(now), self._held_until)

    def take(self, now: float) -> None:
        """A request goes out."""
        slot = self.slot(now)
        self._last = slot if now - slot < SLACK else now

    def slow_down(self, sent: float, now: float) -> None:
        with self._guard:
            self._rate.halve(sent, now)

    def hold(self, until: float) -> None:
        with self._guard:
            self._held_until = max(self._held_until, until)


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
        self._scale = max(1.0, SLOW / full)

    def at(self, now: float) -> float:
        """The rate at ``now``."""
        if self._halved == -math.inf:
            return self._full
        climb = CLIMB * self._full
        way = (self._top / 2 / climb) ** (1 / 3)
        rate = self._top + climb * ((now - self._halved) / self._scale - way) ** 3
        return min(self._full, max(self._full * FLOOR, rate))

    def halve(self, sent: float, now: float) -> None:
        """Halve the rate at ``now``, unless that has been done since the refused request was ``sent``."""
        if sent > self._halved and self._full < math.inf:
            self._top, self._halved = self.at(now), now
