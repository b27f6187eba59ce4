# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, response, sample, success
from ansible_collections.iotfleet.ota.tests.unit.plugins.modules.conftest import hold_failure, hold_success

SAMPLES = {
    "alibaba_QueryOTAJob_en.json": "HvKuBpuk3rdk6E92CP****0200",
    "alibaba_QueryOTAJob_en.xml": "HvKuBpuk3rdk6E92CP****0200",
    "alibaba_QueryOTAJob_cn.json": "HvKuBpuk3rdk6E92CP****0200",
    "alibaba_QueryOTAJob_cn.xml": "HvKuBpuk3rdk6E92CP****0200",
    "tuya_QueryOTAJob.json": "183415776199966****",
}


def job(job_id, status="IN_PROGRESS", **more):
    return success(Data={"JobId": job_id, "JobStatus": status, **more})


@pytest.mark.parametrize("name", SAMPLES)
def test_the_vendors_samples(ask, name):
    platform, response_format = name.partition("_")[0], name.rpartition(".")[2]
    options = {"platform": platform, "response_format": response_format, "job_ids": [SAMPLES[name]]}
    result, requests = ask(ota_job_info, options, response(sample(name)))
    assert requests[0].method == ("GET" if platform == "tuya" else "POST")
    (facts,) = result["jobs"]
    assert facts["found"] is True
    assert facts["finished"] is (platform == "tuya")
    assert facts["dest_version"] == ("2.8" if platform == "tuya" else "1.0.1")
    hold_success(ota_job_info, result)


def test_every_documented_field(ask):
    answer = job(
        "1",
        DestVersion="1.0.1",
        DynamicMode=1,
        GrayPercent="50.00",
        SrcVersions={"SrcVersion": ["1.0.0"]},
        Tags={"OtaTagDTO": [{"Key": "key1", "Value": "value1"}]},
        NeedPush=True,
    )
    result, _requests = ask(ota_job_info, {"job_id": "1"}, answer)
    assert result["jobs"][0]["tags"] == [{"key": "key1", "value": "value1"}]
    hold_success(ota_job_info, result)


def test_jobs_are_returned_in_order(ask):
    answers = [job("3", "COMPLETED"), refused("iot.ota.JobNotFound"), job("1", "CANCELED"), job("3", "PLANNED")]
    result, requests = ask(ota_job_info, {"job_ids": ["3", "2", "1", "3"]}, *answers)
    assert [request.params["JobId"] for request in requests] == ["3", "2", "1", "3"]
    assert [entry["job_id"] for entry in result["jobs"]] == ["3", "2", "1", "3"]
    assert [entry["found"] for entry in result["jobs"]] == [True, False, True, True]
    assert [entry["finished"] for entry in result["jobs"]] == [True, False, True, False]
    assert result["summary"] == {
        "total": 4,
        "found": 3,
        "finished": 2,
        "completed": 1,
        "by_status": {"PLANNED": 1, "IN_PROGRESS": 0, "COMPLETED": 1, "CANCELED": 1},
    }
    hold_success(ota_job_info, result)


def test_an_unknown_status_is_not_finished(ask):
    result, _requests = ask(ota_job_info, {"job_id": "1"}, job("1", "SURPRISE"))
    assert result["jobs"][0]["finished"] is False
    assert result["summary"]["by_status"]["SURPRISE"] == 1
    assert result["summary"]["finished"] == 0


def test_unknown_field_is_returned(ask):
    result, _requests = ask(ota_job_info, {"job_id": "1"}, job("1", NewField={"InnerField": 1}))
    assert result["jobs"][0]["new_field"] == {"inner_field": 1}


def test_failure_keeps_what_was_read(ask):
    answers = [job("1", "COMPLETED"), refused("NoPermission", "not you", 403)]
    result, _requests = ask(ota_job_info, {"job_ids": ["1", "2", "3"]}, *answers)
    assert result["msg"] == (
        'QueryOTAJob failed: the service refused the request with NoPermission (HTTP 403) and says "not you";'
        " ask the account's administrator to allow this action for the user or role of the access key;"
        " the key comes from the options (request ID R-2)."
        " 1 of 3 inputs were read."
    )
    assert result["failure"] == {
        "action": "QueryOTAJob",
        "attempts": 1,
        "code": "NoPermission",
        "hint": "ask the account's administrator to allow this action for the user or role of the access key;"
        " the key comes from the options",
        "credentials_source": "options",
        "http_status": 403,
        "message": "not you",
        "request_id": "R-2",
    }
    assert [entry["job_id"] for entry in result["jobs"]] == ["1"]
    hold_failure(ota_job_info, result)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"job_ids": []}, "invalid_option", "No request was sent: job_ids is empty;"),
        ({"job_ids": [" "]}, "invalid_option", "entry 1 of job_ids is blank"),
        ({"job_ids": ["1"], "access_key_secret": None}, "missing_credentials", "access_key_secret is missing"),
        ({"job_ids": ["1"], "platform": "tuya", "endpoint": None}, "missing_endpoint", "OTA_ENDPOINT"),
        ({"job_ids": ["1"], "endpoint": None, "region": "mars"}, "unknown_region", "choose one of cn-shanghai"),
        ({"job_ids": ["1"], "timeout": 0}, "invalid_option", "timeout is 0.0"),
    ],
)
def test_options_that_cannot_be_used(ask, options, code, words):
    result, _requests = ask(ota_job_info, options)
    assert words in result["msg"]
    assert result["failure"]["code"] == code
    assert result["failure"]["action"] is None
    hold_failure(ota_job_info, result)


@pytest.mark.parametrize("options", [{}, {"job_ids": ["1"], "platform": "azure"}, {"job_ids": ["1"], "retries": "x"}])
def test_option_that_ansible_refuses_has_a_failure(ask, options):
    result, _requests = ask(ota_job_info, options)
    assert result["failed"] is True
    assert result["failure"]["code"] == "invalid_option"
    assert result["failure"]["message"] == result["msg"]


def test_credentials_of_the_environment_are_masked(ask, monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "key-id")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "canary-secret")
    options = {"job_id": "1", "access_key_id": None, "access_key_secret": None}
    result, requests = ask(ota_job_info, options, job("1", JobDesc="uses canary-secret"))
    assert requests[0].params["AccessKeyId"] == "key-id"
    assert result["jobs"][0]["job_desc"] == "uses ********"
