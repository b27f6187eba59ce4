# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes foreign text harmless, whoever shows it: a terminal, a CI system, a template, a page."""

from __future__ import annotations

import re
from typing import Any, Callable

#: Maximum length of a text from the service in characters; documented ones have at most 1,024.
MAX_TEXT = 4096
#: Maximum length of a name from the service, such as that of a field that is not documented.
MAX_NAME = 100

#: Characters that count as printable and yet show nothing: fillers, joiners, blanks and selectors of variants.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00013441\U00013442"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)

#: What something between our text and its reader acts on, and how it is broken up.
_COMMANDS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # A template. The braces are the delimiters of Jinja, and the header at the start of a text may choose others.
    (re.compile(r"\{(?=[{%#])"), "{ "),
    (re.compile(r"#(?=jinja2)", re.IGNORECASE), "# "),
    # A command to GitHub, Azure or TeamCity. The first begins a line, which any word does where lines are wrapped.
    (re.compile(r"(?<!\S)::+"), lambda colons: " ".join(colons[0])),
    (re.compile(r"#(?=#[\w.-]{0,40}\[)"), "# "),
    # A key by which Ansible marks an object of its own; any text may become a key.
    (re.compile(r"\A_+(?=ansible_)", re.IGNORECASE), ""),
)


def printable(text: str, limit: int = MAX_TEXT) -> str:
    """``text`` on one line of at most ``limit`` characters, that nothing takes for more than text.

    What has no shape of its own, such as an escape or a change of direction, becomes U+FFFD. A blank breaks up what
    opens a template or is a command to a CI system. The result stays the same if this is done again. Two texts that
    differ in such parts only become one, so what is compared with the result must have gone through this as well.
    """
    if len(text) <= limit and _is_plain(text):
        return text
    text = truncate(text, limit)
    if not text.isprintable() or _INVISIBLE.search(text):
        text = "".join(map(_shown_char, _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)))
    for command, broken in _COMMANDS:
        text = command.sub(broken, text)
    return truncate(text, limit)


def printable_name(name: str) -> str:
    """The ``name`` of a field, such that nothing reads a meaning into it: Ansible does so with ``_ansible_…``."""
    return printable(name.lstrip("_"), MAX_NAME) or "_"


def printable_facts(value: Any) -> Any:
    """``value`` with all its texts and names printable, at any depth."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {
            printable_name(name) if isinstance(name, str) else name: printable_facts(v) for name, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [printable_facts(item) for item in value]
    return value


def truncate(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, the last of which says whether any are missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _is_plain(text: str) -> bool:
    """Whether ``text`` has nothing to look at more closely, as most have: this costs a fraction of a pattern."""
    return (
        text.isascii()
        and text.isprintable()
        and "{" not in text
        and "#" not in text
        and "::" not in text
        and not text.startswith("_")
    )


def _shown_char(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
