# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fault rules: which one strikes a call, and what it does to an answer's content."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from . import wire
from .problems import ApiError, InputError, business

_FIRST_KEYS = ("fault", "action", "times", "skip", "device_name", "product_key", "carried_out")
FAULT_KEYS: Mapping[str, tuple[str, ...]] = {
    "throttling": ("status", "code", "retry_after", "x_acs_retry_after"),
    "http_error": ("status", "code"),
    "html": ("status",),
    "reset_before": (),
    "reset_middle": (),
    "endless_body": (),
    "trickle": ("bytes_per_second", "headers"),
    "hang": (),
    "cut_body": (),
    "empty_body": (),
    "wrong_content_length": ("fewer",),
    "early_hints": (),
    "endless_continue": (),
    "cut_chunks": (),
    "second_answer": (),
    "bad_status_line": (),
    "bad_header": (),
    "packed": ("coding", "unnamed"),
    "packed_bomb": (),
    "wrong_format": (),
    "redirect": ("location", "status"),
    "nonce_used": (),
    "clock_skew": ("seconds",),
    "token_expired": (),
    "no_permission": (),
    "business_error": ("code", "message"),
    "system_busy": (),
    "no_success": (),
    "wrong_job": (),
    "missing_data": (),
    "pages_shift": (),
    "pages_repeat": (),
    "pages_short": (),
    "total_changes": (),
    "delay": ("ms",),
}
_REQUIRED = {"redirect": "location", "clock_skew": "seconds", "delay": "ms"}
_TEXTS = ("action", "code", "message", "location", "device_name", "product_key")
_FLAGS = ("headers", "fewer", "unnamed", "carried_out")
_DATA = ("Data", "FirmwareInfo", "DeviceStatusList")
# They strike beside any other fault and before a caller is checked; of the others only the first that matches strikes.
BESIDE = ("clock_skew", "delay")
# They refuse a call, as a rule before it is carried out.
_REFUSALS = (
    *("throttling", "http_error", "nonce_used", "token_expired", "no_permission"),
    *("business_error", "system_busy"),
)


class Call(NamedTuple):
    """What a rule must know about a call; a product or devices only if the call names them."""

    action: str
    product_key: str = ""
    device_names: tuple[str, ...] = ()


class Rule:
    """One fault rule; counts how often it still has to wait and to strike."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)
        self.name: str = fields["fault"]
        self.skip: int = fields.get("skip", 0)
        self.left: float = fields.get("times", math.inf)
        self.struck = 0

    def get(self, key: str, default: Any) -> Any:
        """One of the rule's own keys."""
        return self.fields.get(key, default)

    @property
    def refuses(self) -> bool:
        """Whether it refuses the call."""
        return self.name in _REFUSALS

    @property
    def carries_out(self) -> bool:
        """Whether the call has its effect all the same: as a rule, only the answer to it is spoilt."""
        return bool(self.get("carried_out", not self.refuses))

    def matches(self, call: Call) -> bool:
        """Whether the rule is about this call and not used up."""
        fields = self.fields
        return (
            self.left > 0
            and fields.get("action", call.action) == call.action
            and fields.get("product_key", call.product_key) == call.product_key
            and ("device_name" not in fields or fields["device_name"] in call.device_names)
        )

    def waits(self) -> bool:
        """Whether this call still passes; each call that the rule matches counts."""
        if self.skip <= 0:
            return False
        self.skip -= 1
        return True


def _check_value(where: str, key: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if key in _TEXTS:
        good, words = isinstance(value, str) and "\r" not in value and "\n" not in value, "one line of text"
    elif key in _FLAGS:
        good, words = isinstance(value, bool), "true or false"
    elif key == "coding":
        good, words = value in wire.CODINGS, f"one of {', '.join(wire.CODINGS)}"
    elif key == "seconds":
        good, words = number, "a number"
    elif key == "status":
        good, words = isinstance(value, int) and 200 <= value <= 599, "an HTTP status from 200 to 599"
    elif key == "bytes_per_second":
        good, words = number and value > 0, "a number above 0"
    elif key in ("times", "skip"):
        good, words = isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number from 0"
    else:
        good, words = number and value >= 0, "a number from 0"
    if not good:
        raise InputError(f"{where}: {key} must be {words}.")


def parse_rules(raw: Any) -> list[Rule]:
    """Check the body of ``POST /_sim/faults``."""
    if not isinstance(raw, dict) or set(raw) != {"faults"} or not isinstance(raw["faults"], list):
        raise InputError('Send an object with the one key "faults" that holds a list of rules.')
    rules = []
    for number, row in enumerate(raw["faults"], 1):
        where = f"Rule {number}"
        if not isinstance(row, dict) or not isinstance(row.get("fault"), str) or row["fault"] not in FAULT_KEYS:
            raise InputError(f"{where} needs a fault that is one of {', '.join(FAULT_KEYS)}.")
        known = (*_FIRST_KEYS, *FAULT_KEYS[row["fault"]])
        fields = {key: value for key, value in row.items() if value is not None}
        for key, value in fields.items():
            if key not in known:
                raise InputError(
                    f"{where} ({row['fault']}) has the unknown key {key!r}; known keys are {', '.join(known)}."
                )
            if key != "fault":
                _check_value(where, key, value)
        if _REQUIRED.get(row["fault"], "fault") not in fields:
            raise InputError(f"{where} ({row['fault']}) needs {_REQUIRED[row['fault']]}.")
        rules.append(Rule(fields))
    return rules


class Faults:
    """The rules in force, and how often each fault struck. Not locked: the caller does that."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.injected: Counter[str] = Counter()

    def replace(self, rules: list[Rule]) -> None:
        """Put other rules in force."""
        self.rules = rules

    def listed(self) -> list[dict[str, Any]]:
        """The rules as they were given, with what is left of them."""
        rows = []
        for rule in self.rules:
            row = {**rule.fields, "struck": rule.struck}
            rows.append({**row, "left": int(rule.left)} if math.isfinite(rule.left) else row)
        return rows

    def beside(self, call: Call) -> list[Rule]:
        """The rules of ``BESIDE`` that strike this call."""
        found = [rule for rule in self.rules if rule.name in BESIDE and rule.matches(call)]
        return [self._count(rule) for rule in found if not rule.waits()]

    def strike(self, call: Call) -> Rule | None:
        """The first of the other rules that strikes this call."""
        found = [rule for rule in self.rules if rule.name not in BESIDE and rule.matches(call)]
        ready = [rule for rule in found if not rule.waits()]
        return self._count(ready[0]) if ready else None

    def _count(self, rule: Rule) -> Rule:
        rule.left -= 1
        rule.struck += 1
        self.injected[rule.name] += 1
        return rule


def refuse(rule: Rule) -> None:
    """:raises ApiError: the rule stands for a refusal."""
    name = rule.name
    if name == "throttling":
        error = ApiError(rule.get("code", "Throttling.User"), "Request was denied due to user flow control.")
        error.status = rule.get("status", 400)
        if "retry_after" in rule.fields:
            error.headers["Retry-After"] = str(rule.fields["retry_after"])
        if "x_acs_retry_after" in rule.fields:
            error.headers["x-acs-retry-after"] = str(rule.fields["x_acs_retry_after"])
        raise error
    if name == "http_error":
        text = "The request has failed due to a temporary failure of the server."
        raise ApiError(rule.get("code", "ServiceUnavailable"), text, rule.get("status", 503))
    if name == "business_error":
        raise business(rule.get("code", "iot.system.SystemException"), rule.get("message", "system exception"))
    if name == "system_busy":
        raise business("iot.firmware.SystemBusy", "the system is busy, try again later")
    fixed = {
        "nonce_used": ("SignatureNonceUsed", "Specified signature nonce was used already.", 400),
        "token_expired": ("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.", 400),
        "no_permission": ("NoPermission", "You are not authorized to do this action.", 403),
    }
    if name in fixed:
        raise ApiError(*fixed[name])


def spoil(rule: Rule | None, answer: dict[str, Any]) -> dict[str, Any]:
    """Apply a fault of content to a successful answer."""
    name = rule.name if rule else ""
    if name == "no_success":
        return {key: value for key, value in answer.items() if key != "Success"}
    if name == "missing_data":
        return {key: value for key, value in answer.items() if key not in _DATA}
    if name == "wrong_job":
        return {key: _other_job(item) for key, item in answer.items()}
    if rule and name == "total_changes" and "Total" in answer:
        return {**answer, "Total": answer["Total"] + rule.struck - 1}
    return answer


def _other_job(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: f"{item}0" if key == "JobId" else _other_job(item) for key, item in value.items()}
    return [_other_job(item) for item in value] if isinstance(value, list) else value


def page_bounds(fault: str, page: int, size: int) -> tuple[int, int]:
    """Offset and length of a page, as a paging fault bends them."""
    offset = (page - 1) * size
    if fault == "pages_repeat":
        return 0, size
    if fault == "pages_shift" and page > 1:
        return offset - 1, size
    return offset, max(0, size - 1) if fault == "pages_short" else size
