"""Molecules per second from SMILES to graphs: ``python -m benchmarks.featurization``.

Beside ours: RDKit's parsing alone, torch-geometric's ``from_smiles``, DeepChem's ``MolGraphConvFeaturizer``
with bond features, and chemprop's featurizer where chemprop is installed, parsing always included. All run
in one process and one thread, in turns, so that a disturbance of the machine meets them alike. Times are
those of the processor, and the best of the turns counts. The slow ones see every n-th of the molecules.
SMILES that RDKit refuses are left out beforehand.

``--check`` holds ours to ``from_smiles`` bit for bit, on all molecules of the files given.
"""

import argparse
import csv
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from rdkit import Chem, RDConfig, rdBase
from torch_geometric.utils import from_smiles

from benchmarks.ratio import Ratio, in_turns, write
from molecules.errors import DataError
from molecules.graphs import featurize
from molecules.parse import parse

OURS = "molmis featurize"
#: Names of the column of SMILES, in the files of MoleculeNet and TDC.
COLUMNS = ("smiles", "mol", "drug")


@dataclass(frozen=True)
class Contender:
    """What is measured, and on every how many-th molecule."""

    call: Callable[[list[str]], object]
    step: int = 1


@dataclass(frozen=True)
class Rate:
    """Molecules per second, and how many molecules it was measured on."""

    rate: float
    molecules: int


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
        frame = pd.read_csv(path)
        columns = [column for column in frame if str(column).lower() in COLUMNS]
        if not columns:
            raise DataError(f"{path} has none of the columns {', '.join(COLUMNS)} (in any case); rename one")
        name, smiles = path.name, frame[columns[0]].dropna().astype(str).tolist()
    else:
        path = Path(RDConfig.RDDataDir) / "Pains" / "test_data" / "wehi_mols.csv"
        with path.open() as stream:
            name, smiles = path.name, [row[0] for row in csv.reader(stream) if row]
    return name, [text for text in smiles if parse(text) is not None]


def contenders() -> dict[str, Contender]:
    """Return what is measured, by name."""
    every = {
        OURS: Contender(featurize),
        "RDKit parsing alone": Contender(
            lambda texts: [None for text in texts if not Chem.MolFromSmiles(text)]
        ),
        "torch-geometric from_smiles": Contender(lambda texts: [from_smiles(text) for text in texts], 2),
        "DeepChem MolGraphConvFeaturizer": Contender(_deepchem(), 8),
    }
    if importlib.util.find_spec("chemprop"):
        every["chemprop MolGraph"] = Contender(_chemprop(), 4)
    return every


def _deepchem() -> Callable[[list[str]], object]:
    from deepchem.feat import MolGraphConvFeaturizer

    return MolGraphConvFeaturizer(use_edges=True).featurize


def _chemprop() -> Callable[[list[str]], object]:
    from chemprop.featurizers import SimpleMoleculeMolGraphFeaturizer

    graph = SimpleMoleculeMolGraphFeaturizer()
    return lambda texts: [graph(Chem.MolFromSmiles(text)) for text in texts]


def measure(smiles: list[str], turns: int) -> dict[str, Rate]:
    """Return the best rate of each contender over some turns."""
    every = contenders()
    shares = {name: smiles[:: contender.step] for name, contender in every.items()}

    def bound(name: str) -> Callable[[], object]:
        return lambda: every[name].call(shares[name])

    with rdBase.BlockLogs():
        least = in_turns({name: bound(name) for name in every}, turns, time.process_time)
    return {name: Rate(len(shares[name]) / least[name], len(shares[name])) for name in every}


def ratios(rates: dict[str, Rate]) -> list[Ratio]:
    """Return ours beside every other contender."""
    ours = rates[OURS].rate
    return [
        Ratio("SMILES to graphs, one core", ours, other.rate, name, "molecules/s")
        for name, other in rates.items()
        if name != OURS
    ]


def differing(smiles: Sequence[str]) -> list[str]:
    """Return the SMILES whose graphs differ from torch-geometric's; those it refuses are left out."""
    graphs, found = featurize(smiles), []
    for row, text in enumerate(smiles):
        try:
            theirs = from_smiles(text)
        except ValueError:  # a value outside its tables
            continue
        ours = graphs.batch(row, row + 1)
        same = (torch.equal(getattr(ours, name), theirs[name]) for name in ("x", "edge_index", "edge_attr"))
        if not all(same):
            found.append(text)
    return found


def check(files: Sequence[Path], block: int = 2000) -> int:
    """Print how many molecules of each file have graphs that differ, and which; return how many in all."""
    total = 0
    for file in files:
        smiles = load_smiles(file)[1]
        found = [text for at in range(0, len(smiles), block) for text in differing(smiles[at : at + block])]
        print(f"{file.name}: {len(found)} of {len(smiles):,} molecules differ", *found, sep="\n  ")
        total += len(found)
    return total


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task-file", type=Path, help="CSV of SMILES (default: Tox21, else WEHI)")
    parser.add_argument("--turns", type=int, default=5, help="turns, of which the best counts (default: 5)")
    parser.add_argument("--csv", type=Path, help="file of ratios to write to")
    parser.add_argument("--check", type=Path, nargs="+", metavar="FILE", help="compare, and measure nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if options.check:
            sys.exit(1 if check(options.check) else 0)
        name, smiles = load_smiles(options.task_file)
    except (OSError, ValueError, DataError) as error:
        parser.error(f"the file cannot be used: {str(error).strip()}")
    rates = measure(smiles, options.turns)
    print(f"{len(smiles):,} molecules of {name}, one thread, best of {options.turns} turns")
    print(f"{'':34s}{'molecules/s':>12s}{'measured on':>13s}{'ours is':>10s}")
    for contender, rate in rates.items():
        times = rates[OURS].rate / rate.rate
        print(f"{contender:34s}{rate.rate:12,.0f}{rate.molecules:13,d}{times:9.2f}x")
    if options.csv:
        write(options.csv, ratios(rates))


if __name__ == "__main__":
    main()
