# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""Where a rollout stands: which devices count, how many are in which state, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import (
    FINISHED_JOB_STATUSES,
    JOB_STATUSES,
    TASK_STATUSES,
    UNFINISHED_TASK_STATUSES,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._policy import EXPECTATIONS, Policy

#: A device that has not moved for so many seconds, after it was told of the update, is silent or stalled.
STALLED_AFTER = 600.0

#: What identifies a device: its name is unique within its product only.
Key = tuple[str, str]
Entry = dict[str, Any]


class Batch(NamedTuple):
    """What was learned of one batch.

    ``job`` are its facts, ``None`` if the service does not know it. ``counts`` are its tasks by state, ``total`` is how
    many there are. ``tasks`` are those that were read, all of them if it is ``whole``.
    """

    job_id: str
    job: Mapping[str, Any] | None
    counts: Mapping[str, int]
    total: int
    tasks: Sequence[Mapping[str, Any]] = ()
    whole: bool = True

    @property
    def finished(self) -> bool:
        """Whether no task will change any more."""
        return self.job is not None and self.job.get("job_status") in FINISHED_JOB_STATUSES

    @property
    def dynamic(self) -> bool:
        """Whether it takes up further devices for ever."""
        return self.job is not None and self.job.get("selection_type") == "DYNAMIC"


class Facts(NamedTuple):
    """What one look has learned.

    ``now`` is in seconds since 1970. ``versions`` are those that devices report for the module in question, ``None``
    for a device that reports none and empty for one that the service does not know; the whole is ``None`` if they were
    not read. ``busy`` are the other batches for which devices have open tasks. ``problems`` say why the look is not
    whole. After an ``error``, which is ``permanent`` if no further look can succeed, or if they are not ``fresh``, they
    are those of an earlier look.
    """

    now: float
    batches: tuple[Batch, ...] = ()
    versions: Mapping[Key, str | None] | None = None
    busy: Mapping[Key, str] = {}
    problems: tuple[str, ...] = ()
    error: OtaError | None = None
    permanent: bool = False
    fresh: bool = True

    @property
    def finished(self) -> bool:
        """Whether there are batches, and all of them are."""
        return bool(self.batches) and all(batch.finished for batch in self.batches)


class Standing(NamedTuple):
    """How many devices are in which state. ``entries`` are those that were read, all that count if it is ``whole``.

    ``exact`` is off where only numbers are known, and devices are expected by their names or may have tasks in several
    batches. ``unread`` of the pending devices have no task, and may turn out to be on the new version when it is read.
    ``to_prove`` are the devices whose version would be proof.
    """

    succeeded: int
    verified: int
    failed: int
    pending: int
    canceled: int
    unread: int
    classes: Mapping[str, Mapping[str, int]]
    by_status: Mapping[str, int]
    entries: Sequence[Entry]
    whole: bool
    exact: bool
    to_prove: Sequence[Key]

    @property
    def total(self) -> int:
        """The denominator: how many devices count."""
        return self.succeeded + self.failed + self.pending

    @property
    def executed(self) -> int:
        """How many have come to an end."""
        return self.succeeded + self.failed

    @property
    def doubtful(self) -> int:
        """How many more may have come to an end, as far as is known."""
        return self.unread + self.classes["pending"].get("unproved", 0)

    def of(self, state: str) -> list[Entry]:
        """The entries in one state."""
        return [entry for entry in self.entries if entry["state"] == state]


#: Since when each task is as it is: by its ID, a mark of its state, and seconds since 1970.
Seen = Mapping[str, Sequence[Any]]


def stand(facts: Facts, policy: Policy, seen: Seen, rested: bool) -> Standing:
    """Where the rollout stands. Once it is ``rested``, no task will come any more."""
    by_status = dict.fromkeys(TASK_STATUSES, 0)
    for batch in facts.batches:
        for status, number in batch.counts.items():
            by_status[status] = by_status.get(status, 0) + number
    tasks = [_task_entry(task, batch, facts, policy, seen) for batch in facts.batches for task in batch.tasks]
    whole = all(batch.whole for batch in facts.batches)
    if whole:
        entries = _by_device(tasks, facts, policy, rested)
        unread = [device_key(entry) for entry in entries if _is_unread(entry, facts)]
        proof = [device_key(entry) for entry in tasks if _needs_proof(entry, policy)]
        return _count_entries(entries, by_status, unread, sorted({*proof, *unread}))
    entries = _by_device(tasks, facts, policy._replace(expected_devices=None), rested)
    return _count_tasks(facts.batches, facts.now, policy, by_status, entries)


def _is_unread(entry: Entry, facts: Facts) -> bool:
    """Whether it is an expected device without a task whose version was not read yet."""
    waits = entry["class"] == "no_task" and entry["state"] == "pending"
    return waits and device_key(entry) not in (facts.versions or {})


def _needs_proof(entry: Entry, policy: Policy) -> bool:
    """Whether a task's success must be borne out by the version of its device."""
    counts = policy.expected_devices is None or entry["device_name"] in policy.expected_devices
    return policy.verify_versions and entry["task_status"] == "SUCCEEDED" and counts


def _count_entries(
    entries: list[Entry], by_status: Mapping[str, int], unread: Sequence[Key], to_prove: Sequence[Key]
) -> Standing:
    states = Counter(entry["state"] for entry in entries)
    return Standing(
        succeeded=states["succeeded"],
        verified=sum(entry["state"] == "succeeded" and entry["version"] is not None for entry in entries),
        failed=states["failed"],
        pending=states["pending"],
        canceled=states["canceled"],
        unread=len(unread),
        classes={
            state: _sorted(Counter(entry["class"] for entry in entries if entry["state"] == state))
            for state in ("failed", "pending")
        },
        by_status=by_status,
        entries=entries,
        whole=True,
        exact=True,
        to_prove=to_prove,
    )


def _count_tasks(
    batches: Sequence[Batch], now: float, policy: Policy, by_status: Mapping[str, int], entries: list[Entry]
) -> Standing:
    """From numbers alone. Each task is a device then, and whatever is in no state is on its way to another one."""
    failed = Counter({"canceled": 0 if policy.accept_canceled else by_status["CANCELED"]})
    known = Counter(entry["class"] for entry in entries if entry["task_status"] == "FAILED")
    failed.update(known)
    failed["not_read"] = max(0, by_status["FAILED"] - sum(known.values()))
    pending: Counter[str] = Counter()
    for batch in batches:
        for status in UNFINISHED_TASK_STATUSES:
            pending[_waiting_for(status, batch, now)] += batch.counts.get(status, 0)
        pending["moving"] += max(0, batch.total - sum(batch.counts.values()))
    return Standing(
        succeeded=by_status["SUCCEEDED"],
        verified=0,
        failed=by_status["FAILED"] + (0 if policy.accept_canceled else by_status["CANCELED"]),
        pending=sum(pending.values()),
        canceled=by_status["CANCELED"] if policy.accept_canceled else 0,
        unread=0,
        classes={"failed": _sorted(failed), "pending": _sorted(pending)},
        by_status=by_status,
        entries=entries,
        whole=False,
        exact=policy.expected_devices is None and len(batches) == 1,
        to_prove=(),
    )


def _sorted(numbers: Counter[str]) -> dict[str, int]:
    """The most frequent first; those of the same number by name, so that no order of devices shows."""
    return {name: number for name, number in sorted(numbers.items(), key=lambda item: (-item[1], item[0])) if number}


# --- Devices ---------------------------------------------------------------------------------------------------------

_WORST_FIRST = ("failed", "pending", "succeeded", "canceled")


def _by_device(tasks: Iterable[Entry], facts: Facts, policy: Policy, rested: bool) -> list[Entry]:
    """One entry for each device that counts, by the worst of its tasks, in the order of their names."""
    worst: dict[Any, Entry] = {}
    by_name = policy.expected_devices is not None
    for number, entry in enumerate(tasks):
        key = (entry["device_name"] or entry["task_id"] or number, "" if by_name else entry["product_key"])
        if key not in worst or _badness(entry) < _badness(worst[key]):
            worst[key] = entry
    if policy.expected_devices is not None:
        expected = {(name, ""): name for name in policy.expected_devices}
        worst = {key: worst.get(key) or _no_task(name, facts, policy, rested) for key, name in expected.items()}
    return sorted(worst.values(), key=lambda entry: [entry[name] or "" for name in ("device_name", *_IDENTITY)])


_IDENTITY = ("product_key", "task_id", "job_id", "task_status", "detail")


def _badness(entry: Entry) -> tuple[int, str, str]:
    return _WORST_FIRST.index(entry["state"]), str(entry["class"]), str(entry["task_id"])


def device_key(entry: Mapping[str, Any]) -> Key:
    """What identifies the device of an entry."""
    return entry["product_key"] or "", entry["device_name"] or ""


def _no_task(name: str, facts: Facts, policy: Policy, rested: bool) -> Entry:
    """A device that is expected and has no task: it may be on the new version already, or get a task later.

    It has failed only if it is known to be on another version, or not known at all, and no task will come any more.
    """
    products, targets = (
        {text for text in (_text((batch.job or {}).get(fact)) for batch in facts.batches) if text is not None}
        for fact in ("product_key", "dest_version")
    )
    product = policy.product_key or (next(iter(products)) if len(products) == 1 else None)
    entry = {**_EMPTY, "product_key": product, "device_name": name, "state": "pending", "class": "no_task"}
    key = device_key(entry)
    if facts.versions is None or key not in facts.versions:
        return entry
    version = facts.versions[key]
    entry["version"] = version or None
    if version is None or len(targets) != 1:
        return {**entry, "class": "unproved"}
    if version in targets:
        return {**entry, "state": "succeeded", "class": "already_on_target"}
    if key in facts.busy:
        entry.update({"class": "busy", "busy_with": facts.busy[key]})
    if rested:
        entry["state"] = "failed"
    return entry


_EMPTY: Entry = dict.fromkeys(
    (
        "product_key",
        "device_name",
        "job_id",
        "task_id",
        "state",
        "class",
        "task_status",
        "progress_percent",
        "version",
        "detail",
        "busy_with",
        "since",
        "idle_seconds",
    )
)


def _task_entry(task: Mapping[str, Any], batch: Batch, facts: Facts, policy: Policy, seen: Seen) -> Entry:
    status = task.get("task_status")
    since = _since(task, facts.now, seen)
    job = batch.job or {}
    entry: Entry = {
        **_EMPTY,
        "product_key": _text(task.get("product_key") or job.get("product_key")),
        "device_name": _text(task.get("device_name")),
        "job_id": batch.job_id,
        "task_id": _text(task.get("task_id")),
        "task_status": status,
        "progress_percent": task.get("progress_percent"),
        "detail": _text(task.get("task_desc")),
        "since": since,
        "idle_seconds": round(facts.now - since, 1),
    }
    entry["state"], entry["class"] = _state(status, task, batch, facts.now, since, policy)
    key = device_key(entry)
    if entry["state"] == "succeeded" and facts.versions is not None and policy.verify_versions:
        entry["version"] = facts.versions.get(key) or None
        if entry["version"] is None:
            entry.update({"state": "pending", "class": "unproved"})
        elif entry["version"] != job.get("dest_version"):
            entry.update({"state": "failed", "class": "wrong_version"})
    if entry["state"] == "failed" and key in facts.busy:
        entry.update({"class": "busy", "busy_with": facts.busy[key]})
    return entry


def _text(value: Any) -> str | None:
    """A fact of an undocumented type is kept as it came; what is compared and sorted here must be text."""
    return value if value is None or isinstance(value, str) else str(value)


def _state(
    status: Any, task: Mapping[str, Any], batch: Batch, now: float, since: float, policy: Policy
) -> tuple[str, str | None]:
    if status == "SUCCEEDED":
        return "succeeded", None
    if status == "FAILED":
        return "failed", task.get("failure_class") or "other"
    if status == "CANCELED":
        return ("canceled", None) if policy.accept_canceled else ("failed", "canceled")
    waiting_for = _waiting_for(str(status), batch, now)
    if now - since >= STALLED_AFTER:
        waiting_for = {"notified": "silent", "in_progress": "stalled"}.get(waiting_for, waiting_for)
    return "pending", waiting_for


def _waiting_for(status: str, batch: Batch, now: float) -> str:
    """The class of an unfinished task. Why one is queued is not told, only that it is one of three reasons."""
    if status != "QUEUED":
        return {"CONFIRM": "awaiting_confirmation", "NOTIFIED": "notified", "IN_PROGRESS": "in_progress"}.get(
            status, "unknown"
        )
    job = batch.job or {}
    planned = moment(job.get("utc_schedule_time"))
    if job.get("job_status") == "PLANNED" or (planned is not None and planned > now):
        return "planned"
    pushed = pushed_by(batch)
    return "rate_limited" if pushed is not None and now < pushed else "offline"


def pushed_by(batch: Batch) -> float | None:
    """When all devices will have been told at the batch's rate, in seconds since 1970; ``None`` without a rate."""
    job = batch.job or {}
    rate, start = natural(job.get("maximum_per_minute")), moment(job.get("utc_start_time"))
    return start + natural(batch.total) * 60.0 / rate if rate and start is not None else None


def natural(value: Any) -> int:
    """A number of the service as far as it can be one; 0 where it is none."""
    return min(value, 10**9) if isinstance(value, int) and value > 0 else 0


def _since(task: Mapping[str, Any], now: float, seen: Seen) -> float:
    """Since when a task is as it is: as the service says when it is seen first, then as its changes were seen."""
    identity, mark = mark_of(task)
    if identity not in seen:
        return min(now, moment(task.get("utc_modified")) or now)
    known, since = seen[identity]
    return min(now, since) if known == mark else now


def mark_of(task: Mapping[str, Any]) -> tuple[str, str]:
    """What identifies a task, and what changes when it moves."""
    identity = task.get("task_id") or f"{task.get('job_id')} {task.get('product_key')} {task.get('device_name')}"
    return str(identity), f"{task.get('task_status')} {task.get('progress')}"


def still_seen(facts: Facts, seen: Seen) -> dict[str, list[Any]]:
    """The unfinished tasks that were read, as the next look needs them."""
    kept = {}
    for batch in facts.batches:
        for task in batch.tasks:
            if task.get("task_status") in UNFINISHED_TASK_STATUSES:
                identity, mark = mark_of(task)
                kept[identity] = [mark, _since(task, facts.now, seen)]
    return kept


# --- Doubt -----------------------------------------------------------------------------------------------------------


def doubts(facts: Facts, policy: Policy) -> Iterator[str]:
    """What keeps one from believing the facts, a sentence each."""
    for batch in facts.batches:
        for status, number in batch.counts.items():
            if number and status not in TASK_STATUSES:
                yield f"a task of batch {batch.job_id} is in the state {str(status)[:40]}, which is not documented"
        if policy.expected_devices is not None and not all(task.get("device_name") for task in batch.tasks):
            yield f"a task of batch {batch.job_id} does not tell its device, which may be one that is expected"
        if batch.whole and len(batch.tasks) < batch.total:
            yield f"batch {batch.job_id} has {batch.total} tasks, and {len(batch.tasks)} were read"
        if sum(batch.counts.values()) > batch.total:
            yield f"batch {batch.job_id} has {batch.total} tasks and more in its states"
        if batch.job is not None:
            yield from _doubts_about(batch.job_id, batch.job, policy)


def _doubts_about(job_id: str, job: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    if job.get("job_status") not in JOB_STATUSES:
        state = str(job["job_status"])[:40] if job.get("job_status") else None
        yield f"batch {job_id} " + (f"is in the state {state}, which is not documented" if state else "tells no state")
    for name in EXPECTATIONS:
        if getattr(policy, name) is not None and job.get(name) is None:
            yield f"batch {job_id} does not tell its {name}, so that it may be another than was meant"
    if (policy.verify_versions or policy.expected_devices is not None) and job.get("dest_version") is None:
        yield f"batch {job_id} does not tell its dest_version, so that no version can be verified"


# --- Times -----------------------------------------------------------------------------------------------------------


def moment(text: Any) -> float | None:
    """A time of the service in seconds since 1970; ``None`` where it is none. One vendor prints a stray blank."""
    return _moment(text) if isinstance(text, str) else None


@lru_cache(10_000)  # each look brings the same times
def _moment(text: str) -> float | None:
    try:
        words = "".join(text.split()) if "T" in text else text.strip()
        time = datetime.fromisoformat(words.replace("Z", "+00:00"))
        seconds = (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < YEAR_9999 else None


#: Times beyond this are none.
YEAR_9999 = 253_000_000_000.0


def utc(seconds: float) -> str:
    """A time in seconds since 1970 as text."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
