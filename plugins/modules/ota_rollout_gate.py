#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_rollout_gate
short_description: Wait for an OTA rollout, judge it, and let the play continue only with proof
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Polls update batches until the rollout is settled, or its time is over, and judges it. The task succeeds if the
    rollout passed, and fails otherwise.
  - The verdict is never V(passed) without positive evidence for each device that counts. The evidence is a task that is
    C(SUCCEEDED) and, with O(versions.verify), the new version as the device itself reports it for the module of the
    batch.
  - It always ends by its deadline, whatever the network does.
  - While it waits, it shows a line for each change, and at least one line a minute. A line has at most 100 columns and
    shows the progress, how many devices failed and how many may fail, and when the rollout may end.
  - With a stdout callback other than C(default), which may write output for programs, such as JSON, the lines go to
    standard error.
  - It ends if the Ansible process that runs it is gone, for example after a kill.
  - This is an action plugin. It runs on the controller, so its libraries must be installed on the controller; the
    target host is never contacted. The keyword C(environment) of task, block and play is honored.
  - B(Which rollout) is judged is set by O(job_ids) or O(find), O(expected_devices) and O(min_devices).
  - B(Whether it is the right rollout) is checked with O(expected_product_key), O(expected_firmware_id),
    O(expected_version), O(expected_job_type) and O(versions.module_name), and with O(versions) for each device.
  - The B(bounds) are O(min_succeeded_percent), O(max_failed), O(max_failed_percent), O(min_executed), O(max_pending),
    O(max_pending_percent), O(ignore_canceled), O(ignore_vanished) and O(allow_empty). By default, all devices must
    succeed.
  - The B(time) is limited by O(wait_timeout). Until then, O(wait_interval), O(start_grace), O(versions.grace),
    O(confirmations), O(soak) and O(max_consecutive_errors) set the pace. Times from the service are compared with the
    service's own clock.
  - The B(mode) is set by O(wait), O(look_timeout), O(previous) and O(mode).
  - What B(people and programs see) is set by O(title) and O(events_file).
notes:
  - The role P(iotfleet.ota.rollout_gate#role) runs this, writes reports, and publishes the verdict to AWX.
  - A poll takes at most nine requests for a batch of any size, and one more while tasks are added. In a batch of up
    to 700 tasks, all are read. In a larger batch, the tasks in each state are counted, and up to 100 tasks in each
    state are read for the report.
  - With O(versions.verify), the versions of devices that have succeeded are read between polls, within the rest of
    the quota. Each device is read once, and again only if its task changes, if its version proves nothing, or at the
    end of O(soak). In a larger batch, the gate finds the succeeded tasks page by page for that. Polls come first.
  - When only the proof is missing, the remaining versions are read, with O(expected_devices) also those of devices
    without a task. With O(expected_devices) or O(versions.verify), all tasks of a larger batch are
    listed before that, once for the same numbers, if there are up to 100,000. They are also listed if the task counts
    that the service reports do not follow the requested state, because it is not documented that they do.
  - Such a poll stops reading after four times O(wait_interval), or after ten times as long as the rest of the poll
    took if that is more. The reason is then V(unread), and the next poll continues. So failures show while many
    versions are read.
  - The module of a batch is read once, with one request for its update package. If that does not show it, the open
    tasks of up to three devices are read in each poll until one does. It is not read if versions do not matter, which
    means with O(versions.verify=false) and without O(expected_devices) and O(versions.module_name).
  - When the verdict is final and not V(passed), the versions of up to 100 failed and unfinished devices are read, and
    up to 20 of them are looked up in other batches. This does not affect the verdict.
  - Whether up to 1,000 unfinished devices are online is read at most once a minute while waiting, and at the end, 50
    devices per request. This does not affect the verdict either. If the access key may not do that, RV(notes) says so
    once.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
attributes:
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - To gate several batches in parallel, each with its own verdict, use a host for each.
options:
  job_ids:
    description:
      - The IDs of the batches that make up the rollout. They are judged together, and each must have begun.
      - Exactly one of O(job_ids) and O(find) is required.
      - If a device has several tasks in one batch, the latest decides. A device with tasks in several batches counts
        once, by the worst task. If a batch was repeated, give only the repetition.
      - Batches may be for several modules and products. Each is judged by the versions of its own module.
      - With O(versions.verify), batches that bring the same devices to different versions of one module are
        V(inconclusive), unless one of them clearly begins where the other ends. The later one then decides for the
        devices in both.
    type: list
    elements: str
    aliases:
      - job_id
  find:
    description:
      - Which batches to find, instead of O(job_ids), for example by the version that a pipeline has just built.
      - The gate lists the packages of the product that have this version, and then their batches. It repeats this at
        each poll until a batch fits, for at most O(start_grace). If none does, the verdict is V(inconclusive), and
        its reason names the packages and batches that the gate saw.
      - The batches that are found stay the same until the end, also in runs that resume with O(previous). Newer
        batches that appear later are ignored. RV(found_by) and RV(notes) say which batches were found and why.
      - A canceled batch fits like any other, so that the gate does not pass for an older one. But if a newer batch
        fits and is not canceled, it replaces the canceled one, which then does not fit.
      - Each batch that was found is judged as with O(job_ids). The values of O(find) are also the expected ones, as
        in O(expected_product_key), O(expected_version), O(expected_job_type) and O(versions.module_name). If one of
        these is given too, it must be the same.
      - This requires the permissions for C(ListOTAFirmware) and C(ListOTAJobByFirmware).
    type: dict
    version_added: 0.3.0
    suboptions:
      product_key:
        description:
          - The key of the product.
        type: str
        required: true
      dest_version:
        description:
          - The version that the batches update devices to, as exactly the same text.
          - Quote it if it looks like a number. A number is rejected.
        type: str
        required: true
      module_name:
        description:
          - The OTA module that the packages are for. By default, any module.
        type: str
      job_type:
        description:
          - The type of the batches.
        type: str
        choices:
          - UPGRADE_FIRMWARE
          - VERIFY_FIRMWARE
        default: UPGRADE_FIRMWARE
      tags:
        description:
          - Tags that the batches have, each with its value. They may have others as well.
          - Cannot be used on Tuya, whose pages list no tags of batches.
        type: dict
      created_after:
        description:
          - Find only batches that were created at this time or later, by the clock of the service. The time is in ISO
            8601, and in UTC unless it has another zone.
          - Give it if the package may have an earlier batch, such as one from yesterday that would pass.
          - In runs that resume with O(previous), it must stay the same.
        type: str
      which:
        description:
          - With V(only), exactly one batch must fit. If several do, the verdict is V(inconclusive), and its reason
            names them.
          - V(newest) takes the one that was created last.
          - V(all) takes all that fit when the first of them is seen, and at most 100. They are judged together.
        type: str
        choices:
          - only
          - newest
          - all
        default: only
  expected_devices:
    description:
      - All devices that the rollout is meant to reach. Exactly these count, whatever tasks the batches have.
      - An entry is the name of a device, or a dictionary with C(product_key) and C(device_name). A name is unique
        within its product only, so if the batches are for several products, each entry must be a dictionary.
      - A device that has no task but reports the new version counts as succeeded. It must report it for the modules of
        all batches of its product. A device without a task that reports another version, or that the service does not
        know, is unfinished until O(start_grace) after the end of the batches, and then fails. A device whose version
        cannot be read stays unfinished.
      - A device that has a task in some of the batches is judged by the tasks that it has.
      - A C(DYNAMIC) batch never ends, and can be judged only with this option.
      - The service lists at most 100,000 tasks of a batch. With this option, the tasks of a larger batch are read by
        the names of the devices, 50 per request. Without it, the verdict is V(inconclusive), unless
        O(versions.verify=false) and the batch is gated alone.
      - Without it, the tasks of the batches count. A device that was already on the new version has no task.
    type: list
    elements: raw
  min_devices:
    description:
      - Minimum number of devices that must have a task. It guards against a batch that reaches fewer devices than it
        should, if you do not know their names.
      - Devices that O(ignore_canceled) or O(ignore_vanished) leaves out of the count have had a task, and count here.
      - Cannot be used together with O(expected_devices).
    type: int
  expected_product_key:
    description:
      - The key of the product that each batch is expected to be for. If it differs, the verdict is V(failed).
    type: str
    version_added: 0.3.0
  expected_firmware_id:
    description:
      - The ID of the update package that each batch is expected to have. If it differs, the verdict is V(failed).
    type: str
    version_added: 0.3.0
  expected_version:
    description:
      - The version that each batch is expected to update its devices to. If it differs, the verdict is V(failed).
      - Quote it if it looks like a number, because V(2.10) is V(2.1) in YAML. A number is rejected.
    type: str
    version_added: 0.3.0
  expected_job_type:
    description:
      - The type that each batch is expected to have. If it differs, the verdict is V(failed).
    type: str
    choices:
      - UPGRADE_FIRMWARE
      - VERIFY_FIRMWARE
    version_added: 0.3.0
  versions:
    description:
      - How the versions that devices report prove that they succeeded.
    type: dict
    version_added: 0.3.0
    suboptions:
      verify:
        description:
          - Count a device as succeeded only if it also reports the new version for the module of the batch. A device
            that reports another version counts as failed, see O(versions.grace).
          - A device whose version cannot be read is unfinished, with the service's words as its detail, and does not
            stop the gate. If many in a row or all cannot be read, the poll counts as failed.
          - The versions are read as devices succeed. O(versions.source) says how many can be read in a second. Turn
            O(versions.verify) off for fleets that are too large even for that. The state C(SUCCEEDED) alone is then
            the proof.
        type: bool
        default: true
      module_name:
        description:
          - The OTA module that each batch is expected to be for. If the batch is known to be for another, the verdict
            is V(failed).
          - The gate reads which module a batch is for from its update package, which requires the permission for
            C(QueryOTAFirmware), or else from one of its open tasks. If neither shows it, the gate uses this option,
            and RV(notes) says so.
          - If nothing shows it and this option is not given, a device counts only if all modules that it reports are on
            the new version, and an expected device without a task stays unfinished. RV(notes) says that too. If
            nothing else is missing, the verdict is V(inconclusive).
        type: str
      match:
        description:
          - When a reported version is the new version.
          - With V(exact), both must be the same text.
          - V(ignore_build) ignores a leading C(v) before a digit, and everything from a C(+) on. C(v2.0.0) and
            C(2.0.0+5) are then C(2.0.0). C(2.0.0-rc1) and C(2.0) are not.
          - V(prefix) also accepts a version that begins with the new version and does not continue with a letter or a
            digit. C(2.0.0+5), C(2.0.0.1) and C(2.0.0-rc1) are then C(2.0.0). C(2.0.01) and C(v2.0.0) are not.
          - If a version that the batch replaces would match as well, only the exact text is proof.
        type: str
        choices:
          - exact
          - ignore_build
          - prefix
        default: exact
      grace:
        description:
          - Number of seconds after a task has succeeded in which its device may still report the old version, for
            example because it has not restarted yet. Until then, the device is unfinished, and after that, it has
            failed. If the service does not say which version a task replaces, the device may report any version.
          - A device that has reported the new version before gets no grace, because it fell back. Neither does a
            device that reports a third version.
        type: float
        default: 120
      source:
        description:
          - Where versions are read.
          - With V(device), one request reads the versions of all modules of one device. At the documented quota of
            Alibaba Cloud, that is 10 devices a second.
          - With V(details), one request reads the version of the module C(default) of 100 devices, which is 500 devices
            a second. Devices that the service leaves out, and products with a batch for any other module, are read as
            with V(device).
          - The response of V(details) holds the secrets of the devices. The secrets are dropped as the response is
            read, and never returned, shown or logged. The permission for it, C(iot:BatchQueryDeviceDetail), is the
            right to read these secrets, so grant it only if the fleet is so large that you need it. Without it,
            V(details) cannot prove anything, and the verdict is V(inconclusive).
        type: str
        choices:
          - device
          - details
        default: device
  min_succeeded_percent:
    description:
      - Minimum percentage of the devices that must succeed.
      - By default V(100), minus what O(max_failed), O(max_failed_percent), O(max_pending) and O(max_pending_percent)
        allow. If it is given, it must be met in addition to those options.
      - Given alone, it tolerates failed devices but no pending ones. A rollout that waits for its last device can
        then pass when that device fails.
    type: float
  max_failed:
    description:
      - Maximum number of devices that may fail. As soon as one more fails, the verdict is V(failed); the gate does not
        wait for the rest.
      - By default V(0), or no limit if O(min_succeeded_percent) is given.
    type: int
  max_failed_percent:
    description:
      - Maximum percentage of finished devices (succeeded or failed) that may have failed. As soon as more have failed,
        the verdict is V(failed).
    type: float
  min_executed:
    description:
      - Minimum number of devices that must have succeeded or failed before O(max_failed) or O(max_failed_percent)
        decides, because a percentage of three devices means nothing. If there are fewer devices, all of them must
        have finished.
      - If too few devices can still succeed, the rollout fails earlier.
    type: int
    default: 1
  max_pending:
    description:
      - Maximum number of devices that may be unfinished in a rollout that passes, such as devices that are offline.
      - If O(max_pending_percent) is given too, both must be kept. By default, no device may be unfinished.
      - A device that the service may try again, or that succeeded and may still report its version late, is tolerated
        only if it may fail as well. Otherwise, the gate waits for it.
    type: int
  max_pending_percent:
    description:
      - Maximum percentage of the devices that may be unfinished in a rollout that passes.
    type: float
  ignore_canceled:
    description:
      - Leave canceled tasks out of the count. By default, they count as failed.
      - If a device has other tasks in the batch, the latest of those decides.
    type: bool
    default: false
    version_added: 0.3.0
  ignore_vanished:
    description:
      - Leave devices out of the count that had a task and can no longer be judged, because the task disappeared, or the
        device was deleted or replaced by another one with its name. A device whose task disappeared from one batch
        still counts by its tasks in others.
      - By default, they are unfinished, and can be tolerated with O(max_pending). If the gate has nothing else to
        wait for O(start_grace) after the end of the batches, the verdict is V(inconclusive), and its reason names
        them.
    type: bool
    default: false
    version_added: 0.3.0
  allow_empty:
    description:
      - Let a rollout without any task pass, once its batches are C(COMPLETED). By default, there is nothing to judge,
        and the verdict is V(inconclusive). Together with O(expected_devices) or O(min_devices), it has no effect on
        such a rollout.
      - If there are several batches, some may then be C(COMPLETED) without a task.
    type: bool
    default: false
  soak:
    description:
      - Seconds to keep watching after the rollout first looks healthy; it passes only if it still is at the end. With
        O(versions.verify), the versions are then read again, as late as there is time for, which catches devices that
        fall back to their old version.
    type: float
    default: 0
  confirmations:
    description:
      - Number of consecutive polls that must agree that a rollout passed or failed, because states may flap.
      - These polls confirm the states of batches and tasks. They do not read the version of a proved device again.
    type: int
    default: 2
  max_consecutive_errors:
    description:
      - Maximum number of consecutive polls that may fail, or return an incomplete list. After one more, the verdict
        is V(inconclusive). Each poll already retries its requests O(retries) times.
      - An error that no retry can fix, such as a wrong key, ends the gate at once.
    type: int
    default: 5
    version_added: 0.3.0
  start_grace:
    description:
      - Seconds to wait for a batch that is unknown or not found, has not begun or has no tasks, because tasks appear
        some time after the batch. They count from the first poll, or from the time for which the batch is scheduled if
        that is later.
      - Unless O(expected_devices) or O(min_devices) says how many devices there must be, a rollout passes only if no
        new task has appeared for this time.
    type: float
    default: 120
  wait_timeout:
    description:
      - Maximum number of seconds, from the first poll, until the rollout must be settled. Otherwise the verdict is
        V(timed_out).
      - With O(previous), the time starts with the first poll of the first run.
    type: float
    default: 3600
  wait_interval:
    description:
      - Number of seconds between two polls. It varies by up to a tenth.
    type: float
    default: 15
  look_timeout:
    description:
      - Maximum number of seconds, from its start, for which a run with O(wait=false) reads versions. With O(wait=true),
        it has no effect.
      - RV(history) keeps the versions that were read, so with O(previous) the next run continues. In this way,
        scheduled runs can prove a rollout of any size step by step.
      - Keep it shorter than the time between two runs, and than the time limit of the job. With V(0), no version is
        read.
    type: float
    default: 120
    version_added: 0.3.0
  wait:
    description:
      - Wait until the rollout is settled. If V(false), poll once and return what is known; the verdict V(pending) then
        does not make the task fail.
    type: bool
    default: true
  previous:
    description:
      - The result of an earlier run of this module for the same batches, or the JSON report of the role
        P(iotfleet.ota.rollout_gate#role). Its deadline, confirmations, soak and idle times continue, and the versions
        that it read need not be read again. How long ago it ended is measured by the service's clock, so the runs may
        be on different machines.
      - It is trusted like an option. The gate checks that it is about the same batches and that its times and numbers
        are consistent, but not that they are true. Keep it where only the gate can write.
      - Without it, O(wait_timeout), O(start_grace) and O(confirmations) start anew in each run, so that a single poll
        can settle a rollout only with O(confirmations=1).
      - Earlier polls with other options or of another service do not count as confirmations.
    type: dict
  mode:
    description:
      - With V(enforce), the task fails unless the verdict is V(passed), or is not final while O(wait) is V(false).
      - With V(report), no verdict makes the task fail.
    type: str
    choices:
      - enforce
      - report
    default: enforce
  title:
    description:
      - What people call the rollout, in lines and messages. By default, the description of its only batch, or the name
        and version of its package, or its ID; for several batches, their number.
    type: str
    version_added: 0.3.0
  events_file:
    description:
      - A file on the controller to which the gate writes each change as it happens, for programs that follow the
        rollout. It is emptied at the start, also in check mode.
      - Each line is one JSON object, an event as the event source C(iotfleet.ota.ota_rollout) emits it, which documents
        the fields. The collection has a JSON schema of them.
      - If it cannot be opened, the task fails before it calls the service. If it cannot be written later, RV(notes)
        says so, and the gate continues.
    type: path
    version_added: 0.3.0
seealso:
  - plugin: iotfleet.ota.rollout_verdict
    plugin_type: filter
    description: The same verdict for a playbook with a loop of its own.
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_job_tasks_info
  - module: iotfleet.ota.ota_module_versions_info
"""

EXAMPLES = r"""
- name: Continue only if all devices of the canary succeed within half an hour
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    expected_version: 2.0.0
    wait_timeout: 1800

- name: Gate the canary of the version that this pipeline has built, whatever the ID of its batch is
  iotfleet.ota.ota_rollout_gate:
    find:
      product_key: a19mzPZ0001
      dest_version: "{{ ota_version }}"
      created_after: "{{ ota_pipeline_began }}"
      tags:
        stage: canary
    min_devices: 2

- name: Gate a fleet in which 2 % may fail and 5 % may be offline
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020002
    expected_version: 2.0.0
    max_failed_percent: 2
    min_executed: 50
    max_pending_percent: 5
    wait_timeout: 14400
    soak: 600

- name: Judge exactly these devices, whose Bluetooth modules report versions such as v2.0.0
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    expected_product_key: a19mzPZ0001
    expected_devices: "{{ groups['canary'] }}"
    versions:
      module_name: ble
      match: ignore_build
      grace: 300
    mode: report
  register: canary

- name: Show which devices are unfinished
  ansible.builtin.debug:
    msg: "{{ canary.pending_devices | map(attribute='device_name') | list }}"
  when: canary.verdict == 'timed_out'

- name: Judge the batches of two products together, where both have a device with the same name
  iotfleet.ota.ota_rollout_gate:
    job_ids:
      - HvKuBpuk3rdk6E92CPQN020001
      - HvKuBpuk3rdk6E92CPQN020003
    expected_devices:
      - product_key: a19mzPZ0001
        device_name: light1
      - product_key: a19mzPZ0002
        device_name: light1

- name: Poll a rollout of three days once, in a job that is scheduled every hour, and read versions for half an hour
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020002
    wait: false
    wait_timeout: 259200
    look_timeout: 1800
    previous: "{{ earlier | default(omit) }}"
  register: fleet
"""

RETURN = r"""
verdict:
  description:
    - V(passed) if there is evidence for each device that counts.
    - V(failed) if too many devices failed, too few can still succeed, or the batch is not the expected one.
    - V(pending) if the rollout is not settled yet. Only with O(wait=false).
    - V(timed_out) if the rollout was not settled in time.
    - V(inconclusive) if the gate cannot read what it needs.
  type: str
  returned: always, unless an option is invalid
  sample: failed
final:
  description: Whether the verdict is final, because further polls would not change it, or none follow.
  type: bool
  returned: always, unless an option is invalid
  sample: true
reasons:
  description: The reasons for the verdict, with the deciding reason first.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains:
    code:
      description:
        - The reason as a code. For V(passed), C(proved). For V(failed), C(wrong_job), C(too_many_failures),
          C(success_out_of_reach), C(too_few_devices) or C(batch_canceled). For V(timed_out), C(deadline). For
          V(inconclusive), C(api_error), C(too_many_errors), C(no_batch), C(ambiguous_batch), C(incomplete),
          C(unknown_job), C(dynamic_batch), C(too_large), C(ambiguous_device), C(unknown_product), C(nothing_to_judge),
          C(conflicting_batches), C(not_started), C(empty_batch), C(unknown_module) or C(vanished).
        - For V(pending), C(starting), C(not_started), C(unfinished), C(still_open), C(unproved), C(awaiting_version),
          C(vanished), C(confirming), C(soaking), C(unread) or C(error).
      type: str
      returned: always
      sample: too_many_failures
    message:
      description: The reason as a sentence, without a full stop.
      type: str
      returned: always
      sample: 3 of 12 finished devices failed, 25 %; the limit is 1 (max_failed)
    count:
      description: Number of devices that the reason is about; V(null) if it is not about devices.
      type: int
      returned: always
      sample: 3
    devices:
      description: The names of up to ten of these devices.
      type: list
      elements: str
      returned: always
      sample: [light3, light7, light9]
to_do:
  description: What to do about the verdict, in sentences. Empty if the rollout passed.
  type: list
  elements: str
  returned: always, unless an option is invalid
  sample: ["Find the cause, and repeat the update with a new batch."]
limits:
  description:
    - What was measured and what is allowed, for each bound that is given, and for those that apply by default.
      Without any bound for failures, O(max_failed) is V(0). Without any bound for unfinished devices, O(max_pending)
      is V(0).
    - The bound that decided the verdict comes first. Of two bounds on the same number, the tighter one comes first.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains:
    name:
      description:
        - The option, O(max_failed), O(max_failed_percent), O(max_pending), O(max_pending_percent),
          O(min_succeeded_percent), O(min_devices), O(wait_timeout) or O(max_consecutive_errors).
        - O(min_succeeded_percent) is also listed if it is not given but the other bounds would let all devices fail.
          One device must then succeed.
      type: str
      returned: always
      sample: max_failed_percent
    allowed:
      description: What the option allows or asks for, in its own unit.
      type: float
      returned: always
      sample: 2.0
    measured:
      description:
        - Number of devices, or of seconds for O(wait_timeout), or of polls for O(max_consecutive_errors).
      type: float
      returned: always
      sample: 60
    of:
      description:
        - The number of devices that the percentage is of. These are the finished devices for O(max_failed) and
          O(max_failed_percent), all devices for the other bounds of devices, and V(null) for the rest.
      type: int
      returned: always
      sample: 1700
    share:
      description: The part of RV(limits[].of) in percent, with one decimal; V(null) without it.
      type: float
      returned: always
      sample: 3.5
    kept:
      description:
        - Whether the bound is kept. While versions that may still prove success are unread, they count in favor of
          the rollout.
      type: bool
      returned: always
      sample: false
    decided:
      description: Whether this bound decided the final verdict. At most one bound did.
      type: bool
      returned: always
      sample: true
counts:
  description: Number of devices that count, by state, as far as it is known.
  type: dict
  returned: always, unless an option is invalid
  contains:
    total:
      description: Number of devices that count. All percentages except O(max_failed_percent) refer to this number.
      type: int
      returned: always
      sample: 12
    succeeded:
      description: Number of devices that succeeded and are not known to be on another version.
      type: int
      returned: always
      sample: 9
    verified:
      description:
        - Number of succeeded devices that have reported the new version since they succeeded. It is V(0) while the
          tasks of a batch are only counted.
      type: int
      returned: always
      sample: 0
    failed:
      description:
        - Number of devices that failed, were canceled, are on another version after success, fell back to one, or have
          no task in a finished batch.
      type: int
      returned: always
      sample: 3
    pending:
      description: Number of devices that are unfinished, still expected, without proof, or vanished.
      type: int
      returned: always
      sample: 0
    executed:
      description: Number of devices that succeeded or failed.
      type: int
      returned: always
      sample: 12
    canceled:
      description: Number of canceled devices that O(ignore_canceled) leaves out of the count.
      type: int
      returned: always
      sample: 0
    ignored:
      description: Number of vanished devices that O(ignore_vanished) leaves out of the count.
      type: int
      returned: always
      sample: 0
by_status:
  description:
    - Number of tasks of all batches in each state that the service reports. Up to 20 undocumented states are counted
      separately, and any others as C(OTHER).
  type: dict
  returned: always, unless an option is invalid
  sample: {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 9, "FAILED": 3, "CANCELED": 0}
by_class:
  description:
    - The failed and the unfinished devices by class.
    - The class of a failed device is one of those of RV(iotfleet.ota.ota_job_tasks_info#module:tasks[].failure_class),
      or V(busy) with another batch, V(wrong_version), V(fell_back) from the new version to another one, V(canceled),
      V(no_task), or V(not_read).
    - An unfinished device is V(planned) for later, V(awaiting_confirmation), V(rate_limited) by C(MaximumPerMinute),
      V(waits_for_device) because the batch leaves it to the device to ask for the update, V(offline),
      V(never_activated), V(disabled), V(online_not_pushed), V(notified), V(silent) for ten minutes after that,
      V(in_progress), V(stalled) for ten minutes, V(retrying) because the service may still try again,
      V(awaiting_version) after success, V(unproved) because its version does not show whether it succeeded or cannot be
      read, V(vanished), V(no_task) yet, V(busy) with another batch, V(unknown), or V(moving) from one state to another
      while it was counted.
    - If neither the schedule nor a limit of the batch explains why a task is queued, the class follows from the state
      of the device. It is V(offline), V(never_activated) because it never connected, V(disabled) because it may not
      connect, or V(online_not_pushed). If the state was not read, or tasks are only counted, the class is V(offline) by
      elimination.
  type: dict
  returned: always, unless an option is invalid
  contains:
    failed:
      description: Number of failed devices in each class.
      type: dict
      returned: always
      sample: {"download": 2, "timeout": 1}
    pending:
      description: Number of unfinished devices in each class.
      type: dict
      returned: always
      sample: {}
failure_texts:
  description:
    - What the service or the failed devices report about their failures, with the most frequent first, up to 20. If
      not all tasks were read, only the tasks that were read count.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains:
    class:
      description: The class, as in RV(by_class).
      type: str
      returned: always
      sample: other
    text:
      description: The text, up to 200 characters; empty if there is none.
      type: str
      returned: always
      sample: sha256 mismatch
    count:
      description: Number of failed devices with this class and text.
      type: int
      returned: always
      sample: 15
    devices:
      description: The names of up to ten of these devices.
      type: list
      elements: str
      returned: always
      sample: [light3, light7]
jobs:
  description:
    - The batches, in the order of O(job_ids). Each has the fields of RV(iotfleet.ota.ota_job_info#module:jobs) and
      these. A batch that the service does not know has only C(job_id), C(found), C(finished) and these.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  sample: [{"job_id": "HvKuBpuk3rdk6E92CPQN020001", "found": true, "job_status": "COMPLETED", "dest_version": "2.0.0"}]
  contains:
    module_name:
      description: The OTA module that the batch is for; V(null) if it was not read or is not known.
      type: str
      returned: always
      sample: default
    label:
      description:
        - What people call the batch. Its description, or the name and version of its package, or its ID. If several
          batches would have the same label, the end of the ID is added.
      type: str
      returned: always
      sample: lamps in Berlin
    counts:
      description:
        - Number of devices of the batch, by state. A device with tasks in several batches appears in each of them. If
          one of these batches is a later stage of another, the device appears in the state by which it counts. With
          O(expected_devices), only these devices count. Devices that O(ignore_vanished) leaves out do not count.
        - If the tasks of the batch were not listed, these are the numbers of its tasks.
      type: dict
      returned: always
      contains:
        devices:
          description: Number of devices of the batch.
          type: int
          returned: always
          sample: 12
        succeeded:
          description: Number of devices that succeeded.
          type: int
          returned: always
          sample: 9
        failed:
          description: Number of devices that failed.
          type: int
          returned: always
          sample: 3
        pending:
          description: Number of devices that are unfinished.
          type: int
          returned: always
          sample: 0
        canceled:
          description: Number of canceled devices that O(ignore_canceled) leaves out of the count.
          type: int
          returned: always
          sample: 0
failed_devices:
  description:
    - The failed devices, up to 1,000, or up to 100 if the task fails. In a batch with more than 700 tasks, only
      devices whose task was read.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains: &device
    product_key:
      description: The key of the device's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    device_name:
      description: The name of the device.
      type: str
      returned: always
      sample: light3
    job_id:
      description: The batch that decided; V(null) for a device without a task.
      type: str
      returned: always
      sample: HvKuBpuk3rdk6E92CPQN020001
    state:
      description: V(succeeded), V(failed), V(pending) or V(canceled), as in RV(counts).
      type: str
      returned: always
      sample: failed
    class:
      description:
        - The class, as in RV(by_class). V(already_on_target) for a device that succeeded without a task, V(null) for
          any other device that succeeded.
      type: str
      returned: always
      sample: download
    verified:
      description:
        - Whether the device has succeeded and has reported the new version since. V(false) for all devices with
          O(versions.verify=false).
      type: bool
      returned: always
      sample: false
    task_status:
      description: The state of the device's task; V(null) for a device without one.
      type: str
      returned: always
      sample: FAILED
    progress_percent:
      description: The progress of the task in percent; V(null) if it is not known.
      type: float
      returned: always
      sample: 60.0
    version:
      description: The version that the device reports for the module of the batch; V(null) if it was not read.
      type: str
      returned: always
      sample: 1.0.0
    detail:
      description:
        - What the service or the device reports about the task. For the classes V(fell_back), V(vanished) and
          V(unproved), and for V(wrong_version) if the task succeeded, what is known instead, such as C(fell back from
          2.4.1 to 2.3.0 after 2026-03-01T10:12:44Z), with the time when it last reported the new version.
        - For an unfinished device without such a report, whether it is online, and since when, such as C(offline since
          2026-03-01T08:00:00Z).
      type: str
      returned: always
      sample: "-2: the download failed"
    busy_with:
      description: The other batch in which the device has an unfinished task; V(null) if that was not read.
      type: str
      returned: always
      sample:
    since:
      description: Since when the task has been unchanged, in UTC; V(null) if that is not known.
      type: str
      returned: always
      sample: "2026-03-01T10:12:44Z"
    idle_seconds:
      description: Number of seconds for which the task has been unchanged.
      type: float
      returned: always
      sample: 251.0
pending_devices:
  description:
    - The unfinished devices, with the longest unchanged first, and with the same limits as RV(failed_devices).
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains: *device
devices:
  description:
    - All devices that count, if there are at most 1,000 and each was read. Otherwise, it is empty. It is also empty
      if the task fails, because Ansible prints everything that a failing task returns.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains: *device
timeline:
  description:
    - The timeline of the rollout, up to 1,000 entries. It has the first poll, each change, and the last poll. If
      several polls in a row failed, it has only the first of them.
  type: list
  elements: dict
  returned: always, unless an option is invalid
  contains:
    seconds:
      description: When the poll took place, in seconds since the first poll.
      type: float
      returned: always
      sample: 15.3
    succeeded:
      description: Number of devices that had succeeded.
      type: int
      returned: always
      sample: 4
    failed:
      description: Number of devices that had failed.
      type: int
      returned: always
      sample: 0
    pending:
      description: Number of devices that were pending.
      type: int
      returned: always
      sample: 8
    error:
      description: V(true) if the poll failed. The numbers are then those of the previous poll.
      type: bool
      returned: if the poll failed
      sample: true
notes:
  description:
    - The lines shown at the start, with the deadlines that apply, and a warning if the time may be too short or the
      clock of this machine is off by more than a minute.
    - After these, which batches O(find) has found, and what was assumed, such as the module of a batch that is not
      known, or which of two batches is the later stage, why the states of unfinished devices cannot be read, and what
      is cut because it is too long, such as texts of devices, and that O(events_file) is incomplete.
  type: list
  elements: str
  returned: always, unless an option is invalid
  sample: ["the rollout must be settled by 2026-03-01T10:40:02Z"]
started:
  description: When the first poll started, in UTC.
  type: str
  returned: always, unless an option is invalid
  sample: "2026-03-01T10:10:02Z"
ended:
  description: When the last poll ended, in UTC.
  type: str
  returned: always, unless an option is invalid
  sample: "2026-03-01T10:17:02Z"
deadline:
  description: When the rollout must be settled, in UTC.
  type: str
  returned: always, unless an option is invalid
  sample: "2026-03-01T10:40:02Z"
elapsed_seconds:
  description: Number of seconds from the first poll to the last.
  type: float
  returned: always, unless an option is invalid
  sample: 420.0
polls:
  description: Number of polls, including those of O(previous).
  type: int
  returned: always, unless an option is invalid
  sample: 29
policy:
  description: The options that decided the verdict, with their defaults.
  type: dict
  returned: always, unless an option is invalid
  sample:
    {"min_executed": 1,
     "versions": {"verify": true, "module_name": null, "match": "exact", "grace": 120.0, "source": "device"}}
found_by:
  description:
    - What O(find) searched for, and what was found; V(null) with O(job_ids), and while nothing was found.
  type: dict
  returned: always, unless an option is invalid
  contains:
    product_key:
      description: The key of the product.
      type: str
      returned: always
      sample: a19mzPZ0001
    dest_version:
      description: The version that the batches update devices to.
      type: str
      returned: always
      sample: 2.0.0
    module_name:
      description: The OTA module.
      type: str
      returned: always
      sample: default
    job_type:
      description: The type of the batches.
      type: str
      returned: always
      sample: UPGRADE_FIRMWARE
    tags:
      description: Tags that the batches have.
      type: dict
      returned: always
      sample: {"stage": "canary"}
    created_after:
      description: The earliest creation time of the batches.
      type: str
      returned: always
      sample: "2026-03-01T09:00:00Z"
    which:
      description: Which of several batches to take.
      type: str
      returned: always
      sample: only
    job_ids:
      description: The IDs of the batches that were found.
      type: list
      elements: str
      returned: always
      sample: [HvKuBpuk3rdk6E92CPQN020001]
    why:
      description: Why these batches were chosen, as a sentence without a full stop.
      type: str
      returned: always
      sample: >-
        found batch HvKuBpuk3rdk6E92CPQN020001 (IN_PROGRESS): the only one that fits, out of 3 batches of version 2.0.0
history:
  description:
    - What O(previous) needs. Its content may change with any version.
    - The versions that were read, C(reports), take about 2 bytes for each device whose name ends with a number, and at
      most 19 for any other. They are empty if RV(final).
  type: dict
  returned: always, unless an option is invalid
msg:
  description:
    - The verdict on one line, with the deciding bound, the most frequent texts of failed devices, the worst of
      several batches, how many devices still get the update, and what to do.
    - It names the devices that it is about if there are at most ten.
    - It is never a template.
  type: str
  returned: always
  sample: >-
    Lamp 2.4.1 FAILED after 7 min: 60 of 1,700 finished devices failed, 3.5 %; the limit is 2 % (max_failed_percent).
    Why: 32 "sha256 mismatch", 28 "battery low". Still running: 231 being updated; the gate does not stop them.
title:
  description: What people call the rollout, from O(title) or its default.
  type: str
  returned: always, unless an option is invalid
  sample: Lamp 2.4.1
failure:
  description:
    - What went wrong, as in RV(iotfleet.ota.ota_job_info#module:failure), if an option is invalid or the last poll
      failed.
  type: dict
  returned: if an option is invalid, or the last poll failed
"""
