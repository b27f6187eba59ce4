# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How verdicts are worded: counts, names, times. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...module_utils._text import printable
from .._rollout.devices import Device, State
from .._rollout.policy import Policy
from .._rollout.state import RolloutState
from .bounds import Limit, deciding_limit, device_limits, failed_limits, pending_limits

#: Name at most this many devices in a reason.
MAX_NAMES = 10
#: Return at most this many texts of failures, and this many characters of each.
MAX_TEXTS = 20
MAX_TEXT = 200
#: Show at most this many characters of a device's name.
MAX_NAME = 100


class Reason(NamedTuple):
    """Why a verdict is what it is: a word, a sentence without a full stop, and the devices it is about."""

    code: str
    message: str
    number: int | None = None
    devices: tuple[str, ...] = ()


def proof_sentence(rollout: RolloutState, policy: Policy) -> str:
    message = f"{share_of(rollout.succeeded, rollout)} succeeded"
    if policy.verify_versions:
        message += " and reported the new version"
    if rollout.failed:
        message += f", {rollout.failed:,} failed{class_counts(rollout, 'failed')}"
    if rollout.pending:
        message += f", {rollout.pending:,} unfinished{class_counts(rollout, 'pending')}"
    if rollout.canceled:
        message += f", {rollout.canceled:,} canceled and not counted"
    if rollout.ignored:
        message += f", {rollout.ignored:,} vanished and not counted"
    tolerated = rollout.failed + rollout.pending + rollout.canceled + rollout.ignored
    return f"{message}, within the limits" if tolerated else message


def failed_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many of the finished devices failed, and how many may."""
    limits = failed_limits(rollout, policy)
    limit = next((limit for limit in limits if not limit.kept), limits[0])
    finished = count_things(rollout.executed, "finished device")
    allowed = f"the limit is {allowed_words(limit)}" if limit.allowed else "none may fail"
    return f"{rollout.failed:,} of {finished} {_failed_words(rollout)}, {share_words(limit)}; {allowed} ({limit.name})"


def unfinished_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many of the devices are unfinished, and how many may be."""
    limits = pending_limits(rollout, policy)
    limit = next((limit for limit in limits if not limit.kept), limits[0])
    allowed = f"the limit is {allowed_words(limit)}" if limit.allowed else "none may be"
    return f"{unfinished_words(rollout)}, {share_words(limit)}; {allowed} ({limit.name})"


def needed_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many of the devices succeeded, and how many must."""
    succeeded = f"{share_of(rollout.succeeded, rollout)} succeeded"
    return f"{succeeded}; at least {policy.succeeded_needed(rollout.total):,} must (min_succeeded_percent)"


def too_few_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many devices had a task, and how many must have one."""
    had = count_things(rollout.accounted, "device")
    return f"{had} had a task; at least {policy.min_devices or 0:,} must have one (min_devices)"


def deadline_sentence(rollout: RolloutState, policy: Policy) -> str:
    """What was not reached when the time was over."""
    limit = deciding_limit(device_limits(rollout, policy), "deadline")
    if limit is None:
        return f"not settled within {format_duration(policy.wait_timeout)} (wait_timeout)"
    if limit.name.startswith("max_pending"):
        return unfinished_sentence(rollout, policy)
    if limit.name == "min_devices":
        return too_few_sentence(rollout, policy)
    if limit.name == "min_succeeded_percent":
        return needed_sentence(rollout, policy)
    return failed_sentence(rollout, policy)


def out_of_reach_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many devices can still succeed, and how many must."""
    limit = deciding_limit(device_limits(rollout, policy), "success_out_of_reach")
    option = limit.name if limit else "min_succeeded_percent"
    most, needed = rollout.succeeded + rollout.pending, policy.succeeded_needed(rollout.total)
    failed = f"{share_of(rollout.failed, rollout)} {_failed_words(rollout)}"
    return f"{failed}, which leaves {most:,}; {needed:,} must succeed ({option})"


def unfinished_words(rollout: RolloutState) -> str:
    """How many of the devices are unfinished."""
    return f"{share_of(rollout.pending, rollout)} {'is' if rollout.pending == 1 else 'are'} unfinished"


def _failed_words(rollout: RolloutState) -> str:
    """What became of failed devices: nothing of their own doing if all were canceled."""
    if set(rollout.by_class["failed"]) != {"canceled"}:
        return "failed"
    return "was canceled" if rollout.failed == 1 else "were canceled"


def allowed_words(limit: Limit) -> str:
    """What a bound allows, in its own unit."""
    return f"{limit.allowed:g} %" if limit.is_share else f"{limit.allowed:,}"


def share_words(limit: Limit) -> str:
    """What was measured in percent, with as many digits as tell it from none, all, and what is allowed."""
    share = 100 * limit.measured / limit.of if limit.of else 0.0
    others = {0.0, 100.0, limit.allowed if limit.is_share else 0.0} - {share}
    texts = (f"{share:.{digits}f}".rstrip("0").rstrip(".") for digits in range(1, 9))
    return f"{next((text for text in texts if float(text) not in others), share)} %"


def failure_texts(rollout: RolloutState) -> list[dict[str, Any]]:
    """The texts of failed devices, most frequent first, with their classes, numbers and some names of devices."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in rollout.devices_in("failed"):
        text = printable(_cause(device), MAX_TEXT)
        groups.setdefault((str(device.class_name), text), []).append(device)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {"class": name, "text": text, "count": len(devices), "devices": list(device_names(devices))}
        for (name, text), devices in ranked[:MAX_TEXTS]
    ]


def _cause(device: Device) -> str:
    """The detail of a device without the time of its own, so that equal ones can be counted."""
    detail = str(device.detail or "")
    return detail.partition(" after ")[0] if device.class_name == "fell_back" else detail


def share_of(number: int, rollout: RolloutState) -> str:
    return f"{number:,} of {count_things(rollout.total, 'device')}"


def class_counts(rollout: RolloutState, state: State) -> str:
    """How many devices in a state are in which class, in brackets after a blank; empty without any."""
    parts = ", ".join(class_parts(rollout, state))
    return f" ({parts})" if parts else ""


def class_parts(rollout: RolloutState, state: State) -> list[str]:
    """How many devices in a state are in each class, most first. One is offline only if the service says so."""
    numbers = dict(rollout.by_class[state])
    if "offline" in numbers:
        known = sum(device_words(device) == "offline" for device in rollout.devices)
        numbers = {**numbers, "offline": known, "queued": numbers["offline"] - known}
    ranked = sorted(numbers.items(), key=lambda one: -one[1])
    return [f"{number:,} {class_words(name)}" for name, number in ranked if number]


#: What a class means for people, where its name does not say it.
_CLASS_WORDS = {
    "awaiting_version": "still reporting the old version",
    "busy": "busy with another batch",
    "in_progress": "updating",
    "moving": "between two states",
    "no_task": "without a task",
    "not_read": "for a reason not read yet",
    "online_not_pushed": "online but not pushed",
    "planned": "planned for later",
    "rate_limited": "queued by the batch's rate limit",
    "retrying": "to be retried",
    "unproved": "without proof",
    "waits_for_device": "waiting for the device to ask",
}


def class_words(name: str) -> str:
    """The class of a device, as people read it."""
    return _CLASS_WORDS.get(name, name.replace("_", " "))


def device_words(device: Device) -> str:
    """The class of one device, as people read it."""
    return words_of(str(device.class_name), device.detail)


def words_of(class_name: str, detail: Any) -> str:
    """The same, by the class and what is known of the device: without that, nobody knows whether it is offline."""
    return "queued" if class_name == "offline" and not detail else class_words(class_name)


def versions_words(read: int, succeeded: int) -> str:
    """How many versions of the devices that succeeded have been read."""
    return f"{read:,} of {succeeded:,} versions read"


def count_things(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def device_names(devices: Sequence[Device]) -> tuple[str, ...]:
    """The names of the first few devices, each as far as it can be shown."""
    return tuple(printable(str(device.device_name or device.task_id), MAX_NAME) for device in devices[:MAX_NAMES])


def quote_short(text: Any) -> str:
    return f'"{str(text)[:100]}"'


def format_duration(seconds: float) -> str:
    """A time span for people, such as ``12 min 30 s``."""
    whole = max(0, round(seconds))
    hours = whole // 3600 if whole >= 7200 else 0
    minutes, left = (whole - 3600 * hours) // 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
