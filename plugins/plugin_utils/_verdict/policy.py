# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout must keep to pass: the options that decide the verdict, checked, and the bounds they set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ...module_utils._api.operations import SPELLINGS
from ...module_utils._queries.jobs import EXPECTATIONS
from ...module_utils._validation import check_number, invalid_option

#: Maximum number of devices in a batch.
MAX_DEVICES = 1_000_000


class Policy(NamedTuple):
    """The options that decide the verdict; times are in seconds. ``None`` sets no bound.

    ``scope`` names the service, the instance and the module that are polled: polls of another scope confirm nothing.
    """

    expected_devices: tuple[str, ...] | None = None
    min_devices: int | None = None
    expected_product_key: str | None = None
    expected_firmware_id: str | None = None
    expected_version: str | None = None
    expected_job_type: str | None = None
    min_succeeded_percent: float | None = None
    max_failed: int | None = None
    max_failed_percent: float | None = None
    min_executed: int = 1
    max_pending: int | None = None
    max_pending_percent: float | None = None
    ignore_canceled: bool = False
    allow_empty: bool = False
    verify_versions: bool = True
    soak: float = 0.0
    confirmations: int = 2
    max_consecutive_errors: int = 5
    start_grace: float = 120.0
    wait_timeout: float = 3600.0
    scope: str = ""

    def failed_allowed(self, executed: int) -> int | None:
        """How many of the ``executed`` devices may have failed; ``None`` without a bound.

        Without any bound for failures none may fail: tolerating late devices does not tolerate failed ones.
        """
        allowed = _smaller_bound(executed, self.max_failed, self.max_failed_percent)
        return 0 if allowed is None and self.min_succeeded_percent is None else allowed

    def pending_allowed(self, devices: int) -> int:
        """How many of the ``devices`` may be unfinished in a rollout that passes."""
        return _smaller_bound(devices, self.max_pending, self.max_pending_percent) or 0

    def succeeded_needed(self, devices: int) -> int:
        """How many of the ``devices`` must have succeeded, at least one of any."""
        if self.min_succeeded_percent is not None:
            needed = math.ceil(_exact_fraction(self.min_succeeded_percent) * devices / 100)
        else:
            needed = devices - (self.failed_allowed(devices) or 0) - self.pending_allowed(devices)
        return max(needed, min(1, devices))


def _smaller_bound(devices: int, count: int | None, percent: float | None) -> int | None:
    share = None if percent is None else math.floor(_exact_fraction(percent) * devices / 100)
    return min((bound for bound in (count, share) if bound is not None), default=None)


def _exact_fraction(percent: float) -> Fraction:
    """The decimal as written: 99.9 has no exact binary form."""
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
    "max_consecutive_errors": (0, 1000),
    "start_grace": (0, 86400),
    "wait_timeout": (1, 366 * 86400),
}

_WHOLE = ("min_devices", "max_failed", "min_executed", "max_pending", "confirmations", "max_consecutive_errors")
_SWITCHES = ("ignore_canceled", "allow_empty", "verify_versions")


def read_policy(options: Mapping[str, Any]) -> Policy:
    """The policy in ``options``; others are ignored, and ``None`` means the default.

    :raises OtaError: a value cannot be used, or two contradict each other.
    """
    given = {name: options[name] for name in Policy._fields if options.get(name) is not None}
    if "expected_devices" in given:
        given["expected_devices"] = _read_names(given["expected_devices"])
        if "min_devices" in given:
            raise invalid_option(
                "min_devices is given together with expected_devices",
                "leave min_devices out: the number of names is the minimum",
            )
    for name in Policy._fields:
        if name in given:
            _check_value(name, given[name])
    for name in EXPECTATIONS:
        if name in given:
            given[name] = str(given[name]).strip()
            if not given[name]:
                raise invalid_option(f"{name} is blank", "check the variable it comes from, or leave the option out")
    if "expected_job_type" in given:
        word = given["expected_job_type"].upper()
        given["expected_job_type"] = SPELLINGS.get(word, word)
    return Policy(**given)


def _check_value(name: str, value: Any) -> None:
    """:raises OtaError: ``value`` is none for the option ``name``."""
    if name in _BOUNDS:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise invalid_option(f"{name} is {str(value)[:20]}", "give a number")
        check_number(name, value, *_BOUNDS[name])
        if name in _WHOLE and value != int(value):
            raise invalid_option(f"{name} is {str(value)[:20]}", "give a whole number")
    elif name in _SWITCHES and not isinstance(value, bool):
        raise invalid_option(f"{name} is {str(value)[:20]}", "give true or false")


def _read_names(given: Any) -> tuple[str, ...]:
    """The names of devices, each once."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise invalid_option("expected_devices is not a list", "give a list of names")
    if not given:
        raise invalid_option("expected_devices is empty", "name at least one device, or leave the option out")
    for position, name in enumerate(given, 1):
        if not isinstance(name, str):
            raise invalid_option(f"entry {position} of expected_devices is not text", "write it in quotes")
        if not name.strip():
            raise invalid_option(f"entry {position} of expected_devices is blank", "check the variable it comes from")
    return tuple(dict.fromkeys(name.strip() for name in given))
