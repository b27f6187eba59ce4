# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When devices were asked for their versions, in looks and between them, and what of that may still be taken as proof.

The last reading of a device proves it for as long as its task stays as it was. What else a reading says holds for the
look that it was made in, and for no other.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from .clocks import Look
from .worlds import EVER, Key

#: Whether a run takes over what the run before it has read.
KEPT_BETWEEN_RUNS = True


class Readings:
    """All answers to the question for a device's versions, by device.

    With ``alone``, nothing else proves a device: not what it would report if it were asked at that moment. Readings
    until ``after`` prove nothing. If ``strictly``, those of the moment itself do not count yet.
    """

    def __init__(
        self, looks: Sequence[Look], alone: bool = False, after: float = -EVER, strictly: bool = False
    ) -> None:
        self.alone = alone
        self.after = after
        self._bisect = bisect_left if strictly else bisect_right
        self._begins = [look.moments[0] for look in looks]
        self._runs = [look.run for look in looks]
        self._moments: dict[Key, list[float]] = {}
        for look in looks:
            for key, moment in (*look.readings, *(look.afterwards.readings if look.afterwards else ())):
                self._moments.setdefault(key, []).append(moment)

    def of(self, key: Key) -> list[float]:
        """All moments at which a device told its versions, or was not known."""
        return self._moments.get(key, [])

    def last(self, key: Key, t: float) -> float | None:
        """When a device was last read until a moment, as far as that may prove it then."""
        moments = self.of(key)
        place = self._bisect(moments, t) - 1
        if place < 0 or moments[place] <= self.after:
            return None
        if not KEPT_BETWEEN_RUNS and self.run(moments[place]) != self.run(t):
            return None
        return moments[place]

    def run(self, t: float) -> int:
        """Which run a moment is of."""
        return self._runs[max(0, bisect_right(self._begins, t) - 1)]
