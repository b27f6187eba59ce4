# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._result.links import MAX_LINKS, read_links

CONSOLE = {"title": "Console", "url": "https://console.example.com/ota?x=1#y"}
RUNBOOK = {"title": "Runbook", "url": "http://wiki.example.com/"}
SHAPE = "give a list of {title, url}, or a dictionary of URLs by their titles"


@pytest.mark.parametrize(
    "given",
    [
        [CONSOLE, RUNBOOK],
        (CONSOLE, RUNBOOK),
        {"Console": CONSOLE["url"], "Runbook": RUNBOOK["url"]},
        json.dumps([CONSOLE, RUNBOOK]),
        json.dumps({" Console ": CONSOLE["url"], "Runbook": f" {RUNBOOK['url']} "}),
    ],
)
def test_links(given):
    assert read_links(given) == ([CONSOLE, RUNBOOK], "")


@pytest.mark.parametrize("given", [None, "", " ", [], {}, ()])
def test_no_links(given):
    assert read_links(given) == ([], "")


WEB = "give one that begins with https:// or http://"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("javascript:alert(1)", f'has no valid URL for "Console"; {WEB}'),
        ("data:text/html,x", f'has no valid URL for "Console"; {WEB}'),
        ("//console.example.com", f'has no valid URL for "Console"; {WEB}'),
        ("console.example.com", f'has no valid URL for "Console"; {WEB}'),
        ("https://", f'has no valid URL for "Console"; {WEB}'),
        ("https://[x", f'has no valid URL for "Console"; {WEB}'),
        ('https://a.example/"><script>', f'has no valid URL for "Console"; {WEB}'),
        ("https://a.example/a b", f'has no valid URL for "Console"; {WEB}'),
        ("https://a.example/\x07", f'has no valid URL for "Console"; {WEB}'),
        (f"https://a.example/{'x' * 2000}", f'has no valid URL for "Console"; {WEB}'),
        ("", f'has no valid URL for "Console"; {WEB}'),
        (None, f'has no valid URL for "Console"; {WEB}'),
        (7, f'has no valid URL for "Console"; {WEB}'),
        (
            "https://me:secret@a.example/",
            'has a URL with a user name for "Console"; leave the name out, because anybody may read the report',
        ),
    ],
)
def test_urls_that_lead_nowhere(url, problem):
    links, found = read_links([{"title": "Console", "url": url}, RUNBOOK])
    assert (links, found) == ([RUNBOOK], problem)
    assert "secret" not in found


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{", f"is no list; {SHAPE}"),
        ("7", f"is no list of links; {SHAPE}"),
        (7, f"is no list of links; {SHAPE}"),
        (["https://a.example"], f"is no list of links; {SHAPE}"),
        ([{"title": "Console"}], f"is no list of links; {SHAPE}"),
        ([{**CONSOLE, "target": "x"}], f"is no list of links; {SHAPE}"),
        ([{"title": " ", "url": CONSOLE["url"]}], "has a link without a title; give one"),
        ([CONSOLE] * (MAX_LINKS + 1), "has 21 links; give at most 20"),
    ],
)
def test_what_is_no_list_of_links(given, problem):
    assert read_links(given) == ([], problem)
