# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate tells people: where the rollout is, which clocks apply, who failed and who is late. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .._verdict.policy import Policy
from .._verdict.snapshot import Batch, moment, natural, pushed_by, utc
from .._verdict.wording import duration


class Clocks(NamedTuple):
    """The times that the batches set: when all devices are told, how long their retries take, and both in words."""

    pushed: float
    retries: float
    sentences: list[str]


def clocks_of(batches: Sequence[Batch], policy: Policy, now: float) -> Clocks:
    """When the rollout can end at the earliest, as far as the batches tell."""
    pushed, retries = now, 0.0
    sentences: list[str] = []
    for batch in batches:
        job = batch.job or {}
        if batch.finished:
            continue
        planned = moment(job.get("utc_schedule_time"))
        if planned is not None and planned > now:
            pushed = max(pushed, planned)
            sentences.append(f"batch {batch.job_id} begins at {utc(planned)}")
        rate = natural(job.get("maximum_per_minute"))
        told = pushed_by(batch) or (max(now, planned or now) + natural(batch.total) * 60.0 / rate if rate else now)
        if told > now:
            pushed = max(pushed, told)
            sentences.append(f"at {rate} devices a minute, the last of batch {batch.job_id} is told at {utc(told)}")
        limit = natural(job.get("timeout_in_minutes"))
        again, pause = natural(job.get("retry_count")), natural(job.get("retry_interval"))
        if limit:
            sentences.append(f"a device of batch {batch.job_id} has {duration(limit * 60)}")
        if again:
            sentences.append(f"it is tried {again} times more, {duration(pause * 60)} apart")
        retries = max(retries, 60.0 * (limit + again * pause))
    for name, seconds in (("the start grace is", policy.start_grace), ("it soaks for", policy.soak)):
        if seconds:
            sentences.append(f"{name} {duration(seconds)}")
    return Clocks(pushed, retries, sentences)
