# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about what was read and what was meant: without them no number of devices means anything. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ...module_utils._api.operations import MAX_ROWS
from ...module_utils._queries.jobs import EXPECTATIONS
from .._rollout.expected import ambiguous_devices, foreign_devices
from .._rollout.policy import ExpectedDevice
from .._rollout.versions import module_of
from .case import FAILED, INCONCLUSIVE, Case, Outcome, confirm_verdict, pending_outcome
from .wording import MAX_NAMES, Reason, quote_short


def rule_wrong_job(case: Case) -> Outcome | None:
    for job in case.snapshot.jobs:
        for option, name in EXPECTATIONS.items():
            expected, actual = getattr(case.policy, option), (job.facts or {}).get(name)
            if expected is not None and actual is not None and actual != expected:
                message = f"batch {job.job_id} has the {name} {quote_short(actual)}; expected {quote_short(expected)}"
                return Outcome(FAILED, True, (Reason("wrong_job", message),))
        expected, actual = case.policy.module_name, job.module_name
        if expected is not None and actual is not None and actual != expected:
            message = f"batch {job.job_id} is for the module {quote_short(actual)}; expected {quote_short(expected)}"
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
        limit = f"the limit is {case.policy.max_consecutive_errors:,} (max_consecutive_errors)"
        all_failed = f"{history.errors:,} consecutive polls failed; {limit}; last error: {message}"
        return Outcome(INCONCLUSIVE, True, (Reason("too_many_errors", all_failed),))
    return pending_outcome(
        case, Reason("error", f"poll {history.polls:,} failed: {message}"), **history.kept_candidate()
    )


def rule_unfound(case: Case) -> Outcome | None:
    unfound = case.snapshot.unfound
    if unfound is None:
        return None
    if unfound.code == "ambiguous_batch":  # what is there already does not become clearer
        return Outcome(INCONCLUSIVE, True, (Reason("ambiguous_batch", unfound.message),))
    if case.in_start_grace:
        return pending_outcome(case, Reason("starting", unfound.message))
    return confirm_verdict(case, INCONCLUSIVE, Reason("no_batch", unfound.message))


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


def rule_unclear_devices(case: Case) -> Outcome | None:
    """An expected device must be of one product, and a batch must be for that."""
    ambiguous = ambiguous_devices(case.snapshot.jobs, case.policy)
    if ambiguous:
        several = (
            f"{_names_of(ambiguous)} may be in several of the products that the batches are for; give each entry of"
            " expected_devices as product_key and device_name"
        )
        return Outcome(INCONCLUSIVE, True, (Reason("ambiguous_device", several, len(ambiguous)),))
    foreign = foreign_devices(case.snapshot.jobs, case.policy)
    if foreign:
        none = f"no batch is for the product of {_names_of(foreign)}; check job_ids and expected_devices"
        return Outcome(INCONCLUSIVE, True, (Reason("unknown_product", none, len(foreign)),))
    return None


def _name_of(device: ExpectedDevice) -> str:
    return f"{device.device_name} ({device.product_key})" if device.product_key else device.device_name


def _names_of(devices: Sequence[ExpectedDevice]) -> str:
    names = ", ".join(_name_of(device)[:100] for device in devices[:MAX_NAMES])
    return f"{names} and {len(devices) - MAX_NAMES:,} more" if len(devices) > MAX_NAMES else names


def rule_conflicting_batches(case: Case) -> Outcome | None:
    for relation in case.rollout.relations:
        if not relation.is_chain:
            one, other = relation.earlier, relation.later
            message = (
                f"batches {one.job_id} and {other.job_id} bring the same devices to different versions,"
                f" {quote_short(one.target)} and {quote_short(other.target)}, of the module"
                f" {quote_short(module_of(one, case.policy))}; gate them one after the other"
            )
            names = tuple(relation.devices[:MAX_NAMES])
            reason = Reason("conflicting_batches", message, len(relation.devices), names)
            if any(case.may_still_begin(job) for job in case.unbegun_jobs if job.product_key == one.product_key):
                return pending_outcome(case, reason)  # a stage between the two may still show
            return Outcome(INCONCLUSIVE, True, (reason,))
    return None


def rule_too_large(case: Case) -> Outcome | None:
    jobs, policy = case.snapshot.jobs, case.policy
    if not any(job.total > MAX_ROWS for job in jobs) or policy.expected_devices is not None:
        return None
    if not policy.verify_versions and len(jobs) == 1:
        return None
    message = (
        f"at most {MAX_ROWS:,} tasks of a batch can be listed, so the tasks of a larger one can only be counted;"
        " name the devices that count in expected_devices, or gate the batch alone with versions.verify off"
    )
    return Outcome(INCONCLUSIVE, True, (Reason("too_large", message),))
