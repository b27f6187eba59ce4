# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.plugins.module_utils._queries.devices import DeviceReport
from ansible_collections.iotfleet.ota.plugins.plugin_utils._evidence.versions import MAX_FAILED, VersionReader
from ansible_collections.iotfleet.ota.tests.unit.fleets import Fleet, failing, keys_of, odd
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch


def never():
    return False


def reader_of(client):
    return VersionReader(client, lambda: 1000.0)


def read_by(client, count):
    """The failures of the devices, in their order."""
    keys = keys_of(count)
    reports = reader_of(client).read(keys, never)
    return [reports[key].failure for key in keys]


WORDS = "List failed: it is odd; look it up"


def test_a_device_that_cannot_be_read_is_reported_with_the_words_of_the_service():
    assert read_by(failing(2), 3) == [None, WORDS, None]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_devices_that_all_fail_say_nothing_of_the_service(count):
    assert read_by(failing(1, 2), count) == [WORDS] * count


def test_a_list_that_stays_incomplete_is_about_one_device():
    assert read_by(failing(1, error=odd("incomplete_listing", None)), 1) == [WORDS]


def test_a_service_that_is_busy_for_one_device_is_about_that_device():
    assert read_by(failing(1, error=odd("ServiceUnavailable", 503, retry=Retry.LATER)), 2) == [WORDS, None]


def test_three_of_three_devices_that_fail_are_a_failure_of_the_poll():
    client = failing(1, 2, 3)
    client.failures["d3"] = odd("iot.device.Last")
    with pytest.raises(OtaError) as caught:
        read_by(client, 3)
    assert caught.value.code == "iot.device.Last"


def test_the_first_devices_do_not_speak_for_the_others():
    assert read_by(failing(1, 2, 3), 4) == [WORDS] * 3 + [None]
    assert read_by(failing(*range(1, MAX_FAILED)), 30) == [WORDS] * 9 + [None] * 21


def test_the_last_devices_do_not_speak_for_the_others():
    assert read_by(failing(2, 3, 4, 5), 5) == [None] + [WORDS] * 4


@pytest.mark.parametrize("first", [1, 5])
def test_so_many_failures_in_a_row_end_the_poll(first):
    client = failing(*range(first, 30), error=odd("ServiceUnavailable", 503, retry=Retry.LATER))
    with pytest.raises(OtaError):
        read_by(client, 30)
    assert len(client.asked) == first - 1 + MAX_FAILED == first + 9


def test_failures_that_are_the_devices_own_end_no_poll_in_a_row():
    assert read_by(failing(*range(5, 30)), 30) == [None] * 4 + [WORDS] * 25 + [None]


def test_a_device_that_is_read_ends_the_row():
    numbers = [number for number in range(1, 31) if number % MAX_FAILED]
    busy = odd("ServiceUnavailable", 503, retry=Retry.LATER)
    assert read_by(failing(*numbers, error=busy), 30).count(WORDS) == 27


GENERAL = [
    pytest.param(odd("unknown_host", None), id="network"),
    pytest.param(odd("html_response", 200), id="no answer of the service"),
    pytest.param(odd("Forbidden.RAM", 403), id="permission"),
    pytest.param(odd("SignatureDoesNotMatch", 400), id="key"),
    pytest.param(odd("InvalidTimeStamp.Expired", 400), id="clock"),
    pytest.param(odd("iot.Sre.IotInstanceNotFound", 200), id="instance"),
]


@pytest.mark.parametrize("error", GENERAL)
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_not_about_devices_ends_the_poll_if_none_can_be_read(error, count):
    with pytest.raises(OtaError) as caught:
        read_by(failing(1, 2, error=error), count)
    assert caught.value is error


@pytest.mark.parametrize("error", [*GENERAL, pytest.param(odd("Throttling.User", retry=Retry.SLOWER), id="throttling")])
def test_what_only_one_of_several_devices_meets_is_about_that_device(error):
    assert read_by(failing(2, error=error), 3) == [None, WORDS, None]


def test_what_any_other_device_would_meet_ends_the_poll_at_once():
    client = failing(2, error=odd("Forbidden.RAM", 403, affects_all=True))
    with pytest.raises(OtaError):
        read_by(client, 3)
    assert client.asked == ["d1", "d2"]


def test_a_failed_reading_leaves_no_number_of_devices():
    reader = reader_of(failing(1, 2, 3))
    with pytest.raises(OtaError):
        reader.read(keys_of(3), never)
    assert reader.progress is None


def test_each_reading_counts_anew():
    reader = reader_of(failing(1, 2, 3, 4, 5))
    assert len(reader.read(keys_of(2), never)) == 2
    with pytest.raises(OtaError):
        reader.read(keys_of(5)[2:], never)


def test_devices_that_are_left_do_not_speak_for_those_that_were_read():
    reader = reader_of(failing(2, 3, 4))
    assert list(reader.read(keys_of(1), never)) == keys_of(1)
    assert [report.failure for report in reader.read(keys_of(4)[1:], never).values()] == [WORDS] * 3


@pytest.mark.parametrize("error", GENERAL)
def test_what_is_not_about_devices_ends_the_poll_although_others_were_read_before(error):
    """The service may have failed since then."""
    reader = reader_of(failing(2, error=error))
    reader.read(keys_of(1), never)
    with pytest.raises(OtaError) as caught:
        reader.read(keys_of(2)[1:], never)
    assert caught.value is error


def test_devices_that_an_earlier_run_has_read_do_not_speak_for_this_one():
    reader = reader_of(failing(1, 2, 3))
    reader.keep({("k1", "d9"): DeviceReport({"default": "2.0"}, read_at=5.0)})
    with pytest.raises(OtaError):
        reader.read(keys_of(3), never)


# --- Reports that are kept -------------------------------------------------------------------------------------------


class Ticking(Fleet):
    """Each request takes a second."""

    def __init__(self, **failures):
        super().__init__(**failures)
        self.time = 100.0

    def now(self):
        return self.time

    def rows(self, operation, product_key, device_name):
        self.time += 1
        return super().rows(operation, product_key, device_name)


def test_a_report_is_kept_with_the_moment_before_its_request():
    fleet = Ticking()
    reader = VersionReader(fleet, fleet.now)
    found = reader.read(keys_of(2), never)
    assert reader.kept == found
    assert {key[1]: report.read_at for key, report in found.items()} == {"d1": 100.0, "d2": 101.0}


def test_reading_ends_in_time_and_goes_on_where_it_ended():
    fleet = Ticking()
    reader = VersionReader(fleet, fleet.now)
    assert list(reader.read(keys_of(5), lambda: fleet.time >= 103.0)) == keys_of(3)
    assert reader.read(keys_of(5), lambda: fleet.time >= 103.0) == {}
    assert list(reader.read(keys_of(5)[3:], never)) == keys_of(5)[3:]
    assert (list(reader.kept), fleet.asked) == (keys_of(5), ["d1", "d2", "d3", "d4", "d5"])


def test_a_device_that_cannot_be_read_keeps_its_latest_report():
    fleet = Ticking()
    reader = VersionReader(fleet, fleet.now)
    before = reader.read(keys_of(1), never)
    fleet.failures["d1"] = odd()
    assert reader.read(keys_of(1), never) == {("k1", "d1"): DeviceReport(failure=WORDS)}
    assert reader.kept == before


def test_what_was_read_before_a_failure_is_kept():
    fleet = Ticking(d3=odd("Forbidden.RAM", 403, affects_all=True))
    reader = VersionReader(fleet, fleet.now)
    with pytest.raises(OtaError):
        reader.read(keys_of(5), never)
    assert list(reader.kept) == keys_of(2)


def test_reports_of_an_earlier_run_replace_none_of_this_one():
    fleet = Ticking()
    reader = VersionReader(fleet, fleet.now)
    found = reader.read(keys_of(1), never)
    earlier = {key: DeviceReport({"default": "1.0"}, read_at=5.0) for key in keys_of(2)}
    reader.keep(earlier)
    assert reader.kept == {**earlier, **found}


# --- Details ---------------------------------------------------------------------------------------------------------


def fleet(count):
    return Rollout(batch(*({"name": f"d{number}", "course": "already_on_target"} for number in range(1, count + 1))))


def read_details_of(rollout, keys, is_over=never, products=("k1",)):
    reader = VersionReader(rollout.client(), rollout.clock.wall)
    return reader, reader.read(keys, is_over, products)


def asked(rollout):
    return dict(Counter(rollout.actions))


def test_details_tell_a_hundred_devices_by_one_request():
    rollout = fleet(250)
    reader, found = read_details_of(rollout, keys_of(250))
    assert asked(rollout) == {"BatchQueryDeviceDetail": 3}
    assert list(found) == keys_of(250)
    assert {tuple(report.versions.items()) for report in found.values()} == {(("default", "2.0"),)}
    assert {report.read_at for report in found.values()} == {rollout.clock.wall()}
    assert reader.kept == found


def test_devices_that_details_leave_out_are_asked_one_by_one():
    rollout = fleet(3)
    _reader, found = read_details_of(rollout, [*keys_of(4), ("", "d9")])
    assert asked(rollout) == {"BatchQueryDeviceDetail": 1, "ListOTAModuleVersionsByDevice": 1}
    assert [key[1] for key, report in found.items() if not report.found] == ["d4"]
    assert found["", "d9"].versions == {}


def test_a_device_in_the_way_of_the_others_makes_them_asked_one_by_one():
    rollout = fleet(3)
    rollout.fault("business_error", action="BatchQueryDeviceDetail", code="iot.device.Odd")
    _reader, found = read_details_of(rollout, keys_of(3))
    assert asked(rollout) == {"BatchQueryDeviceDetail": 1, "ListOTAModuleVersionsByDevice": 3}
    assert list(found) == keys_of(3)


def test_a_key_that_may_not_read_details_is_told():
    rollout = fleet(3)
    rollout.fault("no_permission", action="BatchQueryDeviceDetail")
    with pytest.raises(OtaError) as caught:
        read_details_of(rollout, keys_of(3))
    assert caught.value.action == "BatchQueryDeviceDetail"


def test_other_products_are_asked_one_by_one():
    rollout = fleet(3)
    read_details_of(rollout, keys_of(3), products=("k2",))
    assert asked(rollout) == {"ListOTAModuleVersionsByDevice": 3}


def test_no_details_are_read_after_the_time():
    rollout = fleet(3)
    assert read_details_of(rollout, keys_of(3), is_over=lambda: True)[1] == {}
    assert rollout.actions == []
