# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.filter.rollout_verdict import FilterModule
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import (
    TaskQuery,
    merge_listings,
    read_job,
    run_query,
)
from ansible_collections.iotfleet.ota.plugins.modules import ota_module_versions_info
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import VERSION_FIELDS, read_policy
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch
from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError

judge = FilterModule().filters()["rollout_verdict"]


def known(rollout, counts_only=False, versions=None):
    """The results of the modules about batch 1."""
    client = rollout.client()
    query = TaskQuery("1", 1, counts_only=counts_only)
    facts = {
        "jobs": [read_job(client, "1")],
        "tasks": [merge_listings([run_query(client, {}, query)])],
        "now": rollout.clock.wall(),
    }
    if versions is not None:
        entries = [
            ota_module_versions_info.query(client, {"module_name": None}, {"product_key": "k1", "device_name": name})
            for name in versions
        ]
        facts["versions"] = ota_module_versions_info.result(entries)["devices"]
    return json.loads(json.dumps(facts))


def at(seconds, *devices):
    rollout = Rollout(batch(*devices))
    rollout.clock.elapsed += seconds
    return rollout


ONCE = {"confirmations": 1, "min_devices": 2}


def test_results_of_the_modules_make_a_verdict():
    rollout = at(60, "d-1", "d-2")
    without = judge(known(rollout), ONCE)
    assert (without["verdict"], without["needs"]) == ("pending", "versions")
    verdict = judge(known(rollout, versions=["d-1", "d-2"]), ONCE)
    assert (verdict["verdict"], verdict["final"], verdict["needs"]) == ("passed", True, None)
    assert verdict["counts"]["verified"] == 2


BLIND = {**ONCE, "versions": {"verify": False}}


@pytest.mark.parametrize("course", ["succeeds", "fails"])
def test_counts_settle_nothing_that_can_be_listed(course):
    verdict = judge(known(at(60, "d-1", {"name": "d-2", "course": course}), counts_only=True), BLIND)
    assert (verdict["verdict"], verdict["needs"], verdict["counts"]["total"]) == ("pending", "tasks", 2)


@pytest.mark.parametrize(("failed", "judged"), [(0, "passed"), (1, "failed")])
def test_counts_of_more_tasks_than_can_be_listed_make_a_verdict(failed, judged):
    facts = known(at(60, "d-1", "d-2"), counts_only=True)
    facts["tasks"][0].update(total=100_001, by_status={"SUCCEEDED": 100_001 - failed, "FAILED": failed})
    verdict = judge(facts, BLIND)
    assert (verdict["verdict"], verdict["needs"], verdict["counts"]["total"]) == (judged, None, 100_001)


def test_the_module_of_a_batch_is_known_if_its_facts_hold_it():
    facts = known(at(60, "d-1", "d-2"), versions=["d-1", "d-2"])
    assert judge(facts, ONCE)["verdict"] == "passed"
    facts["versions"][0]["versions"]["mcu"] = "1.0"
    assert judge(facts, ONCE)["reasons"][0]["code"] == "unknown_module"
    facts["jobs"][0]["module_name"] = "default"
    assert judge(facts, ONCE)["verdict"] == "passed"
    facts["jobs"][0]["module_name"] = "mcu"
    assert judge(facts, ONCE)["by_class"]["pending"] == {"awaiting_version": 1, "unproved": 1}


def test_the_options_about_versions_are_those_of_the_gate():
    facts = known(at(60, "d-1", "d-2"), versions=["d-1", "d-2"])
    facts["versions"][0]["versions"]["default"] = "2.0+7"
    assert judge(facts, ONCE)["by_class"]["failed"] == {"wrong_version": 1}
    assert judge(facts, {**ONCE, "versions": {"match": "ignore_build"}})["verdict"] == "passed"
    facts["versions"][0]["versions"]["default"] = "1.0"
    assert judge(facts, {**ONCE, "versions": {"grace": 600}})["by_class"]["pending"] == {"awaiting_version": 1}
    assert judge(facts, {**ONCE, "versions": {"grace": 0}})["by_class"]["failed"] == {"wrong_version": 1}
    wrong = judge({**facts, "jobs": [{**facts["jobs"][0], "module_name": "mcu"}]}, {"versions": {"module_name": "ble"}})
    assert (wrong["verdict"], wrong["reasons"][0]["code"]) == ("failed", "wrong_job")


def test_devices_may_be_expected_of_a_product():
    facts = known(at(60, "d-1", "d-2"), versions=["d-1"])
    policy = {"confirmations": 1, "expected_devices": [{"product_key": "k1", "device_name": "d-1"}]}
    assert judge(facts, policy)["counts"]["total"] == 1
    policy["expected_devices"][0]["product_key"] = "k9"
    assert judge(facts, policy)["reasons"][0]["code"] == "unknown_product"


def test_a_verdict_has_numbers_of_each_batch_and_texts_of_failures():
    verdict = judge(known(at(60, "d-1", {"name": "d-2", "course": "fails", "desc": "no space"})))
    assert verdict["by_job"] == {"1": {"devices": 2, "succeeded": 1, "failed": 1, "pending": 0, "canceled": 0}}
    assert verdict["failure_texts"] == [{"class": "other", "text": "no space", "count": 1, "devices": ["d-2"]}]


def test_confirmations_continue_with_the_previous_verdict():
    rollout = at(60, "d-1", {"name": "d-2", "course": "fails"})
    first = json.loads(json.dumps(judge(known(rollout))))
    assert first["reasons"][0]["code"] == "confirming"
    assert judge(known(rollout), previous=first)["verdict"] == "failed"


def test_incomplete_list_makes_the_verdict_inconclusive():
    facts = known(at(60, "d-1"))
    facts["tasks"][0]["problems"] = ["a row came twice"]
    assert judge(facts)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    "facts", [None, {}, "text", {"jobs": [{}], "tasks": []}, {"jobs": [{"job_id": "1"}], "tasks": [{}]}]
)
def test_input_that_is_not_a_result_is_refused(facts):
    with pytest.raises(AnsibleFilterError, match="the input is not a set of results of this collection's modules;"):
        judge(facts)


def test_input_that_nobody_foresaw_shows_no_text_of_an_exception():
    facts = known(at(60, "d-1"))
    facts["tasks"][0]["problems"] = [["canary"]]
    with pytest.raises(AnsibleFilterError) as error:
        judge(facts)
    assert re.fullmatch(
        r"iotfleet\.ota\.rollout_verdict: an unexpected TypeError occurred in plugins/plugin_utils/\S+\.py:\d+;"
        r" report it with the versions of this collection, of Python and of ansible-core\.",
        str(error.value),
    )


def test_undefined_value_stays_what_ansible_calls_it():
    with pytest.raises(UndefinedError, match="'batch' is undefined"):
        judge({"jobs": StrictUndefined(name="batch"), "tasks": []})


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({"max_failed": -1}, "max_failed is -1; it must be between 0 and 1000000."),
        ({"expected_devices": [7]}, "entry 1 of expected_devices is the number 7, and YAML may have changed what "),
        ("strict", "the policy is not a dictionary; choose from allow_empty, confirmations, "),
        ({"max_failures": 1}, "the policy has no option max_failures; choose from allow_empty, "),
        ({"verify_versions": False}, "the policy has no option verify_versions; choose from "),
        ({"module_name": "mcu", "scope": "x"}, "the policy has no option module_name, scope; choose from "),
        (
            {"versions": "default"},
            "versions is not a dictionary; choose from grace, match, module_name, source, verify.",
        ),
        ({"versions": {"module": "mcu"}}, "versions has no option module; choose from grace, match, module_name, "),
    ],
)
def test_policy_that_cannot_be_used_is_refused(policy, sentence):
    with pytest.raises(AnsibleFilterError, match=re.escape(f"iotfleet.ota.rollout_verdict: {sentence}")):
        judge(known(at(0, "d-1")), policy)


def test_every_option_of_the_policy_can_be_given():
    policy = read_policy({})._asdict()
    versions = {name: policy.pop(field) for name, field in VERSION_FIELDS.items()}
    del policy["scope"]
    assert judge(known(at(0, "d-1")), {**policy, "versions": versions}) == judge(known(at(0, "d-1")))


@pytest.mark.parametrize("policy", [None, {}, {"versions": None}])
def test_a_policy_may_be_left_out(policy):
    assert judge(known(at(0, "d-1")), policy) == judge(known(at(0, "d-1")))


def test_a_verdict_of_other_batches_is_not_continued():
    facts = known(at(0, "d-1"))
    first = json.loads(json.dumps(judge(facts)))
    first["history"]["job_ids"] = ["7"]
    with pytest.raises(AnsibleFilterError, match="previous is about batch 7; "):
        judge(facts, previous=first)
