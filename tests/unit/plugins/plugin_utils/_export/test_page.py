# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.page import Page, escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lamp-1", "lamp-1"),
        ("2.0.0", "2.0.0"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("1. first", "1\\. first"),
        ("- entry", "\\- entry"),
        ("---", "\\---"),
        ("a|b*c_d", "a\\|b\\*c\\_d"),
        ("two\n lines\u2028here", "two lines here"),
        ("<script>", "\\<script\\>"),
        ("@team", "\\@<!-- -->team"),
        ("x#1", "x\\#<!-- -->1"),
        ("www.evil.example", "www<!-- -->.evil.example"),
        ("https://evil.example", "https:<!-- -->//evil.example"),
        ("100 %, 5%milestone", "100 %, 5\\%milestone"),
        ("\x00\x1b", ""),
    ],
)
def test_text_is_no_markdown(text, shown):
    assert escape(text) == shown


def test_long_text_is_cut_and_the_page_knows():
    page = Page(100)
    assert (page.text("a" * 5, 5), page.is_cut) == ("aaaaa", False)
    assert (page.text("a" * 6, 5), page.is_cut) == ("aaaa…", True)
    assert page.text(None) == ""


def test_a_page_takes_no_more_than_there_is_room_for():
    page = Page(10)
    page.put("1234")
    page.put("客厅")  # six bytes and a line break
    page.put("5678")
    page.add("own")
    assert (str(page), page.is_cut) == ("1234\n5678\nown\n", True)


def test_a_table_has_no_empty_column():
    page = Page(1000)
    page.put_table(("Device", "Version", "Number"), [["a", "", "1"], ["b", "", ""]], ["Number"])
    page.put_table(("Device",), [])
    assert str(page) == "| Device | Number |\n|---|---:|\n| a | 1 |\n| b | - |\n"
