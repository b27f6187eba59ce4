# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.iotfleet.ota.plugins.filter.rollout_export import FORMATS, FilterModule
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, gated
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch
from jinja2 import StrictUndefined
from jinja2.exceptions import UndefinedError

export = FilterModule().filters()["rollout_export"]
RESULT = gated(batch(*failing(1)))


@pytest.mark.parametrize(
    ("given", "title", "shown"),
    [
        (RESULT, "Lamp", "Lamp"),
        (RESULT, None, "OTA rollout"),
        (RESULT, "", "OTA rollout"),
        ({**RESULT, "format": "iotfleet.ota/rollout-report", "title": "Kept"}, None, "Kept"),
    ],
)
def test_titles(given, title, shown):
    assert export(given, "markdown", title).startswith(f"## ❌ {shown}: failed\n")
    assert f'rollout="{shown}"' in export(given, "metrics", title)
    assert f'<testsuites name="{shown}"' in export(given, "junit", title)


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_no_result(format):
    message = (
        "iotfleet.ota.rollout_export: the input is no result of the gate; give what iotfleet.ota.ota_rollout_gate"
        " returned, or the JSON report."
    )
    odd = {**RESULT, "verdict": "green", "counts": {}, "jobs": 1, "devices": 1}
    for given in (None, "text", [], {}, {"verdict": "passed"}, odd):
        with pytest.raises(AnsibleFilterError) as caught:
            export(given, format)
        assert caught.value.message == message


def test_links_are_in_the_report_for_people_only():
    links = {"Console": "https://console.example.com/ota"}
    shown = {format: "console.example.com" in export(RESULT, format, links=links) for format in FORMATS}
    assert shown == {"csv": False, "junit": False, "markdown": True, "metrics": False}


def test_what_is_no_link():
    with pytest.raises(AnsibleFilterError) as caught:
        export(RESULT, "markdown", links={"Console": "javascript:alert(1)"})
    assert caught.value.message == (
        'iotfleet.ota.rollout_export: links has no valid URL for "Console"; give one that begins with https:// or http://.'
    )


@pytest.mark.parametrize("format", ["html", "", None])
def test_what_is_no_format(format):
    with pytest.raises(AnsibleFilterError) as caught:
        export(RESULT, format)
    assert caught.value.message == (
        "iotfleet.ota.rollout_export: choose the format from csv, junit, markdown, metrics."
    )


def test_an_undefined_input_keeps_its_own_error():
    with pytest.raises(UndefinedError):
        export(StrictUndefined(name="gate"), "csv")
