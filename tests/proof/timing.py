# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a verdict may come: once it is confirmed and nothing more is to be expected, and by the deadline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from .bounds import BEST, PENDING, SUCCEEDED, choose
from .clocks import Look
from .played import EPSILON, Played
from .watch import UNSURE

#: No poll starts with less time left, in seconds; towards the deadline each pause is half of what is left.
LEAST_POLL = 0.5
#: A run that continues may count this much less than has passed since the one before, in seconds: two, because the
#: service tells its time in whole seconds, and what each of two measurements may be off by.
LOST_BETWEEN_RUNS = 3.0
#: The verdicts on what a rollout is, before anything is counted.
REFUSALS = ("wrong_job",)


def too_early(played: Played) -> Iterator[str]:
    """A verdict that was not confirmed, has not soaked, or came while tasks were still to be expected."""
    if played.verdict not in ("passed", "failed") or played.reason in REFUSALS:
        return
    if played.lacks_hidden:
        return
    options, ended = played.rollout.options, played.last.ended
    passed = played.verdict == "passed"
    confirmed, first = kept_since(played)
    since = first.moments[0] if first else math.inf
    if confirmed < options["confirmations"]:
        needed = options["confirmations"]
        yield f"it {played.verdict} after it was so in {confirmed} looks, and {needed} must confirm it"
    soak = options.get("soak", 0.0)
    if passed and since > ended - soak + EPSILON:
        yield f"it passed {ended - since:.1f} s after it was kept, and the soak is {soak:.1f} s"
    if passed and played.rollout.expected is None and "min_devices" not in options:
        yield from _grown_lately(played)


def kept_since(played: Played) -> tuple[int, Look | None]:
    """How many of the last looks could confirm how a rollout ended, none of which contradicts it, and their first."""
    truth, passed = played.truth, played.verdict == "passed"
    confirmed, first = 0, None
    for look in reversed(played.looks):
        moments = truth.of_look(look)
        flaps = "flap" in look.bent
        sight = truth.kept(moments, sight=True) if passed else truth.broken(moments)
        failed = look.failed if passed else look.blind
        # What shows the module of a batch may fail as well, and then the look says nothing.
        if not passed and (failed or (look.errors and not sight)):
            continue
        if not (sight or flaps or failed):
            break
        if not failed and (flaps or not passed or truth.kept(moments)):
            confirmed, first = confirmed + 1, look
    return confirmed, first


def _grown_lately(played: Played) -> Iterator[str]:
    """Tasks come some time after their batch, so that some time without a new one must have passed."""
    truth, ended, begins = played.truth, played.last.ended, played.rollout.begins
    rows = truth.world.lags.rows
    tasks = (task for batch in truth.world.batches for task in batch.tasks)
    # Of a task that was gone before anybody looked nobody knows.
    grown = [task.created + rows for task in tasks if truth.watch.was_seen(task, ended, surely=False)]
    last = max((moment for moment in grown if truth.watch.first_look < moment <= ended), default=-math.inf)
    quiet = min(max(last, begins), truth.watch.seen_ended())
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
    truth, states = played.truth, played.truth.devices.states(since)
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
    tasks = (task for batch in truth.world.batches for task in batch.tasks)
    late = any(task.course.since(since) + truth.options["version_grace"] > since for task in tasks)
    unclear = kept and truth.watch.finished(since) and unknown and not named and not unread and not late
    return unclear and set(states) == {1, 4}


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
    heard = {look.run: look.moments[-1] for look in reversed(played.looks[:-1]) if look.heard}
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
