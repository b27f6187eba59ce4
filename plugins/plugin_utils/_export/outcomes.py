# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tests of the JUnit report are green, red or skipped, and why. Pure.

The suite is red only if the gate is. A device is green only if it was proved, so that nobody takes a device whose
version was not read, or one of a wrong batch, for a device that has the update.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .._result.limits import read_limits
from .._result.words import BLANK, STATE_WORDS, Result, class_numbers, device_words, has_stopped, verifies_versions
from .._verdict.wording import allowed_words

Kind = Literal["passed", "skipped", "failure", "error"]

#: Reasons for which the batches, or the devices that are meant, are not the ones that were read.
WRONG_BATCH = {"wrong_job", "unknown_job", "unknown_product", "ambiguous_device", "conflicting_batches"}


class JUnitCase(NamedTuple):
    """A test: its class and name, what became of it, a word and a sentence about that, and lines that say more."""

    class_name: str
    name: str
    kind: Kind
    type: str = ""
    message: str = ""
    lines: tuple[str, ...] = ()


class Judgement(NamedTuple):
    """What decides about a device: the ``verdict``, and why each state is tolerated; empty if it is not."""

    verdict: str
    verifies: bool
    wrong_batch: str
    tolerated: Mapping[str, str]


def judgement_of(result: Result) -> Judgement:
    """What decides about the devices of a result."""
    wrong = next((reason["message"] for reason in result["reasons"] if reason["code"] in WRONG_BATCH), "")
    tolerated = {state: _why_tolerated(result, state) for state in ("failed", "pending")}
    return Judgement(result["verdict"], verifies_versions(result), wrong, tolerated)


def _why_tolerated(result: Result, state: str) -> str:
    """Why devices in a state are no reason for the verdict; empty if they are."""
    limits = [limit for limit in read_limits(result) if limit.name.startswith(f"max_{state}")]
    allowed = ", ".join(f"{limit.name} allows {allowed_words(limit)}" for limit in limits)
    if result["verdict"] == "passed":
        return f"tolerated: {allowed or 'the rollout passed'}"
    if result["verdict"] == "pending":
        return "nothing is decided yet"
    if state == "pending" and result["verdict"] != "timed_out":
        return "may have been stopped" if has_stopped(result) else "may still succeed"
    # What must succeed can be out of reach although no more devices failed than may.
    about = "pending" if result["verdict"] == "timed_out" else "failed"
    decided = any(limit.decided and limit.name == "min_succeeded_percent" for limit in read_limits(result))
    is_kept = bool(limits) and all(limit.kept for limit in limits)
    return f"tolerated: {allowed}" if is_kept and not (decided and state == about) else ""


def verdict_case(result: Result) -> JUnitCase:
    """The test of the rollout itself."""
    kinds: dict[str, Kind] = {"passed": "passed", "pending": "skipped", "inconclusive": "error"}
    messages = tuple(reason["message"] for reason in result["reasons"])
    return JUnitCase(
        "rollout",
        "verdict",
        kinds.get(result["verdict"], "failure"),
        result["reasons"][0]["code"],
        f"{result['verdict']}: {messages[0]}",
        messages,
    )


def device_cases(result: Result) -> list[JUnitCase]:
    """The tests of the devices: one for each, or where not all are listed, one for each class of them."""
    judgement = judgement_of(result)
    if result["devices"]:
        return [_device_case(device, judgement) for device in result["devices"]]
    return [*_succeeded_cases(result, judgement), *_class_cases(result, judgement)]


def _device_case(device: Mapping[str, Any], judgement: Judgement) -> JUnitCase:
    kind, why = _outcome(device["state"], device.get("verified", False), judgement)
    words = STATE_WORDS.get(device["state"], device["state"])
    about = device_words(device)
    detail = device["detail"] or ""
    if about == words or detail.startswith(about):
        about = ""
    message = ": ".join(filter(None, [", ".join(filter(None, [words, about])), detail]))
    facts = {name: device[name] for name in ("task_status", "version", "job_id", "since")}
    named = zip(("task", "version", "batch", "since"), facts.values())
    return JUnitCase(
        f"rollout.{device['product_key'] or 'devices'}",
        device["device_name"] or BLANK,
        kind,
        device_words(device) if kind == "failure" else "",
        f"{message}; {why}" if why else message,
        tuple(f"{name}: {value}" for name, value in named if value is not None),
    )


def _outcome(state: str, is_verified: bool, judgement: Judgement) -> tuple[Kind, str]:
    """What becomes of a device, and why if that is not plain."""
    if judgement.wrong_batch:
        return "skipped", f"not judged: {judgement.wrong_batch}"
    if state == "canceled":
        return "skipped", "not counted"
    if state == "succeeded":
        if is_verified or not judgement.verifies:
            return "passed", ""
        return "skipped", "version not read"
    why = judgement.tolerated[state]
    return ("skipped", why) if why else ("failure", "")


def _succeeded_cases(result: Result, judgement: Judgement) -> list[JUnitCase]:
    counts = result["counts"]
    proved = counts["verified"] if judgement.verifies else counts["succeeded"]
    groups = [("succeeded", proved, True), ("version not read", counts["succeeded"] - proved, False)]
    return [
        _group_case("succeeded", name, number, result, _outcome("succeeded", is_proved, judgement))
        for name, number, is_proved in groups
        if number > 0
    ]


def _class_cases(result: Result, judgement: Judgement) -> list[JUnitCase]:
    cases = []
    for state in STATE_WORDS:
        for words, number in class_numbers(result, state):
            names = [device["device_name"] for device in result[f"{state}_devices"] if device_words(device) == words]
            outcome = _outcome(state, False, judgement)
            cases.append(_group_case(STATE_WORDS[state], words, number, result, outcome, names))
    return cases


def _group_case(
    state: str, name: str, number: int, result: Result, outcome: tuple[Kind, str], devices: list[Any] | None = None
) -> JUnitCase:
    kind, why = outcome
    message = f"{state}, {number:,} of {result['counts']['total']:,} devices"
    names = [str(device) for device in (devices or [])[:100]]
    lines = [*names, f"and {number - len(names):,} more"] if names and number > len(names) else names
    return JUnitCase(f"rollout.{state}", name, kind, name, f"{message}; {why}" if why else message, tuple(lines))
