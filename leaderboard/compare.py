"""Whether two measurements of a cell agree: figure by figure, each within what it may differ.

Nothing is drawn that a seed does not decide, so a cell that is measured again is the same to the last digit,
whatever the number of threads. Only another kind of processor adds sums up in another order, and training
carries the difference on. So there are two rules. Where the heads themselves come out alike (those of
float32 to the last digit), both machines compute alike, and everything else must be alike, too. Where they
do not, figures may lie apart as far as TOLERANCES says: several times what was measured between two kinds of
arithmetic (``python -m benchmarks.verification``, docs/submitting.md), and fewer than SLACK of them further.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cell_runs import REFERENCE
from benchmark.results import ATTACKED, CellResult
from benchmark.tables import summarise
from leaderboard.verification import Deviation, Frame

#: Columns by which a row is known, by frame.
KEYS: Mapping[Frame, tuple[str, ...]] = {
    "rows": ("quantizer", "run"),
    "attacks": ("quantizer", "attack", "shadows", "run"),
    "records": ("quantizer", "smiles"),
    "joint_release": ("release", "versions", "attack", "run"),
}
#: Never differ: they say how weights are coded, or how many there are.
EXACT = ("bits", "coverage", "model_coverage", "records", "constant", "packed_bytes")
#: Facts of a result that say what was measured.
FACTS = (
    *("task", "task_version", "kind", "targets", "metric", "encoder", "train_encoder", "scope", "runs"),
    *(
        "seed",
        "race",
        "split",
        "test_share",
        "head",
        "pool",
        "members",
        "test",
        "dimensions",
        "sha256",
        "unscored",
    ),
)
#: Facts that are hashes of the program and its libraries, too: alike where these are alike.
KEY_FACTS = ("key", "quantizers", *(f"{kind}_key" for kind in ATTACKED))
#: Deviations that are told of one cell.
TOLD = 20


@dataclass(frozen=True)
class Tolerance:
    """How far a figure may lie from another: ``absolute + relative * the larger size``."""

    absolute: float
    relative: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.absolute:g}"] if self.absolute else []
        parts += [f"{self.relative:g} of it"] if self.relative else []
        return " + ".join(parts) or "0"


NONE, ALIKE = Tolerance(0.0), Tolerance(1e-6, 1e-6)
_LOSS, _SCORE, _SHARE, _EXPOSED = Tolerance(0.05, 0.2), Tolerance(0.015), Tolerance(0.15), Tolerance(0.25)
#: By column; see :func:`tolerance`.
TOLERANCES: Mapping[str, Tolerance] = {
    **dict.fromkeys(("loss_in", "loss_out"), _LOSS),
    **dict.fromkeys(("rate", "rate_corrected"), Tolerance(0.025)),
    "effect": Tolerance(0.06, 0.1),
    **dict.fromkeys(("roc_auc", "pr_auc", "r2", "spearman", "entropy_bits"), _SCORE),
    "zeros": Tolerance(0.005),
    "candidates": Tolerance(3),
    "reference": Tolerance(math.inf),  # an epoch: which one changes with the last digit
    **dict.fromkeys(("auc",), Tolerance(0.07)),
    **dict.fromkeys(("advantage", "mcc"), Tolerance(0.3)),
    **dict.fromkeys(("tpr_10", "tpr_1", "tpr_0.1"), _SHARE),
    **dict.fromkeys(("auc_record_error", "advantage_record_error"), Tolerance(0.005)),
    **dict.fromkeys(("exposure", "exposure_low", "exposure_high", "p_value"), _EXPOSED),
    "score_difference": Tolerance(0.5),
}
OTHERWISE = Tolerance(0.02, 0.02)
#: What the board shows, means over runs, which lie closer together than the runs.
BOARD = {
    "r": Tolerance(0.0, 0.05),
    "performance": Tolerance(0.001, 0.002),
    "relative_performance": Tolerance(0.003),
    "lira_auc": Tolerance(0.005),
    "mis_bound": Tolerance(0.03),
}
#: Share of the figures of a column that may lie further apart, by frame.
SLACK = {"rows": 0.01, "attacks": 0.01, "records": 0.05, "joint_release": 0.01}
#: Columns of float32 that tell whether two machines compute alike.
_TELLING = ("run", "loss_in", "loss_out", "effect")


def tolerance(column: str) -> Tolerance:
    """Return how far the figures of a column may lie apart where machines do not compute alike."""
    return NONE if column in EXACT else TOLERANCES.get(column, OTHERWISE)


def compute_alike(submitted: CellResult, measured: CellResult) -> bool:
    """Return whether the heads of two measurements are the same: float32's losses to the last digit."""
    parts = [r.rows.loc[r.rows["quantizer"] == REFERENCE, list(_TELLING)] for r in (submitted, measured)]
    one, two = (part.reset_index(drop=True) for part in parts)
    return bool(one.equals(two))


@dataclass
class Comparison:
    """What comes out, figure by figure.

    Attributes
    ----------
    alike : bool
        Whether the two machines compute alike.
    figures : int
        How many were compared.
    largest : float
        The largest difference in times of what is allowed, of figures that are allowed any.
    largest_of : str
        Where it is.
    beyond : int
        How many lie further apart than is allowed.
    told : list of Deviation
        The first of them.
    """

    alike: bool
    figures: int = 0
    largest: float = 0.0
    largest_of: str = ""
    beyond: int = 0
    told: list[Deviation] | None = None

    def differs(
        self, frame: Frame, column: str, where: str, pair: tuple[object, object], allowed: str
    ) -> None:
        """Count a figure that differs too much, and keep it where there are few."""
        self.beyond += 1
        self.told = self.told or []
        if len(self.told) < TOLD:
            texts = [str(value)[:200] for value in pair]
            self.told.append(
                Deviation(
                    frame=frame, column=column[:200], where=where[:300],
                    submitted=texts[0], measured=texts[1], allowed=allowed,
                )
            )  # fmt: skip


def compare(submitted: CellResult, measured: CellResult, *, same_program: bool) -> Comparison:
    """Compare a submitted result with one that was measured again.

    Parameters
    ----------
    submitted, measured : CellResult
        Of one cell.
    same_program : bool
        Whether the libraries of both have the same versions, so that hashes of them must be the same.
    """
    made = Comparison(compute_alike(submitted, measured))
    for name in (*FACTS, *(KEY_FACTS if same_program else ())):
        pair = tuple(json.dumps(r.facts.get(name), sort_keys=True) for r in (submitted, measured))
        made.figures += 1
        if pair[0] != pair[1]:
            made.differs("facts", name, "", (pair[0], pair[1]), "0")
    for kind in KEYS:
        ours, again = (getattr(result, kind) for result in (submitted, measured))
        shapes = [_shape(frame) for frame in (ours, again)]
        if shapes[0] != shapes[1]:
            made.differs(kind, "", "", (shapes[0], shapes[1]), "0")
        elif ours is not None:
            _compare_frames(made, kind, ours, again)
    if not made.alike and not made.beyond:
        _compare_board(made, submitted, measured)
    return made


def _shape(frame: pd.DataFrame | None) -> str:
    """Return what a frame is, in words."""
    return "absent" if frame is None else f"{len(frame)} rows of {', '.join(map(str, frame.columns))}"


def _compare_frames(made: Comparison, kind: Frame, ours: pd.DataFrame, again: pd.DataFrame) -> None:
    """Compare two frames of one shape column by column."""
    keys = [name for name in KEYS[kind] if name in ours]
    for column in ours.columns:
        free = column not in keys and column not in EXACT
        allowed = NONE if not free else ALIKE if made.alike else tolerance(column)
        slack = SLACK[kind] if free and not made.alike else 0.0
        _compare_column(made, kind, str(column), _Pair(ours, again, keys, allowed, slack))


@dataclass(frozen=True)
class _Pair:
    """Two frames, how their rows are known, and what one of their columns may differ."""

    ours: pd.DataFrame
    again: pd.DataFrame
    keys: list[str]
    allowed: Tolerance
    slack: float

    def where(self, row: int) -> str:
        """Return which row it is, in words."""
        return ", ".join(f"{name} {self.again[name].iloc[row]}" for name in self.keys)


def _compare_column(made: Comparison, kind: Frame, column: str, pair: _Pair) -> None:
    """Compare two columns, and count what is beyond."""
    made.figures += len(pair.ours)
    ratio = ratios(pair.ours[column], pair.again[column], pair.allowed)
    wrong = np.flatnonzero(ratio > 1)
    if len(wrong) > pair.slack * len(ratio):
        for row in wrong[:TOLD]:
            values = pair.ours[column].iloc[row], pair.again[column].iloc[row]
            made.differs(kind, column, pair.where(row), values, str(pair.allowed))
        made.beyond += max(len(wrong) - TOLD, 0)
    known = np.where(np.isfinite(ratio), ratio, 0.0)
    if len(known) and known.max() > made.largest:
        row = int(known.argmax())
        made.largest, made.largest_of = float(known[row]), f"{kind}: {column} of {pair.where(row)}"


def _compare_board(made: Comparison, submitted: CellResult, measured: CellResult) -> None:
    """Compare what the board shows of two results."""
    tables = [summarise(result) for result in (submitted, measured)]
    for column, allowed in BOARD.items():
        if all(column in table for table in tables):
            _compare_column(made, "board", column, _Pair(tables[0], tables[1], ["quantizer"], allowed, 0.0))


def ratios(ours: pd.Series, again: pd.Series, allowed: Tolerance) -> NDArray[np.float64]:
    """Return the difference of every two figures in times of what is allowed; infinite where none is.

    Parameters
    ----------
    ours, again : Series
        Figures or text; two that are missing are alike.
    allowed : Tolerance
        What is allowed; nothing of text.
    """
    numbers = all(pd.api.types.is_numeric_dtype(s) and s.dtype.kind in "iuf" for s in (ours, again))
    if not numbers:
        alike = (ours.isna() & again.isna()) | (ours.astype(str) == again.astype(str))
        return np.where(alike.to_numpy(), 0.0, math.inf)
    one, two = (s.to_numpy(dtype=np.float64) for s in (ours, again))
    with np.errstate(invalid="ignore", divide="ignore"):
        room = allowed.absolute + allowed.relative * np.maximum(np.abs(one), np.abs(two))
        ratio = np.where(room > 0, np.abs(one - two) / room, math.inf)
    alike = (one == two) | (np.isnan(one) & np.isnan(two))
    return np.where(alike, 0.0, np.where(np.isnan(ratio), math.inf, ratio))
