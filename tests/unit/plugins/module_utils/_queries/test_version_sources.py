# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import VERSION_SOURCES

DEVICE, DETAILS = VERSION_SOURCES


@pytest.mark.parametrize(
    ("source", "devices", "requests", "seconds"),
    [
        (DEVICE, 0, 0, 0.0),
        (DEVICE, 1, 1, 0.1),
        (DEVICE, 1000, 1000, 100.0),
        (DETAILS, 0, 0, 0.0),
        (DETAILS, 1, 1, 0.2),
        (DETAILS, 100, 1, 0.2),
        (DETAILS, 101, 2, 0.4),
        (DETAILS, 1000, 10, 2.0),
    ],
)
def test_what_reading_takes(source, devices, requests, seconds):
    assert source.count_requests(devices) == requests
    assert source.seconds(devices, 10) == pytest.approx(seconds)
    assert source.seconds(devices, 2.5) == pytest.approx(4 * seconds)
    assert source.seconds(devices, 0) == 0


@pytest.mark.parametrize(
    ("source", "module_name", "shown"),
    [
        (DEVICE, "default", True),
        (DEVICE, "ble", True),
        (DEVICE, None, True),
        (DETAILS, "default", True),
        (DETAILS, "ble", False),
        (DETAILS, None, True),
    ],
)
def test_modules_that_a_source_shows(source, module_name, shown):
    assert source.shows_module(module_name) is shown
