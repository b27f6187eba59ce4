# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import decode_body, read_object, read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.facts import count_by, no_facts, read_fields
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_TASK_BY_JOB,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.schema import snake_case
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.tests.unit.fakes import sample

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
def test_samples_of_a_job(name, facts):
    envelope = decode_body(sample(name), name.rpartition(".")[2])
    assert envelope.success is True
    assert envelope.code == ""
    assert len(envelope.request_id) == 36
    assert read_object(QUERY_OTA_JOB, envelope) == facts


@pytest.mark.parametrize("response_format", ["json", "xml"])
def test_sample_of_a_devices_jobs(response_format):
    envelope = decode_body(sample(f"alibaba_ListOTAJobByDevice_en.{response_format}"), response_format)
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


def test_sample_of_a_devices_unfinished_tasks():
    envelope = decode_body(sample("tuya_ListOTAUnfinishedTaskByDevice.json"), "json")
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
    return read_object(QUERY_OTA_JOB, decode_body(body.encode(), response_format))


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
        ("RetryCount", "retry_count", "many", None),
        ("RetryCount", "retry_count", "3.0", 3),
        ("RetryCount", "retry_count", "-3", -3),
        ("RetryCount", "retry_count", 3.5, None),
        ("RetryCount", "retry_count", True, None),
        ("RetryCount", "retry_count", [3], None),
        ("RetryCount", "retry_count", 10**19 - 1, 10**19 - 1),
        ("RetryCount", "retry_count", 10**400, None),
        ("RetryCount", "retry_count", math.nan, None),
        ("RetryCount", "retry_count", math.inf, None),
        ("RetryCount", "retry_count", "1e999", None),
        ("RetryCount", "retry_count", "1_000", None),
        ("NeedPush", "need_push", "True", True),
        ("NeedPush", "need_push", "false", False),
        ("NeedPush", "need_push", "", None),
        ("NeedPush", "need_push", "maybe", None),
        ("NeedPush", "need_push", 1, True),
        ("NeedPush", "need_push", "0", False),
        ("NeedPush", "need_push", {"a": 1}, None),
        ("DestVersion", "dest_version", 2, "2"),
        ("DestVersion", "dest_version", True, None),
        ("DestVersion", "dest_version", ["2"], None),
        ("DestVersion", "dest_version", math.nan, None),
        ("DestVersion", "dest_version", "2" * 4096, "2" * 4096),
        ("DestVersion", "dest_version", "2" * 4097, None),
        ("JobDesc", "job_desc", "so " * 2000, "so " * 1364 + "…"),
        ("JobDesc", "job_desc", "so" * 3000, "…"),
        ("JobDesc", "job_desc", {"so": 1}, None),
        ("JobStatus", "job_status", ["COMPLETED"], None),
        ("JobType", "job_type", 7, None),
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
        ("SrcVersions", "src_versions", {"SrcVersion": ["1", None]}, ["1"]),
        ("Tags", "tags", {"OtaTagDTO": {"Key": "k", "Value": "v"}}, [{"key": "k", "value": "v"}]),
        ("Tags", "tags", {"otaTagDTO": [{"key": "客厅", "value": ""}]}, [{"key": "客厅", "value": ""}]),
        ("Tags", "tags", {"Surprise": [{"Key": "k"}]}, []),
        ("Tags", "tags", {"OtaTagDTO": [{"Key": "k", "Value": 1}, "surprise"]}, [{"key": "k", "value": "1"}]),
        ("FooBarURL", "foo_bar_url", {"InnerName": [{"DeepName": 1}]}, {"inner_name": [{"deep_name": 1}]}),
        ("Foo", "foo", [1, True, None, 10**400, 1.5, "x"], [1, True, None, "1" + "0" * 400, "1.5", "x"]),
        ("Foo", "foo", {"Bar": "so " * 2000}, {"bar": "so " * 1364 + "…"}),
        ("A" * 200, "a" * 99 + "…", 1, 1),
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
        ("<Name> a &amp; &lt;b&gt; 客厅 </Name>", "name", "a & <b> 客厅"),
        ("<JobId>\n  7\n</JobId>", "job_id", "7"),
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


def test_no_text_and_no_name_is_more_than_that():
    hostile = {"__ansible_type": "{{ a }}", "{{ b }}": ["\x1b[2J", {"##[x]": "##[y]", "n": 1}], "::C::": None}
    facts = job(
        {"JobDesc": "::x::\n\u202e", "Tags": {"OtaTagDTO": [{"Key": "{% k", "Odd__": {"__x": "#jinja2:"}}]}, **hostile}
    )
    assert facts["job_desc"] == ": :x:: \ufffd"
    assert facts["tags"] == [{"key": "{ % k", "value": None, "odd__": {"x": "# jinja2:"}}]
    assert facts.keys() - JOB_EN.keys() == {"ansible_type", "{ { b }}", ": :c::"}
    assert facts["ansible_type"] == "{ { a }}"
    assert facts["{ { b }}"] == ["\ufffd[2J", {"# #[x]": "# #[y]", "n": 1}]


def test_an_undocumented_name_hides_no_fact():
    assert job({"__job_id": "2", "JobId": "1", "x" * 200: 1}).items() >= {"job_id": "1", "x" * 99 + "…": 1}.items()


@pytest.mark.parametrize(("number", "text"), [("1.10", "1.10"), ("1e999", "1e999"), ("9" * 30, "9" * 30)])
def test_a_number_in_place_of_a_text_keeps_its_digits(number, text):
    body = f'{{"Success": true, "Data": {{"DestVersion": {number}, "Odd": {number}}}}}'
    facts = read_object(QUERY_OTA_JOB, decode_body(body.encode(), "json"))
    assert (facts["dest_version"], facts["odd"]) == (text, text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_nothing(number):
    body = f'{{"Success": true, "Data": {{"DestVersion": {number}, "RetryCount": {number}, "Odd": [{number}]}}}}'
    facts = read_object(QUERY_OTA_JOB, decode_body(body.encode(), "json"))
    assert (facts["dest_version"], facts["retry_count"], facts["odd"]) == (None, None, [None])


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("JobId", ["1"]),
        ("ProductKey", {"a": "1"}),
        ("FirmwareId", []),
        ("SelectionType", ["DYNAMIC"]),
        ("SelectionType", 7),
        ("ProductKey", True),
        ("ProductKey", math.nan),
        ("SrcVersions", {"SrcVersion": ["1", ["2"]]}),
        ("SrcVersions", {"Surprise": ["1"]}),
        ("JobId", "https://x.example.com/a.bin?Signature=canary"),
    ],
)
def test_a_vital_field_of_another_type_costs_the_answer(wire, value):
    """Left out, it would let the rest prove more than it does."""
    with pytest.raises(OtaError) as error:
        job({wire: value})
    assert error.value.code == "unreadable_response"
    assert error.value.cause == f"the response cannot be read: its {snake_case(wire)} is not text"


def test_spelling_that_has_a_value_counts():
    assert job({"JobID": None, "JobId": "1"})["job_id"] == "1"
    assert job({"JobID": "1", "JobId": None})["job_id"] == "1"


def test_no_facts_has_all_keys():
    facts = no_facts(QUERY_OTA_JOB)
    assert facts.keys() == JOB_EN.keys()
    assert {name: value for name, value in facts.items() if value is not None} == {"src_versions": [], "tags": []}


def test_rows_are_counted_by_word():
    words = [{"s": "A"}, {"s": "A"}, {"s": "SURPRISE"}, {"s": None}]
    assert count_by(words, "s", ("A", "B")) == {"A": 2, "B": 0, "SURPRISE": 1, "null": 1}


def test_what_is_counted_is_no_more_than_a_word():
    rows = read_rows_of({"TaskStatus": status} for status in ("__ansible_type", "{{ x }}", {"a": "::b"}, "\x1b"))
    assert count_by(rows, "task_status", ()) == {
        "ANSIBLE_TYPE": 1,
        "{ { X }}": 1,
        "null": 1,
        "\ufffd": 1,
    }


def read_rows_of(rows):
    return [read_fields(LIST_OTA_TASK_BY_JOB.fields, row) for row in rows]
