# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the guides against what the code does: remedies, options, bounds, and the order of the pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.iotfleet.ota.plugins.plugin_utils._report.remedies import REMEDIES
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout import state
from ansible_collections.iotfleet.ota.plugins.plugin_utils._rollout.policy import read_policy
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.bounds import Limit
from ansible_collections.iotfleet.ota.plugins.plugin_utils._verdict.case import VerdictName
from ansible_collections.iotfleet.ota.tests.unit import verdicts

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "docsite" / "rst"
#: What the role publishes if nothing could be judged, which is no reason of the judge.
NOT_JUDGED = "not_judged"


def page(name: str) -> str:
    return (PAGES / f"{name}.rst").read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """The sections of a page by title."""
    parts = re.split(r"\n([^\n]+)\n-{3,}\n", text)
    return dict(zip(parts[1::2], parts[2::2]))


def rows(text: str) -> Iterator[list[str]]:
    """The rows of all tables, without their heads."""
    for table in re.findall(r"\.\. list-table::\n(?:   :.*\n)+\n((?:   .*\n|\n)+)", text):
        for row in re.split(r"^   \* -", table, flags=re.MULTILINE)[2:]:
            yield [" ".join(cell.split()) for cell in re.split(r"^     -", row, flags=re.MULTILINE)]


# --- When the gate blocks --------------------------------------------------------------------------------------------

RUNBOOK = page("when_the_gate_blocks")


def told() -> Iterator[tuple[str, str, str]]:
    """The verdict, the key of the remedy and the remedy of each row."""
    for verdict, text in sections(RUNBOOK).items():
        for code, _meaning, remedy, _decision in rows(text):
            yield verdict, "/".join(re.findall(r"``(\w+)``", code)), remedy


def test_the_runbook_has_each_verdict_and_each_reason():
    codes = {key for _verdict, key, _remedy in told()}
    assert codes == {*REMEDIES, NOT_JUDGED} - {"proved"}
    assert {verdict for verdict, _key, _remedy in told()} == {*VerdictName.__args__} - {"passed"}
    first, *_others = RUNBOOK.split("\nfailed\n---")
    assert {row[0].strip("`") for row in rows(first)} == {*VerdictName.__args__}


def test_the_runbook_says_what_the_message_says():
    wrong = [
        key
        for _verdict, key, remedy in told()
        if key != NOT_JUDGED and not remedy.replace("``", "").startswith(REMEDIES[key])
    ]
    assert wrong == []


def test_the_runbook_has_each_reason_under_the_verdicts_of_the_guide():
    given = {(verdict, key.split("/")[0]) for verdict, key, _remedy in told()}
    for _seen, verdict, reasons in rows(sections(page("gating"))["The verdicts"]):
        for code in re.findall(r"``(\w+)``", reasons):
            assert (verdict.strip("`"), code) in given or verdict == "``passed``", code


def test_each_row_of_the_runbook_says_whether_to_retry_cancel_or_roll_back():
    for verdict, text in sections(RUNBOOK).items():
        for code, *_others, decision in rows(text):
            assert re.search(r"[Rr]etry|\*\*Poll again\b", decision), (verdict, code)


# --- Options ---------------------------------------------------------------------------------------------------------


def documentation(path: str) -> Any:
    """The DOCUMENTATION of a plugin, or of a fragment."""
    for node in ast.walk(ast.parse((ROOT / "plugins" / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(path)


def options_of(plugin: str) -> dict[str, Any]:
    """All options and suboptions of a plugin with their defaults as they are written."""
    found = {}
    described = documentation(plugin)
    fragments = [
        name.split(".")[-1] for name in described["extends_documentation_fragment"] if "attributes" not in name
    ]
    for source in (described, *(documentation(f"doc_fragments/{name}.py") for name in fragments)):
        for name, option in source["options"].items():
            found[name] = option
            found.update((f"{name}.{sub}", inner) for sub, inner in option.get("suboptions", {}).items())
    return {name: written(option) for name, option in found.items()}


def written(option: Mapping[str, Any]) -> str:
    default = option.get("default")
    if default is None:
        return "none, required" if option.get("required") else "none"
    return str(default).lower() if isinstance(default, bool) else f"{default:g}" if default != str(default) else default


def test_all_options_of_the_gate_are_grouped_with_their_defaults():
    listed = [(name.strip("`"), default.strip("`")) for name, default, _meaning in rows(page("gate_options"))]
    assert dict(listed) == options_of("modules/ota_rollout_gate.py")
    assert len(listed) == len(dict(listed))


# --- Bounds ----------------------------------------------------------------------------------------------------------


def examples_of_bounds() -> Iterator[Any]:
    """The number of devices, the options, and each row: numbers of devices, verdict, and the bound that is named."""
    for title, text in sections(page("choosing_bounds")).items():
        for example in re.findall(r"\.\. code-block:: yaml\+jinja\n\n((?:    .*\n|\n)+)", text):
            (task,) = yaml.safe_load(example)
            devices = int(title.split(" ")[0].replace(",", ""))
            for *numbers, verdict, why in rows(text):
                bound = re.match(r"``(\w+)``", why)
                yield pytest.param(
                    devices,
                    task["iotfleet.ota.ota_rollout_gate"],
                    [*map(int, numbers)],
                    (verdict.strip("`"), bound and bound[1]),
                    id=f"{devices}-{'-'.join(numbers)}",
                )


@pytest.mark.parametrize(("devices", "options", "numbers", "expected"), list(examples_of_bounds()))
def test_the_judge_decides_as_the_examples_say(devices, options, numbers, expected, monkeypatch):
    monkeypatch.setattr(state, "MAX_ROWS", devices // 2)  # so that numbers of tasks are enough
    succeeded, failed, unfinished = numbers
    given = {**options, "versions": {"verify": False}, "start_grace": 0, "soak": 0}
    if "expected_devices" in given:
        given["expected_devices"] = [f"d{number}" for number in range(1, devices + 1)]
        status = "IN_PROGRESS" if unfinished else "COMPLETED"
        job = verdicts.batch("S" * succeeded + "F" * failed + "Q" * unfinished, status=status)
    else:
        given["min_devices"] = devices
        job = verdicts.numbers(SUCCEEDED=succeeded, FAILED=failed, QUEUED=unfinished)
    policy = read_policy(given)
    soon = verdicts.again(verdicts.poll(job), policy.confirmations)
    late = [poll._replace(now=poll.now + policy.wait_timeout) for poll in soon]
    early, last = verdicts.course(policy, *soon)[-1], verdicts.course(policy, *soon, *late)[-1]
    verdict = early if early.final else last
    assert (verdict.verdict, verdict.decided_by and verdict.decided_by.name) == expected


def test_shares_in_the_examples():
    pattern = r"([\d,]+) of (?:the )?(?:first )?([\d,]+)[^.]*?(?:is|are) (?:only )?([\d.]+) %"
    found = [
        (int(part.replace(",", "")), int(whole.replace(",", "")), float(share))
        for part, whole, share in re.findall(pattern, page("choosing_bounds"))
    ]
    assert len(found) == 12
    assert [Limit("max_failed", 0, part, whole, True).share for part, whole, _share in found] == [
        share for _part, _whole, share in found
    ]


# --- The site --------------------------------------------------------------------------------------------------------


def test_each_page_is_in_one_section_and_has_its_label():
    listed = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    names = [name for section in listed for name in section["toctree"]]
    assert sorted(names) == sorted(path.stem for path in PAGES.glob("*.rst"))
    for name in names:
        assert f".. _ansible_collections.iotfleet.ota.docsite.{name}:\n" in page(name)


@pytest.mark.parametrize(
    "word", ["cancel", "dingtalk", "feishu", "glossary", "rollback", "slack", "teams", "tuya", "webhook"]
)
def test_a_title_has_what_people_search(word):
    titles = [re.findall(r"\n([^\n]+)\n={3,}\n", path.read_text(encoding="utf-8")) for path in PAGES.glob("*.rst")]
    assert any(word in title.lower() for (title, *_others) in titles)
