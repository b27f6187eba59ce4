# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time

import pytest
import trustme
from ansible_collections.iotfleet.ota.plugins.module_utils import _transport
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import (
    MissingLibraryError,
    OtaError,
    Retry,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._threads import GivenUpError
from ansible_collections.iotfleet.ota.plugins.module_utils._transport import Transport

QUERY = "?Action=QueryOTAJob&AccessKeyId=key-id&Signature=canary%3D"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd: 1\r\n\r\n{}"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextlib.contextmanager
def server(serve, tls=None):
    """A server on a free port that hands each connection to ``serve``; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                with contextlib.suppress(OSError), connection:
                    if tls:
                        with tls.wrap_socket(connection, server_side=True) as secured:
                            serve(secured)
                    else:
                        serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


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
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(port, scheme="http", timeout=5.0, method="GET", **options):
    return Transport(**options).send(method, f"{scheme}://127.0.0.1:{port}/{QUERY}", timeout, {})


def failure(*arguments, **options):
    with pytest.raises(OtaError) as error:
        ask(*arguments, **options)
    assert "canary" not in repr(error.value) + str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__
    return error.value


def test_the_answer():
    serve = saying(OK)
    with server(serve) as port:
        answer = ask(port, method="POST")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["x-odd"] == "1"
    head = serve.requests[0].decode()
    assert head.startswith(f"POST /{QUERY} HTTP/1.1\r\n")
    assert "\r\nContent-Length: 0\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


def test_the_url_is_sent_as_it_was_signed():
    serve = saying(OK)
    with server(serve) as port:
        Transport().send("GET", f"http://127.0.0.1:{port}/?A=%2A%20~%E5%AE%A2&B=%27%28%21", 5.0, {})
    assert serve.requests[0].startswith(b"GET /?A=%2A%20~%E5%AE%A2&B=%27%28%21 HTTP/1.1\r\n")


def test_one_connection_serves_many_requests():
    serve = saying(OK, OK, OK)
    with server(serve) as port:
        transport = Transport()
        for _number in range(3):
            transport.send("GET", f"http://127.0.0.1:{port}/", 5.0, {})
    assert len(serve.requests) == 3


def test_no_password_from_netrc(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    serve = saying(OK)
    with server(serve) as port:
        ask(port)
    assert b"Authorization" not in serve.requests[0]


def test_a_redirect_is_not_followed():
    with server(saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as port:
        assert ask(port).status == 302


@pytest.mark.parametrize(
    "serve",
    [
        reset,
        saying(b""),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        saying(b"SSH-2.0-OpenSSH_9.2\r\n"),
    ],
    ids=["reset", "closed", "short", "half a chunk", "not HTTP"],
)
def test_a_broken_connection(serve):
    with server(serve) as port:
        error = failure(port)
    assert (error.code, error.retry) == ("connection_broken", Retry.LATER)
    assert error.cause == (
        f"the connection to 127.0.0.1:{port} could not be made, or broke before the answer was whole"
    )


def test_a_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(port)
    assert (error.code, error.retry) == ("connection_refused", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} refuses connections"


@pytest.mark.parametrize(("number", "retry"), [(socket.EAI_NONAME, Retry.NEVER), (socket.EAI_AGAIN, Retry.LATER)])
def test_an_unknown_host(number, retry, monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(number, "canary")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(80)
    assert (error.code, error.retry) == ("unknown_host", retry)
    assert error.cause == "the host 127.0.0.1:80 is unknown"


def test_silence():
    done = threading.Event()
    with server(lambda connection: done.wait(5)) as port:
        error = failure(port, timeout=0.2)
        done.set()
    assert (error.code, error.retry) == ("timeout", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} gave no whole answer in time"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"], ids=["headers", "body"])
def test_a_trickle_ends_in_time(head):
    def trickle(connection):
        connection.recv(65536)
        connection.sendall(head or b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            for _number in range(1000):
                connection.sendall(b"x")
                if done.wait(0.02):
                    return

    done = threading.Event()
    with server(trickle) as port:
        began = time.monotonic()
        assert failure(port, timeout=0.3).code == "timeout"
        assert time.monotonic() - began < 3
        done.set()


def test_a_slow_name_server_ends_in_time(monkeypatch):
    done = threading.Event()

    def slow(*arguments, **options):
        done.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "canary")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert failure(80, timeout=0.2).code == "timeout"
    done.set()


def test_an_endless_body(monkeypatch):
    monkeypatch.setattr(_transport, "MAX_BODY", 1024 * 1024)

    def endless(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _number in range(1000):
            connection.sendall(b"x" * 65536)

    with server(endless) as port:
        error = failure(port)
    assert (error.code, error.cause) == ("endless_answer", "the answer is longer than 1 MiB")


def test_the_body_of_a_redirect_is_bounded_too(monkeypatch):
    monkeypatch.setattr(_transport, "MAX_BODY", 1024 * 1024)

    def endless(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\n\r\n")
        for _number in range(1000):
            connection.sendall(b"x" * 65536)

    with server(endless) as port:
        assert failure(port).code == "endless_answer"


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_that_is_not_trusted(tls):
    with server(saying(OK), tls) as port:
        error = failure(port, "https")
    assert (error.code, error.retry) == ("certificate_not_trusted", Retry.NEVER)
    assert error.cause.startswith(f"the certificate of 127.0.0.1:{port} is not trusted (")
    assert "in ca_path" in error.hint


def test_a_certificate_for_another_host(authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.com").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server(saying(OK), context) as port:
        error = failure(port, "https", ca_path=str(tmp_path / "ca.pem"))
    assert error.code == "certificate_not_trusted"
    assert "127.0.0.1" in error.cause


@pytest.mark.parametrize("bundle", [False, True])
def test_an_authority_of_ones_own(authority, tls, tmp_path, monkeypatch, bundle):
    if bundle:  # what the environment says must not get in the way
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server(saying(OK), tls) as port:
        assert ask(port, "https", ca_path=str(tmp_path / "ca.pem")).status == 200


@pytest.mark.parametrize("bundle", [False, True])
def test_certificates_need_not_be_checked(authority, tls, tmp_path, monkeypatch, bundle):
    if bundle:
        authority.cert_pem.write_to_path(tmp_path / "other.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    with server(saying(OK), tls) as port:
        assert ask(port, "https", validate_certs=False).status == 200


def test_https_to_a_server_that_speaks_http():
    with server(saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        error = failure(port, "https")
    assert error.code == "tls_failed"
    assert "check that endpoint speaks https" in error.hint


def test_a_ca_path_that_is_missing(tmp_path):
    with pytest.raises(OtaError) as error:
        Transport(ca_path=str(tmp_path / "ca.pem"))
    assert error.value.cause == f"there is no file or folder {tmp_path / 'ca.pem'}"


def test_a_ca_path_of_the_environment_that_is_missing(tls, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    error = failure(1, "https")
    assert (error.code, error.systemic) == ("missing_ca_path", True)
    assert error.cause == f"there is no file or folder {tmp_path / 'ca.pem'}, where certificates are looked for"


def test_giving_up():
    done = threading.Event()
    transport, ended = Transport(), []

    def send():
        with pytest.raises(GivenUpError):
            transport.send("GET", f"http://127.0.0.1:{port}/", 30.0, {})
        ended.append(True)

    arrived = threading.Event()
    with server(lambda connection: (connection.recv(10), arrived.set(), done.wait(5))) as port:
        thread = threading.Thread(target=send)
        thread.start()
        arrived.wait(5)
        transport.give_up()
        thread.join(5)
        done.set()
    assert ended


def test_a_ca_path_without_certificates(tls, tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with server(saying(OK), tls) as port:
        assert failure(port, "https", ca_path=str(tmp_path / "ca.pem")).code == "tls_failed"


# --- Proxy -----------------------------------------------------------------------------------------------------------


def test_a_proxy():
    serve = saying(OK)
    with server(serve) as port:
        Transport(proxy=f"http://127.0.0.1:{port}").send("GET", "http://iot.example.com/?A=1", 5.0, {})
    assert serve.requests[0].startswith(b"GET http://iot.example.com/?A=1 HTTP/1.1\r\n")


def test_a_proxy_leaves_the_environments_certificates_in_force(authority, tls, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "iot.example.com")  # a proxy that was asked for is used all the same
    transport = Transport(proxy="http://127.0.0.1:1")
    pool = transport._find_route("https://iot.example.com/").pool
    assert pool.ca_certs == str(tmp_path / "ca.pem")
    assert (pool.proxy.host, pool.proxy.port) == ("127.0.0.1", 1)


def test_a_proxy_that_refuses():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(1, proxy=f"http://user:canary@127.0.0.1:{port}")
    assert (error.code, error.retry) == ("proxy_failed", Retry.LATER)
    assert error.cause == "the proxy on the way to 127.0.0.1:1 cannot be used"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://"])
def test_a_proxy_that_is_none(proxy):
    assert failure(1, proxy=proxy).code in ("invalid_url", "proxy_failed")


# --- What should not happen ------------------------------------------------------------------------------------------


def test_requests_is_needed(monkeypatch):
    monkeypatch.setattr(_transport, "HAS_REQUESTS", False)
    with pytest.raises(MissingLibraryError) as error:
        Transport()
    assert error.value.library == "requests"


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    def mistake(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(Transport, "_find_route", mistake)
    with pytest.raises(ZeroDivisionError):
        ask(1)


# --- Headers ---------------------------------------------------------------------------------------------------------


def test_headers_join_those_that_all_have():
    serve = saying(OK)
    headers = {"host": "iot.example.com", "Accept": "application/xml", "Authorization": "canary", "x-acs-date": "now"}
    with server(serve) as port:
        Transport().send("POST", f"http://127.0.0.1:{port}/", 5.0, headers)
    lines = serve.requests[0].decode().lower().split("\r\n")
    assert [line for line in lines if line.startswith("host:")] == ["host: iot.example.com"]
    assert [line for line in lines if line.startswith("accept:")] == ["accept: application/xml"]
    assert {"authorization: canary", "x-acs-date: now", "user-agent: iotfleet.ota"} <= set(lines)


def test_headers_are_in_no_log_and_no_error(caplog):
    caplog.set_level("DEBUG")
    with server(reset) as port, pytest.raises(OtaError) as error:
        Transport().send("POST", f"http://127.0.0.1:{port}/?A=1", 5.0, {"Authorization": "canary"})
    with server(saying(OK)) as port:
        Transport().send("POST", f"http://127.0.0.1:{port}/", 5.0, {"x-acs-security-token": "canary"})
    assert "canary" not in caplog.text + str(error.value)


@pytest.mark.parametrize("value", ["a\nb", "客"])
def test_a_header_that_cannot_be_sent(value):
    with server(saying(OK)) as port, pytest.raises(OtaError) as error:
        Transport().send("GET", f"http://127.0.0.1:{port}/", 5.0, {"x-odd": value})
    assert error.value.code == "invalid_url"


def test_a_direct_one_uses_no_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with server(saying(OK)) as port:
        assert Transport(direct=True).send("GET", f"http://127.0.0.1:{port}/", 5.0, {}).status == 200
        with pytest.raises(OtaError):
            Transport().send("GET", f"http://127.0.0.1:{port}/", 5.0, {})
