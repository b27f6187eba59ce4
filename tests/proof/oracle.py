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

from .bounds import CANCELED, FAILED, NEVER, NOT_YET, PENDING, SUCCEEDED, worst_of
from .clocks import Look
from .relations import Batches
from .rollouts import Rollout
from .versions import matches, proves
from .worlds import EVER, FINISHED_BATCH, UNFINISHED, Batch, Device, Task

#: How far the measurement of the service's clock may be off, in seconds.
UNSURE = 0.6

#: What makes it a matter of luck whether a row is shown, and whose it is.
LOSING_ROWS = {"hidden", "nameless", "repeated", "shift", "shrinks"}

Key = tuple[str, str]
Tasks = list[tuple[Batch, list[Task]]]


def _last_created(tasks: Tasks) -> float:
    """When the last of the tasks was created."""
    return max(task.created for _batch, own in tasks for task in own)


class Devices:
    """The devices that count, and what each is at which moment. ``looks`` are those that were taken."""

    def __init__(self, rollout: Rollout, looks: Sequence[Look]) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.options = rollout.options
        self.looks = looks
        self.grace = float(self.options["start_grace"])
        self.verifies = bool(self.options["verify_versions"])
        self.ignored = CANCELED if self.options["ignore_vanished"] else PENDING
        self.batches = Batches(rollout)
        self.last_look = max((look.moments[-1] for look in looks), default=EVER)
        self.tasks = self._by_device()
        self.keys = self._counted()
        self.known: dict[tuple[float, bool], dict[tuple[Key, str | None], int]] = {}
        self.first_look = next((look.moments[0] for look in looks if not look.errors and not look.bent), EVER)

    def _by_device(self) -> dict[Key, dict[str, Tasks]]:
        """The tasks of each product and name, and of each device that has the name, where they can be told apart.

        They cannot if nobody tells which of them came later.
        """
        found: dict[Key, dict[str, Tasks]] = {}
        unsure = {
            task.device.key
            for batch in self.world.batches
            for task in batch.tasks
            if not task.told_create and task.gone > self.rollout.begins and task.created <= self.last_look
        }
        for batch in self.world.batches:
            own: dict[tuple[Key, str], list[Task]] = {}
            for task in batch.tasks:
                told = "iot" in self.world.tells and task.device.key not in unsure
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

    # What they are

    def states(self, t: float, sight: bool = False) -> dict[tuple[Key, str | None], int]:
        """What each device that counts may be at a moment; at ``sight``, as far as the states of its tasks tell."""
        if (t, sight) not in self.known:
            self.known[t, sight] = {(key, iot): self._state(key, iot, t, sight) for key, iot in self.keys}
        return self.known[t, sight]

    def _state(self, key: Key, iot_id: str | None, t: float, sight: bool) -> int:
        """What one device may be, as a sum of states."""
        devices = self.tasks.get(key, {})
        if iot_id is not None or len(devices) < 2:
            tasks = devices[iot_id] if iot_id is not None else next(iter(devices.values()), [])
            state = self._by_batches(key, tasks, t, sight)
            if state & NEVER and self.rollout.expected is not None:
                return state & ~NEVER | self._without_task(key, t, sight)
            return state or self._without_task(key, t, sight)
        device = self.world.device(key)
        today = device and device.iot.at(t - self.world.lags.versions)
        found = {iot: self._by_batches(key, tasks, t, sight) for iot, tasks in devices.items()}
        states = [state for state in found.values() if state]
        result = found.get(today or "") or self._without_task(key, t, sight)
        if states and self.world.lags.versions:  # its tasks may show the latest device earlier
            latest = max(devices, key=lambda iot: _last_created(devices[iot]) if found[iot] else -EVER)
            result |= found[latest]
        return result | (worst_of(states) if states else 0)

    def _by_batches(self, key: Key, tasks: Tasks, t: float, sight: bool) -> int:
        """What a device may be by its tasks in all batches; 0 if it has none so far."""
        found = {batch.job_id: self._task(key, batch, own, t, sight) for batch, own in tasks}
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
        result = self.ignored if rest and self.options["ignore_vanished"] else 0
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
            reached = device is None or self.on_target(device, batch, t) != "no"
            return "maybe" if reached else "surely"
        left_out = bool(canceled) and self.options["ignore_canceled"]
        return "maybe" if left_out or any(self._is_another(task, t) for task in shown) else ""

    def _task(self, key: Key, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
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
        gone = self.ignored | (CANCELED if left_out else 0)
        if not any(self.was_seen(task, t, surely=False) for task in tasks):
            return NEVER
        gone |= 0 if any(self.was_seen(task, t, surely=True) for task in tasks) else NEVER
        # Its version may prove an expected device all the same.
        return gone | (0 if self.rollout.expected is None else self._without_task(key, t, sight))

    def _but_for_hidden(self, key: Key, batch: Batch, shown: Sequence[Task], t: float, sight: bool) -> int:
        """What a device may be while the service leaves out rows, which may be those of its later tasks."""
        tasks, last, result = sorted(shown, key=lambda task: task.created), self.world.shown(batch, t)[-1], 0
        for number in range(len(tasks)):
            later = tasks[number:]
            if not (self._hides(t, "hidden") or (later == [last] and self._hides(t, "shrinks"))):
                continue
            if number == 0:
                result |= self._gone_task(key, tasks, t, sight)
            elif any(self._is_shown(task, look, t) for task in later for look in self.looks):
                result |= self.ignored | (0 if self.rollout.expected is None else self._without_task(key, t, sight))
            else:
                result |= self._by_tasks(batch, tasks[:number], t, sight)
        return result

    def _hides(self, t: float, name: str) -> bool:
        """Whether the service leaves out rows of lists, as many as it likes if they are ``hidden``."""
        trouble = self.rollout.trouble.get(name)
        return trouble is not None and trouble["at"] <= t < trouble["until"]

    def _is_shown(self, task: Task, look: Look, t: float) -> bool:
        """Whether a look before ``t`` was surely shown a task."""
        began = look.moments[0]
        return not look.errors and not look.bent and began < t and task.created + self.world.lags.rows <= began

    def _by_tasks(self, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
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
            return self.ignored  # which the tasks alone tell, so that nobody needs a version
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
            return self._proved(batch, task, since, t)
        if self._is_another(task, t):
            state |= self._gone_device(task.device.key, t)
        return state

    def _failed(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """A failed task may be tried again for a while, unless it timed out."""
        finished = batch.status.at(t - self.world.lags.job) in FINISHED_BATCH
        timed_out = task.course.at(since).cause == "timeout"
        until = since + batch.retry_seconds
        if finished or timed_out or batch.retries == 0 or until <= since:
            return FAILED
        if t < until:
            return PENDING | (FAILED if t >= until - UNSURE else 0)
        # Where it is not told when it failed, it is when somebody first saw it, maybe in the next look.
        if not task.told_modified and t < max(until, self.first_look + batch.retry_seconds) + self._slack:
            return PENDING | FAILED
        return FAILED

    @property
    def _slack(self) -> float:
        """How much later than it was somebody may have seen a change."""
        late = sum(1.2 * self.rollout.interval for look in self.looks if look.errors or look.bent)
        return 1.2 * self.rollout.interval + late

    def _is_another(self, task: Task, t: float) -> bool:
        """Whether the device of a task is no more, as far as that is told."""
        today = task.device.iot.at(t - self.world.lags.versions)
        return today is None or ("iot" in self.world.tells and today != task.iot_id)

    def _has_successor(self, task: Task, seen: float) -> bool:
        """Whether the latest task of that name that is shown is of another device, and they can be told apart."""
        devices = self.tasks[task.device.key]
        if len(devices) < 2 or LOSING_ROWS & set(self.rollout.trouble):
            return False
        named = [each for tasks in devices.values() for _batch, own in tasks for each in own]
        latest = max((each for each in named if each.created <= seen < each.gone), key=lambda each: each.created)
        return latest.iot_id != task.iot_id

    def _gone_device(self, key: Key, t: float) -> int:
        """A device that vanished; of an expected name, the device of today counts."""
        device = self.world.device(key)
        if self.rollout.expected is None or device is None or device.iot.at(t - self.world.lags.versions) is None:
            return self.ignored
        return self._without_task(key, t, False) | self.ignored

    def _proved(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """A device whose task succeeded, by the version it reports."""
        device = task.device
        if device.iot.at(t - self.world.lags.versions) is None or self._is_another(task, t):
            return self._gone_device(device.key, t) | (PENDING if device.unreadable else 0)
        result = 0
        for module in self.batches.modules(batch):
            if device.unreadable and (module is not None or device.unreadable != "other"):
                result |= PENDING
            elif module is None:
                result |= self._by_all_modules(batch, task, since, t)
            else:
                result |= self._by_version(batch, task, module, since, t)
        return result

    def _by_all_modules(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """Where the module cannot be known, all that a device reports must be on the version, or none may be.

        Where another batch brings another version, that may be the later stage, and none may be for that.
        """
        seen = t - self.world.lags.versions
        modules = [module for module, line in task.device.versions.items() if line.at(seen) is not None]
        if task.device.unreadable:  # but for one of them, which has another name
            modules = modules[:1]
        found = {self._by_version(batch, task, module, since, t) for module in modules}
        if found == {SUCCEEDED}:
            return SUCCEEDED
        own = (other.package for other in self.world.batches if other.package.product == batch.package.product)
        if SUCCEEDED in found or any(package.dest != batch.package.dest for package in own):
            return PENDING
        either = 0  # nobody knows by which of them it is judged
        for state in found:
            either |= state
        return either or PENDING

    def _by_version(self, batch: Batch, task: Task, module: str, since: float, t: float) -> int:
        line, seen = task.device.versions.get(module), t - self.world.lags.versions
        version = line.at(seen) if line else None
        if line is None or version is None:
            return PENDING
        mode, dest = self.options.get("version_match", "exact"), batch.package.dest
        told = [task.source] if "sources" in self.world.tells else []
        before = [*told, *([batch.package.source] if batch.told.get("src_versions") else [])]
        if proves(mode, version, dest, before):
            return SUCCEEDED
        if before and not any(matches(mode, version, source) for source in before):
            return FAILED
        grace = self.options["version_grace"]
        was_there = any(
            matches(mode, value, dest)
            for moment, value in zip(line.moments, line.values)
            if value is not None and moment <= seen
        )
        if t < since + grace:
            failed = was_there or (before and version not in told) or t >= since + grace - UNSURE
            return PENDING | (FAILED if failed else 0)
        late = max(since, self.first_look if not task.told_modified else since) + grace + self.world.lags.rows
        return FAILED | (PENDING if t < late + (0 if task.told_modified else self._slack) else 0)

    def _without_task(self, key: Key, t: float, sight: bool) -> int:
        """A device that has no task so far."""
        if self.rollout.expected is None:
            return NOT_YET
        device = self.world.device(key)
        over = self.no_more_tasks(t)
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
            settled = t >= self.settled_at() + self.grace + self._slack and unclear == "no"
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

    def was_seen(self, task: Task, t: float, surely: bool) -> bool:
        """Whether a look until then may, or must, have been shown a task: one that was gone before nobody knows of."""
        rows = self.world.lags.rows
        for look in self.looks:
            first, last = look.moments[0] - rows, look.moments[-1] - rows
            if look.moments[0] > t or look.blind or (surely and look.bent - {"flap", "unreadable"}):
                continue
            if surely and task.created <= first and last < task.gone:
                return True
            if not surely and task.created <= last and first < task.gone:
                return True
        return False

    # The end

    def finished(self, t: float) -> bool:
        """Whether the service says that all batches are over."""
        return all(batch.status.at(t - self.world.lags.job) in FINISHED_BATCH for batch in self.world.batches)

    def ended(self) -> float:
        """When the last of the batches ended."""
        return max((batch.ended for batch in self.world.batches), default=EVER)

    def settled_at(self) -> float:
        """When anybody could see that, and the last of the tasks."""
        lags = self.world.lags
        created = [task.created + lags.rows for batch in self.world.batches for task in batch.tasks]
        untold = 1.2 * self.rollout.interval if "end" not in self.world.tells else 0.0
        return max([self.ended() + lags.job, self.rollout.begins, *created]) + untold

    def is_quiet(self, t: float) -> bool:
        """Whether no task has appeared for so long that nobody waits for another one."""
        rows = self.world.lags.rows
        seen = [task.created + rows for batch in self.world.batches for task in batch.tasks if task.created + rows <= t]
        return t >= max([self.rollout.begins, *seen]) + self.grace - UNSURE

    def no_more_tasks(self, t: float) -> bool:
        """Whether the batches ended so long ago that no task is to be expected."""
        return self.finished(t) and t >= self.ended() + self.grace - UNSURE
