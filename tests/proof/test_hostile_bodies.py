# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every time limit holds, because no response keeps the interpreter's lock for long: the search for a slow one.

What counts is the steps, of which the slowest response of the largest size may take about one for each byte.
"""

from __future__ import annotations

from ansible_collections.iotfleet.ota.tests.unit.hostile_bodies import HOSTILE, MAX_STEPS, Hostile, steps_of
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

#: So many bytes of a body are enough to tell how its steps grow.
SMALL = 60
#: A response that is slower than all before it is tried in full, as often as its parts may be there.
AMOUNTS = (14_900, 7_400, 4_900, 3_700)

_tokens = ["{", "}", "[", "]", ",", ":", '"', '"a"', '"TaskDesc"', "1", "1.5", "NaN", "\\ud800", "\\u0041", "=", "%2F"]
_tokens += [
    "<a>",
    "</a>",
    "<a/>",
    "<b:a>",
    "&#8;",
    "&lt;",
    "]]>",
    "<![CDATA[",
    "<!--",
    "-->",
    "\x08",
    "\n",
    " ",
    "x-acs-",
]
_tokens += [
    "GET / ",
    "Signature=",
    "https://x?",
    "A",
    "Aa",
    "搜",
    "\U0001f600",
    "secret",
    "canary",
    "{}",
    ",{}",
    ',"x":[]',
]
parts = st.lists(st.sampled_from(_tokens), min_size=1, max_size=6).map("".join)
hostile = st.builds(
    lambda frame, part: frame._replace(part=part),
    st.sampled_from([*HOSTILE.values()]),
    parts,
) | st.builds(Hostile, parts, parts, parts, st.sampled_from(["json", "xml"]))


def steps_a_part(found: Hostile) -> float:
    """The steps for each byte that is added."""
    once, twice = (found.body(most=most) for most in (SMALL, 2 * SMALL))
    steps = [steps_of(body, found.response_format) for body in (once, twice)]
    assert steps[1] <= 2.3 * steps[0] + 500, found
    return (steps[1] - steps[0]) / max(1, len(twice) - len(once))


def test_no_response_takes_many_steps(is_thorough):
    slowest = 0.0

    @settings(
        max_examples=50_000 if is_thorough else 5_000,
        derandomize=True,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(hostile)
    def search(found):
        nonlocal slowest
        steps = steps_a_part(found)
        target(steps)
        if steps > slowest:
            slowest = steps
            for most in AMOUNTS:
                assert steps_of(found.body(most=most), found.response_format) <= MAX_STEPS, found

    search()
    assert slowest > 0
