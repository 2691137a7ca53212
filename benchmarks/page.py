"""Time, memory and size of the board's page, and how soon it sorts: ``python -m benchmarks.page``.

The page of a store of ``--cells`` synthetic cells (see :mod:`benchmarks.board`) is exported by the command
line in fresh processes: the first puts the board together from the summaries of all cells, the second finds
its index. Then a headless Chromium opens the page, and one of ``--quantizers`` quantizers, whose headings are
clicked: the time of a sort is that from the click to the first frame that shows it, and to the one in which
every row has its place; beside it the processor time of the page's thread, which does not depend on what else
the machine does. Filters are timed to their first frame.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.board import export, make_store
from benchmarks.synthetic_board import contents
from leaderboard.page import page

#: Headings that are clicked, twice each.
HEADINGS = ("quantizer", "bits", "privacy", "performance", "MIS ≤")
#: Milliseconds from a click, or from a filter, to the frame after it, layout and painting included.
_TIMED = """async ([selector, text, wanted]) => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  await drawn();
  const started = performance.now();
  const found = document.querySelectorAll(selector);
  if (text === null) [...found][0].click();
  else { found[0].value = text; found[0].dispatchEvent(new Event("input")); }
  const script = performance.now() - started;
  await drawn();
  const first = performance.now() - started;
  const rows = () => document.querySelectorAll("#standing tbody tr").length;
  while (rows() < wanted) await drawn();
  return [script, first, performance.now() - started];
}"""


def exported(cells: int, folder: Path, console: Console) -> Path:
    """Export the page of a store of so many cells twice; print what it took."""
    results, out = folder / "results", folder / "board.html"
    make_store(results, cells, 40, console)
    table = Table("export", "wall s", "processor s", "peak MiB", "file MiB", title=f"{cells:,} cells")
    for name in ("page, index made from summaries", "page"):
        wall, used, peak, said = export(results, ["--format", "html"], out)
        if not out.exists():
            raise SystemExit(said)
        table.add_row(name, f"{wall:.1f}", f"{used:.1f}", f"{peak:.0f}", f"{out.stat().st_size / 2**20:.0f}")
    console.print(table)
    return out


def processor_ms(session) -> float:
    """Return the milliseconds of processor time that the tasks of a page have taken so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000 * next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def opened(pages: dict[str, Path], console: Console) -> None:
    """Open pages in a browser; print how soon they are there, sort and filter."""
    from playwright.sync_api import sync_playwright

    table = Table(
        "page",
        "opened s",
        "sort ms",
        "slowest",
        "all rows",
        "slowest",
        "processor ms",
        "filter ms",
        "slowest",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, file in pages.items():
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            session = tab.context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            started = time.perf_counter()
            tab.goto(file.as_uri())
            tab.wait_for_selector("#standing tbody tr")
            took = time.perf_counter() - started
            tab.wait_for_timeout(2000)  # until all rows are there
            heads = tab.locator("#standing thead th").all_inner_texts()
            places = [heads.index(heading) + 1 for heading in HEADINGS if heading in heads]
            clicks = [f"#standing thead th:nth-child({place}) button" for place in places for _ in range(2)]
            rows = tab.locator("#standing tbody tr").count()
            before = processor_ms(session)
            sorts = [tab.evaluate(_TIMED, [click, None, rows]) for click in clicks]
            used = (processor_ms(session) - before) / len(sorts)
            filters = [tab.evaluate(_TIMED, ["#search", text, 0])[1] for text in ("s", "su", "9", "zzz", "")]
            _, first, whole = zip(*sorts, strict=True)
            figures = (statistics.median(first), max(first), statistics.median(whole), max(whole))
            figures += (used, statistics.median(filters), max(filters))
            table.add_row(name, f"{took:.1f}", *(f"{figure:.0f}" for figure in figures))
            tab.close()
        browser.close()
    console.print(table)


def main() -> None:
    """Make the pages and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--quantizers", type=int, default=500)
    asked = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as temporary:
        wide = Path(temporary) / "wide.html"
        with wide.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(page(contents(asked.quantizers, 8)))
        pages = {f"{asked.quantizers:,} quantizers, 8 cells": wide}
        if asked.cells:
            pages[f"12 quantizers, {asked.cells:,} cells"] = exported(asked.cells, Path(temporary), console)
        opened(pages, console)


if __name__ == "__main__":
    main()
