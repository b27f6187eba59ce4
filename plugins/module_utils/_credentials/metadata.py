# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials that a service in reach simply hands out: the metadata service of an ECS instance, or one at a URI.

Not left to the vendor's package, which sends these requests through the proxy that the environment names, although the
address means another machine there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

from .._api.credentials import Credentials
from .._errors import OtaError
from .._http.transport import Transport
from .._validation import stays_here
from .provider import checked, unusable

#: Where an ECS instance asks about itself.
METADATA = "http://100.100.100.200"


ROLES = "/latest/meta-data/ram/security-credentials/"


#: The answer comes from the machine's own host, or not at all. In seconds.
METADATA_TIMEOUT = 2.0


URI_TIMEOUT = 10.0


def ask_instance(role_name: str, place: str) -> Credentials:
    """The credentials of the instance's role; without its name, of the only one that there is.

    Always by a token: a service that gives none might be tricked into asking on somebody else's behalf.

    :raises OtaError: there are none.
    """
    transport = Transport(direct=True)
    lifetime = {"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}
    token = _ask(transport, "PUT", f"{METADATA}/latest/api/token", METADATA_TIMEOUT, lifetime, place)
    permit = {"X-aliyun-ecs-metadata-token": token.strip()}
    if not role_name:
        role_name = _ask(transport, "GET", METADATA + ROLES, METADATA_TIMEOUT, permit, place).strip()
    url = f"{METADATA}{ROLES}{quote(role_name, safe='')}"
    return read_keys(_ask(transport, "GET", url, METADATA_TIMEOUT, permit, place), place)


def ask_uri(uri: str, place: str, allow_http: bool = False) -> Credentials:
    """What the service at ``uri`` hands out, which is asked directly if it is on this machine.

    :raises OtaError: there is nothing, or it would come in clear from another machine.
    """
    local = stays_here(uri, None)
    if uri.lower().startswith("http:") and not local and not allow_http:
        raise unusable(
            f"{place} is asked by plain http, so that the credentials would travel in clear",
            "write https://, or set allow_http to true if you trust everything on the way",
            passing=False,
        )
    return read_keys(_ask(Transport(direct=local), "GET", uri, URI_TIMEOUT, {}, place), place)


def _ask(transport: Transport, method: str, url: str, timeout: float, headers: Mapping[str, str], place: str) -> str:
    try:
        response = transport.send(method, url, timeout, headers)
    except OtaError as error:
        # Its hint is about the service that is asked for facts. The query of a URI may hold a secret.
        passing = not url.startswith(METADATA)  # where there is none, nobody answers later either
        raise unusable(f"{place} cannot be asked: {error.cause}", _HINT, passing) from None
    if response.status != 200:
        passing = response.status == 429 or response.status >= 500
        raise unusable(f"{place} answered with HTTP {response.status}", _HINT, passing)
    return response.body.decode("utf-8", "replace")


_HINT = "check that this machine has such a service and a role, or choose another credentials_source"


def read_keys(text: str, place: str) -> Credentials:
    """The credentials in an answer.

    :raises OtaError: there are none.
    """
    try:
        given: dict[str, Any] = {name.lower(): value for name, value in json.loads(text).items()}
        expires = datetime.strptime(given["expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        parts = [given[name] for name in ("accesskeyid", "accesskeysecret", "securitytoken")]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise unusable(f"{place} gave no usable credentials", _HINT, passing=False) from None
    if given.get("code", "Success") != "Success":
        raise unusable(f"{place} gave no credentials and did not say Success", _HINT, passing=False)
    names = [f"the {part} from {place}" for part in ("key id", "secret", "token")]
    return checked((names[0], names[1], names[2]), Credentials(parts[0], parts[1], parts[2], expires.timestamp()))
