# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bounds in columns: what each allows, what was measured, and whether it was kept. Pure."""

from __future__ import annotations

from .._verdict.bounds import Limit
from .._verdict.wording import allowed_words, format_duration, share_words


def allowed_text(limit: Limit) -> str:
    """What a bound allows, such as ``at most 2 %``."""
    if limit.name == "wait_timeout":
        return format_duration(limit.allowed)
    if limit.name.startswith("max_") and not limit.allowed:
        return "none"
    return f"{'at least' if limit.name.startswith('min_') else 'at most'} {allowed_words(limit)}"


def measured_text(limit: Limit) -> str:
    """What was measured for it, such as ``4 of 155``."""
    if limit.name == "wait_timeout":
        return format_duration(limit.measured)
    return f"{limit.measured:,}" if limit.of is None else f"{limit.measured:,} of {limit.of:,}"


def share_text(limit: Limit) -> str:
    """The same in percent; empty where nothing is measured in percent."""
    return share_words(limit) if limit.of else ""


def outcome_text(limit: Limit) -> str:
    """Whether a bound was kept, and whether it decided."""
    return "decided" if limit.decided else "kept" if limit.kept else "not kept"
