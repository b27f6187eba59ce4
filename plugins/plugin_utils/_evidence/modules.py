# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which module each batch is for: its package says it, and so do its open tasks, but no fact of the batch."""

from __future__ import annotations

from ...module_utils._api.error_codes import GENERAL_TOPICS, FailureTopic, failure_topic
from ...module_utils._api.operations import UNFINISHED_TASK_STATUSES
from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._queries.devices import module_of_job
from ...module_utils._queries.jobs import read_module
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot

#: Ask the open tasks of at most this many devices for the module of a batch: some devices may be gone.
MAX_ASKED = 3


class JobModules:
    """Learns which module each batch is for, once.

    No fact of a batch says it, but its package does, and so do its open tasks. Where neither may be read, the rollout
    is read all the same.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_package: dict[str, str | None] = {}
        self._by_job: dict[str, str] = {}
        self._may_read_tasks = True

    def module_of(self, job: JobSnapshot) -> str | None:
        """The module of a batch, ``None`` as long as nothing shows it.

        :raises OtaError: nothing can be read at all, or what shows the module cannot be read at this moment.
        """
        if job.facts is None:
            return None
        if job.job_id not in self._by_job:
            module_name = self._learn(job)
            if module_name is None:
                return None
            self._by_job[job.job_id] = module_name
        return self._by_job[job.job_id]

    def _learn(self, job: JobSnapshot) -> str | None:
        failure = None
        for read in (self._module_of_package, self._module_of_tasks):
            try:
                module_name = read(job)
            except OtaError as error:
                _raise_if_general(error)
                failure = error
            else:
                if module_name is not None:
                    return module_name
        if failure is not None:  # no verdict on an assumption in place of what the next poll may read
            raise failure
        return None

    def _module_of_package(self, job: JobSnapshot) -> str | None:
        """:raises OtaError: it cannot be read at this moment."""
        firmware_id = (job.facts or {}).get("firmware_id")
        if not isinstance(firmware_id, str) or not firmware_id:
            return None
        if firmware_id not in self._by_package:
            try:
                self._by_package[firmware_id] = read_module(self._client, firmware_id)
            except OtaError as error:
                if error.retry is not Retry.NEVER:
                    raise
                _raise_if_general(error)
                self._by_package[firmware_id] = None
        return self._by_package[firmware_id]

    def _module_of_tasks(self, job: JobSnapshot) -> str | None:
        """:raises OtaError: they cannot be read at this moment."""
        unfinished = {task_key(task, job) for task in job.tasks if task.get("task_status") in UNFINISHED_TASK_STATUSES}
        named = sorted(key for key in unfinished if all(key))
        for key in named[:MAX_ASKED] if self._may_read_tasks else ():
            try:
                module_name = module_of_job(self._client, key, job.job_id)
            except OtaError as error:
                if error.retry is not Retry.NEVER:
                    raise
                _raise_if_general(error)
                self._may_read_tasks = failure_topic(error.code, error.http_status) is not FailureTopic.PERMISSION
                module_name = None
            if module_name is not None or not self._may_read_tasks:
                return module_name
        return None


def _raise_if_general(error: OtaError) -> None:
    """:raises OtaError: the ``error`` is about more than this question."""
    if failure_topic(error.code, error.http_status) in GENERAL_TOPICS:
        raise error
