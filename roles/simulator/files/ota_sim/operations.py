# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seven operations: parameters in, an answer in the vendor's upper camel case out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable, NamedTuple

from .courses import FINISHED, UNFINISHED
from .faults import page_bounds
from .problems import ApiError, business, invalid, missing
from .wire import utc
from .world import DeviceKey, JobView, TaskView, World, iot_id

Params = Mapping[str, str]
Answer = dict[str, Any]
_MAXIMUM_ROWS = 100_000  # CurrentPage x PageSize of ListOTATaskByJob
_MAXIMUM_NAMES = 50
# Tuya's pages neither list nor show these.
_NOT_TUYA_JOB = frozenset(
    (
        *("MaximumPerMinute", "MultiModuleMode", "DynamicMode", "SrcVersions", "Tags"),
        *("UtcStartTime", "UtcEndTime", "UtcScheduleTime", "UtcScheduleFinishTime"),
    )
)
_NOT_TUYA_ROW = frozenset(("Tags",))


class Look(NamedTuple):
    """One look at the world: when, from which epoch (seconds since 1970 at the clock's zero), and with which fault."""

    world: World
    t: float
    epoch: float
    tuya: bool
    fault: str = ""

    def utc(self, seconds: float) -> str:
        """A moment of the rollout clock as the API writes it."""
        return utc(self.epoch + seconds)


class _Page(NamedTuple):
    number: int
    size: int


def _required(params: Params, *names: str) -> list[str]:
    for name in names:
        if not params.get(name):
            raise missing(name)
    return [params[name] for name in names]


def _page(params: Params, limit: int, default_size: str = "") -> _Page:
    defaults = {"CurrentPage": "1", "PageSize": default_size} if default_size else {}
    texts = _required({**defaults, **{k: v for k, v in params.items() if v}}, "CurrentPage", "PageSize")
    if all(text.isascii() and text.isdigit() and len(text) < 10 for text in texts):
        page = _Page(*map(int, texts))
        if page.number >= 1 and 1 <= page.size <= limit:
            return page
    raise _bad_page()


def _bad_page() -> ApiError:
    return business("iot.common.InvalidPageParams", "the page parameters are invalid")


def _envelope(page: _Page, total: int, wrapper: str, rows: list[Answer]) -> Answer:
    return {
        "Success": True,
        "Total": total,
        "PageCount": -(-total // page.size),
        "PageSize": page.size,
        "CurrentPage": page.number,
        "Data": {wrapper: rows},
    }


def _numbered(params: Params, name: str) -> list[str]:
    """The values of ``Name.1``, ``Name.2`` and so on, in order."""
    prefix = f"{name}."
    found = [(int(key[len(prefix) :]), value) for key, value in params.items() if _is_item(key, prefix)]
    return [value for _number, value in sorted(found)]


def _is_item(key: str, prefix: str) -> bool:
    number = key[len(prefix) :]
    return key.startswith(prefix) and number.isascii() and number.isdigit()


def _statuses(texts: Sequence[str], known: Collection[str], name: str) -> tuple[str, ...]:
    if any(text not in known for text in texts):
        raise invalid(name)
    return tuple(texts)


def _job(look: Look, job_id: str) -> JobView:
    view = look.world.job_at(job_id, look.t)
    if view is None:
        raise business("iot.ota.JobNotFound", "the upgrade batch does not exist")
    return view


def _check_firmware(look: Look, firmware_id: str) -> None:
    if firmware_id not in look.world.firmwares:
        raise business("iot.ota.FirmwareNotFound", "the firmware does not exist")


def _named_device(look: Look, params: Params) -> DeviceKey:
    product_key, name = _required(params, "ProductKey", "DeviceName")
    if product_key not in look.world.products:
        raise business("iot.prod.NotExistedProduct", "the product does not exist")
    if not look.world.has_device((product_key, name)):
        raise business("iot.device.NotExistedDevice", "the device does not exist")
    return product_key, name


def _device(look: Look, params: Params) -> DeviceKey:
    """By IotId if there is one, else by product and name."""
    if not params.get("IotId"):
        return _named_device(look, params)
    key = look.world.device_of(params["IotId"])
    if key is None:
        raise business("iot.device.InvalidIoTId", "the IotId is invalid")
    return key


def _tags(view: JobView) -> Answer:
    if view.job.tags is None:
        return {}
    return {"Tags": {"OtaTagDTO": [{"Key": key, "Value": value} for key, value in view.job.tags.items()]}}


def _present(fields: Answer) -> Answer:
    return {key: value for key, value in fields.items() if value is not None}


def _job_row(look: Look, view: JobView) -> Answer:
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
    hidden = _NOT_TUYA_ROW if look.tuya else ()
    return {key: value for key, value in _present(row).items() if key not in hidden}


def _job_details(look: Look, view: JobView) -> Answer:
    """What only QueryOTAJob tells."""
    job, firmware = view.job, view.firmware
    begin = -job.created_before
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
        "UtcScheduleTime": None if job.scheduled_after is None else look.utc(begin + job.scheduled_after),
        "UtcScheduleFinishTime": (
            None if job.schedule_ends_after is None else look.utc(begin + job.schedule_ends_after)
        ),
    }


def _task_row(look: Look, task: TaskView) -> Answer:
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
        "IotId": iot_id((firmware.product_key, task.device)),
        "SrcVersion": task.src_version,
        "DestVersion": firmware.dest_version,
        "TaskStatus": task.status,
        "UtcCreate": look.utc(task.created),
        "UtcModified": look.utc(task.modified),
    }


def _job_task_row(look: Look, task: TaskView) -> Answer:
    minutes = task.job.timeout_in_minutes
    extra = {"Progress": f"{task.progress:.2f}", "TaskDesc": task.desc or None, "Timeout": minutes and str(minutes)}
    return _present({**_task_row(look, task), **extra})


def query_ota_job(look: Look, params: Params) -> Answer:
    """One batch."""
    view = _job(look, *_required(params, "JobId"))
    data = _present({**_job_details(look, view), **_job_row(look, view)})
    hidden = _NOT_TUYA_JOB if look.tuya else ()
    return {"Success": True, "Data": {key: value for key, value in data.items() if key not in hidden}}


def _list_jobs(look: Look, page: _Page, views: list[JobView]) -> Answer:
    offset, count = page_bounds(look.fault, *page)
    rows = [_job_row(look, view) for view in views[offset : offset + count]]
    return _envelope(page, len(views), "SimpleOTAJobInfo", rows)


def list_ota_job_by_device(look: Look, params: Params) -> Answer:
    """The batches of one package that a device has been in; their states, not the device's."""
    firmware_id, *_rest = _required(params, "FirmwareId", "ProductKey", "DeviceName")
    page = _page(params, 100)
    key = _named_device(look, params)
    _check_firmware(look, firmware_id)
    return _list_jobs(look, page, look.world.device_jobs_at(key, firmware_id, look.t))


def list_ota_job_by_firmware(look: Look, params: Params) -> Answer:
    """The batches of one package."""
    (firmware_id,) = _required(params, "FirmwareId")
    page = _page(params, 200)
    _check_firmware(look, firmware_id)
    return _list_jobs(look, page, look.world.firmware_jobs_at(firmware_id, look.t))


def list_ota_unfinished_task_by_device(look: Look, params: Params) -> Answer:
    """The open tasks of one device; neither pages nor a total."""
    key = _device(look, params)
    single = [params["TaskStatus"]] if params.get("TaskStatus") else []
    wanted = _statuses(_numbered(params, "TaskStatusList") or single, UNFINISHED, "TaskStatus") or UNFINISHED
    module = params.get("ModuleName", "")
    rows = [
        {**_task_row(look, task), "ModuleName": task.firmware.module_name}
        for task in look.world.device_tasks_at(key, look.t)
        if task.status in wanted and module in ("", task.firmware.module_name)
    ]
    return {"Success": True, "Data": {"SimpleOTATaskInfo": rows}}


def list_ota_task_by_job(look: Look, params: Params) -> Answer:
    """The tasks of a batch: by page, or those of up to 50 named devices."""
    (job_id,) = _required(params, "JobId")
    names = _numbered(params, "DeviceNames")
    wanted = _statuses([params["TaskStatus"]] if params.get("TaskStatus") else [], UNFINISHED + FINISHED, "TaskStatus")
    if len(names) > _MAXIMUM_NAMES:
        raise invalid("DeviceNames")
    page = _Page(1, max(1, len(names))) if names else _page(params, 100, "10")
    if page.number * page.size > _MAXIMUM_ROWS:
        raise _bad_page()
    _job(look, job_id)
    if names:
        tasks = look.world.tasks_of_names_at(job_id, look.t, names)
        tasks = [task for task in tasks if not wanted or task.status in wanted]
        total = len(tasks)
    else:
        total, tasks = look.world.task_page_at(job_id, look.t, wanted, *page_bounds(look.fault, *page))
    return _envelope(page, total, "SimpleOTATaskInfo", [_job_task_row(look, task) for task in tasks])


def query_ota_firmware(look: Look, params: Params) -> Answer:
    """One package, with a made-up signed download URL that clients must not show."""
    (firmware_id,) = _required(params, "FirmwareId")
    _check_firmware(look, firmware_id)
    firmware = look.world.firmwares[firmware_id]
    digest = hashlib.sha256(firmware_id.encode()).hexdigest()
    signed = f"Expires={int(look.epoch + look.t) + 3600}&OSSAccessKeyId=STS.simulated&Signature={digest[32:56]}%3D"
    info = {
        "FirmwareId": firmware_id,
        "FirmwareName": firmware.name,
        "FirmwareDesc": f"{firmware.name}, simulated",
        "FirmwareSign": digest[:32],
        "FirmwareSize": 1_048_576,
        "FirmwareUrl": f"https://ota-packages.simulator.example/ota/{digest[:16]}.bin?{signed}",
        "SignMethod": "MD5",
        "ModuleName": firmware.module_name,
        "ProductKey": firmware.product_key,
        "ProductName": look.world.products[firmware.product_key].name,
        "SrcVersion": firmware.src_version,
        "DestVersion": firmware.dest_version,
        "Status": 1,
        "Type": 0,
        "VerifyProgress": 100,
        "UtcCreate": look.utc(-7 * 86400),
        "UtcModified": look.utc(-7 * 86400),
    }
    return {"Success": True, "FirmwareInfo": info}


def list_ota_module_versions_by_device(look: Look, params: Params) -> Answer:
    """The version of each module that the device itself reports."""
    page = _page(params, 200)
    key = _device(look, params)
    versions = sorted(look.world.versions_at(key[1], look.t, key[0]).items())
    offset, count = page_bounds(look.fault, *page)
    rows: list[Answer] = [
        {
            "ProductKey": key[0],
            "DeviceName": key[1],
            "IotId": iot_id(key),
            "ModuleName": module,
            "ModuleVersion": version,
        }
        for module, version in versions[offset : offset + count]
    ]
    return _envelope(page, len(versions), "SimpleOTAModuleInfo", rows)


OPERATIONS: Mapping[str, Callable[[Look, Params], Answer]] = {
    "QueryOTAJob": query_ota_job,
    "ListOTAJobByDevice": list_ota_job_by_device,
    "ListOTAUnfinishedTaskByDevice": list_ota_unfinished_task_by_device,
    "ListOTATaskByJob": list_ota_task_by_job,
    "ListOTAJobByFirmware": list_ota_job_by_firmware,
    "QueryOTAFirmware": query_ota_firmware,
    "ListOTAModuleVersionsByDevice": list_ota_module_versions_by_device,
}
