"""The columns of the table that attacks fill, and how far r and the gap order quantizers as attacks do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray

from benchmark.cell_runs import CellRuns
from benchmark.exchangeability import confounded
from benchmark.privacy.membership import Figure, above_chance, clopper_pearson, holm
from benchmark.privacy.ranking import percentile_interval

Floats = NDArray[np.float64]

#: The attack whose AUC stands in the table: with tens of shadow models one variance for all records is surer.
LIRA = "lira-online-fixed"
#: Columns of numbers that attacks fill.
ATTACK_FIGURES = (
    *("mis_bound", "mis_bound_low", "mis_bound_high"),
    *("lira_auc", "lira_auc_low", "lira_auc_high", "lira_auc_mismatched"),
    *("tpr_at_1pct", "tpr_at_1pct_low", "tpr_at_1pct_high"),
)
#: One-sided level of the bound on MIS.
LEVEL = 0.95
_CORRELATIONS = 500


@dataclass(frozen=True, eq=False)
class Tried:
    """One attack on one quantizer.

    Attributes
    ----------
    auc, advantage : Figure
        Over runs.
    tpr : dict of str to Figure
        By column name, such as ``tpr_1``.
    """

    auc: Figure
    advantage: Figure
    tpr: dict[str, Figure]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Tried":
        """Return the attack of the rows of its runs."""
        order = np.argsort(rows["run"].to_numpy(), kind="stable")

        def figure(name: str) -> Figure:
            error = rows[f"{name}_record_error"].iloc[0] if f"{name}_record_error" in rows else np.nan
            return Figure(rows[name].to_numpy(dtype=float)[order], float(error))

        return cls(
            figure("auc"),
            figure("advantage"),
            {name: figure(name) for name in rows.columns if name.startswith("tpr_")},
        )


def tried(attacks: pd.DataFrame, quantizer: str, shadows: str = "matched") -> dict[str, Tried]:
    """Return the attacks on a quantizer that gave figures, by name."""
    own = attacks[
        (attacks["quantizer"] == quantizer) & (attacks["shadows"] == shadows) & (attacks["reason"] == "")
    ]
    return {str(name): Tried.of(rows) for name, rows in own.groupby("attack", sort=False)}


def attack_columns(attacks: pd.DataFrame | None, runs: CellRuns) -> dict[str, object]:
    """Return the columns of the table that attacks fill; empty ones where none was tried.

    ``mis_bound`` is 1 less the largest advantage of any attack; ``mis_bound_high`` is a one-sided 95 % bound,
    with Bonferroni's correction for having looked for the largest of several, and ``mis_bound_low`` the other
    side. ``exchangeability_auc`` and ``confounded`` tell whether members and non-members differ before any
    training.
    """
    own = {} if attacks is None else {str(name): part for name, part in attacks.groupby("quantizer")}
    rows = [_row(own.get(name, attacks), name, runs) for name in runs.names]
    columns: dict[str, object] = {key: [row[key] for row in rows] for key in rows[0]}
    p_values = np.array(columns.pop("p_value"), dtype=float)
    found = holm(p_values)
    exchangeable = runs.facts.get("exchangeability")
    told = exchangeable if isinstance(exchangeable, dict) else {"auc": np.nan, "error": np.nan}
    columns |= {"exchangeability_auc": told["auc"], "confounded": confounded(told)}
    columns["attack_verdict"] = [
        reason or ("leaks" if leaks else "not distinguishable from chance")
        for reason, leaks in zip(columns.pop("reason"), found, strict=True)  # type: ignore[call-overload]
    ]
    return columns


def _row(attacks: pd.DataFrame | None, name: str, runs: CellRuns) -> dict[str, object]:
    nothing = dict.fromkeys((*ATTACK_FIGURES, "p_value"), np.nan)
    row: dict[str, object] = {**nothing, "strongest_attack": "", "reason": "not tried"}
    if attacks is None:
        return row
    matched = tried(attacks, name)
    if not matched:
        own = attacks[attacks["quantizer"] == name]
        return row | {"reason": "; ".join(sorted(set(own["reason"])))}
    row["reason"] = ""
    mismatched = tried(attacks, name, "mismatched")
    row |= _bound({**matched, **_renamed(mismatched)})
    if LIRA in matched:
        lira = matched[LIRA]
        reach = scipy.stats.norm.ppf(0.975) * lira.auc.error
        row |= {"lira_auc": lira.auc.mean, "lira_auc_low": lira.auc.mean - reach}
        row |= {"lira_auc_high": lira.auc.mean + reach}
        rate = lira.tpr["tpr_1"].mean
        low, high = clopper_pearson(rate, int(str(runs.facts["members"])))
        row |= {"tpr_at_1pct": rate, "tpr_at_1pct_low": low, "tpr_at_1pct_high": high}
    if LIRA in mismatched:
        row["lira_auc_mismatched"] = mismatched[LIRA].auc.mean
    # of several attacks the smallest p-value, as many times as there are attacks
    smallest = min(above_chance(attack.auc, 0.5) for attack in matched.values())
    row["p_value"] = min(1.0, smallest * len(matched))
    return row


def strongest_of(attacks: pd.DataFrame, quantizer: str) -> tuple[float, str] | None:
    """Return the bound on MIS by all attacks on a quantizer, and which gives it; None without any."""
    matched = tried(attacks, quantizer)
    if not matched:
        return None
    bound = _bound({**matched, **_renamed(tried(attacks, quantizer, "mismatched"))})
    return float(str(bound["mis_bound"])), str(bound["strongest_attack"])


def _renamed(found: dict[str, Tried]) -> dict[str, Tried]:
    return {f"{name}, mismatched": attack for name, attack in found.items()}


def _bound(found: dict[str, Tried]) -> dict[str, object]:
    """Return MIS <= 1 - the largest advantage, with its interval."""
    advantages = {name: attack.advantage for name, attack in found.items()}
    strongest = max(advantages, key=lambda name: advantages[name].mean)
    best = max(advantages[strongest].mean, 0.0)
    sure = max(
        a.mean - scipy.stats.norm.ppf(1 - (1 - LEVEL) / len(found)) * a.error for a in advantages.values()
    )
    other = best + scipy.stats.norm.ppf(LEVEL) * advantages[strongest].error
    return {
        "mis_bound": 1.0 - best,
        "mis_bound_low": 1.0 - min(other, 1.0),
        "mis_bound_high": 1.0 - max(sure, 0.0),
        "strongest_attack": strongest,
    }


@dataclass(frozen=True)
class Order:
    """How far a figure orders the quantizers as matched LiRA does.

    Attributes
    ----------
    spearman, kendall : tuple of float
        Rank correlation with minus the AUC, and its bootstrap interval over runs: (figure, low, high).
    regret : tuple of float
        AUC of the quantizer that the figure puts first, less the smallest AUC: the same.
    """

    spearman: tuple[float, float, float]
    kendall: tuple[float, float, float]
    regret: tuple[float, float, float]


def order_by(figure: str, attacks: pd.DataFrame, runs: CellRuns) -> Order | None:
    """Compare the order by ``"r"`` or ``"gap"`` with that by matched LiRA; None where it cannot be.

    Useless models take no part, nor quantizers without one of the figures; three must be left.
    """
    aucs = [tried(attacks, name).get(LIRA) for name in runs.names]
    point, resampled = runs.compared(figure)
    usable = np.array([found is not None for found in aucs]) & ~np.isnan(point) & ~runs.degenerate()
    if usable.sum() < 3:
        return None
    values = np.stack([found.auc.of_runs for found in aucs if found is not None])
    values = values[usable[[found is not None for found in aucs]]]
    drawn = runs.drawn[:_CORRELATIONS]
    against = np.stack([row[drawn].mean(1) for row in values])
    figures = [_agreement(resampled[usable, draw], against[:, draw]) for draw in range(against.shape[1])]
    own = _agreement(point[usable], values.mean(1))
    low, high = percentile_interval(np.array(figures).T)
    return Order(*((own[k], float(low[k]), float(high[k])) for k in range(3)))


def _agreement(figure: Floats, auc: Floats) -> tuple[float, float, float]:
    """Return Spearman and Kendall of a figure with minus the AUC, and the regret of its first choice."""
    if np.isnan(figure).any() or np.ptp(figure) == 0:
        return np.nan, np.nan, np.nan
    first = int(np.argmax(figure))
    return (
        float(scipy.stats.spearmanr(figure, -auc).statistic),
        float(scipy.stats.kendalltau(figure, -auc).statistic),
        float(auc[first] - auc.min()),
    )


def order_text(figure: str, order: Order) -> str:
    """Say in words how far a figure orders quantizers as matched LiRA does."""

    def shown(values: Sequence[float]) -> str:
        return f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"

    regret = f"{order.regret[0]:.3f} [{order.regret[1]:.3f}, {order.regret[2]:.3f}]"
    return (
        f"{figure}: Spearman {shown(order.spearman)}, Kendall tau {shown(order.kendall)}, "
        f"regret of its first choice {regret} AUC"
    )
