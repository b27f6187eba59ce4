# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch that is stopped: what to cancel of it, and what has become of its tasks so far."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Callable, NamedTuple

from .._api.operations import CANCEL_OTA_STRATEGY_BY_JOB, CANCEL_OTA_TASK_BY_JOB, UNFINISHED_TASK_STATUSES
from .._api.schema import Operation
from .._client.client import Client
from .._errors import UNKNOWN_OUTCOME, OtaError
from .._queries.jobs import JobFacts, read_job
from .counts import UNKNOWN_COUNTS, Counts, add_up, count_status, count_tasks
from .sending import Outcome, send_change

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

#: Codes by which the service refuses to cancel what is not there, or no longer.
_NOTHING_LEFT = ("iot.firmware.JobAlreadyCanceled", "iot.firmware.NotDynamicJob")


class CancelRequest(NamedTuple):
    """What to cancel: tasks of the ``states``, which are keys of :data:`CANCELABLE`, and the ``strategy`` of a dynamic
    batch. ``expected`` is what is known of the batch that is meant, by option. ``wait_timeout`` is in seconds.
    """

    states: tuple[str, ...]
    strategy: bool = False
    expected: Mapping[str, str | None] = MappingProxyType({})
    wait_timeout: float = 120.0


class PlannedCall(NamedTuple):
    """An operation to call, its flags, and what reads whether it had an effect."""

    operation: Operation
    flags: dict[str, str]
    has_effect: Callable[[Client], bool]


class Cancellation:
    """What is canceled of one batch.

    ``operations`` are those that were called, or in check mode would be; ``outcomes`` what became of each, ``None``
    where that is not known. ``failure`` is the first. ``open_now`` are the tasks in the chosen states.
    """

    def __init__(self, job: JobFacts, request: CancelRequest) -> None:
        self.job, self.job_id = job, job["job_id"]
        self.status_before = self.status_after = job["job_status"]
        can_start = self.status_before == "PLANNED" and bool(job["utc_schedule_time"])
        self.states = [state for state in request.states if state != "scheduled" or can_start]
        named = {CANCELABLE[state] for state in self.states}
        self.statuses = [status for status in UNFINISHED_TASK_STATUSES if status in named]
        self.cancels_strategy = (
            request.strategy and job["selection_type"] != "STATIC" and self.status_before != "CANCELED"
        )
        self.counts_before: Counts = UNKNOWN_COUNTS
        self.counts_after: Counts = UNKNOWN_COUNTS
        self.open_now: int | None = None
        self.operations: list[str] = []
        self.outcomes: dict[str, Outcome | None] = {}
        self.failure: OtaError | None = None

    def keep_failure(self, step: Callable[[Client], object], client: Client) -> bool:
        """Whether ``step`` succeeds; the first failure of all steps is kept."""
        try:
            step(client)
        except OtaError as error:
            self.failure = self.failure or error
            return False
        return True

    def prepare(self, client: Client) -> None:
        """Count the tasks, and note what there is to call.

        :raises OtaError: no usable response.
        """
        self.counts_before = count_tasks(client, self.job_id)
        self.open_now = self.to_cancel

    def plan(self) -> list[PlannedCall]:
        """What to call. The strategy comes first, because it would create more tasks."""
        calls: list[PlannedCall] = []
        if self.cancels_strategy:
            calls.append(PlannedCall(CANCEL_OTA_STRATEGY_BY_JOB, {}, self._is_stopped))
        if self.has_tasks:
            flags = dict.fromkeys(self.states, "true")
            # Without a word, those would share the fate of the queued.
            flags.setdefault("unconfirmed", "false")
            calls.append(PlannedCall(CANCEL_OTA_TASK_BY_JOB, flags, self._shows_effect))
        return calls

    def carry_out(self, client: Client) -> None:
        """Call what is planned, each even if the one before failed."""
        for call in self.plan():
            self.keep_failure(functools.partial(self._call, call), client)

    def foresee(self) -> None:
        """Note what would be called."""
        self.operations = [] if self.failure else [call.operation.action for call in self.plan()]

    def is_done(self, client: Client) -> bool:
        """Whether nothing is left of what was to be canceled.

        :raises OtaError: no usable response.
        """
        numbers = {status: count_status(client, self.job_id, status) for status in self.statuses}
        known = add_up(numbers, self.statuses)
        self.open_now = add_up(count_tasks(client, self.job_id), self.statuses) if known is None else known
        if self.open_now != 0:
            return False
        self.status_after = read_job(client, self.job_id)["job_status"]
        if self.strategy_goes_on:
            return False
        return not self.is_scheduled or self.status_after != "PLANNED"

    def conclude(self, client: Client) -> None:
        """Read what the cancel has left.

        :raises OtaError: no usable response.
        """
        self.status_after = read_job(client, self.job_id)["job_status"]
        self.counts_after = count_tasks(client, self.job_id)
        left = add_up(self.counts_after, self.statuses)
        self.open_now = self.open_now if left is None else left

    @property
    def is_scheduled(self) -> bool:
        """Whether tasks are canceled that have not started by their schedule, and may not be listed yet."""
        return "scheduled" in self.states

    @property
    def to_cancel(self) -> int | None:
        """The tasks in the chosen states before the cancel."""
        return add_up(self.counts_before, self.statuses)

    @property
    def has_tasks(self) -> bool:
        """Whether there are, or may be, tasks to cancel."""
        return bool(self.states) and (self.is_scheduled or self.to_cancel != 0)

    @property
    def has_written(self) -> bool:
        """Whether a request was carried out, or may have been."""
        return any(map(self.may_have_called, self.outcomes))

    @property
    def canceled(self) -> int | None:
        """The tasks that have been canceled since; ``None`` where that is not known, or the numbers make no sense."""
        before, after = self.counts_before["CANCELED"], self.counts_after["CANCELED"]
        return None if before is None or after is None or after < before else after - before

    @property
    def changed(self) -> bool:
        """Whether anything was canceled, or may have been: what is not known is taken for a change."""
        is_planned = self.is_scheduled and self.status_after == "PLANNED"
        is_unseen = self.has_written and (self.canceled is None or is_planned or self._may_follow)
        stopped = self.status_before != self.status_after and self.status_after in ("CANCELED", None)
        # Also after a refusal: something on the way may have sent the request twice.
        return is_unseen or (bool(self.outcomes) and (stopped or bool(self.canceled)))

    @property
    def _may_follow(self) -> bool:
        """Whether what was called may not have had all of its effect yet, because nobody has waited for it."""
        is_open = self.may_have_called(CANCEL_OTA_TASK_BY_JOB.action) and self.open_now != 0
        goes_on = is_open or (self.may_have_called(CANCEL_OTA_STRATEGY_BY_JOB.action) and self.strategy_goes_on)
        return self.failure is None and goes_on

    def may_have_called(self, action: str) -> bool:
        return self.outcomes.get(action, Outcome.NOTHING) is not Outcome.NOTHING

    @property
    def strategy_goes_on(self) -> bool:
        """Whether the batch does not show that its strategy is canceled, whatever the service said to that."""
        is_dynamic = self.may_have_called(CANCEL_OTA_STRATEGY_BY_JOB.action) or (
            CANCEL_OTA_STRATEGY_BY_JOB.action in self.outcomes and self.job["selection_type"] == "DYNAMIC"
        )
        return is_dynamic and self.status_after != "CANCELED"

    def _call(self, call: PlannedCall, client: Client) -> None:
        action = call.operation.action
        self.outcomes[action] = None
        try:
            self.outcomes[action] = send_change(
                client,
                call.operation,
                {"job_id": self.job_id, **call.flags},
                lambda: call.has_effect(client),
                _NOTHING_LEFT,
                lambda: self.operations.append(action),
            )
        except OtaError as error:
            if error.code != UNKNOWN_OUTCOME:
                del self.outcomes[action]
            raise

    def _is_stopped(self, client: Client) -> bool:
        return read_job(client, self.job_id)["job_status"] == "CANCELED"

    def _shows_effect(self, client: Client) -> bool:
        """Whether the tasks show that a request was carried out, or that nothing is left to cancel."""
        before, now = self.counts_before["CANCELED"], count_status(client, self.job_id, "CANCELED")
        grew = before is not None and now is not None and now > before
        return grew or self.is_done(client)
