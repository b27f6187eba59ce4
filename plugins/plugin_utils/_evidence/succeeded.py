# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks of a batch that is too large to be listed at each poll have succeeded: page by page, as they succeed.

The order of the list is not documented. Tasks that succeed may come at its front or at its end, where as many pages
show them as they fill; or in between, where pages are read at random, and some tasks are missed until the complete list
is read before anything is decided.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable, cast

from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB
from ...module_utils._client.client import Client
from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import TaskFacts
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot
from .jobs import PAGE_SIZE

SUCCEEDED = "SUCCEEDED"


#: Where tasks that succeed may come in the list, in the order in which that is tried.
_PLACES = ("front", "end", "between")
#: Try the front and the end again after this many polls.
RETRIED_AFTER = 10


@dataclass
class _Course:
    """How far the succeeded tasks of a batch are known.

    ``modified`` says by device when its task last changed, as the service writes it. ``counted`` tasks have succeeded,
    and ``allowance`` pages may be read. They come at ``place``, where ``step`` pages were read since the last poll; in
    between, ``left`` are the pages that were not read yet.
    """

    modified: dict[DeviceKey, str | None] = field(default_factory=dict)
    counted: int = 0
    polls: int = 0
    allowance: float = 0.0
    place: int = 0
    step: int = 0
    left: list[int] = field(default_factory=list)

    def count(self, counted: int) -> None:
        """Take note of a poll."""
        self.allowance += max(0, counted - self.counted) / PAGE_SIZE + 1
        self.counted, self.step, self.polls = counted, 0, self.polls + 1
        if self.polls % RETRIED_AFTER == 0 and _PLACES[self.place] == "between":
            self.place = 0

    def next_page(self) -> int:
        """The number of the page to read."""
        last = -(-self.counted // PAGE_SIZE)
        if _PLACES[self.place] != "between":
            return self.step + 1 if _PLACES[self.place] == "front" else max(1, last - self.step)
        if not self.left:
            self.left = random.Random(self.polls).sample(range(1, last + 1), last)
        return self.left.pop()

    def take_over(self, told: Mapping[DeviceKey, str | None]) -> int:
        """How many of the devices, or of their successes, were not known."""
        news = {key: modified for key, modified in told.items() if key[1] and self.modified.get(key, "") != modified}
        self.modified.update(news)
        self.allowance -= 1
        if 2 * len(news) > len(told):
            self.step += 1
        elif _PLACES[self.place] != "between":
            self.place, self.step = self.place + 1, 0
        return len(news)


class SucceededTasks:
    """Finds the devices whose tasks have succeeded. ``now`` is the clock that ``until`` is a time of."""

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._courses: dict[str, _Course] = {}

    def count(self, job: JobSnapshot) -> None:
        """Take note of a poll: each hundred tasks that have succeeded since the last one allow one more page."""
        self._courses.setdefault(job.job_id, _Course()).count(job.counts.get(SUCCEEDED, 0))

    def devices(self, job: JobSnapshot) -> dict[DeviceKey, str | None]:
        """The devices that are known to have succeeded, and when their tasks last changed."""
        return self._courses[job.job_id].modified if job.job_id in self._courses else {}

    def read_more(self, job: JobSnapshot, until: float) -> bool:
        """Read pages until one tells of a success that was not known; whether one did.

        :raises OtaError: no usable response.
        """
        course = self._courses[job.job_id]
        while course.allowance >= 1 and len(course.modified) < course.counted and self._now() < until:
            page = self._client.page(
                LIST_OTA_TASK_BY_JOB, course.next_page(), PAGE_SIZE, job_id=job.job_id, task_status=SUCCEEDED
            )
            rows = [row for row in (page.rows if page else ()) if row["task_status"] == SUCCEEDED]
            if course.take_over({task_key(cast(TaskFacts, row), job): row.get("utc_modified") for row in rows}):
                return True
        return False
