# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_verdict
short_description: The verdict on an OTA rollout, for a playbook with a loop of its own
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Judges the results of modules of this collection by the same rules as P(iotfleet.ota.ota_rollout_gate#module). It
    calls no service itself.
  - Use the gate unless you need a loop of your own. The gate reads only what the verdict needs.
positional: policy
options:
  _input:
    description:
      - The results to judge, a dictionary with these keys.
      - C(jobs), the RV(iotfleet.ota.ota_job_info#module:jobs) of the batches. If you know which OTA module a batch is
        for, add it as C(module_name), as in the gate's RV(iotfleet.ota.ota_rollout_gate#module:jobs[].module_name).
        For any other batch, C(versions.module_name) of the policy is used.
      - C(tasks), for each batch and in the same order, the whole result of
        P(iotfleet.ota.ota_job_tasks_info#module) for all states and devices.
      - C(versions), the RV(iotfleet.ota.ota_module_versions_info#module:devices) of the devices, if they were read.
        Read all modules, unless the policy names one.
      - C(now), in seconds since 1970, by default the current time of the controller. It is compared with the times from
        the service, and all durations are measured by it. If the controller's clock is wrong, give the service's time.
    type: dict
    required: true
  policy:
    description:
      - The options of P(iotfleet.ota.ota_rollout_gate#module) that decide the verdict, with the same defaults.
      - The filter cannot read which module a batch is for. If neither C(jobs) nor C(versions.module_name) names it, a
        device counts only if all modules that it reports are on the new version.
    type: dict
    default: {}
  previous:
    description:
      - The previous verdict of this filter, so that its confirmations, soak and deadline continue. It is trusted like
        an option.
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
         | iotfleet.ota.rollout_verdict(policy) }}
  vars:
    policy:
      max_failed: 1
      confirmations: 1
      versions:
        module_name: default

- name: Continue only with proof
  ansible.builtin.assert:
    that: judged is iotfleet.ota.rollout_passed
    fail_msg: "{{ judged.reasons | map(attribute='message') | join('; ') }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary with C(verdict), C(final), C(reasons), C(counts), C(by_status), C(by_class), C(limits),
      C(failure_texts) and C(history), as P(iotfleet.ota.ota_rollout_gate#module) returns them.
    - C(by_job) is a dictionary with the C(counts) of each batch, by its ID.
    - C(needs) is V(tasks) or V(versions) if these must be read before the verdict can change, else V(null).
  type: dict
"""

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import OtaError, as_ota_error
from ..module_utils._validation import invalid_option
from ..plugin_utils._rollout.policy import VERSION_FIELDS, Policy, read_policy
from ..plugin_utils._rollout.snapshot import snapshot_from_results
from ..plugin_utils._verdict.history import kept_reports, read_history
from ..plugin_utils._verdict.verdict import judge


def rollout_verdict(
    results: Any, policy: Mapping[str, Any] | None = None, previous: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The verdict on the ``results`` of modules."""
    try:
        options = read_policy(_read_options(policy or {}))
        snapshot = snapshot_from_results(results)
        history = read_history(previous, [job.job_id for job in snapshot.jobs])
        if history:
            snapshot = snapshot._replace(earlier=kept_reports(history, options))
        return judge(snapshot, options, history).to_result()
    # What other input leads to, whose text nobody may see, but no error of a template in the arguments.
    except (OtaError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        known = as_ota_error(error)
        raise AnsibleFilterError(f"iotfleet.ota.rollout_verdict: {known.cause}; {known.hint}.") from None


def _read_options(policy: Any) -> dict[str, Any]:
    """The options of a policy, which has none that is not known."""
    _check_names("the policy", policy, {*Policy._fields, "versions"} - {"scope", *VERSION_FIELDS.values()})
    _check_names("versions", policy.get("versions") or {}, {*VERSION_FIELDS, "source"})  # as a gate returns them
    return {**policy}


def _check_names(what: str, given: Any, known: set[str]) -> None:
    """:raises OtaError: ``given`` is no dictionary, or has a key that is not ``known``."""
    if not isinstance(given, Mapping):
        raise invalid_option(f"{what} is not a dictionary", f"choose from {', '.join(sorted(known))}")
    unknown = ", ".join(str(name) for name in given if name not in known)
    if unknown:
        raise invalid_option(f"{what} has no option {unknown[:100]}", f"choose from {', '.join(sorted(known))}")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"rollout_verdict": rollout_verdict}
