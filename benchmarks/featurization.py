"""Molecules per second from SMILES to graphs: ours, torch-geometric's, and RDKit's parsing alone.

Run ``python -m benchmarks.featurization`` from the root of the checkout. All three see the same SMILES
in one process and one thread, in turns, so that a disturbance of the machine meets them alike; the
median of the turns is printed. SMILES that RDKit refuses are left out beforehand.
"""

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from rdkit import Chem, RDConfig, RDLogger
from torch_geometric.utils import from_smiles

from molecules.graphs import featurize
from molecules.parse import parse


def tox21_file() -> Path | None:
    """Return the Tox21 file of ``$MOLMIS_DATA`` or of ``../shared/datasets``, or None."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "datasets"
    folders = [Path(os.environ["MOLMIS_DATA"])] if os.environ.get("MOLMIS_DATA") else []
    found = (folder / "moleculenet" / "tox21.csv.gz" for folder in [*folders, beside])
    return next((path for path in found if path.is_file()), None)


def load_smiles(file: Path | None) -> tuple[str, list[str]]:
    """Return the name of the set and its SMILES that parse."""
    path = file or tox21_file()
    if path is not None:
        name, smiles = path.name, pd.read_csv(path)["smiles"].dropna().astype(str).tolist()
    else:
        path = Path(RDConfig.RDDataDir) / "Pains" / "test_data" / "wehi_mols.csv"
        with path.open() as stream:
            name, smiles = path.name, [row[0] for row in csv.reader(stream) if row]
    return name, [text for text in smiles if parse(text) is not None]


def contenders(smiles: list[str]) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    return {
        "molmis featurize": lambda: featurize(smiles),
        "torch-geometric from_smiles": lambda: [from_smiles(text) for text in smiles],
        "RDKit parsing alone": lambda: [None for text in smiles if Chem.MolFromSmiles(text) is None],
    }


def measure(smiles: list[str], repeats: int) -> dict[str, float]:
    """Return the median rate of each contender in molecules per second, over ``repeats`` turns."""
    rates: dict[str, list[float]] = {name: [] for name in contenders(smiles)}
    for _ in range(repeats):
        for name, call in contenders(smiles).items():
            start = time.perf_counter()
            call()
            rates[name].append(len(smiles) / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task-file", type=Path, help="CSV with column 'smiles' (default: Tox21, else WEHI)")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender (default: 5)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    RDLogger.DisableLog("rdApp.*")
    name, smiles = load_smiles(options.task_file)
    rates = measure(smiles, options.repeats)
    reference = rates["torch-geometric from_smiles"]
    print(f"{len(smiles):,} molecules of {name}, one thread, median of {options.repeats} turns")
    print(f"{'':30s}{'molecules/s':>12s}{'ratio':>8s}")
    for contender, rate in rates.items():
        print(f"{contender:30s}{rate:12,.0f}{rate / reference:7.2f}x")


if __name__ == "__main__":
    main()
