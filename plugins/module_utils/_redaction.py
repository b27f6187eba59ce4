# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks secrets, signed requests and signed links, and drops fields that hold secrets."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

from ._text import MAX_TEXT, truncate

#: Start of a repeated signed request, however it is encoded: everything from there on is masked. In words with single
#: blanks between them; nothing of unknown length is part of it, so that the work is linear.
_SIGNED_REQUEST = (
    r"(?:GET|POST)(?:(?:&|&amp;|%26)%2F| / )"
    r"|(?:Signature|SecurityToken|AccessKeyId|Credential)[\"']? ?(?:=|:|%3D|%253D)"
    r"|(?:Authorization|x-acs-[\w-]{1,40})[\"']? ?[=:]|ACS3-HMAC-SHA256 "
)

#: Signatures: HMAC-SHA1 in Base64 and HMAC-SHA256 in hexadecimal digits, also encoded for a URL once or twice.
_SIGNATURE = r"(?<![0-9A-Za-z+/])(?:(?:[0-9A-Za-z+/]|%(?:25)?2[BF]){27}(?:=|%(?:25)?3D)|[0-9a-f]{64})(?![0-9A-Za-z+/=])"


#: Number of letters and digits in a row that give a secret away.
_PART = 16

#: Name of what a device, or each device of a product, signs in with.
_DEVICE_SECRET = r"(?:device|product)_?secret"


def mask_text(text: str, known: tuple[str, ...] = (), limit: int = 300) -> str:
    """``text`` on one line, with ``***`` for the ``known`` secrets, for signatures, and for all that follows the start
    of a signed request or of a device's secret.
    """
    text = " ".join(cut_text(text).split())
    begin = re.search(f"{_SIGNED_REQUEST}|{_DEVICE_SECRET}", text, re.IGNORECASE)
    if begin:
        text = f"{text[: begin.start()]}***"
    for secret in known:
        once = quote(secret, safe="")
        for form in (quote(once, safe=""), once, secret):
            text = re.sub(re.escape(form), "***", text, flags=re.IGNORECASE)
    return truncate(re.sub(_SIGNATURE, "***", text, flags=re.IGNORECASE).strip(), limit)


def mask_garbled(text: str, known: tuple[str, ...]) -> str:
    """``text`` with ``***`` for each part of a ``known`` secret, as it is or in Base64, that gives it away, whatever
    stands between its letters and digits, such as a blank, an escape or a character without a shape.
    """
    places = [place for place, char in enumerate(text) if char.isascii() and char.isalnum()]
    letters = "".join(text[place] for place in places).lower()
    parts = {part for secret in known for form in (secret, _in_base64(secret)) for part in _parts_of(form)}
    hidden: set[int] = set()
    for start in range(len(letters) - _PART + 1):
        if letters[start : start + _PART] in parts:
            hidden.update(range(places[start], places[start + _PART - 1] + 1))
    return re.sub("\0+", "***", "".join("\0" if place in hidden else char for place, char in enumerate(text)))


def _in_base64(secret: str) -> str:
    return base64.b64encode(secret.encode(errors="replace")).decode()


def _parts_of(secret: str) -> set[str]:
    letters = "".join(filter(str.isalnum, secret)).lower()
    return {letters[start : start + _PART] for start in range(len(letters) - _PART + 1)}


def cut_text(text: str) -> str:
    """``text``, or its first words and ``…`` if it is longer than :data:`MAX_TEXT`.

    Whole words, because nobody would recognise a part of a secret or of a signed link.
    """
    if len(text) <= MAX_TEXT:
        return text
    return " ".join([*text[: MAX_TEXT - 2].split()[:-1], "…"])


def drop_secrets(value: Any) -> Any:
    """``value`` without the fields, at any depth, whose names say that they hold a secret."""
    if isinstance(value, list):
        return [drop_secrets(item) for item in value]
    if isinstance(value, dict):
        return {name: drop_secrets(item) for name, item in value.items() if "secret" not in name.lower()}
    return value


def mask_signed_links(value: Any) -> Any:
    """``value`` with ``***`` for each link that may be signed; a text that is nothing but such a link is ``None``."""
    if isinstance(value, str):
        masked = mask_links(value)
        return None if masked != value and masked.strip() == _LINK_MASK else masked
    if isinstance(value, list):
        return [mask_signed_links(item) for item in value]
    if isinstance(value, dict):
        return {name: mask_signed_links(item) for name, item in value.items()}
    return value


def mask_links(text: str) -> str:
    """``text`` with ``***`` for each link that may be signed; the beginning of a long one."""
    if len(text) > MAX_TEXT:
        text = cut_text(text)
    if "=" not in text and "%" not in text and "@" not in text:
        return text
    return "".join(_LINK_MASK if _is_signed_link(part) else part for part in _LINK_ENDS.split(text))


_LINK_MASK = "***"

_LINK_ENDS = re.compile(r"([\s\"'<>]+)")

_LINK_STARTS = ("://", r":\/\/", "%3a%2f%2f")

_SIGNED_BY = re.compile(r"(?:signature|accesskeyid|securitytoken|auth_key)(?:=|%3d)")


def _is_signed_link(word: str) -> bool:
    """Whether ``word``, encoded or not, looks like a link that grants its holder access."""
    lower = word.lower()
    link = any(start in lower for start in _LINK_STARTS) and any(mark in lower for mark in ("?", "%3f", "@"))
    return link or _SIGNED_BY.search(lower) is not None
