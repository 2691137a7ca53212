"""How soon the order of quantizers is that of many runs: random subsets of the runs of one measured cell.

Every indicator is computed again from the runs of a subset alone, as a bank of that size would give it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.attack_table import LIRA
from benchmark.cell_runs import CellRuns, distinguishable
from benchmark.privacy.aggregate import Aggregate
from benchmark.privacy.attacks import ATTACKS, Signals
from benchmark.privacy.membership import auc
from benchmark.privacy.membership_effect import membership_effects
from benchmark.privacy.panel import cross_scored
from benchmark.privacy.ranking import aggregate_runs, resampled_rates
from models.block_runs import BLOCK_RUNS
from molecules.progress import SILENT, Progress
from molecules.streams import stream

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

#: A figure of every quantizer for every run of a subset, (Q, k), larger = more private; NaN where unknown.
Figures = Callable[[Places], Floats]


@dataclass(frozen=True)
class Stability:
    """What the subsets show.

    Attributes
    ----------
    subsets : DataFrame
        One row per indicator, number of runs and subset: ``indicator, runs, subset, spearman`` (with the
        order by all runs), ``spearman_others`` (with that by the runs not in the subset), ``spearman_mis``
        (with the bound on MIS by all runs), ``at_final_rank, at_final_group`` (shares of the quantizers).
    ranks : DataFrame
        One row per indicator, number of runs, quantizer and rank: ``indicator, runs, quantizer, final_rank,
        group_low, group_high`` (the ranks of its group by all runs), ``rank, share`` (of the subsets).
    """

    subsets: pd.DataFrame
    ranks: pd.DataFrame


def indicators(runs: CellRuns, signals: Mapping[str, Signals]) -> dict[str, Figures]:
    """Return what is compared: the membership effect, the plain indicator, gaps, and matched LiRA.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.
    signals : mapping of str to Signals
        Of its published heads, by quantizer.
    """
    plain, gaps = runs.matrix("rate_corrected"), runs.gaps()
    plain = np.where(np.isfinite(plain), plain, np.nan)

    def effects(places: Places) -> Floats:
        return np.stack([-block_effects(signals[name], places) for name in runs.names])

    def lira(places: Places) -> Floats:
        return np.stack([-lira_aucs(signals[name], places) for name in runs.names])

    standardised = np.stack([-_standardised_gaps(signals[name]) for name in runs.names])
    return {
        "membership effect": effects,
        "plain indicator": lambda places: plain[:, places],
        "gap": lambda places: -gaps[:, places],
        "gap / deviation": lambda places: standardised[:, places],
        "LiRA AUC": lira,
    }


def block_effects(signals: Signals, places: Places) -> Floats:
    """Return the membership effects of some runs, compared block by block as in a bank of these runs.

    Parameters
    ----------
    signals : Signals
        Of one quantizer.
    places : ndarray of int, shape (k,)
        The runs.
    """
    blocks = [places[start : start + BLOCK_RUNS] for start in range(0, len(places), BLOCK_RUNS)]
    found = [membership_effects(signals.kind, signals.margin[b], signals.members[b])[0] for b in blocks]
    return np.concatenate(found)


def _standardised_gaps(signals: Signals) -> Floats:
    """Return the gap of every run, in standard deviations of the losses of its records."""
    inside, outside = (
        np.where(part, signals.loss, 0.0).sum(1) / part.sum(1) for part in (signals.members, ~signals.members)
    )
    return np.asarray((outside - inside) / signals.loss.std(1, dtype=np.float64))


def lira_aucs(signals: Signals, places: Places) -> Floats:
    """Return the AUC of matched LiRA on some runs, fitted on the others among them; NaN for too few runs.

    Parameters
    ----------
    signals : Signals
        Of one quantizer.
    places : ndarray of int, shape (k,)
        The runs.
    """
    attack = ATTACKS[LIRA]
    own = Signals(signals.kind, signals.margin[places], signals.loss[places], None, signals.members[places])
    if len(places) // 2 < attack.fewest:
        return np.full(len(places), np.nan)
    return auc(cross_scored(attack, own, own), own.members).of_runs


def rank_groups(figures: Floats, drawn: Places) -> tuple[Floats, Floats, Floats]:
    """Return final ranks and the ranks of each quantizer's group, each of shape (Q,).

    From the most private on, a quantizer opens a new group where it is told from the first of the group
    before it: by the 95 % interval of the paired difference over resampled runs.

    Parameters
    ----------
    figures : ndarray, shape (Q, R)
        Of every run.
    drawn : ndarray of int, shape (resamples, R)
        The runs of every resample.
    """
    point, resampled = (
        aggregate_runs(figures, Aggregate.MEAN),
        resampled_rates(figures, drawn, Aggregate.MEAN),
    )
    order = np.argsort(-point, kind="stable")
    rank = _ranks(point)
    low, high = np.empty_like(point), np.empty_like(point)
    start = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or distinguishable(resampled, order[start])[order[place]]:
            low[order[start:place]], high[order[start:place]] = start + 1, place
            start = place
    return rank, low, high


def _ranks(point: Floats) -> Floats:
    """Return ranks, 1 = most private; equal figures in the order of the table."""
    return np.asarray(stats.rankdata(-point, method="ordinal"), dtype=np.float64)


def spearman(one: Floats, two: Floats) -> float:
    """Return Spearman's correlation over what both know; NaN for fewer than three, or if one is constant."""
    known = ~(np.isnan(one) | np.isnan(two))
    if known.sum() < 3 or np.ptp(one[known]) == 0 or np.ptp(two[known]) == 0:
        return float("nan")
    return float(stats.spearmanr(one[known], two[known]).statistic)


def rank_stability(
    runs: CellRuns,
    signals: Mapping[str, Signals],
    bound: Floats,
    sizes: Sequence[int],
    subsets: int,
    progress: Progress = SILENT,
) -> Stability:
    """Draw subsets of the runs and compare the order by each with that by all runs.

    Parameters
    ----------
    runs : CellRuns
        A measured cell.
    signals : mapping of str to Signals
        Of its published heads, by quantizer.
    bound : ndarray, shape (Q,)
        The bound on MIS by all runs.
    sizes : sequence of int
        Runs in a subset.
    subsets : int
        How many of each size.
    """
    rows, ranks = [], []
    compared = indicators(runs, signals)
    with progress.stage("subsets of runs", len(compared) * len(sizes) * subsets) as step:
        for name, figures in compared.items():
            whole = figures(np.arange(runs.runs))
            final = aggregate_runs(whole, Aggregate.MEAN)
            rank, low, high = rank_groups(whole, runs.drawn)
            for size in sizes:
                placed = np.zeros((len(final), len(final)))
                for subset in range(subsets):
                    drawn = stream(runs.seed, f"subset of {size}", subset).permutation(runs.runs)
                    point, others = (
                        aggregate_runs(figures(part), Aggregate.MEAN) for part in (drawn[:size], drawn[size:])
                    )
                    step(1)
                    if np.isnan(point).any():
                        continue
                    own = _ranks(point)
                    placed[np.arange(len(own)), own.astype(int) - 1] += 1
                    rows.append(
                        {
                            "indicator": name,
                            "runs": size,
                            "subset": subset,
                            "spearman": spearman(point, final),
                            "spearman_others": spearman(point, others),
                            "spearman_mis": spearman(point, bound),
                            "at_final_rank": float((own == rank).mean()),
                            "at_final_group": float(((low <= own) & (own <= high)).mean()),
                        }
                    )
                ranks.append(_placed(runs.names, name, size, placed, (rank, low, high)))
    return Stability(pd.DataFrame(rows), pd.concat(ranks, ignore_index=True))


def _placed(
    names: Sequence[str], indicator: str, size: int, counts: Floats, final: tuple[Floats, Floats, Floats]
) -> pd.DataFrame:
    """Return which share of the subsets has a quantizer at which rank."""
    total = max(counts[0].sum(), 1.0)
    quantizer, place = np.divmod(np.arange(counts.size), len(names))
    rank, low, high = (part[quantizer].astype(int) for part in final)
    return pd.DataFrame(
        {
            "indicator": indicator,
            "runs": size,
            "quantizer": np.asarray(names)[quantizer],
            "final_rank": rank,
            "group_low": low,
            "group_high": high,
            "rank": place + 1,
            "share": counts.ravel() / total,
        }
    )
