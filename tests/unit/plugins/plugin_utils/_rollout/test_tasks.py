# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.batches import Relation
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import Device
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.tasks import (
    by_last_stage,
    job_devices,
    listed_tasks,
    missing_tasks,
    proofs,
    rollout_devices,
    sort_key,
    with_all_sources,
    worst_device,
)
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

EARLY, LATE = format_time(NOW - 200), format_time(NOW - 100)
VERIFY = Policy()
D1 = (PRODUCT, "d1", "")


def devices_of(*jobs, policy=None, memory=None, **facts):
    """The devices of the only batch, or of each."""
    found = job_devices(poll(*jobs, **facts), policy or plain(), memory or Memory())
    return found if len(jobs) > 1 else found[jobs[0].job_id]


def told(devices):
    """What is told of devices in few words."""
    return {identity: (device.state, device.class_name, device.task_id) for identity, device in devices.items()}


# --- The latest task -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "decides"),
    [
        pytest.param({"utc_create": EARLY}, {"utc_create": LATE}, "t2", id="the one that was created later"),
        pytest.param(
            {"utc_create": LATE, "utc_modified": EARLY},
            {"utc_create": EARLY, "utc_modified": LATE},
            "t1",
            id="creation comes before change",
        ),
        pytest.param(
            {"utc_create": EARLY, "utc_modified": EARLY},
            {"utc_create": EARLY, "utc_modified": LATE},
            "t2",
            id="created together, the one that changed later",
        ),
        pytest.param({"utc_create": EARLY}, {"utc_create": EARLY}, "t1", id="created together, the worst"),
        pytest.param(
            {"utc_create": EARLY},
            {"utc_create": EARLY, "utc_modified": LATE},
            "t1",
            id="created together, one change is not told",
        ),
        pytest.param(
            {"utc_create": LATE, "utc_modified": LATE},
            {"utc_create": LATE, "utc_modified": LATE},
            "t1",
            id="equal times, the worst",
        ),
        pytest.param({}, {"utc_create": LATE}, "t1", id="one creation is not told, the worst"),
        pytest.param({"utc_create": "yesterday"}, {"utc_create": LATE}, "t1", id="a time that is none, the worst"),
    ],
)
def test_latest_task_of_a_batch_decides(first, second, decides):
    """The first one is the worse of both."""
    tasks = [task("d1", "FAILED", task_id="t1", **first), task("d1", "SUCCEEDED", task_id="t2", **second)]
    for rows in (tasks, tasks[::-1]):
        (device,) = devices_of(batch(*rows)).values()
        assert device.task_id == decides


def test_all_of_several_latest_tasks_are_compared():
    tasks = [
        task("d1", "QUEUED", task_id="t0", utc_create=EARLY, utc_modified=LATE),
        task("d1", "FAILED", task_id="t1", utc_create=LATE, utc_modified=EARLY),
        task("d1", "QUEUED", task_id="t2", utc_create=LATE, utc_modified=LATE),
        task("d1", "SUCCEEDED", task_id="t3", utc_create=LATE, utc_modified=LATE),
    ]
    assert told(devices_of(batch(*tasks))) == {D1: ("pending", "offline", "t2")}


def test_task_of_the_first_second_is_the_earlier_one():
    tasks = [
        task("d1", "FAILED", task_id="t1", utc_create="1970-01-01T00:00:00Z"),
        task("d1", task_id="t2", utc_create="1970-01-01T00:00:01Z"),
    ]
    assert told(devices_of(batch(*tasks))) == {D1: ("succeeded", None, "t2")}


def test_retried_attempt_decides_before_its_version_is_known():
    tasks = [task("d1", "FAILED", task_id="t1", utc_create=EARLY), task("d1", task_id="t2", utc_create=LATE)]
    (device,) = devices_of(batch(*tasks), policy=VERIFY, versions=report(NEW, "d1")).values()
    assert (device.state, device.verified) == ("succeeded", True)


# --- Which devices ---------------------------------------------------------------------------------------------------


def test_devices_are_told_apart_by_product_and_name():
    tasks = [task("d1"), task("d2"), task("d1", product_key="p2"), task("d2", product_key=None, task_id="t4")]
    assert list(devices_of(batch(*tasks))) == [D1, (PRODUCT, "d2", ""), ("p2", "d1", "")]


def test_tasks_without_a_device_count_by_their_ids():
    tasks = [task("d1", device_name=None, task_id=name) for name in ("t1", "t1", "t2")]
    assert list(devices_of(batch(*tasks))) == [(PRODUCT, "\tt1", ""), (PRODUCT, "\tt2", "")]


def test_tasks_without_a_device_and_an_id_all_count():
    """They cannot be distinguished, but each is one."""
    tasks = [task("d1", "FAILED", device_name="", task_id=None) for _number in range(3)]
    found = devices_of(batch(*tasks), batch(*tasks, job_id="j2"))
    assert [device.state for device in rollout_devices(found.values()).values()] == ["failed"] * 6


def test_each_batch_has_its_own_devices():
    assert {
        job_id: told(devices)
        for job_id, devices in devices_of(batch("SF"), batch(task("d1", "QUEUED"), job_id="j2")).items()
    } == {
        "j1": {D1: ("succeeded", None, "t-d1"), (PRODUCT, "d2", ""): ("failed", "other", "t-d2")},
        "j2": {D1: ("pending", "offline", "t-d1")},
    }


def test_batch_without_a_task_has_no_device():
    assert devices_of(batch()) == {}


# --- Replaced devices ------------------------------------------------------------------------------------------------

GONE = "another device has its name now, last seen "


def test_device_that_was_replaced_vanished():
    tasks = [
        task("d1", "FAILED", task_id="t1", iot_id="i1", utc_create=EARLY),
        task("d1", task_id="t2", iot_id="i2", utc_create=LATE),
    ]
    for rows in (tasks, tasks[::-1]):
        devices = devices_of(batch(*rows))
        assert told(devices) == {
            D1: ("succeeded", None, "t2"),
            (PRODUCT, "d1", "i1"): ("pending", "vanished", "t1"),
        }
        assert devices[PRODUCT, "d1", "i1"].detail == f"{GONE}FAILED"


def test_device_that_was_replaced_between_two_batches_vanished():
    jobs = [
        batch(task("d1", iot_id="i1", utc_create=EARLY)),
        batch(task("d1", "QUEUED", iot_id="i2", utc_create=LATE), job_id="j2"),
    ]
    for order in (jobs, jobs[::-1]):
        found = devices_of(*order)
        assert told(found["j1"]) == {(PRODUCT, "d1", "i1"): ("pending", "vanished", "t-d1")}
        assert told(found["j2"]) == {D1: ("pending", "offline", "t-d1")}


def test_device_that_was_replaced_twice_is_three_devices():
    tasks = [
        task("d1", iot_id=f"i{number}", task_id=f"t{number}", utc_create=format_time(NOW - number))
        for number in (2, 0, 1)
    ]
    assert [identity[2] for identity in devices_of(batch(*tasks))] == ["i2", "", "i1"]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([("i1", EARLY), ("i1", LATE)], id="the same IotId"),
        pytest.param([("i1", EARLY), (None, LATE)], id="one IotId is not told"),
        pytest.param([("i1", None), ("i2", None)], id="no creation is told"),
        pytest.param([("i1", EARLY), ("i2", None)], id="one creation is not told"),
        pytest.param([("i1", None), ("i2", LATE)], id="the other creation is not told"),
    ],
)
def test_device_was_not_replaced_for_all_that_is_known(rows):
    tasks = [
        task("d1", task_id=f"t{number}", iot_id=iot_id, utc_create=created)
        for number, (iot_id, created) in enumerate(rows)
    ]
    for order in (tasks, tasks[::-1]):
        assert list(devices_of(batch(*order))) == [D1]


def test_task_of_the_first_second_tells_which_device_was_replaced():
    created = ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"]
    tasks = [
        task("d1", task_id=f"t{number}", iot_id=f"i{number}", utc_create=text) for number, text in enumerate(created)
    ]
    assert list(devices_of(batch(*tasks))) == [(PRODUCT, "d1", "i0"), D1]


def test_tasks_without_a_device_replace_nothing():
    tasks = [
        task("d1", device_name="", task_id=f"t{number}", iot_id=f"i{number}", utc_create=text)
        for number, text in enumerate((EARLY, LATE))
    ]
    assert list(devices_of(batch(*tasks))) == [(PRODUCT, "\tt0", ""), (PRODUCT, "\tt1", "")]


@pytest.mark.parametrize("created", [format_time(NOW - 300), format_time(NOW), None])
def test_task_that_tells_no_iot_id_does_not_tell_who_was_replaced(created):
    tasks = [
        task("d1", task_id="t0", utc_create=created),
        task("d1", task_id="t1", iot_id="i1", utc_create=EARLY),
        task("d1", task_id="t2", iot_id="i2", utc_create=LATE),
    ]
    for rows in (tasks, tasks[::-1]):
        assert sorted(devices_of(batch(*rows))) == [D1, (PRODUCT, "d1", "i1")]


def test_other_devices_are_not_replaced_with_one():
    tasks = [
        task("d2", iot_id="i9", utc_create=EARLY),
        task("d1", task_id="t1", iot_id="i1", utc_create=EARLY),
        task("d1", task_id="t2", iot_id="i2", utc_create=LATE),
        task("d3", iot_id="i8"),
    ]
    assert list(devices_of(batch(*tasks))) == [(PRODUCT, "d2", ""), (PRODUCT, "d1", "i1"), D1, (PRODUCT, "d3", "")]


def test_odd_iot_ids_are_compared_as_text():
    tasks = [
        task("d1", task_id="t1", iot_id=7, utc_create=EARLY),
        task("d1", task_id="t2", iot_id="7", utc_create=LATE),
    ]
    assert told(devices_of(batch(*tasks))) == {D1: ("succeeded", None, "t2")}


# --- Vanished devices ------------------------------------------------------------------------------------------------


def remembering(**tasks):
    """What earlier polls have listed in the first batch: product, name, state, IotId and creation by task."""
    return Memory(tasks={"j1": {task_id: list(kept) for task_id, kept in tasks.items()}})


def test_device_whose_task_is_gone_vanished():
    memory = remembering(t1=(PRODUCT, "d1", "SUCCEEDED", "", ""), t2=(PRODUCT, "d2", "QUEUED", "i2", ""))
    devices = devices_of(batch(task("d1", task_id="t1")), memory=memory)
    assert list(devices) == [D1, (PRODUCT, "d2", "")]
    assert devices[PRODUCT, "d2", ""] == Device(
        PRODUCT,
        "d2",
        "pending",
        "vanished",
        job_id="j1",
        task_id="t2",
        task_status="QUEUED",
        detail="its task is gone, last seen QUEUED",
        iot_id="i2",
    )


def test_device_whose_task_is_gone_may_have_no_product_and_no_name():
    (device,) = devices_of(batch(), memory=remembering(t1=("", "", "FAILED", "", ""))).items()
    assert device == (
        ("", "\tt1", ""),
        Device(
            None,
            None,
            "pending",
            "vanished",
            job_id="j1",
            task_id="t1",
            task_status="FAILED",
            detail="its task is gone, last seen FAILED",
        ),
    )


@pytest.mark.parametrize(
    ("status", "policy", "expected"),
    [
        ("CANCELED", plain(), "vanished"),
        ("CANCELED", plain(ignore_canceled=True), None),
        ("FAILED", plain(ignore_canceled=True), "vanished"),
    ],
)
def test_device_whose_canceled_task_is_gone_counts_as_long_as_canceled_ones_do(status, policy, expected):
    memory = remembering(t1=(PRODUCT, "d1", status, "", ""))
    (device,) = devices_of(batch(), policy=policy, memory=memory).values()
    assert (device.state, device.class_name) == ("pending" if expected else "canceled", expected)


@pytest.mark.parametrize("rest", [(), (("d1", "SUCCEEDED", "i1", EARLY),)])
def test_device_whose_task_is_gone_does_not_hide_the_one_that_has_its_name_in_another_batch(rest):
    rows = [*rest, ("d1", "QUEUED", "i2", LATE)]
    second = [task(name, state, task_id=iot, iot_id=iot, utc_create=at) for name, state, iot, at in rows]
    memory = remembering(t1=(PRODUCT, "d1", "QUEUED", "i1", EARLY))
    found = devices_of(batch(), batch(*second, job_id="j2"), memory=memory)
    assert told(found["j1"]) == {(PRODUCT, "d1", "i1"): ("pending", "vanished", "t1")}
    assert told(found["j2"])[D1] == ("pending", "offline", "i2")


def test_nobody_vanishes_from_a_list_that_is_not_complete():
    memory = remembering(t2=(PRODUCT, "d2", "QUEUED", "", ""))
    assert list(devices_of(batch(task("d1"), all_listed=False), memory=memory)) == [D1]


def test_nobody_vanishes_from_another_batch():
    memory = Memory(tasks={"j9": {"t2": [PRODUCT, "d2", "QUEUED", "", ""]}})
    assert list(devices_of(batch(task("d1")), memory=memory)) == [D1]


@pytest.mark.parametrize(
    ("then", "now", "expected"),
    [
        pytest.param("i1", "i1", [D1], id="the same device"),
        pytest.param("", "i2", [D1], id="it was not told then"),
        pytest.param("i1", None, [D1], id="it is not told now"),
        pytest.param("i1", "i2", [D1, (PRODUCT, "d1", "i1")], id="another device"),
    ],
)
def test_device_with_a_later_task_has_not_vanished(then, now, expected):
    memory = remembering(t1=(PRODUCT, "d1", "FAILED", then, EARLY))
    devices = devices_of(batch(task("d1", task_id="t2", iot_id=now, utc_create=LATE)), memory=memory)
    assert list(devices) == expected
    assert devices[D1].state == "succeeded"
    assert [device.detail for identity, device in devices.items() if identity != D1] == (
        ["its task is gone, last seen FAILED"] if expected[1:] else []
    )


@pytest.mark.parametrize(
    ("left", "gone", "status", "expected"),
    [
        pytest.param(EARLY, LATE, "SUCCEEDED", ("pending", "vanished", "t2"), id="the latest is gone"),
        pytest.param(EARLY, LATE, "FAILED", ("pending", "vanished", "t2"), id="the latest is gone, an earlier failed"),
        pytest.param(LATE, EARLY, "QUEUED", ("pending", "offline", "t1"), id="the latest is left"),
        pytest.param(None, LATE, "SUCCEEDED", ("pending", "vanished", "t2"), id="not known of what is left"),
        pytest.param(EARLY, "", "SUCCEEDED", ("pending", "vanished", "t2"), id="not known of what is gone"),
        pytest.param(EARLY, "", "FAILED", ("failed", "other", "t1"), id="not known, the worst"),
        pytest.param(EARLY, EARLY, "SUCCEEDED", ("pending", "vanished", "t2"), id="created together"),
        pytest.param(EARLY, EARLY, "FAILED", ("failed", "other", "t1"), id="created together, the worst"),
    ],
)
@pytest.mark.parametrize("last", ["QUEUED", "CANCELED"])
def test_earlier_task_does_not_stand_for_the_latest_that_is_gone(left, gone, status, expected, last):
    memory = remembering(t2=(PRODUCT, "d1", last, "", gone))
    tasks = batch(task("d1", status, task_id="t1", utc_create=left))
    if last == "CANCELED" and expected[1] == "vanished":  # it does not count, so that the other one does
        expected = (status.lower(), "other" if status == "FAILED" else None, "t1")
    assert told(devices_of(tasks, policy=plain(ignore_canceled=True), memory=memory)) == {D1: expected}


def test_task_that_is_gone_is_that_of_the_device_that_was_replaced():
    """Although the tasks of the new device are in another batch."""
    memory = Memory(tasks={"j1": {"t1": [PRODUCT, "d1", "QUEUED", "i1", EARLY]}})
    jobs = batch(), batch(task("d1", task_id="t2", iot_id="i2", utc_create=LATE), job_id="j2")
    first, second = job_devices(poll(*jobs), plain(), memory).values()
    assert told(first) == {(PRODUCT, "d1", "i1"): ("pending", "vanished", "t1")}
    assert told(second) == {D1: ("succeeded", None, "t2")}


def test_device_is_known_to_be_replaced_by_a_task_that_is_gone():
    memory = remembering(t2=(PRODUCT, "d1", "QUEUED", "i2", LATE))
    devices = devices_of(batch(task("d1", "FAILED", task_id="t1", iot_id="i1", utc_create=EARLY)), memory=memory)
    assert told(devices) == {
        (PRODUCT, "d1", "i1"): ("pending", "vanished", "t1"),
        D1: ("pending", "vanished", "t2"),
    }


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        pytest.param("i2", ("succeeded", None, "t2"), id="the second"),
        pytest.param("i1", ("failed", "other", "t1"), id="the first"),
        pytest.param(None, ("failed", "other", "t1"), id="it does not tell, so the worst"),
    ],
)
def test_device_of_today_is_the_one_that_reports(today, expected):
    """Where nobody says which of the tasks was created later."""
    jobs = batch(task("d1", "FAILED", task_id="t1", iot_id="i1"), task("d1", task_id="t2", iot_id="i2"))
    devices = devices_of(jobs, policy=Policy(), versions=report(NEW, "d1", iot_id=today))
    assert told(devices)[D1] == expected


@pytest.mark.parametrize(
    ("ignore_canceled", "class_name", "task_id"), [(False, "canceled", "t2"), (True, "other", "t1")]
)
def test_canceled_task_hides_no_earlier_one_where_it_does_not_count(ignore_canceled, class_name, task_id):
    tasks = task("d1", "FAILED", task_id="t1", utc_create=EARLY), task("d1", "CANCELED", task_id="t2", utc_create=LATE)
    devices = devices_of(batch(*tasks), policy=plain(ignore_canceled=ignore_canceled))
    assert told(devices) == {D1: ("failed", class_name, task_id)}


def test_version_that_another_task_replaces_proves_nothing_in_another_form():
    policy = Policy(version_match="ignore_build")
    job = batch(task("d1", src_version="2.0.0+4"), task("d2", src_version=OLD), dest_version="2.0.0+5")
    snapshot = with_all_sources(poll(job, versions=report("2.0.0+4", "d2")), policy)
    assert snapshot.jobs[0].facts["src_versions"] == [OLD, "2.0.0+4"]
    assert job_devices(snapshot, policy, Memory())["j1"][(PRODUCT, "d2", "")].verified is False
    assert proofs(poll(job, versions=report("2.0.0+4", "d2")), policy) == {}
    assert with_all_sources(poll(job), Policy()) == poll(job)


def test_latest_of_the_tasks_that_are_left_counts_against_those_that_are_gone():
    memory = remembering(t3=(PRODUCT, "d1", "FAILED", "", format_time(NOW - 150)))
    tasks = batch(task("d1", task_id="t1", utc_create=EARLY), task("d1", task_id="t2", utc_create=LATE))
    assert told(devices_of(tasks, memory=memory)) == {D1: ("succeeded", None, "t2")}


@pytest.mark.parametrize(("first", "second", "expected"), [("", "", "t2"), (LATE, EARLY, "t1"), (EARLY, LATE, "t2")])
def test_latest_of_several_tasks_that_are_gone_is_told(first, second, expected):
    """By the time of creation, then by their IDs, so that the order of rows does not show."""
    tasks = {"t2": (PRODUCT, "d1", "FAILED", "", second), "t1": (PRODUCT, "d1", "QUEUED", "", first)}
    for order in (tasks, dict(reversed(list(tasks.items())))):
        (device,) = devices_of(batch(), memory=remembering(**order)).values()
        assert (device.task_id, device.class_name) == (expected, "vanished")


# --- Several batches -------------------------------------------------------------------------------------------------


def device(state, class_name=None, **facts):
    return Device(PRODUCT, "d1", state, class_name, **facts)


@pytest.mark.parametrize(
    ("worse", "better"),
    [("failed", "pending"), ("pending", "succeeded"), ("succeeded", "canceled"), ("failed", "canceled")],
)
def test_worst_device_decides(worse, better):
    one, other = device(worse), device(better)
    assert worst_device([one, other]) == worst_device([other, one]) == one


def test_device_that_vanished_hides_none_that_is_waited_for():
    waits, gone = device("pending", "waits_for_device"), device("pending", "vanished")
    assert worst_device([waits, gone]) == worst_device([gone, waits]) == waits


def test_task_that_is_proved_hides_none_that_is_not():
    proved, unread = device("succeeded", task_id="t1", verified=True), device("succeeded", task_id="t2")
    assert worst_device([proved, unread]) == worst_device([unread, proved]) == unread


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"class_name": "download", "task_id": "t9"}, {"class_name": "flash"}, id="class"),
        pytest.param({"task_id": "t1"}, {"task_id": "t2"}, id="task"),
        pytest.param({"job_id": "j1"}, {"job_id": "j2"}, id="batch"),
        pytest.param({"iot_id": "i1"}, {"iot_id": "i2"}, id="IotId"),
        pytest.param({"task_status": "FAILED"}, {"task_status": "QUEUED"}, id="state of the task"),
        pytest.param({"detail": "a"}, {"detail": "b"}, id="words"),
        pytest.param({"since": 1.0}, {"since": 2.0}, id="time"),
        pytest.param({"progress_percent": None}, {"progress_percent": 50.0}, id="progress"),
    ],
)
def test_devices_in_one_state_are_in_an_order_of_their_own(first, second):
    one, other = device("failed", **first), device("failed", **second)
    assert worst_device([one, other]) == worst_device([other, one]) == one


def test_devices_are_sorted_by_name_then_by_product():
    devices = [Device(key, name, "failed", None) for name, key in (("d2", "p1"), ("d10", "p2"), ("d10", "p1"))]
    assert sorted(devices, key=sort_key) == devices[::-1]


def test_odd_facts_have_an_order_too():
    devices = [Device("p", name, "failed", None, task_status=status) for name, status in (("d", 5), (None, None))]
    assert sorted(devices, key=sort_key) == devices[::-1]


def test_device_of_several_batches_counts_by_the_worst():
    failed, late, done = device("failed"), device("pending"), device("succeeded")
    other = Device(PRODUCT, "d2", "succeeded", None)
    D2 = (PRODUCT, "d2", "")
    for batches in ([{D1: done, D2: other}, {D1: failed}, {D1: late}], [{D1: late}, {D1: failed}, {D2: other}]):
        assert rollout_devices(batches) == {D1: failed, D2: other}
    assert rollout_devices([]) == {}


def chained(*pairs, is_chain=True):
    return [Relation(batch(job_id=before), batch(job_id=after), (), is_chain) for before, after in pairs]


def last_stages(by_job, relations, **options):
    """The devices by their last stages, under a policy of these options."""
    return by_last_stage(by_job, relations, plain(**options))


def test_later_stage_decides_about_its_devices():
    failed, done = device("failed"), device("succeeded")
    early = Device(PRODUCT, "d2", "succeeded", None)
    by_job = {"j1": {D1: failed, (PRODUCT, "d2", ""): early}, "j2": {D1: done}}
    assert last_stages(by_job, chained(("j1", "j2"))) == {"j1": {**by_job["j1"], D1: done}, "j2": {D1: done}}
    assert last_stages(by_job, chained(("j2", "j1"))) == {"j1": by_job["j1"], "j2": {D1: failed}}


@pytest.mark.parametrize(
    ("later", "version", "decides"),
    [
        pytest.param(("canceled", None), OLD, "j1", id="canceled, and it had failed before"),
        pytest.param(("pending", "vanished"), OLD, "j1", id="gone, and it had failed before"),
        pytest.param(("canceled", None), None, "j1", id="canceled, and nobody knows the version"),
        pytest.param(("canceled", None), NEW, "j2", id="canceled, and the device came there all the same"),
        pytest.param(("pending", "offline"), OLD, "j2", id="still to come"),
        pytest.param(("succeeded", None), OLD, "j2", id="succeeded"),
    ],
)
def test_later_stage_that_never_came_hides_no_failure(later, version, decides):
    by_job = {
        "j1": {D1: device("failed", "flash", job_id="j1", version=version)},
        "j2": {D1: device(*later, job_id="j2")},
    }
    assert last_stages(by_job, chained(("j1", "j2")))["j1"][D1].job_id == decides


def test_later_stage_that_never_came_counts_if_it_is_worse():
    by_job = {"j1": {D1: device("succeeded", job_id="j1")}, "j2": {D1: device("pending", "vanished", job_id="j2")}}
    assert last_stages(by_job, chained(("j1", "j2")))["j1"][D1].job_id == "j2"


@pytest.mark.parametrize(("ignore_vanished", "decides"), [(False, "j1"), (True, "j2")])
def test_task_that_is_gone_may_be_left_out_where_the_device_has_another(ignore_vanished, decides):
    batches = {D1: device("pending", "vanished", job_id="j1")}, {D1: device("succeeded", job_id="j2")}
    assert rollout_devices(batches, ignore_vanished)[D1].job_id == decides


def test_device_that_is_gone_from_all_batches_has_vanished():
    batches = {D1: device("pending", "vanished", job_id="j1")}, {D1: device("pending", "vanished", job_id="j2")}
    assert rollout_devices(batches, ignore_vanished=True)[D1].class_name == "vanished"


def test_later_stage_that_vanished_leaves_the_earlier_one_to_count_where_such_devices_are_left_out():
    earlier = device("failed", "wrong_version", job_id="j1")
    by_job = {"j1": {D1: earlier}, "j2": {D1: device("pending", "vanished", job_id="j2")}}
    assert last_stages(by_job, chained(("j1", "j2")), ignore_vanished=True)["j1"] == {D1: earlier}


@pytest.mark.parametrize(("match", "decides"), [("exact", "j1"), ("ignore_build", "j2")])
def test_later_stage_was_reached_if_its_version_is_reported_in_any_form_that_matches(match, decides):
    earlier = device("failed", "wrong_version", job_id="j1", version=f"v{NEW}")
    by_job = {"j1": {D1: earlier}, "j2": {D1: device("canceled", job_id="j2")}}
    assert last_stages(by_job, chained(("j1", "j2")), version_match=match)["j1"][D1].job_id == decides


def test_batches_in_conflict_are_no_stages():
    by_job = {"j1": {D1: device("failed")}, "j2": {D1: device("succeeded")}}
    assert last_stages(by_job, chained(("j1", "j2"), is_chain=False)) == by_job
    assert last_stages(by_job, []) == by_job


def test_last_stage_of_a_long_chain_decides():
    done, rest = device("succeeded"), chained(("j1", "j2"), ("j2", "j3"))
    by_job = {"j3": {D1: done}, "j1": {D1: device("failed")}, "j2": {D1: device("pending")}}
    decided = last_stages(by_job, rest)
    assert list(decided.items()) == [(job_id, {D1: done}) for job_id in ("j3", "j1", "j2")]


def test_worst_of_two_later_stages_decides():
    failed = device("failed")
    by_job = {"j1": {D1: device("pending")}, "j2": {D1: device("succeeded")}, "j3": {D1: failed}}
    assert last_stages(by_job, chained(("j1", "j2"), ("j1", "j3")))["j1"] == {D1: failed}


def test_long_chain_is_read_once():
    """Of 40 stages each follows all earlier ones, and nobody can try all ways through them."""
    names = [f"j{number}" for number in range(40)]
    pairs = [(before, after) for place, before in enumerate(names) for after in names[place + 1 :]]
    random.Random(1).shuffle(pairs)
    by_job = {name: {D1: device("failed", job_id=name)} for name in names}
    decided = last_stages(by_job, chained(*pairs))
    assert {found[D1].job_id for found in decided.values()} == {"j39"}


# --- What later polls need -------------------------------------------------------------------------------------------


def test_listed_tasks_are_kept_as_text():
    tasks = [
        task("d1", iot_id="i1", utc_create=EARLY),
        task("d2"),
        task(7, None, product_key=None, iot_id=9, task_id=8),
    ]
    assert listed_tasks(batch(*tasks)) == {
        "t-d1": [PRODUCT, "d1", "SUCCEEDED", "i1", EARLY],
        "t-d2": [PRODUCT, "d2", "SUCCEEDED", "", ""],
        "8": [PRODUCT, "7", "None", "9", ""],
    }


def test_missing_tasks_are_counted():
    known = listed_tasks(batch("SSS"))
    assert missing_tasks(batch("S"), known) == 2
    assert missing_tasks(batch("SSSS"), known) == 0
    assert missing_tasks(batch("S", all_listed=False), known) == 0
    assert missing_tasks(batch("S"), {}) == 0


@pytest.mark.parametrize("match", ["exact", "ignore_build", "prefix"])
def test_proofs_are_the_devices_on_the_target(match):
    versions = {**report(NEW, "d1", iot_id="i1"), **report(OLD, "d2"), **report(None, "d3"), **report("", "d4")}
    snapshot = poll(batch("SSSS"), versions=versions)
    assert proofs(snapshot, Policy(version_match=match)) == {f"{PRODUCT}\td1\ti1\tdefault\t{NEW}": NOW}


def test_proofs_are_for_each_batch():
    both = {"default": NEW, "mcu": "7"}
    versions = {(key, name): DeviceReport(both) for key, name in ((PRODUCT, "d1"), ("p2", "d1"))}
    jobs = [
        batch("S"),
        batch("S", job_id="j2", module_name="mcu", dest_version="7"),
        batch("S", job_id="j3", dest_version="9"),
        batch("S", job_id="j4", module_name="ble"),
        batch("S", job_id="j5", module_name="mcu", dest_version="8", product_key="p2"),
    ]
    assert list(proofs(poll(*jobs, versions=versions), VERIFY)) == [
        f"{PRODUCT}\td1\t\tdefault\t{NEW}",
        f"{PRODUCT}\td1\t\tmcu\t7",
    ]


def test_batch_that_tells_no_product_is_for_each():
    snapshot = poll(batch(product_key=None), versions=report(NEW, "d1"))
    assert list(proofs(snapshot, VERIFY)) == [f"{PRODUCT}\td1\t\tdefault\t{NEW}"]


def test_nothing_is_proved_before_versions_are_read():
    assert proofs(poll(batch("S")), VERIFY) == proofs(poll(batch("S"), versions={}), VERIFY) == {}


@pytest.mark.parametrize(
    ("of_task", "of_batch", "proved"),
    [
        pytest.param("2.0.0+1", None, False, id="the task replaces it"),
        pytest.param(None, ["2.0.0+1"], False, id="the batch replaces it"),
        pytest.param("1.0.0", ["2.0.0+1"], False, id="the batch replaces it on another device"),
        pytest.param(None, None, True, id="nobody says what is replaced"),
    ],
)
@pytest.mark.parametrize("module_name", ["default", None])
def test_version_that_is_replaced_is_no_proof(of_task, of_batch, proved, module_name):
    """Later polls would take it for a device that fell back."""
    job = batch(task("d1", src_version=of_task), dest_version="2.0.0+2", src_versions=of_batch, module_name=module_name)
    snapshot = poll(job, versions=report("2.0.0+1", "d1"))
    assert bool(proofs(snapshot, Policy(version_match="ignore_build"))) is proved


def test_version_that_the_batch_replaces_is_no_proof_for_any_device():
    job = batch(task("d1", src_version="1.0.0"), dest_version="2.0.0+2", src_versions=["2.0.0+1"])
    snapshot = poll(job, versions=report("2.0.0+1", "d1", "d2"))
    assert proofs(snapshot, Policy(version_match="ignore_build")) == {}


def test_version_that_any_task_of_a_device_replaces_is_no_proof():
    tasks = [task("d1", task_id="t1", src_version="2.0.0+1"), task("d1", task_id="t2", src_version="1.0.0")]
    for rows in (tasks, tasks[::-1]):
        snapshot = poll(batch(*rows, dest_version="2.0.0+2"), versions=report("2.0.0+1", "d1"))
        assert proofs(snapshot, Policy(version_match="ignore_build")) == {}
