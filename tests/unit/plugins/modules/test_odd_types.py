# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module on services that send another type than documented: the result is as documented, or says why not."""

from __future__ import annotations

import functools
import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import connection
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.modules import (
    ota_device_jobs_info,
    ota_device_states_info,
    ota_firmware_info,
    ota_firmware_jobs_info,
    ota_job_info,
    ota_job_tasks_info,
    ota_module_versions_info,
    ota_preflight_info,
    ota_unfinished_tasks_info,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import run_module
from ansible_collections.iotfleet.ota.tests.unit.odd_service import ODD_VALUES, Odd, OddService, odd_fields
from ansible_collections.iotfleet.ota.tests.unit.simulated import batch

from .conftest import hold_failure, hold_success

pytestmark = pytest.mark.exhaustive

WORLD = batch({"prefix": "d-", "count": 2, "course": "offline"}, tags={"room": "客厅"})
DEVICES = {"product_key": "k1", "device_names": ["d-1", "d-2"]}
QUERIES = {
    "QueryOTAJob": (ota_job_info, {"job_id": "1"}),
    "ListOTAJobByDevice": (ota_device_jobs_info, {**DEVICES, "firmware_id": "f1"}),
    "ListOTAUnfinishedTaskByDevice": (ota_unfinished_tasks_info, DEVICES),
    "ListOTATaskByJob": (ota_job_tasks_info, {"job_id": "1"}),
    "ListOTAModuleVersionsByDevice": (ota_module_versions_info, DEVICES),
    "BatchGetDeviceState": (ota_device_states_info, DEVICES),
    "QueryOTAFirmware": (ota_firmware_info, {"firmware_id": "f1"}),
    "ListOTAFirmware": (ota_firmware_info, {"product_key": "k1"}),
    "ListOTAJobByFirmware": (ota_firmware_jobs_info, {"firmware_id": "f1"}),
    "BatchQueryDeviceDetail": (ota_preflight_info, {"job_id": "1"}),
}
#: What a module may say of an odd value.
CODES = {"unreadable_response", "no_success", "no_code", "wrong_response", "incomplete_listing"}


@pytest.fixture
def ask(monkeypatch):
    """Run a module on a service with an odd value; its result."""

    def ask_module(odd):
        module, query = QUERIES[odd.action]
        service = OddService(WORLD, odd)
        clock = service.clock
        monkeypatch.setattr(connection, "RateLimiter", lambda qps: RateLimiter(0, clock.monotonic, clock.sleep))
        monkeypatch.setattr(connection, "Client", functools.partial(Client, wall=clock.wall))
        monkeypatch.setattr(connection, "Transport", lambda *arguments: service)
        key = service.service.scenario.access_keys[0]
        signing = {"access_key_id": key.id, "access_key_secret": key.secret, "endpoint": "https://iot.example.com"}
        result = run_module(module.main, {**signing, "retries": 0, **query})
        return module, result, service.spoiled

    return ask_module


@pytest.mark.parametrize("action", QUERIES)
def test_no_odd_value_confuses_a_module(ask, action):
    total = 0
    fields = [(wire, in_data) for asked, wire, in_data in odd_fields() if asked == action]
    for position, (wire, in_data) in enumerate(fields):
        for value in ODD_VALUES[position % 5 :: 5]:
            odd = Odd(action, wire, value, in_data)
            module, result, spoiled = ask(odd)
            total += spoiled
            json.dumps(result, allow_nan=False)
            if "failed" in result:
                assert result["failure"]["code"] in CODES, (odd, result["msg"])
                hold_failure(module, result)
            else:
                assert "unexpected_error" not in str(result), (odd, result)
                hold_success(module, result)
    assert total
