# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An index of the tasks that lists show, by status; it follows the clock.

No question goes through the tasks: each change of a task is worked off once, when the clock passes it, and a page is
found by sums over blocks of tasks. The clock may turn back as well; then changes are undone.
"""

from __future__ import annotations

import re
import threading
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable
from itertools import accumulate, islice

from .timelines import FINISHED, UNFINISHED

Change = tuple[float, str]  # from when on a task is shown with which status; "" where no list shows it
_BLOCK = 512  # tasks; their number by status is kept for each block
_STATUSES = ("", *UNFINISHED, *FINISHED)
_CODES = {status: code for code, status in enumerate(_STATUSES)}
_SHOWN = UNFINISHED + FINISHED


class _Changes:
    """The changes of all tasks, in order of time: when, at which place of the list, from and to which code."""

    def __init__(self, tasks: Iterable[Iterable[Change]]) -> None:
        times, places, befores, afters = array("d"), array("L"), bytearray(), bytearray()
        self.tasks = 0
        for place, changes in enumerate(tasks):
            self.tasks, before = place + 1, 0
            for time, status in changes:
                after = _CODES[status]
                if after != before:
                    times.append(time)
                    places.append(place)
                    befores.append(before)
                    afters.append(after)
                before = after
        order = sorted(range(len(times)), key=times.__getitem__)
        self.times = array("d", map(times.__getitem__, order))
        self.places = array("L", map(places.__getitem__, order))
        self.befores = bytes(map(befores.__getitem__, order))
        self.afters = bytes(map(afters.__getitem__, order))


class Listing:
    """The tasks of a batch, in the order of its list. Safe to use from several threads."""

    def __init__(self, tasks: Iterable[Iterable[Change]]) -> None:
        self._changes = changes = _Changes(tasks)
        self._codes = bytearray(changes.tasks)
        blocks = -(-changes.tasks // _BLOCK)
        self._counts = [[0] * blocks for _status in _STATUSES]
        self._done = 0  # so many changes are worked off
        self._entered = [array("d") for _status in _STATUSES]
        self._left = [array("d") for _status in _STATUSES]
        for time, before, after in zip(changes.times, changes.befores, changes.afters):
            self._left[before].append(time)
            self._entered[after].append(time)
        self._lock = threading.Lock()

    def count(self, t: float, statuses: Collection[str] = ()) -> int:
        """How many tasks have one of the statuses (any if none is given) at ``t``."""
        codes = [_CODES[status] for status in statuses or _SHOWN]
        return sum(bisect_right(self._entered[code], t) - bisect_right(self._left[code], t) for code in codes)

    def page(self, t: float, statuses: Collection[str], offset: int, count: int) -> list[int]:
        """The places of the tasks that have one of the statuses at ``t``, without the first ``offset`` of them."""
        codes = bytes(_CODES[status] for status in statuses or _SHOWN)
        pattern = re.compile(b"[%b]" % codes)
        found: list[int] = []
        with self._lock:
            self._move(bisect_right(self._changes.times, t))
            totals = list(accumulate(map(sum, zip(*(self._counts[code] for code in codes)))))
            end = min(offset + count, totals[-1] if totals else 0)
            while offset + len(found) < end:
                place = offset + len(found)
                block = bisect_right(totals, place)
                skipped = place - (totals[block - 1] if block else 0)
                matches = pattern.finditer(self._codes, block * _BLOCK, (block + 1) * _BLOCK)
                found += [match.start() for match in islice(matches, skipped, skipped + end - place)]
        return found

    def _move(self, done: int) -> None:
        """Work changes off, or undo them, until so many are done."""
        if done > self._done:
            self._set(range(self._done, done), self._changes.afters)
        else:
            self._set(range(self._done - 1, done - 1, -1), self._changes.befores)
        self._done = done

    def _set(self, indexes: Iterable[int], codes: bytes) -> None:
        places, now, counts = self._changes.places, self._codes, self._counts
        for index in indexes:
            place, code = places[index], codes[index]
            block = place // _BLOCK
            counts[now[place]][block] -= 1
            counts[code][block] += 1
            now[place] = code
