# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import threading

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._api.credentials import Credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._api.operations import QUERY_OTA_JOB
from ansible_collections.iotfleet.ota.plugins.module_utils._api.signature import sign_rpc
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry
from ansible_collections.iotfleet.ota.tests.unit.fakes import refused, success
from ansible_collections.iotfleet.ota.tests.unit.simulated import Rollout, batch

from .conversations import JOB, SECRET, TOKEN, World

# --- Common parameters that the platform leaves out ------------------------------------------------------------------

LEFT_OUT = ("Format", "Version", "SignatureVersion")
REFUSALS = [refused(f"Missing{name}", status=400) for name in LEFT_OUT]


def left_out(request):
    """Those that a request carries all the same."""
    return {name: request.params[name] for name in LEFT_OUT if name in request.params}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_missing_parameters_are_sent_once_required_and_from_then_on(refusal):
    world = World(refusal, success(Data=JOB), success(Data=JOB), platform="tuya", retries=0)
    world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.job()["job_id"] == "1"
    sent = {"Format": "JSON", "Version": "2018-01-20", "SignatureVersion": "1.0"}
    assert [left_out(request) for request in world.requests] == [{}, sent, sent]
    assert world.clock.slept == [0.0]


def test_request_with_the_missing_parameters_is_signed_anew():
    world = World(REFUSALS[1], success(Data=JOB), platform="tuya")
    world.job()
    signatures = [request.params.pop("Signature") for request in world.requests]
    assert [request.params["SignatureNonce"] for request in world.requests] == ["nonce-1", "nonce-2"]
    assert signatures == [sign_rpc("GET", request.params, SECRET) for request in world.requests]


def test_refusal_of_the_parameters_that_were_sent_is_final():
    error = World(REFUSALS[0], REFUSALS[1], platform="tuya").error()
    assert str(error) == (
        "QueryOTAJob failed after 2 attempts: the service refused the request with MissingVersion (HTTP 400) and says"
        ' "no"; check platform and endpoint, or set signature_method to HMAC-SHA1, because this service cannot see the'
        " common parameters (request ID R-2)."
    )
    assert error.affects_all


def test_refusal_in_a_later_call_is_final():
    world = World(REFUSALS[0], success(Data=JOB), REFUSALS[0], platform="tuya")
    world.client.get(QUERY_OTA_JOB, job_id="1")
    assert world.error().attempts == 1


@pytest.mark.parametrize("service", [{"signature_method": "ACS3-HMAC-SHA256"}, {"signature_method": "HMAC-SHA1"}])
def test_refusal_of_what_alibaba_always_sends_is_final(service):
    assert World(REFUSALS[1], **service).error().attempts == 1


def test_refusal_of_what_xml_always_sends_is_final():
    xml = refused("MissingFormat", status=400)
    assert World(xml, platform="tuya", response_format="xml").error().attempts == 1


def test_other_missing_parameters_are_final():
    world = World(refused("MissingSignatureNonce", status=400), platform="tuya")
    assert world.error().attempts == 1
    assert left_out(world.requests[0]) == {}


def test_requests_in_flight_are_each_refused_once():
    both_are_out = threading.Barrier(2)

    def refuse(request):
        both_are_out.wait(30)
        return REFUSALS[0]

    world = World(refuse, refuse, success(Data=JOB), success(Data=JOB), platform="tuya", retries=0)
    results, failure = world.client.map(lambda job_id: world.client.get(QUERY_OTA_JOB, job_id=job_id), ["1", "1"])
    world.conversation.finish()
    assert ([job["job_id"] for job in results], failure) == (["1", "1"], None)
    assert [len(left_out(request)) for request in world.requests] == [0, 0, 3, 3]


# --- The same on a simulated service ---------------------------------------------------------------------------------


def conversation_with(world, **client):
    """The answers to two queries for a batch, and how many requests they took."""
    rollout = Rollout(world, **client)
    caller = rollout.client()
    jobs = [caller.get(QUERY_OTA_JOB, job_id="1")["job_id"] for _query in range(2)]
    return jobs, len(rollout.actions)


@pytest.mark.parametrize(
    ("world", "client", "requests"),
    [
        ({"require_version": True}, {"platform": "tuya"}, 3),
        ({"require_version": False}, {"platform": "tuya"}, 2),
        ({"require_version": True}, {"platform": "tuya", "response_format": "xml"}, 2),
        ({"dialect": "alibaba"}, {"platform": "tuya"}, 3),
        ({"require_version": True}, {"platform": "alibaba"}, 2),
        ({"require_version": True}, {"platform": "alibaba", "signature_method": "HMAC-SHA1"}, 2),
    ],
)
def test_service_that_requires_the_version_refuses_one_request(world, client, requests):
    assert conversation_with({**batch("a"), **world}, **client) == (["1", "1"], requests)


# --- Credentials -----------------------------------------------------------------------------------------------------


class Renewing:
    """Credentials that can be renewed, ``can`` says how often."""

    source = "ecs_ram_role"
    origin = "the test"

    def __init__(self, can=1):
        self.can = can
        self.number = 1

    def current(self, limit):
        return Credentials(f"key-id-{self.number}", SECRET, f"{TOKEN}-{self.number}")

    def renew(self, refused, limit):
        assert refused.access_key_id == f"key-id-{self.number}"
        if self.can:
            self.can -= 1
            self.number += 1
            return True
        return False

    def cancel(self):
        """Nobody waits here."""


OVER = refused("InvalidSecurityToken.Expired", "expired", 400)


def renewing(*answers, can=1, **service):
    return World(*answers, credentials=Renewing(can), **service)


@pytest.mark.parametrize("style", ["ACS3-HMAC-SHA256", "HMAC-SHA1"])
def test_expired_token_is_renewed_and_the_request_signed_anew(style):
    world = renewing(OVER, success(Data=JOB), signature_method=style, retries=0)
    assert world.job()["job_id"] == "1"
    first, second = (request.params for request in world.requests)
    assert (first["SecurityToken"], second["SecurityToken"]) == (f"{TOKEN}-1", f"{TOKEN}-2")
    assert (first["SignatureNonce"], second["SignatureNonce"]) == ("nonce-1", "nonce-2")
    assert world.clock.slept == [0.0]


def test_second_expired_token_is_an_error():
    error = renewing(OVER, OVER, can=9).error()
    assert (error.code, error.attempts, error.credentials_source) == (
        "InvalidSecurityToken.Expired",
        2,
        "ecs_ram_role",
    )


def test_expired_token_that_cannot_be_renewed_is_an_error():
    error = renewing(OVER, can=0).error()
    assert (error.retry, error.attempts) == (Retry.NEVER, 1)
    assert str(error).endswith("; the key comes from the test (request ID R-2).")


def test_other_refusals_renew_no_token():
    error = renewing(refused("InvalidSecurityToken.Malformed", status=400)).error()
    assert error.attempts == 1
    assert error.credentials_source == "ecs_ram_role"


def test_failing_source_of_credentials_is_retried():
    failures = [OtaError("no answer", code="credentials_failed", hint="wait", retry=Retry.LATER)]

    class Flaky(Renewing):
        def current(self, limit):
            if failures:
                raise failures.pop()
            return super().current(limit)

    world = World(success(Data=JOB), credentials=Flaky())
    assert world.job()["job_id"] == "1"
    assert (len(world.requests), world.clock.slept) == (1, [0.5])


def test_timeout_includes_the_credentials():
    limits = []

    class Slow(Renewing):
        def current(self, limit):
            limits.append(limit)
            world.clock.elapsed += 4.0
            return super().current(limit)

    world = World(success(Data=JOB), timeout=20.0, credentials=Slow())
    world.job()
    assert limits == [10.0]
    assert world.requests[0].timeout == 6.0


def test_renewal_gets_what_is_left_of_the_time():
    limits = []

    class Timed(Renewing):
        def renew(self, refused, limit):
            limits.append(limit)
            return super().renew(refused, limit)

    def expire(request):
        world.clock.elapsed += 3.0
        return OVER

    world = World(expire, success(Data=JOB), timeout=20.0, credentials=Timed())
    world.job()
    assert limits == [7.0]


def test_response_that_waits_too_long_to_be_read_is_a_timeout():
    """Responses are read one by one, and those of others may take long."""

    def arrive_late(request):
        world.clock.elapsed += 20.0
        return success(Data=JOB)

    world = World(arrive_late, timeout=10.0, retries=0)
    with world.client._caller._exchange._reading:
        error = world.error(world.job)
    assert (error.code, error.retry) == ("timeout", Retry.LATER)
