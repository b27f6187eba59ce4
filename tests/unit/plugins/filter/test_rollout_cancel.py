# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.filter.rollout_cancel import FilterModule
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, gated
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, batch

cancel = FilterModule().filters()["rollout_cancel"]
RESULT = gated(batch(*failing(1), job_id="18", found=True))


def test_what_to_cancel():
    decision = cancel(RESULT, ["failed"])
    assert set(decision) == {"job_ids", "expected", "why_not", "after"}
    assert (decision["job_ids"], decision["why_not"]) == (["18"], "")
    assert decision["expected"]["expected_version"] == NEW
    assert decision["after"]["to_do"] == ["Find the cause, and repeat the update with a new batch."]


def test_nothing_after_another_verdict():
    assert cancel(RESULT, ["timed_out"]) == {
        "job_ids": [],
        "expected": {},
        "why_not": "",
        "after": {"msg": "", "to_do": []},
    }


@pytest.mark.parametrize("given", [None, "text", [], 1])
def test_what_is_no_result(given):
    message = "iotfleet.ota.rollout_cancel: the input is not a dictionary; give the result of ota_rollout_gate."
    with pytest.raises(AnsibleFilterError) as error:
        cancel(given, ["failed"])
    assert str(error.value) == message


@pytest.mark.parametrize("verdicts", ["failed", None, ["passed"], ["failed", "pending"], [["failed"]]])
def test_other_verdicts(verdicts):
    message = "iotfleet.ota.rollout_cancel: give a list of verdicts out of failed, timed_out, inconclusive."
    with pytest.raises(AnsibleFilterError) as error:
        cancel(RESULT, verdicts)
    assert str(error.value) == message
