# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What provides credentials, and what they must be."""

from __future__ import annotations

from typing import Protocol

from .._api.credentials import FETCH_TIMEOUT, Credentials
from .._errors import OtaError, Retry
from .._validation import check_text


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
