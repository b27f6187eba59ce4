#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_device_jobs_info
short_description: Read the OTA update batches of devices
version_added: 0.1.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads, for each device, all batches of an update package, with the operation ListOTAJobByDevice. It
    reads all pages and checks them against the totals that the service reports.
  - The state is that of the batch, not of the device.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  product_key:
    description:
      - The key of the devices' product.
    type: str
    required: true
  device_names:
    description:
      - The names of the devices.
    type: list
    elements: str
    required: true
    aliases:
      - device_name
  firmware_id:
    description:
      - The ID of the update package.
    type: str
    required: true
seealso:
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_unfinished_tasks_info
"""

EXAMPLES = r"""
- name: Read which batches of a package two devices have seen
  iotfleet.ota.ota_device_jobs_info:
    product_key: a19mzPZ0001
    device_names:
      - light1
      - light2
    firmware_id: FJFx8JzpnhpIsKftRjjm030001
  register: history

- name: Make sure that no batch of the package is still in progress for them
  ansible.builtin.assert:
    that:
      - history.devices | rejectattr("found") | length == 0
      - history.summary.by_status.PLANNED == 0
      - history.summary.by_status.IN_PROGRESS == 0
    fail_msg: >-
      In progress:
      {{ history.jobs | rejectattr("job_status", "in", ["COMPLETED", "CANCELED"]) | map(attribute="job_id") }}

- name: Wait until a device has seen a batch of the package
  iotfleet.ota.ota_device_jobs_info:
    product_key: a19mzPZ0001
    device_name: light1
    firmware_id: FJFx8JzpnhpIsKftRjjm030001
  register: light1
  until: light1 is failed or light1.summary.total > 0
  retries: 10
  delay: 30
"""

RETURN = r"""
jobs:
  description:
    - The batches of all devices, in the order of O(device_names) and, for each device, in the order of
      the service.
    - A field that the service left out is V(null), or an empty list if it is a list. A field that is not listed here
      is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    device_name:
      description: The name of the device, as given.
      type: str
      returned: always
      sample: light1
    job_id:
      description: The ID of the batch.
      type: str
      returned: always
      sample: HvKuBpuk3rdk6E92CPQN020001
    job_status:
      description: The state of the batch, V(PLANNED), V(IN_PROGRESS), V(COMPLETED) or V(CANCELED).
      type: str
      returned: always
      sample: IN_PROGRESS
    job_type:
      description:
        - V(VERIFY_FIRMWARE) for a batch that verifies a package, V(UPGRADE_FIRMWARE) for one that updates devices.
      type: str
      returned: always
      sample: UPGRADE_FIRMWARE
    product_key:
      description: The key of the package's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    firmware_id:
      description: The ID of the update package.
      type: str
      returned: always
      sample: FJFx8JzpnhpIsKftRjjm030001
    selection_type:
      description: V(STATIC) for a fixed set of devices, V(DYNAMIC) for a policy that applies until it is canceled.
      type: str
      returned: always
      sample: STATIC
    target_selection:
      description: The scope of the update, such as V(ALL), V(SPECIFIC), V(GRAY) or V(GROUP).
      type: str
      returned: always
      sample: SPECIFIC
    tags:
      description: The tags of the batch.
      type: list
      elements: dict
      returned: always
      contains:
        key:
          description: The name of the tag.
          type: str
          returned: always
          sample: key1
        value:
          description: The value of the tag.
          type: str
          returned: always
          sample: value1
    utc_create:
      description: When the batch was created, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
    utc_modified:
      description: When the batch was last modified, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
    utc_start_time:
      description: When the batch started, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
    utc_end_time:
      description: When the batch ended, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
devices:
  description:
    - One entry for each of O(device_names), in the same order.
    - After a failure, only the entries that could be read.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    product_key:
      description: The key of the product, as given.
      type: str
      returned: always
      sample: a19mzPZ0001
    device_name:
      description: The name of the device, as given.
      type: str
      returned: always
      sample: light1
    found:
      description: Whether the service knows the device.
      type: bool
      returned: always
      sample: true
    job_count:
      description: Number of its batches in RV(jobs).
      type: int
      returned: always
      sample: 1
summary:
  description: The result in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of batches.
      type: int
      returned: always
      sample: 1
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
    by_status:
      description:
        - Number of batches in each state.
        - Documented states are always present, even with V(0). Any other state is counted too.
      type: dict
      returned: always
      sample: {"PLANNED": 0, "IN_PROGRESS": 1, "COMPLETED": 0, "CANCELED": 0}
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
from ..module_utils._api.operations import JOB_STATUSES, LIST_OTA_JOB_BY_DEVICE
from ..module_utils._api.platforms import Argument
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import DeviceRows, read_device_rows
from ..module_utils._validation import non_blank_text


def inputs(options: Options) -> list[dict[str, Argument]]:
    non_blank_text("firmware_id", options["firmware_id"])
    return device_selectors(options)


def query(client: Client, options: Options, device: Mapping[str, Argument]) -> DeviceRows:
    return read_device_rows(client, LIST_OTA_JOB_BY_DEVICE, device, firmware_id=options["firmware_id"])


def result(entries: list[DeviceRows]) -> dict[str, Any]:
    jobs = [{**job, "device_name": entry.device["device_name"]} for entry in entries for job in entry.rows]
    return {
        "jobs": jobs,
        "devices": [{**entry.device, "found": entry.found, "job_count": len(entry.rows)} for entry in entries],
        "summary": {
            "total": len(jobs),
            "devices": len(entries),
            "found": sum(entry.found for entry in entries),
            "by_status": count_by(jobs, "job_status", JOB_STATUSES),
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={
            "product_key": {**DEVICES["product_key"], "required": True},
            "device_names": {**DEVICES["device_names"], "required": True},
            "firmware_id": {"type": "str", "required": True},
            **ONLY_SUMMARY,
        },
        inputs=inputs,
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
