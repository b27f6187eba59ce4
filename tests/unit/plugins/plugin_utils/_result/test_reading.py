# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.reading import (
    MAX_NUMBER,
    count_of,
    counts_of,
    mapping_of,
    number_of,
    rows_of,
    text_of,
    texts_of,
)

ODD = [None, 7, "text", [], {}, True, object()]


@pytest.mark.parametrize("value", ODD)
def test_what_is_of_another_type_is_nothing(value):
    assert mapping_of(value) == {}
    assert rows_of(value) == []
    assert texts_of(value) == []
    assert counts_of(value) == {}
    assert count_of(value) == (7 if value == 7 and value is not True else 0)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((3, 3), (2.5, 2.5), (-2, -2), (True, 0), ("3", 0)),
        *((math.inf, 0), (-math.inf, 0), (math.nan, 0), (10**400, 0)),
        *((MAX_NUMBER, MAX_NUMBER), (-MAX_NUMBER, -MAX_NUMBER), (MAX_NUMBER + 1, 0), (-MAX_NUMBER - 1, 0)),
    ],
)
def test_numbers(value, number):
    assert number_of(value) == number


def test_rows_and_texts_leave_out_what_is_none():
    assert rows_of([{"a": 1}, 2, None, {"b": 2}]) == [{"a": 1}, {"b": 2}]
    assert texts_of(("a", 1, None, "b")) == ["a", "b"]
    assert counts_of({"a": 2, "b": 0, "c": -1, "d": "x"}) == {"a": 2}
    assert [text_of(value) for value in (None, 0, "a", 2.5)] == ["", "0", "a", "2.5"]
