# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.batches import relate_batches
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.expected import (
    accounts_for,
    ambiguous_devices,
    device_without_task,
    expected_keys,
    foreign_devices,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    plain,
    poll,
    report,
    task,
)

D1, D2 = ExpectedDevice(None, "d1"), ExpectedDevice(None, "d2")
P1_D1, P2_D1 = ExpectedDevice("p1", "d1"), ExpectedDevice("p2", "d1")
P1, P2 = batch(product_key="p1"), batch(job_id="j2", product_key="p2")
UNKNOWN, SILENT = batch(known=False, job_id="j3"), batch(job_id="j4", product_key=None)
SILENT_BUT_TASKS = batch(task("d1", product_key="p1"), product_key=None)
MIXED = batch(task("d1", product_key="p1"), task("d1", product_key="p2"), product_key="p1")


def expecting(*devices, **options):
    return plain(expected_devices=devices, **options)


def found(*jobs, key=(PRODUCT, "d2"), policy=None, memory=None, no_more_tasks=False, **facts):
    """An expected device without a task."""
    policy = policy or Policy()
    relations = relate_batches(jobs, policy)
    return device_without_task(key, poll(*jobs, **facts), policy, memory or Memory(), relations, no_more_tasks)


# --- Which devices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jobs", "policy", "keys"),
    [
        pytest.param([P1], expecting(D2, D1), [("p1", "d2"), ("p1", "d1")], id="of the batch, in their order"),
        pytest.param([P1], expecting(D1, expected_product_key="p9"), [("p9", "d1")], id="of the policy"),
        pytest.param(
            [P1, P2], expecting(D1, expected_product_key="p9"), [("p9", "d1")], id="of the policy, not of two batches"
        ),
        pytest.param([P1, P1], expecting(D1), [("p1", "d1")], id="of both batches"),
        pytest.param([P1, SILENT], expecting(D1), [("p1", "d1")], id="of one, the other tells none"),
        pytest.param([UNKNOWN, P1], expecting(D1), [("p1", "d1")], id="of one, the other is unknown"),
        pytest.param([P1, P2], expecting(D1), [("", "d1")], id="of one of two"),
        pytest.param([], expecting(D1), [("", "d1")], id="of no batch"),
        pytest.param([P1, P2], expecting(P2_D1, P1_D1), [("p2", "d1"), ("p1", "d1")], id="of their own"),
        pytest.param([P1], expecting(D1, P1_D1, D2), [("p1", "d1"), ("p1", "d2")], id="named twice"),
        pytest.param([P1], plain(), [], id="none"),
        pytest.param([SILENT_BUT_TASKS], expecting(D1), [("p1", "d1")], id="of the tasks"),
    ],
)
def test_keys_of_expected_devices(jobs, policy, keys):
    assert expected_keys(jobs, policy) == keys


@pytest.mark.parametrize(
    ("jobs", "policy", "devices"),
    [
        pytest.param([P1, P2], expecting(D1, P1_D1, D2), [D1, D2], id="batches of two products"),
        pytest.param([P1, P2], expecting(D1, expected_product_key="p1"), [], id="the policy names the product"),
        pytest.param([P1, P1], expecting(D1), [], id="batches of one product"),
        pytest.param([P1, SILENT], expecting(D1), [], id="one of which does not tell its product"),
        pytest.param([], expecting(D1), [], id="no batch"),
        pytest.param([P1, P2], plain(), [], id="no device"),
        pytest.param([MIXED], expecting(D1), [D1], id="a batch with tasks of two products"),
    ],
)
def test_names_that_may_be_of_several_products(jobs, policy, devices):
    assert ambiguous_devices(jobs, policy) == devices


@pytest.mark.parametrize(
    ("jobs", "policy", "devices"),
    [
        pytest.param([P1], expecting(P2_D1, D1, P1_D1), [P2_D1], id="another product"),
        pytest.param([P1, P2], expecting(P2_D1, P1_D1), [], id="one of the products"),
        pytest.param([P1, SILENT], expecting(P2_D1), [], id="a batch does not tell its product"),
        pytest.param([P1, UNKNOWN], expecting(P2_D1), [], id="a batch is unknown"),
        pytest.param([], expecting(P2_D1), [], id="no batch"),
        pytest.param([P1], plain(), [], id="no device"),
        pytest.param([MIXED], expecting(P2_D1), [], id="the product of a task"),
    ],
)
def test_devices_that_no_batch_is_for(jobs, policy, devices):
    assert foreign_devices(jobs, policy) == devices


# --- Without a task --------------------------------------------------------------------------------------------------


def test_device_that_was_not_read_is_waited_for():
    for facts in ({}, {"versions": {}}, {"versions": report(NEW, "d1")}):
        for no_more_tasks in (False, True):
            assert found(batch(), no_more_tasks=no_more_tasks, **facts) == Device(PRODUCT, "d2", "pending", "no_task")


def test_device_of_an_unknown_product_has_none():
    assert found(batch(), key=("", "d2")) == Device(None, "d2", "pending", "no_task")


@pytest.mark.parametrize(
    ("version", "no_more_tasks", "expected"),
    [
        (OLD, True, ("failed", "no_task", OLD, False)),
        (OLD, False, ("pending", "no_task", OLD, False)),
        (NEW, True, ("succeeded", "already_on_target", NEW, True)),
        (NEW, False, ("succeeded", "already_on_target", NEW, True)),
        ("", True, ("failed", "no_task", None, False)),
        ("", False, ("pending", "no_task", None, False)),
        (None, True, ("pending", "unproved", None, False)),
        (None, False, ("pending", "unproved", None, False)),
    ],
)
def test_version_decides_on_a_device_without_a_task(version, no_more_tasks, expected):
    device = found(batch(), no_more_tasks=no_more_tasks, versions=report(version, "d2"))
    assert (device.state, device.class_name, device.version, device.verified) == expected


def test_version_decides_although_versions_of_tasks_are_not_verified():
    assert found(batch(), policy=plain(), versions=report(NEW, "d2")).class_name == "already_on_target"


def test_device_that_is_proved_has_all_that_is_known():
    assert found(batch(), versions=report(NEW, "d2", iot_id="i2")) == Device(
        PRODUCT, "d2", "succeeded", "already_on_target", version=NEW, iot_id="i2", verified=True
    )


def test_device_that_could_not_be_read_says_why():
    versions = report(NEW, "d2", failure="the service is busy")
    device = found(batch(), no_more_tasks=True, versions=versions)
    assert device == Device(PRODUCT, "d2", "pending", "unproved", detail="the service is busy")


@pytest.mark.parametrize(("no_more_tasks", "state"), [(True, "failed"), (False, "pending")])
def test_device_without_a_task_that_another_batch_has_is_busy(no_more_tasks, state):
    facts = {"versions": report(OLD, "d2"), "busy": {(PRODUCT, "d2"): "j9"}}
    assert found(batch(), no_more_tasks=no_more_tasks, **facts) == Device(
        PRODUCT, "d2", state, "busy", version=OLD, busy_with="j9"
    )


def test_device_on_the_target_is_not_busy():
    device = found(batch(), versions=report(NEW, "d2"), busy={(PRODUCT, "d2"): "j9"})
    assert (device.class_name, device.busy_with) == ("already_on_target", None)


def test_version_matches_as_the_policy_says():
    versions = report(f"{NEW}+5", "d2")
    for match, class_name in (("exact", "no_task"), ("ignore_build", "already_on_target")):
        assert found(batch(), policy=Policy(version_match=match), versions=versions).class_name == class_name


def test_version_that_the_batch_replaces_is_no_proof_however_it_matches():
    job = batch(dest_version="2.0.0+2", src_versions=["2.0.0+1"])
    device = found(job, policy=Policy(version_match="ignore_build"), versions=report("2.0.0+1", "d2"))
    assert (device.state, device.class_name) == ("pending", "no_task")


def test_target_that_no_batch_tells_proves_nothing():
    device = found(batch(dest_version=None), no_more_tasks=True, versions=report(NEW, "d2"))
    assert (device.state, device.verified) == ("failed", False)


# --- Modules ---------------------------------------------------------------------------------------------------------


def test_module_that_the_policy_names_counts_where_the_batch_does_not_tell():
    versions = {(PRODUCT, "d2"): DeviceReport({"mcu": NEW, "default": OLD})}
    for job, module_name, class_name in (
        (batch(module_name=None), "mcu", "already_on_target"),
        (batch(module_name=None), "default", "no_task"),
        (batch(module_name="mcu"), "default", "already_on_target"),
    ):
        assert found(job, policy=Policy(module_name=module_name), versions=versions).class_name == class_name


def test_nothing_is_proved_while_nobody_tells_the_module():
    device = found(batch(module_name=None), no_more_tasks=True, versions=report(NEW, "d2"))
    detail = "it is not known which of its modules batch j1 is for"
    assert device == Device(PRODUCT, "d2", "pending", "unproved", detail=detail)


def test_batch_whose_module_nobody_tells_is_named():
    jobs = [batch(), batch(job_id="j2", module_name=None), batch(job_id="j3", module_name=None)]
    device = found(*jobs, versions=report(NEW, "d2"))
    assert (device.state, device.version) == ("pending", NEW)
    assert device.detail == "it is not known which of its modules batch j2 is for"


@pytest.mark.parametrize("match", ["exact", "ignore_build", "prefix"])
def test_device_that_reports_no_version_of_the_module_is_not_proved(match):
    policy = Policy(version_match=match)
    device = found(batch(module_name="mcu"), policy=policy, no_more_tasks=True, versions=report(NEW, "d2"))
    assert device == Device(PRODUCT, "d2", "pending", "unproved")


# --- Several batches -------------------------------------------------------------------------------------------------

MCU = batch(job_id="j2", module_name="mcu")


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param({"default": NEW, "mcu": NEW}, ("succeeded", "already_on_target"), id="both are proved"),
        pytest.param({"default": NEW, "mcu": OLD}, ("pending", "unproved"), id="only the first"),
        pytest.param({"default": OLD, "mcu": NEW}, ("pending", "unproved"), id="only the second"),
        pytest.param({"default": NEW}, ("pending", "unproved"), id="the second is not reported"),
        pytest.param({"default": OLD}, ("pending", "unproved"), id="the first is not, the second not reported"),
        pytest.param({"default": OLD, "mcu": OLD}, ("failed", "no_task"), id="neither"),
    ],
)
def test_device_must_be_proved_for_each_batch(versions, expected):
    device = found(batch(), MCU, no_more_tasks=True, versions={(PRODUCT, "d2"): DeviceReport(versions)})
    assert (device.state, device.class_name, device.version) == (*expected, versions["default"])


def test_device_need_not_be_proved_for_batches_of_other_products():
    other = batch(job_id="j2", product_key="p2", dest_version="9")
    assert found(batch(), other, versions=report(NEW, "d2")).state == "succeeded"
    silent = batch(job_id="j2", product_key=None, dest_version="9")
    assert found(batch(), silent, versions=report(NEW, "d2")).state == "pending"


def test_device_of_a_product_that_no_batch_is_for_proves_nothing():
    versions = {("p9", "d2"): DeviceReport({"default": NEW}, iot_id="i2")}
    device = found(batch(), key=("p9", "d2"), no_more_tasks=True, versions=versions)
    assert device == Device("p9", "d2", "pending", "unproved", iot_id="i2")


def test_last_stage_of_a_chain_decides():
    later = batch(job_id="j2", dest_version="3.0.0", src_versions=[NEW])
    assert found(batch(), later, versions=report("3.0.0", "d2")).state == "succeeded"
    early = found(batch(), later, no_more_tasks=True, versions=report(NEW, "d2"))
    assert (early.state, early.class_name, early.version) == ("failed", "no_task", NEW)


def test_order_of_batches_does_not_show():
    other = batch(job_id="j2", module_name="mcu", dest_version="7")
    versions = {(PRODUCT, "d2"): DeviceReport({"default": NEW, "mcu": "6"})}
    for jobs in ((batch(), other), (other, batch())):
        assert found(*jobs, versions=versions).version == NEW


def test_one_of_two_targets_proves_nothing():
    device = found(batch(), batch(job_id="j2", dest_version="3.0.0"), versions=report(NEW, "d2"))
    assert (device.state, device.class_name, device.detail) == ("pending", "unproved", None)


# --- What earlier polls have seen ------------------------------------------------------------------------------------

PROVED = Memory(on_target={f"{PRODUCT}\td2\t\tdefault\t{NEW}": NOW - 60})


@pytest.mark.parametrize("no_more_tasks", [False, True])
def test_device_that_was_on_the_target_and_is_no_longer_fell_back(no_more_tasks):
    device = found(batch(), memory=PROVED, no_more_tasks=no_more_tasks, versions=report(OLD, "d2"))
    detail = f"fell back from {NEW} to {OLD} after 2026-03-01T09:59:00Z"
    assert device == Device(PRODUCT, "d2", "failed", "fell_back", version=OLD, detail=detail)


def test_device_fell_back_in_the_module_that_did():
    versions = {(PRODUCT, "d2"): DeviceReport({"default": OLD, "mcu": NEW})}
    device = found(MCU._replace(job_id="j0"), batch(), memory=PROVED, versions=versions)
    assert (device.class_name, device.version) == ("fell_back", OLD)


def test_device_that_is_on_the_target_again_has_not_fallen_back():
    assert found(batch(), memory=PROVED, versions=report(NEW, "d2")).class_name == "already_on_target"
    versions = {(PRODUCT, "d2"): DeviceReport({"default": NEW, "mcu": OLD})}
    assert found(batch(), MCU, memory=PROVED, versions=versions).class_name == "unproved"


def test_device_that_went_on_to_the_target_of_another_batch_has_not_fallen_back():
    other = batch(job_id="j2", dest_version="3.0.0")
    device = found(batch(), other, memory=PROVED, versions=report("3.0.0", "d2"))
    assert (device.state, device.class_name) == ("pending", "unproved")
    mcu = batch(job_id="j2", module_name="mcu", dest_version="3.0.0")
    versions = {(PRODUCT, "d2"): DeviceReport({"default": OLD, "mcu": "3.0.0"})}
    assert found(batch(), mcu, memory=PROVED, versions=versions).class_name == "fell_back"


def test_nobody_knows_whether_a_device_that_reports_nothing_fell_back():
    assert found(batch(), memory=PROVED, versions=report(None, "d2")).class_name == "unproved"


@pytest.mark.parametrize("no_more_tasks", [False, True])
def test_device_that_had_a_task_and_is_unknown_now_vanished(no_more_tasks):
    memory = Memory(tasks={"j1": {"t2": [PRODUCT, "d2", "CANCELED", "i2", ""]}})
    device = found(batch(), memory=memory, no_more_tasks=no_more_tasks, versions=report("", "d2"))
    detail = "the service does not know the device, last seen CANCELED"
    assert device == Device(PRODUCT, "d2", "pending", "vanished", task_status="CANCELED", detail=detail)


def test_device_that_never_had_a_task_was_never_there():
    memory = Memory(tasks={"j1": {"t2": [PRODUCT, "d1", "CANCELED", "", ""], "t3": ["p2", "d2", "CANCELED", "", ""]}})
    device = found(batch(), memory=memory, no_more_tasks=True, versions=report("", "d2"))
    assert device == Device(PRODUCT, "d2", "failed", "no_task")


# --- Batches without a task ------------------------------------------------------------------------------------------

THERE = Device(PRODUCT, "d2", "succeeded", "already_on_target", version=NEW, verified=True)
ON_ITS_WAY = Device(PRODUCT, "d2", "pending", "no_task", version=NEW)
DOUBTFUL = {(PRODUCT, "d2"): DeviceReport(failure="no answer")}


@pytest.mark.parametrize(
    ("device", "job", "facts", "expected"),
    [
        pytest.param(THERE, batch(), report(NEW, "d2"), True, id="on its version"),
        pytest.param(THERE, batch(dest_version="3.0.0"), report(NEW, "d2"), False, id="on that of another batch"),
        pytest.param(THERE, MCU, report(NEW, "d2"), False, id="in another module"),
        pytest.param(THERE, batch(module_name=None), report(NEW, "d2"), False, id="its module is not known"),
        pytest.param(THERE, batch(product_key="p2"), report(NEW, "d2"), False, id="of another product"),
        pytest.param(THERE, batch(product_key=None), report(NEW, "d2"), True, id="of a product that is not known"),
        pytest.param(THERE, batch(), report(NEW, "d1"), False, id="the report is about another device"),
        pytest.param(THERE, batch(), None, False, id="not read"),
        pytest.param(THERE, batch(), DOUBTFUL, False, id="unreadable"),
        pytest.param(THERE._replace(job_id="j2"), batch(), report(NEW, "d2"), False, id="by a task"),
        pytest.param(ON_ITS_WAY, batch(), report(NEW, "d2"), True, id="to be on that of a later stage"),
    ],
)
def test_batch_without_a_task_is_explained_by_a_device_on_its_version(device, job, facts, expected):
    assert accounts_for(device, job, poll(job, versions=facts), Policy(), Memory()) is expected


def test_device_that_has_had_a_task_explains_no_batch_without_one():
    seen = poll(batch(), versions=report(NEW, "d2"))
    for name, expected in (("d1", True), ("d2", False)):
        memory = Memory(tasks={"j2": {"t2": [PRODUCT, name, "SUCCEEDED", "", ""]}})
        assert accounts_for(THERE, batch(), seen, Policy(), memory) is expected


# --- Reports from before this poll -----------------------------------------------------------------------------------


def read_before(version, at=NOW - 60):
    return {key: known._replace(read_at=at) for key, known in report(version, "d2").items()}


@pytest.mark.parametrize(
    ("earlier", "memory", "expected"),
    [
        pytest.param(read_before(NEW), Memory(), ("succeeded", "already_on_target"), id="on the target"),
        pytest.param(
            read_before(NEW), Memory(proved_since=NOW - 61), ("succeeded", "already_on_target"), id="in the soak"
        ),
        pytest.param(read_before(NEW), Memory(proved_since=NOW - 60), ("pending", "no_task"), id="before the soak"),
        pytest.param(read_before(OLD), Memory(), ("pending", "no_task"), id="on another version"),
        pytest.param(read_before(None), Memory(), ("pending", "no_task"), id="no version"),
        pytest.param(read_before(""), Memory(), ("pending", "no_task"), id="no such device"),
    ],
)
@pytest.mark.parametrize("no_more_tasks", [True, False])
def test_device_without_a_task_may_have_been_on_the_target_before(earlier, memory, expected, no_more_tasks):
    """What else it reported then says nothing."""
    device = found(batch("S"), earlier=earlier, memory=memory, no_more_tasks=no_more_tasks)
    assert (device.state, device.class_name) == expected
    assert device.verified == (expected[0] == "succeeded")


def test_report_of_this_poll_counts_and_not_the_one_before():
    device = found(batch("S"), versions=report(OLD, "d2"), earlier=read_before(NEW), no_more_tasks=True)
    assert (device.state, device.class_name) == ("failed", "no_task")


def test_device_that_was_proved_before_accounts_for_its_batch():
    job = batch()
    snapshot = poll(job, earlier=read_before(NEW))
    device = found(job, earlier=read_before(NEW))
    assert accounts_for(device, job, snapshot, Policy(), Memory())
    assert not accounts_for(device._replace(verified=False), job, snapshot, Policy(), Memory())
