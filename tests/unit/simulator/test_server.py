# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real sockets on the loopback interface: delivery, and the faults of delivery."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from ota_sim.server import Handler, Server

GOOD_ENOUGH = 300  # seconds that nothing here needs


@pytest.fixture
def server(caller):
    running = Server(caller.service)
    running.start()
    yield running
    caller.service.stopped.set()
    running.shutdown()
    running.server_close()


@pytest.fixture
def connection(server):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=GOOD_ENOUGH)
    yield client
    client.close()


def path(caller, method="GET"):
    return "/?" + urlencode(caller.sign(caller.params("QueryOTAJob", JobId="1001"), method))


def get(connection, target):
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer, answer.read()


def raw(server, caller):
    """Send one request over a bare socket."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=GOOD_ENOUGH)
    client.sendall(f"GET {path(caller)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def read_all(client):
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def test_it_listens_on_the_loopback_interface_only(server):
    assert server.server_address[0] == "127.0.0.1"


def test_connections_are_kept_alive(caller, connection):
    for _turn in range(3):
        answer, body = get(connection, path(caller))
        assert (answer.status, json.loads(body)["Success"]) == (200, True)
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == caller.time.wall()
        assert int(answer.headers["Content-Length"]) == len(body)
    assert json.loads(get(connection, "/_sim/stats")[1])["connections"] == 1


def test_a_form_body(caller, connection):
    params = caller.sign(caller.params("QueryOTAJob", JobId="客厅 *~/"), "POST")
    connection.request("POST", "/", urlencode(params), {"Content-Type": "application/x-www-form-urlencoded"})
    assert json.loads(connection.getresponse().read())["Code"] == "iot.firmware.InvalidOTAJobId"


def test_a_skewed_date(caller, connection):
    caller.fault("clock_skew", seconds=600)
    answer, _body = get(connection, path(caller))
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == caller.time.wall() + 600


def test_control_over_http(caller, connection):
    connection.request("POST", "/_sim/clock", '{"advance": 9}')
    assert json.loads(connection.getresponse().read()) == {"now": 9.0}
    answer, body = get(connection, "/_sim/nothing")
    assert (answer.status, "known are" in json.loads(body)["error"]) == (404, True)


@pytest.mark.parametrize("length", ["many", "-1", "99999999999"])
def test_a_bad_length_is_refused(server, length):
    with socket.create_connection(("127.0.0.1", server.port), timeout=GOOD_ENOUGH) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert read_all(client).startswith(b"HTTP/1.1 400")


def test_reset_before(server, caller):
    caller.fault("reset_before")
    with raw(server, caller) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


def test_reset_middle(server, caller):
    caller.fault("reset_middle")
    with raw(server, caller) as client, pytest.raises(ConnectionResetError):
        read_all(client)


def test_hang_until_the_client_leaves(server, caller):
    caller.fault("hang")
    with raw(server, caller) as client:
        client.settimeout(0.05)
        with pytest.raises(socket.timeout):
            client.recv(1)


def test_hang_ends_with_the_program(server, caller):
    caller.fault("hang")
    with raw(server, caller) as client:
        caller.service.stopped.set()
        assert client.recv(1) == b""


def test_endless_body(server, caller):
    caller.fault("endless_body")
    with raw(server, caller) as client:
        seen = 0
        while seen < 1_000_000:
            seen += len(client.recv(65536))
        caller.service.stopped.set()


@pytest.mark.parametrize("headers", [False, True])
def test_trickle(server, caller, headers):
    caller.fault("trickle", bytes_per_second=100_000, headers=headers)
    pauses = []
    caller.service.stopped.wait = pauses.append
    with raw(server, caller) as client:
        data = b""
        while not data.endswith(b"}}"):
            data += client.recv(65536)
    slow = data if headers else data.partition(b"\r\n\r\n")[2]
    assert pauses == [1 / 100_000] * len(slow)


@pytest.mark.parametrize("fewer", [False, True])
def test_wrong_content_length(caller, connection, fewer):
    caller.fault("wrong_content_length", fewer=fewer)
    connection.request("GET", path(caller))
    answer = connection.getresponse()
    if fewer:
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(answer.read())
    else:
        with pytest.raises(http.client.IncompleteRead):
            answer.read()


def test_early_hints(server, caller):
    caller.fault("early_hints")
    with raw(server, caller) as client:
        data = b""
        while not data.endswith(b"}}"):
            data += client.recv(65536)
    assert data.startswith(b"HTTP/1.1 103 Early Hints\r\n")
    assert data.count(b"HTTP/1.1 200") == 1


def test_endless_continue(server, caller):
    caller.fault("endless_continue")
    with raw(server, caller) as client:
        seen = b""
        while len(seen) < 1_000:
            seen += client.recv(65536)
        caller.service.stopped.set()
    assert seen.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")


def test_second_answer(server, caller):
    caller.fault("second_answer")
    with raw(server, caller) as client:
        data = b""
        while data.count(b"}}") < 2:
            data += client.recv(65536)
    assert data[: len(data) // 2] == data[len(data) // 2 :]


@pytest.mark.parametrize(
    ("fault", "start", "end"),
    [
        ("bad_status_line", b"HTTP/1.1 good\r\nServer: ", b"}}"),
        ("bad_header", b"HTTP/1.1 200 OK\r\nno header\r\nServer: ", b"}}"),
        ("cut_chunks", b"HTTP/1.1 200 OK\r\nServer: ", b"}}\r\n"),
    ],
)
def test_what_is_no_http_answer(server, caller, fault, start, end):
    caller.fault(fault)
    with raw(server, caller) as client:
        data = read_all(client)
    assert data.startswith(start)
    assert data.endswith(end)
    assert (b"Transfer-Encoding: chunked\r\n" in data) is (fault == "cut_chunks")


@pytest.mark.parametrize(("coding", "unpack"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
@pytest.mark.parametrize("unnamed", [False, True])
def test_packed_body(caller, connection, coding, unpack, unnamed):
    caller.fault("packed", coding=coding, unnamed=unnamed)
    answer, body = get(connection, path(caller))
    assert answer.headers["Content-Encoding"] == (None if unnamed else coding)
    assert json.loads(unpack(body))["Success"] is True


def test_packed_bomb(caller, connection):
    caller.fault("packed_bomb")
    answer, body = get(connection, path(caller))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(body) < 1 << 20
    assert len(gzip.decompress(body)) > 16 << 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_web_page_is_refused(caller, connection, headers):
    connection.request("POST", "/_sim/clock", '{"advance": 9}', {"Content-Type": "text/plain", **headers})
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"][:36]) == (403, "This is for programs on this machine")
    connection.request("GET", path(caller), headers=headers)
    assert connection.getresponse().status == 403
    assert caller.service.rollout.now() == 0.0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8686"])
def test_names_of_this_machine_are_known(connection, host):
    connection.request("GET", "/_sim/health", headers={"Host": host})
    assert connection.getresponse().status == 200


@pytest.mark.parametrize(("headers", "welcome"), [({}, True), ({"Origin": "https://evil.example"}, False)])
def test_with_a_certificate_the_service_has_its_real_name(headers, welcome):
    request = SimpleNamespace(headers={"Host": "iot.cn-shanghai.aliyuncs.com", **headers})
    request.server = SimpleNamespace(tls=object())
    assert Handler._is_from_here(request) is welcome
    request.server.tls = None
    assert not Handler._is_from_here(request)


def test_empty_body_and_redirect(caller, connection):
    caller.fault("empty_body")
    answer, body = get(connection, path(caller))
    assert (answer.status, body) == (200, b"")
    caller.fault("redirect", location="http://127.0.0.1:1/", status=307)
    answer, _body = get(connection, path(caller))
    assert (answer.status, answer.headers["Location"]) == (307, "http://127.0.0.1:1/")


def test_delays_end_with_the_program(caller, connection):
    caller.fault("delay", ms=60_000)
    caller.service.stopped.set()
    assert get(connection, path(caller))[0].status == 200
