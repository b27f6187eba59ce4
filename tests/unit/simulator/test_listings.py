# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of tasks: the index tells the same as a scan, and no request works for tasks that it does not show."""

from __future__ import annotations

import random
import sys
from bisect import bisect_right

import pytest
from ota_sim.listings import Listing
from ota_sim.timelines import FINISHED, UNFINISHED

STATUSES = ("", *UNFINISHED, *FINISHED)


def random_tasks(luck, count):
    """Tasks with up to eight changes; some begin late, some at once, and some changes come at the same time."""
    tasks = []
    for _task in range(count):
        times = sorted(luck.randrange(20) for _change in range(luck.randrange(9)))
        tasks.append([(float(time), luck.choice(STATUSES)) for time in times])
    return tasks


def status_at(changes, t):
    place = bisect_right([time for time, _status in changes], t) - 1
    return changes[place][1] if place >= 0 else ""


def scanned(tasks, t, statuses):
    shown = statuses or STATUSES[1:]
    return [place for place, changes in enumerate(tasks) if status_at(changes, t) in shown]


@pytest.mark.parametrize("seed", range(4))
def test_it_tells_the_same_as_a_scan_whichever_way_the_clock_goes(seed):
    luck = random.Random(seed)
    tasks = random_tasks(luck, luck.choice([3, 512, 1300]))
    listing = Listing(tasks)
    for _look in range(60):
        t = luck.randrange(-1, 22) + luck.choice([0, 0.5])
        statuses = luck.choice([(), ("SUCCEEDED",), ("FAILED",), ("QUEUED", "CONFIRM")])
        offset, count = luck.choice([0, 1, 99, 600]), luck.choice([1, 10, 100, 2000])
        expected = scanned(tasks, t, statuses)
        assert listing.count(t, statuses) == len(expected)
        assert listing.page(t, statuses, offset, count) == expected[offset : offset + count]


def test_an_empty_list():
    listing = Listing([])
    assert (listing.count(5), listing.page(5, (), 0, 10)) == (0, [])


ENTRY = {"prefix": "d-", "spread": 600, "jitter": 0}
REQUESTS = [
    ("QueryOTAJob", {"JobId": "1"}),
    ("ListOTATaskByJob", {"JobId": "1", "TaskStatus": "SUCCEEDED", "CurrentPage": "{page}", "PageSize": "10"}),
    ("ListOTATaskByJob", {"JobId": "1", "TaskStatus": "QUEUED", "CurrentPage": "{page}", "PageSize": "10"}),
    ("ListOTATaskByJob", {"JobId": "1", "CurrentPage": "{page}", "PageSize": "10"}),
    ("ListOTATaskByJob", {"JobId": "1", "DeviceNames__1": "{name}"}),
    (
        "ListOTAModuleVersionsByDevice",
        {"ProductKey": "p1", "DeviceName": "{name}", "CurrentPage": "1", "PageSize": "9"},
    ),
    ("ListOTAUnfinishedTaskByDevice", {"ProductKey": "p1", "DeviceName": "{name}"}),
    ("BatchQueryDeviceDetail", {"ProductKey": "p1", "DeviceName__1": "{name}"}),
    ("BatchGetDeviceState", {"ProductKey": "p1", "DeviceName__1": "{name}"}),
]


def lines_run(work):
    """How many lines of Python the work runs: its cost, on any machine the same."""
    lines = 0

    def trace(_frame, event, _argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def fleet(make_caller, count):
    return make_caller(
        {
            "qps": 0,
            "counts_lag": 5,
            "jobs": [{"job_id": "1", "firmware_id": "f1", "devices": [{**ENTRY, "count": count}]}],
        }
    )


def costs(caller, count):
    """The lines that each request runs, halfway through the rollout, for the middle of its list."""
    caller.at(300)
    words = {"page": str(count // 40), "name": f"d-{count // 2}"}
    texts = [(action, {key: text.format(**words) for key, text in params.items()}) for action, params in REQUESTS]
    for action, params in texts:  # works off what changed until now, and fills caches
        assert caller.call(action, **params)["Success"] is True
    return [lines_run(lambda one=one: caller.reply(one[0], **one[1])) for one in texts]


def test_a_request_costs_the_same_in_a_fleet_of_any_size(make_caller):
    small = costs(fleet(make_caller, 200), 200)
    large = costs(fleet(make_caller, 20_000), 20_000)
    assert [name for (name, _params), few, many in zip(REQUESTS, small, large) if many > few * 1.2 + 20] == []


def test_what_changes_between_two_requests_is_worked_off_once(make_caller):
    caller = fleet(make_caller, 20_000)
    caller.at(300)
    query = {"JobId": "1", "TaskStatus": "SUCCEEDED", "CurrentPage": "700", "PageSize": "10"}
    caller.call("ListOTATaskByJob", **query)
    idle = lines_run(lambda: caller.reply("ListOTATaskByJob", **query))
    caller.at(301)
    moved = lines_run(lambda: caller.reply("ListOTATaskByJob", **query))
    again = lines_run(lambda: caller.reply("ListOTATaskByJob", **query))
    assert again == pytest.approx(idle, abs=50)
    assert idle < moved < idle + 2_000, "a second of 600 brings one change in 600 of 80,000"


def test_devices_spread_over_the_given_time(make_caller):
    caller = fleet(make_caller, 5_000)
    done = []
    for minute in (0, 2, 5, 9, 11):
        caller.at(minute * 60)
        answer = caller.call("ListOTATaskByJob", JobId="1", TaskStatus="SUCCEEDED", CurrentPage="1", PageSize="1")
        done.append(answer["Total"] / 5_000)
    assert done == pytest.approx([0, 0.2, 0.5, 0.9, 1], abs=0.04)
