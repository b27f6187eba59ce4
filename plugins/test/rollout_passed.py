# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_passed
short_description: Whether an OTA rollout passed
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Whether an OTA rollout passed.
  - It is false for any other verdict, and an error for what is no verdict.
options:
  _input:
    description:
      - What P(iotfleet.ota.rollout_verdict#filter) or P(iotfleet.ota.ota_rollout_gate#module) returned.
    type: dict
    required: true
seealso:
  - plugin: iotfleet.ota.rollout_verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at a rollout, and do not fail whatever is seen
  iotfleet.ota.ota_rollout_gate:
    job_id: "{{ ota_job_id }}"
    mode: report
  register: gate

- name: Act on the verdict
  ansible.builtin.debug:
    msg: "{{ gate is iotfleet.ota.rollout_passed }}"
"""

RETURN = r"""
_value:
  description: Whether an OTA rollout passed.
  type: bool
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def rollout_passed(verdict: Any) -> bool:
    """Whether an OTA rollout passed."""
    if not isinstance(verdict, Mapping) or "verdict" not in verdict:
        raise AnsibleFilterError(
            "iotfleet.ota.rollout_passed: this is no verdict; give what rollout_verdict or the gate returned."
        )
    return verdict.get("verdict") == "passed" and verdict.get("final") is True


class TestModule:
    """The tests of this file."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        """By name."""
        return {"rollout_passed": rollout_passed}
