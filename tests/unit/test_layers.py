# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the plugins' imports against their layers, files to a length, and the API's own words to one folder."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"

# Which folders each folder of the plugins may import from; modules cannot reach plugin_utils.
FOLDERS = {
    "module_utils/_errors": "module_utils/_text",
    "module_utils/_redaction": "module_utils/_text",
    "module_utils/_text": "",
    "module_utils/_validation": "module_utils/_errors module_utils/_text",
    "module_utils/_api": "module_utils/_errors module_utils/_redaction module_utils/_text module_utils/_validation",
    "module_utils/_http": "module_utils/_errors module_utils/_validation",
    "module_utils/_credentials": "module_utils/_api module_utils/_errors module_utils/_http module_utils/_text"
    " module_utils/_validation",
    "module_utils/_client": "module_utils/_api module_utils/_credentials module_utils/_errors module_utils/_http"
    " module_utils/_redaction module_utils/_text",
    "module_utils/_queries": "module_utils/_api module_utils/_client module_utils/_errors module_utils/_text",
    "module_utils/_changes": "module_utils/_api module_utils/_client module_utils/_errors module_utils/_queries",
    "module_utils/_ansible": "module_utils/_api module_utils/_client module_utils/_credentials module_utils/_errors"
    " module_utils/_http module_utils/_validation",
    "plugin_utils/_rollout": "module_utils/_api module_utils/_errors module_utils/_queries module_utils/_text"
    " module_utils/_validation",
    "plugin_utils/_verdict": "module_utils/_api module_utils/_errors module_utils/_queries module_utils/_text"
    " module_utils/_validation plugin_utils/_rollout",
    "plugin_utils/_report": "module_utils/_api module_utils/_errors module_utils/_text plugin_utils/_rollout"
    " plugin_utils/_verdict",
    "plugin_utils/_result": "module_utils/_text plugin_utils/_rollout plugin_utils/_verdict",
    "plugin_utils/_cancel": "module_utils/_queries plugin_utils/_report plugin_utils/_result plugin_utils/_verdict",
    "plugin_utils/_export": "module_utils/_text plugin_utils/_result plugin_utils/_rollout plugin_utils/_verdict",
    "plugin_utils/_page": "module_utils/_text plugin_utils/_report plugin_utils/_result plugin_utils/_rollout"
    " plugin_utils/_verdict",
    "plugin_utils/_evidence": "module_utils/_api module_utils/_client module_utils/_errors module_utils/_queries"
    " module_utils/_text plugin_utils/_rollout",
    "plugin_utils/_gate": "module_utils/_api module_utils/_client module_utils/_errors module_utils/_http"
    " module_utils/_queries module_utils/_text module_utils/_validation plugin_utils/_evidence plugin_utils/_report"
    " plugin_utils/_rollout plugin_utils/_verdict",
    "plugin_utils/_files": "",
    "modules": "module_utils/_ansible module_utils/_api module_utils/_changes module_utils/_client"
    " module_utils/_queries module_utils/_validation",
    "action": "module_utils/_ansible module_utils/_errors plugin_utils/_evidence plugin_utils/_files"
    " plugin_utils/_gate",
    "filter": "module_utils/_errors module_utils/_validation plugin_utils/_cancel plugin_utils/_export"
    " plugin_utils/_page plugin_utils/_result plugin_utils/_rollout plugin_utils/_verdict",
    "test": "",
    "doc_fragments": "",
}

# Which of its neighbours each file in a folder may import; none is the rule.
NEIGHBOURS = {
    "module_utils/_api": {
        "platforms": "",
        "schema": "error_codes",
        "operations": "schema",
        "facts": "operations schema",
        "envelope": "facts schema",
        "request": "credentials platforms schema signature",
    },
    "module_utils/_http": {
        "network_errors": "connections",
        "transport": "bodies connections network_errors workers",
    },
    "module_utils/_credentials": {
        "sts": "provider",
        "metadata": "provider",
        "profiles": "metadata provider signin sts",
        "vendor_package": "provider",
        "signin": "provider vendor_package",
        "chain": "metadata profiles provider sts",
        "refresh": "provider",
    },
    "module_utils/_client": {
        "clock": "response",
        "exchange": "clock response",
        "paging": "response",
        "parallel": "rate_limiter",
        "calls": "exchange rate_limiter response retries",
        "client": "calls clock exchange paging parallel rate_limiter response retries",
    },
    "module_utils/_queries": {
        "details": "devices",
        "devices": "jobs",
        "firmwares": "jobs",
        "preflight": "details devices jobs states",
        "version_sources": "details",
        "checks": "jobs preflight version_sources",
        "states": "devices",
    },
    "module_utils/_changes": {
        "cancellation": "counts scope sending",
        "cancel": "cancellation expected scope sending",
        "report": "cancellation counts",
    },
    "module_utils/_ansible": {"argspec": "masking", "inputs": "argspec", "info_module": "argspec connection masking"},
    "plugin_utils/_rollout": {
        "snapshot": "policy times",
        "versions": "policy snapshot",
        "devices": "policy snapshot times versions",
        "batches": "policy snapshot times versions",
        "expected": "batches devices policy snapshot versions",
        "tasks": "batches devices policy snapshot times versions",
        "state": "batches devices expected policy snapshot tasks",
    },
    "plugin_utils/_verdict": {
        "history": "kept_reports",
        "wording": "bounds",
        "case": "history wording",
        "preconditions": "case wording",
        "rules": "case preconditions wording",
        "resuming": "history",
        "verdict": "bounds case history resuming rules wording",
    },
    "plugin_utils/_report": {
        "schedule": "labels",
        "lines": "columns labels",
        "opening": "columns labels lines schedule",
        "message": "labels remedies",
    },
    "plugin_utils/_cancel": {"decision": "aftermath"},
    "plugin_utils/_result": {"limits": "reading", "links": "reading", "words": "reading"},
    "plugin_utils/_export": {"junit": "limits outcomes", "markdown": "limits page"},
    "plugin_utils/_page": {
        "bounds": "words",
        "tiles": "bounds words",
        "chart": "tiles words",
        "tables": "tiles words",
        "causes": "tiles words",
        "page": "bounds causes chart tables tiles words",
    },
    "plugin_utils/_evidence": {
        "succeeded": "jobs",
        "search": "candidates",
        "observer": "clock jobs modules search states succeeded versions",
    },
    "plugin_utils/_gate": {
        "limits": "options",
        "result": "limits options",
        "reporter": "options",
        "proof_plan": "limits options",
        "gate": "explanation limits options proof_plan reporter result",
        "events": "gate",
        "event_file": "events gate",
    },
}

# Which packages beyond the standard library each of them may import; none is the rule.
PACKAGES = {
    "module_utils/_api/envelope": "xmltodict",
    "module_utils/_http/transport": "requests urllib3",
    "module_utils/_http/network_errors": "urllib3",
    "module_utils/_credentials/vendor_package": "Tea alibabacloud_credentials",
    "module_utils/_ansible/argspec": "ansible",
    "module_utils/_ansible/info_module": "ansible",
    "module_utils/_ansible/masking": "ansible",
    "action/ota_rollout_gate": "ansible",
    "action/rollout_report_files": "ansible",
    "filter/rollout_cancel": "ansible",
    "filter/rollout_export": "ansible",
    "filter/rollout_report": "ansible",
    "filter/rollout_verdict": "ansible",
    "test/rollout": "ansible",
}

# The contract spells the API's own names; what masks secrets may spell those that mark one.
API = PLUGINS / "module_utils" / "_api"
WIRE = set(API.glob("*.py")) - {API / "credentials.py"}
NAMES = [API / f"{name}.py" for name in ("operations", "platforms", "envelope")]
MAY_SPELL = {"module_utils/_redaction": "AccessKeyId SecurityToken"}

# How long functions, classes and files of module_utils and plugin_utils may be, and how many files a folder may have.
MAX_FUNCTION, MAX_CLASS, MAX_LINES, MAX_FILES = 40, 190, 350, 9


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(PLUGINS).with_suffix("").parts


def folder_of(parts: Sequence[str]) -> str:
    """Return the row of the file in the first table."""
    return "/".join(parts[:2]) if parts[0].endswith("_utils") else parts[0]


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


def ours(imports: set[str]) -> set[tuple[str, ...]]:
    """Return which of our own files are among the imports, each as the parts of its path below plugins."""
    prefix = "ansible_collections.iotfleet.ota.plugins."
    return {tuple(name.removeprefix(prefix).split(".")[:-1]) for name in imports if name.startswith(prefix)}


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
    texts = {text for path in NAMES for text in texts_of(path)}
    return {text for text in texts if re.fullmatch(r"[A-Z][a-z]+[A-Z][A-Za-z]*", text)}


def plugin_names() -> set[str]:
    """Return the names by which roles and playbooks may call what the collection offers."""
    files = {path for folder in ("action", "filter", "modules") for path in (PLUGINS / folder).glob("*.py")}
    return {path.stem for path in files | set((PLUGINS / "test").glob("*.yml"))}


def each(paths: Iterable[Path]) -> list[Any]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in sorted(paths)]


SOURCES = set(PLUGINS.rglob("*.py"))
CODE = {path for path in SOURCES if parts_of(path)[0] != "doc_fragments"} - WIRE
UTILS = {path for path in SOURCES if parts_of(path)[0].endswith("_utils")}
CONTENT = {path for folder in ("roles", "playbooks") for path in (ROOT / folder).rglob("*.y*ml")}


@pytest.mark.parametrize("path", each(SOURCES))
def test_every_file_belongs_to_a_folder(path: Path) -> None:
    assert folder_of(parts_of(path)) in FOLDERS, f"give the folder of {path.name} a row in FOLDERS"


@pytest.mark.parametrize("path", each(SOURCES))
def test_imports_point_downwards(path: Path) -> None:
    folder, name = folder_of(parts_of(path)), parts_of(path)[-1]
    imported = ours(imports_of(path))
    above = {folder_of(parts) for parts in imported} - {folder, *FOLDERS[folder].split()}
    assert not above, f"{path.name} may not import from {', '.join(sorted(above))}"
    beside = {parts[-1] for parts in imported if folder_of(parts) == folder}
    surplus = beside - set(NEIGHBOURS.get(folder, {}).get(name, "").split())
    assert not surplus, f"{path.name} may not import {', '.join(sorted(surplus))}"


def test_the_guide_shows_each_folder_above_what_it_imports() -> None:
    guide = (ROOT / "docs" / "docsite" / "rst" / "how_it_works.rst").read_text(encoding="utf-8")
    cells = re.findall(r"^   \* - (``.*``)$", guide.partition("\nA call\n")[0], re.MULTILINE)
    places = {name: place for place, cell in enumerate(cells) for name in re.findall(r"(\w+)(?:\.py)?``", cell)}
    for folder, others in FOLDERS.items():
        if folder != "doc_fragments":
            place = places[folder.rpartition("/")[2]]
            above = [other for other in others.split() if places[other.rpartition("/")[2]] < place]
            assert not above, f"the guide shows {folder} below {', '.join(above)}"


def test_no_row_permits_what_nobody_uses() -> None:
    arrows = {(parts_of(path), parts) for path in SOURCES for parts in ours(imports_of(path))}
    folders = {(folder_of(parts), folder_of(imported)) for parts, imported in arrows}
    assert {(folder, other) for folder, others in FOLDERS.items() for other in others.split()} <= folders
    files = {("/".join(parts), imported[-1]) for parts, imported in arrows if parts[:-1] == imported[:-1]}
    permitted = {(f"{folder}/{name}", others) for folder, row in NEIGHBOURS.items() for name, others in row.items()}
    assert {(file, other) for file, others in permitted for other in others.split()} <= files
    needed = {("/".join(parts_of(path)), package) for path in SOURCES for package in packages_of(imports_of(path))}
    assert {(file, package) for file, packages in PACKAGES.items() for package in packages.split()} <= needed


@pytest.mark.parametrize("path", each(SOURCES))
def test_own_files_are_imported_by_their_relative_names(path: Path) -> None:
    assert "ansible_collections" not in re.sub('r""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("path", each(SOURCES))
def test_packages_are_required_where_they_belong(path: Path) -> None:
    surplus = packages_of(imports_of(path)) - set(PACKAGES.get("/".join(parts_of(path)), "").split())
    assert not surplus, f"{path.name} may not import {', '.join(sorted(surplus))}"


@pytest.mark.parametrize("path", each(UTILS))
def test_a_file_is_short_enough_to_read_at_once(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, f"{path.name} has {lines} lines, at most {MAX_LINES} are allowed: split it"


@pytest.mark.parametrize("path", each(UTILS))
def test_functions_and_classes_are_short(path: Path) -> None:
    limits = {ast.FunctionDef: MAX_FUNCTION, ast.ClassDef: MAX_CLASS}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        limit = limits.get(type(node))
        if limit:
            lines = node.end_lineno - node.lineno + 1
            assert lines <= limit, f"{node.name} in {path.name} has {lines} lines, at most {limit} are allowed"


@pytest.mark.parametrize("folder", each({path.parent for path in UTILS}))
def test_a_folder_has_few_files(folder: Path) -> None:
    number = len(set(folder.glob("*.py")))
    assert number <= MAX_FILES, f"{folder.name} has {number} files, at most {MAX_FILES} are allowed: divide it"


def test_wire_names_are_known() -> None:
    assert {"JobId", "QueryOTAJob", "TaskStatusList"} <= wire_names()


@pytest.mark.parametrize("path", each(CODE))
def test_wire_names_are_spelled_in_one_folder(path: Path) -> None:
    words = set(re.findall(r"\w+", " ".join(texts_of(path))))
    surplus = words & wire_names() - set(MAY_SPELL.get("/".join(parts_of(path)), "").split())
    assert not surplus, f"{path.name} spells {', '.join(sorted(surplus))}, which belongs into module_utils/_api"


@pytest.mark.parametrize("path", each(CONTENT))
def test_plugins_are_called_by_their_full_names(path: Path) -> None:
    names = "|".join(sorted(plugin_names()))
    call = re.compile(rf"^\s*(?:- )?(?:{names}):|(?:\||\bis|\bis not)\s+(?:{names})\b", re.MULTILINE)
    short = [match.group().strip() for match in call.finditer(path.read_text(encoding="utf-8"))]
    assert not short, f"{path.name} leaves out iotfleet.ota. in: {', '.join(short)}"
