# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors with which questions fail, as the client raises them."""

from __future__ import annotations

from typing import Callable

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError, Retry

from .facts import WORDS_OF_SERVICE

#: Errors of the way to the service, which tell nothing of it, not even its time.
UNHEARD = ("timeout", "certificate", "html_response")
#: Errors that any other question would meet as well.
ABOUT_ALL = (*UNHEARD, "InvalidAccessKeyId.Inactive")


def an_error(code: str, retry: Retry = Retry.NEVER, affects_all: bool = False, detail: str | None = None) -> OtaError:
    """An error as the client raises it."""
    cause = f"it was refused with {code}" + (f": {detail}" if detail else "")
    status = {"ServiceUnavailable": 503, "InvalidParameter": 400, "timeout": None, "certificate": None}.get(
        code, 403 if affects_all else 200
    )
    return OtaError(
        cause, code=code, hint="try", retry=retry, affects_all=affects_all, detail=detail, http_status=status
    )


ERRORS: dict[str, Callable[[], OtaError]] = {
    "busy": lambda: an_error("ServiceUnavailable", Retry.LATER),
    "firmware busy": lambda: an_error("iot.firmware.SystemBusy", Retry.LATER),
    "net": lambda: an_error("timeout", Retry.LATER),
    "swapped": lambda: an_error("wrong_response", Retry.ONCE),
    "page": lambda: an_error("html_response"),
    "tls": lambda: an_error("certificate", affects_all=True),
}
UNREADABLE_ERRORS: dict[str, Callable[[], OtaError]] = {
    "refused": lambda: an_error("InvalidParameter", detail=WORDS_OF_SERVICE),
    "busy": lambda: an_error("iot.system.SystemException", Retry.LATER, detail=WORDS_OF_SERVICE),
}
