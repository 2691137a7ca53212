"""The panel over toys that leak all, something, and nothing; and what cannot be attacked says why."""

import numpy as np
import pytest

from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.membership import Figure
from benchmark.privacy.panel import FIGURES, MISMATCHED, attack_all, figures_of, halves
from tasks.task import Kind
from tests.benchmark.privacy.toys import toy

NAMES = [name for name, _ in ATTACKS.items()]


def figure(rows, attack: str, name: str, shadows: str = "matched") -> Figure:
    own = rows[(rows["attack"] == attack) & (rows["shadows"] == shadows)].sort_values("run")
    return Figure(own[name].to_numpy(), float(own[f"{name}_record_error"].iloc[0]))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_memorising_model_is_detected(kind):
    signals = toy(kind, 12.0)
    rows = attack_all(signals, signals, quantized=False)
    assert (rows["reason"] == "").all()
    assert set(rows["shadows"]) == {"matched"}
    assert rows.groupby("attack")["advantage"].mean().max() > 0.9
    assert figure(rows, "lira-online-fixed", "advantage").mean > 0.9


@pytest.mark.parametrize("kind", list(Kind))
def test_a_model_that_ignores_its_data_is_not(kind):
    signals = toy(kind, 0.0, runs=24, records=300, seed=1)
    rows = attack_all(signals, signals, quantized=False)
    for name in NAMES:
        for label, chance in (("auc", 0.5), ("advantage", 0.0)):
            found = figure(rows, name, label)
            assert abs(found.mean - chance) < 3 * found.error + 1e-12, (name, label)


def test_every_attack_and_run_once_and_some_mismatched():
    signals, full = toy(Kind.CLASSIFICATION, 1.0), toy(Kind.CLASSIFICATION, 2.0)
    rows = attack_all(signals, full, quantized=True)
    counts = rows.groupby(["attack", "shadows"])["run"].agg(list)
    assert set(counts.index) == {(n, "matched") for n in NAMES} | {(n, "mismatched") for n in MISMATCHED}
    assert all(runs == list(range(16)) for runs in counts)
    assert set(FIGURES) <= set(rows.columns)


def test_shadows_of_another_scale_attack_worse():
    """Full-precision shadows of a target whose margins are ten times as small."""
    full = toy(Kind.CLASSIFICATION, 2.0, seed=3)
    target = Signals(full.kind, full.margin / 10, full.loss, full.trace, full.members)
    rows = attack_all(target, full, quantized=True)
    matched = figure(rows, "lira-online-fixed", "auc")
    assert matched.mean > figure(rows, "lira-online-fixed", "auc", "mismatched").mean + 0.05
    # the scale of all margins does not matter to matched shadows
    own = attack_all(full, full, quantized=False)
    assert matched.mean == pytest.approx(figure(own, "lira-online-fixed", "auc").mean, abs=1e-6)


def test_thresholds_come_from_the_other_half_of_the_runs():
    signals = toy(Kind.CLASSIFICATION, 1.0)
    scores = -signals.loss.astype(float)
    first, second = halves(16)
    before = figures_of(scores, signals.members)["advantage"].of_runs
    moved = scores.copy()
    moved[second] += 100  # of the scored half, all would pass a threshold fitted on the other
    after = figures_of(moved, signals.members)["advantage"].of_runs
    assert after[first].tolist() == [0.0] * 8
    assert after[second].tolist() == [0.0] * 8
    assert not np.allclose(before, 0)


@pytest.mark.parametrize(("runs", "tried"), [(1, 0), (2, 4), (4, 5)])
def test_too_few_runs_are_told(runs, tried):
    signals = toy(Kind.CLASSIFICATION, 1.0, runs=runs)
    rows = attack_all(signals, signals, quantized=False)
    told = rows[rows["run"] == -1]
    assert len(NAMES) - len(told) == tried
    assert all(f"{runs} runs are too few: it takes" in reason for reason in told["reason"])


def test_losses_not_finite_constant_scores_and_one_value_are_told():
    signals = toy(Kind.REGRESSION, 1.0)
    broken = Signals(
        signals.kind, signals.margin, np.where(signals.members, np.nan, signals.loss), None, signals.members
    )
    assert set(attack_all(broken, broken, quantized=False)["reason"]) == {"losses not finite"}
    flat = Signals(
        signals.kind,
        np.zeros_like(signals.margin),
        np.zeros_like(signals.loss),
        np.zeros_like(signals.loss)[:, None].repeat(3, axis=1),
        signals.members,
    )
    rows = attack_all(flat, flat, quantized=False)
    assert set(rows["reason"]) == {"constant scores"}
    assert rows["auc"].isna().all()


def test_labels_of_one_class_and_a_label_nobody_has_are_attacked():
    signals = toy(Kind.CLASSIFICATION, 3.0, missing=0.0)
    margin = signals.margin.copy()
    margin[:, :, 1] = np.nan
    one = Signals(signals.kind, margin, signals.loss, signals.trace, signals.members)
    rows = attack_all(one, one, quantized=False)
    assert (rows["reason"] == "").all()
    assert figure(rows, "lira-online-fixed", "auc").mean > 0.8
