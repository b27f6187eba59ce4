# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.firmwares import (
    list_firmwares,
    read_firmware,
    read_firmware_jobs,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout

PACKAGE = {"product_key": "k1", "dest_version": "2.0"}
WORLD = {
    "firmwares": [
        {**PACKAGE, "firmware_id": "f1", "files": ["客厅"], "status": 2},
        {**PACKAGE, "firmware_id": "f2", "module_name": "mcu"},
        {**PACKAGE, "firmware_id": "f3", "dest_version": "2.0.0"},
    ],
    "jobs": [
        {"job_id": "1", "firmware_id": "f1", "devices": [], "created_before": 60},
        {"job_id": "2", "firmware_id": "f1", "devices": ["d-1"], "created_before": 1},
    ],
}


@pytest.fixture(params=[("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json")], ids=" ".join)
def client(request):
    return Rollout(WORLD, *request.param).client()


def test_one_package(client):
    facts = read_firmware(client, "f1")
    assert (facts["firmware_id"], facts["found"], facts["verified"], facts["status"]) == ("f1", True, False, 2)
    assert "://" not in str(facts)


def test_unknown_package(client):
    facts = read_firmware(client, "f9")
    assert (facts["firmware_id"], facts["found"], facts["verified"]) == ("f9", False, None)
    assert facts.keys() == read_firmware(client, "f1").keys()


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        ({}, ["f1", "f2", "f3"]),
        ({"product_key": "k1", "dest_version": "2.0"}, ["f1", "f2"]),
        ({"dest_version": "2.0", "module_name": "mcu"}, ["f2"]),
        ({"dest_version": "9"}, []),
    ],
)
def test_packages_in_a_list(client, selection, ids):
    rows = list_firmwares(client, **selection)
    assert [row["firmware_id"] for row in rows] == ids
    assert "://" not in str(rows)
    assert all(row.keys() == read_firmware(client, "f1").keys() for row in rows)


def test_batches_of_a_package(client):
    found = read_firmware_jobs(client, "f1")
    assert (found.firmware_id, found.found) == ("f1", True)
    assert [(job["job_id"], job["finished"], job["firmware_id"]) for job in found.jobs] == [
        ("2", False, "f1"),
        ("1", True, "f1"),
    ]
    assert read_firmware_jobs(client, "f2") == ("f2", True, [])
    assert read_firmware_jobs(client, "f9") == ("f9", False, [])
