# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queries about single devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._api.operations import LIST_OTA_MODULE_VERSIONS_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE
from .._client.client import Client


def name_device(rows: list[dict[str, Any]], device: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``rows``, each with the device that was asked for where the service left out which one it belongs to."""
    for row in rows:
        row.update({name: row[name] or asked for name, asked in device.items()})
    return rows


def device_facts(device: Mapping[str, Any], found: bool) -> dict[str, Any]:
    """What was asked about, and whether the service knows it."""
    return {"product_key": None, "device_name": None, "iot_id": None, **device, "found": found}


def read_version(client: Client, key: Key, module_name: str) -> str | None:
    """The version that a device reports for a module; ``None`` where it reports none, empty where it is not known.

    :raises OtaError: no usable answer.
    """
    product_key, device_name = key
    if not product_key or not device_name:
        return None
    rows = client.rows(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, product_key=product_key, device_name=device_name)
    if rows is None:
        return ""
    return {row["module_name"]: row["module_version"] for row in rows}.get(module_name) or None


def busy_with(client: Client, key: Key, job_ids: Sequence[str]) -> str | None:
    """Another batch for which a device has an open task.

    :raises OtaError: no usable answer.
    """
    product_key, device_name = key
    if not product_key or not device_name:
        return None
    rows = client.rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, product_key=product_key, device_name=device_name)
    return next((row["job_id"] for row in rows or () if row["job_id"] and row["job_id"] not in job_ids), None)


#: What identifies a device: its name is unique within its product only.
Key = tuple[str, str]


def device_key(entry: Mapping[str, Any]) -> Key:
    """What identifies the device of an entry."""
    return entry["product_key"] or "", entry["device_name"] or ""
