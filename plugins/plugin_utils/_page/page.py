# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All that a report says about a rollout, from the result of a gate. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .._report.message import concerned_state, running_words
from .._result.limits import least_finished, read_limits
from .._result.links import read_links
from .._result.reading import count_of, counts_of, mapping_of, number_of, rows_of, text_of, texts_of
from .._result.words import cancel_sentence, has_stopped, left_out_sentence, names_and_more, older_sentence
from .._rollout.devices import State
from .._rollout.times import moment, with_moments
from .._verdict.wording import count_things, format_duration
from .bounds import first_state, limit_view, set_limits
from .causes import causes
from .chart import chart
from .tables import batch_table, device_tables
from .tiles import tiles
from .words import MAX_NAMES, MAX_REASON, has_cut, merged_notes, sentence, shown_text, shown_texts

_TIMES = ("soak", "start_grace", "wait_timeout", "versions.grace")
#: The fields of a failure, by what people call them.
FAILURE: Mapping[str, str] = {
    "message": "Message",
    "hint": "Hint",
    "code": "Code",
    "action": "Operation",
    "http_status": "HTTP status",
    "request_id": "Request ID",
    "attempts": "Attempts",
}
#: The formats that a page links to, which are for programs, by their names.
FORMATS: Mapping[str, str] = {"json": "JSON", "csv": "CSV"}
#: Show at most this many expected devices.
MAX_EXPECTED = 20


def page_of(result: Mapping[str, Any], title: Any = None, files: Any = None, links: Any = None) -> dict[str, Any]:
    """What a page shows. No text in it is escaped, and each is as short as a person needs."""
    day = text_of(result.get("ended"))[:10]
    counts, limits = mapping_of(result.get("counts")), read_limits(result)
    least = least_finished(result)
    states = states_of(result)
    given, problem = read_links(links)
    page = {
        "title": text_of(title or result.get("title") or "OTA rollout"),
        "verdict": text_of(result.get("verdict")),
        "word": verdict_name(result),
        "headline": shown_texts(headline(result, day), MAX_REASON),
        "facts": facts(result),
        "tiles": tiles(result, states[0]),
        "not_counted": " ".join(filter(None, [left_out_sentence(result), older_sentence(result)])),
        "to_do": texts_of(result.get("to_do")),
        "running": sentence(running_words(counts_of(result.get("by_status")))) if _may_spread(result) else "",
        "canceled": cancel_sentence(result),
        "failure": failure_rows(result),
        "causes": causes(result, states),
        "batches": batch_table(result, day),
        "devices": device_tables(result, states, day),
        "notes": shown_texts(notes_of(result, day), MAX_REASON),
        "limits": [limit_view(limit, least) for limit in set_limits(result)],
        "has_measured": bool(limits),
        "options": options_of(result),
    }
    shown = {
        name: value if name in ("headline", "notes", "devices") else shown_texts(value) for name, value in page.items()
    }
    return {
        **shown,
        "total": f"{count_of(counts.get('total')):,}",
        "chart": chart(result),
        "links": given,
        "link_problem": problem,
        "files": files_beside(files),
        "is_cut": has_cut(shown),
    }


def _may_spread(result: Mapping[str, Any]) -> bool:
    """Whether devices may still get the update after the verdict: nothing has been canceled, as far as is known."""
    return bool(result.get("final")) and not has_stopped(result)


def verdict_name(result: Mapping[str, Any]) -> str:
    """The verdict for people, such as ``Timed out``."""
    return text_of(result.get("verdict")).replace("_", " ").capitalize()


def states_of(result: Mapping[str, Any]) -> tuple[State, State]:
    """The states of the devices that a report names, first the one that the verdict is about."""
    verdict = text_of(result.get("verdict"))
    decided = next((limit for limit in read_limits(result) if limit.decided), None)
    first = first_state(verdict, decided, concerned_state(verdict, decided))
    return ("pending", "failed") if first == "pending" else ("failed", "pending")


# --- Head ------------------------------------------------------------------------------------------------------------


def headline(result: Mapping[str, Any], day: str) -> list[dict[str, str]]:
    """The reasons, without those that an earlier one says as well."""
    lines: list[dict[str, str]] = []
    said: list[str] = []
    named: list[list[str]] = []
    for reason in rows_of(result.get("reasons")):
        message, names = text_of(reason.get("message")), texts_of(reason.get("devices"))
        if any(message in earlier for earlier in said):
            continue
        shown = [] if names in named else [shown_text(name) for name in names]
        said.append(message)
        named.append(names)
        text = sentence(with_moments(message, day))
        lines.append({"text": text, "names": names_and_more(shown, count_of(reason.get("count")), MAX_NAMES)})
    return lines


def facts(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """When the rollout was watched, and how long."""
    started, ended = text_of(result.get("started")), text_of(result.get("ended"))
    polls = count_things(count_of(result.get("polls")), "poll")
    rows = {
        "First poll (UTC)": moment(started),
        "Last poll (UTC)": moment(ended, started[:10]),
        "Watched for": f"{format_duration(number_of(result.get('elapsed_seconds')))}, {polls}",
        "Deadline (UTC)": moment(result.get("deadline"), started[:10]),
    }
    return [{"name": name, "value": value} for name, value in rows.items() if value]


def failure_rows(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Why the last poll failed."""
    failure = mapping_of(result.get("failure"))
    rows = {name: text_of(failure.get(key)) for key, name in FAILURE.items()}
    return [{"name": name, "value": value} for name, value in rows.items() if value]


def files_beside(files: Any) -> list[dict[str, str]]:
    """The reports beside the page, each with its name and a relative link."""
    paths = mapping_of(files)
    names = {kind: str(paths[kind]).rpartition("/")[2] for kind in FORMATS if paths.get(kind)}
    return [{"format": FORMATS[kind], "name": name, "href": f"./{quote(name)}"} for kind, name in names.items()]


# --- Options and notes -----------------------------------------------------------------------------------------------


def notes_of(result: Mapping[str, Any], day: str) -> list[str]:
    """The notes as sentences."""
    ids = [text_of(job.get("job_id")) for job in rows_of(result.get("jobs"))]
    return [with_moments(note, day) for note in merged_notes(texts_of(result.get("notes")), ids)]


def options_of(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """The other options that are set, by their names."""
    shown = {limit.name for limit in set_limits(result)} | {"min_executed"}
    flat = sorted(_flat(mapping_of(result.get("policy"))))
    return [
        {"name": name, "value": option_text(name, value)}
        for name, value in flat
        if name not in shown and value is not None
    ]


def _flat(policy: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in policy.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", setting) for part, setting in value.items())
        else:
            yield str(name), value


def option_text(name: str, value: Any) -> str:
    """The value of an option for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _TIMES:
        return format_duration(number_of(value))
    if isinstance(value, (int, float)):
        return f"{value:,}"
    return _expected_text(value) if isinstance(value, (list, tuple)) else text_of(value)


def _expected_text(devices: Sequence[Any]) -> str:
    names = [text_of(device.get("device_name") if isinstance(device, Mapping) else device) for device in devices]
    more = f" and {len(names) - MAX_EXPECTED:,} more" if len(names) > MAX_EXPECTED else ""
    return ", ".join(names[:MAX_EXPECTED]) + more
