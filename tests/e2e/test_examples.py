# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example of the documentation, run as it is printed: plays, tasks, commands, and the output that is shown.

The examples ask the services under their real names, which here lead to simulators. They hold what the examples name,
and the rollouts are over; the pauses of a gate take no time. What is variable comes by extra variables.
"""

from __future__ import annotations

import ast
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import yaml

from .conftest import REHEARSAL, ROOT, execute
from .made_up_internet import made_up_internet

KEY = {"id": "LTAI5tExample", "secret": "canary-secret"}
BLIND = {"id": "blind", "secret": "canary-secret", "denied_actions": ["ListOTATaskByJob"]}
PAST = {"created_before": 86400}
LAMPS = [f"lamp-{number:02}" for number in range(1, 25)]
PACKAGE = "FJFx8JzpnhpIsKftRjjm030001"
CANARY, FLEET, BUSY = "HvKuBpuk3rdk6E92CPQN020001", "HvKuBpuk3rdk6E92CPQN020002", "1834157761900000777"
OTHER = "HvKuBpuk3rdk6E92CPQN020003"
BAD = "HvKuBpuk3rdk6E92CPQN020004"
ALIBABA = {
    "access_keys": [KEY, BLIND],
    "firmwares": [
        {"firmware_id": PACKAGE, "product_key": "a19mzPZ0001", "src_version": "1.0.0", "dest_version": "2.0.0"},
        {"firmware_id": "mcu-1", "product_key": "a19mzPZ0002", "module_name": "mcu", "dest_version": "3.1"},
        {"firmware_id": "bad-1", "product_key": "a19mzPZ0003", "src_version": "1.0.0", "dest_version": "2.0.0"},
        *REHEARSAL["firmwares"],
    ],
    "jobs": [
        {
            "job_id": CANARY,
            "firmware_id": PACKAGE,
            "devices": ["light1", "light2"],
            "tags": {"stage": "canary"},
            **PAST,
        },
        {"job_id": OTHER, "firmware_id": "mcu-1", "devices": ["light1", "light2"], **PAST},
        {
            "job_id": FLEET,
            "firmware_id": PACKAGE,
            "devices": [*LAMPS[1:], {"name": LAMPS[0], "course": "offline"}],
            **PAST,
        },
        {
            "job_id": BUSY,
            "firmware_id": PACKAGE,
            "devices": [
                {"name": "light3", "started_after": 86300, "finished_after": 90000, "jitter": 0},
                {"name": "light4", "course": "offline"},
                {"name": "light5", "course": "fails", "step": -2},
            ],
            **PAST,
        },
        # Of its own, because it is stopped.
        {"job_id": BAD, "firmware_id": "bad-1", "devices": [{"name": "light9", "course": "offline"}], **PAST},
        *({**job, **PAST} for job in REHEARSAL["jobs"]),
    ],
}
BULBS = {"firmware_id": "167001", "product_key": "k1bulb0001", "src_version": "1.0.0", "dest_version": "2.0.0"}
TUYA = {
    "dialect": "tuya",
    "access_keys": [KEY],
    "firmwares": [BULBS],
    "jobs": [{"job_id": "1836340779212660001", "firmware_id": "167001", "devices": ["light1", "light2"], **PAST}],
}
VARIABLES = {
    "ota_job_id": CANARY,
    "ota_canary_job": CANARY,
    "ota_canary_devices": ["light1", "light2"],
    "ota_other_job": OTHER,
    "ota_fleet_job": FLEET,
    "ota_bad_job": BAD,
    "ota_fleet_devices": len(LAMPS),
    "ota_version": "2.0.0",
    "ota_pipeline_began": "2020-01-01T00:00:00Z",
    # What an earlier job has published.
    "canary_verdict": "passed",
    "rollout_gate_verdict": "passed",
    "ota_moving_devices": ["light1", "light2"],
    "ota_tuya_endpoint": "https://si-0123456789.tuyacloud.com:8686",
    "ota_tuya_key_id": KEY["id"],
    "ota_tuya_key_secret": KEY["secret"],
    "proxy_password": "p@ss/word",
}
INVENTORY = {"canary": ["light1", "light2"], "lamps": LAMPS}

#: What other tests take from a document and run, as far as it can run here.
ELSEWHERE = {
    ("accounts.rst", "text"): "test_accounts.py",
    ("awx.rst", "text"): "test_awx_runner.py",
    ("awx.rst", "yaml"): "test_awx_runner.py",
    ("events.rst", "console"): "test_event_source.py",
    ("events.rst", "yaml"): "test_event_source.py",
    ("events.rst", "yaml+jinja"): "test_event_source.py",
    ("execution_environment.rst", "console"): "test_execution_environment.py",
    ("notifications.rst", "yaml"): "test_notifications.py",
}

#: Examples that name what exists nowhere, and what they fail with.
FAILS = {"docs/docsite/rst/networks.rst": "there is no file or folder /etc/pki/company-ca.pem"}

#: Documents with an environment of their own.
ENVIRONMENT = {
    "docs/docsite/rst/authentication.rst": {"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""},
}

#: What leads to the output that a document shows, besides its own examples: more tasks, and more of the environment.
CAUSES: Mapping[str, tuple[list[dict[str, Any]], dict[str, str]]] = {
    "docs/docsite/rst/gating.rst": (
        [{"iotfleet.ota.ota_rollout_gate": {"job_id": BUSY, "mode": "report", "max_failed": 1, "wait_interval": 300}}],
        {},
    ),
    "docs/docsite/rst/troubleshooting.rst": (
        # Nobody listens on this port, which no user may have.
        [{"iotfleet.ota.ota_job_info": {"job_id": "1"}, "ignore_errors": True}],
        {"OTA_ENDPOINT": "https://127.0.0.1:1"},
    ),
    "roles/rollout_preflight/README.md": ([], {"ALIBABA_CLOUD_ACCESS_KEY_ID": BLIND["id"]}),
}


# --- Finding ---------------------------------------------------------------------------------------------------------


class Example(NamedTuple):
    """A block of code in a document."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def content(self) -> Any:
        return yaml.safe_load(self.text)


def blocks_of(path: pathlib.Path) -> Iterator[tuple[int, str, str]]:
    """The line, the language and the text of each block of code in a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
                yield node.lineno, "yaml", ast.literal_eval(node.value)
        return
    if path.suffix == ".yml":
        yield 1, "yaml", yaml.safe_load(text)["EXAMPLES"]
        return
    if path.suffix == ".md":
        pattern = r"^([ ]*)```(?P<language>.*)\n(?P<text>(?:.*\n)*?)\1```$"
    else:
        body = r"(?:\n|(?P<indent>[ ]+)\S.*\n(?:(?P=indent).*\n|\n)*)"
        pattern = rf"^(?:\.\. code(?:-block)?:: ?(?P<language>\S*)\n(?:[ ]+:.*\n)*|(?!\.\.).*::)\n(?P<text>\n*{body})"
    for match in re.finditer(pattern, text, re.MULTILINE):
        yield text.count("\n", 0, match.start()) + 1, match["language"] or "text", textwrap.dedent(match["text"])


#: Plugins, and the files beside those whose documentation is not in the code.
PLUGINS = ("plugins/[mft]*/*.py", "plugins/[mft]*/*.yml")


def examples() -> list[Example]:
    patterns = ("README.md", "docs/docsite/rst/*.rst", "roles/*/README.md", *PLUGINS)
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    return [Example(str(path.relative_to(ROOT)), *block) for path in paths for block in blocks_of(path)]


def is_elsewhere(example: Example) -> bool:
    return (pathlib.Path(example.document).name, example.language) in ELSEWHERE


def is_excerpt(example: Example) -> bool:
    """Whether the example is a part of a file that has tests of its own."""
    files = (path for path in (ROOT / "docs" / "examples").rglob("*") if path.is_file())
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return any(plain(example.text.strip()) in plain(text) for text in texts)


def plain(text: str) -> str:
    """A text without indentation, prompts and the signs of comments."""
    return "\n".join(re.sub(r"^\s*([$#] *)?", "", line).rstrip() for line in text.splitlines())


EXAMPLES = [example for example in examples() if not (is_elsewhere(example) or is_excerpt(example))]
FIRST = {example.text: example for example in reversed(EXAMPLES)}
SECTIONS = [name for name, _title in yaml.safe_load((ROOT / "changelogs/config.yaml").read_text())["sections"]]
TARGETS = re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def kind_of(example: Example) -> str:
    """How an example is run."""
    if not example.language.startswith("yaml"):
        return {"console": "console", "json": "json", "text": "output"}.get(example.language, "unknown")
    content = example.content
    if isinstance(content, list) or all(name.startswith("rollout_gate_") for name in content):
        return "play"
    return "fragment" if set(content) <= set(SECTIONS) else "unknown"


def of_kind(kind: str) -> list[Any]:
    return [pytest.param(example, id=str(example)) for example in EXAMPLES if kind_of(example) == kind]


# --- Running ---------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    code: int
    output: str


class Place:
    """Where examples run: a folder for each document, a home, and an environment."""

    def __init__(self, folder: pathlib.Path, internet: Mapping[str, str]) -> None:
        self._folder = folder
        unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_", "HTTP", "http", "PYTHONPATH")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self._environment.update(
            internet,
            ALIBABA_CLOUD_ACCESS_KEY_ID=KEY["id"],
            ALIBABA_CLOUD_ACCESS_KEY_SECRET=KEY["secret"],
            ANSIBLE_NOCOLOR="true",
            PIP_DISABLE_PIP_VERSION_CHECK="1",
            PIP_NO_INDEX="1",
        )
        (folder / "callbacks").mkdir()
        shutil.copy2(pathlib.Path(__file__).with_name("no_waiting.py"), folder / "callbacks")
        (folder / "inventory.ini").write_text(
            "".join(f"[{group}]\n" + "\n".join(hosts) + "\n" for group, hosts in INVENTORY.items())
        )
        (folder / "variables.json").write_text(json.dumps({**VARIABLES, "ota_iot_id": iot_id_of("light3")}))

    def at(self, document: str) -> pathlib.Path:
        """The folder of a document."""
        folder = self._folder / document.replace("/", "_")
        (folder / "home" / ".aliyun").mkdir(parents=True, exist_ok=True)
        return folder

    def run(self, document: str, command: list[str], cwd: pathlib.Path | None = None, **more: str) -> Run:
        home = self.at(document) / "home"
        environment = {**self._environment, "HOME": str(home), **more}
        # What an example installs comes to the home, and is found there first.
        usual = environment.get("ANSIBLE_COLLECTIONS_PATH", "")
        environment["ANSIBLE_COLLECTIONS_PATH"] = f"{home}/.ansible/collections:{usual}"
        done = execute(
            command,
            cwd=cwd or self.at(document),
            env=environment,
        )
        return Run(done.returncode, done.stdout)

    def play(self, document: str, playbook: str, **more: str) -> Run:
        handle, path = tempfile.mkstemp(".yml", "play-", self.at(document))
        with open(handle, "w", encoding="utf-8") as file:
            file.write(playbook)
        if "iotfleet.ota.simulator" not in playbook:  # whose rollouts move in real time
            more.update(
                ANSIBLE_CALLBACKS_ENABLED="no_waiting", ANSIBLE_CALLBACK_PLUGINS=str(self._folder / "callbacks")
            )
        options = ("-i", str(self._folder / "inventory.ini"), "-e", f"@{self._folder / 'variables.json'}")
        return self.run(document, ["ansible-playbook", *options, path], **more)

    def plays(self, batch: str) -> Run:
        """Run all plays and tasks of a batch of documents, one after the other."""
        profile = {"name": "ota", "mode": "AK", "access_key_id": KEY["id"], "access_key_secret": KEY["secret"]}
        content = json.dumps({"current": "default", "profiles": [profile]})
        (self.at(batch) / "home" / ".aliyun" / "config.json").write_text(content)
        return self.play(batch, playbook_of(batch), **ENVIRONMENT.get(batch, {}))

    def cause(self, document: str) -> Run:
        """Run what leads to the output that a document shows."""
        tasks, more = CAUSES[document]
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        return self.play(document, yaml.safe_dump(plays) if tasks else playbook_of(batch_of(document)), **more)

    def consoles(self, document: str) -> list[tuple[Example, Run]]:
        """Run all commands of a document in a copy of the checkout, one block after the other."""
        checkout = self.at(document) / "ota"
        shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "__pycache__", "site", "*.tar.gz"))
        for example in EXAMPLES:
            if (example.document, example.language) == (document, "json"):
                (checkout / "FILE.json").write_text(example.text)
        runs = []
        for example in EXAMPLES:
            if example.document == document and kind_of(example) == "console" and first_of(example) == example:
                runs.append((example, self._console(example, checkout)))
        return runs

    def _console(self, example: Example, checkout: pathlib.Path) -> Run:
        commands = commands_of(example)
        if any("ota_simulator.py" in command for command in commands):
            (command,) = commands
            return self._serve(example.document, command.split(), checkout)
        script = "\n".join(command for command in commands if not command.startswith("make "))
        return self.run(example.document, ["bash", "-euo", "pipefail", "-c", script], checkout)

    def _serve(self, document: str, command: list[str], checkout: pathlib.Path) -> Run:
        """Run a simulator, and stop it once it answers."""
        port = checkout / command[command.index("--port-file") + 1]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            run = pool.submit(self.run, document, command, checkout)
            while not port.exists() and not run.done():
                time.sleep(0.05)
            if port.exists():
                request = urllib.request.Request(f"http://127.0.0.1:{port.read_text().strip()}/_sim/stop", b"{}")
                with urllib.request.urlopen(request, timeout=300):
                    pass
            return run.result()


def iot_id_of(name: str) -> str:
    """The ID that the simulator gives to a device."""
    program = "import sys; from ota_sim.lives import iot_id; print(iot_id((sys.argv[1], sys.argv[2])))"
    command = [sys.executable, "-c", program, "a19mzPZ0001", name]
    return subprocess.check_output(command, cwd=ROOT / "roles/simulator/files", text=True).strip()


def batch_of(document: str) -> str:
    """Documents of the same batch are run one after the other, which saves many starts of Ansible."""
    text = (ROOT / document).read_text(encoding="utf-8")
    alone = document in {*FAILS, *CAUSES, *ENVIRONMENT} or "name: iotfleet.ota.simulator" in text
    return document if alone else document.split("/")[0]


def playbook_of(batch: str) -> str:
    """All plays and tasks of a batch as one playbook, word for word."""
    plays = (example for example in EXAMPLES if kind_of(example) == "play")
    parts = [as_plays(example) for example in plays if batch_of(example.document) == batch]
    if any("iotfleet.ota.simulator" in part for part in parts):
        stop = {"name": "iotfleet.ota.simulator", "tasks_from": "stop"}
        parts.append(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [{"include_role": stop}]}]))
    return "".join(parts)


def as_plays(example: Example) -> str:
    head = f"- name: {example}\n  hosts: localhost\n  gather_facts: false\n"
    content = example.content
    if isinstance(content, dict):
        job = f"  vars:\n    rollout_gate_job_ids: [{FLEET}]\n"
        return f"{head}{job}{textwrap.indent(example.text, '    ')}\n  roles: [iotfleet.ota.rollout_gate]\n"
    return example.text if "hosts" in content[0] else f"{head}  tasks:\n{textwrap.indent(example.text, '    ')}\n"


def first_of(example: Example) -> Example:
    """What runs for an example: commands that several documents print are run once."""
    return FIRST[example.text] if kind_of(example) == "console" else example


def commands_of(example: Example) -> list[str]:
    return [line[2:] if line.startswith("$ ") else line for line in example.text.strip().splitlines()]


class Runs:
    """All runs that the chosen tests need, side by side."""

    def __init__(self, place: Place, chosen: list[Example]) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(6)
        ways = {"console": place.consoles, "play": place.plays}
        wanted = {(ways[kind_of(one)], one.document) for one in map(first_of, chosen) if kind_of(one) in ways}
        wanted = {(way, batch_of(name) if way == place.plays else name) for way, name in wanted}
        wanted |= {
            (way, batch_of(example.document))
            for example in chosen
            if kind_of(example) == "output"
            for way in (place.cause, place.plays)
        }
        # Those that take longest begin first.
        order = sorted(wanted, key=lambda pair: (pair[0] != place.consoles, "simulator" not in pair[1], pair[1]))
        self._runs = {(way.__name__, document): self._pool.submit(way, document) for way, document in order}

    def of(self, way: str, document: str) -> Any:
        return self._runs[way, document].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("examples")
    with made_up_internet(folder, {"alibaba": ALIBABA, "tuya": TUYA}) as internet:
        yield Place(folder, internet)


@pytest.fixture(scope="module")
def runs(place, request) -> Iterator[Runs]:
    items = (item for item in request.session.items if item.fspath == request.fspath and hasattr(item, "callspec"))
    running = Runs(place, [item.callspec.params["example"] for item in items if "example" in item.callspec.params])
    yield running
    running.close()


# --- Tests -----------------------------------------------------------------------------------------------------------


def test_examples_are_found():
    found = {
        path for pattern in ("README.md", "docs/docsite/rst/*.rst", "roles/*/README.md") for path in ROOT.glob(pattern)
    }
    marks = sum(len(re.findall(r"^```\w|^\.\. code|^(?!\.\.).*::$", path.read_text(), re.MULTILINE)) for path in found)
    assert len([example for example in examples() if not example.document.startswith("plugins/")]) == marks
    plugins = {path.stem for pattern in PLUGINS for path in ROOT.glob(pattern) if "EXAMPLES" in path.read_text()}
    found_in = {pathlib.Path(example.document) for example in EXAMPLES}
    assert {path.stem for path in found_in if path.parts[0] == "plugins"} == plugins
    assert {"ota_job_info", "rollout_verdict", "rollout_passed"} <= plugins


@pytest.mark.parametrize(("document", "language"), ELSEWHERE)
def test_what_is_run_elsewhere_is_there_and_read_there(document, language):
    assert any(
        (pathlib.Path(example.document).name, example.language) == (document, language) for example in examples()
    )
    name = ELSEWHERE[document, language]
    assert f'"{document}"' in pathlib.Path(__file__).with_name(name).read_text(encoding="utf-8")


def test_it_is_known_how_to_run_each_example():
    assert [str(example) for example in EXAMPLES if kind_of(example) == "unknown"] == []


@pytest.mark.parametrize("example", of_kind("play"))
def test_plays_and_tasks(example, runs):
    run = runs.of("plays", batch_of(example.document))
    if example.document in FAILS:
        assert run.code == 2, run.output
        assert FAILS[example.document] in run.output
    else:
        assert run.code == 0, run.output
    assert KEY["secret"] not in run.output


@pytest.mark.parametrize("example", of_kind("console"))
def test_commands(example, runs):
    first = first_of(example)
    (run,) = (run for one, run in runs.of("consoles", first.document) if one == first)
    assert run.code == 0, run.output
    for command in commands_of(example):
        if command.startswith("make "):
            assert command.split()[1] in TARGETS


@pytest.mark.parametrize("example", of_kind("output"))
def test_output_that_is_shown(example, runs):
    output = runs.of("cause", example.document).output + runs.of("plays", example.document).output
    for line in example.text.strip().splitlines():
        pattern = re.sub(r"\d+", r"\\d+", re.escape(line.strip()).replace("…", ".*"))
        # A busy machine begins its first poll a second late.
        pattern = pattern.replace(r"\d+\ min", r"\d+\ min(?:\ \d+\ s)?")
        assert re.search(pattern, output), f"{line}\n\n{output}"


@pytest.mark.parametrize("example", of_kind("json"))
def test_json(example):
    json.loads(example.text)


@pytest.mark.parametrize("example", of_kind("fragment"))
def test_fragments_of_the_changelog(example):
    assert all(isinstance(entry, str) for entries in example.content.values() for entry in entries)
