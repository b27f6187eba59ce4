# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module through every fault of the simulator: it succeeds, or fails with the failure that fits the fault.

Time passes only in pauses, and what hangs is given up soon, so that a busy machine changes nothing.
"""

from __future__ import annotations

import functools
import itertools
import sys
import threading
from typing import Any, NamedTuple

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._ansible import connection
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import Transport
from ansible_collections.iotfleet.ota.plugins.modules import (
    ota_device_jobs_info,
    ota_device_states_info,
    ota_firmware_info,
    ota_firmware_jobs_info,
    ota_job_cancel,
    ota_job_info,
    ota_job_tasks_info,
    ota_module_versions_info,
    ota_unfinished_tasks_info,
)
from ansible_collections.iotfleet.ota.tests.unit.fakes import DATA, run_module

from .conftest import hold_failure

FILES = DATA.parents[2] / "roles" / "simulator" / "files"
if str(FILES) not in sys.path:
    sys.path.insert(0, str(FILES))

from ota_sim import faults, scenario  # noqa: E402
from ota_sim.server import Server  # noqa: E402
from ota_sim.service import Service, Settings  # noqa: E402

KEYS = {
    "alibaba": {"id": "STS.fault-id", "secret": "canary-secret", "security_token": "canary-token"},
    "tuya": {"id": "fault-id", "secret": "canary-secret"},
}
DEVICES = ["客厅 *", "d-2", "d-3"]
# More than one page, so that paging has something to spoil.
TARGETS = [{"name": name, "course": "offline"} for name in DEVICES]
JOBS = [{"job_id": f"18300{number:04}", "firmware_id": "f1", "devices": TARGETS} for number in range(102)]
FLEET = {
    "job_id": "18300fleet",
    "firmware_id": "f1",
    "devices": [{"name": f"f-{number}", "course": "offline"} for number in range(101)],
}
FIRMWARE = {"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}
OLDER = [{**FIRMWARE, "firmware_id": name, "dest_version": "1.5"} for name in ("f2", "f3")]
TRIALS = [
    {"job_id": f"1830{name[1:]}{number:04}", "firmware_id": name, "devices": []}
    for name in ("f2", "f3")
    for number in range(201)
]
WORLD = {"firmwares": [FIRMWARE, *OLDER], "jobs": [*JOBS, FLEET, *TRIALS]}
# All of it is known: which of the queries meets a fault that strikes once is not certain, and a refusal may hide it.
QUERIES = {
    ota_job_info: {"job_ids": [job["job_id"] for job in JOBS[:3]]},
    ota_device_jobs_info: {"product_key": "k1", "device_names": DEVICES, "firmware_id": "f1"},
    ota_unfinished_tasks_info: {"product_key": "k1", "device_names": DEVICES},
    ota_job_tasks_info: {"job_id": FLEET["job_id"], "task_statuses": ["QUEUED", "CONFIRM"]},
    ota_module_versions_info: {"product_key": "k1", "device_names": DEVICES},
    ota_device_states_info: {"product_key": "k1", "device_names": [device["name"] for device in FLEET["devices"]]},
    ota_firmware_info: {"firmware_ids": ["f1", "f2"]},
    ota_firmware_jobs_info: {"firmware_ids": ["f2", "f3"]},
}
# JSON goes with the newer style of signing and XML with the older one, so that both meet most faults.
WIRES = [("alibaba", "json"), ("alibaba", "xml"), ("tuya", "json")]
STYLES = {WIRES[0]: "auto", WIRES[1]: "HMAC-SHA1", WIRES[2]: "auto"}
# Where the style itself matters, each format meets each style.
CROSSED = [("alibaba", "json", "HMAC-SHA1"), ("alibaba", "xml", "auto")]
ALL, LISTED, TASKS = tuple(QUERIES), (ota_device_jobs_info, ota_firmware_jobs_info), (ota_job_tasks_info,)
RIGHT, INCOMPLETE = "right", "incomplete"


class Case(NamedTuple):
    """A fault, how a module ends when it strikes once and when it always strikes, and which modules it concerns."""

    rule: dict[str, Any]
    once: str
    always: str
    modules: tuple[Any, ...] = ALL
    wires: Any = WIRES


# For faults that end before the dialect and the format of an answer matter.
ONE: dict[str, Any] = {"wires": WIRES[:1]}
STYLED: dict[str, Any] = {"wires": [*WIRES[:1], *CROSSED]}
PAGED = {"skip": 1}
# Seconds of the handed-in clock that a call can take, and of real time that an attempt can take: few while the server
# is meant to be silent.
TIMEOUT, PATIENCE, IMPATIENCE = 30.0, 60.0, 0.3
RETRIES = 2
THROTTLED = "Throttling.User"
CASES = {
    "throttling 400": Case({"fault": "throttling"}, RIGHT, THROTTLED),
    "throttling 429": Case({"fault": "throttling", "status": 429, "retry_after": 2}, RIGHT, THROTTLED, **ONE),
    "throttling 503": Case({"fault": "throttling", "status": 503, "x_acs_retry_after": 500}, RIGHT, THROTTLED, **ONE),
    "throttling for long": Case(
        {"fault": "throttling", "retry_after": 3600}, "Throttling.User", "Throttling.User", **ONE
    ),
    "error 500": Case({"fault": "http_error", "status": 500, "code": "InternalError"}, RIGHT, "InternalError"),
    "error 503": Case({"fault": "http_error"}, RIGHT, "ServiceUnavailable", **ONE),
    "web page 502": Case({"fault": "html"}, RIGHT, "http_502", **ONE),
    "web page 200": Case({"fault": "html", "status": 200}, "html_response", "html_response"),
    "reset before": Case({"fault": "reset_before"}, RIGHT, "connection_broken", **ONE),
    "reset in the middle": Case({"fault": "reset_middle"}, RIGHT, "connection_broken", **ONE),
    "endless body": Case({"fault": "endless_body"}, "endless_response", "endless_response", **ONE),
    "trickling body": Case({"fault": "trickle"}, RIGHT, "timeout", **ONE),
    "trickling headers": Case({"fault": "trickle", "headers": True}, RIGHT, "timeout", **ONE),
    "silence": Case({"fault": "hang"}, RIGHT, "timeout", **ONE),
    "cut body": Case({"fault": "cut_body"}, RIGHT, "cut_response"),
    "empty body": Case({"fault": "empty_body"}, RIGHT, "empty_response"),
    "too long a Content-Length": Case({"fault": "wrong_content_length"}, RIGHT, "connection_broken", **ONE),
    "too short a Content-Length": Case(
        {"fault": "wrong_content_length", "fewer": True},
        RIGHT,
        "cut_response or connection_broken",  # what is left over may become a reset, before or after the answer is read
    ),
    "early hints": Case({"fault": "early_hints"}, RIGHT, RIGHT),
    "endless 100 Continue": Case({"fault": "endless_continue"}, RIGHT, "connection_broken", **ONE),
    "end between two chunks": Case({"fault": "cut_chunks"}, RIGHT, "connection_broken", **ONE),
    "two answers": Case({"fault": "second_answer"}, RIGHT, RIGHT, **ONE),
    "odd status line": Case({"fault": "bad_status_line"}, RIGHT, "connection_broken", **ONE),
    "odd header": Case({"fault": "bad_header"}, RIGHT, "connection_broken", **ONE),
    "gzip": Case({"fault": "packed"}, RIGHT, RIGHT),
    "deflate": Case({"fault": "packed", "coding": "deflate"}, RIGHT, RIGHT, **ONE),
    "brotli": Case({"fault": "packed", "coding": "br"}, "unreadable_response", "unreadable_response", **ONE),
    "gzip without a word": Case(
        {"fault": "packed", "unnamed": True}, "unreadable_response", "unreadable_response", **ONE
    ),
    "bomb": Case({"fault": "packed_bomb"}, "endless_response", "endless_response", **ONE),
    "other format": Case({"fault": "wrong_format"}, "other format", "other format", wires=[*WIRES, *CROSSED]),
    "redirect": Case(
        {"fault": "redirect", "location": "https://elsewhere.example.com/"}, "redirect", "redirect", **ONE
    ),
    "repeated nonce": Case({"fault": "nonce_used"}, RIGHT, "SignatureNonceUsed", **STYLED),
    "clock behind": Case({"fault": "clock_skew", "seconds": 3600}, "InvalidTimeStamp.Expired", RIGHT, **STYLED),
    "clock ahead": Case({"fault": "clock_skew", "seconds": -3600}, "InvalidTimeStamp.Expired", RIGHT, **STYLED),
    "expired token": Case(
        {"fault": "token_expired"},
        "InvalidSecurityToken.Expired",
        "InvalidSecurityToken.Expired",
        wires=[*WIRES[:2], *CROSSED],
    ),
    "no permission": Case({"fault": "no_permission"}, "NoPermission", "NoPermission", wires=[*WIRES, *CROSSED]),
    "system exception": Case({"fault": "business_error"}, RIGHT, "iot.system.SystemException"),
    "system busy": Case({"fault": "system_busy"}, RIGHT, "iot.firmware.SystemBusy", **ONE),
    "unknown code": Case({"fault": "business_error", "code": "iot.ota.Odd"}, "iot.ota.Odd", "iot.ota.Odd", **ONE),
    "no word of success": Case({"fault": "no_success"}, "no_success", "no_success"),
    "other job": Case({"fault": "wrong_job"}, RIGHT, "wrong_response", (ota_job_info, ota_job_tasks_info)),
    "list without data": Case(
        {"fault": "missing_data"}, RIGHT, "incomplete_listing", (*LISTED, ota_module_versions_info)
    ),
    "list of tasks without data": Case({"fault": "missing_data"}, RIGHT, INCOMPLETE, TASKS),
    "shifting pages": Case({"fault": "pages_shift", **PAGED}, RIGHT, "incomplete_listing", LISTED),
    "shifting pages of tasks": Case({"fault": "pages_shift", **PAGED}, RIGHT, INCOMPLETE, TASKS),
    "repeated pages": Case({"fault": "pages_repeat", **PAGED}, RIGHT, "incomplete_listing", LISTED),
    "repeated pages of tasks": Case({"fault": "pages_repeat", **PAGED}, RIGHT, INCOMPLETE, TASKS),
    "short pages": Case({"fault": "pages_short", **PAGED}, RIGHT, "incomplete_listing", LISTED),
    "short pages of tasks": Case({"fault": "pages_short"}, RIGHT, INCOMPLETE, TASKS),
    "changing total": Case({"fault": "total_changes"}, RIGHT, "incomplete_listing", LISTED),
    "changing total of tasks": Case({"fault": "total_changes"}, RIGHT, INCOMPLETE, TASKS),
    "slowness": Case({"fault": "delay", "ms": 20}, RIGHT, RIGHT, **ONE),
}
#: Modules that list nothing, and that list one thing: enough where not every combination runs.
FEW = (ota_job_info, ota_job_tasks_info)
TABLE = [
    pytest.param(
        *(case, how, module, wire),
        id=f"{name}, {how}, {module.__name__.rpartition('.')[2]}, {' '.join(wire)}",
        marks=() if module in FEW else pytest.mark.exhaustive,
    )
    for name, case in CASES.items()
    for how, module, wire in itertools.product(("once", "always"), case.modules, case.wires)
]


class SleepClock:
    """A clock on which time passes only when somebody sleeps, at once; threads share it."""

    def __init__(self):
        self.elapsed = 0.0
        self.guard = threading.Lock()

    def monotonic(self):
        return self.elapsed

    def sleep(self, seconds):
        with self.guard:
            self.elapsed += seconds


class Sender:
    """The real transport, which gives up soon while a rule keeps the server silent, and else waits for any machine."""

    def __init__(self, transport, faults):
        self.transport, self.faults = transport, faults
        self.cancel, self.renew_connections = transport.cancel, transport.renew_connections

    def send(self, method, url, timeout, headers):
        silent = any(rule.name in ("hang", "trickle") and rule.left > 0 for rule in self.faults.rules)
        return self.transport.send(method, url, IMPATIENCE if silent else PATIENCE, headers)


@pytest.fixture(scope="module")
def servers():
    """A simulator for each dialect, whose time stands still in the middle of all batches."""
    running = {}
    for dialect in ("alibaba", "tuya"):
        world = {
            "dialect": dialect,
            "access_keys": [KEYS[dialect]],
            "qps": 0,
            **WORLD,
        }
        service = Service(scenario.parse(world), Settings(time_scale=0))
        service.rollout.set(30.0)
        running[dialect] = Server(service)
        running[dialect].start()
    yield running
    for server in running.values():
        server.service.stopped.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def ask(servers, monkeypatch):
    """Run a module while a fault is in force; its result, and the seconds that passed on the handed-in clock."""
    clock = SleepClock()
    monkeypatch.setattr(connection, "RateLimiter", lambda max_qps: RateLimiter(max_qps, clock.monotonic, clock.sleep))
    monkeypatch.setattr(connection, "Client", functools.partial(Client, jitter=lambda: 0.1))

    def ask_module(module, wire, rules):
        platform, response_format = wire[:2]
        server = servers[platform]
        monkeypatch.setattr(
            connection, "Transport", lambda *arguments: Sender(Transport(*arguments), server.service.faults)
        )
        began = clock.monotonic()
        server.service.faults.replace(faults.parse_rules({"faults": rules}))
        options = {
            "platform": platform,
            "endpoint": f"http://127.0.0.1:{server.port}",
            "access_key_id": KEYS[platform]["id"],
            "access_key_secret": KEYS[platform]["secret"],
            "security_token": KEYS[platform].get("security_token"),
            "response_format": response_format,
            "signature_method": wire[2] if len(wire) > 2 else STYLES[wire],
            "timeout": TIMEOUT,
            "retries": RETRIES,
            "max_qps": 0,
        }
        result = run_module(module.main, {**options, **QUERIES[module]})
        result.pop("invocation", None)
        result.pop("warnings", None)
        return result, clock.monotonic() - began

    return ask_module


@pytest.fixture(scope="module")
def sound():
    """The results without any fault, by module and wire."""
    return {}


@pytest.mark.parametrize(("case", "how", "module", "wire"), TABLE)
def test_every_module_through_every_fault(ask, sound, case, how, module, wire):
    if (module, wire) not in sound:
        sound[module, wire], _seconds = ask(module, wire, [])
        assert "failed" not in sound[module, wire]
    result, seconds = ask(module, wire, [{**case.rule, **({"times": 1} if how == "once" else {})}])
    assert seconds < 2 * TIMEOUT + 5  # two states are queried one after the other
    assert "canary" not in str(result)
    expected = getattr(case, how)
    if expected == "other format":
        expected = "json_response" if wire[1] == "xml" else "xml_response"
    if expected == RIGHT:
        assert result == sound[module, wire]
    elif expected == INCOMPLETE:
        assert "failed" not in result
        assert result["complete"] is False
        assert result["problems"]
    else:
        assert result["failure"]["code"] in expected.split(" or ")
        assert "\n" not in result["msg"]
        assert " inputs were read." in result["msg"]
        assert result["failure"]["attempts"] <= RETRIES + 1 or expected == THROTTLED
        hold_failure(module, result)


def test_each_fault_has_a_case():
    assert {case.rule["fault"] for case in CASES.values()} == set(faults.FAULT_KEYS)


def test_results_are_not_empty(ask):
    jobs, _seconds = ask(ota_job_info, WIRES[0], [])
    assert [job["found"] for job in jobs["jobs"]] == [True] * 3
    listed, _seconds = ask(ota_device_jobs_info, WIRES[0], [])
    assert [device["job_count"] for device in listed["devices"]] == [102] * 3
    tasks, _seconds = ask(ota_unfinished_tasks_info, WIRES[0], [])
    assert [device["unfinished"] > 0 for device in tasks["devices"]] == [True] * 3
    rollout, _seconds = ask(ota_job_tasks_info, WIRES[0], [])
    assert (rollout["read"], rollout["complete"], rollout["by_status"]["QUEUED"]) == (101, True, 101)
    packages, _seconds = ask(ota_firmware_info, WIRES[0], [])
    assert [package["dest_version"] for package in packages["firmwares"]] == ["2.0", "1.5"]
    made, _seconds = ask(ota_firmware_jobs_info, WIRES[0], [])
    assert [package["job_count"] for package in made["firmwares"]] == [201, 201]
    versions, _seconds = ask(ota_module_versions_info, WIRES[0], [])
    assert [device["versions"] for device in versions["devices"]] == [{"default": "1.0"}] * 3


@pytest.mark.parametrize("wire", [WIRES[0], CROSSED[0]], ids=" ".join)
@pytest.mark.parametrize("module", ALL)
def test_log_of_the_libraries_holds_no_signature(ask, module, wire, caplog):
    caplog.set_level("DEBUG")
    ask(module, wire, [{"fault": "trickle", "headers": True, "times": 1}])
    ask(module, wire, [{"fault": "reset_before", "times": 1}])
    assert "Signature" not in caplog.text
    assert "Authorization" not in caplog.text
    assert "canary" not in caplog.text


# --- Requests that write ---------------------------------------------------------------------------------------------

#: By these, the service says that it has done nothing.
REFUSED = ("throttling", "no_permission", "token_expired")
REQUIRED = {
    "redirect": {"location": "https://elsewhere.example.com/"},
    "clock_skew": {"seconds": 30},
    "delay": {"ms": 1},
}


@pytest.fixture
def stop(monkeypatch):
    """Stop a batch of its own simulator while a fault strikes the request once; the result, and the service."""
    clock = SleepClock()
    monkeypatch.setattr(connection, "RateLimiter", lambda max_qps: RateLimiter(max_qps, clock.monotonic, clock.sleep))
    world = {"access_keys": [KEYS["alibaba"]], "qps": 0, "firmwares": [FIRMWARE], "jobs": [FLEET, JOBS[0]]}
    server = Server(Service(scenario.parse(world), Settings(time_scale=0)))
    monkeypatch.setattr(
        connection, "Transport", lambda *arguments: Sender(Transport(*arguments), server.service.faults)
    )
    server.start()

    def stop_fleet(*rules, **options):
        server.service.faults.replace(faults.parse_rules({"faults": [*rules]}))
        key = KEYS["alibaba"]
        given = {
            "endpoint": f"http://127.0.0.1:{server.port}",
            "access_key_id": key["id"],
            "access_key_secret": key["secret"],
            "security_token": key["security_token"],
            "max_qps": 0,
            "job_id": FLEET["job_id"],
        }
        return run_module(ota_job_cancel.main, {**given, **options}), server.service

    yield stop_fleet
    server.service.stopped.set()
    server.shutdown()
    server.server_close()


def canceled_tasks(service):
    """How many tasks of each batch are canceled in truth."""
    now = service.rollout.now()
    return [service.world.task_count_at(job["job_id"], now, ("CANCELED",)) for job in (FLEET, JOBS[0])]


@pytest.mark.parametrize("carried_out", [True, False], ids=["after the effect", "before the effect"])
@pytest.mark.parametrize("fault", faults.FAULT_KEYS)
def test_cancel_through_every_fault(stop, fault, carried_out):
    rule = {"fault": fault, "action": "CancelOTATaskByJob", "times": 1, **REQUIRED.get(fault, {})}
    if fault not in (*REFUSED, "clock_skew", "delay"):
        rule["carried_out"] = carried_out
    result, service = stop(rule)
    fleet, other = canceled_tasks(service)
    assert other == 0
    assert result["changed"] is (fleet > 0)
    assert sum(service.stats.changes.values()) == (1 if fleet else 0)
    assert "canary" not in str(result)
    if "failed" in result:
        assert fleet == 0
        assert result["failure"]["code"] in ("NoPermission", "InvalidSecurityToken.Expired", "not_canceled")
    else:
        assert (fleet, result["summary"]["canceled"], result["summary"]["remaining"]) == (101, 101, 0)


@pytest.mark.parametrize("fault", ["reset_before", "hang", "http_error", "html", "business_error"])
def test_cancel_that_never_arrives(stop, fault):
    result, service = stop({"fault": fault, "action": "CancelOTATaskByJob", "carried_out": False}, wait_timeout=1)
    assert (result["failure"]["code"], result["changed"]) == ("unknown_outcome", False)
    assert service.stats.requests["CancelOTATaskByJob"] == 3
    assert canceled_tasks(service) == [0, 0]


def test_check_mode_calls_nothing_that_writes(stop):
    result, service = stop(_ansible_check_mode=True)
    assert (result["changed"], result["summary"]["to_cancel"]) == (True, 101)
    assert not {action for action in service.stats.requests if action.startswith("Cancel")}
