# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What earlier polls of a rollout have learned, in a shape that survives a file. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Callable, NamedTuple

from ...module_utils._api.operations import TASK_STATUSES
from ...module_utils._errors import OtaError
from ...module_utils._validation import invalid_option
from .._rollout.devices import task_identity
from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot, Kept, Memory, Snapshot
from .._rollout.tasks import listed_tasks, proofs
from .._rollout.times import MAX_TIME
from .kept_reports import KeptReports, unpack_reports

#: Keep at most this many tasks or devices of each kind in a result.
MAX_KEPT = 1000
#: Keep none whose JSON takes more bytes than this.
MAX_ENTRY_BYTES = 1000
#: Tell this many states apart that are not documented, with names of so many characters.
MAX_STATES = 20
MAX_STATE_LENGTH = 100
OTHER_STATES = "OTHER"


class History(NamedTuple):
    """What earlier polls have learned; times are in seconds since 1970 by the machine of the run.

    ``last_poll`` is when the last of them ended; ``service_time`` is the same by the service's clock, and
    ``service_started`` is ``started`` by it. ``errors`` and ``incomplete`` count consecutive polls. ``candidate`` is
    the verdict that waits for confirmation, seen in ``candidate_count`` consecutive polls since ``candidate_since``. If
    it is to pass, ``confirmed_at`` is when there were enough of them. ``max_totals`` are the most tasks that each batch
    ever had, and ``last_growth`` is when one last had more. ``first_seen`` is when the batches were first read, and
    ``finished_since`` when all were first seen finished. For ``task_changes``, ``tasks`` and ``on_target`` see
    :class:`Memory`. ``reports`` are what an earlier run has read of devices, packed. ``found`` is which batches were
    found by which search and why, where they were not given.
    """

    started: float
    last_poll: float = 0.0
    service_time: float | None = None
    service_started: float | None = None
    job_ids: Sequence[str] = ()
    polls: int = 0
    errors: int = 0
    incomplete: int = 0
    candidate: str = ""
    candidate_count: int = 0
    candidate_since: float = 0.0
    confirmed_at: float | None = None
    max_totals: Mapping[str, int] = {}
    last_growth: float = 0.0
    first_seen: float | None = None
    finished_since: float | None = None
    counts: Mapping[str, Mapping[str, int]] = {}
    task_changes: Mapping[str, Sequence[Any]] = {}
    tasks: Mapping[str, Kept] = {}
    on_target: Mapping[str, float] = {}
    reports: Sequence[Mapping[str, Any]] = ()
    policy: Mapping[str, Any] = {}
    found: Mapping[str, Any] = {}

    @property
    def memory(self) -> Memory:
        """What it knows of tasks and devices."""
        return Memory(self.task_changes, self.tasks, self.on_target)

    @property
    def soak_began(self) -> float:
        """When the last poll that confirms the candidate ended; what was read until then says nothing of the soak."""
        return self.candidate_since if self.confirmed_at is None else self.confirmed_at

    @property
    def has_grown(self) -> bool:
        """Whether tasks have appeared since the batches were first read."""
        return self.first_seen is not None and self.last_growth > self.first_seen

    def kept_candidate(self) -> dict[str, Any]:
        """The candidate as it was: this poll says nothing about it."""
        return {
            "candidate": self.candidate,
            "candidate_count": self.candidate_count,
            "candidate_since": self.candidate_since,
        }


def new_history(now: float) -> dict[str, Any]:
    """The history before the first poll."""
    return History(now, last_poll=now, job_ids=[], last_growth=now, reports=[])._asdict()


def shorten_history(history: Mapping[str, Any]) -> dict[str, Any]:
    """The history as a result holds it, where the largest fleets are cut to a usable size."""
    short = dict(history)
    for name in ("task_changes", "on_target"):
        short[name] = dict(islice(filter(_is_short, history[name].items()), MAX_KEPT))
    left, tasks = MAX_KEPT, {}
    for job_id, kept in history["tasks"].items():
        # Some of the tasks would be of no use.
        tasks[job_id] = kept if len(kept) <= left and all(map(_is_short, kept.items())) else {}
        left -= len(tasks[job_id])
    counts = {job_id: few_counts(numbers) for job_id, numbers in history["counts"].items()}
    return {**short, "tasks": tasks, "counts": counts}


def _is_short(entry: tuple[str, Any]) -> bool:
    return len(json.dumps(entry)) <= MAX_ENTRY_BYTES


def few_counts(numbers: Mapping[str, int]) -> dict[str, int]:
    """The ``numbers`` by state. A service may invent as many states as it likes; most of these are counted together."""
    few = {name: number for name, number in numbers.items() if name in TASK_STATUSES}
    others = {name: number for name, number in numbers.items() if name not in few}
    for position, (name, number) in enumerate(others.items()):
        shown = name if position < MAX_STATES and len(name) <= MAX_STATE_LENGTH else OTHER_STATES
        few[shown] = few.get(shown, 0) + number
    return few


# --- From a file -----------------------------------------------------------------------------------------------------


def read_history(
    content: Any, job_ids: Sequence[str], search: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """The history in what an earlier run left, ``None`` where there is none.

    It is trusted as the options are: that its numbers fit each other is checked, and not that they are true.

    :raises OtaError: it is not a history, or one of other batches than ``job_ids`` or those of the ``search``.
    """
    if not content:
        return None
    history = content.get("history", content) if isinstance(content, Mapping) else None
    if not isinstance(history, Mapping) or set(history) != set(History._fields):
        raise _history_error()
    if not all(has_shape(history[name]) for name, has_shape in _SHAPES.items()) or not _is_consistent(history):
        raise _history_error()
    known = history["found"].get("job_ids") or history["job_ids"]
    if search is not None:
        is_same = not known or history["found"].get("search") == search
    else:
        is_same = not known or sorted(known) == sorted(job_ids)
    if not is_same:
        raise invalid_option(
            f"previous is about batch {', '.join(known)[:100]}",
            f"give the result of an earlier run for the same {'find' if search else 'job_ids'}, or leave it out",
        )
    return dict(history)


def _is_consistent(history: Mapping[str, Any]) -> bool:
    """Whether the numbers fit each other."""
    started, last, is_candidate = history["started"], history["last_poll"], bool(history["candidate"])
    since_start = [history["last_growth"], *([history["candidate_since"]] if is_candidate else [])]
    since_start += [history[name] for name in OPTIONAL_TIMES if history[name] is not None]
    known = [*(since for _fingerprint, since in history["task_changes"].values()), *history["on_target"].values()]
    known += [group["read_at"] for group in history["reports"]]
    counters = [history[name] for name in ("errors", "incomplete", "candidate_count")]
    return (
        all(started <= moment <= last for moment in (*since_start, last))
        and all(moment <= last for moment in known)
        and all(counter <= history["polls"] for counter in counters)
    )


def _is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < MAX_TIME


def _is_counter(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_is_counter, value.values()))


def _is_task_map(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(task, list) and len(task) == 5 and all(isinstance(text, str) for text in task)
        for task in value.values()
    )


def _are_reports(value: Any) -> bool:
    try:
        unpack_reports(value)
    except ValueError:
        return False
    return True


def _is_task_change(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_time(value[1])


def _is_finding(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"search", "job_ids", "why"}:
        return False
    job_ids = value["job_ids"]
    are_ids = isinstance(job_ids, list) and bool(job_ids) and all(isinstance(job_id, str) for job_id in job_ids)
    return are_ids and isinstance(value["search"], Mapping) and isinstance(value["why"], str)


OPTIONAL_TIMES = ("first_seen", "finished_since", "confirmed_at")

_SHAPES: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("started", "last_poll", "candidate_since", "last_growth"), _is_time),
    **dict.fromkeys(("polls", "errors", "incomplete", "candidate_count"), _is_counter),
    **dict.fromkeys(
        (*OPTIONAL_TIMES, "service_time", "service_started"), lambda value: value is None or _is_time(value)
    ),
    "candidate": lambda value: isinstance(value, str),
    "job_ids": lambda value: isinstance(value, list) and all(isinstance(job_id, str) for job_id in value),
    "max_totals": _is_number_map,
    "counts": lambda value: isinstance(value, Mapping) and all(map(_is_number_map, value.values())),
    "task_changes": lambda value: isinstance(value, Mapping) and all(map(_is_task_change, value.values())),
    "tasks": lambda value: isinstance(value, Mapping) and all(map(_is_task_map, value.values())),
    "on_target": lambda value: isinstance(value, Mapping) and all(map(_is_time, value.values())),
    "reports": _are_reports,
    "policy": lambda value: isinstance(value, Mapping),
    "found": lambda value: value == {} or _is_finding(value),
}


def _history_error() -> OtaError:
    return invalid_option(
        "previous is not the result of an earlier run of this gate",
        "give the whole result or JSON report of that run, written by this version, or leave it out",
    )


# --- Between polls ----------------------------------------------------------------------------------------------------


def load_history(snapshot: Snapshot, policy: Policy, previous: Mapping[str, Any] | None) -> History:
    """What earlier polls have learned. What was seen under another policy confirms nothing."""
    history = History(**(previous or new_history(snapshot.now)))
    if history.started > snapshot.now:  # a clock was set back, which must not move the deadline
        history = history._replace(started=snapshot.now)
    rules = {name: value for name, value in policy._asdict().items() if name != "wait_timeout"}
    rules["expected_devices"] = _digest_of(policy)
    is_sound = history.started <= history.candidate_since <= snapshot.now
    return (
        history
        if rules == history.policy and is_sound
        else history._replace(policy=rules, candidate="", candidate_count=0)
    )


def _digest_of(policy: Policy) -> str | None:
    """What says whether other devices are expected than before; their names would fill the report of a large fleet."""
    if policy.expected_devices is None:
        return None
    names = sorted([device.product_key or "", device.device_name] for device in policy.expected_devices)
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def update_history(snapshot: Snapshot, history: History, problems: Sequence[str]) -> History:
    """The history with this poll."""
    if snapshot.error:
        return history._replace(polls=history.polls + 1, errors=history.errors + 1)
    if not snapshot.fresh:
        return history
    if snapshot.unfound:
        return history._replace(polls=history.polls + 1, errors=0, incomplete=0)
    max_totals = dict(history.max_totals)
    for job in snapshot.jobs:
        max_totals[job.job_id] = max(job.total, max_totals.get(job.job_id, 0))
    grows = max_totals != history.max_totals or any(_has_new_tasks(job, history) for job in snapshot.jobs)
    # A list that is incomplete because the batch grows will be complete once it has grown.
    still_grows = any(_seen(job.counts) > _seen(history.counts.get(job.job_id, job.counts)) for job in snapshot.jobs)
    incomplete = history.incomplete + (not still_grows) if problems else 0
    return history._replace(
        job_ids=[job.job_id for job in snapshot.jobs],
        polls=history.polls + 1,
        errors=0,
        incomplete=incomplete,
        max_totals=history.max_totals if problems else max_totals,  # a wrong total must not be missed for ever
        last_growth=snapshot.now if grows else history.last_growth,
        first_seen=snapshot.now if history.first_seen is None else history.first_seen,
        finished_since=(history.finished_since or snapshot.now) if snapshot.finished else None,
        counts={job.job_id: dict(job.counts) for job in snapshot.jobs},
        tasks=history.tasks if problems else remember_tasks(snapshot.jobs, history.tasks),
    )


def _has_new_tasks(job: JobSnapshot, history: History) -> bool:
    """Whether a batch has tasks that it had not before, although no more of them, because others are gone."""
    known, most = history.tasks.get(job.job_id, {}), history.max_totals.get(job.job_id, 0)
    if not job.all_listed or len(known) < max(1, most):  # else not all that there were are known
        return False
    return any(task_identity(task) not in known for task in job.tasks)


def _seen(counts: Mapping[str, int]) -> int:
    """How many tasks were seen, whatever total was announced."""
    return sum(counts.values())


def remember_tasks(jobs: Sequence[JobSnapshot], known: Mapping[str, Kept]) -> dict[str, Kept]:
    """All tasks that were ever listed, as they were seen last."""
    return {**known, **{job.job_id: {**known.get(job.job_id, {}), **listed_tasks(job)} for job in jobs if job.tasks}}


def kept_reports(history: Mapping[str, Any], policy: Policy) -> KeptReports:
    """What an earlier run on the same service has read of devices."""
    return unpack_reports(history["reports"] if history["policy"].get("scope") == policy.scope else ())


def remember_proofs(snapshot: Snapshot, policy: Policy, history: Mapping[str, Any]) -> dict[str, Any]:
    """The history with the devices that report the version of a batch now."""
    return {**history, "on_target": {**history["on_target"], **proofs(snapshot, policy)}}
