# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spaces requests, for all threads of a task and with regard to other tasks that share the quota."""

from __future__ import annotations

import math
import threading
import time
from typing import Callable

from .._api.schema import USUAL_QUOTA, Operation
from .._errors import CanceledError

#: Stretch of the spacing: some requests take longer on their way than others and must not arrive too close together.
SPACING_MARGIN = 1.02

#: Lateness in seconds, half of that margin, with which a thread can wake up without delaying the next request too.
WAKEUP_TOLERANCE = 0.01

#: Lowest rate that throttling leads to, as a part of the full rate.
MIN_RATE_FRACTION = 1 / 64

#: Steepness of the way back to the full rate: this part of it, per second cubed.
RECOVERY_STEEPNESS = 0.06

#: Full rate, in requests a second, below which the way back takes longer in proportion: some ten requests at any rate.
LOW_RATE = 5.0

#: Longest sleep before a slot, in seconds; then the slot is calculated again, because the rate may have changed.
MAX_SLOT_SLEEP = 0.25

#: Shortest sleep that is worth one, in seconds.
MIN_SLEEP = 1e-4


class DeadlineExceededError(Exception):
    """There is no slot before the deadline."""


def full_rate(operation: Operation, max_qps: float) -> float:
    """Most requests of ``operation`` a second: ``max_qps`` at the usual quota, else in proportion; infinite at 0."""
    return max_qps * operation.quota / USUAL_QUOTA or math.inf


class RateLimiter:
    """Spaces the requests of each operation evenly, slows down after throttling, and recovers.

    Safe to use from threads. Each action has the :func:`full_rate` that ``max_qps`` allows it. ``now`` is a monotonic
    clock, in seconds. ``sleep`` takes seconds; a test can hand in its own, which :meth:`stop` then does not cut short.
    """

    def __init__(
        self,
        max_qps: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.now = now
        self._max_qps = max_qps
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._limiters: dict[str, _OperationLimiter] = {}

    def wait_for_slot(self, operation: Operation) -> float:
        """Wait until a new request of ``operation`` can go out; returns the time.

        :raises CanceledError: no more requests go out.
        """
        # One new request at a time competes with those that are retried, so that these do not wait long.
        with self._limiter_of(operation).entrance:
            return self.wait_for_retry(operation, math.inf)

    def wait_for_retry(self, operation: Operation, deadline: float) -> float:
        """Wait until a refused request of ``operation`` can go out again; returns the time.

        :raises CanceledError: no more requests go out.
        :raises DeadlineExceededError: it cannot go out before the ``deadline``, a time of :attr:`now`.
        """
        limiter = self._limiter_of(operation)
        # Only one thread waits for a slot, and the others for their turn. Slots that were given away in advance would
        # keep the old rate alive after the service has requested a lower one.
        if not limiter.turn.acquire(timeout=min(max(0.0, deadline - self.now()), threading.TIMEOUT_MAX)):
            raise DeadlineExceededError
        try:
            self._raise_if_stopped()
            now = self.now()
            while limiter.next_slot(now) - now > MIN_SLEEP:
                if limiter.next_slot(now) >= deadline:
                    raise DeadlineExceededError
                self.sleep(min(MAX_SLOT_SLEEP, limiter.next_slot(now) - now))
                now = self.now()
            limiter.take_slot(now)
        finally:
            limiter.turn.release()
        return now

    def slow_down(self, operation: Operation, sent: float) -> None:
        """Halve the rate: the request of ``operation`` that went out at ``sent`` was refused as one too many."""
        self._limiter_of(operation).slow_down(sent, self.now())

    def hold_back(self, operation: Operation, pause: float) -> None:
        """Let no request of ``operation`` out for ``pause`` seconds."""
        self._limiter_of(operation).hold_until(self.now() + pause)

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``.

        :raises CanceledError: there is nothing more to wait for.
        """
        self._sleep(seconds)
        self._raise_if_stopped()

    def stop(self) -> None:
        """End all waiting, now and until :meth:`start`."""
        self._stopped.set()

    def start(self) -> None:
        """Let requests out again."""
        self._stopped.clear()

    def _raise_if_stopped(self) -> None:
        if self._stopped.is_set():
            raise CanceledError

    def _limiter_of(self, operation: Operation) -> _OperationLimiter:
        return self._limiters.setdefault(operation.action, _OperationLimiter(full_rate(operation, self._max_qps)))


class _OperationLimiter:
    """The requests of one action, which has a quota of its own; ``full`` is its rate in requests a second."""

    def __init__(self, full: float) -> None:
        self.entrance = threading.Lock()
        self.turn = threading.Lock()
        self._guard = threading.Lock()
        self._rate = AdaptiveRate(full)
        self._last = -math.inf
        self._held_until = -math.inf

    def next_slot(self, now: float) -> float:
        """When the next request can go out, at the rate of ``now``."""
        return max(self._last + SPACING_MARGIN / self._rate.rate_at(now), self._held_until)

    def take_slot(self, now: float) -> None:
        """A request goes out."""
        slot = self.next_slot(now)
        self._last = slot if now - slot < WAKEUP_TOLERANCE else now

    def slow_down(self, sent: float, now: float) -> None:
        with self._guard:
            self._rate.halve_rate(sent, now)

    def hold_until(self, until: float) -> None:
        with self._guard:
            self._held_until = max(self._held_until, until)


class AdaptiveRate:
    """A rate that can be halved and climbs back by itself, in requests a second.

    The way back is the cubic curve of TCP's congestion control (RFC 9438): fast at first, flat around the rate that
    was too much, and then ever faster. So those who share a quota stay close to their share most of the time, and take
    over soon what another leaves.
    """

    def __init__(self, full: float) -> None:
        self._full = full
        self._top = full
        self._halved = -math.inf
        self._scale = max(1.0, LOW_RATE / full)

    def rate_at(self, now: float) -> float:
        """The rate at ``now``."""
        if self._halved == -math.inf:
            return self._full
        climb = RECOVERY_STEEPNESS * self._full
        way = (self._top / 2 / climb) ** (1 / 3)
        rate = self._top + climb * ((now - self._halved) / self._scale - way) ** 3
        return min(self._full, max(self._full * MIN_RATE_FRACTION, rate))

    def halve_rate(self, sent: float, now: float) -> None:
        """Halve the rate at ``now``, unless that has been done since the refused request was ``sent``."""
        if sent > self._halved and self._full < math.inf:
            self._top, self._halved = self.rate_at(now), now
