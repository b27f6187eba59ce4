# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of values that several folders share: texts, numbers, URLs, and the proxy of the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from urllib.parse import urlsplit
from urllib.request import (  # type: ignore[attr-defined]
    getproxies_environment,
    proxy_bypass_environment,
)

from ._errors import OtaError
from ._text import printable

#: Schemes of proxies; SOCKS needs a library that requests does not install.
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


def check_unicode(name: str, text: str) -> None:
    """:raises OtaError: ``text``, the value of ``name``, cannot be written in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid_option(f"{name} is not valid Unicode", "check the file or variable it comes from") from None


def check_number(name: str, number: float, least: float, most: float) -> None:
    """:raises OtaError: ``number``, the value of the option ``name``, is out of its bounds."""
    if not least <= number <= most:
        raise invalid_option(f"{name} is {str(number)[:20]}", f"it must be between {least} and {most}")


def number_option(name: str, value: object, whole: bool = False) -> float | int:
    """The number ``value`` of the option ``name``, also where it is written as text, and a ``whole`` one as an integer.

    :raises OtaError: it is none. It may be infinite, or no number by its bounds.
    """
    number: float | int | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        with suppress(ValueError):
            number = int(value) if re.fullmatch(r"[-+]?\d{1,30}", value.strip()) else float(value)
    if number is None:
        raise invalid_option(f"{name} is {_shown(value)}", "give a number")
    if not whole or isinstance(number, int):
        return number
    if not number.is_integer():
        raise invalid_option(f"{name} is {_shown(value)}", "give a whole number")
    return int(number)


def switch_option(name: str, value: object) -> bool:
    """The boolean ``value`` of the option ``name``, also where it is written as text, in the words that Ansible takes.

    :raises OtaError: it is none.
    """
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("true", "yes", "on", "y", "t", "1"):
        return True
    if word in ("false", "no", "off", "n", "f", "0"):
        return False
    raise invalid_option(f"{name} is {_shown(value)}", "give true or false")


def _shown(value: object) -> str:
    """A ``value`` as an error shows it."""
    return printable(str(value)[:20]) or '""'


def check_quoted(name: str, value: object) -> None:
    """:raises OtaError: ``value``, that of the option ``name``, should be text and is a number, a boolean or a date."""
    if isinstance(value, (int, float, date)):
        kind = "boolean" if isinstance(value, bool) else "date" if isinstance(value, date) else "number"
        raise invalid_option(
            f"{name} is the {kind} {str(value).lower()[:40]}, and YAML may have changed what was written",
            "write it in quotes",
        )


def text_option(name: str, value: object) -> str:
    """The text ``value`` of the option ``name``, without surrounding blanks.

    :raises OtaError: it is blank or no text.
    """
    check_quoted(name, value)
    if not isinstance(value, str):
        raise invalid_option(f"{name} is not text", "write it in quotes")
    return non_blank_text(name, value)


def clean_text(text: str) -> str:
    """``text`` from a file or variable, without blanks and one pair of quotes around it, which are of its notation."""
    plain = text.strip()
    quoted = len(plain) > 1 and plain[0] == plain[-1] and plain[0] in "\"'"
    return plain[1:-1].strip() if quoted else plain


def is_local(url: str, proxy: str | None) -> bool:
    """Whether requests for ``url`` do not leave this machine, by the ``proxy`` or by that of the environment."""
    hosts = [urlsplit(place).hostname or "" for place in (url, proxy_url(proxy or _environment_proxy(url))) if place]
    return all(host == "localhost" or _is_loopback(host) for host in hosts)


def _environment_proxy(url: str) -> str | None:
    """The proxy for ``url`` by the environment."""
    if proxy_bypass_environment(urlsplit(url).hostname or ""):
        return None
    proxies = getproxies_environment()
    return proxies.get(urlsplit(url).scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_url(proxy: str | None) -> str | None:
    """The URL of the proxy, or ``None`` without one.

    :raises OtaError: it is not a URL, most often because its password is not percent-encoded.
    """
    given = (proxy or "").strip()
    if not given:
        return None
    url = given if "://" in given else f"http://{given}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PROXY_SCHEMES and parts.hostname and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or any(char.isspace() for char in url):
        raise invalid_option(
            "proxy is not the URL of a proxy",
            "write it like http://host:port or http://user:password@host:port, with special characters of name and"
            " password percent-encoded, such as %40 for @, %2F for / and %23 for #",
        )
    return url


def non_blank_text(name: str, text: str) -> str:
    """The ``text`` of the option ``name``, without surrounding blanks.

    :raises OtaError: it is blank.
    """
    if not text.strip():
        raise invalid_option(f"{name} is blank", "check the variable it comes from")
    return text.strip()


def non_blank(name: str, entries: Sequence[str] | None) -> list[str]:
    """The ``entries`` of the option ``name``, without surrounding blanks.

    :raises OtaError: the list is empty, or an entry is blank.
    """
    if not entries:
        raise invalid_option(f"{name} is empty", f"name at least one in {name}, or skip the task when there is none")
    for position, entry in enumerate(entries, 1):
        if not entry.strip():
            raise invalid_option(f"entry {position} of {name} is blank", "check the variable it comes from")
    return [entry.strip() for entry in entries]


def invalid_option(cause: str, hint: str, code: str = "invalid_option") -> OtaError:
    """An option that cannot be used."""
    return OtaError(cause, code=code, hint=hint)


def is_http_url(uri: str) -> bool:
    """Whether ``uri`` is the URL of something that speaks HTTP."""
    try:
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
