# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the result of a gate says once the batches that it has judged are canceled. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .._report.message import running_words
from .._report.remedies import remedy_after_cancel, remedy_clause, remedy_sentences
from .._result.limits import read_limits
from .._result.reading import counts_of, rows_of, text_of, texts_of


class Aftermath(NamedTuple):
    """The message without what still runs, and what to do, neither of which says to cancel."""

    msg: str = ""
    to_do: tuple[str, ...] = ()


def aftermath_of(result: Mapping[str, Any]) -> Aftermath:
    """What takes the place of ``msg`` and ``to_do`` in a ``result`` once its batches are canceled."""
    codes = [text_of(reason.get("code")) for reason in rows_of(result.get("reasons"))]
    decided = next((limit for limit in read_limits(result) if limit.decided), None)
    clause = remedy_after_cancel(codes[0] if codes else "", decided)
    running = running_words(counts_of(result.get("by_status")))
    before = remedy_clause(texts_of(result.get("to_do")))
    msg = text_of(result.get("msg")).replace(f" {running}." if running else "", "", 1)
    msg = msg.replace(f" To do: {before}.", f" To do: {clause}.", 1)
    return Aftermath(msg, tuple(remedy_sentences(clause)))
