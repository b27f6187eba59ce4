# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of the API as data: their parameters, fields and names on the wire.

Sources: the vendors' pages on QueryOTAJob, ListOTAJobByDevice and ListOTAUnfinishedTaskByDevice, and the models in the
vendor's SDK ``aliyun-python-sdk-iot``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from types import MappingProxyType

from .._text import MAX_NAME
from .error_codes import matches_code


class Kind(enum.Enum):
    """How a field is typed. Ids and percentages are text: an id has more digits than a float holds exactly."""

    TEXT = "text"
    PROSE = "prose"  # text that people read, of which the beginning is enough
    INTEGER = "integer"
    BOOLEAN = "boolean"
    WORD = "word"  # one of an enumeration
    TEXTS = "texts"  # a wrapped list of text
    RECORDS = "records"  # a wrapped list of objects


@dataclass(frozen=True)
class Field:
    """A field of a response: its name on the wire and how to read it.

    A value of another type costs the field, or the whole response if the field is ``vital``: left out, it would let the
    rest prove more than it does. ``keeps_others`` is off where no other fields of records may become facts.
    """

    wire: str
    kind: Kind
    wrapper: str = ""
    fields: tuple[Field, ...] = ()
    vital: bool = False
    keeps_others: bool = True

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
    return _WORD_STARTS.sub("_", wire[:MAX_NAME]).lower()


#: Where a word starts: no character is part of a match, so that the work is linear.
_WORD_STARTS = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


def typed_fields(kind: Kind, wires: str, vital: bool = False) -> tuple[Field, ...]:
    """A field of one ``kind`` for each of the names in ``wires``."""
    return tuple(Field(wire, kind, vital=vital) for wire in wires.split())


_TAGS = Field("Tags", Kind.RECORDS, "OtaTagDTO", typed_fields(Kind.TEXT, "Key Value"))

#: Spellings that mean the same: the vendors' English pages write some words differently from the wire.
SPELLINGS: Mapping[str, str] = MappingProxyType(
    {"COMPLETE": "COMPLETED", "CANCELLED": "CANCELED", "VERFIY_FIRMWARE": "VERIFY_FIRMWARE"}
)

JOB_STATUSES = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")

FINISHED_JOB_STATUSES = ("COMPLETED", "CANCELED")

UNFINISHED_TASK_STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")

TASK_STATUSES = (*UNFINISHED_TASK_STATUSES, "SUCCEEDED", "FAILED", "CANCELED")

#: Requests a second that an account can make of most operations.
USUAL_QUOTA = 10


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    ``parameters`` map our names to those on the wire; a list is sent as ``Name.1``, ``Name.2`` and so on.
    ``wrapper`` is the list inside the data of a response; without one the data is a single object. ``bare_rows`` is on
    where the data may also be that list itself. ``page_size`` is the largest page that can be requested, 0 where the
    operation does not page. ``identity`` is the fact that identifies an object or a row. ``not_found`` matches the
    codes of objects that do not exist; it is a pattern, because the vendors do not document which code an unknown job
    has, and leaves out a wrong package, product, instance or account. ``reports_total`` is off where it is not
    documented what the announced number of rows counts. ``data`` is the field of a response that holds the data.
    ``keeps_others`` is off where no other fields than ``fields`` may become facts. ``quota`` is how many requests a
    second the vendor documents for an account. ``writes`` is on where it changes something, so that a request that may
    have been carried out must not be repeated blindly.
    """

    action: str
    parameters: Mapping[str, str]
    fields: tuple[Field, ...]
    not_found: str
    identity: str
    wrapper: str = ""
    bare_rows: bool = False
    page_size: int = 0
    reports_total: bool = True
    data: str = "Data"
    keeps_others: bool = True
    quota: int = USUAL_QUOTA
    writes: bool = False

    @cached_property
    def subjects(self) -> Mapping[str, str]:
        """The facts that name what a request is about, each with the parameter that names it, or a list of them.

        They are the texts that a request and its response share; a word such as a state is a filter, and no subject.
        """
        texts = [field.name for field in self.fields if field.kind is Kind.TEXT]
        pairs = ((name, parameter) for name in texts for parameter in (name, f"{name}s"))
        return MappingProxyType({name: parameter for name, parameter in pairs if parameter in self.parameters})

    @property
    def permission(self) -> str:
        """What a policy allows for it, as far as the vendor's public pages show."""
        return f"iot:{self.action}"

    def is_not_found(self, code: str) -> bool:
        """Whether ``code`` is one of ``not_found``."""
        return matches_code(self.not_found, code)


_NOT_FOUND = r"(?:not_?found|not_?exist(?:s|ed)?|inexistent)"


def _absent(things: str, *others: str) -> str:
    """Codes like ``iot.ota.JobNotFound``, ``InvalidJobId.NotFound``, ``iot.device.NotExistedDevice``, ``others``."""
    thing = rf"(?:ota|invalid)?(?:{things})"
    words = (rf"{thing}[._]?(?:is_?)?{_NOT_FOUND}", rf"{_NOT_FOUND}[._]?{thing}", *others)
    return rf"(?:^|\.)(?:{'|'.join(words)})$"


_DEVICE = {"iot_id": "IotId", "product_key": "ProductKey", "device_name": "DeviceName"}

_PAGE = {"page": "CurrentPage", "page_size": "PageSize"}

_NO_JOB = _absent("job(?:id)?", "InvalidOTAJobId", "NullOTAJobId")

_NO_DEVICE = _absent("device(?:id|name)?|iotid", "InvalidIoTId")

_NO_FIRMWARE = _absent("firmware(?:id)?", "InvalidFirmwareId")

#: Matches no code: what a list of everything lacks is simply not there.
_NOTHING = r"(?!)"

#: What cancels the tasks of a batch on both platforms.
CANCEL_ACTION = "CancelOTATaskByJob"

QUERY_OTA_JOB = Operation(
    action="QueryOTAJob",
    parameters=MappingProxyType({"job_id": "JobId"}),
    identity="job_id",
    not_found=_NO_JOB,
    fields=(
        *typed_fields(Kind.TEXT, "JobId ProductKey FirmwareId", vital=True),
        *typed_fields(Kind.TEXT, "DestVersion"),
        Field("SrcVersions", Kind.TEXTS, "SrcVersion", vital=True),
        *typed_fields(Kind.WORD, "SelectionType", vital=True),
        *typed_fields(Kind.WORD, "JobStatus JobType TargetSelection"),
        *typed_fields(Kind.PROSE, "Name JobDesc"),
        *typed_fields(Kind.TEXT, "GrayPercent GroupId GroupName DownloadProtocol"),
        *typed_fields(
            Kind.INTEGER, "DynamicMode OverwriteMode MaximumPerMinute TimeoutInMinutes RetryCount RetryInterval"
        ),
        *typed_fields(Kind.BOOLEAN, "NeedConfirm NeedPush MultiModuleMode"),
        _TAGS,
        *typed_fields(Kind.TEXT, "UtcCreate UtcModified UtcStartTime UtcEndTime UtcScheduleTime UtcScheduleFinishTime"),
    ),
)

#: What a list tells of a package. The list names nothing more than this, and neither do facts: a response also holds
#: links, and whoever has such a link can download the package.
_PACKAGE = (
    *typed_fields(Kind.TEXT, "FirmwareId ModuleName", vital=True),
    *typed_fields(Kind.TEXT, "ProductKey SrcVersion DestVersion"),
    *typed_fields(Kind.PROSE, "FirmwareName FirmwareDesc ProductName"),
    *typed_fields(Kind.TEXT, "FirmwareSign SignMethod"),
    *typed_fields(Kind.INTEGER, "FirmwareSize Status Type"),
    *typed_fields(Kind.TEXT, "UtcCreate UtcModified"),
)

#: The states of a package that may be rolled out: it needs no verification, or is verified.
VERIFIED_STATUSES = (-1, 1)

QUERY_OTA_FIRMWARE = Operation(
    action="QueryOTAFirmware",
    parameters=MappingProxyType({"firmware_id": "FirmwareId"}),
    identity="firmware_id",
    not_found=_NO_FIRMWARE,
    quota=20,
    data="FirmwareInfo",
    keeps_others=False,  # FirmwareUrl
    fields=(
        *_PACKAGE,
        *typed_fields(Kind.INTEGER, "VerifyProgress"),
        *typed_fields(Kind.PROSE, "Udi"),
        Field(
            "MultiFiles",
            Kind.RECORDS,
            fields=(
                *typed_fields(Kind.TEXT, "Name"),
                *typed_fields(Kind.INTEGER, "Size"),
                *typed_fields(Kind.TEXT, "FileMd5 SignValue"),
            ),
            keeps_others=False,  # Url
        ),
    ),
)

LIST_OTA_FIRMWARE = Operation(
    action="ListOTAFirmware",
    parameters=MappingProxyType({"product_key": "ProductKey", "dest_version": "DestVersion", **_PAGE}),
    identity="firmware_id",
    not_found=_NOTHING,
    data="FirmwareInfo",
    wrapper="SimpleFirmwareInfo",
    page_size=100,
    keeps_others=False,  # FirmwareUrl, which a sample holds although no table does
    fields=_PACKAGE,
)

#: What a list tells of a batch.
_BATCH = (
    *typed_fields(Kind.TEXT, "JobId", vital=True),
    *typed_fields(Kind.WORD, "JobStatus JobType"),
    *typed_fields(Kind.TEXT, "ProductKey FirmwareId"),
    *typed_fields(Kind.WORD, "SelectionType TargetSelection"),
    _TAGS,
    *typed_fields(Kind.TEXT, "UtcCreate UtcModified UtcStartTime UtcEndTime"),
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
    fields=_BATCH,
)

LIST_OTA_JOB_BY_FIRMWARE = Operation(
    action="ListOTAJobByFirmware",
    parameters=MappingProxyType({"firmware_id": "FirmwareId", **_PAGE}),
    identity="job_id",
    not_found=_NO_FIRMWARE,
    wrapper="SimpleOTAJobInfo",
    page_size=200,
    fields=_BATCH,
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
        *typed_fields(Kind.TEXT, "TaskId JobId ProductKey DeviceName ModuleName", vital=True),
        *typed_fields(Kind.WORD, "TaskStatus"),
        *typed_fields(Kind.TEXT, "FirmwareId ProductName IotId SrcVersion DestVersion"),
        *typed_fields(Kind.TEXT, "UtcCreate UtcModified"),
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
    fields=(
        *typed_fields(Kind.TEXT, "TaskId JobId ProductKey DeviceName IotId SrcVersion", vital=True),
        *typed_fields(Kind.WORD, "TaskStatus"),
        *typed_fields(Kind.PROSE, "TaskDesc"),
        *typed_fields(Kind.TEXT, "Progress ProductName FirmwareId DestVersion Timeout UtcCreate UtcModified"),
    ),
)

#: The same for named devices. It does not page then.
LIST_OTA_TASK_BY_NAMES = replace(LIST_OTA_TASK_BY_JOB, page_size=0, reports_total=False)

#: Maximum number of devices that one call can name.
MAX_DEVICE_NAMES = 50

#: Last row of a list that a page can end with. The vendor documents it for ListOTATaskByJob.
MAX_ROWS = 100_000

LIST_OTA_MODULE_VERSIONS_BY_DEVICE = Operation(
    action="ListOTAModuleVersionsByDevice",
    parameters=MappingProxyType({**_DEVICE, **_PAGE}),
    identity="module_name",
    not_found=_NO_DEVICE,
    wrapper="SimpleOTAModuleInfo",
    page_size=200,
    fields=typed_fields(Kind.TEXT, "ModuleName ModuleVersion ProductKey DeviceName IotId", vital=True),
)

BATCH_QUERY_DEVICE_DETAIL = Operation(
    action="BatchQueryDeviceDetail",
    parameters=MappingProxyType({"product_key": "ProductKey", "device_names": "DeviceName"}),
    identity="device_name",
    not_found=_NO_DEVICE,
    quota=5,
    wrapper="Data",
    bare_rows=True,  # the vendor's samples have no wrapper, its models do
    reports_total=False,
    keeps_others=False,  # every row holds the key by which its device signs in
    fields=(
        *typed_fields(Kind.TEXT, "ProductKey DeviceName IotId", vital=True),
        *typed_fields(Kind.TEXT, "FirmwareVersion"),
    ),
)

#: Maximum number of devices whose details one call can query.
MAX_DETAIL_NAMES = 100

DEVICE_STATES = ("ONLINE", "OFFLINE", "UNACTIVE", "DISABLE")

BATCH_GET_DEVICE_STATE = Operation(
    action="BatchGetDeviceState",
    parameters=MappingProxyType({"product_key": "ProductKey", "device_names": "DeviceName", "iot_ids": "IotId"}),
    identity="device_name",
    not_found=_NO_DEVICE,
    quota=50,
    data="DeviceStatusList",
    wrapper="DeviceStatus",
    reports_total=False,
    keeps_others=False,  # AsAddress: where a device is in the network
    fields=(
        *typed_fields(Kind.TEXT, "DeviceName IotId", vital=True),
        *typed_fields(Kind.WORD, "Status"),
        *typed_fields(Kind.INTEGER, "Timestamp"),
        *typed_fields(Kind.TEXT, "LastOnlineTime"),
    ),
)

#: Maximum number of devices whose states one call can query.
MAX_STATE_NAMES = 50

#: Each kind is a boolean, and one must be true. Without one for the unconfirmed, they share the fate of the queued.
CANCEL_OTA_TASK_BY_JOB = Operation(
    action=CANCEL_ACTION,
    parameters=MappingProxyType(
        {
            "job_id": "JobId",
            "queued": "CancelQueuedTask",
            "notified": "CancelNotifiedTask",
            "unconfirmed": "CancelUnconfirmedTask",
            "in_progress": "CancelInProgressTask",
            "scheduled": "CancelScheduledTask",
        }
    ),
    identity="job_id",
    not_found=_NO_JOB,
    quota=5,
    fields=(),
    writes=True,
)

CANCEL_OTA_STRATEGY_BY_JOB = Operation(
    action="CancelOTAStrategyByJob",
    parameters=MappingProxyType({"job_id": "JobId"}),
    identity="job_id",
    not_found=_NO_JOB,
    fields=(),
    writes=True,
)
