# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a gate judges: the batches at each poll, and what proves success with what the quota has left."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from typing import Callable, TypeVar

from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import DeviceKey, DeviceReport, competing_job
from .._evidence.jobs import Observation, TaskLists, observe_job
from .._evidence.modules import JobModules
from .._evidence.succeeded import SucceededTasks
from .._evidence.versions import BLOCK, Reading, VersionReader
from .._rollout.snapshot import JobSnapshot, Snapshot
from .clock import Clock

Q = TypeVar("Q")
T = TypeVar("T")


class Observer:
    """Reads what a gate judges. Times are those of the ``clock``."""

    def __init__(self, client: Client, job_ids: Sequence[str], needs_modules: bool, clock: Clock) -> None:
        self._client = client
        self._job_ids = job_ids
        self._modules = JobModules(client) if needs_modules else None
        self._clock = clock
        self._lists = TaskLists(client)
        self._succeeded = SucceededTasks(client, clock.now)
        self._versions = VersionReader(client, clock.now)

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of the gate's, in seconds, as far as that is known."""
        return self._clock.from_wall(self._client.clock_offset)

    @property
    def reading(self) -> Reading | None:
        """How many versions have been read, while they are read."""
        return self._versions.progress

    def keep_reports(self, reports: Mapping[DeviceKey, DeviceReport]) -> None:
        """Take over what an earlier run has read."""
        self._versions.keep(reports)

    def observe_jobs(self) -> Snapshot:
        """The state of the batches.

        :raises OtaError: no usable response.
        """
        snapshot = self._snapshot_of(self._read_each(lambda job_id: observe_job(self._client, job_id), self._job_ids))
        for job in snapshot.jobs:
            if not job.all_listed:
                self._succeeded.count(job)
        return snapshot

    def read_all_tasks(self, jobs: Sequence[JobSnapshot]) -> Snapshot:
        """The same ``jobs`` with all of their tasks.

        :raises OtaError: no usable response.
        """
        return self._snapshot_of([self._lists.read(job) for job in jobs])

    def read_versions(self, snapshot: Snapshot, keys: Sequence[DeviceKey], until: float) -> Snapshot:
        """The same ``snapshot`` with what the devices report, as far as that can be read before ``until``.

        :raises OtaError: no usable response.
        """
        found = self._versions.read(keys, until)
        return snapshot._replace(
            versions={**(snapshot.versions or {}), **found},
            earlier=self._versions.kept,
            now=self._clock.now(),
            clock_offset=self.clock_offset,
        )

    def read_ahead(self, snapshot: Snapshot, keys: Sequence[DeviceKey], until: float) -> Snapshot:
        """The same ``snapshot`` with what the devices ``keys`` report, and those that have succeeded in large batches,
        as far as that can be read before ``until``.

        :raises OtaError: no usable response.
        """
        found = self._versions.read(keys, until)
        large = [job for job in snapshot.jobs if not job.all_listed]
        while large and self._clock.now() < until:
            unread = [key for job in large for key in self._unread(job, snapshot) if key not in found][:BLOCK]
            if len(unread) < BLOCK and any(self._succeeded.read_more(job, until) for job in large):
                continue
            if not unread:
                break
            found.update(self._versions.read(unread, until))
        return snapshot._replace(versions=found, earlier=self._versions.kept, now=self._clock.now())

    def _unread(self, job: JobSnapshot, snapshot: Snapshot) -> list[DeviceKey]:
        """The devices of a large batch that have succeeded and were not read since."""
        unread = []
        for key, modified in self._succeeded.devices(job).items():
            report, since = self._versions.kept.get(key), snapshot.local_time(modified)
            if report is None or report.read_at < min(snapshot.now, since or 0.0):
                unread.append(key)
        return unread

    def explain(self, snapshot: Snapshot, unread: Sequence[DeviceKey], suspects: Sequence[DeviceKey]) -> Snapshot:
        """The same ``snapshot`` with the versions of more devices and the other batches that keep ``suspects`` busy,
        as far as these can be read.
        """
        if unread:
            with contextlib.suppress(OtaError):  # nothing is decided by these versions
                snapshot = self.read_versions(snapshot, unread, math.inf)._replace(now=snapshot.now)
        found, _failure = self._client.map(lambda key: (key, competing_job(self._client, key, self._job_ids)), suspects)
        return snapshot._replace(busy={key: job_id for key, job_id in found if job_id})

    def _read_each(self, query: Callable[[Q], T], items: Sequence[Q]) -> list[T]:
        results, failure = self._client.map(query, items)
        if failure:
            raise failure
        return results

    def _snapshot_of(self, observations: Sequence[Observation]) -> Snapshot:
        problems = tuple(observation.problem for observation in observations if observation.problem)
        jobs = tuple(self._with_module(observation.job) for observation in observations)
        return Snapshot(
            self._clock.now(),
            jobs,
            earlier=self._versions.kept,
            problems=problems,
            clock_offset=self.clock_offset,
        )

    def _with_module(self, job: JobSnapshot) -> JobSnapshot:
        return job._replace(module_name=self._modules.module_of(job)) if self._modules else job
