# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""Who asks. One way to authenticate, one class; today there is one: an access key, with or without a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, check_text

#: The names of key id, secret and token, by source, in the order in which they are asked. The first are our options.
SOURCES = (
    ("access_key_id", "access_key_secret", "security_token"),
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ("ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_SECURITY_TOKEN"),
)


@dataclass(frozen=True)
class Credentials:
    """An access key. ``security_token`` belongs to temporary keys only."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    def confidential(self) -> tuple[str, ...]:
        """What must not be seen in any text: the id too, which is no secret but has no business in an error."""
        return tuple(value for value in (self.access_key_secret, self.security_token, self.access_key_id) if value)


def find_credentials(options: Mapping[str, str | None], environ: Mapping[str, str]) -> Credentials:
    """The credentials of the first source that holds any part of them, never a mixture of two sources.

    :raises OtaError: nothing is configured, or the first source that is lacks its other half.
    """
    for names, source in zip(SOURCES, (options, environ, environ)):
        key_id, secret, token = (source.get(name) or None for name in names)
        if key_id and secret:
            check_text(names[0], key_id)
            check_text(names[1], secret)
            return Credentials(key_id, secret, token)
        # A token alone in the environment may be left over from something else, an option is meant.
        if key_id or secret or (token and source is options):
            missing = names[1] if key_id else names[0]
            given = names[0] if key_id else names[1] if secret else names[2]
            raise _incomplete(missing, given, is_option=source is options)
    raise _missing("no access key is configured", f"give access_key_id and access_key_secret, or set the {_VARIABLES}")


_VARIABLES = f"environment variables {SOURCES[1][0]} and {SOURCES[1][1]}"


def _incomplete(missing: str, given: str, is_option: bool) -> OtaError:
    if is_option:
        return _missing(
            f"{missing} is missing although {given} is given",
            f"give the option {missing}, or take the whole key from the {_VARIABLES}",
        )
    return _missing(
        f"{missing} is missing although {given} is set",
        f"set the environment variable {missing}, or give the options {SOURCES[0][0]} and {SOURCES[0][1]}",
    )


def _missing(cause: str, hint: str) -> OtaError:
    return OtaError(cause, code="missing_credentials", hint=hint)
