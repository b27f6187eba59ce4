#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_report_files
short_description: Prepare and write the report files of the role rollout_gate, for that role only
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Steps of the role P(iotfleet.ota.rollout_gate#role). Do not use this module directly; it may change at any time.
  - It removes the reports of an earlier run, or writes those of this one and publishes the artifacts.
  - This is an action plugin. It runs on the controller, and the target host is never contacted.
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  check_mode:
    description: Can run in C(check_mode) and does the same, because a report is a record of the run.
    support: full
  diff_mode:
    description: Will return details on what has changed, or possibly needs changing, in diff mode.
    support: N/A
    details:
      - A report is not a change.
options:
  state:
    description:
      - With V(prepared), check folder, name and O(previous), and remove the reports of an earlier run.
      - With V(written), write the reports from the templates of the role, and publish O(artifacts).
    type: str
    choices:
      - prepared
      - written
    required: true
  suffixes:
    description: The suffix of each format.
    type: dict
    required: true
  folder:
    description: With O(state=prepared), the report folder; empty for no reports.
    type: path
  name:
    description: With O(state=prepared), the name of the reports without their suffix.
    type: str
  formats:
    description: With O(state=prepared), the formats that this run writes. Values of other types are ignored.
    type: raw
  marks:
    description: With O(state=prepared), texts. A file is a report if one of its lines begins with one of them.
    type: list
    elements: str
  previous:
    description: With O(state=prepared), the JSON report to resume from; empty for none.
    type: path
  files:
    description: With O(state=written), the path of the report in each format.
    type: dict
  artifacts:
    description: With O(state=written), the values that C(set_stats) publishes.
    type: dict
"""

EXAMPLES = r"""
- name: Remove the reports of an earlier run, as the role rollout_gate does
  iotfleet.ota.rollout_report_files:
    state: prepared
    folder: reports
    name: rollout-gate
    formats: [json, html]
    suffixes:
      json: json
      html: html
    marks:
      - '"format": "iotfleet.ota/rollout-report"'
      - <footer>Written by the role iotfleet.ota.rollout_gate
    previous: ""
"""

RETURN = r"""
files:
  description: The path of the report in each format.
  type: dict
  returned: with O(state=prepared)
  sample:
    html: /srv/reports/rollout-gate.html
problem:
  description: Why the first report that could not be written could not; empty if all were written.
  type: str
  returned: with O(state=written)
  sample: "The report /srv/reports/rollout-gate.html cannot be written: No space left on device."
"""
