# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text in columns, as terminals and logs show it. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

#: No line is longer than this, in columns.
COLUMNS = 100
#: Lines that go on begin with these.
INDENT = " " * 10
#: What stands between two parts of a line.
GAP = "  "


def width(text: str) -> int:
    """How many columns ``text`` takes: wide characters take two, and marks on others none."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)


def shorten(text: str, columns: int) -> str:
    """``text`` in at most so many columns."""
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def pack(parts: Iterable[str], gap: str = GAP) -> list[str]:
    """The ``parts`` on as few lines as hold them, all but the first indented. What is longer than a line is wrapped."""
    lines: list[str] = []
    for part in parts:
        if lines and width(lines[-1]) + len(gap) + width(part) <= COLUMNS:
            lines[-1] += f"{gap}{part}"
        else:
            lines += wrap(part, INDENT if lines else "")
    return lines


def wrap(text: str, indent: str = INDENT) -> list[str]:
    """``text`` after ``indent``, on as many lines as it needs."""
    if width(indent) + width(text) <= COLUMNS:
        return [f"{indent}{text}"]
    lines = [indent]
    for word in text.split():
        room = COLUMNS - width(lines[-1]) - 1
        if lines[-1].strip() and width(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines += [INDENT] if lines[-1].strip() else []
            lines[-1] += shorten(word, COLUMNS - len(INDENT))
    return lines
