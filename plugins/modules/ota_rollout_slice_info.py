#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_rollout_slice_info
short_description: Read a share of the proof of a rollout, for a gate to take up
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Asks which of the named devices have a task that is V(SUCCEEDED) in the batches, and only then which version each of
    these reports. What it returns as RV(slice), a later P(iotfleet.ota.ota_rollout_gate#module) takes as
    O(iotfleet.ota.ota_rollout_gate#module:slices), and does not ask again.
  - It is made for jobs that share the reading, such as the slices of an AWX job template. Use the gate alone where one
    job is enough.
  - It judges nothing. A device that is not proved has no place in RV(slice), whatever the reason, and the gate asks
    about it itself.
  - It takes one request for each batch, one for each batch and 50 devices, and one for each device that succeeded.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
options:
  job_ids:
    description:
      - The IDs of the batches that make the rollout, the same as those of the gate.
    type: list
    elements: str
    required: true
    aliases:
      - job_id
  device_names:
    description:
      - The names of the devices in this share. Those that have no task in the batches are left alone.
    type: list
    elements: str
    required: true
    aliases:
      - device_name
  module_name:
    description:
      - The OTA module of the devices whose version is the proof, the same as that of the gate.
    type: str
    default: default
seealso:
  - module: iotfleet.ota.ota_rollout_gate
  - module: iotfleet.ota.ota_module_versions_info
"""

EXAMPLES = r"""
- name: Read the share of this job
  iotfleet.ota.ota_rollout_slice_info:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    device_names: "{{ groups['all'] }}"
    max_qps: 2.5
  register: share

- name: Hand it on to the job that merges, under a name of its own
  ansible.builtin.set_stats:
    data: "{{ {'rollout_slice_' ~ (groups['all'] | first | hash('sha256'))[:16]: share.slice} }}"

- name: Merge what all jobs have read, in a later job
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    slices: "{{ query('ansible.builtin.vars', *query('ansible.builtin.varnames', '^rollout_slice_[0-9a-f]{16}$')) }}"
"""

RETURN = r"""
slice:
  description:
    - What was proved, for a gate, as one text without blanks that no other program is to read. Hand it on as it is.
    - It holds the names of the proved devices, and the platform, endpoint, instance, batches and OTA module.
    - V(null) after a failure.
  type: str
  returned: always, unless Ansible refuses an option
  sample: rollout-slice-1:eJyrVipOzi9IVbJSSsxJykxKLElVyCgpKbDS18/MS8svKtEryczPyyxJ1S0tTi3S…
summary:
  description: The answer in numbers.
  type: dict
  returned: always, unless Ansible refuses an option
  contains:
    devices:
      description: How many devices were named; V(0) after a failure.
      type: int
      returned: always
      sample: 2500
    succeeded:
      description: How many of them have a task that is V(SUCCEEDED).
      type: int
      returned: always
      sample: 2490
    proved:
      description: How many of these report the new version.
      type: int
      returned: always
      sample: 2489
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
      sample: ListOTAModuleVersionsByDevice
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

import time
from typing import Any

from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import SLICE, invalid, named, scope_of
from ansible_collections.iotfleet.ota.plugins.module_utils._client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._evidence import Question, questions, read_job
from ansible_collections.iotfleet.ota.plugins.module_utils._evidence import ask as ask_evidence
from ansible_collections.iotfleet.ota.plugins.module_utils._module import Entry, Options, run
from ansible_collections.iotfleet.ota.plugins.module_utils._slices import Slice, pack
from ansible_collections.iotfleet.ota.plugins.module_utils._standing import Key, device_key
from ansible_collections.iotfleet.ota.plugins.module_utils._watch import read_version


def inputs(options: Options) -> list[Entry]:
    job_ids, names = (list(dict.fromkeys(named(name, options[name]))) for name in ("job_ids", "device_names"))
    (module_name,) = named("module_name", [options["module_name"]])
    scope = scope_of(options, module_name)
    return [{"job_ids": job_ids, "names": names, "module_name": module_name, "scope": scope}]


def ask(client: Client, options: Options, share: Entry) -> Entry:
    jobs = [read_job(client, job_id) for job_id in share["job_ids"]]
    for job in jobs:
        if not job["found"]:
            raise invalid(
                f"the service does not know batch {job['job_id']}",
                "check the id, the region, the instance and the account",
                code="unknown_job",
            )
    began = time.time()
    targets = _targets(client, jobs, share["names"])  # before the versions, which prove nothing earlier
    read, failure = client.many(lambda key: (key, read_version(client, key, share["module_name"])), sorted(targets))
    if failure:
        raise failure
    proved = {key: version for key, version in read if version and targets[key] == {version}}
    finished = all(job["finished"] for job in jobs)
    part = Slice(share["scope"], tuple(share["job_ids"]), round(began, 1), finished, proved)
    numbers = {"devices": len(share["names"]), "succeeded": len(targets), "proved": len(proved)}
    return {"slice": pack(part), "summary": numbers}


def _targets(client: Client, jobs: list[Entry], names: list[str]) -> dict[Key, set[Any]]:
    """The versions to which tasks that have succeeded were to bring devices, by device."""
    by_id = {job["job_id"]: job for job in jobs}
    asked = [question for job_id in by_id for question in questions(job_id, ["SUCCEEDED"], names, counts_only=False)]

    def succeeded(question: Question) -> list[tuple[Key, Any]]:
        job = by_id[question.job_id]
        tasks = [task for task in ask_evidence(client, {}, question).tasks if task["task_status"] == "SUCCEEDED"]
        entries = [{**task, "product_key": task["product_key"] or job["product_key"]} for task in tasks]
        return [(device_key(entry), job["dest_version"]) for entry in entries]

    answers, failure = client.many(succeeded, asked)
    if failure:
        raise failure
    targets: dict[Key, set[Any]] = {}
    for key, version in (pair for answer in answers for pair in answer):
        targets.setdefault(key, set()).add(version)
    return targets


def answer(entries: list[Entry]) -> dict[str, Any]:
    return entries[0] if entries else {"slice": None, "summary": {"devices": 0, "succeeded": 0, "proved": 0}}


def main() -> None:
    run(argument_spec=SLICE, inputs=inputs, ask=ask, answer=answer)


if __name__ == "__main__":
    main()
