# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge of the gate to Ansible, on the controller; the module of the same name documents it.

A module shows nothing until it ends. What an action shows appears at once, also under ansible-runner and AWX.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants
from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._ansible.argspec import validate_options
from ..module_utils._ansible.connection import create_client, read_service
from ..module_utils._errors import MissingLibraryError, OtaError
from ..plugin_utils._gate.event_file import EventFile
from ..plugin_utils._gate.gate import Gate
from ..plugin_utils._gate.options import GATE, read_gate_options
from ..plugin_utils._gate.reporter import Mood

display = Display()

#: Whether lines appear on a terminal. Tasks run in processes without one, but Ansible imports this before them.
ON_TERMINAL = sys.stdout.isatty()
#: How Ansible's settings call the colours.
COLORS: Mapping[Mood, str] = {"good": "COLOR_OK", "bad": "COLOR_ERROR", "unclear": "COLOR_WARN"}

#: Maximum number of devices of each kind that a failing task returns.
MAX_SHOWN = 100


class ActionModule(ActionBase):
    """Waits for a rollout and judges it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module of the same name documents."""
        super().run(tmp, task_vars)
        secrets: set[str] = set()
        failure: OtaError | None = None
        try:
            with self._task_environment():
                options = validate_options(GATE, self._task.args, secrets.update)
                result = self._run_gate(options, secrets)
        except OtaError as error:
            failure = error
        # Outside the except clause, so that Ansible finds no exception whose traceback it could show.
        if failure is not None:
            result = _failed_result(failure)
        return remove_values({"changed": False, **result}, frozenset(secrets))

    def _run_gate(self, options: Mapping[str, Any], secrets: set[str]) -> dict[str, Any]:
        def hidden(value: Any) -> Any:
            # A copy, because threads that renew credentials add secrets meanwhile.
            return remove_values(value, frozenset(secrets))

        def show_line(line: str, mood: Mood = "", /) -> None:
            if not self._task.no_log:
                color = constants.config.get_config_value(COLORS[mood]) if mood else None
                display.display(hidden(line), color=color)

        def show_warning(line: str) -> None:
            show_line(f"[WARNING]: {line}", "unclear")

        service = read_service(options)
        gate_options = read_gate_options(options, service)
        with contextlib.ExitStack() as stack:
            path = options["events_file"]
            events = stack.enter_context(EventFile(path, gate_options.job_ids, hidden)) if path else None
            client = create_client(service, options, secrets.update, show_warning)
            gate = Gate(client, gate_options, show_line, show_warning, terminal=ON_TERMINAL)
            result = gate.run(events.write if events else None)
        if events and events.note:
            show_warning(events.note)
            result["notes"].append(events.note)
        fails = result["verdict"] != "passed" and (gate_options.wait or result["final"])
        if not fails or options["mode"] == "report":
            return result
        # Ansible prints the whole result of a task that fails.
        few = {name: result[name][:MAX_SHOWN] for name in ("failed_devices", "pending_devices")}
        return {**result, **few, "devices": [], "failed": True}

    @contextlib.contextmanager
    def _task_environment(self) -> Iterator[None]:
        """Apply the keyword ``environment``, which Ansible applies to modules only, while the action runs."""
        before = dict(os.environ)
        variables: dict[str, Any] = {}
        self._compute_environment_string(variables)
        os.environ.update({name: str(value) for name, value in variables.items()})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _failed_result(failure: OtaError) -> dict[str, Any]:
    msg = str(failure)
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library, failure.reason)
    return {"failed": True, "msg": msg, "failure": failure.failure()}
