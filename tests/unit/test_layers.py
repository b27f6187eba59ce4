# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the plugins' imports against the layers they belong to, and keeps the API's own words in one file."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"

# Which files of module_utils each file of module_utils, and each other folder of plugins, may import.
MAY_IMPORT = {
    "_errors": "",
    "_operations": "_errors",
    "_pacing": "",
    "_signer": "",
    "_credentials": "_errors _threads",
    "_facts": "_errors _operations",
    "_threads": "",
    "_transport": "_errors _threads",
    "_request": "_credentials _operations _signer",
    "_vendor": "_credentials _errors",
    "_metadata": "_argspec _credentials _errors _transport",
    "_ways": "_credentials _metadata _vendor",
    "_profiles": "_credentials _errors _metadata _vendor _ways",
    "_credential_sources": "_credentials _errors _metadata _profiles _vendor _ways",
    "_policy": "_argspec _operations",
    "_standing": "_errors _operations _policy",
    "_answered": "_errors _standing",
    "_memory": "_argspec _errors _policy _standing",
    "_verdict": "_memory _operations _policy _standing",
    "_answers": "_errors _facts _operations _transport",
    "_client": "_answers _credentials _errors _facts _operations _pacing _request _transport",
    "_evidence": "_client _facts _operations",
    "_argspec": "_errors _operations",
    "_watch": "_client _evidence _facts _operations _standing",
    "_preflight": "_client _errors _evidence _operations _policy",
    "_progress": "_policy _standing _verdict",
    "_gate": "_argspec _client _errors _memory _policy _progress _standing _threads _verdict _watch",
    "_events": "_gate _operations _standing _verdict",
    "_connection": "_argspec _client _credential_sources _credentials _operations _pacing _request _transport",
    "_module": "_argspec _client _connection _errors",
    "action": "_argspec _connection _errors _gate",
    "doc_fragments": "",
    "filter": "_answered _argspec _errors _memory _policy _verdict",
    "modules": "_argspec _client _evidence _facts _module _operations _preflight _standing _watch",
    "test": "_errors _verdict",
}

# Which packages beyond the standard library each of them may import; none is the rule.
MAY_REQUIRE = {
    "_facts": "xmltodict",
    "_transport": "requests urllib3",
    "_vendor": "Tea alibabacloud_credentials",
    "_connection": "ansible",
    "_module": "ansible",
    "action": "ansible",
    "filter": "ansible",
    "test": "ansible",
}

# Which of the API's names each of them may spell all the same: those that mark a secret.
MAY_SPELL = {
    "_errors": "AccessKeyId SecurityToken",
}

OPERATIONS = PLUGINS / "module_utils" / "_operations.py"


def name_of(path: Path) -> str:
    """Return the file's row of the tables."""
    return path.stem if path.parent.name == "module_utils" else path.relative_to(PLUGINS).parts[0]


def imports_of(path: Path) -> set[str]:
    """Return the full dotted names of what a file imports, wherever in the file."""
    package = ["ansible_collections", "iotfleet", "ota", *path.relative_to(ROOT).parent.parts]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            names.update(f"{origin}.{alias.name}" for alias in node.names)
    return names


def layers_of(imports: set[str]) -> set[str]:
    """Return which files of our module_utils are among the imports, and the whole name of what else is ours."""
    ours = [name for name in imports if name.startswith("ansible_collections.")]
    prefix = "ansible_collections.iotfleet.ota.plugins.module_utils."
    return {name[len(prefix) :].split(".")[0] if name.startswith(prefix) else name for name in ours}


def packages_of(imports: set[str]) -> set[str]:
    """Return which packages beyond the standard library are among the imports."""
    return {name.split(".")[0] for name in imports} - sys.stdlib_module_names - {"ansible_collections"}


def is_documentation(node: ast.AST) -> bool:
    """Tell docstrings and the texts that ansible-doc shows, which may use any word."""
    if isinstance(node, ast.Assign):
        return getattr(node.targets[0], "id", None) in {"DOCUMENTATION", "EXAMPLES", "RETURN"}
    return isinstance(node, ast.Expr)


def texts_of(path: Path) -> list[str]:
    """Return the texts in a file's code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if is_documentation(node)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    return [node.value for node in constants if isinstance(node.value, str)]


def wire_names() -> set[str]:
    """Return the API's names of actions, parameters and fields: capitalised words of several parts."""
    return {text for text in texts_of(OPERATIONS) if re.fullmatch(r"[A-Z][a-z]+[A-Z][A-Za-z]*", text)}


def plugin_names() -> set[str]:
    """Return the names by which roles and playbooks may call what the collection offers."""
    folders = ("action", "filter", "modules", "test")
    return {path.stem for folder in folders for path in (PLUGINS / folder).glob("*.*") if path.stem != "__init__"}


def each(paths: Iterable[Path]) -> list[Any]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in sorted(paths)]


SOURCES = set(PLUGINS.rglob("*.py"))
CODE = {path for path in SOURCES if name_of(path) != "doc_fragments"} - {OPERATIONS}
CONTENT = {path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.y*ml")}


@pytest.mark.parametrize("path", each(SOURCES))
def test_every_file_belongs_to_a_layer(path: Path) -> None:
    assert name_of(path) in MAY_IMPORT, f"give {path.name} a row in MAY_IMPORT"


@pytest.mark.parametrize("path", each(SOURCES))
def test_imports_point_downwards(path: Path) -> None:
    surplus = layers_of(imports_of(path)) - set(MAY_IMPORT[name_of(path)].split())
    assert not surplus, f"{path.name} may not import {', '.join(sorted(surplus))}"


@pytest.mark.parametrize("path", each(SOURCES))
def test_packages_are_required_where_they_belong(path: Path) -> None:
    surplus = packages_of(imports_of(path)) - set(MAY_REQUIRE.get(name_of(path), "").split())
    assert not surplus, f"{path.name} may not import {', '.join(sorted(surplus))}"


def test_wire_names_are_known() -> None:
    assert {"JobId", "QueryOTAJob", "TaskStatusList"} <= wire_names()


@pytest.mark.parametrize("path", each(CODE))
def test_wire_names_are_spelled_in_one_file(path: Path) -> None:
    words = set(re.findall(r"\w+", " ".join(texts_of(path))))
    surplus = words & wire_names() - set(MAY_SPELL.get(name_of(path), "").split())
    assert not surplus, f"{path.name} spells {', '.join(sorted(surplus))}, which belongs into {OPERATIONS.name}"


@pytest.mark.parametrize("path", each(CONTENT))
def test_plugins_are_called_by_their_full_names(path: Path) -> None:
    names = "|".join(sorted(plugin_names()))
    call = re.compile(rf"^\s*(?:- )?(?:{names}):|(?:\||\bis|\bis not)\s+(?:{names})\b", re.MULTILINE)
    short = [match.group().strip() for match in call.finditer(path.read_text(encoding="utf-8"))]
    assert not short, f"{path.name} leaves out iotfleet.ota. in: {', '.join(short)}"
