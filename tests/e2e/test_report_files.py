# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of the role rollout_gate: none outlives the next run, no other is removed, each is usable."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from .conftest import ROOT, Run, role_variables, run_play, simulator
from .report_results import MORE_SUFFIXES, SUFFIXES, results, write_reports

ROLE = ROOT / "roles" / "rollout_gate"
VALID = jsonschema.Draft202012Validator(json.loads((ROLE / "files" / "rollout-report.schema.json").read_text("utf-8")))
KEY = {"id": "gate-id", "secret": "gate-secret-that-nobody-sees"}
#: What a hostile device says: as much as a hundred may in one response.
LONG = "|&@<\N{GRINNING FACE}" * 500
NAMES = [f"lamp-{number:05}" for number in range(100)]
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "fw-1", "product_key": "a1lamp", "src_version": "1.0.0", "dest_version": "2.0.0"}],
    "jobs": [
        {"job_id": "1001", "firmware_id": "fw-1", "created_before": 3600, "devices": ["good-1", "good-2"]},
        {"job_id": "1003", "firmware_id": "fw-1", "devices": [{"name": "late-1", "course": "offline"}]},
        {
            "job_id": "1004",
            "firmware_id": "fw-1",
            "created_before": 3600,
            "devices": [{"name": name, "course": "fails", "step": -2, "desc": LONG} for name in NAMES],
        },
    ],
}
ALL = [*SUFFIXES, *MORE_SUFFIXES, "dotenv"]
ENDS = ["json", "md", "xml", "html", "csv", "prom", "env"]


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("simulator"), SCENARIO) as running:
        yield running.url


def gate(**inputs: Any) -> dict[str, Any]:
    """The role with these inputs, of which ``None`` leaves one out; it shows why it fails."""
    usual = {"job_ids": "1001", "report_dir": "reports", "confirmations": 1, "start_grace": 0, "wait_interval": 0.5}
    given = {name: value for name, value in {**usual, **inputs}.items() if value is not None}
    return {
        "vars": {f"rollout_gate_{name}": value for name, value in given.items()},
        "block": [{"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"}}],
        "rescue": [{"ansible.builtin.debug": {"msg": "SHOWN {{ ansible_failed_result.msg | to_json }} END"}}],
        "ignore_errors": False,
    }


def run_gates(folder: pathlib.Path, url: str, *gates: dict[str, Any], **variables: Any) -> list[str]:
    """Why the gates that fail do so."""
    connection = {"endpoint": url, "access_key_id": KEY["id"], "access_key_secret": "{{ secret }}", "max_qps": 0}
    run: Run = run_play(folder, gates, defaults=connection, variables={"secret": KEY["secret"], **variables})
    assert run.code == 0, run.output
    return [json.loads(json.loads(f'"{text}"')) for text in re.findall(r'"msg": "SHOWN (.*) END"\n', run.output)]


def names_in(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- Names -----------------------------------------------------------------------------------------------------------


def test_names_that_are_no_names_of_files_are_refused_before_the_wait(tmp_path, url):
    (tmp_path / "reports" / "a").mkdir(parents=True)
    (tmp_path / "x.md" / "keep").mkdir(parents=True)
    (tmp_path / "x.html").write_text("")
    wrong = ["../x", "a/b", "/etc/x", "a\nb", "x" * 201, "\N{GRINNING FACE}" * 51]
    said = run_gates(
        tmp_path, url, *(gate(report_name=name) for name in wrong), gate(report_name="\N{SNOWMAN} a,b*[1]")
    )
    assert len(said) == len(wrong)
    assert said[0] == (
        'rollout_gate_report_name is "../x", which cannot be the name of a file; give up to 200 bytes without a slash'
        " and without the suffix, and name the folder in rollout_gate_report_dir."
    )
    assert all("which cannot be the name of a file" in message for message in said)
    assert {"x.md", "x.html"} <= set(names_in(tmp_path))
    assert (tmp_path / "x.md" / "keep").is_dir()
    written = [f"\N{SNOWMAN} a,b*[1].{end}" for end in ("html", "json", "md", "xml")]
    assert names_in(tmp_path / "reports") == sorted(["a", *written])


def test_links_that_lead_nowhere_are_refused_before_the_wait(tmp_path, url):
    wrong = [{"Console": "javascript:alert(1)"}, "https://console.example.com"]
    right = [{"title": "Console", "url": "https://console.example.com/?a=1&b=2"}]
    said = run_gates(tmp_path, url, *(gate(links=links) for links in wrong), gate(links=right), gate(links=""))
    assert said == [
        'rollout_gate_links has no valid URL for "Console"; give one that begins with https:// or http://.',
        "rollout_gate_links is no list; give a list of {title, url}, or a dictionary of URLs by their titles.",
    ]
    assert run_gates(tmp_path, url, gate(links=json.dumps(right))) == []
    page = (tmp_path / "reports" / "rollout-gate.html").read_text(encoding="utf-8")
    assert '<a href="https://console.example.com/?a=1&amp;b=2" rel="noopener noreferrer">Console</a>' in page
    summary = (tmp_path / "reports" / "rollout-gate.md").read_text(encoding="utf-8")
    assert "\n\n[Console](<https://console.example.com/?a=1&amp;b=2>)\n\n" in summary


def test_folder_in_the_way_is_refused_and_kept(tmp_path, url):
    keep = tmp_path / "reports" / "rollout-gate.md" / "keep"
    keep.mkdir(parents=True)
    (keep / "file").write_text("precious")
    (tmp_path / "reports" / "rollout-gate.env").mkdir()
    path = tmp_path / "reports" / "rollout-gate.md"
    assert run_gates(tmp_path, url, gate(), gate(formats="json")) == [
        f"{path} is in the way of a report and is not a file; choose another report folder or name."
    ]
    assert (keep / "file").read_text() == "precious"
    assert names_in(tmp_path / "reports") == ["rollout-gate.env", "rollout-gate.json", "rollout-gate.md"]


# --- Reports of an earlier run ---------------------------------------------------------------------------------------


def test_no_report_outlives_the_start_of_the_next_run(tmp_path, url):
    assert run_gates(tmp_path, url, gate(formats=ALL)) == []
    assert names_in(tmp_path / "reports") == sorted(f"rollout-gate.{end}" for end in ENDS)
    shutil.copytree(tmp_path / "reports", tmp_path / "others")
    refused = [gate(formats="junit", max_failed=-1), gate(report_dir="others", formats={"not": "a list"})]
    assert len(run_gates(tmp_path, url, *refused)) == 2
    assert (names_in(tmp_path / "reports"), names_in(tmp_path / "others")) == ([], [])


def test_files_that_are_no_reports_stay_unless_they_are_replaced(tmp_path, url):
    folder = tmp_path / "reports"
    folder.mkdir()
    (tmp_path / "precious").write_text("precious")
    for end in ("md", "html", "json"):
        (folder / f"rollout-gate.{end}").write_text("mine")
    (folder / "rollout-gate.xml").symlink_to(tmp_path / "precious")
    (folder / "rollout-gate.env").symlink_to(tmp_path / "missing")
    assert run_gates(tmp_path, url, gate(formats="json, junit, dotenv")) == []
    assert {end: (folder / f"rollout-gate.{end}").read_text() for end in ("md", "html")} == {
        "md": "mine",
        "html": "mine",
    }
    assert (tmp_path / "precious").read_text() == "precious"
    assert ET.parse(folder / "rollout-gate.xml").getroot().tag == "testsuites"
    assert json.loads((folder / "rollout-gate.json").read_text())["verdict"] == "passed"
    assert not (tmp_path / "missing").exists()


def test_every_report_is_known_as_one(tmp_path):
    # Each report is known by a mark of its own, so that no other file is taken for one.
    marks = role_variables("rollout_gate")["rollout_gate_run_marks"]
    write_reports(tmp_path, {name: results()[name] for name in ("odd", "empty")}, ALL)
    for name in ("odd", "empty"):
        for end in ENDS:
            lines = (tmp_path / name / f"rollout-gate.{end}").read_text(encoding="utf-8").splitlines()
            known = {mark for mark in marks for line in lines if line.lstrip().startswith(mark)}
            assert len(known) == 1, (name, end)


POLL = {"job_ids": "1003", "wait": False, "previous": "reports/rollout-gate.json", "wait_timeout": 86400}


def test_report_to_resume_from_loses_its_verdict_and_nothing_else(tmp_path, url):
    path = tmp_path / "reports" / "rollout-gate.json"
    assert run_gates(tmp_path, url, gate(**POLL)) == []
    before = json.loads(path.read_text())
    assert len(run_gates(tmp_path, url, gate(**POLL, max_failed=-1, formats="junit"))) == 1
    marked = json.loads(path.read_text())
    VALID.validate(marked)
    changed = {"verdict": "inconclusive", "final": False, "msg": "A later run has begun and has written no report."}
    assert (before["verdict"], marked["reasons"][0]["code"]) == ("pending", "not_judged")
    assert {**before, **changed, "reasons": marked["reasons"], "to_do": ["Run the gate again."]} == marked
    assert names_in(tmp_path / "reports") == ["rollout-gate.json"]
    assert run_gates(tmp_path, url, gate(**POLL)) == []
    assert (json.loads(path.read_text())["polls"], json.loads(path.read_text())["verdict"]) == (2, "pending")


def test_report_of_another_run_to_resume_from_is_not_touched(tmp_path, url):
    assert run_gates(tmp_path, url, gate(**POLL)) == []
    kept = (tmp_path / "reports" / "rollout-gate.json").rename(tmp_path / "kept.json").read_text()
    (tmp_path / "reports" / "rollout-gate.json").write_text("stale")
    assert len(run_gates(tmp_path, url, gate(**{**POLL, "previous": "kept.json"}, max_failed=-1))) == 1
    assert (tmp_path / "kept.json").read_text() == kept
    assert names_in(tmp_path / "reports") == []


def test_run_that_is_killed_leaves_no_verdict_and_can_be_resumed(tmp_path, url):
    path = tmp_path / "reports" / "rollout-gate.json"
    assert run_gates(tmp_path, url, gate(**{**POLL, "formats": ALL})) == []
    (play,) = yaml.safe_load((tmp_path / "play.yml").read_text())
    play["tasks"] = [gate(**{**POLL, "wait": True})]
    (tmp_path / "killed.yml").write_text(yaml.safe_dump([play]))
    command = ["ansible-playbook", "-i", "localhost,", "-e", "@variables.json", "killed.yml"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while json.loads(path.read_text())["verdict"] == "pending" and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(path.read_text())["verdict"] == "inconclusive"
    assert names_in(tmp_path / "reports") == ["rollout-gate.json"]
    assert run_gates(tmp_path, url, gate(**POLL)) == []
    assert json.loads(path.read_text())["polls"] == 2


# --- Folders and files of others -------------------------------------------------------------------------------------


def test_folder_that_cannot_be_made_is_refused_before_the_wait(tmp_path, url):
    assert run_gates(tmp_path, url, gate(report_dir="play.yml/reports")) == [
        f"rollout_gate_report_dir is {tmp_path}/play.yml/reports, which cannot be created; choose another folder."
    ]


@pytest.mark.parametrize("resumed", [False, True])
def test_report_that_cannot_be_removed_is_refused_before_the_wait(tmp_path, url, resumed):
    """As that of another user in a folder such as /tmp; here not even root can remove it."""
    folder = tmp_path / "reports"
    folder.mkdir()
    report = folder / "rollout-gate.json"
    assert run_gates(tmp_path, url, gate(**POLL)) == []
    lock = ["chattr", "+i", str(report)]
    if not shutil.which("chattr") or subprocess.run(lock, check=False, capture_output=True).returncode != 0:
        pytest.skip("chattr needs root and a file system that knows it")
    try:
        said = run_gates(tmp_path, url, gate(**{**POLL, "previous": POLL["previous"] if resumed else ""}))
    finally:
        subprocess.run(["chattr", "-i", str(report)], check=True)
    what = "cannot be replaced" if resumed else "is in the way and cannot be removed"
    assert said == [
        f"{report} {what}, perhaps because it belongs to another user; choose another report folder or name."
    ]


# --- Size ------------------------------------------------------------------------------------------------------------


def test_reports_are_usable_whatever_devices_say(tmp_path, url):
    expected = [f"lamp-{number:05}" for number in range(100_000)]
    inputs = {"job_ids": "1004", "formats": ALL, "verify_versions": False, "mode": "report"}
    large = gate(
        **inputs, report_name="fleet", expected_devices="{{ expected }}", max_failed=100_000, wait=False, look_timeout=1
    )
    assert run_gates(tmp_path, url, gate(**inputs), large, expected=expected) == []
    for name in ("rollout-gate", "fleet"):
        sizes = {end: (tmp_path / "reports" / f"{name}.{end}").stat().st_size for end in ENDS}
        assert sizes["json"] < 8 << 20
        assert sizes["md"] < 1 << 20
        assert max(sizes["html"], sizes["xml"], sizes["csv"]) < 8 << 20
        assert sizes["prom"] < 64 << 10
        assert sizes["env"] < 1 << 10
        assert ET.parse(tmp_path / "reports" / f"{name}.xml").getroot().tag == "testsuites"
        report = json.loads((tmp_path / "reports" / f"{name}.json").read_text())
        VALID.validate(report)
    for end in ("md", "html", "xml"):
        assert "Long texts end with … here" in (tmp_path / "reports" / f"rollout-gate.{end}").read_text(
            encoding="utf-8"
        )
    assert len(report["policy"]["expected_devices"]) == 1000
    assert "policy.expected_devices lists the first 1000 of 100000 devices" in report["notes"]
