# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why devices failed or are unfinished: the reasons with how many devices have each, out of all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._result.reading import count_of, counts_of, mapping_of, rows_of, text_of, texts_of
from .._result.words import NO_TEXT, class_numbers, device_words, names_and_more
from .._rollout.devices import State
from .._verdict.wording import class_words
from .tiles import STATES
from .words import MAX_NAMES, share_text, width_of


def causes(result: Mapping[str, Any], states: Sequence[State]) -> list[dict[str, Any]]:
    """The reasons of the devices in each of the states, most frequent first."""
    counts = mapping_of(result.get("counts"))
    total = count_of(counts.get("total"))
    groups = []
    for state in states:
        rows = failed_rows(result) if state == "failed" else pending_rows(result)
        number = count_of(counts.get(state)) or sum(row["number"] for row in rows)
        if rows:
            made = [_shown(row, max(total, number)) for row in rows]
            groups.append({"state": state, "heading": STATES[state], "total": f"{number:,}", "rows": made})
    return groups


def failed_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What failed devices report; for those of which nothing is known, their classes."""
    left = counts_of(mapping_of(result.get("by_class")).get("failed"))
    rows = []
    for entry in rows_of(result.get("failure_texts")):
        name, number = text_of(entry.get("class")), count_of(entry.get("count"))
        left[name] = left.get(name, 0) - number
        rows.append(_row(text_of(entry.get("text")), class_words(name), number, texts_of(entry.get("devices"))))
    rows += [_row("", class_words(name), number, ()) for name, number in left.items() if number > 0]
    return _ranked(rows)


def pending_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What unfinished devices wait for."""
    devices = rows_of(result.get("pending_devices"))
    names: dict[str, list[str]] = {}
    for device in devices:
        names.setdefault(device_words(device), []).append(text_of(device.get("device_name")))
    return [_row("", words, number, names.get(words, [])) for words, number in class_numbers(result, "pending")]


def _row(text: str, words: str, number: int, names: Sequence[str]) -> dict[str, Any]:
    return {"text": text, "words": words, "number": number, "names": names}


def _ranked(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((row for row in rows if row["number"]), key=lambda row: -row["number"])


def _shown(row: Mapping[str, Any], total: int) -> dict[str, Any]:
    """A reason as a page shows it. Its bar is a part of all devices, not of the most frequent reason."""
    words = row["words"]
    return {
        "text": row["text"] or words[:1].upper() + words[1:] or NO_TEXT,
        "class": words if row["text"] and words != "other" else "",
        "count": f"{row['number']:,}",
        "share": share_text(row["number"], total),
        "width": width_of(row["number"], total),
        "names": names_and_more(row["names"], row["number"], MAX_NAMES),
    }
