#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_job_tasks_info
short_description: Read how each device of an OTA update batch ended
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads the tasks of an update batch, one for each device and module, with the operation ListOTATaskByJob. It is the
    only operation that shows whether a device succeeded, failed or was canceled.
  - It reads all pages and checks them against the totals that the service reports. If they do not match, even after
    reading them again, RV(complete) is V(false) and RV(problems) says why.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
options:
  job_id:
    description:
      - The ID of the batch.
    type: str
    required: true
  task_statuses:
    description:
      - The states of the tasks to read. Each state is queried separately, in the order of a task's life. By default,
        tasks in all states are read.
    type: list
    elements: str
    choices:
      - CONFIRM
      - QUEUED
      - NOTIFIED
      - IN_PROGRESS
      - SUCCEEDED
      - FAILED
      - CANCELED
  device_names:
    description:
      - The names of the devices whose tasks to read, queried in blocks of 50. By default, the tasks of all devices are
        read.
    type: list
    elements: str
  counts_only:
    description:
      - Count the tasks in each state without reading them. This takes eight requests for a batch of any size, as long
        as nothing changes.
      - The numbers are those that the service reports for each state and in total. If they do not add up, they are read
        up to three times, because tasks may change meanwhile. After that, the tasks are read and counted if they can
        be listed.
      - Cannot be used together with O(task_statuses) or O(device_names).
    type: bool
    default: false
seealso:
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_module_versions_info
  - module: iotfleet.ota.ota_unfinished_tasks_info
"""

EXAMPLES = r"""
- name: Read how each device of a batch ended
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
  register: rollout

- name: Show which devices failed, and how
  ansible.builtin.debug:
    msg: "{{ dict(failed | map(attribute='device_name') | zip(failed | map(attribute='failure_class'))) }}"
  vars:
    failed: "{{ rollout.tasks | selectattr('task_status', 'equalto', 'FAILED') }}"

- name: Continue only if every device of the batch succeeded
  ansible.builtin.assert:
    that:
      - rollout.complete
      - rollout.read > 0
      - rollout.by_status.SUCCEEDED == rollout.read

- name: Read how two devices ended
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    device_names:
      - light1
      - light2
  register: two

- name: Continue only if both have a task and succeeded
  ansible.builtin.assert:
    that:
      - two.complete
      - two.missing == []
      - two.by_status.SUCCEEDED == two.read

- name: Count the devices of a large batch
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    counts_only: true
  register: numbers
  failed_when: numbers is failed or not numbers.complete

- name: Read only the tasks that did not succeed
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    task_statuses:
      - FAILED
      - CANCELED
  register: unsuccessful
  when: numbers.by_status.FAILED > 0 or numbers.by_status.CANCELED > 0
"""

RETURN = r"""
tasks:
  description:
    - The tasks in the order of the service, one of O(task_statuses) or one block of O(device_names) after another.
      Empty with O(counts_only=true).
    - A field that the service left out is V(null). A field that is not listed here is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless Ansible rejects an option
  contains:
    task_id:
      description: The ID of the task.
      type: str
      returned: always
      sample: "1836340779494820001"
    job_id:
      description: The ID of the batch.
      type: str
      returned: always
      sample: HvKuBpuk3rdk6E92CPQN020001
    task_status:
      description:
        - The state of the task. V(CONFIRM), V(QUEUED), V(NOTIFIED) and V(IN_PROGRESS) are unfinished; V(SUCCEEDED),
          V(FAILED) and V(CANCELED) are final.
        - V(SUCCEEDED) means that the device reported the new version.
      type: str
      returned: always
      sample: FAILED
    progress:
      description: The progress in percent, as the text that the service returns.
      type: str
      returned: always
      sample: "60.00"
    progress_percent:
      description: RV(tasks[].progress) as a number; V(null) if it is not a number, or negative.
      type: float
      returned: always
      sample: 60.0
    task_desc:
      description: What the service or the device reports about the task.
      type: str
      returned: always
      sample: "-2: the download failed"
    failure_class:
      description:
        - The class of a failure, V(upgrade), V(download), V(verify), V(flash), V(timeout), V(wrong_version), or
          V(other); V(null) for a task that has not failed.
        - V(wrong_version) and V(timeout) are documented. They are the texts V(report version is not conform) and
          V(timeout) in RV(tasks[].task_desc).
        - V(upgrade), V(download), V(verify) and V(flash) are the step codes V(-1) to V(-4) that a device reports.
          Their meaning is documented, but not which field of a task has them. Looking for them in
          RV(tasks[].task_desc) and then in RV(tasks[].progress) is a guess.
        - Everything else is V(other), because each device manufacturer words RV(tasks[].task_desc) differently. Read
          the text in that case.
      type: str
      returned: always
      sample: download
    product_key:
      description: The key of the device's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    product_name:
      description: The name of the device's product.
      type: str
      returned: always
      sample: Lamp
    device_name:
      description: The name of the device.
      type: str
      returned: always
      sample: light1
    iot_id:
      description: The ID of the device.
      type: str
      returned: always
      sample: OZs5tjTkzRRTZSCekmbRk10001
    firmware_id:
      description: The ID of the update package.
      type: str
      returned: always
      sample: FJFx8JzpnhpIsKftRjjm030001
    src_version:
      description: The version that the device is updated from.
      type: str
      returned: always
      sample: 1.0.0
    dest_version:
      description: The version that the device is updated to.
      type: str
      returned: always
      sample: 2.0.0
    timeout:
      description: The time limit of the device, as the text that the service returns.
      type: str
      returned: always
      sample: "60"
    utc_create:
      description: When the task was created, in UTC.
      type: str
      returned: always
      sample: "2024-09-11T03:40:02.734Z"
    utc_modified:
      description: When the task was last modified, in UTC.
      type: str
      returned: always
      sample: "2024-09-11T06:27:24.649Z"
missing:
  description:
    - Those of O(device_names) for which no task was read, such as devices that are not in the batch or were already on
      the new version.
    - Empty if O(device_names) is not given.
  type: list
  elements: str
  returned: always, unless Ansible rejects an option
  sample: []
found:
  description: Whether the service knows the batch; V(null) if that is not known.
  type: bool
  returned: always, unless Ansible rejects an option
  sample: true
by_status:
  description:
    - Number of tasks in each of the seven states; V(null) for a state that was not queried or is not known.
    - Any other state is counted too.
    - If the batch has more tasks than can be listed, and O(task_statuses) is not given, these are the service's own
      numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  sample: {"CONFIRM": 0, "QUEUED": 2, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 9, "FAILED": 1, "CANCELED": 0}
counted_by:
  description: V(listing) if the tasks were read and counted, V(total) if these are the service's own numbers.
  type: str
  returned: always, unless Ansible rejects an option
  sample: listing
total:
  description:
    - Number of requested tasks that the service reports; V(null) if it reports none, and with O(device_names),
      because it is not documented what the number counts then.
  type: int
  returned: always, unless Ansible rejects an option
  sample: 12
read:
  description: Number of tasks that were read.
  type: int
  returned: always, unless Ansible rejects an option
  sample: 12
complete:
  description:
    - Whether all requested tasks were read without a problem. It is V(false) if the service does not know the batch or
      does not report how many tasks there are, if a task is in an undocumented state, and after a failure.
    - Lists are read page by page and state by state. While tasks change, a list does not show a single point in time.
    - At most 100,000 tasks can be listed with each query. For a larger batch, these 100,000 are returned, and this is
      V(false).
    - It says nothing about devices without a task, see RV(missing).
  type: bool
  returned: always, unless Ansible rejects an option
  sample: true
problems:
  description: Why RV(complete) is V(false), one sentence for each problem.
  type: list
  elements: str
  returned: always, unless Ansible rejects an option
  sample: []
failure:
  description: What went wrong, as in RV(iotfleet.ota.ota_job_info#module:failure).
  type: dict
  returned: failure
"""

from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._api.operations import TASK_STATUSES
from ..module_utils._queries.jobs import TaskQuery, merge_listings, plan_queries, run_query
from ..module_utils._validation import invalid_option, non_blank, non_blank_text


def inputs(options: Options) -> list[TaskQuery]:
    job_id = non_blank_text("job_id", options["job_id"])
    statuses, names = options["task_statuses"], options["device_names"]
    if options["counts_only"] and (statuses is not None or names is not None):
        raise invalid_option(
            "counts_only is given together with task_statuses or device_names",
            "leave counts_only out, because the tasks are counted anyway",
        )
    return plan_queries(
        job_id,
        None if statuses is None else non_blank("task_statuses", statuses),
        None if names is None else non_blank("device_names", names),
        options["counts_only"],
    )


def main() -> None:
    run_info_module(
        argument_spec={
            "job_id": {"type": "str", "required": True},
            "task_statuses": {"type": "list", "elements": "str", "choices": list(TASK_STATUSES)},
            "device_names": {"type": "list", "elements": "str"},
            "counts_only": {"type": "bool", "default": False},
        },
        inputs=inputs,
        query=run_query,
        result=merge_listings,
        sequential=lambda options: options["task_statuses"] is not None,
    )


if __name__ == "__main__":
    main()
