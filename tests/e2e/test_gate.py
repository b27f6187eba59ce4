# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate as people run it: by ansible-playbook and ansible-runner, against the simulator."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ansible_runner
import jsonschema
import pytest
import yaml

from .conftest import ROOT, Simulator, run_play, simulator

GATE = "iotfleet.ota.ota_rollout_gate"
SCHEMA = ROOT / "docs" / "docsite" / "extra" / "rollout-event.schema.json"
EVENT = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
KEY = {"access_key_id": "gate-id", "access_key_secret": "canary-secret-+/=", "security_token": "canary-token"}
ODD = ["客厅", "*", "d 3", "{ 7 * 7 }}"]
WORLD = {
    "access_keys": [{"id": "gate-id", "secret": KEY["access_key_secret"], "security_token": "canary-token"}],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0"}],
    "jobs": [
        {
            "job_id": "good",
            "firmware_id": "f1",
            "devices": [{"name": name, "finished_after": 3, "jitter": 0} for name in ODD],
        },
        {"job_id": "bad", "firmware_id": "f1", "devices": ["d-1", {"name": "d-2", "course": "fails", "step": -3}]},
        {"job_id": "late", "firmware_id": "f1", "devices": [{"name": "d-5", "course": "offline"}]},
        {"job_id": "empty", "firmware_id": "f1", "devices": []},
        {"job_id": "fleet", "firmware_id": "f1", "devices": [{"prefix": "f-", "count": 1000, "finished_after": 0.3}]},
    ],
}


@pytest.fixture(scope="module")
def place(folder) -> Iterator[Simulator]:
    """A simulator for all tests; nothing in it is at rest."""
    (folder / "gate").mkdir()
    with simulator(folder / "gate", WORLD, "--qps", "0") as running:
        yield running


def gates(folder: pathlib.Path, place: Simulator, each: Sequence[Mapping[str, Any]], *arguments: str) -> Any:
    """Run the gate with each of these options in one play; the run and the results."""
    tasks = [{GATE: {"wait_interval": 1, **options}, "register": f"gate_{n}"} for n, options in enumerate(each)]
    defaults = {"endpoint": place.url, **{name: f"{{{{ key_{name} }}}}" for name in KEY}}
    # By variables, because Ansible quotes the lines around a task that fails.
    variables = {f"key_{name}": value for name, value in KEY.items()}
    run = run_play(folder, tasks, *arguments, defaults=defaults, variables=variables)
    assert "canary" not in run.output
    assert "Traceback" not in run.output
    return run, [run.results[task["register"]] for task in tasks]


def gate(folder: pathlib.Path, place: Simulator, options: Mapping[str, Any], *arguments: str) -> Any:
    """Run the gate once; the run and its result."""
    run, (result,) = gates(folder, place, [options], *arguments)
    return run, result


def test_a_rollout_with_odd_names_passes(folder, place):
    _run, result = gate(folder, place, {"job_id": "good", "min_devices": 4}, "-vvvv")
    assert (result["verdict"], result["counts"]["verified"]) == ("passed", 4)
    assert sorted(device["device_name"] for device in result["devices"]) == sorted(ODD)
    assert result["msg"].endswith("4 of 4 devices succeeded and reported the new version.")


def test_anything_else_fails_the_task_with_its_reason(folder, place):
    cases = [
        ({"job_id": "bad"}, "failed", "Failed: d-2 (verify)."),
        ({"job_id": "late", "wait_timeout": 10}, "timed_out", "Unfinished: d-5 (offline)."),
        ({"job_id": "empty", "start_grace": 1}, "inconclusive", "there is no task, so there is nothing to judge"),
        ({"job_id": "nobody", "start_grace": 1}, "inconclusive", "the service does not know batch nobody"),
        ({"job_id": "good", "expected_version": "3.0"}, "failed", 'has the dest_version "2.0"; expected "3.0"'),
    ]
    each = [{**options, "mode": mode} for options, _verdict, _word in cases for mode in ("enforce", "report")]
    _run, results = gates(folder, place, each)
    for (_options, verdict, word), enforced, reported in zip(cases, results[::2], results[1::2]):
        assert (enforced["verdict"], enforced["failed"]) == (verdict, True)
        assert (reported["verdict"], reported.get("failed", False)) == (verdict, False)
        assert word in enforced["msg"]
        assert "\n" not in enforced["msg"]


def test_a_single_poll_that_is_not_settled_fails_nothing(folder, place):
    result = gate(folder, place, {"job_id": "late", "wait": False})[1]
    assert (result["verdict"], result.get("failed", False)) == ("pending", False)


def test_a_thousand_devices_are_proved(folder, place):
    result = gate(folder, place, {"job_id": "fleet", "min_devices": 1000, "max_qps": 0})[1]
    assert (result["verdict"], result["counts"]["verified"]) == ("passed", 1000)


def test_the_keyword_environment_counts_also_in_check_mode(folder, place):
    task = {
        GATE: {"job_id": "late", "wait": False},
        "environment": {
            "OTA_ENDPOINT": place.url,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "gate-id",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["access_key_secret"],
            "ALIBABA_CLOUD_SECURITY_TOKEN": "canary-token",
        },
        "check_mode": True,
        "register": "gate",
    }
    run = run_play(folder, [task])
    assert run.results["gate"]["verdict"] == "pending"


def test_events_in_a_file_are_what_the_schema_says(folder, place, tmp_path):
    path = tmp_path / "events.jsonl"
    each = [
        {"job_id": "bad", "title": "客厅"},
        {"job_id": "late", "wait_timeout": 5},
        {"job_ids": ["good", "nobody"], "start_grace": 1},
    ]
    for options in each:
        result = gate(folder, place, {**options, "events_file": str(path)})[1]
        events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for event in events:
            EVENT.validate(event)
        assert {event["type"] for event in events} == {"batch", "verdict"}
        last = {name: events[-1][name] for name in ("verdict", "msg", "title", "limits", "reasons")}
        assert last == {name: result[name] for name in last}
    with pytest.raises(jsonschema.ValidationError):
        EVENT.validate({**events[-1], "limits": [{"name": "max_failures"}]})


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


def test_no_line_is_longer_than_a_terminal(folder, place):
    run = gate(folder, place, {"job_ids": ["good", "bad", "late", "fleet"], "title": "客厅" * 40, "wait_timeout": 5})[0]
    lines = [line for line in run.output.splitlines() if re.match(r"\d\d:\d\d:\d\d  | {10}\S", line)]
    assert len(lines) > 5
    assert max(map(columns, lines)) <= 100


def test_invalid_options_are_reported(folder, place):
    cases = [
        ({}, "neither job_ids nor find is given; name the batches, or say which to find"),
        ({"job_ids": []}, "job_ids is empty"),
        ({"job_ids": ["1", " "]}, "entry 2 of job_ids is blank"),
        ({"job_id": 183415776190000002}, "job_id is the number 183415776190000002, and YAML may have changed"),
        ({"job_id": "1", "expected_version": 2.10}, "expected_version is the number 2.1, and YAML may have changed"),
        ({"job_id": "1", "max_failed": "some"}, "max_failed"),
        ({"job_id": "1", "max_failed_percent": 101}, "max_failed_percent is 101.0; it must be between 0 and 100"),
        ({"job_id": "1", "wait_timeout": 0}, "wait_timeout is 0.0; it must be between 1 and"),
        ({"job_id": "1", "wait_interval": 0}, "wait_interval is 0.0; it must be between 0.5 and"),
        ({"job_id": "1", "expected_devices": []}, "expected_devices is empty"),
        ({"job_id": "1", "expected_devices": ["d"], "min_devices": 1}, "min_devices is given together with"),
        ({"job_id": "1", "previous": {"some": "thing"}}, "previous is not the result of an earlier run of this gate"),
        ({"job_id": "1", "mode": "maybe"}, "value of mode must be one of: enforce, report, got: maybe"),
        ({"job_id": "1", "jobid": "2"}, "jobid"),
        ({"job_id": "1", "platform": "tuya", "endpoint": ""}, "platform tuya has no endpoint of its own"),
    ]
    _run, results = gates(folder, place, [options for options, _message in cases], "-vvvv")
    for result, (_options, message) in zip(results, cases):
        assert result["failed"]
        assert message in result["msg"]
        assert "\n" not in result["msg"]
        assert "verdict" not in result
        assert result["failure"]["hint"]


def test_a_wrong_key_ends_it_at_once(folder, place):
    place.control("stats", {"reset": True})
    result = gate(folder, place, {"job_id": "good", "access_key_secret": "canary-wrong"}, "-vvvv")[1]
    assert (result["verdict"], result["failure"]["code"]) == ("inconclusive", "SignatureDoesNotMatch")
    assert place.stats()["requests"] == {"QueryOTAJob": 1}


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_whatever_the_network_does_it_ends_by_its_deadline(folder, place, fault):
    """A request alone would have a day."""
    place.control("faults", {"faults": [{"fault": fault}]})
    try:
        result = gate(folder, place, {"job_id": "good", "wait_timeout": 4, "timeout": 86400}, "-vvvv")[1]
    finally:
        place.control("faults", {"faults": []})
    assert result["verdict"] in ("timed_out", "inconclusive")


def test_a_network_cut_while_it_waits_is_survived_or_reported(folder, place, tmp_path):
    with simulator(tmp_path, WORLD) as dying:
        with playbook(
            tmp_path, dying, {"job_id": "late", "wait_timeout": 20, "retries": 0, "max_consecutive_errors": 99}
        ) as process:
            lines = iter(process.stdout.readline, "")
            next(line for line in lines if "waiting: 1 queued" in line)
            dying.control("stop", {})
            output = "".join(lines)
        assert process.wait() == 2
    assert "refused the connection" in output
    assert "none may be (max_pending)" in output
    assert "Traceback" not in output


# --- Live -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def playbook(
    folder: pathlib.Path, place: Simulator, options: Mapping[str, Any], inherited: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A running ansible-playbook with the gate, in a process group of its own; workers keep ``inherited`` open."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{GATE: {"endpoint": place.url, "wait_interval": 1, **KEY, **options}}],
    }
    (folder / "live.yml").write_text(yaml.safe_dump([play]))
    command = ["ansible-playbook", "-i", "localhost,", "live.yml"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    pipes["pass_fds"] = [inherited] if inherited else []
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_lines_come_as_things_happen(tmp_path):
    """The rollout stands still until a line that tells of it has been read."""
    options = {"job_id": "good", "min_devices": 4}
    with (
        simulator(tmp_path, WORLD, "--time-scale", "0") as still,
        playbook(tmp_path, still, options) as process,
    ):
        lines = iter(process.stdout.readline, "")
        next(line for line in lines if "0/4 done" in line)
        still.control("clock", {"advance": 60})
        output = "".join(lines)
        assert process.wait() == 0
    assert "PASSED  100 %  4/4 done" in output


def test_ctrl_c_ends_it_at_once(place, tmp_path):
    """It hangs in a request, which would have a day."""
    place.control("stats", {"reset": True})
    place.control("faults", {"faults": [{"fault": "hang", "skip": 4}]})
    try:
        with playbook(tmp_path, place, {"job_id": "late", "wait_timeout": 86400, "timeout": 86400}) as process:
            next(line for line in process.stdout if "waiting: 1 " in line)
            while "hang" not in place.stats()["faults"]:
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
            output = process.stdout.read()
            assert process.wait() != 0
    finally:
        place.control("faults", {"faults": []})
    assert "Traceback" not in output
    assert "canary" not in output


def test_nothing_more_is_requested_once_ansible_is_killed(tmp_path):
    """The gate's own process survives that, because it has a session of its own."""
    reader, writer = os.pipe()
    options = {"job_id": "late", "wait_timeout": 60, "wait_interval": 0.5}
    with simulator(tmp_path, WORLD) as still, os.fdopen(reader) as left:
        with playbook(tmp_path, still, options, writer) as process:
            os.close(writer)
            next(line for line in process.stdout if "waiting: 1 " in line)
            process.kill()
            process.wait()
            polls = still.stats()["requests"]["QueryOTAJob"]
            assert left.read() == ""  # which comes when all processes have ended
        assert still.stats()["requests"]["QueryOTAJob"] <= polls + 1


def test_lines_are_live_events_of_ansible_runner(tmp_path):
    """The rollout stands still until an event tells of it."""
    project = tmp_path / "project"
    project.mkdir()
    events = []
    with simulator(tmp_path, WORLD, "--time-scale", "0") as still:
        options = {"endpoint": still.url, "wait_interval": 1, "job_id": "bad", "min_devices": 2, **KEY}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{GATE: options}]}
        (project / "gate.yml").write_text(yaml.safe_dump([play]))

        def handle(event):
            events.append(event)
            if event["event"] == "verbose" and "0/2 done" in event["stdout"]:
                still.control("clock", {"set": 600})
            return True

        run = ansible_runner.run(
            private_data_dir=str(tmp_path),
            playbook="gate.yml",
            inventory="localhost,",
            envvars={name: os.environ[name] for name in ("ANSIBLE_COLLECTIONS_PATH", "PATH")},
            quiet=True,
            event_handler=handle,
        )
    assert (run.status, run.rc) == ("failed", 2)
    result = next(event for event in events if event["event"] == "runner_on_failed")["event_data"]["res"]
    assert result["verdict"] == "failed"
    assert "canary" not in json.dumps(events)


def test_a_missing_library_is_reported(folder, place, tmp_path, monkeypatch):
    (tmp_path / "requests.py").write_text("raise ImportError\n")
    task = {GATE: {"endpoint": place.url, **KEY, "job_id": "late"}, "register": "gate"}
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = run_play(folder, [task]).results["gate"]
    assert result["msg"].startswith("Failed to import the required Python library (requests)")
