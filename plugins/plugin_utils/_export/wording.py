# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all reports say in the same words: classes, bounds, batches, versions. Pure.

They are made of the result that the gate returns, or of the JSON report that keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .._verdict.bounds import Limit
from .._verdict.wording import allowed_words, class_words, format_duration, share_words

Result = Mapping[str, Any]
State = Literal["failed", "pending"]
#: The states of devices that have not succeeded, with the words for people.
STATE_WORDS: Mapping[State, str] = {"failed": "failed", "pending": "unfinished"}


def device_words(device: Mapping[str, Any]) -> str:
    """Why one device has not succeeded, as people read it. It is offline only if the service says so."""
    is_guess = device["class"] == "offline" and not device["detail"]
    return "queued" if is_guess else class_words(device["class"] or "")


def class_numbers(result: Result, state: State) -> list[tuple[str, int]]:
    """Why devices in a state have not succeeded, each with the number of devices, most first."""
    numbers = Counter(result["by_class"][state])
    known = sum(device_words(device) == "offline" for device in result[f"{state}_devices"])
    numbers["queued"] += numbers["offline"] - known
    numbers["offline"] = known
    return [(class_words(name), number) for name, number in numbers.most_common() if number > 0]


def names_and_more(names: Sequence[str], total: int | None) -> str:
    """Names separated by commas, and how many of ``total`` are not among them."""
    listed = ", ".join(names)
    more = (total or 0) - len(names)
    return f"{listed} and {more:,} more" if names and more > 0 else listed


def batch_label(job: Mapping[str, Any]) -> str:
    """What people call a batch."""
    return str(job.get("label") or job["job_id"])


def batch_labels(result: Result) -> dict[str, str]:
    """What people call each batch, by its ID."""
    return {job["job_id"]: batch_label(job) for job in result["jobs"]}


# --- Bounds ----------------------------------------------------------------------------------------------------------


def limits_of(result: Result) -> list[Limit]:
    """The bounds of a result, the one that decided first."""
    limits = [Limit(**{name: entry[name] for name in Limit._fields}) for entry in result["limits"]]
    return sorted(limits, key=lambda limit: not limit.decided)


def allowed_text(limit: Limit) -> str:
    """What a bound allows, such as ``at most 2 %``."""
    if limit.name == "wait_timeout":
        return format_duration(limit.allowed)
    if limit.name.startswith("max_") and not limit.allowed:
        return "none"
    return f"{'at least' if limit.name.startswith('min_') else 'at most'} {allowed_words(limit)}"


def measured_text(limit: Limit) -> str:
    """What was measured for it, such as ``4 of 155``."""
    if limit.name == "wait_timeout":
        return format_duration(limit.measured)
    return f"{limit.measured:,}" if limit.of is None else f"{limit.measured:,} of {limit.of:,}"


def share_text(limit: Limit) -> str:
    """The same in percent; empty where nothing is measured in percent."""
    return share_words(limit) if limit.of else ""


def outcome_text(limit: Limit) -> str:
    """Whether a bound was kept, and whether it decided."""
    return "decided" if limit.decided else "kept" if limit.kept else "not kept"


# --- Versions --------------------------------------------------------------------------------------------------------


def verifies_versions(result: Result) -> bool:
    """Whether only a version proves that a device succeeded."""
    return bool((result["policy"].get("versions") or {}).get("verify", True))


def versions_text(result: Result) -> str:
    """How many of the versions that prove success were read; empty if none proves it."""
    counts = result["counts"]
    if not verifies_versions(result) or not counts["succeeded"]:
        return ""
    read = f"{counts['verified']:,} of {counts['succeeded']:,} versions read"
    return read if counts["verified"] else "versions not read yet"
