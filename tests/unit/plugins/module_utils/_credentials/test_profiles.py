# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.metadata import CredentialsUri, InstanceRole
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.profiles import (
    MAX_CHAIN,
    fetcher_of,
    read_cli_config,
    read_ini_file,
    read_profile_files,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import StaticKey
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.signin import (
    CloudSso,
    ExternalCommand,
    OAuth,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import AssumedRole, OidcRole, RoleSession
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError

KEY = {"access_key_id": "id", "access_key_secret": "secret"}
ROLE = {"ram_role_arn": "acs:ram::1:role/ota"}
OIDC = {"oidc_provider_arn": "acs:ram::1:oidc-provider/ack", "oidc_token_file": "/token"}
SSO = {
    "cloud_sso_sign_in_url": "https://signin.example.com/x",
    "cloud_sso_account_id": "1",
    "cloud_sso_access_config": "ac-1",
    "access_token": "token",
    "cloud_sso_access_token_expire": 4070908800,
}
OWN = StaticKey(Credentials("id", "secret"))


def cli(tmp_path, *profiles, current="p"):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"current": current, "profiles": profiles, "meta_path": ""}))
    return read_cli_config(str(path))


def ini(tmp_path, text):
    path = tmp_path / "credentials.ini"
    path.write_text(text)
    return read_ini_file(str(path))


def fetcher(file, name="p"):
    return fetcher_of(file.profiles[name], file)


def refusal(file, name="p"):
    with pytest.raises(OtaError) as error:
        fetcher(file, name)
    assert "secret" not in str(error.value).replace("access_key_secret", "")
    return error.value


# --- Fetchers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ({"mode": "AK", **KEY}, OWN),
        ({"mode": "AK", "access_key_id": " id ", "access_key_secret": "secret\n"}, OWN),
        ({"mode": "StsToken", **KEY, "sts_token": "token"}, StaticKey(Credentials("id", "secret", "token"))),
        ({"mode": "RamRoleArn", **KEY, **ROLE}, AssumedRole(OWN, RoleSession("acs:ram::1:role/ota"))),
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
            AssumedRole(OWN, RoleSession("acs:ram::1:role/ota", "me", 1800, "{}", "cn-shanghai", True), "x"),
        ),
        ({"mode": "EcsRamRole", "ram_role_name": "ota"}, InstanceRole("ota")),
        ({"mode": "EcsRamRole"}, InstanceRole()),
        (
            {"mode": "OIDC", **ROLE, **OIDC, "role_session_name": "pod", "expired_seconds": 0},
            OidcRole(RoleSession("acs:ram::1:role/ota", "pod"), OIDC["oidc_provider_arn"], "/token"),
        ),
        ({"mode": "CredentialsURI", "credentials_uri": "http://h:1/x"}, CredentialsUri("http://h:1/x")),
        ({"mode": "External", "process_command": "keys --json"}, ExternalCommand("keys --json")),
        ({"mode": "CloudSSO", **SSO}, CloudSso("https://signin.example.com/x", "1", "ac-1", "token", 4070908800)),
        (
            {"mode": "OAuth", "oauth_access_token": "token", "oauth_access_token_expire": 4070908800},
            OAuth("CN", "token", 4070908800, Credentials("", "", "", 0)),
        ),
        (
            {
                "mode": "OAuth",
                "oauth_site_type": "intl",
                "oauth_access_token": "token",
                "oauth_access_token_expire": "x",
                "oauth_refresh_token": "never used",
                **KEY,
                "sts_token": "issued",
                "sts_expiration": 4070908800,
            },
            OAuth("INTL", "token", 0, Credentials("id", "secret", "issued", 4070908800)),
        ),
    ],
)
def test_every_mode_has_its_fetcher(tmp_path, profile, expected):
    assert fetcher(cli(tmp_path, {"name": "p", **profile})) == expected


def test_chained_roles(tmp_path):
    file = cli(
        tmp_path,
        {"name": "p", "mode": "ChainableRamRoleArn", "source_profile": "q", **ROLE},
        {"name": "q", "mode": "ChainableRamRoleArn", "source_profile": "r", **ROLE},
        {"name": "r", "mode": "AK", **KEY},
    )
    session = RoleSession("acs:ram::1:role/ota")
    assert fetcher(file) == AssumedRole(AssumedRole(OWN, session), session)
    assert fetcher(file).secrets() == {"secret"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("type = access_key\naccess_key_id = id # mine\naccess_key_secret = secret", OWN),
        (
            "type=sts\naccess_key_id=id\naccess_key_secret=secret\nsecurity_token=t%t",
            StaticKey(Credentials("id", "secret", "t%t")),
        ),
        (
            "type=ram_role_arn\naccess_key_id=id\naccess_key_secret=secret\nrole_arn=r\nrole_session_name=me",
            AssumedRole(OWN, RoleSession("r", "me")),
        ),
        ("type=ecs_ram_role\nrole_name=ota", InstanceRole("ota")),
        (
            "type=oidc_role_arn\nrole_arn=r\noidc_provider_arn=o\noidc_token_file_path=/t",
            OidcRole(RoleSession("r"), "o", "/t"),
        ),
        ("type=credentials_uri\ncredentials_uri=http://h/", CredentialsUri("http://h/")),
        ('type = "access_key"\naccess_key_id = \'id\'\naccess_key_secret = "secret" # mine', OWN),
        ("enable = true\ntype = access_key\naccess_key_id = id\naccess_key_secret = secret", OWN),
    ],
)
def test_every_type_of_an_ini_file_has_its_fetcher(tmp_path, section, expected):
    assert fetcher(ini(tmp_path, f"[p]\n{section}\n")) == expected


# --- Unusable profiles ------------------------------------------------------------------------------------------------


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
        ({"mode": "External"}, "process_command"),
        ({"mode": "OAuth"}, "oauth_access_token"),
        *(({"mode": "CloudSSO", **SSO, name: ""}, name) for name in SSO if name != "cloud_sso_access_token_expire"),
    ],
)
def test_missing_value_is_named(tmp_path, profile, missing):
    error = refusal(cli(tmp_path, {"name": "p", **profile}))
    assert error.code == "missing_credentials"
    assert error.cause == f'{missing} is missing in the profile "p" in {tmp_path}/config.json'
    assert error.hint == (
        "add it there, or choose another profile or credentials_source;"
        " the vendor's tool adds it with: aliyun configure"
    )


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("ram_role_arn\naccess_key_id=id\naccess_key_secret=s", "role_arn"), ("sts", "security_token")],
)
def test_missing_value_is_named_as_in_the_file(tmp_path, kind, missing):
    error = refusal(ini(tmp_path, f"[p]\ntype={kind}\n"))
    assert error.cause == f'{missing} is missing in the profile "p" in {tmp_path}/credentials.ini'


@pytest.mark.parametrize(
    ("profile", "cause"),
    [
        ({"mode": "RsaKeyPair"}, 'has the unsupported mode "RsaKeyPair"'),
        ({}, "has no mode"),
    ],
)
def test_unsupported_mode(tmp_path, profile, cause):
    error = refusal(cli(tmp_path, {"name": "p", **profile}))
    assert error.cause == f'the profile "p" in {tmp_path}/config.json {cause}'
    assert error.hint == (
        "use one of AK, ChainableRamRoleArn, CloudSSO, CredentialsURI, EcsRamRole, External, OAuth, OIDC, RamRoleArn,"
        " StsToken, or choose another credentials_source"
    )


def test_disabled_profile(tmp_path):
    file = ini(tmp_path, "[p]\nenable = FALSE # for now\ntype=access_key\naccess_key_id=id\naccess_key_secret=secret\n")
    assert file.profiles["p"].is_disabled()
    error = refusal(file)
    assert str(error) == (
        f'No request was sent: the profile "p" in {tmp_path}/credentials.ini is disabled by enable = false;'
        " set it to true there, or choose another credentials_source."
    )


def test_only_a_profile_in_an_ini_file_can_be_disabled(tmp_path):
    assert fetcher(cli(tmp_path, {"name": "p", "mode": "AK", "enable": "false", **KEY})) == OWN


@pytest.mark.parametrize(
    ("values", "region"), [({}, ""), ({"region_id": None}, ""), ({"region_id": " us-west-1\n"}, "us-west-1")]
)
def test_region_of_a_profile(tmp_path, values, region):
    assert cli(tmp_path, {"name": "p", "mode": "AK", **values}).profiles["p"].region == region


def test_profile_in_an_ini_file_has_no_region(tmp_path):
    assert ini(tmp_path, "[p]\nregion_id=us-west-1\n").profiles["p"].region == ""


def test_site_of_a_sign_in_is_unknown(tmp_path):
    error = refusal(cli(tmp_path, {"name": "p", "mode": "OAuth", "oauth_site_type": "EU", "oauth_access_token": "t"}))
    assert str(error) == (
        f'No request was sent: oauth_site_type in the profile "p" in {tmp_path}/config.json is none of the vendor\'s'
        " sites; write CN or INTL, or choose another credentials_source."
    )


@pytest.mark.parametrize("url", ["signin.example.com", "http://signin.example.com/", "https://[::1"])
def test_sign_in_needs_https(tmp_path, url):
    error = refusal(cli(tmp_path, {"name": "p", "mode": "CloudSSO", **SSO, "cloud_sso_sign_in_url": url}))
    assert error.cause == f'cloud_sso_sign_in_url in the profile "p" in {tmp_path}/config.json is not a URL of https'


def test_unsupported_type(tmp_path):
    error = refusal(ini(tmp_path, "[p]\ntype=rsa_key_pair\n"))
    assert error.cause.endswith('has the unsupported type "rsa_key_pair"')
    assert "use one of access_key, credentials_uri, " in error.hint


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("p", 'source_profile in the profile "p" in {path} leads back to itself'),
        ("q", 'source_profile in the profile "q" in {path} leads back to itself'),
        ("x", 'source_profile in the profile "p" in {path} names the profile "x", which does not exist'),
    ],
)
def test_broken_chain_of_roles(tmp_path, source, cause):
    file = cli(
        tmp_path,
        {"name": "p", "mode": "ChainableRamRoleArn", "source_profile": source, **ROLE},
        {"name": "q", "mode": "ChainableRamRoleArn", "source_profile": "p", **ROLE},
    )
    assert refusal(file).cause == cause.format(path=f"{tmp_path}/config.json")


def test_length_of_a_chain_is_limited(tmp_path):
    links = [
        {"name": f"p{number}", "mode": "ChainableRamRoleArn", "source_profile": f"p{number + 1}", **ROLE}
        for number in range(MAX_CHAIN + 2)
    ]
    last = {"name": f"p{MAX_CHAIN + 2}", "mode": "AK", **KEY}
    file = cli(tmp_path, *links, last)
    assert fetcher(file, "p1").secrets() == {"secret"}
    error = refusal(file, "p0")
    assert error.cause == f'source_profile in the profile "p{MAX_CHAIN + 1}" in {file.path} leads back to itself'


def test_credentials_uri_is_not_a_url(tmp_path):
    error = refusal(cli(tmp_path, {"name": "p", "mode": "CredentialsURI", "credentials_uri": "localhost"}))
    assert error.cause == f'credentials_uri in the profile "p" in {tmp_path}/config.json is not a URL'


# --- Unusable files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_cli_config, read_ini_file])
def test_missing_file_has_no_profiles(tmp_path, read):
    assert read(str(tmp_path / "none")) is None
    (tmp_path / "file").write_text("")
    assert read(str(tmp_path / "file" / "none")) is None


@pytest.mark.parametrize("read", [read_cli_config, read_ini_file])
def test_unreadable_file(tmp_path, read):
    with pytest.raises(OtaError) as error:
        read(str(tmp_path))
    assert (error.value.cause, error.value.code) == (
        f"the file {tmp_path} cannot be read ({os.strerror(21)})",
        "bad_profile",
    )
    assert (
        error.value.hint == "make it readable for the user that runs the module, or choose another credentials_source"
    )


@pytest.mark.parametrize("read", [read_cli_config, read_ini_file])
def test_file_is_not_text(tmp_path, read):
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OtaError) as error:
        read(str(path))
    assert error.value.cause == f"the file {path} is not UTF-8 text"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"current": "p",\n"profiles": [secret]}', "line 2 is not valid JSON"),
        ("", "line 1 is not valid JSON"),
        ("[]", "it has no list of named profiles"),
        ("{}", "it has no list of named profiles"),
        ('{"profiles": ["secret"]}', "it has no list of named profiles"),
        ('{"profiles": [{"mode": "AK"}]}', "it has no list of named profiles"),
        ("[" * 100_000, "it is not readable JSON"),
        ('{"profiles": 5}', "it has no list of named profiles"),
    ],
)
def test_file_in_another_format(tmp_path, text, reason):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(OtaError) as error:
        read_cli_config(str(path))
    assert error.value.cause == f"the file {path} does not have the format of the vendor's command line tool: {reason}"
    assert error.value.__cause__ is None


@pytest.mark.parametrize("text", ["secret", "[p]\nsecret\n", "[p]\na=1\n[p]\n"])
def test_invalid_ini_file(tmp_path, text):
    with pytest.raises(OtaError) as error:
        ini(tmp_path, text)
    assert error.value.cause == f"the file {tmp_path}/credentials.ini is not a valid INI file"


def test_both_files_are_read(tmp_path):
    cli(tmp_path, {"name": "p"})
    ini(tmp_path, "[q]\n")
    paths = (f"{tmp_path}/config.json", f"{tmp_path}/credentials.ini")
    assert [file.path for file in read_profile_files(*paths, False)] == [*paths]
    assert [file.path for file in read_profile_files("", paths[1], True)] == [paths[1]]
    assert [file.path for file in read_profile_files(paths[0], f"{tmp_path}/none", False)] == [paths[0]]


def test_named_file_must_exist(tmp_path):
    cli(tmp_path, {"name": "p"})
    with pytest.raises(OtaError) as error:
        read_profile_files(f"{tmp_path}/config.json", f"{tmp_path}/none", True)
    assert error.value.code == "bad_profile"
    assert str(error.value) == (
        f"No request was sent: there is no file {tmp_path}/none, although ALIBABA_CLOUD_CREDENTIALS_FILE names it;"
        " correct the variable, or choose another credentials_source."
    )


def test_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"profiles": null}')
    assert read_cli_config(str(path)).profiles == {}
