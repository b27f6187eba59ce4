# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that stay valid: they are fetched when they are first needed, and renewed before they expire."""

from __future__ import annotations

import threading
import time
from typing import Callable

from .._api.credentials import Credentials
from .._errors import CanceledError, OtaError
from .._http.workers import WorkerPool
from .provider import FETCH_TIMEOUT, CredentialsProvider, FetchContext, Fetcher, StaticKey, credentials_error

#: Seconds before their expiry at which temporary credentials are renewed.
RENEW_BEFORE = 300.0
#: Seconds after a failed renewal until the next one, as long as the old credentials are valid.
RENEW_AGAIN = 30.0


class RefreshableCredentials:
    """The credentials of one provider, which are renewed in time. Safe to use from threads.

    What must be masked in all output goes to ``mask`` before anybody gets it. The clock is handed in.

    :raises OtaError: the provider cannot have any.
    """

    def __init__(
        self,
        provider: CredentialsProvider,
        mask: Callable[[set[str]], object],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._provider = provider
        self._mask = mask
        self._wall = wall
        self._workers = WorkerPool()
        self._guard = threading.Lock()
        self._tries = 0
        self._cancels = 0
        self._failure: OtaError | None = None
        self._not_before = 0.0
        self._held: Credentials | None = None
        try:
            static = provider.load_static()
        except OtaError as error:
            raise error.with_context(credentials_source=provider.name) from None
        self._mask(provider.secrets())
        if static is not None:
            self._keep_credentials(static)

    @classmethod
    def of_key(cls, credentials: Credentials) -> RefreshableCredentials:
        """A bare key, which comes from no configuration and never changes."""
        return cls(_KeyProvider(credentials), lambda secrets: None)

    @property
    def source(self) -> str | None:
        """The kind of the provider, or ``None`` for a bare key."""
        return self._provider.name

    @property
    def origin(self) -> str:
        """The provider for people, or empty text for a bare key."""
        return self._provider.origin

    def current(self, limit: float = FETCH_TIMEOUT) -> Credentials:
        """Credentials that are valid now, and newer ones than before where those are about to expire.

        :raises OtaError: there are none within ``limit`` seconds. As long as the old ones are valid, a renewal that
            fails is no error.
        :raises CanceledError: :meth:`cancel` was called meanwhile.
        """
        tries, cancels, held = self._tries, self._cancels, self._held
        if held is not None and not self._is_due(held):
            return held
        # A caller that has valid ones need not wait for another's renewal.
        usable = self._valid_ones()
        if not self._guard.acquire(timeout=0.0 if usable else max(0.0, limit)):
            if usable is None:
                raise self._late_error()
            return usable
        try:
            if self._cancels != cancels:
                raise CanceledError  # who waited for a canceled fetch does not start another
            if self._held is not None and not self._is_due(self._held):
                return self._held
            if self._tries != tries and self._failure is not None:
                raise self._failure.with_context()  # a copy: who waited for a failed renewal does not try another
            # Valid ones must be left enough time to be used, if the renewal hangs.
            return self._fetch_anew(limit / 4 if usable else limit)
        except OtaError:
            valid = self._valid_ones()
            if valid is None:
                raise
            return valid
        finally:
            self._guard.release()

    def renew(self, refused: Credentials, limit: float = FETCH_TIMEOUT) -> bool:
        """Fetch others at once, unless that has been done already.

        Whether there are others than the ``refused`` ones within ``limit`` seconds.
        """
        tries = self._tries
        if not self._provider.renewable or not self._guard.acquire(timeout=max(0.0, limit)):
            return False
        try:
            if self._held == refused and self._tries == tries:
                self._fetch_anew(limit)
            return self._held != refused
        except OtaError:
            return False
        finally:
            self._guard.release()

    def cancel(self) -> None:
        """End all waiting for credentials at once."""
        self._cancels += 1
        self._workers.cancel()

    def _valid_ones(self) -> Credentials | None:
        held = self._held
        return held if held is not None and held.is_valid_at(self._wall()) else None

    def _is_due(self, held: Credentials) -> bool:
        now = self._wall()
        # Where the clock is off, new ones may look expired; only the service knows.
        failed = self._failure is not None and not held.is_valid_at(now)
        return not held.is_valid_at(now, RENEW_BEFORE) and (failed or now >= self._not_before)

    def _fetch_anew(self, limit: float) -> Credentials:
        """:raises OtaError: there are no new ones."""
        self._failure = None
        try:
            return self._keep_credentials(self._workers.run(self._provider.fetch, max(0.0, min(limit, FETCH_TIMEOUT))))
        except TimeoutError:
            self._failure = self._late_error()
            raise self._failure from None
        except OtaError as error:
            self._failure = error
            raise
        finally:
            self._tries += 1
            self._not_before = self._wall() + RENEW_AGAIN

    def _late_error(self) -> OtaError:
        return credentials_error(
            f"the credentials of {self.origin} did not arrive in time",
            "check the network between this machine and the service that issues them, or raise timeout",
            transient=True,
        )

    def _keep_credentials(self, credentials: Credentials) -> Credentials:
        self._mask(credentials.secrets() | self._provider.secrets())
        self._held = credentials
        return credentials


class _KeyProvider(CredentialsProvider):
    """Provides a key that comes from no configuration."""

    renewable = False

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(FetchContext(origin=""))
        self._key = StaticKey(credentials)

    def build_fetcher(self) -> Fetcher:
        return self._key
