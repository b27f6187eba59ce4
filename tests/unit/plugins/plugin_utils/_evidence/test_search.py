# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import Search
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.search import Selection, find_batches
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout

OLD = [{"firmware_id": f"old-{n}", "product_key": "k1", "dest_version": "2.0"} for n in range(120)]
PACKAGES = [
    {"firmware_id": "f1", "product_key": "k1", "dest_version": "2.4.1", "name": "客厅"},
    {"firmware_id": "f2", "product_key": "k1", "dest_version": "2.4.1", "module_name": "mcu"},
    {"firmware_id": "f3", "product_key": "k1", "dest_version": "2.4"},
    {"firmware_id": "f4", "product_key": "k2", "dest_version": "2.4.1"},
]
JOBS = [
    {"job_id": "1", "firmware_id": "f1", "job_type": "VERFIY_FIRMWARE", "created_before": 300},
    {"job_id": "2", "firmware_id": "f1", "tags": {"stage": "canary", "房间": "客厅"}, "created_before": 200},
    {"job_id": "3", "firmware_id": "f1", "tags": {"stage": "fleet"}, "created_before": 100},
    {"job_id": "4", "firmware_id": "f2", "created_after": 30},
    {"job_id": "5", "firmware_id": "f3"},
    {"job_id": "6", "firmware_id": "f4"},
]
WORLD = {"firmwares": [*OLD, *PACKAGES], "jobs": [{"devices": ["d-1"], **job} for job in JOBS]}
SEARCH = Search("k1", "2.4.1")


@pytest.mark.parametrize("wire", [("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json")], ids=" ".join)
@pytest.mark.parametrize(
    ("search", "job_ids"),
    [
        ({"tags": {"stage": "canary", "房间": "客厅"}}, ("2",)),
        ({"which": "newest"}, ("3",)),
        ({"which": "all"}, ("2", "3")),
        ({"job_type": "VERIFY_FIRMWARE"}, ("1",)),
        ({"product_key": "k2"}, ("6",)),
        ({"dest_version": "2.4"}, ("5",)),
        ({"created_after": "2024-11-19T09:46:00Z"}, ("3",)),
        ({"module_name": "mcu"}, ()),
    ],
    ids=str,
)
def test_batches_of_a_product_to_a_version(wire, search, job_ids):
    if wire[0] == "tuya" and "tags" in search:
        pytest.skip("its lists have no tags")
    assert find_batches(Rollout(WORLD, *wire).client(), SEARCH._replace(**search)).job_ids == job_ids


def test_only_the_batches_of_packages_that_fit_are_read():
    rollout = Rollout(WORLD)
    find_batches(rollout.client(), SEARCH._replace(module_name="default"))
    assert rollout.actions == ["ListOTAFirmware", "ListOTAJobByFirmware"]


def test_package_that_is_listed_and_not_known_is_not_left_out():
    rollout = Rollout(WORLD)
    rollout.fault("business_error", action="ListOTAJobByFirmware", code="iot.firmware.FirmwareNotFound", times=1)
    assert find_batches(rollout.client(), SEARCH).unfound.code == "ambiguous_batch"


def test_packages_on_several_pages():
    rollout = Rollout({**WORLD, "jobs": [{"job_id": "7", "firmware_id": "old-119", "devices": []}]})
    assert find_batches(rollout.client(), Search("k1", "2.0")).job_ids == ("7",)
    assert rollout.actions.count("ListOTAFirmware") == 2
    assert rollout.actions.count("ListOTAJobByFirmware") == 120


def test_once_found_the_batches_stay_the_same():
    rollout = Rollout(WORLD)
    selection = Selection(rollout.client(), (), SEARCH._replace(module_name="mcu"))
    assert selection.find().code == "no_batch"
    assert (selection.job_ids, selection.why) == ((), "")
    rollout.clock.elapsed += 30
    assert selection.find() is None
    assert selection.job_ids == ("4",)
    assert selection.why == "found batch 4 (IN_PROGRESS): the only one that fits, out of 1 batch of version 2.4.1"
    asked = len(rollout.actions)
    assert selection.find() is None
    assert len(rollout.actions) == asked


def test_batches_that_are_given_are_not_searched():
    rollout = Rollout(WORLD)
    selection = Selection(rollout.client(), ["9"])
    assert selection.find() is None
    assert (selection.job_ids, rollout.actions) == (["9"], [])


@pytest.mark.parametrize("action", ["ListOTAFirmware", "ListOTAJobByFirmware"])
def test_lists_that_cannot_be_read_find_nothing(action):
    rollout = Rollout(WORLD)
    rollout.fault("no_permission", action=action)
    selection = Selection(rollout.client(), (), SEARCH)
    with pytest.raises(OtaError) as error:
        selection.find()
    assert error.value.code == "NoPermission"
    assert selection.job_ids == ()
