# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads bodies within a bound, on the wire and unpacked. A gateway may pack them although nobody asked for it."""

from __future__ import annotations

import re
import zlib
from typing import Any

from .._errors import OtaError, Retry

#: Maximum number of times that a body is packed. One may unpack to itself, and a header has room for thousands.
MAX_CODINGS = 2

#: How :mod:`zlib` is told to find a head of gzip, one of zlib, or none.
_GZIP, _ZLIB, _BARE = 31, 15, -15


def read_body(raw: Any, limit: int) -> bytes:
    """The complete body of urllib3's response ``raw``, unpacked.

    :raises OtaError: it has more than ``limit`` bytes, or cannot be unpacked.
    """
    raw.enforce_content_length = True  # urllib3 before 2.0 takes a short body for a complete one
    body = b""
    while part := raw.read(limit + 1 - len(body), decode_content=False):  # a short body shows at its end only
        body += part
        if len(body) > limit:
            raise _endless_error(limit)
    codings = re.split(r"[\s,]+", raw.headers.get("Content-Encoding", "").strip().lower())
    if len(codings) > MAX_CODINGS:
        raise _packed_error(f"it is packed more than {MAX_CODINGS} times")
    for coding in reversed(codings):
        body = _unpack(body, coding, limit)
    if body.startswith(b"\x1f\x8b"):
        raise _packed_error("it is packed with gzip, and no header says so")
    return body


def _unpack(body: bytes, coding: str, limit: int) -> bytes:
    """:raises OtaError: the body is not what ``coding`` says, or has more than ``limit`` bytes unpacked."""
    if not body or coding in ("", "identity"):
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP, limit)
    if coding == "deflate":  # with the head of zlib by the standard, and without by custom
        return _inflate(body, _ZLIB if _is_zlib(body) else _BARE, limit)
    raise _packed_error("it is packed in a way that was not requested, and is not gzip or deflate")


def _is_zlib(body: bytes) -> bool:
    return body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _inflate(body: bytes, head: int, limit: int) -> bytes:
    stream = zlib.decompressobj(head)
    try:
        unpacked = stream.decompress(body, limit + 1)
    except zlib.error:
        raise _damaged_error() from None
    if len(unpacked) > limit:
        raise _endless_error(limit)
    if not stream.eof or stream.unused_data:
        raise _damaged_error()
    return unpacked


def _endless_error(limit: int) -> OtaError:
    return OtaError(
        f"the response is longer than {limit // 1024 // 1024} MiB",
        code="endless_response",
        hint="check endpoint and proxy, because no documented response is nearly as long",
    )


def _packed_error(reason: str) -> OtaError:
    return OtaError(
        f"the response cannot be unpacked: {reason}",
        code="unreadable_response",
        hint="check endpoint and proxy, because something on the way packs responses",
    )


def _damaged_error() -> OtaError:
    return OtaError(
        "the response is not packed as its header says, or is truncated",
        code="cut_response",
        hint="try again, or check the network and proxy",
        retry=Retry.LATER,
    )
