# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import random

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.jobs import PAGE_SIZE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.succeeded import (
    EXTRA_PAGES,
    SucceededTasks,
    Success,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import PRODUCT, numbers, task

TOTAL = 10_000


class Service:
    """A batch whose devices succeed one after the other, listed by ``order`` of their numbers; ``asked`` are pages."""

    def __init__(self, order):
        self.order = order
        self.succeeded = []
        self.asked = []
        self.time = 0.0

    def now(self):
        return self.time

    def page(self, operation, number, size, job_id, task_status):
        assert (job_id, task_status, size) == ("j1", "SUCCEEDED", PAGE_SIZE)
        self.asked.append(number)
        self.time += 1
        listed = self.order(self.succeeded)[(number - 1) * size : number * size]
        rows = [task(f"d{index}", utc_modified=f"m{index}") for index in listed]
        return Listing(rows, len(self.succeeded), number, None)

    def job(self):
        return numbers(SUCCEEDED=len(self.succeeded), QUEUED=TOTAL - len(self.succeeded), total=TOTAL)


ORDERS = {
    "oldest first": lambda found: found,
    "newest first": lambda found: found[::-1],
    "by name": sorted,
}


def take_all(service, tasks, number=TOTAL, until=math.inf):
    tasks.find([service.job()], number, until)
    return tasks.take(number)


def names(found):
    return [success.key[1] for success in found]


@pytest.mark.parametrize("order", ORDERS)
def test_what_succeeds_is_found_with_few_pages(order):
    service = Service(ORDERS[order])
    tasks = SucceededTasks(service, service.now)
    waiting, found = random.Random(1).sample(range(TOTAL), TOTAL), []
    for poll in range(1, 101):
        service.succeeded += [waiting.pop() for _device in range(100)]
        tasks.count(service.job())
        before = len(service.asked)
        found += take_all(service, tasks)
        assert len(service.asked) - before <= 1 + EXTRA_PAGES
        if order != "by name":
            assert len(found) == poll * 100
    assert len(set(found)) == len(found)
    # Where they come in between, some are left to the complete list.
    assert len(found) >= 0.95 * TOTAL
    if order != "by name":
        assert len(service.asked) <= 3 * 100


@pytest.mark.parametrize("order", ORDERS)
def test_all_that_succeeded_before_the_first_poll_are_found_at_once(order):
    service = Service(ORDERS[order])
    service.succeeded = random.Random(1).sample(range(TOTAL), TOTAL)
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert len(take_all(service, tasks)) == TOTAL
    assert sorted(service.asked) == list(range(1, TOTAL // PAGE_SIZE + 1))


def test_no_page_is_read_as_long_as_there_are_enough_devices():
    service = Service(sorted)
    service.succeeded = list(range(1000))
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert [len(take_all(service, tasks, 30)) for _time in range(4)] == [30] * 4
    assert service.asked == [1, 2]


def test_what_is_put_back_is_taken_next():
    service = Service(sorted)
    service.succeeded = list(range(10))
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    first = take_all(service, tasks, 4)
    tasks.put_back(first[1:])
    assert names(take_all(service, tasks, 4)) == ["d1", "d2", "d3", "d4"]


def test_nothing_is_read_where_nothing_has_succeeded_or_all_is_known():
    service = Service(sorted)
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert take_all(service, tasks) == []
    service.succeeded = [1]
    found = []
    for _poll in range(5):
        tasks.count(service.job())
        found += take_all(service, tasks)
    assert (service.asked, found) == ([1], [Success((PRODUCT, "d1"), "m1")])


def test_reading_ends_in_time():
    service = Service(sorted)
    service.succeeded = list(range(1000))
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert len(take_all(service, tasks, until=3.0)) == 300
    assert service.asked == [1, 2, 3]


def test_a_success_that_has_changed_is_news():
    service = Service(sorted)
    service.succeeded = [1, 2]
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert names(take_all(service, tasks)) == ["d1", "d2"]
    page = service.page

    def changed(*arguments, **options):
        listing = page(*arguments, **options)
        return listing._replace(rows=[{**row, "utc_modified": "later"} for row in listing.rows[:1]])

    service.page = changed
    service.succeeded = [1, 2, 3]
    tasks.count(service.job())
    assert take_all(service, tasks) == [Success((PRODUCT, "d1"), "later")]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="no batch"),
        pytest.param(Listing([], 5, 1, 1), id="no row"),
        pytest.param(Listing([task("d1", "FAILED")], 5, 1, 1), id="another state"),
        pytest.param(Listing([task(None)], 5, 1, 1), id="no name"),
    ],
)
def test_rows_that_tell_no_success_are_no_news(answer):
    service = Service(sorted)
    service.succeeded = [1, 2]
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    service.page = lambda *arguments, **options: answer
    assert take_all(service, tasks) == []
