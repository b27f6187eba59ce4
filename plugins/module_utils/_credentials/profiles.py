# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Profiles: what the vendor's tools keep in files, read into ways to come by credentials."""

from __future__ import annotations

import configparser
import json
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .._api.credentials import Credentials
from .._errors import OtaError
from .._validation import is_uri
from .provider import checked
from .sts import Session
from .ways import AssumedRole, CredentialsUri, InstanceRole, OidcRole, Way

#: What an INI file calls the modes of the command line tool, ...
INI_MODES = {
    "access_key": "AK",
    "sts": "StsToken",
    "ram_role_arn": "RamRoleArn",
    "ecs_ram_role": "EcsRamRole",
    "oidc_role_arn": "OIDC",
    "credentials_uri": "CredentialsURI",
}


#: ... and the values that it calls otherwise.
INI_NAMES = {
    "mode": "type",
    "sts_token": "security_token",
    "ram_role_arn": "role_arn",
    "ram_session_name": "role_session_name",
    "ram_role_name": "role_name",
    "oidc_token_file": "oidc_token_file_path",
}


DEFAULT = "default"


#: No chain of roles that anybody means is so long.
MAX_CHAIN = 20


class Book(NamedTuple):
    """The profiles of one file. ``default`` is the one that counts where none is named."""

    path: str
    profiles: Mapping[str, Profile]
    read: Callable[[str], Book | None]
    default: str = DEFAULT


class Profile(NamedTuple):
    """One profile. ``names`` are what the file calls values that the command line tool calls otherwise."""

    name: str
    path: str
    values: Mapping[str, Any]
    names: Mapping[str, str] = {}

    @property
    def place(self) -> str:
        return f'the profile "{self.name}" in {self.path}'

    def called(self, name: str) -> str:
        return self.names.get(name, name)

    def get(self, name: str) -> str:
        """The value ``name``, or empty text."""
        value = self.values.get(self.called(name))
        return "" if value is None else str(value).strip()

    def need(self, name: str) -> str:
        """:raises OtaError: the value ``name`` is missing, or blank."""
        value = self.get(name)
        if not value:
            raise OtaError(
                f"{self.called(name)} is missing in {self.place}",
                code="missing_credentials",
                hint=f"write it there, or choose another profile or credentials_source{_CONFIGURE}",
            )
        return value

    def is_blank(self) -> bool:
        """Whether it is what the command line tool leaves behind before it is told anything."""
        return not any(self.get(name) for name in ("access_key_id", "access_key_secret")) and self.mode in ("", "AK")

    @property
    def mode(self) -> str:
        """The mode in the words of the command line tool, or empty text."""
        mode = self.get("mode")
        return INI_MODES.get(mode, mode) if self.names else mode


_CONFIGURE = "; the vendor's tool does so by: aliyun configure"


def read_cli(path: str) -> Book | None:
    """The profiles of the vendor's command line tool; ``None`` where it has no file.

    :raises OtaError: the file cannot be used.
    """
    text = _read(path)
    if text is None:
        return None
    try:
        content = json.loads(text)
        listed = content["profiles"] or []
        profiles = {str(entry["name"]): Profile(str(entry["name"]), path, entry) for entry in listed}
        return Book(path, profiles, read_cli, str(content.get("current") or DEFAULT))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}"
    except (ValueError, RecursionError):
        where = "it is no JSON that can be read"
    except (TypeError, LookupError, AttributeError):
        where = "there is no list of profiles with names"
    raise _spoilt(f"the file {path} is not what the vendor's command line tool writes: {where}")


def read_ini(path: str) -> Book | None:
    """The profiles of an INI file; ``None`` where there is no such file.

    :raises OtaError: the file cannot be used.
    """
    text = _read(path)
    if text is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error:
        raise _spoilt(f"the file {path} is not a valid INI file") from None
    profiles = {}
    for name in parser.sections():
        values = {key: value.split("#")[0] for key, value in parser.items(name)}
        profiles[name] = Profile(name, path, values, INI_NAMES)
    return Book(path, profiles, read_ini)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        cause = f"the file {path} cannot be read ({error.strerror})"
        raise _spoilt(cause, "let the user that runs the module read it") from None
    except ValueError:
        raise _spoilt(f"the file {path} is not text in UTF-8") from None


def _spoilt(cause: str, hint: str = "write it anew") -> OtaError:
    return OtaError(cause, code="bad_profile", hint=f"{hint}, or choose another credentials_source")


def way_of(profile: Profile, book: Book, seen: tuple[str, ...] = ()) -> Way:
    """The way to the credentials of a ``profile`` in a ``book``; ``seen`` are the profiles that led to it.

    :raises OtaError: the profile is incomplete, or of a mode that is not supported.
    """
    if profile.mode == "ChainableRamRoleArn":
        return AssumedRole(_source_of(profile, book, seen), _session(profile), profile.get("external_id"))
    if profile.mode == "RamRoleArn":
        return AssumedRole(_key(profile), _session(profile), profile.get("external_id"))
    if profile.mode == "OIDC":
        return OidcRole(_session(profile), profile.need("oidc_provider_arn"), profile.need("oidc_token_file"))
    if profile.mode == "EcsRamRole":
        return InstanceRole(profile.get("ram_role_name"))
    if profile.mode == "CredentialsURI":
        return _uri(profile)
    if profile.mode in ("AK", "StsToken"):
        return _key(profile, profile.need("sts_token") if profile.mode == "StsToken" else None)
    raise _bad_mode(profile)


def _key(profile: Profile, token: str | None = None) -> Credentials:
    names = tuple(f"{profile.called(name)} in {profile.place}" for name in ("access_key_id", "access_key_secret"))
    key = Credentials(profile.need("access_key_id"), profile.need("access_key_secret"), token)
    return checked((names[0], names[1], f"{profile.called('sts_token')} in {profile.place}"), key)


def _session(profile: Profile) -> Session:
    seconds = profile.get("expired_seconds")
    return Session(
        role_arn=profile.need("ram_role_arn"),
        name=profile.get("ram_session_name") or profile.get("role_session_name"),
        seconds=int(seconds) if seconds.isdecimal() and len(seconds) < 10 and int(seconds) else None,
        policy=profile.get("policy"),
        sts_region=profile.get("sts_region"),
        vpc=profile.get("enable_vpc").lower() == "true",
    )


def _uri(profile: Profile) -> CredentialsUri:
    uri = profile.need("credentials_uri")
    if not is_uri(uri):
        raise _spoilt(f"credentials_uri in {profile.place} is no URL", "correct it")
    return CredentialsUri(uri)


def _source_of(profile: Profile, book: Book, seen: tuple[str, ...]) -> Way:
    name = profile.need("source_profile")
    if name in (*seen, profile.name) or len(seen) > MAX_CHAIN:
        raise _spoilt(f"source_profile in {profile.place} leads back to itself", "correct it")
    if name not in book.profiles:
        raise _spoilt(f'there is no profile "{name}", which source_profile in {profile.place} names', "correct it")
    return way_of(book.profiles[name], book, (*seen, profile.name))


def _bad_mode(profile: Profile) -> OtaError:
    modes = INI_MODES if profile.names else (*INI_MODES.values(), "ChainableRamRoleArn")
    given = f'the {profile.called("mode")} "{profile.get("mode")[:40]}"' if profile.get("mode") else "no mode"
    return _spoilt(f"{profile.place} has {given}", f"use one of {', '.join(sorted(modes))}")
