# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch that is stopped: what to cancel of it, and what has become of its tasks so far."""

from __future__ import annotations

import functools
from typing import Callable, NamedTuple

from .._api.operations import CANCEL_OTA_STRATEGY_BY_JOB, CANCEL_OTA_TASK_BY_JOB
from .._api.schema import Operation
from .._client.client import Client
from .._errors import UNKNOWN_OUTCOME, OtaError
from .._queries.jobs import JobFacts, read_job
from .counts import UNKNOWN_COUNTS, Counts, add_up, count_status, count_tasks
from .scope import CancelRequest, scope_of
from .sending import Outcome, send_change


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
        self.scope = scope_of(job, request)
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
        strategy = PlannedCall(CANCEL_OTA_STRATEGY_BY_JOB, {}, self._is_stopped)
        tasks = PlannedCall(CANCEL_OTA_TASK_BY_JOB, self.scope.flags, self._shows_effect)
        return [*([strategy] if self.scope.cancels_strategy else []), *([tasks] if self.has_tasks else [])]

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
        numbers = {status: count_status(client, self.job_id, status) for status in self.scope.statuses}
        known = add_up(numbers, self.scope.statuses)
        self.open_now = add_up(count_tasks(client, self.job_id), self.scope.statuses) if known is None else known
        if self.open_now != 0:
            return False
        self.status_after = read_job(client, self.job_id)["job_status"]
        if self.strategy_goes_on:
            return False
        return not self.scope.is_scheduled or self.status_after != "PLANNED"

    def conclude(self, client: Client) -> None:
        """Read what the cancel has left.

        :raises OtaError: no usable response.
        """
        self.status_after = read_job(client, self.job_id)["job_status"]
        self.counts_after = count_tasks(client, self.job_id)
        left = add_up(self.counts_after, self.scope.statuses)
        self.open_now = self.open_now if left is None else left

    @property
    def to_cancel(self) -> int | None:
        """The tasks in the chosen states before the cancel."""
        return add_up(self.counts_before, self.scope.statuses)

    @property
    def has_tasks(self) -> bool:
        """Whether there are, or may be, tasks to cancel."""
        return bool(self.scope.states) and (self.scope.is_scheduled or self.to_cancel != 0)

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
        is_planned = self.scope.is_scheduled and self.status_after == "PLANNED"
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
