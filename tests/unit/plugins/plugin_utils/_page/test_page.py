# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.page import (
    facts,
    failure_rows,
    files_beside,
    headline,
    notes_of,
    option_text,
    options_of,
    page_of,
    states_of,
    verdict_name,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.reading import MAX_NUMBER

DAY = "2026-03-01"
ODD = [None, 7, 2.5, "text", [], {}, True, [None], [[]], [{}], {"a": None}, {"total": "x", "failed": [], "verify": 7}]
KEYS = [
    *("reasons", "counts", "by_status", "by_class", "limits", "failure_texts", "jobs", "failed_devices"),
    *("pending_devices", "timeline", "notes", "started", "ended", "deadline", "elapsed_seconds", "polls", "policy"),
    *("verdict", "final", "to_do", "failure"),
]


def decided(name):
    return [{"name": name, "allowed": 1, "measured": 3, "of": 12, "kept": False, "decided": True}]


# --- Any result ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("key", KEYS)
def test_what_is_odd_is_left_out(key, odd):
    page = page_of({key: odd})
    assert json.loads(json.dumps(page)).keys() == page_of({}).keys()
    assert all(isinstance(page[name], type(value)) for name, value in page_of({}).items() if name != "chart")


@pytest.mark.parametrize(
    "number", [MAX_NUMBER, -MAX_NUMBER, 10**11, 10**12, 10**400, 1e308, -1e308, math.inf, math.nan]
)
def test_numbers_that_no_rollout_has(number):
    counts = dict.fromkeys(("total", "succeeded", "failed", "pending", "devices"), number)
    page = page_of(
        {
            "counts": counts,
            "timeline": [{**counts, "seconds": 0, "succeeded": 1}, {**counts, "seconds": number}],
            "started": "9986-01-01T00:00:00Z",
            "limits": [{"name": "max_failed_percent", "allowed": number, "measured": number, "of": number}],
            "policy": {"wait_timeout": number, "max_pending": number, "soak": number},
            "jobs": [{"job_id": "1", "counts": counts}],
            "by_class": {"failed": {"timeout": number}},
            "failure_texts": [{"class": "timeout", "text": "x", "count": number}],
            "elapsed_seconds": number,
            "polls": number,
        }
    )
    assert len(json.dumps(page)) < 100_000


def test_an_empty_result():
    page = page_of({})
    assert (page["title"], page["verdict"], page["total"], page["chart"]) == ("OTA rollout", "", "0", None)
    empty = ("headline", "to_do", "links", "failure", "causes", "devices", "notes", "limits", "options", "files")
    assert [page[name] for name in empty] == [[] for _name in empty]
    assert not page["is_cut"]


def test_the_title_that_is_given_wins():
    assert page_of({"title": "Lamp 2.4.1"})["title"] == "Lamp 2.4.1"
    assert page_of({"title": "Lamp 2.4.1"}, title="Mine")["title"] == "Mine"


def test_long_texts_are_cut_and_that_is_said():
    page = page_of({"failed_devices": [{"device_name": "x" * 501}]})
    assert page["devices"][0]["rows"][0]["device"] == "x" * 499 + "…"
    assert page["is_cut"]


# --- Head ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "name"), [("timed_out", "Timed out"), ("failed", "Failed"), (None, "")])
def test_the_verdict_for_people(verdict, name):
    assert verdict_name({"verdict": verdict}) == name


def test_the_headline_does_not_repeat_itself():
    names = [f"d{number}" for number in range(10)]
    reasons = [
        {
            "message": "80 of 1,200 devices are unfinished, 6.7 %; the limit is 60 (max_pending)",
            "count": 80,
            "devices": names,
        },
        {"message": "80 of 1,200 devices are unfinished", "count": 80, "devices": names},
        {"message": "nothing was read since 2026-03-01T10:12:44Z", "count": 80, "devices": names},
    ]
    assert headline({"reasons": reasons}, DAY) == [
        {
            "text": "80 of 1,200 devices are unfinished, 6.7 %; the limit is 60 (max_pending).",
            "names": "d0, d1, d2, d3, d4 and 75 more",
        },
        {"text": "Nothing was read since 10:12:44.", "names": ""},
    ]


def test_when_it_was_watched():
    result = {
        "started": "2026-03-01T23:50:02Z",
        "ended": "2026-03-01T23:57:02Z",
        "deadline": "2026-03-02T00:20:02Z",
        "elapsed_seconds": 420.0,
        "polls": 1000,
    }
    assert facts(result) == [
        {"name": "First poll (UTC)", "value": "2026-03-01 23:50:02"},
        {"name": "Last poll (UTC)", "value": "23:57:02"},
        {"name": "Watched for", "value": "7 min, 1,000 polls"},
        {"name": "Deadline (UTC)", "value": "2026-03-02 00:20:02"},
    ]
    assert facts({}) == [{"name": "Watched for", "value": "0 s, 0 polls"}]


@pytest.mark.parametrize(
    ("verdict", "limits", "first"),
    [
        ("failed", decided("max_failed"), "failed"),
        ("timed_out", decided("max_pending"), "pending"),
        ("timed_out", decided("min_succeeded_percent"), "pending"),
        ("failed", decided("min_succeeded_percent"), "failed"),
        ("timed_out", [], "pending"),
        ("passed", [], "failed"),
    ],
)
def test_which_devices_come_first(verdict, limits, first):
    assert states_of({"verdict": verdict, "limits": limits})[0] == first


# --- What to do ------------------------------------------------------------------------------------------------------


def test_what_to_do_is_what_the_result_says():
    assert page_of({"to_do": ["Do this."]})["to_do"] == ["Do this."]
    assert page_of({"reasons": [{"code": "proved"}], "to_do": []})["to_do"] == []


def test_what_still_runs_is_said_after_a_final_verdict():
    result = {"final": True, "by_status": {"IN_PROGRESS": 1200, "QUEUED": 31}}
    assert page_of(result)["running"] == "Still running: 1,200 being updated, 31 queued; the gate does not stop them."
    assert page_of({**result, "final": False})["running"] == ""
    assert page_of({"final": True})["running"] == ""


def test_why_the_last_poll_failed():
    failure = {"code": "Forbidden.RAM", "message": "not allowed", "http_status": 403, "request_id": None, "other": 1}
    assert failure_rows({"failure": failure}) == [
        {"name": "Message", "value": "not allowed"},
        {"name": "Code", "value": "Forbidden.RAM"},
        {"name": "HTTP status", "value": "403"},
    ]


# --- Options and notes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("soak", 0.0, "0 s"),
        ("versions.grace", 120.0, "2 min"),
        ("allow_empty", False, "no"),
        ("versions.verify", True, "yes"),
        ("confirmations", 2000, "2,000"),
        ("expected_version", "2.0.0", "2.0.0"),
        ("expected_devices", ["a", {"product_key": "k", "device_name": "b"}], "a, b"),
    ],
)
def test_options_for_people(name, value, text):
    assert option_text(name, value) == text


def test_many_expected_devices_are_not_all_named():
    text = option_text("expected_devices", [f"d{number}" for number in range(2000)])
    assert text.startswith("d0, d1, ")
    assert text.endswith(", d19 and 1,980 more")


def test_other_options_are_those_that_are_set_and_are_no_limit():
    policy = {
        "max_failed": 1,
        "min_executed": 50,
        "max_pending": None,
        "soak": 0.0,
        "versions": {"verify": True, "module_name": None},
    }
    assert options_of({"policy": policy}) == [
        {"name": "soak", "value": "0 s"},
        {"name": "versions.verify", "value": "yes"},
    ]


def test_notes_are_sentences():
    notes = ["the rollout must be settled by 2026-03-01T10:40:02Z"]
    assert notes_of({"notes": notes}, DAY) == ["The rollout must be settled by 10:40:02."]


def test_reports_beside_the_page():
    files = {
        "html": "/x/a.html",
        "csv": "/x/javascript:a b.csv",
        "json": "/x/javascript:a b.json",
        "dotenv": "/x/a.env",
    }
    assert files_beside(files) == [
        {"format": "JSON", "name": "javascript:a b.json", "href": "./javascript%3Aa%20b.json"},
        {"format": "CSV", "name": "javascript:a b.csv", "href": "./javascript%3Aa%20b.csv"},
    ]
    assert files_beside(None) == files_beside({"html": "/x/a.html"}) == []


@pytest.mark.parametrize(
    ("canceled", "shown"),
    [
        ({"ok": True, "msg": "Canceled 3 tasks of 1 batch."}, "Canceled 3 tasks of 1 batch."),
        ({"ok": False, "msg": "Nothing was canceled."}, "The cancel failed: Nothing was canceled."),
        ({"ok": "true", "msg": "Nothing was canceled."}, "The cancel failed: Nothing was canceled."),
        (None, ""),
        ([], ""),
    ],
)
def test_what_the_role_canceled(canceled, shown):
    assert page_of({"canceled": canceled})["canceled"] == shown
    assert page_of({})["canceled"] == ""


def test_nothing_spreads_after_a_cancel():
    result = {"final": True, "by_status": {"QUEUED": 2}}
    running = "Still running: 2 queued; the gate does not stop them."
    said = {"msg": "Canceled 2 tasks of 1 batch.", "check_mode": False}
    assert page_of({**result, "canceled": {**said, "ok": True}})["running"] == ""
    assert page_of({**result, "canceled": {**said, "ok": False}})["running"] == running
    assert page_of({**result, "canceled": {**said, "ok": True, "check_mode": True}})["running"] == running
