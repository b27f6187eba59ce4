# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one true time of a rollout, the wrong clocks that show it, and the log of what was asked when."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Callable

from .rollouts import Machine

EPOCH = 1_772_359_200.0  # 2026-03-01T10:00:00Z
FOREVER = 1e9


class HungError(BaseException):
    """Time has run out for the work that is under way; the real thing would hang on, so nobody may handle this."""


class Look:
    """One look at the rollout: what was asked when, what failed, and which answers were not quite true.

    ``raised`` are all codes with which the service refused anything; what was ``refused`` is about one device or
    package alone. ``readings`` are the devices that the service told the versions of, or did not know, and when. What
    is asked once the look has been judged is of no look; ``afterwards`` notes it in the same way.
    """

    __slots__ = (
        *("afterwards", "asked", "bent", "errors", "heard", "moments", "raised", "readings", "refused", "run"),
    )

    def __init__(self, run: int) -> None:
        self.run = run
        self.moments: list[float] = []
        self.asked: Counter[str] = Counter()
        self.errors: list[str] = []
        self.raised: set[str] = set()
        self.heard = False  # whether the service itself said anything, and so its time
        self.refused: list[str] = []
        self.readings: list[tuple[tuple[str, str], float]] = []
        self.bent: set[str] = set()
        self.afterwards: Look | None = None

    @property
    def failed(self) -> bool:
        """Whether it failed, and not only the search for other batches that keep devices busy."""
        return any(not error.startswith("ListOTAUnfinishedTaskByDevice") for error in self.errors)

    @property
    def blind(self) -> bool:
        """Whether not even the states of the tasks were read."""
        return any(not error.startswith(("ListOTAUnfinishedTask", "ListOTAModuleVersions")) for error in self.errors)

    @property
    def unread(self) -> bool:
        """Whether so much failed that it is about no device alone, or what shows the module of a batch."""
        asks_for_module = self.asked["QueryOTAFirmware"] or self.asked["ListOTAUnfinishedTaskByDevice"]
        refused, asked = len(self.refused), self.asked["ListOTAModuleVersionsByDevice"]
        return refused >= 3 or 0 < asked <= refused or bool(refused and asks_for_module)

    def __repr__(self) -> str:
        then = "" if self.afterwards is None else f", then {self.afterwards}"
        asked = f"{self.moments[0]:.1f} to {self.moments[-1]:.1f}, {dict(self.asked)}"
        return f"Look({asked}, {self.errors}, {self.bent}{then})"


class Log:
    """All looks. One begins with the first question after a pause, and is over once it is ``judged``."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.run = 0
        self.open = False
        self.judged = False

    def ask(self, action: str, now: float) -> Look:
        """A question; the look that it belongs to, or what is asked after it."""
        if not self.open:
            self.looks.append(Look(self.run))
            self.open, self.judged = True, False
        look = self.looks[-1]
        if self.judged:
            look.afterwards = look = look.afterwards or Look(self.run)
        look.moments.append(now)
        look.asked[action] += 1
        return look


class Time:
    """The true time, ``now``; the clock of the service shows it, and that of the gate's machine is ``ahead``."""

    def __init__(self, begins: float, log: Log) -> None:
        self.now = begins
        self.end = FOREVER  # when the work under way is given up
        self.log = log
        self.machine = Machine(0.0, math.inf, 0.0, True)

    def steady(self) -> float:
        """A clock that nobody sets, with a zero of its own on each machine."""
        return self.now + 1000.0 * self.log.run

    def wall(self) -> float:
        """What the gate's machine takes for the time."""
        leap = self.machine.leap if self.now >= self.machine.leap_at else 0.0
        return EPOCH + self.now + self.machine.ahead + leap

    def offset(self) -> float:
        """How far the service's clock is ahead, by a date that is cut to seconds."""
        return math.floor(EPOCH + self.now) + 0.5 - self.wall()

    def sleep(self, seconds: float) -> None:
        """Let time pass in the middle of a look."""
        self.now += seconds
        if self.now > self.end:
            raise HungError

    def pause(self, seconds: float) -> None:
        """Let time pass between two looks."""
        self.log.open = False
        self.now += seconds

    def run(self, work: Callable[[], Any], timeout: float, meanwhile: Callable[[], object]) -> Any:
        """What the work returns, unless it takes too long."""
        self.end = self.now + timeout
        try:
            return work()
        except HungError:
            self.now = self.end
            raise TimeoutError from None
        finally:
            self.end = FOREVER
            meanwhile()
