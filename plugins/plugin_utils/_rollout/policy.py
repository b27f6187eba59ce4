# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rollout must keep to pass: the options that decide the verdict, checked, and the bounds they set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from ...module_utils._api.operations import SPELLINGS
from ...module_utils._queries.jobs import EXPECTATIONS
from ...module_utils._text import printable, printable_facts
from ...module_utils._validation import check_number, invalid_option, number_option, switch_option, text_option

#: Maximum number of devices in a batch.
MAX_DEVICES = 1_000_000

VersionMatch = Literal["exact", "ignore_build", "prefix"]
VERSION_MATCHES: tuple[VersionMatch, ...] = ("exact", "ignore_build", "prefix")


class ExpectedDevice(NamedTuple):
    """A device that must be reached; without a ``product_key`` it is one of the product of the batches."""

    product_key: str | None
    device_name: str


class Policy(NamedTuple):
    """The options that decide the verdict; times are in seconds. ``None`` sets no bound.

    ``module_name`` is the module that the batches must be for. ``scope`` names the service and the instance that are
    polled: polls of another scope confirm nothing.
    """

    expected_devices: tuple[ExpectedDevice, ...] | None = None
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
    ignore_vanished: bool = False
    allow_empty: bool = False
    verify_versions: bool = True
    module_name: str | None = None
    version_match: VersionMatch = "exact"
    version_grace: float = 120.0
    soak: float = 0.0
    confirmations: int = 2
    max_consecutive_errors: int = 5
    start_grace: float = 120.0
    wait_timeout: float = 3600.0
    scope: str = ""

    def failed_allowed(self, executed: int) -> int | None:
        """How many of the ``executed`` devices may have failed; ``None`` without a bound.

        Without any bound for failures none may fail: tolerating unfinished devices does not tolerate failed ones.
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
    "version_grace": (0, 86400),
    "soak": (0, 31 * 86400),
    "confirmations": (1, 100),
    "max_consecutive_errors": (0, 1000),
    "start_grace": (0, 86400),
    "wait_timeout": (1, 366 * 86400),
}

_WHOLE = ("min_devices", "max_failed", "min_executed", "max_pending", "confirmations", "max_consecutive_errors")
_SWITCHES = ("ignore_canceled", "ignore_vanished", "allow_empty", "verify_versions")
#: The suboptions of ``versions``, and the fields of the policy that they set.
VERSION_FIELDS: Mapping[str, str] = {
    "verify": "verify_versions",
    "module_name": "module_name",
    "match": "version_match",
    "grace": "version_grace",
}
_SUBOPTIONS = {field: f"versions.{name}" for name, field in VERSION_FIELDS.items()}


def needs_modules(policy: Policy) -> bool:
    """Whether it matters for which module the batches are."""
    return policy.verify_versions or policy.expected_devices is not None or policy.module_name is not None


def read_policy(options: Mapping[str, Any]) -> Policy:
    """The policy in ``options`` as users give them; others are ignored, and ``None`` means the default.

    :raises OtaError: a value cannot be used, or two contradict each other.
    """
    versions = options.get("versions") or {}
    options = {**options, **{field: versions.get(name) for name, field in VERSION_FIELDS.items()}}
    given = {name: options[name] for name in Policy._fields if options.get(name) is not None}
    if "module_name" in given:
        given["module_name"] = text_option("versions.module_name", given["module_name"])
    if "expected_devices" in given:
        given["expected_devices"] = _read_devices(given["expected_devices"])
        if "min_devices" in given:
            raise invalid_option(
                "min_devices is given together with expected_devices",
                "leave min_devices out: the number of names is the minimum",
            )
    given = {name: _read_value(name, value) for name, value in given.items()}
    for name in EXPECTATIONS:
        if name in given:
            given[name] = text_option(name, given[name])
    if "expected_job_type" in given:
        word = given["expected_job_type"].upper()
        given["expected_job_type"] = SPELLINGS.get(word, word)
    return Policy(**given)


def _read_value(name: str, value: Any) -> Any:
    """The ``value`` of the option ``name``.

    :raises OtaError: it is none.
    """
    option = _SUBOPTIONS.get(name, name)
    if name in _BOUNDS:
        value = number_option(option, value, whole=name in _WHOLE)
        check_number(option, value, *_BOUNDS[name])
    elif name in _SWITCHES:
        value = switch_option(option, value)
    elif name == "version_match" and value not in VERSION_MATCHES:
        raise invalid_option(f"{option} is {str(value)[:20]}", f"give one of {', '.join(VERSION_MATCHES)}")
    return value


def _read_devices(given: Any) -> tuple[ExpectedDevice, ...]:
    """The devices, each once, with their names as facts have them."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise invalid_option("expected_devices is not a list", "give a list of names")
    if not given:
        raise invalid_option("expected_devices is empty", "name at least one device, or leave the option out")
    entries = (_read_device(f"entry {position} of expected_devices", entry) for position, entry in enumerate(given, 1))
    return tuple(dict.fromkeys(entries))


def _read_device(place: str, entry: Any) -> ExpectedDevice:
    if not isinstance(entry, Mapping):
        return ExpectedDevice(None, printable(text_option(place, entry)))
    if set(entry) != set(ExpectedDevice._fields):
        raise invalid_option(f"{place} is not a device", "give a name, or product_key and device_name")
    texts = {name: text_option(f"{name} of {place}", entry[name]) for name in ExpectedDevice._fields}
    return ExpectedDevice(**printable_facts(texts))
