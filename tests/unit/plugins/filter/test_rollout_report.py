# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.filter import rollout_report as plugin
from ansible_collections.iotfleet.ota.plugins.filter.rollout_report import FilterModule, collection_version

report = FilterModule().filters()["rollout_report"]


def test_every_key_is_documented():
    documented = yaml.safe_load(plugin.RETURN)["_value"]["contains"]
    assert report({}).keys() == documented.keys()
    kinds = {"str": str, "bool": bool, "list": list, "dict": (dict, type(None))}
    for name, value in report({}).items():
        assert isinstance(value, kinds[documented[name]["type"]]), name


def test_the_title_the_files_and_the_links_are_passed_on():
    shown = report(
        {"verdict": "passed"},
        title="Lamp 2.4.1",
        files={"json": "/x/a.json"},
        links={"Console": "https://a.example", "Other": "ftp://b.example"},
    )
    assert (shown["word"], shown["title"]) == ("Passed", "Lamp 2.4.1")
    assert shown["files"] == [{"format": "JSON", "name": "a.json", "href": "./a.json"}]
    assert shown["links"] == [{"title": "Console", "url": "https://a.example"}]
    assert shown["link_problem"] == ('has no valid URL for "Other"; give one that begins with https:// or http://')


@pytest.mark.parametrize("given", [None, "text", [], 7])
def test_what_is_no_result(given):
    message = "iotfleet.ota.rollout_report: the input is not a dictionary; give the result of ota_rollout_gate."
    with pytest.raises(AnsibleFilterError, match=f"^{re.escape(message)}$"):
        report(given)


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (
            {"MANIFEST.json": json.dumps({"collection_info": {"version": "1.2.3"}}), "galaxy.yml": "version: 9\n"},
            "1.2.3",
        ),
        ({"galaxy.yml": "name: ota\nversion: 0.2.0-rc.1\n"}, "0.2.0-rc.1"),
        ({"galaxy.yml": "name: ota\n"}, ""),
        ({"MANIFEST.json": "{"}, ""),
        ({"MANIFEST.json": "[]"}, ""),
        ({"MANIFEST.json": '{"collection_info": 7}'}, ""),
        ({}, ""),
    ],
)
def test_the_version_of_the_collection(tmp_path, files, version):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert collection_version(tmp_path) == version


def test_this_collection_has_a_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", report({})["version"])
