# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one user of requests: pooled connections, TLS, proxy, time limits.

A request's URL holds its signature, and requests and urllib3 repeat the URL in their errors and logs. So no text of an
exception ever leaves this folder; what went wrong is derived from the types of the exceptions alone.
"""

from __future__ import annotations

import base64
import functools
import logging
import math
import os
import re
import socket
import threading
import traceback
from collections.abc import Mapping
from http.client import HTTPException
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from .._errors import MissingLibraryError, OtaError
from .._validation import host_header, proxy_of
from .bodies import read_body
from .connections import Attempt, offered_schemes, pool_class
from .network_errors import (
    PROXY_AUTHENTICATION_REQUIRED,
    all_causes,
    host_and_port,
    network_error,
    place_of,
    proxy_status_error,
    timeout_error,
)
from .workers import WorkerPool

try:
    import requests
    import urllib3
except ImportError:
    HAS_REQUESTS = False
else:
    HAS_REQUESTS = True

    class _Adapter(requests.adapters.HTTPAdapter):
        """The adapter of requests, with connections of our own, and every character of a password."""

        def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
            super().init_poolmanager(*arguments, **keywords)
            self.poolmanager.pool_classes_by_scheme = _pool_classes(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **keywords: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **keywords)
            manager.pool_classes_by_scheme = _pool_classes(manager)
            return manager

        def proxy_headers(self, proxy: str) -> dict[str, str]:
            """The header that a proxy expects for the name and the password in its URL."""
            parts = urlsplit(proxy)
            if not parts.username:
                return {}
            both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            return {"Proxy-Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


#: Maximum size of a response's body in bytes. A full page has about 50 KiB, and 500 KiB with the longest texts.
MAX_BODY = 1024 * 1024
#: Maximum number of requests in flight, and of idle connections that are kept for later ones.
MAX_IN_FLIGHT = 16
#: Seconds to connect by default; an address that is silent for longer hardly ever responds later.
CONNECT_TIMEOUT = 10.0
HEADERS = {"User-Agent": "iotfleet.ota", "Accept": "*/*", "Accept-Encoding": "identity"}


class Response(NamedTuple):
    """A response: headers by lower-case name, and the complete body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests over pooled connections. Safe to use from threads.

    A ``direct`` one uses no proxy, whatever the environment sets.
    """

    def __init__(
        self,
        validate_certs: bool = True,
        ca_path: str | None = None,
        proxy: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float | None = None,
        direct: bool = False,
    ) -> None:
        if not HAS_REQUESTS:
            raise MissingLibraryError("requests")
        if ca_path and not os.path.exists(ca_path):
            raise OtaError(
                f"there is no file or folder {ca_path}",
                code="missing_ca_path",
                hint="name an existing one in ca_path, on the machine that runs the module",
            )
        _check_folder(ca_path)
        self._verify: bool | str = (ca_path or True) if validate_certs else False
        self._direct = direct
        self._proxy = proxy
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout or math.inf
        self._adapter = _Adapter(pool_maxsize=MAX_IN_FLIGHT)
        self._guard = threading.Lock()
        self._routes: dict[str, _Route] = {}
        self._workers = WorkerPool()
        for name in ("urllib3.connection", "urllib3.connectionpool"):
            logging.getLogger(name).addFilter(_log_no_query)
        if not validate_certs:
            urllib3.disable_warnings()

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        """One request and its complete response, within ``timeout`` seconds. ``headers`` join those of all requests.

        :raises OtaError: there is no complete response. Its text never holds the URL's query.
        :raises CanceledError: :meth:`cancel` was called meanwhile.
        """
        # The time limits of requests start again with each byte, and there is none for the lookup of a name. Only
        # from another thread can the whole exchange be abandoned in time.
        attempt = Attempt()
        try:
            return self._workers.run(lambda: self._send_request(method, url, timeout, headers, attempt), timeout)
        except TimeoutError:
            raise timeout_error(place_of(url, self._known_proxy(url))) from None
        finally:
            attempt.end()

    def cancel(self) -> None:
        """End all sending at once, with a :class:`CanceledError` for each caller that waits."""
        self._workers.cancel()

    def renew_connections(self) -> None:
        """Send later requests over new connections, because the kept ones may hold responses to earlier requests.

        Requests in flight end on theirs.
        """
        with self._guard:
            self._adapter = _Adapter(pool_maxsize=MAX_IN_FLIGHT)
            self._routes = {}

    def _send_request(
        self, method: str, url: str, timeout: float, headers: Mapping[str, str], attempt: Attempt
    ) -> Response:
        base, separator, query = url.partition("?")
        limits = urllib3.Timeout(connect=min(self._connect_timeout, timeout), read=min(self._read_timeout, timeout))
        try:
            with self._guard:
                route = self._routes.get(base) or self._find_route(base)
            # Not with a session of requests: a signed request must not follow redirects, keep cookies or carry a
            # password from ~/.netrc, and the rest of what a session does per request is the same each time.
            request = functools.partial(
                route.pool.request,
                retries=False,
                redirect=False,
                assert_same_host=False,  # a proxied request's host is not the pool's
                preload_content=False,
            )
            headers, target = _complete_headers(headers, url), route.target + separator + query
            with attempt, request(method, target, headers=headers, timeout=limits) as response:
                received = {name.lower(): value for name, value in response.headers.items()}
                if response.status == PROXY_AUTHENTICATION_REQUIRED:  # from a proxy that forwards plain http
                    schemes = offered_schemes(received.get("proxy-authenticate", ""))
                    raise proxy_status_error(host_and_port(url), route.proxy, response.status, schemes)
                return Response(response.status, received, read_body(response, MAX_BODY))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, HTTPException) as error:
            _close_sockets(error)
            raise network_error(error, url, self._known_proxy(url)) from None

    def _known_proxy(self, url: str) -> str | None:
        """Host and port of the proxy on the way to ``url``, if there is one."""
        route = self._routes.get(url.partition("?")[0])
        return route.proxy if route else None

    def _find_route(self, base: str) -> _Route:
        """The pool of connections for ``base``, by what the environment sets for proxies and certificates."""
        proxy = None if self._direct else proxy_of(base, self._proxy)
        if proxy and proxy.lower().startswith("socks") and not find_spec("socks"):
            raise MissingLibraryError("PySocks", "for a SOCKS proxy")
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        verify = _environment_authorities() if self._verify is True else self._verify
        request: Any = requests.Request("GET", base).prepare()
        if hasattr(self._adapter, "get_connection_with_tls_context"):
            pool: Any = self._adapter.get_connection_with_tls_context(request, verify, proxies)
        else:  # requests before 2.32
            pool = self._adapter.get_connection(request.url, proxies)
        self._adapter.cert_verify(pool, request.url, verify, None)
        name = host_and_port(proxy) if proxy else None
        self._routes[base] = route = _Route(pool, self._adapter.request_url(request, proxies), name)
        return route


class _Route(NamedTuple):
    """Where requests go: a pool of connections; the path, which begins with scheme and host for a proxy of plain http;
    and host and port of the proxy, if there is one.
    """

    pool: urllib3.HTTPConnectionPool
    target: str
    proxy: str | None


def _close_sockets(error: BaseException) -> None:
    """Close those that the functions ``error`` has ended still hold.

    Python before 3.13 closes no socket whose peer leaves just before TLS begins. Errors of urllib3 refer to themselves,
    so that it would stay open until the garbage is collected.
    """
    for cause in all_causes(error):
        for frame, _line in traceback.walk_tb(cause.__traceback__):
            for value in frame.f_locals.values():
                if isinstance(value, socket.socket):
                    value.close()


def _pool_classes(manager: Any) -> dict[str, Any]:
    return {scheme: pool_class(base) for scheme, base in manager.pool_classes_by_scheme.items()}


def _log_no_query(record: logging.LogRecord) -> bool:
    """Whether urllib3's record may enter the logs, which belong to whoever runs the process."""
    return "?" not in record.getMessage()


def _environment_authorities() -> str | bool:
    """Where the environment says that certificates of authorities are, or ``True`` for the usual ones."""
    path = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if path and not os.path.exists(path):
        raise OtaError(
            f"there is no file or folder {path} to read certificates from",
            code="missing_ca_path",
            hint="correct the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, or give ca_path",
            affects_all=True,
        )
    _check_folder(path)
    return path or True


def _check_folder(path: str | None) -> None:
    """:raises OtaError: ``path`` is a folder in which OpenSSL finds nothing."""
    if path and os.path.isdir(path) and not any(re.fullmatch(r"[0-9a-f]{8}\.\d+", name) for name in os.listdir(path)):
        raise OtaError(
            f"the folder {path} holds no certificate by the name under which OpenSSL looks for it",
            code="missing_ca_path",
            hint=f"prepare it with: openssl rehash {path}",
            affects_all=True,
        )


def _complete_headers(headers: Mapping[str, str], url: str) -> dict[str, str]:
    """The ``headers`` with those of all requests. The zone of an address means nothing on another machine."""
    host = {} if any(name.lower() == "host" for name in headers) else {"Host": host_header(url)}
    return {**HEADERS, **host, **headers}
