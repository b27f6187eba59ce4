# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs of the kit as AWX runs them, by ansible-runner: what is shown live, what is published, and how they end."""

from __future__ import annotations

import base64
import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import ansible_runner
import pytest
import yaml

from .awx_jobs import ARTIFACTS, FAST, Job, answered, environment, node_variables, prepare, read_kit, run_job
from .conftest import ROOT, Simulator, simulator

KEY = {"id": "awx-id", "secret": "canary-secret-+/=", "security_token": "canary-token-+/="}
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "awx.rst").read_text(encoding="utf-8")
PROXY_PASSWORD = "canary-password"
STORE_LOGIN = "awx:canary-store-password"
SECRETS = (KEY["secret"], KEY["security_token"], PROXY_PASSWORD)
WORLD = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0", "dest_version": "2.0.0"}],
    "jobs": [
        {
            "job_id": "good",
            "firmware_id": "f1",
            "tags": {"stage": "canary"},
            "devices": [{"prefix": "g-", "count": 5, "finished_after": 3}],
        },
        {
            "job_id": "bad",
            "firmware_id": "f1",
            "tags": {"stage": "fleet"},
            "created_before": 3600,
            "devices": ["b-1", {"name": "b-2", "course": "fails", "step": -2}],
        },
        {"job_id": "late", "firmware_id": "f1", "devices": [{"name": "l-1", "course": "offline"}]},
        {
            "job_id": "many",
            "firmware_id": "f1",
            "created_before": 3600,
            "devices": [{"prefix": "f-", "count": 1000, "course": "fails", "step": -3}],
        },
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("place"), WORLD) as running:
        yield running


@pytest.fixture
def credential(place) -> dict[str, str]:
    """What a credential of the type Alibaba Cloud OTA makes of the environment."""
    return {
        "OTA_PLATFORM": "alibaba",
        "OTA_ENDPOINT": place.url,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"],
        "ALIBABA_CLOUD_SECURITY_TOKEN": KEY["security_token"],
        "ALIBABA_CLOUD_REGION_ID": "",
        "ALIBABA_CLOUD_IOT_INSTANCE_ID": "",
    }


def gate(job_id: str, **options: Any) -> dict[str, Any]:
    """The extra variables of a gate."""
    given = {f"rollout_gate_{name}": value for name, value in options.items()}
    return {"rollout_gate_job_ids": job_id, **FAST, **given}


# --- While it runs ---------------------------------------------------------------------------------------------------


def test_progress_is_seen_while_the_job_runs(tmp_path, credential):
    """The rollout stands still until somebody has seen an event about it. The guide shows the lines."""
    (shown,) = re.findall(r"code-block:: text\n\n((?:    .*\n)+)", GUIDE)
    number = re.search(r"batch (\d+)", shown).group(1)
    world = {**WORLD, "jobs": [{**WORLD["jobs"][0], "job_id": number, "description": "canary"}]}
    with simulator(tmp_path, world, "--time-scale", "0") as running:
        seen: list[float] = []

        def watch(job: Job) -> bool:
            if job.lines("canary  [..............]  0 %  0/5 done") and not seen:
                seen.append(time.monotonic())
                running.control("clock", {"advance": 60})
            return False

        there = {**credential, "OTA_ENDPOINT": running.url}
        job = run_job(tmp_path / "job", "gate.yml", gate(number), there, cancel=watch)
    assert (job.status, job.code) == ("successful", 0), job.stdout
    for line in shown.splitlines():
        pattern = re.sub(r"\d+", r"\\d+", re.escape(line.strip()))
        assert re.search(pattern, job.stdout), f"{line}\n\n{job.stdout}"
    progress = job.lines("  canary  ")
    assert {event["event"] for _moment, event in progress} == {"verbose"}
    assert "canary  PASSED  100 %  5/5 done" in progress[-1][1]["stdout"]
    ((ended, end),) = [
        (moment, event)
        for moment, event in job.events
        if event["event"] == "runner_on_ok" and event["event_data"]["task_action"] == "iotfleet.ota.ota_rollout_gate"
    ]
    assert progress[0][0] <= seen[0] < ended
    # AWX shows events in the order of their counters.
    assert all(event["counter"] < end["counter"] for _moment, event in progress)
    counters = [event["counter"] for _moment, event in job.events]
    assert counters == sorted(counters)


def test_a_job_that_is_canceled_ends_at_once(tmp_path, credential):
    def cancel(job: Job) -> bool:
        return bool(job.lines("0/1 done"))

    job = run_job(tmp_path, "gate.yml", gate("late", wait_timeout=86400), credential, cancel=cancel)
    assert job.status == "canceled"
    assert job.artifacts == {}


def test_a_job_that_awx_ends_hands_nothing_on(tmp_path, credential):
    job = run_job(tmp_path, "gate.yml", gate("late", wait_timeout=86400), credential, timeout=6)
    assert (job.status, job.artifacts) == ("timeout", {})


# --- How it ends -----------------------------------------------------------------------------------------------------

ENDS = {
    "passed": (gate("good"), "successful", 0, "proved"),
    "failed": (gate("bad"), "failed", 2, "too_many_failures"),
    "timed_out": (gate("late", wait_timeout=3), "failed", 2, "deadline"),
    "pending": (gate("late", wait=False), "successful", 0, "unfinished"),
    "inconclusive": (gate("good"), "failed", 2, "api_error"),
}


@pytest.mark.parametrize("verdict", ENDS)
def test_each_verdict_is_published(tmp_path, credential, verdict):
    variables, status, code, reason = ENDS[verdict]
    if verdict == "inconclusive":
        credential["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = "canary-secret-that-is-wrong"
    job = run_job(tmp_path, "gate.yml", variables, credential, arguments=["-vvvv"])
    assert (job.status, job.code) == (status, code), job.stdout
    assert set(job.artifacts) == ARTIFACTS
    assert job.artifacts["rollout_gate_verdict"] == verdict
    assert job.artifacts["rollout_gate_reasons"][0] == reason
    assert job.artifacts["rollout_gate_final"] == (verdict != "pending")
    (stats,) = [event for _moment, event in job.events if event["event"] == "playbook_on_stats"]
    assert stats["event_data"]["artifact_data"] == job.artifacts
    everything = job.everything(tmp_path)
    assert not [secret for secret in (*SECRETS, "canary-secret-that-is-wrong") if secret in everything]


def test_artifacts_stay_small(tmp_path, credential):
    job = run_job(tmp_path, "gate.yml", gate("many"), credential)
    assert job.artifacts["rollout_gate_counts"]["failed"] == 1000
    assert len(json.dumps(job.artifacts)) < 4000
    assert job.artifacts["rollout_gate_message"].endswith(" The names are in failed_devices.")


def test_a_proxy_is_used_and_its_password_shown_nowhere(tmp_path, credential):
    program = [sys.executable, str(pathlib.Path(__file__).with_name("forward_proxy.py"))]
    options = ["--hostname", "127.0.0.1", "--port", "0", "--num-workers", "1", "--basic-auth", f"awx:{PROXY_PASSWORD}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*program, *options], **pipes) as proxy:
        url = f"http://awx:{PROXY_PASSWORD}@127.0.0.1:{int(proxy.stdout.readline())}"
        by_environment = {**credential, "HTTP_PROXY": url, "HTTPS_PROXY": url}
        good = run_job(tmp_path / "good", "gate.yml", gate("bad"), by_environment, arguments=["-vvvv"])
        assert good.artifacts["rollout_gate_verdict"] == "failed", good.stdout
        proxy.stdin.close()
        proxy.wait()
    by_option = gate("bad", proxy=url, max_consecutive_errors=0)
    cut = run_job(tmp_path / "cut", "gate.yml", by_option, credential, arguments=["-vvvv"])
    assert cut.artifacts["rollout_gate_verdict"] == "inconclusive"
    assert "proxy" in cut.artifacts["rollout_gate_message"]
    for job, name in ((good, "good"), (cut, "cut")):
        assert not [secret for secret in SECRETS if secret in job.everything(tmp_path / name)]


def test_a_job_on_another_node(tmp_path, credential):
    """AWX transmits it to the node that runs it, and processes what comes back."""
    here, there, back = (tmp_path / name for name in ("here", "there", "back"))
    prepare(here, gate("bad"), ["-vvvv"])
    there.mkdir()
    with (tmp_path / "out").open("wb") as out:
        ansible_runner.run(
            streamer="transmit",
            _output=out,
            private_data_dir=str(here),
            playbook="gate.yml",
            inventory="inventory/hosts",
            envvars=environment(credential),
            suppress_env_files=True,
            fact_cache_type="",
        )
    with (tmp_path / "out").open("rb") as out, (tmp_path / "in").open("wb") as answers:
        ansible_runner.run(streamer="worker", _input=out, _output=answers, private_data_dir=str(there))
    job = Job()
    with (tmp_path / "in").open("rb") as answers:
        run = ansible_runner.run(
            streamer="process",
            _input=answers,
            private_data_dir=str(back),
            quiet=True,
            event_handler=lambda event: job.events.append((time.monotonic(), event)),
        )
    assert run.status == "failed"
    assert set(job.artifacts) == ARTIFACTS
    assert job.artifacts["rollout_gate_verdict"] == "failed"
    assert next(event["event"] for _moment, event in job.lines("  FAILED  ")) == "verbose"
    assert not [secret for secret in SECRETS if secret in job.everything(back)]


# --- In a workflow ---------------------------------------------------------------------------------------------------

VERSION = {"rollout_gate_expected_version": "2.0.0"}


def stage(folder: pathlib.Path, name: str, credential: dict[str, str], *published: Any, **answers: Any) -> Job:
    """Run the job of a workflow's node."""
    given = {"rollout_gate_expected_version": "2.0.0", "canary_job_ids": "good", "fleet_min_devices": 2, **answers}
    is_fleet = {"fleet_job_ids", "fleet_product_key"} & set(given)
    survey = read_kit("surveys/fleet.yml" if is_fleet else "surveys/rollout.yml")
    workflow = {**answered(survey, given)}
    return run_job(folder / name, f"{name}.yml", node_variables(FAST, published, workflow), credential)


def test_the_workflow_from_canary_to_fleet(tmp_path, credential):
    devices = "\n".join(f"g-{number}" for number in range(1, 6))
    canary = stage(tmp_path, "canary", credential, canary_devices=devices)
    assert (canary.status, canary.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), canary.stdout
    assert canary.artifacts["canary_verdict"] == "passed"
    assert sorted(path.name for path in (tmp_path / "canary" / "project" / "reports").iterdir()) == [
        "canary.html",
        "canary.json",
        "canary.md",
        "canary.xml",
    ]
    # The verdict of the canary, which AWX gives to later steps of a workflow, does not become the fleet's.
    fleet = stage(
        tmp_path, "fleet", credential, {**canary.artifacts, "started_fleet_job_ids": "bad"}, canary_devices=devices
    )
    assert (fleet.status, fleet.artifacts["rollout_gate_verdict"]) == ("failed", "failed"), fleet.stdout
    assert fleet.artifacts["rollout_gate_message"].startswith("Fleet FAILED after ")
    stopped = stage(tmp_path, "stopped", credential, canary.artifacts, fleet.artifacts)
    assert (stopped.status, stopped.code) == ("failed", 2)
    assert f"The last verdict was {fleet.artifacts['rollout_gate_verdict']}. Fleet FAILED after " in stopped.stdout
    assert {**canary.artifacts, **fleet.artifacts}["canary_message"].startswith("Canary PASSED after ")


def test_the_batch_of_the_canary_is_not_the_fleet(tmp_path, credential):
    """Although its devices are healthy and on the same version."""
    fleet = stage(tmp_path, "fleet", credential, fleet_job_ids="good", fleet_min_devices=6)
    assert (fleet.status, fleet.artifacts["rollout_gate_verdict"]) == ("failed", "failed"), fleet.stdout
    few = ": 5 devices had a task; at least 6 must have one (min_devices). "
    assert few in fleet.artifacts["rollout_gate_message"]


@pytest.mark.parametrize(
    ("name", "answers", "verdict", "message"),
    [
        ("canary", {"tags": "stage=canary"}, "passed", "found batch good "),
        ("fleet", {"tags": "stage=fleet"}, "failed", "found batch bad "),
        # The time of the approval, to which the batch of the canary is too old.
        ("fleet", {"created_after": "2999-01-01T00:00:00Z"}, "inconclusive", "no batch fits; "),
        # Neither a tag nor a time says which of them.
        ("fleet", {}, "inconclusive", "4 batches fit: "),
    ],
)
def test_batches_that_are_found(tmp_path, credential, name, answers, verdict, message):
    given = {f"{name}_{question}": answer for question, answer in answers.items()}
    given[f"{name}_product_key"] = "k1"
    job = stage(tmp_path, name, credential, canary_job_ids="", **given)
    assert job.artifacts["rollout_gate_verdict"] == verdict, job.stdout
    assert message in job.stdout


def test_the_id_of_a_batch_wins_over_what_finds_one(tmp_path, credential):
    found = {"fleet_product_key": "k1", "fleet_tags": "stage=fleet", "fleet_created_after": "2026-01-01T00:00:00Z"}
    fleet = stage(tmp_path, "fleet", credential, fleet_job_ids="good", **found)
    assert (fleet.status, fleet.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), fleet.stdout
    started = stage(tmp_path / "started", "fleet", credential, {"started_fleet_job_ids": "bad"}, **found)
    assert (started.status, started.artifacts["rollout_gate_verdict"]) == ("failed", "failed"), started.stdout


@pytest.mark.parametrize(
    ("name", "answers", "template"),
    [
        ("gate", {"rollout_gate_job_ids": "late", "rollout_gate_cancel_on": "failed, timed_out"}, {}),
        ("fleet", {**VERSION, "fleet_job_ids": "late", "fleet_min_devices": 1}, {"ota_cancel_on": ["timed_out"]}),
        ("canary", {**VERSION, "canary_job_ids": "late", "fleet_min_devices": 1}, {"ota_cancel_on": ["timed_out"]}),
    ],
)
def test_what_a_gate_blocks_is_stopped_if_awx_says_so(tmp_path, credential, name, answers, template):
    """By the answer of whoever launches the gate, or by a variable of the job template."""
    with simulator(tmp_path, WORLD) as running:
        there = {**credential, "OTA_ENDPOINT": running.url}
        survey = answered(read_kit(f"surveys/{'rollout' if name == 'canary' else name}.yml"), answers)
        variables = {**template, **FAST, **survey, "rollout_gate_wait_timeout": 2}
        job = run_job(tmp_path / "job", f"{name}.yml", variables, there)
        assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("failed", "timed_out"), job.stdout
        numbers = {"to_cancel": 1, "canceled": 1, "remaining": 0, "too_late": 0}
        assert job.artifacts["rollout_gate_canceled"] == {"ok": True, **numbers}
        assert "Canceled 1 task of 1 batch." in job.stdout


class Store(http.server.BaseHTTPRequestHandler):
    """Takes files by PUT from whoever has the password."""

    files: ClassVar[dict[str, bytes]]

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        knows = self.headers.get("Authorization") == f"Basic {base64.b64encode(STORE_LOGIN.encode()).decode()}"
        if knows:
            self.files[self.path] = content
        self.send_response(201 if knows else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("password", [STORE_LOGIN.split(":")[1], "canary-store-of-another"])
def test_reports_are_uploaded_whatever_the_verdict_is(tmp_path, credential, password):
    """And a store that refuses them changes no verdict."""
    handler = type("BoundStore", (Store,), {"files": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = {"OTA_REPORTS_USERNAME": "awx", "OTA_REPORTS_PASSWORD": password}
        store["OTA_REPORTS_URL"] = f"http://127.0.0.1:{server.server_address[1]}/reports/"
        variables = {**gate("bad", report_dir="reports"), "awx_job_id": 7}
        job = run_job(tmp_path, "gate.yml", variables, {**credential, **store}, arguments=["-vvvv"])
        server.shutdown()
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("failed", "failed"), job.stdout
    paths = [f"/reports/7/rollout-gate.{suffix}" for suffix in ("html", "json", "md", "xml")]
    if password in STORE_LOGIN:
        assert sorted(handler.files) == paths
        assert json.loads(handler.files[paths[1]])["verdict"] == "failed"
        assert [url.removeprefix(store["OTA_REPORTS_URL"]) for url in sorted(job.artifacts["ota_report_urls"])] == [
            path.removeprefix("/reports/") for path in paths
        ]
    else:
        assert (handler.files, "ota_report_urls" in job.artifacts) == ({}, False)
        assert "The reports were not uploaded: " in job.stdout
    assert not [secret for secret in (*SECRETS, password) if secret in job.everything(tmp_path)]


def test_batches_from_a_step_that_starts_the_fleet(tmp_path, credential):
    fleet = stage(tmp_path, "fleet", credential, {"started_fleet_job_ids": "good"})
    assert (fleet.status, fleet.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), fleet.stdout
    assert fleet.artifacts["rollout_gate_counts"]["total"] == 5


def test_no_batch_of_the_fleet_is_no_verdict_of_the_canary(tmp_path, credential):
    before = {
        "rollout_gate_verdict": "passed",
        "rollout_gate_final": True,
        "rollout_gate_message": "batch good: passed",
    }
    fleet = stage(tmp_path, "fleet", credential, before)
    assert (fleet.status, fleet.artifacts["rollout_gate_verdict"]) == ("failed", "inconclusive")
    assert fleet.artifacts["rollout_gate_reasons"] == ["not_judged"]


def test_a_workflow_that_is_stopped_without_a_verdict(tmp_path, credential):
    stopped = stage(tmp_path, "stopped", credential)
    assert (stopped.status, stopped.artifacts) == ("failed", {})
    assert "The last verdict was none. No gate has finished." in stopped.stdout


def test_an_answer_that_looks_like_a_number_is_one(tmp_path, credential):
    """What AWX marks as unsafe, ansible-core from 2.19 on takes for a number. The playbook can name such a version."""
    world = json.loads(json.dumps(WORLD).replace('"2.0.0"', '"2.10"'))
    with simulator(tmp_path, world) as running:
        there = {**credential, "OTA_ENDPOINT": running.url}
        answer = run_job(tmp_path / "answer", "gate.yml", gate("good", expected_version="2.10"), there)
        (tmp_path / "project").mkdir()
        (play,) = read_kit("project/gate.yml")
        named = [{**play, "vars": {"rollout_gate_expected_version": "2.10"}}]
        (tmp_path / "project" / "gate.yml").write_text(yaml.safe_dump(named))
        job = run_job(tmp_path / "named", "gate.yml", gate("good"), there, project=tmp_path / "project")
    assert (answer.status, answer.artifacts["rollout_gate_verdict"]) == ("failed", "inconclusive"), answer.stdout
    refusal = "rollout_gate_expected_version is the number 2.1, and YAML may have changed what was written;"
    assert answer.artifacts["rollout_gate_message"] == f"{refusal} write it in quotes."
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), job.stdout


def test_artifacts_of_an_earlier_gate_change_no_verdict(tmp_path, credential):
    """AWX makes extra variables of it, which win over everything."""
    before = dict.fromkeys(ARTIFACTS, "from an earlier gate")
    job = run_job(tmp_path, "gate.yml", {**gate("bad"), **before}, credential)
    assert job.artifacts["rollout_gate_verdict"] == "failed"
    assert job.artifacts["rollout_gate_counts"]["failed"] == 1
    assert set(job.artifacts) == ARTIFACTS
    assert "from an earlier gate" not in json.dumps(job.artifacts)


def variables_read(*paths: str) -> set[str]:
    """All variables with the prefix of a role that files name, except those that they publish."""
    text = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths)
    return set(re.findall(r"\brollout_(?:gate|preflight)_\w+", re.sub(r"'?\brollout_\w+'?:", "", text)))


def test_artifacts_are_never_read():
    """By either role, the playbook or the credential, whatever AWX puts between two gates."""
    roles = ("rollout_gate", "rollout_preflight")
    places = ("rollout_gate/vars/main/outcome.yml", "rollout_preflight/tasks/main.yml")
    texts = [(ROOT / "roles" / place).read_text(encoding="utf-8") for place in places]
    named = {name for text in texts for name in re.findall(r"'(rollout_\w+)':", text)}
    assert named >= ARTIFACTS
    published = ARTIFACTS | {name for name in named if name.startswith("rollout_preflight_")}
    read = {path for role in roles for kind in ("tasks", "defaults", "vars", "meta") for path in files(role, kind)}
    playbooks = ["playbooks/rollout_gate.yml", *(f"docs/examples/awx/project/{name}.yml" for name in ("gate", "fleet"))]
    assert not published & variables_read(*read, *playbooks)
    specs = [yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()) for role in roles]
    assert not published & {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}


def files(role: str, kind: str) -> list[str]:
    folder = ROOT / "roles" / role / kind
    return [str(path.relative_to(ROOT)) for path in folder.rglob("*.yml")]


# --- Polling once ----------------------------------------------------------------------------------------------------


def test_scheduled_polls_resume_from_a_folder_that_outlives_the_job(tmp_path, credential):
    (block,) = re.findall(r"^\.\. code-block:: yaml\n\n((?:    .*\n)+)", GUIDE, re.MULTILINE)
    shown = yaml.safe_load(block.replace("/var/lib/ota", str(tmp_path / "exposed")))
    once = {**gate("bad", confirmations=2, formats="json"), **shown}
    first = run_job(tmp_path / "first", "gate.yml", once, credential)
    assert (first.status, first.artifacts["rollout_gate_verdict"]) == ("successful", "pending")
    assert first.artifacts["rollout_gate_final"] is False
    second = run_job(tmp_path / "second", "gate.yml", once, credential)
    assert (second.status, second.artifacts["rollout_gate_verdict"]) == ("failed", "failed")
