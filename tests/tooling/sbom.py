# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the bill of materials of an artifact beside it, in CycloneDX: what it is, and what it needs.

The artifact itself says both. It contains nothing of others, so whatever it needs is external, within bounds.
"""

import datetime
import hashlib
import json
import re
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

# Needed only for profiles with a command or a sign-in, so that no requirements of the collection name it.
OPTIONAL = "alibabacloud-credentials>=1.0.0"


def read_texts(artifact: Path, *names: str) -> list[str]:
    with tarfile.open(artifact) as opened:
        return [opened.extractfile(name).read().decode() for name in names]


def external(bound: str, scope: str) -> dict[str, Any]:
    """Return the component for a requirement such as ``requests>=2.25.0``."""
    name, version = re.fullmatch(r"([\w-]+)>=([\d.]+)", bound).groups()
    purl = f"pkg:pypi/{name}"
    bounds = {"isExternal": True, "versionRange": f"vers:pypi/>={version}"}
    return {"type": "library", "bom-ref": purl, "name": name, **bounds, "purl": purl, "scope": scope}


def describe(artifact: Path, now: datetime.datetime) -> dict[str, Any]:
    manifest, runtime, requirements = read_texts(artifact, "MANIFEST.json", "meta/runtime.yml", "requirements.txt")
    about = json.loads(manifest)["collection_info"]
    bounds = [f"ansible-core{yaml.safe_load(runtime)['requires_ansible']}"]
    bounds += [line for line in requirements.splitlines() if line and not line.startswith("#")]
    needed = [*(external(bound, "required") for bound in bounds), external(OPTIONAL, "optional")]
    purl = f"pkg:generic/{about['namespace']}/{about['name']}@{about['version']}"
    collection = {
        "type": "library",
        "bom-ref": purl,
        "group": about["namespace"],
        "name": about["name"],
        "version": about["version"],
        "description": about["description"],
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(artifact.read_bytes()).hexdigest()}],
        "licenses": [{"license": {"id": "GPL-3.0-or-later"}}],
        "purl": purl,
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SchemaVersion.V1_7.to_version(),
        "serialNumber": uuid.uuid4().urn,
        "version": 1,
        "metadata": {"timestamp": now.isoformat(timespec="seconds"), "component": collection},
        "components": needed,
        "dependencies": [{"ref": purl, "dependsOn": [component["bom-ref"] for component in needed]}],
    }


def main(artifact: Path) -> None:
    text = json.dumps(describe(artifact, datetime.datetime.now(datetime.timezone.utc)), indent=2) + "\n"
    if error := JsonStrictValidator(SchemaVersion.V1_7).validate_str(text):
        sys.exit(f"not CycloneDX: {error}")
    artifact.with_name(artifact.name.removesuffix(".tar.gz") + ".cdx.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
