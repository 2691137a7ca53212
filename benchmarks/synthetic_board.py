"""Tables of boards of any size, drawn: laid out as those of measured cells, without a store."""

import numpy as np
import pandas as pd

from leaderboard.page import Contents

#: The first names of quantizers; further ones are submissions.
NAMES = (
    *("float32", "uniform-8", "uniform-6", "uniform-5", "uniform-4", "uniform-3", "uniform-2"),
    *("ternary-33", "ternary-50", "ternary-75", "ternary-90", "sign"),
)
#: Encoders of every task.
ENCODERS = 4
#: Columns of the table of a cell that the page does not show.
_FURTHER = (
    *("zeros", "coverage", "model_coverage", "resolution", "membership_effect", "effect_low", "effect_high"),
    *("r_plain", "r_uncorrected", "candidates", "exchangeability_auc", "roc_auc", "roc_auc_low"),
    *("roc_auc_high", "pr_auc", "pr_auc_low", "pr_auc_high", "mcc", "mcc_low", "mcc_high", "loss_in"),
    *("loss_out", "constant_share", "rmse", "rmse_low", "rmse_high", "mae", "mae_low", "mae_high", "r2"),
    *("r2_low", "r2_high", "spearman", "spearman_low", "spearman_high"),
)


def names_of(count: int) -> list[str]:
    """Return names of so many quantizers."""
    return [*NAMES[:count], *(f"submitted-{number:03d}" for number in range(count - len(NAMES)))]


def contents(quantizers: int = 12, cells: int = 8, seed: int = 0) -> Contents:
    """Return the tables of a board in which coarser quantizers leak less and perform worse."""
    rng = np.random.default_rng(seed)
    names = names_of(quantizers)
    long = _long(names, cells, rng)
    return Contents(
        long, _entries(long, names, rng), _wins(names, cells, rng), "Drawn. No cell was measured."
    )


def _around(frame: dict[str, object], name: str, values: np.ndarray, width: float, prefix: str = "") -> None:
    """Enter figures and intervals about them."""
    frame[name] = values
    frame[f"{prefix or name}_low"], frame[f"{prefix or name}_high"] = values - width, values + width


def _long(names: list[str], cells: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a row for every cell and quantizer."""
    count, rows = len(names), len(names) * cells
    cell, place = np.repeat(np.arange(cells), count), np.tile(np.arange(count), cells)
    cost = place / max(count - 1, 1) + rng.normal(0, 0.03, rows)
    tasks = np.array([f"task-{number:05d}" for number in range(cells // ENCODERS + 1)])
    encoders = np.array([f"encoder-{number}" for number in range(ENCODERS)])
    keys = np.array([f"{number:016x}" for number in rng.integers(0, 2**62, cells)])
    own = place < len(NAMES)
    made: dict[str, object] = {
        "task": tasks[cell // ENCODERS], "encoder": encoders[cell % ENCODERS],
        "quantizer": np.array(names)[place],
        "bits": np.maximum(32.0 / 2 ** (place / 2), 1.0), "packed_bytes": rng.integers(4000, 84000, rows),
        "metric": "roc_auc", "split": "random", "seed": 0, "runs": 16, "cell": keys[cell],
        "privacy_rank": pd.array(count - place, dtype="Int64"), "pareto": rng.random(rows) < 0.4,
        "privacy_rank_low": pd.array(np.maximum(count - place - 1, 1), dtype="Int64"),
        "privacy_rank_high": pd.array(np.minimum(count - place + 1, count), dtype="Int64"),
        "rank_stability": rng.random(rows), "below_resolution": False, "confounded": False, "no_skill": False,
        "strongest_attack": "lira-online", "attack_verdict": "leaks", "flags": "", "scope": "head",
        "indicator": "membership", "aggregate": "mean", "measured": "2026-01-01T00:00:00Z",
        "setting": keys[cell], "code": np.array([f"{number:016x}" for number in range(count)])[place],
        "source": np.where(own, "built-in", "drawn"), "author": np.where(own, "", "nobody"),
        "verified": np.where(own, "", np.array(["verified", "unverified", "mismatching"])[place % 3]),
        "status": "counted", "protocol_version": 1, "lira_auc_mismatched": 0.5 + rng.random(rows) / 9,
        "entropy_bits": np.maximum(32.0 / 2 ** (place / 2), 1.0) * rng.uniform(0.9, 1.0, rows),
    }  # fmt: skip
    _around(made, "r", 8e-4 * (1 + cost), 1e-5)
    _around(made, "relative_performance", 1 - 0.3 * cost, 0.01, "relative")
    _around(made, "performance", 0.85 - 0.2 * cost, 0.01)
    _around(made, "generalization_gap", 0.3 * np.exp(-3 * cost), 0.01, "gap")
    _around(made, "lira_auc", 0.5 + 0.2 * np.exp(-3 * cost), 0.005)
    _around(made, "mis_bound", 1 - 0.3 * np.exp(-3 * cost), 0.006)
    _around(made, "tpr_at_1pct", 0.01 + 0.05 * np.exp(-3 * cost), 0.004)
    made |= {name: rng.random(rows) for name in _FURTHER}
    return pd.DataFrame(made)


def _entries(long: pd.DataFrame, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Return a row a quantizer: means over cells, and ranks by them."""
    means = long.groupby("quantizer", sort=False)[["entropy_bits", "bits"]].mean().loc[names]
    first = long.drop_duplicates("quantizer").set_index("quantizer").loc[names]
    count, place = len(names), np.arange(len(names))
    made: dict[str, object] = {
        "scope": "head", "quantizer": names,
        **{name: first[name].to_numpy() for name in ("source", "author", "verified")},
        "bits": means["bits"].to_numpy(), "entropy_bits": means["entropy_bits"].to_numpy(),
        "privacy_rank": pd.array(count - place, dtype="Int64"),
        "privacy_rank_low": pd.array(np.maximum(count - place - 1, 1), dtype="Int64"),
        "privacy_rank_high": pd.array(np.minimum(count - place + 1, count), dtype="Int64"),
        "mean_rank": count - place + rng.random(count),
        "performance_rank": pd.array(place + 1, dtype="Int64"),
        "pareto_layer": pd.array(1 + place % 3, dtype="Int64"), "lira_auc": 0.7 - place / count / 5,
        "partial": place % 7 == 5, "ranked_cells": 7 - (place % 7 == 5), "block_cells": 7, "cells": 8,
        "missing": (place % 7 == 5).astype(int), "flagged": (place % 5 == 4).astype(int), "confounded": 0,
    }  # fmt: skip
    privacy = (place + rng.normal(0, 0.4, count)) / count
    _around(made, "privacy", privacy, 0.05)
    _around(
        made, "relative_performance", 1 - 0.3 * place / count + rng.normal(0, 0.01, count), 0.01, "relative"
    )
    _around(made, "mis_bound", 0.7 + 0.29 * place / count, 0.01)
    return pd.DataFrame(made)


def _wins(names: list[str], cells: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a row for every two quantizers, in either order."""
    count = len(names)
    one, two = np.nonzero(~np.eye(count, dtype=bool))
    rates = {
        f"{head}_win_rate": rng.integers(0, cells + 1, len(one)) / cells
        for head in ("privacy", "performance")
    }
    made = {"scope": "head", "quantizer": np.array(names)[one], "opponent": np.array(names)[two]}
    return pd.DataFrame(made | {"privacy_cells": cells, "performance_cells": cells} | rates)
