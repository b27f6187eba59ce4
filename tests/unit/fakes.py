# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand-ins for what a test cannot have: a service, a clock, Ansible's way to start a module."""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable
from unittest import mock
from urllib.parse import parse_qsl

import pytest
from ansible.module_utils import basic
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import COMMON_HEADERS, COMMON_PARAMETERS
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Response

DATA = pathlib.Path(__file__).parent / "data"
SAMPLES = DATA / "samples"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, wall: float = 1_732_009_663.0) -> None:  # 2024-11-19T09:47:43Z, as in the vendors' examples
        self.elapsed = 0.0
        self.started = wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.elapsed

    def wall(self) -> float:
        return self.started + self.elapsed

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds


#: What the common parameters are called as headers.
IN_BOTH = {name: header for name, header in COMMON_HEADERS.items() if name in COMMON_PARAMETERS}


class Request:
    """What was sent. ``params`` hold the common parameters wherever they were; ``query`` and ``headers`` tell
    them apart.
    """

    def __init__(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> None:
        self.method = method
        self.place, _mark, query = url.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
        self.headers = dict(headers)
        said = {COMMON_PARAMETERS[name]: headers[header] for name, header in IN_BOTH.items() if header in headers}
        signer = re.search("Credential=([^,]+)", headers.get("Authorization", ""))
        self.params = {**({"AccessKeyId": signer.group(1)} if signer else {}), **said, **self.query}
        self.timeout = timeout


class Conversation:
    """A transport that has an answer ready for each request; a missing and an extra request both fail the test."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.renewals: list[int] = []  # after how many requests each

    def send(self, method: str, url: str, timeout: float, headers: Mapping[str, str]) -> Response:
        request = Request(method, url, timeout, headers)
        self.requests.append(request)
        assert self.answers, f"an extra request: {request.params}"
        answer = self.answers.pop(0)
        if isinstance(answer, OtaError):
            raise answer
        return answer(request) if callable(answer) else answer

    def cancel(self) -> None:
        """Nobody waits here."""

    def renew_connections(self) -> None:
        self.renewals.append(len(self.requests))

    def finish(self) -> list[Request]:
        assert not self.answers, f"{len(self.answers)} requests are missing"
        return self.requests


def response(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer with ``body``, which is JSON unless it is text; header names are written with underscores."""
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def success(**content: Any) -> Response:
    """A successful answer."""
    return response({"RequestId": "R-1", "Success": True, **content})


def refused(code: str, message: str = "no", status: int = 200, **headers: str) -> Response:
    """An answer that says no: with HTTP 200 in the service's way, else in the gateway's."""
    if status == 200:
        content = {"RequestId": "R-2", "Success": False, "Code": code, "ErrorMessage": message}
    else:
        content = {"RequestId": "R-2", "HostId": "iot.example.com", "Code": code, "Message": message}
    return response(content, status, **headers)


def sample(name: str) -> bytes:
    """One of the vendors' sample answers, word for word."""
    return (SAMPLES / name).read_bytes()


class Exited(Exception):
    """What a module answered."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result)
        self.result = result


@contextlib.contextmanager
def _arguments(options: Mapping[str, Any]) -> Iterator[None]:
    try:
        from ansible.module_utils.testing import patch_module_args
    except ImportError:  # ansible-core before 2.18
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
        with mock.patch.object(basic, "_ANSIBLE_ARGS", arguments):
            yield
    else:
        with patch_module_args(dict(options)):
            yield


def run_module(main: Callable[[], None], options: Mapping[str, Any]) -> dict[str, Any]:
    """Run a module as Ansible would; the answer is what Ansible would read, with ``failed`` set after a failure."""

    def leave(module: basic.AnsibleModule, result: dict[str, Any]) -> None:
        masked = basic.remove_values(result, module.no_log_values)
        raise Exited(json.loads(json.dumps(masked)))

    returns = mock.patch.object(basic.AnsibleModule, "_return_formatted", leave)
    with _arguments(options), returns, pytest.raises(Exited) as exited:
        main()
    return exited.value.result
