# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks, and for how long: credentials, and what keeps temporary ones fresh."""

from __future__ import annotations

import threading
import time
from typing import Callable

from .._api.credentials import FETCH_TIMEOUT, Credentials
from .._errors import OtaError
from .._http.workers import Helpers
from .provider import Source, unusable

#: Temporary credentials are renewed so many seconds before they expire.
RENEW_BEFORE = 300.0


#: After a renewal that failed, the next is tried so many seconds later, as long as the old credentials are valid.
RENEW_AGAIN = 30.0


class Provider:
    """Hands out the credentials of one source, and renews them in time. Safe to use from threads.

    What must be masked in all output goes to ``hide`` before anybody gets it. The clock is handed in.

    :raises OtaError: the source cannot have any.
    """

    def __init__(
        self,
        source: Source,
        hide: Callable[[set[str]], object],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._hide = hide
        self._wall = wall
        self._helpers = Helpers()
        self._guard = threading.Lock()
        self._tries = 0
        self._failure: OtaError | None = None
        self._not_before = 0.0
        self._held: Credentials | None = None
        try:
            at_hand = source.at_hand()
        except OtaError as error:
            error.credentials_source = source.name
            raise
        self._hide(source.secrets())
        if at_hand is not None:
            self._hold(at_hand)

    @property
    def source(self) -> str | None:
        return self._source.name

    @property
    def place(self) -> str:
        return self._source.place

    def current(self, limit: float = FETCH_TIMEOUT) -> Credentials:
        """Credentials that are valid now, and newer ones than before where those are about to expire.

        :raises OtaError: there are none in time. As long as the old ones are valid, a renewal that fails is no error.
        """
        tries, held = self._tries, self._held
        if held is not None and not self._is_due(held):
            return held
        # Who has valid ones need not wait for somebody else's renewal.
        waits = held is None or not held.lasts(self._wall())
        if not self._guard.acquire(timeout=max(0.0, limit) if waits else 0.0):
            if waits or held is None:
                raise self._late()
            return held
        try:
            if self._held is not None and not self._is_due(self._held):
                return self._held
            if self._tries != tries and self._failure is not None:
                raise self._failure.again()  # who waited for a renewal that failed need not wait for another
            # Valid ones must be left enough time to be used, if the renewal hangs.
            return self._fetch(limit if waits else limit / 4)
        except OtaError:
            if self._held is None or not self._held.lasts(self._wall()):
                raise
            return self._held
        finally:
            self._guard.release()

    def renew(self, refused: Credentials, limit: float = FETCH_TIMEOUT) -> bool:
        """Get others at once, unless somebody has done so already. Whether there are others now."""
        tries = self._tries
        if not self._source.renewable or not self._guard.acquire(timeout=max(0.0, limit)):
            return False
        try:
            if self._held == refused and self._tries == tries:
                self._fetch(limit)
            return self._held != refused
        except OtaError:
            return False
        finally:
            self._guard.release()

    def give_up(self) -> None:
        self._helpers.give_up()

    def _is_due(self, held: Credentials) -> bool:
        now = self._wall()
        # Where the clock is off, new ones may look expired; only the service can tell.
        failed = self._failure is not None and not held.lasts(now)
        return not held.lasts(now, RENEW_BEFORE) and (failed or now >= self._not_before)

    def _fetch(self, limit: float) -> Credentials:
        """:raises OtaError: there are no new ones."""
        self._failure = None
        try:
            return self._hold(self._helpers.run(self._source.fetch, max(0.0, min(limit, FETCH_TIMEOUT))))
        except TimeoutError:
            self._failure = self._late()
            raise self._failure from None
        except OtaError as error:
            self._failure = error
            raise
        finally:
            self._tries += 1
            self._not_before = self._wall() + RENEW_AGAIN

    def _late(self) -> OtaError:
        return unusable(
            f"no credentials came from {self._source.place} in time",
            "check the network between this machine and the service that hands them out, or raise timeout",
            passing=True,
        )

    def _hold(self, credentials: Credentials) -> Credentials:
        self._hide(credentials.secrets() | self._source.secrets())
        self._held = credentials
        return credentials
