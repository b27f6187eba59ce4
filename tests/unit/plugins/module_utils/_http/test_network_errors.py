# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import http.client
import itertools
import socket
import ssl

import pytest
import urllib3
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._http.connections import TunnelError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.network_errors import (
    host_and_port,
    network_error,
    place_of,
    proxy_problems,
    proxy_status_error,
    timeout_error,
)
from urllib3 import exceptions

URL = "https://user:canary@10.0.0.7:443/?Signature=canary"
PROXY = "proxy.example.com:3128"
ON_THE_WAY = f"the proxy {PROXY} on the way to 10.0.0.7:443"
CHECK_PROXY = "check the option proxy, or the environment variables HTTPS_PROXY, HTTP_PROXY and NO_PROXY"


def untrusted(message="canary", number=18):
    error = ssl.SSLCertVerificationError(1, "canary")
    error.verify_message = message
    error.verify_code = number
    return error


def tls(reason):
    error = ssl.SSLError(1, "canary")
    error.reason = reason
    return error


def sentence(error):
    assert "canary" not in repr(error) + str(error)
    return f"{error.cause}; {error.hint}"


# --- Places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://iot.example.com/", "iot.example.com"),
        ("http://iot.example.com:8686/path?Signature=canary", "iot.example.com:8686"),
        (URL, "10.0.0.7:443"),
        ("http://user:c@nary@host:1/", "host:1"),
        ("https://[2001:db8::1]:8686/?A=1", "[2001:db8::1]:8686"),
    ],
)
def test_host_and_port_are_all_that_is_shown(url, shown):
    assert host_and_port(url) == shown


# --- The service -----------------------------------------------------------------------------------------------------

BROKEN = (
    "connection_broken",
    "the connection to 10.0.0.7:443 failed, or broke before the response was complete;"
    " try again, or check the network and proxy",
    Retry.LATER,
    False,
)
TIMEOUT = (
    "timeout",
    "10.0.0.7:443 did not send a complete response in time;"
    " check endpoint and network, or raise timeout, connect_timeout or read_timeout",
    Retry.LATER,
    False,
)
NOT_HTTP = (
    "connection_broken",
    "10.0.0.7:443 sent no valid HTTP response; try again, or check host, port and scheme of endpoint, and proxy",
    Retry.LATER,
    False,
)
TLS = (
    "tls_failed",
    "a TLS connection to 10.0.0.7:443 cannot be established;"
    " check that endpoint speaks https, and that ca_path holds certificates in PEM format",
    Retry.NEVER,
    True,
)


def certificate(reason):
    return (
        "certificate_not_trusted",
        f"the certificate of 10.0.0.7:443 is not trusted ({reason});"
        " give the certificate of its authority in ca_path, or check that endpoint is the right host",
        Retry.NEVER,
        True,
    )


def out_of_time(problem):
    return (
        "certificate_not_trusted",
        f"the certificate of 10.0.0.7:443, or that of its authority, {problem}; check the clock of the machine that"
        " runs the module, and have the certificate renewed if it is right",
        Retry.NEVER,
        True,
    )


def tls_failed(words):
    return ("tls_failed", f"10.0.0.7:443 {words}", Retry.NEVER, True)


NO_COMMON_VERSION = tls_failed(
    "and this machine have no version of TLS in common; let the service speak TLS 1.2 or newer"
)


def unknown_host(retry):
    return (
        "unknown_host",
        "the host 10.0.0.7:443 is unknown; check endpoint or region, and that this machine can resolve names",
        retry,
        retry is Retry.NEVER,
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (untrusted("self-signed certificate"), certificate("self-signed certificate")),
        (untrusted(""), certificate("verification failed")),
        (urllib3.connection.CertificateError("canary"), certificate("verification failed")),
        (exceptions.SSLError("canary"), TLS),
        (ssl.SSLError(1, "canary"), TLS),
        (untrusted("canary", 10), out_of_time("has expired")),
        (untrusted("canary", 9), out_of_time("is not valid yet")),
        (tls("WRONG_VERSION_NUMBER"), TLS),
        (tls("TLSV1_ALERT_PROTOCOL_VERSION"), NO_COMMON_VERSION),
        (tls("UNSUPPORTED_PROTOCOL"), NO_COMMON_VERSION),
        (
            tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
            tls_failed(
                "requires a certificate of its clients, and none can be given; let it accept clients without one"
            ),
        ),
        (
            tls("SSLV3_ALERT_HANDSHAKE_FAILURE"),
            tls_failed(
                "refused the TLS connection; check that it accepts the ciphers of this machine, and clients without a"
                " certificate"
            ),
        ),
        (exceptions.SSLError(ssl.SSLEOFError(8, "canary")), BROKEN),
        (exceptions.SSLError(ssl.SSLZeroReturnError(6, "canary")), BROKEN),
        (tls("TLSV1_ALERT_INTERNAL_ERROR"), BROKEN),
        (tls("SSLV3_ALERT_BAD_RECORD_MAC"), BROKEN),
        (tls("DECRYPTION_FAILED_OR_BAD_RECORD_MAC"), BROKEN),
        (http.client.RemoteDisconnected("canary"), BROKEN),
        (http.client.IncompleteRead(b"canary"), BROKEN),
        (http.client.BadStatusLine("canary"), NOT_HTTP),
        (http.client.LineTooLong("canary"), NOT_HTTP),
        (
            http.client.BadStatusLine("\x15\x03\x01canary"),
            tls_failed("speaks TLS, and was called over plain http; write https:// in endpoint"),
        ),
        (socket.gaierror(socket.EAI_NONAME, "canary"), unknown_host(Retry.NEVER)),
        (socket.gaierror(socket.EAI_AGAIN, "canary"), unknown_host(Retry.LATER)),
        (
            ConnectionRefusedError(111, "canary"),
            (
                "connection_refused",
                "10.0.0.7:443 refused the connection; check host and port of endpoint, and that the service runs",
                Retry.LATER,
                False,
            ),
        ),
        (
            exceptions.ConnectTimeoutError("canary"),
            (
                "connect_timeout",
                "10.0.0.7:443 did not accept a connection in time; check endpoint, network and firewall, give a proxy"
                " if one is needed, or raise connect_timeout",
                Retry.LATER,
                False,
            ),
        ),
        (exceptions.ReadTimeoutError(None, "canary", "canary"), TIMEOUT),
        (socket.timeout("canary"), TIMEOUT),
        (
            ValueError("canary"),
            (
                "invalid_url",
                "10.0.0.7:443 cannot be called, because its URL or the proxy's is not valid;"
                " check endpoint and proxy; both look like https://host:port",
                Retry.NEVER,
                True,
            ),
        ),
        (exceptions.ProtocolError("canary"), BROKEN),
        (ConnectionResetError(104, "canary"), BROKEN),
    ],
)
def test_error_of_the_service(error, expected):
    found = network_error(error, URL, None)
    assert (found.code, sentence(found), found.retry, found.affects_all) == expected


def test_a_wrapped_value_error_is_not_about_the_url():
    error = exceptions.ProtocolError("canary", http.client.IncompleteRead(b""))
    error.args[1].__context__ = ValueError("invalid literal for int() with base 16: ''")
    assert network_error(error, URL, None).code == "connection_broken"


def test_reason_of_a_tls_error_is_found_below_others():
    error = exceptions.SSLError(tls("TLSV1_ALERT_PROTOCOL_VERSION"))
    assert network_error(error, URL, None).cause == "10.0.0.7:443 and this machine have no version of TLS in common"


def test_timeout_error_without_an_exception():
    found = timeout_error("10.0.0.7:443")
    assert (found.code, sentence(found), found.retry, found.affects_all) == TIMEOUT


# --- Wrapped errors --------------------------------------------------------------------------------------------------


def as_argument(error):
    return exceptions.ProtocolError("canary", error)


def as_reason(error):
    return exceptions.MaxRetryError(None, "/?canary", error)


def as_cause(error):
    outer = OSError("canary")
    outer.__cause__ = error
    return outer


def as_context(error):
    outer = OSError("canary")
    outer.__context__ = error
    return outer


WRAPPERS = (as_argument, as_reason, as_cause, as_context)


@pytest.mark.parametrize(("outer", "inner"), list(itertools.product(WRAPPERS, WRAPPERS)))
def test_wrapped_error_is_found(outer, inner):
    error = outer(inner(ConnectionRefusedError(111, "canary")))
    assert network_error(error, URL, None).code == "connection_refused"


def test_most_specific_error_wins():
    refused = ConnectionRefusedError(111, "canary")
    assert network_error(as_context(exceptions.SSLError(untrusted("expired"))), URL, None).code == (
        "certificate_not_trusted"
    )
    connect = exceptions.ConnectTimeoutError("canary")
    connect.__cause__ = socket.timeout("canary")
    assert network_error(connect, URL, None).code == "connect_timeout"
    connect.__context__ = refused
    assert network_error(connect, URL, None).code == "connection_refused"


def test_errors_that_wrap_each_other():
    first, second = OSError("canary"), OSError("canary")
    first.__cause__, second.__cause__ = second, first
    assert network_error(first, URL, None).code == "connection_broken"


# --- Proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "problem", "retry"),
    [
        (untrusted(), "has an untrusted certificate", Retry.NEVER),
        (exceptions.SSLError("canary"), "failed the TLS handshake", Retry.NEVER),
        (ssl.SSLError(1, "canary"), "failed the TLS handshake", Retry.NEVER),
        (socket.gaierror(socket.EAI_NONAME, "canary"), "is an unknown host", Retry.LATER),
        (ConnectionRefusedError(111, "canary"), "refused the connection", Retry.LATER),
        (exceptions.ReadTimeoutError(None, "canary", "canary"), "did not respond in time", Retry.LATER),
        (socket.timeout("canary"), "did not respond in time", Retry.LATER),
        (ssl.SSLEOFError(8, "canary"), "closed the connection", Retry.LATER),
        (http.client.RemoteDisconnected("canary"), "closed the connection", Retry.LATER),
        (ConnectionResetError(104, "canary"), "closed the connection", Retry.LATER),
        (http.client.BadStatusLine("canary"), "sent no valid HTTP response", Retry.LATER),
        (OSError("canary"), "cannot be used", Retry.LATER),
    ],
)
def test_error_of_the_proxy(error, problem, retry):
    tunnel = TunnelError()
    tunnel.__cause__ = error
    for outer in (exceptions.ProxyError("canary", error), exceptions.ProtocolError("canary", tunnel)):
        found = network_error(outer, URL, PROXY)
        assert sentence(found) == f"{ON_THE_WAY} {problem}; {CHECK_PROXY}"
        assert (found.code, found.retry, found.affects_all) == ("proxy_failed", retry, retry is Retry.NEVER)


def test_every_problem_of_a_proxy_is_tested():
    (mark,) = (mark for mark in test_error_of_the_proxy.pytestmark if mark.name == "parametrize")
    assert {problem for _error, problem, _retry in mark.args[1]} == {
        problem for _kinds, problem, _transient in proxy_problems()
    }


def test_connect_timeout_is_the_proxys_where_there_is_one():
    error = exceptions.ConnectTimeoutError("canary")
    assert sentence(network_error(error, URL, PROXY)) == f"{ON_THE_WAY} did not respond in time; {CHECK_PROXY}"
    assert network_error(error, URL, None).code == "connect_timeout"


def test_new_connection_is_the_proxys_where_there_is_one():
    error = exceptions.NewConnectionError(None, "canary")
    error.__cause__ = ConnectionRefusedError(111, "canary")
    assert sentence(network_error(error, URL, PROXY)) == f"{ON_THE_WAY} refused the connection; {CHECK_PROXY}"
    assert network_error(error, URL, None).code == "connection_refused"


@pytest.mark.parametrize(
    ("error", "code", "cause"),
    [
        (socket.timeout("canary"), "timeout", "{} did not send a complete response in time"),
        (
            exceptions.SSLError(tls("WRONG_VERSION_NUMBER")),
            "tls_failed",
            "a TLS connection to {} cannot be established",
        ),
        (exceptions.ProtocolError("canary"), "connection_broken", "the connection to {} failed, or broke before"),
    ],
)
def test_other_errors_name_the_proxy_on_the_way(error, code, cause):
    found = network_error(error, URL, PROXY)
    assert found.code == code
    assert found.cause.startswith(cause.format(f"10.0.0.7:443 (through the proxy {PROXY})"))


def test_place_without_a_proxy():
    assert place_of(URL, None) == "10.0.0.7:443"


def test_proxy_without_a_name():
    found = network_error(exceptions.ProxyError("canary", OSError("canary")), URL, None)
    assert found.cause == "the proxy on the way to 10.0.0.7:443 cannot be used"


@pytest.mark.parametrize(
    ("status", "code", "expected", "retry"),
    [
        (
            407,
            "proxy_authentication",
            "requires a user name and a password, or rejects the given ones (HTTP 407); write them like"
            " http://user:password@host:port into the option proxy, or the environment variables HTTPS_PROXY,"
            " HTTP_PROXY and NO_PROXY, with special characters percent-encoded, such as %40 for @",
            Retry.NEVER,
        ),
        (
            511,
            "proxy_authentication",
            "requires a login to the network (HTTP 511); log in to the network of this machine, because its portal"
            " responds there",
            Retry.NEVER,
        ),
        (
            403,
            "proxy_denied",
            f"denied the connection (HTTP 403); ask the proxy's administrator to allow it, or {CHECK_PROXY}",
            Retry.NEVER,
        ),
        (
            499,
            "proxy_denied",
            f"denied the connection (HTTP 499); ask the proxy's administrator to allow it, or {CHECK_PROXY}",
            Retry.NEVER,
        ),
        (
            500,
            "proxy_failed",
            "could not connect to it (HTTP 500); check host and port of endpoint, and that the proxy can reach it",
            Retry.LATER,
        ),
    ],
)
def test_status_of_the_proxy(status, code, expected, retry):
    direct = proxy_status_error("10.0.0.7:443", PROXY, status)
    for found in (direct, network_error(exceptions.ProtocolError("canary", TunnelError(status)), URL, PROXY)):
        assert sentence(found) == f"{ON_THE_WAY} {expected}"
        assert (found.code, found.http_status, found.retry) == (code, status, retry)
        assert found.affects_all is (retry is Retry.NEVER)


@pytest.mark.parametrize("schemes", [(), ("basic",), ("negotiate", "basic")])
def test_proxy_that_offers_basic_wants_a_password(schemes):
    assert "requires a user name" in proxy_status_error("10.0.0.7:443", PROXY, 407, schemes).cause


def test_proxy_that_does_not_offer_basic():
    error = exceptions.ProtocolError("canary", TunnelError(407, ("negotiate", "ntlm")))
    found = network_error(error, URL, PROXY)
    assert sentence(found) == (
        f"{ON_THE_WAY} does not accept a user name and a password by the scheme Basic (HTTP 407);"
        " let its administrator allow Basic or this machine, because no other scheme is supported"
    )
    assert (found.code, found.retry, found.affects_all) == ("proxy_authentication", Retry.NEVER, True)
