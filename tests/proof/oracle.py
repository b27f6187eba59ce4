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
from itertools import product as pairs

from .bounds import CANCELED, FAILED, NOT_YET, PENDING, SUCCEEDED, worst_of
from .clocks import Look
from .rollouts import Rollout
from .versions import matches, proves
from .worlds import EVER, FINISHED_BATCH, UNFINISHED, Batch, Device, Task

Key = tuple[str, str]


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
        self.learnable = {batch.job_id: self._learnable(batch) for batch in self.world.batches}
        self.tasks: dict[Key, list[tuple[Batch, list[Task]]]] = {}
        for batch in self.world.batches:
            found: dict[Key, list[Task]] = {}
            for task in batch.tasks:
                found.setdefault(task.device.key, []).append(task)
            for key, tasks in found.items():
                self.tasks.setdefault(key, []).append((batch, tasks))
        self.keys = self._counted()
        self.later = {
            (one.job_id, two.job_id): self._is_later(one, two) for one, two in pairs(self.world.batches, repeat=2)
        }
        self.known: dict[tuple[float, bool], dict[Key, int]] = {}
        self.first_look = next((look.moments[0] for look in looks if not look.errors), EVER)

    # Whom and what it is about

    @property
    def ambiguous(self) -> bool:
        """Whether a bare name is used although there are several products."""
        products = {batch.package.product for batch in self.world.batches}
        return len(products) > 1 and any(product is None for product, _name in self.rollout.expected or ())

    @property
    def foreign(self) -> bool:
        """Whether a device is expected of a product that no batch is for."""
        products = {batch.package.product for batch in self.world.batches}
        return any(product not in (None, *products) for product, _name in self.rollout.expected or ())

    def _counted(self) -> list[Key]:
        """The devices that count: those that are expected, or all that ever get a task."""
        if self.rollout.expected is None:
            return sorted(self.tasks)
        sole = self.world.batches[0].package.product
        return list(dict.fromkeys((product or sole, name) for product, name in self.rollout.expected))

    def _learnable(self, batch: Batch) -> str:
        """Whether the module of a batch can be known: ``yes``, ``no``, or ``maybe`` by an open task that is seen."""
        if batch.package.answer == "tells":
            return "yes"
        if "module" not in self.world.tells:
            return "no"
        open_ = any(step.status in UNFINISHED for task in batch.tasks for step in task.course.values)
        return "maybe" if open_ else "no"

    def modules(self, batch: Batch) -> list[str | None]:
        """The modules whose version is the proof for a batch; ``None`` where that cannot be known."""
        given, learnable = self.options.get("module_name"), self.learnable[batch.job_id]
        if learnable == "yes":
            return [batch.package.module]
        if learnable == "maybe":
            return [batch.package.module, given]
        return [given]

    def _is_later(self, earlier: Batch, later: Batch) -> str:
        """Whether one batch is a later stage of another on the same module: ``yes``, ``no``, or ``maybe``."""
        if earlier is later or not _same_module(earlier, later) or earlier.package.dest == later.package.dest:
            return "no"
        forth, back = self._begins_at(later, earlier.package.dest), self._begins_at(earlier, later.package.dest)
        if forth == "no" or back == "yes":
            return "no"
        return "yes" if forth == "yes" and back == "no" else "maybe"

    def _begins_at(self, batch: Batch, version: str) -> str:
        """Whether a batch updates from that version, by what is told of it."""
        sources = [task.source for task in batch.tasks] if "sources" in self.world.tells else []
        if batch.told.get("src_versions"):
            sources.append(batch.package.source)
        if version not in sources:
            return "no"
        return "yes" if set(sources) == {version} else "maybe"

    def conflicts(self, t: float) -> str:
        """Whether batches bring the same device to different versions of one module: ``yes``, ``no``, or ``maybe``."""
        found = "no"
        for one, two in pairs(self.world.batches, repeat=2):
            if one.job_id >= two.job_id or not _same_module(one, two) or one.package.dest == two.package.dest:
                continue
            if not {task.device.key for task in self.world.shown(one, t)} & {
                task.device.key for task in self.world.shown(two, t)
            }:
                continue
            stages = {self.later[one.job_id, two.job_id], self.later[two.job_id, one.job_id]}
            unsure = "maybe" in (self.learnable[one.job_id], self.learnable[two.job_id])
            if "yes" in stages and "maybe" not in stages:
                continue
            found = "maybe" if "maybe" in stages or unsure or found == "maybe" else "yes"
        return found

    # What they are

    def states(self, t: float, sight: bool = False) -> dict[Key, int]:
        """What each device that counts may be at a moment; at ``sight``, as far as the states of its tasks tell."""
        if (t, sight) not in self.known:
            self.known[t, sight] = {key: self.state(key, t, sight) for key in self.keys}
        return self.known[t, sight]

    def state(self, key: Key, t: float, sight: bool) -> int:
        """What one device may be, as a sum of states."""
        found = [
            (batch, state) for batch, tasks in self.tasks.get(key, ()) if (state := self._task(batch, tasks, t, sight))
        ]
        if not found:
            return self._without_task(key, t, sight)
        result = 0
        for chosen in self._deciding([batch for batch, _state in found]):
            result |= worst_of([state for batch, state in found if batch in chosen])
        if not sight and len(found) > 1:  # nobody asks for the version of a device that is not done elsewhere
            result |= self.states(t, sight=True)[key] & PENDING
        return result

    def _deciding(self, batches: Sequence[Batch]) -> list[list[Batch]]:
        """The batches that decide about a device: without those of which another is plainly the later stage."""
        sure = [two for two in batches if not any(self.later[two.job_id, one.job_id] != "no" for one in batches)]
        plain = [two for two in batches if not any(self.later[two.job_id, one.job_id] == "yes" for one in batches)]
        return [plain] if sure == plain else [plain, sure or plain]

    def _task(self, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
        """What a device is by its tasks in one batch; 0 if it has none there."""
        seen = t - self.world.lags.rows
        shown = [task for task in tasks if task.created <= seen < task.gone]
        if shown:
            return self._by_tasks(batch, shown, t, sight)
        if any(task.gone <= seen for task in tasks):
            surely = any(task.created + self.world.lags.rows <= self.first_look < task.gone for task in tasks)
            return self.ignored | (0 if surely else CANCELED)
        return 0

    def _by_tasks(self, batch: Batch, tasks: Sequence[Task], t: float, sight: bool) -> int:
        if len(tasks) == 1:
            return self._by_task(batch, tasks[0], t, sight)
        if all(task.told_create for task in tasks):
            seen = t - self.world.lags.rows
            latest = max(tasks, key=lambda task: (task.created, task.course.since(seen)))
            return self._by_task(batch, latest, t, sight)
        return worst_of([self._by_task(batch, task, t, sight) for task in tasks])

    def _by_task(self, batch: Batch, task: Task, t: float, sight: bool) -> int:
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
            return self._proved(batch, task, since, t)
        if not sight and self._is_another(task, t):
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
            return PENDING
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
        if device.unreadable:
            return PENDING
        result = 0
        for module in self.modules(batch):
            if module is None:
                result |= self._by_all_modules(batch, task, since, t)
            else:
                result |= self._by_version(batch, task, module, since, t)
        return result

    def _by_all_modules(self, batch: Batch, task: Task, since: float, t: float) -> int:
        """Where the module cannot be known, all that a device reports must be on the version, or none may be."""
        seen = t - self.world.lags.versions
        modules = [module for module, line in task.device.versions.items() if line.at(seen) is not None]
        found = {self._by_version(batch, task, module, since, t) for module in modules}
        if found == {SUCCEEDED}:
            return SUCCEEDED
        result = PENDING
        for state in found:
            result |= state & FAILED if SUCCEEDED not in found else 0
        return result

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
        if version not in before:
            return FAILED
        grace = self.options["version_grace"]
        was_there = any(
            matches(mode, value, dest)
            for moment, value in zip(line.moments, line.values)
            if value is not None and moment <= seen
        )
        if t < since + grace:
            return PENDING | (FAILED if was_there or version not in told else 0)
        late = max(since, self.first_look if not task.told_modified else since) + grace + self.world.lags.rows
        return FAILED | (PENDING if t < late + (0 if task.told_modified else self._slack) else 0)

    def _without_task(self, key: Key, t: float, sight: bool) -> int:
        """A device that has no task so far."""
        if self.rollout.expected is None:
            return NOT_YET
        device = self.world.device(key)
        over = self.no_more_tasks(t)
        if device is None or device.iot.at(t - self.world.lags.versions) is None:
            return self.ignored | PENDING | (FAILED if over and device is None else 0)
        if sight:
            return SUCCEEDED | PENDING
        if device.unreadable:
            return PENDING
        there = self._on_targets(device, t)
        if there == "all":
            return SUCCEEDED
        result = SUCCEEDED | PENDING if there == "some" else 0
        if over:
            settled = t >= self.settled_at() + self.grace + self._slack
            return result | FAILED | (0 if settled else PENDING)
        return result | PENDING

    def _on_targets(self, device: Device, t: float) -> str:
        """Whether a device is on ``all``, ``some`` or ``none`` of the versions that batches bring to its product."""
        own = [batch for batch in self.world.batches if batch.package.product == device.product]
        last = self._deciding(own)[0]
        found = {self.on_target(device, batch, t) for batch in own}
        ends = {self.on_target(device, batch, t) for batch in last}
        if ends == {"yes"}:
            return "all"
        return "none" if found == {"no"} else "some"

    def on_target(self, device: Device, batch: Batch, t: float) -> str:
        """Whether a device reports the version of a batch for its module: ``yes``, ``no``, or ``maybe``."""
        found = set()
        for module in self.modules(batch):
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

    def no_more_tasks(self, t: float) -> bool:
        """Whether the batches ended so long ago that no task is to be expected."""
        return self.finished(t) and t >= self.ended() + self.grace


def _same_module(one: Batch, two: Batch) -> bool:
    return (one.package.product, one.package.module) == (two.package.product, two.package.module)
