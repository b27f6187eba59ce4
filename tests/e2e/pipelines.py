# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the example pipelines share: a repository that has them, and what a machine of a pipeline has.

The commands of the examples run as they are. ansible-galaxy installs from a git repository on this machine. pip is kept
from any index, and finds that the environment of the tests has what is asked for, unless the examples ask for more.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import sysconfig
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from .conftest import REHEARSAL, ROOT, Simulator, execute, simulator
from .distribution import serve_git

EXAMPLES = ROOT / "docs" / "examples" / "pipelines"
PRODUCT = "a1simlamp01"
#: A time before all batches of the service, and one after them.
BEFORE, AFTER = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
CANARY, FLEET, HEALTHY = "183415776190000002", "183415776190000003", "183415776190000004"
#: The rehearsal, and a fleet in which nothing goes wrong.
SCENARIO = {
    **REHEARSAL,
    "jobs": [
        *REHEARSAL["jobs"],
        {
            "job_id": HEALTHY,
            "firmware_id": "fw-lamp-120",
            "devices": [{"prefix": "lamp-healthy-", "count": 6, "finished_after": 7}],
        },
    ],
}
#: More than the canary has.
DEVICES = "6"
KEY = {"id": "pipeline-key-id", "secret": "pipeline-secret-that-nobody-sees"}
OTHER_SECRET = "another-secret-that-nobody-sees"
#: As short as can be tested, by file: everything else of the examples stays as it is.
CLOCKS: Mapping[str, Mapping[str, Any]] = {
    "canary": {"soak": 0.1, "wait_interval": 0.5},
    "fleet": {"start_grace": 0, "wait_interval": 0.5},
    "once": {"confirmations": 1},
}
#: What must not let a pipeline go on.
OTHER_WORDS = ("pending", "failed", "inconclusive", "timed_out", "passed_not", "not_passed", None)
VERDICT = re.compile(r"^ROLLOUT_GATE_VERDICT=(\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Site:
    """Where pipelines run: the repository that is checked out, the environment of a machine, and the service."""

    repository: pathlib.Path
    environment: Mapping[str, str]
    service: Simulator

    def check_out(self, folder: pathlib.Path) -> pathlib.Path:
        """The repository in ``folder``, over what is there."""
        return shutil.copytree(self.repository, folder, dirs_exist_ok=True)


@contextlib.contextmanager
def site(folder: pathlib.Path, *options: str) -> Iterator[Site]:
    """A repository with the shared files of the examples, and the service of the rehearsal."""
    repository = folder / "repository"
    shutil.copytree(EXAMPLES / "rollout", repository / "rollout")
    for name, clocks in CLOCKS.items():
        path = repository / "rollout" / f"{name}.yml"
        variables = yaml.safe_load(path.read_text(encoding="utf-8"))
        variables.update({f"rollout_gate_{clock}": value for clock, value in clocks.items()})
        path.write_text(yaml.safe_dump(variables), encoding="utf-8")
    with simulator(folder, {**SCENARIO, "access_keys": [KEY]}, *options) as sim:
        (folder / "home").mkdir()
        environment = {
            "PATH": os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **serve_git(folder),
            "NO_PROXY": "127.0.0.1",
            "OTA_ENDPOINT": sim.url,
        }
        yield Site(repository, environment, sim)


def saying(place: Site, folder: pathlib.Path, verdict: str | None, gates: str = "canary fleet") -> Site:
    """The same site, where these gates end well whatever they say: this word, or nothing at all."""
    tools = folder / "tools"
    tools.mkdir(parents=True)
    real = shutil.which("ansible-playbook", path=place.environment["PATH"])
    lines = ["#!/bin/sh"]
    for gate in gates.split():
        report = json.dumps({"verdict": verdict, "title": "Stand-in", "msg": "It says so."})
        word = f"echo ROLLOUT_GATE_VERDICT={verdict} >reports/{gate}.env; " if verdict else ""
        word += f"echo '{report}' >reports/{gate}.json; " if verdict else ""
        lines.append(
            f'case "$*" in *@rollout/{gate}.yml*) mkdir -p reports; {word}touch reports/{gate}.md; exit 0;; esac'
        )
    (tools / "ansible-playbook").write_text("\n".join([*lines, f'exec {real} "$@"', ""]), encoding="utf-8")
    if gates == "canary fleet":  # nothing is left that anything would have to be installed for
        for name in ("ansible-galaxy", "pip", "python3"):
            (tools / name).write_text("#!/bin/sh\n", encoding="utf-8")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    path = f"{tools}{os.pathsep}{place.environment['PATH']}"
    return replace(place, environment={**place.environment, "PATH": path})


def started_at(place: Site, folder: pathlib.Path, moment: str) -> Site:
    """The same site, whose machines take this for the time."""
    clock = folder / "clock"
    clock.mkdir(parents=True)
    (clock / "date").write_text(f'#!/bin/sh\n[ "$*" = "-u +%Y-%m-%dT%H:%M:%SZ" ] && echo {moment}\n', encoding="utf-8")
    (clock / "date").chmod(0o755)
    return replace(place, environment={**place.environment, "PATH": f"{clock}{os.pathsep}{place.environment['PATH']}"})


def check_schema(name: str, *files: pathlib.Path) -> None:
    """Check files against a schema that comes with check-jsonschema."""
    command = ["check-jsonschema", "--builtin-schema", name, *map(str, files)]
    done = execute(command, cwd=EXAMPLES, env=os.environ)
    assert done.returncode == 0, done.stdout


def run_script(command: list[str], folder: pathlib.Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and all output of a command; no output has a secret."""
    done = execute(
        command,
        cwd=folder,
        env=dict(environment),
    )
    assert KEY["secret"] not in done.stdout
    assert OTHER_SECRET not in done.stdout
    return done.returncode, done.stdout


def published(folder: pathlib.Path, name: str) -> str:
    """The verdict in the reports of the gate ``name``, which are all there, agree, and have no key in them."""
    reports = {path.suffix: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.stem == name}
    assert sorted(reports) == [".csv", ".env", ".html", ".json", ".md", ".prom", ".xml"]
    assert not any(text in report for report in reports.values() for text in (KEY["id"], KEY["secret"], OTHER_SECRET))
    (verdict,) = VERDICT.findall(reports[".env"])
    assert json.loads(reports[".json"])["verdict"] == verdict
    assert f',verdict="{verdict}"}} 1\n' in reports[".prom"]
    suite = next(ET.fromstring(reports[".xml"]).iter("testsuite"))
    red = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
    assert bool(red) == (verdict not in ("passed", "pending"))
    return verdict


def found_batches(path: pathlib.Path) -> list[str]:
    """The batches in a report that were found by the product and a version."""
    found = json.loads(path.read_text(encoding="utf-8"))["found_by"]
    assert (found["product_key"], found["dest_version"]) == (PRODUCT, "1.2.0")
    return found["job_ids"]


def poll_count(path: pathlib.Path) -> int:
    """The number of polls in a report, those of earlier runs included."""
    return json.loads(path.read_text(encoding="utf-8"))["polls"]


def wait_timeout(name: str) -> float:
    """The time within which the gate ``name`` of the examples must be settled, in seconds."""
    return yaml.safe_load((EXAMPLES / "rollout" / f"{name}.yml").read_text(encoding="utf-8"))[
        "rollout_gate_wait_timeout"
    ]
