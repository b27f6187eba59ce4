# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks of a batch that is too large to be listed at each poll have succeeded: page by page, as they succeed.

The order of the list is not documented. Wherever tasks that succeed are added to it, at its front, at its end or in
between, no more pages are read than the tasks that succeeded fill, and one for each poll. What is missed so is found in
the complete list, which is read before anything is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, cast

from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB
from ...module_utils._client.client import Client
from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import TaskFacts
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot
from .jobs import PAGE_SIZE

SUCCEEDED = "SUCCEEDED"


@dataclass
class _Course:
    """How far the succeeded tasks of a batch are known.

    ``modified`` says by device when its task last changed, as the service writes it. ``counted`` tasks have succeeded,
    and ``allowance`` pages may be read. ``front`` is the next page at the front of the list, 0 once one told nothing
    new, and ``next_page`` is the next of all pages.
    """

    modified: dict[DeviceKey, str | None] = field(default_factory=dict)
    counted: int = 0
    allowance: float = 0.0
    front: int = 1
    next_page: int = 1


class SucceededTasks:
    """Finds the devices whose tasks have succeeded. ``now`` is the clock that ``until`` is a time of."""

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._courses: dict[str, _Course] = {}

    def count(self, job: JobSnapshot) -> None:
        """Take note of a poll: each hundred tasks that have succeeded since the last one allow one more page."""
        course = self._courses.setdefault(job.job_id, _Course())
        counted = job.counts.get(SUCCEEDED, 0)
        course.allowance += max(0, counted - course.counted) / PAGE_SIZE + 1
        course.counted, course.front = counted, 1

    def devices(self, job: JobSnapshot) -> dict[DeviceKey, str | None]:
        """The devices that are known to have succeeded, and when their tasks last changed."""
        return self._courses[job.job_id].modified if job.job_id in self._courses else {}

    def read_more(self, job: JobSnapshot, until: float) -> bool:
        """Read pages until one tells of a success that was not known; whether one did.

        :raises OtaError: no usable response.
        """
        course = self._courses[job.job_id]
        while course.allowance >= 1 and len(course.modified) < course.counted and self._now() < until:
            number = course.front or course.next_page
            page = self._client.page(LIST_OTA_TASK_BY_JOB, number, PAGE_SIZE, job_id=job.job_id, task_status=SUCCEEDED)
            rows = [row for row in (page.rows if page else ()) if row["task_status"] == SUCCEEDED]
            has_news, is_last = _take_over(rows, job, course), len(rows) < PAGE_SIZE
            course.allowance -= 1
            course.front = number + 1 if course.front and has_news and not is_last else 0
            if number >= course.next_page or is_last:
                course.next_page = 1 if is_last else number + 1
            if has_news or is_last:
                return has_news
        return False


def _take_over(rows: Sequence[Mapping[str, Any]], job: JobSnapshot, course: _Course) -> bool:
    """Whether the rows tell of a device, or a success, that was not known."""
    told = {task_key(cast(TaskFacts, row), job): row.get("utc_modified") for row in rows}
    told.pop((job.product_key, ""), None)
    has_news = any(course.modified.get(key, "") != modified for key, modified in told.items())
    course.modified.update(told)
    return has_news
