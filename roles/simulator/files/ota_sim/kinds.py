# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which keys a scenario's objects know, and of what kind their values are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from .courses import COURSES, STEP_TEXTS
from .presences import STATES
from .problems import InputError

DIALECTS = ("alibaba", "tuya")
STARTS = ("immediately", "first_request")
STATUSES_OF_PACKAGES = (-1, 0, 1, 2, 3)
WORLD_KEYS = ("products", "firmwares", "devices", "jobs")


class Kind(NamedTuple):
    """What a value must be, in words and as a check."""

    words: str
    accepts: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _one_of(*choices: Any) -> Kind:
    return Kind(
        "one of " + ", ".join(map(str, choices)), lambda value: value in choices and not isinstance(value, bool)
    )


_NAME = Kind("a text that is not empty", lambda value: isinstance(value, str) and value != "")
_TEXT = Kind("a text", _is_text)
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_COUNT = Kind("a whole number from 0", _is_count)
_POSITIVE = Kind("a whole number from 1", lambda value: _is_count(value) and value > 0)
_WHOLE = Kind("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool))
_NUMBER = Kind("a number", _is_number)
_SECONDS = Kind("a number from 0", lambda value: _is_number(value) and value >= 0)
_PERCENT = Kind("a number from 0 to 100", lambda value: _is_number(value) and 0 <= value <= 100)
_SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_LIST = Kind("a list", lambda value: isinstance(value, list))
_TEXTS = Kind("a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value)))
_TEXT_MAP = Kind("an object of texts", lambda value: isinstance(value, dict) and all(map(_is_text, value.values())))

TOP = {
    "dialect": _one_of(*DIALECTS),
    "access_keys": _LIST,
    "instance_id": _TEXT,
    "qps": _SECONDS,
    "require_version": _FLAG,
    "mixed_casing": _FLAG,
    "clock_offset": _NUMBER,
    "counts_lag": _SECONDS,
    "versions_lag": _SECONDS,
    "cancel_lag": _SECONDS,
    "seed": _WHOLE,
    "start": _one_of(*STARTS),
    **dict.fromkeys(WORLD_KEYS, _LIST),
}
KEY = {
    "id": _NAME,
    "secret": _NAME,
    "security_token": _TEXT,
    "inactive": _FLAG,
    "token_expired": _FLAG,
    "denied_actions": _TEXTS,
    "read_only": _FLAG,
}
PRODUCT = {"product_key": _NAME, "name": _TEXT}
FIRMWARE = {
    "firmware_id": _NAME,
    "product_key": _NAME,
    "name": _TEXT,
    "module_name": _NAME,
    "src_version": _TEXT,
    "dest_version": _NAME,
    "files": _TEXTS,
    "status": _one_of(*STATUSES_OF_PACKAGES),
    "created_before": _SECONDS,
}
DEVICE = {
    "name": _NAME,
    "prefix": _NAME,
    "count": _POSITIVE,
    "product_key": _NAME,
    "versions": _TEXT_MAP,
    "deleted_after": _SECONDS,
    "replaced_after": _SECONDS,
    "replaced_versions": _TEXT_MAP,
    "tasks_stay": _FLAG,
    "state": _one_of(*STATES),
    "state_before": _SECONDS,
    "last_online_before": _SECONDS,
}
JOB = {
    "job_id": _NAME,
    "firmware_id": _NAME,
    "devices": _LIST,
    "job_type": _one_of("UPGRADE_FIRMWARE", "VERIFY_FIRMWARE", "VERFIY_FIRMWARE"),
    "selection_type": _one_of("STATIC", "DYNAMIC"),
    "target_selection": _one_of("ALL", "SPECIFIC", "GRAY", "GROUP"),
    "created_before": _SECONDS,
    "created_after": _SECONDS,
    "scheduled_after": _SECONDS,
    "schedule_ends_after": _SECONDS,
    "canceled_after": _SECONDS,
    "tasks_after": _SECONDS,
    "tasks_before_schedule": _FLAG,
    "newest_tasks_first": _FLAG,
    "maximum_per_minute": _POSITIVE,
    "timeout_in_minutes": _POSITIVE,
    "retry_count": _COUNT,
    "retry_interval": _COUNT,
    "retries_visible": _FLAG,
    "overwrite_mode": _COUNT,
    "dynamic_mode": _COUNT,
    "need_confirm": _FLAG,
    "confirmed_after": _SECONDS,
    "need_push": _FLAG,
    "multi_module_mode": _FLAG,
    "canceled_devices_stop": _FLAG,
    "download_protocol": _TEXT,
    "gray_percent": _TEXT,
    "group_id": _TEXT,
    "group_name": _TEXT,
    "description": _TEXT,
    "tags": _TEXT_MAP,
}
COURSE = {
    "spread": _SECONDS,
    "notified_after": _SECONDS,
    "started_after": _SECONDS,
    "finished_after": _SECONDS,
    "jitter": _SHARE,
    "reported_after": _SECONDS,
    "listed_after": _SECONDS,
    "step": _one_of(*STEP_TEXTS),
    "step_in_progress": _FLAG,
    "failed_attempts": _POSITIVE,
    "desc": _TEXT,
    "online_after": _SECONDS,
    "stalls_at": _PERCENT,
    "timed_out_after": _SECONDS,
    "fell_back_after": _SECONDS,
    "confirmed_after": _SECONDS,
    "busy_with": _NAME,
    "canceled_after": _SECONDS,
    "version": _NAME,
    "status": _one_of("SUCCEEDED", "FAILED"),
}
ENTRY = {"name": _NAME, "prefix": _NAME, "count": _POSITIVE, "course": _one_of(*COURSES), "again": _LIST}
AGAIN = {"after": _SECONDS, "same_task": _FLAG, "course": _one_of(*COURSES)}


def check(where: str, raw: Any, kinds: Mapping[str, Kind], required: Sequence[str] = ()) -> dict[str, Any]:
    """Check one object's keys and their values; null counts as absent."""
    if not isinstance(raw, dict):
        raise InputError(f"{where} must be an object, not {json.dumps(raw)[:40]}.")
    for key, value in raw.items():
        if key not in kinds:
            raise InputError(f"{where} has the unknown key {key!r}; known keys are {', '.join(sorted(kinds))}.")
        if value is not None and not kinds[key].accepts(value):
            shown = "the given value" if "secret" in key or "token" in key else json.dumps(value)[:60]
            raise InputError(f"{where}: {key} must be {kinds[key].words}, not {shown}.")
    for key in required:
        if raw.get(key) is None:
            raise InputError(f"{where} has no {key}; add it.")
    return {key: value for key, value in raw.items() if value is not None}
