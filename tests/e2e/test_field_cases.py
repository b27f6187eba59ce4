# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts as others have met them, by their public reports, each gated by ansible-playbook; all at the same time."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml

from .conftest import ACTIONS, execute, simulator

#: The gates poll every second; what the service does to them begins only once they have surely begun.
SOON = 30
DONE = {"finished_after": 1, "started_after": 0.5, "notified_after": 0.2, "jitter": 0}
FAST = {"start_grace": 3, "wait_interval": 1, "wait_timeout": 120}


class Case(NamedTuple):
    """A world, by what differs from a package 1.0.0 to 2.0.0 of a product of its own, and how its gate must end."""

    jobs: list[dict[str, Any]]
    verdict: str
    says: str
    options: Mapping[str, Any] = MappingProxyType({})
    devices: Sequence[dict[str, Any]] = ()
    firmwares: Sequence[dict[str, Any]] = ({},)


def lamps(*numbers: int, **course: Any) -> list[dict[str, Any]]:
    return [{"name": f"lamp-{number}", **DONE, **course} for number in numbers]


CASES = {
    "success_before_the_restart": Case(
        [{"devices": [*lamps(1), *lamps(2, reported_after=SOON)]}],
        "passed",
        "2 of 2 devices succeeded and reported the new version",
    ),
    "device_deleted_while_it_installs": Case(
        [{"devices": [*lamps(1, 2), *lamps(3, course="stalls")]}],
        "inconclusive",
        "1 device vanished (lamp-3: its task is gone, last seen IN_PROGRESS)",
        devices=[{"name": "lamp-3", "deleted_after": SOON}],
    ),
    "deleted_device_does_not_count": Case(
        [{"devices": [*lamps(1, 2), *lamps(3, course="stalls")]}],
        "passed",
        "1 vanished and not counted, within the limits",
        {"ignore_vanished": True},
        devices=[{"name": "lamp-3", "deleted_after": SOON}],
    ),
    "dynamic_batch_matches_a_device_twice": Case(
        [
            {
                "selection_type": "DYNAMIC",
                "created_before": 60,
                "devices": [*lamps(1), *lamps(2, course="fails", step=-2, again=[{"after": 3, **DONE}])],
            }
        ],
        "passed",
        "2 of 2 devices succeeded",
        {"expected_devices": ["lamp-1", "lamp-2"]},
    ),
    "two_modules_in_two_batches": Case(
        [{"devices": lamps(1)}, {"firmware": 1, "devices": lamps(1)}],
        "passed",
        "1 of 1 device succeeded and reported the new version",
        firmwares=[{}, {"module_name": "ble", "dest_version": "1.4", "src_version": "1.3"}],
    ),
    "default_module_proves_nothing_about_another": Case(
        [{"devices": lamps(1, 2)}],
        "failed",
        "1 of 3 finished devices failed, 33.3 %",
        {"expected_devices": ["lamp-1", "lamp-2", "lamp-3"]},
        devices=[{"name": "lamp-3", "versions": {"default": "2.0.0", "ble": "1.0.0"}}],
        firmwares=[{"module_name": "ble"}],
    ),
    "module_that_falls_back": Case(
        [{"devices": [*lamps(1), *lamps(2, course="falls_back", fell_back_after=0)]}],
        "failed",
        "Failed: lamp-2 (wrong version)",
        devices=[{"name": "lamp-2", "versions": {"default": "2.0.0", "ble": "1.0.0"}}],
        firmwares=[{"module_name": "ble"}],
        options={"versions": {"grace": 0}},
    ),
    "another_module_is_expected": Case(
        [{"devices": lamps(1)}],
        "failed",
        'is for the module "ble"; expected "mcu"',
        {"versions": {"module_name": "mcu"}},
        firmwares=[{"module_name": "ble"}],
    ),
    "scheduled_batch_without_tasks": Case(
        [{"scheduled_after": SOON, "devices": lamps(1, 2)}],
        "passed",
        "2 of 2 devices succeeded",
    ),
    "retry_after_a_failure": Case(
        [
            {
                "retry_count": 2,
                "retry_interval": 1,
                "retries_visible": True,
                "devices": [*lamps(1), *lamps(2, course="fails", step=-2, failed_attempts=1)],
            }
        ],
        "passed",
        "2 of 2 devices succeeded",
        {"wait_timeout": 180},
    ),
    "canceled_device_had_a_task": Case(
        [{"devices": [*lamps(1, 2, 3, 4), *lamps(5, course="canceled")]}],
        "passed",
        "1 canceled and not counted, within the limits",
        {"ignore_canceled": True, "min_devices": 5},
    ),
    "one_device_cannot_be_read": Case(
        [{"devices": lamps(*range(1, 21))}],
        "timed_out",
        "lamp-7",
        {"timeout": 3, "wait_timeout": 30},
    ),
    "one_device_cannot_be_read_and_need_not": Case(
        [{"devices": lamps(*range(1, 21))}],
        "passed",
        "19 of 20 devices succeeded and reported the new version, 1 unfinished (1 without proof), within the limits",
        {"timeout": 3, "max_pending": 1},
    ),
    "same_name_in_two_products": Case(
        [{"devices": lamps(1)}, {"firmware": 1, "devices": []}],
        "inconclusive",
        "lamp-1 may be in several of the products that the batches are for",
        {"expected_devices": ["lamp-1"]},
        firmwares=[{}, {"product_key": "another"}],
    ),
    "batch_without_a_task": Case(
        [{"devices": lamps(1, 2)}, {"target_selection": "GROUP", "devices": []}],
        "inconclusive",
        "has no task; check its targets, or set allow_empty",
    ),
    "batch_that_has_not_begun": Case(
        [{"devices": lamps(1, 2)}, {"scheduled_after": SOON, "devices": lamps(3, 4, course="fails")}],
        "failed",
        "2 of 4 finished devices failed",
        {"max_pending": 1},
    ),
    "batches_that_contradict_each_other": Case(
        [{"devices": lamps(1)}, {"firmware": 1, "devices": lamps(1)}],
        "inconclusive",
        "bring the same devices to different versions",
        firmwares=[{}, {"dest_version": "3.0.0"}],
    ),
    "canceled_batch": Case(
        [{"canceled_after": 2, "devices": lamps(1, 2, course="offline")}],
        "failed",
        "; 2 of 2 finished devices were canceled, 100 %",
    ),
}
LATE = {
    "clock_ahead_and_late_tasks": Case(
        [{"devices": [*lamps(1), *lamps(2, 3, course="fails", listed_after=SOON)]}],
        "failed",
        "2 of 3 finished devices failed",
        {"start_grace": 60},
    ),
}


def scenario(cases: dict[str, Case]) -> tuple[dict[str, Any], dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """The world of all cases, the options of each gate, and the faults."""
    world: dict[str, Any] = {"qps": 0, "firmwares": [], "jobs": [], "devices": []}
    gates, faults = {}, []
    for place, (name, case) in enumerate(cases.items()):
        product = f"k{place}"
        for number, firmware in enumerate(case.firmwares):
            key = f"{product}{firmware['product_key']}" if "product_key" in firmware else product
            base = {"src_version": "1.0.0", "dest_version": "2.0.0", **firmware, "product_key": key}
            world["firmwares"].append({"firmware_id": f"{product}-{number}", **base})
        ids = []
        for number, job in enumerate(case.jobs):
            package = f"{product}-{job.get('firmware', 0)}"
            rest = {key: value for key, value in job.items() if key != "firmware"}
            ids.append(f"18{place:02}{number}")
            world["jobs"].append({"job_id": ids[-1], "firmware_id": package, **rest})
        world["devices"] += [{"product_key": product, **device} for device in case.devices]
        gates[name] = {**FAST, **case.options, "job_ids": ids}
        if name.startswith("one_device"):
            faults.append(
                {
                    "fault": "business_error",
                    "action": "ListOTAModuleVersionsByDevice",
                    "device_name": "lamp-7",
                    "product_key": product,
                }
            )
    return world, gates, faults


def play(folder: pathlib.Path, gates: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The result of each gate; all run side by side."""
    result = {"content": "{{ gate | to_json }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.json"}
    tasks = [
        {"iotfleet.ota.ota_rollout_gate": "{{ gate_options }}", "register": "gate", "ignore_errors": True},
        {"write_text": result, "no_log": True},
    ]
    head = {"hosts": "all", "connection": "local", "gather_facts": False, "strategy": "free"}
    (folder / "play.yml").write_text(yaml.safe_dump([{**head, "tasks": tasks}], sort_keys=False))
    hosts = {name: {"gate_options": options} for name, options in gates.items()}
    common = {"ansible_python_interpreter": sys.executable}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
    unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment.update(ANSIBLE_ACTION_PLUGINS=str(ACTIONS), ANSIBLE_INJECT_FACT_VARS="false")
    command = ["ansible-playbook", "-i", "hosts.yml", "--forks", str(len(gates)), "-vvvv", "play.yml"]
    done = execute(command, cwd=folder, env=environment)
    assert "Traceback" not in done.stdout
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert set(found) >= set(gates), done.stdout[-5000:]
    return found


def gate_all(folder: pathlib.Path, cases: dict[str, Case], **world: Any) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    fleet, gates, faults = scenario(cases)
    with simulator(folder, {**fleet, **world}) as running:
        if faults:
            running.control("faults", {"faults": faults})
        key = {"access_key_id": "simulator-key-id", "access_key_secret": "simulator-key-secret"}
        for options in gates.values():
            options.update(endpoint=running.url, **key)
        (folder / "results").mkdir()
        return play(folder / "results", gates)


@pytest.fixture(scope="module")
def results(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """What all gates but those of ``LATE`` returned."""
    return gate_all(folder / "field", CASES)


@pytest.fixture(scope="module")
def late_results(folder: pathlib.Path) -> dict[str, dict[str, Any]]:
    """What the gates returned whose machine is three hours ahead of the service."""
    return gate_all(folder / "clocks", LATE, clock_offset=-10_800)


@pytest.mark.parametrize("name", CASES)
def test_gate_ends_as_is_right(results: dict[str, dict[str, Any]], name: str) -> None:
    case, result = CASES[name], results[name]
    assert (result.get("verdict"), result["msg"]) == (case.verdict, result["msg"])
    assert case.says in result["msg"]


@pytest.mark.parametrize("name", LATE)
def test_gate_takes_the_time_of_the_service(late_results: dict[str, dict[str, Any]], name: str) -> None:
    case, result = LATE[name], late_results[name]
    assert (result.get("verdict"), result["msg"]) == (case.verdict, result["msg"])
    assert case.says in result["msg"]
    assert any("is 3 h ahead of the service's" in note for note in result["notes"])


def test_results_count_the_devices_of_each_batch(results: dict[str, dict[str, Any]]) -> None:
    good, planned = results["batch_that_has_not_begun"]["jobs"]
    assert good["counts"] == {"devices": 2, "succeeded": 2, "failed": 0, "pending": 0, "canceled": 0}
    assert planned["counts"] == {"devices": 2, "succeeded": 0, "failed": 2, "pending": 0, "canceled": 0}


def test_results_name_the_module_of_each_batch(results: dict[str, dict[str, Any]]) -> None:
    jobs = results["two_modules_in_two_batches"]["jobs"]
    assert [job["module_name"] for job in jobs] == ["default", "ble"]


def test_device_that_cannot_be_read_is_named_with_the_words_of_the_service(results: dict[str, dict[str, Any]]) -> None:
    (device,) = results["one_device_cannot_be_read"]["pending_devices"]
    assert (device["device_name"], device["class"]) == ("lamp-7", "unproved")
    assert "iot.system.SystemException" in device["detail"]
