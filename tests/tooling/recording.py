# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command on a terminal of 100 columns, and draw the lines of the last gate that it runs, as they came, as SVG.

With a report, also take a picture of its page, if there is a Chromium.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

COLUMNS, ROWS = 100, 40
#: In pixels.
COLUMN, LINE, MARGIN = 8.4, 18, 16
#: How many times as fast as it was.
SPEED = 3.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAGE_SIZE = (1200, 900)
#: The colours of Ansible that a gate uses, by their codes.
COLORS = {"31": "bad", "32": "good", "35": "unclear"}
CODE = re.compile(r"\x1b\[([\d;]*)m")
#: The first line of a gate, and all its lines.
BEGIN = re.compile(r"\d\d:\d\d:\d\d  .*: .*\bdevices?\b.*, times are in ")
GATE = re.compile(r"\d\d:\d\d:\d\d  | {10}\S")
STYLE = """
svg { --back: #ffffff; --text: #24292f; --bad: #b3261e; --good: #1a7f37; --unclear: #8250df }
@media (prefers-color-scheme: dark) {
  svg { --back: #0d1117; --text: #e6edf3; --bad: #ff7b72; --good: #56d364; --unclear: #d2a8ff }
}
rect { fill: var(--back) }
text { fill: var(--text); font: 14px monospace; white-space: pre; animation: appear 0s step-end backwards }
.bad { fill: var(--bad) } .good { fill: var(--good) } .unclear { fill: var(--unclear) }
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { text { animation: none } }
"""


class Line(NamedTuple):
    """What a line shows, how it is coloured, and when it came, in seconds."""

    text: str
    color: str
    moment: float


def read_line(raw: str, moment: float) -> Line:
    """A line of a terminal, whose colour is the first that it sets."""
    codes = (COLORS[code] for match in CODE.findall(raw) for code in match.split(";") if code in COLORS)
    return Line(CODE.sub("", raw).rstrip(), next(codes, ""), moment)


def lines_of_last_gate(lines: Iterable[Line]) -> list[Line]:
    """The lines of the last gate, from its first one on."""
    found: list[Line] = []
    for line in lines:
        if BEGIN.match(line.text):
            found = []
        if GATE.match(line.text):
            found.append(line)
    return found


def draw(lines: Sequence[Line], title: str) -> str:
    """An SVG in which each line appears when its time has come; where nothing moves, all are there."""
    width, height = round(COLUMNS * COLUMN + 2 * MARGIN), len(lines) * LINE + 2 * MARGIN
    begin = lines[0].moment if lines else 0.0
    rows = []
    for number, line in enumerate(lines):
        when = f' style="animation-duration: {(line.moment - begin) / SPEED:.1f}s"'
        kind = f' class="{line.color}"' if line.color else ""
        indent = len(line.text) - len(line.text.lstrip())
        place = f'x="{MARGIN + indent * COLUMN:.1f}" y="{MARGIN + number * LINE + 13}"'
        size = f'textLength="{(len(line.text) - indent) * COLUMN:.1f}" lengthAdjust="spacingAndGlyphs"'
        rows.append(f"<text {place} {size}{kind}{when}>{escape(line.text.lstrip())}</text>")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img"'
            ' xml:space="preserve">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{width}" height="{height}" rx="8"/>',
            *rows,
            "</svg>\n",
        ]
    )


def run(command: Sequence[str], show: Callable[[str], object]) -> tuple[int, list[Line]]:
    """Run a command on a terminal of its own, and show what it writes at once; its exit code and its lines."""
    begin, lines = time.monotonic(), []
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=there, stderr=there, env=environment) as process:
        os.close(there)
        with open(here, encoding="utf-8", errors="replace", newline="\n") as terminal:
            try:
                for raw in terminal:
                    show(raw)
                    lines.append(read_line(raw.rstrip("\r\n"), time.monotonic() - begin))
            except OSError:  # nobody writes to the terminal any more
                pass
    return process.returncode, lines


def take_picture(page: Path, picture: Path) -> str:
    """Why there is no picture of the page; nothing if there is one."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        return "No picture of the report was taken: there is no Chromium."
    options = ["--headless", "--disable-gpu", "--hide-scrollbars", f"--window-size={PAGE_SIZE[0]},{PAGE_SIZE[1]}"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    command = [browser, *options, f"--screenshot={picture}", page.resolve().as_uri()]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    return "" if done.returncode == 0 and picture.exists() else f"No picture of the report was taken: {browser} failed."


def main(arguments: Sequence[str]) -> int:
    """Run the command, write the recording, and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args(arguments)
    colored = sys.stdout.isatty()

    def show(text: str) -> None:
        print(text if colored else CODE.sub("", text).replace("\r\n", "\n"), end="", flush=True)

    code, lines = run(given.command, show)
    gate = lines_of_last_gate(lines)
    if gate:
        given.svg.write_text(draw(gate, "The lines of a gate, three times as fast as they came"), encoding="utf-8")
        print(f"A recording of the gate's lines is in {given.svg}.")
    if given.page and given.page.exists():
        picture = given.page.with_suffix(".png")
        print(take_picture(given.page, picture) or f"A picture of the report is in {picture}.")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
