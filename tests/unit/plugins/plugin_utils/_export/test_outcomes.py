# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.outcomes import JUnitCase, device_cases, verdict_case
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, OLD, batch, numbers, report, task

FAILED = "failed, download: no space"
QUEUED = "unfinished, queued"


def outcomes(result):
    """What becomes of each device, by its name."""
    return {case.name: (case.kind, case.message) for case in device_cases(result)}


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, "failure", "failed: 1 of 2 finished devices failed, 50 %; none may fail (max_failed)"),
        ({"max_failed": 1, "max_pending": 1, "wait_timeout": 60, "after": 60}, "passed", "passed: 1 of 3 devices"),
        ({"max_failed": 1}, "skipped", "pending: 1 of 3 devices is unfinished (1 queued)"),
        ({"max_failed": 1, "wait_timeout": 60, "after": 60}, "failure", "timed_out: 1 of 3 devices is unfinished"),
    ],
)
def test_the_verdict_is_a_test(options, kind, message):
    tasks = [*failing(1), *fine(1), *waiting(1)]
    case = verdict_case(gated(batch(*tasks, status="IN_PROGRESS"), **options))
    assert (case.class_name, case.name, case.kind) == ("rollout", "verdict", kind)
    assert case.message.startswith(message)


def test_a_gate_that_cannot_judge_is_an_error():
    case = verdict_case(gated(batch(known=False), start_grace=0.0))
    assert (case.kind, case.type) == ("error", "unknown_job")


@pytest.mark.parametrize(
    ("options", "failed", "unfinished"),
    [
        ({}, ("failure", FAILED), ("skipped", f"{QUEUED}; may still succeed")),
        (
            {"max_failed": 1, "max_pending": 1, "wait_timeout": 60, "after": 60},
            ("skipped", f"{FAILED}; tolerated: max_failed allows 1"),
            ("skipped", f"{QUEUED}; tolerated: max_pending allows 1"),
        ),
        (
            {"max_failed_percent": 60},
            ("skipped", f"{FAILED}; nothing is decided yet"),
            ("skipped", f"{QUEUED}; nothing is decided yet"),
        ),
        (
            {"max_failed_percent": 60, "wait_timeout": 60, "after": 60},
            ("skipped", f"{FAILED}; tolerated: max_failed_percent allows 60 %"),
            ("failure", QUEUED),
        ),
        (
            {"max_failed": 1, "min_succeeded_percent": 90},
            ("failure", FAILED),
            ("skipped", f"{QUEUED}; may still succeed"),
        ),
    ],
    ids=["failed", "passed", "pending", "timed_out", "out_of_reach"],
)
def test_devices_that_have_not_succeeded(options, failed, unfinished):
    tasks = [*failing(1, "no space"), *fine(1), *waiting(1)]
    result = gated(batch(*tasks, status="IN_PROGRESS"), **options)
    assert outcomes(result) == {"f001": failed, "q001": unfinished, "s0001": ("passed", "succeeded")}


@pytest.mark.parametrize(
    ("canceled", "why"),
    [
        ({"ok": True, "check_mode": False}, "may have been stopped"),
        ({"ok": True, "check_mode": True}, "may still succeed"),
        ({"ok": False, "check_mode": False}, "may still succeed"),
    ],
)
def test_a_device_of_a_rollout_that_was_stopped_is_not_said_to_go_on(canceled, why):
    result = {**gated(batch(*failing(1), *waiting(1), status="IN_PROGRESS")), "canceled": canceled}
    assert outcomes(result)["q001"] == ("skipped", f"{QUEUED}; {why}")


def test_devices_of_a_result_without_limits_are_not_tolerated():
    result = gated(batch(*failing(1, "no space")))
    assert outcomes({**result, "limits": []}) == {"f001": ("failure", FAILED)}


def test_a_device_is_green_only_if_its_version_was_read():
    result = gated(batch(*fine(2)), facts={"versions": report(NEW, "s0001")}, verify_versions=True)
    assert outcomes(result) == {
        "s0001": ("passed", "succeeded"),
        "s0002": ("skipped", "succeeded; version not read"),
    }


def test_a_device_with_another_version_is_red():
    facts = {"versions": {**report(NEW, "s0001"), **report(OLD, "s0002")}}
    result = gated(batch(*fine(2)), facts=facts, verify_versions=True)
    assert outcomes(result)["s0002"] == ("failure", f"failed, wrong version: reports {OLD}, not {NEW}")


def test_no_device_of_a_wrong_batch_is_green_or_red():
    result = gated(batch(*fine(1), *failing(1)), expected_version="3.0.0")
    why = 'not judged: batch j1 has the dest_version "2.0.0"; expected "3.0.0"'
    assert outcomes(result) == {
        "f001": ("skipped", f"failed, download; {why}"),
        "s0001": ("skipped", f"succeeded; {why}"),
    }


def test_canceled_devices_are_skipped():
    result = gated(batch(task("d1", "CANCELED"), *fine(1)), ignore_canceled=True)
    assert outcomes(result)["d1"] == ("skipped", "canceled; not counted")


def test_a_device_says_what_is_known_and_nothing_else():
    (case,) = device_cases(gated(batch(*failing(1, "no space"))))
    lines = ("task: FAILED", "batch: j1", "since: 2026-03-01T10:00:00Z")
    assert case == JUnitCase("rollout.a19mzPZ0001", "f001", "failure", "download", FAILED, lines)


def test_more_devices_than_are_listed_are_tests_by_class():
    result = gated(batch(*failing(150), *fine(1000), *waiting(2), status="IN_PROGRESS"))
    names = tuple(f"f{number:03}" for number in range(1, 101))
    assert device_cases(result) == [
        JUnitCase("rollout.succeeded", "succeeded", "passed", "succeeded", "succeeded, 1,000 of 1,152 devices"),
        JUnitCase(
            "rollout.failed",
            "download",
            "failure",
            "download",
            "failed, 150 of 1,152 devices",
            (*names, "and 50 more"),
        ),
        JUnitCase(
            "rollout.unfinished",
            "queued",
            "skipped",
            "queued",
            "unfinished, 2 of 1,152 devices; may still succeed",
            ("q001", "q002"),
        ),
    ]


def test_counted_devices_are_green_only_as_far_as_versions_were_read():
    result = gated(numbers(SUCCEEDED=1200), verify_versions=True)
    assert [(case.name, case.kind, case.message) for case in device_cases(result)] == [
        ("version not read", "skipped", "succeeded, 1,200 of 1,200 devices; version not read")
    ]


def test_a_detail_does_not_repeat_why():
    result = gated(batch(*failing(1)))
    result["devices"][0].update({"class": "fell_back", "detail": "fell back from 2.4.1 to 2.3.0"})
    assert outcomes(result) == {"f001": ("failure", "failed: fell back from 2.4.1 to 2.3.0")}
