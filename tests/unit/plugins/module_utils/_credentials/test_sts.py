# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import sys

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_rpc
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import sts as sts_module
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import ways
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import Session
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.ways import (
    AssumedRole,
    CredentialsUri,
    OidcRole,
    go,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
BASE = Credentials("base-id", "canary-secret")
ROLE = AssumedRole(BASE, Session("acs:ram::1:role/ota"))
PLACE = "the place"
# What the package itself does in old ways.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sts(monkeypatch):
    """What STS is asked; its answers are to be put into the list."""
    pytest.importorskip("alibabacloud_credentials")
    answers = []
    with standing_in(lambda request: answers.pop(0) if answers else {"Credentials": KEYS}) as (url, asked):
        monkeypatch.setattr(sts_module, "STS_ENDPOINT", url)
        yield asked, answers


def failure(way):
    with pytest.raises(OtaError) as error:
        go(way, PLACE, None)
    assert "canary" not in str(error.value)
    assert error.value.__cause__ is None
    return error.value


def test_a_role_is_assumed(sts):
    asked, _answers = sts
    session = Session("acs:ram::1:role/ota", "me", 1800, "{}")
    assert go(AssumedRole(BASE, session, "external"), PLACE, None) == NEW
    (request,) = asked
    query = request.query
    signature = query.pop("Signature")
    assert signature == sign_rpc("GET", query, "canary-secret")
    expected = {"Action": "AssumeRole", "AccessKeyId": "base-id", "RoleArn": "acs:ram::1:role/ota", "Policy": "{}"}
    expected.update(RoleSessionName="me", DurationSeconds="1800", ExternalId="external")
    assert query.items() >= expected.items()
    assert "SecurityToken" not in query


def test_a_role_of_a_role(sts):
    asked, _answers = sts
    assert go(AssumedRole(ROLE, Session("acs:ram::1:role/second")), PLACE, None) == NEW
    assert [request.query["RoleArn"] for request in asked] == ["acs:ram::1:role/ota", "acs:ram::1:role/second"]
    assert asked[0].query["RoleSessionName"] == "iotfleet.ota"
    assert asked[1].query["SecurityToken"] == "canary-new-token"


def test_a_role_by_a_token(sts, tmp_path):
    asked, _answers = sts
    (tmp_path / "token").write_text("canary-oidc")
    way = OidcRole(Session("acs:ram::1:role/ota"), "acs:ram::1:oidc-provider/ack", str(tmp_path / "token"))
    assert go(way, PLACE, None) == NEW
    expected = {
        "Action": "AssumeRoleWithOIDC",
        "OIDCProviderArn": "acs:ram::1:oidc-provider/ack",
        "OIDCToken": "canary-oidc",
        "RoleArn": "acs:ram::1:role/ota",
    }
    assert asked[0].query.items() >= expected.items()


def test_each_time_anew(sts):
    asked, _answers = sts
    for _number in range(2):
        go(ROLE, PLACE, None)
    assert len(asked) == 2


def test_a_role_of_who_answers_at_a_uri(sts, monkeypatch):
    asked, _answers = sts
    monkeypatch.setattr(ways, "ask_uri", lambda uri, place, allow_http: Credentials(uri, "canary-secret"))
    go(AssumedRole(CredentialsUri("uri"), Session("r")), PLACE, None)
    assert asked[0].query["AccessKeyId"] == "uri"


@pytest.mark.parametrize(
    ("answer", "cause", "retry"),
    [
        (
            (403, {"Code": "NoPermission", "Message": "canary", "RequestId": "R"}),
            "the credentials of the place were refused with NoPermission (HTTP 403)",
            Retry.NEVER,
        ),
        (
            (400, {"Code": "Throttling.User", "Message": "canary"}),
            "the credentials of the place were refused with Throttling.User (HTTP 400)",
            Retry.LATER,
        ),
        ((503, "canary"), "the credentials of the place were refused with HTTP 503", Retry.LATER),
        ("canary", "no usable credentials came from the place", Retry.NEVER),
        ({"canary": 1}, "no usable credentials came from the place", Retry.NEVER),
        ({"Credentials": {**KEYS, "Expiration": None}}, "no usable credentials came from the place", Retry.NEVER),
        (
            {"Credentials": {**KEYS, "AccessKeySecret": ""}},
            "the secret that came from the place is missing",
            Retry.NEVER,
        ),
    ],
)
def test_what_sts_may_answer_instead(sts, answer, cause, retry):
    sts[1].append(answer)
    error = failure(ROLE)
    assert (error.cause, error.retry, error.code) == (cause, retry, "credentials_failed")


def test_nothing_is_written_to_the_terminal(sts, capfd, caplog):
    sts[1].append((403, {"Code": "NoPermission", "Message": "canary"}))
    failure(ROLE)
    assert capfd.readouterr() == ("", "")
    assert "canary" not in caplog.text


def test_no_sts(monkeypatch):
    pytest.importorskip("alibabacloud_credentials")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(sts_module, "STS_ENDPOINT", f"http://127.0.0.1:{port}")
    error = failure(ROLE)
    assert error.cause == "the service that hands out the credentials of the place cannot be reached"
    assert error.retry is Retry.LATER


def test_a_token_that_is_not_there(sts, tmp_path):
    error = failure(OidcRole(Session("r"), "o", str(tmp_path / "none")))
    assert error.cause == "the token's file of the place cannot be read"
    assert sts[0] == []


def test_the_proxy_is_used(monkeypatch):
    vendor = pytest.importorskip("alibabacloud_credentials.provider")
    assert sts_module._arguments(vendor, Session("r"), "http://proxy:1")["http_options"].proxy == "http://proxy:1"


@pytest.mark.parametrize("way", [ROLE, OidcRole(Session("r"), "o", "/t")])
def test_a_missing_package_is_told(monkeypatch, way):
    for name in [name for name in sys.modules if name.split(".")[0] == "alibabacloud_credentials"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    with pytest.raises(MissingLibraryError) as error:
        ways.check(way, PLACE)
    assert (error.value.library, error.value.reason) == (
        "alibabacloud_credentials",
        "for the credentials of the place",
    )
    ways.check(BASE, PLACE)
