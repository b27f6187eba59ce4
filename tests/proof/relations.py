# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the batches of a rollout are about, and how they relate, as far as that can be known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from itertools import product as pairs

from .rollouts import Rollout
from .versions import matches
from .worlds import UNFINISHED, Batch


class Batches:
    """The batches of a rollout: their modules, and which is a later stage of another."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.options = rollout.options
        self.learnable = {batch.job_id: self._learnable(batch) for batch in self.world.batches}
        self.later = {
            (one.job_id, two.job_id): self._is_later(one, two) for one, two in pairs(self.world.batches, repeat=2)
        }
        self.direct = dict(self.later)
        self._close_chains()

    def _close_chains(self) -> None:
        """The stage after the next is a later stage, too."""
        ids = [batch.job_id for batch in self.world.batches]
        for middle, first, last in pairs(ids, repeat=3):
            links = {self.later[first, middle], self.later[middle, last]}
            if "no" not in links and self.later[first, last] != "yes" and first != last:
                self.later[first, last] = "maybe" if "maybe" in links else "yes"

    def _learnable(self, batch: Batch) -> str:
        """Whether the module of a batch can be known: ``yes``, ``no``, or ``maybe`` by an open task that is seen."""
        if batch.package.answer == "tells" and not self._hides_package():
            denied = self.rollout.trouble.get("denied")
            return "maybe" if denied is not None and denied["action"] == "QueryOTAFirmware" else "yes"
        if "module" not in self.world.tells:
            return "no"
        open_ = any(step.status in UNFINISHED for task in batch.tasks for step in task.course.values)
        return "maybe" if open_ else "no"

    def _hides_package(self) -> bool:
        """Whether the service does not tell of which package a batch is."""
        untold = self.rollout.trouble.get("untold")
        return untold is not None and untold["fact"] == "firmware_id"

    def modules(self, batch: Batch) -> list[str | None]:
        """The modules whose version is the proof for a batch; ``None`` where that cannot be known."""
        given, learnable = self.options.get("module_name"), self.learnable[batch.job_id]
        if learnable == "yes":
            return [batch.package.module]
        if learnable == "maybe":
            return [batch.package.module, given]
        return [given]

    @property
    def need_module(self) -> bool:
        """Whether anybody asks of which module a batch is."""
        matters = bool(self.options["verify_versions"]) or self.rollout.expected is not None
        return matters or "module_name" in self.options

    def _same_module(self, one: Batch, two: Batch) -> str:
        """Whether two batches are of one module: ``yes``, ``no``, or ``maybe`` where that cannot be known."""
        if one.package.product != two.package.product:
            return "no"
        first, second = set(self.modules(one)), set(self.modules(two))
        if len(first) == len(second) == 1 and None not in first | second and self.need_module:
            return "yes" if first == second else "no"
        alike = first & second or None in first | second or one.package.module == two.package.module
        return "maybe" if alike else "no"

    def _is_later(self, earlier: Batch, later: Batch) -> str:
        """Whether one batch is a later stage of another on the same module: ``yes``, ``no``, or ``maybe``."""
        if earlier is later or self._same_module(earlier, later) == "no" or earlier.package.dest == later.package.dest:
            return "no"
        # The tasks of a batch say where it begins only for devices that are in both.
        shared = bool({task.device.key for task in earlier.tasks} & {task.device.key for task in later.tasks})
        for mode in (
            "exact",
            self.options.get("version_match", "exact"),
        ):  # the very versions say more than other forms
            forth = self._begins_at(later, earlier.package.dest, shared, mode)
            back = self._begins_at(earlier, later.package.dest, shared, mode)
            if forth != back:
                break
        if forth == "no" or back == "yes":
            return "no"
        known = self._same_module(earlier, later) == "yes" and self.options["verify_versions"]
        told = "sources" in self.world.tells or bool(earlier.told.get("src_versions"))
        plain = told or earlier.created <= later.created  # else it may lead back to an older version
        return "yes" if known and plain and forth == "yes" and back == "no" else "maybe"

    def _begins_at(self, batch: Batch, version: str, by_tasks: bool, mode: str) -> str:
        """Whether a batch updates from that version, by what is told of it."""
        sources = [task.source for task in batch.tasks] if by_tasks and "sources" in self.world.tells else []
        if batch.told.get("src_versions"):
            sources.append(batch.package.source)
        fits = {matches(mode, version, source) for source in sources}
        return "no" if True not in fits else "yes" if fits == {True} else "maybe"

    def conflicts(self, t: float) -> str:
        """Whether batches bring the same device to different versions of one module: ``yes``, ``no``, or ``maybe``."""
        found = "no"
        for one, two in combinations(self.world.batches, 2):
            alike = self._same_module(one, two)
            if alike == "no" or one.package.dest == two.package.dest:
                continue
            first, second = ({task.device.key for task in self.world.shown(batch, t)} for batch in (one, two))
            stages = {self.later[one.job_id, two.job_id], self.later[two.job_id, one.job_id]}
            is_chain = "yes" in stages and "maybe" not in stages
            if not first & second or (is_chain and self._is_linked(one, two, t)):
                continue
            plain = alike == "yes" and stages == {"no"} and self.options["verify_versions"]
            found = "yes" if found == "yes" or plain else "maybe"
        return found

    def _is_linked(self, one: Batch, two: Batch, t: float) -> bool:
        """Whether it shows at a moment that one is a later stage, where that is so by way of others."""
        if "yes" in (self.direct[one.job_id, two.job_id], self.direct[two.job_id, one.job_id]):
            return True
        links = [(first, last) for (first, last), state in self.direct.items() if state == "yes"]
        shown = {batch.job_id: {task.device.key for task in self.world.shown(batch, t)} for batch in self.world.batches}
        told = {batch.job_id for batch in self.world.batches if batch.told.get("src_versions")}
        return all(last in told or shown[first] & shown[last] for first, last in links)

    def deciding(self, batches: Sequence[Batch]) -> list[list[Batch]]:
        """The batches that decide about a device: without those of which another is plainly the later stage."""
        sure = [two for two in batches if not any(self.later[two.job_id, one.job_id] != "no" for one in batches)]
        plain = [two for two in batches if not any(self.later[two.job_id, one.job_id] == "yes" for one in batches)]
        return [plain] if sure == plain else [plain, sure or plain]
