# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
import ssl
import threading

import pytest
import trustme
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError, OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http import connections, workers
from ansible_collections.iotfleet.ota.plugins.module_utils._http.connections import MAX_IDLE, MAX_INTERIM, Attempt
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Transport
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock
from ansible_collections.iotfleet.ota.tests.unit.wires import WATCHDOG, hang, reset_at_once, server


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def interim(status):
    return b"HTTP/1.1 %d Wait\r\nLink: </style.css>\r\n\r\n" % status


@pytest.fixture(scope="module")
def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["http", "https"])
def scheme(request):
    return request.param


@contextlib.contextmanager
def serving(serve, scheme, tls):
    """A server; yields a function that sends it a request and returns the body of the response."""
    transport = Transport(validate_certs=False)
    with server(serve, tls if scheme == "https" else None) as port:
        yield (
            lambda name=b"x": transport.send("GET", f"{scheme}://127.0.0.1:{port}/?{name.decode()}", WATCHDOG, {}).body
        )


def echoing(*arounds):
    """Answers each request with its own query, between what is said before and after."""

    def serve(connection):
        serve.connections += 1
        while request := connection.recv(65536):
            before, after, apart = serve.arounds.pop(0)
            query = request.partition(b"?")[2].partition(b" ")[0]
            if apart:
                connection.sendall(before)
                before = b""
            connection.sendall(before + answer(query) + after)

    serve.arounds = list(arounds)
    serve.connections = 0
    return serve


# --- Interim responses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("before", [interim(103), interim(102), interim(100) * 3, interim(103) * MAX_INTERIM])
def test_interim_responses_are_skipped(scheme, tls, before, apart):
    before = before[: before.rindex(b"HTTP/1.1")] if before.count(b"HTTP/1.1") == MAX_INTERIM else before
    serve = echoing(*[(before, b"", apart)] * 3)
    with serving(serve, scheme, tls) as ask:
        assert [ask(name) for name in (b"a", b"b", b"c")] == [b"a", b"b", b"c"]
    assert serve.connections == 1


@pytest.mark.parametrize("status", [100, 103])
def test_endless_interim_responses_end(scheme, tls, status):
    def serve(connection):
        connection.recv(65536)
        while True:
            connection.sendall(interim(status))

    with serving(serve, scheme, tls) as ask, pytest.raises(OtaError) as error:
        ask()
    assert (error.value.code, error.value.retry) == ("connection_broken", Retry.LATER)


# --- Bytes that are left over ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [b"\n", answer(b"other"), answer(b"x" * 20_000)])
def test_nothing_that_is_left_over_is_read(scheme, tls, left):
    serve = echoing((b"", left, False), (b"", b"", False), (b"", b"", False))
    with serving(serve, scheme, tls) as ask:
        assert [ask(name) for name in (b"a", b"b", b"c")] == [b"a", b"b", b"c"]
    assert serve.connections == 2


def test_response_of_its_own_length_keeps_the_connection(scheme, tls):
    serve = echoing(*[(b"", b"", False)] * 4)
    with serving(serve, scheme, tls) as ask:
        assert [ask(name) for name in (b"a", b"b", b"c", b"d")] == [b"a", b"b", b"c", b"d"]
    assert serve.connections == 1


# --- Age -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("idle", "expected"), [(MAX_IDLE, 1), (MAX_IDLE + 0.1, 2)])
def test_connection_that_was_idle_for_long_is_not_used_again(monkeypatch, tls, scheme, idle, expected):
    clock = Clock()
    monkeypatch.setattr(connections, "time", clock)
    serve = echoing(*[(b"", b"", False)] * 3)
    with serving(serve, scheme, tls) as ask:
        ask()
        clock.sleep(MAX_IDLE)
        ask()
        clock.sleep(idle)
        ask()
    assert serve.connections == expected


# --- Bodies that are broken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [b"-1", b"-5"])
def test_negative_size_of_a_chunk_ends_the_response(scheme, tls, size):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nx" % size)
        hang(connection)

    with serving(serve, scheme, tls) as ask, pytest.raises(OtaError) as error:
        ask()
    assert (error.value.code, error.value.retry) == ("connection_broken", Retry.LATER)


# --- Attempts that nobody waits for ----------------------------------------------------------------------------------


def trickle(head):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(head)
        while True:
            connection.sendall(b"x")
            if serve.done.wait(0.01):
                return

    serve.done = threading.Event()
    return serve


SLOW = {
    "headers": trickle(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "body": trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
    "body until the end": trickle(b"HTTP/1.0 200 OK\r\n\r\n"),
    "chunk": trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"),
    "silence": hang,
}


def open_files():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def end_of_threads(before, transport):
    """Wait for all threads that have begun since, but for those that wait for the next request."""
    for thread in set(threading.enumerate()) - before - set(transport._workers._idle):
        if isinstance(thread, workers._Worker):
            thread.join(WATCHDOG)
            assert not thread.is_alive()


@contextlib.contextmanager
def nothing_left(transport):
    """No thread and no file is left of those that the block has started or opened."""
    threads, files = set(threading.enumerate()), open_files()
    yield threads
    end_of_threads(threads, transport)
    assert open_files() <= files


@pytest.mark.parametrize("kind", SLOW)
def test_attempt_that_is_given_up_frees_thread_and_socket(kind, scheme, tls):
    transport = Transport(validate_certs=False)
    with nothing_left(transport) as before, server(SLOW[kind], tls if scheme == "https" else None) as port:
        for _number in range(3):
            with pytest.raises(OtaError) as error:
                transport.send("GET", f"{scheme}://127.0.0.1:{port}/", 0.2, {})
            assert error.value.code == "timeout"
            end_of_threads(before, transport)  # the server would go on for ever


@pytest.mark.parametrize("way", ["handshake", "tunnel"])
def test_attempt_that_is_given_up_while_it_connects_frees_thread_and_socket(way):
    with server(hang) as port:
        transport = Transport(proxy=f"http://127.0.0.1:{port}" if way == "tunnel" else None)
        before = set(threading.enumerate())
        with pytest.raises(OtaError):
            transport.send("GET", f"https://127.0.0.1:{port}/", 0.2, {})
        end_of_threads(before, transport)


def test_socket_whose_peer_leaves_before_tls_begins_is_closed(monkeypatch):
    def wait_for_reset(connected):
        poll = select.poll()
        poll.register(connected, 0)
        assert poll.poll(WATCHDOG * 1000)

    monkeypatch.setattr(connections, "_hold", wait_for_reset)
    transport = Transport(validate_certs=False)
    gc.collect()
    gc.disable()
    try:
        with nothing_left(transport), server(reset_at_once) as port, pytest.raises(OtaError) as error:
            transport.send("GET", f"https://127.0.0.1:{port}/", WATCHDOG, {})
    finally:
        gc.enable()
    assert (error.value.code, error.value.retry) == ("connection_broken", Retry.LATER)


def test_socket_that_an_error_has_left_is_closed(monkeypatch):
    left = []

    def fail(connected):
        left.append(connected)
        raise OSError

    monkeypatch.setattr(connections, "_hold", fail)
    with server(hang) as port, pytest.raises(OtaError):
        Transport().send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
    assert [connected.fileno() for connected in left] == [-1]


def test_canceled_attempt_frees_thread_and_socket():
    arrived, transport, seen = threading.Event(), Transport(), []

    def serve(connection):
        connection.recv(65536)
        arrived.set()
        hang(connection)

    def send():
        with pytest.raises(CanceledError):
            transport.send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
        seen.append(True)

    with nothing_left(transport) as before, server(serve) as port:
        threading.Thread(target=send).start()
        assert arrived.wait(WATCHDOG)
        transport.cancel()
        end_of_threads(before, transport)
    assert seen


def test_end_of_an_attempt_ends_a_socket_that_it_gets_later():
    ours, theirs = socket.socketpair()
    with ours, theirs, Attempt() as attempt:
        attempt.end()
        attempt.hold(ours)
        theirs.settimeout(WATCHDOG)
        assert theirs.recv(1) == b""


def test_end_of_an_attempt_leaves_a_socket_that_it_has_released():
    ours, theirs = socket.socketpair()
    with ours, theirs, Attempt() as attempt:
        attempt.hold(ours)
        attempt.release()
        attempt.end()
        ours.sendall(b"x")
        theirs.settimeout(WATCHDOG)
        assert theirs.recv(1) == b"x"


def test_attempt_holds_one_socket_at_a_time():
    pairs = [socket.socketpair() for _number in range(2)]
    files = open_files()
    with Attempt() as attempt:
        for ours, _theirs in pairs:
            attempt.hold(ours)
        assert open_files() in (0, files + 1)
        attempt.end()
        pairs[0][0].sendall(b"x")
        assert pairs[1][1].recv(1) == b""
    assert open_files() == files
    for pair in pairs:
        for end in pair:
            end.close()
