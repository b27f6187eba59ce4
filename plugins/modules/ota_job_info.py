#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_job_info
short_description: Read the state of OTA update batches
version_added: 0.1.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads the details of update batches, which the API calls jobs, with the operation QueryOTAJob.
  - A batch that is V(COMPLETED) has no unfinished task. That does not mean that its devices succeeded.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
options:
  job_ids:
    description:
      - The IDs of the batches to read.
    type: list
    elements: str
    required: true
    aliases:
      - job_id
seealso:
  - module: iotfleet.ota.ota_unfinished_tasks_info
  - module: iotfleet.ota.ota_device_jobs_info
"""

EXAMPLES = r"""
- name: Wait until a batch is finished, for at most an hour
  iotfleet.ota.ota_job_info:
    job_id: "{{ ota_job_id }}"
  register: batch
  until: batch is failed or batch.jobs[0].finished
  retries: 120
  delay: 30

- name: Stop the pipeline unless it is completed and the batch that was meant
  ansible.builtin.assert:
    that:
      - batch.jobs[0].job_status == "COMPLETED"
      - batch.jobs[0].dest_version == "2.0.0"
    fail_msg: >-
      Batch {{ ota_job_id }} to version {{ batch.jobs[0].dest_version | default('unknown', true) }} is
      {{ batch.jobs[0].job_status | default('unknown', true) }}.

- name: Read two batches from Tuya's service
  iotfleet.ota.ota_job_info:
    platform: tuya
    endpoint: https://si-0123456789.tuyacloud.com:8686
    job_ids:
      - "1836340779212660001"
      - "1836340779212660002"
  register: batches

- name: Show the batches that the service does not know
  ansible.builtin.debug:
    msg: "{{ batches.jobs | rejectattr('found') | map(attribute='job_id') }}"
"""

RETURN = r"""
jobs:
  description:
    - One entry for each of O(job_ids), in the same order.
    - After a failure, only the entries that could be read.
    - A field that the service left out is V(null), or an empty list if it is a list. A field that is not listed here
      is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless Ansible rejects an option
  contains:
    found:
      description: Whether the service knows the batch. If not, all other fields except RV(jobs[].job_id) are empty.
      type: bool
      returned: always
      sample: true
    finished:
      description: Whether the batch has ended, as V(COMPLETED) or V(CANCELED).
      type: bool
      returned: always
      sample: false
    job_id:
      description: The ID of the batch.
      type: str
      returned: always
      sample: HvKuBpuk3rdk6E92CPQN020100
    job_status:
      description:
        - The state of the batch, V(PLANNED), V(IN_PROGRESS), V(COMPLETED) or V(CANCELED).
      type: str
      returned: always
      sample: IN_PROGRESS
    job_type:
      description:
        - V(VERIFY_FIRMWARE) for a batch that verifies a package, V(UPGRADE_FIRMWARE) for one that updates devices.
      type: str
      returned: always
      sample: UPGRADE_FIRMWARE
    name:
      description: The name of the update package.
      type: str
      returned: always
      sample: firmware2
    job_desc:
      description: The description of the batch.
      type: str
      returned: always
      sample: batch upgrade
    product_key:
      description: The key of the package's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    firmware_id:
      description: The ID of the update package.
      type: str
      returned: always
      sample: UfuxnwygsuSkVE0VCN9u010100
    dest_version:
      description: The version that devices are updated to.
      type: str
      returned: always
      sample: 1.0.1
    src_versions:
      description: The versions that devices are updated from.
      type: list
      elements: str
      returned: always
      sample: ["1.0.0"]
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
    gray_percent:
      description: The percentage of devices in a phased update, as the text that the service returns.
      type: str
      returned: always
      sample: "50.00"
    group_id:
      description: The ID of the device group of a group update.
      type: str
      returned: always
      sample: CtjzCkNuOxUR0001
    group_name:
      description: The name of the device group of a group update.
      type: str
      returned: always
      sample: test
    download_protocol:
      description: The protocol by which devices download the package, such as V(HTTPS) or V(MQTT).
      type: str
      returned: always
      sample: HTTPS
    dynamic_mode:
      description: The mode of a dynamic update, as the service numbers it.
      type: int
      returned: always
      sample: 1
    overwrite_mode:
      description: What happens to an earlier task of a device. V(1) keeps it, V(2) overwrites it.
      type: int
      returned: always
      sample: 1
    maximum_per_minute:
      description: Maximum number of devices to which the package is pushed per minute.
      type: int
      returned: always
      sample: 1000
    timeout_in_minutes:
      description: The time that a device has for its update, in minutes.
      type: int
      returned: always
      sample: 5
    retry_count:
      description: Number of times that a failed device is retried.
      type: int
      returned: always
      sample: 1
    retry_interval:
      description: The time before a failed device is retried, in minutes.
      type: int
      returned: always
      sample: 60
    need_confirm:
      description: Whether an app must confirm the update.
      type: bool
      returned: always
      sample: false
    need_push:
      description: Whether the platform pushes the update to the devices.
      type: bool
      returned: always
      sample: true
    multi_module_mode:
      description: Whether a device may update several modules at the same time.
      type: bool
      returned: always
      sample: false
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
      sample: "2019-12-29T02:43:10.000Z"
    utc_schedule_time:
      description: When a scheduled batch is to start, in UTC.
      type: str
      returned: always
      sample: "2019-12-29T02:43:10.000Z"
    utc_schedule_finish_time:
      description: When a scheduled batch is to end, in UTC.
      type: str
      returned: always
      sample: "2019-12-30T02:43:10.000Z"
summary:
  description: The entries of RV(jobs) in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of entries.
      type: int
      returned: always
      sample: 2
    found:
      description: Number of batches that the service knows.
      type: int
      returned: always
      sample: 2
    finished:
      description: Number of batches that have ended.
      type: int
      returned: always
      sample: 1
    completed:
      description: Number of batches that are V(COMPLETED).
      type: int
      returned: always
      sample: 1
    by_status:
      description:
        - Number of known batches in each state.
        - Documented states are always present, even with V(0). Any other state is counted too.
      type: dict
      returned: always
      sample: {"PLANNED": 0, "IN_PROGRESS": 1, "COMPLETED": 1, "CANCELED": 0}
failure:
  description: What went wrong.
  type: dict
  returned: failure
  contains:
    code:
      description: The service's error code, or one of this collection, in lower case.
      type: str
      returned: always
      sample: Throttling.User
    message:
      description: The service's message, or the cause in this collection's words.
      type: str
      returned: always
      sample: Request was denied due to user flow control.
    request_id:
      description: The ID that the vendor's support needs to find the request; V(null) if the service returned none.
      type: str
      returned: always
      sample: 5D58AC86-D5BF-4B39-834E-913E7F2C985D
    http_status:
      description: The HTTP status; V(null) if there was no response.
      type: int
      returned: always
      sample: 400
    action:
      description: The operation that was called; V(null) if none was.
      type: str
      returned: always
      sample: QueryOTAJob
    attempts:
      description: Number of attempts.
      type: int
      returned: always
      sample: 6
    hint:
      description: What to do about it.
      type: str
      returned: always
      sample: lower max_qps or try again later, because all users of an account share its quota
    credentials_source:
      description:
        - The kind of source that the credentials came from or should have come from, in the words of
          O(credentials_source). It contains no part of the credentials.
        - V(null) if no source was chosen, or none is configured.
      type: str
      returned: always
      sample: environment
"""

from typing import Any

from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._api.facts import count_by
from ..module_utils._api.operations import JOB_STATUSES
from ..module_utils._client.client import Client
from ..module_utils._queries.jobs import JobFacts, read_job
from ..module_utils._validation import non_blank


def query(client: Client, options: Options, job_id: str) -> JobFacts:
    return read_job(client, job_id)


def result(jobs: list[JobFacts]) -> dict[str, Any]:
    found = [job for job in jobs if job["found"]]
    by_status = count_by(found, "job_status", JOB_STATUSES)
    return {
        "jobs": jobs,
        "summary": {
            "total": len(jobs),
            "found": len(found),
            "by_status": by_status,
            "finished": sum(job["finished"] for job in jobs),
            "completed": by_status["COMPLETED"],
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={
            "job_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["job_id"]},
        },
        inputs=lambda options: non_blank("job_ids", options["job_ids"]),
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
