# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold for each rollout that a gate has judged: its verdict, and when that came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Callable

from .bounds import BEST, PENDING, SUCCEEDED, choose
from .clocks import Look
from .details import wrong_details
from .played import Played
from .watch import UNSURE
from .worlds import Batch

#: Floating point: the clocks count from 1970, in seconds.
EPSILON = 1e-5
#: No poll starts with less time left, in seconds; towards the deadline each pause is half of what is left.
LEAST_POLL = 0.5
#: A run that continues may count this much less than has passed since the one before, in seconds: two, because the
#: service tells its time in whole seconds, and what each of two measurements may be off by.
LOST_BETWEEN_RUNS = 3.0
#: The service lists so many tasks at most.
LISTABLE = 100_000
#: The verdicts on what a rollout is, before anything is counted.
REFUSALS = ("wrong_job",)
#: What hides rows of a list.
HIDING = {"hidden", "shrinks"}
TRANSIENT = ("ServiceUnavailable", "timeout", "wrong_response", "hang", "SystemBusy")


def mistakes(played: Played) -> Iterator[str]:
    """All that is wrong with how a rollout was judged."""
    yield from wrong_verdicts(played)
    yield from too_early(played)
    yield from given_up(played)
    yield from wrong_times(played)
    yield from too_curious(played)
    yield from wrong_details(played)


def wrong_verdicts(played: Played) -> Iterator[str]:
    """A verdict that the truth does not allow."""
    verdict, final = played.verdict, played.last.result["final"]
    if verdict == "passed":
        yield from _wrongly_passed(played)
    if verdict == "failed":
        yield from _wrongly_failed(played)
    if verdict == "inconclusive" and not _may_be_inconclusive(played):
        yield f"it is inconclusive for {played.reason}, and that is not so"
    if verdict == "timed_out" and _hears_time(played) and played.last.ended < played.deadline - EPSILON:
        yield "it timed out before the deadline"
    if verdict == "pending" and played.last.machine.waits:
        yield "it waited, and the verdict is pending"
    if (verdict != "pending") is not final and (played.last.machine.waits or verdict != "inconclusive"):
        yield f"the verdict is {verdict}, and final is {final}"


def _hears_time(played: Played) -> bool:
    """Whether the service told its time in each run; else the machines' clocks are all that there is."""
    return {look.run for look in played.looks if look.heard} == set(range(len(played.runs)))


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
    if not truth.broken(window) and not _lacks_hidden(played):
        yield f"it failed for {played.reason}, and in truth the policy is kept, or can still be"
    states = {state for t in window for state in truth.devices.states(t).values()}
    if (
        all(truth.canceled(t) for t in window)
        and states <= {1, 2, 8}
        and not bent
        and played.reason != "batch_canceled"
    ):
        yield f"it failed for {played.reason}, and a batch was canceled"


def _lacks_hidden(played: Played) -> bool:
    """Whether too few devices are seen only because the last look was not shown all."""
    if not HIDING & played.looks[-1].bent:
        return False
    canceled = played.reason == "batch_canceled" and "(min_devices)" in played.last.result["reasons"][0]["message"]
    return canceled or played.reason == "too_few_devices"


def _may_be_inconclusive(played: Played) -> bool:
    truth, look, window = played.truth, played.looks[-1], played.window
    t, bent = played.last.ended + EPSILON, played.bent
    over = any(truth.watch.finished(moment) for moment in window)
    lags = any(truth.world.lags)
    if played.reason == "unfinished" or not played.looks:
        return False
    answers: dict[str, bool] = {
        "api_error": any(not code.endswith(TRANSIENT) for code in look.raised),
        "too_many_errors": _errors_in_a_row(played),
        "incomplete": bool(bent) or lags or len(truth.of_look(look)) > 1 or _was_counted(played),
        "unknown_job": _seen_by_then(played, lambda seen: "no_job" in seen.bent),
        "dynamic_batch": truth.demand.dynamic,
        "nothing_to_judge": _seen_by_then(played, lambda seen: _shows_nothing(played, seen)),
        "not_started": _not_begun(played),
        "empty_batch": _not_begun(played),
        "ambiguous_device": truth.demand.ambiguous,
        "unknown_product": truth.demand.foreign,
        "conflicting_batches": any(truth.batches.conflicts(moment) != "no" for moment in window)
        or any("package" in each.refused for each in played.looks),
        "unknown_module": truth.demand.unknown_module() != "no"
        or any("package" in each.refused for each in played.looks),
        "too_large": "short" in bent,
        "vanished": over
        and t >= truth.watch.ended() + played.grace - UNSURE
        and (bool(truth.vanished(window)) or any(seen.bent & HIDING for seen in _deciding(played))),
    }
    return answers.get(played.reason, False)


def _unread(look: Look) -> bool:
    """Whether so much failed that it is about no device alone, or what shows the module of a batch."""
    asks_for_module = look.asked["QueryOTAFirmware"] or look.asked["ListOTAUnfinishedTaskByDevice"]
    return len(look.refused) >= 3 or bool(look.refused and asks_for_module)


def _errors_in_a_row(played: Played) -> bool:
    most = played.rollout.options["max_consecutive_errors"]
    last = played.looks[-most - 1 :]
    return len(last) == most + 1 and all(look.errors or _unread(look) for look in last)


def _not_begun(played: Played) -> bool:
    """Whether a batch without tasks has been waited for long enough, and is called what it is."""
    unbegun = played.truth.unbegun(played.window)
    if len(unbegun) == 1 and not played.bent and not any(played.truth.world.lags):
        states = {unbegun[0].status.at(t) == "PLANNED" for t in played.window}
        if states == {played.reason != "not_started"}:
            return False
    truth, options, flaps = played.truth, played.rollout.options, "flap" in played.bent
    hidden = bool({"hidden", "no_list", "short", "shrinks"} & played.bent)
    for batch in truth.world.batches:
        canceled = _may_be_canceled(played, batch)
        # A schedule means nothing any more once the batch is canceled.
        scheduled = -math.inf if batch.schedule is None or canceled else batch.schedule - UNSURE
        begin = max(played.rollout.begins, scheduled)
        early = played.last.ended + EPSILON < begin + played.grace and _hears_time(played)
        if early or (options["allow_empty"] and not canceled):
            continue
        for t in _last_whole_window(played):
            planned = batch.status.at(t - truth.world.lags.job) == "PLANNED"
            if planned or flaps or hidden or not truth.world.shown(batch, t):
                return True
    return False


def _last_whole_window(played: Played) -> list[float]:
    """The moments of the last look, and of the one before where the deadline may have cut the last one short."""
    looks = played.looks[-2:] if {"slow", "hang"} & set(played.rollout.trouble) else []
    if not looks or played.last.ended < played.deadline - EPSILON:
        return played.window
    return sorted({*played.window, *(moment for look in looks for moment in played.truth.of_look(look))})


def _deciding(played: Played) -> list[Look]:
    """The last look, or at the deadline the last one that did not fail."""
    late = played.last.ended >= played.deadline - EPSILON or not _hears_time(played)
    read = [look for look in (played.looks if late else played.looks[-1:]) if not look.blind]
    # A look that the deadline cuts short may have seen nothing.
    return read[-2:] if late and read[-1:] == played.looks[-1:] and "slow" in played.rollout.trouble else read[-1:]


def _seen_by_then(played: Played, shows: Callable[[Look], bool]) -> bool:
    """Whether a look that decides shows something once the grace is over."""
    for look in _deciding(played):
        seen = played.last.ended if look is played.looks[-1] else look.moments[-1]
        begun = seen + EPSILON >= played.rollout.begins + played.grace or not _hears_time(played)
        if begun and shows(look):
            return True
    return False


def _shows_nothing(played: Played, look: Look) -> bool:
    """Whether no device that counts may be seen in a look."""
    moments = played.window if look is played.looks[-1] else played.truth.of_look(look)
    return bool(HIDING & look.bent) or played.truth.nothing(moments)


def _may_be_canceled(played: Played, batch: Batch) -> bool:
    """Whether the last look was shown that a batch is canceled."""
    if "flap" in played.bent and played.rollout.trouble["flap"]["job"]:
        return True
    return any(batch.status.at(t - played.truth.world.lags.job) == "CANCELED" for t in played.window)


def _was_counted(played: Played) -> bool:
    """Whether the service said once that there are more tasks than can be listed, so that nobody can name them."""
    most = played.rollout.trouble.get("short", {}).get("by", 0)
    return most >= LISTABLE and any("short" in look.bent for look in played.looks)


# --- When ------------------------------------------------------------------------------------------------------------


def too_early(played: Played) -> Iterator[str]:
    """A verdict that was not confirmed, has not soaked, or came while tasks were still to be expected."""
    if played.verdict not in ("passed", "failed") or played.reason in REFUSALS:
        return
    if _lacks_hidden(played):
        return
    truth, options, ended = played.truth, played.rollout.options, played.last.ended
    passed = played.verdict == "passed"
    confirmed, since = 0, math.inf
    for look in reversed(played.looks):
        failed = look.failed if passed else look.blind
        if failed and not passed:
            continue
        moments = truth.of_look(look)
        flaps = "flap" in look.bent
        sight = truth.kept(moments, sight=True) if passed else truth.broken(moments)
        if not (sight or flaps or failed):
            break
        if not failed and (flaps or not passed or truth.kept(moments)):
            confirmed, since = confirmed + 1, look.moments[0]
    if confirmed < options["confirmations"]:
        needed = options["confirmations"]
        yield f"it {played.verdict} after it was so in {confirmed} looks, and {needed} must confirm it"
    soak = options.get("soak", 0.0)
    if passed and since > ended - soak + EPSILON:
        yield f"it passed {ended - since:.1f} s after it was kept, and the soak is {soak:.1f} s"
    if passed and played.rollout.expected is None and "min_devices" not in options:
        yield from _grown_lately(played)


def _grown_lately(played: Played) -> Iterator[str]:
    """Tasks come some time after their batch, so that some time without a new one must have passed."""
    truth, ended, begins = played.truth, played.last.ended, played.rollout.begins
    rows = truth.world.lags.rows
    tasks = (task for batch in truth.world.batches for task in batch.tasks)
    # Of a task that was gone before anybody looked nobody knows.
    grown = [task.created + rows for task in tasks if truth.watch.was_seen(task, ended, surely=False)]
    last = max((moment for moment in grown if truth.watch.first_look < moment <= ended), default=-math.inf)
    quiet = min(max(last, begins), truth.watch.ended())
    if ended < quiet + played.grace - UNSURE:
        yield f"it passed {ended - quiet:.1f} s after tasks could still appear, and start_grace is {played.grace} s"


def given_up(played: Played) -> Iterator[str]:
    """A rollout without any trouble that is settled long before the deadline is to be judged, not to be given up."""
    rollout, truth, options = played.rollout, played.truth, played.rollout.options
    calm = not rollout.trouble and not any(truth.world.lags)
    if not calm or played.verdict not in ("timed_out", "inconclusive"):
        return
    between = (1.1 if rollout.waits else 1.5) * rollout.interval
    looks = (options["confirmations"] + 2) * between + LOST_BETWEEN_RUNS * (len(played.runs) - 1)
    since = played.deadline - played.grace - options.get("soak", 0) - looks - 5
    if not rollout.begins <= since <= played.last.ended or not _is_settled(played, since):
        return
    # Versions are read only once all else is well, and who may have succeeded counts in favour of the rollout.
    seen, proved = (truth.devices.states(since, sight) for sight in (True, False))
    at_best = [seen[key] if state == PENDING and seen[key] & SUCCEEDED else state for key, state in proved.items()]
    read = truth.kept([since], sight=True) or truth.bounds.breaks(choose(seen.values(), BEST[0]), True)
    broken = all(truth.bounds.breaks(choose(states, BEST[0]), True) for states in (proved.values(), at_best))
    if truth.kept([since]) or (read and broken):
        yield f"it is {played.verdict}, and nothing has changed in the last {played.deadline - since:.0f} s"
    elif played.verdict == "timed_out" and (_only_gone_left(played, since) or _only_unclear_left(played, since)):
        yield "it timed out, and nobody is told that nothing but what cannot be known is left to wait for"


def _only_gone_left(played: Played, since: float) -> bool:
    """Whether all devices that are waited for have had a task that is gone."""
    truth, states = played.truth, played.truth.devices.states(since, sight=True)
    tasks = {task.device.key: task for batch in truth.world.batches for task in batch.tasks}
    waiting = [tasks.get(key) for (key, _iot), state in states.items() if state & PENDING]
    seen = played.truth.watch.first_look
    gone = [task is not None and task.created <= seen < task.gone <= since for task in waiting]
    over = truth.watch.finished(since) and "end" in truth.world.tells
    return bool(waiting) and all(gone) and over and played.rollout.expected is None


def _only_unclear_left(played: Played, since: float) -> bool:
    """Whether all devices that are waited for succeeded, and nobody knows which of their modules that is about."""
    truth = played.truth
    kept = truth.kept([since], sight=True) and not truth.kept([since])
    unread = any(device.unreadable or len(device.iot.moments) > 1 for device in truth.world.devices)
    unknown = all(state == "no" for state in truth.batches.learnable.values())
    named = "module_name" in played.rollout.options or played.rollout.expected is not None
    states = truth.devices.states(since).values()
    return kept and truth.watch.finished(since) and unknown and not named and not unread and set(states) == {1, 4}


def _is_settled(played: Played, since: float) -> bool:
    """Whether all is known and stays as it is."""
    truth, known = played.truth, played.rollout.expected is not None
    devices = truth.devices
    states = devices.states(since)
    if not states or any(state not in (1, 2, 4, 8) for state in states.values()):
        return False
    if any(devices.states(t) != states for t in truth.between(since, played.deadline)):
        return False
    if not (truth.watch.finished(since) or known) or truth.demand.dynamic or truth.unbegun([since], surely=True):
        return False
    if truth.demand.ambiguous or truth.demand.foreign or truth.demand.differs() != "no":
        return False
    if truth.batches.conflicts(since) != "no" or truth.nothing([since]):
        return False
    looks = [truth.of_look(look) for look in played.looks]
    if any(truth.unbegun(seen, surely=True) or truth.nothing(seen) for seen in looks):
        return False
    if any(truth.batches.conflicts(t) != "no" for seen in looks for t in seen):  # whoever sees that waits no longer
        return False
    # More may be to come for a batch without a task.
    return all(batch.ended <= since or truth.world.shown(batch, since) for batch in truth.world.batches)


def wrong_times(played: Played) -> Iterator[str]:
    """A wait that does not end, and looks that come too often."""
    rollout, last, wait = played.rollout, played.last, played.rollout.options["wait_timeout"]
    if last.machine.waits and last.ended > _latest_end(played) + EPSILON:
        yield f"it ended {last.ended - played.deadline:.6f} s after its deadline"
    if not last.machine.waits and not last.result["final"]:
        yield f"after {len(played.runs)} runs, beyond the deadline, there is still no final verdict"
    for run in played.runs:
        if not run.machine.waits and run.ended > run.began + wait + EPSILON:
            yield f"a single look took {run.ended - run.began:.6f} s"
    halves = math.ceil(math.log2(1 + rollout.interval / LEAST_POLL))
    most = math.ceil(wait / (rollout.interval * 0.9)) + 3 + halves
    if rollout.waits and len(played.looks) > most:
        yield f"it took {len(played.looks)} looks, and {most} are enough"


def _latest_end(played: Played) -> float:
    """When a run that waits must have ended.

    Only the service's clock says how long ago the run before it ended: the machines' may differ by any time. So the
    pauses before any run has heard it may be taken for nothing, and so may those before a run until that hears it.
    """
    last, number = played.last, len(played.runs) - 1
    heard = {look.run: look.moments[-1] for look in reversed(played.looks) if look.heard}
    first = min(heard, default=number)
    end: float = played.deadline + LOST_BETWEEN_RUNS * number + _pauses(played, range(1, first + 1))
    if last.began > played.deadline:  # it has one look
        return max(end, last.began + float(played.rollout.options["wait_timeout"]))
    run = number
    while run > first and (run == number or run not in heard):
        run -= 1
    return max(end, min(heard.get(number, math.inf), end + _pauses(played, range(run + 1, number + 1))))


def _pauses(played: Played, runs: Iterable[int]) -> float:
    """How long before these runs nobody looked, in seconds."""
    return sum(played.runs[run].began - played.runs[run - 1].ended for run in runs)


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
    asked = sum(look.asked["QueryOTAFirmware"] for look in played.looks)
    if all(batch.package.answer == "tells" for batch in world.batches) and asked > batches * len(played.runs):
        yield f"it asked QueryOTAFirmware {asked} times about {batches} batches in {len(played.runs)} runs"
