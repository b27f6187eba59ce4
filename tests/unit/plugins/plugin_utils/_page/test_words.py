# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._page.words import (
    MAX_TEXT,
    duration_or_blank,
    escaped_size,
    has_cut,
    merged_notes,
    sentence,
    share_text,
    shown_text,
    shown_texts,
    width_of,
)

DAY = "2026-03-01"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, ""),
        (12, "12"),
        (" lamp ", "lamp"),
        ("nul\x00bell\x07escape\x1b", "nulbellescape"),
        ("two\nlines", "two\nlines"),
        ("\ud800x", "x"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_text_that_a_page_may_hold(text, shown):
    assert shown_text(text) == shown


def test_texts_at_any_depth():
    long = "x" * (MAX_TEXT + 1)
    shown = shown_texts({"a": [long, {"b": "\x07c"}], "n": 1, "none": None})
    assert shown == {"a": [long[: MAX_TEXT - 1] + "…", {"b": "c"}], "n": 1, "none": None}
    assert has_cut(shown)
    assert not has_cut({"a": ["x" * MAX_TEXT, "short…"], "n": 1})


def test_what_escaping_adds_counts():
    assert escaped_size(["<b>", "a&b"]) == len("&lt;b&gt;") + len("a&amp;b")


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 12, "0 %"), (12, 12, "100 %"), (1, 3, "33.3 %"), (1, 20_000, "0.01 %"), (60, 2000, "3 %"), (1, 0, "")],
)
def test_shares_have_as_many_digits_as_they_need(part, whole, text):
    assert share_text(part, whole) == text


@pytest.mark.parametrize(("part", "whole", "width"), [(1, 3, 33.33), (5, 2, 100.0), (-1, 2, 0.0), (1, 0, 0.0)])
def test_widths_stay_within_their_bar(part, whole, width):
    assert width_of(part, whole) == width


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("3 of 12 devices failed", "3 of 12 devices failed."),
        ("nothing was read", "Nothing was read."),
        ("job_ids names nothing", "job_ids names nothing."),
        ("max_failed is 2", "max_failed is 2."),
        ("lamp-1 failed!", "lamp-1 failed!"),
        ("it ends early…", "It ends early…"),
        ("  ", ""),
    ],
)
def test_sentences_begin_with_a_capital_unless_it_is_a_name(text, made):
    assert sentence(text) == made


def test_durations():
    assert [duration_or_blank(value) for value in (251.0, 0, None, "1", True)] == ["4 min 11 s", "0 s", "", "", ""]


def test_notes_about_several_batches_become_one():
    notes = [
        "start grace 2 min",
        "batch b-1 says nothing of its module",
        "batch b-2 says nothing of its module",
        "start grace 2 min",
        "batch b-1 is a later stage than batch b-2",
    ]
    assert merged_notes(notes, ["b-1", "b-2"]) == [
        "Start grace 2 min.",
        "Batch b-1 says nothing of its module (also b-2).",
        "Batch b-1 is a later stage than batch b-2.",
    ]
