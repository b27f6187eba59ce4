# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.states import DeviceState
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import assess
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.wording import (
    MAX_NAMES,
    class_counts,
    class_parts,
    class_words,
    count_things,
    deadline_sentence,
    device_names,
    failed_sentence,
    failure_texts,
    format_duration,
    needed_sentence,
    out_of_reach_sentence,
    proof_sentence,
    quote_short,
    share_of,
    share_words,
    too_few_sentence,
    unfinished_sentence,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import PRODUCT, batch, plain, poll, task


def rollout_of(letters):
    return assess(poll(batch(letters)), plain(ignore_canceled=True), Memory(), True)


@pytest.mark.parametrize(
    ("letters", "sentence"),
    [
        ("SS", "2 of 2 devices succeeded"),
        ("SF", "1 of 2 devices succeeded, 1 failed (1 other), within the limits"),
        ("SFQ", "1 of 3 devices succeeded, 1 failed (1 other), 1 unfinished (1 queued), within the limits"),
        ("SFC", "1 of 2 devices succeeded, 1 failed (1 other), 1 canceled and not counted, within the limits"),
        ("SC", "1 of 1 device succeeded, 1 canceled and not counted, within the limits"),
    ],
)
def test_proof_tells_all_that_did_not_succeed(letters, sentence):
    assert proof_sentence(rollout_of(letters), plain()) == sentence


def test_proof_tells_that_versions_were_reported():
    assert proof_sentence(rollout_of("SF"), plain(verify_versions=True)) == (
        "1 of 2 devices succeeded and reported the new version, 1 failed (1 other), within the limits"
    )


def test_proof_tells_the_devices_that_vanished():
    rollout = rollout_of("SQ")._replace(ignored=2)
    assert proof_sentence(rollout, plain()) == (
        "1 of 2 devices succeeded, 1 unfinished (1 queued), 2 vanished and not counted, within the limits"
    )
    assert proof_sentence(rollout_of("SQ")._replace(ignored=1), plain()).endswith(", within the limits")
    assert proof_sentence(rollout_of("S")._replace(ignored=1), plain()) == (
        "1 of 1 device succeeded, 1 vanished and not counted, within the limits"
    )


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({"max_failed": 1}, "the limit is 1 (max_failed)"),
        ({"max_failed": 0}, "none may fail (max_failed)"),
        ({}, "none may fail (max_failed)"),
        ({"max_failed_percent": 50}, "the limit is 50 % (max_failed_percent)"),
        ({"max_failed_percent": 12.25}, "the limit is 12.25 % (max_failed_percent)"),
        ({"max_failed_percent": 0}, "none may fail (max_failed_percent)"),
        ({"max_failed_percent": 50, "max_failed": 2}, "the limit is 50 % (max_failed_percent)"),
        ({"max_failed_percent": 50, "max_failed": 1}, "the limit is 1 (max_failed)"),
        ({"max_failed_percent": 50, "max_failed": 0}, "none may fail (max_failed)"),
    ],
)
def test_failures_are_held_against_the_tighter_bound(options, end):
    assert failed_sentence(rollout_of("FFS"), plain(**options)) == f"2 of 3 finished devices failed, 66.7 %; {end}"


def test_canceled_devices_did_not_fail_by_themselves():
    rollout = assess(poll(batch("SCC")), plain(), Memory(), True)
    assert failed_sentence(rollout, plain()) == (
        "2 of 3 finished devices were canceled, 66.7 %; none may fail (max_failed)"
    )
    assert out_of_reach_sentence(rollout, plain()) == (
        "2 of 3 devices were canceled, which leaves 1; 3 must succeed (max_failed)"
    )
    mixed = assess(poll(batch("SCF")), plain(), Memory(), True)
    assert failed_sentence(mixed, plain()).startswith("2 of 3 finished devices failed, ")


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ({}, "none may be (max_pending)"),
        ({"max_pending": 1}, "the limit is 1 (max_pending)"),
        ({"max_pending_percent": 25}, "the limit is 25 % (max_pending_percent)"),
        ({"max_pending_percent": 25, "max_pending": 2}, "the limit is 25 % (max_pending_percent)"),
    ],
)
def test_unfinished_devices_are_held_against_the_tighter_bound(options, end):
    assert unfinished_sentence(rollout_of("SSQN"), plain(**options)) == f"2 of 4 devices are unfinished, 50 %; {end}"


def test_one_device_is_unfinished():
    assert unfinished_sentence(rollout_of("SSQ"), plain()).startswith("1 of 3 devices is unfinished, 33.3 %; ")


@pytest.mark.parametrize(
    ("measured", "of", "allowed", "words"),
    [
        (60, 1700, 2, "3.5 %"),
        (41, 2000, 2, "2.05 %"),  # not 2 %, which the limit allows
        (40, 2000, 2, "2 %"),
        (1, 100_000, 5, "0.001 %"),  # not 0 %
        (1999, 2000, 5, "99.95 %"),  # not 100 %
        (7, 7, 5, "100 %"),
        (0, 7, 5, "0 %"),
    ],
)
def test_a_share_never_looks_like_what_it_is_not(measured, of, allowed, words):
    assert share_words(Limit("max_failed_percent", allowed, measured, of, False)) == words


@pytest.mark.parametrize(
    ("letters", "options", "expected"),
    [
        ("SSQN", {}, "2 of 4 devices are unfinished, 50 %; none may be (max_pending)"),
        ("FSQN", {"max_failed_percent": 50}, "2 of 4 devices are unfinished, 50 %; none may be (max_pending)"),
        ("SS", {}, "not settled within 1 min 30 s (wait_timeout)"),
        ("SQ", {"max_pending": 1}, "not settled within 1 min 30 s (wait_timeout)"),
        ("S", {"min_devices": 1200}, "1 device had a task; at least 1,200 must have one (min_devices)"),
        (
            "SQQ",
            {"max_pending": 2, "min_succeeded_percent": 50},
            "1 of 3 devices succeeded; at least 2 must (min_succeeded_percent)",
        ),
        ("SF", {}, "1 of 2 finished devices failed, 50 %; none may fail (max_failed)"),
    ],
)
def test_deadline_says_what_was_in_the_way(letters, options, expected):
    assert deadline_sentence(rollout_of(letters), plain(wait_timeout=90.0, **options)) == expected


def test_failures_and_what_was_needed():
    rollout = rollout_of("SFQ")
    assert out_of_reach_sentence(rollout, plain(max_pending=1)) == (
        "1 of 3 devices failed, which leaves 2; 2 must succeed (max_failed)"
    )
    assert out_of_reach_sentence(rollout, plain(min_succeeded_percent=100, max_pending=1)) == (
        "1 of 3 devices failed, which leaves 2; 3 must succeed (min_succeeded_percent)"
    )
    assert out_of_reach_sentence(rollout_of("FF"), plain(max_failed=2)) == (
        "2 of 2 devices failed, which leaves 0; 1 must succeed (min_succeeded_percent)"
    )


def test_what_must_be_reached():
    rollout = rollout_of("SFQ")
    assert needed_sentence(rollout, plain(min_succeeded_percent=60)) == (
        "1 of 3 devices succeeded; at least 2 must (min_succeeded_percent)"
    )
    assert too_few_sentence(rollout, plain(min_devices=4)) == (
        "3 devices had a task; at least 4 must have one (min_devices)"
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


# --- Words -----------------------------------------------------------------------------------------------------------


def test_underscores_are_not_for_people():
    assert class_parts(failing("x", failure_class="wrong_version"), "failed") == ["1 wrong version"]
    assert [class_words(name) for name in ("rate_limited", "fell_back", "moving", "not_read")] == [
        "queued by the batch's rate limit",
        "fell back",
        "between two states",
        "for a reason not read yet",
    ]


def test_a_device_is_offline_only_if_the_service_says_so():
    waiting = poll(batch("QQS", status="IN_PROGRESS"), states={(PRODUCT, "d1"): DeviceState("OFFLINE", None)})
    rollout = assess(waiting, plain(), Memory(), False)
    assert rollout.by_class["pending"] == {"offline": 2}
    assert class_parts(rollout, "pending") == ["1 offline", "1 queued"]


@pytest.mark.parametrize(("number", "words"), [(0, "0 devices"), (1, "1 device"), (1200, "1,200 devices")])
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
