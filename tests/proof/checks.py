# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for each rollout that a gate has judged: its verdict, when that came, and what was asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .details import wrong_details
from .evidence import wrong_evidence
from .inconclusive import may_be_inconclusive
from .played import EPSILON, Played
from .timing import given_up, too_early, wrong_times


def mistakes(played: Played) -> Iterator[str]:
    """All that is wrong with how a rollout was judged."""
    yield from wrong_verdicts(played)
    yield from too_early(played)
    yield from given_up(played)
    yield from wrong_times(played)
    yield from too_curious(played)
    yield from wrong_evidence(played)
    yield from wrong_details(played)


def wrong_verdicts(played: Played) -> Iterator[str]:
    """A verdict that the truth does not allow."""
    verdict, final = played.verdict, played.last.result["final"]
    if verdict == "passed":
        yield from _wrongly_passed(played)
    if verdict == "failed":
        yield from _wrongly_failed(played)
    if verdict == "inconclusive" and not may_be_inconclusive(played):
        yield f"it is inconclusive for {played.reason}, and that is not so"
    if verdict == "timed_out" and played.hears_time and played.last.ended < played.deadline - EPSILON:
        yield "it timed out before the deadline"
    if verdict == "pending" and played.last.machine.waits:
        yield "it waited, and the verdict is pending"
    if (verdict != "pending") is not final and (played.last.machine.waits or verdict != "inconclusive"):
        yield f"the verdict is {verdict}, and final is {final}"


def _wrongly_passed(played: Played) -> Iterator[str]:
    truth, window = played.truth, played.window
    if truth.demand.differs() == "yes":
        yield "it passed, and a batch is not the one that was meant"
    if truth.demand.ambiguous or truth.demand.foreign:
        yield "it passed, and nobody knows which devices are expected"
    if truth.demand.dynamic:
        yield "it passed, and a batch takes up devices for ever"
    if all(truth.batches.conflicts(t) == "yes" for t in window):
        yield "it passed, and its batches bring a device to different versions"
    for batch in truth.unbegun(window) if "hidden" not in played.looks[-1].bent else ():
        yield f"it passed, and batch {batch.job_id} has not begun, or has no task"
    if not truth.kept(window):
        yield "it passed, and in truth the policy is not kept"


def _wrongly_failed(played: Played) -> Iterator[str]:
    truth, window = played.truth, played.window
    if played.reason == "wrong_job":
        if truth.demand.differs() == "no":
            yield "it failed for another batch than was meant, and each is the one that was meant"
        return
    if truth.demand.ambiguous or truth.demand.foreign or truth.demand.dynamic:
        yield "it failed, and nobody knows which devices count"
    bent = played.looks[-1].bent
    if not truth.broken(window) and not played.lacks_hidden:
        yield f"it failed for {played.reason}, and in truth the policy is kept, or can still be"
    states = {state for t in window for state in truth.devices.states(t).values()}
    if (
        all(truth.canceled(t) for t in window)
        and states <= {1, 2, 8}
        and not bent
        and played.reason != "batch_canceled"
    ):
        yield f"it failed for {played.reason}, and a batch was canceled"


def too_curious(played: Played) -> Iterator[str]:
    """More questions than are needed."""
    rollout, world = played.rollout, played.truth.world
    if rollout.trouble or any(world.lags):
        return
    batches, devices = len(rollout.job_ids), len(world.devices)
    pages = sum(1 + len(batch.tasks) // 100 for batch in world.batches)
    bounds = {
        "QueryOTAJob": batches,
        "ListOTATaskByJob": 8 * batches + pages,
        "ListOTAModuleVersionsByDevice": devices + min(100, devices) + 1,
        "ListOTAUnfinishedTaskByDevice": 20 + 3 * batches,
        "QueryOTAFirmware": batches,
    }
    for look in played.looks:
        for action, number in look.asked.items():
            if number > bounds[action]:
                yield f"a look asked {action} {number} times, and {bounds[action]} are enough"
    for look, following in pairwise(played.looks):
        listed = [each.asked["ListOTATaskByJob"] > 9 * batches for each in (look, following)]
        changed = len(played.truth.between(look.moments[0], following.moments[-1])) > 2
        if all(listed) and look.run == following.run and not changed:
            yield f"all tasks are listed at {following.moments[0]:.1f} s, although no number has changed"
    asked = sum(look.asked["QueryOTAFirmware"] for look in played.looks)
    if all(batch.package.answer == "tells" for batch in world.batches) and asked > batches * len(played.runs):
        yield f"it asked QueryOTAFirmware {asked} times about {batches} batches in {len(played.runs)} runs"
