# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.devices_csv import COLUMNS, cell, csv_report
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch

REPORT = """\
device_name,product_key,batch,job_id,state,class,verified,task_status,progress_percent,version,detail,busy_with,since,\
idle_seconds
f001,a19mzPZ0001,"Berlin, A",1834,failed,download,false,FAILED,30.0,,'-2: no space,,2026-03-01T10:00:00Z,0.0
q001,a19mzPZ0001,"Berlin, A",1834,pending,offline,false,QUEUED,,,,,2026-03-01T10:00:00Z,0.0
s0001,a19mzPZ0001,"Berlin, A",1834,succeeded,,false,SUCCEEDED,,,,,2026-03-01T10:00:00Z,0.0
"""


def test_a_whole_table():
    tasks = [*fine(1), *waiting(1), *failing(1, "-2: no space", progress_percent=30.0)]
    result = gated(batch(*tasks, job_id="1834", job_desc="Berlin, A", status="IN_PROGRESS"))
    assert csv_report(result) == REPORT


def test_of_more_devices_than_are_listed_those_that_have_not_succeeded_are_there():
    result = gated(batch(*failing(30), *fine(1000), *waiting(2), status="IN_PROGRESS"))
    rows = list(csv.DictReader(csv_report(result).splitlines()))
    assert [row["state"] for row in rows] == ["failed"] * 30 + ["pending"] * 2
    assert tuple(rows[0]) == COLUMNS


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", " =", "\n@", "\t="])
def test_no_cell_begins_a_formula(begin):
    assert cell(f"{begin}cmd|'/c calc'!A1").startswith("'")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-1.5, "-1.5"),
        ("lamp-1", "lamp-1"),
        ("-2: failed", "'-2: failed"),
        ("two\nlines", "two lines"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("{{ 7*7 }}", "{ { 7*7 }}"),
    ],
)
def test_cells(value, text):
    assert cell(value) == text
