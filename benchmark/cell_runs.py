"""The rows of a cell as arrays (quantizers, runs), with one paired bootstrap for every figure of it."""

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics import Metric, metric_named, relative
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.indicator import resolution
from benchmark.privacy.indicator_name import Indicator
from benchmark.privacy.membership_effect import effect_resolution
from benchmark.privacy.ranking import (
    aggregate_runs,
    bootstrap_runs,
    known_rates,
    percentile_interval,
    resampled_rates,
)
from benchmark.privacy.scales import EffectScale, PlainScale, Scale
from benchmark.results import CellResult
from benchmark.scope import Scope
from models.block_runs import BLOCK_RUNS
from molecules.errors import DataError
from tasks.task import Kind

Floats = NDArray[np.float64]

#: The reference row of every table.
REFERENCE = "float32"
RESAMPLES = 2000
#: What a model without any skill scores, by kind of task: the metric and its figure.
NO_SKILL = {Kind.CLASSIFICATION: ("roc_auc", 0.5), Kind.REGRESSION: ("r2", 0.0)}


class CellRuns:
    """The rows of a cell.

    Parameters
    ----------
    result : CellResult
        Every quantizer with every run, ``float32`` among the quantizers.
    aggregate : Aggregate
        How r of the runs becomes one figure.
    indicator : Indicator
        What r is.

    Attributes
    ----------
    names : list of str
        The quantizers, in the order of the result.
    drawn : ndarray of int, shape (resamples, runs)
        The runs of every bootstrap resample, the same for all quantizers and figures.
    kind, metric, scope, train_encoder
        Kind of the task, its main metric, what was quantized, and whether every run trained an encoder, too.
    scale : Scale
        How the figures of the indicator become r.
    attacks, records, joint_release, full_pool : DataFrame or None
        What attacks found, where they were tried, and heads trained on the whole pool, where there are some;
        see :class:`benchmark.results.CellResult`.

    Raises
    ------
    DataError
        If a quantizer lacks a run, the reference is not there, or a column is missing.
    """

    def __init__(
        self,
        result: CellResult,
        aggregate: Aggregate = Aggregate.MEAN,
        indicator: Indicator = Indicator.MEMBERSHIP,
    ) -> None:
        self._rows, self.facts = result.rows, result.facts
        self.aggregate, self.indicator = aggregate, indicator
        self.attacks, self.records, self.joint_release = result.attacks, result.records, result.joint_release
        self.full_pool = result.full_pool
        try:
            self.names: list[str] = list(dict.fromkeys(result.rows["quantizer"]))
            self.runs = int(result.rows["run"].nunique())
            self.scope = Scope(str(self.facts.get("scope", Scope.HEAD)))
            self.train_encoder = bool(self.facts.get("train_encoder", False))
            self.kind, self.seed = Kind(str(self.facts["kind"])), int(str(self.facts["seed"]))
            self.metric: Metric = metric_named(self.kind, str(self.facts["metric"]))
            pairs = result.rows[["quantizer", "run"]].drop_duplicates()
            whole = len(pairs) == len(result.rows) == len(self.names) * self.runs
        except KeyError as error:
            raise DataError(f"a result lacks {error}; run the cell again") from None
        if not whole or REFERENCE not in self.names:
            raise DataError(
                f"a result of {len(self.names)} quantizers and {self.runs} runs holds {len(result.rows)} "
                f"rows; every quantizer needs every run once, {REFERENCE} included; run the cell again"
            )
        at = result.rows.assign(place=np.arange(len(result.rows)))
        self._places = at.pivot(index="quantizer", columns="run", values="place").loc[self.names].to_numpy()
        self.drawn = bootstrap_runs(self.runs, RESAMPLES, self.seed)
        self.floor = resolution(int(self.matrix("records")[0, 0]))
        self.scale = self._scale()
        self.reference = self.names.index(REFERENCE)

    def _scale(self) -> Scale:
        """Return the scale of the indicator."""
        if self.indicator is Indicator.PLAIN:
            return PlainScale(self.floor)
        try:
            pool, members = (int(str(self.facts[name])) for name in ("pool", "members"))
        except KeyError as error:
            raise DataError(f"a result lacks {error}; run the cell again") from None
        return EffectScale(members, effect_resolution(pool, self.runs, min(self.runs, BLOCK_RUNS)))

    def matrix(self, column: str) -> Floats:
        """Return a column as (quantizers, runs)."""
        if column not in self._rows:
            raise DataError(f"a result lacks the column {column!r}; run the cell again")
        return np.asarray(self._rows[column].to_numpy(dtype=np.float64)[self._places])

    def reasons(self, name: str) -> dict[str, int]:
        """Return why runs of a quantizer have no r, and how many of them."""
        column = "reason" if self.indicator is Indicator.PLAIN else "effect_reason"
        told = self._rows.loc[(self._rows["quantizer"] == name) & (self._rows[column] != ""), column]
        return {str(reason): int(count) for reason, count in told.value_counts().items()}

    def resampled_means(self, values: Floats) -> Floats:
        """Return the mean of every bootstrap resample of the runs, shape (quantizers, resamples)."""
        return np.stack([row[self.drawn].mean(1) for row in values])

    def interval(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the interval of the mean over runs of every quantizer."""
        return percentile_interval(self.resampled_means(values))

    def rates(self) -> Floats:
        """Return what the indicator is aggregated from, shape (quantizers, runs); NaN where unknown.

        Larger = more private: the floor-corrected rates of the plain indicator, or minus the effects.
        """
        plain = self.indicator is Indicator.PLAIN
        values = self.matrix("rate_corrected") if plain else -self.matrix("effect")
        return np.where(np.isfinite(values), values, np.nan)

    def gaps(self) -> Floats:
        """Return the generalisation gaps, shape (quantizers, runs)."""
        return self.matrix("loss_out") - self.matrix("loss_in")

    def relative(self) -> tuple[Floats, Floats]:
        """Return performance relative to float32: shapes (quantizers,) and (quantizers, resamples)."""
        values = self.matrix(self.metric.name)
        means, resampled = values.mean(1), self.resampled_means(values)
        return (
            relative(self.metric, means, means[self.reference]),
            relative(self.metric, resampled, resampled[self.reference]),
        )

    def degenerate(self) -> NDArray[np.bool_]:
        """Return which quantizers leave a useless model: constant predictions in most runs, or no skill."""
        return np.asarray((self.matrix("constant").mean(1) > 0.5) | self.no_skill())

    def no_skill(self) -> NDArray[np.bool_]:
        """Return which quantizers leave a model whose interval reaches the figure of one without skill."""
        name, nothing = NO_SKILL[self.kind]
        low, _ = self.interval(self.matrix(name))
        return np.asarray(~(low > nothing))

    def compared(self, figure: str) -> tuple[Floats, Floats]:
        """Return a figure, larger = better, in every quantizer and resample: what differences are tested on.

        Parameters
        ----------
        figure : {"r", "gap", "relative"}
            r (not clipped), minus the generalisation gap, or the relative performance.

        Returns
        -------
        point : ndarray, shape (quantizers,)
        resampled : ndarray, shape (quantizers, resamples)
        """
        if figure == "relative":
            return self.relative()
        if figure == "gap":
            return -self.gaps().mean(1), -self.resampled_means(self.gaps())
        rates = self.rates()
        known = known_rates(rates)
        point = aggregate_runs(rates, self.aggregate)
        resampled = resampled_rates(rates, self.drawn, self.aggregate)
        return np.where(known, point, np.nan), np.where(known[:, None], resampled, np.nan)


def distinguishable(resampled: Floats, one: int, others: Floats | None = None) -> NDArray[np.bool_]:
    """Return which quantizers differ from one of them, by the 95 % interval of the paired difference.

    Parameters
    ----------
    resampled : ndarray, shape (quantizers, resamples)
        A figure in every resample of the same runs.
    one : int
        Which quantizer the others are compared with.
    others : ndarray or None
        What is compared with it; ``resampled`` itself if None.
    """
    low, high = percentile_interval((resampled if others is None else others) - resampled[one])
    return np.asarray((low > 0) | (high < 0))
