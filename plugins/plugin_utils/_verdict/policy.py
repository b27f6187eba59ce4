# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout must keep to pass: the options of the judgement, checked, and the bounds that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ...module_utils._api.operations import SPELLINGS
from ...module_utils._queries.jobs import EXPECTATIONS
from ...module_utils._validation import check_number, invalid

#: A batch may hold so many devices.
MAX_DEVICES = 1_000_000


class Policy(NamedTuple):
    """The options of the judgement; times are in seconds, shares in percent. ``None`` is no bound of its own.

    ``scope`` names what is looked at, where and how: looks of another scope confirm nothing.
    """

    expected_devices: tuple[str, ...] | None = None
    min_devices: int | None = None
    product_key: str | None = None
    firmware_id: str | None = None
    dest_version: str | None = None
    job_type: str | None = None
    min_succeeded_percent: float | None = None
    max_failed: int | None = None
    max_failed_percent: float | None = None
    min_executed: int = 1
    max_pending: int | None = None
    max_pending_percent: float | None = None
    accept_canceled: bool = False
    allow_empty: bool = False
    verify_versions: bool = True
    soak: float = 0.0
    confirmations: int = 2
    tolerated_errors: int = 5
    start_grace: float = 120.0
    wait_timeout: float = 3600.0
    scope: str = ""

    def failed_allowed(self, executed: int) -> int | None:
        """How many of so many devices that have succeeded or failed may have failed; ``None`` if that is not bound.

        Without any bound for failures none may: who tolerates devices that are late has not tolerated one that failed.
        """
        allowed = _allowed(executed, self.max_failed, self.max_failed_percent)
        return 0 if allowed is None and self.min_succeeded_percent is None else allowed

    def pending_allowed(self, devices: int) -> int:
        """How many of so many devices may be unfinished in a rollout that passes."""
        return _allowed(devices, self.max_pending, self.max_pending_percent) or 0

    def succeeded_needed(self, devices: int) -> int:
        """How many of so many devices must have succeeded, at least one of any."""
        if self.min_succeeded_percent is not None:
            needed = math.ceil(_exact(self.min_succeeded_percent) * devices / 100)
        else:
            needed = devices - (self.failed_allowed(devices) or 0) - self.pending_allowed(devices)
        return max(needed, min(1, devices))


def _allowed(devices: int, count: int | None, percent: float | None) -> int | None:
    share = None if percent is None else math.floor(_exact(percent) * devices / 100)
    return min((bound for bound in (count, share) if bound is not None), default=None)


def _exact(percent: float) -> Fraction:
    """The decimal that was written; 99.9 is none in binary digits."""
    return Fraction(str(percent))


_PERCENT = (0, 100)


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "min_devices": (1, MAX_DEVICES),
    "min_succeeded_percent": _PERCENT,
    "max_failed": (0, MAX_DEVICES),
    "max_failed_percent": _PERCENT,
    "min_executed": (1, MAX_DEVICES),
    "max_pending": (0, MAX_DEVICES),
    "max_pending_percent": _PERCENT,
    "soak": (0, 31 * 86400),
    "confirmations": (1, 100),
    "tolerated_errors": (0, 1000),
    "start_grace": (0, 86400),
    "wait_timeout": (1, 366 * 86400),
}


_WHOLE = ("min_devices", "max_failed", "min_executed", "max_pending", "confirmations", "tolerated_errors")


_SWITCHES = ("accept_canceled", "allow_empty", "verify_versions")


def read_policy(options: Mapping[str, Any]) -> Policy:
    """The policy in ``options``, of which others are ignored, and ``None`` means the default.

    :raises OtaError: a value cannot be used, or two contradict each other.
    """
    given = {name: options[name] for name in Policy._fields if options.get(name) is not None}
    if "expected_devices" in given:
        given["expected_devices"] = _names(given["expected_devices"])
        if "min_devices" in given:
            raise invalid(
                "min_devices is given together with expected_devices",
                "leave min_devices out, because the names tell how many there must be",
            )
    for name in Policy._fields:
        if name in given:
            _check(name, given[name])
    for name in EXPECTATIONS:
        if name in given:
            given[name] = str(given[name]).strip()
            if not given[name]:
                raise invalid(f"{name} is blank", "check the variable that it comes from, or leave the option out")
    if "job_type" in given:
        word = given["job_type"].upper()
        given["job_type"] = SPELLINGS.get(word, word)
    return Policy(**given)


def _check(name: str, value: Any) -> None:
    """:raises OtaError: ``value`` is none for the option ``name``."""
    if name in _BOUNDS:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise invalid(f"{name} is {str(value)[:20]}", "give a number")
        check_number(name, value, *_BOUNDS[name])
        if name in _WHOLE and value != int(value):
            raise invalid(f"{name} is {str(value)[:20]}", "give a whole number")
    elif name in _SWITCHES and not isinstance(value, bool):
        raise invalid(f"{name} is {str(value)[:20]}", "give true or false")


def _names(given: Any) -> tuple[str, ...]:
    """The names of devices, each once."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise invalid("expected_devices is not a list", "give a list of names")
    if not given:
        raise invalid("expected_devices is empty", "name at least one device, or leave the option out")
    for position, name in enumerate(given, 1):
        if not isinstance(name, str):
            raise invalid(f"entry {position} of expected_devices is not text", "write it in quotes")
        if not name.strip():
            raise invalid(f"entry {position} of expected_devices is blank", "check the variable that it comes from")
    return tuple(dict.fromkeys(name.strip() for name in given))
