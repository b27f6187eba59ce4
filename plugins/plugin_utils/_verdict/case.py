# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of a rule, its outcome, and how an outcome is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

from .._rollout.batches import earlier_stages
from .._rollout.expected import accounts_for
from .._rollout.policy import Policy
from .._rollout.snapshot import JobSnapshot, Snapshot
from .._rollout.state import RolloutState
from .._rollout.times import format_time
from .history import History
from .wording import Reason, count_things, deadline_sentence, device_names, format_duration

VerdictName = Literal["passed", "failed", "pending", "timed_out", "inconclusive"]
Evidence = Literal["tasks", "versions"]

PASSED: Final = "passed"
FAILED: Final = "failed"
PENDING: Final = "pending"
TIMED_OUT: Final = "timed_out"
INCONCLUSIVE: Final = "inconclusive"


class Case(NamedTuple):
    """The input of a rule."""

    snapshot: Snapshot
    policy: Policy
    history: History
    problems: Sequence[str]
    rollout: RolloutState
    no_more_tasks: bool

    @property
    def finished(self) -> bool:
        """Whether all batches are finished."""
        return self.snapshot.finished

    @property
    def canceled(self) -> list[str]:
        """The batches that are canceled."""
        return [job.job_id for job in self.snapshot.jobs if job.canceled]

    @property
    def in_start_grace(self) -> bool:
        """Whether a batch may still appear, or get its first task."""
        begins = (begins_at(job, self.snapshot, self.history) for job in self.snapshot.jobs)
        return self.snapshot.now < max(begins, default=self.history.started) + self.policy.start_grace

    def may_still_begin(self, job: JobSnapshot) -> bool:
        """Whether it is too early to miss the tasks of a batch, which may wait for those of the stage before it."""
        begins = begins_at(job, self.snapshot, self.history)
        for stage in [] if job.finished else earlier_stages(job, self.snapshot.jobs, self.policy):
            if not stage.finished:
                return True
            begins = max(begins, min(self.snapshot.now, self.snapshot.job_time(stage, "utc_end_time") or 0.0))
        return self.snapshot.now < begins + self.policy.start_grace

    @property
    def unbegun_jobs(self) -> list[JobSnapshot]:
        """The batches that have not begun, then those without a task that counts or a device that needs none."""
        jobs = sorted(self.snapshot.jobs, key=lambda job: (not job.planned, job.job_id))
        return [job for job in jobs if job.planned or not self._is_accounted_for(job)]

    def _is_accounted_for(self, job: JobSnapshot) -> bool:
        """Whether a batch has a task that counts, or needs none because of a device that is on its version already."""
        snapshot, policy, memory = self.snapshot, self.policy, self.history.memory
        if job.total > (job.counts.get("CANCELED", 0) if policy.ignore_canceled else 0):
            return True
        if self.had_tasks(job) and not policy.ignore_canceled and not policy.ignore_vanished:
            return True
        return any(accounts_for(device, job, snapshot, policy, memory) for device in self.rollout.devices)

    def had_tasks(self, job: JobSnapshot) -> bool:
        """Whether a batch ever had a task."""
        return self.history.max_totals.get(job.job_id, 0) > 0

    @property
    def is_quiet(self) -> bool:
        """Whether no task has appeared for so long that no more are expected."""
        return has_stopped_growing(self.snapshot, self.policy, self.history)

    @property
    def deadline_passed(self) -> bool:
        """Whether the time is over."""
        return self.snapshot.now >= self.history.started + self.policy.wait_timeout

    @property
    def device_total_known(self) -> bool:
        """Whether it is known how many devices count."""
        if self.policy.expected_devices is not None:
            return True
        if any(self.may_still_begin(job) for job in self.unbegun_jobs):
            return False
        if self.is_quiet:
            return True
        least = self.policy.min_devices
        return self.finished and least is not None and self.rollout.accounted >= least


class Outcome(NamedTuple):
    """What a rule decides, and the candidate that waits for confirmation."""

    verdict: VerdictName
    final: bool
    reasons: tuple[Reason, ...]
    candidate: str = ""
    candidate_count: int = 0
    candidate_since: float = 0.0
    needs: Evidence | None = None


def pending_outcome(case: Case, *reasons: Reason, **kept: Any) -> Outcome:
    """Not settled: pending, or timed out after the deadline."""
    if not case.deadline_passed:
        return Outcome(PENDING, False, reasons, **kept)
    rollout = case.rollout
    unfinished = device_names(rollout.devices_in("pending"))
    message = deadline_sentence(rollout, case.policy)
    others = [reason for reason in reasons if reason.code != "unfinished"]  # the deadline says so
    return Outcome(TIMED_OUT, True, (Reason("deadline", message, rollout.pending, unfinished), *others), **kept)


def confirm_verdict(case: Case, verdict: VerdictName, *reasons: Reason) -> Outcome:
    """The verdict once enough consecutive polls confirm it; ``passed`` must last for the soak as well."""
    history, policy = case.history, case.policy
    is_candidate = history.candidate == verdict
    count = (history.candidate_count if is_candidate else 0) + case.snapshot.fresh
    since = history.candidate_since if is_candidate else case.snapshot.now
    soaked = verdict != PASSED or case.snapshot.now >= since + policy.soak
    if case.snapshot.fresh and count >= policy.confirmations and soaked:
        return Outcome(verdict, True, reasons, verdict, count, since)
    kept = {"candidate": verdict, "candidate_count": count, "candidate_since": since}
    if verdict == PASSED:
        reasons = ()  # a reader would take them for the verdict
    if count < policy.confirmations:
        what = f"confirming {verdict}: {count} of {count_things(policy.confirmations, 'poll')}"
        return _not_confirmed(case, verdict, Reason("confirming", what), *reasons, **kept)
    return _not_confirmed(case, verdict, soaking_reason(case, since), *reasons, **kept)


def _not_confirmed(case: Case, verdict: VerdictName, *reasons: Reason, **kept: Any) -> Outcome:
    if verdict != INCONCLUSIVE:
        return pending_outcome(case, *reasons, **kept)
    if not case.deadline_passed or kept["candidate_count"]:
        return Outcome(INCONCLUSIVE, case.deadline_passed, reasons[1:], **kept)
    reasons = reasons[1:]  # no poll shows it: it only follows from what an earlier one has seen
    return pending_outcome(case, *reasons, **kept)


def soaking_reason(case: Case, since: float) -> Reason:
    healthy, left = case.snapshot.now - since, since + case.policy.soak - case.snapshot.now
    return Reason("soaking", f"healthy for {format_duration(healthy)}; soaking for another {format_duration(left)}")


# --- Growth ----------------------------------------------------------------------------------------------------------


def no_more_tasks(snapshot: Snapshot, policy: Policy, history: History) -> bool:
    """Whether the batches finished so long ago that missing tasks will not appear."""
    if not snapshot.finished:
        return False
    last = _ended_at(snapshot, history)
    if history.has_grown:
        last = max(last, history.last_growth)
    return snapshot.now >= last + policy.start_grace


def has_stopped_growing(snapshot: Snapshot, policy: Policy, history: History) -> bool:
    """Whether no task has appeared for so long that no more are expected."""
    last = history.last_growth
    if snapshot.finished and not history.has_grown:
        last = min(last, _ended_at(snapshot, history))
    return snapshot.now >= last + policy.start_grace


def _ended_at(snapshot: Snapshot, history: History) -> float:
    """When the last of the batches ended, as far as they say, but not later than they were seen finished."""
    ended = (snapshot.job_time(job, "utc_end_time") for job in snapshot.jobs)
    seen = history.finished_since
    last = max((history.last_growth if seen is None else seen) if time is None else time for time in ended)
    return last if seen is None else min(last, seen)


def begins_at(job: JobSnapshot, snapshot: Snapshot, history: History) -> float:
    """From when on a batch must have tasks: its schedule, unless that was canceled, or the first poll."""
    scheduled = None if job.canceled else snapshot.job_time(job, "utc_schedule_time")
    return history.started if scheduled is None else max(history.started, scheduled)


def no_task_sentence(case: Case) -> str:
    """That there is no task yet, and when the schedule of the first batch begins if that is still to come."""
    begins = min((begins_at(job, case.snapshot, case.history) for job in case.snapshot.jobs), default=0.0)
    schedule = f"; the schedule begins at {format_time(begins)}" if begins > case.snapshot.now else ""
    return f"there is no task yet{schedule}"
