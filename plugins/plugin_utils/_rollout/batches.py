# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the batches of a rollout stand to each other: stages of a chain, and contradictions. Pure."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import TaskFacts
from .policy import Policy, VersionMatch
from .snapshot import JobSnapshot, to_text
from .times import parse_time
from .versions import is_source, module_of, sources_of

_TasksByDevice = Mapping[DeviceKey, Sequence[TaskFacts]]


class Relation(NamedTuple):
    """Two batches that bring the same ``devices`` to different versions of one module.

    The device is to end at the version of ``later``; ``earlier`` is a stage on the way, unless both claim the devices.
    """

    earlier: JobSnapshot
    later: JobSnapshot
    devices: tuple[str, ...]
    is_chain: bool


def relate_batches(jobs: Sequence[JobSnapshot], policy: Policy) -> list[Relation]:
    """The pairs of batches whose devices cannot be on the version of both."""
    if not policy.verify_versions:
        return []
    known = [job for job in jobs if module_of(job, policy) is not None]  # others may be for different modules
    pairs = [pair for pair in combinations(known, 2) if _bring_different_versions(*pair, policy)]
    involved = {job.job_id: job for pair in pairs for job in pair}
    tasks = {job_id: _tasks_by_device(job) for job_id, job in involved.items()}
    relations = [_relate(*pair, tasks[pair[0].job_id], tasks[pair[1].job_id], policy.version_match) for pair in pairs]
    in_circles = _arrows_in_circles(relations)
    relations = [
        relation._replace(is_chain=False) if _arrow(relation) in in_circles else relation for relation in relations
    ]
    paths = _paths({_arrow(relation) for relation in relations if relation.is_chain})
    relations = [_along_path(relation, paths) for relation in relations]
    return [relation for relation in relations if relation.is_chain or _is_conflict(relation, policy)]


def _is_conflict(relation: Relation, policy: Policy) -> bool:
    """Whether devices are claimed by both; batches whose module is not known may be for different ones."""
    return bool(relation.devices) and module_of(relation.later, policy) is not None


def earlier_stages(job: JobSnapshot, jobs: Sequence[JobSnapshot], policy: Policy) -> list[JobSnapshot]:
    """The batches that end where a batch begins by its own word, so that it may be empty as long as they go on."""

    def follows(later: JobSnapshot, earlier: JobSnapshot) -> bool:
        return _follows(later, earlier, (), policy.version_match)

    return [
        other
        for other in jobs
        if _bring_different_versions(job, other, policy) and follows(job, other) and not follows(other, job)
    ]


def _bring_different_versions(one: JobSnapshot, other: JobSnapshot, policy: Policy) -> bool:
    """Whether two batches are for one module of one product, and for different versions of it."""
    if None in (one.target, other.target) or one.target == other.target:
        return False
    return module_of(one, policy) == module_of(other, policy) and one.product_key == other.product_key


def _relate(
    one: JobSnapshot, other: JobSnapshot, tasks: _TasksByDevice, others: _TasksByDevice, match: VersionMatch
) -> Relation:
    shared = sorted(tasks.keys() & others.keys())
    forwards = backwards = False
    for form in dict.fromkeys(("exact", match)):  # builds of one release all follow each other in other forms
        if forwards == backwards:
            forwards = _follows(other, one, [task for key in shared for task in others[key]], form)
            backwards = _follows(one, other, [task for key in shared for task in tasks[key]], form)
    earlier, later = (other, one) if backwards else (one, other)
    is_chain = forwards != backwards and not _may_come_after(earlier, later)
    return Relation(earlier, later, tuple(name for _product, name in shared), is_chain)


def _follows(later: JobSnapshot, earlier: JobSnapshot, tasks: Sequence[TaskFacts], match: VersionMatch) -> bool:
    """Whether a batch plainly begins where another one ends, by its own word or by that of its ``tasks``."""
    if earlier.target is None:
        return False
    if is_source(earlier.target, sources_of(None, later), match):
        return True
    sources = [to_text(task.get("src_version")) for task in tasks]
    return bool(sources) and all(source and is_source(earlier.target, (source,), match) for source in sources)


def _may_come_after(earlier: JobSnapshot, later: JobSnapshot) -> bool:
    """Whether a batch that does not say where it begins was created after what looks like its later stage.

    It may lead back to an older version then.
    """
    if any(sources_of(task, earlier) for task in (None, *earlier.tasks)):
        return False
    before, after = (parse_time((job.facts or {}).get("utc_create")) for job in (earlier, later))
    return before is not None and after is not None and before > after


def _tasks_by_device(job: JobSnapshot) -> _TasksByDevice:
    """The tasks of each device. Two that name none are not of the same."""
    tasks: dict[DeviceKey, list[TaskFacts]] = {}
    for task in job.tasks:
        key = task_key(task, job)
        if key[1]:
            tasks.setdefault(key, []).append(task)
    return tasks


def _arrow(relation: Relation) -> tuple[str, str]:
    return relation.earlier.job_id, relation.later.job_id


def _arrows_in_circles(relations: Sequence[Relation]) -> set[tuple[str, str]]:
    """The pairs that lead nowhere but round and round, so that none of their batches is the last."""
    arrows = {_arrow(relation) for relation in relations if relation.is_chain}
    while True:
        begun = {before for before, _after in arrows}
        going_on = {(before, after) for before, after in arrows if after in begun}
        if going_on == arrows:
            return arrows
        arrows = going_on


def task_key(task: TaskFacts, job: JobSnapshot) -> DeviceKey:
    """The device that a task is about."""
    return to_text(task.get("product_key")) or job.product_key, to_text(task.get("device_name")) or ""


def _paths(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Each batch with all that come after it, also by way of others."""
    while True:
        longer = {(first, last) for first, middle in arrows for before, last in arrows if middle == before}
        if longer <= arrows:
            return arrows
        arrows = arrows | longer


def _along_path(relation: Relation, paths: Container[tuple[str, str]]) -> Relation:
    """The first and the last of three stages do not follow each other, but are of one chain nevertheless."""
    for earlier, later in ((relation.earlier, relation.later), (relation.later, relation.earlier)):
        if (earlier.job_id, later.job_id) in paths:
            return relation._replace(earlier=earlier, later=later, is_chain=True)
    return relation
