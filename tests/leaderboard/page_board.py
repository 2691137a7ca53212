"""A board with everything in it that a page must bear: hostile names, odd numbers, missing figures."""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.synthetic_board import contents
from leaderboard.page import Contents, page

SCRIPT = "<script>alert(1)</script>"
BREAKS_OUT = "</script><!-- \"\u2028 &lt; \u202e', \n ="
#: Numbers that Python and JavaScript write differently, or that are hard to write shortly.
ODD = (
    *(0.0, -0.0, 1.0, -3.0, 1e-5, 1.5e-5, 1e-4, 123456789012345680.0, 1e16, 9999999999999998.0, 1e21, 1e22),
    *(1e-7, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1 / 3, 2**53 + 0.0, np.nan, np.inf, -np.inf),
)


def hostile(cells: int = 8) -> Contents:
    """Return a drawn board with names, flags and authors that are markup, and a column of odd numbers."""
    drawn = contents(14, cells)
    new = {"uniform-5": SCRIPT, "submitted-000": BREAKS_OUT}
    long, entries = drawn.long.replace({"quantizer": new}), drawn.entries.replace({"quantizer": new})
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**63, len(long)).view(np.float64)
    odd = np.where(np.arange(len(long)) < len(ODD), np.resize(ODD, len(long)), bits)
    long = long.assign(odd=odd, note=pd.Series([f'a, "{row}"\nb' for row in range(len(long))], dtype="str"))
    long.loc[long["quantizer"] == SCRIPT, "flags"] = "<img src=x onerror=alert(2)>"
    long.loc[long["quantizer"] == "sign", ["r", "r_low", "r_high"]] = np.nan
    long.loc[long["quantizer"] == "sign", "privacy_rank"] = pd.NA
    long.loc[long["quantizer"] == "uniform-8", "status"] = "confounded"
    entries.loc[entries["quantizer"] == "uniform-8", ["mis_bound", "mis_bound_low", "mis_bound_high"]] = (
        np.nan
    )
    entries.loc[entries["quantizer"] == BREAKS_OUT, "author"] = "<b onclick=alert(3)>me</b>"
    wins = drawn.wins.replace({"quantizer": new, "opponent": new})
    return replace(
        drawn, long=long, entries=entries, wins=wins, rules=f"Rule. By {SCRIPT}.", skipped=(f"no {SCRIPT}",),
        meaning={"counted": "counts", "confounded": "counts <b>not</b>"},
    )  # fmt: skip


def text_of(board: Contents) -> str:
    """Return the page of a board."""
    return "".join(page(board))
