# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write into README.md what nox's report says of each ansible-core and Python, if nothing failed."""

import json
import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent.parent / "README.md"
BLOCK = re.compile(r"(?<=<!-- matrix -->\n).*(?=<!-- end of matrix -->)", re.DOTALL)
CELL = re.compile(r"matrix\((?P<core>[\d.]+)-(?P<modules>[\d.]+)-(?P<controller>[\d.]+)\)")


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main() -> None:
    sessions = json.loads(Path(sys.argv[1]).read_text())["sessions"]
    failed = [session["signatures"][0] for session in sessions if session["result"] not in ("success", "skipped")]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    words = {}
    for session in sessions:
        cell = CELL.fullmatch(session["signatures"][0])
        tried = "gate, modules" if cell["controller"] == cell["modules"] else "modules"
        words[cell["core"], cell["modules"]] = tried if session["result"] == "success" else "not tried"
    cores = sorted({core for core, _modules in words}, key=number)
    pythons = sorted({modules for _core, modules in words}, key=number)
    rows = [
        ["ansible-core", *(f"Python {python}" for python in pythons)],
        ["---"] * (1 + len(pythons)),
        *([core, *(words.get((core, python), "") for python in pythons)] for core in cores),
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    text = README.read_text(encoding="utf-8")
    if len(BLOCK.findall(text)) != 1:
        sys.exit("README.md has no place for the matrix")
    README.write_text(BLOCK.sub(lambda _block: table, text), encoding="utf-8")
    print(table)


main()
