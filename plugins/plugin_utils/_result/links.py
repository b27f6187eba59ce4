# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The links that users give to a report. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...module_utils._text import printable
from .reading import text_of

#: Maximum number of links, and maximum length of a URL.
MAX_LINKS = 20
MAX_URL = 2000
#: Show this many characters of what is wrong.
MAX_SHOWN = 100

_SHAPE = "give a list of {title, url}, or a dictionary of URLs by their titles"


def read_links(given: Any) -> tuple[list[dict[str, str]], str]:
    """The links that are given, and what is wrong with the first that cannot be one; empty if nothing is."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else []
        except ValueError:
            return [], f"is no list; {_SHAPE}"
    pairs = _pairs([] if given is None else given)
    if pairs is None:
        return [], f"is no list of links; {_SHAPE}"
    if len(pairs) > MAX_LINKS:
        return [], f"has {len(pairs):,} links; give at most {MAX_LINKS}"
    faults = [link_fault(title, url) for title, url in pairs]
    sound = [{"title": title, "url": url} for (title, url), fault in zip(pairs, faults) if not fault]
    return sound, next(filter(None, faults), "")


def _pairs(given: Any) -> list[tuple[str, str]] | None:
    if isinstance(given, Mapping):
        given = [{"title": title, "url": url} for title, url in given.items()]
    if not isinstance(given, (list, tuple)):
        return None
    if not all(isinstance(link, Mapping) and link.keys() == {"title", "url"} for link in given):
        return None
    return [(text_of(link["title"]).strip(), text_of(link["url"]).strip()) for link in given]


def link_fault(title: str, url: str) -> str:
    """Why a report may not link there; empty if it may. It does not show the URL, which may hold a password."""
    name = printable(title, MAX_SHOWN)
    if not title:
        return "has a link without a title; give one"
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return f'has no valid URL for "{name}"; give one that begins with https:// or http://'
    if "@" in parts.netloc:
        return f'has a URL with a user name for "{name}"; leave the name out, because anybody may read the report'
    if not is_web or not _is_plain(url):
        return f'has no valid URL for "{name}"; give one that begins with https:// or http://'
    return ""


def _is_plain(url: str) -> bool:
    return len(url) <= MAX_URL and url.isprintable() and not any(char.isspace() or char in "\"'<>\\`" for char in url)
