# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict in a few sentences: what decided, why, how it goes on, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...module_utils._api.operations import UNFINISHED_TASK_STATUSES
from ...module_utils._errors import OtaError
from ...module_utils._text import MAX_TEXT, printable
from .._rollout.devices import Device, State
from .._rollout.snapshot import JobSnapshot
from .._rollout.state import JobCounts
from .._verdict.bounds import Limit
from .._verdict.case import PASSED, TIMED_OUT
from .._verdict.verdict import Verdict
from .._verdict.wording import (
    MAX_NAMES,
    allowed_words,
    class_parts,
    device_names,
    device_words,
    failure_texts,
    format_duration,
    quote_short,
    share_words,
)
from .labels import batch_labels
from .remedies import remedy, remedy_sentences

#: Maximum length of a message in characters; it may hold an error, and name many batches.
MAX_MESSAGE = 4 * MAX_TEXT
#: Say at most this many of the texts of failed devices.
MAX_TEXTS = 3


class Subject(NamedTuple):
    """What a message is about: the ``title`` of the rollout, its batches, and how many seconds it has taken."""

    title: str
    jobs: Sequence[JobSnapshot]
    elapsed: float


def verdict_message(verdict: Verdict, subject: Subject, last_error: OtaError | None = None) -> str:
    """The verdict on one line, ending with a full stop. ``last_error`` is why the last poll failed."""
    sentences = _sentences(verdict, subject, last_error)
    return printable(" ".join(f"{sentence.rstrip('.')}." for sentence in sentences), MAX_MESSAGE)


def verdict_word(verdict: Verdict) -> str:
    """The verdict, for people."""
    return verdict.verdict.replace("_", " ").upper()


def _sentences(verdict: Verdict, subject: Subject, last_error: OtaError | None) -> Iterator[str]:
    reasons = "; ".join(reason.message for reason in verdict.reasons[:2])
    yield f"{subject.title} {verdict_word(verdict)} after {format_duration(subject.elapsed)}: {reasons}"
    if not verdict.final:
        return
    if last_error is not None:
        yield f"The last poll failed: {last_error}"
    if verdict.verdict == PASSED:
        return
    state = concerned_state(verdict.verdict, verdict.decided_by)
    if state:
        yield from _why(verdict, state)
        yield from _worst_batch(verdict, state, subject.jobs)
    yield from _tolerated(verdict)
    running = running_words(verdict.rollout.by_status)
    if running:
        yield running
    yield f"To do: {_remedy(verdict, subject.jobs)}"
    if state:
        yield from _names(verdict, state)


def to_do(verdict: Verdict, jobs: Sequence[JobSnapshot]) -> list[str]:
    """What to do, in sentences; nothing if the rollout passed."""
    return [] if verdict.verdict == PASSED else remedy_sentences(_remedy(verdict, jobs))


def _remedy(verdict: Verdict, jobs: Sequence[JobSnapshot]) -> str:
    running = [job.job_id for job in jobs if not job.finished]
    return remedy(verdict.reasons[0].code, verdict.decided_by, running)


def concerned_state(verdict: str, limit: Limit | None) -> State | None:
    """The state of the devices that a verdict by this bound is about; ``None`` if it is not about any."""
    if limit is None:
        return None
    if limit.name.startswith("max_pending") or (verdict == TIMED_OUT and limit.name == "min_succeeded_percent"):
        return "pending"
    return "failed" if limit.name.startswith("max_failed") or limit.name == "min_succeeded_percent" else None


def _why(verdict: Verdict, state: State) -> Iterator[str]:
    """The commonest texts of failed devices, and without them their classes, as of unfinished ones."""
    reasons = class_parts(verdict.rollout, state)
    if state == "failed":
        texts = [entry for entry in failure_texts(verdict.rollout) if entry["text"]]
        reasons = [f"{entry['count']:,} {quote_short(entry['text'])}" for entry in texts] or reasons
    if reasons:
        more = [f"{len(reasons) - MAX_TEXTS} more"] if len(reasons) > MAX_TEXTS else []
        yield f"Why: {', '.join([*reasons[:MAX_TEXTS], *more])}"


def _worst_batch(verdict: Verdict, state: State, jobs: Sequence[JobSnapshot]) -> Iterator[str]:
    labels, by_job = batch_labels(jobs), verdict.rollout.by_job

    def share(counts: JobCounts) -> float:
        return getattr(counts, state) / counts.devices if counts.devices else 0.0

    shares = {job.job_id: share(by_job[job.job_id]) for job in jobs if job.job_id in by_job}
    if len(set(shares.values())) < 2:  # none is worse than the others
        return
    worst = max(shares, key=lambda job_id: shares[job_id])
    counts, label = by_job[worst], labels[worst]
    name = label if label.endswith(worst) else f"{label} ({worst})"
    number = getattr(counts, state)
    yield f"Worst batch: {name}, {number:,} of {counts.devices:,} {'failed' if state == 'failed' else 'unfinished'}"


def _tolerated(verdict: Verdict) -> Iterator[str]:
    """What is within the limits, where something else is not."""
    if verdict.decided_by is None:
        return
    for word, measured, prefix in (
        ("failed", verdict.rollout.failed, "max_failed"),
        ("unfinished", verdict.rollout.pending, "max_pending"),
    ):
        limits = [limit for limit in verdict.limits if limit.name.startswith(prefix)]
        if measured and limits and all(limit.kept for limit in limits):
            yield f"{measured:,} {word}, {share_words(limits[0])}, within the limit of {_bound(limits[0])}"


def _bound(limit: Limit) -> str:
    return f"{allowed_words(limit)} ({limit.name})"


def running_words(by_status: Mapping[str, int]) -> str:
    """How many devices still get the update, which no gate stops, by the states of tasks; empty if none does."""
    open_tasks = {status: by_status.get(status, 0) for status in UNFINISHED_TASK_STATUSES}
    updating = open_tasks.get("NOTIFIED", 0) + open_tasks.get("IN_PROGRESS", 0)
    queued = sum(open_tasks.values()) - updating
    states = ((updating, "being updated"), (queued, "queued"))
    running = ", ".join(f"{number:,} {state}" for number, state in states if number)
    return f"Still running: {running}; the gate does not stop them" if running else ""


def _names(verdict: Verdict, state: State) -> Iterator[str]:
    """Which devices it is about if there are few, else where to find them."""
    number = verdict.rollout.failed if state == "failed" else verdict.rollout.pending
    devices = verdict.rollout.devices_in(state)
    if number > MAX_NAMES:
        yield f"The names are in {'failed_devices' if state == 'failed' else 'pending_devices'}"
    elif devices:
        word = "Failed" if state == "failed" else "Unfinished"
        yield f"{word}: {'; '.join(_named(devices))}"


def _named(devices: Sequence[Device]) -> list[str]:
    """The names of devices by class."""
    groups: dict[str, list[Device]] = {}
    for device in devices:
        groups.setdefault(device_words(device), []).append(device)
    return [f"{', '.join(device_names(group))} ({words})" for words, group in groups.items()]
