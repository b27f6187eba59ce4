# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for several accounts: four services, a gate for each, and one merged report.

The gates run as forks of one run, or as four jobs of ansible-runner, each with its share of the inventory as AWX's job
slicing makes them, and a last one that merges.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from .awx_jobs import FAST, Job, run_job
from .conftest import ROOT, simulator

EXAMPLE = ROOT / "docs" / "examples" / "accounts"
INVENTORY = yaml.safe_load((EXAMPLE / "inventory.yml").read_text(encoding="utf-8"))["ota_accounts"]
HOSTS = tuple(INVENTORY["hosts"])
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "accounts.rst").read_text(encoding="utf-8")
NOWHERE = "http://127.0.0.1:1"
PAST = {"created_before": 86400}
AWAY = {"name": "away", "course": "offline"}
NUMBERS = ("total", "succeeded", "failed", "pending")


def key_of(host: str) -> dict[str, str]:
    return {"id": f"{host}-id", "secret": f"canary-secret-{host}"}


def scenario_of(host: str) -> dict[str, Any]:
    """A service that knows one key: the batches of the host succeed, and the batch ``bad`` has a device that fails and
    one that stays in the queue.
    """
    names = [f"{host}-{number}" for number in range(1, 4)]
    jobs = [
        {"job_id": job_id, "firmware_id": "f1", "devices": [f"{name}-{number}" for name in names], **PAST}
        for number, job_id in enumerate(INVENTORY["hosts"][host]["ota_job_ids"])
    ]
    bad = [*names, {"name": "{{ 7 * 7 }} | *b*", "course": "fails", "step": -2}, AWAY]
    facts = INVENTORY["hosts"][host]
    return {
        "dialect": facts.get("ota_platform", "alibaba"),
        "access_keys": [key_of(host)],
        "firmwares": [{"firmware_id": "f1", "product_key": "k1", "src_version": "1.0.0", "dest_version": "2.0.0"}],
        "jobs": [*jobs, {"job_id": "bad", "firmware_id": "f1", "devices": bad, **PAST}],
        **({"instance_id": facts["ota_iot_instance_id"]} if "ota_iot_instance_id" in facts else {}),
    }


class Accounts:
    """The services of all hosts, and the keys for them where the example looks for them."""

    def __init__(self, folder: pathlib.Path, urls: Mapping[str, str]) -> None:
        self._folder = folder
        self._urls = urls
        self._home = folder / "home"
        (self._home / ".aliyun").mkdir(parents=True)
        profiles = [
            {"name": facts["ota_profile"], "mode": "AK", "access_key_id": key["id"], "access_key_secret": key["secret"]}
            for facts, key in ((facts, key_of(host)) for host, facts in INVENTORY["hosts"].items())
            if "ota_profile" in facts
        ]
        config = {"current": profiles[0]["name"], "profiles": profiles}
        (self._home / ".aliyun" / "config.json").write_text(json.dumps(config))

    def run(self, name: str, playbook: str, *hosts: str, **changes: Mapping[str, Any]) -> Job:
        """Run a playbook of the example in a folder of its own; ``changes`` are other variables of hosts."""
        inventory = self._folder / f"{name}.yml"
        services = {host: {"ota_endpoint": self._urls[host]} for host in hosts}
        merged = {host: {**INVENTORY["hosts"][host], **services[host], **changes.get(host, {})} for host in hosts}
        group = {"ota_accounts": {**INVENTORY, "hosts": merged}}
        inventory.write_text(yaml.safe_dump(group, sort_keys=False), encoding="utf-8")
        bulbs = key_of("bulbs")
        environment = {
            "HOME": str(self._home),
            "OTA_BULBS_KEY_ID": bulbs["id"],
            "OTA_BULBS_KEY_SECRET": bulbs["secret"],
            # The key of another account, which no host takes.
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "left-behind",
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "canary-secret-left-behind",
        }
        job = run_job(
            self._folder / name,
            playbook,
            {"ota_version": "2.0.0", "ota_report_dir": str(self.reports(name)), **FAST},
            environment,
            arguments=("-i", str(inventory), "--forks", "4"),
            project=EXAMPLE,
            hosts={},
        )
        assert "canary-secret" not in job.everything(self._folder / name)
        return job

    def reports(self, name: str) -> pathlib.Path:
        """The folder of the reports, which jobs share whose names begin with the same word."""
        return self._folder / "reports" / name.partition("-")[0]

    def merged(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.reports(name) / "rollout.json").read_text(encoding="utf-8")))

    def markdown(self, name: str) -> str:
        return (self.reports(name) / "rollout.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def accounts(tmp_path_factory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    with contextlib.ExitStack() as stack:
        urls = {}
        for host in HOSTS:
            (folder / host).mkdir()
            urls[host] = stack.enter_context(simulator(folder / host, scenario_of(host))).url
        yield Accounts(folder, urls)


@pytest.fixture(scope="module")
def jobs(accounts) -> dict[str, Job]:
    """A job for each host, all at once, and a last one that merges."""
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        running = {host: pool.submit(accounts.run, f"jobs-{host}", "gate.yml", host) for host in HOSTS}
        gates = {host: job.result() for host, job in running.items()}
    return {**gates, "merge": accounts.run("jobs-merge", "merge.yml", *HOSTS)}


def numbers_of(counts: Mapping[str, int]) -> list[int]:
    return [counts[name] for name in NUMBERS]


def verdicts_of(merged: Mapping[str, Any]) -> dict[str, str]:
    return {host: account["verdict"] for host, account in merged["accounts"].items()}


def test_four_jobs_and_a_merge_pass_together(accounts, jobs):
    assert {name: job.code for name, job in jobs.items()} == dict.fromkeys([*HOSTS, "merge"], 0), jobs["merge"].stdout
    merged = accounts.merged("jobs")
    assert verdicts_of(merged) == dict.fromkeys(HOSTS, "passed")
    assert {host: numbers_of(account["counts"]) for host, account in merged["accounts"].items()} == {
        "europe": [3, 3, 0, 0],
        "asia": [3, 3, 0, 0],
        "china": [6, 6, 0, 0],
        "bulbs": [3, 3, 0, 0],
    }
    assert (merged["verdict"], merged["final"], merged["reasons"]) == ("passed", True, ["proved"])
    assert numbers_of(merged["counts"]) == [15, 15, 0, 0]
    assert merged["msg"] == "passed in europe, asia, china, bulbs; 15 of 15 devices succeeded"


def test_merge_publishes_the_verdict_as_a_gate_does(accounts, jobs):
    merged, folder = accounts.merged("jobs"), accounts.reports("jobs")
    assert jobs["merge"].artifacts == {
        "rollout_gate_verdict": "passed",
        "rollout_gate_final": True,
        "rollout_gate_reasons": ["proved"],
        "rollout_gate_message": merged["msg"],
        "rollout_gate_counts": merged["counts"],
        "rollout_gate_canceled": {},
        "rollout_gate_reports": {"json": str(folder / "rollout.json"), "markdown": str(folder / "rollout.md")},
    }
    assert set(jobs["merge"].artifacts) == set(jobs["europe"].artifacts)


def test_account_without_a_report_of_these_batches_is_inconclusive(accounts, jobs):
    """A job that never began, and the report of an earlier rollout."""
    assert jobs["merge"].code == 0
    (accounts.reports("jobs") / "accounts" / "asia.json").unlink()
    job = accounts.run("jobs-again", "merge.yml", *HOSTS, china={"ota_job_ids": ["another"]})
    merged = accounts.merged("jobs")
    assert job.code == 2
    assert merged["msg"] == "inconclusive in asia, china; passed in europe, bulbs; 6 of 6 devices succeeded"
    assert (merged["verdict"], merged["reasons"]) == ("inconclusive", ["not_judged"])
    assert merged["accounts"]["asia"]["msg"] == "there is no report of its gate"
    assert merged["accounts"]["china"]["msg"] == "its report is about other batches"
    assert "| asia | inconclusive | - | - | - | - | there is no report of its gate |" in accounts.markdown("jobs")


def test_failure_in_one_account_fails_the_rollout(accounts):
    """In one run, whose hosts are forks. A failure comes before what nobody knows, and only its account is stopped."""
    job = accounts.run(
        "failed",
        "rollout.yml",
        *HOSTS,
        europe={"ota_job_ids": ["bad"], "rollout_gate_cancel_on": ["failed"]},
        china={"ota_profile": "nobody"},
    )
    merged = accounts.merged("failed")
    assert job.code == 2
    assert "china has no verdict: " in job.stdout
    assert verdicts_of(merged) == {"europe": "failed", "asia": "passed", "china": "inconclusive", "bulbs": "passed"}
    assert (merged["verdict"], merged["reasons"]) == ("failed", ["too_many_failures"])
    assert numbers_of(merged["counts"]) == [11, 9, 1, 1]
    assert merged["msg"] == (
        "failed in europe; inconclusive in china; passed in asia, bulbs; 9 of 11 devices succeeded"
    )
    numbers = {"ok": True, "to_cancel": 1, "canceled": 1, "remaining": 0, "too_late": 0}
    assert merged["canceled"] == job.artifacts["rollout_gate_canceled"] == numbers
    assert merged["accounts"]["europe"]["canceled"] == {**numbers, "msg": "Canceled 1 task of 1 batch."}
    assert f"\n    {merged['msg']}\n" in GUIDE
    assert merged["accounts"]["europe"]["reasons"][0]["devices"] == ["{ { 7 * 7 }} | *b*"]
    assert job.artifacts["rollout_gate_verdict"] == "failed"
    assert job.artifacts["rollout_gate_message"] == merged["msg"]
    assert accounts.markdown("failed").startswith("## OTA rollout: failed\n")
    assert "| europe | failed | 5 | 3 | 1 | 1 | 1 of 4 finished devices failed" in accounts.markdown("failed")


def test_account_that_cannot_be_reached_is_inconclusive(accounts):
    unreachable = {"ota_endpoint": NOWHERE, "rollout_gate_max_consecutive_errors": 0}
    job = accounts.run("unreachable", "rollout.yml", *HOSTS, bulbs=unreachable)
    merged = accounts.merged("unreachable")
    assert job.code == 2
    assert verdicts_of(merged) == {**dict.fromkeys(HOSTS, "passed"), "bulbs": "inconclusive"}
    assert (merged["verdict"], merged["reasons"]) == ("inconclusive", ["too_many_errors"])
    assert merged["msg"] == "inconclusive in bulbs; passed in europe, asia, china; 12 of 12 devices succeeded"


def test_no_account_is_no_success(accounts):
    job = accounts.run("none", "merge.yml")
    assert job.code == 2
    assert accounts.merged("none")["msg"] == "there is no account; 0 of 0 devices succeeded"
