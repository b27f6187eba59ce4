# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet: a pure function of a scenario, of what was canceled, and of the seconds on the rollout clock."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Callable

from .building import Builder
from .lives import DeviceKey, Life
from .model import Scenario
from .rollouts import JobView, Rollout, TaskView


class World:
    """All products, devices, packages and batches of a scenario.

    ``begun`` says when, on the rollout clock, the clock of each batch began, if the scenario lets batches wait for
    their first request. The clock of a batch that is not among them stands at zero.
    """

    def __init__(self, scenario: Scenario, begun: Mapping[str, float] | None = None) -> None:
        self.scenario = scenario
        self.products = {product.product_key: product for product in scenario.products}
        self.firmwares = {firmware.firmware_id: firmware for firmware in scenario.firmwares}
        built = Builder(scenario, self.firmwares, begun or {})
        self._lives, self._rollouts, self._tasks_of = built.lives, built.rollouts, built.tasks_of
        self._changing = threading.Lock()

    def change(self, job_id: str, change: Callable[[Rollout], Rollout]) -> None:
        """Put another batch in place of one. Whoever reads it meanwhile sees either."""
        with self._changing:
            self._rollouts[job_id] = change(self._rollouts[job_id])

    def job_at(self, job_id: str, t: float) -> JobView | None:
        """The batch, or None if there is no such one."""
        rollout = self._rollouts.get(job_id)
        return rollout.view(t) if rollout and rollout.created <= t else None

    def jobs_at(self, t: float) -> list[JobView]:
        """All batches that there are, oldest first."""
        return [rollout.view(t) for rollout in self._rollouts.values() if rollout.created <= t]

    def tasks_at(self, job_id: str, t: float) -> list[TaskView]:
        """All tasks of a batch that exist at ``t``."""
        return self.task_page_at(job_id, t)[1]

    def task_page_at(
        self, job_id: str, t: float, statuses: Collection[str] = (), offset: int = 0, count: int | None = None
    ) -> tuple[int, list[TaskView]]:
        """How many tasks have one of the statuses (all if none is given), and one page of them."""
        rollout = self._rollouts[job_id]
        total = rollout.count_at(t, statuses)
        tasks = rollout.page_at(t, statuses, offset, total if count is None else count)
        return total, [rollout.task_view(task, t) for task in tasks]

    def task_count_at(self, job_id: str, t: float, statuses: Collection[str] = ()) -> int:
        """How many tasks have one of the statuses (all if none is given)."""
        return self._rollouts[job_id].count_at(t, statuses)

    def tasks_of_names_at(self, job_id: str, t: float, names: Collection[str]) -> list[TaskView]:
        """The tasks of the named devices in a batch; devices without one are left out."""
        rollout = self._rollouts[job_id]
        return [rollout.task_view(task, t) for task in rollout.tasks_of_at(names, t)]

    def device_tasks_at(self, key: DeviceKey, t: float) -> list[TaskView]:
        """All tasks of the device that bears the name at ``t``, newest first."""
        return [rollout.task_view(rollout.tasks[number], t) for rollout, number in self._device_rows(key, t)]

    def device_jobs_at(self, key: DeviceKey, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package in which the device has a task, newest first."""
        found = {rollout.job.job_id for rollout, _number in self._device_rows(key, t)}
        return [view for view in self.firmware_jobs_at(firmware_id, t) if view.job.job_id in found]

    def firmware_jobs_at(self, firmware_id: str, t: float) -> list[JobView]:
        """The batches of one package, newest first."""
        return [view for view in reversed(self.jobs_at(t)) if view.job.firmware_id == firmware_id]

    def versions_at(self, device: str, t: float, product_key: str | None = None, lag: float = 0) -> dict[str, str]:
        """The version that each module of the device reported ``lag`` seconds before ``t``.

        Without a product it is the first device of that name. A device that does not exist at ``t`` has no modules.
        """
        key = (self._lives.product_of(device) or "") if product_key is None else product_key, device
        if not self._lives.knows(key):
            raise KeyError(key)
        life = self._lives.at(key, t)
        return life.versions_at(t - lag) if life else {}

    def has_device(self, key: DeviceKey, t: float | None = None) -> bool:
        """Whether the product has a device of that name at ``t``; without a time, whether it ever has one."""
        return self._lives.knows(key) if t is None else self._lives.at(key, t) is not None

    def life_at(self, key: DeviceKey, t: float) -> Life | None:
        """The device that bears the name at ``t``."""
        return self._lives.at(key, t)

    def iot_id_at(self, key: DeviceKey, t: float) -> str | None:
        """The IotId of the device that bears the name at ``t``."""
        life = self._lives.at(key, t)
        return life.iot_id if life else None

    def device_of(self, iot_id: str, t: float | None = None) -> DeviceKey | None:
        """The device with this IotId, if it exists at ``t``; without a time, if it ever does."""
        life = self._by_iot_id.get(iot_id)
        return life.key if life and (t is None or life.exists_at(t)) else None

    def on_target_at(self, job_id: str, t: float) -> list[str]:
        """The truth: the targeted devices that really run the batch's version at ``t``, with or without a task."""
        rollout = self._rollouts[job_id]
        firmware = rollout.firmware
        found = []
        for name, _course in rollout.job.devices:
            life = self._lives.at((firmware.product_key, name), t)
            if life and life.versions_at(t).get(firmware.module_name) == firmware.dest_version:
                found.append(name)
        return found

    @property
    def job_ids(self) -> list[str]:
        """All batches, oldest first."""
        return list(self._rollouts)

    @cached_property
    def _by_iot_id(self) -> dict[str, Life]:
        return {life.iot_id: life for life in self._lives}

    def _device_rows(self, key: DeviceKey, t: float) -> list[tuple[Rollout, int]]:
        """The tasks that the device has at ``t``, newest first."""
        life = self._lives.at(key, t)
        found = []
        for built, number in reversed(self._tasks_of.get(key, ())):
            rollout = self._rollouts[built.job.job_id]
            task = rollout.tasks[number]
            if task.life is life and task.is_listed_at(t):
                found.append((rollout, number))
        return found
