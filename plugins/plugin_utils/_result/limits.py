# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bounds in a result, with what was measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._verdict.bounds import Limit
from .reading import count_of, number_of, rows_of, text_of

#: The bounds by what they are about.
GROUPS: Mapping[str, str] = {
    "max_failed": "failed",
    "max_failed_percent": "failed",
    "max_pending": "pending",
    "max_pending_percent": "pending",
    "min_succeeded_percent": "succeeded",
    "min_devices": "devices",
    "wait_timeout": "time",
    "max_consecutive_errors": "errors",
}


def read_limits(result: Mapping[str, Any]) -> list[Limit]:
    """The bounds in a result, the one that decided first."""
    limits = [
        Limit(
            text_of(row.get("name")),
            number_of(row.get("allowed")),
            number_of(row.get("measured")),
            None if row.get("of") is None else count_of(row.get("of")),
            bool(row.get("kept", True)),
            bool(row.get("decided")),
        )
        for row in rows_of(result.get("limits"))
    ]
    known = [limit for limit in limits if limit.name in GROUPS]
    return sorted(known, key=lambda limit: not limit.decided)
