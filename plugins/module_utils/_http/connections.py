# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections of urllib3 that can be ended from outside, and that never hand on what belongs to another response.

Only what is inside of http.client sees interim responses, bytes that are left over, and the answer of a proxy.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import re
import socket
import ssl
import threading
import time
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from types import TracebackType
from typing import Any

#: Seconds for which an idle connection is kept. Whatever is on the way forgets one sooner or later, without a word.
MAX_IDLE = 15.0
#: Maximum number of interim responses, such as 100 Continue, before a response.
MAX_INTERIM = 16

_running = threading.local()


class Attempt:
    """One request and its response, in one thread; another thread can end it, which also frees what it occupies."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._handle: socket.socket | None = None
        self._is_over = False

    def __enter__(self) -> Attempt:
        _running.attempt = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _running.attempt = None
        self.release()

    def hold(self, connected: Any) -> None:
        """The attempt goes on over this socket."""
        # A handle of its own, because a socket object changes when TLS begins, and is gone when the server says that
        # it will close the connection.
        handle = socket.socket(fileno=os.dup(connected.fileno()))
        self.release()
        with self._guard:
            self._handle = handle
            is_over = self._is_over
        if is_over:
            self.end()

    def release(self) -> None:
        """Let go of the socket, which is to be kept or is closed."""
        with self._guard:
            handle, self._handle = self._handle, None
        if handle:
            handle.close()

    def end(self) -> None:
        """Nobody waits for the response any more: whoever reads it meets its end at once."""
        with self._guard:
            self._is_over = True
            if self._handle:
                with contextlib.suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)


class TunnelError(OSError):
    """A proxy made no tunnel. ``status`` and ``schemes`` of authentication are what it responded, if it did."""

    def __init__(self, status: int | None = None, schemes: tuple[str, ...] = ()) -> None:
        super().__init__("no tunnel")
        self.status = status
        self.schemes = schemes


def offered_schemes(offers: str) -> tuple[str, ...]:
    """The schemes of authentication in ``offers``, the value of the header of a proxy, in lower case."""
    return tuple(re.findall(r"(?:^|,)\s*([\w-]+)(?=\s|,|$)", offers.lower()))


class _Response(http.client.HTTPResponse):
    """Skips interim responses, takes broken headers for an error, and lets no byte that is left over be read."""

    def __init__(self, sock: Any, *arguments: Any, connection: Any = None, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self._connection = connection

    def _read_status(self) -> tuple[str, int, str]:
        for _number in range(MAX_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status >= 200:
                return version, status, reason
            if status == http.HTTPStatus.SWITCHING_PROTOCOLS:  # nobody asked for another one
                break
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("no response")

    def begin(self) -> None:
        super().begin()
        for defect in self.msg.defects:  # what follows a line that is no header would not be seen
            if isinstance(defect, (MissingHeaderBodySeparatorDefect, FirstHeaderLineIsContinuationDefect)):
                raise http.client.HTTPException("no header")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:  # would mean all that follows, however much it is
            raise ValueError
        return size

    def _close_conn(self) -> None:
        connection = self._connection
        has_more = connection and connection.sock and _has_more(self.fp, connection.sock)
        super()._close_conn()  # type: ignore[misc]
        if has_more:
            connection.close()


def _has_more(stream: Any, connected: Any) -> bool:
    """Whether something was sent beyond the end of a response; in buffers, nobody else would see it."""
    limit = connected.gettimeout()
    try:
        connected.settimeout(0.0)
        return bool(stream.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except (OSError, ValueError):  # it is closed
        return True
    finally:
        with contextlib.suppress(OSError):
            connected.settimeout(limit)


class _Connection:
    """Mixed into the connections of urllib3."""

    sock: Any
    send: Any
    close: Any
    idle_since = 0.0

    @property
    def response_class(self) -> Any:
        return functools.partial(_Response, connection=self)

    def _new_conn(self) -> Any:
        connected = super()._new_conn()  # type: ignore[misc]
        _hold(connected)
        return connected

    def _tunnel(self) -> None:
        """Like that of http.client, with all that a proxy says in the error, alike in all versions."""
        try:
            response = self._request_tunnel()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TunnelError from error
        if response.status != http.HTTPStatus.OK:
            self.close()
            offers = response.headers.get_all("Proxy-Authenticate") or []
            raise TunnelError(response.status, offered_schemes(", ".join(offers)))

    def _request_tunnel(self) -> http.client.HTTPResponse:
        host, port, headers = self._tunnel_host, self._tunnel_port, self._tunnel_headers  # type: ignore[attr-defined]
        place = f"[{host.strip('[]')}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [f"CONNECT {place} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if not any(name.lower() == "host" for name in headers):
            lines.append(f"Host: {place}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        with contextlib.closing(_Response(self.sock, method="CONNECT")) as response:
            response.fp.close()
            response.fp = self.sock.makefile("rb", buffering=0)  # what follows belongs to those who use the tunnel
            response.begin()
        return response


class _Pool:
    """Mixed into the pools of urllib3."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if connection.sock and time.monotonic() - connection.idle_since > MAX_IDLE:
            connection.close()
        if connection.sock:
            _hold(connection.sock)
        return connection

    def _put_conn(self, connection: Any) -> None:
        attempt = getattr(_running, "attempt", None)
        if attempt:  # before another attempt can take the connection
            attempt.release()
        if connection:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]


def _hold(connected: Any) -> None:
    attempt = getattr(_running, "attempt", None)
    if attempt:
        attempt.hold(connected)


@functools.cache
def pool_class(base: type[Any]) -> type[Any]:
    """The pool of urllib3 that ``base`` is, with such connections."""
    if issubclass(base, _Pool):
        return base
    connection = type("Connection", (_Connection, base.ConnectionCls), {})
    return type("Pool", (_Pool, base), {"ConnectionCls": connection})
