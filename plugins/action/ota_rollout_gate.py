# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge of the gate to Ansible, on the controller; the module of the same name documents it.

A module shows nothing before it ends. What an action shows, people see at once, under ansible-runner and AWX too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants
from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._ansible.argspec import read_options
from ..module_utils._ansible.connection import connect
from ..module_utils._errors import MissingLibraryError, OtaError
from ..plugin_utils._gate.gate import Gate
from ..plugin_utils._gate.options import GATE, read_request

display = Display()

#: A task that fails returns so many devices of each kind.
MAX_SHOWN = 100


class ActionModule(ActionBase):
    """Waits for a rollout and judges it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module of the same name documents."""
        super().run(tmp, task_vars)
        hidden: set[str] = set()
        failure: OtaError | None = None
        try:
            with self._environment():
                options = read_options(GATE, self._task.args, hidden.update)
                result = self._gate(options, hidden)
        except OtaError as error:
            failure = error
        # Outside of the except clause, so that Ansible finds no exception whose traceback it could show.
        if failure is not None:
            result = _refusal(failure)
        return remove_values({"changed": False, **result}, frozenset(hidden))

    def _gate(self, options: Mapping[str, Any], hidden: set[str]) -> dict[str, Any]:
        def show(line: str, color: str | None = None) -> None:
            if not self._task.no_log:
                # A copy, because credentials that are renewed meanwhile join what is hidden, from threads.
                display.display(remove_values(line, frozenset(hidden)), color=color)

        def warn(line: str) -> None:
            show(f"[WARNING]: {line}", constants.config.get_config_value("COLOR_WARN"))

        request = read_request(options)
        result = Gate(connect(options, hidden.update, warn), request, show, warn).run()
        fails = result["verdict"] != "passed" and (request.wait or result["final"])
        if not fails or options["mode"] == "report":
            return result
        # Ansible prints the whole result of a task that fails.
        few = {name: result[name][:MAX_SHOWN] for name in ("failures", "laggards")}
        return {**result, **few, "devices": [], "failed": True}

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        """The keyword ``environment``, which Ansible sets for modules only, for as long as the action runs."""
        before = dict(os.environ)
        asked: dict[str, Any] = {}
        self._compute_environment_string(asked)
        os.environ.update({name: str(value) for name, value in asked.items()})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _refusal(failure: OtaError) -> dict[str, Any]:
    msg = str(failure)
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library, failure.reason)
    return {"failed": True, "msg": msg, "failure": failure.failure()}
