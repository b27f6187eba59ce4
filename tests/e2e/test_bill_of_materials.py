# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bill of materials of a release, as it is written beside the artifact."""

from __future__ import annotations

import hashlib
import json
import os
import sys

from .conftest import ROOT, execute
from .distribution import VERSION, build_artifact

BOUNDS = {
    "ansible-core": ("vers:pypi/>=2.16.0", "required"),
    "requests": ("vers:pypi/>=2.25.0", "required"),
    "xmltodict": ("vers:pypi/>=0.12.0", "required"),
    "alibabacloud-credentials": ("vers:pypi/>=1.0.0", "optional"),
}


def test_bill_of_materials(tmp_path):
    artifact = build_artifact(tmp_path)
    command = [sys.executable, ROOT / "tests" / "tooling" / "sbom.py", artifact]
    done = execute(command, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stdout
    bill = json.loads((tmp_path / f"iotfleet-ota-{VERSION}.cdx.json").read_text(encoding="utf-8"))
    collection = bill["metadata"]["component"]
    assert (collection["group"], collection["name"], collection["version"]) == ("iotfleet", "ota", VERSION)
    assert collection["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(artifact.read_bytes()).hexdigest()}]
    assert {c["name"]: (c["versionRange"], c["scope"]) for c in bill["components"]} == BOUNDS
    needed = [component["bom-ref"] for component in bill["components"]]
    assert bill["dependencies"] == [{"ref": collection["bom-ref"], "dependsOn": needed}]
