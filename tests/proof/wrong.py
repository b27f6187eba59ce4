# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of gates that are wrong: what can be put in the place of a name of the gate's code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.iotfleet.ota.plugins.module_utils._api.schema import Operation
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries import jobs as job_queries
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence import jobs, modules, observer, versions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate import gate, limits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout import (
    devices,
    state,
    tasks,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import rules, verdict

Patches = Mapping[tuple[object, str], Any]

JUDGE, OBSERVE, REPORT = gate.judge, jobs.observe_job, versions.read_report
IS_NOT_FOUND, CLASSIFY = Operation.is_not_found, job_queries.classify_failure
RELATE, GAP = state.relate_batches, limits.gap_since
PROVE, WITHOUT_TASK = devices.prove_device, state.device_without_task
BY_EARLIER, SEVERITY = devices._with_earlier_proof, tasks._severity
COUNTS = state._job_counts


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

    def changed(job: JobSnapshot) -> JobSnapshot:
        other: Any = {**(job.facts or {}), **facts}
        return job._replace(facts=other)

    return other_jobs(changed)


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


def completed_is_success(task: Any, job: JobSnapshot) -> Any:
    return {**task, "task_status": "SUCCEEDED"} if job.finished else task


def planned_is_begun(job: JobSnapshot) -> JobSnapshot:
    facts: Any = {**(job.facts or {}), "job_status": "IN_PROGRESS"}
    return job._replace(facts=facts) if job.planned else job


def first_failure(facts: Any, policy: Policy, previous: Any = None) -> Any:
    return JUDGE(facts, policy._replace(max_failed=0, min_executed=1, min_succeeded_percent=None), previous)


def ignored_errors(facts: Any, policy: Policy, previous: Any = None) -> Any:
    return JUDGE(facts._replace(error=None, fresh=True), policy, previous)


def forgetful(**forgotten: Any) -> Patches:
    """A judgement whose memory lacks something."""

    def judge(facts: Any, policy: Policy, previous: Any = None) -> Any:
        found = JUDGE(facts, policy, previous)
        return found._replace(history={**found.history, **forgotten})

    return {(gate, "judge"): judge}


def one_module(facts: Any, policy: Policy, previous: Any = None) -> Any:
    """The module of one batch is taken for that of all."""
    jobs = tuple(job._replace(module_name=facts.jobs[0].module_name) for job in facts.jobs)
    return JUDGE(facts._replace(jobs=jobs), policy, previous)


# --- Rules and devices -----------------------------------------------------------------------------------------------


def without(*names: str) -> Patches:
    """Without some of the rules."""
    return {(verdict, "RULES"): tuple(rule for rule in rules.RULES if rule.__name__ not in names)}


def never_lost(device: Any, report: Any, *others: Any) -> Any:
    """Whether it is still the same device makes no difference."""
    return PROVE(device._replace(iot_id=None), report._replace(iot_id=None), *others)


def fails_if_unknown(device: Any, report: Any, *others: Any) -> Any:
    found = PROVE(device, report, *others)
    return found._replace(state="failed") if found.class_name == "vanished" else found


def passes_if_unproved(device: Any, report: Any, *others: Any) -> Any:
    found = PROVE(device, report, *others)
    return device._replace(verified=True) if found.class_name == "unproved" else found


def taskless(**changes: Any) -> Patches:
    """An expected device without a task counts otherwise."""
    return {(state, "device_without_task"): lambda *given: WITHOUT_TASK(*given)._replace(**changes)}


def fails_at_once(key: Any, facts: Any, policy: Any, memory: Any, relations: Any, done: bool) -> Any:
    return WITHOUT_TASK(key, facts, policy, memory, relations, True)


def any_product(jobs: Any, policy: Policy) -> Any:
    """The product of an expected device makes no difference."""
    names = tuple(ExpectedDevice(None, device.device_name) for device in policy.expected_devices or ())
    product = next((job.product_key for job in jobs if job.product_key), "")
    return [(product, device.device_name) for device in names]


def worst_of_all(given: Any) -> Any:
    """All tasks of a device count, not only the latest."""
    return given


def chains_backwards(jobs: Any, policy: Policy) -> Any:
    return [relation._replace(earlier=relation.later, later=relation.earlier) for relation in RELATE(jobs, policy)]


def all_chains(jobs: Any, policy: Policy) -> Any:
    return [relation._replace(is_chain=True) for relation in RELATE(jobs, policy)]


# --- Earlier reports -------------------------------------------------------------------------------------------------


def of_any_time(device: Any, *others: Any) -> Any:
    """A report proves a device, whenever its task changed."""
    return BY_EARLIER(device._replace(since=0.0), *others)._replace(since=device.since)


def against_it(device: Any, job: Any, sources: Any, facts: Any, policy: Any, memory: Any) -> Any:
    """What a device reported before it was asked again speaks against it, too."""
    report = facts.earlier.get(device.key)
    if report is None or device.state != "succeeded" or not policy.verify_versions or report.read_at < device.since:
        return device
    version = devices.reported_version(report, job, devices.with_job_sources(sources, job), policy)
    return PROVE(device._replace(version=version), report, job, sources, facts, policy, memory)


def one_proof_for_all(device: Any) -> Any:
    """One of two tasks that have succeeded is as good as the other, whichever is proved."""
    return SEVERITY(device._replace(verified=False))


def as_if_read_now(facts: Any, policy: Policy, previous: Any = None) -> Any:
    """What was read before is taken for what is so now."""
    versions = {**facts.earlier, **(facts.versions or {})} or None
    return JUDGE(facts._replace(versions=versions), policy, previous)


class Behind(gate.Gate):
    """It reads versions only once all else is done."""

    def _read_ahead(self, verdict: Any, until: float) -> None:
        return


class Insatiable(observer.Observer):
    """It reads on when the next look is due."""

    def read_ahead(self, snapshot: Any, keys: Any, until: float) -> Any:
        return super().read_ahead(snapshot, keys, 1e12)


class Endless(limits.TimeLimits):
    """It reads all versions in one look."""

    def proof_end(self, began: float) -> float:
        return 1e12


class Oblivious(jobs.TaskLists):
    """It lists all tasks each time."""

    def read(self, job: Any) -> Any:
        self._latest = {}
        return super().read(job)


# --- Looking and waiting ---------------------------------------------------------------------------------------------


class Late(limits.TimeLimits):
    def _start_at(self, history: Any) -> None:
        super()._start_at(history)
        self.deadline += 5.0
        self.end += 5.0


class Tireless(limits.TimeLimits):
    def next_pause(self, last_poll: float) -> float:
        return 1.0


class Silent(gate.Gate):
    def _explain(self, verdict: Any) -> Any:
        return verdict


class Unchained(limits.TimeLimits):
    """It takes its own clock for that of the runs before."""

    def resume(self, clock_offset: float | None, learned: bool) -> None:
        if self._earlier is not None:
            self._start_at(self._earlier)
        self._earlier = None


def curious(client: Any, job_id: str) -> Any:
    for _time in range(9):
        found = OBSERVE(client, job_id)
    return found


def stale_report(client: Any, key: Any) -> Any:
    """What was read once is taken for ever."""
    known = client.__dict__.setdefault("known", {})
    if key not in known:
        known[key] = REPORT(client, key)
    return known[key]


def any_version(client: Any, key: Any) -> Any:
    found = REPORT(client, key)
    return found._replace(versions=dict.fromkeys((*found.versions, "default", "mcu", "ble", "模块"), "2.0"))


def unreadable_is_gone(client: Any, key: Any) -> Any:
    try:
        return REPORT(client, key)
    except OtaError:
        return DeviceReport(found=False)


class ForgetfulModules(modules.JobModules):
    """Asks for the module at each poll."""

    def module_of(self, job: Any) -> Any:
        self._by_package, self._by_job = {}, {}
        return super().module_of(job)


def by_words(status: Any, description: Any, progress: Any) -> Any:
    """Words of a device decide about the class."""
    words = {"download": "download", "version": "wrong_version", "overwritten": "upgrade", "sha256": "verify"}
    found = (name for word, name in words.items() if word in (description or ""))
    return (
        next(found, None)
        if status == "FAILED" and any(w in (description or "") for w in words)
        else CLASSIFY(status, description, progress)
    )


def unknown_is_known(operation: Operation, code: str) -> bool:
    return not code.startswith("iot.firmware.") and IS_NOT_FOUND(operation, code)


def by_exact_name(content: Mapping[str, Any]) -> dict[str, Any]:
    """Only the usual spelling of a name is read."""
    return {wire.lower(): value for wire, value in content.items() if wire[:1].isupper()}


def impatient(error: Any, learned: bool) -> bool:
    """What may succeed later is given up."""
    return error.retry is not Retry.NEVER or error.affects_all
