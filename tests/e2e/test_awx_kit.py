# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kit for AWX: its credential types by AWX's own code, its set-up by AWX's own collection, and its surveys."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2.sandbox
import jsonschema
import pytest
import trustme
import yaml

from .awx_jobs import ARTIFACTS, FAST, KIT, answered, read_kit, run_job
from .conftest import REHEARSAL, ROOT, Simulator, execute, needs, simulator
from .fake_awx import TOKEN, FakeAwx, checked_survey, fake_awx

TYPES = ("alibaba_cloud_ota", "tuya_ota")
SURVEYS = {"gate": "rollout_gate", "preflight": "rollout_preflight"}
CHOICES = {
    "rollout_gate_verify_versions": ["true", "false"],
    "rollout_gate_mode": ["enforce", "report"],
    "rollout_gate_cancel_on": ["failed", "failed, timed_out"],
}
SECRET, SECURITY_TOKEN = "canary-secret-+/=", "canary-token-+/="
CANARY = "183415776190000002"
#: The answers of a gate that finds its batch.
FOUND = {
    "rollout_gate_find_product_key": "a1simlamp01",
    "rollout_gate_find_created_after": "2026-01-01T00:00:00Z",
    "rollout_gate_find_tags": "stage=canary",
}
TUYA = {
    "dialect": "tuya",
    "access_keys": [{"id": "tuya-id", "secret": SECRET}],
    "firmwares": [{"firmware_id": "167001", "product_key": "k1", "module_name": "ble", "dest_version": "3.9.0"}],
    "jobs": [
        {
            "job_id": "183634077920000001",
            "firmware_id": "167001",
            "created_before": 3600,
            "devices": ["bulb-1", {"name": "bulb-3", "course": "fails", "step": -2}],
        }
    ],
}


# --- Credential types ------------------------------------------------------------------------------------------------

NAME = "^[a-zA-Z_]+[a-zA-Z0-9_]*$"


def closed(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def mapping(keys: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {keys: value}, "additionalProperties": False}


TEXT, YES = {"type": "string"}, {"type": "boolean"}
#: What AWX takes as a custom credential type.
CREDENTIAL_TYPE = closed(
    {
        "name": TEXT,
        "description": TEXT,
        "kind": {"enum": ["cloud", "net"]},
        "inputs": closed(
            {
                "required": {"type": "array", "items": TEXT},
                "fields": {
                    "type": "array",
                    "items": closed(
                        {
                            "id": {**TEXT, "pattern": NAME},
                            "label": TEXT,
                            "type": {"const": "string"},
                            "format": {"enum": ["ssh_private_key", "url"]},
                            "help_text": TEXT,
                            "multiline": YES,
                            "secret": YES,
                        },
                        required=["id", "label", "type"],
                    ),
                },
            },
        ),
        "injectors": closed(
            {
                "env": mapping(NAME, {**TEXT, "pattern": "^[\\x00-\\x7F]*$"}),
                "file": mapping(r"^template(\.[a-zA-Z_]+[a-zA-Z0-9_]*)?$", TEXT),
                "extra_vars": mapping(NAME, TEXT),
            }
        ),
    },
    required=["name", "description", "kind", "inputs", "injectors"],
)


@pytest.mark.parametrize("name", TYPES)
def test_credential_types_are_what_awx_takes(name):
    kind = read_kit(f"credential_types/{name}.yml")
    jsonschema.Draft202012Validator(CREDENTIAL_TYPE).validate(kind)
    fields = [field["id"] for field in kind["inputs"]["fields"]]
    assert len(fields) == len(set(fields))
    assert set(kind["inputs"]["required"]) <= set(fields)
    # AWX fills each injector in, with all fields given, and refuses what is not defined.
    sandbox = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    given = {**dict.fromkeys(fields, "EXAMPLE"), "tower": {"filename": {"ca": "EXAMPLE"}}}
    filled = {
        key: sandbox.from_string(template).render(given)
        for injectors in kind["injectors"].values()
        for key, template in injectors.items()
    }
    assert set(filled.values()) == {"EXAMPLE", name.split("_")[0]}
    # An optional field must take the empty text that a form sends; AWX refuses it as a URL.
    optional = [field for field in kind["inputs"]["fields"] if field["id"] not in kind["inputs"]["required"]]
    assert not [field["id"] for field in optional if "format" in field]
    secret = {field["id"] for field in kind["inputs"]["fields"] if field.get("secret")}
    assert secret == {"access_key_secret", "security_token"} & set(fields)


@pytest.mark.parametrize("name", TYPES)
def test_credential_types_set_what_the_options_read(name):
    """No variable is misspelt: each is documented where the options are."""
    fragments = "".join(path.read_text() for path in (ROOT / "plugins" / "doc_fragments").glob("*.py"))
    injectors = read_kit(f"credential_types/{name}.yml")["injectors"]
    documented = set(re.findall(r"E\((\w+)\)", fragments))
    assert set(injectors["env"]) <= documented
    playbook = (ROOT / "playbooks" / "rollout_gate.yml").read_text()
    assert all(f"{{{{ {variable} if" in playbook for variable in injectors["extra_vars"])


@pytest.fixture
def inject(monkeypatch):
    """AWX's own code that turns a credential into environment, files and arguments, without the path in a container."""
    if sys.version_info < (3, 11):
        pytest.skip("awx-plugins-interfaces needs Python 3.11")
    from awx_plugins.interfaces import _temporary_private_api as types
    from awx_plugins.interfaces import _temporary_private_inject_api as api

    monkeypatch.setattr(api, "get_incontainer_path", lambda path, *_folder, **_root: str(path))

    def run(
        folder: pathlib.Path, name: str, inputs: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str], list[str]]:
        kind = read_kit(f"credential_types/{name}.yml")
        known = {field.name for field in dataclasses.fields(types.ManagedCredentialType)}
        managed = types.ManagedCredentialType(
            namespace="ota", **{key: value for key, value in kind.items() if key in known}
        )
        (folder / "env").mkdir(parents=True)
        env: dict[str, str] = {}
        shown: dict[str, str] = {}
        arguments: list[str] = []
        api.inject_credential(managed, types.Credential(dict(inputs)), env, shown, arguments, str(folder))
        return env, shown, arguments

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Iterator[Simulator]:
    """Alibaba's dialect, with two keys, one of them temporary, and no instance."""
    keys = [{"id": "plain-id", "secret": SECRET}, {"id": "sts-id", "secret": SECRET, "security_token": SECURITY_TOKEN}]
    with simulator(tmp_path_factory.mktemp("place"), {**REHEARSAL, "access_keys": keys}) as running:
        yield running


@pytest.fixture(scope="module")
def instance(tmp_path_factory) -> Iterator[tuple[Simulator, str]]:
    """An instance of Alibaba's behind https, whose certificate only its own authority vouches for."""
    folder = tmp_path_factory.mktemp("instance")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    tls = ("--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.pem"))
    keys = [{"id": "sts-id", "secret": SECRET, "security_token": SECURITY_TOKEN}]
    with simulator(folder, {**REHEARSAL, "instance_id": "iot-1", "access_keys": keys}, *tls) as running:
        yield running, authority.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def tuya(tmp_path_factory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("tuya"), TUYA) as running:
        yield running


def test_a_full_credential_reaches_the_gate(tmp_path, instance, inject):
    running, certificate = instance
    inputs = {
        "access_key_id": "sts-id",
        "access_key_secret": SECRET,
        "security_token": SECURITY_TOKEN,
        "region": "eu-central-1",
        "iot_instance_id": "iot-1",
        "endpoint": running.url,
        "ca_certificate": certificate,
    }
    env, shown, arguments = inject(tmp_path, "alibaba_cloud_ota", inputs)
    assert (shown["ALIBABA_CLOUD_ACCESS_KEY_SECRET"], shown["ALIBABA_CLOUD_SECURITY_TOKEN"]) == ("*" * 10,) * 2
    survey = {"rollout_gate_job_ids": CANARY, "rollout_gate_expected_version": "1.2.0", "rollout_gate_min_devices": 5}
    job = run_job(tmp_path, "gate.yml", {**survey, **FAST}, env, arguments=[*arguments, "-vvvv"])
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), job.stdout
    assert job.artifacts["rollout_gate_counts"]["verified"] == 5
    assert not [secret for secret in (SECRET, SECURITY_TOKEN) if secret in job.everything(tmp_path)]
    # The certificate is what let it in.
    without = run_job(
        tmp_path / "without", "gate.yml", {**survey, **FAST, "rollout_gate_max_consecutive_errors": 0}, env
    )
    assert (without.status, without.artifacts["rollout_gate_verdict"]) == ("failed", "inconclusive")
    assert "certificate" in without.artifacts["rollout_gate_message"]


@pytest.mark.parametrize(
    "left_out", [{}, dict.fromkeys(["security_token", "region", "iot_instance_id", "ca_certificate"], "")]
)
def test_a_credential_with_the_least_reaches_the_gate(tmp_path, place, inject, left_out):
    """Whether a form leaves a field out or sends it empty."""
    inputs = {"access_key_id": "plain-id", "access_key_secret": SECRET, "endpoint": place.url, **left_out}
    env, _shown, arguments = inject(tmp_path, "alibaba_cloud_ota", inputs)
    empty = ["ALIBABA_CLOUD_SECURITY_TOKEN", "ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_IOT_INSTANCE_ID"]
    assert [env[name] for name in empty] == ["", "", ""]
    survey = answered(read_kit("surveys/gate.yml"), {"rollout_gate_job_ids": CANARY, "rollout_gate_min_devices": 5})
    job = run_job(tmp_path, "gate.yml", {**survey, **FAST}, env, arguments=arguments)
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), job.stdout
    assert SECRET not in job.everything(tmp_path)


def test_the_answers_that_find_a_batch_reach_the_gate(tmp_path, place):
    credential = {
        "OTA_ENDPOINT": place.url,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "plain-id",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
    }
    answers = {**FOUND, "rollout_gate_expected_version": "1.2.0", "rollout_gate_min_devices": 5}
    survey = answered(read_kit("surveys/gate.yml"), answers)
    job = run_job(tmp_path, "gate.yml", {**survey, **FAST}, credential)
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), job.stdout
    assert f"found batch {CANARY} " in job.stdout
    # Without the version, there is nothing to find.
    without = run_job(
        tmp_path / "without", "gate.yml", {**survey, **FAST, "rollout_gate_expected_version": ""}, credential
    )
    assert (without.status, without.artifacts["rollout_gate_reasons"]) == ("failed", ["not_judged"])
    assert "dest_version" in without.artifacts["rollout_gate_message"]


def test_a_credential_of_tuya_reaches_the_gate(tmp_path, tuya, inject):
    inputs = {"access_key_id": "tuya-id", "access_key_secret": SECRET, "endpoint": tuya.url}
    env, shown, arguments = inject(tmp_path, "tuya_ota", inputs)
    assert shown["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] == "*" * 10
    survey = {"rollout_gate_job_ids": TUYA["jobs"][0]["job_id"], "rollout_gate_module_name": "ble"}
    job = run_job(tmp_path, "gate.yml", {**survey, **FAST}, env, arguments=[*arguments, "-vvvv"])
    assert (job.status, job.artifacts["rollout_gate_verdict"]) == ("failed", "failed"), job.stdout
    assert "Failed: bulb-3 (download)." in job.stdout
    assert SECRET not in job.everything(tmp_path)


def test_the_preflight_takes_the_credential_and_its_survey(tmp_path, instance, inject):
    running, certificate = instance
    inputs = {"access_key_id": "sts-id", "access_key_secret": SECRET, "security_token": SECURITY_TOKEN}
    more = {"iot_instance_id": "iot-1", "endpoint": running.url, "ca_certificate": certificate}
    env, _shown, arguments = inject(tmp_path, "alibaba_cloud_ota", {**inputs, **more})
    survey = answered(read_kit("surveys/preflight.yml"), {"rollout_preflight_job_id": CANARY})
    job = run_job(tmp_path, "preflight.yml", survey, env, arguments=arguments)
    assert (job.status, job.artifacts["rollout_preflight_ok"]) == ("successful", True), job.stdout


# --- Surveys ---------------------------------------------------------------------------------------------------------


def options_of(role: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"][
        "main"
    ]["options"]


@pytest.mark.parametrize("name", [path.stem for path in (KIT / "surveys").glob("*.yml")])
def test_surveys_are_what_awx_takes(name):
    checked_survey(read_kit(f"surveys/{name}.yml"))


@pytest.mark.parametrize(("name", "role"), SURVEYS.items())
def test_surveys_ask_for_variables_of_the_role(name, role):
    options = options_of(role)
    fitting = {"str": ["text"], "raw": ["text", "textarea", "integer", "float", "multiplechoice"]}
    for question in read_kit(f"surveys/{name}.yml")["spec"]:
        option = options[question["variable"]]
        assert question["type"] in fitting[option["type"]]
        if question["type"] == "multiplechoice":
            assert question["choices"] == CHOICES[question["variable"]]
        # A question that must be answered has the default of the option, or there is none.
        if question["required"] and "default" in question:
            assert str(question["default"]).lower() == str(option["default"]).lower()
        elif question["required"]:
            assert option.get("required") is True


def test_the_workflow_and_the_fleet_ask_for_what_their_playbooks_take():
    surveys = [read_kit(f"surveys/{name}.yml")["spec"] for name in ("rollout", "fleet")]
    asked = {question["variable"] for survey in surveys for question in survey}
    playbooks = "".join((KIT / "project" / f"{name}.yml").read_text() for name in ("canary", "fleet"))
    own = {name for name in asked if not name.startswith("rollout_gate_")}
    assert all(re.search(rf"\b{name}\b", playbooks) for name in own)
    # What the workflow asks reaches both gates and wins over everything.
    assert asked - own == {"rollout_gate_expected_version"}
    assert asked - own <= set(options_of("rollout_gate"))


@pytest.mark.parametrize("stage", ["canary", "fleet"])
def test_playbooks_of_the_project_set_options_of_the_gate(stage):
    (play,) = read_kit(f"project/{stage}.yml")
    assert play["import_playbook"] == "iotfleet.ota.rollout_gate"
    assert set(play["vars"]) <= set(options_of("rollout_gate"))


def test_all_answers_and_none_reach_the_gate(tmp_path, place):
    credential = {
        "OTA_ENDPOINT": place.url,
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "plain-id",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET,
    }
    survey = read_kit("surveys/gate.yml")
    devices = "\n".join(f"lamp-canary-{number}" for number in range(1, 6))
    given = {
        "rollout_gate_job_ids": f"{CANARY}\n",
        "rollout_gate_expected_version": "1.2.0",
        "rollout_gate_expected_devices": devices,
        "rollout_gate_max_failed_percent": 2.5,
        "rollout_gate_min_executed": 3,
        "rollout_gate_max_pending_percent": 20.0,
        "rollout_gate_wait_timeout": 60,
        "rollout_gate_soak": 1,
        "rollout_gate_verify_versions": "true",
        "rollout_gate_module_name": "default",
        "rollout_gate_mode": "enforce",
        "rollout_gate_cancel_on": "failed, timed_out",
        "rollout_gate_report_dir": str(tmp_path / "reports"),
    }
    unanswered = {question["variable"]: question.get("default") for question in survey["spec"]}
    assert unanswered["rollout_gate_report_dir"] == "reports"
    others = {"rollout_gate_min_devices", *FOUND}
    assert set(given) == {question["variable"] for question in survey["spec"]} - others
    full = run_job(tmp_path / "full", "gate.yml", {**answered(survey, given), **FAST}, credential)
    assert (full.status, full.artifacts["rollout_gate_verdict"]) == ("successful", "passed"), full.stdout
    report = json.loads((tmp_path / "reports" / "rollout-gate.json").read_text(encoding="utf-8"))
    policy = {f"rollout_gate_{name}": value for name, value in report["policy"].items()}
    policy["rollout_gate_verify_versions"] = report["policy"]["versions"]["verify"]
    policy["rollout_gate_module_name"] = report["policy"]["versions"]["module_name"]
    asked = {**given, "rollout_gate_expected_devices": devices.split(), "rollout_gate_verify_versions": True}
    assert policy == {**policy, **{name: value for name, value in asked.items() if name in policy}}
    # Every question left empty, as text, even where AWX would leave the variable out.
    blank = dict.fromkeys((question["variable"] for question in survey["spec"]), "")
    none = run_job(tmp_path / "none", "gate.yml", {**blank, "rollout_gate_job_ids": CANARY, **FAST}, credential)
    assert none.artifacts["rollout_gate_verdict"] == "passed", none.stdout
    nothing = run_job(tmp_path / "nothing", "gate.yml", blank, credential)
    assert nothing.status == "failed"
    assert nothing.artifacts["rollout_gate_reasons"] == ["not_judged"]
    assert "job_ids" in nothing.artifacts["rollout_gate_message"]


# --- Set-up ----------------------------------------------------------------------------------------------------------


def set_up(
    folder: pathlib.Path,
    awx: FakeAwx,
    collections: str,
    variables: Mapping[str, Any],
    *options: str,
    playbook: pathlib.Path = KIT / "setup.yml",
) -> dict[str, int]:
    """Run a playbook that sets AWX up; how many tasks ended in which way."""
    (folder / "variables.json").write_text(json.dumps(dict(variables)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CONTROLLER_", "TOWER_"))}
    own = {
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "CONTROLLER_HOST": awx.url,
        "CONTROLLER_OAUTH_TOKEN": TOKEN,
        "HOME": str(folder),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_DEPRECATION_WARNINGS": "false",
        "ANSIBLE_PIPELINING": "true",
    }
    done = execute(
        [
            "ansible-playbook",
            "-i",
            "localhost,",
            "-vv",
            "-e",
            f"@{folder}/variables.json",
            *options,
            str(playbook),
        ],
        cwd=folder,
        env={**environment, **own},
    )
    assert awx.refused == [], done.stdout
    assert done.returncode == 0, done.stdout
    assert SECRET not in done.stdout
    recap = re.search(r"localhost +: (.*)", done.stdout).group(1)
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", recap)}


@pytest.fixture(scope="module")
def collections() -> str:
    """Where the collection awx.awx is."""
    place = os.environ.get("AWX_COLLECTIONS", "")
    needs(place, "AWX_COLLECTIONS does not name a folder with the collection awx.awx")
    return place


def graph(awx: FakeAwx) -> dict[str, dict[str, list[str]]]:
    """The nodes of the workflow and where they lead."""
    nodes = awx.objects["workflow_job_template_nodes"]
    names = {number: node["identifier"] for number, node in nodes.items()}
    ways = ("success_nodes", "failure_nodes", "always_nodes")
    return {
        node["identifier"]: {
            way: [names[link] for link in awx.links(node, way)] for way in ways if awx.links(node, way)
        }
        for node in nodes.values()
    }


VARIABLES = {
    "ota_project_url": "https://git.example.com/ota.git",
    "ota_image": "registry.example.com/ota:1",
    "ota_credential_inputs": {"access_key_id": "plain-id", "access_key_secret": SECRET, "region": "eu-central-1"},
}


WORKFLOW = ("workflow_job_templates", "OTA rollout")


def test_set_up_with_notifications_and_a_report_store(tmp_path, collections):
    more = {
        "ota_notify_error": ["Chat"],
        "ota_notify_approval": ["Chat", "Mail"],
        "ota_report_store": "Reports",
        "ota_report_store_inputs": {"url": "https://files.example.com/ota", "username": "awx", "password": SECRET},
        "ota_report_dir": "/var/lib/ota",
        "ota_cancel_on": ["failed", "timed_out"],
    }
    with fake_awx() as awx:
        chat, mail = (awx.make("notification_templates", name=name) for name in ("Chat", "Mail"))
        first = set_up(tmp_path, awx, collections, {**VARIABLES, **more})
        assert set_up(tmp_path, awx, collections, {**VARIABLES, **more}) == {**first, "changed": 0}
        workflow = awx.named(*WORKFLOW)
        assert awx.links(workflow, "notification_templates_error") == [chat]
        assert awx.links(workflow, "notification_templates_approvals") == [chat, mail]
        launched = {"OTA rollout gate", "OTA preflight", "OTA fleet gate"}
        store = awx.named("credentials", "Reports")["id"]
        for template in awx.objects["job_templates"].values():
            assert awx.links(template, "notification_templates_error") == [chat] * (template["name"] in launched)
            assert (store in awx.links(template, "credentials")) == (template["name"] != "OTA rollout stopped")
            given = {"ota_report_dir": "/var/lib/ota", "ota_cancel_on": ["failed", "timed_out"]}
            assert json.loads(template["extra_vars"]) == given
        # What was set can be taken back.
        set_up(tmp_path, awx, collections, VARIABLES, "--start-at-task", "Create the job templates")
        for template in awx.objects["job_templates"].values():
            assert json.loads(template["extra_vars"]) == {"ota_cancel_on": []}


def test_set_up_without_a_project(tmp_path):
    """Before anything is created, and so without AWX's collection."""
    content = (KIT / "setup.yml").read_text(encoding="utf-8")
    (play,) = yaml.safe_load(content)
    (tmp_path / "setup.yml").write_text(yaml.safe_dump([{**play, "tasks": play["tasks"][:1]}]))
    done = execute(["ansible-playbook", "-i", "localhost,", "setup.yml"], cwd=tmp_path, env=dict(os.environ))
    refusal = "ota_project_url is empty; give the URL of the git repository with the content of the folder project."
    assert (done.returncode, refusal in done.stdout) == (2, True), done.stdout


def test_set_up(tmp_path, collections):
    with fake_awx() as awx:
        first = set_up(tmp_path, awx, collections, VARIABLES)
        assert first["changed"] == 11
        assert not [link for (_entry, part), links in awx.linked.items() for link in links if "notification" in part]
        written = len(awx.written)
        second = set_up(tmp_path, awx, collections, VARIABLES)
        assert second == {**first, "changed": 0}
        assert len(awx.written) == written

        for name in (*TYPES, "report_store"):
            file = read_kit(f"credential_types/{name}.yml")
            made = awx.named("credential_types", file["name"])
            assert {key: made[key] for key in file} == file
        credential = awx.named("credentials", "OTA")
        assert credential["inputs"] == VARIABLES["ota_credential_inputs"]

        templates = {template["name"]: template for template in awx.objects["job_templates"].values()}
        playbooks = {name: template["playbook"] for name, template in templates.items()}
        assert playbooks == {
            "OTA rollout gate": "gate.yml",
            "OTA preflight": "preflight.yml",
            "OTA canary gate": "canary.yml",
            "OTA fleet gate": "fleet.yml",
            "OTA rollout stopped": "stopped.yml",
        }
        assert all((KIT / "project" / playbook).is_file() for playbook in playbooks.values())
        for name, template in templates.items():
            secrets = [] if name == "OTA rollout stopped" else [credential["id"]]
            assert awx.links(template, "credentials") == secrets
            # Nothing leaves tasks out.
            assert not [template[key] for key in template if re.search("limit|_tags|ask_tags", key) and template[key]]
            assert template["execution_environment"] == awx.named("execution_environments", "OTA")["id"]
            # A gate always ends by itself, before AWX ends it.
            (play,) = read_kit(f"project/{template['playbook']}")
            if "import_playbook" in play:
                longest = max(question.get("max", 0) for question in read_kit("surveys/gate.yml")["spec"])
                own = play.get("vars", {}).get("rollout_gate_wait_timeout", longest)
                assert template["timeout"] >= own + 300
        for survey, kind, name in (
            ("gate", "job_templates", "OTA rollout gate"),
            ("preflight", "job_templates", "OTA preflight"),
            ("fleet", "job_templates", "OTA fleet gate"),
        ):
            assert awx.surveys[awx.named(kind, name)["id"]] == read_kit(f"surveys/{survey}.yml")
            assert awx.named(kind, name)["survey_enabled"]
        asked = [question["variable"] for question in awx.surveys[awx.named(*WORKFLOW)["id"]]["spec"]]
        assert asked == [
            "rollout_gate_expected_version",
            "canary_product_key",
            "canary_created_after",
            "canary_tags",
            "canary_job_ids",
            "canary_devices",
        ]

        assert graph(awx) == {
            "canary gate": {"success_nodes": ["approval"], "failure_nodes": ["stopped"]},
            "approval": {"failure_nodes": ["stopped"]},
            "stopped": {},
        }
        approval = awx.named("workflow_job_template_nodes", "approval")["unified_job_template"]
        assert "launch OTA fleet gate" in awx.objects["workflow_approval_templates"][approval]["description"]
        started = awx.named("workflow_job_template_nodes", "canary gate")["unified_job_template"]
        assert started == templates["OTA canary gate"]["id"]

        # A step that starts the fleet can come between later.
        awx.call("POST", "/api/v2/job_templates/", {"name": "Start the fleet"})
        step = {**VARIABLES, "ota_start_fleet_template": "Start the fleet"}
        set_up(tmp_path, awx, collections, step, "--start-at-task", "Create the job templates")
        assert awx.surveys[awx.named(*WORKFLOW)["id"]] == read_kit("surveys/rollout.yml")
        assert not awx.named("job_templates", "OTA fleet gate")["survey_enabled"]
        started = awx.named("workflow_job_template_nodes", "fleet gate")["unified_job_template"]
        assert started == templates["OTA fleet gate"]["id"]
        assert graph(awx) == {
            "canary gate": {"success_nodes": ["approval"], "failure_nodes": ["stopped"]},
            "approval": {"success_nodes": ["start fleet"], "failure_nodes": ["stopped"]},
            "start fleet": {"success_nodes": ["fleet gate"], "failure_nodes": ["stopped"]},
            "fleet gate": {"failure_nodes": ["stopped"]},
            "stopped": {},
        }


#: The credentials of credential.yml, and their types.
CREDENTIALS = {"ota_credential_inputs": "alibaba_cloud_ota", "ota_report_store_inputs": "report_store"}


def fields_of(kind: str) -> list[str]:
    return [field["id"] for field in read_kit(f"credential_types/{kind}.yml")["inputs"]["fields"]]


# --- Guide -----------------------------------------------------------------------------------------------------------


def test_the_guide_shows_what_the_files_hold():
    guide = (ROOT / "docs" / "docsite" / "rst" / "awx.rst").read_text(encoding="utf-8")
    shown = [
        textwrap.dedent(block).strip() for block in re.findall(r"code-block:: yaml\+jinja\n\n((?: .*\n|\n)+)", guide)
    ]
    files = [path.read_text(encoding="utf-8") for path in KIT.rglob("*.yml")]
    assert len(shown) == 2
    (command,) = re.findall(r"code-block:: console\n\n    \$ (.*)\n\n", guide)
    assert f"#   {command}\n" in (KIT / "setup.yml").read_text(encoding="utf-8")
    # The last one is for playbooks of users.
    assert [any(block in text for text in files) for block in shown] == [True, False]
    (credential,) = re.findall(r"   \.\. code-block:: yaml\n\n((?:      .*\n)+)", guide)
    assert textwrap.dedent(credential) in (KIT / "credential.yml").read_text(encoding="utf-8")
    assert [set(read_kit("credential.yml")[name]) - set(fields_of(kind)) for name, kind in CREDENTIALS.items()] == [
        set(),
        set(),
    ]
    named = re.findall(r"``((?:credential_types/|surveys/|project/|collections/)?\w+(?:/|\.yml))``", guide)
    own = {name for name in named if name != "meta/execution-environment.yml"}
    assert not [name for name in own if not any((folder / name).exists() for folder in (KIT, KIT / "project"))]
    first_cells = "".join(re.findall(r"^   \* - (.*\n)", guide, re.MULTILINE))
    assert set(re.findall(r"``(rollout_gate_\w+)``", first_cells)) == ARTIFACTS
