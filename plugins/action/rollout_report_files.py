# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report files of the role rollout_gate, on the controller; the module of the same name documents it.

One task instead of several for each file. It runs in check mode too and never changes anything: a report is a record of
the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils._files.report_folder import FolderError, Reports, prepare, write_report


class ActionModule(ActionBase):
    """Removes the reports of an earlier run, or writes those of this one."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module of the same name documents."""
        super().run(tmp, task_vars)
        given = self._task.args
        if given.get("state") == "prepared":
            return _prepared(given)
        problem = self._write(given["files"], given["suffixes"], task_vars or {})
        stats = {"data": dict(given["artifacts"]), "per_host": False, "aggregate": False}
        return {"changed": False, "problem": problem, "ansible_stats": stats}

    def _write(self, files: Mapping[str, str], suffixes: Mapping[str, str], task_vars: dict[str, Any]) -> str:
        """Write each report, and return what is wrong with the first that cannot be written."""
        unwritten = []
        for name, path in files.items():
            try:
                self._render(f"report.{suffixes[name]}.j2", path, task_vars)
            except (OSError, AnsibleError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).rstrip(".")
                unwritten.append(FolderError(f"The report {path} cannot be written: {reason}."))
        return unwritten[0].message if unwritten else ""

    def _render(self, template: str, path: str, task_vars: dict[str, Any]) -> None:
        """Let Ansible's own action render the template, but write the file at once, without a module."""
        task = self._task.copy()
        task.args = {"src": template, "dest": path, "lstrip_blocks": True}
        action: Any = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.template",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        # Where it looks for the action that copies; some versions of ansible-core ignore the argument above.
        copies = SimpleNamespace(get=lambda _name, **given: _Copy(given["task"].args))
        action._shared_loader_obj = SimpleNamespace(action_loader=copies)
        result = action.run(task_vars=task_vars)
        if result.get("failed"):
            raise AnsibleError(str(result.get("msg")))


class _Copy:
    """Stands in for the action that copies what was rendered to a host."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._args = args

    def run(self, task_vars: object) -> dict[str, Any]:
        """Write the report."""
        write_report(str(self._args["dest"]), Path(self._args["src"]).read_bytes())
        return {}


def _prepared(given: Mapping[str, Any]) -> dict[str, Any]:
    formats = given["formats"] if isinstance(given["formats"], (list, tuple, dict)) else ()
    reports = Reports(
        str(given["folder"]),
        str(given["name"]),
        given["suffixes"],
        frozenset(str(name) for name in formats),
        tuple(given["marks"]),
        str(given["previous"]),
    )
    try:
        return {"changed": False, "files": prepare(reports)}
    except FolderError as error:
        return {"failed": True, "msg": error.message, "files": {}}
