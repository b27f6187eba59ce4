#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_module_versions_info
short_description: Read which versions devices report
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads, for each device, the version of each OTA module that the device itself has reported, by the operation
    ListOTAModuleVersionsByDevice. The reported version is the vendor's own criterion of success.
  - All pages are read and checked against what the service announces.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.devices
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  module_name:
    description:
      - The OTA module whose versions are returned. By default those of all modules are.
    type: str
seealso:
  - module: iotfleet.ota.ota_job_tasks_info
  - module: iotfleet.ota.ota_unfinished_tasks_info
"""

EXAMPLES = r"""
- name: Read which versions two devices report
  iotfleet.ota.ota_module_versions_info:
    product_key: a19mzPZ0001
    device_names:
      - light1
      - light2
    module_name: default
  register: reported

- name: Show the devices that do not report the new version, or report none
  ansible.builtin.debug:
    msg: "{{ reported.devices | map(attribute='device_name') | difference(updated) }}"
  vars:
    updated: "{{ reported.modules | selectattr('module_version', 'equalto', '2.0.0') | map(attribute='device_name') }}"

- name: Go on only if all report it
  ansible.builtin.assert:
    that: reported.summary.by_version.default['2.0.0'] | default(0) == reported.summary.devices
"""

RETURN = r"""
modules:
  description:
    - The modules of all devices, in the order in which the devices were named and, for one device, in the order of the
      service.
    - A field for which the service gave nothing is V(null). A field that is not listed here is kept, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible refuses an option
  contains:
    module_name:
      description: The name of the module.
      type: str
      returned: always
      sample: default
    module_version:
      description: The version that the device has reported.
      type: str
      returned: always
      sample: 2.0.0
    product_key:
      description: The key of the product to which the device belongs.
      type: str
      returned: always
      sample: a19mzPZ0001
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
      sample: a19mzPZ0001
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
    versions:
      description: The version of each module, by its name. Empty for a device that has reported none.
      type: dict
      returned: always
      sample: {"default": "2.0.0"}
summary:
  description: The answer in numbers.
  type: dict
  returned: always, unless Ansible refuses an option
  contains:
    total:
      description: The number of modules of all devices.
      type: int
      returned: always
      sample: 1
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
    reporting:
      description: How many of the devices have reported a version.
      type: int
      returned: always
      sample: 1
    by_version:
      description: How many devices report each version, by module.
      type: dict
      returned: always
      sample: {"default": {"2.0.0": 1}}
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

from typing import Any

from ..module_utils._ansible.argspec import DEVICES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Entry, Options, run
from ..module_utils._ansible.inputs import devices_asked
from ..module_utils._api.facts import tally
from ..module_utils._api.operations import LIST_OTA_MODULE_VERSIONS_BY_DEVICE
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import device_facts, name_device
from ..module_utils._validation import named


def inputs(options: Options) -> list[Entry]:
    if options["module_name"] is not None:
        named("module_name", [options["module_name"]])
    return devices_asked(options)


def ask(client: Client, options: Options, device: Entry) -> Entry:
    rows = client.rows(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, **device)
    wanted = [row for row in rows or [] if options["module_name"] in (None, row["module_name"])]
    return {"device": device, "found": rows is not None, "modules": name_device(wanted, device)}


def answer(entries: list[Entry]) -> dict[str, Any]:
    modules = [module for entry in entries for module in entry["modules"]]
    names = dict.fromkeys(module["module_name"] for module in modules if module["module_name"])
    return {
        "modules": modules,
        "devices": [
            {
                **device_facts(entry["device"], entry["found"]),
                "versions": {
                    module["module_name"]: module["module_version"]
                    for module in entry["modules"]
                    if module["module_name"]
                },
            }
            for entry in entries
        ],
        "summary": {
            "total": len(modules),
            "devices": len(entries),
            "found": sum(entry["found"] for entry in entries),
            "reporting": sum(bool(entry["modules"]) for entry in entries),
            "by_version": {
                name: tally([row for row in modules if row["module_name"] == name], "module_version", ())
                for name in names
            },
        },
    }


def main() -> None:
    run(
        argument_spec={**DEVICES, **ONLY_SUMMARY, "module_name": {"type": "str"}},
        inputs=inputs,
        ask=ask,
        answer=answer,
    )


if __name__ == "__main__":
    main()
