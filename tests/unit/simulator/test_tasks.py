# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks that take more than one run: upgraded again, retried, confirmed, fetched, and followed by a late version."""

from __future__ import annotations

import pytest
from ota_sim import scenario
from ota_sim.world import World

KEY = ("p", "d")


def world(*devices, firmwares=(), jobs=(), **job):
    first = {"firmware_id": "f", "product_key": "p", "src_version": "1", "dest_version": "2"}
    raw = {
        "firmwares": [first, *firmwares],
        "jobs": [{"job_id": "100", "firmware_id": "f", "devices": list(devices), **job}, *jobs],
    }
    return World(scenario.parse(raw))


def one(course, job=None, **keys):
    return world({"name": "d", "course": course, "jitter": 0, **keys}, **(job or {}))


def rows(built, t, job_id="100"):
    """The tasks of a batch: when each came, its status, and since when it has it."""
    return [(task.created, task.status, task.modified) for task in built.tasks_at(job_id, t)]


def changes(built, until, step=0.5):
    """What the one task of the batch becomes, each with its time."""
    found = []
    for tick in range(int(until / step) + 1):
        (task,) = built.tasks_at("100", tick * step)
        if not found or found[-1][1] != task.status:
            found.append((tick * step, task.status))
    return found


# Several tasks of one device


def dynamic(*again, **keys):
    entry = {"name": "d", "course": "fails", "jitter": 0, "again": [{"jitter": 0, **each} for each in again], **keys}
    return world(entry, {"name": "e", "jitter": 0}, selection_type="DYNAMIC")


def test_a_device_that_is_matched_again_has_one_more_task():
    built = dynamic({"after": 60})
    assert rows(built, 59) == [(0, "FAILED", 8), (0, "SUCCEEDED", 8)]
    assert rows(built, 60) == [(0, "FAILED", 8), (0, "SUCCEEDED", 8), (60, "QUEUED", 60)]
    assert rows(built, 68) == [(0, "FAILED", 8), (0, "SUCCEEDED", 8), (60, "SUCCEEDED", 68)]
    assert len({task.task_id for task in built.tasks_at("100", 68)}) == 3
    assert [built.versions_at("d", t) for t in (67, 68)] == [{"default": "1"}, {"default": "2"}]


def test_all_tasks_of_a_device_are_listed_newest_first_for_the_device_and_together_for_its_name():
    built = dynamic({"after": 60, "course": "silent"})
    assert [(task.created, task.status) for task in built.device_tasks_at(KEY, 70)] == [(60, "NOTIFIED"), (0, "FAILED")]
    named = built.tasks_of_names_at("100", 70, ["e", "d"])
    assert [(task.device, task.created) for task in named] == [("e", 0), ("d", 0), ("d", 60)]
    assert [view.job.job_id for view in built.device_jobs_at(KEY, "f", 70)] == ["100"]


def test_counts_and_pages_hold_every_task():
    built = dynamic({"after": 60})
    assert [built.task_page_at("100", 68, statuses)[0] for statuses in ((), ("SUCCEEDED",), ("FAILED",))] == [3, 2, 1]
    total, page = built.task_page_at("100", 68, (), 2, 2)
    assert (total, [task.created for task in page]) == (3, [60])


def test_ten_tasks_of_one_device():
    built = dynamic(*({"after": 60 * number, "course": "fails"} for number in range(1, 9)), {"after": 540})
    statuses = [task.status for task in built.tasks_at("100", 600) if task.device == "d"]
    assert statuses == ["FAILED"] * 9 + ["SUCCEEDED"]


def test_a_later_task_starts_from_what_the_device_reports_then_and_none_comes_on_the_target():
    built = world({"name": "d", "course": "falls_back", "fell_back_after": 4, "jitter": 0, "again": [{"after": 9}]})
    assert rows(built, 30) == [(0, "SUCCEEDED", 8)]
    entry = {"course": "reports_wrong_version", "version": "1.5", "jitter": 0, "again": [{"after": 9, "jitter": 0}]}
    built = world({"name": "d", **entry})
    assert [(task.src_version, task.status) for task in built.tasks_at("100", 30)] == [
        ("1", "FAILED"),
        ("1.5", "SUCCEEDED"),
    ]


def test_the_newest_tasks_may_come_first():
    built = world({"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60}]}, "e", newest_tasks_first=True)
    assert [(task.device, task.created) for task in built.tasks_at("100", 70)] == [("d", 60), ("d", 0), ("e", 0)]


def test_a_task_that_is_upgraded_again_keeps_its_identity():
    built = dynamic({"after": 60, "same_task": True})
    assert [rows(built, t)[0] for t in (59, 60, 61, 68)] == [
        (0, "FAILED", 8),
        (0, "QUEUED", 60),
        (0, "NOTIFIED", 61),
        (0, "SUCCEEDED", 68),
    ]
    assert len({built.tasks_at("100", t)[0].task_id for t in (59, 60, 68)}) == 1
    assert len(built.tasks_at("100", 68)) == 2
    assert [task.status for task in built.device_tasks_at(KEY, 68)] == ["SUCCEEDED"]
    assert built.versions_at("d", 68) == {"default": "2"}


def test_a_task_that_never_was_is_not_upgraded_again_but_made():
    entry = {"name": "d", "course": "already_on_target", "again": [{"after": 60, "same_task": True, "jitter": 0}]}
    assert rows(world(entry), 70) == []
    fell_back = {"job_id": "99", "firmware_id": "f", "created_before": 60, "devices": []}
    fell_back["devices"] = [{"name": "d", "course": "falls_back", "fell_back_after": 82, "jitter": 0}]
    built = world({"name": "d", "again": [{"after": 60, "same_task": True, "jitter": 0}]}, jobs=[fell_back])
    assert [rows(built, t) for t in (0, 68)] == [[], [(60, "SUCCEEDED", 68)]]


def test_the_latest_of_two_tasks_is_upgraded_again():
    built = dynamic({"after": 60, "course": "fails"}, {"after": 120, "same_task": True})
    mine = [row for row in rows(built, 128) if row != (0, "SUCCEEDED", 8)]
    assert mine == [(0, "FAILED", 8), (60, "SUCCEEDED", 128)]


@pytest.mark.parametrize(("course", "after"), [("succeeds", ["NOTIFIED", "SUCCEEDED"]), ("silent", ["NOTIFIED"] * 2)])
def test_nothing_of_an_earlier_attempt_follows_a_new_one(course, after):
    again = {"after": 60, "same_task": True, "course": course, "jitter": 0}
    entry = {"course": "times_out", "timed_out_after": 100, "again": [again]}
    built = world({"name": "d", "jitter": 0, **entry})
    assert [rows(built, t)[0][1] for t in (59, 60, 61, 200)] == ["IN_PROGRESS", "QUEUED", *after]


def test_a_static_batch_is_not_completed_before_its_last_task():
    built = world({"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60, "jitter": 0}]})
    assert [built.job_at("100", t).status for t in (9, 67, 68)] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]


def test_no_task_comes_after_a_cancel():
    built = world(
        {"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60}]},
        selection_type="DYNAMIC",
        canceled_after=30,
    )
    assert rows(built, 70) == [(0, "FAILED", 8)]


def test_a_batch_with_tasks_to_come_is_canceled_and_not_completed():
    built = world({"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60}]}, canceled_after=30)
    assert [built.job_at("100", t).status for t in (29, 30, 70)] == ["IN_PROGRESS", "CANCELED", "CANCELED"]


@pytest.mark.parametrize(("course", "last"), [("succeeds", "SUCCEEDED"), ("fails", "FAILED"), ("busy", "FAILED")])
def test_lists_may_show_a_task_long_after_its_batch_is_completed(course, last):
    entry = {"name": "d", "course": course, "listed_after": 30}
    built = world(entry, {"name": "e", "jitter": 0})
    found = []
    for t in (20, 29.9, 30):
        count = built.task_page_at("100", t, (), 0, 0)[0]
        names = [task.device for task in built.tasks_of_names_at("100", t, ["d"])]
        own = sum(task.job.job_id == "100" for task in built.device_tasks_at(KEY, t))
        found.append((built.job_at("100", t).status, count, names, own))
    assert found == [("COMPLETED", 1, [], 0), ("COMPLETED", 1, [], 0), ("COMPLETED", 2, ["d"], 1)]
    assert [(task.device, task.status, task.created) for task in built.tasks_at("100", 30)] == [
        ("d", last, 0),
        ("e", "SUCCEEDED", 0),
    ]


# Retries

RETRIES = {"retry_count": 2, "retry_interval": 1}
VISIBLE = {**RETRIES, "retries_visible": True}
ATTEMPT = [(0, "QUEUED"), (1, "NOTIFIED"), (2, "IN_PROGRESS"), (8, "FAILED")]


def attempt(begin, last="FAILED"):
    return [(begin + at, last if status == "FAILED" else status) for at, status in ATTEMPT]


def test_visible_retries_show_each_failure_until_the_next_attempt():
    built = one("fails", VISIBLE)
    assert changes(built, 200) == [*attempt(0), *attempt(68), *attempt(136)]
    assert [built.job_at("100", t).status for t in (30, 143, 144)] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    assert built.versions_at("d", 200) == {"default": "1"}


@pytest.mark.parametrize("failed", [1, 2])
def test_a_visible_retry_may_succeed(failed):
    built = one("fails", VISIBLE, failed_attempts=failed)
    expected = [step for number in range(failed) for step in attempt(68 * number)]
    assert changes(built, 300) == [*expected, *attempt(68 * failed, "SUCCEEDED")]
    end = 68 * failed + 8
    assert [built.versions_at("d", t)["default"] for t in (end - 0.1, end)] == ["1", "2"]
    assert built.job_at("100", end).status == "COMPLETED"


def test_an_invisible_retry_may_succeed():
    built = one("fails", RETRIES, failed_attempts=1)
    # 8 s for the first attempt, then a minute's wait and 6 s
    assert changes(built, 300) == [(0, "QUEUED"), (1, "NOTIFIED"), (2, "IN_PROGRESS"), (74, "SUCCEEDED")]
    assert [built.versions_at("d", t)["default"] for t in (73.9, 74)] == ["1", "2"]
    built = one("fails", RETRIES)
    assert changes(built, 300) == [(0, "QUEUED"), (1, "NOTIFIED"), (2, "IN_PROGRESS"), (140, "FAILED")]


def test_a_failure_tells_its_words_between_two_attempts():
    (task,) = one("fails", VISIBLE, step=-2).tasks_at("100", 30)
    assert (task.status, task.progress, task.desc, task.modified) == ("FAILED", 30, "-2: download failed", 8)
    (task,) = one("fails", VISIBLE, step=-2).tasks_at("100", 72)
    assert (task.status, task.desc) == ("IN_PROGRESS", "")


def test_no_retry_follows_a_cancel():
    built = one("fails", {**VISIBLE, "canceled_after": 30}, failed_attempts=1)
    assert changes(built, 200) == ATTEMPT
    assert built.versions_at("d", 200) == {"default": "1"}
    assert [built.job_at("100", t).status for t in (29, 30)] == ["IN_PROGRESS", "CANCELED"]


def test_a_cancel_keeps_the_progress_of_an_attempt_that_would_show_its_step():
    built = one("fails", {"canceled_after": 5}, step_in_progress=True)
    (task,) = built.tasks_at("100", 10)
    assert (task.status, task.progress) == ("CANCELED", 0)


def test_a_cancel_leaves_the_version_that_is_late_to_a_device_that_is_done():
    built = one("succeeds", {"canceled_after": 10, "selection_type": "DYNAMIC"}, reported_after=20)
    assert [built.versions_at("d", t)["default"] for t in (27, 28)] == ["1", "2"]


# Versions


@pytest.mark.parametrize(
    ("course", "job", "keys", "succeeded"),
    [
        ("succeeds", {}, {}, 8),
        ("offline", {}, {"online_after": 30}, 38),
        ("needs_confirmation", {}, {"confirmed_after": 30}, 38),
        ("fails", VISIBLE, {"failed_attempts": 1}, 76),
    ],
)
def test_a_version_may_be_late_after_success(course, job, keys, succeeded):
    built = one(course, job, reported_after=12, **keys)
    (task,) = built.tasks_at("100", succeeded)
    assert (task.status, task.modified, task.src_version) == ("SUCCEEDED", succeeded, "1")
    times = (succeeded, succeeded + 11.9, succeeded + 12)
    assert [built.versions_at("d", t)["default"] for t in times] == ["1", "1", "2"]
    assert [built.on_target_at("100", t) for t in times] == [[], [], ["d"]]


def test_a_device_may_fall_back_after_a_late_version():
    built = one("falls_back", reported_after=10, fell_back_after=5)
    assert [built.versions_at("d", t)["default"] for t in (17, 18, 22, 23)] == ["1", "2", "2", "1"]


# Confirmation and push


def test_a_batch_that_needs_confirmation_waits_for_it():
    built = world({"name": "d", "jitter": 0}, {"name": "e", "course": "busy"}, need_confirm=True)
    assert [task.status for task in built.tasks_at("100", 10**6)] == ["CONFIRM", "FAILED"]
    built = one("succeeds", {"need_confirm": True, "confirmed_after": 20})
    assert changes(built, 60) == [
        (0, "CONFIRM"),
        (20, "QUEUED"),
        (21, "NOTIFIED"),
        (22, "IN_PROGRESS"),
        (28, "SUCCEEDED"),
    ]


def test_a_device_may_be_confirmed_at_a_time_of_its_own():
    job = {"need_confirm": True, "confirmed_after": 20}
    assert changes(one("needs_confirmation", job, confirmed_after=5), 60)[1] == (5, "QUEUED")
    assert changes(one("needs_confirmation", job), 60)[1] == (20, "QUEUED")
    assert changes(one("needs_confirmation"), 60) == [(0, "CONFIRM")]


def test_a_task_that_is_upgraded_again_is_confirmed_again():
    entry = {"name": "d", "course": "fails", "jitter": 0, "again": [{"after": 60, "same_task": True, "jitter": 0}]}
    built = world(entry, need_confirm=True, confirmed_after=5)
    assert [rows(built, t)[0][1] for t in (0, 13, 60, 64.9, 65, 73)] == [
        "CONFIRM",
        "FAILED",
        "CONFIRM",
        "CONFIRM",
        "QUEUED",
        "SUCCEEDED",
    ]


def test_without_push_a_task_is_queued_until_the_device_asks():
    assert changes(one("succeeds", {"need_push": False}), 20) == [(0, "QUEUED"), (2, "IN_PROGRESS"), (8, "SUCCEEDED")]
    assert changes(one("silent", {"need_push": False}), 20) == [(0, "QUEUED")]
    assert changes(one("stalls", {"need_push": False}), 20) == [(0, "QUEUED"), (2, "IN_PROGRESS")]


def test_what_is_not_pushed_has_no_rate_limit():
    entry = {"prefix": "d", "count": 2, "jitter": 0}
    limited = [task.status for task in world(entry, maximum_per_minute=1).tasks_at("100", 9)]
    fetched = [task.status for task in world(entry, maximum_per_minute=1, need_push=False).tasks_at("100", 9)]
    assert (limited, fetched) == (["SUCCEEDED", "QUEUED"], ["SUCCEEDED", "SUCCEEDED"])


# Words


@pytest.mark.parametrize(
    ("course", "keys", "words"),
    [
        ("times_out", {}, "timeout"),
        ("reports_wrong_version", {}, "report version is not conform"),
        ("reports_wrong_version", {"status": "SUCCEEDED"}, ""),
        ("fails", {"step": -3}, "-3: verification failed"),
        ("fails", {"step": -3, "step_in_progress": True}, "verification failed"),
    ],
)
def test_descriptions(course, keys, words):
    assert one(course, **keys).tasks_at("100", 100)[0].desc == words
