# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.test import rollout

TESTS = rollout.TestModule().tests()


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
def test_only_a_final_pass_is_passed(verdict, is_passed, is_final):
    assert (TESTS["rollout_passed"](verdict), TESTS["rollout_final"](verdict)) == (is_passed, is_final)


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("nothing", [None, "passed", {}, [], {"failed": True, "msg": "no"}])
def test_an_input_that_is_not_a_verdict_is_an_error(nothing, name):
    with pytest.raises(AnsibleFilterError) as error:
        TESTS[name](nothing)
    assert error.value.message == (
        f"iotfleet.ota.{name}: the input is not a verdict; give the result of rollout_verdict or of the gate."
    )


def test_each_test_has_a_documentation_file():
    files = Path(rollout.__file__).parent.glob("*.yml")
    documented = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}
    assert documented.keys() == TESTS.keys()
    for name, content in documented.items():
        assert content["DOCUMENTATION"]["name"] == name
        assert content["DOCUMENTATION"]["short_description"] + "." == TESTS[name].__doc__
        assert f"gate is iotfleet.ota.{name}" in content["EXAMPLES"]
