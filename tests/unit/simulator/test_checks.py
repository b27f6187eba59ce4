# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is refused, with which code, and in which order."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from ota_sim import checks

KEYS = [
    {"id": "good", "secret": "s1", "denied_actions": ["QueryOTAFirmware"]},
    {"id": "off", "secret": "s2", "inactive": True},
    {"id": "sts", "secret": "s3", "security_token": "tok/en+1="},
    {"id": "late", "secret": "s4", "security_token": "old", "token_expired": True},
]


@pytest.fixture
def caller(make_caller):
    return make_caller({"access_keys": KEYS})


def refusal(caller, **params):
    reply = caller.reply("QueryOTAJob", **{"JobId": "1001", **params})
    return reply.status, json.loads(reply.body).get("Code")


def test_a_good_call(caller):
    answer = caller.call("QueryOTAJob", JobId="1001")
    assert (answer["Success"], answer["Data"]["JobId"]) == (True, "1001")
    assert "Code" not in answer


COMMON = ("Version", "Action", "AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp")


@pytest.mark.parametrize("name", COMMON)
def test_missing_common_parameters(caller, name):
    assert refusal(caller, **{name: None}) == (400, f"Missing{name}")
    assert refusal(caller, **{name: ""}) == (400, f"Missing{name}")


def test_missing_signature(caller):
    reply = caller.send(caller.params("QueryOTAJob", JobId="1001"))
    assert json.loads(reply.body)["Code"] == "MissingSignature"
    assert json.loads(reply.body)["Message"] == "Signature is mandatory for this action."


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"Version": "2017-04-20"}, (400, "InvalidVersion")),
        ({"SignatureMethod": "HMAC-MD5"}, (400, "InvalidSignatureMethod")),
        ({"SignatureVersion": "2.0"}, (400, "InvalidSignatureVersion")),
        ({"AccessKeyId": "nobody"}, (404, "InvalidAccessKeyId.NotFound")),
        ({"AccessKeyId": "off"}, (403, "InvalidAccessKeyId.Inactive")),
        ({"AccessKeyId": "sts"}, (400, "MissingSecurityToken")),
        ({"AccessKeyId": "sts", "SecurityToken": "no"}, (400, "InvalidSecurityToken.Malformed")),
        ({"AccessKeyId": "sts", "SecurityToken": "old"}, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        ({"SecurityToken": "old"}, (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        ({"SecurityToken": "no"}, (400, "InvalidSecurityToken.Malformed")),
        ({"AccessKeyId": "late", "SecurityToken": "old"}, (400, "InvalidSecurityToken.Expired")),
        ({"Timestamp": "2024-11-19T09:47:43.000Z"}, (400, "InvalidTimeStamp.Format")),
        ({"Timestamp": "2024-11-39T09:47:43Z"}, (400, "InvalidTimeStamp.Format")),
        ({"Timestamp": "2024-11-19T09:47:43Z"}, (400, "InvalidTimeStamp.Expired")),
        ({"Action": "DeleteEverything"}, (404, "InvalidApi.NotFound")),
        ({"Format": "yaml"}, (400, None)),
        ({"JobId": None}, (400, "MissingJobId")),
        ({"JobId": "1"}, (200, "iot.firmware.InvalidOTAJobId")),
    ],
)
def test_refusals(caller, change, refused):
    if change == {"Format": "yaml"}:  # cannot be told in a format that it does not know
        reply = caller.reply("QueryOTAJob", JobId="1001", Format="yaml")
        assert ElementTree.fromstring(reply.body).findtext("Code") == "InvalidFormat"
    else:
        assert refusal(caller, **change) == refused


def test_permission(caller):
    reply = caller.reply("QueryOTAFirmware", FirmwareId="f1")
    assert (reply.status, json.loads(reply.body)["Code"]) == (403, "NoPermission")


def test_the_token_is_signed(caller):
    caller.key_id, caller.secret = "sts", "s3"
    assert refusal(caller, SecurityToken="tok/en+1=") == (200, None)
    params = caller.sign(caller.params("QueryOTAJob", JobId="1001"))
    reply = caller.send({**params, "SecurityToken": "tok/en+1="})
    assert json.loads(reply.body)["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-901, "InvalidTimeStamp.Expired"), (-900, None), (900, None), (901, "InvalidTimeStamp.Expired")],
)
def test_the_window(caller, seconds, code):
    assert refusal(caller, Timestamp=caller.timestamp(seconds))[1] == code


def test_a_wider_window(make_caller):
    caller = make_caller(window=31 * 60)
    assert refusal(caller, Timestamp=caller.timestamp(-1800)) == (200, None)


def test_a_wrong_signature_echoes_what_was_signed(caller):
    caller.secret = "wrong"
    params = caller.params("QueryOTAJob", JobId="1001", SecurityToken="")
    reply = caller.send(caller.sign(params))
    answer = json.loads(reply.body)
    assert (reply.status, answer["Code"]) == (400, "SignatureDoesNotMatch")
    assert answer["Message"].startswith(
        "Specified signature is not matched with our calculation. server string to sign is:"
    )
    assert "GET&%2F&AccessKeyId%3Dgood%26Action%3DQueryOTAJob" in answer["Message"]
    assert sorted(answer) == ["Code", "HostId", "Message", "Recommend", "RequestId"]
    assert "s1" not in answer["Message"].replace("%", " ").split()
    assert caller.control("GET", "stats")[1]["rejected_signatures"] == 1


def test_method_and_form_body_are_signed(caller):
    params = caller.sign(caller.params("QueryOTAJob", JobId="1001"), "POST")
    query = {name: value for name, value in params.items() if name != "JobId"}
    assert caller.send(query, "POST", [("JobId", "1001")]).status == 200
    again = caller.sign(caller.params("QueryOTAJob", JobId="1001"), "POST")
    assert json.loads(caller.send(again, "GET").body)["Code"] == "SignatureDoesNotMatch"


def test_an_empty_signature_type_is_an_ordinary_parameter(caller):
    assert refusal(caller, SignatureType="") == (200, None)


def test_nonces_are_good_once_for_31_minutes_and_per_key(caller):
    assert refusal(caller, SignatureNonce="n") == (200, None)
    assert refusal(caller, SignatureNonce="n") == (400, "SignatureNonceUsed")
    assert caller.control("GET", "stats")[1]["repeated_nonces"] == 1
    caller.time.now += checks.NONCE_LIFE - 1
    assert refusal(caller, SignatureNonce="n") == (400, "SignatureNonceUsed")
    caller.time.now += 1
    assert refusal(caller, SignatureNonce="n") == (200, None)
    caller.key_id, caller.secret = "sts", "s3"
    assert refusal(caller, SignatureNonce="n", SecurityToken="tok/en+1=") == (200, None)


def test_a_refused_signature_does_not_use_up_its_nonce(caller):
    right, caller.secret = caller.secret, "wrong"
    assert refusal(caller, SignatureNonce="n")[1] == "SignatureDoesNotMatch"
    caller.secret = right
    assert refusal(caller, SignatureNonce="n") == (200, None)


def test_the_order_of_checks(caller):
    wrong = {"Timestamp": "bad", "AccessKeyId": "nobody", "Action": "None", "SignatureNonce": "n"}
    seen = []
    for fix in (
        {"AccessKeyId": "good"},
        {"Timestamp": caller.timestamp()},
        {"secret": "s1"},
        {"Action": "QueryOTAJob"},
    ):
        caller.secret = wrong.pop("secret", "wrong")
        seen.append(refusal(caller, **wrong)[1])
        wrong.update(fix)
    caller.secret = "s1"
    seen.append(refusal(caller, **{**wrong, "Action": "None", "SignatureNonce": "m"})[1])
    assert seen == [
        "InvalidAccessKeyId.NotFound",
        "InvalidTimeStamp.Format",
        "SignatureDoesNotMatch",
        "InvalidApi.NotFound",
        "InvalidApi.NotFound",
    ]


def test_quota_is_a_sliding_second_per_operation(make_caller):
    caller = make_caller({"qps": 2, "access_keys": [*KEYS, {"id": "more", "secret": "s5"}]})
    assert [refusal(caller)[1] for _turn in range(3)] == [None, None, "Throttling.User"]
    caller.key_id, caller.secret = "more", "s5"
    assert refusal(caller) == (400, "Throttling.User"), "the keys of an account share its quota"
    assert caller.reply("QueryOTAFirmware", FirmwareId="f1").status == 200
    caller.time.now += 0.99
    assert refusal(caller)[1] == "Throttling.User"
    caller.time.now += 0.01
    assert refusal(caller) == (200, None)
    stats = caller.control("GET", "stats")[1]
    assert stats["throttled"] == 3
    assert stats["requests"] == {"QueryOTAJob": 6, "QueryOTAFirmware": 1}
    assert stats["highest_rate"] == {"overall": 6, "actions": {"QueryOTAJob": 5, "QueryOTAFirmware": 1}}


@pytest.mark.parametrize(
    ("qps", "action", "calls"),
    [
        (10, "QueryOTAJob", 10),
        (10, "ListOTAModuleVersionsByDevice", 10),
        (10, "QueryOTAFirmware", 20),
        (10, "BatchQueryDeviceDetail", 5),
        (10, "BatchGetDeviceState", 50),
        (20, "BatchQueryDeviceDetail", 10),
        (2, "BatchGetDeviceState", 10),
        (1, "BatchQueryDeviceDetail", 1),
    ],
)
def test_the_quota_of_an_operation_is_in_proportion_to_the_documented_one(make_caller, qps, action, calls):
    caller = make_caller({"qps": qps})
    codes = [caller.call(action).get("Code") for _turn in range(calls + 1)]
    assert "Throttling.User" not in codes[:-1]
    assert codes[-1] == "Throttling.User"
    caller.time.now += 1
    assert caller.call(action).get("Code") != "Throttling.User"


def test_no_quota(make_caller):
    caller = make_caller({"qps": 0})
    assert {refusal(caller) for _turn in range(50)} == {(200, None)}


def test_the_instance(make_caller):
    caller = make_caller({"instance_id": "iot-cn-1"})
    assert refusal(caller) == (200, "iot.system.InstanceNotFound")
    assert refusal(caller, IotInstanceId="iot-cn-2") == (200, "iot.system.InstanceNotFound")
    assert refusal(caller, IotInstanceId="iot-cn-1") == (200, None)


def test_tuya_needs_five_common_parameters_only(make_caller):
    caller = make_caller({"dialect": "tuya"})
    leave_out = {"Version": None, "Format": None, "SignatureVersion": None}
    answer = caller.call("QueryOTAJob", JobId="1001", **leave_out)
    assert (answer["success"], answer["code"], answer["data"]["jobId"]) == (True, "", "1001")
    for name in ("Action", "AccessKeyId", "SignatureMethod", "SignatureNonce", "Timestamp"):
        assert caller.call("QueryOTAJob", JobId="1001", **{**leave_out, name: None})["code"] == f"Missing{name}"
    assert caller.call("QueryOTAJob", JobId="1001", Version="2017-04-20")["code"] == "InvalidVersion"


@pytest.mark.parametrize("dialect", ["alibaba", "tuya"])
@pytest.mark.parametrize("name", ["Format", "Version", "SignatureVersion"])
def test_required_version(make_caller, dialect, name):
    caller = make_caller({"dialect": dialect, "require_version": True})
    assert refusal(caller) == (200, None)
    reply = caller.reply("QueryOTAJob", JobId="1001", **{name: None})
    assert (reply.status, f"Missing{name}" in reply.body.decode()) == (400, True)


def test_alibaba_answers_xml_by_default(caller):
    reply = caller.reply("QueryOTAJob", JobId="1001", Format=None)
    assert reply.headers["Content-Type"].startswith("text/xml")
    assert ElementTree.fromstring(reply.body).tag == "QueryOTAJobResponse"
    assert ElementTree.fromstring(caller.reply("Nothing", Format=None).body).tag == "Error"
