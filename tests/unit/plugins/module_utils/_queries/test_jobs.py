# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import (
    TaskListing,
    TaskQuery,
    classify_failure,
    merge_listings,
    parse_percent,
    plan_queries,
)

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def test_one_query_for_the_whole_batch():
    assert plan_queries("1", None, None, False) == [TaskQuery("1", 1)]
    assert plan_queries("1", None, None, True) == [TaskQuery("1", 1, counts_only=True)]


def test_states_are_queried_one_by_one_and_once():
    queries = plan_queries("1", ["FAILED", "QUEUED", "FAILED"], None, False)
    assert [(query.status, query.total) for query in queries] == [("QUEUED", 2), ("FAILED", 2)]


def test_devices_are_queried_in_blocks_and_once():
    names = [f"d{number}" for number in range(101)]
    queries = plan_queries("1", None, [*names, "d0"], False)
    assert [len(query.device_names) for query in queries] == [50, 50, 1]
    assert [name for query in queries for name in query.device_names] == names


def test_states_are_queried_for_each_block():
    queries = plan_queries("1", ["FAILED", "QUEUED"], [f"d{number}" for number in range(51)], False)
    assert [(query.status, len(query.device_names)) for query in queries] == [
        ("QUEUED", 50),
        ("QUEUED", 1),
        ("FAILED", 50),
        ("FAILED", 1),
    ]


def task(task_id, status="QUEUED"):
    return {"task_id": task_id, "task_status": status, "device_name": f"d{task_id}"}


def listing_of(query, *tasks, announced=None, problem=None, counts=None, found=True):
    return TaskListing(query, found, list(tasks), announced, problem, counts)


def test_listing_of_the_whole_batch():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, task("1"), task("2", "FAILED"), announced=2)])
    assert merged == {
        "tasks": [task("1"), task("2", "FAILED")],
        "missing": [],
        "found": True,
        "by_status": {**ZERO, "QUEUED": 1, "FAILED": 1},
        "counted_by": "listing",
        "total": 2,
        "read": 2,
        "complete": True,
        "problems": [],
    }


def test_states_that_were_not_queried_are_not_zero():
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1"), announced=1), listing_of(queries[1], announced=0)])
    assert merged["by_status"] == {**dict.fromkeys(TASK_STATUSES), "FAILED": 0, "QUEUED": 1}
    assert (merged["total"], merged["complete"]) == (1, True)


def test_undocumented_state_is_counted():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, task("1", "ODD"))])
    assert merged["by_status"] == {**ZERO, "ODD": 1}
    assert (merged["complete"], merged["problems"]) == (False, ["a task is in a state that is not documented"])


def test_devices_without_a_task_are_named():
    queries = plan_queries("1", None, ["d1", "d2", "d3"], False)
    merged = merge_listings([listing_of(queries[0], task("2"))])
    assert (merged["missing"], merged["complete"]) == (["d1", "d3"], True)


def test_task_that_was_read_twice_is_a_problem():
    queries = plan_queries("1", ["NOTIFIED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1")), listing_of(queries[1], task("1", "NOTIFIED"))])
    assert merged["complete"] is False
    assert merged["problems"] == ["a task was read twice, because it changed meanwhile"]
    assert (merged["read"], merged["tasks"]) == (1, [task("1", "NOTIFIED")])


def test_tasks_without_an_id_are_all_kept():
    (query,) = plan_queries("1", None, None, False)
    assert merge_listings([listing_of(query, task(None), task(None))])["read"] == 2


def test_missing_listing_is_a_problem():
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1"), announced=1)])
    assert (merged["complete"], merged["by_status"]["FAILED"], merged["by_status"]["QUEUED"]) == (False, None, 1)
    assert merged["problems"] == ["some of the requested tasks could not be read"]


def test_no_listing_at_all():
    merged = merge_listings([])
    assert (merged["found"], merged["total"], merged["complete"]) == (None, None, False)
    assert merged["by_status"] == dict.fromkeys(TASK_STATUSES)


def test_unknown_batch_is_incomplete():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, found=False, problem="the service does not know the batch")])
    assert (merged["found"], merged["complete"], merged["read"]) == (False, False, 0)
    assert merged["by_status"] == dict.fromkeys(TASK_STATUSES)
    assert merged["problems"] == ["the service does not know the batch"]


def test_numbers_of_the_service():
    (query,) = plan_queries("1", None, None, True)
    merged = merge_listings([listing_of(query, announced=7, counts={**ZERO, "QUEUED": 7})])
    assert (merged["counted_by"], merged["total"], merged["read"]) == ("total", 7, 0)
    assert merged["by_status"]["QUEUED"] == 7
    assert merged["complete"] is True


def test_counts_by_listing_return_no_tasks():
    (query,) = plan_queries("1", None, None, True)
    merged = merge_listings([listing_of(query, task("1"), announced=1)])
    assert (merged["counted_by"], merged["read"], merged["tasks"]) == ("listing", 1, [])
    assert merged["by_status"] == {**ZERO, "QUEUED": 1}


@pytest.mark.parametrize("announced", [None, 5])
def test_total_needs_all_listings(announced):
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    entries = [listing_of(queries[0], announced=2), listing_of(queries[1], announced=announced)]
    assert merge_listings(entries)["total"] == (None if announced is None else 7)


# --- Texts of tasks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.00", 0.0),
        ("100.00", 100.0),
        ("50", 50.0),
        ("-1", None),
        (None, None),
        ("", None),
        ("x", None),
        ("nan", None),
    ],
)
def test_progress_is_a_number_or_none(text, number):
    assert parse_percent(text) == number


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("-1: the upgrade failed", "upgrade"),
        ("-2: the download failed", "download"),
        ('{"step":"-3","desc":"x"}', "verify"),
        ("step=-4", "flash"),
        ("timeout: the device did not finish in time", "timeout"),
        ("the device reports version 1.0", "wrong_version"),
        ("the device is being upgraded by another batch: 1", "superseded"),
        ("overwritten", "superseded"),
        ("固件下载失败", "download"),
        ("download of version 2.0 failed", "download"),
        ("固件版本校验失败", "verify"),
        ("the step code is -2.", "download"),
        ("the device is busy with another update", "superseded"),
        ("升级超时", "timeout"),
        ("-12", "other"),
        ("model a-1b", "other"),
        ("1.0-2.0", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_class_of_a_failure(description, name):
    assert classify_failure("FAILED", description) == name


@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELED", "QUEUED", None, "ODD"])
def test_tasks_that_have_not_failed_have_no_class(status):
    assert classify_failure(status, "-1") is None
