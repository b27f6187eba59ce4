# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the batches of a rollout are those that were meant, and whether anybody can know which devices count."""

from __future__ import annotations

from .relations import Batches
from .rollouts import Rollout


class Demand:
    """What is demanded of a rollout, beside what its batches are about."""

    def __init__(self, rollout: Rollout, batches: Batches) -> None:
        self.rollout = rollout
        self.world = rollout.world
        self.options = rollout.options
        self.batches = batches

    def differs(self) -> str:
        """Whether a batch is not the one that was meant: ``yes``, ``no``, or ``maybe`` where that cannot be known."""
        unsure = False
        for batch in self.world.batches:
            package = batch.package
            real = {
                "expected_product_key": package.product,
                "expected_firmware_id": package.firmware_id,
                "expected_version": package.dest,
                "expected_job_type": batch.job_type,
            }
            for name, value in real.items():
                expected = self.options.get(name, value).strip()
                if (expected.upper() if name == "expected_job_type" else expected) != value:
                    return "yes"
            if self.options.get("module_name", package.module) != package.module:
                learnable = self.batches.learnable[batch.job_id]
                if learnable == "yes":
                    return "yes"
                unsure = unsure or learnable == "maybe"
        return "maybe" if unsure else "no"

    def unknown_module(self) -> str:
        """Whether the module of a batch cannot be known, and nobody says it: ``yes``, ``no``, or ``maybe``."""
        if not self.batches.need_module or "module_name" in self.options:
            return "no"
        found = {self.batches.learnable[batch.job_id] for batch in self.world.batches}
        return "yes" if "no" in found else "maybe" if "maybe" in found else "no"

    @property
    def dynamic(self) -> bool:
        """Whether a batch takes up further devices for ever, and nobody says which count."""
        untold = self.rollout.trouble.get("untold")
        if self.rollout.expected is not None or (untold is not None and untold["fact"] == "selection_type"):
            return False
        return any(batch.dynamic for batch in self.world.batches)

    @property
    def ambiguous(self) -> bool:
        """Whether a bare name is used although there are several products."""
        products = {batch.package.product for batch in self.world.batches}
        return len(products) > 1 and any(product is None for product, _name in self.rollout.expected or ())

    @property
    def foreign(self) -> bool:
        """Whether a device is expected of a product that no batch is for, as far as anybody tells what they are for."""
        untold = self.rollout.trouble.get("untold")
        if untold is not None and untold["fact"] == "product_key":
            return False
        products = {batch.package.product for batch in self.world.batches}
        return any(product not in (None, *products) for product, _name in self.rollout.expected or ())
