# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the verdict, in the order in which they are tried: the first that applies decides. Pure.

A verdict of ``passed`` or ``failed`` must be confirmed by consecutive polls.
"""

from __future__ import annotations

from typing import Callable, Optional

from ...module_utils._api.operations import MAX_ROWS
from ...module_utils._queries.jobs import EXPECTATIONS
from .case import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    Case,
    Evidence,
    Outcome,
    confirm_verdict,
    pending_outcome,
    soaking_reason,
)
from .policy import MAX_DEVICES
from .state import keeps_bounds
from .wording import (
    MAX_NAMES,
    Reason,
    class_counts,
    count_things,
    device_names,
    failed_and_needed_sentence,
    failures_sentence,
    format_duration,
    proof_sentence,
    quote_short,
    share_of,
)


def rule_wrong_job(case: Case) -> Outcome | None:
    for job in case.snapshot.jobs:
        for option, name in EXPECTATIONS.items():
            expected, actual = getattr(case.policy, option), (job.facts or {}).get(name)
            if expected is not None and actual is not None and actual != expected:
                message = f"batch {job.job_id} has the {name} {quote_short(actual)}; expected {quote_short(expected)}"
                return Outcome(FAILED, True, (Reason("wrong_job", message),))
    return None


def rule_errors(case: Case) -> Outcome | None:
    error, history = case.snapshot.error, case.history
    if error is None:
        return None
    message = str(error).rstrip(".")
    if case.snapshot.permanent:
        return Outcome(INCONCLUSIVE, True, (Reason("api_error", message),))
    if history.errors > case.policy.max_consecutive_errors:
        all_failed = f"{history.errors} consecutive polls failed; last error: {message}"
        return Outcome(INCONCLUSIVE, True, (Reason("too_many_errors", all_failed),))
    return pending_outcome(case, Reason("error", f"poll {history.polls} failed: {message}"), **history.kept_candidate())


def rule_incomplete(case: Case) -> Outcome | None:
    if not case.problems:
        return None
    final = case.history.incomplete > case.policy.max_consecutive_errors or case.deadline_passed
    return Outcome(INCONCLUSIVE, final, tuple(Reason("incomplete", problem) for problem in case.problems[:MAX_NAMES]))


def rule_unknown_job(case: Case) -> Outcome | None:
    unknown = [job.job_id for job in case.snapshot.jobs if job.facts is None]
    if not unknown:
        return None
    message = f"the service does not know batch {', '.join(unknown[:MAX_NAMES])}"
    if case.in_start_grace:
        return pending_outcome(case, Reason("starting", message))
    check = "check the ID, and that region, instance and access key are those of its account"
    return confirm_verdict(case, INCONCLUSIVE, Reason("unknown_job", f"{message}; {check}"))


def rule_dynamic_batch(case: Case) -> Outcome | None:
    if case.policy.expected_devices is not None or not any(job.dynamic for job in case.snapshot.jobs):
        return None
    message = "a dynamic batch never ends; name the devices that it must reach in expected_devices"
    return Outcome(INCONCLUSIVE, True, (Reason("dynamic_batch", message),))


def rule_too_large(case: Case) -> Outcome | None:
    jobs, policy = case.snapshot.jobs, case.policy
    if not any(job.total > MAX_ROWS for job in jobs):
        return None
    if not policy.verify_versions and policy.expected_devices is None and len(jobs) == 1:
        return None
    message = (
        f"at most {MAX_ROWS:,} tasks of a batch can be listed, so the tasks of a larger one can only be counted;"
        " gate it alone, with versions.verify off and without expected_devices"
    )
    return Outcome(INCONCLUSIVE, True, (Reason("too_large", message),))


def rule_nothing_to_judge(case: Case) -> Outcome | None:
    if case.rollout.total:
        return None
    if not case.rollout.counts_are_devices:
        return _need_evidence(case, "tasks")
    if not case.snapshot.jobs and not case.snapshot.fresh:
        return pending_outcome(case, Reason("starting", "no poll has completed yet"))
    if case.in_start_grace:
        so_far = "all tasks so far were canceled" if case.rollout.canceled else "there is no task yet"
        return pending_outcome(case, Reason("starting", so_far))
    named = case.policy.expected_devices is not None or case.policy.min_devices is not None
    if not case.policy.allow_empty or named or case.canceled or any(case.rollout.by_status.values()):
        message = "all tasks were canceled" if case.rollout.canceled else "there is no task"
        return confirm_verdict(
            case, INCONCLUSIVE, Reason("nothing_to_judge", f"{message}, so there is nothing to judge")
        )
    if case.finished:
        return confirm_verdict(
            case, PASSED, Reason("proved", "there is no task, which allow_empty permits, and the rollout is finished")
        )
    return pending_outcome(case, Reason("starting", "there is no task, and the rollout is not finished"))


def rule_too_many_failures(case: Case) -> Outcome | None:
    rollout, policy = case.rollout, case.policy
    # Devices that may have succeeded already count as finished, in favour of the rollout.
    allowed = policy.failed_allowed(rollout.executed + rollout.possibly_succeeded)
    # Once all devices are known there is no larger sample to wait for.
    sample = min(policy.min_executed, rollout.total) if case.device_total_known else policy.min_executed
    if allowed is None or rollout.failed <= allowed or rollout.executed < sample:
        return None
    return _confirm_failed(case, "too_many_failures", failures_sentence(rollout, policy, allowed))


def rule_out_of_reach(case: Case) -> Outcome | None:
    rollout, policy = case.rollout, case.policy
    if case.no_more_tasks and rollout.total < (policy.min_devices or 0):
        message = f"{count_things(rollout.total, 'device')} had a task; at least {policy.min_devices} must have one"
        return _confirm_failed(case, "too_few_devices", message)
    more = 0 if case.device_total_known else MAX_DEVICES  # a device that appears late may succeed
    more = max(more, _still_to_come(case))
    if rollout.succeeded + rollout.pending + more >= policy.succeeded_needed(rollout.total + more):
        return None
    return _confirm_failed(case, "success_out_of_reach", failed_and_needed_sentence(rollout, case.policy))


def rule_canceled(case: Case) -> Outcome | None:
    rollout = case.rollout
    if not case.canceled or not case.finished:
        return None
    may_succeed = sum(rollout.by_class["pending"].get(name, 0) for name in ("unproved", "no_task"))
    more = _still_to_come(case)
    enough = rollout.succeeded + may_succeed + more >= case.policy.succeeded_needed(rollout.total + more)
    if rollout.pending > may_succeed or enough:
        return None
    return _confirm_failed(
        case,
        "batch_canceled",
        f"a batch was canceled, {failed_and_needed_sentence(rollout, case.policy)}",
    )


def _still_to_come(case: Case) -> int:
    """How many of the required devices have no task yet and may get one."""
    return 0 if case.no_more_tasks else max(0, (case.policy.min_devices or 0) - case.rollout.total)


def _confirm_failed(case: Case, code: str, message: str) -> Outcome:
    if not case.rollout.counts_are_devices:
        return _need_evidence(case, "tasks")
    number, devices = case.rollout.failed, case.rollout.devices_in("failed")
    if code == "too_few_devices":
        number, devices = case.rollout.total, []
    return confirm_verdict(case, FAILED, Reason(code, message, number, device_names(devices)))


def rule_passed(case: Case) -> Outcome | None:
    if not keeps_bounds(case.rollout, case.policy) or not _has_no_more_to_come(case):
        return None
    history = case.history
    is_candidate = history.candidate == PASSED
    soaked = is_candidate and case.snapshot.now >= history.candidate_since + case.policy.soak
    if is_candidate and history.candidate_count >= case.policy.confirmations and not soaked:
        return pending_outcome(case, soaking_reason(case, history.candidate_since), **history.kept_candidate())
    needs = _missing_evidence(case)
    if needs:
        return _need_evidence(case, needs)
    if case.rollout.unproved_expected:
        return None
    return confirm_verdict(
        case, PASSED, Reason("proved", proof_sentence(case.rollout, case.policy), case.rollout.succeeded)
    )


def _has_no_more_to_come(case: Case) -> bool:
    """Whether every device that counts is known."""
    rollout, policy = case.rollout, case.policy
    if (
        case.finished
        and not case.no_more_tasks
        and rollout.by_class["pending"].get("no_task", 0) > rollout.unproved_expected
    ):
        return False  # a device without a task is not late: it fails once no task can appear
    # An unfinished batch without an unfinished task gets more, unless it can stay unfinished.
    can_stay_open = policy.pending_allowed(rollout.total) > 0 or policy.expected_devices is not None
    return case.device_total_known and (case.finished or can_stay_open)


def _missing_evidence(case: Case) -> Evidence | None:
    """What must be read before the proof is complete."""
    rollout, policy = case.rollout, case.policy
    if not rollout.all_listed and (policy.verify_versions or not rollout.counts_are_devices):
        return "tasks"
    lacks_proof = policy.verify_versions and rollout.verified < rollout.succeeded
    return "versions" if (lacks_proof or rollout.unproved_expected) and case.snapshot.versions is None else None


def _need_evidence(case: Case, needs: Evidence) -> Outcome:
    what = "all tasks" if needs == "tasks" else "the versions of the devices"
    outcome = pending_outcome(
        case, Reason("unread", f"reading {what} before deciding"), **case.history.kept_candidate()
    )
    return outcome._replace(needs=needs if case.snapshot.fresh else None)


_WAITING = {
    "unproved": "not proved to be on the new version, because no version of the module is reported; check"
    " versions.module_name",
    "no_task": "without a task and not known to be on the new version",
}


def rule_pending(case: Case) -> Outcome:
    rollout = case.rollout
    unfinished = rollout.devices_in("pending")
    for name, what in _WAITING.items():
        waiting = [device for device in unfinished if device.class_name == name]
        if waiting:
            return pending_outcome(
                case,
                Reason(
                    "unproved", f"{count_things(len(waiting), 'device')} {what}", len(waiting), device_names(waiting)
                ),
            )
    if rollout.pending:
        message = f"{share_of(rollout.pending, rollout)} pending{class_counts(rollout, 'pending')}"
        return pending_outcome(case, Reason("unfinished", message, rollout.pending, device_names(unfinished)))
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
    rule_too_large,
    rule_incomplete,
    rule_unknown_job,
    rule_dynamic_batch,
    rule_nothing_to_judge,
    rule_too_many_failures,
    rule_out_of_reach,
    rule_canceled,
    rule_passed,
    rule_pending,
)
