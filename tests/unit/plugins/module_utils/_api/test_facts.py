# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import sys
import time

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import decode, read_object, read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import no_facts, read_fields, tally
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.jobs import failure_class, percent
from ansible_collections.iotfleet.ota.tests.unit.fakes import sample
from hypothesis import given
from hypothesis import strategies as st

JOB_EN = {
    "dest_version": "1.0.1",
    "download_protocol": None,
    "dynamic_mode": None,
    "firmware_id": "UfuxnwygsuSkVE0VCN****0100",
    "gray_percent": None,
    "group_id": None,
    "group_name": None,
    "job_desc": "batch upgrade",
    "job_id": "HvKuBpuk3rdk6E92CP****0200",
    "job_status": "IN_PROGRESS",
    "job_type": "UPGRADE_FIRMWARE",
    "maximum_per_minute": 1000,
    "multi_module_mode": None,
    "name": "firmware2",
    "need_confirm": None,
    "need_push": None,
    "overwrite_mode": 1,
    "product_key": "a19mzPZ****",
    "retry_count": 1,
    "retry_interval": 60,
    "selection_type": "STATIC",
    "src_versions": ["1.0.0"],
    "tags": [],
    "target_selection": "SPECIFIC",
    "timeout_in_minutes": 5,
    "utc_create": "2019-12-28T02:43:10.000Z",
    "utc_end_time": "2019-12-29T02:43:10.000Z",
    "utc_modified": "2019-12-28T02:43:10.000Z",
    "utc_schedule_finish_time": None,
    "utc_schedule_time": None,
    "utc_start_time": "2019-12-28T02:43:10.000Z",
}
JOB_CN = {
    **JOB_EN,
    "download_protocol": "HTTPS",
    "group_id": "",
    "group_name": "",
    "multi_module_mode": True,
    "need_confirm": True,
    "need_push": False,
}
JOB_TUYA = {
    **dict.fromkeys(JOB_EN),
    "dest_version": "2.8",
    "download_protocol": "HTTPS",
    "firmware_id": "126",
    "gray_percent": "10",
    "job_id": "183415776199966****",
    "job_status": "COMPLETED",
    "job_type": "UPGRADE_FIRMWARE",
    "name": "Test",
    "need_confirm": False,
    "need_push": True,
    "overwrite_mode": 0,
    "product_key": "k1h9drZ****",
    "retry_count": 1,
    "retry_interval": 61,
    "selection_type": "STATIC",
    "src_versions": [],
    "tags": [],
    "target_selection": "GRAY",
    "timeout_in_minutes": 1,
    "utc_create": "2024-09-12T09:11:02.131Z",
    "utc_modified": "2024-09-12T09:11:02.131Z",
}


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("alibaba_QueryOTAJob_en.json", JOB_EN),
        ("alibaba_QueryOTAJob_en.xml", JOB_EN),
        ("alibaba_QueryOTAJob_cn.json", JOB_CN),
        ("alibaba_QueryOTAJob_cn.xml", JOB_CN),
        ("tuya_QueryOTAJob.json", JOB_TUYA),
    ],
)
def test_the_vendors_samples_of_a_job(name, facts):
    envelope = decode(sample(name), name.rpartition(".")[2])
    assert envelope.success is True
    assert envelope.code == ""
    assert len(envelope.request_id) == 36
    assert read_object(QUERY_OTA_JOB, envelope) == facts


@pytest.mark.parametrize("response_format", ["json", "xml"])
def test_the_vendors_sample_of_a_devices_jobs(response_format):
    envelope = decode(sample(f"alibaba_ListOTAJobByDevice_en.{response_format}"), response_format)
    assert (envelope.total, envelope.page, envelope.page_count) == (1, 1, 1)
    assert read_rows(LIST_OTA_JOB_BY_DEVICE, envelope) == [
        {
            "firmware_id": "FJFx8JzpnhpIsKftRjjm03****",
            "job_id": "HvKuBpuk3rdk6E92CPQN02****",
            "job_status": "IN_PROGRESS",
            "job_type": "UPGRADE_FIRMWARE",
            "product_key": "a19mzPZ****",
            "selection_type": "STATIC",
            "tags": [],
            "target_selection": "SPECIFIC",
            "utc_create": "2019-12-28T02:43:10.000Z",
            "utc_end_time": None,
            "utc_modified": "2019-12-28T02:43:10.000Z",
            "utc_start_time": "2019-12-28T02:43:10.000Z",
        }
    ]


def test_the_vendors_sample_of_a_devices_unfinished_tasks():
    envelope = decode(sample("tuya_ListOTAUnfinishedTaskByDevice.json"), "json")
    assert envelope.total is None
    assert read_rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, envelope) == [
        {
            "dest_version": "3.9.0",
            "device_name": "device_actived",
            "firmware_id": "123",
            "iot_id": "OZs5tjTkzRRTZSCekmbRk1****",
            "job_id": "183371207742901****",
            "module_name": "ble",
            "product_key": "k1h9drZ****",
            "product_name": "testProduct1",
            "src_version": "1.8",
            "task_id": "183371207782747****",
            "task_status": "NOTIFIED",
            "utc_create": "2024-09-11T03:40:02.734Z",
            "utc_modified": "2024-09-11T06:27:24.649Z",
        }
    ]


def job(data, response_format="json"):
    """The facts that a successful answer with ``data`` holds."""
    if response_format == "json":
        body = json.dumps({"Success": True, "Data": data})
    else:
        body = f"<QueryOTAJobResponse><Success>true</Success><Data>{data}</Data></QueryOTAJobResponse>"
    return read_object(QUERY_OTA_JOB, decode(body.encode(), response_format))


@pytest.mark.parametrize(
    ("wire", "name", "value", "fact"),
    [
        ("JobId", "job_id", 1836340779212660001, "1836340779212660001"),
        ("JobID", "job_id", "1", "1"),
        ("GrayPercent", "gray_percent", 50, "50"),
        ("GrayPercent", "gray_percent", "50.00", "50.00"),
        ("GroupId", "group_id", "", ""),
        ("GroupId", "group_id", None, None),
        ("RetryCount", "retry_count", "3", 3),
        ("RetryCount", "retry_count", " 3 ", 3),
        ("RetryCount", "retry_count", 3.0, 3),
        ("RetryCount", "retry_count", "", None),
        ("RetryCount", "retry_count", "many", "many"),
        ("NeedPush", "need_push", "True", True),
        ("NeedPush", "need_push", "false", False),
        ("NeedPush", "need_push", "", None),
        ("NeedPush", "need_push", "maybe", "maybe"),
        ("JobStatus", "job_status", "COMPLETE", "COMPLETED"),
        ("JobStatus", "job_status", " CANCELLED ", "CANCELED"),
        ("JobStatus", "job_status", "SURPRISE", "SURPRISE"),
        ("JobStatus", "job_status", "Completed", "COMPLETED"),
        ("JobDesc", "job_desc", "half of a \ud83d", "half of a ?"),
        ("JobDesc", "job_desc", "whole \U0001f600", "whole \U0001f600"),
        ("JobType", "job_type", "VERFIY_FIRMWARE", "VERIFY_FIRMWARE"),
        ("SrcVersions", "src_versions", {"SrcVersion": ["1", "2"]}, ["1", "2"]),
        ("SrcVersions", "src_versions", {"srcVersion": "1"}, ["1"]),
        ("SrcVersions", "src_versions", ["1"], ["1"]),
        ("SrcVersions", "src_versions", {}, []),
        ("SrcVersions", "src_versions", {"SrcVersion": None}, []),
        ("Tags", "tags", {"OtaTagDTO": {"Key": "k", "Value": "v"}}, [{"key": "k", "value": "v"}]),
        ("Tags", "tags", {"otaTagDTO": [{"key": "客厅", "value": ""}]}, [{"key": "客厅", "value": ""}]),
        ("FooBarURL", "foo_bar_url", {"InnerName": [{"DeepName": 1}]}, {"inner_name": [{"deep_name": 1}]}),
    ],
)
def test_fields(wire, name, value, fact):
    assert job({wire: value, "Name": "n"})[name] == fact


@pytest.mark.parametrize(
    ("data", "name", "fact"),
    [
        ("<JobId>1836340779212660001</JobId>", "job_id", "1836340779212660001"),
        ("<GroupId></GroupId>", "group_id", ""),
        ("<GroupId/>", "group_id", ""),
        ("<Name> a &amp; &lt;b&gt; 客厅 </Name>", "name", " a & <b> 客厅 "),
        ("<RetryCount></RetryCount><Name>n</Name>", "retry_count", None),
        ("<NeedPush>true</NeedPush>", "need_push", True),
        ("<SrcVersions><SrcVersion>1</SrcVersion></SrcVersions>", "src_versions", ["1"]),
        ("<SrcVersions><SrcVersion>1</SrcVersion><SrcVersion>2</SrcVersion></SrcVersions>", "src_versions", ["1", "2"]),
        ("<SrcVersions>\n</SrcVersions><Name>n</Name>", "src_versions", []),
        ("<Tags><OtaTagDTO><Key>k</Key><Value/></OtaTagDTO></Tags>", "tags", [{"key": "k", "value": ""}]),
        ('<Name lang="en">n</Name>', "name", "n"),
        ("<Extra><Inner>1</Inner></Extra>", "extra", {"inner": "1"}),
    ],
)
def test_fields_in_xml(data, name, fact):
    assert job(data, "xml")[name] == fact


def test_of_two_spellings_the_one_that_holds_something_counts():
    assert job({"JobID": None, "JobId": "1"})["job_id"] == "1"
    assert job({"JobID": "1", "JobId": None})["job_id"] == "1"


@pytest.mark.parametrize("data", [None, {}, [], "", " "])
def test_a_successful_answer_without_an_object(data):
    assert job(data) is None


@pytest.mark.parametrize("data", ["", "\n  "])
def test_a_successful_answer_without_an_object_in_xml(data):
    assert job(data, "xml") is None


def test_no_facts_have_all_keys():
    facts = no_facts(QUERY_OTA_JOB)
    assert facts.keys() == JOB_EN.keys()
    assert {name: value for name, value in facts.items() if value is not None} == {"src_versions": [], "tags": []}


def rows(data):
    body = json.dumps({"Success": True, "Data": data}).encode()
    return [row["task_id"] for row in read_rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, decode(body, "json"))]


@pytest.mark.parametrize(
    ("data", "task_ids"),
    [
        ({"SimpleOTATaskInfo": [{"TaskId": "1"}, {"TaskId": "2"}]}, ["1", "2"]),
        ({"simpleOTATaskInfo": {"taskId": 1}}, ["1"]),
        ([{"TaskID": "1"}], ["1"]),
        ({"SimpleOTATaskInfo": []}, []),
        ({"SimpleOTATaskInfo": None}, []),
        ({}, []),
        ([], []),
        ("", []),
        (None, []),
    ],
)
def test_rows(data, task_ids):
    assert rows(data) == task_ids


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"SimpleOTAJobInfo": []}, "it holds no SimpleOTATaskInfo"),
        ("surprise", "its SimpleOTATaskInfo is not a list of objects"),
        ({"SimpleOTATaskInfo": ["surprise"]}, "its SimpleOTATaskInfo is not a list of objects"),
        ({"SimpleOTATaskInfo": [{"TaskId": {"a": 1}}]}, "its task_id is not text"),
        (7, "its SimpleOTATaskInfo is not a list of objects"),
    ],
)
def test_rows_that_cannot_be_read_are_not_taken_for_none(data, reason):
    with pytest.raises(OtaError) as error:
        rows(data)
    assert error.value.cause == f"the answer cannot be read, {reason}"


def test_an_object_that_is_none_is_an_error():
    with pytest.raises(OtaError, match="its data is not an object"):
        job([{"JobId": "1"}])


@pytest.mark.parametrize(
    ("body", "response_format", "code", "cause", "retry"),
    [
        (b"", "json", "empty_answer", "the answer is empty", Retry.LATER),
        (b" \r\n", "xml", "empty_answer", "the answer is empty", Retry.LATER),
        (b"<!DOCTYPE html><html>", "json", "html_answer", "the answer is a web page", Retry.NEVER),
        (b"<?xml version='1.0'?><html/>", "xml", "html_answer", "the answer is a web page", Retry.NEVER),
        (
            b"<R><Success>true</Success></R>",
            "json",
            "xml_answer",
            "the answer is XML although JSON was asked for",
            Retry.NEVER,
        ),
        (b'{"Success": true}', "xml", "json_answer", "the answer is JSON although XML was asked for", Retry.NEVER),
        (b'{"Success": true, "Data": {"JobI', "json", "cut_answer", "the answer ends in the middle", Retry.LATER),
        (b'{"Success": true, "Data": {}', "json", "cut_answer", "the answer ends in the middle", Retry.LATER),
        (b'{"Success": true,, "Data": {}}', "json", "unreadable_answer", "it is not valid JSON", Retry.NEVER),
        (b"<head><title>Welcome</title></head>", "json", "html_answer", "the answer is a web page", Retry.NEVER),
        (b'<?xml version="1.0" encoding="foo"?><R/>', "xml", "unreadable_answer", "it is not valid XML", Retry.NEVER),
        (b"<R>" * 3000 + b"</R>" * 3000, "xml", "unreadable_answer", "cannot be read", Retry.NEVER),
        (b'{"a":' * 600 + b"1" + b"}" * 600, "json", "unreadable_answer", "it is nested too deep", Retry.NEVER),
        (b'{"Code": {"a": 1}}', "json", "unreadable_answer", "its code is not text", Retry.NEVER),
        (b"<R><Code>a</Code><Code>b</Code></R>", "xml", "unreadable_answer", "its code is not text", Retry.NEVER),
        (b'{"requestId": []}', "json", "unreadable_answer", "its request_id is not text", Retry.NEVER),
        (b"<R><Success>true</Success><Da", "xml", "cut_answer", "the answer ends in the middle", Retry.LATER),
        (b"<R><Success>true</Success>", "xml", "cut_answer", "the answer ends in the middle", Retry.LATER),
        (b"<R><a></b></R>", "xml", "unreadable_answer", "it is not valid XML", Retry.NEVER),
        (b"upstream connect error", "json", "unreadable_answer", "it is not valid JSON", Retry.NEVER),
        (b"\xff\xfe{}", "json", "unreadable_answer", "it is not valid JSON", Retry.NEVER),
        (b"[" * 100_000, "json", "unreadable_answer", "it is not valid JSON", Retry.NEVER),
        (b"[]", "json", "unreadable_answer", "it is not an object", Retry.NEVER),
        (b"<R/>", "xml", "unreadable_answer", "it is not an object", Retry.NEVER),
        (b'{"Total": "many"}', "json", "unreadable_answer", "its total is not a number", Retry.NEVER),
        (b'{"PageCount": -1}', "json", "unreadable_answer", "its page_count is not a number", Retry.NEVER),
        (
            b'<!DOCTYPE x [<!ENTITY a "b">]><R><Success>&a;</Success></R>',
            "xml",
            "unreadable_answer",
            "it declares a document type",
            Retry.NEVER,
        ),
    ],
)
def test_what_is_no_answer(body, response_format, code, cause, retry):
    with pytest.raises(OtaError) as error:
        decode(body, response_format)
    assert error.value.code == code
    assert cause in error.value.cause
    assert error.value.retry is retry


def test_an_answer_may_leave_out_its_envelope():
    envelope = decode(b"{}", "json")
    assert envelope.success is None
    assert (envelope.code, envelope.message, envelope.request_id, envelope.total) == ("", "", None, None)


@pytest.mark.parametrize(
    ("body", "response_format"),
    [
        (b'{"RequestId": "R", "HostId": "h", "Code": "Throttling", "Message": "slow"}', "json"),
        (b'{"requestId": "R", "success": false, "code": "Throttling", "errorMessage": "slow"}', "json"),
        (b"<Error><RequestId>R</RequestId><Code>Throttling</Code><Message>slow</Message></Error>", "xml"),
    ],
)
def test_a_refusal(body, response_format):
    envelope = decode(body, response_format)
    assert envelope.success is not True
    assert (envelope.code, envelope.message, envelope.request_id) == ("Throttling", "slow", "R")


def test_xml_needs_xmltodict(monkeypatch):
    monkeypatch.setitem(sys.modules, "xmltodict", None)
    with pytest.raises(MissingLibraryError) as error:
        decode(b"<R/>", "xml")
    assert error.value.library == "xmltodict"


def test_json_does_not_need_xmltodict(monkeypatch):
    monkeypatch.setitem(sys.modules, "xmltodict", None)
    assert decode(b'{"Success": true}', "json").success is True


def test_tally():
    words = [{"s": "A"}, {"s": "A"}, {"s": "SURPRISE"}, {"s": None}]
    assert tally(words, "s", ("A", "B")) == {"A": 2, "B": 0, "SURPRISE": 1, "null": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["Success", "data", "Data", "SimpleOTATaskInfo", "TaskId", "Total", "Code"]),
            inner,
        )
    ),
)


# Whatever comes, it is read or refused: no other exception than OtaError may leave.


@given(JSON)
def test_any_json(content):
    with contextlib.suppress(OtaError):
        envelope = decode(json.dumps(content).encode(), "json")
        read_rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, envelope)
        read_object(QUERY_OTA_JOB, envelope)


@given(st.sampled_from(["Success", "Code", "Message", "ErrorMessage", "RequestId", "Total", "PageCount", "Data"]), JSON)
def test_any_json_in_any_field_of_the_envelope(name, content):
    with contextlib.suppress(OtaError):
        envelope = decode(json.dumps({"Success": True, name: content}).encode(), "json")
        assert isinstance(envelope.code + envelope.message, str)


@given(st.sampled_from([field.wire for field in LIST_OTA_JOB_BY_DEVICE.fields]), JSON)
def test_any_json_in_any_field_of_a_row(name, content):
    body = json.dumps({"Success": True, "Data": {"SimpleOTAJobInfo": [{name: content}]}}).encode()
    with contextlib.suppress(OtaError):
        (row,) = read_rows(LIST_OTA_JOB_BY_DEVICE, decode(body, "json"))
        assert isinstance(row["job_id"], (str, type(None)))
        json.dumps(row, ensure_ascii=False).encode()


@given(st.binary(), st.sampled_from(["json", "xml"]))
def test_any_body(body, response_format):
    with contextlib.suppress(OtaError):
        decode(b"<R>" + body + b"</R>" if response_format == "xml" else body, response_format)


# --- Tasks -----------------------------------------------------------------------------------------------------------


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
def test_a_progress_as_a_number(text, number):
    assert percent(text) == number


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("-1: the upgrade failed", "upgrade"),
        ("-2: the download failed", "download"),
        ('{"step":"-3","desc":"x"}', "verify"),
        ("step=-4", "flash"),
        ("timeout: the device did not finish in time", "timeout"),
        ("the device reports version 1.0", "wrong_version"),
        ("the device is being upgraded by another batch: 1", "superseded"),
        ("overwritten", "superseded"),
        ("固件下载失败", "download"),
        ("download of version 2.0 failed", "download"),
        ("固件版本校验失败", "verify"),
        ("the step code is -2.", "download"),
        ("the device is busy with another update", "superseded"),
        ("升级超时", "timeout"),
        ("-12", "other"),
        ("model a-1b", "other"),
        ("1.0-2.0", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_the_class_of_a_failure(description, name):
    assert failure_class("FAILED", description) == name


@pytest.mark.parametrize("status", ["SUCCEEDED", "CANCELED", "QUEUED", None, "ODD"])
def test_what_has_not_failed_has_no_class(status):
    assert failure_class(status, "-1") is None


# --- Links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "https://x.example.com/a.bin?Expires=1&OSSAccessKeyId=STS.x&Signature=canary%3D",
        "https://x.example.com/a.bin?canary=",
        "https:\\/\\/x.example.com\\/a.bin?Signature=canary",
        "https%3A%2F%2Fx.example.com%2Fa.bin%3FSignature%3Dcanary",
        "x.example.com/a.bin?Signature=canary",
        "https://x.example.com/a;Signature=canary",
        "https://user:canary@x.example.com/a",
        "x-SecurityToken=canary",
    ],
)
def test_a_link_that_may_be_signed_is_left_out(link):
    row = {"TaskId": link, "TaskStatus": link, "TaskDesc": f'got "{link}" <{link}>, so', "Extra": [{"Deep": link}]}
    facts = read_fields(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.fields, row)
    assert "canary" not in str(facts).lower()
    assert (facts["task_id"], facts["task_status"], facts["extra"]) == (None, None, [{"deep": None}])
    assert facts["task_desc"] == 'got "***" <***>, so'


@pytest.mark.parametrize("text", ["a = b", "50 %", "https://x.example.com/a", "me@example.com", "1.0=>2.0", "客厅?"])
def test_other_text_stays(text):
    assert read_fields(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.fields, {"TaskDesc": text})["task_desc"] == text


@pytest.mark.parametrize("piece", ["a", "://", "=", "%3", "https://x?", "a=b "])
def test_long_text_is_read_in_time(piece):
    began = time.monotonic()
    read_fields(LIST_OTA_UNFINISHED_TASK_BY_DEVICE.fields, {"TaskDesc": piece * 300_000 + "="})
    assert time.monotonic() - began < 20
