# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds what is installed to versions and hashes: files of PyPI, and the same ones in tests and examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
APART = ROOT / "tests" / "pins"
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("requirements.txt"))
ANSIBLE_TEST = [ROOT / "tests" / kind / "requirements.txt" for kind in ("integration", "unit")]
PINNED = [CONSTRAINTS, *sorted(APART.iterdir()), *ANSIBLE_TEST, *EXAMPLES]
BLOCK = re.compile(r"^([a-z\d-]+==\S+)(?: ; [^\\\n]+)?((?: \\\n    --hash=sha256:[\da-f]{64})+)\n", re.MULTILINE)
COMMENT = re.compile(r"^(?:#.*)?\n", re.MULTILINE)
WHEELS_ONLY = "--only-binary :all:\n"


def versions(path: Path) -> set[str]:
    return {version for version, _hashes in BLOCK.findall(path.read_text(encoding="utf-8"))}


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PINNED, ids=short)
def test_everything_has_a_version_and_hashes(path):
    """And there is nothing else: no address of an index, no file of a machine."""
    text = path.read_text(encoding="utf-8")
    assert versions(path)
    assert COMMENT.sub("", BLOCK.sub("", text)) == (WHEELS_ONLY if path in EXAMPLES else "")


@pytest.mark.parametrize("path", EXAMPLES, ids=short)
def test_examples_install_what_is_tested(path):
    assert versions(path) <= versions(CONSTRAINTS)


def test_oldest_versions_are_those_that_the_collection_promises():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    promised = re.findall(r"^(\w+)>=(\S+)$", text, re.MULTILINE)
    assert {f"{name}=={version}" for name, version in promised} <= versions(APART / "oldest.txt")
    assert len(promised) == 2
