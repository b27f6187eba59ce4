# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an inconclusive verdict is right: what cannot be known really cannot."""

from __future__ import annotations

import math
from typing import Callable

from .clocks import Look
from .played import EPSILON, HIDING, Played
from .watch import UNSURE
from .worlds import Batch

#: The service lists so many tasks at most.
LISTABLE = 100_000
TRANSIENT = ("ServiceUnavailable", "timeout", "wrong_response", "hang", "SystemBusy")


def may_be_inconclusive(played: Played) -> bool:
    """Whether the reason that is given is so."""
    truth, look, window = played.truth, played.looks[-1], played.window
    t, bent = played.last.ended + EPSILON, played.bent
    over = any(truth.watch.finished(moment) for moment in window)
    lags = any(truth.world.lags)
    refused = any("package" in each.refused for each in played.looks)
    if played.reason == "unfinished" or not played.looks:
        return False
    answers: dict[str, bool] = {
        "api_error": any(not code.endswith(TRANSIENT) for code in look.raised),
        "too_many_errors": _errors_in_a_row(played),
        "incomplete": bool(bent) or lags or len(truth.of_look(look)) > 1 or _was_counted(played),
        "unknown_job": _seen_by_then(played, lambda seen: "no_job" in seen.bent),
        "dynamic_batch": truth.demand.dynamic,
        "nothing_to_judge": _seen_by_then(played, lambda seen: _shows_nothing(played, seen)),
        "not_started": _not_begun(played),
        "empty_batch": _not_begun(played),
        "ambiguous_device": truth.demand.ambiguous,
        "unknown_product": truth.demand.foreign,
        "conflicting_batches": refused
        or any(truth.batches.conflicts(moment) != "no" for moment in window)
        or (len(truth.world.batches) > 2 and len(window) > 1),  # the stage between two may not have been seen
        "unknown_module": refused or truth.demand.unknown_module() != "no",
        "too_large": "short" in bent,
        "vanished": over
        and t >= truth.watch.ended() + played.grace - UNSURE
        and (bool(truth.vanished(window)) or any(seen.bent & HIDING for seen in _deciding(played))),
    }
    return answers.get(played.reason, False)


def _errors_in_a_row(played: Played) -> bool:
    most = played.rollout.options["max_consecutive_errors"]
    last = played.looks[-most - 1 :]
    return len(last) == most + 1 and all(look.errors or look.unread for look in last)


def _not_begun(played: Played) -> bool:
    """Whether a batch without tasks has been waited for long enough, and is called what it is."""
    unbegun = played.truth.unbegun(played.window)
    if len(unbegun) == 1 and not played.bent and not any(played.truth.world.lags):
        states = {unbegun[0].status.at(t) == "PLANNED" for t in played.window}
        if states == {played.reason != "not_started"}:
            return False
    truth, options, flaps = played.truth, played.rollout.options, "flap" in played.bent
    hidden = bool({"hidden", "no_list", "short", "shrinks"} & played.bent)
    for batch in truth.world.batches:
        canceled = _may_be_canceled(played, batch)
        # A schedule means nothing any more once the batch is canceled.
        scheduled = -math.inf if batch.schedule is None or canceled else batch.schedule - UNSURE
        begin = max(played.rollout.begins, scheduled)
        early = played.last.ended + EPSILON < begin + played.grace and played.hears_time
        had = any(truth.watch.was_seen(task, played.last.ended, surely=False) for task in batch.tasks)
        if early or (options["allow_empty"] and not canceled and not had):
            continue
        for t in _last_whole_window(played):
            planned = batch.status.at(t - truth.world.lags.job) == "PLANNED"
            if planned or flaps or hidden or not truth.counting(batch, t):
                return True
    return False


def _last_whole_window(played: Played) -> list[float]:
    """The moments of the last look, and of the one before where the deadline may have cut the last one short."""
    looks = played.looks[-2:] if {"slow", "hang"} & set(played.rollout.trouble) else []
    if not looks or played.last.ended < played.deadline - EPSILON:
        return played.window
    return sorted({*played.window, *(moment for look in looks for moment in played.truth.of_look(look))})


def _deciding(played: Played) -> list[Look]:
    """The last look, or at the deadline the last one that did not fail."""
    late = played.last.ended >= played.deadline - EPSILON or not played.hears_time
    read = [look for look in (played.looks if late else played.looks[-1:]) if not look.blind]
    # A look that the deadline cuts short may have seen nothing.
    return read[-2:] if late and read[-1:] == played.looks[-1:] and "slow" in played.rollout.trouble else read[-1:]


def _seen_by_then(played: Played, shows: Callable[[Look], bool]) -> bool:
    """Whether a look that decides shows something once the grace is over."""
    for look in _deciding(played):
        seen = played.last.ended if look is played.looks[-1] else look.moments[-1]
        begun = seen + EPSILON >= played.rollout.begins + played.grace or not played.hears_time
        if begun and shows(look):
            return True
    return False


def _shows_nothing(played: Played, look: Look) -> bool:
    """Whether no device that counts may be seen in a look, as where all tasks are shown as canceled."""
    if "flap" in look.bent and played.rollout.options["ignore_canceled"]:
        return True
    moments = played.window if look is played.looks[-1] else played.truth.of_look(look)
    return bool(HIDING & look.bent) or played.truth.nothing(moments)


def _may_be_canceled(played: Played, batch: Batch) -> bool:
    """Whether the last look was shown that a batch is canceled."""
    if "flap" in played.bent and played.rollout.trouble["flap"]["job"]:
        return True
    return any(batch.status.at(t - played.truth.world.lags.job) == "CANCELED" for t in played.window)


def _was_counted(played: Played) -> bool:
    """Whether there are, or the service said once, more tasks than are listed, so that nobody can name those gone."""
    gone = any(task.gone <= played.last.ended for batch in played.truth.world.batches for task in batch.tasks)
    if "a crowd" in played.rollout.kinds and gone:
        return True
    most = played.rollout.trouble.get("short", {}).get("by", 0)
    return most >= LISTABLE and any("short" in look.bent for look in played.looks)
