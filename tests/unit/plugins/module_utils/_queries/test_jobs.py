# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import decode_body, read_object, read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_TASK_BY_JOB,
    QUERY_OTA_FIRMWARE,
    QUERY_OTA_JOB,
    TASK_STATUSES,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import (
    JobFacts,
    TaskFacts,
    TaskListing,
    TaskQuery,
    classify_failure,
    interpret_tasks,
    merge_listings,
    parse_percent,
    plan_queries,
    read_module,
    run_query,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.module_utils._client.conversations import World

ZERO = dict.fromkeys(TASK_STATUSES, 0)


def test_one_query_for_the_whole_batch():
    assert plan_queries("1", None, None, False) == [TaskQuery("1", 1)]
    assert plan_queries("1", None, None, True) == [TaskQuery("1", 1, counts_only=True)]


def test_states_are_queried_one_by_one_and_once():
    queries = plan_queries("1", ["FAILED", "QUEUED", "FAILED"], None, False)
    assert [(query.status, query.total) for query in queries] == [("QUEUED", 2), ("FAILED", 2)]


def test_devices_are_queried_in_blocks_and_once():
    names = [f"d{number}" for number in range(101)]
    queries = plan_queries("1", None, [*names, "d0"], False)
    assert [len(query.device_names) for query in queries] == [50, 50, 1]
    assert [name for query in queries for name in query.device_names] == names


def test_states_are_queried_for_each_block():
    queries = plan_queries("1", ["FAILED", "QUEUED"], [f"d{number}" for number in range(51)], False)
    assert [(query.status, len(query.device_names)) for query in queries] == [
        ("QUEUED", 50),
        ("QUEUED", 1),
        ("FAILED", 50),
        ("FAILED", 1),
    ]


def task(task_id, status="QUEUED"):
    return {"task_id": task_id, "task_status": status, "device_name": f"d{task_id}"}


def listing_of(query, *tasks, announced=None, problem=None, counts=None, found=True):
    return TaskListing(query, found, list(tasks), announced, problem, counts)


def test_listing_of_the_whole_batch():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, task("1"), task("2", "FAILED"), announced=2)])
    assert merged == {
        "tasks": [task("1"), task("2", "FAILED")],
        "missing": [],
        "found": True,
        "by_status": {**ZERO, "QUEUED": 1, "FAILED": 1},
        "counted_by": "listing",
        "total": 2,
        "read": 2,
        "complete": True,
        "problems": [],
    }


def test_states_that_were_not_queried_are_not_zero():
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1"), announced=1), listing_of(queries[1], announced=0)])
    assert merged["by_status"] == {**dict.fromkeys(TASK_STATUSES), "FAILED": 0, "QUEUED": 1}
    assert (merged["total"], merged["complete"]) == (1, True)


def test_undocumented_state_is_counted():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, task("1", "ODD"))])
    assert merged["by_status"] == {**ZERO, "ODD": 1}
    assert (merged["complete"], merged["problems"]) == (False, ["a task is in a state that is not documented"])


def test_devices_without_a_task_are_named():
    queries = plan_queries("1", None, ["d1", "d2", "d3"], False)
    merged = merge_listings([listing_of(queries[0], task("2"))])
    assert (merged["missing"], merged["complete"]) == (["d1", "d3"], True)


def test_names_are_compared_as_facts_have_them():
    asked = ["::lamp", "a\u00a0b", "客厅", "d4"]
    rows = [
        {"TaskId": str(number), "TaskStatus": "QUEUED", "DeviceName": name} for number, name in enumerate(asked[:3])
    ]
    world = World(success(Data={"SimpleOTATaskInfo": rows}, Total=3, CurrentPage=1, PageCount=1))
    (query,) = plan_queries("1", None, asked, False)
    merged = merge_listings([run_query(world.client, {}, query)])
    assert (merged["missing"], merged["problems"]) == (["d4"], [])
    assert [row["device_name"] for row in merged["tasks"]] == [": :lamp", "a b", "客厅"]
    (request,) = world.conversation.finish()
    assert [value for name, value in request.params.items() if "DeviceName" in name] == asked


def test_task_that_was_read_twice_is_a_problem():
    queries = plan_queries("1", ["NOTIFIED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1")), listing_of(queries[1], task("1", "NOTIFIED"))])
    assert merged["complete"] is False
    assert merged["problems"] == ["a task was read twice, because it changed meanwhile"]
    assert (merged["read"], merged["tasks"]) == (1, [task("1", "NOTIFIED")])


def test_tasks_without_an_id_are_all_kept():
    (query,) = plan_queries("1", None, None, False)
    assert merge_listings([listing_of(query, task(None), task(None))])["read"] == 2


def test_missing_listing_is_a_problem():
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    merged = merge_listings([listing_of(queries[0], task("1"), announced=1)])
    assert (merged["complete"], merged["by_status"]["FAILED"], merged["by_status"]["QUEUED"]) == (False, None, 1)
    assert merged["problems"] == ["some of the requested tasks could not be read"]


def test_no_listing_at_all():
    merged = merge_listings([])
    assert (merged["found"], merged["total"], merged["complete"]) == (None, None, False)
    assert merged["by_status"] == dict.fromkeys(TASK_STATUSES)


def test_unknown_batch_is_incomplete():
    (query,) = plan_queries("1", None, None, False)
    merged = merge_listings([listing_of(query, found=False, problem="the service does not know the batch")])
    assert (merged["found"], merged["complete"], merged["read"]) == (False, False, 0)
    assert merged["by_status"] == dict.fromkeys(TASK_STATUSES)
    assert merged["problems"] == ["the service does not know the batch"]


def test_numbers_of_the_service():
    (query,) = plan_queries("1", None, None, True)
    merged = merge_listings([listing_of(query, announced=7, counts={**ZERO, "QUEUED": 7})])
    assert (merged["counted_by"], merged["total"], merged["read"]) == ("total", 7, 0)
    assert merged["by_status"]["QUEUED"] == 7
    assert merged["complete"] is True


def test_counts_by_listing_return_no_tasks():
    (query,) = plan_queries("1", None, None, True)
    merged = merge_listings([listing_of(query, task("1"), announced=1)])
    assert (merged["counted_by"], merged["read"], merged["tasks"]) == ("listing", 1, [])
    assert merged["by_status"] == {**ZERO, "QUEUED": 1}


@pytest.mark.parametrize("announced", [None, 5])
def test_total_needs_all_listings(announced):
    queries = plan_queries("1", ["FAILED", "QUEUED"], None, False)
    entries = [listing_of(queries[0], announced=2), listing_of(queries[1], announced=announced)]
    assert merge_listings(entries)["total"] == (None if announced is None else 7)


# --- Texts of tasks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.00", 0.0),
        ("100.00", 100.0),
        ("50", 50.0),
        ("-1", None),
        (None, None),
        ("", None),
        ("x", None),
        ("nan", None),
    ],
)
def test_progress_is_a_number_or_none(text, number):
    assert parse_percent(text) == number


@pytest.mark.parametrize(
    ("description", "progress", "name"),
    [
        # What the vendors document.
        ("report version is not conform", "0.00", "wrong_version"),
        (" Report version is not conform\n", "0.00", "wrong_version"),
        ("timeout", "40.00", "timeout"),
        (" TIMEOUT ", None, "timeout"),
        ("timeout", "-2.00", "timeout"),
        ("", "0.00", "other"),
        ("success", "100.00", "other"),
        ("test task desc", "0.00", "other"),
        ("OTA升级失败", "-1", "upgrade"),
        ("OTA update has failed. No firmware information is available.", "-1", "upgrade"),
        # Step codes in the description.
        ("-1", "0.00", "upgrade"),
        ("-1: the upgrade failed", None, "upgrade"),
        ("-2: the download failed", None, "download"),
        ('{"step":"-3","desc":"x"}', None, "verify"),
        ("step=-4", None, "flash"),
        ("the step code is -2.", None, "download"),
        ("-2, again -2", None, "download"),
        ("-2", "-3", "download"),
        ("-1 after -2", "-3", "other"),
        # Step codes in place of the progress.
        ("x", "-1", "upgrade"),
        ("x", "-2.00", "download"),
        (None, " -3.0 ", "verify"),
        ("", "-4", "flash"),
        ("", "-2.5", "other"),
        ("", "-5", "other"),
        ("", "2", "other"),
        ("", "-inf", "other"),
        ("", None, "other"),
        # Words alone mean nothing.
        ("timeout: the device did not finish in time", None, "other"),
        ("timed out", None, "other"),
        ("the device reports version 1.0", None, "other"),
        ("the download failed", None, "other"),
        ("sha256 mismatch", None, "other"),
        ("not enough space to flash", None, "other"),
        ("overwritten by another batch", None, "other"),
        ("固件下载失败", None, "other"),
        ("升级超时", None, "other"),
        # What only looks like a step code.
        ("-12", None, "other"),
        ("-1.5 V", None, "other"),
        ("model a-1b", None, "other"),
        ("1.0-2.0", None, "other"),
        ("on 2026-1-3", None, "other"),
        # What a service should not send.
        (None, None, "other"),
        ({"step": "-1"}, ["-1"], "other"),
    ],
)
def test_class_of_a_failure(description, progress, name):
    assert classify_failure("FAILED", description, progress) == name


@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELED", "QUEUED", None, "ODD"])
def test_tasks_that_have_not_failed_have_no_class(status):
    assert classify_failure(status, "timeout", "-1") is None


def test_meaning_of_a_row():
    (task,) = interpret_tasks([{"task_status": "FAILED", "task_desc": "no space", "progress": "-4.00"}])
    assert (task["failure_class"], task["progress_percent"]) == ("flash", None)


# --- Facts -----------------------------------------------------------------------------------------------------------


def test_facts_about_a_batch_are_all_read():
    envelope = decode_body(json.dumps({"Success": True, "Data": {"JobId": "1"}}).encode(), "json")
    given = {"found", "finished"}
    assert JobFacts.__annotations__.keys() - given <= read_object(QUERY_OTA_JOB, envelope).keys()


def test_facts_about_a_task_are_all_read():
    row = {"taskId": "7", "iotId": "i-1", "srcVersion": "1.0", "destVersion": "2.0", "utcCreate": "2026-01-02"}
    body = json.dumps({"Success": True, "Data": {"SimpleOTATaskInfo": [row]}}).encode()
    (facts,) = read_rows(LIST_OTA_TASK_BY_JOB, decode_body(body, "json"))
    meanings = {"progress_percent", "failure_class"}
    assert TaskFacts.__annotations__.keys() - meanings <= facts.keys()
    names = ("task_id", "iot_id", "src_version", "dest_version", "utc_create")
    assert tuple(facts[name] for name in names) == ("7", "i-1", "1.0", "2.0", "2026-01-02")


# --- The module of a package -----------------------------------------------------------------------------------------

LINK = "https://bucket.example.com/f.bin"


def package(**fields):
    return success(FirmwareInfo={"FirmwareId": "f1", "FirmwareUrl": LINK, "MultiFiles": [{"Url": LINK}], **fields})


def package_in_xml(fields):
    links = f"<FirmwareUrl>{LINK}</FirmwareUrl><MultiFiles><Url>{LINK}</Url></MultiFiles>"
    info = f"<FirmwareInfo><FirmwareId>f1</FirmwareId>{fields}{links}</FirmwareInfo>"
    return response(f"<QueryOTAFirmwareResponse><Success>true</Success>{info}</QueryOTAFirmwareResponse>")


@pytest.mark.parametrize("platform", ["alibaba", "tuya"])
@pytest.mark.parametrize(
    ("answer", "response_format", "module"),
    [
        (package(ModuleName="ble"), "json", "ble"),
        (package(moduleName=" ble "), "json", "ble"),
        (package(), "json", None),
        (package(ModuleName=""), "json", None),
        (package(ModuleName=None), "json", None),
        (success(firmwareInfo={"firmwareId": "f1", "moduleName": "ble"}), "json", "ble"),
        (success(), "json", None),
        (success(FirmwareInfo={}), "json", None),
        (success(Data={"FirmwareId": "f1", "ModuleName": "ble"}), "json", None),
        (refused("iot.firmware.FirmwareNotFound"), "json", None),
        (refused("iot.ota.FirmwareNotFound"), "json", None),
        (refused("Iot.Firmware.InvalidFirmwareId"), "json", None),
        (package_in_xml("<ModuleName>ble</ModuleName>"), "xml", "ble"),
        (package_in_xml("<ModuleName/>"), "xml", None),
        (package_in_xml(""), "xml", None),
    ],
)
def test_module_of_a_package(platform, answer, response_format, module):
    world = World(answer, platform=platform, response_format=response_format)
    assert read_module(world.client, "f1") == module
    (request,) = world.conversation.finish()
    assert (request.params["Action"], request.params["FirmwareId"]) == ("QueryOTAFirmware", "f1")


def test_module_of_another_type_is_no_answer():
    world = World(package(ModuleName=["ble"]))
    error = world.error(lambda: read_module(world.client, "f1"))
    assert error.cause == "the response cannot be read: its module_name is not text"


def test_module_of_another_package_is_no_answer():
    answers = [success(FirmwareInfo={"FirmwareId": "f2", "ModuleName": "ble"})] * 2
    world = World(*answers)
    error = world.error(lambda: read_module(world.client, "f1"))
    assert error.code == "wrong_response"


@pytest.mark.parametrize("answer", [package(), package_in_xml("")])
def test_links_to_a_package_are_no_facts(answer):
    response_format = "xml" if answer.body.startswith(b"<") else "json"
    facts = World(answer, response_format=response_format).client.get(QUERY_OTA_FIRMWARE, firmware_id="f1")
    assert {"firmware_id", "module_name", "product_key", "src_version", "dest_version"} <= facts.keys()
    assert {name for name in facts if "url" in name} == set()
    assert LINK not in str(facts)


def test_failure_of_a_package_shows_no_link():
    answer = refused("Odd", f"cannot read {LINK}?Expires=1&auth_key=x")
    with pytest.raises(OtaError) as error:
        read_module(World(answer).client, "f1")
    assert error.value.detail == "cannot read ***"
