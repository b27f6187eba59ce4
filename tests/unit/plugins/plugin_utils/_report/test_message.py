# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.message import Subject, verdict_message
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.remedies import CANCEL, REMEDIES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import again, batch, course, plain, poll, settled, task


def say(verdict, *jobs, title="Lamp 2.4.1", elapsed=720.0, error=None):
    return verdict_message(verdict, Subject(title, jobs, elapsed), error)


def failing(number, text=None, prefix="d"):
    return [task(f"{prefix}{n:03}", "FAILED", task_desc=text) for n in range(number)]


def fine(number):
    return [task(f"s{n:04}") for n in range(number)]


def test_a_verdict_in_one_message():
    texts = [("a", 12), ("b", 9), ("c", 5), ("d", 4), ("e", 3)]
    failed = [one for text, number in texts for one in failing(number, text, text)]
    open_ones = [task("q1", "QUEUED"), task("n1", "NOTIFIED"), task("i1", "IN_PROGRESS")]
    job = batch(*failed, *fine(1234), *open_ones, job_id="18", status="IN_PROGRESS")
    verdict = settled(poll(job), plain(max_failed_percent=2))
    assert say(verdict, job) == (
        "Lamp 2.4.1 FAILED after 12 min: 33 of 1,267 finished devices failed, 2.6 %; the limit is 2 %"
        ' (max_failed_percent). Why: 12 "a", 9 "b", 5 "c", 2 more.'
        " Still running: 2 being updated, 1 queued; the gate does not stop them."
        f" To do: cancel batch 18 {CANCEL}; {REMEDIES['too_many_failures']}."
        " The names are in failed_devices."
    )


def test_ten_devices_are_named_by_class():
    failed = [task("d1", "FAILED", failure_class="download"), task("d2", "FAILED"), task("d3", "FAILED")]
    job = batch(*failed, job_id="18")
    assert say(settled(poll(job), plain()), job) == (
        "Lamp 2.4.1 FAILED after 12 min: 3 of 3 finished devices failed, 100 %; none may fail (max_failed)."
        f" Why: 2 other, 1 download. To do: {REMEDIES['too_many_failures']}. Failed: d1 (download); d2, d3 (other)."
    )
    assert "Failed: " in say(settled(poll(batch(*failing(10))), plain()))
    assert "Failed: " not in say(settled(poll(batch(*failing(11))), plain()))


def test_what_blocked_comes_before_what_was_tolerated():
    job = batch(*failing(3, "x"), *fine(95), task("q1", "QUEUED"), task("q2", "QUEUED"), status="IN_PROGRESS")
    verdict = course(plain(wait_timeout=60, max_failed_percent=5), *again(poll(job), 2, 60))[-1]
    assert say(verdict, job, elapsed=60) == (
        "Lamp 2.4.1 TIMED OUT after 1 min: 2 of 100 devices are unfinished, 2 %; none may be (max_pending)."
        " Why: 2 queued. 3 failed, 3.1 %, within the limit of 5 % (max_failed_percent)."
        f" Still running: 2 queued; the gate does not stop them. To do: {REMEDIES['deadline']}."
        " Unfinished: q1, q2 (queued)."
    )


def test_the_worst_of_several_batches_is_named_with_its_id():
    jobs = (
        batch(*failing(1, prefix="a"), *fine(3), job_id="18", job_desc="Berlin"),
        batch(*failing(2, prefix="b"), task("c"), job_id="19", job_desc="Köln"),
    )
    message = say(settled(poll(*jobs), plain()), *jobs)
    assert " Worst batch: Köln (19), 2 of 3 failed. " in message
    alike = (batch("FS", job_id="1"), batch(task("x", "FAILED"), task("y"), job_id="2"))
    assert "Worst" not in say(settled(poll(*alike), plain()), *alike)
    assert "batch 1, " in say(settled(poll(batch("FS", job_id="1"), batch(job_id="2")), plain()), *alike)


def test_a_canceled_batch_says_so_first():
    job = batch("SCC", status="CANCELED", job_id="18", utc_end_time="2026-03-01T09:58:00.000Z")
    message = say(settled(poll(job), plain()), job)
    assert message.startswith(
        "Lamp 2.4.1 FAILED after 12 min: batch 18 was canceled at 2026-03-01T09:58:00Z;"
        " 2 of 3 finished devices were canceled, 66.7 %; none may fail (max_failed). "
    )
    assert f"To do: {REMEDIES['batch_canceled']}." in message


SHOWN = pathlib.Path(__file__).parents[5] / "docs" / "examples" / "output" / "message.txt"
CITIES = {"Berlin": 8, "Hamburg": 7, "München": 7, "Köln": 31, "Frankfurt": 7}
TEXTS = ("sha256 mismatch", "write error", "battery low", "no space left")


def test_the_guide_shows_what_is_said():
    jobs, number = [], 0
    for place, (name, failed) in enumerate(CITIES.items()):
        tasks = [task(f"{name}-{n}", "FAILED", task_desc=TEXTS[(number + n) % 4]) for n in range(failed)]
        tasks += [task(f"{name}-{n}", "QUEUED" if n < 354 else "IN_PROGRESS") for n in range(340, 400)]
        tasks += [task(f"{name}-{n}") for n in range(failed, 340)]
        number += failed
        jobs.append(batch(*tasks, job_id=f"18341577619000020{place}", job_desc=name, status="IN_PROGRESS"))
    verdict = settled(poll(*jobs), plain(max_failed_percent=2))
    message = say(verdict, *jobs, title="Lamp Pro 2.4.1", elapsed=1440.0)
    assert message == " ".join(SHOWN.read_text(encoding="utf-8").split())


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (
            settled(poll(batch("SSF")), plain(max_failed=1)),
            "Lamp 2.4.1 PASSED after 12 min: 2 of 3 devices succeeded, 1 failed (1 other), within the limits.",
        ),
        (
            judge(poll(batch("SQ", status="IN_PROGRESS")), plain()),
            "Lamp 2.4.1 PENDING after 12 min: 1 of 2 devices is unfinished (1 queued).",
        ),
        (
            judge(poll(batch("S", dest_version="9")), plain(expected_version="2.0.0")),
            'Lamp 2.4.1 FAILED after 12 min: batch j1 has the dest_version "9"; expected "2.0.0".'
            f" To do: {REMEDIES['wrong_job']}.",
        ),
        (
            course(plain(max_consecutive_errors=0), *again(poll(problems=("a gap", "another", "a third")), 2))[-1],
            f"Lamp 2.4.1 INCONCLUSIVE after 12 min: a gap; another. To do: {REMEDIES['incomplete']}.",
        ),
        (
            course(plain(wait_timeout=60, soak=600), *again(poll(batch("SS")), 5, 15))[-1],
            "Lamp 2.4.1 TIMED OUT after 12 min: not settled within 1 min (wait_timeout); healthy for 1 min;"
            f" soaking for another 9 min. To do: {REMEDIES['deadline/wait_timeout']}.",
        ),
    ],
)
def test_each_kind_of_verdict(verdict, message):
    assert say(verdict) == message


def test_why_the_last_poll_failed_comes_early():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later", action="QueryOTAJob")
    job = batch("SQ", status="IN_PROGRESS")
    verdict = course(plain(wait_timeout=60), *again(poll(job), 2, 60))[-1]
    assert (
        "none may be (max_pending). The last poll failed: QueryOTAJob failed: the service is busy; try again later."
    ) in say(verdict, job, error=error)


def test_a_message_is_one_line_without_a_template():
    job = batch(task("{{ 7 * 7 }}\nok: [fleet]", "FAILED", task_desc="\x1b[32m {{ 1 }}"))
    message = say(settled(poll(job), plain()), job, title="{{ 2 }}")
    assert not any(part in message for part in ("\n", "\x1b", "{{"))
