# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of a gate, which a test replaces."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Clock:
    """Where time comes from: ``wall`` in seconds since 1970, ``steady`` never runs backwards; ``jitter`` is 0 to 1."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._wall = wall
        self._zero = wall() - steady()
        self._steady = steady
        self.sleep = sleep
        self.jitter = jitter

    def now(self) -> float:
        """Seconds since 1970 on a clock that nobody sets back."""
        return self._zero + self._steady()

    def is_over(self, until: float) -> Callable[[], bool]:
        """Tells whether ``until``, a time of :meth:`now`, has come."""
        return lambda: self.now() >= until

    def from_wall(self, offset: float | None) -> float | None:
        """What is ahead of the wall clock by ``offset``, as seconds ahead of :meth:`now`: somebody may set the wall."""
        return None if offset is None else offset + self._wall() - self.now()
