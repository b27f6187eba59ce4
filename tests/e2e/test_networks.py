# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways to the service: a private authority, a proxy that asks for a password, IPv6, and addresses with paths."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import trustme

from .conftest import run_play, simulator

GATE = "iotfleet.ota.ota_rollout_gate"
INFO = "iotfleet.ota.ota_job_info"
KEY = {"access_key_id": "net-id", "access_key_secret": "canary-secret", "security_token": "canary-token"}
USER, PASSWORD = "fleet user", "cänary/p@ss:w%rd#1"
AT_ONCE = {"confirmations": 1, "max_consecutive_errors": 0, "wait_interval": 0.5}
WORLD = {
    "access_keys": [{"id": "net-id", "secret": "canary-secret", "security_token": "canary-token"}],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [{"job_id": "done", "firmware_id": "f1", "devices": ["d-1"], "created_before": 3600}],
}


class Proxy:
    """A running proxy, and what its own log says."""

    def __init__(self, port: int, log: pathlib.Path) -> None:
        self.port = port
        self._log = log

    def url(self, password: str = PASSWORD) -> str:
        return f"http://{quote(USER)}:{quote(password, safe='')}@127.0.0.1:{self.port}"

    def passed(self, method: str, port: int) -> int:
        """How many requests of ``method`` it has passed on to a port."""
        return len(re.findall(rf"- {method} 127\.0\.0\.1:{port}[/ ]", self._log.read_text()))

    def refused(self) -> int:
        """How many requests had the wrong password or none."""
        return self._log.read_text().count("ProxyAuthenticationFailed")


@contextlib.contextmanager
def forward_proxy(folder: pathlib.Path) -> Iterator[Proxy]:
    log = folder / "proxy.log"
    program = pathlib.Path(__file__).with_name("forward_proxy.py")
    options = ("--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--num-acceptors", "1")
    command = [sys.executable, program, *options, "--log-file", log, "--basic-auth", f"{USER}:{PASSWORD}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Proxy(int(process.stdout.readline()), log)
        process.stdin.close()


@contextlib.contextmanager
def relay(host: str, port: int) -> Iterator[int]:
    """Pass connections to a port of ``host`` on to one of 127.0.0.1, where the simulator listens."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as service:
            back = threading.Thread(target=pump, args=(service, client), daemon=True)
            back.start()
            pump(client, service)
            back.join()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((host, 0), family=socket.AF_INET6) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[dict[str, Any]]:
    """A simulator that speaks plain http, one that speaks TLS by a private authority, and a proxy."""
    folder, secure_folder = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("secure")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "::1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "cert.pem")
    tls = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "cert.pem"))
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(simulator(folder, WORLD))
        secure = stack.enter_context(simulator(secure_folder, WORLD, *tls))
        proxy = stack.enter_context(forward_proxy(folder))
        yield {
            "folder": folder,
            "http": plain.url,
            "https": secure.url,
            "http_port": urlsplit(plain.url).port,
            "https_port": urlsplit(secure.url).port,
            "ca": str(folder / "ca.pem"),
            "proxy": proxy,
        }


def play(place: dict[str, Any], cases: dict[str, dict[str, Any]], **variables: str) -> dict[str, dict[str, Any]]:
    """Ask by each plugin in the way of each case, at the highest verbosity; the results by case and plugin.

    What is secret comes by variables, because Ansible quotes the lines around a task that fails.
    """
    tasks = []
    for name, options in cases.items():
        way = {**options}
        environment = {"environment": way.pop("environment")} if "environment" in way else {}
        for plugin in (INFO, GATE):
            more = AT_ONCE if plugin == GATE else {}
            tasks.append(
                {plugin: {"job_id": "done", **more, **way}, "register": f"{name}_{plugin[-4:]}", **environment}
            )
    defaults = {**{name: f"{{{{ key_{name} }}}}" for name in KEY}, "ca_path": place["ca"], "retries": 0, "max_qps": 0}
    given = {**{f"key_{name}": value for name, value in KEY.items()}, **variables}
    run = run_play(place["folder"], tasks, "-vvvv", defaults=defaults, variables=given)
    said = run.output + str(run.results)
    assert "Traceback" not in run.output
    for secret in ("canary", PASSWORD, "p@ss", quote(PASSWORD, safe=""), "p%40ss", "wrong%2F", "wrong/"):
        assert secret not in said, said[max(0, said.index(secret) - 300) :][:600]
    for password in (PASSWORD, "wrong/one"):
        assert base64.b64encode(f"{USER}:{password}".encode()).decode() not in said
    return run.results


def assert_works(results: dict[str, dict[str, Any]], name: str) -> None:
    info, gate = results[f"{name}_info"], results[f"{name}_gate"]
    assert info["jobs"][0]["job_status"] == "COMPLETED", info
    assert gate["verdict"] == "passed", gate


def assert_fails(results: dict[str, dict[str, Any]], name: str, code: str, *words: str) -> None:
    for result in (results[f"{name}_info"], results[f"{name}_gate"]):
        assert result["failed"]
        assert result["failure"]["code"] == code, result
        for word in words:
            assert word in result["msg"] or word in result["failure"]["hint"]


def test_addresses_and_authorities(place):
    cases = {
        "trusted": {"endpoint": place["https"]},
        "by_name": {"endpoint": f"https://localhost:{place['https_port']}/some/path"},
        "not_trusted": {"endpoint": place["https"], "ca_path": ""},
        "not_checked": {"endpoint": place["https"], "ca_path": "", "validate_certs": False},
        "no_file": {"endpoint": place["https"], "ca_path": "/nowhere/ca.pem"},
        "with_path": {"endpoint": f"{place['http']}/some/path"},
        "in_clear": {"endpoint": "http://192.0.2.1:8686"},
        "in_clear_all_the_same": {
            "endpoint": "http://192.0.2.1:8686",
            "allow_http": True,
            "timeout": 1,
            "connect_timeout": 0.2,
        },
        "no_time": {"endpoint": place["https"], "connect_timeout": 0},
    }
    results = play(place, cases)
    for name in ("trusted", "by_name", "not_checked", "with_path"):
        assert_works(results, name)
    assert_fails(results, "not_trusted", "certificate_not_trusted", "in ca_path")
    assert_fails(results, "no_file", "missing_ca_path", "/nowhere/ca.pem")
    assert_fails(results, "in_clear", "plain_http", "would travel in clear", "set allow_http to true")
    assert_fails(results, "no_time", "invalid_option", "connect_timeout is 0.0")
    # What the network of this machine does with such an address is its own affair.
    assert results["in_clear_all_the_same_info"]["failure"]["code"] != "plain_http"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(place):
    with relay("::1", place["http_port"]) as http, relay("::1", place["https_port"]) as https:
        cases = {
            "plain": {"endpoint": f"http://[::1]:{http}"},
            "secure": {"endpoint": f"https://[::1]:{https}/some/path"},
            "no_brackets": {"endpoint": f"https://::1:{https}"},
        }
        results = play(place, cases)
    assert_works(results, "plain")
    assert_works(results, "secure")
    assert_fails(results, "no_brackets", "invalid_option", "an IPv6 address in brackets")


def test_a_proxy_by_option(place, closed_port):
    proxy = place["proxy"]
    before = {scheme: proxy.passed(*way) for scheme, way in ways(place).items()}
    refused = proxy.refused()
    good, wrong = {"proxy": "{{ good_proxy }}"}, {"proxy": "{{ wrong_proxy }}"}
    down = {"proxy": "{{ down_proxy }}"}
    cases = {
        "http": {"endpoint": place["http"], **good},
        "https": {"endpoint": place["https"], **good},
        "http_wrong": {"endpoint": place["http"], **wrong},
        "https_wrong": {"endpoint": place["https"], **wrong},
        "https_nobody": {"endpoint": place["https"], "proxy": f"127.0.0.1:{proxy.port}"},
        "http_down": {"endpoint": place["http"], **down, "timeout": 2},
        "https_down": {"endpoint": place["https"], **down, "timeout": 2},
        "nothing_behind": {"endpoint": f"https://127.0.0.1:{closed_port}", **good, "timeout": 2},
        "refused": {"endpoint": "ftp://iot.example.com", **good},
        "refused_by_ansible": {"endpoint": place["https"], **good, "retries": "some"},
        "unknown_option": {"endpoint": place["https"], **good, "prxy": ""},
        "not_encoded": {"endpoint": place["https"], "proxy": "{{ bad_proxy }}"},
    }
    results = play(
        place,
        cases,
        good_proxy=proxy.url(),
        wrong_proxy=proxy.url("wrong/one"),
        down_proxy=proxy.url().replace(str(proxy.port), str(closed_port)),
        bad_proxy=f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}",
    )
    for scheme, way in ways(place).items():
        assert_works(results, scheme)
        assert proxy.passed(*way) >= before[scheme] + 2  # one connection of each plugin at the least
        assert_fails(
            results, f"{scheme}_wrong", "proxy_authentication", "requires a user name and a password", "HTTP 407"
        )
        assert_fails(results, f"{scheme}_down", "proxy_failed", f"the proxy 127.0.0.1:{closed_port}", "refused")
    assert_fails(results, "https_nobody", "proxy_authentication", "write them like http://user:password@host:port")
    assert proxy.refused() >= refused + 6
    assert_fails(results, "nothing_behind", "proxy_failed", f"on the way to 127.0.0.1:{closed_port}")
    assert_fails(results, "refused", "invalid_option", "endpoint is not the URL of a service")
    assert_fails(results, "refused_by_ansible", "invalid_option", "retries")
    assert_fails(results, "unknown_option", "invalid_option", "prxy")
    assert_fails(results, "not_encoded", "invalid_option", "proxy is not the URL of a proxy", "percent-encoded")


def test_a_proxy_of_the_environment(place, closed_port, monkeypatch):
    proxy = place["proxy"]
    before = {scheme: proxy.passed(*way) for scheme, way in ways(place).items()}
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv(name, proxy.url())
    monkeypatch.delenv("NO_PROXY", raising=False)
    down = {"HTTPS_PROXY": f"http://127.0.0.1:{closed_port}"}
    cases = {
        "http": {"endpoint": place["http"]},
        "https": {"endpoint": place["https"]},
        "down": {"endpoint": place["https"], "timeout": 2, "environment": down},
        "by_name": {"endpoint": place["https"], "environment": {**down, "NO_PROXY": "127.0.0.1,.example.com"}},
        "by_network": {"endpoint": place["https"], "environment": {**down, "no_proxy": "127.0.0.0/8"}},
        "of_all": {"endpoint": place["https"], "environment": {**down, "NO_PROXY": "*"}},
        "option_wins": {
            "endpoint": place["https"],
            "proxy": "{{ good_proxy }}",
            "environment": {**down, "NO_PROXY": "127.0.0.1"},
        },
    }
    results = play(place, cases, good_proxy=proxy.url())
    for name in ("http", "https", "by_name", "by_network", "of_all", "option_wins"):
        assert_works(results, name)
    assert_fails(results, "down", "proxy_failed", f"the proxy 127.0.0.1:{closed_port}", "HTTPS_PROXY")
    assert proxy.passed(*ways(place)["http"]) >= before["http"] + 2
    assert proxy.passed(*ways(place)["https"]) >= before["https"] + 4  # by the environment, and by the option


def ways(place: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """By which method the proxy is asked for a port."""
    return {"http": (r"\w+", place["http_port"]), "https": ("CONNECT", place["https_port"])}
