# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module through every kind of failure, at the highest verbosity: what it says, and what it does not."""

from __future__ import annotations

import pathlib
import re
import socket
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from .conftest import REHEARSAL, run_play, simulator

KEY = {"id": "STS.canary-id", "secret": "canary-secret", "security_token": "canary/token+=="}
SCENARIO = {**REHEARSAL, "access_keys": [KEY]}
JOB = REHEARSAL["jobs"][1]

QUESTIONS: dict[str, dict[str, Any]] = {
    "ota_job_info": {"job_id": JOB["job_id"]},
    "ota_device_jobs_info": {
        "product_key": "a1simlamp01",
        "device_names": ["lamp-canary-1"],
        "firmware_id": JOB["firmware_id"],
    },
    "ota_unfinished_tasks_info": {"product_key": "a1simlamp01", "device_names": ["lamp-canary-1"]},
    "ota_job_tasks_info": {"job_id": JOB["job_id"]},
    "ota_module_versions_info": {"product_key": "a1simlamp01", "device_names": ["lamp-canary-1"]},
    "ota_device_states_info": {"product_key": "a1simlamp01", "device_names": ["lamp-canary-1"]},
}
ACTIONS = {
    "ota_job_info": "QueryOTAJob",
    "ota_device_jobs_info": "ListOTAJobByDevice",
    "ota_unfinished_tasks_info": "ListOTAUnfinishedTaskByDevice",
    "ota_job_tasks_info": "ListOTATaskByJob",
    "ota_module_versions_info": "ListOTAModuleVersionsByDevice",
    "ota_device_states_info": "BatchGetDeviceState",
}

# Each style of signing goes through the whole table, and the faults of no module are left out.
STYLES = {
    "ota_job_info": "ACS3-HMAC-SHA256",
    "ota_job_tasks_info": "HMAC-SHA1",
    "ota_module_versions_info": "HMAC-SHA1",
}

# By name: the fault to inject, the options to add, the code of the failure, and words of the sentence.
FAILURES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], str, list[str]]] = {
    "missing_key_id": (
        None,
        {"access_key_id": "{{ omit }}"},
        "missing_credentials",
        ["No request was sent: access_key_id is missing", "ALIBABA_CLOUD_ACCESS_KEY_ID"],
    ),
    "missing_secret": (
        None,
        {"access_key_secret": "{{ omit }}"},
        "missing_credentials",
        ["No request was sent: access_key_secret is missing", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
    ),
    "no_profile": (
        None,
        {"credentials_source": "profile", "profile": "nowhere"},
        "missing_credentials",
        ['No request was sent: there is no profile "nowhere" in ', ".aliyun/config.json or "],
    ),
    "no_uri": (
        None,
        {"credentials_source": "credentials_uri"},
        "missing_credentials",
        ["credentials_source is credentials_uri, but nothing is configured there", "ALIBABA_CLOUD_CREDENTIALS_URI"],
    ),
    "style_of_another": (
        None,
        {"platform": "tuya", "signature_method": "ACS3-HMAC-SHA256"},
        "invalid_option",
        ["platform tuya does not document signature_method ACS3-HMAC-SHA256", "auto"],
    ),
    "no_endpoint": (
        None,
        {"platform": "tuya", "endpoint": "{{ omit }}", "signature_method": "auto"},
        "missing_endpoint",
        ["platform tuya has no endpoint of its own", "OTA_ENDPOINT"],
    ),
    "unknown_region": (
        None,
        {"region": "cn-hangzhou", "endpoint": "{{ omit }}"},
        "unknown_region",
        ['not offered in region "cn-hangzhou"', "choose one of cn-shanghai"],
    ),
    "wrong_secret": (
        None,
        {"access_key_secret": "{{ other_secret }}"},
        "SignatureDoesNotMatch",
        ["SignatureDoesNotMatch (HTTP 400)", "check that access_key_secret is the one that belongs to access_key_id"],
    ),
    "unknown_key_id": (
        None,
        {"access_key_id": "LTAI-unknown"},
        "InvalidAccessKeyId.NotFound",
        ["InvalidAccessKeyId.NotFound (HTTP 404)", "check access_key_id"],
    ),
    "clock": (  # it jumps back after the first request
        {"fault": "clock_skew", "seconds": 3600, "times": 1},
        {},
        "InvalidTimeStamp.Expired",
        ["after 2 attempts: ", "although the request carried the service's own time", "set the clock"],
    ),
    "token": (
        {"fault": "token_expired"},
        {},
        "InvalidSecurityToken.Expired",
        ["InvalidSecurityToken.Expired", "request new temporary credentials"],
    ),
    "permission": ({"fault": "no_permission"}, {}, "NoPermission", ["NoPermission (HTTP 403)", "administrator"]),
    "throttled": (
        {"fault": "throttling", "status": 429},
        {"retries": 1, "timeout": 15},
        "Throttling.User",
        [" attempts: the service refused the request with Throttling.User (HTTP 429)", "lower max_qps"],
    ),
    "unknown_host": (
        None,
        {"endpoint": "https://iot.invalid"},
        "unknown_host",
        ["the host iot.invalid is unknown", "check endpoint or region"],
    ),
    "refused": (
        None,
        {"endpoint": "http://127.0.0.1:{{ closed_port }}"},
        "connection_refused",
        ["refused the connection", "check host and port of endpoint"],
    ),
    "certificate": (
        None,
        {"endpoint": "{{ secure_url }}"},
        "certificate_not_trusted",
        ["is not trusted", "in ca_path"],
    ),
    "timeout": (
        {"fault": "hang"},
        {"timeout": 0.5},
        "timeout",
        ["did not send a complete response in time", "raise timeout"],
    ),
    "trickle": (
        {"fault": "trickle", "bytes_per_second": 10},
        {"timeout": 0.5},
        "timeout",
        ["did not send a complete response in time"],
    ),
    "html": (
        {"fault": "html", "status": 200},
        {},
        "html_response",
        ["the response is a web page", "check endpoint and proxy"],
    ),
    "bad_gateway": (
        {"fault": "html", "status": 502},
        {"retries": 1},
        "http_502",
        ["after 2 attempts: the response is HTTP 502 without an error code of the service", "try again later"],
    ),
    "cut": ({"fault": "cut_body"}, {}, "cut_response", ["the response is truncated", "try again"]),
    "empty": ({"fault": "empty_body"}, {}, "empty_response", ["the response is empty", "try again"]),
    "format": (
        {"fault": "wrong_format"},
        {},
        "xml_response",
        ["the response is XML although JSON was requested", "set response_format to xml"],
    ),
    "redirect": (
        {"fault": "redirect", "location": "{{ elsewhere }}"},
        {},
        "redirect",
        ["a redirect to https://elsewhere.example.com (HTTP 302)", "set endpoint to the final URL"],
    ),
    "not_a_success": (
        {"fault": "business_error", "code": "iot.system.SystemException", "message": "系统异常"},
        {},
        "iot.system.SystemException",
        ['iot.system.SystemException (HTTP 200) and says "系统异常"', "try again later"],
    ),
    "echo": (
        {"fault": "business_error", "code": "Odd", "message": "{{ given_echo }}"},
        {},
        "Odd",
        ['Odd (HTTP 200) and says "signed: ***"', "look the code up"],
    ),
    "server_error": (
        {"fault": "http_error", "status": 500, "code": "InternalError"},
        {"retries": 1},
        "InternalError",
        ["after 2 attempts: the service refused the request with InternalError (HTTP 500)", "try again later"],
    ),
    "reset": (
        {"fault": "reset_before"},
        {},
        "connection_broken",
        ["broke before the response was complete", "check the network"],
    ),
    "reset_in_the_middle": (
        {"fault": "reset_middle"},
        {},
        "connection_broken",
        ["broke before the response was complete", "check the network"],
    ),
    "endless": (
        {"fault": "endless_body"},
        {"timeout": 300},
        "endless_response",
        ["the response is longer than 1 MiB", "check endpoint and proxy"],
    ),
    "no_word_of_success": (
        {"fault": "no_success"},
        {},
        "no_success",
        ["does not say whether the call succeeded", "check endpoint"],
    ),
    "no_requests": (
        None,
        {"interpreter": "{{ bare_python }}"},
        "missing_library",
        ["Failed to import the required Python library (requests)"],
    ),
    "no_xmltodict": (
        None,
        {"interpreter": "{{ bare_python }}", "libraries": "{{ only_requests }}", "response_format": "xml"},
        "missing_library",
        ["Failed to import the required Python library (xmltodict)"],
    ),
}

# Failures on the wire, which a unit test shows for all modules and here one does: the same columns.
WIRE_MODULE = "ota_job_info"
WIRE_FAILURES: dict[str, tuple[dict[str, Any] | None, dict[str, Any], str, list[str]]] = {
    "cut_chunks": (
        {"fault": "cut_chunks"},
        {"retries": 1},
        "connection_broken",
        ["after 2 attempts: ", "broke before the response was complete", "check the network"],
    ),
    "endless_continue": (
        {"fault": "endless_continue"},
        {},
        "connection_broken",
        ["sent no valid HTTP response", "check host, port and scheme of endpoint"],
    ),
    "odd_status": ({"fault": "bad_status_line"}, {}, "connection_broken", ["sent no valid HTTP response"]),
    "odd_header": ({"fault": "bad_header"}, {}, "connection_broken", ["sent no valid HTTP response"]),
    "brotli": (
        {"fault": "packed", "coding": "br"},
        {},
        "unreadable_response",
        ["cannot be unpacked: it is packed in a way that was not requested", "something on the way packs responses"],
    ),
    "gzip_without_a_word": (
        {"fault": "packed", "unnamed": True},
        {},
        "unreadable_response",
        ["it is packed with gzip, and no header says so"],
    ),
    "bomb": ({"fault": "packed_bomb"}, {}, "endless_response", ["the response is longer than"]),
}

# Failures that only one module knows: the module, all its options, and words of the sentence.
OWN_FAILURES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "no_jobs": ("ota_job_info", {"job_ids": []}, ["job_ids is empty", "name at least one"]),
    "blank_job": ("ota_job_info", {"job_ids": ["1", " "]}, ["entry 2 of job_ids is blank"]),
    "no_devices": (
        "ota_device_jobs_info",
        {"product_key": "k", "firmware_id": "f", "device_names": []},
        ["device_names is empty", "name at least one"],
    ),
    "no_ids": ("ota_unfinished_tasks_info", {"iot_ids": []}, ["iot_ids is empty", "name at least one"]),
    "no_names": (
        "ota_unfinished_tasks_info",
        {"product_key": "k"},
        ["product_key is given without device_names", "name the devices"],
    ),
    "numbers_of_some": (
        "ota_job_tasks_info",
        {"job_id": "1", "counts_only": True, "device_names": ["a"]},
        ["counts_only is given together with task_statuses or device_names"],
    ),
    "bad_status": (
        "ota_unfinished_tasks_info",
        {"iot_ids": ["i"], "task_statuses": ["SUCCEEDED"]},
        ["task_statuses", "CONFIRM, QUEUED, NOTIFIED, IN_PROGRESS", "SUCCEEDED"],
    ),
}


def failing_tasks(url: str, module: str):
    """The task that fails for each failure, between tasks that set its fault."""
    failures = {**FAILURES, **(WIRE_FAILURES if module == WIRE_MODULE else {})}
    for name, (fault, options, _code, _words) in failures.items():
        asked = {**QUESTIONS[module], **options}
        task: dict[str, Any] = {"name": name, "register": name}
        if "interpreter" in asked:
            task["vars"] = {"ansible_python_interpreter": asked.pop("interpreter")}
        if "libraries" in asked:
            task["environment"] = {"PYTHONPATH": asked.pop("libraries")}
        if fault:  # the others come first, or never reach this simulator
            yield set_faults(url, [fault])
        yield {**task, f"iotfleet.ota.{module}": asked}
    for name, (owner, options, _words) in OWN_FAILURES.items():
        if owner == module:
            yield {"name": name, "register": name, f"iotfleet.ota.{module}": options}


def set_faults(url: str, faults: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "Set faults",
        "post_json": {"url": f"{url}/_sim/faults", "body": {"faults": faults}},
        "no_log": True,
    }


@pytest.fixture(scope="session")
def variables(folder: pathlib.Path):
    """The variables of the plays, with all that they name."""
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "bare"], check=True)
    libraries = folder / "libraries"
    libraries.mkdir()
    for name in ("requests", "urllib3", "idna", "certifi", "charset_normalizer"):
        (libraries / name).symlink_to(pathlib.Path(sysconfig.get_path("purelib")) / name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_port = listener.getsockname()[1]
    tls = ("--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem"))
    with simulator(folder, SCENARIO, *tls) as secure:
        yield {
            "given_key_id": KEY["id"],
            "given_secret": KEY["secret"],
            "given_token": KEY["security_token"],
            "other_secret": "canary-wrong-secret",
            "secure_url": secure.url,
            "closed_port": closed_port,
            # What a service may repeat of a request that it refuses.
            "given_echo": "signed: GET&amp;%2F&amp;AccessKeyId%3DSTS.canary-id"
            "%26SecurityToken%3Dcanary%252Ftoken%252B%253D%253D",
            "elsewhere": "https://elsewhere.example.com/?Signature=canary",
            "bare_python": str(folder / "bare" / "bin" / "python"),
            "only_requests": str(libraries),
        }


@pytest.fixture(scope="session")
def runs(variables, tmp_path_factory):
    """All failures of each module, at the highest verbosity. Each has a simulator of its own, for its faults."""

    def run_module(module: str):
        folder = tmp_path_factory.mktemp(module)
        with simulator(folder, SCENARIO) as plain:
            defaults = {
                "endpoint": plain.url,
                "access_key_id": "{{ given_key_id }}",
                "access_key_secret": "{{ given_secret }}",
                "security_token": "{{ given_token }}",
                "retries": 0,
                "max_qps": 0,
                "signature_method": STYLES.get(module, "auto"),
            }
            tasks = list(failing_tasks(plain.url, module))
            return run_play(folder, tasks, "-vvvv", defaults=defaults, variables=variables)

    with ThreadPoolExecutor() as pool:
        return dict(zip(QUESTIONS, pool.map(run_module, QUESTIONS)))


@pytest.fixture(params=QUESTIONS)
def run(request, runs):
    return request.param, runs[request.param]


def assert_says(result: dict[str, Any], code: str, words: list[str]) -> None:
    assert result["failed"] is True
    assert result["failure"].keys() == {
        "code",
        "message",
        "request_id",
        "http_status",
        "action",
        "attempts",
        "hint",
        "credentials_source",
    }
    assert result["failure"]["code"] == code
    for word in words:
        assert word in result["msg"]
    assert "\n" not in result["msg"]


@pytest.mark.parametrize("name", FAILURES)
def test_what_a_failure_says(run, name):
    module, plays = run
    _fault, _options, code, words = FAILURES[name]
    result = plays.results[name]
    assert_says(result, code, words)
    assert result["failure"]["action"] in (None, ACTIONS[module])
    assert result["summary"]["total"] == 0 if "summary" in result else result["complete"] is False


@pytest.mark.parametrize("name", WIRE_FAILURES)
def test_what_a_failure_on_the_wire_says(runs, name):
    _fault, _options, code, words = WIRE_FAILURES[name]
    assert_says(runs[WIRE_MODULE].results[name], code, words)


@pytest.mark.parametrize("name", OWN_FAILURES)
def test_what_a_failure_of_one_module_says(run, name):
    owner, _options, words = OWN_FAILURES[name]
    module, plays = run
    if module == owner:
        assert_says(plays.results[name], "invalid_option", words)


def test_nothing_is_given_away(run):
    _module, plays = run
    told = plays.output + str(plays.results)
    assert plays.code == 0
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in told
    # The last is what HMAC-SHA1 in Base64 looks like, as it is and encoded for a URL.
    for secret in (
        r"Traceback \(most recent",
        "canary-secret",
        "canary-wrong-secret",
        "canary(?:/|%(?:25)*2F)token",
        "Signature(?:=|%)",
        "Credential=",
        r"\b(?!e3b0c442)[0-9a-f]{64}\b",
        "%2F&",
        r"(?<![\w/+])[\w/+]{27}=(?![\w=])|\b[\w%]{27,45}%3D\b",
    ):
        found = re.search(secret, told, re.IGNORECASE)
        assert not found, told[max(0, found.start() - 200) : found.end() + 200]
