# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a verdict: one clause for each reason. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...module_utils._api.operations import QUERY_OTA_FIRMWARE
from .._verdict.bounds import Limit

#: How to stop what the gate cannot stop, after the name of the batch.
CANCEL = "(in the console, or with ota_job_cancel)"
_NEW_BATCH = "repeat the update with a new batch"
_REPEAT = f"find the cause, and {_NEW_BATCH}"
_WAIT = "poll again"
_AGAIN = "run the gate again"

#: By the code of the deciding reason. Where it is about different bounds, those that need something else come after a
#: slash.
REMEDIES: Mapping[str, str] = {
    # passed
    "proved": "go on",
    # failed
    "wrong_job": f"check job_ids, and what the batch was meant to be; cancel a wrong one {CANCEL}",
    "too_many_failures": _REPEAT,
    "success_out_of_reach": _REPEAT,
    "too_few_devices": "check which devices the batch selects",
    "batch_canceled": "ask who canceled it and why, then start a new batch",
    # timed_out
    "deadline": "see why devices are unfinished; raise wait_timeout, or allow some with max_pending_percent",
    "deadline/min_devices": "check which devices the batch selects",
    "deadline/wait_timeout": f"raise wait_timeout, and {_AGAIN}",
    # inconclusive
    "api_error": f"do what the error says, and {_AGAIN}",
    "too_many_errors": f"do what the error says, and {_AGAIN}",
    "incomplete": f"{_AGAIN}; if it stays so, see Troubleshooting, Incomplete lists and batches",
    "no_batch": f"create the batch or correct find, and {_AGAIN}",
    "ambiguous_batch": "say in find which is meant (tags, created_after, module_name, which), or give job_ids",
    "unknown_job": f"correct job_ids or the connection, and {_AGAIN}",
    "dynamic_batch": "give expected_devices",
    "too_large": "give expected_devices",
    "ambiguous_device": "correct expected_devices",
    "unknown_product": "correct job_ids or expected_devices",
    "nothing_to_judge": "check which devices the batch selects; set allow_empty if there need not be any",
    "conflicting_batches": "gate them one after the other",
    "empty_batch": "correct job_ids or the batch",
    "unknown_module": f"set versions.module_name, or allow {QUERY_OTA_FIRMWARE.action}",
    # pending; a last poll may end so, and some of them are inconclusive in the end
    "not_started": "start the batch, or correct job_ids",
    "vanished": "ask who deleted or replaced the devices; set ignore_vanished if they do not count",
    "starting": _WAIT,
    "unfinished": _WAIT,
    "still_open": _WAIT,
    "unproved": _WAIT,
    "awaiting_version": _WAIT,
    "confirming": _WAIT,
    "soaking": _WAIT,
    "unread": _WAIT,
    "error": _WAIT,
}

#: What to do first once the batches are canceled, by the same, where that is not to find the cause.
FIRST_AFTER_CANCEL: Mapping[str, str] = {
    "too_few_devices": "check which devices the batch selects",
    "deadline": "see why devices were unfinished",
    "deadline/min_devices": "check which devices the batch selects",
    "deadline/wait_timeout": "raise wait_timeout",
    "api_error": "do what the error says",
    "too_many_errors": "do what the error says",
    "incomplete": "see Troubleshooting, Incomplete lists and batches",
}


def remedy(code: str, limit: Limit | None, running: Sequence[str] = ()) -> str:
    """What to do about the reason ``code``, if the bound ``limit`` decided and these batches are still running."""
    special = f"{code}/{limit.name}" if limit else ""
    clause = REMEDIES[special] if special in REMEDIES else REMEDIES[code]
    if clause is not _REPEAT or not running:
        return clause
    batches = f"batch {running[0]}" if len(running) == 1 else f"the {len(running)} batches that are still running"
    return f"cancel {batches} {CANCEL}; {clause}"


def remedy_after_cancel(code: str, limit: Limit | None) -> str:
    """What to do about the reason ``code`` once the batches are canceled, which no gate passes any more."""
    special = f"{code}/{limit.name}" if limit else ""
    first = FIRST_AFTER_CANCEL.get(special) or FIRST_AFTER_CANCEL.get(code, "find the cause")
    return f"{first}, and {_NEW_BATCH}"


def remedy_sentences(clause: str) -> list[str]:
    """What to do in sentences, for a page or a program."""
    return [f"{part[:1].upper()}{part[1:]}." for part in clause.split("; ")]


def remedy_clause(sentences: Sequence[str]) -> str:
    """What :func:`remedy_sentences` has made sentences of."""
    return "; ".join(f"{sentence[:1].lower()}{sentence[1:].rstrip('.')}" for sentence in sentences)
