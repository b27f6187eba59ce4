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
from ansible.errors import AnsibleError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._ansible.argspec import validate_options
from ..module_utils._ansible.connection import create_client, read_service
from ..module_utils._ansible.masking import mask_secrets
from ..module_utils._errors import CanceledError, MissingLibraryError, OtaError, as_ota_error
from ..plugin_utils._evidence.clock import Clock
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
#: The stdout callbacks that write for people. Others may write for programs, such as JSON.
FOR_PEOPLE = ("default", "ansible.builtin.default", "awx_display")


class ActionModule(ActionBase):
    """Waits for a rollout and judges it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module of the same name documents."""
        super().run(tmp, task_vars)
        secrets: set[str] = set()
        failure: OtaError | None = None
        try:
            with self._task_environment():
                given = self._given_options()
                if problem := given.pop("_problem", ""):
                    return {"failed": True, "msg": problem}
                options = validate_options(GATE, given, secrets.update)
                result = self._run_gate(options, secrets)
        except (AnsibleError, CanceledError):  # of the task itself, such as its environment; or nobody waits for it
            raise
        except Exception as error:  # also one that nobody foresaw, whose text nobody may see
            failure = as_ota_error(error)
        # Outside the except clause, so that Ansible finds no exception whose traceback it could show.
        if failure is not None:
            result = _failed_result(failure)
        return mask_secrets({"changed": False, **result}, secrets)

    def _given_options(self) -> dict[str, Any]:
        """The options of the task. The role rollout_gate gives its own as one dictionary, because an option that it
        passes and then omits would hide what ``module_defaults`` say of it. Or it gives only what is wrong with them.
        """
        options = dict(self._task.args)
        given = options.pop("_given", {})
        return {**options, **given}

    def _run_gate(self, options: Mapping[str, Any], secrets: set[str]) -> dict[str, Any]:
        stderr = constants.config.get_config_value("DEFAULT_STDOUT_CALLBACK") not in FOR_PEOPLE

        def hidden(value: Any) -> Any:
            return mask_secrets(value, secrets)

        def show_line(line: str, mood: Mood = "", /) -> None:
            if not self._task.no_log:
                color = constants.config.get_config_value(COLORS[mood]) if mood else None
                display.display(hidden(line), color=color, stderr=stderr)

        def show_warning(line: str) -> None:
            show_line(f"[WARNING]: {line}", "unclear")

        service = read_service(options)
        gate_options = read_gate_options(options, service)
        with contextlib.ExitStack() as stack:
            path = options["events_file"]
            events = stack.enter_context(EventFile(path, gate_options.job_ids, hidden)) if path else None
            client = create_client(service, options, secrets.update, show_warning)
            gate = Gate(client, gate_options, show_line, show_warning, _attended(Clock()), terminal=ON_TERMINAL)
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


def _attended(clock: Clock) -> Clock:
    """The clock, but its pauses raise :class:`CanceledError` once the process that waits for the result is gone.

    Its workers may survive it, in a session of their own.
    """
    parent, pause = os.getppid(), clock.sleep

    def sleep(seconds: float) -> None:
        pause(seconds)
        if os.getppid() != parent:
            raise CanceledError

    clock.sleep = sleep
    return clock


def _failed_result(failure: OtaError) -> dict[str, Any]:
    msg = str(failure)
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library, failure.reason)
    return {"failed": True, "msg": msg, "failure": failure.failure()}
