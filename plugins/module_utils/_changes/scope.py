# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cancel is to take of one batch. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .._api.operations import UNFINISHED_TASK_STATUSES
from .._queries.jobs import JobFacts

#: The tasks that can be canceled, and the status of each kind. What is scheduled is queued.
CANCELABLE: Mapping[str, str] = MappingProxyType(
    {
        "queued": "QUEUED",
        "notified": "NOTIFIED",
        "unconfirmed": "CONFIRM",
        "in_progress": "IN_PROGRESS",
        "scheduled": "QUEUED",
    }
)


class CancelRequest(NamedTuple):
    """What to cancel: tasks of the ``states``, which are keys of :data:`CANCELABLE`, and the ``strategy`` of a dynamic
    batch. ``expected`` is what is known of the batch that is meant, by option. ``wait_timeout`` is in seconds.
    """

    states: tuple[str, ...]
    strategy: bool = False
    expected: Mapping[str, str | None] = MappingProxyType({})
    wait_timeout: float = 120.0


class Scope(NamedTuple):
    """What to cancel of one batch: tasks of the ``states``, which the service calls ``statuses``, and its strategy."""

    states: tuple[str, ...]
    statuses: tuple[str, ...]
    cancels_strategy: bool

    @property
    def is_scheduled(self) -> bool:
        """Whether tasks are canceled that have not started by their schedule, and may not be listed yet."""
        return "scheduled" in self.states

    @property
    def flags(self) -> dict[str, str]:
        """What chooses the tasks in a request."""
        # Without a word, those that wait for a confirmation would share the fate of the queued.
        return {"unconfirmed": "false", **dict.fromkeys(self.states, "true")}


def scope_of(job: JobFacts, request: CancelRequest) -> Scope:
    """What to cancel of a batch, of what the ``request`` names for all."""
    can_start = job["job_status"] == "PLANNED" and bool(job["utc_schedule_time"])
    states = tuple(state for state in request.states if state != "scheduled" or can_start)
    named = {CANCELABLE[state] for state in states}
    statuses = tuple(status for status in UNFINISHED_TASK_STATUSES if status in named)
    may_create = job["selection_type"] != "STATIC" and job["job_status"] != "CANCELED"
    return Scope(states, statuses, request.strategy and may_create)
