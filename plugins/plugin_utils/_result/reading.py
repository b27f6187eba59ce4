# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a result that may be older, partial or made by hand. What is missing or of another type is nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: No rollout has as many devices, and none lasts as many seconds, by far. Sums and times of what is less stay usable.
MAX_NUMBER = 100_000_000


def mapping_of(value: Any) -> Mapping[str, Any]:
    """``value`` if it is a dictionary, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows_of(value: Any) -> list[Mapping[str, Any]]:
    """The dictionaries in a list."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, (list, tuple)) else []


def texts_of(value: Any) -> list[str]:
    """The texts in a list."""
    return [str(text) for text in value if isinstance(text, str)] if isinstance(value, (list, tuple)) else []


def number_of(value: Any) -> float:
    """``value`` if it is a number that a rollout can have, else 0."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and abs(value) <= MAX_NUMBER else 0


def count_of(value: Any) -> int:
    """``value`` if it is a number of things, else 0."""
    return max(0, int(number_of(value)))


def text_of(value: Any) -> str:
    """``value`` as text; empty if there is none."""
    return "" if value is None else str(value)


def counts_of(value: Any) -> dict[str, int]:
    """A dictionary of numbers of things, without those of which there are none."""
    numbers = {str(name): count_of(number) for name, number in mapping_of(value).items()}
    return {name: number for name, number in numbers.items() if number}
