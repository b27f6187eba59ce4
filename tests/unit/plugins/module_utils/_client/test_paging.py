# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._client import paging
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success

from .conversations import DEVICE, World


def page(number, ids, total, page_count, **more):
    wrapped = {"SimpleOTAJobInfo": [{"JobId": str(job_id)} for job_id in ids]}
    return success(Data=wrapped, Total=total, PageCount=page_count, CurrentPage=number, PageSize=100, **more)


def ids(world):
    found = world.client.rows(LIST_OTA_JOB_BY_DEVICE, **DEVICE)
    world.conversation.finish()
    return None if found is None else [row["job_id"] for row in found]


def sentence(problem):
    return (
        "ListOTAJobByDevice failed after 3 attempts: the list changed while it was read, or was cut: "
        f"{problem}; try again when the list no longer changes."
    )


def all_ids(count):
    return [str(number) for number in range(count)]


def test_pages_are_read_to_the_last():
    world = World(page(1, range(100), 250, 3), page(2, range(100, 200), 250, 3), page(3, range(200, 250), 250, 3))
    assert ids(world) == all_ids(250)
    requests = world.requests
    assert [request.params["CurrentPage"] for request in requests] == ["1", "2", "3"]
    assert {request.params["PageSize"] for request in requests} == {"100"}
    assert {request.params["DeviceName"] for request in requests} == {"客厅 *"}


def test_empty_list():
    assert ids(World(page(1, [], 0, 0))) == []


def test_list_of_an_unknown_device_is_none():
    assert ids(World(refused("iot.device.NotExistedDevice"))) is None


def test_full_last_page():
    assert ids(World(page(1, range(100), 100, 1))) == all_ids(100)


def test_pages_without_a_page_count():
    assert ids(World(page(1, range(100), 101, None), page(2, [100], 101, None))) == all_ids(101)


def test_pages_without_any_number_are_read_until_one_is_empty():
    pages = [page(1, range(10), None, None), page(2, range(10, 15), None, None), page(3, [], None, None)]
    assert ids(World(*pages)) == all_ids(15)


def test_refused_page_is_retried_alone():
    world = World(page(1, range(100), 101, 2), refused("Throttling", status=400), page(2, [100], 101, 2))
    assert ids(world) == all_ids(101)


def test_changing_list_is_read_again():
    world = World(page(1, range(100), 101, 2), page(2, [], 100, 1), page(1, range(100), 101, 2), page(2, [100], 101, 2))
    assert ids(world) == all_ids(101)


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ([page(1, range(3), 5, 1)], "5 rows are announced and 3 were returned"),
        ([page(1, range(3), None, 0)], "no page is announced and 3 rows were returned"),
        ([page(1, range(5), 3, 1)], "3 rows are announced and 5 were returned"),
        ([page(1, range(100), 101, 2), page(2, [99], 101, 2)], "a row was returned twice"),
        ([page(1, range(100), 150, 2), page(2, [], 150, 2)], "150 rows are announced and 100 were returned"),
        ([page(1, range(100), None, 3), page(2, [], None, 3)], "3 pages are announced and 2 were returned"),
        (
            [page(1, range(100), 101, 2), page(2, [], 100, 1)],
            "the announced number of rows changed between two pages",
        ),
    ],
)
def test_incomplete_list_is_an_error(pages, problem):
    world = World(*pages * 3)
    error = world.error(lambda: ids(world))
    assert str(error) == sentence(problem)
    assert error.failure()["code"] == "incomplete_listing"


@pytest.mark.parametrize("number", [1, 3])
def test_another_page_is_requested_once_more(number):
    other, right = page(number, [100], 101, 2), page(2, [100], 101, 2)
    assert ids(World(page(1, range(100), 101, 2), other, right)) == all_ids(101)
    world = World(page(1, range(100), 101, 2), other, other)
    assert str(world.error(lambda: ids(world))) == (
        f"ListOTAJobByDevice failed after 2 attempts: the response is about page {number} instead of 2;"
        " check endpoint and proxy, because responses are mixed up there."
    )


def test_error_on_a_later_page_is_no_short_list():
    world = World(page(1, range(100), 101, 2), refused("NoPermission", status=403))
    assert world.error(lambda: ids(world)).code == "NoPermission"


def test_list_of_unknown_length_is_incomplete_at_the_row_limit(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 300)
    pages = [page(number, range(number * 100, number * 100 + 100), None, None) for number in range(1, 4)]
    world = World(*pages)
    assert str(world.error(lambda: ids(world))) == sentence("no total is announced, so 300 rows may not be all")


def test_pages_are_not_read_beyond_the_row_limit(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 300)
    pages = [page(number, range(number * 100, number * 100 + 100), None, 10**9) for number in range(1, 4)]
    world = World(*pages)
    assert str(world.error(lambda: ids(world))) == sentence("1000000000 pages are announced and 3 were returned")


def test_operation_without_pages_is_called_once_per_reading():
    answer = success(Data={"SimpleOTATaskInfo": [{"TaskId": "1"}]}, Total=2)
    world = World(*[answer] * 3)
    error = world.error(lambda: world.client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, iot_id="i"))
    assert error.cause == "the list changed while it was read, or was cut: 2 rows are announced and 1 were returned"


def test_pauses_between_readings_grow():
    world = World(*[page(1, range(3), 5, 1)] * 3)
    world.error(lambda: ids(world))
    assert world.clock.slept == [0.5, 1.0]


def test_listing_says_what_is_wrong_with_it():
    world = World(page(1, range(3), 5, 1))
    listing = world.client.listing(LIST_OTA_JOB_BY_DEVICE, 1, **DEVICE)
    assert [row["job_id"] for row in listing.rows] == all_ids(3)
    assert (listing.announced, listing.problem) == (5, "5 rows are announced and 3 were returned")
    assert not listing.at_row_limit
    world.conversation.finish()


def test_listing_at_the_row_limit_is_not_read_again(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 100)
    world = World(page(1, range(100), 250, 3))
    listing = world.client.listing(LIST_OTA_JOB_BY_DEVICE, **DEVICE)
    assert listing.at_row_limit
    assert listing.problem == "250 rows are announced and 100 were returned"
    world.conversation.finish()


def test_first_page_has_the_requested_size():
    world = World(page(1, range(7), 250, 36))
    listing = world.client.first_page(LIST_OTA_JOB_BY_DEVICE, size=7, **DEVICE)
    (request,) = world.conversation.finish()
    assert (request.params["CurrentPage"], request.params["PageSize"]) == ("1", "7")
    assert (len(listing.rows), listing.announced, listing.problem) == (7, 250, None)


def task_page(*rows, total=None):
    return success(Data={"SimpleOTATaskInfo": list(rows)}, Total=total, CurrentPage=1, PageCount=1)


def test_row_about_another_batch_is_requested_once_more():
    other, own = {"TaskId": "1", "JobId": "2"}, {"TaskId": "1", "JobId": "1"}
    world = World(task_page(other, total=1), task_page(own, total=1))
    rows = world.client.rows(LIST_OTA_TASK_BY_JOB, job_id="1")
    world.conversation.finish()
    assert [row["job_id"] for row in rows] == ["1"]


def test_row_about_another_batch_is_an_error():
    world = World(*[task_page({"TaskId": "1", "JobId": "2"}, total=1)] * 2)
    error = world.error(lambda: world.client.rows(LIST_OTA_TASK_BY_JOB, job_id="1"))
    assert str(error) == (
        "ListOTATaskByJob failed after 2 attempts: the response is about job_id 2 instead of 1;"
        " check endpoint and proxy, because responses are mixed up there."
    )


def test_row_that_does_not_name_its_batch_is_kept():
    world = World(task_page({"TaskId": "1"}, total=1))
    assert len(world.client.rows(LIST_OTA_TASK_BY_JOB, job_id="1")) == 1
    world.conversation.finish()


@pytest.mark.parametrize(
    ("other", "problem"),
    [({"DeviceName": "a"}, "a row was returned twice"), ({"DeviceName": "b"}, None), ({"TaskId": "1"}, None)],
)
def test_rows_without_an_id_are_told_apart_by_all_they_say(other, problem):
    world = World(task_page({"DeviceName": "a"}, other, total=2))
    assert world.client.listing(LIST_OTA_TASK_BY_JOB, 1, job_id="1").problem == problem


def test_total_of_named_devices_is_not_believed():
    world = World(task_page({"TaskId": "1", "JobId": "1"}, total=9))
    listing = world.client.listing(LIST_OTA_TASK_BY_NAMES, job_id="1", device_names=["a"])
    (request,) = world.conversation.finish()
    assert "PageSize" not in request.params
    assert (len(listing.rows), listing.announced, listing.problem) == (1, None, None)


@pytest.mark.parametrize(("number", "reached"), [(999, False), (1000, True), (1001, True)])
def test_row_limit(number, reached):
    assert paging.reaches_row_limit(LIST_OTA_JOB_BY_DEVICE, number) is reached
