#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_firmware_jobs_info
short_description: Read the batches of OTA update packages
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads, for each update package, all batches that were created from it, with the operation ListOTAJobByFirmware. It
    reads all pages and checks them against the totals that the service reports.
  - No operation lists the batches of a product. To find a batch by product and version, read the packages with
    M(iotfleet.ota.ota_firmware_info), and their batches with this module. The gate does both with
    O(iotfleet.ota.ota_rollout_gate#module:find).
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  firmware_ids:
    description:
      - The IDs of the update packages.
    type: list
    elements: str
    required: true
    aliases:
      - firmware_id
seealso:
  - module: iotfleet.ota.ota_firmware_info
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_device_jobs_info
"""

EXAMPLES = r"""
- name: Read the batches of a package
  iotfleet.ota.ota_firmware_jobs_info:
    firmware_id: FJFx8JzpnhpIsKftRjjm030001
  register: history

- name: Show which of them are still in progress
  ansible.builtin.debug:
    msg: "{{ history.jobs | rejectattr('finished') | map(attribute='job_id') | list }}"

- name: Show the newest one that updates devices
  ansible.builtin.debug:
    msg: "{{ history.jobs | selectattr('job_type', 'eq', 'UPGRADE_FIRMWARE') | map(attribute='job_id') | first }}"

- name: Show those whose tag stage is canary
  ansible.builtin.debug:
    msg: "{{ history.jobs | selectattr('tags', 'contains', canary) | map(attribute='job_id') | list }}"
  vars:
    canary: {key: stage, value: canary}
"""

RETURN = r"""
jobs:
  description:
    - The batches of all packages, in the order of O(firmware_ids) and, for each package, the newest first.
    - A field that the service left out is V(null), or an empty list if it is a list. A field that is not listed here
      is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
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
    finished:
      description: Whether the batch has ended. Its tasks may have failed.
      type: bool
      returned: always
      sample: false
    product_key:
      description: The key of the package's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    firmware_id:
      description: The ID of the update package, as given if the service left it out.
      type: str
      returned: always
      sample: FJFx8JzpnhpIsKftRjjm030001
    selection_type:
      description:
        - V(STATIC) for a fixed set of devices, V(DYNAMIC) for a policy that applies until it is canceled. Tuya's pages
          do not list it.
      type: str
      returned: always
      sample: STATIC
    target_selection:
      description: The scope of the update, such as V(ALL), V(SPECIFIC), V(GRAY) or V(GROUP).
      type: str
      returned: always
      sample: SPECIFIC
    tags:
      description: The tags of the batch. Tuya's pages do not list them.
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
      description: When the batch started, in UTC. Tuya's pages do not list it.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
    utc_end_time:
      description: When the batch ended, in UTC. Tuya's pages do not list it.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
firmwares:
  description:
    - One entry for each of O(firmware_ids), in the same order.
    - After a failure, only the entries that could be read.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    firmware_id:
      description: The ID of the package, as given.
      type: str
      returned: always
      sample: s8SSHiKjpBfrM3BSN0z803
    found:
      description: Whether the service knows the package.
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
    firmwares:
      description: Number of packages that were read.
      type: int
      returned: always
      sample: 1
    found:
      description: Number of these packages that the service knows.
      type: int
      returned: always
      sample: 1
    finished:
      description: Number of batches that have ended.
      type: int
      returned: always
      sample: 0
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

from typing import Any

from ..module_utils._ansible.argspec import FIRMWARES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._api.facts import count_by
from ..module_utils._api.operations import JOB_STATUSES
from ..module_utils._client.client import Client
from ..module_utils._queries.firmwares import FirmwareJobs, read_firmware_jobs
from ..module_utils._validation import non_blank


def inputs(options: Options) -> list[str]:
    return non_blank("firmware_ids", options["firmware_ids"])


def query(client: Client, options: Options, firmware_id: str) -> FirmwareJobs:
    return read_firmware_jobs(client, firmware_id)


def result(entries: list[FirmwareJobs]) -> dict[str, Any]:
    jobs = [job for entry in entries for job in entry.jobs]
    return {
        "jobs": jobs,
        "firmwares": [
            {"firmware_id": entry.firmware_id, "found": entry.found, "job_count": len(entry.jobs)} for entry in entries
        ],
        "summary": {
            "total": len(jobs),
            "firmwares": len(entries),
            "found": sum(entry.found for entry in entries),
            "finished": sum(job["finished"] for job in jobs),
            "by_status": count_by(jobs, "job_status", JOB_STATUSES),
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={"firmware_ids": {**FIRMWARES["firmware_ids"], "required": True}, **ONLY_SUMMARY},
        inputs=inputs,
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
