# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all reports say of a result in the same words: devices, batches, versions. Pure.

The result is the one that the gate returns, or the JSON report that keeps it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .._rollout.devices import State
from .._verdict.wording import class_words, versions_words, words_of
from .reading import count_of, counts_of, mapping_of, number_of, rows_of, text_of

Result = Mapping[str, Any]

#: The states of devices that have not succeeded, with the words for people.
STATE_WORDS: Mapping[State, str] = {"failed": "failed", "pending": "unfinished"}
#: The counts of devices that are left out, with the words for people.
LEFT_OUT: Mapping[str, str] = {"canceled": "canceled", "ignored": "vanished"}
#: What stands for a text where a device reports none, and for a name that shows nothing.
NO_TEXT = "(no text)"
BLANK = "(blank)"


# --- Devices ---------------------------------------------------------------------------------------------------------


def device_words(device: Mapping[str, Any]) -> str:
    """Why one device has not succeeded. It is offline only if the service says so."""
    return words_of(text_of(device.get("class")), device.get("detail"))


def class_numbers(result: Result, state: State) -> list[tuple[str, int]]:
    """Why devices in a state have not succeeded, as :func:`device_words` says it, each with their number, most first.

    Of devices that are not listed, the service may have said nothing, so that they are queued and not offline.
    """
    numbers = Counter(counts_of(mapping_of(result.get("by_class")).get(state)))
    known = sum(device_words(device) == "offline" for device in rows_of(result.get(f"{state}_devices")))
    known = min(known, numbers["offline"])
    numbers.update({"queued": numbers["offline"] - known})
    numbers["offline"] = known
    return [(class_words(name), number) for name, number in numbers.most_common() if number > 0]


def task_words(device: Mapping[str, Any]) -> str:
    """The state of a device's task, and how far it came unless it succeeded."""
    status, progress = text_of(device.get("task_status")), device.get("progress_percent")
    if status == "SUCCEEDED" or not isinstance(progress, (int, float)):
        return status
    return f"{status} at {number_of(progress):.3g} %".strip()


def names_and_more(names: Sequence[str], total: int | None = None, most: int | None = None) -> str:
    """Up to ``most`` of the names, separated by commas, and how many of ``total`` are not among them."""
    shown = [name if name.strip() else BLANK for name in names[:most]]
    more = max(total or 0, len(names)) - len(shown)
    return f"{', '.join(shown)} and {more:,} more" if shown and more > 0 else ", ".join(shown)


def left_out_sentence(result: Result) -> str:
    """How many devices are not counted, in a sentence; empty if none is left out."""
    counts = mapping_of(result.get("counts"))
    numbers = [(count_of(counts.get(name)), word) for name, word in LEFT_OUT.items()]
    words = ", ".join(f"{number:,} {word}" for number, word in numbers if number)
    return f"Not counted: {words}." if words else ""


def older_sentence(result: Result) -> str:
    """That the numbers are those of an earlier poll, in a sentence; empty if they are of the last one."""
    polls = rows_of(result.get("timeline"))
    failed = bool(polls) and polls[-1].get("error") is True
    return "The last poll failed, so the numbers are those of an earlier one." if failed else ""


# --- The stop --------------------------------------------------------------------------------------------------------


def has_stopped(result: Result) -> bool:
    """Whether the role has canceled what was unfinished."""
    canceled = mapping_of(result.get("canceled"))
    return canceled.get("ok") is True and canceled.get("check_mode") is not True


def cancel_sentence(result: Result) -> str:
    """What the role canceled, or that it could not; empty if it did not try."""
    canceled = mapping_of(result.get("canceled"))
    said = text_of(canceled.get("msg"))
    return said if canceled.get("ok") is True or not said else f"The cancel failed: {said}"


# --- Batches ---------------------------------------------------------------------------------------------------------


def batch_label(job: Mapping[str, Any]) -> str:
    """What people call a batch."""
    return text_of(job.get("label")) or text_of(job.get("job_id"))


def batch_labels(result: Result) -> dict[str, str]:
    """What people call each batch, by its ID."""
    return {text_of(job.get("job_id")): batch_label(job) for job in rows_of(result.get("jobs"))}


# --- Versions --------------------------------------------------------------------------------------------------------


def verifies_versions(result: Result) -> bool:
    """Whether only a version proves that a device succeeded."""
    return bool(mapping_of(mapping_of(result.get("policy")).get("versions")).get("verify", True))


def versions_read(result: Result) -> str:
    """How many of the versions that prove success were read; empty if none proves it."""
    counts = mapping_of(result.get("counts"))
    succeeded = count_of(counts.get("succeeded"))
    if not verifies_versions(result) or not succeeded:
        return ""
    return versions_words(count_of(counts.get("verified")), succeeded)
