# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of values that several folders share: texts, numbers, URLs, and the proxy on the way to one."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment

from ._errors import OtaError
from ._text import printable

#: Schemes of proxies; SOCKS needs a library that requests does not install.
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

#: Ports that a URL need not name.
_PORTS = {"http": 80, "https": 443}

#: A user, a host, or an address in brackets with or without a zone, and a port.
_AUTHORITY = re.compile(r"\A([^\[\]]*@)?([\w.~-]+|\[[0-9a-f:.]+(%[\w.~-]+)?\])(:[0-9]*)?", re.ASCII | re.IGNORECASE)


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


def split_url(url: str) -> SplitResult:
    """The parts of ``url``, which all parsers read alike, so that the host that is checked is the one that is called.

    :raises ValueError: there is no host, or another parser may find another one.
    """
    parts = urlsplit(url)
    odd = "\\" in url or any(char.isspace() or not char.isprintable() for char in url)
    if odd or not _AUTHORITY.fullmatch(parts.netloc) or parts.port == 0:
        raise ValueError("not a URL that all read alike")
    return parts


def host_header(url: str) -> str:
    """Host and port of ``url`` as a request names them; the zone of an address means nothing on another machine."""
    place, zone, rest = urlsplit(url).netloc.rpartition("@")[2].partition("%")
    return f"{place}]{rest.partition(']')[2]}" if zone else place


def is_local(url: str, proxy: str | None) -> bool:
    """Whether requests for ``url`` do not leave this machine, by the ``proxy`` or by that of the environment."""
    hosts = [split_url(place).hostname or "" for place in (url, proxy_of(url, proxy)) if place]
    return all(host == "localhost" or _is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(url: str, proxy: str | None = None) -> str | None:
    """The URL of the proxy that requests for ``url`` go through: ``proxy``, or else that of the environment, if any.

    :raises OtaError: it is not a URL.
    """
    given = proxy_url(proxy)
    if given:
        return given
    found = getproxies_environment()
    scheme = split_url(url).scheme
    name = scheme if found.get(scheme) else "all"
    if not found.get(name) or _is_exempt(url, found.get("no", "")):
        return None
    return proxy_url(found[name], f"the environment variable {name.upper()}_PROXY")


def _is_exempt(url: str, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names the host of ``url``: itself, its domain or network, with or without its port."""
    parts = split_url(url)
    host, port = (parts.hostname or "").rstrip("."), str(parts.port or _PORTS.get(parts.scheme))
    for entry in filter(None, re.split(r"[\s,]+", no_proxy.lower())):
        named, exempt_port = entry, ""
        if with_port := re.fullmatch(r"\A(?:\[(.*)\](?::(\d+))?|([^:]*):(\d+))", entry):
            named, exempt_port = with_port[1] or with_port[3], with_port[2] or with_port[4]
        if exempt_port in ("", None, port) and (named == "*" or _is_within(host, named)):
            return True
    return False


def _is_within(host: str, named: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(named, strict=False)
    except ValueError:
        domain = named.lstrip("*").strip(".")
        return bool(domain) and f".{host}".endswith(f".{domain}")


def proxy_url(proxy: str | None, name: str = "proxy") -> str | None:
    """The URL of the proxy that ``name`` holds, or ``None`` without one.

    :raises OtaError: it is not a URL, most often because its password is not percent-encoded.
    """
    given = (proxy or "").strip()
    if not given:
        return None
    url = given if "://" in given else f"http://{given}"
    try:
        parts = split_url(url)
        usable = parts.scheme in PROXY_SCHEMES and parts.path in ("", "/") and not set("?#") & set(url)
    except ValueError:
        usable = False
    if not usable:
        raise OtaError(
            f"{name} is not the URL of a proxy",
            code="invalid_option",
            hint="write it like http://host:port or http://user:password@host:port, with special characters of name"
            " and password percent-encoded, such as %40 for @, %2F for / and %23 for #",
            affects_all=True,
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
        return split_url(uri).scheme in ("http", "https")
    except ValueError:
        return False
