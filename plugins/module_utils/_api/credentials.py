# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials: an access key, with or without a security token."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """An access key. ``security_token`` belongs to temporary keys only; ``expires`` is in seconds since 1970."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)
    expires: float | None = None

    def confidential(self) -> tuple[str, ...]:
        """What must not be seen in any text: the id too, which is no secret but has no business in an error."""
        return tuple(value for value in (self.access_key_secret, self.security_token, self.access_key_id) if value)

    def secrets(self) -> set[str]:
        """What must be masked in all output."""
        return {value for value in (self.access_key_secret, self.security_token) if value}

    def is_valid_at(self, now: float, margin: float = 0.0) -> bool:
        """Whether they are still valid ``margin`` seconds after ``now``."""
        return self.expires is None or now + margin < self.expires
