# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""What the API offers, as data: the one place that knows the names on the wire.

Sources: the vendors' pages on QueryOTAJob, ListOTAJobByDevice and ListOTAUnfinishedTaskByDevice, and the models in the
vendor's SDK ``aliyun-python-sdk-iot``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import NamedTuple, Union

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import Retry, check_text

VERSION = "2018-01-20"


# --- Facts -----------------------------------------------------------------------------------------------------------


class Kind(enum.Enum):
    """How a field is typed. Ids and percentages are text: an id has more digits than a float holds exactly."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    WORD = "word"  # one of an enumeration
    TEXTS = "texts"  # a wrapped list of text
    RECORDS = "records"  # a wrapped list of objects


@dataclass(frozen=True)
class Field:
    """A field of an answer: its name on the wire and how to read it."""

    wire: str
    kind: Kind
    wrapper: str = ""
    fields: tuple[Field, ...] = ()

    @cached_property
    def name(self) -> str:
        """The name of the fact."""
        return snake_case(self.wire)

    @cached_property
    def key(self) -> str:
        """The name on the wire, as it is compared."""
        return self.wire.lower()


@lru_cache(1024)
def snake_case(wire: str) -> str:
    """``SimpleOTATaskInfo`` and ``simpleOTATaskInfo`` are ``simple_ota_task_info``."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", wire)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def _fields(kind: Kind, wires: str) -> tuple[Field, ...]:
    return tuple(Field(wire, kind) for wire in wires.split())


_TAGS = Field("Tags", Kind.RECORDS, "OtaTagDTO", _fields(Kind.TEXT, "Key Value"))

#: Spellings that mean the same: the vendors' English pages write some words differently from the wire.
SPELLINGS: Mapping[str, str] = MappingProxyType(
    {"COMPLETE": "COMPLETED", "CANCELLED": "CANCELED", "VERFIY_FIRMWARE": "VERIFY_FIRMWARE"}
)

JOB_STATUSES = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")
FINISHED_JOB_STATUSES = ("COMPLETED", "CANCELED")
UNFINISHED_TASK_STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
TASK_STATUSES = (*UNFINISHED_TASK_STATUSES, "SUCCEEDED", "FAILED", "CANCELED")

#: The class of a failure by the service's description of the task: the step code that a device reports, else words.
#: The vendors document the codes -1 to -4, but neither that a description holds one nor any text, so all of this is a
#: guess, and what nothing fits is ``other``.
FAILURE_CLASSES = (
    ("upgrade", r"(?<![\w.-])-1(?!\.?\w)"),
    ("download", r"(?<![\w.-])-2(?!\.?\w)"),
    ("verify", r"(?<![\w.-])-3(?!\.?\w)"),
    ("flash", r"(?<![\w.-])-4(?!\.?\w)"),
    ("superseded", r"supersed|overw?rit|another (?:batch|job|task|update|upgrade)|覆盖"),
    ("timeout", r"time[ -]?out|timed out|超时"),
    ("download", r"download|下载"),
    ("verify", r"verif|checksum|digest|md5|sha256|校验"),
    ("flash", r"flash|burn|烧"),
    ("wrong_version", r"version|版本"),
)


# --- Operations ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    ``parameters`` map our names to those on the wire; a list is sent as ``Name.1``, ``Name.2`` and so on.
    ``wrapper`` is the list inside the answer's data; without one the data is a single object. ``page_size`` is the
    largest page that may be asked for, 0 where the operation does not page. ``identity`` are the facts by which an
    answer, or a row, is known. ``not_found`` are the business codes that say that what was asked about does not
    exist; they are patterns, because the vendors document no code for an unknown job. A wrong package, product,
    instance or account is not among them. ``about`` are the facts that each row must share with the question, where
    both tell them. ``announces`` is off where it is not documented what the announced number of rows counts.
    """

    action: str
    parameters: Mapping[str, str]
    fields: tuple[Field, ...]
    not_found: str
    identity: str
    wrapper: str = ""
    page_size: int = 0
    about: tuple[str, ...] = ()
    announces: bool = True

    def is_not_found(self, code: str) -> bool:
        """Whether ``code`` is one of ``not_found``."""
        return _matches(self.not_found, code)


def _matches(pattern: str, code: str) -> bool:
    """Whether ``code`` is meant; patterns are compiled only when an error has come, which saves every task the time."""
    return re.search(pattern, code, re.IGNORECASE) is not None


_NOT_FOUND = r"(?:not_?found|not_?exist(?:s|ed)?|inexistent)"


def _absent(things: str, *others: str) -> str:
    """Codes like ``iot.ota.JobNotFound``, ``InvalidJobId.NotFound``, ``iot.device.NotExistedDevice``, ``others``."""
    thing = rf"(?:ota|invalid)?(?:{things})"
    words = (rf"{thing}[._]?(?:is_?)?{_NOT_FOUND}", rf"{_NOT_FOUND}[._]?{thing}", *others)
    return rf"(?:^|\.)(?:{'|'.join(words)})$"


_DEVICE = {"iot_id": "IotId", "product_key": "ProductKey", "device_name": "DeviceName"}
_PAGE = {"page": "CurrentPage", "page_size": "PageSize"}
_NO_JOB = _absent("job(?:id)?")
_NO_DEVICE = _absent("device(?:id|name)?|iotid", "InvalidIoTId")

QUERY_OTA_JOB = Operation(
    action="QueryOTAJob",
    parameters=MappingProxyType({"job_id": "JobId"}),
    identity="job_id",
    not_found=_NO_JOB,
    fields=(
        *_fields(Kind.TEXT, "JobId"),
        *_fields(Kind.WORD, "JobStatus JobType"),
        *_fields(Kind.TEXT, "Name JobDesc ProductKey FirmwareId DestVersion"),
        Field("SrcVersions", Kind.TEXTS, "SrcVersion"),
        *_fields(Kind.WORD, "SelectionType TargetSelection"),
        *_fields(Kind.TEXT, "GrayPercent GroupId GroupName DownloadProtocol"),
        *_fields(Kind.INTEGER, "DynamicMode OverwriteMode MaximumPerMinute TimeoutInMinutes RetryCount RetryInterval"),
        *_fields(Kind.BOOLEAN, "NeedConfirm NeedPush MultiModuleMode"),
        _TAGS,
        *_fields(Kind.TEXT, "UtcCreate UtcModified UtcStartTime UtcEndTime UtcScheduleTime UtcScheduleFinishTime"),
    ),
)

LIST_OTA_JOB_BY_DEVICE = Operation(
    action="ListOTAJobByDevice",
    parameters=MappingProxyType(
        {
            "firmware_id": "FirmwareId",
            "product_key": "ProductKey",
            "device_name": "DeviceName",
            **_PAGE,
        }
    ),
    identity="job_id",
    not_found=_NO_DEVICE,
    wrapper="SimpleOTAJobInfo",
    page_size=100,
    fields=(
        *_fields(Kind.TEXT, "JobId"),
        *_fields(Kind.WORD, "JobStatus JobType"),
        *_fields(Kind.TEXT, "ProductKey FirmwareId"),
        *_fields(Kind.WORD, "SelectionType TargetSelection"),
        _TAGS,
        *_fields(Kind.TEXT, "UtcCreate UtcModified UtcStartTime UtcEndTime"),
    ),
)

LIST_OTA_UNFINISHED_TASK_BY_DEVICE = Operation(
    action="ListOTAUnfinishedTaskByDevice",
    parameters=MappingProxyType(
        {
            **_DEVICE,
            "module_name": "ModuleName",
            "task_statuses": "TaskStatusList",
        }
    ),
    identity="task_id",
    not_found=_NO_DEVICE,
    wrapper="SimpleOTATaskInfo",
    fields=(
        *_fields(Kind.TEXT, "TaskId"),
        *_fields(Kind.WORD, "TaskStatus"),
        *_fields(
            Kind.TEXT, "JobId FirmwareId ProductKey ProductName DeviceName IotId ModuleName SrcVersion DestVersion"
        ),
        *_fields(Kind.TEXT, "UtcCreate UtcModified"),
    ),
)

LIST_OTA_TASK_BY_JOB = Operation(
    action="ListOTATaskByJob",
    parameters=MappingProxyType(
        {
            "job_id": "JobId",
            "task_status": "TaskStatus",
            "device_names": "DeviceNames",
            **_PAGE,
        }
    ),
    identity="task_id",
    not_found=_NO_JOB,
    wrapper="SimpleOTATaskInfo",
    page_size=100,
    about=("job_id",),
    fields=(
        *_fields(Kind.TEXT, "TaskId JobId"),
        *_fields(Kind.WORD, "TaskStatus"),
        *_fields(
            Kind.TEXT, "Progress TaskDesc ProductKey ProductName DeviceName IotId FirmwareId SrcVersion DestVersion"
        ),
        *_fields(Kind.TEXT, "Timeout UtcCreate UtcModified"),
    ),
)
#: The same for named devices, of which so many may be named at once. It does not page then.
LIST_OTA_TASK_BY_NAMES = replace(LIST_OTA_TASK_BY_JOB, page_size=0, announces=False)
MAX_DEVICE_NAMES = 50
#: No page may be asked for that ends beyond so many rows. The vendor documents it for ListOTATaskByJob.
MAX_ROWS = 100_000

LIST_OTA_MODULE_VERSIONS_BY_DEVICE = Operation(
    action="ListOTAModuleVersionsByDevice",
    parameters=MappingProxyType({**_DEVICE, **_PAGE}),
    identity="module_name",
    not_found=_NO_DEVICE,
    wrapper="SimpleOTAModuleInfo",
    page_size=200,
    about=("product_key", "device_name", "iot_id"),
    fields=_fields(Kind.TEXT, "ModuleName ModuleVersion ProductKey DeviceName IotId"),
)


# --- Requests and envelopes ------------------------------------------------------------------------------------------

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

#: Where ACS3 puts the common parameters: into headers. Those of :data:`COMMON_PARAMETERS` that say where to ask stay.
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

#: What surrounds the data of an answer. A gateway writes ``Message`` where the service writes ``ErrorMessage``.
ENVELOPE = (
    *_fields(Kind.BOOLEAN, "Success"),
    *_fields(Kind.TEXT, "Code ErrorMessage Message RequestId"),
    *_fields(Kind.INTEGER, "Total CurrentPage PageCount"),
)
DATA = "Data"


def wire_parameters(names: Mapping[str, str], values: Mapping[str, Argument]) -> dict[str, str]:
    """``values`` under their names on the wire; nothing and empty are left out, a list is numbered from 1.

    :raises OtaError: a value is not valid Unicode.
    """
    params: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, str) and value:
            params[names[name]] = value
        elif value:
            params.update({f"{names[name]}.{number}": item for number, item in enumerate(value, 1)})
    for wire, text in params.items():
        check_text(wire, text)
    return params


# --- Signatures ------------------------------------------------------------------------------------------------------

RPC_METHOD, ACS3_METHOD = "HMAC-SHA1", "ACS3-HMAC-SHA256"


# --- Platforms -------------------------------------------------------------------------------------------------------


class Platform(NamedTuple):
    """A dialect: how requests go out. Answers need no dialect, they are read without regard to letter case."""

    method: str
    sends_version: bool  # Format, Version and SignatureVersion
    sends_place: bool  # RegionId and IotInstanceId
    sends_token: bool  # SecurityToken; a platform without temporary keys must not see one of another
    signature_methods: tuple[str, ...]  # the first is what its own tools use
    regions: tuple[str, ...] = ()
    host: str = ""


PLATFORMS: Mapping[str, Platform] = MappingProxyType(
    {
        "alibaba": Platform(
            method="POST",
            sends_version=True,
            sends_place=True,
            sends_token=True,
            signature_methods=(ACS3_METHOD, RPC_METHOD),
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
            method="GET",
            sends_version=False,
            sends_place=False,
            sends_token=False,
            signature_methods=(RPC_METHOD,),
        ),
    }
)


# --- Errors ----------------------------------------------------------------------------------------------------------


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
