# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers on this machine that say on the wire what a test wants, valid or not."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

#: Seconds after which a test that hangs is ended.
WATCHDOG = 60.0
PAGE = b"<html><title>Sign in</title></html>\r\n"


@contextlib.contextmanager
def server(serve, tls=None, host="127.0.0.1"):
    """A server on a free port that hands each connection to ``serve``; yields the port."""
    listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    live = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                live.append(connection)
                with contextlib.suppress(OSError), connection:
                    if tls:
                        with tls.wrap_socket(connection, server_side=True) as secured:
                            live.append(secured)
                            serve(secured)
                    else:
                        serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        for connection in live:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(WATCHDOG)


def saying(*answers):
    """Answers the requests of each connection in turn, then closes it."""

    def serve(connection):
        for answer in answers:
            request = connection.recv(65536)
            if not request:
                return
            serve.requests.append(request)
            connection.sendall(answer)

    serve.requests = []
    return serve


def reset(connection):
    connection.recv(65536)
    reset_at_once(connection)


def reset_at_once(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(connection):
    """Reads a request and says nothing until the client leaves."""
    while connection.recv(65536):
        pass
