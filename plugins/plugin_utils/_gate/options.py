# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the gate, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._ansible.connection import scope_of
from ...module_utils._validation import check_number, named
from .._verdict.history import read_history
from .._verdict.policy import Policy, read_policy

# The defaults of what decides the verdict are those of _policy.
GATE: dict[str, dict[str, Any]] = {
    "job_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["job_id"]},
    "expected_devices": {"type": "list", "elements": "str"},
    "min_devices": {"type": "int"},
    "product_key": {"type": "str", "no_log": False},
    "firmware_id": {"type": "str"},
    "dest_version": {"type": "str"},
    "job_type": {"type": "str", "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"]},
    "module_name": {"type": "str", "default": "default"},
    "min_succeeded_percent": {"type": "float"},
    "max_failed": {"type": "int"},
    "max_failed_percent": {"type": "float"},
    "min_executed": {"type": "int"},
    "max_pending": {"type": "int"},
    "max_pending_percent": {"type": "float"},
    "accept_canceled": {"type": "bool"},
    "allow_empty": {"type": "bool"},
    "verify_versions": {"type": "bool"},
    "soak": {"type": "float"},
    "confirmations": {"type": "int"},
    "tolerated_errors": {"type": "int"},
    "start_grace": {"type": "float"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float"},
    "wait_interval": {"type": "float", "default": 15.0},
    "previous": {"type": "dict"},
    "mode": {"type": "str", "choices": ["enforce", "report"], "default": "enforce"},
}


# Who listens waits until the end and fails no task, and hears of an outage at once, so that it can be outlived.
SOURCE: dict[str, dict[str, Any]] = {
    **{name: option for name, option in GATE.items() if name not in ("wait", "previous", "mode")},
    "tolerated_errors": {"type": "int", "default": 1000},
    "stay": {"type": "bool", "default": False},
}


class Request(NamedTuple):
    """What is to be gated, and how. ``previous`` is what an earlier run returned, if its looks are to go on."""

    job_ids: Sequence[str]
    policy: Policy
    module_name: str = "default"
    wait: bool = True
    wait_interval: float = 15.0
    history: Mapping[str, Any] | None = None
    previous: Mapping[str, Any] = {}
    max_qps: float = 10.0


def read_request(options: Mapping[str, Any]) -> Request:
    """What is to be gated, by the options of the gate.

    :raises OtaError: an option cannot be used.
    """
    job_ids = list(dict.fromkeys(named("job_ids", options["job_ids"])))
    (module_name,) = named("module_name", [options["module_name"]])
    policy = read_policy({**options, "scope": scope_of(options, module_name)})
    check_number("wait_interval", options["wait_interval"], 0.5, 86400)
    return Request(
        job_ids=job_ids,
        policy=policy,
        module_name=module_name,
        wait=options["wait"],
        wait_interval=options["wait_interval"],
        history=read_history(options["previous"], job_ids),
        previous=options["previous"] or {},
        max_qps=options["max_qps"],
    )
