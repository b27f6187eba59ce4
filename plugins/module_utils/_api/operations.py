# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations of the API as data: their parameters, fields and names on the wire.

Sources: the vendors' pages on QueryOTAJob, ListOTAJobByDevice and ListOTAUnfinishedTaskByDevice, and the models in the
vendor's SDK ``aliyun-python-sdk-iot``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from .schema import NO_CODE, Field, Kind, Operation, typed_fields

_TAGS = Field("Tags", Kind.RECORDS, "OtaTagDTO", typed_fields(Kind.TEXT, "Key Value"))

#: Spellings that mean the same: the vendors' English pages write some words differently from the wire.
SPELLINGS: Mapping[str, str] = MappingProxyType(
    {"COMPLETE": "COMPLETED", "CANCELLED": "CANCELED", "VERFIY_FIRMWARE": "VERIFY_FIRMWARE"}
)

JOB_STATUSES = ("PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED")

FINISHED_JOB_STATUSES = ("COMPLETED", "CANCELED")

UNFINISHED_TASK_STATUSES = ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")

TASK_STATUSES = (*UNFINISHED_TASK_STATUSES, "SUCCEEDED", "FAILED", "CANCELED")

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

#: Codes of a cancel that finds nothing to cancel, or nothing any more.
_NOTHING_LEFT = r"^iot\.firmware\.(JobAlreadyCanceled|NotDynamicJob)$"

#: Codes by which the service refuses a cancel before it acts, besides those that would refuse every other request, too.
#: That it is busy does not say so, nor that the nonce was used: a proxy may have sent the request twice.
_REFUSALS = (
    r"^(Rejected\.)?Throttling(\.|$)|^(Missing|Invalid)[A-Z]"
    r"|^iot\.firmware\.(CancelOptionIsMandatory|JobHasNoScheduleTime)$"
)

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
    not_found=NO_CODE,  # what a list of everything lacks is simply not there
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
    nothing_left=_NOTHING_LEFT,
    refusals=_REFUSALS,
)

CANCEL_OTA_STRATEGY_BY_JOB = Operation(
    action="CancelOTAStrategyByJob",
    parameters=MappingProxyType({"job_id": "JobId"}),
    identity="job_id",
    not_found=_NO_JOB,
    fields=(),
    writes=True,
    nothing_left=_NOTHING_LEFT,
    refusals=_REFUSALS,
)
