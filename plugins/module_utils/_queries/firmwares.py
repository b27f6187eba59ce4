# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Queries about update packages and the batches that were made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._api.facts import no_facts
from .._api.operations import (
    FINISHED_JOB_STATUSES,
    LIST_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_FIRMWARE,
    QUERY_OTA_FIRMWARE,
    VERIFIED_STATUSES,
)
from .._api.platforms import Argument
from .._client.client import Client
from .jobs import named_module


def read_firmware(client: Client, firmware_id: str) -> dict[str, Any]:
    """The facts about a package, whether it was ``found``, and whether it is ``verified``.

    :raises OtaError: no usable response.
    """
    facts = client.get(QUERY_OTA_FIRMWARE, firmware_id=firmware_id)
    return _with_meaning(facts or {**no_facts(QUERY_OTA_FIRMWARE), "firmware_id": firmware_id}, facts is not None)


def list_firmwares(
    client: Client, product_key: str | None = None, dest_version: str | None = None, module_name: str | None = None
) -> list[dict[str, Any]]:
    """The packages of a product, to a version and for a module, in the shape of :func:`read_firmware`; all without.

    The service knows no filter for the module, so packages of other modules are left out here.

    :raises OtaError: no usable response.
    """
    selection: dict[str, Argument] = {"product_key": product_key, "dest_version": dest_version}
    rows = client.rows(LIST_OTA_FIRMWARE, **selection) or []
    shape = no_facts(QUERY_OTA_FIRMWARE)
    return [_with_meaning({**shape, **row}, True) for row in rows if module_name in (None, named_module(row))]


def _with_meaning(facts: Mapping[str, Any], found: bool) -> dict[str, Any]:
    status = facts["status"]
    verified = None if status is None else status in VERIFIED_STATUSES
    return {**facts, "found": found, "verified": verified}


class FirmwareJobs(NamedTuple):
    """The batches of one package, the newest first, and whether the service knows the package."""

    firmware_id: str
    found: bool
    jobs: list[dict[str, Any]]


def read_firmware_jobs(client: Client, firmware_id: str) -> FirmwareJobs:
    """All batches that were made of a package.

    :raises OtaError: no usable response.
    """
    rows = client.rows(LIST_OTA_JOB_BY_FIRMWARE, firmware_id=firmware_id)
    jobs = [
        {
            **row,
            "firmware_id": row["firmware_id"] or firmware_id,
            "finished": row["job_status"] in FINISHED_JOB_STATUSES,
        }
        for row in rows or ()
    ]
    return FirmwareJobs(firmware_id, rows is not None, sorted(jobs, key=_creation, reverse=True))


def _creation(job: Mapping[str, Any]) -> str:
    """When a batch was created, as a text that sorts by time: all times are in UTC and one vendor adds a blank."""
    return "".join(str(job["utc_create"] or "").split())
