# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import random

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._client.paging import Listing
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.jobs import PAGE_SIZE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.succeeded import SucceededTasks
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


def read_all(service, tasks, until=math.inf):
    while tasks.read_more(service.job(), until):
        pass


def known(tasks, service):
    return {int(name[1:]) for _product, name in tasks.devices(service.job())}


@pytest.mark.parametrize("order", ORDERS)
def test_no_more_pages_are_read_than_what_moved_fills_and_one_for_each_poll(order):
    service = Service(ORDERS[order])
    tasks = SucceededTasks(service, service.now)
    waiting = random.Random(1).sample(range(TOTAL), TOTAL)
    for poll in range(1, 101):
        for _device in range(100):
            service.succeeded.append(waiting.pop())
        tasks.count(service.job())
        read_all(service, tasks)
        assert len(service.asked) <= poll * 2
    assert len(service.asked) <= TOTAL / PAGE_SIZE + 100
    if order != "by name":
        assert known(tasks, service) == set(range(TOTAL))
    else:  # no two pages have all that is new, and the complete list finds what is missed
        assert len(known(tasks, service)) > TOTAL / 2


@pytest.mark.parametrize("order", ORDERS)
def test_all_that_succeeded_before_the_first_poll_are_found_at_once(order):
    service = Service(ORDERS[order])
    service.succeeded = random.Random(1).sample(range(TOTAL), TOTAL)
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    read_all(service, tasks)
    assert known(tasks, service) == set(range(TOTAL))
    assert sorted(service.asked) == list(range(1, TOTAL // PAGE_SIZE + 1))


def test_nothing_is_read_where_nothing_has_succeeded_or_all_is_known():
    service = Service(sorted)
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert tasks.read_more(service.job(), math.inf) is False
    service.succeeded = [1]
    for _poll in range(5):
        tasks.count(service.job())
        read_all(service, tasks)
    assert service.asked == [1]
    assert tasks.devices(service.job()) == {(PRODUCT, "d1"): "m1"}


def test_reading_ends_in_time():
    service = Service(sorted)
    service.succeeded = list(range(1000))
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    read_all(service, tasks, until=3.0)
    assert service.asked == [1, 2, 3]


def test_a_success_that_has_changed_is_news():
    service = Service(sorted)
    service.succeeded = [1, 2]
    tasks = SucceededTasks(service, service.now)
    tasks.count(service.job())
    assert tasks.read_more(service.job(), math.inf) is True
    page = service.page

    def changed(*arguments, **options):
        listing = page(*arguments, **options)
        return listing._replace(rows=[{**row, "utc_modified": "later"} for row in listing.rows[:1]])

    service.page = changed
    service.succeeded = [1, 2, 3]
    tasks.count(service.job())
    assert tasks.read_more(service.job(), math.inf) is True
    assert tasks.devices(service.job())[PRODUCT, "d1"] == "later"


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
    assert tasks.read_more(service.job(), math.inf) is False
    assert tasks.devices(service.job()) == {}


def test_batches_that_were_not_counted_have_no_devices():
    service = Service(sorted)
    assert SucceededTasks(service, service.now).devices(service.job()) == {}
