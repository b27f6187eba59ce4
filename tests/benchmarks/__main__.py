# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures and prints; with all parts, also writes the figures into the guide. Parts can be named as arguments."""

from __future__ import annotations

import os
import pathlib
import platform
import sys
import time
from importlib.metadata import version

from . import big_fleet, gate_end, growth, proof, quota, script, single, whole_fleet
from .common import Figure

PARTS = {
    "single": single,
    "growth": growth,
    "fleet": whole_fleet,
    "quota": quota,
    "end": gate_end,
    "proof": proof,
    "script": script,
    "big": big_fleet,
}
PAGE = pathlib.Path("docs", "docsite", "rst", "benchmarks.rst")
BEGIN, END = ".. figures begin\n", ".. figures end\n"
PACKAGES = (
    "ansible-core",
    "requests",
    "aliyun-python-sdk-core",
    "alibabacloud-iot20180120",
    "alibabacloud-tea-openapi",
)


def words(figure: Figure) -> tuple[str, str, str]:
    """The target, the ratio, and whether it is met."""
    sign = "≥" if figure.at_least else "≤"
    digits = 0 if figure.unit else (1 if figure.at_least else 2)
    return (
        f"{sign} {figure.target:g}{figure.unit}",
        f"{figure.ratio:.{digits}f}{figure.unit}",
        "yes" if figure.met else "no",
    )


def table(figures: list[Figure]) -> str:
    """The figures as a table, with what was measured below it."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 40 35 10 10 5",
        "",
    ]
    for row in [("Work", "Against", "Target", "Measured", "Met"), *((f.work, f.against, *words(f)) for f in figures)]:
        lines += [f"   {'-' if number else '* -'} {cell}".replace("   -", "     -") for number, cell in enumerate(row)]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs shared with others"
    when = time.strftime("%Y-%m-%d", time.gmtime())
    lines += ["", f"Measured on {when} on {machine}, Python {platform.python_version()}, with", ""]
    lines += [f"- {name} {version(name)}" for name in PACKAGES]
    lines += ["", "All values behind the medians, in the order of the rows:", ""]
    lines += [f"#. {figure.measured}." for figure in figures]
    return "\n".join([*lines, ""])


def main(names: list[str]) -> None:
    figures: list[Figure] = []
    for name in names or PARTS:
        for figure in PARTS[name].figures():
            target, ratio, met = words(figure)
            print(
                f"{figure.work}\n  against {figure.against}: {ratio}, target {target}: {met}\n  {figure.measured}",
                flush=True,
            )
            figures.append(figure)
    if not names:
        text = PAGE.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN)
        tail = rest.split(END)[1]
        PAGE.write_text(f"{head}{BEGIN}\n{table(figures)}\n{END}{tail}", encoding="utf-8")
        print(f"The figures stand in {PAGE}.")


if __name__ == "__main__":
    main(sys.argv[1:])
