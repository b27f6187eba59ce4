# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils import _connection
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import Conversation, run_module, success

OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


def test_options_reach_their_places(monkeypatch):
    conversation = Conversation(success(Data={"JobId": "1"}))
    places = []
    monkeypatch.setattr(_connection, "Transport", lambda *arguments: places.append(arguments) or conversation)
    options = {"validate_certs": False, "ca_path": "/ca.pem", "proxy": "http://u:p@proxy:1", "timeout": 3}
    result = run_module(ota_job_info.main, {**OPTIONS, **options, "iot_instance_id": "iot-1", "region": "us-west-1"})
    (request,) = conversation.finish()
    assert places == [(False, "/ca.pem", "http://u:p@proxy:1")]
    assert (request.timeout, request.place) == (1.5, "https://iot.example.com/")
    assert request.query == {"IotInstanceId": "iot-1", "JobId": "1"}
    assert request.headers["x-acs-security-token"] == "canary-token"
    assert "canary" not in str(result)


def test_the_environment_fills_what_is_not_given(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(_connection, "Transport", lambda *arguments: conversation)
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    monkeypatch.setenv("OTA_ENDPOINT", "https://si-1.example.com:8686")
    run_module(ota_job_info.main, {name: value for name, value in OPTIONS.items() if name != "endpoint"})
    (request,) = conversation.finish()
    assert (request.method, request.place) == ("GET", "https://si-1.example.com:8686/")


def test_an_empty_variable_counts_as_none(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(_connection, "Transport", lambda *arguments: conversation)
    for name in ("OTA_PLATFORM", "ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_IOT_INSTANCE_ID"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("ALICLOUD_REGION", "us-east-1")
    run_module(ota_job_info.main, {**OPTIONS, "signature_method": "HMAC-SHA1"})
    (request,) = conversation.finish()
    assert request.params["RegionId"] == "us-east-1"
    assert "IotInstanceId" not in request.params


@pytest.mark.parametrize("proxy", [None, "", "http://proxy:1", "http://[::1"])
def test_a_proxy_need_not_have_a_password(proxy):
    assert _connection._password(proxy) is None


def test_what_must_be_masked_is_handed_over(monkeypatch):
    monkeypatch.setattr(_connection, "Transport", lambda *arguments: None)
    hidden = set()
    spec = _connection.specification({})
    options = {name: option.get("default") for name, option in spec.items()}
    options.update(OPTIONS, proxy="http://user:word@proxy:1")
    _connection.connect(options, hidden.update, print)
    assert hidden == {"canary-secret", "canary-token", "word"}
