# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small servers on this machine that stand in for those which hand out credentials."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qsl, urlsplit

KEYS = {
    "AccessKeyId": "STS.new-id",
    "AccessKeySecret": "canary-new-secret",
    "SecurityToken": "canary-new-token",
    "Expiration": "2099-01-01T00:00:00Z",
}
EXPIRES = 4070908800.0


class Asked:
    """A request that arrived."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.method, self.path = handler.command, parts.path
        self.host = parts.netloc or handler.headers["Host"]
        self.query = dict(parse_qsl(parts.query))
        self.headers = {name.lower(): value for name, value in handler.headers.items()}


@contextlib.contextmanager
def standing_in(answer: Callable[[Asked], Any]) -> Iterator[tuple[str, list[Asked]]]:
    """A server whose ``answer`` is a body, or a status and a body; yields its URL and what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            request = Asked(self)
            asked.append(request)
            given = answer(request)
            status, body = given if isinstance(given, tuple) else (200, given)
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join(5)
