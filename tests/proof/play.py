# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets a gate judge a rollout, and checks all that it must keep to."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NamedTuple

from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate import gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import read_policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history

from .checks import mistakes
from .clocks import Log, Time
from .played import Played, Run
from .rollouts import Rollout, make
from .service import asking
from .truth import Truth


class Outcome(NamedTuple):
    """What became of a rollout: the verdict, what counts in the statistics, and what is wrong with it."""

    seed: int
    verdict: str
    reason: str
    looks: int
    ended: float
    kinds: Counter[str]
    wrong: list[str]


def play(seed: int, show: Callable[[str], object] | None = None) -> Outcome:
    """Let a gate judge the rollout of ``seed``."""
    rollout = make(seed)
    played, wrong = _played(rollout, show)
    if not wrong:
        wrong = list(mistakes(played))
    if seed % 16 == 0 and played.runs and _is_orderly(rollout):
        wrong += _unlike(played, _played(rollout, None, shuffled=True)[0])
    if show:
        for line in described(played):
            show(line)
    if not played.runs:
        return Outcome(seed, "exception", "exception", len(played.looks), rollout.begins, tally(rollout), wrong)
    looks, ended = len(played.looks), played.last.ended
    return Outcome(seed, played.verdict, played.reason, looks, ended, tally(rollout), wrong)


def _played(rollout: Rollout, show: Callable[[str], object] | None, shuffled: bool = False) -> tuple[Played, list[str]]:
    log = Log()
    runs: list[Run] = []
    try:
        runs.extend(_runs(rollout, log, show or _ignore, shuffled))
    except Exception as error:  # whatever it is, the gate must not end so
        if show:
            raise
        why = [f"it ends with {type(error).__name__}: {error}"]
        return Played(rollout, Truth(rollout, log.looks), log.looks, runs), why
    return Played(rollout, Truth(rollout, log.looks), log.looks, runs), []


def play_with(rollout: Rollout, gaps: Iterable[float]) -> Played:
    """Let gates judge a rollout, one after each of the ``gaps`` and a last one, until the verdict is final."""
    log = Log()
    runs = list(_runs(rollout, log, _ignore, shuffled=False, gaps=gaps))
    return Played(rollout, Truth(rollout, log.looks), log.looks, runs)


def _ignore(line: str) -> None:
    """Nobody reads along."""


def _runs(
    rollout: Rollout,
    log: Log,
    show: Callable[[str], object],
    shuffled: bool,
    gaps: Iterable[float] | None = None,
) -> Iterator[Run]:
    """One run that waits, or one after the other of which each looks once, each on a machine of its own."""
    time = Time(rollout.begins, log)
    asked: Any = asking(rollout, time, log, shuffled)
    rng = random.Random(rollout.seed + 1)
    previous: dict[str, Any] = {}
    usual = (rollout.interval * rng.uniform(0.5, 1.5) for _number in range(_most_runs(rollout)))
    for number, gap in enumerate((*gaps, 0.0) if gaps is not None else usual):
        machine = rollout.machines[min(number, len(rollout.machines) - 1)]
        time.machine = machine
        log.run, log.open = number, False
        options = _options(rollout, previous, machine.waits, shuffled)
        began = time.now
        clock = Clock(time.wall, time.steady, time.pause, rng.random)
        notes: list[str] = []
        judging = gate.Gate(asked, options, lambda line, _mood="", /: show(line), notes.append, clock, time.run)
        judging.polls = _noted(judging.polls(), log)
        result = judging.run()
        yield Run(result, machine, began, time.now, notes)
        if machine.waits or result["final"]:
            return
        previous = json.loads(json.dumps(result))
        time.now += gap


def _noted(polls: Iterator[gate.Poll], log: Log) -> Callable[[], Iterator[gate.Poll]]:
    """The polls of a gate; what it asks after one has been judged is noted apart."""

    def noted() -> Iterator[gate.Poll]:
        for poll in polls:
            log.judged = True
            yield poll

    return noted


def _options(rollout: Rollout, previous: dict[str, Any], waits: bool, shuffled: bool) -> GateOptions:
    job_ids, given = list(rollout.job_ids), dict(rollout.options)
    if shuffled:
        job_ids.reverse()
        if "expected_devices" in given:
            given["expected_devices"] = given["expected_devices"][::-1]
    given["versions"] = {name: given[field] for name, field in VERSIONS.items() if field in given}
    return GateOptions(
        job_ids=job_ids,
        policy=read_policy(given),
        wait=waits,
        wait_interval=rollout.interval,
        history=read_history(previous, job_ids),
        previous=previous,
        look_timeout=rollout.options.get("look_timeout", 120.0),
    )


#: The options about versions, which users give as one.
VERSIONS = {
    "verify": "verify_versions",
    "module_name": "module_name",
    "match": "version_match",
    "grace": "version_grace",
}


def _most_runs(rollout: Rollout) -> int:
    """Far more than are needed until the deadline."""
    return math.ceil((rollout.options["wait_timeout"] + 2) / rollout.interval / 0.5) + 8


# --- The same in another order ---------------------------------------------------------------------------------------

#: The tasks of a larger batch are counted by state, and only some are listed.
MOST_LISTED = 700


def _is_orderly(rollout: Rollout) -> bool:
    """Whether no trouble depends on the order of rows, and no time passes between two answers."""
    return not {"shift", "repeated", "shrinks", "slow", "hang"} & set(rollout.trouble)


def _unlike(one: Played, two: Played) -> list[str]:
    """How a rollout ended otherwise, only because rows, batches and names came in another order."""
    if not two.runs or len(one.runs) != len(two.runs):
        return [f"in another order it takes {len(two.runs)} runs in place of {len(one.runs)}"]
    first, second = one.runs[-1].result, two.runs[-1].result
    counted = any(len(batch.tasks) > MOST_LISTED for batch in one.rollout.world.batches)
    # A task that is gone can be named only if it was one of those that were listed.
    gone = any(task.gone <= one.last.ended for batch in one.rollout.world.batches for task in batch.tasks)
    named = counted and gone
    if named and "expected_devices" in one.rollout.options and {one.verdict, two.verdict} == {"failed", "inconclusive"}:
        return []  # nobody knows that it ever had a task
    for name in ("verdict", "final", *(() if named else ("counts", "by_class", "elapsed_seconds"))):
        if first[name] != second[name]:
            return [f"in another order, {name} is {second[name]} in place of {first[name]}"]
    if named:
        return []
    for name in ("failed_devices", "pending_devices"):
        rows = [_by_name(result[name], counted) for result in (first, second)]
        partly = counted and first["counts"][name.partition("_")[0]] > len(rows[0])
        if len(rows[0]) != len(rows[1]) or (rows[0] != rows[1] and not partly):
            return [f"in another order, {name} are {second[name]} in place of {first[name]}"]
    codes = [[reason["code"] for reason in result["reasons"]] for result in (first, second)]
    return [] if codes[0] == codes[1] else [f"in another order, the reasons are {codes[1]} in place of {codes[0]}"]


def _by_name(devices: list[dict[str, Any]], counted: bool) -> list[str]:
    """Devices in an order of their own.

    Of more tasks than are listed the service shows those that it has first in each state. So it depends on its order
    when each was first seen, and from that on when it last changed.
    """
    left_out = ("since", "idle_seconds") if counted else ()
    kept = ({name: fact for name, fact in device.items() if name not in left_out} for device in devices)
    return sorted(json.dumps(device, sort_keys=True) for device in kept)


# --- Words -----------------------------------------------------------------------------------------------------------


def described(played: Played) -> Iterator[str]:
    """What was asked, and what was true then."""
    truth = played.truth
    for number, look in enumerate(played.looks, 1):
        moments = truth.of_look(look)
        states = {"/".join(key): state for (key, _iot), state in truth.devices.states(moments[-1]).items()}
        jobs = {batch.job_id: batch.status.at(moments[-1]) for batch in truth.world.batches}
        may = [word for word, is_so in (("kept", truth.kept(moments)), ("broken", truth.broken(moments))) if is_so]
        shown = states if len(states) < 30 else "…"
        yield f"look {number} {look}: {may} {jobs} {shown}"
    for run in played.runs[-1:]:
        reasons = [f"{reason['code']}: {reason['message']}" for reason in run.result["reasons"]]
        yield f"run from {run.began:.2f} to {run.ended:.2f}: {run.result['verdict']} {reasons} {run.result['counts']}"


def tally(rollout: Rollout) -> Counter[str]:
    """What this rollout counts under in the statistics."""
    words = [*(f"trouble {name}" for name in rollout.trouble), *(f"world: {name}" for name in rollout.kinds)]
    words += [f"option {name}" for name in rollout.options if name not in ALWAYS]
    words.append("waits" if rollout.waits else "looks once, again and again")
    if len(rollout.machines) > 1:
        words.append("several machines")
        words += ["several machines, the last one waits"] if rollout.machines[-1].waits else []
    words += ["clock is off"] if abs(rollout.machines[0].ahead) > 60 else []
    words += ["clock is set"] if rollout.machines[0].leap else []
    return Counter(set(words))


ALWAYS = ("wait_timeout", "look_timeout", "start_grace", "confirmations", "max_consecutive_errors", "version_grace")
