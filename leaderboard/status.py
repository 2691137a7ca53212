"""What each row of a board counts for: no measured row is dropped silently, and no missing one filled in."""

from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cell_runs import REFERENCE
from benchmark.choice import degenerate
from benchmark.privacy.indicator_name import Indicator


class Status(StrEnum):
    """What a row counts for, the first that holds."""

    OUTDATED = "outdated"
    REPEATED = "repeated"
    MISMATCHING = "mismatching"
    NO_REFERENCE = "float32 without skill"
    CONFOUNDED = "confounded"
    DEGENERATE = "degenerate"
    UNKNOWN = "no r"
    FLAGGED = "flagged"
    COUNTED = "counted"
    MISSING = "missing"


#: What each says.
MEANING = {
    Status.OUTDATED: "measured with an earlier version of the quantizer's code; does not count",
    Status.REPEATED: "the same measurement stands in another cell's file, too, and counts there",
    Status.MISMATCHING: "in a submission that came out otherwise when it was measured again; does not count",
    Status.NO_REFERENCE: "float32 itself has no skill in this cell, so nobody's figures count",
    Status.CONFOUNDED: "members and non-members differ before any training; nobody's figures count",
    Status.DEGENERATE: "constant predictions or no skill: counts as the least private, for it is of no use",
    Status.UNKNOWN: "r cannot be known (too few runs or candidates know it); counts as missing",
    Status.FLAGGED: "counts, and something must be known of it: see flags",
    Status.COUNTED: "counts",
    Status.MISSING: "not measured in this cell",
}
#: Said of a cell, not of a quantizer: nobody's figures count there.
NOBODY = (Status.NO_REFERENCE, Status.CONFOUNDED)
#: Rows that count nowhere, whatever is written in them.
UNCOUNTED = (Status.OUTDATED, Status.REPEATED, Status.MISMATCHING, *NOBODY)


def with_status(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a board with the column ``status``.

    Parameters
    ----------
    frame : DataFrame
        The summaries of all cells: see :mod:`benchmark.summaries`.
    """
    trust = _trust(frame)
    frame = frame.assign(trust=trust)
    reference = frame["quantizer"] == REFERENCE
    useless = degenerate(frame)
    without = set(frame.loc[reference & useless, "setting"])
    said = np.select(
        [
            _outdated(frame),
            _repeated(frame),
            trust == 0,
            frame["setting"].isin(without),
            frame["confounded"].astype(bool),
            useless,
            frame["r"].isna(),
            frame["flags"] != "",
        ],
        [
            *(Status.OUTDATED, Status.REPEATED, Status.MISMATCHING, Status.NO_REFERENCE),
            *(Status.CONFOUNDED, Status.DEGENERATE, Status.UNKNOWN, Status.FLAGGED),
        ],
        Status.COUNTED,
    )
    status = pd.array([str(each) for each in said], dtype=frame["quantizer"].dtype)
    return frame.drop(columns="trust").assign(status=status)


def _trust(frame: pd.DataFrame) -> NDArray[np.intp]:
    """Return how far each row is believed, by the file it stands in: an author has written all of it.

    2: measured here, or in a submission that was verified; 1: in one that was not; 0: in one that came out
    otherwise.
    """
    if "verified" not in frame:
        return np.full(len(frame), 2)
    believed = frame["verified"].map({"mismatching": 0, "unverified": 1}).astype("float64").fillna(2)
    return np.asarray(believed.groupby(frame["cell"]).transform("min"), dtype=np.intp)


def _outdated(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows were measured with another version of the quantizer's code than the newest.

    Where there are rows that are believed more than others, the newest is theirs.
    """
    versions = frame.groupby(["quantizer", "code"], sort=True).agg(
        trust=("trust", "max"), max=("measured", "max"), size=("measured", "size")
    )
    newest = (
        versions.reset_index()
        .sort_values(["trust", "max", "size"], kind="stable")
        .groupby("quantizer")["code"]
        .last()
    )
    return np.asarray(frame["code"] != frame["quantizer"].map(newest))


def _repeated(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows measure what another row, that is preferred, measures with the same code.

    Preferred is the one that is believed most, then the one that attacks were tried on, then the newest, then
    the one of the larger cell.
    """
    at = frame.assign(
        attacked=frame["mis_bound"].notna(), size=frame.groupby("cell")["cell"].transform("size"),
        place=np.arange(len(frame)),
    )  # fmt: skip
    at = at.sort_values(["trust", "attacked", "measured", "size", "cell"], kind="stable")
    again = at.duplicated(["setting", "quantizer", "code"], keep="last")
    return np.asarray(again.to_numpy()[np.argsort(at["place"].to_numpy())])


def privacy_values(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return what the privacy of rows is ordered by within a cell, larger = more private.

    r, with a tie for all that the indicator does not tell apart; below all of them what is degenerate; NaN
    for what has no r or does not count.
    """
    r = frame["r"].to_numpy(dtype=np.float64)
    within = frame["below_resolution"].to_numpy(dtype=bool)
    # no effect is told from none: the most private; no rate is told from 0: the least private
    tied = np.where(frame["indicator"] == Indicator.MEMBERSHIP, np.inf, 0.0)
    values = np.where(within & ~np.isnan(r), tied, r)
    values = np.where(frame["status"] == Status.DEGENERATE, -np.inf, values)
    return np.where(frame["status"].isin([Status.COUNTED, Status.FLAGGED, Status.DEGENERATE]), values, np.nan)


def performance_values(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return relative performance; NaN for what does not count, or where a ratio means nothing."""
    relative = frame["relative_performance"].to_numpy(dtype=np.float64)
    counts = frame["status"].isin([Status.COUNTED, Status.FLAGGED, Status.DEGENERATE, Status.UNKNOWN])
    return np.where(counts & np.isfinite(relative), relative, np.nan)
