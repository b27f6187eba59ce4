# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for GitLab: its jobs as a small stand-in for GitLab and its runner chooses and runs them."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import string
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from .pipelines import (
    AFTER,
    BEFORE,
    CANARY,
    DEVICES,
    EXAMPLES,
    FLEET,
    HEALTHY,
    KEY,
    OTHER_SECRET,
    OTHER_WORDS,
    PRODUCT,
    Site,
    check_schema,
    found_batches,
    poll_count,
    published,
    run_script,
    saying,
    site,
    wait_timeout,
)

FILE = EXAMPLES / "gitlab" / "gitlab-ci.yml"
CONTENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
KEYWORDS = {
    *(
        "after_script",
        "allow_failure",
        "artifacts",
        "before_script",
        "cache",
        "environment",
        "extends",
        "image",
        "needs",
    ),
    *("resource_group", "rules", "script", "stage", "timeout", "variables"),
}
JOBS = "https://gitlab.example.com/fleet/rollout/-/jobs"
PROJECT = {
    "OTA_VERSION": "1.2.0",
    "OTA_FLEET_DEVICES": DEVICES,
    "ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"],
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"],
}


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What ``extends`` makes of two jobs: mappings are merged, and all else is replaced."""
    both = {key: merge(base[key], own[key]) for key in {*base} & {*own} if isinstance(own[key], dict)}
    return {**base, **own, **both}


def jobs() -> dict[str, dict[str, Any]]:
    """The jobs of the example, in the order of their stages."""
    globally = ("stages", "variables")
    own = {name: content for name, content in CONTENT.items() if name not in globally and not name.startswith(".")}
    found = {name: merge(CONTENT[job["extends"]], job) if "extends" in job else job for name, job in own.items()}
    assert {keyword for job in found.values() for keyword in job} <= KEYWORDS
    return dict(sorted(found.items(), key=lambda item: CONTENT["stages"].index(item[1]["stage"])))


def applies(rule: str, variables: Mapping[str, str]) -> bool:
    """Whether the condition of a rule is met."""
    clauses = [re.fullmatch(r'\$(\w+)(?: (==|!=) "(\w+)")?', clause) for clause in rule.split(" && ")]
    assert all(clauses), rule
    parts = [(variables.get(clause[1], ""), clause[2], clause[3]) for clause in clauses if clause]
    return all((left == right) == (sign == "==") if sign else bool(left) for left, sign, right in parts)


@dataclass
class GitLab:
    """A project: its caches outlive a pipeline."""

    folder: pathlib.Path
    site: Site
    project: Mapping[str, str] = field(default_factory=lambda: PROJECT)
    output: str = ""

    def run(self, source: str, play: Mapping[str, Mapping[str, str]] | None = None, **variables: str) -> dict[str, str]:
        """The state in which each job of a pipeline ends; ``play`` are the manual jobs that people start."""
        given = {"CI_PIPELINE_CREATED_AT": BEFORE, **self.project, **variables, "CI_PIPELINE_SOURCE": source}
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        states: dict[str, str] = {}
        for name, job in jobs().items():
            rule = next((rule for rule in job["rules"] if applies(rule["if"], given)), None)
            if rule is None:
                continue
            needed = [need if isinstance(need, str) else need["job"] for need in job.get("needs", [])]
            if "needs" not in job:
                needed = [other for other in states if jobs()[other]["stage"] != job["stage"]]
            if any(states[need] not in ("success", "warning") for need in needed if need in states):
                states[name] = "skipped"
            elif rule.get("when") == "manual" and name not in (play or {}):
                states[name] = "manual"
            else:
                states[name] = self._run(name, job, {**given, **(play or {}).get(name, {})}, needed)
        return states

    def _run(self, name: str, job: Mapping[str, Any], given: Mapping[str, str], needed: list[str]) -> str:
        place = self.folder / "builds" / name
        shutil.rmtree(place, ignore_errors=True)
        self.site.check_out(place)
        # A variable that is not there is empty.
        known = defaultdict(str, given)
        own = {key: string.Template(value).substitute(known) for key, value in job.get("variables", {}).items()}
        predefined = {"GITLAB_CI": "true", "CI_JOB_NAME": name, "CI_JOB_URL": f"{JOBS}/{name}"}
        environment = {**self.site.environment, **given, **own, **predefined}
        cache = job.get("cache", {})
        kept = self.folder / "caches" / string.Template(cache.get("key", "")).substitute(given)
        for source in (*(self.folder / "artifacts" / need for need in needed), *([kept] if cache else [])):
            if source.exists():
                shutil.copytree(source, place, dirs_exist_ok=True)
        script = "\n".join([*job.get("before_script", []), *job["script"]])
        code, output = run_script(["bash", "-eo", "pipefail", "-c", script], place, environment)
        self.output += output
        # In a shell of its own, and whatever it ends with.
        run_script(["bash", "-eo", "pipefail", "-c", "\n".join(job.get("after_script", []))], place, environment)
        for settings, target in ((cache, kept), (job.get("artifacts", {}), self.folder / "artifacts" / name)):
            assert not settings or settings["when"] == "always"
            for path in [*settings.get("paths", []), *settings.get("reports", {}).values()]:
                keep(place, path, target)
        return (
            "success"
            if code == 0
            else "warning"
            if code == job.get("allow_failure", {}).get("exit_codes")
            else "failed"
        )


def keep(place: pathlib.Path, path: str, target: pathlib.Path) -> None:
    """Copy what is at a path, a file or a folder."""
    for found in [place / path, *(place / path).rglob("*")]:
        if found.is_file():
            (target / found.relative_to(place)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, target / found.relative_to(place))


def linked_page(artifacts: pathlib.Path, name: str) -> pathlib.Path:
    """The file to which the page of a job links."""
    annotations = json.loads((artifacts / "annotations.json").read_text(encoding="utf-8"))
    (section,) = annotations.values()
    (entry,) = section
    assert set(entry) == {"external_link"}
    assert set(entry["external_link"]) == {"label", "url"}
    begin = f"{JOBS}/{name}/artifacts/file/"
    assert entry["external_link"]["url"].startswith(begin)
    return artifacts / entry["external_link"]["url"].removeprefix(begin)


def test_reports_are_exposed_as_gitlab_wants_it():
    """By a name of plain characters, and a path without variables and patterns."""
    for name in ("canary", "fleet", "poll"):
        artifacts = jobs()[name]["artifacts"]
        assert re.fullmatch(r"[\w -]{1,100}", artifacts["expose_as"])
        assert artifacts["paths"] == ["reports/"]


def test_no_page_is_linked_that_is_not_there(tmp_path, moving):
    gitlab = GitLab(tmp_path, saying(moving, tmp_path, "failed"))
    assert gitlab.run("schedule", OTA_FLEET_BATCH=FLEET)["poll"] == "success"
    assert not (tmp_path / "artifacts" / "poll" / "annotations.json").exists()


def test_schema():
    check_schema("vendor.gitlab-ci", FILE)


def test_one_digest_pins_the_image_of_each_job():
    assert {job["image"] for job in jobs().values()} == {"$OTA_IMAGE"}
    assert set(CONTENT["variables"]) == {"OTA_IMAGE"}


def test_jobs_outlast_the_gates():
    hours = {name: int(job["timeout"].split()[0]) for name, job in jobs().items() if "timeout" in job}
    assert hours["canary"] * 3600 > wait_timeout("canary")
    assert hours["fleet"] * 3600 > wait_timeout("fleet")


def test_nothing_runs_without_a_rollout(tmp_path, moving):
    gitlab = GitLab(tmp_path, moving)
    assert gitlab.run("push") == {}
    assert gitlab.run("schedule", OTA_CANARY_BATCH=CANARY) == {}


def test_a_canary_that_passes_and_a_fleet_that_is_blocked(tmp_path, moving):
    gitlab = GitLab(tmp_path, moving)
    play = {"fleet": {"OTA_FLEET_BATCH": FLEET}}
    states = gitlab.run("web", play, OTA_CANARY_BATCH=CANARY)
    assert states == {"canary": "success", "fleet": "failed", "release": "skipped"}, gitlab.output
    for name, verdict in (("canary", "passed"), ("fleet", "failed")):
        artifacts = tmp_path / "artifacts" / name
        assert published(artifacts / "reports", name) == verdict
        reports = jobs()[name]["artifacts"]["reports"]
        assert sorted(reports) == ["annotations", "junit", "metrics"]
        assert all((artifacts / path).exists() for path in reports.values())
        page = linked_page(artifacts, name)
        assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_batches_that_are_found(tmp_path):
    with site(tmp_path, "--time-scale", "20") as place:
        gitlab = GitLab(tmp_path, place)
        states = gitlab.run("web", {"fleet": {}}, OTA_PRODUCT_KEY=PRODUCT)
        assert states == {"canary": "success", "fleet": "failed", "release": "skipped"}, gitlab.output
        for name, verdict, batch in (("canary", "passed", CANARY), ("fleet", "failed", FLEET)):
            reports = tmp_path / "artifacts" / name / "reports"
            assert published(reports, name) == verdict
            assert found_batches(reports / f"{name}.json") == [batch]


def test_batches_of_before_the_pipeline_are_not_found(tmp_path, moving):
    gitlab = GitLab(tmp_path, saying(moving, tmp_path, "passed", "canary"))
    later = {"OTA_PRODUCT_KEY": PRODUCT, "CI_PIPELINE_CREATED_AT": AFTER}
    assert gitlab.run("web", {"fleet": {}}, **later) == {"canary": "success", "fleet": "failed", "release": "skipped"}
    reports = tmp_path / "artifacts" / "fleet" / "reports"
    assert published(reports, "fleet") == "inconclusive"
    assert "ROLLOUT_GATE_REASONS=no_batch\n" in (reports / "fleet.env").read_text(encoding="utf-8")


def test_a_wrong_key(tmp_path, moving):
    gitlab = GitLab(tmp_path, moving, {**PROJECT, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": OTHER_SECRET})
    states = gitlab.run("web", {"fleet": {"OTA_FLEET_BATCH": FLEET}}, OTA_CANARY_BATCH=CANARY)
    assert states == {"canary": "failed", "fleet": "skipped", "release": "skipped"}
    assert published(tmp_path / "artifacts" / "canary" / "reports", "canary") == "inconclusive"


@pytest.mark.parametrize("verdict", OTHER_WORDS)
def test_only_the_word_passed_goes_on(tmp_path, moving, verdict):
    """Whatever the exit code of the gate is."""
    gitlab = GitLab(tmp_path, saying(moving, tmp_path, verdict))
    states = gitlab.run("web", {"fleet": {"OTA_FLEET_BATCH": FLEET}}, OTA_CANARY_BATCH=CANARY)
    assert states == {"canary": "success", "fleet": "failed", "release": "skipped"}
    assert gitlab.run("schedule", OTA_FLEET_BATCH=FLEET) == {"poll": "success", "release": "warning"}
    assert "is on version" not in gitlab.output


def test_people_start_the_fleet(tmp_path, moving):
    gitlab = GitLab(tmp_path, saying(moving, tmp_path, "passed"))
    assert gitlab.run("web", OTA_CANARY_BATCH=CANARY) == {"canary": "success", "fleet": "manual", "release": "skipped"}
    states = gitlab.run("web", {"fleet": {"OTA_FLEET_BATCH": FLEET}}, OTA_CANARY_BATCH=CANARY)
    assert states == {"canary": "success", "fleet": "success", "release": "success"}


def test_polls_of_a_schedule(tmp_path):
    with site(tmp_path, "--time-scale", "0") as still:
        gitlab = GitLab(tmp_path, still)
        reports = tmp_path / "artifacts" / "poll" / "reports"
        assert gitlab.run("schedule", OTA_FLEET_BATCH=HEALTHY) == {"poll": "success", "release": "warning"}, (
            gitlab.output
        )
        assert published(reports, "fleet") == "pending"
        still.service.control("clock", {"advance": 30})
        assert gitlab.run("schedule", OTA_FLEET_BATCH=HEALTHY) == {"poll": "success", "release": "success"}, (
            gitlab.output
        )
        assert published(reports, "fleet") == "passed"
        assert poll_count(reports / "fleet.json") == 2
        assert "The fleet is on version 1.2.0." in gitlab.output
        # Another batch has another cache, so that the report is not refused.
        assert [path.name for path in (tmp_path / "caches").iterdir()] == [f"rollout-fleet-{HEALTHY}"]
