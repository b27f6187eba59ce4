# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: a playbook of a project in ansible-runner, with the credential, the answers of the survey and
what earlier jobs published.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ansible_runner
import yaml

from .conftest import ROOT

KIT = ROOT / "docs" / "examples" / "awx"
#: What AWX 24.6 sets, apart from the time-out.
SETTINGS = {"suppress_ansible_output": True, "suppress_output_file": True}
#: Maximum length of a result in an event.
MAX_EVENT_RES = "700000"
#: The artifacts that a gate sets with set_stats.
ARTIFACTS = {
    f"rollout_gate_{name}" for name in ("verdict", "final", "reasons", "message", "counts", "reports", "canceled")
}
#: The gate as fast as it can be.
FAST = {
    "rollout_gate_wait_timeout": 60,
    "rollout_gate_start_grace": 1,
    "rollout_gate_confirmations": 1,
    "rollout_gate_wait_interval": 0.5,
    "rollout_gate_max_qps": 0,
}


def read_kit(name: str) -> Any:
    return yaml.safe_load((KIT / name).read_text(encoding="utf-8"))


#: The inventory of the kit.
LOCALHOST = {"localhost": {"ansible_connection": "local"}}


class FromUsers(yaml.SafeDumper):
    """Marks all text as AWX marks extra variables, so that none is run as a template."""

    def represent_data(self, data: Any) -> yaml.Node:
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


@dataclass
class Job:
    """A job that is over."""

    status: str = ""
    code: int = -1
    #: Each event with the moment at which it came.
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    @property
    def artifacts(self) -> dict[str, Any]:
        """What AWX keeps of ``set_stats``: the last that is not empty."""
        data = [event.get("event_data", {}).get("artifact_data") for _moment, event in self.events]
        return next((found for found in reversed(data) if found), {})

    @property
    def stdout(self) -> str:
        return "\n".join(event["stdout"] for _moment, event in self.events)

    def lines(self, words: str) -> list[tuple[float, dict[str, Any]]]:
        """The events that show these words."""
        return [(moment, event) for moment, event in self.events if words in event.get("stdout", "")]

    def everything(self, folder: pathlib.Path) -> str:
        """All that AWX keeps of the job, and all files that ansible-runner leaves of it, but for the one in which it
        writes down the environment that it was given.
        """
        kept = [json.dumps([event for _moment, event in self.events], ensure_ascii=False)]
        files = (path for path in (folder / "artifacts").rglob("*") if path.is_file() and path.name != "command")
        return "\n".join([*kept, *(path.read_text(encoding="utf-8", errors="replace") for path in files)])


def prepare(
    folder: pathlib.Path,
    extra_vars: Mapping[str, Any],
    arguments: Sequence[str] = (),
    timeout: int = 0,
    project: pathlib.Path = KIT / "project",
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Make the private data of a job, with an inventory as AWX writes it. The environment is never written."""
    hosts = LOCALHOST if hosts is None else hosts
    env = folder / "env"
    env.mkdir(parents=True, exist_ok=True)
    (folder / "inventory").mkdir(exist_ok=True)
    inventory = json.dumps({"all": {"hosts": list(hosts)}, "_meta": {"hostvars": dict(hosts)}})
    script = folder / "inventory" / "hosts"
    script.write_text(f"#!{sys.executable}\nprint({inventory!r})\n", encoding="utf-8")
    script.chmod(0o700)
    shutil.copytree(project, folder / "project", dirs_exist_ok=True)
    (env / "extravars").write_text(yaml.dump(dict(extra_vars), Dumper=FromUsers, allow_unicode=True), encoding="utf-8")
    (env / "cmdline").write_text(" ".join(arguments))
    (env / "settings").write_text(json.dumps({**SETTINGS, "job_timeout": timeout}))


def environment(credential: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job, in which only the credential names the service."""
    own = {name: os.environ[name] for name in ("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH") if name in os.environ}
    # As in an execution environment, whose Python comes first.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    return {**own, "PATH": path, "MAX_EVENT_RES": MAX_EVENT_RES, "ANSIBLE_RETRY_FILES_ENABLED": "False", **credential}


def run_job(
    folder: pathlib.Path,
    playbook: str,
    extra_vars: Mapping[str, Any],
    credential: Mapping[str, str],
    *,
    arguments: Sequence[str] = (),
    timeout: int = 0,
    project: pathlib.Path = KIT / "project",
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    cancel: Callable[[Job], bool] = lambda job: False,
) -> Job:
    """Run a playbook of a project; ``cancel`` decides, from its events so far, whether somebody cancels it."""
    prepare(folder, extra_vars, arguments, timeout, project, hosts)
    job = Job()
    run = ansible_runner.run(
        private_data_dir=str(folder),
        playbook=playbook,
        inventory=str(folder / "inventory" / "hosts"),
        envvars=environment(credential),
        suppress_env_files=True,
        fact_cache_type="",
        quiet=True,
        event_handler=lambda event: job.events.append((time.monotonic(), event)),
        cancel_callback=lambda: cancel(job),
    )
    job.status, job.code = run.status, run.rc
    return job


def answered(survey: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that AWX makes of a survey: an answer, or else a default that is valid, such as an empty text where
    text is asked for. A number that is not given, and is no default either, is no variable.
    """
    variables = {}
    for question in survey["spec"]:
        name, kind = question["variable"], question["type"]
        value = answers.get(name, question.get("default"))
        if name in answers:
            assert is_valid(question, value), f"AWX refuses {value!r} as {name}"
        else:
            assert not question["required"] or is_valid(question, value), f"AWX wants {name} ({kind})"
        if is_valid(question, value):
            variables[name] = value
    return variables


def is_valid(question: Mapping[str, Any], value: Any) -> bool:
    """Whether AWX takes it as the answer."""
    if question["type"] in ("integer", "float"):
        kinds = (int,) if question["type"] == "integer" else (int, float)
        return type(value) in kinds and question.get("min", value) <= value <= question.get("max", value)
    if question["type"] == "multiplechoice":
        return value in question["choices"]
    return isinstance(value, str)


def node_variables(
    template: Mapping[str, Any], artifacts: Sequence[Mapping[str, Any]], workflow: Mapping[str, Any]
) -> dict[str, Any]:
    """The extra variables of a job in a workflow, of which the later win: those of its template, what earlier jobs
    published, and the answers that the workflow was started with.
    """
    merged = dict(template)
    for published in artifacts:
        merged.update(published)
    return {**merged, **workflow}
