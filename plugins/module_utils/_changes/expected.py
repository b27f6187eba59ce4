# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a batch is the one that is meant, before anything of it is changed."""

from __future__ import annotations

from collections.abc import Mapping

from .._client.client import Client
from .._errors import OtaError
from .._queries.jobs import EXPECTATIONS, JobFacts, read_job, read_module


def read_expected_job(client: Client, job_id: str, expected: Mapping[str, str | None]) -> JobFacts:
    """The facts about a batch that is the one that is meant; ``expected`` is what is known of it, by option.

    :raises OtaError: it is not, or there is no usable response; ``unknown_job``, ``wrong_job``, ``incomplete``.
    """
    job = read_job(client, job_id)
    if not job["found"]:
        raise OtaError(
            f"the service does not know batch {job_id}",
            code="unknown_job",
            hint="check job_ids, and that region, iot_instance_id and the access key are those of its account",
        )
    for option, fact in EXPECTATIONS.items():
        if expected.get(option):
            _check_fact(job_id, option, fact, job.get(fact), expected[option])
    if expected.get("expected_module_name"):
        module_name = read_module(client, job["firmware_id"]) if job["firmware_id"] else None
        _check_fact(job_id, "expected_module_name", "module_name", module_name, expected["expected_module_name"])
    return job


def _check_fact(job_id: str, option: str, fact: str, actual: object, expected: str | None) -> None:
    if actual is None:
        raise OtaError(
            f"the {fact} of batch {job_id} is not known",
            code="incomplete",
            hint=f"leave {option} out, because it cannot be compared",
        )
    if actual != expected:
        raise OtaError(
            f"batch {job_id} has the {fact} {actual}; expected {expected}",
            code="wrong_job",
            hint=f"check job_ids and {option}: another batch may be meant",
        )
