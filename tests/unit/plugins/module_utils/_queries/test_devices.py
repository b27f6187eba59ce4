# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import (
    competing_job,
    device_facts,
    device_key,
    name_device,
    read_version,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

DEVICE = {"product_key": "k1", "device_name": "d-1"}
BUSY = {"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d-1", "course": "offline"}]}


def test_device_key_of_an_entry():
    assert device_key(DEVICE) == ("k1", "d-1")
    assert device_key({"product_key": None, "device_name": None}) == ("", "")


def test_name_device_fills_what_the_service_left_out():
    rows = [{"product_key": None, "device_name": "", "version": "1"}, {"product_key": "k9", "device_name": "d-9"}]
    assert name_device(rows, DEVICE) == [
        {"product_key": "k1", "device_name": "d-1", "version": "1"},
        {"product_key": "k9", "device_name": "d-9"},
    ]
    assert rows[0] == {"product_key": None, "device_name": "", "version": "1"}


def test_device_facts_have_all_selectors():
    assert device_facts({"iot_id": "7"}, False) == {
        "product_key": None,
        "device_name": None,
        "iot_id": "7",
        "found": False,
    }


@pytest.mark.parametrize(
    ("key", "module_name", "version"),
    [
        (("k1", "d-1"), "default", "1.0"),
        (("k1", "d-1"), "ble", None),
        (("k1", "nobody"), "default", ""),
        (("", "d-1"), "default", None),
        (("k1", ""), "default", None),
    ],
)
def test_read_version(key, module_name, version):
    rollout = Rollout(batch({"name": "d-1", "course": "offline"}))
    assert read_version(rollout.client(), key, module_name) == version
    assert rollout.actions == (["ListOTAModuleVersionsByDevice"] if all(key) else [])


@pytest.mark.parametrize(
    ("key", "job_ids", "other"),
    [
        (("k1", "d-1"), ["1"], "2"),
        (("k1", "d-1"), ["1", "2"], None),
        (("k1", "nobody"), ["1"], None),
        (("", "d-1"), ["1"], None),
        (("k1", ""), ["1"], None),
    ],
)
def test_competing_job(key, job_ids, other):
    world = batch({"name": "d-9", "course": "offline"})
    world["jobs"].append(BUSY)
    rollout = Rollout(world)
    rollout.clock.elapsed += 60
    assert competing_job(rollout.client(), key, job_ids) == other
    assert rollout.actions == (["ListOTAUnfinishedTaskByDevice"] if all(key) else [])


class Rows:
    """A client whose rows are given."""

    def __init__(self, *rows):
        self.given = list(rows)

    def rows(self, operation, **arguments):
        assert arguments == DEVICE
        return self.given


def test_competing_job_is_the_first_that_is_named_and_another():
    rows = [{"job_id": None}, {"job_id": ""}, {"job_id": "1"}, {"job_id": "3"}, {"job_id": "2"}]
    assert competing_job(Rows(*rows), ("k1", "d-1"), ["1"]) == "3"


@pytest.mark.parametrize(
    ("rows", "version"),
    [
        pytest.param([], None, id="no module"),
        pytest.param([("ble", "7"), ("default", "2.0")], "2.0", id="of this module"),
        pytest.param([("default", "")], None, id="blank"),
        pytest.param([("default", "1.0"), ("default", "2.0")], "2.0", id="the last counts"),
    ],
)
def test_version_is_that_of_the_module(rows, version):
    client = Rows(*({"module_name": name, "module_version": text} for name, text in rows))
    assert read_version(client, ("k1", "d-1"), "default") == version
