# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chart: devices by state over time, with its axes, the deadline, and the time in which nothing was read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .._result.reading import count_of, mapping_of, number_of, rows_of
from .._rollout.times import format_time, parse_time
from .._verdict.wording import count_things, format_duration
from .tiles import STATES, stacked_bar
from .words import width_of

#: The size of the drawing, whatever the size of the page.
WIDTH, HEIGHT = 1000, 200
#: What was found last is drawn over this part of the chart, so that a change at the end is seen.
TAIL = 0.02
#: Draw a deadline that is at most this much farther away than the last poll; one beyond is said below.
FAR = 1.5
#: At most this many marks on an axis.
MAX_TICKS = 8
MAX_LEVELS = 5
#: No mark for devices but the last is above this part of the axis.
LAST_LEVEL = 0.9

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: The distances of marks on the axis of time, in seconds.
STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * step for step in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * step for step in (1, 2, 3, 6, 12)),
    *(_DAY * step for step in (1, 2, 7, 14, 28, 56)),
)


class Poll(NamedTuple):
    """An entry of a timeline: when it was, in seconds, what it found, and whether it ``failed`` and found nothing."""

    seconds: float
    counts: Mapping[str, int]
    failed: bool


class Axis(NamedTuple):
    """The axis of time: from the ``first`` poll at 0 to the last, in seconds, and how many seconds it shows."""

    last: float
    shown: float

    def place(self, seconds: float) -> float:
        """Where a time is, in percent."""
        return width_of(seconds, self.shown)


def read_polls(result: Mapping[str, Any]) -> list[Poll]:
    """The timeline in a result, in the order of time."""
    polls = [
        Poll(
            max(0.0, number_of(row.get("seconds"))),
            {state: count_of(row.get(state)) for state in STATES},
            row.get("error") is True,
        )
        for row in rows_of(result.get("timeline"))
    ]
    return sorted(polls, key=lambda poll: poll.seconds)


def chart(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """The chart, or one bar where nothing moved; ``None`` if no device was counted in any poll."""
    polls = read_polls(result)
    top = max((sum(poll.counts.values()) for poll in polls), default=0)
    if not top:
        return None
    last = polls[-1]
    if not last.seconds or not _has_moved(polls):
        return {"bar": stacked_bar(last.counts, sum(last.counts.values())), "text": _still_words(polls)}
    axis = _axis(last.seconds, deadline_after(result))
    return {
        "areas": [{"state": state, "path": _area(polls, states, top, axis)} for state, states in _stacks()],
        "gaps": list(_gaps(polls, axis)),
        "levels": [{"text": f"{level:,}", "place": width_of(level, top)} for level in level_ticks(top)],
        "ticks": _ticks(axis, parse_time(result.get("started"))),
        **_deadline(result, axis),
        "text": _description(polls),
        "rows": _rows(polls, parse_time(result.get("started"))),
    }


def _has_moved(polls: Sequence[Poll]) -> bool:
    return any(poll.failed or poll.counts != polls[0].counts for poll in polls)


def _axis(last: float, deadline: float | None) -> Axis:
    shown = last * (1 + TAIL)
    return Axis(last, max(shown, deadline * (1 + TAIL / 2)) if deadline and deadline <= FAR * last else shown)


def _stacks() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each state with those that are below it: failed devices stand on the base line."""
    names = tuple(STATES)
    for number, name in enumerate(names):
        yield name, names[number:]


def _area(polls: Sequence[Poll], states: Sequence[str], top: int, axis: Axis) -> str:
    """The outline of an area, held from each poll to the next."""
    parts = [f"M{10 * axis.place(polls[0].seconds):.1f} {HEIGHT}"]
    for poll in polls:
        number = sum(poll.counts[state] for state in states)
        parts.append(f"H{10 * axis.place(poll.seconds):.1f} V{HEIGHT - HEIGHT * number / top:.1f}")
    return f"{' '.join(parts)} H{10 * axis.place(axis.last * (1 + TAIL)):.1f} V{HEIGHT} Z"


def _gaps(polls: Sequence[Poll], axis: Axis) -> Iterator[dict[str, float]]:
    """From each poll that failed to the next that did not."""
    began: float | None = None
    for poll in polls:
        if poll.failed and began is None:
            began = poll.seconds
        elif not poll.failed and began is not None:
            yield _gap(began, poll.seconds, axis)
            began = None
    if began is not None:
        yield _gap(began, axis.last * (1 + TAIL), axis)


def _gap(began: float, ended: float, axis: Axis) -> dict[str, float]:
    left = 10 * axis.place(began)
    return {"x": round(left, 1), "width": round(10 * axis.place(ended) - left, 1)}


def time_step(seconds: float) -> int:
    """The least round distance of marks that leaves few of them on so many seconds."""
    return next((step for step in STEPS if seconds / step <= MAX_TICKS), STEPS[-1])


def level_ticks(top: int) -> list[int]:
    """Round numbers of devices from 0 with few between, and ``top`` in place of one just below it."""
    sizes = (factor * 10**power for power in range(10) for factor in (1, 2, 5))
    step = next(size for size in sizes if top / size <= MAX_LEVELS)
    return [*(level for level in range(0, top, step) if level <= LAST_LEVEL * top), top]


def _ticks(axis: Axis, started: float | None) -> list[dict[str, Any]]:
    step = time_step(axis.shown)
    return [
        {"place": axis.place(seconds), "text": tick_text(seconds), "clock": _clock(started, seconds, step)}
        for seconds in range(0, int(axis.shown) + 1, step)
    ]


def tick_text(seconds: int) -> str:
    """A time on the axis, in its own unit."""
    if seconds and seconds % _DAY == 0:
        return f"{seconds // _DAY} d"
    if seconds and seconds % _HOUR == 0:
        return f"{seconds // _HOUR} h"
    return format_duration(seconds)


def _clock(started: float | None, seconds: float, step: int) -> str:
    """The time of day at a mark, and the day where marks are days apart."""
    if started is None:
        return ""
    text = format_time(started + seconds)
    return text[5:10] if step >= _DAY else text[11:16] if step >= 5 * _MINUTE else text[11:19]


def deadline_after(result: Mapping[str, Any]) -> float | None:
    """How long after the first poll the deadline is, in seconds; ``None`` if that is not known."""
    started, deadline = parse_time(result.get("started")), parse_time(result.get("deadline"))
    if started is not None and deadline is not None:
        return max(0.0, deadline - started)
    return number_of(mapping_of(result.get("policy")).get("wait_timeout")) or None


def _deadline(result: Mapping[str, Any], axis: Axis) -> dict[str, Any]:
    """The deadline where it is on the chart, else in words."""
    after, moment = deadline_after(result), parse_time(result.get("deadline"))
    if after is None:
        return {"deadline": None, "beyond": ""}
    text = f"Deadline {format_time(moment)[11:19]}" if moment is not None else "Deadline"
    if after <= axis.shown:
        return {"deadline": {"place": axis.place(after), "text": text}, "beyond": ""}
    return {"deadline": None, "beyond": f"{text} UTC, {format_duration(after - axis.last)} after the last poll"}


def _numbers(poll: Poll) -> str:
    return ", ".join(f"{poll.counts[state]:,} {STATES[state].lower()}" for state in ("succeeded", "failed", "pending"))


def _description(polls: Sequence[Poll]) -> str:
    return f"After {format_duration(polls[-1].seconds)}: {_numbers(polls[-1])}. The first poll: {_numbers(polls[0])}."


def _still_words(polls: Sequence[Poll]) -> str:
    if not polls[-1].seconds:
        return f"{count_things(len(polls), 'poll')}: {_numbers(polls[-1])}."
    return f"Nothing changed in {format_duration(polls[-1].seconds)}: {_numbers(polls[-1])}."


def _rows(polls: Sequence[Poll], started: float | None) -> list[dict[str, str]]:
    """The same as a table."""
    return [
        {
            "time": format_duration(poll.seconds),
            "clock": _clock(started, poll.seconds, 1),
            **{state: "no data" if poll.failed else f"{poll.counts[state]:,}" for state in STATES},
        }
        for poll in polls
    ]
