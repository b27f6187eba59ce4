# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways to come by credentials, as data, and how to go them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from .._api.credentials import Credentials
from .metadata import ask_instance, ask_uri
from .sts import Session, assume, assume_by_token, check_library


@dataclass(frozen=True)
class AssumedRole:
    """A role that the owner of other credentials assumes."""

    base: Way
    session: Session
    external_id: str = ""


@dataclass(frozen=True)
class OidcRole:
    """A role that the holder of a token in a file assumes."""

    session: Session
    provider_arn: str
    token_file: str


@dataclass(frozen=True)
class InstanceRole:
    """The role of the ECS instance, from its metadata service; without a name, the only one that it has."""

    role_name: str = ""


@dataclass(frozen=True)
class CredentialsUri:
    """Whatever answers at a URI."""

    uri: str


Way = Union[Credentials, AssumedRole, OidcRole, InstanceRole, CredentialsUri]


def check(way: Way, place: str) -> None:
    """:raises MissingLibraryError: this ``way``, which is configured in ``place``, needs a package that is missing."""
    if isinstance(way, (AssumedRole, OidcRole)):
        check_library(place)


def secrets(way: Way) -> set[str]:
    """What this ``way`` holds that nobody may see."""
    if isinstance(way, AssumedRole):
        return secrets(way.base)
    return way.secrets() if isinstance(way, Credentials) else set()


def go(way: Way, place: str, proxy: str | None, allow_http: bool = False) -> Credentials:
    """The credentials at the end of a ``way`` that is configured in ``place``. Roles are assumed through the ``proxy``.

    :raises OtaError: there are none.
    """
    if isinstance(way, AssumedRole):
        return assume(go(way.base, place, proxy, allow_http), way.session, way.external_id, place, proxy)
    if isinstance(way, OidcRole):
        return assume_by_token(way.token_file, way.provider_arn, way.session, place, proxy)
    if isinstance(way, InstanceRole):
        return ask_instance(way.role_name, place)
    if isinstance(way, CredentialsUri):
        return ask_uri(way.uri, place, allow_http)
    return way
