# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The truth about a rollout, from the world itself, and which verdicts it allows. It knows nothing of the gate's code.

A device counts by the worst of its tasks, as is documented. What is allowed beside the truth at the verdict's moment:

* While requests take time, each device may have been seen at any of the moments at which something was asked in the
  last look; where states are shown wrong in single looks, also in the look before, because that hides what came since.
* Without ``expected_devices``, those count that ever get a task; with ``allow_empty``, there may be none so far.
* Without ``verify_versions``, ``SUCCEEDED`` is the proof, as that option says.
* Where rows are missing for good or for longer than ``start_grace``, ``too_few_devices`` is right: the list is all that
  there is.
* A device with an unfinished task is pending, even if it is not on the version of another task that succeeded: nobody
  asks for its version before.
* A device that succeeded and whose version cannot be read is pending, as is documented for the counts, and
  ``max_pending`` tolerates it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

from .worlds import Rollout, with_tasks

UNFINISHED = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")


class Truth:
    """What is really so in a rollout."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.options = rollout.options
        self.world = rollout.world
        self.jobs = [job for job in self.world.scenario.jobs if job.job_id in rollout.job_ids]
        self.firmwares = {job.job_id: self.world.firmwares[job.firmware_id] for job in self.jobs}
        names = self.options.get("expected_devices")
        self.devices: list[Any] = sorted(with_tasks(self.world, rollout.job_ids) if names is None else set(names))

    def differs(self) -> bool:
        """Whether a batch is not the one that was meant."""
        for job in self.jobs:
            firmware = self.firmwares[job.job_id]
            real = {
                "expected_product_key": firmware.product_key,
                "expected_firmware_id": firmware.firmware_id,
                "expected_version": firmware.dest_version,
                "expected_job_type": "VERIFY_FIRMWARE" if job.job_type.startswith("VER") else "UPGRADE_FIRMWARE",
            }
            for name, value in real.items():
                expected = self.options.get(name, value).strip()
                if (expected.upper() if name == "expected_job_type" else expected) != value:
                    return True
        return False

    @property
    def dynamic(self) -> bool:
        """Whether a batch takes up further devices for ever."""
        return any(job.dynamic for job in self.jobs)

    def finished(self, t: float) -> bool:
        """Whether no task of any batch will change any more."""
        return all(self.world.job_at(job.job_id, t).status in ("COMPLETED", "CANCELED") for job in self.jobs)

    def appear(self) -> float:
        """When the last tasks come into being."""
        return max(job.tasks_after - job.created_before for job in self.jobs)

    def states(self, t: float, versions: bool = True) -> dict[Any, str]:
        """What each device that counts really is; without ``versions``, as far as its tasks tell."""
        worst: dict[Any, str] = {}
        for job in self.jobs:
            for task in self.world.tasks_at(job.job_id, t):
                product = task.firmware.product_key
                key = task.device if "expected_devices" in self.options else (product, task.device)
                state = self._state(task.status, product, task.device, task.firmware, t if versions else None)
                worst[key] = min(worst.get(key, "z"), state, key=ORDER.index)
        # Not being on the version is known last of all.
        worst = {key: "failed" if state == "wrong" else state for key, state in worst.items()}
        if not versions:
            return {key: worst.get(key, "pending") for key in self.devices}
        finished = self.finished(t)
        return {key: worst.get(key) or self._taskless(key, t, finished) for key in self.devices}

    def _state(self, status: str, product: str, device: str, firmware: Any, t: float | None) -> str:
        if status == "CANCELED":
            return "canceled" if self.options.get("ignore_canceled") else "failed"
        if status == "SUCCEEDED" and t is not None and self.options.get("verify_versions", True):
            return "succeeded" if self._on_target(product, device, firmware, t) else "wrong"
        return "pending" if status in UNFINISHED else status.lower()

    def _taskless(self, key: Any, t: float, finished: bool) -> str:
        if not isinstance(key, str):  # its task is still to come
            return "pending"
        firmware = next(iter(self.firmwares.values()))
        if self._on_target(firmware.product_key, key, firmware, t):
            return "succeeded"
        return "failed" if finished else "pending"

    def _on_target(self, product: str, device: str, firmware: Any, t: float) -> bool:
        if not self.world.has_device((product, device)):
            return False
        return self.world.versions_at(device, t, product).get(firmware.module_name) == firmware.dest_version

    # Bounds

    def kept(self, moments: Sequence[float]) -> bool:
        """Whether the policy is kept, if each device is taken at the best of the ``moments``."""
        looks = [self.states(t) for t in sorted(set(moments))]
        if not any(looks) or self._nothing_yet(looks[-1]):
            return bool(self.options.get("allow_empty")) and any(self.finished(t) for t in moments)
        choices = {key: {look[key] for look in looks} for key in self.devices}
        if {"unreadable", "module"} & set(self.rollout.trouble):
            sight = self.states(max(moments), versions=False)
            for key in self.devices:
                choices[key] |= {"pending"} if sight[key] == "succeeded" else set()
        return any(self._keeps(_pick(choices, order)) for order in (BEST, BEST_FAILED))

    def broken(self, moments: Sequence[float]) -> bool:
        """Whether the policy is broken, or cannot be kept any more, if each device is taken at its worst."""
        looks = [self.states(t) for t in sorted(set(moments))]
        numbers = _pick({key: {look[key] for look in looks} for key in self.devices}, ORDER)
        return self._breaks(numbers, any(self.finished(t) for t in moments))

    def broken_at_sight(self, t: float) -> bool:
        """Whether the tasks' states alone show that it is broken: versions are read only once all else is well."""
        states = self.states(t, versions=False)
        return self._breaks(Counter(states.values()), self.finished(t))

    def _breaks(self, numbers: Counter[str], finished: bool) -> bool:
        succeeded, failed, pending = numbers["succeeded"], numbers["failed"], numbers["pending"]
        total = succeeded + failed + pending
        allowed = self._failures_allowed(succeeded + failed)
        enough = succeeded + failed >= min(self.options.get("min_executed", 1), total)
        too_few = total < self.options.get("min_devices", 0) and finished
        return (
            (allowed is not None and failed > allowed and enough)
            or succeeded + pending < self._needed(total)
            or too_few
        )

    def _nothing_yet(self, states: dict[Any, str]) -> bool:
        return not any(state in ("succeeded", "failed", "pending") for state in states.values())

    def _keeps(self, numbers: Counter[str]) -> bool:
        succeeded, failed, pending = numbers["succeeded"], numbers["failed"], numbers["pending"]
        total = succeeded + failed + pending
        allowed = self._failures_allowed(succeeded + failed)
        return (
            succeeded >= self._needed(total)
            and pending <= (self._least("max_pending", "max_pending_percent", total) or 0)
            and (allowed is None or failed <= allowed)
            and total >= self.options.get("min_devices", 0)
        )

    def _failures_allowed(self, executed: int) -> int | None:
        """Who tolerates devices that are late has not tolerated any that failed."""
        allowed = self._least("max_failed", "max_failed_percent", executed)
        return 0 if allowed is None and "min_succeeded_percent" not in self.options else allowed

    def _needed(self, total: int) -> int:
        percent = self.options.get("min_succeeded_percent")
        if percent is not None:
            needed = ceil(Fraction(str(percent)) * total / 100)
        else:
            failed = self._least("max_failed", "max_failed_percent", total) or 0
            needed = total - failed - (self._least("max_pending", "max_pending_percent", total) or 0)
        return max(needed, 1 if total else 0)

    def _least(self, number: str, percent: str, of: int) -> int | None:
        bounds = [self.options[number]] if number in self.options else []
        if percent in self.options:
            bounds.append(floor(Fraction(str(self.options[percent])) * of / 100))
        return min(bounds, default=None)


ORDER = ("failed", "pending", "wrong", "succeeded", "canceled", "z")
BEST = ("succeeded", "canceled", "pending", "failed")
BEST_FAILED = ("succeeded", "canceled", "failed", "pending")


def _pick(choices: dict[Any, set[str]], order: Sequence[str]) -> Counter[str]:
    return Counter(min(states, key=order.index) for states in choices.values())
