# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No pattern of the plugins takes more than linear work, and none meets a text that has not been cut, but for one."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
import re
from pathlib import Path

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils import _redaction as redaction
from ansible_collections.iotfleet.ota.plugins.module_utils import _text as text_module
from ansible_collections.iotfleet.ota.plugins.module_utils._api import (
    envelope,
    error_codes,
    facts,
    operations,
    schema,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._api.envelope import read_rows
from ansible_collections.iotfleet.ota.plugins.module_utils._client import response
from ansible_collections.iotfleet.ota.plugins.module_utils._client.response import parse_response
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response
from ansible_collections.iotfleet.ota.plugins.module_utils._queries import jobs
from ansible_collections.iotfleet.ota.plugins.module_utils._text import MAX_TEXT

from . import regex_steps

pytestmark = pytest.mark.exhaustive

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer")
#: Arguments that are known only at run time: a secret, word for word, and the patterns that codes are compared with.
AT_RUN_TIME = {"re.escape(form)", "pattern"}


def patterns():
    """Each pattern of the plugins, with its flags: those in calls of ``re``, and those that codes are compared with."""
    for path in sorted(ROOT.glob("plugins/**/*.py")):
        text = path.read_text(encoding="utf-8")
        if "import re\n" not in text:
            continue
        module = importlib.import_module(
            ".".join(["ansible_collections.iotfleet.ota", *path.relative_to(ROOT).with_suffix("").parts])
        )
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        for call in calls:
            name = ast.unparse(call.func).rpartition("re.")[2]
            if name in FUNCTIONS and ast.unparse(call.args[0]) not in AT_RUN_TIME:
                pattern, *flags = (
                    eval(ast.unparse(part), vars(module)) for part in (call.args[0], *_flags(call, name))
                )
                yield pytest.param(pattern, sum(flags), id=f"{path.stem} line {call.lineno}")
    codes = {
        *(meaning.pattern for meaning in error_codes.ERROR_CODES),
        *(
            value
            for name, value in vars(error_codes).items()
            if re.fullmatch(r"_[A-Z_]+", name) and isinstance(value, str)
        ),
        *(value.not_found for value in vars(operations).values() if isinstance(value, operations.Operation)),
    }
    for code in sorted(codes):
        yield pytest.param(code, re.IGNORECASE, id=code[:40])


def _flags(call, name):
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "flags")
    yield from call.args[1:] if name == "compile" else () if name in ("sub", "split") else call.args[2:]


PATTERNS = list(patterns())


@pytest.mark.parametrize(("pattern", "flags"), PATTERNS)
def test_a_pattern_takes_linear_work(pattern, flags):
    factor, part = regex_steps.growth(pattern, flags)
    assert factor < 2.7, part


def test_all_patterns_are_seen():
    assert len(PATTERNS) > 60


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (r"([A-Z]+)([A-Z][a-z])", "A"),
        (r"x-acs-[\w-]+[=:]", "x-acs-"),
        (r"\s+$", " "),
        (r"(a+)+b", "a"),
        (r"(?:a|a)*b", "a"),
        (r"<!--.*?-->", "<!--"),
    ],
)
def test_patterns_that_take_more_are_found(monkeypatch, pattern, part):
    monkeypatch.setattr(regex_steps, "REPEATS", 5 if part == "a" else 16)
    factor, found = regex_steps.growth(pattern)
    assert factor > 2.8
    assert part in found


@pytest.mark.parametrize(("pattern", "text", "steps"), [("ab", "abab", 9), ("a*b", "aaab", 12)])
def test_steps_are_counted(pattern, text, steps):
    assert regex_steps.StepCounter(pattern).count(text) == steps


# --- What they meet --------------------------------------------------------------------------------------------------

#: What mends a whole response in XML, which is bounded itself.
WHOLE = (envelope._ODD_XML,)
LONG = [
    "x-acs-" * 100_000,
    "A" * 1_000_000,
    "a b " * 250_000,
    "https://x?" * 100_000,
    "%2F+" * 250_000,
    "<a=>" * 200_000,
]


@pytest.fixture
def met(monkeypatch):
    """The lengths of the texts that patterns meet, with the patterns."""
    found = []

    class Watched:
        def __init__(self, pattern):
            self.pattern = pattern

        def __getattr__(self, name):
            method = getattr(self.pattern, name)

            def call(*arguments, **options):
                text = arguments[name in ("sub", "subn")]
                found.append((len(text), self.pattern))
                return method(*arguments, **options)

            return call

    for module in (envelope, facts, jobs, redaction, response, schema, text_module):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and value not in WHOLE:
                monkeypatch.setattr(module, name, Watched(value))
    for name in FUNCTIONS[1:]:
        called = getattr(re, name)

        def call(pattern, *arguments, _name=name, _called=called, **options):
            found.append((len(arguments[_name == "sub"]), pattern))
            return _called(pattern, *arguments, **options)

        monkeypatch.setattr(re, name, call)
    return found


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:6])
@pytest.mark.parametrize("response_format", ["json", "xml"])
@pytest.mark.parametrize("wire", ["TaskDesc", "DeviceName", "Undocumented", ""])
def test_no_pattern_meets_a_long_text(met, text, response_format, wire):
    if response_format == "json":
        name = wire or text
        body = json.dumps({"Success": True, "Total": 1, "Data": {"SimpleOTATaskInfo": [{name: text, "TaskId": "1"}]}})
    else:
        name, value = wire or re.sub(r"\W", "", text), text.replace("<", "&lt;")
        row = f"<SimpleOTATaskInfo><TaskId>1</TaskId><{name}>{value}</{name}></SimpleOTATaskInfo>"
        body = f"<R><Success>true</Success><Data>{row}</Data></R>"
    met.clear()
    with contextlib.suppress(OtaError):
        found = parse_response(Response(200, {}, body.encode()), response_format, ("canary",))
        jobs.interpret_tasks(read_rows(operations.LIST_OTA_TASK_BY_JOB, found))
    assert max((length for length, _pattern in met), default=0) <= MAX_TEXT


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:6])
@pytest.mark.parametrize("name", ["Message", "ErrorMessage", "Code", "RequestId"])
def test_no_pattern_meets_a_long_refusal(met, text, name):
    body = json.dumps({"Success": False, "Code": "Some.Code", name: text}).encode()
    with pytest.raises(OtaError) as refusal:
        parse_response(Response(400, {"location": text}, body), "json", ("canary",))
    assert max((length for length, _pattern in met), default=0) <= MAX_TEXT
    assert met or name == "Code"  # one so long is none
    assert len(str(refusal.value)) < 1000
