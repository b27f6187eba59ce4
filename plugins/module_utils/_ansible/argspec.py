# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge to Ansible: the options that modules share, as the doc fragments document them, and how they are checked.

Only the files of this folder know Ansible.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import (
    AnsibleFallbackNotFound,
    ArgumentTypeError,
    SubParameterTypeError,
    UnsupportedError,
)

from .._api.platforms import ACS3_METHOD, PLATFORMS, RPC_METHOD
from .._validation import check_quoted, clean_text, invalid_option, number_option
from .masking import mask_secrets

CONNECTION: dict[str, dict[str, Any]] = {
    "platform": {"type": "str", "choices": list(PLATFORMS), "default": "alibaba"},
    "endpoint": {"type": "str"},
    "region": {"type": "str"},
    "iot_instance_id": {"type": "str"},
    "response_format": {"type": "str", "choices": ["json", "xml"], "default": "json"},
    "signature_method": {"type": "str", "choices": ["auto", ACS3_METHOD, RPC_METHOD], "default": "auto"},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    # Masked as a whole, because it may contain a password.
    "proxy": {"type": "str", "no_log": True},
    "allow_http": {"type": "bool", "default": False},
    "timeout": {"type": "float", "default": 30.0},
    "connect_timeout": {"type": "float", "default": 10.0},
    "read_timeout": {"type": "float"},
    "retries": {"type": "int", "default": 5},
    "max_qps": {"type": "float", "default": 10.0},
}

#: Environment variables that set an option that is not given; the first that is not empty counts.
ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "platform": ("OTA_PLATFORM",),
    "endpoint": ("OTA_ENDPOINT",),
    "region": ("ALIBABA_CLOUD_REGION_ID", "ALICLOUD_REGION"),
    "iot_instance_id": ("ALIBABA_CLOUD_IOT_INSTANCE_ID",),
}

# The chain of credentials reads their environment, because both halves of a key must come from one source.
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

FIRMWARES: dict[str, dict[str, Any]] = {"firmware_ids": {"type": "list", "elements": "str", "aliases": ["firmware_id"]}}

ONLY_SUMMARY: dict[str, dict[str, Any]] = {"only_summary": {"type": "bool", "default": False}}

EXPECTED: dict[str, dict[str, Any]] = {
    "expected_product_key": {"type": "str", "no_log": False},
    "expected_firmware_id": {"type": "str"},
    "expected_version": {"type": "str"},
    "expected_job_type": {"type": "str", "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"]},
    "expected_module_name": {"type": "str"},
}

PREFLIGHT: dict[str, dict[str, Any]] = {
    "job_id": {"type": "str"},
    "product_key": {"type": "str", "no_log": False},
    "device_names": {"type": "list", "elements": "str", "aliases": ["device_name"]},
    **EXPECTED,
    "check_cancel": {"type": "bool", "default": False},
    "check_find": {"type": "bool", "default": False},
}


def full_argument_spec(argument_spec: Mapping[str, Any]) -> dict[str, Any]:
    """The options of one module, and those that all modules share."""
    spec = {**CREDENTIALS, **CONNECTION, **argument_spec}
    for name, variables in ENVIRONMENT.items():
        spec[name] = {**spec[name], "fallback": (_first_set, list(variables))}
    return spec


def without_blanks(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options ``given`` without shared ones that are empty text: nobody answered that question of a survey."""
    return {
        name: value
        for name, value in given.items()
        if not (isinstance(value, str) and value == "" and name in {**CONNECTION, **CREDENTIALS})
    }


def check_texts(argument_spec: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> None:
    """Reject numbers and booleans in place of text, which Ansible would convert: 2.10 and 2.1 are one number in YAML.

    ``given`` are the options as they came. Secrets are not checked, because the error would show them.

    :raises OtaError: an option is one.
    """
    for option, spec in argument_spec.items():
        for name in (option, *spec.get("aliases", ())):
            if name in given:
                _check_text(f"{prefix}{name}", spec, given[name])


def _check_text(name: str, spec: Mapping[str, Any], value: Any) -> None:
    if isinstance(value, Mapping):
        check_texts(spec.get("options", {}), value, f"{name}.")
    elif "str" not in (spec["type"], spec.get("elements")) or "choices" in spec or spec.get("no_log"):
        return
    elif isinstance(value, (list, tuple)):
        for position, entry in enumerate(value, 1):
            check_quoted(f"entry {position} of {name}", entry)
    else:
        check_quoted(name, value)


def validate_options(
    argument_spec: Mapping[str, Any], given: Mapping[str, Any], mask: Callable[[set[str]], object]
) -> dict[str, Any]:
    """The options ``given`` to a plugin that is no module, validated like those of a module.

    ``mask`` gets the secrets among them, also where an option is rejected.

    :raises OtaError: Ansible rejects an option.
    """
    spec, given = full_argument_spec(argument_spec), _plain(without_blanks(given))
    validated = ArgumentSpecValidator(spec).validate(given)
    options: dict[str, Any] = validated.validated_parameters
    mask(validated._no_log_values)
    mask(proxy_passwords(options.get("proxy")))
    check_texts(spec, given)
    if all(isinstance(error, (ArgumentTypeError, SubParameterTypeError)) for error in validated.errors):
        _check_numbers(spec, mask_secrets(given, validated._no_log_values))
    if validated.error_messages:
        words = "; ".join(
            f"unsupported options: {error.msg}" if isinstance(error, UnsupportedError) else error.msg
            for error in validated.errors
        )
        hint = "see the documentation of the options"
        raise invalid_option(mask_secrets(words.rstrip("."), validated._no_log_values), hint)
    return options


def _plain(value: Any) -> Any:
    """``value`` without what Ansible adds to the types of texts and containers, which its errors would show."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _check_numbers(argument_spec: Mapping[str, Any], given: Mapping[str, Any], prefix: str = "") -> None:
    """:raises OtaError: an option is a text and should be a number; Ansible's own error does not quote it."""
    for name in set(argument_spec) & set(given):
        spec, value = argument_spec[name], given[name]
        if isinstance(value, Mapping):
            _check_numbers(spec.get("options", {}), value, f"{name}.")
        elif spec["type"] in ("int", "float") and value is not None:
            number_option(f"{prefix}{name}", value, whole=spec["type"] == "int")


def proxy_passwords(proxy: str | None) -> set[str]:
    """The passwords of the proxies that the option or the environment names, both encoded and decoded."""
    passwords: set[str | None] = set()
    for url in filter(None, (proxy, *getproxies_environment().values())):
        try:
            passwords.add(urlsplit(url if "://" in url else f"//{url}").password)
        except ValueError:
            continue
    return {form for password in passwords if password for form in (password, unquote(password))}


def _first_set(*names: str) -> str:
    """The first environment variable that is not blank; Ansible's own fallback takes an empty one too."""
    for name in names:
        value = clean_text(os.environ.get(name, ""))
        if value:
            return value
    raise AnsibleFallbackNotFound
