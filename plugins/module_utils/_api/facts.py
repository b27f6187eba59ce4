# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the data of a response to facts: one shape for JSON and XML, and for either letter case.

Names are looked up without regard to letter case, because one platform writes ``JobId``, the other ``jobId`` and its
tables ``JobID``. XML has no types, and a list of one looks like no list: the kind of a field puts both right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Callable

from .._errors import OtaError
from .._redaction import cut_text, mask_signed_links
from .._text import MAX_TEXT, printable, printable_facts, printable_name
from .operations import SPELLINGS
from .schema import Field, Kind, Operation, snake_case

#: Whole numbers with more digits than this are none that the API documents.
MAX_DIGITS = 19


def read_fields(fields: tuple[Field, ...], content: Mapping[str, Any], keeps_others: bool = True) -> dict[str, Any]:
    """Each of ``fields`` as a fact, ``None`` where it is missing, and whatever else ``content`` holds in snake case,
    unless only ``fields`` are wanted. All texts and names are printable.

    :raises OtaError: a vital field has a value of another type.
    """
    found = by_lower_name(content)
    facts = {}
    for field in fields:
        value = found.pop(field.key, None)
        facts[field.name] = fact = printable_facts(mask_signed_links(read_field(field, value)))
        if fact is None and field.vital and not is_missing(value):
            raise unreadable_error(f"its {field.name} is not text")
    if found and keeps_others:  # what is not documented
        for wire, value in content.items():
            if wire.lower() in found:
                facts.setdefault(_fact_name(wire), printable_facts(mask_signed_links(_snake_keys(value))))
    return facts


def no_facts(operation: Operation) -> dict[str, Any]:
    """The facts about an object that does not exist."""
    return read_fields(operation.fields, {})


def count_by(rows: Iterable[Mapping[str, Any]], name: str, documented: tuple[str, ...]) -> dict[str, int]:
    """How often each word is the fact ``name`` in ``rows``; the ``documented`` words are there even at zero."""
    counts = dict.fromkeys(documented, 0)
    for row in rows:
        word = "null" if row[name] is None else printable(str(row[name]))
        counts[word] = counts.get(word, 0) + 1
    return counts


def read_field(field: Field, value: Any) -> Any:
    """The fact that the ``value`` of a field is; ``None`` if it is of another type."""
    read = _SCALARS.get(field.kind)
    return read(value) if read else _read_list(field, value)


def _read_list(field: Field, value: Any) -> list[Any] | None:
    """The facts in a list, without items of another type; ``None`` instead if the field is vital."""
    if isinstance(value, dict) and value and field.wrapper:
        value = by_lower_name(value).get(field.wrapper.lower(), _OTHER)
    items = [] if is_blank(value) else value if isinstance(value, list) else [value]
    if field.kind is Kind.RECORDS:
        return [read_fields(field.fields, item, field.keeps_others) for item in items if isinstance(item, dict)]
    texts = [to_text(item) for item in items if item is not None]
    return None if field.vital and None in texts else [text for text in texts if text is not None]


#: Something of no documented type.
_OTHER = object()


def by_lower_name(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` by lower-case name; of two spellings of one name, the one that has a value counts."""
    found: dict[str, Any] = {}
    for wire, value in content.items():
        if found.get(wire.lower()) is None:
            found[wire.lower()] = value
    return found


def unwrap_list(value: Any, wrapper: str) -> list[Any]:
    """The list in ``{wrapper: [...]}``; in XML, a list of one is its only item."""
    if isinstance(value, dict) and value:
        found = by_lower_name(value)
        if wrapper.lower() not in found:
            raise unreadable_error(f"it holds no {wrapper}")
        value = found[wrapper.lower()]
    if is_blank(value):
        return []
    return value if isinstance(value, list) else [value]


def is_blank(value: Any) -> bool:
    """Whether ``value`` is one of the ways to say nothing."""
    return value in ({}, []) or is_missing(value)


def is_missing(value: Any) -> bool:
    """Whether a field is not there, or is as empty as XML writes it."""
    return value is None or (isinstance(value, str) and not value.strip())


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_fact_name(name): _snake_keys(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_snake_keys(item) for item in value]
    return None if isinstance(value, float) else value  # only what is no number was not kept as text


def _fact_name(wire: str) -> str:
    return snake_case(printable_name(wire))


# --- Types -----------------------------------------------------------------------------------------------------------

#: What a decimal number consists of.
_NUMBER = frozenset("0123456789+-.eE")


def to_text(value: Any) -> str | None:
    """A text, also one that came as a number; ``None`` if it is none, or too long for two to be told apart."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def to_prose(value: Any) -> str | None:
    """The beginning of a text."""
    return cut_text(value) if isinstance(value, str) else to_text(value)


def to_word(value: Any) -> str | None:
    """A word of an enumeration, in upper case; no number is one."""
    text = to_text(value)
    if text is None or not isinstance(value, str):
        return None
    word = text.strip().upper()
    return SPELLINGS.get(word, word)


def to_integer(value: Any) -> int | None:
    """A whole number, also one that came as text or with a fraction of zero."""
    if isinstance(value, bool):
        return None
    text = str(value).strip() if isinstance(value, (str, int)) else ""
    if text.isdecimal() and len(text) <= MAX_DIGITS:
        return int(text)
    if not text or len(text) > 2 * MAX_DIGITS or not _NUMBER.issuperset(text):
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < 10**MAX_DIGITS else None


def to_boolean(value: Any) -> bool | None:
    """A truth value, also one that came as a word or as 1 or 0."""
    return _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None


_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

_SCALARS: Mapping[Kind, Callable[[Any], Any]] = MappingProxyType(
    {
        Kind.TEXT: to_text,
        Kind.PROSE: to_prose,
        Kind.WORD: to_word,
        Kind.INTEGER: to_integer,
        Kind.BOOLEAN: to_boolean,
    }
)


def unreadable_error(reason: str) -> OtaError:
    """A response that is complete but makes no sense."""
    return OtaError(
        f"the response cannot be read: {reason}",
        code="unreadable_response",
        hint="check endpoint and platform, or report it if both are right",
    )
