"""Cells laid out as measured ones, whose figures are drawn: for stores of any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.results import PROTOCOL_VERSION, CellResult, cell_path
from molecules.cache import content_key

#: Quantizers and their nominal bits; the first is the reference.
QUANTIZERS = {
    "float32": 32.0, "uniform-8": 8.0, "uniform-6": 6.0, "uniform-5": 5.0, "uniform-4": 4.0, "uniform-3": 3.0,
    "uniform-2": 2.0, "ternary-33": 1.585, "ternary-50": 1.585, "ternary-75": 1.585, "ternary-90": 1.585,
    "sign": 1.0,
}  # fmt: skip
#: Attacks, and whether they are tried with float32 shadows, too.
ATTACKS = {
    "lira-online": True, "lira-online-fixed": True, "lira-offline": False, "lira-offline-fixed": False,
    "loss": False, "discriminator": False, "trace-iqr": False, "rmia": True, "rmia-1": False, "rmia-2": False,
    "rmia-4": False,
}  # fmt: skip
METRICS = {"classification": ("roc_auc", "pr_auc", "mcc"), "regression": ("rmse", "mae", "r2", "spearman")}


def synthetic_cell(
    seed: int, task: str = "synthetic", encoder: str = "drawn", runs: int = 16, *, regression: bool = False
) -> CellResult:
    """Return a cell whose figures are drawn, so that some quantizers leak less and perform worse."""
    rng = np.random.default_rng(seed)
    kind = "regression" if regression else "classification"
    strength = np.linspace(0.0, 1.0, len(QUANTIZERS)) + rng.normal(0, 0.05, len(QUANTIZERS))
    rows = [_rows(name, cost, kind, runs, rng) for name, cost in zip(QUANTIZERS, strength, strict=True)]
    tried = [_attacks(name, cost, runs, rng) for name, cost in zip(QUANTIZERS, strength, strict=True)]
    result = CellResult(pd.concat(rows, ignore_index=True), _facts(seed, task, encoder, kind, runs))
    return replace(result, attacks=pd.concat(tried, ignore_index=True))


def _rows(name: str, cost: float, kind: str, runs: int, rng: np.random.Generator) -> pd.DataFrame:
    cost = max(cost, 0.0)
    loss_in = rng.uniform(0.05, 0.1, runs) + cost / 2
    effect = 1.0 - 0.9 * cost + rng.normal(0, 0.05, runs)
    rate = rng.gamma(2.0, 1e-3 * (1 + cost), runs)
    skill = 1.0 - 0.3 * cost + rng.normal(0, 0.01, runs)
    performance = {
        "roc_auc": 0.85 * skill, "pr_auc": 0.8 * skill, "mcc": 0.6 * skill,
        "rmse": 1.0 / skill, "mae": 0.8 / skill, "r2": 0.6 * skill, "spearman": 0.7 * skill,
    }  # fmt: skip
    quantized = 0.0 if name == "float32" else 0.99376
    return pd.DataFrame(
        {
            "run": np.arange(runs), "rate": rate, "rate_corrected": rate - 6e-4, "candidates": 20,
            "reference": rng.integers(0, 20, runs), "records": 787, "reason": "", "effect": effect,
            "effect_reason": "", "loss_in": loss_in, "loss_out": loss_in + 0.3 * np.exp(-3 * cost),
            **{metric: performance[metric] for metric in METRICS[kind]},
            "constant": False, "bits": QUANTIZERS[name],
            "entropy_bits": QUANTIZERS[name] * rng.uniform(0.9, 1.0, runs),
            "zeros": rng.uniform(0, 0.1, runs), "coverage": quantized, "model_coverage": 0.08 * quantized,
            "packed_bytes": rng.integers(4000, 84000, runs), "quantizer": name,
        }
    )  # fmt: skip


def _attacks(name: str, cost: float, runs: int, rng: np.random.Generator) -> pd.DataFrame:
    parts = []
    for attack, mismatched in ATTACKS.items():
        shadows = ("matched", "mismatched") if mismatched and name != "float32" else ("matched",)
        for which in shadows:
            advantage = np.clip(0.3 * np.exp(-3 * max(cost, 0.0)) + rng.normal(0, 0.02, runs), -0.1, 1.0)
            parts.append(
                pd.DataFrame(
                    {
                        "attack": attack, "shadows": which, "run": np.arange(runs), "reason": "",
                        "auc": 0.5 + 0.6 * advantage, "advantage": advantage,
                        "tpr_10": 0.1 + advantage / 2, "tpr_1": 0.01 + np.abs(advantage) / 8,
                        "tpr_0.1": np.nan, "auc_record_error": 0.005, "advantage_record_error": 0.006,
                    }
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True).assign(quantizer=name)


def _facts(seed: int, task: str, encoder: str, kind: str, runs: int) -> dict[str, object]:
    metric = METRICS[kind][0]
    return {
        "task": task, "task_version": 1, "kind": kind, "targets": ["y"], "metric": metric,
        "source_protocol": "", "train_encoder": False, "race": False, "twins": {}, "encoder": encoder,
        "performance_unit": "label" if kind == "regression" else "",
        "encoder_key": content_key(encoder), "encoder_parameters": 254853, "encoder_options": {},
        "encoder_seen": {"labels_declared": True, "molecules": 0, "of": 1573}, "scope": "head",
        "quantizers": {name: f"{name} of the synthetic cells" for name in QUANTIZERS}, "quantizer_flags": {},
        "own_quantizers": [],
        "key": content_key(seed, task, encoder, runs), "protocol_version": PROTOCOL_VERSION,
        **{f"{frame}_key": "drawn" for frame in ("attacks", "records", "full_pool", "joint_release")},
        "runs": runs, "seed": seed, "split": "random", "test_share": 0.2,
        "head": {"batch_size": 32, "dropout": 0.0, "early_snapshots": 0, "epochs": 20, "hidden": [64, 64],
                 "learning_rate": 0.001, "weight_decay": 0.01},
        "pool": 1573, "members": 786, "test": 392, "dimensions": 256, "unscored": [],
        "exchangeability": {"auc": 0.5, "error": 0.005}, "origin": "drawn", "sha256": content_key(task),
        "cleaning": {}, "data": {}, "device": "cpu", "versions": {}, "python": "", "commit": "",
        "measured": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def path_of(folder: Path, result: CellResult) -> Path:
    """Return where the file of a cell lies in a store."""
    facts = result.facts
    return cell_path(
        folder, str(facts["task"]), str(facts["encoder"]), int(str(facts["runs"])), int(str(facts["seed"])),
        str(facts["key"]),
    )  # fmt: skip
