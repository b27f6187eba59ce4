# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the gate, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._api.request import ServiceConfig
from ...module_utils._queries.version_sources import DEVICE_SOURCE, VERSION_SOURCES, VersionSource
from ...module_utils._validation import check_number, invalid_option, non_blank, text_option
from .._evidence.candidates import WHICH, Search
from .._rollout.policy import VERSION_MATCHES, Policy, read_policy
from .._rollout.times import parse_time
from .._verdict.history import read_history

_SOURCES = {source.name: source for source in VERSION_SOURCES}

#: The options of the gate; the defaults of those that decide the verdict are in the policy.
GATE: dict[str, dict[str, Any]] = {
    "job_ids": {"type": "list", "elements": "str", "aliases": ["job_id"]},
    "find": {
        "type": "dict",
        "options": {
            "product_key": {"type": "str", "required": True},
            "dest_version": {"type": "str", "required": True},
            "module_name": {"type": "str"},
            "job_type": {
                "type": "str",
                "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"],
                "default": "UPGRADE_FIRMWARE",
            },
            "tags": {"type": "dict"},
            "created_after": {"type": "str"},
            "which": {"type": "str", "choices": list(WHICH), "default": "only"},
        },
    },
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
    """What to gate, and how. ``previous`` is the result of an earlier run that continues.

    Without ``job_ids``, the ``search`` finds the batches.
    """

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
    search: Search | None = None

    @property
    def devices_per_second(self) -> float:
        """How many devices can be read in a second."""
        return self.source.devices_per_second(self.max_qps)


def read_gate_options(options: Mapping[str, Any], service: ServiceConfig) -> GateOptions:
    """What to gate on ``service``, by the options of the gate.

    :raises OtaError: an option cannot be used.
    """
    search = read_search(options, service)
    job_ids = [] if search else list(dict.fromkeys(non_blank("job_ids", options["job_ids"])))
    policy = read_policy({**(_with_expectations(options, search) if search else options), "scope": service.scope()})
    history = read_history(options["previous"], job_ids, search._asdict() if search else None)
    given = {name: options[name] for name in _BOUNDS if name in options}
    for name, value in given.items():
        check_number(name, value, *_BOUNDS[name])
    return GateOptions(
        job_ids=history["found"].get("job_ids", job_ids) if history and search else job_ids,
        policy=policy,
        wait=options["wait"],
        history=history,
        previous=options["previous"] or {},
        max_qps=options["max_qps"],
        title=options.get("title") or "",
        source=_SOURCES[(options.get("versions") or {}).get("source", DEVICE_SOURCE.name)],
        search=search,
        **given,
    )


def read_search(options: Mapping[str, Any], service: ServiceConfig) -> Search | None:
    """The search by which the batches are found; ``None`` if they are given.

    :raises OtaError: both are given, or neither is, or what is searched cannot be found.
    """
    given, job_ids = options.get("find"), options.get("job_ids")
    if given is None and job_ids is None:
        raise invalid_option("neither job_ids nor find is given", "name the batches, or say which to find")
    if given is None:
        return None
    if job_ids is not None:
        raise invalid_option("job_ids and find are both given", "leave one of them out")
    texts = {name: value for name, value in given.items() if name != "tags" and value is not None}
    texts = {name: text_option(f"find.{name}", value) for name, value in texts.items()}
    tags = {str(key): text_option(f"find.tags.{key}", value) for key, value in (given.get("tags") or {}).items()}
    if tags and not service.platform.has_tags:
        hint = "leave it out, and use created_after, or give job_ids"
        raise invalid_option(f"find.tags is given, but {service.platform.name} documents no tags of batches", hint)
    if "created_after" in texts and parse_time(texts["created_after"]) is None:
        raise invalid_option(
            f"find.created_after is {texts['created_after'][:40]}",
            "give a time in ISO 8601, such as 2026-03-01T10:12:44Z",
        )
    return Search(**texts, tags=tags)


def _with_expectations(options: Mapping[str, Any], search: Search) -> dict[str, Any]:
    """The ``options``, by which each batch must be what was searched: what the list says of it proves nothing.

    :raises OtaError: something else is expected than searched.
    """
    meant = {
        "expected_product_key": search.product_key,
        "expected_version": search.dest_version,
        "expected_job_type": search.job_type,
    }
    versions = dict(options.get("versions") or {})
    given = {**{name: options.get(name) for name in meant}, "versions.module_name": versions.get("module_name")}
    if search.module_name is not None:
        versions["module_name"] = search.module_name
    for name, value in {**meant, "versions.module_name": search.module_name}.items():
        if value is not None and given[name] not in (None, value):
            raise invalid_option(
                f"{name} is {given[name]}, but find is about {value}", "give the same, or leave it out"
            )
    return {**options, **meant, "versions": versions}
