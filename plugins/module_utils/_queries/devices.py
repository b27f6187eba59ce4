# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queries about single devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._api.operations import LIST_OTA_MODULE_VERSIONS_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE
from .._api.platforms import Argument
from .._api.schema import Operation
from .._client.client import Client
from .jobs import named_module

#: What identifies a device: its name is unique within its product only.
DeviceKey = tuple[str, str]


class DeviceRows(NamedTuple):
    """The rows about one device, what selected it, and whether the service knows it."""

    device: Mapping[str, Argument]
    found: bool
    rows: list[dict[str, Any]]


def read_device_rows(
    client: Client, operation: Operation, device: Mapping[str, Argument], **arguments: Argument
) -> DeviceRows:
    """All rows that an operation lists about a device.

    :raises OtaError: no usable response.
    """
    rows = client.rows(operation, **arguments, **device)
    return DeviceRows(device, rows is not None, rows or [])


def name_device(rows: Sequence[Mapping[str, Any]], device: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``rows``, each with the ``device`` that was queried where the service did not name it."""
    return [{**row, **{name: row[name] or queried for name, queried in device.items()}} for row in rows]


def device_facts(device: Mapping[str, Any], found: bool) -> dict[str, Any]:
    """What selected a device, and whether the service knows it."""
    return {"product_key": None, "device_name": None, "iot_id": None, **device, "found": found}


class DeviceReport(NamedTuple):
    """What a device reports: the version of each of its modules, by the module's name.

    ``found`` is off if the service does not know the device. ``failure`` says why its versions could not be read.
    ``read_at`` is when it was read, in seconds since 1970 by this machine, where that is kept. It may have more modules
    if these are not ``all_modules``.
    """

    versions: Mapping[str, str | None] = {}
    found: bool = True
    iot_id: str | None = None
    failure: str | None = None
    read_at: float = 0.0
    all_modules: bool = True


def read_report(client: Client, key: DeviceKey) -> DeviceReport:
    """What a device reports; nothing without a product and a name to ask for.

    :raises OtaError: no usable response.
    """
    product_key, device_name = key
    if not product_key or not device_name:
        return DeviceReport()
    rows = client.rows(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, product_key=product_key, device_name=device_name)
    if rows is None:
        return DeviceReport(found=False)
    versions: dict[str, str | None] = {}
    for row in rows:
        name, version = named_module(row), text_or_none(row["module_version"])
        if name:  # of two versions of one module neither proves anything
            versions[name] = version if versions.get(name, version) == version else None
    iot_ids = (text_or_none(row["iot_id"]) for row in rows)
    return DeviceReport(versions, iot_id=next((iot_id for iot_id in iot_ids if iot_id), None))


def text_or_none(value: Any) -> str | None:
    """The text of a fact, ``None`` if it is empty or of an undocumented type."""
    return value or None if isinstance(value, str) else None


def competing_job(client: Client, key: DeviceKey, job_ids: Sequence[str]) -> str | None:
    """Another batch for which a device has an unfinished task.

    :raises OtaError: no usable response.
    """
    product_key, device_name = key
    if not product_key or not device_name:
        return None
    rows = client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, product_key=product_key, device_name=device_name)
    named = (text_or_none(row["job_id"]) for row in rows or ())
    return next((job_id for job_id in named if job_id and job_id not in job_ids), None)


def module_of_job(client: Client, key: DeviceKey, job_id: str) -> str | None:
    """The module of a batch by the unfinished task that a device has in it; ``None`` if that names none.

    :raises OtaError: no usable response.
    """
    product_key, device_name = key
    if not product_key or not device_name:
        return None
    rows = client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, product_key=product_key, device_name=device_name)
    return module_in_tasks(rows or (), job_id)


def module_in_tasks(rows: Sequence[Mapping[str, Any]], job_id: str) -> str | None:
    """The module of a batch by the first of its unfinished tasks among ``rows`` that names one."""
    return next((name for row in rows if row["job_id"] == job_id and (name := named_module(row))), None)
