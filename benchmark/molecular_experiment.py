"""The two molecular experiments of the paper: r against relative performance, over tasks and encoders.

Two of its statements are tested on every cell: more sparsity makes a ternary quantizer more private, and the
loss of performance is larger in regression. A statement is confirmed or refuted by intervals; where these do
not tell, that is said.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.cell_runs import REFERENCE, CellRuns
from benchmark.privacy.ranking import percentile_interval
from benchmark.results import CellResult
from benchmark.tables import table_of
from tasks.task import Kind

#: Ternary quantizers from the least to the most sparse.
SPARSER = ("ternary-33", "ternary-50", "ternary-75", "ternary-90")
#: Columns of the rows beside ``task, encoder, kind, quantizer``.
FIGURES = (
    *("r", "r_low", "r_high", "below_resolution", "privacy_rank"),
    *("relative_performance", "relative_low", "relative_high"),
    *("lira_auc", "lira_auc_low", "lira_auc_high", "zeros", "no_skill", "flags"),
)
#: Bootstrap resamples over tasks.
RESAMPLES = 4000
#: Tasks of each kind that an interval over tasks takes, and the least difference that is one.
FEWEST_TASKS, LEAST = 5, 0.001


def rows_of(result: CellResult) -> pd.DataFrame:
    """Return the rows of ``fig3.csv`` or ``fig4.csv`` of one cell; the columns are in docs/columns.md."""
    runs = CellRuns(result)
    table = table_of(runs)
    columns = ["task", "encoder", "quantizer", *FIGURES]
    rows = table[columns].copy()
    rows.insert(2, "kind", str(runs.kind))
    rows["sparser_is_more_private"] = table["quantizer"].map(dict(sparsity_steps(runs))).fillna("")
    return rows


def sparsity_steps(runs: CellRuns) -> Iterator[tuple[str, str]]:
    """Yield every ternary quantizer but the first, and whether it is more private than the one less sparse.

    Yields
    ------
    name, verdict : str
        ``confirmed``, ``refuted`` (the interval of the paired difference of r over runs tells) or
        ``undecided``: where it does not, or one of the two has no r.
    """
    point, resampled = runs.compared("r")
    for less, more in itertools.pairwise(SPARSER):
        if less not in runs.names or more not in runs.names:
            continue
        one, two = runs.names.index(less), runs.names.index(more)
        verdict = "undecided"
        if np.isfinite([point[one], point[two]]).all():
            low, high = percentile_interval(resampled[two] - resampled[one])
            verdict = "confirmed" if low > 0 else "refuted" if high < 0 else "undecided"
        yield more, verdict


@dataclass(frozen=True)
class Loss:
    """The mean loss of relative performance of a quantizer over cells, by kind of task.

    Attributes
    ----------
    classification, regression : float
        1 less the relative performance, mean over the cells of the kind.
    difference, low, high : float
        Regression less classification, with its 95 % interval from resampling tasks of each kind.
    tasks : int
        Of the kind that has fewer of them.
    """

    classification: float
    regression: float
    difference: float
    low: float
    high: float
    tasks: int

    @property
    def verdict(self) -> str:
        """Whether regression loses more: by an interval of enough tasks, and by more than nothing."""
        if self.tasks < FEWEST_TASKS:
            return f"undecided, from {self.tasks} tasks of a kind"
        return "confirmed" if self.low > LEAST else "refuted" if self.high < -LEAST else "undecided"


def losses(rows: pd.DataFrame) -> dict[str, Loss]:
    """Return what every quantizer loses in classification and in regression.

    Tasks are resampled, not cells: encoders of one task are not independent.

    Parameters
    ----------
    rows : DataFrame
        Of cells of both kinds; see :func:`rows_of`.
    """
    rng = np.random.default_rng(0)
    found = {}
    rows = skilled(rows)
    for name, own in rows.groupby("quantizer", sort=False):
        by_task = own.groupby(["kind", "task"])["relative_performance"].mean()
        means = {str(kind): 1 - part.to_numpy(dtype=float) for kind, part in by_task.groupby("kind")}
        if set(means) != {str(kind) for kind in Kind}:
            continue
        classification, regression = (means[str(kind)] for kind in (Kind.CLASSIFICATION, Kind.REGRESSION))
        difference = _resampled(regression, rng) - _resampled(classification, rng)
        low, high = percentile_interval(difference)
        ours = float(classification.mean()), float(regression.mean())
        fewer = min(len(classification), len(regression))
        found[str(name)] = Loss(*ours, ours[1] - ours[0], float(low), float(high), fewer)
    return found


def skilled(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of cells whose float32 heads have skill: of the others nothing can be lost."""
    reference = rows[rows["quantizer"] == REFERENCE]
    useless = reference[reference["no_skill"] | reference["relative_performance"].isna()]
    cells = rows["task"] + " " + rows["encoder"]
    kept = rows[~cells.isin(useless["task"] + " " + useless["encoder"])]
    return kept[kept["relative_performance"].notna()]


def _resampled(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(1))


def sentences(rows: pd.DataFrame, other: pd.DataFrame | None, failed: Sequence[str]) -> Iterator[str]:
    """Yield what became of the paper's statements.

    Parameters
    ----------
    rows : DataFrame
        Of the cells of this experiment.
    other : DataFrame or None
        Of those of the other kind of task, where they are measured.
    failed : sequence of str
        Cells that could not be measured, with their reasons.
    """
    cells = rows[["task", "encoder"]].drop_duplicates()
    yield f"{len(cells)} cells: {cells['task'].nunique()} tasks, {cells['encoder'].nunique()} encoders."
    verdicts = rows.loc[rows["sparser_is_more_private"] != "", ["quantizer", "sparser_is_more_private"]]
    for name, own in verdicts.groupby("quantizer", sort=False):
        counts = own["sparser_is_more_private"].value_counts()
        less = SPARSER[SPARSER.index(str(name)) - 1]
        told = ", ".join(f"{verdict} in {count}" for verdict, count in counts.items())
        yield f"Paper: more sparsity, more privacy. {name} against {less}: {told} of {len(own)} cells."
    if other is not None and set(other["encoder"]) != set(rows["encoder"]):
        named = ", ".join(sorted(set(other["encoder"])))
        yield f"The experiment of the other kind is of other encoders: {named}."
        other = None
    if other is None:
        yield "Paper: regression loses more. The experiment of the other kind is not measured yet."
    else:
        yield "Paper: regression loses more. Loss of relative performance, mean [95 % interval] over tasks:"
        both = pd.concat([rows, other])
        lost = len(both[both["quantizer"] == REFERENCE]) - len(skilled(both).query("quantizer == @REFERENCE"))
        if lost:
            yield f"  {lost} cells are left out: float32 has no skill there."
        for name, loss in losses(both).items():
            yield (
                f"  {name}: classification {loss.classification:.3f}, regression {loss.regression:.3f}, "
                f"difference {loss.difference:.3f} [{loss.low:.3f}, {loss.high:.3f}]: {loss.verdict}"
            )
    for reason in failed:
        yield f"Not measured: {reason}"
