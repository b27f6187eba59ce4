# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each device of a rollout really is at a moment, as far as anybody could see. It knows nothing of the gate.

A device is judged by the latest of its tasks within a batch, and by the worst over the batches. Its task is proved by
the version of that batch's module, on that device of that product. Where a right gate may see one thing or another,
because that depends on when it asked before, both are possible:

* A device that has been on the target, and is on its old version again while it could still be late, is either.
* A device with an unfinished task in one batch may not have been asked for its version in another.
* A task that vanished before the first look was never known.
* Where it depends on when an open task was seen whether a batch's module can be known, it may be unknown.
* A device without a task, where batches bring several modules, is on some of the targets and not on others.
"""

from __future__ import annotations

from collections.abc import Sequence

from .batch_tasks import BatchTasks, Tasks
from .bounds import NEVER, PENDING, worst_of
from .clocks import Look
from .proven import Proven
from .readings import Readings
from .relations import Batches
from .rollouts import Rollout
from .taskless import Taskless
from .watch import Watch
from .worlds import EVER, Batch, Key, Task


def _last_created(tasks: Tasks) -> float:
    """When the last of the tasks was created."""
    return max(task.created for _batch, own in tasks for task in own)


class Devices:
    """The devices that count, and what each is at which moment. ``looks`` are those that were taken."""

    def __init__(self, rollout: Rollout, looks: Sequence[Look], readings: Readings) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.options = rollout.options
        self.watch = Watch(rollout, looks)
        self.batches = Batches(rollout)
        self.unsure = self._unsure_names()
        self.tasks = self._by_device()
        self.keys = self._counted()
        self.taskless = Taskless(self.watch, self.batches, readings)
        proven = Proven(self.watch, self.batches, self.taskless, readings)
        self.batch_tasks = BatchTasks(self.watch, proven, self.tasks)
        self.known: dict[tuple[float, bool], dict[tuple[Key, str | None], int]] = {}

    def _unsure_names(self) -> set[Key]:
        """The names of which nobody tells which task came later, so that several devices may seem to be one."""
        begins, last = self.rollout.begins, self.watch.last_look
        tasks = (task for batch in self.world.batches for task in batch.tasks)
        return {
            task.device.key for task in tasks if not task.told_create and task.gone > begins and task.created <= last
        }

    def _by_device(self) -> dict[Key, dict[str, Tasks]]:
        """The tasks of each product and name, and of each device that has the name, where they can be told apart."""
        found: dict[Key, dict[str, Tasks]] = {}
        asks = self.options["verify_versions"]  # a device tells which one it is
        for batch in self.world.batches:
            own: dict[tuple[Key, str], list[Task]] = {}
            for task in batch.tasks:
                told = "iot" in self.world.tells and (asks or task.device.key not in self.unsure)
                own.setdefault((task.device.key, task.iot_id if told else ""), []).append(task)
            for (key, identity), tasks in own.items():
                found.setdefault(key, {}).setdefault(identity, []).append((batch, tasks))
        return found

    def _counted(self) -> list[tuple[Key, str | None]]:
        """The devices that count: those that are expected, whatever device that is, or all that ever get a task."""
        if self.rollout.expected is None:
            return [(key, iot_id) for key, devices in sorted(self.tasks.items()) for iot_id in sorted(devices)]
        sole = self.world.batches[0].package.product
        names = dict.fromkeys((product or sole, name) for product, name in self.rollout.expected)
        return [(key, None) for key in names]

    def states(self, t: float, sight: bool = False) -> dict[tuple[Key, str | None], int]:
        """What each device that counts may be at a moment; at ``sight``, as far as the states of its tasks tell."""
        if (t, sight) not in self.known:
            self.known[t, sight] = {(key, iot): self._state(key, iot, t, sight) for key, iot in self.keys}
        return self.known[t, sight]

    def states_of(self, key: Key, t: float, sight: bool = False) -> list[int]:
        """What the devices of one name may be at a moment, each by itself."""
        return [self._state(each, iot, t, sight) for each, iot in self.keys if each == key]

    def _state(self, key: Key, iot_id: str | None, t: float, sight: bool) -> int:
        """What one device may be, as a sum of states."""
        devices = self.tasks.get(key, {})
        if iot_id is not None or len(devices) < 2:
            tasks = devices[iot_id] if iot_id is not None else next(iter(devices.values()), [])
            state = self._by_batches(key, tasks, t, sight)
            if len(devices) > 1 and key in self.unsure:
                state |= self._as_one(key, iot_id or "", t, sight)
            if state & NEVER and self.rollout.expected is not None:
                return state & ~NEVER | self.taskless.state(key, t, sight)
            return state or self.taskless.state(key, t, sight)
        device = self.world.device(key)
        today = device and device.iot.at(t - self.world.lags.versions)
        found = {iot: self._by_batches(key, tasks, t, sight) for iot, tasks in devices.items()}
        states = [state for state in found.values() if state]
        result = found.get(today or "") or self.taskless.state(key, t, sight)
        # Its tasks may show the latest device earlier, or alone, where nobody asks which one there is.
        if states and (self.world.lags.versions or not self.options["verify_versions"]):
            latest = max(devices, key=lambda iot: _last_created(devices[iot]) if found[iot] else -EVER)
            result |= found[latest]
        return result | (worst_of(states) if states else 0)

    def _as_one(self, key: Key, iot_id: str, t: float, sight: bool) -> int:
        """What one of several devices of a name may be if they seem to be one: the worst of all, or nothing."""
        devices = self.tasks[key]
        if iot_id != max(devices, key=lambda identity: _last_created(devices[identity])):
            return NEVER
        states = [self._by_batches(key, tasks, t, sight) for tasks in devices.values()]
        return worst_of([state for state in states if state] or [0])

    def _by_batches(self, key: Key, tasks: Tasks, t: float, sight: bool) -> int:
        """What a device may be by its tasks in all batches; 0 if it has none so far."""
        found = {batch.job_id: self.batch_tasks.state(key, batch, own, t, sight) for batch, own in tasks}
        surely = [(batch, own) for batch, own in tasks if found[batch.job_id] and not found[batch.job_id] & NEVER]
        result = NEVER if not surely and any(found.values()) else 0
        if surely and any(state & NEVER for state in found.values()):  # these may be all that is seen
            result = self._by_batches(key, surely, t, sight)
        found = {job_id: state & ~NEVER for job_id, state in found.items()}
        with_task = [batch for batch, _own in tasks if found[batch.job_id]]
        if not with_task:
            return result
        for chosen in self.batches.deciding(with_task):
            last = worst_of([found[batch.job_id] for batch in chosen])
            lost = [self._is_lost(key, batch, own, t) for batch, own in tasks if batch in chosen]
            result |= 0 if set(lost) == {"surely"} and len(chosen) < len(with_task) else last
            if any(lost):  # the stages before it count too, lest their failures be hidden
                result |= self._with_earlier(found, chosen, with_task)
        if not sight and len(with_task) > 1:  # nobody asks for the version of a device that is not done elsewhere
            result |= self._by_batches(key, tasks, t, sight=True) & PENDING
        return result

    def _with_earlier(self, found: dict[str, int], chosen: Sequence[Batch], with_task: Sequence[Batch]) -> int:
        """What a device may be whose last stage never came: all stages count, or as many of the last ones."""
        states = [found[batch.job_id] for batch in chosen]
        rest = [batch for batch in with_task if batch not in chosen]
        result = self.taskless.ignored if rest and self.options["ignore_vanished"] else 0
        while rest:
            before = self.batches.deciding(rest)[0] or rest
            states += [found[batch.job_id] for batch in before]
            rest = [batch for batch in rest if batch not in before]
            result |= worst_of(states)
        return result

    def _is_lost(self, key: Key, batch: Batch, tasks: Sequence[Task], t: float) -> str:
        """Whether the task of a later stage never came to anything: ``surely``, ``maybe``, or not at all."""
        seen = t - self.world.lags.rows
        shown = [task for task in tasks if task.created <= seen < task.gone]
        canceled = [task for task in shown if task.course.at(seen).status == "CANCELED"]
        if len(canceled) == len(shown) and (not shown or self.options["ignore_canceled"]):
            device = self.world.device(key)
            reached = device is None or self.taskless.on_target(device, batch, t) != "no"
            return "maybe" if reached else "surely"
        left_out = bool(canceled) and self.options["ignore_canceled"]
        return "maybe" if left_out or any(self.watch.is_another(task, t) for task in shown) else ""
