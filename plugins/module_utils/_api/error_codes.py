# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the codes of the API mean, as data."""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from .._errors import Retry


def matches_code(pattern: str, code: str) -> bool:
    """Whether ``pattern`` matches ``code``. Patterns are compiled after an error only, to keep all other tasks fast."""
    return re.search(pattern, code, re.IGNORECASE) is not None


class ErrorCode(NamedTuple):
    """What a code of the service means.

    ``quote`` is off where the service's text repeats the signed request. ``affects_all`` is on where any other request
    would be refused alike.
    """

    pattern: str
    hint: str
    retry: Retry = Retry.NEVER
    quote: bool = True
    affects_all: bool = False


_CLOCK_CODES = r"^InvalidTimeStamp\."

_PERMISSION_CODES = r"^(Forbidden|NoPermission)(\.|$)|\.RamActionPermissionDeny$"

_INSTANCE_CODES = r"\.(IotInstanceNotFound|InstanceNotFound)$"

_EXPIRY_CODES = r"^InvalidSecurityToken\.Expired$"

_VERSION_CODES = r"^Missing(Format|Version|SignatureVersion)$"

_KEY_CODES = (
    r"^(SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeyId|MissingSecurityToken|InvalidSecurityToken)(\.|$)"
)

ERROR_CODES = (
    ErrorCode(
        r"^(Throttling|Rejected\.Throttling|iot\.messagebroker\.RateLimit)(\.|$)",
        "lower max_qps or try again later, because all users of an account share its quota",
        Retry.SLOWER,
    ),
    ErrorCode(
        r"^(ServiceUnavailable|InternalError|UnknownError|iot\.system\.SystemException)(\.|$)",
        "try again later, or give the request ID to the vendor's support",
        Retry.LATER,
    ),
    ErrorCode(r"^SignatureNonceUsed$", "make sure that no proxy sends a request twice", Retry.ONCE, quote=False),
    ErrorCode(
        _CLOCK_CODES,
        "set the clock of the machine that runs the module, preferably by NTP",
        Retry.ONCE,
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        r"^(SignatureDoesNotMatch|IncompleteSignature)(\.|$)",
        "check that access_key_secret is the one that belongs to access_key_id",
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        r"^InvalidAccessKeyId\.Inactive$",
        "enable the access key, or give another one in access_key_id and access_key_secret",
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        r"^InvalidAccessKeyId(\.|$)",
        "check access_key_id, and that platform and endpoint are those of its account",
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        _EXPIRY_CODES,
        "request new temporary credentials and give all three of access_key_id, access_key_secret and security_token",
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        r"^(MissingSecurityToken|InvalidSecurityToken)(\.|$)",
        "give the security_token that was issued together with access_key_id and access_key_secret",
        quote=False,
        affects_all=True,
    ),
    ErrorCode(
        _PERMISSION_CODES,
        "ask the account's administrator to allow this action for the user or role of the access key",
        affects_all=True,
    ),
    ErrorCode(
        _INSTANCE_CODES,
        "check iot_instance_id, and that the instance is in this region",
        affects_all=True,
    ),
    ErrorCode(
        r"\.(UidNotFound|InvalidTenant|IllegalRequest)$",
        "check that the account uses this service in this region",
        affects_all=True,
    ),
    ErrorCode(r"\.BillIsOverDue$", "settle the account's bill", affects_all=True),
    ErrorCode(r"(^|\.)NotExistedProduct$", "check product_key", affects_all=True),
    ErrorCode(r"(^|\.)FirmwareNotFound$", "check firmware_id", affects_all=True),
    ErrorCode(
        r"^(InvalidApi\.NotFound|UnsupportedOperation|InvalidVersion)(\.|$)",
        "check platform and endpoint, because this service does not offer the operation",
        affects_all=True,
    ),
    ErrorCode(
        _VERSION_CODES,
        "check platform and endpoint, or set signature_method to HMAC-SHA1, because this service cannot see the"
        " common parameters",
        affects_all=True,
    ),
    ErrorCode(
        r"^Missing(Action|AccessKeyId|SignatureMethod|SignatureNonce|Signature|Timestamp)$",
        "check platform and endpoint, or set signature_method to HMAC-SHA1, because this service cannot see who is"
        " calling",
        affects_all=True,
    ),
    ErrorCode(r"^Missing|^Invalid|\.InvalidPageParams$", "correct the option that the code names"),
)

_UNKNOWN_CODE = ErrorCode("", "look the code up in the vendor's list of error codes")

_SERVER_FAULT = ErrorCode("", "try again later, or check the service's status page", Retry.LATER)

_TOO_MANY = ErrorCode("", "lower max_qps or try again later", Retry.SLOWER)


def lookup_error_code(code: str, http_status: int | None = None) -> ErrorCode:
    """What ``code`` means; the meaning of an unknown one is that of the HTTP status."""
    for meaning in ERROR_CODES:
        if matches_code(meaning.pattern, code):
            return meaning
    if http_status == 429:
        return _TOO_MANY
    return _SERVER_FAULT if http_status is not None and http_status >= 500 else _UNKNOWN_CODE


def is_clock_code(code: str) -> bool:
    """Whether ``code`` says that the timestamp of the request is off."""
    return matches_code(_CLOCK_CODES, code)


class FailureTopic(enum.Enum):
    """What a failure is about."""

    NETWORK = "network"  # what responds, if anything, is not the service
    KEY = "key"
    CLOCK = "clock"
    PERMISSION = "permission"
    INSTANCE = "instance"
    OTHER = "other"


_TOPICS = (
    (_KEY_CODES, FailureTopic.KEY),
    (_CLOCK_CODES, FailureTopic.CLOCK),
    (_PERMISSION_CODES, FailureTopic.PERMISSION),
    (_INSTANCE_CODES, FailureTopic.INSTANCE),
)

#: Codes of our own for responses that are not the service's.
_FOREIGN_RESPONSES = r"^(http_\d+|html_response|redirect|no_success|proxy_\w+)$"

#: Codes of our own for credentials that cannot be had.
_CREDENTIALS_FAILURES = r"^(credentials_failed|missing_credentials|bad_profile|missing_library)$"

#: Codes of our own for what is wrong although the service responded, or was not called.
_OTHER_FAILURES = r"^(wrong_response|incomplete_listing|invalid_option)$"


def failure_topic(code: str, http_status: int | None) -> FailureTopic:
    """What a failure with this code is about. Without an HTTP status there was no response."""
    if matches_code(_OTHER_FAILURES, code):
        return FailureTopic.OTHER
    if matches_code(_CREDENTIALS_FAILURES, code):
        return FailureTopic.KEY
    if http_status is None or matches_code(_FOREIGN_RESPONSES, code):
        return FailureTopic.NETWORK
    return next((topic for pattern, topic in _TOPICS if matches_code(pattern, code)), FailureTopic.OTHER)


def is_expiry_code(code: str) -> bool:
    """Whether ``code`` says that temporary credentials have expired."""
    return matches_code(_EXPIRY_CODES, code)


def is_version_code(code: str) -> bool:
    """Whether ``code`` says that one of the common parameters is missing that a platform leaves out."""
    return matches_code(_VERSION_CODES, code)


def is_key_code(code: str) -> bool:
    """Whether ``code`` is about the key that signed the request, so that its origin matters."""
    return matches_code(_KEY_CODES, code) or matches_code(_PERMISSION_CODES, code)
