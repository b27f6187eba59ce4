# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout import state
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    OLD,
    PRODUCT,
    batch,
    numbers,
    plain,
    poll,
    report,
    task,
)

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def numbers_of(rollout):
    return {name: getattr(rollout, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(rollout):
    return [(entry.device_name, entry.state, entry.class_name) for entry in rollout.devices]


def stand(facts, policy, seen):
    """Where the rollout stands, once batches that are finished have been so for long."""
    return state.assess(facts, policy, seen, facts.finished)


# --- Devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param("SUCCEEDED", "FAILED", "failed", id="failed is worst"),
        pytest.param("QUEUED", "FAILED", "failed", id="failed, whatever is open"),
        pytest.param("SUCCEEDED", "QUEUED", "pending", id="unfinished is worse than succeeded"),
        pytest.param("SUCCEEDED", "CANCELED", "succeeded", id="what was canceled counts least"),
    ],
)
def test_a_device_counts_once_by_the_worst_of_its_tasks(first, second, expected):
    policy = plain(ignore_canceled=True)
    for one, other in ((first, second), (second, first)):
        batches = [batch(task("d1", one, task_id="t1")), batch(task("d1", other, task_id="t2"), job_id="j2")]
        rollout = stand(poll(*batches), policy, {})
        assert [entry.state for entry in rollout.devices] == [expected]
        assert rollout.total == 1
        assert sum(rollout.by_status.values()) == 2


def test_the_same_name_in_two_products_is_two_devices():
    batches = [batch("S"), batch(task("d1", "FAILED", product_key="p2"), job_id="j2", product_key="p2")]
    assert numbers_of(stand(poll(*batches), plain(), {})) == {"succeeded": 1, "failed": 1, "pending": 0, "canceled": 0}


def test_the_product_of_a_task_is_that_of_its_batch():
    (entry,) = stand(poll(batch(task("d1", product_key=None))), plain(), {}).devices
    assert entry.product_key == PRODUCT


def test_devices_stand_in_the_order_of_their_names():
    rollout = stand(poll(batch(task("d2"), task("d10"), task("d1"))), plain(), {})
    assert [entry.device_name for entry in rollout.devices] == ["d1", "d10", "d2"]


def test_tasks_without_a_device_stand_in_the_order_of_their_ids():
    """Otherwise the order of pages would show."""
    tasks = [task("d1", device_name=None, task_id=f"t{number}") for number in (2, 1)]
    assert [entry.task_id for entry in stand(poll(batch(*tasks)), plain(), {}).devices] == ["t1", "t2"]


def test_tasks_without_a_device_and_an_id_all_count():
    """They cannot be distinguished, but each is one."""
    tasks = [task("d1", "FAILED", device_name=None, task_id=None) for _number in range(3)]
    assert stand(poll(batch(*tasks)), plain(), {}).failed == 3


def test_classes_are_sorted_by_number_and_name():
    tasks = [task(f"d{number}", "FAILED", failure_class=name) for number, name in enumerate("bcab")]
    assert list(stand(poll(batch(*tasks)), plain(), {}).by_class["failed"].items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_a_device_that_failed_and_is_busy_elsewhere():
    facts = poll(batch("FSQ"), busy={(PRODUCT, "d1"): "j9", (PRODUCT, "d2"): "j9"})
    failed, *others = stand(facts, plain(), {}).devices
    assert (failed.class_name, failed.busy_with) == ("busy", "j9")
    assert [entry.busy_with for entry in others] == [None, None]


def test_worst_of_equal_tasks_is_the_first_by_class_and_id():
    """So that the order in which pages arrive does not show."""
    download = task("d1", "FAILED", failure_class="download", task_id="t9")
    flash = task("d1", "FAILED", failure_class="flash", task_id="t1")
    other = {**download, "task_id": "t8"}
    for tasks in ([download, flash, other], [other, flash, download]):
        (entry,) = stand(poll(batch(*tasks)), plain(), {}).devices
        assert (entry.class_name, entry.task_id) == ("download", "t8")


def test_tasks_whose_ids_and_states_are_of_undocumented_types_are_in_some_order():
    tasks = [task("d1", "FAILED", task_id=name) for name in ("t1", None, 7)]
    tasks += [task("d2", status, device_name=None, task_id=None) for status in ("QUEUED", 5)]
    rollout = stand(poll(batch(*tasks)), plain(), {})
    assert [(entry.task_id, entry.task_status) for entry in rollout.devices] == [
        (None, 5),
        (None, "QUEUED"),
        ("7", "FAILED"),
    ]


def test_first_of_two_tasks_that_differ_in_nothing_counts():
    tasks = [task("d1", "FAILED", task_id=None, task_desc=text) for text in ("one", "two")]
    (entry,) = stand(poll(batch(*tasks)), plain(), {}).devices
    assert entry.detail == "one"


def test_tasks_without_a_device_count_by_their_ids():
    tasks = [task("d1", device_name=None, task_id=name) for name in ("t1", "t1", "t2")]
    assert stand(poll(batch(*tasks)), plain(), {}).total == 2


def test_devices_of_the_same_name_stand_in_the_order_of_their_products():
    tasks = [task("d1", product_key=key) for key in ("p2", None, "A1")]
    devices = stand(poll(batch(*tasks, product_key=None)), plain(), {}).devices
    assert [entry.product_key for entry in devices] == [None, "A1", "p2"]


def test_tasks_in_an_undocumented_state_are_counted():
    rollout = stand(poll(batch(task("d1", "ODD")), batch(task("d2", "ODD"), job_id="j2")), plain(), {})
    assert rollout.by_status == {**ZERO, "ODD": 2}


# --- Versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "state", "verified"),
    [
        pytest.param(None, ("succeeded", None), 0, id="not read"),
        pytest.param(report(NEW, "d1"), ("succeeded", None), 1, id="the new one"),
        pytest.param(report(OLD, "d1"), ("failed", "wrong_version"), 0, id="another one"),
        pytest.param(report(NEW.upper() + " ", "d1"), ("failed", "wrong_version"), 0, id="nearly the new one"),
        pytest.param(report(None, "d1"), ("pending", "unproved"), 0, id="none"),
    ],
)
def test_success_is_held_against_the_version(versions, state, verified):
    rollout = stand(poll(batch("S"), versions=versions), Policy(), {})
    (entry,) = rollout.devices
    assert (entry.state, entry.class_name) == state
    assert rollout.verified == verified


def test_the_version_of_another_products_device_proves_nothing():
    assert stand(poll(batch("S"), versions={("p2", "d1"): NEW}), Policy(), {}).verified == 0


@pytest.mark.parametrize("letter", ["F", "C", "Q"])
def test_the_version_does_not_mend_what_did_not_succeed(letter):
    before = stand(poll(batch(letter)), Policy(), {})
    after = stand(poll(batch(letter), versions=report(NEW, "d1")), Policy(), {})
    assert numbers_of(after) == numbers_of(before)


def test_each_batch_has_its_own_version():
    batches = [batch("S"), batch(task("d2"), job_id="j2", dest_version="3.0.0")]
    versions = {**report(NEW, "d1"), **report("3.0.0", "d2")}
    assert stand(poll(*batches, versions=versions), Policy(), {}).verified == 2


# --- Expected devices ------------------------------------------------------------------------------------------------

D1_D2 = plain(expected_devices=("d2", "d1"))


def test_what_was_not_expected_does_not_count():
    rollout = stand(poll(batch(task("d1"), task("d2"), task("d3", "FAILED"))), D1_D2, {})
    assert states(rollout) == [("d1", "succeeded", None), ("d2", "succeeded", None)]
    assert rollout.by_status == {**ZERO, "SUCCEEDED": 2, "FAILED": 1}


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
        pytest.param(
            "IN_PROGRESS",
            {"versions": report(OLD, "d2"), "busy": {(PRODUCT, "d2"): "j9"}},
            ("pending", "busy"),
            0,
            id="still busy",
        ),
    ],
)
def test_a_device_without_a_task(status, facts, expected, unread):
    rollout = stand(poll(batch("S", status=status), **facts), D1_D2, {})
    assert states(rollout)[1] == ("d2", *expected)
    assert rollout.unproved_expected == unread


def test_without_a_task_the_product_is_that_of_the_policy_or_of_all_batches():
    known = poll(batch("S"), versions={("p2", "d2"): NEW})
    assert stand(known, D1_D2._replace(expected_product_key="p2"), {}).succeeded == 2
    assert stand(known, D1_D2, {}).succeeded == 1


def test_without_a_task_one_of_two_targets_proves_nothing():
    batches = [batch("S", status="IN_PROGRESS"), batch(job_id="j2", dest_version="3.0.0")]
    rollout = stand(poll(*batches, versions=report(NEW, "d1", "d2")), D1_D2, {})
    assert states(rollout)[1] == ("d2", "pending", "unproved")


def test_while_one_batch_is_open_nobody_has_missed_it():
    batches = [batch("S"), batch(job_id="j2", status="IN_PROGRESS")]
    rollout = stand(poll(*batches, versions=report(OLD, "d2")), D1_D2, {})
    assert states(rollout)[1] == ("d2", "pending", "no_task")


@pytest.mark.parametrize(
    ("policy", "versions", "needed"),
    [
        pytest.param(plain(), None, [], id="without verification"),
        pytest.param(Policy(), None, ["d1", "d2"], id="of those that succeeded"),
        pytest.param(Policy(), report(NEW, "d1"), ["d1", "d2"], id="also of those that are known, as proof of a soak"),
        pytest.param(Policy(expected_devices=("d2", "d3")), None, ["d2"], id="of those that are expected"),
        pytest.param(plain(expected_devices=("d2", "d3")), None, [], id="with a task, without verification"),
        pytest.param(plain(expected_devices=("d2", "d9")), None, ["d9"], id="without a task"),
        pytest.param(Policy(expected_devices=("d9", "d2")), None, ["d2", "d9"], id="with and without, in their order"),
        pytest.param(plain(expected_devices=("d9",)), report(OLD, "d9"), [], id="without a task, and known"),
        pytest.param(plain(expected_devices=("d9",)), report(None, "d9"), [], id="without a task, known to be none"),
    ],
)
def test_versions_that_are_needed(policy, versions, needed):
    rollout = stand(poll(batch("SSFQ"), versions=versions), policy, {})
    assert rollout.versions_needed == [(PRODUCT, name) for name in needed]


def test_devices_that_possibly_succeeded():
    """One reports no version, of the other none was read, and the last is known not to be there."""
    policy = Policy(expected_devices=("d1", "d2", "d3"))
    facts = poll(batch("S", status="IN_PROGRESS"), versions={**report(None, "d1"), **report(OLD, "d3")})
    rollout = stand(facts, policy, {})
    assert states(rollout) == [
        ("d1", "pending", "unproved"),
        ("d2", "pending", "no_task"),
        ("d3", "pending", "no_task"),
    ]
    assert (rollout.unproved_expected, rollout.possibly_succeeded) == (1, 2)


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_from_numbers_alone():
    rollout = stand(poll(numbers(SUCCEEDED=90, FAILED=3, CANCELED=2, NOTIFIED=1, QUEUED=3, total=100)), plain(), {})
    assert numbers_of(rollout) == {"succeeded": 90, "failed": 5, "pending": 5, "canceled": 0}
    assert rollout.by_class == {
        "failed": {"not_read": 3, "canceled": 2},
        "pending": {"offline": 3, "moving": 1, "notified": 1},
    }
    assert (rollout.total, rollout.executed, rollout.verified) == (100, 95, 0)
    assert (rollout.all_listed, rollout.counts_are_devices) == (False, True)


def test_from_numbers_alone_without_those_that_were_canceled():
    rollout = stand(poll(numbers(SUCCEEDED=9, CANCELED=2)), plain(ignore_canceled=True), {})
    assert numbers_of(rollout) == {"succeeded": 9, "failed": 0, "pending": 0, "canceled": 2}
    assert rollout.by_class == {"failed": {}, "pending": {}}


def test_the_rows_that_were_read_say_why():
    tasks = [task("d1", "FAILED", failure_class="flash"), task("d2", "QUEUED")]
    rollout = stand(poll(batch(*tasks, counts={"FAILED": 3, "QUEUED": 1}, all_listed=False)), plain(), {})
    assert rollout.by_class["failed"] == {"not_read": 2, "flash": 1}
    assert states(rollout) == [("d1", "failed", "flash"), ("d2", "pending", "offline")]


def test_numbers_do_not_say_which_devices_they_are_about():
    rollout = stand(poll(numbers(SUCCEEDED=2)), D1_D2, {})
    assert (rollout.counts_are_devices, rollout.all_listed, rollout.total) == (False, False, 2)


def test_numbers_of_one_batch_make_all_of_it_numbers():
    rollout = stand(poll(batch("SF"), numbers(SUCCEEDED=2)._replace(job_id="j2")), plain(), {})
    assert numbers_of(rollout) == {"succeeded": 3, "failed": 1, "pending": 0, "canceled": 0}
    assert rollout.all_listed is False


def test_nothing_at_all():
    rollout = stand(poll(), plain(), {})
    assert (rollout.total, rollout.by_status, rollout.devices) == (0, ZERO, [])


def test_numbers_that_do_not_add_up_make_nothing_negative():
    rollout = stand(poll(numbers(SUCCEEDED=3, FAILED=0, total=2)), plain(), {})
    assert (numbers_of(rollout), rollout.by_class["pending"]) == (
        {"succeeded": 3, "failed": 0, "pending": 0, "canceled": 0},
        {},
    )
    content = batch(task("d1", "FAILED"), counts={"FAILED": 0, "SUCCEEDED": 1}, all_listed=False)
    assert stand(poll(content), plain(), {}).by_class["failed"] == {"other": 1}


def test_numbers_of_several_batches_are_added():
    jobs = [numbers(SUCCEEDED=5, QUEUED=1, total=7), numbers(SUCCEEDED=2, FAILED=1, total=5)._replace(job_id="j2")]
    rollout = stand(poll(*jobs), plain(), {})
    assert numbers_of(rollout) == {"succeeded": 7, "failed": 1, "pending": 4, "canceled": 0}
    assert rollout.by_class == {"failed": {"not_read": 1}, "pending": {"moving": 3, "offline": 1}}
    assert (rollout.all_listed, rollout.counts_are_devices, rollout.versions_needed) == (False, False, ())


# --- Bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "content", "expected"),
    [
        pytest.param(plain(), batch("SS"), True, id="all succeeded"),
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
    assert state.keeps_bounds(stand(poll(content), policy, {}), policy) is expected
