# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout that was judged, as all checks need it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .clocks import Look
from .rollouts import Machine, Rollout
from .truth import Truth

#: Floating point: the clocks count from 1970, in seconds.
EPSILON = 1e-5
#: What hides rows of a list.
HIDING = {"hidden", "shrinks"}


class Run(NamedTuple):
    """One run of the gate: what it returned, where and when it was, and what it warned of."""

    result: dict[str, Any]
    machine: Machine
    began: float
    ended: float
    warnings: list[str]


class Played(NamedTuple):
    """A rollout that was judged."""

    rollout: Rollout
    truth: Truth
    looks: list[Look]
    runs: list[Run]

    @property
    def last(self) -> Run:
        """The run that decided."""
        return self.runs[-1]

    @property
    def verdict(self) -> str:
        """How it ended."""
        return str(self.last.result["verdict"])

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.last.result["reasons"][0]["code"])

    @property
    def grace(self) -> float:
        """How long a batch may be without tasks."""
        return float(self.rollout.options["start_grace"])

    @property
    def deadline(self) -> float:
        """When it must have ended, apart from what is lost between runs."""
        return float(self.rollout.begins + self.rollout.options["wait_timeout"])

    @property
    def bent(self) -> set[str]:
        """What was not quite true in the last look, and in the one before where the deadline cut the last one short."""
        looks = self.looks[-2:] if self.last.ended >= self.deadline - EPSILON else self.looks[-1:]
        return set().union(*(look.bent for look in looks))

    @property
    def window(self) -> list[float]:
        """The moments at which each device may have been seen when the verdict was found."""
        looks = self.looks[-2:] if "flap" in self.rollout.trouble else self.looks[-1:]
        moments = {moment for look in looks for moment in self.truth.of_look(look)}
        return sorted(moments)

    @property
    def hears_time(self) -> bool:
        """Whether the service told its time in each run; else the machines' clocks are all that there is."""
        return {look.run for look in self.looks if look.heard} == set(range(len(self.runs)))

    @property
    def lacks_hidden(self) -> bool:
        """Whether too few devices are seen only because the last look was not shown all."""
        if not HIDING & self.looks[-1].bent:
            return False
        canceled = self.reason == "batch_canceled" and "(min_devices)" in self.last.result["reasons"][0]["message"]
        return canceled or self.reason == "too_few_devices"
