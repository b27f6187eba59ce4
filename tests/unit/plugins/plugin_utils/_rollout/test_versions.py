# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.versions import (
    is_target,
    module_of,
    proof_key,
    reported_version,
    sources_of,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, OLD, PRODUCT, batch, task
from hypothesis import assume, given, settings
from hypothesis import strategies as st

MATCHES = ("exact", "ignore_build", "prefix")


@pytest.mark.parametrize(
    ("reported", "target", "match", "expected"),
    [
        pytest.param("2.0.0", "2.0.0", "exact", True, id="exact: the same"),
        pytest.param("2.0.0 ", "2.0.0", "exact", False, id="exact: with a blank"),
        pytest.param("2.0.0+5", "2.0.0", "exact", False, id="exact: with a build"),
        pytest.param("v2.0.0", "2.0.0", "exact", False, id="exact: with a v"),
        pytest.param("2.0.0-A", "2.0.0-a", "exact", False, id="exact: in another letter case"),
        pytest.param("2.0.0+5", "2.0.0", "ignore_build", True, id="ignore_build: a build"),
        pytest.param("2.0.0", "2.0.0+5", "ignore_build", True, id="ignore_build: the build of the target"),
        pytest.param("2.0.0+5", "2.0.0+6", "ignore_build", True, id="ignore_build: another build"),
        pytest.param("2.0.0+5+6", "2.0.0+7", "ignore_build", True, id="ignore_build: from the first plus on"),
        pytest.param("v2.0.0", "2.0.0", "ignore_build", True, id="ignore_build: a v"),
        pytest.param("2.0.0", "V2.0.0", "ignore_build", True, id="ignore_build: the V of the target"),
        pytest.param(" 2.0.0+5", "2.0.0", "ignore_build", True, id="ignore_build: a blank"),
        pytest.param("vv2.0.0", "v2.0.0", "ignore_build", False, id="ignore_build: two v"),
        pytest.param("vega", "ega", "ignore_build", False, id="ignore_build: a v that begins a word"),
        pytest.param("v", "", "ignore_build", False, id="ignore_build: a v alone"),
        pytest.param("w2.0.0", "2.0.0", "ignore_build", False, id="ignore_build: another letter"),
        pytest.param("2.0.0-5", "2.0.0", "ignore_build", False, id="ignore_build: no build after a minus"),
        pytest.param("2.0.1", "2.0.0", "ignore_build", False, id="ignore_build: another release"),
        pytest.param("+5", "+6", "ignore_build", False, id="ignore_build: builds alone"),
        pytest.param("2.0.0+5", "2.0.0", "prefix", True, id="prefix: a build"),
        pytest.param("2.0.0.7", "2.0.0", "prefix", True, id="prefix: one more number"),
        pytest.param("2.0.0-rc", "2.0.0", "prefix", True, id="prefix: one more word"),
        pytest.param("2.0.01", "2.0.0", "prefix", False, id="prefix: the number goes on"),
        pytest.param("2.0.0rc", "2.0.0", "prefix", False, id="prefix: a word begins at once"),
        pytest.param("2.0", "2.0.0", "prefix", False, id="prefix: less than the target"),
        pytest.param("v2.0.0", "2.0.0", "prefix", False, id="prefix: it does not begin with the target"),
        pytest.param("-rc", "", "prefix", False, id="prefix: of nothing"),
    ],
)
def test_version_that_proves_a_target(reported, target, match, expected):
    assert is_target(reported, target, (), match) is expected


@pytest.mark.parametrize("match", MATCHES)
def test_no_version_proves_a_target_that_is_not_known(match):
    assert is_target("None", None, (), match) is False


@pytest.mark.parametrize(
    ("reported", "target", "match", "sources", "expected"),
    [
        pytest.param("2.0.0+1", "2.0.0+2", "ignore_build", ["2.0.0+1"], False, id="the replaced build"),
        pytest.param("2.0.0+3", "2.0.0+2", "ignore_build", ["1.0.0", "2.0.0+1"], False, id="a third build"),
        pytest.param("2.0.0+2", "2.0.0+2", "ignore_build", ["2.0.0+1"], True, id="the very target"),
        pytest.param("2.0.0+3", "2.0.0+2", "ignore_build", ["1.0.0"], True, id="the source is another release"),
        pytest.param("2.0.0.1", "2.0.0", "prefix", ["2.0.0.0"], False, id="the source begins with the target too"),
        pytest.param("2.0.0.1", "2.0.0", "prefix", ["2.0"], True, id="the source is shorter"),
        pytest.param("2.0.0", "2.0.0", "exact", ["2.0.0"], True, id="from the target to itself"),
    ],
)
def test_loose_match_must_tell_a_target_from_what_it_replaces(reported, target, match, sources, expected):
    assert is_target(reported, target, sources, match) is expected


# --- Laws ------------------------------------------------------------------------------------------------------------

PARTS = st.sampled_from(["1", "2", "10", "0", "v", "V", "a", "rc", ".", "+", "-", "_", " "])
VERSIONS = st.lists(PARTS, max_size=8).map("".join)
SOURCES = st.lists(VERSIONS, max_size=3)
law = settings(derandomize=True, deadline=None)


@law
@given(VERSIONS, SOURCES, st.sampled_from(MATCHES))
def test_the_very_target_is_always_proof(version, sources, match):
    assert is_target(version, version, sources, match)


@law
@given(VERSIONS, VERSIONS, SOURCES)
def test_exact_match_knows_no_sources(reported, target, sources):
    assert is_target(reported, target, sources, "exact") is (reported == target)


@law
@given(VERSIONS, VERSIONS, SOURCES, st.sampled_from(MATCHES))
def test_source_proves_nothing_but_itself(source, target, sources, match):
    assume(source != target)
    assert not is_target(source, target, [*sources, source], match)


@law
@given(VERSIONS, VERSIONS, SOURCES, VERSIONS, st.sampled_from(MATCHES))
def test_one_more_source_proves_no_more(reported, target, sources, source, match):
    assert is_target(reported, target, sources, match) >= is_target(reported, target, [*sources, source], match)


@law
@given(VERSIONS, VERSIONS, SOURCES, st.sampled_from(MATCHES))
def test_order_of_sources_does_not_matter(reported, target, sources, match):
    assert is_target(reported, target, sources, match) is is_target(reported, target, sources[::-1], match)


@law
@given(VERSIONS, VERSIONS)
def test_ignore_build_is_the_same_in_both_directions(one, other):
    assert is_target(one, other, (), "ignore_build") is is_target(other, one, (), "ignore_build")


@law
@given(VERSIONS, VERSIONS, VERSIONS)
def test_ignore_build_is_blind_to_builds_alone(release, one, other):
    assume(re.search(r"\w", release.replace("+", " ").split(" ")[0]))
    assert is_target(f"{release}+{one}", f"{release}+{other}", (), "ignore_build")


@law
@given(VERSIONS, VERSIONS)
def test_prefix_ends_in_no_number_and_no_word(target, more):
    assume(target and more)
    assert is_target(target + more, target, (), "prefix") is not more[0].isalnum()


# --- Versions of devices and batches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "expected", "module_name"),
    [("mcu", None, "mcu"), ("mcu", "ble", "mcu"), (None, "ble", "ble"), (None, None, None)],
)
def test_module_of_a_batch_is_its_own_or_else_the_expected_one(own, expected, module_name):
    assert module_of(batch(module_name=own), Policy(module_name=expected)) == module_name


@pytest.mark.parametrize(
    ("versions", "module_name", "expected"),
    [
        pytest.param({"default": OLD, "mcu": NEW}, "mcu", NEW, id="of the module"),
        pytest.param({"default": NEW}, "mcu", None, id="of another module"),
        pytest.param({"mcu": ""}, "mcu", None, id="blank"),
        pytest.param({"mcu": NEW}, None, NEW, id="unknown: the only module, on the target"),
        pytest.param({"mcu": OLD}, None, OLD, id="unknown: the only module, not on the target"),
        pytest.param({"ble": NEW, "mcu": NEW}, None, NEW, id="unknown: all are on the target"),
        pytest.param({"ble": NEW, "mcu": OLD}, None, None, id="unknown: one is on the target"),
        pytest.param({"ble": OLD, "mcu": NEW}, None, None, id="unknown: one is not"),
        pytest.param({"ble": None, "mcu": NEW}, None, NEW, id="unknown: one reports no version"),
        pytest.param({"b": "7", "a": "8"}, None, "8", id="unknown: none is on the target, the first by name"),
        pytest.param({"a": "7", "b": "0.9"}, None, "0.9", id="unknown: none is, one is replaced by the batch"),
        pytest.param({}, None, None, id="unknown: no module"),
    ],
)
def test_version_that_counts(versions, module_name, expected):
    job = batch(module_name=module_name)
    assert reported_version(DeviceReport(versions), job, ["0.9"], Policy()) == expected


@pytest.mark.parametrize(
    ("match", "sources", "expected"),
    [
        pytest.param("exact", (), None, id="one of two is on the target"),
        pytest.param("ignore_build", (), f"{NEW}+5", id="both are, written in two ways"),
        pytest.param("ignore_build", (f"{NEW}+4",), None, id="they must be told from what is replaced"),
    ],
)
def test_versions_of_unknown_modules_match_as_the_policy_says(match, sources, expected):
    versions = DeviceReport({"ble": f"{NEW}+5", "mcu": NEW})
    policy = Policy(version_match=match)
    assert reported_version(versions, batch(module_name=None), sources, policy) == expected


@pytest.mark.parametrize(
    ("of_task", "of_batch", "expected"),
    [
        pytest.param("1", ["2", "3"], ["1"], id="of the task"),
        pytest.param(None, ["2", "3"], ["2", "3"], id="of the batch"),
        pytest.param("", ["2"], ["2"], id="a blank one of the task"),
        pytest.param(1, ["2"], ["2"], id="a number of the task"),
        pytest.param(None, [2, "", None], ["2"], id="odd ones of the batch"),
        pytest.param(None, "23", [], id="a text for the list of the batch"),
        pytest.param(None, None, [], id="of neither"),
    ],
)
def test_versions_that_are_replaced(of_task, of_batch, expected):
    content, job = task("d1", src_version=of_task), batch(src_versions=of_batch)
    assert list(sources_of(content, job)) == expected


def test_versions_that_are_replaced_are_those_of_the_batch_without_a_task():
    assert list(sources_of(None, batch(src_versions=["2"]))) == ["2"]
    assert list(sources_of(None, batch(known=False))) == []


def test_proof_is_about_a_device_a_module_and_a_version():
    key, known = (PRODUCT, "d1"), DeviceReport({}, iot_id="i1")
    assert proof_key(key, known, batch(), Policy()) == f"{PRODUCT}\td1\ti1\tdefault\t{NEW}"
    bare = batch(module_name=None, dest_version=None)
    assert proof_key(key, DeviceReport(), bare, Policy(module_name="mcu")) == f"{PRODUCT}\td1\t\tmcu\t"
    assert proof_key(key, DeviceReport(), bare, Policy()) == f"{PRODUCT}\td1\t\t\t"
