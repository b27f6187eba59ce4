# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When one call tries again, and after which pause."""

from __future__ import annotations

import math
from typing import Callable

from .._api.error_codes import ERROR_CODES, matches_code
from .._api.schema import Operation
from .._errors import UNKNOWN_OUTCOME, OtaError, Retry

#: Upper bound of the first pause, in seconds; it doubles with each attempt, ...
BACKOFF = 0.5

#: ... up to this, unless the service requests a longer pause, ...
MAX_BACKOFF = 8.0

#: ... or up to this after throttling, because the rate limiter slows down as well.
MAX_THROTTLE_BACKOFF = 2.0

#: Longest pause that the service can request, in seconds.
MAX_RETRY_AFTER = 60.0

#: Start no attempt with less time left, in seconds: its timeout would mask the earlier error.
MIN_ATTEMPT = 0.5

#: Share of a call's time below which an attempt is so short that its end says nothing about the service.
SHORT_ATTEMPT = 0.25

#: Codes of attempts that took all their time.
_TIMEOUT_CODES = ("timeout", "connect_timeout")

#: Codes of attempts that ended before anything was sent to the service.
_UNSENT_CODES = (
    "bad_profile",
    "certificate_not_trusted",
    "connect_timeout",
    "connection_refused",
    "credentials_failed",
    "invalid_option",
    "invalid_url",
    "missing_ca_path",
    "missing_credentials",
    "missing_library",
    "proxy_denied",
    "unknown_host",
)


class RetryPlan:
    """The attempts of one call that started at ``start``.

    ``timeout`` and ``retries`` are those of the service. Not counted are attempts that only had to be signed anew, and,
    if there are any retries, those that were throttled.
    """

    def __init__(self, timeout: float, retries: int, start: float, jitter: Callable[[], float]) -> None:
        self._timeout = timeout
        self._retries = retries
        self._jitter = jitter
        self._deadline = start + timeout
        self._failures = 0
        self._repeated: set[str] = set()
        self._refusal: OtaError | None = None
        #: No attempt starts at this time or later.
        self.last_start = self._deadline - min(MIN_ATTEMPT, timeout / 20)

    def time_limit(self, now: float) -> float:
        """Seconds for the attempt that starts ``now``; one that hangs must leave time for another."""
        return (self._deadline - now) / (1 if self._failures == self._retries else 2)

    def telling_failure(self, failure: OtaError, limit: float) -> OtaError:
        """What the call reports of an attempt with ``limit`` seconds that ended with ``failure``: the service's latest
        refusal, if the end of the call's time merely cut the attempt short.
        """
        if failure.http_status is not None:
            self._refusal = failure
        elif self._refusal and failure.code in _TIMEOUT_CODES and limit < SHORT_ATTEMPT * self._timeout:
            return self._refusal.with_context(attempts=failure.attempts)
        return failure

    def pause_after(self, error: OtaError, attempt: int) -> float:
        """Seconds to pause after the attempt with this number; infinite if there is to be no other."""
        self._failures += error.retry is Retry.LATER
        if self._failures > self._retries:
            return math.inf
        if error.retry is Retry.ONCE and error.code not in self._repeated:
            self._repeated.add(error.code)
            return 0.0
        if error.retry is Retry.LATER:
            return max(backoff(attempt, MAX_BACKOFF, self._jitter), requested_pause(error))
        if error.retry is Retry.SLOWER and self._retries:
            return max(backoff(attempt, MAX_THROTTLE_BACKOFF, self._jitter), requested_pause(error))
        return math.inf


def backoff(attempt: int, most: float, jitter: Callable[[], float]) -> float:
    """A random pause that grows with the number of the attempt, up to ``most`` seconds."""
    return jitter() * min(most, BACKOFF * 2.0 ** min(attempt - 1, 10))


def requested_pause(error: OtaError) -> float:
    """The pause that the service requests, up to :data:`MAX_RETRY_AFTER`."""
    return min(error.retry_after or 0.0, MAX_RETRY_AFTER)


def changed_nothing(operation: Operation, failure: OtaError) -> bool:
    """Whether an attempt that ended with ``failure`` certainly changed nothing: it was not sent, or was refused."""
    if failure.code in _UNSENT_CODES:
        return True
    affects_all = any(meaning.affects_all for meaning in ERROR_CODES if matches_code(meaning.pattern, failure.code))
    return affects_all or operation.is_refusal(failure.code)


def unknown_outcome_error(failure: OtaError) -> OtaError:
    """The error of a request that writes, and that may have been carried out although it ended with ``failure``."""
    return OtaError(
        f"the request may have been carried out, although {failure.cause}",
        code=UNKNOWN_OUTCOME,
        hint="look at the state of what it changes before sending it again",
        detail=failure.detail,
        request_id=failure.request_id,
        http_status=failure.http_status,
        action=failure.action,
        attempts=failure.attempts,
        credentials_source=failure.credentials_source,
    )
