# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate documents, held against what it takes and returns."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.modules import ota_rollout_gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import Search
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

from .conftest import documented, hold, hold_success

OPTIONS = yaml.safe_load(ota_rollout_gate.DOCUMENTATION)["options"]


def test_every_option_is_documented():
    assert OPTIONS.keys() == GATE.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_documented_as_it_is(name):
    documented, taken = dict(OPTIONS[name]), dict(GATE[name])
    hold_option(documented, taken)
    default = taken.pop("default", Policy._field_defaults.get(name))
    assert documented.pop("default", None) == default
    assert documented == taken


def hold_option(documented, taken):
    """Fail unless the suboptions are documented as they are; what needs no documentation is removed."""
    documented.pop("description")
    documented.pop("version_added", None)
    for internal in ("no_log", "apply_defaults"):
        taken.pop(internal, None)
    suboptions, options = documented.pop("suboptions", {}), taken.pop("options", {})
    assert suboptions.keys() == options.keys()
    for name, suboption in suboptions.items():
        assert {key: value for key, value in suboption.items() if key != "description"} == options[name]


@pytest.mark.parametrize(
    ("devices", "options"),
    [
        (["d-1", {"name": "d-2", "course": "offline"}], {"wait": False}),
        (["d-1", "d-2"], {"min_devices": 2}),
        (["d-1", {"name": "d-2", "course": "fails"}], {}),
        (["d-1"], {"expected_devices": ["d-1", "d-3"], "wait_timeout": 60}),
        (["d-1"], {"expected_devices": [{"product_key": "k1", "device_name": "d-1"}]}),
        ([{"name": "d-1", "course": "busy"}, {"name": "d-2", "course": "offline"}], {"max_failed": 1}),
        ([], {}),
    ],
    ids=["pending", "passed", "failed", "without a task", "of a product", "late", "empty"],
)
def test_the_result_is_what_is_documented(devices, options):
    result = Rollout(batch(*devices)).gate("1", wait_interval=5, **options)
    hold_success(ota_rollout_gate, {"changed": False, **json.loads(json.dumps(result))})


@pytest.mark.parametrize(("version", "code"), [("2.0", "unfinished"), ("3.0", "no_batch")])
def test_the_result_of_a_search_is_what_is_documented(version, code):
    search = Search("k1", version, tags={"stage": "canary"}, created_after="2020-01-01")
    rollout = Rollout(batch({"name": "d-1", "course": "offline"}, tags={"stage": "canary"}))
    result = rollout.gate(search=search, wait=code == "no_batch")
    assert result["reasons"][0]["code"] == code
    hold_success(ota_rollout_gate, {"changed": False, **json.loads(json.dumps(result))})


def test_the_result_after_an_error_is_what_is_documented():
    rollout = Rollout(batch("d-1"))
    rollout.fault("no_permission")
    result = json.loads(json.dumps(rollout.gate("1")))
    assert (result["verdict"], result["failure"]["code"]) == ("inconclusive", "NoPermission")
    hold(documented(ota_rollout_gate), result)
