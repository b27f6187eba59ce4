# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import MAX_ROWS, TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.batches import relate_batches
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import ExpectedDevice, Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.state import (
    JobCounts,
    RolloutState,
    assess,
    keeps_bounds,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.tasks import listed_tasks
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    numbers,
    plain,
    poll,
    report,
    task,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ZERO = dict.fromkeys(TASK_STATUSES, 0)
VERIFY = Policy()


def numbers_of(rollout):
    return {name: getattr(rollout, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(rollout):
    return [(entry.device_name, entry.state, entry.class_name) for entry in rollout.devices]


def stand(snapshot, policy, memory=None):
    """Where the rollout stands, once batches that are finished have been so for long."""
    return assess(snapshot, policy, memory or Memory(), snapshot.finished)


def expecting(*names, **options):
    return plain(expected_devices=tuple(ExpectedDevice(None, name) for name in names), **options)


D1_D2 = expecting("d2", "d1")

# --- Devices ---------------------------------------------------------------------------------------------------------


def test_whole_state_of_a_rollout():
    tasks = [task("d3"), task("d1", "FAILED", failure_class="flash"), task("d4", "CANCELED"), task("d2", "QUEUED")]
    job = batch(*tasks, status="IN_PROGRESS")
    snapshot = poll(job, versions=report(NEW, "d3"))
    expected = [
        Device(PRODUCT, "d1", "failed", "flash", "j1", "t-d1", "FAILED", since=NOW, idle_seconds=0.0),
        Device(PRODUCT, "d2", "pending", "offline", "j1", "t-d2", "QUEUED", since=NOW, idle_seconds=0.0),
        Device(
            PRODUCT,
            "d3",
            "succeeded",
            None,
            "j1",
            "t-d3",
            "SUCCEEDED",
            version=NEW,
            since=NOW,
            idle_seconds=0.0,
            verified=True,
        ),
        Device(PRODUCT, "d4", "canceled", None, "j1", "t-d4", "CANCELED", since=NOW, idle_seconds=0.0),
    ]
    assert stand(snapshot, Policy(ignore_canceled=True)) == RolloutState(
        succeeded=1,
        verified=1,
        failed=1,
        pending=1,
        canceled=1,
        ignored=0,
        by_class={"failed": {"flash": 1}, "pending": {"offline": 1}},
        by_status={**ZERO, "SUCCEEDED": 1, "FAILED": 1, "CANCELED": 1, "QUEUED": 1},
        by_job={"j1": JobCounts(devices=4, succeeded=1, failed=1, pending=1, canceled=1)},
        devices=expected,
        relations=[],
        all_listed=True,
        counts_are_devices=True,
        unproved=[],
        unread_expected=[],
    )


def test_totals_of_a_rollout():
    policy = Policy(ignore_canceled=True, ignore_vanished=True)
    versions = {**report(NEW, "d1"), **report("", "d7")}
    rollout = stand(poll(batch("SSFCQQS"), versions=versions), policy)
    assert numbers_of(rollout) == {"succeeded": 2, "failed": 1, "pending": 2, "canceled": 1}
    assert (rollout.ignored, rollout.verified) == (1, 1)
    assert (rollout.total, rollout.executed, rollout.accounted) == (5, 3, 7)


def test_devices_in_one_state():
    rollout = stand(poll(batch("SFQF")), plain())
    assert [entry.device_name for entry in rollout.devices_in("failed")] == ["d2", "d4"]
    assert rollout.devices_in("canceled") == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("SUCCEEDED", "FAILED", "failed", id="failed is worst"),
        pytest.param("QUEUED", "FAILED", "failed", id="failed, whatever is open"),
        pytest.param("SUCCEEDED", "QUEUED", "pending", id="unfinished is worse than succeeded"),
        pytest.param("SUCCEEDED", "CANCELED", "succeeded", id="what was canceled counts least"),
    ],
)
def test_a_device_counts_once_by_the_worst_of_its_batches(first, second, expected):
    policy = plain(ignore_canceled=True)
    for one, other in ((first, second), (second, first)):
        batches = [batch(task("d1", one, task_id="t1")), batch(task("d1", other, task_id="t2"), job_id="j2")]
        rollout = stand(poll(*batches), policy)
        assert [entry.state for entry in rollout.devices] == [expected]
        assert rollout.total == 1
        assert sum(rollout.by_status.values()) == 2


def test_the_same_name_in_two_products_is_two_devices():
    batches = [batch("S"), batch(task("d1", "FAILED", product_key="p2"), job_id="j2", product_key="p2")]
    assert numbers_of(stand(poll(*batches), plain())) == {"succeeded": 1, "failed": 1, "pending": 0, "canceled": 0}


def test_devices_stand_in_the_order_of_their_names():
    rollout = stand(poll(batch(task("d2"), task("d10"), task("d1"))), plain())
    assert [entry.device_name for entry in rollout.devices] == ["d1", "d10", "d2"]


def test_tasks_without_a_device_stand_in_the_order_of_their_ids():
    """Otherwise the order of pages would show."""
    tasks = [task("d1", device_name=None, task_id=f"t{number}") for number in (2, 1)]
    assert [entry.task_id for entry in stand(poll(batch(*tasks)), plain()).devices] == ["t1", "t2"]


def test_devices_of_the_same_name_stand_in_the_order_of_their_products():
    tasks = [task("d1", product_key=key) for key in ("p2", None, "A1")]
    devices = stand(poll(batch(*tasks, product_key=None)), plain()).devices
    assert [entry.product_key for entry in devices] == [None, "A1", "p2"]


def test_tasks_whose_ids_and_states_are_of_undocumented_types_are_in_some_order():
    tasks = [task("d1", "FAILED", task_id=name) for name in ("t1", None, 7)]
    tasks += [task("d2", status, device_name=None, task_id=None) for status in ("QUEUED", 5)]
    rollout = stand(poll(batch(*tasks)), plain())
    assert [(entry.device_name, entry.task_id, entry.task_status) for entry in rollout.devices] == [
        (None, None, 5),
        (None, None, "QUEUED"),
        ("d1", None, "FAILED"),
    ]


def test_classes_are_sorted_by_number_and_name():
    tasks = [task(f"d{number}", "FAILED", failure_class=name) for number, name in enumerate("bcab")]
    tasks += [task(f"e{number}", status) for number, status in enumerate(("QUEUED", "NOTIFIED", "NOTIFIED"))]
    by_class = stand(poll(batch(*tasks)), plain()).by_class
    assert list(by_class["failed"].items()) == [("b", 2), ("a", 1), ("c", 1)]
    assert list(by_class["pending"].items()) == [("notified", 2), ("offline", 1)]


def test_tasks_in_an_undocumented_state_are_counted():
    rollout = stand(poll(batch(task("d1", "ODD")), batch(task("d2", "ODD"), job_id="j2")), plain())
    assert rollout.by_status == {**ZERO, "ODD": 2}


def test_nothing_at_all():
    rollout = stand(poll(), plain())
    assert (rollout.total, rollout.by_status, rollout.devices, rollout.by_job) == (0, ZERO, [], {})


# --- Versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["F", "C", "Q"])
def test_the_version_does_not_mend_what_did_not_succeed(letter):
    before = stand(poll(batch(letter)), VERIFY)
    after = stand(poll(batch(letter), versions=report(NEW, "d1")), VERIFY)
    assert numbers_of(after) == numbers_of(before)
    assert after.verified == 0


def test_each_batch_has_its_own_version():
    batches = [batch("S"), batch(task("d2"), job_id="j2", dest_version="3.0.0")]
    versions = {**report(NEW, "d1"), **report("3.0.0", "d2")}
    assert stand(poll(*batches, versions=versions), VERIFY).verified == 2


def test_each_batch_has_its_own_module():
    batches = [batch("S"), batch("S", job_id="j2", module_name="mcu", dest_version="7")]
    for versions, expected in (({"mcu": "7"}, "pending"), ({"mcu": "6"}, "failed"), ({"default": NEW}, "pending")):
        rollout = stand(poll(*batches, versions={(PRODUCT, "d1"): DeviceReport(versions)}), VERIFY)
        assert [entry.state for entry in rollout.devices] == [expected]
    proved = {(PRODUCT, "d1"): DeviceReport({"default": NEW, "mcu": "7"})}
    assert stand(poll(*batches, versions=proved), VERIFY).verified == 1


def test_later_stage_decides_about_devices_in_both():
    stages = [
        batch("SS"),
        batch(task("d1"), job_id="j2", dest_version="3.0.0", src_versions=[NEW]),
    ]
    for jobs in (stages, stages[::-1]):
        snapshot = poll(*jobs, versions={**report("3.0.0", "d1"), **report(NEW, "d2")})
        rollout = stand(snapshot, VERIFY)
        assert [(entry.device_name, entry.job_id, entry.verified) for entry in rollout.devices] == [
            ("d1", "j2", True),
            ("d2", "j1", True),
        ]
        assert rollout.by_job == {"j1": JobCounts(2, 2, 0, 0, 0), "j2": JobCounts(1, 1, 0, 0, 0)}
        assert rollout.relations == relate_batches(jobs, VERIFY) != []


@pytest.mark.parametrize(
    ("policy", "versions", "needed"),
    [
        pytest.param(plain(), None, [], id="without verification"),
        pytest.param(VERIFY, None, ["d1", "d2"], id="of those that succeeded"),
        pytest.param(VERIFY, report(NEW, "d1"), ["d2"], id="not of those that are proved"),
        pytest.param(VERIFY, report(OLD, "d1"), ["d1", "d2"], id="also of those that failed by their version"),
        pytest.param(expecting("d2", "d3", verify_versions=True), None, ["d2"], id="of those that are expected"),
        pytest.param(expecting("d2", "d3"), None, [], id="with a task, without verification"),
        pytest.param(expecting("d2", "d9"), None, ["d9"], id="without a task"),
        pytest.param(expecting("d9", "d2", verify_versions=True), None, ["d2", "d9"], id="with and without, by name"),
        pytest.param(expecting("d9"), report(OLD, "d9"), [], id="without a task, and known"),
        pytest.param(expecting("d9"), report(None, "d9"), [], id="without a task, known to be none"),
    ],
)
def test_versions_that_are_needed(policy, versions, needed):
    rollout = stand(poll(batch("SSFQ"), versions=versions), policy)
    assert rollout.versions_needed == [(PRODUCT, name) for name in needed]


def test_devices_that_possibly_succeeded():
    """One reports no version, one an old one for now, of one none was read, and the last is known not to be there."""
    policy = expecting("d1", "d2", "d3", "d4", verify_versions=True)
    late = task("d4", src_version=OLD, utc_modified=format_time(NOW))
    versions = {**report(None, "d1"), **report(OLD, "d3", "d4")}
    rollout = stand(poll(batch("S", late, status="IN_PROGRESS"), versions=versions), policy)
    assert states(rollout) == [
        ("d1", "pending", "unproved"),
        ("d2", "pending", "no_task"),
        ("d3", "pending", "no_task"),
        ("d4", "pending", "awaiting_version"),
    ]
    assert (rollout.unproved_expected, rollout.possibly_succeeded) == (1, 3)
    assert stand(poll(batch("SF")), VERIFY).possibly_succeeded == 0


# --- Expected devices ------------------------------------------------------------------------------------------------


def test_what_was_not_expected_does_not_count():
    rollout = stand(poll(batch(task("d1"), task("d2"), task("d3", "FAILED"))), D1_D2)
    assert states(rollout) == [("d1", "succeeded", None), ("d2", "succeeded", None)]
    assert rollout.by_status == {**ZERO, "SUCCEEDED": 2, "FAILED": 1}
    assert rollout.by_job == {"j1": JobCounts(2, 2, 0, 0, 0)}


@pytest.mark.parametrize(
    ("status", "facts", "expected", "unread"),
    [
        pytest.param("IN_PROGRESS", {}, ("pending", "no_task"), 1, id="version not read"),
        pytest.param("COMPLETED", {}, ("pending", "no_task"), 1, id="finished, version not read"),
        pytest.param("COMPLETED", {"versions": {}}, ("pending", "no_task"), 1, id="finished, its version not read"),
        pytest.param(
            "IN_PROGRESS", {"versions": report(NEW, "d2")}, ("succeeded", "already_on_target"), 0, id="already there"
        ),
        pytest.param(
            "COMPLETED", {"versions": report(NEW, "d2")}, ("succeeded", "already_on_target"), 0, id="there, finished"
        ),
        pytest.param("IN_PROGRESS", {"versions": report(OLD, "d2")}, ("pending", "no_task"), 0, id="may get a task"),
        pytest.param("COMPLETED", {"versions": report(OLD, "d2")}, ("failed", "no_task"), 0, id="never reached"),
        pytest.param("CANCELED", {"versions": report(OLD, "d2")}, ("failed", "no_task"), 0, id="canceled before"),
        pytest.param("COMPLETED", {"versions": report(None, "d2")}, ("pending", "unproved"), 0, id="no version at all"),
        pytest.param("COMPLETED", {"versions": report("", "d2")}, ("failed", "no_task"), 0, id="not known at all"),
        pytest.param(
            "COMPLETED",
            {"versions": report(OLD, "d2"), "busy": {(PRODUCT, "d2"): "j9"}},
            ("failed", "busy"),
            0,
            id="busy with another batch",
        ),
    ],
)
def test_a_device_without_a_task(status, facts, expected, unread):
    rollout = stand(poll(batch("S", status=status), **facts), D1_D2)
    assert states(rollout)[1] == ("d2", *expected)
    assert rollout.unproved_expected == unread
    assert rollout.by_job == {"j1": JobCounts(1, 1, 0, 0, 0)}


def test_device_that_is_proved_without_a_task_is_verified():
    rollout = stand(poll(batch("S"), versions=report(NEW, "d1", "d2")), expecting("d2", verify_versions=True))
    assert (rollout.succeeded, rollout.verified, rollout.versions_needed) == (1, 1, [])


def test_without_a_task_the_product_is_that_of_the_policy_or_of_all_batches():
    known = poll(batch("S"), versions={("p2", "d2"): DeviceReport({"default": NEW})})
    assert stand(known, expecting("d1", "d2")).succeeded == 1
    silent = poll(batch("S", product_key=None), versions=known.versions)
    assert stand(silent, expecting("d2", expected_product_key="p2")).succeeded == 1


def test_while_one_batch_is_open_nobody_has_missed_it():
    batches = [batch("S"), batch(job_id="j2", status="IN_PROGRESS")]
    rollout = stand(poll(*batches, versions=report(OLD, "d2")), D1_D2)
    assert states(rollout)[1] == ("d2", "pending", "no_task")


def test_expected_devices_may_be_of_two_products():
    batches = [batch("S", product_key="p1"), batch(task("d1", "FAILED"), job_id="j2", product_key="p2")]
    tasks = [batch(*({**item, "product_key": None} for item in job.tasks), **job.facts) for job in batches]
    jobs = [job._replace(job_id=job_id) for job, job_id in zip(tasks, ("j1", "j2"))]
    policy = plain(expected_devices=(ExpectedDevice("p2", "d1"), ExpectedDevice("p1", "d1")))
    assert [(entry.product_key, entry.state) for entry in stand(poll(*jobs), policy).devices] == [
        ("p1", "succeeded"),
        ("p2", "failed"),
    ]


def test_version_of_a_device_with_a_task_of_today_is_not_missed():
    rollout = stand(poll(batch("QFS")), expecting("d1", "d2", "d3"))
    assert (rollout.pending, rollout.unproved_expected, rollout.versions_needed) == (1, 0, [])


# --- Vanished devices ------------------------------------------------------------------------------------------------


def test_vanished_device_is_pending():
    memory = Memory(tasks={"j1": listed_tasks(batch("SSQ"))})
    rollout = stand(poll(batch("S")), plain(), memory)
    assert numbers_of(rollout) == {"succeeded": 1, "failed": 0, "pending": 2, "canceled": 0}
    assert (rollout.ignored, rollout.by_class["pending"]) == (0, {"vanished": 2})
    assert rollout.by_job == {"j1": JobCounts(3, 1, 0, 2, 0)}


def test_vanished_device_may_be_ignored():
    memory = Memory(tasks={"j1": listed_tasks(batch("SSQ"))})
    rollout = stand(poll(batch("S")), plain(ignore_vanished=True), memory)
    assert states(rollout) == [("d1", "succeeded", None)]
    assert (rollout.pending, rollout.ignored, rollout.accounted) == (0, 2, 3)
    assert rollout.by_class["pending"] == {}
    assert rollout.by_job == {"j1": JobCounts(1, 1, 0, 0, 0)}


def test_no_other_device_is_ignored():
    rollout = stand(poll(batch("SFQ"), versions=report(None, "d1")), Policy(ignore_vanished=True))
    assert (rollout.total, rollout.ignored) == (3, 0)


REPLACED = (
    task("d1", "FAILED", task_id="t1", iot_id="i1", utc_create=format_time(NOW - 200)),
    task("d1", task_id="t2", iot_id="i2", utc_create=format_time(NOW - 100)),
)


def test_replaced_device_counts_beside_that_of_today():
    rollout = stand(poll(batch(*REPLACED)), plain())
    assert [(entry.task_id, entry.state, entry.class_name) for entry in rollout.devices] == [
        ("t1", "pending", "vanished"),
        ("t2", "succeeded", None),
    ]
    assert rollout.by_job == {"j1": JobCounts(2, 1, 0, 1, 0)}


def test_replaced_device_is_not_the_expected_one():
    rollout = stand(poll(batch(*REPLACED)), expecting("d1"))
    assert [(entry.task_id, entry.state) for entry in rollout.devices] == [("t2", "succeeded")]
    assert rollout.by_job == {"j1": JobCounts(1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param({}, ("pending", "vanished"), id="not read"),
        pytest.param(report("", "d1"), ("pending", "vanished"), id="unknown to the service"),
        pytest.param(report(NEW, "d1", iot_id="i2"), ("succeeded", "already_on_target"), id="on the target"),
        pytest.param(report(OLD, "d1", iot_id="i2"), ("failed", "no_task"), id="not on the target"),
    ],
)
def test_expected_device_whose_task_is_gone_counts_as_it_is_today(known, expected):
    memory = Memory(tasks={"j1": {"t1": [PRODUCT, "d1", "SUCCEEDED", "i1", ""]}})
    rollout = stand(poll(batch(), versions=known), expecting("d1"), memory)
    assert states(rollout) == [("d1", *expected)]
    assert [entry.task_id for entry in rollout.devices] == ["t1" if expected[1] == "vanished" else None]
    assert rollout.unproved_expected == (0 if known else 1)
    assert rollout.versions_needed == ([] if known else [(PRODUCT, "d1")])


def test_expected_device_that_another_one_has_replaced_counts_as_that_is_today():
    policy = expecting("d1", verify_versions=True)
    known = poll(batch(task("d1", iot_id="i1")), versions=report(NEW, "d1", iot_id="i2"))
    assert states(stand(known, policy)) == [("d1", "succeeded", "already_on_target")]
    known = known._replace(versions=report(OLD, "d1", iot_id="i2"))
    assert states(stand(known, policy)) == [("d1", "failed", "no_task")]


def test_vanished_device_is_not_ignored_before_it_was_read():
    """A device of today may have its name."""
    memory = Memory(tasks={"j1": {"t1": [PRODUCT, "d1", "QUEUED", "i1", ""]}})
    policy = expecting("d1", ignore_vanished=True)
    unread = stand(poll(batch()), policy, memory)
    assert (unread.pending, unread.ignored, unread.unproved_expected) == (1, 0, 1)
    read = stand(poll(batch(), versions=report("", "d1")), policy, memory)
    assert (read.pending, read.ignored, read.unproved_expected) == (0, 1, 0)


def test_vanished_device_that_nobody_expects_by_name_need_not_be_read():
    memory = Memory(tasks={"j1": {"t1": [PRODUCT, "d1", "QUEUED", "", ""]}})
    rollout = stand(poll(batch()), plain(), memory)
    assert (rollout.pending, rollout.unproved_expected, rollout.versions_needed) == (1, 0, [])


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_from_numbers_alone():
    job = numbers(SUCCEEDED=90, FAILED=3, CANCELED=2, NOTIFIED=1, QUEUED=3, total=100)
    assert stand(poll(job), plain()) == RolloutState(
        succeeded=90,
        verified=0,
        failed=5,
        pending=5,
        canceled=0,
        ignored=0,
        by_class={
            "failed": {"not_read": 3, "canceled": 2},
            "pending": {"offline": 3, "moving": 1, "notified": 1},
        },
        by_status={**ZERO, "SUCCEEDED": 90, "FAILED": 3, "CANCELED": 2, "NOTIFIED": 1, "QUEUED": 3},
        by_job={"j1": JobCounts(devices=100, succeeded=90, failed=5, pending=5, canceled=0)},
        devices=[],
        relations=(),
        all_listed=False,
        counts_are_devices=False,
        unproved=(),
        unread_expected=(),
    )


def test_classes_of_numbers_are_sorted():
    by_class = stand(poll(numbers(FAILED=1, CANCELED=2, NOTIFIED=1, QUEUED=3, total=8)), plain()).by_class
    assert list(by_class["failed"]) == ["canceled", "not_read"]
    assert list(by_class["pending"]) == ["offline", "moving", "notified"]


def test_from_numbers_alone_without_those_that_were_canceled():
    rollout = stand(poll(numbers(SUCCEEDED=9, CANCELED=2)), plain(ignore_canceled=True))
    assert numbers_of(rollout) == {"succeeded": 9, "failed": 0, "pending": 0, "canceled": 2}
    assert rollout.by_class == {"failed": {}, "pending": {}}
    assert rollout.by_job == {"j1": JobCounts(11, 9, 0, 0, 2)}


def test_the_rows_that_were_read_say_why():
    tasks = [task("d2", "QUEUED"), task("d1", "FAILED", failure_class="flash")]
    rollout = stand(poll(batch(*tasks, counts={"FAILED": 3, "QUEUED": 1}, all_listed=False)), plain())
    assert rollout.by_class["failed"] == {"not_read": 2, "flash": 1}
    assert states(rollout) == [("d1", "failed", "flash"), ("d2", "pending", "offline")]
    assert rollout.by_job == {"j1": JobCounts(4, 0, 3, 1, 0)}


def test_rows_that_were_read_stand_in_the_order_of_their_names():
    tasks = [task("d2", "QUEUED", product_key="p1"), task("d1", "QUEUED", product_key="p2")]
    rollout = stand(poll(batch(*tasks, all_listed=False)), plain())
    assert [entry.device_name for entry in rollout.devices] == ["d1", "d2"]


@pytest.mark.parametrize(
    ("jobs", "policy", "expected"),
    [
        pytest.param([numbers(SUCCEEDED=MAX_ROWS + 1)], plain(), True, id="too many tasks to list"),
        pytest.param([numbers(SUCCEEDED=MAX_ROWS)], plain(), False, id="as many as can be listed"),
        pytest.param([numbers(SUCCEEDED=MAX_ROWS + 1)], expecting("d1"), False, id="devices are expected by name"),
        pytest.param(
            [numbers(SUCCEEDED=MAX_ROWS + 1), batch(job_id="j2")], plain(), False, id="devices may be in two batches"
        ),
    ],
)
def test_numbers_count_devices_only_if_there_is_nothing_else(jobs, policy, expected):
    assert stand(poll(*jobs), policy).counts_are_devices is expected


def test_numbers_of_one_batch_make_all_of_it_numbers():
    twice = batch(task("d1"), task("d2", "FAILED"), task("d1", task_id="t9"))
    rollout = stand(poll(twice, numbers(SUCCEEDED=2)._replace(job_id="j2")), plain())
    assert numbers_of(rollout) == {"succeeded": 4, "failed": 1, "pending": 0, "canceled": 0}
    assert rollout.all_listed is False
    assert rollout.by_job == {"j1": JobCounts(2, 1, 1, 0, 0), "j2": JobCounts(2, 2, 0, 0, 0)}


def test_numbers_that_do_not_add_up_make_nothing_negative():
    rollout = stand(poll(numbers(SUCCEEDED=3, FAILED=0, total=2)), plain())
    assert (numbers_of(rollout), rollout.by_class["pending"]) == (
        {"succeeded": 3, "failed": 0, "pending": 0, "canceled": 0},
        {},
    )
    content = batch(task("d1", "FAILED"), counts={"FAILED": 0, "SUCCEEDED": 1}, all_listed=False)
    assert stand(poll(content), plain()).by_class["failed"] == {"other": 1}


def test_numbers_of_several_batches_are_added():
    jobs = [numbers(SUCCEEDED=5, QUEUED=1, total=7), numbers(SUCCEEDED=2, FAILED=1, total=5)._replace(job_id="j2")]
    rollout = stand(poll(*jobs), plain())
    assert numbers_of(rollout) == {"succeeded": 7, "failed": 1, "pending": 4, "canceled": 0}
    assert rollout.by_class == {"failed": {"not_read": 1}, "pending": {"moving": 3, "offline": 1}}
    assert rollout.by_job == {"j1": JobCounts(7, 5, 0, 2, 0), "j2": JobCounts(5, 2, 1, 2, 0)}


# --- Laws ------------------------------------------------------------------------------------------------------------

TIMES = st.sampled_from([None, format_time(NOW - 300), format_time(NOW - 200), format_time(NOW - 100)])


@st.composite
def rows(draw):
    """Tasks of a few devices, several of one device among them, in any order."""
    return [
        task(
            draw(st.sampled_from(["d1", "d2", "d3", None])),
            draw(st.sampled_from([*TASK_STATUSES, "ODD"])),
            task_id=draw(st.sampled_from([f"t{number}", None])),
            iot_id=draw(st.sampled_from([None, "i1", "i2"])),
            src_version=draw(st.sampled_from([None, OLD, NEW])),
            failure_class=draw(st.sampled_from(["flash", "other"])),
            task_desc=draw(st.sampled_from([None, "one", "two"])),
            utc_create=draw(TIMES),
            utc_modified=draw(TIMES),
        )
        for number in range(draw(st.integers(0, 5)))
    ]


REPORTS = st.sampled_from(
    [
        None,
        DeviceReport(found=False),
        DeviceReport({"default": OLD}, iot_id="i1"),
        DeviceReport({"default": NEW}),
        DeviceReport({"default": NEW, "mcu": OLD}, iot_id="i2"),
        DeviceReport(failure="denied"),
    ]
)


POLICIES = [VERIFY, plain(), expecting("d1", "d2", "d9", verify_versions=True, ignore_vanished=True)]


@settings(derandomize=True, deadline=None)
@given(st.data())
def test_order_of_rows_does_not_show(data):
    first, second, gone = data.draw(rows()), data.draw(rows()), data.draw(rows())
    facts = {"module_name": data.draw(st.sampled_from(["default", None]))}
    policy = data.draw(st.sampled_from(POLICIES))
    reports = [((PRODUCT, name), data.draw(REPORTS)) for name in ("d1", "d2", "d3", "d9")]
    kept = list(listed_tasks(batch(*({**item, "task_id": f"g{number}"} for number, item in enumerate(gone)))).items())
    order = data.draw(st.randoms(use_true_random=False))

    def assessed(arrange):
        jobs = [
            batch(*arrange(first), **facts),
            batch(*arrange(second), job_id="j2", dest_version="3.0.0", **facts),
        ]
        versions = {key: known for key, known in arrange(reports) if known is not None}
        rollout = stand(poll(*jobs, versions=versions), policy, Memory(tasks={"j1": dict(arrange(kept))}))
        relations = [(pair.earlier.job_id, pair.later.job_id, *pair[2:]) for pair in rollout.relations]
        return rollout._replace(relations=relations)

    assert assessed(lambda items: order.sample(items, len(items))) == assessed(list)


# --- Bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "content", "expected"),
    [
        pytest.param(plain(), batch("SS"), True, id="all succeeded"),
        pytest.param(plain(), batch(), True, id="there is none"),
        pytest.param(plain(), batch("SQ"), False, id="one is unfinished"),
        pytest.param(plain(min_devices=2), batch("SS"), True, id="as many as there must be"),
        pytest.param(plain(min_devices=3, max_pending=9), batch("SS"), False, id="fewer than there must be"),
        pytest.param(plain(max_pending=1), batch("SQ"), True, id="as many unfinished as there may be"),
        pytest.param(plain(max_pending=1, min_succeeded_percent=0), batch("SQQ"), False, id="more unfinished"),
        pytest.param(plain(max_failed=1), batch("SF"), True, id="as many failed as there may be"),
        pytest.param(plain(max_failed=1, min_succeeded_percent=0), batch("SFF"), False, id="more failed"),
        pytest.param(plain(min_succeeded_percent=50), batch("SF"), True, id="failures without a bound"),
        pytest.param(plain(min_succeeded_percent=51, max_pending=1), batch("SQ"), False, id="too few succeeded"),
        pytest.param(D1_D2, batch("S"), True, id="an unread version may prove success"),
        pytest.param(D1_D2, batch("F"), False, id="an unread version does not undo a failure"),
        pytest.param(
            D1_D2._replace(max_failed_percent=50.0), batch("F"), True, id="an unread version is one of those that ended"
        ),
        pytest.param(D1_D2, numbers(SUCCEEDED=2), True, id="numbers: as many as are expected"),
        pytest.param(D1_D2, numbers(SUCCEEDED=1), True, id="numbers: fewer than are expected"),
        pytest.param(D1_D2, numbers(SUCCEEDED=1, QUEUED=1), False, id="numbers: the unfinished one is expected"),
        pytest.param(D1_D2, numbers(SUCCEEDED=2, QUEUED=1), True, id="numbers: the unfinished one may be another"),
        pytest.param(D1_D2, numbers(SUCCEEDED=1, QUEUED=2), False, id="numbers: one unfinished one is expected"),
        pytest.param(D1_D2, numbers(SUCCEEDED=2, FAILED=1), True, id="numbers: the failed one may be another"),
        pytest.param(
            D1_D2._replace(min_succeeded_percent=0.0, max_failed=0),
            numbers(SUCCEEDED=1, FAILED=2),
            False,
            id="numbers: one failed one is expected",
        ),
        pytest.param(plain(), numbers(SUCCEEDED=2, QUEUED=1), False, id="numbers: nobody is another"),
    ],
)
def test_bounds_are_kept(policy, content, expected):
    assert keeps_bounds(stand(poll(content), policy), policy) is expected
