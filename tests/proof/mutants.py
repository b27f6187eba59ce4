# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates that are wrong in one way each: what is put in the place of which name of the gate's code.

Each mutant has a sentence and the replacements that make it: (module, name) and what stands there instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.iotfleet.ota.plugins.module_utils._api import facts as api_facts
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import Operation
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries import jobs as job_queries
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate import gate, job_modules, observer, reporter
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout import (
    batches,
    devices,
    expected,
    state,
    tasks,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import case, history, rules, verdict

Patches = Mapping[tuple[object, str], Any]

JUDGE, OBSERVE, REPORT = gate.judge, observer.observe_job, observer.read_report
IS_NOT_FOUND, CLASSIFY = Operation.is_not_found, job_queries.classify_failure
RELATE, EXPECTED, GAP = state.relate_batches, state.expected_keys, gate.gap_since
PROVE, WITHOUT_TASK, LATEST = devices.prove_device, state.device_without_task, tasks._latest_tasks
DEVICES_OF, BY_NAME = tasks._devices_of, api_facts.by_lower_name


# --- Judging something else ------------------------------------------------------------------------------------------


def other_policy(**changes: Any) -> Patches:
    """A judgement by another policy than was given."""

    def judge(facts: Any, policy: Policy, previous: Any = None) -> Any:
        return JUDGE(facts, policy._replace(**changes), previous)

    return {(gate, "judge"): judge}


def other_facts(**changes: Any) -> Patches:
    """A judgement on a snapshot with other facts."""
    return {(gate, "judge"): lambda facts, policy, previous=None: JUDGE(facts._replace(**changes), policy, previous)}


def other_jobs(change: Callable[[JobSnapshot], JobSnapshot]) -> Patches:
    """A judgement on other batches than there are."""

    def judge(facts: Any, policy: Policy, previous: Any = None) -> Any:
        jobs = tuple(change(job) if job.facts else job for job in facts.jobs)
        return JUDGE(facts._replace(jobs=jobs), policy, previous)

    return {(gate, "judge"): judge}


def job_fact(**facts: Any) -> Patches:
    """A judgement on batches of which one fact is another."""
    return other_jobs(lambda job: job._replace(facts={**(job.facts or {}), **facts}))


def other_tasks(change: Callable[[Any, JobSnapshot], Any]) -> Patches:
    """A judgement on other tasks than there are."""

    def changed(job: JobSnapshot) -> JobSnapshot:
        if not job.all_listed:
            return job
        found = [row for task in job.tasks if (row := change(task, job))]
        numbers: dict[str, int] = {}
        for row in found:
            numbers[row["task_status"]] = numbers.get(row["task_status"], 0) + 1
        return job._replace(tasks=found, counts=numbers, total=len(found))

    return other_jobs(changed)


def task_fact(**facts: Any) -> Patches:
    """A judgement on tasks of which one fact is another."""
    return other_tasks(lambda task, job: {**task, **facts})


def taken_as(status: str, other: str) -> Patches:
    """A judgement that takes a task's state for another one."""
    return other_tasks(lambda task, job: {**task, "task_status": other} if task["task_status"] == status else task)


def _completed_is_success(task: Any, job: JobSnapshot) -> Any:
    return {**task, "task_status": "SUCCEEDED"} if job.finished else task


def _planned_is_begun(job: JobSnapshot) -> JobSnapshot:
    return job._replace(facts={**(job.facts or {}), "job_status": "IN_PROGRESS"}) if job.planned else job  # type: ignore


def _first_failure(facts: Any, policy: Policy, previous: Any = None) -> Any:
    return JUDGE(facts, policy._replace(max_failed=0, min_executed=1, min_succeeded_percent=None), previous)


def _ignored_errors(facts: Any, policy: Policy, previous: Any = None) -> Any:
    return JUDGE(facts._replace(error=None, fresh=True), policy, previous)


def _forgetful(**forgotten: Any) -> Patches:
    """A judgement whose memory lacks something."""

    def judge(facts: Any, policy: Policy, previous: Any = None) -> Any:
        found = JUDGE(facts, policy, previous)
        return found._replace(history={**found.history, **forgotten})

    return {(gate, "judge"): judge}


def _one_module(facts: Any, policy: Policy, previous: Any = None) -> Any:
    """The module of one batch is taken for that of all."""
    jobs = tuple(job._replace(module_name=facts.jobs[0].module_name) for job in facts.jobs)
    return JUDGE(facts._replace(jobs=jobs), policy, previous)


# --- Rules and devices -----------------------------------------------------------------------------------------------


def without(*names: str) -> Patches:
    """Without some of the rules."""
    return {(verdict, "RULES"): tuple(rule for rule in rules.RULES if rule.__name__ not in names)}


def _never_lost(device: Any, report: Any, *others: Any) -> Any:
    """Whether it is still the same device makes no difference."""
    return PROVE(device._replace(iot_id=None), report._replace(iot_id=None), *others)


def _fails_if_unknown(device: Any, report: Any, *others: Any) -> Any:
    found = PROVE(device, report, *others)
    return found._replace(state="failed") if found.class_name == "vanished" else found


def _passes_if_unproved(device: Any, report: Any, *others: Any) -> Any:
    found = PROVE(device, report, *others)
    return device._replace(verified=True) if found.class_name == "unproved" else found


def _taskless(**changes: Any) -> Patches:
    """An expected device without a task counts otherwise."""
    return {(state, "device_without_task"): lambda *given: WITHOUT_TASK(*given)._replace(**changes)}


def _fails_at_once(key: Any, facts: Any, policy: Any, memory: Any, relations: Any, done: bool) -> Any:
    return WITHOUT_TASK(key, facts, policy, memory, relations, True)


def _any_product(jobs: Any, policy: Policy) -> Any:
    """The product of an expected device makes no difference."""
    names = tuple(ExpectedDevice(None, device.device_name) for device in policy.expected_devices or ())
    product = next((job.product_key for job in jobs if job.product_key), "")
    return [(product, device.device_name) for device in names]


def _worst_of_all(given: Any) -> Any:
    """All tasks of a device count, not only the latest."""
    return given


def _chains_backwards(jobs: Any, policy: Policy) -> Any:
    return [relation._replace(earlier=relation.later, later=relation.earlier) for relation in RELATE(jobs, policy)]


def _all_chains(jobs: Any, policy: Policy) -> Any:
    return [relation._replace(is_chain=True) for relation in RELATE(jobs, policy)]


# --- Looking and waiting ---------------------------------------------------------------------------------------------


class _Late(gate.Gate):
    def _start_at(self, earlier: Any) -> None:
        super()._start_at(earlier)
        self._deadline += 5.0
        self._end += 5.0


class _Tireless(gate.Gate):
    def _next_pause(self, last_poll: float) -> float:
        return 1.0


class _Silent(gate.Gate):
    def _explain(self, found: Any) -> Any:
        return found


class _Unchained(gate.Gate):
    """It takes its own clock for that of the runs before."""

    def _resume(self) -> None:
        self._earlier = None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if self._options.history:
            self._start_at(self._options.history)


def _curious(client: Any, job_id: str) -> Any:
    for _time in range(9):
        found = OBSERVE(client, job_id)
    return found


def _stale_report(client: Any, key: Any) -> Any:
    """What was read once is taken for ever."""
    known = client.__dict__.setdefault("known", {})
    if key not in known:
        known[key] = REPORT(client, key)
    return known[key]


def _any_version(client: Any, key: Any) -> Any:
    found = REPORT(client, key)
    return found._replace(versions=dict.fromkeys((*found.versions, "default", "mcu", "ble", "模块"), "2.0"))


def _unreadable_is_gone(client: Any, key: Any) -> Any:
    try:
        return REPORT(client, key)
    except OtaError:
        return devices.DeviceReport(found=False)


class _ForgetfulModules(job_modules.JobModules):
    """Asks for the module at each poll."""

    def module_of(self, job: Any) -> Any:
        self._by_package, self._by_job = {}, {}
        return super().module_of(job)


def _by_words(status: Any, description: Any, progress: Any) -> Any:
    """Words of a device decide about the class."""
    words = {"download": "download", "version": "wrong_version", "overwritten": "upgrade", "sha256": "verify"}
    found = (name for word, name in words.items() if word in (description or ""))
    return (
        next(found, None)
        if status == "FAILED" and any(w in (description or "") for w in words)
        else CLASSIFY(status, description, progress)
    )


def _unknown_is_known(operation: Operation, code: str) -> bool:
    return not code.startswith("iot.firmware.") and IS_NOT_FOUND(operation, code)


def _by_exact_name(content: Mapping[str, Any]) -> dict[str, Any]:
    """Only the usual spelling of a name is read."""
    return {wire.lower(): value for wire, value in content.items() if wire[:1].isupper()}


def _impatient(error: Any, learned: bool) -> bool:
    """What may succeed later is given up."""
    return error.retry is not Retry.NEVER or error.affects_all


MUTANTS: Mapping[str, Patches] = {
    "confirmations ignored": other_policy(confirmations=1),
    "versions not verified": other_policy(verify_versions=False),
    "pending ignored": other_policy(max_pending=10**6, max_pending_percent=None),
    "failures ignored": other_policy(max_failed=10**6, max_failed_percent=None, min_succeeded_percent=0),
    "missing devices ignored": other_policy(expected_devices=None),
    "number of devices ignored": other_policy(min_devices=None),
    "canceled accepted": other_policy(ignore_canceled=True),
    "vanished accepted": other_policy(ignore_vanished=True),
    "empty accepted": other_policy(allow_empty=True),
    "expectations ignored": other_policy(
        expected_product_key=None, expected_firmware_id=None, expected_version=None, expected_job_type=None
    ),
    "expected module ignored": other_policy(module_name=None),
    "first failure is the end": {(gate, "judge"): _first_failure},
    "no start grace": other_policy(start_grace=0.0),
    "no soak": other_policy(soak=0.0),
    "longer time": other_policy(wait_timeout=10**6),
    "late versions not waited for": other_policy(version_grace=0.0),
    "late versions waited for for ever": other_policy(version_grace=10.0**6),
    "builds ignored": other_policy(version_match="ignore_build"),
    "only the beginning compared": other_policy(version_match="prefix"),
    "completed is success": other_tasks(_completed_is_success),
    "failed is success": taken_as("FAILED", "SUCCEEDED"),
    "canceled is success": taken_as("CANCELED", "SUCCEEDED"),
    "queued is success": taken_as("QUEUED", "SUCCEEDED"),
    "queued is nothing": other_tasks(lambda task, job: task["task_status"] != "QUEUED" and task),
    "in progress is failed": taken_as("IN_PROGRESS", "FAILED"),
    "errors ignored": {(gate, "judge"): _ignored_errors},
    "doubts ignored": {(verdict, "snapshot_problems"): lambda facts, policy: ()},
    "shrinking lists ignored": {(verdict, "all_problems"): lambda facts, policy, memory: ()},
    "machine's clock taken": other_facts(clock_offset=0.0),
    "default module for all": other_jobs(lambda job: job._replace(module_name="default")),
    "one module for all": {(gate, "judge"): _one_module},
    "module of no batch known": other_jobs(lambda job: job._replace(module_name=None)),
    "module asked at each poll": {(observer, "JobModules"): _ForgetfulModules},
    "packages not asked": {(job_modules, "read_module"): lambda client, firmware_id: None},
    "retries not waited for": job_fact(retry_count=0),
    "time-outs tried again": {(devices, "retry_window"): lambda task, job: 60.0 * (not job.finished)},
    "schedules ignored": job_fact(utc_schedule_time=None),
    "ends ignored": job_fact(utc_end_time="2000-01-01T00:00:00Z"),
    "push taken for granted": job_fact(need_push=None),
    "sources ignored": task_fact(src_version=None),
    "planned is begun": other_jobs(_planned_is_begun),
    "first task decides": {(tasks, "_latest_tasks"): lambda given: given[:1]},
    "all tasks decide": {(tasks, "_latest_tasks"): _worst_of_all},
    "replaced device taken": {(devices, "prove_device"): _never_lost},
    "replaced devices alike": {(tasks, "_replaced_devices"): lambda jobs: {}},
    "vanished is failed": {(devices, "prove_device"): _fails_if_unknown},
    "unproved is proved": {(devices, "prove_device"): _passes_if_unproved},
    "product of a name ignored": {(state, "expected_keys"): _any_product},
    "no task is failure": {(state, "device_without_task"): _fails_at_once},
    "no task is no failure": _taskless(state="pending", class_name="no_task"),
    "no chains": {(state, "relate_batches"): lambda jobs, policy: []},
    "chains backwards": {(state, "relate_batches"): _chains_backwards},
    "contradictions are chains": {(state, "relate_batches"): _all_chains},
    "any batch taken": without("rule_wrong_job"),
    "incomplete taken": without("rule_incomplete"),
    "unclear devices taken": without("rule_unclear_devices"),
    "contradictions taken": without("rule_conflicting_batches"),
    "unbegun batches taken": without("rule_unbegun_batch"),
    "vanished never named": without("rule_vanished"),
    "unknown module never named": without("rule_unknown_module"),
    "dynamic batches taken": without("rule_dynamic_batch"),
    "out of reach waited for": without("rule_out_of_reach"),
    "failures waited for": without("rule_too_many_failures", "rule_out_of_reach", "rule_canceled"),
    "cancellation not told": {(case.Case, "canceled"): property(lambda self: [])},
    "canceled had no task": {(state.RolloutState, "accounted"): property(lambda self: self.total)},
    "nothing more to come": {(rules, "_has_no_more_to_come"): lambda given: True},
    "no deadline": {(case.Case, "deadline_passed"): property(lambda self: False)},
    "looks forgotten": _forgetful(polls=1, max_totals={}),
    "tasks forgotten": _forgetful(tasks={}),
    "proofs forgotten": _forgetful(on_target={}),
    "growth forgotten": _forgetful(last_growth=0.0),
    "late": {(gate, "Gate"): _Late},
    "tireless": {(gate, "Gate"): _Tireless},
    "unexplained": {(gate, "Gate"): _Silent},
    "runs not chained": {(gate, "Gate"): _Unchained},
    "gaps by the machine's clock": {(gate, "gap_since"): lambda earlier, now, there: GAP(earlier, now, None)},
    "gaps too long": {(gate, "gap_since"): lambda earlier, now, there: GAP(earlier, now, there) + 4.0},
    "nothing between runs": {(gate, "gap_since"): lambda earlier, now, there: 0.0},
    "wrong clock not told": {(reporter, "MAX_CLOCK_OFFSET"): 10.0**9},
    "every clock told": {(reporter, "MAX_CLOCK_OFFSET"): 0.0},
    "curious": {(observer, "observe_job"): _curious},
    "old versions": {(observer, "read_report"): _stale_report},
    "any version": {(observer, "read_report"): _any_version},
    "unreadable is gone": {(observer, "read_report"): _unreadable_is_gone},
    "one device for all": {(observer.Observer, "_is_general"): lambda self, error, failed: True},
    "impatient": {(gate, "_is_permanent"): _impatient},
    "classes by words": {(job_queries, "classify_failure"): _by_words},
    "codes of a batch not known": {(Operation, "is_not_found"): _unknown_is_known},
    "one spelling read": {(api_facts, "by_lower_name"): _by_exact_name},
    "numbers of a batch doubled": {
        (state, "_job_counts"): lambda given: state.JobCounts(*(2 * number for number in _COUNTS(given)))
    },
}
_COUNTS = state._job_counts

__all__ = ["DEVICES_OF", "EXPECTED", "MUTANTS", "batches", "expected", "history"]
