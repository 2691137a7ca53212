"""Every attack: a contract over the registry, and slow references that loop over runs, records and labels."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.attacks.lira import FLOOR, Lira
from benchmark.privacy.attacks.rmia import Rmia
from benchmark.privacy.attacks.signals import margins, trace_epochs
from benchmark.privacy.membership import auc
from benchmark.privacy.panel import cross_scored, halves
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy

NAMES = [name for name, _ in ATTACKS.items()]


def slow_lira(signals: Signals, fit: list[int], run: int, record: int, *, online: bool, fixed: bool) -> float:
    """LiRA of one record of one run, label by label, with lists and scipy's laws."""

    def sample(place: int, target: int, inside: bool) -> list[float]:
        return [
            float(signals.margin[r, place, target]) for r in fit if bool(signals.members[r, place]) is inside
        ]

    def pooled(target: int, inside: bool) -> float:
        squares, freedom = 0.0, 0
        for place in range(signals.margin.shape[1]):
            values = sample(place, target, inside)
            if not values or math.isnan(values[0]):
                continue
            squares += sum((v - np.mean(values)) ** 2 for v in values)
            freedom += len(values) - 1
        return math.sqrt(squares / max(freedom, 1))

    total = 0.0
    for target in range(signals.margin.shape[2]):
        observed = float(signals.margin[run, record, target])
        laws = []
        for inside in (True, False):
            values = sample(record, target, inside)
            floor = FLOOR * max(pooled(t, inside) for t in range(signals.margin.shape[2]))
            if fixed:
                deviation = pooled(target, inside)
            else:
                deviation = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            mean = float(np.mean(values)) if values else math.nan
            laws.append(stats.norm(mean, max(deviation, floor) if deviation == deviation else math.nan))
        one, other = laws
        if online:
            term = one.logpdf(observed) - other.logpdf(observed)
        elif signals.kind is Kind.CLASSIFICATION:
            term = math.log(max(other.cdf(observed), 1e-300))
        else:
            size = abs(observed)
            term = math.log(max(1 - (other.cdf(size) - other.cdf(-size)), 1e-300))
        total += 0.0 if math.isnan(term) else term
    return total


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("kind", list(Kind))
def test_lira_is_that_of_a_slow_reference(kind, online, fixed):
    signals = toy(kind, 1.0, runs=12, records=40)
    found = cross_scored(Lira(online=online, fixed=fixed), signals, signals)
    first, second = (half.tolist() for half in halves(12))
    slow = np.array(
        [
            [
                slow_lira(signals, second if run in first else first, run, record, online=online, fixed=fixed)
                for record in range(40)
            ]
            for run in range(12)
        ]
    )
    np.testing.assert_allclose(found, slow, rtol=1e-5, atol=1e-5)
    of_slow = [metrics.roc_auc_score(m, s) for m, s in zip(signals.members, slow, strict=True)]
    np.testing.assert_allclose(auc(found, signals.members).of_runs, of_slow, atol=1e-6)


@pytest.mark.parametrize("references", [1, 2, 0])
@pytest.mark.parametrize("kind", list(Kind))
def test_rmia_by_its_definition(kind, references):
    """The share of the pool whose ratio of likelihoods, to the mean of the references, is not larger."""
    signals = toy(kind, 1.0, runs=10, records=30, missing=0.0)
    fit, scored = halves(10)
    found = Rmia(references).score(signals, signals, fit, scored)
    used = [int(run) for run in fit][: references or None]
    outside = signals.margin[used][~signals.members[used]]
    spread = np.sqrt((outside.astype(float) ** 2).mean(0))

    def likelihood(run: int, record: int) -> float:
        margin = signals.margin[run, record].astype(float)
        if kind is Kind.CLASSIFICATION:
            return float(np.prod(1 / (1 + np.exp(-margin))))
        return float(np.prod(np.exp(-0.5 * (margin / spread) ** 2) / spread))

    def ratio(run: int, record: int) -> float:
        without = [r for r in used if not signals.members[r, record]] or used
        return likelihood(run, record) / float(np.mean([likelihood(r, record) for r in without]))

    for place, run in enumerate(scored):
        ratios = np.array([ratio(run, record) for record in range(30)])
        expected = [(ratios <= own * (1 + 1e-9)).mean() for own in ratios]
        np.testing.assert_allclose(found[place], expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", list(Kind))
def test_contract(name, kind):
    signals = toy(kind, 2.0)
    attack = ATTACKS[name]
    fit, scored = halves(16)
    found = attack.score(signals, signals, fit, scored)
    assert found.shape == (len(scored), 120)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found, attack.score(signals, signals, fit, scored))  # deterministic
    assert attack.reference
    assert attack.fewest <= 8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", list(Kind))
def test_membership_of_the_attacked_runs_is_never_looked_at(name, kind):
    signals = toy(kind, 1.0)
    fit, scored = halves(16)
    members = signals.members.copy()
    members[scored] = ~members[scored]
    other = Signals(kind, signals.margin, signals.loss, signals.trace, members)
    own = ATTACKS[name].score(signals, signals, fit, scored)
    np.testing.assert_array_equal(ATTACKS[name].score(other, other, fit, scored), own)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "trace-iqr"])
@pytest.mark.parametrize("kind", list(Kind))
def test_members_score_higher(name, kind):
    signals = toy(kind, 3.0)
    assert auc(cross_scored(ATTACKS[name], signals, signals), signals.members).mean > 0.7


def test_a_trace_that_moves_more_for_members_is_seen():
    signals = toy(Kind.REGRESSION, 0.0)
    assert signals.trace is not None
    trace = signals.trace.copy()
    trace[:, 0] += signals.members * 5
    moved = Signals(signals.kind, signals.margin, signals.loss, trace, signals.members)
    attack = ATTACKS["trace-iqr"]
    fit, scored = halves(16)
    own = attack.score(moved, moved, fit, scored)
    by_hand = [stats.iqr(trace[run], axis=0) for run in scored]
    np.testing.assert_allclose(own, by_hand, rtol=1e-6)


def test_margins():
    outputs = np.array([[[2.0], [-1.0]]], dtype=np.float32)
    labels = np.array([[1.0], [np.nan]], dtype=np.float32)
    assert margins(Kind.CLASSIFICATION, outputs, labels)[0, 0, 0] == 2.0
    assert margins(Kind.CLASSIFICATION, outputs, 0 * labels)[0, 0, 0] == -2.0
    assert margins(Kind.REGRESSION, outputs, labels)[0, 0, 0] == 1.0
    assert np.isnan(margins(Kind.REGRESSION, outputs, labels)[0, 1, 0])


@pytest.mark.parametrize(
    ("epochs", "expected"), [(20, [6, 12, 19]), (3, [0, 1, 2]), (1, [0]), (7, [1, 4, 6])]
)
def test_trace_epochs_end_with_the_last(epochs, expected):
    assert trace_epochs(epochs) == expected
