# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a gate will be able to see a rollout: check what the responses of a preflight prove."""

from __future__ import annotations

import math
from functools import partial
from typing import Callable, NamedTuple

from .._api.error_codes import GENERAL_TOPICS, FailureTopic
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
from .._api.schema import snake_case
from .jobs import EXPECTATIONS
from .preflight import Findings
from .version_sources import VERSION_SOURCES, VersionSource

#: Maximum difference to the service's clock, in seconds. The vendor accepts requests that are 15 minutes old.
MAX_CLOCK_OFFSET = 300.0

#: What is lost without an operation that a gate does not need.
_LOST_WITHOUT = {
    BATCH_GET_DEVICE_STATE.action: "it cannot be told which devices are offline",
    BATCH_QUERY_DEVICE_DETAIL.action: "versions can be read device by device only",
}


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


def check_permission(findings: Findings, action: str, option: str | None = None) -> Check:
    """Whether an operation is allowed, which is called only with an ``option`` if there is one."""
    name, call = f"permission_{snake_case(action)}", findings.calls.get(action)
    if call is None:
        return Check(name, None, f"{action} was not called, because {option} is off")
    if call.skipped:
        return Check(name, None, f"{action} was not called, because it would fail like the call before it")
    if call.missing:
        return Check(name, None, f"{action} was not called, because no {' and no '.join(call.missing)} is known")
    if call.error is None:
        with_secrets = action == BATCH_QUERY_DEVICE_DETAIL.action
        note = ", so this access key can read the secrets of devices" if with_secrets else ""
        return Check(name, True, f"{action} is allowed{note}")
    error = call.error
    if call.error_topic in GENERAL_TOPICS:
        return Check(name, None, f"no response shows whether {action} is allowed", None, error.code)
    trace = f" (request ID {error.request_id})" if error.request_id else ""
    if action in _LOST_WITHOUT:
        failed = "is denied" if call.error_topic is FailureTopic.PERMISSION else f"failed: {error.cause}"
        return Check(name, None, f"{action} {failed}{trace}, so {_LOST_WITHOUT[action]}", None, error.code)
    hint = error.hint
    if action == QUERY_OTA_FIRMWARE.action:
        hint += "; without it, a gate learns the module of a batch from open tasks only"
    if call.error_topic is FailureTopic.PERMISSION:
        return Check(name, False, f"{action} is denied{trace}", hint, error.code)
    return Check(name, False, f"{action} failed: {error.cause}{trace}", hint, error.code)


def check_cancel(findings: Findings) -> Check:
    """Only a denial can be seen, because nothing may be canceled to find out."""
    action = CANCEL_OTA_TASK_BY_JOB.action
    check, call = check_permission(findings, action, "check_cancel"), findings.calls.get(action)
    if call is None or call.skipped or call.error_topic is FailureTopic.PERMISSION:
        return check
    message = f"{action} is not denied before its parameters are read, which is no proof of permission"
    return Check(check.name, None, message)


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


def check_versions(findings: Findings, source: VersionSource) -> Check:
    name, action, count = f"versions_{source.name}", source.operation.action, findings.device_count
    if count is None:
        return Check(name, None, "no response shows how many devices the batch has")
    if not source.shows_module(findings.module_name):
        return Check(name, None, f"{action} does not show the version of module {findings.module_name}")
    if not findings.calls[action].has_succeeded:
        return Check(name, None, f"no response shows that {action} can read the versions")
    requests, seconds = source.count_requests(count), math.ceil(source.seconds(count, findings.max_qps))
    return Check(
        name,
        True,
        f"reading the versions of {count} devices by {action} takes {requests} request{'' if requests == 1 else 's'}"
        + (f" and at least {seconds} s" if seconds else ""),
    )


_OPERATIONS = (
    QUERY_OTA_JOB,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
    BATCH_GET_DEVICE_STATE,
    BATCH_QUERY_DEVICE_DETAIL,
)

#: What a gate calls only to find its batches.
_SEARCHING = (LIST_OTA_FIRMWARE, LIST_OTA_JOB_BY_FIRMWARE)

#: All checks, in the order in which they are worth reading.
CHECKS: tuple[Callable[[Findings], Check], ...] = (
    check_endpoint,
    check_access_key,
    check_clock,
    check_instance,
    *(partial(check_permission, action=operation.action) for operation in _OPERATIONS),
    *(partial(check_permission, action=operation.action, option="check_find") for operation in _SEARCHING),
    check_cancel,
    check_job,
    *(partial(check_expectation, option=option) for option in EXPECTATIONS),
    check_module,
    check_device,
    *(partial(check_versions, source=source) for source in VERSION_SOURCES),
)
