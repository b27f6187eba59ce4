# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices as a table, for spreadsheets and scripts. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from ...module_utils._text import printable
from .._result.words import Result, batch_labels

#: The columns, in their order. All but ``batch``, the label of the batch, are fields of the result's devices.
COLUMNS = (
    "device_name",
    "product_key",
    "batch",
    "job_id",
    "state",
    "class",
    "verified",
    "task_status",
    "progress_percent",
    "version",
    "detail",
    "busy_with",
    "since",
    "idle_seconds",
)
#: What makes a spreadsheet take a cell for a formula if it is first.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_report(result: Result) -> str:
    """All devices that are listed, and if not all are, those that failed or are unfinished; the failed ones first."""
    labels = batch_labels(result)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for device in devices_of(result):
        facts = {**device, "batch": labels.get(device["job_id"], "")}
        writer.writerow(cell(facts.get(column)) for column in COLUMNS)
    return text.getvalue()


def devices_of(result: Result) -> list[Mapping[str, Any]]:
    """The devices that failed, those that are unfinished, and where they are listed, the others."""
    others = [device for device in result["devices"] if device["state"] not in ("failed", "pending")]
    return [*result["failed_devices"], *result["pending_devices"], *others]


def cell(value: Any) -> str:
    """A value as a cell on one line that no spreadsheet runs: what may begin a formula has an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value}"
    text = str(value)
    begins_formula = text.startswith(FORMULA) or text.strip().startswith(FORMULA)
    return f"'{printable(text)}" if begins_formula else printable(text)
