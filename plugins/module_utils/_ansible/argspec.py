# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that modules share; mirrors the doc fragments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.errors import AnsibleFallbackNotFound, UnsupportedError

from .._api.platforms import ACS3_METHOD, PLATFORMS, RPC_METHOD
from .._validation import invalid

CONNECTION: dict[str, dict[str, Any]] = {
    "platform": {"type": "str", "choices": list(PLATFORMS), "default": "alibaba"},
    "endpoint": {"type": "str"},
    "region": {"type": "str", "default": "cn-shanghai"},
    "iot_instance_id": {"type": "str"},
    "response_format": {"type": "str", "choices": ["json", "xml"], "default": "json"},
    "full_common_parameters": {"type": "bool", "default": False},
    "signature_method": {"type": "str", "choices": ["auto", ACS3_METHOD, RPC_METHOD], "default": "auto"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    # A password may be part of it, also where another option is refused before anything else is looked at.
    "proxy": {"type": "str", "no_log": True},
    "allow_http": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 30.0},
    "connect_timeout": {"type": "float", "default": 10.0},
    "read_timeout": {"type": "float"},
    "retries": {"type": "int", "default": 5},
    "max_qps": {"type": "float", "default": 10.0},
}


#: The environment variables that count where an option is not given, in the order in which they are asked.
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "platform": ("OTA_PLATFORM",),
    "endpoint": ("OTA_ENDPOINT",),
    "region": ("ALIBABA_CLOUD_REGION_ID", "ALICLOUD_REGION"),
    "iot_instance_id": ("ALIBABA_CLOUD_IOT_INSTANCE_ID",),
}


# Their environment is asked by _credential_sources, because the halves of a key must come from one source.
CREDENTIALS: dict[str, dict[str, Any]] = {
    "credentials_source": {
        "type": "str",
        "choices": [
            "auto",
            "options",
            "environment",
            "profile",
            "oidc_role",
            "ecs_ram_role",
            "credentials_uri",
        ],
        "default": "auto",
        "no_log": False,
    },
    "profile": {"type": "str"},
    "access_key_id": {"type": "str", "no_log": False},
    "access_key_secret": {"type": "str", "no_log": True},
    "security_token": {"type": "str", "no_log": True},
}


DEVICES: dict[str, dict[str, Any]] = {
    "product_key": {"type": "str", "no_log": False},
    "device_names": {"type": "list", "elements": "str", "aliases": ["device_name"]},
    "iot_ids": {"type": "list", "elements": "str", "aliases": ["iot_id"]},
}


ONLY_SUMMARY: dict[str, dict[str, Any]] = {"only_summary": {"type": "bool", "default": False}}


PREFLIGHT: dict[str, dict[str, Any]] = {
    "job_id": {"type": "str"},
    "product_key": {"type": "str", "no_log": False},
    "device_names": {"type": "list", "elements": "str", "aliases": ["device_name"]},
    "firmware_id": {"type": "str"},
    "dest_version": {"type": "str"},
    "job_type": {"type": "str", "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"]},
}


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
