# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts the steps that a backtracking matcher takes for a pattern and a text, and searches for texts that take many.

It knows of regular expressions what the plugins use. Its steps are at least those of Python's own, which skips some.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

try:
    from re import _constants as op  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # Python before 3.11
    import sre_constants as op  # type: ignore[no-redef]
    import sre_parse as parser  # type: ignore[no-redef]

#: How many characters are tried alone and how many in pairs, and how often these are repeated, or to which length.
ALONE, PAIRED = 16, 4
REPEATS, LONG = 16, 140

_CATEGORIES = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    op.CATEGORY_NOT_DIGIT: lambda char: not char.isdecimal(),
    op.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    op.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}
_SINGLE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


class StepCounter:
    """A pattern, and the ``steps`` that all its searches have taken."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self.tree = parser.parse(pattern, flags)
        self.folds = bool((self.tree.state.flags | flags) & re.IGNORECASE)
        self.steps = self.end = 0
        self.text = ""

    def count(self, text: str) -> int:
        """The steps of finding all matches in ``text``."""
        self.steps, self.text = 0, text
        start = 0
        while start <= len(text):
            self.end = start
            self._match(list(self.tree), start, self._accept)
            start = max(start + 1, self.end)
        return self.steps

    def _accept(self, end: int) -> bool:
        self.end = end
        return True

    def _match(self, nodes: Sequence[Any], at: int, then: Callable[[int], bool]) -> bool:
        """Whether ``nodes`` match from ``at`` on, such that what comes ``then`` does as well."""
        if not nodes:
            return then(at)
        (kind, value), rest = nodes[0], nodes[1:]
        self.steps += 1

        def go_on(end: int) -> bool:
            return self._match(rest, end, then)

        if kind is op.FAILURE:
            return False
        if kind in _SINGLE:
            return at < len(self.text) and self._fits(kind, value, self.text[at]) and go_on(at + 1)
        if kind is op.AT:
            return self._is_at(value, at) and go_on(at)
        if kind in (op.ASSERT, op.ASSERT_NOT):
            behind, inner = value
            begin = at - inner.getwidth()[0] if behind < 0 else at
            found = begin >= 0 and self._match(list(inner), begin, lambda _end: True)
            return found is (kind is op.ASSERT) and go_on(at)
        if kind is op.SUBPATTERN:
            return self._match(list(value[-1]), at, go_on)
        if kind is op.BRANCH:
            return any(self._match(list(branch), at, go_on) for branch in value[1])
        if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            return self._repeat(kind, *value, at, go_on)
        raise NotImplementedError(kind)

    def _repeat(self, kind: Any, least: int, most: int, inner: Any, at: int, go_on: Callable[[int], bool]) -> bool:
        nodes = list(inner)
        if len(nodes) == 1 and nodes[0][0] in _SINGLE:
            end = at
            while end < len(self.text) and end - at < most and self._fits(*nodes[0], self.text[end]):
                self.steps += 1
                end += 1
            ends = range(end, at + least - 1, -1) if kind is op.MAX_REPEAT else range(at + least, end + 1)
            return any(map(go_on, ends))

        def one_more(count: int, begin: int) -> bool:
            def again(end: int) -> bool:
                return end > begin and one_more(count + 1, end)

            ways = [lambda: count < most and self._match(nodes, begin, again), lambda: count >= least and go_on(begin)]
            return any(way() for way in (ways if kind is op.MAX_REPEAT else reversed(ways)))

        return one_more(0, at)

    def _fits(self, kind: Any, value: Any, char: str) -> bool:
        self.steps += 1
        chars = {char, char.lower(), char.upper()} if self.folds else {char}
        if kind is op.ANY:
            return char != "\n"
        if kind is op.IN:
            return any(_is_in(value, each) for each in chars)
        return (value in map(ord, "".join(chars))) is (kind is op.LITERAL)

    def _is_at(self, place: Any, at: int) -> bool:
        if place in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return at == 0
        if place in (op.AT_END, op.AT_END_STRING):
            return at == len(self.text)
        words = [0 <= near < len(self.text) and self.text[near].isalnum() for near in (at - 1, at)]
        return (words[0] != words[1]) is (place is op.AT_BOUNDARY)


def _is_in(items: Sequence[Any], char: str) -> bool:
    negated = items[0][0] is op.NEGATE
    found = any(
        (kind is op.LITERAL and value == ord(char))
        or (kind is op.RANGE and value[0] <= ord(char) <= value[1])
        or (kind is op.CATEGORY and _CATEGORIES[value](char))
        for kind, value in items
    )
    return found is not negated


# --- Texts that take many steps --------------------------------------------------------------------------------------


def growth(pattern: str, flags: int = 0) -> tuple[float, str]:
    """By how much the steps grow, at most, where a text of a repeated part is doubled: 2 if linear; and the part."""
    counter = StepCounter(pattern, flags)

    def factor(text: str, end: str, repeats: int) -> float:
        once, twice = (counter.count(text * times + end) for times in (repeats, 2 * repeats))
        return twice / once

    texts = itertools.product([*_parts(counter.tree), "x"], ("", "\x01"))
    worst, part, end = max((factor(part, end, REPEATS), part, end) for part, end in texts)
    if 2.5 < worst < 5:  # what has a bound looks like more at first
        worst = factor(part, end, LONG // len(part) + 1)
    return worst, part


def _parts(tree: Any) -> Iterator[str]:
    """Rows of characters that the pattern tells apart, and the words in it."""
    words = list(dict.fromkeys(_words(tree)))
    alphabet = list(dict.fromkeys(char for word in words for char in word[:1]))
    yield from (word for word in words if len(word) > 1)
    yield from alphabet[:ALONE]
    yield from map("".join, itertools.permutations(alphabet[:PAIRED], 2))


def _words(nodes: Any) -> Iterator[str]:
    """The literal words of a pattern, and some characters of each class of characters."""
    word = ""
    for kind, value in nodes:
        if kind is op.LITERAL:
            word += chr(value)
            continue
        yield from filter(None, [word])
        word = ""
        if kind is op.IN:
            yield from (char for char in 'aA0- .%"' if _is_in(value, char))
        elif kind is op.BRANCH:
            yield from itertools.chain.from_iterable(map(_words, value[1]))
        elif kind in (op.SUBPATTERN, op.MAX_REPEAT, op.MIN_REPEAT, op.ASSERT, op.ASSERT_NOT):
            yield from _words(value[-1])
    yield from filter(None, [word])
