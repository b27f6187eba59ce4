# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.columns import COLUMNS, width
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.lines import (
    batches_line,
    eta_part,
    progress_of,
    status_lines,
    versions_part,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    again,
    batch,
    course,
    numbers,
    plain,
    poll,
    report,
    settled,
    task,
)
from hypothesis import given
from hypothesis import strategies as st

OPEN = batch("SSFQ", status="IN_PROGRESS")


def counts(content, **options):
    return progress_of(judge(poll(content), plain(**options))).counts


# --- The line of a rollout -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (OPEN, {}, ("75 %", "3/4 done", "1 failed (limit 0)")),
        (OPEN, {"max_failed": 1}, ("75 %", "3/4 done", "1 failed (limit 1)")),
        (OPEN, {"max_failed_percent": 50}, ("75 %", "3/4 done", "1 failed 33.3 % (limit 50 %)")),
        (OPEN, {"max_failed_percent": 50, "max_failed": 0}, ("75 %", "3/4 done", "1 failed (limit 0)")),
        (OPEN, {"min_succeeded_percent": 10}, ("75 %", "3/4 done", "1 failed 33.3 %")),
        (batch("SSQ", status="IN_PROGRESS"), {"max_failed_percent": 50}, ("66 %", "2/3 done", "0 failed (limit 50 %)")),
        (batch(status="IN_PROGRESS"), {}, ("0 %", "", "0 failed (limit 0)")),
        (
            numbers(SUCCEEDED=1220, FAILED=49, IN_PROGRESS=731),
            {"max_failed_percent": 5},
            ("63 %", "1,269/2,000 done", "49 failed 3.9 % (limit 5 %)"),
        ),
    ],
)
def test_a_line_says_how_far_it_is_and_how_near_the_limit(content, options, expected):
    assert counts(content, **options) == expected


def test_a_percentage_is_100_only_at_the_end():
    assert counts(numbers(SUCCEEDED=1999, QUEUED=1))[0] == "99 %"


@pytest.mark.parametrize(
    ("letters", "options", "at_limit"),
    [("SQ", {}, False), ("FQ", {}, True), ("FQ", {"max_failed": 1}, False), ("FF", {"max_failed": 1}, True)],
)
def test_a_limit_that_is_passed_is_marked(letters, options, at_limit):
    assert progress_of(judge(poll(batch(letters, status="IN_PROGRESS")), plain(**options))).at_limit is at_limit


def test_a_line_says_what_is_waited_for_and_what_failed():
    progress = progress_of(judge(poll(OPEN), plain(max_failed=1)))
    assert (progress.reason, progress.devices) == ("", ("waiting: 1 queued", "failed: 1 other"))
    assert progress_of(judge(poll(batch("SS")), plain())).reason == "confirming passed: 1 of 2 polls"


def test_time_alone_is_no_progress():
    history = settled(poll(batch("S")), plain(soak=60)).history
    seen = {progress_of(judge(poll(batch("S"), now=NOW + now), plain(soak=60), history)) for now in (20, 40)}
    assert [progress.reason for progress in seen] == ["healthy, and soaking"]


def test_the_end_has_no_reason_beside_it():
    assert progress_of(course(plain(), *again(poll(batch("SS")), 2))[-1]).reason == ""


COUNTS = ("64 %", "1,269/2,000 done", "49 failed 3.9 % (limit 5 %)")


def test_what_does_not_fit_goes_on_on_the_next_line():
    others = ["ETA 15:04", "", "1,200 of 1,220 versions read"]
    assert status_lines(NOW, "Lamp Pro 2.4.1", COUNTS, others) == [
        "10:00:00  Lamp Pro 2.4.1  64 %  1,269/2,000 done  49 failed 3.9 % (limit 5 %)  ETA 15:04",
        "          1,200 of 1,220 versions read",
    ]


def test_a_terminal_has_a_bar_where_there_is_room():
    (line,) = status_lines(NOW, "Lamp Pro 2.4.1", COUNTS, [], 64)
    assert line == "10:00:00  Lamp Pro 2.4.1  [########......]  64 %  1,269/2,000 done  49 failed 3.9 % (limit 5 %)"
    (full,) = status_lines(NOW, "Lamp Pro 2.4.1 to the fleet", COUNTS, [], 64)
    assert "[" not in full
    assert "[##############]" in status_lines(NOW, "x", COUNTS, [], 100)[0]


def test_a_title_gives_way_to_the_numbers():
    counts = ("100 %", "1,000,000/1,000,000 done", "100,000 failed 10.01 % (limit 10 %)")
    (line,) = status_lines(NOW, "The lamps of all cities that we have ever seen", counts, [])
    assert (line[10:32], width(line)) == ("The lamps of all ci…  ", COLUMNS)


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=5), st.none() | st.integers(0, 100))
def test_no_line_is_too_long(title, others, percent):
    assert all(width(line) <= COLUMNS for line in status_lines(NOW, title, COUNTS, others, percent))


@pytest.mark.parametrize(
    ("end", "part"),
    [
        (None, ""),
        (NOW + 240, "ETA 10:04"),
        (NOW + 3601, "ETA 11:00, after the deadline"),
        (NOW + 86400, "ETA 2026-03-02 10:00, after the deadline"),
    ],
)
def test_when_it_may_end(end, part):
    assert eta_part(end, NOW, NOW + 3600) == part


# --- Versions --------------------------------------------------------------------------------------------------------

VERIFY = plain(verify_versions=True)


def read_before(*names):
    return {key: known._replace(read_at=NOW + 1) for key, known in report(NEW, *names).items()}


@pytest.mark.parametrize(
    ("content", "policy", "reports", "part"),
    [
        pytest.param(batch("SSSQ"), VERIFY, 0, "2 of 3 versions read", id="some"),
        pytest.param(batch("SSQ"), VERIFY, 0, "2 of 2 versions read", id="all"),
        pytest.param(batch(task("d9")), VERIFY, 0, "0 of 1 versions read", id="none"),
        pytest.param(batch("SSSQ"), plain(), 0, "", id="not verified"),
        pytest.param(batch("QQ"), VERIFY, 0, "", id="none has succeeded"),
        pytest.param(
            numbers(SUCCEEDED=52310, QUEUED=47690), VERIFY, 41200, "41,200 of 52,310 versions read", id="numbers"
        ),
        pytest.param(
            numbers(SUCCEEDED=1000, QUEUED=1), VERIFY, 1200, "1,000 of 1,000 versions read", id="more than succeeded"
        ),
    ],
)
def test_how_many_versions_have_been_read(content, policy, reports, part):
    verdict = judge(poll(content, earlier=read_before("d1", "d2")), policy)
    assert versions_part(verdict.rollout, policy, reports) == part


# --- Batches ---------------------------------------------------------------------------------------------------------


def line_of(*jobs, **options):
    policy = plain(**options)
    return batches_line(judge(poll(*jobs), policy).rollout, policy, jobs).strip()


def city(number, name, letters, **facts):
    tasks = [
        task(f"{name}-{n}", {"S": "SUCCEEDED", "F": "FAILED", "Q": "QUEUED"}[letter])
        for n, letter in enumerate(letters)
    ]
    return batch(*tasks, job_id=f"{number}", job_desc=name, **{"status": "IN_PROGRESS", **facts})


def test_a_single_batch_has_no_line_of_its_own():
    assert line_of(OPEN) == ""


def test_failing_batches_come_first_with_a_mark():
    jobs = city(1, "Berlin", "SQ"), city(2, "Köln", "FFQ"), city(3, "Bonn", "SFQ"), city(4, "Ulm", "")
    assert line_of(*jobs) == ("! Köln 66 %, 2 failed · ! Bonn 66 %, 1 failed · Berlin 50 % · Ulm no task")
    assert line_of(*jobs, max_failed_percent=50) == (
        "! Köln 66 %, 2 failed · Bonn 66 %, 1 failed · Berlin 50 % · Ulm no task"
    )


def test_a_batch_without_devices_says_why():
    unknown = batch(job_id="7", known=False)
    assert line_of(city(1, "Berlin", "S"), unknown, city(3, "Ulm", "", status="CANCELED")) == (
        "Berlin 100 % · batch 7 unknown · Ulm canceled"
    )


def test_a_device_in_two_batches_is_in_each():
    jobs = batch("S", job_id="1"), batch("F", job_id="2", module_name="mcu")
    assert line_of(*jobs) == "! batch 2 100 %, 1 failed · batch 1 100 %"


@given(st.integers(2, 60), st.text(min_size=1, max_size=50))
def test_any_number_of_batches_is_on_one_line(number, name):
    jobs = [city(n, name, "SQ") for n in range(number)]
    policy = plain()
    line = batches_line(judge(poll(*jobs), policy).rollout, policy, jobs)
    assert width(line) <= COLUMNS
    shown = line.count(" 50 %")
    assert shown >= 2
    assert shown == number or f"+ {number - shown} more" in line
