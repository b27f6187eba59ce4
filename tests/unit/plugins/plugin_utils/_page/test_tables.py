# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page import tables
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.tables import (
    batch_row,
    batch_table,
    device_row,
    device_tables,
)

DAY = "2026-03-01"
ONE = {"jobs": [{"job_id": "b-1", "label": "Berlin"}]}
TWO = {"jobs": [{"job_id": "b-1", "label": "Berlin"}, {"job_id": "b-2"}]}
LABELS = {"b-1": "Berlin", "b-2": "b-2"}


def device(**changes):
    return {
        "device_name": "lamp-1",
        "job_id": "b-1",
        "class": "download",
        "task_status": "FAILED",
        "progress_percent": 30.0,
        "version": None,
        "detail": "-2: the download failed",
        "busy_with": None,
        "since": "2026-03-01T10:12:44Z",
        "idle_seconds": 251.0,
        **changes,
    }


def of(*devices, **given):
    result = {"failed_devices": [*devices], "counts": {"failed": len(devices)}, **TWO, **given}
    return device_tables(result, ("failed", "pending"), DAY)


# --- Devices ---------------------------------------------------------------------------------------------------------


def test_the_cells_of_a_device():
    assert device_row(device(), LABELS, DAY) == {
        "device": "lamp-1",
        "state": "FAILED at 30 %",
        "reason": "download",
        "detail": "-2: the download failed",
        "version": "",
        "unchanged": "4 min 11 s",
        "since": "10:12:44",
        "batch": "Berlin",
    }


@pytest.mark.parametrize(
    ("changes", "cells"),
    [
        ({"device_name": " "}, {"device": "(blank)"}),
        ({"device_name": None}, {"device": "(blank)"}),
        ({"since": "2026-02-28T08:00:00Z"}, {"since": "2026-02-28 08:00:00"}),
        ({"job_id": "b-3"}, {"batch": "b-3"}),
        ({"job_id": None}, {"batch": ""}),
        ({"class": "offline", "detail": None}, {"reason": "queued"}),
        ({"class": "offline"}, {"reason": "offline"}),
        ({"class": None}, {"reason": ""}),
        ({"busy_with": "b-9"}, {"detail": "-2: the download failed Busy with b-9"}),
        (
            {"class": "fell_back", "detail": "fell back from 2.4.1 to 2.3.0 after 2026-03-01T10:12:44Z"},
            {"reason": "fell back", "detail": "fell back from 2.4.1 to 2.3.0 after 10:12:44"},
        ),
    ],
)
def test_cells_that_depend(changes, cells):
    row = device_row(device(**changes), LABELS, DAY)
    assert {key: row[key] for key in cells} == cells


def test_an_empty_device_has_empty_cells():
    row = device_row({}, {}, DAY)
    assert row.pop("device") == "(blank)"
    assert set(row.values()) == {""}


def test_columns_without_anything_are_left_out():
    (table,) = of(device(), device(device_name="lamp-2"))
    keys = [column["key"] for column in table["columns"]]
    assert keys == ["device", "state", "reason", "detail", "unchanged", "since", "batch"]
    (table,) = of(device(version="1.0.0"), **ONE)
    assert [column["name"] for column in table["columns"]][-3:] == ["Version", "No change for", "Since (UTC)"]


def test_tables_in_the_order_that_is_asked_for():
    found = of(device(), pending_devices=[device(task_status="QUEUED")], counts={"failed": 1, "pending": 1640})
    shown = [(table["state"], table["heading"], table["total"], table["left_out"]) for table in found]
    assert shown == [
        ("failed", "Failed devices", "1", ""),
        ("pending", "Unfinished devices", "1,640", "1,639 more are not listed."),
    ]
    assert of(device(), counts={"failed": 2})[0]["left_out"] == "1 more is not listed."
    assert of() == []


def test_there_is_room_for_so_many_characters(monkeypatch):
    monkeypatch.setattr(tables, "MAX_SIZE", 5000)
    found = of(*(device(device_name="<" * 100) for _number in range(50)), pending_devices=[device()])
    assert [(table["state"], len(table["rows"]), table["left_out"]) for table in found] == [
        ("failed", 6, "44 more are not listed.")
    ]


# --- Batches ---------------------------------------------------------------------------------------------------------

JOB = {
    "job_id": "b-1",
    "label": "Berlin",
    "job_status": "IN_PROGRESS",
    "module_name": "default",
    "dest_version": "2.0.0",
    "product_key": "a1",
    "firmware_id": "f1",
    "utc_create": "2026-03-01T10:00:00.000Z",
    "counts": {"devices": 2000, "succeeded": 1640, "failed": 60, "pending": 300},
}


def test_a_batch_is_called_by_its_label():
    row = batch_row(JOB, DAY)
    assert [part["width"] for part in row.pop("bar")] == [3.0, 82.0, 15.0]
    assert row == {
        "batch": "Berlin",
        "id": "b-1",
        "state": "IN_PROGRESS",
        "module": "default",
        "version": "2.0.0",
        "product": "a1",
        "package": "f1",
        "created": "10:00:00",
        "devices": "2,000",
        "succeeded": "1,640",
        "failed": "60",
        "pending": "300",
        "failed_share": "3 %",
    }


@pytest.mark.parametrize(
    ("label", "name", "job_id"), [(None, "b-1", ""), ("b-1", "b-1", ""), ("batch b-1", "batch b-1", "")]
)
def test_the_id_is_said_once(label, name, job_id):
    row = batch_row({**JOB, "label": label}, DAY)
    assert (row["batch"], row["id"]) == (name, job_id)


def test_a_batch_that_is_not_known():
    row = batch_row({"job_id": "b-1", "found": False}, DAY)
    assert (row["state"], row["devices"], row["failed_share"], row["bar"]) == ("not found", "", "", [])


def test_what_batches_share_is_no_column():
    table = batch_table({"jobs": [JOB, {**JOB, "job_id": "b-2", "dest_version": "2.1.0"}]}, DAY)
    assert [column["name"] for column in table["columns"]] == [
        *("Batch", "State", "Devices", "Succeeded", "Failed", "Unfinished", "Version")
    ]
    assert [column["is_number"] for column in table["columns"]] == [False, False, True, True, True, True, False]
    assert table["shared"] == "Module default, product a1, package f1, created (UTC) 10:00:00."
    assert table["total"] == "2"


@pytest.mark.parametrize("jobs", [None, [], 7])
def test_no_batches(jobs):
    assert batch_table({"jobs": jobs}, DAY) == {"columns": [], "rows": [], "total": "0", "shared": ""}
