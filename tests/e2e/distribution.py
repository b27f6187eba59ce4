# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the examples install the collection from: its artifact, and a git server that has the checkout."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import yaml

from .conftest import ROOT

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
#: The server that the examples name.
GIT_URL = "https://git.example.com/iotfleet/ota.git"
#: What no commit has.
IGNORED = (".git", ".nox", "__pycache__", "site", "reports", "rehearsal-reports", "*.tar.gz")


def build_artifact(folder: pathlib.Path) -> pathlib.Path:
    """Build the collection's artifact into ``folder``."""
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=900, check=True)
    return folder / f"iotfleet-ota-{VERSION}.tar.gz"


def serve_git(folder: pathlib.Path) -> dict[str, str]:
    """An environment in which git finds the checkout, tagged as a release, behind the server's URL."""
    repository = folder / "ota"
    shutil.copytree(ROOT, repository, ignore=shutil.ignore_patterns(*IGNORED))
    person = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for command in (["init", "--quiet"], ["add", "."], [*person, "commit", "--quiet", "-m", "all"], ["tag", VERSION]):
        subprocess.run(["git", "-C", str(repository), *command], timeout=900, check=True)
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": GIT_URL,
        # Nothing is asked from Galaxy.
        "ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:1",
    }
