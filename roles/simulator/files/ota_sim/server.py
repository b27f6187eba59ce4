# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP on the loopback interface, and the delivery of answers, spoilt or not."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from . import wire
from .checks import Request
from .control import Control
from .faults import Rule
from .service import Reply, Service

LOOPBACK = "127.0.0.1"
# By which names a program on this machine calls it; a page of another site has that site's name in "Host".
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
# Faults of delivery, and those after which nothing more can be said.
MISDELIVERED = ("early_hints", "second_answer", "bad_status_line", "bad_header", "cut_chunks")
ENDING = MISDELIVERED[2:]
_BODY_LIMIT = 1 << 20
_FORM = "application/x-www-form-urlencoded"


class Server(ThreadingHTTPServer):
    """The simulator's HTTP server; it binds the loopback interface only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Service, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.service = service
        self.control = Control(service)
        self.tls = tls
        self.last_request = time.monotonic()
        self._to_reset: set[int] = set()
        super().__init__((LOOPBACK, port), Handler)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without asking a name server for the host's name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; the TLS handshake happens in the connection's own thread."""
        connection, address = super().get_request()
        self.service.connected()
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def reset_later(self, connection: socket.socket) -> None:
        """Close this connection with a TCP reset once its handler has returned."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._to_reset.add(id(connection))

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, as a rule politely."""
        if id(request) in self._to_reset:
            self._to_reset.discard(id(request))
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients may leave when they like."""

    def start(self) -> threading.Thread:
        """Serve in a daemon thread."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        return thread


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no access log: it would show signed queries."""

    def version_string(self) -> str:
        """What the ``Server`` header says."""
        return "ota-simulator"

    def handle(self) -> None:
        """Serve the connection until either side leaves."""
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a POST request."""
        self._serve()

    def _serve(self) -> None:
        service = self.server.service
        self.server.last_request = time.monotonic()
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()) or int(length) > _BODY_LIMIT:
            self.send_error(400)
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        if not self._is_from_here():
            self._deliver(self.server.control.refuse_page())
            return
        if self.path.startswith("/_sim/"):
            self._deliver(self.server.control.handle(self.command, self.path, body))
            return
        reply = service.handle(self._request(body))
        if reply.delay:
            service.stopped.wait(reply.delay)
        self._deliver(reply)
        self.server.last_request = time.monotonic()

    def _is_from_here(self) -> bool:
        """Whether no page in a browser asks: those of other sites name themselves, or their host."""
        host = self.headers.get("Host", LOOPBACK)
        # By TLS, a browser has compared the name with the certificate, which may be for the name of the real service.
        is_named = self.server.tls is not None or re.sub(r":\d*$", "", host).lower() in LOOPBACK_NAMES
        return "Origin" not in self.headers and is_named

    def _request(self, body: bytes) -> Request:
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        form = body.decode("utf-8", "replace") if headers.get("content-type", "").startswith(_FORM) else ""
        query = self.path.partition("?")[2]
        return Request(self.command, _pairs(query), _pairs(form), headers, body)

    def _head(self, reply: Reply, length: int | None) -> bytes:
        reason = self.responses.get(reply.status, ("",))[0]
        headers = {"Server": self.version_string(), "Date": formatdate(reply.date, usegmt=True), **reply.headers}
        if length is None:
            headers["Connection"] = "close"
            self.close_connection = True
        else:
            headers["Content-Length"] = str(length)
        lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def _deliver(self, reply: Reply) -> None:
        fault = reply.fault.name if reply.fault else ""
        if fault == "reset_before":
            self._reset()
        elif fault == "reset_middle":
            self.wfile.write(self._head(reply, len(reply.body)) + reply.body[: len(reply.body) // 2])
            self._reset()
        elif fault == "hang":
            self._wait_for_leaving()
        elif fault == "endless_body":  # a body that begins well and then goes on with blanks
            self._send_for_ever(self._head(reply, None) + reply.body[:-1], b" " * 65536)
        elif fault == "endless_continue":
            self.close_connection = True
            self._send_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        elif fault in MISDELIVERED:
            self.close_connection = fault in ENDING
            for piece in wire.misdelivered(fault, self._head(reply, len(reply.body)), reply.body):
                self.wfile.write(piece)
        elif fault == "trickle" and reply.fault:
            self._trickle(reply, reply.fault)
        elif fault == "wrong_content_length" and reply.fault:
            fewer = reply.fault.get("fewer", False)
            self.wfile.write(self._head(reply, len(reply.body) // 2 if fewer else len(reply.body) + 100) + reply.body)
            self.close_connection = True
        else:
            self.wfile.write(self._head(reply, len(reply.body)) + reply.body)

    def _reset(self) -> None:
        self.close_connection = True
        self.server.reset_later(self.connection)

    def _wait_for_leaving(self) -> None:
        self.close_connection = True
        while not self.server.service.stopped.is_set():
            readable, _writable, _broken = select.select([self.connection], [], [], 0.1)
            if readable and not self.connection.recv(4096):
                return

    def _send_for_ever(self, start: bytes, more: bytes) -> None:
        """``start``, and then ``more`` at most a thousand times a second."""
        self.wfile.write(start)
        while not self.server.service.stopped.wait(0.001):
            self.wfile.write(more)

    def _trickle(self, reply: Reply, rule: Rule) -> None:
        head = self._head(reply, len(reply.body))
        slow = reply.body
        if rule.get("headers", False):
            slow = head + slow
        else:
            self.wfile.write(head)
        for place in range(len(slow)):
            if self.server.service.stopped.wait(1 / rule.get("bytes_per_second", 10)):
                self.close_connection = True
                return
            self.wfile.write(slow[place : place + 1])


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="replace")
