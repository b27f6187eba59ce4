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
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import FetchContext, StaticKey
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import AssumedRole, OidcRole, RoleSession
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
BASE = StaticKey(Credentials("base-id", "canary-secret"))
ROLE = AssumedRole(BASE, RoleSession("acs:ram::1:role/ota"))
CONTEXT = FetchContext("the place")
# What the package itself does in old ways.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture
def sts(monkeypatch):
    """What STS is asked; its answers are to be put into the list."""
    pytest.importorskip("alibabacloud_credentials")
    answers = []
    with standing_in(lambda request: answers.pop(0) if answers else {"Credentials": KEYS}) as (url, asked):
        monkeypatch.setattr(sts_module, "STS_ENDPOINT", url)
        yield asked, answers


def failure(fetcher):
    with pytest.raises(OtaError) as error:
        fetcher.fetch(CONTEXT)
    assert "canary" not in str(error.value)
    assert error.value.__cause__ is None
    return error.value


def test_assume_role_request(sts):
    asked, _answers = sts
    session = RoleSession("acs:ram::1:role/ota", "me", 1800, "{}")
    assert AssumedRole(BASE, session, "external").fetch(CONTEXT) == NEW
    (request,) = asked
    query = request.query
    signature = query.pop("Signature")
    assert signature == sign_rpc("GET", query, "canary-secret")
    expected = {"Action": "AssumeRole", "AccessKeyId": "base-id", "RoleArn": "acs:ram::1:role/ota", "Policy": "{}"}
    expected.update(RoleSessionName="me", DurationSeconds="1800", ExternalId="external")
    assert query.items() >= expected.items()
    assert "SecurityToken" not in query


def test_role_of_a_role(sts):
    asked, _answers = sts
    assert AssumedRole(ROLE, RoleSession("acs:ram::1:role/second")).fetch(CONTEXT) == NEW
    assert [request.query["RoleArn"] for request in asked] == ["acs:ram::1:role/ota", "acs:ram::1:role/second"]
    assert asked[0].query["RoleSessionName"] == "iotfleet.ota"
    assert asked[1].query["SecurityToken"] == "canary-new-token"


@pytest.mark.parametrize("written", ["canary-oidc", "canary-oidc\n", "\ufeff canary-oidc\r\n"])
def test_assume_role_with_oidc_request(sts, tmp_path, written):
    asked, _answers = sts
    (tmp_path / "token").write_text(written)
    role = OidcRole(RoleSession("acs:ram::1:role/ota"), "acs:ram::1:oidc-provider/ack", str(tmp_path / "token"))
    assert role.fetch(CONTEXT) == NEW
    expected = {
        "Action": "AssumeRoleWithOIDC",
        "OIDCProviderArn": "acs:ram::1:oidc-provider/ack",
        "OIDCToken": "canary-oidc",
        "RoleArn": "acs:ram::1:role/ota",
    }
    assert asked[0].query.items() >= expected.items()


def test_each_fetch_is_a_new_request(sts):
    asked, _answers = sts
    for _number in range(2):
        ROLE.fetch(CONTEXT)
    assert len(asked) == 2


def test_base_credentials_are_fetched_in_the_same_context(sts):
    asked, _answers = sts
    contexts = []

    class Base(StaticKey):
        def fetch(self, context):
            contexts.append(context)
            return super().fetch(context)

    AssumedRole(Base(Credentials("other-id", "canary-secret")), RoleSession("r")).fetch(CONTEXT)
    assert contexts == [CONTEXT]
    assert asked[0].query["AccessKeyId"] == "other-id"


@pytest.mark.parametrize(
    ("answer", "cause", "retry"),
    [
        (
            (403, {"Code": "NoPermission", "Message": "canary", "RequestId": "R"}),
            "the service refused to issue the credentials of the place: NoPermission (HTTP 403)",
            Retry.NEVER,
        ),
        (
            (400, {"Code": "Throttling.User", "Message": "canary"}),
            "the service refused to issue the credentials of the place: Throttling.User (HTTP 400)",
            Retry.LATER,
        ),
        ((503, "canary"), "the service refused to issue the credentials of the place: HTTP 503", Retry.LATER),
        ("canary", "no usable credentials were issued for the place", Retry.NEVER),
        ({"canary": 1}, "no usable credentials were issued for the place", Retry.NEVER),
        ({"Credentials": {**KEYS, "Expiration": None}}, "no usable credentials were issued for the place", Retry.NEVER),
        (
            {"Credentials": {**KEYS, "AccessKeySecret": ""}},
            "the secret issued for the place is missing",
            Retry.NEVER,
        ),
    ],
)
def test_unusable_response_is_refused(sts, answer, cause, retry):
    sts[1].append(answer)
    error = failure(ROLE)
    assert (error.cause, error.retry, error.code) == (cause, retry, "credentials_failed")


def test_nothing_is_written_to_the_terminal(sts, capfd, caplog):
    sts[1].append((403, {"Code": "NoPermission", "Message": "canary"}))
    failure(ROLE)
    assert capfd.readouterr() == ("", "")
    assert "canary" not in caplog.text


def test_sts_cannot_be_reached(monkeypatch):
    pytest.importorskip("alibabacloud_credentials")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(sts_module, "STS_ENDPOINT", f"http://127.0.0.1:{port}")
    error = failure(ROLE)
    assert error.cause == "the service that issues the credentials of the place cannot be reached"
    assert error.retry is Retry.LATER


def test_token_file_does_not_exist(sts, tmp_path):
    error = failure(OidcRole(RoleSession("r"), "o", str(tmp_path / "none")))
    assert error.cause == "the token file of the place cannot be read"
    assert sts[0] == []


@pytest.mark.parametrize("content", [b"", b" \n", b"x" * 20_001, "客".encode()])
def test_token_file_holds_no_token(sts, tmp_path, content):
    (tmp_path / "token").write_bytes(content)
    error = failure(OidcRole(RoleSession("r"), "o", str(tmp_path / "token")))
    assert (error.cause, error.hint) == ("the token file of the place holds no token", "check its path")
    assert sts[0] == []


def test_token_file_is_not_text(sts, tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    assert failure(OidcRole(RoleSession("r"), "o", str(tmp_path / "token"))).cause.endswith("cannot be read")


def test_long_token_is_sent_whole(sts, tmp_path):
    (tmp_path / "token").write_text("x" * 20_000 + "\n")
    OidcRole(RoleSession("r"), "o", str(tmp_path / "token")).fetch(CONTEXT)
    assert sts[0][0].query["OIDCToken"] == "x" * 20_000


def test_token_file_may_be_in_the_home(sts, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("canary-oidc")
    assert OidcRole(RoleSession("r"), "o", "~/token").fetch(CONTEXT) == NEW


def test_stale_token_is_named(sts, tmp_path):
    (tmp_path / "token").write_text("canary-oidc")
    sts[1].append((400, {"Code": "AuthenticationFail.OIDCToken.Expired", "Message": "canary-oidc has expired"}))
    assert str(failure(OidcRole(RoleSession("r"), "o", str(tmp_path / "token")))) == (
        "No request was sent: the token in the token file of the place has expired;"
        " renew it, or check what renews it and the clock of this machine."
    )


def test_proxy_is_passed_on(monkeypatch):
    pytest.importorskip("alibabacloud_credentials")
    assert sts_module._role_arguments(RoleSession("r"), "http://proxy:1")["http_options"].proxy == "http://proxy:1"


@pytest.mark.parametrize("fetcher", [ROLE, OidcRole(RoleSession("r"), "o", "/t")])
def test_missing_package_is_named(monkeypatch, fetcher):
    for name in [name for name in sys.modules if name.split(".")[0] == "alibabacloud_credentials"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "alibabacloud_credentials", None)
    with pytest.raises(MissingLibraryError) as error:
        fetcher.require_library("the place")
    assert (error.value.library, error.value.reason) == (
        "alibabacloud_credentials",
        "for the credentials of the place",
    )


@pytest.mark.parametrize("fetcher", [ROLE, OidcRole(RoleSession("r"), "o", "/t")])
def test_package_that_is_too_old_is_named(monkeypatch, fetcher):
    provider = pytest.importorskip("alibabacloud_credentials.provider")
    for name in ("RamRoleArnCredentialsProvider", "OIDCRoleArnCredentialsProvider"):
        monkeypatch.delattr(provider, name)
    with pytest.raises(MissingLibraryError) as error:
        fetcher.require_library("the place")
    assert error.value.reason == "in a newer version, for the credentials of the place"


@pytest.mark.parametrize("fetcher", [ROLE, OidcRole(RoleSession("r"), "o", "/t")])
def test_installed_package_is_enough(fetcher):
    pytest.importorskip("alibabacloud_credentials")
    assert fetcher.require_library("the place") is None


def test_secrets_are_those_of_the_base():
    assert AssumedRole(ROLE, RoleSession("r")).secrets() == {"canary-secret"}
    assert OidcRole(RoleSession("r"), "o", "/t").secrets() == set()
