# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.tiles import stacked_bar, tiles
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit

COUNTS = {"total": 2000, "succeeded": 1640, "verified": 0, "failed": 60, "pending": 300}


def made(*limits, first="failed", verdict="failed", **policy):
    result = {"verdict": verdict, "counts": COUNTS, "limits": [limit.to_result() for limit in limits], "policy": policy}
    return tiles(result, first)


def groups(*limits, **given):
    return [tile["group"] for tile in made(*limits, **given)]


FAILED = Limit("max_failed_percent", 2.0, 60, 1700, False, True)
TOLERATED = Limit("max_failed_percent", 5.0, 60, 1700, True)
PENDING = Limit("max_pending_percent", 10.0, 300, 2000, False)
TIME = Limit("wait_timeout", 1800.0, 420.0, None, True)
ERRORS = Limit("max_consecutive_errors", 5, 0, None, True)


def test_what_decided_comes_before_what_was_tolerated():
    assert groups(FAILED, PENDING) == ["failed", "pending", "succeeded"]
    assert groups(PENDING._replace(decided=True), TOLERATED, first="pending") == ["pending", "failed", "succeeded"]
    assert groups(TOLERATED, PENDING, first="pending", verdict="timed_out") == ["pending", "failed", "succeeded"]
    assert groups(TOLERATED, verdict="passed") == ["succeeded", "failed", "pending"]


def test_other_bounds_have_tiles_if_they_matter():
    assert groups(TIME, ERRORS) == ["failed", "pending", "succeeded", "time"]
    broken = ERRORS._replace(measured=6, kept=False)
    assert groups(TIME, broken, TOLERATED) == ["errors", "failed", "pending", "succeeded", "time"]
    assert groups(Limit("min_devices", 10, 3, None, False, True)) == ["devices", "failed", "pending", "succeeded"]


def test_a_tile():
    first = made(FAILED, Limit("max_failed", 100, 60, 1700, True))[0]
    assert [limit["name"] for limit in first.pop("limits")] == ["max_failed_percent", "max_failed"]
    assert first == {
        "group": "failed",
        "name": "Failed",
        "number": "60",
        "share": "3 % of 2,000",
        "note": "",
        "decided": True,
        "broken": True,
    }


def test_a_tile_of_time_shows_what_was_measured():
    assert made(TIME)[-1]["number"] == "7 min"


def test_a_number_does_not_repeat_what_its_tile_is_called():
    assert made(Limit("min_devices", 10, 1200, None, True))[-1]["number"] == "1,200"
    assert made(ERRORS._replace(measured=6, kept=False))[0]["number"] == "6"


@pytest.mark.parametrize("result", [{}, {"counts": None, "limits": 7, "policy": []}])
def test_without_numbers(result):
    shown = tiles(result, "failed")
    assert [(tile["number"], tile["share"], tile["note"]) for tile in shown] == [("0", "", "")] * 3


@pytest.mark.parametrize(("verify", "note"), [(True, "0 of 1,640 versions read"), (False, "")])
def test_the_tile_of_succeeded_devices_says_how_many_versions_were_read(verify, note):
    shown = made(versions={"verify": verify})
    assert {tile["group"]: tile["note"] for tile in shown} == {"succeeded": note, "failed": "", "pending": ""}


def test_one_bar_for_all_states():
    assert stacked_bar(COUNTS, 2000) == [
        {"state": "failed", "name": "Failed", "count": "60", "width": 3.0},
        {"state": "succeeded", "name": "Succeeded", "count": "1,640", "width": 82.0},
        {"state": "pending", "name": "Unfinished", "count": "300", "width": 15.0},
    ]
    assert stacked_bar({}, 0) == []
