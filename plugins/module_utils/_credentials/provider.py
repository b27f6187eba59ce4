# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Providers of credentials: where credentials are configured, how they are fetched, and what makes them usable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from .._api.credentials import Credentials
from .._errors import OtaError, Retry
from .._validation import check_unicode, invalid_option

#: Seconds to fetch credentials, including every request that it takes.
FETCH_TIMEOUT = 20.0


class FetchContext(NamedTuple):
    """What fetching depends on beside the fetcher: the place of the configuration, for messages, and the network."""

    origin: str
    proxy: str | None = None
    allow_http: bool = False


class Fetcher:
    """How credentials are fetched, as data: a key as it is, a role to assume, a service to call."""

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        raise NotImplementedError

    def secrets(self) -> set[str]:
        """What it holds that must be masked in all output."""
        return set()

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: fetching takes a Python package that is not installed. Most take none."""


@dataclass(frozen=True)
class StaticKey(Fetcher):
    """A key that is configured as it is."""

    credentials: Credentials

    def fetch(self, context: FetchContext) -> Credentials:
        return self.credentials

    def secrets(self) -> set[str]:
        return self.credentials.secrets()


class CredentialsProvider:
    """Provides the credentials that are configured in one place.

    ``name`` is the kind of the provider, ``origin`` names it for people; neither holds any part of a key.
    ``renewable`` says whether the credentials may be others later.
    """

    name: str | None = None
    renewable = True

    def __init__(self, context: FetchContext) -> None:
        self._context = context

    @property
    def origin(self) -> str:
        return self._context.origin

    @property
    def region(self) -> str:
        """The region that is configured together with the credentials, or empty text."""
        return ""

    def build_fetcher(self) -> Fetcher:
        """The fetcher that is configured now.

        :raises OtaError: the configuration is incomplete.
        """
        raise NotImplementedError

    def load_static(self) -> Credentials | None:
        """The credentials that need no network, or ``None`` where it takes one.

        :raises OtaError: it is clear without a network that there are none.
        """
        fetcher = self.build_fetcher()
        fetcher.require_library(self.origin)
        return fetcher.credentials if isinstance(fetcher, StaticKey) else None

    def fetch(self) -> Credentials:
        """:raises OtaError: there are none."""
        return self.build_fetcher().fetch(self._context)

    def secrets(self) -> set[str]:
        """What must be masked in all output, beside the credentials themselves."""
        return self.build_fetcher().secrets()


def validate_credentials(names: tuple[str, str, str], credentials: Credentials) -> Credentials:
    """The ``credentials``, whose parts are called ``names`` where they come from.

    :raises OtaError: a part is missing, or cannot be sent or used to sign.
    """
    parts: tuple[object, ...] = (
        credentials.access_key_id,
        credentials.access_key_secret,
        "-" if credentials.security_token is None else credentials.security_token,
    )
    for name, part in zip(names, parts):
        if not isinstance(part, str) or not part:
            raise credentials_error(f"{name} is missing", "check the service that issues them", transient=False)
        check_unicode(name, part)
        if not (part.isascii() and part.isprintable()):
            raise invalid_option(
                f"{name} contains a character that no key has, such as a line break",
                "check the file or variable it comes from",
            )
    return credentials


def credentials_error(cause: str, hint: str, transient: bool) -> OtaError:
    """Credentials that cannot be had; trying again helps if the reason is ``transient``."""
    return OtaError(
        cause,
        code="credentials_failed",
        hint=hint,
        retry=Retry.LATER if transient else Retry.NEVER,
        affects_all=True,
    )


def names_of_parts(where: str) -> tuple[str, str, str]:
    """What the parts of credentials are called that come from elsewhere."""
    return f"the key id {where}", f"the secret {where}", f"the token {where}"


def refusal_code(text: str) -> str:
    """The code in what one of the vendor's services returned, or empty text."""
    code = re.search(r"\"Code\"\s*:\s*\"([A-Za-z][\w.]{2,80})\"", text)
    return code[1] if code else ""


def refused_error(code: str, status: int, origin: str, hint: str) -> OtaError:
    """A service issued no credentials. Its code and status hold nothing secret, and are all that is shown."""
    transient = status >= 500 or status == 429 or code.startswith("Throttling")
    return credentials_error(
        f"the service refused to issue the credentials of {origin}: "
        + (f"{code} (HTTP {status})" if code else f"HTTP {status}"),
        "try again later, or check the service's status page" if transient else hint,
        transient,
    )
