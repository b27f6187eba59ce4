# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's time, as its responses show it."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Callable, NamedTuple

from .._errors import OtaError, Retry
from .._http.transport import Response
from .response import parse_date

#: Seconds by which this machine's clock has to be off, so that this can be why a request is refused. The vendor
#: documents 15 minutes.
MIN_CORRECTION = 60.0
#: Maximum number of seconds by which a request is signed for another time than this machine's. Whoever reads a request
#: for a time far ahead could send it again until then.
MAX_CORRECTION = 86_400.0


class Timestamp(NamedTuple):
    """The time that a request carries, and whether it is ``corrected`` to the service's."""

    text: str
    corrected: bool


class ServiceClock:
    """Measures the service's clock, and takes its time once the service has refused this machine's.

    Safe to use from threads. ``warn`` gets a sentence, once.
    """

    def __init__(self, warn: Callable[[str], None], wall: Callable[[], float] = time.time) -> None:
        self.wall = wall
        self._warn = warn
        self._offset: float | None = None
        self._correction: float | None = None
        self._guard = threading.Lock()

    @property
    def offset(self) -> float | None:
        """How far the service's clock is ahead of this machine's, in seconds, by its latest response with a date."""
        return self._offset

    def timestamp(self) -> Timestamp:
        """The time for a new request."""
        correction = self._correction
        return Timestamp(_format_time(self.wall() + (correction or 0.0)), correction is not None)

    def measure(self, response: Response, sent: float) -> None:
        """Take the offset from the response to a request that was ``sent`` at that wall time."""
        date = parse_date(response.headers.get("date"))
        if date is not None:  # cut to whole seconds, and written somewhere between request and response
            self._offset = date + 0.5 - (sent + self.wall()) / 2

    def correct(self, refusal: OtaError, response: Response, timestamp: Timestamp) -> OtaError:
        """The ``refusal`` of a request because of its ``timestamp``; it says whether another attempt may succeed.

        The service's time is taken from the response once, for the rest of the task: of several requests in flight,
        all others find it there. It is not taken if it is no reason, nor if it is too far away.
        """
        if timestamp.corrected:
            cause = f"{refusal.cause}, although the request carried the service's own time"
            return refusal.but(retry=Retry.NEVER, cause=cause)
        date = parse_date(response.headers.get("date"))
        if date is None:
            return refusal.but(retry=Retry.NEVER)
        now = self.wall()
        offset = date + 0.5 - now  # the date is cut to whole seconds
        if abs(offset) < MIN_CORRECTION:
            cause = f"{refusal.cause}, although the clock of this machine matches the service's"
            return refusal.but(cause=cause, hint="try again, or give the request ID to the vendor's support")
        if abs(offset) > MAX_CORRECTION:
            return _refuse_offset(refusal, date, now)
        with self._guard:
            if self._correction is None:
                self._correction = offset
                self._warn(_offset_warning(round(offset)))
        return refusal


def _refuse_offset(refusal: OtaError, date: float, now: float) -> OtaError:
    return refusal.but(
        retry=Retry.NEVER,
        cause=f"{refusal.cause}: its clock says {_format_time(date)} and this machine's {_format_time(now)}"
        ", which is more than a day apart",
        hint="set the clock of the machine that runs the module, or check endpoint and proxy if it is right",
    )


def _format_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _offset_warning(seconds: int) -> str:
    direction = "behind" if seconds > 0 else "ahead of"
    return (
        f"The clock of the machine that runs the module is {abs(seconds)} s {direction} the service's;"
        " the service's time is used for the rest of this task. Set the machine's clock."
    )
