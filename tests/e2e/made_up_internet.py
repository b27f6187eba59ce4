# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services under their real names: a proxy that leads them to simulators, with certificates of an own authority."""

from __future__ import annotations

import contextlib
import pathlib
import re
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import trustme

from .conftest import simulator

HOSTS = {"alibaba": r"iot\.[\w-]+\.aliyuncs\.com:443", "tuya": r"si-\w+\.tuyacloud\.com:8686"}
CERTIFIED = ("*.tuyacloud.com", "iot.cn-shanghai.aliyuncs.com", "iot.eu-central-1.aliyuncs.com")


class _Relay(socketserver.StreamRequestHandler):
    """One connection to the proxy."""

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        found = (self.server.ports[name] for name, host in HOSTS.items() if re.fullmatch(host, words[1]))
        port = next(found, None) if words[0] == "CONNECT" else None
        if port is None:
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as service:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(service, self.connection), daemon=True)
            back.start()
            _pump(self.connection, service)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    ports: Mapping[str, int]


@contextlib.contextmanager
def made_up_internet(folder: pathlib.Path, worlds: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Run a simulator of each platform; what the environment needs to find them under their real names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert(*CERTIFIED)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    tls = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(_Proxy(("127.0.0.1", 0), _Relay))
        proxy.ports = {}
        for name, world in worlds.items():
            (folder / name).mkdir()
            running = stack.enter_context(simulator(folder / name, world, *tls))
            proxy.ports[name] = int(running.url.rpartition(":")[2])
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        stack.callback(proxy.shutdown)
        yield {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
            "NO_PROXY": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        }
