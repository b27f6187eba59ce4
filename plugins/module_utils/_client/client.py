# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service knows: single objects, complete lists, and many queries in parallel."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Callable, TypeVar

from .._api.envelope import Envelope, read_object, require_xml_library
from .._api.platforms import Argument
from .._api.request import ServiceConfig
from .._api.schema import Operation
from .._credentials.refresh import RefreshableCredentials
from .._errors import OtaError
from .._http.transport import MAX_IN_FLIGHT, Transport
from .calls import Caller
from .clock import ServiceClock
from .exchange import Exchange
from .paging import LISTING_ATTEMPTS, Listing, incomplete_listing_error, read_listing, read_page_rows
from .parallel import query_all
from .rate_limiter import RateLimiter
from .response import check_subjects
from .retries import MAX_BACKOFF, backoff

Q = TypeVar("Q")
T = TypeVar("T")


class Client:
    """Calls one service. Safe to use from threads.

    ``credentials`` hold the key that signs each attempt. The monotonic clock is that of the ``limiter``. Wall clock,
    jitter and nonce are arguments so that a test can hand in its own. ``warn`` gets a sentence. Whoever waits
    between two calls uses the clock of the ``limiter``.

    :raises MissingLibraryError: what reads the responses is not installed.
    """

    def __init__(
        self,
        service: ServiceConfig,
        credentials: RefreshableCredentials,
        transport: Transport,
        limiter: RateLimiter,
        warn: Callable[[str], None],
        *,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        nonce: Callable[[], object] = uuid.uuid4,
    ) -> None:
        require_xml_library(service.response_format)
        self._credentials = credentials
        self.limiter = limiter
        self._jitter = jitter
        self._clock = ServiceClock(warn, wall)
        exchange = Exchange(service, credentials, transport, self._clock, limiter.now, nonce)
        self._caller = Caller(exchange, limiter, jitter)

    @property
    def last_failure(self) -> OtaError | None:
        """Why the latest attempt failed, also while the call goes on; ``None`` if it did not."""
        return self._caller.last_failure

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of this machine's, in seconds, by its latest response with a date."""
        return self._clock.offset

    def get(self, operation: Operation, **arguments: Argument) -> dict[str, Any] | None:
        """The facts about one object, or ``None`` where the service does not know it.

        :raises OtaError: no usable response; ``wrong_response`` where it is about another object.
        """

        def read_facts(envelope: Envelope) -> dict[str, Any] | None:
            facts = read_object(operation, envelope)
            if facts is not None:
                check_subjects(operation, facts, arguments)
            return facts

        return self._call_or_none(operation, arguments, read_facts)

    def rows(self, operation: Operation, **arguments: Argument) -> list[dict[str, Any]] | None:
        """All rows of a list, or ``None`` where the service does not know what the list is about.

        :raises OtaError: no usable response; ``incomplete_listing`` where the list is incomplete in the end.
        """
        listing = self.listing(operation, LISTING_ATTEMPTS, **arguments)
        if listing and listing.problem:
            raise incomplete_listing_error(operation, listing.problem, self._credentials.source)
        return listing.rows if listing else None

    def listing(self, operation: Operation, attempts: int = LISTING_ATTEMPTS, **arguments: Argument) -> Listing | None:
        """The same, with the problem of a list that is still incomplete after ``attempts``, instead of an error.

        :raises OtaError: no usable response.
        """
        return read_listing(
            operation,
            lambda number, size: self._read_page(operation, arguments, number, size),
            attempts,
            lambda attempt: self.limiter.sleep(backoff(attempt, MAX_BACKOFF, self._jitter)),
        )

    def page(self, operation: Operation, number: int, size: int, **arguments: Argument) -> Listing | None:
        """One page of a list, at most ``size`` rows, and how many rows the service announces.

        :raises OtaError: no usable response.
        """
        return self._read_page(operation, arguments, number, size)

    def first_page(self, operation: Operation, size: int = 1, **arguments: Argument) -> Listing | None:
        """The first rows of a list, at most ``size``, and how many rows the service announces.

        :raises OtaError: no usable response.
        """
        return self.page(operation, 1, size, **arguments)

    def change(self, operation: Operation, **arguments: Argument) -> None:
        """Carry out an ``operation`` that writes. It is repeated only after what is certain to have changed nothing.

        :raises OtaError: it was not carried out; ``unknown_outcome`` where it may have been.
        """
        self._caller.call(operation, arguments, lambda envelope: None)

    def map(
        self, query: Callable[[Q], T], items: Sequence[Q], sequential: bool = False
    ) -> tuple[list[T], OtaError | None]:
        """The results of ``query`` for the ``items``, in their order, and the failure that matters most, if any.

        They run in parallel unless ``sequential``. An item that fails has no result. After a failure that affects all,
        or several of any kind, no more are started; those in flight run to their end.
        """
        return query_all(query, items, 1 if sequential else MAX_IN_FLIGHT, self.limiter, self.cancel)

    def cancel(self) -> None:
        """End all calls at once, because nobody waits for their results any more."""
        self._caller.cancel()

    def _read_page(
        self, operation: Operation, arguments: Mapping[str, Argument], number: int, size: int
    ) -> Listing | None:
        paging = {"page": str(number), "page_size": str(size)} if operation.page_size else {}
        sent = {**arguments, **paging}
        return self._call_or_none(operation, sent, lambda envelope: read_page_rows(operation, sent, envelope))

    def _call_or_none(
        self, operation: Operation, arguments: Mapping[str, Argument], read: Callable[[Envelope], T | None]
    ) -> T | None:
        try:
            return self._caller.call(operation, arguments, read)
        except OtaError as error:
            if operation.is_not_found(error.code):
                return None
            raise
