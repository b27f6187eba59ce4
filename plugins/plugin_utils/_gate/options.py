# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the gate, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._api.request import ServiceConfig
from ...module_utils._queries.version_sources import DEVICE_SOURCE, VERSION_SOURCES, VersionSource
from ...module_utils._validation import check_number, non_blank
from .._rollout.policy import VERSION_MATCHES, Policy, read_policy
from .._verdict.history import read_history

_SOURCES = {source.name: source for source in VERSION_SOURCES}

#: The options of the gate; the defaults of those that decide the verdict are in the policy.
GATE: dict[str, dict[str, Any]] = {
    "job_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["job_id"]},
    "expected_devices": {"type": "list", "elements": "raw"},
    "min_devices": {"type": "int"},
    "expected_product_key": {"type": "str", "no_log": False},
    "expected_firmware_id": {"type": "str"},
    "expected_version": {"type": "str"},
    "expected_job_type": {"type": "str", "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"]},
    "versions": {
        "type": "dict",
        "options": {
            "verify": {"type": "bool", "default": True},
            "module_name": {"type": "str"},
            "match": {"type": "str", "choices": list(VERSION_MATCHES), "default": "exact"},
            "grace": {"type": "float", "default": 120.0},
            "source": {"type": "str", "choices": [*_SOURCES], "default": DEVICE_SOURCE.name},
        },
        "apply_defaults": True,
    },
    "min_succeeded_percent": {"type": "float"},
    "max_failed": {"type": "int"},
    "max_failed_percent": {"type": "float"},
    "min_executed": {"type": "int"},
    "max_pending": {"type": "int"},
    "max_pending_percent": {"type": "float"},
    "ignore_canceled": {"type": "bool"},
    "ignore_vanished": {"type": "bool"},
    "allow_empty": {"type": "bool"},
    "soak": {"type": "float"},
    "confirmations": {"type": "int"},
    "max_consecutive_errors": {"type": "int"},
    "start_grace": {"type": "float"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float"},
    "wait_interval": {"type": "float", "default": 15.0},
    "look_timeout": {"type": "float", "default": 120.0},
    "previous": {"type": "dict"},
    "mode": {"type": "str", "choices": ["enforce", "report"], "default": "enforce"},
    "title": {"type": "str"},
    "events_file": {"type": "path"},
}

_NOT_OF_EVENTS = ("wait", "look_timeout", "previous", "mode", "events_file")
#: Those of the event source: it waits until the end, fails no task and reports an outage at once, to outlive it.
EVENT_SOURCE: dict[str, dict[str, Any]] = {
    **{name: option for name, option in GATE.items() if name not in _NOT_OF_EVENTS},
    "max_consecutive_errors": {"type": "int", "default": 1000},
    "stay": {"type": "bool", "default": False},
}


#: The lowest and the highest value of numbers that decide nothing.
_BOUNDS: Mapping[str, tuple[float, float]] = {"wait_interval": (0.5, 86400), "look_timeout": (0, 86400)}


class GateOptions(NamedTuple):
    """What to gate, and how. ``previous`` is the result of an earlier run that continues."""

    job_ids: Sequence[str]
    policy: Policy
    wait: bool = True
    wait_interval: float = 15.0
    history: Mapping[str, Any] | None = None
    previous: Mapping[str, Any] = {}
    max_qps: float = 10.0
    look_timeout: float = 120.0
    source: VersionSource = DEVICE_SOURCE
    title: str = ""

    @property
    def devices_per_second(self) -> float:
        """How many devices can be read in a second."""
        return self.source.devices_per_second(self.max_qps)


def read_gate_options(options: Mapping[str, Any], service: ServiceConfig) -> GateOptions:
    """What to gate on ``service``, by the options of the gate.

    :raises OtaError: an option cannot be used.
    """
    job_ids = list(dict.fromkeys(non_blank("job_ids", options["job_ids"])))
    policy = read_policy({**options, "scope": service.scope()})
    given = {name: options[name] for name in _BOUNDS if name in options}
    for name, value in given.items():
        check_number(name, value, *_BOUNDS[name])
    return GateOptions(
        job_ids=job_ids,
        policy=policy,
        wait=options["wait"],
        history=read_history(options["previous"], job_ids),
        previous=options["previous"] or {},
        max_qps=options["max_qps"],
        title=options.get("title") or "",
        source=_SOURCES[(options.get("versions") or {}).get("source", DEVICE_SOURCE.name)],
        **given,
    )
