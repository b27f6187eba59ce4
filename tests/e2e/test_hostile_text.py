# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hostile service and real ansible-cores, also the oldest: no text of it runs as a template, and none acts on a
terminal or a CI system, in whatever way it leaves a play and enters another one.

The folders of the other ansible-cores are in OTHER_CORES, as on a PATH; without it, only this one is tried.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import sys
from typing import Any

import pytest
import yaml

from ..unit.hostile import harmful
from .conftest import execute
from .hostile_service import hostile_service, hostile_text, refusing_service

CORES = [
    pathlib.Path(sys.executable).parent,
    *map(pathlib.Path, filter(None, os.environ.get("OTHER_CORES", "").split(os.pathsep))),
]
KEY = {"id": "hostile-id", "secret": "canary-secret"}
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "fw-1", "product_key": "k1", "src_version": "1.0.0", "dest_version": "2.0.0"}],
    "jobs": [
        {
            "job_id": "1001",
            "firmware_id": "fw-1",
            "created_before": 3600,
            "devices": ["good-1", {"name": "bad-1", "course": "fails", "desc": "broken"}],
        },
    ],
}
DEVICE = {"product_key": "k1", "device_names": ["good-1", "bad-1"]}
MODULES = {
    "job_info": {"job_id": "1001"},
    "job_tasks_info": {"job_id": "1001"},
    "module_versions_info": DEVICE,
    "device_states_info": DEVICE,
    "unfinished_tasks_info": DEVICE,
    "device_jobs_info": {**DEVICE, "firmware_id": "fw-1"},
    "preflight_info": {"job_id": "1001"},
}
RESULTS = ("gated", "resumed", "refused", "refused_gate", "rollout_preflight_result")
CONNECTION = {"access_key_id": KEY["id"], "access_key_secret": KEY["secret"], "max_qps": 0, "retries": 0}
GATE = {"job_ids": "1001", "start_grace": 0, "confirmations": 1, "wait_interval": 0.5, "wait_timeout": 10}
ROLE = {
    **{f"rollout_gate_{name}": value for name, value in GATE.items()},
    "rollout_gate_mode": "report",
    "rollout_gate_verify_versions": False,
    "rollout_gate_report_dir": "reports",
    "rollout_gate_formats": ["json", "markdown", "junit", "html", "csv", "metrics", "dotenv"],
}

# What a role of a user does with a fact.
USER_ROLE = """
- name: "Show {{ shown_task.device_name }} and {{ shown_task.task_desc | default('') }}"
  ansible.builtin.debug:
    msg: "{{ shown_task }}"
- name: Write it down
  ansible.builtin.template:
    src: shown.j2
    dest: "{{ playbook_dir }}/shown.txt"
    mode: "0600"
  vars:
    nested: "{{ shown_task }}"
- name: Loop over it
  ansible.builtin.debug:
    msg: "{{ item.key }} {{ item.value }}"
  loop: "{{ shown_task | dict2items }}"
  when: item.value is not none
"""


def first_play(folder: pathlib.Path, refusing: str) -> list[dict[str, Any]]:
    """Reads all that there is to read, publishes it, and uses it as users do; then it is refused by another service."""
    role = folder / "roles" / "shown"
    (role / "tasks").mkdir(parents=True)
    (role / "templates").mkdir()
    (role / "tasks" / "main.yml").write_text(USER_ROLE)
    (role / "templates" / "shown.j2").write_text("{{ nested.task_desc | default('') }}\n{{ nested }}\n")
    modules = [
        {f"iotfleet.ota.ota_{name}": options, "register": name, "ignore_errors": True}
        for name, options in MODULES.items()
    ]
    everything = {name: f"{{{{ {name} }}}}" for name in (*MODULES, *RESULTS)}
    return [
        *modules,
        {"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"}, "vars": ROLE},
        {
            "iotfleet.ota.ota_rollout_gate": {**GATE, "previous": "{{ rollout_gate_result }}", "mode": "report"},
            "register": "resumed",
        },
        {
            "ansible.builtin.set_fact": {
                "kept": "{{ job_tasks_info.tasks | first }}",
                "gated": "{{ rollout_gate_result }}",
            }
        },
        {"ansible.builtin.include_role": {"name": "shown"}, "vars": {"shown_task": "{{ kept }}"}},
        {
            "block": [
                {"iotfleet.ota.ota_job_info": {"job_id": "1001"}, "register": "refused", "ignore_errors": True},
                {"iotfleet.ota.ota_rollout_gate": GATE, "register": "refused_gate", "ignore_errors": True},
                {"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_preflight"}},
            ],
            "rescue": [{"ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}],
            "module_defaults": {"group/iotfleet.ota.ota": {**CONNECTION, "endpoint": refusing}},
            "vars": {"rollout_preflight_job_id": "1001"},
        },
        {"ansible.builtin.set_stats": {"data": {"everything": everything}}},
    ]


# AWX makes artifacts extra variables, and ansible-rulebook events: they run as templates wherever they are used.
SECOND_PLAY = [
    {"ansible.builtin.debug": {"msg": ["{{ everything }}", "{{ report }}"]}},
    {"ansible.builtin.debug": {"msg": "{{ rollout_gate_message }}{{ rollout_preflight_message }}"}},
    {"ansible.builtin.set_fact": {"texts": "{{ everything | to_json }}{{ report | to_json }}"}},
    {"ansible.builtin.debug": {"msg": "{{ texts }}"}},
]


def run(core: pathlib.Path, folder: pathlib.Path, tasks: list[dict[str, Any]], form: str, *extra: str) -> str:
    """The output of a play of these tasks, which must succeed, with its results in the format ``form``."""
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    play["vars"] = {"ansible_python_interpreter": str(core / "python")}
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment["PATH"] = f"{core}{os.pathsep}{environment['PATH']}"
    environment |= {"ANSIBLE_SHOW_CUSTOM_STATS": "true", "ANSIBLE_CALLBACK_RESULT_FORMAT": form}
    done = execute(
        [core / "ansible-playbook", "-i", "localhost,", "-v", *extra, "play.yml"], cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def acting(output: str) -> list[str]:
    """The lines that act on a terminal or on a CI system."""
    acts = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|##\w*\[|^\s*::")
    return [line for line in output.split("\n") if acts.search(line)]


def use_as_variables(core: pathlib.Path, folder: pathlib.Path, variables: dict[str, Any]) -> str:
    """The output of the second play, with these extra variables."""
    (folder / "variables.json").write_text(json.dumps(variables))
    return run(core, folder, SECOND_PLAY, "yaml", "-e", "@variables.json")


@pytest.mark.parametrize("core", CORES, ids=lambda core: core.parent.name)
def test_no_text_runs_or_acts(tmp_path, core):
    canary = tmp_path / "canary"
    text = hostile_text(canary)
    with hostile_service(tmp_path, SCENARIO, text, names=True) as url, refusing_service(text) as refusing:
        defaults = {"group/iotfleet.ota.ota": {**CONNECTION, "endpoint": url}}
        play = [{"block": first_play(tmp_path, refusing), "module_defaults": defaults}]
        output = run(core, tmp_path, play, "json")
    assert "lookup" in output
    assert acting(output) == []
    stats = json.loads(re.search(r"CUSTOM STATS: \**\s*RUN: (.*)", output)[1])
    assert stats["everything"].keys() == {*MODULES, *RESULTS}
    assert stats["everything"]["refused_gate"]["verdict"] == "inconclusive"
    assert harmful(stats) == []
    reports = {path.suffix: path.read_text(encoding="utf-8") for path in (tmp_path / "reports").iterdir()}
    assert reports.keys() == {".json", ".md", ".xml", ".html", ".csv", ".prom", ".env"}
    for suffix, report in reports.items():
        assert "lookup" in report or suffix == ".env"
        assert harmful(report.split("\n")) == [], suffix
    assert "lookup" not in reports[".env"]
    output = use_as_variables(core, tmp_path, {**stats, "report": json.loads(reports[".json"])})
    assert "lookup" in output
    assert acting(output) == []
    assert not canary.exists()


def test_the_canary_would_be_seen(tmp_path):
    """The text does run and act where nothing makes it harmless."""
    canary = tmp_path / "canary"
    names = ("everything", "report", "rollout_gate_message", "rollout_preflight_message")
    output = use_as_variables(CORES[0], tmp_path, dict.fromkeys(names, hostile_text(canary)))
    assert canary.exists()
    assert acting(output)
