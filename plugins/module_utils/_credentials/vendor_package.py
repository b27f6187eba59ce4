# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one user of the vendor's package ``alibabacloud_credentials``, which need not be installed.

The package reads the environment when it is imported, so everything that it could find there is passed to it. It also
caches and renews credentials by rules of its own; a new object for each call leaves that to us.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Callable

from .._api.credentials import Credentials
from .._errors import MissingLibraryError, OtaError
from .._validation import proxy_of
from .provider import credentials_error, names_of_parts, refusal_code, refused_error, validate_credentials

LIBRARY = "alibabacloud_credentials"


def vendor_provider(name: str, origin: str) -> Any:
    """One of the vendor's providers. Importing them takes half a second, which only those spend who need them.

    :raises MissingLibraryError: the package is not installed, or does not have this one yet.
    """
    try:
        from alibabacloud_credentials import provider
    except ImportError:
        raise MissingLibraryError(LIBRARY, f"for the credentials of {origin}") from None
    if not hasattr(provider, name):
        raise MissingLibraryError(LIBRARY, f"in a newer version, for the credentials of {origin}")
    return getattr(provider, name)


def http_options(url: str, proxy: str | None) -> Any:
    """How the vendor's package connects to ``url``, where ``proxy`` is that of the option."""
    from alibabacloud_credentials.http import HttpOptions

    return HttpOptions(proxy=proxy_of(url, proxy) or "")


def issued_credentials(make_provider: Callable[[], Any], origin: str, hint: str) -> Credentials:
    """The credentials that one of the vendor's providers gets; ``hint`` says what helps if it gets none.

    :raises OtaError: there are none.
    """
    from alibabacloud_credentials.exceptions import CredentialException
    from Tea.exceptions import RetryError, TeaException

    for name in ("credentials", "alibabacloud-tea"):
        # They write the services' responses to stderr.
        logging.getLogger(name).addFilter(_log_nothing)
    try:
        found = make_provider().get_credentials()
    except (RetryError, OSError):
        raise credentials_error(
            f"the service that issues the credentials of {origin} cannot be reached",
            "check the network and the proxy",
            transient=True,
        ) from None
    except (
        CredentialException,
        TeaException,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        # Its text may repeat the service's response, or a token.
        raise _refused_error(str(error), origin, hint) from None
    parts = (found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token())
    # A command need not say when its credentials expire.
    issued = Credentials(*parts, found.get_expiration() or None)
    return validate_credentials(names_of_parts(f"issued for {origin}"), issued)


def _log_nothing(record: logging.LogRecord) -> bool:
    return False


def _refused_error(text: str, origin: str, hint: str) -> OtaError:
    """Why there are no credentials, as far as the ``text`` of an exception says."""
    status = re.search(r"http_code: ?(\d{3})", text)
    if not status:
        return credentials_error(f"no usable credentials were issued for {origin}", hint, transient=False)
    return refused_error(refusal_code(text), int(status[1]), origin, hint)
