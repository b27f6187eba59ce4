# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""What job slices have proved of a rollout before it is judged. Pure.

It spares the gate requests and decides nothing: what no slice has proved, the gate reads itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import invalid
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._standing import Facts, Key

FORMAT = "iotfleet.ota/rollout-slice"
VERSION = 1
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


def as_facts(part: Slice) -> dict[str, Any]:
    """The slice in the words of playbooks, and in few of them: each device is there by its name alone."""
    names: dict[tuple[str, str], list[str]] = {}
    for (product_key, name), version in sorted(part.versions.items()):
        names.setdefault((product_key, version), []).append(name)
    return {
        "format": FORMAT,
        "version": VERSION,
        "scope": part.scope,
        "job_ids": list(part.job_ids),
        "began": part.began,
        "finished": part.finished,
        "proved": [
            {"product_key": product_key, "dest_version": version, "device_names": entries}
            for (product_key, version), entries in names.items()
        ],
    }


def read_slices(content: Any) -> tuple[Slice, ...]:
    """The slices in what ``as_facts`` made of them.

    :raises OtaError: an entry is not that.
    """
    return tuple(_read(entry, position) for position, entry in enumerate(content or (), 1))


def _read(entry: Any, position: int) -> Slice:
    try:
        if (entry["format"], entry["version"]) != (FORMAT, VERSION) or not isinstance(entry["finished"], bool):
            raise ValueError
        versions = {
            (_text(group["product_key"]), _text(name)): _text(group["dest_version"])
            for group in entry["proved"]
            for name in _list(group["device_names"])
        }
        job_ids = tuple(_text(job_id) for job_id in _list(entry["job_ids"]))
        began = float(entry["began"])
        if not math.isfinite(began):
            raise ValueError
        return Slice(_text(entry["scope"]), job_ids, began, entry["finished"], versions)
    except (KeyError, TypeError, ValueError):
        raise _no_slice(position) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _no_slice(position: int) -> OtaError:
    return invalid(
        f"entry {position} of slices is not what ota_rollout_slice_info returned as slice",
        "hand that on as it is, read by this version of the collection, or leave it out",
    )


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
    if abs(facts.now - part.began) > MAX_AGE:
        return "was not read within the last day"
    if facts.finished and not part.finished:
        return "was read before the rollout was finished"
    return None
