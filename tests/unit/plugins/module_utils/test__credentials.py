# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import Credentials, find_credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError

FIRST = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id1", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "secret1"}
SECOND = {"ALICLOUD_ACCESS_KEY": "id2", "ALICLOUD_SECRET_KEY": "secret2"}
OPTIONS = {"access_key_id": "id0", "access_key_secret": "secret0", "security_token": None}
VARIABLES = "the environment variables ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
NO_OPTIONS = dict.fromkeys(OPTIONS)


@pytest.mark.parametrize(
    ("options", "environ", "expected"),
    [
        (OPTIONS, {**FIRST, **SECOND}, Credentials("id0", "secret0")),
        ({**OPTIONS, "security_token": "t0"}, {}, Credentials("id0", "secret0", "t0")),
        (NO_OPTIONS, {**FIRST, **SECOND}, Credentials("id1", "secret1")),
        (NO_OPTIONS, {**FIRST, "ALIBABA_CLOUD_SECURITY_TOKEN": "t1"}, Credentials("id1", "secret1", "t1")),
        (NO_OPTIONS, SECOND, Credentials("id2", "secret2")),
        (NO_OPTIONS, {**SECOND, "ALICLOUD_SECURITY_TOKEN": "t2"}, Credentials("id2", "secret2", "t2")),
        (NO_OPTIONS, {**SECOND, "ALIBABA_CLOUD_ACCESS_KEY_ID": ""}, Credentials("id2", "secret2")),
        (OPTIONS, {"ALIBABA_CLOUD_SECURITY_TOKEN": "of another key"}, Credentials("id0", "secret0")),
        (NO_OPTIONS, {**SECOND, "ALIBABA_CLOUD_SECURITY_TOKEN": "of another key"}, Credentials("id2", "secret2")),
    ],
)
def test_the_first_source_counts_and_parts_are_never_mixed(options, environ, expected):
    assert find_credentials(options, environ) == expected


def missing_option(missing, given):
    cause = f"{missing} is missing although {given} is given"
    return f"{cause}; give the option {missing}, or take the whole key from {VARIABLES}"


@pytest.mark.parametrize(
    ("options", "environ", "sentence"),
    [
        (
            NO_OPTIONS,
            {},
            f"no access key is configured; give access_key_id and access_key_secret, or set {VARIABLES}",
        ),
        (
            {**NO_OPTIONS, "access_key_id": "id0"},
            FIRST,
            missing_option("access_key_secret", "access_key_id"),
        ),
        (
            {**NO_OPTIONS, "access_key_secret": "secret0"},
            {},
            missing_option("access_key_id", "access_key_secret"),
        ),
        (
            {**NO_OPTIONS, "security_token": "t0"},
            FIRST,
            missing_option("access_key_id", "security_token"),
        ),
        (
            NO_OPTIONS,
            {"ALIBABA_CLOUD_ACCESS_KEY_ID": "id1", **SECOND},
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET is missing although ALIBABA_CLOUD_ACCESS_KEY_ID is set;"
            " set the environment variable ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give the options access_key_id and"
            " access_key_secret",
        ),
        (
            NO_OPTIONS,
            {"ALICLOUD_SECRET_KEY": "secret2"},
            "ALICLOUD_ACCESS_KEY is missing although ALICLOUD_SECRET_KEY is set;"
            " set the environment variable ALICLOUD_ACCESS_KEY, or give the options access_key_id and"
            " access_key_secret",
        ),
    ],
)
def test_what_is_missing_is_named(options, environ, sentence):
    with pytest.raises(OtaError) as error:
        find_credentials(options, environ)
    assert str(error.value) == f"Nothing was asked: {sentence}."
    assert error.value.code == "missing_credentials"


@pytest.mark.parametrize("name", ["access_key_id", "access_key_secret"])
def test_a_key_that_cannot_be_written_is_refused(name):
    with pytest.raises(OtaError) as error:
        find_credentials({**OPTIONS, name: "caf\udce9"}, {})
    assert error.value.cause == f"{name} is not valid Unicode"


def test_the_secrets_are_not_shown():
    shown = repr(Credentials("id", "hunter2", "token2"))
    assert "hunter2" not in shown
    assert "token2" not in shown


def test_what_is_confidential():
    assert Credentials("id", "secret").confidential() == ("secret", "id")
    assert Credentials("id", "secret", "token").confidential() == ("secret", "token", "id")
