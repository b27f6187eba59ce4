# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.plugin_utils._gate.explanation import MAX_BUSY, MAX_EXPLAINED, Explanation
from ansible_collections.iotfleet.ota.tests.unit.verdicts import (
    NOW,
    PRODUCT,
    batch,
    judged,
    plain,
    poll,
    report,
    task,
)

POLICY = plain(verify_versions=True)
OPEN = poll(batch("SFQC", status="IN_PROGRESS"))
KEYS = {number: (PRODUCT, f"d{number}") for number in range(1, 5)}


class Reader:
    """In place of an observer; ``asked`` are the devices whose versions and whose other batches are asked for."""

    def __init__(self, version="1.0.0"):
        self.version = version
        self.asked = []

    def explain(self, snapshot, unread, suspects, late):
        self.asked.append((unread, suspects))
        reports = {**(snapshot.versions or {}), **report(self.version, *(name for _product, name in unread))}
        return snapshot._replace(versions=reports, busy=dict.fromkeys(suspects, "9"))


def reading(snapshot=OPEN, **options):
    """What is asked to explain the verdict on a snapshot."""
    reader = Reader()
    Explanation(reader, 600, 10.0).read(snapshot, judged(snapshot, POLICY), **options)
    return reader.asked[0]


def names(keys):
    return [name for _product, name in keys]


# --- Which devices ---------------------------------------------------------------------------------------------------


def test_failed_and_pending_devices_are_read():
    versions, suspects = reading()
    assert (names(versions), names(suspects)) == (["d2", "d3", "d4"], ["d2"])


def test_what_was_read_is_not_read_again():
    versions, _suspects = reading(OPEN._replace(versions=report("1.0.0", "d2", "d4")))
    assert names(versions) == ["d3"]


def test_a_failure_with_a_class_of_its_own_needs_no_other_batch():
    tasks = task("d1", "FAILED", failure_class="download"), task("d2", "FAILED")
    assert names(reading(poll(batch(*tasks)))[1]) == ["d2"]


def test_a_device_without_a_name_counts_once():
    tasks = [task("", "QUEUED", task_id=f"t{number}", device_name=None) for number in range(3)]
    assert reading(poll(batch(*tasks, status="IN_PROGRESS"))) == ([(PRODUCT, "")], [])


def test_only_so_many_devices_are_read():
    tasks = [task(f"d{number:03}", "FAILED") for number in range(MAX_EXPLAINED + 1)]
    versions, suspects = reading(poll(batch(*tasks)))
    assert (len(versions), len(suspects)) == (MAX_EXPLAINED, MAX_BUSY) == (100, 20)
    assert names(versions)[0] == names(suspects)[0] == "d000"
    versions, suspects = reading(poll(batch(*tasks)), most=7)
    assert (len(versions), len(suspects)) == (7, 7)


# --- Before the deadline ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait_timeout", "left", "due"),
    [
        pytest.param(600, 31, False, id="too early"),
        pytest.param(600, 30, True, id="the last half minute"),
        pytest.param(60, 16, False, id="too early in a short time"),
        pytest.param(60, 15, True, id="the last quarter of a short time"),
    ],
)
def test_late_devices_are_read_in_the_end(wait_timeout, left, due):
    assert Explanation(Reader(), wait_timeout, 10.0).is_due(left) is due


def test_late_devices_are_read_once():
    explanation = Explanation(Reader(), 600, 10.0)
    assert explanation.read_late(OPEN, judged(OPEN, POLICY), 20).versions
    assert not explanation.is_due(5)


@pytest.mark.parametrize(
    ("left", "max_qps", "read"),
    [
        pytest.param(30, 10.0, 100, id="as many as are named"),
        pytest.param(30, 50.0, 100, id="a large quota"),
        pytest.param(12, 10.0, 40, id="a third of the time"),
        pytest.param(30, 1.0, 10, id="a small quota"),
        pytest.param(1, 0.0, 100, id="no quota"),
    ],
)
def test_late_devices_take_a_third_of_the_time_at_most(left, max_qps, read):
    reader = Reader()
    snapshot = poll(batch(*(task(f"d{number:03}", "QUEUED") for number in range(101)), status="IN_PROGRESS"))
    Explanation(reader, 600, max_qps).read_late(snapshot, judged(snapshot, POLICY), left)
    assert len(reader.asked[0][0]) == read


# --- After the deadline ----------------------------------------------------------------------------------------------


def test_after_the_deadline_a_poll_is_not_fresh_and_has_no_error():
    expired = Explanation(Reader(), 600, 10.0).expired(OPEN._replace(error=OSError()), NOW + 9)
    assert expired == OPEN._replace(now=NOW + 9, fresh=False)


def test_what_was_read_last_explains_the_end():
    explanation = Explanation(Reader(), 600, 10.0)
    for version in ("1.0.0", "1.1.0"):
        explanation.keep(OPEN._replace(versions=report(version, "d1")))
    explanation.keep(OPEN)
    assert explanation.expired(OPEN, NOW).versions == report("1.1.0", "d1")


def test_what_the_last_poll_has_read_is_newer():
    explanation = Explanation(Reader(), 600, 10.0)
    explanation.keep(OPEN._replace(versions=report("1.0.0", "d1")))
    last = OPEN._replace(versions=report("1.1.0", "d2"))
    assert explanation.expired(last, NOW).versions == last.versions


def test_late_devices_and_what_keeps_them_busy_are_told_in_the_end():
    explanation = Explanation(Reader("1.0.0"), 600, 10.0)
    explanation.read_late(OPEN, judged(OPEN, POLICY), 20)
    explanation.keep(OPEN._replace(versions=report("1.1.0", "d1", "d2")))
    expired = explanation.expired(OPEN, NOW)
    assert expired.versions == {**report("1.0.0", "d3", "d4"), **report("1.1.0", "d1", "d2")}
    assert expired.busy == {KEYS[2]: "9"}


def test_what_is_read_late_is_newer_than_what_was_read_before():
    explanation = Explanation(Reader("1.1.0"), 600, 10.0)
    explanation.keep(OPEN._replace(versions=report("1.0.0", "d1", "d2")))
    explanation.read_late(OPEN, judged(OPEN, POLICY), 20)
    expired = explanation.expired(OPEN, NOW)
    assert expired.versions == {**report("1.0.0", "d1"), **report("1.1.0", "d2", "d3", "d4")}


def test_what_was_read_since_then_explains_the_end():
    """Late devices are read once, and one that succeeds after that is read again for its proof."""
    explanation = Explanation(Reader("1.0.0"), 600, 10.0)
    explanation.read_late(OPEN, judged(OPEN, POLICY), 20)
    expired = explanation.expired(OPEN._replace(earlier=report("2.0.0", "d1", "d3")), NOW)
    assert expired.versions == {**report("1.0.0", "d2", "d4"), **report("2.0.0", "d3")}


def test_nothing_is_told_in_the_end_if_nothing_was_read():
    expired = Explanation(Reader(), 600, 10.0).expired(OPEN, NOW)
    assert (expired.versions, expired.busy) == (None, {})
