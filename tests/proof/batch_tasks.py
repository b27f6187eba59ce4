# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a device is by its tasks in one batch: by the latest of them, as far as anybody could know which that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .bounds import CANCELED, FAILED, NEVER, PENDING, SUCCEEDED, worst_of
from .proven import Proven
from .watch import UNSURE, Watch
from .worlds import FINISHED_BATCH, UNFINISHED, Batch, Key, Task

#: What makes it a matter of luck whether a row is shown, and whose it is.
LOSING_ROWS = {"hidden", "nameless", "repeated", "shift", "shrinks"}

Tasks = list[tuple[Batch, list[Task]]]


class BatchTasks:
    """The tasks of devices, batch by batch. ``tasks`` are all, by product and name, and by device."""

    def __init__(self, watch: Watch, proven: Proven, tasks: Mapping[Key, Mapping[str, Tasks]]) -> None:
        self.watch = watch
        self.proven = proven
        self.taskless = proven.taskless
        self.tasks = tasks
        self.rollout = watch.rollout
        self.world = watch.world
        self.options = watch.rollout.options
        self.verifies = bool(self.options["verify_versions"])

    def state(self, key: Key, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
        """What a device is by its tasks in one batch; 0 if it has none there."""
        seen = t - self.world.lags.rows
        shown = [task for task in tasks if task.created <= seen < task.gone]
        if shown:
            return self._by_tasks(batch, shown, t, sight) | self._but_for_hidden(key, batch, shown, t, sight)
        if any(task.gone <= seen for task in tasks):
            return self._gone_task(key, tasks, t, sight)
        return 0

    def _gone_task(self, key: Key, tasks: Sequence[Task], t: float, sight: bool) -> int:
        """What a device is whose tasks in a batch are all gone or hidden."""
        seen = t - self.world.lags.rows
        left_out = self.options["ignore_canceled"] and any(
            task.course.at(min(task.gone, seen)).status == "CANCELED" for task in tasks
        )
        gone = self.taskless.ignored | (CANCELED if left_out else 0)
        if not any(self.watch.was_seen(task, t, surely=False) for task in tasks):
            return NEVER
        gone |= 0 if any(self.watch.was_seen(task, t, surely=True) for task in tasks) else NEVER
        return gone | self._by_version(key, t, sight)

    def _by_version(self, key: Key, t: float, sight: bool) -> int:
        """What its version proves of an expected device whose task is gone."""
        return 0 if self.rollout.expected is None else self.taskless.state(key, t, sight)

    def _but_for_hidden(self, key: Key, batch: Batch, shown: Sequence[Task], t: float, sight: bool) -> int:
        """What a device may be while the service leaves out rows, which may be those of its later tasks."""
        tasks, last, result = sorted(shown, key=lambda task: task.created), self.world.shown(batch, t)[-1], 0
        for number in range(len(tasks)):
            later = tasks[number:]
            if not (self.watch.hides(t, "hidden") or (later == [last] and self.watch.hides(t, "shrinks"))):
                continue
            if number == 0:
                result |= self._gone_task(key, tasks, t, sight)
            elif any(self.watch.is_shown(task, look, t) for task in later for look in self.watch.looks):
                result |= self.taskless.ignored | self._by_version(key, t, sight)
            else:
                result |= self._by_tasks(batch, tasks[:number], t, sight)
        return result

    def _by_tasks(self, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
        if self.options["ignore_canceled"]:  # they do not count at all, where there are others
            seen = t - self.world.lags.rows
            tasks = [task for task in tasks if task.course.at(seen).status != "CANCELED"] or tasks
        if len(tasks) == 1:
            return self._by_task(batch, tasks[0], t, sight)
        if all(task.told_create for task in tasks):
            seen = t - self.world.lags.rows
            latest = max(tasks, key=lambda task: (task.created, task.course.since(seen)))
            return self._by_task(batch, latest, t, sight)
        worst = worst_of([self._by_task(batch, task, t, sight) for task in tasks])
        if sight:
            return worst
        # Nobody asks for the version of a device that may have an unfinished task.
        return worst | worst_of([self._by_task(batch, task, t, True) for task in tasks]) & PENDING

    def _by_task(self, batch: Batch, task: Task, t: float, sight: bool) -> int:
        seen = t - self.world.lags.rows
        if self.rollout.expected is None and self._has_successor(task, seen):
            # The tasks alone tell it, so that nobody needs a version, unless the device itself says that it is there.
            is_there = self.verifies and not sight and not self.watch.is_another(task, t)
            return self.taskless.ignored | (self._by_status(batch, task, t, sight) if is_there else 0)
        return self._by_status(batch, task, t, sight)

    def _by_status(self, batch: Batch, task: Task, t: float, sight: bool) -> int:
        seen = t - self.world.lags.rows
        step, since = task.course.at(seen), task.course.since(seen)
        if step.status in UNFINISHED:
            state = PENDING
        elif step.status == "CANCELED":
            state = CANCELED if self.options["ignore_canceled"] else FAILED
        elif step.status == "FAILED":
            state = self._failed(batch, task, since, t)
        elif sight or not self.verifies:
            state = SUCCEEDED
        else:
            return self.proven.state(batch, task, since, t)
        if self.watch.is_another(task, t):
            state |= self.proven.gone_device(task.device.key, t)
        return state

    def _failed(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """A failed task may be tried again for a while, unless it timed out."""
        finished = batch.status.at(t - self.world.lags.job) in FINISHED_BATCH
        timed_out = task.course.at(since).cause == "timeout"
        until = since + batch.retry_seconds
        if finished or timed_out or batch.retries == 0 or until <= since:
            return FAILED
        if t < until:
            course = task.course
            first = min(moment for moment, step in zip(course.moments, course.values) if step.status == "FAILED")
            # Where it is not told when it failed, a try between two looks is not seen.
            seen = since if task.told_modified else first
            return PENDING | (FAILED if t >= seen + batch.retry_seconds - UNSURE else 0)
        # Where it is not told when it failed, it is when somebody first saw it, maybe in the next look.
        if not task.told_modified and t < max(until, self.watch.first_look + batch.retry_seconds) + self.watch.slack:
            return PENDING | FAILED
        return FAILED

    def _has_successor(self, task: Task, seen: float) -> bool:
        """Whether the latest task of that name that is shown is of another device, and they can be told apart."""
        devices = self.tasks[task.device.key]
        if len(devices) < 2 or LOSING_ROWS & set(self.rollout.trouble):
            return False
        named = [each for tasks in devices.values() for _batch, own in tasks for each in own]
        if not all(each.told_create for each in named):
            return False
        latest = max((each for each in named if each.created <= seen < each.gone), key=lambda each: each.created)
        return latest.iot_id != task.iot_id
