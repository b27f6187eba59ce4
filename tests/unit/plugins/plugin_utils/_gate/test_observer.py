# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.observer import (
    MAX_LISTED,
    PAGE_SIZE,
    Observer,
    Reading,
    observe_job,
    read_tasks,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch


def fleet(count, **course):
    return {"prefix": "d-", "count": count, "jitter": 0, **course}


def observer_of(rollout, *job_ids, client=None):
    clock = Clock(rollout.wall, rollout.clock.monotonic)
    return Observer(client or rollout.client(), job_ids or ("1",), False, clock)


def requests_of(rollout):
    return dict(Counter(rollout.actions))


# --- Batches ---------------------------------------------------------------------------------------------------------


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
    assert observe_job(service, "1").job[2:] == ({}, 100_001, (), False)
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


# --- Snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_all_batches_in_their_order():
    rollout = Rollout(batch(fleet(2)))
    snapshot = observer_of(rollout, "9", "1").observe_jobs()
    assert [(job.job_id, job.total) for job in snapshot.jobs] == [("9", 0), ("1", 2)]
    assert (snapshot.now, snapshot.problems, snapshot.versions) == (rollout.clock.wall(), (), None)


def test_a_problem_of_a_batch_is_one_of_the_snapshot():
    snapshot = observer_of(Rollout(batch(fleet(101)))).read_all_tasks([])
    assert (snapshot.jobs, snapshot.problems) == ((), ())
    rollout = Rollout(batch(fleet(101)))
    rollout.fault("pages_short")
    problems = observer_of(rollout).observe_jobs().problems
    assert len(problems) == 1
    assert problems[0].startswith("the task list of batch 1 is incomplete: ")


def test_versions_join_the_same_snapshot():
    rollout = Rollout(batch(fleet(2)))
    observer = observer_of(rollout)
    before = observer.observe_jobs()
    rollout.clock.elapsed += 60
    keys = [("k1", "d-1"), ("k1", "d-2"), ("k1", "nobody"), ("", "d-1")]
    after = observer.read_versions(before, keys)
    assert after.versions == {("k1", "d-1"): "2.0", ("k1", "d-2"): "2.0", ("k1", "nobody"): "", ("", "d-1"): None}
    assert (after.jobs, after.now - before.now) == (before.jobs, 60)


def test_reading_shows_how_many_versions_are_read(monkeypatch):
    rollout = Rollout(batch(fleet(3)))
    client = rollout.client()
    observer, seen = observer_of(rollout, client=client), []
    rows, page = client.rows, client.first_page

    def watch(read):
        def watched(*arguments, **options):
            seen.append(observer.reading)
            return read(*arguments, **options)

        return watched

    monkeypatch.setattr(client, "map", lambda query, items: ([query(item) for item in items], None))
    monkeypatch.setattr(client, "rows", watch(rows))
    monkeypatch.setattr(client, "first_page", watch(page))
    keys = [("k1", f"d-{number}") for number in (1, 2, 3)]
    observer.read_versions(observer.observe_jobs(), keys)
    assert seen == [None, Reading(0, 3), Reading(1, 3), Reading(2, 3)]
    assert observer.reading is None


def test_versions_are_read_as_the_proof_without_a_poll():
    """Also by who does not show how far they are."""
    observer = observer_of(Rollout(batch(fleet(1))))
    assert observer._read_version(("k1", "d-1")) == "1.0"
    assert observer.reading is None


def test_a_failure_ends_the_poll():
    rollout = Rollout(batch(fleet(1)))
    rollout.fault("no_permission", action="ListOTATaskByJob")
    with pytest.raises(OtaError) as caught:
        observer_of(rollout).observe_jobs()
    assert caught.value.action == "ListOTATaskByJob"


def test_competing_jobs_are_found_as_far_as_they_can_be_read():
    rollout = Rollout(batch({"name": "d-1", "course": "busy"}, {"name": "d-2", "course": "offline"}))
    keys = [("k1", "d-1"), ("k1", "d-2")]
    assert observer_of(rollout).competing_jobs(keys) == {("k1", "d-1"): "19"}
    rollout.fault("no_permission", action="ListOTAUnfinishedTaskByDevice")
    assert observer_of(rollout).competing_jobs(keys) == {}
