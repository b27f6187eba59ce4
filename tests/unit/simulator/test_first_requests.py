# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches whose clock stands at zero until a request names them."""

from __future__ import annotations

import json

import pytest
from ota_sim import scenario
from ota_sim.world import World

WAITS = {"start": "first_request"}
D1 = {"ProductKey": "p1", "DeviceName": "d-1"}
PAGE = {"CurrentPage": "1", "PageSize": "10"}


def job(job_id, **fields):
    return {"job_id": job_id, "firmware_id": "f1", "devices": [{"name": "d-1", "jitter": 0}], **fields}


def created(caller, job_id):
    return caller.call("QueryOTAJob", JobId=job_id)["Data"]["UtcCreate"]


def statuses(caller, job_id):
    answer = caller.call("ListOTATaskByJob", JobId=job_id, **PAGE)
    return [row["TaskStatus"] for row in answer["Data"]["SimpleOTATaskInfo"]]


def unfinished(caller):
    rows = caller.call("ListOTAUnfinishedTaskByDevice", **D1)["Data"]["SimpleOTATaskInfo"]
    return [row["TaskStatus"] for row in rows]


def version(caller):
    rows = caller.call("ListOTAModuleVersionsByDevice", **D1, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    return [row["ModuleVersion"] for row in rows]


@pytest.mark.parametrize("first", ["QueryOTAJob", "ListOTATaskByJob"])
def test_a_batch_begins_with_the_first_request_that_names_it(make_caller, first):
    caller = make_caller(WAITS)
    caller.at(1000)
    assert (unfinished(caller), version(caller)) == (["QUEUED"], ["1.0"])
    caller.call(first, JobId="1001", **PAGE)
    assert created(caller, "1001") == "2025-06-15T15:23:20.000Z"  # 1000 seconds after the start
    assert statuses(caller, "1001") == ["QUEUED"] * 5
    caller.at(1008)
    assert created(caller, "1001") == "2025-06-15T15:23:20.000Z"
    assert statuses(caller, "1001") == ["SUCCEEDED"] * 5
    assert (unfinished(caller), version(caller)) == ([], ["2.0"])


def test_each_batch_has_a_clock_of_its_own(make_caller):
    firmwares = [
        {"firmware_id": f"f{number}", "product_key": "p1", "src_version": "1.0", "dest_version": f"{number + 1}.0"}
        for number in (1, 2)
    ]
    jobs = [job("1001"), job("1002", firmware_id="f2", description="later")]
    caller = make_caller({**WAITS, "firmwares": firmwares, "jobs": jobs})
    caller.at(50)
    assert statuses(caller, "1001") == ["QUEUED"]
    caller.at(90)
    assert statuses(caller, "1001") == ["SUCCEEDED"]
    assert unfinished(caller) == ["QUEUED"]
    assert version(caller) == ["2.0"]
    assert statuses(caller, "1002") == ["QUEUED"]
    caller.at(98)
    assert (statuses(caller, "1002"), version(caller)) == (["SUCCEEDED"], ["3.0"])


def test_what_does_not_name_the_batch_or_is_refused_begins_nothing(make_caller):
    keys = [{"id": "a", "secret": "s"}, {"id": "b", "secret": "s", "denied_actions": ["QueryOTAJob"]}]
    caller = make_caller({**WAITS, "access_keys": keys})
    caller.call("ListOTAJobByFirmware", FirmwareId="f1", **PAGE)
    caller.call("ListOTAJobByDevice", FirmwareId="f1", **D1, **PAGE)
    assert caller.call("QueryOTAJob", JobId="1")["Code"] == "iot.firmware.InvalidOTAJobId"
    denied = caller.send(caller.sign({**caller.params("QueryOTAJob", JobId="1001"), "AccessKeyId": "b"}))
    assert json.loads(denied.body)["Code"] == "NoPermission"
    caller.fault("http_error", times=1)
    assert caller.reply("QueryOTAJob", JobId="1001").status == 503
    assert caller.control("GET", "truth")[1]["jobs"]["1001"]["status"] == "IN_PROGRESS"
    caller.at(60)
    assert (unfinished(caller), version(caller)) == (["QUEUED"], ["1.0"])


def test_a_clock_that_stands_keeps_what_came_before_zero():
    jobs = [
        job("1", created_before=86400, devices=[{"name": "d-1", "course": "fails"}]),
        job("2", devices=["d-2"], scheduled_after=60),
        job("3", devices=["d-3"], canceled_after=60),
        job("4", devices=[{"name": "d-4", "listed_after": 60}]),
        job("5", devices=[{"name": "d-5", "course": "fails", "again": [{"after": 60}]}]),
        job("6", devices=[{"name": "d-6", "course": "offline", "online_after": 60}]),
    ]
    firmwares = [{"firmware_id": "f1", "product_key": "p1", "src_version": "1.0", "dest_version": "2.0"}]
    parsed = scenario.parse({**WAITS, "firmwares": firmwares, "jobs": jobs})
    built = World(parsed)
    assert [(view.status, len(built.tasks_at(view.job.job_id, 500))) for view in built.jobs_at(500)] == [
        ("COMPLETED", 1),
        ("PLANNED", 0),
        ("IN_PROGRESS", 1),
        ("IN_PROGRESS", 0),
        ("IN_PROGRESS", 1),
        ("IN_PROGRESS", 1),
    ]
    assert built.life_at(("p1", "d-6"), 500).presence_at(500).state == "OFFLINE"
    moved = World(parsed, dict.fromkeys(built.job_ids, 100.0))
    assert [(view.status, len(moved.tasks_at(view.job.job_id, 500))) for view in moved.jobs_at(500)] == [
        ("COMPLETED", 1),
        ("COMPLETED", 1),
        ("COMPLETED", 1),
        ("COMPLETED", 1),
        ("COMPLETED", 2),
        ("COMPLETED", 1),
    ]
    assert moved.life_at(("p1", "d-6"), 500).presence_at(500)[:2] == ("ONLINE", 160.0)


def test_without_a_word_the_clock_begins_with_the_program(make_caller):
    caller = make_caller()
    caller.at(60)
    assert statuses(caller, "1001") == ["SUCCEEDED"] * 5


def test_the_built_in_world_waits_unless_the_scenario_says_otherwise():
    assert scenario.parse({}).waits
    assert not scenario.parse({"start": "immediately"}).waits
    assert not scenario.parse({"firmwares": [], "products": [{"product_key": "p"}]}).waits
