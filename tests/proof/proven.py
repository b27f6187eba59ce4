# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a device whose task succeeded is, by the version that it reports.

A device that has reported the new version since its task succeeded is proved, until its task changes. Else it is what
it would report now: an earlier report speaks against nobody.
"""

from __future__ import annotations

from .bounds import FAILED, PENDING, SUCCEEDED
from .readings import Readings
from .relations import Batches
from .taskless import Taskless
from .versions import matches, proves
from .watch import UNSURE, Watch
from .worlds import EVER, Batch, Key, Task

#: What lies closer together, in seconds, a clock of whole seconds does not tell apart.
TOLD_APART = 1.0


class Proven:
    """Devices whose tasks succeeded."""

    def __init__(self, watch: Watch, batches: Batches, taskless: Taskless, readings: Readings) -> None:
        self.watch = watch
        self.readings = readings
        self.batches = batches
        self.taskless = taskless
        self.rollout = watch.rollout
        self.world = watch.world
        self.options = watch.rollout.options
        # So long before its answer a question may have been asked, which is tried again if it fails on the wire.
        self.lead = EVER if self.rollout.wire and self.rollout.trouble else self._slow()

    def _slow(self) -> float:
        return float(self.rollout.trouble.get("slow", {}).get("seconds", 0.0))

    def state(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """A device whose task succeeded, by the versions it has reported, and by what it reports at a moment."""
        proved = self._by_last_reading(batch, task, since, t)
        if self.readings.alone and proved != SUCCEEDED:
            today = self.gone_device(task.device.key, t) if self.watch.is_another(task, t) else 0
            return (proved | today) & SUCCEEDED | PENDING
        if proved == SUCCEEDED:
            return SUCCEEDED
        return proved & SUCCEEDED | self._by_report(batch, task, since, t)

    def _by_last_reading(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """Whether a device is proved by its last reading; with more than one state, nobody knows."""
        read, device = self.readings.last(task.device.key, t), task.device
        if read is None or read < self._seen_since(task, since, t) - TOLD_APART - UNSURE:
            return 0
        if device.iot.at(read - self.world.lags.versions) is None or self.watch.is_another(task, read):
            return 0
        # Who is not told when the task succeeded, or was shown it in another state since then, takes it for later.
        # So does who measures it to be before another change that was seen.
        before = max((moment for moment in task.course.moments if moment < since), default=-EVER)
        plain = task.told_modified and "flap" not in self.rollout.trouble and since - before >= 2 * UNSURE
        plain = plain and read - self.lead >= since + UNSURE
        return self._by_modules(batch, task, since, t, read) | (0 if plain else PENDING)

    def _seen_since(self, task: Task, since: float, t: float) -> float:
        """Since when a task has succeeded: where that is not told, when it was last seen in another state."""
        if task.told_modified:
            return since
        others = [task.created]
        for look in self.watch.looks:
            ends = (look.moments[0], look.moments[-1])
            states = {task.course.at(moment - self.world.lags.rows).status for moment in ends}
            if ends[1] <= t and not look.errors and not look.bent and "SUCCEEDED" not in states:
                others.append(ends[0])
        return max(others)

    def _by_report(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """A device by what it reports at a moment."""
        device = task.device
        if device.iot.at(t - self.world.lags.versions) is None or self.watch.is_another(task, t):
            return self.gone_device(device.key, t) | (PENDING if device.unreadable else 0)
        return self._by_modules(batch, task, since, t, t)

    def _by_modules(self, batch: Batch, task: Task, since: float, t: float, read: float) -> int:
        """A device by the versions of its modules at a moment, when they were ``read`` before."""
        device, result = task.device, 0
        for module in self.batches.modules(batch):
            if device.unreadable and (module is not None or device.unreadable != "other"):
                result |= PENDING
            elif module is None:
                result |= self._by_all_modules(batch, task, since, t, read)
            else:
                result |= self._by_version(batch, task, module, since, t, read)
        return result

    def _by_all_modules(self, batch: Batch, task: Task, since: float, t: float, read: float) -> int:
        """Where the module cannot be known, all that a device reports must be on the version, or none may be.

        Where another batch brings another version, that may be the later stage, and none may be for that.
        """
        seen = read - self.world.lags.versions
        modules = [module for module, line in task.device.versions.items() if line.at(seen) is not None]
        if task.device.unreadable:  # but for one of them, which has another name
            modules = modules[:1]
        found = {self._by_version(batch, task, module, since, t, read) for module in modules}
        if found == {SUCCEEDED}:
            return SUCCEEDED
        own = (other.package for other in self.world.batches if other.package.product == batch.package.product)
        if SUCCEEDED in found or any(package.dest != batch.package.dest for package in own):
            return PENDING
        either = 0  # nobody knows by which of them it is judged
        for state in found:
            either |= state
        return either or PENDING

    def _by_version(self, batch: Batch, task: Task, module: str, since: float, t: float, read: float) -> int:
        line, seen = task.device.versions.get(module), read - self.world.lags.versions
        version = line.at(seen) if line else None
        if line is None or version is None:
            return PENDING
        mode, dest = self.options.get("version_match", "exact"), batch.package.dest
        told = [task.source] if "sources" in self.world.tells else []
        before = [*told, *([batch.package.source] if batch.told.get("src_versions") else [])]
        proved = {proves(mode, version, dest, {*before, *others}) for others in self._other_sources(batch, t)}
        if proved == {True}:
            return SUCCEEDED
        state = SUCCEEDED if True in proved else 0
        if before and not any(matches(mode, version, source) for source in before):
            return state | FAILED
        was_there = any(
            matches(mode, value, dest)
            for moment, value in zip(line.moments, line.values)
            if value is not None and moment <= seen
        )
        return state | self._late(task, since, t, was_there or (bool(before) and version not in told))

    def _other_sources(self, batch: Batch, t: float) -> list[list[str]]:
        """What the tasks of a batch replace, of those that are there, and of those that were."""
        if "sources" not in self.world.tells:
            return [[]]
        were = [task for task in batch.tasks if task.created <= t - self.world.lags.rows]
        return [[task.source for task in tasks] for tasks in (self.world.shown(batch, t), were)]

    def _late(self, task: Task, since: float, t: float, is_final: bool) -> int:
        """A device with the version from before, which is ``is_final`` where it was on the new one already."""
        grace = self.options["version_grace"]
        if t < since + grace:
            return PENDING | (FAILED if is_final or t >= since + grace - UNSURE else 0)
        late = max(since, self.watch.first_look if not task.told_modified else since) + grace + self.world.lags.rows
        return FAILED | (PENDING if t < late + (0 if task.told_modified else self.watch.slack) else 0)

    def gone_device(self, key: Key, t: float) -> int:
        """A device that vanished; of an expected name, the device of today counts."""
        device = self.world.device(key)
        if self.rollout.expected is None or device is None or device.iot.at(t - self.world.lags.versions) is None:
            return self.taskless.ignored
        return self.taskless.state(key, t, False) | self.taskless.ignored
