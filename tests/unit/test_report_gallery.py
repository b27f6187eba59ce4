# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports in the documentation are what the product writes, and its alerting rules are about its metrics."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.filter.rollout_export import rollout_export
from ansible_collections.iotfleet.ota.tests.unit.exports import shown

ROOT = pathlib.Path(__file__).parents[2]
OUTPUT = ROOT / "docs" / "examples" / "output"
FILES = {"markdown": "report.md", "junit": "report.xml", "csv": "report.csv", "metrics": "report.prom"}
TITLE = "Lamp Pro 2.4.1"


@pytest.mark.parametrize("name", FILES)
def test_files_are_what_is_written(name):
    assert (OUTPUT / FILES[name]).read_text(encoding="utf-8") == rollout_export(shown(), name, TITLE)


def test_a_device_of_the_json_report():
    device = json.dumps(shown()["failed_devices"][0], indent=4)
    assert (OUTPUT / "device.json").read_text(encoding="utf-8") == f"{device}\n"


@pytest.mark.parametrize(("document", "number"), [("reports", 4), ("metrics", 1)])
def test_documents_show_parts_of_these_files(document, number):
    text = (ROOT / "docs" / "docsite" / "rst" / f"{document}.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: (?:text|json)\n\n((?:[ ]+.*\n|\n)+)", text, re.MULTILINE)
    files = [_without_indentation(path.read_text(encoding="utf-8")) for path in OUTPUT.iterdir()]
    assert len(blocks) == number
    for block in blocks:
        assert any(_without_indentation(block).strip() in file for file in files), block


def _without_indentation(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


def test_alerting_rules_are_about_metrics_that_are_written():
    text = rollout_export(shown(), "metrics", TITLE)
    written = {}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", text, re.MULTILINE):
        for label, value in re.findall(r'(\w+)="([^"]*)"', labels):
            written.setdefault(name, {}).setdefault(label, set()).add(value)
    groups = yaml.safe_load((ROOT / "docs" / "examples" / "metrics" / "rollout_rules.yml").read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [rule["alert"] for rule in rules] == ["RolloutBlocked", "RolloutNearsItsLimit", "RolloutNotPolled"]
    for rule in rules:
        metrics = re.findall(r"(iotfleet_\w+)(?:\{(\w+)=~?\"([^\"]*)\"\})?", rule["expr"])
        assert metrics
        for name, label, values in metrics:
            assert name in written
            assert not label or set(values.split("|")) <= written[name][label]
        asked = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert all(asked <= {*written[name]} for name, _label, _values in metrics)
