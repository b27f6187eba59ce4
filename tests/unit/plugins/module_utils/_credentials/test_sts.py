# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import socket
import ssl

import pytest
import trustme
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_rpc
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import sts as sts_module
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import FetchContext, StaticKey
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import AssumedRole, OidcRole, RoleSession
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in
from ansible_collections.iotfleet.ota.tests.unit.wires import saying, server

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
BASE = StaticKey(Credentials("base-id", "canary-secret"))
ROLE = AssumedRole(BASE, RoleSession("acs:ram::1:role/ota"))
CONTEXT = FetchContext("the place")


@pytest.fixture
def sts(monkeypatch):
    """What STS is asked; its answers are to be put into the list."""
    answers = []
    with standing_in(lambda request: answers.pop(0) if answers else {"Credentials": KEYS}) as (url, asked):
        monkeypatch.setattr(sts_module, "STS_ENDPOINT", f"{url}/")
        yield asked, answers


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


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
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", query["Timestamp"])


@pytest.mark.parametrize(
    ("session", "url"),
    [
        (RoleSession("r"), "https://sts.aliyuncs.com/"),
        (RoleSession("r", vpc=True), "https://sts.aliyuncs.com/"),
        (RoleSession("r", sts_region="cn-shanghai"), "https://sts.cn-shanghai.aliyuncs.com/"),
        (RoleSession("r", sts_region="cn-shanghai", vpc=True), "https://sts-vpc.cn-shanghai.aliyuncs.com/"),
    ],
)
def test_sts_of_a_region(session, url):
    assert sts_module._sts_url(session) == url


def test_session_has_defaults(sts):
    asked, _answers = sts
    ROLE.fetch(CONTEXT)
    query = asked[0].query
    assert query.items() >= {"RoleSessionName": "iotfleet.ota", "DurationSeconds": "3600"}.items()
    assert not query.keys() & {"Policy", "ExternalId", "SecurityToken"}


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
    assert not asked[0].query.keys() & {"Signature", "AccessKeyId"}


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
        (
            (400, {"Code": "AuthenticationFail.OIDCToken.Expired", "Message": "canary"}),
            "the token in the token file of the place has expired",
            Retry.NEVER,
        ),
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


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((503, "canary"), "try again later, or check the service's status page"),
        ((400, {"Code": "AuthenticationFail.OIDCToken.Expired"}), "renew it, or check what renews it"),
        ((403, {"Code": "NoPermission"}), "check the role, and that its trust policy allows the caller"),
    ],
)
def test_remedy_fits_the_refusal(sts, answer, hint):
    sts[1].append(answer)
    assert failure(ROLE).hint.startswith(hint)


def test_sts_cannot_be_reached(monkeypatch):
    port = closed_port()
    monkeypatch.setattr(sts_module, "STS_ENDPOINT", f"http://127.0.0.1:{port}/")
    error = failure(ROLE)
    assert error.cause == (
        "the service that issues the credentials of the place cannot be reached:"
        f" 127.0.0.1:{port} refused the connection"
    )
    assert error.retry is Retry.LATER


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_authorities_of_the_environment_are_trusted(monkeypatch, tmp_path, variable):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    body = json.dumps({"Credentials": KEYS}).encode()
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with server(saying(response), context) as port:
        monkeypatch.setattr(sts_module, "STS_ENDPOINT", f"https://127.0.0.1:{port}/")
        error = failure(ROLE)
        assert "is not trusted" in error.cause
        assert "REQUESTS_CA_BUNDLE" in error.hint
        assert error.retry is Retry.NEVER
        monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
        assert ROLE.fetch(CONTEXT) == NEW


def test_proxy_of_the_environment_is_used_unless_it_is_not_needed(sts, monkeypatch):
    asked, _answers = sts
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert "the proxy 127.0.0.1:" in failure(ROLE).cause
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    assert ROLE.fetch(CONTEXT) == NEW
    assert len(asked) == 1


def test_proxy_of_the_option_is_used(sts):
    with pytest.raises(OtaError) as error:
        ROLE.fetch(FetchContext("the place", f"127.0.0.1:{closed_port()}"))
    assert "the proxy 127.0.0.1:" in error.value.cause


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


def test_token_file_does_not_exist(sts, tmp_path):
    error = failure(OidcRole(RoleSession("r"), "o", str(tmp_path / "none")))
    assert error.cause == "the token file of the place cannot be read"
    assert sts[0] == []


@pytest.mark.parametrize("fetcher", [ROLE, OidcRole(RoleSession("r"), "o", "/t")])
def test_no_library_is_needed(fetcher):
    assert fetcher.require_library("the place") is None


def test_secrets_are_those_of_the_base():
    assert AssumedRole(ROLE, RoleSession("r")).secrets() == {"canary-secret"}
    assert OidcRole(RoleSession("r"), "o", "/t").secrets() == set()
