# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of a preflight on made-up findings."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.checks import (
    CHECKS,
    Check,
    check_access_key,
    check_clock,
    check_device,
    check_endpoint,
    check_expectation,
    check_instance,
    check_job,
    check_module,
    check_permission,
    check_versions,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.preflight import Call, Findings
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import VERSION_SOURCES

from .test_preflight import ACTIONS, NAMES, NOTHING

SUCCESS = {"QueryOTAJob": Call()}
DENIED = {"QueryOTAJob": Call(error=OtaError("no", code="NoPermission", hint="ask", http_status=403, request_id="R-1"))}
BROKEN = {"QueryOTAJob": Call(error=OtaError("the service refused", code="Odd", hint="look", http_status=400))}
MIXED_UP = {"QueryOTAJob": Call(error=OtaError("mixed up", code="wrong_response", hint="check proxy"))}
NOTHING_CALLED = {"QueryOTAJob": Call(missing=("job_id",))}


@pytest.mark.parametrize(
    ("calls", "check"),
    [
        (SUCCESS, Check("endpoint", True, "the service responds")),
        (DENIED, Check("endpoint", True, "the service responds")),
        (MIXED_UP, Check("endpoint", None, "the service sent no response")),
        (NOTHING_CALLED, Check("endpoint", None, "the service sent no response")),
    ],
)
def test_check_endpoint(calls, check):
    assert check_endpoint(Findings(NOTHING, calls=calls)) == check


@pytest.mark.parametrize(("calls", "ok"), [(SUCCESS, True), (DENIED, True), (BROKEN, None), (NOTHING_CALLED, None)])
def test_check_access_key(calls, ok):
    message = "the service accepts the access key and the signature"
    if ok is None:
        message = "no response shows whether the service accepts the access key"
    assert check_access_key(Findings(NOTHING, calls=calls)) == Check("access_key", ok, message)


@pytest.mark.parametrize(
    ("offset", "check"),
    [
        (None, Check("clock", None, "no response shows the service's time")),
        (1.4, Check("clock", True, "the clock matches the service's")),
        (-1.4, Check("clock", True, "the clock matches the service's")),
        (2.0, Check("clock", True, "the clock is 2 s behind the service's")),
        (-300.0, Check("clock", True, "the clock is 300 s ahead of the service's")),
        (
            301.0,
            Check(
                "clock",
                False,
                "the clock is 301 s behind the service's",
                "set the clock of this machine, preferably by NTP",
                "clock_off",
            ),
        ),
    ],
)
def test_check_clock(offset, check):
    assert check_clock(Findings(NOTHING, clock_offset=offset)) == check


@pytest.mark.parametrize(
    ("instance", "calls", "ok", "message"),
    [
        (None, SUCCESS, None, "no iot_instance_id is sent, which is right for an instance without an ID"),
        ("iot-1", SUCCESS, True, "the service knows instance iot-1"),
        ("iot-1", DENIED, None, "no response shows whether instance iot-1 exists"),
    ],
)
def test_check_instance(instance, calls, ok, message):
    assert check_instance(Findings(NOTHING, instance, calls)) == Check("iot_instance", ok, message)


@pytest.mark.parametrize(
    ("call", "ok", "message", "hint", "code"),
    [
        (Call(), True, "QueryOTAJob is allowed", None, None),
        (
            Call(skipped=True),
            None,
            "QueryOTAJob was not called, because it would fail like the call before it",
            None,
            None,
        ),
        (
            Call(missing=("product_key", "device_name")),
            None,
            "QueryOTAJob was not called, because no product_key and no device_name is known",
            None,
            None,
        ),
        (DENIED["QueryOTAJob"], False, "QueryOTAJob is denied (request ID R-1)", "ask", "NoPermission"),
        (BROKEN["QueryOTAJob"], False, "QueryOTAJob failed: the service refused", "look", "Odd"),
        (
            Call(error=OtaError("no route", code="timeout", hint="check")),
            None,
            "no response shows whether QueryOTAJob is allowed",
            None,
            "timeout",
        ),
    ],
)
def test_check_permission(call, ok, message, hint, code):
    findings = Findings(NOTHING, calls={"QueryOTAJob": call})
    assert check_permission(findings, "QueryOTAJob") == Check("permission_query_ota_job", ok, message, hint, code)


def test_check_permission_of_an_operation_that_a_gate_can_do_without():
    calls = {"QueryOTAFirmware": BROKEN["QueryOTAJob"]}
    check = check_permission(Findings(NOTHING, calls=calls), "QueryOTAFirmware")
    assert check.hint == "look; without it, a gate learns the module of a batch from open tasks only"
    assert check.message == "QueryOTAFirmware failed: the service refused"


def test_check_job():
    inputs = {**NOTHING, "job_id": "7"}
    assert check_job(Findings(NOTHING)) == Check("job", None, "no job_id is given")
    assert check_job(Findings(inputs)) == Check("job", None, "no response shows whether batch 7 exists")
    assert check_job(Findings(inputs, job={"found": True, "job_status": None})) == Check(
        "job", True, "batch 7 exists and is without a state"
    )


def test_check_expectation():
    inputs = {**NOTHING, "job_id": "7", "expected_version": "2.0"}
    same = Findings(inputs, job={"found": True, "dest_version": "2.0"})
    assert check_expectation(same, "expected_version") == Check(
        "job_dest_version", True, "batch 7 has the dest_version 2.0"
    )
    other = Findings(inputs, job={"found": True, "dest_version": "1.0"})
    assert check_expectation(other, "expected_version") == Check(
        "job_dest_version",
        False,
        "batch 7 has the dest_version 1.0; expected 2.0",
        "check job_id and expected_version: another batch may be meant",
        "wrong_job",
    )


def test_check_device():
    assert check_device(Findings(NOTHING)) == Check("device", None, "there is no device to query")
    known = Findings(NOTHING, product_key="k1", device_name="d-1")
    assert check_device(known) == Check("device", None, "no response shows whether device d-1 exists")


DEVICE_SOURCE, DETAILS_SOURCE = VERSION_SOURCES


@pytest.mark.parametrize(
    ("source", "count", "max_qps", "takes"),
    [
        (DEVICE_SOURCE, 1000, 10, "1000 requests and at least 100 s"),
        (DEVICE_SOURCE, 1000, 2.5, "1000 requests and at least 400 s"),
        (DEVICE_SOURCE, 1000, 0, "1000 requests"),
        (DEVICE_SOURCE, 1, 10, "1 request and at least 1 s"),
        (DEVICE_SOURCE, 0, 10, "0 requests"),
        (DETAILS_SOURCE, 1000, 10, "10 requests and at least 2 s"),
        (DETAILS_SOURCE, 1001, 2.5, "11 requests and at least 9 s"),
        (DETAILS_SOURCE, 100, 10, "1 request and at least 1 s"),
        (DETAILS_SOURCE, 100, 0, "1 request"),
    ],
)
def test_check_versions(source, count, max_qps, takes):
    calls = {source.operation.action: Call()}
    check = check_versions(Findings(NOTHING, calls=calls, device_count=count, max_qps=max_qps), source)
    assert check == Check(
        f"versions_{source.name}",
        True,
        f"reading the versions of {count} devices by {source.operation.action} takes {takes}",
    )


def test_check_versions_of_a_batch_of_unknown_size():
    check = check_versions(Findings(NOTHING), DEVICE_SOURCE)
    assert check == Check("versions_device", None, "no response shows how many devices the batch has")


@pytest.mark.parametrize(("module_name", "ok"), [("default", True), (None, True), ("ble", None)])
def test_check_versions_of_another_module(module_name, ok):
    calls = {source.operation.action: Call() for source in VERSION_SOURCES}
    findings = Findings(NOTHING, calls=calls, module_name=module_name, device_count=7)
    assert check_versions(findings, DEVICE_SOURCE).ok is True
    check = check_versions(findings, DETAILS_SOURCE)
    assert check.ok is ok
    if ok is None:
        assert check.message == "BatchQueryDeviceDetail does not show the version of module ble"


def test_checks_are_complete_without_any_call():
    skipped_calls = dict.fromkeys(ACTIONS, Call(skipped=True))
    assert [check(Findings(NOTHING, calls=skipped_calls)).ok for check in CHECKS] == [None] * len(NAMES)


@pytest.mark.parametrize(
    ("expected", "module", "ok", "message"),
    [
        (None, "ble", True, "batch 7 has the module_name ble"),
        ("ble", "ble", True, "batch 7 has the module_name ble"),
        ("default", "ble", False, "batch 7 has the module_name ble; expected default"),
        ("ble", None, None, "no response shows which module the batch is for"),
    ],
)
def test_check_module(expected, module, ok, message):
    inputs = {**NOTHING, "job_id": "7", "expected_module_name": expected}
    check = check_module(Findings(inputs, job={"found": True}, module_name=module))
    assert (check.name, check.ok, check.message) == ("job_module_name", ok, message)
    assert (check.code, check.hint) == (
        (None, None)
        if ok is not False
        else ("wrong_job", "check job_id and expected_module_name: another batch may be meant")
    )


def test_module_of_a_batch_that_is_unknown():
    inputs = {**NOTHING, "job_id": "7"}
    for job in (None, {"found": False}):
        assert check_module(Findings(inputs, job=job, module_name="ble")).ok is None
