# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts that pretend to be more than text, a service that writes them wherever it can, and what must be left of them.

This shares nothing with the code that makes texts harmless, so that both cannot be wrong together. The end-to-end tests
use it as well.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

#: What runs as a template; the command is one that leaves a file. It is short, because messages cut texts.
TEMPLATE = "{{ lookup('pipe', 'touch CANARY') }}"

KINDS = {
    "template": TEMPLATE,
    "statement": "{% set x = lookup('pipe', 'touch CANARY') %}{# no #}{%- raw %}{{{% x",
    "template with other delimiters": "#jinja2: variable_start_string:'[['\n[[ 7 * 7 ]]{{ 7 }}",
    "escape": "\x1b[2J\x1b]0;title\x07\x1b]8;;https://evil.example\x1b\\",
    "C1": "\x9b2J\x9d0;title\x9c",
    "bidi": "\u202egnp\u2066\u2069\u061c",
    "zero width": "a\u200bb\ufeff\u2060\xad\u180e\U000e0041",
    "filler": "\u3164\u2800\u115f\ufe0f\uffa0",
    "lines": "x\nok: [localhost]\r\n\x0b\x0c\x85\u2028\u2029y\x00",
    "half of a character": "\ud83d",
    "GitHub": "::error::x ::add-mask::y\n::stop-commands::z",
    "GitHub, older": "##[error]x##[add-mask]y",
    "Azure": "##vso[task.setvariable variable=x]y",
    "TeamCity": "##teamcity[buildStatus status='SUCCESS']",
    "GitLab": "section_start:1700000000:x\r\x1b[0Ky",
    "Jenkins": "\x1b[8mha:AAAA\x1b[0m",
    "Ansible": "__ansible_type",
}

# What decides how a rollout goes on, and what a client asks by.
_KEPT = {"success", "jobid", "productkey", "firmwareid", "taskstatus", "jobstatus", "status", "progress", "timestamp"}
_NAMES = {"devicename", "iotid"}


def poison(value: Any, text: str, names: bool = False, name: str = "") -> Any:
    """A response with ``text`` at both ends of all texts but those that decide how a rollout goes on, and in fields and
    names that are not documented. ``names`` of devices are left alone unless they are wanted.
    """
    if isinstance(value, dict):
        known = {key: poison(item, text, names, key) for key, item in value.items()}
        return {
            **known,
            text: text,
            f"__{text}": {text: [text]},
            "__ansible_type": text,
            "Odd": {"__ansible_unsafe": text},
        }
    if isinstance(value, list):
        return [poison(item, text, names, name) for item in value]
    key = name.lower()
    is_kept = key in _KEPT or key.startswith("utc") or (key in _NAMES and not names)
    return value if is_kept or not isinstance(value, str) else f"{text}{value} {text}"


def poisoned(body: bytes, text: str, names: bool = False) -> bytes:
    """The same with bytes in JSON."""
    return json.dumps(poison(json.loads(body), text, names)).encode()


def refusal(text: str) -> dict[str, Any]:
    """A response that refuses, in the service's way."""
    return poison({"Success": False, "Code": "x", "ErrorMessage": "x", "RequestId": "x"}, text)


def texts_in(value: Any) -> Iterator[tuple[str, bool]]:
    """All texts in ``value``, and whether each is a key."""
    if isinstance(value, str):
        yield value, False
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key), True
            yield from texts_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)


def harmful(value: Any) -> list[str]:
    """The texts in ``value`` that something could take for more than text, or that show something else than they are.

    A tab separates the parts of some keys.
    """
    return [text for text, is_key in texts_in(value) if _is_harmful(text.replace("\t", "") if is_key else text)]


def _is_harmful(text: str) -> bool:
    invisible = set("\u115f\u1160\u2800\u3164\uffa0") | {chr(number) for number in range(0xFE00, 0xFE10)}
    return (
        any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or char in invisible for char in text)
        or re.search(r"\{\{|\{%|\{#|#jinja2:|##\w*\[|(?:^|\s)::", text, re.IGNORECASE) is not None
        or re.match("_+ansible_", text) is not None
    )
