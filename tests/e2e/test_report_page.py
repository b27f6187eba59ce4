# Copyright (c) 2026, iotfleet.ota contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report for people, as a browser shows it: on a phone and on a desk, in the light and in the dark, and printed."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from .conftest import needs
from .report_results import results, shared_reports

RESULTS = results()
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# The least contrast of any text that is shown, with an example; colours are blended down to the page's own.
CONTRAST = """() => {
  const parse = (text) => {
    const numbers = text.match(/[0-9.]+/g).map(Number);
    return [numbers[0], numbers[1], numbers[2], numbers.length > 3 ? numbers[3] : 1];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const own = parse(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, element.parentElement ? background(element.parentElement) : [255, 255, 255, 1]);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || element.closest("svg") || !element.checkVisibility()) continue;
    const below = background(element);
    const [high, low] = [luminance(over(parse(getComputedStyle(element).color), below)), luminance(below)]
      .sort((a, b) => b - a);
    found.push({ratio: (high + 0.05) / (low + 0.05), text: text.slice(0, 40)});
  }
  return found.sort((a, b) => a.ratio - b.ratio)[0];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    needs(CHROMIUM, "there is no Chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture(scope="module")
def reports(browser, tmp_path_factory) -> pathlib.Path:
    """A folder with the page of each result."""
    return shared_reports(tmp_path_factory.getbasetemp())


@pytest.fixture(params=["light", "dark"])
def scheme(request) -> str:
    return request.param


@pytest.fixture(params=SIZES)
def page(request, browser, scheme) -> Iterator[Page]:
    """An empty page of that size, which must stay quiet: no message, no error, and no request but for the file."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("dialog", lambda dialog: noise.append(dialog.message))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or noise.append(request.url))
    yield page
    context.close()
    assert noise == []


def show(page: Page, reports: pathlib.Path, name: str) -> None:
    page.goto((reports / name / "rollout-gate.html").as_uri())
    folder = os.environ.get("REPORT_SCREENSHOTS")
    if folder:
        scheme = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'")
        width = page.viewport_size["width"] if page.viewport_size else 0
        page.screenshot(path=pathlib.Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize("name", RESULTS)
def test_page(page, reports, name):
    show(page, reports, name)
    for _time in range(2):
        root = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert root[0] <= root[1]
        # Nothing sticks out of its card but what scrolls in its own box.
        wide = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
        assert page.locator("header, section").evaluate_all(wide) == []
        worst = page.evaluate(CONTRAST)
        assert worst["ratio"] >= 4.5, worst
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.locator("h1").inner_text().endswith(RESULTS[name]["verdict"].replace("_", " ").capitalize())
    assert page.title().endswith(f"Rollout <{name}> & more")


MOVED = [name for name in RESULTS if len({entry["pending"] for entry in RESULTS[name]["timeline"]}) > 1]


@pytest.mark.parametrize("name", MOVED)
def test_chart(page, reports, name):
    show(page, reports, name)
    chart = page.get_by_role("img", name="Devices by state over time")
    box = chart.bounding_box()
    assert box
    assert box["width"] > 250
    assert box["height"] > 150
    areas = page.locator(".plot .area").evaluate_all("areas => areas.map(area => area.getBBox().height)")
    timeline = RESULTS[name]["timeline"]
    top = max(entry["succeeded"] + entry["failed"] + entry["pending"] for entry in timeline)
    ended = max(entry["succeeded"] + entry["failed"] for entry in timeline)
    heights = [top, ended, max(entry["failed"] for entry in timeline)]
    assert areas == pytest.approx([200 * height / top for height in heights], abs=0.2)
    # The legend tells the areas apart by their pattern as well.
    fills = page.locator("figcaption .swatch").evaluate_all("all => all.map(e => getComputedStyle(e).backgroundImage)")
    assert [fill.startswith("repeating") for fill in fills][:3] == [True, False, True]
    marks = page.locator(".x span:visible").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])"
    )
    assert all(one[1] < other[0] for one, other in zip(marks, marks[1:]))
    assert page.locator(".x span").first.inner_text().startswith("0 s")


def test_a_rollout_that_did_not_move_has_one_bar(page, reports):
    show(page, reports, "one_poll")
    assert page.locator(".plot").count() == 0
    widths = page.locator("figure .stack span").evaluate_all("all => all.map(e => e.style.width)")
    assert widths == ["100%"]


def test_contrast_is_measured(page, reports):
    show(page, reports, "failed")
    page.add_style_tag(content=".note { color: #888888; opacity: 1; } section { background: #777777; }")
    assert page.evaluate(CONTRAST)["ratio"] < 1.5


def test_odd_names_are_text(page, reports):
    show(page, reports, "odd")
    names = page.locator("#failed-devices + .scroll tbody th").all_inner_texts()
    script = names.index("<script>alert(1)</script>")
    assert names[script + 1 : script + 6] == ["{{ 7*7 }}", "{% raw %}", "客厅", "(blank)", "(blank)"]


def test_tables_are_reached_with_the_keyboard(page, reports):
    show(page, reports, "failed")
    boxes = page.locator(".scroll:visible")
    for index in range(boxes.count()):
        boxes.nth(index).focus()
        assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


@pytest.mark.parametrize("name", ["failed", "odd", "timed_out"])
def test_the_detail_of_a_device_is_seen_without_scrolling_sideways(page, reports, name):
    show(page, reports, name)
    boxes = page.locator(".scroll:visible").evaluate_all("all => all.map(e => e.scrollWidth - e.clientWidth)")
    if page.viewport_size["width"] < 500 or name == "failed":
        assert max(boxes) <= 0


def test_print(page, reports, tmp_path):
    show(page, reports, "timed_out")
    page.emulate_media(media="print")
    assert page.locator("#pending-devices + .scroll").evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    words = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"
    assert page.locator("td.state, td.reason").evaluate_all(words) == []
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
