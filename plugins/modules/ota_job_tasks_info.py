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
  - Reads the tasks of an update batch, one for each device and module, by the operation ListOTATaskByJob. It is the
    only operation that tells whether a device succeeded, failed, or was canceled.
  - All pages are read and checked against what the service announces. Where they do not make a whole, even after
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
      - The states of the tasks to read. Each is asked for by itself, in the order in which a task goes through them. By
        default tasks in all states are read.
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
      - The names of the devices whose tasks to read, asked for in blocks of 50. By default those of all devices are
        read.
    type: list
    elements: str
  counts_only:
    description:
      - Count the tasks in each state without reading them. While nothing changes this takes eight requests for a batch
        of any size.
      - The service is asked how many tasks there are in each state and in all. Where these numbers do not add up, they
        are asked for up to three times, because tasks may change meanwhile. After that, the tasks are read and counted
        if they can be listed.
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

- name: Go on only if every device of the batch succeeded
  ansible.builtin.assert:
    that:
      - rollout.complete
      - rollout.read > 0
      - rollout.counts.SUCCEEDED == rollout.read

- name: Read how two devices ended
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    device_names:
      - light1
      - light2
  register: two

- name: Go on only if both have a task and succeeded
  ansible.builtin.assert:
    that:
      - two.complete
      - two.missing == []
      - two.counts.SUCCEEDED == two.read

- name: Count the devices of a large batch
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    counts_only: true
  register: numbers
  failed_when: numbers is failed or not numbers.complete

- name: Read only what went wrong
  iotfleet.ota.ota_job_tasks_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    task_statuses:
      - FAILED
      - CANCELED
  register: wrong
  when: numbers.counts.FAILED > 0 or numbers.counts.CANCELED > 0
"""

RETURN = r"""
tasks:
  description:
    - The tasks, in the order of the service; those of each of O(task_statuses), or of each block of O(device_names),
      follow one another. Empty with O(counts_only=true).
    - A field for which the service gave nothing is V(null). A field that is not listed here is kept, in snake case.
  type: list
  elements: dict
  returned: always, unless Ansible refuses an option
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
      description: The progress in percent, as the service writes it.
      type: str
      returned: always
      sample: "60.00"
    progress_percent:
      description: RV(tasks[].progress) as a number, V(null) where it is none or negative.
      type: float
      returned: always
      sample: 60.0
    task_desc:
      description: What the service or the device says of the task.
      type: str
      returned: always
      sample: "-2: the download failed"
    failure_class:
      description:
        - The class of a failure, V(upgrade), V(download), V(verify), V(flash), V(timeout), V(wrong_version),
          V(superseded) by another batch, or V(other); V(null) for a task that has not failed.
        - It is guessed from a step code in RV(tasks[].task_desc), V(-1) to V(-4), or from words there. The vendors do
          not document what that text holds, so look at it before acting on the class.
      type: str
      returned: always
      sample: download
    product_key:
      description: The key of the product to which the device belongs.
      type: str
      returned: always
      sample: a19mzPZ0001
    product_name:
      description: The name of that product.
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
      description: The version from which the device is updated.
      type: str
      returned: always
      sample: 1.0.0
    dest_version:
      description: The version to which the device is updated.
      type: str
      returned: always
      sample: 2.0.0
    timeout:
      description: The time limit of the device, as the service writes it.
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
    - Those of O(device_names) of which no task was read, such as devices that are not in the batch, or were on the new
      version already.
    - Empty where O(device_names) is not given.
  type: list
  elements: str
  returned: always, unless Ansible refuses an option
  sample: []
found:
  description: Whether the service knows the batch; V(null) where that was not learned.
  type: bool
  returned: always, unless Ansible refuses an option
  sample: true
counts:
  description:
    - How many tasks are in each of the seven states; V(null) for a state that was not asked for or not learned.
    - Any other state that comes is counted too.
    - Of a batch with more tasks than can be listed, without O(task_statuses), these are the service's own numbers.
  type: dict
  returned: always, unless Ansible refuses an option
  sample: {"CONFIRM": 0, "QUEUED": 2, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 9, "FAILED": 1, "CANCELED": 0}
counted_by:
  description: V(listing) if the tasks were read and counted, V(total) if the service's own numbers were taken.
  type: str
  returned: always, unless Ansible refuses an option
  sample: listing
announced:
  description:
    - How many tasks the service says there are of what was asked for; V(null) where it did not say, and with
      O(device_names), because it is not documented what it counts then.
  type: int
  returned: always, unless Ansible refuses an option
  sample: 12
read:
  description: How many tasks were read.
  type: int
  returned: always, unless Ansible refuses an option
  sample: 12
complete:
  description:
    - Whether nothing of what was asked for is missing or doubtful. It is V(false) for a batch that the service does not
      know, where it does not say how many tasks there are, for a state that is not documented, and after a failure.
    - Lists are read page by page and state by state, so that what they show together is no single moment while tasks
      still change.
    - At most 100,000 tasks can be listed with each question. Of a larger batch, those are returned and this is
      V(false).
    - It says nothing about devices that have no task. See RV(missing).
  type: bool
  returned: always, unless Ansible refuses an option
  sample: true
problems:
  description: Why RV(complete) is V(false), a sentence each.
  type: list
  elements: str
  returned: always, unless Ansible refuses an option
  sample: []
failure:
  description: What went wrong.
  type: dict
  returned: failure
  contains:
    code:
      description: The service's code, or one of this collection in lower case.
      type: str
      returned: always
      sample: Throttling.User
    message:
      description: The service's message, or the cause in this collection's words.
      type: str
      returned: always
      sample: Request was denied due to user flow control.
    request_id:
      description: The ID by which the vendor's support finds the request; V(null) where the service gave none.
      type: str
      returned: always
      sample: 5D58AC86-D5BF-4B39-834E-913E7F2C985D
    http_status:
      description: The HTTP status; V(null) where there was no answer.
      type: int
      returned: always
      sample: 400
    action:
      description: The operation that was asked; V(null) where none was.
      type: str
      returned: always
      sample: ListOTATaskByJob
    attempts:
      description: How often it was asked.
      type: int
      returned: always
      sample: 6
    hint:
      description: What to do about it.
      type: str
      returned: always
      sample: lower max_qps or ask again later, because all users of an account share its quota
    credentials_source:
      description:
        - The kind of source that the credentials came from, or were to come from, in the words of
          O(credentials_source). Never a part of them.
        - V(null) where it did not come to that, and where nothing was configured.
      type: str
      returned: always
      sample: environment
"""

from ..module_utils._ansible.info_module import Options, run
from ..module_utils._api.operations import TASK_STATUSES
from ..module_utils._queries.jobs import Question, ask, merge, questions
from ..module_utils._validation import invalid, named


def inputs(options: Options) -> list[Question]:
    (job_id,) = named("job_id", [options["job_id"]])
    statuses, names = options["task_statuses"], options["device_names"]
    if options["counts_only"] and (statuses is not None or names is not None):
        raise invalid(
            "counts_only is given together with task_statuses or device_names",
            "leave counts_only out, because counts come with the tasks as well",
        )
    return questions(
        job_id,
        None if statuses is None else named("task_statuses", statuses),
        None if names is None else named("device_names", names),
        options["counts_only"],
    )


def main() -> None:
    run(
        argument_spec={
            "job_id": {"type": "str", "required": True},
            "task_statuses": {"type": "list", "elements": "str", "choices": list(TASK_STATUSES)},
            "device_names": {"type": "list", "elements": "str"},
            "counts_only": {"type": "bool", "default": False},
        },
        inputs=inputs,
        ask=ask,
        answer=merge,
        in_turn=lambda options: options["task_statuses"] is not None,
    )


if __name__ == "__main__":
    main()
