# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two kinds of errors: bad input for the program, and refusals that the API answers."""

from __future__ import annotations


class InputError(Exception):
    """Bad input of the program's user; its text is one sentence with cause and remedy."""


class ApiError(Exception):
    """A refusal in the API's own words.

    ``status`` is the HTTP status; ``business`` errors come with HTTP 200 and ``Success: false``, the others have the
    gateway's shape.
    """

    def __init__(self, code: str, message: str, status: int = 400, business: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = 200 if business else status
        self.business = business
        self.headers: dict[str, str] = {}


def missing(parameter: str) -> ApiError:
    """A parameter is not there. The text is the vendor's (its ListOTAJobByDevice page)."""
    return ApiError(f"Missing{parameter}", f"{parameter} is mandatory for this action.")


def invalid(parameter: str) -> ApiError:
    """A parameter has a value that the gateway does not accept."""
    return ApiError(f"Invalid{parameter}", f"The specified parameter {parameter} is not valid.")


def business(code: str, message: str) -> ApiError:
    """A refusal by the IoT service behind the gateway."""
    return ApiError(code, message, business=True)
