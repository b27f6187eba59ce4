# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to a client, for modules, the action and the event source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable
from urllib.parse import urlsplit

from .._api.platforms import PLATFORMS
from .._api.request import ServiceConfig
from .._client.client import Client
from .._client.rate_limiter import RateLimiter
from .._credentials.chain import resolve_provider
from .._credentials.refresh import RefreshableCredentials
from .._errors import OtaError
from .._http.transport import Transport
from .._validation import check_number, invalid_option, is_local, proxy_url, split_url


def read_service(options: Mapping[str, Any]) -> ServiceConfig:
    """The service that the options describe.

    :raises OtaError: an option cannot be used.
    """
    check_connection(options)
    region = find_region(options)
    return ServiceConfig(
        platform=PLATFORMS[options["platform"]],
        endpoint=endpoint_url({**options, "region": region}),
        region=region,
        iot_instance_id=(options["iot_instance_id"] or "").strip() or None,
        response_format=options["response_format"],
        timeout=options["timeout"],
        retries=options["retries"],
        signature_method=signature_method(options),
    )


def create_client(
    service: ServiceConfig,
    options: Mapping[str, Any],
    mask: Callable[[set[str]], object],
    warn: Callable[[str], None],
) -> Client:
    """A client of ``service`` with the credentials, the transport and the rate that the options describe.

    ``mask`` gets the secrets of the credentials, also of those that are fetched later.

    :raises OtaError: an option cannot be used, or there are no credentials.
    """
    proxy = proxy_url(options["proxy"])
    keys_only = not service.platform.sends_token
    provider = resolve_provider(options, os.environ, keys_only=keys_only, warn=warn)
    credentials = RefreshableCredentials(provider, mask)
    times = (options["connect_timeout"], options["read_timeout"])
    transport = Transport(options["validate_certs"], options["ca_path"], proxy, *times)
    return Client(service, credentials, transport, RateLimiter(options["max_qps"]), warn)


def check_connection(options: Mapping[str, Any]) -> None:
    """:raises OtaError: a number is out of its bounds."""
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


def find_region(options: Mapping[str, Any]) -> str | None:
    """The region that is given, or that of the profile the credentials come from, or the platform's first.

    :raises OtaError: the service is not offered in the profile's region.
    """
    given, regions = (options["region"] or "").strip(), PLATFORMS[options["platform"]].regions
    if given or not regions:
        return given or None
    if (options["endpoint"] or "").strip():
        return regions[0]
    try:
        provider = resolve_provider(options, os.environ)
    except OtaError:
        return regions[0]  # why there are no credentials is the error of whoever needs them
    if provider.region and provider.region not in regions:
        named = f'"{provider.region}", which is that of {provider.origin}'
        raise _unknown_region_error(named, regions, " in the option region")
    return provider.region or regions[0]


def _unknown_region_error(region: str, regions: Sequence[str], place: str = "") -> OtaError:
    return invalid_option(
        f"the service is not offered in region {region}",
        f"choose one of {', '.join(regions)}{place}, or give endpoint",
        code="unknown_region",
    )


def endpoint_url(options: Mapping[str, Any]) -> str:
    """The URL of the service, which ends with its path.

    :raises OtaError: the platform needs an endpoint and has none, the region is unknown, or the endpoint is not the URL
    of a service, or would receive everything in clear text.
    """
    platform = PLATFORMS[options["platform"]]
    given = (options["endpoint"] or "").strip()
    if not given and not platform.host:
        raise invalid_option(
            f"platform {options['platform']} has no endpoint of its own and none is given",
            "copy the URL from the console of the instance, such as https://si-….tuyacloud.com:8686, into the option"
            " endpoint or the environment variable OTA_ENDPOINT",
            code="missing_endpoint",
        )
    if not given and options["region"] not in platform.regions:
        raise _unknown_region_error(f'"{options["region"]}"', platform.regions)
    url = _service_url(given or f"https://{platform.host.format(region=options['region'])}")
    if url.startswith("http:") and not options.get("allow_http") and not is_local(url, options.get("proxy")):
        raise invalid_option(
            f"endpoint is plain http to {urlsplit(url).hostname}, so the parameters of the signed requests and a"
            " security token would travel in clear text",
            "write https://, or set allow_http to true if you trust everything on the way",
            code="plain_http",
        )
    return url


def _service_url(given: str) -> str:
    url = given if "://" in given else f"https://{given}"
    place = re.match(r"https?://([^/?#]*)", url, re.IGNORECASE)
    if place and not place[1].isascii():
        raise invalid_option(
            "the host of endpoint is not written in ASCII", "write its non-ASCII parts as xn--…, as browsers do"
        )
    try:
        parts = split_url(url)
        usable = parts.scheme in ("http", "https") and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise invalid_option(
            "endpoint is not the URL of a service",
            "write it like https://host:port, without user name, query and fragment, and an IPv6 address in brackets",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}"


def signature_method(options: Mapping[str, Any]) -> str:
    """The signature method that is meant.

    :raises OtaError: the platform does not document it.
    """
    known = PLATFORMS[options["platform"]].signature_methods
    if options["signature_method"] == "auto":
        return known[0]
    if options["signature_method"] not in known:
        raise invalid_option(
            f"platform {options['platform']} does not document signature_method {options['signature_method']}",
            f"leave signature_method at auto, which means {known[0]} there",
        )
    return str(options["signature_method"])
