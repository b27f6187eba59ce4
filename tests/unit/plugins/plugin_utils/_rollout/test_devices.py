# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import TASK_STATUSES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout import state
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import (
    STALLED_AFTER,
    Device,
    device_without_task,
    task_device,
    task_fingerprint,
    unfinished_since,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import all_notified_at, positive_int
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
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

ZERO = dict.fromkeys(TASK_STATUSES, 0)
VERIFY = Policy()


def numbers_of(rollout):
    return {name: getattr(rollout, name) for name in ("succeeded", "failed", "pending", "canceled")}


def states(rollout):
    return [(entry.device_name, entry.state, entry.class_name) for entry in rollout.devices]


def stand(facts, policy, seen):
    """Where the rollout stands, once batches that are finished have been so for long."""
    return state.assess(facts, policy, seen, facts.finished)


@pytest.mark.parametrize(
    ("status", "facts", "policy", "expected"),
    [
        pytest.param("SUCCEEDED", {}, plain(), ("succeeded", None), id="succeeded"),
        pytest.param("FAILED", {"failure_class": "flash"}, plain(), ("failed", "flash"), id="failed"),
        pytest.param("FAILED", {"failure_class": None}, plain(), ("failed", "other"), id="failed for no known reason"),
        pytest.param("CANCELED", {}, plain(), ("failed", "canceled"), id="canceled"),
        pytest.param("CANCELED", {}, plain(ignore_canceled=True), ("canceled", None), id="canceled, which is ignored"),
        pytest.param("CONFIRM", {}, plain(), ("pending", "awaiting_confirmation"), id="to be confirmed"),
        pytest.param("QUEUED", {}, plain(), ("pending", "offline"), id="queued"),
        pytest.param("NOTIFIED", {}, plain(), ("pending", "notified"), id="notified"),
        pytest.param("IN_PROGRESS", {}, plain(), ("pending", "in_progress"), id="in progress"),
        pytest.param("ODD", {}, plain(), ("pending", "unknown"), id="not documented"),
        pytest.param(None, {}, plain(), ("pending", "unknown"), id="no state"),
    ],
)
def test_the_state_of_a_task(status, facts, policy, expected):
    rollout = stand(poll(batch(task("d1", status, **facts), counts={str(status): 1})), policy, {})
    (entry,) = rollout.devices
    assert (entry.state, entry.class_name) == expected


@pytest.mark.parametrize(
    ("status", "early", "late"),
    [
        pytest.param("NOTIFIED", "notified", "silent", id="notified, and silent since"),
        pytest.param("IN_PROGRESS", "in_progress", "stalled", id="begun, and stalled since"),
        pytest.param("QUEUED", "offline", "offline", id="queued, which may last"),
        pytest.param("CONFIRM", "awaiting_confirmation", "awaiting_confirmation", id="people take their time"),
    ],
)
def test_a_task_that_does_not_move(status, early, late):
    modified = format_time(NOW - STALLED_AFTER)
    content = batch(task("d1", status, utc_modified=modified), status="IN_PROGRESS")
    (before,) = stand(poll(content, now=NOW - 1), plain(), {}).devices
    (after,) = stand(poll(content), plain(), {}).devices
    assert [before.class_name, after.class_name] == [early, late]
    assert (after.since, after.idle_seconds) == (NOW - STALLED_AFTER, STALLED_AFTER)


def test_idle_since_it_was_seen_to_move():
    """The service's own time may not change with each progress, so that what was seen counts after the first poll."""
    first = task("d1", "IN_PROGRESS", progress="10", utc_modified=format_time(NOW - 500))
    seen = unfinished_since(poll(batch(first)), {})
    assert seen == {"t-d1": ["IN_PROGRESS 10", NOW - 500]}
    assert unfinished_since(poll(batch(first), now=NOW + 60), seen) == seen
    moved = poll(batch({**first, "progress": "11"}), now=NOW + 60)
    assert unfinished_since(moved, seen) == {"t-d1": ["IN_PROGRESS 11", NOW + 60]}


def test_only_unfinished_tasks_are_remembered():
    assert list(unfinished_since(poll(batch("SFCQNIA")), {})) == ["t-d4", "t-d5", "t-d6", "t-d7"]


def test_a_time_of_the_service_that_lies_ahead_is_not_believed():
    (entry,) = stand(poll(batch(task("d1", "NOTIFIED", utc_modified=format_time(NOW + 999)))), plain(), {}).devices
    assert (entry.since, entry.idle_seconds) == (NOW, 0)


def test_a_task_without_an_id_is_known_by_its_device():
    assert task_fingerprint({"task_id": None, "job_id": "j1", "product_key": "p", "device_name": "d"})[0] == "j1 p d"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"status": "PLANNED"}, "planned", id="the batch is planned"),
        pytest.param({"utc_schedule_time": format_time(NOW + 1)}, "planned", id="for later"),
        pytest.param({"utc_schedule_time": format_time(NOW)}, "offline", id="for now"),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": format_time(NOW - 599)},
            "rate_limited",
            id="100 at 10 a minute",
        ),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": format_time(NOW - 600)}, "offline", id="its turn is over"
        ),
        pytest.param({"maximum_per_minute": 0, "utc_start_time": format_time(NOW)}, "offline", id="no rate"),
        pytest.param(
            {"maximum_per_minute": "x", "utc_start_time": format_time(NOW)}, "offline", id="a rate that is none"
        ),
        pytest.param({"maximum_per_minute": 10}, "offline", id="a rate, but no start"),
    ],
)
def test_why_a_task_is_queued(facts, expected):
    content = batch(task("d1", "QUEUED"), counts={"QUEUED": 100}, **{"status": "IN_PROGRESS", **facts})
    (entry,) = stand(poll(content), plain(), {}).devices
    assert entry.class_name == expected
    assert list(stand(poll(content._replace(all_listed=False)), plain(), {}).by_class["pending"]) == [expected]


def test_when_all_devices_are_notified():
    content = batch("Q", total=100, counts={}, maximum_per_minute=20, utc_start_time=format_time(NOW))
    assert all_notified_at(content) == NOW + 300


def test_when_all_will_have_been_told_is_not_known_of_an_unknown_batch():
    assert all_notified_at(batch("Q", known=False)) is None
    assert stand(poll(batch("Q", known=False)), plain(), {}).by_class["pending"] == {"offline": 1}


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1), (10**9, 10**9), (10**9 + 1, 10**9), (0, 0), (-1, 0), ("5", 0), (2.0, 0), (None, 0)],
)
def test_positive_int_is_capped(value, number):
    """Beyond any date there is only an error."""
    assert positive_int(value) == number


# --- One device ------------------------------------------------------------------------------------------------------


def test_key_of_a_device():
    assert Device("p", "d", "failed", "other").key == ("p", "d")
    assert Device(None, None, "failed", "other").key == ("", "")


@pytest.mark.parametrize(
    ("state_name", "class_name", "expected"),
    [
        ("failed", "other", True),
        ("failed", "superseded", True),
        ("failed", "no_task", True),
        ("pending", "no_task", True),
        ("failed", "flash", False),
        ("failed", "busy", False),
        ("pending", "other", False),
        ("pending", "offline", False),
        ("succeeded", None, False),
    ],
)
def test_devices_that_another_batch_may_keep_busy(state_name, class_name, expected):
    assert Device("p", "d", state_name, class_name).may_be_busy is expected


def test_device_with_a_task_as_it_is_returned():
    content = task("d1", "IN_PROGRESS", progress="40", progress_percent=40.0, utc_modified=format_time(NOW - 30))
    device = task_device(content, batch("Q"), poll(), plain(), {})
    assert device.to_result() == {
        "product_key": PRODUCT,
        "device_name": "d1",
        "job_id": "j1",
        "state": "pending",
        "class": "in_progress",
        "task_status": "IN_PROGRESS",
        "progress_percent": 40.0,
        "version": None,
        "detail": None,
        "busy_with": None,
        "since": "2026-03-01T09:59:30Z",
        "idle_seconds": 30.0,
    }


def test_device_without_a_task_as_it_is_returned():
    assert Device(PRODUCT, "d2", "pending", "no_task").to_result() == {
        "product_key": PRODUCT,
        "device_name": "d2",
        "job_id": None,
        "state": "pending",
        "class": "no_task",
        "task_status": None,
        "progress_percent": None,
        "version": None,
        "detail": None,
        "busy_with": None,
        "since": None,
        "idle_seconds": None,
    }


def test_idle_seconds_are_rounded():
    content = task("d1", "NOTIFIED", utc_modified=format_time(NOW))
    assert task_device(content, batch("Q"), poll(now=NOW + 7.26), plain(), {}).idle_seconds == 7.3


def test_texts_of_an_undocumented_type_are_made_text():
    content = task(7, "FAILED", task_id=9, task_desc=5, product_key=3)
    device = task_device(content, batch("F"), poll(), plain(), {})
    assert (device.device_name, device.task_id, device.detail, device.product_key) == ("7", "9", "5", "3")


def test_product_of_a_task_is_that_of_its_batch_only_without_one_of_its_own():
    products = [
        task_device(task("d1", product_key=key), batch(), poll(), plain(), {}).product_key for key in ("p2", "")
    ]
    assert products == ["p2", PRODUCT]


def test_task_of_an_unknown_batch_has_no_product_of_its_own():
    content = task("d1", product_key=None)
    assert task_device(content, batch(known=False), poll(), plain(), {}).product_key is None


@pytest.mark.parametrize(
    ("content", "versions", "policy", "expected"),
    [
        pytest.param(
            task("d1"), report(OLD, "d1"), plain(), ("succeeded", None, None), id="versions that prove nothing"
        ),
        pytest.param(
            task("d1"), report("", "d1"), VERIFY, ("pending", "unproved", None), id="not known to the service"
        ),
        pytest.param(task("d1"), {}, VERIFY, ("pending", "unproved", None), id="not among those that were read"),
        pytest.param(task("d1"), report(OLD, "d1"), VERIFY, ("failed", "wrong_version", OLD), id="another version"),
        pytest.param(task("d1"), report(NEW, "d1"), VERIFY, ("succeeded", None, NEW), id="the new version"),
        pytest.param(task("d1", "FAILED"), report(NEW, "d1"), VERIFY, ("failed", "other", None), id="a failed task"),
        pytest.param(task("d1", "QUEUED"), report(OLD, "d1"), VERIFY, ("pending", "offline", None), id="an open task"),
    ],
)
def test_version_decides_on_a_task_that_succeeded(content, versions, policy, expected):
    device = task_device(content, batch("S"), poll(versions=versions), policy, {})
    assert (device.state, device.class_name, device.version) == expected


def test_failure_of_a_device_that_another_batch_has_is_that_it_was_busy():
    busy = {(PRODUCT, "d1"): "j9"}
    for content, versions in ((task("d1", "FAILED"), None), (task("d1"), report(OLD, "d1"))):
        device = task_device(content, batch("S"), poll(versions=versions, busy=busy), VERIFY, {})
        assert (device.state, device.class_name, device.busy_with) == ("failed", "busy", "j9")


@pytest.mark.parametrize(
    ("version", "no_more_tasks", "expected"),
    [
        (OLD, True, ("failed", "no_task", OLD)),
        (OLD, False, ("pending", "no_task", OLD)),
        (NEW, True, ("succeeded", "already_on_target", NEW)),
        (NEW, False, ("succeeded", "already_on_target", NEW)),
        ("", True, ("failed", "no_task", None)),
        ("", False, ("pending", "no_task", None)),
        (None, True, ("pending", "unproved", None)),
        (None, False, ("pending", "unproved", None)),
    ],
)
def test_version_decides_on_a_device_without_a_task(version, no_more_tasks, expected):
    device = device_without_task("d2", poll(batch("S"), versions=report(version, "d2")), plain(), no_more_tasks)
    assert (device.product_key, device.device_name) == (PRODUCT, "d2")
    assert (device.state, device.class_name, device.version) == expected


@pytest.mark.parametrize(("no_more_tasks", "state_name"), [(True, "failed"), (False, "pending")])
def test_device_without_a_task_that_another_batch_has_is_busy(no_more_tasks, state_name):
    facts = poll(batch("S"), versions=report(OLD, "d2"), busy={(PRODUCT, "d2"): "j9"})
    device = device_without_task("d2", facts, plain(), no_more_tasks)
    assert device == Device(PRODUCT, "d2", state_name, "busy", version=OLD, busy_with="j9")


@pytest.mark.parametrize(
    ("jobs", "expected_product", "product"),
    [
        pytest.param([batch()], None, PRODUCT, id="of the batch"),
        pytest.param([batch()], "p9", "p9", id="of the policy"),
        pytest.param([batch(), batch(job_id="j2")], None, PRODUCT, id="of both batches"),
        pytest.param([batch(), batch(job_id="j2", product_key=None)], None, PRODUCT, id="of one, the other tells none"),
        pytest.param([batch(), batch(job_id="j2", known=False)], None, PRODUCT, id="of one, the other is unknown"),
        pytest.param([batch(), batch(job_id="j2", product_key="p2")], None, None, id="one of two"),
        pytest.param([], None, None, id="of no batch"),
    ],
)
def test_product_of_a_device_without_a_task(jobs, expected_product, product):
    policy = plain(expected_product_key=expected_product)
    assert device_without_task("d2", poll(*jobs), policy, False) == Device(product, "d2", "pending", "no_task")


def test_target_that_no_batch_tells_proves_nothing():
    known = poll(batch(dest_version=None), versions=report(NEW, "d2"))
    device = device_without_task("d2", known, plain(), True)
    assert (device.state, device.class_name) == ("pending", "unproved")


# --- Changes ---------------------------------------------------------------------------------------------------------


def test_clock_that_was_set_back_makes_no_task_change_in_the_future():
    moving = task("d1", "NOTIFIED")
    changes = {"t-d1": ["NOTIFIED None", NOW + 99]}
    assert unfinished_since(poll(batch(moving)), changes) == {"t-d1": ["NOTIFIED None", NOW]}


def test_task_without_a_time_of_change_is_idle_since_it_was_first_seen():
    device = task_device(task("d1", "NOTIFIED", utc_modified="tomorrow"), batch("Q"), poll(), plain(), {})
    assert (device.since, device.idle_seconds) == (NOW, 0)


def test_task_changes_by_its_status_and_its_progress():
    one = task("d1", "NOTIFIED", progress="0")
    assert task_fingerprint(one) == ("t-d1", "NOTIFIED 0")
    assert task_fingerprint({**one, "task_id": 9, "progress": None}) == ("9", "NOTIFIED None")
