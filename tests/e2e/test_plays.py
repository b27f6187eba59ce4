# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles and the playbook in all kinds of plays: nothing that Ansible offers leaves a gate out, or lets an earlier
verdict count. On the newest ansible-core, and on the oldest.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from .conftest import needs, simulator
from .test_reports import KEY, SCENARIO

#: The folder of the commands of the oldest ansible-core, the first in OTHER_CORES.
OLDEST = os.environ.get("OTHER_CORES", "").split(os.pathsep)[0]
FAST = {"confirmations": 1, "start_grace": 0, "wait_interval": 0.5, "wait_timeout": 20}
#: As for gateways, which nothing here connects to.
HOSTILE = {"ansible_connection": "ssh", "ansible_become": True, "ansible_python_interpreter": "/opt/gateway/python3"}
#: The hosts gate these batches; that of ``bad`` fails.
HOSTS = {"good": "1001", "bad": "1002", "fine": "1001", "odd": "1001,"}


@dataclass(frozen=True)
class Ran:
    """A run of ansible-playbook: its exit code, what it showed, and what it published."""

    code: int
    stdout: str
    stderr: str

    @property
    def artifacts(self) -> dict[str, Any]:
        return json.loads(re.search(r"CUSTOM STATS: \**\s*RUN: (.*)", self.stdout)[1])

    def said(self, word: str) -> list[str]:
        """The messages of debug tasks that begin with ``word``."""
        return re.findall(rf'"msg": "{word} (.*)"\n', self.stdout)


@dataclass(frozen=True)
class Ansible:
    """One version of Ansible, in front of the simulator."""

    folder: pathlib.Path
    url: str
    bin: pathlib.Path

    def play(self, tasks: Sequence[Mapping[str, Any]], *options: str, **keywords: Any) -> Ran:
        """Run a play on localhost, with all variables of the role as they make it fast."""
        defaults = {"endpoint": self.url, "access_key_id": KEY["id"], "access_key_secret": KEY["secret"], "max_qps": 0}
        variables = {f"rollout_gate_{name}": value for name, value in FAST.items()}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/iotfleet.ota.ota": defaults},
            **keywords,
            "vars": {**variables, **keywords.get("vars", {})},
            "tasks": tasks,
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
        return self.run("play.yml", *options)

    def run(self, playbook: str, *options: str, **environment: str) -> Ran:
        hosts = {name: {"job": job} for name, job in HOSTS.items()}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_")
        own = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        own |= {
            "PATH": f"{self.bin}{os.pathsep}{own['PATH']}",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"],
            "OTA_ENDPOINT": self.url,
            **environment,
        }
        done = subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", *options, playbook],
            cwd=self.folder,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("simulator"), SCENARIO) as running:
        yield running.url


@pytest.fixture(params=["newest", "oldest"])
def ansible(tmp_path: pathlib.Path, url: str, request: pytest.FixtureRequest) -> Ansible:
    if request.param == "newest":
        return Ansible(tmp_path, url, pathlib.Path(sys.executable).parent)
    needs(OLDEST, "no folder of the oldest ansible-core in OTHER_CORES")
    return Ansible(tmp_path, url, pathlib.Path(OLDEST))


def role(how: str, *, name: str = "rollout_gate", keywords: Mapping[str, Any] | None = None, **inputs: Any) -> Any:
    """A task that includes or imports a role."""
    variables = {f"{name}_{key}": value for key, value in inputs.items()}
    task = {f"ansible.builtin.{how}_role": {"name": f"iotfleet.ota.{name}"}, **(keywords or {})}
    return {**task, "vars": {**variables, **task.get("vars", {})}}


def say(text: str, **keywords: Any) -> dict[str, Any]:
    return {"ansible.builtin.debug": {"msg": text}, **keywords}


# --- What leaves tasks out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "tags", "options"),
    [
        pytest.param("include", ["gate"], ["--tags", "gate"], id="included by its tag"),
        pytest.param("include", [], ["--skip-tags", "always"], id="included without always"),
        pytest.param("import", ["gate"], ["--tags", "ship"], id="imported by another tag"),
        pytest.param("import", [], ["--skip-tags", "tagged"], id="imported without tagged"),
    ],
)
def test_no_tags_run_half_a_gate(ansible: Ansible, how: str, tags: list[str], options: list[str]) -> None:
    """The tasks of the user are part of it."""
    (ansible.folder / "mine.yml").write_text(yaml.safe_dump([say("MINE ran")]))
    gate = role(how, keywords={"tags": tags}, job_ids="1002", on_verdict="mine.yml")
    ran = ansible.play([gate, say("SHIPPED x", tags=["gate", "ship"])], *options)
    assert (ran.code, ran.said("SHIPPED"), ran.said("MINE")) == (2, [], ["ran"]), ran.stdout
    assert ran.artifacts["rollout_gate_verdict"] == "failed"


def test_no_tags_run_half_a_preflight(ansible: Ansible) -> None:
    flight = role("import", name="rollout_preflight", keywords={"tags": ["check"]}, job_id="1")
    ran = ansible.play([flight, say("SHIPPED x", tags=["ship"])], "--tags", "ship", vars=HOSTILE)
    assert (ran.code, ran.said("SHIPPED")) == (2, [])
    assert ran.artifacts["rollout_preflight_failed"] == ["job"]


@pytest.mark.parametrize("options", [["--limit", "fine", "--tags", "x"], ["--limit", "all", "--skip-tags", "all"]])
def test_the_playbook_runs_whatever_limit_and_tags_say(ansible: Ansible, options: list[str]) -> None:
    inputs = {f"rollout_gate_{name}": value for name, value in {**FAST, "job_ids": "1002"}.items()}
    everywhere = json.dumps({**inputs, "ansible_foo": 1})
    (ansible.folder / "group_vars").mkdir()
    (ansible.folder / "group_vars" / "all.yml").write_text(yaml.safe_dump(HOSTILE))
    ran = ansible.run("iotfleet.ota.rollout_gate", *options, "-e", everywhere, "-e", "rollout_gate_report_dir=reports")
    assert (ran.code, ran.artifacts["rollout_gate_verdict"]) == (2, "failed"), ran.stdout
    assert (ansible.folder / "reports" / "rollout-gate.html").exists()
    assert len(re.findall(r"^\d\d:\d\d:\d\d  fw-1 2.0.0  FAILED  ", ran.stdout, re.MULTILINE)) == 1


def test_a_gate_that_is_imported_once_stops_all_hosts(ansible: Ansible) -> None:
    gate = role("import", keywords={"run_once": True}, job_ids="1002")
    ran = ansible.play([gate, say("SHIPPED x")], hosts="good,fine")
    assert (ran.code, ran.said("SHIPPED")) == (2, [])


# --- Several hosts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "verdict", "message"),
    [
        ("good,bad,odd,fine", "failed", "fw-1 2.0.0 FAILED after "),
        ("odd,good", "inconclusive", "The gate has not judged."),
    ],
)
def test_artifacts_tell_of_the_worst_host(ansible: Ansible, hosts: str, verdict: str, message: str) -> None:
    """The connections of the hosts are not those of the controller, where the reports are."""
    gate = role("include", job_ids="{{ job }}", report_dir="reports/{{ inventory_hostname }}")
    ran = ansible.play([gate, say("SHIPPED {{ inventory_hostname }}")], hosts=hosts, vars=HOSTILE)
    assert ran.code == 2, ran.stdout
    assert sorted(ran.said("SHIPPED")) == sorted({*hosts.split(",")} - {"bad", "odd"})
    assert ran.artifacts["rollout_gate_verdict"] == verdict
    assert ran.artifacts["rollout_gate_message"].startswith(message)
    files = ran.artifacts["rollout_gate_reports"].values()
    assert all("/reports/bad/" in path and pathlib.Path(path).exists() for path in files)
    assert bool(files) == (verdict == "failed")


# --- Several gates ---------------------------------------------------------------------------------------------------


def test_no_verdict_of_an_earlier_gate_counts(ansible: Ansible) -> None:
    """Whoever refuses the next one: the gate, the role or Ansible. And the role leaves ``item`` to the play."""
    canary = {"title": "Rollout {{ item.name }}", "report_name": "{{ item.name }}", "report_dir": "reports"}
    passed = "{{ rollout_gate_result is iotfleet.ota.rollout_passed }} {{ rollout_gate_result.verdict }}"
    tasks: list[dict[str, Any]] = []
    for refused in ({"job_ids": "1001", "max_failed": -1}, {"job_ids": "1001", "max_faild": 1}, {}):
        gate = role("include", **refused)
        tasks.append(role("include", keywords={"loop": [{"name": "canary"}]}, job_ids="1001", **canary))
        tasks.append(say(f"AFTER {passed}"))
        tasks.append({"block": [gate], "rescue": [say(f"RESCUED {passed}")]})
    ran = ansible.play(tasks)
    assert (ran.said("AFTER"), ran.said("RESCUED")) == (["True passed"] * 3, ["False inconclusive"] * 3), ran.stdout
    assert ran.artifacts["rollout_gate_reasons"] == ["not_judged"]
    assert ran.artifacts["rollout_gate_message"].startswith("rollout_gate_job_ids names no batch; ")
    assert "variable 'item'" not in ran.stdout + ran.stderr
    report = json.loads((ansible.folder / "reports" / "canary.json").read_text(encoding="utf-8"))
    assert report["title"] == "Rollout canary"


def test_module_defaults_of_the_gate_count_in_the_role(ansible: Ansible) -> None:
    """Where no variable says something else."""
    gate = {"min_devices": 5000, "expected_version": "9.9.9", "wait": False, "versions": {"match": "prefix"}}
    policy = "{{ rollout_gate_result.policy.min_devices }} {{ rollout_gate_result.policy.expected_version }}"
    tasks = [
        role("include", job_ids="1001", min_devices=2, mode="report"),
        say(f"POLICY {policy} {{{{ rollout_gate_result.policy.versions.match }}}}"),
        role("include", job_ids="1003", min_devices=1, expected_version="2.0.0"),
    ]
    ran = ansible.play([{"block": tasks, "module_defaults": {"iotfleet.ota.ota_rollout_gate": gate}}])
    assert ran.said("POLICY") == ["2 9.9.9 prefix"], ran.stdout
    assert (ran.code, ran.artifacts["rollout_gate_verdict"]) == (0, "pending")


# --- What is shown ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("callback", "shown"), [("default", "stdout"), ("minimal", "stderr")])
def test_lines_stay_out_of_the_output_of_other_callbacks(
    ansible: Ansible, monkeypatch: pytest.MonkeyPatch, callback: str, shown: str
) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", callback)
    ran = ansible.play([role("include", job_ids="1001")])
    verdict = re.compile(r"^[0-9:]{8}  .+  PASSED  100 %  ", re.M)
    lines = {name: len(verdict.findall(getattr(ran, name))) for name in ("stdout", "stderr")}
    assert lines == {"stdout": 0, "stderr": 0, shown: 1}


def test_the_rehearsal_needs_no_working_directory_in_the_environment(ansible: Ansible) -> None:
    """And no sudo, although all hosts of the inventory do."""
    (ansible.folder / "group_vars").mkdir()
    (ansible.folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({"ansible_become": True}))
    ran = ansible.run("iotfleet.ota.rehearsal", PWD="")
    assert ran.code == 0, ran.stdout
    assert (ansible.folder / "rehearsal-reports" / "fleet.html").exists()
