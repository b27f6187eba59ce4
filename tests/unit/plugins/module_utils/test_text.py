# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._text import printable, printable_facts, printable_name
from hypothesis import given
from hypothesis import strategies as st

COMMANDS = st.sampled_from(
    [
        "{",
        "{{",
        "{%",
        "{#",
        "#",
        "##[",
        "##vso[",
        "::",
        ":",
        "#jinja2:",
        " ",
        "\x1b[31m",
        "\u202e",
        "é",
        "__ansible_",
        "_",
    ]
)


@pytest.mark.parametrize(
    "text", ["plain", "客厅 灯", "v1.2.3", "fe80::1", 'a {"b": {"c": 1}}', "50 % #1", "C:\\x", "é", "_x", "__x__", "a{"]
)
def test_ordinary_text_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\r\nd", "a b c  d"),
        ("a\u3000b\u00a0c\u2028d", "a b c d"),
        ("\x1b[2J\x07\x9b31m", "�[2J��31m"),
        ("\u202eabc\u2066\u200b\ufeff\u3164", "�abc����"),
        ("{{ x }} {% x %} {# x #} {{{", "{ { x }} { % x %} { # x #} { { {"),
        ("#jinja2:variable_start_string:'['", "# jinja2:variable_start_string:'['"),
        ("::error::x", ": :error::x"),
        ("said ::set-env name=a::b", "said : :set-env name=a::b"),
        ("##[error]x ##vso[task.x] ###[x]", "# #[error]x # #vso[task.x] ## #[x]"),
        ("##teamcity[x] ##my-own.word[", "# #teamcity[x] # #my-own.word["),
        ("__ansible_type", "ansible_type"),
        ("_Ansible_unsafe", "Ansible_unsafe"),
        ("section_start:1:x\r\x1b[0K", "section_start:1:x �[0K"),
        ("\u115f\u2800\ufe0f\U0001d159\U000e0020\xad\ud800\ue000", "��������"),
        ("a" * 4095 + "{{", "a" * 4095 + "…"),
        ("a" * 4094 + "{{", "a" * 4094 + "{…"),
        ("a" * 9000, "a" * 4095 + "…"),
    ],
)
def test_text_that_pretends(text, shown):
    assert printable(text) == shown


@given(st.one_of(st.text(), st.lists(COMMANDS, max_size=30).map("".join)), st.integers(2, 50))
def test_nothing_is_left_and_twice_is_once(text, limit):
    shown = printable(text, limit)
    assert printable(shown, limit) == shown
    assert shown.isprintable()
    assert len(shown) <= limit
    assert not re.search(r"\{[{%#]|##[\w.-]{0,40}\[|(?<!\S)::|#jinja2|\A_+ansible_", shown, re.IGNORECASE)


@given(st.text())
def test_names_have_no_meaning_to_ansible(name):
    shown = printable_name(name)
    assert 0 < len(shown) <= 100
    assert not shown.startswith("__")


def test_facts_at_any_depth():
    facts = {"__ansible_type": [{"a\x1b": "{{ b }}", "n": 1}], "t": ("\x9b",), "x": None}
    assert printable_facts(facts) == {"ansible_type": [{"a�": "{ { b }}", "n": 1}], "t": ["�"], "x": None}
