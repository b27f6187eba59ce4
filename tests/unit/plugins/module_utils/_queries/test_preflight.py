# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight against the simulated service: what each fault makes of each check."""

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.error_codes import Topic, topic_of
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.preflight import Preflight
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

ACTIONS = (
    "QueryOTAJob",
    "ListOTATaskByJob",
    "ListOTAUnfinishedTaskByDevice",
    "ListOTAModuleVersionsByDevice",
    "ListOTAJobByDevice",
)
PERMISSIONS = (
    "permission_query_ota_job",
    "permission_list_ota_task_by_job",
    "permission_list_ota_unfinished_task_by_device",
    "permission_list_ota_module_versions_by_device",
    "permission_list_ota_job_by_device",
)
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
    "device",
]
NOTHING = dict.fromkeys(("job_id", "product_key", "device_names", "firmware_id", "dest_version", "job_type"))
EVERYTHING = {
    "job_id": "1",
    "product_key": "k1",
    "device_names": ["d-1", "d-2"],
    "firmware_id": "f1",
    "dest_version": "2.0",
    "job_type": "UPGRADE_FIRMWARE",
}


def fly(rollout, wanted, instance=None):
    """The checks by name."""
    checks = Preflight(rollout.client(), {**NOTHING, **wanted}, instance).run()
    assert [check.name for check in checks] == NAMES
    for check in checks:
        assert not check.sentence.endswith(".")
        assert (check.hint is not None) >= (check.ok is False)
        assert check.ok is not True or (check.hint, check.code) == (None, None)
    return {check.name: check for check in checks}


def failed(checks):
    return [name for name, check in checks.items() if check.ok is False]


def skipped(checks):
    return [name for name, check in checks.items() if check.ok is None]


def world(**more):
    return Rollout({**batch("d-1", "d-2"), **more})


def test_all_is_well():
    rollout = world()
    checks = fly(rollout, EVERYTHING)
    assert (failed(checks), skipped(checks)) == ([], ["iot_instance"])
    assert rollout.actions == list(ACTIONS)
    assert [checks[name].sentence for name in PERMISSIONS] == [f"{action} may be asked" for action in ACTIONS]
    assert checks["job"].sentence == "batch 1 is known and IN_PROGRESS"
    assert checks["job_dest_version"].sentence == "batch 1 has the dest_version 2.0"
    assert checks["device"].sentence == "device d-1 of product k1 is known"
    assert checks["clock"].sentence == "the clock is as good as the service's"


def test_the_batch_tells_what_is_not_given():
    rollout = world()
    checks = fly(rollout, {"job_id": "1"})
    assert rollout.actions == list(ACTIONS)
    assert failed(checks) == []
    assert skipped(checks) == ["iot_instance", "job_product_key", "job_firmware_id", "job_dest_version", "job_type"]
    assert checks["job_type"].sentence == "no job_type is given that the batch could be compared with"


def test_a_task_need_not_tell_its_product():
    rollout = world()
    client = rollout.client()
    peek = client.peek

    def without_product(operation, size, **arguments):
        listing = peek(operation, size, **arguments)
        return listing._replace(rows=[{**row, "product_key": None} for row in listing.rows])

    client.peek = without_product
    checks = {check.name: check for check in Preflight(client, {**NOTHING, "job_id": "1"}).run()}
    assert checks["device"].sentence == "device d-1 of product k1 is known"


def test_a_device_of_another_product_is_not_taken():
    rollout = world(products=[{"product_key": "k1"}, {"product_key": "k9"}])
    checks = fly(rollout, {"job_id": "1", "product_key": "k9"})
    assert (failed(checks), checks["device"].ok) == (["job_product_key"], None)


def test_without_a_batch():
    rollout = world()
    checks = fly(rollout, {"product_key": "k1", "device_names": ["d-1"]})
    assert rollout.actions == ["ListOTAUnfinishedTaskByDevice", "ListOTAModuleVersionsByDevice"]
    assert failed(checks) == []
    assert checks["permission_query_ota_job"].sentence == "QueryOTAJob was not asked, because no job_id is known"
    assert checks["permission_list_ota_job_by_device"].ok is None
    assert (checks["job"].ok, checks["device"].ok) == (None, True)


def test_a_batch_without_tasks_tells_no_device():
    checks = fly(Rollout(batch()), {"job_id": "1"})
    assert failed(checks) == []
    assert checks["permission_list_ota_unfinished_task_by_device"].sentence == (
        "ListOTAUnfinishedTaskByDevice was not asked, because no device_name is known"
    )
    assert checks["device"].sentence == "no device is known that could be asked about"


@pytest.mark.parametrize(("action", "name"), list(zip(ACTIONS, PERMISSIONS)))
def test_one_permission_is_missing(action, name):
    rollout = world()
    rollout.fault("no_permission", action=action)
    checks = fly(rollout, EVERYTHING)
    assert failed(checks) == [name]
    assert rollout.actions == list(ACTIONS)
    assert checks[name].sentence.startswith(f"{action} may not be asked (request id ")
    assert (checks[name].code, checks["access_key"].ok) == ("NoPermission", True)
    assert "administrator" in checks[name].hint


def test_all_permissions_are_missing():
    rollout = world()
    rollout.fault("no_permission")
    checks = fly(rollout, EVERYTHING)
    assert failed(checks) == list(PERMISSIONS)
    assert (checks["access_key"].ok, checks["job"].ok, checks["device"].ok) == (True, None, None)


@pytest.mark.parametrize(("seconds", "ok"), [(3600, False), (-3600, False), (400, False), (200, True), (-30, True)])
def test_the_clock(seconds, ok):
    rollout = world()
    rollout.fault("clock_skew", seconds=seconds)
    checks = fly(rollout, EVERYTHING)
    assert checks["clock"].ok is ok
    assert failed(checks) == ([] if ok else ["clock"])
    assert checks["clock"].sentence == (
        f"the clock is {abs(seconds)} s {'behind' if seconds > 0 else 'ahead of'} the service's"
    )


def test_a_clock_that_cannot_be_followed():
    rollout = world()
    rollout.fault("clock_skew", seconds=3600, times=1)  # it jumps back after the first request
    checks = fly(rollout, EVERYTHING)
    assert failed(checks) == ["clock"]
    assert "although the request bore the service's own time" in checks["clock"].sentence


def test_a_dead_endpoint_is_asked_once():
    rollout = world()
    rollout.fault("hang")
    checks = fly(rollout, EVERYTHING)
    assert (failed(checks), set(rollout.actions)) == (["endpoint"], {"QueryOTAJob"})
    assert checks["endpoint"].code == "connection_broken"
    assert skipped(checks) == NAMES[1:]
    assert checks["permission_list_ota_task_by_job"].sentence == (
        "ListOTATaskByJob was not asked, because its answer could be no better than the one before"
    )


@pytest.mark.parametrize(
    ("fault", "keys", "code"),
    [
        ("html", {"status": 502}, "http_502"),
        ("html", {"status": 200}, "html_answer"),
        ("redirect", {"location": "https://elsewhere.example.com/"}, "redirect"),
    ],
)
def test_something_else_answers(fault, keys, code):
    rollout = world()
    rollout.fault(fault, **keys)
    checks = fly(rollout, EVERYTHING)
    assert (failed(checks), checks["endpoint"].code) == (["endpoint"], code)
    assert checks["access_key"].ok is None


@pytest.mark.parametrize(
    ("key", "code"),
    [({"secret": "other"}, "SignatureDoesNotMatch"), ({"id": "nobody"}, "InvalidAccessKeyId.NotFound")],
)
def test_a_wrong_key(key, code):
    rollout = world()
    known = rollout.service.scenario.access_keys[0]
    rollout.keys = Credentials(key.get("id", known.id), key.get("secret", known.secret))
    checks = {check.name: check for check in Preflight(rollout.client(), EVERYTHING).run()}
    assert (failed(checks), checks["access_key"].code) == (["access_key"], code)
    assert (checks["endpoint"].ok, rollout.actions) == (True, ["QueryOTAJob"])


def test_an_expired_token():
    rollout = world()
    rollout.fault("token_expired")
    checks = fly(rollout, EVERYTHING)
    assert (failed(checks), checks["access_key"].code) == (["access_key"], "InvalidSecurityToken.Expired")


def test_no_instance_is_given_and_one_is_needed():
    checks = fly(world(instance_id="iot-1"), EVERYTHING)
    assert (failed(checks), checks["access_key"].ok) == (["iot_instance"], True)
    assert checks["iot_instance"].sentence.startswith("no iot_instance_id is given, and the service refused it with ")


def test_a_wrong_instance():
    checks = fly(world(instance_id="iot-1"), EVERYTHING, "iot-2")
    assert failed(checks) == ["iot_instance"]
    assert checks["iot_instance"].sentence.startswith("iot_instance_id iot-2 is given, and the service refused it")


def test_the_instance_is_answered_for():
    checks = fly(world(), EVERYTHING, "iot-1")
    assert checks["iot_instance"].sentence == "the service answers for the instance iot-1"
    rollout = world()
    rollout.fault("no_permission")
    assert fly(rollout, EVERYTHING, "iot-1")["iot_instance"].ok is None


def test_an_unknown_batch():
    checks = fly(world(), {**EVERYTHING, "job_id": "7"})
    assert (failed(checks), checks["job"].code) == (["job"], "unknown_job")
    assert checks["job"].sentence == "the service does not know batch 7"
    assert checks["permission_query_ota_job"].ok is True
    assert checks["job_type"].sentence == "no batch is known that could be compared with the job_type"


@pytest.mark.parametrize(
    ("option", "value", "name", "others"),
    [
        ("product_key", "k9", "job_product_key", ["device"]),
        ("dest_version", "3.0", "job_dest_version", []),
        ("job_type", "VERIFY_FIRMWARE", "job_type", []),
    ],
)
def test_another_batch_than_was_meant(option, value, name, others):
    checks = fly(world(products=[{"product_key": "k1"}, {"product_key": "k9"}]), {**EVERYTHING, option: value})
    assert [check for check in failed(checks) if not check.startswith("permission")] == [name, *others]
    assert checks[name].code == "wrong_job"
    assert checks[name].sentence.endswith(f", and {value} was expected")


def test_another_package_than_was_meant():
    checks = fly(world(), {**EVERYTHING, "firmware_id": "f9"})
    assert failed(checks) == ["permission_list_ota_job_by_device", "job_firmware_id"]
    assert checks["permission_list_ota_job_by_device"].code == "iot.ota.FirmwareNotFound"
    assert "got no usable answer" in checks["permission_list_ota_job_by_device"].sentence


def test_a_batch_that_does_not_tell():
    rollout = world()
    client = rollout.client()
    get = client.get
    client.get = lambda operation, **arguments: {**get(operation, **arguments), "dest_version": None}
    checks = {check.name: check for check in Preflight(client, EVERYTHING).run()}
    assert (failed(checks), checks["job_dest_version"].code) == (["job_dest_version"], "incomplete")


def test_an_unknown_device():
    checks = fly(world(), {**EVERYTHING, "device_names": ["nobody"]})
    assert (failed(checks), checks["device"].code) == (["device"], "unknown_device")
    assert checks["device"].sentence == "the service does not know device nobody of product k1"


def test_an_answer_about_another_batch():
    rollout = world()
    rollout.fault("wrong_job", action="QueryOTAJob")
    checks = fly(rollout, EVERYTHING)
    assert failed(checks) == ["permission_query_ota_job"]
    assert checks["permission_query_ota_job"].code == "wrong_answer"
    assert (checks["endpoint"].ok, checks["job"].ok) == (True, None)


def test_throttling_is_no_missing_permission():
    rollout = world()
    rollout.fault("throttling", action="ListOTATaskByJob")
    checks = fly(rollout, EVERYTHING)
    assert failed(checks) == ["permission_list_ota_task_by_job"]
    assert checks["permission_list_ota_task_by_job"].code == "Throttling.User"


def test_a_service_that_tells_no_time():
    rollout = world()
    client, send = rollout.client(), rollout.send
    rollout.send = lambda *arguments: send(*arguments)._replace(headers={})
    checks = {check.name: check for check in Preflight(client, EVERYTHING).run()}
    assert (failed(checks), checks["clock"].ok) == ([], None)


@pytest.mark.parametrize(
    ("code", "status", "topic"),
    [
        ("timeout", None, Topic.NETWORK),
        ("proxy_authentication", 407, Topic.NETWORK),
        ("http_404", 404, Topic.NETWORK),
        ("wrong_answer", None, Topic.OTHER),
        ("InternalError", 500, Topic.OTHER),
        ("Forbidden.RAM", 403, Topic.PERMISSION),
        ("iot.common.RamActionPermissionDeny", 200, Topic.PERMISSION),
        ("iot.system.InstanceNotFound", 200, Topic.INSTANCE),
        ("InvalidAccessKeyId.Inactive", 400, Topic.KEY),
        ("MissingSecurityToken", 400, Topic.KEY),
        ("InvalidTimeStamp.Expired", 400, Topic.CLOCK),
        ("InvalidParameter", 400, Topic.OTHER),
    ],
)
def test_what_a_failure_is_about(code, status, topic):
    assert topic_of(code, status) is topic


def test_a_mistake_of_ours_is_not_hidden():
    rollout = world()
    client = rollout.client()

    def mistake(operation, **arguments):
        raise ZeroDivisionError

    client.get = mistake
    with pytest.raises(ZeroDivisionError):
        Preflight(client, EVERYTHING).run()
