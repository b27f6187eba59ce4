# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_device_jobs_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, sample, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success

ASKED = {"product_key": "k", "firmware_id": "f"}


def page(number, ids, total, page_count):
    rows = [{"JobId": str(job_id), "JobStatus": "COMPLETED", "Tags": {"OtaTagDTO": []}} for job_id in ids]
    return success(Data={"SimpleOTAJobInfo": rows}, Total=total, PageCount=page_count, CurrentPage=number)


@pytest.mark.parametrize("platform", ["alibaba", "tuya"])
@pytest.mark.parametrize("response_format", ["json", "xml"])
def test_the_vendors_sample(ask, platform, response_format):
    asked = {"product_key": "a19mzPZ****", "firmware_id": "FJFx8JzpnhpIsKftRjjm03****", "device_name": "light"}
    options = {**asked, "platform": platform, "response_format": response_format}
    answer = response(sample(f"alibaba_ListOTAJobByDevice_en.{response_format}"))
    result, requests = ask(ota_device_jobs_info, options, answer)
    assert requests[0].params["DeviceName"] == "light"
    assert result["devices"] == [{"product_key": "a19mzPZ****", "device_name": "light", "found": True, "job_count": 1}]
    assert result["jobs"][0]["job_id"] == "HvKuBpuk3rdk6E92CPQN02****"
    assert result["jobs"][0]["device_name"] == "light"
    assert result["summary"] == {
        "total": 1,
        "devices": 1,
        "found": 1,
        "by_status": {"PLANNED": 0, "IN_PROGRESS": 1, "COMPLETED": 0, "CANCELED": 0},
    }
    hold_success(ota_device_jobs_info, result)


def test_devices_are_returned_in_order_with_all_its_pages(ask):
    answers = [
        page(1, range(100), 101, 2),
        page(2, [100], 101, 2),
        refused("iot.device.NotExistedDevice"),
        page(1, [], 0, 0),
    ]
    names = ["客厅", "*", "a b"]
    result, requests = ask(ota_device_jobs_info, {**ASKED, "device_names": names}, *answers)
    assert [request.params["DeviceName"] for request in requests] == ["客厅", "客厅", "*", "a b"]
    assert [(entry["device_name"], entry["found"], entry["job_count"]) for entry in result["devices"]] == [
        ("客厅", True, 101),
        ("*", False, 0),
        ("a b", True, 0),
    ]
    assert {job["device_name"] for job in result["jobs"]} == {"客厅"}
    assert (result["summary"]["total"], result["summary"]["found"]) == (101, 2)
    hold_success(ota_device_jobs_info, result)


def test_failure_keeps_what_was_read(ask):
    answers = [page(1, [1], 1, 1), refused("iot.prod.NotExistedProduct")]
    result, _requests = ask(ota_device_jobs_info, {**ASKED, "device_names": ["a", "b"]}, *answers)
    assert result["failure"]["code"] == "iot.prod.NotExistedProduct"
    assert "check product_key" in result["msg"]
    assert [entry["device_name"] for entry in result["devices"]] == ["a"]
    hold_failure(ota_device_jobs_info, result)


def test_only_summary(ask):
    options, answers = {**ASKED, "device_names": ["a", "b"]}, [page(1, [1], 1, 1), page(1, [], 0, 0)]
    whole, _requests = ask(ota_device_jobs_info, options, *answers)
    result, _requests = ask(ota_device_jobs_info, {**options, "only_summary": True}, *answers)
    assert result["summary"] == whole["summary"]
    hold_success(ota_device_jobs_info, result, left_out=("jobs", "devices"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device_names": []}, "device_names is empty"),
        ({"device_names": ["a", ""]}, "entry 2 of device_names is blank"),
        ({"device_names": ["a"], "firmware_id": ""}, "firmware_id is blank"),
        ({"device_names": ["a"], "product_key": ""}, "give the product_key too"),
    ],
)
def test_options_that_cannot_be_used(ask, options, words):
    result, _requests = ask(ota_device_jobs_info, {**ASKED, **options})
    assert words in result["msg"]
    assert result["failure"]["code"] == "invalid_option"
    hold_failure(ota_device_jobs_info, result)
