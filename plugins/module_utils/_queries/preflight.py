# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate will be able to see of a rollout: call each operation once, and keep how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, NamedTuple, TypedDict

from .._api.error_codes import GENERAL_TOPICS, FailureTopic, failure_topic
from .._api.operations import (
    BATCH_GET_DEVICE_STATE,
    BATCH_QUERY_DEVICE_DETAIL,
    CANCEL_OTA_TASK_BY_JOB,
    LIST_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_JOB_BY_FIRMWARE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
)
from .._api.schema import Operation
from .._client.client import Client
from .._errors import OtaError
from .details import read_details
from .devices import module_in_tasks
from .jobs import JobFacts, read_job, read_module
from .states import StateQuery, run_state_query


class PreflightInputs(TypedDict):
    """The options of a preflight: what selects a batch and a device, and what is expected of the batch."""

    job_id: str | None
    product_key: str | None
    device_names: list[str] | None
    expected_product_key: str | None
    expected_firmware_id: str | None
    expected_version: str | None
    expected_job_type: str | None
    expected_module_name: str | None
    check_cancel: bool | None
    check_find: bool | None


#: What no batch is called. Alibaba Cloud also documents that a cancel fails that chooses no tasks.
NO_JOB_ID = "0"


class Call(NamedTuple):
    """How the call of an operation ended. It was not made if an argument is ``missing`` or an earlier call rules it
    out (``skipped``).
    """

    missing: tuple[str, ...] = ()
    skipped: bool = False
    error: OtaError | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether the operation returned something usable."""
        return not self.missing and not self.skipped and self.error is None

    @property
    def is_allowed(self) -> bool | None:
        """Whether the access key may call the operation; ``None`` where nothing proves it."""
        return False if self.error_topic is FailureTopic.PERMISSION else self.has_succeeded or None

    @property
    def error_topic(self) -> FailureTopic | None:
        """What its failure is about; ``None`` if it did not fail."""
        return failure_topic(self.error.code, self.error.http_status) if self.error else None


class Findings(NamedTuple):
    """What a probe learned. ``calls`` are in the order in which they were made, by operation.

    ``device_count`` is how many devices there are to read, at ``max_qps`` requests a second.
    """

    inputs: PreflightInputs
    instance_id: str | None = None
    calls: Mapping[str, Call] = {}
    job: JobFacts | None = None
    module_name: str | None = None
    product_key: str | None = None
    device_name: str | None = None
    device_known: bool | None = None
    device_count: int | None = None
    max_qps: float = 0.0
    clock_offset: float | None = None

    def failure_about(self, topic: FailureTopic) -> OtaError | None:
        """The failure that is about ``topic``."""
        return next((call.error for call in self.calls.values() if call.error_topic is topic), None)

    @property
    def known_job(self) -> JobFacts | None:
        """The batch, if the service knows it."""
        return self.job if self.job and self.job["found"] else None


class Probe:
    """Calls each operation once for something small, and keeps what it learned.

    ``instance_id`` is the instance that each request names, and ``max_qps`` the rate of the client. What the inputs
    leave out of device and package is taken from the batch. Its module is that of its package, or else that of an open
    task.
    """

    def __init__(
        self, client: Client, inputs: PreflightInputs, instance_id: str | None = None, max_qps: float = 0.0
    ) -> None:
        self._client = client
        self._inputs = inputs
        self._instance_id = instance_id
        self._max_qps = max_qps
        self._calls: dict[str, Call] = {}
        self._job: JobFacts | None = None
        self._product_key = inputs["product_key"] or inputs["expected_product_key"]
        self._firmware_id = inputs["expected_firmware_id"]
        self._module_name: str | None = None
        self._device_name = next(iter(inputs["device_names"] or ()), None)
        self._device_known: bool | None = None
        self._device_count = None if inputs["job_id"] else len({*(inputs["device_names"] or ())}) or None

    def call_all(self) -> Findings:
        """Call all operations."""
        job_id = self._inputs["job_id"]
        self._try_call(QUERY_OTA_JOB, self._read_job, job_id=job_id)
        self._try_call(LIST_OTA_TASK_BY_JOB, self._read_task, job_id=job_id)
        device = {"product_key": self._product_key, "device_name": self._device_name}
        self._try_call(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, self._read_open_tasks, **device)
        self._try_call(LIST_OTA_MODULE_VERSIONS_BY_DEVICE, self._read_device, **device)
        package = (self._job and self._job["firmware_id"]) or self._firmware_id
        self._try_call(QUERY_OTA_FIRMWARE, self._read_package, firmware_id=package)
        self._try_call(LIST_OTA_JOB_BY_DEVICE, self._read_list, firmware_id=self._firmware_id, **device)
        self._try_call(BATCH_GET_DEVICE_STATE, self._read_state, **device)
        self._try_call(BATCH_QUERY_DEVICE_DETAIL, self._read_details, **device)
        if self._inputs["check_find"]:
            self._try_call(LIST_OTA_FIRMWARE, self._read_packages, product_key=self._product_key)
            self._try_call(LIST_OTA_JOB_BY_FIRMWARE, self._read_list, firmware_id=self._firmware_id)
        if self._inputs["check_cancel"]:
            self._try_call(CANCEL_OTA_TASK_BY_JOB, self._cancel_nothing, job_id=NO_JOB_ID)
        return Findings(
            inputs=self._inputs,
            instance_id=self._instance_id,
            calls=self._calls,
            job=self._job,
            module_name=self._module_name,
            product_key=self._product_key,
            device_name=self._device_name,
            device_known=self._device_known,
            device_count=self._device_count,
            max_qps=self._max_qps,
            clock_offset=self._client.clock_offset,
        )

    def _try_call(self, operation: Operation, read: Callable[..., None], **arguments: str | None) -> None:
        """Call an operation, unless nothing can come of it, and keep how the call ended."""
        missing = tuple(name for name, value in arguments.items() if not value)
        skipped = any(call.error_topic in GENERAL_TOPICS for call in self._calls.values())
        error: OtaError | None = None
        if not missing and not skipped:
            try:
                read(operation, **arguments)
            except OtaError as failure:
                error = failure
        self._calls[operation.action] = Call(missing, skipped, error)

    def _read_job(self, operation: Operation, job_id: str) -> None:
        self._job = read_job(self._client, job_id)
        self._product_key = self._product_key or self._job["product_key"]
        self._firmware_id = self._firmware_id or self._job["firmware_id"]

    def _read_task(self, operation: Operation, **arguments: str) -> None:
        page = self._client.first_page(operation, 1, **arguments)
        self._device_count = page.announced if page else None
        for task in page.rows if page else ():
            product_key = task["product_key"] or self._product_key
            if not self._device_name and self._product_key in (None, product_key):
                self._product_key, self._device_name = product_key, task["device_name"]

    def _read_open_tasks(self, operation: Operation, **arguments: str) -> None:
        page = self._client.first_page(operation, 1, **arguments)
        self._device_known = page is not None
        if page and self._inputs["job_id"]:
            self._module_name = module_in_tasks(page.rows, self._inputs["job_id"])

    def _read_device(self, operation: Operation, **arguments: str) -> None:
        known = self._client.first_page(operation, 1, **arguments) is not None
        self._device_known = known or bool(self._device_known)

    def _read_package(self, operation: Operation, firmware_id: str) -> None:
        self._module_name = read_module(self._client, firmware_id) or self._module_name

    def _read_list(self, operation: Operation, **arguments: str) -> None:
        self._client.first_page(operation, 1, **arguments)

    def _read_packages(self, operation: Operation, product_key: str) -> None:
        page = self._client.first_page(operation, 1, product_key=product_key)
        listed = [package["firmware_id"] for package in page.rows] if page else []
        self._firmware_id = self._firmware_id or next(iter(listed), None)

    def _read_state(self, operation: Operation, product_key: str, device_name: str) -> None:
        run_state_query(self._client, StateQuery((device_name,), product_key))

    def _read_details(self, operation: Operation, product_key: str, device_name: str) -> None:
        read_details(self._client, product_key, [device_name])

    def _cancel_nothing(self, operation: Operation, job_id: str) -> None:
        """Call for the refusal: no batch is named, and no tasks are chosen."""
        self._client.change(operation, job_id=job_id)
