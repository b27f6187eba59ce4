# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a gate will be able to see a rollout: call each operation once, and check what the responses prove."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Callable, NamedTuple, TypedDict

from .._api.error_codes import GENERAL_TOPICS, FailureTopic, failure_topic
from .._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
    Operation,
    snake_case,
)
from .._client.client import Client
from .._errors import OtaError
from .devices import module_in_tasks
from .jobs import EXPECTATIONS, JobFacts, read_job, read_module

#: Maximum difference to the service's clock, in seconds. The vendor accepts requests that are 15 minutes old.
MAX_CLOCK_OFFSET = 300.0


# --- Calls -----------------------------------------------------------------------------------------------------------


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
    def error_topic(self) -> FailureTopic | None:
        """What its failure is about; ``None`` if it did not fail."""
        return failure_topic(self.error.code, self.error.http_status) if self.error else None


class Findings(NamedTuple):
    """What a probe learned. ``calls`` are in the order in which they were made, by operation."""

    inputs: PreflightInputs
    instance_id: str | None = None
    calls: Mapping[str, Call] = {}
    job: JobFacts | None = None
    module_name: str | None = None
    product_key: str | None = None
    device_name: str | None = None
    device_known: bool | None = None
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

    ``instance_id`` is the instance that each request names. What the inputs leave out of device and package is taken
    from the batch. Its module is that of its package, or else that of an open task.
    """

    def __init__(self, client: Client, inputs: PreflightInputs, instance_id: str | None = None) -> None:
        self._client = client
        self._inputs = inputs
        self._instance_id = instance_id
        self._calls: dict[str, Call] = {}
        self._job: JobFacts | None = None
        self._product_key = inputs["product_key"] or inputs["expected_product_key"]
        self._firmware_id = inputs["expected_firmware_id"]
        self._module_name: str | None = None
        self._device_name = next(iter(inputs["device_names"] or ()), None)
        self._device_known: bool | None = None

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
        return Findings(
            inputs=self._inputs,
            instance_id=self._instance_id,
            calls=self._calls,
            job=self._job,
            module_name=self._module_name,
            product_key=self._product_key,
            device_name=self._device_name,
            device_known=self._device_known,
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


# --- Checks ----------------------------------------------------------------------------------------------------------


class Check(NamedTuple):
    """One check. ``ok`` is ``None`` where nothing proves it either way; ``message`` has no full stop."""

    name: str
    ok: bool | None
    message: str
    hint: str | None = None
    code: str | None = None


def check_endpoint(findings: Findings) -> Check:
    error = findings.failure_about(FailureTopic.NETWORK)
    if error:
        return Check("endpoint", False, error.cause, error.hint, error.code)
    responded = any(call.has_succeeded or (call.error and call.error.http_status) for call in findings.calls.values())
    return Check("endpoint", responded or None, "the service responds" if responded else "the service sent no response")


def check_access_key(findings: Findings) -> Check:
    error = findings.failure_about(FailureTopic.KEY)
    if error:
        return Check("access_key", False, error.cause, error.hint, error.code)
    # The service checks the signature before permissions and instances.
    after_signature = (FailureTopic.PERMISSION, FailureTopic.INSTANCE)
    if any(call.has_succeeded or call.error_topic in after_signature for call in findings.calls.values()):
        return Check("access_key", True, "the service accepts the access key and the signature")
    return Check("access_key", None, "no response shows whether the service accepts the access key")


def check_clock(findings: Findings) -> Check:
    error, offset = findings.failure_about(FailureTopic.CLOCK), findings.clock_offset
    if error:
        return Check("clock", False, error.cause, error.hint, error.code)
    if offset is None:
        return Check("clock", None, "no response shows the service's time")
    if abs(offset) < 1.5:  # the service reports whole seconds
        return Check("clock", True, "the clock matches the service's")
    direction = "behind" if offset > 0 else "ahead of"
    message = f"the clock is {abs(round(offset))} s {direction} the service's"
    if abs(offset) > MAX_CLOCK_OFFSET:
        return Check("clock", False, message, "set the clock of this machine, preferably by NTP", "clock_off")
    return Check("clock", True, message)


def check_instance(findings: Findings) -> Check:
    error, instance = findings.failure_about(FailureTopic.INSTANCE), findings.instance_id
    if error:
        given = f"iot_instance_id {instance} is given" if instance else "no iot_instance_id is given"
        return Check("iot_instance", False, f"{given}, and {error.cause}", error.hint, error.code)
    if not instance:
        return Check("iot_instance", None, "no iot_instance_id is sent, which is right for an instance without an ID")
    # A missing permission may be reported before the instance is looked up.
    if any(call.has_succeeded for call in findings.calls.values()):
        return Check("iot_instance", True, f"the service knows instance {instance}")
    return Check("iot_instance", None, f"no response shows whether instance {instance} exists")


def check_permission(findings: Findings, action: str) -> Check:
    name, call = f"permission_{snake_case(action)}", findings.calls[action]
    if call.skipped:
        return Check(name, None, f"{action} was not called, because it would fail like the call before it")
    if call.missing:
        return Check(name, None, f"{action} was not called, because no {' and no '.join(call.missing)} is known")
    if call.error is None:
        return Check(name, True, f"{action} is allowed")
    error = call.error
    if call.error_topic in GENERAL_TOPICS:
        return Check(name, None, f"no response shows whether {action} is allowed", None, error.code)
    trace = f" (request ID {error.request_id})" if error.request_id else ""
    hint = error.hint
    if action == QUERY_OTA_FIRMWARE.action:
        hint += "; without it, a gate learns the module of a batch from open tasks only"
    if call.error_topic is FailureTopic.PERMISSION:
        return Check(name, False, f"{action} is denied{trace}", hint, error.code)
    return Check(name, False, f"{action} failed: {error.cause}{trace}", hint, error.code)


def check_job(findings: Findings) -> Check:
    job_id = findings.inputs["job_id"]
    if not job_id:
        return Check("job", None, "no job_id is given")
    if findings.job is None:
        return Check("job", None, f"no response shows whether batch {job_id} exists")
    if findings.known_job is None:
        hint = "check job_id, and that region, iot_instance_id and the access key are those of its account"
        return Check("job", False, f"the service does not know batch {job_id}", hint, "unknown_job")
    return Check("job", True, f"batch {job_id} exists and is {findings.job['job_status'] or 'without a state'}")


def check_expectation(findings: Findings, option: str) -> Check:
    fact = EXPECTATIONS[option]
    name, expected = f"job_{fact.replace('job_', '')}", findings.inputs.get(option)
    job, job_id = findings.known_job, findings.inputs["job_id"]
    if not expected:
        return Check(name, None, f"no {option} is given to compare with the batch")
    if job is None:
        return Check(name, None, f"there is no batch to compare with {option}")
    actual = job.get(fact)
    if actual is None:
        hint = f"leave {option} out, because no gate can compare it"
        return Check(name, False, f"batch {job_id} has no {fact}", hint, "incomplete")
    return _compare(findings, option, fact, str(actual), expected)


def check_module(findings: Findings) -> Check:
    option, actual = "expected_module_name", findings.module_name
    if findings.known_job is None or actual is None:
        return Check("job_module_name", None, "no response shows which module the batch is for")
    return _compare(findings, option, "module_name", actual, findings.inputs["expected_module_name"] or actual)


def _compare(findings: Findings, option: str, fact: str, actual: str, expected: object) -> Check:
    """Whether a fact about the batch is the ``expected`` one."""
    name, job_id = f"job_{fact.replace('job_', '')}", findings.inputs["job_id"]
    if actual != expected:
        message = f"batch {job_id} has the {fact} {actual}; expected {expected}"
        return Check(name, False, message, f"check job_id and {option}: another batch may be meant", "wrong_job")
    return Check(name, True, f"batch {job_id} has the {fact} {actual}")


def check_device(findings: Findings) -> Check:
    name, product = findings.device_name, findings.product_key
    if not name or not product:
        return Check("device", None, "there is no device to query")
    if findings.device_known is None:
        return Check("device", None, f"no response shows whether device {name} exists")
    if not findings.device_known:
        message = f"the service does not know device {name} of product {product}"
        return Check("device", False, message, "check both names", "unknown_device")
    return Check("device", True, f"device {name} of product {product} exists")


_OPERATIONS = (
    QUERY_OTA_JOB,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
)

#: All checks, in the order in which they are worth reading.
CHECKS: tuple[Callable[[Findings], Check], ...] = (
    check_endpoint,
    check_access_key,
    check_clock,
    check_instance,
    *(partial(check_permission, action=operation.action) for operation in _OPERATIONS),
    check_job,
    *(partial(check_expectation, option=option) for option in EXPECTATIONS),
    check_module,
    check_device,
)
