# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Authentication options."""

    DOCUMENTATION = r"""
requirements:
  - alibabacloud_credentials (only for credentials that a command or a sign-in provides)
options:
  credentials_source:
    description:
      - Where the credentials come from. Sources are never mixed. If a source is configured only in part, the task fails
        and names what is missing.
      - V(auto) is the first configured source in the order given here. With O(platform=tuya),
        which documents only access keys, these are V(options) and V(environment).
      - V(options) are O(access_key_id), O(access_key_secret) and O(security_token).
      - V(environment) are the variables E(ALIBABA_CLOUD_ACCESS_KEY_ID), E(ALIBABA_CLOUD_ACCESS_KEY_SECRET) and
        E(ALIBABA_CLOUD_SECURITY_TOKEN), or else E(ALICLOUD_ACCESS_KEY), E(ALICLOUD_SECRET_KEY) and
        E(ALICLOUD_SECURITY_TOKEN).
      - V(profile) is a profile of the vendor's tools, see O(profile).
      - V(oidc_role) is a role that is assumed with a token, as in the pods of a Kubernetes cluster, with
        E(ALIBABA_CLOUD_ROLE_ARN), E(ALIBABA_CLOUD_OIDC_PROVIDER_ARN) and E(ALIBABA_CLOUD_OIDC_TOKEN_FILE). With V(auto)
        it counts as configured if one of the last two is set.
      - V(ecs_ram_role) is the role of the ECS instance that runs the module, from its metadata service, always with a
        token. With V(auto), it is used only if E(ALIBABA_CLOUD_ECS_METADATA) or E(ALICLOUD_ECS_ROLE_NAME) names the
        role, and E(ALIBABA_CLOUD_ECS_METADATA_DISABLED) is not V(true).
      - V(credentials_uri) is the service whose URL is in E(ALIBABA_CLOUD_CREDENTIALS_URI).
      - Temporary credentials are renewed five minutes before they expire, and at once if the service reports that they
        have expired.
    type: str
    choices:
      - auto
      - options
      - environment
      - profile
      - oidc_role
      - ecs_ram_role
      - credentials_uri
    default: auto
  profile:
    description:
      - The name of a profile in C(~/.aliyun/config.json), the file of the vendor's command line tool, or else in
        C(~/.alibabacloud/credentials.ini), in the home directory of the user that runs the module.
      - In the first file, the modes C(AK), C(StsToken), C(RamRoleArn), C(ChainableRamRoleArn), C(EcsRamRole), C(OIDC),
        C(CredentialsURI), C(External), C(CloudSSO) and C(OAuth) are supported; in the second one, the types
        C(access_key), C(sts), C(ram_role_arn), C(ecs_ram_role), C(oidc_role_arn) and C(credentials_uri). Profiles
        that run a command or use a sign-in need the Python library C(alibabacloud_credentials).
      - By default, the current profile of the first file, or else C(default) in the second one.
      - With O(credentials_source=auto), an access key in the options or in the environment takes precedence, with a
        warning if this option is given too.
      - Can be set by the environment variables E(ALIBABA_CLOUD_PROFILE) and E(ALICLOUD_PROFILE). The first file is
        ignored if E(ALIBABA_CLOUD_CLI_PROFILE_DISABLED) is V(true). E(ALIBABA_CLOUD_CREDENTIALS_FILE) sets another path
        for the second one, which has to exist.
      - Not used with O(platform=tuya).
    type: str
  access_key_id:
    description:
      - The ID of the access key that signs the requests.
      - It can come from other sources, see O(credentials_source).
      - The environment is that of the process that runs the module. Do not set these variables with the keyword
        C(environment) of a task or play, because Ansible prints that at higher verbosity. Export the variables, or use
        the options.
    type: str
  access_key_secret:
    description:
      - The secret of the access key. It never leaves the machine that runs the module.
    type: str
  security_token:
    description:
      - The token that was issued with a temporary access key.
      - Not sent with O(platform=tuya), which documents no temporary keys.
    type: str
"""
