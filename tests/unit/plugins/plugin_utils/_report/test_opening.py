# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.columns import COLUMNS, width
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.opening import (
    clock_note,
    limit_words,
    opening_lines,
    time_warning,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.schedule import Schedule
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, batch, plain, poll, task


def lines_of(title, *jobs, **options):
    policy = plain(**options)
    return opening_lines(NOW, title, judge(poll(*jobs), policy), policy, jobs)


def test_a_single_batch_without_a_name():
    assert lines_of("batch j1", batch("SQ", status="IN_PROGRESS")) == [
        "10:00:00  batch j1: 2 devices, times are in UTC",
        "          limits: none may fail (max_failed) · none may be unfinished (max_pending)",
    ]


def test_the_id_of_a_batch_that_has_a_name():
    job = batch("SQ", status="IN_PROGRESS", job_desc="Köln")
    assert lines_of("Köln", job)[:2] == ["10:00:00  Köln: 2 devices, times are in UTC", "          batch j1"]
    assert lines_of("Lamps", job)[:2] == ["10:00:00  Lamps: 2 devices, times are in UTC", "          Köln j1"]


def test_several_batches_are_named_with_their_ids_once():
    jobs = [batch(task(f"d{n}"), job_id=f"18341577619000020{n}", job_desc=f"City {n}") for n in range(5)]
    assert lines_of("5 batches", *jobs, max_failed_percent=2, min_executed=50, min_devices=5) == [
        "10:00:00  5 batches: 5 devices, times are in UTC",
        "          City 0 183415776190000200 · City 1 183415776190000201 · City 2 183415776190000202",
        "          City 3 183415776190000203 · City 4 183415776190000204",
        "          limits: 2 % may fail (max_failed_percent, from 50 finished devices on)",
        "          none may be unfinished (max_pending) · at least 5 must have a task (min_devices)",
    ]
    assert lines_of("Lamps", *jobs)[0] == "10:00:00  Lamps: 5 batches, 5 devices, times are in UTC"


def test_no_opening_line_is_too_long():
    jobs = [batch(task(f"d{n}"), job_id=f"{n}" * 25, job_desc="客" * 60) for n in range(1, 10)]
    assert all(width(line) <= COLUMNS for line in lines_of("客" * 60, *jobs))


def test_bounds_that_are_about_no_device_are_not_limits():
    verdict = judge(poll(batch("S")), plain(min_succeeded_percent=95))
    assert [limit_words(limit, plain()) for limit in verdict.limits] == [
        "none may be unfinished (max_pending)",
        "at least 95 % must succeed (min_succeeded_percent)",
        "",
        "",
    ]


@pytest.mark.parametrize(
    ("offset", "note"),
    [
        pytest.param(None, None, id="not known"),
        pytest.param(60.0, None, id="a minute behind"),
        pytest.param(-60.0, None, id="a minute ahead"),
        pytest.param(61.0, "the clock of this machine is 1 min 1 s behind the service's", id="behind"),
        pytest.param(-7200.0, "the clock of this machine is 2 h ahead of the service's", id="ahead"),
    ],
)
def test_a_clock_that_is_off(offset, note):
    assert clock_note(offset) == note


@pytest.mark.parametrize(
    ("notified", "retries", "proof", "soak", "warning"),
    [
        (0, 0, 0, 600, None),
        (
            0,
            0,
            0,
            601,
            "cannot be settled before the deadline: it takes at least 10 min 1 s, but wait_timeout is 10 min",
        ),
        (
            700,
            0,
            0,
            0,
            "cannot be settled before the deadline: it takes at least 11 min 40 s, but wait_timeout is 10 min",
        ),
        (
            0,
            0,
            400,
            250,
            "cannot be settled before the deadline: it takes at least 13 min 20 s, but wait_timeout is 10 min",
        ),
        (500, 0, 400, 0, None),
        (
            0,
            660,
            0,
            0,
            "may miss the deadline: if devices time out, it takes at least 11 min, but wait_timeout is 10 min",
        ),
    ],
)
def test_a_time_that_is_too_short(notified, retries, proof, soak, warning):
    schedule = Schedule(NOW + notified, retries, [])
    assert time_warning(schedule, proof, NOW, NOW, plain(wait_timeout=600, soak=soak)) == warning
