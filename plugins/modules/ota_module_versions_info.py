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
  - Reads, for each device, the version that the device itself reported for each OTA module, with the operation
    ListOTAModuleVersionsByDevice. The reported version is the vendor's own criterion for success.
  - It reads all pages and checks them against the totals that the service reports.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.devices
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  module_name:
    description:
      - The OTA module whose versions to return. By default, those of all modules are returned.
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

- name: Continue only if all devices report it
  ansible.builtin.assert:
    that: reported.summary.by_version.default['2.0.0'] | default(0) == reported.summary.devices
"""

RETURN = r"""
modules:
  description:
    - The modules of all devices, in the order in which the devices were given and, for each device, in the order of
      the service.
    - A field that the service left out is V(null). A field that is not listed here is returned too, in snake case.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    module_name:
      description: The name of the module.
      type: str
      returned: always
      sample: default
    module_version:
      description: The version that the device reported.
      type: str
      returned: always
      sample: 2.0.0
    product_key:
      description: The key of the device's product.
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
      sample: a19mzPZ0001
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
    versions:
      description: The version of each module, by its name. Empty if the device reported none.
      type: dict
      returned: always
      sample: {"default": "2.0.0"}
summary:
  description: The result in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of reported modules of all devices.
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
    reporting:
      description: Number of devices that reported a version.
      type: int
      returned: always
      sample: 1
    by_version:
      description: Number of devices that report each version, by module.
      type: dict
      returned: always
      sample: {"default": {"2.0.0": 1}}
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
from ..module_utils._api.operations import LIST_OTA_MODULE_VERSIONS_BY_DEVICE
from ..module_utils._api.platforms import Argument
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import DeviceRows, device_facts, name_device, read_device_rows
from ..module_utils._validation import non_blank_text


def inputs(options: Options) -> list[dict[str, Argument]]:
    if options["module_name"] is not None:
        non_blank_text("module_name", options["module_name"])
    return device_selectors(options)


def query(client: Client, options: Options, device: Mapping[str, Argument]) -> DeviceRows:
    entry = read_device_rows(client, LIST_OTA_MODULE_VERSIONS_BY_DEVICE, device)
    modules = [row for row in entry.rows if options["module_name"] in (None, row["module_name"])]
    return entry._replace(rows=name_device(modules, device))


def result(entries: list[DeviceRows]) -> dict[str, Any]:
    modules = [module for entry in entries for module in entry.rows]
    names = dict.fromkeys(module["module_name"] for module in modules if module["module_name"])
    return {
        "modules": modules,
        "devices": [
            {
                **device_facts(entry.device, entry.found),
                "versions": {
                    module["module_name"]: module["module_version"] for module in entry.rows if module["module_name"]
                },
            }
            for entry in entries
        ],
        "summary": {
            "total": len(modules),
            "devices": len(entries),
            "found": sum(entry.found for entry in entries),
            "reporting": sum(bool(entry.rows) for entry in entries),
            "by_version": {
                name: count_by([row for row in modules if row["module_name"] == name], "module_version", ())
                for name in names
            },
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={**DEVICES, **ONLY_SUMMARY, "module_name": {"type": "str"}},
        inputs=inputs,
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
