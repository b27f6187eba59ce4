# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests that write: which are repeated, and after which look at the state."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.iotfleet.ota.plugins.module_utils._changes.sending import (
    MAX_REQUESTS,
    SETTLE_PAUSES,
    Outcome,
    send_change,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.tests.unit.fakes import Clock

UNKNOWN, DENIED, GONE = (
    OtaError(code, code=code, hint="wait") for code in ("unknown_outcome", "NoPermission", "AlreadyGone")
)


OPERATION = SimpleNamespace(has_nothing_left=lambda code: code == "AlreadyGone")


def told(answer):
    if isinstance(answer, OtaError):
        raise answer
    return answer


class Service:
    """Answers each request, and then each look at the state; what happened is in ``log``."""

    def __init__(self, answers, looks=()):
        self.answers, self.looks = list(answers), list(looks)
        self.log = []
        self.limiter = Clock()

    def change(self, operation, **arguments):
        self.log.append("request")
        return told(self.answers.pop(0))

    def has_effect(self):
        self.log.append("look")
        return bool(self.looks) and told(self.looks.pop(0))

    def send(self):
        return send_change(self, OPERATION, {}, self.has_effect, lambda: self.log.append("sent"))


def requests(log):
    return [word for word in log if word != "sent"]


@pytest.mark.parametrize(
    ("answers", "looks", "outcome", "log"),
    [
        ([None], [], Outcome.ACCEPTED, ["request"]),
        ([GONE], [], Outcome.NOTHING, ["request"]),
        ([UNKNOWN], [True], Outcome.SEEN, ["request", "look"]),
        ([UNKNOWN], [False, False, True], Outcome.SEEN, ["request", "look", "look", "look"]),
        ([UNKNOWN, None], [], Outcome.ACCEPTED, ["request", *["look"] * 4, "request"]),
        ([UNKNOWN, GONE], [], Outcome.SEEN, ["request", *["look"] * 4, "request"]),
    ],
)
def test_outcomes(answers, looks, outcome, log):
    service = Service(answers, looks)
    assert service.send() is outcome
    assert requests(service.log) == log
    assert service.log.count("sent") == service.log.count("request")


def test_refusal_is_handed_on():
    service = Service([DENIED])
    with pytest.raises(OtaError) as error:
        service.send()
    assert error.value is DENIED
    assert requests(service.log) == ["request"]


def test_refusal_of_the_second_request_says_nothing_of_the_first():
    service = Service([UNKNOWN, DENIED])
    with pytest.raises(OtaError) as error:
        service.send()
    assert error.value is UNKNOWN


def test_number_of_requests_is_bounded():
    service = Service([UNKNOWN] * 9)
    with pytest.raises(OtaError) as error:
        service.send()
    assert error.value is UNKNOWN
    assert requests(service.log) == ["request", *["look"] * 4] * MAX_REQUESTS
    assert service.limiter.elapsed == MAX_REQUESTS * sum(SETTLE_PAUSES)


def test_state_that_cannot_be_read_leaves_the_outcome_unknown():
    service = Service([UNKNOWN], [DENIED])
    with pytest.raises(OtaError) as error:
        service.send()
    assert error.value is UNKNOWN
    assert requests(service.log) == ["request", "look"]
