# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files a run removes before it begins, which it leaves, and what it says of those that are in its way."""

from __future__ import annotations

import json
import os
import stat

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._files import report_folder
from ansible_collections.iotfleet.ota.plugins.plugin_utils._files.report_folder import FolderError, Reports, prepare

SUFFIXES = {"json": "json", "markdown": "md", "html": "html", "dotenv": "env"}
MARKS = ('{"format": "iotfleet', '"format": "iotfleet', "ROLLOUT_GATE_VERDICT=")
REPORT = {"format": "iotfleet.ota/rollout-report", "version": 1, "history": {"a": 1}, "verdict": "passed", "polls": 3}


def reports(folder, name="x", formats=("json", "html"), previous=""):
    return Reports(str(folder), name, SUFFIXES, frozenset(formats), MARKS, str(previous))


def complaint(given):
    with pytest.raises(FolderError) as caught:
        prepare(given)
    return caught.value.message


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_those_of_the_formats(tmp_path):
    assert prepare(reports(tmp_path)) == {"json": f"{tmp_path}/x.json", "html": f"{tmp_path}/x.html"}
    assert prepare(reports("")) == {}


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/b", '"a/b"'), ("", '""'), ("a\nb", '"a\\nb"'), ("a\n", '"a\\n"'), ("é" * 101, '"' + "\\u00e9" * 97 + '..."')],
)
@pytest.mark.parametrize("folder", ["", "reports"])
def test_a_name_that_is_none_is_refused_even_without_a_folder(name, shown, folder):
    assert complaint(reports(folder, name)) == (
        f"rollout_gate_report_name is {shown}, which cannot be the name of a file; give up to 200 bytes without a slash"
        " and without the suffix, and name the folder in rollout_gate_report_dir."
    )


def test_a_name_may_have_two_hundred_bytes(tmp_path):
    assert prepare(reports(tmp_path, "é" * 100))


def test_the_folder_is_made(tmp_path):
    prepare(reports(tmp_path / "a" / "b"))
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").symlink_to("nowhere")
    assert complaint(reports(tmp_path / "file")) == (
        f"rollout_gate_report_dir is {tmp_path}/file, which is not a writable folder; choose another."
    )
    for name in ("file/b", "broken"):
        assert complaint(reports(tmp_path / name)) == (
            f"rollout_gate_report_dir is {tmp_path / name}, which cannot be created; choose another folder."
        )


def test_reports_of_all_formats_are_removed_and_files_that_are_none_stay(tmp_path):
    (tmp_path / "x.json").write_text("mine")  # in the way
    (tmp_path / "x.env").write_text("\n  ROLLOUT_GATE_VERDICT=passed\n")
    (tmp_path / "x.md").write_text("mine: ROLLOUT_GATE_VERDICT=passed\n")
    (tmp_path / "y.env").write_text("ROLLOUT_GATE_VERDICT=passed\n")
    prepare(reports(tmp_path))
    assert names_in(tmp_path) == ["x.md", "y.env"]


def test_links_are_replaced_but_not_followed(tmp_path):
    (tmp_path / "y").write_text("ROLLOUT_GATE_VERDICT=passed\n")
    (tmp_path / "x.json").symlink_to("y")
    (tmp_path / "x.html").symlink_to("nowhere")
    (tmp_path / "x.env").symlink_to("y")  # of another format, so nobody knows what it is
    prepare(reports(tmp_path))
    assert names_in(tmp_path) == ["x.env", "y"]


def test_a_folder_in_the_way_is_refused_and_kept(tmp_path):
    (tmp_path / "x.html").mkdir()
    (tmp_path / "x.md").mkdir()
    (tmp_path / "x.json").write_text("")
    assert complaint(reports(tmp_path)) == (
        f"{tmp_path}/x.html is in the way of a report and is not a file; choose another report folder or name."
    )
    assert names_in(tmp_path) == ["x.html", "x.md"]


def test_what_cannot_be_removed_stops_nothing_else(tmp_path, monkeypatch):
    for name in ("x.json", "x.html"):
        (tmp_path / name).write_text("")
    unlink = os.unlink

    def refuse(path):
        if path.endswith(".json"):
            raise PermissionError(1, "Operation not permitted")
        unlink(path)

    monkeypatch.setattr(report_folder.os, "unlink", refuse)
    assert complaint(reports(tmp_path)) == (
        f"{tmp_path}/x.json is in the way and cannot be removed, perhaps because it belongs to another user; choose"
        " another report folder or name."
    )
    assert names_in(tmp_path) == ["x.json"]


def test_the_report_to_resume_from_loses_its_verdict_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**REPORT, "title": "客厅"}), encoding="utf-8")
    prepare(reports(tmp_path, previous=path))
    marked = json.loads(path.read_text(encoding="utf-8"))
    assert marked == {**REPORT, "title": "客厅", **report_folder.SUPERSEDED}
    assert path.read_text(encoding="utf-8").startswith('{"format": "iotfleet')
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert names_in(tmp_path) == ["x.json"]


def test_the_report_of_another_run_is_not_touched(tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(REPORT))
    prepare(reports(tmp_path, previous=kept))
    assert json.loads(kept.read_text()) == REPORT
    prepare(reports(tmp_path, previous=tmp_path / "missing.json"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 100_000,
        "\xff",
        json.dumps({**REPORT, "version": 2}),
        json.dumps({**REPORT, "history": None}),
        json.dumps({"version": 1, "history": {}}),
    ],
)
def test_a_file_that_is_no_report_cannot_be_resumed_from(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    assert complaint(reports(tmp_path, previous=path)) == (
        f"rollout_gate_previous names {path}, which is not a JSON report of this role in version 1; give the path of"
        " such a report, or delete the file to start over."
    )


def test_a_report_that_cannot_be_replaced_is_refused_and_leaves_no_half(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(REPORT))

    def refuse(_from, _to):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(report_folder.os, "replace", refuse)
    assert complaint(reports(tmp_path, previous=path)) == (
        f"{path} cannot be replaced, perhaps because it belongs to another user; choose another report folder or name."
    )
    assert names_in(tmp_path) == ["x.json"]
    assert json.loads(path.read_text()) == REPORT
