# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the reports share: results of the gate, made by hand, and the reports that the role writes."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from .conftest import run_play

SUFFIXES = {"json": "json", "markdown": "md", "junit": "xml", "html": "html"}
#: Those that are written on request only and hold texts from elsewhere.
MORE_SUFFIXES = {"csv": "csv", "metrics": "prom"}

# What becomes a link, a mention or a reference in Markdown without any markup.
LINKS = [
    "www.evil.example/x",
    "x_www.evil.example",
    "(www.evil.example)",
    "a.b-c@d.example",
    "xmpp:a@b.example/c",
    "mailto:a@b.example",
    "https://evil.example/x",
    "HTTP://evil.example",
    "ftp://evil.example",
    "@somebody",
    "owner/name#1",
    "[^1]",
    "~~gone~~",
]

# The links of the result about several batches.
LINKS_GIVEN = {"Console <1>": "https://console.example.com/?a=1&b=2", "Runbook": "http://wiki.example.com/"}

# Names and texts that mean something in HTML, XML, Markdown or Jinja, or cannot be written at all.
ODD = [
    *LINKS,
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "{% raw %}",
    "客厅",
    " ",
    "",
    "*",
    "a|b",
    "`rm`",
    "]]>",
    "&amp;",
    "\"quoted\" 'twice'",
    "[link](https://example.com)",
    "two\nlines",
    "nul\x00bell\x07escape\x1b",
    "\\",
    "<!-- -->",
    "![image](x)",
    "a_b__c",
    "lookup('pipe', 'id')",
    "x" * 300,
]


def device(name: str, state: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """One of the devices of a result."""
    status = {"succeeded": "SUCCEEDED", "failed": "FAILED", "pending": "QUEUED", "canceled": "CANCELED"}[state]
    return {
        "product_key": "a19mzPZ0001",
        "device_name": name,
        "job_id": "HvKuBpuk3rdk6E92CPQN020001",
        "state": state,
        "class": {"failed": "download", "pending": "offline"}.get(state),
        "verified": state == "succeeded",
        "task_status": status,
        "progress_percent": 100.0 if state == "succeeded" else None,
        "version": "2.0.0" if state == "succeeded" else "1.0.0",
        "detail": {"failed": "-2: the download failed"}.get(state),
        "busy_with": None,
        "since": "2026-03-01T10:12:44Z",
        "idle_seconds": 251.0,
        **changes,
    }


def result(verdict: str, devices: list[dict[str, Any]], code: str, message: str, **changes: Any) -> dict[str, Any]:
    """A result of the gate about these devices."""
    states = {
        state: [each for each in devices if each["state"] == state] for state in ("succeeded", "failed", "pending")
    }
    counts = {state: len(members) for state, members in states.items()}
    total = sum(counts.values())
    by_class: dict[str, dict[str, int]] = {"failed": {}, "pending": {}}
    for state, names in by_class.items():
        for each in states[state]:
            names[each["class"]] = names.get(each["class"], 0) + 1
    subject = states["failed" if verdict == "failed" else "pending"]
    return {
        "verdict": verdict,
        "msg": f"batch HvKuBpuk3rdk6E92CPQN020001: {verdict}: {message}; 7 min of 30 min.",
        "final": verdict != "pending",
        "to_do": [] if verdict == "passed" else ["See why.", "Run the gate again."],
        "reasons": [
            {
                "code": code,
                "message": message,
                "count": len(subject),
                "devices": [each["device_name"] for each in subject[:10]],
            }
        ],
        "counts": {
            "total": total,
            **counts,
            "verified": sum(each["verified"] for each in devices),
            "executed": counts["succeeded"] + counts["failed"],
            "canceled": 0,
            "ignored": 0,
        },
        "by_status": {"QUEUED": counts["pending"], "SUCCEEDED": counts["succeeded"], "FAILED": counts["failed"]},
        "by_class": by_class,
        "limits": limits(verdict, code, counts),
        "failure_texts": failure_texts(states["failed"]),
        "jobs": [
            {
                "job_id": "HvKuBpuk3rdk6E92CPQN020001",
                "found": True,
                "job_status": "IN_PROGRESS",
                "job_type": "UPGRADE_FIRMWARE",
                "product_key": "a19mzPZ0001",
                "firmware_id": "UfuxnwygsuSkVE0VCN9u010100",
                "dest_version": "2.0.0",
                "utc_create": "2026-03-01T10:00:00.000Z",
                "module_name": "default",
                "label": "Lamps 2.0.0",
                "counts": {"devices": total, **counts, "canceled": 0},
            }
        ],
        "failed_devices": states["failed"][:1000],
        "pending_devices": states["pending"][:1000],
        "devices": devices if len(devices) <= 1000 else [],
        "timeline": [
            {"seconds": 0.0, "succeeded": 0, "failed": 0, "pending": total},
            {
                "seconds": 95.2,
                "succeeded": counts["succeeded"] // 3,
                "failed": 0,
                "pending": total - counts["succeeded"] // 3,
            },
            {
                "seconds": 240.4,
                "succeeded": counts["succeeded"] // 2,
                "failed": counts["failed"] // 2,
                "pending": total - counts["succeeded"] // 2 - counts["failed"] // 2,
            },
            {"seconds": 420.0, **counts},
        ],
        "notes": ["the rollout must be settled by 2026-03-01T10:40:02Z", "the start grace is 2 min"],
        "started": "2026-03-01T10:10:02Z",
        "ended": "2026-03-01T10:17:02Z",
        "deadline": "2026-03-01T10:40:02Z",
        "elapsed_seconds": 420.0,
        "polls": 29,
        "policy": {
            "min_succeeded_percent": None,
            "max_failed": 1,
            "max_failed_percent": None,
            "min_executed": 1,
            "max_pending": None,
            "versions": {"verify": True, "module_name": None, "match": "exact", "grace": 120.0},
            "confirmations": 2,
            "soak": 0.0,
            "wait_timeout": 1800.0,
        },
        "history": {"version": 1, "polls": 29},
        **changes,
    }


def limits(verdict: str, code: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """The bounds of a result, the one that decided first."""
    executed, total = counts["succeeded"] + counts["failed"], sum(counts.values())
    rows = (
        ("max_failed", 1, counts["failed"], executed, code == "too_many_failures"),
        ("max_pending", 0, counts["pending"], total, code == "deadline"),
        ("wait_timeout", 1800.0, 420.0, None, False),
        ("max_consecutive_errors", 5, 6 if code == "api_error" else 0, None, code == "api_error"),
    )
    made = [
        {
            "name": name,
            "allowed": allowed,
            "measured": measured,
            "of": of,
            "share": round(100 * measured / of, 1) if of else None,
            "kept": measured <= allowed or verdict == "passed",
            "decided": decided,
        }
        for name, allowed, measured, of, decided in rows
    ]
    return sorted(made, key=lambda limit: not limit["decided"])


def failure_texts(failed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the gate counts the texts of failed devices."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in failed:
        groups.setdefault((each["class"], (each["detail"] or "")[:200]), []).append(each["device_name"])
    return [
        {"class": name, "text": text, "count": len(names), "devices": names[:10]}
        for (name, text), names in list(groups.items())[:20]
    ]


def several_batches() -> dict[str, Any]:
    """A result about two batches for different modules, with texts, notes and devices that do not count."""
    lamps = [device(f"lamp-{number:02}") for number in range(1, 15)]
    texts = ["sha256 mismatch", "sha256 mismatch", "客厅: <b>no space</b> {{ 7*7 }}|"]
    failed = [device(f"lamp-{number}", "failed", detail=text) for number, text in enumerate(texts, 15)]
    made = result(
        "failed",
        [*lamps, *failed],
        "too_many_failures",
        '3 of 17 finished devices failed (3 download): "sha256 mismatch" \N{MULTIPLICATION SIGN} 2; at most 1 may fail'
        " (max_failed)",
    )
    first = {**made["jobs"][0], "counts": {"devices": 10, "succeeded": 9, "failed": 1, "pending": 0, "canceled": 2}}
    other = {
        "job_id": "HvKuBpuk3rdk6E92CPQN020002 <b>",
        "label": "Lamps & <i>more</i>",
        "module_name": "mcu | <i>",
        "job_status": "PLANNED",
    }
    counts = {"devices": 7, "succeeded": 5, "failed": 2, "pending": 0, "canceled": 0}
    return {
        **made,
        "counts": {**made["counts"], "canceled": 2, "ignored": 1},
        "jobs": [first, {**made["jobs"][0], **other, "counts": counts}],
        "notes": [
            *made["notes"],
            "the clock of this machine is 5 min 3 s behind the service's",
            "batch HvKuBpuk3rdk6E92CPQN020002 is a later stage than batch HvKuBpuk3rdk6E92CPQN020001, so it decides"
            " for the 2 devices in both",
        ],
    }


def results() -> dict[str, dict[str, Any]]:
    """One result for each kind of verdict, and some that are hard to show."""
    lamps = [f"lamp-{number:04}" for number in range(1, 1201)]
    fleet = [device(name) for name in lamps[:1100]] + [
        device(
            name,
            "pending",
            **({"class": "stalled", "task_status": "IN_PROGRESS", "progress_percent": 60.0} if odd else {}),
        )
        for odd, name in enumerate(lamps[1100:1180], -60)
        for odd in [odd >= 0]
    ]
    fleet += [device(name, "failed", **{"class": "timeout", "detail": None}) for name in lamps[1180:]]
    odd = [device(name, "failed", detail=name) for name in ODD]
    odd += [device(f"late {name}", "pending", busy_with=name, task_status=name) for name in ODD]
    many = [
        {"seconds": 15.0 * n, "succeeded": n, "failed": n // 50, "pending": 1200 - n - n // 50} for n in range(1000)
    ]
    unread = [
        {"seconds": 0.0, "succeeded": 0, "failed": 0, "pending": 3},
        {"seconds": 60.0, "succeeded": 1, "failed": 1, "pending": 1},
        {"seconds": 90.0, "succeeded": 1, "failed": 1, "pending": 1, "error": True},
        {"seconds": 420.0, "succeeded": 1, "failed": 1, "pending": 1, "error": True},
    ]
    nothing = {
        "timeline": [{"seconds": 0.0, "succeeded": 0, "failed": 0, "pending": 0}],
        "elapsed_seconds": 0.0,
        "polls": 1,
        "jobs": [],
    }
    failure = {
        "code": "Forbidden.RAM",
        "message": "User not authorized to operate on the specified <resource>.",
        "request_id": "5D58AC86-D5BF-4B39-834E-913E7F2C985D",
        "http_status": 403,
        "action": "ListOTATaskByJob",
        "attempts": 1,
        "hint": "let the RAM user call ListOTATaskByJob",
    }
    tolerated = [
        device("light1"),
        device("light2", "failed"),
        device("light3", "pending"),
        device("light4", "canceled"),
    ]
    return {
        "passed": result(
            "passed", [device(name) for name in lamps[:12]], "proved", "All 12 devices succeeded and report 2.0.0"
        ),
        "tolerated": result(
            "passed", tolerated, "proved", "1 of 3 devices succeeded, 1 failed and 1 is pending, as the bounds allow"
        ),
        "failed": result(
            "failed",
            [device(name) for name in lamps[:9]]
            + [
                device("lamp-0010", "failed"),
                device("lamp-0011", "failed"),
                device("lamp-0012", "failed", **{"class": "timeout"}),
            ]
            + [device("lamp-0013", "pending")],
            "too_many_failures",
            "3 of 13 devices failed (2 download, 1 timeout); at most 1 may fail",
        ),
        "batches": several_batches(),
        "odd": result("failed", odd, "too_many_failures", f"{len(ODD)} failed: {' '.join(ODD)}"),
        "timed_out": result(
            "timed_out", fleet, "deadline", "80 of 1200 devices are still open at the deadline", timeline=many
        ),
        "pending": result("pending", tolerated, "unfinished", "1 of 3 devices is still open"),
        "inconclusive": result("inconclusive", [], "api_error", failure["message"], failure=failure, **nothing),
        "unread": result("inconclusive", tolerated, "api_error", failure["message"], failure=failure, timeline=unread),
        "empty": result(
            "inconclusive",
            [],
            "nothing_to_judge",
            "The batches have no task",
            timeline=[],
            jobs=[],
            elapsed_seconds=0.0,
        ),
        "one_poll": result(
            "passed",
            [device("light1")],
            "proved",
            "The one device succeeded",
            timeline=[{"seconds": 0.0, "succeeded": 1, "failed": 0, "pending": 0}],
            elapsed_seconds=0.0,
            polls=1,
        ),
    }


def write_reports(folder: pathlib.Path, given: Mapping[str, Any], formats: Sequence[str]) -> None:
    """Write the reports of each result into a folder of its name."""
    tasks: list[dict[str, Any]] = []
    for name, content in given.items():
        (folder / name).mkdir()
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        tasks += [
            {"given_result": {"path": str(folder / f"{name}.json")}, "register": "given"},
            {
                "ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate", "tasks_from": "report.yml"},
                "vars": {
                    # The result that the role begins with.
                    "rollout_gate_run_not_judged": "{{ given }}",
                    "rollout_gate_report_dir": str(folder / name),
                    "rollout_gate_title": f"Rollout <{name}> & more",
                    "rollout_gate_formats": [*formats],
                    "rollout_gate_links": LINKS_GIVEN if name == "batches" else [],
                },
            },
        ]
    run = run_play(folder, tasks)
    assert run.code == 0, run.output


def shared_reports(base: pathlib.Path) -> pathlib.Path:
    """Return the folder with all reports, which the first of pytest's workers to ask for it writes."""
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "reports"
    with (root / "reports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = pathlib.Path(tempfile.mkdtemp(dir=root))
            write_reports(unfinished, results(), [*SUFFIXES, *MORE_SUFFIXES, "dotenv"])
            unfinished.rename(folder)
    return folder
