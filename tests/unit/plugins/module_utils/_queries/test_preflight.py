# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight against the simulated service, with each fault."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.error_codes import FailureTopic, failure_topic
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.refresh import RefreshableCredentials
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.checks import (
    CHECKS,
    Check,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.preflight import Probe
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
#: What is checked only with an option.
CHOSEN = ("permission_list_ota_firmware", "permission_list_ota_job_by_firmware", "permission_cancel_ota_task_by_job")
#: A gate does not need the last two.
NEEDED = PERMISSIONS[:-2]
NAMES = [
    "endpoint",
    "access_key",
    "clock",
    "iot_instance",
    *PERMISSIONS,
    *CHOSEN,
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
    "check_cancel",
    "check_find",
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
    "check_cancel": False,
    "check_find": False,
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
    """What could not be checked, besides what nobody wanted to be checked."""
    off = ("because check_cancel is off", "because check_find is off")
    return [name for name, check in checks.items() if check.ok is None and not check.message.endswith(off)]


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
    assert skipped(checks) == [name for name in NAMES[1:] if name not in CHOSEN]
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


# --- How many devices there are ---------------------------------------------------------------------------------------


def test_number_of_devices():
    def count(world, wanted):
        return Probe(world.client(), {**NOTHING, **wanted}).call_all().device_count

    assert count(world(), {"job_id": "1", "device_names": ["d-1"], "product_key": "k1"}) == 2
    assert count(world(), {"device_names": ["d-1", "d-2", "d-1"], "product_key": "k1"}) == 2
    assert count(world(), {"job_id": "7"}) is None
    denied = world()
    denied.fault("no_permission", action="ListOTATaskByJob")
    assert count(denied, {"job_id": "1"}) is None


# --- The permission to cancel ----------------------------------------------------------------------------------------

CANCEL = CHOSEN[-1]


def canceling(rollout, **faulty):
    if faulty:
        rollout.fault(**faulty, action="CancelOTATaskByJob")
    return preflight(rollout, {**EVERYTHING, "check_cancel": True})[CANCEL]


def test_denied_cancel_fails():
    rollout = world(access_keys=[{"id": "reader", "secret": "s", "read_only": True}])
    check = canceling(rollout)
    assert (check.ok, check.code) == (False, "NoPermission")
    assert check.message.startswith("CancelOTATaskByJob is denied (request ID ")
    assert "administrator" in check.hint


@pytest.mark.parametrize("fault", ["", "system_busy", "business_error", "reset_before", "html"])
def test_permission_to_cancel_is_never_proved(fault):
    check = canceling(world(), **({"name": fault} if fault else {}))
    assert check == Check(
        CANCEL, None, "CancelOTATaskByJob is not denied before its parameters are read, which is no proof of permission"
    )


def test_check_of_the_cancel_names_no_batch_and_no_tasks():
    rollout, sent = world(), []
    send = rollout.send
    rollout.send = lambda method, url, *rest: (sent.append(url), send(method, url, *rest))[1]
    canceling(rollout)
    (url,) = [url for url in sent if "JobId=0" in url]
    assert "Task=" not in url
    assert rollout.actions.count("CancelOTATaskByJob") == 1
    assert rollout.service.stats.changes == {}


def test_cancel_is_not_tried_where_every_call_fails():
    rollout = world()
    rollout.fault("redirect", location="https://elsewhere.example.com/")
    check = preflight(rollout, {**EVERYTHING, "check_cancel": True})[CANCEL]
    assert check.message == "CancelOTATaskByJob was not called, because it would fail like the call before it"
    assert "CancelOTATaskByJob" not in rollout.actions


# --- The permissions to find batches ---------------------------------------------------------------------------------

SEARCHING = dict(zip(("ListOTAFirmware", "ListOTAJobByFirmware"), CHOSEN))


def finding(rollout, **wanted):
    """Whether each operation that finds batches is allowed, and what is said of it, before there is a batch."""
    checks = preflight(rollout, {"product_key": "k1", "check_find": True, **wanted})
    return {action: checks[name] for action, name in SEARCHING.items()}


def test_product_alone_shows_the_permissions_to_find_batches():
    rollout = world()
    assert {action: check.message for action, check in finding(rollout).items()} == {
        action: f"{action} is allowed" for action in SEARCHING
    }
    assert rollout.actions == [*SEARCHING]
    assert skipped(preflight(world(), {**EVERYTHING, "check_find": True})) == ["iot_instance"]


@pytest.mark.parametrize("action", SEARCHING)
def test_denied_search_fails(action):
    rollout = world()
    rollout.fault("no_permission", action=action)
    checks = preflight(rollout, {**EVERYTHING, "check_find": True})
    assert failed(checks) == [SEARCHING[action]]
    assert checks[SEARCHING[action]].message.startswith(f"{action} is denied (request ID ")
    assert failed(preflight(rollout, EVERYTHING)) == []


def test_search_without_any_package_shows_one_permission():
    found = finding(world(products=[{"product_key": "k1"}, {"product_key": "k2"}]), product_key="k2")
    assert (found["ListOTAFirmware"].ok, found["ListOTAJobByFirmware"].ok) == (True, None)
    assert found["ListOTAJobByFirmware"].message == (
        "ListOTAJobByFirmware was not called, because no firmware_id is known"
    )


def test_search_takes_the_package_that_is_given():
    denied = world()
    denied.fault("no_permission", action="ListOTAFirmware")
    found = finding(denied, expected_firmware_id="f1")
    assert (found["ListOTAFirmware"].ok, found["ListOTAJobByFirmware"].ok) == (False, True)


def test_number_of_devices_is_not_known_without_any():
    findings = Probe(world().client(), {**NOTHING, "product_key": "k1", "check_find": True}).call_all()
    assert findings.device_count is None
