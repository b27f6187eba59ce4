# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Connection options."""

    DOCUMENTATION = r"""
requirements:
  - requests
  - xmltodict (only for O(response_format=xml))
options:
  platform:
    description:
      - The platform whose service is called. It decides the form of the requests. The results have the same shape.
      - V(alibaba) is Alibaba Cloud IoT Platform.
      - V(tuya) is Tuya's compatible service.
      - Can be set by the environment variable E(OTA_PLATFORM).
    type: str
    choices:
      - alibaba
      - tuya
    default: alibaba
  endpoint:
    description:
      - The URL of the service, such as V(https://si-0123456789.tuyacloud.com:8686). It may contain a port and a path.
        Put an IPv6 address in brackets, as in V(https://[2001:db8::1]:8686).
      - Plain C(http) is rejected unless O(allow_http=true), except to this machine itself, which is V(localhost),
        V(::1) or an address that begins with V(127.).
      - With O(platform=alibaba), the default follows from O(region).
      - Required with O(platform=tuya). Tuya's console shows it for each instance.
      - Can be set by the environment variable E(OTA_ENDPOINT).
    type: str
  region:
    description:
      - The region of the service, which decides the endpoint if O(endpoint) is not given.
      - Can be set by the environment variables E(ALIBABA_CLOUD_REGION_ID) and E(ALICLOUD_REGION).
      - By default, the C(region_id) of the profile in C(~/.aliyun/config.json) if the credentials come from one and
        O(endpoint) is not given, or else V(cn-shanghai).
      - Not used with O(platform=tuya).
    type: str
  iot_instance_id:
    description:
      - The ID of the IoT Platform instance. Leave it out for a public instance that has none.
      - Not used with O(platform=tuya).
      - Can be set by the environment variable E(ALIBABA_CLOUD_IOT_INSTANCE_ID).
    type: str
  response_format:
    description:
      - The format of the service's responses. The results are the same.
      - V(xml) needs the Python library xmltodict. All of Tuya's examples are in V(json); whether its service also
        supports V(xml) is not known.
    type: str
    choices:
      - json
      - xml
    default: json
  signature_method:
    description:
      - How requests are signed.
      - V(auto) is V(ACS3-HMAC-SHA256) with O(platform=alibaba) and V(HMAC-SHA1) with O(platform=tuya).
      - V(ACS3-HMAC-SHA256) is the style of the vendor's current SDK, with the signature in a header. Tuya does not
        document it, so it is rejected with O(platform=tuya).
      - V(HMAC-SHA1) is the older style, with everything in the URL. The vendor has deprecated it.
    type: str
    choices:
      - auto
      - ACS3-HMAC-SHA256
      - HMAC-SHA1
    default: auto
  validate_certs:
    description:
      - Whether the certificate of the service must be valid. Turn this off only in a test lab.
    type: bool
    default: true
  ca_path:
    description:
      - A file with CA certificates in PEM format, or a folder of such files that C(openssl rehash) has prepared. They
        are trusted instead of the usual ones.
      - By default, the file or folder that the environment variable E(REQUESTS_CA_BUNDLE) or E(CURL_CA_BUNDLE) names,
        or else the certificates of the Python library certifi.
    type: path
  proxy:
    description:
      - The URL of a proxy for all requests, such as V(http://proxy.example.com:3128) or
        V(http://user:password@proxy.example.com:3128). Percent-encode special characters of name and password, such as
        C(%40) for C(@).
      - By default, the environment variables E(HTTPS_PROXY), E(HTTP_PROXY), E(ALL_PROXY) and E(NO_PROXY) apply, in
        upper or lower case.
      - It is masked in all output, because it may contain a password.
    type: str
  allow_http:
    description:
      - Allow plain C(http) to an O(endpoint) on another machine, too. The requests are signed, but their parameters
        and a security token then travel in clear text, and anyone on the network path can change the responses.
    type: bool
    default: false
    version_added: 0.2.0
  timeout:
    description:
      - Maximum number of seconds for one call of the service, from its first attempt to the end of its last, including
        the pauses between them. An attempt that is not the last can use half of the time that is left.
      - A task makes at least one call for each thing that it queries, and one for each page of a list. Waiting for the
        quota before the first attempt does not count.
    type: float
    default: 30.0
  connect_timeout:
    description:
      - Maximum number of seconds for one attempt to connect to one address of the service or of the proxy. It is part
        of O(timeout), which still limits the whole call.
    type: float
    default: 10.0
    version_added: 0.2.0
  read_timeout:
    description:
      - Maximum number of seconds for which the service can be silent within one attempt, before and during its
        response. It is part of O(timeout), too, which is the only limit by default.
    type: float
    version_added: 0.2.0
  retries:
    description:
      - Number of times that a call is repeated after a temporary failure, such as a server error or a broken
        connection. Each attempt is signed anew.
      - An attempt that the service throttles does not count. It is repeated as long as O(timeout) allows, unless this
        is V(0).
      - Regardless of this option, a request whose timestamp or nonce is rejected is signed anew and sent once more,
        and a list that changes while it is read is read up to three times.
    type: int
    default: 5
  max_qps:
    description:
      - Maximum number of requests per second for each operation of the service, spaced evenly. V(0) means no limit.
      - The vendor of O(platform=alibaba) documents a quota for each operation, which all users of an account share.
        This option is the maximum for operations with the usual quota of 10 per second. For other operations, it is
        scaled to their quota. With V(5), which is half of that quota, QueryOTAFirmware (20) is called at most 10 times
        per second, BatchGetDeviceState (50) 25 times, and BatchQueryDeviceDetail (5) 2.5 times.
      - When the service throttles, the task halves its rate and then raises it again, so that tasks that run at the
        same time find their shares. With V(0), only the throttled call waits.
      - If the service requests a pause of up to 60 seconds, all requests of the operation wait.
    type: float
    default: 10.0
notes:
  - A task runs up to 16 queries in parallel and returns their results in the order of the input. It starts no more
    queries after a failure that would affect all others too, such as a wrong key or a missing permission, or after
    five failures of any kind.
  - A link that may be signed, such as a download URL, is masked in the results.
  - A failing task returns RV(ignore:failure), a dictionary with the error code, the service's own message, its request
    ID and a hint, and everything that could be read.
seealso:
  - name: OTA update of Alibaba Cloud IoT Platform
    description: The vendor's reference of the operations.
    link: https://www.alibabacloud.com/help/en/iot/
"""
