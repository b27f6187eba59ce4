# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a response means: the envelope of a success, or an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from .._api.envelope import Envelope, decode_body
from .._api.error_codes import UNKNOWN_CODE, lookup_error_code
from .._api.facts import is_blank
from .._api.platforms import Argument
from .._api.schema import Operation
from .._errors import OtaError, Retry
from .._http.transport import Response
from .._redaction import mask_garbled, mask_links, mask_text
from .._text import printable

#: The code of :func:`wrong_subject_error`.
WRONG_SUBJECT = "wrong_response"

#: HTTP status of what is in nobody's cache; it looks like a redirect.
NOT_MODIFIED = 304


def parse_response(
    response: Response, response_format: str, confidential: tuple[str, ...], data: str = "Data"
) -> Envelope:
    """The envelope of a success, with its data in the field ``data``. ``confidential`` is what no text of an error
    repeats.

    :raises OtaError: the response is not from the service, or refuses the request.
    """
    if 300 <= response.status < 400:
        is_redirect = response.status != NOT_MODIFIED and "location" in response.headers
        raise _redirect_error(response) if is_redirect else _no_envelope_error(response)
    envelope = _decode_envelope(response, response_format, data)
    if envelope.success is True and response.status < 400:
        return envelope
    raise _service_error(envelope, response, confidential)


def _decode_envelope(response: Response, response_format: str, data: str) -> Envelope:
    content_type = response.headers.get("content-type", "")
    try:
        return decode_body(response.body, response_format, data, content_type)
    except OtaError as error:
        unreadable = error.but(http_status=response.status)
    if response.status < 400:
        raise unreadable
    # A gateway may refuse a request before it has read the requested format.
    try:
        return decode_body(response.body, "xml" if response_format == "json" else "json", data, content_type)
    except OtaError:
        raise _no_envelope_error(response) from None


def _no_envelope_error(response: Response, detail: str = "") -> OtaError:
    meaning = lookup_error_code("", response.status)
    return OtaError(
        f"the response is HTTP {response.status} without an error code of the service"
        + (f' and says "{detail}"' if detail else ""),
        code=f"http_{response.status}",
        hint="check endpoint and proxy" if meaning is UNKNOWN_CODE else meaning.hint,
        detail=detail or None,
        http_status=response.status,
        retry=meaning.retry,
        retry_after=retry_after(response.headers),
        affects_all=meaning.affects_all,
    )


def _service_error(envelope: Envelope, response: Response, confidential: tuple[str, ...]) -> OtaError:
    """The error by which the service refuses a request."""
    if envelope.success is None and not envelope.code and response.status < 400:
        return OtaError(
            "the response does not say whether the call succeeded",
            code="no_success",
            hint="check endpoint, because every documented response does",
            http_status=response.status,
        )
    said = mask_garbled(mask_text(mask_links(envelope.message), confidential), confidential)
    if not envelope.code and response.status >= 400:
        return _no_envelope_error(response, said)
    meaning = lookup_error_code(envelope.code, response.status)
    code = _safe_identifier(envelope.code, confidential) or "no_code"
    detail, denial = said if meaning.quote else "", mask_text(envelope.denial, confidential)
    return OtaError(
        f"the service refused the request {f'with {code}' if envelope.code else 'without a code'}"
        f" (HTTP {response.status})"
        + (f' and says "{detail}"' if detail else "")
        + (f" (denied: {denial})" if denial else ""),
        code=code,
        hint=meaning.hint,
        detail=detail or None,
        request_id=_safe_identifier(envelope.request_id or "", confidential) or None,
        http_status=response.status,
        retry=meaning.retry,
        retry_after=retry_after(response.headers),
        affects_all=meaning.affects_all,
    )


def _safe_identifier(text: str, confidential: tuple[str, ...]) -> str:
    """A code or a request ID as it came if it looks like one, even if its letters happen to contain a short secret."""
    is_one = re.fullmatch(r"[\w.-]{1,100}", text)
    return mask_garbled(text if is_one else mask_text(text, confidential, 100), confidential)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The pause that the service requests, in seconds. ``x-acs-retry-after`` is in milliseconds on the wire."""
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
        date = date.replace(tzinfo=timezone.utc) if date.tzinfo is None else date
        return date.astimezone(timezone.utc).timestamp()  # one that has no year in UTC cannot be shown
    except (TypeError, ValueError, OverflowError):
        return None


def _redirect_error(response: Response) -> OtaError:
    try:
        target = urlsplit(response.headers.get("location", ""))
    except ValueError:
        target = urlsplit("")
    host = mask_text(target.netloc.rpartition("@")[2], limit=100)
    place = f"{target.scheme}://{host}" if host else "an unnamed host"
    return OtaError(
        f"the response is a redirect to {place} (HTTP {response.status}), which a signed request never follows",
        code="redirect",
        hint="set endpoint to the final URL, or check proxy",
        http_status=response.status,
        affects_all=True,
    )


def check_subjects(operation: Operation, facts: dict[str, Any], arguments: Mapping[str, Argument]) -> None:
    """Check that the ``facts`` about an object or a row are about what the ``arguments`` of the request name.

    A row need not say what it is about; a single object has to. Blanks around a name mean nothing and are removed, but
    its letter case counts.

    :raises OtaError: they are about something else.
    """
    for name, parameter in operation.subjects.items():
        asked, named = arguments.get(parameter), facts[name]
        must_say = not operation.wrapper and name == operation.identity
        if asked and (must_say or not is_blank(named)):
            facts[name] = _check_subject(name, named, asked, parameter)


def _check_subject(name: str, named: Any, asked: Argument, parameter: str) -> str:
    """The ``asked`` value, or the one in that list, that ``named`` is."""
    known = [asked] if isinstance(asked, str) else asked or ()
    text = named.strip() if isinstance(named, str) else None
    if text is not None and text in known:
        return text
    for value in known:
        if value.strip() == text:
            return value
        if text is not None and printable(value.strip()) == text:
            return text
    meant = asked if isinstance(asked, str) else f"one of {parameter}"
    raise wrong_subject_error(name, mask_text(str(named), limit=100), meant)


def wrong_subject_error(name: str, named: object, meant: object) -> OtaError:
    """A response that is about something else than the request, most likely the response to another one."""
    return OtaError(
        f"the response is about {name} {named} instead of {meant}",
        code=WRONG_SUBJECT,
        hint="check endpoint and proxy, because responses are mixed up there",
        retry=Retry.ONCE,
    )
