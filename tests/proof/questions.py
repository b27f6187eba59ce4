# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which questions are asked in which look, and what goes wrong with them in this rollout."""

from __future__ import annotations

import random
from typing import Any

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError

from .clocks import FOREVER, Log, Look, Time
from .errors import ABOUT_ALL, ERRORS, UNHEARD, an_error
from .rollouts import Rollout

VERSIONS = "ListOTAModuleVersionsByDevice"
UNFINISHED_TASKS = "ListOTAUnfinishedTaskByDevice"
#: Where an error is about one device or package alone, if it is not about all.
ABOUT_ONE = (VERSIONS, UNFINISHED_TASKS, "QueryOTAFirmware")

Row = dict[str, Any]


class Questions:
    """Notes questions, of which some fail. ``logs`` is off where whoever asks says itself what failed in the end."""

    def __init__(self, rollout: Rollout, time: Time, log: Log, logs: bool) -> None:
        self.rollout = rollout
        self.trouble = rollout.trouble
        self.time = time
        self.log = log
        self.logs = logs
        self.slow = self.trouble.get("slow", {}).get("seconds", 0.0)
        self.look: Look | None = None
        self.offset: tuple[int, float] | None = None  # in which run the service's time was told, and what it was then
        self.flaps = False
        self.shown: dict[tuple[str, float, bool], list[Row]] = {}  # the lists of this look

    def ask(self, action: str, about: str = "all") -> None:
        """Note a question; it fails for some, and that may be ``about`` one device or package alone."""
        known = len(self.log.looks)
        self.look = self.log.ask(action, self.time.now)
        if len(self.log.looks) > known:
            self._begin()
        if self.slow:
            self.time.sleep(self.slow)
            self.look.moments.append(self.time.now)
        if self.troubled("hang"):
            self.look.errors.append(f"{action} hang")
            self.time.sleep(FOREVER)
        error = self._error(action)
        if error is None or error.code not in UNHEARD:
            self.look.heard = True
            self.offset = self.log.run, self.time.offset()
        if error:
            self.fail(error, action, about if self._is_alone(error, action) else "all")

    def _is_alone(self, error: OtaError, action: str) -> bool:
        """Whether an error is about one device or package alone."""
        if action not in ABOUT_ONE or error.code in ABOUT_ALL or (action == VERSIONS and error.affects_all):
            return False
        # By bytes, what is about another object holds no tasks at all: it speaks against the endpoint.
        return not (action == UNFINISHED_TASKS and error.code == "wrong_response" and self.rollout.wire)

    def fail(self, error: OtaError, action: str, about: str = "all") -> None:
        """Note an error in the look, and raise it."""
        assert self.look
        self.look.raised.add(error.code)
        if about != "all":
            self.look.refused.append(about)
        elif self.logs:
            self.look.errors.append(f"{action} {error.code}")
        raise error.with_context(action=action, attempts=1)

    def _begin(self) -> None:
        """A look begins, and maybe one that is shown something wrong."""
        self.shown = {}
        detail = self.trouble.get("flap")
        self.flaps = False
        if detail and not self._flapped() and self.chance("flap", str(len(self.log.looks))) < detail["often"]:
            self.flaps = True
            self.bend("flap")

    def _flapped(self) -> bool:
        """Whether the last look that was read in full, or one since, was shown something wrong."""
        for look in reversed(self.log.looks[:-1]):
            if "flap" in look.bent or not (look.errors or look.refused):
                return "flap" in look.bent
        return False

    def bend(self, name: str) -> None:
        """Note that trouble bends an answer in this look."""
        if self.look:
            self.look.bent.add(name)

    def _error(self, action: str) -> OtaError | None:
        detail = self.troubled("errors", note=False)
        if detail and detail["action"] in ("", action):
            return ERRORS[detail["kind"]]()
        if self.troubled("revoked", note=False):
            return an_error("InvalidAccessKeyId.Inactive", affects_all=True)
        detail = self.troubled("denied", note=False)
        if detail and detail["action"] == action:
            return an_error("NoPermission", affects_all=True)
        return None

    def troubled(self, name: str, note: bool = True) -> dict[str, Any] | None:
        """What is known of this trouble while it lasts."""
        detail: dict[str, Any] | None = self.trouble.get(name)
        if not detail or not detail["at"] <= self.time.now < detail["until"]:
            return None
        if note:
            self.bend(name)
        return detail

    def chance(self, name: str, what: str) -> float:
        """A number from 0 to 1, always the same for this trouble and what it may meet."""
        return random.Random(f"{self.trouble[name]['seed']} {what}").random()
