# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the guide on permissions against the operations that the plugins call."""

from __future__ import annotations

import importlib
import json
import re
import textwrap
from pathlib import Path

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import PREFLIGHT
from ansible_collections.iotfleet.ota.plugins.module_utils._api import operations
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.cancel import cancel_batches
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.scope import CancelRequest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import DETAILS_SOURCE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import Search
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "permissions.rst").read_text(encoding="utf-8")
OPERATIONS = [value for value in vars(operations).values() if isinstance(value, operations.Operation)]
ACTIONS = {operation.action for operation in OPERATIONS}
#: What only those allow who stop rollouts.
WRITES = {operation.action for operation in OPERATIONS if operation.writes}
#: What only those allow who choose it: it shows the secrets of devices to whoever holds the key.
OPTIONAL = {"BatchQueryDeviceDetail"}
#: What a gate calls only to find its batches.
SEARCHING = {"ListOTAFirmware", "ListOTAJobByFirmware"}
DEVICE = {"product_key": "k1", "device_names": ["d-1"], "iot_ids": None}
OPTIONS = {
    "ota_job_info": {"job_ids": ["1"]},
    "ota_job_tasks_info": {"job_id": "1", "task_statuses": None, "device_names": None, "counts_only": False},
    "ota_unfinished_tasks_info": {**DEVICE, "module_name": None, "task_statuses": None},
    "ota_module_versions_info": {**DEVICE, "module_name": None},
    "ota_device_states_info": DEVICE,
    "ota_firmware_info": {**dict.fromkeys(("product_key", "dest_version", "module_name")), "firmware_ids": ["f1"]},
    "ota_firmware_jobs_info": {"firmware_ids": ["f1"]},
    "ota_device_jobs_info": {**DEVICE, "firmware_id": "f1"},
    "ota_preflight_info": {
        **dict.fromkeys(PREFLIGHT),
        "job_id": "1",
        "platform": "alibaba",
        "max_qps": 10.0,
        "iot_instance_id": None,
        "check_cancel": True,
        "check_find": True,
    },
}


def policies():
    blocks = re.findall(r"\.\. code-block:: json\n\n((?: {4}.*\n|\n)+)", GUIDE)
    return [json.loads(textwrap.dedent(block)) for block in blocks]


def table():
    """The operations that the guide names for each plugin."""
    rows = re.findall(r"\* - :ansplugin:`iotfleet\.ota\.(\w+)#module`\n\s+- ((?:``\w+``,?\s*)+)", GUIDE)
    return {name: set(re.findall(r"\w+", actions)) for name, actions in rows}


def world():
    return Rollout({**batch("d-1", {"name": "d-2", "course": "busy"})})


def test_the_policies_allow_each_operation_and_nothing_else():
    for policy, actions in zip(policies(), (ACTIONS - OPTIONAL - WRITES, OPTIONAL, WRITES)):
        (statement,) = policy["Statement"]
        assert sorted(statement["Action"]) == sorted(f"iot:{action}" for action in actions)
        assert (statement["Effect"], statement["Resource"], policy["Version"]) == ("Allow", "*", "1")
    assert len(policies()) == 3


def test_only_operations_that_are_marked_can_change_anything():
    assert all(re.match(r"(Batch)?(Query|List|Get)[A-Z]", action) for action in ACTIONS - WRITES)
    assert {"CancelOTATaskByJob", "CancelOTAStrategyByJob"} == WRITES


def test_only_what_cancels_and_the_preflight_name_what_can_change_anything():
    names = {name for name, value in vars(operations).items() if value in OPERATIONS and value.writes}
    users = {
        str(path.relative_to(ROOT / "plugins"))
        for path in (ROOT / "plugins").rglob("*.py")
        if names & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) and path.name != "operations.py"
    }
    assert users == {
        "module_utils/_changes/cancellation.py",
        "module_utils/_changes/report.py",
        "module_utils/_queries/checks.py",
        "module_utils/_queries/preflight.py",
    }


def test_each_plugin_has_a_row():
    assert set(table()) == {path.stem for path in (ROOT / "plugins" / "modules").glob("ota_*.py")}
    assert set().union(*table().values()) == ACTIONS


@pytest.mark.parametrize("name", OPTIONS)
def test_operations_that_a_module_calls(name, monkeypatch):
    module, life = importlib.import_module(f"ansible_collections.iotfleet.ota.plugins.modules.{name}"), {}
    monkeypatch.setattr(module, "run_info_module", lambda **parts: life.update(parts))
    module.main()
    rollout, options = world(), OPTIONS[name]
    rollout.clock.elapsed += 60  # when tasks have succeeded
    for item in life["inputs"](options):
        life["query"](rollout.client(), options, item)
    if name == "ota_firmware_info":  # by its ID, or in a list
        life["query"](rollout.client(), options, {"product_key": "k1"})
    assert set(rollout.actions) == table()[name]


def test_operations_that_a_cancel_calls():
    request = CancelRequest(("queued",), True, {"expected_module_name": "default"}, 1.0)
    rollout = Rollout(batch({"name": "d-1", "course": "offline"}, selection_type="DYNAMIC"))
    assert cancel_batches(rollout.client(), ["1"], request, False, []) is None
    assert set(rollout.actions) == table()["ota_job_cancel"]


def test_operations_that_the_gate_calls():
    failing, passing, late = world(), Rollout(batch("d-1")), Rollout(batch("d-1", {"name": "d-2", "course": "offline"}))
    assert failing.gate("1")["verdict"] == "failed"
    assert passing.gate("1", min_devices=1)["verdict"] == "passed"
    assert not {*failing.actions, *passing.actions} & OPTIONAL
    assert late.gate("1", source=DETAILS_SOURCE)["verdict"] == "timed_out"
    assert not {*failing.actions, *passing.actions, *late.actions} & SEARCHING
    assert passing.gate(search=Search("k1", "2.0"), min_devices=1)["verdict"] == "passed"
    assert {*failing.actions, *passing.actions, *late.actions} == table()["ota_rollout_gate"]
