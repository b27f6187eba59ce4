# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both signature styles, written from the vendor's description and from nothing else in this collection."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple

ACS3 = "ACS3-HMAC-SHA256"
_KEPT = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_ESCAPES = tuple(chr(byte) if byte in _KEPT else f"%{byte:02X}" for byte in range(256))

Pairs = Iterable[tuple[str, str]]


class Authorization(NamedTuple):
    """What an ACS3 ``Authorization`` header says."""

    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str


def percent_encode(text: str) -> str:
    """RFC 3986 over UTF-8: only letters, digits and ``-_.~`` stay as they are."""
    return "".join(map(_ESCAPES.__getitem__, text.encode("utf-8", "surrogatepass")))


def canonical_query(pairs: Pairs) -> str:
    """Encoded ``name=value`` pairs joined by ``&``, sorted by the raw name's bytes."""
    ordered = sorted(pairs, key=lambda pair: pair[0].encode("utf-8", "surrogatepass"))
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in ordered)


def rpc_string_to_sign(method: str, pairs: Pairs) -> str:
    """String to sign of the RPC style; ``Signature`` itself is left out."""
    signed = [(name, value) for name, value in pairs if name != "Signature"]
    return "&".join((method.upper(), percent_encode("/"), percent_encode(canonical_query(signed))))


def rpc_signature(string_to_sign: str, secret: str) -> str:
    """Base64 of HMAC-SHA1, keyed with the secret and a ``&``."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def body_hash(body: bytes) -> str:
    """Lower-case hex SHA-256, as ``x-acs-content-sha256`` carries it."""
    return hashlib.sha256(body).hexdigest()


def acs3_canonical_request(
    method: str, pairs: Pairs, headers: Mapping[str, str], signed_headers: Iterable[str], content_hash: str
) -> str:
    """Canonical request of ACS3; ``headers`` has lower-case names, and only ``signed_headers`` count."""
    names = sorted(signed_headers)
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
    return "\n".join((method.upper(), "/", canonical_query(pairs), lines, ";".join(names), content_hash))


def acs3_string_to_sign(canonical_request: str) -> str:
    """String to sign of ACS3: the algorithm and the hash of the canonical request."""
    return f"{ACS3}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"


def acs3_signature(string_to_sign: str, secret: str) -> str:
    """Lower-case hex HMAC-SHA256, keyed with the bare secret."""
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def parse_authorization(header: str) -> Authorization | None:
    """Read ``ACS3-HMAC-SHA256 Credential=…,SignedHeaders=…,Signature=…``; None if a part is missing."""
    scheme, _blank, rest = header.strip().partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    values = [parts.get(name, "") for name in ("Credential", "SignedHeaders", "Signature")]
    if scheme != ACS3 or not all(values):
        return None
    names = tuple(name.strip().lower() for name in values[1].split(";"))
    return Authorization(values[0], names, values[2])


def same(left: str, right: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
