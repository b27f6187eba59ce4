# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import argspec, connection
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import CONNECTION
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import check_connection, endpoint_url
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.modules import ota_job_info
from ansible_collections.iotfleet.ota.tests.unit.fakes import Conversation, refused, run_module, success

OPTIONS = {
    "access_key_id": "key-id",
    "access_key_secret": "canary-secret",
    "security_token": "canary-token",
    "endpoint": "https://iot.example.com",
    "job_id": "1",
}


def test_options_reach_the_client(monkeypatch):
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


def test_environment_sets_options_that_are_not_given(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    monkeypatch.setenv("OTA_PLATFORM", "tuya")
    monkeypatch.setenv("OTA_ENDPOINT", "https://si-1.example.com:8686")
    run_module(ota_job_info.main, {name: value for name, value in OPTIONS.items() if name != "endpoint"})
    (request,) = conversation.finish()
    assert (request.method, request.place) == ("GET", "https://si-1.example.com:8686/")


def test_empty_environment_variable_is_ignored(monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    for name in ("OTA_PLATFORM", "ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_IOT_INSTANCE_ID"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("ALICLOUD_REGION", "us-east-1")
    run_module(ota_job_info.main, {**OPTIONS, "signature_method": "HMAC-SHA1"})
    (request,) = conversation.finish()
    assert request.params["RegionId"] == "us-east-1"
    assert "IotInstanceId" not in request.params


@pytest.mark.parametrize("form", [" {}", "{}\n", "{}\r\n", '"{}"'])
def test_blanks_and_quotes_around_an_environment_variable_are_ignored(form, monkeypatch):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    for name, value in (
        ("OTA_PLATFORM", "alibaba"),
        ("ALIBABA_CLOUD_REGION_ID", "us-east-1"),
        ("ALIBABA_CLOUD_IOT_INSTANCE_ID", "iot-1"),
    ):
        monkeypatch.setenv(name, form.format(value))
    given = {name: value for name, value in OPTIONS.items() if name != "endpoint"}
    run_module(ota_job_info.main, {**given, "signature_method": "HMAC-SHA1"})
    (request,) = conversation.finish()
    assert request.place == "https://iot.us-east-1.aliyuncs.com/"
    assert (request.params["RegionId"], request.params["IotInstanceId"]) == ("us-east-1", "iot-1")


def options_with(**given):
    spec = argspec.full_argument_spec({})
    options = {name: option.get("default") for name, option in spec.items()}
    return {**options, **OPTIONS, **given}


def create_client(secrets, **given):
    options = options_with(**given)
    return connection.create_client(connection.read_service(options), options, secrets.update, print)


def test_secrets_of_the_credentials_are_masked(monkeypatch):
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    secrets = set()
    create_client(secrets)
    assert secrets == {"canary-secret", "canary-token"}


def test_service_has_a_scope():
    service = connection.read_service(options_with(iot_instance_id="iot-1"))
    assert service.scope() == "alibaba https://iot.example.com/ iot-1"
    tuya = connection.read_service(options_with(platform="tuya"))
    assert tuya.scope() == "tuya https://iot.example.com/ -"


def test_service_is_read_from_the_options():
    options = options_with(region="us-west-1", iot_instance_id="iot-1", response_format="xml", timeout=3.0, retries=2)
    service = connection.read_service(options)
    assert service == ServiceConfig(
        PLATFORMS["alibaba"],
        "https://iot.example.com/",
        "us-west-1",
        "iot-1",
        response_format="xml",
        timeout=3.0,
        retries=2,
        signature_method="ACS3-HMAC-SHA256",
    )


def test_service_with_a_number_that_cannot_be_used():
    with pytest.raises(OtaError, match=r"timeout is 0; it must be between 0\.001 and 86400"):
        connection.read_service(options_with(timeout=0))


# --- Endpoint and numbers --------------------------------------------------------------------------------------------


def refusal(function, *arguments):
    """The sentence by which ``function`` refuses its arguments."""
    with pytest.raises(OtaError) as error:
        function(*arguments)
    assert error.value.action is None
    return str(error.value).replace("No request was sent: ", "", 1)


def options(**given):
    return {"platform": "alibaba", "endpoint": None, "region": "cn-shanghai", **given}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://iot.cn-shanghai.aliyuncs.com/"),
        ({"region": "eu-central-1"}, "https://iot.eu-central-1.aliyuncs.com/"),
        ({"endpoint": ""}, "https://iot.cn-shanghai.aliyuncs.com/"),
        ({"endpoint": "https://iot.example.com"}, "https://iot.example.com/"),
        ({"endpoint": "https://iot.example.com", "region": "mars-1"}, "https://iot.example.com/"),
        ({"endpoint": "iot.example.com:8686"}, "https://iot.example.com:8686/"),
        ({"endpoint": " https://iot.example.com:8686/ "}, "https://iot.example.com:8686/"),
        ({"endpoint": "http://[::1]:8080/path"}, "http://[::1]:8080/path"),
        ({"platform": "tuya", "endpoint": "https://si-1.example.com:8686"}, "https://si-1.example.com:8686/"),
    ],
)
def test_endpoint(given, url):
    assert endpoint_url(options(**given)) == url


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "http://127.0.0.1:8080"},
        {"endpoint": "http://127.9.9.9"},
        {"endpoint": "http://[::1]:8080"},
        {"endpoint": "http://LOCALHOST:1"},
        {"endpoint": "http://127.0.0.1:8080", "proxy": "localhost:3128"},
        {"endpoint": "http://iot.example.com", "allow_http": True},
    ],
)
def test_plain_http_is_allowed_to_this_machine_or_by_option(given):
    assert endpoint_url(options(**given)).startswith("http://")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({"endpoint": "http://iot.example.com:8686"}, "iot.example.com"),
        ({"endpoint": "http://localhost.example.com"}, "localhost.example.com"),
        ({"endpoint": "http://10.0.0.1"}, "10.0.0.1"),
        ({"endpoint": "http://[2001:db8::1]"}, "2001:db8::1"),
        ({"endpoint": "HTTP://iot.example.com", "platform": "tuya"}, "iot.example.com"),
        ({"endpoint": "http://127.0.0.1", "proxy": "http://proxy.example.com:3128"}, "127.0.0.1"),
    ],
)
def test_plain_http_to_another_machine_is_refused(given, host):
    assert refusal(endpoint_url, options(**given)) == (
        f"endpoint is plain http to {host}, so the parameters of the signed requests and a security token would travel"
        " in clear text; write https://, or set allow_http to true if you trust everything on the way."
    )


def test_plain_http_through_a_proxy_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    assert "endpoint is plain http to 127.0.0.1" in refusal(endpoint_url, options(endpoint="http://127.0.0.1:80"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert endpoint_url(options(endpoint="http://127.0.0.1:80")) == "http://127.0.0.1:80/"


def test_endpoint_host_must_be_ascii():
    assert "the host of endpoint is not written in ASCII" in refusal(endpoint_url, options(endpoint="https://ü..x"))


def test_endpoint_is_required_for_tuya():
    sentence = refusal(endpoint_url, options(platform="tuya"))
    assert sentence.startswith(
        "platform tuya has no endpoint of its own and none is given; copy the URL from the console"
    )
    assert "option endpoint or the environment variable OTA_ENDPOINT" in sentence


@pytest.mark.parametrize(
    ("given", "region"),
    [
        ({"region": " us-west-1\n"}, "us-west-1"),
        ({"region": "us-west-1", "endpoint": "https://iot.example.com"}, "us-west-1"),
        ({"region": None, "endpoint": "https://iot.example.com"}, "cn-shanghai"),
        ({"region": " ", "endpoint": "https://iot.example.com"}, "cn-shanghai"),
        ({"region": None}, "cn-shanghai"),
        ({"region": None, "platform": "tuya", "endpoint": "https://si-1.example.com"}, None),
    ],
)
def test_region_without_a_profile(given, region):
    assert connection.find_region({**options_with(endpoint=None), **given}) == region


def test_region_is_unknown():
    assert refusal(endpoint_url, options(region="cn-hangzhou")) == (
        'the service is not offered in region "cn-hangzhou"; choose one of cn-shanghai, cn-beijing, cn-shenzhen,'
        " ap-southeast-1, ap-northeast-1, us-west-1, us-east-1, eu-central-1, or give endpoint."
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        "ftp://iot.example.com",
        "https://",
        "https://user:hunter2@iot.example.com",
        "https://:hunter2@iot.example.com",
        "https://iot.example.com/?x=hunter2",
        "https://iot.example.com/#x",
        "https://iot.example.com:port",
        "https://iot.example.com:99999",
        "https://[::1",
        "https://::1",
        "https://evil.example\\@localhost/",
        "https://local%68ost/",
        "::1",
        "2001:db8::1",
        "iot example com",
    ],
)
def test_endpoint_that_is_not_a_url_is_not_repeated(endpoint):
    assert refusal(endpoint_url, options(endpoint=endpoint)) == (
        "endpoint is not the URL of a service; write it like https://host:port, without user name, query and fragment,"
        " and an IPv6 address in brackets."
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("timeout", 0.0, "timeout is 0.0; it must be between 0.001 and 86400."),
        ("timeout", float("inf"), "timeout is inf; it must be between 0.001 and 86400."),
        ("timeout", float("nan"), "timeout is nan; it must be between 0.001 and 86400."),
        ("connect_timeout", 0.0, "connect_timeout is 0.0; it must be between 0.001 and 86400."),
        ("retries", -1, "retries is -1; it must be between 0 and 100."),
        ("retries", 10**400, "retries is 10000000000000000000; it must be between 0 and 100."),
        ("max_qps", -0.5, "max_qps is -0.5; it must be between 0.001 and 10000."),
        ("max_qps", 1e-300, "max_qps is 1e-300; it must be between 0.001 and 10000."),
    ],
)
def test_connection_numbers_out_of_bounds(name, value, sentence):
    given = {option: spec.get("default") for option, spec in CONNECTION.items()}
    check_connection(given)
    check_connection({**given, "max_qps": 0.0})
    assert refusal(check_connection, {**given, name: value}) == sentence


# --- Signatures and credentials --------------------------------------------------------------------------------------


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
def test_signature_method(monkeypatch, given, style):
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    run_module(ota_job_info.main, {**OPTIONS, **given})
    (request,) = conversation.finish()
    authorization = request.headers.get("Authorization", "")
    assert authorization.split(" ")[0] == ("" if style == "HMAC-SHA1" else style)
    assert request.query.get("SignatureMethod", style) == style


def test_signature_method_that_tuya_does_not_document():
    result = run_module(ota_job_info.main, {**OPTIONS, "platform": "tuya", "signature_method": "ACS3-HMAC-SHA256"})
    assert result["msg"] == (
        "No request was sent: platform tuya does not document signature_method ACS3-HMAC-SHA256;"
        " leave signature_method at auto, which means HMAC-SHA1 there."
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, in which a profile can be written."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".aliyun").mkdir()

    def write(**profile):
        profiles = [{"name": "ota", **profile}]
        text = json.dumps({"current": "ota", "profiles": profiles})
        (tmp_path / ".aliyun" / "config.json").write_text(text)

    return write


KEY = {"access_key_id": "file-id", "access_key_secret": "canary-file"}
NO_KEY = {"access_key_id": None, "access_key_secret": None, "security_token": None}


def test_secrets_of_a_profile_are_masked(home, monkeypatch):
    home(mode="StsToken", sts_token="canary-sts", **KEY)
    answer = success(Data={"JobId": "1", "Name": "canary-file and canary-sts"})
    monkeypatch.setattr(connection, "Transport", lambda *arguments: Conversation(answer))
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY})
    assert result["jobs"][0]["name"] == "******** and ********"


def test_secrets_that_assume_a_role_are_masked(home, monkeypatch):
    home(mode="RamRoleArn", ram_role_arn="r", **KEY)
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    secrets = set()
    create_client(secrets, **NO_KEY)
    assert secrets == {"canary-file"}


def test_region_of_the_profile(home):
    home(mode="AK", region_id="us-west-1", **KEY)
    bare = {**options_with(**NO_KEY), "endpoint": None}
    assert connection.read_service(bare).endpoint == "https://iot.us-west-1.aliyuncs.com/"
    assert connection.read_service(bare).region == "us-west-1"
    assert connection.read_service({**bare, "region": "us-east-1"}).region == "us-east-1"
    assert connection.read_service({**bare, "endpoint": "https://iot.example.com"}).region == "cn-shanghai"
    assert connection.read_service({**bare, **KEY}).region == "cn-shanghai"  # the key is not the profile's


def test_region_of_the_profile_is_not_that_of_a_service(home, tmp_path):
    home(mode="AK", region_id="cn-hangzhou", **KEY)
    bare = {**options_with(**NO_KEY), "endpoint": None}
    assert refusal(connection.read_service, bare) == (
        'the service is not offered in region "cn-hangzhou", which is that of the profile "ota" in'
        f" {tmp_path}/.aliyun/config.json; choose one of cn-shanghai, cn-beijing, cn-shenzhen, ap-southeast-1,"
        " ap-northeast-1, us-west-1, us-east-1, eu-central-1 in the option region, or give endpoint."
    )


def test_environment_comes_before_the_region_of_the_profile(home, monkeypatch):
    home(mode="AK", region_id="us-west-1", **KEY)
    monkeypatch.setenv("ALICLOUD_REGION", "us-east-1")
    conversation = Conversation(success(data={"jobId": "1"}))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    run_module(ota_job_info.main, {"job_id": "1"})
    assert conversation.finish()[0].place == "https://iot.us-east-1.aliyuncs.com/"


def test_secrets_of_a_sign_in_are_masked(home, monkeypatch):
    pytest.importorskip("alibabacloud_credentials")
    home(mode="OAuth", oauth_access_token="canary-access", sts_token="canary-sts", **KEY)
    monkeypatch.setattr(connection, "Transport", lambda *arguments: None)
    secrets = set()
    create_client(secrets, **NO_KEY)
    assert secrets == {"canary-access", "canary-sts", "canary-file"}


def test_refused_key_names_its_profile(home, monkeypatch, tmp_path):
    home(mode="AK", **KEY)
    conversation = Conversation(refused("InvalidAccessKeyId.NotFound", status=404))
    monkeypatch.setattr(connection, "Transport", lambda *arguments: conversation)
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY})
    assert f'the key comes from the profile "ota" in {tmp_path}/.aliyun/config.json' in result["msg"]
    assert result["failure"]["credentials_source"] == "profile"
    assert "file-id" not in str(result)


def test_profile_is_not_used_for_tuya(home):
    home(mode="AK", **KEY)
    result = run_module(ota_job_info.main, {**OPTIONS, **NO_KEY, "platform": "tuya"})
    assert "no access key is configured" in result["msg"]
