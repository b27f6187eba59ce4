# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role rollout_gate stops what it has judged, where it is told to, and nothing else."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema
import pytest

from .conftest import ROOT, Simulator, execute, run_play, simulator

KEY = {"id": "stop-id", "secret": "stop-secret"}
READER = {"id": "read-id", "secret": "read-secret", "read_only": True}
#: Two devices have failed, three wait for the cloud, one installs the update.
FAILING = [
    {"prefix": "bad-", "count": 2, "course": "fails", "notified_after": 1, "started_after": 1, "finished_after": 2},
    {"prefix": "late-", "count": 3, "course": "offline"},
    {"name": "busy-1", "course": "stalls", "notified_after": 1, "started_after": 2},
]
GOOD = [{"name": "good-1", "notified_after": 1, "started_after": 1, "finished_after": 2}]
PACKAGE = {"firmware_id": "fw-1", "product_key": "a1lamp", "src_version": "1.0.0", "dest_version": "2.0.0"}
WORLD = {
    "access_keys": [KEY, READER],
    "firmwares": [PACKAGE],
    "jobs": [
        {"job_id": "bad", "firmware_id": "fw-1", "created_before": 600, "devices": FAILING, "tags": {"stage": "fleet"}},
        {"job_id": "other", "firmware_id": "fw-1", "created_before": 600, "devices": FAILING},
        {"job_id": "good", "firmware_id": "fw-1", "created_before": 600, "devices": GOOD},
    ],
}
CANCELED = "Canceled 3 tasks of 1 batch; 1 task in other states goes on."
SCHEMA = json.loads((ROOT / "roles/rollout_gate/files/rollout-report.schema.json").read_text(encoding="utf-8"))


class Gated(NamedTuple):
    """What a gate left: its result, what the role failed with, what it published, and all that was shown."""

    result: dict[str, Any]
    said: str
    artifacts: dict[str, Any]
    output: str
    reports: pathlib.Path


class Place(NamedTuple):
    """A simulated service whose batches have ended as far as they will, and a folder for plays."""

    service: Simulator
    folder: pathlib.Path

    def gate(self, *options: str, key: dict[str, Any] | None = None, **variables: Any) -> Gated:
        key = key or KEY
        given = {
            "confirmations": 1,
            "wait_interval": 1,
            "start_grace": 0,
            "verify_versions": False,
            "report_dir": str(self.folder / "reports"),
            "formats": ["json", "markdown", "junit", "html"],
            **variables,
        }
        role = {
            "ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"},
            "vars": {f"rollout_gate_{name}": value for name, value in given.items()},
        }
        keep = {"ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}, "register": "failure"}
        show = {"result": "{{ rollout_gate_result }}", "said": "{{ (failure | default({})).msg | default('') }}"}
        tasks = [
            {"block": [role], "rescue": [keep], "ignore_errors": False},
            {"ansible.builtin.debug": {"msg": show}, "register": "shown", "no_log": True},
        ]
        defaults = {
            "endpoint": self.service.url,
            "access_key_id": key["id"],
            "access_key_secret": key["secret"],
        }
        run = run_play(self.folder, tasks, *options, defaults=defaults)
        assert "-secret" not in run.output
        published = json.loads(re.search(r"CUSTOM STATS: \**\s*RUN: (.*)", run.output)[1])
        shown = run.results["shown"]["msg"]
        return Gated(shown["result"], shown["said"], published, run.output, self.folder / "reports")

    def canceled(self) -> dict[str, int]:
        """How many tasks of each batch are canceled, by the service's own truth."""
        with urllib.request.urlopen(f"{self.service.url}/_sim/truth", timeout=300) as answer:
            return {name: job["canceled"] for name, job in json.load(answer)["jobs"].items()}


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[Place]:
    with simulator(tmp_path, WORLD, "--time-scale", "20") as service:
        yield Place(service, tmp_path)


def test_failed_rollout_is_stopped_and_the_reports_say_so(place: Place) -> None:
    gated = place.gate(job_ids=["bad"], cancel_on=["failed"])
    assert gated.result["verdict"] == "failed"
    assert gated.said.startswith(f"{gated.result['msg']} The reports are ")
    assert gated.result["msg"].endswith(f" {CANCELED}")
    assert not re.search("Still running|To do: cancel|does not stop", gated.said)
    assert gated.artifacts["rollout_gate_message"] == gated.result["msg"]
    numbers = {"to_cancel": 3, "canceled": 3, "remaining": 0, "too_late": 1}
    assert gated.artifacts["rollout_gate_canceled"] == {"ok": True, **numbers}
    assert (gated.artifacts["rollout_gate_verdict"], gated.artifacts["rollout_gate_final"]) == ("failed", True)
    assert place.canceled() == {"bad": 3, "other": 0, "good": 0}
    report = json.loads((gated.reports / "rollout-gate.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    assert report["canceled"] == gated.result["canceled"]
    assert {name: report["canceled"][name] for name in numbers} == numbers
    assert report["canceled"]["jobs"][0]["job_id"] == "bad"
    assert report["to_do"] == ["Find the cause, and repeat the update with a new batch."]
    assert " To do: find the cause, and repeat the update with a new batch. " in gated.said
    assert gated.artifacts["rollout_gate_message"] == report["msg"] == gated.result["msg"]
    assert f"**Stop:** {CANCELED}" in (gated.reports / "rollout-gate.md").read_text(encoding="utf-8")
    assert CANCELED in (gated.reports / "rollout-gate.html").read_text(encoding="utf-8")
    junit = ET.parse(gated.reports / "rollout-gate.xml").getroot()
    assert junit.get("failures") != "0"
    assert [entry.get("value") for entry in junit.iterfind(".//property[@name='cancel']")] == [CANCELED]


def test_second_run_changes_nothing(place: Place) -> None:
    previous = str(place.folder / "reports" / "rollout-gate.json")
    first = place.gate(job_ids="bad", cancel_on="failed, timed_out", previous=previous)
    again = place.gate(job_ids="bad", cancel_on="failed, timed_out", previous=previous)
    assert first.result["canceled"]["canceled"] == 3
    assert "There is nothing to cancel in 1 batch; 1 task in other states goes on." in again.said
    assert (again.result["verdict"], again.result["canceled"]["ok"]) == ("failed", True)
    assert place.service.stats()["changes"] == {"CancelOTATaskByJob": 1}


@pytest.mark.parametrize(
    "variables",
    [
        {"job_ids": ["bad"]},
        {"job_ids": ["bad"], "cancel_on": ["timed_out", "inconclusive"]},
        {"job_ids": ["good"], "cancel_on": ["failed", "timed_out", "inconclusive"]},
        {"job_ids": ["bad"], "cancel_on": ["failed"], "max_failed": 2, "wait": False, "previous": ""},
    ],
    ids=["not asked for", "another verdict", "passed", "pending"],
)
def test_nothing_is_canceled(place: Place, variables: dict[str, Any]) -> None:
    gated = place.gate(**variables)
    assert "canceled" not in gated.result
    assert gated.artifacts["rollout_gate_canceled"] == {}
    assert place.canceled() == {"bad": 0, "other": 0, "good": 0}
    assert "ancel the unfinished tasks" not in gated.output
    assert "Nothing was canceled" not in gated.said


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"job_ids": ["bad"], "expected_version": "3.0.0"}, "wrong_job"),
        ({"job_ids": ["bad", "none"]}, "unknown_job"),
        ({"find_product_key": "a1lamp", "find_dest_version": "2.0.0"}, "ambiguous_batch"),
    ],
)
def test_nothing_is_canceled_where_another_batch_may_be_meant(
    place: Place, variables: dict[str, Any], code: str
) -> None:
    gated = place.gate(cancel_on=["failed", "timed_out", "inconclusive"], **variables)
    assert gated.artifacts["rollout_gate_reasons"][0] == code
    assert f"Nothing was canceled, because {code} needs a person to decide." in gated.said
    assert gated.artifacts["rollout_gate_canceled"] == {}
    assert place.canceled() == {"bad": 0, "other": 0, "good": 0}


def test_batch_that_is_found_is_the_one_that_is_canceled(place: Place) -> None:
    find = {"find_product_key": "a1lamp", "find_dest_version": "2.0.0", "find_tags": "stage=fleet"}
    gated = place.gate(cancel_on=["failed"], mode="report", **find)
    assert gated.said == ""
    assert gated.result["canceled"]["jobs"][0]["job_id"] == "bad"
    assert place.canceled() == {"bad": 3, "other": 0, "good": 0}


def test_check_mode_says_what_would_be_canceled(place: Place) -> None:
    gated = place.gate("--check", job_ids=["bad"], cancel_on=["failed"])
    assert "Would cancel 3 tasks of 1 batch; 1 task in other states goes on." in gated.said
    assert (gated.result["canceled"]["check_mode"], gated.result["canceled"]["canceled"]) == (True, None)
    assert place.canceled()["bad"] == 0


@pytest.mark.parametrize("mode", ["enforce", "report"])
def test_cancel_that_is_denied_never_hides_the_verdict(place: Place, mode: str) -> None:
    gated = place.gate(key=READER, mode=mode, job_ids=["bad"], cancel_on=["failed"])
    assert gated.said.startswith(gated.result["msg"])
    assert (
        "Still running: 1 being updated, 3 queued; the gate does not stop them. To do: cancel batch bad" in gated.said
    )
    assert " The cancel failed: Canceled 0 of 3 tasks of 1 batch; 1 task in other states goes on." in gated.said
    assert gated.result["canceled"]["ok"] is False
    assert gated.result["canceled"]["failure"]["code"] in gated.said
    assert gated.artifacts["rollout_gate_canceled"]["ok"] is False
    assert gated.artifacts["rollout_gate_verdict"] == "failed"
    assert json.loads((gated.reports / "rollout-gate.json").read_text())["canceled"] == gated.result["canceled"]


def test_tasks_of_the_user_see_what_was_canceled(place: Place) -> None:
    (place.folder / "notify.yml").write_text(
        '- ansible.builtin.debug:\n    msg: "seen {{ rollout_gate_result.canceled.canceled }}"\n'
    )
    gated = place.gate(job_ids=["bad"], cancel_on=["failed"], on_verdict="notify.yml")
    assert '"msg": "seen 3"' in gated.output
    assert CANCELED in gated.said


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"cancel_on": "failed, passed"}, "rollout_gate_cancel_on contains passed; choose from failed, timed_out, inc"),
        ({"cancel_on": True}, "rollout_gate_cancel_on contains True; choose from failed, timed_out, inconclusive."),
        ({"cancel_on": {"failed": 1}}, "rollout_gate_cancel_on contains {'failed': 1}; choose from failed, timed_out,"),
        (
            {"cancel_states": {"queued": True}},
            "rollout_gate_cancel_states contains {'queued': True}; choose from queued,",
        ),
        ({"cancel_states": "pending"}, "rollout_gate_cancel_states contains pending; choose from queued, notified,"),
        ({"cancel_strategy": "maybe"}, "rollout_gate_cancel_strategy is maybe; choose true or false."),
        (
            {"cancel_on": ["failed"], "cancel_states": []},
            "rollout_gate_cancel_states is empty and rollout_gate_cancel_strategy is false; choose what to cancel.",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_wait(place: Place, variables: dict[str, Any], message: str) -> None:
    gated = place.gate(job_ids=["bad"], **variables)
    assert gated.said.startswith(message)
    assert gated.artifacts["rollout_gate_reasons"] == ["not_judged"]
    assert place.service.stats()["requests"] == {}


@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_variable_that_hides_the_result_is_refused(place: Place, verdict: str) -> None:
    job = {"job_id": "other", "found": True, "product_key": "a1lamp"}
    earlier = {"verdict": verdict, "final": True, "reasons": [{"code": "deadline"}], "msg": "Earlier.", "jobs": [job]}
    extra = json.dumps({"rollout_gate_result": {**earlier, "counts": {}, "to_do": [], "policy": {}}})
    gated = place.gate("-e", extra, job_ids=["bad"], cancel_on=["failed"])
    assert gated.said == (
        "rollout_gate_result is set by a variable of this name, which would hide the result of the gate; give that"
        " variable another name."
    )
    assert (gated.artifacts["rollout_gate_verdict"], gated.artifacts["rollout_gate_message"]) == (
        "inconclusive",
        gated.said,
    )
    assert place.service.stats()["requests"] == {}


# --- The example -----------------------------------------------------------------------------------------------------


def test_example_stops_the_fleet_after_a_canary_that_passes(place: Place) -> None:
    shutil.copy(ROOT / "docs/examples/canary_fleet_stop/rollout.yml", place.folder)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ALIBABA_", "ALICLOUD_", "OTA_"))}
    key = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"]}
    variables = {
        "version": "2.0.0",
        "canary_job": "good",
        "fleet_job": "bad",
        "rollout_gate_wait_interval": 1,
        "rollout_gate_confirmations": 1,
        "rollout_gate_min_executed": 1,
    }
    command = ["ansible-playbook", "-i", "localhost,", "-e", json.dumps(variables), "rollout.yml"]
    ran = execute(command, cwd=place.folder, env={**own, **key, "OTA_ENDPOINT": place.service.url})
    assert ran.returncode == 2, ran.stdout
    assert CANCELED in ran.stdout
    assert place.canceled() == {"bad": 3, "other": 0, "good": 0}
    reports = {path.stem: json.loads(path.read_text()) for path in (place.folder / "reports").glob("*.json")}
    assert {name: report["verdict"] for name, report in reports.items()} == {"canary": "passed", "fleet": "failed"}
    assert ["canceled" in reports[name] for name in ("canary", "fleet")] == [False, True]
