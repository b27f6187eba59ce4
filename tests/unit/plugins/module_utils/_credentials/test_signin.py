# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shlex
import sys

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import signin
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import FetchContext
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.signin import CloudSso, ExternalCommand, OAuth
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.stand_ins import EXPIRES, KEYS, standing_in

NEW = Credentials("STS.new-id", "canary-new-secret", "canary-new-token", EXPIRES)
NOT_ISSUED = Credentials("", "", "", 0)
CONTEXT = FetchContext("the place")
LATER = 4070908800
FETCHERS = [
    ExternalCommand("x"),
    CloudSso("https://h/", "1", "ac-1", "canary-token", LATER),
    OAuth("CN", "canary-token", LATER, NEW),
]
# What the package itself does in old ways.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture(autouse=True)
def _package():
    provider = pytest.importorskip("alibabacloud_credentials.provider")
    if not hasattr(provider, "ExternalCredentialsProvider"):
        pytest.skip("the package does not know these modes yet")


def failure(fetcher):
    with pytest.raises(OtaError) as error:
        fetcher.fetch(CONTEXT)
    assert "canary" not in str(error.value)
    assert error.value.__cause__ is None
    assert (error.value.code, error.value.affects_all) == ("credentials_failed", True)
    return error.value


# --- Commands --------------------------------------------------------------------------------------------------------


def printing(text, code=0):
    program = f"import sys; sys.stderr.write('canary'); print({text!r}); sys.exit({code})"
    return ExternalCommand(f"{shlex.quote(sys.executable)} -c {shlex.quote(program)}")


OUTPUT = {"mode": "StsToken", "access_key_id": "id", "access_key_secret": "canary-secret", "sts_token": "canary-token"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            {**OUTPUT, "expiration": "2099-01-01T00:00:00Z"},
            Credentials("id", "canary-secret", "canary-token", EXPIRES),
        ),
        (OUTPUT, Credentials("id", "canary-secret", "canary-token")),
        ({"mode": "AK", "access_key_id": "id", "access_key_secret": "s"}, Credentials("id", "s")),
    ],
)
def test_command_prints_credentials(output, expected):
    assert printing(json.dumps(output)).fetch(CONTEXT) == expected


@pytest.mark.parametrize(
    "command",
    [
        printing("canary"),
        printing("{}"),
        printing(json.dumps(OUTPUT), 1),
        printing(json.dumps({**OUTPUT, "expiration": "canary"})),
        printing(json.dumps({**OUTPUT, "expiration": "2000-01-01T00:00:00Z"})),
        ExternalCommand("/no/such/canary"),
        ExternalCommand("'canary"),
    ],
)
def test_command_without_credentials(command, capfd):
    error = failure(command)
    assert (str(error), error.retry) == (
        "No request was sent: no usable credentials were issued for the place; run its process_command by hand, which"
        " has to print the JSON that the vendor documents.",
        Retry.NEVER,
    )
    assert capfd.readouterr() == ("", "")


# --- Sign-ins --------------------------------------------------------------------------------------------------------


def test_cloud_sso_request():
    with standing_in(lambda request: {"CloudCredential": KEYS}) as (url, asked):
        assert CloudSso(f"{url}/start", "1", "ac-1", "canary-token", LATER).fetch(CONTEXT) == NEW
    (request,) = asked
    assert (request.method, request.path) == ("POST", "/cloud-credentials")
    assert request.headers["authorization"] == "Bearer canary-token"


@pytest.fixture
def site(monkeypatch):
    """The vendor's site; what it is asked, and its answers."""
    answers = []
    with standing_in(lambda request: answers.pop(0) if answers else KEYS) as (url, asked):
        monkeypatch.setitem(signin.OAUTH_SITES, "CN", (url, "client"))
        yield asked, answers


def test_oauth_request(site):
    assert OAuth("CN", "canary-token", LATER, NOT_ISSUED).fetch(CONTEXT) == NEW
    (request,) = site[0]
    assert (request.method, request.path) == ("POST", "/v1/exchange")
    assert request.headers["authorization"] == "Bearer canary-token"


def test_sign_in_is_never_renewed(site):
    OAuth("CN", "canary-token", int(signin.time.time()) + 60, NOT_ISSUED).fetch(CONTEXT)
    assert [request.path for request in site[0]] == ["/v1/exchange"]


@pytest.mark.parametrize("token_expires", [0, LATER])
def test_issued_credentials_are_used_until_they_expire(site, token_expires):
    issued = Credentials("id", "canary-secret", "canary-issued", LATER)
    assert OAuth("CN", "canary-token", token_expires, issued).fetch(CONTEXT) == issued
    assert site[0] == []
    expired = Credentials("id", "canary-secret", "canary-issued", 1)
    assert OAuth("CN", "canary-token", LATER, expired).fetch(CONTEXT) == NEW


@pytest.mark.parametrize(
    ("fetcher", "mode"),
    [
        (CloudSso("http://127.0.0.1:9/", "1", "ac-1", "canary-token", 1), "CloudSSO"),
        (OAuth("CN", "canary-token", 1, Credentials("id", "s", "t", 1)), "OAuth"),
        (OAuth("CN", "canary-token", 0, NOT_ISSUED), "OAuth"),
    ],
)
def test_expired_sign_in_is_named(fetcher, mode):
    assert str(failure(fetcher)) == (
        "No request was sent: the sign-in of the place has expired;"
        f" sign in again with: aliyun configure --mode {mode}."
    )


def test_refused_sign_in(site, capfd):
    site[1].append((403, {"Code": "InvalidToken", "Message": "canary-token"}))
    assert str(failure(OAuth("CN", "canary-token", LATER, NOT_ISSUED))) == (
        "No request was sent: the service refused to issue the credentials of the place: InvalidToken (HTTP 403);"
        " sign in again with: aliyun configure --mode OAuth."
    )
    assert capfd.readouterr() == ("", "")


# --- All of them -----------------------------------------------------------------------------------------------------


def test_secrets():
    assert [fetcher.secrets() for fetcher in FETCHERS] == [
        set(),
        {"canary-token"},
        {"canary-token", "canary-new-secret", "canary-new-token"},
    ]


@pytest.mark.parametrize("fetcher", FETCHERS, ids=lambda fetcher: type(fetcher).__name__)
def test_secrets_are_in_no_repr(fetcher):
    assert "canary" not in repr(fetcher)


@pytest.mark.parametrize("fetcher", FETCHERS, ids=lambda fetcher: type(fetcher).__name__)
def test_package_that_is_too_old_is_named(monkeypatch, fetcher):
    from alibabacloud_credentials import provider

    assert fetcher.require_library("the place") is None
    for name in ("ExternalCredentialsProvider", "CloudSSOCredentialsProvider", "OAuthCredentialsProvider"):
        monkeypatch.delattr(provider, name)
    with pytest.raises(MissingLibraryError) as error:
        fetcher.require_library("the place")
    assert error.value.reason == "in a newer version, for the credentials of the place"
