# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a rollout: pure, total, and never ``passed`` without proof.

The rules stand in the order in which they are tried, and the first that applies decides. A rollout that has passed or
failed must be seen so several times in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple, Optional

from ...module_utils._api.operations import MAX_ROWS
from ...module_utils._queries.jobs import EXPECTATIONS
from .history import Memory
from .policy import MAX_DEVICES, Policy
from .snapshot import Facts, moment
from .state import Standing
from .wording import MAX_NAMES, _count, _failed, _of, _proof, _short, by_class, duration, names

PASSED, FAILED, PENDING, TIMED_OUT, INCONCLUSIVE = "passed", "failed", "pending", "timed_out", "inconclusive"


class Reason(NamedTuple):
    """Why a verdict is what it is: a word, a sentence without a full stop, and the devices it is about."""

    code: str
    sentence: str
    number: int | None = None
    devices: tuple[str, ...] = ()


class Case(NamedTuple):
    """What a rule looks at."""

    facts: Facts
    policy: Policy
    memory: Memory
    problems: Sequence[str]
    standing: Standing
    rested: bool

    @property
    def finished(self) -> bool:
        """Whether all batches are."""
        return self.facts.finished

    @property
    def canceled(self) -> bool:
        """Whether any of them is."""
        return any((batch.job or {}).get("job_status") == "CANCELED" for batch in self.facts.batches)

    @property
    def in_grace(self) -> bool:
        """Whether tasks may still be on their way."""
        return self.facts.now < self.memory.started + self.policy.start_grace

    @property
    def overdue(self) -> bool:
        """Whether the deadline is over."""
        return self.facts.now >= self.memory.started + self.policy.wait_timeout

    @property
    def population_known(self) -> bool:
        """Whether it is known how many devices count."""
        if self.policy.expected_devices is not None or _is_quiet(self.facts, self.policy, self.memory):
            return True
        return self.finished and self.policy.min_devices is not None and self.standing.total >= self.policy.min_devices


def _is_rested(facts: Facts, policy: Policy, memory: Memory) -> bool:
    """Whether the batches are finished, and have been for so long that tasks that are missing will not come."""
    if not facts.finished:
        return False
    last = _ended(facts, memory)
    if memory.grown > memory.started:
        last = max(last, memory.grown)
    return facts.now >= last + policy.start_grace


def _is_quiet(facts: Facts, policy: Policy, memory: Memory) -> bool:
    """Whether no task has come for so long that no more are to be expected."""
    last = memory.grown
    if facts.finished:
        last = min(last, _ended(facts, memory))
    return facts.now >= last + policy.start_grace


def _ended(facts: Facts, memory: Memory) -> float:
    """When the last of the batches ended, as far as they tell."""
    ended = (moment((batch.job or {}).get("utc_end_time")) for batch in facts.batches)
    return max(memory.grown if time is None else time for time in ended)


class Outcome(NamedTuple):
    """What a rule decides."""

    verdict: str
    final: bool
    reasons: tuple[Reason, ...]
    streak: str = ""
    times: int = 0
    since: float = 0.0
    wants: str | None = None


def _open(case: Case, *reasons: Reason, **kept: Any) -> Outcome:
    """Not settled: pending, or timed out once the deadline is over."""
    if not case.overdue:
        return Outcome(PENDING, False, reasons, **kept)
    standing = case.standing
    late = tuple(names(standing.of("pending")))
    sentence = f"the rollout was not settled within {duration(case.policy.wait_timeout)}"
    if standing.pending:
        sentence += f", {_of(standing.pending, standing)} pending{by_class(standing, 'pending')}"
    return Outcome(TIMED_OUT, True, (Reason("deadline", sentence, standing.pending, late), *reasons), **kept)


def _settle(case: Case, verdict: str, *reasons: Reason) -> Outcome:
    """Settled once it was seen so in enough looks in a row; a verdict of ``passed``, for long enough too."""
    memory, policy = case.memory, case.policy
    goes_on = memory.streak == verdict
    times = (memory.times if goes_on else 0) + case.facts.fresh
    since = memory.since if goes_on else case.facts.now
    soaked = verdict != PASSED or case.facts.now >= since + policy.soak
    if case.facts.fresh and times >= policy.confirmations and soaked:
        return Outcome(verdict, True, reasons, verdict, times, since)
    kept = {"streak": verdict, "times": times, "since": since}
    if verdict == PASSED:
        reasons = ()  # they would be taken for it
    if times < policy.confirmations:
        what = f"seen as {verdict} in {times} of {policy.confirmations} looks in a row"
        return _undecided(case, verdict, Reason("confirming", what), *reasons, **kept)
    return _undecided(case, verdict, _soaking(case, since), *reasons, **kept)


def _undecided(case: Case, verdict: str, *reasons: Reason, **kept: Any) -> Outcome:
    if verdict == INCONCLUSIVE:
        return Outcome(INCONCLUSIVE, case.overdue, reasons[1:], **kept)
    return _open(case, *reasons, **kept)


def _soaking(case: Case, since: float) -> Reason:
    well, left = case.facts.now - since, max(0.0, since + case.policy.soak - case.facts.now)
    return Reason("soaking", f"all is well for {duration(well)}, and watched for {duration(left)} more")


def _other_job(case: Case) -> Outcome | None:
    for batch in case.facts.batches:
        for name in EXPECTATIONS:
            expected, actual = getattr(case.policy, name), (batch.job or {}).get(name)
            if expected is not None and actual is not None and actual != expected:
                sentence = f"batch {batch.job_id} has the {name} {_short(actual)}, and {_short(expected)} was expected"
                return Outcome(FAILED, True, (Reason("wrong_job", sentence),))
    return None


def _error(case: Case) -> Outcome | None:
    error, memory = case.facts.error, case.memory
    if error is None:
        return None
    sentence = str(error).rstrip(".")
    if case.facts.permanent:
        return Outcome(INCONCLUSIVE, True, (Reason("api_error", sentence),))
    if memory.errors > case.policy.tolerated_errors:
        all_failed = f"{memory.errors} looks in a row failed, the last one so: {sentence}"
        return Outcome(INCONCLUSIVE, True, (Reason("too_many_errors", all_failed),))
    return _open(case, Reason("error", f"look {memory.looks} failed: {sentence}"), **memory.unchanged())


def _incomplete(case: Case) -> Outcome | None:
    if not case.problems:
        return None
    final = case.memory.incomplete > case.policy.tolerated_errors or case.overdue
    return Outcome(INCONCLUSIVE, final, tuple(Reason("incomplete", problem) for problem in case.problems[:MAX_NAMES]))


def _unknown(case: Case) -> Outcome | None:
    unknown = [batch.job_id for batch in case.facts.batches if batch.job is None]
    if not unknown:
        return None
    sentence = f"the service does not know batch {', '.join(unknown[:MAX_NAMES])}"
    if case.in_grace:
        return _open(case, Reason("starting", sentence))
    check = "check the ID, and that region, instance and access key are those of its account"
    return _settle(case, INCONCLUSIVE, Reason("unknown_job", f"{sentence}; {check}"))


def _dynamic(case: Case) -> Outcome | None:
    if case.policy.expected_devices is not None or not any(batch.dynamic for batch in case.facts.batches):
        return None
    sentence = "a dynamic batch never ends; name the devices that it is meant to reach in expected_devices"
    return Outcome(INCONCLUSIVE, True, (Reason("dynamic_batch", sentence),))


def _too_large(case: Case) -> Outcome | None:
    batches, policy = case.facts.batches, case.policy
    if not any(batch.total > MAX_ROWS for batch in batches):
        return None
    if not policy.verify_versions and policy.expected_devices is None and len(batches) == 1:
        return None
    sentence = (
        f"no more than {MAX_ROWS} tasks of a batch can be listed, so that those of a larger one can only be counted;"
        " gate it by itself, with verify_versions off and without expected_devices"
    )
    return Outcome(INCONCLUSIVE, True, (Reason("too_large", sentence),))


def _empty(case: Case) -> Outcome | None:
    if case.standing.total:
        return None
    if not case.standing.exact:
        return _read_first(case, "tasks")
    if not case.facts.batches and not case.facts.fresh:
        return _open(case, Reason("starting", "no look has come to an end yet"))
    sentence = "there is no task" + (" that was not canceled" if case.standing.canceled else "")
    if case.in_grace:
        return _open(case, Reason("starting", f"{sentence} yet"))
    named = case.policy.expected_devices is not None or case.policy.min_devices is not None
    if not case.policy.allow_empty or named or case.canceled or any(case.standing.by_status.values()):
        return _settle(case, INCONCLUSIVE, Reason("nothing_to_judge", f"{sentence}, and nothing that could be judged"))
    if case.finished:
        return _settle(case, PASSED, Reason("proved", f"{sentence}, which is allowed, and the rollout is finished"))
    return _open(case, Reason("starting", f"{sentence}, and the rollout is not finished"))


def _failures(case: Case) -> Outcome | None:
    standing, policy = case.standing, case.policy
    # Those of which it is not known may turn out to have succeeded, and are part of the share then.
    allowed = policy.failed_allowed(standing.executed + standing.doubtful)
    # When all have come to an end there is no larger sample to wait for.
    sample = min(policy.min_executed, standing.total) if case.population_known else policy.min_executed
    if allowed is None or standing.failed <= allowed or standing.executed < sample:
        return None
    may = f"no more than {allowed}" if allowed else "none"
    return _fail(case, "too_many_failures", f"{_failed(standing)}, and {may} may")


def _out_of_reach(case: Case) -> Outcome | None:
    standing, policy = case.standing, case.policy
    if case.rested and standing.total < (policy.min_devices or 0):
        sentence = (
            f"{_count(standing.total, 'device')} had a task, and at least {policy.min_devices} should have had one"
        )
        return _fail(case, "too_few_devices", sentence)
    more = 0 if case.population_known else MAX_DEVICES  # who comes late may succeed as well
    more = max(more, _still_to_come(case))
    if standing.succeeded + standing.pending + more >= policy.succeeded_needed(standing.total + more):
        return None
    return _fail(case, "success_out_of_reach", f"{_failed(standing)}, and {_needed(case)}")


def _canceled(case: Case) -> Outcome | None:
    standing = case.standing
    if not case.canceled or not case.finished:
        return None
    may_succeed = sum(standing.classes["pending"].get(name, 0) for name in ("unproved", "no_task"))
    more = _still_to_come(case)
    enough = standing.succeeded + may_succeed + more >= case.policy.succeeded_needed(standing.total + more)
    if standing.pending > may_succeed or enough:
        return None
    return _fail(case, "batch_canceled", f"a batch was canceled, {_failed(standing)}, and {_needed(case)}")


def _still_to_come(case: Case) -> int:
    """How many devices that there must be have no task yet, and may get one."""
    return 0 if case.rested else max(0, (case.policy.min_devices or 0) - case.standing.total)


def _fail(case: Case, code: str, sentence: str) -> Outcome:
    if not case.standing.exact:
        return _read_first(case, "tasks")
    number, devices = case.standing.failed, case.standing.of("failed")
    if code == "too_few_devices":
        number, devices = case.standing.total, []
    return _settle(case, FAILED, Reason(code, sentence, number, names(devices)))


def _passed(case: Case) -> Outcome | None:
    if not _keeps_bounds(case) or not _has_no_more_to_come(case):
        return None
    memory = case.memory
    goes_on = memory.streak == PASSED
    soaked = goes_on and case.facts.now >= memory.since + case.policy.soak
    if goes_on and memory.times >= case.policy.confirmations and not soaked:
        return _open(case, _soaking(case, memory.since), **memory.unchanged())
    wants = _lacking(case)
    if wants:
        return _read_first(case, wants)
    if case.standing.unread:
        return None
    return _settle(case, PASSED, Reason("proved", _proof(case.standing, case.policy), case.standing.succeeded))


def _keeps_bounds(case: Case) -> bool:
    """Whether enough have succeeded and few enough have not, if all that is unread turns out well."""
    standing, policy = case.standing, case.policy
    surplus = 0  # where only numbers are known, so many of them may be of devices that are not expected
    if policy.expected_devices is not None and not standing.exact:
        surplus = max(0, standing.total - len(policy.expected_devices))
    if standing.total < (policy.min_devices or 0):
        return False
    if standing.succeeded + standing.unread + surplus < policy.succeeded_needed(standing.total):
        return False
    if standing.pending - standing.unread > policy.pending_allowed(standing.total) + surplus:
        return False
    failed_allowed = policy.failed_allowed(standing.executed + standing.unread)
    return failed_allowed is None or standing.failed <= failed_allowed + surplus


def _has_no_more_to_come(case: Case) -> bool:
    """Whether what is known is about all devices."""
    standing, policy = case.standing, case.policy
    if case.finished and not case.rested and standing.classes["pending"].get("no_task", 0) > standing.unread:
        return False  # a device without a task is not late then: it fails once none is to be expected any more
    # An open batch in which nothing is open has more to come, unless it may stay open anyway.
    may_stay_open = policy.pending_allowed(standing.total) > 0 or policy.expected_devices is not None
    return case.population_known and (case.finished or may_stay_open)


def _lacking(case: Case) -> str | None:
    """What has to be read before the proof is whole."""
    standing, policy = case.standing, case.policy
    if not standing.whole and (policy.verify_versions or not standing.exact):
        return "tasks"
    wanted = policy.verify_versions and standing.verified < standing.succeeded
    return "versions" if (wanted or standing.unread) and case.facts.versions is None else None


def _read_first(case: Case, wants: str) -> Outcome:
    what = "all tasks" if wants == "tasks" else "the versions of the devices"
    outcome = _open(case, Reason("unread", f"{what} have to be read"), **case.memory.unchanged())
    return outcome._replace(wants=wants if case.facts.fresh else None)


_WAITING = {
    "unproved": "not proved to be on the new version, because the version of the module is not told; check module_name",
    "no_task": "without a task, and not known to be on the new version",
}


def _unsettled(case: Case) -> Outcome:
    standing = case.standing
    pending = standing.of("pending")
    for name, what in _WAITING.items():
        waiting = [entry for entry in pending if entry["class"] == name]
        if waiting:
            return _open(
                case, Reason("unproved", f"{_count(len(waiting), 'device')} {what}", len(waiting), names(waiting))
            )
    if standing.pending:
        sentence = f"{_of(standing.pending, standing)} pending{by_class(standing, 'pending')}"
        return _open(case, Reason("unfinished", sentence, standing.pending, names(pending)))
    if case.finished:
        quiet = duration(case.policy.start_grace)
        return _open(case, Reason("still_open", f"more tasks may come until there was no new one for {quiet}"))
    return _open(case, Reason("still_open", "no task is unfinished, but the batch is, so that more may come"))


Rule = Callable[[Case], Optional[Outcome]]


RULES: tuple[Rule, ...] = (
    _other_job,
    _error,
    _too_large,
    _incomplete,
    _unknown,
    _dynamic,
    _empty,
    _failures,
    _out_of_reach,
    _canceled,
    _passed,
    _unsettled,
)


def _needed(case: Case) -> str:
    return f"{case.policy.succeeded_needed(case.standing.total)} must succeed"
