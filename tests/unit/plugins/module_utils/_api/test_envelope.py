# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
import sys

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import decode_body, read_object, read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import (
    LIST_OTA_JOB_BY_DEVICE,
    LIST_OTA_UNFINISHED_TASK_BY_DEVICE,
    QUERY_OTA_JOB,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from hypothesis import given
from hypothesis import strategies as st


def job(data, response_format="json"):
    """The facts that a successful answer with ``data`` holds."""
    if response_format == "json":
        body = json.dumps({"Success": True, "Data": data})
    else:
        body = f"<QueryOTAJobResponse><Success>true</Success><Data>{data}</Data></QueryOTAJobResponse>"
    return read_object(QUERY_OTA_JOB, decode_body(body.encode(), response_format))


@pytest.mark.parametrize("data", [None, {}, [], "", " "])
def test_success_without_an_object(data):
    assert job(data) is None


@pytest.mark.parametrize("data", ["", "\n  "])
def test_success_without_an_object_in_xml(data):
    assert job(data, "xml") is None


def task_ids_in(data):
    body = json.dumps({"Success": True, "Data": data}).encode()
    return [row["task_id"] for row in read_rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, decode_body(body, "json"))]


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
    assert task_ids_in(data) == task_ids


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"SimpleOTAJobInfo": []}, "it holds no SimpleOTATaskInfo"),
        ("surprise", "its SimpleOTATaskInfo is not a list of objects"),
        ({"SimpleOTATaskInfo": ["surprise"]}, "its SimpleOTATaskInfo is not a list of objects"),
        ({"SimpleOTATaskInfo": [{"TaskId": {"a": 1}}]}, "its task_id is not text"),
        ({"SimpleOTATaskInfo": [{"TaskId": "7", "DeviceName": ["d-1"]}]}, "its device_name is not text"),
        ({"SimpleOTATaskInfo": [{"TaskId": "7" * 4097}]}, "its task_id is not text"),
        ({"SimpleOTATaskInfo": [{}] * 1001}, "it holds 1001 rows"),
        (7, "its SimpleOTATaskInfo is not a list of objects"),
    ],
)
def test_unreadable_rows_are_not_taken_for_none(data, reason):
    with pytest.raises(OtaError) as error:
        task_ids_in(data)
    assert error.value.cause == f"the response cannot be read: {reason}"


def test_data_that_is_no_object_is_an_error():
    with pytest.raises(OtaError, match="its data is not an object"):
        job([{"JobId": "1"}])


@pytest.mark.parametrize(
    ("body", "response_format", "code", "cause", "retry"),
    [
        (b"", "json", "empty_response", "the response is empty", Retry.LATER),
        (b" \r\n", "xml", "empty_response", "the response is empty", Retry.LATER),
        (b"<!DOCTYPE html><html>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b"<?xml version='1.0'?><html/>", "xml", "html_response", "the response is a web page", Retry.NEVER),
        (
            b"<R><Success>true</Success></R>",
            "json",
            "xml_response",
            "the response is XML although JSON was requested",
            Retry.NEVER,
        ),
        (b'{"Success": true}', "xml", "json_response", "the response is JSON although XML was requested", Retry.NEVER),
        (b'{"Success": true, "Data": {"JobI', "json", "cut_response", "the response is truncated", Retry.LATER),
        (b'{"Success": true, "Data": {}', "json", "cut_response", "the response is truncated", Retry.LATER),
        (
            b'{"Success": true,, "Data": {}}',
            "json",
            "unreadable_response",
            "the response cannot be read: it is not valid JSON",
            Retry.NEVER,
        ),
        (b"<head><title>Welcome</title></head>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b"\xef\xbb\xbf\n<html>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b"<!-- " + b"x" * 300 + b" --><html>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b"<script>location = 'x'</script>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b'<meta http-equiv="refresh">', "json", "html_response", "the response is a web page", Retry.NEVER),
        (
            b"<?xml version='1.0'?>\n<!DOCTYPE HTML PUBLIC><HTML>",
            "json",
            "html_response",
            "the response is a web page",
            Retry.NEVER,
        ),
        (
            b"\xef\xbb\xbf <!-- a --> <!-- b -->\n<Title>",
            "json",
            "html_response",
            "the response is a web page",
            Retry.NEVER,
        ),
        (
            b"<!-- html --><R><Success>true</Success></R>",
            "json",
            "xml_response",
            "the response is XML although JSON was requested",
            Retry.NEVER,
        ),
        (
            b'<?xml version="1.0" encoding="foo"?><R/>',
            "xml",
            "unreadable_response",
            "the response cannot be read: it is not an object",
            Retry.NEVER,
        ),
        (
            b'{"a":' * 600 + b"1" + b"}" * 600,
            "json",
            "unreadable_response",
            "the response cannot be read: it is nested too deep",
            Retry.NEVER,
        ),
        (
            b'{"Code": {"a": 1}}',
            "json",
            "unreadable_response",
            "the response cannot be read: its code is not text",
            Retry.NEVER,
        ),
        (
            b"<R><Code>a</Code><Code>b</Code></R>",
            "xml",
            "unreadable_response",
            "the response cannot be read: its code is not text",
            Retry.NEVER,
        ),
        (b"<R><Success>true</Success><Da", "xml", "cut_response", "the response is truncated", Retry.LATER),
        (b"<R><Success>true</Success>", "xml", "cut_response", "the response is truncated", Retry.LATER),
        (
            b"<R><a></b></R>",
            "xml",
            "unreadable_response",
            "the response cannot be read: it is not valid XML",
            Retry.NEVER,
        ),
        (
            b"upstream connect error",
            "json",
            "unreadable_response",
            "the response cannot be read: it is not valid JSON",
            Retry.NEVER,
        ),
        (
            b"\xff\xfe{}",
            "json",
            "unreadable_response",
            "the response cannot be read: it is not valid JSON",
            Retry.NEVER,
        ),
        (
            b"[" * 15_000,
            "json",
            "unreadable_response",
            "the response cannot be read: it is not valid JSON",
            Retry.NEVER,
        ),
        (
            b"[" * 20_001,
            "json",
            "unreadable_response",
            "the response cannot be read: it holds too many values",
            Retry.NEVER,
        ),
        (
            b"<a/>" * 40_001,
            "xml",
            "unreadable_response",
            "the response cannot be read: it holds too many values",
            Retry.NEVER,
        ),
        (
            b"<R" + b" a=''" * 40_000 + b"/>",
            "xml",
            "unreadable_response",
            "the response cannot be read: it holds too many values",
            Retry.NEVER,
        ),
        (
            b'{"a": "' + b"a" * 400_000 + b'\\ud83d\\ude00"}',
            "json",
            "unreadable_response",
            "the response cannot be read: it holds too much text",
            Retry.NEVER,
        ),
        (
            b'{"Success": true} and more',
            "json",
            "unreadable_response",
            "the response cannot be read: it is not valid JSON",
            Retry.NEVER,
        ),
        (b'\xef\xbb\xbf{"Success": true, "Da', "json", "cut_response", "the response is truncated", Retry.LATER),
        (b"\xef\xbb\xbf\n<html>", "xml", "html_response", "the response is a web page", Retry.NEVER),
        (b"<!-- " + b"x" * 300 + b" --><html>", "xml", "html_response", "the response is a web page", Retry.NEVER),
        (b"<script>", "json", "html_response", "the response is a web page", Retry.NEVER),
        (b"[]", "json", "unreadable_response", "the response cannot be read: it is not an object", Retry.NEVER),
        (b"<R/>", "xml", "unreadable_response", "the response cannot be read: it is not an object", Retry.NEVER),
        (
            b'{"Total": "many"}',
            "json",
            "unreadable_response",
            "the response cannot be read: its total is not a number",
            Retry.NEVER,
        ),
        (
            b'{"PageCount": -1}',
            "json",
            "unreadable_response",
            "the response cannot be read: its page_count is not a number",
            Retry.NEVER,
        ),
        (
            b'<!DOCTYPE x [<!ENTITY a "b">]><R><Success>&a;</Success></R>',
            "xml",
            "unreadable_response",
            "the response cannot be read: it declares a document type",
            Retry.NEVER,
        ),
        (
            '<!DOCTYPE x [<!ENTITY a "b">]><R><Success>&a;</Success></R>'.encode("utf-16-le"),
            "xml",
            "unreadable_response",
            "the response cannot be read: it declares a document type",
            Retry.NEVER,
        ),
    ],
)
def test_body_that_is_no_response(body, response_format, code, cause, retry):
    with pytest.raises(OtaError) as error:
        decode_body(body, response_format)
    assert error.value.code == code
    assert error.value.cause == cause
    assert error.value.retry is retry


def test_xml_that_is_nested_too_deep_is_refused():
    with pytest.raises(OtaError) as error:
        decode_body(b"<R>" * 3000 + b"</R>" * 3000, "xml")
    reasons = ("it is nested too deep", "it is not valid XML")  # by what the parser of this Python gives up at
    assert error.value.cause in [f"the response cannot be read: {reason}" for reason in reasons]


def test_envelope_may_be_left_out():
    envelope = decode_body(b"{}", "json")
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
def test_refusal(body, response_format):
    envelope = decode_body(body, response_format)
    assert envelope.success is not True
    assert (envelope.code, envelope.message, envelope.request_id) == ("Throttling", "slow", "R")


@pytest.mark.parametrize(
    ("said", "success"),
    [("1", True), ('"1"', True), ('"TRUE"', True), ("0", False), ('"False"', False), ("2", None), ("[]", None)],
)
def test_success_in_other_words(said, success):
    assert decode_body(f'{{"Success": {said}}}'.encode(), "json").success is success


@pytest.mark.parametrize("name", ["RequestId", "ErrorMessage", "Message"])
@pytest.mark.parametrize("value", [[], {"a": 1}, ["text"]])
def test_odd_words_around_the_data_cost_only_themselves(name, value):
    envelope = decode_body(json.dumps({"Success": True, name: value, "Code": "c"}).encode(), "json")
    assert (envelope.success, envelope.code, envelope.message, envelope.request_id) == (True, "c", "", None)


# --- Characters ------------------------------------------------------------------------------------------------------

XML = '<?xml version="1.0"?><R><Success>true</Success><Data><Name>{}</Name></Data></R>'


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (b'{"Data": {"Name": "a\xffb"}}', "", "a\ufffdb"),
        (b'{"Data": {"Name": "a\nb\x01"}}', "", "a b\ufffd"),
        ('{"Data": {"Name": "客厅"}}'.encode("gb18030"), "application/json; charset=GB18030", "客厅"),
        ('{"Data": {"Name": "客厅"}}'.encode("gbk"), 'application/json;charset="gbk"', "客厅"),
        ('{"Data": {"Name": "客厅"}}'.encode(), "text/html; charset=ISO-8859-1", "客厅"),
        ('{"Data": {"Name": "客厅"}}'.encode(), "application/json; charset=gbk", "客厅"),
        ('{"Data": {"Name": "客厅"}}'.encode("gbk"), "application/json; charset=zip_codec", "\ufffd" * 4),
        ('{"Data": {"Name": "客厅"}}'.encode("utf-16"), "", "客厅"),
        ('\ufeff{"Data": {"Name": "客厅"}}'.encode(), "", "客厅"),
        (XML.format("客厅").encode("utf-16"), "", "客厅"),
        (XML.format("客厅").replace("?>", ' encoding="GB2312"?>', 1).encode("gb2312"), "", "客厅"),
        (XML.format("客厅").encode("gbk"), "text/xml; charset=gbk", "客厅"),
        (XML.format("a&#8;b&#x1F;c&#0;\x02d&#65;&#10;e").encode(), "", "a\ufffdb\ufffdc\ufffd\ufffddA e"),
        (XML.format("a&#xFFFF;b&#65534;").encode(), "", "a\ufffdb\ufffd"),
        (XML.format("a").encode().replace(b"a</Name>", b"\xff</Name>"), "", "\ufffd"),
        (XML.format("\n  客厅\n").encode(), "", "客厅"),
        (XML.format("<![CDATA[ <a> ]]>").encode(), "", "<a>"),
    ],
)
def test_odd_characters_cost_no_others(body, content_type, name):
    response_format = "xml" if b"<\0" in body or b"<D" in body else "json"
    envelope = decode_body(body, response_format, content_type=content_type)
    assert read_object(QUERY_OTA_JOB, envelope)["name"] == name


def test_xml_with_prefixes_is_read():
    body = b'<o:R xmlns:o="urn:o"><o:Success>true</o:Success><o:Data><o:JobId>1</o:JobId></o:Data></o:R>'
    envelope = decode_body(body, "xml")
    assert envelope.success is True
    assert read_object(QUERY_OTA_JOB, envelope)["job_id"] == "1"


def test_xml_needs_xmltodict(monkeypatch):
    monkeypatch.setitem(sys.modules, "xmltodict", None)
    with pytest.raises(MissingLibraryError) as error:
        decode_body(b"<R/>", "xml")
    assert error.value.library == "xmltodict"


def test_json_does_not_need_xmltodict(monkeypatch):
    monkeypatch.setitem(sys.modules, "xmltodict", None)
    assert decode_body(b'{"Success": true}', "json").success is True


# --- Anything --------------------------------------------------------------------------------------------------------

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


# No other exception than OtaError may be raised.


@given(JSON)
def test_any_json_is_read_or_refused(content):
    with contextlib.suppress(OtaError):
        envelope = decode_body(json.dumps(content).encode(), "json")
        read_rows(LIST_OTA_UNFINISHED_TASK_BY_DEVICE, envelope)
        read_object(QUERY_OTA_JOB, envelope)


@given(st.sampled_from(["Success", "Code", "Message", "ErrorMessage", "RequestId", "Total", "PageCount", "Data"]), JSON)
def test_any_json_in_a_field_of_the_envelope_is_read_or_refused(name, content):
    with contextlib.suppress(OtaError):
        envelope = decode_body(json.dumps({"Success": True, name: content}).encode(), "json")
        assert isinstance(envelope.code + envelope.message, str)


@given(st.sampled_from([field.wire for field in LIST_OTA_JOB_BY_DEVICE.fields]), JSON)
def test_any_json_in_a_field_of_a_row_is_read_or_refused(name, content):
    body = json.dumps({"Success": True, "Data": {"SimpleOTAJobInfo": [{name: content}]}}).encode()
    with contextlib.suppress(OtaError):
        (row,) = read_rows(LIST_OTA_JOB_BY_DEVICE, decode_body(body, "json"))
        assert isinstance(row["job_id"], (str, type(None)))
        json.dumps(row, ensure_ascii=False).encode()


@given(st.binary(), st.sampled_from(["json", "xml"]))
def test_any_body_is_read_or_refused(body, response_format):
    with contextlib.suppress(OtaError):
        decode_body(b"<R>" + body + b"</R>" if response_format == "xml" else body, response_format)
