# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows and objects of answers, in the vendor's upper camel case."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, NamedTuple

from .lives import Life, device_secret
from .model import Firmware
from .parameters import Page
from .rollouts import JobView, TaskView
from .wire import china_time, utc
from .world import World

Answer = dict[str, Any]
# Tuya's pages neither list nor show these.
_NOT_TUYA_JOB = frozenset(
    (
        *("MaximumPerMinute", "MultiModuleMode", "DynamicMode", "SrcVersions", "Tags"),
        *("UtcStartTime", "UtcEndTime", "UtcScheduleTime", "UtcScheduleFinishTime"),
    )
)
_NOT_TUYA_ROW = frozenset(("Tags",))
_NOT_TUYA_FIRMWARE = frozenset(("MultiFiles",))


class Look(NamedTuple):
    """One look at the world: when, from which epoch (seconds since 1970 at the clock's zero), and with which fault.

    ``counts_lag`` and ``versions_lag`` are how many seconds old the counts and the versions are. ``cancel_lag`` is how
    many seconds a cancel takes, and ``carried_out`` is off where it never does anything.
    """

    world: World
    t: float
    epoch: float
    tuya: bool
    fault: str = ""
    counts_lag: float = 0
    versions_lag: float = 0
    cancel_lag: float = 0
    carried_out: bool = True

    def utc(self, seconds: float) -> str:
        """A moment of the rollout clock as the API writes it."""
        return utc(self.epoch + seconds)

    def china_time(self, seconds: float) -> str:
        """The same where the API writes no zone."""
        return china_time(self.epoch + seconds)


def envelope(page: Page, total: int, wrapper: str, rows: list[Answer]) -> Answer:
    """A page of a list."""
    return {
        "Success": True,
        "Total": total,
        "PageCount": -(-total // page.size),
        "PageSize": page.size,
        "CurrentPage": page.number,
        "Data": {wrapper: rows},
    }


def _tags(view: JobView) -> Answer:
    if view.job.tags is None:
        return {}
    return {"Tags": {"OtaTagDTO": [{"Key": key, "Value": value} for key, value in view.job.tags.items()]}}


def _present(fields: Answer) -> Answer:
    return {key: value for key, value in fields.items() if value is not None}


def _shown(look: Look, fields: Answer, not_tuya: Collection[str]) -> Answer:
    """The fields that are there and that the dialect has."""
    hidden = not_tuya if look.tuya else ()
    return {key: value for key, value in _present(fields).items() if key not in hidden}


def job_row(look: Look, view: JobView) -> Answer:
    """What lists of batches and QueryOTAJob have in common."""
    row = {
        "JobId": view.job.job_id,
        "FirmwareId": view.firmware.firmware_id,
        "ProductKey": view.firmware.product_key,
        "JobStatus": view.status,
        "JobType": view.job.job_type,
        "SelectionType": view.job.selection_type,
        "TargetSelection": view.job.target_selection,
        "UtcCreate": look.utc(view.created),
        "UtcModified": look.utc(view.modified),
        "UtcStartTime": None if view.started is None else look.utc(view.started),
        "UtcEndTime": None if view.ended is None else look.utc(view.ended),
        **_tags(view),
    }
    return _shown(look, row, _NOT_TUYA_ROW)


def _job_details(look: Look, view: JobView) -> Answer:
    """What only QueryOTAJob tells."""
    job, firmware = view.job, view.firmware
    group = (job.group_id, job.group_name) if job.target_selection == "GROUP" or job.group_id else None
    return {
        "Name": firmware.name,
        "SrcVersions": {"SrcVersion": [firmware.src_version] if firmware.src_version else []},
        "DestVersion": firmware.dest_version,
        "JobDesc": job.description or None,
        "DownloadProtocol": job.download_protocol,
        "NeedConfirm": job.need_confirm,
        "NeedPush": job.need_push,
        "OverwriteMode": job.overwrite_mode,
        "MultiModuleMode": job.multi_module_mode,
        "DynamicMode": job.dynamic_mode if job.dynamic else None,
        "MaximumPerMinute": job.maximum_per_minute,
        "TimeoutInMinutes": job.timeout_in_minutes,
        "RetryCount": job.retry_count,
        "RetryInterval": job.retry_interval,
        "GrayPercent": job.gray_percent or None,
        "GroupId": group[0] if group else None,
        "GroupName": group[1] if group else None,
        "UtcScheduleTime": None if job.scheduled_after is None else look.utc(view.created + job.scheduled_after),
        "UtcScheduleFinishTime": (
            None if job.schedule_ends_after is None else look.utc(view.created + job.schedule_ends_after)
        ),
    }


def task_row(look: Look, task: TaskView) -> Answer:
    """What both lists of tasks have in common."""
    firmware = task.firmware
    product = look.world.products[firmware.product_key]
    return {
        "TaskId": task.task_id,
        "JobId": task.job.job_id,
        "FirmwareId": firmware.firmware_id,
        "ProductKey": firmware.product_key,
        "ProductName": product.name,
        "DeviceName": task.device,
        "IotId": task.iot_id,
        "SrcVersion": task.src_version,
        "DestVersion": firmware.dest_version,
        "TaskStatus": task.status,
        "UtcCreate": look.utc(task.created),
        "UtcModified": look.utc(task.modified),
    }


def job_task_row(look: Look, task: TaskView) -> Answer:
    """A row of ListOTATaskByJob."""
    minutes = task.job.timeout_in_minutes
    progress = f"{task.progress:.2f}" if task.progress >= 0 else f"{task.progress:.0f}"
    extra = {"Progress": progress, "TaskDesc": task.desc or None, "Timeout": minutes and str(minutes)}
    return _present({**task_row(look, task), **extra})


def job_data(look: Look, view: JobView) -> Answer:
    """All that QueryOTAJob tells."""
    return _shown(look, {**_job_details(look, view), **job_row(look, view)}, _NOT_TUYA_JOB)


def _link(look: Look, digest: str) -> str:
    """A made-up download link that is signed, so that clients must not show it."""
    signed = f"Expires={int(look.epoch + look.t) + 3600}&OSSAccessKeyId=STS.simulated&Signature={digest[32:56]}%3D"
    return f"https://ota-packages.simulator.example/ota/{digest[:16]}.bin?{signed}"


def _file(look: Look, firmware_id: str, name: str) -> Answer:
    digest = hashlib.sha256(f"{firmware_id}\0{name}".encode()).hexdigest()
    return {"Name": name, "Size": 65_536, "FileMd5": digest[:32], "SignValue": digest[:32], "Url": _link(look, digest)}


def firmware_row(look: Look, firmware: Firmware) -> Answer:
    """What ListOTAFirmware and QueryOTAFirmware have in common. Of the list, only a sample shows the link."""
    digest = hashlib.sha256(firmware.firmware_id.encode()).hexdigest()
    created = look.utc(-firmware.created_before)
    return {
        "FirmwareId": firmware.firmware_id,
        "FirmwareName": firmware.name,
        "FirmwareDesc": f"{firmware.name}, simulated",
        "FirmwareSign": digest[:32],
        "FirmwareSize": 1_048_576,
        "FirmwareUrl": _link(look, digest),
        "SignMethod": "MD5",
        "ModuleName": firmware.module_name,
        "ProductKey": firmware.product_key,
        "ProductName": look.world.products[firmware.product_key].name,
        "SrcVersion": firmware.src_version,
        "DestVersion": firmware.dest_version,
        "Status": firmware.status,
        "Type": 0,
        "UtcCreate": created,
        "UtcModified": created,
    }


def firmware_info(look: Look, firmware: Firmware) -> Answer:
    """All that QueryOTAFirmware tells."""
    files = [_file(look, firmware.firmware_id, name) for name in firmware.files]
    progress = {1: 100, 2: 50}.get(firmware.status, 0)
    info = {**firmware_row(look, firmware), "VerifyProgress": progress, "MultiFiles": files or None}
    return _shown(look, info, _NOT_TUYA_FIRMWARE)


_REGISTERED = -30 * 86_400.0  # devices that a scenario does not replace
_ACTIVE_LATER = 3_600.0


def device_detail(look: Look, life: Life) -> Answer:
    """A row of BatchQueryDeviceDetail, with a secret that clients must not show."""
    product_key, name = life.key
    state = life.presence_at(look.t).state
    created = max(life.begin, _REGISTERED)
    active = None if state == "UNACTIVE" else min(created + _ACTIVE_LATER, max(look.t, created))
    return _present(
        {
            "DeviceName": name,
            "DeviceSecret": device_secret(life.key, life.number),
            "FirmwareVersion": life.versions_at(look.t - look.versions_lag).get("default"),
            "GmtActive": None if active is None else look.china_time(active),
            "GmtCreate": look.china_time(created),
            "IotId": life.iot_id,
            "Nickname": "",
            "NodeType": 0,
            "ProductKey": product_key,
            "ProductName": look.world.products[product_key].name,
            "Region": "cn-shanghai",
            "Status": state,
            "UtcActive": None if active is None else look.utc(active),
            "UtcCreate": look.utc(created),
        }
    )


def device_state(look: Look, life: Life) -> Answer:
    """A row of BatchGetDeviceState."""
    presence = life.presence_at(look.t)
    last = presence.last_online
    return _present(
        {
            "DeviceName": life.key[1],
            "IotId": life.iot_id,
            "Status": presence.state,
            "Timestamp": round((look.epoch + presence.since) * 1000),
            "LastOnlineTime": None if last is None else look.china_time(last),
            "AsAddress": None if last is None else "192.0.2.1",
        }
    )
