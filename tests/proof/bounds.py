# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether numbers of devices keep a policy. A device may be one of several things: a sum of states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, NamedTuple

#: ``CANCELED`` are those that do not count, ``NOT_YET`` those whose first task is still to come, and ``NEVER`` those
#: that nobody ever saw.
SUCCEEDED, FAILED, PENDING, CANCELED, NOT_YET, NEVER = 1, 2, 4, 8, 16, 32
_WORST_FIRST = (FAILED, PENDING, NOT_YET, SUCCEEDED, CANCELED, NEVER)
#: In which order to take one of several states: the best for a policy, and the worst.
BEST = (
    (SUCCEEDED, CANCELED, NEVER, PENDING, NOT_YET, FAILED),
    (SUCCEEDED, CANCELED, NEVER, FAILED, PENDING, NOT_YET),
    (SUCCEEDED, PENDING, CANCELED, NEVER, NOT_YET, FAILED),
    (SUCCEEDED, CANCELED, FAILED, PENDING, NEVER, NOT_YET),
    (CANCELED, NEVER, SUCCEEDED, PENDING, NOT_YET, FAILED),
)
WORST = (
    (FAILED, PENDING, NOT_YET, SUCCEEDED, NEVER, CANCELED),
    (FAILED, SUCCEEDED, PENDING, NOT_YET, NEVER, CANCELED),
    (FAILED, NEVER, CANCELED, PENDING, NOT_YET, SUCCEEDED),
    (NEVER, CANCELED, FAILED, PENDING, NOT_YET, SUCCEEDED),
)


@lru_cache(4096)
def _worst_two(one: int, two: int) -> int:
    """All that the worse of two may be."""
    found = 0
    for first in _WORST_FIRST:
        for second in _WORST_FIRST:
            if one & first and two & second:
                found |= min(first, second, key=_WORST_FIRST.index)
    return found


def worst_of(states: Sequence[int]) -> int:
    """All that the worst of several may be."""
    found = states[0]
    for state in states[1:]:
        found = _worst_two(found, state)
    return found


@lru_cache(4096)
def _taken(states: int, order: Sequence[int]) -> int:
    return next(state for state in order if states & state)


class Numbers(NamedTuple):
    """How many devices are in which state."""

    succeeded: int
    failed: int
    pending: int
    ignored: int

    @property
    def total(self) -> int:
        """How many count."""
        return self.succeeded + self.failed + self.pending


def choose(states: Iterable[int], order: Sequence[int], not_yet_counts: bool = True) -> Numbers:
    """The numbers if each device is the first of the states in ``order`` that it may be."""
    found: Counter[int] = Counter()
    for state, number in Counter(states).items():
        found[_taken(state, order)] += number
    return Numbers(
        found[SUCCEEDED],
        found[FAILED],
        found[PENDING] + (found[NOT_YET] if not_yet_counts else 0),
        found[CANCELED],
    )


class Bounds:
    """The bounds of a policy, from what is written of its options."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def keeps(self, numbers: Numbers) -> bool:
        """Whether a rollout of these numbers may pass."""
        allowed = self.failures(numbers.succeeded + numbers.failed)
        return (
            numbers.succeeded >= self.needed(numbers.total)
            and numbers.pending <= self.late(numbers.total)
            and (allowed is None or numbers.failed <= allowed)
            and numbers.total + numbers.ignored >= self.options.get("min_devices", 0)
        )

    def breaks(self, numbers: Numbers, finished: bool) -> bool:
        """Whether a rollout of these numbers may fail: what is demanded is not kept, and cannot be any more."""
        executed = numbers.succeeded + numbers.failed
        allowed = self.failures(executed)
        enough = executed >= min(self.options.get("min_executed", 1), numbers.total)
        too_few = numbers.total + numbers.ignored < self.options.get("min_devices", 0) and finished
        out_of_reach = numbers.succeeded + numbers.pending < self.needed(numbers.total)
        return (allowed is not None and numbers.failed > allowed and enough) or out_of_reach or too_few

    def failures(self, executed: int) -> int | None:
        """How many may have failed; who tolerates devices that are late has not tolerated any that failed."""
        allowed = self._least("max_failed", "max_failed_percent", executed)
        return 0 if allowed is None and "min_succeeded_percent" not in self.options else allowed

    def late(self, total: int) -> int:
        """How many may be late."""
        return self._least("max_pending", "max_pending_percent", total) or 0

    def needed(self, total: int) -> int:
        """How many must have succeeded."""
        percent = self.options.get("min_succeeded_percent")
        if percent is not None:
            needed = ceil(Fraction(str(percent)) * total / 100)
        else:
            needed = total - (self._least("max_failed", "max_failed_percent", total) or 0) - self.late(total)
        return max(needed, 1 if total else 0)

    def _least(self, number: str, percent: str, of: int) -> int | None:
        bounds = [self.options[number]] if number in self.options else []
        if percent in self.options:
            bounds.append(floor(Fraction(str(self.options[percent])) * of / 100))
        return min(bounds, default=None)
