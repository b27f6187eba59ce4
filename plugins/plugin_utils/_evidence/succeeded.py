# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tasks of a batch that is too large to be listed at each poll have succeeded: page by page, as they succeed.

The order of the list is not documented. Tasks that succeed may come at its front or at its end, where as many pages
show them as they fill; or in between, where pages are read at random, and some tasks may be missed until the complete
list is read before anything is decided. No page is read as long as there are enough devices to read.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Callable, NamedTuple, cast

from ...module_utils._api.operations import LIST_OTA_TASK_BY_JOB
from ...module_utils._client.client import Client
from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import TaskFacts
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot
from .jobs import PAGE_SIZE

SUCCEEDED = "SUCCEEDED"
#: Read at most this many pages after a poll, beside those that what succeeded since the last one fills.
EXTRA_PAGES = 50
#: Where tasks that succeed may come in the list, in the order in which that is tried.
_FRONT, _END, _BETWEEN = range(3)
#: Try the front and the end again after this many polls.
RETRIED_AFTER = 10


class Success(NamedTuple):
    """A device whose task has succeeded, when that last changed, as the service writes it, and which device it is."""

    key: DeviceKey
    modified: str | None
    iot_id: str | None = None


@dataclass
class _Cursor:
    """How far the succeeded tasks of a batch are known.

    ``known`` are the hashes of all successes that were found, which take less memory. ``counted`` tasks have succeeded,
    and ``allowance`` pages may be read. They come at ``place``, where ``step`` pages were read since the last poll; in
    between, ``left`` are the pages that were not read yet.
    """

    known: set[int] = field(default_factory=set)
    counted: int = 0
    polls: int = 0
    allowance: float = 0.0
    place: int = _FRONT
    step: int = 0
    left: list[int] = field(default_factory=list)

    def count(self, counted: int) -> None:
        """Take note of a poll."""
        self.allowance = max(0, counted - self.counted) / PAGE_SIZE + EXTRA_PAGES
        self.counted, self.step, self.polls = counted, 0, self.polls + 1
        if self.polls % RETRIED_AFTER == 0 and self.place == _BETWEEN:
            self.place = _FRONT

    def next_page(self) -> int:
        """The number of the page to read."""
        last = -(-self.counted // PAGE_SIZE)
        if self.place == _FRONT:
            return self.step + 1
        if self.place == _END:
            return max(1, last - self.step)
        if not self.left:
            self.left = random.Random(self.polls).sample(range(1, last + 1), last)
        return self.left.pop()

    def take_over(self, told: Sequence[Success]) -> list[Success]:
        """Those of the successes that were not known."""
        news = [success for success in told if hash(success) not in self.known]
        self.known.update(map(hash, news))
        self.allowance -= 1
        if 2 * len(news) > len(told):
            self.step += 1
        elif self.place != _BETWEEN:
            self.place, self.step = self.place + 1, 0
        return news


class SucceededTasks:
    """Finds the devices whose tasks have succeeded. ``now`` is the clock that ``until`` is a time of."""

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._cursors: dict[str, _Cursor] = {}
        self._found: deque[Success] = deque()

    def count(self, job: JobSnapshot) -> None:
        """Take note of a poll: the more tasks have succeeded since the last one, the more pages may be read."""
        self._cursors.setdefault(job.job_id, _Cursor()).count(job.counts.get(SUCCEEDED, 0))

    def find(self, jobs: Sequence[JobSnapshot], number: int, until: float) -> None:
        """Read pages until so many successes can be taken, as far as that is possible.

        :raises OtaError: no usable response.
        """
        for job in jobs:
            while len(self._found) < number and self._read_page(job, until):
                pass

    def take(self, number: int) -> list[Success]:
        """At most so many successes that were not taken yet, those that were found first."""
        return [self._found.popleft() for _number in range(min(number, len(self._found)))]

    @property
    def has_found(self) -> bool:
        """Whether any success can be taken."""
        return bool(self._found)

    def put_back(self, successes: Sequence[Success]) -> None:
        """Let the same be taken next."""
        self._found.extendleft(reversed(successes))

    def _read_page(self, job: JobSnapshot, until: float) -> bool:
        """Read a page, if one may be read; whether another one is worth it."""
        cursor = self._cursors[job.job_id]
        if cursor.allowance < 1 or len(cursor.known) >= cursor.counted or self._now() >= until:
            return False
        page = self._client.page(
            LIST_OTA_TASK_BY_JOB, cursor.next_page(), PAGE_SIZE, job_id=job.job_id, task_status=SUCCEEDED
        )
        rows = [row for row in (page.rows if page else ()) if row["task_status"] == SUCCEEDED]
        told = [
            Success(task_key(cast(TaskFacts, row), job), row.get("utc_modified"), row.get("iot_id")) for row in rows
        ]
        self._found.extend(cursor.take_over([success for success in told if success.key[1]]))
        return True
