# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers of tasks where the service's own make sense, and where they do not."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.counts import (
    MAX_LISTED,
    UNKNOWN_COUNTS,
    add_up,
    count_status,
    count_tasks,
)
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

COURSES = ("offline", "offline", "silent", "stalls")


def world(count=1, **top):
    devices = [{"prefix": f"d-{place}-", "count": count, "course": course} for place, course in enumerate(COURSES)]
    rollout = Rollout({**batch(*devices), **top})
    rollout.service.rollout.set(30)
    return rollout


def counts(**known):
    return {**dict.fromkeys(TASK_STATUSES, 0), **known}


def bend(rollout, change):
    """Let every page of tasks be what ``change`` makes of the service's."""
    client = rollout.client()
    first_page = client.first_page

    def bent(operation, *size, **arguments):
        return change(first_page(operation, *size, **arguments), arguments["task_status"])

    client.first_page = bent
    return client


def test_numbers_of_the_service():
    rollout = world()
    assert count_tasks(rollout.client(), "1") == counts(QUEUED=2, NOTIFIED=1, IN_PROGRESS=1)
    assert rollout.actions == ["ListOTATaskByJob"] * 8


def test_numbers_that_do_not_follow_the_filter_are_replaced_by_a_list():
    client = bend(world(), lambda page, status: page._replace(announced=4))
    assert count_status(client, "1", "SUCCEEDED") is None
    assert count_tasks(client, "1") == counts(QUEUED=2, NOTIFIED=1, IN_PROGRESS=1)


def test_large_batch_is_not_listed():
    rollout = world(count=MAX_LISTED // 4 + 1)
    client = bend(rollout, lambda page, status: page._replace(announced=len(COURSES) * (MAX_LISTED // 4 + 1)))
    assert count_tasks(client, "1") == UNKNOWN_COUNTS
    assert rollout.actions == ["ListOTATaskByJob"] * 8


def test_numbers_may_be_a_little_apart():
    client = bend(world(30), lambda page, status: page if status else page._replace(announced=page.announced + 12))
    assert count_tasks(client, "1")["QUEUED"] == 60


def test_numbers_that_are_far_apart_are_not_known():
    rollout = world(30)
    client = bend(rollout, lambda page, status: page if status else page._replace(announced=page.announced + 21))
    assert count_tasks(client, "1")["QUEUED"] == 60  # listed
    assert len(rollout.actions) == 8 + 2


@pytest.mark.parametrize("change", [None, lambda page, status: page._replace(announced=None)])
def test_no_number(change):
    client = bend(world(), change or (lambda page, status: None))
    assert count_tasks(client, "1") == UNKNOWN_COUNTS


def test_state_that_is_not_documented():
    client = bend(world(), lambda page, status: page._replace(announced=9))
    listing = client.listing

    def odd(operation, **arguments):
        found = listing(operation, **arguments)
        found.rows[0]["task_status"] = "ODD"
        return found

    client.listing = odd
    assert count_tasks(client, "1") == UNKNOWN_COUNTS


def test_sum_of_what_is_known():
    assert add_up(counts(QUEUED=2, NOTIFIED=1), ("QUEUED", "NOTIFIED")) == 3
    assert add_up({**counts(), "QUEUED": None}, ("QUEUED", "NOTIFIED")) is None
    assert add_up(UNKNOWN_COUNTS, ()) == 0
