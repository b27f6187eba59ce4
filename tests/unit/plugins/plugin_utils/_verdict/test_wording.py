# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import assess
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import (
    class_counts,
    device_names,
    failures_sentence,
    format_duration,
    printable,
    proof_sentence,
    quote_short,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch, plain, poll


def rollout_of(letters):
    return assess(poll(batch(letters)), plain(ignore_canceled=True), {}, True)


@pytest.mark.parametrize(
    ("letters", "sentence"),
    [
        ("SS", "2 of 2 devices succeeded"),
        ("SF", "1 of 2 devices succeeded, 1 failed (1 other), as is allowed"),
        ("SFQ", "1 of 3 devices succeeded, 1 failed (1 other), 1 pending (1 offline), as is allowed"),
        ("SFC", "1 of 2 devices succeeded, 1 failed (1 other), 1 canceled and not counted, as is allowed"),
        ("SC", "1 of 1 device succeeded, 1 canceled and not counted, as is allowed"),
    ],
)
def test_proof_tells_all_that_did_not_succeed(letters, sentence):
    assert proof_sentence(rollout_of(letters), plain()) == sentence


@pytest.mark.parametrize(
    ("options", "allowed", "end"),
    [
        ({"max_failed": 1}, 1, "(2 other); at most 1 may fail"),
        ({"max_failed": 0}, 0, "(2 other); none may fail"),
        ({"max_failed_percent": 50}, 1, "(66.7 %, 2 other); at most 50 % may fail"),
        ({"max_failed_percent": 0}, 0, "(66.7 %, 2 other); none may fail"),
        ({"max_failed_percent": 50, "max_failed": 2}, 1, "(66.7 %, 2 other); at most 50 % may fail"),
        ({"max_failed_percent": 50, "max_failed": 1}, 1, "(2 other); at most 1 may fail"),
    ],
)
def test_failures_are_a_share_where_a_share_decides(options, allowed, end):
    assert failures_sentence(rollout_of("FFS"), plain(**options), allowed) == f"2 of 3 finished devices failed {end}"


def test_no_class_is_not_a_pair_of_brackets():
    assert [class_counts(rollout_of("SF"), state) for state in ("failed", "pending")] == [" (1 other)", ""]


def test_names_are_cut_and_stand_on_one_line():
    devices = [Device("p", name, "failed", "other", task_id="t") for name in ("d" * 101, "a\nb\x1b[31m", "", None, 7)]
    assert device_names(devices) == ("d" * 100, "a\ufffdb\ufffd[31m", "t", "t", "7")
    assert printable("客厅 *") == "客厅 *"


def test_quoted_text_is_cut():
    assert [quote_short(text) for text in ("x" * 101, 7)] == [f'"{"x" * 100}"', '"7"']


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (-5, "0 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3600, "60 min"),
        (7199, "119 min 59 s"),
        (7200, "2 h"),
        (7261, "2 h 1 min 1 s"),
        (35999, "9 h 59 min 59 s"),
        (259200, "72 h"),
    ],
)
def test_durations(seconds, words):
    assert format_duration(seconds) == words
