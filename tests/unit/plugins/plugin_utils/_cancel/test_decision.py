# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether to cancel, for results of the judge and for everything that somebody may have put into one."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._cancel.decision import (
    CANCELING_REASONS,
    CANCELING_VERDICTS,
    Decision,
    decide,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.remedies import REMEDIES
from ansible_collections.iotfleet.ota.tests.unit.exports import failing, gated
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, PRODUCT, batch
from hypothesis import given, settings
from hypothesis import strategies as st

#: What no cancel may follow: another batch may be meant, there is nothing to cancel, or the options were at fault.
NEVER = {
    *("proved", "wrong_job", "unknown_job", "no_batch", "ambiguous_batch", "ambiguous_device", "unknown_module"),
    *("unknown_product", "conflicting_batches", "empty_batch", "nothing_to_judge", "batch_canceled"),
    *("dynamic_batch", "too_large"),
}
FAILING = gated(batch(*failing(2), job_id="18", found=True))
often = settings(derandomize=True, deadline=None, max_examples=300)


def test_each_reason_is_on_one_side():
    codes = {key.partition("/")[0] for key in REMEDIES}
    assert codes == CANCELING_REASONS | NEVER
    assert not CANCELING_REASONS & NEVER


def test_failed_rollout():
    decision = decide(FAILING, ["failed"])
    assert decision.job_ids == ("18",)
    assert decision.expected == {
        "expected_product_key": PRODUCT,
        "expected_firmware_id": "f1",
        "expected_version": NEW,
        "expected_job_type": "UPGRADE_FIRMWARE",
    }
    assert decision.why_not == ""


def test_what_the_gate_expected_comes_first():
    result = {**FAILING, "policy": {**FAILING["policy"], "expected_version": "9"}}
    assert decide(result, ["failed"]).expected["expected_version"] == "9"


def test_what_differs_between_batches_is_not_expected_of_all():
    one = FAILING["jobs"][0]
    result = {**FAILING, "jobs": [one, {**one, "job_id": "19", "dest_version": "7"}]}
    decision = decide(result, ["failed"])
    assert decision.job_ids == ("18", "19")
    assert "expected_version" not in decision.expected
    assert decision.expected["expected_product_key"] == PRODUCT


def test_what_is_not_found_is_not_canceled():
    one = FAILING["jobs"][0]
    lost = {"job_id": "19", "found": False}
    assert decide({**FAILING, "jobs": [lost, one]}, ["failed"]).job_ids == ("18",)
    assert decide({**FAILING, "jobs": [lost]}, ["failed"]) == Decision(
        why_not="Nothing was canceled, because the service showed none of the batches."
    )


@pytest.mark.parametrize("code", sorted(NEVER))
def test_no_cancel_after(code):
    for reasons in ([{"code": code}], [*FAILING["reasons"], {"code": code}]):
        decision = decide({**FAILING, "reasons": reasons}, CANCELING_VERDICTS)
        assert decision == Decision(why_not=f"Nothing was canceled, because {code} needs a person to decide.")


@pytest.mark.parametrize("change", [{"final": False}, {"final": "true"}, {"verdict": "passed"}, {"verdict": "pending"}])
def test_no_final_verdict_of_those(change):
    assert decide({**FAILING, **change}, [*CANCELING_VERDICTS, "passed", "pending"]) == Decision()


def test_nothing_by_default():
    assert decide(FAILING, []) == Decision()


# --- Anything --------------------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
codes = st.sampled_from([*sorted(CANCELING_REASONS), *sorted(NEVER), "not_judged", "new_code"])
jobs = st.fixed_dictionaries(
    {},
    optional={
        "job_id": st.sampled_from(["1", "2", ""]) | anything,
        "found": st.booleans() | anything,
        "dest_version": st.sampled_from(["1", "2"]) | anything,
        "product_key": st.sampled_from(["a", "b"]) | anything,
    },
)
results = st.fixed_dictionaries(
    {},
    optional={
        "verdict": st.sampled_from(["passed", "failed", "pending", "timed_out", "inconclusive"]) | anything,
        "final": st.booleans() | anything,
        "reasons": st.lists(st.fixed_dictionaries({"code": codes | anything}) | anything, max_size=3) | anything,
        "jobs": st.lists(jobs | anything, max_size=3) | anything,
        "policy": st.dictionaries(st.sampled_from(["expected_version", "expected_product_key"]), anything) | anything,
    },
)
verdicts = st.lists(st.sampled_from(CANCELING_VERDICTS), unique=True)
probable = st.fixed_dictionaries(
    {
        "verdict": st.sampled_from(CANCELING_VERDICTS),
        "final": st.just(True),
        "reasons": st.lists(st.fixed_dictionaries({"code": codes}), min_size=1, max_size=2),
        "jobs": st.lists(jobs, min_size=1, max_size=3),
    }
)


@often
@given(results | probable, verdicts)
def test_a_cancel_has_every_reason(result, named):
    before = copy.deepcopy(result)
    decision = decide(result, named)
    assert result == before
    if not decision.job_ids:
        assert not decision.expected
        return
    assert result["final"] is True
    assert result["verdict"] in named
    assert result["reasons"]
    assert {reason["code"] for reason in result["reasons"]} <= CANCELING_REASONS
    found = [job["job_id"] for job in result["jobs"] if isinstance(job, dict) and job.get("found") is True]
    assert set(decision.job_ids) <= {job_id for job_id in found if isinstance(job_id, str) and job_id}
    assert decision.why_not == ""
    assert all(isinstance(value, str) and value for value in decision.expected.values())


@often
@given(probable)
def test_what_may_be_canceled_is_canceled(result):
    wanted = [
        job["job_id"] for job in result["jobs"] if job.get("found") is True and isinstance(job.get("job_id"), str)
    ]
    wanted = [job_id for job_id in wanted if job_id]
    if {reason["code"] for reason in result["reasons"]} <= CANCELING_REASONS:
        assert list(decide(result, CANCELING_VERDICTS).job_ids) == wanted


@often
@given(probable, verdicts)
def test_fewer_verdicts_never_cancel_more(result, named):
    assert set(decide(result, named).job_ids) <= set(decide(result, CANCELING_VERDICTS).job_ids)
