# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.states import DeviceState
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.devices import (
    STALLED_AFTER,
    Device,
    prove_device,
    retry_window,
    task_changes,
    task_device,
    task_identity,
    waiting_for,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Memory
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.times import format_time
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.versions import proof_key
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

VERIFY = Policy()
OPEN = batch("Q", status="IN_PROGRESS")


def judged(content, job=OPEN, snapshot=None, policy=None, memory=None):
    """The device of a task, most often in an unfinished batch whose versions prove nothing."""
    return task_device(content, job, snapshot or poll(), policy or plain(), memory or Memory())


def state_of(device):
    return device.state, device.class_name


# --- One device ------------------------------------------------------------------------------------------------------


def test_key_of_a_device():
    assert Device("p", "d", "failed", "other").key == ("p", "d")
    assert Device(None, None, "failed", "other").key == ("", "")


def test_nothing_is_known_of_a_device_but_what_is_said():
    assert Device("p", "d", "failed", None)[4:] == (*[None] * 11, False)


@pytest.mark.parametrize(
    ("state", "class_name", "expected"),
    [
        ("failed", "other", True),
        ("failed", "no_task", True),
        ("pending", "no_task", True),
        ("failed", "flash", False),
        ("failed", "busy", False),
        ("pending", "other", False),
        ("pending", "offline", False),
        ("succeeded", None, False),
    ],
)
def test_devices_that_another_batch_may_keep_busy(state, class_name, expected):
    assert Device("p", "d", state, class_name).may_be_busy is expected


def test_device_of_a_task_has_all_that_is_known():
    content = task(
        "d1",
        "IN_PROGRESS",
        progress="40",
        progress_percent=40.0,
        task_desc="downloading",
        iot_id="i1",
        utc_modified=format_time(NOW - 30),
    )
    assert judged(content) == Device(
        PRODUCT,
        "d1",
        "pending",
        "in_progress",
        job_id="j1",
        task_id="t-d1",
        task_status="IN_PROGRESS",
        progress_percent=40.0,
        version=None,
        detail="downloading",
        busy_with=None,
        since=NOW - 30,
        idle_seconds=30.0,
        iot_id="i1",
        verified=False,
    )


def test_device_with_a_task_as_it_is_returned():
    device = Device(
        PRODUCT,
        "d1",
        "failed",
        "busy",
        job_id="j1",
        task_id="t1",
        task_status="FAILED",
        progress_percent=40.0,
        version=OLD,
        detail="no space",
        busy_with="j9",
        since=NOW - 30,
        idle_seconds=30.0,
        iot_id="i1",
        verified=True,
    )
    assert device.to_result() == {
        "product_key": PRODUCT,
        "device_name": "d1",
        "job_id": "j1",
        "state": "failed",
        "class": "busy",
        "verified": True,
        "task_status": "FAILED",
        "progress_percent": 40.0,
        "version": OLD,
        "detail": "no space",
        "busy_with": "j9",
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
        "verified": False,
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
    assert judged(content, snapshot=poll(now=NOW + 7.26)).idle_seconds == 7.3


def test_texts_of_an_undocumented_type_are_made_text():
    device = judged(task(7, "FAILED", task_id=9, task_desc=5, product_key=3, iot_id=4))
    assert (device.device_name, device.task_id, device.detail, device.product_key) == ("7", "9", "5", "3")
    assert device.iot_id == "4"


def test_product_of_a_task_is_that_of_its_batch_only_without_one_of_its_own():
    assert [judged(task("d1", product_key=key)).product_key for key in ("p2", "", None)] == ["p2", PRODUCT, PRODUCT]


def test_task_of_an_unknown_batch_has_no_product_of_its_own():
    assert judged(task("d1", product_key=None), batch(known=False)).product_key is None


# --- States ----------------------------------------------------------------------------------------------------------


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
        pytest.param(["SUCCEEDED"], {}, plain(), ("pending", "unknown"), id="a list for a state"),
    ],
)
def test_state_of_a_task(status, facts, policy, expected):
    device = judged(task("d1", status, **facts), policy=policy)
    assert (state_of(device), device.task_status) == (expected, status)


@pytest.mark.parametrize(
    ("status", "early", "late"),
    [
        pytest.param("NOTIFIED", "notified", "silent", id="notified, and silent since"),
        pytest.param("IN_PROGRESS", "in_progress", "stalled", id="begun, and stalled since"),
        pytest.param("QUEUED", "offline", "offline", id="queued, which may last"),
        pytest.param("CONFIRM", "awaiting_confirmation", "awaiting_confirmation", id="people take their time"),
    ],
)
def test_task_that_does_not_move(status, early, late):
    content = task("d1", status, utc_modified=format_time(NOW - STALLED_AFTER))
    before, after = (judged(content, snapshot=poll(now=now)) for now in (NOW - 1, NOW))
    assert [before.class_name, after.class_name] == [early, late]
    assert (after.since, after.idle_seconds) == (NOW - STALLED_AFTER, STALLED_AFTER)


def test_a_task_is_stalled_after_ten_minutes():
    assert STALLED_AFTER == 600


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, "offline", id="nothing tells why"),
        pytest.param({"status": "PLANNED"}, "planned", id="the batch is planned"),
        pytest.param({"utc_schedule_time": format_time(NOW + 1)}, "planned", id="for later"),
        pytest.param({"utc_schedule_time": format_time(NOW)}, "offline", id="for now"),
        pytest.param({"need_push": False}, "waits_for_device", id="the device must ask"),
        pytest.param({"need_push": True}, "offline", id="the device is told"),
        pytest.param({"need_push": None}, "offline", id="nobody says who begins"),
        pytest.param({"need_push": False, "status": "PLANNED"}, "planned", id="the device may not ask yet"),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": format_time(NOW - 599)},
            "rate_limited",
            id="100 at 10 a minute",
        ),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": format_time(NOW - 600)}, "offline", id="its turn is over"
        ),
        pytest.param({"maximum_per_minute": 10}, "offline", id="a rate, but no start"),
        pytest.param(
            {"maximum_per_minute": 10, "utc_start_time": format_time(NOW), "need_push": False},
            "waits_for_device",
            id="nobody is told, at any rate",
        ),
    ],
)
def test_why_a_task_is_queued(facts, expected):
    job = batch(task("d1", "QUEUED"), counts={"QUEUED": 100}, **{"status": "IN_PROGRESS", **facts})
    assert state_of(judged(job.tasks[0], job)) == ("pending", expected)


def test_why_a_task_is_queued_is_told_by_the_clock_of_this_machine():
    planned = batch("Q", status="IN_PROGRESS", utc_schedule_time=format_time(NOW + 60))
    assert [waiting_for("QUEUED", planned, poll(clock_offset=offset)) for offset in (59.0, 60.0)] == [
        "planned",
        "offline",
    ]
    limited = batch(
        "Q",
        status="IN_PROGRESS",
        counts={"QUEUED": 100},
        maximum_per_minute=10,
        utc_start_time=format_time(NOW - 540),
    )
    assert [waiting_for("QUEUED", limited, poll(clock_offset=offset)) for offset in (59.0, 60.0)] == [
        "rate_limited",
        "offline",
    ]


def test_nothing_tells_why_a_task_of_an_unknown_batch_is_queued():
    assert waiting_for("QUEUED", batch(known=False), poll()) == "offline"


# --- Devices that are not online -------------------------------------------------------------------------------------


def online_state(state, since=None):
    return {(PRODUCT, "d1"): DeviceState(state, since)}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param(online_state("OFFLINE", NOW), ("offline", "offline since 2026-03-01T10:00:00Z"), id="offline"),
        pytest.param(online_state("OFFLINE"), ("offline", "offline"), id="nobody says since when"),
        pytest.param(online_state("UNACTIVE"), ("never_activated", "never activated"), id="never activated"),
        pytest.param(
            online_state("DISABLE", NOW - 60), ("disabled", "disabled since 2026-03-01T09:59:00Z"), id="disabled"
        ),
        pytest.param(
            online_state("ONLINE", NOW - 60), ("online_not_pushed", "online since 2026-03-01T09:59:00Z"), id="online"
        ),
        pytest.param(online_state("ONLINE", 1e300), ("online_not_pushed", "online"), id="a time that is none"),
        pytest.param(online_state("{{ x }}"), ("offline", None), id="not documented"),
        pytest.param(online_state(None), ("offline", None), id="no state"),
        pytest.param({}, ("offline", None), id="not read"),
    ],
)
def test_state_of_a_device_says_why_its_task_is_queued(states, expected):
    job = batch("Q", status="IN_PROGRESS")
    device = judged(job.tasks[0], job, poll(states=states))
    assert (device.state, device.class_name, device.detail) == ("pending", *expected)


def test_state_of_a_device_is_told_by_the_clock_of_this_machine():
    known = poll(states=online_state("OFFLINE", NOW), clock_offset=60.0)
    assert judged(task("d1", "QUEUED"), snapshot=known).detail == "offline since 2026-03-01T09:59:00Z"


@pytest.mark.parametrize(
    ("status", "facts", "class_name", "detail"),
    [
        pytest.param("NOTIFIED", {}, "silent", "offline", id="silent"),
        pytest.param("IN_PROGRESS", {}, "stalled", "offline", id="stalled"),
        pytest.param("QUEUED", {"need_push": False}, "waits_for_device", None, id="the device must ask"),
        pytest.param("QUEUED", {"status": "PLANNED"}, "planned", None, id="not begun"),
        pytest.param("CONFIRM", {}, "awaiting_confirmation", None, id="waits for somebody else"),
    ],
)
def test_device_that_is_late_for_a_known_reason_keeps_its_class(status, facts, class_name, detail):
    content = task("d1", status, utc_modified=format_time(NOW - 3600))
    job = batch(content, **{"status": "IN_PROGRESS", **facts})
    device = judged(content, job, poll(states=online_state("OFFLINE")))
    assert (device.class_name, device.detail) == (class_name, detail)


def test_words_of_a_late_device_come_first():
    content = task("d1", "QUEUED", task_desc="battery low")
    assert judged(content, snapshot=poll(states=online_state("OFFLINE"))).detail == "battery low"


# --- Retries ---------------------------------------------------------------------------------------------------------

RETRY = {"status": "IN_PROGRESS", "retry_count": 2, "retry_interval": 10}


@pytest.mark.parametrize(
    ("facts", "failure_class", "seconds"),
    [
        pytest.param({}, "other", 600.0, id="it may be tried again in ten minutes"),
        pytest.param({"retry_count": 1, "retry_interval": 1}, "download", 60.0, id="once, in a minute"),
        pytest.param({"status": "COMPLETED"}, "other", 0.0, id="the batch is finished"),
        pytest.param({"retry_count": 0}, "other", 0.0, id="never"),
        pytest.param({"retry_count": None}, "other", 0.0, id="nobody says how often"),
        pytest.param({"retry_interval": None}, "other", 0.0, id="nobody says when"),
        pytest.param({"retry_interval": "10"}, "other", 0.0, id="a time that is none"),
        pytest.param({}, "timeout", 0.0, id="no more after a time-out"),
    ],
)
def test_how_long_a_failed_task_may_be_tried_again(facts, failure_class, seconds):
    content = task("d1", "FAILED", failure_class=failure_class)
    assert retry_window(content, batch(**{**RETRY, **facts})) == seconds


def test_no_task_of_an_unknown_batch_is_tried_again():
    assert retry_window(task("d1", "FAILED"), batch(known=False)) == 0.0


@pytest.mark.parametrize(
    ("now", "expected"), [(NOW + 599, ("pending", "retrying")), (NOW + 600, ("failed", "download"))]
)
def test_failed_task_is_pending_while_it_may_be_tried_again(now, expected):
    content = task("d1", "FAILED", failure_class="download", utc_modified=format_time(NOW))
    assert state_of(judged(content, batch(**RETRY), poll(now=now))) == expected


@pytest.mark.parametrize(
    ("modified", "expected"),
    [
        pytest.param(NOW, ("failed", "other"), id="the same failure"),
        pytest.param(NOW + 1, ("pending", "retrying"), id="another failure"),
        pytest.param(NOW - 60, ("failed", "other"), id="a time that went backwards"),
        pytest.param(None, ("failed", "other"), id="nobody says when"),
    ],
)
def test_task_that_failed_again_between_two_polls_may_be_tried_again(modified, expected):
    """The state before and after is the same."""
    known = Memory(task_changes=task_changes(poll(batch(task("d1", "FAILED"), **RETRY)), {}))
    later = task("d1", "FAILED", utc_modified=None if modified is None else format_time(modified))
    assert state_of(judged(later, batch(**RETRY), poll(now=NOW + 600), memory=known)) == expected


def test_failed_task_is_tried_again_by_the_clock_of_the_service():
    content = task("d1", "FAILED", utc_modified=format_time(NOW))
    states = [judged(content, batch(**RETRY), poll(now=NOW + 540, clock_offset=ahead)).state for ahead in (59.0, 60.0)]
    assert states == ["pending", "failed"]


def test_version_of_a_device_that_is_tried_again_is_shown_and_proves_nothing():
    content = task("d1", "FAILED", utc_modified=format_time(NOW))
    device = judged(content, batch(**RETRY), poll(versions=report(NEW, "d1")), VERIFY)
    assert (state_of(device), device.version, device.verified) == (("pending", "retrying"), NEW, False)


# --- Versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "versions", "policy", "expected"),
    [
        pytest.param(
            task("d1"), report(OLD, "d1"), plain(), ("succeeded", None, OLD, False), id="versions prove nothing"
        ),
        pytest.param(task("d1"), None, VERIFY, ("succeeded", None, None, False), id="none was read"),
        pytest.param(task("d1"), {}, VERIFY, ("succeeded", None, None, False), id="this one was not read"),
        pytest.param(task("d1"), report(OLD, "d1"), VERIFY, ("failed", "wrong_version", OLD, False), id="another one"),
        pytest.param(
            task("d1"), report(f"{NEW} ", "d1"), VERIFY, ("failed", "wrong_version", f"{NEW} ", False), id="nearly it"
        ),
        pytest.param(task("d1"), report(NEW, "d1"), VERIFY, ("succeeded", None, NEW, True), id="the new one"),
        pytest.param(task("d1"), report(None, "d1"), VERIFY, ("pending", "unproved", None, False), id="none at all"),
        pytest.param(task("d1"), report("", "d1"), VERIFY, ("pending", "vanished", None, False), id="not known"),
        pytest.param(
            task("d1", "FAILED"), report(NEW, "d1"), VERIFY, ("failed", "other", NEW, False), id="a failed task"
        ),
        pytest.param(
            task("d1", "CANCELED"), report(NEW, "d1"), VERIFY, ("failed", "canceled", NEW, False), id="a canceled task"
        ),
        pytest.param(
            task("d1", "QUEUED"), report(NEW, "d1"), VERIFY, ("pending", "offline", NEW, False), id="an open task"
        ),
        pytest.param(
            task("d1", "QUEUED"), report("", "d1"), VERIFY, ("pending", "vanished", None, False), id="open, not known"
        ),
    ],
)
def test_version_decides_on_a_task_that_succeeded(content, versions, policy, expected):
    device = judged(content, batch("S"), poll(versions=versions), policy)
    assert (device.state, device.class_name, device.version, device.verified) == expected


def test_version_of_another_products_device_proves_nothing():
    device = judged(task("d1"), batch("S"), poll(versions={("p2", "d1"): DeviceReport({"default": NEW})}), VERIFY)
    assert (device.state, device.version, device.verified) == ("succeeded", None, False)


def test_version_matches_as_the_policy_says():
    build = poll(versions=report(f"v{NEW}+5", "d1"))
    proved = [
        judged(task("d1"), batch("S"), build, Policy(version_match=match)).verified
        for match in ("exact", "ignore_build")
    ]
    assert proved == [False, True]


def test_version_that_the_task_replaces_is_no_proof_however_it_matches():
    content = task("d1", src_version="2.0.0+1", utc_modified=format_time(NOW))
    versions, policy = report("2.0.0+1", "d1"), Policy(version_match="ignore_build")
    device = judged(content, batch(dest_version="2.0.0+2"), poll(versions=versions), policy)
    assert (state_of(device), device.verified) == (("pending", "awaiting_version"), False)


@pytest.mark.parametrize(
    ("reported", "match", "expected"),
    [
        pytest.param(f"v{OLD}", "ignore_build", ("pending", "awaiting_version"), id="with a v"),
        pytest.param(f"{OLD}+5", "ignore_build", ("pending", "awaiting_version"), id="with a build"),
        pytest.param(f"{OLD}-eu", "prefix", ("pending", "awaiting_version"), id="with a word"),
        pytest.param(f"v{OLD}", "exact", ("failed", "wrong_version"), id="not as the policy says"),
        pytest.param("v1.5.0", "ignore_build", ("failed", "wrong_version"), id="a third version"),
    ],
)
def test_late_version_matches_as_the_policy_says(reported, match, expected):
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW))
    device = judged(content, batch("S"), poll(versions=report(reported, "d1")), Policy(version_match=match))
    assert state_of(device) == expected


@pytest.mark.parametrize(
    ("sources", "late", "expected"),
    [
        pytest.param({"task": OLD}, 119, ("pending", "awaiting_version"), id="the version that the task replaces"),
        pytest.param({"task": OLD}, 120, ("failed", "wrong_version"), id="for too long"),
        pytest.param({"batch": ["0.9", OLD]}, 119, ("pending", "awaiting_version"), id="one that the batch replaces"),
        pytest.param({"task": "0.9", "batch": [OLD]}, 0, ("failed", "wrong_version"), id="not that of this task"),
        pytest.param({}, 119, ("pending", "awaiting_version"), id="nobody says what is replaced"),
        pytest.param({}, 120, ("failed", "wrong_version"), id="nobody says what is replaced, for too long"),
    ],
)
def test_version_may_come_late(sources, late, expected):
    content = task("d1", src_version=sources.get("task"), utc_modified=format_time(NOW))
    job = batch(src_versions=sources.get("batch"))
    device = judged(content, job, poll(now=NOW + late, versions=report(OLD, "d1")), VERIFY)
    assert (state_of(device), device.version, device.verified) == (expected, OLD, False)
    assert device.detail == (f"reports {OLD}, not {NEW}" if expected[0] == "failed" else None)


@pytest.mark.parametrize(
    ("module_name", "other", "expected"),
    [
        pytest.param(
            None, batch(job_id="j2", dest_version="3.0.0"), ("pending", "unproved"), id="a later stage, maybe"
        ),
        pytest.param(None, batch(job_id="j2"), ("failed", "wrong_version"), id="the same version"),
        pytest.param(
            None,
            batch(job_id="j2", dest_version="3.0.0", product_key="p2"),
            ("failed", "wrong_version"),
            id="of another product",
        ),
        pytest.param("ble", batch(job_id="j2", dest_version="3.0.0"), ("failed", "wrong_version"), id="it is known"),
    ],
)
def test_version_of_an_unknown_module_fails_no_device_that_another_batch_may_have_brought_on(
    module_name, other, expected
):
    job, reports = batch("S", module_name=module_name), {(PRODUCT, "d1"): DeviceReport({"ble": "3.0.0", "mcu": OLD})}
    device = judged(task("d1"), job, poll(job, other, versions=reports), VERIFY)
    assert state_of(device) == expected


def test_late_version_is_waited_for_as_long_as_the_policy_says():
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW))
    snapshot = poll(now=NOW + 9, versions=report(OLD, "d1"))
    states = [judged(content, batch(), snapshot, Policy(version_grace=grace)).state for grace in (9.0, 9.5)]
    assert states == ["failed", "pending"]


def test_late_version_is_waited_for_by_the_clock_of_the_service():
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW + 60))
    snapshots = [poll(now=NOW + 119, versions=report(OLD, "d1"), clock_offset=ahead) for ahead in (59.0, 61.0)]
    assert [judged(content, batch(), snapshot, VERIFY).state for snapshot in snapshots] == ["pending", "failed"]


def test_device_without_a_time_of_success_is_waited_for_no_longer():
    bare = Device(PRODUCT, "d1", "succeeded", None, version=OLD)
    proved = prove_device(bare, DeviceReport({"default": OLD}), batch(), [OLD], poll(), VERIFY, Memory())
    assert state_of(proved) == ("failed", "wrong_version")


@pytest.mark.parametrize(
    ("iot_id", "reported", "expected"),
    [
        pytest.param("i1", "i1", "succeeded", id="the same device"),
        pytest.param("i1", None, "succeeded", id="the device does not tell"),
        pytest.param(None, "i1", "succeeded", id="the task does not tell"),
        pytest.param("i1", "i2", "pending", id="another device"),
    ],
)
def test_version_of_a_device_that_was_replaced_proves_nothing(iot_id, reported, expected):
    versions = report(NEW, "d1", iot_id=reported)
    device = judged(task("d1", iot_id=iot_id), batch("S"), poll(versions=versions), VERIFY)
    assert (device.state, device.verified) == (expected, expected == "succeeded")


def test_devices_that_vanish_say_how_and_in_which_state_they_were_seen():
    replaced = poll(versions=report(NEW, "d1", iot_id="i2"))
    for snapshot, why in (
        (replaced, "another device has its name now, last seen SUCCEEDED"),
        (poll(versions=report("", "d1")), "the service does not know the device, last seen SUCCEEDED"),
    ):
        device = judged(task("d1", iot_id="i1"), batch("S"), snapshot, VERIFY)
        assert (state_of(device), device.detail, device.iot_id) == (("pending", "vanished"), why, "i1")


@pytest.mark.parametrize(
    ("facts", "module_name", "detail"),
    [
        pytest.param({"failure": "the service is busy"}, "default", "the service is busy", id="it could not be read"),
        pytest.param({"versions": {"ble": NEW}}, "default", None, id="the module is not among those reported"),
        pytest.param({"versions": {"default": ""}}, "default", None, id="a blank version"),
        pytest.param({"versions": {}}, None, None, id="no module at all"),
        pytest.param(
            {"versions": {"ble": NEW, "mcu": OLD}},
            None,
            "it is not known which of its modules batch j1 is for",
            id="one of two modules is on the new version",
        ),
        pytest.param(
            {"failure": "denied", "versions": {"ble": NEW, "mcu": OLD}}, None, "denied", id="both, the failure is told"
        ),
    ],
)
def test_devices_that_are_not_proved_say_why(facts, module_name, detail):
    versions = {(PRODUCT, "d1"): DeviceReport(**facts)}
    content = task("d1", task_desc="done")
    device = judged(content, batch("S", module_name=module_name), poll(versions=versions), VERIFY)
    assert (state_of(device), device.version, device.detail) == (("pending", "unproved"), None, detail)


# --- Modules ---------------------------------------------------------------------------------------------------------


def test_late_version_is_waited_for_where_the_module_is_not_known():
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW))
    versions = {(PRODUCT, "d1"): DeviceReport({"ble": "7", "mcu": OLD})}
    device = judged(content, batch(module_name=None), poll(versions=versions), VERIFY)
    assert (state_of(device), device.version) == (("pending", "awaiting_version"), OLD)


# --- Falling back ----------------------------------------------------------------------------------------------------


# --- Reports from before this poll -----------------------------------------------------------------------------------

SUCCEEDED_AT = NOW - 600


def read_before(version, at=NOW - 60, **facts):
    return {key: known._replace(read_at=at) for key, known in report(version, "d1", **facts).items()}


@pytest.mark.parametrize(
    ("earlier", "proved_since", "verified"),
    [
        pytest.param(read_before(NEW), 0.0, True, id="after it succeeded"),
        pytest.param(read_before(NEW, SUCCEEDED_AT), 0.0, True, id="in the same second"),
        pytest.param(
            read_before(NEW, SUCCEEDED_AT - 1), 0.0, True, id="as exactly as the clock of the service is known"
        ),
        pytest.param(read_before(NEW, SUCCEEDED_AT - 1.1), 0.0, False, id="before it succeeded"),
        pytest.param(read_before(NEW), NOW - 61, True, id="since the soak began"),
        pytest.param(read_before(NEW), NOW - 60, False, id="before the soak began"),
        pytest.param(read_before(NEW, iot_id="i1"), 0.0, True, id="of the same device"),
        pytest.param(read_before(NEW, iot_id="i2"), 0.0, False, id="of another device"),
    ],
)
def test_report_from_before_this_poll_proves_success_since_the_task_is_as_it_is(earlier, proved_since, verified):
    content = task("d1", utc_modified=format_time(SUCCEEDED_AT), iot_id="i1")
    known = poll(earlier=earlier)
    device = judged(content, snapshot=known, policy=VERIFY, memory=Memory(proved_since=proved_since))
    assert (state_of(device), device.verified) == (("succeeded", None), verified)
    assert device.version == (NEW if verified else None)


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param(read_before(OLD), id="another version"),
        pytest.param(read_before(None), id="no version"),
        pytest.param(read_before(""), id="no such device"),
        pytest.param({(PRODUCT, "d1"): DeviceReport(failure="it is odd", read_at=NOW - 60)}, id="not read"),
    ],
)
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "QUEUED"])
def test_report_from_before_this_poll_says_nothing_against_a_device(earlier, status):
    content = task("d1", status, utc_modified=format_time(SUCCEEDED_AT))
    memory = Memory(on_target={proof_key((PRODUCT, "d1"), DeviceReport(), OPEN, VERIFY): NOW - 100})
    without = judged(content, policy=VERIFY, memory=memory)
    assert judged(content, snapshot=poll(earlier=earlier), policy=VERIFY, memory=memory) == without


def test_report_of_this_poll_counts_and_not_the_one_before():
    content = task("d1", src_version=OLD, utc_modified=format_time(SUCCEEDED_AT))
    known = poll(versions=report(OLD, "d1"), earlier=read_before(NEW))
    assert state_of(judged(content, snapshot=known, policy=VERIFY)) == ("failed", "wrong_version")


def test_report_from_before_this_poll_is_of_no_use_where_versions_do_not_matter():
    device = judged(task("d1"), snapshot=poll(earlier=read_before(NEW)), policy=plain())
    assert (device.verified, device.version) == (False, None)


# --- Devices that fell back ------------------------------------------------------------------------------------------


def test_device_that_was_on_the_target_and_is_no_longer_fell_back():
    """It is not waited for, whatever it reports now."""
    memory = Memory(on_target={f"{PRODUCT}\td1\t\tdefault\t{NEW}": NOW - 60})
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW))
    device = judged(content, batch(), poll(versions=report(OLD, "d1")), VERIFY, memory)
    assert (state_of(device), device.version, device.verified) == (("failed", "fell_back"), OLD, False)
    assert device.detail == f"fell back from {NEW} to {OLD} after 2026-03-01T09:59:00Z"


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        pytest.param(NOW - 61, ("failed", "fell_back"), id="since its task was created"),
        pytest.param(NOW - 60, ("failed", "fell_back"), id="at that moment"),
        pytest.param(NOW - 59, ("pending", "awaiting_version"), id="before, for an earlier task"),
    ],
)
def test_device_falls_back_only_from_what_it_reported_for_this_task(created, expected):
    memory = Memory(on_target={f"{PRODUCT}\td1\t\tdefault\t{NEW}": NOW - 60})
    content = task("d1", src_version=OLD, utc_modified=format_time(NOW), utc_create=format_time(created))
    assert state_of(judged(content, batch(), poll(versions=report(OLD, "d1")), VERIFY, memory)) == expected


def test_device_that_is_still_on_the_target_has_not_fallen_back():
    memory = Memory(on_target={f"{PRODUCT}\td1\t\tdefault\t{NEW}": NOW - 60})
    device = judged(task("d1"), batch(), poll(versions=report(NEW, "d1")), VERIFY, memory)
    assert (state_of(device), device.verified) == (("succeeded", None), True)


def test_nobody_knows_whether_a_device_that_reports_nothing_fell_back():
    memory = Memory(on_target={f"{PRODUCT}\td1\t\tdefault\t{NEW}": NOW - 60})
    device = judged(task("d1"), batch(), poll(versions=report(None, "d1")), VERIFY, memory)
    assert state_of(device) == ("pending", "unproved")


# --- Busy devices ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "versions"), [(task("d1", "FAILED", failure_class="flash"), None), (task("d1"), report(OLD, "d1"))]
)
def test_failure_of_a_device_that_another_batch_has_is_that_it_was_busy(content, versions):
    snapshot = poll(versions=versions, busy={(PRODUCT, "d1"): "j9"})
    device = judged(content, batch("S"), snapshot, VERIFY)
    assert (state_of(device), device.busy_with) == (("failed", "busy"), "j9")


def test_device_that_has_not_failed_is_not_busy():
    device = judged(task("d1", "QUEUED"), snapshot=poll(busy={(PRODUCT, "d1"): "j9"}))
    assert (state_of(device), device.busy_with) == (("pending", "offline"), None)


def test_device_is_not_busy_because_another_one_is():
    device = judged(task("d1", "FAILED"), snapshot=poll(busy={(PRODUCT, "d2"): "j9"}))
    assert (state_of(device), device.busy_with) == (("failed", "other"), None)


# --- Changes ---------------------------------------------------------------------------------------------------------


def test_idle_since_it_was_seen_to_move():
    """The service's own time may not change with each progress, so that what was seen counts after the first poll."""
    first = task("d1", "IN_PROGRESS", progress="10", utc_modified=format_time(NOW - 500))
    seen = task_changes(poll(batch(first)), {})
    assert seen == {"t-d1": ["IN_PROGRESS 10", NOW - 500]}
    assert task_changes(poll(batch(first), now=NOW + 60), seen) == seen
    moved = poll(batch({**first, "progress": "11"}), now=NOW + 60)
    assert task_changes(moved, seen) == {"t-d1": ["IN_PROGRESS 11", NOW + 60]}


def test_task_that_was_seen_to_move_is_idle_since_then():
    moving = task("d1", "NOTIFIED", utc_modified=format_time(NOW - 900))
    unchanged, changed = (
        judged(moving, memory=Memory(task_changes={"t-d1": [seen, NOW - 7.0]}))
        for seen in ("NOTIFIED None", "QUEUED None")
    )
    assert [(device.since, device.idle_seconds) for device in (unchanged, changed)] == [(NOW - 7, 7.0), (NOW, 0.0)]


@pytest.mark.parametrize(
    ("modified", "since"),
    [
        pytest.param(NOW - 5, NOW - 5, id="the service says when"),
        pytest.param(NOW - 7, NOW, id="its time is that of an earlier change"),
        pytest.param(NOW + 5, NOW, id="its time lies ahead"),
    ],
)
def test_task_that_moved_between_two_polls_is_idle_since_the_service_says(modified, since):
    moved = task("d1", "FAILED", utc_modified=format_time(modified))
    assert judged(moved, memory=Memory(task_changes={"t-d1": ["IN_PROGRESS None", NOW - 7.0]})).since == since


def test_time_of_change_is_told_by_the_clock_of_this_machine():
    device = judged(task("d1", "NOTIFIED", utc_modified=format_time(NOW)), snapshot=poll(clock_offset=30.0))
    assert (device.since, device.idle_seconds) == (NOW - 30, 30.0)


def test_time_of_the_service_that_lies_ahead_is_not_believed():
    device = judged(task("d1", "NOTIFIED", utc_modified=format_time(NOW + 999)))
    assert (device.since, device.idle_seconds) == (NOW, 0)


def test_clock_that_was_set_back_makes_no_task_change_in_the_future():
    moving = task("d1", "NOTIFIED")
    changes = {"t-d1": ["NOTIFIED None", NOW + 99]}
    assert task_changes(poll(batch(moving)), changes) == {"t-d1": ["NOTIFIED None", NOW]}


def test_task_without_a_time_of_change_is_idle_since_it_was_first_seen():
    device = judged(task("d1", "NOTIFIED", utc_modified="tomorrow"))
    assert (device.since, device.idle_seconds) == (NOW, 0)


@pytest.mark.parametrize(
    ("facts", "identity"),
    [
        ({"task_id": "t9"}, "t9"),
        ({"task_id": 9}, "9"),
        ({"task_id": None}, f"j1 {PRODUCT} d1"),
        ({"task_id": ""}, f"j1 {PRODUCT} d1"),
    ],
)
def test_task_without_an_id_is_known_by_its_device(facts, identity):
    assert task_identity(task("d1", job_id="j1", **facts)) == identity


def test_tasks_whose_time_matters_are_remembered():
    assert list(task_changes(poll(batch("SFCQNIA")), {})) == ["t-d1", "t-d4", "t-d5", "t-d6", "t-d7"]


@pytest.mark.parametrize(
    ("status", "facts", "job", "expected"),
    [
        pytest.param("SUCCEEDED", {}, {}, True, id="it may be proved late, and nobody says since when"),
        pytest.param("SUCCEEDED", {"utc_modified": format_time(NOW)}, {}, False, id="the service says since when"),
        pytest.param("FAILED", {}, RETRY, True, id="it may be tried again"),
        pytest.param("FAILED", {}, {**RETRY, "status": "COMPLETED"}, False, id="it is not tried again"),
        pytest.param("QUEUED", {"utc_modified": format_time(NOW)}, {}, True, id="it waits"),
        pytest.param("CANCELED", {}, {}, False, id="it has ended"),
        pytest.param("ODD", {}, {}, False, id="it is in no state that is documented"),
    ],
)
def test_time_of_a_task_matters(status, facts, job, expected):
    snapshot = poll(batch(task("d1", status, **facts), **job))
    assert task_changes(snapshot, {}) == ({"t-d1": [f"{status} None", NOW]} if expected else {})


def test_grace_is_not_cut_short_by_a_time_of_the_service_that_stands_still():
    """A task that was seen to succeed, although its time of change is that of an earlier change."""
    stale = task("d1", src_version=OLD, utc_modified=format_time(NOW - 300))
    seen = task_changes(poll(batch(stale)), {"t-d1": ["IN_PROGRESS None", NOW - 300]})
    assert seen == {"t-d1": [f"SUCCEEDED None {format_time(NOW - 300)}", NOW]}
    late = poll(batch(stale), now=NOW + 30, versions=report(OLD, "d1"))
    assert task_changes(late, seen) == seen
    assert state_of(judged(stale, batch(), late, VERIFY, Memory(task_changes=seen))) == ("pending", "awaiting_version")


def test_grace_ends_although_the_times_of_the_service_lie_ahead():
    ahead = task("d1", src_version=OLD, utc_modified=format_time(NOW + 8 * 3600))
    seen = task_changes(poll(batch(ahead)), {})
    assert seen == {"t-d1": [f"SUCCEEDED None {format_time(NOW + 8 * 3600)}", NOW]}
    late = poll(batch(ahead), now=NOW + 120, versions=report(OLD, "d1"))
    assert state_of(judged(ahead, batch(), late, VERIFY, Memory(task_changes=seen))) == ("failed", "wrong_version")


@pytest.mark.parametrize("ahead", [0.4, 8 * 3600], ids=["half a second", "some hours"])
@pytest.mark.parametrize("is_new", [False, True])
def test_version_proves_no_task_that_has_succeeded_again_since(ahead, is_new):
    """No poll has seen it start again, and its clock may be ahead, so that both times lie ahead or seem to."""
    first, second = (task("d1", utc_modified=f"2026-03-01T{moment}Z") for moment in ("10:00:00.400", "10:00:29.000"))
    job = batch(second if is_new else first)
    seen = task_changes(poll(batch(first), clock_offset=-ahead), {})
    assert list(seen.values()) == [["SUCCEEDED None 2026-03-01T10:00:00.400Z", NOW]]
    earlier = {(PRODUCT, "d1"): DeviceReport({"default": NEW}, read_at=NOW + 1)}
    later = poll(job, now=NOW + 30, earlier=earlier, clock_offset=-ahead)
    device = task_device(job.tasks[0], job, later, VERIFY, Memory(task_changes=seen))
    assert (device.state, device.verified) == ("succeeded", not is_new)


# --- Memory ----------------------------------------------------------------------------------------------------------


def test_nothing_is_remembered_before_the_first_poll():
    assert (Memory().task_changes, Memory().tasks, Memory().on_target) == ({}, {}, {})


def test_last_states_are_by_device():
    memory = Memory(
        tasks={
            "j1": {"t1": ["p", "d1", "QUEUED", "", ""], "t2": ["p", "d2", "SUCCEEDED", "", ""]},
            "j2": {"t3": ["p2", "d1", "FAILED", "i1", ""], "t4": ["p", "d1", "FAILED", "", ""]},
        }
    )
    assert memory.last_states == {("p", "d1"): "FAILED", ("p", "d2"): "SUCCEEDED", ("p2", "d1"): "FAILED"}


def test_order_of_tasks_does_not_show_in_last_states():
    tasks = [("t1", ["p", "d1", "QUEUED", "", ""]), ("t2", ["p", "d1", "CANCELED", "", ""])]
    memories = [Memory(tasks={"j1": dict(order)}) for order in (tasks, tasks[::-1])]
    assert [memory.last_states for memory in memories] == [{("p", "d1"): "CANCELED"}] * 2
