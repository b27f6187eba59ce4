# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.profiles import read_cli, read_ini, way_of
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import Session
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.ways import (
    AssumedRole,
    CredentialsUri,
    InstanceRole,
    OidcRole,
    secrets,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError

KEY = {"access_key_id": "id", "access_key_secret": "secret"}
ROLE = {"ram_role_arn": "acs:ram::1:role/ota"}
OIDC = {"oidc_provider_arn": "acs:ram::1:oidc-provider/ack", "oidc_token_file": "/token"}
OWN = Credentials("id", "secret")


def cli(tmp_path, *profiles, current="p"):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"current": current, "profiles": profiles, "meta_path": ""}))
    return read_cli(str(path))


def ini(tmp_path, text):
    path = tmp_path / "credentials.ini"
    path.write_text(text)
    return read_ini(str(path))


def way(book, name="p"):
    return way_of(book.profiles[name], book)


def refusal(book, name="p"):
    with pytest.raises(OtaError) as error:
        way(book, name)
    assert "secret" not in str(error.value).replace("access_key_secret", "")
    return error.value


# --- Ways ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"mode": "AK", **KEY}, OWN),
        ({"mode": "AK", "access_key_id": " id ", "access_key_secret": "secret\n"}, OWN),
        ({"mode": "StsToken", **KEY, "sts_token": "token"}, Credentials("id", "secret", "token")),
        ({"mode": "RamRoleArn", **KEY, **ROLE}, AssumedRole(OWN, Session("acs:ram::1:role/ota"))),
        (
            {
                "mode": "RamRoleArn",
                **KEY,
                **ROLE,
                "ram_session_name": "me",
                "expired_seconds": 1800,
                "policy": "{}",
                "external_id": "x",
                "sts_region": "cn-shanghai",
                "enable_vpc": True,
            },
            AssumedRole(OWN, Session("acs:ram::1:role/ota", "me", 1800, "{}", "cn-shanghai", True), "x"),
        ),
        ({"mode": "EcsRamRole", "ram_role_name": "ota"}, InstanceRole("ota")),
        ({"mode": "EcsRamRole"}, InstanceRole()),
        (
            {"mode": "OIDC", **ROLE, **OIDC, "role_session_name": "pod", "expired_seconds": 0},
            OidcRole(Session("acs:ram::1:role/ota", "pod"), OIDC["oidc_provider_arn"], "/token"),
        ),
        ({"mode": "CredentialsURI", "credentials_uri": "http://h:1/x"}, CredentialsUri("http://h:1/x")),
    ],
)
def test_each_mode(tmp_path, profile, expected):
    assert way(cli(tmp_path, {"name": "p", **profile})) == expected


def test_a_chain(tmp_path):
    book = cli(
        tmp_path,
        {"name": "p", "mode": "ChainableRamRoleArn", "source_profile": "q", **ROLE},
        {"name": "q", "mode": "ChainableRamRoleArn", "source_profile": "r", **ROLE},
        {"name": "r", "mode": "AK", **KEY},
    )
    session = Session("acs:ram::1:role/ota")
    assert way(book) == AssumedRole(AssumedRole(OWN, session), session)
    assert secrets(way(book)) == {"secret"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("type = access_key\naccess_key_id = id # mine\naccess_key_secret = secret", OWN),
        (
            "type=sts\naccess_key_id=id\naccess_key_secret=secret\nsecurity_token=t%t",
            Credentials("id", "secret", "t%t"),
        ),
        (
            "type=ram_role_arn\naccess_key_id=id\naccess_key_secret=secret\nrole_arn=r\nrole_session_name=me",
            AssumedRole(OWN, Session("r", "me")),
        ),
        ("type=ecs_ram_role\nrole_name=ota", InstanceRole("ota")),
        (
            "type=oidc_role_arn\nrole_arn=r\noidc_provider_arn=o\noidc_token_file_path=/t",
            OidcRole(Session("r"), "o", "/t"),
        ),
        ("type=credentials_uri\ncredentials_uri=http://h/", CredentialsUri("http://h/")),
    ],
)
def test_each_type_of_an_ini_file(tmp_path, section, expected):
    assert way(ini(tmp_path, f"[p]\n{section}\n")) == expected


# --- What is wrong with a profile ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "missing"),
    [
        ({"mode": "AK", "access_key_id": "id"}, "access_key_secret"),
        ({"mode": "AK", "access_key_id": "  ", "access_key_secret": "secret"}, "access_key_id"),
        ({"mode": "AK", "access_key_id": None, "access_key_secret": "secret"}, "access_key_id"),
        ({"mode": "StsToken", **KEY}, "sts_token"),
        ({"mode": "RamRoleArn", **KEY}, "ram_role_arn"),
        ({"mode": "RamRoleArn", **ROLE}, "access_key_id"),
        ({"mode": "ChainableRamRoleArn", **ROLE}, "source_profile"),
        ({"mode": "OIDC", **ROLE, "oidc_provider_arn": "o"}, "oidc_token_file"),
        ({"mode": "OIDC", **OIDC}, "ram_role_arn"),
        ({"mode": "CredentialsURI"}, "credentials_uri"),
    ],
)
def test_what_is_missing_is_named(tmp_path, profile, missing):
    error = refusal(cli(tmp_path, {"name": "p", **profile}))
    assert error.code == "missing_credentials"
    assert error.cause == f'{missing} is missing in the profile "p" in {tmp_path}/config.json'
    assert error.hint == (
        "write it there, or choose another profile or credentials_source;"
        " the vendor's tool does so by: aliyun configure"
    )


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("ram_role_arn\naccess_key_id=id\naccess_key_secret=s", "role_arn"), ("sts", "security_token")],
)
def test_what_is_missing_is_named_as_the_file_names_it(tmp_path, kind, missing):
    error = refusal(ini(tmp_path, f"[p]\ntype={kind}\n"))
    assert error.cause == f'{missing} is missing in the profile "p" in {tmp_path}/credentials.ini'


@pytest.mark.parametrize(
    ("profile", "cause"),
    [
        ({"mode": "External", "process_command": "x"}, 'has the mode "External"'),
        ({}, "has no mode"),
    ],
)
def test_a_mode_that_is_not_supported(tmp_path, profile, cause):
    error = refusal(cli(tmp_path, {"name": "p", **profile}))
    assert error.cause == f'the profile "p" in {tmp_path}/config.json {cause}'
    assert error.hint == (
        "use one of AK, ChainableRamRoleArn, CredentialsURI, EcsRamRole, OIDC, RamRoleArn, StsToken,"
        " or choose another credentials_source"
    )


def test_a_type_that_is_not_supported(tmp_path):
    error = refusal(ini(tmp_path, "[p]\ntype=rsa_key_pair\n"))
    assert error.cause.endswith('has the type "rsa_key_pair"')
    assert "use one of access_key, credentials_uri, " in error.hint


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("p", 'source_profile in the profile "p" in {path} leads back to itself'),
        ("q", 'source_profile in the profile "q" in {path} leads back to itself'),
        ("x", 'there is no profile "x", which source_profile in the profile "p" in {path} names'),
    ],
)
def test_a_chain_that_leads_nowhere(tmp_path, source, cause):
    book = cli(
        tmp_path,
        {"name": "p", "mode": "ChainableRamRoleArn", "source_profile": source, **ROLE},
        {"name": "q", "mode": "ChainableRamRoleArn", "source_profile": "p", **ROLE},
    )
    assert refusal(book).cause == cause.format(path=f"{tmp_path}/config.json")


def test_a_uri_that_is_none(tmp_path):
    error = refusal(cli(tmp_path, {"name": "p", "mode": "CredentialsURI", "credentials_uri": "localhost"}))
    assert error.cause == f'credentials_uri in the profile "p" in {tmp_path}/config.json is no URL'


# --- What is wrong with a file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_cli, read_ini])
def test_no_file_is_no_book(tmp_path, read):
    assert read(str(tmp_path / "none")) is None
    (tmp_path / "file").write_text("")
    assert read(str(tmp_path / "file" / "none")) is None


@pytest.mark.parametrize("read", [read_cli, read_ini])
def test_a_file_that_cannot_be_read(tmp_path, read):
    with pytest.raises(OtaError) as error:
        read(str(tmp_path))
    assert (error.value.cause, error.value.code) == (
        f"the file {tmp_path} cannot be read ({os.strerror(21)})",
        "bad_profile",
    )
    assert error.value.hint == "let the user that runs the module read it, or choose another credentials_source"


@pytest.mark.parametrize("read", [read_cli, read_ini])
def test_a_file_that_is_no_text(tmp_path, read):
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OtaError) as error:
        read(str(path))
    assert error.value.cause == f"the file {path} is not text in UTF-8"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"current": "p",\n"profiles": [secret]}', "line 2"),
        ("", "line 1"),
        ("[]", "there is no list of profiles with names"),
        ("{}", "there is no list of profiles with names"),
        ('{"profiles": ["secret"]}', "there is no list of profiles with names"),
        ('{"profiles": [{"mode": "AK"}]}', "there is no list of profiles with names"),
        ('{"profiles": 5}', "there is no list of profiles with names"),
    ],
)
def test_a_file_that_no_tool_has_written(tmp_path, text, where):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(OtaError) as error:
        read_cli(str(path))
    assert error.value.cause == f"the file {path} is not what the vendor's command line tool writes: {where}"
    assert error.value.__cause__ is None


@pytest.mark.parametrize("text", ["secret", "[p]\nsecret\n", "[p]\na=1\n[p]\n"])
def test_an_ini_file_that_is_none(tmp_path, text):
    with pytest.raises(OtaError) as error:
        ini(tmp_path, text)
    assert error.value.cause == f"the file {tmp_path}/credentials.ini is not a valid INI file"


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"profiles": null}')
    assert read_cli(str(path)).profiles == {}
