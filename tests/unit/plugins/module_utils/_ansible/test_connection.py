# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import argspec, connection
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import sts
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.options import GATE
from ansible_collections.iotfleet.ota.tests.unit.fakes import Conversation, refused, run_module, success

OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


@pytest.fixture(autouse=True)
def _no_proxies_of_this_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_options_reach_their_places(monkeypatch):
    conversation = Conversation(success(Data={"JobId": "1"}))
    places = []
    monkeypatch.setattr(connection, "Transport", lambda *arguments: places.append(arguments) or conversation)
    options = {
        "validate_certs": False,
        "ca_path": "/ca.pem",
        "proxy": "http://u:p@proxy:1",
        "timeout": 3,
        "connect_timeout": 2,
        "read_timeout": 1,
    }
    result = run_module(ota_job_info.main, {**OPTIONS, **options, "iot_instance_id": "iot-1", "region": "us-west-1"})
    (request,) = conversation.finish()
    assert places == [(False, "/ca.pem", "http://u:p@proxy:1", 2.0, 1.0)]
    assert (request.timeout, request.place) == (pytest.approx(1.5, abs=0.5), "https://iot.example.com/")
    assert request.query == {"IotInstanceId": "iot-1", "JobId": "1"}
    assert request.headers["x-acs-security-token"] == "canary-token"
    assert "canary" not in str(result)


def test_the_environment_fills_what_is_not_given(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    monkeypatch.setenv("OTA_ENDPOINT", "https://si-1.example.com:8686")
    run_module(ota_job_info.main, {name: value for name, value in OPTIONS.items() if name != "endpoint"})
    (request,) = conversation.finish()
    assert (request.method, request.place) == ("GET", "https://si-1.example.com:8686/")


def test_an_empty_variable_counts_as_none(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    for name in ("OTA_PLATFORM", "ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_IOT_INSTANCE_ID"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("ALICLOUD_REGION", "us-east-1")
    run_module(ota_job_info.main, {**OPTIONS, "signature_method": "HMAC-SHA1"})
    (request,) = conversation.finish()
    assert request.params["RegionId"] == "us-east-1"
    assert "IotInstanceId" not in request.params


@pytest.mark.parametrize("proxy", [None, "", "http://proxy:1", "http://[::1"])
def test_a_proxy_need_not_have_a_password(proxy):
    assert connection._passwords(proxy) == set()


def test_a_password_is_masked_as_it_is_written_and_as_it_is(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:from%2Fenvironment@proxy:1")
    assert connection._passwords("http://user:p%40ss@proxy:1") == {
        "p%40ss",
        "p@ss",
        "from%2Fenvironment",
        "from/environment",
    }


def connect(hidden, **given):
    spec = argspec.specification({})
    options = {name: option.get("default") for name, option in spec.items()}
    return connection.connect({**options, **OPTIONS, **given}, hidden.update, print)


def test_what_must_be_masked_is_handed_over(monkeypatch):
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    hidden = set()
    connect(hidden, proxy="http://user:word@proxy:1")
    assert hidden == {"canary-secret", "canary-token", "word"}


def test_a_password_is_masked_also_where_an_option_is_refused():
    hidden = set()
    with pytest.raises(OtaError):
        connect(hidden, proxy="http://user:word@proxy:1", timeout=0)
    assert hidden == {"word"}


# --- Signatures and credentials --------------------------------------------------------------------------------------


def options_with(**given):
    spec = argspec.specification({})
    return {**{name: option.get("default") for name, option in spec.items()}, **OPTIONS, **given}


@pytest.mark.parametrize(
    ("given", "style"),
    [
        ({}, "ACS3-HMAC-SHA256"),
        ({"signature_method": "ACS3-HMAC-SHA256"}, "ACS3-HMAC-SHA256"),
        ({"signature_method": "HMAC-SHA1"}, "HMAC-SHA1"),
        ({"platform": "tuya"}, "HMAC-SHA1"),
        ({"platform": "tuya", "signature_method": "HMAC-SHA1"}, "HMAC-SHA1"),
    ],
)
def test_how_requests_are_signed(monkeypatch, given, style):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    run_module(ota_job_info.main, {**OPTIONS, **given})
    (request,) = conversation.finish()
    authorization = request.headers.get("Authorization", "")
    assert authorization.split(" ")[0] == ("" if style == "HMAC-SHA1" else style)
    assert request.query.get("SignatureMethod", style) == style


def test_tuya_is_not_asked_in_a_style_that_it_does_not_document():
    result = run_module(ota_job_info.main, {**OPTIONS, "platform": "tuya", "signature_method": "ACS3-HMAC-SHA256"})
    assert result["msg"] == (
        "Nothing was asked: platform tuya is not documented to know signature_method ACS3-HMAC-SHA256;"
        " leave signature_method at auto, which means HMAC-SHA1 there."
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, in which a profile can be written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALICLOUD_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".aliyun").mkdir()

    def write(**profile):
        profiles = [{"name": "ota", **profile}]
        text = json.dumps({"current": "ota", "profiles": profiles})
        (tmp_path / ".aliyun" / "config.json").write_text(text)

    return write


KEY = {"access_key_id": "file-id", "access_key_secret": "canary-file"}
NO_KEY = {"access_key_id": None, "access_key_secret": None, "security_token": None}


def test_the_secrets_of_a_file_are_masked(home, monkeypatch):
    home(mode="StsToken", sts_token="canary-sts", **KEY)
    answer = success(Data={"JobId": "1", "Name": "canary-file and canary-sts"})
    monkeypatch.setattr(connection, "Transport", lambda *arguments: Conversation(answer))
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY})
    assert result["jobs"][0]["name"] == "******** and ********"


def test_the_secrets_on_the_way_to_a_role_are_masked(home, monkeypatch):
    home(mode="RamRoleArn", ram_role_arn="r", **KEY)
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    monkeypatch.setattr(sts, "_package", lambda place: None)
    hidden = set()
    connection.connect(options_with(**NO_KEY), hidden.update, print)
    assert hidden == {"canary-file"}


def test_a_refusal_says_where_the_key_is_from(home, monkeypatch, tmp_path):
    home(mode="AK", **KEY)
    conversation = Conversation(refused("InvalidAccessKeyId.NotFound", status=404))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY})
    assert f'the key comes from the profile "ota" in {tmp_path}/.aliyun/config.json' in result["msg"]
    assert result["failure"]["credentials_source"] == "profile"
    assert "file-id" not in str(result)


def test_the_profile_is_no_source_for_tuya(home):
    home(mode="AK", **KEY)
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY, "platform": "tuya"})
    assert "no access key is configured" in result["msg"]


def test_a_package_that_is_missing_is_told_in_the_words_of_ansible(home, monkeypatch, tmp_path):
    home(mode="RamRoleArn", ram_role_arn="r", **KEY)
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    for name in [name for name in sys.modules if name.split(".")[0] == "alibabacloud_credentials"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY})
    assert "Failed to import the required Python library (alibabacloud_credentials)" in result["msg"]
    place = f'the profile "ota" in {tmp_path}/.aliyun/config.json'
    assert f"This is required for the credentials of {place}." in result["msg"]
    failure = result["failure"]
    assert (failure["code"], failure["credentials_source"]) == ("missing_library", "profile")


# --- Options of what is no module -------------------------------------------------------------------------------------


def test_options_are_read_as_those_of_a_module(monkeypatch):
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    hidden = set()
    given = {"job_id": "1", "max_failed": "2", "access_key_secret": "canary-secret"}
    options = argspec.read_options(GATE, given, hidden.update)
    assert (options["job_ids"], options["max_failed"], options["platform"]) == (["1"], 2, "tuya")
    assert hidden == {"canary-secret"}


def test_options_that_ansible_refuses_are_said_in_one_sentence():
    given = {"jobid": "1", "max_failed": "canary-secret", "access_key_secret": "canary-secret"}
    hidden = set()
    with pytest.raises(OtaError) as caught:
        argspec.read_options(GATE, given, hidden.update)
    said = str(caught.value)
    assert said.startswith("Nothing was asked: missing required arguments: job_ids; ")
    assert "; unsupported options: jobid. Supported parameters include: " in said
    assert said.endswith("; see the documentation of the options.")
    assert "canary" not in said
    assert hidden == {"canary-secret"}
