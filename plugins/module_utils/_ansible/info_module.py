# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge of the modules: builds module and client, asks for each input, exits or fails. Only this file does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn, TypeVar

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from .._client.client import Client
from .._errors import MissingLibraryError, OtaError
from .._validation import invalid
from .argspec import specification
from .connection import connect

Options = Mapping[str, Any]


Entry = dict[str, Any]


E = TypeVar("E")


T = TypeVar("T")


class OtaModule(AnsibleModule):
    """A module whose every failure has the same keys, also where Ansible itself refuses an option."""

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn:
        if "failure" not in kwargs:
            kwargs["failure"] = invalid(msg, "see the documentation of the options").failure()
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
    module = OtaModule(argument_spec=specification(argument_spec), supports_check_mode=True)
    asked: Sequence[T] = ()
    entries: list[E] = []
    failure: OtaError | None = None
    try:
        asked = inputs(module.params)
        client = connect(module.params, module.no_log_values.update, module.warn)
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
        msg = missing_required_lib(failure.library, failure.reason)
    elif len(asked) > 1:
        msg += f" {len(entries)} of {len(asked)} inputs were read."
    module.fail_json(msg=msg, failure=failure.failure(), **result)
