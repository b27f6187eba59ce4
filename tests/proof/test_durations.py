# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No duration is shorter than promised, whatever clocks the machines have that look one after the other."""

from __future__ import annotations

import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .play import play_with
from .played import Played
from .rollouts import Machine, Rollout
from .worlds import Batch, Device, Lags, Line, Package, Step, Task, World, settle

often = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)

#: A run that continues may count this much less than has passed since the one before, in seconds.
LOST = 3.0

offsets = st.sampled_from([0.0, 0.0, -0.4, 3.0, 30.0, -59.0, 61.0, -10800.0, 7200.0, 86400.0, -86400.0])
machines = st.builds(lambda ahead: Machine(ahead, math.inf, 0.0, waits=False), offsets)
#: Machines in turn, and the true time from each run to the next.
schedules = st.lists(st.tuples(machines, st.sampled_from([1.0, 5.0, 31.0, 45.0, 100.0])), min_size=3, max_size=12)


def world(*steps: tuple[float, str], goes_on: bool = False) -> World:
    """Two devices whose tasks take these steps and which report the new version for ever; without a step, no task.

    The batch may go on for ever, even so.
    """
    batch = Batch("j1", Package("f1", "k1", "default", "1.0", "2.0", "2.0"))
    batch.created = batch.started = -3600.0
    devices = {("k1", name): Device("k1", name) for name in ("d1", "d2")}
    for (_product, name), device in devices.items():
        device.versions["default"] = Line([(-3600.0, "2.0")])
        course = Line([(moment, Step(status)) for moment, status in steps])
        batch.tasks += [Task(f"t-{name}", device, -3600.0, course, "1.0")] if steps else []
    batch.stays = "IN_PROGRESS" if goes_on else ""
    settle(batch)
    return World(devices, [batch], Lags(), frozenset({"iot", "sources", "end", "module"}))


def judged(of: World, schedule: list[tuple[Machine, float]], **options: object) -> Played:
    """What gates on these machines, one after the other, make of a world."""
    policy = {
        **{"wait_timeout": 10000.0, "start_grace": 0, "confirmations": 1, "max_consecutive_errors": 5},
        **{"verify_versions": True, "version_grace": 0, "ignore_canceled": False, "ignore_vanished": False},
        **{"allow_empty": False, **options},
    }
    runs = [machine for machine, _gap in schedule]
    rollout = Rollout(1, of, set(), policy, ["j1"], 0.0, 15.0, runs, {}, None)
    return play_with(rollout, [gap for _machine, gap in schedule[:-1]])


def lost(played: Played) -> float:
    """How much less than the true time a last run may have counted."""
    return LOST * len(played.runs)


@often
@given(schedules, st.sampled_from([10.0, 90.0, 300.0]), st.integers(1, 3))
def test_the_soak_lasts_and_ends(schedule, soak, confirmations):
    played = judged(world((-600.0, "SUCCEEDED")), schedule, soak=soak, confirmations=confirmations)
    lasted = played.last.ended - played.looks[0].moments[0]
    enough = len(played.runs) >= confirmations
    if played.verdict == "passed":
        assert lasted >= soak
        assert enough
    else:
        assert played.verdict == "pending"
        assert lasted < soak + lost(played) or not enough


@often
@given(schedules, st.sampled_from([10.0, 90.0, 300.0]), st.booleans())
def test_the_start_grace_lasts_and_ends(schedule, start_grace, known):
    """A batch without a task that goes on, and one that the service does not know."""
    empty = world(goes_on=True)
    played = judged(empty if known else empty._replace(batches=[]), schedule, start_grace=start_grace)
    lasted = played.last.ended
    if played.verdict == "inconclusive":
        assert lasted >= start_grace
    else:
        assert played.verdict == "pending"
        assert lasted < start_grace + lost(played)


@often
@given(schedules, st.sampled_from([10.0, 90.0, 300.0]))
def test_the_deadline_is_neither_early_nor_moved(schedule, wait_timeout):
    played = judged(world((-600.0, "QUEUED")), schedule, wait_timeout=wait_timeout)
    lasted = played.last.ended
    if played.verdict == "timed_out":
        assert lasted >= wait_timeout
    else:
        assert played.verdict == "pending"
        assert lasted < wait_timeout + lost(played)


@often
@given(schedules, st.sampled_from([10.0, 90.0, 300.0]))
def test_a_late_version_is_waited_for(schedule, grace):
    """From the moment at which the task succeeded, whatever the machines take that for."""
    of = world((-600.0, "IN_PROGRESS"), (-5.0, "SUCCEEDED"))
    for device in of.known.values():
        device.versions["default"] = Line([(-3600.0, "1.0")])
    played = judged(of, schedule, version_grace=grace)
    if played.verdict == "failed":
        assert played.last.ended >= -5.0 + grace
    else:
        assert played.verdict == "pending"
        assert played.last.ended < -5.0 + grace + lost(played)


@often
@given(schedules, st.integers(1, 2))
def test_a_retry_is_waited_for(schedule, interval):
    """From the moment at which the task failed; the batch goes on, and may try again."""
    of = world((-600.0, "IN_PROGRESS"), (-10.0, "FAILED"), goes_on=True)
    of.batches[0].told = {"retry_count": 1, "retry_interval": interval}
    played = judged(of, schedule)
    if played.verdict == "failed":
        assert played.last.ended >= -10.0 + 60.0 * interval
    else:
        assert played.verdict == "pending"
        assert played.last.ended < -10.0 + 60.0 * interval + lost(played)
