# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sentences for what goes wrong on the network."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .._errors import OtaError, Retry

try:
    import urllib3
except ImportError:  # the transport says so
    urllib3 = None  # type: ignore[assignment]

#: The HTTP status by which a proxy asks who it is.
PROXY_ASKS = 407


def _place(url: str) -> str:
    """The host and port of ``url``: all of it that may be seen."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it was made from: requests and urllib3 wrap each other's errors in several ways."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _explain(causes: list[BaseException], place: str, proxy: str | None) -> OtaError:
    """The first explanation that fits, from the most to the least telling type of exception."""
    # Not every version of urllib3 says so, but where there is a proxy, it is what is connected to.
    about_proxy = (urllib3.exceptions.ProxyError, *((urllib3.exceptions.ConnectTimeoutError,) if proxy else ()))
    if any(isinstance(cause, about_proxy) for cause in causes):
        return _proxy(causes, place, proxy)
    for kinds, explain in (
        ((ssl.SSLCertVerificationError, urllib3.connection.CertificateError), _certificate),  # type: ignore[attr-defined]
        ((urllib3.exceptions.SSLError, ssl.SSLError), _tls),
        (socket.gaierror, _unknown_host),
        (ConnectionRefusedError, _refused),
        (urllib3.exceptions.ConnectTimeoutError, _no_connection),
        ((urllib3.exceptions.TimeoutError, socket.timeout), _timeout),
        (ValueError, _bad_url),
    ):
        for cause in causes:
            if isinstance(cause, kinds):
                return explain(place, cause)
    return OtaError(
        f"the connection to {place} could not be made, or broke before the answer was whole",
        code="connection_broken",
        hint="ask again, or check the network and proxy",
        retry=Retry.LATER,
    )


def _proxy_problems() -> tuple[tuple[Any, str, bool], ...]:
    """What exceptions say of a proxy, from the most to the least telling type, and whether that may pass."""
    return (
        (ssl.SSLCertVerificationError, "has a certificate that is not trusted", False),
        ((urllib3.exceptions.SSLError, ssl.SSLError), "makes no TLS connection", False),
        (socket.gaierror, "is an unknown host", True),
        (ConnectionRefusedError, "refuses connections", True),
        ((urllib3.exceptions.TimeoutError, socket.timeout), "does not answer in time", True),
        (BaseException, "cannot be used", True),
    )


def _proxy(causes: list[BaseException], place: str, proxy: str | None) -> OtaError:
    for cause in causes:  # the one status that has no type of its own
        refusal = re.match(r"Tunnel connection failed: (\d{3})\b", str(cause)) if isinstance(cause, OSError) else None
        if refusal:
            return _proxy_says(place, proxy, int(refusal[1]))
    problem, passing = next(
        (problem, passing)
        for kinds, problem, passing in _proxy_problems()
        if any(isinstance(cause, kinds) for cause in causes)
    )
    return OtaError(
        f"{_on_the_way(place, proxy)} {problem}",
        code="proxy_failed",
        hint=f"check {_WHERE_PROXIES_ARE}",
        retry=Retry.LATER if passing else Retry.NEVER,
        systemic=not passing,
    )


def _proxy_says(place: str, proxy: str | None, status: int) -> OtaError:
    """What a proxy means that answered itself."""
    way = _on_the_way(place, proxy)
    if status == PROXY_ASKS:
        return OtaError(
            f"{way} wants a user name and a password, or others than were given (HTTP {status})",
            code="proxy_authentication",
            hint=f"write them like http://user:password@host:port into {_WHERE_PROXIES_ARE}, with special characters"
            " percent-encoded, such as %40 for @",
            http_status=status,
            systemic=True,
        )
    if status < 500:
        return OtaError(
            f"{way} does not let it pass (HTTP {status})",
            code="proxy_denied",
            hint=f"let the proxy's administrator allow it, or check {_WHERE_PROXIES_ARE}",
            http_status=status,
            systemic=True,
        )
    return OtaError(
        f"{way} does not get through to it (HTTP {status})",
        code="proxy_failed",
        hint="check host and port of endpoint, and that the proxy can reach it",
        http_status=status,
        retry=Retry.LATER,
    )


_WHERE_PROXIES_ARE = "the option proxy, or the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


def _on_the_way(place: str, proxy: str | None) -> str:
    return f"the proxy {proxy} on the way to {place}" if proxy else f"the proxy on the way to {place}"


def _certificate(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"the certificate of {place} is not trusted ({getattr(cause, 'verify_message', '') or 'verification failed'})",
        code="certificate_not_trusted",
        hint="give the certificate of its authority in ca_path, or check that endpoint is the right host",
        systemic=True,
    )


def _tls(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"no TLS connection to {place} can be made",
        code="tls_failed",
        hint="check that endpoint speaks https, and that ca_path holds certificates in PEM format",
        systemic=True,
    )


def _unknown_host(place: str, cause: BaseException) -> OtaError:
    passing = isinstance(cause, OSError) and cause.errno == socket.EAI_AGAIN
    return OtaError(
        f"the host {place} is unknown",
        code="unknown_host",
        hint="check endpoint or region, and that this machine can resolve names",
        retry=Retry.LATER if passing else Retry.NEVER,
        systemic=not passing,
    )


def _refused(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"{place} refuses connections",
        code="connection_refused",
        hint="check host and port of endpoint, and that the service runs",
        retry=Retry.LATER,
    )


def _timeout(place: str, cause: BaseException | None = None) -> OtaError:
    return OtaError(
        f"{place} gave no whole answer in time",
        code="timeout",
        hint="check endpoint and network, or raise timeout, connect_timeout or read_timeout",
        retry=Retry.LATER,
    )


def _no_connection(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"{place} did not accept a connection in time",
        code="connect_timeout",
        hint="check endpoint, network and firewall, give a proxy if one is needed, or raise connect_timeout",
        retry=Retry.LATER,
    )


def _bad_url(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"{place} cannot be asked, because its URL or the proxy's is not valid",
        code="invalid_url",
        hint="check endpoint and proxy, which look like https://host:port",
        systemic=True,
    )
