#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_job_cancel
short_description: Cancel the unfinished tasks of OTA update batches
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Stops a rollout, with the operations CancelOTATaskByJob and CancelOTAStrategyByJob. This is the only module of this
    collection that changes anything.
  - It cancels the tasks in the chosen O(states), and waits until none of them is open. Devices in other states go on.
  - Devices are not notified of a cancel. A device that has been notified of the update may still install it, although
    its task is V(CANCELED). No device goes back to the old version.
  - Nothing is canceled unless the service knows all batches, and each matches the options that begin with
    C(expected_).
  - The service does not say how many tasks it cancels. They are counted before and afterwards.
  - A request that may have been carried out, such as one without a response, is not repeated before the state of the
    tasks has been read.
  - If you run it again, it changes nothing, and does not fail because the batch is canceled already.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.expected
  - iotfleet.ota.attributes
attributes:
  check_mode:
    description: Can run in C(check_mode), and returns what would be canceled, without canceling it.
    support: full
  diff_mode:
    description: Will return details on what has changed, or possibly needs changing, in diff mode.
    support: none
    details:
      - The result holds the numbers of tasks before and after.
  idempotent:
    support: partial
    details:
      - V(scheduled) tasks may not be listed. If the batch stays V(PLANNED), they are canceled again.
options:
  job_ids:
    description:
      - The IDs of the batches. All are canceled before the module waits for the first.
    type: list
    elements: str
    required: true
    aliases:
      - job_id
  states:
    description:
      - The tasks to cancel, by state. Give an empty list to cancel only the O(strategy).
      - V(queued) tasks have not been pushed, V(notified) ones have been pushed without a reaction of the device, and
        V(unconfirmed) ones wait for a confirmation, with the state V(CONFIRM).
      - V(in_progress) tasks are those of devices that report progress. If they are canceled, these devices may end
        with either version.
      - V(scheduled) tasks are those of a batch that waits for its schedule, with the state V(PLANNED). They may not be
        listed yet. For any other batch, this is ignored.
      - Tuya documents this only for V(queued), V(notified) and V(unconfirmed) tasks.
    type: list
    elements: str
    choices:
      - queued
      - notified
      - unconfirmed
      - in_progress
      - scheduled
    default:
      - queued
      - notified
      - unconfirmed
  strategy:
    description:
      - Whether to cancel the strategy of a dynamic batch first, so that it creates no more tasks. Batches that are not
        dynamic have none.
      - Tuya documents neither dynamic batches nor this operation.
    type: bool
    default: false
  wait_timeout:
    description:
      - Maximum number of seconds to wait until no task in the chosen O(states) is open. If any is left then, the task
        fails. With V(0), it does not wait, and fails because of these only if the service refuses to cancel them.
    type: float
    default: 120
seealso:
  - module: iotfleet.ota.ota_rollout_gate
  - module: iotfleet.ota.ota_job_tasks_info
  - module: iotfleet.ota.ota_preflight_info
"""

EXAMPLES = r"""
- name: Show what a stop would cancel
  iotfleet.ota.ota_job_cancel:
    job_id: "{{ ota_bad_job }}"
    expected_version: 2.0.0
  check_mode: true
  register: planned

- name: Cancel what has not been pushed, notified or confirmed yet
  iotfleet.ota.ota_job_cancel:
    job_id: "{{ ota_bad_job }}"
    expected_version: 2.0.0
  register: stopped

- name: Show how many devices still get the update
  ansible.builtin.debug:
    msg: "{{ stopped.summary.canceled }} tasks were canceled, {{ stopped.summary.too_late }} go on"

- name: Stop a dynamic batch as a whole, with devices in progress
  iotfleet.ota.ota_job_cancel:
    job_id: "{{ ota_bad_job }}"
    strategy: true
    states:
      - queued
      - notified
      - unconfirmed
      - in_progress

- name: Stop two batches of Tuya's service
  iotfleet.ota.ota_job_cancel:
    platform: tuya
    endpoint: https://si-0123456789.tuyacloud.com:8686
    job_ids:
      - "1836340779212660001"
    expected_product_key: k1bulb0001
"""

RETURN = r"""
msg:
  description: What was canceled, and what was not. After a failure, it ends with what went wrong.
  type: str
  returned: always
  sample: Canceled 12 tasks of 1 batch; 3 tasks in other states go on.
jobs:
  description:
    - One entry for each of O(job_ids), in the same order.
    - Empty if a batch is not the expected one or cannot be read, because nothing is canceled then.
  type: list
  elements: dict
  returned: always, unless Ansible rejects an option
  contains:
    job_id:
      description: The ID of the batch.
      type: str
      returned: always
      sample: HvKuBpuk3rdk6E92CPQN020001
    product_key:
      description: The key of the product that the batch is for.
      type: str
      returned: always
      sample: a19mzPZ0001
    dest_version:
      description: The version that the batch updates its devices to.
      type: str
      returned: always
      sample: 2.0.0
    selection_type:
      description: V(STATIC) or V(DYNAMIC).
      type: str
      returned: always
      sample: STATIC
    status_before:
      description: The state of the batch before.
      type: str
      returned: always
      sample: IN_PROGRESS
    status_after:
      description:
        - The state of the batch afterwards. The state that a static batch gets is not documented, so do not rely on
          it.
      type: str
      returned: always
      sample: COMPLETED
    counts_before:
      description:
        - Number of tasks in each state before; V(null) for all if the service's numbers are inconsistent.
        - The states are read one after the other, so a task that changes its state meanwhile may count twice.
      type: dict
      returned: always
      sample: {"CONFIRM": 0, "QUEUED": 12, "NOTIFIED": 0, "IN_PROGRESS": 3, "SUCCEEDED": 85, "FAILED": 0, "CANCELED": 0}
    counts_after:
      description: The same afterwards; V(null) for all in check mode, and if no operation was called.
      type: dict
      returned: always
      sample: {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 0, "IN_PROGRESS": 3, "SUCCEEDED": 85, "FAILED": 0, "CANCELED": 12}
    to_cancel:
      description: Number of tasks in the chosen O(states) before; V(null) if it is not known.
      type: int
      returned: always
      sample: 12
    canceled:
      description:
        - Number of tasks that were canceled meanwhile; V(null) in check mode, and if it is not known.
      type: int
      returned: always
      sample: 12
    remaining:
      description: Number of tasks in the chosen O(states) that are open; V(null) if it is not known.
      type: int
      returned: always
      sample: 0
    too_late:
      description:
        - Number of tasks that are unfinished in states that were not chosen, such as those of devices that install the
          update; V(null) if it is not known.
      type: int
      returned: always
      sample: 3
    strategy_canceled:
      description: Whether the strategy of the batch was canceled.
      type: bool
      returned: always
      sample: false
    operations:
      description: The operations that were called, once for each request; in check mode, those that would be called.
      type: list
      elements: str
      returned: always
      sample: [CancelOTATaskByJob]
    changed:
      description: Whether anything was canceled, or may have been; in check mode, whether it would be.
      type: bool
      returned: always
      sample: true
    notes:
      description: What to know about this batch, one sentence for each.
      type: list
      elements: str
      returned: always
      sample: ["No device is told of a cancel: one that has been notified may still install the update."]
    failure:
      description: What went wrong with this batch, as in RV(failure); V(null) if nothing did.
      type: dict
      returned: always
      sample: null
summary:
  description: All batches together; V(null) for a number that is not known for one of them.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of batches in RV(jobs).
      type: int
      returned: always
      sample: 1
    changed:
      description: Number of batches in which anything was canceled.
      type: int
      returned: always
      sample: 1
    to_cancel:
      description: Sum of RV(jobs[].to_cancel).
      type: int
      returned: always
      sample: 12
    canceled:
      description: Sum of RV(jobs[].canceled).
      type: int
      returned: always
      sample: 12
    remaining:
      description: Sum of RV(jobs[].remaining).
      type: int
      returned: always
      sample: 0
    too_late:
      description: Sum of RV(jobs[].too_late).
      type: int
      returned: always
      sample: 3
failure:
  description:
    - What went wrong first, as in RV(iotfleet.ota.ota_job_info#module:failure).
    - The code V(unknown_outcome) means that a request may have been carried out although the service did not confirm
      it, and that the state of the tasks does not show it. V(not_canceled) means that tasks in the chosen O(states) are
      left. V(wrong_job) and V(unknown_job) mean that nothing was canceled.
  type: dict
  returned: failure
"""

from typing import NamedTuple

from ..module_utils._ansible.argspec import EXPECTED
from ..module_utils._ansible.info_module import Options, run_change_module
from ..module_utils._api.platforms import PLATFORMS
from ..module_utils._changes.cancel import cancel_batches
from ..module_utils._changes.report import cancel_result
from ..module_utils._changes.scope import CANCELABLE, CancelRequest
from ..module_utils._validation import check_number, invalid_option, non_blank, non_blank_text

#: How many seconds can be waited.
WAIT_BOUNDS = (0, 86400)


class Inputs(NamedTuple):
    job_ids: list[str]
    request: CancelRequest


def inputs(options: Options) -> Inputs:
    states, strategy = tuple(dict.fromkeys(options["states"])), options["strategy"]
    if not states and not strategy:
        raise invalid_option("states is empty and strategy is false", "choose what to cancel")
    check_platform(options["platform"], states, strategy)
    check_number("wait_timeout", options["wait_timeout"], *WAIT_BOUNDS)
    given = {name: options[name] for name in EXPECTED if options[name] is not None}
    expected = {name: non_blank_text(name, text) for name, text in given.items()}
    request = CancelRequest(states, strategy, expected, options["wait_timeout"])
    return Inputs(non_blank("job_ids", options["job_ids"]), request)


def check_platform(name: str, states: tuple[str, ...], strategy: bool) -> None:
    platform = PLATFORMS[name]
    others = [state for state in states if state not in platform.cancelable]
    if others:
        raise invalid_option(
            f"platform {name} documents no cancel of {' and '.join(others)} tasks",
            f"choose from {', '.join(platform.cancelable)}",
        )
    if strategy and not platform.cancels_strategies:
        raise invalid_option(
            f"platform {name} documents no cancel of a strategy",
            "leave strategy out, as it documents no dynamic batches",
        )


def main() -> None:
    run_change_module(
        argument_spec={
            "job_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["job_id"]},
            "states": {
                "type": "list",
                "elements": "str",
                "choices": list(CANCELABLE),
                "default": ["queued", "notified", "unconfirmed"],
            },
            "strategy": {"type": "bool", "default": False},
            "wait_timeout": {"type": "float", "default": 120.0},
            **EXPECTED,
        },
        inputs=inputs,
        change=lambda client, wanted, *rest: cancel_batches(client, *wanted, *rest),
        result=cancel_result,
    )


if __name__ == "__main__":
    main()
