# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as the API writes them, and as results show them. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

#: Times at or after this are invalid, in seconds since 1970.
MAX_TIME = 253_000_000_000.0

#: Fractions of other than six digits and zones without a colon, which only newer versions of Python read.
_FRACTION = re.compile(r"[.,](\d+)")
_ZONE = re.compile(r" ?([+-]\d\d)(\d\d)$")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z")


def parse_time(text: Any) -> float | None:
    """A time from the API in seconds since 1970; ``None`` if it is not one. One vendor prints a stray blank."""
    return _parse_time(text) if isinstance(text, str) else None


@lru_cache(10_000)  # many tasks have the same times, and each poll brings most of them again
def _parse_time(text: str) -> float | None:
    try:
        words = "".join(text.split()) if "T" in text else text.strip()
        words = _FRACTION.sub(lambda digits: f".{digits[1][:6]:0<6}", words.replace("Z", "+00:00"))
        time = datetime.fromisoformat(_ZONE.sub(r"\1:\2", words))
        seconds = (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < MAX_TIME else None


def format_time(seconds: float) -> str:
    """A time in seconds since 1970 as text."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_clock(seconds: float) -> str:
    """The time of day in UTC of a time in seconds since 1970, such as ``15:00:41``."""
    return format_time(seconds)[11:19]


def moment(value: Any, day: str = "", seconds: bool = True) -> str:
    """A time from a result, for people; without the date on ``day``. Empty if it is no time."""
    time = parse_time(value)
    if time is None:
        return ""
    text = format_time(time)
    clock = text[11:19] if seconds else text[11:16]
    return clock if text[:10] == day else f"{text[:10]} {clock}"


def with_moments(text: str, day: str) -> str:
    """``text`` with its times as :func:`moment` has them."""
    return _TIME.sub(lambda found: moment(found[0], day) or found[0], text)
