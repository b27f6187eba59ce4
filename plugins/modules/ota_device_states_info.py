#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_device_states_info
short_description: Read which devices are online
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads, for each device, whether it is online, with the operation BatchGetDeviceState. One request reads 50 devices.
  - A device that is offline gets no update, so its task stays C(QUEUED) until it comes back. This module shows which
    devices a rollout waits for, before and during the rollout. It proves nothing about their versions.
  - The IP addresses of devices, which the service returns too, are dropped.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.devices
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
seealso:
  - module: iotfleet.ota.ota_unfinished_tasks_info
  - module: iotfleet.ota.ota_module_versions_info
"""

EXAMPLES = r"""
- name: Read which devices are online
  iotfleet.ota.ota_device_states_info:
    product_key: a19mzPZ0001
    device_names:
      - light1
      - light2
  register: fleet

- name: Show the devices that no update can reach now
  ansible.builtin.debug:
    msg: "{{ fleet.devices | rejectattr('state', 'equalto', 'ONLINE') | map(attribute='device_name') }}"

- name: Begin only if nearly all devices are online
  ansible.builtin.assert:
    that: fleet.summary.by_state.ONLINE >= 0.9 * fleet.summary.total
"""

RETURN = r"""
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
      description: The name of the device, as given or, if O(iot_ids) was given, as the service returns it.
      type: str
      returned: always
      sample: light1
    iot_id:
      description: The ID of the device, as given or, if O(device_names) was given, as the service returns it.
      type: str
      returned: always
      sample: OZs5tjTkzRRTZSCekmbRk10001
    found:
      description: Whether the service knows the device.
      type: bool
      returned: always
      sample: true
    state:
      description:
        - V(ONLINE), V(OFFLINE), V(UNACTIVE) for a device that never connected, V(DISABLE) for one that may not connect,
          or another word of the service.
        - V(null) if the service does not know the device, or returns several states of it.
      type: str
      returned: always
      sample: ONLINE
    since:
      description:
        - When the state last changed, in seconds since 1970; V(null) if the service does not say so.
        - The vendor does not document the unit of this time. A number that is too large for seconds is taken for
          milliseconds, the unit in a sample of the vendor.
      type: float
      returned: always
      sample: 1732009663.0
    last_online:
      description:
        - When the device was last online, in the service's own words; V(null) if the service does not say so.
        - The vendor documents neither the form nor the time zone.
      type: str
      returned: always
      sample: '2024-11-19 17:47:43'
summary:
  description: The result in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of devices that were read.
      type: int
      returned: always
      sample: 2
    found:
      description: Number of these devices that the service knows.
      type: int
      returned: always
      sample: 2
    by_state:
      description: Number of known devices in each state. Any other state is counted too.
      type: dict
      returned: always
      sample: {"ONLINE": 1, "OFFLINE": 1, "UNACTIVE": 0, "DISABLE": 0}
failure:
  description: What went wrong, as in RV(iotfleet.ota.ota_job_info#module:failure).
  type: dict
  returned: failure
"""

from typing import Any

from ..module_utils._ansible.argspec import DEVICES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._ansible.inputs import device_selectors
from ..module_utils._api.facts import count_by
from ..module_utils._api.operations import DEVICE_STATES
from ..module_utils._client.client import Client
from ..module_utils._queries.devices import device_facts
from ..module_utils._queries.states import DeviceState, StateQuery, plan_state_queries, run_state_query


def inputs(options: Options) -> list[StateQuery]:
    devices = device_selectors(options)
    names = [str(device.get("iot_id") or device.get("device_name")) for device in devices]
    return plan_state_queries(names, options["product_key"])


def query(client: Client, options: Options, block: StateQuery) -> list[dict[str, Any]]:
    states = run_state_query(client, block)
    return [_entry(block, name, states.get(name)) for name in block.names]


def _entry(block: StateQuery, name: str, known: DeviceState | None) -> dict[str, Any]:
    """What is known of the device that was queried by ``name``."""
    state = known or DeviceState()
    device = {"product_key": block.product_key, "device_name": state.device_name, "iot_id": state.iot_id}
    queried = {"device_name" if block.product_key else "iot_id": name}
    facts = {"state": state.state, "since": state.since, "last_online": state.last_online}
    return {**device_facts({**device, **queried}, known is not None), **facts}


def result(entries: list[list[dict[str, Any]]]) -> dict[str, Any]:
    devices = [device for block in entries for device in block]
    known = [device for device in devices if device["found"]]
    return {
        "devices": devices,
        "summary": {
            "total": len(devices),
            "found": len(known),
            "by_state": count_by(known, "state", DEVICE_STATES),
        },
    }


def main() -> None:
    run_info_module(argument_spec={**DEVICES, **ONLY_SUMMARY}, inputs=inputs, query=query, result=result)


if __name__ == "__main__":
    main()
