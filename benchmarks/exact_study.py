"""The figures of ``python -m benchmarks.exact``: pure computation, in frames."""

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.privacy import exact_attacks as attacks
from benchmark.privacy.exact import exact_leak
from benchmark.privacy.ranking import percentile_interval
from benchmarks.exact_cases import Configuration, RateCase, configurations, rate_cases
from molecules.progress import Progress
from molecules.streams import stream

ATTACKS = {
    "loss threshold": attacks.loss_threshold,
    "calibrated loss": attacks.calibrated_loss,
    "likelihood ratio": attacks.likelihood_ratio,
}


#: Fewest sizes that a slope is taken from.
_FEWEST = 3


def follow(progress: Progress, quick: bool) -> pd.DataFrame:
    """Delta_n of every case over n, one row a case and n."""
    cases, rows = rate_cases(quick), []
    with progress.stage("(a) rates over n", sum(len(case.sizes) for case in cases)) as advance:
        for case in cases:
            found = case.setting.rates()
            for n in case.sizes:
                delta, low, high, missed = case.delta(n)
                rows.append(
                    {"case": case.name, "how": "exact" if not case.draws else "simulated", "note": case.note}
                    | {"n": n, "delta": delta, "low": low, "high": high, "missed": missed}
                    | {"C": found.cramer, "r": found.gaussian, "C_error": found.cramer_error}
                    | {"minimisers": found.minimisers, "limit": _limit(case)}
                )
                advance(1)
    return pd.DataFrame(rows)


def _limit(case: RateCase) -> float:
    """Return what Delta_n / Pr(miss) tends to: E|exp(-t xi) / E exp(-t xi) - 1| of the nearest hypothesis."""
    if not case.setting.discrete:
        return np.nan
    problem, found = case.setting.problem(), case.setting.rates()
    if found.minimisers > 1 or not np.isfinite(found.tilt):
        return np.nan
    weight = np.exp(-found.tilt * (problem.losses[found.nearest] - problem.losses[found.reference]))
    return float(problem.probability @ np.abs(weight / (problem.probability @ weight) - 1))


def slopes(rows: pd.DataFrame) -> pd.DataFrame:
    """Slope of -log Delta_n in n over the upper half of the sizes, one row a case.

    ``corrected`` takes off the prefactor n^(-1/2) that the theory of large deviations gives (Bahadur and
    Rao). The interval of a simulated case is a parametric bootstrap over its own intervals; that of an exact
    case, which has no noise, spans the slopes over all windows of half of these sizes: curvature and lattice
    effects.
    """
    return pd.DataFrame([_slope_row(case, group) for case, group in rows.groupby("case", sort=False)])


def _slope_row(case: str, group: pd.DataFrame) -> dict[str, object]:
    seen = group[group["low"] > 0]  # beyond, Delta is smaller than the draws can tell from 0
    upper = seen[seen["n"] >= seen["n"].median()]
    n, falling = upper["n"].to_numpy(float), -np.log(upper["delta"].to_numpy())
    last = upper.iloc[-1]
    row = {"case": case, "how": last["how"], "note": last["note"], "C": last["C"], "r": last["r"]}
    row |= {"C_error": last["C_error"] if last["how"] == "simulated" and np.isnan(last["limit"]) else 0.0}
    row |= {"n_low": int(n[0]), "n_high": int(n[-1]), "delta_high": upper["delta"].iloc[-1]}
    row |= {"minimisers": last["minimisers"], "limit": last["limit"]}
    row |= {"ratio": upper["delta"].iloc[-1] / upper["missed"].iloc[-1]}
    error = (np.log(upper["high"]) - np.log(upper["low"])).to_numpy() / (2 * stats.norm.ppf(0.975))
    for name, prefactor in (("plain", 0.0), ("corrected", 0.5)):
        if len(n) < _FEWEST:
            row |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
            continue
        values = falling - prefactor * np.log(n)
        low, high = _slope_interval(n, values, error)
        row |= {name: float(_slope(n, values)), f"{name}_low": low, f"{name}_high": high}
    return row


def _slope(n: np.ndarray, values: np.ndarray) -> np.ndarray:
    centred = n - n.mean()
    return values @ centred / (centred @ centred)


def _slope_interval(n: np.ndarray, values: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    if error.max() > 1e-9:
        noise = stream(0, "slopes").normal(size=(4_000, len(n))) * error
        low, high = percentile_interval(_slope(n, values + noise)[None])
        return float(low[0]), float(high[0])
    width = max(2, len(n) // 2)
    starts = range(len(n) - width + 1)
    windows = [float(_slope(n[s : s + width], values[s : s + width])) for s in starts]
    return min(windows), max(windows)


#: Records n in the study of orders.
SIZES = (16, 64)


def rank(progress: Progress, quick: bool) -> pd.DataFrame:
    """C, r and Delta_n of every configuration."""
    settings, rows = list(configurations()), []
    with progress.stage("(b) configurations", len(settings)) as advance:
        for setting in settings:
            found = setting.rates()
            row = {"population": setting.population_name, "models": setting.models.name}
            row |= {"kind": "discrete" if setting.discrete else "continuous", "K": len(setting.models)}
            row |= {"C": found.cramer, "r": found.gaussian, "minimisers": found.minimisers}
            sampled = not setting.discrete
            row |= {"C_error": found.cramer_error * sampled, "r_error": found.gaussian_error * sampled}
            for n in SIZES:
                estimate = setting.simulated(n, _draws(setting, quick))
                row |= {f"delta_{n}": estimate.delta, f"low_{n}": estimate.low, f"high_{n}": estimate.high}
            rows.append(row)
            advance(1)
    return pd.DataFrame(rows)


def _draws(setting: Configuration, quick: bool) -> int:
    draws = 40_000 if setting.discrete else 8_000
    return draws // 10 if quick else draws


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman between C, r and the security -log Delta_n, with an interval over resampled populations.

    Configurations of one population are not independent, so whole populations are resampled.
    """
    single = table[table["minimisers"] == 1]
    pairs = [("r", "C", "C")]
    pairs += [(by, f"-log Delta_{n}", f"delta_{n}") for n in SIZES for by in ("r", "C")]
    groups = [group for _, group in single.groupby("population")]
    drawn = stream(0, "spearman").integers(0, len(groups), (2_000, len(groups)))
    rows = []
    for first, label, column in pairs:
        sign = -1 if column.startswith("delta") else 1
        resampled = []
        for indices in drawn:
            both = pd.concat([groups[i] for i in indices])
            resampled.append(stats.spearmanr(both[first], sign * both[column]).statistic)
        low, high = percentile_interval(np.array([resampled]))
        within = [stats.spearmanr(group[first], sign * group[column]).statistic for group in groups]
        rows.append(
            {"of": first, "with": label, "spearman": stats.spearmanr(single[first], sign * single[column])[0]}
            | {"low": low[0], "high": high[0], "within population": np.mean(within), "lowest": np.min(within)}
            | {"configurations": len(single), "populations": len(groups)}
        )
    return pd.DataFrame(rows)


def attack(progress: Progress, quick: bool) -> pd.DataFrame:
    """Advantages of attacks against the exact Delta, exact and played."""
    games = 20_000 if quick else 200_000
    chosen = [case for case in rate_cases() if not case.draws and case.setting.models.name]
    sizes, rows = (4, 16, 48), []
    with progress.stage("(c) attacks", len(chosen) * len(sizes)) as advance:
        for case in chosen:
            problem = case.setting.problem()
            for n in sizes:
                leak = exact_leak(problem, n, case.setting.ties)
                row = {"case": case.name, "n": n, "Delta": leak.delta}
                for name, scorer in ATTACKS.items():
                    score = scorer(leak)
                    exact, threshold = attacks.advantage(score, leak)
                    member = score >= threshold - 1e-12 * max(1.0, abs(threshold))
                    played = attacks.play(problem, member, n, games, ties=case.setting.ties, seed=n)
                    row |= {name: exact, f"{name} played": played.advantage, f"{name} error": played.error}
                rows.append(row)
                advance(1)
    return pd.DataFrame(rows)
