# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some simulated rollouts, and proof that a gate which is wrong would be noticed."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate import gate, observer
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import case, rules
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import verdict as verdict_module

from . import __main__ as program
from .rollouts import play

#: A wrong gate must be noticed within so many rollouts.
BOUND = 3000
JUDGE, SURVEY, READ_VERSION = gate.judge, observer.observe_job, observer.read_version


def test_no_rollout_fools_the_gate():
    outcomes = [play(seed) for seed in range(300)]
    assert [(outcome.seed, outcome.wrong) for outcome in outcomes if outcome.wrong] == []
    assert {outcome.verdict for outcome in outcomes} >= set(program.VERDICTS)


@pytest.mark.parametrize("seed", range(40))
def test_a_seed_is_always_the_same_rollout(seed):
    assert play(seed) == play(seed)


def test_the_program_counts_and_replays(capsys):
    assert program.main(["--rollouts", "20", "--jobs", "1"]) == 0
    assert "20 rollouts with" in capsys.readouterr().out
    assert program.main(["--seed", "3", "--verbose"]) == 0
    printed = capsys.readouterr().out
    assert "look 1, " in printed
    assert "truth at t=" in printed


# --- Wrong gates -----------------------------------------------------------------------------------------------------


def other_policy(**changes):
    """A judgement by another policy than was given."""

    def judge(facts, policy, history=None):
        return JUDGE(facts, policy._replace(**changes), history)

    return {(gate, "judge"): judge}


def other_tasks(change):
    """A judgement on other tasks than there are."""

    def judge(facts, policy, history=None):
        batches = [
            batch._replace(tasks=tasks, counts=_counts(tasks), total=len(tasks))
            if batch.all_listed and (tasks := [row for task in batch.tasks if (row := change(task, batch))]) is not None
            else batch
            for batch in facts.jobs
        ]
        return JUDGE(facts._replace(jobs=tuple(batches)), policy, history)

    return {(gate, "judge"): judge}


def _counts(tasks):
    numbers = {}
    for task in tasks:
        numbers[task["task_status"]] = numbers.get(task["task_status"], 0) + 1
    return numbers


def taken_as(status, other):
    """A judgement that takes a task's state for another one."""
    return other_tasks(lambda task, batch: {**task, "task_status": other} if task["task_status"] == status else task)


def completed_is_success(task, batch):
    return {**task, "task_status": "SUCCEEDED"} if batch.facts and batch.facts["job_status"] == "COMPLETED" else task


def _first_failure(facts, policy, history=None):
    return JUDGE(facts, policy._replace(max_failed=0, min_executed=1, min_succeeded_percent=None), history)


def _ignored_errors(facts, policy, history=None):
    return JUDGE(facts._replace(error=None, fresh=True), policy, history)


def _forgetful(facts, policy, history=None):
    verdict = JUDGE(facts, policy, history)
    return verdict._replace(history={**verdict.history, "polls": 1, "max_totals": {}})


class Late(gate.Gate):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._deadline += 5.0


class Tireless(gate.Gate):
    def _next_pause(self, last_poll):
        return 1.0


def _without(*names):
    return {(verdict_module, "RULES"): tuple(rule for rule in rules.RULES if rule.__name__ not in names)}


def _curious(client, job_id):
    for _time in range(9):
        found = SURVEY(client, job_id)
    return found


def _stale_version(client, key, module_name):
    """What was read once is taken for ever."""
    known = client.__dict__.setdefault("known", {})
    if key not in known:
        known[key] = READ_VERSION(client, key, module_name)
    return known[key]


def _any_version(client, key, module_name):
    return "2.0"


MUTANTS = {
    "confirmations ignored": other_policy(confirmations=1),
    "versions not verified": other_policy(verify_versions=False),
    "pending ignored": other_policy(max_pending=10**6, max_pending_percent=None),
    "failures ignored": other_policy(max_failed=10**6, max_failed_percent=None, min_succeeded_percent=0),
    "missing devices ignored": other_policy(expected_devices=None),
    "number of devices ignored": other_policy(min_devices=None),
    "canceled accepted": other_policy(ignore_canceled=True),
    "empty accepted": other_policy(allow_empty=True),
    "expectations ignored": other_policy(
        expected_product_key=None, expected_firmware_id=None, expected_version=None, expected_job_type=None
    ),
    "first failure is the end": {(gate, "judge"): _first_failure},
    "no start grace": other_policy(start_grace=0.0),
    "no soak": other_policy(soak=0.0),
    "longer time": other_policy(wait_timeout=10**6),
    "completed is success": other_tasks(completed_is_success),
    "failed is success": taken_as("FAILED", "SUCCEEDED"),
    "canceled is success": taken_as("CANCELED", "SUCCEEDED"),
    "queued is success": taken_as("QUEUED", "SUCCEEDED"),
    "queued is nothing": other_tasks(lambda task, batch: task["task_status"] != "QUEUED" and task),
    "in progress is failed": taken_as("IN_PROGRESS", "FAILED"),
    "errors ignored": {(gate, "judge"): _ignored_errors},
    "vanished tasks ignored": {(verdict_module, "all_problems"): lambda facts, policy, memory: ()},
    "doubts ignored": {(verdict_module, "snapshot_problems"): lambda facts, policy: ()},
    "looks forgotten": {(gate, "judge"): _forgetful},
    "late": {(gate, "Gate"): Late},
    "tireless": {(gate, "Gate"): Tireless},
    "curious": {(observer, "observe_job"): _curious},
    "old versions": {(observer, "read_version"): _stale_version},
    "any version": {(observer, "read_version"): _any_version},
    "other batch taken": _without("rule_wrong_job"),
    "incomplete taken": _without("rule_incomplete"),
    "nothing more to come": {(rules, "_has_no_more_to_come"): lambda case: True},
    "no deadline": {(case.Case, "deadline_passed"): property(lambda case: False)},
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_gate_is_noticed(monkeypatch, name):
    for seed in range(BOUND):
        with monkeypatch.context() as patch:
            for (place, attribute), wrong in MUTANTS[name].items():
                patch.setattr(place, attribute, wrong)
            noticed = play(seed).wrong
        if noticed and not play(seed).wrong:  # and it is the mutant's own doing
            return
    pytest.fail(f"{BOUND} rollouts do not show it")
