# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured against what is allowed, wherever a number decides. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._rollout.policy import Policy
from .._rollout.state import RolloutState


class Limit(NamedTuple):
    """One bound: the option ``name``, what it allows in its own unit, and what was measured.

    ``measured`` is a number of devices, of ``of`` devices, or of seconds or polls, of none. Whether a bound is ``kept``
    is what the judge takes into account: until all versions are read, those that are not may prove success.
    ``decided`` marks the one that settled the verdict.
    """

    name: str
    allowed: float
    measured: float
    of: int | None
    kept: bool
    decided: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it allows a percentage."""
        return self.name.endswith("_percent")

    @property
    def share(self) -> float | None:
        """What was measured in percent of its base; ``None`` without one."""
        return round(100 * self.measured / self.of, 1) if self.of else None

    def to_result(self) -> dict[str, Any]:
        """The bound as the gate returns it."""
        names = ("name", "allowed", "measured", "of", "share", "kept", "decided")
        return {name: getattr(self, name) for name in names}


_FAILED, _PENDING = ("max_failed", "max_failed_percent"), ("max_pending", "max_pending_percent")
_SUCCEEDED, _DEVICES = ("min_succeeded_percent",), ("min_devices",)
_TIME, _ERRORS = ("wait_timeout",), ("max_consecutive_errors",)

#: The bounds that each reason can be about, in the order in which they decide. All other reasons are about no number.
_DECIDING: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "too_many_failures": (_FAILED,),
    "success_out_of_reach": (_SUCCEEDED, _FAILED),
    "too_few_devices": (_DEVICES,),
    "batch_canceled": (_FAILED, _SUCCEEDED, _DEVICES),
    "deadline": (_PENDING, _DEVICES, _SUCCEEDED, _FAILED, _TIME),
    "too_many_errors": (_ERRORS,),
    "incomplete": (_ERRORS, _TIME),
}


def limits_of(
    rollout: RolloutState, policy: Policy, history: Mapping[str, Any], now: float, code: str = ""
) -> tuple[Limit, ...]:
    """All bounds ``now``, the one that decided first. ``code`` is the reason of a final verdict."""
    elapsed = round(max(0.0, now - history["started"]), 1)
    errors = max(history["errors"], history["incomplete"])
    most = policy.max_consecutive_errors
    limits = [
        *device_limits(rollout, policy),
        Limit("wait_timeout", policy.wait_timeout, elapsed, None, now < history["started"] + policy.wait_timeout),
        Limit("max_consecutive_errors", most, errors, None, errors <= most),
    ]
    decided = deciding_limit(limits, code)
    others = [limit for limit in limits if limit is not decided]
    return tuple([decided._replace(decided=True), *others] if decided else others)


def deciding_limit(limits: Sequence[Limit], code: str) -> Limit | None:
    """The bound that is not kept and that a verdict for the reason ``code`` is about; ``None`` if no number decided."""
    for names in _DECIDING.get(code, ()):
        for limit in limits:  # of two for the same, the tighter one comes first
            if limit.name in names and not limit.kept:
                return limit
    return None


def device_limits(rollout: RolloutState, policy: Policy) -> list[Limit]:
    """The bounds for numbers of devices. All of them are kept exactly if :func:`.state.keeps_bounds` says so."""
    surplus = _surplus(rollout, policy)
    limits = [*failed_limits(rollout, policy, surplus), *pending_limits(rollout, policy, surplus)]
    if policy.min_devices is not None:
        enough = rollout.accounted >= policy.min_devices
        limits.append(Limit("min_devices", policy.min_devices, rollout.accounted, None, enough))
    succeeded = succeeded_limit(rollout, policy, surplus)
    # What the other bounds leave must succeed, which follows from them but for the last device.
    is_implied = policy.min_succeeded_percent is None and (succeeded.kept or not all(limit.kept for limit in limits))
    return limits if is_implied else [*limits, succeeded]


def _surplus(rollout: RolloutState, policy: Policy) -> int:
    """How many of the devices may not be meant, where only numbers are known and devices are expected by name."""
    if policy.expected_devices is None or rollout.counts_are_devices:
        return 0
    return max(0, rollout.total - len(policy.expected_devices))


def failed_limits(rollout: RolloutState, policy: Policy, surplus: int = 0) -> list[Limit]:
    """The bounds for failed devices, the tighter one first; without any, none may fail."""
    given = _given(_FAILED, policy, strict=policy.min_succeeded_percent is None)
    return [
        Limit(name, given[name], rollout.failed, rollout.executed, rollout.failed <= devices + surplus)
        for name, devices in _tighter_first(given, rollout.executed + rollout.unproved_expected)
    ]


def pending_limits(rollout: RolloutState, policy: Policy, surplus: int = 0) -> list[Limit]:
    """The bounds for unfinished devices, the tighter one first; without any, none may be unfinished."""
    given = _given(_PENDING, policy)
    sure = rollout.pending - rollout.unproved_expected
    return [
        Limit(name, given[name], rollout.pending, rollout.total, sure <= devices + surplus)
        for name, devices in _tighter_first(given, rollout.total)
    ]


def _given(names: Sequence[str], policy: Policy, strict: bool = True) -> dict[str, float]:
    """Those of two options that are given. If none is, the first allows no device where that is ``strict``."""
    given = {name: getattr(policy, name) for name in names if getattr(policy, name) is not None}
    return given or ({names[0]: 0} if strict else {})


def _tighter_first(given: Mapping[str, float], of: int) -> list[tuple[str, int]]:
    """The names of the options, each with how many devices ``of`` so many it allows."""
    allowed = [
        (name, Policy(max_pending_percent=most).pending_allowed(of) if name.endswith("_percent") else int(most))
        for name, most in given.items()
    ]
    return sorted(allowed, key=lambda one: one[1])


def succeeded_limit(rollout: RolloutState, policy: Policy, surplus: int = 0) -> Limit:
    """The bound for succeeded devices. If it follows from the others, it is the percentage that they come to."""
    needed, percent = policy.succeeded_needed(rollout.total), policy.min_succeeded_percent
    if percent is None:
        percent = math.ceil(1000 * needed / rollout.total) / 10 if rollout.total else 0.0
    kept = rollout.succeeded + rollout.unproved_expected + surplus >= needed
    return Limit("min_succeeded_percent", percent, rollout.succeeded, rollout.total, kept)
