# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be true in the result of a gate, beside its verdict."""

from __future__ import annotations

from collections.abc import Iterator

from .played import Played


def wrong_details(played: Played) -> Iterator[str]:
    """What the result says that is not so, or does not say."""
    return iter(())
