# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.filter.rollout_verdict import FilterModule
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import Question, ask, merge, read_job
from ansible_collections.iotfleet.ota.plugins.modules import ota_module_versions_info
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

judge = FilterModule().filters()["rollout_verdict"]


def known(rollout, counts_only=False, versions=None):
    """What the modules answer about batch 1."""
    client = rollout.client()
    question = Question("1", 1, counts_only=counts_only)
    facts = {
        "jobs": [read_job(client, "1")],
        "tasks": [merge([ask(client, {}, question)])],
        "now": rollout.clock.wall(),
    }
    if versions is not None:
        entries = [
            ota_module_versions_info.ask(client, {"module_name": None}, {"product_key": "k1", "device_name": name})
            for name in versions
        ]
        facts["versions"] = ota_module_versions_info.answer(entries)["devices"]
    return json.loads(json.dumps(facts))


def at(seconds, *devices):
    rollout = Rollout(batch(*devices))
    rollout.clock.elapsed += seconds
    return rollout


ONCE = {"confirmations": 1, "min_devices": 2}


def test_the_answers_of_the_modules_make_a_verdict():
    rollout = at(60, "d-1", "d-2")
    without = judge(known(rollout), ONCE)
    assert (without["verdict"], without["wants"]) == ("pending", "versions")
    verdict = judge(known(rollout, versions=["d-1", "d-2"]), ONCE)
    assert (verdict["verdict"], verdict["final"], verdict["wants"]) == ("passed", True, None)
    assert verdict["counts"]["verified"] == 2


def test_numbers_make_a_verdict_too():
    rollout = at(60, "d-1", {"name": "d-2", "course": "fails"})
    verdict = judge(known(rollout, counts_only=True), {**ONCE, "verify_versions": False})
    assert (verdict["verdict"], verdict["denominator"]) == ("failed", 2)


def test_looks_go_on_with_the_verdict_before():
    rollout = at(60, "d-1", {"name": "d-2", "course": "fails"})
    first = json.loads(json.dumps(judge(known(rollout))))
    assert first["reasons"][0]["code"] == "confirming"
    assert judge(known(rollout), previous=first)["verdict"] == "failed"


def test_doubt_about_the_list_is_doubt_about_the_verdict():
    facts = known(at(60, "d-1"))
    facts["tasks"][0]["problems"] = ["a row came twice"]
    assert judge(facts)["verdict"] == "inconclusive"


@pytest.mark.parametrize(
    "facts", [None, {}, "text", {"jobs": [{}], "tasks": []}, {"jobs": [{"job_id": "1"}], "tasks": [{}]}]
)
def test_what_no_module_answers_is_refused(facts):
    with pytest.raises(AnsibleFilterError, match="this is not what the modules answer; give jobs, "):
        judge(facts)


def test_a_policy_that_cannot_be_used_is_refused():
    with pytest.raises(AnsibleFilterError, match="max_failed is -1; give a number from 0 to "):
        judge(known(at(0, "d-1")), {"max_failed": -1})
