# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the service: sign, pace, send, decode, and ask again what can succeed; on top of that, whole lists, and many
questions side by side.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timezone
from typing import Any, Callable, TypeVar

from .._api.envelope import Envelope, check_library, read_object, read_rows
from .._api.error_codes import is_clock_code, is_expiry_code, is_key_code
from .._api.operations import Operation
from .._api.platforms import Argument
from .._api.redaction import redact
from .._api.request import Service, sign
from .._credentials.provider import Keys
from .._errors import OtaError, Retry
from .._http.transport import MAX_IN_FLIGHT, Response, Transport
from .paging import LISTING_ATTEMPTS, Listing, _incomplete, is_bound, is_last_page, listing_problem
from .rate_limiter import OutOfTimeError, Pacer, StoppedError
from .response import parse_date, read_answer

Q = TypeVar("Q")


T = TypeVar("T")


#: The first pause before another attempt is up to so many seconds, each further one up to twice as many, ...
BACKOFF = 0.5


#: ... but no more than this, unless the service asks for more, ...
MAX_BACKOFF = 8.0


#: ... or than this after throttling, because the pacer slows down as well, ...
MAX_SLOWER_BACKOFF = 2.0


#: ... and then no more than this.
MAX_RETRY_AFTER = 60.0


#: With less time left, in seconds, an attempt would only hide why those before it failed.
LEAST_ATTEMPT = 0.5


#: After so many questions without a usable answer, no more are asked.
MAX_FAILED = 5


class Client:
    """Asks one service. Safe to use from threads.

    ``keys`` are asked at each attempt for the credentials that sign it. The clock is the pacer's. Wall clock, jitter
    and nonce are arguments so that a test can hand in its own. ``warn`` takes a sentence.

    :raises MissingLibraryError: what reads the answers is not installed.
    """

    def __init__(
        self,
        service: Service,
        keys: Keys,
        transport: Transport,
        pacer: Pacer,
        warn: Callable[[str], None],
        *,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        nonce: Callable[[], object] = uuid.uuid4,
    ) -> None:
        check_library(service.response_format)
        self._service = service
        self._keys = keys
        self._transport = transport
        self._pacer = pacer
        self._warn = warn
        self._wall = wall
        self._jitter = jitter
        self._nonce = nonce
        self._clock_offset: float | None = None
        self._measured_offset: float | None = None
        self._clock_guard = threading.Lock()
        self._last_failure: OtaError | None = None

    # --- Questions ---------------------------------------------------------------------------------------------------

    def get(self, operation: Operation, **arguments: Argument) -> dict[str, Any] | None:
        """The facts about one object, or ``None`` where the service does not know it.

        :raises OtaError: no usable answer; ``wrong_answer`` where it is about another object than was asked for.
        """

        def read(envelope: Envelope) -> dict[str, Any] | None:
            facts = read_object(operation, envelope)
            if facts is not None:
                _check_subject(operation.identity, facts, arguments)
            return facts

        return self._find(operation, arguments, read)

    def rows(self, operation: Operation, **arguments: Argument) -> list[dict[str, Any]] | None:
        """All rows of a list, all pages of it, or ``None`` where the service does not know what was asked about.

        :raises OtaError: no usable answer; ``incomplete_listing`` where the pages do not make the whole that they
        announce.
        """
        listing = self.listing(operation, LISTING_ATTEMPTS, **arguments)
        if listing and listing.problem:
            error = _incomplete(operation, listing.problem)
            error.credentials_source = self._keys.source
            raise error
        return listing.rows if listing else None

    def listing(self, operation: Operation, attempts: int = LISTING_ATTEMPTS, **arguments: Argument) -> Listing | None:
        """The same with what may be wrong with it, read again up to so many ``attempts`` while something is.

        :raises OtaError: no usable answer.
        """
        for attempt in itertools.count(1):
            listing = self._list(operation, arguments)
            if not (listing and listing.problem) or listing.at_bound or attempt == attempts:
                return listing
            self._pacer.sleep(self._backoff(attempt, MAX_BACKOFF))
        raise AssertionError("not reached")

    def peek(self, operation: Operation, size: int = 1, **arguments: Argument) -> Listing | None:
        """The first rows of a list, ``size`` at the most, and how many it is said to have.

        :raises OtaError: no usable answer.
        """
        return self._page(operation, arguments, 1, size)

    def many(
        self, ask: Callable[[Q], T], questions: Sequence[Q], in_turn: bool = False
    ) -> tuple[list[T], OtaError | None]:
        """What ``ask`` answers to each of the ``questions``, in their order, and the first failure.

        They are asked side by side, or ``in_turn``. A question that fails has no answer in the list. After a failure
        that any other question would meet as well, or after several of any kind, no more are asked; what is under way
        goes on to its end.
        """
        failures: list[OtaError] = []

        def attend(question: Q) -> T:
            try:
                return ask(question)
            except OtaError as error:
                failures.append(error)
                if error.systemic or len(failures) >= MAX_FAILED:
                    self._pacer.stop()
                raise
            except BaseException:  # a mistake of ours must not be made a thousand times
                self._pacer.stop()
                raise

        with ThreadPoolExecutor(1 if in_turn else min(MAX_IN_FLIGHT, len(questions)) or 1) as pool:
            try:
                futures = [pool.submit(attend, question) for question in questions]
                wait(futures)
            except BaseException:  # such as the user's Ctrl-C
                self.give_up()
                raise
        self._pacer.start()
        errors = [future.exception() for future in futures]
        known = [future for future, error in zip(futures, errors) if not isinstance(error, (OtaError, StoppedError))]
        in_order = [error for error in errors if isinstance(error, OtaError)]
        failure = min(in_order, key=lambda error: not error.systemic, default=None)
        return [future.result() for future in known], failure

    def give_up(self) -> None:
        """End all asking at once, because nobody waits for answers any more."""
        self._pacer.stop()
        self._keys.give_up()
        self._transport.give_up()

    def _list(self, operation: Operation, arguments: Mapping[str, Argument]) -> Listing | None:
        rows: list[dict[str, Any]] = []
        totals: set[int | None] = set()
        problem: str | None
        for number in itertools.count(1):
            page = self._page(operation, arguments, number, operation.page_size)
            if page is None:
                return None
            rows += page.rows
            totals.add(page.announced)
            if operation.page_size and page.number not in (None, number):
                problem = f"page {number} was asked for and page {page.number} came"
            elif len(totals) > 1:
                problem = "the announced number of rows changed between two pages"
            elif is_last_page(operation, page, number, len(rows)):
                problem = listing_problem(operation, page, number, rows)
            else:
                continue
            return page._replace(rows=rows, problem=problem, at_bound=is_bound(operation, number))
        raise AssertionError("not reached")

    def _page(self, operation: Operation, arguments: Mapping[str, Argument], number: int, size: int) -> Listing | None:
        def read(envelope: Envelope) -> Listing:
            rows = read_rows(operation, envelope)
            for row in rows:
                for name in operation.about:
                    if name in arguments and row[name] is not None:
                        _check_subject(name, row, arguments)
            if not operation.announces:
                return Listing(rows, None, None, None)
            return Listing(rows, envelope.total, envelope.page, envelope.page_count)

        paging = {"page": str(number), "page_size": str(size)} if operation.page_size else {}
        return self._find(operation, {**arguments, **paging}, read)

    def _find(
        self, operation: Operation, arguments: Mapping[str, Argument], read: Callable[[Envelope], T | None]
    ) -> T | None:
        try:
            return self._call(operation, arguments, read)
        except OtaError as error:
            if operation.is_not_found(error.code):
                return None
            raise

    # --- Attempts ----------------------------------------------------------------------------------------------------

    def _call(self, operation: Operation, arguments: Mapping[str, Argument], read: Callable[[Envelope], T]) -> T:
        retries = self._service.retries
        failures = 0
        repeated: set[str] = set()
        sent = self._pacer.wait(operation.action)
        deadline = sent + self._service.timeout
        last_start = deadline - min(LEAST_ATTEMPT, self._service.timeout / 20)
        for attempt in itertools.count(1):
            try:
                # One attempt that hangs must leave time for another.
                limit = (deadline - sent) / (1 if failures == retries else 2)
                answer = read(self._attempt(operation, arguments, limit))
                self._last_failure = None
                return answer
            except OtaError as error:
                self._last_failure = error
                error.action, error.attempts = operation.action, attempt
                error.credentials_source = self._keys.source
                if is_key_code(error.code) and self._keys.place:
                    error.hint += f"; the key comes from {self._keys.place}"
                failures += error.retry is Retry.LATER
                if error.retry is Retry.SLOWER:
                    self._pacer.slow_down(operation.action, sent)
                pause = self._pause(error, attempt, repeated) if failures <= retries else math.inf
                if self._pacer.now() + pause >= last_start:
                    raise
                self._pacer.hold(operation.action, _asked_for(error))
                self._pacer.sleep(pause)
                try:
                    sent = self._pacer.wait_again(operation.action, last_start)
                except OutOfTimeError:
                    raise error from None
        raise AssertionError("not reached")

    def _pause(self, error: OtaError, attempt: int, repeated: set[str]) -> float:
        """How long to wait before another attempt; infinite where there is to be none."""
        if error.retry is Retry.ONCE and error.code not in repeated:
            repeated.add(error.code)
            return 0.0
        if error.retry is Retry.LATER:
            return max(self._backoff(attempt, MAX_BACKOFF), _asked_for(error))
        if error.retry is Retry.SLOWER and self._service.retries:
            return max(self._backoff(attempt, MAX_SLOWER_BACKOFF), _asked_for(error))
        return math.inf

    def _backoff(self, attempt: int, most: float) -> float:
        return self._jitter() * min(most, BACKOFF * 2.0 ** min(attempt - 1, 10))

    def _attempt(self, operation: Operation, arguments: Mapping[str, Argument], timeout: float) -> Envelope:
        """One request, with a nonce, a time stamp and a signature of its own."""
        began = self._pacer.now()
        keys = self._keys.current(timeout)
        offset = self._clock_offset
        now = datetime.fromtimestamp(self._wall() + (offset or 0.0), timezone.utc)
        signed = sign(self._service, operation, arguments, keys, str(self._nonce()), f"{now:%Y-%m-%dT%H:%M:%SZ}")
        # No time limit is counted twice, though credentials may have taken some of it.
        left = max(0.001, timeout - (self._pacer.now() - began))
        sent = self._wall()
        response = self._transport.send(signed.method, signed.url, left, signed.headers)
        self._measure_clock(response, sent)
        try:
            return read_answer(response, self._service.response_format, (*keys.confidential(), signed.signature))
        except OtaError as error:
            if is_clock_code(error.code):
                self._set_clock(error, response, offset)
            expired = is_expiry_code(error.code) and self._service.platform.sends_token
            if expired and self._keys.renew(keys, timeout - (self._pacer.now() - began)):
                error.retry = Retry.ONCE
            raise

    @property
    def last_failure(self) -> OtaError | None:
        """Why the latest attempt failed, also while it is to be repeated; ``None`` if it did not."""
        return self._last_failure

    # --- Clock -------------------------------------------------------------------------------------------------------

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of this machine's, in seconds, by its latest answer that tells it."""
        return self._measured_offset

    def _measure_clock(self, response: Response, began: float) -> None:
        date = parse_date(response.headers.get("date"))
        if date is not None:  # cut to whole seconds, and written somewhere between question and answer
            self._measured_offset = date + 0.5 - (began + self._wall()) / 2

    def _set_clock(self, error: OtaError, response: Response, used: float | None) -> None:
        """Take the service's time from its answer, for this attempt's successor and for the rest of the task.

        ``used`` is the offset with which the refused request was signed. It is taken once: the others of several
        requests that are under way find it there.
        """
        if used is not None:
            error.retry = Retry.NEVER
            error.cause += ", although the request bore the service's own time"
            return
        date = parse_date(response.headers.get("date"))
        if date is None:
            error.retry = Retry.NEVER
            return
        with self._clock_guard:
            if self._clock_offset is not None:
                return
            self._clock_offset = date + 0.5 - self._wall()  # the date is cut to whole seconds
            seconds = round(self._clock_offset)
            direction = "behind" if seconds > 0 else "ahead of"
            self._warn(
                f"The clock of the machine that runs the module is {abs(seconds)} s {direction} the service's;"
                " the service's time is used for the rest of this task. Set the machine's clock."
            )


def _asked_for(error: OtaError) -> float:
    """The pause that the service asks for, up to our bound."""
    return min(error.retry_after or 0.0, MAX_RETRY_AFTER)


def _check_subject(name: str, facts: Mapping[str, Any], arguments: Mapping[str, Argument]) -> None:
    """:raises OtaError: the fact ``name`` is not the one that was asked for."""
    if facts[name] != arguments[name]:
        raise OtaError(
            f"the answer is about {name} {redact(str(facts[name]), limit=100)}"
            f" although {arguments[name]} was asked for",
            code="wrong_answer",
            hint="check endpoint and proxy, because answers are mixed up there",
            retry=Retry.ONCE,
        )
