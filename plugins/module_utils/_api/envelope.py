# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From bytes to the envelope of a response and the facts in it: JSON and XML, either letter case."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.parsers import expat

from .._errors import MissingLibraryError, OtaError, Retry
from .._redaction import drop_secrets
from .._text import MAX_NAME, MAX_TEXT
from .facts import (
    MAX_DIGITS,
    by_lower_name,
    is_blank,
    is_missing,
    read_field,
    read_fields,
    unreadable_error,
    unwrap_list,
)
from .schema import Kind, Operation, typed_fields

#: Fields around the data of a response. A gateway writes ``Message`` where the service writes ``ErrorMessage``, and
#: another API that responds in its place writes ``msg``.
ENVELOPE = (
    *typed_fields(Kind.BOOLEAN, "Success"),
    *typed_fields(Kind.TEXT, "Code", vital=True),
    *typed_fields(Kind.PROSE, "ErrorMessage Message Msg"),
    *typed_fields(Kind.TEXT, "RequestId"),
    *typed_fields(Kind.INTEGER, "Total CurrentPage PageCount", vital=True),
)

#: What a gateway says about the policy that denies a request.
_DENIAL = typed_fields(Kind.TEXT, "PolicyType NoPermissionType AuthAction")

#: Deepest nesting that is read; no documented response comes near it.
_MAX_DEPTH = 50
#: Most values and objects, and most rows, that are read: several times those of a full page.
_MAX_VALUES = 15_000
_MAX_ROWS = 1000
#: Most bytes that its texts take in memory, where a character may take four.
_MAX_TEXTS = 1_500_000

_XML_ENDED_EARLY = {
    expat.errors.codes[reason]
    for reason in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


#: What may stand before the first tag: blanks, comments and instructions such as <?xml …?>.
_BEFORE_ANY_TAG = re.compile(r"\A(?:\s|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)

#: Elements with which a web page may begin, and no response of the service.
_TAG_OF_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|title|meta|script|style|link|base|div|center|h[1-6]|p|iframe|noscript)\b",
    re.IGNORECASE,
)


class Envelope(NamedTuple):
    """What surrounds the data of every response. ``success`` is ``None`` where the response does not say.

    ``denial`` is the kind of policy that denies the request, how it does so, and for which action, as far as that is
    said.
    """

    success: bool | None
    code: str
    message: str
    request_id: str | None
    data: Any
    total: int | None
    page: int | None
    page_count: int | None
    denial: str = ""


def decode_body(body: bytes, response_format: str, data: str = "Data", content_type: str = "") -> Envelope:
    """Read a response in the requested format, ``json`` or ``xml``, with its data in ``data`` and without any secret.

    The ``content_type`` is that of its headers, which may name the characters' encoding.

    :raises OtaError: the body is no such response. The codes are ``empty_response``, ``html_response``,
        ``xml_response``, ``json_response``, ``cut_response`` and ``unreadable_response``.
    """
    text = _decode_text(body, content_type).strip()
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
    if 4 * len(text) > _MAX_TEXTS and _text_size(content) > _MAX_TEXTS:
        raise unreadable_error("it holds too much text")
    return _read_envelope(drop_secrets(content), data)


def _decode_text(body: bytes, content_type: str) -> str:
    """The characters of a body, in UTF-8 unless it says otherwise. What makes no sense costs no other character."""
    encoding: str = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            is_chinese = _CHINESE.search(content_type[:MAX_NAME] + body[:MAX_NAME].decode("ascii", "replace"))
            encoding = "gb18030" if is_chinese else "utf-8-sig"
    return body.decode(encoding, "replace")


#: Names of the encodings GB18030, GBK and GB2312, of which the first one comprises the others.
_CHINESE = re.compile(r"(?:charset|encoding)=[\"']?gb", re.IGNORECASE)


def _sniff_format(text: str) -> str:
    start = text[:MAX_TEXT]
    lead = _BEFORE_ANY_TAG.match(start)
    start = start[lead.end() :] if lead else start
    if not start.startswith("<"):
        return "json"
    return "html" if _TAG_OF_HTML.match(start) else "xml"


def _read_int(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


#: Keeps numbers as text that lose digits as numbers, so that only NaN and Infinity are of the type float. A text may
#: hold any character.
_JSON = json.JSONDecoder(parse_float=str, parse_int=_read_int, strict=False)


# Both raise their errors outside the except clauses, because the exceptions there may hold the whole body.
def _parse_json(text: str) -> Any:
    if sum(map(text.count, "{[,")) > _MAX_VALUES:
        raise unreadable_error("it holds too many values")
    try:
        content, end = _JSON.raw_decode(text)
        if end < len(text):
            raise ValueError
        if "\\ud" in text or "\\uD" in text:  # half of a character cannot be written to any output
            content = _JSON.decode(json.dumps(content, ensure_ascii=False).encode(errors="replace").decode())
        return content
    except json.JSONDecodeError as error:
        is_cut = text.startswith("{") and (not text.endswith("}") or error.pos >= len(error.doc))
    except (ValueError, RecursionError):
        is_cut = False
    raise _truncated_error() if is_cut else unreadable_error("it is not valid JSON")


#: Characters that XML cannot hold, and references to characters.
_ODD_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:x([0-9a-f]{1,8})|([0-9]{1,8}));", re.IGNORECASE)


def _xml_char(odd: re.Match[str]) -> str:
    """The reference if XML can hold that character."""
    number = int(odd[1], 16) if odd[1] else int(odd[2] or 0)
    can_hold = number in (9, 10, 13) or 32 <= number < 0xD800 or 0xE000 <= number < 0xFFFE or 2**16 <= number < 0x110000
    return odd[0] if can_hold else "\N{REPLACEMENT CHARACTER}"


def _parse_xml(text: str) -> Any:
    if "<!DOCTYPE" in text:  # no documented response has one, and some versions of xmltodict only drop entities
        raise unreadable_error("it declares a document type")
    if text.count("<") + text.count("=") > 2 * _MAX_VALUES:  # elements have a begin and an end, attributes are refused
        raise unreadable_error("it holds too many values")
    require_xml_library("xml")
    import xmltodict

    try:
        document = xmltodict.parse(_ODD_XML.sub(_xml_char, text), strip_whitespace=False, xml_attribs=False)
        return _without_markup(next(iter(document.values())))
    except expat.ExpatError as error:
        is_cut = error.code in _XML_ENDED_EARLY
    except (ValueError, LookupError, RecursionError):  # LookupError: an unknown encoding
        is_cut = False
    raise _truncated_error() if is_cut else unreadable_error("it is not valid XML")


def _without_markup(node: Any) -> Any:
    """The node without prefixes of names and without blanks around texts; an empty element is an empty text."""
    if isinstance(node, list):
        return [_without_markup(item) for item in node]
    if not isinstance(node, dict):
        return "" if node is None else node.strip()
    elements = {
        name.rpartition(":")[2]: _without_markup(item) for name, item in node.items() if not name.startswith("#")
    }
    return elements or node.get("#text", "").strip()


def _is_deeper(node: Any, levels: int) -> bool:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _text_size(node: Any) -> int:
    if isinstance(node, str):
        return sys.getsizeof(node)
    return sum(
        map(_text_size, [*node, *node.values()] if isinstance(node, dict) else node if isinstance(node, list) else ())
    )


def _read_envelope(content: Mapping[str, Any], data: str) -> Envelope:
    found = by_lower_name(content)
    facts = {field.name: read_field(field, found.get(field.key)) for field in ENVELOPE}
    for field in ENVELOPE:
        fact = facts[field.name]
        unusable = fact is None or (isinstance(fact, int) and fact < 0)
        if field.vital and unusable and not is_missing(found.get(field.key)):
            raise unreadable_error(f"its {field.name} is not {'text' if field.kind is Kind.TEXT else 'a number'}")
    return Envelope(
        success=facts["success"],
        code=facts["code"] or "",
        message=facts["error_message"] or facts["message"] or facts["msg"] or "",
        request_id=facts["request_id"] or None,
        data=found.get(data.lower()),
        total=facts["total"],
        page=facts["current_page"],
        page_count=facts["page_count"],
        denial=_read_denial(found.get("accessdenieddetail")),
    )


def _read_denial(detail: Any) -> str:
    facts = read_fields(_DENIAL, detail, keeps_others=False) if isinstance(detail, dict) else {}
    return ", ".join(fact for fact in facts.values() if fact and isinstance(fact, str))


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
    if len(rows) > _MAX_ROWS:
        raise unreadable_error(f"it holds {len(rows)} rows")
    if not all(isinstance(row, dict) for row in rows):
        raise unreadable_error(f"its {wrapper} is not a list of objects")
    return [read_fields(operation.fields, row, operation.keeps_others) for row in rows]


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
