# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import state
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.snapshot import doubts, moment, pushed_by, utc
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.state import STALLED_AFTER, mark_of, still_seen
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NEW,
    NOW,
    OLD,
    PRODUCT,
    batch,
    look,
    numbers,
    plain,
    report,
    task,
)

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def numbers_of(standing):
    return {name: getattr(standing, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(standing):
    return [(entry["device_name"], entry["state"], entry["class"]) for entry in standing.entries]


def stand(facts, policy, seen):
    """Where the rollout stands, once batches that are finished have been so for long."""
    return state.stand(facts, policy, seen, facts.finished)


# --- One task --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "facts", "policy", "expected"),
    [
        pytest.param("SUCCEEDED", {}, plain(), ("succeeded", None), id="succeeded"),
        pytest.param("FAILED", {"failure_class": "flash"}, plain(), ("failed", "flash"), id="failed"),
        pytest.param("FAILED", {"failure_class": None}, plain(), ("failed", "other"), id="failed for no known reason"),
        pytest.param("CANCELED", {}, plain(), ("failed", "canceled"), id="canceled"),
        pytest.param("CANCELED", {}, plain(accept_canceled=True), ("canceled", None), id="canceled, which is accepted"),
        pytest.param("CONFIRM", {}, plain(), ("pending", "awaiting_confirmation"), id="to be confirmed"),
        pytest.param("QUEUED", {}, plain(), ("pending", "offline"), id="queued"),
        pytest.param("NOTIFIED", {}, plain(), ("pending", "notified"), id="notified"),
        pytest.param("IN_PROGRESS", {}, plain(), ("pending", "in_progress"), id="in progress"),
        pytest.param("ODD", {}, plain(), ("pending", "unknown"), id="not documented"),
        pytest.param(None, {}, plain(), ("pending", "unknown"), id="no state"),
    ],
)
def test_the_state_of_a_task(status, facts, policy, expected):
    standing = stand(look(batch(task("d1", status, **facts), counts={str(status): 1})), policy, {})
    (entry,) = standing.entries
    assert (entry["state"], entry["class"]) == expected


@pytest.mark.parametrize(
    ("status", "early", "late"),
    [
        pytest.param("NOTIFIED", "notified", "silent", id="told, and silent since"),
        pytest.param("IN_PROGRESS", "in_progress", "stalled", id="begun, and stalled since"),
        pytest.param("QUEUED", "offline", "offline", id="queued, which may last"),
        pytest.param("CONFIRM", "awaiting_confirmation", "awaiting_confirmation", id="people take their time"),
    ],
)
def test_a_task_that_does_not_move(status, early, late):
    modified = utc(NOW - STALLED_AFTER)
    content = batch(task("d1", status, utc_modified=modified), status="IN_PROGRESS")
    (before,) = stand(look(content, now=NOW - 1), plain(), {}).entries
    (after,) = stand(look(content), plain(), {}).entries
    assert [before["class"], after["class"]] == [early, late]
    assert (after["since"], after["idle_seconds"]) == (NOW - STALLED_AFTER, STALLED_AFTER)


def test_idle_since_it_was_seen_to_move():
    """The service's own time may not change with each progress, so that what was seen counts after the first look."""
    first = task("d1", "IN_PROGRESS", progress="10", utc_modified=utc(NOW - 500))
    seen = still_seen(look(batch(first)), {})
    assert seen == {"t-d1": ["IN_PROGRESS 10", NOW - 500]}
    assert still_seen(look(batch(first), now=NOW + 60), seen) == seen
    moved = look(batch({**first, "progress": "11"}), now=NOW + 60)
    assert still_seen(moved, seen) == {"t-d1": ["IN_PROGRESS 11", NOW + 60]}


def test_only_unfinished_tasks_are_remembered():
    assert list(still_seen(look(batch("SFCQNIA")), {})) == ["t-d4", "t-d5", "t-d6", "t-d7"]


def test_a_time_of_the_service_that_lies_ahead_is_not_believed():
    (entry,) = stand(look(batch(task("d1", "NOTIFIED", utc_modified=utc(NOW + 999)))), plain(), {}).entries
    assert (entry["since"], entry["idle_seconds"]) == (NOW, 0)


def test_a_task_without_an_id_is_known_by_its_device():
    assert mark_of({"task_id": None, "job_id": "j1", "product_key": "p", "device_name": "d"})[0] == "j1 p d"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"status": "PLANNED"}, "planned", id="the batch is planned"),
        pytest.param({"utc_schedule_time": utc(NOW + 1)}, "planned", id="for later"),
        pytest.param({"utc_schedule_time": utc(NOW)}, "offline", id="for now"),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": utc(NOW - 599)}, "rate_limited", id="100 at 10 a minute"
        ),
        pytest.param({"maximum_per_minute": 10, "utc_start_time": utc(NOW - 600)}, "offline", id="its turn is over"),
        pytest.param({"maximum_per_minute": 0, "utc_start_time": utc(NOW)}, "offline", id="no rate"),
        pytest.param({"maximum_per_minute": "x", "utc_start_time": utc(NOW)}, "offline", id="a rate that is none"),
        pytest.param({"maximum_per_minute": 10}, "offline", id="a rate, but no start"),
    ],
)
def test_why_a_task_is_queued(facts, expected):
    content = batch(task("d1", "QUEUED"), counts={"QUEUED": 100}, **{"status": "IN_PROGRESS", **facts})
    (entry,) = stand(look(content), plain(), {}).entries
    assert entry["class"] == expected
    assert list(stand(look(content._replace(whole=False)), plain(), {}).classes["pending"]) == [expected]


def test_when_all_will_have_been_told():
    content = batch("Q", total=100, counts={}, maximum_per_minute=20, utc_start_time=utc(NOW))
    assert pushed_by(content) == NOW + 300


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
    policy = plain(accept_canceled=True)
    for one, other in ((first, second), (second, first)):
        batches = [batch(task("d1", one, task_id="t1")), batch(task("d1", other, task_id="t2"), job_id="j2")]
        standing = stand(look(*batches), policy, {})
        assert [entry["state"] for entry in standing.entries] == [expected]
        assert standing.total == 1
        assert sum(standing.by_status.values()) == 2


def test_the_same_name_in_two_products_is_two_devices():
    batches = [batch("S"), batch(task("d1", "FAILED", product_key="p2"), job_id="j2", product_key="p2")]
    assert numbers_of(stand(look(*batches), plain(), {})) == {"succeeded": 1, "failed": 1, "pending": 0, "canceled": 0}


def test_the_product_of_a_task_is_that_of_its_batch():
    (entry,) = stand(look(batch(task("d1", product_key=None))), plain(), {}).entries
    assert entry["product_key"] == PRODUCT


def test_devices_stand_in_the_order_of_their_names():
    standing = stand(look(batch(task("d2"), task("d10"), task("d1"))), plain(), {})
    assert [entry["device_name"] for entry in standing.entries] == ["d1", "d10", "d2"]


def test_tasks_without_a_device_stand_in_the_order_of_their_ids():
    """Otherwise the order of pages would show."""
    tasks = [task("d1", device_name=None, task_id=f"t{number}") for number in (2, 1)]
    assert [entry["task_id"] for entry in stand(look(batch(*tasks)), plain(), {}).entries] == ["t1", "t2"]


def test_tasks_without_a_device_and_an_id_all_count():
    """They cannot be told apart, but each is one."""
    tasks = [task("d1", "FAILED", device_name=None, task_id=None) for _number in range(3)]
    assert stand(look(batch(*tasks)), plain(), {}).failed == 3


def test_classes_are_sorted_by_number_and_name():
    tasks = [task(f"d{number}", "FAILED", failure_class=name) for number, name in enumerate("bacb")]
    assert list(stand(look(batch(*tasks)), plain(), {}).classes["failed"].items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_a_device_that_failed_and_is_busy_elsewhere():
    facts = look(batch("FSQ"), busy={(PRODUCT, "d1"): "j9", (PRODUCT, "d2"): "j9"})
    failed, *others = stand(facts, plain(), {}).entries
    assert (failed["class"], failed["busy_with"]) == ("busy", "j9")
    assert [entry["busy_with"] for entry in others] == [None, None]


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
    standing = stand(look(batch("S"), versions=versions), Policy(), {})
    (entry,) = standing.entries
    assert (entry["state"], entry["class"]) == state
    assert standing.verified == verified


def test_the_version_of_another_products_device_proves_nothing():
    assert stand(look(batch("S"), versions={("p2", "d1"): NEW}), Policy(), {}).verified == 0


@pytest.mark.parametrize("letter", ["F", "C", "Q"])
def test_the_version_does_not_mend_what_did_not_succeed(letter):
    before = stand(look(batch(letter)), Policy(), {})
    after = stand(look(batch(letter), versions=report(NEW, "d1")), Policy(), {})
    assert numbers_of(after) == numbers_of(before)


def test_each_batch_has_its_own_version():
    batches = [batch("S"), batch(task("d2"), job_id="j2", dest_version="3.0.0")]
    versions = {**report(NEW, "d1"), **report("3.0.0", "d2")}
    assert stand(look(*batches, versions=versions), Policy(), {}).verified == 2


# --- Expected devices ------------------------------------------------------------------------------------------------

D1_D2 = plain(expected_devices=("d2", "d1"))


def test_what_was_not_expected_does_not_count():
    standing = stand(look(batch(task("d1"), task("d2"), task("d3", "FAILED"))), D1_D2, {})
    assert states(standing) == [("d1", "succeeded", None), ("d2", "succeeded", None)]
    assert standing.by_status == {**ZERO, "SUCCEEDED": 2, "FAILED": 1}


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
    standing = stand(look(batch("S", status=status), **facts), D1_D2, {})
    assert states(standing)[1] == ("d2", *expected)
    assert standing.unread == unread


def test_without_a_task_the_product_is_that_of_the_policy_or_of_all_batches():
    known = look(batch("S"), versions={("p2", "d2"): NEW})
    assert stand(known, D1_D2._replace(product_key="p2"), {}).succeeded == 2
    assert stand(known, D1_D2, {}).succeeded == 1


def test_without_a_task_one_of_two_targets_proves_nothing():
    batches = [batch("S", status="IN_PROGRESS"), batch(job_id="j2", dest_version="3.0.0")]
    standing = stand(look(*batches, versions=report(NEW, "d1", "d2")), D1_D2, {})
    assert states(standing)[1] == ("d2", "pending", "unproved")


def test_while_one_batch_is_open_nobody_has_missed_it():
    batches = [batch("S"), batch(job_id="j2", status="IN_PROGRESS")]
    standing = stand(look(*batches, versions=report(OLD, "d2")), D1_D2, {})
    assert states(standing)[1] == ("d2", "pending", "no_task")


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_from_numbers_alone():
    standing = stand(look(numbers(SUCCEEDED=90, FAILED=3, CANCELED=2, NOTIFIED=1, QUEUED=3, total=100)), plain(), {})
    assert numbers_of(standing) == {"succeeded": 90, "failed": 5, "pending": 5, "canceled": 0}
    assert standing.classes == {
        "failed": {"not_read": 3, "canceled": 2},
        "pending": {"offline": 3, "moving": 1, "notified": 1},
    }
    assert (standing.total, standing.executed, standing.verified) == (100, 95, 0)
    assert (standing.whole, standing.exact) == (False, True)


def test_from_numbers_alone_without_those_that_were_canceled():
    standing = stand(look(numbers(SUCCEEDED=9, CANCELED=2)), plain(accept_canceled=True), {})
    assert numbers_of(standing) == {"succeeded": 9, "failed": 0, "pending": 0, "canceled": 2}
    assert standing.classes == {"failed": {}, "pending": {}}


def test_the_rows_that_were_read_tell_why():
    tasks = [task("d1", "FAILED", failure_class="flash"), task("d2", "QUEUED")]
    standing = stand(look(batch(*tasks, counts={"FAILED": 3, "QUEUED": 1}, whole=False)), plain(), {})
    assert standing.classes["failed"] == {"not_read": 2, "flash": 1}
    assert states(standing) == [("d1", "failed", "flash"), ("d2", "pending", "offline")]


def test_numbers_do_not_tell_which_devices_they_are_about():
    standing = stand(look(numbers(SUCCEEDED=2)), D1_D2, {})
    assert (standing.exact, standing.whole, standing.total) == (False, False, 2)


def test_numbers_of_one_batch_make_all_of_it_numbers():
    standing = stand(look(batch("SF"), numbers(SUCCEEDED=2)._replace(job_id="j2")), plain(), {})
    assert numbers_of(standing) == {"succeeded": 3, "failed": 1, "pending": 0, "canceled": 0}
    assert standing.whole is False


def test_nothing_at_all():
    standing = stand(look(), plain(), {})
    assert (standing.total, standing.by_status, standing.entries) == (0, ZERO, [])


# --- Doubt -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "policy", "expected"),
    [
        pytest.param(batch("SFCQNIA", status="IN_PROGRESS"), Policy(), [], id="none"),
        pytest.param(batch(known=False), Policy(dest_version=NEW), [], id="an unknown batch is another matter"),
        pytest.param(
            batch(counts={"ODD": 1}, whole=False),
            Policy(),
            ["a task of batch j1 is in the state ODD, which is not documented"],
            id="a state of a task",
        ),
        pytest.param(batch(counts={"ODD": 0}), Policy(), [], id="a state that no task is in"),
        pytest.param(
            batch("SS", total=1), Policy(), ["batch j1 has 1 tasks and more in its states"], id="more than there are"
        ),
        pytest.param(
            batch(status="ODD"),
            Policy(),
            ["batch j1 is in the state ODD, which is not documented"],
            id="a state of a batch",
        ),
        pytest.param(
            batch(status=None),
            Policy(),
            ["batch j1 tells no state"],
            id="no state of a batch",
        ),
        pytest.param(
            batch(firmware_id=None),
            Policy(firmware_id="f1"),
            ["batch j1 does not tell its firmware_id, so that it may be another than was meant"],
            id="what it should be is not told",
        ),
        pytest.param(
            batch(dest_version=None),
            Policy(),
            ["batch j1 does not tell its dest_version, so that no version can be verified"],
            id="no version to verify",
        ),
        pytest.param(batch(dest_version=None), plain(), [], id="no version, and none to verify"),
    ],
)
def test_doubts(content, policy, expected):
    assert list(doubts(look(content), policy)) == expected


# --- Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T10:00:00.000Z", NOW, id="as documented"),
        pytest.param("2026-03-01T10:00:00Z", NOW, id="without fractions"),
        pytest.param("2026-03-01T10:00:00. 500Z", NOW + 0.5, id="with a stray blank"),
        pytest.param("2026-03-01T11:00:00+01:00", NOW, id="of another zone"),
        pytest.param("2026-03-01T10:00:00", NOW, id="without a zone it is UTC"),
        pytest.param("", None, id="blank"),
        pytest.param("tomorrow", None, id="words"),
        pytest.param(None, None, id="none"),
        pytest.param(1_772_359_200, None, id="a number"),
    ],
)
def test_moments(text, expected):
    assert moment(text) == expected


def test_a_time_as_text():
    assert utc(NOW + 0.9) == "2026-03-01T10:00:00Z"
