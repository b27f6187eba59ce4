# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One call of the service, with as many attempts as it takes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Callable, TypeVar

from .._api.envelope import Envelope
from .._api.error_codes import is_key_code
from .._api.platforms import Argument
from .._api.schema import Operation
from .._credentials.refresh import RefreshableCredentials
from .._errors import CanceledError, OtaError, Retry, as_ota_error
from .exchange import Exchange
from .rate_limiter import DeadlineExceededError, RateLimiter
from .response import WRONG_SUBJECT
from .retries import RetryPlan, changed_nothing, requested_pause, unknown_outcome_error

T = TypeVar("T")


class Caller:
    """Makes the calls of a :class:`Client`, which explains the arguments. Safe to use from threads.

    ``last_failure`` is why the latest attempt failed, also while the call goes on; ``None`` if it did not.
    """

    def __init__(self, exchange: Exchange, limiter: RateLimiter, jitter: Callable[[], float]) -> None:
        self._exchange = exchange
        self._limiter = limiter
        self._jitter = jitter
        self.last_failure: OtaError | None = None

    def call(self, operation: Operation, arguments: Mapping[str, Argument], read: Callable[[Envelope], T]) -> T:
        """What ``read`` makes of the response.

        :raises OtaError: no usable response.
        """
        sent = self._limiter.wait_for_slot(operation)
        service, credentials = self._exchange.service, self._exchange.credentials
        plan = RetryPlan(service.timeout, service.retries, sent, self._jitter)
        for attempt in itertools.count(1):
            limit = plan.time_limit(sent)
            try:
                result = self._exchange.attempt_call(operation, arguments, limit, read)
                self.last_failure = None
                return result
            except CanceledError:
                raise
            except Exception as error:
                failure = describe_failure(as_ota_error(error), operation, attempt, credentials)
                error.__traceback__ = None  # else its frames, which hold the response, refer to it and stay for long
            if operation.writes and not changed_nothing(operation, failure):
                raise unknown_outcome_error(failure)
            self.last_failure = told = plan.telling_failure(failure, limit)
            if failure.code == WRONG_SUBJECT:
                self._exchange.renew_connections()
            if failure.retry is Retry.SLOWER:
                self._limiter.slow_down(operation, sent)
            pause = plan.pause_after(failure, attempt)
            if self._limiter.now() + pause >= plan.last_start:
                raise told
            self._limiter.hold_back(operation, requested_pause(failure))
            self._limiter.sleep(pause)
            try:
                sent = self._limiter.wait_for_retry(operation, plan.last_start)
            except DeadlineExceededError:
                raise told from None
        raise AssertionError("not reached")

    def cancel(self) -> None:
        """End all calls at once, because nobody waits for their results any more."""
        self._limiter.stop()
        self._exchange.cancel()


def describe_failure(
    error: OtaError, operation: Operation, attempt: int, credentials: RefreshableCredentials
) -> OtaError:
    """The ``error`` of an attempt as its call reports it."""
    known = error.with_context(action=operation.action, attempts=attempt, credentials_source=credentials.source)
    if is_key_code(error.code) and credentials.origin:
        return known.but(hint=f"{error.hint}; the key comes from {credentials.origin}")
    return known
