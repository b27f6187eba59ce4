# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""From the wire to facts: JSON and XML, either letter case, one shape.

Pure. A body is decoded into an :class:`Envelope`, whose data is read into facts by the fields of its operation.
Names are looked up without regard to letter case, because one platform writes ``JobId``, the other ``jobId`` and
its tables ``JobID``. XML has no types, and a list of one looks like no list: both are put right by the field's
kind.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.parsers import expat

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import (
    DATA,
    ENVELOPE,
    FAILURE_CLASSES,
    SPELLINGS,
    Field,
    Kind,
    Operation,
    snake_case,
)

#: No documented answer is nested nearly so deep.
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


class Envelope(NamedTuple):
    """What surrounds the data of every answer. ``success`` is ``None`` where the answer does not say."""

    success: bool | None
    code: str
    message: str
    request_id: str | None
    data: Any
    total: int | None
    page: int | None
    page_count: int | None


# --- Decoding --------------------------------------------------------------------------------------------------------


def decode(body: bytes, response_format: str) -> Envelope:
    """Read an answer in the format that was asked for, ``json`` or ``xml``.

    :raises OtaError: the body is no such answer. The codes are ``empty_answer``, ``html_answer``, ``xml_answer``,
        ``json_answer``, ``cut_answer`` and ``unreadable_answer``.
    """
    text = body.strip()
    if not text:
        raise _no_answer("empty_answer", "the answer is empty", "ask again", Retry.LATER)
    actual = _sniff(text)
    if actual == "html":
        raise _no_answer(
            "html_answer",
            "the answer is a web page",
            "check endpoint and proxy, because something else than the service answers there",
        )
    if actual != response_format:
        raise _no_answer(
            f"{actual}_answer",
            f"the answer is {actual.upper()} although {response_format.upper()} was asked for",
            f"set response_format to {actual}, or check endpoint",
        )
    content = _parse_json(text) if actual == "json" else _parse_xml(text)
    if not isinstance(content, dict):
        raise unreadable("it is not an object")
    if _is_deeper(content, _MAX_DEPTH):
        raise unreadable("it is nested too deep")
    return _envelope(content)


def _sniff(text: bytes) -> str:
    start = text[:200].lower()
    if not start.startswith((b"<", b"\xef\xbb\xbf<")):
        return "json"
    return "html" if re.search(rb"<(?:!doctype )?(?:html|head|body|title)\b", start) else "xml"


def _parse_json(text: bytes) -> Any:
    try:
        content = json.loads(text)
        if b"\\ud" in text.lower():  # half of a character cannot be written to any output
            content = json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
        return content
    except json.JSONDecodeError as error:
        if text.startswith(b"{") and (not text.endswith(b"}") or error.pos >= len(error.doc)):
            raise _cut() from None
        raise unreadable("it is not valid JSON") from None
    except (ValueError, RecursionError):
        raise unreadable("it is not valid JSON") from None


def _parse_xml(text: bytes) -> Any:
    if b"<!DOCTYPE" in text:  # no documented answer has one, and some versions of xmltodict only drop entities
        raise unreadable("it declares a document type")
    check_library("xml")
    import xmltodict

    try:
        document = xmltodict.parse(text, strip_whitespace=False)
        return _without_markup(next(iter(document.values())))
    except expat.ExpatError as error:
        if error.code in _XML_ENDED_EARLY:
            raise _cut() from None
        raise unreadable("it is not valid XML") from None
    except (ValueError, LookupError, RecursionError):  # LookupError: an encoding that nobody knows
        raise unreadable("it is not valid XML") from None


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


def _envelope(content: Mapping[str, Any]) -> Envelope:
    found = _lookup(content)
    facts = {field.name: _read(field, found.get(field.key)) for field in ENVELOPE}
    for name in ("total", "current_page", "page_count"):
        if not (facts[name] is None or (isinstance(facts[name], int) and facts[name] >= 0)):
            raise unreadable(f"its {name} is not a number")
    for name in ("code", "error_message", "message", "request_id"):
        if not isinstance(facts[name], (str, type(None))):
            raise unreadable(f"its {name} is not text")
    return Envelope(
        success=facts["success"],
        code=facts["code"] or "",
        message=facts["error_message"] or facts["message"] or "",
        request_id=facts["request_id"] or None,
        data=found.get(DATA.lower()),
        total=facts["total"],
        page=facts["current_page"],
        page_count=facts["page_count"],
    )


# --- Reading ---------------------------------------------------------------------------------------------------------


def read_object(operation: Operation, envelope: Envelope) -> dict[str, Any] | None:
    """The facts about the one object that the data is, or ``None`` where the answer holds none."""
    if _is_blank(envelope.data):
        return None
    if not isinstance(envelope.data, dict):
        raise unreadable("its data is not an object")
    return read_fields(operation.fields, envelope.data)


def read_rows(operation: Operation, envelope: Envelope) -> list[dict[str, Any]]:
    """The facts about each object in the list that the data wraps; nothing, null and empty are an empty list."""
    rows = _unwrap(envelope.data, operation.wrapper)
    if not all(isinstance(row, dict) for row in rows):
        raise unreadable(f"its {operation.wrapper} is not a list of objects")
    facts = [read_fields(operation.fields, row) for row in rows]
    if not all(isinstance(row[operation.identity], (str, type(None))) for row in facts):
        raise unreadable(f"its {operation.identity} is not text")
    return facts


def read_fields(fields: tuple[Field, ...], content: Mapping[str, Any]) -> dict[str, Any]:
    """Each of ``fields`` as a fact, ``None`` where nothing came, and whatever else ``content`` holds in snake case."""
    found = _lookup(content)
    facts = {field.name: _read(field, found.pop(field.key, None)) for field in fields}
    if found:  # what is not documented
        for wire, value in content.items():
            if wire.lower() in found:
                facts.setdefault(snake_case(wire), _snake_keys(value))
    return {name: _without_signed_links(value) for name, value in facts.items()}


def no_facts(operation: Operation) -> dict[str, Any]:
    """The facts about an object that does not exist."""
    return read_fields(operation.fields, {})


def tally(rows: list[dict[str, Any]], name: str, documented: tuple[str, ...]) -> dict[str, int]:
    """How often each word is the fact ``name`` in ``rows``; the ``documented`` words are there even at zero."""
    counts = dict.fromkeys(documented, 0)
    for row in rows:
        word = "null" if row[name] is None else str(row[name])
        counts[word] = counts.get(word, 0) + 1
    return counts


def name_device(rows: list[dict[str, Any]], device: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``rows``, each with the device that was asked for where the service left out which one it belongs to."""
    for row in rows:
        row.update({name: row[name] or asked for name, asked in device.items()})
    return rows


def device_facts(device: Mapping[str, Any], found: bool) -> dict[str, Any]:
    """What was asked about, and whether the service knows it."""
    return {"product_key": None, "device_name": None, "iot_id": None, **device, "found": found}


def percent(text: str | None) -> float | None:
    """A progress such as ``50.00`` as a number; ``None`` where it is none, or negative, as a device's step code is."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def failure_class(status: str | None, description: str | None) -> str | None:
    """Why a task failed, as a class of ``FAILURE_CLASSES`` or ``other``; ``None`` where it has not."""
    if status != "FAILED":
        return None
    found = (name for name, pattern in FAILURE_CLASSES if re.search(pattern, description or "", re.IGNORECASE))
    return next(found, "other")


def _read(field: Field, value: Any) -> Any:
    if field.kind is Kind.TEXTS:
        return [_text(item) for item in _unwrap(value, field.wrapper)]
    if field.kind is Kind.RECORDS:
        rows = _unwrap(value, field.wrapper)
        return [read_fields(field.fields, row) if isinstance(row, dict) else row for row in rows]
    return _SCALARS[field.kind](value)


def _lookup(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` by lower-case name; of two spellings of one name, the one that holds something counts."""
    found: dict[str, Any] = {}
    for wire, value in content.items():
        if found.get(wire.lower()) is None:
            found[wire.lower()] = value
    return found


def _unwrap(value: Any, wrapper: str) -> list[Any]:
    """The list in ``{wrapper: [...]}``. A list of one may come as its only item."""
    if isinstance(value, dict) and value:
        found = _lookup(value)
        if wrapper.lower() not in found:
            raise unreadable(f"it holds no {wrapper}")
        value = found[wrapper.lower()]
    if _is_blank(value):
        return []
    return value if isinstance(value, list) else [value]


def _is_blank(value: Any) -> bool:
    return value is None or value in ({}, []) or (isinstance(value, str) and not value.strip())


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake_case(name): _snake_keys(item) for name, item in value.items()}
    return [_snake_keys(item) for item in value] if isinstance(value, list) else value


def _without_signed_links(value: Any) -> Any:
    """``value`` with ``***`` for each link that may be signed, and ``None`` for a text that is nothing else."""
    if isinstance(value, str):
        if "=" not in value and "%" not in value and "@" not in value:
            return value
        parts = [_LINK_MASK if _is_signed(part) else part for part in _LINK_ENDS.split(value)]
        return None if "".join(parts).strip() == _LINK_MASK else "".join(parts)
    if isinstance(value, list):
        return [_without_signed_links(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_signed_links(item) for name, item in value.items()}
    return value


_LINK_MASK = "***"
_LINK_ENDS = re.compile(r"([\s\"'<>]+)")
_LINK_STARTS = ("://", r":\/\/", "%3a%2f%2f")
_SIGNED_BY = re.compile(r"(?:signature|accesskeyid|securitytoken|auth_key)(?:=|%3d)")


def _is_signed(word: str) -> bool:
    """Whether ``word``, also if it is encoded, is a link that lets its holder do something, as far as one can tell."""
    lower = word.lower()
    link = any(start in lower for start in _LINK_STARTS) and any(mark in lower for mark in ("?", "%3f", "@"))
    return link or _SIGNED_BY.search(lower) is not None


# A value that is not of its documented type is kept as it came: a cosmetic field must not cost the whole answer.


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _word(value: Any) -> Any:
    if not isinstance(value, str):
        return _text(value)
    word = value.strip().upper()
    return SPELLINGS.get(word, word)


def _integer(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        digits = text[1:] if text.startswith("-") else text
        return int(text) if digits.isdecimal() and len(digits) < 20 else (value if text else None)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        return {"true": True, "false": False}.get(text.lower(), value if text else None)
    return value


_SCALARS = {Kind.TEXT: _text, Kind.WORD: _word, Kind.INTEGER: _integer, Kind.BOOLEAN: _boolean}


def check_library(response_format: str) -> None:
    """:raises MissingLibraryError: what reads the format is not installed."""
    if response_format == "xml":
        try:
            import xmltodict  # noqa: F401
        except ImportError:
            raise MissingLibraryError("xmltodict") from None


# --- Errors ----------------------------------------------------------------------------------------------------------


def unreadable(reason: str) -> OtaError:
    """An answer that is whole but makes no sense."""
    return _no_answer(
        "unreadable_answer",
        f"the answer cannot be read, {reason}",
        "check endpoint and platform, or report it if both are right",
    )


def _cut() -> OtaError:
    return _no_answer(
        "cut_answer", "the answer ends in the middle", "ask again, or check the network and proxy", Retry.LATER
    )


def _no_answer(code: str, cause: str, hint: str, retry: Retry = Retry.NEVER) -> OtaError:
    return OtaError(cause, code=code, hint=hint, retry=retry)
