# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a rollout: pure, total, and never ``passed`` without proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .history import Memory, recall, remember
from .policy import Policy
from .rules import RULES, Case, Reason, _is_rested
from .snapshot import Facts, doubts
from .state import Standing, stand, still_seen
from .wording import printable

#: Of so many unfinished tasks it is remembered since when they are as they are.
MAX_SEEN = 1000


class Verdict(NamedTuple):
    """What was decided, on what, and what the next judgement needs to know.

    ``wants`` is what has to be read before more can be said, ``tasks`` or ``versions``.
    """

    verdict: str
    final: bool
    reasons: tuple[Reason, ...]
    standing: Standing
    history: Mapping[str, Any]
    wants: str | None = None


def judge(facts: Facts, policy: Policy, history: Mapping[str, Any] | None = None) -> Verdict:
    """The verdict on what the last look has learned, after what is known from the looks before.

    ``history`` is that of the verdict before, ``None`` for the first look. A look whose verdict wants more evidence is
    to be judged again with it, after the same history.
    """
    before = recall(facts, policy, history)
    problems = () if facts.error or not facts.fresh else _problems(facts, policy, before)
    memory = remember(facts, before, problems)
    rested = _is_rested(facts, policy, memory)
    case = Case(facts, policy, memory, problems, stand(facts, policy, memory.seen, rested), rested)
    outcome = next(outcome for outcome in (rule(case) for rule in RULES) if outcome)
    after = memory._replace(
        seen=dict(list(still_seen(facts, memory.seen).items())[:MAX_SEEN]),
        streak=outcome.streak,
        times=outcome.times,
        since=outcome.since if outcome.streak else facts.now,
    )
    return Verdict(outcome.verdict, outcome.final, outcome.reasons, case.standing, after._asdict(), outcome.wants)


def as_facts(verdict: Verdict) -> dict[str, Any]:
    """The verdict in the words of playbooks."""
    standing = verdict.standing
    return {
        "verdict": verdict.verdict,
        "final": verdict.final,
        "reasons": [
            {
                "code": reason.code,
                "sentence": printable(reason.sentence),
                "count": reason.number,
                "devices": list(reason.devices),
            }
            for reason in verdict.reasons
        ],
        "denominator": standing.total,
        "counts": {
            "succeeded": standing.succeeded,
            "verified": standing.verified,
            "failed": standing.failed,
            "pending": standing.pending,
            "executed": standing.executed,
            "canceled": standing.canceled,
        },
        "by_status": dict(standing.by_status),
        "classes": {state: dict(numbers) for state, numbers in standing.classes.items()},
        "history": dict(verdict.history),
        "wants": verdict.wants,
    }


def _problems(facts: Facts, policy: Policy, memory: Memory) -> tuple[str, ...]:
    """Why the look is not whole, or not to be believed after those before it."""
    problems = [*facts.problems, *doubts(facts, policy)]
    for batch in facts.batches:
        most = memory.most.get(batch.job_id, 0)
        if batch.total < most:
            problems.append(f"batch {batch.job_id} had {most} tasks and has {batch.total} now")
        lost = batch.total - sum(batch.counts.values())
        # While tasks move they may be missed in between, but not for long.
        if lost > 0 and (batch.finished or memory.counts.get(batch.job_id) == batch.counts):
            problems.append(f"{lost} of the {batch.total} tasks of batch {batch.job_id} are in no documented state")
    return tuple(dict.fromkeys(problems))
