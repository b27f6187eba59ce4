# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""How fast the service may be asked."""

from __future__ import annotations

from typing import Callable


class Pacer:
    """Spaces the requests of each operation evenly, ``max_qps`` a second; 0 means that there is no limit.

    ``clock`` is monotonic, in seconds; ``sleep`` takes seconds.
    """

    def __init__(self, max_qps: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._interval = 1 / max_qps if max_qps else 0.0
        self._clock = clock
        self._sleep = sleep
        self._next: dict[str, float] = {}

    def wait(self, operation: str) -> None:
        """Return when the next request of ``operation`` may go out."""
        now = self._clock()
        slot = max(now, self._next.get(operation, now))
        self._next[operation] = slot + self._interval
        if slot > now:
            self._sleep(slot - now)
