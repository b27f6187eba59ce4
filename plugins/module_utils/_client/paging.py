# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads complete lists, page by page, and finds the problem of one that is incomplete."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Optional

from .._api.envelope import Envelope, read_rows
from .._api.operations import MAX_ROWS
from .._api.platforms import Argument
from .._api.schema import Operation
from .._errors import OtaError
from .response import check_subjects, wrong_subject_error

#: Read a list that changes meanwhile from its start, this many times in all.
LISTING_ATTEMPTS = 3


class Listing(NamedTuple):
    """Rows, and what their last page says of itself and of the complete list.

    ``problem`` says why they are incomplete; ``at_row_limit`` whether there may be more than can be read.
    """

    rows: list[dict[str, Any]]
    announced: int | None
    number: int | None
    page_count: int | None
    problem: str | None = None
    at_row_limit: bool = False


#: Returns the page with a number and a size, or ``None`` where the service does not know what the list is about.
ReadPage = Callable[[int, int], Optional[Listing]]


def read_listing(
    operation: Operation, read_page: ReadPage, attempts: int, pause: Callable[[int], None]
) -> Listing | None:
    """A complete list, read at most ``attempts`` times while it has a problem.

    ``pause`` is called with the number of the attempt before each further one.
    """
    for attempt in itertools.count(1):
        listing = _read_pages(operation, read_page)
        if not (listing and listing.problem) or listing.at_row_limit or attempt == attempts:
            return listing
        pause(attempt)
    raise AssertionError("not reached")


def _read_pages(operation: Operation, read_page: ReadPage) -> Listing | None:
    rows: list[dict[str, Any]] = []
    totals: set[int | None] = set()
    problem: str | None
    for number in itertools.count(1):
        page = read_page(number, operation.page_size)
        if page is None:
            return None
        _share_values(page.rows, rows)
        rows += page.rows
        totals.add(page.announced)
        if len(totals) > 1:
            problem = "the announced number of rows changed between two pages"
        elif is_last_page(operation, page, number, len(rows)):
            problem = listing_problem(operation, page, number, rows)
        else:
            continue
        return page._replace(rows=rows, problem=problem, at_row_limit=reaches_row_limit(operation, number))
    raise AssertionError("not reached")


def _share_values(rows: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]]) -> None:
    """Let each row hold the very texts of the row before where these are equal, which halves the memory of a list."""
    last = before[-1] if before else {}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, str) and last.get(name) == value:
                row[name] = last[name]
        last = row


def read_page_rows(operation: Operation, arguments: Mapping[str, Argument], envelope: Envelope) -> Listing:
    """The page that a response holds.

    :raises OtaError: it cannot be read, or a row is about something else than the ``arguments`` name.
    """
    rows = read_rows(operation, envelope)
    for row in rows:
        check_subjects(operation, row, arguments)
    number = arguments.get("page")
    if number and envelope.page is not None and str(envelope.page) != number:
        raise wrong_subject_error("page", envelope.page, number)
    if not operation.reports_total:
        return Listing(rows, None, None, None)
    return Listing(rows, envelope.total, envelope.page, envelope.page_count)


def reaches_row_limit(operation: Operation, number: int) -> bool:
    """Whether page ``number`` is the last one that the service lets a client read."""
    return number * operation.page_size >= MAX_ROWS


def is_last_page(operation: Operation, page: Listing, number: int, read: int) -> bool:
    """Whether to read no page after page ``number``, given how many rows have been read."""
    if not operation.page_size or not page.rows or reaches_row_limit(operation, number):
        return True
    if page.page_count is not None:
        return number >= page.page_count
    return page.announced is not None and read >= page.announced


def listing_problem(operation: Operation, page: Listing, number: int, rows: list[dict[str, Any]]) -> str | None:
    """Why ``rows`` are not the complete list that the last page announced; ``None`` where they are."""
    if page.announced is None and page.page_count is None and reaches_row_limit(operation, number):
        return f"no total is announced, so {len(rows)} rows may not be all"
    if page.announced is not None and page.announced != len(rows):
        return f"{page.announced} rows are announced and {len(rows)} were returned"
    if page.page_count == 0 and rows:
        return f"no page is announced and {len(rows)} rows were returned"
    if page.page_count is not None and page.page_count > number:
        return f"{page.page_count} pages are announced and {number} were returned"
    identities = [_identity_of(row, operation) for row in rows]
    if len(set(identities)) != len(identities):
        return "a row was returned twice"
    return None


def _identity_of(row: Mapping[str, Any], operation: Operation) -> Any:
    """What tells a row from others: all of it where it lacks what should."""
    identity = row[operation.identity]
    return repr(sorted(row.items())) if identity is None else identity


def incomplete_listing_error(operation: Operation, problem: str, credentials_source: str | None) -> OtaError:
    """The error of a list that has a ``problem`` although it was read several times."""
    return OtaError(
        f"the list changed while it was read, or was cut: {problem}",
        code="incomplete_listing",
        hint="try again when the list no longer changes",
        action=operation.action,
        attempts=LISTING_ATTEMPTS,
        credentials_source=credentials_source,
    )
