# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_firmware_jobs_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success

TAGS = {"OtaTagDTO": [{"Key": "stage", "Value": "客厅"}]}


def job(number, created=None, **fields):
    return {"JobId": str(number), "JobStatus": "IN_PROGRESS", "JobType": "UPGRADE_FIRMWARE", **fields} | (
        {"UtcCreate": created} if created else {}
    )


def page(number, rows, total, page_count):
    return success(Data={"SimpleOTAJobInfo": rows}, Total=total, PageCount=page_count, CurrentPage=number)


def test_batches_of_packages_in_order_and_the_newest_first(ask):
    first = [
        job(1, "2026-03-01T10:00:00.000Z", JobStatus="COMPLETE", JobType="VERFIY_FIRMWARE"),
        job(2),
        job(3, "2026-03-02 T09:00:00.000Z", Tags=TAGS, FirmwareId="f1"),
    ]
    answers = [page(1, first, 3, 1), refused("iot.ota.FirmwareNotFound"), page(1, [], 0, 0)]
    result, requests = ask(ota_firmware_jobs_info, {"firmware_ids": ["f1", "f9", " f2 "]}, *answers)
    assert [(request.params["Action"], request.params["FirmwareId"]) for request in requests] == [
        ("ListOTAJobByFirmware", "f1"),
        ("ListOTAJobByFirmware", "f9"),
        ("ListOTAJobByFirmware", "f2"),
    ]
    assert [entry["job_id"] for entry in result["jobs"]] == ["3", "1", "2"]
    assert [entry["finished"] for entry in result["jobs"]] == [False, True, False]
    assert {entry["firmware_id"] for entry in result["jobs"]} == {"f1"}
    assert result["jobs"][0]["tags"] == [{"key": "stage", "value": "客厅"}]
    assert result["jobs"][1]["job_type"] == "VERIFY_FIRMWARE"
    assert result["firmwares"] == [
        {"firmware_id": "f1", "found": True, "job_count": 3},
        {"firmware_id": "f9", "found": False, "job_count": 0},
        {"firmware_id": "f2", "found": True, "job_count": 0},
    ]
    assert result["summary"] == {
        "total": 3,
        "firmwares": 3,
        "found": 2,
        "finished": 1,
        "by_status": {"PLANNED": 0, "IN_PROGRESS": 2, "COMPLETED": 1, "CANCELED": 0},
    }
    hold_success(ota_firmware_jobs_info, result)


def test_all_pages(ask):
    answers = [page(1, [job(number) for number in range(200)], 201, 2), page(2, [job(200)], 201, 2)]
    result, requests = ask(ota_firmware_jobs_info, {"firmware_id": "f1"}, *answers)
    assert [(request.params["CurrentPage"], request.params["PageSize"]) for request in requests] == [
        ("1", "200"),
        ("2", "200"),
    ]
    assert result["summary"]["total"] == 201


def test_tuya_names_no_tags(ask):
    body = """{"success": true, "code": "", "total": 1, "pageCount": 1, "currentPage": 1, "data": {"simpleOTAJobInfo":
        [{"jobId": "7", "jobStatus": "COMPLETED", "utcCreate": "2024-11-11 T11:11:11.000Z"}]}}"""
    result, _requests = ask(ota_firmware_jobs_info, {"firmware_id": "145", "platform": "tuya"}, response(body))
    (entry,) = result["jobs"]
    assert (entry["job_id"], entry["finished"], entry["tags"], entry["selection_type"]) == ("7", True, [], None)
    hold_success(ota_firmware_jobs_info, result)


def test_response_about_another_package(ask):
    answers = [page(1, [job(1, FirmwareId="f2")], 1, 1)] * 2
    result, _requests = ask(ota_firmware_jobs_info, {"firmware_id": "f1"}, *answers)
    assert result["failure"]["code"] == "wrong_response"
    assert "firmware_id f2 instead of f1" in result["msg"]
    hold_failure(ota_firmware_jobs_info, result)


def test_failure_keeps_what_was_read(ask):
    answers = [page(1, [job(1)], 1, 1), refused("iot.firmware.ListOTAJobFailed")]
    result, _requests = ask(ota_firmware_jobs_info, {"firmware_ids": ["a", "b"]}, *answers)
    assert result["failure"]["code"] == "iot.firmware.ListOTAJobFailed"
    assert [entry["firmware_id"] for entry in result["firmwares"]] == ["a"]
    hold_failure(ota_firmware_jobs_info, result)


def test_only_summary(ask):
    options, answers = {"firmware_ids": ["a", "b"]}, [page(1, [job(1)], 1, 1), page(1, [], 0, 0)]
    whole, _requests = ask(ota_firmware_jobs_info, options, *answers)
    result, _requests = ask(ota_firmware_jobs_info, {**options, "only_summary": True}, *answers)
    assert result["summary"] == whole["summary"]
    hold_success(ota_firmware_jobs_info, result, left_out=("jobs", "firmwares"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"firmware_ids": []}, "firmware_ids is empty"),
        ({"firmware_ids": ["a", ""]}, "entry 2 of firmware_ids is blank"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_firmware_jobs_info, options)
    assert words in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
    hold_failure(ota_firmware_jobs_info, result)
