# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signs requests: no clock, no random number, no network.

Source of the rules: the vendor's pages on request syntax and signature of RPC APIs; ``tests/unit/data/vectors.json``
holds the examples printed there and values computed by the vendor's own SDKs.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def percent_encode(text: str) -> str:
    """``text`` in UTF-8 by RFC 3986: only ``A-Za-z0-9-_.~`` stay, the rest becomes ``%XX`` in upper case."""
    return quote(text, safe="")


def canonical_query(params: Mapping[str, str | None]) -> str:
    """The parameters sorted by raw name and encoded; ``None`` is left out, an empty value stays as ``name=``."""
    return "&".join(
        f"{percent_encode(name)}={percent_encode(value)}" for name, value in sorted(params.items()) if value is not None
    )


def string_to_sign(method: str, query: str) -> str:
    """What the RPC style signs: the HTTP method, the path ``/`` and the canonical ``query``."""
    return f"{method}&%2F&{percent_encode(query)}"


def sign_rpc(method: str, params: Mapping[str, str | None], access_key_secret: str) -> str:
    """The ``HMAC-SHA1`` signature of a request in the RPC style.

    ``params`` are all parameters that travel, in the query and in a form body alike; a ``Signature`` among them
    does not count. The result is Base64, not yet encoded for a URL.
    """
    signed = {name: value for name, value in params.items() if name != "Signature"}
    return sign_query(method, canonical_query(signed), access_key_secret)


def sign_query(method: str, query: str, access_key_secret: str) -> str:
    """The same signature from a canonical ``query``."""
    text = string_to_sign(method, query)
    digest = hmac.digest(f"{access_key_secret}&".encode(), text.encode(), "sha1")
    return base64.b64encode(digest).decode("ascii")


ACS3 = "ACS3-HMAC-SHA256"


def content_hash(body: bytes = b"") -> str:
    """The hash by which ACS3 signs a body, also an empty one."""
    return hashlib.sha256(body).hexdigest()


def canonical_request(method: str, query: str, headers: Mapping[str, str], body_hash: str) -> str:
    """What ACS3 signs: the HTTP method, the path ``/``, the canonical ``query`` and all of the ``headers``.

    The names of the headers are in lower case.
    """
    lines = "".join(f"{name}:{value.strip()}\n" for name, value in sorted(headers.items()))
    return "\n".join((method, "/", query, lines, signed_headers(headers), body_hash))


def signed_headers(headers: Mapping[str, str]) -> str:
    """The names of the ``headers`` as ACS3 lists them."""
    return ";".join(sorted(headers))


def sign_acs3(method: str, query: str, headers: Mapping[str, str], access_key_secret: str, body: bytes = b"") -> str:
    """The ``ACS3-HMAC-SHA256`` signature of a request. Time and nonce are among the ``headers``, all of which count."""
    canonical = canonical_request(method, query, headers, content_hash(body))
    text = f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.digest(access_key_secret.encode(), text.encode(), "sha256").hex()


def authorization_header(access_key_id: str, headers: Mapping[str, str], signature: str) -> str:
    """The header ``Authorization`` that belongs to the ``signature`` over the ``headers``."""
    return f"{ACS3} Credential={access_key_id},SignedHeaders={signed_headers(headers)},Signature={signature}"
