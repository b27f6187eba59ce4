# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Markdown report, for the summary of a job. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._result.limits import least_finished, level_of, level_words, read_limits
from .._result.words import (
    BLANK,
    NO_TEXT,
    STATE_WORDS,
    Result,
    batch_label,
    batch_labels,
    cancel_sentence,
    class_numbers,
    device_words,
    left_out_sentence,
    names_and_more,
    older_sentence,
    task_words,
    versions_read,
)
from .._rollout.devices import State
from .._verdict.wording import class_words, count_things
from .limits import allowed_text, measured_text, share_text
from .page import Page, link

#: Bytes of the text, of which GitHub takes 1 MiB as the summary of a step.
ROOM = 900_000
#: List at most this many devices of each kind, and fold a list of more than this many entries.
MAX_DEVICES = 100
MAX_OPEN = 10
#: Characters of the sentence of a reason, of names, and of a note.
MAX_REASON = 4000
MAX_NAMES = 1100
MAX_NOTE = 1000

_ICONS = {"passed": "✅", "failed": "❌", "pending": "⏳", "timed_out": "⌛", "inconclusive": "❓"}
_LEVELS = {"broken": "❌", "open": "⚠️", "near": "✅", "kept": "✅"}
_NUMBERS = ("Counted", "Devices", "Succeeded", "Failed", "Unfinished", "Canceled", "Measured", "Share")


def markdown_report(result: Result, title: str, links: Sequence[Mapping[str, str]] = ()) -> str:
    """The report on a result, with the ``title`` of the rollout and the ``links`` of the user, in less than 1 MiB."""
    page = Page(ROOM)
    page.add(f"## {_ICONS[result['verdict']]} {page.text(title)}: {result['verdict'].replace('_', ' ')}", "")
    _put_reasons(page, result)
    _put_canceled(page, result)
    _put_to_do(page, result)
    _put_links(page, links)
    for put_section in (_put_counts, _put_limits, _put_batches, _put_causes):
        put_section(page, result)
    _put_devices(page, result, "failed")
    _put_devices(page, result, "pending")
    _put_notes(page, result["notes"])
    if page.is_cut:
        page.add("Long texts end with … here, and what does not fit is left out. The JSON report has more.")
    return str(page)


def _put_reasons(page: Page, result: Result) -> None:
    before: Sequence[str] = ()
    for reason in result["reasons"]:
        names = reason["devices"] if reason["devices"] != before else []  # the next reason may be about the same ones
        before = reason["devices"]
        listed = page.text(names_and_more(names, reason["count"]), MAX_NAMES)
        page.put(f"- {page.text(reason['message'], MAX_REASON)}" + (f": {listed}" if listed else ""))
    page.add("")


def _put_to_do(page: Page, result: Result) -> None:
    """What to do, if the result says so."""
    sentences = " ".join(result.get("to_do") or [])
    if sentences:
        page.put(f"**To do:** {page.text(sentences, MAX_REASON)}")
        page.add("")


def _put_links(page: Page, links: Sequence[Mapping[str, str]]) -> None:
    if links:
        page.put(", ".join(link(one["title"], one["url"]) for one in links))
        page.add("")


def _put_canceled(page: Page, result: Result) -> None:
    """What the role canceled, or that it could not, if it tried."""
    said = cancel_sentence(result)
    if said:
        page.put(f"**Stop:** {page.text(said, MAX_REASON)}")
        page.add("")


def _put_counts(page: Page, result: Result) -> None:
    counts = result["counts"]
    names = ("total", "succeeded", "failed", "pending")
    columns = ("Counted", "Succeeded", "Failed", "Unfinished")
    page.put_table(columns, [[f"{counts[name]:,}" for name in names]], _NUMBERS)
    versions = versions_read(result)
    read = f"{versions}." if versions else ""
    sentences = [read, left_out_sentence(result), older_sentence(result)]
    if any(sentences):
        page.add(" ".join(filter(None, sentences)), "")
    times = [page.text(result[name]) for name in ("started", "ended", "deadline")]
    page.add(f"From {times[0]} to {times[1]}, {count_things(result['polls'], 'poll')}, deadline {times[2]}.", "")


def _put_limits(page: Page, result: Result) -> None:
    least = least_finished(result)
    rows = [
        [
            page.text(limit.name),
            allowed_text(limit),
            measured_text(limit),
            share_text(limit),
            f"{_LEVELS[level_of(limit, least)]} {level_words(limit, level_of(limit, least))}",
        ]
        for limit in read_limits(result)
    ]
    if rows:
        page.add("### Measured against allowed", "")
        page.put_table(("Limit", "Allowed", "Measured", "Share", "Outcome"), rows, _NUMBERS)


def _put_batches(page: Page, result: Result) -> None:
    columns = ("Batch", "ID", "State", "Devices", "Succeeded", "Failed", "Unfinished", "Canceled")
    rows = [_batch_row(page, job) for job in result["jobs"]]
    if not rows:
        return
    page.add("### Batches", "")
    _open_list(page, f"{len(rows):,} batches", len(rows))
    page.put_table((*columns, "Module", "Version"), rows, _NUMBERS)
    _close_list(page, len(rows))


def _batch_row(page: Page, job: Mapping[str, Any]) -> list[str]:
    found = job.get("found", True)
    names = ("devices", "succeeded", "failed", "pending", "canceled")
    counts = ["" if job["counts"] is None else f"{job['counts'][name]:,}" for name in names]
    if counts[-1] == "0":
        counts[-1] = ""  # a column of its own only if any was
    head = [batch_label(job), job["job_id"], job.get("job_status") if found else "not found"]
    facts = [job.get("module_name"), job.get("dest_version")]
    return [*map(page.text, head), *counts, *map(page.text, facts)]


def _put_causes(page: Page, result: Result) -> None:
    rows = [
        [STATE_WORDS[state], page.text(words), f"{number:,}"]
        for state in STATE_WORDS
        for words, number in class_numbers(result, state)
    ]
    page.put_table(("State", "Reason", "Devices"), rows, _NUMBERS)
    texts = [
        [
            page.text(entry["text"]) or NO_TEXT,
            f"{entry['count']:,}",
            page.text(class_words(entry["class"])),
            page.text(names_and_more(entry["devices"], entry["count"]), MAX_NAMES),
        ]
        for entry in result["failure_texts"]
    ]
    page.put_table(("Failed devices report", "Devices", "Reason", "Such as"), texts, _NUMBERS)


# --- Devices ---------------------------------------------------------------------------------------------------------


def _put_devices(page: Page, result: Result, state: State) -> None:
    total, devices = result["counts"][state], result[f"{state}_devices"][:MAX_DEVICES]
    if not devices:
        return
    labels = batch_labels(result)
    page.add(f"### {STATE_WORDS[state].capitalize()} devices", "")
    _open_list(page, count_things(total, f"{STATE_WORDS[state]} device"), len(devices))
    columns = ("Device", "Reason", "Task", "Version", "Detail", "Since", "Batch")
    page.put_table(columns, [_device_row(page, device, labels) for device in devices])
    if total > len(devices):
        page.add(f"and {total - len(devices):,} more, see the CSV and JSON reports", "")
    _close_list(page, len(devices))


def _device_row(page: Page, device: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    return [
        page.text(device["device_name"]) or BLANK,
        page.text(device_words(device)),
        page.text(task_words(device)),
        page.text(device["version"]),
        page.text(device["detail"]),
        page.text(device["since"]),
        page.text(labels.get(device["job_id"], device["job_id"])) if len(labels) > 1 else "",
    ]


def _put_notes(page: Page, notes: Sequence[str]) -> None:
    if notes:
        page.add("### Notes", "")
        _open_list(page, count_things(len(notes), "note"), len(notes))
        for note in notes:
            page.put(f"- {page.text(note, MAX_NOTE)}")
        page.add("")
        _close_list(page, len(notes))


def _open_list(page: Page, summary: str, entries: int) -> None:
    """Fold a list that is long. Nothing in the ``summary`` comes from elsewhere."""
    if entries > MAX_OPEN:
        page.add("<details>", f"<summary>{summary}</summary>", "")


def _close_list(page: Page, entries: int) -> None:
    if entries > MAX_OPEN:
        page.add("</details>", "")
