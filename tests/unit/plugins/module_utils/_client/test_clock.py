# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from email.utils import formatdate

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import QUERY_OTA_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._client.clock import ServiceClock
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock, refused, response, success

from .conversations import EXPIRED, HOUR_LATER, JOB, World

HOUR_EARLIER = "Tue, 19 Nov 2024 08:47:43 GMT"
NOW = 1_732_009_663.0  # 2024-11-19T09:47:43Z
REFUSAL = OtaError("refused", code="InvalidTimeStamp.Expired", hint="set the clock", retry=Retry.ONCE)


def service_clock():
    clock, warnings = Clock(NOW), []
    return clock, warnings, ServiceClock(warnings.append, clock.wall)


# --- By itself -------------------------------------------------------------------------------------------------------


def test_timestamp_is_that_of_this_machine_at_first():
    _clock, _warnings, service = service_clock()
    assert service.timestamp() == ("2024-11-19T09:47:43Z", False)


def test_offset_is_unknown_without_a_date():
    _clock, _warnings, service = service_clock()
    service.measure(response(""), NOW)
    assert service.offset is None


def test_offset_is_measured_from_the_middle_of_the_exchange():
    clock, _warnings, service = service_clock()
    clock.elapsed = 4.0
    service.measure(response("", date=HOUR_LATER), NOW)
    assert service.offset == 3600 + 0.5 - 2.0


def test_offset_is_that_of_the_latest_response():
    _clock, warnings, service = service_clock()
    for date in (HOUR_LATER, HOUR_EARLIER):
        service.measure(response("", date=date), NOW)
    assert service.offset == -3600 + 0.5
    assert warnings == []


def test_measuring_corrects_nothing():
    _clock, _warnings, service = service_clock()
    service.measure(response("", date=HOUR_LATER), NOW)
    assert service.timestamp() == ("2024-11-19T09:47:43Z", False)


@pytest.mark.parametrize(
    ("date", "text", "direction"),
    [(HOUR_LATER, "2024-11-19T10:47:43Z", "behind"), (HOUR_EARLIER, "2024-11-19T08:47:43Z", "ahead of")],
)
def test_correction_takes_the_time_of_the_service_and_warns(date, text, direction):
    _clock, warnings, service = service_clock()
    refusal = service.correct(REFUSAL, response("", date=date), service.timestamp())
    assert refusal.retry is Retry.ONCE
    assert service.timestamp() == (text, True)
    assert warnings == [
        f"The clock of the machine that runs the module is 3600 s {direction} the service's;"
        " the service's time is used for the rest of this task. Set the machine's clock."
    ]


def test_correction_is_made_once_for_all_requests_in_flight():
    _clock, warnings, service = service_clock()
    stamps = [service.timestamp() for _request in range(2)]
    first = service.correct(REFUSAL, response("", date=HOUR_LATER), stamps[0])
    second = service.correct(REFUSAL, response("", date=HOUR_EARLIER), stamps[1])
    assert (first.retry, second.retry) == (Retry.ONCE, Retry.ONCE)
    assert service.timestamp() == ("2024-11-19T10:47:43Z", True)
    assert len(warnings) == 1


def test_refusal_of_a_corrected_timestamp_is_final():
    _clock, warnings, service = service_clock()
    service.correct(REFUSAL, response("", date=HOUR_LATER), service.timestamp())
    final = service.correct(REFUSAL, response("", date=HOUR_EARLIER), service.timestamp())
    assert final.retry is Retry.NEVER
    assert final.cause == "refused, although the request carried the service's own time"
    assert REFUSAL.cause == "refused"
    assert len(warnings) == 1


def dated(seconds):
    """A response with the date that is as many seconds ahead of this machine's clock."""
    return response("", date=formatdate(NOW + seconds, usegmt=True))


@pytest.mark.parametrize("seconds", [0, 59, -60])
def test_clock_that_is_right_is_not_corrected(seconds):
    _clock, warnings, service = service_clock()
    refusal = service.correct(REFUSAL, dated(seconds), service.timestamp())
    assert refusal.retry is Retry.ONCE
    assert refusal.cause == "refused, although the clock of this machine matches the service's"
    assert refusal.hint == "try again, or give the request ID to the vendor's support"
    assert service.timestamp() == ("2024-11-19T09:47:43Z", False)
    assert warnings == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(60, "2024-11-19T09:48:43Z"), (86_399, "2024-11-20T09:47:42Z"), (-86_400, "2024-11-18T09:47:43Z")],
)
def test_clock_that_is_off_by_up_to_a_day_is_corrected(seconds, text):
    _clock, warnings, service = service_clock()
    assert service.correct(REFUSAL, dated(seconds), service.timestamp()).retry is Retry.ONCE
    assert service.timestamp() == (text, True)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(86_400, "2024-11-20T09:47:43Z"), (-86_401, "2024-11-18T09:47:42Z"), (5_000_000_000, "2183-04-30T18:41:03Z")],
)
def test_no_request_is_signed_for_another_day(seconds, text):
    _clock, warnings, service = service_clock()
    refusal = service.correct(REFUSAL, dated(seconds), service.timestamp())
    assert refusal.retry is Retry.NEVER
    assert refusal.cause == (
        f"refused: its clock says {text} and this machine's 2024-11-19T09:47:43Z, which is more than a day apart"
    )
    assert refusal.hint == (
        "set the clock of the machine that runs the module, or check endpoint and proxy if it is right"
    )
    assert service.timestamp() == ("2024-11-19T09:47:43Z", False)
    assert warnings == []


def test_refusal_without_a_date_is_final():
    _clock, warnings, service = service_clock()
    final = service.correct(REFUSAL, response(""), service.timestamp())
    assert (final.retry, final.cause, warnings) == (Retry.NEVER, "refused", [])
    assert service.timestamp() == ("2024-11-19T09:47:43Z", False)


# --- In a conversation -----------------------------------------------------------------------------------------------


def test_service_time_is_used_and_kept():
    world = World(
        refused("InvalidTimeStamp.Expired", status=400, date=HOUR_LATER), success(Data=JOB), success(Data=JOB)
    )
    world.client.get(QUERY_OTA_JOB, job_id="1")
    world.job()
    stamps = [request.params["Timestamp"] for request in world.requests]
    assert stamps == ["2024-11-19T09:47:43Z", "2024-11-19T10:47:43Z", "2024-11-19T10:47:43Z"]
    assert world.warnings == [
        "The clock of the machine that runs the module is 3600 s behind the service's;"
        " the service's time is used for the rest of this task. Set the machine's clock."
    ]


def test_old_code_of_a_clock_that_is_off_means_the_same():
    mandatory = 'The input parameter "Timestamp" that is mandatory for processing this request is not supplied.'
    world = World(refused("IllegalTimestamp", mandatory, status=400, date=HOUR_LATER), success(Data=JOB))
    world.job()
    assert [request.params["Timestamp"] for request in world.requests][1] == "2024-11-19T10:47:43Z"
    assert len(world.warnings) == 1


@pytest.mark.parametrize("code", ["IllegalTimestamp", "InvalidTimeStamp.Expired"])
def test_refusal_of_a_clock_that_is_right_does_not_blame_it(code):
    world = World(*[refused(code, status=400, date="Tue, 19 Nov 2024 09:47:43 GMT")] * 2)
    assert str(world.error()) == (
        f"QueryOTAJob failed after 2 attempts: the service refused the request with {code} (HTTP 400), although the"
        " clock of this machine matches the service's; try again, or give the request ID to the vendor's support"
        " (request ID R-2)."
    )
    assert world.warnings == []


def test_time_of_another_day_is_in_the_sentence():
    world = World(refused("InvalidTimeStamp.Expired", status=400, date="Tue, 01 Jan 2199 00:00:00 GMT"))
    assert str(world.error()) == (
        "QueryOTAJob failed: the service refused the request with InvalidTimeStamp.Expired (HTTP 400): its clock says"
        " 2199-01-01T00:00:00Z and this machine's 2024-11-19T09:47:43Z, which is more than a day apart; set the clock"
        " of the machine that runs the module, or check endpoint and proxy if it is right (request ID R-2)."
    )
    assert world.warnings == []


def test_second_refusal_of_the_timestamp_is_an_error():
    world = World(EXPIRED, EXPIRED)
    assert str(world.error()) == (
        "QueryOTAJob failed after 2 attempts: the service refused the request with InvalidTimeStamp.Expired"
        " (HTTP 400), although the request carried the service's own time;"
        " set the clock of the machine that runs the module, preferably by NTP (request ID R-2)."
    )
    assert len(world.warnings) == 1


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}, {"date": "Tue, 19 Nov 2024 10:47:43 +99999999999999"}])
def test_refusal_without_a_date_is_not_retried(headers):
    error = World(refused("InvalidTimeStamp.Expired", status=400, **headers)).error()
    assert error.attempts == 1
    assert "set the clock" in error.hint


def test_date_without_a_zone_is_utc():
    world = World(
        refused("InvalidTimeStamp.Expired", status=400, date=HOUR_LATER.replace("GMT", "-0000")), success(Data=JOB)
    )
    world.job()
    assert world.requests[1].params["Timestamp"] == "2024-11-19T10:47:43Z"


def test_client_reports_the_offset():
    world = World(response({"Success": True, "Data": JOB}, date=HOUR_LATER))
    assert world.client.clock_offset is None
    world.job()
    assert world.client.clock_offset == 3600.5
