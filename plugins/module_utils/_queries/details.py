# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions of many devices by one request, for the default module only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._api.operations import BATCH_QUERY_DEVICE_DETAIL
from .._client.client import Client
from .devices import DeviceReport, text_or_none

#: The only module whose version the details of a device show.
DEFAULT_MODULE = "default"


def read_details(client: Client, product_key: str, device_names: Sequence[str]) -> dict[str, DeviceReport]:
    """What devices of one product report of :data:`DEFAULT_MODULE`, by their names: one request for at most
    :data:`MAX_DETAIL_NAMES`.

    The service leaves devices out that it does not know, so a name without a report proves nothing.

    :raises OtaError: no usable response; ``wrong_response`` where it is about another device.
    """
    asked = {"product_key": product_key, "device_names": device_names}
    listing = client.listing(BATCH_QUERY_DEVICE_DETAIL, 1, **asked)
    rows_by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in listing.rows if listing else ():
        if row["device_name"]:
            rows_by_name.setdefault(row["device_name"], []).append(row)
    return {name: _report_in(rows) for name, rows in rows_by_name.items()}


def _report_in(rows: Sequence[Mapping[str, Any]]) -> DeviceReport:
    """What the rows about one device report; of two versions neither proves anything."""
    versions = {text_or_none(row["firmware_version"]) for row in rows}
    iot_ids = (text_or_none(row["iot_id"]) for row in rows)
    return DeviceReport(
        {} if versions == {None} else {DEFAULT_MODULE: versions.pop() if len(versions) == 1 else None},
        iot_id=next((iot_id for iot_id in iot_ids if iot_id), None),
    )
