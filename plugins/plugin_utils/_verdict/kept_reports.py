# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What devices have reported, in so few bytes that a file can keep it for the largest batch. Pure.

Only what can be proof is kept: the version of a batch. Devices that reported the same within one minute are a group.
Names that end with a number are kept as differences of these, and long names as digests.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, MutableMapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from ...module_utils._queries.devices import DeviceKey, DeviceReport
from .._rollout.policy import MAX_DEVICES, Policy
from .._rollout.snapshot import JobSnapshot
from .._rollout.times import MAX_TIME
from .._rollout.versions import is_target, module_of, reported_version

#: Devices that were read within this many seconds count as read when the first of them may have been.
SAME_TIME = 60.0
#: Names of more bytes are kept as a digest, of so many bytes that nobody finds two names with the same.
MAX_NAME = 14
DIGEST_SIZE = 15
#: Keep names as numbers if at least so many have the same beginning.
MIN_NUMBERED = 4

#: Braces would make a template of a text that Ansible takes for a variable.
_BRACES = str.maketrans("{}", ".,")
_DOTS = str.maketrans(".,", "{}")
_MAX_PREFIX, _MAX_DIGITS = 64, 15
_NUMBERED = re.compile(r"([^\n\t]{0,64}?)(0[0-9]{0,14}|[1-9][0-9]{0,14})")
#: Most bytes of the names of a group: each has a line.
_MAX_TEXT = (MAX_NAME + 1) * MAX_DEVICES
#: The same once they are packed: random names only become longer.
_MAX_PACKED = 2 * _MAX_TEXT
#: Most reports in all groups: a device is in one for each of its modules.
_MAX_REPORTS = 10 * MAX_DEVICES


class KeptReports(MutableMapping[DeviceKey, DeviceReport]):
    """Reports by device. Of those known by a digest alone, whoever asks for a device tells the name.

    ``proofs`` are the modules and versions that they are about.
    """

    def __init__(self, named: dict[DeviceKey, DeviceReport], by_digest: dict[bytes, DeviceReport]) -> None:
        self._named = named
        self.by_digest = by_digest
        reports = {id(report): report for report in (*named.values(), *by_digest.values())}.values()
        self.proofs = {(name, version or "") for report in reports for name, version in report.versions.items()}

    def __getitem__(self, key: DeviceKey) -> DeviceReport:
        if key not in self._named and self.by_digest:
            report = self.by_digest.pop(digest_of(key), None)
            if report is not None:
                self._named[key] = report
        return self._named[key]

    def __setitem__(self, key: DeviceKey, report: DeviceReport) -> None:
        if self.by_digest:
            self.by_digest.pop(digest_of(key), None)
        self._named[key] = report

    def __delitem__(self, key: DeviceKey) -> None:
        del self._named[key]

    def __iter__(self) -> Iterator[DeviceKey]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def digest_of(key: DeviceKey) -> bytes:
    """What stands for a device in place of its name."""
    return hashlib.blake2b("\t".join(key).encode("utf-8", "surrogatepass"), digest_size=DIGEST_SIZE).digest()


class _Group(NamedTuple):
    """What the devices of a group have in common."""

    product_key: str  # empty where they are known by digests
    module_name: str  # empty where all modules of a device must be on the version
    version: str
    read_at: float


def pack_reports(
    reports: Mapping[DeviceKey, DeviceReport],
    jobs: Sequence[JobSnapshot],
    policy: Policy,
    began: float,
    replaced: Container[DeviceKey] = (),
) -> list[dict[str, Any]]:
    """The groups of the devices that have reported the version of a batch, in the run that ``began`` then or before.

    The report of a device that was ``replaced`` is not kept: a later run cannot tell that it is of another one.

    Reports of earlier runs keep the time of their group, which would become earlier from run to run. While it is not
    told what a batch brings, that is what they are about.
    """
    kept = reports if isinstance(reports, KeptReports) else KeptReports({}, {})
    earlier = kept.proofs if any(job.target is None for job in jobs) else set()
    named: dict[_Group, list[str]] = {}
    digests: dict[_Group, list[bytes]] = {}
    for (product_key, name), report in reports.items():
        if (product_key, name) in replaced:
            continue
        still = {proof for proof in earlier if _is_about(report, *proof)}
        for module_name, version in still | _proofs(report, product_key, jobs, policy):
            read_at = report.read_at - max(0.0, report.read_at - began) % SAME_TIME
            group = _Group(product_key, module_name, version, read_at)
            named.setdefault(group, []).append(name)
    for digest, report in kept.by_digest.items():
        for module_name, reported in report.versions.items():
            digests.setdefault(_Group("", module_name, reported or "", report.read_at), []).append(digest)
    packed = []
    for group, names in named.items():
        text, long = pack_names(names)
        packed += [(group, text)] if text else []
        if long:
            found = digests.setdefault(group._replace(product_key=""), [])
            found += [digest_of((group.product_key, name)) for name in long]
    packed += [(group, _as_text(b"".join(sorted(found)))) for group, found in digests.items()]
    return [{**group._asdict(), "devices": text} for group, text in sorted(packed)]


def _proofs(
    report: DeviceReport, product_key: str, jobs: Iterable[JobSnapshot], policy: Policy
) -> set[tuple[str, str]]:
    """The modules that are on the version of a batch, each with its version."""
    found = set()
    for job in jobs:
        version = reported_version(report, job, (), policy) if job.product_key in ("", product_key) else None
        if version is not None and is_target(version, job.target, (), policy.version_match):
            found.add((module_of(job, policy) or "", version))
    return found


def _is_about(report: DeviceReport, module_name: str, version: str) -> bool:
    """Whether a module of the device is on a version; without a name, all of them."""
    versions = report.versions
    return {versions.get(module_name)} == {version} if module_name else {*versions.values()} - {None, ""} == {version}


def unpack_reports(groups: Any) -> KeptReports:
    """What the devices of the ``groups`` have reported; of several modules, when the first of them was read.

    :raises ValueError: they are not such groups.
    """
    named: dict[DeviceKey, DeviceReport] = {}
    by_digest: dict[bytes, DeviceReport] = {}
    if not isinstance(groups, (list, tuple)) or len(groups) > _MAX_REPORTS:
        raise ValueError("not groups")
    reported = 0
    for entry in groups:
        group, text = _read_group(entry)
        found = unpack_names(text) if group.product_key else _digests_in(text)
        reported += len(found)
        if reported > _MAX_REPORTS:
            raise ValueError("more reports than devices have modules")
        if group.product_key:
            _add(named, [(group.product_key, name) for name in found], group)
        else:
            _add(by_digest, found, group)
        if len(named) + len(by_digest) > MAX_DEVICES:
            raise ValueError("more devices than a batch can have")
    return KeptReports(named, by_digest)


def _add(reports: dict[Any, DeviceReport], keys: Iterable[Any], group: _Group) -> None:
    first = DeviceReport({group.module_name: group.version}, read_at=group.read_at, all_modules=not group.module_name)
    for key in keys:
        known = reports.setdefault(key, first)
        if known is not first:
            versions = {**known.versions, **first.versions}
            reports[key] = known._replace(versions=versions, read_at=min(known.read_at, first.read_at))


def _read_group(entry: Any) -> tuple[_Group, str]:
    """:raises ValueError: it is none."""
    if not isinstance(entry, Mapping) or set(entry) != {*_Group._fields, "devices"}:
        raise ValueError("not a group")
    product_key, module_name, version = (entry[name] for name in ("product_key", "module_name", "version"))
    devices, read_at = entry["devices"], entry["read_at"]
    if not all(isinstance(text, str) for text in (product_key, module_name, version, devices)) or not version:
        raise ValueError("not a text")
    if isinstance(read_at, bool) or not isinstance(read_at, (int, float)) or not 0 <= read_at < MAX_TIME:
        raise ValueError("not a time")
    return _Group(product_key, module_name, version, float(read_at)), devices


# --- Names -----------------------------------------------------------------------------------------------------------


def pack_names(names: Iterable[str]) -> tuple[str, list[str]]:
    """The names, each once, as a text without blanks, quotes or braces, and those that are too long for it."""
    numbers: dict[tuple[str, int], list[int]] = {}
    plain = []
    for name in sorted(set(names)):
        numbered = _NUMBERED.fullmatch(name)
        if numbered:
            prefix, digits = numbered.groups()
            numbers.setdefault((prefix, len(digits) if digits[0] == "0" else 0), []).append(int(digits))
        else:
            plain.append(name)
    for (prefix, width), found in list(numbers.items()):
        if len(found) < MIN_NUMBERED:
            plain += [f"{prefix}{number:0{width}}" for number in found]
            del numbers[prefix, width]
    long = [name for name in plain if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME or set(name) & {"\n", "\t"}]
    lines = sorted({*plain} - {*long})
    for (prefix, width), found in sorted(numbers.items()):
        found.sort()
        steps = (str(number - before) for before, number in zip([0, *found], found))
        lines.append(f"{prefix}\t{width}\t{','.join(steps)}")
    text = _as_text(zlib.compress("\n".join(lines).encode("utf-8", "surrogatepass"), 9)) if lines else ""
    return text, long


def unpack_names(text: str) -> list[str]:
    """The names in such a text.

    :raises ValueError: it is none, or has more names than a batch can have.
    """
    if len(text) > _MAX_PACKED:
        raise ValueError("too long")
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(_as_bytes(text), _MAX_TEXT)
    except zlib.error:
        raise ValueError("not compressed") from None
    if not inflater.eof or inflater.unused_data:
        raise ValueError("cut, or too long")
    lines = content.decode("utf-8", "surrogatepass").split("\n")
    names = list(islice((name for line in lines for name in _names_in(line)), MAX_DEVICES + 1))
    if len(names) > MAX_DEVICES:
        raise ValueError("more devices than a batch can have")
    return names


def _names_in(line: str) -> Iterator[str]:
    """:raises ValueError: it holds none."""
    prefix, *numbered = line.split("\t")
    if not numbered:
        yield prefix
        return
    width, steps = numbered
    found = steps.split(",")
    if len(prefix) > _MAX_PREFIX or len(width) > 2 or max(map(len, found)) > _MAX_DIGITS:
        raise ValueError("longer than any name")
    number = 0
    for step in found:
        number += int(step)
        yield f"{prefix}{number:0{min(int(width), _MAX_DIGITS)}}"


def _digests_in(text: str) -> list[bytes]:
    """:raises ValueError: it holds none."""
    content = _as_bytes(text[: 2 * DIGEST_SIZE * MAX_DEVICES])
    if not content or len(content) % DIGEST_SIZE:
        raise ValueError("not digests")
    return [content[start : start + DIGEST_SIZE] for start in range(0, len(content), DIGEST_SIZE)]


def _as_text(content: bytes) -> str:
    return base64.b85encode(content).decode("ascii").translate(_BRACES)


def _as_bytes(text: str) -> bytes:
    """:raises ValueError: it holds none."""
    return base64.b85decode(text.translate(_DOTS))
