# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.limits import MIN_POLL, TimeLimits
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import new_history
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NOW, plain


def test_the_time_goes_on_with_the_steady_clock():
    steady = iter([5.0, 5.0, 12.5])
    clock = Clock(wall=lambda: 1000.0, steady=lambda: next(steady))
    assert [clock.now(), clock.now()] == [1000.0, 1007.5]


def test_a_wall_clock_that_is_set_back_moves_nothing():
    wall = iter([1000.0, 1.0])
    clock = Clock(wall=lambda: next(wall), steady=lambda: 5.0)
    assert [clock.now(), clock.now()] == [1000.0, 1000.0]


@pytest.mark.parametrize(
    ("offset", "wall", "ahead"),
    [
        pytest.param(None, 1000.0, None, id="not known"),
        pytest.param(30.0, 1007.5, 30.0, id="nobody sets the clock"),
        pytest.param(30.0, 4607.5, 3630.0, id="set forward"),
        pytest.param(30.0, 947.5, -30.0, id="set back"),
    ],
)
def test_what_is_ahead_of_the_wall_is_told_as_ahead_of_the_gate(offset, wall, ahead):
    walls, steady = iter([1000.0, wall]), iter([5.0, 12.5])
    assert Clock(wall=lambda: next(walls), steady=lambda: next(steady)).from_wall(offset) == ahead


# --- Limits -----------------------------------------------------------------------------------------------------------

FIVE = {"prefix": "d-", "count": 5, "jitter": 0}
OFFLINE = {"name": "d-3", "course": "offline"}
HOUR = 3600.0

#: A run of 100 s on a machine whose clock was 50 s behind the service's, and whose candidate is 30 s old.
EARLIER = {
    **new_history(NOW),
    "last_poll": NOW + 100,
    "service_time": NOW + 150,
    "candidate_since": NOW + 70,
    "last_growth": NOW + 20,
}


class Stage:
    """The limits of a run that begins at a time by the machine, with a clock that is moved by hand."""

    def __init__(self, now=NOW, history=None, wait=True, jitter=0.5, wait_interval=15.0):
        self.seconds = 0.0
        clock = Clock(wall=lambda: now, steady=lambda: self.seconds, jitter=lambda: jitter)
        options = GateOptions(["1"], plain(wait_timeout=600), wait, wait_interval, history)
        self.limits = TimeLimits(options, clock)

    @property
    def ages(self):
        """How long ago a rollout began, its candidate was seen first, and its last poll was."""
        history, now = self.limits.history, self.limits._clock.now()
        return tuple(now - history[name] for name in ("started", "candidate_since", "last_poll"))


# --- One run ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [True, False])
def test_a_rollout_must_be_settled_in_time(wait):
    limits = Stage(wait=wait).limits
    assert (limits.started, limits.deadline, limits.end, limits.left()) == (NOW, NOW + 600, NOW + 600, 600)
    assert limits.history == new_history(NOW)


def test_less_and_less_time_is_left():
    stage = Stage()
    stage.seconds = 590
    assert (stage.limits.left(), stage.limits.expiry()) == (10, NOW + 600)
    stage.seconds = 601
    assert (stage.limits.left(), stage.limits.expiry()) == (-1, NOW + 601)


def test_a_first_run_has_nothing_to_continue():
    limits = Stage().limits
    limits.resume(3600.0, True)
    assert (limits.started, limits.history) == (NOW, new_history(NOW))


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 13.5), (0.5, 15.0), (1.0, 16.5)])
def test_gates_that_start_together_drift_apart(jitter, pause):
    assert Stage(jitter=jitter).limits.next_pause(1.0) == pause


@pytest.mark.parametrize(
    ("left", "last_poll", "pause"),
    [
        pytest.param(31, 0.0, 15.0, id="time for two more"),
        pytest.param(30, 0.0, 15.0, id="half of what is left"),
        pytest.param(20, 0.0, 10.0, id="less than half of what is left"),
        pytest.param(20, 8.0, 3.5, id="time for two polls that take as long"),
        pytest.param(20, 9.9, MIN_POLL, id="no time for two polls that take as long"),
        pytest.param(0.9, 0.0, MIN_POLL, id="the end"),
    ],
)
def test_the_last_polls_come_closer_to_each_other(left, last_poll, pause):
    stage = Stage()
    stage.seconds = 600 - left
    assert stage.limits.next_pause(last_poll) == pytest.approx(pause)


# --- Runs that continue ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("now", [NOW, NOW + 130, NOW - 7200, NOW + 7200], ids=["equal", "later", "behind", "ahead"])
def test_no_time_has_passed_as_long_as_nothing_tells_how_much(now):
    stage = Stage(now, EARLIER)
    stage.limits.resume(None, False)
    assert stage.ages == (100, 30, 0)
    assert (stage.limits.started, stage.limits.deadline) == (now - 100, now + 500)


@pytest.mark.parametrize("now", [NOW + 400, NOW - 7200, NOW + 7200], ids=["equal", "behind", "ahead"])
@pytest.mark.parametrize("learned", [True, False])
def test_the_clock_of_the_service_tells_how_much_time_has_passed(now, learned):
    """It is 300 s later there, of which two may be missing because it tells whole seconds."""
    stage = Stage(now, EARLIER)
    stage.limits.resume(NOW + 450 - now, learned)
    assert stage.ages == (398, 328, 298)
    assert (stage.limits.started, stage.limits.deadline, stage.limits.end) == (now - 398, now + 202, now + 202)


def test_time_is_counted_once():
    stage = Stage(NOW + 400, EARLIER)
    stage.limits.resume(50.0, True)
    stage.limits.resume(90.0, True)
    assert stage.ages == (398, 328, 298)


def test_what_the_run_has_measured_itself_is_counted_once():
    stage = Stage(NOW + 390, EARLIER)
    stage.seconds = 10
    stage.limits.resume(50.0, False)
    assert stage.ages == (398, 328, 298)


def test_what_the_run_has_measured_itself_is_not_taken_back():
    stage = Stage(NOW, EARLIER)
    stage.seconds = 10
    stage.limits.resume(NOW + 155 - (NOW + 10), False)
    assert stage.ages == (110, 40, 10)


@pytest.mark.parametrize("service", [NOW + 150, NOW + 152, NOW - 3600], ids=["equal", "two seconds", "an hour back"])
def test_no_time_runs_backwards(service):
    stage = Stage(NOW, EARLIER)
    stage.limits.resume(service - NOW, True)
    assert stage.ages == (100, 30, 0)


def test_without_the_service_s_clock_those_of_the_machines_must_do():
    stage = Stage(NOW + 400, EARLIER)
    stage.limits.resume(None, True)
    assert stage.ages == (400, 330, 300)


def test_a_run_before_which_the_service_told_no_time_is_continued_by_the_machines():
    stage = Stage(NOW + 400, {**EARLIER, "service_time": None})
    stage.limits.resume(9999.0, True)
    assert stage.ages == (400, 330, 300)


def test_a_single_poll_has_its_time_after_the_deadline():
    limits = Stage(NOW + 9000, EARLIER, wait=False).limits
    limits.resume(50.0, True)
    assert (limits.deadline, limits.end) == (limits.started + 600, NOW + 9600)


def test_a_gate_that_waits_has_no_time_after_the_deadline():
    limits = Stage(NOW + 9000, EARLIER).limits
    limits.resume(50.0, True)
    assert limits.left() < 0


@pytest.mark.parametrize(
    ("began", "age"),
    [
        pytest.param(None, 398, id="not known"),
        pytest.param(NOW - 3600, 4048, id="earlier"),
        pytest.param(NOW + 49, 399, id="a second earlier"),
        pytest.param(NOW + 51, 398, id="a second later"),
        pytest.param(NOW + 9999, 398, id="much later"),
    ],
)
def test_the_start_is_where_the_service_s_clock_says_but_never_later(began, age):
    stage = Stage(NOW + 400, {**EARLIER, "service_started": began})
    stage.limits.resume(50.0, True)
    assert stage.ages == (age, 328, 298)
    assert stage.limits.history["last_growth"] == NOW + 22
    assert stage.limits.started == NOW + 400 - age


# --- Scheduled looks -------------------------------------------------------------------------------------------------

#: How far the clocks of the machines are ahead, on which one look after the other is taken.
MACHINES = {
    "one": [0],
    "one that is behind": [-7200],
    "one that is set back": [0, -60, -120, -180, -240, -300, -360],
    "one that is set forward": [0, 60, 120, 180, 240, 300, 360],
    "two that differ by hours": [0, 7200],
    "two that differ by minutes": [120, -120],
}


def look_again(rollout, every, aheads, **options):
    """Look once after each pause, and continue the look before; the results until the verdict is final, and when."""
    previous, number = {}, 0
    while not previous.get("final"):
        rollout.ahead = aheads[number % len(aheads)]
        limits = {"wait_timeout": 86400, "history": previous.get("history"), "previous": previous}
        previous = json.loads(json.dumps(rollout.gate("1", wait=False, **{**limits, **options})))
        yield rollout.clock.elapsed, previous
        number += 1
        rollout.clock.elapsed += every


machines = pytest.mark.parametrize("aheads", MACHINES.values(), ids=MACHINES.keys())


@machines
def test_a_soak_is_never_shorter(aheads):
    looks = list(look_again(Rollout(batch(FIVE)), 31, aheads, min_devices=5, soak=90))
    healthy = next(elapsed for elapsed, result in looks if result["reasons"][0]["code"] == "confirming")
    elapsed, result = looks[-1]
    assert result["verdict"] == "passed"
    assert elapsed - healthy == 4 * 31  # after three it might be some seconds too short


@machines
def test_confirmations_are_all_counted(aheads):
    looks = list(look_again(Rollout(batch(FIVE)), 20, aheads, min_devices=5, confirmations=3))
    assert [result["reasons"][0]["code"] for _elapsed, result in looks] == ["unfinished", *["confirming"] * 2, "proved"]


@machines
def test_a_start_grace_is_never_shorter(aheads):
    looks = list(look_again(Rollout(batch(FIVE)), 31, aheads, start_grace=90, confirmations=1))
    assert (looks[-1][0], looks[-1][1]["verdict"]) == (3 * 31, "passed")


@machines
def test_a_start_grace_without_a_task_is_never_shorter(aheads):
    looks = list(look_again(Rollout(batch()), 31, aheads, start_grace=90, confirmations=1))
    assert (looks[-1][0], looks[-1][1]["reasons"][0]["code"]) == (3 * 31, "nothing_to_judge")


@machines
def test_the_deadline_comes_and_never_too_early(aheads):
    looks = list(look_again(Rollout(batch(OFFLINE)), 31, aheads, wait_timeout=120))
    assert (looks[-1][0], looks[-1][1]["verdict"]) == (4 * 31, "timed_out")


@pytest.mark.parametrize("every", [1, 2, 3, 5, 60])
def test_many_looks_do_not_put_off_the_deadline(every):
    looks = list(look_again(Rollout(batch(OFFLINE)), every, [0], wait_timeout=120))
    assert looks[-1][1]["verdict"] == "timed_out"
    assert 120 <= looks[-1][0] < 122 + every


def test_a_start_that_is_told_again_changes_no_growth():
    looks = list(look_again(Rollout(batch(FIVE, OFFLINE)), 60, [0], wait_timeout=200, max_pending=1, soak=9999))
    assert {result["history"]["last_growth"] - result["history"]["started"] for _elapsed, result in looks} == {0.0}


@machines
def test_a_version_that_is_late_is_waited_for_as_long_as_promised(aheads):
    world = batch({"name": "d-1", "course": "falls_back", "fell_back_after": 0, "jitter": 0})
    looks = list(look_again(Rollout(world), 31, aheads, min_devices=1, versions={"grace": 90}, confirmations=1))
    codes = [result["reasons"][0]["code"] for _elapsed, result in looks]
    assert codes[0] == "unfinished"
    assert set(codes[1:-1]) == {"awaiting_version"}
    assert looks[-1][0] >= 8 + 90
    assert looks[-1][1]["by_class"]["failed"] == {"wrong_version": 1}


@machines
def test_the_timeline_goes_forward(aheads):
    rollout = Rollout(batch(FIVE, OFFLINE))
    *_others, (_elapsed, result) = look_again(rollout, 31, aheads, max_pending=1, start_grace=60)
    seconds = [entry["seconds"] for entry in result["timeline"]]
    assert seconds == sorted(seconds)
    assert result["elapsed_seconds"] == seconds[-1]


def test_looks_go_on_without_the_service_s_clock():
    rollout = Rollout(batch(FIVE))
    rollout.dated = False
    looks = list(look_again(rollout, 30, [0], min_devices=5, soak=90, confirmations=1))
    assert [result["reasons"][0]["code"] for _elapsed, result in looks] == ["unfinished", *["soaking"] * 3, "proved"]


def healthy_for(rollout, *changes, every):
    """What a look tells of a soak of an hour, after looks that all followed one of the ``changes``."""
    looks = look_again(rollout, every, [0], min_devices=5, soak=HOUR, confirmations=1, max_consecutive_errors=9)
    rollout.clock.elapsed += 60
    for change in changes:
        change()
        _elapsed, result = next(looks)
    return result["reasons"][0]["message"].partition(";")[0]


def test_a_look_that_is_not_told_the_time_is_no_pause():
    rollout = Rollout(batch(FIVE))

    def dated(on):
        return lambda: setattr(rollout, "dated", on)

    assert healthy_for(rollout, dated(True), dated(False), dated(True), every=600) == "healthy for 19 min 58 s"
    rollout = Rollout(batch(FIVE))
    assert healthy_for(rollout, dated(True), dated(False), dated(False), every=600) == "healthy for 20 min"


def test_a_soak_that_begins_while_the_service_tells_no_time_is_not_shorter():
    rollout = Rollout(batch(FIVE))
    looks = look_again(rollout, 1800, [0], min_devices=5, soak=HOUR, confirmations=1)
    assert next(looks)[1]["reasons"][0]["code"] == "unfinished"
    rollout.dated = False
    assert next(looks)[1]["reasons"][0]["message"].startswith("healthy for 0 s; ")
    rollout.dated = True
    assert next(looks)[1]["reasons"][0]["message"].startswith("healthy for 29 min 58 s; ")


def test_a_look_that_reaches_nobody_is_no_pause():
    rollout = Rollout(batch(FIVE))
    looks = look_again(rollout, 600, [0], min_devices=5, soak=HOUR, confirmations=1)
    rollout.clock.elapsed += 60
    begins, _result = next(looks)
    rollout.fault("reset_before")
    assert next(looks)[1]["reasons"][0]["code"] == "error"
    rollout.fault("")
    elapsed, result = next(looks)
    healthy = result["history"]["last_poll"] - result["history"]["candidate_since"]
    assert elapsed - begins - 3 <= healthy <= elapsed - begins


@machines
def test_what_was_read_is_as_old_after_many_looks(aheads):
    looks = look_again(Rollout(batch(FIVE, OFFLINE)), 20, aheads, wait_timeout=900, versions={"verify": True})
    histories = [(elapsed, result["history"]) for elapsed, result in looks if not result["final"]]
    began = next(elapsed for elapsed, history in histories if history["reports"])
    ages = {
        elapsed - began: history["last_poll"] - min(group["read_at"] for group in history["reports"])
        for elapsed, history in histories
        if elapsed >= began
    }
    assert max(ages) > 800
    assert ages == {age: pytest.approx(age, abs=1.0) for age in ages}


def test_a_gate_that_waits_continues_a_look():
    rollout = Rollout(batch(FIVE, OFFLINE))
    _elapsed, look = next(look_again(rollout, 0, [7200], wait_timeout=300))
    rollout.ahead = 0
    rollout.clock.elapsed += 100
    result = rollout.gate("1", wait_timeout=300, history=look["history"], previous=look)
    assert (result["verdict"], result["elapsed_seconds"], rollout.clock.elapsed) == ("timed_out", 300.0, 302.0)


@pytest.mark.parametrize("wait", [True, False])
def test_a_run_after_the_deadline_polls_once_and_ends(wait):
    rollout = Rollout(batch(FIVE, OFFLINE))
    _elapsed, look = next(look_again(rollout, 0, [0], wait_timeout=3600))
    rollout.clock.elapsed += 7200
    result = rollout.gate("1", wait=wait, wait_timeout=3600, history=look["history"], previous=look)
    assert (result["verdict"], result["final"], result["polls"]) == ("timed_out", True, 2)
    assert (result["counts"]["succeeded"], rollout.clock.elapsed) == (4, 7200)
