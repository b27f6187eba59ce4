# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.chart import (
    chart,
    deadline_after,
    level_ticks,
    read_polls,
    tick_text,
    time_step,
)

TIMES = {"started": "2026-03-01T10:10:02Z", "deadline": "2026-03-01T10:40:02Z"}


def entry(seconds, succeeded, failed, pending, **more):
    return {"seconds": seconds, "succeeded": succeeded, "failed": failed, "pending": pending, **more}


def of(*entries, **given):
    return chart({"timeline": [*entries], **TIMES, **given})


MOVED = (entry(0.0, 0, 0, 10), entry(100.0, 4, 1, 5), entry(400.0, 8, 2, 0))


# --- Axes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(0.5, 1), (8, 1), (9, 2), (60, 10), (120, 15), (428, 60), (1845, 300), (86400, 10800), (31 * 86400, 604800)],
)
def test_marks_of_time_are_round_and_few(seconds, step):
    assert time_step(seconds) == step


def test_marks_for_more_time_than_anybody_waits():
    assert time_step(366 * 86400.0) == 56 * 86400


@pytest.mark.parametrize(
    ("top", "levels"),
    [
        (1, [0, 1]),
        (2, [0, 1, 2]),
        (12, [0, 5, 10, 12]),
        (1040, [0, 500, 1040]),
        (2000, [0, 500, 1000, 1500, 2000]),
        (1_000_000, [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]),
    ],
)
def test_marks_for_devices_are_whole_and_end_at_the_top(top, levels):
    assert level_ticks(top) == levels


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (30, "30 s"), (60, "1 min"), (3600, "1 h"), (5400, "90 min"), (172800, "2 d")]
)
def test_marks_have_their_own_unit(seconds, text):
    assert tick_text(seconds) == text


def test_marks_begin_at_the_first_poll_and_are_unique():
    ticks = of(*MOVED)["ticks"]
    assert [tick["text"] for tick in ticks] == ["0 s", "1 min", "2 min", "3 min", "4 min", "5 min", "6 min"]
    assert [tick["clock"] for tick in ticks][:2] == ["10:10:02", "10:11:02"]
    places = [tick["place"] for tick in ticks]
    assert places[0] == 0
    assert places == sorted(set(places))


def test_marks_of_long_rollouts_show_the_day():
    ticks = of(entry(0.0, 0, 0, 1), entry(5 * 86400.0, 1, 0, 0))["ticks"]
    assert [(tick["text"], tick["clock"]) for tick in ticks][:2] == [("0 s", "03-01"), ("1 d", "03-02")]


def test_without_a_start_marks_have_no_time_of_day():
    assert {tick["clock"] for tick in of(*MOVED, started=None)["ticks"]} == {""}


# --- Areas -----------------------------------------------------------------------------------------------------------


def heights(path):
    return [200 - float(height) for height in re.findall(r"V([\d.]+)(?= H)", path)]


def test_failed_devices_stand_on_the_base_line():
    areas = {area["state"]: heights(area["path"]) for area in of(*MOVED)["areas"]}
    assert list(areas) == ["pending", "succeeded", "failed"]
    assert areas == {"pending": [200, 200, 200], "succeeded": [0, 100, 200], "failed": [0, 20, 40]}


def test_areas_are_held_to_the_next_poll_and_seen_at_the_end():
    path = of(*MOVED)["areas"][2]["path"]
    assert path == "M0.0 200 H0.0 V200.0 H245.1 V180.0 H980.4 V160.0 H1000.0 V200 Z"


def test_polls_are_drawn_in_the_order_of_time():
    assert [poll.seconds for poll in read_polls({"timeline": [*reversed(MOVED)]})] == [0.0, 100.0, 400.0]


@pytest.mark.parametrize("timeline", [None, 7, [], [None, "x"], [entry(0.0, 0, 0, 0)], [{}]])
def test_nothing_was_counted(timeline):
    assert chart({"timeline": timeline}) is None


def test_odd_entries_count_as_nothing():
    polls = read_polls({"timeline": [{"seconds": "x", "failed": -1, "error": "yes"}]})
    assert [(poll.seconds, dict(poll.counts), poll.failed) for poll in polls] == [
        (0.0, {"pending": 0, "succeeded": 0, "failed": 0}, False)
    ]


# --- No data ---------------------------------------------------------------------------------------------------------


def test_polls_that_failed_are_no_data_until_one_succeeds():
    gaps = of(
        entry(0.0, 0, 0, 10),
        entry(100.0, 0, 0, 10, error=True),
        entry(200.0, 5, 0, 5),
        entry(300.0, 5, 0, 5, error=True),
        entry(400.0, 5, 0, 5, error=True),
    )["gaps"]
    assert gaps == [{"x": 245.1, "width": 245.1}, {"x": 735.3, "width": 264.7}]


def test_the_table_says_where_there_is_no_data():
    rows = of(entry(0.0, 0, 0, 1000), entry(90.0, 0, 0, 1000, error=True))["rows"]
    assert rows == [
        {"time": "0 s", "clock": "10:10:02", "succeeded": "0", "failed": "0", "pending": "1,000"},
        {
            "time": "1 min 30 s",
            "clock": "10:11:32",
            "succeeded": "no data",
            "failed": "no data",
            "pending": "no data",
        },
    ]


# --- One bar ---------------------------------------------------------------------------------------------------------


def test_one_bar_where_nothing_moved():
    assert of(entry(0.0, 0, 1, 3), entry(90.0, 0, 1, 3)) == {
        "bar": [
            {"state": "failed", "name": "Failed", "count": "1", "width": 25.0},
            {"state": "pending", "name": "Unfinished", "count": "3", "width": 75.0},
        ],
        "text": "Nothing changed in 1 min 30 s: 0 succeeded, 1 failed, 3 unfinished.",
    }


def test_one_bar_for_one_poll():
    assert of(entry(0.0, 2, 0, 0))["text"] == "1 poll: 2 succeeded, 0 failed, 0 unfinished."


# --- The deadline ----------------------------------------------------------------------------------------------------


def test_a_deadline_that_is_near_is_drawn():
    shown = of(*MOVED, deadline="2026-03-01T10:20:02Z")
    assert shown["deadline"] == {"place": 99.01, "text": "Deadline 10:20:02"}
    assert shown["beyond"] == ""
    assert shown["ticks"][-1]["text"] == "10 min"


def test_a_deadline_that_is_far_is_said():
    shown = of(*MOVED)
    assert shown["deadline"] is None
    assert shown["beyond"] == "Deadline 10:40:02 UTC, 23 min 20 s after the last poll"


def test_where_the_deadline_is():
    assert deadline_after(TIMES) == 1800.0
    assert deadline_after({"policy": {"wait_timeout": 60.0}}) == 60.0
    assert deadline_after({}) is None
    shown = of(*MOVED, started=None, deadline=None)
    assert (shown["deadline"], shown["beyond"]) == (None, "")
    assert of(*MOVED, started=None, deadline=None, policy={"wait_timeout": 300})["deadline"]["text"] == "Deadline"


def test_the_description_says_how_it_began_and_ended():
    assert of(*MOVED)["text"] == (
        "After 6 min 40 s: 8 succeeded, 2 failed, 0 unfinished. The first poll: 0 succeeded, 0 failed, 10 unfinished."
    )
