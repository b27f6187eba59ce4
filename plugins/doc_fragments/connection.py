# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Whom a module asks, and how."""

    DOCUMENTATION = r"""
requirements:
  - requests
  - xmltodict (only for O(response_format=xml))
options:
  platform:
    description:
      - Whose service is asked, which decides how requests are written. The answers have the same shape.
      - V(alibaba) is Alibaba Cloud IoT Platform.
      - V(tuya) is Tuya's service that is compatible with it.
      - Can be set by the environment variable E(OTA_PLATFORM).
    type: str
    choices:
      - alibaba
      - tuya
    default: alibaba
  endpoint:
    description:
      - The URL of the service, such as V(https://si-0123456789.tuyacloud.com:8686). A port and a path may be given.
        An IPv6 address stands in brackets, as in V(https://[2001:db8::1]:8686).
      - Plain C(http) is refused unless O(allow_http=true), except to this machine itself, which is V(localhost), V(::1)
        or an address that begins with V(127.).
      - With O(platform=alibaba) the default follows from O(region).
      - Required with O(platform=tuya), whose console shows it for each instance.
      - Can be set by the environment variable E(OTA_ENDPOINT).
    type: str
  region:
    description:
      - The region of the service, which decides the endpoint where O(endpoint) is not given.
      - Not used with O(platform=tuya).
      - Can be set by the environment variables E(ALIBABA_CLOUD_REGION_ID) and E(ALICLOUD_REGION).
    type: str
    default: cn-shanghai
  iot_instance_id:
    description:
      - The ID of the IoT Platform instance. Give it where the instance has one, leave it out for a public instance
        without.
      - Not used with O(platform=tuya).
      - Can be set by the environment variable E(ALIBABA_CLOUD_IOT_INSTANCE_ID).
    type: str
  response_format:
    description:
      - The format in which the service answers. The facts are the same.
      - V(xml) needs the Python library xmltodict. All of Tuya's examples answer V(json); whether its service
        answers V(xml) as well is not known.
    type: str
    choices:
      - json
      - xml
    default: json
  full_common_parameters:
    description:
      - Send the common parameters C(Format), C(Version) and C(SignatureVersion) with O(platform=tuya) too. Tuya's
        table of common parameters names them, its examples leave them out.
      - They are always sent with O(platform=alibaba) and with O(response_format=xml).
      - They concern O(signature_method=HMAC-SHA1) only.
    type: bool
    default: false
  signature_method:
    description:
      - How requests are signed.
      - V(auto) is V(ACS3-HMAC-SHA256) with O(platform=alibaba) and V(HMAC-SHA1) with O(platform=tuya).
      - V(ACS3-HMAC-SHA256) is the style of the vendor's current SDK, which puts the signature into a header. Tuya does
        not document it, so it is refused with O(platform=tuya).
      - V(HMAC-SHA1) is the older style, which puts everything into the URL. The vendor calls it deprecated.
    type: str
    choices:
      - auto
      - ACS3-HMAC-SHA256
      - HMAC-SHA1
    default: auto
  validate_certs:
    description:
      - Whether the certificate of the service must be valid. Do not turn this off outside of a laboratory.
    type: bool
    default: true
  ca_path:
    description:
      - A file with certificates of authorities in PEM format, or a folder of such files that C(openssl rehash) has
        prepared, to be trusted instead of the usual ones.
      - Without it, a file or folder counts that the environment variable E(REQUESTS_CA_BUNDLE) or E(CURL_CA_BUNDLE)
        names, and else the authorities that the Python library certifi brings along.
    type: path
  proxy:
    description:
      - The URL of a proxy for all requests, such as V(http://proxy.example.com:3128) or
        V(http://user:password@proxy.example.com:3128). Write special characters of name and password
        percent-encoded, such as C(%40) for C(@).
      - Without it, the environment variables E(HTTPS_PROXY), E(HTTP_PROXY), E(ALL_PROXY) and E(NO_PROXY) count, in
        capitals or not.
      - This is masked in all output, because a password may be part of it.
    type: str
  allow_http:
    description:
      - Whether an O(endpoint) on another machine may be asked by plain C(http). The requests are signed, but their
        parameters and a security token travel in clear then, and anybody on the way may change the answers.
    type: bool
    default: false
    version_added: 0.2.0
  timeout:
    description:
      - How long one call of the service may take, in seconds, from its first attempt to the end of its last, with the
        pauses between them. An attempt that is not the last may take half of what is left of it.
      - A task makes at least one call for each thing it asks about, and a list takes one for each page. Waiting for the
        quota before the first attempt does not count.
    type: float
    default: 30.0
  connect_timeout:
    description:
      - How long one attempt may take to connect to one address of the service or of the proxy, in seconds. It is
        part of O(timeout), which stays the limit of the whole call.
    type: float
    default: 10.0
    version_added: 0.2.0
  read_timeout:
    description:
      - How long the service may be silent within one attempt, in seconds, before and within its answer. It is part of
        O(timeout), too. By default only that limits it.
    type: float
    version_added: 0.2.0
  retries:
    description:
      - How often a call is repeated after an attempt that failed for a reason that can pass, such as an error of the
        server or a broken connection. Each attempt is signed anew.
      - An attempt that the service throttles does not count. It is repeated as long as O(timeout) allows, unless this
        is V(0).
      - Whatever this is, a request whose time stamp or nonce is refused is signed anew and sent once more, and a list
        that changes while it is read is read up to three times.
    type: int
    default: 5
  max_qps:
    description:
      - How many requests a second are sent at the most, for each operation of the service, spaced evenly. V(0) means
        no limit.
      - The vendor of O(platform=alibaba) documents a quota of 10 a second, which all users of an account share. Where
        the service throttles, the task halves its rate and climbs back, so that tasks which run at the same time
        find their shares. With V(0) only the throttled call waits.
      - A pause of up to 60 seconds that the service asks for holds back all requests of the operation.
    type: float
    default: 10.0
notes:
  - What a task asks about is asked side by side, up to 16 requests at once, and answered in the order of the input.
    Nothing more is asked after a failure that everything else would meet too, such as a wrong key or a missing
    permission, nor after five failures of any kind.
  - A link in an answer that may be signed, such as a download URL, is left out of what is returned.
  - A failing task returns RV(ignore:failure), a dictionary with the code of the error, the service's own message,
    its request ID and a hint, and whatever was learned all the same.
seealso:
  - name: OTA update of Alibaba Cloud IoT Platform
    description: The vendor's reference of the operations.
    link: https://www.alibabacloud.com/help/en/iot/
"""
