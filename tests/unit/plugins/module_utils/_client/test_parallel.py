# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import QUERY_OTA_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._api.platforms import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._api.request import ServiceConfig
from ansible_collections.iotfleet.ota.plugins.module_utils._client import parallel
from ansible_collections.iotfleet.ota.plugins.module_utils._client.client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._client.parallel import MAX_FAILED
from ansible_collections.iotfleet.ota.plugins.module_utils._client.rate_limiter import RateLimiter
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import CanceledError
from ansible_collections.iotfleet.ota.plugins.module_utils._http.transport import MAX_IN_FLIGHT
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock, Request, refused, response, success

from .conversations import EXPIRED, SECRET, FixedCredentials, LeapingClock

PATIENCE = 30  # seconds until a test that waits for a thread gives up


class Crowd:
    """A client that queries many jobs at once; ``answers`` are by job, and all others are found."""

    def __init__(self, answers=None, limiter=None, before=lambda: None, **service):
        self.answers = answers or {}
        self.before = before
        self.sent = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.warnings = []
        self.guard = threading.Lock()
        self.canceled = False
        self.client = Client(
            ServiceConfig(PLATFORMS["alibaba"], "https://iot.example.com/", **service),
            FixedCredentials("key-id", SECRET),
            self,
            limiter or RateLimiter(0),
            self.warnings.append,
            wall=Clock().wall,
            jitter=lambda: 0.0,
        )

    def cancel(self):
        self.canceled = True

    def send(self, method, url, timeout, headers):
        params = Request(method, url, timeout, headers).params
        with self.guard:
            self.sent.append(params["JobId"])
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.before()
        with self.guard:
            self.in_flight -= 1
        answer = self.answers.get(params["JobId"]) or success(Data={"JobId": params["JobId"]})
        return answer(params) if callable(answer) else answer

    def query(self, ids, **how):
        jobs, failure = self.client.map(lambda job_id: self.client.get(QUERY_OTA_JOB, job_id=job_id), ids, **how)
        return [job and job["job_id"] for job in jobs], failure


def numbers(number):
    return [str(position) for position in range(number)]


def test_results_are_in_the_order_of_the_items():
    crowd = Crowd({"7": refused("iot.ota.JobNotFound")})
    found, failure = crowd.query(numbers(200))
    assert found == [None if position == "7" else position for position in numbers(200)]
    assert failure is None
    assert sorted(crowd.sent, key=int) == numbers(200)


def test_requests_in_flight_reach_their_bound_and_no_more():
    all_are_out = threading.Barrier(MAX_IN_FLIGHT)
    crowd = Crowd(before=lambda: all_are_out.wait(PATIENCE))
    found, failure = crowd.query(numbers(3 * MAX_IN_FLIGHT))
    assert (len(found), failure) == (3 * MAX_IN_FLIGHT, None)
    assert crowd.most_in_flight == MAX_IN_FLIGHT


def test_sequential_queries_run_one_after_the_other():
    crowd = Crowd()
    assert crowd.query(numbers(50), sequential=True) == (numbers(50), None)
    assert crowd.sent == numbers(50)
    assert crowd.most_in_flight == 1


def test_no_items_have_no_results():
    assert Crowd().query([]) == ([], None)


@pytest.mark.parametrize(
    "answer",
    [
        refused("SignatureDoesNotMatch", status=400),
        refused("NoPermission", status=403),
        refused("InvalidSecurityToken.Expired", status=400),
        response("", 302, location="https://elsewhere.example.com/"),
    ],
)
def test_failure_that_affects_all_starts_no_more_queries(answer):
    crowd = Crowd(dict.fromkeys(numbers(1000)[20:], answer))
    found, failure = crowd.query(numbers(1000))
    assert failure.affects_all
    assert found == [job_id for job_id in numbers(20) if job_id in found]
    assert len(found) > 20 - MAX_IN_FLIGHT
    assert len(crowd.sent) <= 20 + MAX_IN_FLIGHT


def test_requests_in_flight_run_to_their_end():
    in_flight, stopped = threading.Event(), threading.Event()

    class Watched(RateLimiter):
        def stop(self):
            super().stop()
            stopped.set()

    def find(params):
        in_flight.set()
        assert stopped.wait(PATIENCE)
        return success(Data={"JobId": params["JobId"]})

    def refuse(params):
        assert in_flight.wait(PATIENCE)
        return refused("NoPermission", status=403)

    crowd = Crowd({"1": find, "2": refuse}, Watched(0))
    found, failure = crowd.query(numbers(3))
    assert "1" in found
    assert failure.code == "NoPermission"


def test_failure_of_one_item_ends_nothing():
    crowd = Crowd({"20": refused("iot.ota.Odd")})
    found, failure = crowd.query(numbers(100))
    assert found == [job_id for job_id in numbers(100) if job_id != "20"]
    assert failure.code == "iot.ota.Odd"


def test_several_failures_start_no_more_queries():
    crowd = Crowd({job_id: refused("iot.ota.Odd") for job_id in numbers(1000)[20:]})
    found, failure = crowd.query(numbers(1000))
    assert found == [job_id for job_id in numbers(20) if job_id in found]
    assert len(found) > 20 - MAX_IN_FLIGHT
    assert failure.code == "iot.ota.Odd"
    assert len(crowd.sent) <= 20 + MAX_FAILED + MAX_IN_FLIGHT


def test_number_of_failures_that_end_a_sequence():
    crowd = Crowd({job_id: refused("iot.ota.Odd") for job_id in numbers(100)})
    found, failure = crowd.query(numbers(100), sequential=True)
    assert (found, failure.code) == ([], "iot.ota.Odd")
    assert crowd.sent == numbers(MAX_FAILED)


def test_failure_that_affects_all_comes_before_others():
    crowd = Crowd({"1": refused("iot.ota.Odd"), "3": refused("NoPermission", status=403)})
    _found, failure = crowd.query(numbers(5))
    assert failure.code == "NoPermission"


def test_first_failure_in_order_comes_before_others():
    crowd = Crowd({job_id: refused(f"iot.ota.Odd{job_id}") for job_id in "43"})
    _found, failure = crowd.query(numbers(6))
    assert failure.code == "iot.ota.Odd3"


def test_pauses_end_with_the_queries():
    both_are_out = threading.Barrier(2)
    answers = {
        "0": refused("Throttling", status=429, retry_after="29"),
        "1": refused("NoPermission", status=403),
    }
    crowd = Crowd(answers, before=lambda: both_are_out.wait(PATIENCE))
    found, failure = crowd.query(numbers(2))
    assert (found, failure.code) == ([], "NoPermission")
    assert sorted(crowd.sent) == ["0", "1"]  # after its pause, the first would have been sent again


def test_permanent_throttling_ends_by_the_timeout():
    clock = LeapingClock()
    limiter = RateLimiter(20, clock.monotonic, clock.sleep)
    crowd = Crowd({job_id: refused("Throttling", status=429) for job_id in numbers(100)}, limiter, timeout=1.0)
    found, failure = crowd.query(numbers(100))
    assert found == []
    # The clock may leap while an attempt waits for the thread that reads, which then is a timeout.
    assert failure.code in ("Throttling", "timeout")


def test_client_can_be_used_again_after_a_failure():
    crowd = Crowd({"0": refused("NoPermission", status=403)})
    assert crowd.query(["0"])[1].code == "NoPermission"
    assert crowd.query(["1"]) == (["1"], None)


def test_clock_is_corrected_once_for_all():
    def expired_at_first(params):
        return EXPIRED if params["Timestamp"].startswith("2024-11-19T09") else success(Data={"JobId": params["JobId"]})

    crowd = Crowd(dict.fromkeys(numbers(50), expired_at_first))
    assert crowd.query(numbers(50)) == (numbers(50), None)
    assert crowd.warnings == [
        "The clock of the machine that runs the module is 3600 s behind the service's;"
        " the service's time is used for the rest of this task. Set the machine's clock."
    ]


def test_warning_of_a_clock_that_cannot_be_corrected_comes_once():
    crowd = Crowd(dict.fromkeys(numbers(50), EXPIRED))
    found, failure = crowd.query(numbers(50))
    assert (found, failure.code) == ([], "InvalidTimeStamp.Expired")
    assert len(crowd.warnings) == 1


def test_mistake_in_a_query_is_raised_and_not_repeated():
    def query(number):
        crowd.client.get(QUERY_OTA_JOB, job_id=str(number))
        raise ZeroDivisionError

    crowd = Crowd()
    with pytest.raises(ZeroDivisionError):
        crowd.client.map(query, range(1000))
    assert len(crowd.sent) <= MAX_IN_FLIGHT


def test_mistake_in_a_sequence_is_raised():
    def query(number):
        crowd.client.get(QUERY_OTA_JOB, job_id="1")
        raise ZeroDivisionError

    crowd = Crowd()
    with pytest.raises(ZeroDivisionError):
        crowd.client.map(query, range(10), sequential=True)
    assert crowd.sent == ["1"]


def test_mistake_in_an_attempt_is_a_failure_like_others():
    def mistake(params):
        raise ZeroDivisionError("canary")

    crowd = Crowd(dict.fromkeys(numbers(1000), mistake))
    found, failure = crowd.query(numbers(1000))
    assert (found, failure.code, failure.action, failure.attempts) == ([], "unexpected_error", "QueryOTAJob", 1)
    assert "canary" not in repr(failure.failure()) + str(failure)
    assert len(crowd.sent) <= MAX_IN_FLIGHT + MAX_FAILED


def test_interruption_cancels_everything(monkeypatch):
    def interrupt(futures):
        raise KeyboardInterrupt

    crowd = Crowd(limiter=RateLimiter(0.01))
    monkeypatch.setattr(parallel, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        crowd.query(numbers(100))
    assert crowd.canceled
    assert len(crowd.sent) <= 1  # the next slot is more than a minute away


def test_canceled_queries_have_no_results():
    def cancel(params):
        crowd.client.cancel()
        raise CanceledError  # as a transport does for each request in flight

    crowd = Crowd({"3": cancel})
    with pytest.raises(CanceledError):
        crowd.query(numbers(10), sequential=True)
    assert crowd.sent == numbers(4)
