# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._verdict.snapshot import Batch, utc
from .._verdict.state import Entry

#: So many devices are returned of each kind, and so many entries of the course.
MAX_ENTRIES = 1000


def _job(batch: Batch) -> dict[str, Any]:
    return dict(batch.job) if batch.job else {"job_id": batch.job_id, "found": False, "finished": False}


def _shown(entries: Sequence[Entry]) -> list[Entry]:
    shown = [{name: value for name, value in entry.items() if name != "task_id"} for entry in entries[:MAX_ENTRIES]]
    return [{**entry, "since": None if entry["since"] is None else utc(entry["since"])} for entry in shown]


def _is_poll(poll: Any) -> bool:
    names = ("seconds", "succeeded", "failed", "pending")
    return isinstance(poll, Mapping) and all(isinstance(poll.get(name), (int, float)) for name in names)
