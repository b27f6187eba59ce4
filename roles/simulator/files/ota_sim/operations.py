# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations: parameters in, an answer in the vendor's upper camel case out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Callable

from .changes import cancel_schedule, cancel_strategy, cancel_tasks
from .faults import page_bounds
from .lives import DeviceKey, Life
from .model import Firmware
from .parameters import Page, Params, bad_page, limited, numbered, page_of, required, statuses
from .problems import business, invalid, missing
from .rollouts import JobView, TaskView
from .rows import (
    Answer,
    Look,
    device_detail,
    device_state,
    envelope,
    firmware_info,
    firmware_row,
    job_data,
    job_row,
    job_task_row,
    task_row,
)
from .timelines import FINISHED, UNFINISHED
from .world import World

_MAXIMUM_ROWS = 100_000  # CurrentPage x PageSize of ListOTATaskByJob
_MAXIMUM_NAMES = 50
_MAXIMUM_DETAILS = 100


def _job(look: Look, job_id: str) -> JobView:
    view = look.world.job_at(job_id, look.t)
    if view is None:
        raise business("iot.firmware.InvalidOTAJobId", "the id of the upgrade batch is incorrect")
    return view


def _firmware(look: Look, firmware_id: str) -> Firmware:
    if firmware_id not in look.world.firmwares:
        raise business("iot.firmware.FirmwareNotFound", "the firmware does not exist")
    return look.world.firmwares[firmware_id]


def _check_product(look: Look, product_key: str) -> None:
    if product_key not in look.world.products:
        raise business("iot.prod.NotExistedProduct", "the product does not exist")


def _named_device(look: Look, params: Params) -> DeviceKey:
    product_key, name = required(params, "ProductKey", "DeviceName")
    _check_product(look, product_key)
    if not look.world.has_device((product_key, name), look.t):
        raise business("iot.device.NotExistedDevice", "the device does not exist")
    return product_key, name


def _device(look: Look, params: Params) -> DeviceKey:
    """By IotId if there is one, else by product and name."""
    if not params.get("IotId"):
        return _named_device(look, params)
    key = look.world.device_of(params["IotId"], look.t)
    if key is None:
        raise business("iot.device.InvalidIoTId", "the IotId is invalid")
    return key


def query_ota_job(look: Look, params: Params) -> Answer:
    """One batch."""
    return {"Success": True, "Data": job_data(look, _job(look, *required(params, "JobId")))}


def _list_jobs(look: Look, page: Page, views: list[JobView]) -> Answer:
    offset, count = page_bounds(look.fault, *page)
    rows = [job_row(look, view) for view in views[offset : offset + count]]
    return envelope(page, len(views), "SimpleOTAJobInfo", rows)


def list_ota_job_by_device(look: Look, params: Params) -> Answer:
    """The batches of one package that a device has been in; their states, not the device's."""
    firmware_id, *_rest = required(params, "FirmwareId", "ProductKey", "DeviceName")
    page = page_of(params, 100)
    key = _named_device(look, params)
    _firmware(look, firmware_id)
    return _list_jobs(look, page, look.world.device_jobs_at(key, firmware_id, look.t))


def list_ota_job_by_firmware(look: Look, params: Params) -> Answer:
    """The batches of one package."""
    (firmware_id,) = required(params, "FirmwareId")
    page = page_of(params, 200)
    _firmware(look, firmware_id)
    return _list_jobs(look, page, look.world.firmware_jobs_at(firmware_id, look.t))


def list_ota_unfinished_task_by_device(look: Look, params: Params) -> Answer:
    """The open tasks of one device; neither pages nor a total."""
    key = _device(look, params)
    single = [params["TaskStatus"]] if params.get("TaskStatus") else []
    wanted = statuses(numbered(params, "TaskStatusList") or single, UNFINISHED) or UNFINISHED
    module = params.get("ModuleName", "")
    rows = [
        {**task_row(look, task), "ModuleName": task.firmware.module_name}
        for task in look.world.device_tasks_at(key, look.t)
        if task.status in wanted and module in ("", task.firmware.module_name)
    ]
    return {"Success": True, "Data": {"SimpleOTATaskInfo": rows}}


def list_ota_task_by_job(look: Look, params: Params) -> Answer:
    """The tasks of a batch: by page, or those of up to 50 named devices. Its total may be older than its rows."""
    (job_id,) = required(params, "JobId")
    names = limited(numbered(params, "DeviceNames"), _MAXIMUM_NAMES)
    wanted = statuses([params["TaskStatus"]] if params.get("TaskStatus") else [], UNFINISHED + FINISHED)
    page = Page(1, max(1, len(names))) if names else page_of(params, 100, "10")
    if page.number * page.size > _MAXIMUM_ROWS:
        raise bad_page()
    _job(look, job_id)

    counted = look.t - look.counts_lag
    if names:
        tasks = _tasks_of_names(look.world, job_id, look.t, names, wanted)
        total = len(_tasks_of_names(look.world, job_id, counted, names, wanted))
    else:
        tasks = look.world.task_page_at(job_id, look.t, wanted, *page_bounds(look.fault, *page))[1]
        total = look.world.task_count_at(job_id, counted, wanted)
    return envelope(page, total, "SimpleOTATaskInfo", [job_task_row(look, task) for task in tasks])


def _tasks_of_names(
    world: World, job_id: str, t: float, names: Sequence[str], wanted: Collection[str]
) -> list[TaskView]:
    found = world.tasks_of_names_at(job_id, t, names)
    return [task for task in found if not wanted or task.status in wanted]


def query_ota_firmware(look: Look, params: Params) -> Answer:
    """One package, with download links that clients must not show."""
    firmware = _firmware(look, *required(params, "FirmwareId"))
    return {"Success": True, "FirmwareInfo": firmware_info(look, firmware)}


def list_ota_firmware(look: Look, params: Params) -> Answer:
    """The packages of the account or of one product, perhaps only those to one version, newest first."""
    page = page_of(params, 100)
    product_key, version = params.get("ProductKey", ""), params.get("DestVersion", "")
    if product_key:
        _check_product(look, product_key)
    found = [
        firmware
        for firmware in sorted(look.world.firmwares.values(), key=lambda firmware: firmware.created_before)
        if product_key in ("", firmware.product_key) and version in ("", firmware.dest_version)
    ]
    offset, count = page_bounds(look.fault, *page)
    rows = [firmware_row(look, firmware) for firmware in found[offset : offset + count]]
    answer = envelope(page, len(found), "SimpleFirmwareInfo", rows)
    return {**answer, "FirmwareInfo": answer.pop("Data")}


def list_ota_module_versions_by_device(look: Look, params: Params) -> Answer:
    """The version of each module that the device itself reports, or reported some time ago."""
    page = page_of(params, 200)
    key = _device(look, params)
    versions = sorted(look.world.versions_at(key[1], look.t, key[0], look.versions_lag).items())
    offset, count = page_bounds(look.fault, *page)
    rows: list[Answer] = [
        {
            "ProductKey": key[0],
            "DeviceName": key[1],
            "IotId": look.world.iot_id_at(key, look.t),
            "ModuleName": module,
            "ModuleVersion": version,
        }
        for module, version in versions[offset : offset + count]
    ]
    return envelope(page, len(versions), "SimpleOTAModuleInfo", rows)


def _lives(look: Look, keys: Iterable[DeviceKey]) -> list[Life]:
    """The devices that exist, each of them once; the others are left out."""
    found = [look.world.life_at(key, look.t) for key in dict.fromkeys(keys)]
    return [life for life in found if life]


def _named_devices(look: Look, params: Params, maximum: int) -> list[Life]:
    (product_key,) = required(params, "ProductKey")
    names = limited(numbered(params, "DeviceName"), maximum)
    if not names:
        raise missing("DeviceName")
    _check_product(look, product_key)
    return _lives(look, [(product_key, name) for name in names])


def batch_query_device_detail(look: Look, params: Params) -> Answer:
    """Up to 100 devices of one product, with the version of their module ``default`` only, and with their secrets."""
    lives = _named_devices(look, params, _MAXIMUM_DETAILS)
    return {"Success": True, "Data": {"Data": [device_detail(look, life) for life in lives]}}


def batch_get_device_state(look: Look, params: Params) -> Answer:
    """Whether up to 50 devices are online: by their IotIds if there are any, else those of one product by name."""
    iot_ids = limited(numbered(params, "IotId"), _MAXIMUM_NAMES)
    if iot_ids:
        keys = [look.world.device_of(iot_id, look.t) for iot_id in iot_ids]
        lives = _lives(look, [key for key in keys if key])
    else:
        lives = _named_devices(look, params, _MAXIMUM_NAMES)
    return {"Success": True, "DeviceStatusList": {"DeviceStatus": [device_state(look, life) for life in lives]}}


_CANCELABLE = {"CancelQueuedTask": "QUEUED", "CancelNotifiedTask": "NOTIFIED", "CancelInProgressTask": "IN_PROGRESS"}


def _flag(look: Look, params: Params, name: str) -> bool | None:
    """A boolean, None where it is not given, or not known to the dialect."""
    text = params.get(name, "").lower()
    if not text or (look.tuya and name in ("CancelScheduledTask", "CancelInProgressTask")):
        return None
    if text not in ("true", "false"):
        raise invalid(name)
    return text == "true"


def cancel_ota_task_by_job(look: Look, params: Params) -> Answer:
    """Cancel the tasks in the chosen states. Without a word of the unconfirmed ones, they go with the queued."""
    view = _job(look, *required(params, "JobId"))
    flags = {name: _flag(look, params, name) for name in (*_CANCELABLE, "CancelUnconfirmedTask", "CancelScheduledTask")}
    if not any(flags.values()):
        raise business("iot.firmware.CancelOptionIsMandatory", "no option says what to cancel")
    if flags["CancelScheduledTask"] and view.job.scheduled_after is None:
        raise business("iot.firmware.JobHasNoScheduleTime", "the batch has no schedule")
    if view.status == "CANCELED" and not view.job.dynamic:
        raise business("iot.firmware.JobAlreadyCanceled", "the batch is canceled already")
    wanted = {status for name, status in _CANCELABLE.items() if flags[name]}
    unconfirmed = flags["CancelUnconfirmedTask"]
    if flags["CancelQueuedTask"] if unconfirmed is None else unconfirmed:
        wanted.add("CONFIRM")
    t = look.t + look.cancel_lag
    if look.carried_out:
        look.world.change(view.job.job_id, lambda rollout: cancel_tasks(rollout, t, wanted))
        if flags["CancelScheduledTask"] and view.status == "PLANNED":
            look.world.change(view.job.job_id, lambda rollout: cancel_schedule(rollout, t))
    return {"Success": True}


def cancel_ota_strategy_by_job(look: Look, params: Params) -> Answer:
    """Let a dynamic batch get no more tasks."""
    view = _job(look, *required(params, "JobId"))
    if not view.job.dynamic:
        raise business("iot.firmware.NotDynamicJob", "only a dynamic batch has a strategy")
    if view.status == "CANCELED":
        raise business("iot.firmware.JobAlreadyCanceled", "the batch is canceled already")
    t = look.t + look.cancel_lag
    if look.carried_out:
        look.world.change(view.job.job_id, lambda rollout: cancel_strategy(rollout, t))
    return {"Success": True}


OPERATIONS: Mapping[str, Callable[[Look, Params], Answer]] = {
    "QueryOTAJob": query_ota_job,
    "ListOTAJobByDevice": list_ota_job_by_device,
    "ListOTAUnfinishedTaskByDevice": list_ota_unfinished_task_by_device,
    "ListOTATaskByJob": list_ota_task_by_job,
    "ListOTAJobByFirmware": list_ota_job_by_firmware,
    "QueryOTAFirmware": query_ota_firmware,
    "ListOTAFirmware": list_ota_firmware,
    "ListOTAModuleVersionsByDevice": list_ota_module_versions_by_device,
    "BatchQueryDeviceDetail": batch_query_device_detail,
    "BatchGetDeviceState": batch_get_device_state,
    "CancelOTATaskByJob": cancel_ota_task_by_job,
    "CancelOTAStrategyByJob": cancel_ota_strategy_by_job,
}
WRITES = ("CancelOTATaskByJob", "CancelOTAStrategyByJob")
NOT_TUYA = ("CancelOTAStrategyByJob",)
