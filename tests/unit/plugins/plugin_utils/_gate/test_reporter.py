# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import DETAILS_SOURCE, DEVICE_SOURCE
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.versions import Reading
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.reporter import HEARTBEAT, Reporter
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
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

OPEN = batch("SSQQ", status="IN_PROGRESS")


class Stage:
    """A reporter with a clock that is moved by hand, and what it showed."""

    def __init__(self, *job_ids, max_qps=10.0, wait=True, source=DEVICE_SOURCE, title="", terminal=False, **policy):
        self.seconds = 0.0
        self.lines, self.moods, self.warnings = [], [], []
        self.policy = plain(wait_timeout=600, **policy)
        options = GateOptions(job_ids or ("1",), self.policy, wait=wait, max_qps=max_qps, source=source, title=title)
        self.slept = []
        clock = Clock(wall=lambda: NOW, steady=lambda: self.seconds, sleep=self.sleep)
        self.reporter = Reporter(options, NOW, clock, self.show, self.warnings.append, terminal)

    def show(self, line, mood="", /):
        self.lines.append(line)
        self.moods.append(mood)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.seconds += seconds

    def start(self, *contents, **facts):
        snapshot = poll(*(contents or (OPEN,)), **facts)
        self.reporter.name(snapshot.jobs)
        self.reporter.start(snapshot, judge(snapshot, self.policy))

    def progress(self, *contents, **facts):
        snapshot = poll(*(contents or (OPEN,)), **facts)
        self.reporter.name(snapshot.jobs)
        self.reporter.progress(judge(snapshot, self.policy), snapshot)

    def verdict(self, content=OPEN):
        return judge(poll(content), self.policy)


# --- Start -----------------------------------------------------------------------------------------------------------


def test_the_start_says_which_clocks_apply():
    stage = Stage("1", "2", soak=60)
    stage.start(batch("SQ", status="IN_PROGRESS", timeout_in_minutes=2))
    notes = ["the rollout must be settled by 2026-03-01T10:10:00Z", "batch j1: per-device time-out 2 min", "soak 1 min"]
    assert stage.reporter.notes == notes
    assert stage.lines[0] == "10:00:00  2 batches: 2 devices, times are in UTC"
    shown = ["the rollout must be settled by 10:10:00", *notes[1:]]
    assert (stage.lines[-3:], stage.warnings) == ([f"          {note}" for note in shown], [])


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
    assert stage.warnings == ([f"batch j1 {warning}. Raise wait_timeout."] if warning else [])
    assert stage.reporter.notes[-1] == (f"batch j1 {warning}" if warning else stage.reporter.notes[-1])


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


def test_a_clock_that_is_off_is_told_in_a_line_too():
    stage = Stage()
    stage.start(clock_offset=90.0)
    assert stage.lines[-1] == "          the clock of this machine is 1 min 30 s behind the service's"


def test_a_clock_that_is_off_moves_no_warning_of_the_time():
    stage = Stage()
    later = format_time(NOW + 500 + 3600)
    stage.start(batch("SSQQ", status="IN_PROGRESS", utc_schedule_time=later), clock_offset=3600.0)
    assert not any("deadline" in warning for warning in stage.warnings)


# --- Progress --------------------------------------------------------------------------------------------------------


def test_only_a_change_shows_a_line():
    stage = Stage()
    stage.progress()
    stage.seconds = 15
    stage.progress()
    stage.progress(batch("SSSQ", status="IN_PROGRESS"))
    assert stage.lines == [
        "10:00:00  batch j1  50 %  2/4 done  0 failed (limit 0)  waiting: 2 queued",
        "10:00:15  batch j1  75 %  3/4 done  0 failed (limit 0)  waiting: 1 queued",
    ]


def test_a_title_takes_the_place_of_the_batch():
    stage = Stage(title="Lamp 2.4.1")
    stage.progress()
    assert stage.lines[0].startswith("10:00:00  Lamp 2.4.1  50 %  ")


def test_a_terminal_has_bars():
    stage = Stage(terminal=True)
    stage.progress()
    assert stage.lines[0].startswith("10:00:00  batch j1  [#######.......]  50 %  ")


def test_the_first_line_is_marked_from_the_limit_on():
    stage = Stage()
    stage.progress()
    stage.progress(batch("FFQ", status="IN_PROGRESS"))
    assert stage.moods == ["", "bad", ""]
    assert stage.lines[2] == "          waiting: 1 queued  failed: 2 other"


TWO = (batch("SQ", status="IN_PROGRESS"), batch(task("x1", "QUEUED"), job_id="j2", status="IN_PROGRESS"))


def test_several_batches_have_a_line_if_one_of_them_changes():
    stage = Stage("j1", "j2")
    for one in (TWO[0], TWO[0], batch("SS")):
        stage.progress(one, TWO[1])
    assert stage.lines == [
        "10:00:00  2 batches  33 %  1/3 done  0 failed (limit 0)  waiting: 2 queued",
        "          batch j1 50 % · batch j2 0 %",
        "10:00:00  2 batches  66 %  2/3 done  0 failed (limit 0)  waiting: 1 queued",
        "          batch j1 100 % · batch j2 0 %",
    ]


def test_a_change_between_batches_shows_their_line_alone():
    stage = Stage("j1", "j2")
    for one, other in (("SQ", "QUEUED"), ("QQ", "SUCCEEDED")):
        stage.progress(batch(one, status="IN_PROGRESS"), batch(task("x1", other), job_id="j2", status="IN_PROGRESS"))
    assert stage.lines[2:] == ["          batch j1 0 % · batch j2 100 %"]


def test_the_rate_of_this_run_says_when_it_may_end():
    stage = Stage()
    for seconds, letters in ((0, "QIII"), (60, "QSSI")):
        stage.seconds = seconds
        stage.progress(batch(letters, status="IN_PROGRESS"))
    assert stage.lines[1].endswith("  ETA 10:01  waiting: 1 updating, 1 queued")


def test_a_heartbeat_repeats_the_last_line_after_a_minute():
    stage = Stage()
    stage.progress()
    for seconds in (HEARTBEAT - 1, HEARTBEAT, HEARTBEAT + 1):
        stage.seconds = seconds
        stage.reporter.heartbeat()
    assert stage.lines[1:] == ["10:01:00  batch j1  50 %  2/4 done  0 failed (limit 0)  waiting: 2 queued"]


def test_a_heartbeat_before_the_first_poll():
    stage = Stage()
    stage.seconds = HEARTBEAT
    stage.reporter.heartbeat()
    assert stage.lines == ["10:01:00  batch 1  waiting for the first poll"]


def test_a_heartbeat_while_versions_are_read():
    stage = Stage()
    stage.progress()
    stage.seconds = HEARTBEAT
    stage.reporter.heartbeat(Reading(1412, 2900))
    assert stage.lines[1:] == [
        "10:01:00  batch j1  50 %  2/4 done  0 failed (limit 0)  reading versions, 1,412 of 2,900",
        "          waiting: 2 queued",
    ]
    assert stage.reporter.until_heartbeat() == HEARTBEAT


@pytest.mark.parametrize(
    ("content", "devices", "line"),
    [
        pytest.param(
            batch("SS"), 9000, "all tasks succeeded; reading the versions of 9,000 devices, about 15 min", id="all"
        ),
        pytest.param(
            batch("SF"), 900, "the limits are kept; reading the versions of 900 devices, about 1 min 30 s", id="not all"
        ),
        pytest.param(batch("SS"), 99, None, id="not worth a line"),
    ],
)
def test_reading_versions_is_announced(content, devices, line):
    stage = Stage()
    stage.reporter.announce_versions(stage.verdict(content).rollout, devices)
    assert " ".join(stage.lines) == (f"10:00:00  batch 1  {line}" if line else "")


def test_reading_tasks_is_announced():
    stage = Stage()
    stage.reporter.announce_tasks([numbers(SUCCEEDED=20_000)])
    stage.reporter.announce_tasks([numbers(SUCCEEDED=9_000)])
    assert stage.lines == ["10:00:00  batch 1  reading all 20,000 tasks before deciding, about 20 s"]


# --- What the guides show ---------------------------------------------------------------------------------------------

SHOWN = pathlib.Path(__file__).parents[5] / "docs" / "examples" / "output" / "lines.txt"
#: Devices of each batch that succeeded, failed, and are being updated.
CITIES = {
    "Berlin": (237, 7, 80),
    "Hamburg": (260, 4, 90),
    "München": (248, 4, 85),
    "Köln": (253, 31, 60),
    "Frankfurt": (222, 3, 116),
}


def city(number, name, succeeded, failed, updating):
    counts = {"SUCCEEDED": succeeded, "FAILED": failed, "IN_PROGRESS": updating}
    counts["QUEUED"] = 400 - sum(counts.values())
    limit = {"maximum_per_minute": 150, "utc_start_time": format_time(NOW)}
    return numbers(**counts)._replace(job_id=f"18341577619000020{number}"), {"job_desc": name, **limit}


def fleet(cities):
    found = [city(number, name, *counts) for number, (name, counts) in enumerate(cities.items())]
    return [job._replace(facts={**job.facts, "job_id": job.job_id, **facts}) for job, facts in found]


def test_the_guides_show_what_is_shown():
    stage = Stage(
        *(job.job_id for job in fleet(CITIES)),
        title="Lamp Pro 2.4.1",
        max_failed_percent=5,
        min_executed=100,
        verify_versions=True,
    )
    stage.reporter.reports = 1200
    stage.start(*fleet(dict.fromkeys(CITIES, (0, 0, 0))))
    stage.progress(*fleet(dict.fromkeys(CITIES, (0, 0, 0))))
    del stage.lines[7:]
    stage.seconds = 120
    stage.progress(*fleet(CITIES))
    assert stage.lines == SHOWN.read_text(encoding="utf-8").splitlines()


# --- Pauses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "slept", "lines"), [(0, [], 1), (-5, [], 1), (59, [59], 1), (60, [60], 2), (150, [60, 60, 30], 3)]
)
def test_a_pause_is_interrupted_by_heartbeats_only(seconds, slept, lines):
    stage = Stage()
    stage.progress()
    stage.reporter.sleep(seconds)
    assert (stage.slept, len(stage.lines)) == (slept, lines)


# --- End -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "line", "mood"),
    [
        (settled(poll(batch("SF")), plain()), "FAILED  100 %  2/2 done  1 failed (limit 0)", "bad"),
        (settled(poll(batch("SS")), plain()), "PASSED  100 %  2/2 done  0 failed (limit 0)", "good"),
        (
            course(plain(wait_timeout=60), *again(poll(OPEN), 2, 60))[-1],
            "TIMED OUT  50 %  2/4 done  0 failed (limit 0)",
            "unclear",
        ),
        (settled(poll(batch()), plain()), "INCONCLUSIVE  0 %  no task  0 failed (limit 0)", "unclear"),
        (judge(poll(OPEN), plain()), "PENDING  50 %  2/4 done  0 failed (limit 0)  waiting: 2 queued", ""),
    ],
)
def test_the_end_is_one_line_with_the_verdict(verdict, line, mood):
    stage = Stage()
    stage.reporter.end(verdict, ())
    assert (stage.lines, stage.moods) == ([f"10:00:00  batch 1  {line}"], [mood])


def test_the_end_of_a_run_that_polls_once_says_when_a_schedule_begins():
    stage, planned = Stage(), batch(status="PLANNED", utc_schedule_time=format_time(NOW + 600))
    stage.reporter.end(judge(poll(planned), plain()), ())
    assert stage.lines == [
        "10:00:00  batch 1  PENDING  0 %  0 failed (limit 0)",
        "          there is no task yet; the schedule begins at 10:10:00",
    ]


def test_the_end_has_no_bar_and_all_batches():
    stage = Stage("j1", "j2", terminal=True)
    stage.progress(*TWO)
    stage.reporter.end(judge(poll(*TWO), stage.policy), TWO)
    assert stage.lines[2:] == [
        "10:00:00  2 batches  PENDING  33 %  1/3 done  0 failed (limit 0)  waiting: 2 queued",
        "          batch j1 50 % · batch j2 0 %",
    ]


def test_what_was_assumed_is_shown_last():
    stage = Stage("j1", "j2", verify_versions=True)
    verdict = judge(poll(TWO[0], TWO[1]._replace(module_name=None)), stage.policy)
    stage.reporter.end(verdict, TWO)
    (note,) = verdict.notes
    assert note.startswith("the module of batch j2 is not known: ")
    assert " ".join(line.strip() for line in stage.lines[-2:]) == note


def test_no_line_can_pretend_to_be_another():
    stage = Stage(title="d1\nok: [fleet]\x1b[32m")
    stage.start(batch("SQ", status="IN_PROGRESS", job_desc="\n\x1b[32m"))
    stage.progress(batch("SQ", status="IN_PROGRESS", job_desc="\n\x1b[32m"))
    stage.reporter.end(stage.verdict(), ())
    assert not any(char in line for line in stage.lines for char in "\n\x1b")


def test_a_warning_is_one_printable_line():
    stage = Stage(title="1\x1b[32mok: [fleet]", soak=601)
    stage.start()
    (warning,) = stage.warnings
    assert warning.startswith("1\N{REPLACEMENT CHARACTER}[32mok: [fleet] cannot be settled")


# --- Versions --------------------------------------------------------------------------------------------------------


def read_before(*names):
    return {key: known._replace(read_at=NOW + 1) for key, known in report(NEW, *names).items()}


def test_versions_are_shown_with_the_numbers_but_are_no_news_themselves():
    stage = Stage(verify_versions=True)
    for names in (["d1"], ["d1", "d2"]):
        stage.progress(batch("SSQ", status="IN_PROGRESS"), earlier=read_before(*names))
    line = "batch j1  66 %  2/3 done  0 failed (limit 0)"
    assert stage.lines == [f"10:00:00  {line}  1 of 2 versions read  waiting: 1 queued"]
    stage.seconds += HEARTBEAT
    stage.reporter.heartbeat()
    assert stage.lines[1:] == [f"10:01:00  {line}  2 of 2 versions read  waiting: 1 queued"]


def test_that_states_cannot_be_read_is_said_once():
    stage = Stage()
    for why in (None, "no permission", "no permission"):
        stage.reporter.note_denied_states(why)
    note = "why devices are unfinished is a guess, because their states cannot be read: no permission"
    assert stage.reporter.notes == [note]
    assert " ".join(line.strip() for line in stage.lines) == note
