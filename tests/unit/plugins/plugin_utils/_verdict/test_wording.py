# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import assess
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import (
    MAX_NAMES,
    class_counts,
    class_parts,
    count_things,
    deadline_sentence,
    device_names,
    failed_and_needed_sentence,
    failure_texts,
    failures_sentence,
    format_duration,
    proof_sentence,
    quote_short,
    share_of,
    texts_sentence,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch, plain, poll, task


def rollout_of(letters):
    return assess(poll(batch(letters)), plain(ignore_canceled=True), Memory(), True)


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


def test_proof_tells_that_versions_were_reported():
    assert proof_sentence(rollout_of("SF"), plain(verify_versions=True)) == (
        "1 of 2 devices succeeded and reported the new version, 1 failed (1 other), as is allowed"
    )


def test_proof_tells_the_devices_that_vanished():
    rollout = rollout_of("SQ")._replace(ignored=2)
    assert proof_sentence(rollout, plain()) == (
        "1 of 2 devices succeeded, 1 pending (1 offline), 2 vanished and not counted, as is allowed"
    )
    assert proof_sentence(rollout_of("SQ")._replace(ignored=1), plain()).endswith(", as is allowed")
    assert proof_sentence(rollout_of("S")._replace(ignored=1), plain()) == (
        "1 of 1 device succeeded, 1 vanished and not counted, as is allowed"
    )


@pytest.mark.parametrize(
    ("options", "allowed", "end"),
    [
        ({"max_failed": 1}, 1, "(2 other); at most 1 may fail (max_failed)"),
        ({"max_failed": 0}, 0, "(2 other); none may fail (max_failed)"),
        ({"max_failed_percent": 50}, 1, "(66.7 %, 2 other); at most 50 % may fail (max_failed_percent)"),
        ({"max_failed_percent": 0}, 0, "(66.7 %, 2 other); none may fail (max_failed_percent)"),
        (
            {"max_failed_percent": 50, "max_failed": 2},
            1,
            "(66.7 %, 2 other); at most 50 % may fail (max_failed_percent)",
        ),
        ({"max_failed_percent": 50, "max_failed": 1}, 1, "(2 other); at most 1 may fail (max_failed)"),
    ],
)
def test_failures_are_a_share_where_a_share_decides(options, allowed, end):
    assert failures_sentence(rollout_of("FFS"), plain(**options), allowed) == f"2 of 3 finished devices failed {end}"


def test_share_of_failures_is_rounded_and_the_bound_is_not():
    sentence = failures_sentence(rollout_of("FSSSSSS"), plain(max_failed_percent=12.25), 0)
    assert sentence == "1 of 7 finished devices failed (14.3 %, 1 other); at most 12.25 % may fail (max_failed_percent)"


def test_failures_without_a_class_have_no_brackets():
    rollout = rollout_of("FS")._replace(by_class={"failed": {}, "pending": {}})
    assert failures_sentence(rollout, plain(max_failed=0), 0) == (
        "1 of 2 finished devices failed; none may fail (max_failed)"
    )


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("SSQN", "the rollout was not settled within 1 min 30 s, 2 of 4 devices pending (1 notified, 1 offline)"),
        ("SS", "the rollout was not settled within 1 min 30 s"),
    ],
)
def test_deadline_tells_what_is_late(letters, expected):
    assert deadline_sentence(rollout_of(letters), plain(wait_timeout=90.0)) == expected


def test_failures_and_what_was_needed():
    rollout = rollout_of("SFQ")
    assert failed_and_needed_sentence(rollout, plain(max_pending=1)) == (
        "1 of 3 devices failed (1 other); 2 must succeed"
    )
    assert failed_and_needed_sentence(rollout, plain(min_succeeded_percent=100, max_pending=1)) == (
        "1 of 3 devices failed (1 other); 3 must succeed (min_succeeded_percent)"
    )


# --- Texts of failures -----------------------------------------------------------------------------------------------


def failing(*texts, failure_class="other"):
    tasks = [
        task(f"d{number:02}", "FAILED", task_desc=text, failure_class=failure_class)
        for number, text in enumerate(texts)
    ]
    return assess(poll(batch(*tasks, task("d98"), task("d99", "QUEUED", task_desc="late"))), plain(), Memory(), True)


def test_texts_of_failures_are_counted_most_frequent_first():
    rollout = failing("b", "a", "sha256 mismatch", "sha256 mismatch", None)
    assert failure_texts(rollout) == [
        {"class": "other", "text": "sha256 mismatch", "count": 2, "devices": ["d02", "d03"]},
        {"class": "other", "text": "", "count": 1, "devices": ["d04"]},
        {"class": "other", "text": "a", "count": 1, "devices": ["d01"]},
        {"class": "other", "text": "b", "count": 1, "devices": ["d00"]},
    ]


def test_equal_texts_of_two_classes_are_two():
    tasks = [task(name, "FAILED", task_desc="x", failure_class=name) for name in ("upgrade", "download")]
    rollout = assess(poll(batch(*tasks)), plain(), Memory(), True)
    assert [(entry["class"], entry["count"]) for entry in failure_texts(rollout)] == [("download", 1), ("upgrade", 1)]


def test_texts_of_failures_are_cut_and_stand_on_one_line():
    (entry,) = failure_texts(failing("a\nb" + "x" * 200))
    assert entry["text"] == "a b" + "x" * 196 + "…"
    assert len(failure_texts(failing(*(f"{number:02}" for number in range(21))))) == 20


def test_texts_that_begin_alike_are_one():
    first, second = ("x" * 200 + end for end in "ab")
    assert [entry["count"] for entry in failure_texts(failing(first, second))] == [2]


def test_ten_devices_of_a_text_are_named():
    (entry,) = failure_texts(failing(*["x"] * (MAX_NAMES + 1)))
    assert (entry["count"], len(entry["devices"])) == (MAX_NAMES + 1, MAX_NAMES)


TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((None,), ""),
        (("sha256 mismatch", "sha256 mismatch", None), f': "sha256 mismatch" {TIMES} 2'),
        (("a", "b", "b", "c", "d"), f': "b" {TIMES} 2, "a" {TIMES} 1, "c" {TIMES} 1'),
        (("x" * 101,), f': "{"x" * 100}" {TIMES} 1'),
        ((None, None, "a"), f': "a" {TIMES} 1'),
    ],
)
def test_three_texts_are_told(texts, expected):
    assert texts_sentence(failing(*texts)) == expected


def test_texts_stand_after_the_classes():
    rollout = failing("x")
    assert failures_sentence(rollout, plain(max_failed=0), 0) == (
        f'1 of 2 finished devices failed (1 other): "x" {TIMES} 1; none may fail (max_failed)'
    )
    assert failed_and_needed_sentence(rollout, plain()) == (
        f'1 of 3 devices failed (1 other): "x" {TIMES} 1; 3 must succeed'
    )


# --- Words -----------------------------------------------------------------------------------------------------------


def test_underscores_are_not_for_people():
    assert class_parts(failing("x", failure_class="wrong_version"), "failed") == ["1 wrong version"]


@pytest.mark.parametrize(("number", "words"), [(0, "0 devices"), (1, "1 device"), (2, "2 devices")])
def test_things_are_counted(number, words):
    assert count_things(number, "device") == words


def test_share_is_one_of_all_devices_that_count():
    assert share_of(1, rollout_of("SC")) == "1 of 1 device"


def test_ten_devices_are_named():
    devices = [Device("p", f"d{number:02}", "failed", "other") for number in range(MAX_NAMES + 1)]
    assert device_names(devices) == tuple(f"d{number:02}" for number in range(10))


def test_no_class_is_not_a_pair_of_brackets():
    assert [class_counts(rollout_of("SF"), state) for state in ("failed", "pending")] == [" (1 other)", ""]


def test_names_are_cut_and_stand_on_one_line():
    devices = [Device("p", name, "failed", "other", task_id="t") for name in ("d" * 101, "a\nb\x1b[31m", "", None, 7)]
    assert device_names(devices) == ("d" * 99 + "…", "a b\ufffd[31m", "t", "t", "7")


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
