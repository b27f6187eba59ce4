# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Network errors: from the types of exceptions to errors that a person can act on."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .._errors import OtaError, Retry
from .connections import TunnelError

try:
    import urllib3
except ImportError:  # the transport reports it
    urllib3 = None  # type: ignore[assignment]

#: HTTP status with which a proxy requires authentication.
PROXY_AUTHENTICATION_REQUIRED = 407
#: HTTP status with which a network requires a login before anything is let through.
NETWORK_AUTHENTICATION_REQUIRED = 511
#: OpenSSL's numbers for a certificate whose time has not come yet, and for one whose time is over.
_NOT_YET_VALID, _EXPIRED = 9, 10

#: How a connection ends when the other side leaves, in TLS and without.
_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def host_and_port(url: str) -> str:
    """The only part of ``url`` that anybody may see."""
    return urlsplit(url).netloc.rpartition("@")[2]


def all_causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it wraps: requests and urllib3 wrap each other's errors in several ways."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def place_of(url: str, proxy: str | None) -> str:
    """Host and port of ``url``, and those of the ``proxy`` on the way, because what went wrong may be its fault."""
    return f"{host_and_port(url)} (through the proxy {proxy})" if proxy else host_and_port(url)


def network_error(error: BaseException, url: str, proxy: str | None) -> OtaError:
    """The first explanation of ``error`` that fits, from the most to the least specific type of exception."""
    place = place_of(url, proxy)
    causes = list(all_causes(error))
    # Not every version of urllib3 names it, but where there is a proxy, it is what the connection is made to.
    connecting = (urllib3.exceptions.ConnectTimeoutError, urllib3.exceptions.NewConnectionError) if proxy else ()
    if any(isinstance(cause, (urllib3.exceptions.ProxyError, TunnelError, *connecting)) for cause in causes):
        return _proxy_error(causes, host_and_port(url), proxy)
    for kinds, explain in (
        ((ssl.SSLCertVerificationError, urllib3.connection.CertificateError), certificate_error),  # type: ignore[attr-defined]
        (_CLOSED, broken_error),
        (ssl.SSLError, tls_error),
        (urllib3.exceptions.SSLError, tls_error),
        (socket.gaierror, unknown_host_error),
        (ConnectionRefusedError, refused_error),
        (urllib3.exceptions.ConnectTimeoutError, connect_timeout_error),
        ((urllib3.exceptions.TimeoutError, socket.timeout), timeout_error),
        (http.client.IncompleteRead, broken_error),
        (http.client.HTTPException, not_http_error),
    ):
        for cause in causes:
            if isinstance(cause, kinds):
                return explain(place, cause)
    # Only the error itself, because http.client wraps those that it meets in a response.
    return bad_url_error(place) if isinstance(error, ValueError) else broken_error(place)


def proxy_problems() -> tuple[tuple[Any, str, bool], ...]:
    """What is wrong with a proxy, from the most to the least specific exception, and whether it is transient."""
    return (
        (ssl.SSLCertVerificationError, "has an untrusted certificate", False),
        (_CLOSED, "closed the connection", True),
        ((urllib3.exceptions.SSLError, ssl.SSLError), "failed the TLS handshake", False),
        (socket.gaierror, "is an unknown host", True),
        (ConnectionRefusedError, "refused the connection", True),
        ((urllib3.exceptions.TimeoutError, socket.timeout), "did not respond in time", True),
        (http.client.HTTPException, "sent no valid HTTP response", True),
        (BaseException, "cannot be used", True),
    )


def _proxy_error(causes: list[BaseException], place: str, proxy: str | None) -> OtaError:
    for cause in causes:
        if isinstance(cause, TunnelError) and cause.status:
            return proxy_status_error(place, proxy, cause.status, cause.schemes)
    problem, transient = next(
        (problem, transient)
        for kinds, problem, transient in proxy_problems()
        if any(isinstance(cause, kinds) for cause in causes)
    )
    return OtaError(
        f"{_name_proxy(place, proxy)} {problem}",
        code="proxy_failed",
        hint=f"check {_PROXY_SETTINGS}",
        retry=Retry.LATER if transient else Retry.NEVER,
        affects_all=not transient,
    )


def proxy_status_error(place: str, proxy: str | None, status: int, schemes: tuple[str, ...] = ()) -> OtaError:
    """A proxy returned ``status`` itself, and offered these ``schemes`` of authentication, in lower case."""
    name = _name_proxy(place, proxy)
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return _password_error(name, status, schemes)
    if status == NETWORK_AUTHENTICATION_REQUIRED:
        return OtaError(
            f"{name} requires a login to the network (HTTP {status})",
            code="proxy_authentication",
            hint="log in to the network of this machine, because its portal responds there",
            http_status=status,
            affects_all=True,
        )
    if status < 500:
        return OtaError(
            f"{name} denied the connection (HTTP {status})",
            code="proxy_denied",
            hint=f"ask the proxy's administrator to allow it, or check {_PROXY_SETTINGS}",
            http_status=status,
            affects_all=True,
        )
    return OtaError(
        f"{name} could not connect to it (HTTP {status})",
        code="proxy_failed",
        hint="check host and port of endpoint, and that the proxy can reach it",
        http_status=status,
        retry=Retry.LATER,
    )


def _password_error(name: str, status: int, schemes: tuple[str, ...]) -> OtaError:
    if schemes and "basic" not in schemes:
        return OtaError(
            f"{name} does not accept a user name and a password by the scheme Basic (HTTP {status})",
            code="proxy_authentication",
            hint="let its administrator allow Basic or this machine, because no other scheme is supported",
            http_status=status,
            affects_all=True,
        )
    return OtaError(
        f"{name} requires a user name and a password, or rejects the given ones (HTTP {status})",
        code="proxy_authentication",
        hint=f"write them like http://user:password@host:port into {_PROXY_SETTINGS}, with special characters"
        " percent-encoded, such as %40 for @",
        http_status=status,
        affects_all=True,
    )


_PROXY_SETTINGS = "the option proxy, or the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


def _name_proxy(place: str, proxy: str | None) -> str:
    return f"the proxy {proxy} on the way to {place}" if proxy else f"the proxy on the way to {place}"


def certificate_error(place: str, cause: BaseException) -> OtaError:
    number = getattr(cause, "verify_code", None)
    if number in (_NOT_YET_VALID, _EXPIRED):
        state = "has expired" if number == _EXPIRED else "is not valid yet"
        return OtaError(
            f"the certificate of {place}, or that of its authority, {state}",
            code="certificate_not_trusted",
            hint="check the clock of the machine that runs the module, and have the certificate renewed if it is right",
            affects_all=True,
        )
    return OtaError(
        f"the certificate of {place} is not trusted ({getattr(cause, 'verify_message', '') or 'verification failed'})",
        code="certificate_not_trusted",
        hint="give the certificate of its authority in ca_path, or check that endpoint is the right host",
        affects_all=True,
    )


def tls_error(place: str, cause: BaseException) -> OtaError:
    reason = str(getattr(cause, "reason", None) or "")  # one of OpenSSL's own names
    if re.search("ALERT_INTERNAL_ERROR|BAD_RECORD_MAC", reason):  # of this connection only
        return broken_error(place)
    if re.search("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|LEGACY_SIGALG", reason):
        return _tls_failed(
            f"{place} and this machine have no version of TLS in common", "let the service speak TLS 1.2 or newer"
        )
    if reason.endswith("CERTIFICATE_REQUIRED"):
        return _tls_failed(
            f"{place} requires a certificate of its clients, and none can be given", "let it accept clients without one"
        )
    if reason.endswith("HANDSHAKE_FAILURE"):
        return _tls_failed(
            f"{place} refused the TLS connection",
            "check that it accepts the ciphers of this machine, and clients without a certificate",
        )
    return _tls_failed(
        f"a TLS connection to {place} cannot be established",
        "check that endpoint speaks https, and that ca_path holds certificates in PEM format",
    )


def _tls_failed(cause: str, hint: str) -> OtaError:
    return OtaError(cause, code="tls_failed", hint=hint, affects_all=True)


def broken_error(place: str, cause: BaseException | None = None) -> OtaError:
    return OtaError(
        f"the connection to {place} failed, or broke before the response was complete",
        code="connection_broken",
        hint="try again, or check the network and proxy",
        retry=Retry.LATER,
    )


def not_http_error(place: str, cause: BaseException) -> OtaError:
    if getattr(cause, "line", "").startswith("\x15\x03"):
        return _tls_failed(f"{place} speaks TLS, and was called over plain http", "write https:// in endpoint")
    return OtaError(
        f"{place} sent no valid HTTP response",
        code="connection_broken",
        hint="try again, or check host, port and scheme of endpoint, and proxy",
        retry=Retry.LATER,
    )


def unknown_host_error(place: str, cause: BaseException) -> OtaError:
    transient = isinstance(cause, OSError) and cause.errno == socket.EAI_AGAIN
    return OtaError(
        f"the host {place} is unknown",
        code="unknown_host",
        hint="check endpoint or region, and that this machine can resolve names",
        retry=Retry.LATER if transient else Retry.NEVER,
        affects_all=not transient,
    )


def refused_error(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"{place} refused the connection",
        code="connection_refused",
        hint="check host and port of endpoint, and that the service runs",
        retry=Retry.LATER,
    )


def timeout_error(place: str, cause: BaseException | None = None) -> OtaError:
    return OtaError(
        f"{place} did not send a complete response in time",
        code="timeout",
        hint="check endpoint and network, or raise timeout, connect_timeout or read_timeout",
        retry=Retry.LATER,
    )


def connect_timeout_error(place: str, cause: BaseException) -> OtaError:
    return OtaError(
        f"{place} did not accept a connection in time",
        code="connect_timeout",
        hint="check endpoint, network and firewall, give a proxy if one is needed, or raise connect_timeout",
        retry=Retry.LATER,
    )


def bad_url_error(place: str) -> OtaError:
    return OtaError(
        f"{place} cannot be called, because its URL or the proxy's is not valid",
        code="invalid_url",
        hint="check endpoint and proxy; both look like https://host:port",
        affects_all=True,
    )
