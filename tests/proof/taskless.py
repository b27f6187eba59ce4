# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a device without a task is, by the versions that it reports. Once it has reported the new one, it is proved."""

from __future__ import annotations

from .bounds import CANCELED, FAILED, NOT_YET, PENDING, SUCCEEDED
from .readings import Readings
from .relations import Batches
from .versions import matches, proves
from .watch import Watch
from .worlds import Batch, Device, Key


class Taskless:
    """Devices without a task. One that is gone, or whose task is, counts as ``ignored`` says."""

    def __init__(self, watch: Watch, batches: Batches, readings: Readings) -> None:
        self.watch = watch
        self.readings = readings
        self.batches = batches
        self.rollout = watch.rollout
        self.world = watch.world
        self.options = watch.rollout.options
        self.ignored = CANCELED if self.options["ignore_vanished"] else PENDING
        self.with_task = {task.device.key for batch in self.world.batches for task in batch.tasks}

    def state(self, key: Key, t: float, sight: bool) -> int:
        """A device that has no task so far."""
        if self.rollout.expected is None:
            return NOT_YET
        proved = 0 if sight else self._by_last_reading(key, t)
        if self.readings.alone and not sight:
            return proved or PENDING
        if proved == SUCCEEDED:
            return SUCCEEDED
        return proved & SUCCEEDED | self._by_report(key, t, sight)

    def _by_last_reading(self, key: Key, t: float) -> int:
        """Whether a device is proved by its last reading; with more than one state, nobody knows."""
        read, device = self.readings.last(key, t), self.world.device(key)
        if read is None or device is None or device.iot.at(read - self.world.lags.versions) is None:
            return 0
        if device.unreadable or self._on_targets(device, read) == "none":
            return 0
        own = [batch for batch in self.world.batches if batch.package.product == device.product]
        plain = key not in self.with_task and self.options.get("version_match", "exact") == "exact"
        plain = plain and all(self.on_target(device, batch, read) == "yes" for batch in own)
        return SUCCEEDED | (0 if plain else PENDING)

    def _by_report(self, key: Key, t: float, sight: bool) -> int:
        """A device without a task by what it reports at a moment."""
        device = self.world.device(key)
        over = self.watch.no_more_tasks(t)
        if device is None or device.iot.at(t - self.world.lags.versions) is None:
            return self.ignored | PENDING | (FAILED if over else 0)
        if sight:
            return SUCCEEDED | PENDING
        if device.unreadable:
            return PENDING
        there = self._on_targets(device, t)
        if there == "all":
            return SUCCEEDED
        result = SUCCEEDED | PENDING if there == "some" else 0
        if self._was_on_target(device, t):  # it may have been seen to fall back
            result |= FAILED
        unclear = self._is_unclear(device, t)
        if over and unclear != "yes":
            settled = t >= self.watch.settled_at() + self.watch.grace + self.watch.slack and unclear == "no"
            return result | FAILED | (0 if settled else PENDING)
        return result | PENDING

    def _is_unclear(self, device: Device, t: float) -> str:
        """Whether a device without a task stays late, as nobody knows of which module, or as it reports no version."""
        own = [batch for batch in self.world.batches if batch.package.product == device.product]
        found = [{self._has_no_version(device, batch, t) for batch in last} for last in self.batches.deciding(own)]
        if all("yes" in answers for answers in found):
            return "yes"
        return "no" if all(answers == {"no"} for answers in found) else "maybe"

    def _has_no_version(self, device: Device, batch: Batch, t: float) -> str:
        lines = [device.versions.get(module or "") for module in self.batches.modules(batch)]
        lacks = {line is None or line.at(t - self.world.lags.versions) is None for line in lines}
        return "maybe" if len(lacks) > 1 else "yes" if True in lacks else "no"

    def _on_targets(self, device: Device, t: float) -> str:
        """Whether a device is on ``all``, ``some`` or ``none`` of the versions that batches bring to its product."""
        own = [batch for batch in self.world.batches if batch.package.product == device.product]
        last = self.batches.deciding(own)[0]
        found = {self.on_target(device, batch, t) for batch in own}
        ends = {self.on_target(device, batch, t) for batch in last}
        if ends == {"yes"}:
            return "all"
        return "none" if found == {"no"} else "some"

    def _was_on_target(self, device: Device, t: float) -> bool:
        """Whether a device has been on the version of a batch since somebody looked."""
        seen, begins = t - self.world.lags.versions, self.rollout.begins
        changes = [moment for line in device.versions.values() for moment in line.moments if begins < moment <= seen]
        return any(
            self._on_targets(device, moment + self.world.lags.versions) != "none" for moment in (begins, *changes)
        )

    def on_target(self, device: Device, batch: Batch, t: float) -> str:
        """Whether a device reports the version of a batch for its module: ``yes``, ``no``, or ``maybe``."""
        found = set()
        for module in self.batches.modules(batch):
            line = None if module is None else device.versions.get(module)
            version = line.at(t - self.world.lags.versions) if line else None
            found.add("no" if version is None else self._proves_alone(batch, version))
        return found.pop() if len(found) == 1 else "maybe"

    def _proves_alone(self, batch: Batch, version: str) -> str:
        """Whether a version proves that a device without a task is on that of a batch."""
        mode, dest = self.options.get("version_match", "exact"), batch.package.dest
        if not matches(mode, version, dest):
            return "no"
        return "yes" if proves(mode, version, dest, [batch.package.source]) else "maybe"
