# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many tasks of a batch are in each state, by few requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Optional

from .._api.facts import count_by
from .._api.operations import LIST_OTA_TASK_BY_JOB, TASK_STATUSES
from .._client.client import Client
from .._queries.jobs import announced_total

#: Maximum number of tasks of a batch that are listed where the service's numbers make no sense.
MAX_LISTED = 1000

#: How far numbers that are read one after the other may be apart, because tasks move meanwhile.
MAX_DRIFT = 20

#: Tasks by status; ``None`` where their number is not known.
Counts = Mapping[str, Optional[int]]

UNKNOWN_COUNTS: Counts = MappingProxyType(dict.fromkeys(TASK_STATUSES))


def count_tasks(client: Client, job_id: str) -> Counts:
    """The tasks of a batch by status, read one status after the other: a task that moves meanwhile may count twice.

    Whether the service's numbers follow the filter is not documented. If they make no sense, a small batch is listed.

    :raises OtaError: no usable response.
    """
    counts = {status: count_status(client, job_id, status) for status in TASK_STATUSES}
    whole, total = count_status(client, job_id, None), add_up(counts, TASK_STATUSES)
    if whole is not None and total is not None and abs(total - whole) <= max(MAX_DRIFT, whole // 10):
        return counts
    return UNKNOWN_COUNTS if whole is None or whole > MAX_LISTED else _count_listed(client, job_id)


def count_status(client: Client, job_id: str, status: str | None) -> int | None:
    """The number of tasks with a status, or of all; ``None`` where the service's number makes no sense.

    :raises OtaError: no usable response.
    """
    page = client.first_page(LIST_OTA_TASK_BY_JOB, job_id=job_id, task_status=status)
    return announced_total(page, status)


def add_up(counts: Counts, statuses: Sequence[str]) -> int | None:
    """The tasks of several statuses; ``None`` if the number of one is not known."""
    return sum_known([counts[status] for status in statuses])


def sum_known(numbers: Sequence[int | None]) -> int | None:
    """The sum; ``None`` if one of the numbers is not known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _count_listed(client: Client, job_id: str) -> Counts:
    listing = client.listing(LIST_OTA_TASK_BY_JOB, job_id=job_id)
    if listing is None or listing.problem:
        return UNKNOWN_COUNTS
    counts = count_by(listing.rows, "task_status", TASK_STATUSES)
    # A task in a state that is not documented may be one of those that are to be canceled.
    return MappingProxyType(counts) if set(counts) == set(TASK_STATUSES) else UNKNOWN_COUNTS
