# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action that prepares and writes the reports of the role rollout_gate. Ansible's own action renders them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible_collections.iotfleet.ota.plugins.action import rollout_report_files as action

SUFFIXES = {"json": "json", "html": "html"}
PREPARED = {"state": "prepared", "name": "x", "suffixes": SUFFIXES, "marks": ["REPORT"], "previous": ""}


class Renders:
    """Stands in for the action ``template``: it renders the name of the template, and lets another action copy it."""

    def __init__(self, folder, **given):
        self.folder, self.given = folder, given

    def run(self, task_vars):
        args = self.given["task"].args
        rendered = self.folder / "rendered"
        rendered.write_text(f"{args['src']} {args['lstrip_blocks']} {task_vars['word']}")
        task = SimpleNamespace(args={**args, "src": str(rendered)})
        copy = self._shared_loader_obj.action_loader.get("ansible.legacy.copy", task=task, loader=None)
        return copy.run(task_vars=task_vars)


def run(args, template=None, **task_vars):
    task = Task()
    task.args = args
    loader = SimpleNamespace(action_loader=SimpleNamespace(get=template))
    plugin = action.ActionModule(task, mock.MagicMock(), PlayContext(), None, None, None)
    plugin._shared_loader_obj = loader
    return plugin.run(task_vars=task_vars)


def written(folder, template):
    (folder / "reports").mkdir()
    files = {name: f"{folder}/reports/x.{suffix}" for name, suffix in SUFFIXES.items()}
    given = {"state": "written", "files": files, "suffixes": SUFFIXES, "artifacts": {"verdict": "passed"}}
    return run(given, template, word="WORD"), files


def test_prepared_reports_are_named(tmp_path):
    (tmp_path / "x.html").write_text("REPORT of an earlier run")
    result = run({**PREPARED, "folder": str(tmp_path), "formats": ["json"]})
    assert result == {"changed": False, "files": {"json": f"{tmp_path}/x.json"}}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("formats", [None, 1, "json", {"not": "a list"}])
def test_formats_that_are_no_list_are_none(tmp_path, formats):
    (tmp_path / "x.html").write_text("REPORT of an earlier run")
    assert run({**PREPARED, "folder": str(tmp_path), "formats": formats})["files"] == {}
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_prepared_fails_the_task(tmp_path):
    result = run({**PREPARED, "folder": str(tmp_path), "name": "a/b", "formats": []})
    assert (result["failed"], result["files"]) == (True, {})
    assert result["msg"].startswith('rollout_gate_report_name is "a/b", which cannot be the name of a file; ')


def test_reports_are_written_and_artifacts_published(tmp_path):
    result, files = written(tmp_path, lambda _name, **given: Renders(tmp_path, **given))
    stats = {"data": {"verdict": "passed"}, "per_host": False, "aggregate": False}
    assert result == {"changed": False, "problem": "", "ansible_stats": stats}
    assert {name: Path(path).read_text() for name, path in files.items()} == {
        "json": "report.json.j2 True WORD",
        "html": "report.html.j2 True WORD",
    }


class Breaks:
    """A template that cannot be rendered: Ansible raises in some versions, and returns a failure in others."""

    def __init__(self, raises, task):
        self.raises, self.name = raises, task.args["src"]

    def run(self, task_vars):
        if self.raises:
            raise AnsibleError(f"{self.name} is broken.")
        return {"failed": True, "msg": f"{self.name} is broken"}


@pytest.mark.parametrize("raises", [True, False])
def test_what_cannot_be_rendered_is_named_and_the_artifacts_are_published(tmp_path, raises):
    result, files = written(tmp_path, lambda _name, task, **_given: Breaks(raises, task))
    assert result["problem"] == f"The report {files['json']} cannot be written: report.json.j2 is broken."
    assert result["ansible_stats"]["data"] == {"verdict": "passed"}


def test_one_report_that_cannot_be_written_leaves_the_others(tmp_path):
    def template(_name, **given):
        (tmp_path / "reports" / "x.json").mkdir(exist_ok=True)
        return Renders(tmp_path, **given)

    result, files = written(tmp_path, template)
    assert result["problem"] == f"The report {files['json']} cannot be written: Is a directory."
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["x.html", "x.json"]
