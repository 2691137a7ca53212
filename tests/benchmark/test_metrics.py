"""Metrics of all runs at once against scikit-learn and SciPy, one run and one target at a time."""

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from benchmark.metrics import METRICS, metric_named, performance_unit, relative, scored_targets
from molecules.errors import UnknownNameError
from tasks.task import Kind, Task

REFERENCES = {
    "roc_auc": sk.roc_auc_score,
    "pr_auc": sk.average_precision_score,
    "mcc": lambda truth, logits: sk.matthews_corrcoef(truth, logits > 0),
    "rmse": sk.root_mean_squared_error,
    "mae": sk.mean_absolute_error,
    "r2": sk.r2_score,
    "spearman": lambda truth, values: spearmanr(truth, values).statistic if np.ptp(values) else 0.0,
}
ALL = [metric for metrics in METRICS.values() for metric in metrics.values()]


def reference(metric, predictions, labels):
    """The metric by scikit-learn and SciPy: loops over runs and targets."""
    figures = []
    for run in predictions:
        own = []
        for target in range(labels.shape[1]):
            known = ~np.isnan(labels[:, target])
            if len(set(labels[known, target])) > 1:
                figure = REFERENCES[metric.name](labels[known, target], run[known, target])
                scaled = metric.in_label_unit and labels.shape[1] > 1
                own.append(figure / labels[known, target].std() if scaled else figure)
        figures.append(np.mean(own) if own else np.nan)
    return np.array(figures)


def case(kind, runs=5, records=60, targets=4, seed=0):
    """Predictions that know something, with ties; labels of which a quarter is missing."""
    rng = np.random.default_rng(seed)
    labels = rng.normal(size=(records, targets))
    predictions = np.round(labels + rng.normal(size=(runs, records, targets)), 1)
    if kind is Kind.CLASSIFICATION:
        labels = (labels > 0.5).astype(float)
    labels[rng.random(labels.shape) < 0.25] = np.nan
    return predictions, labels


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_agrees_with_the_reference(metric):
    predictions, labels = case(metric.kind)
    np.testing.assert_allclose(
        metric(predictions, labels), reference(metric, predictions, labels), rtol=1e-12
    )


@settings(deadline=None)
@given(st.data())
def test_classification_with_many_ties_agrees_with_the_reference(data):
    records = data.draw(st.integers(2, 12))
    scores = data.draw(
        hnp.arrays(np.float64, (3, records, 2), elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 2.0]))
    )
    labels = data.draw(hnp.arrays(np.float64, (records, 2), elements=st.sampled_from([0.0, 1.0, np.nan])))
    for metric in METRICS[Kind.CLASSIFICATION].values():
        np.testing.assert_allclose(
            metric(scores, labels), reference(metric, scores, labels), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_targets_that_cannot_be_scored_are_left_out(metric):
    predictions, labels = case(metric.kind)
    labels[:, 1] = np.where(np.isnan(labels[:, 1]), np.nan, 1.0)  # one class, or constant
    labels[:, 3] = np.nan
    assert scored_targets(metric.kind, labels).tolist() == [True, False, True, False]
    kept = [0, 2]
    np.testing.assert_allclose(
        metric(predictions, labels), metric(predictions[:, :, kept], labels[:, kept]), rtol=1e-12
    )
    np.testing.assert_allclose(
        metric(predictions, labels), reference(metric, predictions, labels), rtol=1e-12
    )
    assert np.isnan(metric(predictions, labels[:, [3, 3, 1, 1]])).all()


def test_no_records_score_nothing():
    assert scored_targets(Kind.REGRESSION, np.empty((0, 2))).tolist() == [False, False]
    assert (
        np.isnan(METRICS[Kind.REGRESSION]["rmse"](np.empty((3, 0, 2)), np.empty((0, 2)))).tolist()
        == [True] * 3
    )


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_prediction_of_nan_spoils_its_run_alone(metric):
    predictions, labels = case(metric.kind)
    before = metric(predictions, labels)
    record = np.flatnonzero(~np.isnan(labels[:, 0]))[0]
    predictions[2, record, 0] = np.nan
    after = metric(predictions, labels)
    assert np.isnan(after).tolist() == [False, False, True, False, False]
    np.testing.assert_array_equal(np.delete(after, 2), np.delete(before, 2))


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_prediction_for_a_missing_label_does_not_matter(metric):
    predictions, labels = case(metric.kind)
    before = metric(predictions, labels)
    predictions[:, np.isnan(labels)] = np.nan
    np.testing.assert_array_equal(metric(predictions, labels), before)


def test_perfect_and_reversed_predictions():
    labels = np.array([[0.0], [0.0], [1.0], [1.0]])
    scores = np.stack([labels * 2 - 1, 1 - labels * 2])
    classification = METRICS[Kind.CLASSIFICATION]
    assert classification["roc_auc"](scores, labels).tolist() == [1.0, 0.0]
    assert classification["mcc"](scores, labels).tolist() == [1.0, -1.0]
    np.testing.assert_allclose(classification["pr_auc"](scores, labels), [1.0, (1 / 2 + 2 / 4 + 0) / 2])


def test_constant_predictions():
    labels = np.array([[0.0], [0.0], [0.0], [1.0]])
    scores = np.full((1, 4, 1), 0.1)
    assert METRICS[Kind.CLASSIFICATION]["roc_auc"](scores, labels) == 0.5
    assert METRICS[Kind.CLASSIFICATION]["pr_auc"](scores, labels) == 0.25  # the share of positives
    assert METRICS[Kind.CLASSIFICATION]["mcc"](scores, labels) == 0.0
    assert METRICS[Kind.REGRESSION]["spearman"](scores, labels) == 0.0
    assert METRICS[Kind.REGRESSION]["r2"](np.full((1, 4, 1), 0.25), labels) == 0.0


def test_mistakes():
    with pytest.raises(ValueError, match="do not fit"):
        METRICS[Kind.REGRESSION]["rmse"](np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="do not fit"):
        METRICS[Kind.REGRESSION]["rmse"](np.zeros((1, 3, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="0, 1 or NaN"):
        METRICS[Kind.CLASSIFICATION]["roc_auc"](np.zeros((1, 2, 1)), np.array([[1.0], [2.0]]))
    with pytest.raises(
        UnknownNameError, match="unknown classification metric 'auc'; nearest: pr_auc, roc_auc"
    ):
        metric_named(Kind.CLASSIFICATION, "auc")
    assert metric_named(Kind.REGRESSION, "rmse").label == "RMSE"


def test_relative_is_worse_below_one_in_either_direction():
    auc, rmse = metric_named(Kind.CLASSIFICATION, "roc_auc"), metric_named(Kind.REGRESSION, "rmse")
    np.testing.assert_allclose(relative(auc, [0.4, 0.8, 0.9], 0.8), [0.5, 1, 1.125])
    np.testing.assert_allclose(relative(rmse, [2.0, 1.0, 0.5], [1.0, 1.0, 1.0]), [0.5, 1, 2])


def test_relative_to_itself_is_exactly_one():
    for metric in ALL:
        figures = np.random.default_rng(0).uniform(0.01, 3, 1000)
        assert (relative(metric, figures, figures) == 1).all()
    rmse = metric_named(Kind.REGRESSION, "rmse")
    assert relative(rmse, [0.0, 1.0], [0.0, 0.0]).tolist() == [1.0, 0.0]  # a perfect reference


@pytest.mark.parametrize("name", ["r2", "spearman"])
def test_relative_to_a_reference_that_predicts_nothing_is_not_a_number(name):
    figures = relative(metric_named(Kind.REGRESSION, name), [0.5, -0.1, 0.2, -0.2], [1.0, -0.1, 0.0, 0.4])
    np.testing.assert_allclose(figures, [0.5, np.nan, np.nan, -0.5])


@pytest.mark.parametrize("kind", list(Kind))
def test_the_main_metric_of_a_kind_is_the_first_of_its_table(kind):
    task = Task("t", kind, ("y",), "", "", "", load=lambda task, options: None)
    assert task.main_metric == next(iter(METRICS[kind]))
    assert all(name == metric.name and metric.kind is kind for name, metric in METRICS[kind].items())


@pytest.mark.parametrize("name", ["rmse", "mae"])
def test_errors_of_several_targets_do_not_hang_on_their_units(name):
    metric = metric_named(Kind.REGRESSION, name)
    predictions, labels = case(Kind.REGRESSION, targets=2)
    in_other_units = np.array([1.0, 1000.0])
    np.testing.assert_allclose(
        metric(predictions * in_other_units, labels * in_other_units), metric(predictions, labels), rtol=1e-12
    )
    # one target keeps its unit
    one = metric(predictions[:, :, :1] * 1000, labels[:, :1] * 1000)
    np.testing.assert_allclose(one, 1000 * metric(predictions[:, :, :1], labels[:, :1]), rtol=1e-12)


def test_squared_error_in_standard_deviations_is_what_r2_leaves():
    predictions, labels = case(Kind.REGRESSION, targets=1)
    labels = np.concatenate([labels, labels], axis=1)  # two equal targets: each divided by its spread
    both = np.concatenate([predictions, predictions], axis=2)
    rmse, r2 = (METRICS[Kind.REGRESSION][name](both, labels) for name in ("rmse", "r2"))
    np.testing.assert_allclose(1 - rmse**2, r2, rtol=1e-10)


def test_units():
    rmse, auc = metric_named(Kind.REGRESSION, "rmse"), metric_named(Kind.CLASSIFICATION, "roc_auc")
    assert [performance_unit(rmse, targets) for targets in (1, 2)] == ["label", "standard deviations"]
    assert performance_unit(auc, 12) == ""
