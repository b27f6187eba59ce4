# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Masks secrets in all that is shown, but no word or number of this collection that happens to contain one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.common.parameters import remove_values

#: Shorter secrets, such as the password "pass" of a proxy, would be found in "passed". No text of ours quotes a secret,
#: and the service's errors are masked where they are read, so that this is only the second net.
MIN_SECRET = 8

#: What stands for the value of an option that is a secret; Ansible's own word.
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

#: Words of results, of so many characters, on which playbooks and pipelines act.
OWN_WORDS = (
    "inconclusive timed_out succeeded verified executed canceled vanished"
    " disabled notified starting COMPLETED CANCELED SUCCEEDED NOTIFIED IN_PROGRESS UPGRADE_FIRMWARE VERIFY_FIRMWARE"
    " ambiguous_batch ambiguous_device api_error awaiting_confirmation awaiting_version already_on_target"
    " batch_canceled confirming conflicting_batches deadline download dynamic_batch empty_batch fell_back incomplete"
    " in_progress never_activated no_batch not_judged not_started nothing_to_judge online_not_pushed rate_limited"
    " retrying still_open success_out_of_reach too_few_devices too_large too_many_errors too_many_failures unfinished"
    " unknown_job unknown_module unknown_product"
    " unproved waits_for_device wrong_job wrong_version"
    " not_canceled scheduled unconfirmed unknown_outcome"
    " max_consecutive_errors max_failed_percent max_pending_percent min_devices min_succeeded_percent wait_timeout"
)


def mask_secrets(value: Any, secrets: Iterable[str]) -> Any:
    """``value`` without the ``secrets``, at any depth."""
    return remove_values(value, maskable_secrets(secrets))


def maskable_secrets(secrets: Iterable[str]) -> frozenset[str]:
    """Those of the ``secrets`` that are in no word of ours; other threads may add some meanwhile."""
    return frozenset(secret for secret in list(secrets) if len(secret) >= MIN_SECRET and secret not in OWN_WORDS)


def hide_secret_options(options: Mapping[str, Any], argument_spec: Mapping[str, Any]) -> dict[str, Any]:
    """The ``options`` as they may be shown, whatever their values are."""
    hidden = {name for name, spec in argument_spec.items() if spec.get("no_log")}
    return {name: HIDDEN if name in hidden and value else value for name, value in options.items()}
