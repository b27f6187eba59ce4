# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.candidates import (
    MAX_FOUND,
    WHICH,
    Choice,
    Package,
    Search,
    choose,
    package_fits,
)
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.snapshot import Unfound
from hypothesis import given
from hypothesis import strategies as st

SEARCH = Search("k1", "2.0")
STAGES = ("verify", "canary", "fleet")


def job(job_id, hour=1, status="IN_PROGRESS", kind="UPGRADE_FIRMWARE", **tags):
    """A batch that was created in an hour of a day; without one, nobody knows when."""
    return {
        "job_id": job_id,
        "job_status": status,
        "job_type": kind,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
        "utc_create": None if hour is None else f"2026-03-01T{hour:02}:00:00.000Z",
    }


def chosen(*jobs, module="default", **search):
    return choose([Package("f1", module, jobs)], SEARCH._replace(**search))


def unfound(code, message):
    return Choice(unfound=Unfound(code, message))


VERIFY = job("1", 1, "COMPLETED", "VERIFY_FIRMWARE", stage="verify")
CANARY = job("2", 2, "COMPLETED", stage="canary")
FLEET = job("3", 3, stage="客厅")


@pytest.mark.parametrize(
    ("search", "job_ids", "why"),
    [
        ({"which": "newest"}, ("3",), "found batch 3 (IN_PROGRESS): the newest of 2 that fit"),
        ({"which": "all"}, ("2", "3"), "found batches 2 (COMPLETED), 3 (IN_PROGRESS): all that fit"),
        ({"tags": {"stage": "canary"}}, ("2",), "found batch 2 (COMPLETED): the only one that fits"),
        ({"tags": {"stage": "客厅"}}, ("3",), "found batch 3 (IN_PROGRESS): the only one that fits"),
        ({"job_type": "VERIFY_FIRMWARE"}, ("1",), "found batch 1 (COMPLETED): the only one that fits"),
        (
            {"created_after": "2026-03-01T03:00:00Z"},
            ("3",),
            "found batch 3 (IN_PROGRESS): the only one that fits",
        ),
        (
            {"created_after": "2026-03-01T04:59:59+02:00"},
            ("3",),
            "found batch 3 (IN_PROGRESS): the only one that fits",
        ),
    ],
)
def test_batches_that_are_meant(search, job_ids, why):
    found = chosen(VERIFY, FLEET, CANARY, **search)
    assert found == Choice(job_ids, f"{why}, out of 3 batches of version 2.0")


def test_several_batches_that_fit_are_not_told_apart():
    assert chosen(VERIFY, FLEET, CANARY) == unfound(
        "ambiguous_batch",
        "2 batches fit: 3 (IN_PROGRESS, created 2026-03-01T03:00:00.000Z), 2 (COMPLETED, created"
        " 2026-03-01T02:00:00.000Z)",
    )


@pytest.mark.parametrize(
    ("jobs", "search", "message"),
    [
        ((job("1", None),), {"created_after": "2026-03-01"}, "batch 1 (IN_PROGRESS) what ID, type or age it has"),
        ((job("1", kind=None), FLEET), {}, "batch 1 (IN_PROGRESS) what ID, type or age it has"),
        ((job("1", kind=None), FLEET), {"which": "newest"}, "batch 1 (IN_PROGRESS) what ID, type or age it has"),
        ((job("1", kind=None), FLEET), {"which": "all"}, "batch 1 (IN_PROGRESS) what ID, type or age it has"),
        *(
            ((job(None), FLEET), {"which": which}, "batch unknown (IN_PROGRESS) what ID, type or age it has")
            for which in WHICH
        ),
    ],
)
def test_batch_of_which_too_little_is_known_may_be_the_one(jobs, search, message):
    assert chosen(*jobs, **search) == unfound("ambiguous_batch", f"the service does not say of {message}")


@pytest.mark.parametrize("other", [job("2", None), job("2", 3)], ids=["without a time", "at the same time"])
def test_newest_must_be_newer_than_the_others(other):
    found = chosen(FLEET, other, which="newest")
    assert found.unfound.code == "ambiguous_batch"
    assert found.unfound.message.startswith("it is not clear which is the newest: ")


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("firmware_id", ["f2", None])
def test_package_whose_batches_are_not_known_may_have_the_one(firmware_id, which):
    packages = [Package("f1", "default", [FLEET]), Package(firmware_id, "ble", None)]
    assert choose(packages, SEARCH._replace(which=which)) == unfound(
        "ambiguous_batch", f"the service does not say which batches package {firmware_id or 'unknown'} (module ble) has"
    )
    assert choose(packages, SEARCH._replace(which=which, module_name="default")).job_ids == ("3",)


def test_batch_without_an_id_that_does_not_fit_is_no_candidate():
    assert chosen(job(None, kind="VERIFY_FIRMWARE"), FLEET).job_ids == ("3",)


def test_type_that_does_not_fit_is_enough_to_know():
    unaged = job("9", None, kind="VERIFY_FIRMWARE")
    assert chosen(unaged, FLEET, created_after="2026-03-01").job_ids == ("3",)


@pytest.mark.parametrize(
    ("jobs", "by_which"),
    [
        pytest.param(
            [job("1", 1, "CANCELED"), job("2", 2)],
            {"only": ("2",), "newest": ("2",), "all": ("2",)},
            id="a newer one has replaced it",
        ),
        pytest.param(
            [job("1", 1, "COMPLETED"), job("2", 2, "CANCELED")],
            {"only": (), "newest": ("2",), "all": ("1", "2")},
            id="the older one is not what was shipped last",
        ),
        pytest.param(
            [job("1", 1, "CANCELED")], {"only": ("1",), "newest": ("1",), "all": ("1",)}, id="it is the only one"
        ),
        pytest.param(
            [job("1", 1, "CANCELED"), job("2", 2, "CANCELED"), job("3", 3)],
            {"only": ("3",), "newest": ("3",), "all": ("3",)},
            id="both were replaced",
        ),
        pytest.param(
            [job("1", 1, "CANCELED"), job("2", 2, kind="VERIFY_FIRMWARE")],
            {"only": ("1",), "newest": ("1",), "all": ("1",)},
            id="what does not fit replaces nothing",
        ),
        pytest.param(
            [job("1", None, "CANCELED"), job("2", 2)],
            {"only": (), "newest": (), "all": ("1", "2")},
            id="nobody knows whether it was replaced",
        ),
    ],
)
@pytest.mark.parametrize("which", WHICH)
def test_canceled_batches(jobs, by_which, which):
    found = chosen(*jobs, which=which)
    assert found.job_ids == by_which[which]
    assert bool(found.unfound) is (not by_which[which])


@pytest.mark.parametrize(
    ("packages", "search", "message"),
    [
        ([], {}, "product k1 has no package of version 2.0"),
        (
            [Package("f1", "default"), Package("f2", None)],
            {},
            "no batch fits; version 2.0 has package f1 (module default), f2 (module unknown)",
        ),
        (
            [Package("f1", "default")],
            {"module_name": "mcu"},
            "no package of version 2.0 is for module mcu, but f1 (module default)",
        ),
        (
            [Package("f1", "default", [VERIFY, job("7")])],
            {"tags": {"stage": "canary"}},
            "no batch fits; version 2.0 has package f1 (module default); batch 1 is of the type VERIFY_FIRMWARE,"
            " batch 7 does not have the tag stage=canary",
        ),
        (
            [Package("f1", "default", [CANARY])],
            {"created_after": "2026-03-01T02:00:01Z"},
            "no batch fits; version 2.0 has package f1 (module default); batch 2 was created at"
            " 2026-03-01T02:00:00.000Z",
        ),
        (
            [Package(f"f{number}", "default") for number in range(7)],
            {},
            "no batch fits; version 2.0 has package f0 (module default), f1 (module default), f2 (module default), f3"
            " (module default), f4 (module default), 2 more",
        ),
    ],
)
def test_what_was_seen_where_no_batch_fits(packages, search, message):
    assert choose(packages, SEARCH._replace(**search)) == unfound("no_batch", message)


def test_nobody_means_hundreds_of_batches():
    jobs = [job(str(number)) for number in range(MAX_FOUND + 1)]
    assert len(chosen(*jobs[1:], which="all").job_ids) == MAX_FOUND
    assert chosen(*jobs, which="all") == unfound(
        "ambiguous_batch", "101 batches fit, and at most 100 can be gated together"
    )


def test_packages_of_several_modules():
    packages = [Package("f1", "default", [CANARY]), Package("f2", "mcu", [FLEET])]
    assert [package_fits(package, SEARCH._replace(module_name="mcu")) for package in packages] == [False, True]
    assert choose(packages, SEARCH._replace(which="all")).job_ids == ("2", "3")


# --- Laws ------------------------------------------------------------------------------------------------------------

JOBS = st.builds(
    job,
    st.sampled_from("12345678"),
    st.none() | st.integers(1, 4),
    st.sampled_from(["PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED", None]),
    st.sampled_from(["UPGRADE_FIRMWARE", "UPGRADE_FIRMWARE", "VERIFY_FIRMWARE", None]),
    stage=st.sampled_from(STAGES),
)
SEARCHES = st.builds(
    Search,
    st.just("k1"),
    st.just("2.0"),
    tags=st.just({}) | st.builds(lambda stage: {"stage": stage}, st.sampled_from(STAGES)),
    created_after=st.none() | st.integers(1, 4).map(lambda hour: f"2026-03-01T{hour:02}:00:00Z"),
    which=st.sampled_from(WHICH),
)
LISTS = st.lists(JOBS, max_size=6, unique_by=lambda one: one["job_id"])


def fits(one, search):
    """Whether a batch is what was searched, in the words of the documentation."""
    return (
        one["job_type"] == search.job_type
        and all({"key": key, "value": value} in one["tags"] for key, value in search.tags.items())
        and (search.created_after is None or (one["utc_create"] or "") >= search.created_after)
    )


@given(LISTS, SEARCHES)
def test_either_batches_that_fit_are_chosen_or_a_reason_says_why_not(jobs, search):
    found = chosen(*jobs, **search._asdict())
    by_id = {one["job_id"]: one for one in jobs}
    assert bool(found.job_ids) is not bool(found.unfound)
    assert bool(found.job_ids) is bool(found.why)
    assert all(fits(by_id[job_id], search) for job_id in found.job_ids)
    assert len(set(found.job_ids)) == len(found.job_ids)
    if search.which != "all":
        assert len(found.job_ids) <= 1


@given(LISTS, SEARCHES)
def test_only_is_chosen_where_all_ways_agree(jobs, search):
    ways = {which: chosen(*jobs, **{**search._asdict(), "which": which}).job_ids for which in WHICH}
    if ways["only"]:
        assert ways["newest"] == ways["all"] == ways["only"]
    if ways["newest"]:
        assert ways["newest"][0] in ways["all"]


@given(LISTS, SEARCHES)
def test_no_batch_that_was_created_last_is_passed_over(jobs, search):
    found = chosen(*jobs, **{**search._asdict(), "which": "newest"})
    created = {one["job_id"]: one["utc_create"] or "" for one in jobs}
    newest = max((created[one["job_id"]] for one in jobs if fits(one, search)), default="")
    assert all(created[job_id] == newest for job_id in found.job_ids)


@given(LISTS, SEARCHES, st.randoms(use_true_random=False))
def test_order_of_the_service_means_nothing(jobs, search, luck):
    shuffled = list(jobs)
    luck.shuffle(shuffled)
    one, other = chosen(*jobs, **search._asdict()), chosen(*shuffled, **search._asdict())
    assert set(one.job_ids) == set(other.job_ids)
    assert (one.unfound and one.unfound.code) == (other.unfound and other.unfound.code)
