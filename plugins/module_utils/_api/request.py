# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds signed requests in both styles: no clock, no random number, no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .._validation import host_header
from .credentials import Credentials
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
from .schema import Operation
from .signature import authorization_header, canonical_query, content_hash, percent_encode, sign_acs3, sign_query


class ServiceConfig(NamedTuple):
    """Which service to call, and how.

    ``timeout``, in seconds, is for one call from its first attempt to the end of its last. ``retries`` are the further
    attempts after the first. Not counted are those that had only to be signed anew, and, if there are any retries,
    those that were throttled.
    """

    platform: Platform
    endpoint: str
    region: str | None = None
    iot_instance_id: str | None = None
    response_format: str = "json"
    timeout: float = 30.0
    retries: int = 5
    signature_method: str = RPC_METHOD

    def scope(self) -> str:
        """What names the service and the instance that are polled."""
        return " ".join([self.platform.name, self.endpoint, self.iot_instance_id or "-"])

    @property
    def omits_version(self) -> bool:
        """Whether requests leave out ``Format``, ``Version`` and ``SignatureVersion``, as Tuya's examples do.

        They travel in the query of the RPC style only. XML has to be requested by one of them.
        """
        rpc = self.signature_method == RPC_METHOD
        return rpc and not self.platform.sends_version and self.response_format == "json"


class SignedRequest(NamedTuple):
    """A request that is ready to be sent. ``signature`` stands apart, so that it can be masked in all texts."""

    method: str
    url: str
    headers: Mapping[str, str]
    signature: str


def build_request(
    service: ServiceConfig,
    operation: Operation,
    arguments: Mapping[str, Argument],
    credentials: Credentials,
    nonce: str,
    timestamp: str,
    send_version: bool = False,
) -> SignedRequest:
    """The request that calls ``operation`` of ``service``.

    ``send_version`` sends ``Format``, ``Version`` and ``SignatureVersion`` although the platform leaves them out.

    :raises OtaError: a value is not valid Unicode.
    """
    common: dict[str, Argument] = {
        "action": operation.action,
        "access_key_id": credentials.access_key_id,
        "security_token": credentials.security_token if service.platform.sends_token else None,
        "nonce": nonce,
        "timestamp": timestamp,
    }
    parameters = wire_parameters(operation.parameters, arguments)
    if service.signature_method == ACS3_METHOD:
        return _build_acs3(service, common, parameters, credentials.access_key_secret)
    if send_version or not service.omits_version:
        common.update(format=service.response_format.upper(), version=VERSION, signature_version="1.0")
    return _build_rpc(service, common, parameters, credentials.access_key_secret)


def _build_rpc(
    service: ServiceConfig, common: Mapping[str, Argument], parameters: Mapping[str, str], secret: str
) -> SignedRequest:
    """The older style: everything is in the query."""
    values: dict[str, Argument] = {"signature_method": RPC_METHOD, **common}
    if service.platform.sends_region:
        values.update(region=service.region, iot_instance_id=service.iot_instance_id)
    method = service.platform.method
    query = canonical_query({**wire_parameters(COMMON_PARAMETERS, values), **parameters})
    signature = sign_query(method, query, secret)
    signed = f"{query}&{COMMON_PARAMETERS['signature']}={percent_encode(signature)}"
    return SignedRequest(method, f"{service.endpoint}?{signed}", {}, signature)


def _build_acs3(
    service: ServiceConfig, common: Mapping[str, Argument], parameters: Mapping[str, str], secret: str
) -> SignedRequest:
    """The newer style: the caller is named in headers. The region is in the name of the host, and nowhere else."""
    values = {**common, "host": host_header(service.endpoint), "version": VERSION, "body_hash": content_hash()}
    if not values["security_token"]:
        del values["access_key_id"]  # it is a header of temporary keys only; Authorization names it for all
    headers = wire_parameters(COMMON_HEADERS, values)
    instance = {"iot_instance_id": service.iot_instance_id} if service.platform.sends_region else {}
    query = canonical_query({**wire_parameters(COMMON_PARAMETERS, instance), **parameters})
    method = service.platform.method
    signature = sign_acs3(method, query, headers, secret)
    # Not signed, because a proxy may change it.
    accept = {"Accept": f"application/{service.response_format}"}
    proof = {"Authorization": authorization_header(str(common["access_key_id"]), headers, signature)}
    return SignedRequest(method, f"{service.endpoint}?{query}", {**headers, **accept, **proof}, signature)
