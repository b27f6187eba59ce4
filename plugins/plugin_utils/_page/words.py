# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers, times, names and sentences as a page shows them. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ...module_utils._text import truncate
from .._result.words import names_and_more
from .._verdict.bounds import Limit
from .._verdict.wording import format_duration, share_words

#: Name at most this many devices in a sentence.
MAX_NAMES = 5
#: Show this many characters of a text, and of a reason, which may hold an error.
MAX_TEXT = 500
MAX_REASON = 4000

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def shown_text(value: Any, limit: int = MAX_TEXT) -> str:
    """A text without characters that no page may hold, in at most ``limit`` characters."""
    return _UNPRINTABLE.sub("", truncate("" if value is None else str(value), limit)).strip()


def shown_texts(value: Any, limit: int = MAX_TEXT) -> Any:
    """``value`` with all its texts as :func:`shown_text` has them, at any depth."""
    if isinstance(value, str):
        return shown_text(value, limit)
    if isinstance(value, dict):
        return {name: shown_texts(item, limit) for name, item in value.items()}
    return [shown_texts(item, limit) for item in value] if isinstance(value, list) else value


def has_cut(value: Any) -> bool:
    """Whether any text in ``value`` ends early."""
    if isinstance(value, str):
        return len(value) >= MAX_TEXT // 2 and value.endswith("…")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(has_cut(item) for item in items)


def escaped_size(texts: Iterable[str]) -> int:
    """How many characters ``texts`` take in a page."""
    return sum(len(html.escape(text)) for text in texts)


def share_text(part: float, whole: float) -> str:
    """``part`` in percent, with as many digits as tell it from none and all; empty if there is nothing."""
    return share_words(Limit("", 0, part, int(whole), True)) if whole else ""


def width_of(part: float, whole: float) -> float:
    """``part`` in percent of ``whole`` for a bar, at most 100."""
    return round(min(100.0, max(0.0, 100 * part / whole)), 2) if whole else 0.0


def sentence(text: str) -> str:
    """``text`` with a capital at its start, unless that is a name, and a full stop at its end."""
    text = text.strip()
    first = re.match(r"[a-z]+(?![\w.:/-])", text)
    text = text[:1].upper() + text[1:] if first else text
    return text if not text or text[-1] in ".!?…" else f"{text}."


def duration_or_blank(value: Any) -> str:
    """A time span, empty if it is not known."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return format_duration(value) if is_number else ""


def merged_notes(notes: Sequence[str], ids: Sequence[str]) -> list[str]:
    """The notes as sentences, each once. Those that differ in the batch only become one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        job_id = next((job_id for job_id in ids if note.count(f"batch {job_id}") == 1), "")
        before, _batch, after = note.partition(f"batch {job_id}") if job_id else (note, "", "")
        names = groups.setdefault((before, after), [])
        names += [job_id] if job_id and job_id not in names else []
    return [sentence(_with_batches(before, names, after)) for (before, after), names in groups.items()]


def _with_batches(before: str, names: Sequence[str], after: str) -> str:
    if not names:
        return before
    others = f" (also {names_and_more(names[1:], most=MAX_NAMES)})" if len(names) > 1 else ""
    return f"{before}batch {names[0]}{after}{others}"
