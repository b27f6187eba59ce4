# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.test import rollout_final, rollout_passed

passed = rollout_passed.TestModule().tests()["rollout_passed"]
final = rollout_final.TestModule().tests()["rollout_final"]


@pytest.mark.parametrize(
    ("verdict", "is_passed", "is_final"),
    [
        ({"verdict": "passed", "final": True}, True, True),
        ({"verdict": "passed", "final": False}, False, False),
        ({"verdict": "passed"}, False, False),
        ({"verdict": "failed", "final": True}, False, True),
        ({"verdict": "pending", "final": False}, False, False),
        ({"verdict": True, "final": "yes"}, False, False),
    ],
)
def test_only_a_final_pass_is_one(verdict, is_passed, is_final):
    assert (passed(verdict), final(verdict)) == (is_passed, is_final)


@pytest.mark.parametrize("nothing", [None, "passed", {}, [], {"failed": True, "msg": "no"}])
def test_what_is_no_verdict_is_an_error(nothing):
    for test in (passed, final):
        with pytest.raises(AnsibleFilterError, match="this is no verdict"):
            test(nothing)
