# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The preflight as people run it: by its role, against a simulator with faults."""

from __future__ import annotations

import json
import pathlib
import re
import socket
from typing import Any

import pytest

from .conftest import Run, run_play, simulator

KEY = {"id": "flight-id", "secret": "canary-secret", "security_token": "canary-token"}
WORLD = {
    "access_keys": [KEY],
    "instance_id": "iot-1",
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}],
    "products": [{"product_key": "k1"}, {"product_key": "k2"}],
    "jobs": [{"job_id": "canary", "firmware_id": "f1", "devices": ["d-1", "客厅"]}],
}
ACTIONS = {
    "QueryOTAJob": "permission_query_ota_job",
    "ListOTATaskByJob": "permission_list_ota_task_by_job",
    "ListOTAUnfinishedTaskByDevice": "permission_list_ota_unfinished_task_by_device",
    "ListOTAModuleVersionsByDevice": "permission_list_ota_module_versions_by_device",
    "QueryOTAFirmware": "permission_query_ota_firmware",
    "ListOTAJobByDevice": "permission_list_ota_job_by_device",
}
#: Operations that a gate can do without: it fails no check that they are denied.
UNNEEDED = ("BatchGetDeviceState", "BatchQueryDeviceDetail")
#: Checks that nobody wanted.
UNCHOSEN = [
    "permission_list_ota_firmware",
    "permission_list_ota_job_by_firmware",
    "permission_cancel_ota_task_by_job",
]
INPUTS = {
    "job_id": "canary",
    "product_key": "k1",
    "device_names": "客厅, d-1",
    "expected_product_key": "k1",
    "expected_firmware_id": "f1",
    "expected_version": "2.0",
    "expected_job_type": "UPGRADE_FIRMWARE",
    "expected_module_name": "default",
}


def fly(folder: pathlib.Path, url: str, cases: dict[str, dict[str, Any]], *flags: str) -> Run:
    """Run the role once for each case, or the module alone, in one play; the results are what it found, and the message
    with which the role failed.
    """
    tasks: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    for name, case in cases.items():
        faults = case.get("faults", [])
        if faults != before:
            tasks.append({"post_json": {"url": f"{url}/_sim/faults", "body": {"faults": faults}}})
            before = faults
        connection = {"module_defaults": {"group/iotfleet.ota.ota": case["connection"]}} if "connection" in case else {}
        if case.get("module"):
            options = {**INPUTS, "device_names": ["d-1"]}
            tasks.append({"iotfleet.ota.ota_preflight_info": options, **connection, "register": name})
            continue
        inputs = {f"rollout_preflight_{key}": value for key, value in {**INPUTS, **case.get("inputs", {})}.items()}
        include = {"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_preflight"}, "vars": inputs}
        said = {"ansible.builtin.set_fact": {"said": "{{ ansible_failed_result.msg }}"}}
        block = {"block": [{"ansible.builtin.set_fact": {"said": ""}}, include], "rescue": [said]}
        tasks.append({**block, **connection, "ignore_errors": False})
        tell = {"said": "{{ said }}", "found": "{{ rollout_preflight_result | default({}) }}"}
        tasks.append({"ansible.builtin.debug": {"msg": tell}, "register": name})
    (folder / "ansible.cfg").write_text("[defaults]\nshow_custom_stats = true\n[connection]\npipelining = true\n")
    defaults = {
        "endpoint": url,
        "access_key_id": "{{ key_id }}",
        "access_key_secret": "{{ key_secret }}",
        "security_token": "{{ key_token }}",
        "iot_instance_id": "iot-1",
        "retries": 0,
        "max_qps": 0,
    }
    variables = {"key_id": KEY["id"], "key_secret": KEY["secret"], "key_token": KEY["security_token"]}
    run = run_play(folder, tasks, "-vvvv", *flags, defaults={**defaults}, variables=variables)
    assert "canary-" not in run.output
    assert "Traceback" not in run.output
    assert not re.search(r"WARNING.*\n.*roles/rollout_preflight", run.output)
    return run


def failed(run: Run, case: str) -> list[str]:
    return [check["name"] for check in found(run, case)["checks"] if check["ok"] is False]


def found(run: Run, case: str) -> dict[str, Any]:
    """The result of the module."""
    result = run.results[case]
    return result if "checks" in result else result["msg"]["found"]


def stats(run: Run) -> dict[str, Any]:
    """The published variables."""
    return json.loads(re.search(r"CUSTOM STATS: \**\s*RUN: (.*)", run.output).group(1))


def test_the_role(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed_port = listener.getsockname()[1]
    key = {
        "access_key_id": "{{ key_id }}",
        "access_key_secret": "{{ key_secret }}",
        "security_token": "{{ key_token }}",
    }
    with simulator(tmp_path, WORLD) as place:
        here = {**key, "endpoint": place.url, "iot_instance_id": "iot-1", "retries": 0}
        cases: dict[str, dict[str, Any]] = {
            "well": {},
            "alone": {"inputs": {**dict.fromkeys(INPUTS, ""), "job_id": "canary"}},
            "search_alone": {"inputs": {**dict.fromkeys(INPUTS, ""), "product_key": "k1", "check_find": "yes"}},
            "search_denied": {
                "inputs": {"check_find": True},
                "faults": [{"fault": "no_permission", "action": "ListOTAJobByFirmware"}],
            },
            "devices_alone": {"inputs": {**dict.fromkeys(INPUTS, ""), "product_key": "k1", "device_names": ["d-1"]}},
            **{
                action: {"faults": [{"fault": "no_permission", "action": action}], "module": action != "QueryOTAJob"}
                for action in ACTIONS
            },
            **{
                action: {"faults": [{"fault": "no_permission", "action": action}], "module": True}
                for action in UNNEEDED
            },
            "clock": {"faults": [{"fault": "clock_skew", "seconds": 3600}], "module": True},
            "portal": {"faults": [{"fault": "html", "status": 200}], "module": True},
            "instance": {"connection": {**here, "iot_instance_id": "iot-2"}, "module": True},
            "no_instance": {
                "connection": {name: value for name, value in here.items() if name != "iot_instance_id"},
                "module": True,
            },
            "wrong_key": {"connection": {**here, "access_key_secret": "wrong"}, "module": True},
            "dead": {"connection": {**here, "endpoint": f"http://127.0.0.1:{closed_port}"}},
            "unknown": {"inputs": {"job_id": "nobody", "device_names": "nobody"}},
            "other_job": {"inputs": {"expected_version": "3.0", "expected_job_type": "VERIFY_FIRMWARE"}},
        }
        run = fly(tmp_path, place.url, cases)

    for name in ("well", "alone", "devices_alone", "search_alone"):
        assert (failed(run, name), run.results[name]["msg"]["said"]) == ([], "")
    assert '"ok      ListOTAJobByFirmware is allowed"' in run.output
    assert failed(run, "search_denied") == ["permission_list_ota_job_by_firmware"]
    well = found(run, "well")
    assert (well["ok"], [check["name"] for check in well["checks"] if not check["ok"]]) == (
        True,
        UNCHOSEN,
    )
    assert abs(well["clock_offset"]) < 60
    assert '"ok      QueryOTAJob is allowed"' in run.output
    assert '"ok      device 客厅 of product k1 exists"' in run.output
    assert '"skipped no expected_job_type is given to compare with the batch"' in run.output

    for action, name in ACTIONS.items():
        assert failed(run, action) == [name]
    for action in UNNEEDED:
        assert failed(run, action) == []
        assert any(check["message"].startswith(f"{action} is denied") for check in found(run, action)["checks"])
    assert re.search(r'"FAILED  QueryOTAJob is denied \(request ID [\w-]+\); ask the account', run.output)
    said = run.results["QueryOTAJob"]["msg"]["said"]
    assert said.startswith("1 of 24 checks failed: QueryOTAJob is denied (")

    assert failed(run, "clock") == ["clock"]
    assert found(run, "clock")["clock_offset"] == pytest.approx(3600, abs=60)
    assert failed(run, "instance") == failed(run, "no_instance") == ["iot_instance"]
    assert failed(run, "wrong_key") == ["access_key"]
    assert failed(run, "dead") == failed(run, "portal") == ["endpoint"]
    assert f"127.0.0.1:{closed_port} refused the connection; check host and port" in run.results["dead"]["msg"]["said"]
    assert failed(run, "unknown") == ["job", "device"]
    assert failed(run, "other_job") == ["job_dest_version", "job_type"]

    published = stats(run)  # by the last case
    assert published["rollout_preflight_ok"] is False
    assert published["rollout_preflight_failed"] == ["job_dest_version", "job_type"]
    assert published["rollout_preflight_message"] == run.results["other_job"]["msg"]["said"]
    assert published["rollout_preflight_message"] == (
        "2 of 24 checks failed: batch canary has the dest_version 2.0; expected 3.0; check job_id and expected_version:"
        " another batch may be meant. batch canary has the job_type UPGRADE_FIRMWARE; expected VERIFY_FIRMWARE; check"
        " job_id and expected_job_type: another batch may be meant."
    )


def test_numbers_in_place_of_text(tmp_path):
    numbers = {
        "expected_firmware_id": 145,
        "expected_version": 2.10,
        "device_names": [7],
        "expected_module_name": True,
    }
    cases = {name: {"inputs": {name: value}} for name, value in numbers.items()}
    run = fly(tmp_path, "https://127.0.0.1:9", cases)
    said = {name: run.results[name]["msg"]["said"] for name in cases}
    quotes = "and YAML may have changed what was written; write it in quotes."
    assert said == {
        "expected_firmware_id": f"rollout_preflight_expected_firmware_id is the number 145, {quotes}",
        "expected_version": f"rollout_preflight_expected_version is the number 2.1, {quotes}",
        "device_names": f"No request was sent: entry 1 of device_names is the number 7, {quotes}",
        "expected_module_name": f"rollout_preflight_expected_module_name is the boolean true, {quotes}",
    }


def test_variable_that_hides_the_result_is_refused(tmp_path):
    hidden = {"rollout_preflight_result": {"ok": True, "checks": [], "clock_offset": 0}}
    run = fly(tmp_path, "https://127.0.0.1:9", {"hidden": {}}, "-e", json.dumps(hidden))
    assert run.results["hidden"]["msg"]["said"] == (
        "rollout_preflight_result is set by a variable of this name, which would hide the result of the checks; give"
        " that variable another name."
    )
    published = stats(run)
    assert (published["rollout_preflight_ok"], published["rollout_preflight_failed"]) == (False, ["not_checked"])


def test_options_that_cannot_be_used(tmp_path):
    run = fly(tmp_path, "", {"nothing": {"inputs": dict.fromkeys(INPUTS, "")}})
    said = run.results["nothing"]["msg"]["said"]
    assert "neither job_id nor product_key with device_names is given" in said
    published = stats(run)
    assert (published["rollout_preflight_ok"], published["rollout_preflight_failed"]) == (False, ["not_checked"])
    assert (published["rollout_preflight_message"], published["rollout_preflight_clock_offset"]) == (said, None)
