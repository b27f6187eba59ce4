# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import (
    MAX_DEVICES,
    ExpectedDevice,
    Policy,
    needs_modules,
    read_policy,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# --- Bounds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "executed", "allowed"),
    [
        pytest.param({}, 10, 0, id="without any bound"),
        pytest.param({"max_pending": 5}, 10, 0, id="late is not failed"),
        pytest.param({"min_succeeded_percent": 90}, 10, None, id="not bound"),
        pytest.param({"max_failed": 0}, 10, 0, id="none"),
        pytest.param({"max_failed": 3}, 1, 3, id="a number knows no devices"),
        pytest.param({"max_failed_percent": 10}, 9, 0, id="a share is rounded down"),
        pytest.param({"max_failed_percent": 10}, 10, 1, id="a share that is met"),
        pytest.param({"max_failed_percent": 99.9}, 1000, 999, id="the decimal that was written"),
        pytest.param({"max_failed_percent": 0.1}, 3000, 3, id="a tenth of a percent"),
        pytest.param({"max_failed_percent": 1e-5}, 10_000_000, 1, id="written with an exponent"),
        pytest.param({"max_failed_percent": 100}, 7, 7, id="all"),
        pytest.param({"max_failed": 1, "max_failed_percent": 50}, 10, 1, id="both, the number is less"),
        pytest.param({"max_failed": 9, "max_failed_percent": 50}, 10, 5, id="both, the share is less"),
        pytest.param({"max_failed_percent": 50}, 0, 0, id="of nothing"),
    ],
)
def test_failures_allowed(options, executed, allowed):
    assert Policy(**options).failed_allowed(executed) == allowed


@pytest.mark.parametrize(
    ("options", "devices", "allowed"),
    [
        pytest.param({}, 10, 0, id="none by default"),
        pytest.param({"max_pending": 2}, 10, 2, id="a number"),
        pytest.param({"max_pending_percent": 5}, 19, 0, id="a share is rounded down"),
        pytest.param({"max_pending_percent": 5}, 20, 1, id="a share that is met"),
        pytest.param({"max_pending": 3, "max_pending_percent": 5}, 20, 1, id="both must be kept"),
    ],
)
def test_pending_allowed(options, devices, allowed):
    assert Policy(**options).pending_allowed(devices) == allowed


@pytest.mark.parametrize(
    ("options", "devices", "needed"),
    [
        pytest.param({}, 10, 10, id="all by default"),
        pytest.param({"max_failed": 2}, 10, 8, id="less those that may fail"),
        pytest.param({"max_failed_percent": 25}, 10, 8, id="less the share that may fail"),
        pytest.param({"max_pending": 3}, 10, 7, id="less those that may be unfinished"),
        pytest.param({"max_failed": 1, "max_pending_percent": 20}, 10, 7, id="less both"),
        pytest.param({"max_failed": 99}, 10, 1, id="at least one"),
        pytest.param({"min_succeeded_percent": 95}, 10, 10, id="a share is rounded up"),
        pytest.param({"min_succeeded_percent": 90}, 10, 9, id="a share that is met"),
        pytest.param({"min_succeeded_percent": 99.9}, 1000, 999, id="the decimal that was written"),
        pytest.param({"min_succeeded_percent": 90, "max_failed": 5}, 10, 9, id="a share of its own is not lowered"),
        pytest.param({"min_succeeded_percent": 0}, 10, 1, id="zero percent is at least one"),
        pytest.param({"min_succeeded_percent": 0}, 0, 0, id="zero percent of nothing"),
        pytest.param({}, 0, 0, id="all of nothing"),
    ],
)
def test_successes_needed(options, devices, needed):
    assert Policy(**options).succeeded_needed(devices) == needed


def test_share_that_must_succeed_does_not_bound_failures():
    """Neither does it in the number that must succeed without such a share."""
    policy = Policy(min_succeeded_percent=50.0, max_pending=3)
    assert (policy.failed_allowed(10), policy.succeeded_needed(10)) == (None, 5)


@settings(derandomize=True, deadline=None)
@given(
    st.decimals(0, 100, places=3),
    st.integers(0, MAX_DEVICES),
)
def test_shares_are_exact(percent, devices):
    """In whole numbers: a thousandth of a percent is a hundred-thousandth."""
    thousandths = int(percent * 1000)
    policy = Policy(min_succeeded_percent=float(percent), max_failed_percent=float(percent))
    assert policy.failed_allowed(devices) == thousandths * devices // 100_000
    assert policy.succeeded_needed(devices) == max(-(-thousandths * devices // 100_000), min(1, devices))


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_without_options_the_defaults_hold():
    assert read_policy({}) == Policy()
    assert read_policy(dict.fromkeys([*Policy._fields, "versions"])) == Policy()


def test_the_defaults_tolerate_nothing():
    policy = Policy()
    assert [policy.failed_allowed(100), policy.pending_allowed(100), policy.succeeded_needed(100)] == [0, 0, 100]
    assert policy == Policy(
        expected_devices=None,
        min_devices=None,
        expected_product_key=None,
        expected_firmware_id=None,
        expected_version=None,
        expected_job_type=None,
        min_succeeded_percent=None,
        max_failed=None,
        max_failed_percent=None,
        min_executed=1,
        max_pending=None,
        max_pending_percent=None,
        ignore_canceled=False,
        ignore_vanished=False,
        allow_empty=False,
        verify_versions=True,
        module_name=None,
        version_match="exact",
        version_grace=120.0,
        soak=0.0,
        confirmations=2,
        max_consecutive_errors=5,
        start_grace=120.0,
        wait_timeout=3600.0,
        scope="",
    )


def test_options_of_others_are_ignored():
    assert read_policy({"max_failed": 1, "job_ids": ["j1"], "wait": False}) == Policy(max_failed=1)


def test_versions_are_options_of_their_own():
    versions = {"verify": False, "module_name": " mcu ", "match": "prefix", "grace": 0}
    assert read_policy({"versions": versions}) == Policy(
        verify_versions=False, module_name="mcu", version_match="prefix", version_grace=0
    )


@pytest.mark.parametrize("versions", [None, {}, dict.fromkeys(("verify", "module_name", "match", "grace"))])
def test_versions_have_defaults(versions):
    """The names of the fields are no options."""
    assert read_policy({"versions": versions, "verify_versions": False, "module_name": "mcu"}) == Policy()


@pytest.mark.parametrize("match", ["exact", "ignore_build", "prefix"])
def test_versions_match_in_three_ways(match):
    assert read_policy({"versions": {"match": match}}).version_match == match


def test_expected_devices_may_tell_their_products():
    given = ["d1", {"product_key": " p1 ", "device_name": "d1 "}, {"device_name": "d2", "product_key": "p2"}]
    assert read_policy({"expected_devices": given}).expected_devices == (
        ExpectedDevice(None, "d1"),
        ExpectedDevice("p1", "d1"),
        ExpectedDevice("p2", "d2"),
    )


def test_expected_devices_count_once_and_without_blanks():
    one = {"product_key": "p1", "device_name": "d3"}
    assert read_policy({"expected_devices": [" d2", one, "d1", "d2 ", dict(one)]}).expected_devices == (
        ExpectedDevice(None, "d2"),
        ExpectedDevice("p1", "d3"),
        ExpectedDevice(None, "d1"),
    )


def test_expected_devices_have_names_as_facts_do():
    given = ["::lamp", "a\u00a0b", "客厅", {"product_key": "p\u200b", "device_name": "{{ x }}"}]
    assert read_policy({"expected_devices": given}).expected_devices == (
        ExpectedDevice(None, ": :lamp"),
        ExpectedDevice(None, "a b"),
        ExpectedDevice(None, "客厅"),
        ExpectedDevice("p\ufffd", "{ { x }}"),
    )


def test_what_a_batch_is_expected_to_be_is_read_without_blanks():
    policy = read_policy(
        {
            "expected_product_key": " p1 ",
            "expected_firmware_id": "f1\n",
            "expected_version": "2",
            "expected_job_type": "verfiy_firmware",
        }
    )
    assert policy == Policy(
        expected_product_key="p1",
        expected_firmware_id="f1",
        expected_version="2",
        expected_job_type="VERIFY_FIRMWARE",
    )


def test_job_type_that_is_not_documented_is_kept():
    assert read_policy({"expected_job_type": "odd"}).expected_job_type == "ODD"


def test_whole_number_may_be_written_with_a_point():
    assert read_policy({"max_failed": 2.0, "soak": 0.5}) == Policy(max_failed=2, soak=0.5)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), True),
        (Policy(verify_versions=False), False),
        (Policy(verify_versions=False, expected_devices=(ExpectedDevice(None, "d1"),)), True),
        (Policy(verify_versions=False, module_name="mcu"), True),
    ],
)
def test_modules_matter_where_versions_do(policy, expected):
    assert needs_modules(policy) is expected


LEAST_AND_MOST = {
    "min_devices": (1, 1_000_000),
    "min_succeeded_percent": (0, 100),
    "max_failed": (0, 1_000_000),
    "max_failed_percent": (0, 100),
    "min_executed": (1, 1_000_000),
    "max_pending": (0, 1_000_000),
    "max_pending_percent": (0, 100),
    "versions.grace": (0, 86400),
    "soak": (0, 31 * 86400),
    "confirmations": (1, 100),
    "max_consecutive_errors": (0, 1000),
    "start_grace": (0, 86400),
    "wait_timeout": (1, 366 * 86400),
}


def nested(name, value):
    """The options in which a suboption such as ``versions.grace`` is given."""
    option, _dot, suboption = name.partition(".")
    return {option: {suboption: value} if suboption else value}


@pytest.mark.parametrize("name", LEAST_AND_MOST)
def test_numbers_have_bounds(name):
    least, most = LEAST_AND_MOST[name]
    field = "version_grace" if name == "versions.grace" else name
    for value in (least, most):
        for written in (value, str(value), f" {value}.0 "):
            assert getattr(read_policy(nested(name, written)), field) == value
    for value in (least - 1, most + 1, float("nan"), float("inf"), "inf", "nan", "", "2%", "1h", "2,5", True, [least]):
        with pytest.raises(OtaError) as raised:
            read_policy(nested(name, value))
        assert raised.value.code == "invalid_option"
        assert raised.value.cause.startswith(f"{name} is ")


WHOLE = ("min_devices", "max_failed", "min_executed", "max_pending", "confirmations", "max_consecutive_errors")


@pytest.mark.parametrize("name", WHOLE)
def test_numbers_of_things_are_whole(name):
    with pytest.raises(OtaError) as raised:
        read_policy({name: 1.5})
    assert str(raised.value) == f"No request was sent: {name} is 1.5; give a whole number."


@pytest.mark.parametrize("name", ["soak", "start_grace", "wait_timeout", "max_failed_percent", "versions.grace"])
def test_other_numbers_may_be_fractions(name):
    assert 1.5 in read_policy(nested(name, 1.5))


SWITCHES = {
    "ignore_canceled": "ignore_canceled",
    "ignore_vanished": "ignore_vanished",
    "allow_empty": "allow_empty",
    "versions.verify": "verify_versions",
}


@pytest.mark.parametrize(("name", "field"), SWITCHES.items())
def test_switches_are_true_or_false(name, field):
    given = [True, "true", " Yes", "on", "1", False, "false", "no", "Off ", "0"]
    assert [getattr(read_policy(nested(name, value)), field) for value in given] == [True] * 5 + [False] * 5
    with pytest.raises(OtaError) as raised:
        read_policy(nested(name, 1))
    assert str(raised.value) == f"No request was sent: {name} is 1; give true or false."


TEXTS = (
    "expected_product_key",
    "expected_firmware_id",
    "expected_version",
    "expected_job_type",
    "versions.module_name",
)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.10, "is the number 2.1, and YAML may have changed what was written; write it in quotes"),
        (["x"], "is not text; write it in quotes"),
        (" ", "is blank; check the variable it comes from"),
    ],
)
def test_texts_are_neither_numbers_nor_blank(name, value, message):
    with pytest.raises(OtaError) as raised:
        read_policy(nested(name, value))
    assert str(raised.value) == f"No request was sent: {name} {message}."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"max_failed": -1},
            "No request was sent: max_failed is -1; it must be between 0 and 1000000.",
            id="below",
        ),
        pytest.param(
            {"max_failed_percent": 101},
            "No request was sent: max_failed_percent is 101; it must be between 0 and 100.",
            id="above",
        ),
        pytest.param(
            {"expected_devices": ["d1"], "min_devices": 1},
            "No request was sent: min_devices is given together with expected_devices; "
            "leave min_devices out: the number of names is the minimum.",
            id="names and their number",
        ),
        pytest.param(
            {"expected_devices": []},
            "No request was sent: expected_devices is empty; name at least one device, or leave the option out.",
            id="no name",
        ),
        pytest.param(
            {"expected_devices": ["d1", " "]},
            "No request was sent: entry 2 of expected_devices is blank; check the variable it comes from.",
            id="a blank name",
        ),
        pytest.param(
            {"expected_devices": [None]},
            "No request was sent: entry 1 of expected_devices is not text; write it in quotes.",
            id="no text",
        ),
        pytest.param(
            {"expected_devices": ["d1", 7]},
            "No request was sent: entry 2 of expected_devices is the number 7, and YAML may have changed what was"
            " written; write it in quotes.",
            id="a number for a name",
        ),
        pytest.param(
            {"expected_devices": [{"device_name": "d1"}]},
            "No request was sent: entry 1 of expected_devices is not a device; give a name, or product_key and"
            " device_name.",
            id="a device without its product",
        ),
        pytest.param(
            {"expected_devices": [{"device_name": "d1", "product_key": "p1", "iot_id": "7"}]},
            "No request was sent: entry 1 of expected_devices is not a device; give a name, or product_key and"
            " device_name.",
            id="more than a device has",
        ),
        pytest.param(
            {"expected_devices": [{"device_name": " ", "product_key": "p1"}]},
            "No request was sent: device_name of entry 1 of expected_devices is blank; check the variable it comes"
            " from.",
            id="a device without a name",
        ),
        pytest.param(
            {"expected_devices": ["d1", {"device_name": "d1", "product_key": None}]},
            "No request was sent: product_key of entry 2 of expected_devices is not text; write it in quotes.",
            id="a product that is no text",
        ),
        pytest.param(
            {"versions": {"match": "loosely, but not too much"}},
            "No request was sent: versions.match is loosely, but not too; give one of exact, ignore_build, prefix.",
            id="no way to match, cut",
        ),
        pytest.param(
            {"versions": {"grace": -1}},
            "No request was sent: versions.grace is -1; it must be between 0 and 86400.",
            id="less than no time",
        ),
        pytest.param(
            {"versions": {"grace": "5 min"}},
            "No request was sent: versions.grace is 5 min; give a number.",
            id="a text for a time",
        ),
        pytest.param(
            {"expected_devices": "d1,d2"},
            "No request was sent: expected_devices is not a list; give a list of names.",
            id="a text for a list",
        ),
        pytest.param(
            {"expected_devices": {"d1": "d2"}},
            "No request was sent: expected_devices is not a list; give a list of names.",
            id="a mapping for a list",
        ),
        pytest.param(
            {"max_failed": "x" * 21},
            f"No request was sent: max_failed is {'x' * 20}; give a number.",
            id="a text for a number, cut",
        ),
        pytest.param(
            {"soak": True},
            "No request was sent: soak is True; give a number.",
            id="a switch for a number",
        ),
        pytest.param(
            {"max_failed": 0.00012345678901234567},
            "No request was sent: max_failed is 0.000123456789012345; give a whole number.",
            id="a fraction for a whole number, cut",
        ),
        pytest.param(
            {"allow_empty": "yes and no and maybe so"},
            "No request was sent: allow_empty is yes and no and maybe; give true or false.",
            id="a text for a switch, cut",
        ),
    ],
)
def test_invalid_options_are_rejected(options, message):
    with pytest.raises(OtaError) as raised:
        read_policy(options)
    assert str(raised.value) == message
