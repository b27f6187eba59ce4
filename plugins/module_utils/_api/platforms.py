# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dialects of the API: how a request of each platform is put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Union

from .._validation import check_unicode

VERSION = "2018-01-20"
Argument = Union[str, Sequence[str], None]

COMMON_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "action": "Action",
        "version": "Version",
        "format": "Format",
        "access_key_id": "AccessKeyId",
        "security_token": "SecurityToken",
        "signature_method": "SignatureMethod",
        "signature_version": "SignatureVersion",
        "nonce": "SignatureNonce",
        "timestamp": "Timestamp",
        "signature": "Signature",
        "region": "RegionId",
        "iot_instance_id": "IotInstanceId",
    }
)

#: Headers of ACS3 for the common parameters. Region and instance stay in the query, as in :data:`COMMON_PARAMETERS`.
COMMON_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "host": "host",
        "action": "x-acs-action",
        "version": "x-acs-version",
        "timestamp": "x-acs-date",
        "nonce": "x-acs-signature-nonce",
        "body_hash": "x-acs-content-sha256",
        "access_key_id": "x-acs-accesskey-id",
        "security_token": "x-acs-security-token",
    }
)


def wire_parameters(names: Mapping[str, str], values: Mapping[str, Argument]) -> dict[str, str]:
    """``values`` under their names on the wire, without empty ones; a list is numbered from 1.

    :raises OtaError: a value is not valid Unicode.
    """
    params: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, str) and value:
            params[names[name]] = value
        elif value:
            params.update({f"{names[name]}.{number}": item for number, item in enumerate(value, 1)})
    for wire, text in params.items():
        check_unicode(wire, text)
    return params


RPC_METHOD, ACS3_METHOD = "HMAC-SHA1", "ACS3-HMAC-SHA256"


class Platform(NamedTuple):
    """A dialect: how requests go out. Responses need no dialect, they are read without regard to letter case."""

    name: str
    method: str
    sends_version: bool  # Format, Version and SignatureVersion
    sends_region: bool  # RegionId and IotInstanceId
    sends_token: bool  # SecurityToken; a platform without temporary keys must not see one of another
    signature_methods: tuple[str, ...]  # the first is what its own tools use
    cancelable: tuple[str, ...]  # which tasks of a batch can be canceled
    cancels_strategies: bool  # those of dynamic batches
    regions: tuple[str, ...] = ()
    host: str = ""
    has_tags: bool = True  # of batches


PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {
        "alibaba": Platform(
            name="alibaba",
            method="POST",
            sends_version=True,
            sends_region=True,
            sends_token=True,
            signature_methods=(ACS3_METHOD, RPC_METHOD),
            cancelable=("queued", "notified", "unconfirmed", "in_progress", "scheduled"),
            cancels_strategies=True,
            regions=(
                "cn-shanghai",
                "cn-beijing",
                "cn-shenzhen",
                "ap-southeast-1",
                "ap-northeast-1",
                "us-west-1",
                "us-east-1",
                "eu-central-1",
            ),
            host="iot.{region}.aliyuncs.com",
        ),
        "tuya": Platform(
            name="tuya",
            method="GET",
            sends_version=False,
            sends_region=False,
            sends_token=False,
            signature_methods=(RPC_METHOD,),
            has_tags=False,
            cancelable=("queued", "notified", "unconfirmed"),
            cancels_strategies=False,
        ),
    }
)
