# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.observer import (
    MAX_FAILED,
    MAX_LISTED,
    PAGE_SIZE,
    Observer,
    Reading,
    observe_job,
    read_tasks,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Snapshot
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch


def fleet(count, **course):
    return {"prefix": "d-", "count": count, "jitter": 0, **course}


def observer_of(rollout, *job_ids, client=None, needs_modules=False):
    clock = Clock(rollout.wall, rollout.clock.monotonic)
    return Observer(client or rollout.client(), job_ids or ("1",), needs_modules, clock)


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
    one, other, unknown, nameless = (after.versions[key] for key in keys)
    assert (one.versions, other.versions, one.failure) == ({"default": "2.0"}, {"default": "2.0"}, None)
    assert one.iot_id != other.iot_id
    assert (unknown, nameless) == (DeviceReport(found=False), DeviceReport())
    assert (after.jobs, after.now - before.now) == (before.jobs, 60)


def test_versions_join_those_that_were_read_before():
    rollout = Rollout(batch(fleet(2)))
    observer = observer_of(rollout)
    before = observer.read_versions(observer.observe_jobs(), [("k1", "d-1")])
    after = observer.read_versions(before, [("k1", "d-2")])
    assert (list(before.versions), list(after.versions)) == ([("k1", "d-1")], [("k1", "d-1"), ("k1", "d-2")])
    assert Counter(rollout.actions)["ListOTAModuleVersionsByDevice"] == 2


@pytest.mark.parametrize("set_by", [0, -300, 300], ids=["goes on", "is set back", "is set forward"])
def test_a_snapshot_tells_how_far_the_service_is_ahead_of_the_gate_while_the_clock(set_by):
    rollout = Rollout(batch(fleet(1)))
    rollout.ahead = -60
    observer = observer_of(rollout)
    rollout.ahead += set_by
    snapshot = observer.observe_jobs()
    assert snapshot.clock_offset == pytest.approx(60, abs=1)
    rollout.ahead -= 7
    assert observer.read_versions(snapshot, [("k1", "d-1")]).clock_offset == pytest.approx(60, abs=1)


def test_a_snapshot_tells_no_clock_if_the_service_does_not():
    rollout = Rollout(batch(fleet(1)))
    rollout.dated = False
    assert observer_of(rollout).observe_jobs().clock_offset is None


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


def test_a_failure_ends_the_poll():
    rollout = Rollout(batch(fleet(1)))
    rollout.fault("no_permission", action="ListOTATaskByJob")
    with pytest.raises(OtaError) as caught:
        observer_of(rollout).observe_jobs()
    assert caught.value.action == "ListOTATaskByJob"


# --- Modules ---------------------------------------------------------------------------------------------------------


def two_batches(**second):
    world = batch(fleet(1))
    world["jobs"].append({"job_id": "2", "firmware_id": "f1", "devices": ["x-1"], **second})
    return world


def test_a_package_is_asked_for_its_module_once():
    rollout = Rollout(two_batches())
    observer = observer_of(rollout, "1", "2", needs_modules=True)
    for _poll in range(2):
        assert [job.module_name for job in observer.observe_jobs().jobs] == ["default", "default"]
    assert requests_of(rollout) == {"QueryOTAJob": 4, "ListOTATaskByJob": 4, "QueryOTAFirmware": 1}


def test_each_batch_has_the_module_of_its_package():
    world = two_batches(firmware_id="f2")
    world["firmwares"].append({**world["firmwares"][0], "firmware_id": "f2", "module_name": "mcu"})
    rollout = Rollout(world)
    snapshot = observer_of(rollout, "1", "2", needs_modules=True).observe_jobs()
    assert [job.module_name for job in snapshot.jobs] == ["default", "mcu"]


def test_all_tasks_are_read_with_the_module():
    rollout = Rollout(batch(fleet(1)))
    observer = observer_of(rollout, needs_modules=True)
    (job,) = observer.read_all_tasks(observer.observe_jobs().jobs).jobs
    assert (job.module_name, job.all_listed, len(job.tasks)) == ("default", True, 1)


def test_no_module_is_asked_for_where_none_is_needed():
    rollout = Rollout(batch(fleet(1)))
    assert observer_of(rollout).observe_jobs().jobs[0].module_name is None
    assert requests_of(rollout) == {"QueryOTAJob": 1, "ListOTATaskByJob": 1}


# --- Devices that cannot be read -------------------------------------------------------------------------------------


class Fleet:
    """A client of devices that report 2.0, but for those that fail; ``asked`` are the names, in order."""

    clock_offset = 7.0

    def __init__(self, **failures):
        self.failures = failures
        self.asked = []

    def rows(self, operation, product_key, device_name):
        self.asked.append(device_name)
        if device_name in self.failures:
            raise self.failures[device_name]
        row = {"module_name": "default", "module_version": "2.0", "iot_id": None, "job_id": f"busy-{device_name}"}
        return [row]

    def map(self, query, items):
        found = []
        for item in items:
            try:
                found.append(query(item))
            except OtaError as error:
                return found, error
        return found, None


def odd(code="iot.device.Odd", http_status=200, **options):
    return OtaError("it is odd", code=code, hint="look it up", http_status=http_status, action="List", **options)


def keys_of(count):
    return [("k1", f"d{number}") for number in range(1, count + 1)]


def failing(*numbers, error=None):
    return Fleet(**{f"d{number}": error or odd() for number in numbers})


def observing(client):
    return Observer(client, ("1",), False, Clock(lambda: 1000.0, lambda: 0.0))


def read_by(client, count):
    """The failures of the devices, in their order."""
    keys = keys_of(count)
    reports = observing(client).read_versions(Snapshot(0.0), keys).versions
    return [reports[key].failure for key in keys]


WORDS = "List failed: it is odd; look it up"


def test_a_device_that_cannot_be_read_is_reported_with_the_words_of_the_service():
    assert read_by(failing(2), 3) == [None, WORDS, None]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_devices_that_all_fail_say_nothing_of_the_service(count):
    assert read_by(failing(1, 2), count) == [WORDS] * count


def test_versions_come_with_the_moment_at_which_they_were_read():
    snapshot = observing(Fleet()).read_versions(Snapshot(0.0, clock_offset=3.0), keys_of(1))
    assert (snapshot.now, snapshot.clock_offset) == (1000.0, 7.0)


def test_a_list_that_stays_incomplete_is_about_one_device():
    assert read_by(failing(1, error=odd("incomplete_listing", None)), 1) == [WORDS]


def test_a_service_that_is_busy_for_one_device_is_about_that_device():
    assert read_by(failing(1, error=odd("ServiceUnavailable", 503, retry=Retry.LATER)), 2) == [WORDS, None]


def test_three_of_three_devices_that_fail_are_a_failure_of_the_poll():
    client = failing(1, 2, 3)
    client.failures["d3"] = odd("iot.device.Last")
    with pytest.raises(OtaError) as caught:
        read_by(client, 3)
    assert caught.value.code == "iot.device.Last"


def test_the_first_devices_do_not_speak_for_the_others():
    assert read_by(failing(1, 2, 3), 4) == [WORDS] * 3 + [None]
    assert read_by(failing(*range(1, MAX_FAILED)), 30) == [WORDS] * 9 + [None] * 21


def test_the_last_devices_do_not_speak_for_the_others():
    assert read_by(failing(2, 3, 4, 5), 5) == [None] + [WORDS] * 4


@pytest.mark.parametrize("first", [1, 5])
def test_so_many_failures_in_a_row_end_the_poll(first):
    client = failing(*range(first, 30), error=odd("ServiceUnavailable", 503, retry=Retry.LATER))
    with pytest.raises(OtaError):
        read_by(client, 30)
    assert len(client.asked) == first - 1 + MAX_FAILED == first + 9


def test_failures_that_are_the_devices_own_end_no_poll_in_a_row():
    assert read_by(failing(*range(5, 30)), 30) == [None] * 4 + [WORDS] * 25 + [None]


def test_a_device_that_is_read_ends_the_row():
    numbers = [number for number in range(1, 31) if number % MAX_FAILED]
    busy = odd("ServiceUnavailable", 503, retry=Retry.LATER)
    assert read_by(failing(*numbers, error=busy), 30).count(WORDS) == 27


GENERAL = [
    pytest.param(odd("unknown_host", None), id="network"),
    pytest.param(odd("html_response", 200), id="no answer of the service"),
    pytest.param(odd("Forbidden.RAM", 403), id="permission"),
    pytest.param(odd("SignatureDoesNotMatch", 400), id="key"),
    pytest.param(odd("InvalidTimeStamp.Expired", 400), id="clock"),
    pytest.param(odd("iot.Sre.IotInstanceNotFound", 200), id="instance"),
]


@pytest.mark.parametrize("error", GENERAL)
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_not_about_devices_ends_the_poll_if_none_can_be_read(error, count):
    with pytest.raises(OtaError) as caught:
        read_by(failing(1, 2, error=error), count)
    assert caught.value is error


@pytest.mark.parametrize("error", [*GENERAL, pytest.param(odd("Throttling.User", retry=Retry.SLOWER), id="throttling")])
def test_what_only_one_of_several_devices_meets_is_about_that_device(error):
    assert read_by(failing(2, error=error), 3) == [None, WORDS, None]


def test_what_any_other_device_would_meet_ends_the_poll_at_once():
    client = failing(2, error=odd("Forbidden.RAM", 403, affects_all=True))
    with pytest.raises(OtaError):
        read_by(client, 3)
    assert client.asked == ["d1", "d2"]


def test_a_failed_reading_leaves_no_number_of_devices():
    observer = observing(failing(1, 2, 3))
    with pytest.raises(OtaError):
        observer.read_versions(Snapshot(0.0), keys_of(3))
    assert observer.reading is None


def test_each_reading_counts_anew():
    observer = observing(failing(2, 3, 4))
    observer.read_versions(Snapshot(0.0), keys_of(1))
    with pytest.raises(OtaError):
        observer.read_versions(Snapshot(0.0), keys_of(4)[1:])


# --- Explanations ----------------------------------------------------------------------------------------------------

D1, D2 = keys_of(2)


def test_an_explanation_tells_versions_and_other_batches():
    explained = observing(Fleet()).explain(Snapshot(5.0), [D1], [D2])
    assert explained.versions == {D1: DeviceReport({"default": "2.0"})}
    assert (explained.busy, explained.now) == ({D2: "busy-d2"}, 5.0)


def test_an_explanation_leaves_the_moment_and_the_proof_alone():
    proof = {D1: DeviceReport({"default": "1.0"})}
    explained = observing(Fleet()).explain(Snapshot(5.0, versions=proof), [D2], [])
    assert explained.versions == {**proof, D2: DeviceReport({"default": "2.0"})}
    assert (explained.now, explained.busy) == (5.0, {})


def test_nothing_is_read_where_nothing_is_to_be_explained():
    client = Fleet()
    assert observing(client).explain(Snapshot(5.0), [], []) == Snapshot(5.0)
    assert client.asked == []


def test_versions_that_cannot_be_read_explain_nothing_and_spoil_nothing():
    client = failing(1, error=odd("Forbidden.RAM", 403, affects_all=True))
    assert observing(client).explain(Snapshot(5.0), [D1], [D2]) == Snapshot(5.0, busy={D2: "busy-d2"})


def test_a_device_whose_version_cannot_be_read_says_so():
    assert observing(failing(1)).explain(Snapshot(5.0), [D1], []).versions == {D1: DeviceReport(failure=WORDS)}


def test_other_batches_are_named_as_far_as_they_can_be_read():
    world = batch({"name": "d-1", "course": "busy"}, {"name": "d-2", "course": "offline"})
    rollout = Rollout(world)
    keys = [("k1", "d-1"), ("k1", "d-2")]
    assert observer_of(rollout).explain(Snapshot(0.0), [], keys).busy == {("k1", "d-1"): "19"}
    rollout.fault("no_permission", action="ListOTAUnfinishedTaskByDevice")
    assert observer_of(rollout).explain(Snapshot(0.0), [], keys).busy == {}
