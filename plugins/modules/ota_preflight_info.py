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
  - Calls each operation of a gate with O(iotfleet.ota.ota_rollout_gate#module:job_ids) once, with a small request, and
    reports what each response proves. So a missing permission or a wrong batch shows before the rollout, not in the
    middle of it.
  - The operations with which a gate finds its batches, ListOTAFirmware and ListOTAJobByFirmware, are only called with
    O(check_find).
  - A failed check does not make the task fail. Check RV(ok), or use the role
    P(iotfleet.ota.rollout_preflight#role), which fails.
  - A check that cannot run because an option is missing, or because of what another check found, neither passes nor
    fails. The same holds for the checks of BatchGetDeviceState and BatchQueryDeviceDetail, which no gate needs, if
    these operations are denied or fail.
  - The permission for BatchQueryDeviceDetail, C(iot:BatchQueryDeviceDetail), is the right to read the secrets of
    devices, because the service returns them with every response. This collection drops them. Leave the permission out
    unless the fleet is so large that you need it.
  - O(product_key) and O(device_names) select a device. The options that begin with C(expected_) are compared with the
    batch, as P(iotfleet.ota.ota_rollout_gate#module) does. What is O(expected_module_name) here is
    O(iotfleet.ota.ota_rollout_gate#module:versions.module_name) there.
  - Which batches of a package a device has seen is queried for O(expected_firmware_id), or else for the package of the
    batch.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.expected
  - iotfleet.ota.attributes
options:
  job_id:
    description:
      - The ID of the batch.
      - Either this or O(product_key) and O(device_names) must be given. With O(check_find), O(product_key) is enough.
    type: str
  product_key:
    description:
      - The key of the product that the devices in O(device_names) belong to.
      - By default, O(expected_product_key), or else the product of the batch.
    type: str
  device_names:
    description:
      - The names of devices of the product. One is enough, because only the first is queried.
      - By default, the device of the first task of the batch, if it has any.
    type: list
    elements: str
    aliases:
      - device_name
  check_cancel:
    description:
      - Whether to check the permission to cancel, for P(iotfleet.ota.ota_job_cancel#module), too.
      - It calls CancelOTATaskByJob for a batch that does not exist, without choosing any tasks. Alibaba Cloud documents
        that such a call fails, so that it cannot cancel anything. It can only show a denial; the absence of a denial
        does not prove the permission.
    type: bool
    default: false
    version_added: 0.3.0
  check_find:
    description:
      - Whether to check the permissions that a gate needs to find its batches by
        O(iotfleet.ota.ota_rollout_gate#module:find), too.
      - It calls ListOTAFirmware for the product, and ListOTAJobByFirmware for the package of the batch, for
        O(expected_firmware_id), or else for the first package of that list. Without any package, nothing shows whether
        the latter is allowed.
    type: bool
    default: false
    version_added: 0.3.0
seealso:
  - module: iotfleet.ota.ota_rollout_gate
  - module: iotfleet.ota.ota_job_cancel
"""

EXAMPLES = r"""
- name: Check whether the canary can be gated
  iotfleet.ota.ota_preflight_info:
    job_id: "{{ ota_canary_job }}"
    product_key: a19mzPZ0001
    device_names:
      - light1
    expected_version: 2.0.0
  register: preflight

- name: Check before there is a batch whether a gate can find it
  iotfleet.ota.ota_preflight_info:
    product_key: a19mzPZ0001
    check_find: true

- name: Show the failed checks
  ansible.builtin.debug:
    msg: "{{ preflight.checks | rejectattr('ok', 'in', [true, none]) | map(attribute='message') }}"

- name: Continue only if no check failed
  ansible.builtin.assert:
    that: preflight.ok
"""

RETURN = r"""
checks:
  description:
    - All checks, always in the same order.
    - Empty after a failure.
  type: list
  elements: dict
  returned: always, unless Ansible rejects an option
  contains:
    name:
      description:
        - The name of the check, one of V(endpoint), V(access_key), V(clock), V(iot_instance),
          V(permission_query_ota_job), V(permission_list_ota_task_by_job),
          V(permission_list_ota_unfinished_task_by_device), V(permission_list_ota_module_versions_by_device),
          V(permission_query_ota_firmware), V(permission_list_ota_job_by_device),
          V(permission_batch_get_device_state), V(permission_batch_query_device_detail),
          V(permission_list_ota_firmware), V(permission_list_ota_job_by_firmware),
          V(permission_cancel_ota_task_by_job), V(job), V(job_product_key), V(job_firmware_id), V(job_dest_version),
          V(job_type), V(job_module_name), V(device), V(versions_device) and V(versions_details).
      type: str
      returned: always
      sample: permission_query_ota_job
    ok:
      description: Whether the check passed; V(null) if it could not run.
      type: bool
      returned: always
      sample: false
    message:
      description: What was found, without a full stop.
      type: str
      returned: always
      sample: QueryOTAJob is denied (request ID 5D58AC86-D5BF-4B39-834E-913E7F2C985D)
    hint:
      description: What to do about it; V(null) if there is nothing to do.
      type: str
      returned: always
      sample: ask the account's administrator to allow this action for the user or role of the access key
    code:
      description:
        - The service's error code, or one of this collection, in lower case; V(null) if nothing failed.
      type: str
      returned: always
      sample: NoPermission
ok:
  description: Whether no check failed.
  type: bool
  returned: always, unless Ansible rejects an option
  sample: false
module_name:
  description:
    - The OTA module that the batch is for, by its update package or by an open task of the device; V(null) if neither
      shows it. Without a batch, it is the module that the package in O(expected_firmware_id) is for.
  type: str
  returned: always, unless Ansible rejects an option
  sample: default
version_sources:
  description:
    - The ways to read the versions of all devices of the batch, and the requests and time that each takes.
    - V(device) reads the versions of all modules of one device per request. V(details) reads only the version of the
      module C(default), of 100 devices per request.
    - Without O(job_id), the devices are those in O(device_names).
    - Empty after a failure.
  type: list
  elements: dict
  returned: always, unless Ansible rejects an option
  contains:
    source:
      description: The name of this way, V(device) or V(details).
      type: str
      returned: always
      sample: details
    operation:
      description: The operation that it calls.
      type: str
      returned: always
      sample: BatchQueryDeviceDetail
    permission:
      description: The action that a policy of Alibaba Cloud must allow for it, inferred from the vendor's public pages.
      type: str
      returned: always
      sample: iot:BatchQueryDeviceDetail
    allowed:
      description: Whether the access key may call it; V(null) if no response shows that.
      type: bool
      returned: always
      sample: true
    shows_module:
      description: Whether it shows the version of the module in RV(module_name); V(null) if that is not known.
      type: bool
      returned: always
      sample: true
    requests:
      description: Number of requests for all devices; V(null) if no response shows how many devices the batch has.
      type: int
      returned: always
      sample: 100
    seconds:
      description:
        - Minimum number of seconds for these requests at the rate that O(max_qps) allows, without retries.
        - V(null) if the number of requests is not known.
      type: float
      returned: always
      sample: 20.0
clock_offset:
  description:
    - Number of seconds by which the service's clock is ahead of the clock of the machine that runs the module, to about
      a second.
    - V(null) if no response contained the time.
  type: float
  returned: always, unless Ansible rejects an option
  sample: 0.4
failure:
  description: What went wrong before any request was sent, as in RV(iotfleet.ota.ota_job_info#module:failure).
  type: dict
  returned: failure
"""

from typing import Any, cast

from ..module_utils._ansible.argspec import PREFLIGHT
from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._ansible.inputs import preflight_inputs
from ..module_utils._api.platforms import PLATFORMS
from ..module_utils._client.client import Client
from ..module_utils._queries.checks import CHECKS
from ..module_utils._queries.preflight import Findings, PreflightInputs, Probe
from ..module_utils._queries.version_sources import VERSION_SOURCES, VersionSource


def inputs(options: Options) -> list[PreflightInputs]:
    return [cast(PreflightInputs, preflight_inputs(options))]


def query(client: Client, options: Options, selected: PreflightInputs) -> Findings:
    instance = options["iot_instance_id"] if PLATFORMS[options["platform"]].sends_region else None
    return Probe(client, selected, instance, options["max_qps"]).call_all()


def version_source(findings: Findings, source: VersionSource) -> dict[str, Any]:
    count, module_name = findings.device_count, findings.module_name
    return {
        "source": source.name,
        "operation": source.operation.action,
        "permission": source.operation.permission,
        "allowed": findings.calls[source.operation.action].is_allowed,
        "shows_module": None if module_name is None else source.shows_module(module_name),
        "requests": None if count is None else source.count_requests(count),
        "seconds": None if count is None else round(source.seconds(count, findings.max_qps), 1),
    }


def result(entries: list[Findings]) -> dict[str, Any]:
    checks = [check(findings) for findings in entries for check in CHECKS]
    offset = entries[0].clock_offset if entries else None
    return {
        "checks": [check._asdict() for check in checks],
        "ok": bool(checks) and all(check.ok is not False for check in checks),
        "module_name": entries[0].module_name if entries else None,
        "version_sources": [version_source(findings, source) for findings in entries for source in VERSION_SOURCES],
        "clock_offset": offset if offset is None else round(offset, 1),
    }


def main() -> None:
    run_info_module(argument_spec=PREFLIGHT, inputs=inputs, query=query, result=result)


if __name__ == "__main__":
    main()
