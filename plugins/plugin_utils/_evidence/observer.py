# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what a gate judges: the batches at each poll, and what proves success with what the quota has left."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Callable, TypeVar

from ...module_utils._api.operations import MAX_ROWS
from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError
from ...module_utils._queries.devices import DeviceKey, DeviceReport, competing_job
from ...module_utils._queries.version_sources import DEVICE_SOURCE, VersionSource
from .._rollout.devices import is_another, is_outdated
from .._rollout.policy import Policy, needs_modules
from .._rollout.snapshot import JobSnapshot, Snapshot
from .._rollout.versions import module_of
from .clock import Clock
from .jobs import Observation, TaskLists, observe_job
from .modules import JobModules
from .search import Selection
from .states import StateReader
from .succeeded import SucceededTasks, Success
from .versions import BLOCK, Reading, VersionReader

#: Take at most this many devices that have succeeded to read them, before the time is looked at again.
MAX_TAKEN = 5000

Q = TypeVar("Q")
T = TypeVar("T")


class Observer:
    """Reads what a gate judges. Times are those of the ``clock``."""

    def __init__(
        self,
        client: Client,
        selection: Selection,
        policy: Policy,
        clock: Clock,
        source: VersionSource = DEVICE_SOURCE,
    ) -> None:
        self._client = client
        self._selection = selection
        self._policy = policy
        self._source = source
        self._block = min(BLOCK * source.block, MAX_TAKEN)
        self._modules = JobModules(client) if needs_modules(policy) else None
        self._clock = clock
        self._lists = TaskLists(client, policy.expected_devices)
        self._succeeded = SucceededTasks(client, clock.now)
        self._versions = VersionReader(client, clock.now)
        self.states = StateReader(client, clock.now)
        self._planned: list[DeviceKey] = []  # those that the last pause had no time for
        self._latest = Snapshot(clock.now())

    @property
    def clock_offset(self) -> float | None:
        """How far the service's clock is ahead of the gate's, in seconds, as far as that is known."""
        return self._clock.from_wall(self._client.clock_offset)

    @property
    def reading(self) -> Reading | None:
        """How many versions have been read, while they are read."""
        return self._versions.progress

    @property
    def kept_reports(self) -> Mapping[DeviceKey, DeviceReport]:
        """The latest report of each device that was read."""
        return self._versions.kept

    def keep_reports(self, reports: MutableMapping[DeviceKey, DeviceReport]) -> None:
        """Take over what an earlier run has read."""
        self._versions.keep(reports)

    def observe_jobs(self) -> Snapshot:
        """The state of the batches, which are found first.

        :raises OtaError: no usable response.
        """
        unfound = self._selection.find()
        if unfound:
            return Snapshot(self._clock.now(), unfound=unfound, clock_offset=self.clock_offset)
        observations = self._read_first(lambda job_id: observe_job(self._client, job_id), self._selection.job_ids)
        snapshot = self._latest = self._snapshot_of(observations)
        for job in _paged_jobs(snapshot):
            self._succeeded.count(job)
        return snapshot

    def read_all_tasks(self, jobs: Sequence[JobSnapshot]) -> Snapshot:
        """The same ``jobs`` with all of their tasks.

        :raises OtaError: no usable response.
        """
        large = [job for job in jobs if not self._lists.needs_names(job)]
        listed = dict(zip((job.job_id for job in large), self._read_first(self._lists.read, large)))
        return self._snapshot_of([listed.get(job.job_id) or self._lists.read(job) for job in jobs])

    def _read_first(self, query: Callable[[Q], T], items: Sequence[Q]) -> list[T]:
        """What the ``query`` returns for each item; versions are read beside it, with the quota of their own.

        :raises OtaError: no usable response.
        """
        unfinished = [*items]
        results: dict[int, T] = {}

        def run(position: int) -> None:
            try:
                results[position] = query(items[position])
            finally:
                unfinished.pop()

        taken = self._succeeded.take(self._block)
        keys = [*self._planned, *(success.key for success in taken)][: self._block]
        beside = self._versions.queries_beside(
            keys, lambda: not unfinished, _detailed_products(self._latest.jobs, self._policy, self._source)
        )
        queries: list[Callable[[], None]] = [*(partial(run, position) for position in range(len(items))), *beside]
        _done, failure = self._client.map(lambda run_query: run_query(), queries)
        left = [success for success in taken if not _is_read(success, self._versions.kept, self._latest)]
        self._put_back(taken, left)
        if failure:
            raise failure
        return [results[position] for position in range(len(items))]

    def read_versions(self, snapshot: Snapshot, keys: Sequence[DeviceKey], until: float) -> Snapshot:
        """The same ``snapshot`` with what the devices report, as far as that can be read before ``until``.

        :raises OtaError: no usable response.
        """
        found = self._versions.read(
            keys, self._clock.is_over(until), _detailed_products(snapshot.jobs, self._policy, self._source)
        )
        self._planned = [key for key in keys if key not in found]
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
        products, is_over = _detailed_products(snapshot.jobs, self._policy, self._source), self._clock.is_over(until)
        found = self._versions.read(keys, is_over, products)
        self._planned = [key for key in keys if key not in found]
        large, block = _paged_jobs(snapshot), self._block
        while large and not is_over():
            taken = self._succeeded.take(block)
            unread = [success.key for success in taken if not _is_read(success, self._versions.kept, snapshot)]
            # The next ones are found while these are read, because both operations have a quota of their own.
            read = self._versions.read(unread, is_over, products, lambda: self._succeeded.find(large, block, until))
            left = set(unread) - read.keys()
            self._put_back(taken, [success for success in taken if success.key in left])
            found.update(read)
            if not taken and not self._succeeded.has_found:
                break
        return snapshot._replace(versions=found, earlier=self._versions.kept, now=self._clock.now())

    def _put_back(self, taken: Sequence[Success], left: Sequence[Success]) -> None:
        """Let those that are ``left`` be read next, and keep nothing of other devices that have a name now."""
        self._succeeded.put_back(left)
        for success in taken:
            report = self._versions.kept.get(success.key)
            if report is not None and is_another(report, success.iot_id):
                self._versions.forget(success.key)

    def explain(
        self,
        snapshot: Snapshot,
        unread: Sequence[DeviceKey],
        suspects: Sequence[DeviceKey],
        late: Sequence[DeviceKey] = (),
    ) -> Snapshot:
        """The same ``snapshot`` with the versions of more devices, the other batches that keep ``suspects`` busy, and
        whether ``late`` devices are online, as far as these can be read.
        """
        if unread:
            with contextlib.suppress(OtaError):  # nothing is decided by these versions
                snapshot = self.read_versions(snapshot, unread, math.inf)._replace(now=snapshot.now)
        self.states.read(late)
        job_ids = self._selection.job_ids
        found, _failure = self._client.map(lambda key: (key, competing_job(self._client, key, job_ids)), suspects)
        busy = {key: job_id for key, job_id in found if job_id}
        return snapshot._replace(busy=busy, states=self.states.kept)

    def _snapshot_of(self, observations: Sequence[Observation]) -> Snapshot:
        problems = tuple(observation.problem for observation in observations if observation.problem)
        jobs = tuple(self._with_module(observation.job) for observation in observations)
        return Snapshot(
            self._clock.now(),
            jobs,
            earlier=self._versions.kept,
            states=self.states.kept,
            problems=problems,
            clock_offset=self.clock_offset,
        )

    def _with_module(self, job: JobSnapshot) -> JobSnapshot:
        return job._replace(module_name=self._modules.module_of(job)) if self._modules else job


def _paged_jobs(snapshot: Snapshot) -> list[JobSnapshot]:
    """The batches whose succeeded tasks are found page by page: they are too large for each poll, but can be listed."""
    return [job for job in snapshot.jobs if not job.all_listed and job.total <= MAX_ROWS]


def _detailed_products(jobs: Sequence[JobSnapshot], policy: Policy, source: VersionSource) -> set[str]:
    """The products whose devices' details are proof: all batches are for the module that these tell."""
    if source.module_name is None:
        return set()
    others = {job.product_key for job in jobs if module_of(job, policy) != source.module_name}
    return {job.product_key for job in jobs if job.product_key} - others


def _is_read(success: Success, kept: Mapping[DeviceKey, DeviceReport], snapshot: Snapshot) -> bool:
    """Whether a device was read since it succeeded, maybe by an earlier run."""
    report = kept.get(success.key)
    return report is not None and not is_outdated(report, snapshot.local_time(success.modified))
