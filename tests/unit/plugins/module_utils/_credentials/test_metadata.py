# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import metadata
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.metadata import ask_instance, ask_uri
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
ROLES = "/latest/meta-data/ram/security-credentials/"
PLACE = "the place"


def instance(request):
    """The metadata service of an instance with one role."""
    if request.method == "PUT":
        return "metadata-token" if request.path == "/latest/api/token" else (404, "")
    if request.headers.get("x-aliyun-ecs-metadata-token") != "metadata-token":
        return 403, "canary"
    if request.path == ROLES:
        return "ota\n"
    return {"Code": "Success", **KEYS} if request.path == f"{ROLES}ota" else (404, "canary")


def failure(ask, *arguments):
    with pytest.raises(OtaError) as error:
        ask(*arguments)
    assert "canary" not in str(error.value)
    assert (error.value.code, error.value.systemic) == ("credentials_failed", True)
    assert error.value.__cause__ is None
    return error.value


@pytest.fixture(autouse=True)
def _a_proxy_that_must_not_be_asked(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("role", ["ota", ""])
def test_the_role_of_an_instance(monkeypatch, role):
    with standing_in(instance) as (url, asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        assert ask_instance(role, PLACE) == NEW
    paths = [(request.method, request.path) for request in asked]
    assert paths == [
        ("PUT", "/latest/api/token"),
        *([] if role else [("GET", ROLES)]),
        ("GET", f"{ROLES}ota"),
    ]
    assert asked[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"] == "60"


def test_the_address_of_the_metadata_service():
    assert metadata.METADATA == "http://100.100.100.200"


def test_an_instance_without_that_role(monkeypatch):
    with standing_in(instance) as (url, _asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        error = failure(ask_instance, "other/../x", PLACE)
    assert (error.cause, error.retry) == ("the place answered with HTTP 404", Retry.NEVER)


def test_a_metadata_service_without_tokens_is_not_asked_for_more(monkeypatch):
    with standing_in(lambda request: (404, "")) as (url, asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        failure(ask_instance, "ota", PLACE)
    assert len(asked) == 1


def test_no_metadata_service(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(metadata, "METADATA", f"http://127.0.0.1:{port}")
    error = failure(ask_instance, "ota", PLACE)
    assert error.cause == f"the place cannot be asked: 127.0.0.1:{port} refuses connections"
    assert error.retry is Retry.NEVER
    assert error.hint == ("check that this machine has such a service and a role, or choose another credentials_source")


def test_a_metadata_service_that_is_silent_ends_in_time(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(metadata, "METADATA", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setattr(metadata, "METADATA_TIMEOUT", 0.1)
        assert failure(ask_instance, "ota", PLACE).cause.endswith("gave no whole answer in time")


def test_a_service_at_a_uri(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: {"Code": "Success", **KEYS}) as (url, asked):
        assert ask_uri(f"{url}/path?canary=1", PLACE) == NEW
    assert (asked[0].method, asked[0].path, asked[0].query) == ("GET", "/path", {"canary": "1"})


@pytest.mark.parametrize(
    ("answer", "cause", "retry"),
    [
        ((500, "canary"), "answered with HTTP 500", Retry.LATER),
        ((429, "canary"), "answered with HTTP 429", Retry.LATER),
        ((302, "canary"), "answered with HTTP 302", Retry.NEVER),
        ("canary", "gave no usable credentials", Retry.NEVER),
        ("[1]", "gave no usable credentials", Retry.NEVER),
        ({**KEYS, "Expiration": "canary"}, "gave no usable credentials", Retry.NEVER),
        ({**KEYS, "Expiration": None}, "gave no usable credentials", Retry.NEVER),
        ({"AccessKeyId": "canary"}, "gave no usable credentials", Retry.NEVER),
        ({**KEYS, "Code": "Failure"}, "gave no credentials and did not say Success", Retry.NEVER),
    ],
)
def test_what_a_service_may_answer_instead(monkeypatch, answer, cause, retry):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: answer) as (url, _asked):
        error = failure(ask_uri, f"{url}/?canary=1", PLACE)
    assert (error.cause, error.retry) == (f"the place {cause}", retry)


@pytest.mark.parametrize("name", ["AccessKeyId", "AccessKeySecret", "SecurityToken"])
def test_a_part_that_is_empty(monkeypatch, name):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: {**KEYS, name: ""}) as (url, _asked):
        error = failure(ask_uri, url, PLACE)
    part = {"AccessKeyId": "key id", "AccessKeySecret": "secret", "SecurityToken": "token"}[name]
    assert error.cause == f"the {part} from the place is missing"


@pytest.mark.parametrize("uri", ["http://keys.example.com/", "HTTP://10.0.0.1/"])
def test_credentials_do_not_travel_in_clear(uri):
    error = failure(ask_uri, uri, PLACE)
    assert error.cause == "the place is asked by plain http, so that the credentials would travel in clear"


def test_a_service_on_this_machine_is_asked_directly(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with standing_in(lambda request: (404, "")) as (url, asked):
        failure(ask_uri, url, PLACE)
    assert len(asked) == 1
