# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to a client: what modules and actions share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from .._api.platforms import PLATFORMS
from .._api.request import Service
from .._client.client import Client
from .._client.rate_limiter import Pacer
from .._credentials.chain import find_source
from .._credentials.refresh import Provider
from .._http.transport import Transport
from .._validation import check_number, invalid, proxy_url, stays_here


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


def connect(options: Mapping[str, Any], hide: Callable[[set[str]], object], warn: Callable[[str], None]) -> Client:
    """The client that the options describe. What must be masked in all output although it is no option, or no secret
    one, goes to ``hide``.

    :raises OtaError: the options do not describe a client.
    """
    hide(_passwords(options["proxy"]))  # first, because an option may be refused
    check_connection(options)
    proxy = proxy_url(options["proxy"])
    service = Service(
        platform=PLATFORMS[options["platform"]],
        endpoint=endpoint_url(options),
        region=options["region"],
        iot_instance_id=options["iot_instance_id"],
        response_format=options["response_format"],
        full_common_parameters=options["full_common_parameters"],
        timeout=options["timeout"],
        retries=options["retries"],
        signature_method=signature_method(options),
    )
    keys_only = not service.platform.sends_token
    source = find_source(options, os.environ, keys_only=keys_only, warn=warn)
    keys = Provider(source, hide)
    times = (options["connect_timeout"], options["read_timeout"])
    transport = Transport(options["validate_certs"], options["ca_path"], proxy, *times)
    return Client(service, keys, transport, Pacer(options["max_qps"]), warn)


def _passwords(proxy: str | None) -> set[str]:
    """The passwords of the proxies that the option or the environment names, as they are written and as they are."""
    written: set[str | None] = set()
    for url in filter(None, (proxy, *getproxies_environment().values())):
        try:
            written.add(urlsplit(url if "://" in url else f"//{url}").password)
        except ValueError:
            continue
    return {form for password in written if password for form in (password, unquote(password))}
