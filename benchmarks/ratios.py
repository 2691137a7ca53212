"""Speeds beside those of others, measured side by side: ``python -m benchmarks.ratios``.

Runs every benchmark that tells ratios, each in a process of its own; writes ``benchmarks/results.csv``
(columns ``figure, ours, anchor, anchor_name, unit, ratio``), the table in docs/speed.md, and a figure.
``--only`` measures some of them again; ``--table`` makes table and figure of the file as it is.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.ratio import read
from molecules.cache import atomic_write

RESULTS, PAGE = Path("benchmarks/results.csv"), Path("docs/speed.md")
PICTURE = Path("docs/figures/speed.png")
#: Name and arguments of each.
PARTS = {
    "audit": ("benchmarks.audit",),
    "featurization": ("benchmarks.featurization",),
    "growth": ("benchmarks.growth",),
    "startup": ("benchmarks.startup",),
    "streaming": ("benchmarks.streaming",),
}
#: What stands around the table in the page.
BEGIN, END = "<!-- ratios -->\n", "<!-- end of ratios -->\n"


def table(frame: pd.DataFrame) -> str:
    """Return the ratios as a table in Markdown."""
    lines = ["| figure | here | beside it | | ratio |", "|---|--:|--:|---|--:|"]
    for row in frame.itertuples():
        unit = "" if row.unit == "exponent" else f" {row.unit}"
        here, there = f"{row.ours:,.3g}{unit}", f"{row.anchor:,.3g}{unit}"
        if row.unit == "molecules/s":
            here, there = f"{row.ours:,.0f}{unit}", f"{row.anchor:,.0f}{unit}"
        lines.append(f"| {row.figure} | {here} | {there} | {row.anchor_name} | {row.ratio:.2f} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, frame: pd.DataFrame) -> str:
    """Return the page with the table of these ratios in it."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table(frame) + END + rest.split(END)[1]


def draw(frame: pd.DataFrame) -> Figure:
    """Return the figure: a bar for every ratio on a logarithmic scale, 1 in the middle."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9, 0.36 * len(frame) + 1.1), layout="constrained")
        axes = figure.subplots()
        labels = [f"{row.figure}\nagainst {row.anchor_name}" for row in frame.itertuples()]
        colours = ["#0173b2" if ratio >= 1 else "#de8f05" for ratio in frame["ratio"]]
        places = range(len(frame))[::-1]
        axes.barh(list(places), frame["ratio"] - 1, left=1, color=colours, height=0.6)
        axes.set_xscale("log")
        axes.set_yticks(list(places), labels, fontsize=7)
        axes.axvline(1, color="black", linewidth=0.8)
        for place, ratio in zip(places, frame["ratio"], strict=True):
            side = "left" if ratio >= 1 else "right"
            told = f"{ratio:.{2 if ratio < 99.5 else 3}g}"
            axes.annotate(told, (ratio, place), (4 if ratio >= 1 else -4, 0), va="center", ha=side,
                          textcoords="offset points", fontsize=8)  # fmt: skip
        axes.margins(x=0.12, y=0.02)
        axes.set_xlabel("times better than what stands beside it (below 1: worse)")
    return figure


def main() -> None:
    """Measure, and write the file, the page and the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS), help="default: all")
    parser.add_argument("--table", action="store_true", help="measure nothing; make table and figure")
    given = parser.parse_args()
    for name in [] if given.table else given.only:
        subprocess.run([sys.executable, "-m", *PARTS[name], "--csv", str(RESULTS)], check=True)
    frame = read(RESULTS)
    page = with_table(PAGE.read_text(encoding="utf-8"), frame)
    with atomic_write(PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    with atomic_write(PICTURE) as temporary:
        draw(frame).savefig(temporary, format="png", dpi=140)
    print(f"wrote {RESULTS}, {PAGE} and {PICTURE}")


if __name__ == "__main__":
    main()
