# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the batches of a rollout stand to each other: stages of a chain, and contradictions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from ...module_utils._queries.devices import DeviceKey
from ...module_utils._queries.jobs import TaskFacts
from .devices import module_of, sources_of, to_text
from .policy import Policy
from .snapshot import JobSnapshot


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
    if len(jobs) < 2 or not policy.verify_versions:
        return []
    return [relation for pair in combinations(jobs, 2) for relation in _relate(*pair, policy)]


def _relate(one: JobSnapshot, other: JobSnapshot, policy: Policy) -> Iterator[Relation]:
    module_name = module_of(one, policy)
    differ = None not in (one.target, other.target) and one.target != other.target
    if not differ or one.product_key != other.product_key or module_of(other, policy) != module_name:
        return
    tasks, others = tasks_by_device(one), tasks_by_device(other)
    shared = sorted(tasks.keys() & others.keys())
    forwards = _follows(other, one, [others[key] for key in shared])
    backwards = _follows(one, other, [tasks[key] for key in shared])
    earlier, later = (other, one) if backwards else (one, other)
    if forwards != backwards or (shared and module_name is not None):
        yield Relation(earlier, later, tuple(name for _product, name in shared), forwards != backwards)


def _follows(later: JobSnapshot, earlier: JobSnapshot, tasks: Sequence[TaskFacts]) -> bool:
    """Whether a batch plainly begins where another one ends, by its own word or by that of its ``tasks``."""
    if earlier.target in sources_of(None, later):
        return True
    return bool(tasks) and all(task.get("src_version") == earlier.target for task in tasks)


def tasks_by_device(job: JobSnapshot) -> Mapping[DeviceKey, TaskFacts]:
    """A task of each device of a batch."""
    return {task_key(task, job): task for task in job.tasks}


def task_key(task: TaskFacts, job: JobSnapshot) -> DeviceKey:
    """The device that a task is about."""
    return to_text(task.get("product_key")) or job.product_key, to_text(task.get("device_name")) or ""
