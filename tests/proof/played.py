# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout that was judged, as all checks need it."""

from __future__ import annotations

from typing import Any, NamedTuple

from .clocks import Look
from .rollouts import Machine, Rollout
from .truth import Truth


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
        return set().union(*(look.bent for look in self.looks[-2 if self.last.ended >= self.deadline - 1e-5 else -1 :]))

    @property
    def window(self) -> list[float]:
        """The moments at which each device may have been seen when the verdict was found."""
        looks = self.looks[-2:] if "flap" in self.rollout.trouble else self.looks[-1:]
        moments = {moment for look in looks for moment in self.truth.of_look(look)}
        return sorted(moments)
