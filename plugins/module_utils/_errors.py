# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that all folders raise, worded so that a person and a playbook can act on them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, TypeVar

from ._text import printable

E = TypeVar("E", bound="OtaError")

#: The code of an error that nobody foresaw.
UNEXPECTED = "unexpected_error"

#: The code of a request that may have changed something, although no response says that it did.
UNKNOWN_OUTCOME = "unknown_outcome"


class Retry(enum.Enum):
    """Whether the same request, newly signed, may succeed later; with ``SLOWER``, once the quota allows it."""

    NEVER = "never"
    ONCE = "once"
    LATER = "later"
    SLOWER = "slower"


class CanceledError(Exception):
    """Nobody waits for the result any more."""


class OtaError(Exception):
    """A request without a usable response, or an option that cannot be used. It never changes, and all its words are
    printable, whoever chose them: the service, a proxy, a certificate or a file.

    ``cause`` says what happened and ``hint`` what to do about it; both are parts of one sentence, without a full stop.
    ``code`` is the service's code, or one of ours in lower case. ``detail`` is the service's own text, masked.
    ``retry_after`` is in seconds. ``affects_all`` says that every other request would fail alike, because what is wrong
    is not about the object of the request. ``action``, ``attempts`` and ``credentials_source`` are the context that the
    client and the credentials add: the operation, how often it was tried, and where the credentials come from.
    """

    def __init__(
        self,
        cause: str,
        *,
        code: str,
        hint: str,
        detail: str | None = None,
        request_id: str | None = None,
        http_status: int | None = None,
        retry: Retry = Retry.NEVER,
        retry_after: float | None = None,
        affects_all: bool = False,
        action: str | None = None,
        attempts: int = 0,
        credentials_source: str | None = None,
    ) -> None:
        super().__init__(printable(cause))
        self.cause = printable(cause)
        self.code = printable(code)
        self.hint = printable(hint)
        self.detail = _printable_or_none(detail)
        self.request_id = _printable_or_none(request_id)
        self.http_status = http_status
        self.retry = retry
        self.retry_after = retry_after
        self.affects_all = affects_all
        self.action = _printable_or_none(action)
        self.attempts = attempts
        self.credentials_source = _printable_or_none(credentials_source)

    def with_context(
        self: E, *, action: str | None = None, attempts: int | None = None, credentials_source: str | None = None
    ) -> E:
        """A copy with the context that is given; ``None`` leaves a part as it is."""
        return self._copy_with({"action": action, "attempts": attempts, "credentials_source": credentials_source})

    def but(
        self: E,
        *,
        cause: str | None = None,
        hint: str | None = None,
        retry: Retry | None = None,
        http_status: int | None = None,
    ) -> E:
        """A copy with another cause, hint, retry or status; ``None`` leaves a part as it is."""
        return self._copy_with({"cause": cause, "hint": hint, "retry": retry, "http_status": http_status})

    def _copy_with(self: E, changes: Mapping[str, Any]) -> E:
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        for name, value in changes.items():
            if value is not None:
                setattr(twin, name, printable(value) if isinstance(value, str) else value)
        return twin

    def __str__(self) -> str:
        return self.sentence("No request was sent")

    def sentence(self, ended: str) -> str:
        """The whole sentence, which begins with how the task ``ended`` unless a call failed."""
        tried = "The run failed: " if self.code == UNEXPECTED else f"{ended}: "
        if self.action:
            times = f" after {self.attempts} attempts" if self.attempts > 1 else ""
            tried = f"{self.action} failed{times}: "
        trace = f" (request ID {self.request_id})" if self.request_id else ""
        return f"{tried}{self.cause}; {self.hint}{trace}."

    def failure(self) -> dict[str, Any]:
        """The error as a failing task returns it."""
        return {
            "code": self.code,
            "message": self.detail or self.cause,
            "request_id": self.request_id,
            "http_status": self.http_status,
            "action": self.action,
            "attempts": self.attempts,
            "hint": self.hint,
            "credentials_source": self.credentials_source,
        }


def _printable_or_none(text: str | None) -> str | None:
    return None if text is None else printable(text)


class MissingLibraryError(OtaError):
    """A Python library is missing; a type of its own, because Ansible words this failure itself.

    ``reason`` ends the sentence "This is required …"; without one it is needed for everything.
    """

    def __init__(self, library: str, reason: str | None = None) -> None:
        super().__init__(
            f"the Python library {library} is missing",
            code="missing_library",
            hint=f"install {library} for the Python interpreter that runs the module",
            affects_all=True,
        )
        self.library = library
        self.reason = reason


def as_ota_error(error: Exception) -> OtaError:
    """``error``, or what may be said of one that nobody foresaw: its type and its place in this collection.

    Its text may hold a URL, a header or a secret.
    """
    if isinstance(error, OtaError):
        return error
    return OtaError(
        f"an unexpected {type(error).__name__} occurred in {_place_of(error)}",
        code=UNEXPECTED,
        hint="report it with the versions of this collection, of Python and of ansible-core",
    )


def _place_of(error: BaseException) -> str:
    place, step = "an unknown place", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename.rpartition("/iotfleet/ota/")
        if file[1]:
            place = f"{file[2]}:{step.tb_lineno}"
        step = step.tb_next
    return place
