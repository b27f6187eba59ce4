# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.error_codes import meaning_of
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
    snake_case,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import COMMON_PARAMETERS, wire_parameters
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("JobId", "job_id"),
        ("jobId", "job_id"),
        ("JobID", "job_id"),
        ("SimpleOTATaskInfo", "simple_ota_task_info"),
        ("simpleOTATaskInfo", "simple_ota_task_info"),
        ("UtcCreate", "utc_create"),
        ("fileMd5Sum", "file_md5_sum"),
        ("x", "x"),
    ],
)
def test_snake_case(wire, name):
    assert snake_case(wire) == name


def test_parameters_on_the_wire():
    values = {"iot_id": None, "product_key": "k", "device_name": "", "task_statuses": ["QUEUED", "NOTIFIED"]}
    assert wire_parameters(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.parameters, values) == {
        "ProductKey": "k",
        "TaskStatusList.1": "QUEUED",
        "TaskStatusList.2": "NOTIFIED",
    }


@pytest.mark.parametrize("value", ["\ud800", ["a", "\ud800"]])
def test_what_cannot_be_written_is_refused(value):
    with pytest.raises(OtaError, match="is not valid Unicode"):
        wire_parameters({"job_id": "JobId"}, {"job_id": value})


def test_a_parameter_that_the_operation_does_not_have_is_a_mistake():
    with pytest.raises(KeyError):
        wire_parameters(COMMON_PARAMETERS, {"job_id": "1"})


@pytest.mark.parametrize(
    "code",
    [
        "iot.ota.JobNotFound",
        "iot.ota.JobIdNotExist",
        "iot.ota.OTAJobNotFound",
        "iot.ota.JobIsNotExist",
        "iot.ota.NotExistedJob",
        "iot.ota.job_not_found",
        "InvalidJobId.NotFound",
    ],
)
def test_codes_that_say_that_there_is_no_such_job(code):
    assert QUERY_OTA_JOB.is_not_found(code)


@pytest.mark.parametrize("operation", [LIST_OTA_JOB_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE])
@pytest.mark.parametrize(
    "code", ["iot.device.NotExistedDevice", "iot.device.DeviceNotFound", "iot.device.InvalidIoTId", "IotId.NotFound"]
)
def test_codes_that_say_that_there_is_no_such_device(operation, code):
    assert operation.is_not_found(code)


@pytest.mark.parametrize("operation", [QUERY_OTA_JOB, LIST_OTA_JOB_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE])
@pytest.mark.parametrize(
    "code",
    [
        "",
        "not_found",
        "iot.ota.FirmwareNotFound",
        "iot.prod.NotExistedProduct",
        "iot.system.InstanceNotFound",
        "iot.Sre.IotInstanceNotFound",
        "iot.system.UidNotFound",
        "InvalidApi.NotFound",
        "InvalidAccessKeyId.NotFound",
        "iot.device.ProductNotExist",
        "Iot.NotFound",
        "iot.ota.JobNotFinished",
    ],
)
def test_what_else_is_missing_stays_an_error(operation, code):
    assert not operation.is_not_found(code)


@pytest.mark.parametrize(
    ("code", "status", "retry", "hint"),
    [
        ("Throttling", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.User", 400, Retry.SLOWER, "lower max_qps"),
        ("Throttling.Api", 429, Retry.SLOWER, "lower max_qps"),
        ("Rejected.Throttling", 503, Retry.SLOWER, "lower max_qps"),
        ("iot.messagebroker.RateLimit", 200, Retry.SLOWER, "lower max_qps"),
        ("ServiceUnavailable", 503, Retry.LATER, "ask again later"),
        ("InternalError", 500, Retry.LATER, "ask again later"),
        ("UnknownError", 500, Retry.LATER, "ask again later"),
        ("iot.system.SystemException", 200, Retry.LATER, "ask again later"),
        ("Iot.system.SystemException", 200, Retry.LATER, "ask again later"),
        ("SignatureNonceUsed", 400, Retry.ONCE, "proxy"),
        ("InvalidTimeStamp.Expired", 400, Retry.ONCE, "set the clock"),
        ("InvalidTimeStamp.Format", 400, Retry.ONCE, "set the clock"),
        ("SignatureDoesNotMatch", 400, Retry.NEVER, "check that access_key_secret"),
        ("IncompleteSignature", 400, Retry.NEVER, "check that access_key_secret"),
        ("InvalidAccessKeyId.NotFound", 404, Retry.NEVER, "check access_key_id"),
        ("InvalidAccessKeyId.Inactive", 403, Retry.NEVER, "enable the access key"),
        ("InvalidSecurityToken.Expired", 400, Retry.NEVER, "new temporary credentials"),
        ("InvalidSecurityToken.Malformed", 400, Retry.NEVER, "security_token"),
        ("InvalidSecurityToken.MismatchWithAccessKey", 400, Retry.NEVER, "security_token"),
        ("MissingSecurityToken", 400, Retry.NEVER, "security_token"),
        ("Forbidden.RAM", 403, Retry.NEVER, "administrator"),
        ("NoPermission", 403, Retry.NEVER, "administrator"),
        ("iot.common.RamActionPermissionDeny", 200, Retry.NEVER, "administrator"),
        ("InvalidApi.NotFound", 404, Retry.NEVER, "check platform and endpoint"),
        ("UnsupportedOperation", 400, Retry.NEVER, "check platform and endpoint"),
        ("InvalidVersion", 400, Retry.NEVER, "check platform and endpoint"),
        ("iot.Sre.IotInstanceNotFound", 200, Retry.NEVER, "check iot_instance_id"),
        ("iot.system.InstanceNotFound", 200, Retry.NEVER, "check iot_instance_id"),
        ("iot.system.UidNotFound", 200, Retry.NEVER, "check that the account"),
        ("iot.common.InvalidTenant", 200, Retry.NEVER, "check that the account"),
        ("Iot.system.BillIsOverDue", 200, Retry.NEVER, "bill"),
        ("iot.prod.NotExistedProduct", 200, Retry.NEVER, "check product_key"),
        ("iot.ota.FirmwareNotFound", 200, Retry.NEVER, "check firmware_id"),
        ("MissingVersion", 400, Retry.NEVER, "set full_common_parameters"),
        ("MissingJobId", 400, Retry.NEVER, "option that the code names"),
        ("InvalidParameter", 400, Retry.NEVER, "option that the code names"),
        ("iot.common.InvalidPageParams", 200, Retry.NEVER, "option that the code names"),
        ("iot.ota.Surprise", 200, Retry.NEVER, "look the code up"),
        ("", 500, Retry.LATER, "ask again later"),
        ("", 429, Retry.SLOWER, "lower max_qps"),
        ("", 404, Retry.NEVER, "look the code up"),
    ],
)
def test_what_a_code_means(code, status, retry, hint):
    meaning = meaning_of(code, status)
    assert meaning.retry is retry
    assert hint in meaning.hint
