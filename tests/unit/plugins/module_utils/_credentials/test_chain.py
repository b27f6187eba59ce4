# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible.argspec import CREDENTIALS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import chain
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.chain import PROVIDERS, resolve_provider
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.metadata import CredentialsUri, InstanceRole
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.provider import FetchContext
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials.sts import OidcRole, RoleSession
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
def test_first_provider_wins_and_parts_are_never_mixed(options, environ, expected):
    assert resolve_provider(options, environ, "/nowhere").fetch() == expected


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
def test_missing_half_of_a_key_is_named(options, environ, sentence):
    with pytest.raises(OtaError) as error:
        resolve_provider(options, environ, "/nowhere", keys_only=True).fetch()
    assert str(error.value) == f"No request was sent: {sentence}."
    assert error.value.code == "missing_credentials"


# --- Choice of the provider -------------------------------------------------------------------------------------------

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


def resolve(home, options=None, environ=None, **keywords):
    return resolve_provider(options or {}, environ or {}, str(home), **keywords)


def refusal(home, options=None, environ=None, **keywords):
    with pytest.raises(OtaError) as error:
        resolve(home, options, environ, **keywords).load_static()
    return error.value


def test_every_provider_is_a_choice_of_credentials_source():
    assert CREDENTIALS["credentials_source"]["choices"] == ["auto", *(kind.name for kind in PROVIDERS)]


def test_order_of_providers(home):
    environ, found = dict(EVERYTHING), []
    options = dict(OPTIONS)
    found.append(resolve(home, options, environ).name)
    for leave in (FIRST, (), OIDC, ECS):
        options = {}
        for name in leave:
            del environ[name]
        if leave == ():
            home = home / "elsewhere"
        found.append(resolve(home, options, environ).name)
    assert found == ["options", "profile", "oidc_role", "ecs_ram_role", "credentials_uri"]


def test_environment_comes_before_profiles(home):
    provider = resolve(home, {}, EVERYTHING)
    assert (provider.name, provider.fetch()) == ("environment", Credentials("id1", "secret1"))
    assert provider.origin == VARIABLES


@pytest.mark.parametrize("name", [kind.name for kind in PROVIDERS])
def test_explicit_source_is_the_only_one(home, name):
    assert resolve(home, {**OPTIONS, "credentials_source": name}, EVERYTHING).name == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "options",
            "credentials_source is options, but nothing is configured there; give access_key_id and access_key_secret",
        ),
        ("environment", f"credentials_source is environment, but nothing is configured there; set {VARIABLES}"),
        (
            "profile",
            "there is no current profile in /nowhere/.aliyun/config.json or /nowhere/.alibabacloud/credentials.ini;"
            " create one with: aliyun configure",
        ),
        (
            "oidc_role",
            "the environment variable ALIBABA_CLOUD_ROLE_ARN is not set; set it together with"
            " ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE, or choose another credentials_source",
        ),
        (
            "credentials_uri",
            "credentials_source is credentials_uri, but nothing is configured there;"
            " set the environment variable ALIBABA_CLOUD_CREDENTIALS_URI",
        ),
    ],
)
def test_explicit_source_without_configuration(name, sentence):
    error = refusal("/nowhere", {"credentials_source": name})
    assert str(error) == f"No request was sent: {sentence}."
    assert error.code == "missing_credentials"


def test_no_configuration_at_all():
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
def test_choice_of_the_profile(home, options, environ, key_id):
    assert resolve(home, options, environ).fetch().access_key_id == key_id


def test_credentials_file_elsewhere(home, tmp_path):
    path = tmp_path / "other.ini"
    path.write_text("[default]\ntype=sts\naccess_key_id=id7\naccess_key_secret=secret7\nsecurity_token=t7\n")
    provider = resolve(home / "none", {}, {"ALIBABA_CLOUD_CREDENTIALS_FILE": str(path)})
    assert provider.fetch() == Credentials("id7", "secret7", "t7")
    assert provider.origin == f'the profile "default" in {path}'


@pytest.mark.parametrize("written", ["~/other.ini", " ~/other.ini\n", "'~/other.ini'"])
def test_credentials_file_in_the_home(home, written):
    (home / "other.ini").write_text("[default]\ntype=access_key\naccess_key_id=id7\naccess_key_secret=secret7\n")
    off = {"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true", "ALIBABA_CLOUD_CREDENTIALS_FILE": written}
    assert resolve(home, {}, off).fetch() == Credentials("id7", "secret7")


@pytest.mark.parametrize("disabled", ["true", "false"])
def test_credentials_file_that_is_named_and_missing(home, disabled):
    environ = {"ALIBABA_CLOUD_CREDENTIALS_FILE": "~/none.ini", "ALIBABA_CLOUD_CLI_PROFILE_DISABLED": disabled}
    error = refusal(home, {}, {**environ, **OIDC})
    assert error.cause == f"there is no file {home}/none.ini, although ALIBABA_CLOUD_CREDENTIALS_FILE names it"
    assert (error.code, error.credentials_source) == ("bad_profile", "profile")
    assert resolve(home, {}, {**environ, **FIRST}).name == "environment"


def test_disabled_profile_is_skipped_unless_named(home):
    (home / ".aliyun" / "config.json").unlink()
    path = home / ".alibabacloud" / "credentials.ini"
    path.write_text(path.read_text().replace("[default]\n", "[default]\nenable=false\n"))
    assert resolve(home, {}, OIDC).name == "oidc_role"
    for options in ({"profile": "default"}, {"credentials_source": "profile"}):
        assert refusal(home, options, OIDC).cause == f'the profile "default" in {path} is disabled by enable = false'


def test_region_is_that_of_the_profile(home):
    path = home / ".aliyun" / "config.json"
    path.write_text(path.read_text().replace('"name": "work"', '"name": "work", "region_id": "us-west-1"'))
    assert resolve(home).region == "us-west-1"
    assert resolve(home, {"profile": "both"}).region == ""
    assert resolve(home, {}, FIRST).region == ""


def test_named_profile_does_not_exist(home):
    error = refusal(home, {"profile": "wrok"})
    cause = f'there is no profile "wrok" in {home}/.aliyun/config.json or {home}/.alibabacloud/credentials.ini'
    assert (error.cause, error.hint) == (cause, "choose one of both, default, work")
    assert error.credentials_source == "profile"


def test_blank_profile_is_skipped_unless_named(home):
    blank = {"name": "default", "mode": "AK", "access_key_id": "", "access_key_secret": ""}
    path = home / ".aliyun" / "config.json"
    path.write_text(json.dumps({"current": "default", "profiles": [blank]}))
    (home / ".alibabacloud" / "credentials.ini").unlink()
    assert resolve(home, {}, OIDC).name == "oidc_role"
    error = refusal(home, {"profile": "default"}, OIDC)
    assert error.cause == f'access_key_id is missing in the profile "default" in {path}'


def test_ignored_profile_is_warned_of(home):
    warnings = []
    assert resolve(home, {"profile": "work"}, FIRST, warn=warnings.append).name == "environment"
    assert warnings == [
        f'The profile "work" is ignored, because the credentials come from {VARIABLES}.'
        " Set credentials_source to profile to use it."
    ]


def test_warning_of_an_ignored_profile_is_nothing_but_text(home):
    warnings = []
    resolve(home, {"profile": "\x1b[2J{{ 7 }}"}, FIRST, warn=warnings.append)
    assert warnings[0].startswith('The profile "\ufffd[2J{ { 7 }}" is ignored')


def test_profile_file_is_read_at_each_fetch(home):
    provider = resolve(home)
    path = home / ".aliyun" / "config.json"
    path.write_text(path.read_text().replace("secret3", "secret9"))
    assert provider.fetch() == Credentials("id3", "secret9")
    path.write_text(path.read_text().replace('"current": "work"', '"current": "other"'))
    assert provider.fetch() == Credentials("id3", "secret9")  # another profile may be another account
    path.unlink()
    with pytest.raises(OtaError, match="no longer exists") as raised:
        provider.fetch()
    assert raised.value.hint == "create it again"


def test_current_profile_does_not_exist(home):
    path = home / ".aliyun" / "config.json"
    path.write_text(json.dumps({"current": "prod", "profiles": [{"name": "dev", "mode": "AK"}]}))
    assert refusal(home).cause == f'the current profile "prod" does not exist in {path}'


# --- Roles and services ----------------------------------------------------------------------------------------------


def test_oidc_role_with_its_session():
    places = {"ALIBABA_CLOUD_STS_REGION": "cn-shanghai", "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED": "true"}
    provider = resolve("/nowhere", {}, {**OIDC, **places, "ALIBABA_CLOUD_ROLE_SESSION_NAME": "pod"})
    session = RoleSession("acs:ram::1:role/ota", "pod", sts_region="cn-shanghai", vpc=True)
    assert provider.build_fetcher() == OidcRole(session, "acs:ram::1:oidc-provider/ack", "/var/run/token")
    assert provider.origin == "the OIDC role in the environment"


def test_instance_role_with_its_name():
    provider = resolve("/nowhere", {}, ECS)
    assert provider.build_fetcher() == InstanceRole("ota")
    assert provider.origin == "the metadata service of the ECS instance"


@pytest.mark.parametrize(
    ("options", "proxy", "allow_http"),
    [({}, None, False), ({"proxy": " http://proxy:1 ", "allow_http": True}, "http://proxy:1", True)],
)
def test_fetcher_gets_the_network_settings_of_the_task(monkeypatch, options, proxy, allow_http):
    monkeypatch.setattr(CredentialsUri, "fetch", lambda self, context: (self.uri, context))
    provider = resolve("/nowhere", options, URI)
    context = FetchContext("the service at ALIBABA_CLOUD_CREDENTIALS_URI", proxy, allow_http)
    assert provider.fetch() == ("http://localhost:1/", context)
    assert provider.secrets() == set()


@pytest.mark.parametrize("name", list(OIDC))
def test_oidc_role_names_the_missing_variable(name):
    error = refusal("/nowhere", {"credentials_source": "oidc_role"}, {**OIDC, name: ""})
    assert error.cause == f"the environment variable {name} is not set"


def test_role_arn_alone_is_no_oidc_role():
    assert refusal("/nowhere", {}, {"ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/x"}).code == "missing_credentials"
    assert refusal("/nowhere", {}, {"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/t"}).cause.endswith("ROLE_ARN is not set")


@pytest.mark.parametrize("name", ["ALIBABA_CLOUD_ECS_METADATA", "ALICLOUD_ECS_ROLE_NAME"])
def test_metadata_service_needs_a_named_role(name):
    assert resolve("/nowhere", {}, {name: "ota"}).name == "ecs_ram_role"
    off = {name: "ota", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    assert refusal("/nowhere", {}, off).cause == "no access key is configured"


def test_metadata_service_is_disabled():
    error = refusal("/nowhere", {"credentials_source": "ecs_ram_role"}, {"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"})
    assert error.cause == "the metadata service is disabled by ALIBABA_CLOUD_ECS_METADATA_DISABLED"


@pytest.mark.parametrize("uri", ["localhost:80", "ftp://localhost/", "http://", "http://[::1", "http://x:0/"])
def test_credentials_uri_is_not_a_url(uri):
    error = refusal("/nowhere", {}, {"ALIBABA_CLOUD_CREDENTIALS_URI": uri})
    assert error.cause == "the environment variable ALIBABA_CLOUD_CREDENTIALS_URI is not a URL"


@pytest.mark.parametrize("name", ["ecs_ram_role", "credentials_uri"])
def test_services_are_not_called_before_credentials_are_needed(name, monkeypatch):
    monkeypatch.setattr(InstanceRole, "fetch", None)
    monkeypatch.setattr(CredentialsUri, "fetch", None)
    assert resolve("/nowhere", {"credentials_source": name}, {**ECS, **URI}).load_static() is None


# --- Keys only -------------------------------------------------------------------------------------------------------


def test_keys_only_skips_other_providers(home):
    assert resolve(home, OPTIONS, keys_only=True).name == "options"
    assert resolve(home, {}, FIRST, keys_only=True).name == "environment"
    assert refusal(home, {}, {**OIDC, **ECS, **URI}, keys_only=True).cause == "no access key is configured"


@pytest.mark.parametrize("options", [{"profile": "work"}, {"credentials_source": "profile"}])
def test_keys_only_rejects_other_sources(home, options):
    ((name, value),) = options.items()
    error = refusal(home, options, keys_only=True)
    assert error.cause == f"{name} is {value}, but this platform is documented to support access keys only"


# --- Keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["access_key_id", "access_key_secret"])
def test_key_is_not_valid_unicode(name):
    error = refusal("/nowhere", {**OPTIONS, name: "caf\udce9"})
    assert error.cause == f"{name} is not valid Unicode"


@pytest.mark.parametrize("form", ["{} ", " {}", "{}\n", "{}\r\n", '"{}"', "'{}'", ' "{} " ', "{}\u00a0"])
@pytest.mark.parametrize("names", [chain.OPTIONS, *chain.VARIABLES])
def test_blanks_and_quotes_are_no_part_of_a_key(names, form):
    parts = ("id", "secret", "token")
    given = dict(zip(names, map(form.format, parts)))
    options, environ = (given, {}) if names is chain.OPTIONS else ({}, given)
    provider = resolve_provider(options, environ, "/nowhere")
    assert provider.fetch() == Credentials(*parts)
    assert provider.secrets() == {"secret", "token"}


@pytest.mark.parametrize("blank", [" ", "\n", '""'])
def test_blank_variable_counts_as_unset(blank):
    environ = {"ALIBABA_CLOUD_ACCESS_KEY_ID": blank, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": blank, **SECOND}
    environ["ALICLOUD_SECURITY_TOKEN"] = blank
    assert resolve_provider({"access_key_id": blank}, environ, "/nowhere").fetch() == Credentials("id2", "secret2")


@pytest.mark.parametrize("name", ["access_key_id", "security_token"])
@pytest.mark.parametrize("value", ["a\nb", "客", "\u200bx"])
def test_key_with_an_impossible_character(name, value):
    error = refusal("/nowhere", {**OPTIONS, name: value})
    assert error.cause == f"{name} contains a character that no key has, such as a line break"
