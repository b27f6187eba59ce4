# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import (
    CredentialsProvider,
    FetchContext,
    StaticKey,
    credentials_error,
    validate_credentials,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry

KEY = Credentials("id", "secret", "token")
CONTEXT = FetchContext("the place", "http://proxy:1", allow_http=True)
NAMES = ("the id", "the secret", "the token")


class Recorder:
    """A fetcher that keeps what it is called with."""

    def __init__(self):
        self.calls = []

    def fetch(self, context):
        self.calls.append(("fetch", context))
        return KEY

    def secrets(self):
        return {"of the fetcher"}

    def require_library(self, origin):
        self.calls.append(("require_library", origin))


class Provider(CredentialsProvider):
    def __init__(self, fetcher):
        super().__init__(CONTEXT)
        self.fetcher = fetcher

    def build_fetcher(self):
        return self.fetcher


# --- Providers -------------------------------------------------------------------------------------------------------


def test_provider_hands_its_context_to_the_fetcher():
    fetcher = Recorder()
    provider = Provider(fetcher)
    assert provider.fetch() is KEY
    assert fetcher.calls == [("fetch", CONTEXT)]
    assert provider.origin == "the place"
    assert provider.secrets() == {"of the fetcher"}


def test_load_static_requires_the_library_and_fetches_nothing():
    fetcher = Recorder()
    assert Provider(fetcher).load_static() is None
    assert fetcher.calls == [("require_library", "the place")]


def test_load_static_fails_without_the_library():
    class Incomplete(Recorder):
        def require_library(self, origin):
            raise MissingLibraryError("library", f"for {origin}")

    with pytest.raises(MissingLibraryError) as error:
        Provider(Incomplete()).load_static()
    assert error.value.reason == "for the place"


def test_load_static_returns_a_static_key():
    assert Provider(StaticKey(KEY)).load_static() is KEY


def test_static_key_provides_itself():
    key = StaticKey(KEY)
    assert key.fetch(CONTEXT) is KEY
    assert key.secrets() == {"secret", "token"}
    assert key.require_library("the place") is None


def test_context_defaults_to_no_proxy_and_no_plain_http():
    assert FetchContext("the place") == ("the place", None, False)


# --- Validation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [KEY, Credentials("id", "secret"), Credentials("i d", "s/+=", "t%~")])
def test_usable_credentials_are_returned_as_they_are(credentials):
    assert validate_credentials(NAMES, credentials) is credentials


@pytest.mark.parametrize("part", [None, "", 5])
@pytest.mark.parametrize("position", [0, 1])
def test_missing_part_is_named(position, part):
    parts = ["id", "secret"]
    parts[position] = part
    with pytest.raises(OtaError) as error:
        validate_credentials(NAMES, Credentials(*parts))
    assert str(error.value) == f"No request was sent: {NAMES[position]} is missing; check the service that issues them."
    assert (error.value.code, error.value.retry) == ("credentials_failed", Retry.NEVER)


def test_empty_token_is_missing():
    with pytest.raises(OtaError) as error:
        validate_credentials(NAMES, Credentials("id", "secret", ""))
    assert error.value.cause == "the token is missing"


@pytest.mark.parametrize("part", ["a\nb", "a\tb", "\x7f", "客", "é"])
def test_part_that_cannot_be_a_header_is_refused(part):
    with pytest.raises(OtaError) as error:
        validate_credentials(NAMES, Credentials("id", "secret", part))
    assert str(error.value) == (
        "No request was sent: the token contains a character that no key has, such as a line break;"
        " check the file or variable it comes from."
    )
    assert error.value.code == "invalid_option"


def test_part_that_is_no_unicode_is_refused():
    with pytest.raises(OtaError) as error:
        validate_credentials(NAMES, Credentials("caf\udce9", "secret"))
    assert (error.value.cause, error.value.code) == ("the id is not valid Unicode", "invalid_option")


# --- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transient", "retry"), [(True, Retry.LATER), (False, Retry.NEVER)])
def test_credentials_error_affects_every_request(transient, retry):
    error = credentials_error("no response", "wait", transient)
    assert str(error) == "No request was sent: no response; wait."
    assert (error.code, error.retry, error.affects_all) == ("credentials_failed", retry, True)
