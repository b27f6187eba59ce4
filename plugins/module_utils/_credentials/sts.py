# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles to assume, and the one user of the vendor's package ``alibabacloud_credentials``, which need not be installed.

The package reads the environment when it is imported, so everything that it could find there is passed to it. It also
caches and renews credentials by rules of its own; a new object for each call leaves that to us.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable

from .._api.credentials import Credentials
from .._errors import MissingLibraryError, OtaError
from .provider import FetchContext, Fetcher, credentials_error, validate_credentials

LIBRARY = "alibabacloud_credentials"
#: Maximum length of a token in a file. The vendor documents 20,000 characters.
MAX_TOKEN = 20_000
#: Host of STS, in place of the one that the vendor's package chooses.
STS_ENDPOINT: str | None = None


@dataclass(frozen=True)
class RoleSession:
    """The session of a role; ``None`` and empty text mean the package's defaults."""

    role_arn: str
    name: str = ""
    seconds: int | None = None
    policy: str = ""
    sts_region: str = ""
    vpc: bool = False


@dataclass(frozen=True)
class AssumedRole:
    """A role that the owner of other credentials assumes."""

    base: Fetcher
    session: RoleSession
    external_id: str = ""

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        return assume_role(self.base.fetch(context), self.session, self.external_id, context)

    def secrets(self) -> set[str]:
        return self.base.secrets()

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: the vendor's package is not installed."""
        vendor_provider("RamRoleArnCredentialsProvider", origin)


@dataclass(frozen=True)
class OidcRole:
    """A role that the holder of a token in a file assumes."""

    session: RoleSession
    provider_arn: str
    token_file: str

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        return assume_role_with_oidc(self.token_file, self.provider_arn, self.session, context)

    def secrets(self) -> set[str]:
        return set()

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: the vendor's package is not installed."""
        vendor_provider("OIDCRoleArnCredentialsProvider", origin)


def assume_role(base: Credentials, session: RoleSession, external_id: str, context: FetchContext) -> Credentials:
    """The credentials of a role that the owner of ``base`` assumes.

    :raises OtaError: there are none.
    """
    provider = vendor_provider("RamRoleArnCredentialsProvider", context.origin)

    def make_provider() -> Any:
        return provider(
            access_key_id=base.access_key_id,
            access_key_secret=base.access_key_secret,
            security_token=base.security_token,
            external_id=external_id,
            **_role_arguments(session, context.proxy),
        )

    return issued_credentials(make_provider, context.origin)


def assume_role_with_oidc(
    token_file: str, provider_arn: str, session: RoleSession, context: FetchContext
) -> Credentials:
    """The credentials of a role that the holder of an OIDC token assumes.

    :raises OtaError: there are none.
    """
    provider = vendor_provider("OIDCRoleArnCredentialsProvider", context.origin)

    with _as_file(_read_token(token_file, context.origin)) as path:
        return issued_credentials(
            lambda: provider(
                oidc_token_file_path=path,
                oidc_provider_arn=provider_arn,
                **_role_arguments(session, context.proxy),
            ),
            context.origin,
        )


def _read_token(token_file: str, origin: str) -> str:
    """The token in a file, without a newline at its end, which the vendor's package would send as a part of it."""
    try:
        with open(os.path.expanduser(token_file), encoding="utf-8-sig") as file:
            token = file.read(MAX_TOKEN + 1).strip()
    except (OSError, ValueError):
        raise credentials_error(
            f"the token file of {origin} cannot be read", "check its path and permissions", transient=False
        ) from None
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        raise credentials_error(f"the token file of {origin} holds no token", "check its path", transient=False)
    return token


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """The path of a file that is on no disk and holds ``text`` for one reader."""
    reading, writing = os.pipe()
    try:
        with open(writing, "w", encoding="utf-8") as file:
            file.write(text)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


def vendor_provider(name: str, origin: str) -> Any:
    """One of the vendor's providers. Importing them takes half a second, which only those spend who need them.

    :raises MissingLibraryError: the package is not installed, or does not have this one yet.
    """
    try:
        from alibabacloud_credentials import provider
    except ImportError:
        raise MissingLibraryError(LIBRARY, f"for the credentials of {origin}") from None
    if not hasattr(provider, name):
        raise MissingLibraryError(LIBRARY, f"in a newer version, for the credentials of {origin}")
    return getattr(provider, name)


def http_options(proxy: str | None) -> Any:
    """How the vendor's package connects."""
    from alibabacloud_credentials.http import HttpOptions

    return HttpOptions(proxy=proxy or "")


def _role_arguments(session: RoleSession, proxy: str | None) -> dict[str, Any]:
    return {
        "role_arn": session.role_arn,
        "role_session_name": session.name or "iotfleet.ota",
        "duration_seconds": session.seconds,
        "policy": session.policy,
        "sts_region_id": session.sts_region,
        "enable_vpc": session.vpc,
        "sts_endpoint": STS_ENDPOINT,
        "http_options": http_options(proxy),
    }


def issued_credentials(
    make_provider: Callable[[], Any],
    origin: str,
    if_unusable: str = "check the role, the duration and the token",
    if_refused: str = "check the role, and that its trust policy allows the caller to assume it",
) -> Credentials:
    """The credentials that one of the vendor's providers gets; the hints say what helps if it gets none.

    :raises OtaError: there are none.
    """
    from alibabacloud_credentials.exceptions import CredentialException
    from Tea.exceptions import RetryError, TeaException

    for name in ("credentials", "alibabacloud-tea"):
        # They write the services' responses to stderr.
        logging.getLogger(name).addFilter(_log_nothing)
    try:
        found = make_provider().get_credentials()
    except (RetryError, OSError):
        raise credentials_error(
            f"the service that issues the credentials of {origin} cannot be reached",
            "check the network and the proxy",
            transient=True,
        ) from None
    except (
        CredentialException,
        TeaException,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        # Its text may repeat the service's response, or a token.
        raise _refused_error(str(error), origin, if_unusable, if_refused) from None
    names = tuple(f"the {part} issued for {origin}" for part in ("key id", "secret", "token"))
    parts = (found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token())
    # A command need not say when its credentials expire.
    return validate_credentials((names[0], names[1], names[2]), Credentials(*parts, found.get_expiration() or None))


def _log_nothing(record: logging.LogRecord) -> bool:
    return False


def _refused_error(text: str, origin: str, if_unusable: str, if_refused: str) -> OtaError:
    """Why the service refused: its code and status, which hold nothing secret, and no more."""
    status = re.search(r"http_code: ?(\d{3})", text)
    code = re.search(r"\"Code\"\s*:\s*\"([A-Za-z][\w.]{2,80})\"", text)
    if not status:
        return credentials_error(f"no usable credentials were issued for {origin}", if_unusable, transient=False)
    if code and code.group(1) == "AuthenticationFail.OIDCToken.Expired":
        return credentials_error(
            f"the token in the token file of {origin} has expired",
            "renew it, or check what renews it and the clock of this machine",
            transient=False,
        )
    word = f"{code.group(1)} (HTTP {status.group(1)})" if code else f"HTTP {status.group(1)}"
    transient = status.group(1) >= "500" or status.group(1) == "429" or word.startswith("Throttling")
    return credentials_error(f"the service refused to issue the credentials of {origin}: {word}", if_refused, transient)
