# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Imports point one way, and nothing of the collection or from outside the standard library is used."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ota_sim
import pytest

FOLDER = Path(ota_sim.__file__).parent
ORDER = re.findall(r"``(\w+)``", ota_sim.__doc__)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name, True) for name in names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, False
        elif isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)


def test_the_order_names_every_module():
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", ORDER)
def test_imports_point_down(name):
    for imported, relative in imports_of(FOLDER / f"{name}.py"):
        if relative:
            assert imported in ORDER[: ORDER.index(name)], f"{name} imports {imported}"
        else:
            assert not imported.startswith(("ansible", "requests", "xmltodict"))
