# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets a gate judge a rollout, and checks all that it must keep to."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Callable, NamedTuple

from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate import gate
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.clock import Clock
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GateOptions
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import read_policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.history import read_history

from .oracle import Truth
from .service import Log, Time, client, tally
from .worlds import Rollout, make

#: A look asks no more of one batch before all but the proof is there.
MOST_REQUESTS = 9
#: Floating point: the clocks count from 1970, in seconds.
EPSILON = 1e-5
#: What makes more requests right: numbers that do not follow the filter, or lists that are not whole.
LISTED_AGAIN = {
    "unfiltered",
    "short",
    "no_total",
    "repeated",
    "late",
    "vanish",
    "undocumented",
    "no_list",
    "flap",
    "slow",
}


class Outcome(NamedTuple):
    """What became of a rollout: the verdict, what counts in the statistics, and what is wrong with it."""

    seed: int
    verdict: str
    reason: str
    looks: int
    ended: float
    kinds: Counter[str]
    wrong: list[str]


class Run(NamedTuple):
    """One run of the gate."""

    result: dict[str, Any]
    began: float
    ended: float


def play(seed: int, show: Callable[[str], object] | None = None) -> Outcome:
    """Let a gate judge the rollout of ``seed``."""
    rollout = make(seed)
    time, played = Time(rollout.begins), []
    log = Log(time)
    say = show or _ignore
    wrong: list[str] = []
    try:
        for run in _runs(rollout, time, log, say):
            played.append(run)
    except Exception as error:  # whatever it is, the gate must not end so
        if show:
            raise
        wrong.append(f"the gate ends with {type(error).__name__}: {error}")
    last = played[-1].result if played else {"verdict": "exception", "reasons": [{"code": "exception"}]}
    truth = Truth(rollout)
    if not wrong:
        wrong = [
            *_wrong_verdicts(rollout, truth, log, played[-1]),
            *_too_early(rollout, truth, log, played[-1]),
            *_too_late(rollout, truth, played[-1]),
            *_wrong_times(rollout, log, played),
            *_wrong_numbers(rollout, log),
        ]
    if show:
        _tell_truth(truth, log, time, say)
    reason = last["reasons"][0]["code"]
    return Outcome(seed, last["verdict"], reason, len(log.looks), time.now, tally(rollout), wrong)


def _ignore(line: str) -> None:
    """Nobody reads along."""


def _runs(rollout: Rollout, time: Time, log: Log, show: Callable[[str], object]) -> Iterator[Run]:
    """One run that waits, or one after the other of which each looks once."""
    asked = client(rollout, time, log)
    rng = random.Random(rollout.seed + 1)
    time.ahead = rollout.trouble.get("skew", {}).get("seconds", 0.0)
    leap = rollout.trouble.get("leap", {"at": math.inf, "seconds": 0.0})
    # Between two runs only the wall clock tells the time, and one that is set back gives more of it.
    time.leap = (leap["at"], leap["seconds"] if rollout.wait else abs(leap["seconds"]))

    def run(work: Callable[[], Any], timeout: float, meanwhile: Callable[[], object]) -> Any:
        return time.run(work, timeout, meanwhile)

    class Gate(gate.Gate):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            observe_jobs = self._observer.observe_jobs

            def surveyed() -> Any:
                log.surveying = True
                try:
                    return observe_jobs()
                finally:
                    log.surveying = False

            self._observer.observe_jobs = surveyed

        def _poll(self) -> Any:
            log.begin()
            getattr(asked, "begin", bool)()
            verdict = super()._poll()
            if show is not _ignore:
                show(_described(time, log, verdict, self._snapshot))
            return verdict

    previous: dict[str, Any] = {}
    policy = read_policy(rollout.options)
    show(f"policy: {policy}")
    for _number in range(_most_runs(rollout)):
        request = GateOptions(
            rollout.job_ids,
            policy,
            rollout.module_name,
            rollout.wait,
            rollout.interval,
            read_history(previous, rollout.job_ids),
            previous,
        )
        began = time.now
        clock = Clock(time.wall, time.steady, time.sleep, rng.random)
        result = Gate(asked, request, show, show, clock, run).run()
        yield Run(result, began, time.now)
        if rollout.wait or result["final"]:
            return
        previous = json.loads(json.dumps(result))
        time.now += rollout.interval * rng.uniform(0.5, 1.5)


def _described(time: Time, log: Log, verdict: Any, facts: Any) -> str:
    batches = [
        f"{batch.job_id} {batch.facts and batch.facts['job_status']} {_numbers(batch.counts)} of {batch.total}"
        for batch in facts.jobs
    ]
    reasons = "; ".join(f"{reason.code}: {reason.message}" for reason in verdict.reasons)
    versions = f" versions {dict(facts.versions)}" if facts.versions else ""
    return (
        f"  look {len(log.looks)}, {len(log.looks[-1])} requests, t={time.now:.2f}: {verdict.verdict}"
        f" [{reasons}] from {', '.join(batches)}{versions}{' not fresh' if not facts.fresh else ''}"
    )


def _numbers(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: number for status, number in counts.items() if number}


def _tell_truth(truth: Truth, log: Log, time: Time, show: Callable[[str], object]) -> None:
    for t in (*(look[-1] for look in log.looks[-3:] if look), time.now):
        states = truth.states(t)
        tasks = {
            f"{job.job_id}/{task.device}": task.status
            for job in truth.jobs
            for task in truth.world.tasks_at(job.job_id, t)
        }
        jobs = {job.job_id: truth.world.job_at(job.job_id, t).status for job in truth.jobs}
        numbers = dict(Counter(states.values()))
        few = len(states) < 30
        show(f"truth at t={t:.2f}: {numbers}, {jobs}, devices {states if few else '…'}, tasks {tasks if few else '…'}")


def _most_runs(rollout: Rollout) -> int:
    """Far more than are needed until the deadline."""
    return 1 if rollout.wait else math.ceil(rollout.options["wait_timeout"] / rollout.interval / 0.5) + 3


# --- What must hold --------------------------------------------------------------------------------------------------


def _wrong_verdicts(rollout: Rollout, truth: Truth, log: Log, run: Run) -> Iterator[str]:
    verdict, reason = run.result["verdict"], run.result["reasons"][0]["code"]
    window = _window(rollout, log, run)
    if verdict == "passed":
        if truth.differs():
            yield "it passed, and a batch is not the one that was meant"
        if not truth.kept(window):
            yield "it passed, and in truth the policy is not kept"
    if verdict == "failed" and reason == "wrong_job":
        if not truth.differs():
            yield "it failed for another batch than was meant, and each is the one that was meant"
    elif verdict == "failed" and not (truth.broken(window) or _looks_too_few(rollout, truth, reason)):
        yield f"it failed for {reason}, and in truth the policy is kept, or can still be"
    if verdict == "pending" and rollout.wait:
        yield "it waited, and the verdict is pending"
    if (verdict != "pending") is not run.result["final"] and (rollout.wait or verdict != "inconclusive"):
        yield f"the verdict is {verdict}, and final is {run.result['final']}"


def _window(rollout: Rollout, log: Log, run: Run) -> list[float]:
    """The moments at which each device may have been seen."""
    back = 2 if "flap" in rollout.trouble else 1
    return [*(moment for look in log.looks[-back:] for moment in look), run.ended]


def _too_early(rollout: Rollout, truth: Truth, log: Log, run: Run) -> Iterator[str]:
    """A verdict that was not confirmed, or has not soaked."""
    verdict, options = run.result["verdict"], rollout.options
    if verdict not in ("passed", "failed") or run.result["reasons"][0]["code"] == "wrong_job":
        return
    if len(log.looks) < options["confirmations"]:
        yield f"it {verdict} after {len(log.looks)} looks, before it was confirmed"
    soak = options.get("soak", 0)
    set_forward = "leap" in rollout.trouble and not rollout.wait  # between two runs only the wall clock tells the time
    if verdict == "passed" and soak and "flap" not in rollout.trouble and not set_forward:
        before = [look for look in log.looks if look and look[0] <= run.ended - soak + EPSILON]
        if not any(truth.kept(look) for look in before):
            yield f"it passed, and in truth the policy was not yet kept {soak:.1f} s before"


def _looks_too_few(rollout: Rollout, truth: Truth, reason: str) -> bool:
    """Whether it failed for too few devices, where rows are missing for good or for longer than the policy waits."""
    if reason != "too_few_devices":
        return False
    if rollout.trouble.get("vanish", {"at": math.inf})["at"] <= rollout.begins:
        return True
    delay = rollout.trouble.get("late", {"delay": -math.inf})["delay"]
    return max(delay, truth.appear() + delay - rollout.begins) >= rollout.options["start_grace"]


def _too_late(rollout: Rollout, truth: Truth, run: Run) -> Iterator[str]:
    """A rollout without any trouble that is settled long before the deadline is to be judged, not to be given up."""
    options, deadline = rollout.options, rollout.begins + rollout.options["wait_timeout"]
    calm = not set(rollout.trouble) - {"sparse"} and not rollout.faults and rollout.wait
    if not calm or run.result["verdict"] not in ("timed_out", "inconclusive"):
        return
    looks = (options["confirmations"] + 2) * 1.1 * rollout.interval
    since = deadline - options["start_grace"] - options.get("soak", 0) - looks - 5
    known = "expected_devices" in options
    states = truth.states(since) if since >= rollout.begins else {}
    if not states or states != truth.states(deadline) or not any(state != "canceled" for state in states.values()):
        return
    if not (truth.finished(since) or known) or (truth.dynamic and not known):
        return
    if truth.appear() - rollout.begins >= options["start_grace"]:  # then there may be nothing to judge
        return
    if "pending" in states.values() and not truth.kept([since]):  # versions are read only when all else is well
        return
    if truth.kept([since]) or truth.broken_at_sight(since):
        yield f"it is {run.result['verdict']}, and nothing has changed in the last {deadline - since:.0f} s"


def _wrong_times(rollout: Rollout, log: Log, runs: list[Run]) -> Iterator[str]:
    deadline = rollout.begins + rollout.options["wait_timeout"]
    last = runs[-1]
    if rollout.wait:
        if last.ended > deadline + EPSILON:
            yield f"it ended {last.ended - deadline:.6f} s after its deadline"
    else:
        if not last.result["final"]:
            yield f"after {len(runs)} runs, beyond the deadline, there is still no final verdict"
        for run in runs:
            if run.ended > run.began + rollout.options["wait_timeout"] + EPSILON:
                yield f"a single look took {run.ended - run.began:.6f} s"
    # Towards the deadline each pause is half of what is left.
    halves = math.ceil(math.log2(1 + rollout.interval / gate.MIN_POLL))
    most = math.ceil(rollout.options["wait_timeout"] / (rollout.interval * 0.9)) + 3 + halves
    if rollout.wait and len(log.looks) > most:
        yield f"it took {len(log.looks)} looks, and {most} are enough"


def _wrong_numbers(rollout: Rollout, log: Log) -> Iterator[str]:
    if rollout.faults or LISTED_AGAIN & set(rollout.trouble):
        return
    most = MOST_REQUESTS * len(rollout.job_ids)
    if max(log.requests) > most:
        yield f"a look took {max(log.requests)} requests before the proof, and {most} are enough"
