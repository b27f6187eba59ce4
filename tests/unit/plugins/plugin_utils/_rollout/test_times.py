# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import (
    MAX_TIME,
    format_time,
    moment,
    parse_time,
    with_moments,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T10:00:00.000Z", NOW, id="as documented"),
        pytest.param("2026-03-01T10:00:00Z", NOW, id="without fractions"),
        pytest.param("2026-03-01T10:00:00. 500Z", NOW + 0.5, id="with a stray blank"),
        pytest.param("2026-03-01T11:00:00+01:00", NOW, id="of another zone"),
        pytest.param("2026-03-01T18:00:00+0800", NOW, id="of a zone without a colon"),
        pytest.param("2026-03-01 18:00:00 +0800", NOW, id="as git writes it"),
        pytest.param("2026-03-01T10:00:00.5Z", NOW + 0.5, id="with one digit of a fraction"),
        pytest.param("2026-03-01T10:00:00.500000999Z", NOW + 0.5, id="with nanoseconds"),
        pytest.param("2026-03-01T10:00:00", NOW, id="without a zone it is UTC"),
        pytest.param(" 2026-03-01 10:00:00 ", NOW, id="a blank between date and time"),
        pytest.param("2026-03-01", NOW - 10 * 3600, id="a date is its first second"),
        pytest.param("1970-01-01T00:00:00Z", 0.0, id="the first second"),
        pytest.param("1969-12-31T23:59:59Z", None, id="before the first second"),
        pytest.param("9987-04-02T17:46:39Z", MAX_TIME - 1, id="the last second"),
        pytest.param("9987-04-02T17:46:40Z", None, id="after the last second"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before any date"),
        pytest.param("", None, id="blank"),
        pytest.param("tomorrow", None, id="words"),
        pytest.param("Tomorrow", None, id="words with a T"),
        pytest.param("2026-03-01T10:00:00Z\ud800", None, id="not Unicode"),
        pytest.param(None, None, id="none"),
        pytest.param(1_772_359_200, None, id="a number"),
        pytest.param(["2026-03-01T10:00:00Z"], None, id="a list"),
    ],
)
def test_parse_time(text, expected):
    assert parse_time(text) == expected


def test_last_time_is_the_same_second_everywhere():
    assert MAX_TIME == 253_000_000_000.0


def test_time_without_a_zone_is_utc_wherever_the_gate_runs(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert parse_time("2026-03-01T10:00:07") == NOW + 7
        assert format_time(NOW + 7) == "2026-03-01T10:00:07Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_format_time_cuts_fractions():
    assert format_time(NOW + 0.9) == "2026-03-01T10:00:00Z"


def test_format_time_is_read_again():
    assert parse_time(format_time(NOW)) == NOW


def test_times_for_people_have_no_date_on_the_same_day():
    assert moment("2026-03-01T10:12:44Z", "2026-03-01") == "10:12:44"
    assert moment("2026-02-28T10:12:44Z", "2026-03-01") == "2026-02-28 10:12:44"
    assert moment("2026-02-28T10:12:44Z", seconds=False) == "2026-02-28 10:12"
    assert [moment(odd) for odd in (None, "", "soon", 7)] == ["", "", "", ""]
    said = "fell back from 2.4.1 to 2.3.0 after 2026-03-01T10:12:44Z, offline since 2026-02-28T08:00:00Z"
    assert with_moments(said, "2026-03-01") == (
        "fell back from 2.4.1 to 2.3.0 after 10:12:44, offline since 2026-02-28 08:00:00"
    )
    assert with_moments("created 2026-03-01T10:12:44.974Z", "2026-03-01") == "created 10:12:44"
    assert with_moments("at 2026-99-01T10:12:44Z", "2026-03-01") == "at 2026-99-01T10:12:44Z"
