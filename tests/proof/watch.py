# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout showed when, and what the looks at it could see."""

from __future__ import annotations

from collections.abc import Sequence

from .clocks import Look
from .rollouts import Rollout
from .worlds import EVER, FINISHED_BATCH, Task

#: How far the measurement of the service's clock may be off, in seconds.
UNSURE = 0.6


class Watch:
    """What could be seen of a rollout. ``looks`` are those that were taken."""

    def __init__(self, rollout: Rollout, looks: Sequence[Look]) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.looks = looks
        self.grace = float(rollout.options["start_grace"])
        self.first_look = next((look.moments[0] for look in looks if not look.errors and not look.bent), EVER)
        self.last_look = max((look.moments[-1] for look in looks), default=EVER)

    @property
    def slack(self) -> float:
        """How much later than it was somebody may have seen a change."""
        late = sum(1.2 * self.rollout.interval for look in self.looks if look.errors or look.bent)
        return 1.2 * self.rollout.interval + late

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

    def is_shown(self, task: Task, look: Look, t: float) -> bool:
        """Whether a look before ``t`` was surely shown a task."""
        began = look.moments[0]
        return not look.errors and not look.bent and began < t and task.created + self.world.lags.rows <= began

    def hides(self, t: float, name: str) -> bool:
        """Whether the service leaves out rows of lists, as many as it likes if they are ``hidden``."""
        trouble = self.rollout.trouble.get(name)
        return trouble is not None and trouble["at"] <= t < trouble["until"]

    def is_another(self, task: Task, t: float) -> bool:
        """Whether the device of a task is no more, as far as that is told."""
        today = task.device.iot.at(t - self.world.lags.versions)
        return today is None or ("iot" in self.world.tells and today != task.iot_id)

    def finished(self, t: float) -> bool:
        """Whether the service says that all batches are over."""
        return all(batch.status.at(t - self.world.lags.job) in FINISHED_BATCH for batch in self.world.batches)

    def ended(self) -> float:
        """When the last of the batches ended."""
        return max((batch.ended for batch in self.world.batches), default=EVER)

    def seen_ended(self) -> float:
        """When the last of the batches ended, or was said to have ended in a look that was shown something wrong."""
        flaps = self.rollout.trouble.get("flap", {}).get("job", False)
        wrong = (look.moments[0] for look in self.looks if flaps and "flap" in look.bent)
        return min(self.ended(), *wrong, EVER)

    def settled_at(self) -> float:
        """When anybody could see that all batches have ended, and the last of the tasks."""
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
        return self.finished(t) and t >= self.seen_ended() + self.grace - UNSURE
