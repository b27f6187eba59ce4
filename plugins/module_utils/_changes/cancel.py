# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stops batches: nothing is canceled unless all are the ones that are meant, and none waits for another."""

from __future__ import annotations

from collections.abc import Sequence

from .._client.client import Client
from .._errors import UNKNOWN_OUTCOME, OtaError
from .cancellation import Cancellation
from .expected import read_expected_job
from .scope import CancelRequest
from .sending import Outcome

#: Seconds between two polls of what is left: at first, and at most.
MIN_PAUSE, MAX_PAUSE = 0.5, 5.0

#: Touch no more batches after this many have failed.
MAX_FAILED = 5


def cancel_batches(
    client: Client, job_ids: Sequence[str], request: CancelRequest, check_mode: bool, batches: list[Cancellation]
) -> OtaError | None:
    """Cancel what the ``request`` names of each batch, and wait until nothing of it is open. In ``check_mode``, nothing
    is written. ``batches`` gets what becomes of each, also if something unforeseen happens.

    :returns: the first failure.
    :raises OtaError: a batch is not the one that is meant, or cannot be read, so that nothing was canceled.
    """
    jobs = [read_expected_job(client, job_id, request.expected) for job_id in dict.fromkeys(job_ids)]
    batches.extend(Cancellation(job, request) for job in jobs)
    for batch in batches:
        if sum(other.failure is not None for other in batches) >= MAX_FAILED:
            batch.failure = _skipped_error(batch.job_id)
        elif batch.keep_failure(batch.prepare, client) and not check_mode:
            batch.carry_out(client)
    if check_mode:
        for batch in batches:
            batch.foresee()
    else:
        _wait(client, request.wait_timeout, batches)
        for batch in batches:
            if batch.outcomes and batch.keep_failure(batch.conclude, client):
                batch.failure = batch.failure or _shortfall_of(batch, request.wait_timeout)
    return next((batch.failure for batch in batches if batch.failure), None)


def _wait(client: Client, wait_timeout: float, batches: Sequence[Cancellation]) -> None:
    """Wait until what is canceled is no longer open, by ``wait_timeout`` seconds from now."""
    deadline, pause = client.limiter.now() + wait_timeout, MIN_PAUSE
    waiting = [batch for batch in batches if batch.outcomes]
    while waiting:
        waiting = [batch for batch in waiting if not _is_over(client, batch)]
        if not waiting or client.limiter.now() + pause > deadline:
            return
        client.limiter.sleep(pause)
        pause = min(MAX_PAUSE, 2 * pause)


def _is_over(client: Client, batch: Cancellation) -> bool:
    """Whether there is nothing to wait for, because what was to be canceled is, or because that cannot be read."""
    done: list[bool] = []
    readable = batch.keep_failure(lambda asked: done.append(batch.is_done(asked)), client)
    if any(done) and batch.failure and batch.failure.code == UNKNOWN_OUTCOME:
        batch.failure = None  # now it is known
    return not readable or any(done)


def _shortfall_of(batch: Cancellation, waited: float) -> OtaError | None:
    """What is left of a batch after ``waited`` seconds although it should be canceled.

    Without a wait, what is accepted may still follow, but nothing follows what the service refuses.
    """
    if not waited and Outcome.NOTHING not in batch.outcomes.values():
        return None
    if batch.open_now != 0:
        left = "an unknown number of" if batch.open_now is None else f"{batch.open_now:,}"
        cause = f"batch {batch.job_id} still has {left} tasks in the states to cancel after {waited:g} s"
    elif batch.strategy_goes_on:
        status = batch.status_after or "in an unknown state"
        cause = f"batch {batch.job_id} is {status} {waited:g} s after the request to cancel its strategy"
    else:
        return None
    return OtaError(cause, code="not_canceled", hint="run the task again, or look at the batch in the console")


def _skipped_error(job_id: str) -> OtaError:
    return OtaError(
        f"batch {job_id} was left alone, because {MAX_FAILED} others failed before",
        code="not_canceled",
        hint="see to the first failure, and run the task again",
    )
