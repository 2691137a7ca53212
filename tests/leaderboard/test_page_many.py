"""The page of many quantizers in a real headless Chromium: all rows sorted at once, none lost to anybody."""

import shutil
from collections import Counter

import pytest

from benchmarks.synthetic_board import contents
from tests.leaderboard.page_board import text_of
from tests.leaderboard.test_page_browser import rules_broken

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra [dev])")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium")

BOARD = contents(150, 4)
ENTRIES = BOARD.entries.set_index("quantizer")
NAMES = "[...document.querySelectorAll('#standing tbody tr')].map(row => row.dataset.key)"
#: Of the headings, the first and the last row: where each cell begins, and its width.
PLACES = """() => [document.querySelector('#standing thead tr'), ...document.querySelectorAll(
  '#standing tbody tr:first-child, #standing tbody tr:last-child')].map(row => [...row.children].map(cell => {
    row.scrollIntoView({block: 'nearest'});
    const box = cell.getBoundingClientRect();
    return [Math.round(box.left), Math.round(box.width)];
  }))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("page") / "many.html"
    file.write_text(text_of(BOARD), encoding="utf-8", newline="")
    return file.as_uri()


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright):
    """A browser that makes the tree of a screen reader, as it does where one runs."""
    arguments = ["--no-sandbox", "--force-renderer-accessibility"]
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield started
    started.close()


@pytest.fixture
def page(browser, address):
    made = browser.new_page(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(10_000)
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.goto(address)
    made.wait_for_selector("#standing table.held")
    yield made
    made.close()
    assert errors == []


def click(page, label: str) -> list[str]:
    """Click a heading; return the names of all rows at once after, before any frame is drawn."""
    head = page.locator("#standing thead button", has_text=label).first
    return head.evaluate(f"button => {{ button.click(); return {NAMES}; }}")


def test_every_row_has_its_place_when_a_heading_is_clicked(page):
    assert click(page, "privacy") == ENTRIES["privacy"].sort_values(ascending=False).index.tolist()
    assert click(page, "privacy") == ENTRIES["privacy"].sort_values().index.tolist()
    page.get_by_label("Search").fill("submitted-01")
    assert len(page.evaluate(NAMES)) == 10
    page.get_by_label("Search").fill("")
    assert len(page.evaluate(NAMES)) == 150
    assert page.evaluate(NAMES)[0] == ENTRIES["privacy"].idxmin()


def test_cells_stand_below_their_headings(page):
    click(page, "bits")
    head, first, last = page.evaluate(PLACES)
    assert head == first == last
    page.set_viewport_size({"width": 600, "height": 800})  # where there is less room beside a figure
    for _ in range(100):
        page.wait_for_timeout(50)
        narrow, first, last = page.evaluate(PLACES)
        if narrow[0][1] < head[0][1] and page.locator("#standing table.held").count():
            break
    assert narrow == first == last
    assert all(one < other for (_, one), (_, other) in zip(narrow[3:], head[3:], strict=True))


def test_headings_and_names_stay_in_sight(page):
    box = page.locator("#standing")
    box.evaluate("box => { box.scrollTop = 3000; box.scrollLeft = 400; }")
    edge = box.bounding_box()
    head = page.locator("#standing thead th.name").bounding_box()
    assert (head["x"] - edge["x"], head["y"] - edge["y"]) == pytest.approx((1, 1), abs=1)
    shown = "[...document.querySelectorAll('#standing tbody tr')].filter(row => "
    shown += f"row.getBoundingClientRect().top > {edge['y'] + 100})[0].querySelector('th')"
    name = page.evaluate(f"{shown}.getBoundingClientRect().left")
    assert name - edge["x"] == pytest.approx(1, abs=1)


def test_a_row_out_of_sight_is_found(page):
    click(page, "quantizer")
    found = page.evaluate("""() => {
      for (let time = 0; time < 5; time++) {
        if (!window.find("submitted-131")) return null;
        const at = window.getSelection().anchorNode;
        const element = at.nodeType === 1 ? at : at.parentElement;
        if (element.closest("#standing")) return element.closest("tr").dataset.key;
      }
      return null;
    }""")
    assert found == "submitted-131"


def test_a_screen_reader_is_told_of_every_cell(page):
    click(page, "bits")
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = Counter(node["role"]["value"] for node in nodes if not node["ignored"])
    columns = page.locator("#standing thead th").count()
    told = {role: roles[role] for role in ("table", "row", "columnheader", "rowheader", "cell")}
    assert told == {
        "table": 1, "row": 151, "columnheader": columns, "rowheader": 150, "cell": 150 * (columns - 1),
    }  # fmt: skip
    names = {node["name"]["value"] for node in nodes if node["role"]["value"] == "button"}
    assert set(ENTRIES.index) <= names


def test_axe_finds_nothing_in_a_table_that_is_held(page):
    rules = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
    assert list(rules_broken(page, *rules)) == []
