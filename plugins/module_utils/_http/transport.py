# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one user of requests: pooled connections, TLS, proxy, time limits.

A request's URL holds its signature, and requests and urllib3 repeat the URL in their errors and logs. So no text of an
exception ever leaves this file; what went wrong is told from the types of the exceptions alone.
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
from .network_errors import PROXY_ASKS, _causes, _explain, _place, _proxy_says, _timeout
from .workers import Helpers

try:
    import requests
    import urllib3
except ImportError:
    HAS_REQUESTS = False
else:
    HAS_REQUESTS = True

    class _Adapter(requests.adapters.HTTPAdapter):
        """The one of requests, which cannot write every character of a password."""

        def proxy_headers(self, proxy: str) -> dict[str, str]:
            """The name and the password in the URL of a proxy, as it wants to have them."""
            parts = urlsplit(proxy)
            if not parts.username:
                return {}
            both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            return {"Proxy-Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}


#: An answer is read up to here and no further, in bytes. A full page is about 50 KiB.
MAX_BODY = 16 * 1024 * 1024


#: So many requests are under way at the most, and so many connections are kept for the next ones.
MAX_IN_FLIGHT = 16


#: An address that does not answer within so many seconds will not answer later either, unless told otherwise.
CONNECT_TIMEOUT = 10.0


HEADERS = {"User-Agent": "iotfleet.ota", "Accept": "*/*", "Accept-Encoding": "identity"}


class Response(NamedTuple):
    """What came back: headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests over pooled connections. Safe to use from threads.

    A ``direct`` one uses no proxy, whatever the environment says.
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
        self._helpers = Helpers()
        for name in ("urllib3.connection", "urllib3.connectionpool"):
            logging.getLogger(name).addFilter(_log_no_query)
        if not validate_certs:
            urllib3.disable_warnings()

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        """One request and its whole answer, in ``timeout`` seconds at the most. ``headers`` join those that all have.

        :raises OtaError: there is no whole answer. Its text never holds the URL's query.
        """
        # The time limits of requests begin anew with each byte, and there is none for looking a name up. Only from
        # another thread can the whole exchange be given up in time.
        try:
            return self._helpers.run(lambda: self._exchange(method, url, timeout, headers), timeout)
        except TimeoutError:
            raise _timeout(_place(url)) from None

    def give_up(self) -> None:
        """End all sending at once, with a :class:`GivenUpError` for who waits."""
        self._helpers.give_up()

    def _exchange(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        base, mark, query = url.partition("?")
        try:
            with self._guard:
                route = self._routes.get(base) or self._find_route(base)
            # Not by a session of requests: for a signed request it must not follow redirects, keep cookies or send a
            # password from ~/.netrc along, and the rest of what it does per request is the same each time.
            with route.pool.request(
                method,
                route.target + mark + query,
                headers={**HEADERS, **headers},
                timeout=urllib3.Timeout(
                    connect=min(self._connect_timeout, timeout), read=min(self._read_timeout, timeout)
                ),
                retries=False,
                redirect=False,
                assert_same_host=False,  # that of a proxied request is not the pool's
                preload_content=False,
            ) as response:
                if response.status == PROXY_ASKS:  # no service says so, but a proxy that passes plain http on
                    raise _proxy_says(_place(url), route.proxy, PROXY_ASKS)
                answered = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, answered, _read(response))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            known = self._routes.get(base)
            raise _explain(list(_causes(error)), _place(url), known.proxy if known else None) from None

    def _find_route(self, base: str) -> _Route:
        """The pool of connections for ``base``, by what the environment says of proxies and certificates."""
        with requests.Session() as session:
            session.trust_env = not self._direct
            settings = session.merge_environment_settings(base, dict(self._proxies), True, self._verify, None)
        proxies, verify = settings["proxies"], settings["verify"]
        if isinstance(verify, str) and not os.path.exists(verify):
            raise OtaError(
                f"there is no file or folder {verify}, where certificates are looked for",
                code="missing_ca_path",
                hint="correct the environment variable REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, or give ca_path",
                systemic=True,
            )
        request: Any = requests.Request("GET", base).prepare()
        if hasattr(self._adapter, "get_connection_with_tls_context"):
            pool: Any = self._adapter.get_connection_with_tls_context(request, verify, proxies)
        else:  # requests before 2.32
            pool = self._adapter.get_connection(request.url, proxies)
        self._adapter.cert_verify(pool, request.url, verify, None)
        proxy = _place(pool.proxy.url) if pool.proxy else None
        self._routes[base] = route = _Route(pool, self._adapter.request_url(request, proxies), proxy)
        return route


class _Route(NamedTuple):
    """Where requests go to: a pool of connections; the path, which for a proxy of plain http begins with scheme and
    host; and host and port of the proxy, if there is one.
    """

    pool: urllib3.HTTPConnectionPool
    target: str
    proxy: str | None


def _log_no_query(record: logging.LogRecord) -> bool:
    """Whether a log, which belongs to whoever runs the process, may hold what urllib3 says."""
    return "?" not in record.getMessage()


def _read(raw: Any) -> bytes:
    raw.enforce_content_length = True  # urllib3 before 2.0 takes a short body for a whole one
    body = b""
    while part := raw.read(MAX_BODY + 1 - len(body), decode_content=False):  # only the end tells a short body
        body += part
        if len(body) > MAX_BODY:
            raise OtaError(
                f"the answer is longer than {MAX_BODY // 1024 // 1024} MiB",
                code="endless_answer",
                hint="check endpoint and proxy, because no documented answer is nearly that long",
            )
    return body
