"""What the page shows of a board's tables: which columns, under which words, with how many digits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

import pandas as pd

from leaderboard.status import NOBODY, Status


@dataclass(frozen=True)
class Shown:
    """A column of a table of the page.

    Attributes
    ----------
    column : str
        Its name in the frame.
    label, help : str
        Its heading, and what it says.
    decimals : int
        Digits after the point; every number of the column is shown with as many.
    scale : float
        What numbers are multiplied with before they are shown.
    low, high : str
        Columns of its interval; empty where it has none.
    unit : str
        What follows a number.
    kind : {"number", "name", "origin", "standing", "status"}
        How it is shown: ``name`` opens the detail, ``origin`` is a word made of source and verification,
        ``standing`` is words of what must be known of an entry, ``status`` of a row.
    """

    column: str
    label: str
    help: str
    decimals: int = 3
    scale: float = 1.0
    low: str = ""
    high: str = ""
    unit: str = ""
    kind: str = "number"


_ORIGIN = Shown(
    "verified",
    "origin",
    "Built-in; local: a file of the user's, measured here; or of a submission: verified (measured again, and "
    "the same), mismatching (measured again, and not the same), unverified (as submitted).",
    kind="origin",
)
_BITS = Shown("bits", "bits", "Nominal bits per quantized weight.", 2)
_ENTROPY = Shown(
    "entropy_bits", "entropy bits", "Bits per weight that an ideal coder would need, scales included.", 2
)
_MIS = (
    "1 less the largest advantage of any attack; membership inference security is at most this. "
    "1 = no attack found anything."
)
_LIRA = "How well the likelihood-ratio attack tells members from non-members; 0.5 = a coin."

#: Of the table of all cells: a row a quantizer.
STANDING = (
    Shown(
        "privacy_rank",
        "rank",
        "Place by privacy; 1 = most private.",
        0,
        low="privacy_rank_low",
        high="privacy_rank_high",
    ),
    Shown("quantizer", "quantizer", "Its name; opens formula, curve, ranks and cost.", kind="name"),
    _ORIGIN,
    Shown(
        "partial",
        "standing",
        "What must be known before its figures are used: partial entries lack cells of the "
        "block; counts of cells that are missing, flagged, useless or without r. Cells that count for nobody "
        "are named above the table.",
        kind="standing",
    ),
    _BITS,
    _ENTROPY,
    Shown(
        "privacy",
        "privacy",
        "Share of the other quantizers that it beats by r in a cell, mean over cells.",
        low="privacy_low",
        high="privacy_high",
    ),
    Shown(
        "relative_performance",
        "performance",
        "Performance relative to float32, mean over cells.",
        low="relative_low",
        high="relative_high",
    ),
    Shown(
        "performance_rank",
        "perf. rank",
        "Place by performance; 1 = best.",
        0,
        low="performance_rank_low",
        high="performance_rank_high",
    ),
    Shown("pareto_layer", "layer", "Pareto layer; 1 = none is better in both.", 0),
    Shown("mis_bound", "MIS ≤", _MIS, low="mis_bound_low", high="mis_bound_high"),
    Shown("smallest_mis_bound", "least MIS ≤", "The smallest of these bounds in any cell."),
    Shown("lira_auc", "LiRA AUC", _LIRA),
    Shown("mean_rank", "mean rank", "Mean place by privacy over cells.", 2),
    Shown("ranked_cells", "cells", "Cells of the block that it is ranked in.", 0),
)

#: Of the table of one cell: a row a quantizer.
CELL = (
    Shown(
        "privacy_rank",
        "rank",
        "Place by r; 1 = most private; several share one where r does not tell them apart.",
        0,
        low="privacy_rank_low",
        high="privacy_rank_high",
    ),
    Shown("quantizer", "quantizer", "Its name; opens formula, curve, ranks and cost.", kind="name"),
    _ORIGIN,
    Shown("status", "status", "What the row counts for, and what must be known of it.", kind="status"),
    _BITS,
    _ENTROPY,
    Shown("packed_bytes", "size", "Bytes of the packed head as a file, mean over runs.", 0, unit=" B"),
    Shown("r", "r × 10⁴", "The indicator; larger = more private.", 2, 1e4, "r_low", "r_high"),
    Shown(
        "relative_performance",
        "relative",
        "Performance relative to float32, which is 1.",
        low="relative_low",
        high="relative_high",
    ),
    Shown(
        "performance",
        "performance",
        "The main metric of the task.",
        low="performance_low",
        high="performance_high",
    ),
    Shown(
        "generalization_gap",
        "gap × 10²",
        "Loss of non-members less that of members; smaller is better.",
        2,
        1e2,
        "gap_low",
        "gap_high",
    ),
    Shown("lira_auc", "LiRA AUC", _LIRA, low="lira_auc_low", high="lira_auc_high"),
    Shown("lira_auc_mismatched", "mismatched", "The same attack with float32 shadow models."),
    Shown("mis_bound", "MIS ≤", _MIS, low="mis_bound_low", high="mis_bound_high"),
    Shown(
        "tpr_at_1pct",
        "TPR@1%",
        "Members found at one false alarm in a hundred.",
        1,
        1e2,
        "tpr_at_1pct_low",
        "tpr_at_1pct_high",
        "%",
    ),
    Shown("rank_stability", "stable", "Share of bootstrap resamples in which the rank holds.", 2),
)

#: Of the table of one quantizer: a row a cell.
RANKS = ("privacy_rank", "r", "relative_performance", "mis_bound", "lira_auc", "packed_bytes", "status")

#: Words for counts of cells in the standing of an entry; what holds for everybody in a cell is said once.
COUNTS = {
    "missing": "{n} missing",
    "flagged": "flagged in {n}",
    "degenerate": "useless in {n}",
    "unknown": "no r in {n}",
    "outdated": "{n} outdated",
}


def shown(columns: Sequence[Shown], frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return the columns that a frame has, as JSON."""
    told = []
    for column in columns:
        if column.column in frame or column.kind in ("origin", "standing"):
            own = asdict(column)
            if column.low not in frame or column.high not in frame:
                own |= {"low": "", "high": ""}
            told.append(own)
    return told


#: Cells that are named of those that count for nobody.
_NAMED = 200


@dataclass(frozen=True)
class Nobody:
    """Cells in which nobody's figures count, for one reason.

    Attributes
    ----------
    status : str
        The reason.
    count : int
        How many there are.
    cells : tuple of (str, str)
        Title and address on the page of each, the first ones where there are many.
    """

    status: str
    count: int
    cells: tuple[tuple[str, str], ...]


def nobody(long: pd.DataFrame) -> list[Nobody]:
    """Return the cells that count for nobody, by their reasons, in the order of the board.

    A cell of which only some quantizers stand in a file that does not count is among them, and says so.
    """
    if "status" not in long:
        return []
    same = [name for name in ("scope", "setting" if "setting" in long else "cell") if name in long]
    rows = long[~long["status"].isin([Status.OUTDATED, Status.REPEATED])]
    everyone, scope = rows.groupby(same).size(), "scope" in long and len(long["scope"].unique()) > 1
    found = []
    for status in NOBODY:
        own = rows[rows["status"] == status]
        if own.empty:
            continue
        sizes = own.groupby(same, sort=False).size()  # in the order of their first rows, as those below
        firsts = own.drop_duplicates(same).head(_NAMED).to_dict("records")
        parts = zip(firsts, sizes, everyone.loc[sizes.index], strict=False)
        titles = tuple(_title(first, size, of, scope=scope) for first, size, of in parts)
        found.append(Nobody(str(status), len(sizes), titles))
    return found


def _title(row: dict[str, object], own: int, everyone: int, *, scope: bool) -> tuple[str, str]:
    """Return the name of the cell of a row, and its address."""
    words = [row["task"], row["encoder"], row["split"], f"seed {row['seed']}", f"{row['runs']} runs"]
    part = "" if own == everyone else f" ({own} of its {everyone} quantizers)"
    which = {name: row[name] for name in ("scope", "task", "cell") if scope or name != "scope"}
    return " · ".join(map(str, [row["scope"], *words] if scope else words)) + part, "#" + urlencode(which)
