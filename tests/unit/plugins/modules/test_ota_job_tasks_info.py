# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._client import paging
from ansible_collections.iotfleet.ota.plugins.module_utils._queries import jobs
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_tasks_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success

from .conftest import hold_failure, hold_success

ASKED = {"job_id": "1"}


def row(number, status="SUCCEEDED", **fields):
    return {"TaskId": f"t{number}", "JobId": "1", "TaskStatus": status, "DeviceName": f"d{number}", **fields}


def page(number, rows, total, page_count=1):
    return success(Data={"SimpleOTATaskInfo": rows}, Total=total, PageCount=page_count, CurrentPage=number)


def totals(**counts):
    """The responses to the eight queries for numbers; the last is for all states."""
    numbers = [*(counts.get(status, 0) for status in TASK_STATUSES), sum(counts.values())]
    states = [*TASK_STATUSES, next(iter(counts), None)]
    return [page(1, [row(1, state)] if number else [], number) for number, state in zip(numbers, states)]


def test_all_pages_of_a_batch(ask):
    answers = [page(1, [row(n) for n in range(100)], 101, 2), page(2, [row(100, "FAILED")], 101, 2)]
    result, requests = ask(ota_job_tasks_info, ASKED, *answers)
    assert [request.params["CurrentPage"] for request in requests] == ["1", "2"]
    assert requests[0].params["Action"] == "ListOTATaskByJob"
    assert (requests[0].params["JobId"], requests[0].params["PageSize"]) == ("1", "100")
    assert "TaskStatus" not in requests[0].params
    assert (result["read"], result["total"], result["complete"]) == (101, 101, True)
    assert result["by_status"] == {**dict.fromkeys(TASK_STATUSES, 0), "SUCCEEDED": 100, "FAILED": 1}
    hold_success(ota_job_tasks_info, result)


def test_states_are_queried_one_by_one(ask):
    answers = [page(1, [row(1, "FAILED", TaskDesc="-2: no route", Progress="60.00")], 1), page(1, [], 0)]
    result, requests = ask(ota_job_tasks_info, {**ASKED, "task_statuses": ["CANCELED", "FAILED"]}, *answers)
    assert [request.params["TaskStatus"] for request in requests] == ["FAILED", "CANCELED"]
    (task,) = result["tasks"]
    assert (task["failure_class"], task["progress_percent"], task["task_desc"]) == ("download", 60.0, "-2: no route")
    assert result["by_status"] == {**dict.fromkeys(TASK_STATUSES), "FAILED": 1, "CANCELED": 0}
    assert result["complete"] is True
    hold_success(ota_job_tasks_info, result)


def test_device_names_are_queried_without_pages(ask):
    names = [f"d{n}" for n in range(51)]
    answers = [page(1, [row(n) for n in range(50)], 50), page(1, [row(50)], 1)]
    result, requests = ask(ota_job_tasks_info, {**ASKED, "device_names": names}, *answers)
    assert (requests[0].params["DeviceNames.1"], requests[0].params["DeviceNames.50"]) == ("d0", "d49")
    assert requests[1].params["DeviceNames.1"] == "d50"
    assert "PageSize" not in requests[0].params
    assert (result["read"], result["complete"], result["missing"]) == (51, True, [])
    hold_success(ota_job_tasks_info, result)


def test_total_of_named_devices_is_not_believed(ask):
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "device_names": ["d1", "d2"]}, page(1, [row(1)], 1000, 10))
    assert (result["read"], result["total"], result["complete"]) == (1, None, True)
    assert result["missing"] == ["d2"]


def test_unknown_batch_is_a_result(ask):
    result, _requests = ask(ota_job_tasks_info, ASKED, refused("iot.ota.JobNotFound"))
    assert (result["found"], result["complete"], result["tasks"]) == (False, False, [])
    assert result["problems"] == ["the service does not know the batch"]
    hold_success(ota_job_tasks_info, result)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (page(1, [row(1)], 5), "5 rows are announced and 1 were returned"),
        (page(1, [row(1), row(1)], 2), "a row was returned twice"),
    ],
)
def test_incomplete_list_says_why(ask, answer, words):
    result, _requests = ask(ota_job_tasks_info, ASKED, *[answer] * 3)
    assert result["complete"] is False
    assert result["problems"] == [words]
    assert result["read"] >= 1
    hold_success(ota_job_tasks_info, result)


def test_list_that_heals_is_complete(ask):
    result, _requests = ask(ota_job_tasks_info, ASKED, page(1, [row(1)], 2), page(1, [row(1), row(2)], 2))
    assert (result["read"], result["complete"]) == (2, True)


def test_task_in_another_state_is_a_problem(ask):
    answers = [page(1, [row(1, "SUCCEEDED")], 1)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "task_statuses": ["FAILED"]}, *answers)
    assert result["problems"] == ["the service returned a task that is not FAILED, although only those were requested"]


def test_task_of_an_unnamed_device_is_a_problem(ask):
    answer = page(1, [row(1, DeviceName=None)], 1)
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "device_names": ["other"]}, answer)
    assert result["problems"] == ["the service returned a task of a device that was not requested"]


def test_task_of_another_device_is_an_error(ask):
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "device_names": ["other"]}, *[page(1, [row(1)], 1)] * 2)
    assert result["failure"]["code"] == "wrong_response"


def test_another_page_is_an_error(ask):
    result, _requests = ask(ota_job_tasks_info, ASKED, *[page(2, [row(1)], 1)] * 2)
    assert result["failure"]["code"] == "wrong_response"


def test_tasks_of_another_batch_are_an_error(ask):
    answers = [page(1, [row(1, JobId="2")], 1)] * 2
    result, _requests = ask(ota_job_tasks_info, ASKED, *answers)
    assert result["failure"]["code"] == "wrong_response"
    assert (result["complete"], result["found"]) == (False, None)
    hold_failure(ota_job_tasks_info, result)


def test_counts_only(ask):
    result, requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *totals(SUCCEEDED=340, FAILED=3))
    assert [request.params.get("TaskStatus") for request in requests] == [*TASK_STATUSES, None]
    assert {request.params["PageSize"] for request in requests} == {"1"}
    assert (result["counted_by"], result["total"], result["read"]) == ("total", 343, 0)
    assert (result["by_status"]["SUCCEEDED"], result["by_status"]["FAILED"]) == (340, 3)
    assert (result["complete"], result["tasks"]) == (True, [])
    hold_success(ota_job_tasks_info, result)


@pytest.mark.parametrize(
    "answers",
    [
        [page(1, [row(1)], 1)] * 8,  # the total does not follow the filter
        [page(1, [row(1)], None)] * 8,
        [*totals(SUCCEEDED=1)[:-1], page(1, [row(1)], 2)],  # a state that nobody knows
        [*totals(SUCCEEDED=1)[:-1], page(1, [], 1)],  # a total without its row
        [page(1, [row(1, "FAILED")] if n == 4 else [], int(n == 4)) for n in range(7)] + [page(1, [row(1)], 1)],
    ],
)
def test_numbers_that_do_not_add_up_are_counted(ask, answers):
    listing = page(1, [row(1), row(2, "FAILED")], 2)
    result, requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *answers * 3, listing)
    assert requests[24].params["PageSize"] == "100"
    assert (result["counted_by"], result["read"], result["tasks"]) == ("listing", 2, [])
    assert (result["by_status"]["SUCCEEDED"], result["by_status"]["FAILED"]) == (1, 1)
    assert result["complete"] is True


def test_numbers_that_add_up_a_moment_later(ask):
    moving = [*totals(SUCCEEDED=1)[:-1], page(1, [row(1)], 2)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *moving, *totals(SUCCEEDED=2))
    assert (result["counted_by"], result["by_status"]["SUCCEEDED"], result["complete"]) == ("total", 2, True)


def test_numbers_of_a_batch_beyond_what_can_be_listed_that_do_not_add_up(ask):
    moving = [*totals(SUCCEEDED=1)[:-1], page(1, [row(1)], 200_000)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *moving * 3)
    assert (result["total"], result["complete"], set(result["by_status"].values())) == (200_000, False, {None})
    hold_success(ota_job_tasks_info, result)


def test_counts_only_after_a_failure(ask):
    answers = [*totals(SUCCEEDED=1)[:3], refused("NoPermission", "not you", 403)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *answers)
    assert result["failure"]["code"] == "NoPermission"
    assert (result["complete"], set(result["by_status"].values())) == (False, {None})
    hold_failure(ota_job_tasks_info, result)


@pytest.mark.parametrize("answer", [success(), success(Data=""), page(1, [row(1)], None, 1), page(1, [], None, None)])
def test_list_without_a_total_is_incomplete(ask, answer):
    result, _requests = ask(ota_job_tasks_info, ASKED, answer)
    assert result["complete"] is False
    assert result["problems"] == ["the service does not say how many tasks there are"]


def test_numbers_of_an_unknown_batch(ask):
    answers = [refused("iot.ota.JobNotFound")] * 8
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "counts_only": True}, *answers)
    assert (result["found"], result["complete"]) == (False, False)


@pytest.fixture
def small_bound(monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 200)
    monkeypatch.setattr(jobs, "MAX_ROWS", 200)


PAGES = [page(n, [row(n * 100 + m) for m in range(100)], 1000, 10) for n in (1, 2)]
TOO_MANY = ["at most 100,000 tasks can be listed"]


def test_a_batch_beyond_what_can_be_listed_is_counted(ask, small_bound):
    result, _requests = ask(ota_job_tasks_info, ASKED, *PAGES, *totals(SUCCEEDED=1000))
    assert (result["read"], result["total"], result["by_status"]["SUCCEEDED"]) == (200, 1000, 1000)
    assert (result["counted_by"], result["complete"], result["problems"]) == ("total", False, TOO_MANY)
    hold_success(ota_job_tasks_info, result)


def test_a_list_that_ends_at_the_bound_may_not_be_all(ask, small_bound):
    pages = [page(n, [row(n * 100 + m) for m in range(100)], 200, 2) for n in (1, 2)]
    result, _requests = ask(ota_job_tasks_info, ASKED, *pages, *totals(SUCCEEDED=200))
    assert (result["read"], result["complete"], result["problems"]) == (200, False, TOO_MANY)


def test_tasks_in_one_state_beyond_what_can_be_listed(ask, small_bound):
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "task_statuses": ["SUCCEEDED"]}, *PAGES)
    assert (result["read"], result["total"], result["complete"]) == (200, 1000, False)
    assert result["problems"] == ["1000 rows are announced and 200 were returned"]


def test_a_batch_that_vanishes_while_it_is_counted(ask, small_bound):
    result, _requests = ask(ota_job_tasks_info, ASKED, *PAGES, *[refused("iot.ota.JobNotFound")] * 8)
    assert (result["read"], result["complete"], result["by_status"]["SUCCEEDED"]) == (200, False, 200)


def test_short_pages_do_not_make_it_ask_for_ever(ask, small_bound):
    pages = [page(n, [row(n)], None, None) for n in (1, 2)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "task_statuses": ["SUCCEEDED"]}, *pages)
    assert (result["read"], result["complete"]) == (2, False)


def test_failure_keeps_what_was_read(ask):
    answers = [page(1, [row(1, "QUEUED")], 1), refused("NoPermission", "not you", 403)]
    result, _requests = ask(ota_job_tasks_info, {**ASKED, "task_statuses": ["FAILED", "QUEUED"]}, *answers)
    assert [task["device_name"] for task in result["tasks"]] == ["d1"]
    assert (result["complete"], result["by_status"]["FAILED"], result["by_status"]["QUEUED"]) == (False, None, 1)
    assert "some of the requested tasks could not be read" in result["problems"]
    hold_failure(ota_job_tasks_info, result)


def test_signed_url_is_masked(ask):
    signed = "https://ota.example.com/a.bin?Expires=1&OSSAccessKeyId=STS.canary&Signature=canary%3D"
    fields = {"TaskDesc": f"-2: cannot load {signed}, gave up", "FirmwareUrl": signed, "Extra": {"Urls": [signed]}}
    result, _requests = ask(ota_job_tasks_info, ASKED, page(1, [row(1, "FAILED", **fields)], 1))
    (task,) = result["tasks"]
    assert task["task_desc"] == "-2: cannot load *** gave up"
    assert "canary" not in str(result)
    assert (task["firmware_url"], task["extra"]) == (None, {"urls": [None]})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"job_id": " "}, "job_id is blank"),
        ({"task_statuses": []}, "task_statuses is empty"),
        ({"device_names": []}, "device_names is empty"),
        ({"device_names": ["a", " "]}, "entry 2 of device_names is blank"),
        ({"counts_only": True, "task_statuses": ["FAILED"]}, "counts_only is given together with task_statuses or"),
        ({"counts_only": True, "device_names": ["a"]}, "counts_only is given together with task_statuses or"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_job_tasks_info, {**ASKED, **options})
    assert words in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
    hold_failure(ota_job_tasks_info, result)
