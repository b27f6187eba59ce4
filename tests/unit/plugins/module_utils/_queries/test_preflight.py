# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight against the simulated service, with each fault, and its checks on made-up findings."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.error_codes import FailureTopic, failure_topic
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
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
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.preflight import Call, Findings, Probe
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.version_sources import VERSION_SOURCES
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

ACTIONS = (
    "QueryOTAJob",
    "ListOTATaskByJob",
    "ListOTAUnfinishedTaskByDevice",
    "ListOTAModuleVersionsByDevice",
    "QueryOTAFirmware",
    "ListOTAJobByDevice",
    "BatchGetDeviceState",
    "BatchQueryDeviceDetail",
)
PERMISSIONS = (
    "permission_query_ota_job",
    "permission_list_ota_task_by_job",
    "permission_list_ota_unfinished_task_by_device",
    "permission_list_ota_module_versions_by_device",
    "permission_query_ota_firmware",
    "permission_list_ota_job_by_device",
    "permission_batch_get_device_state",
    "permission_batch_query_device_detail",
)
#: A gate does not need the last two.
NEEDED = PERMISSIONS[:-2]
NAMES = [
    "endpoint",
    "access_key",
    "clock",
    "iot_instance",
    *PERMISSIONS,
    "job",
    "job_product_key",
    "job_firmware_id",
    "job_dest_version",
    "job_type",
    "job_module_name",
    "device",
    "versions_device",
    "versions_details",
]
OPTIONS = (
    "job_id",
    "product_key",
    "device_names",
    "expected_product_key",
    "expected_firmware_id",
    "expected_version",
    "expected_job_type",
    "expected_module_name",
)
NOTHING = dict.fromkeys(OPTIONS)
EVERYTHING = {
    "job_id": "1",
    "product_key": "k1",
    "device_names": ["d-1", "d-2"],
    "expected_product_key": "k1",
    "expected_firmware_id": "f1",
    "expected_version": "2.0",
    "expected_job_type": "UPGRADE_FIRMWARE",
    "expected_module_name": "default",
}


def preflight(rollout, wanted, instance=None):
    """The checks by name."""
    return run_checks(rollout.client(), wanted, instance)


def run_checks(client, wanted, instance=None):
    findings = Probe(client, {**NOTHING, **wanted}, instance).call_all()
    checks = [check(findings) for check in CHECKS]
    assert [check.name for check in checks] == NAMES
    for check in checks:
        assert not check.message.endswith(".")
        assert (check.hint is not None) >= (check.ok is False)
        assert check.ok is not True or (check.hint, check.code) == (None, None)
    return {check.name: check for check in checks}


def failed(checks):
    return [name for name, check in checks.items() if check.ok is False]


def skipped(checks):
    return [name for name, check in checks.items() if check.ok is None]


def world(**more):
    return Rollout({**batch("d-1", "d-2"), **more})


def test_all_checks_pass():
    rollout = world()
    checks = preflight(rollout, EVERYTHING)
    assert (failed(checks), skipped(checks)) == ([], ["iot_instance"])
    assert rollout.actions == list(ACTIONS)
    allowed = [f"{action} is allowed" for action in ACTIONS]
    allowed[-1] += ", so this access key can read the secrets of devices"
    assert [checks[name].message for name in PERMISSIONS] == allowed
    assert checks["versions_device"].message == (
        "reading the versions of 2 devices by ListOTAModuleVersionsByDevice takes 2 requests"
    )
    assert checks["versions_details"].message == (
        "reading the versions of 2 devices by BatchQueryDeviceDetail takes 1 request"
    )
    assert checks["job"].message == "batch 1 exists and is IN_PROGRESS"
    assert checks["job_dest_version"].message == "batch 1 has the dest_version 2.0"
    assert checks["job_module_name"].message == "batch 1 has the module_name default"
    assert checks["device"].message == "device d-1 of product k1 exists"
    assert checks["clock"].message == "the clock matches the service's"


def test_batch_supplies_what_is_not_given():
    rollout = world()
    checks = preflight(rollout, {"job_id": "1"})
    assert rollout.actions == list(ACTIONS)
    assert failed(checks) == []
    assert skipped(checks) == ["iot_instance", "job_product_key", "job_firmware_id", "job_dest_version", "job_type"]
    assert checks["job_type"].message == "no expected_job_type is given to compare with the batch"


def test_task_without_a_product():
    rollout = world()
    client = rollout.client()
    first_page = client.first_page

    def without_product(operation, size, **arguments):
        listing = first_page(operation, size, **arguments)
        return listing._replace(rows=[{**row, "product_key": None} for row in listing.rows])

    client.first_page = without_product
    checks = run_checks(client, {"job_id": "1"})
    assert checks["device"].message == "device d-1 of product k1 exists"


def test_device_of_another_product_is_not_used():
    rollout = world(products=[{"product_key": "k1"}, {"product_key": "k9"}])
    checks = preflight(rollout, {"job_id": "1", "product_key": "k9"})
    assert (failed(checks), checks["device"].ok, checks["job_product_key"].ok) == ([], None, None)
    checks = preflight(rollout, {"job_id": "1", "expected_product_key": "k9"})
    assert (failed(checks), checks["device"].ok) == (["job_product_key"], None)


def test_device_without_a_batch():
    rollout = world()
    checks = preflight(rollout, {"product_key": "k1", "device_names": ["d-1"]})
    assert rollout.actions == [
        "ListOTAUnfinishedTaskByDevice",
        "ListOTAModuleVersionsByDevice",
        "BatchGetDeviceState",
        "BatchQueryDeviceDetail",
    ]
    assert failed(checks) == []
    assert checks["permission_query_ota_job"].message == "QueryOTAJob was not called, because no job_id is known"
    assert checks["permission_list_ota_job_by_device"].ok is None
    assert (checks["job"].ok, checks["device"].ok) == (None, True)


def test_batch_without_tasks_supplies_no_device():
    checks = preflight(Rollout(batch()), {"job_id": "1"})
    assert failed(checks) == []
    assert checks["permission_list_ota_unfinished_task_by_device"].message == (
        "ListOTAUnfinishedTaskByDevice was not called, because no device_name is known"
    )
    assert checks["device"].message == "there is no device to query"


@pytest.mark.parametrize(("action", "name"), list(zip(ACTIONS, NEEDED)))
def test_permission_is_missing(action, name):
    rollout = world()
    rollout.fault("no_permission", action=action)
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == [name]
    assert rollout.actions == list(ACTIONS)
    assert checks[name].message.startswith(f"{action} is denied (request ID ")
    assert (checks[name].code, checks["access_key"].ok) == ("NoPermission", True)
    assert "administrator" in checks[name].hint
    lost = "; without it, a gate learns the module of a batch from open tasks only"
    assert (lost in checks[name].hint) is (action == "QueryOTAFirmware")


@pytest.mark.parametrize(
    ("action", "name", "lost"),
    [
        ("BatchGetDeviceState", "permission_batch_get_device_state", "it cannot be told which devices are offline"),
        (
            "BatchQueryDeviceDetail",
            "permission_batch_query_device_detail",
            "versions can be read device by device only",
        ),
    ],
)
def test_permission_that_no_gate_needs_is_missing(action, name, lost):
    rollout = world()
    rollout.fault("no_permission", action=action)
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == []
    assert rollout.actions == list(ACTIONS)
    check = checks[name]
    assert (check.ok, check.code, check.hint) == (None, "NoPermission", None)
    assert check.message.startswith(f"{action} is denied (request ID ")
    assert check.message.endswith(f"), so {lost}")
    assert checks["versions_device"].ok is True
    denied = action == "BatchQueryDeviceDetail"
    assert checks["versions_details"].ok is (None if denied else True)
    if denied:
        assert checks["versions_details"].message == (
            "no response shows that BatchQueryDeviceDetail can read the versions"
        )


def test_permissions_are_all_missing():
    rollout = world()
    rollout.fault("no_permission")
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == list(NEEDED)
    assert (checks["access_key"].ok, checks["job"].ok, checks["device"].ok) == (True, None, None)


@pytest.mark.parametrize(("seconds", "ok"), [(3600, False), (-3600, False), (400, False), (200, True), (-30, True)])
def test_clock_offset(seconds, ok):
    rollout = world()
    rollout.fault("clock_skew", seconds=seconds)
    checks = preflight(rollout, EVERYTHING)
    assert checks["clock"].ok is ok
    assert failed(checks) == ([] if ok else ["clock"])
    assert checks["clock"].message == (
        f"the clock is {abs(seconds)} s {'behind' if seconds > 0 else 'ahead of'} the service's"
    )


def test_clock_that_jumps():
    rollout = world()
    rollout.fault("clock_skew", seconds=3600, times=1)  # it jumps back after the first request
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == ["clock"]
    assert "although the request carried the service's own time" in checks["clock"].message


def test_endpoint_without_a_response_is_called_once():
    rollout = world()
    rollout.fault("hang")
    checks = preflight(rollout, EVERYTHING)
    assert (failed(checks), set(rollout.actions)) == (["endpoint"], {"QueryOTAJob"})
    assert checks["endpoint"].code == "connection_broken"
    assert skipped(checks) == NAMES[1:]
    assert checks["permission_list_ota_task_by_job"].message == (
        "ListOTATaskByJob was not called, because it would fail like the call before it"
    )


@pytest.mark.parametrize(
    ("fault", "keys", "code"),
    [
        ("html", {"status": 502}, "http_502"),
        ("html", {"status": 200}, "html_response"),
        ("redirect", {"location": "https://elsewhere.example.com/"}, "redirect"),
    ],
)
def test_endpoint_of_something_else(fault, keys, code):
    rollout = world()
    rollout.fault(fault, **keys)
    checks = preflight(rollout, EVERYTHING)
    assert (failed(checks), checks["endpoint"].code) == (["endpoint"], code)
    assert checks["access_key"].ok is None


@pytest.mark.parametrize(
    ("key", "code"),
    [({"secret": "other"}, "SignatureDoesNotMatch"), ({"id": "nobody"}, "InvalidAccessKeyId.NotFound")],
)
def test_access_key_is_wrong(key, code):
    rollout = world()
    known = rollout.service.scenario.access_keys[0]
    wrong = Credentials(key.get("id", known.id), key.get("secret", known.secret))
    rollout.keys = RefreshableCredentials.of_key(wrong)
    checks = preflight(rollout, EVERYTHING)
    assert (failed(checks), checks["access_key"].code) == (["access_key"], code)
    assert (checks["endpoint"].ok, rollout.actions) == (True, ["QueryOTAJob"])


def test_security_token_has_expired():
    rollout = world()
    rollout.fault("token_expired")
    checks = preflight(rollout, EVERYTHING)
    assert (failed(checks), checks["access_key"].code) == (["access_key"], "InvalidSecurityToken.Expired")


def test_instance_is_missing():
    checks = preflight(world(instance_id="iot-1"), EVERYTHING)
    assert (failed(checks), checks["access_key"].ok) == (["iot_instance"], True)
    assert checks["iot_instance"].message == (
        "no iot_instance_id is given, and the service refused the request with iot.system.InstanceNotFound (HTTP 200)"
        ' and says "the instance does not exist"'
    )


def test_instance_is_wrong():
    checks = preflight(world(instance_id="iot-1"), EVERYTHING, "iot-2")
    assert failed(checks) == ["iot_instance"]
    assert checks["iot_instance"].message == (
        "iot_instance_id iot-2 is given, and the service refused the request with iot.system.InstanceNotFound (HTTP"
        ' 200) and says "the instance does not exist"'
    )


def test_instance_is_known():
    checks = preflight(world(), EVERYTHING, "iot-1")
    assert checks["iot_instance"].message == "the service knows instance iot-1"
    rollout = world()
    rollout.fault("no_permission")
    assert preflight(rollout, EVERYTHING, "iot-1")["iot_instance"].ok is None


def test_batch_is_unknown():
    checks = preflight(world(), {**EVERYTHING, "job_id": "7"})
    assert (failed(checks), checks["job"].code) == (["job"], "unknown_job")
    assert checks["job"].message == "the service does not know batch 7"
    assert checks["permission_query_ota_job"].ok is True
    assert checks["job_type"].message == "there is no batch to compare with expected_job_type"


@pytest.mark.parametrize(
    ("option", "value", "name", "others"),
    [
        ("expected_product_key", "k9", "job_product_key", []),
        ("expected_version", "3.0", "job_dest_version", []),
        ("expected_job_type", "VERIFY_FIRMWARE", "job_type", []),
        ("expected_module_name", "ble", "job_module_name", []),
    ],
)
def test_batch_is_not_the_expected_one(option, value, name, others):
    checks = preflight(world(products=[{"product_key": "k1"}, {"product_key": "k9"}]), {**EVERYTHING, option: value})
    assert [check for check in failed(checks) if not check.startswith("permission")] == [name, *others]
    assert checks[name].code == "wrong_job"
    assert checks[name].message.endswith(f"; expected {value}")


def test_package_is_not_the_expected_one():
    checks = preflight(world(), {**EVERYTHING, "expected_firmware_id": "f9"})
    assert failed(checks) == ["permission_list_ota_job_by_device", "job_firmware_id"]
    assert checks["permission_list_ota_job_by_device"].code == "iot.firmware.FirmwareNotFound"
    assert "failed" in checks["permission_list_ota_job_by_device"].message


def test_batch_without_an_expected_fact():
    rollout = world()
    client = rollout.client()
    get = client.get
    client.get = lambda operation, **arguments: {**(get(operation, **arguments) or {}), "dest_version": None}
    checks = run_checks(client, EVERYTHING)
    assert failed(checks) == ["job_dest_version"]
    assert checks["job_dest_version"] == Check(
        "job_dest_version",
        False,
        "batch 1 has no dest_version",
        "leave expected_version out, because no gate can compare it",
        "incomplete",
    )


def test_device_is_unknown():
    checks = preflight(world(), {**EVERYTHING, "device_names": ["nobody"]})
    assert (failed(checks), checks["device"].code) == (["device"], "unknown_device")
    assert checks["device"].message == "the service does not know device nobody of product k1"


def test_response_about_another_batch():
    rollout = world()
    rollout.fault("wrong_job", action="QueryOTAJob")
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == ["permission_query_ota_job"]
    assert checks["permission_query_ota_job"].code == "wrong_response"
    assert (checks["endpoint"].ok, checks["job"].ok) == (True, None)


def test_throttled_operation_fails():
    rollout = world()
    rollout.fault("throttling", action="ListOTATaskByJob")
    checks = preflight(rollout, EVERYTHING)
    assert failed(checks) == ["permission_list_ota_task_by_job"]
    assert checks["permission_list_ota_task_by_job"].code == "Throttling.User"


def test_responses_without_the_time():
    rollout = world()
    client, send = rollout.client(), rollout.send
    rollout.send = lambda *arguments: send(*arguments)._replace(headers={})
    checks = run_checks(client, EVERYTHING)
    assert (failed(checks), checks["clock"].ok) == ([], None)


@pytest.mark.parametrize(
    ("code", "status", "topic"),
    [
        ("timeout", None, FailureTopic.NETWORK),
        ("proxy_authentication", 407, FailureTopic.NETWORK),
        ("http_404", 404, FailureTopic.NETWORK),
        ("wrong_response", None, FailureTopic.OTHER),
        ("InternalError", 500, FailureTopic.OTHER),
        ("Forbidden.RAM", 403, FailureTopic.PERMISSION),
        ("iot.common.RamActionPermissionDeny", 200, FailureTopic.PERMISSION),
        ("iot.system.InstanceNotFound", 200, FailureTopic.INSTANCE),
        ("InvalidAccessKeyId.Inactive", 400, FailureTopic.KEY),
        ("MissingSecurityToken", 400, FailureTopic.KEY),
        ("InvalidTimeStamp.Expired", 400, FailureTopic.CLOCK),
        ("InvalidParameter", 400, FailureTopic.OTHER),
    ],
)
def test_failure_topic(code, status, topic):
    assert failure_topic(code, status) is topic


def test_mistake_of_ours_is_raised():
    rollout = world()
    client = rollout.client()

    def mistake(operation, **arguments):
        raise ZeroDivisionError

    client.get = mistake
    with pytest.raises(ZeroDivisionError):
        Probe(client, EVERYTHING).call_all()


# --- The module of the batch ------------------------------------------------------------------------------------------


def of_module(name):
    made = batch("d-1")
    made["firmwares"][0]["module_name"] = name
    return Rollout(made)


def module_in(rollout, wanted):
    return Probe(rollout.client(), {**NOTHING, **wanted}).call_all().module_name


def test_module_is_that_of_the_package():
    assert module_in(of_module("ble"), {"job_id": "1"}) == "ble"


def test_module_without_a_batch_is_that_of_the_expected_package():
    wanted = {"product_key": "k1", "device_names": ["d-1"], "expected_firmware_id": "f1"}
    rollout = of_module("ble")
    assert module_in(rollout, wanted) == "ble"
    assert "QueryOTAJob" not in rollout.actions
    assert preflight(of_module("ble"), wanted)["job_module_name"].ok is None


def test_module_is_not_that_of_another_package_that_was_expected():
    assert module_in(of_module("ble"), {**EVERYTHING, "expected_firmware_id": "f9"}) == "ble"


def test_module_is_that_of_an_open_task_where_the_package_is_denied():
    rollout = of_module("ble")
    rollout.fault("no_permission", action="QueryOTAFirmware")
    assert module_in(rollout, {"job_id": "1"}) == "ble"
    rollout.clock.elapsed += 600  # when no task is open any more
    assert module_in(rollout, {"job_id": "1"}) is None
    checks = preflight(rollout, {**EVERYTHING, "expected_module_name": "default"})
    assert checks["job_module_name"] == Check(
        "job_module_name", None, "no response shows which module the batch is for"
    )


def test_open_task_of_another_batch_says_nothing_about_the_module():
    made = batch("d-1")
    made["jobs"].append({"job_id": "2", "firmware_id": "f1", "devices": [{"name": "d-9", "course": "offline"}]})
    rollout = Rollout(made)
    rollout.fault("no_permission", action="QueryOTAFirmware")
    assert module_in(rollout, {"job_id": "1", "product_key": "k1", "device_names": ["d-9"]}) is None


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


# --- Checks on made-up findings ---------------------------------------------------------------------------------------

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


def test_number_of_devices():
    def count(world, wanted):
        return Probe(world.client(), {**NOTHING, **wanted}).call_all().device_count

    assert count(world(), {"job_id": "1", "device_names": ["d-1"], "product_key": "k1"}) == 2
    assert count(world(), {"device_names": ["d-1", "d-2", "d-1"], "product_key": "k1"}) == 2
    assert count(world(), {"job_id": "7"}) is None
    denied = world()
    denied.fault("no_permission", action="ListOTATaskByJob")
    assert count(denied, {"job_id": "1"}) is None


def test_checks_are_complete_without_any_call():
    skipped_calls = dict.fromkeys(ACTIONS, Call(skipped=True))
    assert [check(Findings(NOTHING, calls=skipped_calls)).ok for check in CHECKS] == [None] * len(NAMES)
