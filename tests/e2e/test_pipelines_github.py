# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for GitHub: its workflows as a small stand-in for GitHub and its runner runs them."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Mapping
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
    started_at,
    wait_timeout,
)

FILES = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (EXAMPLES / "github").iterdir()}
VARIABLES = {"OTA_VERSION": "1.2.0", "OTA_FLEET_DEVICES": DEVICES}
BATCH = {"OTA_FLEET_BATCH": FLEET}
SECRETS = {"OTA_ACCESS_KEY_ID": KEY["id"], "OTA_ACCESS_KEY_SECRET": KEY["secret"]}
TOKEN = re.compile(r"\s*(?:(&&)|(\|\|)|(==|!=)|('[^']*')|(\w+)\((.*?)\)|([a-z]+(?:\.\w+)+))")


def value_of(expression: str, contexts: Mapping[str, Any], succeeded: bool, place: pathlib.Path | None = None) -> Any:
    """What an expression is worth: of all that there is in expressions, what the examples use."""

    def word(path: str) -> Any:
        found: Any = contexts
        for part in path.split("."):
            found = (found or {}).get(part)
        return "" if found is None else found

    code, values, at = [], [], 0
    while at < len(expression.rstrip()):
        token = TOKEN.match(expression, at)
        assert token, expression[at:]
        both, either, sign, text, function, argument, path = token.groups()
        at = token.end()
        if both or either or sign:
            code.append(sign or ("and" if both else "or"))
            continue
        if function == "hashFiles":
            assert place is not None
            values.append("hash" if any(place.glob(argument.strip("'"))) else "")
        else:
            assert not function or (function, argument) == ("always", "")
            values.append(True if function else text[1:-1] if text else word(path))
        code.append(f"values[{len(values) - 1}]")
    result = eval(" ".join(code), {"__builtins__": {}}, {"values": values})
    return result if succeeded or "always()" in expression else ""


def filled(content: Any, value: Callable[[str], Any]) -> Any:
    """The content with what its expressions are worth."""
    if isinstance(content, dict):
        return {key: filled(part, value) for key, part in content.items()}
    if not isinstance(content, str):
        return content
    whole = re.fullmatch(r"\$\{\{ (.*) \}\}", content)
    if whole and "${{" not in whole[1]:
        return value(whole[1])
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: str(value(found[1])), content)


@dataclass
class GitHub:
    """A repository: its caches outlive a run of a workflow."""

    folder: pathlib.Path
    site: Site
    variables: Mapping[str, str]
    environments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    caches: dict[str, str] = field(default_factory=dict)
    runs: int = 0
    output: str = ""
    summary: str = ""

    def run(self, name: str, **inputs: Any) -> dict[str, str]:
        """The result of each job of a workflow; an environment that is not there is not approved."""
        self.runs += 1
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        return {job: state["result"] for job, state in self._workflow(FILES[name], inputs, SECRETS).items()}

    def _workflow(self, content: Mapping[str, Any], inputs: Any, secrets: Any) -> dict[str, Any]:
        needs: dict[str, Any] = {}
        github = {"run_id": str(self.runs), "run_attempt": "1"}
        contexts = {"inputs": inputs, "secrets": secrets, "vars": self.variables, "needs": needs, "github": github}
        for name, job in content["jobs"].items():
            needed = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            succeeded = all(needs[need]["result"] == "success" for need in needed)
            if not succeeded or not value_of(job.get("if", "always()"), contexts, succeeded):
                needs[name] = {"result": "skipped", "outputs": {}}
            elif "uses" in job:
                needs[name] = self._call(job, contexts)
            elif "environment" in job and job["environment"] not in self.environments:
                needs[name] = {"result": "waiting", "outputs": {}}
            else:
                own = self.environments.get(job.get("environment"), {})
                needs[name] = self._job(name, job, {**contexts, "vars": {**self.variables, **own}})
        return needs

    def _call(self, job: Mapping[str, Any], contexts: Mapping[str, Any]) -> dict[str, Any]:
        content = FILES[pathlib.PurePath(job["uses"]).name]
        offered = content["on"]["workflow_call"]
        given = filled({"inputs": job["with"], "secrets": job["secrets"]}, lambda text: value_of(text, contexts, True))
        for kind, values in given.items():
            required = {name for name, about in offered[kind].items() if about.get("required")}
            assert required <= set(values) <= set(offered[kind])
        defaults = {name: about["default"] for name, about in offered["inputs"].items() if "default" in about}
        jobs = self._workflow(content, {**defaults, **given["inputs"]}, given["secrets"])
        outputs = {
            name: filled(about["value"], lambda text: value_of(text, {"jobs": jobs}, True))
            for name, about in offered["outputs"].items()
        }
        failed = any(state["result"] == "failure" for state in jobs.values())
        return {"result": "failure" if failed else "success", "outputs": outputs}

    def _job(self, name: str, job: Mapping[str, Any], contexts: dict[str, Any]) -> dict[str, Any]:
        place = self.folder / "work" / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        contexts["steps"] = {}
        result = "success"
        for step in job["steps"]:
            if not value_of(step.get("if", "always()"), contexts, result == "success", place):
                continue
            if "if" not in step and result != "success":
                continue
            used = filled(step, lambda text: value_of(text, contexts, True, place))
            if "uses" in step:
                getattr(self, re.sub(r"\W", "_", step["uses"].partition("@")[0]))(place, used.get("with", {}))
                continue
            own = filled(job.get("env", {}), lambda text: value_of(text, contexts, True))
            code, outputs = self._step(place, used["run"], {**own, **used.get("env", {})})
            contexts["steps"][step.get("id", "")] = {"outputs": outputs}
            result = "failure" if code else result
        outputs = filled(job.get("outputs", {}), lambda text: value_of(text, contexts, True))
        return {"result": result, "outputs": outputs}

    def _step(self, place: pathlib.Path, script: str, own: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        environment = {**self.site.environment, **own, **{name: str(path) for name, path in files.items()}}
        code, output = run_script(["bash", "-e", "-c", script], place, environment)
        self.output += output
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        return code, dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())

    # --- Actions -----------------------------------------------------------------------------------------------------

    def actions_checkout(self, place: pathlib.Path, given: Mapping[str, Any]) -> None:
        assert given == {"persist-credentials": False}
        self.site.check_out(place)

    def actions_setup_python(self, _place: pathlib.Path, given: Mapping[str, str]) -> None:
        assert set(given) == {"python-version"}

    def actions_cache_restore(self, place: pathlib.Path, given: Mapping[str, str]) -> None:
        assert set(given) == {"path", "key", "restore-keys"}
        found = [key for key in reversed(self.caches) if key.startswith((given["key"], given["restore-keys"]))]
        if found:
            (place / given["path"]).parent.mkdir(exist_ok=True)
            (place / given["path"]).write_text(self.caches[found[0]], encoding="utf-8")

    def actions_cache_save(self, place: pathlib.Path, given: Mapping[str, str]) -> None:
        assert set(given) == {"path", "key"}
        assert given["key"] not in self.caches, "a cache never changes"
        assert "," not in given["key"], "a key has no commas"
        if (place / given["path"]).exists():
            self.caches[given["key"]] = (place / given["path"]).read_text(encoding="utf-8")

    def actions_upload_artifact(self, place: pathlib.Path, given: Mapping[str, str]) -> None:
        assert set(given) == {"name", "path"}
        if (place / given["path"]).exists():
            shutil.copytree(place / given["path"], self.folder / "artifacts" / given["name"])


def errors_of(github: GitHub) -> list[str]:
    """The errors on the page of the runs."""
    return [line for line in github.output.splitlines() if line.startswith("::")]


def test_the_message_of_an_error_is_escaped(tmp_path):
    (step,) = [step for step in FILES["rollout-gate.yml"]["jobs"]["gate"]["steps"] if "blocks" in step.get("name", "")]
    (tmp_path / "reports").mkdir()
    told = []
    for verdict in ("failed", "timed_out", "inconclusive", "passed", "pending"):
        report = {"verdict": verdict, "title": "a:b,c\n%", "msg": "50 % failed: x,\r\n::add-mask::y %0A"}
        (tmp_path / "reports" / "fleet.json").write_text(json.dumps(report), encoding="utf-8")
        code, output = run_script(["bash", "-e", "-c", step["run"]], tmp_path, {**os.environ, "GATE": "fleet"})
        assert code == 0, output
        told += output.splitlines()
    line = "::error title=a%3Ab%2Cc%0A%25::50 %25 failed: x,%0D%0A::add-mask::y %250A"
    assert told == [line] * 3


def test_schema():
    check_schema("vendor.github-workflows", *(EXAMPLES / "github").iterdir())


def test_jobs_outlast_the_gates():
    minutes = FILES["rollout-gate.yml"]["jobs"]["gate"]["timeout-minutes"]
    assert minutes * 60 > max(wait_timeout("canary"), wait_timeout("fleet"))


def test_no_script_is_made_of_what_people_enter():
    """They would be run as a part of it: all reaches the scripts by the environment."""
    steps = [step for content in FILES.values() for job in content["jobs"].values() for step in job.get("steps", [])]
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_actions_are_named_by_commit():
    """With the version as a comment, as tools that renew both expect it."""
    uses = [line for path in (EXAMPLES / "github").iterdir() for line in re.findall(r"uses: (.*)", path.read_text())]
    pinned = [line for line in uses if re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)]
    assert len(pinned) == 5
    assert {*uses} - {*pinned} == {"$/.github/workflows/rollout-gate.yml"}


def test_each_job_has_the_permissions_it_needs():
    assert [content["permissions"] for content in FILES.values()] == [{}] * len(FILES)
    jobs = {name: job.get("permissions") for content in FILES.values() for name, job in content["jobs"].items()}
    assert {name for name, permissions in jobs.items() if permissions} == {"canary", "fleet", "gate", "poll"}
    assert all(permissions in (None, {"contents": "read"}) for permissions in jobs.values())


def test_a_fleet_that_is_blocked(tmp_path, moving):
    github = GitHub(tmp_path, saying(moving, tmp_path, "passed", "canary"), VARIABLES, {"fleet": BATCH})
    results = github.run("rollout.yml", canary_batch=CANARY)
    expected = {"canary": "success", "approve": "success", "fleet": "failure", "release": "skipped"}
    assert results == expected, github.output
    assert published(tmp_path / "artifacts" / "rollout-fleet-1", "fleet") == "failed"
    assert re.findall(r"^## \W+(.*)", github.summary, re.MULTILINE) == ["Fleet: failed"]
    report = json.loads((tmp_path / "artifacts" / "rollout-fleet-1" / "fleet.json").read_text(encoding="utf-8"))
    assert errors_of(github) == [f"::error title=Fleet::{report['msg'].replace('%', '%25')}"]


@pytest.mark.parametrize("stale", [{}, {"OTA_FLEET_BATCH": HEALTHY}], ids=["no_id", "an_id_of_before"])
def test_batches_that_are_found(tmp_path, stale):
    """The variable of an earlier rollout that was started by ID does not count."""
    with site(tmp_path, "--time-scale", "20") as place:
        github = GitHub(tmp_path, started_at(place, tmp_path, BEFORE), VARIABLES, {"fleet": stale})
        results = github.run("rollout.yml", product_key=PRODUCT)
        expected = {"canary": "success", "approve": "success", "fleet": "failure", "release": "skipped"}
        assert results == expected, github.output
        for name, verdict, batch in (("canary", "passed", CANARY), ("fleet", "failed", FLEET)):
            reports = tmp_path / "artifacts" / f"rollout-{name}-1"
            assert published(reports, name) == verdict
            assert found_batches(reports / f"{name}.json") == [batch]


def test_batches_of_before_the_canary_are_not_found(tmp_path, moving):
    place = started_at(saying(moving, tmp_path, "passed", "canary"), tmp_path, AFTER)
    github = GitHub(tmp_path, place, VARIABLES, {"fleet": {}})
    results = github.run("rollout.yml", product_key=PRODUCT)
    expected = {"canary": "success", "approve": "success", "fleet": "failure", "release": "skipped"}
    assert results == expected, github.output
    artifacts = tmp_path / "artifacts" / "rollout-fleet-1"
    assert "ROLLOUT_GATE_REASONS=no_batch\n" in (artifacts / "fleet.env").read_text(encoding="utf-8")


@pytest.mark.parametrize("verdict", OTHER_WORDS)
def test_only_the_word_passed_goes_on(tmp_path, moving, verdict):
    """Whatever the exit code of the gate is."""
    variables = {**VARIABLES, "OTA_WATCHED_BATCH": FLEET}
    github = GitHub(tmp_path, saying(moving, tmp_path, verdict), variables, {"fleet": {}})
    results = github.run("rollout.yml", canary_batch=CANARY)
    assert results == {"canary": "success", "approve": "skipped", "fleet": "skipped", "release": "skipped"}
    assert github.run("rollout-once.yml") == {"poll": "success", "release": "skipped"}
    is_blocked = verdict not in ("pending", None)
    assert errors_of(github) == ["::error title=Stand-in::It says so."] * (2 if is_blocked else 0)


@pytest.mark.parametrize(
    ("environments", "approve", "release"),
    [({}, "waiting", "skipped"), ({"fleet": {}}, "failure", "skipped"), ({"fleet": BATCH}, "success", "success")],
    ids=["nobody_approves", "without_a_batch", "approved"],
)
def test_approval(tmp_path, moving, environments, approve, release):
    # Nothing that the schedule reads stands in for the batch that somebody approves.
    read = re.findall(r"\bvars\.(\w+)", json.dumps(FILES["rollout-once.yml"]))
    variables = {**dict.fromkeys(read, HEALTHY), **VARIABLES}
    github = GitHub(tmp_path, saying(moving, tmp_path, "passed"), variables, environments)
    results = github.run("rollout.yml", canary_batch=CANARY)
    assert results == {"canary": "success", "approve": approve, "fleet": release, "release": release}
    assert ("OTA_FLEET_BATCH: is not set in the environment fleet" in github.output) == (approve == "failure")


@pytest.mark.parametrize(
    ("workflow", "missing"),
    [
        ("rollout.yml", "OTA_VERSION"),
        ("rollout-once.yml", "OTA_VERSION"),
        ("rollout-once.yml", "OTA_FLEET_DEVICES"),
    ],
)
def test_a_check_is_not_off_because_nothing_says_what_it_needs(tmp_path, moving, workflow, missing):
    variables = {**VARIABLES, "OTA_WATCHED_BATCH": HEALTHY, missing: ""}
    github = GitHub(tmp_path, moving, variables, {"fleet": BATCH})
    first, *others = github.run(workflow, canary_batch=CANARY).values()
    assert (first, {*others}) == ("failure", {"skipped"})
    assert f"Set {missing} to the " in github.output
    assert not list((tmp_path / "artifacts").rglob("*.env"))


def test_the_batch_of_the_canary_is_not_that_of_the_fleet(tmp_path, moving):
    place = saying(moving, tmp_path, "passed", "canary")
    github = GitHub(tmp_path, place, VARIABLES, {"fleet": {"OTA_FLEET_BATCH": CANARY}})
    results = github.run("rollout.yml", canary_batch=CANARY)
    expected = {"canary": "success", "approve": "success", "fleet": "failure", "release": "skipped"}
    assert results == expected, github.output
    artifacts = tmp_path / "artifacts" / "rollout-fleet-1"
    assert published(artifacts, "fleet") == "failed"
    assert "ROLLOUT_GATE_REASONS=too_few_devices\n" in (artifacts / "fleet.env").read_text(encoding="utf-8")


def test_nothing_runs_without_a_rollout(tmp_path, moving):
    github = GitHub(tmp_path, moving, VARIABLES)
    assert github.run("rollout-once.yml") == {"poll": "skipped", "release": "skipped"}


def test_polls_of_a_schedule(tmp_path):
    with site(tmp_path, "--time-scale", "0") as still:
        github = GitHub(tmp_path, still, {**VARIABLES, "OTA_WATCHED_BATCH": HEALTHY})
        github.caches[f"rollout-fleet-{HEALTHY}0-9-1"] = "the report of another batch"
        reports = tmp_path / "artifacts" / "rollout-fleet-1"
        assert github.run("rollout-once.yml") == {"poll": "success", "release": "skipped"}, github.output
        assert published(reports, "fleet") == "pending"
        still.service.control("clock", {"advance": 30})
        assert github.run("rollout-once.yml") == {"poll": "success", "release": "success"}, github.output
        assert published(reports, "fleet") == "passed"
        assert poll_count(reports / "fleet.json") == 2
        assert "The fleet is on version 1.2.0." in github.output
        assert [*github.caches][1:] == [f"rollout-fleet-{HEALTHY}-1-1", f"rollout-fleet-{HEALTHY}-2-1"]
