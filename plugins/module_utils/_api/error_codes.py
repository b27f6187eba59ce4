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


#: An old gateway says ``IllegalTimestamp`` where others say ``InvalidTimeStamp.Expired``.
_CLOCK_CODES = r"^InvalidTimeStamp\.|^IllegalTimestamp$"

_PERMISSION_CODES = r"^(Forbidden|NoPermission)(\.|$)|\.RamActionPermissionDeny$"

_INSTANCE_CODES = r"\.(IotInstanceNotFound|InstanceNotFound)$"

_EXPIRY_CODES = r"^(InvalidSecurityToken\.Expired|SecurityTokenExpired)$"

_VERSION_CODES = r"^Missing(Format|Version|SignatureVersion)$"

_KEY_CODES = (
    r"^(SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeyId|MissingSecurityToken|InvalidSecurityToken"
    r"|SecurityTokenExpired)(\.|$)"
)

#: What only operations that change something return, also those that this collection does not call: a code that a
#: service returns in an unexpected place should still be explained.
_CODES_OF_CHANGES = (
    ErrorCode(
        r"^iot\.firmware\.(FirmwareNotVerified|ReUpgradeFailedFirmwareNotVerified|VerifyFirmwareFailed"
        r"|InProgressVerifyJobExisted)$",
        "verify the update package first, and wait for the result",
    ),
    ErrorCode(
        r"^iot\.(firmware|ota)\.\w+(Failed|Failure)$",
        "check in the console whether anything changed before trying again, or give the request ID to the vendor's"
        " support",
    ),
    ErrorCode(
        r"^iot\.firmware\.(SystemBusy|TooManyDeviceUpgrade)ForScheduleTime$",
        "schedule the batch for another time, because too many devices are updated then",
    ),
    ErrorCode(
        r"^iot\.firmware\.FireTime(MustLargeThanCurrentTime|TooLate|TooShort)$",
        "schedule the batch between 5 minutes and 7 days from now",
    ),
    ErrorCode(
        r"^iot\.firmware\.ScheduleFinishTime(EarlierThanStartTime|TooEarly|TooLate|WithoutStartTime)$",
        "let the schedule end between 60 minutes and 30 days after its start, and give both",
    ),
    ErrorCode(
        r"^iot\.firmware\.(DeviceWithDestinationVersionInArray|NonVersionedDeviceInArray|NoDeviceCanUpgrade"
        r"|SrcVersionMismatch|UpgradeSrcVersionMismatch)$",
        "compare the versions that the devices report with those that the update package is for",
    ),
    ErrorCode(r"^iot\.firmware\.CancelOptionIsMandatory$", "choose the states of the tasks to cancel"),
    ErrorCode(
        r"^iot\.firmware\.(DeviceUpgradeRecordNotFound|IncorrectDeviceUpgradeJobStatus|InProgressDynamicJobExisted"
        r"|JobAlreadyCanceled|JobHasNoScheduleTime|NotDynamicJob)$",
        "look at the batches and tasks in the console, because their kind or state does not fit the operation",
    ),
    ErrorCode(
        r"^iot\.firmware\.(BadlyFormattedGrayPercent|Dynamic(Gray|Specific)NotSupported|GrayAppliesToStaticOnly"
        r"|Invalid(DynamicMode|GrayPercent|MaximumPerMinute|OverwriteMode|RetryCount|RetryInterval|SelectionType"
        r"|TargetSelection|TimeoutSetting)|MoreThanOneSrcVersion|Null(GrayPercent|SelectionType|SrcVersions"
        r"|TargetDeviceNames|TargetSelection)|SrcVersionsNotAllowed|TargetDeviceNamesNotAllowed)$"
        r"|^iot\.ota\.tag\.KeyDuplicated$",
        "correct the setting of the batch that the code names",
    ),
    ErrorCode(
        r"^iot\.firmware\.(BlankFirmwareName|EmptyFirmwareFile|FirmwareDescriptionExceedMaxLength"
        r"|IncorrectFormatted(FirmwareName|FirmwareVersion|ModuleName|SrcVersion)|InvalidFirmware"
        r"|InvalidFirmware(Sign|SignMethod|Size|Type|Url)|InvalidGenerateOTAUploadURLParam|MalformedFirmwareUrl"
        r"|NullFirmware(Name|Url|Version)|SrcDestVersionMatched|SrcVersionIsMandatory)$",
        "correct the property of the update package or module that the code names",
    ),
    ErrorCode(
        r"^iot\.firmware\.(AlreadyExistedFirmwareName|AlreadyExistedFirmwareVersion|ModuleNameReserved)$"
        r"|^iot\.ota\.CreateOTAModuleNameExist$",
        "choose another name or version, because this one is taken",
    ),
    ErrorCode(
        r"^iot\.firmware\.(FirmwareCountExceedMax|ModuleCountLimitExceeded)$|^iot\.ota\.CreateOTAModuleExceedLimit$",
        "delete an update package or module that nobody needs, because no more are allowed",
    ),
    ErrorCode(
        r"^iot\.ota\.(DeleteOTAModulePackageExist|DeleteOtaDefaultModule)$",
        "keep the module, because neither the default module nor one with update packages can be deleted",
    ),
    ErrorCode(r"^iot\.system\.InstanceIdSame$", "name two different instances"),
    ErrorCode(r"^iot\.devicesearch\.InvalidSQL\w+$", "correct the query by the vendor's page on QueryDeviceBySQL"),
)

ERROR_CODES = (
    ErrorCode(
        r"^(Throttling|Rejected\.Throttling|iot\.message(broker|borker)\.RateLimit)(\.|$)",
        "lower max_qps or try again later, because all users of an account share its quota",
        Retry.SLOWER,
    ),
    ErrorCode(
        r"^(ServiceUnavailable|InternalError|UnknownError|SystemBusy|ServiceBusy|LastTokenProcessing"
        r"|iot\.system\.SystemException)(\.|$)"
        r"|^iot\.\w+\.(List|Query)\w+(Failed|Failure|ActionError)$",
        "try again later, or give the request ID to the vendor's support",
        Retry.LATER,
    ),
    ErrorCode(
        r"^iot\.firmware\.(SystemBusy|TooManyDeviceUpgrade)$",
        "try again later, because the service is busy with updates",
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
    ErrorCode(_INSTANCE_CODES, "check iot_instance_id, and that the instance is in this region", affects_all=True),
    ErrorCode(
        r"\.APINotSupportedInInstance$",
        "use an Enterprise instance that offers this operation, because public instances and MQTT instances lack some",
        affects_all=True,
    ),
    ErrorCode(
        r"\.(UidNotFound|InvalidTenant)$", "check that the account uses this service in this region", affects_all=True
    ),
    ErrorCode(r"\.BillIsOverDue$|^Account\.Arrearage$", "settle the account's bill", affects_all=True),
    ErrorCode(
        r"\.AuthActionPermissionDeny$",
        "check that the product and its devices belong to the account of the access key",
    ),
    ErrorCode(
        r"(^|\.)NotExistedProduct$|^iot\.prod\.(InvalidFormattedProductKey|NullProductKey|NotProductOwner)$"
        r"|^iot\.firmware\.InvalidProductKey$",
        "check product_key, and that region, iot_instance_id and the access key are those of its account",
        affects_all=True,
    ),
    ErrorCode(
        r"(^|\.)FirmwareNotFound$|^iot\.firmware\.(InvalidFirmwareId|NullFirmwareId)$",
        "check firmware_id",
        affects_all=True,
    ),
    ErrorCode(
        r"^iot\.firmware\.FirmwareAndProductKeyMismatch$",
        "check firmware_id and product_key, because the package is one of another product",
        affects_all=True,
    ),
    ErrorCode(
        r"^iot\.firmware\.(InvalidOTAJobId|NullOTAJobId)$",
        "check job_id, and that region, iot_instance_id and the access key are those of its account",
    ),
    ErrorCode(r"^iot\.firmware\.(InvalidOTATaskId|NullTaskId)$", "check the IDs of the tasks"),
    ErrorCode(
        r"^iot\.device\.(NotExistedDevice|InvalidIoTId|InvalidFormattedDeviceName|NullDeviceName|NoneDeviceNameElement)$",
        "check the names and IDs of the devices",
    ),
    ErrorCode(r"^iot\.device\.InactiveDevice$", "connect the device first, because it was never online"),
    ErrorCode(r"^iot\.group\.(NotExistedGroup|NullGroupId)$", "check the ID of the group"),
    ErrorCode(r"^iot\.ota\.OTAModuleNotExist$", "check module_name, because the product has no such module"),
    ErrorCode(
        r"^(InvalidApi\.NotFound|InvalidAction\.NotFound|InvalidProduct\.NotFound|UnsupportedOperation"
        r"|UnsupportedHTTPMethod|InvalidVersion)(\.|$)",
        "check platform and endpoint, because this service does not offer the operation",
        affects_all=True,
    ),
    ErrorCode(
        r"^(InvalidOperation\.NotSupportedEndpoint|RegionId\.ApiNotSupported)$",
        "check region and endpoint, because the operation is not offered there",
        affects_all=True,
    ),
    ErrorCode(r"^InvalidProtocol\.NeedSsl$", "write https:// in endpoint", affects_all=True),
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
    ErrorCode(r"^Missing|^Invalid|\.(InvalidPageParams|InvalidTaskStatus)$", "correct the option that the code names"),
    ErrorCode(
        r"\.(IllegalRequest|InvalidFormattedParameter|ParameterIsNotLessThanMax)$|^iot\.ota\.\w+ParamError$",
        "compare the options with the vendor's page on the operation",
    ),
    ErrorCode(
        r"\.(ParameterSizeExceedMax|SrcVersionsSizeExceedMax)$", "name fewer, because the list has too many entries"
    ),
    *_CODES_OF_CHANGES,
)

#: What a code means that nothing is known about.
UNKNOWN_CODE = ErrorCode("", "look the code up in the vendor's list of error codes")

#: Codes that are numbers. This service has none, but the API of Tuya's other cloud has.
_FOREIGN_CODE = ErrorCode(
    r"^\d+$",
    "check platform and endpoint, because another API responds there, such as that of Tuya's cloud at openapi.tuya…",
    affects_all=True,
)

_SERVER_FAULT = ErrorCode("", "try again later, or check the service's status page", Retry.LATER)

_TOO_EARLY_OR_LATE = ErrorCode("", "try again, or check the network and proxy", Retry.LATER)

#: What an HTTP status means if the code does not say more.
_STATUSES = {
    408: _TOO_EARLY_OR_LATE,
    425: _TOO_EARLY_OR_LATE,
    429: ErrorCode("", "lower max_qps or try again later", Retry.SLOWER),
    511: ErrorCode("", "log in to the network of this machine, because its portal responds there", affects_all=True),
}


def lookup_error_code(code: str, http_status: int | None = None) -> ErrorCode:
    """What ``code`` means; the meaning of an unknown one is that of the HTTP status."""
    for meaning in (*ERROR_CODES, _FOREIGN_CODE):
        if matches_code(meaning.pattern, code):
            return meaning
    status = http_status or 0
    return _STATUSES.get(status, _SERVER_FAULT if status >= 500 else UNKNOWN_CODE)


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


#: What a failure is about if any other request would fail too, whatever it asks.
GENERAL_TOPICS = (FailureTopic.NETWORK, FailureTopic.KEY, FailureTopic.CLOCK, FailureTopic.INSTANCE)

_TOPICS = (
    (_KEY_CODES, FailureTopic.KEY),
    (_CLOCK_CODES, FailureTopic.CLOCK),
    (_PERMISSION_CODES, FailureTopic.PERMISSION),
    (_INSTANCE_CODES, FailureTopic.INSTANCE),
)

#: Codes of our own for responses that are not the service's.
_FOREIGN_RESPONSES = r"^(http_\d+|\d+|html_response|redirect|no_success|proxy_\w+)$"

#: Codes of our own for credentials that cannot be had.
_CREDENTIALS_FAILURES = r"^(credentials_failed|missing_credentials|bad_profile|missing_library)$"

#: Codes of our own for what is wrong although the service responded, or was not called.
_OTHER_FAILURES = r"^(wrong_response|incomplete_listing|invalid_option|unexpected_error)$"


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
