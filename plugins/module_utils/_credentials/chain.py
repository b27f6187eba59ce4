# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where credentials come from: one class for each kind of source, asked in order."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from .._api.credentials import Credentials
from .._errors import OtaError
from .._validation import is_uri
from .profiles import DEFAULT, Book, read_cli, read_ini, way_of
from .provider import Source, checked
from .sts import Session
from .ways import CredentialsUri, InstanceRole, OidcRole, Way, check, go, secrets

OPTIONS = ("access_key_id", "access_key_secret", "security_token")


#: The names of key id, secret and token in the environment, in the order in which they are asked.
VARIABLES = (
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"),
)


PROFILE_VARIABLES = ("ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE")


ROLE_VARIABLES = ("ALIBABA_CLOUD_ECS_METADATA", "ALICLOUD_ECS_ROLE_NAME")


OIDC_VARIABLES = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")


URI_VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_URI"


class Settings(NamedTuple):
    """All that sources look at: a task's options, the environment and the home of the user that runs the module."""

    options: Mapping[str, Any]
    environ: Mapping[str, str]
    home: str

    def option(self, name: str) -> str:
        return str(self.options.get(name) or "").strip()

    def variable(self, *names: str) -> str:
        """The first of the environment variables that holds anything, or empty text."""
        return next((self.environ[name].strip() for name in names if self.environ.get(name, "").strip()), "")

    def is_on(self, name: str) -> bool:
        return self.variable(name).lower() == "true"


class _Source:
    """What the sources have in common: a way to credentials, gone anew for each of them."""

    name = ""
    renewable = True

    def __init__(self, settings: Settings, place: str) -> None:
        self._settings = settings
        self.place = place

    def way(self) -> Way:
        """:raises OtaError: it is not configured as a whole."""
        raise NotImplementedError

    def at_hand(self) -> Credentials | None:
        way = self.way()
        check(way, self.place)
        return way if isinstance(way, Credentials) else None

    def fetch(self) -> Credentials:
        allow_http = bool(self._settings.options.get("allow_http"))
        return go(self.way(), self.place, self._settings.option("proxy") or None, allow_http)

    def secrets(self) -> set[str]:
        return secrets(self.way())


class Options(_Source):
    """The options of the task."""

    name = "options"
    renewable = False

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> Options | None:
        """The source, if any part of it is configured, or if it is ``pinned`` and can do without."""
        return cls(settings, "the options") if any(settings.options.get(name) for name in OPTIONS) else None

    def way(self) -> Way:
        return _key(OPTIONS, self._settings.options)


class Environment(_Source):
    """The first set of environment variables that holds a key, or a half of one."""

    name = "environment"
    renewable = False

    def __init__(self, settings: Settings, variables: tuple[str, str, str]) -> None:
        super().__init__(settings, f"the environment variables {variables[0]} and {variables[1]}")
        self._variables = variables

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> Environment | None:
        for variables in VARIABLES:
            # A token alone may be left over from something else.
            if any(settings.environ.get(name) for name in variables[:2]):
                return cls(settings, variables)
        return None

    def way(self) -> Way:
        return _key(self._variables, self._settings.environ)


class ProfileInFile(_Source):
    """A profile of the vendor's tools: the one that is named, or the one that is current in the first file."""

    name = "profile"

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> ProfileInFile | None:
        named = settings.option("profile") or settings.variable(*PROFILE_VARIABLES)
        books = _books(settings)
        for book in books:
            profile = book.profiles.get(named or book.default)
            if profile is None and not named and book.default != DEFAULT:
                raise _missing(
                    f'there is no profile "{book.default}", which is the current one in {book.path}',
                    "choose one that there is by: aliyun configure switch",
                )
            if profile is not None and (named or pinned or not profile.is_blank()):
                return cls(settings, profile.place, book, profile.name)
        if not named and not pinned:
            return None
        files = " or ".join(path for path, _read in _files(settings)) or "any file, because they are disabled"
        names = sorted({name for book in books for name in book.profiles})
        raise _missing(
            f'there is no profile "{named}" in {files}' if named else f"there is no current profile in {files}",
            f"choose one of {', '.join(names[:10])}" if names else "write one by: aliyun configure",
        )

    def __init__(self, settings: Settings, place: str, book: Book, profile: str) -> None:
        super().__init__(settings, place)
        self._book = book
        self._profile = profile

    def way(self) -> Way:
        return way_of(self._book.profiles[self._profile], self._book)

    def fetch(self) -> Credentials:
        # Whoever keeps the file may have written other credentials into it. Another profile may be another account.
        book = self._book.read(self._book.path)
        if book is None or self._profile not in book.profiles:
            raise _missing(f"{self.place} is not there any more", "write it anew", self.name)
        self._book = book
        return super().fetch()


class OidcRoleSource(_Source):
    """A role that the holder of a token assumes, as in the pods of a Kubernetes cluster."""

    name = "oidc_role"

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> OidcRoleSource | None:
        # The role alone may be meant for something else.
        given = pinned or settings.variable(*OIDC_VARIABLES[1:])
        return cls(settings, "the OIDC role in the environment") if given else None

    def way(self) -> Way:
        values = [self._settings.variable(name) for name in OIDC_VARIABLES]
        for name, value in zip(OIDC_VARIABLES, values):
            if not value:
                others = " and ".join(other for other in OIDC_VARIABLES if other != name)
                hint = f"set it together with {others}, or choose another credentials_source"
                raise _missing(f"the environment variable {name} is not set", hint)
        session = Session(
            role_arn=values[0],
            name=self._settings.variable("ALIBABA_CLOUD_ROLE_SESSION_NAME"),
            sts_region=self._settings.variable("ALIBABA_CLOUD_STS_REGION"),
            vpc=self._settings.is_on("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
        )
        return OidcRole(session, values[1], values[2])


class EcsRamRole(_Source):
    """The role of the ECS instance on which the module runs. It has to be asked for: elsewhere nobody would answer."""

    name = "ecs_ram_role"

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> EcsRamRole | None:
        disabled = settings.is_on("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
        if pinned and disabled:
            raise _missing(
                "the metadata service is disabled by ALIBABA_CLOUD_ECS_METADATA_DISABLED",
                "unset this environment variable, or choose another credentials_source",
            )
        asked = pinned or (settings.variable(*ROLE_VARIABLES) and not disabled)
        return cls(settings, "the metadata service of the ECS instance") if asked else None

    def way(self) -> Way:
        return InstanceRole(self._settings.variable(*ROLE_VARIABLES))


class UriSource(_Source):
    """A service that hands out credentials."""

    name = "credentials_uri"

    @classmethod
    def find(cls, settings: Settings, pinned: bool) -> UriSource | None:
        given = settings.variable(URI_VARIABLE)
        return cls(settings, f"the service that {URI_VARIABLE} names") if given else None

    def way(self) -> Way:
        uri = self._settings.variable(URI_VARIABLE)
        if not is_uri(uri):
            raise _missing(f"the environment variable {URI_VARIABLE} is no URL", "write it like http://host:port/path")
        return CredentialsUri(uri)


#: In the order in which they are asked. Those who have keys only have the first two.
KINDS: Sequence[Any] = (Options, Environment, ProfileInFile, OidcRoleSource, EcsRamRole, UriSource)


KEY_KINDS = KINDS[:2]


def find_source(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    home: str | None = None,
    keys_only: bool = False,
    warn: Callable[[str], object] = lambda sentence: None,
) -> Source:
    """The first source that is configured, or the one that the option ``credentials_source`` names.

    :raises OtaError: there is none, or it is not configured as a whole.
    """
    settings = Settings(options, environ, os.path.expanduser("~") if home is None else home)
    pinned = settings.option("credentials_source") or "auto"
    kinds = KEY_KINDS if keys_only else KINDS
    if keys_only:
        _check_keys_only(settings, pinned)
    for kind in kinds:
        if pinned in ("auto", kind.name):
            source: Source | None = _find(kind, settings, pinned != "auto")
            if source is not None:
                if settings.option("profile") and kind is not ProfileInFile:
                    warn(
                        f'The profile "{settings.option("profile")}" is not used, because the credentials come from'
                        f" {source.place}. Set credentials_source to profile if it is meant."
                    )
                return source
    raise _nothing(pinned, keys_only)


def _find(kind: Any, settings: Settings, pinned: bool) -> Source | None:
    try:
        source: Source | None = kind.find(settings, pinned)
        return source
    except OtaError as error:
        error.credentials_source = kind.name
        raise


def _key(names: tuple[str, str, str], values: Mapping[str, Any]) -> Credentials:
    """:raises OtaError: a half of the key is missing."""
    key_id, secret, token = (values.get(name) or None for name in names)
    if not key_id or not secret:
        missing = names[1] if key_id else names[0]
        given = names[0] if key_id else names[1] if secret else names[2]
        raise _incomplete(missing, given, is_option=names is OPTIONS)
    return checked(names, Credentials(key_id, secret, token))


def _files(settings: Settings) -> list[tuple[str, Callable[[str], Book | None]]]:
    ini = settings.variable("ALIBABA_CLOUD_CREDENTIALS_FILE")
    files: list[tuple[str, Callable[[str], Book | None]]] = []
    if not settings.is_on("ALIBABA_CLOUD_CLI_PROFILE_DISABLED"):
        files.append((os.path.join(settings.home, ".aliyun", "config.json"), read_cli))
    return [*files, (ini or os.path.join(settings.home, ".alibabacloud", "credentials.ini"), read_ini)]


def _books(settings: Settings) -> list[Book]:
    books = [read(path) for path, read in _files(settings)]
    return [book for book in books if book is not None]


_KEY_VARIABLES = f"environment variables {VARIABLES[0][0]} and {VARIABLES[0][1]}"


_GIVE_KEY = f"give access_key_id and access_key_secret, or set the {_KEY_VARIABLES}"


def _nothing(pinned: str, keys_only: bool) -> OtaError:
    hints = {
        "options": "give access_key_id and access_key_secret",
        "environment": f"set the {_KEY_VARIABLES}",
        "credentials_uri": f"set the environment variable {URI_VARIABLE}",
    }
    if pinned in hints:
        return _missing(f"credentials_source is {pinned}, and nothing is configured there", hints[pinned], pinned)
    others = "" if keys_only else ", or name a profile, or see credentials_source for what else there is"
    return _missing("no access key is configured", f"{_GIVE_KEY}{others}")


def _check_keys_only(settings: Settings, pinned: str) -> None:
    """:raises OtaError: something else than a key is asked for."""
    for name, given in (("credentials_source", pinned), ("profile", settings.option("profile"))):
        if given and given not in ("auto", *(kind.name for kind in KEY_KINDS)):
            raise OtaError(
                f"{name} is {given}, and this platform is documented to know access keys only",
                code="invalid_option",
                hint=f"leave {name} out and {_GIVE_KEY}",
            )


def _incomplete(missing: str, given: str, is_option: bool) -> OtaError:
    if is_option:
        return _missing(
            f"{missing} is missing although {given} is given",
            f"give the option {missing}, or take the whole key from the {_KEY_VARIABLES}",
        )
    return _missing(
        f"{missing} is missing although {given} is set",
        f"set the environment variable {missing}, or give the options {OPTIONS[0]} and {OPTIONS[1]}",
    )


def _missing(cause: str, hint: str, source: str | None = None) -> OtaError:
    error = OtaError(cause, code="missing_credentials", hint=hint)
    error.credentials_source = source
    return error
