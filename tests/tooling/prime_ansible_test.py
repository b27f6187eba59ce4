# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Let ansible-test set up pip in its virtual environments from whatever package index pip is configured for.

ansible-test runs a get-pip script that it fetches from a server of its own, past pip's configuration, unless its
cache holds one. This fills the cache: a script that does the same with wheels that pip has downloaded.
"""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages
from ansible_test._util.target.common.constants import CONTROLLER_PYTHON_VERSIONS, REMOTE_ONLY_PYTHON_VERSIONS

GET_PIP = """\
import os
import sys

wheels = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wheels")
sys.path.insert(0, os.path.join(wheels, "pip-{version}-py3-none-any.whl"))
from pip._internal.cli.main import main

packages = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--no-index", "--find-links", wheels, "pip=={version}"] + packages))
"""


def prime(cache: Path, packages: dict[str, str]) -> None:
    script = cache / f"get_pip_{packages['pip'].replace('.', '_')}.py"
    if script.exists():
        return
    wanted = [f"{name}=={version}" for name, version in packages.items()]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--dest", str(cache / "wheels"), *wanted], check=True)
    script.write_text(GET_PIP.format(version=packages["pip"]))


if __name__ == "__main__":
    for version in (*REMOTE_ONLY_PYTHON_VERSIONS, *CONTROLLER_PYTHON_VERSIONS):
        prime(Path.home() / ".ansible" / "test" / "cache", get_venv_packages(SimpleNamespace(version=version)))
