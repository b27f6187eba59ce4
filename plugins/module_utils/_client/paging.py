# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a list is whole."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._api.operations import MAX_ROWS, Operation
from .._errors import OtaError

#: A list that changes while it is read is read again from its start, so many times in all.
LISTING_ATTEMPTS = 3


INCOMPLETE = "incomplete_listing"


class Listing(NamedTuple):
    """Rows, what their last page says of itself and of the whole, why they are not the whole list, if so, and whether
    there may be more than can be read.
    """

    rows: list[dict[str, Any]]
    announced: int | None
    number: int | None
    page_count: int | None
    problem: str | None = None
    at_bound: bool = False


def is_bound(operation: Operation, number: int) -> bool:
    """Whether no page after page ``number`` may be asked for."""
    return number * operation.page_size >= MAX_ROWS


def is_last_page(operation: Operation, page: Listing, number: int, read: int) -> bool:
    """Whether no page after page ``number`` is to be asked for, given how many rows have been read."""
    if not operation.page_size or not page.rows or is_bound(operation, number):
        return True
    if page.page_count is not None:
        return number >= page.page_count
    return page.announced is not None and read >= page.announced


def listing_problem(operation: Operation, page: Listing, number: int, rows: list[dict[str, Any]]) -> str | None:
    """Why ``rows`` are not the whole list that the last page announced; ``None`` where they are."""
    if page.announced is None and page.page_count is None and is_bound(operation, number):
        return f"nothing is announced, and {len(rows)} rows may not be all"
    if page.announced is not None and page.announced != len(rows):
        return f"{page.announced} rows are announced and {len(rows)} came"
    if page.page_count == 0 and rows:
        return f"no page is announced and {len(rows)} rows came"
    if page.page_count is not None and page.page_count > number:
        return f"{page.page_count} pages are announced and {number} came"
    identities = [row[operation.identity] for row in rows if row[operation.identity] is not None]
    if len(set(identities)) != len(identities):
        return "a row came twice"
    return None


def _incomplete(operation: Operation, problem: str) -> OtaError:
    error = OtaError(
        f"the list changes while it is read, or is cut: {problem}",
        code=INCOMPLETE,
        hint="ask again when the list is quiet",
    )
    error.action, error.attempts = operation.action, LISTING_ATTEMPTS
    return error
