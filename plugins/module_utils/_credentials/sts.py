# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles to assume, with the credentials that the vendor's Security Token Service (STS) issues for them."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from .._api.credentials import Credentials
from .._api.platforms import COMMON_PARAMETERS, RPC_METHOD
from .._api.signature import canonical_query, sign_rpc
from .._errors import OtaError, Retry
from .._http.transport import Response, Transport
from .provider import (
    FetchContext,
    Fetcher,
    credentials_error,
    names_of_parts,
    refusal_code,
    refused_error,
    validate_credentials,
)

#: URL of STS, in place of the vendor's.
STS_ENDPOINT: str | None = None
#: Maximum length of a token in a file. The vendor documents 20,000 characters.
MAX_TOKEN = 20_000
#: Seconds for a response of STS.
STS_TIMEOUT = 10.0
#: Seconds for which issued credentials are good, unless the session says otherwise.
SESSION_SECONDS = 3600


@dataclass(frozen=True)
class RoleSession:
    """The session of a role; ``None`` and empty text mean the service's defaults."""

    role_arn: str
    name: str = ""
    seconds: int | None = None
    policy: str = ""
    sts_region: str = ""
    vpc: bool = False


@dataclass(frozen=True)
class AssumedRole(Fetcher):
    """A role that the owner of other credentials assumes."""

    base: Fetcher
    session: RoleSession
    external_id: str = ""

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        base = self.base.fetch(context)
        parameters = {
            **_session_parameters("AssumeRole", self.session),
            "ExternalId": self.external_id or None,
            COMMON_PARAMETERS["access_key_id"]: base.access_key_id,
            COMMON_PARAMETERS["security_token"]: base.security_token or None,
            COMMON_PARAMETERS["signature_method"]: RPC_METHOD,
            COMMON_PARAMETERS["signature_version"]: "1.0",
            COMMON_PARAMETERS["nonce"]: str(uuid.uuid4()),
        }
        parameters[COMMON_PARAMETERS["signature"]] = sign_rpc("GET", parameters, base.access_key_secret)
        return _request_credentials(parameters, self.session, context)

    def secrets(self) -> set[str]:
        return self.base.secrets()

    def require_library(self, origin: str) -> None:
        """:raises MissingLibraryError: what the base credentials take is not installed."""
        self.base.require_library(origin)


@dataclass(frozen=True)
class OidcRole(Fetcher):
    """A role that the holder of a token in a file assumes."""

    session: RoleSession
    provider_arn: str
    token_file: str

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        parameters = {
            **_session_parameters("AssumeRoleWithOIDC", self.session),
            "OIDCProviderArn": self.provider_arn,
            "OIDCToken": _read_token(self.token_file, context.origin),
        }
        return _request_credentials(parameters, self.session, context)


def _read_token(token_file: str, origin: str) -> str:
    """The token in a file, without the newline that many an editor adds."""
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


def _session_parameters(action: str, session: RoleSession) -> dict[str, str | None]:
    return {
        COMMON_PARAMETERS["action"]: action,
        COMMON_PARAMETERS["version"]: "2015-04-01",
        COMMON_PARAMETERS["format"]: "JSON",
        COMMON_PARAMETERS["timestamp"]: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "RoleArn": session.role_arn,
        "RoleSessionName": session.name or "iotfleet.ota",
        "DurationSeconds": str(session.seconds or SESSION_SECONDS),
        "Policy": session.policy or None,
    }


def _sts_url(session: RoleSession) -> str:
    if STS_ENDPOINT:
        return STS_ENDPOINT
    if not session.sts_region:
        return "https://sts.aliyuncs.com/"
    return f"https://{'sts-vpc' if session.vpc else 'sts'}.{session.sts_region}.aliyuncs.com/"


def _request_credentials(
    parameters: Mapping[str, str | None], session: RoleSession, context: FetchContext
) -> Credentials:
    """:raises OtaError: none are issued."""
    url = f"{_sts_url(session)}?{canonical_query(parameters)}"
    try:
        response = Transport(proxy=context.proxy).send("GET", url, STS_TIMEOUT, {})
    except OtaError as error:
        raise credentials_error(
            f"the service that issues the credentials of {context.origin} cannot be reached: {error.cause}",
            "check the network, the proxy, and the authorities that REQUESTS_CA_BUNDLE names",
            transient=error.retry is Retry.LATER,
        ) from None
    if response.status != 200:
        raise _refused_error(response, context.origin)
    return _read_credentials(response.body, context.origin)


def _read_credentials(body: bytes, origin: str) -> Credentials:
    try:
        found = json.loads(body)["Credentials"]
        expires = datetime.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        key_id, token = (COMMON_PARAMETERS[name] for name in ("access_key_id", "security_token"))
        parts = [found[name] for name in (key_id, "AccessKeySecret", token)]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise credentials_error(
            f"no usable credentials were issued for {origin}",
            "check the role, the duration and the token",
            transient=False,
        ) from None
    issued = Credentials(parts[0], parts[1], parts[2], expires.timestamp())
    return validate_credentials(names_of_parts(f"issued for {origin}"), issued)


def _refused_error(response: Response, origin: str) -> OtaError:
    """Why the service refused."""
    code = refusal_code(response.body.decode("ascii", "replace"))
    if code.startswith("AuthenticationFail.OIDCToken.Expired"):
        return credentials_error(
            f"the token in the token file of {origin} has expired",
            "renew it, or check what renews it and the clock of this machine",
            transient=False,
        )
    hint = "check the role, and that its trust policy allows the caller to assume it"
    return refused_error(code, response.status, origin, hint)
