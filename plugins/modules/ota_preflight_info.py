#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_preflight_info
short_description: Check before a rollout whether a gate will be able to see it
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Asks each operation that this collection uses once, for something small, and tells what each answer proves, so that
    a missing permission or a wrong batch shows before the rollout and not in the middle of it.
  - A check that fails does not make the task fail. Look at RV(ok), or use the role
    P(iotfleet.ota.rollout_preflight#role), which fails.
  - A check that cannot be made, for want of an option or because of what another check found, is neither passed nor
    failed.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
options:
  job_id:
    description:
      - The ID of the batch.
      - This or O(product_key) and O(device_names) must be given.
    type: str
  product_key:
    description:
      - The key of the product to which the devices in O(device_names) belong, and that the batch is expected to be for.
      - Without it, that of the batch is used to ask about a device.
    type: str
  device_names:
    description:
      - The names of devices of the product. One is enough, because only the first is asked about.
      - Without it, the device of the first task of the batch is, if there is any.
    type: list
    elements: str
    aliases:
      - device_name
  firmware_id:
    description:
      - The ID of the update package that the batch is expected to have.
      - Without it, that of the batch is used to ask which batches of a package a device has seen.
    type: str
  dest_version:
    description:
      - The version to which the batch is expected to bring its devices.
    type: str
  job_type:
    description:
      - What the batch is expected to be.
    type: str
    choices:
      - UPGRADE_FIRMWARE
      - VERIFY_FIRMWARE
seealso:
  - module: iotfleet.ota.ota_rollout_gate
"""

EXAMPLES = r"""
- name: See whether the canary can be gated
  iotfleet.ota.ota_preflight_info:
    job_id: "{{ ota_canary_job }}"
    product_key: a19mzPZ0001
    device_names:
      - light1
    dest_version: 2.0.0
  register: preflight

- name: Show what cannot
  ansible.builtin.debug:
    msg: "{{ preflight.checks | rejectattr('ok', 'in', [true, none]) | map(attribute='sentence') }}"

- name: Go on only if nothing stands in the way
  ansible.builtin.assert:
    that: preflight.ok
"""

RETURN = r"""
checks:
  description:
    - What was looked at, always all of it and in the same order.
    - Empty after a failure.
  type: list
  elements: dict
  returned: always, unless Ansible refuses an option
  contains:
    name:
      description:
        - The name of the check, one of V(endpoint), V(access_key), V(clock), V(iot_instance),
          V(permission_query_ota_job), V(permission_list_ota_task_by_job),
          V(permission_list_ota_unfinished_task_by_device), V(permission_list_ota_module_versions_by_device),
          V(permission_list_ota_job_by_device), V(job), V(job_product_key), V(job_firmware_id), V(job_dest_version),
          V(job_type) and V(device).
      type: str
      returned: always
      sample: permission_query_ota_job
    ok:
      description: Whether it is well; V(null) where that could not be told.
      type: bool
      returned: always
      sample: false
    sentence:
      description: What was found, without a full stop.
      type: str
      returned: always
      sample: QueryOTAJob may not be asked (request id 5D58AC86-D5BF-4B39-834E-913E7F2C985D)
    hint:
      description: What to do about it; V(null) where there is nothing to do.
      type: str
      returned: always
      sample: let the account's administrator allow this action to the user or role of the access key
    code:
      description:
        - The service's code, or one of this collection in lower case; V(null) where nothing failed.
      type: str
      returned: always
      sample: NoPermission
ok:
  description: Whether no check failed.
  type: bool
  returned: always, unless Ansible refuses an option
  sample: false
clock_offset:
  description:
    - By how many seconds the service's clock is ahead of that of the machine that runs the module, to about a second.
    - V(null) where no answer told the time.
  type: float
  returned: always, unless Ansible refuses an option
  sample: 0.4
failure:
  description: What went wrong.
  type: dict
  returned: failure
  contains:
    code:
      description: A code of this collection in lower case.
      type: str
      returned: always
      sample: missing_credentials
    message:
      description: The cause in this collection's words.
      type: str
      returned: always
      sample: access_key_id is missing
    request_id:
      description: Always V(null), because nothing was asked.
      type: str
      returned: always
      sample: null
    http_status:
      description: Always V(null), because nothing was asked.
      type: int
      returned: always
      sample: null
    action:
      description: Always V(null), because nothing was asked.
      type: str
      returned: always
      sample: null
    attempts:
      description: Always V(0), because nothing was asked.
      type: int
      returned: always
      sample: 0
    hint:
      description: What to do about it.
      type: str
      returned: always
      sample: give it by the option access_key_id or the environment variable ALIBABA_CLOUD_ACCESS_KEY_ID
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

from ..module_utils._ansible.argspec import PREFLIGHT
from ..module_utils._ansible.info_module import Entry, Options, run
from ..module_utils._ansible.inputs import preflight_asked
from ..module_utils._api.platforms import PLATFORMS
from ..module_utils._client.client import Client
from ..module_utils._queries.preflight import Preflight


def inputs(options: Options) -> list[Entry]:
    return [preflight_asked(options)]


def ask(client: Client, options: Options, wanted: Entry) -> Entry:
    instance = options["iot_instance_id"] if PLATFORMS[options["platform"]].sends_place else None
    checks = Preflight(client, wanted, instance).run()
    return {"checks": [check._asdict() for check in checks], "clock_offset": client.clock_offset}


def answer(entries: list[Entry]) -> dict[str, Any]:
    checks = [check for entry in entries for check in entry["checks"]]
    offset = entries[0]["clock_offset"] if entries else None
    return {
        "checks": checks,
        "ok": bool(checks) and all(check["ok"] is not False for check in checks),
        "clock_offset": offset if offset is None else round(offset, 1),
    }


def main() -> None:
    run(argument_spec=PREFLIGHT, inputs=inputs, ask=ask, answer=answer)


if __name__ == "__main__":
    main()
