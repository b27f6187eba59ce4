# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_export
short_description: A report on an OTA rollout as Markdown, JUnit, CSV or metrics
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Turns the result of P(iotfleet.ota.ota_rollout_gate#module) into the text of a report. The role
    P(iotfleet.ota.rollout_gate#role) writes its reports with it.
  - Names and texts of devices are escaped as each format requires, and cut if they are too long.
positional: format
options:
  _input:
    description:
      - The result of the gate, or the JSON report of the role, which contains it.
    type: dict
    required: true
  format:
    description:
      - V(markdown) is for the summary of a job. It is less than 1 MiB long.
      - V(junit) is XML for the test results of a CI system.
      - V(csv) is a table of devices, one per line. If the result lists all devices, it has all of them. Otherwise, it
        has up to 1,000 failed and up to 1,000 unfinished ones. A cell that a spreadsheet could take for a formula,
        because it begins with C(=), C(+), C(-), C(@), a tab or a carriage return, starts with an apostrophe.
      - V(metrics) is text for the textfile collector of node_exporter, for OpenMetrics and for metrics reports of
        GitLab.
    type: str
    required: true
    choices:
      - csv
      - junit
      - markdown
      - metrics
  title:
    description:
      - What people call the rollout. By default, the C(title) of the result.
    type: str
  links:
    description:
      - The links to show in V(markdown), as in the option O(iotfleet.ota.rollout_gate#role:main:rollout_gate_links) of
        the role. Nothing else in that report becomes a link.
    type: raw
    default: []
seealso:
  - plugin: iotfleet.ota.ota_rollout_gate
    plugin_type: module
"""

EXAMPLES = r"""
- name: Judge the rollout once
  iotfleet.ota.ota_rollout_gate:
    job_ids: "{{ ota_job_id }}"
    wait: false
    mode: report
  register: gate

- name: Show its numbers to Prometheus
  ansible.builtin.copy:
    content: "{{ gate | iotfleet.ota.rollout_export('metrics', title='Lamp Pro 2.4.1') }}"
    dest: rollout.prom
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The text of the report, which ends with a line break.
  type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..plugin_utils._export.devices_csv import csv_report
from ..plugin_utils._export.junit import junit_report
from ..plugin_utils._export.markdown import markdown_report
from ..plugin_utils._export.metrics import metrics_report
from ..plugin_utils._result.links import read_links

Links = Sequence[Mapping[str, str]]

FORMATS: Mapping[str, Callable[[Mapping[str, Any], str, Links], str]] = {
    "csv": lambda result, _title, _links: csv_report(result),
    "junit": lambda result, title, _links: junit_report(result, title),
    "markdown": markdown_report,
    "metrics": lambda result, title, _links: metrics_report(result, title),
}


def rollout_export(result: Any, format: str, title: str | None = None, links: Any = None) -> str:
    """The report in a format on the ``result`` of a gate."""
    if format not in FORMATS:
        raise AnsibleFilterError(f"iotfleet.ota.rollout_export: choose the format from {', '.join(FORMATS)}.")
    shown_links, problem = read_links(links)
    if problem:
        raise AnsibleFilterError(f"iotfleet.ota.rollout_export: links {problem}.")
    try:
        return FORMATS[format](result, str(title or result.get("title") or "OTA rollout"), shown_links)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise AnsibleFilterError(
            "iotfleet.ota.rollout_export: the input is no result of the gate; give what iotfleet.ota.ota_rollout_gate"
            " returned, or the JSON report."
        ) from None


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"rollout_export": rollout_export}
