"""The page in a real headless Chromium: sorted, filtered, pointed at, downloaded, by keyboard, on a phone."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.synthetic_board import contents
from leaderboard.page import page as page_text
from leaderboard.page.zoo import Described
from leaderboard.text import csv_text
from tests.leaderboard.page_board import BREAKS_OUT, SCRIPT, hostile, text_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra [dev])")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium")

BOARD = hostile(24)
ENTRIES, LONG = BOARD.entries, BOARD.long


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("page") / "board.html"
    file.write_text(text_of(BOARD), encoding="utf-8", newline="")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, address):
    """Return what opens the page; whatever it does, nothing is said on the console and nothing is fetched."""
    said: list[str] = []
    contexts = []

    def open_(hash_: str = "", width: int = 1280, height: int = 900, **options: object):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: asked(request.url))
        page.goto(address + hash_)
        return page

    def asked(url: str) -> None:
        if not url.startswith((address, "blob:", "data:")):
            said.append(f"request: {url}")

    yield open_
    for context in contexts:
        context.close()
    assert said == []


def names(page) -> list[str]:
    """Names of the rows that can be seen, in their order."""
    return page.locator("#standing tbody tr:visible th").evaluate_all(
        "cells => cells.map(cell => cell.querySelector('bdi').textContent)"
    )


def head(page, label: str):
    return page.locator("#standing thead th", has=page.get_by_role("button", name=label, exact=True))


def live(page) -> str:
    return page.locator("#live").inner_text()


def downloaded(page, label: str) -> tuple[str, bytes]:
    with page.expect_download() as waited:
        page.get_by_role("button", name=label).click()
    return waited.value.suggested_filename, Path(waited.value.path()).read_bytes()


@pytest.mark.parametrize(
    ("label", "column", "first_down"),
    [("bits", "bits", False), ("MIS ≤", "mis_bound", True), ("layer", "pareto_layer", False)],
)
def test_headings_sort_and_say_so(opened, label, column, first_down):
    page = opened()
    assert head(page, "rank").get_attribute("aria-sort") == "ascending"
    for down in (first_down, not first_down):
        head(page, label).get_by_role("button").click()
        assert head(page, label).get_attribute("aria-sort") == ("descending" if down else "ascending")
        assert head(page, "rank").get_attribute("aria-sort") == "none"
        known = ENTRIES.set_index("quantizer")[column]
        shown = [known[name] for name in names(page)]
        assert [value for value in shown if pd.notna(value)] == sorted(known.dropna(), reverse=down)
        assert all(pd.isna(value) for value in shown[known.notna().sum() :])  # what is missing comes last
        assert f"sorted by {label}, {'descending' if down else 'ascending'}" in live(page)


def test_filters_narrow_table_and_scatter(opened):
    page = opened()
    page.get_by_label("Search").fill("ternary")
    assert names(page) == ["ternary-90", "ternary-75", "ternary-50", "ternary-33"]
    assert live(page).startswith("4 of 14 quantizers shown")
    assert page.locator("#plot .point").count() == 4
    page.get_by_label("Bits at most").fill("1.1")
    narrow = set(ENTRIES.loc[ENTRIES["bits"] <= 1.1, "quantizer"])
    assert set(names(page)) == {name for name in narrow if name.startswith("ternary")}
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 14
    page.get_by_label("front only").check()
    assert set(names(page)) == set(ENTRIES.loc[ENTRIES["pareto_layer"] == 1, "quantizer"])
    page.get_by_label("front only").uncheck()
    page.get_by_label("complete entries only").check()
    assert set(names(page)) == set(ENTRIES.loc[~ENTRIES["partial"], "quantizer"])
    page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == 14
    page.get_by_label("Origin").select_option("verified")
    assert set(names(page)) == set(ENTRIES.loc[ENTRIES["verified"] == "verified", "quantizer"])


def test_pointing_at_a_quantizer_tells_its_figures(opened):
    page = opened()
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator('.point[data-name="ternary-75"]').hover()
    row = ENTRIES.set_index("quantizer").loc["ternary-75"]
    expected = f"privacy {row['privacy']:.3f} [{row['privacy_low']:.3f}, {row['privacy_high']:.3f}]"
    assert expected in tip.inner_text()
    assert tip.inner_text().startswith("ternary-75")
    box, plot = tip.bounding_box(), page.locator("#plot").bounding_box()
    assert box["x"] >= plot["x"]
    assert box["x"] + box["width"] <= plot["x"] + plot["width"]
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_the_table_shows_figures_by_the_rule(opened):
    page = opened()
    row = ENTRIES.set_index("quantizer").loc["ternary-50"]
    shown = page.locator('tr[data-key="ternary-50"] td').all_inner_texts()
    place = page.locator("#standing thead th").all_inner_texts().index("performance") - 1  # the name is no td
    value, reach = shown[place].split("\n")
    assert value == f"{row['relative_performance']:.3f}"
    assert reach == f"[{row['relative_low']:.3f}, {row['relative_high']:.3f}]"
    words = page.locator(f'tr:has(bdi:text-is("{SCRIPT}"))').inner_text()
    assert SCRIPT in words


@pytest.mark.parametrize(
    ("label", "name", "table"),
    [
        ("Standing as CSV", "entries.csv", "entries"),
        ("All cells as CSV", "board.csv", "long"),
        ("Win matrix as CSV", "wins.csv", "wins"),
    ],
)
def test_the_csv_of_the_page_is_that_of_pandas(opened, label, name, table):
    found = downloaded(opened(), label)
    assert found[0] == name
    frame = getattr(BOARD, table)
    assert found[1] == frame.to_csv(index=False).encode()
    assert found[1] == "".join(csv_text(frame)).encode()  # what the command line writes


def test_the_rows_shown_as_csv(opened):
    page = opened()
    page.get_by_label("Search").fill("ternary")
    head(page, "bits").get_by_role("button").click()
    name, data = downloaded(page, "Rows shown as CSV")
    assert name == "shown.csv"
    frame = ENTRIES.set_index("quantizer", drop=False).loc[names(page)]
    assert data == frame.to_csv(index=False).encode()
    assert pd.read_csv(io.BytesIO(data))["quantizer"].tolist() == names(page)


def test_markup_in_a_submission_is_shown_and_does_nothing(opened):
    page = opened()
    assert {SCRIPT, BREAKS_OUT} <= set(names(page))
    page.get_by_role("button", name=SCRIPT).first.click()
    assert page.locator("#detail-title").inner_text() == SCRIPT
    page.keyboard.press("Escape")
    page.goto(page.url.split("#")[0] + "#task=task-00000")
    assert "<img src=x onerror=alert(2)>" in page.locator("#standing").inner_text()
    for tag in ("img", "b", "#standing script"):
        assert page.locator(tag).count() == 0


def test_the_keyboard_reaches_points_and_detail(opened):
    page = opened()
    by_privacy = ENTRIES.sort_values("privacy")["quantizer"].tolist()
    page.get_by_role("button", name="Show all").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.dataset.name"
    assert page.evaluate(focused) == by_privacy[0]
    assert page.locator("#tip").is_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == by_privacy[2]
    assert "privacy" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("End")
    assert page.evaluate(focused) == by_privacy[-1]
    page.keyboard.press("Tab")  # one stop for the whole plot
    assert page.evaluate("document.activeElement.textContent") == "Standing as CSV"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.locator("#detail").is_visible()
    assert page.locator("#detail-title").inner_text() == by_privacy[-1]
    page.keyboard.press("Escape")
    page.wait_for_function("!location.hash.includes('quantizer')")
    assert page.locator("#detail").is_hidden()
    assert page.evaluate(focused) == by_privacy[-1]


def test_the_address_leads_to_a_task_and_a_cell(opened):
    page = opened("#task=task-00001")
    own = LONG[LONG["task"] == "task-00001"]
    assert page.locator("#cell option").count() == own["cell"].nunique() == 4
    cell = own["cell"].unique()[2]
    page.locator("#cell").select_option(cell)
    assert f"cell={cell}" in page.url
    rows = own[own["cell"] == cell].set_index("quantizer")
    shown = names(page)
    assert shown[-1] == "sign"  # it has no rank
    assert rows.loc[shown[:-1], "privacy_rank"].is_monotonic_increasing
    r = page.locator('tr[data-key="ternary-50"] td').nth(
        page.locator("#standing thead th").all_inner_texts().index("r × 10⁴") - 1
    )
    assert r.inner_text().split("\n")[0] == f"{rows.loc['ternary-50', 'r'] * 1e4:.2f}"
    assert "confounded" in page.locator('tr[data-key="uniform-8"]').inner_text()
    assert "sign" in page.locator("#undrawn").inner_text()
    page.locator("#task").select_option("")
    assert page.locator("#table-title").inner_text() == "Standing over all cells"
    page.go_back()
    assert page.locator("#table-title").inner_text() == "One cell of task-00001"


@pytest.mark.parametrize(
    ("hash_", "said"), [("#task=nothing", "no task “nothing”"), ("#quantizer=<b>x", "no quantizer “<b>x”")]
)
def test_an_address_of_nothing_says_so(opened, hash_, said):
    page = opened(hash_)
    assert said in live(page)
    assert len(names(page)) == 14


def test_the_detail_tells_what_a_quantizer_is_and_costs(opened):
    page = opened("#quantizer=ternary-75")
    detail = page.locator("#detail")
    text = detail.inner_text()
    assert "t = sparsity-quantile of |w|" in text
    assert "arXiv 2502.06567" in text
    own = LONG[LONG["quantizer"] == "ternary-75"]
    assert f"{own['packed_bytes'].min():,} to {own['packed_bytes'].max():,}" in text
    assert detail.locator("svg.curve").get_attribute("aria-label").endswith("3 distinct values drawn.")
    assert detail.locator("tbody").first.locator("tr").count() == own["cell"].nunique()
    assert detail.locator("tbody").nth(1).locator("tr").count() == 13
    detail.get_by_role("button", name="task-00002").first.click()
    assert detail.is_hidden()
    assert page.locator("#table-title").inner_text() == "One cell of task-00002"


def test_light_and_dark(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    white, black = "rgb(255, 255, 255)", "rgb(18, 22, 27)"
    assert (light.evaluate(ground), dark.evaluate(ground)) == (white, black)
    light.locator("#theme").click()
    light.locator("#theme").click()
    assert light.locator("#theme").inner_text() == "Theme: dark"
    assert light.evaluate(ground) == black
    light.reload()
    assert light.evaluate(ground) == black


@pytest.mark.parametrize("hash_", ["", "#task=task-00001", "#quantizer=ternary-75"])
def test_a_phone_scrolls_the_table_and_not_the_page(opened, hash_):
    page = opened(hash_, width=360, height=740, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    box = page.locator("#standing")
    assert box.evaluate("box => box.scrollWidth > box.clientWidth")
    outside = "[...document.querySelectorAll('label, button, p, figure, h1, h2, dialog[open] *')]"
    outside += ".filter(each => !each.closest('.scroll') && each.getBoundingClientRect().right > 361).length"
    assert page.evaluate(outside) == 0


def rules_broken(page, *which: str) -> Iterator[str]:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed (extra [dev])"
    )
    options = {"runOnly": list(which)}
    for found in axe.Axe().run(page, options=options).response["violations"]:
        yield f"{found['id']}: {[node['html'][:200] for node in found['nodes'][:3]]}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "hash_", ["#q=uniform", "#task=task-00001&q=uniform", "#quantizer=ternary-75&q=uniform"]
)
def test_axe_finds_nothing_that_shuts_anybody_out(opened, scheme, hash_):
    page = opened(hash_, color_scheme=scheme)
    page.locator("summary").evaluate_all("all => all.forEach(each => each.parentElement.open = true)")
    rules = (
        ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
        if scheme == "light"
        else ["color-contrast"]
    )
    assert list(rules_broken(page, *rules)) == []


@pytest.fixture
def opened_of(browser, tmp_path):
    """Return what opens the page of a board."""
    pages = []

    def open_(board, hash_: str = ""):
        file = tmp_path / "own.html"
        file.write_text(text_of(board), encoding="utf-8", newline="")
        pages.append(browser.new_page())
        pages[-1].set_default_timeout(10_000)
        pages[-1].goto(file.as_uri() + hash_)
        return pages[-1]

    yield open_
    for page in pages:
        page.close()


def with_statuses(**statuses: str):
    """Return the board with a status for all rows of cells, by the places of these, and else of none."""
    cells = LONG["cell"].unique()
    long = LONG.assign(status="counted", pareto=True)
    for place, status in statuses.items():
        long.loc[long["cell"] == cells[int(place.removeprefix("cell_"))], "status"] = status
    return replace(BOARD, long=long), cells


@pytest.mark.parametrize("status", ["confounded", "float32 without skill", "mismatching"])
def test_a_cell_that_counts_for_nobody_has_no_front(opened_of, status):
    board, cells = with_statuses(cell_0=status)
    page = opened_of(board, f"#task=task-00000&cell={cells[0]}")
    points = page.locator("#plot .point")
    assert points.count() == page.locator("#plot .point.uncounted").count() == 13  # sign has no r
    assert page.locator("#plot .on-front, #plot .front").count() == 0
    assert page.locator("#standing tbody").get_by_text("front", exact=True).count() == 0
    assert "on the front" not in page.locator("#plot .point").first.get_attribute("aria-label")
    said = page.locator("#uncounted").inner_text()
    assert said.startswith(f"No Pareto front, for no row of this cell counts ({status}")
    assert "Pareto front" not in page.locator("#legend").inner_text()
    fill = "point => getComputedStyle(point).fill"
    grey = page.locator("#plot .point").first.evaluate(fill)
    page.get_by_label("front only").check()
    assert names(page) == []
    page.get_by_label("front only").uncheck()
    page.locator("#cell").select_option(cells[1])
    assert page.locator("#plot .point.on-front").count() == 13
    assert page.locator("#plot .front").count() == 1
    assert page.locator("#uncounted").is_hidden()
    assert page.locator("#plot .point").first.evaluate(fill) != grey
    page.evaluate("location.hash = '#quantizer=ternary-75'")
    own = page.locator("#detail tbody").first.locator("tr")
    assert status in own.nth(0).inner_text()
    assert ["front" in own.nth(place).inner_text() for place in (0, 1)] == [False, True]


def test_rows_that_do_not_count_among_others_are_greyed(opened_of):
    long = LONG.assign(pareto=True)  # uniform-8 is confounded in every cell
    page = opened_of(replace(BOARD, long=long), "#task=task-00000")
    assert page.locator("#plot .point.uncounted").evaluate_all(
        "all => all.map(each => each.dataset.name)"
    ) == ["uniform-8"]
    assert page.locator("#plot .point.on-front").count() == 12
    assert page.locator("#uncounted").inner_text() == (
        "Greyed points do not count, and are on no front (confounded: counts <b>not</b>)."
    )


def test_cells_that_count_for_nobody_are_named_once(opened_of):
    board, cells = with_statuses(cell_1="confounded", cell_5="float32 without skill")
    entries = ENTRIES.assign(confounded=1, without_reference=1)
    page = opened_of(replace(board, entries=entries))
    table = page.locator("#standing").inner_text()
    assert "confounded" not in table
    assert "without skill" not in table
    assert "flagged in 1" in table  # of one quantizer
    note = page.locator("#nobody")
    assert "1 float32 without skill; 1 confounded (counts <b>not</b>)." in note.inner_text()
    note.locator("summary").click()
    assert note.locator("a").all_inner_texts() == [
        "task-00001 · encoder-1 · random · seed 0 · 16 runs",
        "task-00000 · encoder-1 · random · seed 0 · 16 runs",
    ]
    note.locator("a").nth(1).click()
    sync_api.expect(page.locator("#table-title")).to_have_text("One cell of task-00000")
    assert page.locator("#cell").input_value() == cells[1]
    assert note.is_hidden()
    assert "confounded: counts <b>not</b>" in page.locator("#sub").inner_text()


def test_a_cell_measured_in_parts_is_one(browser, tmp_path):
    first = LONG["cell"].unique()[0]
    late = (LONG["cell"] == first) & LONG["quantizer"].isin(["uniform-4", "sign"])
    again = LONG[(LONG["cell"] == first) & (LONG["quantizer"] == "uniform-3")].assign(
        status="outdated", cell="late"
    )
    long = pd.concat([LONG.assign(cell=LONG["cell"].where(~late, "late")), again], ignore_index=True)
    file = tmp_path / "parts.html"
    file.write_text(text_of(replace(BOARD, long=long)), encoding="utf-8", newline="")
    page = browser.new_page()
    page.goto(file.as_uri() + "#task=task-00000&cell=late")
    shown, own = names(page), long[long["setting"] == first]
    assert len(shown) == len(own) == 15
    r = own.drop_duplicates("quantizer").set_index("quantizer")["r"]
    assert [r[name] for name in shown[:-1]] == sorted([*r.dropna().tolist(), r["uniform-3"]], reverse=True)
    assert "measured in 2 parts" in page.locator("#sub").inner_text()
    assert "uniform-3 (outdated)" in page.locator("#undrawn").inner_text()
    drawn = own[own["r"].notna() & ~own["status"].isin(["outdated", "confounded"])]
    best = [
        one["quantizer"]
        for _, one in drawn.iterrows()
        if not ((drawn["r"] > one["r"]) & (drawn["relative_performance"] > one["relative_performance"])).any()
    ]
    on_front = page.locator(".point.on-front").evaluate_all("all => all.map(each => each.dataset.name)")
    assert sorted(on_front) == sorted(best)
    page.close()


def test_the_formula_of_a_submission_is_shown_as_text(browser, tmp_path):
    said = f"{SCRIPT} <img src=x onerror=alert(2)> s · sgn(w)"
    zoo = {
        "submitted-001": Described(formula=said, reference="https://example.org/a", remark="No curve here."),
        BREAKS_OUT: Described(remark="No formula given."),
    }
    board = replace(BOARD, entries=contents(16, 24).entries, long=contents(16, 24).long)
    file = tmp_path / "formula.html"
    file.write_text("".join(page_text(board, zoo)), encoding="utf-8", newline="")
    page = browser.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(file.as_uri() + "#quantizer=submitted-001")
    detail = page.locator("#detail")
    assert detail.locator("code").all_inner_texts() == [said]  # and no empty configuration
    text = detail.inner_text()
    assert "https://example.org/a" in text
    assert "No curve here." in text
    assert detail.locator("img, script, svg, a").count() == 0
    page.goto(file.as_uri() + "#quantizer=submitted-002")
    assert "Neither its formula nor its curve is known here." in detail.inner_text()
    page.close()
    assert dialogs == []
