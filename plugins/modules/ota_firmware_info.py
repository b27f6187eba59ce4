#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_firmware_info
short_description: Read OTA update packages
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Reads all packages of a product, or those for one version, with the operation ListOTAFirmware, or the packages in
    O(firmware_ids), each with the operation QueryOTAFirmware. It reads all pages of a list and checks them against the
    totals that the service reports.
  - The service links to the files of a package, and anyone who has such a link can download them. The links are
    dropped as the response is read, and never returned, shown or logged.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.summary
  - iotfleet.ota.attributes
options:
  product_key:
    description:
      - The key of the product whose packages to read. Without it and O(firmware_ids), the packages of all products are
        read.
    type: str
  dest_version:
    description:
      - Read only packages that update devices to exactly this version.
      - Quote it if it looks like a number, because V(2.10) is V(2.1) in YAML. A number is rejected.
    type: str
  module_name:
    description:
      - Return only packages for this OTA module. The service has no such filter, so the other packages are read and
        left out.
    type: str
  firmware_ids:
    description:
      - The IDs of the packages to read. Cannot be used together with O(product_key), O(dest_version) and
        O(module_name).
    type: list
    elements: str
    aliases:
      - firmware_id
seealso:
  - module: iotfleet.ota.ota_firmware_jobs_info
  - module: iotfleet.ota.ota_job_info
"""

EXAMPLES = r"""
- name: Read the package that brings a product to the version that was just built
  iotfleet.ota.ota_firmware_info:
    product_key: a19mzPZ0001
    dest_version: "{{ ota_version }}"
    module_name: default
  register: package

- name: Make sure that it is there, once, and verified
  ansible.builtin.assert:
    that:
      - package.firmwares | length == 1
      - package.firmwares[0].verified

- name: Read two packages by their IDs
  iotfleet.ota.ota_firmware_info:
    firmware_ids:
      - s8SSHiKjpBfrM3BSN0z803
      - FJFx8JzpnhpIsKftRjjm030001
  register: packages

- name: Show which of them the service does not know
  ansible.builtin.debug:
    msg: "{{ packages.firmwares | rejectattr('found') | map(attribute='firmware_id') | list }}"

- name: Wait until a package is verified
  iotfleet.ota.ota_firmware_info:
    firmware_id: FJFx8JzpnhpIsKftRjjm030001
  register: package
  until: package is failed or package.firmwares[0].verified
  retries: 20
  delay: 30
"""

RETURN = r"""
firmwares:
  description:
    - One entry for each of O(firmware_ids), in the same order, or one for each package of the list, in the order of the
      service.
    - A field that the service left out is V(null), or an empty list if it is a list. Other fields are dropped, because
      some are links to the package.
    - After a failure, only the entries that could be read.
  type: list
  elements: dict
  returned: always, unless O(only_summary=true) or Ansible rejects an option
  contains:
    firmware_id:
      description: The ID of the package.
      type: str
      returned: always
      sample: s8SSHiKjpBfrM3BSN0z803
    found:
      description: Whether the service knows the package. If not, all other fields are V(null) or an empty list.
      type: bool
      returned: always
      sample: true
    verified:
      description:
        - Whether it is verified, or needs no verification. V(false) while it is not, and after its verification failed,
          see RV(firmwares[].status).
      type: bool
      returned: always
      sample: true
    status:
      description:
        - The state of its verification, V(-1) if none is needed, V(0) before it, V(1) after success, V(2) during it,
          and V(3) after a failure.
      type: int
      returned: always
      sample: 1
    verify_progress:
      description: The progress of its verification in percent. Only with O(firmware_ids), else V(null).
      type: int
      returned: always
      sample: 100
    firmware_name:
      description: The name of the package.
      type: str
      returned: always
      sample: lamp-2.0.0
    firmware_desc:
      description: The description of the package.
      type: str
      returned: always
      sample: OTA functions updated
    product_key:
      description: The key of its product.
      type: str
      returned: always
      sample: a19mzPZ0001
    product_name:
      description: The name of its product.
      type: str
      returned: always
      sample: Lamp
    module_name:
      description: The OTA module that it is for.
      type: str
      returned: always
      sample: default
    src_version:
      description: The version that a delta package starts from.
      type: str
      returned: always
      sample: 1.0.0
    dest_version:
      description: The version that it updates devices to.
      type: str
      returned: always
      sample: 2.0.0
    type:
      description: V(0) for a full package, V(1) for a delta package.
      type: int
      returned: always
      sample: 0
    firmware_size:
      description: Its size in bytes.
      type: int
      returned: always
      sample: 1048576
    firmware_sign:
      description: The digest of its file.
      type: str
      returned: always
      sample: 93230c3bde425a9d7984a594ac55ea1e
    sign_method:
      description: The method of RV(firmwares[].firmware_sign), such as V(MD5) or V(SHA256).
      type: str
      returned: always
      sample: MD5
    udi:
      description: Further information for devices in the package, as text. Only with O(firmware_ids), else V(null).
      type: str
      returned: always
      sample: "{}"
    multi_files:
      description: The files of a package that has several. Only with O(firmware_ids), else an empty list.
      type: list
      elements: dict
      returned: always
      contains:
        name:
          description: The name of the file.
          type: str
          returned: always
          sample: part1.bin
        size:
          description: Its size in bytes.
          type: int
          returned: always
          sample: 65536
        file_md5:
          description: Its MD5 digest.
          type: str
          returned: always
          sample: 93230c3bde425a9d7984a594ac55ea1e
        sign_value:
          description: Its digest by RV(firmwares[].sign_method).
          type: str
          returned: always
          sample: 93230c3bde425a9d7984a594ac55ea1e
    utc_create:
      description: When the package was created, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
    utc_modified:
      description: When the package was last modified, in UTC.
      type: str
      returned: always
      sample: "2019-12-28T02:43:10.000Z"
summary:
  description: The result in numbers.
  type: dict
  returned: always, unless Ansible rejects an option
  contains:
    total:
      description: Number of entries.
      type: int
      returned: always
      sample: 1
    found:
      description: Number of packages that the service knows.
      type: int
      returned: always
      sample: 1
    verified:
      description: Number of packages that are verified, or need no verification.
      type: int
      returned: always
      sample: 1
failure:
  description: What went wrong, as in RV(iotfleet.ota.ota_job_info#module:failure).
  type: dict
  returned: failure
"""

from collections.abc import Mapping
from typing import Any

from ..module_utils._ansible.argspec import FIRMWARES, ONLY_SUMMARY
from ..module_utils._ansible.info_module import Options, run_info_module
from ..module_utils._ansible.inputs import firmware_selectors
from ..module_utils._client.client import Client
from ..module_utils._queries.firmwares import list_firmwares, read_firmware


def query(client: Client, options: Options, selection: Mapping[str, str]) -> list[dict[str, Any]]:
    if "firmware_id" in selection:
        return [read_firmware(client, selection["firmware_id"])]
    return list_firmwares(client, **selection)


def result(entries: list[list[dict[str, Any]]]) -> dict[str, Any]:
    firmwares = [firmware for entry in entries for firmware in entry]
    return {
        "firmwares": firmwares,
        "summary": {
            "total": len(firmwares),
            "found": sum(firmware["found"] for firmware in firmwares),
            "verified": sum(bool(firmware["verified"]) for firmware in firmwares),
        },
    }


def main() -> None:
    run_info_module(
        argument_spec={
            "product_key": {"type": "str", "no_log": False},
            "dest_version": {"type": "str"},
            "module_name": {"type": "str"},
            **FIRMWARES,
            **ONLY_SUMMARY,
        },
        inputs=firmware_selectors,
        query=query,
        result=result,
    )


if __name__ == "__main__":
    main()
