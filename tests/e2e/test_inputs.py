# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users and the surveys of AWX give to the roles and the playbook: nothing, text, and what YAML makes of text."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Run, run_play, simulator

KEY = {"id": "gate-id", "secret": "gate-secret-that-nobody-sees"}
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "fw-1", "product_key": "a1lamp", "src_version": "1.0.0", "dest_version": "2.10"}],
    "jobs": [{"job_id": "1001", "firmware_id": "fw-1", "created_before": 3600, "devices": ["good-1", "good-2"]}],
}
#: What a test must say, and nothing else.
NEEDED = {
    "rollout_gate": {"rollout_gate_job_ids": "1001"},
    "rollout_preflight": {"rollout_preflight_job_id": "1001"},
    "simulator": {},
}
#: Each way to give nothing. A template that ends with omit is one too.
NOTHING = {"empty": "", "null": None, "omit": "{{ nothing | default(omit) }}"}


def options_of(role: str) -> dict[str, dict[str, Any]]:
    """The options of a role."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return specs["argument_specs"]["main"]["options"]


#: The connection variables of the playbook.
CONNECTION = sorted(
    set(re.findall(r"{{ (rollout_gate_\w+) if", (ROOT / "playbooks" / "rollout_gate.yml").read_text(encoding="utf-8")))
)


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("simulator"), SCENARIO) as running:
        yield running.url


def include(role: str, variables: dict[str, Any]) -> dict[str, Any]:
    return {
        "ansible.builtin.include_role": {"name": f"iotfleet.ota.{role}"},
        "vars": variables,
        "ignore_errors": False,
    }


def run_tasks(folder: pathlib.Path, url: str, *tasks: dict[str, Any]) -> Run:
    connection = {"endpoint": url, "access_key_id": KEY["id"], "access_key_secret": "{{ secret }}", "max_qps": 0}
    return run_play(folder, tasks, defaults=connection, variables={"secret": KEY["secret"]})


def shown(expression: str) -> dict[str, Any]:
    """Show the value of an expression, in JSON."""
    return {"ansible.builtin.debug": {"msg": "SHOWN {{ (" + expression + ") | to_json }} END"}}


def values(run: Run) -> list[Any]:
    """What was shown."""
    return [json.loads(json.loads(f'"{text}"')) for text in re.findall(r'"msg": "SHOWN (.*) END"\n', run.output)]


def caught(role: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Run the role, and show why it fails."""
    task = {key: value for key, value in include(role, variables).items() if key != "ignore_errors"}
    return {"block": [task], "rescue": [shown("ansible_failed_result.msg")], "ignore_errors": False}


# --- Nothing ---------------------------------------------------------------------------------------------------------


def test_roles_take_nothing_for_not_given(tmp_path, url):
    tasks = [include("rollout_gate", NEEDED["rollout_gate"]), shown("rollout_gate_result.policy")]
    for nothing in NOTHING.values():
        given = {role: {**dict.fromkeys(options_of(role), nothing), **needed} for role, needed in NEEDED.items()}
        tasks += [
            include("rollout_gate", given["rollout_gate"]),
            shown("rollout_gate_result.policy"),
            include("rollout_preflight", given["rollout_preflight"]),
            include("simulator", given["simulator"]),
            include("simulator", {**given["simulator"], "simulator_state": "stopped"}),
            shown("[rollout_preflight_result.ok, simulator_url is match('http://127.0.0.1:'), simulator_runs]"),
        ]
    run = run_tasks(tmp_path, url, *tasks)
    assert run.code == 0, run.output
    policy, *others = values(run)
    assert others == [policy, [True, True, []]] * len(NOTHING)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["play.yml", "results.json", "variables.json"]


def test_required_answer_that_is_empty_is_refused(tmp_path, url):
    gate, preflight = (
        caught("rollout_gate", {"rollout_gate_job_ids": ""}),
        caught("rollout_preflight", {"rollout_preflight_job_id": ""}),
    )
    first, second = values(run_tasks(tmp_path, url, gate, preflight))
    assert first == (
        "rollout_gate_job_ids names no batch; give the IDs of the batches that make up the rollout, or find them with"
        " rollout_gate_find_product_key and rollout_gate_find_dest_version."
    )
    assert "neither job_id nor product_key with device_names is given" in second


# --- Text ------------------------------------------------------------------------------------------------------------

#: Text for each option whose text is not its default, and what the policy then says.
TEXTS = {
    "min_devices": ("2", 2),
    "min_succeeded_percent": ("50.5", 50.5),
    "max_failed": ("1", 1),
    "max_failed_percent": ("2", 2.0),
    "min_executed": ("2", 2),
    "max_pending": (" 1 ", 1),
    "max_pending_percent": ("2.5", 2.5),
    "ignore_canceled": ("yes", True),
    "ignore_vanished": ("true", True),
    "allow_empty": ("on", True),
    "soak": ("0.5", 0.5),
    "confirmations": ("1", 1),
    "max_consecutive_errors": ("3", 3),
    "start_grace": ("0", 0.0),
    "wait_timeout": ("60", 60.0),
    "expected_product_key": ("a1lamp", "a1lamp"),
    "expected_firmware_id": ("fw-1", "fw-1"),
    "expected_version": ("2.10", "2.10"),
    "expected_job_type": ("UPGRADE_FIRMWARE", "UPGRADE_FIRMWARE"),
}
VERSIONS = {
    "verify_versions": ("true", "verify", True),
    "module_name": ("default", "module_name", "default"),
    "versions_match": ("ignore_build", "match", "ignore_build"),
    "versions_grace": ("7", "grace", 7.0),
    "versions_source": ("details", "source", "details"),
}
OTHERS = {
    "wait": "true",
    "wait_interval": "0.5",
    "look_timeout": "9",
    "mode": "enforce",
    "title": "2.10",
    "events_file": "events.jsonl",
    "report_dir": " reports\r\n",
    "report_name": " 2.10 ",
    "formats": "json\nmarkdown",
    "previous": " reports/2.10.json ",
    "cancel_on": "failed, timed_out",
    "cancel_states": "queued\nnotified",
    "cancel_strategy": "no",
}
LISTS = ("job_ids", "expected_devices", "on_verdict", "links")


def test_each_typed_option_of_the_gate_takes_text(tmp_path, url):
    names = {name.removeprefix("rollout_gate_") for name in options_of("rollout_gate")}
    assert {*TEXTS, *VERSIONS, *OTHERS, *LISTS} == {name for name in names if not name.startswith("find_")}
    given = {name: text for name, (text, _value) in TEXTS.items()}
    given |= {name: text for name, (text, _option, _value) in VERSIONS.items()} | OTHERS | {"job_ids": "1001,\r\n1001"}
    variables = {f"rollout_gate_{name}": text for name, text in given.items()}
    run = run_tasks(tmp_path, url, include("rollout_gate", variables))
    assert run.code == 0, run.output
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["2.10.json", "2.10.md"]
    report = json.loads((tmp_path / "reports" / "2.10.json").read_text(encoding="utf-8"))
    assert (report["title"], report["verdict"]) == ("2.10", "passed")
    assert '"title": "2.10"' in (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    assert {name: report["policy"][name] for name in TEXTS} == {name: value for name, (_text, value) in TEXTS.items()}
    assert {option: report["policy"]["versions"][option] for _text, option, _value in VERSIONS.values()} == {
        option: value for _text, option, value in VERSIONS.values()
    }


def test_typed_options_of_the_simulator_take_text(tmp_path, url):
    text = {"qps": "50", "latency_ms": "0", "time_scale": "2.5", "idle_exit": "600", "dialect": "tuya"}
    run = run_tasks(
        tmp_path,
        url,
        include("simulator", {f"simulator_{name}": value for name, value in text.items()}),
        include("simulator", {"simulator_state": "stopped", "simulator_stop_url": ""}),
    )
    assert run.code == 0, run.output


DATE = date(2024, 1, 1)
NOT_TEXT = [
    ("rollout_gate_expected_devices", 5349, "number 5349"),  # 0012345, an octal number in YAML
    ("rollout_gate_expected_devices", True, "boolean true"),  # a device named on
    ("rollout_gate_expected_devices", DATE, "date 2024-01-01"),
    ("rollout_gate_expected_version", DATE, "date 2024-01-01"),
    ("rollout_gate_expected_version", 2.10, "number 2.1"),
    ("rollout_gate_module_name", False, "boolean false"),
    ("rollout_preflight_device_names", 5349, "number 5349"),
    ("rollout_preflight_expected_version", DATE, "date 2024-01-01"),
    ("rollout_preflight_job_id", True, "boolean true"),
]


def test_what_yaml_has_made_of_text_is_refused_at_once(tmp_path, url):
    tasks = []
    for name, value, _shown in NOT_TEXT:
        role = "rollout_gate" if name.startswith("rollout_gate") else "rollout_preflight"
        tasks.append(caught(role, {**NEEDED[role], name: value}))
    ends = ", and YAML may have changed what was written; write it in quotes."
    assert values(run_tasks(tmp_path, url, *tasks)) == [
        f"{name} is the {kind}{ends}" for name, _value, kind in NOT_TEXT
    ]


def test_answers_of_a_survey_are_read_as_awx_sends_them(tmp_path, url):
    """As extra variables in YAML, each marked unsafe; from ansible-core 2.19 on, YAML makes numbers of some."""
    answers = "rollout_gate_job_ids: !unsafe '1001'\nrollout_gate_expected_devices: !unsafe '0012345'\n"
    (tmp_path / "answers.yml").write_text(answers + "".join(f"{name}: !unsafe ''\n" for name in CONNECTION))
    task = caught("rollout_gate", {"rollout_gate_wait_timeout": 5})
    connection = {"endpoint": url, "access_key_id": KEY["id"], "access_key_secret": "{{ secret }}"}
    run = run_play(tmp_path, [task], "-e", "@answers.yml", defaults=connection, variables={"secret": KEY["secret"]})
    (said,) = values(run)
    read_as_text = "0012345" in said
    assert read_as_text or said.startswith("rollout_gate_expected_devices is the number 5349, and YAML may")


#: The same names as text: a list in JSON, which escapes some characters, and one that a person has written.
NAMES = ["客厅 1", "good-1"]
LISTS_AS_TEXT = (f" {json.dumps(NAMES, indent=1)}\r\n", '["客厅 1", good-1,]')


def test_lists_of_names_are_read_as_json_too(tmp_path, url):
    tasks = []
    for text in LISTS_AS_TEXT:
        gate = {**NEEDED["rollout_gate"], "rollout_gate_expected_devices": text, "rollout_gate_wait": False}
        devices = {"rollout_preflight_product_key": "a1lamp", "rollout_preflight_device_names": text}
        tasks += [
            include("rollout_gate", gate),
            shown("rollout_gate_result.policy.expected_devices"),
            caught("rollout_preflight", devices),
        ]
    said = values(run_tasks(tmp_path, url, *tasks))
    assert said[::2] == [NAMES] * len(LISTS_AS_TEXT)
    assert ["客厅 1" in message and "good-1" not in message for message in said[1::2]] == [True] * len(LISTS_AS_TEXT)


NO_NUMBERS = [
    ("max_failed", "2%", "max_failed is 2%; give a number"),
    ("min_devices", "1.5", "min_devices is 1.5; give a whole number"),
    ("soak", "1h", "soak is 1h; give a number"),
    ("max_failed_percent", "2,5", "max_failed_percent is 2,5; give a number"),
    ("wait_interval", "soon", "wait_interval is soon; give a number"),
    ("versions_grace", "x", "versions.grace is x; give a number"),
]


def test_text_that_is_no_number_is_quoted(tmp_path, url):
    tasks = [
        caught("rollout_gate", {**NEEDED["rollout_gate"], f"rollout_gate_{option}": text})
        for option, text, _message in [*NO_NUMBERS, ("allow_empty", "maybe", "")]
    ]
    run = run_tasks(tmp_path, url, *tasks)
    *said, switch = values(run)
    assert said == [f"No request was sent: {message}." for _option, _text, message in NO_NUMBERS]
    assert "'maybe' is not a valid boolean" in switch
    assert "_Ansible" not in run.output
