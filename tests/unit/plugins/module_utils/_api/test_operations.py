# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api import operations
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    BATCH_GET_DEVICE_STATE,
    BATCH_QUERY_DEVICE_DETAIL,
    LIST_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_JOB_BY_FIRMWARE,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.schema import USUAL_QUOTA, snake_case
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.scope import CANCELABLE


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
        "iot.firmware.InvalidOTAJobId",
        "Iot.Firmware.InvalidOtaJobId",
        "iot.firmware.NullOTAJobId",
    ],
)
@pytest.mark.parametrize("operation", [QUERY_OTA_JOB, LIST_OTA_TASK_BY_JOB])
def test_codes_of_an_unknown_job(operation, code):
    assert operation.is_not_found(code)


@pytest.mark.parametrize(
    "code", ["iot.firmware.FirmwareNotFound", "iot.ota.FirmwareNotFound", "iot.firmware.InvalidFirmwareId"]
)
@pytest.mark.parametrize("operation", [QUERY_OTA_FIRMWARE, LIST_OTA_JOB_BY_FIRMWARE])
def test_codes_of_an_unknown_package(operation, code):
    assert operation.is_not_found(code)
    assert not LIST_OTA_FIRMWARE.is_not_found(code)


@pytest.mark.parametrize("operation", [LIST_OTA_JOB_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE])
@pytest.mark.parametrize(
    "code", ["iot.device.NotExistedDevice", "iot.device.DeviceNotFound", "iot.device.InvalidIoTId", "IotId.NotFound"]
)
def test_codes_of_an_unknown_device(operation, code):
    assert operation.is_not_found(code)


@pytest.mark.parametrize(
    "code", ["iot.firmware.InvalidFirmware", "iot.firmware.InvalidFirmwareUrl", "iot.firmware.InvalidOTAJobId"]
)
def test_codes_that_do_not_say_that_the_package_is_unknown(code):
    assert not QUERY_OTA_FIRMWARE.is_not_found(code)


@pytest.mark.parametrize("operation", [QUERY_OTA_JOB, LIST_OTA_JOB_BY_DEVICE, LIST_OTA_UNFINISHED_TASK_BY_DEVICE])
@pytest.mark.parametrize(
    "code",
    [
        "",
        "not_found",
        "iot.ota.FirmwareNotFound",
        "iot.firmware.InvalidFirmwareId",
        "iot.firmware.InvalidOTATaskId",
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
def test_codes_of_other_unknown_objects(operation, code):
    assert not operation.is_not_found(code)


OPERATIONS = [
    QUERY_OTA_JOB,
    QUERY_OTA_FIRMWARE,
    LIST_OTA_FIRMWARE,
    LIST_OTA_JOB_BY_FIRMWARE,
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_TASK_BY_NAMES,
    LIST_OTA_MODULE_VERSIONS_BY_DEVICE,
    BATCH_QUERY_DEVICE_DETAIL,
    BATCH_GET_DEVICE_STATE,
]
#: They return nothing but that they succeeded.
WRITES = [operations.CANCEL_OTA_TASK_BY_JOB, operations.CANCEL_OTA_STRATEGY_BY_JOB]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.action)
def test_operation_fits_together(operation):
    facts = {field.name for field in operation.fields}
    assert operation.identity in facts
    assert {"page", "page_size"} <= set(operation.parameters) or not operation.page_size


DEVICE = {"product_key": "product_key", "device_name": "device_name", "iot_id": "iot_id"}
BY_NAMES = {"product_key": "product_key", "device_name": "device_names"}


SUBJECTS = [
    {"job_id": "job_id"},
    {"firmware_id": "firmware_id"},
    {"product_key": "product_key", "dest_version": "dest_version"},
    {"firmware_id": "firmware_id"},
    {"product_key": "product_key", "firmware_id": "firmware_id"},
    {**DEVICE, "module_name": "module_name"},
    {"job_id": "job_id", "device_name": "device_names"},
    {"job_id": "job_id", "device_name": "device_names"},
    DEVICE,
    BY_NAMES,
    {"device_name": "device_names", "iot_id": "iot_ids"},
]


@pytest.mark.parametrize(("operation", "subjects"), [*zip(OPERATIONS, SUBJECTS)], ids=lambda one: str(one)[:40])
def test_subjects_are_what_a_request_and_its_response_both_name(operation, subjects):
    assert operation.subjects == subjects


def test_every_operation_is_listed():
    made = [value for value in vars(operations).values() if isinstance(value, operations.Operation)]
    assert len(made) == len(OPERATIONS) + len(WRITES)
    assert all(any(one is other for other in (*OPERATIONS, *WRITES)) for one in made)


def test_only_what_changes_something_is_marked():
    assert not any(operation.writes for operation in OPERATIONS)
    assert all(operation.writes and not operation.subjects and not operation.page_size for operation in WRITES)
    assert [operation.quota for operation in WRITES] == [5, USUAL_QUOTA]


def test_each_kind_of_task_that_can_be_canceled_has_a_flag():
    flags = set(operations.CANCEL_OTA_TASK_BY_JOB.parameters) - {"job_id"}
    assert flags == set(PLATFORMS["alibaba"].cancelable)
    assert flags == set(CANCELABLE)
    assert set(PLATFORMS["tuya"].cancelable) < flags


def test_named_devices_are_not_paged():
    assert (LIST_OTA_TASK_BY_NAMES.page_size, LIST_OTA_TASK_BY_NAMES.reports_total) == (0, False)
    assert LIST_OTA_TASK_BY_NAMES.action == LIST_OTA_TASK_BY_JOB.action


def test_quotas_are_those_that_the_vendor_documents():
    assert {operation.action: operation.quota for operation in OPERATIONS if operation.quota != USUAL_QUOTA} == {
        "QueryOTAFirmware": 20,
        "BatchQueryDeviceDetail": 5,
        "BatchGetDeviceState": 50,
    }
    assert USUAL_QUOTA == 10


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize(
    ("code", "is_refusal", "has_nothing_left"),
    [
        ("iot.firmware.JobAlreadyCanceled", True, True),
        ("iot.firmware.NotDynamicJob", True, True),
        ("iot.firmware.JobHasNoScheduleTime", True, False),
        ("iot.firmware.InvalidOTAJobId", True, False),
        ("Throttling.User", True, False),
        ("MissingJobId", True, False),
        # It may have acted before it said so.
        ("ServiceUnavailable", False, False),
        ("SignatureNonceUsed", False, False),
        ("iot.firmware.CancelOtaTaskFailed", False, False),
    ],
)
def test_codes_of_a_change(operation, code, is_refusal, has_nothing_left):
    assert (operation.is_refusal(code), operation.has_nothing_left(code)) == (is_refusal, has_nothing_left)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_that_reads_has_codes_of_changes(operation):
    assert not any(operation.is_refusal(code) for code in ("Throttling.User", "iot.firmware.NotDynamicJob", ""))
