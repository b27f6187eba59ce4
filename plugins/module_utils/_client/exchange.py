# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One attempt: signs a request, sends it, and reads the response."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Callable, NamedTuple, TypeVar

from .._api.credentials import Credentials
from .._api.envelope import Envelope
from .._api.error_codes import FailureTopic, failure_topic, is_clock_code, is_expiry_code, is_version_code
from .._api.platforms import Argument
from .._api.request import ServiceConfig, SignedRequest, build_request
from .._api.schema import Operation
from .._credentials.refresh import RefreshableCredentials
from .._errors import OtaError, Retry
from .._http.network_errors import host_and_port, timeout_error
from .._http.transport import Transport
from .._http.workers import WorkerPool
from .clock import ServiceClock, Timestamp
from .response import parse_response

T = TypeVar("T")


class Signing(NamedTuple):
    """What a request was signed with."""

    credentials: Credentials
    timestamp: Timestamp
    send_version: bool


class Exchange:
    """Makes attempts, and learns from refusals: the service's time, that credentials have expired, and that the service
    requires the common parameters that its platform leaves out. Safe to use from threads.

    ``now`` is a monotonic clock, in seconds; ``nonce`` returns a new one each time.
    """

    def __init__(
        self,
        service: ServiceConfig,
        credentials: RefreshableCredentials,
        transport: Transport,
        clock: ServiceClock,
        now: Callable[[], float],
        nonce: Callable[[], object],
    ) -> None:
        self.service = service
        self.credentials = credentials
        self._transport = transport
        self._clock = clock
        self._now = now
        self._nonce = nonce
        self._version_required = threading.Event()
        self._reading = threading.Lock()
        self._reader = WorkerPool()

    def attempt_call(
        self,
        operation: Operation,
        arguments: Mapping[str, Argument],
        timeout: float,
        read: Callable[[Envelope], T],
    ) -> T:
        """Send one request, with a nonce, a timestamp and a signature of its own, within ``timeout`` seconds; what
        ``read`` makes of the response.

        :raises OtaError: no usable response; ``retry`` says whether another attempt may succeed.
        """
        deadline = self._now() + timeout
        signing = Signing(self.credentials.current(timeout), self._clock.timestamp(), self._version_required.is_set())
        request = self._sign_request(operation, arguments, signing)
        sent = self._clock.wall()
        # The credentials may have taken a part of the time.
        response = self._transport.send(request.method, request.url, self._left(deadline), request.headers)
        response_format = self.service.response_format
        confidential = (*signing.credentials.confidential(), request.signature)

        def parse() -> T:
            return read(parse_response(response, response_format, confidential, operation.data))

        try:
            result = self._read(parse, request.url, deadline)
        except OtaError as error:
            refusal = error
        else:
            self._clock.measure(response, sent)
            return result
        # A proxy has a clock of its own.
        if failure_topic(refusal.code, refusal.http_status) is not FailureTopic.NETWORK:
            self._clock.measure(response, sent)
        if is_clock_code(refusal.code):
            raise self._clock.correct(refusal, response, signing.timestamp)
        raise self._learn_from(refusal, signing, deadline)

    def renew_connections(self) -> None:
        """Let the next attempt use none of the connections that are open."""
        self._transport.renew_connections()

    def cancel(self) -> None:
        """End what attempts wait for, and the thread that reads."""
        self.credentials.cancel()
        self._transport.cancel()
        self._reader.cancel()

    def _sign_request(self, operation: Operation, arguments: Mapping[str, Argument], signing: Signing) -> SignedRequest:
        nonce, moment = str(self._nonce()), signing.timestamp.text
        return build_request(
            self.service, operation, arguments, signing.credentials, nonce, moment, signing.send_version
        )

    def _left(self, deadline: float) -> float:
        """Seconds until the ``deadline``, never quite zero."""
        return max(0.001, deadline - self._now())

    def _read(self, work: Callable[[], T], url: str, deadline: float) -> T:
        """What ``work`` makes of the response from ``url``, in the one thread that reads.

        Several gain no time, and each would hold on to the memory that the largest response took.

        :raises OtaError: others are read until the ``deadline``, or ``work`` cannot be done.
        """
        if not self._reading.acquire(timeout=self._left(deadline)):
            raise timeout_error(host_and_port(url))
        try:
            return self._reader.run(work, threading.TIMEOUT_MAX)
        finally:
            self._reading.release()

    def _learn_from(self, refusal: OtaError, signing: Signing, deadline: float) -> OtaError:
        """The ``refusal``, to be retried once if the next attempt is signed with something else."""
        if is_version_code(refusal.code) and self.service.omits_version and not signing.send_version:
            self._version_required.set()
            return refusal.but(retry=Retry.ONCE)
        expired = is_expiry_code(refusal.code) and self.service.platform.sends_token
        if expired and self.credentials.renew(signing.credentials, deadline - self._now()):
            return refusal.but(retry=Retry.ONCE)
        return refusal
