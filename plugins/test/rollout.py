# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tests of a verdict; the YAML files beside this one document them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError


def rollout_passed(verdict: Any) -> bool:
    """Whether an OTA rollout passed."""
    return is_final("rollout_passed", verdict) and verdict["verdict"] == "passed"


def rollout_final(verdict: Any) -> bool:
    """Whether the verdict on an OTA rollout is final."""
    return is_final("rollout_final", verdict)


def is_final(test: str, verdict: Any) -> bool:
    """Whether ``verdict`` is final.

    :raises AnsibleFilterError: it is not a verdict.
    """
    if not isinstance(verdict, Mapping) or "verdict" not in verdict:
        raise AnsibleFilterError(
            f"iotfleet.ota.{test}: the input is not a verdict; give the result of rollout_verdict or of the gate."
        )
    return verdict.get("final") is True


class TestModule:
    """The tests of this file."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        """By name."""
        return {"rollout_passed": rollout_passed, "rollout_final": rollout_final}
