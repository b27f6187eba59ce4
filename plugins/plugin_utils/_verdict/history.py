# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier polls of a rollout have learned, in a shape that survives a file. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ...module_utils._errors import OtaError
from ...module_utils._validation import invalid_option
from .policy import Policy
from .snapshot import MAX_TIME, Snapshot, parse_time


class History(NamedTuple):
    """What earlier polls have learned; times are in seconds since 1970.

    ``errors`` and ``incomplete`` count consecutive polls. ``candidate`` is the verdict that waits for confirmation,
    seen in ``candidate_count`` consecutive polls since ``candidate_since``. ``max_totals`` are the most tasks that each
    batch ever had, and ``last_growth`` is when one last had more. ``task_changes`` say when each unfinished task
    last changed.
    """

    started: float
    job_ids: Sequence[str] = ()
    polls: int = 0
    errors: int = 0
    incomplete: int = 0
    candidate: str = ""
    candidate_count: int = 0
    candidate_since: float = 0.0
    max_totals: Mapping[str, int] = {}
    last_growth: float = 0.0
    counts: Mapping[str, Mapping[str, int]] = {}
    task_changes: Mapping[str, Sequence[Any]] = {}
    policy: Mapping[str, Any] = {}

    def kept_candidate(self) -> dict[str, Any]:
        """The candidate as it was: this poll says nothing about it."""
        return {
            "candidate": self.candidate,
            "candidate_count": self.candidate_count,
            "candidate_since": self.candidate_since,
        }


def new_history(now: float) -> dict[str, Any]:
    """The history before the first poll."""
    return History(now, job_ids=[], last_growth=now)._asdict()


def read_history(content: Any, job_ids: Sequence[str]) -> dict[str, Any] | None:
    """The history in what an earlier run left, ``None`` where there is none.

    :raises OtaError: it is not a history, or one of other batches.
    """
    if not content:
        return None
    history = content.get("history", content) if isinstance(content, Mapping) else None
    if not isinstance(history, Mapping) or set(history) != set(History._fields):
        raise _history_error()
    if not all(has_shape(history[name]) for name, has_shape in _SHAPES.items()):
        raise _history_error()
    if history["job_ids"] and sorted(history["job_ids"]) != sorted(job_ids):
        raise invalid_option(
            f"previous is about batch {', '.join(history['job_ids'])[:100]}",
            "give the result of an earlier run for the same job_ids, or leave it out",
        )
    return dict(history)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value < MAX_TIME


def _is_number_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_number, value.values()))


def _is_task_change(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_time(value[1])


_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("started", "candidate_since", "last_growth"), _is_time),
    **dict.fromkeys(("polls", "errors", "incomplete", "candidate_count"), _is_number),
    "candidate": lambda value: isinstance(value, str),
    "job_ids": lambda value: isinstance(value, list) and all(isinstance(job_id, str) for job_id in value),
    "max_totals": _is_number_map,
    "counts": lambda value: isinstance(value, Mapping) and all(map(_is_number_map, value.values())),
    "task_changes": lambda value: isinstance(value, Mapping) and all(map(_is_task_change, value.values())),
    "policy": lambda value: isinstance(value, Mapping),
}


def _history_error() -> OtaError:
    return invalid_option(
        "previous is not the result of an earlier run of this gate",
        "give the whole result or JSON report of that run, written by this version, or leave it out",
    )


def load_history(snapshot: Snapshot, policy: Policy, previous: Mapping[str, Any] | None) -> History:
    """What earlier polls have learned. What was seen under another policy confirms nothing."""
    history = History(**(previous or new_history(snapshot.now)))
    if history.started > snapshot.now:  # a clock was set back, which must not move the deadline
        history = history._replace(started=snapshot.now)
    rules = {name: value for name, value in policy._asdict().items() if name != "wait_timeout"}
    rules["expected_devices"] = sorted(policy.expected_devices or ())
    is_sound = history.started <= history.candidate_since <= snapshot.now
    return (
        history
        if rules == history.policy and is_sound
        else history._replace(policy=rules, candidate="", candidate_count=0)
    )


def update_history(snapshot: Snapshot, history: History, problems: Sequence[str]) -> History:
    """The history with this poll."""
    if snapshot.error:
        return history._replace(polls=history.polls + 1, errors=history.errors + 1)
    if not snapshot.fresh:
        return history
    max_totals = dict(history.max_totals)
    for job in snapshot.jobs:
        max_totals[job.job_id] = max(job.total, max_totals.get(job.job_id, 0))
    grows = max_totals != history.max_totals
    # A list that is incomplete because the batch grows will be complete once it has grown.
    still_grows = bool(grows and history.max_totals)
    incomplete = history.incomplete + (not still_grows) if problems else 0
    return history._replace(
        job_ids=[job.job_id for job in snapshot.jobs],
        polls=history.polls + 1,
        errors=0,
        incomplete=incomplete,
        max_totals=max_totals,
        last_growth=snapshot.now if grows else history.last_growth,
        counts={job.job_id: dict(job.counts) for job in snapshot.jobs},
    )


def no_more_tasks(snapshot: Snapshot, policy: Policy, history: History) -> bool:
    """Whether the batches finished so long ago that missing tasks will not appear."""
    if not snapshot.finished:
        return False
    last = _ended_at(snapshot, history)
    if history.last_growth > history.started:
        last = max(last, history.last_growth)
    return snapshot.now >= last + policy.start_grace


def has_stopped_growing(snapshot: Snapshot, policy: Policy, history: History) -> bool:
    """Whether no task has appeared for so long that no more are expected."""
    last = history.last_growth
    if snapshot.finished:
        last = min(last, _ended_at(snapshot, history))
    return snapshot.now >= last + policy.start_grace


def _ended_at(snapshot: Snapshot, history: History) -> float:
    """When the last of the batches ended, as far as they say."""
    ended = (parse_time((job.facts or {}).get("utc_end_time")) for job in snapshot.jobs)
    return max(history.last_growth if time is None else time for time in ended)
