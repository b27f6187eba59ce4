# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Some rollouts, those that were once judged wrongly, and proof that a gate which is wrong would be noticed."""

from __future__ import annotations

import json
import pathlib

import pytest

from . import __main__ as program
from .mutants import MUTANTS
from .play import play

#: A wrong gate must be noticed within so many rollouts.
BOUND = 6000
SEEDS = json.loads(pathlib.Path(__file__).with_name("seeds.json").read_text(encoding="utf-8"))


def test_no_rollout_fools_the_gate():
    outcomes = [play(seed) for seed in range(300)]
    assert [(outcome.seed, outcome.wrong) for outcome in outcomes if outcome.wrong] == []
    assert {outcome.verdict for outcome in outcomes} >= set(program.VERDICTS)


@pytest.mark.parametrize("seed", SEEDS["once_wrong"])
def test_what_was_once_wrong_is_right(seed):
    assert play(seed).wrong == []


@pytest.mark.parametrize("seed", range(40))
def test_a_seed_is_always_the_same_rollout(seed):
    assert play(seed) == play(seed)


def test_the_program_counts_and_replays(capsys):
    assert program.main(["--rollouts", "20", "--jobs", "1"]) == 0
    assert "20 rollouts with" in capsys.readouterr().out
    assert program.main(["--seed", "3", "--verbose"]) == 0
    printed = capsys.readouterr().out
    assert "look 1 " in printed
    assert "Batch(183000" in printed


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_gate_is_noticed(monkeypatch, name):
    """By one of the seeds, first of all by that which noticed it before."""
    for seed in (*SEEDS["mutants"].get(name, []), *range(BOUND)):
        with monkeypatch.context() as patch:
            for (place, attribute), wrong in MUTANTS[name].items():
                patch.setattr(place, attribute, wrong)
            noticed = play(seed).wrong
        if noticed and not play(seed).wrong:  # and it is the mutant's own doing
            return
    pytest.fail(f"{BOUND} rollouts do not show it")
