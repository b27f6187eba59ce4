# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services that write hostile text wherever they can: the simulator behind a front, and one that only refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ..unit.hostile import TEMPLATE, poisoned, refusal
from .conftest import simulator

#: A template, an escape, a change of direction, and commands to CI systems, one of them on a line of its own.
TEXT = TEMPLATE + "\x1b[2J\x9b31m\u202e\n::error::x ##[add-mask]y ##vso[task.complete]z www.evil.example a@b.example"


def hostile_text(canary: pathlib.Path) -> str:
    """A text that makes the file ``canary`` where it runs as a template."""
    return TEXT.replace("CANARY", str(canary))


@contextlib.contextmanager
def hostile_service(
    folder: pathlib.Path, scenario: Mapping[str, Any], text: str, *options: str, names: bool = False
) -> Iterator[str]:
    """Run a simulator, write ``text`` into all that it returns, also into the ``names`` of devices; yields the URL."""

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
        connection.request(request.command, request.path, headers=dict(request.headers))
        with contextlib.closing(connection), connection.getresponse() as response:
            return response.status, poisoned(response.read(), text, names)

    with simulator(folder, scenario, *options) as running, _front(answer) as url:
        yield url


@contextlib.contextmanager
def refusing_service(text: str) -> Iterator[str]:
    """A service that refuses each request with ``text``. Yields its URL."""
    with _front(lambda request: (403, json.dumps(refusal(text)).encode())) as url:
        yield url


@contextlib.contextmanager
def _front(answer: Callable[[BaseHTTPRequestHandler], tuple[int, bytes]]) -> Iterator[str]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, body = answer(self)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(5)
