# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_report
short_description: What a report says about an OTA rollout, for a template
version_added: 0.3.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Turns the result of P(iotfleet.ota.ota_rollout_gate#module) into the sentences, tables and bars that
    P(iotfleet.ota.rollout_gate#role) shows on its page, so that templates of your own need no logic.
  - Values that are missing from the result, or have an undocumented type, are left out.
  - Texts come from the service and its devices. They contain no control characters, but are not escaped. Escape them as
    your format requires.
options:
  _input:
    description: The result of P(iotfleet.ota.ota_rollout_gate#module), or the content of a JSON report.
    type: dict
    required: true
  title:
    description: What people call the rollout. By default, the title in the result.
    type: str
  files:
    description: The paths of the reports by format, as in C(rollout_gate_report_files).
    type: dict
    default: {}
  links:
    description:
      - The links to show, as in the option O(iotfleet.ota.rollout_gate#role:main:rollout_gate_links) of the role.
      - A link that begins with neither C(https://) nor C(http://) is left out, and RV(_value.link_problem) says so.
    type: raw
    default: []
seealso:
  - plugin: iotfleet.ota.ota_rollout_gate
    plugin_type: module
  - plugin: iotfleet.ota.rollout_gate
    plugin_type: role
"""

EXAMPLES = r"""
- name: Judge a rollout without failing
  iotfleet.ota.ota_rollout_gate:
    job_id: "{{ ota_job_id }}"
    mode: report
  register: gate

- name: Show the limits, and what to do
  ansible.builtin.debug:
    msg: "{{ report.limits | map(attribute='text') | list + report.to_do }}"
  vars:
    report: "{{ gate | iotfleet.ota.rollout_report }}"
"""

RETURN = r"""
_value:
  description:
    - What to show. Widths and places are in percent, and numbers of devices are texts such as V(2,000).
  type: dict
  contains:
    title:
      description: What people call the rollout.
      type: str
      sample: Lamp 2.4.1
    verdict:
      description: The verdict, as the gate returns it.
      type: str
      sample: timed_out
    word:
      description: The verdict for people.
      type: str
      sample: Timed out
    headline:
      description: The reasons, each with its sentence as C(text) and the first devices as C(names).
      type: list
      elements: dict
    facts:
      description: When the rollout was watched, each with a C(name) and a C(value).
      type: list
      elements: dict
    tiles:
      description:
        - The devices in each state, with the state that the verdict is about first. Each has C(group), C(name),
          C(number), C(share), C(note), C(decided), C(broken), and its own RV(_value.limits).
      type: list
      elements: dict
    not_counted:
      description:
        - How many devices are left out of the count, and that the numbers are older than the last poll if it failed;
          empty if neither is so.
      type: str
    to_do:
      description: What to do, in sentences.
      type: list
      elements: str
      sample: ["Find the cause, and repeat the update with a new batch."]
    running:
      description: How many devices still get the update; empty if there are none.
      type: str
    canceled:
      description: What the role canceled, or that it could not; empty if it did not try.
      type: str
    failure:
      description: Why the last poll failed, each with a C(name) and a C(value).
      type: list
      elements: dict
    causes:
      description:
        - Why devices failed or are unfinished. Each has the C(state), its C(heading), the C(total) of devices, and
          C(rows) with C(text), C(class), C(count), C(share), C(width) and C(names).
      type: list
      elements: dict
    batches:
      description:
        - The table of batches, with C(columns), C(rows), C(total), and C(shared), a sentence about what the batches
          share. A column has C(key), C(name) and C(is_number). A row has a text for each key, and C(id),
          C(failed_share) and C(bar).
      type: dict
    devices:
      description:
        - The tables of failed and unfinished devices, each with C(state), C(heading), C(total), C(columns), C(rows) and
          C(left_out).
      type: list
      elements: dict
    notes:
      description: The notes of the gate as sentences.
      type: list
      elements: str
    limits:
      description:
        - The bounds that apply, with the deciding bound first. Each has C(name), C(group), C(text), C(number),
          C(measured), C(compared), C(level), C(level_words), C(decided), C(width) and C(mark).
      type: list
      elements: dict
    has_measured:
      description: Whether the result contains measured values.
      type: bool
    options:
      description: The other options that decided, each with a C(name) and a C(value).
      type: list
      elements: dict
    total:
      description: Number of devices that count.
      type: str
      sample: 2,000
    chart:
      description:
        - The devices by state over time, with C(areas), C(gaps), C(levels), C(ticks), C(deadline), C(beyond), C(text)
          and C(rows). If nothing changed, it has only C(bar) and C(text). V(null) if no device was ever counted.
      type: dict
    links:
      description: The links that may be shown, each with C(title) and C(url).
      type: list
      elements: dict
    link_problem:
      description: What is wrong with O(links); empty if nothing is.
      type: str
    files:
      description: The reports for programs, each with C(format), C(name) and C(href), which is relative.
      type: list
      elements: dict
    is_cut:
      description: Whether any text ends early with C(…).
      type: bool
    version:
      description: The version of this collection; empty if it is not known.
      type: str
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..plugin_utils._page.page import page_of


def rollout_report(result: Any, title: Any = None, files: Any = None, links: Any = None) -> dict[str, Any]:
    """What a report says about the ``result`` of a gate."""
    if not isinstance(result, Mapping):
        raise AnsibleFilterError(
            "iotfleet.ota.rollout_report: the input is not a dictionary; give the result of ota_rollout_gate."
        )
    return {**page_of(result, title, files, links), "version": collection_version(Path(__file__).resolve().parents[2])}


@lru_cache
def collection_version(root: Path) -> str:
    """The version of the collection in a folder, installed or checked out; empty if nothing there says it."""
    manifest, source = root / "MANIFEST.json", root / "galaxy.yml"
    try:
        if manifest.is_file():
            return str(json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"])
        found = re.search(r"^version: *([\w.+-]+)", source.read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return found[1] if found else ""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"rollout_report": rollout_report}
