# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the versions that were read must prove, and that none is read in vain.

1. A rollout passes on as many devices as have told the new version to this run, each since its task succeeded, and if
   there is a soak, since that began.
2. No device is read again while its last reading proves it, unless a soak may have begun since then.
3. No device is read twice in a look, nor twice between two looks but to explain why it is late.
4. A device that a look has seen succeed is read before the next one, as far as there is time.
5. To read between two looks does not put off the next one, and a look that reads much ends and goes on in the next.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .bounds import BEST, SUCCEEDED, choose
from .clocks import Look
from .oracle import Devices
from .played import EPSILON, Played
from .readings import Readings
from .timing import LEAST_POLL, LOST_BETWEEN_RUNS, kept_since
from .worlds import EVER, Key

#: How much longer than its interval a pause may be, as a part of it.
JITTER = 0.1
#: Once so many seconds are left, or this part of all the time, it is read why devices are late.
LAST_SECONDS, LAST_PART = 30.0, 0.25
#: A look reads for so many intervals, or so many times as long as all else that it asks takes.
INTERVALS, TIMES = 4, 10
#: Between two runs a reading counts as made up to a minute earlier, as exactly as clocks are known.
SAME_TIME = 61.0
#: Tasks of a batch that are listed in each look.
MOST_LISTED = 700


def wrong_evidence(played: Played) -> Iterator[str]:
    """Devices that pass without proof, or are read more often or later than they need be."""
    if not played.rollout.options["verify_versions"] or not played.looks:
        return
    yield from _unproved(played)
    yield from _read_in_vain(played)
    yield from _read_twice(played)
    yield from _unread(played)
    yield from _put_off(played)
    yield from _endless(played)


def _unproved(played: Played) -> Iterator[str]:
    """Whether more devices count as proved than have told the new version in time."""
    if played.verdict != "passed" or "flap" in played.rollout.trouble:
        return
    after = -math.inf
    if played.rollout.options.get("soak"):
        _confirmed, began = kept_since(played)
        after = began.moments[-1] if began else math.inf
    devices = Devices(played.rollout, played.looks, Readings(played.looks, alone=True, after=after))
    found: dict[object, int] = {}
    for t in played.window:
        for key, state in devices.states(t).items():
            found[key] = found.get(key, 0) | state
    for key, moment in played.looks[-1].readings:  # a look may read for so long that a task changes in it
        for each, state in zip((each for each in devices.keys if each[0] == key), devices.states_of(key, moment)):
            found[each] = found.get(each, 0) | state
    proved, counted = choose(found.values(), BEST[0]).succeeded, played.last.result["counts"]["verified"]
    if counted > proved:
        yield f"{counted} devices count as verified, and only {proved} have told the new version in time"


def _read_in_vain(played: Played) -> Iterator[str]:
    """Whether a device is read again that is proved."""
    known = Readings(played.looks, alone=True, strictly=True)
    devices = Devices(played.rollout, played.looks, known)
    soaks = played.rollout.options.get("soak", 0.0) > 0
    for look, key, moment in _readings(played.looks):
        last = known.last(key, moment)
        is_bent = any(part.bent - {"unreadable"} for part in _parts(look))  # its tasks may be shown otherwise, or not
        if last is not None and known.run(last) != known.run(moment):
            # A later run takes what it keeps for the module alone that it is about, as far as that was known.
            is_bent = is_bent or any(len(devices.batches.modules(batch)) > 1 for batch in devices.world.batches)
            is_bent = is_bent or not _had_succeeded(played, key, last - SAME_TIME, last)
        if last is None or is_bent or not all(_is_proved(devices, key, t) for t in (look.moments[0], moment)):
            continue
        if not soaks or not _may_have_soaked(played, last, moment):
            yield f"{key[1]} is read at {moment:.1f} s, and was proved at {last:.1f} s"


def _had_succeeded(played: Played, key: Key, since: float, until: float) -> bool:
    """Whether a device was known to have succeeded all that time: a later run knows of its reading only roughly."""
    moments = played.truth.between(since, until)
    states = (state for t in moments for state in played.truth.devices.states_of(key, t, sight=True))
    return all(state == SUCCEEDED for state in states)


def _is_proved(devices: Devices, key: Key, t: float) -> bool:
    return set(devices.states_of(key, t)) == {SUCCEEDED}


def _may_have_soaked(played: Played, last: float, moment: float) -> bool:
    """Whether a soak may have begun between two readings of a device."""
    looks = [look for look in played.looks if look.moments[-1] >= last and look.moments[0] <= moment]
    return any("flap" in look.bent or played.truth.kept(played.truth.of_look(look)) for look in looks)


def _readings(looks: Sequence[Look]) -> Iterator[tuple[Look, Key, float]]:
    """All readings, each with the look that it is of, or that it follows."""
    for look in looks:
        for part in _parts(look):
            for key, moment in part.readings:
                yield look, key, moment


def _parts(look: Look) -> Iterable[Look]:
    return [look, look.afterwards] if look.afterwards else [look]


def _read_twice(played: Played) -> Iterator[str]:
    """Whether a device is read twice at once. Who looks once reads in that look what else is read between two."""
    for look in played.looks:
        once = 1 if played.runs[look.run].machine.waits else 2
        for part, most in zip(_parts(look), (once, 2)):
            twice = [key for key, number in Counter(key for key, _moment in part.readings).items() if number > most]
            for _product, name in twice:
                yield f"{name} is read more than {most} times in or after {look}"


def _unread(played: Played) -> Iterator[str]:
    """Whether a device that was seen to succeed is still unread in the next look, although nothing is in the way."""
    rollout, truth = played.rollout, played.truth
    if rollout.trouble or any(truth.world.lags) or not rollout.waits:
        return
    if any(len(batch.tasks) > MOST_LISTED for batch in truth.world.batches):
        return
    vanished = truth.vanished([EVER])
    for look, following in pairwise(played.looks):
        t, until = look.moments[-1], following.moments[0] - EPSILON
        if truth.demand.differs() != "no" or played.deadline - t < 2 * rollout.interval:
            continue
        for (key, _iot), state in truth.devices.states(t, sight=True).items():
            device = truth.world.device(key)
            if state != SUCCEEDED or device is None or device.unreadable or key in vanished:
                continue
            if not any(moment <= until for moment in truth.readings.of(key)):
                yield f"{key[1]} is seen to have succeeded at {t:.1f} s, and is unread at {until:.1f} s"


def _put_off(played: Played) -> Iterator[str]:
    """Whether readings between two looks put off the next one, but those that explain in the end who is late."""
    slow, wait = played.rollout.trouble.get("slow", {}).get("seconds", 0.0), played.rollout.options["wait_timeout"]
    explains = played.deadline - min(LAST_SECONDS, wait * LAST_PART) - LOST_BETWEEN_RUNS * len(played.runs)
    for look, following in pairwise(played.looks):
        pause = following.moments[0] - look.moments[-1]
        most = max(played.rollout.interval * (1 + JITTER), LEAST_POLL) + 2 * slow
        late = look.moments[-1] > explains or "hang" in played.rollout.trouble
        if look.run == following.run and look.afterwards and not late and pause > most:
            yield f"the look at {following.moments[0]:.1f} s comes {pause - most:.1f} s late"


def _endless(played: Played) -> Iterator[str]:
    """Whether a look that decides nothing reads longer than it may."""
    slow, options = played.rollout.trouble.get("slow", {}).get("seconds", 0.0), played.rollout.options
    for look, is_last in zip(played.looks, (*[False] * (len(played.looks) - 1), True)):
        run = played.runs[look.run]
        if not look.readings or (is_last and run.result["final"]):
            continue
        if run.machine.waits:
            begins = look.readings[0][1] - slow
            most = begins + max(INTERVALS * played.rollout.interval, TIMES * (begins - look.moments[0] + slow))
        else:
            most = run.began + options["look_timeout"]
        if look.readings[-1][1] > most + slow + EPSILON:
            yield f"the look at {look.moments[0]:.1f} s reads until {look.readings[-1][1]:.1f} s"
