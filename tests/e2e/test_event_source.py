# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source as people run it: by ansible-rulebook, from the installed collection, against the simulator.

ansible-rulebook needs Java. Without it, the source is called as ansible-rulebook does, and no rulebook runs; that is a
failure in CI.
"""

from __future__ import annotations

import ast
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pytest
import yaml

from ..unit.hostile import harmful
from .conftest import ROOT, Simulator, execute, needs, simulator
from .hostile_service import hostile_service, hostile_text, refusing_service

SECRET, TOKEN = "canary-secret-+/=", "canary-token"
WORLD = {
    "access_keys": [{"id": "source-id", "secret": SECRET, "security_token": TOKEN}],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.9", "dest_version": "1.10"}],
    "jobs": [
        {"job_id": "183415776190000002", "firmware_id": "f1", "devices": [{"prefix": "d-", "count": 3}]},
        {
            "job_id": "183415776190000003",
            "firmware_id": "f1",
            "devices": ["e-1", {"name": "e-2", "course": "fails", "step": -2}],
        },
    ],
}
GOOD, BAD = "183415776190000002", "183415776190000003"
FAST = {"wait_interval": 0.5, "wait_timeout": 60, "start_grace": 1}
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "events.rst").read_text(encoding="utf-8")

# What ansible-rulebook does with a source.
CALL = """
import asyncio, json, runpy, sys

class Queue:
    async def put(self, event):
        print(json.dumps(event), flush=True)

asyncio.run(runpy.run_path(sys.argv[1])["main"](Queue(), json.loads(sys.argv[2])))
"""


@pytest.fixture(scope="module")
def place(folder) -> Iterator[Simulator]:
    (folder / "source").mkdir()
    with simulator(folder / "source", WORLD, "--time-scale", "10") as running:
        yield running


@pytest.fixture(scope="module")
def canary(folder) -> pathlib.Path:
    """A file that only a text of the service would make, if it ran as a template."""
    return folder / "canary"


@pytest.fixture(scope="module")
def hostile(folder, canary) -> Iterator[dict[str, Simulator]]:
    """Services that write a template wherever they can: one with a rollout, and one that refuses all requests."""
    (folder / "behind").mkdir()
    text = hostile_text(canary)
    with (
        hostile_service(folder / "behind", WORLD, text, "--time-scale", "10", names=True) as url,
        refusing_service(text) as refusing,
    ):
        yield {"hostile": Simulator(url), "refusing": Simulator(refusing)}


def environment(place: Simulator, **settings: str) -> dict[str, str]:
    """The environment of a run, with the access key."""
    unwanted = ("ALIBABA_", "ALICLOUD_", "OTA_", "EDA_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    key = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "source-id",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
        "ALIBABA_CLOUD_SECURITY_TOKEN": TOKEN,
    }
    # What Python finds by itself must not be what the source is found by.
    own.pop("PYTHONPATH", None)
    return {**own, **key, "OTA_ENDPOINT": place.url, **settings}


@lru_cache
def installed() -> pathlib.Path:
    """The source's file in the installed collection."""
    listed = subprocess.run(
        ["ansible-galaxy", "collection", "list", "iotfleet.ota", "--format", "json"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    root = next(iter(json.loads(listed.stdout)))
    source = pathlib.Path(root, "iotfleet", "ota", "extensions", "eda", "plugins", "event_source", "ota_rollout.py")
    assert source.exists()
    return source


def call(folder: pathlib.Path, place: Simulator, args: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Call the source as ansible-rulebook does."""
    command = [sys.executable, "-c", CALL, str(installed()), json.dumps(args)]
    return execute(command, cwd=folder, env=environment(place))


def gist(events: list[dict[str, Any]]) -> list[Any]:
    """What makes an event another one than that before it."""
    passing = ("seconds", "time", "meta", "msg", "previous")
    return [{name: value for name, value in event.items() if name not in passing} for event in events]


def check_course(events: list[dict[str, Any]], verdict: str) -> None:
    """Check that events came in order, none of them twice, and the last one last."""
    assert [event["type"] for event in events[:2]] == ["batch", "verdict"]
    assert [event["seconds"] for event in events] == sorted(event["seconds"] for event in events)
    for kind in ("batch", "verdict"):
        of_kind = gist([event for event in events if event["type"] == kind])
        assert all(one != another for one, another in zip(of_kind, of_kind[1:]))
    assert [event["final"] for event in events if event["type"] == "verdict"][:-1].count(True) == 0
    assert (events[-1]["verdict"], events[-1]["final"]) == (verdict, True)


@pytest.mark.parametrize(("job_id", "verdict"), [(GOOD, "passed"), (BAD, "failed")])
def test_the_installed_source_emits_its_events_and_ends(folder, place, job_id, verdict):
    done = call(folder, place, {"job_id": job_id, **FAST})
    assert done.returncode == 0, done.stdout
    assert "canary" not in done.stdout
    check_course([json.loads(line) for line in done.stdout.splitlines()], verdict)


def test_the_installed_source_reports_an_invalid_option(folder, place):
    done = call(folder, place, {"job_id": GOOD, "max_failed": "much"})
    assert done.returncode == 1
    assert done.stdout.endswith("SourceError: No request was sent: max_failed is much; give a number.\n")


# --- Rulebooks --------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """A run of ansible-rulebook: its exit code, all its output, and the events that playbooks found, by their names."""

    code: int
    output: str
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


WRITE_DOWN = {
    "name": "Write it down",
    "ansible.builtin.copy": {
        "content": "{{ ansible_eda.event | to_json }}",
        "dest": "FOLDER/NAME.{{ ansible_eda.event.verdict }}.json",
        "mode": "0600",
    },
}


def run_rulebook(
    folder: pathlib.Path, place: Simulator, rulebook: str, variables: Mapping[str, Any], *options: str, **settings: str
) -> Run:
    """Run ansible-rulebook in a new folder, with an inventory, variables, and the guide's playbook in two copies, which
    write their event down, too.
    """
    folder.mkdir()
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": local}}}))
    (folder / "variables.yml").write_text(yaml.safe_dump(dict(variables)))
    names = ("release_fleet", "notify")
    ((playbook,), *_others) = examples()
    for name in names:
        tasks = [*playbook["tasks"], json.loads(json.dumps(WRITE_DOWN).replace("FOLDER/NAME", f"{folder}/{name}"))]
        (folder / f"{name}.yml").write_text(yaml.safe_dump([{**playbook, "tasks": tasks}]))
    (shown,) = re.findall(r"\$ (ansible-rulebook .+)", GUIDE)
    done = execute(
        [*shlex.split(shown.replace("iotfleet.ota.rollout", rulebook)), *options],
        cwd=folder,
        env=environment(place, **settings),
    )
    found = {name: [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}.*.json"))] for name in names}
    return Run(done.returncode, done.stdout, found)


def received(run: Run) -> list[dict[str, Any]]:
    """The events that ansible-rulebook shows."""
    return [ast.literal_eval(shown) for shown in re.findall(r"^Event:\n(\{.*?\})\n\*{9}", run.output, re.M | re.S)]


def examples(lexer: str = "yaml+jinja") -> list[Any]:
    """What the guide shows in YAML."""
    blocks = re.findall(rf"^\.\. code-block:: {re.escape(lexer)}\n\n((?:    .*\n|\n)+)", GUIDE, re.M)
    return [yaml.safe_load(re.sub("^    ", "", block, flags=re.M)) for block in blocks]


@pytest.fixture(scope="module")
def runs(folder, place, hostile) -> dict[str, Run]:
    """The runs of all rulebooks, two at a time."""
    needs(shutil.which("java"), "ansible-rulebook needs Java")
    (variables,) = examples("yaml")
    assert variables["ota_jobs"] == [GOOD]
    variables.update(ota_expected_version="1.10", ota_min_devices=3, ota_wait_interval=0.5)
    (continents,) = examples()[1]
    for source in continents["sources"]:
        source["iotfleet.ota.ota_rollout"].update(FAST)
    (folder / "continents.yml").write_text(yaml.safe_dump([continents]))
    both = {"ota_europe_jobs": [GOOD], "ota_asia_jobs": [BAD]}
    wrong = {"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "canary-wrong"}
    shipped = "iotfleet.ota.rollout"
    soon = {**variables, "ota_jobs": [BAD], "ota_wait_timeout": 5}
    with ThreadPoolExecutor(2) as pool:
        begun = {
            name: pool.submit(run_rulebook, folder / name, hostile.get(name, place), *arguments, **settings)
            for name, arguments, settings in (
                ("continents", (str(folder / "continents.yml"), both, "--print-events"), {}),
                ("shipped", (shipped, variables, "-vv"), {}),
                ("wrong key", (shipped, variables, "-vv"), wrong),
                ("wrong option", (shipped, {**variables, "ota_jobs": []}), {}),
                ("hostile", (shipped, soon, "-vv"), {}),
                ("refusing", (shipped, soon, "-vv"), {}),
            )
        }
    return {name: run.result() for name, run in begun.items()}


def test_a_rollout_that_passes_runs_the_playbook_for_it(runs):
    run = runs["shipped"]
    assert run.code == 0, run.output
    check_course(received(run), "passed")
    (event,) = run.found["release_fleet"]
    assert event == received(run)[-1]
    assert event["meta"]["source"] == {"name": "rollout", "type": "iotfleet.ota.ota_rollout"}
    assert run.found["notify"] == []
    assert f'"msg": "{event["msg"]}"' in run.output
    assert "canary" not in run.output


def test_several_rollouts_are_kept_apart_and_the_last_one_ends_the_run(runs):
    run = runs["continents"]
    assert run.code == 0, run.output
    for source, verdict in (("europe", "passed"), ("asia", "failed")):
        check_course([event for event in received(run) if event["meta"]["source"]["name"] == source], verdict)
    assert [(event["verdict"], event["job_ids"]) for event in run.found["notify"]] == [
        ("failed", [BAD]),
        ("passed", [GOOD]),
    ]
    assert "Failed: e-2 (download)." in run.found["notify"][0]["msg"]


def test_a_wrong_key_is_an_event_with_one_message(runs):
    run = runs["wrong key"]
    assert run.code == 0, run.output
    (event,) = run.found["notify"]
    assert (event["verdict"], event["failure"]["code"]) == ("inconclusive", "SignatureDoesNotMatch")
    assert re.match(r"batch \d+ INCONCLUSIVE after 0 s: QueryOTAJob failed: ", event["msg"])
    assert "canary" not in run.output
    assert "Traceback" not in run.output


def test_a_wrong_option_ends_ansible_rulebook_with_one_message(runs):
    run = runs["wrong option"]
    assert run.code == 1
    assert (
        "SourceError: Source plugin failed with error message: 'No request was sent: job_ids is empty; " in run.output
    )
    assert "Traceback" not in run.output
    assert run.found == {"release_fleet": [], "notify": []}


@pytest.mark.parametrize("name", ["hostile", "refusing"])
def test_no_text_of_a_service_runs_as_a_template(runs, canary, name):
    run = runs[name]
    assert run.code == 0, run.output
    (event,) = run.found["notify"]
    assert event == received(run)[-1]
    assert "lookup" in event["msg"]
    assert (event["failure"] is None) == (name == "hostile"), event
    assert harmful(received(run)) == []
    assert not re.search(r"\x1b\[2J|[\x9b\u202e]", run.output)
    assert not canary.exists()


def test_the_rule_with_a_job_template_is_one():
    from ansible_rulebook.rules_parser import parse_rule_sets
    from ansible_rulebook.validators import Validate

    (rule,) = examples()[2]
    ruleset = {"name": "fleet", "hosts": "localhost", "sources": examples()[1][0]["sources"], "rules": [rule]}
    Validate.rulebook([ruleset])
    (parsed,) = parse_rule_sets([ruleset], {})
    assert parsed.rules[0].actions[0].action == "run_job_template"
