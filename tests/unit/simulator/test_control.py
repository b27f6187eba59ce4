# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control calls, and the faults of content."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from ota_sim.faults import FAULT_KEYS

LIST = {"FirmwareId": "f1", "CurrentPage": "1", "PageSize": "2"}
JOBS = [{"job_id": str(number), "firmware_id": "f1", "devices": ["d"]} for number in range(1, 6)]


@pytest.fixture
def lists(make_caller):
    return make_caller({"jobs": JOBS})


def page(caller, number):
    answer = caller.call("ListOTAJobByFirmware", **{**LIST, "CurrentPage": str(number)})
    return answer["Total"], [job["JobId"] for job in answer["Data"]["SimpleOTAJobInfo"]]


def test_health_and_unknown_calls(caller):
    assert caller.control("GET", "health") == (200, {"status": "ready", "dialect": "alibaba"})
    status, answer = caller.control("GET", "nothing")
    assert status == 404
    assert "known are GET /_sim/health" in answer["error"]


def test_stats_and_reset(caller):
    caller.service.connected()
    caller.call("QueryOTAJob", JobId="1001")
    caller.reply("")
    stats = caller.control("GET", "stats")[1]
    assert stats["requests"] == {"QueryOTAJob": 1, "(none)": 1}
    assert (stats["total"], stats["connections"], stats["faults"]) == (2, 1, {})
    assert caller.control("POST", "stats", {"reset": 1.5}) == (
        400,
        {"error": 'Send {"reset": true} to clear the statistics.'},
    )
    assert caller.control("POST", "stats", {"reset": True})[0] == 200
    assert caller.control("GET", "stats")[1]["total"] == 0


def test_the_clock_runs_and_is_pushed(make_caller):
    caller = make_caller(time_scale=10)
    caller.time.now += 2
    assert caller.control("GET", "clock") == (200, {"now": 20.0})
    assert caller.control("POST", "clock", {"advance": 5}) == (200, {"now": 25.0})
    assert caller.control("POST", "clock", {"set": 100}) == (200, {"now": 100.0})
    status, answer = caller.control("POST", "clock", {"set": 99})
    assert (status, answer["error"]) == (
        400,
        "The clock never runs backwards; it is at 100.000, so set it to that or later.",
    )
    status, answer = caller.control("POST", "clock", {"advance": -1})
    assert (status, "never runs backwards" in answer["error"]) == (400, True)


@pytest.mark.parametrize("body", [{}, {"advance": "1"}, {"advance": True}, {"go": 1}, {"set": 1, "advance": 1}, [], 5])
def test_bad_clock_bodies(caller, body):
    assert caller.control("POST", "clock", body) == (400, {"error": 'Send {"advance": seconds} or {"set": seconds}.'})


def test_a_body_that_is_not_json(caller):
    reply = caller.ctl.handle("POST", "/_sim/faults", b"{")
    assert (reply.status, b"not valid JSON" in reply.body) == (400, True)


def test_a_standing_clock(make_caller):
    caller = make_caller(time_scale=0)
    caller.time.now += 1000
    assert caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"] == "IN_PROGRESS"
    caller.at(30)
    assert caller.call("QueryOTAJob", JobId="1001")["Data"]["JobStatus"] == "COMPLETED"
    truth = caller.control("GET", "truth")[1]
    assert truth["now"] == 30
    assert truth["jobs"]["1001"]["on_target"] == [f"d-{number}" for number in range(1, 6)]


def test_stop(caller):
    assert caller.control("POST", "stop")[0] == 200
    assert caller.service.stopped.is_set()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fault": "gremlins"}, "Rule 1 needs a fault that is one of throttling, http_error,"),
        ({}, "Rule 1 needs a fault"),
        (5, "Rule 1 needs a fault"),
        (
            {"fault": "hang", "status": 5},
            "(hang) has the unknown key 'status'; known keys are fault, action, times, skip, device_name, product_key",
        ),
        ({"fault": "html", "status": 199}, "status must be an HTTP status from 200 to 599"),
        ({"fault": "delay"}, "Rule 1 (delay) needs ms"),
        ({"fault": "redirect"}, "Rule 1 (redirect) needs location"),
        ({"fault": "redirect", "location": "a\r\nb: c"}, "location must be one line of text"),
        ({"fault": "delay", "ms": -1}, "ms must be a number from 0"),
        ({"fault": "clock_skew", "seconds": "1"}, "seconds must be a number"),
        ({"fault": "trickle", "bytes_per_second": 0}, "bytes_per_second must be a number above 0"),
        ({"fault": "trickle", "headers": 1}, "headers must be true or false"),
        ({"fault": "packed", "unnamed": 1}, "unnamed must be true or false"),
        ({"fault": "packed", "coding": "zip"}, "coding must be one of gzip, deflate, br"),
        ({"fault": "hang", "times": -1}, "times must be a whole number from 0"),
        ({"fault": "hang", "device_name": 7}, "device_name must be one line of text"),
        ({"fault": "hang", "product_key": 7}, "product_key must be one line of text"),
    ],
)
def test_bad_rules(caller, rule, words):
    status, answer = caller.control("POST", "faults", {"faults": [rule]})
    assert status == 400
    assert words in answer["error"]
    assert "one key" in caller.control("POST", "faults", {"rules": []})[1]["error"]


def test_rules_are_replaced_listed_and_used_up(caller):
    caller.fault("http_error", action="QueryOTAJob", skip=1, times=2)
    assert caller.reply("QueryOTAFirmware", FirmwareId="f1").status == 200
    assert [caller.reply("QueryOTAJob", JobId="1001").status for _turn in range(4)] == [200, 503, 503, 200]
    (rule,) = caller.control("GET", "faults")[1]["faults"]
    assert (rule["struck"], rule["left"]) == (2, 0)
    assert caller.control("GET", "stats")[1]["faults"] == {"http_error": 2}
    assert caller.control("POST", "faults", {"faults": []})[1] == {"faults": []}


def test_only_the_first_ready_rule_strikes(caller):
    rules = [{"fault": "html", "times": 1}, {"fault": "http_error", "times": 1}, {"fault": "delay", "ms": 250}]
    caller.control("POST", "faults", {"faults": rules})
    replies = [caller.reply("QueryOTAJob", JobId="1001") for _turn in range(3)]
    assert [reply.status for reply in replies] == [502, 503, 200]
    assert [reply.delay for reply in replies] == [0.25] * 3


def test_a_caller_is_checked_before_a_fault_strikes(caller):
    caller.fault("http_error", times=1)
    caller.secret, right = "wrong", caller.secret
    assert caller.reply("QueryOTAJob", JobId="1001").status == 400
    caller.secret = right
    assert caller.reply("QueryOTAJob", JobId="1001").status == 503


@pytest.mark.parametrize(
    ("fault", "keys", "status", "code"),
    [
        ("throttling", {}, 400, "Throttling.User"),
        ("throttling", {"status": 429, "code": "Throttling"}, 429, "Throttling"),
        ("http_error", {}, 503, "ServiceUnavailable"),
        ("http_error", {"status": 500, "code": "InternalError"}, 500, "InternalError"),
        ("nonce_used", {}, 400, "SignatureNonceUsed"),
        ("token_expired", {}, 400, "InvalidSecurityToken.Expired"),
        ("no_permission", {}, 403, "NoPermission"),
        ("business_error", {}, 200, "iot.system.SystemException"),
        ("system_busy", {}, 200, "iot.firmware.SystemBusy"),
        ("business_error", {"code": "iot.x", "message": "系统异常"}, 200, "iot.x"),
    ],
)
def test_refusing_faults(caller, fault, keys, status, code):
    caller.fault(fault, **keys)
    reply = caller.reply("QueryOTAJob", JobId="1001")
    answer = json.loads(reply.body)
    assert (reply.status, answer["Code"]) == (status, code)
    known = ("系统异常", "system exception", "the system is busy, try again later")
    assert answer.get("ErrorMessage", "系统异常") in known
    stats = caller.control("GET", "stats")[1]
    assert (stats["throttled"], stats["repeated_nonces"], stats["faults"]) == (0, 0, {fault: 1})


def test_throttling_headers(caller):
    caller.fault("throttling", status=503, retry_after=2, x_acs_retry_after=1500)
    headers = caller.reply("QueryOTAJob", JobId="1001").headers
    assert (headers["Retry-After"], headers["x-acs-retry-after"]) == ("2", "1500")


def test_a_skewed_clock_shows_in_its_date(caller):
    caller.fault("clock_skew", seconds=-3600)
    reply = caller.reply("QueryOTAJob", JobId="1001")
    assert json.loads(reply.body)["Code"] == "InvalidTimeStamp.Expired"
    assert reply.date == caller.time.wall() - 3600
    assert caller.call("QueryOTAJob", JobId="1001", Timestamp=caller.timestamp(-3600))["Success"] is True


def test_spoilt_bodies(caller):
    good = caller.reply("QueryOTAJob", JobId="1001").body

    def struck(fault, **keys):
        caller.fault(fault, **keys)
        return caller.reply("QueryOTAJob", JobId="1001")

    assert struck("empty_body").body == b""
    cut = struck("cut_body").body
    assert good.startswith(b"{")
    assert len(cut) == len(good) // 2
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(cut)
    html = struck("html")
    assert (html.status, html.headers["Content-Type"], html.body[:6]) == (502, "text/html", b"<html>")
    wrong = struck("wrong_format")
    assert wrong.headers["Content-Type"].startswith("text/xml")
    assert ElementTree.fromstring(wrong.body).tag == "QueryOTAJobResponse"
    moved = struck("redirect", location="http://127.0.0.1:1/")
    assert (moved.status, moved.headers["Location"]) == (302, "http://127.0.0.1:1/")
    assert "Success" not in json.loads(struck("no_success").body)
    assert "Data" not in json.loads(struck("missing_data").body)
    assert json.loads(struck("wrong_job").body)["Data"]["JobId"] == "10010"


def test_wrong_format_from_xml(caller):
    caller.fault("wrong_format")
    assert json.loads(caller.reply("QueryOTAJob", JobId="1001", Format="XML").body)["Success"] is True


@pytest.mark.parametrize(
    ("fault", "pages"),
    [
        ("no_success", None),
        ("pages_shift", [(5, ["5", "4"]), (5, ["4", "3"]), (5, ["2", "1"])]),
        ("pages_repeat", [(5, ["5", "4"]), (5, ["5", "4"]), (5, ["5", "4"])]),
        ("pages_short", [(5, ["5"]), (5, ["3"]), (5, ["1"])]),
        ("total_changes", [(5, ["5", "4"]), (6, ["3", "2"]), (7, ["1"])]),
    ],
)
def test_spoilt_pages(lists, fault, pages):
    lists.fault(fault)
    if pages is None:
        pages = [(5, ["5", "4"]), (5, ["3", "2"]), (5, ["1"])]
    assert [page(lists, number) for number in (1, 2, 3)] == pages


def test_wrong_job_in_lists(lists):
    lists.fault("wrong_job")
    assert page(lists, 1) == (5, ["50", "40"])


@pytest.mark.parametrize("fault", FAULT_KEYS)
def test_every_fault_is_accepted_and_counted(caller, fault):
    needs = {"redirect": {"location": "/"}, "clock_skew": {"seconds": 0}, "delay": {"ms": 0}}
    caller.fault(fault, **needs.get(fault, {}))
    caller.reply("QueryOTAJob", JobId="1001")
    assert caller.control("GET", "stats")[1]["faults"] == {fault: 1}


def test_latency(make_caller):
    assert make_caller(latency=0.5).reply("QueryOTAJob", JobId="1001").delay == 0.5


VERSIONS = "ListOTAModuleVersionsByDevice"
PAGE = {"CurrentPage": "1", "PageSize": "10"}
SYSTEM_EXCEPTION = {
    "Success": False,
    "Code": "iot.system.SystemException",
    "ErrorMessage": "system exception",
}


def code(caller, action, **params):
    return caller.call(action, **params).get("Code")


def test_a_fault_strikes_one_device_only(caller):
    caller.fault("business_error", action=VERSIONS, device_name="d-2")
    answers = [caller.call(VERSIONS, ProductKey="p1", DeviceName=f"d-{number}", **PAGE) for number in range(1, 4)]
    del answers[1]["RequestId"]
    assert answers[1] == SYSTEM_EXCEPTION
    assert [answer["Success"] for answer in answers] == [True, False, True]
    assert caller.control("GET", "stats")[1]["faults"] == {"business_error": 1}


def test_a_fault_of_one_device_strikes_whatever_names_it(caller):
    own = {"ProductKey": "p1", "DeviceName": "d-2"}
    (row,) = caller.call(VERSIONS, **own, **PAGE)["Data"]["SimpleOTAModuleInfo"]
    caller.fault("system_busy", device_name="d-2")
    busy = "iot.firmware.SystemBusy"
    assert code(caller, VERSIONS, **own, **PAGE) == busy
    assert code(caller, VERSIONS, IotId=row["IotId"], **PAGE) == busy
    assert code(caller, VERSIONS, IotId=row["IotId"], ProductKey="p1", DeviceName="d-3", **PAGE) == busy
    assert code(caller, VERSIONS, IotId="nobody", **PAGE) == "iot.device.InvalidIoTId"
    assert code(caller, "ListOTAUnfinishedTaskByDevice", **own) == busy
    assert code(caller, "ListOTATaskByJob", JobId="1001", DeviceNames__1="d-1", DeviceNames__2="d-2") == busy
    assert code(caller, "ListOTATaskByJob", JobId="1001", DeviceNames__1="d-1") is None
    assert code(caller, "ListOTATaskByJob", JobId="1001") is None
    assert code(caller, "QueryOTAJob", JobId="1001") is None


def test_a_fault_of_one_product(make_caller):
    devices = [{"name": "gw", "product_key": key} for key in ("p1", "p2")]
    caller = make_caller({"devices": devices, "products": [{"product_key": "p1"}, {"product_key": "p2"}]})
    caller.fault("system_busy", device_name="gw", product_key="p2")
    found = [code(caller, VERSIONS, ProductKey=key, DeviceName="gw", **PAGE) for key in ("p1", "p2")]
    assert found == [None, "iot.firmware.SystemBusy"]
    caller.fault("system_busy", product_key="p1")
    assert code(caller, "QueryOTAJob", JobId="1001") is None
    assert code(caller, VERSIONS, ProductKey="p1", DeviceName="gw", **PAGE) == "iot.firmware.SystemBusy"


def test_a_delay_of_one_device(caller):
    caller.fault("delay", ms=250, device_name="d-2")
    delays = [caller.reply(VERSIONS, ProductKey="p1", DeviceName=f"d-{number}", **PAGE).delay for number in range(1, 4)]
    assert delays == [0, 0.25, 0]


def test_skip_and_times_count_the_calls_of_that_device_only(caller):
    caller.fault("system_busy", device_name="d-2", skip=1, times=1)
    names = ["d-1", "d-2", "d-1", "d-2", "d-2"]
    found = [code(caller, "ListOTAUnfinishedTaskByDevice", ProductKey="p1", DeviceName=name) for name in names]
    assert found == [None, None, None, "iot.firmware.SystemBusy", None]
