# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a rollout from earlier looks, in a shape that outlives a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ...module_utils._errors import OtaError
from ...module_utils._validation import invalid
from .policy import Policy
from .snapshot import YEAR_9999, Facts


class Memory(NamedTuple):
    """What is known from earlier looks; times are in seconds since 1970.

    ``errors`` and ``incomplete`` are looks in a row. ``streak`` is the verdict that was to be confirmed, seen ``times``
    times in a row ``since`` then. ``most`` are the most tasks that each batch ever had, and ``grown`` is when one last
    had more.
    """

    started: float
    job_ids: Sequence[str] = ()
    looks: int = 0
    errors: int = 0
    incomplete: int = 0
    streak: str = ""
    times: int = 0
    since: float = 0.0
    most: Mapping[str, int] = {}
    grown: float = 0.0
    counts: Mapping[str, Mapping[str, int]] = {}
    seen: Mapping[str, Sequence[Any]] = {}
    policy: Mapping[str, Any] = {}

    def unchanged(self) -> dict[str, Any]:
        """What is to be confirmed, as it was: this look says nothing about it."""
        return {"streak": self.streak, "times": self.times, "since": self.since}


def begin(now: float) -> dict[str, Any]:
    """The history before the first look."""
    return Memory(now, job_ids=[], grown=now)._asdict()


def read_history(content: Any, job_ids: Sequence[str]) -> dict[str, Any] | None:
    """The history in what an earlier run left, ``None`` where there is none.

    :raises OtaError: it is not a history, or one of other batches.
    """
    if not content:
        return None
    history = content.get("history", content) if isinstance(content, Mapping) else None
    if not isinstance(history, Mapping) or set(history) != set(Memory._fields):
        raise _no_history()
    if not all(is_one(history[name]) for name, is_one in _SHAPES.items()):
        raise _no_history()
    if history["job_ids"] and sorted(history["job_ids"]) != sorted(job_ids):
        raise invalid(
            f"previous is about batch {', '.join(history['job_ids'])[:100]}",
            "give what an earlier run for the same job_ids left, or leave it out",
        )
    return dict(history)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < YEAR_9999


def _are_numbers(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _is_mark(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_time(value[1])


_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("started", "since", "grown"), _is_time),
    **dict.fromkeys(("looks", "errors", "incomplete", "times"), _is_number),
    "streak": lambda value: isinstance(value, str),
    "job_ids": lambda value: isinstance(value, list) and all(isinstance(job_id, str) for job_id in value),
    "most": _are_numbers,
    "counts": lambda value: isinstance(value, Mapping) and all(map(_are_numbers, value.values())),
    "seen": lambda value: isinstance(value, Mapping) and all(map(_is_mark, value.values())),
    "policy": lambda value: isinstance(value, Mapping),
}


def _no_history() -> OtaError:
    return invalid(
        "previous is not what an earlier run of the gate left",
        "give the whole result or JSON report of that run, made by this version, or leave it out",
    )


def recall(facts: Facts, policy: Policy, history: Mapping[str, Any] | None) -> Memory:
    """What is known from earlier looks. What was seen under another policy confirms nothing."""
    memory = Memory(**(history or begin(facts.now)))
    if memory.started > facts.now:  # a clock was set back, which must not move the deadline
        memory = memory._replace(started=facts.now)
    rules = {name: value for name, value in policy._asdict().items() if name != "wait_timeout"}
    rules["expected_devices"] = sorted(policy.expected_devices or ())
    is_sound = memory.started <= memory.since <= facts.now
    return memory if rules == memory.policy and is_sound else memory._replace(policy=rules, streak="", times=0)


def remember(facts: Facts, memory: Memory, problems: Sequence[str]) -> Memory:
    """What is known once this look is counted."""
    if facts.error:
        return memory._replace(looks=memory.looks + 1, errors=memory.errors + 1)
    if not facts.fresh:
        return memory
    most = dict(memory.most)
    for batch in facts.batches:
        most[batch.job_id] = max(batch.total, most.get(batch.job_id, 0))
    grows = most != memory.most
    # What is not whole because it grows will be whole once it has grown.
    counts = not (grows and memory.most)
    incomplete = memory.incomplete + counts if problems else 0
    return memory._replace(
        job_ids=[batch.job_id for batch in facts.batches],
        looks=memory.looks + 1,
        errors=0,
        incomplete=incomplete,
        most=most,
        grown=facts.now if grows else memory.grown,
        counts={batch.job_id: dict(batch.counts) for batch in facts.batches},
    )
