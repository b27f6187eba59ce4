# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a module: build module and client, run a query for each input or make a change, exit or fail.

No other file calls ``exit_json`` or ``fail_json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._client.client import Client
from .._errors import UNEXPECTED, MissingLibraryError, OtaError, as_ota_error
from .._validation import invalid_option
from .argspec import check_texts, full_argument_spec, proxy_passwords, without_blanks
from .connection import create_client, read_service
from .masking import hide_secret_options, maskable_secrets

Options = Mapping[str, Any]
E = TypeVar("E")
T = TypeVar("T")


class OtaModule(AnsibleModule):
    """A module whose failures all have the same keys, also where Ansible itself rejects an option.

    ``given`` are the options as they came, before Ansible converts them.
    """

    def _load_params(self) -> None:
        super()._load_params()
        self.params = without_blanks(self.params)
        self.given: Options = dict(self.params)

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        kwargs["invocation"] = {"module_args": hide_secret_options(self.params, self.argument_spec)}
        self.no_log_values = set(maskable_secrets(self.no_log_values))
        super()._return_formatted(kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        if "failure" not in kwargs:
            kwargs["failure"] = invalid_option(msg, "see the documentation of the options").failure()
        super().fail_json(msg=msg, **kwargs)
        raise AssertionError("not reached")


def run_info_module(
    argument_spec: Mapping[str, Any],
    inputs: Callable[[Options], Sequence[T]],
    query: Callable[[Client, Options, T], E],
    result: Callable[[list[E]], dict[str, Any]],
    sequential: Callable[[Options], bool] = lambda options: False,
) -> None:
    """Run an info module.

    ``inputs`` returns what to query, ``query`` reads the entry of one input, and ``result`` makes the module's result
    of the entries, in the order of the inputs. The queries run in parallel unless ``sequential``. If a query fails, the
    result is made of the entries that could be read.
    """
    module = OtaModule(argument_spec=full_argument_spec(argument_spec), supports_check_mode=True)
    options, mask = module.params, module.no_log_values.update
    items: Sequence[T] = ()
    entries: list[E] = []
    failure: OtaError | None = None
    try:
        mask(proxy_passwords(options["proxy"]))
        check_texts(module.argument_spec, module.given)
        items = inputs(options)
        client = create_client(read_service(options), options, mask, module.warn)
        entries, failure = client.map(lambda item: query(client, options, item), items, sequential(options))
        returned = result(entries)
    except Exception as error:  # also one that nobody foresaw, whose text nobody may see
        failure, entries = as_ota_error(error), []
        returned = result(entries)
    # Outside the except clause, so that Ansible finds no exception whose traceback it could show.
    if options.get("only_summary"):
        returned = {"summary": returned["summary"]}
    if failure is None:
        module.exit_json(changed=False, **returned)
    counted = f" {len(entries)} of {len(items)} inputs were read." if len(items) > 1 else ""
    _fail(module, failure, str(failure) + counted, returned)


def run_change_module(
    argument_spec: Mapping[str, Any],
    inputs: Callable[[Options], T],
    change: Callable[[Client, T, bool, list[E]], OtaError | None],
    result: Callable[[list[E], bool], dict[str, Any]],
) -> None:
    """Run a module that changes something.

    ``inputs`` returns what to change, and ``change`` does it, unless in check mode, and adds an entry for each object
    to a list. ``result`` makes the module's result of these, with ``changed``, a ``msg`` and ``warnings``, also after a
    failure and whatever happens.
    """
    module = OtaModule(argument_spec=full_argument_spec(argument_spec), supports_check_mode=True)
    options, mask = module.params, module.no_log_values.update
    entries: list[E] = []
    try:
        mask(proxy_passwords(options["proxy"]))
        check_texts(module.argument_spec, module.given)
        wanted = inputs(options)
        client = create_client(read_service(options), options, mask, module.warn)
        failure = change(client, wanted, module.check_mode, entries)
    except Exception as error:  # also one that nobody foresaw, whose text nobody may see
        failure = as_ota_error(error)
    returned = result(entries, module.check_mode)
    for warning in returned.pop("warnings"):
        module.warn(warning)
    if failure is None:
        module.exit_json(**returned)
    ended = returned.pop("msg")
    is_sentence = failure.action or failure.code == UNEXPECTED
    msg = f"{ended} {failure}" if is_sentence else failure.sentence(ended.rstrip("."))
    _fail(module, failure, msg, returned)


def _fail(module: OtaModule, failure: OtaError, msg: str, returned: Mapping[str, Any]) -> NoReturn:
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library, failure.reason)
    module.fail_json(msg=msg, failure=failure.failure(), **returned)
