# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a rollout stands: which devices count, how many are in which state, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._api.operations import TASK_STATUSES, UNFINISHED_TASK_STATUSES
from ...module_utils._queries.devices import Key, device_key
from .policy import Policy
from .snapshot import Batch, Facts, moment, pushed_by

#: A device that has not moved for so many seconds, after it was told of the update, is silent or stalled.
STALLED_AFTER = 600.0


Entry = dict[str, Any]


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
