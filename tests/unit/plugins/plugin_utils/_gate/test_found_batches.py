# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gate that finds its batches: it waits for one, takes it once and for all, and believes only what its ID says."""

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import validate_options
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import read_service
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import Search
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.events import ChangeDetector
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE, read_gate_options
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

SEARCH = Search("k1", "2.0")
WHY = "found batch 7 (IN_PROGRESS): the only one that fits, out of 1 batch of version 2.0"


def world(*jobs):
    return {**batch(), "jobs": [{"firmware_id": "f1", "devices": ["d-1", "客厅"], **job} for job in jobs]}


def run(rollout, search=SEARCH, previous=None, **options):
    """The result of a gate, as a file would keep it, perhaps of one that goes on with a ``previous`` one."""
    given = {"min_devices": 2, "wait_interval": 15.0, **options}
    job_ids = []
    if previous:
        find = {"product_key": search.product_key, "dest_version": search.dest_version}
        options = validate_options(GATE, {"find": find, "previous": previous}, lambda secrets: None)
        read = read_gate_options(options, read_service(options))
        job_ids, given = read.job_ids, {**given, "history": read.history, "previous": previous}
    return json.loads(json.dumps(rollout.gate(*job_ids, search=search, **given)))


def test_a_batch_that_appears_late_is_found_and_judged():
    rollout = Rollout(world({"job_id": "7", "created_after": 28}))
    result = run(rollout)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("passed", "proved")
    assert [job["job_id"] for job in result["jobs"]] == ["7"]
    assert result["found_by"] == {**SEARCH._asdict(), "job_ids": ["7"], "why": WHY}
    assert WHY in result["notes"]
    assert rollout.actions.count("ListOTAFirmware") == 3
    assert rollout.lines[:2] == [
        "09:47:43  version 2.0 of k1  0 %  0 failed (limit 0)",
        "          no batch fits; version 2.0 has package f1 (module default)",
    ]
    assert f"          {WHY}" in rollout.lines


def test_what_is_found_is_said_although_the_first_poll_settles_it():
    rollout = Rollout(world({"job_id": "7", "created_before": 3600}))
    assert run(rollout, confirmations=1)["verdict"] == "passed"
    assert rollout.lines[0] == f"          {WHY.replace('IN_PROGRESS', 'COMPLETED')}"


def test_no_batch_at_all():
    rollout = Rollout(world())
    result = run(rollout, start_grace=40.0)
    assert (result["verdict"], result["found_by"], result["jobs"]) == ("inconclusive", None, [])
    assert result["msg"] == (
        "version 2.0 of k1 INCONCLUSIVE after 1 min: no batch fits; version 2.0 has package f1 (module default). To do:"
        " create the batch or correct find, and run the gate again."
    )
    assert {*rollout.actions} == {"ListOTAFirmware", "ListOTAJobByFirmware"}


@pytest.mark.parametrize("expected", [None, ["d-1", "d-9"]], ids=["devices of the batch", "expected devices"])
def test_nothing_else_is_read_before_a_batch_is_found(expected):
    rollout = Rollout(world())
    devices = {"min_devices": None, "expected_devices": expected} if expected else {}
    for wait in (True, False):
        assert run(rollout, wait=wait, wait_timeout=100.0, **devices)["found_by"] is None
    assert {*rollout.actions} == {"ListOTAFirmware", "ListOTAJobByFirmware"}


def test_several_batches_are_not_told_apart():
    result = run(Rollout(world({"job_id": "7"}, {"job_id": "8", "created_before": 60})))
    assert (result["verdict"], result["final"], result["polls"]) == ("inconclusive", True, 1)
    (reason,) = result["reasons"]
    assert reason["code"] == "ambiguous_batch"
    assert reason["message"] == (
        "2 batches fit: 7 (COMPLETED, created 2024-11-19T09:47:43.000Z), 8 (COMPLETED, created"
        " 2024-11-19T09:46:43.000Z)"
    )


def test_a_newer_batch_that_appears_later_is_not_taken():
    rollout = Rollout(world({"job_id": "7"}, {"job_id": "8", "created_after": 5, "devices": ["d-5"]}))
    result = run(rollout, SEARCH._replace(which="newest"), wait_interval=2.0)
    assert (result["verdict"], result["found_by"]["job_ids"]) == ("passed", ["7"])


def test_the_next_run_goes_on_with_the_same_batch():
    rollout = Rollout(world({"job_id": "7", "created_after": 10}, {"job_id": "8", "created_after": 30}))
    first = run(rollout, wait=False)
    assert (first["verdict"], first["reasons"][0]["code"], first["found_by"]) == ("pending", "starting", None)
    rollout.clock.elapsed += 15
    second = run(rollout, wait=False, previous=first)
    assert (second["verdict"], second["found_by"]["job_ids"]) == ("pending", ["7"])
    rollout.clock.elapsed += 60
    asked = rollout.actions.count("ListOTAFirmware")
    third = run(rollout, wait=False, confirmations=1, previous=second)
    assert (third["verdict"], third["found_by"]) == ("passed", second["found_by"])
    assert rollout.actions.count("ListOTAFirmware") == asked
    assert f"{WHY}; an earlier run found it" in third["notes"]


def test_a_batch_that_cannot_be_read_yet_is_kept_for_the_next_run():
    rollout = Rollout(world({"job_id": "7"}, {"job_id": "8", "created_after": 30}))
    rollout.fault("system_busy", action="QueryOTAJob")
    first = run(rollout, wait=False)
    assert (first["reasons"][0]["code"], first["history"]["job_ids"]) == ("error", [])
    assert first["found_by"]["job_ids"] == ["7"]
    rollout.fault("")
    rollout.clock.elapsed += 60
    second = run(rollout, wait=False, confirmations=1, previous=first)
    assert (second["verdict"], [job["job_id"] for job in second["jobs"]]) == ("passed", ["7"])


def test_an_outage_of_the_lists_is_one_of_the_polls():
    rollout = Rollout(world({"job_id": "7"}))
    rollout.fault("system_busy", action="ListOTAJobByFirmware", times=12)
    assert run(rollout)["verdict"] == "passed"
    denied = Rollout(world({"job_id": "7"}))
    denied.fault("no_permission", action="ListOTAFirmware")
    result = run(denied)
    assert (result["verdict"], result["reasons"][0]["code"]) == ("inconclusive", "api_error")


def test_a_batch_that_is_another_one_by_its_id_fails():
    rollout = Rollout(world({"job_id": "7"}))
    result = run(rollout, expected_version="2.0", expected_product_key="k2")
    assert (result["verdict"], result["reasons"][0]["code"]) == ("failed", "wrong_job")


def test_a_canceled_batch_is_not_passed_over():
    bad = {"job_id": "8", "created_before": 30, "canceled_after": 1, "devices": ["d-8", "d-9"]}
    result = run(Rollout(world({"job_id": "7", "created_before": 60}, bad)), SEARCH._replace(which="newest"))
    assert (result["verdict"], result["found_by"]["job_ids"]) == ("failed", ["8"])


def test_events_name_the_batches_once_they_are_found():
    rollout = Rollout(world({"job_id": "7", "created_after": 10}))
    changes = ChangeDetector(())
    events = [event for poll in rollout.polls(search=SEARCH, min_devices=2) for event in changes.events(poll)]
    assert events[0]["type"] == "verdict"
    assert (events[0]["job_ids"], events[0]["title"]) == ([], "version 2.0 of k1")
    assert (events[-1]["verdict"], events[-1]["job_ids"]) == ("passed", ["7"])
    assert next(event["job_id"] for event in events if event["type"] == "batch") == "7"
