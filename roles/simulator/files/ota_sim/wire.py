# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an answer to bytes: JSON or XML, in either dialect's casing."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from datetime import datetime, timedelta, timezone
from typing import Any
from xml.sax.saxutils import escape

CONTENT_TYPES = {"json": "application/json;charset=utf-8", "xml": "text/xml;charset=utf-8"}
_IN_ALL_ANSWERS = ("RequestId", "Success", "Code", "ErrorMessage")
_CHINA = timezone(timedelta(hours=8))
_FORBIDDEN_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def lowered(name: str) -> str:
    """A name in Tuya's casing: only the first letter is lowered."""
    return name[:1].lower() + name[1:]


def lower_camel(value: Any) -> Any:
    """A whole answer in Tuya's casing."""
    if isinstance(value, dict):
        return {lowered(name): lower_camel(item) for name, item in value.items()}
    return [lower_camel(item) for item in value] if isinstance(value, list) else value


def mixed_case(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer as a sample of the vendor's shows it: what all answers have in Tuya's casing, the rest in its own."""
    whole = {"Code": "", "ErrorMessage": None, **answer}
    return {lowered(name) if name in _IN_ALL_ANSWERS else name: item for name, item in whole.items()}


def to_json(answer: dict[str, Any]) -> bytes:
    """UTF-8 JSON, with Unicode as it is."""
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def to_xml(answer: dict[str, Any], root: str) -> bytes:
    """UTF-8 XML: a list becomes repeated elements, an empty one an empty wrapper."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{_element(root, answer)}'.encode("utf-8", "replace")


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, dict):
        text = "".join(_element(key, item) for key, item in value.items())
    elif value is None:
        text = ""
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = escape(_FORBIDDEN_IN_XML.sub("\ufffd", str(value)))
    return f"<{name}>{text}</{name}>"


def encode(answer: dict[str, Any], kind: str, root: str, dialect: str) -> bytes:
    """The answer in the format (``json`` or ``xml``) and the dialect's casing."""
    cased = lower_camel(answer) if dialect == "tuya" else answer
    return to_json(cased) if kind == "json" else to_xml(cased, root)


def utc(seconds: float) -> str:
    """Seconds since 1970 as the API writes times: ``2019-12-28T02:43:10.000Z``."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def china_time(seconds: float) -> str:
    """Seconds since 1970 as the API writes times without a zone: ``2019-12-28 10:43:10``, in China's."""
    return f"{datetime.fromtimestamp(seconds, _CHINA):%Y-%m-%d %H:%M:%S}"


def parse_timestamp(text: str) -> float | None:
    """Seconds since 1970 of a request's ``YYYY-MM-DDThh:mm:ssZ``; None if it is written in any other way."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text, re.ASCII):
        return None
    try:
        return datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp()
    except ValueError:
        return None


def cut_off(body: bytes) -> bytes:
    """A body that stops in the middle, never within a UTF-8 character."""
    return body[: max(1, len(body) // 2)].decode("utf-8", "ignore").encode()


# How a body can be packed; the last is more than this program knows, so its bytes are nobody's.
CODINGS = ("gzip", "deflate", "br")
BOMB = 32 << 20


def packed(body: bytes, coding: str) -> bytes:
    """A body as one of the ``CODINGS`` packs it."""
    if coding == "gzip":
        return gzip.compress(body)
    return zlib.compress(body) if coding == "deflate" else b"\x0b" + body


def packed_bomb(body: bytes) -> bytes:
    """A body that is small as it is, and much larger once it is unpacked: blanks follow it."""
    return gzip.compress(body + b" " * BOMB, 1)


def misdelivered(fault: str, head: bytes, body: bytes) -> list[bytes]:
    """What is sent, piece by piece, in place of a ``head`` and its ``body``."""
    first, rest = head.split(b"\r\n", 1)
    if fault == "early_hints":
        return [b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n", head + body]
    if fault == "second_answer":
        return [(head + body) * 2]
    if fault == "bad_status_line":
        return [b"HTTP/1.1 good\r\n" + rest + body]
    if fault == "bad_header":
        return [first + b"\r\nno header\r\n" + rest + body]
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    return [chunked + b"%x\r\n%s\r\n" % (len(body), body)]  # cut_chunks: the last chunk is missing
