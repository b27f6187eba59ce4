# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JUnit report, for the test results of a CI system. Pure."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils._text import truncate
from .._result.limits import read_limits
from .._result.words import BLANK, NO_TEXT, Result, batch_label, cancel_sentence
from .._verdict.wording import class_words, count_things
from .limits import allowed_text, measured_text, outcome_text, share_text
from .outcomes import JUnitCase, device_cases, verdict_case

#: Characters of a text, of the sentence about a test, and of the lines that say more.
MAX_TEXT = 500
MAX_MESSAGE = 1000
MAX_LINES = 10_000

#: What XML cannot hold.
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _Suite:
    """Texts of a report, and whether any of them was cut."""

    is_cut = False

    def text(self, value: Any, limit: int = MAX_TEXT) -> str:
        """A text from elsewhere, as far as XML can hold it."""
        given = "" if value is None else str(value)
        self.is_cut = self.is_cut or len(given) > limit
        return _NO_XML.sub("", truncate(given, limit))

    def line(self, value: Any, limit: int = MAX_TEXT) -> str:
        """The same on one line, as readers see an attribute."""
        return re.sub(r"[\t\n\r]", " ", self.text(value, limit))


def junit_report(result: Result, title: str) -> str:
    """The report on a result, with the ``title`` of the rollout."""
    suite, cases = _Suite(), [verdict_case(result), *device_cases(result)]
    kinds = Counter(case.kind for case in cases)
    seconds = f"{result['elapsed_seconds']:.3f}"
    sums = {"tests": len(cases), "failures": kinds["failure"], "errors": kinds["error"]}
    about = {"name": suite.line(title), **{name: str(number) for name, number in sums.items()}, "time": seconds}
    root = ET.Element("testsuites", about)
    more = {"skipped": str(kinds["skipped"]), "timestamp": suite.line(result["started"])[:19]}
    tests = ET.SubElement(root, "testsuite", {**about, **more})
    properties = ET.SubElement(tests, "properties")
    for name, value in _properties(result):
        ET.SubElement(properties, "property", {"name": suite.line(name), "value": suite.line(value)})
    for case in cases:
        _add_case(tests, case, suite, {"time": seconds} if case is cases[0] else {})
    if suite.is_cut:
        ET.SubElement(tests, "system-out").text = "Long texts end with … here; the JSON report has more."
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_case(tests: ET.Element, case: JUnitCase, suite: _Suite, more: Mapping[str, str]) -> None:
    name = suite.line(case.name).strip() and suite.line(case.name)
    about = {"classname": suite.line(case.class_name), "name": name or BLANK, **more}
    element = ET.SubElement(tests, "testcase", about)
    if case.kind == "passed":
        return
    message = {"message": suite.line(case.message, MAX_MESSAGE)}
    if case.kind == "skipped":
        ET.SubElement(element, "skipped", message)
        return
    found = ET.SubElement(element, case.kind, {"type": suite.line(case.type), **message})
    found.text = suite.text("\n".join(case.lines), MAX_LINES)


def _properties(result: Result) -> Iterator[tuple[str, Any]]:
    yield "verdict", result["verdict"]
    yield from result["counts"].items()
    for limit in read_limits(result):
        share = share_text(limit)
        measured = f"{measured_text(limit)} ({share})" if share else measured_text(limit)
        yield f"limit.{limit.name}", f"{measured}, allowed: {allowed_text(limit)}, {outcome_text(limit)}"
    for job in result["jobs"]:
        job_id = job["job_id"]
        yield "job_id", job_id
        yield f"job.{job_id}.label", batch_label(job)
        if job.get("module_name") is not None:
            yield f"job.{job_id}.module_name", job["module_name"]
        for name, number in (job["counts"] or {}).items():
            yield f"job.{job_id}.{name}", number
    for entry in result["failure_texts"]:
        devices = count_things(entry["count"], "device")
        yield "failure_text", f"{class_words(entry['class'])}, {devices}: {entry['text'] or NO_TEXT}"
    if said := cancel_sentence(result):
        yield "cancel", said
    for note in result["notes"]:
        yield "note", note
