# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether to cancel what a gate has judged, and which batches of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...module_utils._queries.jobs import EXPECTATIONS
from .._result.reading import mapping_of, rows_of
from .._verdict.case import FAILED, INCONCLUSIVE, TIMED_OUT
from .aftermath import Aftermath, aftermath_of

#: The verdicts after which a rollout may be canceled.
CANCELING_VERDICTS = (FAILED, TIMED_OUT, INCONCLUSIVE)

#: The reasons after which it may. With any other, it is not certain that the batches are those that are meant, or there
#: is nothing to cancel, or the options did not let the gate judge.
CANCELING_REASONS = frozenset(
    {
        *("too_many_failures", "success_out_of_reach", "too_few_devices"),
        "deadline",
        *("api_error", "too_many_errors", "incomplete"),
        # what a poll waits for, and some of it ends inconclusive
        *("not_started", "vanished", "starting", "unfinished", "still_open", "unproved", "awaiting_version"),
        *("confirming", "soaking", "unread", "error"),
    }
)


class Decision(NamedTuple):
    """The batches to cancel, what is expected of all of them, why none is although the verdict asks for it, and what
    the result says ``after`` the cancel.
    """

    job_ids: tuple[str, ...] = ()
    expected: Mapping[str, str] = {}
    why_not: str = ""
    after: Aftermath = Aftermath()


def decide(result: Mapping[str, Any], verdicts: Sequence[str]) -> Decision:
    """What to cancel of a gate's ``result``, if that is to happen after these ``verdicts``."""
    verdict = result.get("verdict")
    if result.get("final") is not True or verdict not in CANCELING_VERDICTS or verdict not in verdicts:
        return Decision()
    codes = _codes(result.get("reasons"))
    others = [code for code in codes if not isinstance(code, str) or code not in CANCELING_REASONS]
    if others or not codes:
        return Decision(why_not=f"Nothing was canceled, because {_name(others)} needs a person to decide.")
    jobs = [job for job in rows_of(result.get("jobs")) if job.get("found") is True and _text(job, "job_id")]
    if not jobs:
        return Decision(why_not="Nothing was canceled, because the service showed none of the batches.")
    job_ids, expected = tuple(job["job_id"] for job in jobs), _expected(mapping_of(result.get("policy")), jobs)
    return Decision(job_ids, expected, after=aftermath_of(result))


def _codes(reasons: Any) -> list[Any]:
    """The codes of the reasons; ``None`` for what is no reason, so that nothing is canceled after it."""
    return [mapping_of(reason).get("code") for reason in reasons] if isinstance(reasons, (list, tuple)) else []


def _expected(policy: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the gate expected of its batches, and what it read of them where they are alike."""
    expected = {}
    for option, fact in EXPECTATIONS.items():
        read = {_text(job, fact) for job in jobs}
        alike = read.pop() if len(read) == 1 else ""
        if _text(policy, option) or alike:
            expected[option] = _text(policy, option) or alike
    return expected


def _name(others: Sequence[Any]) -> str:
    return others[0] if others and isinstance(others[0], str) else "the verdict"


def _text(facts: Mapping[str, Any], name: str) -> str:
    return value if isinstance(value := facts.get(name), str) else ""
