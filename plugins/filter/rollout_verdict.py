# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_verdict
short_description: The verdict on an OTA rollout, for a playbook that loops itself
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Judges what the modules of this collection have answered, by the same rules as
    P(iotfleet.ota.ota_rollout_gate#module). It asks nothing itself.
  - Use the gate unless you have to loop yourself. It asks for what the verdict needs, and not for more.
positional: policy
options:
  _input:
    description:
      - What is known, a dictionary with these keys.
      - C(jobs), the RV(iotfleet.ota.ota_job_info#module:jobs) of the batches.
      - C(tasks), for each of them and in their order, the whole answer of
        P(iotfleet.ota.ota_job_tasks_info#module), which must not be asked for certain states or devices only.
      - C(versions), the RV(iotfleet.ota.ota_module_versions_info#module:devices) of the devices, if they were read.
      - C(now), in seconds since 1970, if it is not the present time.
    type: dict
    required: true
  policy:
    description:
      - The options of P(iotfleet.ota.ota_rollout_gate#module) that decide the verdict, with the same defaults, and its
        C(module_name).
    type: dict
    default: {}
  previous:
    description:
      - The verdict of the look before, so that confirmations, soak and deadline go on.
    type: dict
seealso:
  - plugin: iotfleet.ota.ota_rollout_gate
    plugin_type: module
  - plugin: iotfleet.ota.rollout_passed
    plugin_type: test
  - plugin: iotfleet.ota.rollout_final
    plugin_type: test
"""

EXAMPLES = r"""
- name: Read the batch
  iotfleet.ota.ota_job_info:
    job_id: "{{ ota_job_id }}"
  register: batch

- name: Read how each of its devices ended
  iotfleet.ota.ota_job_tasks_info:
    job_id: "{{ ota_job_id }}"
  register: rollout

- name: Read which versions they report
  iotfleet.ota.ota_module_versions_info:
    product_key: "{{ batch.jobs[0].product_key }}"
    device_names: "{{ rollout.tasks | map(attribute='device_name') }}"
  register: reported

- name: Judge what was read
  ansible.builtin.set_fact:
    judged: >-
      {{ {"jobs": batch.jobs, "tasks": [rollout], "versions": reported.devices}
         | iotfleet.ota.rollout_verdict({"max_failed": 1, "confirmations": 1}) }}

- name: Go on only with proof
  ansible.builtin.assert:
    that: judged is iotfleet.ota.rollout_passed
    fail_msg: "{{ judged.reasons | map(attribute='sentence') | join('; ') }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(verdict), C(final), C(reasons), C(denominator), C(counts), C(by_status), C(classes) and
      C(history), as P(iotfleet.ota.ota_rollout_gate#module) returns them.
    - C(wants) is V(tasks) or V(versions) if these have to be read before more can be said, else V(null).
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import OtaError
from ..module_utils._validation import invalid
from ..plugin_utils._verdict.history import read_history
from ..plugin_utils._verdict.module_results import read_facts
from ..plugin_utils._verdict.policy import Policy, read_policy
from ..plugin_utils._verdict.verdict import as_facts, judge


def rollout_verdict(
    known: Any, policy: Mapping[str, Any] | None = None, previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Judge ``known``."""
    try:
        rules = _rules(policy or {})
        facts = read_facts(known, rules.get("module_name") or "default")
        history = read_history(previous, [batch.job_id for batch in facts.batches])
        return as_facts(judge(facts, read_policy(rules), history))
    except OtaError as error:
        raise AnsibleFilterError(f"iotfleet.ota.rollout_verdict: {error.cause}; {error.hint}.") from None


def _rules(policy: Any) -> dict[str, Any]:
    known = {*Policy._fields, "module_name"} - {"scope"}
    if not isinstance(policy, Mapping) or not known.issuperset(policy):
        unknown = (
            ", ".join(str(name) for name in policy if name not in known) if isinstance(policy, Mapping) else "text"
        )
        raise invalid(f"the policy holds {unknown[:100]}", f"choose from {', '.join(sorted(known))}")
    return {**policy, "scope": policy.get("module_name") or "default"}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"rollout_verdict": rollout_verdict}
