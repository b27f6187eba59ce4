# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, said so that a person and a playbook can act on it."""

from __future__ import annotations

import enum
from typing import Any


class Retry(enum.Enum):
    """Whether the same question, newly signed, may get a better answer; with ``SLOWER``, once the quota allows it."""

    NEVER = "never"
    ONCE = "once"
    LATER = "later"
    SLOWER = "slower"


class OtaError(Exception):
    """A question that got no usable answer.

    ``cause`` says what came back and ``hint`` what to do about it; both are parts of one sentence, without a full
    stop. ``code`` is the service's code, or one of ours in lower case. ``detail`` is the service's own text,
    already redacted. ``retry_after`` is in seconds. ``systemic`` says that any other question would fail alike, because
    what is wrong is not about the thing that was asked for. ``action`` and ``attempts`` are filled in by the client,
    which knows them, and so is ``credentials_source``, the kind of source that the credentials are from.
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
        systemic: bool = False,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.code = code
        self.hint = hint
        self.detail = detail
        self.request_id = request_id
        self.http_status = http_status
        self.retry = retry
        self.retry_after = retry_after
        self.systemic = systemic
        self.action: str | None = None
        self.attempts = 0
        self.credentials_source: str | None = None

    def again(self) -> OtaError:
        """The same once more, for somebody else to raise."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        return twin

    def __str__(self) -> str:
        tried = "Nothing was asked: "
        if self.action:
            times = f" in {self.attempts} attempts" if self.attempts > 1 else ""
            tried = f"{self.action} got no usable answer{times}: "
        trace = f" (request id {self.request_id})" if self.request_id else ""
        return f"{tried}{self.cause}; {self.hint}{trace}."

    def failure(self) -> dict[str, Any]:
        """The machine-readable half of a failing task."""
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


class MissingLibraryError(OtaError):
    """A Python library is missing. Told apart because Ansible has words of its own for it.

    ``reason`` ends the sentence "This is required …"; without one it is needed for everything.
    """

    def __init__(self, library: str, reason: str | None = None) -> None:
        super().__init__(
            f"the Python library {library} is missing",
            code="missing_library",
            hint=f"install {library} for the Python interpreter that runs the module",
            systemic=True,
        )
        self.library = library
        self.reason = reason
