# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example of an execution environment: its build context, and what the build would do with it, without an image."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import sys

import pytest
import yaml
from ansible_builder.cli import parse_args

from .conftest import REHEARSAL, ROOT, execute, simulator
from .distribution import VERSION, build_artifact

EXAMPLE = ROOT / "docs" / "examples" / "execution-environment"
NEEDED = ["requests>=2.25.0", "xmltodict>=0.12.0"]
TOLD = [f"{requirement}  # from collection iotfleet.ota" for requirement in NEEDED]
KEY = {"id": "image-id", "secret": "image-secret"}
GUIDE = (ROOT / "docs" / "docsite" / "rst" / "execution_environment.rst").read_text(encoding="utf-8")


def run(*command: str | os.PathLike[str], folder: pathlib.Path, **environment: str) -> str:
    """The output of a command that must succeed."""
    done = execute(
        command,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_command_of_the_guide_is_one():
    """It is not run, because it needs a container engine."""
    (command,) = re.findall(r"\$ ansible-builder (.+)", GUIDE)
    asked = parse_args(shlex.split(command))
    assert (asked.action, asked.tag) == ("build", [f"registry.example.com/ota-ee:{VERSION}"])


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> pathlib.Path:
    """The build context of the example."""
    folder = tmp_path_factory.mktemp("image") / "example"
    shutil.copytree(EXAMPLE, folder)
    build_artifact(folder)
    run("ansible-builder", "create", "--output-filename", "Containerfile", folder=folder)
    return folder / "context"


@pytest.fixture(scope="module")
def collections(context, tmp_path_factory) -> pathlib.Path:
    """The collections as the Galaxy stage of the build installs them, from the artifact in its context."""
    folder = tmp_path_factory.mktemp("collections")
    command = ("ansible-galaxy", "collection", "install", "-r", "requirements.yml", "--collections-path", folder)
    own = {
        "ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:1",  # nothing is asked from Galaxy
        "ANSIBLE_COLLECTIONS_PATH": str(folder),
        "PYTHONPATH": "",
        "HOME": str(folder),
    }
    run(*command, folder=context / "_build", **own)
    return folder


def test_collection_tells_what_it_needs(collections):
    told = yaml.safe_load(run("ansible-builder", "introspect", collections, folder=collections))
    assert told == {"python": TOLD, "system": []}
    bounds = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in bounds if line and not line.startswith("#")] == NEEDED


def test_containerfile(context):
    lines = (context / "Containerfile").read_text(encoding="utf-8").splitlines()
    assert 'ARG EE_BASE_IMAGE="quay.io/centos/centos:stream10"' in lines
    assert 'ARG PYPKG="python3"' in lines
    assert any(re.match("RUN .*ansible-galaxy collection install .*-r requirements.yml", line) for line in lines)
    assert any("/output/scripts/introspect.py introspect " in line for line in lines)
    assert "USER 1000" in lines
    galaxy_file = yaml.safe_load((context / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert galaxy_file == {"collections": [{"name": f"artifacts/iotfleet-ota-{VERSION}.tar.gz", "type": "file"}]}


def test_optional_parts(tmp_path):
    """The comments that are parts of a definition are uncommented."""
    shutil.copytree(EXAMPLE, tmp_path / "example")
    definition = tmp_path / "example" / "execution-environment.yml"
    text, uncommented = re.subn(
        r"^( *)# ?(?= *(- |\w+:))", r"\1", definition.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert uncommented == 5
    definition.write_text(text, encoding="utf-8")
    (tmp_path / "example" / f"iotfleet-ota-{VERSION}.tar.gz").touch()
    (tmp_path / "example" / "company-ca.pem").write_text("a certificate", encoding="utf-8")
    run("ansible-builder", "create", "--output-filename", "Containerfile", folder=tmp_path / "example")
    context = tmp_path / "example" / "context"
    lines = (context / "Containerfile").read_text(encoding="utf-8").splitlines()
    copied = lines.index("COPY _build/certificates/company-ca.pem /etc/pki/ca-trust/source/anchors/")
    assert copied < next(number for number, line in enumerate(lines) if " install " in line)
    assert (context / "_build" / "certificates" / "company-ca.pem").read_text(encoding="utf-8") == "a certificate"


def test_what_is_installed_runs_the_gate(context, collections, tmp_path):
    """The steps of the build after the base image, in a virtual environment: collect, install, check, use."""
    scripts = context / "_build" / "scripts"
    collect = [sys.executable, scripts / "introspect.py", "introspect", collections]
    files = {name: tmp_path / f"{name}.txt" for name in ("pip", "bindep")}
    run(*collect, *(f"--write-{name}={path}" for name, path in files.items()), folder=context)
    assert files["pip"].read_text(encoding="utf-8").splitlines() == TOLD
    assert not files["bindep"].exists()

    containerfile = (context / "Containerfile").read_text(encoding="utf-8")
    (target,) = re.findall("^COPY _build/pins/requirements.txt (.*)", containerfile, re.MULTILINE)
    pinned = str(context / "_build" / "pins" / "requirements.txt")
    ansible = re.search('ARG ANSIBLE_INSTALL_REFS="(.*)"', containerfile).group(1).replace(target, pinned)
    place = tmp_path / "image"
    python = place / "bin" / "python"
    run(sys.executable, "-m", "venv", place, folder=tmp_path)
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, *shlex.split(ansible), folder=tmp_path)
    run(*pip, "--no-index", "-r", files["pip"], folder=tmp_path)  # all of it is there already

    image = {
        "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": "",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "HOME": str(tmp_path),
    }
    run(scripts / "check_ansible", python, folder=tmp_path, **image)
    variables = {"job_ids": "183415776190000002", "min_devices": 5, "expected_version": "1.2.0", "wait_interval": 0.5}
    options = [f"--extra-vars=rollout_gate_{name}={value}" for name, value in variables.items()]
    with simulator(tmp_path, {**REHEARSAL, "access_keys": [KEY]}, "--time-scale", "20") as service:
        access = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"]}
        access["OTA_ENDPOINT"] = service.url
        output = run("ansible-playbook", "iotfleet.ota.rollout_gate", *options, folder=tmp_path, **image, **access)
    assert "  PASSED  100 %  5/5 done  " in output
    assert KEY["secret"] not in output
