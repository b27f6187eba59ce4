# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import contextlib
import datetime
import gc
import socket
import ssl
import threading
import warnings

import pytest
import trustme
import urllib3
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import (
    CanceledError,
    MissingLibraryError,
    OtaError,
    Retry,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._http import transport
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Transport
from ansible_collections.iotfleet.ota.tests.unit.wires import PAGE, WATCHDOG, hang, reset, saying, server

QUERY = "?Action=QueryOTAJob&AccessKeyId=key-id&Signature=canary%3D"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd: 1\r\n\r\n{}"


def ask(port, scheme="http", timeout=WATCHDOG, method="GET", **options):
    return Transport(**options).send(method, f"{scheme}://127.0.0.1:{port}/{QUERY}", timeout, {})


def failure(*arguments, **options):
    with pytest.raises(OtaError) as error:
        ask(*arguments, **options)
    assert "canary" not in repr(error.value) + str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__
    return error.value


def test_response_and_request_head():
    serve = saying(OK)
    with server(serve) as port:
        answer = ask(port, method="POST")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["x-odd"] == "1"
    head = serve.requests[0].decode()
    assert head.startswith(f"POST /{QUERY} HTTP/1.1\r\n")
    assert "\r\nContent-Length: 0\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


def test_url_is_sent_as_it_was_signed():
    serve = saying(OK)
    with server(serve) as port:
        Transport().send("GET", f"http://127.0.0.1:{port}/?A=%2A%20~%E5%AE%A2&B=%27%28%21", WATCHDOG, {})
    assert serve.requests[0].startswith(b"GET /?A=%2A%20~%E5%AE%A2&B=%27%28%21 HTTP/1.1\r\n")


def test_connection_is_kept_for_more_requests():
    serve = saying(OK, OK, OK)
    with server(serve) as port:
        transport = Transport()
        for _number in range(3):
            transport.send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
    assert len(serve.requests) == 3


def test_renewed_connections_are_new_ones():
    connections = []

    def serve(connection):
        connections.append(0)
        while connection.recv(65536):
            connections[-1] += 1
            connection.sendall(OK)

    with warnings.catch_warnings():  # what servers of other tests have left is not of this one
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    with server(serve) as port:
        transport = Transport()
        for number in range(4):
            if number == 3:
                transport.renew_connections()
                gc.collect()
            transport.send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
        transport.renew_connections()
        gc.collect()
    assert connections == [3, 1]


def test_netrc_is_not_read(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login canary password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    serve = saying(OK)
    with server(serve) as port:
        ask(port)
    assert b"Authorization" not in serve.requests[0]


def test_redirect_is_not_followed():
    with server(saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")) as port:
        assert ask(port).status == 302


@pytest.mark.parametrize(
    "serve",
    [
        reset,
        saying(b""),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"),
        saying(CHUNKED + b"5\r\nab"),
        saying(CHUNKED),
        saying(CHUNKED + b"2\r\n{}\r\n"),
        saying(CHUNKED + b"2\r\n{}\r\nodd\r\n"),
    ],
    ids=["reset", "closed", "short", "half a chunk", "no chunk", "between two chunks", "size of a chunk"],
)
def test_broken_connection(serve):
    with server(serve) as port:
        error = failure(port)
    assert (error.code, error.retry) == ("connection_broken", Retry.LATER)
    assert error.cause == (f"the connection to 127.0.0.1:{port} failed, or broke before the response was complete")


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Odd: 1\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Odd: " + b"1" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n continued\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["SSH", "status", "protocol", "switch", "many headers", "long header", "no header", "continuation"],
)
def test_what_is_no_http_response(said):
    done = threading.Event()

    def serve(connection):
        connection.recv(65536)
        connection.sendall(said)
        done.wait(WATCHDOG)  # what is wrong with it does not show by its end

    with server(serve) as port:
        error = failure(port)
        done.set()
    assert (error.code, error.retry) == ("connection_broken", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} sent no valid HTTP response"


def test_refused_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(port)
    assert (error.code, error.retry) == ("connection_refused", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} refused the connection"


def test_unknown_host(monkeypatch):
    def unknown(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "canary")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(80)
    assert (error.code, error.cause) == ("unknown_host", "the host 127.0.0.1:80 is unknown")


def test_silence():
    done = threading.Event()
    with server(lambda connection: done.wait(WATCHDOG)) as port:
        error = failure(port, timeout=0.2)
        done.set()
    assert (error.code, error.retry) == ("timeout", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} did not send a complete response in time"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"], ids=["headers", "body"])
def test_trickle_is_abandoned(head):
    def trickle(connection):
        connection.recv(65536)
        connection.sendall(head or b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with contextlib.suppress(OSError):
            for _number in range(3000):
                connection.sendall(b"x")  # each byte starts the limits of requests again
                if done.wait(0.02):
                    return

    done = threading.Event()
    with server(trickle) as port:
        assert failure(port, timeout=0.3).code == "timeout"
        done.set()


def test_slow_name_server_is_abandoned(monkeypatch):
    done = threading.Event()

    def slow(*arguments, **options):
        done.wait(WATCHDOG)
        raise socket.gaierror(socket.EAI_AGAIN, "canary")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    assert failure(80, timeout=0.2).code == "timeout"
    done.set()


def test_body_is_limited(monkeypatch):
    monkeypatch.setattr(transport, "MAX_BODY", 1024 * 1024)

    def endless(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _number in range(1000):
            connection.sendall(b"x" * 65536)

    with server(endless) as port:
        error = failure(port)
    assert (error.code, error.cause) == ("endless_response", "the response is longer than 1 MiB")


def test_body_of_a_redirect_is_limited(monkeypatch):
    monkeypatch.setattr(transport, "MAX_BODY", 1024 * 1024)

    def endless(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\n\r\n")
        for _number in range(1000):
            connection.sendall(b"x" * 65536)

    with server(endless) as port:
        assert failure(port).code == "endless_response"


# --- Connecting ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def full_server():
    """A server that accepts no further connection; yields the port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _number in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_connection_is_not_accepted_in_time():
    with full_server() as port:
        error = failure(port, timeout=WATCHDOG, connect_timeout=0.3)
    assert (error.code, error.retry) == ("connect_timeout", Retry.LATER)
    assert error.cause == f"127.0.0.1:{port} did not accept a connection in time"


def test_proxy_does_not_accept_a_connection_in_time():
    with full_server() as port:
        error = failure(1, "https", timeout=WATCHDOG, connect_timeout=0.3, proxy=f"http://127.0.0.1:{port}")
    assert (error.code, error.retry) == ("proxy_failed", Retry.LATER)
    assert error.cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 did not respond in time"


class Pool:
    """A pool of connections that keeps the limits of each request, none of which gets through."""

    proxy = None

    def __init__(self):
        self.limits = []

    def request(self, method, target, *, timeout, **keywords):
        self.limits.append((timeout.connect_timeout, timeout.read_timeout))
        raise urllib3.exceptions.ProtocolError


@pytest.mark.parametrize(
    ("timeout", "options", "limits"),
    [
        (15.0, {}, (10.0, 15.0)),
        (5.0, {}, (5.0, 5.0)),
        (15.0, {"connect_timeout": 3.0}, (3.0, 15.0)),
        (15.0, {"read_timeout": 4.0}, (10.0, 4.0)),
        (15.0, {"connect_timeout": 20.0, "read_timeout": 30.0}, (15.0, 15.0)),
    ],
)
def test_connecting_and_reading_count_within_the_limit_of_the_whole(timeout, options, limits):
    limited, pool = Transport(**options), Pool()
    limited._routes["http://iot.example.com/"] = transport._Route(pool, "/", None)
    with pytest.raises(OtaError):
        limited.send("GET", "http://iot.example.com/?A=1", timeout, {})
    assert pool.limits == [limits]


def test_silence_after_the_request():
    done = threading.Event()
    with server(lambda connection: (connection.recv(65536), done.wait(WATCHDOG))) as port:
        error = failure(port, timeout=WATCHDOG, read_timeout=0.2)
        done.set()
    assert (error.code, error.retry) == ("timeout", Retry.LATER)
    assert "read_timeout" in error.hint


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_ipv6(authority, tmp_path, scheme):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("::1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    serve = saying(OK)
    with server(serve, context if scheme == "https" else None, "::1") as port:
        transport = Transport(ca_path=str(tmp_path / "ca.pem"))
        assert transport.send("GET", f"{scheme}://[::1]:{port}/some/path?A=1", WATCHDOG, {}).status == 200
        with pytest.raises(OtaError) as error:
            transport.send("GET", f"{scheme}://[::1]:{port}1/", WATCHDOG, {})
    assert serve.requests[0].startswith(b"GET /some/path?A=1 HTTP/1.1\r\n")
    assert f"\r\nHost: [::1]:{port}\r\n".encode() in serve.requests[0]
    assert "[::1]" in error.value.cause


def test_ipv6_through_a_proxy():
    serve = saying(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    with server(serve) as port, pytest.raises(OtaError) as error:
        Transport(proxy=f"http://127.0.0.1:{port}").send("GET", "https://[2001:db8::1]:8686/", WATCHDOG, {})
    assert serve.requests[0].startswith(b"CONNECT [2001:db8::1]:8686 ")
    assert error.value.cause.endswith("on the way to [2001:db8::1]:8686 denied the connection (HTTP 403)")


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_untrusted_certificate(tls):
    with server(saying(OK), tls) as port:
        error = failure(port, "https")
    assert (error.code, error.retry) == ("certificate_not_trusted", Retry.NEVER)
    assert error.cause.startswith(f"the certificate of 127.0.0.1:{port} is not trusted (")
    assert "in ca_path" in error.hint


def test_certificate_of_another_host(authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example.com").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server(saying(OK), context) as port:
        error = failure(port, "https", ca_path=str(tmp_path / "ca.pem"))
    assert error.code == "certificate_not_trusted"
    assert "127.0.0.1" in error.cause


@pytest.mark.parametrize("bundle", [False, True])
def test_ca_path_of_a_private_authority(authority, tls, tmp_path, monkeypatch, bundle):
    if bundle:  # what the environment says must not get in the way
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server(saying(OK), tls) as port:
        assert ask(port, "https", ca_path=str(tmp_path / "ca.pem")).status == 200


@pytest.mark.parametrize("bundle", [False, True])
def test_validate_certs_can_be_switched_off(authority, tls, tmp_path, monkeypatch, bundle):
    if bundle:
        authority.cert_pem.write_to_path(tmp_path / "other.pem")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    with server(saying(OK), tls) as port:
        assert ask(port, "https", validate_certs=False).status == 200


def test_https_to_a_plain_http_server():
    with server(saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        error = failure(port, "https")
    assert error.code == "tls_failed"
    assert "check that endpoint speaks https" in error.hint


@pytest.mark.parametrize("reads", [False, True])
def test_connection_that_ends_in_the_handshake(reads):
    with server(saying(b"") if reads else lambda connection: None) as port:
        error = failure(port, "https")
    assert (error.code, error.retry) == ("connection_broken", Retry.LATER)


@pytest.mark.parametrize(("days", "problem"), [(-1, "has expired"), (1, "is not valid yet")])
def test_certificate_that_is_out_of_time(authority, tmp_path, days, problem):
    now = datetime.datetime.now(datetime.timezone.utc)
    span = {"not_after": now + datetime.timedelta(days=-1)} if days < 0 else {}
    span = span or {"not_before": now + datetime.timedelta(days=1), "not_after": now + datetime.timedelta(days=2)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **span).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with server(saying(OK), context) as port:
        error = failure(port, "https", ca_path=str(tmp_path / "ca.pem"))
    assert (error.code, error.affects_all) == ("certificate_not_trusted", True)
    assert error.cause == f"the certificate of 127.0.0.1:{port}, or that of its authority, {problem}"
    assert error.hint.startswith("check the clock of the machine")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_service_that_has_old_tls_only(authority, tls, tmp_path):
    tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.suppress(ssl.SSLError):
        tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    with server(saying(OK), tls) as port:
        error = failure(port, "https", validate_certs=False)
    assert error.code == "tls_failed"
    assert error.cause == f"127.0.0.1:{port} and this machine have no version of TLS in common"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        (ssl.TLSVersion.TLSv1_2, "127.0.0.1:{} refused the TLS connection"),
        (ssl.TLSVersion.TLSv1_3, "127.0.0.1:{} requires a certificate of its clients, and none can be given"),
    ],
)
def test_service_that_wants_a_certificate(authority, tls, version, words):
    tls.maximum_version = version
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)

    def refuse(connection):
        with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
            with contextlib.suppress(ssl.SSLError):
                secured.do_handshake()
            while socket.socket.recv(secured, 65536):  # closed with something unread, it would be reset
                pass

    with server(refuse) as port:
        error = failure(port, "https", validate_certs=False)
    assert (error.code, error.cause) == ("tls_failed", words.format(port))


def test_plain_http_to_a_tls_port():
    with server(saying(b"\x15\x03\x01\x00\x02\x02\x46")) as port:
        error = failure(port)
    assert (error.code, error.hint) == ("tls_failed", "write https:// in endpoint")


@pytest.mark.parametrize("given", ["option", "environment"])
def test_folder_in_which_openssl_finds_nothing(authority, tls, tmp_path, monkeypatch, given):
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    if given == "environment":
        monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    with server(saying(OK), tls) as port:
        error = failure(port, "https", **({"ca_path": str(tmp_path)} if given == "option" else {}))
    assert (error.code, error.hint) == ("missing_ca_path", f"prepare it with: openssl rehash {tmp_path}")


def test_folder_of_certificates(authority, tls, tmp_path):
    (tmp_path / "0123abcd.0").touch()
    assert Transport(ca_path=str(tmp_path))


def test_ca_path_does_not_exist(tmp_path):
    with pytest.raises(OtaError) as error:
        Transport(ca_path=str(tmp_path / "ca.pem"))
    assert error.value.cause == f"there is no file or folder {tmp_path / 'ca.pem'}"


def test_ca_bundle_of_the_environment_does_not_exist(tls, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    error = failure(1, "https")
    assert (error.code, error.affects_all) == ("missing_ca_path", True)
    assert error.cause == f"there is no file or folder {tmp_path / 'ca.pem'} to read certificates from"


def test_cancel_ends_sending():
    done = threading.Event()
    transport, ended = Transport(), []

    def send():
        with pytest.raises(CanceledError):
            transport.send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
        ended.append(True)

    arrived = threading.Event()
    with server(lambda connection: (connection.recv(10), arrived.set(), done.wait(WATCHDOG))) as port:
        thread = threading.Thread(target=send)
        thread.start()
        arrived.wait(WATCHDOG)
        transport.cancel()
        thread.join(WATCHDOG)
        done.set()
    assert ended


def test_ca_path_without_certificates(tls, tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with server(saying(OK), tls) as port:
        assert failure(port, "https", ca_path=str(tmp_path / "ca.pem")).code == "tls_failed"


# --- Proxy -----------------------------------------------------------------------------------------------------------


def test_proxy_gets_the_whole_url():
    serve = saying(OK)
    with server(serve) as port:
        Transport(proxy=f"http://127.0.0.1:{port}").send("GET", "http://iot.example.com/?A=1", WATCHDOG, {})
    assert serve.requests[0].startswith(b"GET http://iot.example.com/?A=1 HTTP/1.1\r\n")


def test_proxy_keeps_the_ca_bundle_of_the_environment(authority, tls, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NO_PROXY", "iot.example.com")  # a proxy that was asked for is used all the same
    transport = Transport(proxy="http://127.0.0.1:1")
    pool = transport._find_route("https://iot.example.com/").pool
    assert pool.ca_certs == str(tmp_path / "ca.pem")
    assert (pool.proxy.host, pool.proxy.port) == ("127.0.0.1", 1)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_refuses_the_connection(scheme):
    port = closed_port()
    error = failure(1, scheme, proxy=f"http://user:canary@127.0.0.1:{port}")
    assert (error.code, error.retry) == ("proxy_failed", Retry.LATER)
    assert error.cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 refused the connection"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "sent"),
    [
        ("user:p%40ss%2F%25", "user:p@ss/%"),
        ("%E5%AE%A2:%E5%8E%85", "客:厅"),
        ("user", "user:"),
        ("user:a:b", "user:a:b"),
    ],
)
def test_proxy_credentials_are_sent_decoded(scheme, user, sent):
    serve = saying(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    with server(serve) as port:
        error = failure(1, scheme, proxy=f"http://{user}@127.0.0.1:{port}")
    (request,) = serve.requests
    assert request.startswith(b"CONNECT 127.0.0.1:1 " if scheme == "https" else b"GET http://127.0.0.1:1/?Action")
    assert base64.b64encode(sent.encode()) in request
    assert (error.code, error.retry, error.affects_all) == ("proxy_authentication", Retry.NEVER, True)
    assert error.http_status == 407
    assert error.cause == (
        f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 requires a user name and a password, or rejects the"
        " given ones (HTTP 407)"
    )


@pytest.mark.parametrize(
    ("status", "code", "retry", "words"),
    [
        (403, "proxy_denied", Retry.NEVER, "denied the connection (HTTP 403)"),
        (511, "proxy_authentication", Retry.NEVER, "requires a login to the network (HTTP 511)"),
        (502, "proxy_failed", Retry.LATER, "could not connect to it (HTTP 502)"),
    ],
)
def test_proxy_refuses_the_tunnel(status, code, retry, words):
    with server(saying(b"HTTP/1.1 %d canary\r\nContent-Length: 0\r\n\r\n" % status)) as port:
        error = failure(1, "https", proxy=f"http://127.0.0.1:{port}")
    assert (error.code, error.retry, error.http_status) == (code, retry, status)
    assert error.cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 {words}"


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (saying(b""), "closed the connection"),
        (reset, "closed the connection"),
        (saying(b"\x05\x00\r\n"), "sent no valid HTTP response"),
        (saying(b"<html>\r\n"), "sent no valid HTTP response"),
        (hang, "did not respond in time"),
    ],
    ids=["closed", "reset", "SOCKS", "page", "silent"],
)
def test_proxy_that_makes_no_tunnel(serve, words):
    with server(serve) as port:
        error = failure(1, "https", connect_timeout=0.3, proxy=f"http://127.0.0.1:{port}")
    assert (error.code, error.retry) == ("proxy_failed", Retry.LATER)
    assert error.cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 {words}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "offers",
    [
        b"Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n",
        b"Proxy-Authenticate: Negotiate, Digest realm=basic, nonce=1\r\n",
    ],
)
def test_proxy_that_does_not_offer_basic(scheme, offers):
    with server(saying(b"HTTP/1.1 407 Who\r\n" + offers + b"Content-Length: 0\r\n\r\n")) as port:
        error = failure(1, scheme, proxy=f"http://127.0.0.1:{port}")
    assert error.code == "proxy_authentication"
    assert error.cause.endswith("does not accept a user name and a password by the scheme Basic (HTTP 407)")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_offers_basic_beside_others_in_one_header(scheme):
    offers = b"Proxy-Authenticate: Negotiate, Basic realm=x\r\n"
    with server(saying(b"HTTP/1.1 407 Who\r\n" + offers + b"Content-Length: 0\r\n\r\n")) as port:
        error = failure(1, scheme, proxy=f"http://127.0.0.1:{port}")
    assert "requires a user name and a password" in error.cause


def test_interim_response_of_a_proxy_is_skipped():
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
    with server(saying(said)) as port:
        assert failure(1, "https", proxy=f"http://127.0.0.1:{port}").code == "proxy_denied"


@pytest.mark.parametrize("gap", [True, False])
def test_proxy_whose_tunnel_holds_a_web_page(gap):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + (b"" if gap else PAGE))
        if gap:
            connection.recv(65536)
            connection.sendall(PAGE)
        connection.recv(65536)

    with server(serve) as port:
        error = failure(1, "https", proxy=f"http://127.0.0.1:{port}")
    assert error.code == "tls_failed"
    assert error.cause == f"a TLS connection to 127.0.0.1:1 (through the proxy 127.0.0.1:{port}) cannot be established"


def test_proxy_is_named_when_time_is_up():
    with server(hang) as port:
        error = failure(1, timeout=0.2, proxy=f"http://127.0.0.1:{port}")
    assert error.cause == (f"127.0.0.1:1 (through the proxy 127.0.0.1:{port}) did not send a complete response in time")


@pytest.mark.skipif(urllib3.__version__ < "2", reason="urllib3 1 does not say whose certificate it is")
def test_proxy_with_an_untrusted_certificate(tls):
    with server(saying(OK), tls) as port:
        error = failure(1, "https", proxy=f"https://127.0.0.1:{port}")
    assert (error.code, error.retry, error.affects_all) == ("proxy_failed", Retry.NEVER, True)
    assert error.cause.endswith("has an untrusted certificate")


def test_proxy_without_tls():
    with server(saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        error = failure(1, "https", proxy=f"https://127.0.0.1:{port}")
    assert (error.code, error.affects_all) == ("proxy_failed", True)
    assert error.cause.endswith("failed the TLS handshake")


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_proxy_of_the_environment(spelling, monkeypatch):
    serve = saying(OK)
    with server(serve) as port:
        monkeypatch.setenv(spelling("http_proxy"), f"http://user:canary@127.0.0.1:{port}")
        Transport().send("GET", "http://iot.example.com/?A=1", WATCHDOG, {})
    assert serve.requests[0].startswith(b"GET http://iot.example.com/?A=1 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " in serve.requests[0]


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("other.example.com", "https://iot.example.com/", False),
        ("iot.example.com", "https://iot.example.com/", True),
        (".example.com", "https://iot.example.com/", True),
        ("one.test, example.com", "https://iot.example.com:8686/", True),
        ("iot.example.com:8686", "https://iot.example.com:8686/", True),
        ("iot.example.com:1", "https://iot.example.com:8686/", False),
        ("*", "https://iot.example.com/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("2001:db8::1", "https://[2001:db8::1]:8686/", True),
        ("::/0", "https://[2001:db8::1]:8686/", True),
        ("", "https://[2001:db8::1]:8686/", False),
    ],
)
def test_no_proxy_of_the_environment(no_proxy, url, direct, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert Transport()._find_route(url).proxy == (None if direct else "127.0.0.1:1")


def test_proxy_url_is_invalid():
    error = failure(1, proxy="http://canary#")
    assert (error.code, error.cause) == ("invalid_option", "proxy is not the URL of a proxy")


@pytest.mark.parametrize(
    "value", ["http://fleet:1234#5678@127.0.0.1:1", "http://canary:8080/proxy.pac", "http://can ary:1"]
)
def test_proxy_of_the_environment_is_invalid(monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = failure(1, "https")
    assert (error.code, error.affects_all) == ("invalid_option", True)
    assert error.cause == "the environment variable HTTPS_PROXY is not the URL of a proxy"
    assert "1234" not in str(error)


def test_proxy_of_the_environment_loses_surrounding_blanks(monkeypatch):
    port = closed_port()
    monkeypatch.setenv("HTTPS_PROXY", f" http://127.0.0.1:{port}\n")
    assert failure(1, "https").cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 refused the connection"


@pytest.mark.parametrize("scheme", ["socks4", "socks5h"])
def test_socks_needs_a_library(monkeypatch, scheme):
    monkeypatch.setattr(transport, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError) as error:
        ask(1, proxy=f"{scheme}://127.0.0.1:1")
    assert (error.value.library, error.value.reason) == ("PySocks", "for a SOCKS proxy")


def test_socks_proxy_refuses_the_connection():
    pytest.importorskip("socks")
    port = closed_port()
    error = failure(1, proxy=f"socks5h://127.0.0.1:{port}")
    assert error.cause == f"the proxy 127.0.0.1:{port} on the way to 127.0.0.1:1 refused the connection"


# --- Our own mistakes ------------------------------------------------------------------------------------------------


def test_requests_is_required(monkeypatch):
    monkeypatch.setattr(transport, "HAS_REQUESTS", False)
    with pytest.raises(MissingLibraryError) as error:
        Transport()
    assert error.value.library == "requests"


def test_programming_error_is_not_masked(monkeypatch):
    def mistake(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr(Transport, "_find_route", mistake)
    with pytest.raises(ZeroDivisionError):
        ask(1)


# --- Headers ---------------------------------------------------------------------------------------------------------


def test_headers_join_those_of_all_requests():
    serve = saying(OK)
    headers = {"host": "iot.example.com", "Accept": "application/xml", "Authorization": "canary", "x-acs-date": "now"}
    with server(serve) as port:
        Transport().send("POST", f"http://127.0.0.1:{port}/", WATCHDOG, headers)
    lines = serve.requests[0].decode().lower().split("\r\n")
    assert [line for line in lines if line.startswith("host:")] == ["host: iot.example.com"]
    assert [line for line in lines if line.startswith("accept:")] == ["accept: application/xml"]
    assert {"authorization: canary", "x-acs-date: now", "user-agent: iotfleet.ota"} <= set(lines)


def test_zone_of_an_address_stays_on_this_machine():
    serve = saying(OK)
    with server(serve) as port:
        sender = Transport(proxy=f"http://127.0.0.1:{port}")
        sender.send("GET", "http://[fe80::1%25eth0]:8686/", WATCHDOG, {})
    assert b"\r\nHost: [fe80::1]:8686\r\n" in serve.requests[0]


def test_headers_are_in_no_log_and_no_error(caplog):
    caplog.set_level("DEBUG")
    with server(reset) as port, pytest.raises(OtaError) as error:
        Transport().send("POST", f"http://127.0.0.1:{port}/?A=1", WATCHDOG, {"Authorization": "canary"})
    with server(saying(OK)) as port:
        Transport().send("POST", f"http://127.0.0.1:{port}/", WATCHDOG, {"x-acs-security-token": "canary"})
    assert "canary" not in caplog.text + str(error.value)


@pytest.mark.parametrize("value", ["a\nb", "客"])
def test_header_cannot_be_sent(value):
    with server(saying(OK)) as port, pytest.raises(OtaError) as error:
        Transport().send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {"x-odd": value})
    assert error.value.code == "invalid_url"


def test_direct_transport_uses_no_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with server(saying(OK)) as port:
        assert Transport(direct=True).send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {}).status == 200
        with pytest.raises(OtaError):
            Transport().send("GET", f"http://127.0.0.1:{port}/", WATCHDOG, {})
