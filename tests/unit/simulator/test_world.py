# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The courses, and that the world is a pure function of time."""

from __future__ import annotations

import json

import pytest
from ota_sim import scenario
from ota_sim.lives import iot_id
from ota_sim.timelines import FINISHED
from ota_sim.world import World

FOREVER = 10.0**9


def world(*devices, **job):
    raw = {
        "firmwares": [{"firmware_id": "f", "product_key": "p", "src_version": "1", "dest_version": "2"}],
        "jobs": [{"job_id": "100", "firmware_id": "f", "devices": list(devices), **job}],
    }
    return World(scenario.parse(raw))


def one(course, **keys):
    job = keys.pop("job", {})
    return world({"name": "d", "course": course, **({} if course == "already_on_target" else keys)}, **job)


def history(built, times, device="d"):
    """The status at each time; None where there is no task."""
    found = []
    for t in times:
        tasks = [task for task in built.tasks_at("100", t) if task.device == device]
        found.append(tasks[0].status if tasks else None)
    return found


LIFE = ["QUEUED", "NOTIFIED", "IN_PROGRESS"]


@pytest.mark.parametrize(
    ("course", "keys", "statuses", "version", "job"),
    [
        ("succeeds", {}, [*LIFE, "SUCCEEDED", "SUCCEEDED"], "2", "COMPLETED"),
        ("fails", {}, [*LIFE, "FAILED", "FAILED"], "1", "COMPLETED"),
        ("offline", {}, ["QUEUED"] * 5, "1", "IN_PROGRESS"),
        ("offline", {"online_after": 20}, [*["QUEUED"] * 4, "SUCCEEDED"], "2", "COMPLETED"),
        ("silent", {}, ["QUEUED", *["NOTIFIED"] * 4], "1", "IN_PROGRESS"),
        ("stalls", {}, [*LIFE, "IN_PROGRESS", "IN_PROGRESS"], "1", "IN_PROGRESS"),
        ("times_out", {"timed_out_after": 30}, [*LIFE, "IN_PROGRESS", "FAILED"], "1", "COMPLETED"),
        ("falls_back", {}, [*LIFE, "SUCCEEDED", "SUCCEEDED"], "1", "COMPLETED"),
        ("already_on_target", {}, [None] * 5, "2", "COMPLETED"),
        ("needs_confirmation", {}, ["CONFIRM"] * 5, "1", "IN_PROGRESS"),
        ("needs_confirmation", {"confirmed_after": 20}, [*["CONFIRM"] * 4, "SUCCEEDED"], "2", "COMPLETED"),
        ("busy", {}, ["FAILED"] * 5, "1", "COMPLETED"),
        ("canceled", {}, [*LIFE, "CANCELED", "CANCELED"], "1", "COMPLETED"),
        ("reports_wrong_version", {}, [*LIFE, "FAILED", "FAILED"], "2-wrong", "COMPLETED"),
        ("reports_wrong_version", {"status": "SUCCEEDED"}, [*LIFE, "SUCCEEDED", "SUCCEEDED"], "2-wrong", "COMPLETED"),
    ],
)
def test_courses(course, keys, statuses, version, job):
    built = one(course, **(keys if course in ("busy", "already_on_target") else {**keys, "jitter": 0}))
    assert history(built, (0, 1.5, 4, 9, FOREVER)) == statuses
    assert built.versions_at("d", FOREVER) == {"default": version}
    assert built.job_at("100", FOREVER).status == job
    assert built.on_target_at("100", FOREVER) == (["d"] if version == "2" else [])


def test_progress_climbs_to_a_hundred_in_steps():
    built = one("succeeds", jitter=0)
    assert [built.tasks_at("100", t)[0].progress for t in (1, 2, 5, 7.99, 8)] == [0, 0, 50, 95, 100]


@pytest.mark.parametrize(("step", "word"), [(-1, "upgrade"), (-2, "download"), (-3, "verification"), (-4, "flashing")])
def test_failures_name_their_step(step, word):
    (task,) = one("fails", step=step).tasks_at("100", 20)
    assert task.desc == f"{step}: {word} failed"
    (task,) = one("fails", step=step, desc="mine").tasks_at("100", 20)
    assert task.desc == "mine"


def test_retries_stay_invisible():
    built = one("fails", jitter=0, job={"retry_count": 2, "retry_interval": 1})
    # 8 s for the first attempt, then twice a minute's wait and 6 s
    assert history(built, (9, 139, 140)) == ["IN_PROGRESS", "IN_PROGRESS", "FAILED"]


def test_time_out_counts_from_the_first_progress():
    built = one("times_out", jitter=0, job={"timeout_in_minutes": 1})
    assert history(built, (61, 62)) == ["IN_PROGRESS", "FAILED"]
    assert "timeout" in built.tasks_at("100", 62)[0].desc


def test_fall_back_is_seen_in_the_version_only():
    built = one("falls_back", jitter=0, fell_back_after=4)
    assert [built.versions_at("d", t)["default"] for t in (7, 8, 11.9, 12)] == ["1", "2", "2", "1"]
    assert [built.on_target_at("100", t) for t in (9, 13)] == [["d"], []]


def test_a_planned_batch_waits_for_its_schedule():
    built = one("succeeds", jitter=0, job={"scheduled_after": 100})
    assert [built.job_at("100", t).status for t in (0, 99, 100, 108)] == [
        "PLANNED",
        "PLANNED",
        "IN_PROGRESS",
        "COMPLETED",
    ]
    assert history(built, (0, 99.9, 100, 101)) == [None, None, "QUEUED", "NOTIFIED"]
    assert built.job_at("100", 50).started is None
    assert [task.created for task in built.tasks_at("100", 100)] == [100]


def test_the_tasks_of_a_planned_batch_may_be_late_or_early():
    built = one("succeeds", jitter=0, job={"scheduled_after": 100, "tasks_after": 10})
    assert history(built, (109, 110, 111)) == [None, "QUEUED", "NOTIFIED"]
    built = one("succeeds", jitter=0, job={"scheduled_after": 100, "tasks_before_schedule": True})
    assert history(built, (0, 100.5, 101)) == ["QUEUED", "QUEUED", "NOTIFIED"]
    assert [built.job_at("100", t).status for t in (0, 99, 100)] == ["PLANNED", "PLANNED", "IN_PROGRESS"]


def test_a_batch_that_is_canceled_before_its_schedule_never_has_tasks():
    built = one("succeeds", job={"scheduled_after": 100, "canceled_after": 50})
    assert [built.job_at("100", t).status for t in (49, 50, 200)] == ["PLANNED", "CANCELED", "CANCELED"]
    assert history(built, (0, 50, 100, 200)) == [None] * 4


def test_late_tasks_do_not_complete_a_batch():
    built = one("succeeds", jitter=0, job={"tasks_after": 10})
    assert history(built, (9, 10)) == [None, "QUEUED"]
    assert [built.job_at("100", t).status for t in (9, 10, 18)] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]


def test_a_batch_without_tasks_is_completed_at_once():
    assert one("already_on_target").job_at("100", 0).status == "COMPLETED"


def test_cancel_ends_what_is_unfinished():
    built = world({"name": "d", "jitter": 0}, {"name": "e", "course": "offline"}, canceled_after=8.5)
    assert built.job_at("100", 8.4).status == "IN_PROGRESS"
    view = built.job_at("100", 9)
    assert (view.status, view.ended) == ("CANCELED", 8.5)
    assert [task.status for task in built.tasks_at("100", 9)] == ["SUCCEEDED", "CANCELED"]


def test_cancel_before_success_keeps_the_old_version():
    built = one("succeeds", job={"canceled_after": 4})
    assert built.versions_at("d", FOREVER) == {"default": "1"}


def test_a_completed_batch_is_not_cancelled_afterwards():
    assert one("succeeds", job={"canceled_after": 50}).job_at("100", 60).status == "COMPLETED"


def test_dynamic_batches_never_complete_and_go_on_after_a_cancel():
    devices = ({"name": "d", "jitter": 0}, {"name": "e", "course": "offline"})
    built = world(*devices, selection_type="DYNAMIC")
    assert built.job_at("100", FOREVER).status == "IN_PROGRESS"
    built = world(*devices, selection_type="DYNAMIC", canceled_after=4)
    assert built.job_at("100", 5).status == "CANCELED"
    assert [task.status for task in built.tasks_at("100", 20)] == ["SUCCEEDED", "CANCELED"]


def test_the_rate_limit_delays_the_push():
    built = world({"prefix": "d", "count": 3, "jitter": 0}, maximum_per_minute=2)
    assert [task.status for task in built.tasks_at("100", 30)] == ["SUCCEEDED", "SUCCEEDED", "QUEUED"]
    assert built.job_at("100", 68).status == "COMPLETED"


def two_batches(course, **keys):
    entry = {"name": "d", "course": course, **keys}
    raw = {
        "firmwares": [{"firmware_id": "f", "product_key": "p", "src_version": "1", "dest_version": "2"}],
        "jobs": [
            {"job_id": "100", "firmware_id": "f", "devices": ["d"]},
            {"job_id": "99", "firmware_id": "f", "created_before": 3600, "devices": [entry]},
        ],
    }
    return World(scenario.parse(raw))


def test_history_shows_more_than_one_batch_newest_first():
    built = two_batches("fails")
    assert [view.job.job_id for view in built.device_jobs_at(("p", "d"), "f", 0)] == ["100", "99"]
    assert [view.job.job_id for view in built.firmware_jobs_at("f", 0)] == ["100", "99"]
    assert built.job_at("99", 0).created == -3600


def test_a_device_that_an_earlier_batch_upgraded_is_skipped():
    built = two_batches("succeeds")
    assert built.tasks_at("100", 5) == []
    assert built.on_target_at("100", 0) == ["d"]


def test_busy_names_the_other_batch():
    raw = {
        "firmwares": [{"firmware_id": "f", "product_key": "p", "src_version": "1", "dest_version": "2"}],
        "jobs": [
            {"job_id": "100", "firmware_id": "f", "devices": [{"name": "d", "course": "busy"}]},
            {"job_id": "200", "firmware_id": "f", "devices": [{"name": "d", "course": "stalls"}]},
        ],
    }
    built = World(scenario.parse(raw))
    assert built.tasks_at("100", 5)[0].desc.endswith("another batch: 200")
    assert [task.job.job_id for task in built.device_tasks_at(("p", "d"), 5) if task.status == "IN_PROGRESS"] == ["200"]


def test_busy_without_another_batch_gets_one():
    built = one("busy")
    assert built.tasks_at("100", 5)[0].desc.endswith("another batch: 1009")
    assert built.tasks_at("1009", 5)[0].status == "NOTIFIED"
    assert one("busy", busy_with="777").tasks_at("100", 5)[0].desc.endswith("777")


def test_pages_and_names():
    built = world({"prefix": "d", "count": 9, "jitter": 0}, {"name": "d5", "course": "offline"})
    total, rows = built.task_page_at("100", 20, ("SUCCEEDED",), 6, 5)
    assert (total, [row.device for row in rows]) == (8, ["d8", "d9"])
    assert [row.device for row in built.tasks_of_names_at("100", 20, ["d5", "no", "d1", "d5"])] == ["d5", "d1"]
    assert len({row.task_id for row in built.tasks_at("100", 20)}) == 9


def test_same_seed_same_world_and_jitter_spreads():
    entry = {"prefix": "d", "count": 20, "jitter": 0.5}
    looks = [[task.status for task in world(entry).tasks_at("100", 8)] for _turn in range(2)]
    assert looks[0] == looks[1]
    assert len(set(looks[0])) > 1


def test_nothing_runs_backwards():
    path = scenario.BUILT_IN.parent / "courses.json"
    built = World(scenario.parse(json.loads(path.read_text(encoding="utf-8"))))
    order = ["CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED"]
    (job_id, _other) = sorted(built.job_ids, key=len)
    last = {}
    for tick in range(0, 1200):
        t = tick / 10
        for task in built.tasks_at(job_id, t):
            rank = min(order.index(task.status), 4), task.progress
            assert rank >= last.get(task.device, rank)
            assert task.modified <= t
            last[task.device] = rank


def test_iot_ids_lead_back_to_their_device():
    built = one("succeeds")
    assert built.device_of(iot_id(("p", "d"))) == ("p", "d")
    assert built.device_of("unknown") is None
    assert built.job_at("unknown", 0) is None


def test_a_hundred_thousand_devices():
    built = world({"prefix": "d", "count": 100_000})
    assert built.task_page_at("100", 30, ("SUCCEEDED",), 0, 1)[0] == 100_000
    assert built.job_at("100", 30).status == "COMPLETED"


def test_the_rehearsal():
    history, canary, fleet = World(scenario.parse({})).job_ids
    built = World(scenario.parse({}), {canary: 0, fleet: 0})
    assert {job_id: built.task_count_at(job_id, 0) for job_id in built.job_ids} == {history: 1, canary: 5, fleet: 40}
    assert [built.job_at(canary, t).status for t in (0, 4, 10)] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    ends = {task.device: task.status for task in built.tasks_at(fleet, 100) if task.status != "SUCCEEDED"}
    failed, offline = [f"lamp-fleet-{number}" for number in ("04", "09", "23")], ("lamp-fleet-07", "lamp-fleet-11")
    fails = [built.task_count_at(fleet, t, ("FAILED",)) for t in (8, 12, 18, 26)]
    finished = [built.task_count_at(fleet, t, FINISHED) for t in range(4, 30, 2)]
    assert fails == [0, 1, 2, 3]
    assert built.task_count_at(fleet, 60, ("QUEUED",)) == 14  # whom a gate spares that stops the fleet
    assert finished == sorted(finished)
    assert len(set(finished)) > 8  # it moves from poll to poll
    assert ends == {**dict.fromkeys(failed, "FAILED"), **dict.fromkeys(offline, "QUEUED")}
