# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import CONNECTION, CREDENTIALS
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.connection import check_connection, endpoint_url
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.inputs import devices_asked
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._validation import named, proxy_url


def refusal(function, *arguments):
    """The sentence by which ``function`` refuses its arguments."""
    with pytest.raises(OtaError) as error:
        function(*arguments)
    assert error.value.action is None
    return str(error.value).replace("Nothing was asked: ", "", 1)


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
def test_plain_http_that_is_allowed(given):
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
def test_plain_http_to_elsewhere_is_refused(given, host):
    assert refusal(endpoint_url, options(**given)) == (
        f"endpoint is plain http to {host}, so that the parameters of the signed requests, and a security token, would"
        " travel in clear; write https://, or set allow_http to true if you trust everything on the way."
    )


def test_a_proxy_of_the_environment_is_elsewhere_too(monkeypatch):
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    assert "endpoint is plain http to 127.0.0.1" in refusal(endpoint_url, options(endpoint="http://127.0.0.1:80"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert endpoint_url(options(endpoint="http://127.0.0.1:80")) == "http://127.0.0.1:80/"


def test_a_host_is_written_in_ascii():
    assert "the host of endpoint is not written in ASCII" in refusal(endpoint_url, options(endpoint="https://ü..x"))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, None),
        (" ", None),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://proxy.example.com:3128/", "http://proxy.example.com:3128/"),
        ("https://user:p%40ss%2F@[::1]:3128", "https://user:p%40ss%2F@[::1]:3128"),
        ("socks5h://127.0.0.1:1080", "socks5h://127.0.0.1:1080"),
    ],
)
def test_proxy(given, url):
    assert proxy_url(given) == url


@pytest.mark.parametrize(
    "given",
    [
        "http://",
        "ftp://proxy:21",
        "http://user:hunter/2@proxy:1",
        "http://user:hunter#2@proxy:1",
        "http://user:hunter?2@proxy:1",
        "http://user:hunter 2@proxy:1",
        "http://proxy:port",
        "http://[::1",
    ],
)
def test_a_proxy_that_is_no_url_is_not_repeated(given):
    sentence = refusal(proxy_url, given)
    assert sentence.startswith("proxy is not the URL of a proxy; write it like http://host:port or http://user:")
    assert "hunter" not in sentence


def test_tuya_needs_an_endpoint():
    sentence = refusal(endpoint_url, options(platform="tuya"))
    assert sentence.startswith(
        "platform tuya has no endpoint of its own and none is given; copy the URL from the console"
    )
    assert "option endpoint or the environment variable OTA_ENDPOINT" in sentence


def test_an_unknown_region():
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
        "::1",
        "2001:db8::1",
        "iot example com",
    ],
)
def test_an_endpoint_that_is_no_url_is_not_repeated(endpoint):
    assert refusal(endpoint_url, options(endpoint=endpoint)) == (
        "endpoint is not the URL of a service; write it like https://host:port, without user name, query and fragment,"
        " and an IPv6 address in brackets."
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("timeout", 0.0, "timeout is 0.0; give a number from 0.001 to 86400."),
        ("timeout", float("inf"), "timeout is inf; give a number from 0.001 to 86400."),
        ("timeout", float("nan"), "timeout is nan; give a number from 0.001 to 86400."),
        ("connect_timeout", 0.0, "connect_timeout is 0.0; give a number from 0.001 to 86400."),
        ("retries", -1, "retries is -1; give a number from 0 to 100."),
        ("retries", 10**400, "retries is 10000000000000000000; give a number from 0 to 100."),
        ("max_qps", -0.5, "max_qps is -0.5; give a number from 0.001 to 10000."),
        ("max_qps", 1e-300, "max_qps is 1e-300; give a number from 0.001 to 10000."),
    ],
)
def test_numbers_with_which_nothing_could_be_asked(name, value, sentence):
    given = {option: spec.get("default") for option, spec in CONNECTION.items()}
    check_connection(given)
    check_connection({**given, "max_qps": 0.0})
    assert refusal(check_connection, {**given, name: value}) == sentence


def test_entries():
    assert named("job_ids", ["*", "客厅", " a "]) == ["*", "客厅", "a"]


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([], "job_ids is empty; name at least one in job_ids, or skip the task when there is none."),
        (None, "job_ids is empty; name at least one in job_ids, or skip the task when there is none."),
        (["a", " "], "entry 2 of job_ids is blank; check the variable that it comes from."),
        ([""], "entry 1 of job_ids is blank; check the variable that it comes from."),
    ],
)
def test_entries_that_cannot_be_asked_about(entries, sentence):
    assert refusal(named, "job_ids", entries) == sentence


@pytest.mark.parametrize(
    ("given", "devices"),
    [
        (
            {"product_key": "k", "device_names": ["b", "a", "b"]},
            [{"product_key": "k", "device_name": name} for name in ("b", "a", "b")],
        ),
        ({"product_key": None, "device_names": None, "iot_ids": ["2", "1"]}, [{"iot_id": "2"}, {"iot_id": "1"}]),
    ],
)
def test_devices(given, devices):
    assert devices_asked(given) == devices


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "no device is named; give product_key and device_names, or iot_ids."),
        (
            {"product_key": "k"},
            "product_key is given without device_names; name the devices of the product in device_names.",
        ),
        (
            {"device_names": ["a"]},
            "device_names is given without product_key;"
            " give the product_key too, because a device's name is unique within its product only.",
        ),
        (
            {"product_key": " ", "device_names": ["a"]},
            "device_names is given without product_key;"
            " give the product_key too, because a device's name is unique within its product only.",
        ),
        (
            {"product_key": "k", "device_names": []},
            "device_names is empty; name at least one in device_names, or skip the task when there is none.",
        ),
        ({"iot_ids": []}, "iot_ids is empty; name at least one in iot_ids, or skip the task when there is none."),
        (
            {"iot_ids": ["1"], "device_names": ["a"]},
            "iot_ids is given together with product_key or device_names;"
            " name the devices either by iot_ids, or by product_key and device_names.",
        ),
    ],
)
def test_devices_that_are_not_clear(given, sentence):
    assert refusal(devices_asked, given) == sentence


def test_secrets_are_marked():
    marked = {name for name, spec in CREDENTIALS.items() if spec.get("no_log")}
    assert marked == {"access_key_secret", "security_token"}
