# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the end-to-end tests share: the simulator as a program, and plays run by ansible-playbook."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

# What is installed can also be imported.
sys.path[:0] = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(os.pathsep)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ACTIONS = pathlib.Path(__file__).with_name("action_plugins")
SIMULATOR = ROOT / "roles" / "simulator" / "files" / "ota_simulator.py"
REHEARSAL = json.loads((SIMULATOR.parent / "scenarios" / "rehearsal.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Simulator:
    """A running simulator."""

    url: str

    def control(self, name: str, content: Any) -> None:
        """Tell it something, such as ``faults``."""
        request = urllib.request.Request(f"{self.url}/_sim/{name}", json.dumps(content).encode())
        with urllib.request.urlopen(request, timeout=300):
            pass

    def stats(self) -> dict[str, Any]:
        """What it has seen."""
        with urllib.request.urlopen(f"{self.url}/_sim/stats", timeout=300) as answer:
            return json.load(answer)


@contextlib.contextmanager
def simulator(folder: pathlib.Path, scenario: Mapping[str, Any], *options: str) -> Iterator[Simulator]:
    """Run the simulator on a free port."""
    (folder / "scenario.json").write_text(json.dumps(scenario))
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, str(SIMULATOR), "--port", "0", "--port-file", str(port_file), "--qps", "0", *options]
    with subprocess.Popen([*command, "--scenario", str(folder / "scenario.json"), "--idle-exit", "1800"]) as process:
        try:
            while not port_file.exists():
                assert process.poll() is None, "the simulator did not start"
                time.sleep(0.05)
            scheme = "https" if "--tls-cert" in options else "http"
            yield Simulator(f"{scheme}://127.0.0.1:{port_file.read_text().strip()}")
        finally:
            process.terminate()


def execute(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: str | os.PathLike[str],
    env: Mapping[str, str],
    timeout: float = 900,
) -> subprocess.CompletedProcess[str]:
    """Run a command that nobody can answer, with all its output as one text."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook left: its exit code, all its output, and the registered results by name."""

    code: int
    output: str
    results: dict[str, dict[str, Any]]


def run_play(
    folder: pathlib.Path,
    tasks: Sequence[Mapping[str, Any]],
    *options: str,
    defaults: Mapping[str, Any] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Run:
    """Run ``tasks`` on localhost, each allowed to fail; those with a ``register`` give results."""
    names = [task["register"] for task in tasks if "register" in task]
    results = folder / "results.json"
    write = {
        "write_text": {
            "content": "{{ dict(names | zip(names | map('extract', vars))) | to_json }}",
            "dest": str(results),
        },
        "vars": {"names": names},
        "no_log": True,
    }
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "module_defaults": {"group/iotfleet.ota.ota": dict(defaults or {})},
        "tasks": [*({"ignore_errors": True, **task} for task in tasks), write],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False, allow_unicode=True))
    (folder / "variables.json").write_text(json.dumps(dict(variables or {})))
    unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    environment["ANSIBLE_ACTION_PLUGINS"] = str(ACTIONS)
    environment["ANSIBLE_SHOW_CUSTOM_STATS"] = "true"
    environment["ANSIBLE_INJECT_INVOCATION"] = "true"  # show the options of each task, masked
    done = execute(
        ["ansible-playbook", "-i", "localhost,", "-e", "@variables.json", *options, "play.yml"],
        cwd=folder,
        env=environment,
    )
    assert results.exists(), done.stdout
    return Run(done.returncode, done.stdout, json.loads(results.read_text(encoding="utf-8")))


def role_variables(role: str) -> dict[str, Any]:
    """The variables in the folder vars of a role, as they are written."""
    files = (ROOT / "roles" / role / "vars").rglob("*.yml")
    return {name: value for path in files for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()}


def needs(condition: object, reason: str) -> None:
    """Skip what needs a tool that this machine lacks; in CI, where tools can be installed, it fails instead."""
    if not condition:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    """An empty folder."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """Where pipelines run while time goes by."""
    from .pipelines import site  # which imports this file

    with site(tmp_path_factory.mktemp("moving"), "--time-scale", "20") as place:
        yield place
