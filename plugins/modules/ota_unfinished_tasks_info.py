#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_unfinished_tasks_info
short_description: Read the unfinished OTA tasks of devices
version_added: 0.1.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads, for each device, the update tasks that are still open, by the operation ListOTAUnfinishedTaskByDevice.
  - That a device has no open task proves nothing. Its task may have succeeded, failed, been canceled, or not been
    created yet, and the device may never have been a target.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.devices
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  module_name:
    description:
      - The OTA module whose tasks are read. By default the tasks of all modules are.
    type: str
  task_statuses:
    description:
      - The states of the tasks to read. By default all unfinished tasks are read.
    type: list
    elements: str
    choices:
      - CONFIRM
      - QUEUED
      - NOTIFIED
      - IN_PROGRESS
seealso:
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_device_jobs_info
"""

EXAMPLES = r"""
- name: Read the open tasks of two devices
  iotfleet.ota.ota_unfinished_tasks_info:
    product_key: a19mzPZ0001
    device_names:
      - light1
      - light2
  register: open_tasks

- name: Show the devices to which the update has not been pushed yet
  ansible.builtin.debug:
    msg: "{{ open_tasks.tasks | selectattr('task_status', 'equalto', 'QUEUED') | map(attribute='device_name') }}"

- name: Refuse to start another batch while one is under way
  ansible.builtin.assert:
    that:
      - open_tasks.devices | rejectattr("found") | length == 0
      - open_tasks.summary.total == 0
    fail_msg: "Still open: {{ open_tasks.tasks | map(attribute='task_id') }}"

- name: Wait until a device has begun to install
  iotfleet.ota.ota_unfinished_tasks_info:
    iot_id: "{{ ota_iot_id }}"
    task_statuses:
      - IN_PROGRESS
  register: installing
  until: installing is failed or installing.summary.total > 0
  retries: 20
  delay: 15
"""

RETURN = r"""
tasks:
  description:
    - The unfinished tasks of all devices, in the order in which the devices were named and, for one device, in the
      order of the service.
    - A field for which the service gave nothing is V(null), or an empty list where it is a list. A field that is
      not listed here is kept, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible refuses an option
  contains:
    task_id:
      description: The ID of the task.
      type: str
      returned: always
      sample: "1836340779494820001"
    task_status:
      description:
        - The state of the task, V(CONFIRM) if an app must confirm it, V(QUEUED) if it has not been pushed yet,
          V(NOTIFIED) if it has been pushed, or V(IN_PROGRESS) if the device has reported progress.
      type: str
      returned: always
      sample: NOTIFIED
    job_id:
      description: The ID of the batch to which the task belongs.
      type: str
      returned: always
      sample: "1836340779212660001"
    firmware_id:
      description: The ID of the update package.
      type: str
      returned: always
      sample: "167"
    product_key:
      description: The key of the product to which the device belongs.
      type: str
      returned: always
      sample: k1nhvyl0001
    product_name:
      description: The name of that product.
      type: str
      returned: always
      sample: Product1
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
    module_name:
      description: The OTA module that is updated.
      type: str
      returned: always
      sample: ble
    src_version:
      description: The version from which the device is updated.
      type: str
      returned: always
      sample: "1.8"
    dest_version:
      description: The version to which the device is updated.
      type: str
      returned: always
      sample: 3.9.0
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
devices:
  description:
    - One entry for each device that was named, in the same order.
    - After a failure, the entries of those that could be read.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible refuses an option
  contains:
    product_key:
      description: The key of the product, as it was asked for; V(null) where O(iot_ids) were given.
      type: str
      returned: always
      sample: k1nhvyl0001
    device_name:
      description: The name of the device, as it was asked for; V(null) where O(iot_ids) were given.
      type: str
      returned: always
      sample: light1
    iot_id:
      description: The ID of the device, as it was asked for; V(null) where O(device_names) were given.
      type: str
      returned: always
      sample: OZs5tjTkzRRTZSCekmbRk10001
    found:
      description: Whether the service knows the device.
      type: bool
      returned: always
      sample: true
    unfinished:
      description: The number of its tasks in RV(tasks).
      type: int
      returned: always
      sample: 1
summary:
  description: The answer in numbers.
  type: dict
  returned: always, unless Ansible refuses an option
  contains:
    total:
      description: The number of tasks.
      type: int
      returned: always
      sample: 1
    by_status:
      description:
        - How many tasks are in each state.
        - The documented states are there even with V(0), and any other that comes is counted too.
      type: dict
      returned: always
      sample: {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 1, "IN_PROGRESS": 0}
    devices:
      description: The number of devices that were read.
      type: int
      returned: always
      sample: 1
    found:
      description: How many of the devices the service knows.
      type: int
      returned: always
      sample: 1
    idle:
      description: How many of the devices that the service knows have no task in RV(tasks).
      type: int
      returned: always
      sample: 0
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
      sample: ListOTAUnfinishedTaskByDevice
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

from typing import Any

from ..module_utils._ansible.argspec import DEVICES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Entry, Options, run
from ..module_utils._ansible.inputs import devices_asked
from ..module_utils._api.facts import tally
from ..module_utils._api.operations import LIST_OTA_UNFINISHED_TASK_BY_DEVICE, UNFINISHED_TASK_STATUSES
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import device_facts, name_device
from ..module_utils._validation import named


def inputs(options: Options) -> list[Entry]:
    if options["task_statuses"] is not None:
        named("task_statuses", options["task_statuses"])
    return devices_asked(options)


def ask(client: Client, options: Options, device: Entry) -> Entry:
    tasks = client.rows(
        LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
        module_name=options["module_name"],
        task_statuses=options["task_statuses"],
        **device,
    )
    return {"device": device, "found": tasks is not None, "tasks": name_device(tasks or [], device)}


def answer(entries: list[Entry]) -> dict[str, Any]:
    tasks = [task for entry in entries for task in entry["tasks"]]
    return {
        "tasks": tasks,
        "devices": [
            {**device_facts(entry["device"], entry["found"]), "unfinished": len(entry["tasks"])} for entry in entries
        ],
        "summary": {
            "total": len(tasks),
            "by_status": tally(tasks, "task_status", UNFINISHED_TASK_STATUSES),
            "devices": len(entries),
            "found": sum(entry["found"] for entry in entries),
            "idle": sum(entry["found"] and not entry["tasks"] for entry in entries),
        },
    }


def main() -> None:
    run(
        argument_spec={
            **DEVICES,
            **ONLY_SUMMARY,
            "module_name": {"type": "str"},
            "task_statuses": {"type": "list", "elements": "str", "choices": list(UNFINISHED_TASK_STATUSES)},
        },
        inputs=inputs,
        ask=ask,
        answer=answer,
    )


if __name__ == "__main__":
    main()
