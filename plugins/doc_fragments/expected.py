# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that say which batch is meant. Those of the gate say what they do to its verdict."""

    DOCUMENTATION = r"""
options:
  expected_product_key:
    description:
      - The key of the product that each batch is expected to be for.
    type: str
    version_added: 0.3.0
  expected_firmware_id:
    description:
      - The ID of the update package that each batch is expected to have.
    type: str
    version_added: 0.3.0
  expected_version:
    description:
      - The version that each batch is expected to update its devices to.
      - Quote it if it looks like a number, because V(2.10) is V(2.1) in YAML. A number is rejected.
    type: str
    version_added: 0.3.0
  expected_job_type:
    description:
      - The type that each batch is expected to have.
    type: str
    choices:
      - UPGRADE_FIRMWARE
      - VERIFY_FIRMWARE
    version_added: 0.3.0
  expected_module_name:
    description:
      - The OTA module that each batch is expected to be for, by its update package.
    type: str
    version_added: 0.3.0
"""
