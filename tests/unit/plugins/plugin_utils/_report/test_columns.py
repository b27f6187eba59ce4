# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.columns import (
    COLUMNS,
    INDENT,
    pack,
    shorten,
    width,
    wrap,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("lamp", 4), ("München", 7), ("客厅", 4), ("Ko\u0308ln", 4), ("…", 1), ("café", 4)]
)
def test_wide_characters_take_two_columns(text, columns):
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [("Berlin", 6, "Berlin"), ("Berlin", 5, "Berl…"), ("客厅客厅", 6, "客厅…"), ("New York", 5, "New…"), ("x", 0, "…")],
)
def test_what_is_too_long_is_cut_and_marked(text, columns, shown):
    assert shorten(text, columns) == shown


def test_parts_go_on_on_the_next_line():
    first, second, third = "a" * 60, "b" * 38, "c" * 3
    assert pack([first, second]) == [f"{first}  {second}"]
    assert pack([first, second, third]) == [f"{first}  {second}", f"{INDENT}{third}"]
    assert pack([]) == []


def test_a_part_that_is_too_long_is_wrapped():
    words = " ".join(["word"] * 40)
    lines = pack(["15:00:41  Lamp", words, "end"])
    assert [len(line) for line in lines] == [14, 99, 99, 34]
    assert lines[-1].endswith("  end")
    assert "".join(lines[1:]).replace(INDENT, " ").split() == [*words.split(), "end"]


def test_wrapped_text_is_indented():
    assert wrap("a note") == [f"{INDENT}a note"]
    assert wrap("w" * 120) == [f"{INDENT}{'w' * 89}…"]


@given(st.lists(st.text("ab 客\u0308,", max_size=150), max_size=6))
def test_no_line_is_wider_than_the_screen(parts):
    assert all(width(line) <= COLUMNS for line in pack(parts))
