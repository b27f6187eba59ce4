# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the codes of the API mean, as data."""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from .._errors import Retry


def _matches(pattern: str, code: str) -> bool:
    """Whether ``code`` is meant; patterns are compiled only when an error has come, which saves every task the time."""
    return re.search(pattern, code, re.IGNORECASE) is not None


class Meaning(NamedTuple):
    """What a code of the service means for us.

    ``quote`` is off where the service's text repeats the signed request. ``systemic`` is on where any other question
    would get the same answer.
    """

    pattern: str
    hint: str
    retry: Retry = Retry.NEVER
    quote: bool = True
    systemic: bool = False


_CLOCK_CODES = r"^InvalidTimeStamp\."


_PERMISSION_CODES = r"^(Forbidden|NoPermission)(\.|$)|\.RamActionPermissionDeny$"


_INSTANCE_CODES = r"\.(IotInstanceNotFound|InstanceNotFound)$"


_EXPIRY_CODES = r"^InvalidSecurityToken\.Expired$"


_KEY_CODES = (
    r"^(SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeyId|MissingSecurityToken|InvalidSecurityToken)(\.|$)"
)


MEANINGS = (
    Meaning(
        r"^(Throttling|Rejected\.Throttling|iot\.messagebroker\.RateLimit)(\.|$)",
        "lower max_qps or ask again later, because all users of an account share its quota",
        Retry.SLOWER,
    ),
    Meaning(
        r"^(ServiceUnavailable|InternalError|UnknownError|iot\.system\.SystemException)(\.|$)",
        "ask again later, or give the request id to the vendor's support",
        Retry.LATER,
    ),
    Meaning(r"^SignatureNonceUsed$", "make sure that no proxy sends a request twice", Retry.ONCE, quote=False),
    Meaning(
        _CLOCK_CODES,
        "set the clock of the machine that runs the module, best by NTP",
        Retry.ONCE,
        quote=False,
        systemic=True,
    ),
    Meaning(
        r"^(SignatureDoesNotMatch|IncompleteSignature)(\.|$)",
        "check that access_key_secret is the one that belongs to access_key_id",
        quote=False,
        systemic=True,
    ),
    Meaning(
        r"^InvalidAccessKeyId\.Inactive$",
        "enable the access key, or give another by access_key_id and access_key_secret",
        quote=False,
        systemic=True,
    ),
    Meaning(
        r"^InvalidAccessKeyId(\.|$)",
        "check access_key_id, and that platform and endpoint are those of the account that it belongs to",
        quote=False,
        systemic=True,
    ),
    Meaning(
        _EXPIRY_CODES,
        "ask for new temporary credentials and give all three of access_key_id, access_key_secret and security_token",
        quote=False,
        systemic=True,
    ),
    Meaning(
        r"^(MissingSecurityToken|InvalidSecurityToken)(\.|$)",
        "give the security_token that was issued together with access_key_id and access_key_secret",
        quote=False,
        systemic=True,
    ),
    Meaning(
        _PERMISSION_CODES,
        "let the account's administrator allow this action to the user or role of the access key",
        systemic=True,
    ),
    Meaning(
        _INSTANCE_CODES,
        "check iot_instance_id, and that the instance is in this region",
        systemic=True,
    ),
    Meaning(
        r"\.(UidNotFound|InvalidTenant|IllegalRequest)$",
        "check that the account uses this service in this region",
        systemic=True,
    ),
    Meaning(r"\.BillIsOverDue$", "settle the account's bill", systemic=True),
    Meaning(r"(^|\.)NotExistedProduct$", "check product_key", systemic=True),
    Meaning(r"(^|\.)FirmwareNotFound$", "check firmware_id", systemic=True),
    Meaning(
        r"^(InvalidApi\.NotFound|UnsupportedOperation|InvalidVersion)(\.|$)",
        "check platform and endpoint, because this service does not offer the operation",
        systemic=True,
    ),
    Meaning(
        r"^Missing(Format|Version|SignatureVersion)$", "set full_common_parameters, or check platform", systemic=True
    ),
    Meaning(
        r"^Missing(Action|AccessKeyId|SignatureMethod|SignatureNonce|Signature|Timestamp)$",
        "check platform and endpoint, or set signature_method to HMAC-SHA1, because this service does not see who asks",
        systemic=True,
    ),
    Meaning(r"^Missing|^Invalid|\.InvalidPageParams$", "correct the option that the code names"),
)


_UNKNOWN_CODE = Meaning("", "look the code up in the vendor's list of error codes")


_SERVER_FAULT = Meaning("", "ask again later, or look at the service's status page", Retry.LATER)


_TOO_MANY = Meaning("", "lower max_qps or ask again later", Retry.SLOWER)


def meaning_of(code: str, http_status: int | None = None) -> Meaning:
    """What ``code`` means; an unknown one is judged by the HTTP status alone."""
    for meaning in MEANINGS:
        if _matches(meaning.pattern, code):
            return meaning
    if http_status == 429:
        return _TOO_MANY
    return _SERVER_FAULT if http_status is not None and http_status >= 500 else _UNKNOWN_CODE


def is_clock_code(code: str) -> bool:
    """Whether ``code`` says that the time stamp of the request is off."""
    return _matches(_CLOCK_CODES, code)


class Topic(enum.Enum):
    """What a failure is about."""

    NETWORK = "network"  # nothing that answers is the service
    KEY = "key"
    CLOCK = "clock"
    PERMISSION = "permission"
    INSTANCE = "instance"
    OTHER = "other"


_TOPICS = (
    (_KEY_CODES, Topic.KEY),
    (_CLOCK_CODES, Topic.CLOCK),
    (_PERMISSION_CODES, Topic.PERMISSION),
    (_INSTANCE_CODES, Topic.INSTANCE),
)


#: Our own codes for answers that are not the service's, and for what is wrong although it answered, or was not asked.
_NOT_THE_SERVICE = r"^(http_\d+|html_answer|redirect|no_success|proxy_\w+)$"


_OF_THE_KEY = r"^(credentials_failed|missing_credentials|bad_profile|missing_library)$"


_NOT_THE_NETWORK = r"^(wrong_answer|incomplete_listing|invalid_option)$"


def topic_of(code: str, http_status: int | None) -> Topic:
    """What a failure with this code is about. Without an HTTP status there was no answer."""
    if _matches(_NOT_THE_NETWORK, code):
        return Topic.OTHER
    if _matches(_OF_THE_KEY, code):
        return Topic.KEY
    if http_status is None or _matches(_NOT_THE_SERVICE, code):
        return Topic.NETWORK
    return next((topic for pattern, topic in _TOPICS if _matches(pattern, code)), Topic.OTHER)


def is_expiry_code(code: str) -> bool:
    """Whether ``code`` says that temporary credentials are over."""
    return _matches(_EXPIRY_CODES, code)


def is_key_code(code: str) -> bool:
    """Whether ``code`` finds fault with the key that signed the request, so that one wants to know where it is from."""
    return _matches(_KEY_CODES, code) or _matches(_PERMISSION_CODES, code)
