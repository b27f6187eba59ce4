# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways to read the versions of many devices, and how long each takes."""

from __future__ import annotations

from typing import NamedTuple

from .._api.operations import BATCH_QUERY_DEVICE_DETAIL, LIST_OTA_MODULE_VERSIONS_BY_DEVICE, MAX_DETAIL_NAMES
from .._api.schema import Operation
from .._client.rate_limiter import full_rate
from .details import DEFAULT_MODULE


class VersionSource(NamedTuple):
    """A way to read versions: ``block`` devices of one product by each request of an ``operation``.

    ``module_name`` is the only module that it shows, if it does not show all.
    """

    name: str
    operation: Operation
    block: int
    module_name: str | None = None

    def shows_module(self, module_name: str | None) -> bool:
        """Whether it shows the version of a module; that of an unknown one it may."""
        return None in (self.module_name, module_name) or self.module_name == module_name

    def count_requests(self, devices: int) -> int:
        """Number of requests for so many ``devices`` of one product, if the service knows all of them."""
        return -(-devices // self.block)

    def seconds(self, devices: int, max_qps: float) -> float:
        """How long these requests take at the full rate that ``max_qps`` allows, in seconds; 0 without a limit."""
        return self.count_requests(devices) / full_rate(self.operation, max_qps)

    def devices_per_second(self, max_qps: float) -> float:
        """How many devices can be read in a second at that rate; infinite without a limit."""
        return self.block * full_rate(self.operation, max_qps)


DEVICE_SOURCE = VersionSource("device", LIST_OTA_MODULE_VERSIONS_BY_DEVICE, 1)
DETAILS_SOURCE = VersionSource("details", BATCH_QUERY_DEVICE_DETAIL, MAX_DETAIL_NAMES, DEFAULT_MODULE)
VERSION_SOURCES = (DEVICE_SOURCE, DETAILS_SOURCE)
