#!/usr/bin/python
# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ota_rollout_gate
short_description: Wait for an OTA rollout, judge it, and let the play go on only with proof
version_added: 0.2.0
author:
  - iotfleet.ota contributors (@iotfleet)
description:
  - Looks at update batches until it is settled how the rollout ended, or its time is over, and judges it. The task
    succeeds if the rollout passed, and fails otherwise.
  - It never says V(passed) without positive evidence for each device that it counts. The evidence is a task that is
    C(SUCCEEDED) and, with O(verify_versions), the new version as the device itself reports it.
  - It always ends by its deadline, whatever the network does.
  - While it waits, it shows a line with each change, and at least one a minute.
  - This is an action plugin. It runs on the controller, so that the libraries that it requires have to be installed
    there, and nothing is asked from the target. The keyword C(environment) of task, block and play is honoured.
notes:
  - The role P(iotfleet.ota.rollout_gate#role) runs this, writes reports, and hands the verdict to AWX.
  - A look takes at most nine requests for a batch of any size, and one more while tasks are added. Up to 700 tasks are
    all read. Of a larger batch, the tasks in each state are counted, and up to 100 of those in each state are read for
    the report.
  - More is asked only when all but the proof is there. With O(verify_versions), the version of each device is read
    then, with one request for each device. With O(expected_devices) or O(verify_versions), all tasks of a larger
    batch are listed then, which the service allows for up to 100,000 tasks. They are also listed where the service's
    numbers of tasks do not follow the state that was asked for, because it is not documented that they do.
extends_documentation_fragment:
  - iotfleet.ota.credentials
  - iotfleet.ota.connection
  - iotfleet.ota.attributes
options:
  job_ids:
    description:
      - The IDs of the batches that make the rollout. They are judged together.
      - A device with tasks in several of them counts once, by the worst of its tasks. Of a batch that was repeated,
        name the repetition only.
    type: list
    elements: str
    required: true
    aliases:
      - job_id
  expected_devices:
    description:
      - The names of all devices that the rollout is meant to reach. They are what is counted then, whatever tasks the
        batches have.
      - A device that has no task but reports the new version counts as succeeded. One that reports another version, or
        that the service does not know, is waited for until O(start_grace) after the end of the batches, and has failed
        then. One whose version cannot be learned stays pending.
      - A batch that is C(DYNAMIC) is never finished, and can be judged with this option only.
      - Without it, the tasks of the batches are counted. A device that was on the new version already has none.
    type: list
    elements: str
  min_devices:
    description:
      - The least number of devices that must have a task. It guards against a batch that reaches fewer devices than
        it was meant to, where their names are not known.
      - Cannot be used together with O(expected_devices).
    type: int
  product_key:
    description:
      - The key of the product that each batch is expected to be for. The verdict is V(failed) if it is for another.
    type: str
  firmware_id:
    description:
      - The ID of the update package that each batch is expected to have. The verdict is V(failed) if it has another.
    type: str
  dest_version:
    description:
      - The version to which each batch is expected to bring its devices. The verdict is V(failed) if it is another.
      - Write it in quotes if it looks like a number. Without them V("2.10") is V(2.1) in YAML.
    type: str
  job_type:
    description:
      - What each batch is expected to be. The verdict is V(failed) if it is something else.
    type: str
    choices:
      - UPGRADE_FIRMWARE
      - VERIFY_FIRMWARE
  module_name:
    description:
      - The OTA module of the devices whose version is the proof, with O(verify_versions).
    type: str
    default: default
  min_succeeded_percent:
    description:
      - The least share of the devices that must have succeeded.
      - By default V(100), less what is tolerated by O(max_failed), O(max_failed_percent), O(max_pending) and
        O(max_pending_percent). If it is given, it must be met beside them.
    type: float
  max_failed:
    description:
      - So many devices may fail. With one more, the verdict is V(failed) at once, without waiting for the others.
      - By default none may. If O(min_succeeded_percent) is given, that alone decides by default.
    type: int
  max_failed_percent:
    description:
      - So many of the devices that have succeeded or failed may have failed. If more have, the verdict is V(failed)
        at once.
    type: float
  min_executed:
    description:
      - So many devices must have succeeded or failed before O(max_failed) or O(max_failed_percent) decides, because a
        share of three devices means nothing. All of them, if there are not as many.
      - A rollout in which not enough can succeed any more fails before that all the same.
    type: int
    default: 1
  max_pending:
    description:
      - So many devices may be unfinished in a rollout that passes, such as devices that are offline.
      - If O(max_pending_percent) is given as well, both must be kept. By default none may be unfinished.
    type: int
  max_pending_percent:
    description:
      - This share of the devices may be unfinished in a rollout that passes.
    type: float
  accept_canceled:
    description:
      - Leave tasks that were canceled out of the count. By default they count as failed.
    type: bool
    default: false
  allow_empty:
    description:
      - Let a rollout pass that has no task at all, once its batches are C(COMPLETED). By default there is nothing that
        could be judged, and the verdict is V(inconclusive). It means nothing together with O(expected_devices) or
        O(min_devices).
    type: bool
    default: false
  verify_versions:
    description:
      - Count a device as succeeded only if it reports the new version for O(module_name), too. One that reports another
        version has failed.
      - It takes a request for each device, O(confirmations) times, at most O(max_qps) in a second, and is done only
        once all else is well. Turn it off for fleets for which that takes too long. The state C(SUCCEEDED) alone is the
        proof then.
    type: bool
    default: true
  soak:
    description:
      - So many seconds after the rollout first was all well, its state is read again, and only then it passes. With
        O(verify_versions), this tells devices that fell back to their old version.
    type: float
    default: 0
  confirmations:
    description:
      - A rollout that passed or failed must be seen so in this number of looks in a row, because states may flap.
    type: int
    default: 2
  tolerated_errors:
    description:
      - So many looks in a row may fail, or show a list that is not whole, before the verdict is V(inconclusive). What a
        look asks is asked again O(retries) times before that.
      - An error that no repetition can mend, such as a wrong key, is not tolerated.
    type: int
    default: 5
  start_grace:
    description:
      - For so many seconds from the first look, a batch that is unknown or has no tasks is waited for, because tasks
        appear some time after the batch.
      - Unless O(expected_devices) or O(min_devices) tells how many there must be, a rollout passes only if it has had
        no new task for as long.
    type: float
    default: 120
  wait:
    description:
      - Wait until it is settled how the rollout ended. If V(false), look once and answer what is known; the verdict
        V(pending) does not make the task fail.
    type: bool
    default: true
  wait_timeout:
    description:
      - The rollout must be settled within so many seconds from the first look. The verdict is V(timed_out) otherwise.
      - With O(previous), the time began with the first look of the first of these runs.
    type: float
    default: 3600
  wait_interval:
    description:
      - The pause between two looks in seconds, give or take a tenth.
    type: float
    default: 15
  previous:
    description:
      - What an earlier run of this module returned for the same batches, or the JSON report of the role
        P(iotfleet.ota.rollout_gate#role). Its deadline, confirmations, soak and idle times go on.
      - Without it, each run begins anew with O(wait_timeout), O(start_grace) and O(confirmations), so that a single
        look can settle something only with O(confirmations=1).
      - What was seen with other options, of another service or for another O(module_name) confirms nothing.
    type: dict
  mode:
    description:
      - With V(enforce), the task fails unless the verdict is V(passed), or is not final without O(wait).
      - With V(report), no verdict makes it fail.
    type: str
    choices:
      - enforce
      - report
    default: enforce
seealso:
  - plugin: iotfleet.ota.rollout_verdict
    plugin_type: filter
    description: The same verdict for a playbook that loops itself.
  - module: iotfleet.ota.ota_job_info
  - module: iotfleet.ota.ota_job_tasks_info
  - module: iotfleet.ota.ota_module_versions_info
"""

EXAMPLES = r"""
- name: Go on only if all devices of the canary succeeded within half an hour
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    dest_version: 2.0.0
    wait_timeout: 1800

- name: Gate a fleet in which 2 % may fail and 5 % may be offline
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020002
    dest_version: 2.0.0
    max_failed_percent: 2
    min_executed: 50
    max_pending_percent: 5
    wait_timeout: 14400
    soak: 600

- name: Judge exactly these devices
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020001
    product_key: a19mzPZ0001
    expected_devices: "{{ groups['canary'] }}"
    mode: report
  register: canary

- name: Tell who is late
  ansible.builtin.debug:
    msg: "{{ canary.laggards | map(attribute='device_name') | list }}"
  when: canary.verdict == 'timed_out'

- name: Look once, in a job that is scheduled every hour, at a rollout of three days
  iotfleet.ota.ota_rollout_gate:
    job_id: HvKuBpuk3rdk6E92CPQN020002
    wait: false
    wait_timeout: 259200
    previous: "{{ earlier | default(omit) }}"
  register: fleet
"""

RETURN = r"""
verdict:
  description:
    - V(passed), with evidence for each device that counts.
    - V(failed), because more failed than may, not enough can succeed any more, or it is not the batch that was meant.
    - V(pending), because it is not settled yet. Only without O(wait).
    - V(timed_out), because it was not settled in time.
    - V(inconclusive), because what would be needed cannot be learned.
  type: str
  returned: always, unless an option cannot be used
  sample: failed
final:
  description: Whether further looks would not change the verdict, or are not allowed.
  type: bool
  returned: always, unless an option cannot be used
  sample: true
reasons:
  description: Why, the deciding reason first.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  contains:
    code:
      description:
        - What the reason is, as a word. For V(passed) C(proved). For V(failed) C(wrong_job), C(too_many_failures),
          C(success_out_of_reach), C(too_few_devices) or C(batch_canceled). For V(timed_out) C(deadline). For
          V(inconclusive) C(api_error), C(too_many_errors), C(incomplete), C(unknown_job), C(dynamic_batch),
          C(too_large) or C(nothing_to_judge).
        - For V(pending) C(starting), C(unfinished), C(still_open), C(unproved), C(confirming), C(soaking), C(unread) or
          C(error).
      type: str
      returned: always
      sample: too_many_failures
    sentence:
      description: The reason in words, for people.
      type: str
      returned: always
      sample: 3 of 12 devices failed (2 download, 1 timeout), and no more than 1 may
    count:
      description: How many devices it is about; V(null) if it is not about devices.
      type: int
      returned: always
      sample: 3
    devices:
      description: The names of up to ten of them.
      type: list
      elements: str
      returned: always
      sample: [light3, light7, light9]
denominator:
  description: How many devices count, which is what shares are taken of.
  type: int
  returned: always, unless an option cannot be used
  sample: 12
counts:
  description: How many of them are in which state, as far as is known.
  type: dict
  returned: always, unless an option cannot be used
  contains:
    succeeded:
      description: Succeeded, and not known to be on another version.
      type: int
      returned: always
      sample: 9
    verified:
      description: Those of them whose version was read by the last look, and is the new one.
      type: int
      returned: always
      sample: 0
    failed:
      description: Failed, canceled, on another version after success, or without a task in a finished batch.
      type: int
      returned: always
      sample: 3
    pending:
      description: Unfinished, waited for, or without proof.
      type: int
      returned: always
      sample: 0
    executed:
      description: Succeeded or failed.
      type: int
      returned: always
      sample: 12
    canceled:
      description: Canceled, and left out of the count because of O(accept_canceled).
      type: int
      returned: always
      sample: 0
by_status:
  description: The tasks of all batches by their state, as the service has them.
  type: dict
  returned: always, unless an option cannot be used
  sample: {"CONFIRM": 0, "QUEUED": 0, "NOTIFIED": 0, "IN_PROGRESS": 0, "SUCCEEDED": 9, "FAILED": 3, "CANCELED": 0}
classes:
  description:
    - The devices that failed and that are pending, by class.
    - The class of a failed device is one of those of RV(iotfleet.ota.ota_job_tasks_info#module:tasks[].failure_class),
      or V(busy) with another batch, V(wrong_version), V(canceled), V(no_task), or V(not_read).
    - A pending device is V(planned) for later, V(awaiting_confirmation), V(rate_limited) by C(MaximumPerMinute),
      V(offline), V(notified), V(silent) for ten minutes after that, V(in_progress), V(stalled) for ten minutes,
      V(no_task) yet, V(unproved) because it does not report its version, V(unknown), or V(moving) from one state to
      another while it was counted.
    - The service does not tell why a device is not reached. It is called V(offline) when neither a plan nor a limit of
      the batch explains it.
  type: dict
  returned: always, unless an option cannot be used
  contains:
    failed:
      description: How many of the failed devices are in which class.
      type: dict
      returned: always
      sample: {"download": 2, "timeout": 1}
    pending:
      description: How many of the pending devices are in which class.
      type: dict
      returned: always
      sample: {}
jobs:
  description: The batches, in the order of O(job_ids), as RV(iotfleet.ota.ota_job_info#module:jobs) has them.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  sample: [{"job_id": "HvKuBpuk3rdk6E92CPQN020001", "found": true, "job_status": "COMPLETED", "dest_version": "2.0.0"}]
failures:
  description:
    - Up to 1,000 of the devices that failed, up to 100 if the task fails. Of a batch with more than 700 tasks, those of
      which the task was read.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  contains: &device
    product_key:
      description: The key of the device's product.
      type: str
      returned: always
      sample: a19mzPZ0001
    device_name:
      description: The device's name.
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
        - The class, as in RV(classes). V(already_on_target) for one that succeeded without a task, V(null) for any
          other that succeeded.
      type: str
      returned: always
      sample: download
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
      description: The version that the device reports; V(null) if it was not read.
      type: str
      returned: always
      sample: 1.0.0
    detail:
      description: What the service or the device says of the task.
      type: str
      returned: always
      sample: "-2: the download failed"
    busy_with:
      description: The other batch for which the device has an open task, as far as that was asked.
      type: str
      returned: always
      sample:
    since:
      description: Since when the task is as it is, in UTC; V(null) if that is not known.
      type: str
      returned: always
      sample: "2026-03-01T10:12:44Z"
    idle_seconds:
      description: How long that is, in seconds.
      type: float
      returned: always
      sample: 251.0
laggards:
  description: As many of the devices that are pending, those that have not moved for longest first.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  contains: *device
devices:
  description:
    - All devices that count, if they are 1,000 at most and each was read. Empty otherwise, and if the task fails,
      because Ansible prints all that such a task returns.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  contains: *device
polls:
  description: The course of the rollout, an entry for the first look, each change, and the last look, 1,000 at most.
  type: list
  elements: dict
  returned: always, unless an option cannot be used
  contains:
    seconds:
      description: When, in seconds since the first look.
      type: float
      returned: always
      sample: 15.3
    succeeded:
      description: How many devices had succeeded.
      type: int
      returned: always
      sample: 4
    failed:
      description: How many had failed.
      type: int
      returned: always
      sample: 0
    pending:
      description: How many were pending.
      type: int
      returned: always
      sample: 8
notes:
  description:
    - What was said at the start, the clocks that apply, and a warning if the time may be too short.
  type: list
  elements: str
  returned: always, unless an option cannot be used
  sample: ["the rollout must be settled by 2026-03-01T10:40:02Z"]
started:
  description: When the first look was taken, in UTC.
  type: str
  returned: always, unless an option cannot be used
  sample: "2026-03-01T10:10:02Z"
ended:
  description: When the last look was taken, in UTC.
  type: str
  returned: always, unless an option cannot be used
  sample: "2026-03-01T10:17:02Z"
deadline:
  description: When the rollout must be settled, in UTC.
  type: str
  returned: always, unless an option cannot be used
  sample: "2026-03-01T10:40:02Z"
elapsed:
  description: The seconds from the first look to the last one.
  type: float
  returned: always, unless an option cannot be used
  sample: 420.0
looks:
  description: How many looks were taken, with those of O(previous).
  type: int
  returned: always, unless an option cannot be used
  sample: 29
policy:
  description: What the verdict was decided by, the options of the judgement with their defaults.
  type: dict
  returned: always, unless an option cannot be used
  sample: {"min_executed": 1, "confirmations": 2}
history:
  description: What O(previous) needs. Its content may change with any version.
  type: dict
  returned: always, unless an option cannot be used
msg:
  description: The verdict in one sentence.
  type: str
  returned: always
  sample: "job HvKuBpuk3rdk6E92CPQN020001: failed: 2 of 5 devices failed (2 download), and none may; 7 min of 30 min."
failure:
  description: What went wrong, where an option cannot be used, or the verdict comes from an error.
  type: dict
  returned: if an option cannot be used, or the last look failed
  contains:
    code:
      description: The service's code, or one of this collection in lower case.
      type: str
      returned: always
      sample: Throttling.User
    message:
      description: The service's message, or the cause in this collection's words.
      type: str
      returned: always
      sample: Request was denied due to user flow control.
    request_id:
      description: The ID by which the vendor's support finds the request; V(null) where the service gave none.
      type: str
      returned: always
      sample: 5D58AC86-D5BF-4B39-834E-913E7F2C985D
    http_status:
      description: The HTTP status; V(null) where there was no answer.
      type: int
      returned: always
      sample: 400
    action:
      description: The operation that was asked; V(null) where none was.
      type: str
      returned: always
      sample: ListOTATaskByJob
    attempts:
      description: How often it was asked.
      type: int
      returned: always
      sample: 6
    hint:
      description: What to do about it.
      type: str
      returned: always
      sample: lower max_qps or ask again later, because all users of an account share its quota
    credentials_source:
      description:
        - The kind of source that the credentials came from, or were to come from, in the words of
          O(credentials_source). Never a part of them.
        - V(null) where it did not come to that, and where nothing was configured.
      type: str
      returned: always
      sample: environment
"""
