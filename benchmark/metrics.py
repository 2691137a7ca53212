"""Performance metrics, for all runs at once, with missing labels.

A metric is a record: its name, its direction and one function from predictions ``(R, m, T)`` and labels
``(m, T)`` to a figure per run. Targets that cannot be scored are left out of the mean, the same ones for all
metrics of a kind: see :func:`scored_targets`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from molecules.errors import UnknownNameError
from tasks.task import Kind

Floats = NDArray[np.float64]

#: From predictions (R, n) and labels (n,) of one target, none missing, to a figure per run (R,).
TargetFunction = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class Metric:
    """A performance metric.

    Attributes
    ----------
    name : str
        As in columns and on the command line: ``roc_auc``.
    label : str
        As in tables and figures: ``ROC-AUC``.
    kind : Kind
        The kind of task it scores.
    greater_is_better : bool
        Its direction.
    can_be_negative : bool
        Whether a figure of 0 or less is possible, so that a ratio to it may mean nothing.
    function : callable
        The metric of one target: predictions (R, n) and labels (n,), none missing, to (R,).
    in_label_unit : bool
        Whether its figures have the unit of the labels, so that those of several targets cannot be averaged
        as they are.
    """

    name: str
    label: str
    kind: Kind
    greater_is_better: bool
    can_be_negative: bool
    function: TargetFunction
    in_label_unit: bool = False

    def __call__(self, predictions: ArrayLike, labels: ArrayLike) -> Floats:
        """Return the metric of every run, the mean over the targets that can be scored.

        A metric in the unit of the labels (RMSE, MAE) is divided by the standard deviation of each target's
        labels before it is averaged over several targets: units cannot be added. With one target it keeps
        its unit. See :func:`performance_unit`.

        Parameters
        ----------
        predictions : array of float, shape (R, m, T)
            Logits for classification, values in the unit of the labels for regression.
        labels : array of float, shape (m, T)
            NaN where missing; 0 or 1 for classification.

        Returns
        -------
        ndarray of float64, shape (R,)
            NaN if no target can be scored, and for a run with a prediction of NaN at a labelled record.

        Raises
        ------
        ValueError
            If the shapes do not fit, or a classification label is neither 0, 1 nor missing.
        """
        values, truth = np.asarray(predictions), np.asarray(labels, dtype=np.float64)
        if values.ndim != 3 or values.shape[1:] != truth.shape:
            raise ValueError(
                f"predictions (R, m, T) and labels (m, T) do not fit: {values.shape}, {truth.shape}"
            )
        targets = np.flatnonzero(scored_targets(self.kind, truth))
        if not len(targets):
            return np.full(len(values), np.nan)
        total = np.zeros(len(values))
        for target in targets:
            known = ~np.isnan(truth[:, target])
            own = values[:, known, target].astype(np.float64)
            figure = self.function(own, truth[known, target])
            if self.in_label_unit and truth.shape[1] > 1:
                figure = figure / truth[known, target].std()
            total += np.where(np.isnan(own).any(axis=1), np.nan, figure)
        return total / len(targets)


def scored_targets(kind: Kind, labels: ArrayLike) -> NDArray[np.bool_]:
    """Return which targets can be scored, shape (T,): those with two different labels among the known ones.

    A target of one class has no ROC-AUC, and one of constant value no R^2. They are left out of every metric
    of their kind, so that the columns of a table are means over the same targets.

    Parameters
    ----------
    kind : Kind
        Kind of the task.
    labels : array of float, shape (m, T)
        NaN where missing.

    Raises
    ------
    ValueError
        If a classification label is neither 0, 1 nor missing.
    """
    truth = np.asarray(labels, dtype=np.float64)
    known = ~np.isnan(truth)
    if kind is Kind.CLASSIFICATION and not np.isin(truth[known], (0.0, 1.0)).all():
        raise ValueError("labels of a classification task must be 0, 1 or NaN (missing)")
    lowest = np.where(known, truth, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, truth, -np.inf).max(axis=0, initial=-np.inf)
    return np.asarray(lowest < highest)


def performance_unit(metric: Metric, targets: int) -> str:
    """Return the unit of a metric's figures: ``"label"``, ``"standard deviations"``, or none at all."""
    if not metric.in_label_unit:
        return ""
    return "label" if targets == 1 else "standard deviations"


def relative(metric: Metric, value: ArrayLike, reference: ArrayLike) -> Floats:
    """Return performance relative to a reference: 1 = as good, below 1 = worse, above 1 = better.

    ``value / reference`` where greater is better, else ``reference / value``. NaN where the reference is not
    above 0 in a metric that can be negative (MCC, R^2, Spearman): a ratio to a model that predicts nothing
    means nothing. Equal figures give exactly 1.

    Parameters
    ----------
    metric : Metric
        Which metric the figures are of.
    value, reference : array of float
        Of shapes that broadcast, usually (R,): the quantized and the full-precision model of each run.
    """
    own, base = np.broadcast_arrays(
        np.asarray(value, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    )
    above, below = (own, base) if metric.greater_is_better else (base, own)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(own == base, 1.0, above / below)
    return np.where((base <= 0) & metric.can_be_negative, np.nan, ratio)


def metric_named(kind: Kind, name: str) -> Metric:
    """Return the metric ``name`` of a kind of task, or raise ``UnknownNameError``."""
    try:
        return METRICS[kind][name]
    except KeyError:
        raise UnknownNameError(f"{kind} metric", name, METRICS[kind]) from None


def roc_auc(scores: Floats, labels: Floats) -> Floats:
    """Area under the ROC curve: the rank-sum statistic, ties counted as one half."""
    positive = labels == 1
    n_positive = int(positive.sum())
    ranks = _ranks(scores)[:, positive].sum(axis=1)
    pairs = n_positive * (len(labels) - n_positive)
    return np.asarray((ranks - n_positive * (n_positive + 1) / 2) / pairs)


def pr_auc(scores: Floats, labels: Floats) -> Floats:
    """Average precision: mean over the positives of the precision at their score, tied scores taken together.

    The sum over thresholds of precision times the gain in recall, as in scikit-learn; not a trapezoid.
    """
    positive = labels == 1
    at_least = _ranks(-scores, "max")[:, positive]  # records scored at least as high as this positive
    hits = _ranks(-scores[:, positive], "max")  # positives among them
    return np.asarray((hits / at_least).mean(axis=1))


def mcc(scores: Floats, labels: Floats) -> Floats:
    """Matthews correlation coefficient at probability 0.5 (a logit above 0 is positive).

    0 where it is undefined because only one class is predicted, as in scikit-learn.
    """
    return _correlation((scores > 0).astype(np.float64), np.broadcast_to(labels, scores.shape))


def rmse(values: Floats, labels: Floats) -> Floats:
    """Root of the mean squared error, in the unit of the label."""
    return np.asarray(np.sqrt(np.square(values - labels).mean(axis=1)))


def mae(values: Floats, labels: Floats) -> Floats:
    """Mean absolute error, in the unit of the label."""
    return np.asarray(np.abs(values - labels).mean(axis=1))


def r2(values: Floats, labels: Floats) -> Floats:
    """Coefficient of determination, ``1 - sum (y - p)^2 / sum (y - mean y)^2``: not a squared correlation."""
    spread = np.square(labels - labels.mean()).sum()
    return np.asarray(1 - np.square(values - labels).sum(axis=1) / spread)


def spearman(values: Floats, labels: Floats) -> Floats:
    """Spearman's rank correlation, tied values at their mean rank.

    0 where it is undefined because the predictions are constant: a model that orders nothing.
    """
    return _correlation(_ranks(values), np.broadcast_to(_ranks(labels[None]), values.shape))


def _ranks(values: Floats, method: str = "average") -> Floats:
    """Return the ranks of every row from 1, float64 of the same shape."""
    return np.asarray(scipy.stats.rankdata(values, method=method, axis=1), dtype=np.float64)


def _correlation(x: Floats, y: Floats) -> Floats:
    """Return Pearson's correlation of every pair of rows, 0 where a row is constant."""
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    return np.asarray(np.divide((x * y).sum(axis=1), size, out=np.zeros(len(x)), where=size > 0))


def _of(kind: Kind, *rows: tuple[str, str, bool, bool, TargetFunction, bool]) -> dict[str, Metric]:
    """Return the metrics of a kind by name, from rows (name, label, greater, negative, function, unit)."""
    return {row[0]: Metric(row[0], row[1], kind, *row[2:]) for row in rows}


#: The metrics of each kind of task by name; the first is the usual main one.
METRICS: dict[Kind, dict[str, Metric]] = {
    Kind.CLASSIFICATION: _of(
        Kind.CLASSIFICATION,
        # name, label, greater is better, can be negative, function of one target, in the label's unit
        ("roc_auc", "ROC-AUC", True, False, roc_auc, False),
        ("pr_auc", "PR-AUC", True, False, pr_auc, False),
        ("mcc", "MCC", True, True, mcc, False),
    ),
    Kind.REGRESSION: _of(
        Kind.REGRESSION,
        ("rmse", "RMSE", False, False, rmse, True),
        ("mae", "MAE", False, False, mae, True),
        ("r2", "R²", True, True, r2, False),
        ("spearman", "Spearman", True, True, spearman, False),
    ),
}
