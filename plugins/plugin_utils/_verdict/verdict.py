# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a rollout: pure, total, and never ``passed`` without proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .case import Case, Evidence, VerdictName
from .devices import unfinished_since
from .history import History, load_history, no_more_tasks, update_history
from .policy import Policy
from .rules import RULES
from .snapshot import Snapshot, snapshot_problems
from .state import RolloutState, assess
from .wording import Reason, printable

#: Maximum number of unfinished tasks whose last change is kept in the history.
MAX_TASK_CHANGES = 1000


class Verdict(NamedTuple):
    """What was decided, on what, and what the next judgement needs to know.

    ``needs`` is what must be read before the verdict can change, ``tasks`` or ``versions``.
    """

    verdict: VerdictName
    final: bool
    reasons: tuple[Reason, ...]
    rollout: RolloutState
    history: Mapping[str, Any]
    needs: Evidence | None = None

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
            },
            "by_status": dict(rollout.by_status),
            "by_class": {state: dict(numbers) for state, numbers in rollout.by_class.items()},
            "history": dict(self.history),
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
    rollout = assess(snapshot, policy, history.task_changes, done)
    case = Case(snapshot, policy, history, problems, rollout, done)
    outcome = next(outcome for outcome in (rule(case) for rule in RULES) if outcome)
    after = history._replace(
        task_changes=dict(list(unfinished_since(snapshot, history.task_changes).items())[:MAX_TASK_CHANGES]),
        candidate=outcome.candidate,
        candidate_count=outcome.candidate_count,
        candidate_since=outcome.candidate_since if outcome.candidate else snapshot.now,
    )
    return Verdict(outcome.verdict, outcome.final, outcome.reasons, case.rollout, after._asdict(), outcome.needs)


def all_problems(snapshot: Snapshot, policy: Policy, history: History) -> tuple[str, ...]:
    """Why the snapshot is incomplete, or contradicts earlier polls."""
    problems = [*snapshot.problems, *snapshot_problems(snapshot, policy)]
    for job in snapshot.jobs:
        most = history.max_totals.get(job.job_id, 0)
        if job.total < most:
            problems.append(f"batch {job.job_id} had {most} tasks and has {job.total} now")
        lost = job.total - sum(job.counts.values())
        # A task that moves may be missed between two counts, but not for long.
        if lost > 0 and (job.finished or history.counts.get(job.job_id) == job.counts):
            problems.append(f"{lost} of the {job.total} tasks of batch {job.job_id} are in no documented state")
    return tuple(dict.fromkeys(problems))
