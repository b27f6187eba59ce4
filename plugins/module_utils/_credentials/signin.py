# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that the vendor's command line tool leaves to others: a command, or the sign-in of a person.

A sign-in is used and never renewed: that might make the token in the tool's file invalid, where this collection does
not write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .._api.credentials import Credentials
from .provider import FETCH_TIMEOUT, FetchContext, Fetcher, credentials_error
from .vendor_package import http_options, issued_credentials, vendor_provider

#: The vendor's sites for people who sign in, each with the ID under which its command line tool is known there.
OAUTH_SITES = {
    "CN": ("https://oauth.aliyun.com", "4038181954557748008"),
    "INTL": ("https://oauth.alibabacloud.com", "4103531455503354461"),
}


@dataclass(frozen=True)
class ExternalCommand(Fetcher):
    """A command that prints credentials as JSON."""

    command: str

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        provider = vendor_provider("ExternalCredentialsProvider", context.origin)
        return issued_credentials(
            lambda: provider(process_command=self.command, timeout=int(FETCH_TIMEOUT)),
            context.origin,
            "run its process_command by hand, which has to print the JSON that the vendor documents",
        )

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: the vendor's package is not installed, or too old."""
        vendor_provider("ExternalCredentialsProvider", origin)


@dataclass(frozen=True)
class CloudSso(Fetcher):
    """What a person who has signed in to CloudSSO may use; the token expires in seconds since 1970."""

    sign_in_url: str
    account_id: str
    access_config: str
    access_token: str = field(repr=False)
    token_expires: int

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        provider = vendor_provider("CloudSSOCredentialsProvider", context.origin)
        _check_sign_in(self.token_expires, "CloudSSO", context.origin)
        return issued_credentials(
            lambda: provider(
                sign_in_url=self.sign_in_url,
                account_id=self.account_id,
                access_config=self.access_config,
                access_token=self.access_token,
                access_token_expire=self.token_expires,
                http_options=http_options(self.sign_in_url, context.proxy),
            ),
            context.origin,
            _sign_in_sentence("CloudSSO"),
        )

    def secrets(self) -> set[str]:
        return {self.access_token}

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: the vendor's package is not installed, or too old."""
        vendor_provider("CloudSSOCredentialsProvider", origin)


@dataclass(frozen=True)
class OAuth(Fetcher):
    """What a person who has signed in on one of the vendor's sites may use, and what has been ``issued`` already."""

    site: str
    access_token: str = field(repr=False)
    token_expires: int
    issued: Credentials

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        provider = vendor_provider("OAuthCredentialsProvider", context.origin)
        _check_sign_in(max(self.token_expires, self.issued.expires or 0), "OAuth", context.origin)
        url, client_id = OAUTH_SITES[self.site]
        return issued_credentials(
            lambda: provider(
                client_id=client_id,
                sign_in_url=url,
                access_token=self.access_token,
                access_token_expire=self.token_expires,
                access_key_id=self.issued.access_key_id,
                access_key_secret=self.issued.access_key_secret,
                security_token=self.issued.security_token,
                sts_expiration=self.issued.expires,
                http_options=http_options(url, context.proxy),
            ),
            context.origin,
            _sign_in_sentence("OAuth"),
        )

    def secrets(self) -> set[str]:
        return {self.access_token, *self.issued.secrets()}

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: the vendor's package is not installed, or too old."""
        vendor_provider("OAuthCredentialsProvider", origin)


def _check_sign_in(expires: float, mode: str, origin: str) -> None:
    """:raises OtaError: the sign-in has expired."""
    if expires <= time.time():
        raise credentials_error(f"the sign-in of {origin} has expired", _sign_in_sentence(mode), transient=False)


def _sign_in_sentence(mode: str) -> str:
    return f"sign in again with: aliyun configure --mode {mode}"
