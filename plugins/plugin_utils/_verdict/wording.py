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
        message += f", {rollout.failed} failed{class_counts(rollout, 'failed')}"
    if rollout.pending:
        message += f", {rollout.pending} pending{class_counts(rollout, 'pending')}"
    if rollout.canceled:
        message += f", {rollout.canceled} canceled and not counted"
    if rollout.ignored:
        message += f", {rollout.ignored} vanished and not counted"
    tolerated = rollout.failed + rollout.pending + rollout.canceled + rollout.ignored
    return f"{message}, as is allowed" if tolerated else message


def failures_sentence(rollout: RolloutState, policy: Policy, allowed: int) -> str:
    """How many of the finished devices failed, and how many may: as a percentage where that is what decides."""
    percent = policy.max_failed_percent
    by_percent = percent is not None and (policy.max_failed is None or allowed < policy.max_failed)
    share = f"{100 * rollout.failed / rollout.executed:.1f} %, " if by_percent else ""
    classes = ", ".join(class_parts(rollout, "failed"))
    details = f" ({share}{classes})" if classes else ""
    if by_percent:
        limit = (
            f"at most {percent:g} % may fail (max_failed_percent)" if percent else "none may fail (max_failed_percent)"
        )
    else:
        limit = f"at most {allowed} may fail (max_failed)" if allowed else "none may fail (max_failed)"
    finished = count_things(rollout.executed, "finished device")
    return f"{rollout.failed} of {finished} failed{details}{texts_sentence(rollout)}; {limit}"


def deadline_sentence(rollout: RolloutState, policy: Policy) -> str:
    """That the time is over, and which devices are late."""
    message = f"the rollout was not settled within {format_duration(policy.wait_timeout)}"
    if rollout.pending:
        message += f", {share_of(rollout.pending, rollout)} pending{class_counts(rollout, 'pending')}"
    return message


def failed_and_needed_sentence(rollout: RolloutState, policy: Policy) -> str:
    """How many devices failed, and how many must succeed."""
    failed = f"{share_of(rollout.failed, rollout)} failed{class_counts(rollout, 'failed')}"
    option = " (min_succeeded_percent)" if policy.min_succeeded_percent is not None else ""
    return f"{failed}{texts_sentence(rollout)}; {policy.succeeded_needed(rollout.total)} must succeed{option}"


def failure_texts(rollout: RolloutState) -> list[dict[str, Any]]:
    """The texts of failed devices, most frequent first, with their classes, numbers and some names of devices."""
    groups: dict[tuple[str, str], list[Device]] = {}
    for device in rollout.devices_in("failed"):
        text = printable(str(device.detail or ""), MAX_TEXT)
        groups.setdefault((str(device.class_name), text), []).append(device)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {"class": name, "text": text, "count": len(devices), "devices": list(device_names(devices))}
        for (name, text), devices in ranked[:MAX_TEXTS]
    ]


def texts_sentence(rollout: RolloutState) -> str:
    """The commonest texts of failed devices, as people read them; empty without any."""
    texts = [
        f"{quote_short(entry['text'])} \N{MULTIPLICATION SIGN} {entry['count']}"
        for entry in failure_texts(rollout)
        if entry["text"]
    ]
    return f": {', '.join(texts[:3])}" if texts else ""


def share_of(number: int, rollout: RolloutState) -> str:
    return f"{number} of {count_things(rollout.total, 'device')}"


def class_counts(rollout: RolloutState, state: State) -> str:
    """How many devices in a state are in which class, in brackets after a blank; empty without any."""
    parts = ", ".join(class_parts(rollout, state))
    return f" ({parts})" if parts else ""


def class_parts(rollout: RolloutState, state: State) -> list[str]:
    """How many devices in a state are in each class."""
    return [f"{number} {name.replace('_', ' ')}" for name, number in rollout.by_class[state].items()]


def count_things(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


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
