# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This is a private module_util: it may change at any time, without notice.

"""The options that modules share, and what makes a value of theirs usable; mirrors the doc fragments."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from ansible_collections.iotfleet.ota.plugins.module_utils._errors import OtaError
from ansible_collections.iotfleet.ota.plugins.module_utils._operations import (
    ACS3_METHOD,
    PLATFORMS,
    RPC_METHOD,
    Argument,
)

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

#: What a proxy may speak; SOCKS needs a library that requests does not bring along.
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

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

# The defaults of what decides the verdict are those of _policy.
GATE: dict[str, dict[str, Any]] = {
    "job_ids": {"type": "list", "elements": "str", "required": True, "aliases": ["job_id"]},
    "expected_devices": {"type": "list", "elements": "str"},
    "min_devices": {"type": "int"},
    "product_key": {"type": "str", "no_log": False},
    "firmware_id": {"type": "str"},
    "dest_version": {"type": "str"},
    "job_type": {"type": "str", "choices": ["UPGRADE_FIRMWARE", "VERIFY_FIRMWARE"]},
    "module_name": {"type": "str", "default": "default"},
    "min_succeeded_percent": {"type": "float"},
    "max_failed": {"type": "int"},
    "max_failed_percent": {"type": "float"},
    "min_executed": {"type": "int"},
    "max_pending": {"type": "int"},
    "max_pending_percent": {"type": "float"},
    "accept_canceled": {"type": "bool"},
    "allow_empty": {"type": "bool"},
    "verify_versions": {"type": "bool"},
    "soak": {"type": "float"},
    "confirmations": {"type": "int"},
    "tolerated_errors": {"type": "int"},
    "start_grace": {"type": "float"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float"},
    "wait_interval": {"type": "float", "default": 15.0},
    "previous": {"type": "dict"},
    "mode": {"type": "str", "choices": ["enforce", "report"], "default": "enforce"},
}

# Who listens waits until the end and fails no task, and hears of an outage at once, so that it can be outlived.
SOURCE: dict[str, dict[str, Any]] = {
    **{name: option for name, option in GATE.items() if name not in ("wait", "previous", "mode")},
    "tolerated_errors": {"type": "int", "default": 1000},
    "stay": {"type": "bool", "default": False},
}


def check_connection(options: Mapping[str, Any]) -> None:
    """:raises OtaError: a number with which nothing could ever be asked."""
    for name, least, most in (
        ("timeout", 0.001, 86400),
        ("connect_timeout", 0.001, 86400),
        ("read_timeout", 0.001, 86400),
        ("retries", 0, 100),
        ("max_qps", 0.001, 10000),
    ):
        unlimited = options[name] == 0 if name == "max_qps" else options[name] is None
        if not unlimited:
            check_number(name, options[name], least, most)


def check_number(name: str, number: float, least: float, most: float) -> None:
    """:raises OtaError: ``number``, the value of the option ``name``, is out of its bounds."""
    if not least <= number <= most:
        raise invalid(f"{name} is {str(number)[:20]}", f"give a number from {least} to {most}")


def endpoint_url(options: Mapping[str, Any]) -> str:
    """The URL to ask, without a query and ending in its path.

    :raises OtaError: the platform needs an endpoint and has none, the region is unknown, or the endpoint is no URL, or
    one to which everything would travel in clear.
    """
    platform = PLATFORMS[options["platform"]]
    given = (options["endpoint"] or "").strip()
    if not given and not platform.host:
        raise invalid(
            f"platform {options['platform']} has no endpoint of its own and none is given",
            "copy the URL from the console of the instance, such as https://si-….tuyacloud.com:8686, into the option"
            " endpoint or the environment variable OTA_ENDPOINT",
            code="missing_endpoint",
        )
    if not given and options["region"] not in platform.regions:
        raise invalid(
            f'the service is not offered in region "{options["region"]}"',
            f"choose one of {', '.join(platform.regions)}, or give endpoint",
            code="unknown_region",
        )
    url = _checked_url(given or f"https://{platform.host.format(region=options['region'])}")
    if url.startswith("http:") and not options.get("allow_http") and not stays_here(url, options.get("proxy")):
        raise invalid(
            f"endpoint is plain http to {urlsplit(url).hostname}, so that the parameters of the signed requests, and a"
            " security token, would travel in clear",
            "write https://, or set allow_http to true if you trust everything on the way",
            code="plain_http",
        )
    return url


def scope_of(options: Mapping[str, Any], module_name: str) -> str:
    """What names the place that is looked at, and what is looked at there.

    :raises OtaError: there is no such place.
    """
    return " ".join([options["platform"], endpoint_url(options), options["iot_instance_id"] or "-", module_name])


def stays_here(url: str, proxy: str | None) -> bool:
    """Whether requests for ``url`` do not leave this machine, by the ``proxy`` or by that of the environment."""
    hosts = [urlsplit(place).hostname or "" for place in (url, proxy_url(proxy or _usual_proxy(url))) if place]
    return all(host == "localhost" or _is_loopback(host) for host in hosts)


def _usual_proxy(url: str) -> str | None:
    """The proxy that the environment names for ``url``."""
    if proxy_bypass_environment(urlsplit(url).hostname or ""):
        return None
    proxies = getproxies_environment()
    return proxies.get(urlsplit(url).scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_url(proxy: str | None) -> str | None:
    """The URL of the proxy, or ``None`` without one.

    :raises OtaError: it is no URL, which most often comes of a password that is written as it is.
    """
    given = (proxy or "").strip()
    if not given:
        return None
    url = given if "://" in given else f"http://{given}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PROXY_SCHEMES and parts.hostname and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or any(char.isspace() for char in url):
        raise invalid(
            "proxy is not the URL of a proxy",
            "write it like http://host:port or http://user:password@host:port, with special characters of name and"
            " password percent-encoded, such as %40 for @, %2F for / and %23 for #",
        )
    return url


def _checked_url(given: str) -> str:
    url = given if "://" in given else f"https://{given}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if usable and not parts.netloc.isascii():
        raise invalid(
            "the host of endpoint is not written in ASCII", "write each part of it that is not as xn--, as browsers do"
        )
    if not usable or "@" in parts.netloc or parts.query or parts.fragment or any(char.isspace() for char in url):
        raise invalid(
            "endpoint is not the URL of a service",
            "write it like https://host:port, without user name, query and fragment, and an IPv6 address in brackets",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}"


def signature_method(options: Mapping[str, Any]) -> str:
    """The way to sign that is meant.

    :raises OtaError: the platform is not documented to know it.
    """
    known = PLATFORMS[options["platform"]].signature_methods
    if options["signature_method"] == "auto":
        return known[0]
    if options["signature_method"] not in known:
        raise invalid(
            f"platform {options['platform']} is not documented to know signature_method {options['signature_method']}",
            f"leave signature_method at auto, which means {known[0]} there",
        )
    return str(options["signature_method"])


def named(name: str, entries: Sequence[str] | None) -> list[str]:
    """The ``entries`` of the option ``name``, without blanks around them.

    :raises OtaError: the list is empty, or an entry is blank.
    """
    if not entries:
        raise invalid(f"{name} is empty", f"name at least one in {name}, or skip the task when there is none")
    for position, entry in enumerate(entries, 1):
        if not entry.strip():
            raise invalid(f"entry {position} of {name} is blank", "check the variable that it comes from")
    return [entry.strip() for entry in entries]


def devices_asked(options: Mapping[str, Any]) -> list[dict[str, Argument]]:
    """What identifies each device that is asked about, in order.

    :raises OtaError: it is not clear which devices are meant.
    """
    product_key, device_names, iot_ids = (options.get(name) for name in ("product_key", "device_names", "iot_ids"))
    if iot_ids is not None:
        if product_key is not None or device_names is not None:
            raise invalid(
                "iot_ids is given together with product_key or device_names",
                "name the devices either by iot_ids, or by product_key and device_names",
            )
        return [{"iot_id": iot_id} for iot_id in named("iot_ids", iot_ids)]
    if product_key is None and device_names is None:
        raise invalid("no device is named", "give product_key and device_names, or iot_ids")
    if device_names is None:
        raise invalid("product_key is given without device_names", "name the devices of the product in device_names")
    if not (product_key or "").strip():
        raise invalid(
            "device_names is given without product_key",
            "give the product_key too, because a device's name is unique within its product only",
        )
    return [{"product_key": product_key, "device_name": name} for name in named("device_names", device_names)]


def preflight_asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a preflight is to look at, without blanks around it.

    :raises OtaError: there is nothing that it could ask about, or an option is blank.
    """
    wanted: dict[str, Any] = dict.fromkeys(PREFLIGHT)
    for name in PREFLIGHT:
        if name == "device_names" and options[name] is not None:
            wanted[name] = named(name, options[name])
        elif options[name] is not None:
            (wanted[name],) = named(name, [options[name]])
    if not wanted["job_id"] and not (wanted["product_key"] and wanted["device_names"]):
        raise invalid(
            "neither job_id nor product_key with device_names is given",
            "give job_id to look at a batch, or product_key and device_names to look before there is one",
        )
    return wanted


def invalid(cause: str, hint: str, code: str = "invalid_option") -> OtaError:
    """An option that cannot be used."""
    return OtaError(cause, code=code, hint=hint)
