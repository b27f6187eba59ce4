# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that select devices."""

    DOCUMENTATION = r"""
options:
  product_key:
    description:
      - The key of the product that the devices in O(device_names) belong to.
      - Give either this with O(device_names), or O(iot_ids).
    type: str
  device_names:
    description:
      - The names of the devices.
    type: list
    elements: str
    aliases:
      - device_name
  iot_ids:
    description:
      - The IDs of the devices, instead of O(product_key) and O(device_names).
    type: list
    elements: str
    aliases:
      - iot_id
"""
