# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that a nearby service issues to whoever calls it: an ECS instance's metadata service, or one at a URI.

Not left to the vendor's package, which sends these requests through the proxy of the environment, although the address
means another machine there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from .._api.credentials import Credentials
from .._errors import OtaError
from .._http.transport import Transport
from .._validation import is_local
from .provider import FetchContext, Fetcher, credentials_error, names_of_parts, validate_credentials

#: URL of an ECS instance's metadata service.
METADATA = "http://100.100.100.200"
ROLES = "/latest/meta-data/ram/security-credentials/"
#: Seconds for a response of the metadata service, which comes from the machine's own host or not at all.
METADATA_TIMEOUT = 2.0
#: Seconds for a response of the service at a URI.
URI_TIMEOUT = 10.0
_HINT = "check that this machine has such a service and a role, or choose another credentials_source"


@dataclass(frozen=True)
class InstanceRole(Fetcher):
    """The role of the ECS instance, from its metadata service; without a name, the only role that it has."""

    role_name: str = ""

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none."""
        transport, origin = Transport(direct=True), context.origin
        # Always with a token: a service that issues none might be tricked into requests for somebody else.
        lifetime = {"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}
        token = _request_text(transport, "PUT", f"{METADATA}/latest/api/token", METADATA_TIMEOUT, lifetime, origin)
        permit = {"X-aliyun-ecs-metadata-token": token.strip()}
        role = self.role_name
        if not role:
            role = _request_text(transport, "GET", METADATA + ROLES, METADATA_TIMEOUT, permit, origin).strip()
        url = f"{METADATA}{ROLES}{quote(role, safe='')}"
        return parse_credentials(_request_text(transport, "GET", url, METADATA_TIMEOUT, permit, origin), origin)


@dataclass(frozen=True)
class CredentialsUri(Fetcher):
    """The credentials that a service returns at a URI. One on this machine is called without a proxy."""

    uri: str

    def fetch(self, context: FetchContext) -> Credentials:
        """:raises OtaError: there are none, or they would come in clear text from another machine."""
        local = is_local(self.uri, None)
        if self.uri.lower().startswith("http:") and not local and not context.allow_http:
            raise credentials_error(
                f"{context.origin} is called over plain http, so the credentials would travel in clear text",
                "write https://, or set allow_http to true if you trust everything on the way",
                transient=False,
            )
        text = _request_text(Transport(direct=local), "GET", self.uri, URI_TIMEOUT, {}, context.origin)
        return parse_credentials(text, context.origin)


def _request_text(
    transport: Transport, method: str, url: str, timeout: float, headers: Mapping[str, str], origin: str
) -> str:
    """The body of a successful response.

    :raises OtaError: there is none.
    """
    try:
        response = transport.send(method, url, timeout, headers)
    except OtaError as error:
        # Its hint is about the endpoint of the API. The query of a URI may hold a secret.
        transient = not url.startswith(METADATA)  # a machine without a metadata service does not get one later
        raise credentials_error(f"the request to {origin} failed: {error.cause}", _HINT, transient) from None
    if response.status != 200:
        transient = response.status == 429 or response.status >= 500
        raise credentials_error(f"{origin} returned HTTP {response.status}", _HINT, transient)
    return response.body.decode("utf-8-sig", "replace")


def parse_credentials(text: str, origin: str) -> Credentials:
    """The credentials in a response.

    :raises OtaError: there are none.
    """
    try:
        given: dict[str, Any] = {name.lower(): value for name, value in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError):
        raise credentials_error(f"{origin} returned no JSON object", _HINT, transient=False) from None
    if given.get("code", "Success") != "Success":
        raise credentials_error(f"{origin} returned a code other than Success", _HINT, transient=False)
    parts = [given.get(name) or "" for name in ("accesskeyid", "accesskeysecret", "securitytoken")]
    validate_credentials(names_of_parts(f"from {origin}"), Credentials(parts[0], parts[1], parts[2]))
    return Credentials(parts[0], parts[1], parts[2], _parse_expiration(given.get("expiration"), origin))


def _parse_expiration(text: Any, origin: str) -> float:
    """When credentials expire, in seconds since 1970.

    :raises OtaError: that is not said, or not as the vendor's services do.
    """
    try:
        # Some services write a fraction, or another zone than UTC.
        moment = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        if moment.tzinfo is not None:
            return moment.timestamp()
    except (ValueError, TypeError, OverflowError):
        pass
    cause = f"the expiration from {origin} is {'not a time' if text else 'missing'}"
    raise credentials_error(cause, "let the service write it like 2030-01-31T12:00:00Z", transient=False)
