# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From bytes to the envelope of a response and the facts in it: JSON and XML, either letter case."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.parsers import expat

from .._errors import MissingLibraryError, OtaError, Retry
from .facts import by_lower_name, is_blank, read_field, read_fields, unreadable_error, unwrap_list
from .operations import Kind, Operation, typed_fields
from .redaction import drop_secrets

#: Fields around the data of a response. A gateway writes ``Message`` where the service writes ``ErrorMessage``.
ENVELOPE = (
    *typed_fields(Kind.BOOLEAN, "Success"),
    *typed_fields(Kind.TEXT, "Code ErrorMessage Message RequestId"),
    *typed_fields(Kind.INTEGER, "Total CurrentPage PageCount"),
)

#: Deepest nesting that is read; no documented response comes near it.
_MAX_DEPTH = 50

_XML_ENDED_EARLY = {
    expat.errors.codes[reason]
    for reason in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


#: What may stand before the first tag: a mark of the encoding, blanks, comments and instructions such as <?xml …?>.
_BEFORE_ANY_TAG = re.compile(rb"(?:\xef\xbb\xbf|\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)

#: Elements with which a web page may begin, and no response of the service.
_TAG_OF_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|style|link|base|div|center|h[1-6]|p|iframe|noscript)\b",
    re.IGNORECASE,
)


class Envelope(NamedTuple):
    """What surrounds the data of every response. ``success`` is ``None`` where the response does not say."""

    success: bool | None
    code: str
    message: str
    request_id: str | None
    data: Any
    total: int | None
    page: int | None
    page_count: int | None


def decode_body(body: bytes, response_format: str, data: str = "Data") -> Envelope:
    """Read a response in the requested format, ``json`` or ``xml``, with its data in ``data`` and without any secret.

    :raises OtaError: the body is no such response. The codes are ``empty_response``, ``html_response``,
        ``xml_response``, ``json_response``, ``cut_response`` and ``unreadable_response``.
    """
    text = body.strip()
    if not text:
        raise OtaError("the response is empty", code="empty_response", hint="try again", retry=Retry.LATER)
    actual = _sniff_format(text)
    if actual == "html":
        raise OtaError(
            "the response is a web page",
            code="html_response",
            hint="check endpoint and proxy, because something other than the service responds there",
        )
    if actual != response_format:
        raise OtaError(
            f"the response is {actual.upper()} although {response_format.upper()} was requested",
            code=f"{actual}_response",
            hint=f"set response_format to {actual}, or check endpoint",
        )
    content = _parse_json(text) if actual == "json" else _parse_xml(text)
    if not isinstance(content, dict):
        raise unreadable_error("it is not an object")
    if _is_deeper(content, _MAX_DEPTH):
        raise unreadable_error("it is nested too deep")
    return _read_envelope(drop_secrets(content), data)


def _sniff_format(text: bytes) -> str:
    start = _BEFORE_ANY_TAG.sub(b"", text[:20_000], count=1)
    if not start.startswith(b"<"):
        return "json"
    return "html" if _TAG_OF_HTML.match(start) else "xml"


# Both raise their errors outside the except clauses, because the exceptions there may hold the whole body.
def _parse_json(text: bytes) -> Any:
    try:
        content = json.loads(text)
        if b"\\ud" in text.lower():  # half of a character cannot be written to any output
            content = json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
        return content
    except json.JSONDecodeError as error:
        is_cut = text.startswith(b"{") and (not text.endswith(b"}") or error.pos >= len(error.doc))
    except (ValueError, RecursionError):
        is_cut = False
    raise _truncated_error() if is_cut else unreadable_error("it is not valid JSON")


def _parse_xml(text: bytes) -> Any:
    if b"<!DOCTYPE" in text:  # no documented response has one, and some versions of xmltodict only drop entities
        raise unreadable_error("it declares a document type")
    require_xml_library("xml")
    import xmltodict

    try:
        document = xmltodict.parse(text, strip_whitespace=False)
        return _without_markup(next(iter(document.values())))
    except expat.ExpatError as error:
        is_cut = error.code in _XML_ENDED_EARLY
    except (ValueError, LookupError, RecursionError):  # LookupError: an unknown encoding
        is_cut = False
    raise _truncated_error() if is_cut else unreadable_error("it is not valid XML")


def _without_markup(node: Any) -> Any:
    """The node without attributes and without the blank text between elements; an empty element is an empty text."""
    if isinstance(node, list):
        return [_without_markup(item) for item in node]
    if not isinstance(node, dict):
        return "" if node is None else node
    elements = {name: _without_markup(item) for name, item in node.items() if not name.startswith(("@", "#"))}
    return elements or node.get("#text", "")


def _is_deeper(node: Any, levels: int) -> bool:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _read_envelope(content: Mapping[str, Any], data: str) -> Envelope:
    found = by_lower_name(content)
    facts = {field.name: read_field(field, found.get(field.key)) for field in ENVELOPE}
    for name in ("total", "current_page", "page_count"):
        if not (facts[name] is None or (isinstance(facts[name], int) and facts[name] >= 0)):
            raise unreadable_error(f"its {name} is not a number")
    for name in ("code", "error_message", "message", "request_id"):
        if not isinstance(facts[name], (str, type(None))):
            raise unreadable_error(f"its {name} is not text")
    return Envelope(
        success=facts["success"],
        code=facts["code"] or "",
        message=facts["error_message"] or facts["message"] or "",
        request_id=facts["request_id"] or None,
        data=found.get(data.lower()),
        total=facts["total"],
        page=facts["current_page"],
        page_count=facts["page_count"],
    )


def read_object(operation: Operation, envelope: Envelope) -> dict[str, Any] | None:
    """The facts about the one object that the data is, or ``None`` where there is none.

    :raises OtaError: the data cannot be read.
    """
    if is_blank(envelope.data):
        return None
    if not isinstance(envelope.data, dict):
        raise unreadable_error("its data is not an object")
    return read_fields(operation.fields, envelope.data, operation.keeps_others)


def read_rows(operation: Operation, envelope: Envelope) -> list[dict[str, Any]]:
    """The facts about each object in the list that the data wraps; nothing, null and empty are an empty list.

    :raises OtaError: the data cannot be read.
    """
    data, wrapper = envelope.data, operation.wrapper
    is_row = operation.bare_rows and isinstance(data, dict) and wrapper.lower() not in by_lower_name(data)
    rows = unwrap_list([data] if is_row and data else data, wrapper)
    if not all(isinstance(row, dict) for row in rows):
        raise unreadable_error(f"its {wrapper} is not a list of objects")
    facts = [read_fields(operation.fields, row, operation.keeps_others) for row in rows]
    if not all(isinstance(row[operation.identity], (str, type(None))) for row in facts):
        raise unreadable_error(f"its {operation.identity} is not text")
    return facts


def require_xml_library(response_format: str) -> None:
    """:raises MissingLibraryError: what reads the format is not installed."""
    if response_format == "xml":
        try:
            import xmltodict  # noqa: F401
        except ImportError:
            raise MissingLibraryError("xmltodict") from None


def _truncated_error() -> OtaError:
    return OtaError(
        "the response is truncated",
        code="cut_response",
        hint="try again, or check the network and proxy",
        retry=Retry.LATER,
    )
