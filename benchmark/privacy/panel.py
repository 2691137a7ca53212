"""All attacks on one quantizer: fitted on half of the runs, scored on the other half, then swapped."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.privacy.attacks import ATTACKS, Attack, Signals
from benchmark.privacy.membership import (
    RATES,
    Figure,
    advantage,
    auc,
    best_threshold,
    true_positive_rates,
)
from molecules.threads import allowed_threads

#: Attacks that are also tried with full-precision shadows against a quantized target.
MISMATCHED = ("lira-online", "lira-online-fixed", "rmia")
#: From so many scores (runs x records) attacks are tried at once.
LARGE = 200_000
#: Columns of figures, each with a value for every run.
FIGURES = ("auc", "advantage", *(f"tpr_{100 * rate:g}" for rate in RATES))


def attack_all(target: Signals, full_precision: Signals, *, quantized: bool) -> pd.DataFrame:
    """Try every attack on one quantizer.

    Parameters
    ----------
    target : Signals
        Of the quantized heads.
    full_precision : Signals
        Of the same heads in float32.
    quantized : bool
        Whether the two differ; if not, mismatched shadows are the matched ones and are left out.

    Returns
    -------
    DataFrame
        One row per attack, kind of shadows and run: ``attack, shadows`` ("matched" or "mismatched"), ``run``,
        the ``FIGURES``, ``auc_record_error, advantage_record_error`` and ``reason`` (why there are no
        figures; then there is one row, of run -1).
    """
    jobs = [(name, "matched", attack, target, target) for name, attack in ATTACKS.items()]
    if quantized:
        jobs += [(name, "mismatched", ATTACKS[name], target, full_precision) for name in MISMATCHED]
    # sorting and arithmetic of large arrays leave the interpreter, so threads share the cores; over small
    # ones they would only wait for each other
    threads = allowed_threads() if target.loss.size > LARGE else 1
    with ThreadPoolExecutor(threads) as pool:
        return pd.concat(pool.map(lambda job: _tried(*job), jobs), ignore_index=True)


def _tried(name: str, kind: str, attack: Attack, target: Signals, shadows: Signals) -> pd.DataFrame:
    reason = why_not(attack, target, shadows)
    scores = None
    if not reason:
        scores = cross_scored(attack, target, shadows)
        if not np.isfinite(scores).all():
            reason = "scores not finite"
        elif np.ptp(scores) == 0:
            reason = "constant scores"
    if scores is None or reason:
        untold = dict.fromkeys((*FIGURES, "auc_record_error", "advantage_record_error"), np.nan)
        return pd.DataFrame([{"attack": name, "shadows": kind, "run": -1, "reason": reason, **untold}])
    return figure_rows({"attack": name, "shadows": kind}, scores, target.members)


def why_not(attack: Attack, target: Signals, shadows: Signals) -> str:
    """Return why an attack cannot be tried; empty where it can."""
    half = target.runs // 2
    if half < max(attack.fewest, 1):
        return f"{target.runs} runs are too few: it takes {2 * max(attack.fewest, 1)}"
    return target.problem() or shadows.problem()


def halves(runs: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the runs of the first and of the second half."""
    return np.arange(runs // 2), np.arange(runs // 2, runs)


def cross_scored(attack: Attack, target: Signals, shadows: Signals) -> NDArray[np.float64]:
    """Return the scores (R, N), those of each run by what was fitted on the other half of the runs."""
    first, second = halves(target.runs)
    return np.concatenate(
        [attack.score(target, shadows, second, first), attack.score(target, shadows, first, second)]
    )


def figures_of(scores: NDArray[np.float64], members: NDArray[np.bool_]) -> dict[str, Figure]:
    """Return the figures of an attack; the threshold of each half of the runs is chosen on the other half."""
    first, second = halves(len(scores))
    thresholds = np.empty(len(scores))
    thresholds[first] = best_threshold(scores[second], members[second])
    thresholds[second] = best_threshold(scores[first], members[first])
    found = {"auc": auc(scores, members), "advantage": advantage(scores, members, thresholds)}
    rates = true_positive_rates(scores, members)
    return found | {f"tpr_{100 * rate:g}": figure for rate, figure in zip(RATES, rates, strict=True)}


def figure_rows(
    head: Mapping[str, object], scores: NDArray[np.float64], members: NDArray[np.bool_]
) -> pd.DataFrame:
    """Return the figures of an attack as a table.

    Parameters
    ----------
    head : mapping of str to object
        Columns that stand first, the same in every row.
    scores, members : ndarray, shape (R, N)
        As in :func:`figures_of`.

    Returns
    -------
    DataFrame
        One row per run: the columns of ``head``, ``run``, ``reason`` (empty), the ``FIGURES``,
        ``auc_record_error, advantage_record_error``.
    """
    figures = figures_of(scores, members)
    table: dict[str, object] = {**head, "run": np.arange(len(scores)), "reason": ""}
    table |= {label: figure.of_runs for label, figure in figures.items()}
    table |= {f"{label}_record_error": figures[label].record_error for label in ("auc", "advantage")}
    return pd.DataFrame(table)
