# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recording of a gate's lines: which ones it has, in which colours, and that its picture is one."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest
from ansible_collections.iotfleet.ota.tests.tooling import recording

CANARY = ["10:00:00  Canary: 1 device, times are in UTC", "10:00:09  Canary  PASSED  100 %"]
FLEET = [
    "10:01:00  A & <b>: 40 devices, times are in UTC",
    "          limits: 2 may fail (max_failed)",
    "10:01:09  A & <b>  FAILED  95 %",
]
OTHERS = ["TASK [Wait] ****", "", "ok: [localhost] => {", '    "msg": [', "         nine spaces", "localhost : ok=3"]


@pytest.mark.parametrize(
    ("raw", "text", "color"),
    [
        ("plain  ", "plain", ""),
        ("\x1b[0;31m10:00  failed\x1b[0m", "10:00  failed", "bad"),
        ("\x1b[0;32mok\x1b[0m", "ok", "good"),
        ("\x1b[1;35mwarning\x1b[0m", "warning", "unclear"),
        ("\x1b[0;36mskipping\x1b[0m", "skipping", ""),
    ],
)
def test_colours_are_read(raw, text, color):
    assert recording.read_line(raw, 1.5) == (text, color, 1.5)


def test_only_the_last_gate_is_recorded():
    lines = [recording.Line(text, "", 0.0) for text in [*OTHERS, *CANARY, *OTHERS, *FLEET, *OTHERS]]
    assert [line.text for line in recording.lines_of_last_gate(lines)] == FLEET
    assert recording.lines_of_last_gate([recording.Line(text, "", 0.0) for text in OTHERS]) == []


def test_the_picture_has_text_and_no_script():
    lines = [recording.Line(text, "bad" if "FAILED" in text else "", moment) for text, moment in zip(FLEET, (5, 5, 14))]
    drawn = recording.draw(lines, "A & B")
    root = ElementTree.fromstring(drawn)
    texts = root.findall("{*}text")
    assert [text.text for text in texts] == [text.strip() for text in FLEET]
    assert [text.get("x") for text in texts] == ["16.0", "100.0", "16.0"]
    assert [text.get("class") for text in texts] == [None, None, "bad"]
    assert [text.get("style") for text in texts] == [f"animation-duration: {end}s" for end in ("0.0", "0.0", "3.0")]
    assert root.findtext("{*}title") == "A & B"
    assert {element.tag.partition("}")[2] for element in root.iter()} == {"svg", "title", "style", "rect", "text"}
    assert "prefers-color-scheme: dark" in drawn


def test_a_command_runs_on_a_terminal_of_100_columns():
    program = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns); sys.exit(3)"
    shown: list[str] = []
    code, lines = recording.run([sys.executable, "-c", program], shown.append)
    assert (code, [line.text for line in lines], shown) == (3, ["True 100"], ["True 100\r\n"])


def test_a_recording_passes_the_exit_code_on(tmp_path, capsys):
    program = f"print({chr(10).join(FLEET)!r}); raise SystemExit(2)"
    svg = tmp_path / "gate.svg"
    assert recording.main(["--svg", str(svg), "--", sys.executable, "-c", program]) == 2
    assert capsys.readouterr().out == "\n".join([*FLEET, f"A recording of the gate's lines is in {svg}.\n"])
    assert len(ElementTree.parse(svg).getroot().findall("{*}text")) == 3


def test_without_a_browser_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(recording.shutil, "which", lambda _name: None)
    page = tmp_path / "page.html"
    page.write_text("<p>report</p>")
    said = recording.take_picture(page, tmp_path / "page.png")
    assert said == "No picture of the report was taken: there is no Chromium."


@pytest.mark.parametrize(("body", "why"), [("exit 1", "failed."), ('touch "${5#--screenshot=}"', "")])
def test_the_browser_takes_the_picture(tmp_path, monkeypatch, body, why):
    browser = tmp_path / "chromium"
    browser.write_text(
        f'#!/bin/sh\nfor last do case $last in --screenshot=*) set -- 1 2 3 4 "$last";; esac; done\n{body}\n'
    )
    browser.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = recording.take_picture(tmp_path / "page.html", tmp_path / "page.png")
    assert said == (f"No picture of the report was taken: {browser} {why}" if why else "")
