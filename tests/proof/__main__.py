# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lets gates judge many simulated rollouts. Prints how many ended how, and each counter-example with its replay."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pprint
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from .play import Outcome, play
from .rollouts import make

VERDICTS = ("passed", "failed", "timed_out", "inconclusive")
#: From so many rollouts on, each of the verdicts must have occurred.
ENOUGH = 20_000
CHUNK = 100
#: So many counter-examples of one kind are shown.
MOST_SHOWN = 10


def judged(seeds: range) -> tuple[dict[tuple[str, str], int], int, list[tuple[int, str]]]:
    """What became of the rollouts: how many ended how by their kinds, all looks, and the counter-examples."""
    numbers: Counter[tuple[str, str]] = Counter()
    looks, wrong = 0, []
    for seed in seeds:
        outcome = play(seed)
        looks += outcome.looks
        for kind in ("all", f"reason {outcome.reason}", *outcome.kinds):
            numbers[kind, outcome.verdict] += 1
        wrong += [(seed, sentence) for sentence in outcome.wrong]
    return dict(numbers), looks, wrong


def _chunks(begin: int, number: int) -> Iterator[range]:
    for start in range(begin, begin + number, CHUNK):
        yield range(start, min(start + CHUNK, begin + number))


def prove(begin: int, number: int, processes: int) -> int:
    """Judge so many rollouts and print what became of them; the exit code."""
    began = time.monotonic()
    numbers: Counter[tuple[str, str]] = Counter()
    looks, wrong = 0, 0
    shown: Counter[str] = Counter()
    with multiprocessing.Pool(processes) as pool:
        for part, part_looks, part_wrong in pool.imap_unordered(judged, _chunks(begin, number)):
            numbers.update(part)
            looks += part_looks
            wrong += len(part_wrong)
            for seed, sentence in part_wrong:
                show_example(seed, sentence, shown)
    for line in table(numbers):
        print(line)
    seconds = time.monotonic() - began
    print(f"\n{number} rollouts with {looks} looks in {seconds:.1f} s, {processes} at a time")
    never = [verdict for verdict in VERDICTS if number >= ENOUGH and not numbers["all", verdict]]
    for verdict in never:
        print(f"\nNo rollout ended as {verdict}, so this proves nothing about it.")
    print(f"\n{wrong} counter-examples")
    return 1 if wrong or never else 0


def show_example(seed: int, sentence: str, shown: Counter[str]) -> None:
    """Print a counter-example at once, for a long search, unless many of its kind have been ``shown``."""
    kind = re.sub(r"[\d.]+", "", sentence)
    shown[kind] += 1
    if shown[kind] <= MOST_SHOWN:
        line = f"COUNTER-EXAMPLE seed {seed}: {sentence[:300]}\n  python -m tests.proof --seed {seed} --verbose\n"
        print(line, flush=True)


def table(numbers: Counter[tuple[str, str]]) -> Iterator[str]:
    """How many rollouts of each kind ended how."""
    kinds = sorted({kind for kind, _verdict in numbers})
    yield f"{'':38}{''.join(f'{verdict:>14}' for verdict in VERDICTS)}"
    for kind in kinds:
        yield f"{kind:38}{''.join(f'{numbers[kind, verdict]:14}' for verdict in VERDICTS)}"


def replay(seed: int, verbose: bool) -> int:
    """Judge one rollout, and print all about it; the exit code."""
    if verbose:
        rollout = make(seed)
        pprint.pp({**rollout._asdict(), "world": rollout.world._asdict()}, width=140, compact=True)
    outcome: Outcome = play(seed, print if verbose else None)
    print(f"seed {seed}: {outcome.verdict} for {outcome.reason} after {outcome.looks} looks, t={outcome.ended:.2f}")
    for sentence in outcome.wrong:
        print(f"WRONG: {sentence}")
    return 1 if outcome.wrong else 0


def main(arguments: Iterable[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=ENOUGH, help="so many")
    parser.add_argument("--from", type=int, default=0, dest="begin", help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--verbose", action="store_true", help="with --seed, print all that is known")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="so many processes")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.seed is not None:
        return replay(options.seed, options.verbose)
    return prove(options.begin, options.rollouts, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
