# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the wire to facts: JSON and XML, either letter case, one shape.

Pure. A body is decoded into an :class:`Envelope`, whose data is read into facts by the fields of its operation.
Names are looked up without regard to letter case, because one platform writes ``JobId``, the other ``jobId`` and
its tables ``JobID``. XML has no types, and a list of one looks like no list: both are put right by the field's
kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import OtaError, Retry
from .operations import SPELLINGS, Field, Kind, Operation, snake_case
from .redaction import _without_signed_links


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


def unreadable(reason: str) -> OtaError:
    """An answer that is whole but makes no sense."""
    return _no_answer(
        "unreadable_answer",
        f"the answer cannot be read, {reason}",
        "check endpoint and platform, or report it if both are right",
    )


def _no_answer(code: str, cause: str, hint: str, retry: Retry = Retry.NEVER) -> OtaError:
    return OtaError(cause, code=code, hint=hint, retry=retry)
