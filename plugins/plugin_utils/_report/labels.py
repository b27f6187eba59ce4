# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a batch and a rollout are called. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...module_utils._text import printable
from .._rollout.snapshot import JobSnapshot

#: Maximum length of a label or a title, in characters.
MAX_LABEL = 60
#: Tell batches with one label apart by so many of the last characters of their IDs, if that is enough.
TAIL = 4


def batch_label(job: JobSnapshot) -> str:
    """What people call a batch: its description, else its package and version, else its ID."""
    facts = job.facts or {}
    description, name = (" ".join(str(facts.get(fact) or "").split()) for fact in ("job_desc", "name"))
    version = job.target or ""
    if name and version and version not in name:
        name = f"{name} {version}"
    return printable(description or name or f"batch {job.job_id}", MAX_LABEL)


def batch_labels(jobs: Sequence[JobSnapshot]) -> dict[str, str]:
    """The label of each batch by its ID. Those that share one have the end of the ID as well."""
    labels = {job.job_id: batch_label(job) for job in jobs}
    shared = {label for label, number in Counter(labels.values()).items() if number > 1}
    tails = Counter((label, job_id[-TAIL:]) for job_id, label in labels.items())

    def unique(job_id: str, label: str) -> str:
        if label not in shared:
            return label
        is_enough = len(job_id) > TAIL and tails[label, job_id[-TAIL:]] == 1
        return f"{label} …{job_id[-TAIL:]}" if is_enough else f"{label} {job_id}"

    return {job_id: unique(job_id, label) for job_id, label in labels.items()}


def rollout_title(given: str, job_ids: Sequence[str], jobs: Sequence[JobSnapshot]) -> str:
    """What people call a rollout: the title that is ``given``, else the label of its only batch, else their number."""
    if given:
        return printable(" ".join(given.split()), MAX_LABEL)
    if len(job_ids) > 1:
        return f"{len(job_ids)} batches"
    return batch_label(jobs[0]) if jobs else printable(f"batch {job_ids[0]}", MAX_LABEL)
