# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report files of a gate: none outlives the start of the next run, and no file is removed that may be another's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: Maximum length of a report's name without its suffix, in bytes.
MAX_NAME = 200
#: Maximum number of characters of a name that a message shows.
MAX_SHOWN = 100
FOLDER_MODE = 0o755
FILE_MODE = 0o644
#: What a report that a run resumes from says until the run replaces it. If the run is killed, the next one can resume
#: from it, and nobody takes the verdict of an earlier run for that of this one.
SUPERSEDED: Mapping[str, Any] = {
    "verdict": "inconclusive",
    "final": False,
    "msg": "A later run has begun and has written no report.",
    "reasons": [
        {
            "code": "not_judged",
            "message": "a later run has begun and has written no report",
            "count": None,
            "devices": [],
        }
    ],
    "to_do": ["Run the gate again."],
}


class FolderError(Exception):
    """A report, its folder or its name cannot be used; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Reports(NamedTuple):
    """Where the reports of a gate are: ``folder`` is empty if it writes none.

    ``suffixes`` are those of all formats, and ``formats`` the ones that this run writes. A line that begins with one of
    ``marks`` is in a report and in no other file. ``previous`` is the report to resume from.
    """

    folder: str
    name: str
    suffixes: Mapping[str, str]
    formats: frozenset[str]
    marks: tuple[str, ...] = ()
    previous: str = ""

    def path(self, report_format: str) -> str:
        """The path of the report in one format."""
        return os.path.join(self.folder, f"{self.name}.{self.suffixes[report_format]}")

    @property
    def files(self) -> dict[str, str]:
        """The paths of the reports that this run writes, by format."""
        return {name: self.path(name) for name in self.suffixes if self.folder and name in self.formats}

    @property
    def resumed(self) -> str:
        """The report that this run resumes from and replaces, or nothing."""
        path = self.path("json") if self.folder else ""
        same = path and self.previous and os.path.exists(path) and os.path.realpath(path) == self.previous
        return path if same else ""


def prepare(reports: Reports) -> dict[str, str]:
    """Remove what an earlier run left and this one replaces, and return the paths of the new reports by format."""
    _check_name(reports.name)
    if reports.folder:
        _make_folder(reports.folder)
        _remove_earlier(reports)
        _check_obstacles(reports)
    earlier = _read_previous(reports.previous)
    if reports.resumed:
        _supersede(reports.resumed, earlier)
    return reports.files


def write_report(path: str, content: bytes) -> None:
    """Write the ``content`` of a report, of which nobody ever sees a half."""
    descriptor, unfinished = tempfile.mkstemp(prefix=".rollout-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(unfinished, FILE_MODE)
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[^/\x00-\x1f\x7f]+", name) or len(name.encode(errors="surrogatepass")) > MAX_NAME:
        shown = json.dumps(name if len(name) <= MAX_SHOWN else name[: MAX_SHOWN - 3] + "...")
        raise FolderError(
            f"rollout_gate_report_name is {shown}, which cannot be the name of a file; give up to 200 bytes without a"
            " slash and without the suffix, and name the folder in rollout_gate_report_dir."
        )


def _make_folder(folder: str) -> None:
    if not os.path.exists(folder):
        try:
            os.makedirs(folder)
            os.chmod(folder, FOLDER_MODE)
        except OSError as error:
            raise FolderError(
                f"rollout_gate_report_dir is {folder}, which cannot be created; choose another folder."
            ) from error
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise FolderError(f"rollout_gate_report_dir is {folder}, which is not a writable folder; choose another.")


def _remove_earlier(reports: Reports) -> None:
    """Remove all that can be removed, and complain about the first that cannot."""
    wanted = [path for path in reports.files.values() if os.path.isfile(path) or os.path.islink(path)]
    known = [path for path in map(reports.path, reports.suffixes) if _is_report(path, reports.marks)]
    left: list[str] = []
    for path in dict.fromkeys([*wanted, *known]):
        try:
            if path != reports.resumed:
                os.unlink(path)
        except OSError:
            left.append(path)
    if left:
        raise FolderError(
            f"{left[0]} is in the way and cannot be removed, perhaps because it belongs to another user; choose another"
            " report folder or name."
        )


def _is_report(path: str, marks: tuple[str, ...]) -> bool:
    """Whether a file is known as a report of the role. A link is none."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(line.lstrip().startswith(marks) for line in file)
    except OSError:
        return False


def _check_obstacles(reports: Reports) -> None:
    """A folder, for example, must not be removed with all that is in it."""
    for path in reports.files.values():
        if os.path.lexists(path) and path != reports.resumed:
            raise FolderError(
                f"{path} is in the way of a report and is not a file; choose another report folder or name."
            )


def _read_previous(path: str) -> dict[str, Any]:
    """The report to resume from; a file that does not exist is none."""
    if not path or not os.path.exists(path):
        return {}
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        report = None
    if not _can_resume(report):
        raise FolderError(
            f"rollout_gate_previous names {path}, which is not a JSON report of this role in version 1; give the path"
            " of such a report, or delete the file to start over."
        )
    return dict(report)


def _can_resume(report: Any) -> bool:
    if not isinstance(report, dict):
        return False
    named = report.get("format") == "iotfleet.ota/rollout-report" and report.get("version") == 1
    return named and isinstance(report.get("history"), dict)


def _supersede(path: str, report: Mapping[str, Any]) -> None:
    content = json.dumps({**report, **SUPERSEDED}, ensure_ascii=False)
    try:
        write_report(path, content.encode(errors="surrogatepass"))
    except OSError as error:
        raise FolderError(
            f"{path} cannot be replaced, perhaps because it belongs to another user; choose another report folder or"
            " name."
        ) from error
