# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a rollout: pure, total, and never ``passed`` without proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ...module_utils._api.operations import MAX_ROWS
from ...module_utils._text import printable
from .._rollout.devices import task_changes
from .._rollout.policy import Policy, needs_modules
from .._rollout.snapshot import Snapshot, snapshot_problems
from .._rollout.state import RolloutState, assess
from .._rollout.tasks import missing_tasks, proofs
from .bounds import Limit, limits_of
from .case import PASSED, Case, Evidence, Outcome, VerdictName, no_more_tasks
from .history import (
    History,
    few_counts,
    load_history,
    shorten_history,
    update_history,
)
from .resuming import service_start_of, service_time_at
from .rules import RULES
from .wording import Reason, count_things, failure_texts


class Verdict(NamedTuple):
    """What was decided, on what, and what the next judgement needs to know.

    ``needs`` is what must be read before the verdict can change, ``tasks`` or ``versions``. ``notes`` say what was
    assumed. ``limits`` are the bounds, the one that decided first.
    """

    verdict: VerdictName
    final: bool
    reasons: tuple[Reason, ...]
    rollout: RolloutState
    history: Mapping[str, Any]
    needs: Evidence | None = None
    notes: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()

    @property
    def decided_by(self) -> Limit | None:
        """The bound that settled the verdict; ``None`` if no number did."""
        return next((limit for limit in self.limits if limit.decided), None)

    def to_result(self) -> dict[str, Any]:
        """The verdict as the gate and the filter return it."""
        rollout = self.rollout
        return {
            "verdict": self.verdict,
            "final": self.final,
            "reasons": [
                {
                    "code": reason.code,
                    "message": printable(reason.message),
                    "count": reason.number,
                    "devices": list(reason.devices),
                }
                for reason in self.reasons
            ],
            "counts": {
                "total": rollout.total,
                "succeeded": rollout.succeeded,
                "verified": rollout.verified,
                "failed": rollout.failed,
                "pending": rollout.pending,
                "executed": rollout.executed,
                "canceled": rollout.canceled,
                "ignored": rollout.ignored,
            },
            "by_status": few_counts(rollout.by_status),
            "by_class": {state: dict(numbers) for state, numbers in rollout.by_class.items()},
            "by_job": {job_id: counts._asdict() for job_id, counts in rollout.by_job.items()},
            "failure_texts": failure_texts(rollout),
            "limits": [limit.to_result() for limit in self.limits],
            "history": shorten_history(self.history),
            "needs": self.needs,
        }


def judge(snapshot: Snapshot, policy: Policy, previous: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict on a snapshot.

    ``previous`` is the history of the verdict before, ``None`` for the first poll. A snapshot whose verdict needs more
    evidence is judged again with it, after the same ``previous``.
    """
    before = load_history(snapshot, policy, previous)
    problems = () if snapshot.error or not snapshot.fresh else all_problems(snapshot, policy, before)
    history = update_history(snapshot, before, problems)
    done = no_more_tasks(snapshot, policy, history)
    # An incomplete list misses tasks that have not vanished.
    memory = replace(history.memory, proved_since=_proved_since(snapshot, policy, history))
    memory = replace(memory, tasks={}) if problems else memory
    rollout = assess(snapshot, policy, memory, done)
    case = Case(snapshot, policy, history, problems, rollout, done)
    outcome = next(outcome for outcome in (rule(case) for rule in RULES) if outcome)
    after = history._replace(
        last_poll=max(history.last_poll, snapshot.now),
        service_time=service_time_at(snapshot, history),
        service_started=service_start_of(snapshot, history),
        task_changes=task_changes(snapshot, history.task_changes),
        on_target={**history.on_target, **(proofs(snapshot, policy) if snapshot.fresh else {})},
        candidate=outcome.candidate,
        candidate_count=outcome.candidate_count,
        candidate_since=outcome.candidate_since if outcome.candidate else snapshot.now,
        confirmed_at=_confirmed_at(outcome, case),
    )
    code = outcome.reasons[0].code if outcome.final else ""
    return Verdict(
        outcome.verdict,
        outcome.final,
        outcome.reasons,
        rollout,
        after._asdict(),
        outcome.needs,
        tuple(_notes(case)),
        limits_of(rollout, policy, after._asdict(), snapshot.now, code),
    )


def _proved_since(snapshot: Snapshot, policy: Policy, history: History) -> float:
    """Until when no report is proof: once the soak is over, only what was read after the polls that confirm."""
    is_over = history.candidate == PASSED and snapshot.now >= history.candidate_since + policy.soak
    return history.soak_began if policy.soak and is_over else 0.0


def _confirmed_at(outcome: Outcome, case: Case) -> float | None:
    """When enough polls had seen that the rollout is healthy."""
    if outcome.candidate != PASSED or outcome.candidate_count < case.policy.confirmations:
        return None
    known = case.history.confirmed_at if case.history.candidate == PASSED else None
    return case.snapshot.now if known is None else known


def all_problems(snapshot: Snapshot, policy: Policy, history: History) -> tuple[str, ...]:
    """Why the snapshot is incomplete, or contradicts earlier polls."""
    problems = [*snapshot.problems, *snapshot_problems(snapshot, policy)]
    for job in snapshot.jobs:
        most = history.max_totals.get(job.job_id, 0)
        known = job.total + missing_tasks(job, history.tasks.get(job.job_id, {}))
        if known < most and (job.all_listed or job.total > MAX_ROWS):  # tasks have vanished that cannot be named
            problems.append(f"batch {job.job_id} had {most:,} tasks and has {job.total:,} now")
        lost = job.total - sum(job.counts.values())
        # A task that moves may be missed between two counts, but not for long.
        if lost > 0 and (job.finished or history.counts.get(job.job_id) == job.counts):
            problems.append(f"{lost:,} of the {job.total:,} tasks of batch {job.job_id} are in no documented state")
    return tuple(dict.fromkeys(problems))


def _notes(case: Case) -> Iterator[str]:
    """What was assumed about the batches."""
    for relation in case.rollout.relations:
        if relation.is_chain and relation.devices:
            yield (
                f"batch {relation.later.job_id} is a later stage than batch {relation.earlier.job_id}, so it decides"
                f" for the {count_things(len(relation.devices), 'device')} in both"
            )
    for job in case.snapshot.jobs if needs_modules(case.policy) else ():
        if job.facts is not None and job.module_name is None:
            assumed = "a device counts only if all modules that it reports are on the new version"
            if case.policy.module_name is not None:
                assumed = "versions.module_name is taken for it"
            yield f"the module of batch {job.job_id} is not known: {assumed}"
