# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import (
    DeviceReport,
    DeviceRows,
    competing_job,
    device_facts,
    module_of_job,
    name_device,
    read_device_rows,
    read_report,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

DEVICE = {"product_key": "k1", "device_name": "d-1"}
BUSY = {"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d-1", "course": "offline"}]}


def test_name_device_fills_what_the_service_left_out():
    rows = [{"product_key": None, "device_name": "", "version": "1"}, {"product_key": "k9", "device_name": "d-9"}]
    assert name_device(rows, DEVICE) == [
        {"product_key": "k1", "device_name": "d-1", "version": "1"},
        {"product_key": "k9", "device_name": "d-9"},
    ]
    assert rows[0] == {"product_key": None, "device_name": "", "version": "1"}


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize("device", [DEVICE, {"iot_id": "7"}])
def test_device_facts_have_all_selectors(device, found):
    nothing = {"product_key": None, "device_name": None, "iot_id": None}
    assert device_facts(device, found) == {**nothing, **device, "found": found}


class Rows:
    """A client whose rows are given, and which knows what it was asked for."""

    def __init__(self, rows):
        self.given = rows
        self.queries = []

    def rows(self, operation, **arguments):
        self.queries.append((operation, arguments))
        return self.given


def test_rows_of_a_device_are_read_as_they_are():
    client = Rows([{"job_id": "1"}])
    rows = read_device_rows(client, LIST_OTA_JOB_BY_DEVICE, DEVICE, firmware_id="f1")
    assert rows == DeviceRows(DEVICE, True, [{"job_id": "1"}])
    assert client.queries == [(LIST_OTA_JOB_BY_DEVICE, {**DEVICE, "firmware_id": "f1"})]


@pytest.mark.parametrize(("given", "found"), [([], True), (None, False)])
def test_device_without_rows_may_be_known(given, found):
    assert read_device_rows(Rows(given), LIST_OTA_JOB_BY_DEVICE, DEVICE) == DeviceRows(DEVICE, found, [])


# --- What a device reports -------------------------------------------------------------------------------------------


def module(name, version, iot_id=None):
    return {"module_name": name, "module_version": version, "iot_id": iot_id}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], DeviceReport({}, found=True), id="no module"),
        pytest.param(None, DeviceReport({}, found=False), id="not known"),
        pytest.param(
            [module("ble", "7", "i1"), module("default", "2.0", "i2")],
            DeviceReport({"ble": "7", "default": "2.0"}, iot_id="i1"),
            id="each module, and the IotId of the first",
        ),
        pytest.param(
            [module("ble", "7", ""), module("default", "2.0", "i2")],
            DeviceReport({"ble": "7", "default": "2.0"}, iot_id="i2"),
            id="the first IotId that is told",
        ),
        pytest.param(
            [module("ble", None), module("default", "")], DeviceReport({"ble": None, "default": None}), id="no version"
        ),
        pytest.param([module(" ble ", " 7 ")], DeviceReport({"ble": " 7 "}), id="blanks around a name mean nothing"),
        pytest.param(
            [module("ble", "7"), module("ble ", "8"), module("ble", "7")],
            DeviceReport({"ble": None}),
            id="two versions",
        ),
        pytest.param(
            [module("ble ", "7"), module("ble", None)], DeviceReport({"ble": None}), id="perhaps two versions"
        ),
        pytest.param([module("ble", "7"), module("ble ", "7")], DeviceReport({"ble": "7"}), id="one version twice"),
        pytest.param([module(None, "7"), module("", "8"), module(" ", "9")], DeviceReport({}), id="no name"),
        pytest.param(
            [module("ble", ["7"], {"id": "i1"}), module({"name": "mcu"}, "8", "i2")],
            DeviceReport({"ble": None}, iot_id="i2"),
            id="odd types",
        ),
    ],
)
def test_report_of_a_device(rows, expected):
    client = Rows(rows)
    assert read_report(client, ("k1", "d-1")) == expected
    assert client.queries == [(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, DEVICE)]


def test_report_alone_tells_nothing():
    assert DeviceReport() == DeviceReport(versions={}, found=True, iot_id=None, failure=None)


@pytest.mark.parametrize("query", [read_report, competing_job, module_of_job])
@pytest.mark.parametrize("key", [("", "d-1"), ("k1", ""), ("", "")])
def test_nobody_is_asked_about_a_device_that_is_not_named(query, key):
    client = Rows([{**module("default", "2.0", "i1"), "job_id": "1"}])
    arguments = {competing_job: (["2"],), module_of_job: ("1",)}.get(query, ())
    assert query(client, key, *arguments) == (DeviceReport() if query is read_report else None)
    assert client.queries == []


def test_report_of_a_device_by_the_service():
    rollout = Rollout(batch({"name": "d-1", "course": "offline"}))
    assert read_report(rollout.client(), ("k1", "d-1")).versions == {"default": "1.0"}
    assert read_report(rollout.client(), ("k1", "nobody")) == DeviceReport(found=False)
    assert rollout.actions == ["ListOTAModuleVersionsByDevice"] * 2


# --- What its unfinished tasks tell ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(["3"], "3", id="another batch"),
        pytest.param([None, "", "1", "3", "4"], "3", id="the first that is named and another"),
        pytest.param(["1", "2"], None, id="the same batches"),
        pytest.param([["3"], 3], None, id="odd types"),
        pytest.param([], None, id="no task"),
        pytest.param(None, None, id="not known"),
    ],
)
def test_competing_job(rows, expected):
    client = Rows(rows and [{"job_id": job_id} for job_id in rows])
    assert competing_job(client, ("k1", "d-1"), ["1", "2"]) == expected
    assert client.queries == [(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, DEVICE)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([("1", "mcu")], "mcu", id="of the batch"),
        pytest.param([("2", "ble"), ("1", "mcu")], "mcu", id="of this batch"),
        pytest.param([("1", None), ("1", ""), ("1", " "), ("1", " mcu"), ("1", "ble")], "mcu", id="the first named"),
        pytest.param([("1", {"name": "mcu"})], None, id="odd types"),
        pytest.param([("2", "ble")], None, id="of another batch"),
        pytest.param([], None, id="no task"),
        pytest.param(None, None, id="not known"),
    ],
)
def test_module_of_a_job(rows, expected):
    client = Rows(rows and [{"job_id": job_id, "module_name": name} for job_id, name in rows])
    assert module_of_job(client, ("k1", "d-1"), "1") == expected
    assert client.queries == [(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, DEVICE)]


def test_unfinished_tasks_by_the_service():
    world = batch({"name": "d-9", "course": "offline"})
    world["jobs"].append(BUSY)
    rollout = Rollout(world)
    rollout.clock.elapsed += 60
    client = rollout.client()
    assert [competing_job(client, ("k1", name), ["1"]) for name in ("d-1", "d-9", "nobody")] == ["2", None, None]
    assert [module_of_job(client, ("k1", name), "2") for name in ("d-1", "d-9", "nobody")] == ["default", None, None]
    assert rollout.actions == ["ListOTAUnfinishedTaskByDevice"] * 6
