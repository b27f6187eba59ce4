# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import socket

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import metadata
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.metadata import CredentialsUri, InstanceRole
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import FetchContext
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
ROLES = "/latest/meta-data/ram/security-credentials/"
CONTEXT = FetchContext("the place")


def instance(request):
    """The metadata service of an instance with one role."""
    if request.method == "PUT":
        return "metadata-token" if request.path == "/latest/api/token" else (404, "")
    if request.headers.get("x-aliyun-ecs-metadata-token") != "metadata-token":
        return 403, "canary"
    if request.path == ROLES:
        return "ota\n"
    return {"Code": "Success", **KEYS} if request.path == f"{ROLES}ota" else (404, "canary")


def failure(fetcher):
    with pytest.raises(OtaError) as error:
        fetcher.fetch(CONTEXT)
    assert "canary" not in str(error.value)
    assert (error.value.code, error.value.affects_all) == ("credentials_failed", True)
    assert error.value.__cause__ is None
    return error.value


@pytest.fixture(autouse=True)
def _a_proxy_that_must_not_be_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.parametrize("role", ["ota", ""])
def test_instance_role_is_read_with_a_token(monkeypatch, role):
    with standing_in(instance) as (url, asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        assert InstanceRole(role).fetch(CONTEXT) == NEW
    paths = [(request.method, request.path) for request in asked]
    assert paths == [
        ("PUT", "/latest/api/token"),
        *([] if role else [("GET", ROLES)]),
        ("GET", f"{ROLES}ota"),
    ]
    assert asked[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"] == "60"


def test_metadata_service_has_the_vendors_address():
    assert metadata.METADATA == "http://100.100.100.200"


def test_instance_has_another_role(monkeypatch):
    with standing_in(instance) as (url, _asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        error = failure(InstanceRole("other/../x"))
    assert (error.cause, error.retry) == ("the place returned HTTP 404", Retry.NEVER)


def test_metadata_service_without_tokens_gets_no_further_request(monkeypatch):
    with standing_in(lambda request: (404, "")) as (url, asked):
        monkeypatch.setattr(metadata, "METADATA", url)
        failure(InstanceRole("ota"))
    assert len(asked) == 1


def test_metadata_service_does_not_exist(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(metadata, "METADATA", f"http://127.0.0.1:{port}")
    error = failure(InstanceRole("ota"))
    assert error.cause == f"the request to the place failed: 127.0.0.1:{port} refused the connection"
    assert error.retry is Retry.NEVER
    assert error.hint == ("check that this machine has such a service and a role, or choose another credentials_source")


def test_metadata_service_is_silent(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(metadata, "METADATA", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setattr(metadata, "METADATA_TIMEOUT", 0.1)
        assert failure(InstanceRole("ota")).cause.endswith("did not send a complete response in time")


def test_uri_is_called_as_it_is(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: {"Code": "Success", **KEYS}) as (url, asked):
        assert CredentialsUri(f"{url}/path?canary=1").fetch(CONTEXT) == NEW
    assert (asked[0].method, asked[0].path, asked[0].query) == ("GET", "/path", {"canary": "1"})


@pytest.mark.parametrize(
    ("answer", "cause", "retry"),
    [
        ((500, "canary"), "returned HTTP 500", Retry.LATER),
        ((429, "canary"), "returned HTTP 429", Retry.LATER),
        ((302, "canary"), "returned HTTP 302", Retry.NEVER),
        ("", "returned no JSON object", Retry.NEVER),
        ("canary", "returned no JSON object", Retry.NEVER),
        ("<html>canary</html>", "returned no JSON object", Retry.NEVER),
        ("[1]", "returned no JSON object", Retry.NEVER),
        ("[" * 100_000, "returned no JSON object", Retry.NEVER),
        ({**KEYS, "Code": "Failure"}, "returned a code other than Success", Retry.NEVER),
        ({"Code": "Failure"}, "returned a code other than Success", Retry.NEVER),
    ],
)
def test_unusable_response_is_refused(monkeypatch, answer, cause, retry):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: answer) as (url, _asked):
        error = failure(CredentialsUri(f"{url}/?canary=1"))
    assert (error.cause, error.retry) == (f"the place {cause}", retry)


@pytest.mark.parametrize("value", ["", None, {}])
@pytest.mark.parametrize("name", ["AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"])
def test_missing_part_is_named(monkeypatch, name, value):
    part = {"AccessKeyId": "key id", "AccessKeySecret": "secret", "SecurityToken": "token"}.get(name, "expiration")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for answer in ({**KEYS, name: value}, {other: KEYS[other] for other in KEYS if other != name}):
        with standing_in(lambda request, answer=answer: answer) as (url, _asked):
            assert failure(CredentialsUri(url)).cause == f"the {part} from the place is missing"


def test_credentials_within_an_object_are_missing(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: {"Credentials": KEYS}) as (url, _asked):
        assert failure(CredentialsUri(url)).cause == "the key id from the place is missing"


@pytest.mark.parametrize(
    "written",
    ["2099-01-01T00:00:00Z", "2099-01-01T00:00:00.000Z", "2099-01-01T00:00:00+00:00", "2099-01-01T08:00:00+08:00"],
)
def test_expiration_may_have_a_fraction_and_a_zone(written):
    assert metadata.parse_credentials(json.dumps({**KEYS, "Expiration": written}), "the place") == NEW


def test_byte_order_mark_is_skipped(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_in(lambda request: "\ufeff" + json.dumps(KEYS)) as (url, _asked):
        assert CredentialsUri(url).fetch(CONTEXT) == NEW


@pytest.mark.parametrize("written", ["canary", "2099-12-31T23:59:60Z", "2099-01-01T00:00:00", 4070908800, [1]])
def test_expiration_that_is_no_time(written):
    with pytest.raises(OtaError) as error:
        metadata.parse_credentials(json.dumps({**KEYS, "Expiration": written}), "the place")
    assert str(error.value) == (
        "No request was sent: the expiration from the place is not a time; let the service write it like"
        " 2030-01-31T12:00:00Z."
    )


@pytest.mark.parametrize("uri", ["http://keys.example.com/", "HTTP://10.0.0.1/"])
def test_plain_http_to_another_machine_is_refused(uri):
    error = failure(CredentialsUri(uri))
    assert error.cause == "the place is called over plain http, so the credentials would travel in clear text"


def test_service_on_this_machine_is_called_without_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with standing_in(lambda request: (404, "")) as (url, asked):
        failure(CredentialsUri(url))
    assert len(asked) == 1


def test_plain_http_to_another_machine_is_allowed_on_request(monkeypatch):
    sent = []

    def send(self, method, url, timeout, headers):
        sent.append((method, url, timeout))
        return Response(200, {}, json.dumps(KEYS).encode())

    monkeypatch.setattr(metadata.Transport, "send", send)
    fetcher = CredentialsUri("http://keys.example.com/")
    assert fetcher.fetch(FetchContext("the place", allow_http=True)) == NEW
    assert sent == [("GET", "http://keys.example.com/", metadata.URI_TIMEOUT)]


@pytest.mark.parametrize("fetcher", [InstanceRole("ota"), CredentialsUri("http://h/?canary=1")])
def test_fetchers_hold_no_secrets_and_need_no_library(fetcher):
    assert fetcher.secrets() == set()
    assert fetcher.require_library("the place") is None
