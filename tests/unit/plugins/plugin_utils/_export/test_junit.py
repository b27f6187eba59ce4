# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import xml.etree.ElementTree as ET

from ansible_collections.iotfleet.ota.plugins.plugin_utils._export.junit import junit_report
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, fine, gated, waiting
from ansible_collections.iotfleet.ota.tests.unit.verdicts import batch

REPORT = """
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="Lamp &lt;Pro&gt;" tests="4" failures="2" errors="0" time="0.000">
  <testsuite name="Lamp &lt;Pro&gt;" tests="4" failures="2" errors="0" time="0.000" skipped="1" \
timestamp="2026-03-01T10:00:00">
    <properties>
      <property name="verdict" value="failed" />
      <property name="total" value="3" />
      <property name="succeeded" value="1" />
      <property name="verified" value="0" />
      <property name="failed" value="1" />
      <property name="pending" value="1" />
      <property name="executed" value="2" />
      <property name="canceled" value="0" />
      <property name="ignored" value="0" />
      <property name="limit.max_failed" value="1 of 2 (50 %), allowed: none, decided" />
      <property name="limit.max_pending" value="1 of 3 (33.3 %), allowed: none, not kept" />
      <property name="limit.wait_timeout" value="0 s, allowed: 60 min, kept" />
      <property name="limit.max_consecutive_errors" value="0, allowed: at most 5, kept" />
      <property name="job_id" value="1834" />
      <property name="job.1834.label" value="Berlin" />
      <property name="job.1834.module_name" value="default" />
      <property name="job.1834.devices" value="3" />
      <property name="job.1834.succeeded" value="1" />
      <property name="job.1834.failed" value="1" />
      <property name="job.1834.pending" value="1" />
      <property name="job.1834.canceled" value="0" />
      <property name="failure_text" value="download, 1 device: no space" />
    </properties>
    <testcase classname="rollout" name="verdict" time="0.000">
      <failure type="too_many_failures" message="failed: 1 of 2 finished devices failed, 50 %; none may fail \
(max_failed)">1 of 2 finished devices failed, 50 %; none may fail (max_failed)</failure>
    </testcase>
    <testcase classname="rollout.a19mzPZ0001" name="f001">
      <failure type="download" message="failed, download: no space">task: FAILED
batch: 1834
since: 2026-03-01T10:00:00Z</failure>
    </testcase>
    <testcase classname="rollout.a19mzPZ0001" name="q001">
      <skipped message="unfinished, queued; may still succeed" />
    </testcase>
    <testcase classname="rollout.a19mzPZ0001" name="s0001" />
  </testsuite>
</testsuites>
"""


def test_a_whole_report():
    tasks = [*failing(1, "no space"), *fine(1), *waiting(1)]
    result = gated(batch(*tasks, job_id="1834", job_desc="Berlin", status="IN_PROGRESS"))
    assert junit_report(result, "Lamp <Pro>") == REPORT[1:]


def test_what_the_role_canceled():
    result = gated(batch(*failing(1), status="IN_PROGRESS"))
    assert 'name="cancel"' not in junit_report(result, "Lamp")
    failed = {**result, "canceled": {"ok": False, "msg": "No <permission>."}}
    shown = '<property name="cancel" value="The cancel failed: No &lt;permission&gt;." />'
    assert shown in junit_report(failed, "Lamp")


def test_nothing_that_is_not_known_is_called_none():
    result = gated(batch(*failing(1), *waiting(1), module_name=None, status="IN_PROGRESS"))
    assert "None" not in junit_report(result, "Lamp")


def test_long_texts_and_what_xml_cannot_hold():
    result = gated(batch(*failing(1)))
    result["failed_devices"] = result["devices"]
    result["devices"][0].update(device_name="a\x00\x1b\ud800\ufffeb\n" + "c" * 600, detail="x" * 2000)
    root = ET.fromstring(junit_report(result, "Lamp"))
    name = root.findall(".//testcase")[1].get("name")
    assert name == f"ab {'c' * (499 - 7)}…"
    assert root.find(".//system-out").text == "Long texts end with … here; the JSON report has more."


def test_a_name_that_shows_nothing():
    result = gated(batch(*failing(1)))
    result["devices"][0]["device_name"] = "\x00 "
    assert ET.fromstring(junit_report(result, "Lamp")).findall(".//testcase")[1].get("name") == "(blank)"
