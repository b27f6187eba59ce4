# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A page of Markdown with text from elsewhere: without markup, and no more of it than the page may hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...module_utils._text import truncate

#: What a blank stands for: it would end a line, or nothing can write it.
_BLANK = re.compile(r"[\x00-\x20\x7f-\x9f\s\u2028\u2029\ud800-\udfff]+")
_MARKUP = re.compile(r"([\\`*_\[\]<>|~&#@$!]|%(?=[\w\"]))")
#: What begins an entry of a list where it is first.
_ENTRY = re.compile(r"\A(\d{0,9})([-+=.)])(?=[-+=\s]|\Z)")
#: What becomes a link, a mention or a reference without any markup. An escape does not help where that is looked for
#: afterwards, but an empty comment breaks it up.
_LINK = re.compile(r"([@#]|www(?=\.)|:(?=//))", re.IGNORECASE)


def escape(text: str) -> str:
    """``text`` on one line that Markdown shows as it is. Empty if it has nothing to show."""
    plain = _MARKUP.sub(r"\\\1", _BLANK.sub(" ", text).strip())
    return _LINK.sub(r"\1<!-- -->", _ENTRY.sub(r"\1\\\2", plain))


def link(title: str, url: str) -> str:
    """A link to a ``url`` that has been checked, and so has no blank and no bracket ``<`` or ``>``."""
    return f"[{escape(title)}](<{url.replace('&', '&amp;')}>)"


class Page:
    """Lines of Markdown of at most ``room`` bytes together, beyond the few that :meth:`add` adds."""

    def __init__(self, room: int) -> None:
        self._left = room
        self._lines: list[str] = []
        self.is_cut = False

    def text(self, value: Any, limit: int = 500) -> str:
        """A text from elsewhere, at most ``limit`` characters of it, with an ellipsis for the rest."""
        given = "" if value is None else str(value)
        self.is_cut = self.is_cut or len(given) > limit
        return escape(truncate(given, limit))

    def add(self, *lines: str) -> None:
        """Add lines of our own."""
        self._lines += lines

    def put(self, line: str) -> None:
        """Add a line if there is room for it."""
        size = len(line.encode()) + 1
        if size > self._left:
            self.is_cut = True
            return
        self._left -= size
        self._lines.append(line)

    def put_table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()) -> None:
        """Add a table and a blank line, without columns that are empty in all rows. ``numbers`` are flush right."""
        filled = [index for index in range(len(columns)) if any(row[index] for row in rows)]
        if not filled:
            return
        self.add(_row([columns[index] for index in filled]))
        self.add(f"|{'|'.join('---:' if columns[index] in numbers else '---' for index in filled)}|")
        for row in rows:
            self.put(_row([row[index] or "-" for index in filled]))
        self.add("")

    def __str__(self) -> str:
        return "\n".join(self._lines).strip("\n") + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
