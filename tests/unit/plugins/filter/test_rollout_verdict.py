# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

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
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

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


def test_counts_make_a_verdict():
    rollout = at(60, "d-1", {"name": "d-2", "course": "fails"})
    verdict = judge(known(rollout, counts_only=True), {**ONCE, "versions": {"verify": False}})
    assert (verdict["verdict"], verdict["counts"]["total"]) == ("failed", 2)


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


def test_policy_that_cannot_be_used_is_refused():
    with pytest.raises(AnsibleFilterError, match="max_failed is -1; it must be between 0 and "):
        judge(known(at(0, "d-1")), {"max_failed": -1})
