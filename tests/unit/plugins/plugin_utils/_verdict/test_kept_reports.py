# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import uuid
import zlib

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.versions import reported_version
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict import kept_reports
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.kept_reports import (
    DIGEST_SIZE,
    pack_names,
    pack_reports,
    unpack_names,
    unpack_reports,
)
from ansible_collections.iotfleet.ota.tests.unit.verdicts import NEW, OLD, PRODUCT, batch, plain
from hypothesis import given
from hypothesis import strategies as st

AT = 1_772_359_207.5
POLICY = plain(verify_versions=True)


def read_at(seconds, version=NEW, **modules):
    return DeviceReport(modules or {"default": version}, read_at=AT + seconds)


def packed(reports, *jobs, policy=POLICY, began=AT):
    return json.loads(json.dumps(pack_reports(reports, jobs or [batch("S")], policy, began)))


def there_and_back(reports, *jobs, **options):
    return unpack_reports(packed(reports, *jobs, **options))


def told(kept):
    """What is kept, but that it may not be all."""
    return {key: report._replace(all_modules=True) for key, report in kept.items()}


# --- Reports ---------------------------------------------------------------------------------------------------------


def test_a_report_is_kept_as_read_at_the_start_of_its_minute_in_this_run():
    reports = {(PRODUCT, "d1"): read_at(7.5), (PRODUCT, "d2"): read_at(59.9), (PRODUCT, "d3"): read_at(60.0)}
    assert told(there_and_back(reports)) == {
        (PRODUCT, "d1"): read_at(0.0),
        (PRODUCT, "d2"): read_at(0.0),
        (PRODUCT, "d3"): read_at(60.0),
    }
    assert [set(group) for group in packed(reports)] == [
        {"product_key", "module_name", "version", "read_at", "devices"}
    ] * 2


def test_a_report_of_an_earlier_run_keeps_its_time_for_ever():
    reports = {(PRODUCT, "d1"): read_at(-0.5), (PRODUCT, "d2"): read_at(-61.5)}
    for _run in range(3):
        kept = there_and_back(reports)
        assert told(kept) == told(reports)
        reports = kept


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(read_at(5.0, OLD), id="another version"),
        pytest.param(read_at(5.0, mcu=NEW), id="another module"),
        pytest.param(read_at(5.0, default=None), id="no version"),
        pytest.param(DeviceReport(found=False, read_at=AT), id="not found"),
        pytest.param(DeviceReport(failure="it is odd"), id="not read"),
    ],
)
def test_what_is_no_proof_is_not_kept(report):
    assert packed({(PRODUCT, "d1"): report}) == []
    assert packed({("another", "d1"): read_at(5.0)}) == []


def test_a_version_in_another_form_is_kept_as_it_is():
    policy = plain(verify_versions=True, version_match="ignore_build")
    reports = {(PRODUCT, "d1"): read_at(0.0, f"v{NEW}+7")}
    assert told(there_and_back(reports, policy=policy)) == reports


def test_modules_of_one_device_are_kept_with_the_earlier_time():
    jobs = [batch("S"), batch("S", job_id="j2", module_name="mcu", dest_version="3.0")]
    reports = {(PRODUCT, "d1"): read_at(65.0, default=NEW, mcu="3.0", ble="1.0")}
    assert told(there_and_back(reports, *jobs)) == {(PRODUCT, "d1"): read_at(60.0, default=NEW, mcu="3.0")}
    both = packed(reports, *jobs)
    both[0]["read_at"] -= 60
    assert unpack_reports(both)[PRODUCT, "d1"].read_at == AT


def test_where_the_module_is_not_known_all_must_be_on_the_version():
    job = batch("S", module_name=None)
    reports = {(PRODUCT, "d1"): read_at(0.0, a=NEW, b=NEW), (PRODUCT, "d2"): read_at(0.0, a=NEW, b=OLD)}
    assert told(there_and_back(reports, job)) == {(PRODUCT, "d1"): read_at(0.0, **{"": NEW})}


def test_a_report_of_one_module_says_nothing_of_the_others():
    """Else a batch whose module is not known would be proved by another module."""
    known, unknown = batch("S"), batch("S", job_id="j2", module_name=None)
    kept = there_and_back({(PRODUCT, "d1"): read_at(0.0, default=NEW, mcu=OLD)}, known)[PRODUCT, "d1"]
    assert (kept.all_modules, reported_version(kept, known, (), POLICY)) == (False, NEW)
    assert reported_version(kept, unknown, (), POLICY) is None
    every = there_and_back({(PRODUCT, "d1"): read_at(0.0, default=NEW, mcu=NEW)}, unknown)[PRODUCT, "d1"]
    assert (every.all_modules, reported_version(every, unknown, (), POLICY)) == (True, NEW)


def test_a_long_name_is_known_by_its_digest_until_somebody_asks_for_it():
    names = [uuid.UUID(int=number << 64).hex + "x" for number in range(3)]
    reports = {(PRODUCT, name): read_at(0.0) for name in names}
    (group,) = packed(reports)
    assert (group["product_key"], names[0] in json.dumps(group)) == ("", False)
    kept = unpack_reports([group])
    assert (list(kept), kept.get((PRODUCT, "d1"))) == ([], None)
    assert told({0: kept[PRODUCT, names[1]]}) == {0: read_at(0.0)}
    assert list(kept) == [(PRODUCT, names[1])]
    assert packed(kept) == [group]  # nobody has asked for the others, and they are not lost
    assert kept.get(("another", names[0])) is None


def test_a_later_report_replaces_the_earlier_one():
    names = ["d1", "a-rather-long-name"]
    kept = there_and_back({(PRODUCT, name): read_at(0.0) for name in names})
    for name in names:
        kept[PRODUCT, name] = read_at(120.0, OLD)
        assert kept[PRODUCT, name] == read_at(120.0, OLD)
    assert packed(kept) == []
    del kept[PRODUCT, "d1"]
    assert (len(kept), (PRODUCT, "d1") in kept) == (1, False)


UNKNOWN = batch("S")._replace(facts=None, module_name=None)


def test_a_batch_that_is_unknown_for_once_does_not_make_a_run_forget_what_proves_it():
    names = ["d1", "d2", "a-rather-long-name", "another-long-name"]
    kept = there_and_back({(PRODUCT, name): read_at(0.0) for name in names})
    before = packed(kept)
    assert packed(kept, UNKNOWN) == before
    kept[PRODUCT, "d1"] = read_at(120.0, default=NEW, mcu="1.0")
    kept[PRODUCT, "a-rather-long-name"] = read_at(120.0, OLD)
    again = there_and_back(kept, UNKNOWN)
    assert told(again) == {(PRODUCT, "d1"): read_at(120.0), (PRODUCT, "d2"): read_at(0.0)}
    assert (again.get((PRODUCT, names[2])), again[PRODUCT, names[3]].read_at) == (None, AT)


def test_where_no_module_is_known_a_later_report_must_be_of_all_while_the_batch_is_unknown():
    job = batch("S", module_name=None)
    kept = there_and_back({(PRODUCT, name): read_at(0.0, a=NEW, b=NEW) for name in ("d1", "d2")}, job)
    kept[PRODUCT, "d1"] = read_at(60.0, a=NEW, b=NEW, c=None)
    kept[PRODUCT, "d2"] = read_at(60.0, a=NEW, b=OLD)
    assert told(there_and_back(kept, UNKNOWN)) == {(PRODUCT, "d1"): read_at(60.0, **{"": NEW})}


def test_nothing_is_known_to_be_proof_before_a_batch_is_known():
    assert packed({(PRODUCT, "d1"): read_at(0.0)}, UNKNOWN) == []


@pytest.mark.parametrize(
    ("name", "most"), [("lamp-{:06}", 4), ("lamp-{}", 4), ("客厅-{}", 4), ("{:032x}x", 20), ("{:014x}", 20)]
)
def test_a_name_takes_few_bytes(name, most):
    """Numbered names of which every tenth was read within one minute, and others."""
    numbers = [(number * 2_654_435_761) % 2**32 if "x" in name else number for number in range(0, 10_000, 10)]
    reports = {(PRODUCT, name.format(number)): read_at(0.0) for number in numbers}
    assert len(json.dumps(pack_reports(reports, [batch("S")], POLICY, AT))) <= most * len(reports)


GROUP = packed({(PRODUCT, "d1"): read_at(0.0)})[0]


@pytest.mark.parametrize(
    "groups",
    [
        pytest.param(None, id="nothing"),
        pytest.param({}, id="no list"),
        pytest.param([5], id="no group"),
        pytest.param([{**GROUP, "x": 1}], id="another key"),
        pytest.param([{name: value for name, value in GROUP.items() if name != "version"}], id="a key is missing"),
        *(pytest.param([{**GROUP, name: 5}], id=f"{name} is no text") for name in GROUP if name != "read_at"),
        pytest.param([{**GROUP, "version": ""}], id="no version"),
        *(
            pytest.param([{**GROUP, "read_at": value}], id=f"time {value}")
            for value in ("5", None, True, -1.0, float("nan"), float("inf"), 1e300)
        ),
        pytest.param([{**GROUP, "product_key": ""}], id="names in place of digests"),
        pytest.param([{**GROUP, "product_key": "", "devices": ""}], id="no digest"),
    ],
)
def test_other_groups_are_refused(groups):
    with pytest.raises(ValueError, match=r"."):
        unpack_reports(groups)


def test_no_more_devices_than_a_batch_can_have(monkeypatch):
    monkeypatch.setattr(kept_reports, "MAX_DEVICES", 3)
    reports = {(PRODUCT, f"d{number}"): read_at(0.0) for number in range(4)}
    with pytest.raises(ValueError, match="more devices than a batch can have"):
        there_and_back(reports)
    two = [packed({(PRODUCT, f"{letter}{number}"): read_at(0.0) for number in range(2)})[0] for letter in "ab"]
    with pytest.raises(ValueError, match="more devices than a batch can have"):
        unpack_reports(two)


def test_no_more_reports_than_devices_have_modules(monkeypatch):
    monkeypatch.setattr(kept_reports, "_MAX_REPORTS", 3)
    one = {**GROUP, "devices": packed({(PRODUCT, "d1"): read_at(0.0), (PRODUCT, "d2"): read_at(0.0)})[0]["devices"]}
    assert len(unpack_reports([one])) == 2
    with pytest.raises(ValueError, match="more reports than devices have modules"):
        unpack_reports([one, one])
    with pytest.raises(ValueError, match="not groups"):
        unpack_reports([one] * 4)


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["d1", "d2", "d9", "d10"], id="numbers"),
        pytest.param(["d001", "d002", "d010", "d1", "d2", "d3", "d4", "d02"], id="with and without zeros"),
        pytest.param(["0", "1", "2", "10", "00", "01", "02", "03"], id="nothing but numbers"),
        pytest.param(["862001234567890", "862001234567891", "862001234567899", "862001234567892"], id="IMEI"),
        pytest.param(["客厅", "客厅1", "客厅2", "客厅3", "客厅4", "a b", "a,b", "{{ x }}", ""], id="other names"),
    ],
)
def test_names_there_and_back(names):
    text, long = pack_names(names)
    assert (sorted(unpack_names(text)), long) == (sorted(names), [])
    assert not set(text) & set("{}\"' \n")


@given(st.lists(st.text(st.characters(exclude_categories=())) | st.from_regex(r"\A[a-z]?[0-9]{1,20}\Z")))
def test_any_names_there_and_back(names):
    text, long = pack_names(names)
    assert sorted([*(unpack_names(text) if text else []), *long]) == sorted(set(names))


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_other_text_is_refused(content):
    text = base64.b85encode(content).decode() if isinstance(content, bytes) else content
    with pytest.raises(ValueError, match=r"."):
        unpack_names(text)


def as_text(content):
    return base64.b85encode(zlib.compress(content)).decode().translate(str.maketrans("{}", ".,"))


@pytest.mark.parametrize("content", [b"d\t0", b"d\t0\t", b"d\t0\t1,x", b"d\tx\t1", b"d\t0\t1\t2", b"\xff"])
def test_a_line_that_holds_no_names_is_refused(content):
    with pytest.raises(ValueError, match=r"."):
        unpack_names(as_text(content))


def test_a_text_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(kept_reports, "_MAX_TEXT", 1000)
    with pytest.raises(ValueError, match="cut, or too long"):
        unpack_names(as_text(b"d" * 1001))
    with pytest.raises(ValueError, match="cut, or too long"):
        unpack_names(base64.b85encode(zlib.compress(b"d1")[:-1]).decode())
    monkeypatch.setattr(kept_reports, "MAX_DEVICES", 5)
    with pytest.raises(ValueError, match="more devices"):
        unpack_names(as_text(b"d\t0\t1,1,1,1,1,1"))
    assert unpack_names(as_text(b"d\t99\t1")) == ["d000000000000001"]  # no width is taken for granted
    monkeypatch.setattr(kept_reports, "_MAX_PACKED", 100)
    with pytest.raises(ValueError, match="too long"):
        unpack_names("0" * 101)


@pytest.mark.parametrize(
    "line", [b"d" * 65 + b"\t0\t1", b"d\t0\t1" + b"0" * 15, b"d\t0\t-" + b"9" * 5000, b"d\t999\t1"]
)
def test_a_name_longer_than_any_is_refused(line):
    with pytest.raises(ValueError, match="longer than any name"):
        unpack_names(as_text(line))


def test_a_digest_is_long_enough_for_nobody_to_find_two_names_with_the_same():
    assert DIGEST_SIZE * 8 // 2 >= 60
