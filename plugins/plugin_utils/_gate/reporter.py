# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate says while it waits."""

from __future__ import annotations

from .._verdict.rules import TIMED_OUT
from .._verdict.verdict import Verdict
from .._verdict.wording import by_class, names


def progress_of(verdict: Verdict) -> str:
    """Where the rollout is, on one line."""
    standing = verdict.standing
    failed = f"{standing.failed} failed{by_class(standing, 'failed')}"
    line = f"{standing.succeeded} succeeded, {failed}, {standing.pending} pending{by_class(standing, 'pending')}"
    reason = verdict.reasons[0]
    if reason.code == "unfinished":  # that is what the numbers say
        return line
    # What the clock changes with every look is no news.
    return f"{line}; {'all is well, and watched' if reason.code == 'soaking' else reason.sentence}"


def sentence_of(verdict: Verdict) -> str:
    """The verdict and why, as one sentence without a full stop."""
    reasons = [reason.sentence for reason in verdict.reasons[:2] if reason.code != "unfinished" or not verdict.final]
    return f"{verdict.verdict.replace('_', ' ')}: {'; '.join(reasons)}"


def names_of(verdict: Verdict) -> str:
    """Who failed and who is late, by class, a few of each."""
    parts = []
    for state, word in (("failed", "failed"), ("pending", "late" if verdict.verdict == TIMED_OUT else "waiting")):
        entries = verdict.standing.of(state)
        for name, number in verdict.standing.classes[state].items():
            found = names([entry for entry in entries if entry["class"] == name])
            more = f" and {number - len(found)} more" if number > len(found) else ""
            if found:
                parts.append(f"{word} ({name.replace('_', ' ')}): {', '.join(found)}{more}")
    return "; ".join(parts)
