# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one user of requests: pooled connections, TLS, proxy, time limits.

A request's URL holds its signature, and requests and urllib3 repeat the URL in their errors and logs. So no text of an
exception ever leaves this folder; what went wrong is derived from the types of the exceptions alone.
"""

from __future__ import annotations

import base64
import logging
import math
import os
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from .._errors import MissingLibraryError, OtaError
from .network_errors import (
    PROXY_AUTHENTICATION_REQUIRED,
    host_and_port,
    network_error,
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
        """The adapter of requests, except that it can send every character of a password."""

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
        self._verify: bool | str = (ca_path or True) if validate_certs else False
        self._direct = direct
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
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
        try:
            return self._workers.run(lambda: self._send_request(method, url, timeout, headers), timeout)
        except TimeoutError:
            raise timeout_error(host_and_port(url)) from None

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

    def _send_request(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        base, separator, query = url.partition("?")
        try:
            with self._guard:
                route = self._routes.get(base) or self._find_route(base)
            # Not with a session of requests: a signed request must not follow redirects, keep cookies or carry a
            # password from ~/.netrc, and the rest of what a session does per request is the same each time.
            with route.pool.request(
                method,
                route.target + separator + query,
                headers={**HEADERS, **headers},
                timeout=urllib3.Timeout(
                    connect=min(self._connect_timeout, timeout), read=min(self._read_timeout, timeout)
                ),
                retries=False,
                redirect=False,
                assert_same_host=False,  # a proxied request's host is not the pool's
                preload_content=False,
            ) as response:
                if response.status == PROXY_AUTHENTICATION_REQUIRED:  # from a proxy that forwards plain http
                    raise proxy_status_error(host_and_port(url), route.proxy, response.status)
                received = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, received, _read_body(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            known = self._routes.get(base)
            raise network_error(error, url, known.proxy if known else None) from None

    def _find_route(self, base: str) -> _Route:
        """The pool of connections for ``base``, by what the environment sets for proxies and certificates."""
        with requests.Session() as session:
            session.trust_env = not self._direct
            settings = session.merge_environment_settings(base, dict(self._proxies), True, self._verify, None)
        proxies, verify = settings["proxies"], settings["verify"]
        if isinstance(verify, str) and not os.path.exists(verify):
            raise OtaError(
                f"there is no file or folder {verify} to read certificates from",
                code="missing_ca_path",
                hint="correct the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, or give ca_path",
                affects_all=True,
            )
        request: Any = requests.Request("GET", base).prepare()
        if hasattr(self._adapter, "get_connection_with_tls_context"):
            pool: Any = self._adapter.get_connection_with_tls_context(request, verify, proxies)
        else:  # requests before 2.32
            pool = self._adapter.get_connection(request.url, proxies)
        self._adapter.cert_verify(pool, request.url, verify, None)
        proxy = host_and_port(pool.proxy.url) if pool.proxy else None
        self._routes[base] = route = _Route(pool, self._adapter.request_url(request, proxies), proxy)
        return route


class _Route(NamedTuple):
    """Where requests go: a pool of connections; the path, which begins with scheme and host for a proxy of plain http;
    and host and port of the proxy, if there is one.
    """

    pool: urllib3.HTTPConnectionPool
    target: str
    proxy: str | None


def _log_no_query(record: logging.LogRecord) -> bool:
    """Whether urllib3's record may enter the logs, which belong to whoever runs the process."""
    return "?" not in record.getMessage()


def _read_body(raw: Any) -> bytes:
    raw.enforce_content_length = True  # urllib3 before 2.0 takes a short body for a complete one
    body = b""
    while part := raw.read(MAX_BODY + 1 - len(body), decode_content=False):  # a short body shows at its end only
        body += part
        if len(body) > MAX_BODY:
            raise OtaError(
                f"the response is longer than {MAX_BODY // 1024 // 1024} MiB",
                code="endless_response",
                hint="check endpoint and proxy, because no documented response is nearly as long",
            )
    return body
