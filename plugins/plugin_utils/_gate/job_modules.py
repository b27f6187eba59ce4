# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which module each batch is for: no fact of a batch says it, but its package does, and so do its open tasks."""

from __future__ import annotations

from ...module_utils._api.error_codes import FailureTopic, failure_topic
from ...module_utils._api.operations import UNFINISHED_TASK_STATUSES
from ...module_utils._client.client import Client
from ...module_utils._errors import OtaError, Retry
from ...module_utils._queries.devices import module_of_job
from ...module_utils._queries.jobs import JobFacts, read_module
from .._rollout.batches import task_key
from .._rollout.snapshot import JobSnapshot

#: Failures that every other request would meet too.
_AFFECTS_ALL = (FailureTopic.NETWORK, FailureTopic.KEY, FailureTopic.CLOCK, FailureTopic.INSTANCE)


class JobModules:
    """Learns the module of each batch, once. Where it is not to be had, the rollout is read all the same."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_package: dict[str, str | None] = {}
        self._by_job: dict[str, str] = {}
        self._may_read_tasks = True

    def module_of(self, job: JobSnapshot) -> str | None:
        """The module of a batch, ``None`` as long as nothing tells.

        :raises OtaError: nothing can be read at all.
        """
        if job.facts is None:
            return None
        if job.job_id not in self._by_job:
            module_name = self._module_of_package(job.facts) or self._module_of_tasks(job)
            if module_name is None:
                return None
            self._by_job[job.job_id] = module_name
        return self._by_job[job.job_id]

    def _module_of_package(self, facts: JobFacts) -> str | None:
        firmware_id = facts.get("firmware_id")
        if not isinstance(firmware_id, str) or not firmware_id:
            return None
        if firmware_id not in self._by_package:
            try:
                self._by_package[firmware_id] = read_module(self._client, firmware_id)
            except OtaError as error:
                _raise_if_general(error)
                if error.retry is not Retry.NEVER:  # it may tell at the next poll
                    return None
                self._by_package[firmware_id] = None
        return self._by_package[firmware_id]

    def _module_of_tasks(self, job: JobSnapshot) -> str | None:
        unfinished = (task for task in job.tasks if task.get("task_status") in UNFINISHED_TASK_STATUSES)
        task = next(unfinished, None)
        if task is None or not self._may_read_tasks:
            return None
        try:
            return module_of_job(self._client, task_key(task, job), job.job_id)
        except OtaError as error:
            _raise_if_general(error)
            self._may_read_tasks = failure_topic(error.code, error.http_status) is not FailureTopic.PERMISSION
            return None


def _raise_if_general(error: OtaError) -> None:
    """:raises OtaError: the ``error`` is about more than this question."""
    if failure_topic(error.code, error.http_status) in _AFFECTS_ALL:
        raise error
