# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.jobs import (
    MAX_LISTED,
    PAGE_SIZE,
    TaskLists,
    observe_job,
    read_tasks,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import JobSnapshot
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch


def fleet(count, **course):
    return {"prefix": "d-", "count": count, "jitter": 0, **course}


def requests_of(rollout):
    return dict(Counter(rollout.actions))


@pytest.mark.parametrize(
    ("count", "listings", "all_listed"),
    [
        pytest.param(0, 1, True, id="no task"),
        pytest.param(PAGE_SIZE, 1, True, id="one page"),
        pytest.param(PAGE_SIZE + 1, 1 + 2, True, id="two pages"),
        pytest.param(MAX_LISTED, 1 + 7, True, id="as many as are listed"),
        pytest.param(MAX_LISTED + 1, 1 + 7, False, id="counted by state"),
    ],
)
def test_a_batch_of_any_size_takes_at_most_nine_requests(count, listings, all_listed):
    rollout = Rollout(batch(*([fleet(count, course="offline")] if count else [])))
    job, problem = observe_job(rollout.client(), "1")
    assert (job.total, job.counts["QUEUED"], job.all_listed, problem) == (count, count, all_listed, None)
    assert requests_of(rollout) == {"QueryOTAJob": 1, "ListOTATaskByJob": listings}


def test_a_counted_batch_brings_a_page_of_each_state_but_succeeded():
    world = batch(fleet(MAX_LISTED, course="offline"), {"name": "x-1", "course": "fails", "step": -3, "jitter": 0})
    rollout = Rollout(world)
    rollout.clock.elapsed += 60
    job, _problem = observe_job(rollout.client(), "1")
    assert (job.counts["FAILED"], len(job.tasks)) == (1, PAGE_SIZE + 1)
    assert [task["failure_class"] for task in job.tasks if task["task_status"] == "FAILED"] == ["verify"]


def test_an_unknown_batch_has_no_facts():
    rollout = Rollout(batch(fleet(1)))
    job, problem = observe_job(rollout.client(), "2")
    assert (job.facts, job.total, problem) == (None, 0, None)
    assert requests_of(rollout) == {"QueryOTAJob": 1}


def test_tasks_mean_what_their_texts_say():
    rollout = Rollout(batch({"name": "d-1", "course": "fails", "step": -2, "jitter": 0}))
    rollout.clock.elapsed += 60
    (task,) = observe_job(rollout.client(), "1").job.tasks
    assert (task["task_status"], task["failure_class"], task["progress_percent"]) == ("FAILED", "download", 30.0)


ROW = {"task_id": "t1", "task_status": "QUEUED", "device_name": "d1", "progress": None, "task_desc": None}
FIRST = (PAGE_SIZE, None)
BY_STATUS = [
    (1, "SUCCEEDED"),
    *((PAGE_SIZE, status) for status in ("FAILED", "CANCELED", "IN_PROGRESS", "NOTIFIED", "QUEUED", "CONFIRM")),
]


def page_of(announced, *rows, number=1, page_count=None):
    return Listing(list(rows), announced, number, page_count)


def rows_of(status, count):
    return [{**ROW, "task_id": f"{status}-{number}", "task_status": status} for number in range(count)]


class Service:
    """A client of a batch with so many tasks ``by_status``; ``asked`` are the requests as size and state."""

    def __init__(self, total, listing=None, **by_status):
        self.totals = [total] if isinstance(total, int) else total
        self.list = listing or page_of(None)
        self.by_status = by_status
        self.asked = []

    def get(self, operation, **arguments):
        return {"job_id": "1", "job_status": "IN_PROGRESS"}

    def first_page(self, operation, size=1, job_id=None, task_status=None):
        assert job_id == "1"
        self.asked.append((size, task_status))
        if task_status is None:
            total = self.totals.pop(0)
            return None if total is None else page_of(total)
        number = self.by_status.get(task_status, 0)
        return page_of(number, *rows_of(task_status, min(size, number))) if isinstance(number, int) else number

    def listing(self, operation, attempts=3, job_id=None):
        assert job_id == "1"
        self.asked.append(("list", attempts))
        return self.list


def test_states_are_counted_from_the_end_of_the_life_of_a_task():
    """A task that moves on meanwhile is missed, which shows, and never counted twice."""
    service = Service(750, SUCCEEDED=600, FAILED=2, CANCELED=1, IN_PROGRESS=17, NOTIFIED=20, QUEUED=100, CONFIRM=10)
    job, problem = observe_job(service, "1")
    assert service.asked == [FIRST, *BY_STATUS]
    assert (job.counts, job.total, job.all_listed, problem) == (dict(service.by_status), 750, False, None)
    del service.by_status["SUCCEEDED"]
    assert Counter(task["task_status"] for task in job.tasks) == service.by_status


@pytest.mark.parametrize(
    ("again", "total"),
    [
        pytest.param(760, 760, id="more tasks than before"),
        pytest.param(740, 750, id="fewer than before, which is not believed"),
        pytest.param(None, 750, id="the batch is gone"),
    ],
)
def test_total_is_read_again_if_more_tasks_are_counted(again, total):
    service = Service([750, again], SUCCEEDED=751)
    job, problem = observe_job(service, "1")
    assert service.asked == [FIRST, *BY_STATUS, (1, None)]
    assert (job.total, job.counts["SUCCEEDED"], problem) == (total, 751, None)


def test_total_is_not_read_again_if_as_many_or_fewer_tasks_are_counted():
    for counted in (749, 750):
        service = Service(750, SUCCEEDED=counted)
        assert observe_job(service, "1").job.total == 750
        assert service.asked == [FIRST, *BY_STATUS]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(None, id="no page"),
        pytest.param(page_of(None), id="no number"),
        pytest.param(page_of(1, *rows_of("QUEUED", 1)), id="a task in another state"),
        pytest.param(page_of(3, *rows_of("FAILED", 2)), id="fewer rows than announced"),
        pytest.param(page_of(1, *rows_of("FAILED", 1), number=2), id="another page"),
    ],
)
def test_batch_is_listed_once_where_states_cannot_be_counted(page):
    service = Service(750, page_of(2, *rows_of("QUEUED", 2)), SUCCEEDED=1, FAILED=page)
    job, problem = observe_job(service, "1")
    assert service.asked == [FIRST, *BY_STATUS[:2], ("list", 1)]
    assert (job.total, job.counts["QUEUED"], job.all_listed, problem) == (2, 2, True, None)


def test_batch_that_can_be_neither_counted_nor_listed_has_its_total():
    service = Service(100_001, SUCCEEDED=page_of(None))
    job, problem = observe_job(service, "1")
    assert (job.counts, job.total, job.tasks, job.all_listed, problem) == ({}, 100_001, (), False, None)
    assert service.asked == [FIRST, BY_STATUS[0]]
    assert read_tasks(service, "1", None, total=100_000).job.all_listed is True


def test_batch_of_several_pages_is_listed_once_by_a_poll_and_more_often_for_its_proof():
    service = Service(PAGE_SIZE + 1, page_of(1, ROW))
    observe_job(service, "1")
    read_tasks(service, "1", None)
    assert service.asked == [FIRST, ("list", 1), ("list", 3)]


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        pytest.param(page_of(1, ROW), None, id="none"),
        pytest.param(page_of(2, ROW), "2 rows are announced and 1 were returned", id="fewer rows than announced"),
        pytest.param(page_of(1, ROW, page_count=2), "2 pages are announced and 1 were returned", id="another page"),
        pytest.param(page_of(2, ROW, ROW), "a row was returned twice", id="a row twice"),
    ],
)
def test_first_page_must_be_the_whole_list(page, problem):
    job, told = observe_job(Scripted(page), "1")
    assert (job.total, len(job.tasks), job.all_listed) == (page.announced, len(page.rows), True)
    assert told == (problem and f"the task list of batch 1 is incomplete: {problem}")


@pytest.mark.parametrize("announced", [None, 0, 3])
def test_problem_of_a_list_is_told_rather_than_its_missing_total(announced):
    listing = page_of(announced, ROW)._replace(problem="it changed")
    job, problem = read_tasks(Scripted(listing=listing), "1", None)
    assert (job.total, problem) == (announced or 1, "the task list of batch 1 is incomplete: it changed")


class Scripted:
    """A client whose pages are given."""

    def __init__(self, first=None, listing=None, job=None):
        self.first, self.list, self.job = first, listing, job or {"job_id": "1", "job_status": "IN_PROGRESS"}

    def get(self, operation, **arguments):
        return dict(self.job)

    def first_page(self, operation, size=1, **arguments):
        return self.first

    def listing(self, operation, attempts=3, **arguments):
        return self.list


def test_a_batch_whose_tasks_are_unknown_is_a_problem():
    job, problem = observe_job(Scripted(), "1")
    assert (job.total, problem) == (0, "the service knows batch 1 but not its tasks")
    assert read_tasks(Scripted(), "1", None) == (job._replace(facts=None), problem)


def test_a_batch_without_a_number_of_tasks_is_a_problem():
    rollout = Rollout(batch(fleet(1)))
    client = rollout.client()
    page = client.first_page
    client.first_page = lambda *args, **kwargs: page(*args, **kwargs)._replace(announced=None)
    job, problem = observe_job(client, "1")
    assert (job.total, problem) == (0, "the service does not say how many tasks batch 1 has")


def test_a_list_without_a_number_of_tasks_is_a_problem():
    rollout = Rollout(batch(fleet(3)))
    client = rollout.client()
    listing = client.listing
    client.listing = lambda *args, **kwargs: listing(*args, **kwargs)._replace(announced=None)
    job, problem = read_tasks(client, "1", None)
    assert (job.total, problem) == (3, "the task list of batch 1 is incomplete: no total is announced")


def test_a_batch_beyond_the_row_limit_is_not_listed():
    rollout = Rollout(batch(fleet(1)))
    job, problem = read_tasks(rollout.client(), "1", None, total=100_001)
    assert (job.total, job.all_listed, problem) == (100_001, False, None)
    assert rollout.actions == []


# --- Lists that are read once ----------------------------------------------------------------------------------------


def large(service):
    """A batch that was counted, and its service, whose list holds all tasks."""
    job = observe_job(service, "1").job
    service.asked.clear()
    return job


def test_all_tasks_of_a_large_batch_are_read_once_for_the_same_numbers():
    service = Service([701] * 3, page_of(701, *rows_of("SUCCEEDED", 701)), SUCCEEDED=701)
    lists, job = TaskLists(service), large(service)
    first = lists.read(job)
    again = lists.read(observe_job(service, "1").job._replace(facts={"job_status": "COMPLETED"}))
    assert (first.job.all_listed, len(first.job.tasks), first.problem) == (True, 701, None)
    assert again.job == first.job._replace(facts={"job_status": "COMPLETED"})
    assert [request for request in service.asked if request[0] == "list"] == [("list", 3)]


@pytest.mark.parametrize(
    "numbers", [pytest.param({"SUCCEEDED": 700, "FAILED": 1}, id="a task moved"), pytest.param({}, id="total")]
)
def test_they_are_read_again_once_a_number_has_changed(numbers):
    service = Service([701], page_of(701, *rows_of("SUCCEEDED", 701)), SUCCEEDED=701)
    lists, job = TaskLists(service), large(service)
    lists.read(job)
    lists.read(job._replace(counts={**job.counts, **numbers}, total=701 if numbers else 702))
    assert service.asked == [("list", 3)] * 2


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param(page_of(701, *rows_of("SUCCEEDED", 701))._replace(problem="it changed"), id="incomplete"),
        pytest.param(page_of(701, *rows_of("SUCCEEDED", 700), *rows_of("FAILED", 1)), id="other numbers"),
        pytest.param(page_of(701, *[{**row, "device_name": None} for row in rows_of("SUCCEEDED", 701)]), id="no names"),
    ],
)
def test_a_list_that_is_not_what_was_counted_is_read_again(listing):
    service = Service([701], listing, SUCCEEDED=701)
    lists, job = TaskLists(service), large(service)
    for _poll in range(2):
        lists.read(job)
    assert service.asked == [("list", 3)] * 2


def test_a_small_batch_is_read_each_time():
    service = Service([1], page_of(1, *rows_of("SUCCEEDED", 1)))
    lists, job = TaskLists(service), read_tasks(service, "1", None).job
    service.asked.clear()
    for _poll in range(2):
        lists.read(job)
    assert service.asked == [("list", 3)] * 2


# --- Batches that are too large to be listed -------------------------------------------------------------------------

HUGE = JobSnapshot("1", {"product_key": "k1"}, {"SUCCEEDED": 100_001}, 100_001, all_listed=False)


def named(count, product_key=None):
    return [ExpectedDevice(product_key, f"d-{number:03}") for number in range(1, count + 1)]


def test_tasks_of_expected_devices_are_read_by_their_names_where_the_batch_cannot_be_listed():
    rollout = Rollout(batch(fleet(130)))
    expected = [*named(120), *named(120, "k1"), ExpectedDevice("k2", "d-125")]
    job, problem = TaskLists(rollout.client(), expected).read(HUGE)
    assert (len(job.tasks), job.counts, job.total, problem) == (120, HUGE.counts, 100_001, None)
    assert (job.all_listed, job.of_expected) == (True, True)
    assert requests_of(rollout) == {"ListOTATaskByJob": 3}


def test_they_are_read_once_for_the_same_numbers_as_well():
    rollout = Rollout(batch(fleet(3)))
    lists = TaskLists(rollout.client(), named(3))
    for counts in (HUGE.counts, HUGE.counts, {"SUCCEEDED": 100_000, "FAILED": 1}):
        lists.read(HUGE._replace(counts=counts))
    assert requests_of(rollout) == {"ListOTATaskByJob": 2}


def test_a_task_of_a_device_that_was_not_requested_is_a_problem():
    class Talkative(Scripted):
        def map(self, query, items):
            return [query(item) for item in items], None

    row = {**ROW, "device_name": "somebody"}
    _job, problem = TaskLists(Talkative(listing=page_of(None, row)), named(1)).read(HUGE)
    assert problem == (
        "the tasks of the expected devices in batch 1 are incomplete:"
        " the service returned a task of a device that was not requested"
    )


def test_a_failure_to_read_them_is_one_of_the_poll():
    rollout = Rollout(batch(fleet(3)))
    rollout.fault("no_permission", action="ListOTATaskByJob")
    with pytest.raises(OtaError):
        TaskLists(rollout.client(), named(3)).read(HUGE)


def test_a_batch_that_can_be_listed_is_listed_whatever_is_expected():
    service = Service([701], page_of(701, *rows_of("SUCCEEDED", 701)), SUCCEEDED=701)
    job = TaskLists(service, named(3)).read(observe_job(service, "1").job).job
    assert (job.of_expected, len(job.tasks)) == (False, 701)
