# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role rollout_gate: the reports that it writes, and what it does around the gate."""

from __future__ import annotations

import html
import html.parser
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import cmarkgfm
import jsonschema
import junitparser
import pytest
import yaml

from .conftest import ROOT, Run, execute, role_variables, run_play, simulator
from .report_results import LINKS, LINKS_GIVEN, MORE_SUFFIXES, ODD, SUFFIXES, results, shared_reports

ROLE = ROOT / "roles" / "rollout_gate"
SCHEMA = json.loads((ROLE / "files" / "rollout-report.schema.json").read_text(encoding="utf-8"))
VALID = jsonschema.Draft202012Validator(SCHEMA)
RESULTS = results()
KEY = {"id": "gate-id", "secret": "gate-secret-that-nobody-sees"}
SCENARIO = {
    "access_keys": [KEY],
    "firmwares": [{"firmware_id": "fw-1", "product_key": "a1lamp", "src_version": "1.0.0", "dest_version": "2.0.0"}],
    "jobs": [
        {"job_id": "1001", "firmware_id": "fw-1", "created_before": 3600, "devices": ["good-1", "good-2"]},
        {
            "job_id": "1002",
            "firmware_id": "fw-1",
            "created_before": 3600,
            "devices": ["good-1", {"name": "bad-1", "course": "fails", "step": -2, "desc": "-2: {{ 7*7 }} <b>|"}],
        },
        {"job_id": "1003", "firmware_id": "fw-1", "devices": [{"name": "late-1", "course": "offline"}]},
    ],
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> pathlib.Path:
    """A folder with the reports of each result."""
    return shared_reports(tmp_path_factory.getbasetemp())


def read(folder: pathlib.Path, kind: str) -> str:
    suffix = {**SUFFIXES, **MORE_SUFFIXES}[kind]
    return (folder / f"rollout-gate.{suffix}").read_text(encoding="utf-8")


# --- Reports ---------------------------------------------------------------------------------------------------------


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", RESULTS)
def test_json(reports, name):
    report = json.loads(read(reports / name, "json"))
    VALID.validate(report)
    head = {"format": "iotfleet.ota/rollout-report", "version": 1, "title": f"Rollout <{name}> & more"}
    assert report == {**head, **RESULTS[name]}


@pytest.mark.parametrize(
    "change", [{"verdict": "green"}, {"version": 2}, {"counts": {}}, {"history": None}, {"history": {"reports": [{}]}}]
)
def test_schema_refuses(reports, change):
    report = json.loads(read(reports / "failed", "json"))
    assert not VALID.is_valid({**report, **change})


@pytest.mark.parametrize("name", RESULTS)
def test_junit_is_red_only_if_the_gate_is(reports, name):
    given = RESULTS[name]
    suite = next(iter(junitparser.JUnitXml.fromfile(str(reports / name / "rollout-gate.xml"))))
    cases = list(suite)
    kinds = [type(case.result[0]).__name__ if case.result else "Passed" for case in cases]
    assert suite.tests == len(cases)
    assert (suite.failures, suite.errors, suite.skipped) == tuple(
        kinds.count(kind) for kind in ("Failure", "Error", "Skipped")
    )
    own = {"passed": "Passed", "pending": "Skipped", "inconclusive": "Error"}
    assert (cases[0].name, kinds[0]) == ("verdict", own.get(given["verdict"], "Failure"))
    red = suite.failures + suite.errors
    assert bool(red) == (given["verdict"] not in ("passed", "pending"))
    if given["devices"]:
        assert len(cases) == 1 + len(given["devices"])
    elif given["counts"]["total"]:
        assert [(case.classname, case.name) for case in cases[1:]] == [
            ("rollout.succeeded", "succeeded"),
            ("rollout.failed", "timeout"),
            ("rollout.unfinished", "queued"),
            ("rollout.unfinished", "stalled"),
        ]
        assert kinds[1:] == ["Passed", "Failure", "Failure", "Failure"]
        assert cases[2].result[0].message == "failed, 20 of 1,200 devices"
        assert cases[2].result[0].text.splitlines()[:2] == ["lamp-1181", "lamp-1182"]


def test_junit_of_tolerated_devices(reports):
    tree = ET.parse(reports / "tolerated" / "rollout-gate.xml")
    outcomes = {case.get("name"): [child.tag for child in case] for case in tree.iter("testcase")}
    assert outcomes == {
        "verdict": [],
        "light1": [],
        "light2": ["skipped"],
        "light3": ["skipped"],
        "light4": ["skipped"],
    }


def written_in_xml(name: str) -> str:
    """What XML can hold of a name, as its reader sees an attribute."""
    return re.sub(r"[\t\n]", " ", re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", name)) or "(blank)"


def test_junit_keeps_odd_names(reports):
    tree = ET.parse(reports / "odd" / "rollout-gate.xml")
    names = [case.get("name") for case in tree.iter("testcase")][1:]
    assert names == [
        (written_in_xml(name).strip() and written_in_xml(name)) or "(blank)"
        for name in [*ODD, *(f"late {name}" for name in ODD)]
    ]


def test_markdown_keeps_odd_names_in_their_cells(reports):
    text = read(reports / "odd", "markdown")
    rows = [line for line in text.splitlines() if "| download | FAILED |" in line]
    assert len(rows) == len(ODD)
    for row, name in zip(rows, ODD):
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", row)
        cells[1] = cells[1].replace("<!-- -->", "")
        plain = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", cells[1]).strip()
        assert len(cells) == 8
        assert plain == (re.sub(r"[\s\x00-\x1f]+", " ", name).strip() or "(blank)")
        assert not re.search(r"(?<!\\)[<>`*_\[\]]", re.sub(r"\\\\", "", cells[1]))


def links_of(name: str) -> list[str]:
    return [f"href={url}" for url in LINKS_GIVEN.values()] if name == "batches" else []


@pytest.mark.parametrize("name", RESULTS)
def test_markdown_holds_no_link_but_those_of_the_user(reports, name):
    """As GitHub's parser reads it, with its extensions."""
    options = cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE
    page = cmarkgfm.github_flavored_markdown_to_html(read(reports / name, "markdown"), options=options)
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert (reader.open, reader.links) == ([], links_of(name))
    assert (
        {"h2", "li", "p"}
        <= set(reader.tags) - {"a"}
        <= {"details", "h2", "h3", "li", "p", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul"}
    )
    shown = [html.unescape(re.sub("<!--.*?-->", "", cell)) for cell in re.findall("<td>(.*?)</td>", page)]
    assert name != "odd" or set(LINKS) <= set(shown)


def test_markdown_parser_sees_links():
    page = cmarkgfm.github_flavored_markdown_to_html("\n\n".join(LINKS))
    assert page.count("<a href=") == len([text for text in LINKS if re.search(r"www|[a-z]@|://", text)])


@pytest.mark.parametrize("name", RESULTS)
def test_markdown_tables(reports, name):
    text = read(reports / name, "markdown")
    assert text.startswith("## ")
    assert "\n\n\n" not in text
    assert text.endswith("\n")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table
    if name == "timed_out":
        assert "80 of 1200 devices" in text
        assert "| unfinished | stalled | 20 |" in text


def test_markdown_of_batches(reports):
    text = read(reports / "batches", "markdown")
    assert "| Lamps 2.0.0 | HvKuBpuk3rdk6E92CPQN020001 | IN\\_PROGRESS | 10 | 9 | 1 | 0 | 2 | default | 2.0.0 |" in text
    assert "\\<b\\> | PLANNED | 7 | 5 | 2 | 0 | - | mcu \\| \\<i\\> | 2.0.0 |" in text
    assert "| sha256 mismatch | 2 | download | lamp-15, lamp-16 |" in text
    assert "\n\n14 of 14 versions read. Not counted: 2 canceled, 1 vanished.\n\nFrom " in text
    assert "\n- the clock of this machine is 5 min 3 s behind the service's\n" in text


def test_junit_of_batches(reports):
    tree = ET.parse(reports / "batches" / "rollout-gate.xml")
    properties = [(each.get("name"), each.get("value")) for each in tree.iter("property")]
    second = "job.HvKuBpuk3rdk6E92CPQN020002 <b>"
    wanted = {
        (f"{second}.module_name", "mcu | <i>"),
        (f"{second}.label", "Lamps & <i>more</i>"),
        ("limit.max_failed", "3 of 17 (17.6 %), allowed: at most 1, decided"),
        *((f"{second}.{name}", str(RESULTS["batches"]["jobs"][1]["counts"][name])) for name in ("devices", "failed")),
        ("failure_text", "download, 2 devices: sha256 mismatch"),
        *(("note", note) for note in RESULTS["batches"]["notes"]),
    }
    assert wanted <= set(properties)


def cells(page: str, section: str) -> list[list[str]]:
    """The cells of the table in a section of a page."""
    (table,) = re.findall(rf'aria-labelledby="{section}" tabindex="0"><table[^>]*>(.*?)</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)] for row in rows
    ]


def test_html_of_batches(reports):
    page = read(reports / "batches", "html")
    head, first, second = cells(page, "batches")
    assert head == ["Batch", "State", "Bar", "Devices", "Succeeded", "Failed", "Unfinished", "Module"]
    assert first == ["Lamps 2.0.0HvKuBpuk3rdk6E92CPQN020001", "IN_PROGRESS", "", "10", "9", "110 %", "0", "default"]
    assert second[0] == "Lamps &amp; &lt;i&gt;more&lt;/i&gt;HvKuBpuk3rdk6E92CPQN020002 &lt;b&gt;"
    assert second[1:] == ["PLANNED", "", "7", "5", "228.6 %", "0", "mcu | &lt;i&gt;"]
    assert "Version 2.0.0, product a19mzPZ0001, package UfuxnwygsuSkVE0VCN9u010100, created (UTC) 10:00:00." in page
    assert page.index('id="batches"') < page.index('id="failed-devices"')
    reasons = re.search(r'<h2 id="causes">(.*?)</section>', page, re.DOTALL)[1]
    assert re.findall(r'<span class="long">(.*?)</span><b>(\d+)<small>(.*?)</small>', reasons) == [
        ("sha256 mismatch", "2", "11.8 %"),
        ("客厅: &lt;b&gt;no space&lt;/b&gt; {{ 7*7 }}|", "1", "5.9 %"),
    ]
    assert re.findall(r'class="such">(.*?)</small>', reasons) == ["download: lamp-15, lamp-16", "download: lamp-17"]
    assert re.findall(r'style="width: (.*?)%"', reasons) == ["11.76", "5.88"]
    assert '<p class="note">Not counted: 2 canceled, 1 vanished.</p>' in page
    assert "so it decides for the 2 devices in both" in page


def test_html_says_what_decided_and_what_to_do(reports):
    page = read(reports / "timed_out", "html")
    tiles = re.findall(r'<li class="(.*?)">\n<span class="name">.*?</span> (.*?)</span>', page)
    assert tiles[:3] == [("decided", "Unfinished"), ("", "Failed"), ("", "Succeeded")]
    assert "80, limit 0" in page
    assert page.index("Decided the verdict") < page.index('id="to-do"')
    assert "<li>See why.</li>\n<li>Run the gate again.</li>" in page
    assert page.index('id="pending-devices"') < page.index('id="failed-devices"')
    passed = read(reports / "passed", "html")
    assert 'id="to-do"' not in passed
    assert "12 of 12 versions read" in passed
    assert "None of the devices may be unfinished at the end" in passed


def test_dotenv(reports):
    for name, given in RESULTS.items():
        head = {
            "VERDICT": given["verdict"],
            "FINAL": json.dumps(given["final"]),
            "REASONS": ",".join(reason["code"] for reason in given["reasons"]),
        }
        values = {**head, **{count.upper(): number for count, number in given["counts"].items()}}
        for count in given["jobs"][0]["counts"] if given["jobs"] else ():
            values[f"BATCH_{count.upper()}"] = ",".join(str(job["counts"][count]) for job in given["jobs"])
        lines = [f"ROLLOUT_GATE_{key}={value}\n" for key, value in values.items()]
        assert (reports / name / "rollout-gate.env").read_text(encoding="utf-8") == "".join(lines)


class Reader(html.parser.HTMLParser):
    """The elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [f"{name}={value}" for name, value in attrs if name in ("href", "src") or name.startswith("on")]
        if tag not in ("br", "meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("name", RESULTS)
def test_html(reports, name):
    page = read(reports / name, "html")
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert not {"script", "img", "iframe", "object", "form"} & set(reader.tags)
    beside = ["href=./rollout-gate.json", "href=./rollout-gate.csv"]
    assert reader.links == ["href=data:,", *links_of(name), *beside]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    moved = len({entry["pending"] for entry in RESULTS[name]["timeline"]}) > 1
    assert ("desc" in reader.tags) == moved
    assert len(re.findall('class="gap"', page)) == (name == "unread")
    if name == "odd":
        for odd in ODD:
            assert (re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", odd).strip() or "(blank)") in reader.text
    if name == "inconclusive":
        assert "User not authorized to operate on the specified <resource>." in reader.text


@pytest.mark.parametrize("kind", [*SUFFIXES, *MORE_SUFFIXES])
def test_nothing_is_run_as_a_template(reports, kind):
    text = read(reports / "odd", kind)
    assert "49" not in re.sub(r"[\d:.-]*49[\d:.-]+|[\d:.-]+49|#\w+", "", text)
    assert kind == "metrics" or re.search(r"\{ ?\{ 7\\?\*7 \}\}", text)
    assert kind == "metrics" or "lookup(" in text


# --- Inputs ----------------------------------------------------------------------------------------------------------


def test_inputs_are_the_options_of_the_gate():
    source = (ROOT / "plugins" / "modules" / "ota_rollout_gate.py").read_text(encoding="utf-8")
    options = yaml.safe_load(re.search(r'DOCUMENTATION = r"""(.*?)"""', source, re.DOTALL).group(1))["options"]
    inputs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    own = role_variables("rollout_gate")
    passed = {*own["rollout_gate_run_options"], "versions", "find", "previous", "mode"}
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    suboptions = options["versions"]["suboptions"]
    assert own["rollout_gate_run_suboptions"].keys() == suboptions.keys()
    searched = {f"find_{name}": option for name, option in options["find"]["suboptions"].items()}
    assert passed - set(own["rollout_gate_run_suboptions"].values()) - set(searched) == set(options)
    options.pop("versions")
    options.pop("find")
    options.update({name: {**option, "required": None} for name, option in searched.items()})
    options.update(verify_versions=suboptions["verify"], module_name=suboptions["module_name"])
    options.update({f"versions_{name}": suboptions[name] for name in ("match", "grace", "source")})
    for name, option in options.items():
        given = inputs[f"rollout_gate_{name}"]
        assert f"| `rollout_gate_{name}` |" in readme
        if name != "previous":
            # Ansible would refuse the empty text or the null of an answer that is not given.
            assert given["type"] == ("str" if option["type"] == "str" and "default" not in option else "raw"), name
            assert "choices" not in given, name
            for key in ("required", "default"):
                assert given.get(key) == option.get(key), (name, key)


def artifacts() -> set[str]:
    own = role_variables("rollout_gate")
    return set(re.findall(r"'(rollout_gate_\w+)':", own["rollout_gate_run_artifacts"]))


def test_known_variables_are_those_that_there_are():
    own = role_variables("rollout_gate")
    known = {f"rollout_gate_{name}" for name in own["rollout_gate_run_others"]}
    playbook = (ROOT / "playbooks" / "rollout_gate.yml").read_text()
    connection = set(re.findall(r"{{ (rollout_gate_\w+) if", playbook))
    published = artifacts()
    fragments = [
        (ROOT / "plugins" / "doc_fragments" / f"{name}.py").read_text() for name in ("connection", "credentials")
    ]
    options = [yaml.safe_load(re.search(r'r"""(.*?)"""', text, re.DOTALL).group(1))["options"] for text in fragments]
    secret = {"access_key_id", "access_key_secret", "security_token"}
    assert connection == {f"rollout_gate_{name}" for fragment in options for name in {*fragment} - secret}
    assert known == connection | published | {"rollout_gate_result", "rollout_gate_report_files"}


def test_artifacts_are_no_inputs():
    """AWX passes them to later jobs as extra variables, and those jobs may be gates too."""
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    own = role_variables("rollout_gate")
    published = artifacts()
    assert len(published) == 7
    assert own["rollout_gate_run_hidden_artifacts"].keys() == published
    assert not published & (set(spec) | set(own) | {"rollout_gate_result"})


# --- Around the gate -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with simulator(tmp_path_factory.mktemp("simulator"), SCENARIO) as running:
        yield running.url


ON_VERDICT = """---
- name: Leave a trace
  ansible.builtin.copy:
    content: "{{ rollout_gate_result.verdict }} {{ rollout_gate_report_files.json | default('-') }}"
    dest: "{{ trace }}"
    mode: "0600"
"""


def run_role(folder: pathlib.Path, url: str, *options: str, check: bool = False, **inputs: Any) -> Run:
    """Run the role with these inputs."""
    connection = {"endpoint": url, "access_key_id": KEY["id"], "access_key_secret": KEY["secret"], "max_qps": 0}
    variables = {"confirmations": 1, "start_grace": 0, "wait_interval": 0.5, "wait_timeout": 20}
    (folder / "on_verdict.yml").write_text(ON_VERDICT)
    include = {"ansible.builtin.include_role": {"name": "iotfleet.ota.rollout_gate"}}
    inputs = {"report_dir": "reports", **variables, **inputs}
    given = {f"rollout_gate_{name}": value for name, value in inputs.items() if value is not None}
    show = {"ansible.builtin.debug": {"msg": "LAST {{ ansible_failed_result.msg }}"}}
    task = {"block": [include], "rescue": [show], "ignore_errors": False, "check_mode": check}
    trace = {"ansible.builtin.debug": {"var": "rollout_gate_result.verdict"}}
    given["trace"] = str(folder / "trace")
    defaults = {**connection, "access_key_secret": "{{ secret }}"}
    return run_play(
        folder, [{**task, "vars": given}, trace], *options, defaults=defaults, variables={"secret": KEY["secret"]}
    )


def last(run: Run) -> str | None:
    """The message with which the role failed."""
    found = re.search(r'"msg": ("LAST .*")\n', run.output)
    return json.loads(found.group(1)).removeprefix("LAST ") if found else None


def stats(run: Run) -> dict[str, Any]:
    """The artifacts of a run."""
    return json.loads(re.search(r"CUSTOM STATS: \**\s*RUN: (.*)", run.output).group(1))


def test_role_with_a_rollout_that_passed(tmp_path, url):
    run = run_role(tmp_path, url, "-vvvv", job_ids="1001", on_verdict="on_verdict.yml", expected_version="2.0.0")
    assert last(run) is None, run.output
    assert stats(run)["rollout_gate_verdict"] == "passed"
    assert stats(run)["rollout_gate_final"] is True
    assert stats(run)["rollout_gate_counts"]["verified"] == 2
    assert stats(run)["rollout_gate_counts"]["total"] == 2
    folder = tmp_path / "reports"
    assert stats(run)["rollout_gate_reports"] == {
        kind: str(folder / f"rollout-gate.{suffix}") for kind, suffix in SUFFIXES.items()
    }
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"rollout-gate.{end}" for end in SUFFIXES.values())
    assert (tmp_path / "trace").read_text() == f"passed {folder}/rollout-gate.json"
    VALID.validate(json.loads(read(folder, "json")))
    everything = run.output + "".join(read(folder, kind) for kind in SUFFIXES)
    assert KEY["secret"] not in everything
    assert KEY["id"] not in "".join(read(folder, kind) for kind in SUFFIXES)
    assert not re.search(r"WARNING.*\n.*roles/rollout_gate", run.output)


def test_role_with_a_rollout_that_failed(tmp_path, url):
    run = run_role(tmp_path, url, check=True, job_ids=["1002"], on_verdict=str(tmp_path / "on_verdict.yml"))
    report = json.loads(read(tmp_path / "reports", "json"))
    VALID.validate(report)
    assert report["verdict"] == stats(run)["rollout_gate_verdict"] == "failed"
    assert report["failed_devices"][0]["device_name"] == "bad-1"
    assert last(run).startswith(f"{report['msg']} The reports are {tmp_path}/reports/rollout-gate.json, ")
    assert "{ { 7*7 }} <b>|" in report["failed_devices"][0]["detail"]
    assert "RAN" not in run.output


@pytest.mark.parametrize("write", [list, json.dumps], ids=["list", "text"])
def test_role_with_devices_of_a_product(tmp_path, url, write):
    devices = [{"product_key": "a1lamp", "device_name": f"good-{number}"} for number in (1, 2)]
    versions = {"module_name": "default", "versions_match": "ignore_build", "versions_grace": 5}
    versions["versions_source"] = "details"
    run = run_role(tmp_path, url, job_ids="1001", expected_devices=write(devices), ignore_vanished=True, **versions)
    assert last(run) is None
    report = json.loads(read(tmp_path / "reports", "json"))
    VALID.validate(report)
    policy = {"verify": True, "module_name": "default", "match": "ignore_build", "grace": 5.0, "source": "details"}
    assert (report["policy"]["versions"], report["policy"]["expected_devices"]) == (policy, devices)
    assert (report["verdict"], report["policy"]["ignore_vanished"]) == ("passed", True)


def test_role_expects_no_module_unless_it_is_given(tmp_path, url):
    run_role(tmp_path, url, job_ids="1001", verify_versions=True)
    report = json.loads(read(tmp_path / "reports", "json"))
    versions = {"verify": True, "module_name": None, "match": "exact", "grace": 120.0, "source": "device"}
    assert (report["verdict"], report["policy"]["versions"]) == ("passed", versions)


def test_role_in_mode_report(tmp_path, url):
    run = run_role(tmp_path, url, job_ids="1002", mode="report", report_dir="", report_name="")
    assert last(run) is None
    assert stats(run)["rollout_gate_verdict"] == "failed"
    assert stats(run)["rollout_gate_reports"] == {}
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(("job_id", "verdict"), [("1001", "passed"), ("1002", "failed")])
def test_role_whose_given_tasks_fail(tmp_path, url, job_id, verdict):
    (tmp_path / "broken.yml").write_text("- ansible.builtin.fail: {msg: the given tasks failed}\n")
    run = run_role(tmp_path, url, job_ids=job_id, on_verdict="broken.yml", formats="json,html")
    assert stats(run)["rollout_gate_verdict"] == verdict
    assert sorted(path.suffix for path in (tmp_path / "reports").iterdir()) == [".html", ".json"]
    assert "the given tasks failed" in run.output
    assert ("the given tasks failed" in last(run)) == (verdict == "passed")
    assert ("1 of 2 finished devices failed, 50 %" in last(run)) == (verdict == "failed")


def test_role_whose_given_tasks_end_their_role(tmp_path, url):
    """Which is no end of the gate. It is known since ansible-core 2.18."""
    (tmp_path / "ends.yml").write_text("- ansible.builtin.meta: end_role\n")
    run = run_role(tmp_path, url, job_ids="1002", on_verdict="ends.yml")
    assert "1 of 2 finished devices failed, 50 %" in last(run)
    assert stats(run)["rollout_gate_verdict"] == "failed"


@pytest.mark.parametrize("end", ["meta: end_play", "ansible.builtin.meta: 'end_host'", "meta : end_batch"])
def test_role_rejects_given_tasks_that_end_the_play(tmp_path, url, end):
    (tmp_path / "ends.yml").write_text(f"- name: Continue only after a verdict\n  {end}\n")
    run = run_role(tmp_path, url, job_ids="1001", on_verdict="ends.yml")
    word = end.split()[-1].strip("'")
    assert last(run) == (
        f'rollout_gate_on_verdict names the file ends.yml, which contains "meta: {word}"; it would end the play before'
        ' the gate can fail. Use "when", or "meta: end_role".'
    )
    assert stats(run)["rollout_gate_reasons"] == ["not_judged"]


def test_role_that_polls_once_resumes_from_its_report(tmp_path, url):
    inputs = {"job_ids": '["1003"]', "wait": False, "previous": "reports/rollout-gate.json", "wait_timeout": 86400}
    polls = []
    for _time in range(2):
        run = run_role(tmp_path, url, **inputs)
        assert last(run) is None, run.output
        assert stats(run)["rollout_gate_verdict"] == "pending"
        assert stats(run)["rollout_gate_final"] is False
        report = json.loads(read(tmp_path / "reports", "json"))
        VALID.validate(report)
        polls.append(report["polls"])
    assert polls == [1, 2]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"job_ids": None}, "job_ids"),
        ({"expected_devices": []}, "expected_devices is empty"),
        ({"max_failed": -1}, "max_failed is -1"),
        ({"previous": "on_verdict.yml"}, "is not a JSON report of this role in version 1"),
        ({"formats": ["json", "pdf"]}, "pdf"),
        (
            {"expected_versoin": "2.0.0"},
            "The role rollout_gate has no variable rollout_gate_expected_versoin; correct the name",
        ),
        (
            {"expected_version": 2.10},
            "rollout_gate_expected_version is the number 2.1, and YAML may have changed what was written; write it in"
            " quotes.",
        ),
        ({"module_name": False}, "rollout_gate_module_name is the boolean false, and YAML may have changed"),
        (
            {"expected_firmware_id": 145},
            "rollout_gate_expected_firmware_id is the number 145, and YAML may have changed",
        ),
        ({"job_ids": [1001]}, "entry 1 of job_ids is the number 1001, and YAML may have changed"),
        ({"expected_devices": "lamp-1,"}, "rollout_gate_expected_devices ends with a comma and seems to be truncated"),
        ({"report_dir": "play.yml"}, "/play.yml, which is not a writable folder; choose another."),
        ({"on_verdict": "missing.yml"}, "rollout_gate_on_verdict names the file missing.yml, which does not exist"),
    ],
)
def test_role_with_an_input_that_cannot_be_used(tmp_path, url, inputs, message):
    run = run_role(tmp_path, url, **{"job_ids": "1001", **inputs})
    assert message in last(run)
    if inputs.get("job_ids", "given"):  # without, Ansible fails before the role begins
        assert stats(run)["rollout_gate_verdict"] == "inconclusive"
        assert stats(run)["rollout_gate_message"] == last(run)
    assert not list((tmp_path / "reports").glob("*"))


def test_role_removes_the_verdict_of_an_earlier_run(tmp_path, url):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "rollout-gate.env").write_text("ROLLOUT_GATE_VERDICT=passed\n")
    run = run_role(tmp_path, url, check=True, job_ids="1001", max_failed=-1, formats=["json", "dotenv"])
    assert "max_failed is -1" in last(run)
    assert not list((tmp_path / "reports").iterdir())


@pytest.mark.parametrize("formats", ["pdf", "json", {"not": "a list"}])
def test_role_removes_the_verdict_whatever_the_input_for_formats_is(tmp_path, url, formats):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "rollout-gate.env").write_text("ROLLOUT_GATE_VERDICT=passed\n")
    variables = {"rollout_gate_job_ids": "1001", "rollout_gate_max_failed": -1, "rollout_gate_report_dir": "reports"}
    done = run_playbook(tmp_path, url, {**variables, "rollout_gate_formats": formats})
    assert done.returncode == 2
    assert not list((tmp_path / "reports").iterdir())


# --- The playbook ----------------------------------------------------------------------------------------------------


def run_playbook(folder: pathlib.Path, url: str, variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "answers.json").write_text(json.dumps({"rollout_gate_endpoint": url, **variables}))
    key = {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY["id"], "ALIBABA_CLOUD_ACCESS_KEY_SECRET": KEY["secret"]}
    command = ["ansible-playbook", "-i", "localhost,", "iotfleet.ota.rollout_gate", "-e", "@answers.json"]
    return execute(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=folder,
        env={**os.environ, **key},
    )


def test_playbook_with_the_answers_of_a_survey(tmp_path, url):
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    unanswered = dict.fromkeys([*spec, "rollout_gate_region", "rollout_gate_max_qps", "rollout_gate_proxy"], "")
    given = {"rollout_gate_job_ids": "1001,\n1001 ", "rollout_gate_report_dir": "out", "rollout_gate_start_grace": "0"}
    given |= {"rollout_gate_wait_interval": "0.5"}
    done = run_playbook(tmp_path, url, {**unanswered, **given})
    assert done.returncode == 0, done.stdout
    assert json.loads(read(tmp_path / "out", "json"))["verdict"] == "passed"
    assert json.loads(read(tmp_path / "out", "json"))["title"] == "fw-1 2.0.0"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "job_ids"),
        ({"rollout_gate_job_ids": "1002", "rollout_gate_wait_timeout": "10"}, "1 of 2 finished devices failed, 50 %"),
        ({"rollout_gate_job_ids": "1001", "rollout_gate_max_failed": "some"}, "max_failed"),
        ({"rollout_gate_job_ids": "1001", "rollout_gate_formats": "pdf"}, "rollout_gate_formats contains pdf"),
        ({"rollout_gate_job_ids": "1001", "rollout_gate_max_qps": -1}, "max_qps is -1.0; it must be between"),
        ({"rollout_gate_job_ids": "1001", "rollout_gate_signature_method": "MD5"}, "value of signature_method must be"),
        (
            {
                "rollout_gate_job_ids": "1001",
                "rollout_gate_credentials_source": "profile",
                "rollout_gate_profile": "nobody",
            },
            'profile \\"nobody\\"',
        ),
    ],
)
def test_playbook_that_fails(tmp_path, url, variables, message):
    done = run_playbook(tmp_path, url, {"rollout_gate_start_grace": 0, "rollout_gate_wait_interval": 0.5, **variables})
    assert done.returncode == 2
    assert message in done.stdout
    assert KEY["secret"] not in done.stdout
