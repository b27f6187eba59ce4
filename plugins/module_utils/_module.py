# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""The edge to Ansible: builds module and client, asks for each input, exits or fails. Only this file does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn, TypeVar
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.errors import AnsibleFallbackNotFound
from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import (
    CONNECTION,
    CREDENTIALS,
    ENVIRONMENT,
    check_connection,
    endpoint_url,
    invalid,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._client import Client, Service
from ansible_collections.iotfleet.ota.plugins.module_utils._credentials import find_credentials
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import PLATFORMS
from ansible_collections.iotfleet.ota.plugins.module_utils._pacing import Pacer
from ansible_collections.iotfleet.ota.plugins.module_utils._transport import Transport

Options = Mapping[str, Any]
Entry = dict[str, Any]
E = TypeVar("E")
T = TypeVar("T")


class OtaModule(AnsibleModule):
    """A module whose every failure has the same keys, also where Ansible itself refuses an option."""

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        if "failure" not in kwargs:
            kwargs["failure"] = invalid(msg, "see the module's documentation").failure()
        super().fail_json(msg=msg, **kwargs)
        raise AssertionError("not reached")


def run(
    argument_spec: Mapping[str, Any],
    inputs: Callable[[Options], Sequence[T]],
    ask: Callable[[Client, Options, T], E],
    answer: Callable[[list[E]], dict[str, Any]],
    in_turn: Callable[[Options], bool] = lambda options: False,
) -> None:
    """The life of an info module.

    ``inputs`` are what is asked about, side by side or ``in_turn``; ``ask`` gets the entry of one of them; ``answer``
    makes the module's answer from the entries, in the order of the inputs. When a question fails, the entries that were
    learned all the same make the answer.
    """
    spec = {**CREDENTIALS, **CONNECTION, **argument_spec}
    for name, variables in ENVIRONMENT.items():
        spec[name] = {**spec[name], "fallback": (_environment, list(variables))}
    module = OtaModule(argument_spec=spec, supports_check_mode=True)
    asked: Sequence[T] = ()
    entries: list[E] = []
    failure: OtaError | None = None
    try:
        asked = inputs(module.params)
        client = connect(module)
        entries, failure = client.many(lambda item: ask(client, module.params, item), asked, in_turn(module.params))
    except OtaError as error:
        failure = error
    # Outside of the except clause, so that Ansible finds no exception whose traceback it could show.
    result = answer(entries)
    if module.params.get("only_summary"):
        result = {"summary": result["summary"]}
    if failure is None:
        module.exit_json(changed=False, **result)
    msg = str(failure)
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library)
    elif len(asked) > 1:
        msg += f" {len(entries)} of {len(asked)} inputs were read."
    module.fail_json(msg=msg, failure=failure.failure(), **result)


def _environment(*names: str) -> str:
    """The first of the environment variables that holds anything; Ansible's own fallback takes an empty one too."""
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    raise AnsibleFallbackNotFound


def connect(module: AnsibleModule) -> Client:
    """The client that the module's options describe.

    :raises OtaError: the options do not describe one.
    """
    options = module.params
    check_connection(options)
    service = Service(
        platform=PLATFORMS[options["platform"]],
        endpoint=endpoint_url(options),
        region=options["region"],
        iot_instance_id=options["iot_instance_id"],
        response_format=options["response_format"],
        full_common_parameters=options["full_common_parameters"],
        timeout=options["timeout"],
        retries=options["retries"],
    )
    credentials = find_credentials(options, os.environ)
    module.no_log_values.update(_masked(credentials.access_key_secret, credentials.security_token, options["proxy"]))
    transport = Transport(options["validate_certs"], options["ca_path"], options["proxy"])
    return Client(service, credentials, transport, Pacer(options["max_qps"]), module.warn)


def _masked(secret: str, token: str | None, proxy: str | None) -> set[str]:
    """What Ansible must mask although it is not a ``no_log`` option."""
    try:
        password = urlsplit(proxy or "").password
    except ValueError:
        password = None
    return {value for value in (secret, token, password) if value}
