# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which version a device reports for a batch, and when it is the one that the batch brings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from ...module_utils._queries.devices import DeviceKey, DeviceReport
from ...module_utils._queries.jobs import TaskFacts
from .policy import Policy, VersionMatch
from .snapshot import JobSnapshot


def is_target(reported: str, target: str | None, sources: Iterable[str], match: VersionMatch) -> bool:
    """Whether a ``reported`` version proves that a device is on ``target``.

    Where a version that the batch replaces, one of ``sources``, fits as well, only the very target is proof.
    """
    if target is None:
        return False
    fits = _MATCHES[match]
    return reported == target or (fits(reported, target) and not any(fits(source, target) for source in sources))


def is_source(reported: str, sources: Iterable[str], match: VersionMatch) -> bool:
    """Whether a ``reported`` version is one that a batch replaces, written in any way that would fit a target."""
    fits = _MATCHES[match]
    return any(fits(reported, source) for source in sources)


def _same_release(reported: str, target: str) -> bool:
    return _release_of(reported) == _release_of(target) != ""


def _release_of(version: str) -> str:
    """The version without a leading ``v`` and without what follows a ``+``."""
    release = version.strip().partition("+")[0]
    return release[1:] if release[:1] in ("v", "V") and release[1:2].isdigit() else release


def _begins_with(reported: str, target: str) -> bool:
    """Whether ``reported`` is ``target`` and more, which does not go on in the middle of a number or a word."""
    return bool(target) and reported.startswith(target) and not reported[len(target) : len(target) + 1].isalnum()


_MATCHES: Mapping[VersionMatch, Callable[[str, str], bool]] = {
    "exact": lambda reported, target: reported == target,
    "ignore_build": _same_release,
    "prefix": _begins_with,
}


# --- Versions of devices and batches ----------------------------------------------------------------------------------


def module_of(job: JobSnapshot, policy: Policy) -> str | None:
    """The module that proves success in a batch: its own, or the expected one where that is not known."""
    return job.module_name or policy.module_name


def reported_version(report: DeviceReport, job: JobSnapshot, sources: Collection[str], policy: Policy) -> str | None:
    """The version that a device reports for the module of a batch; ``None`` if it reports none.

    Where the module is not known, it is the version of any if all modules of the device are on the version of the
    batch, or none of them. One that the batch replaces, one of ``sources``, is then the likeliest.
    """
    module_name = module_of(job, policy)
    if module_name is not None:
        return report.versions.get(module_name) or None
    if not report.all_modules:
        return None
    versions = [version for _name, version in sorted(report.versions.items()) if version]
    proofs = {is_target(version, job.target, sources, policy.version_match) for version in versions}
    if len(proofs) > 1:
        return None
    return next((version for version in versions if version in sources), next(iter(versions), None))


def sources_of(task: TaskFacts | None, job: JobSnapshot) -> Sequence[str]:
    """The versions that a batch replaces on a device, as far as the task or else the batch names them."""
    source = (task or {}).get("src_version")
    if isinstance(source, str) and source:
        return (source,)
    sources = (job.facts or {}).get("src_versions")
    return [str(text) for text in sources if text] if isinstance(sources, list) else ()


def with_job_sources(sources: Iterable[str], job: JobSnapshot) -> Sequence[str]:
    """The versions that a device's tasks replace, and those that the batch replaces on any device."""
    return (*sources, *sources_of(None, job))


def proof_key(key: DeviceKey, report: DeviceReport, job: JobSnapshot, policy: Policy) -> str:
    """What a proof is about: a device, a module and the version of a batch."""
    return "\t".join((*key, report.iot_id or "", module_of(job, policy) or "", job.target or ""))
