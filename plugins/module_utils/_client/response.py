# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer means: an envelope that says yes, or the error that it is instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from .._api.envelope import Envelope, decode
from .._api.error_codes import meaning_of
from .._api.redaction import redact
from .._errors import OtaError, Retry
from .._http.transport import Response


def read_answer(response: Response, response_format: str, confidential: tuple[str, ...]) -> Envelope:
    """The envelope of a successful answer. ``confidential`` is what no text may repeat.

    :raises OtaError: the answer is none, or says no.
    """
    if 300 <= response.status < 400:
        raise _redirected(response)
    envelope = _decode(response, response_format)
    if envelope.success is True and response.status < 400:
        return envelope
    raise _refusal(envelope, response, confidential)


def _decode(response: Response, response_format: str) -> Envelope:
    try:
        return decode(response.body, response_format)
    except OtaError as error:
        error.http_status = response.status
        if response.status < 400:
            raise
    # A gateway may not have come to the point of reading which format was asked for.
    try:
        return decode(response.body, "xml" if response_format == "json" else "json")
    except OtaError:
        raise _wordless(response) from None


def _wordless(response: Response) -> OtaError:
    meaning = meaning_of("", response.status)
    return OtaError(
        f"the answer is HTTP {response.status} without a word of the service",
        code=f"http_{response.status}",
        hint="check endpoint and proxy" if meaning.retry is Retry.NEVER else meaning.hint,
        http_status=response.status,
        retry=meaning.retry,
        retry_after=pause_asked_for(response.headers),
    )


def _refusal(envelope: Envelope, response: Response, confidential: tuple[str, ...]) -> OtaError:
    """The error that an answer of the service means."""
    if envelope.success is None and not envelope.code and response.status < 400:
        return OtaError(
            "the answer does not say whether it is a success",
            code="no_success",
            hint="check endpoint, because every documented answer does",
            http_status=response.status,
        )
    if not envelope.code and response.status >= 400:
        return _wordless(response)
    meaning = meaning_of(envelope.code, response.status)
    code = _identifier(envelope.code, confidential) or "no_code"
    detail = redact(envelope.message, confidential) if meaning.quote else ""
    return OtaError(
        f"the service refused it {f'with {code}' if envelope.code else 'without a code'} (HTTP {response.status})"
        + (f' and says "{detail}"' if detail else ""),
        code=code,
        hint=meaning.hint,
        detail=detail or None,
        request_id=_identifier(envelope.request_id or "", confidential) or None,
        http_status=response.status,
        retry=meaning.retry,
        retry_after=pause_asked_for(response.headers),
        systemic=meaning.systemic,
    )


def _identifier(text: str, confidential: tuple[str, ...]) -> str:
    """A code or a request ID as it came, if it looks like one; a key's ID may happen to be a part of its letters."""
    return text if re.fullmatch(r"[\w.-]{1,100}", text) else redact(text, confidential, 100)


def pause_asked_for(headers: Mapping[str, str]) -> float | None:
    """The pause that the service asks for, in seconds. ``x-acs-retry-after`` is in milliseconds on the wire."""
    for name, unit in (("x-acs-retry-after", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.isdecimal() and len(value) < 10:
            return int(value) * unit
    until, now = parse_date(headers.get("retry-after")), parse_date(headers.get("date"))
    return None if until is None or now is None else max(0.0, until - now)


def parse_date(text: str | None) -> float | None:
    """A date as HTTP writes it, in seconds since 1970; ``None`` where there is none."""
    try:
        date = parsedate_to_datetime(text or "")
        return (date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _redirected(response: Response) -> OtaError:
    try:
        target = urlsplit(response.headers.get("location", ""))
    except ValueError:
        target = urlsplit("")
    host = redact(target.netloc.rpartition("@")[2], limit=100)
    place = f"{target.scheme}://{host}" if host else "an unnamed place"
    return OtaError(
        f"the answer is a redirect to {place} (HTTP {response.status}), and a signed request is never sent on",
        code="redirect",
        hint="give the final address in endpoint, or check proxy",
        http_status=response.status,
        systemic=True,
    )
