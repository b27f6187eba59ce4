# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports as other programs read them: JUnit, Markdown on GitHub, CSV, Prometheus, OpenMetrics, GitLab."""

from __future__ import annotations

import csv
import html
import re
import shlex
from typing import Any

import cmarkgfm
import junitparser
import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest
from ansible_collections.iotfleet.ota.plugins.filter.rollout_export import rollout_export

from .report_results import ODD, device, result, results

RESULTS = results()
VERDICTS = {"passed", "failed", "pending", "timed_out", "inconclusive"}
LAMPS = [f"lamp-{number:02}" for number in range(1, 21)]


def wrong_batch() -> dict[str, Any]:
    """A batch that is not the one that was expected, in which all devices have succeeded."""
    made = result("failed", [device(name) for name in LAMPS], "wrong_job", 'batch 1 has the dest_version "1"')
    return {**made, "limits": []}


def fleet(number: int, text: str = "sha256 mismatch") -> dict[str, Any]:
    """A fleet in which all devices failed or are unfinished, with this text in each name and detail."""
    failed = [device(f"{text} {name}", "failed", detail=text) for name in range(number // 2)]
    pending = [device(f"{text} {name}", "pending", detail=text) for name in range(number // 2, number)]
    return result("failed", [*failed, *pending], "too_many_failures", f"{number // 2} failed")


# --- JUnit -----------------------------------------------------------------------------------------------------------


def suite_of(given: dict[str, Any], tmp_path) -> junitparser.TestSuite:
    path = tmp_path / "report.xml"
    path.write_text(rollout_export(given, "junit", "Lamp"), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    return suite


def kinds_of(suite: junitparser.TestSuite) -> dict[str, str]:
    return {case.name: type(case.result[0]).__name__ if case.result else "Passed" for case in suite}


def test_no_device_of_a_wrong_batch_is_green(tmp_path):
    suite = suite_of(wrong_batch(), tmp_path)
    assert kinds_of(suite) == {"verdict": "Failure", **dict.fromkeys(LAMPS, "Skipped")}
    assert (suite.tests, suite.failures, suite.skipped) == (21, 1, 20)
    assert list(suite)[1].result[0].message == 'succeeded; not judged: batch 1 has the dest_version "1"'


def test_no_device_is_green_whose_version_was_not_read(tmp_path):
    devices = [device("lamp-1"), device("lamp-2", verified=False, version=None)]
    suite = suite_of(result("pending", devices, "unread", "reading versions"), tmp_path)
    assert kinds_of(suite) == {"verdict": "Skipped", "lamp-1": "Passed", "lamp-2": "Skipped"}
    assert list(suite)[2].result[0].message == "succeeded; version not read"


def test_failures_that_are_tolerated_are_not_red_because_others_are_unfinished(tmp_path):
    devices = [device("lamp-1"), device("lamp-2", "failed"), device("lamp-3", "pending")]
    suite = suite_of(result("timed_out", devices, "deadline", "1 of 3 devices is unfinished"), tmp_path)
    assert kinds_of(suite) == {"verdict": "Failure", "lamp-1": "Passed", "lamp-2": "Skipped", "lamp-3": "Failure"}
    message = "failed, download: -2: the download failed; tolerated: max_failed allows 1"
    assert list(suite)[2].result[0].message == message


@pytest.mark.parametrize("name", RESULTS)
def test_junit_has_the_numbers_of_each_batch_and_limit(tmp_path, name):
    given = RESULTS[name]
    suite = suite_of(given, tmp_path)
    found = [(entry.name, entry.value) for entry in suite.properties()]
    for job in given["jobs"]:
        for count in ("devices", "succeeded", "failed", "pending"):
            assert (f"job.{job['job_id']}.{count}", str(job["counts"][count])) in found
        assert (f"job.{job['job_id']}.label", job["label"]) in found
    assert {f"limit.{limit['name']}" for limit in given["limits"]} <= {name for name, _value in found}
    assert "None" not in rollout_export(given, "junit", "Lamp")


# --- Markdown --------------------------------------------------------------------------------------------------------


def rendered(text: str) -> str:
    """The page as GitHub's parser makes it."""
    return cmarkgfm.github_flavored_markdown_to_html(text, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE)


def test_long_lists_are_folded_tables():
    page = rendered(rollout_export(fleet(2000), "markdown", "Lamp"))
    assert re.findall(r"<summary>(.*?)</summary>", page) == ["1,000 failed devices", "1,000 unfinished devices"]
    folded = re.findall(r"<details>(.*?)</details>", page, re.DOTALL)
    assert [part.count("<tr>") for part in folded] == [101, 101]
    assert [part.count("and 900 more") for part in folded] == [1, 1]


@pytest.mark.parametrize("text", ["|&@<\N{GRINNING FACE}" * 500, "</details>" * 100, *ODD])
def test_hostile_devices_stay_in_their_cells(text):
    report = rollout_export(fleet(2000, text), "markdown", text)
    page = rendered(report)
    assert len(report.encode()) < 1 << 20
    assert (page.count("<details>"), page.count("</details>")) == (2, 2)
    # Each row has as many cells as its head, whatever the text is.
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        assert len({row.count("<t") for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)}) == 1
    assert "<a " not in page


def test_links_of_the_user_are_the_only_links():
    url = "https://console.example.com/ota?job=(1)&copy;=|#a_b"
    page = rendered(rollout_export(fleet(2, ODD[0]), "markdown", "Lamp", {"Console [x](y) <b>": url}))
    assert re.findall(r"<a .*?</a>", page) == [
        f'<a href="{url.replace("&", "&amp;")}">Console [x](y) &lt;b&gt;</a>'.replace("|", "%7C")
    ]


def test_no_table_has_an_empty_column():
    for given in RESULTS.values():
        page = rendered(rollout_export(given, "markdown", "Lamp"))
        for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
            rows = [
                re.findall(r"<td.*?>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)[1:]
            ]
            assert all(any(cell != "-" for cell in column) for column in zip(*rows))


# --- CSV -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESULTS)
def test_csv_has_a_row_for_each_device(name):
    given = RESULTS[name]
    rows = list(csv.DictReader(rollout_export(given, "csv").splitlines()))
    counts = given["counts"]
    others = len(given["devices"]) - counts["failed"] - counts["pending"] if given["devices"] else 0
    assert len(rows) == counts["failed"] + counts["pending"] + others
    assert [row["state"] for row in rows[: counts["failed"]]] == ["failed"] * counts["failed"]
    labels = {job["job_id"]: job["label"] for job in given["jobs"]}
    assert {row["batch"] for row in rows} <= set(labels.values())


def test_csv_has_no_formula():
    rows = list(csv.reader(rollout_export(fleet(10, "=HYPERLINK(1)"), "csv").splitlines()))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert rows[1][0] == "'=HYPERLINK(1) 0"


# --- Metrics ---------------------------------------------------------------------------------------------------------


def samples(families: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def gitlab_metrics(text: str) -> dict[str, str]:
    """The metrics as GitLab reads them: comments go, and a line is split like the words of a shell."""
    lines = [shlex.split(re.sub("#.*", "", line)) for line in text.splitlines()]
    return {words[0]: words[1] for words in lines if words}


ODD_TITLES = [*ODD, "a # b", 'quo"te', "it's", "back\\slash", "back\\", "$(id) `id`"]


@pytest.mark.parametrize("name", RESULTS)
def test_both_parsers_of_prometheus_read_the_same_metrics(name):
    text = rollout_export(RESULTS[name], "metrics", "Lamp Pro")
    assert text.endswith("\n# EOF\n")
    older = samples(prometheus_client.parser.text_string_to_metric_families(text))
    newer = samples(prometheus_client.openmetrics.parser.text_string_to_metric_families(text))
    assert older == newer
    assert len(older) == len([line for line in text.splitlines() if not line.startswith("#")]) > 10
    verdicts = {
        dict(labels)["verdict"]: value for (name, labels), value in older.items() if name.endswith("rollout_verdict")
    }
    assert verdicts == {word: float(word == RESULTS[name]["verdict"]) for word in VERDICTS}
    numbers = {dict(labels)["state"]: value for (name, labels), value in older.items() if name.endswith("out_devices")}
    assert numbers == {state: RESULTS[name]["counts"][state] for state in ("succeeded", "failed", "pending")}


@pytest.mark.parametrize("title", ODD_TITLES)
def test_hostile_labels_are_values_of_labels(title):
    given = {**RESULTS["failed"], "jobs": [{**RESULTS["failed"]["jobs"][0], "label": title or "-"}]}
    text = rollout_export(given, "metrics", title or "-")
    older = samples(prometheus_client.parser.text_string_to_metric_families(text))
    newer = samples(prometheus_client.openmetrics.parser.text_string_to_metric_families(text))
    count = len([line for line in text.splitlines() if not line.startswith("#")])
    assert older == newer
    assert len(older) == len(gitlab_metrics(text)) == count
    assert set(gitlab_metrics(text).values()) == {f"{value:.10g}" for value in older.values()}


def test_metrics_names_follow_the_conventions():
    text = rollout_export(RESULTS["batches"], "metrics", "Lamp")
    for family in prometheus_client.parser.text_string_to_metric_families(text):
        assert re.fullmatch(r"iotfleet_ota_rollout(_[a-z]+)+", family.name)
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
        assert family.name.endswith("_timestamp_seconds") == ("1970" in family.documentation)


def test_every_format_escapes_what_markdown_shows():
    """What a page shows of a text is the text."""
    page = rendered(rollout_export(fleet(2, "a|b*c_d <i> &amp;"), "markdown", "Lamp"))
    assert "a|b*c_d <i> &amp; 0" in [html.unescape(cell) for cell in re.findall("<td>(.*?)</td>", page)]
