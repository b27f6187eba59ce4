# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The provider chain: one class for each kind of provider, and the order in which they are tried."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from .._api.credentials import Credentials
from .._errors import OtaError
from .._text import printable
from .._validation import clean_text, invalid_option, is_http_url
from .metadata import CredentialsUri, InstanceRole
from .profiles import DEFAULT, FILE_VARIABLE, ProfileFile, fetcher_of, read_profile_files
from .provider import CredentialsProvider, FetchContext, Fetcher, StaticKey, validate_credentials
from .sts import OidcRole, RoleSession

OPTIONS = ("access_key_id", "access_key_secret", "security_token")

#: Environment variables of key id, secret and token, in the order in which they are tried.
VARIABLES = (
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"),
)

PROFILE_VARIABLES = ("ALIBABA_CLOUD_PROFILE", "ALICLOUD_PROFILE")
ROLE_VARIABLES = ("ALIBABA_CLOUD_ECS_METADATA", "ALICLOUD_ECS_ROLE_NAME")
OIDC_VARIABLES = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
URI_VARIABLE = "ALIBABA_CLOUD_CREDENTIALS_URI"


class Settings(NamedTuple):
    """What providers read: a task's options, the environment, and the home of the user that runs the module."""

    options: Mapping[str, Any]
    environ: Mapping[str, str]
    home: str

    def get_option(self, name: str) -> str:
        return clean_text(str(self.options.get(name) or ""))

    def get_variable(self, *names: str) -> str:
        """The first of the environment variables that is not blank, or empty text."""
        return next(filter(None, (clean_text(self.environ.get(name, "")) for name in names)), "")

    def is_on(self, name: str) -> bool:
        return self.get_variable(name).lower() == "true"


class _ConfiguredProvider(CredentialsProvider):
    """A provider that reads the settings."""

    name: str

    def __init__(self, settings: Settings, origin: str) -> None:
        allow_http = bool(settings.options.get("allow_http"))
        super().__init__(FetchContext(origin, settings.get_option("proxy") or None, allow_http))
        self._settings = settings

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> CredentialsProvider | None:
        """The provider, if any part of it is configured, or if it is named by an ``explicit`` option and needs none.

        :raises OtaError: it is configured, and cannot be used.
        """
        raise NotImplementedError


class OptionsProvider(_ConfiguredProvider):
    """The options of the task."""

    name = "options"
    renewable = False

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> OptionsProvider | None:
        return cls(settings, "the options") if any(settings.get_option(name) for name in OPTIONS) else None

    def build_fetcher(self) -> Fetcher:
        return _static_key(OPTIONS, self._settings.options)


class EnvironmentProvider(_ConfiguredProvider):
    """The first set of environment variables that holds a key, or a half of one."""

    name = "environment"
    renewable = False

    def __init__(self, settings: Settings, variables: tuple[str, str, str]) -> None:
        super().__init__(settings, f"the environment variables {variables[0]} and {variables[1]}")
        self._variables = variables

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> EnvironmentProvider | None:
        for variables in VARIABLES:
            # A token alone may be left over from another key.
            if settings.get_variable(*variables[:2]):
                return cls(settings, variables)
        return None

    def build_fetcher(self) -> Fetcher:
        return _static_key(self._variables, self._settings.environ)


class ProfileProvider(_ConfiguredProvider):
    """A profile of the vendor's tools: the one that is named, or the current one of the first file."""

    name = "profile"

    def __init__(self, settings: Settings, origin: str, file: ProfileFile, profile: str) -> None:
        super().__init__(settings, origin)
        self._file = file
        self._profile = profile

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> ProfileProvider | None:
        named = settings.get_option("profile") or settings.get_variable(*PROFILE_VARIABLES)
        files = read_profile_files(*_profile_paths(settings))
        for file in files:
            profile = file.profiles.get(named or file.default)
            if profile is None and not named and file.default != DEFAULT:
                raise _missing_error(
                    f'the current profile "{file.default}" does not exist in {file.path}',
                    "choose an existing one with: aliyun configure switch",
                )
            if profile is not None and (named or explicit or not (profile.is_blank() or profile.is_disabled())):
                return cls(settings, profile.origin, file, profile.name)
        if not named and not explicit:
            return None
        paths = " or ".join(path for path in _profile_paths(settings)[:2] if path)
        names = sorted({name for file in files for name in file.profiles})
        raise _missing_error(
            f'there is no profile "{named}" in {paths}' if named else f"there is no current profile in {paths}",
            f"choose one of {', '.join(names[:10])}" if names else "create one with: aliyun configure",
        )

    @property
    def region(self) -> str:
        return self._file.profiles[self._profile].region

    def build_fetcher(self) -> Fetcher:
        return fetcher_of(self._file.profiles[self._profile], self._file)

    def fetch(self) -> Credentials:
        # The owner of the file may have written other credentials into it. Another profile may be another account.
        file = self._file.read(self._file.path)
        if file is None or self._profile not in file.profiles:
            raise _missing_error(f"{self.origin} no longer exists", "create it again", self.name)
        self._file = file
        return super().fetch()


class OidcRoleProvider(_ConfiguredProvider):
    """A role that the holder of a token assumes, as in the pods of a Kubernetes cluster."""

    name = "oidc_role"

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> OidcRoleProvider | None:
        # The role alone may be meant for something else.
        given = explicit or settings.get_variable(*OIDC_VARIABLES[1:])
        return cls(settings, "the OIDC role in the environment") if given else None

    def build_fetcher(self) -> Fetcher:
        values = [self._settings.get_variable(name) for name in OIDC_VARIABLES]
        for name, value in zip(OIDC_VARIABLES, values):
            if not value:
                others = " and ".join(other for other in OIDC_VARIABLES if other != name)
                hint = f"set it together with {others}, or choose another credentials_source"
                raise _missing_error(f"the environment variable {name} is not set", hint)
        session = RoleSession(
            role_arn=values[0],
            name=self._settings.get_variable("ALIBABA_CLOUD_ROLE_SESSION_NAME"),
            sts_region=self._settings.get_variable("ALIBABA_CLOUD_STS_REGION"),
            vpc=self._settings.is_on("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
        )
        return OidcRole(session, values[1], values[2])


class EcsRamRoleProvider(_ConfiguredProvider):
    """The role of the ECS instance on which the module runs. It must be chosen: elsewhere nothing would respond."""

    name = "ecs_ram_role"

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> EcsRamRoleProvider | None:
        disabled = settings.is_on("ALIBABA_CLOUD_ECS_METADATA_DISABLED")
        if explicit and disabled:
            raise _missing_error(
                "the metadata service is disabled by ALIBABA_CLOUD_ECS_METADATA_DISABLED",
                "unset this environment variable, or choose another credentials_source",
            )
        chosen = explicit or (settings.get_variable(*ROLE_VARIABLES) and not disabled)
        return cls(settings, "the metadata service of the ECS instance") if chosen else None

    def build_fetcher(self) -> Fetcher:
        return InstanceRole(self._settings.get_variable(*ROLE_VARIABLES))


class UriProvider(_ConfiguredProvider):
    """A service that issues credentials at a URI."""

    name = "credentials_uri"

    @classmethod
    def find_configured(cls, settings: Settings, explicit: bool) -> UriProvider | None:
        given = settings.get_variable(URI_VARIABLE)
        return cls(settings, f"the service at {URI_VARIABLE}") if given else None

    def build_fetcher(self) -> Fetcher:
        uri = self._settings.get_variable(URI_VARIABLE)
        if not is_http_url(uri):
            hint = "write it like http://host:port/path"
            raise _missing_error(f"the environment variable {URI_VARIABLE} is not a URL", hint)
        return CredentialsUri(uri)


#: All kinds of providers, in the order in which they are tried.
PROVIDERS: Sequence[type[_ConfiguredProvider]] = (
    OptionsProvider,
    EnvironmentProvider,
    ProfileProvider,
    OidcRoleProvider,
    EcsRamRoleProvider,
    UriProvider,
)

#: The kinds for a platform that is documented to know nothing but access keys.
KEY_PROVIDERS = PROVIDERS[:2]


def resolve_provider(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    home: str | None = None,
    keys_only: bool = False,
    warn: Callable[[str], object] = lambda sentence: None,
) -> CredentialsProvider:
    """The first provider that is configured, or the one that the option ``credentials_source`` names.

    :raises OtaError: there is none, or its configuration is incomplete.
    """
    settings = Settings(options, environ, os.path.expanduser("~") if home is None else home)
    source = settings.get_option("credentials_source") or "auto"
    if keys_only:
        _check_keys_only(settings, source)
    kinds = [kind for kind in (KEY_PROVIDERS if keys_only else PROVIDERS) if source in ("auto", kind.name)]
    providers = (_find_provider(kind, settings, explicit=source != "auto") for kind in kinds)
    provider = next((provider for provider in providers if provider is not None), None)
    if provider is None:
        raise _not_configured_error(source, keys_only)
    if settings.get_option("profile") and not isinstance(provider, ProfileProvider):
        ignored = f'The profile "{settings.get_option("profile")}" is ignored, because the credentials come from'
        warn(printable(f"{ignored} {provider.origin}. Set credentials_source to profile to use it."))
    return provider


def _find_provider(kind: type[_ConfiguredProvider], settings: Settings, explicit: bool) -> CredentialsProvider | None:
    try:
        return kind.find_configured(settings, explicit)
    except OtaError as error:
        raise error.with_context(credentials_source=kind.name) from None


def _static_key(names: tuple[str, str, str], values: Mapping[str, Any]) -> StaticKey:
    """:raises OtaError: a half of the key is missing."""
    key_id, secret, token = (clean_text(str(values.get(name) or "")) or None for name in names)
    if not key_id or not secret:
        missing = names[1] if key_id else names[0]
        given = names[0] if key_id else names[1] if secret else names[2]
        raise _incomplete_key_error(missing, given, is_option=names is OPTIONS)
    return StaticKey(validate_credentials(names, Credentials(key_id, secret, token)))


def _profile_paths(settings: Settings) -> tuple[str, str, bool]:
    """The files of profiles: the command line tool's, which may be skipped, the INI file, and whether it is named."""
    skipped = settings.is_on("ALIBABA_CLOUD_CLI_PROFILE_DISABLED")
    cli = "" if skipped else os.path.join(settings.home, ".aliyun", "config.json")
    named = settings.get_variable(FILE_VARIABLE)
    if named.startswith("~/"):
        named = os.path.join(settings.home, named[2:])
    return cli, named or os.path.join(settings.home, ".alibabacloud", "credentials.ini"), bool(named)


_KEY_VARIABLES = f"environment variables {VARIABLES[0][0]} and {VARIABLES[0][1]}"
_GIVE_KEY = f"give access_key_id and access_key_secret, or set the {_KEY_VARIABLES}"


def _not_configured_error(source: str, keys_only: bool) -> OtaError:
    hints = {
        "options": "give access_key_id and access_key_secret",
        "environment": f"set the {_KEY_VARIABLES}",
        "credentials_uri": f"set the environment variable {URI_VARIABLE}",
    }
    if source in hints:
        return _missing_error(f"credentials_source is {source}, but nothing is configured there", hints[source], source)
    others = "" if keys_only else ", or name a profile, or see credentials_source for the other sources"
    return _missing_error("no access key is configured", f"{_GIVE_KEY}{others}")


def _check_keys_only(settings: Settings, source: str) -> None:
    """:raises OtaError: anything but a key is configured."""
    for name, given in (("credentials_source", source), ("profile", settings.get_option("profile"))):
        if given and given not in ("auto", *(kind.name for kind in KEY_PROVIDERS)):
            raise invalid_option(
                f"{name} is {given}, but this platform is documented to support access keys only",
                f"leave {name} out and {_GIVE_KEY}",
            )


def _incomplete_key_error(missing: str, given: str, is_option: bool) -> OtaError:
    if is_option:
        return _missing_error(
            f"{missing} is missing although {given} is given",
            f"give the option {missing}, or take the whole key from the {_KEY_VARIABLES}",
        )
    return _missing_error(
        f"{missing} is missing although {given} is set",
        f"set the environment variable {missing}, or give the options {OPTIONS[0]} and {OPTIONS[1]}",
    )


def _missing_error(cause: str, hint: str, source: str | None = None) -> OtaError:
    return OtaError(cause, code="missing_credentials", hint=hint, credentials_source=source)
