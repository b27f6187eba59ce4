# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the pages on troubleshooting against what the code says: each sentence, with its code and its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.module_utils._api import error_codes
from ansible_collections.iotfleet.ota.plugins.module_utils._http import network_errors
from ansible_collections.iotfleet.ota.tests.unit import sentences

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "docsite" / "rst"
OVERVIEW = (PAGES / "troubleshooting.rst").read_text(encoding="utf-8")
GUIDE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("troubleshooting_*.rst")))
PLUGINS = ROOT / "plugins"
CLOCK_HINTS = (
    "try again, or give the request ID to the vendor's support",
    "set the clock of the machine that runs the module, or check endpoint and proxy if it is right",
)
SERVICE = "Errors: codes of the service"
ERRORS = (
    "Errors: options",
    "Errors: credentials and access keys",
    "The network",
    "Unusable responses",
    SERVICE,
    "Errors: canceling a batch",
)


def tables(section):
    """The tables of a page or section, without their heads. An empty first cell means the one above."""
    (text,) = re.findall(rf"\n{section}\n[-=]+\n(.*?)(?=\n[^\n]+\n(?:---+|===+)\n|\Z)", GUIDE, re.DOTALL)
    for table in re.findall(r"\.\. list-table::\n(?:   :.*\n)+\n((?:   .*\n|\n)+)", text):
        rows = [cells(row) for row in re.split(r"^   \* -", table, flags=re.MULTILINE)[1:]]
        for above, row in zip(rows, rows[1:]):
            row[0] = row[0] or above[0]
        yield rows[1:]


def cells(row):
    parts = re.split(r"^     -", row, flags=re.MULTILINE)
    return [" ".join(part.replace("``", "").split()) for part in parts]


def first_table(section):
    return next(tables(section))


def lacking(patterns, rows):
    """The patterns that no row is an instance of, and the rows that are none of any pattern."""
    pairs = [(pattern, row) for pattern in patterns for row in rows if all(map(sentences.fits, pattern, row))]
    return set(patterns) - {pattern for pattern, _row in pairs}, set(rows) - {row for _pattern, row in pairs}


def test_errors():
    rows = {tuple(row) for section in ERRORS for row in first_table(section)}
    assert lacking(sentences.said("OtaError"), rows) == (set(), set())


def test_what_may_be_wrong_with_a_proxy():
    (row,) = (cell for _code, cell, _hint in first_table("The network") if cell.startswith("<the proxy> <has"))
    words = [problem for _kinds, problem, _transient in network_errors.proxy_problems()]
    assert row == f"<the proxy> <{', '.join(words)}>"


def test_codes_of_the_services():
    _sentences, rows, _clock = tables(SERVICE)
    told = {frozenset(codes.split(", ")): hint for codes, hint in rows if not codes.startswith("any other")}
    known = {frozenset(sentences.codes_of(meaning.pattern)): meaning.hint for meaning in error_codes.ERROR_CODES}
    assert told == known
    for codes, hint in told.items():
        for code in codes:
            assert (
                error_codes.lookup_error_code(code.replace("…", "iot.ota" if code[0] == "…" else "Some")).hint == hint
            ), code


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("any other", 400),
        ("any other with HTTP 408 or 425", 408),
        ("any other with HTTP 408 or 425", 425),
        ("any other with HTTP 429", 429),
        ("any other with HTTP 500 or more", 500),
        ("any other with HTTP 511", 511),
    ],
)
def test_codes_that_nobody_knows(words, status):
    _sentences, rows, _clock = tables(SERVICE)
    assert [hint for codes, hint in rows if codes == words] == [error_codes.lookup_error_code("Unheard", status).hint]


def test_codes_of_another_api():
    _sentences, rows, _clock = tables(SERVICE)
    hint = error_codes.lookup_error_code("1013", 200).hint
    assert [codes for codes, remedy in rows if remedy == hint] == ["any other that is a number"]


def test_what_follows_the_refusal_of_a_clock():
    _sentences, _codes, rows = tables(SERVICE)
    remedies = {*error_codes.lookup_error_code("IllegalTimestamp").hint.split("; "), *CLOCK_HINTS}
    said = (PLUGINS / "module_utils" / "_client" / "clock.py").read_text(encoding="utf-8")
    assert {remedy.partition(";")[0] for _sentence, remedy in rows} == remedies
    assert all(part in said for sentence, _remedy in rows for part in re.split("…|<time>", sentence) if part)
    assert all(hint in said for hint in CLOCK_HINTS)


def test_what_is_not_believed():
    rows = {(sentence,) for sentence, _remedy in first_table("Incomplete lists and batches")}
    assert lacking({(sentence,) for sentence in sentences.problems()}, rows) == (set(), set())


def test_reasons():
    rows = {(code, sentence) for code, sentence, _remedy in first_table("Reasons of the gate")}
    assert lacking({(reason.code, reason.message) for reason in sentences.said("Reason")}, rows) == (
        set(),
        {(code, sentence) for code, sentence in rows if code in handed_on("reasons")},
    )


def test_checks():
    rows = {tuple(row) for row in first_table("Checks of the preflight")}
    made = {check for check in sentences.said("Check") if check.hint}
    surplus = {row for row in rows if row[0] in handed_on("failed")}
    assert lacking(made, rows) == (set(), surplus)


def test_refusals_of_roles_filters_and_tests():
    rows = {(sentence,) for sentence, _remedy in first_table("Roles, filters and tests")}
    said = {error.message for maker in ("AnsibleFilterError", "FolderError") for error in sentences.said(maker)}
    said |= set(refusals())
    assert lacking({(sentence,) for sentence in said}, rows) == (set(), set())


def test_each_row_says_what_to_do():
    sections = re.findall(r"\n(.+)\n(?:---+|===+)\n", GUIDE)
    assert [row for section in sections for table in tables(section) for row in table if not all(row)] == []


def test_the_overview_leads_to_each_code():
    codes = {row[0] for section in ERRORS for row in first_table(section) if row[0] != "<code>"}
    assert {code for code in codes if f"``{code}``" not in OVERVIEW} == set()
    pages = {path.stem for path in PAGES.glob("troubleshooting_*.rst")}
    assert set(re.findall(r"docsite\.(troubleshooting_\w+)>", OVERVIEW)) == pages


def test_a_sentence_that_is_missing_or_made_up_is_found():
    patterns = {("plain_http", "endpoint is plain http to <host>"), ("gone", "⟦very ⟧gone")}
    rows = {("plain_http", "endpoint is plain http to <the host>"), ("unheard", "very gone")}
    assert lacking(patterns, rows) == ({("gone", "⟦very ⟧gone")}, {("unheard", "very gone")})


# --- Roles and playbooks ---------------------------------------------------------------------------------------------

CONTENT = {
    path: path.read_text(encoding="utf-8") for name in ("roles", "playbooks") for path in (ROOT / name).rglob("*.yml")
}


def tasks_of(tasks):
    """All tasks, those in blocks and plays too."""
    for task in tasks:
        yield task
        for name in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks_of(task.get(name) or ())


def refusals():
    """What the roles and playbooks fail with, besides what others say."""
    for text in CONTENT.values():
        content = yaml.safe_load(text)
        if isinstance(content, dict):
            problems = (words for name, words in content.items() if name.endswith("_problem"))
            yield from (words for problem in problems for words in filter(None, map(worded, clauses(problem))))
        for task in tasks_of(content if isinstance(content, list) else ()):
            for module, option in (("fail", "msg"), ("assert", "fail_msg")):
                sentence = task.get(f"ansible.builtin.{module}", {}).get(option, "")
                yield from re.findall(r"default\('([A-Z][^']+\.)'\)", sentence)
                if words := worded(sentence):
                    yield words


def clauses(template):
    """What each branch of a template says."""
    return re.split(r"\{%-.*?-%\}", template, flags=re.DOTALL)


def worded(template):
    """A sentence with words in place of what is known only at run time; nothing if there is no other word."""
    words = re.sub(r"\{\{.*?\}\}", "<words>", template, flags=re.DOTALL).strip()
    return words if re.search(r"\w ", re.sub(r"<words>", "", words)) else ""


def handed_on(name):
    """The codes that the roles hand on in place of a gate's or a preflight's."""
    return set(re.findall(rf"\brollout_\w+_{name}'?: \['?(\w+)'?\]", "".join(CONTENT.values())))
