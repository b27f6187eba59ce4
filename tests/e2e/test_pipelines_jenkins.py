# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example for Jenkins: its pipelines, parsed and run by Groovy with small stand-ins for Jenkins' own words."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from .conftest import needs
from .pipelines import (
    BEFORE,
    CANARY,
    DEVICES,
    EXAMPLES,
    FLEET,
    HEALTHY,
    KEY,
    PRODUCT,
    Site,
    found_batches,
    poll_count,
    published,
    run_script,
    saying,
    site,
    started_at,
    wait_timeout,
)

FILES = EXAMPLES / "jenkins"
STAND_IN = pathlib.Path(__file__).with_name("jenkins.groovy")
PARAMETERS = {
    "Jenkinsfile": ("OTA_VERSION", "OTA_FLEET_DEVICES", "OTA_CANARY_BATCH", "OTA_PRODUCT_KEY"),
    "Jenkinsfile.once": ("OTA_VERSION", "OTA_FLEET_DEVICES", "OTA_FLEET_BATCH"),
}


@dataclass
class Jenkins:
    """A job: its builds share a workspace, and their artifacts are kept."""

    folder: pathlib.Path
    site: Site
    name: str
    publishes_html: bool = False
    number: int = 0
    output: str = ""

    def build(self, batch: str, answers: Mapping[str, str] | None = None, product: str = "") -> dict[str, str]:
        """The result of each stage that was reached."""
        self.number += 1
        workspace, archive = self.folder / "workspace", self.folder / "builds"
        self.site.check_out(workspace)
        gate = (FILES / "gate.groovy").read_text(encoding="utf-8")
        if self.publishes_html:
            gate = re.sub(r"^( *)// (publishHTML|  \w+:|\])", r"\1\2", gate, flags=re.MULTILINE)
        (workspace / "rollout" / "gate.groovy").write_text(gate, encoding="utf-8")
        archive.mkdir(parents=True, exist_ok=True)
        given = {
            "workspace": str(workspace),
            "archive": str(archive),
            "number": self.number,
            "parameters": dict(zip(PARAMETERS[self.name], ("1.2.0", DEVICES, batch, product))),
            "answers": answers,
            "credentials": {"ota-access-key": {"username": KEY["id"], "password": KEY["secret"]}},
            "environment": dict(self.site.environment),
        }
        about = archive / f"{self.number}.json"
        about.write_text(json.dumps(given), encoding="utf-8")
        java = pathlib.Path(shutil.which("java") or "/missing").resolve()
        environment = {
            "PATH": os.environ["PATH"],
            "JAVA_HOME": str(java.parent.parent),
            # What helps only what runs for long would take most of the time.
            "JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "LANG": "C.UTF-8",
        }
        command = ["groovy", str(STAND_IN), str(FILES / self.name), str(about)]
        code, output = run_script(command, self.folder, environment)
        assert code == 0, output
        self.output += output
        return json.loads(about.read_text(encoding="utf-8"))["stages"]

    @property
    def reports(self) -> pathlib.Path:
        """The artifacts of the last build."""
        return self.folder / "builds" / str(self.number) / "reports"


@pytest.fixture(scope="module", autouse=True)
def groovy() -> None:
    needs(shutil.which("groovy"), "there is no Groovy")


def test_stages_outlast_the_gates():
    hours = re.findall(r"timeout\(time: (\d+), unit: 'HOURS'\)", (FILES / "Jenkinsfile").read_text(encoding="utf-8"))
    assert [int(hour) * 3600 > wait_timeout(name) for hour, name in zip(hours, ("canary", "fleet"))] == [True, True]


def test_a_fleet_that_is_blocked(tmp_path, moving):
    jenkins = Jenkins(tmp_path, saying(moving, tmp_path, "passed", "canary"), "Jenkinsfile")
    assert jenkins.build(CANARY, {"FLEET_BATCH": FLEET}) == {"Canary": "passed", "Fleet": "failed"}, jenkins.output
    assert published(jenkins.reports, "fleet") == "failed"


def test_batches_that_are_found(tmp_path):
    with site(tmp_path, "--time-scale", "20") as place:
        jenkins = Jenkins(tmp_path, started_at(place, tmp_path, BEFORE), "Jenkinsfile")
        stages = jenkins.build("", {"FLEET_BATCH": ""}, PRODUCT)
        assert stages == {"Canary": "passed", "Fleet": "failed"}, jenkins.output
        assert published(jenkins.reports, "fleet") == "failed"
        assert found_batches(jenkins.reports / "fleet.json") == [FLEET]


def test_only_the_word_passed_goes_on(tmp_path, moving):
    """Whatever the exit code of the gate is."""
    rollout = Jenkins(tmp_path, saying(moving, tmp_path, None), "Jenkinsfile")
    assert rollout.build(CANARY, {"FLEET_BATCH": FLEET}) == {
        "Canary": "passed",
        "Fleet": "skipped",
        "Release": "skipped",
    }
    once = Jenkins(tmp_path / "once", saying(moving, tmp_path / "once", "not_passed"), "Jenkinsfile.once")
    assert once.build(FLEET) == {"Poll": "passed", "Release": "skipped"}


def test_a_page_that_is_published(tmp_path, moving):
    place = saying(moving, tmp_path, "passed", "canary")
    jenkins = Jenkins(tmp_path, place, "Jenkinsfile", publishes_html=True)
    assert jenkins.build(CANARY, {"FLEET_BATCH": FLEET}) == {"Canary": "passed", "Fleet": "failed"}, jenkins.output
    assert re.findall(r"^PUBLISHED (.*)", jenkins.output, re.MULTILINE) == ["reports/fleet.html"]


@pytest.mark.parametrize(
    ("answers", "stages"),
    [
        (None, {"Canary": "passed", "Fleet": "waiting"}),
        ({"FLEET_BATCH": FLEET}, {"Canary": "passed", "Fleet": "passed", "Release": "passed"}),
    ],
    ids=["nobody_approves", "approved"],
)
def test_approval(tmp_path, moving, answers, stages):
    jenkins = Jenkins(tmp_path, saying(moving, tmp_path, "passed"), "Jenkinsfile")
    assert jenkins.build(CANARY, answers) == stages
    assert ("The fleet is on version 1.2.0." in jenkins.output) == (answers is not None)


def test_polls_of_a_schedule(tmp_path):
    with site(tmp_path, "--time-scale", "0") as still:
        jenkins = Jenkins(tmp_path, still, "Jenkinsfile.once")
        assert jenkins.build("") == {"Poll": "skipped", "Release": "skipped"}
        assert jenkins.build(HEALTHY) == {"Poll": "passed", "Release": "skipped"}, jenkins.output
        assert published(jenkins.reports, "fleet") == "pending"
        still.service.control("clock", {"advance": 30})
        assert jenkins.build("") == {"Poll": "skipped", "Release": "skipped"}
        assert jenkins.build(HEALTHY) == {"Poll": "passed", "Release": "passed"}, jenkins.output
        assert published(jenkins.reports, "fleet") == "passed"
        assert poll_count(jenkins.reports / "fleet.json") == 2
