# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import masking
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import JOB_STATUSES, TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import DeviceClass, State
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import bounds
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.case import VerdictName
from ansible_collections.iotfleet.ota.tests.unit import sentences
from ansible_collections.iotfleet.ota.tests.unit.fakes import run_module

RESULT = {"verdict": "passed", "counts": {"total": 5, "failed": 0}, "final": True, "msg": "batch 1: passed: 5 of 5"}


def literals(kind):
    """The texts of a type."""
    return {text for part in typing.get_args(kind) for text in ([part] if isinstance(part, str) else literals(part))}


@pytest.mark.parametrize("secret", ["pass", "5", "e", "batch", "timed_o", "inconclusive", "UPGRADE_FIRMWARE"])
def test_words_and_numbers_of_ours_are_not_masked(secret):
    result = {**RESULT, "reasons": [{"code": "inconclusive"}], "policy": {"expected_job_type": "UPGRADE_FIRMWARE"}}
    assert masking.mask_secrets(result, {secret}) == result


def test_secret_is_masked_at_any_depth():
    given = {"msg": "a canary-secret b", "devices": [{"device_name": "canary-secret"}]}
    assert masking.mask_secrets(given, {"canary-secret", "a"}) == {
        "msg": "a ******** b",
        "devices": [{"device_name": masking.HIDDEN}],
    }


def test_shortest_secret_that_is_masked():
    assert masking.maskable_secrets({"x" * masking.MIN_SECRET, "y" * (masking.MIN_SECRET - 1)}) == {"x" * 8}


def test_own_words_are_those_that_decide():
    codes = {reason.code for reason in sentences.said("Reason")}
    words = literals(VerdictName) | literals(DeviceClass) | literals(State) | codes | {*JOB_STATUSES, *TASK_STATUSES}
    words |= {name for groups in bounds._DECIDING.values() for names in groups for name in names}
    long = {word for word in words if len(word) >= masking.MIN_SECRET and word.replace("_", "").isalpha()}
    assert {"inconclusive", "too_many_failures", "awaiting_version", "IN_PROGRESS", "succeeded"} <= long
    assert {word for word in long if masking.maskable_secrets({word})} == set()


def test_options_that_are_secrets_are_hidden_whatever_they_are():
    spec = {"secret": {"no_log": True}, "token": {"no_log": True}, "region": {"no_log": False}, "other": {}}
    options = {"secret": "e", "token": None, "region": "e", "other": 1}
    assert masking.hide_secret_options(options, spec) == {**options, "secret": masking.HIDDEN}


def test_short_secret_of_a_module_is_hidden_and_masks_nothing_else():
    options = {"access_key_id": "key-id", "access_key_secret": "e", "security_token": "t", "job_id": " "}
    result = run_module(ota_job_info.main, {**options, "region": "test", "endpoint": "https://iot.example.com"})
    assert result["msg"] == "No request was sent: entry 1 of job_ids is blank; check the variable it comes from."
    given = result["invocation"]["module_args"]
    assert (given["access_key_secret"], given["security_token"]) == (masking.HIDDEN, masking.HIDDEN)
    assert (given["region"], given["access_key_id"]) == ("test", "key-id")
