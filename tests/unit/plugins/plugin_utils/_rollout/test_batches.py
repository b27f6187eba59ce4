# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.batches import Relation, relate_batches, task_key
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import Policy
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, OLD, PRODUCT, batch, plain, task

VERIFY = Policy()
NEXT = "3.0.0"


def first(*tasks, **facts):
    return batch(*(tasks or (task("d1"),)), **facts)


def second(*tasks, **facts):
    return batch(*(tasks or (task("d1"),)), **{"job_id": "j2", "dest_version": NEXT, **facts})


def related(*jobs, policy=VERIFY):
    """The relations in few words: the earlier batch, the later one, their devices, and whether they are a chain."""
    return [
        (relation.earlier.job_id, relation.later.job_id, relation.devices, relation.is_chain)
        for relation in relate_batches(jobs, policy)
    ]


def test_batches_that_claim_the_same_device_are_in_conflict():
    one, other = first(task("d1"), task("d2")), second(task("d2"), task("d3"))
    assert relate_batches([one, other], VERIFY) == [Relation(one, other, ("d2",), False)]
    assert relate_batches((other, one), VERIFY) == [Relation(other, one, ("d2",), False)]


@pytest.mark.parametrize(
    ("one", "other", "policy"),
    [
        pytest.param(first(), second(dest_version=NEW), VERIFY, id="the same version"),
        pytest.param(first(), second(dest_version=None), VERIFY, id="no version"),
        pytest.param(first(dest_version=None), second(dest_version=None), VERIFY, id="no version at all"),
        pytest.param(first(), second(module_name="mcu"), VERIFY, id="another module"),
        pytest.param(first(), second(module_name=None), VERIFY, id="a module that nobody tells"),
        pytest.param(first(module_name=None), second(module_name=None), VERIFY, id="modules that nobody tells"),
        pytest.param(first(), second(task("d1", product_key=None), product_key="p2"), VERIFY, id="another product"),
        pytest.param(
            first(), second(src_versions=[NEW], product_key="p2"), VERIFY, id="another product's later version"
        ),
        pytest.param(first(), second(task("d2")), VERIFY, id="other devices"),
        pytest.param(first(), second(), plain(), id="versions that prove nothing"),
    ],
)
def test_batches_that_have_nothing_to_do_with_each_other(one, other, policy):
    assert related(one, other, policy=policy) == related(other, one, policy=policy) == []


@pytest.mark.parametrize("name", [None, ""])
def test_tasks_that_name_no_device_are_not_of_the_same(name):
    assert related(first(task("d1", device_name=name)), second(task("d2", device_name=name))) == []


def test_one_batch_has_no_relation():
    assert related(first(src_versions=[NEW])) == related() == []


def test_batches_of_the_module_that_the_policy_names_are_related():
    for policy in (Policy(module_name="mcu"), Policy(module_name="default")):
        unknown = [first(module_name=None), second(module_name=None)]
        assert related(*unknown, policy=policy) == [("j1", "j2", ("d1",), False)]
    assert related(first(), second(module_name=None), policy=Policy(module_name="default")) != []
    assert related(first(), second(module_name=None), policy=Policy(module_name="mcu")) == []


def test_shared_devices_stand_in_the_order_of_products_and_names():
    tasks = [task(f"d{number}", product_key=key) for key in ("p2", "p1") for number in (3, 1, 4, 2)]
    assert related(first(*tasks), second(*tasks[::-1])) == [("j1", "j2", ("d1", "d2", "d3", "d4") * 2, False)]


# --- Chains ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(first(), second(src_versions=[NEW]), id="the batch says so"),
        pytest.param(first(), second(src_versions=[OLD, NEW]), id="the batch says so, among others"),
        pytest.param(first(), second(task("d1", src_version=NEW)), id="its task says so"),
        pytest.param(
            first(src_versions=["0.9"]), second(task("d1", src_version=OLD), src_versions=[NEW]), id="one says so"
        ),
    ],
)
def test_batch_that_begins_where_another_ends_is_the_later_one(one, other):
    assert related(one, other) == related(other, one) == [("j1", "j2", ("d1",), True)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(first(src_versions=[NEXT]), second(src_versions=[NEW]), id="each follows the other"),
        pytest.param(first(src_versions=[OLD]), second(src_versions=[OLD]), id="neither follows the other"),
        pytest.param(first(task("d1", src_version=NEXT)), second(src_versions=[NEW]), id="a task says the opposite"),
        pytest.param(
            first(task("d1"), task("d2")),
            second(task("d1", src_version=NEW), task("d2", src_version=OLD)),
            id="one of two devices begins elsewhere",
        ),
        pytest.param(first(), second(task("d1", src_version=None)), id="nobody says where it begins"),
    ],
)
def test_chain_must_be_plain(one, other):
    assert [is_chain for *_others, is_chain in related(one, other) + related(other, one)] == [False, False]


@pytest.mark.parametrize(("match", "is_chain"), [("exact", False), ("ignore_build", True)])
def test_chain_is_found_by_versions_in_any_form_that_matches(match, is_chain):
    for later in (second(task("d1", src_version=f"v{NEW}")), second(src_versions=[f"{NEW}+5"])):
        ((*_others, found),) = related(first(), later, policy=VERIFY._replace(version_match=match))
        assert found is is_chain


def test_builds_of_one_release_are_a_chain_by_their_very_versions():
    """In another form each of them would begin where the other ends."""
    policy = VERIFY._replace(version_match="ignore_build")
    one, other = (
        first(dest_version="2.0+4", src_versions=["2.0+3"]),
        second(dest_version="2.0+5", src_versions=["2.0+4"]),
    )
    assert related(other, one, policy=policy) == [("j1", "j2", ("d1",), True)]


def test_batches_of_unknown_modules_are_no_chain():
    """They may be for different modules, and none hides a failure of the other."""
    assert related(first(module_name=None), second(module_name=None, src_versions=[NEW])) == []


def test_tasks_that_name_no_version_make_no_chain():
    tasks = task("d1", src_version=None), task("d1", task_id="t2", src_version=NEW)
    assert related(first(), second(*tasks)) == [("j1", "j2", ("d1",), False)]


EARLY, LATE = "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z"


@pytest.mark.parametrize(
    ("facts", "created", "expected"),
    [
        pytest.param({}, LATE, False, id="created later, and nobody says where it begins"),
        pytest.param({}, EARLY, True, id="created earlier"),
        pytest.param({}, None, True, id="nobody says when"),
        pytest.param({"src_versions": [OLD]}, LATE, True, id="it says where it begins"),
    ],
)
def test_batch_that_may_come_after_its_later_stage_is_no_earlier_one(facts, created, expected):
    one = first(task("d1", src_version=None), utc_create=created, **facts)
    assert related(one, second(src_versions=[NEW], utc_create=EARLY)) == [("j1", "j2", ("d1",), expected)]


def test_task_that_says_where_it_begins_makes_its_batch_the_earlier_one():
    one = first(task("d1", src_version=OLD), utc_create=LATE)
    assert related(one, second(src_versions=[NEW], utc_create=EARLY)) == [("j1", "j2", ("d1",), True)]


def test_batch_whose_time_is_not_told_is_the_later_one_by_its_word():
    assert related(first(utc_create=LATE), second(src_versions=[NEW])) == [("j1", "j2", ("d1",), True)]


@pytest.mark.parametrize("place", [0, 1])
def test_all_tasks_of_a_device_must_begin_where_the_other_batch_ends(place):
    """So that the order of rows does not decide."""
    tasks = [task("d1", src_version=NEW, task_id="t1")]
    tasks.insert(place, task("d1", src_version=OLD, task_id="t2"))
    assert related(first(), second(*tasks)) == [("j1", "j2", ("d1",), False)]


def test_only_tasks_of_shared_devices_tell_where_a_batch_begins():
    tasks = [task("d1", src_version=NEW), task("d9", src_version=OLD)]
    assert related(first(), second(*tasks)) == [("j1", "j2", ("d1",), True)]


def test_batches_without_a_shared_device_may_be_a_chain():
    """It decides about devices that are expected and have no task."""
    assert related(first(), second(task("d2"), src_versions=[NEW])) == [("j1", "j2", (), True)]
    assert related(first(), second(task("d2", src_version=NEW))) == []


def test_each_pair_of_a_long_chain_is_related():
    third = batch(task("d1"), job_id="j3", dest_version="4.0.0", src_versions=[NEW, NEXT])
    assert related(third, second(src_versions=[NEW]), first()) == [
        ("j2", "j3", ("d1",), True),
        ("j1", "j3", ("d1",), True),
        ("j1", "j2", ("d1",), True),
    ]


def stages(*pairs):
    """Batches of the same device, from one version to the next."""
    return [
        batch(task("d1"), job_id=f"j{before}{after}", src_versions=[before], dest_version=after)
        for before, after in pairs
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_first_and_last_of_three_stages_are_a_chain(order):
    """Neither begins where the other one ends."""
    jobs = stages("12", "23", "34")
    chains = related(*(jobs[place] for place in order))
    assert sorted(chains) == [
        ("j12", "j23", ("d1",), True),
        ("j12", "j34", ("d1",), True),
        ("j23", "j34", ("d1",), True),
    ]


def test_first_and_last_of_many_stages_are_a_chain():
    jobs = stages(*(f"{number}{number + 1}" for number in range(1, 9)))
    assert ("j12", "j89", ("d1",), True) in related(*jobs)


def test_two_ends_of_one_stage_are_in_conflict():
    assert sorted(related(*stages("12", "23", "24"))) == [
        ("j12", "j23", ("d1",), True),
        ("j12", "j24", ("d1",), True),
        ("j23", "j24", ("d1",), False),
    ]


def circle(*names, **facts):
    """Three batches that follow each other, each with the tasks of one of the names."""
    versions = [OLD, NEW, NEXT]
    return [
        batch(
            task(name),
            job_id=f"j{number}",
            src_versions=[versions[number - 1]],
            dest_version=versions[number],
            **facts,
        )
        for number, name in enumerate(names)
    ]


def test_batches_that_follow_each_other_in_a_circle_are_in_conflict():
    """None of them is the last, so that nothing would count a device in all of them."""
    assert related(*circle("d1", "d1", "d1")) == [
        ("j0", "j1", ("d1",), False),
        ("j2", "j0", ("d1",), False),
        ("j1", "j2", ("d1",), False),
    ]


def test_circle_without_a_shared_device_says_nothing():
    assert related(*circle("d1", "d2", "d3")) == []


def test_circle_of_unknown_modules_says_nothing():
    """They may be several circles."""
    assert related(*circle("d1", "d1", "d1", module_name=None)) == []


def test_batch_behind_a_circle_is_still_the_later_one():
    behind = batch(task("d1"), job_id="j9", src_versions=[NEW], dest_version="9")
    chains = [
        (earlier, later) for earlier, later, _devices, is_chain in related(*circle(*["d1"] * 3), behind) if is_chain
    ]
    assert chains == [("j1", "j9")]


# --- Tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        ({}, (PRODUCT, "d1")),
        ({"product_key": "p2"}, ("p2", "d1")),
        ({"product_key": None}, (PRODUCT, "d1")),
        ({"product_key": ""}, (PRODUCT, "d1")),
        ({"product_key": 7, "device_name": 8}, ("7", "8")),
        ({"device_name": None}, (PRODUCT, "")),
    ],
)
def test_key_of_a_task(facts, key):
    assert task_key(task("d1", **facts), batch()) == key


def test_key_of_a_task_of_an_unknown_batch():
    assert task_key(task("d1", product_key=None), batch(known=False)) == ("", "d1")
