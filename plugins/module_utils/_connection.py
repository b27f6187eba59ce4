# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""From options to a client: what modules and actions share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import AnsibleFallbackNotFound, UnsupportedError
from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import (
    CONNECTION,
    CREDENTIALS,
    ENVIRONMENT,
    check_connection,
    endpoint_url,
    invalid,
    proxy_url,
    signature_method,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._client import Client
from ansible_collections.iotfleet.ota.plugins.module_utils._credential_sources import find_source
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import Provider
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._pacing import Pacer
from ansible_collections.iotfleet.ota.plugins.module_utils._request import Service
from ansible_collections.iotfleet.ota.plugins.module_utils._transport import Transport


def specification(argument_spec: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one module with those that all share."""
    spec = {**CREDENTIALS, **CONNECTION, **argument_spec}
    for name, variables in ENVIRONMENT.items():
        spec[name] = {**spec[name], "fallback": (_environment, list(variables))}
    return spec


def read_options(
    argument_spec: Mapping[str, Any], given: Mapping[str, Any], hide: Callable[[set[str]], object]
) -> dict[str, Any]:
    """The options ``given`` to what is no module, checked as those of a module are. Those that are secret go to
    ``hide``.

    :raises OtaError: Ansible refuses one.
    """
    checked = ArgumentSpecValidator(specification(argument_spec)).validate(given)
    hide(checked._no_log_values)
    if checked.error_messages:
        words = "; ".join(
            f"unsupported options: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in checked.errors
        )
        hint = "see the documentation of the options"
        raise invalid(remove_values(words.rstrip("."), checked._no_log_values), hint)
    options: dict[str, Any] = checked.validated_parameters
    return options


def _environment(*names: str) -> str:
    """The first of the environment variables that holds anything; Ansible's own fallback takes an empty one too."""
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    raise AnsibleFallbackNotFound


def connect(options: Mapping[str, Any], hide: Callable[[set[str]], object], warn: Callable[[str], None]) -> Client:
    """The client that the options describe. What must be masked in all output although it is no option, or no secret
    one, goes to ``hide``.

    :raises OtaError: the options do not describe a client.
    """
    hide(_passwords(options["proxy"]))  # first, because an option may be refused
    check_connection(options)
    proxy = proxy_url(options["proxy"])
    service = Service(
        platform=PLATFORMS[options["platform"]],
        endpoint=endpoint_url(options),
        region=options["region"],
        iot_instance_id=options["iot_instance_id"],
        response_format=options["response_format"],
        full_common_parameters=options["full_common_parameters"],
        timeout=options["timeout"],
        retries=options["retries"],
        signature_method=signature_method(options),
    )
    keys_only = not service.platform.sends_token
    source = find_source(options, os.environ, keys_only=keys_only, warn=warn)
    keys = Provider(source, hide)
    times = (options["connect_timeout"], options["read_timeout"])
    transport = Transport(options["validate_certs"], options["ca_path"], proxy, *times)
    return Client(service, keys, transport, Pacer(options["max_qps"]), warn)


def _passwords(proxy: str | None) -> set[str]:
    """The passwords of the proxies that the option or the environment names, as they are written and as they are."""
    written: set[str | None] = set()
    for url in filter(None, (proxy, *getproxies_environment().values())):
        try:
            written.add(urlsplit(url if "://" in url else f"//{url}").password)
        except ValueError:
            continue
    return {form for password in written if password for form in (password, unquote(password))}
