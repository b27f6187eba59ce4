# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_cancel
short_description: The batches of a judged OTA rollout that may be canceled
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Determines from the result of P(iotfleet.ota.ota_rollout_gate#module) which batches to cancel with
    P(iotfleet.ota.ota_job_cancel#module). It calls no service itself. The role P(iotfleet.ota.rollout_gate#role) uses
    it for its decision.
  - It returns no batches unless the verdict is final and one of O(verdicts), and none if a reason leaves it unclear
    which batches are meant, such as C(wrong_job), C(unknown_job) or C(ambiguous_batch).
  - It returns only batches that the service showed to the gate.
positional: verdicts
options:
  _input:
    description: The result of the gate, or the JSON report of the role.
    type: dict
    required: true
  verdicts:
    description: The verdicts after which to cancel.
    type: list
    elements: str
    choices:
      - failed
      - timed_out
      - inconclusive
    required: true
seealso:
  - plugin: iotfleet.ota.ota_job_cancel
    plugin_type: module
  - plugin: iotfleet.ota.ota_rollout_gate
    plugin_type: module
  - plugin: iotfleet.ota.rollout_gate
    plugin_type: role
"""

EXAMPLES = r"""
- name: Judge the rollout
  iotfleet.ota.ota_rollout_gate:
    job_ids: "{{ ota_job_id }}"
    expected_version: 2.0.0
    mode: report
  register: gate

- name: Stop it if it failed
  iotfleet.ota.ota_job_cancel:
    job_ids: "{{ to_cancel.job_ids }}"
    expected_version: "{{ to_cancel.expected.expected_version }}"
  vars:
    to_cancel: "{{ gate | iotfleet.ota.rollout_cancel(['failed']) }}"
  when: to_cancel.job_ids | length > 0
"""

RETURN = r"""
_value:
  description: What to cancel.
  type: dict
  contains:
    job_ids:
      description: The IDs of the batches; empty if nothing is to be canceled.
      type: list
      elements: str
      sample: ["183415776190000003"]
    expected:
      description:
        - The options of P(iotfleet.ota.ota_job_cancel#module) that begin with C(expected_), so that only judged
          batches are canceled.
        - They have the values that the gate expected, or else the values that it read, if these are the same for all
          batches.
      type: dict
      sample: {"expected_product_key": "a19mzPZ0001", "expected_version": "2.0.0"}
    why_not:
      description: Why nothing is to be canceled although the verdict is one of O(verdicts); otherwise empty.
      type: str
      sample: Nothing was canceled, because wrong_job needs a person to decide.
    after:
      description:
        - What the result says once these batches are canceled, in place of its own C(msg) and C(to_do), which may say
          to cancel them. What was canceled is not in it; the module says that.
        - Empty if nothing is to be canceled.
      type: dict
      contains:
        msg:
          description: The verdict in a few sentences.
          type: str
        to_do:
          description: What to do, in sentences.
          type: list
          elements: str
      sample:
        msg: "Lamp 2.4.1 FAILED after 7 min: 60 of 1,700 finished devices failed, 3.5 %; the limit is 2 %
          (max_failed_percent). To do: find the cause, and repeat the update with a new batch."
        to_do:
          - Find the cause, and repeat the update with a new batch.
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..plugin_utils._cancel.decision import CANCELING_VERDICTS, decide


def rollout_cancel(result: Any, verdicts: Any) -> dict[str, Any]:
    """What to cancel of the ``result`` of a gate after these ``verdicts``."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(
            "iotfleet.ota.rollout_cancel: the input is not a dictionary; give the result of ota_rollout_gate."
        )
    if not isinstance(verdicts, (list, tuple)) or any(verdict not in CANCELING_VERDICTS for verdict in verdicts):
        raise AnsibleFilterError(
            "iotfleet.ota.rollout_cancel: give a list of verdicts out of failed, timed_out, inconclusive."
        )
    decision = decide(result, verdicts)
    after = {"msg": decision.after.msg, "to_do": list(decision.after.to_do)}
    return {**decision._asdict(), "job_ids": list(decision.job_ids), "after": after}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"rollout_cancel": rollout_cancel}
