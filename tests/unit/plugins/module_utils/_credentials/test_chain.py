# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import CREDENTIALS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import chain
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.chain import KINDS, find_source
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import Session
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.ways import CredentialsUri, OidcRole
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
    assert find_source(options, environ, "/nowhere").fetch() == expected


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
        find_source(options, environ, "/nowhere", keys_only=True).fetch()
    assert str(error.value) == f"Nothing was asked: {sentence}."
    assert error.value.code == "missing_credentials"


# --- Which source ----------------------------------------------------------------------------------------------------

OIDC = {
    "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/ota",
    "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ack",
    "ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/var/run/token",
}
ECS = {"ALIBABA_CLOUD_ECS_METADATA": "ota"}
URI = {"ALIBABA_CLOUD_CREDENTIALS_URI": "http://localhost:1/"}
EVERYTHING = {**FIRST, **OIDC, **ECS, **URI}


@pytest.fixture
def home(tmp_path):
    """A home with a current profile for the command line tool, and others in the INI file."""
    (tmp_path / ".aliyun").mkdir()
    (tmp_path / ".alibabacloud").mkdir()
    profiles = [
        {"name": "work", "mode": "AK", "access_key_id": "id3", "access_key_secret": "secret3"},
        {"name": "both", "mode": "AK", "access_key_id": "id4", "access_key_secret": "secret4"},
    ]
    (tmp_path / ".aliyun" / "config.json").write_text(json.dumps({"current": "work", "profiles": profiles}))
    (tmp_path / ".alibabacloud" / "credentials.ini").write_text(
        "[both]\ntype=access_key\naccess_key_id=id5\naccess_key_secret=secret5\n"
        "[default]\ntype=access_key\naccess_key_id=id6\naccess_key_secret=secret6\n"
    )
    return tmp_path


def find(home, options=None, environ=None, **keywords):
    return find_source(options or {}, environ or {}, str(home), **keywords)


def refusal(home, options=None, environ=None, **keywords):
    with pytest.raises(OtaError) as error:
        find(home, options, environ, **keywords).at_hand()
    return error.value


def test_every_source_can_be_pinned():
    assert CREDENTIALS["credentials_source"]["choices"] == ["auto", *(kind.name for kind in KINDS)]


def test_sources_are_asked_in_order(home):
    environ, found = dict(EVERYTHING), []
    options = dict(OPTIONS)
    found.append(find(home, options, environ).name)
    for leave in (FIRST, (), OIDC, ECS):
        options = {}
        for name in leave:
            del environ[name]
        if leave == ():
            home = home / "elsewhere"
        found.append(find(home, options, environ).name)
    assert found == ["options", "profile", "oidc_role", "ecs_ram_role", "credentials_uri"]


def test_the_environment_comes_before_profiles(home):
    source = find(home, {}, EVERYTHING)
    assert (source.name, source.fetch()) == ("environment", Credentials("id1", "secret1"))
    assert source.place == VARIABLES


@pytest.mark.parametrize("name", [kind.name for kind in KINDS])
def test_a_pinned_source_is_the_only_one(home, name):
    assert find(home, {**OPTIONS, "credentials_source": name}, EVERYTHING).name == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "options",
            "credentials_source is options, and nothing is configured there; give access_key_id and access_key_secret",
        ),
        ("environment", f"credentials_source is environment, and nothing is configured there; set {VARIABLES}"),
        (
            "profile",
            "there is no current profile in /nowhere/.aliyun/config.json or /nowhere/.alibabacloud/credentials.ini;"
            " write one by: aliyun configure",
        ),
        (
            "oidc_role",
            "the environment variable ALIBABA_CLOUD_ROLE_ARN is not set; set it together with"
            " ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE, or choose another credentials_source",
        ),
        (
            "credentials_uri",
            "credentials_source is credentials_uri, and nothing is configured there;"
            " set the environment variable ALIBABA_CLOUD_CREDENTIALS_URI",
        ),
    ],
)
def test_a_pinned_source_without_anything(name, sentence):
    error = refusal("/nowhere", {"credentials_source": name})
    assert str(error) == f"Nothing was asked: {sentence}."
    assert error.code == "missing_credentials"


def test_nothing_at_all():
    error = refusal("/nowhere")
    assert error.cause == "no access key is configured"
    assert error.hint.startswith(f"give access_key_id and access_key_secret, or set {VARIABLES}, or name a profile")


# --- Profiles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "environ", "key_id"),
    [
        ({}, {}, "id3"),
        ({"profile": "both"}, {}, "id4"),
        ({}, {"ALIBABA_CLOUD_PROFILE": "both", "ALICLOUD_PROFILE": "work"}, "id4"),
        ({}, {"ALIBABA_CLOUD_PROFILE": " ", "ALICLOUD_PROFILE": "both"}, "id4"),
        ({"profile": "default"}, {}, "id6"),
        ({"profile": "both"}, {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}, "id5"),
        ({}, {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "TRUE"}, "id6"),
        ({"credentials_source": "profile"}, FIRST, "id3"),
    ],
)
def test_which_profile(home, options, environ, key_id):
    assert find(home, options, environ).fetch().access_key_id == key_id


def test_a_file_elsewhere(home, tmp_path):
    path = tmp_path / "other.ini"
    path.write_text("[default]\ntype=sts\naccess_key_id=id7\naccess_key_secret=secret7\nsecurity_token=t7\n")
    source = find(home / "none", {}, {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(path)})
    assert source.fetch() == Credentials("id7", "secret7", "t7")
    assert source.place == f'the profile "default" in {path}'


def test_a_profile_that_does_not_exist(home):
    error = refusal(home, {"profile": "wrok"})
    cause = f'there is no profile "wrok" in {home}/.aliyun/config.json or {home}/.alibabacloud/credentials.ini'
    assert (error.cause, error.hint) == (cause, "choose one of both, default, work")
    assert error.credentials_source == "profile"


def test_a_profile_that_was_never_filled_in_is_none(home):
    blank = {"name": "default", "mode": "AK", "access_key_id": "", "access_key_secret": ""}
    path = home / ".aliyun" / "config.json"
    path.write_text(json.dumps({"current": "default", "profiles": [blank]}))
    (home / ".alibabacloud" / "credentials.ini").unlink()
    assert find(home, {}, OIDC).name == "oidc_role"
    error = refusal(home, {"profile": "default"}, OIDC)
    assert error.cause == f'access_key_id is missing in the profile "default" in {path}'


def test_a_named_profile_behind_a_key_is_warned_of(home):
    warnings = []
    assert find(home, {"profile": "work"}, FIRST, warn=warnings.append).name == "environment"
    assert warnings == [
        f'The profile "work" is not used, because the credentials come from {VARIABLES}.'
        " Set credentials_source to profile if it is meant."
    ]


def test_a_file_that_is_written_anew_is_read_anew(home):
    source = find(home)
    path = home / ".aliyun" / "config.json"
    path.write_text(path.read_text().replace("secret3", "secret9"))
    assert source.fetch() == Credentials("id3", "secret9")
    path.write_text(path.read_text().replace('"current": "work"', '"current": "other"'))
    assert source.fetch() == Credentials("id3", "secret9")  # another profile may be another account
    path.unlink()
    with pytest.raises(OtaError, match="is not there any more") as raised:
        source.fetch()
    assert raised.value.hint == "write it anew"


def test_a_current_profile_that_there_is_not_is_told(home):
    path = home / ".aliyun" / "config.json"
    path.write_text(json.dumps({"current": "prod", "profiles": [{"name": "dev", "mode": "AK"}]}))
    assert refusal(home).cause == f'there is no profile "prod", which is the current one in {path}'


# --- Roles and services ----------------------------------------------------------------------------------------------


def test_the_way_to_an_oidc_role():
    places = {"ALIBABA_CLOUD_STS_REGION": "cn-shanghai", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"}
    way = find("/nowhere", {}, {**OIDC, **places, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "pod"}).way()
    session = Session("acs:ram::1:role/ota", "pod", sts_region="cn-shanghai", vpc=True)
    assert way == OidcRole(session, "acs:ram::1:oidc-provider/ack", "/var/run/token")


def test_what_needs_a_network_goes_its_way_with_the_proxy_of_the_task(monkeypatch):
    monkeypatch.setattr(chain, "go", lambda *arguments: arguments)
    source = find("/nowhere", {"proxy": "http://proxy:1"}, URI)
    place = "the service that ALIBABA_CLOUD_CREDENTIALS_URI names"
    assert source.fetch() == (CredentialsUri("http://localhost:1/"), place, "http://proxy:1", False)
    assert source.secrets() == set()


@pytest.mark.parametrize("name", list(OIDC))
def test_an_incomplete_oidc_role_names_what_is_missing(name):
    error = refusal("/nowhere", {"credentials_source": "oidc_role"}, {**OIDC, name: ""})
    assert error.cause == f"the environment variable {name} is not set"


def test_a_role_alone_is_no_oidc_role():
    assert refusal("/nowhere", {}, {"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/x"}).code == "missing_credentials"
    assert refusal("/nowhere", {}, {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/t"}).cause.endswith("ROLE_ARN is not set")


@pytest.mark.parametrize("name", ["ALIBABA_CLOUD_ECS_METADATA", "ALICLOUD_ECS_ROLE_NAME"])
def test_the_metadata_service_is_asked_only_where_a_role_is_named(name):
    assert find("/nowhere", {}, {name: "ota"}).name == "ecs_ram_role"
    off = {name: "ota", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    assert refusal("/nowhere", {}, off).cause == "no access key is configured"


def test_a_disabled_metadata_service_is_not_asked():
    error = refusal("/nowhere", {"credentials_source": "ecs_ram_role"}, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"})
    assert error.cause == "the metadata service is disabled by ALIBABA_CLOUD_ECS_METADATA_DISABLED"


@pytest.mark.parametrize("uri", ["localhost:80", "ftp://localhost/", "http://", "http://[::1", "http://x:0/"])
def test_a_uri_that_is_none(uri):
    error = refusal("/nowhere", {}, {"ALIBABA_CLOUD_CREDENTIALS_URI": uri})
    assert error.cause == "the environment variable ALIBABA_CLOUD_CREDENTIALS_URI is no URL"


@pytest.mark.parametrize("name", ["ecs_ram_role", "credentials_uri"])
def test_what_needs_a_network_is_not_asked_before_it_is_needed(name, monkeypatch):
    monkeypatch.setattr(chain, "go", None)
    assert find("/nowhere", {"credentials_source": name}, {**ECS, **URI}).at_hand() is None


# --- Keys only -------------------------------------------------------------------------------------------------------


def test_who_has_keys_only_is_asked_for_nothing_else(home):
    assert find(home, OPTIONS, keys_only=True).name == "options"
    assert find(home, {}, FIRST, keys_only=True).name == "environment"
    assert refusal(home, {}, {**OIDC, **ECS, **URI}, keys_only=True).cause == "no access key is configured"


@pytest.mark.parametrize("options", [{"profile": "work"}, {"credentials_source": "profile"}])
def test_who_has_keys_only_may_ask_for_nothing_else(home, options):
    ((name, value),) = options.items()
    error = refusal(home, options, keys_only=True)
    assert error.cause == f"{name} is {value}, and this platform is documented to know access keys only"


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["access_key_id", "access_key_secret"])
def test_a_key_that_cannot_be_written_is_refused(name):
    error = refusal("/nowhere", {**OPTIONS, name: "caf\udce9"})
    assert error.cause == f"{name} is not valid Unicode"


@pytest.mark.parametrize("name", ["access_key_id", "security_token"])
@pytest.mark.parametrize("value", ["a\nb", "客"])
def test_a_key_that_cannot_be_a_header_is_refused(name, value):
    error = refusal("/nowhere", {**OPTIONS, name: value})
    assert error.cause == f"{name} holds a character that no key has, such as the end of a line"
