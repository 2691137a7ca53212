"""Time, memory and size of the board's page, and how soon it sorts: ``python -m benchmarks.page``.

A drawn table of ``--cells`` cells and 12 quantizers is made into a page in a fresh process: ranks and win
matrix are worked out, then the page is written. ``--store`` does the same through the command line, from a
store of synthetic cells (see :mod:`benchmarks.board`), which takes long to make. Then a headless Chromium
opens the page, and one of ``--quantizers`` quantizers, whose headings are clicked: the time of a sort is that
from the click to the first frame that shows it, and to the one in which every row has its place; beside it
the processor time of the page's thread, which does not depend on what else the machine does. Rows out of
sight may be laid out later, so a jump to the last row is timed after each sort, to the frame that shows it.
Filters are timed to their first frame.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.board import export, make_store
from benchmarks.synthetic_board import contents
from leaderboard.page import Contents, page

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
  const whole = performance.now() - started;
  const box = document.querySelector("#standing"), jumped = performance.now();
  box.scrollTop = box.scrollHeight;
  await drawn();
  const jump = performance.now() - jumped;
  box.scrollTop = 0;
  return [script, first, whole, jump];
}"""


def write_page(table: Path, out: Path) -> None:
    """Write the page of the rows of all cells in a Parquet file."""
    import pandas as pd

    from leaderboard.entries import entries, win_table

    long = pd.read_parquet(table)
    made = Contents(long, entries(long), win_table(long), "Drawn. No cell was measured.")
    with out.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(page(made))


def measured(command: list[str]) -> tuple[float, float, float]:
    """Return wall and processor seconds and peak memory in MiB of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def exported(cells: int, folder: Path, store: bool, console: Console) -> Path:
    """Make the page of so many cells; print what it took."""
    out, table = folder / "board.html", folder / "long.parquet"
    shown = Table("export", "wall s", "processor s", "peak MiB", "file MiB", title=f"{cells:,} cells")
    contents(12, cells).long.to_parquet(table)
    figures = {
        "ranks, win matrix and page": measured(
            [sys.executable, "-m", __spec__.name, "--write", str(table), str(out)]
        )
    }
    if store:
        make_store(folder / "results", cells, 40, console)
        for name in ("command line, index made from summaries", "command line"):
            *took, said = export(folder / "results", ["--format", "html"], out)
            if said.startswith("failed"):
                raise SystemExit(said)
            figures[name] = tuple(took)
    for name, (wall, used, peak) in figures.items():
        shown.add_row(name, f"{wall:.1f}", f"{used:.1f}", f"{peak:.0f}", f"{out.stat().st_size / 2**20:.0f}")
    console.print(shown)
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
        "to last row ms",
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
            _, first, whole, jump = zip(*sorts, strict=True)
            figures = (statistics.median(first), max(first), statistics.median(whole), max(whole))
            figures += (used, statistics.median(jump), statistics.median(filters), max(filters))
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
    parser.add_argument("--store", action="store_true", help="export a store of so many cells, too")
    parser.add_argument("--write", nargs=2, type=Path, metavar=("TABLE", "OUT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write_page(*asked.write)
        return
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as temporary:
        wide = Path(temporary) / "wide.html"
        with wide.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(page(contents(asked.quantizers, 8)))
        pages = {f"{asked.quantizers:,} quantizers, 8 cells": wide}
        if asked.cells:
            pages[f"12 quantizers, {asked.cells:,} cells"] = exported(
                asked.cells, Path(temporary), asked.store, console
            )
        opened(pages, console)


if __name__ == "__main__":
    main()
