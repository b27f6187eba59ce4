# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured against what is allowed, in words and as bars. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._result.limits import GROUPS, level_of, level_words, measured_of, read_limits
from .._result.reading import mapping_of, number_of
from .._rollout.devices import State
from .._verdict.bounds import Limit
from .._verdict.wording import allowed_words, count_things, format_duration, share_words
from .words import width_of

#: A bar ends this far beyond the greater of what was measured and what is allowed.
BEYOND = 1.25


def set_limits(result: Mapping[str, Any]) -> list[Limit]:
    """The bounds in a result; in one without any, those of its policy, of which nothing is measured."""
    policy = mapping_of(result.get("policy"))
    given = [Limit(name, number_of(policy[name]), 0, None, True) for name in GROUPS if policy.get(name) is not None]
    return read_limits(result) or given


def bound_sentence(limit: Limit, min_executed: int = 1) -> str:
    """What a bound asks for, without a full stop."""
    some = f"at most {allowed_words(limit)}" if limit.allowed else "none"
    since = f", from {min_executed:,} finished on" if min_executed > 1 else ""
    least = f"at least {allowed_words(limit)}"
    sentences = {
        "max_failed": f"{some} of the devices may fail{since}",
        "max_failed_percent": f"{some} of the finished devices may fail{since}",
        "max_pending": f"{some} of the devices may be unfinished at the end",
        "max_pending_percent": f"{some} of the devices may be unfinished at the end",
        "min_succeeded_percent": f"{least} of the devices must succeed",
        "min_devices": f"at least {count_things(int(limit.allowed), 'device')} must have a task",
        "wait_timeout": f"the rollout must be settled within {format_duration(limit.allowed)}",
        "max_consecutive_errors": f"at most {count_things(int(limit.allowed), 'poll')} in a row may fail",
    }
    text = sentences[limit.name]
    return f"{text[0].upper()}{text[1:]}"


def number_words(limit: Limit) -> str:
    """What was measured as a number alone, or as a time span."""
    return format_duration(limit.measured) if GROUPS[limit.name] == "time" else f"{int(limit.measured):,}"


def measured_words(limit: Limit) -> str:
    """What was measured, with what it is a part of."""
    group = GROUPS[limit.name]
    if group == "time":
        return format_duration(limit.measured)
    if group == "errors":
        return count_things(int(limit.measured), "poll")
    if limit.of is None:
        return count_things(int(limit.measured), "device")
    base = "finished device" if group == "failed" else "device"
    return f"{int(limit.measured):,} of {count_things(limit.of, base)}, {share_words(limit)}"


def compared_words(limit: Limit) -> str:
    """What was measured against what is allowed, in the bound's own unit."""
    group = GROUPS[limit.name]
    bound = "at least" if limit.name.startswith("min_") else "limit"
    if group == "time":
        return f"{format_duration(limit.measured)}, {bound} {format_duration(limit.allowed)}"
    if not limit.is_share:
        return f"{int(limit.measured):,}, {bound} {allowed_words(limit)}"
    base = "finished devices" if group == "failed" else "devices"
    return f"{share_words(limit)} of {base}, {bound} {allowed_words(limit)}"


def bar_of(limit: Limit) -> dict[str, float]:
    """How long the bar of what was measured is, and where what is allowed is marked, both in percent."""
    measured = measured_of(limit)
    greatest = max(measured, limit.allowed)
    full = greatest if GROUPS[limit.name] == "time" else greatest * BEYOND
    full = 100.0 if limit.is_share and (limit.name.startswith("min_") or full > 100) else full
    return {"width": width_of(measured, full), "mark": width_of(limit.allowed, full)}


def limit_view(limit: Limit, min_executed: int = 1) -> dict[str, Any]:
    """A bound as a page shows it."""
    level = level_of(limit, min_executed)
    return {
        "name": limit.name,
        "group": GROUPS[limit.name],
        "text": bound_sentence(limit, min_executed),
        "number": number_words(limit),
        "measured": measured_words(limit),
        "compared": compared_words(limit),
        "level": level,
        "level_words": level_words(limit, level),
        "decided": limit.decided,
        **bar_of(limit),
    }


def first_state(verdict: str, limit: Limit | None, concerned: State | None) -> State:
    """The state of the devices that come first: those that the verdict is about."""
    if limit is None:
        return "pending" if verdict in ("timed_out", "pending") else "failed"
    return concerned or "failed"
