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
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.iotfleet.ota.plugins.module_utils._argspec import (
    GATE,
    check_number,
    invalid,
    named,
    scope_of,
)
from ansible_collections.iotfleet.ota.plugins.module_utils._connection import connect, specification
from ansible_collections.iotfleet.ota.plugins.module_utils._errors import MissingLibraryError, OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._gate import Gate, Request
from ansible_collections.iotfleet.ota.plugins.module_utils._memory import read_history
from ansible_collections.iotfleet.ota.plugins.module_utils._policy import Policy, read_policy
from ansible_collections.iotfleet.ota.plugins.module_utils._slices import Slice, read_slices

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
                options = self._options(hidden)
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

        request = _request(options)
        result = Gate(connect(options, hidden.update, warn), request, show, warn).run()
        fails = result["verdict"] != "passed" and (request.wait or result["final"])
        if not fails or options["mode"] == "report":
            return result
        # Ansible prints the whole result of a task that fails.
        few = {name: result[name][:MAX_SHOWN] for name in ("failures", "laggards")}
        return {**result, **few, "devices": [], "failed": True}

    def _options(self, hidden: set[str]) -> dict[str, Any]:
        """The task's options, checked as those of a module are.

        :raises OtaError: Ansible refuses one.
        """
        checked = ArgumentSpecValidator(specification(GATE)).validate(self._task.args)
        hidden |= checked._no_log_values
        if checked.error_messages:
            hint = "see the module's documentation"
            raise invalid(remove_values("; ".join(checked.error_messages), hidden), hint)
        options: dict[str, Any] = checked.validated_parameters
        return options

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


def _request(options: Mapping[str, Any]) -> Request:
    """What is to be gated.

    :raises OtaError: an option cannot be used.
    """
    job_ids = list(dict.fromkeys(named("job_ids", options["job_ids"])))
    (module_name,) = named("module_name", [options["module_name"]])
    policy = read_policy({**options, "scope": scope_of(options, module_name)})
    check_number("wait_interval", options["wait_interval"], 0.5, 86400)
    return Request(
        job_ids=job_ids,
        policy=policy,
        module_name=module_name,
        wait=options["wait"],
        wait_interval=options["wait_interval"],
        history=read_history(options["previous"], job_ids),
        previous=options["previous"] or {},
        max_qps=options["max_qps"],
        slices=_slices(options["slices"], policy),
    )


def _slices(given: Any, policy: Policy) -> tuple[Slice, ...] | None:
    """What job slices have proved; ``None`` where there are none to be expected.

    :raises OtaError: it is not that, or the policy leaves no use for it.
    """
    if given is None:
        return None
    if not policy.verify_versions:
        raise invalid(
            "slices is given although verify_versions is off, so that no version is looked at",
            "leave verify_versions on where slices are merged, or leave slices out",
        )
    if policy.soak:
        raise invalid(
            "slices is given together with soak, after which each version would have to be read again",
            "give soak to a gate that comes before the slices, or leave slices out",
        )
    return read_slices(given)


def _refusal(failure: OtaError) -> dict[str, Any]:
    msg = str(failure)
    if isinstance(failure, MissingLibraryError):
        msg = missing_required_lib(failure.library, failure.reason)
    return {"failed": True, "msg": msg, "failure": failure.failure()}
