# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which verdicts the truth allows at a moment. It knows nothing of the gate's code.

While requests take time, each device may have been seen at any of the moments at which something was asked in the last
look; where states are shown wrong in single looks, also in the look before, because that hides what came since.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from .bounds import BEST, CANCELED, NEVER, NOT_YET, WORST, Bounds, choose
from .clocks import Look
from .demand import Demand
from .oracle import Devices
from .readings import Readings
from .rollouts import Rollout
from .worlds import Batch, Key, Task


def _may_not_count(state: int) -> bool:
    """Whether a device may be one that does not count."""
    return not state & ~NOT_YET or bool(state & (CANCELED | NEVER))


class Truth:
    """What is really so in a rollout that was looked at."""

    def __init__(self, rollout: Rollout, looks: Sequence[Look]) -> None:
        self.rollout = rollout
        self.options = rollout.options
        self.world = rollout.world
        self.readings = Readings(looks)
        self.devices = Devices(rollout, looks, self.readings)
        self.watch = self.devices.watch
        self.batches = self.devices.batches
        self.demand = Demand(rollout, self.batches)
        self.bounds = Bounds(rollout.options)
        self.changes = self.world.changes()

    # Moments

    def between(self, first: float, last: float) -> list[float]:
        """Moments that stand for all from the first to the last: these two, and those at which something changes."""
        inside = self.changes[bisect_right(self.changes, first) : bisect_right(self.changes, last)]
        extra = []
        for batch in self.world.batches:
            done = [task.course.moments[-1] for task in batch.tasks if task.course.values[-1].status == "SUCCEEDED"]
            graces = {moment + self.options["version_grace"] + self.world.lags.rows for moment in done}
            ends = {batch.ended + self.options["start_grace"], *sorted(graces)[:40]}
            extra += [moment for moment in ends if first < moment <= last]
        return sorted({first, *inside[:40], *extra, last})

    def of_look(self, look: Look) -> list[float]:
        """The moments of a look."""
        first, last = look.moments[0], look.moments[-1]
        return [first] if first == last else self.between(first, last)

    # Verdicts

    def kept(self, moments: Sequence[float], sight: bool = False) -> bool:
        """Whether the policy is kept, if each device is taken at the best of the ``moments``."""
        choices = self._choices(moments, sight)
        if any(self._empty(choices, order) for order in BEST) and self._may_be_empty(moments):
            return True
        not_yet = (True, False) if self.watch.is_quiet(moments[-1]) else (True,)
        found = (choose(choices, order, counts) for order in BEST for counts in not_yet)
        return any(numbers.total > 0 and self.bounds.keeps(numbers) for numbers in found)

    def broken(self, moments: Sequence[float]) -> bool:
        """Whether the policy is broken, or cannot be kept any more, if each device is taken at its worst.

        A device whose task has finished belongs to the sample, whatever its version proves.
        """
        return any(self._breaks(self._choices(moments, sight), moments) for sight in (False, True))

    def _breaks(self, choices: Sequence[int], moments: Sequence[float]) -> bool:
        over = any(self.watch.no_more_tasks(t) for t in moments)
        for order in WORST:
            for counts in (True, False):
                numbers = choose(choices, order, counts)
                if self.bounds.breaks(numbers, over):
                    return True
        return False

    def _choices(self, moments: Sequence[float], sight: bool) -> list[int]:
        found: dict[object, int] = {}
        for t in moments:
            for key, state in self.devices.states(t, sight).items():
                found[key] = found.get(key, 0) | state
        return list(found.values())

    def _empty(self, choices: Iterable[int], order: Sequence[int]) -> bool:
        numbers = choose((state & ~NOT_YET or state for state in choices), order)
        return numbers.total == 0

    def _may_be_empty(self, moments: Sequence[float]) -> bool:
        named = self.rollout.expected is not None or "min_devices" in self.options
        over = any(self.watch.finished(t) for t in moments)
        return bool(self.options["allow_empty"]) and not named and over and not any(self._tasks(moments))

    def _tasks(self, moments: Sequence[float]) -> list[bool]:
        return [
            any(self.world.shown(batch, t, counted) for t in moments for counted in (False, True))
            for batch in self.world.batches
        ]

    def nothing(self, moments: Sequence[float]) -> bool:
        """Whether no device may count, if each is taken at one of the ``moments``."""
        seen = [self.devices.states(t) for t in moments]
        return all(any(_may_not_count(states[key]) for states in seen) for key in seen[0])

    def unbegun(self, moments: Sequence[float], surely: bool = False) -> list[Batch]:
        """The batches that have not begun, or have no task that accounts for them.

        The others may have begun as far as anybody could see, or must have if ``surely``.
        """
        return [batch for batch in self.world.batches if not self._begun(batch, moments, surely)]

    def _begun(self, batch: Batch, moments: Sequence[float], surely: bool) -> bool:
        states = {batch.status.at(t - self.world.lags.job) for t in moments}
        if states == {"PLANNED"}:
            return False
        if any(self.counting(batch, t) for t in moments):
            return True
        left_out = self.options["ignore_canceled"] or self.options["ignore_vanished"]
        had, may_have = (
            any(self.watch.was_seen(task, moments[-1], sure) for task in batch.tasks) for sure in (surely, not surely)
        )
        if had and not left_out:
            return True
        if self.options["allow_empty"] and "COMPLETED" in states and not (may_have and left_out):
            return True
        return any(self._is_proved(batch, t, surely) for t in moments)

    def counting(self, batch: Batch, t: float) -> list[Task]:
        """The tasks of a batch that are shown and count."""
        shown, seen = self.world.shown(batch, t), t - self.world.lags.rows
        if not self.options["ignore_canceled"]:
            return shown
        return [task for task in shown if task.course.at(seen).status != "CANCELED"]

    def _is_proved(self, batch: Batch, t: float, surely: bool) -> bool:
        """Whether an expected device without a task is on the version of a batch."""
        for key, _iot in self.devices.keys if self.rollout.expected is not None else ():
            device = self.world.device(key)
            if device is None or key[0] != batch.package.product or device.unreadable:
                continue
            own = [
                task for tasks in self.devices.tasks.get(key, {}).values() for _batch, found in tasks for task in found
            ]
            if any(self.watch.was_seen(task, t, not surely) for task in own):
                continue
            read = None if surely else self.readings.last(key, t)
            found = {self.devices.taskless.on_target(device, batch, at) for at in (t, read) if at is not None}
            if found & ({"yes"} if surely else {"yes", "maybe"}):
                return True
        return False

    def canceled(self, t: float) -> bool:
        """Whether a batch is canceled, all are over, and nothing can change any more."""
        states = [batch.status.at(t - self.world.lags.job) for batch in self.world.batches]
        return "CANCELED" in states and self.watch.finished(t)

    def vanished(self, moments: Sequence[float]) -> list[Key]:
        """The devices that may have vanished."""
        found = []
        for key, _iot in self.devices.keys:
            device = self.world.device(key)
            own = [each for tasks in self.devices.tasks.get(key, {}).values() for each in tasks]
            tasks = [task for _batch, tasks in own for task in tasks]
            gone = device is None or any(
                device.iot.at(t - self.world.lags.versions) != device.iot.values[0] for t in moments
            )
            if gone or any(task.gone < moments[-1] for task in tasks):
                found.append(key)
        return found
