# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles: what the vendor's tools keep in files, and how the credentials of a profile are fetched."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .._api.credentials import Credentials
from .._errors import OtaError
from .._validation import clean_text, is_http_url
from .metadata import CredentialsUri, InstanceRole
from .provider import Fetcher, StaticKey, validate_credentials
from .signin import OAUTH_SITES, CloudSso, ExternalCommand, OAuth
from .sts import AssumedRole, OidcRole, RoleSession

#: Names in an INI file of the modes of the command line tool.
INI_MODES = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "ecs_ram_role": "EcsRamRole",
    "oidc_role_arn": "OIDC",
    "credentials_uri": "CredentialsURI",
}

#: Names in an INI file of the values that the command line tool calls otherwise.
INI_NAMES = {
    "mode": "type",
    "sts_token": "security_token",
    "ram_role_arn": "role_arn",
    "ram_session_name": "role_session_name",
    "ram_role_name": "role_name",
    "oidc_token_file": "oidc_token_file_path",
}

#: Modes that an INI file does not have.
CLI_MODES = ("ChainableRamRoleArn", "CloudSSO", "External", "OAuth")

#: Environment variable that names the INI file.
FILE_VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_FILE"

DEFAULT = "default"
#: Maximum length of a chain of roles; no intended one is as long.
MAX_CHAIN = 20


class ProfileFile(NamedTuple):
    """The profiles of one file. ``default`` is the one that is used where none is named."""

    path: str
    profiles: Mapping[str, Profile]
    read: Callable[[str], ProfileFile | None]
    default: str = DEFAULT


class Profile(NamedTuple):
    """One profile. ``names`` are what the file calls values that the command line tool calls otherwise."""

    name: str
    path: str
    values: Mapping[str, Any]
    names: Mapping[str, str] = {}

    @property
    def origin(self) -> str:
        return f'the profile "{self.name}" in {self.path}'

    def key_of(self, name: str) -> str:
        return self.names.get(name, name)

    def get_value(self, name: str) -> str:
        """The value ``name``, or empty text."""
        value = self.values.get(self.key_of(name))
        return "" if value is None else clean_text(str(value))

    def require_value(self, name: str) -> str:
        """:raises OtaError: the value ``name`` is missing, or blank."""
        value = self.get_value(name)
        if not value:
            raise OtaError(
                f"{self.key_of(name)} is missing in {self.origin}",
                code="missing_credentials",
                hint=f"add it there, or choose another profile or credentials_source{_CONFIGURE}",
            )
        return value

    def is_blank(self) -> bool:
        """Whether it is what the command line tool writes before it is configured."""
        return not any(self.get_value(name) for name in ("access_key_id", "access_key_secret")) and self.cli_mode in (
            "",
            "AK",
        )

    def is_disabled(self) -> bool:
        """Whether it is in an INI file, and switched off there."""
        return bool(self.names) and self.get_value("enable").lower() == "false"

    @property
    def region(self) -> str:
        """The region that the command line tool uses it in, or empty text."""
        return "" if self.names else self.get_value("region_id")

    @property
    def cli_mode(self) -> str:
        """The mode in the words of the command line tool, or empty text."""
        mode = self.get_value("mode")
        return INI_MODES.get(mode, mode) if self.names else mode


_CONFIGURE = "; the vendor's tool adds it with: aliyun configure"


def read_profile_files(cli: str, ini: str, ini_is_named: bool) -> list[ProfileFile]:
    """The files that exist of the command line tool's, if it has a path, and the INI file.

    :raises OtaError: a file cannot be used, or does not exist although it is named.
    """
    files = [read_cli_config(cli) if cli else None, read_ini_file(ini)]
    if ini_is_named and files[1] is None:
        raise _invalid_file(f"there is no file {ini}, although {FILE_VARIABLE} names it", "correct the variable")
    return [file for file in files if file is not None]


def read_cli_config(path: str) -> ProfileFile | None:
    """The profiles of the vendor's command line tool; ``None`` where it has no file.

    :raises OtaError: the file cannot be used.
    """
    text = _read_file(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
        listed = content["profiles"] or []
        profiles = {str(entry["name"]): Profile(str(entry["name"]), path, entry) for entry in listed}
        return ProfileFile(path, profiles, read_cli_config, str(content.get("current") or DEFAULT))
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno} is not valid JSON"
    except (ValueError, RecursionError):
        reason = "it is not readable JSON"
    except (TypeError, LookupError, AttributeError):
        reason = "it has no list of named profiles"
    raise _invalid_file(f"the file {path} does not have the format of the vendor's command line tool: {reason}")


def read_ini_file(path: str) -> ProfileFile | None:
    """The profiles of an INI file; ``None`` where there is no such file.

    :raises OtaError: the file cannot be used.
    """
    text = _read_file(path)
    if text is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error:
        raise _invalid_file(f"the file {path} is not a valid INI file") from None
    profiles = {}
    for name in parser.sections():
        values = {key: value.split("#")[0] for key, value in parser.items(name)}
        profiles[name] = Profile(name, path, values, INI_NAMES)
    return ProfileFile(path, profiles, read_ini_file)


def _read_file(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        cause = f"the file {path} cannot be read ({error.strerror})"
        raise _invalid_file(cause, "make it readable for the user that runs the module") from None
    except ValueError:
        raise _invalid_file(f"the file {path} is not UTF-8 text") from None


def _invalid_file(cause: str, hint: str = "create it again") -> OtaError:
    return OtaError(cause, code="bad_profile", hint=f"{hint}, or choose another credentials_source")


def fetcher_of(profile: Profile, file: ProfileFile, seen: tuple[str, ...] = ()) -> Fetcher:
    """How the credentials of a ``profile`` in a ``file`` are fetched; ``seen`` are the profiles that led to it.

    :raises OtaError: the profile is incomplete, or of a mode that is not supported.
    """
    if profile.is_disabled():
        raise _invalid_file(f"{profile.origin} is disabled by enable = false", "set it to true there")
    if profile.cli_mode == "ChainableRamRoleArn":
        return _assumed_role(profile, _source_fetcher(profile, file, seen))
    if profile.cli_mode not in _FETCHERS:
        raise _bad_mode_error(profile)
    return _FETCHERS[profile.cli_mode](profile)


def _assumed_role(profile: Profile, base: Fetcher) -> AssumedRole:
    return AssumedRole(base, _role_session(profile), profile.get_value("external_id"))


def _oidc_role(profile: Profile) -> OidcRole:
    session = _role_session(profile)
    return OidcRole(session, profile.require_value("oidc_provider_arn"), profile.require_value("oidc_token_file"))


def _cloud_sso(profile: Profile) -> CloudSso:
    url = profile.require_value("cloud_sso_sign_in_url")
    if not is_http_url(url) or not url.lower().startswith("https:"):
        raise _invalid_file(f"cloud_sso_sign_in_url in {profile.origin} is not a URL of https", "correct it")
    return CloudSso(
        sign_in_url=url,
        account_id=profile.require_value("cloud_sso_account_id"),
        access_config=profile.require_value("cloud_sso_access_config"),
        access_token=profile.require_value("access_token"),
        token_expires=_whole_number(profile, "cloud_sso_access_token_expire"),
    )


def _oauth(profile: Profile) -> OAuth:
    site = (profile.get_value("oauth_site_type") or "CN").upper()
    if site not in OAUTH_SITES:
        sites = " or ".join(OAUTH_SITES)
        raise _invalid_file(f"oauth_site_type in {profile.origin} is none of the vendor's sites", f"write {sites}")
    return OAuth(
        site=site,
        access_token=profile.require_value("oauth_access_token"),
        token_expires=_whole_number(profile, "oauth_access_token_expire"),
        issued=Credentials(
            profile.get_value("access_key_id"),
            profile.get_value("access_key_secret"),
            profile.get_value("sts_token"),
            _whole_number(profile, "sts_expiration"),
        ),
    )


def _whole_number(profile: Profile, name: str) -> int:
    """The value ``name`` of a profile; 0 if it is missing or no number."""
    digits = profile.get_value(name)
    return int(digits) if digits.isdecimal() and len(digits) < 16 else 0


def _static_key(profile: Profile, token: str | None = None) -> StaticKey:
    names = tuple(f"{profile.key_of(name)} in {profile.origin}" for name in ("access_key_id", "access_key_secret"))
    key = Credentials(profile.require_value("access_key_id"), profile.require_value("access_key_secret"), token)
    token_name = f"{profile.key_of('sts_token')} in {profile.origin}"
    return StaticKey(validate_credentials((names[0], names[1], token_name), key))


def _role_session(profile: Profile) -> RoleSession:
    return RoleSession(
        role_arn=profile.require_value("ram_role_arn"),
        name=profile.get_value("ram_session_name") or profile.get_value("role_session_name"),
        seconds=_whole_number(profile, "expired_seconds") or None,
        policy=profile.get_value("policy"),
        sts_region=profile.get_value("sts_region"),
        vpc=profile.get_value("enable_vpc").lower() == "true",
    )


def _credentials_uri(profile: Profile) -> CredentialsUri:
    uri = profile.require_value("credentials_uri")
    if not is_http_url(uri):
        raise _invalid_file(f"credentials_uri in {profile.origin} is not a URL", "correct it")
    return CredentialsUri(uri)


def _source_fetcher(profile: Profile, file: ProfileFile, seen: tuple[str, ...]) -> Fetcher:
    name = profile.require_value("source_profile")
    if name in (*seen, profile.name) or len(seen) > MAX_CHAIN:
        raise _invalid_file(f"source_profile in {profile.origin} leads back to itself", "correct it")
    if name not in file.profiles:
        raise _invalid_file(
            f'source_profile in {profile.origin} names the profile "{name}", which does not exist', "correct it"
        )
    return fetcher_of(file.profiles[name], file, (*seen, profile.name))


def _bad_mode_error(profile: Profile) -> OtaError:
    modes = INI_MODES if profile.names else (*INI_MODES.values(), *CLI_MODES)
    mode = profile.get_value("mode")[:40]
    given = f'the unsupported {profile.key_of("mode")} "{mode}"' if mode else "no mode"
    return _invalid_file(f"{profile.origin} has {given}", f"use one of {', '.join(sorted(modes))}")


#: How the credentials of each mode are fetched that refers to no other profile.
_FETCHERS: Mapping[str, Callable[[Profile], Fetcher]] = {
    "AK": _static_key,
    "StsToken": lambda profile: _static_key(profile, profile.require_value("sts_token")),
    "RamRoleArn": lambda profile: _assumed_role(profile, _static_key(profile)),
    "EcsRamRole": lambda profile: InstanceRole(profile.get_value("ram_role_name")),
    "OIDC": _oidc_role,
    "CredentialsURI": _credentials_uri,
    "External": lambda profile: ExternalCommand(profile.require_value("process_command")),
    "CloudSSO": _cloud_sso,
    "OAuth": _oauth,
}
