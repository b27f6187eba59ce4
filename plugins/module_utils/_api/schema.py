# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What describes an operation of the API: its parameters, its fields, and how to read them."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

from .._text import MAX_NAME
from .error_codes import matches_code


class Kind(enum.Enum):
    """How a field is typed. Ids and percentages are text: an id has more digits than a float holds exactly."""

    TEXT = "text"
    PROSE = "prose"  # text that people read, of which the beginning is enough
    INTEGER = "integer"
    BOOLEAN = "boolean"
    WORD = "word"  # one of an enumeration
    TEXTS = "texts"  # a wrapped list of text
    RECORDS = "records"  # a wrapped list of objects


@dataclass(frozen=True)
class Field:
    """A field of a response: its name on the wire and how to read it.

    A value of another type costs the field, or the whole response if the field is ``vital``: left out, it would let the
    rest prove more than it does. ``keeps_others`` is off where no other fields of records may become facts.
    """

    wire: str
    kind: Kind
    wrapper: str = ""
    fields: tuple[Field, ...] = ()
    vital: bool = False
    keeps_others: bool = True

    @cached_property
    def name(self) -> str:
        """The name of the fact."""
        return snake_case(self.wire)

    @cached_property
    def key(self) -> str:
        """The name on the wire, as it is compared."""
        return self.wire.lower()


@lru_cache(1024)
def snake_case(wire: str) -> str:
    """``SimpleOTATaskInfo`` and ``simpleOTATaskInfo`` are ``simple_ota_task_info``."""
    return _WORD_STARTS.sub("_", wire[:MAX_NAME]).lower()


#: Where a word starts: no character is part of a match, so that the work is linear.
_WORD_STARTS = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z0-9])(?=[A-Z])")


def typed_fields(kind: Kind, wires: str, vital: bool = False) -> tuple[Field, ...]:
    """A field of one ``kind`` for each of the names in ``wires``."""
    return tuple(Field(wire, kind, vital=vital) for wire in wires.split())


#: Matches no code.
NO_CODE = r"(?!)"

#: Requests a second that an account can make of most operations.
USUAL_QUOTA = 10


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    ``parameters`` map our names to those on the wire; a list is sent as ``Name.1``, ``Name.2`` and so on.
    ``wrapper`` is the list inside the data of a response; without one the data is a single object. ``bare_rows`` is on
    where the data may also be that list itself. ``page_size`` is the largest page that can be requested, 0 where the
    operation does not page. ``identity`` is the fact that identifies an object or a row. ``not_found`` matches the
    codes of objects that do not exist; it is a pattern, because the vendors do not document which code an unknown job
    has, and leaves out a wrong package, product, instance or account. ``reports_total`` is off where it is not
    documented what the announced number of rows counts. ``data`` is the field of a response that holds the data.
    ``keeps_others`` is off where no other fields than ``fields`` may become facts. ``quota`` is how many requests a
    second the vendor documents for an account. ``writes`` is on where it changes something, so that a request that may
    have been carried out must not be repeated blindly. ``nothing_left`` matches the codes of a change with nothing
    to do, or nothing any more, and ``refusals`` others by which the service refuses a change before it acts.
    """

    action: str
    parameters: Mapping[str, str]
    fields: tuple[Field, ...]
    not_found: str
    identity: str
    wrapper: str = ""
    bare_rows: bool = False
    page_size: int = 0
    reports_total: bool = True
    data: str = "Data"
    keeps_others: bool = True
    quota: int = USUAL_QUOTA
    writes: bool = False
    nothing_left: str = NO_CODE
    refusals: str = NO_CODE

    @cached_property
    def subjects(self) -> Mapping[str, str]:
        """The facts that name what a request is about, each with the parameter that names it, or a list of them.

        They are the texts that a request and its response share; a word such as a state is a filter, and no subject.
        """
        texts = [field.name for field in self.fields if field.kind is Kind.TEXT]
        pairs = ((name, parameter) for name in texts for parameter in (name, f"{name}s"))
        return MappingProxyType({name: parameter for name, parameter in pairs if parameter in self.parameters})

    @property
    def permission(self) -> str:
        """What a policy allows for it, as far as the vendor's public pages show."""
        return f"iot:{self.action}"

    def is_not_found(self, code: str) -> bool:
        """Whether ``code`` is one of ``not_found``."""
        return matches_code(self.not_found, code)

    def has_nothing_left(self, code: str) -> bool:
        """Whether ``code`` is one of ``nothing_left``."""
        return matches_code(self.nothing_left, code)

    def is_refusal(self, code: str) -> bool:
        """Whether the service certainly changes nothing if it responds with ``code``."""
        return any(matches_code(pattern, code) for pattern in (self.not_found, self.nothing_left, self.refusals))
