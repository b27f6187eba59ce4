# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import DETAILS_SOURCE, DEVICE_SOURCE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.versions import Reading
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.reporter import (
    HEARTBEAT,
    Reporter,
    batch_lines,
    device_names_line,
    progress_line,
    verdict_line,
    versions_line,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.verdict import judge
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    batch,
    numbers,
    plain,
    poll,
    report,
    settled,
    task,
)

OPEN = batch("SSQQ", status="IN_PROGRESS")


class Stage:
    """A reporter with a clock that is moved by hand, and what it showed."""

    def __init__(self, *job_ids, max_qps=10.0, wait=True, source=DEVICE_SOURCE, **policy):
        self.seconds = 0.0
        self.lines, self.warnings = [], []
        self.policy = plain(wait_timeout=600, **policy)
        options = GateOptions(job_ids or ("1",), self.policy, wait=wait, max_qps=max_qps, source=source)
        self.slept = []
        clock = Clock(wall=lambda: NOW, steady=lambda: self.seconds, sleep=self.sleep)
        self.reporter = Reporter(options, NOW, clock, self.lines.append, self.warnings.append)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.seconds += seconds

    def start(self, content=OPEN, **facts):
        snapshot = poll(content, **facts)
        self.reporter.start(snapshot, judge(snapshot, self.policy))

    def verdict(self, content=OPEN):
        return judge(poll(content), self.policy)


# --- Start -----------------------------------------------------------------------------------------------------------


def test_the_start_says_which_clocks_apply():
    stage = Stage("1", "2", soak=60)
    stage.start(batch("SQ", status="IN_PROGRESS", timeout_in_minutes=2))
    notes = ["the rollout must be settled by 2026-03-01T10:10:00Z", "batch j1: per-device time-out 2 min", "soak 1 min"]
    assert stage.reporter.notes == notes
    assert (stage.lines, stage.warnings) == ([f"batches 1, 2: {'; '.join(notes)}"], [])


def test_a_single_poll_keeps_its_notes_to_itself():
    stage = Stage(wait=False)
    stage.start()
    assert stage.reporter.notes == ["the rollout must be settled by 2026-03-01T10:10:00Z"]
    assert (stage.lines, stage.warnings) == ([], [])


@pytest.mark.parametrize(
    ("facts", "options", "warning"),
    [
        pytest.param({}, {"soak": 600}, None, id="just in time"),
        pytest.param(
            {},
            {"soak": 601},
            "cannot be settled before the deadline: it takes at least 10 min 1 s, but wait_timeout is 10 min",
            id="soak",
        ),
        pytest.param(
            {"utc_schedule_time": format_time(NOW + 700)},
            {},
            "cannot be settled before the deadline: it takes at least 11 min 40 s, but wait_timeout is 10 min",
            id="schedule",
        ),
        pytest.param(
            {},
            {"verify_versions": True, "max_qps": 0.005},
            "cannot be settled before the deadline: it takes at least 13 min 20 s, but wait_timeout is 10 min",
            id="versions of four devices",
        ),
        pytest.param(
            {},
            {"verify_versions": True, "max_qps": 0.0001, "source": DETAILS_SOURCE},
            "cannot be settled before the deadline: it takes at least 13 min 20 s, but wait_timeout is 10 min",
            id="details of four devices",
        ),
        pytest.param(
            {},
            {"verify_versions": True, "max_qps": 0.01, "soak": 250},
            "cannot be settled before the deadline: it takes at least 13 min 20 s, but wait_timeout is 10 min",
            id="versions of four devices, and again in the soak",
        ),
        pytest.param(
            {"utc_schedule_time": format_time(NOW + 500)},
            {"verify_versions": True, "max_qps": 0.01},
            None,
            id="versions that are read meanwhile",
        ),
        pytest.param({}, {"verify_versions": True, "max_qps": 0.0}, None, id="versions without a quota"),
        pytest.param(
            {"timeout_in_minutes": 5, "retry_count": 1, "retry_interval": 6},
            {},
            "may miss the deadline: if devices time out, it takes at least 11 min, but wait_timeout is 10 min",
            id="retries",
        ),
    ],
)
def test_a_short_time_is_warned_of_once(facts, options, warning):
    stage = Stage(**options)
    stage.start(batch("SSQQ", status="IN_PROGRESS", **facts))
    assert stage.warnings == ([f"batch 1 {warning}. Raise wait_timeout."] if warning else [])
    assert stage.reporter.notes[-1] == (f"batch 1 {warning}" if warning else stage.reporter.notes[-1])


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
@pytest.mark.parametrize("wait", [True, False])
def test_a_clock_that_is_off_is_noted_and_warned_of(offset, note, wait):
    stage = Stage(wait=wait)
    stage.start(clock_offset=offset)
    warning = f"{note}. The service's clock is used. Set this one, preferably by NTP."
    assert stage.reporter.notes[1:] == ([note] if note else [])
    assert stage.warnings == ([warning] if note else [])


def test_a_clock_that_is_off_is_told_in_the_first_line_too():
    stage = Stage()
    stage.start(clock_offset=90.0)
    assert stage.lines[0].endswith("; the clock of this machine is 1 min 30 s behind the service's")


def test_a_clock_that_is_off_moves_no_warning_of_the_time():
    stage = Stage()
    later = format_time(NOW + 500 + 3600)
    stage.start(batch("SSQQ", status="IN_PROGRESS", utc_schedule_time=later), clock_offset=3600.0)
    assert not any("deadline" in warning for warning in stage.warnings)


# --- Progress --------------------------------------------------------------------------------------------------------


def test_only_a_change_shows_a_line():
    stage = Stage()
    stage.reporter.progress(stage.verdict())
    stage.seconds = 15
    stage.reporter.progress(stage.verdict())
    stage.reporter.progress(stage.verdict(batch("SSSQ", status="IN_PROGRESS")))
    assert stage.lines == [
        "batch 1: 2 succeeded, 0 failed, 2 pending (2 offline); 0 s of 10 min",
        "batch 1: 3 succeeded, 0 failed, 1 pending (1 offline); 15 s of 10 min",
    ]


TWO = (batch("SQ", status="IN_PROGRESS"), batch(task("x1", "QUEUED"), job_id="j2", status="IN_PROGRESS"))


def test_each_of_several_batches_that_changes_shows_a_line():
    stage = Stage("j1", "j2")
    for one in (TWO[0], TWO[0], batch("SS")):
        stage.reporter.progress(judge(poll(one, TWO[1]), stage.policy), (one, TWO[1]))
    said = [line.removeprefix("batches j1, j2: ") for line in stage.lines]
    assert said == [
        "1 succeeded, 0 failed, 2 pending (2 offline); 0 s of 10 min",
        "batch j1 (default): 2 devices, 1 succeeded, 0 failed, 1 pending",
        "batch j2 (default): 1 device, 0 succeeded, 0 failed, 1 pending",
        "2 succeeded, 0 failed, 1 pending (1 offline); 0 s of 10 min",
        "batch j1 (default): 2 devices, 2 succeeded, 0 failed, 0 pending",
    ]


def test_a_change_between_batches_shows_their_lines_alone():
    stage = Stage("j1", "j2")
    for one, other in (("SQ", "QUEUED"), ("QQ", "SUCCEEDED")):
        content = batch(one, status="IN_PROGRESS"), batch(task("x1", other), job_id="j2", status="IN_PROGRESS")
        stage.reporter.progress(judge(poll(*content), stage.policy), content)
    assert len(stage.lines) == 5
    assert stage.lines[3].endswith("batch j1 (default): 2 devices, 0 succeeded, 0 failed, 2 pending")


def test_a_heartbeat_repeats_the_last_line_after_a_minute():
    stage = Stage()
    stage.reporter.progress(stage.verdict())
    for seconds in (HEARTBEAT - 1, HEARTBEAT, HEARTBEAT + 1):
        stage.seconds = seconds
        stage.reporter.heartbeat()
    assert stage.lines[1:] == ["batch 1: 2 succeeded, 0 failed, 2 pending (2 offline); 1 min of 10 min"]


def test_a_heartbeat_before_the_first_poll():
    stage = Stage()
    stage.seconds = HEARTBEAT
    stage.reporter.heartbeat()
    assert stage.lines == ["batch 1: still waiting for the first poll; 1 min of 10 min"]


def test_a_heartbeat_while_versions_are_read():
    stage = Stage()
    stage.seconds = HEARTBEAT
    stage.reporter.heartbeat(Reading(1412, 2900))
    assert stage.lines == ["batch 1: still reading, 1,412 of 2,900; 1 min of 10 min"]
    assert stage.reporter.until_heartbeat() == HEARTBEAT


@pytest.mark.parametrize(
    ("content", "devices", "line"),
    [
        pytest.param(
            batch("SS"), 900, "all tasks succeeded; reading the versions of 900 devices, about 1 min 30 s", id="all"
        ),
        pytest.param(
            batch("SF"), 900, "the bounds are kept; reading the versions of 900 devices, about 1 min 30 s", id="not all"
        ),
        pytest.param(batch("SS"), 99, None, id="not worth a line"),
    ],
)
def test_reading_versions_is_announced(content, devices, line):
    stage = Stage()
    stage.reporter.announce_versions(stage.verdict(content).rollout, devices)
    assert stage.lines == ([f"batch 1: {line}; 0 s of 10 min"] if line else [])


def test_reading_tasks_is_announced():
    stage = Stage()
    stage.reporter.announce_tasks([numbers(SUCCEEDED=20_000)])
    stage.reporter.announce_tasks([numbers(SUCCEEDED=9_000)])
    assert stage.lines == ["batch 1: reading all 20,000 tasks before deciding, about 20 s; 0 s of 10 min"]


# --- Pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "slept", "lines"), [(0, [], 1), (-5, [], 1), (59, [59], 1), (60, [60], 2), (150, [60, 60, 30], 3)]
)
def test_a_pause_is_interrupted_by_heartbeats_only(seconds, slept, lines):
    stage = Stage()
    stage.reporter.progress(stage.verdict())
    stage.reporter.sleep(seconds)
    assert (stage.slept, len(stage.lines)) == (slept, lines)


# --- End -------------------------------------------------------------------------------------------------------------


def test_the_end_names_failed_and_late_devices():
    stage = Stage(max_failed=0, max_pending=9)
    verdict = settled(poll(batch("SFQ", status="IN_PROGRESS")), stage.policy)
    parts = stage.reporter.end(verdict, None)
    assert parts == [
        "failed: 1 of 2 finished devices failed (1 other); none may fail (max_failed); 0 s of 10 min",
        "failed (other): d2; waiting (offline): d3",
    ]
    assert stage.lines == [f"batch 1: {part}" for part in parts]
    assert stage.reporter.message(parts) == f"batch 1: {'; '.join(parts)}."


def test_what_was_assumed_is_shown_last():
    stage = Stage("j1", "j2", verify_versions=True)
    unknown = TWO[1]._replace(module_name=None)
    verdict = judge(poll(TWO[0], unknown), stage.policy)
    parts = stage.reporter.end(verdict, None, (TWO[0], unknown))
    assert verdict.notes[0].startswith("the module of batch j2 is not known: ")
    assert [line.removeprefix("batches j1, j2: ") for line in stage.lines] == [
        *parts,
        "batch j1 (default): 2 devices, 1 succeeded, 0 failed, 1 pending",
        "batch j2: 1 device, 0 succeeded, 0 failed, 1 pending",
        *verdict.notes,
    ]


def test_the_end_says_why_the_last_poll_failed():
    error = OtaError("the service is busy", code="ServiceUnavailable", hint="try again later", action="QueryOTAJob")
    stage = Stage()
    verdict = judge(poll(OPEN, now=NOW + 600), stage.policy, stage.verdict().history)
    parts = stage.reporter.summary(verdict, error)
    assert parts[1] == "the last poll failed: QueryOTAJob failed: the service is busy; try again later"
    assert parts[2] == "late (offline): d3, d4"


def test_a_rollout_that_passed_names_nobody():
    stage = Stage(max_failed=1)
    verdict = settled(poll(batch("SSF")), stage.policy)
    assert [verdict.verdict, *stage.reporter.summary(verdict)] == [
        "passed",
        "passed: 2 of 3 devices succeeded, 1 failed (1 other), as is allowed; 0 s of 10 min",
    ]


def test_no_line_can_pretend_to_be_another():
    stage = Stage(max_failed=0)
    verdict = settled(poll(batch(task("d1\nok: [fleet]\x1b[32m", "FAILED"))), stage.policy)
    stage.reporter.end(verdict, None)
    assert not any(char in line for line in stage.lines for char in "\n\x1b")


def test_no_message_holds_a_template():
    assert Stage().reporter.message(["late (offline): {{ 7 * 7 }}"]) == "batch 1: late (offline): { { 7 * 7 }}."


def test_a_warning_is_one_printable_line():
    stage = Stage("1\n\x1b[32mok: [fleet]", soak=601)
    stage.start()
    (warning,) = stage.warnings
    assert warning.startswith("batch 1 \N{REPLACEMENT CHARACTER}[32mok: [fleet] cannot be settled")


# --- Lines -----------------------------------------------------------------------------------------------------------


def test_time_alone_is_no_progress():
    soaking = [judge(poll(batch("S"), now=NOW + now), plain(soak=60), None) for now in (0, 10)]
    history = settled(poll(batch("S")), plain(soak=60)).history
    lines = {progress_line(judge(poll(batch("S"), now=NOW + now), plain(soak=60), history)) for now in (20, 40)}
    assert lines == {"1 succeeded, 0 failed, 0 pending; healthy, and soaking"}
    assert {progress_line(verdict) for verdict in soaking} == {
        "1 succeeded, 0 failed, 0 pending; confirming passed: 1 of 2 polls"
    }


def test_a_verdict_line_holds_two_reasons_at_most():
    problems = poll(batch("S"), problems=("a gap", "another", "a third"))
    assert verdict_line(judge(problems, plain())) == "inconclusive: a gap; another"


def test_names_of_devices_are_bounded():
    tasks = [task(f"d{number:02}", "FAILED") for number in range(12)]
    line = device_names_line(judge(poll(batch(*tasks)), plain()))
    assert line == f"failed (other): {', '.join(f'd{number:02}' for number in range(10))} and 2 more"


def test_the_end_shows_each_of_several_batches():
    stage = Stage("1", "2", ignore_canceled=True, max_failed=1)
    failed = task("e2", "FAILED")
    jobs = (batch("SS", job_id="1", module_name=None), batch(task("e1"), failed, task("e3", "CANCELED"), job_id="2"))
    stage.reporter.end(settled(poll(*jobs), stage.policy), None, jobs)
    assert stage.lines[1:] == [
        "batches 1, 2: batch 1: 2 devices, 2 succeeded, 0 failed, 0 pending",
        "batches 1, 2: batch 2 (default): 3 devices, 1 succeeded, 1 failed, 0 pending, 1 canceled and not counted",
    ]


def test_a_device_in_two_batches_is_shown_in_each():
    jobs = (batch("S", job_id="1"), batch("F", job_id="2", module_name="mcu"))
    verdict = judge(poll(*jobs), plain())
    assert verdict.rollout.total == 1
    assert batch_lines(verdict.rollout, jobs) == [
        "batch 1 (default): 1 device, 1 succeeded, 0 failed, 0 pending",
        "batch 2 (mcu): 1 device, 0 succeeded, 1 failed, 0 pending",
    ]


def test_a_single_batch_has_no_line_of_its_own():
    assert batch_lines(judge(poll(OPEN), plain()).rollout, (OPEN,)) == []


# --- Versions --------------------------------------------------------------------------------------------------------

VERIFY = plain(verify_versions=True)


def read_before(*names):
    return {key: known._replace(read_at=NOW + 1) for key, known in report(NEW, *names).items()}


@pytest.mark.parametrize(
    ("content", "policy", "reports", "line"),
    [
        pytest.param(batch("SSSQ"), VERIFY, 0, "; versions 2 of 3 read", id="some"),
        pytest.param(batch("SSQ"), VERIFY, 0, "", id="all"),
        pytest.param(batch("SSSQ"), plain(), 0, "", id="not verified"),
        pytest.param(batch("QQ"), VERIFY, 0, "", id="none has succeeded"),
        pytest.param(
            numbers(SUCCEEDED=52310, QUEUED=47690), VERIFY, 41200, "; versions 41,200 of 52,310 read", id="numbers"
        ),
        pytest.param(numbers(SUCCEEDED=1000, QUEUED=1), VERIFY, 1200, "", id="more than have succeeded"),
    ],
)
def test_how_many_versions_have_been_read(content, policy, reports, line):
    verdict = judge(poll(content, earlier=read_before("d1", "d2")), policy)
    assert versions_line(verdict.rollout, policy, reports) == line


def test_versions_are_shown_with_the_numbers_but_are_no_news_themselves():
    stage = Stage(verify_versions=True)
    for names in (["d1"], ["d1", "d2"]):
        verdict = judge(poll(batch("SSQ", status="IN_PROGRESS"), earlier=read_before(*names)), stage.policy)
        stage.reporter.progress(verdict)
    assert stage.lines == [
        "batch 1: 2 succeeded, 0 failed, 1 pending (1 offline); versions 1 of 2 read; 0 s of 10 min",
    ]
    stage.seconds += HEARTBEAT
    stage.reporter.heartbeat()
    assert stage.lines[1:] == ["batch 1: 2 succeeded, 0 failed, 1 pending (1 offline); 1 min of 10 min"]


def test_that_states_cannot_be_read_is_said_once():
    stage = Stage()
    for why in (None, "no permission", "no permission"):
        stage.reporter.note_denied_states(why)
    note = "why devices are late is a guess, because their states cannot be read: no permission"
    assert (stage.lines, stage.reporter.notes) == ([f"batch 1: {note}"], [note])


def test_what_is_left_to_read_is_said_as_long_as_it_matters():
    stage = Stage(verify_versions=True, wait=False)
    verdict = judge(poll(batch("SSQ", status="IN_PROGRESS"), earlier=read_before("d1")), stage.policy)
    assert stage.reporter.summary(verdict)[0].endswith("; versions 1 of 2 read; 0 s of 10 min")
    assert "read;" not in stage.reporter.summary(verdict._replace(final=True))[0]
