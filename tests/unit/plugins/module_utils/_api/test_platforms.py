# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import LIST_OTA_UNFINISHED_TASK_BY_DEVICE
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import (
    COMMON_HEADERS,
    COMMON_PARAMETERS,
    PLATFORMS,
    wire_parameters,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError


def test_parameters_have_their_names_on_the_wire():
    values = {"iot_id": None, "product_key": "k", "device_name": "", "task_statuses": ["QUEUED", "NOTIFIED"]}
    assert wire_parameters(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.parameters, values) == {
        "ProductKey": "k",
        "TaskStatusList.1": "QUEUED",
        "TaskStatusList.2": "NOTIFIED",
    }


@pytest.mark.parametrize("value", ["\ud800", ["a", "\ud800"]])
def test_invalid_unicode_is_refused(value):
    with pytest.raises(OtaError, match="is not valid Unicode"):
        wire_parameters({"job_id": "JobId"}, {"job_id": value})


def test_unknown_parameter_is_a_mistake():
    with pytest.raises(KeyError):
        wire_parameters(COMMON_PARAMETERS, {"job_id": "1"})


def test_platforms_bear_their_names():
    assert {name: platform.name for name, platform in PLATFORMS.items()} == {"alibaba": "alibaba", "tuya": "tuya"}


def test_regions_have_a_host():
    platform = PLATFORMS["alibaba"]
    assert platform.host.format(region=platform.regions[0]) == "iot.cn-shanghai.aliyuncs.com"
    assert (PLATFORMS["tuya"].regions, PLATFORMS["tuya"].host) == ((), "")


def test_headers_of_acs3_are_in_lower_case():
    assert all(header == header.lower() for header in COMMON_HEADERS.values())
