# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles that are assumed: the one user of the vendor's package ``alibabacloud_credentials``, which need not be there.

The package reads the environment when it is imported, so all that it could find there is handed over. It also keeps
and renews credentials in a way of its own; a fresh object for each call leaves that to us.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Callable

from .._api.credentials import Credentials
from .._errors import MissingLibraryError, OtaError
from .provider import checked, unusable

LIBRARY = "alibabacloud_credentials"


#: Where roles are assumed, if not at the address that the vendor's package chooses.
STS_ENDPOINT: str | None = None


@dataclass(frozen=True)
class Session:
    """What is wanted of a role; nothing and empty mean the package's defaults."""

    role_arn: str
    name: str = ""
    seconds: int | None = None
    policy: str = ""
    sts_region: str = ""
    vpc: bool = False


def check_library(place: str) -> None:
    """:raises MissingLibraryError: the vendor's package is not installed, which ``place`` needs."""
    _package(place)


def assume(base: Credentials, session: Session, external_id: str, place: str, proxy: str | None) -> Credentials:
    """The credentials of a role that the owner of ``base`` assumes. ``place`` is where that is configured.

    :raises OtaError: there are none.
    """
    vendor = _package(place)

    def make() -> Any:
        return vendor.RamRoleArnCredentialsProvider(
            access_key_id=base.access_key_id,
            access_key_secret=base.access_key_secret,
            security_token=base.security_token,
            external_id=external_id,
            **_arguments(vendor, session, proxy),
        )

    return _fetch(make, place)


def assume_by_token(token_file: str, provider_arn: str, session: Session, place: str, proxy: str | None) -> Credentials:
    """The credentials of a role that the holder of an OIDC token assumes.

    :raises OtaError: there are none.
    """
    vendor = _package(place)

    def make() -> Any:
        return vendor.OIDCRoleArnCredentialsProvider(
            oidc_token_file_path=token_file,
            oidc_provider_arn=provider_arn,
            **_arguments(vendor, session, proxy),
        )

    return _fetch(make, place)


def _package(place: str) -> Any:
    """The vendor's providers. Importing them takes half a second, which only those pay who need them."""
    try:
        from alibabacloud_credentials import provider
    except ImportError:
        raise MissingLibraryError(LIBRARY, f"for the credentials of {place}") from None
    return provider


def _arguments(vendor: Any, session: Session, proxy: str | None) -> dict[str, Any]:
    from alibabacloud_credentials.http import HttpOptions

    return {
        "role_arn": session.role_arn,
        "role_session_name": session.name or "iotfleet.ota",
        "duration_seconds": session.seconds,
        "policy": session.policy,
        "sts_region_id": session.sts_region,
        "enable_vpc": session.vpc,
        "sts_endpoint": STS_ENDPOINT,
        "http_options": HttpOptions(proxy=proxy or ""),
    }


def _fetch(make: Callable[[], Any], place: str) -> Credentials:
    from alibabacloud_credentials.exceptions import CredentialException
    from Tea.exceptions import RetryError, TeaException

    for name in ("credentials", "alibabacloud-tea"):
        # They write to stderr what the services answer.
        logging.getLogger(name).addFilter(_log_nothing)
    try:
        found = make().get_credentials()
    except OSError:
        raise unusable(
            f"the token's file of {place} cannot be read", "check its path, and who may read it", passing=False
        ) from None
    except RetryError:
        raise unusable(
            f"the service that hands out the credentials of {place} cannot be reached",
            "check the network and the proxy",
            passing=True,
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
        # Its text may repeat what the service answered, or a token.
        raise _refused(str(error), place) from None
    names = tuple(f"the {part} that came from {place}" for part in ("key id", "secret", "token"))
    parts = (found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token())
    return checked((names[0], names[1], names[2]), Credentials(*parts, found.get_expiration()))


def _log_nothing(record: logging.LogRecord) -> bool:
    return False


def _refused(text: str, place: str) -> OtaError:
    """What the service said no with: its code and status, which hold nothing secret, and no more."""
    status = re.search(r"http_code: ?(\d{3})", text)
    code = re.search(r"\"Code\"\s*:\s*\"([A-Za-z][\w.]{2,80})\"", text)
    if not status:
        return unusable(
            f"no usable credentials came from {place}", "check the role, the duration and the token", passing=False
        )
    word = f"{code.group(1)} (HTTP {status.group(1)})" if code else f"HTTP {status.group(1)}"
    passing = status.group(1) >= "500" or status.group(1) == "429" or word.startswith("Throttling")
    hint = "check the role, and that its trust policy names who assumes it"
    return unusable(f"the credentials of {place} were refused with {word}", hint, passing)
