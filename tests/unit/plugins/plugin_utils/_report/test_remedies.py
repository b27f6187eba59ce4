# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do, held against all reasons that the rules can give."""

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.remedies import (
    CANCEL,
    REMEDIES,
    remedy,
    remedy_clause,
    remedy_sentences,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit
from ansible_collections.iotfleet.ota.tests.unit import sentences


def test_each_reason_has_a_clause():
    codes = {reason.code for reason in sentences.said("Reason") if not reason.code.startswith("<")}
    assert {code.partition("/")[0] for code in REMEDIES} == codes
    assert all(clause and clause == clause.strip(" .") for clause in REMEDIES.values())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("max_pending", "deadline"),
        ("wait_timeout", "deadline/wait_timeout"),
        ("min_devices", "deadline/min_devices"),
        (None, "deadline"),
    ],
)
def test_what_to_do_at_the_deadline_depends_on_the_bound(name, key):
    assert remedy("deadline", Limit(name, 0, 1, 2, False, True) if name else None) == REMEDIES[key]


def test_what_still_runs_is_to_be_canceled_first():
    clause = REMEDIES["too_many_failures"]
    assert remedy("too_many_failures", None) == clause
    assert remedy("too_many_failures", None, ["18"]) == f"cancel batch 18 {CANCEL}; {clause}"
    assert remedy("success_out_of_reach", None, ["18", "19"]).startswith(
        f"cancel the 2 batches that are still running {CANCEL}; "
    )
    assert remedy("deadline", None, ["18"]) == REMEDIES["deadline"]


def test_sentences_for_a_page():
    assert remedy_sentences("raise wait_timeout; see why") == ["Raise wait_timeout.", "See why."]
    assert all(
        re.fullmatch(r"[A-Z].*[^.]\.", part) for clause in REMEDIES.values() for part in remedy_sentences(clause)
    )


@pytest.mark.parametrize("clause", sorted({*REMEDIES.values(), remedy("too_many_failures", None, ["18"])}))
def test_sentences_can_be_a_clause_again(clause):
    assert remedy_clause(remedy_sentences(clause)) == clause
