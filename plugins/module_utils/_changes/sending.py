# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sends a request that writes, so that it takes effect once: none follows another before the state has been read."""

from __future__ import annotations

import enum
from typing import Callable

from .._api.schema import Operation
from .._client.client import Client
from .._errors import UNKNOWN_OUTCOME, OtaError

#: Maximum number of requests for one change.
MAX_REQUESTS = 3

#: Seconds before each read of the state after a request that may have been carried out.
SETTLE_PAUSES = (0.5, 1.0, 2.0, 4.0)


class Outcome(enum.Enum):
    """What became of a change: the service accepted it, it shows its effect, or there was nothing to change."""

    ACCEPTED = "accepted"
    SEEN = "seen"
    NOTHING = "nothing"


def send_change(
    client: Client,
    operation: Operation,
    arguments: dict[str, str],
    has_effect: Callable[[], bool],
    sent: Callable[[], object],
) -> Outcome:
    """Send a request until it is known to have been carried out.

    ``has_effect`` reads whether it was. ``sent`` is called before each request.

    :raises OtaError: it was refused, or, with ``unknown_outcome``, that cannot be known.
    """
    unknown: OtaError | None = None
    for _number in range(MAX_REQUESTS):
        sent()
        try:
            client.change(operation, **arguments)
            return Outcome.ACCEPTED
        except OtaError as error:
            failure = error
        if operation.has_nothing_left(failure.code):
            return Outcome.SEEN if unknown else Outcome.NOTHING
        if failure.code != UNKNOWN_OUTCOME:
            break
        unknown = failure
        if _has_settled(client, has_effect, unknown):
            return Outcome.SEEN
    raise unknown or failure


def _has_settled(client: Client, has_effect: Callable[[], bool], unknown: OtaError) -> bool:
    """Whether a request that may have been carried out shows its effect.

    :raises OtaError: that cannot be read, so that the outcome stays unknown.
    """
    for pause in SETTLE_PAUSES:
        client.limiter.sleep(pause)
        try:
            if has_effect():
                return True
        except OtaError:
            raise unknown from None
    return False
