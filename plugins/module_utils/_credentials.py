# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""Who asks, and for how long: credentials, and what keeps temporary ones fresh."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Callable, Protocol

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry, check_text
from ansible_collections.iotfleet.ota.plugins.module_utils._threads import Helpers

#: Temporary credentials are renewed so many seconds before they expire.
RENEW_BEFORE = 300.0
#: After a renewal that failed, the next is tried so many seconds later, as long as the old credentials are valid.
RENEW_AGAIN = 30.0
#: A service that hands out credentials gets so many seconds for it, with all that it asks in turn.
FETCH_TIMEOUT = 20.0


class Keys(Protocol):
    """Where a client gets its credentials from, each time that it needs some. Safe to use from threads.

    ``source`` is the kind of the source, ``place`` says which one it is; neither holds any part of a key.
    """

    @property
    def source(self) -> str | None: ...

    @property
    def place(self) -> str: ...

    def current(self, limit: float = FETCH_TIMEOUT) -> Credentials:
        """:raises OtaError: there are none within ``limit`` seconds."""

    def renew(self, refused: Credentials, limit: float = FETCH_TIMEOUT) -> bool:
        """Whether there are others within ``limit`` seconds than the ``refused`` ones."""

    def give_up(self) -> None:
        """End all waiting for credentials at once."""


@dataclass(frozen=True)
class Credentials:
    """An access key. ``security_token`` belongs to temporary keys only; ``expires`` is in seconds since 1970.

    It is a provider of itself, for whoever has a key and needs no source.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires: float | None = None

    source = None
    place = ""

    def confidential(self) -> tuple[str, ...]:
        """What must not be seen in any text: the id too, which is no secret but has no business in an error."""
        return tuple(value for value in (self.access_key_secret, self.security_token, self.access_key_id) if value)

    def secrets(self) -> set[str]:
        """What must be masked in all output."""
        return {value for value in (self.access_key_secret, self.security_token) if value}

    def lasts(self, now: float, margin: float = 0.0) -> bool:
        """Whether they are valid ``margin`` seconds after ``now``."""
        return self.expires is None or now + margin < self.expires

    def current(self, limit: float = FETCH_TIMEOUT) -> Credentials:
        return self

    def renew(self, refused: Credentials, limit: float = FETCH_TIMEOUT) -> bool:
        return False

    def give_up(self) -> None:
        """Nobody waits here."""


def checked(names: tuple[str, str, str], credentials: Credentials) -> Credentials:
    """The ``credentials``, whose parts are called ``names`` where they come from.

    :raises OtaError: a part is nothing that can be sent, or sign.
    """
    parts: tuple[object, ...] = (
        credentials.access_key_id,
        credentials.access_key_secret,
        "-" if credentials.security_token is None else credentials.security_token,
    )
    for name, part in zip(names, parts):
        if not isinstance(part, str) or not part:
            raise unusable(f"{name} is missing", "check what hands them out", passing=False)
        check_text(name, part)
        if not (part.isascii() and part.isprintable()):
            raise OtaError(
                f"{name} holds a character that no key has, such as the end of a line",
                code="invalid_option",
                hint="check the file or variable that it comes from",
            )
    return credentials


def unusable(cause: str, hint: str, passing: bool) -> OtaError:
    """Credentials that were to come from somewhere and do not; asking again helps if the reason is ``passing``."""
    return OtaError(
        cause,
        code="credentials_failed",
        hint=hint,
        retry=Retry.LATER if passing else Retry.NEVER,
        systemic=True,
    )


# --- Sources ---------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """Something that credentials come from. ``name`` is its kind, ``place`` tells people which one it is."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str: ...

    @property
    def renewable(self) -> bool:
        """Whether it may have other credentials later."""

    def at_hand(self) -> Credentials | None:
        """Those that need no network, or ``None`` where it takes one.

        :raises OtaError: it is clear without a network that there are none.
        """

    def fetch(self) -> Credentials:
        """:raises OtaError: there are none."""

    def secrets(self) -> set[str]:
        """What must be masked in all output, besides the credentials themselves."""


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
