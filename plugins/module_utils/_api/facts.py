# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the data of a response to facts: one shape for JSON and XML, and for either letter case.

Names are looked up without regard to letter case, because one platform writes ``JobId``, the other ``jobId`` and its
tables ``JobID``. XML has no types, and a list of one looks like no list: the kind of a field puts both right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._errors import OtaError
from .._text import printable, printable_facts, printable_name
from .operations import SPELLINGS, Field, Kind, Operation, snake_case
from .redaction import mask_signed_links


def read_fields(fields: tuple[Field, ...], content: Mapping[str, Any], keeps_others: bool = True) -> dict[str, Any]:
    """Each of ``fields`` as a fact, ``None`` where it is missing, and whatever else ``content`` holds in snake case,
    unless only ``fields`` are wanted. All texts and names are printable.
    """
    found = by_lower_name(content)
    facts = {field.name: read_field(field, found.pop(field.key, None)) for field in fields}
    if found and keeps_others:  # what is not documented
        for wire, value in content.items():
            if wire.lower() in found:
                facts.setdefault(_fact_name(wire), _snake_keys(value))
    return {name: printable_facts(mask_signed_links(value)) for name, value in facts.items()}


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
    """The fact that the ``value`` of a field is."""
    if field.kind is Kind.TEXTS:
        return [to_text(item) for item in unwrap_list(value, field.wrapper)]
    if field.kind is Kind.RECORDS:
        rows = unwrap_list(value, field.wrapper)
        return [read_fields(field.fields, row) if isinstance(row, dict) else row for row in rows]
    return _SCALARS[field.kind](value)


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
    return value is None or value in ({}, []) or (isinstance(value, str) and not value.strip())


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_fact_name(name): _snake_keys(item) for name, item in value.items()}
    return [_snake_keys(item) for item in value] if isinstance(value, list) else value


def _fact_name(wire: str) -> str:
    return snake_case(printable_name(wire))


# A value that is not of its documented type stays as it is: a cosmetic field must not cost the whole response.
def to_text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def to_word(value: Any) -> Any:
    if not isinstance(value, str):
        return to_text(value)
    word = value.strip().upper()
    return SPELLINGS.get(word, word)


def to_integer(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        digits = text[1:] if text.startswith("-") else text
        return int(text) if digits.isdecimal() and len(digits) < 20 else (value if text else None)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def to_boolean(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        return {"true": True, "false": False}.get(text.lower(), value if text else None)
    return value


_SCALARS = {Kind.TEXT: to_text, Kind.WORD: to_word, Kind.INTEGER: to_integer, Kind.BOOLEAN: to_boolean}


def unreadable_error(reason: str) -> OtaError:
    """A response that is complete but makes no sense."""
    return OtaError(
        f"the response cannot be read: {reason}",
        code="unreadable_response",
        hint="check endpoint and platform, or report it if both are right",
    )
