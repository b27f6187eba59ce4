# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of fleets whose devices report the new version, or cannot be read."""

from __future__ import annotations

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError


class Fleet:
    """A client of devices that report 2.0, but for those that fail; ``asked`` are the names, in order."""

    clock_offset = 7.0

    def __init__(self, **failures):
        self.failures = failures
        self.asked = []

    def rows(self, operation, product_key, device_name):
        self.asked.append(device_name)
        if device_name in self.failures:
            raise self.failures[device_name]
        row = {"module_name": "default", "module_version": "2.0", "iot_id": None, "job_id": f"busy-{device_name}"}
        return [row]

    def map(self, query, items):
        found = []
        for item in items:
            try:
                found.append(query(item))
            except OtaError as error:
                return found, error
        return found, None


def odd(code="iot.device.Odd", http_status=200, **options):
    return OtaError("it is odd", code=code, hint="look it up", http_status=http_status, action="List", **options)


def keys_of(count):
    return [("k1", f"d{number}") for number in range(1, count + 1)]


def failing(*numbers, error=None):
    return Fleet(**{f"d{number}": error or odd() for number in numbers})
