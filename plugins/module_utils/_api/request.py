# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A question as it goes out: signed in one of the two styles, with nothing of its own but what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from .credentials import Credentials
from .operations import Operation
from .platforms import (
    ACS3_METHOD,
    COMMON_HEADERS,
    COMMON_PARAMETERS,
    RPC_METHOD,
    VERSION,
    Argument,
    Platform,
    wire_parameters,
)
from .signature import authorization, canonical_query, content_hash, percent_encode, sign_acs3, sign_query


class Service(NamedTuple):
    """Whom to ask, and how.

    ``timeout``, in seconds, is for one call from its first attempt to the end of its last. ``retries`` are the further
    attempts after the first. Not counted are those that had only to be signed anew, and, if there are any retries,
    those that were throttled.
    """

    platform: Platform
    endpoint: str
    region: str | None = None
    iot_instance_id: str | None = None
    response_format: str = "json"
    full_common_parameters: bool = False
    timeout: float = 30.0
    retries: int = 5
    signature_method: str = RPC_METHOD


class Signed(NamedTuple):
    """A request that is ready to be sent. ``signature`` is known apart, to be kept out of all texts."""

    method: str
    url: str
    headers: Mapping[str, str]
    signature: str


def sign(
    service: Service,
    operation: Operation,
    arguments: Mapping[str, Argument],
    credentials: Credentials,
    nonce: str,
    timestamp: str,
) -> Signed:
    """The request that asks ``service`` for ``operation``.

    :raises OtaError: a value is not valid Unicode.
    """
    who: dict[str, Argument] = {
        "action": operation.action,
        "access_key_id": credentials.access_key_id,
        "security_token": credentials.security_token if service.platform.sends_token else None,
        "nonce": nonce,
        "timestamp": timestamp,
    }
    what = wire_parameters(operation.parameters, arguments)
    make = _acs3 if service.signature_method == ACS3_METHOD else _rpc
    return make(service, who, what, credentials.access_key_secret)


def _rpc(service: Service, who: Mapping[str, Argument], what: Mapping[str, str], secret: str) -> Signed:
    """The older style: everything is in the query."""
    common: dict[str, Argument] = {"signature_method": RPC_METHOD, **who}
    if service.platform.sends_version or service.full_common_parameters or service.response_format != "json":
        common.update(format=service.response_format.upper(), version=VERSION, signature_version="1.0")
    if service.platform.sends_place:
        common.update(region=service.region, iot_instance_id=service.iot_instance_id)
    method = service.platform.method
    query = canonical_query({**wire_parameters(COMMON_PARAMETERS, common), **what})
    signature = sign_query(method, query, secret)
    signed = f"{query}&{COMMON_PARAMETERS['signature']}={percent_encode(signature)}"
    return Signed(method, f"{service.endpoint}?{signed}", {}, signature)


def _acs3(service: Service, who: Mapping[str, Argument], what: Mapping[str, str], secret: str) -> Signed:
    """The newer style: who asks is told by headers. The region is in the name of the host, and nowhere else."""
    common = {**who, "host": host_of(service.endpoint), "version": VERSION, "body_hash": content_hash()}
    if not common["security_token"]:
        del common["access_key_id"]  # it is a header of temporary keys only; the authorization names it for all
    headers = wire_parameters(COMMON_HEADERS, common)
    place = {"iot_instance_id": service.iot_instance_id} if service.platform.sends_place else {}
    query = canonical_query({**wire_parameters(COMMON_PARAMETERS, place), **what})
    method = service.platform.method
    signature = sign_acs3(method, query, headers, secret)
    # Not signed, because a proxy may change it.
    accept = {"Accept": f"application/{service.response_format}"}
    permit = {"Authorization": authorization(str(who["access_key_id"]), headers, signature)}
    return Signed(method, f"{service.endpoint}?{query}", {**headers, **accept, **permit}, signature)


def host_of(endpoint: str) -> str:
    """The host and port of ``endpoint`` as the header that is signed and sent says them."""
    netloc = urlsplit(endpoint).netloc
    return netloc if netloc.isascii() else netloc.encode("idna").decode("ascii")
