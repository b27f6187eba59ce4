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
  - Reads, for each device, the unfinished update tasks, with the operation ListOTAUnfinishedTaskByDevice.
  - A device without an unfinished task proves nothing. Its task may have succeeded, failed, been canceled or not been
    created yet, or the device may never have been a target.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.devices
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  module_name:
    description:
      - The OTA module whose tasks to read. By default, the tasks of all modules are read.
    type: str
  task_statuses:
    description:
      - The states of the tasks to read. By default, all unfinished tasks are read.
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
- name: Read the unfinished tasks of two devices
  iotfleet.ota.ota_unfinished_tasks_info:
    product_key: a19mzPZ0001
    device_names:
      - light1
      - light2
  register: unfinished

- name: Show the devices to which the update has not been pushed yet
  ansible.builtin.debug:
    msg: "{{ unfinished.tasks | selectattr('task_status', 'equalto', 'QUEUED') | map(attribute='device_name') }}"

- name: Do not start another batch while one is in progress
  ansible.builtin.assert:
    that:
      - unfinished.devices | rejectattr("found") | length == 0
      - unfinished.summary.total == 0
    fail_msg: "Unfinished: {{ unfinished.tasks | map(attribute='task_id') }}"

- name: Wait until a device has started to install
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
    - The unfinished tasks of all devices, in the order in which the devices were given and, for each device, in
      the order of the service.
    - A field that the service left out is V(null), or an empty list if it is a list. A field that is not listed here
      is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    task_id:
      description: The ID of the task.
      type: str
      returned: always
      sample: "1836340779494820001"
    task_status:
      description:
        - The state of the task, V(CONFIRM) if an app must confirm it, V(QUEUED) if it has not been pushed yet,
          V(NOTIFIED) if it has been pushed, V(IN_PROGRESS) if the device has reported progress.
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
      description: The key of the device's product.
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
      description: The version that the device is updated from.
      type: str
      returned: always
      sample: "1.8"
    dest_version:
      description: The version that the device is updated to.
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
    - One entry for each device that was given, in the same order.
    - After a failure, only the entries that could be read.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    product_key:
      description: The key of the product, as given; V(null) if O(iot_ids) was given.
      type: str
      returned: always
      sample: k1nhvyl0001
    device_name:
      description: The name of the device, as given; V(null) if O(iot_ids) was given.
      type: str
      returned: always
      sample: light1
    iot_id:
      description: The ID of the device, as given; V(null) if O(device_names) was given.
      type: str
      returned: always
      sample: OZs5tjTkzRRTZSCekmbRk10001
    found:
      description: Whether the service knows the device.
      type: bool
      returned: always
      sample: true
    unfinished:
      description: Number of the device's tasks in RV(tasks).
      type: int
      returned: always
      sample: 1
summary:
  description: The result in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of tasks.
      type: int
      returned: always
      sample: 1
    by_status:
      description:
        - Number of tasks in each state.
        - Documented states are always present, even with V(0). Any other state is counted too.
      type: dict
      returned: always
      sample: {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 1, "IN_PROGRESS": 0}
    devices:
      description: Number of devices that were read.
      type: int
      returned: always
      sample: 1
    found:
      description: Number of these devices that the service knows.
      type: int
      returned: always
      sample: 1
    idle:
      description: Number of known devices that have no task in RV(tasks).
      type: int
      returned: always
      sample: 0
failure:
  description: What went wrong, as in RV(iotfleet.ota.ota_job_info#module:failure).
  type: dict
  returned: failure
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils._ansible.argspec import DEVICES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._ansible.inputs import device_selectors
from ..module_utils._api.facts import count_by
from ..module_utils._api.operations import LIST_OTA_UNFINISHED_TASK_BY_DEVICE, UNFINISHED_TASK_STATUSES
from ..module_utils._api.platforms import Argument
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import DeviceRows, device_facts, name_device, read_device_rows
from ..module_utils._validation import non_blank


def inputs(options: Options) -> list[dict[str, Argument]]:
    if options["task_statuses"] is not None:
        non_blank("task_statuses", options["task_statuses"])
    return device_selectors(options)


def query(client: Client, options: Options, device: Mapping[str, Argument]) -> DeviceRows:
    selected = {name: options[name] for name in ("module_name", "task_statuses")}
    entry = read_device_rows(client, LIST_OTA_UNFINISHED_TASK_BY_DEVICE, device, **selected)
    return entry._replace(rows=name_device(entry.rows, device))


def result(entries: list[DeviceRows]) -> dict[str, Any]:
    tasks = [task for entry in entries for task in entry.rows]
    return {
        "tasks": tasks,
        "devices": [{**device_facts(entry.device, entry.found), "unfinished": len(entry.rows)} for entry in entries],
        "summary": {
            "total": len(tasks),
            "by_status": count_by(tasks, "task_status", UNFINISHED_TASK_STATUSES),
            "devices": len(entries),
            "found": sum(entry.found for entry in entries),
            "idle": sum(entry.found and not entry.rows for entry in entries),
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={
            **DEVICES,
            **ONLY_SUMMARY,
            "module_name": {"type": "str"},
            "task_statuses": {"type": "list", "elements": "str", "choices": list(UNFINISHED_TASK_STATUSES)},
        },
        inputs=inputs,
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
