# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the verdict, in the order in which they are tried: the first that applies decides. Pure.

Consecutive polls must confirm ``passed`` and ``failed``, and ``inconclusive`` for what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Optional

from ...module_utils._api.operations import QUERY_OTA_FIRMWARE
from .._rollout.devices import Device
from .._rollout.policy import MAX_DEVICES
from .._rollout.snapshot import JobSnapshot
from .._rollout.state import keeps_bounds
from .._rollout.times import format_time
from .._rollout.versions import module_of
from .case import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    Case,
    Evidence,
    Outcome,
    VerdictName,
    confirm_verdict,
    no_task_sentence,
    pending_outcome,
    soaking_reason,
)
from .preconditions import (
    rule_conflicting_batches,
    rule_dynamic_batch,
    rule_errors,
    rule_incomplete,
    rule_too_large,
    rule_unclear_devices,
    rule_unfound,
    rule_unknown_job,
    rule_wrong_job,
)
from .wording import (
    MAX_NAMES,
    Reason,
    class_counts,
    count_things,
    device_names,
    failed_sentence,
    format_duration,
    out_of_reach_sentence,
    proof_sentence,
    too_few_sentence,
    unfinished_words,
)


def rule_nothing_to_judge(case: Case) -> Outcome | None:
    if case.rollout.total:
        return None
    if not case.rollout.counts_are_devices:
        return _need_evidence(case, "tasks")
    if not case.snapshot.jobs and not case.snapshot.fresh:
        return pending_outcome(case, Reason("starting", "no poll has completed yet"))
    if case.in_start_grace:
        return pending_outcome(case, Reason("starting", _nothing_sentence(case, " so far") or no_task_sentence(case)))
    named = case.policy.expected_devices is not None or case.policy.min_devices is not None
    had_tasks = any(case.had_tasks(job) for job in case.snapshot.jobs)
    if not case.policy.allow_empty or named or case.canceled or had_tasks:
        message = _nothing_sentence(case) or "there is no task"
        return confirm_verdict(
            case, INCONCLUSIVE, Reason("nothing_to_judge", f"{message}, so there is nothing to judge")
        )
    if case.no_more_tasks:
        return confirm_verdict(
            case, PASSED, Reason("proved", "there is no task, which allow_empty permits, and the rollout is finished")
        )
    still = "tasks may still appear" if case.finished else "the rollout is not finished"
    return pending_outcome(case, Reason("starting", f"there is no task, and {still}"))


def _nothing_sentence(case: Case, so_far: str = "") -> str | None:
    """Why no device counts although there were some."""
    if case.rollout.ignored:
        return f"all devices{so_far} {'were canceled or ' if case.rollout.canceled else ''}have vanished"
    return f"all tasks{so_far} were canceled" if case.rollout.canceled else None


def rule_too_many_failures(case: Case) -> Outcome | None:
    rollout, policy = case.rollout, case.policy
    # Devices that may have succeeded already count as finished, in favour of the rollout.
    allowed = policy.failed_allowed(rollout.executed + rollout.possibly_succeeded)
    allowed_without = policy.failed_allowed(rollout.executed + rollout.possibly_succeeded - rollout.unproved_expected)
    # Once all devices are known there is no larger sample to wait for.
    sample = min(policy.min_executed, rollout.total) if case.device_total_known else policy.min_executed
    if allowed is None or allowed_without is None or rollout.failed <= allowed_without:
        return None
    if rollout.executed + rollout.unproved_expected < sample:
        return None
    if rollout.failed <= allowed or rollout.executed < sample:  # whether devices without a task need none decides
        return _need_evidence(case, "versions") if case.finished or case.is_quiet else None
    return _confirm_failed(case, "too_many_failures", failed_sentence(rollout, policy))


def rule_out_of_reach(case: Case) -> Outcome | None:
    rollout, policy = case.rollout, case.policy
    if case.no_more_tasks and rollout.accounted < (policy.min_devices or 0):
        return _confirm_failed(case, "too_few_devices", too_few_sentence(rollout, policy))
    more = 0 if case.device_total_known else MAX_DEVICES  # a device that appears late may succeed
    more = max(more, _still_to_come(case))
    if rollout.succeeded + rollout.pending + more >= policy.succeeded_needed(rollout.total + more):
        return None
    return _confirm_failed(case, "success_out_of_reach", out_of_reach_sentence(rollout, case.policy))


def rule_canceled(case: Case) -> Outcome | None:
    rollout = case.rollout
    if not case.canceled or not case.finished:
        return None
    may_succeed = sum(rollout.by_class["pending"].get(name, 0) for name in _MAY_SUCCEED)
    more = _still_to_come(case)
    enough = rollout.succeeded + may_succeed + more >= case.policy.succeeded_needed(rollout.total + more)
    if rollout.pending > may_succeed or enough:
        return None
    return _confirm_failed(case, "batch_canceled", out_of_reach_sentence(rollout, case.policy))


_MAY_SUCCEED = ("unproved", "awaiting_version", "no_task", "vanished")


def _still_to_come(case: Case) -> int:
    """How many of the required devices have no task yet; while none can get one any more, the rollout has failed."""
    return max(0, (case.policy.min_devices or 0) - case.rollout.accounted)


def _confirm_failed(case: Case, code: str, message: str) -> Outcome:
    if not case.rollout.counts_are_devices:
        return _need_evidence(case, "tasks", FAILED)
    number, devices = case.rollout.failed, case.rollout.devices_in("failed")
    if code == "too_few_devices":
        number, devices = case.rollout.accounted, []
    if case.canceled:  # which explains all the rest
        code, message = "batch_canceled", f"{_canceled_sentence(case)}; {message}"
    return confirm_verdict(case, FAILED, Reason(code, message, number, device_names(devices)))


def _canceled_sentence(case: Case) -> str:
    canceled = [job for job in case.snapshot.jobs if job.canceled]
    ended = case.snapshot.job_time(canceled[0], "utc_end_time") if len(canceled) == 1 else None
    when = "" if ended is None else f" at {format_time(ended)}"
    return f"batch {', '.join(job.job_id for job in canceled[:MAX_NAMES])} was canceled{when}"


def rule_unbegun_batch(case: Case) -> Outcome | None:
    """Each batch must have begun and be accounted for, whatever the others say."""
    unbegun = case.unbegun_jobs
    waiting = [job for job in unbegun if case.may_still_begin(job)]
    if case.rollout.unproved_expected and any(job.finished or job not in waiting for job in unbegun if not job.planned):
        return _need_evidence(case, "versions")  # a device that is on the new version already gets no task
    if waiting:
        return pending_outcome(case, Reason("not_started", _unbegun_sentence(waiting[0], case)))
    for job in unbegun:
        if not case.policy.allow_empty or job.canceled or (case.had_tasks(job) and not job.planned):
            return confirm_verdict(case, INCONCLUSIVE, _unbegun_reason(job, case))
        if not job.finished:
            return pending_outcome(case, Reason("not_started", _unbegun_sentence(job, case)))
    return None


def _unbegun_reason(job: JobSnapshot, case: Case) -> Reason:
    if job.planned:
        return Reason("not_started", f"{_planned_sentence(job, case)}; check the batch, or leave it out")
    if case.had_tasks(job):
        return Reason("empty_batch", f"batch {job.job_id} has no task left that counts; leave it out")
    if job.canceled:
        return Reason("empty_batch", f"batch {job.job_id} was canceled before it had a task; leave it out")
    return Reason("empty_batch", f"batch {job.job_id} has no task; check its targets, or set allow_empty")


def _unbegun_sentence(job: JobSnapshot, case: Case) -> str:
    if job.planned:
        return _planned_sentence(job, case)
    return f"batch {job.job_id} has no task{' left that counts' if case.had_tasks(job) else ''}"


def _planned_sentence(job: JobSnapshot, case: Case) -> str:
    scheduled = case.snapshot.job_time(job, "utc_schedule_time")
    if scheduled is None:
        return f"batch {job.job_id} has not begun"
    return f"batch {job.job_id} has not begun; it is scheduled for {format_time(scheduled)}"


def rule_passed(case: Case) -> Outcome | None:
    if not keeps_bounds(case.rollout, case.policy) or not _has_no_more_to_come(case):
        return None
    history = case.history
    is_confirmed = history.candidate == PASSED and history.candidate_count >= case.policy.confirmations
    if is_confirmed and case.snapshot.now < history.candidate_since + case.policy.soak:
        return pending_outcome(case, soaking_reason(case, history.candidate_since), **history.kept_candidate())
    needs = _missing_evidence(case)
    if needs:
        return _need_evidence(case, needs, PASSED)
    return confirm_verdict(
        case, PASSED, Reason("proved", proof_sentence(case.rollout, case.policy), case.rollout.succeeded)
    )


def _has_no_more_to_come(case: Case) -> bool:
    """Whether every device that counts is known."""
    rollout, policy = case.rollout, case.policy
    known = case.snapshot.versions or {}
    if case.finished and any(
        device.class_name == "no_task" and device.key in known for device in rollout.devices_in("pending")
    ):
        return False  # a device without a task is not waited for: it fails once no task can appear
    # Who may fail soon is not like a device that nobody reaches.
    undecided = sum(rollout.by_class["pending"].get(name, 0) for name in ("retrying", "awaiting_version"))
    allowed = policy.failed_allowed(rollout.executed + undecided)
    if undecided and allowed is not None and rollout.failed + undecided > allowed:
        return False
    # A device that one batch is done with may get a task of another, but dynamic batches get tasks for good.
    may_get_another = policy.expected_devices is not None and len(case.snapshot.jobs) > 1 and case.in_start_grace
    if may_get_another and not case.finished:
        return False
    # An unfinished batch without an unfinished task gets more, unless it can stay unfinished.
    can_stay_open = policy.pending_allowed(rollout.total) > 0 or policy.expected_devices is not None
    return case.device_total_known and (case.finished or can_stay_open)


def _missing_evidence(case: Case) -> Evidence | None:
    """What must be read before the proof is complete."""
    rollout, policy = case.rollout, case.policy
    if not rollout.counts_are_devices:
        return "tasks"
    lacks_proof = policy.verify_versions and rollout.verified < rollout.succeeded
    return "versions" if lacks_proof or rollout.unproved_expected else None


def _need_evidence(case: Case, needs: Evidence, verdict: VerdictName | None = None) -> Outcome:
    """Not decided before more is read. A poll that ends so says nothing against the ``verdict`` that it would confirm.

    One that contradicts the candidate breaks the row of polls that confirm it.
    """
    what = "all tasks" if needs == "tasks" else "the versions of the devices"
    kept = case.history.kept_candidate() if verdict in (None, case.history.candidate) else {}
    outcome = pending_outcome(case, Reason("unread", f"reading {what} before deciding"), **kept)
    return outcome._replace(needs=needs if case.snapshot.fresh else None)


def rule_unknown_module(case: Case) -> Outcome | None:
    """Nothing proves devices whose modules differ while nobody says which of them a batch is for."""
    unknown = [job for job in case.snapshot.jobs if module_of(job, case.policy) is None]
    unclear = [device for device in case.rollout.devices_in("pending") if _is_unclear(device, unknown, case)]
    gone = case.rollout.by_class["pending"].get("vanished", 0) if case.no_more_tasks else 0
    if not case.finished or not unclear or case.rollout.pending > len(unclear) + gone:
        return None
    message = (
        f"the module of batch {', '.join(job.job_id for job in unknown[:MAX_NAMES])} is not known, so the versions of"
        f" {count_things(len(unclear), 'device')} prove nothing; allow {QUERY_OTA_FIRMWARE.action} for this access key,"
        " or name the module in versions.module_name"
    )
    return confirm_verdict(case, INCONCLUSIVE, Reason("unknown_module", message, len(unclear), device_names(unclear)))


def _is_unclear(device: Device, unknown: Sequence[JobSnapshot], case: Case) -> bool:
    """Whether a device reports versions, and would be proved or not if the module of its batch were known."""
    report = (case.snapshot.versions or {}).get(device.key)
    if device.class_name != "unproved" or report is None or not any(report.versions.values()):
        return False
    of_product = [job.job_id for job in unknown if job.product_key in ("", device.key[0])]
    return device.job_id in of_product or (device.job_id is None and bool(of_product))


def rule_vanished(case: Case) -> Outcome | None:
    """Devices that were deleted can neither pass nor fail, so they are named once nothing else is left to wait for."""
    gone = [device for device in case.rollout.devices_in("pending") if device.class_name == "vanished"]
    if not gone or not case.no_more_tasks or case.rollout.pending > len(gone):
        return None
    named = [f"{device_names([device])[0]}: {device.detail}" for device in gone[:MAX_NAMES]]
    more = f"; and {len(gone) - len(named):,} more" if len(gone) > len(named) else ""
    message = (
        f"{count_things(len(gone), 'device')} vanished ({'; '.join(named)}{more}); set ignore_vanished if devices that"
        " were deleted do not count"
    )
    return confirm_verdict(case, INCONCLUSIVE, Reason("vanished", message, len(gone), device_names(gone)))


#: What a reason says about the devices of some pending classes, and its code.
_WAITING = {
    "unproved": "not proved to be on the new version",
    "awaiting_version": "still reporting the old version after success, as before a restart",
    "no_task": "without a task and not known to be on the new version",
    "vanished": "gone from the service",
}
_WAITING_CODES = {
    "unproved": "unproved",
    "awaiting_version": "awaiting_version",
    "no_task": "unproved",
    "vanished": "vanished",
}


def rule_pending(case: Case) -> Outcome:
    rollout = case.rollout
    unfinished = rollout.devices_in("pending")
    for name, what in _WAITING.items():
        waiting = [device for device in unfinished if device.class_name == name]
        if waiting:
            why = next((f": {device.detail}" for device in waiting if device.detail), "")
            message = f"{count_things(len(waiting), 'device')} {what}{why[:300]}"
            return pending_outcome(case, Reason(_WAITING_CODES[name], message, len(waiting), device_names(waiting)))
    if rollout.pending:
        words = f"{unfinished_words(rollout)}{class_counts(rollout, 'pending')}"
        return pending_outcome(case, Reason("unfinished", words, rollout.pending, device_names(unfinished)))
    if case.finished:
        quiet = format_duration(case.policy.start_grace)
        return pending_outcome(
            case, Reason("still_open", f"new tasks may still appear; waiting until none has appeared for {quiet}")
        )
    return pending_outcome(
        case, Reason("still_open", "all tasks are finished, but the batch is not, so more may appear")
    )


Rule = Callable[[Case], Optional[Outcome]]

RULES: tuple[Rule, ...] = (
    rule_wrong_job,
    rule_errors,
    rule_unfound,
    rule_too_large,
    rule_incomplete,
    rule_unknown_job,
    rule_dynamic_batch,
    rule_unclear_devices,
    rule_nothing_to_judge,
    rule_conflicting_batches,
    rule_too_many_failures,
    rule_out_of_reach,
    rule_canceled,
    rule_unbegun_batch,
    rule_passed,
    rule_unknown_module,
    rule_vanished,
    rule_pending,
)
