# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of devices and batches, without columns that are empty for all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._result.reading import count_of, mapping_of, rows_of, text_of
from .._result.words import BLANK, STATE_WORDS, batch_label, batch_labels, device_words, task_words
from .._rollout.devices import State
from .._rollout.times import moment, with_moments
from .tiles import stacked_bar
from .words import duration_or_blank, escaped_size, share_text, shown_text

#: The devices of a page take this many characters at most, which is enough for a person and not too much for a browser.
MAX_SIZE = 4_000_000
#: What a cell takes beside its text.
CELL_SIZE = 60

#: The columns, by the keys of the cells.
DEVICE_COLUMNS: Mapping[str, str] = {
    "device": "Device",
    "state": "State",
    "reason": "Reason",
    "detail": "Detail",
    "version": "Version",
    "unchanged": "No change for",
    "since": "Since (UTC)",
    "batch": "Batch",
}
BATCH_COLUMNS: Mapping[str, str] = {
    "batch": "Batch",
    "state": "State",
    "devices": "Devices",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "pending": "Unfinished",
    "module": "Module",
    "version": "Version",
    "product": "Product",
    "package": "Package",
    "created": "Created (UTC)",
}
NUMBERS = ("devices", "succeeded", "failed", "pending")
#: Where all batches have the same, it is said once, in no column.
SHARED = ("module", "version", "product", "package", "created")


def columns_of(names: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The columns in which any of the ``rows`` has anything, each with its key, its name and what is in it."""
    filled = [key for key in names if any(row[key] for row in rows)]
    return [{"key": key, "name": names[key], "is_number": key in NUMBERS} for key in filled]


# --- Devices ---------------------------------------------------------------------------------------------------------


def device_tables(result: Mapping[str, Any], states: Sequence[State], day: str) -> list[dict[str, Any]]:
    """The tables of the devices in these states, as far as there is room. Without the date on ``day``."""
    counts, labels, left, tables = mapping_of(result.get("counts")), batch_labels(result), MAX_SIZE, []
    for state in states:
        listed = rows_of(result.get(f"{state}_devices"))
        rows = []
        for device in listed:
            row = device_row(device, labels, day)
            if left <= 0:
                break
            left -= escaped_size(row.values()) + CELL_SIZE * len(row)
            rows.append(row)
        total = max(count_of(counts.get(state)), len(listed))
        if rows:
            tables.append(_device_table(state, rows, total))
    return tables


def _device_table(state: State, rows: Sequence[Mapping[str, str]], total: int) -> dict[str, Any]:
    left_out = total - len(rows)
    return {
        "state": state,
        "heading": f"{STATE_WORDS[state].capitalize()} devices",
        "total": f"{total:,}",
        "columns": columns_of(DEVICE_COLUMNS, rows),
        "rows": rows,
        "left_out": f"{left_out:,} more {'is' if left_out == 1 else 'are'} not listed." if left_out else "",
    }


def device_row(device: Mapping[str, Any], labels: Mapping[str, str], day: str) -> dict[str, str]:
    """The cells of one device."""
    job_id = text_of(device.get("job_id"))
    detail, busy = text_of(device.get("detail")), text_of(device.get("busy_with"))
    row = {
        "device": shown_text(device.get("device_name")) or BLANK,
        "state": task_words(device),
        "reason": device_words(device),
        "detail": " ".join(filter(None, [with_moments(detail, day), f"Busy with {busy}" if busy else ""])),
        "version": text_of(device.get("version")),
        "unchanged": duration_or_blank(device.get("idle_seconds")),
        "since": moment(device.get("since"), day),
        "batch": labels.get(job_id, job_id) if len(labels) > 1 else "",
    }
    return {key: shown_text(cell) for key, cell in row.items()}


# --- Batches ---------------------------------------------------------------------------------------------------------


def batch_table(result: Mapping[str, Any], day: str) -> dict[str, Any]:
    """The table of the batches, each with the bar of its devices. What they share is in no column."""
    rows = [batch_row(job, day) for job in rows_of(result.get("jobs"))]
    columns = columns_of(BATCH_COLUMNS, rows)
    is_shared = {key: len({row[key] for row in rows}) == 1 for key in SHARED}
    shared = [column for column in columns if is_shared.get(column["key"])]
    words = ", ".join(f"{column['name'].lower().replace('utc', 'UTC')} {rows[0][column['key']]}" for column in shared)
    return {
        "columns": [column for column in columns if column not in shared],
        "rows": rows,
        "total": f"{len(rows):,}",
        "shared": f"{words[:1].upper()}{words[1:]}." if words else "",
    }


def batch_row(job: Mapping[str, Any], day: str) -> dict[str, Any]:
    """The cells of one batch. The ID is in no column, because it stands below what people call the batch."""
    counts = mapping_of(job.get("counts"))
    devices = count_of(counts.get("devices"))
    job_id, name = text_of(job.get("job_id")), batch_label(job)
    cells = {
        "batch": name,
        "id": "" if name in (job_id, f"batch {job_id}") else job_id,
        "state": text_of(job.get("job_status")) or "not found",
        "module": text_of(job.get("module_name")),
        "version": text_of(job.get("dest_version")),
        "product": text_of(job.get("product_key")),
        "package": text_of(job.get("firmware_id")),
        "created": moment(_without_fraction(job.get("utc_create")), day),
    }
    numbers = {name: f"{count_of(counts.get(name)):,}" if counts else "" for name in NUMBERS}
    failed = share_text(count_of(counts.get("failed")), devices) if count_of(counts.get("failed")) else ""
    texts = {key: shown_text(cell) for key, cell in cells.items()}
    return {**texts, **numbers, "failed_share": failed, "bar": stacked_bar(counts, devices)}


def _without_fraction(value: Any) -> str:
    """A time without its fractions of a second, which some services send."""
    head, dot, _fraction = text_of(value).partition(".")
    return f"{head}Z" if dot else head
