# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""What job slices have proved of a rollout before it is judged. Pure.

It spares the gate requests and decides nothing: what no slice has proved, the gate reads itself.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import invalid
from ansible_collections.iotfleet.ota.plugins.module_utils._policy import Policy
from ansible_collections.iotfleet.ota.plugins.module_utils._standing import Facts, Key

#: What the text of a slice begins with; the number is that of the form.
PREFIX = "rollout-slice-1:"
#: No slice is larger, in bytes, when it is unpacked.
MAX_SIZE = 64 * 1024 * 1024
#: A slice that was read more seconds ago is none: a job that is run again is given what its first run was given.
MAX_AGE = 86400.0


class Slice(NamedTuple):
    """What one job slice has proved: which of its devices reported their new version after their tasks had succeeded.

    ``began`` is when it began to read, in seconds since 1970, and ``finished`` is whether the batches were finished
    then. ``versions`` are those that were reported, by device.
    """

    scope: str
    job_ids: tuple[str, ...]
    began: float
    finished: bool
    versions: Mapping[Key, str]


def pack(part: Slice) -> str:
    """The slice as one text, in which each device is there by its name alone.

    AWX marks what it hands on as unsafe, and ansible-core from 2.19 on takes an unsafe text of YAML that looks like a
    number for one: a version 2.10 would come as 2.1, and a device with the name ``*`` as an error. This text does not.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for (product_key, name), version in sorted(part.versions.items()):
        names.setdefault((product_key, version), []).append(name)
    groups = [[product_key, version, entries] for (product_key, version), entries in names.items()]
    content = json.dumps({**part._asdict(), "versions": groups}, ensure_ascii=False, separators=(",", ":"))
    return PREFIX + base64.b64encode(zlib.compress(content.encode())).decode()


def read_slices(texts: Sequence[Any] | None, policy: Policy) -> tuple[Slice, ...] | None:
    """The slices that were packed as ``texts``; ``None`` where there are none to be expected.

    :raises OtaError: an entry is none, or the policy leaves no use for them.
    """
    if texts is None:
        return None
    if not policy.verify_versions:
        raise invalid(
            "slices is given although verify_versions is off, so that no version is looked at",
            "leave verify_versions on where slices are merged, or leave slices out",
        )
    if policy.soak:
        raise invalid(
            "slices is given together with soak, after which each version would have to be read again",
            "give soak to a gate that comes before the slices, or leave slices out",
        )
    return tuple(_read(text, position) for position, text in enumerate(texts, 1))


def _read(text: Any, position: int) -> Slice:
    try:
        content = json.loads(_unpacked(text))
        versions = {
            (_text(product_key), _text(name)): _text(version)
            for product_key, version, names in content["versions"]
            for name in names
        }
        return Slice(
            scope=_text(content["scope"]),
            job_ids=tuple(_text(job_id) for job_id in content["job_ids"]),
            began=float(content["began"]),
            finished=content["finished"] is True,
            versions=versions,
        )
    except (KeyError, TypeError, ValueError, zlib.error):
        raise invalid(
            f"entry {position} of slices is not what ota_rollout_slice_info returned as slice",
            "hand that on as it is, read by this version of the collection, or leave it out",
        ) from None


def _unpacked(text: Any) -> bytes:
    if not _text(text).startswith(PREFIX):
        raise ValueError
    packed = base64.b64decode(text[len(PREFIX) :], validate=True)
    unpacking = zlib.decompressobj()
    content = unpacking.decompress(packed, MAX_SIZE)
    if not unpacking.eof:  # it is cut, or too large
        raise ValueError
    return content


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


class Proof(NamedTuple):
    """The versions that slices have proved, by device, and why some of the slices do not count."""

    versions: Mapping[Key, str]
    unused: tuple[str, ...] = ()


def proof_of(slices: Sequence[Slice], facts: Facts, scope: str) -> Proof:
    """What ``slices`` prove of a rollout that was just looked at. Of a device of which they disagree, nothing."""
    targets = {(batch.job or {}).get("dest_version") for batch in facts.batches}
    versions: dict[Key, str] = {}
    doubtful: set[Key] = set()
    unused: list[str] = []
    for position, part in enumerate(slices, 1):
        reason = _why_not(part, facts, scope)
        if reason:
            unused.append(f"slice {position} does not count, because it {reason}")
            continue
        for key, version in part.versions.items():
            if version not in targets or versions.setdefault(key, version) != version:
                doubtful.add(key)
    return Proof({key: version for key, version in versions.items() if key not in doubtful}, tuple(unused))


def _why_not(part: Slice, facts: Facts, scope: str) -> str | None:
    """Why a slice proves nothing of the rollout."""
    job_ids = {batch.job_id for batch in facts.batches}
    if set(part.job_ids) != job_ids:
        return f"is about batch {', '.join(part.job_ids)[:100] or 'none'}"
    if part.scope != scope:
        return "was read from another platform, endpoint or instance, or of another module"
    if not abs(facts.now - part.began) <= MAX_AGE:
        return "was not read within the last day"
    if facts.finished and not part.finished:
        return "was read before the rollout was finished"
    return None
